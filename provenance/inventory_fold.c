/* The fold over seals.jsonl (inventory_fold.h).
 * Files are kept by name in a JSON object, whose hash table is seeded at random: a line costs what
 * it lists, however many files there are and whoever chose their names. */
#include "provenance/inventory_fold.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct seal_change {
    int64_t leaf, seal;
    plumb__seal_state state;
    const json_t *files, *gone; /* borrowed */
} seal_change;

/* ---- one line by itself -------------------------------------------------------------------- */

static plumb_status check_order(const char *what, const char *before, const char *name,
                                plumb_error *err)
{
    if (before == NULL || strcmp(before, name) < 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%.200s\" is not in order", what, name);
}

/* The name is borrowed from the entry. */
static plumb_status read_entry(const char *what, const json_t *entry, const char **name,
                               plumb__inventory_file *file, plumb_error *err)
{
    static const char *const fields[] = {"name", "bytes", "blake2b", NULL};
    const char *hex = NULL;
    int64_t bytes = -1;
    if (!json_is_object(entry))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a file must be an object", what);
    PLUMB_TRY(plumb__json_only(what, entry, fields, err));
    PLUMB_TRY(plumb__json_string(what, entry, "name", true, name, err));
    PLUMB_TRY(plumb__json_integer(what, entry, "bytes", true, &bytes, err));
    PLUMB_TRY(plumb__json_string(what, entry, "blake2b", true, &hex, err));
    if (bytes < 0 || !plumb__hash_parse(hex, &file->blake2b) || !plumb__inventory_covers(*name))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: \"%.200s\" has no valid size and digest or does not belong there",
                           what, *name);
    file->bytes = (uint64_t)bytes;
    return PLUMB_OK;
}

static plumb_status check_gone(const char *what, const json_t *gone, plumb_error *err)
{
    const char *before = NULL;
    for (size_t i = 0; i < json_array_size(gone); i++) {
        const char *name = json_string_value(json_array_get(gone, i));
        if (name == NULL)
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a name that is gone must be a string",
                               what);
        PLUMB_TRY(check_order(what, before, name, err));
        before = name;
    }
    return PLUMB_OK;
}

static plumb_status check_names(const char *what, const seal_change *change, plumb_error *err)
{
    const char *before = NULL, *name = NULL;
    size_t next = 0; /* of those that are gone: both lists rise */
    PLUMB_TRY(check_gone(what, change->gone, err));
    for (size_t i = 0; i < json_array_size(change->files); i++) {
        plumb__inventory_file unused = {0};
        int order = 1;
        PLUMB_TRY(read_entry(what, json_array_get(change->files, i), &name, &unused, err));
        PLUMB_TRY(check_order(what, before, name, err));
        before = name;
        for (; next < json_array_size(change->gone); next++) {
            order = strcmp(json_string_value(json_array_get(change->gone, next)), name);
            if (order >= 0) break;
        }
        if (order == 0)
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%.200s\" is listed and gone", what,
                               name);
    }
    return PLUMB_OK;
}

static plumb_status read_state(const char *what, const json_t *line, plumb__seal_state *out,
                               plumb_error *err)
{
    const char *name = NULL;
    PLUMB_TRY(plumb__json_string(what, line, "state", true, &name, err));
    for (int i = PLUMB__SEAL_OPEN; i <= PLUMB__SEAL_CLOSED; i++)
        if (strcmp(name, plumb__seal_state_name((plumb__seal_state)i)) == 0) {
            *out = (plumb__seal_state)i;
            return PLUMB_OK;
        }
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: unknown state \"%.50s\"", what, name);
}

static plumb_status read_line(const char *what, const json_t *line, seal_change *change,
                              plumb_error *err)
{
    static const char *const fields[] = {"kind", "leaf", "seal", "state", "files", "gone", NULL};
    const char *kind = NULL;
    if (!json_is_object(line))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: must be a JSON object", what);
    PLUMB_TRY(plumb__json_only(what, line, fields, err));
    PLUMB_TRY(plumb__json_string(what, line, "kind", true, &kind, err));
    PLUMB_TRY(plumb__json_integer(what, line, "leaf", true, &change->leaf, err));
    PLUMB_TRY(plumb__json_integer(what, line, "seal", true, &change->seal, err));
    if (strcmp(kind, "inventory") != 0 || change->leaf < 1 || change->seal < 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: is not an inventory", what);
    PLUMB_TRY(read_state(what, line, &change->state, err));
    PLUMB_TRY(plumb__json_array(what, line, "files", true, &change->files, err));
    PLUMB_TRY(plumb__json_array(what, line, "gone", true, &change->gone, err));
    return check_names(what, change, err);
}

static plumb_status check_canonical(const char *what, const json_t *json, const void *line,
                                    size_t n, plumb_error *err)
{
    plumb__bytes again = {0};
    plumb_status status = plumb__json_dump(json, &again, err);
    if (status == PLUMB_OK && (again.size != n || memcmp(again.data, line, n) != 0))
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: is not in canonical form", what);
    plumb__bytes_free(&again);
    return status;
}

/* ---- after the lines before ---------------------------------------------------------------- */

static plumb_status check_sequence(const char *what, const plumb__inventory_fold *fold,
                                   const seal_change *change, plumb_error *err)
{
    const uint64_t leaf = (uint64_t)change->leaf, seal = (uint64_t)change->seal;
    const bool leaf_ok = fold->lines > 0 ? leaf > fold->leaf : leaf == 1;
    const bool state_ok = fold->state == PLUMB__SEAL_OPEN ? change->state != PLUMB__SEAL_CLOSED
                                                          : fold->state == PLUMB__SEAL_MERGED;
    if (seal == fold->lines && leaf_ok && state_ok) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_CORRUPT,
                       "%s: seal %" PRIu64 " (%s, leaf %" PRIu64
                       ") does not follow the line before; restore the file from a copy",
                       what, seal, plumb__seal_state_name(change->state), leaf);
}

