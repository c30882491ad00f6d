/* Inventories (inventory.h). */
#include "provenance/inventory.h"

#include "base/alloc.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Small files are hashed anew each time: that is cheap, and no clock is coarse enough to matter. */
#define ALWAYS_HASHED_BYTES ((uint64_t)1 << 20)

#define COLLECT_ATTEMPTS 8

static const char *const state_names[] = {"open", "merged", "closed"};

const char *plumb__seal_state_name(plumb__seal_state state)
{
    return state_names[state];
}

bool plumb__inventory_covers(const char *relative)
{
    const size_t n = strlen(relative);
    if (strcmp(relative, "seals.jsonl") == 0 || strcmp(relative, "head") == 0) return false;
    if (strncmp(relative, "journal/", 8) == 0) return false;
    return n < 4 || strcmp(relative + n - 4, ".tmp") != 0;
}

void plumb__inventory_free(plumb__inventory *inventory)
{
    for (size_t i = 0; i < inventory->n_files; i++)
        plumb__free(inventory->files[i].name);
    plumb__free(inventory->files);
    *inventory = (plumb__inventory){0};
}

static plumb_status add_file(plumb__inventory *inventory, const char *name,
                             plumb__inventory_file **file, plumb_error *err)
{
    PLUMB_TRY(plumb__grow(&inventory->files, &inventory->capacity, inventory->n_files + 1,
                          sizeof *inventory->files, "an inventory", err));
    plumb__inventory_file *f = &inventory->files[inventory->n_files];
    *f = (plumb__inventory_file){0};
    PLUMB_TRY(plumb__strdup(&f->name, name, err));
    inventory->n_files++;
    *file = f;
    return PLUMB_OK;
}

static int by_name(const void *key, const void *element)
{
    return strcmp(key, ((const plumb__inventory_file *)element)->name);
}

const plumb__inventory_file *plumb__inventory_find(const plumb__inventory *inventory,
                                                   const char *name)
{
    if (inventory->n_files == 0) return NULL;
    return bsearch(name, inventory->files, inventory->n_files, sizeof *inventory->files, by_name);
}

/* ---- from the directory ------------------------------------------------------------------- */

typedef struct collect {
    const char *dir;
    const plumb__inventory *previous;
    plumb__inventory *out;
} collect;

static bool unchanged(const plumb__inventory_file *old, const plumb__inventory_file *now)
{
    return old && now->bytes >= ALWAYS_HASHED_BYTES && old->bytes == now->bytes &&
           old->mtime_ns == now->mtime_ns && old->inode == now->inode;
}

static plumb_status collect_file(const char *relative, uint64_t size_bytes, void *ctx,
                                 plumb_error *err)
{
    collect *c = ctx;
    (void)size_bytes;
    if (!plumb__inventory_covers(relative)) return PLUMB_OK;
    char path[PLUMB__PATH_BYTES];
    struct stat st;
    plumb__inventory_file *f;
    PLUMB_TRY(plumb__path_join(path, c->dir, relative, err));
    PLUMB_TRY(add_file(c->out, relative, &f, err));
    if (lstat(path, &st) != 0) return plumb__fail_errno(err, "cannot inspect %s", path);
    f->bytes = (uint64_t)st.st_size;
    f->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    f->inode = (uint64_t)st.st_ino;
    const plumb__inventory_file *old =
        c->previous ? plumb__inventory_find(c->previous, relative) : NULL;
    if (unchanged(old, f)) {
        f->blake2b = old->blake2b;
        return PLUMB_OK;
    }
    return plumb__hash_file(path, &f->blake2b, NULL, &f->bytes, err);
}

plumb_status plumb__inventory_collect(const char *dir, const plumb__inventory *previous,
                                      plumb__inventory *out, plumb_error *err)
{
    *out = (plumb__inventory){0};
    collect c = {dir, previous, out};
    /* A checkpoint may get its name between the listing of its directory and the look at the file.
     * */
    for (int attempt = 0;; attempt++) {
        const plumb_status status =
            plumb__dir_walk(dir, PLUMB__MAX_INVENTORY_FILES, collect_file, &c, err);
        if (status == PLUMB_OK) return status;
        plumb__inventory_free(out);
        if (status != PLUMB_ERR_NOT_FOUND || attempt == COLLECT_ATTEMPTS) return status;
    }
}

bool plumb__inventory_same_files(const plumb__inventory *a, const plumb__inventory *b)
{
    if (a->n_files != b->n_files) return false;
    for (size_t i = 0; i < a->n_files; i++) {
        const plumb__inventory_file *x = &a->files[i], *y = &b->files[i];
        if (strcmp(x->name, y->name) != 0 || x->bytes != y->bytes ||
            !plumb__hash_equal(&x->blake2b, &y->blake2b))
            return false;
    }
    return true;
}

/* ---- as JSON ------------------------------------------------------------------------------ */

