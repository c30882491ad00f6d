/* Ledger: one pass over the steps per slab of examples; examples outside the slab are shown to the
 * accounting as unknown ones, which it does not charge. Index: a counting sort of the units by
 * example, in one pass for the counts and one per slab of sorted positions. */
#include "provenance/h5_index.h"
#include "base/alloc.h"
#include "provenance/account.h"

#include <string.h>

/* ---- ledger ---- */

typedef struct ledger_work {
    plumb__h5_reader *source;
    uint64_t n_examples;
    uint32_t max_units;
    plumb__account *account;
    float *ledger;
    int32_t *example; /* of the step at hand, as numbers of the slab */
} ledger_work;

static uint32_t largest_step(const plumb__h5_reader *r)
{
    uint32_t largest = 1;
    for (uint64_t i = 0; i < plumb__h5_step_count(r); i++) {
        if (r->steps[i].units > largest) largest = r->steps[i].units;
    }
    return largest;
}

static plumb_status bad_example(const plumb__h5_reader *r, int64_t example, uint64_t n,
                                plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "%s: a unit names example %lld, the manifest has %llu", r->path,
                       (long long)example, (unsigned long long)n);
}

static plumb_status charge_slab(ledger_work *work, uint64_t first, size_t n, plumb_error *err)
{
    plumb__h5_reader *r = work->source;
    for (uint64_t i = 0; i < plumb__h5_step_count(r); i++) {
        if (r->steps[i].superseded) continue;
        plumb__step step;
        PLUMB_TRY(plumb__h5_step(r, i, &step, err));
        for (uint32_t u = 0; u < step.n_units; u++) {
            const int64_t example = step.example[u];
            if (example < -1 || example >= (int64_t)work->n_examples)
                return bad_example(r, example, work->n_examples, err);
            const bool here = example >= (int64_t)first && example < (int64_t)(first + n);
            work->example[u] = here ? (int32_t)(example - (int64_t)first) : -1;
        }
        step.example = work->example;
        plumb__ledger_charge(work->account, work->ledger, &step);
    }
    return PLUMB_OK;
}

static plumb_status ledger_slab(ledger_work *work, uint64_t first, size_t n,
                                const plumb__h5_index_sink *sink, plumb_error *err)
{
    const size_t uses = work->source->shape.n_uses;
    PLUMB_TRY(
        plumb__account_create(work->source->layers, uses, n, work->max_units, &work->account, err));
    memset(work->ledger, 0, n * uses * sizeof *work->ledger);
    plumb_status status = charge_slab(work, first, n, err);
    plumb__account_free(work->account);
    work->account = NULL;
    if (status == PLUMB_OK) status = sink->ledger(sink->ctx, first, n, work->ledger, err);
    return status;
}

static plumb_status build_ledger(plumb__h5_reader *source, uint64_t n_examples, size_t slab_bytes,
                                 const plumb__h5_index_sink *sink, plumb_error *err)
{
    const size_t row_bytes = source->shape.n_uses * sizeof(float);
    uint64_t slab = slab_bytes / row_bytes;
    if (slab == 0) slab = 1;
    if (slab > n_examples) slab = n_examples;
    ledger_work work = {
        .source = source, .n_examples = n_examples, .max_units = largest_step(source)};
    plumb_status status;
    PLUMB_TRY_CLEAN(plumb__alloc(&work.ledger, (size_t)slab, row_bytes, "the ledger", err));
    PLUMB_TRY_CLEAN(plumb__alloc(&work.example, work.max_units, sizeof *work.example,
                                 "the units of a step", err));
    for (uint64_t first = 0; first < n_examples && status == PLUMB_OK; first += slab) {
        const uint64_t left = n_examples - first;
        status = ledger_slab(&work, first, (size_t)(left < slab ? left : slab), sink, err);
    }
cleanup:
    plumb__free(work.example);
    plumb__free(work.ledger);
    return status;
}

/* ---- index ---- */

#define PIECE_BYTES ((size_t)4 << 20)

typedef struct index_work {
    plumb__h5_reader *source;
    uint64_t n_examples;
    uint64_t *offsets, *cursor; /* of each example: its first position; the next free one */
    size_t piece_rows;
    int32_t *example;   /* of a piece of /units */
    uint16_t *piece;    /* one edge column of a piece */
    uint64_t *position; /* where each row of the piece goes, PLUMB__NOWHERE: not into this slab */
    uint64_t *rows;     /* the slab, sorted */
    uint16_t *edges[3];
} index_work;

#define PLUMB__NOWHERE UINT64_MAX
static const size_t edge_columns[3] = {PLUMB__H5_EDGES_NORM, PLUMB__H5_EDGES_MASK,
                                       PLUMB__H5_EDGES_CLIP};

static size_t piece_of(const index_work *work, uint64_t first)
{
    const uint64_t left = plumb__h5_unit_count(work->source) - first;
    return left < work->piece_rows ? (size_t)left : work->piece_rows;
}

/* offsets[e] = number of units of the examples before e. */
static plumb_status count_units(index_work *work, plumb_error *err)
{
    const plumb__h5_reader *r = work->source;
    for (uint64_t first = 0; first < plumb__h5_unit_count(r); first += work->piece_rows) {
        const size_t n = piece_of(work, first);
        PLUMB_TRY(plumb__h5_column_read(&r->columns[PLUMB__H5_UNITS_EXAMPLE], first, n,
                                        work->example, err));
        for (size_t i = 0; i < n; i++) {
            const int64_t example = work->example[i];
            if (example < -1 || example >= (int64_t)work->n_examples)
                return bad_example(r, example, work->n_examples, err);
            if (example >= 0) work->offsets[example + 1]++;
        }
    }
    for (uint64_t e = 0; e < work->n_examples; e++)
        work->offsets[e + 1] += work->offsets[e];
    return PLUMB_OK;
}

