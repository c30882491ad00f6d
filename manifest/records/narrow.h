/* A column of numbers of 32 bits that takes 16 a row while all of them are small. UINT32_MAX is
 * "none" in both. */
#ifndef PLUMB_MANIFEST_NARROW_H
#define PLUMB_MANIFEST_NARROW_H

#include "base/error.h"

typedef struct plumb__narrow {
    uint16_t *small; /* NULL once there was a number of 65535 or more */
    uint32_t *large; /* then */
    size_t capacity;
} plumb__narrow;

/* Room for so many rows: exactly, the first time. What is in a row before it is set is not said. */
plumb_status plumb__narrow_reserve(plumb__narrow *column, size_t rows,
                                   plumb_error *err) PLUMB_MUST_CHECK;
/* A row that there is room for. Errors: PLUMB_ERR_NO_MEMORY. */
plumb_status plumb__narrow_set(plumb__narrow *column, size_t row, uint32_t value,
                               plumb_error *err) PLUMB_MUST_CHECK;
uint32_t plumb__narrow_at(const plumb__narrow *column, size_t row);
void plumb__narrow_free(plumb__narrow *column);
uint64_t plumb__narrow_memory(const plumb__narrow *column);

#endif
