/* The policy: the rules of a run (docs/formats/policy.md). It stands on this floor, below runtime/,
 * because the verifier in provenance/ must read the same rules that the runtime enforced. */
#ifndef PLUMB_MANIFEST_POLICY_H
#define PLUMB_MANIFEST_POLICY_H

#include "base/bytes.h"

#include <stdbool.h>

typedef enum plumb__unknown_rule {
    PLUMB__UNKNOWN_REJECT,
    PLUMB__UNKNOWN_ZERO,
    PLUMB__UNKNOWN_PASS,
    PLUMB__UNKNOWN_HALT
} plumb__unknown_rule;
typedef enum plumb__action { PLUMB__ACTION_WARN, PLUMB__ACTION_HALT } plumb__action;

/* Budgets are in nats; INFINITY = no limit (JSON null). */
typedef struct plumb__policy {
    double max_mask;             /* default 1 */
    double entropy_bands[2];     /* nats; below the first low, from the second on high; NaN: none */
    plumb__unknown_rule unknown; /* default reject */
    bool accept_expired;         /* "expired": "refuse" (default) | "accept" */
    char audience[256];          /* "" = none */
    double unit_step_nats;       /* default for records that state none */
    double run_nats;             /* default Lambda per (example, layer) */
    double layer_step_nats;      /* E of every layer */
    double reference_ema;        /* weight of the old value, default 0.9; in (0,1) */
    double reference_fixed;      /* > 0: nu is this and never moves; 0: EMA */
    uint32_t starvation_steps;   /* 0 = off */
    plumb__action starvation_action, nonfinite_action;
    uint64_t seal_steps; /* 0 = at checkpoints and close only */
    uint32_t commit_ms, max_block_ms;
    uint64_t commit_bytes;
} plumb__policy;

/* The band of a unit by its mean predictive entropy in its stored form: 1 low, 2 mid, 3 high; 0
 * where the policy states no thresholds. */
unsigned plumb__policy_band(const plumb__policy *policy, float entropy);
/* How much of the schedule is done at a step: step / horizon, at most 1. */
double plumb__progress(uint64_t step, uint64_t horizon);
void plumb__policy_default(plumb__policy *policy);
/* Strict: unknown fields, wrong types and out-of-range numbers are errors that name the field. */
plumb_status plumb__policy_parse(const char *what, const void *data, size_t n,
                                 plumb__policy *policy, plumb_error *err) PLUMB_MUST_CHECK;

#endif
