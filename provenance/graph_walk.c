/* Graphs leaf by leaf (graph_walk.h): steps and texts are two tables, each rising by leaf; the walk
 * merges them. */
#include "provenance/graph_walk.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <string.h>

typedef struct walk {
    const char *path;
    plumb__h5_reader *reader;
    plumb__graph_leaf_fn *visit;
    void *ctx;
    uint64_t step, text, next_leaf;
    plumb__bytes scratch;
} walk;

static plumb_status visit_step(walk *w, const plumb__h5_step_row *row, plumb_error *err)
{
    plumb__step step;
    PLUMB_TRY(plumb__h5_step(w->reader, w->step++, &step, err));
    plumb__bytes_clear(&w->scratch);
    plumb__step_encode(&step, &w->scratch);
    PLUMB_TRY(plumb__bytes_check(&w->scratch, err));
    const plumb__graph_leaf leaf = {.kind = PLUMB__LEAF_STEP,
                                    .leaf = row->leaf,
                                    .time_ns = row->time_ns,
                                    .digest = plumb__blake2b(w->scratch.data, w->scratch.size),
                                    .step = &step};
    return w->visit(&leaf, w->ctx, err);
}

static plumb_status visit_text(walk *w, const plumb__h5_text *text, plumb_error *err)
{
    w->text++;
    const plumb__graph_leaf leaf = {.kind = text->kind,
                                    .leaf = text->leaf,
                                    .time_ns = text->time_ns,
                                    .digest = plumb__blake2b(text->payload, text->n),
                                    .payload = text->payload,
                                    .payload_bytes = text->n};
    return w->visit(&leaf, w->ctx, err);
}

static plumb_status check_rising(walk *w, uint64_t leaf, plumb_error *err)
{
    if (leaf < w->next_leaf || leaf == UINT64_MAX)
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s: leaf %" PRIu64 " is out of order; restore the file from a copy",
                           w->path, leaf);
    w->next_leaf = leaf + 1;
    return PLUMB_OK;
}

static plumb_status walk_leaves(walk *w, plumb_error *err)
{
    const uint64_t steps = plumb__h5_step_count(w->reader);
    const size_t texts = plumb__h5_text_count(w->reader);
    const plumb__h5_step_row *rows = plumb__h5_steps(w->reader);
    const plumb__h5_text *list = plumb__h5_texts(w->reader);
    while (w->step < steps || w->text < texts) {
        const bool step_next =
            w->text >= texts || (w->step < steps && rows[w->step].leaf < list[w->text].leaf);
        PLUMB_TRY(check_rising(w, step_next ? rows[w->step].leaf : list[w->text].leaf, err));
        PLUMB_TRY(step_next ? visit_step(w, &rows[w->step], err)
                            : visit_text(w, &list[w->text], err));
    }
    return PLUMB_OK;
}

plumb_status plumb__graph_walk(const char *path, const char *run_id, plumb__graph_leaf_fn *visit,
                               void *ctx, plumb_error *err)
{
    walk w = {.path = path, .visit = visit, .ctx = ctx};
    PLUMB_TRY(plumb__h5_open(path, &w.reader, err));
    plumb_status status = PLUMB_OK;
    if (strcmp(plumb__h5_run_id(w.reader), run_id) != 0)
        status = plumb__fail(err, PLUMB_ERR_CORRUPT, "%s: belongs to run %.40s, not to run %s",
                             path, plumb__h5_run_id(w.reader), run_id);
    if (status == PLUMB_OK) status = walk_leaves(&w, err);
    plumb__h5_reader_free(w.reader);
    plumb__bytes_free(&w.scratch);
    return status;
}

/* ---- reading back ------------------------------------------------------------------------- */

plumb_status plumb__digests_add(plumb__digests *d, uint64_t leaf, const plumb__hash *digest,
                                plumb_error *err)
{
    PLUMB_TRY(plumb__grow(&d->list, &d->capacity, d->n + 1, sizeof *d->list, "leaf digests", err));
    d->list[d->n++] = (plumb__leaf_digest){leaf, *digest};
    return PLUMB_OK;
}

void plumb__digests_free(plumb__digests *d)
{
    plumb__free(d->list);
    *d = (plumb__digests){0};
}

typedef struct comparison {
    const char *path;
    const plumb__digests *expected;
    size_t at;
} comparison;

static plumb_status compare_leaf(const plumb__graph_leaf *leaf, void *ctx, plumb_error *err)
{
    comparison *c = ctx;
    const plumb__leaf_digest *want = c->at < c->expected->n ? &c->expected->list[c->at] : NULL;
    if (!want || want->leaf != leaf->leaf || !plumb__hash_equal(&want->digest, &leaf->digest))
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s: leaf %" PRIu64
                           " reads back differently from what was recorded; the "
                           "disk or the memory of this machine is not to be trusted",
                           c->path, leaf->leaf);
    c->at++;
    return PLUMB_OK;
}

plumb_status plumb__graph_read_back(const char *path, const char *run_id,
                                    const plumb__digests *expected, plumb_error *err)
{
    comparison c = {path, expected, 0};
    PLUMB_TRY(plumb__graph_walk(path, run_id, compare_leaf, &c, err));
    if (c.at != expected->n)
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s: holds %zu leaves, %zu were written; the disk or the memory of this "
                           "machine is not to be trusted",
                           path, c.at, expected->n);
    return PLUMB_OK;
}
