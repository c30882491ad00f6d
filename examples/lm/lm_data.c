/* Records to ragged batches. */
#include "lm_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The random stream of data order; weights take streams 0, 1, … of the same seed. */
#define ORDER_STREAM (UINT64_C(0x6f72646572) << 24)

static plumb_status refuse(plumb_error *err, plumb_status status, const char *message)
{
    err->status = status;
    err->os_errno = 0;
    (void)snprintf(err->message, sizeof err->message, "%s", message);
    return status;
}

static plumb_status collect(const plumb_manifest *manifest, uint64_t records, lm_data *data,
                            plumb_error *err)
{
    for (uint32_t i = 0; i < records; i++) {
        plumb_record record = {.size = sizeof record, .version = PLUMB_STRUCT_VERSION};
        const plumb_status status = plumb_manifest_record(manifest, i, &record, err);
        if (status != PLUMB_OK) return status;
        if (!record.text || record.text[0] == 0) continue;
        data->examples[data->n++] =
            (lm_example){.id = record.id, .text = record.text, .bytes = strlen(record.text)};
    }
    if (data->n == 0)
        return refuse(err, PLUMB_ERR_FORMAT, "no record of the manifest has a text to train on");
    return PLUMB_OK;
}

plumb_status lm_data_open(const plumb_manifest *manifest, uint64_t seed, lm_data *data,
                          plumb_error *err)
{
    plumb_manifest_info info = {.size = sizeof info, .version = PLUMB_STRUCT_VERSION};
    plumb_manifest_describe(manifest, &info);
    *data = (lm_data){.seed = seed, .epoch = UINT64_MAX};
    data->examples = calloc(info.records ? info.records : 1, sizeof *data->examples);
    data->order = calloc(info.records ? info.records : 1, sizeof *data->order);
    plumb_status status = PLUMB_ERR_NO_MEMORY;
    if (data->examples && data->order)
        status = collect(manifest, info.records, data, err);
    else
        (void)refuse(err, status, "not enough memory for the list of records");
    if (status != PLUMB_OK) lm_data_free(data);
    return status;
}

void lm_data_free(lm_data *data)
{
    free(data->examples);
    free(data->order);
    *data = (lm_data){0};
}

const lm_example *lm_data_at(lm_data *data, uint64_t k)
{
    const uint64_t epoch = k / data->n;
    if (epoch != data->epoch) {
        plumb_random_permutation(data->seed, ORDER_STREAM + epoch, data->n, data->order);
        data->epoch = epoch;
    }
    return &data->examples[data->order[k % data->n]];
}

bool lm_batch_space_init(lm_batch_space *space, size_t max_units, size_t context)
{
    const size_t rows = max_units * context;
    const size_t unit_bytes = sizeof(plumb_unit) + 2 * sizeof(size_t);
    char *at = calloc(1, max_units * unit_bytes + 3 * rows * sizeof(int32_t));
    *space = (lm_batch_space){.max_units = max_units, .context = context, .memory = at};
    if (!at) return false;
    space->units = (plumb_unit *)(void *)at;
    space->batch.first = (size_t *)(void *)(at + max_units * sizeof(plumb_unit));
    space->batch.length = space->batch.first + max_units;
    space->batch.tokens = (int32_t *)(void *)(space->batch.length + max_units);
    space->batch.positions = space->batch.tokens + rows;
    space->batch.targets = space->batch.positions + rows;
    return true;
}

void lm_batch_space_free(lm_batch_space *space)
{
    free(space->memory);
    *space = (lm_batch_space){0};
}

static void fill_rows(lm_batch *batch, size_t first, const char *text, size_t length)
{
    for (size_t t = 0; t < length; t++) {
        batch->tokens[first + t] = t ? (uint8_t)text[t - 1] : 0;
        batch->positions[first + t] = (int32_t)t;
        batch->targets[first + t] = (uint8_t)text[t];
    }
}

void lm_batch_fill(lm_batch_space *space, lm_data *data, uint64_t from, size_t n)
{
    lm_batch *batch = &space->batch;
    batch->n_units = n;
    batch->rows = 0;
    for (size_t u = 0; u < n; u++) {
        const lm_example *e = lm_data_at(data, from + u);
        const size_t length = e->bytes < space->context ? e->bytes : space->context;
        batch->first[u] = batch->rows;
        batch->length[u] = length;
        fill_rows(batch, batch->rows, e->text, length);
        space->units[u] = (plumb_unit){.id = e->id,
                                       .segment = PLUMB_WHOLE,
                                       .first_row = batch->rows,
                                       .rows = length,
                                       .content = e->text,
                                       .content_bytes = e->bytes};
        batch->rows += length;
    }
}
