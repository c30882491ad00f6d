/* What reaches over steps: the run ledger against each record's run limit, and the reference
 * scales. Both are charged and moved by the code that the runtime used (account.h), on what the
 * record holds. */
#include "provenance/verify_rules.h"

#include "base/alloc.h"
#include "base/half.h"

#include <math.h>
#include <stdio.h>

/* The ledger's sums are float32, rounded up at each charge; the runtime left room by the same sums.
 */
#define LEDGER_SLACK 1e-6
#define SCALE_SLACK 1e-12

typedef unsigned long long ull;

plumb_status plumb__replay_open(plumb__grants *grants, plumb__replay *replay, plumb_error *err)
{
    const plumb__run_json *run = &grants->v->run;
    *replay = (plumb__replay){.grants = grants, .n_examples = run->records};
    plumb__spends_init(&replay->spends, run->layers, run->n_layers);
    PLUMB_TRY(plumb__alloc(&replay->ledger, run->records * run->n_layers, sizeof *replay->ledger,
                           "ledger", err));
    PLUMB_TRY(plumb__alloc(&replay->ema2, run->n_weights, sizeof *replay->ema2, "scales", err));
    for (uint32_t w = 0; w < run->n_weights; w++)
        replay->ema2[w] = -1;
    return PLUMB_OK;
}

void plumb__replay_free(plumb__replay *replay)
{
    plumb__account_free(replay->account);
    plumb__free(replay->ledger);
    plumb__free(replay->ema2);
    plumb__free(replay->values);
    plumb__free(replay->micro);
    plumb__spends_free(&replay->spends);
    *replay = (plumb__replay){0};
}

static plumb_status grow(plumb__replay *replay, uint32_t n_units, plumb_error *err)
{
    const plumb__run_json *run = &replay->grants->v->run;
    if (replay->account != NULL && n_units <= replay->max_units) return PLUMB_OK;
    plumb__account_free(replay->account);
    replay->account = NULL;
    replay->max_units = n_units;
    PLUMB_TRY(plumb__grow(&replay->values, &replay->values_capacity, n_units,
                          sizeof *replay->values, "scales", err));
    return plumb__account_create(run->layers, run->n_layers, replay->n_examples, n_units,
                                 &replay->account, err);
}

/* ---- reference scales --------------------------------------------------------------------- */

static bool is_exact(const plumb__step *step, uint32_t u, size_t use)
{
    const size_t e = (size_t)u * step->n_uses + use;
    return step->mask[e] != 0 && step->norm_kind[e] == PLUMB__NORM_EXACT;
}

/* Median over the units of one micro-batch at one use; -1 where none has an exact norm. */
static double batch_scale(plumb__replay *replay, const plumb__step *step, uint16_t micro_batch,
                          size_t use)
{
    size_t n = 0;
    for (uint32_t u = 0; u < step->n_units; u++) {
        if (step->micro_batch[u] != micro_batch || !is_exact(step, u, use)) continue;
        const double norm = plumb__norm16_value(step->norm[(size_t)u * step->n_uses + use]);
        replay->values[n++] = norm * norm;
    }
    return n > 0 ? sqrt(plumb__lower_median(replay->values, n)) : -1;
}

static bool first_micro_batch(const plumb__step *step, size_t first, uint32_t n_uses,
                              uint16_t *micro_batch)
{
    bool any = false;
    for (uint32_t u = 0; u < step->n_units; u++)
        for (size_t k = first; k < first + n_uses; k++) {
            if (!is_exact(step, u, k) || (any && step->micro_batch[u] >= *micro_batch)) continue;
            *micro_batch = step->micro_batch[u];
            any = true;
        }
    return any;
}

static bool near(double a, double b)
{
    return a == b || fabs(a - b) <= SCALE_SLACK * fmax(fabs(a), fabs(b));
}

/* The first scale of a weight comes from the first micro-batch that reached it, at the use that was
 * visited first; the record does not say which use that was, so any of them will do. */
static bool first_scale_fits(plumb__replay *replay, const plumb__step *step, size_t first,
                             double nu, double *expected)
{
    const uint32_t n_uses = replay->grants->v->run.layers[first].n_uses;
    uint16_t micro_batch = 0;
    *expected = 0;
    if (!first_micro_batch(step, first, n_uses, &micro_batch)) return nu == 0;
    for (size_t k = first; k < first + n_uses; k++) {
        const double scale = batch_scale(replay, step, micro_batch, k);
        if (scale < 0) continue;
        *expected = scale;
        if (near(nu, scale)) return true;
    }
    return false;
}

static plumb_status check_scale(plumb__replay *replay, const plumb__step *step, size_t first,
                                plumb_error *err)
{
    const plumb__verify *v = replay->grants->v;
    const plumb__layer_row *row = &v->run.layers[first];
    const double nu = step->nu[first], ema2 = replay->ema2[row->weight];
    double expected = 0;
    bool fits = false;
    if (v->policy.reference_fixed > 0) {
        expected = v->policy.reference_fixed;
        fits = nu == expected;
    } else if (ema2 >= 0) {
        expected = sqrt(ema2);
        fits = near(nu, expected);
    } else {
        fits = first_scale_fits(replay, step, first, nu, &expected);
    }
    if (fits) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "step %llu: layer %s: nu is %.9g, but by the norms before it is %.9g",
                       (ull)step->step, row->name, nu, expected);
}

/* ---- run limits --------------------------------------------------------------------------- */

static plumb_status check_run_limit(plumb__replay *replay, const plumb__step *step, uint32_t u,
                                    plumb_error *err)
{
    const plumb__run_json *run = &replay->grants->v->run;
    plumb__grant grant;
    if (step->example[u] < 0) return PLUMB_OK;
    PLUMB_TRY(plumb__grants_unit(replay->grants, step, u, &grant, err));
    const float *row = replay->ledger + (size_t)step->example[u] * run->n_layers;
    for (size_t k = 0; k < run->n_layers; k += run->layers[k].n_uses) {
        double spend = 0;
        for (uint32_t use = 0; use < run->layers[k].n_uses; use++)
            spend += (double)row[k + use];
        if (spend <= grant.run_nats * (1 + LEDGER_SLACK)) continue;
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "step %llu: example %s at layer %s: the ledger reaches %.9g nats, the "
                           "limit of the run is %.9g",
                           (ull)step->step, grant.id, run->layers[k].name, spend, grant.run_nats);
    }
    return PLUMB_OK;
}

plumb_status plumb__replay_step(plumb__replay *replay, const plumb__step *step, plumb_error *err)
{
    const plumb__verify *v = replay->grants->v;
    PLUMB_TRY(grow(replay, step->n_units, err));
    for (size_t k = 0; k < v->run.n_layers; k += v->run.layers[k].n_uses)
        PLUMB_TRY(check_scale(replay, step, k, err));
    PLUMB_TRY(plumb__clips_check(replay, step, err));
    plumb__ledger_charge(replay->account, replay->ledger, step);
    for (uint32_t u = 0; u < step->n_units; u++)
        PLUMB_TRY(check_run_limit(replay, step, u, err));
    plumb__reference_update(replay->account, replay->ema2, v->policy.reference_ema, step);
    return PLUMB_OK;
}
