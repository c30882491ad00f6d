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

static bool same_file(const plumb__inventory_file *a, const plumb__inventory_file *b)
{
    return a->bytes == b->bytes && plumb__hash_equal(&a->blake2b, &b->blake2b);
}

bool plumb__inventory_same_files(const plumb__inventory *a, const plumb__inventory *b)
{
    if (a->n_files != b->n_files) return false;
    for (size_t i = 0; i < a->n_files; i++)
        if (strcmp(a->files[i].name, b->files[i].name) != 0 ||
            !same_file(&a->files[i], &b->files[i]))
            return false;
    return true;
}

/* ---- as JSON ------------------------------------------------------------------------------ */

static int add_entry(json_t *files, const plumb__inventory_file *f)
{
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(&f->blake2b, hex);
    return json_array_append_new(files, json_pack("{s:s,s:s,s:I}", "name", f->name, "blake2b", hex,
                                                  "bytes", (json_int_t)f->bytes));
}

/* Both lists rise by name: one pass finds what only one of them has, and what differs. */
static bool add_differences(const plumb__inventory *before, const plumb__inventory *now,
                            json_t *files, json_t *gone)
{
    size_t i = 0, k = 0;
    int failed = 0;
    while (i < before->n_files || k < now->n_files) {
        const plumb__inventory_file *was = i < before->n_files ? &before->files[i] : NULL;
        const plumb__inventory_file *is = k < now->n_files ? &now->files[k] : NULL;
        const int order = !was ? 1 : !is ? -1 : strcmp(was->name, is->name);
        if (order < 0)
            failed |= json_array_append_new(gone, json_string(was->name));
        else if (order > 0 || !same_file(was, is))
            failed |= add_entry(files, is);
        i += order <= 0;
        k += order >= 0;
    }
    return failed == 0;
}

plumb_status plumb__inventory_dump(const plumb__inventory *before, const plumb__inventory *now,
                                   plumb__bytes *out, plumb_error *err)
{
    static const plumb__inventory nothing = {0};
    json_t *files = json_array(), *gone = json_array();
    const bool whole = add_differences(before ? before : &nothing, now, files, gone);
    json_t *line = json_pack("{s:s,s:I,s:I,s:s,s:o,s:o}", "kind", "inventory", "leaf",
                             (json_int_t)now->leaf, "seal", (json_int_t)now->seal, "state",
                             plumb__seal_state_name(now->state), "files", files, "gone", gone);
    plumb_status status =
        line && whole
            ? plumb__json_dump(line, out, err)
            : plumb__fail(err, PLUMB_ERR_FORMAT,
                          "an inventory could not be written: a file name is not UTF-8, or "
                          "there is no memory");
    json_decref(line);
    return status;
}
