/* Steps in columns. A walk upward reads blocks of about BLOCK_BYTES, many chunks at once; a single
 * step out of order is read alone. The chunk that two blocks share is inflated twice. */
#include "base/alloc.h"
#include "provenance/h5_reader_parts.h"

#include <string.h>

#define BLOCK_BYTES (UINT64_C(2) << 20)
#define BLOCK_STEPS UINT64_C(8192)

void plumb__h5_block_free(plumb__h5_block *block)
{
    for (size_t id = 0; id < PLUMB__H5_TEXTS; id++)
        plumb__free(block->data[id]);
    *block = (plumb__h5_block){0};
}

/* How many steps from i on are read at once. */
static uint64_t steps_ahead(const plumb__h5_reader *r, uint64_t i)
{
    if (i != r->block.next) return 1;
    const uint64_t unit_bytes = 28 + 7 * (uint64_t)r->shape.n_uses;
    const uint64_t step_bytes = 160 + 29 * (uint64_t)r->shape.n_uses;
    const uint64_t steps = r->shape.rows[PLUMB__H5_ROWS_STEPS];
    uint64_t n = 0, bytes = 0;
    while (i + n < steps && n < BLOCK_STEPS) {
        bytes += step_bytes + r->steps[i + n].units * unit_bytes;
        if (bytes > BLOCK_BYTES && n > 0) break;
        n++;
    }
    return n;
}

static plumb_status read_column(plumb__h5_reader *r, size_t id, uint64_t first, uint64_t n,
                                plumb_error *err)
{
    plumb__h5_block *block = &r->block;
    const plumb__h5_column *column = &r->columns[id];
    PLUMB_TRY(plumb__grow(&block->data[id], &block->capacity[id], (size_t)n * column->row_bytes + 1,
                          1, "steps of the graph", err));
    return plumb__h5_column_read(column, first, n, block->data[id], err);
}

static plumb_status read_block(plumb__h5_reader *r, uint64_t i, plumb_error *err)
{
    plumb__h5_block *block = &r->block;
    const uint64_t n = steps_ahead(r, i);
    const plumb__h5_step_row *from = &r->steps[i], *last = &r->steps[i + n - 1];
    const uint64_t rows = last->first_row + last->units - from->first_row;
    block->n = 0; /* nothing is valid until all of it is */
    for (size_t id = PLUMB__H5_STEPS_LEAF; id < PLUMB__H5_TEXTS; id++) {
        const bool per_unit = plumb__h5_specs[id].rows == PLUMB__H5_ROWS_UNITS;
        PLUMB_TRY(per_unit ? read_column(r, id, from->first_row, rows, err)
                           : read_column(r, id, i, n, err));
    }
    block->first = i;
    block->n = n;
    return PLUMB_OK;
}

/* The value of a step in a column of one row per step; the columns are of its type. */
#define STEP_VALUE(type, id) (((const type *)(const void *)block->data[id])[at])
/* The rows of a column: from the step's own, or from its first unit's. */
#define STEP_ROWS(type, id, row)                                                                   \
    ((const type *)(const void *)(block->data[id] + (row)*r->columns[id].row_bytes))

static void fill_units(const plumb__h5_reader *r, uint64_t row, plumb__step *step)
{
    const plumb__h5_block *block = &r->block;
    step->example = STEP_ROWS(int32_t, PLUMB__H5_UNITS_EXAMPLE, row);
    step->segment = STEP_ROWS(int32_t, PLUMB__H5_UNITS_SEGMENT, row);
    step->micro_batch = STEP_ROWS(uint16_t, PLUMB__H5_UNITS_MICRO_BATCH, row);
    step->rows = STEP_ROWS(uint16_t, PLUMB__H5_UNITS_ROWS, row);
    step->unit_weight = STEP_ROWS(float, PLUMB__H5_UNITS_WEIGHT, row);
    step->unit_loss = STEP_ROWS(float, PLUMB__H5_UNITS_LOSS, row);
    step->unit_entropy = STEP_ROWS(float, PLUMB__H5_UNITS_ENTROPY, row);
    step->decision = STEP_ROWS(uint8_t, PLUMB__H5_UNITS_DECISION, row);
    step->reason = STEP_ROWS(uint8_t, PLUMB__H5_UNITS_REASON, row);
    step->checked = STEP_ROWS(uint8_t, PLUMB__H5_UNITS_CHECKED, row);
    step->band = STEP_ROWS(uint8_t, PLUMB__H5_UNITS_BAND, row);
    step->norm = STEP_ROWS(uint16_t, PLUMB__H5_EDGES_NORM, row);
    step->mask = STEP_ROWS(uint16_t, PLUMB__H5_EDGES_MASK, row);
    step->clip = STEP_ROWS(uint16_t, PLUMB__H5_EDGES_CLIP, row);
    step->norm_kind = STEP_ROWS(uint8_t, PLUMB__H5_EDGES_NORM_KIND, row);
}

static void fill_step(const plumb__h5_reader *r, uint64_t at, const plumb__h5_step_row *row,
                      plumb__step *step)
{
    const plumb__h5_block *block = &r->block;
    *step = (plumb__step){.attempt = row->attempt,
                          .step = row->step,
                          .loss = row->loss,
                          .lr = row->lr,
                          .normaliser = STEP_VALUE(double, PLUMB__H5_STEPS_NORMALISER),
                          .loss_scale = STEP_VALUE(double, PLUMB__H5_STEPS_LOSS_SCALE),
                          .fingerprint = STEP_VALUE(uint64_t, PLUMB__H5_STEPS_FINGERPRINT),
                          .micro_batches = STEP_VALUE(uint32_t, PLUMB__H5_STEPS_MICRO_BATCHES),
                          .units_declared = row->units_declared,
                          .n_scalars = STEP_VALUE(uint32_t, PLUMB__H5_STEPS_N_SCALARS),
                          .n_units = row->units,
                          .n_uses = (uint32_t)r->shape.n_uses};
    memcpy(step->scalars, STEP_ROWS(double, PLUMB__H5_STEPS_SCALARS, at), sizeof step->scalars);
    step->live = STEP_ROWS(uint8_t, PLUMB__H5_STEPS_LIVE, at);
    step->nu = STEP_ROWS(double, PLUMB__H5_ENTROPY_NU, at);
    step->budget = STEP_ROWS(double, PLUMB__H5_ENTROPY_BUDGET, at);
    step->spent = STEP_ROWS(double, PLUMB__H5_ENTROPY_SPENT, at);
    step->contribution = STEP_ROWS(float, PLUMB__H5_ENTROPY_CONTRIBUTION, at);
    fill_units(r, row->first_row - r->steps[block->first].first_row, step);
}

plumb_status plumb__h5_step(plumb__h5_reader *r, uint64_t i, plumb__step *step, plumb_error *err)
{
    plumb__h5_block *block = &r->block;
    if (i >= r->shape.rows[PLUMB__H5_ROWS_STEPS])
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s has no step row %llu", r->path,
                           (unsigned long long)i);
    if (i < block->first || i - block->first >= block->n) PLUMB_TRY(read_block(r, i, err));
    block->next = i + 1;
    const uint64_t at = i - block->first;
    fill_step(r, at, &r->steps[i], step);
    if (step->n_scalars > PLUMB__MAX_SCALARS)
        return plumb__h5_refuse(r, PLUMB__H5_STEPS_N_SCALARS, "counts more scalars than there are",
                                err);
    return PLUMB_OK;
}
