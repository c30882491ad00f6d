/* The line of history: which steps and checkpoints later rewinds undid, and where the run stands.
 * Fed leaf by leaf in rising order by recovery and by the merge. */
#ifndef PLUMB_PROVENANCE_HISTORY_H
#define PLUMB_PROVENANCE_HISTORY_H

#include "provenance/payload.h"

typedef struct plumb__history_rewind {
    uint64_t to;
    uint32_t attempt; /* the new one: steps of lower attempts above `to` are superseded */
} plumb__history_rewind;

typedef struct plumb__history_checkpoint {
    uint64_t step, bytes;
    uint32_t attempt;
    char file[128];
    plumb__hash blake2b;
} plumb__history_checkpoint;

typedef struct plumb__history {
    uint32_t attempt;   /* the highest seen */
    uint64_t last_step; /* the last one of the current line, 0: none */
    plumb__history_rewind *rewinds;
    size_t n_rewinds, rewind_capacity;
    plumb__history_checkpoint *checkpoints; /* of the current line, in order */
    size_t n_checkpoints, checkpoint_capacity;
} plumb__history;

plumb_status plumb__history_step(plumb__history *h, uint32_t attempt, uint64_t step,
                                 plumb_error *err) PLUMB_MUST_CHECK;
/* A text leaf of any kind; rewinds and checkpoints are parsed strictly, others passed over. */
plumb_status plumb__history_text(plumb__history *h, plumb__leaf_kind kind, uint64_t leaf,
                                 const void *payload, size_t n, plumb_error *err) PLUMB_MUST_CHECK;
/* By the rewinds seen so far. */
bool plumb__history_superseded(const plumb__history *h, uint32_t attempt, uint64_t step);
void plumb__history_free(plumb__history *h);

#endif
