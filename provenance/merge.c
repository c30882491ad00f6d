/* Closing a run: provenance.h5 from the segments, two inventories, two heads
 * (docs/formats/bundle.md section 8). The segments are walked twice: first for digests and rewinds,
 * then for their columns, so that every step is written with its final `superseded` flag. */
#include "provenance/bundle_writer.h"

#include "base/alloc.h"
#include "provenance/graph_walk.h"
#include "provenance/h5_writer.h"
#include "provenance/history.h"
#include "provenance/seal_lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct merge {
    const plumb__writer *writer;
    plumb__seal_lines seals;
    uint64_t *segments;
    size_t n_segments;
    plumb__history history;
    plumb__digests digests; /* of what provenance.h5 must hold, by leaf */
    plumb__h5_writer *h5;
    size_t next_seal; /* inventories are woven in at their places */
    uint64_t next_leaf;
} merge;

static plumb_status walk_segments(merge *m, plumb__graph_leaf_fn *visit, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES], name[64];
    for (size_t i = 0; i < m->n_segments; i++) {
        (void)snprintf(name, sizeof name, "segments/%" PRIu64 ".h5", m->segments[i]);
        PLUMB_TRY(plumb__path_join(path, m->writer->dir, name, err));
        PLUMB_TRY(plumb__graph_walk(path, m->writer->run_id, visit, m, err));
    }
    return PLUMB_OK;
}

/* ---- first walk: what there is ------------------------------------------------------------ */

static plumb_status expect(merge *m, uint64_t leaf, const plumb__hash *digest, plumb_error *err)
{
    if (leaf != m->next_leaf)
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s: leaf %" PRIu64 " is where leaf %" PRIu64
                           " belongs; the segments are not those that were sealed",
                           m->writer->dir, leaf, m->next_leaf);
    m->next_leaf++;
    return plumb__digests_add(&m->digests, leaf, digest, err);
}

static plumb_status expect_seals_below(merge *m, uint64_t leaf, plumb_error *err)
{
    for (; m->next_seal < m->seals.n && m->seals.lines[m->next_seal].leaf < leaf; m->next_seal++) {
        const plumb__seal_line *line = &m->seals.lines[m->next_seal];
        const plumb__hash digest = plumb__blake2b(line->text, line->n);
        PLUMB_TRY(expect(m, line->leaf, &digest, err));
    }
    return PLUMB_OK;
}

static plumb_status survey_leaf(const plumb__graph_leaf *leaf, void *ctx, plumb_error *err)
{
    merge *m = ctx;
    PLUMB_TRY(expect_seals_below(m, leaf->leaf, err));
    PLUMB_TRY(expect(m, leaf->leaf, &leaf->digest, err));
    if (leaf->step)
        return plumb__history_step(&m->history, leaf->step->attempt, leaf->step->step, err);
    return plumb__history_text(&m->history, leaf->kind, leaf->leaf, leaf->payload,
                               leaf->payload_bytes, err);
}

/* The digests must give the tree that the head signs: what is merged is what was acknowledged. */
static plumb_status check_tree(const merge *m, const plumb__hash *run_json, plumb_error *err)
{
    plumb__merkle tree;
    plumb__merkle_init(&tree);
    plumb__hash leaf = plumb__merkle_leaf(run_json->bytes, PLUMB__HASH_BYTES);
    plumb__merkle_add(&tree, &leaf);
    for (size_t i = 0; i < m->digests.n; i++) {
        leaf = plumb__merkle_leaf(m->digests.list[i].digest.bytes, PLUMB__HASH_BYTES);
        plumb__merkle_add(&tree, &leaf);
    }
    const plumb__hash have = plumb__merkle_root(&tree), want = plumb__merkle_root(&m->writer->tree);
    if (tree.count == m->writer->tree.count && plumb__hash_equal(&have, &want)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_CORRUPT,
                       "%s: run.json, seals.jsonl and segments do not give the signed tree; "
                       "something has changed them since they were sealed",
                       m->writer->dir);
}

static plumb_status survey(merge *m, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    plumb__hash run_json;
    m->next_leaf = 1;
    PLUMB_TRY(plumb__seal_lines_read(m->writer->dir, &m->seals, err));
    PLUMB_TRY(plumb__inventory_segments(&m->writer->last, &m->segments, &m->n_segments, err));
    PLUMB_TRY(walk_segments(m, survey_leaf, err));
    PLUMB_TRY(expect_seals_below(m, UINT64_MAX, err));
    PLUMB_TRY(plumb__path_join(path, m->writer->dir, "run.json", err));
    PLUMB_TRY(plumb__hash_file(path, &run_json, NULL, NULL, err));
    return check_tree(m, &run_json, err);
}

/* ---- second walk: writing ----------------------------------------------------------------- */

static plumb_status write_seals_below(merge *m, uint64_t leaf, plumb_error *err)
{
    for (; m->next_seal < m->seals.n && m->seals.lines[m->next_seal].leaf < leaf; m->next_seal++) {
        const plumb__seal_line *line = &m->seals.lines[m->next_seal];
        PLUMB_TRY(plumb__h5_add_text(m->h5, PLUMB__LEAF_INVENTORY, line->leaf, 0, line->text,
                                     line->n, err));
    }
    return PLUMB_OK;
}

