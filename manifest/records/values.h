/* A column of numbers of which few are distinct: 16 bits a row while there are fewer than 65535 of
 * them, 64 after that. */
#ifndef PLUMB_MANIFEST_VALUES_H
#define PLUMB_MANIFEST_VALUES_H

#include "base/error.h"

typedef struct plumb__values {
    uint16_t *index; /* row -> distinct; NULL once they are too many */
    double *wide;    /* row -> value, then */
    double *distinct;
    uint32_t *slots; /* open addressing over distinct, number + 1; NULL after settling */
    uint32_t n_distinct, n_slots;
    uint64_t factor;
    size_t rows, index_capacity, wide_capacity, distinct_capacity;
} plumb__values;

/* NaN is a value like any other: "not stated". All zero is an empty column. Errors:
 * PLUMB_ERR_NO_MEMORY. */
plumb_status plumb__values_reserve(plumb__values *column, size_t rows,
                                   plumb_error *err) PLUMB_MUST_CHECK;
/* row is at most the number of rows so far; a larger one adds rows up to it, of NaN. */
plumb_status plumb__values_set(plumb__values *column, size_t row, double value,
                               plumb_error *err) PLUMB_MUST_CHECK;
/* NaN behind the last row. */
double plumb__values_at(const plumb__values *column, size_t row);
/* Drops what finds distinct values; setting builds it again. */
void plumb__values_settle(plumb__values *column);
void plumb__values_free(plumb__values *column);
uint64_t plumb__values_memory(const plumb__values *column);

#endif
