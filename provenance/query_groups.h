/* The groups of a query: sums by up to two codes, and the rows made of them. */
#ifndef PLUMB_PROVENANCE_QUERY_GROUPS_H
#define PLUMB_PROVENANCE_QUERY_GROUPS_H

#include "base/error.h"
#include "provenance/plumb_graph.h"

#define PLUMB__MAX_GROUPS ((size_t)1 << 24) /* 1.6 GB of sums: beyond it a query is a mistake */

/* Weighted sums over the edges of one group; the weight of an edge is 1, or 1/k by annotator. */
typedef struct plumb__group {
    uint64_t code[2];
    double units, spend_nats, edges, masked, open, clipped, norms, norm_sum;
} plumb__group;

typedef struct plumb__groups {
    plumb__group *rows;
    size_t n, capacity;
    uint32_t *slots; /* row number + 1, 0: free; a power of two, at most half full */
    size_t n_slots;
} plumb__groups;

/* The group of these codes, made when new. The pointer holds until the next call. */
plumb_status plumb__groups_at(plumb__groups *groups, uint64_t code0, uint64_t code1,
                              plumb__group **group, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__groups_free(plumb__groups *groups);

/* Name of a code of the i-th field; copied by the caller at once. */
typedef const char *plumb__group_name_fn(const void *ctx, uint32_t i, uint64_t code);

/* Rows by falling spend (ties by name), the first `top` of them (0: all). */
plumb_status plumb__result_make(const plumb__groups *groups, uint32_t n_by, uint64_t top,
                                plumb__group_name_fn *name, const void *ctx, plumb_result **result,
                                plumb_error *err) PLUMB_MUST_CHECK;

#endif
