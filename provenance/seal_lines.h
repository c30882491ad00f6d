/* The lines of seals.jsonl: their exact bytes, which are leaves, and the inventory in force. */
#ifndef PLUMB_PROVENANCE_SEAL_LINES_H
#define PLUMB_PROVENANCE_SEAL_LINES_H

#include "provenance/inventory.h"

#define PLUMB__MAX_SEALS_BYTES ((size_t)1 << 30)

typedef struct plumb__seal_line {
    const char *text; /* borrowed; without its LF */
    size_t n;
    uint64_t leaf;
} plumb__seal_line;

typedef struct plumb__seal_lines {
    plumb__bytes data;
    plumb__seal_line *lines;
    size_t n, capacity;
    size_t whole_bytes;    /* of all whole lines; less than data.size: a torn one follows */
    plumb__inventory last; /* in force after the last whole line */
} plumb__seal_lines;

/* Reads and checks: each line canonical and a change of the inventory before it, seals 0, 1, 2 …,
 * leaves rising, states open … merged closed. A missing file has no lines. A last line without LF,
 * or that is no inventory, may be a torn write: it is left to the caller, who knows whether the
 * head covers it. */
plumb_status plumb__seal_lines_read(const char *run_dir, plumb__seal_lines *out,
                                    plumb_error *err) PLUMB_MUST_CHECK;
void plumb__seal_lines_free(plumb__seal_lines *lines);

/* The segments that an inventory names, in order; *numbers is freed with plumb__free. */
plumb_status plumb__inventory_segments(const plumb__inventory *inventory, uint64_t **numbers,
                                       size_t *n, plumb_error *err) PLUMB_MUST_CHECK;

#endif
