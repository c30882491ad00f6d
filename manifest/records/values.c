#include "manifest/records/values.h"

#include "base/alloc.h"

#include <math.h>
#include <sodium.h>
#include <string.h>

#define MAX_DISTINCT 65535u
#define FIRST_SLOTS 64u

/* Equal bits are equal values; all NaNs are one. */
static uint64_t bits_of(double value)
{
    uint64_t bits;
    if (isnan(value)) value = NAN;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* A random odd factor: nobody outside can choose numbers that meet. */
static uint32_t first_slot(const plumb__values *c, uint64_t bits)
{
    return (uint32_t)((bits * c->factor) >> 32) & (c->n_slots - 1);
}

static void fill_slot(plumb__values *c, uint32_t number)
{
    uint32_t at = first_slot(c, bits_of(c->distinct[number]));
    while (c->slots[at] != 0) {
        at = (at + 1) & (c->n_slots - 1);
    }
    c->slots[at] = number + 1;
}

static plumb_status make_slots(plumb__values *c, plumb_error *err)
{
    uint32_t want = FIRST_SLOTS;
    while (want / 2 <= c->n_distinct) {
        want *= 2;
    }
    if (c->slots != NULL && want <= c->n_slots) return PLUMB_OK;
    uint32_t *slots = NULL;
    PLUMB_TRY(plumb__alloc(&slots, want, sizeof *slots, "record table", err));
    plumb__free(c->slots);
    randombytes_buf(&c->factor, sizeof c->factor);
    c->factor |= 1;
    c->slots = slots;
    c->n_slots = want;
    for (uint32_t i = 0; i < c->n_distinct; i++) {
        fill_slot(c, i);
    }
    return PLUMB_OK;
}

/* *number of a value; MAX_DISTINCT when it is one too many. */
static plumb_status find_or_add(plumb__values *c, double value, uint32_t *number, plumb_error *err)
{
    const uint64_t bits = bits_of(value);
    PLUMB_TRY(make_slots(c, err));
    for (uint32_t at = first_slot(c, bits); c->slots[at] != 0; at = (at + 1) & (c->n_slots - 1)) {
        *number = c->slots[at] - 1;
        if (bits_of(c->distinct[*number]) == bits) return PLUMB_OK;
    }
    *number = c->n_distinct;
    if (c->n_distinct == MAX_DISTINCT) return PLUMB_OK;
    PLUMB_TRY(plumb__grow(&c->distinct, &c->distinct_capacity, (size_t)c->n_distinct + 1,
                          sizeof *c->distinct, "record table", err));
    c->distinct[c->n_distinct++] = value;
    fill_slot(c, *number);
    return PLUMB_OK;
}

/* The first room is exact, since it is mostly the last one too. */
static plumb_status make_room(void *column, size_t *capacity, size_t rows, size_t size,
                              plumb_error *err)
{
    if (*capacity > 0) return plumb__grow(column, capacity, rows, size, "record table", err);
    PLUMB_TRY(plumb__alloc(column, rows, size, "record table", err));
    *capacity = rows;
    return PLUMB_OK;
}

plumb_status plumb__values_reserve(plumb__values *c, size_t rows, plumb_error *err)
{
    if (c->wide != NULL) return make_room(&c->wide, &c->wide_capacity, rows, sizeof *c->wide, err);
    return make_room(&c->index, &c->index_capacity, rows, sizeof *c->index, err);
}

static plumb_status widen(plumb__values *c, plumb_error *err)
{
    PLUMB_TRY(make_room(&c->wide, &c->wide_capacity, c->index_capacity, sizeof *c->wide, err));
    for (size_t i = 0; i < c->rows; i++) {
        c->wide[i] = c->distinct[c->index[i]];
    }
    plumb__free(c->index);
    plumb__free(c->distinct);
    c->index = NULL;
    c->distinct = NULL;
    c->n_distinct = 0;
    c->index_capacity = c->distinct_capacity = 0;
    plumb__values_settle(c);
    return PLUMB_OK;
}

static plumb_status put(plumb__values *c, size_t row, double value, plumb_error *err)
{
    uint32_t number = 0;
    PLUMB_TRY(plumb__values_reserve(c, row + 1, err));
    if (c->wide == NULL) PLUMB_TRY(find_or_add(c, value, &number, err));
    if (number == MAX_DISTINCT) PLUMB_TRY(widen(c, err));
    if (c->wide != NULL) {
        PLUMB_TRY(plumb__values_reserve(c, row + 1, err));
        c->wide[row] = value;
    } else {
        c->index[row] = (uint16_t)number;
    }
    if (row >= c->rows) c->rows = row + 1;
    return PLUMB_OK;
}

plumb_status plumb__values_set(plumb__values *c, size_t row, double value, plumb_error *err)
{
    while (c->rows < row) {
        PLUMB_TRY(put(c, c->rows, NAN, err));
    }
    return put(c, row, value, err);
}

double plumb__values_at(const plumb__values *c, size_t row)
{
    if (row >= c->rows) return NAN;
    return c->wide != NULL ? c->wide[row] : c->distinct[c->index[row]];
}

void plumb__values_settle(plumb__values *c)
{
    plumb__free(c->slots);
    c->slots = NULL;
    c->n_slots = 0;
}

void plumb__values_free(plumb__values *c)
{
    plumb__free(c->index);
    plumb__free(c->wide);
    plumb__free(c->distinct);
    plumb__free(c->slots);
    memset(c, 0, sizeof *c);
}

uint64_t plumb__values_memory(const plumb__values *c)
{
    return c->index_capacity * sizeof *c->index + c->wide_capacity * sizeof *c->wide +
           c->distinct_capacity * sizeof *c->distinct + c->n_slots * sizeof *c->slots;
}
