/* The spend of single edges, shared out so that they add up to what the ledger charges.
 *
 * The ledger charges example e at use k of a weight a_k * a / (2 nu^2): a_k the sum of the
 * amplitudes mask * clip * norm of e's units at that use, a the sum over the weight's uses
 * (account.h). An edge's share is its amplitude: amplitude * a / (2 nu^2). A unit whose id the
 * manifest lacks has no ledger and stands for itself. */
#ifndef PLUMB_PROVENANCE_SPENDS_H
#define PLUMB_PROVENANCE_SPENDS_H

#include "provenance/account.h"

typedef struct plumb__spends {
    const plumb__layer_row *layers; /* borrowed */
    size_t n_uses, n_weights;
    double *totals;  /* [groups x weights] of the step */
    uint32_t *group; /* [units]: units of one example share one */
    uint64_t *order; /* [units] example and unit, to find the groups */
    size_t totals_capacity, group_capacity, order_capacity;
} plumb__spends;

void plumb__spends_init(plumb__spends *spends, const plumb__layer_row *layers, size_t n_uses);
void plumb__spends_free(plumb__spends *spends);
/* Prepares a step; plumb__spends_edge may then be asked about its edges. */
plumb_status plumb__spends_step(plumb__spends *spends, const plumb__step *step,
                                plumb_error *err) PLUMB_MUST_CHECK;
double plumb__spends_edge(const plumb__spends *spends, const plumb__step *step, uint32_t unit,
                          size_t use);

#endif
