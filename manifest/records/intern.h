/* Distinct byte strings, numbered in the order of their first coming. Each is stored once with a
 * NUL behind it; 4 GiB in all. */
#ifndef PLUMB_MANIFEST_INTERN_H
#define PLUMB_MANIFEST_INTERN_H

#include "base/error.h"

#include <stdbool.h>

#define PLUMB__INTERN_NONE UINT32_MAX

typedef struct plumb__intern {
    char *bytes;
    size_t size, capacity;
    uint32_t *starts; /* n + 1 of them */
    size_t starts_capacity;
    uint32_t *slots; /* open addressing, number + 1, 0 = free */
    size_t n_slots;
    uint32_t n;
    uint8_t key[16]; /* of the hash: nobody outside can make its chains long */
} plumb__intern;

plumb_status plumb__intern_init(plumb__intern *table, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__intern_free(plumb__intern *table);
/* *number of the string, new or not. */
plumb_status plumb__intern_add(plumb__intern *table, const void *data, size_t n, uint32_t *number,
                               plumb_error *err) PLUMB_MUST_CHECK;
/* The same in two halves: the hash reads only, so that any thread may take it. */
uint64_t plumb__intern_hash(const plumb__intern *table, const void *data, size_t n);
plumb_status plumb__intern_add_hashed(plumb__intern *table, uint64_t hash, const void *data,
                                      size_t n, uint32_t *number,
                                      plumb_error *err) PLUMB_MUST_CHECK;
/* PLUMB__INTERN_NONE when it is not there. */
uint32_t plumb__intern_find(const plumb__intern *table, const void *data, size_t n);
/* Borrowed until the next add; NULL for PLUMB__INTERN_NONE. */
const char *plumb__intern_text(const plumb__intern *table, uint32_t number);
size_t plumb__intern_length(const plumb__intern *table, uint32_t number);
size_t plumb__intern_memory(const plumb__intern *table);

#endif
