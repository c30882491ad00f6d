#include "manifest/records/pool.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <sodium.h>
#include <string.h>

#define UNIT_BYTES 8u
#define CHUNK_BITS 13u /* units in a chunk */
#define CHUNK_UNITS ((size_t)1 << CHUNK_BITS)
#define CHUNK_BYTES (CHUNK_UNITS * UNIT_BYTES)
#define MAX_CHUNKS                                                                                 \
    (((size_t)1 << (32 - CHUNK_BITS)) - 1) /* the last number stays free for NONE                  \
                                            */
#define FIRST_SLOTS 64
#define EMPTY UINT64_MAX

plumb_status plumb__pool_init(plumb__pool *pool, plumb_error *err)
{
    memset(pool, 0, sizeof *pool);
    PLUMB_TRY(plumb__crypto_init(err));
    randombytes_buf(pool->key, sizeof pool->key);
    PLUMB_TRY(plumb__alloc(&pool->slots, FIRST_SLOTS, sizeof *pool->slots, "texts", err));
    pool->n_slots = FIRST_SLOTS;
    memset(pool->slots, 0xff, FIRST_SLOTS * sizeof *pool->slots);
    return PLUMB_OK;
}

void plumb__pool_free(plumb__pool *pool)
{
    for (size_t i = 0; i < pool->n_chunks; i++) {
        if (pool->chunks[i].owned) plumb__free(pool->chunks[i].text);
    }
    plumb__free(pool->chunks);
    plumb__free(pool->slots);
    memset(pool, 0, sizeof *pool);
}

uint64_t plumb__pool_hash(const plumb__pool *pool, const char *text, size_t n)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t value;
    crypto_shorthash(hash, (const uint8_t *)text, n, pool->key);
    memcpy(&value, hash, sizeof value);
    return value;
}

const char *plumb__pool_text(const plumb__pool *pool, uint32_t number)
{
    if (number == PLUMB__POOL_NONE) return NULL;
    return pool->chunks[number >> CHUNK_BITS].text + (number & (CHUNK_UNITS - 1)) * UNIT_BYTES;
}

/* Room for `count` chunks in one piece. */
static plumb_status add_chunks(plumb__pool *pool, size_t count, plumb_error *err)
{
    char *text = NULL;
    size_t capacity = 0;
    if (count > MAX_CHUNKS - pool->n_chunks) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "the distinct texts take more than 32 GiB: split the manifest");
    }
    PLUMB_TRY(plumb__grow(&pool->chunks, &pool->chunks_capacity, pool->n_chunks + count,
                          sizeof *pool->chunks, "texts", err));
    PLUMB_TRY(plumb__grow(&text, &capacity, count * CHUNK_BYTES, 1, "texts", err));
    for (size_t i = 0; i < count; i++) {
        pool->chunks[pool->n_chunks++] = (plumb__pool_chunk){text + i * CHUNK_BYTES, i == 0};
    }
    pool->used = 0;
    return PLUMB_OK;
}

plumb_status plumb__pool_put(plumb__pool *pool, const char *text, size_t n, uint32_t *number,
                             plumb_error *err)
{
    const size_t units = n / UNIT_BYTES + 1; /* with the NUL */
    const size_t count = (units + CHUNK_UNITS - 1) / CHUNK_UNITS;
    if (pool->n_chunks == 0 || count > 1 || CHUNK_UNITS - pool->used < units) {
        PLUMB_TRY(add_chunks(pool, count, err));
    }
    const size_t first = pool->n_chunks - count;
    char *to = pool->chunks[first].text + pool->used * UNIT_BYTES;
    *number = (uint32_t)(first << CHUNK_BITS | pool->used);
    if (n > 0) memcpy(to, text, n);
    memset(to + n, 0, units * UNIT_BYTES - n);
    pool->used += units - (count - 1) * CHUNK_UNITS;
    return PLUMB_OK;
}

/* ---- finding again ---- */

static size_t first_slot(const plumb__pool *pool, uint32_t hash)
{
    return hash & (pool->n_slots - 1);
}

static void fill_slot(plumb__pool *pool, uint64_t entry)
{
    size_t at = first_slot(pool, (uint32_t)(entry >> 32));
    while (pool->slots[at] != EMPTY) {
        at = (at + 1) & (pool->n_slots - 1);
    }
    pool->slots[at] = entry;
}

/* Three quarters full at most. */
static plumb_status make_room(plumb__pool *pool, plumb_error *err)
{
    if (pool->n < pool->n_slots / 4 * 3) return PLUMB_OK;
    uint64_t *old = pool->slots;
    const size_t n_old = pool->n_slots;
    size_t capacity = 0;
    pool->slots = NULL;
    const plumb_status status =
        plumb__grow(&pool->slots, &capacity, n_old * 2, sizeof *pool->slots, "texts", err);
    if (status != PLUMB_OK) {
        pool->slots = old;
        return status;
    }
    pool->n_slots = n_old * 2;
    memset(pool->slots, 0xff, pool->n_slots * sizeof *pool->slots);
    for (size_t i = 0; i < n_old; i++) {
        if (old[i] != EMPTY) fill_slot(pool, old[i]);
    }
    plumb__free(old);
    return PLUMB_OK;
}

plumb_status plumb__pool_add(plumb__pool *pool, uint64_t hash, const char *text, size_t n,
                             uint32_t *number, plumb_error *err)
{
    const uint32_t short_hash = (uint32_t)(hash >> 32);
    for (size_t at = first_slot(pool, short_hash); pool->slots[at] != EMPTY;
         at = (at + 1) & (pool->n_slots - 1)) {
        if ((uint32_t)(pool->slots[at] >> 32) != short_hash) continue;
        *number = (uint32_t)pool->slots[at];
        /* The stored text's NUL ends the comparison where it is the shorter one. */
        const char *known = plumb__pool_text(pool, *number);
        if (strncmp(known, text, n) == 0 && known[n] == '\0') return PLUMB_OK;
    }
    PLUMB_TRY(make_room(pool, err));
    PLUMB_TRY(plumb__pool_put(pool, text, n, number, err));
    fill_slot(pool, (uint64_t)short_hash << 32 | *number);
    pool->n++;
    return PLUMB_OK;
}

void plumb__pool_prefetch(const plumb__pool *pool, uint64_t hash)
{
    __builtin_prefetch(&pool->slots[first_slot(pool, (uint32_t)(hash >> 32))]);
}

void plumb__pool_settle(plumb__pool *pool)
{
    plumb__free(pool->slots);
    pool->slots = NULL;
    pool->n_slots = 0;
}

/* What was never touched of the last chunk is not in memory. */
uint64_t plumb__pool_memory(const plumb__pool *pool)
{
    if (pool->n_chunks == 0) return 0;
    return (uint64_t)(pool->n_chunks - 1) * CHUNK_BYTES + pool->used * UNIT_BYTES +
           pool->chunks_capacity * sizeof *pool->chunks + pool->n_slots * sizeof *pool->slots;
}