static json_t *files_json(const plumb__inventory *inventory)
{
    json_t *files = json_array();
    for (size_t i = 0; i < inventory->n_files; i++) {
        const plumb__inventory_file *f = &inventory->files[i];
        char hex[PLUMB__HASH_HEX_BYTES];
        plumb__hash_hex(&f->blake2b, hex);
        (void)json_array_append_new(files, json_pack("{s:s,s:s,s:I}", "name", f->name, "blake2b",
                                                     hex, "bytes", (json_int_t)f->bytes));
    }
    return files;
}

plumb_status plumb__inventory_dump(const plumb__inventory *inventory, plumb__bytes *out,
                                   plumb_error *err)
{
    json_t *files = files_json(inventory);
    const bool whole = json_array_size(files) == inventory->n_files;
    json_t *line = json_pack("{s:s,s:I,s:I,s:s,s:o}", "kind", "inventory", "leaf",
                             (json_int_t)inventory->leaf, "seal", (json_int_t)inventory->seal,
                             "state", plumb__seal_state_name(inventory->state), "files", files);
    plumb_status status =
        line && whole
            ? plumb__json_dump(line, out, err)
            : plumb__fail(err, PLUMB_ERR_FORMAT,
                          "an inventory could not be written: a file name is not UTF-8, or "
                          "there is no memory");
    json_decref(line);
    return status;
}

static plumb_status parse_file(const char *what, const json_t *entry, plumb__inventory *out,
                               plumb_error *err)
{
    static const char *const fields[] = {"name", "bytes", "blake2b", NULL};
    const char *name = NULL, *hex = NULL;
    int64_t bytes = -1;
    plumb__inventory_file *f;
    if (!json_is_object(entry))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a file must be an object", what);
    PLUMB_TRY(plumb__json_only(what, entry, fields, err));
    PLUMB_TRY(plumb__json_string(what, entry, "name", true, &name, err));
    PLUMB_TRY(plumb__json_integer(what, entry, "bytes", true, &bytes, err));
    PLUMB_TRY(plumb__json_string(what, entry, "blake2b", true, &hex, err));
    if (out->n_files > 0 && strcmp(out->files[out->n_files - 1].name, name) >= 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%.200s\" is not in order", what, name);
    PLUMB_TRY(add_file(out, name, &f, err));
    if (bytes < 0 || !plumb__hash_parse(hex, &f->blake2b) || !plumb__inventory_covers(name))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: \"%.200s\" has no valid size and digest or does not belong there",
                           what, name);
    f->bytes = (uint64_t)bytes;
    return PLUMB_OK;
}

static plumb_status parse_state(const char *what, const json_t *line, plumb__inventory *out,
                                plumb_error *err)
{
    const char *state = NULL;
    PLUMB_TRY(plumb__json_string(what, line, "state", true, &state, err));
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(state, state_names[i]) == 0) {
            out->state = (plumb__seal_state)i;
            return PLUMB_OK;
        }
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: unknown state \"%.50s\"", what, state);
}

static plumb_status parse_line(const char *what, const json_t *line, plumb__inventory *out,
                               plumb_error *err)
{
    static const char *const fields[] = {"kind", "leaf", "seal", "state", "files", NULL};
    const char *kind = NULL;
    const json_t *files = NULL;
    int64_t leaf = 0, seal = -1;
    if (!json_is_object(line))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: must be a JSON object", what);
    PLUMB_TRY(plumb__json_only(what, line, fields, err));
    PLUMB_TRY(plumb__json_string(what, line, "kind", true, &kind, err));
    PLUMB_TRY(plumb__json_integer(what, line, "leaf", true, &leaf, err));
    PLUMB_TRY(plumb__json_integer(what, line, "seal", true, &seal, err));
    if (strcmp(kind, "inventory") != 0 || leaf < 1 || seal < 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: is not an inventory", what);
    out->leaf = (uint64_t)leaf;
    out->seal = (uint64_t)seal;
    PLUMB_TRY(parse_state(what, line, out, err));
    PLUMB_TRY(plumb__json_array(what, line, "files", true, &files, err));
    if (json_array_size(files) > PLUMB__MAX_INVENTORY_FILES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: lists more than %u files", what,
                           PLUMB__MAX_INVENTORY_FILES);
    for (size_t i = 0; i < json_array_size(files); i++)
        PLUMB_TRY(parse_file(what, json_array_get(files, i), out, err));
    return PLUMB_OK;
}

plumb_status plumb__inventory_parse(const char *what, const void *line, size_t n,
                                    plumb__inventory *out, plumb_error *err)
{
    json_t *json = NULL;
    plumb__bytes again = {0};
    *out = (plumb__inventory){0};
    plumb_status status = plumb__json_parse(what, line, n, &json, err);
    if (status == PLUMB_OK) status = parse_line(what, json, out, err);
    if (status == PLUMB_OK) status = plumb__json_dump(json, &again, err);
    if (status == PLUMB_OK && (again.size != n || memcmp(again.data, line, n) != 0))
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: is not in canonical form", what);
    json_decref(json);
    plumb__bytes_free(&again);
    if (status != PLUMB_OK) plumb__inventory_free(out);
    return status;
}
