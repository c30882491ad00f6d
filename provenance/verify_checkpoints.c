/* Checkpoint files against their leaves: of several leaves with one file name the last one counts,
 * because a rewound run writes the same steps again. */
#include "provenance/verify.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"

#include <string.h>

typedef struct checkpoint_leaf {
    char name[160]; /* "checkpoints/FILE" */
    uint64_t leaf, size_bytes;
    plumb__hash blake2b;
} checkpoint_leaf;

typedef struct checkpoints {
    checkpoint_leaf *rows;
    size_t n, capacity;
} checkpoints;

static plumb_status parse(const plumb__record_leaf *leaf, checkpoint_leaf *out, plumb_error *err)
{
    json_t *json = NULL;
    char what[64];
    const char *file = NULL, *digest = NULL;
    int64_t size_bytes = 0;
    plumb_status status = PLUMB_OK;
    snprintf(what, sizeof what, "leaf %llu", (unsigned long long)leaf->leaf);
    PLUMB_TRY_CLEAN(plumb__json_parse(what, leaf->payload, leaf->n, &json, err));
    PLUMB_TRY_CLEAN(plumb__json_string(what, json, "file", true, &file, err));
    PLUMB_TRY_CLEAN(plumb__json_string(what, json, "blake2b", true, &digest, err));
    PLUMB_TRY_CLEAN(plumb__json_integer(what, json, "bytes", true, &size_bytes, err));
    *out = (checkpoint_leaf){.leaf = leaf->leaf, .size_bytes = (uint64_t)size_bytes};
    if (size_bytes < 0 || strlen(file) > 128 || strchr(file, '/') != NULL ||
        !plumb__hash_parse(digest, &out->blake2b))
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a malformed checkpoint", what);
    else
        snprintf(out->name, sizeof out->name, "checkpoints/%s", file);
cleanup:
    json_decref(json);
    return status;
}

static plumb_status note(const plumb__record_leaf *leaf, void *ctx, plumb_error *err)
{
    checkpoints *all = ctx;
    checkpoint_leaf row;
    if (leaf->kind != PLUMB__LEAF_CHECKPOINT || leaf->repeated) return PLUMB_OK;
    PLUMB_TRY(parse(leaf, &row, err));
    for (size_t i = all->n; i > 0; i--) {
        if (strcmp(all->rows[i - 1].name, row.name) != 0) continue;
        all->rows[i - 1] = row;
        return PLUMB_OK;
    }
    PLUMB_TRY(
        plumb__grow(&all->rows, &all->capacity, all->n + 1, sizeof *all->rows, "checkpoints", err));
    all->rows[all->n++] = row;
    return PLUMB_OK;
}

static bool no_steps(uint64_t index, const plumb__h5_step_row *row, void *ctx)
{
    (void)index, (void)row, (void)ctx;
    return false;
}

static bool is_same(const plumb__found_file *file, const checkpoint_leaf *row)
{
    return file->size_bytes == row->size_bytes && plumb__hash_equal(&file->blake2b, &row->blake2b);
}

/* A living writer may have put it in its place since the directory was listed. */
static bool is_there_now(const plumb__verify *v, const checkpoint_leaf *row)
{
    char path[PLUMB__PATH_BYTES];
    plumb__found_file file = {0};
    return plumb__path_join(path, v->dir, row->name, NULL) == PLUMB_OK &&
           plumb__hash_file(path, &file.blake2b, NULL, &file.size_bytes, NULL) == PLUMB_OK &&
           is_same(&file, row);
}

/* A writer that died before the rename has left NAME.tmp, whole: the next one finishes it. */
static plumb_status check(plumb__verify *v, const checkpoint_leaf *row, plumb_error *err)
{
    char temporary[sizeof row->name + 4];
    const plumb__found_file *file = plumb__verify_found(v, row->name);
    const bool open = plumb__verify_state(v) == PLUMB__SEAL_OPEN;
    if (file != NULL && is_same(file, row)) return PLUMB_OK;
    if (open && is_there_now(v, row)) return PLUMB_OK;
    snprintf(temporary, sizeof temporary, "%s.tmp", row->name);
    const plumb__found_file *left = plumb__verify_found(v, temporary);
    if (open && left != NULL && is_same(left, row)) {
        plumb__bytes_appendf(&v->notes, "%s: waits for its final name\n", temporary);
        return PLUMB_OK;
    }
    if (file == NULL)
        return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: is recorded in leaf %llu, but missing",
                           row->name, (unsigned long long)row->leaf);
    return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: its bytes are not those that leaf %llu records",
                       row->name, (unsigned long long)row->leaf);
}

static plumb_status check_unrecorded(plumb__verify *v, const checkpoints *all, plumb_error *err)
{
    const plumb__seal_state phase = plumb__verify_state(v);
    for (size_t i = 0; i < v->n_found; i++) {
        const char *name = v->found[i].name;
        const size_t n = strlen(name);
        bool known = strncmp(name, "checkpoints/", strlen("checkpoints/")) != 0;
        for (size_t k = 0; k < all->n && !known; k++)
            known = strcmp(all->rows[k].name, name) == 0;
        if (known) continue;
        if (phase == PLUMB__SEAL_CLOSED || n < 4 || strcmp(name + n - 4, ".tmp") != 0)
            return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: no leaf records this checkpoint", name);
    }
    return PLUMB_OK;
}

plumb_status plumb__verify_checkpoints(plumb__verify *v, plumb_error *err)
{
    checkpoints all = {0};
    plumb_status status = plumb__record_walk(v->record, no_steps, note, &all, err);
    for (size_t i = 0; i < all.n && status == PLUMB_OK; i++)
        status = check(v, &all.rows[i], err);
    if (status == PLUMB_OK) status = check_unrecorded(v, &all, err);
    plumb__free(all.rows);
    return status;
}
