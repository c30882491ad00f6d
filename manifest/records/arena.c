#include "manifest/records/arena.h"

#include "base/alloc.h"

#include <stdint.h>

#define FIRST_CHUNK ((size_t)16 << 10)
#define ALIGNMENT 8u

struct plumb__arena_chunk {
    plumb__arena_chunk *before;
    size_t used, capacity;
    char *bytes;
};

static size_t rounded(size_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* At least twice the last one, so that few are needed whatever is taken. */
static plumb__arena_chunk *add_chunk(plumb__arena *arena, size_t n)
{
    plumb__arena_chunk *chunk = NULL;
    size_t want = arena->now != NULL ? 2 * arena->now->capacity : FIRST_CHUNK, capacity = 0;
    if (want < n) want = n;
    if (plumb__alloc(&chunk, 1, sizeof *chunk, "records", NULL) != PLUMB_OK) return NULL;
    if (plumb__grow(&chunk->bytes, &capacity, want, 1, "records", NULL) != PLUMB_OK) {
        plumb__free(chunk);
        return NULL;
    }
    chunk->capacity = want;
    chunk->before = arena->now;
    arena->now = chunk;
    return chunk;
}

void *plumb__arena_take(plumb__arena *arena, size_t n)
{
    plumb__arena_chunk *chunk = arena->now;
    if (n > PTRDIFF_MAX / 4) return NULL;
    const size_t size = rounded(n);
    if (chunk == NULL || chunk->capacity - chunk->used < size) chunk = add_chunk(arena, size);
    if (chunk == NULL) return NULL;
    void *piece = chunk->bytes + chunk->used;
    chunk->used += size;
    return piece;
}

void plumb__arena_trim(plumb__arena *arena, const void *piece, size_t n)
{
    plumb__arena_chunk *chunk = arena->now;
    chunk->used = (size_t)((const char *)piece - chunk->bytes) + rounded(n);
}

static void free_chunk(plumb__arena_chunk *chunk)
{
    plumb__free(chunk->bytes);
    plumb__free(chunk);
}

void plumb__arena_reset(plumb__arena *arena, size_t keep_bytes)
{
    plumb__arena_chunk *keep = arena->now;
    if (keep == NULL) return;
    for (plumb__arena_chunk *chunk = keep->before, *before; chunk != NULL; chunk = before) {
        before = chunk->before;
        free_chunk(chunk);
    }
    keep->before = NULL;
    keep->used = 0;
    if (keep->capacity <= keep_bytes) return;
    free_chunk(keep);
    arena->now = NULL;
}

void plumb__arena_free(plumb__arena *arena)
{
    plumb__arena_reset(arena, 0);
}
