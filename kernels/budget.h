/* The budget solver: one (layer, use) of one micro-batch (governance.md section 3).
 *
 * All arithmetic is on the stored forms (norm16 rounded up, f16 mask and clip rounded down), so
 * that a verifier repeats it bit for bit. Amplitude a_u = mask * norm (double). Limits, in this
 * order:
 *   1. unit: clip so that a_u <= share * sqrt(2 b_u) * nu
 *   2. run: for an example e, with A_e = share * sqrt(2 max(0, Lambda_e - S_e)) * nu - used_e the
 *      amplitude left, all its units of this batch are scaled by min(1, A_e / sum a_u)
 *   3. layer: water-filling: s_u = a_u^2 / (2 nu^2) <- min(s_u, tau), tau the largest level with
 *      sum s_u <= layer_nats
 * share = 1 / number of uses of the weight; the clip is then rounded down to f16. An infinite limit
 * is INFINITY, NaN or a negative limit counts as 0. nu == 0 gives clip 0 wherever a limit is finite
 * and the norm is not 0, 1 elsewhere, and counts as spent 0 (there is no scale to count in). */
#ifndef PLUMB_KERNELS_BUDGET_H
#define PLUMB_KERNELS_BUDGET_H

#include "base/error.h"

typedef enum plumb__limit {
    PLUMB__LIMIT_NONE,
    PLUMB__LIMIT_UNIT,
    PLUMB__LIMIT_RUN,
    PLUMB__LIMIT_LAYER
} plumb__limit;

typedef struct plumb__budget_args {
    size_t n;                /* units */
    const uint16_t *norm;    /* [n] norm16 */
    const uint16_t *mask;    /* [n] f16; 0: clip is reported as 1 and nothing is spent */
    const uint8_t *blocked;  /* [n] 1: non-finite: clip 0 */
    const double *unit_nats; /* [n] b_u, INFINITY: none */
    const uint32_t *group;   /* [n] 0..n_groups-1: units of one example share a group */
    size_t n_groups;
    const double *group_left; /* [n_groups] max(0, Lambda - S) in nats, INFINITY: none */
    const double *group_used; /* [n_groups] amplitude used before in this step at this use */
    double layer_nats;        /* what this micro-batch may spend at this (layer, use) */
    double share, nu;
    uint16_t *clip;    /* out [n] f16 */
    uint8_t *limit;    /* out [n] plumb__limit that decided: the last one that had to scale */
    double spent_nats; /* out: sum of (mask clip norm)^2 / (2 nu^2) */
} plumb__budget_args;

/* Workspace: plumb__budget_workspace(n, n_groups) bytes. */
size_t plumb__budget_workspace(size_t n, size_t n_groups);
void plumb__budget_solve(plumb__budget_args *args, void *workspace);

#endif
