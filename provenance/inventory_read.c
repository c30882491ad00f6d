#include "provenance/inventory_read.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

static const char *const line_fields[] = { "files", "kind", "leaf", "seal", "state", NULL };
static const char *const file_fields[] = { "blake2b", "bytes", "name", NULL };
static const char *const phases[] = { "open", "merged", "closed" };

/* A name may not lead out of the bundle: no absolute path, no empty, "." or ".." component. */
static bool is_inside(const char *name)
{
    const char *part = name;
    for (;;) {
        const size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && memcmp(part, "..", 2) == 0))
            return false;
        if (part[n] == '\0') return true;
        part += n + 1;
    }
}

static plumb_status parse_file(const char *what, const json_t *obj, size_t i,
                               plumb__inventory *out, plumb_error *err)
{
    plumb__listed_file *file = &out->files[i];
    const char *digest = NULL;
    int64_t size_bytes = 0;
    if (!json_is_object(obj))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: file %zu must be an object", what, i + 1);
    PLUMB_TRY(plumb__json_only(what, obj, file_fields, err));
    PLUMB_TRY(plumb__json_string(what, obj, "name", true, &file->name, err));
    PLUMB_TRY(plumb__json_string(what, obj, "blake2b", true, &digest, err));
    PLUMB_TRY(plumb__json_integer(what, obj, "bytes", true, &size_bytes, err));
    if (!is_inside(file->name))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: file %zu has a name that leads elsewhere",
                           what, i + 1);
    if (size_bytes < 0 || !plumb__hash_parse(digest, &file->blake2b))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: size or digest of %s is malformed", what,
                           file->name);
    if (i > 0 && strcmp(out->files[i - 1].name, file->name) >= 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: %s is out of order", what, file->name);
    file->size_bytes = (uint64_t)size_bytes;
    return PLUMB_OK;
}

static plumb_status parse_files(const char *what, plumb__inventory *out, plumb_error *err)
{
    const json_t *array = NULL;
    PLUMB_TRY(plumb__json_array(what, out->json, "files", true, &array, err));
    const size_t n = json_array_size(array);
    if (n > PLUMB__MAX_INVENTORY_FILES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: lists %zu files, at most %zu are read", what,
                           n, PLUMB__MAX_INVENTORY_FILES);
    PLUMB_TRY(plumb__alloc(&out->files, n, sizeof *out->files, "inventory", err));
    for (size_t i = 0; i < n; i++)
        PLUMB_TRY(parse_file(what, json_array_get(array, i), i, out, err));
    out->n_files = n;
    return PLUMB_OK;
}

static plumb_status parse(const char *what, plumb__inventory *out, plumb_error *err)
{
    const char *kind = NULL, *state = NULL;
    int64_t leaf = 0, seal = 0;
    if (!json_is_object(out->json))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: must be a JSON object", what);
    PLUMB_TRY(plumb__json_only(what, out->json, line_fields, err));
    PLUMB_TRY(plumb__json_string(what, out->json, "kind", true, &kind, err));
    PLUMB_TRY(plumb__json_string(what, out->json, "state", true, &state, err));
    PLUMB_TRY(plumb__json_integer(what, out->json, "leaf", true, &leaf, err));
    PLUMB_TRY(plumb__json_integer(what, out->json, "seal", true, &seal, err));
    if (strcmp(kind, "inventory") != 0 || leaf < 1 || seal < 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: is no inventory", what);
    out->leaf = (uint64_t)leaf;
    out->seal = (uint64_t)seal;
    for (int i = 0; i < 3; i++) {
        if (strcmp(state, phases[i]) != 0) continue;
        out->phase = (plumb__bundle_phase)i;
        return parse_files(what, out, err);
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: state \"%.20s\" is unknown", what, state);
}

plumb_status plumb__inventory_parse(const char *what, const void *line, size_t n,
                                    plumb__inventory *out, plumb_error *err)
{
    *out = (plumb__inventory){ 0 };
    PLUMB_TRY(plumb__json_parse(what, line, n, &out->json, err));
    const plumb_status status = parse(what, out, err);
    if (status != PLUMB_OK) plumb__inventory_free(out);
    return status;
}

void plumb__inventory_free(plumb__inventory *inventory)
{
    json_decref(inventory->json);
    plumb__free(inventory->files);
    *inventory = (plumb__inventory){ 0 };
}

const plumb__listed_file *plumb__inventory_find(const plumb__inventory *inventory,
                                                const char *name)
{
    size_t low = 0, high = inventory->n_files;
    while (low < high) {
        const size_t at = low + (high - low) / 2;
        const int order = strcmp(name, inventory->files[at].name);
        if (order == 0) return &inventory->files[at];
        if (order < 0) high = at;
        else low = at + 1;
    }
    return NULL;
}