static plumb_status put(const char *what, json_t *files, json_t *entry, plumb_error *err)
{
    const char *name = json_string_value(json_object_get(entry, "name"));
    if (json_equal(json_object_get(files, name), entry))
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s: lists \"%.200s\" as it was already; restore the file from a copy",
                           what, name);
    if (json_object_set(files, name, entry) != 0)
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for the files of %s", what);
    return PLUMB_OK;
}

static plumb_status apply(const char *what, const seal_change *change, json_t *files,
                          plumb_error *err)
{
    for (size_t i = 0; i < json_array_size(change->gone); i++) {
        const char *name = json_string_value(json_array_get(change->gone, i));
        if (json_object_del(files, name) != 0)
            return plumb__fail(err, PLUMB_ERR_CORRUPT,
                               "%s: \"%.200s\" is gone, but was not there; restore the file from "
                               "a copy",
                               what, name);
    }
    for (size_t i = 0; i < json_array_size(change->files); i++)
        PLUMB_TRY(put(what, files, json_array_get(change->files, i), err));
    if (json_object_size(files) > PLUMB__MAX_INVENTORY_FILES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: more than %u files", what,
                           PLUMB__MAX_INVENTORY_FILES);
    return PLUMB_OK;
}

static plumb_status follow(const char *what, const seal_change *change, plumb__inventory_fold *fold,
                           plumb_error *err)
{
    PLUMB_TRY(check_sequence(what, fold, change, err));
    if (fold->files == NULL) fold->files = json_object();
    if (fold->files == NULL)
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for the files of %s", what);
    PLUMB_TRY(apply(what, change, fold->files, err));
    fold->lines++;
    fold->leaf = (uint64_t)change->leaf;
    fold->state = change->state;
    return PLUMB_OK;
}

plumb_status plumb__inventory_fold_line(const char *what, const void *line, size_t n,
                                        plumb__inventory_fold *fold, plumb_error *err)
{
    json_t *json = NULL;
    seal_change change = {0};
    plumb_status status = plumb__json_parse(what, line, n, &json, err);
    if (status == PLUMB_OK) status = read_line(what, json, &change, err);
    if (status == PLUMB_OK) status = check_canonical(what, json, line, n, err);
    if (status == PLUMB_OK) status = follow(what, &change, fold, err);
    json_decref(json);
    return status;
}

/* ---- the inventory in force ---------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const plumb__inventory_file *)a)->name,
                  ((const plumb__inventory_file *)b)->name);
}

static plumb_status list_files(json_t *files, plumb__inventory *out, plumb_error *err)
{
    const char *key, *name = NULL;
    json_t *entry;
    out->capacity = json_object_size(files);
    PLUMB_TRY(plumb__alloc(&out->files, out->capacity, sizeof *out->files, "an inventory", err));
    json_object_foreach(files, key, entry)
    {
        plumb__inventory_file *file = &out->files[out->n_files];
        *file = (plumb__inventory_file){0};
        PLUMB_TRY(read_entry("seals.jsonl", entry, &name, file, err));
        PLUMB_TRY(plumb__strdup(&file->name, name, err));
        out->n_files++;
    }
    if (out->n_files > 1) qsort(out->files, out->n_files, sizeof *out->files, by_name);
    return PLUMB_OK;
}

plumb_status plumb__inventory_fold_result(const plumb__inventory_fold *fold, plumb__inventory *out,
                                          plumb_error *err)
{
    *out = (plumb__inventory){0};
    if (fold->lines == 0) return PLUMB_OK;
    const plumb_status status = list_files(fold->files, out, err);
    if (status != PLUMB_OK) {
        plumb__inventory_free(out);
        return status;
    }
    out->leaf = fold->leaf;
    out->seal = fold->lines - 1;
    out->state = fold->state;
    return PLUMB_OK;
}

void plumb__inventory_fold_free(plumb__inventory_fold *fold)
{
    json_decref(fold->files);
    *fold = (plumb__inventory_fold){0};
}