static plumb_status write_leaf(const plumb__graph_leaf *leaf, void *ctx, plumb_error *err)
{
    merge *m = ctx;
    PLUMB_TRY(write_seals_below(m, leaf->leaf, err));
    if (!leaf->step)
        return plumb__h5_add_text(m->h5, leaf->kind, leaf->leaf, leaf->time_ns, leaf->payload,
                                  leaf->payload_bytes, err);
    const bool superseded =
        plumb__history_superseded(&m->history, leaf->step->attempt, leaf->step->step);
    return plumb__h5_add_step(m->h5, leaf->leaf, leaf->time_ns, superseded, leaf->step, err);
}

static plumb_status add_statements(merge *m, plumb_error *err)
{
    static const char *const files[] = {"certificates", "evidence/manifest.plumb.json"};
    static const char *const names[] = {"certificates", "manifest.plumb.json"};
    plumb__bytes data[2] = {{0}, {0}};
    plumb__evidence statements[2];
    size_t n = 0;
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; i < 2; i++) {
        char path[PLUMB__PATH_BYTES];
        PLUMB_TRY_CLEAN(plumb__path_join(path, m->writer->dir, files[i], err));
        if (!plumb__path_exists(path)) continue;
        PLUMB_TRY_CLEAN(plumb__file_read_nofollow(path, PLUMB__MAX_RUN_FILE_BYTES, &data[i], err));
        statements[n++] = (plumb__evidence){names[i], data[i].data, data[i].size};
    }
    status = plumb__h5_finish(m->h5, m->writer->manifest, statements, n, err);
cleanup:
    plumb__bytes_free(&data[0]);
    plumb__bytes_free(&data[1]);
    return status;
}

static plumb_status write_graph(merge *m, const char *path, plumb_error *err)
{
    const plumb__writer *w = m->writer;
    PLUMB_TRY(plumb__h5_create(path, w->run_id, w->layers, w->n_layers, &m->h5, err));
    m->next_seal = 0;
    plumb_status status = walk_segments(m, write_leaf, err);
    if (status == PLUMB_OK) status = write_seals_below(m, UINT64_MAX, err);
    if (status == PLUMB_OK) status = add_statements(m, err);
    plumb__h5_writer *h5 = m->h5;
    m->h5 = NULL;
    if (status == PLUMB_OK) return plumb__h5_close(h5, err);
    plumb__h5_abandon(h5);
    return status;
}

static plumb_status merge_segments(const plumb__writer *w, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES], temporary[PLUMB__PATH_BYTES];
    merge m = {.writer = w};
    plumb_status status = PLUMB_OK;
    PLUMB_TRY(plumb__path_join(path, w->dir, "provenance.h5", err));
    PLUMB_TRY(plumb__path_join(temporary, w->dir, "provenance.h5.tmp", err));
    PLUMB_TRY_CLEAN(survey(&m, err));
    PLUMB_TRY_CLEAN(write_graph(&m, temporary, err));
    PLUMB_TRY_CLEAN(plumb__graph_read_back(temporary, w->run_id, &m.digests, err)); /* J13 */
    PLUMB_TRY_CLEAN(plumb__file_rename(temporary, path, err));
    PLUMB_TRY_CLEAN(plumb__dir_sync(w->dir, err));
cleanup:
    if (status != PLUMB_OK) (void)unlink(temporary);
    plumb__seal_lines_free(&m.seals);
    plumb__free(m.segments);
    plumb__history_free(&m.history);
    plumb__digests_free(&m.digests);
    return status;
}

/* ---- closing ------------------------------------------------------------------------------ */

static plumb_status remove_folder(const plumb__writer *w, const char *name, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, w->dir, name, err));
    return plumb__path_exists(path) ? plumb__dir_remove(path, err) : PLUMB_OK;
}

/* Temporaries of a writer that failed: nothing of the record. */
static plumb_status remove_temporary(const char *relative, uint64_t size_bytes, void *ctx,
                                     plumb_error *err)
{
    const char *dir = ctx;
    char path[PLUMB__PATH_BYTES];
    const size_t n = strlen(relative);
    (void)size_bytes;
    if (n < 4 || strcmp(relative + n - 4, ".tmp") != 0) return PLUMB_OK;
    PLUMB_TRY(plumb__path_join(path, dir, relative, err));
    return plumb__file_unlink(path, err);
}

plumb_status plumb__writer_finish_close(plumb__writer *w, plumb_error *err)
{
    plumb__journal_close(&w->journal);
    PLUMB_TRY(remove_folder(w, "segments", err));
    PLUMB_TRY(remove_folder(w, "journal", err));
    PLUMB_TRY(plumb__dir_walk(w->dir, PLUMB__MAX_INVENTORY_FILES, remove_temporary, w->dir, err));
    PLUMB_TRY(plumb__dir_sync(w->dir, err));
    return plumb__writer_inventory(w, PLUMB__SEAL_CLOSED, err);
}

plumb_status plumb__writer_close(plumb__writer *w, plumb_error *err)
{
    if (!w->manifest)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "%s: closing a run needs its manifest, for the table of examples",
                           w->dir);
    PLUMB_TRY(plumb__writer_seal(w, err));
    PLUMB_TRY(merge_segments(w, err));
    PLUMB_TRY(plumb__writer_inventory(w, PLUMB__SEAL_MERGED, err));
    return plumb__writer_finish_close(w, err);
}