/* Gives every row of the piece its position; true when one falls into [begin, end). */
static bool place_piece(index_work *work, size_t n, uint64_t begin, uint64_t end)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        const int32_t example = work->example[i];
        const uint64_t at = example < 0 ? PLUMB__NOWHERE : work->cursor[example]++;
        const bool here = at >= begin && at < end;
        work->position[i] = here ? at - begin : PLUMB__NOWHERE;
        any = any || here;
    }
    return any;
}

static plumb_status copy_piece(index_work *work, uint64_t first, size_t n, plumb_error *err)
{
    const size_t uses = work->source->shape.n_uses;
    for (size_t c = 0; c < 3; c++) {
        PLUMB_TRY(plumb__h5_column_read(&work->source->columns[edge_columns[c]], first, n,
                                        work->piece, err));
        for (size_t i = 0; i < n; i++) {
            if (work->position[i] == PLUMB__NOWHERE) continue;
            memcpy(work->edges[c] + work->position[i] * uses, work->piece + i * uses,
                   uses * sizeof(uint16_t));
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (work->position[i] != PLUMB__NOWHERE) work->rows[work->position[i]] = first + i;
    }
    return PLUMB_OK;
}

static plumb_status index_slab(index_work *work, uint64_t begin, uint64_t end, plumb_error *err)
{
    const plumb__h5_reader *r = work->source;
    memcpy(work->cursor, work->offsets, (size_t)work->n_examples * sizeof *work->cursor);
    for (uint64_t first = 0; first < plumb__h5_unit_count(r); first += work->piece_rows) {
        const size_t n = piece_of(work, first);
        PLUMB_TRY(plumb__h5_column_read(&r->columns[PLUMB__H5_UNITS_EXAMPLE], first, n,
                                        work->example, err));
        if (place_piece(work, n, begin, end)) PLUMB_TRY(copy_piece(work, first, n, err));
    }
    return PLUMB_OK;
}

static plumb_status emit_slabs(index_work *work, size_t slab_bytes,
                               const plumb__h5_index_sink *sink, plumb_error *err)
{
    const uint64_t known = work->offsets[work->n_examples];
    const size_t edge_bytes = work->source->shape.n_uses * sizeof(uint16_t);
    uint64_t slab = slab_bytes / (sizeof(uint64_t) + 3 * edge_bytes);
    if (slab == 0) slab = 1;
    if (slab > known) slab = known;
    PLUMB_TRY(plumb__alloc(&work->rows, (size_t)slab, sizeof *work->rows, "the index", err));
    for (size_t c = 0; c < 3; c++)
        PLUMB_TRY(plumb__alloc(&work->edges[c], (size_t)slab, edge_bytes, "the index", err));
    const uint16_t *const edges[3] = {work->edges[0], work->edges[1], work->edges[2]};
    for (uint64_t begin = 0; begin < known; begin += slab) {
        const uint64_t end = known - begin < slab ? known : begin + slab;
        PLUMB_TRY(index_slab(work, begin, end, err));
        PLUMB_TRY(sink->rows(sink->ctx, begin, (size_t)(end - begin), work->rows, edges, err));
    }
    return PLUMB_OK;
}

static plumb_status alloc_index(index_work *work, plumb_error *err)
{
    const size_t edge_bytes = work->source->shape.n_uses * sizeof(uint16_t), n = work->piece_rows;
    const size_t examples = (size_t)work->n_examples;
    PLUMB_TRY(plumb__alloc(&work->offsets, examples + 1, sizeof *work->offsets, "the index", err));
    PLUMB_TRY(plumb__alloc(&work->cursor, examples, sizeof *work->cursor, "the index", err));
    PLUMB_TRY(plumb__alloc(&work->example, n, sizeof *work->example, "the index", err));
    PLUMB_TRY(plumb__alloc(&work->position, n, sizeof *work->position, "the index", err));
    return plumb__alloc(&work->piece, n, edge_bytes, "the index", err);
}

static plumb_status build_index(plumb__h5_reader *source, uint64_t n_examples, size_t slab_bytes,
                                const plumb__h5_index_sink *sink, plumb_error *err)
{
    index_work work = {.source = source, .n_examples = n_examples};
    work.piece_rows = PIECE_BYTES / (source->shape.n_uses * sizeof(uint16_t)) + 1;
    plumb_status status;
    PLUMB_TRY_CLEAN(alloc_index(&work, err));
    PLUMB_TRY_CLEAN(count_units(&work, err));
    PLUMB_TRY_CLEAN(sink->offsets(sink->ctx, (size_t)n_examples + 1, work.offsets, err));
    status = emit_slabs(&work, slab_bytes, sink, err);
cleanup:
    for (size_t c = 0; c < 3; c++)
        plumb__free(work.edges[c]);
    plumb__free(work.rows);
    plumb__free(work.piece);
    plumb__free(work.position);
    plumb__free(work.example);
    plumb__free(work.cursor);
    plumb__free(work.offsets);
    return status;
}

plumb_status plumb__h5_index_build(plumb__h5_reader *source, uint64_t n_examples, size_t slab_bytes,
                                   const plumb__h5_index_sink *sink, plumb_error *err)
{
    if (sink->ledger != NULL) PLUMB_TRY(build_ledger(source, n_examples, slab_bytes, sink, err));
    return build_index(source, n_examples, slab_bytes, sink, err);
}
