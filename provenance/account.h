/* The accounting of spends that runtime, graph writer and verifier share: one implementation, in double,
 * on the stored forms, so that all three get the same bits (governance.md section 3). */
#ifndef PLUMB_PROVENANCE_ACCOUNT_H
#define PLUMB_PROVENANCE_ACCOUNT_H

#include "provenance/bundle.h"

/* Amplitude mask * clip * norm of an edge. */
double plumb__edge_amplitude(uint16_t norm, uint16_t mask, uint16_t clip);

/* Charges one committed step to the ledger [n_examples x n_uses], row-major float32, each sum rounded up.
 * For each example and weight: a_k = sum of amplitudes of the example's units at use k (unit order),
 * a = sum over the weight's uses; use k is charged a_k * a / (2 nu^2). Examples outside 0..n_examples-1
 * (-1) are not charged. nu == 0 charges nothing. If `undo` is not NULL the old values are appended to it
 * so that plumb__ledger_undo can restore them. scratch is reused from call to call. */
typedef struct plumb__account plumb__account; /* scratch */
plumb_status plumb__account_create(const plumb__layer_row *layers, size_t n_uses,
                                   uint64_t n_examples, uint32_t max_units_per_step,
                                   plumb__account **account, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__account_free(plumb__account *account);
/* Allocates nothing. */
void plumb__ledger_charge(plumb__account *account, float *ledger, const plumb__step *step);

/* The reference scale of each weight, lagged one step.
 *   norm2 of a unit at a weight = sum over the weight's uses with mask > 0 of norm^2 (stored forms);
 *   a step's median = lower median over its units with some mask > 0 at the weight and no use that is
 *   a bound (norm_kind BOUND); steps without such a unit leave the state as it is;
 *   ema2 <- beta ema2 + (1-beta) median; nu of the next step = sqrt(ema2).
 * The first nu of a weight is the sqrt of the median over the first micro-batch's units that reaches it
 * at its first visited use; ema2 starts with the median of that whole step. State: ema2[n_weights],
 * -1 = not yet. */
double plumb__lower_median(double *values, size_t n); /* reorders values; 0 when n == 0 */
void plumb__reference_update(plumb__account *account, double *ema2, double beta,
                             const plumb__step *step);

#endif
