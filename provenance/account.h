/* The accounting of spends that runtime, graph writer and verifier share: one implementation, in
 * double, on the stored forms, so that all three get the same bits (governance.md section 3). */
#ifndef PLUMB_PROVENANCE_ACCOUNT_H
#define PLUMB_PROVENANCE_ACCOUNT_H

#include "provenance/bundle.h"

/* Amplitude mask * clip * norm of an edge. */
double plumb__edge_amplitude(uint16_t norm, uint16_t mask, uint16_t clip);

/* Scratch for steps of up to max_units_per_step units over these uses; everything is allocated
 * here. Errors: argument (no uses, a weight number >= n_uses), memory. */
typedef struct plumb__account plumb__account;
plumb_status plumb__account_create(const plumb__layer_row *layers, size_t n_uses,
                                   uint64_t n_examples, uint32_t max_units_per_step,
                                   plumb__account **account, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__account_free(plumb__account *account);

/* Charges one committed step to the ledger [n_examples x n_uses], row-major float32, each sum
 * rounded up. For each example and weight: a_k = sum of amplitudes of the example's units at use k
 * (unit order), a = sum of a_k over the weight's uses (order of /layers); use k is charged a_k * a
 * / (2 nu_k^2), which for a weight of one use is (sum of amplitudes)^2 / (2 nu^2). Examples outside
 * 0..n_examples-1 (-1: not in the manifest) are not charged; nu == 0 charges nothing. Called at
 * commit only: an aborted step never reaches the ledger. Allocates nothing. The step must have
 * n_uses uses and at most max_units_per_step units; one that has not is not charged at all. */
void plumb__ledger_charge(plumb__account *account, float *ledger, const plumb__step *step);

/* The lower median, element (n-1)/2 in rising order; 0 when n == 0. Reorders values; no NaN. */
double plumb__lower_median(double *values, size_t n);

/* The reference scale of each weight, lagged one step.
 *   norm2 of a unit at a weight = sum over the weight's uses with mask > 0 of norm^2 (stored
 *   forms); a step's median = lower median over its units that have an exact norm with mask > 0 at
 *   the weight and no use there that is a bound; steps without such a unit leave the state as it
 *   is; ema2 <- beta ema2 + (1-beta) median; nu of the next step = sqrt(ema2).
 * The first nu of a weight is the sqrt of the median over the first micro-batch's units that
 * reaches it at its first visited use; ema2 starts with the median of that whole step. State:
 * ema2[n_weights],
 * -1 = not yet. Allocates nothing; same contract on the step's size as plumb__ledger_charge. */
void plumb__reference_update(plumb__account *account, double *ema2, double beta,
                             const plumb__step *step);

#endif
