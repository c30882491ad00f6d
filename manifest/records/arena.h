/* Memory that is given out piece by piece and taken back as a whole. Pieces do not move. Belongs to
 * one thread at a time. */
#ifndef PLUMB_MANIFEST_ARENA_H
#define PLUMB_MANIFEST_ARENA_H

#include <stddef.h>

typedef struct plumb__arena_chunk plumb__arena_chunk;

typedef struct plumb__arena {
    plumb__arena_chunk *now; /* all zero is an empty arena */
} plumb__arena;

/* n bytes aligned to 8, not set; NULL when there is no memory. */
void *plumb__arena_take(plumb__arena *arena, size_t n);
/* Gives back the end of the piece that was taken last. */
void plumb__arena_trim(plumb__arena *arena, const void *piece, size_t n);
/* Takes all pieces back. The largest chunk stays, unless it is larger than keep_bytes. */
void plumb__arena_reset(plumb__arena *arena, size_t keep_bytes);
void plumb__arena_free(plumb__arena *arena);

#endif
