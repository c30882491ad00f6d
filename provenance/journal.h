/* The journal: append-only frames, checksummed and chained; states and invariants in journal.c,
 * format in docs/formats/bundle.md. The writing half is inside bundle.c and recorder.c; this is the
 * reading half, which takes no lock and changes nothing, so that show/verify work beside a living
 * writer. */
#ifndef PLUMB_PROVENANCE_JOURNAL_H
#define PLUMB_PROVENANCE_JOURNAL_H

#include "provenance/payload.h"

typedef struct plumb__frame {
    plumb__leaf_kind kind;
    uint64_t leaf;   /* its number in the run's tree; rising, by one within a file */
    int64_t time_ns; /* wall clock, outside the tree */
    const uint8_t *payload;
    size_t payload_bytes;
} plumb__frame;

typedef struct plumb__journal_summary {
    uint64_t frames, first_leaf, next_leaf;
    uint64_t torn_bytes; /* after the last whole frame, above the highest durable offset */
} plumb__journal_summary;

typedef plumb_status plumb__frame_fn(const plumb__frame *frame, void *ctx, plumb_error *err);

/* Visits every whole frame of RUN/journal in order. Damage below the highest durable offset:
 * PLUMB_ERR_CORRUPT naming file and offset. An empty or missing journal has no frames. The payload
 * lives until the visit returns. visit and summary may be NULL. */
plumb_status plumb__journal_scan(const char *run_dir, plumb__frame_fn *visit, void *ctx,
                                 plumb__journal_summary *summary,
                                 plumb_error *err) PLUMB_MUST_CHECK;

#endif
