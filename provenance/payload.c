/* Canonical step payloads: one way to write a step, one way to read it, no byte left over
 * (docs/formats/bundle.md, "Step payload"). */
#include "provenance/payload.h"

#include "base/alloc.h"

#include <string.h>

#define FIXED_BYTES 76u /* all fixed fields, the magic included */
#define UNIT_BYTES 28u  /* per unit */
#define EDGE_BYTES 7u   /* per (unit, use) */
#define USE_BYTES 29u   /* per use */

static const char step_magic[4] = {'P', 'L', 'S', '2'};

static uint64_t payload_bytes(uint64_t scalars, uint64_t units, uint64_t uses)
{
    return FIXED_BYTES + 8u * scalars + UNIT_BYTES * units + EDGE_BYTES * units * uses +
           USE_BYTES * uses;
}

bool plumb__step_declares(uint32_t units_declared, uint32_t n_units)
{
    return n_units <= units_declared && units_declared <= PLUMB__MAX_UNITS_PER_STEP;
}

uint64_t plumb__step_bytes(const plumb__step *step)
{
    return payload_bytes(step->n_scalars, step->n_units, step->n_uses);
}

void plumb__step_encode(const plumb__step *s, plumb__bytes *out)
{
    const size_t units = s->n_units, uses = s->n_uses, edges = units * uses;
    plumb__bytes_append(out, step_magic, sizeof step_magic);
    plumb__bytes_u32(out, s->attempt);
    plumb__bytes_u64(out, s->step);
    plumb__bytes_f64(out, s->loss);
    plumb__bytes_f64(out, s->lr);
    plumb__bytes_f64(out, s->normaliser);
    plumb__bytes_f64(out, s->loss_scale);
    plumb__bytes_u64(out, s->fingerprint);
    plumb__bytes_u32(out, s->micro_batches);
    plumb__bytes_u32(out, s->units_declared);
    plumb__bytes_u32(out, s->n_scalars);
    plumb__bytes_f64s(out, s->scalars, s->n_scalars);
    plumb__bytes_u32(out, s->n_units);
    plumb__bytes_u32(out, s->n_uses);
    plumb__bytes_u32s(out, (const uint32_t *)s->example, units);
    plumb__bytes_u32s(out, (const uint32_t *)s->segment, units);
    plumb__bytes_u16s(out, s->micro_batch, units);
    plumb__bytes_u16s(out, s->rows, units);
    plumb__bytes_f32s(out, s->unit_weight, units);
    plumb__bytes_f32s(out, s->unit_loss, units);
    plumb__bytes_f32s(out, s->unit_entropy, units);
    plumb__bytes_append(out, s->decision, units);
    plumb__bytes_append(out, s->reason, units);
    plumb__bytes_append(out, s->checked, units);
    plumb__bytes_append(out, s->band, units);
    plumb__bytes_u16s(out, s->norm, edges);
    plumb__bytes_u16s(out, s->mask, edges);
    plumb__bytes_u16s(out, s->clip, edges);
    plumb__bytes_append(out, s->norm_kind, edges);
    plumb__bytes_f64s(out, s->nu, uses);
    plumb__bytes_f64s(out, s->budget, uses);
    plumb__bytes_f64s(out, s->spent, uses);
    plumb__bytes_f32s(out, s->contribution, uses);
    plumb__bytes_append(out, s->live, uses);
}

/* One block that all columns lie in, widest type first, so that every column is aligned. */
struct plumb__step_arrays {
    uint8_t *block;
    size_t capacity;
};

void plumb__step_arrays_free(plumb__step_arrays *arrays)
{
    if (!arrays) return;
    plumb__free(arrays->block);
    plumb__free(arrays);
}

static plumb_status reserve(plumb__step_arrays **arrays, size_t need, plumb_error *err)
{
    if (!*arrays) PLUMB_TRY(plumb__alloc(arrays, 1, sizeof **arrays, "a step", err));
    return plumb__grow(&(*arrays)->block, &(*arrays)->capacity, need, 1, "a step", err);
}

