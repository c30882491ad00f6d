/* A private line: read like a record, and laid over the public one. */
#include "base/json.h"
#include "base/text.h"
#include "manifest/records/record_reading.h"

#include <stdio.h>
#include <string.h>

#define SALT_BYTES 16

/* Who said it and what was said may be forgotten; depth, budgets, weight and rubric may not,
 * because without them nobody could check what was enforced. */
static const plumb__record_field allowed[] = {
    PLUMB__FIELD_ID,    PLUMB__FIELD_SALT,       PLUMB__FIELD_CONTENT, PLUMB__FIELD_TEXT,
    PLUMB__FIELD_LABEL, PLUMB__FIELD_ANNOTATORS, PLUMB__FIELD_COHORT};

enum { ALLOWED = sizeof allowed / sizeof *allowed, FIRST_MOVED = 2 };

static bool is_allowed(const char *key, size_t n)
{
    for (size_t i = 0; i < ALLOWED; i++) {
        const char *name = plumb__record_names[allowed[i]].name;
        if (strlen(name) == n && memcmp(name, key, n) == 0) return true;
    }
    return false;
}

/* Only for the message: a member without a known name has left nothing in the scan. */
static void find_unknown(const char *line, size_t n, char *out, size_t size)
{
    json_t *obj = json_loadb(line, n, 0, NULL);
    const char *key;
    json_t *value;
    out[0] = '\0';
    json_object_foreach(obj, key, value)
    {
        if (!is_allowed(key, strlen(key))) (void)snprintf(out, size, "%.80s", key);
        if (out[0] != '\0') break;
    }
    json_decref(obj);
}

/* All members are among those allowed: as many as there are fields of these names. */
static plumb_status check_names(plumb__reading *r, const char *line, size_t n)
{
    uint32_t known = 0;
    char name[96];
    for (size_t i = 0; i < ALLOWED; i++) {
        known += plumb__reading_field(r, allowed[i]) != NULL;
    }
    if (known == r->scan->nodes[0].entries) return PLUMB_OK;
    find_unknown(line, n, name, sizeof name);
    return plumb__reading_fail(r, NULL, PLUMB_ERR_FORMAT,
                               "unknown field \"%s\" (allowed: id, salt, content, text, label, "
                               "annotators, cohort)",
                               name);
}

/* SHA-256 of the salt's bytes and the exact line is what was signed. */
static plumb_status check_digest(plumb__reading *r, const char *line, size_t n)
{
    const plumb__scan_node *salt = plumb__reading_field(r, PLUMB__FIELD_SALT);
    const plumb__span *id = &r->view->field[PLUMB__FIELD_ID],
                      *digest = &r->view->field[PLUMB__FIELD_PRIVATE];
    uint8_t bytes[SALT_BYTES];
    plumb__hash expected;
    plumb__hasher h;
    if (salt == NULL) {
        return plumb__reading_fail(r, NULL, PLUMB_ERR_FORMAT, "field \"salt\" is missing");
    }
    PLUMB_TRY(plumb__reading_want(r, "", "salt", salt, PLUMB__SCAN_STRING, "a string"));
    if (salt->bytes != 2 * SALT_BYTES || !plumb__hex_decode(salt->text, salt->bytes, bytes)) {
        return plumb__reading_fail(r, salt, PLUMB_ERR_FORMAT,
                                   "field \"salt\" must be 32 lower-case hex digits");
    }
    plumb__hash_init(&h, PLUMB__SHA256);
    plumb__hash_update(&h, bytes, sizeof bytes);
    plumb__hash_update(&h, line, n);
    const plumb__hash found = plumb__hash_final(&h);
    /* That the public digest is 64 hex digits was seen when the record was read. */
    if (digest->text != NULL && plumb__hex_decode(digest->text, digest->bytes, expected.bytes) &&
        plumb__hash_equal(&found, &expected)) {
        return PLUMB_OK;
    }
    return plumb__reading_fail(r, NULL, PLUMB_ERR_DIGEST,
                               "is not the line that was signed for record \"%.*s\"",
                               (int)id->bytes, id->text);
}

/* A field is public or private, not both: one of them would go unread. */
static plumb_status check_not_public(plumb__reading *r, const plumb__scan *record)
{
    for (size_t i = FIRST_MOVED; i < ALLOWED; i++) {
        const plumb__scan_node *node = plumb__reading_field(r, allowed[i]);
        if (node == NULL || record->field[allowed[i]] == 0) continue;
        return plumb__reading_fail(r, node, PLUMB_ERR_FORMAT,
                                   "field \"%s\" is in the public record too",
                                   plumb__record_names[allowed[i]].name);
    }
    return PLUMB_OK;
}

static plumb_status read_fields(plumb__reading *r)
{
    const plumb__span id = r->view->field[PLUMB__FIELD_ID];
    PLUMB_TRY(plumb__reading_content(r));
    PLUMB_TRY(plumb__reading_annotators(r));
    if (plumb__reading_field(r, PLUMB__FIELD_TEXT) != NULL) {
        PLUMB_TRY(plumb__reading_text_of(r, PLUMB__FIELD_TEXT));
    }
    if (plumb__reading_field(r, PLUMB__FIELD_LABEL) != NULL) {
        PLUMB_TRY(plumb__reading_text_of(r, PLUMB__FIELD_LABEL));
    }
    if (plumb__reading_field(r, PLUMB__FIELD_COHORT) != NULL) {
        PLUMB_TRY(plumb__reading_name_of(r, PLUMB__FIELD_COHORT));
    }
    r->view->field[PLUMB__FIELD_ID] = id; /* the public one has its place in the public line */
    return PLUMB_OK;
}

plumb_status plumb__view_add_private(const plumb__scan *scan, plumb__scan *private_scan,
                                     plumb__arena *arena, const char *line, size_t n,
                                     plumb__record_view *view, plumb__view_error *bad)
{
    plumb__reading r = {private_scan, arena, view, bad};
    bad->private_line = true;
    const plumb_status status = plumb__scan_line(private_scan, arena, line, n, &bad->error);
    if (status != PLUMB_OK) {
        bad->at = private_scan->bad_at;
        return status;
    }
    if (private_scan->nodes[0].kind != PLUMB__SCAN_OBJECT) {
        return plumb__reading_fail(&r, NULL, PLUMB_ERR_FORMAT, "a record must be a JSON object");
    }
    PLUMB_TRY(check_names(&r, line, n));
    PLUMB_TRY(check_digest(&r, line, n));
    PLUMB_TRY(check_not_public(&r, scan));
    PLUMB_TRY(read_fields(&r));
    bad->private_line = false;
    return PLUMB_OK;
}
