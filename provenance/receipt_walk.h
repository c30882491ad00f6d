/* What a receipt counts, in one walk over a run. Only units of records of the run's manifest: those
 * of ids that it lacks are not the vendor's. Sums are made in the order of plumb_graph_query, so
 * that they are the same numbers. */
#ifndef PLUMB_PROVENANCE_RECEIPT_WALK_H
#define PLUMB_PROVENANCE_RECEIPT_WALK_H

#include "manifest/notices/receipt.h"
#include "provenance/graph_open.h"
#include "provenance/query_groups.h"

#define PLUMB__RECEIPT_FIELDS 3 /* plumb__receipt_fields */

typedef struct plumb__receipt_sums {
    uint64_t units, steps, used, moved;
    uint64_t decisions[3][PLUMB__RECEIPT_REASONS];
    plumb__group all, depth[PLUMB__RECEIPT_BANDS];
    plumb__groups groups[PLUMB__RECEIPT_FIELDS];
    uint64_t *records[PLUMB__RECEIPT_FIELDS]; /* of each row of groups: records used */
} plumb__receipt_sums;

plumb_status plumb__receipt_walk(plumb_graph *graph, plumb__receipt_sums *out,
                                 plumb_error *err) PLUMB_MUST_CHECK;
void plumb__receipt_sums_free(plumb__receipt_sums *sums);

#endif
