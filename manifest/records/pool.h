/* Texts in memory, found again by what they say. A text is named by 32 bits: its place in units of
 * 8 bytes, which reaches 32 GiB; it is ended by NUL, begins at a multiple of 8, never moves, and
 * must not contain NUL. What finds texts again can be dropped once no more are added. */
#ifndef PLUMB_MANIFEST_POOL_H
#define PLUMB_MANIFEST_POOL_H

#include "base/error.h"

#include <stdbool.h>

#define PLUMB__POOL_NONE UINT32_MAX

typedef struct plumb__pool_chunk {
    char *text;
    bool owned; /* false: goes on in the allocation of the one before */
} plumb__pool_chunk;

typedef struct plumb__pool {
    plumb__pool_chunk *chunks; /* of 64 KiB; a longer text lies in several */
    size_t n_chunks, chunks_capacity;
    size_t used;     /* units of the last chunk */
    uint64_t *slots; /* hash << 32 | number; open addressing; NULL after plumb__pool_settle */
    size_t n_slots;
    uint64_t n;
    uint8_t key[16]; /* of the hash: nobody outside can make its chains long */
} plumb__pool;

plumb_status plumb__pool_init(plumb__pool *pool, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__pool_free(plumb__pool *pool);
/* Reads only: any thread may ask. */
uint64_t plumb__pool_hash(const plumb__pool *pool, const char *text, size_t n);
/* Stores a text, whatever is there already. */
plumb_status plumb__pool_put(plumb__pool *pool, const char *text, size_t n, uint32_t *number,
                             plumb_error *err) PLUMB_MUST_CHECK;
/* The text's number, old or new; hash is plumb__pool_hash of it. Not after plumb__pool_settle. */
plumb_status plumb__pool_add(plumb__pool *pool, uint64_t hash, const char *text, size_t n,
                             uint32_t *number, plumb_error *err) PLUMB_MUST_CHECK;
/* Asks the processor for the place where a text of this hash would be looked for. */
void plumb__pool_prefetch(const plumb__pool *pool, uint64_t hash);
/* NULL for PLUMB__POOL_NONE. */
const char *plumb__pool_text(const plumb__pool *pool, uint32_t number);
/* Drops what finds texts again. */
void plumb__pool_settle(plumb__pool *pool);
uint64_t plumb__pool_memory(const plumb__pool *pool);

#endif