static plumb_status read_fixed(plumb__reader *r, plumb__step *s, plumb_error *err)
{
    const uint8_t *magic = plumb__read_bytes(r, sizeof step_magic);
    if (!magic || memcmp(magic, step_magic, sizeof step_magic) != 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "step payload: does not begin with \"PLS2\"; it is not a step or of "
                           "another version");
    s->attempt = plumb__read_u32(r);
    s->step = plumb__read_u64(r);
    s->loss = plumb__read_f64(r);
    s->lr = plumb__read_f64(r);
    s->normaliser = plumb__read_f64(r);
    s->loss_scale = plumb__read_f64(r);
    s->fingerprint = plumb__read_u64(r);
    s->micro_batches = plumb__read_u32(r);
    s->units_declared = plumb__read_u32(r);
    s->n_scalars = plumb__read_u32(r);
    if (s->n_scalars > PLUMB__MAX_SCALARS)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "step payload: %u scalars, at most %u",
                           s->n_scalars, PLUMB__MAX_SCALARS);
    plumb__read_f64s(r, s->scalars, s->n_scalars);
    s->n_units = plumb__read_u32(r);
    s->n_uses = plumb__read_u32(r);
    if (s->n_units > PLUMB__MAX_UNITS_PER_STEP || s->n_uses > PLUMB__MAX_USES)
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "step payload: %u units and %u uses, at most %u and %u", s->n_units,
                           s->n_uses, PLUMB__MAX_UNITS_PER_STEP, PLUMB__MAX_USES);
    if (!plumb__step_declares(s->units_declared, s->n_units))
        return plumb__fail(
            err, PLUMB_ERR_FORMAT,
            "step payload: declares %u units and has %u; it declares those that it has "
            "to %u",
            s->units_declared, s->n_units, PLUMB__MAX_UNITS_PER_STEP);
    return PLUMB_OK;
}

/* Gives out aligned columns of the block, from its front. */
typedef struct column_cursor {
    uint8_t *at;
    plumb__reader *reader;
} column_cursor;

static const double *take_f64(column_cursor *c, size_t n)
{
    double *column = (double *)(void *)c->at;
    plumb__read_f64s(c->reader, column, n);
    c->at += n * sizeof *column;
    return column;
}

static const float *take_f32(column_cursor *c, size_t n)
{
    float *column = (float *)(void *)c->at;
    plumb__read_f32s(c->reader, column, n);
    c->at += n * sizeof *column;
    return column;
}

static const int32_t *take_i32(column_cursor *c, size_t n)
{
    uint32_t *column = (uint32_t *)(void *)c->at;
    plumb__read_u32s(c->reader, column, n);
    c->at += n * sizeof *column;
    return (const int32_t *)column;
}

static const uint16_t *take_u16(column_cursor *c, size_t n)
{
    uint16_t *column = (uint16_t *)(void *)c->at;
    plumb__read_u16s(c->reader, column, n);
    c->at += n * sizeof *column;
    return column;
}

static const uint8_t *take_u8(column_cursor *c, size_t n)
{
    const uint8_t *bytes = plumb__read_bytes(c->reader, n);
    uint8_t *column = c->at;
    if (bytes) memcpy(column, bytes, n);
    c->at += n;
    return column;
}

/* The columns stand in the payload in the order of the struct, in memory by falling width: a cursor
 * per width keeps both orders simple. */
static void read_columns(plumb__reader *r, plumb__step *s, uint8_t *block)
{
    const size_t units = s->n_units, uses = s->n_uses, edges = units * uses;
    column_cursor wide = {block, r};
    column_cursor word = {wide.at + 24u * uses, r};
    column_cursor half = {word.at + 4u * (5u * units + uses), r};
    column_cursor byte = {half.at + 2u * (2u * units + 3u * edges), r};
    s->example = take_i32(&word, units);
    s->segment = take_i32(&word, units);
    s->micro_batch = take_u16(&half, units);
    s->rows = take_u16(&half, units);
    s->unit_weight = take_f32(&word, units);
    s->unit_loss = take_f32(&word, units);
    s->unit_entropy = take_f32(&word, units);
    s->decision = take_u8(&byte, units);
    s->reason = take_u8(&byte, units);
    s->checked = take_u8(&byte, units);
    s->band = take_u8(&byte, units);
    s->norm = take_u16(&half, edges);
    s->mask = take_u16(&half, edges);
    s->clip = take_u16(&half, edges);
    s->norm_kind = take_u8(&byte, edges);
    s->nu = take_f64(&wide, uses);
    s->budget = take_f64(&wide, uses);
    s->spent = take_f64(&wide, uses);
    s->contribution = take_f32(&word, uses);
    s->live = take_u8(&byte, uses);
}

plumb_status plumb__step_decode(const void *payload, size_t n, plumb__step *step,
                                plumb__step_arrays **arrays, plumb_error *err)
{
    plumb__reader r = {.data = payload, .size = n};
    memset(step, 0, sizeof *step);
    PLUMB_TRY(read_fixed(&r, step, err));
    const uint64_t expected = plumb__step_bytes(step);
    if (r.failed || n != expected)
        return plumb__fail(
            err, PLUMB_ERR_FORMAT,
            "step payload: %zu bytes, but its counts (%u scalars, %u units, %u uses) "
            "need %llu",
            n, step->n_scalars, step->n_units, step->n_uses, (unsigned long long)expected);
    PLUMB_TRY(reserve(arrays, n, err));
    read_columns(&r, step, (*arrays)->block);
    return PLUMB_OK;
}
