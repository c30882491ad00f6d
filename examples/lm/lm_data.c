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

/* ---- segments ---- */

static bool all_bytes(const lm_example *e)
{
    for (uint32_t s = 0; s < e->n_segments; s++)
        if (e->segments[s].kind != PLUMB_SEGMENT_BYTES) return false;
    return true;
}

/* Messages and parts are no bytes of the text. Their terms would be lost if the record were taken
 * without them, and a loop that leaves records out in silence hides what a run learned from. */
static plumb_status refuse_segments(const lm_example *e, plumb_error *err)
{
    err->status = PLUMB_ERR_FORMAT;
    err->os_errno = 0;
    (void)snprintf(err->message, sizeof err->message,
                   "record \"%.256s\" has a segment that is a message or a part; plumb-lm trains "
                   "on \"text\" and takes segments that are \"bytes\" of it only: sign a manifest "
                   "without the record's \"text\", or without such segments",
                   e->id);
    return err->status;
}

/* Which unit the byte `at` begins, and where that ends; `next` is the first segment not yet met. */
static int32_t unit_at(const lm_example *e, size_t at, size_t length, uint32_t *next, size_t *to)
{
    *to = length;
    if (e->n_segments == 0) return PLUMB_WHOLE;
    if (*next == e->n_segments || e->segments[*next].from >= length) return PLUMB_REST;
    const plumb_segment *s = &e->segments[*next];
    if (s->from <= at) {
        if (s->to < length) *to = (size_t)s->to;
        return (int32_t)(*next)++;
    }
    *to = (size_t)s->from;
    return PLUMB_REST;
}

/* The units of an example whose first `length` bytes lie in the rows from `first` on: the whole, or
 * one for each segment and for each run of bytes outside. How many; units NULL: only counts. */
static size_t lay_units(const lm_example *e, size_t first, size_t length, plumb_unit *units)
{
    size_t n = 0, to = 0;
    uint32_t next = 0;
    for (size_t at = 0; at < length; at = to, n++) {
        const int32_t segment = unit_at(e, at, length, &next, &to);
        if (!units) continue;
        units[n] = (plumb_unit){.id = e->id,
                                .segment = segment,
                                .first_row = first + at,
                                .rows = to - at,
                                .content = e->text,
                                .content_bytes = e->bytes};
    }
    return n;
}

/* ---- the list of records ---- */

static plumb_status collect(const plumb_manifest *manifest, uint64_t records, lm_data *data,
                            plumb_error *err)
{
    for (uint32_t i = 0; i < records; i++) {
        plumb_record record = {.size = sizeof record, .version = PLUMB_STRUCT_VERSION};
        const plumb_status status = plumb_manifest_record(manifest, i, &record, err);
        if (status != PLUMB_OK) return status;
        if (!record.text || record.text[0] == 0) continue;
        lm_example *e = &data->examples[data->n++];
        *e = (lm_example){.id = record.id, .text = record.text, .bytes = strlen(record.text)};
        e->segments = plumb_manifest_segments(manifest, i, &e->n_segments);
        if (!all_bytes(e)) return refuse_segments(e, err);
        e->units = (uint32_t)lay_units(e, 0, lm_data_length(data, e), NULL);
        if (e->units > data->most_units) data->most_units = e->units;
    }
    if (data->n == 0)
        return refuse(err, PLUMB_ERR_FORMAT, "no record of the manifest has a text to train on");
    return PLUMB_OK;
}

plumb_status lm_data_open(const plumb_manifest *manifest, uint64_t seed, size_t context,
                          lm_data *data, plumb_error *err)
{
    plumb_manifest_info info = {.size = sizeof info, .version = PLUMB_STRUCT_VERSION};
    plumb_manifest_describe(manifest, &info);
    *data = (lm_data){.seed = seed, .context = context, .epoch = UINT64_MAX};
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

size_t lm_data_length(const lm_data *data, const lm_example *e)
{
    return e->bytes < data->context ? e->bytes : data->context;
}

/* ---- batches ---- */

bool lm_batch_space_init(lm_batch_space *space, const lm_data *data, size_t sequences)
{
    const size_t rows = sequences * data->context, max_units = sequences * data->most_units;
    const size_t bytes = max_units * sizeof(plumb_unit) + 2 * sequences * sizeof(size_t);
    char *at = calloc(1, bytes + 3 * rows * sizeof(int32_t));
    *space = (lm_batch_space){.max_units = max_units, .memory = at};
    if (!at) return false;
    space->units = (plumb_unit *)(void *)at;
    space->batch.first = (size_t *)(void *)(at + max_units * sizeof(plumb_unit));
    space->batch.length = space->batch.first + sequences;
    space->batch.tokens = (int32_t *)(void *)(space->batch.length + sequences);
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
    batch->n_sequences = n;
    batch->rows = 0;
    space->n_units = 0;
    for (size_t k = 0; k < n; k++) {
        const lm_example *e = lm_data_at(data, from + k);
        const size_t length = lm_data_length(data, e);
        batch->first[k] = batch->rows;
        batch->length[k] = length;
        fill_rows(batch, batch->rows, e->text, length);
        space->n_units += lay_units(e, batch->rows, length, space->units + space->n_units);
        batch->rows += length;
    }
}
