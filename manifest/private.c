#include "manifest/private.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "manifest/records.h"

#include <stdio.h>
#include <string.h>

#define PRIVATE_CAP ((size_t)16 << 30)
#define SALT_BYTES 16
#define PLACE_BYTES 1100

/* Who said it and what was said may be forgotten; depth, budgets, weight and rubric may not,
 * because without them nobody could check what was enforced. */
static const char *const allowed[] = {"id",    "salt",       "content", "text",
                                      "label", "annotators", "cohort",  NULL};

static plumb_status index_line(plumb__private *file, size_t from, size_t length, plumb_error *err)
{
    char place[PLACE_BYTES];
    json_t *obj = NULL;
    const char *id = NULL;
    uint32_t number, expected = file->ids.n;
    snprintf(place, sizeof place, "%s: line %u", file->path, expected + 1);
    PLUMB_TRY(plumb__json_parse(place, file->text.data + from, length, &obj, err));
    plumb_status status = plumb__json_string(place, obj, "id", true, &id, err);
    if (status == PLUMB_OK) status = plumb__intern_add(&file->ids, id, strlen(id), &number, err);
    if (status == PLUMB_OK && number != expected) {
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: id \"%.256s\" is that of line %u already",
                             place, id, number + 1);
    }
    json_decref(obj);
    PLUMB_TRY(status);
    PLUMB_TRY(plumb__grow(&file->starts, &file->starts_capacity, (size_t)expected + 2,
                          sizeof *file->starts, "private records", err));
    file->starts[expected] = from;
    file->starts[expected + 1] = from + length + 1;
    return PLUMB_OK;
}

static plumb_status read_file(const char *path, plumb__private *file, plumb_error *err)
{
    uint64_t lines = 0;
    PLUMB_TRY(plumb__intern_init(&file->ids, err));
    PLUMB_TRY(plumb__file_read(path, PRIVATE_CAP, &file->text, err));
    const char *data = (const char *)file->text.data;
    const size_t n = file->text.size;
    if (n == 0) return PLUMB_OK; /* all is forgotten */
    PLUMB_TRY(plumb__lines_check(path, data, n, &lines, err));
    for (size_t at = 0; at < n;) {
        const size_t length = (size_t)((const char *)memchr(data + at, '\n', n - at) - data) - at;
        PLUMB_TRY(index_line(file, at, length, err));
        at += length + 1;
    }
    return PLUMB_OK;
}

plumb_status plumb__private_open(const char *path, bool required, plumb__private **out,
                                 plumb_error *err)
{
    plumb__private *file = NULL;
    *out = NULL;
    if (!required && !plumb__path_exists(path)) return PLUMB_OK;
    PLUMB_TRY(plumb__alloc(&file, 1, sizeof *file, "private records", err));
    snprintf(file->path, sizeof file->path, "%.1000s", path);
    const plumb_status status = read_file(path, file, err);
    if (status != PLUMB_OK) {
        plumb__private_free(file);
        return status;
    }
    *out = file;
    return PLUMB_OK;
}

void plumb__private_free(plumb__private *file)
{
    if (file == NULL) return;
    plumb__bytes_free(&file->text);
    plumb__intern_free(&file->ids);
    plumb__free(file->starts);
    plumb__free(file);
}

/* SHA-256 of the salt's bytes and the exact line. */
static plumb_status check_digest(const char *place, const char *id, const char *salt_hex,
                                 const char *expected_hex, const uint8_t *line, size_t n,
                                 plumb_error *err)
{
    uint8_t salt[SALT_BYTES];
    plumb__hash expected;
    plumb__hasher h;
    if (strlen(salt_hex) != 2 * SALT_BYTES || !plumb__hex_decode(salt_hex, 2 * SALT_BYTES, salt)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"salt\" must be 32 lower-case hex digits", place);
    }
    plumb__hash_init(&h, PLUMB__SHA256);
    plumb__hash_update(&h, salt, sizeof salt);
    plumb__hash_update(&h, line, n);
    const plumb__hash found = plumb__hash_final(&h);
    if (expected_hex != NULL && plumb__hash_parse(expected_hex, &expected) &&
        plumb__hash_equal(&found, &expected)) {
        return PLUMB_OK;
    }
    return plumb__fail(err, PLUMB_ERR_DIGEST,
                       "%s: is not the line that was signed for record \"%.256s\"", place, id);
}

/* A field is public or private, not both: one of them would go unread. */
static plumb_status move_fields(const char *place, json_t *line, json_t *record, plumb_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(line, name, value)
    {
        if (strcmp(name, "id") == 0 || strcmp(name, "salt") == 0) continue;
        if (json_object_get(record, name) != NULL) {
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: field \"%s\" is in the public record too", place, name);
        }
        if (json_object_set(record, name, value) != 0) {
            return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for private records");
        }
    }
    return PLUMB_OK;
}

plumb_status plumb__private_merge(plumb__private *file, json_t *record, plumb_error *err)
{
    const char *id = json_string_value(json_object_get(record, "id")), *salt = NULL;
    char place[PLACE_BYTES];
    json_t *line = NULL;
    if (file == NULL || id == NULL) return PLUMB_OK; /* the record's own checks will speak */
    const uint32_t number = plumb__intern_find(&file->ids, id, strlen(id));
    if (number == PLUMB__INTERN_NONE) return PLUMB_OK;
    const uint8_t *data = file->text.data + file->starts[number];
    const size_t n = (size_t)(file->starts[number + 1] - file->starts[number]) - 1;
    snprintf(place, sizeof place, "%s: line %u", file->path, number + 1);
    PLUMB_TRY(plumb__json_parse(place, data, n, &line, err));
    plumb_status status = plumb__json_only(place, line, allowed, err);
    if (status == PLUMB_OK) status = plumb__json_string(place, line, "salt", true, &salt, err);
    if (status == PLUMB_OK) {
        const char *digest = json_string_value(json_object_get(record, "private"));
        status = check_digest(place, id, salt, digest, data, n, err);
    }
    if (status == PLUMB_OK) status = move_fields(place, line, record, err);
    json_decref(line);
    file->used++;
    return status;
}

plumb_status plumb__private_check_used(const plumb__private *file, plumb_error *err)
{
    if (file == NULL || file->used == file->ids.n) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: %u of its %u lines belong to no record of the manifest", file->path,
                       file->ids.n - file->used, file->ids.n);
}
