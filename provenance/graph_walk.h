/* Walks an HDF5 graph leaf by leaf, each with the digest of its payload as encoded from the
 * columns: for reading back what was written, for merging and for recovery. */
#ifndef PLUMB_PROVENANCE_GRAPH_WALK_H
#define PLUMB_PROVENANCE_GRAPH_WALK_H

#include "provenance/h5_reader.h"

typedef struct plumb__graph_leaf {
    plumb__leaf_kind kind;
    uint64_t leaf;
    int64_t time_ns;
    plumb__hash digest;
    const plumb__step *step; /* steps; NULL for text */
    const void *payload;     /* text; NULL for steps */
    size_t payload_bytes;
} plumb__graph_leaf;

typedef plumb_status plumb__graph_leaf_fn(const plumb__graph_leaf *leaf, void *ctx,
                                          plumb_error *err);

/* Opens the file, visits its leaves in rising order, closes it. Leaf numbers that do not rise are
 * PLUMB_ERR_CORRUPT. */
plumb_status plumb__graph_walk(const char *path, const char *run_id, plumb__graph_leaf_fn *visit,
                               void *ctx, plumb_error *err) PLUMB_MUST_CHECK;

/* Leaf numbers, rising, and the digests of their payloads. */
typedef struct plumb__leaf_digest {
    uint64_t leaf;
    plumb__hash digest;
} plumb__leaf_digest;

typedef struct plumb__digests {
    size_t n, capacity;
    plumb__leaf_digest *list;
} plumb__digests;

plumb_status plumb__digests_add(plumb__digests *digests, uint64_t leaf, const plumb__hash *digest,
                                plumb_error *err) PLUMB_MUST_CHECK;
void plumb__digests_free(plumb__digests *digests);
/* Reads the file back: it must hold exactly these leaves (J13 of journal.c). */
plumb_status plumb__graph_read_back(const char *path, const char *run_id,
                                    const plumb__digests *expected,
                                    plumb_error *err) PLUMB_MUST_CHECK;

#endif
