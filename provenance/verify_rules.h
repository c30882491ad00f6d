/* The rules of one step, recomputed from manifest and policy; and those that reach over steps. */
#ifndef PLUMB_PROVENANCE_VERIFY_RULES_H
#define PLUMB_PROVENANCE_VERIFY_RULES_H

#include "provenance/account.h"
#include "provenance/spends.h"
#include "provenance/verify.h"

/* What the manifest and the policy grant. */
typedef struct plumb__grants {
    const plumb__verify *v;
    size_t *first;   /* [profiles] row of masks and known */
    uint16_t *masks; /* [profiles x bands x uses], stored form; band 0: the largest */
    double *known;   /* [profiles x bands] progress of which the masks are; NaN: not yet */
    uint16_t *row;   /* [uses] masks of a unit that has no record */
} plumb__grants;

plumb_status plumb__grants_open(const plumb__verify *v, plumb__grants *grants,
                                plumb_error *err) PLUMB_MUST_CHECK;
void plumb__grants_free(plumb__grants *grants);

/* One unit's terms. */
typedef struct plumb__grant {
    const uint16_t *mask;               /* [uses] of the unit's band */
    double unit_nats, run_nats, weight; /* weight: of the record times that of the segment */
    uint32_t profile;
    uint8_t band;             /* that it must have */
    bool by_entropy;          /* its masks depend on the band */
    bool known;               /* the manifest has the example */
    bool refused;             /* it must be rejected: `reason` says why */
    uint8_t reason;           /* of plumb_reason */
    bool has_digest, reaches; /* reaches: some mask is above 0 in some band */
    char id[512];
    uint32_t number;
} plumb__grant;
/* Errors: mismatch when the example or segment number is outside the manifest. */
plumb_status plumb__grants_unit(plumb__grants *grants, const plumb__step *step, uint32_t unit,
                                plumb__grant *out, plumb_error *err) PLUMB_MUST_CHECK;

/* Admission, masks, norms, clips and unit limits of every unit; scales, budgets, spends,
 * contribution entropy and live flags of every use. */
plumb_status plumb__rules_step(plumb__grants *grants, const plumb__step *step,
                               plumb_error *err) PLUMB_MUST_CHECK;

/* A micro-batch: its part of the units of the step, and what it does at the use at hand. How many
 * of the empty slots of the step it had is not in the record; so between two bounds, in units so
 * far.
 */
typedef struct plumb__micro {
    double at_least, at_most;
    double before, spent; /* nats: of the micro-batches before it, and its own */
    double reach;         /* what it spent before clips were rounded down, at most */
    double most;          /* largest amplitude */
} plumb__micro;

/* What one step leaves for the next: run ledger and reference scales. Superseded steps are left
 * out. */
typedef struct plumb__replay {
    plumb__grants *grants;
    plumb__account *account;
    uint32_t max_units;
    uint64_t n_examples;
    float *ledger; /* [examples x uses] */
    double *ema2;  /* [weights], -1: not yet */
    double *values;
    size_t values_capacity;
    plumb__spends spends; /* for the units of each example */
    plumb__micro *micro;
    size_t micro_capacity, n_micro;
} plumb__replay;

plumb_status plumb__replay_open(plumb__grants *grants, plumb__replay *replay,
                                plumb_error *err) PLUMB_MUST_CHECK;
void plumb__replay_free(plumb__replay *replay);
plumb_status plumb__replay_step(plumb__replay *replay, const plumb__step *step,
                                plumb_error *err) PLUMB_MUST_CHECK;

/* Every micro-batch keeps to what is due to it of the limit of a layer, and every clip below 1 has
 * a limit that asks for it; before the step is charged. */
plumb_status plumb__clips_check(plumb__replay *replay, const plumb__step *step,
                                plumb_error *err) PLUMB_MUST_CHECK;

/* The columns of /examples and /statements against the manifest and the certificates. */
plumb_status plumb__rules_examples(const plumb__verify *v, plumb_error *err) PLUMB_MUST_CHECK;

#endif
