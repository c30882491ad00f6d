/* What /ledger and /index must hold, computed from the steps: the writer stores it, the checker
 * compares it. */
#ifndef PLUMB_PROVENANCE_H5_INDEX_H
#define PLUMB_PROVENANCE_H5_INDEX_H

#include "provenance/h5_reader_parts.h"

/* Where the parts go, in order. Pointers live for the call only; NULL members are not called. */
typedef struct plumb__h5_index_sink {
    void *ctx;
    /* rows [first, first+n) of the ledger */
    plumb_status (*ledger)(void *ctx, uint64_t first, size_t n, const float *spend,
                           plumb_error *err);
    plumb_status (*offsets)(void *ctx, size_t n, const uint64_t *offsets, plumb_error *err);
    /* positions [first, first+n) of the index: unit rows and their edges [n x uses] */
    plumb_status (*rows)(void *ctx, uint64_t first, size_t n, const uint64_t *rows,
                         const uint16_t *const edges[3], plumb_error *err);
} plumb__h5_index_sink;

/* slab_bytes bounds the memory that grows with examples x uses or units x uses; besides it, 16
 * bytes an example. More slabs mean more passes over the steps. PLUMB_ERR_MISMATCH when a unit
 * names an example outside -1..n_examples-1. */
plumb_status plumb__h5_index_build(plumb__h5_reader *source, uint64_t n_examples, size_t slab_bytes,
                                   const plumb__h5_index_sink *sink,
                                   plumb_error *err) PLUMB_MUST_CHECK;
#define PLUMB__H5_SLAB_BYTES ((size_t)256 << 20)

#endif
