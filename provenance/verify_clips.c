/* A clip below 1 must have a reason. Limits say how much may be spent at most; this says that
 * nothing was held back without a limit that asked for it, so that a record cannot understate whom
 * the model learned from. A clip is what the last limit that had to act left of an edge: unit: the
 * edge's amplitude is the unit's room, share * sqrt(2 b) * nu; run: the amplitudes of the example's
 * units so far in this step are its room of what is left; layer: water-filling, so no unit of the
 * micro-batch spends more than this one. Each as far as clips are rounded down. Where an example
 * has several units in one micro-batch, another limit may have lowered one of them later: there the
 * run limit is believed. So is the layer's limit, where no unit of the micro-batch spends more: how
 * many units the step declared, which decides what was due, is not in the record. */
#include "provenance/verify_rules.h"

#include "base/alloc.h"
#include "base/half.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SLACK (1.0 - 1e-9)   /* of float64 sums */
#define USED_UP (1.0 / 1024) /* the runtime takes a ledger for used up below this share */

static double amplitude(const plumb__step *step, uint32_t u, size_t use)
{
    const size_t e = (size_t)u * step->n_uses + use;
    return plumb__edge_amplitude(step->norm[e], step->mask[e], step->clip[e]);
}

/* Above what the edge was left before its clip was rounded down: the next clip there is. That holds
 * for clips of few bits too, and for one that was rounded down to 0. */
static double unrounded(const plumb__step *step, uint32_t u, size_t use)
{
    const size_t e = (size_t)u * step->n_uses + use;
    return plumb__edge_amplitude(step->norm[e], step->mask[e], (uint16_t)(step->clip[e] + 1));
}

static plumb_status fill_most(plumb__replay *r, const plumb__step *step, size_t use,
                              plumb_error *err)
{
    PLUMB_TRY(plumb__grow(&r->most, &r->most_capacity, step->micro_batches, sizeof *r->most,
                          "clips", err));
    if (step->micro_batches > 0) memset(r->most, 0, step->micro_batches * sizeof *r->most);
    for (uint32_t u = 0; u < step->n_units; u++) {
        double *most = &r->most[step->micro_batch[u]];
        const double a = amplitude(step, u, use);
        if (a > *most) *most = a;
    }
    return PLUMB_OK;
}

static size_t first_of_example(const plumb__replay *r, const plumb__step *step, uint32_t u)
{
    const uint64_t key = (uint64_t)(uint32_t)step->example[u] << 32;
    size_t low = 0, high = step->n_units;
    while (low < high) {
        const size_t at = low + (high - low) / 2;
        if (r->spends.order[at] < key)
            low = at + 1;
        else
            high = at;
    }
    return low;
}

static bool run_limit_asks(const plumb__replay *r, const plumb__step *step, uint32_t u, size_t use,
                           double run_nats)
{
    const plumb__run_json *run = &r->grants->v->run;
    const plumb__layer_row *row = &run->layers[use];
    if (step->example[u] < 0 || isinf(run_nats)) return false;
    const float *spent = r->ledger + (size_t)step->example[u] * run->n_layers + use - row->use;
    double left = run_nats, so_far = 0;
    for (uint32_t k = 0; k < row->n_uses; k++)
        left -= (double)spent[k];
    if (left <= run_nats * USED_UP * (1 + 1e-6)) return true;
    size_t beside = 0;
    for (size_t i = first_of_example(r, step, u); i < step->n_units; i++) {
        const uint32_t other = (uint32_t)r->spends.order[i];
        if (step->example[other] != step->example[u]) break;
        if (step->micro_batch[other] > step->micro_batch[u]) continue;
        beside += other != u && step->micro_batch[other] == step->micro_batch[u];
        so_far += other == u ? unrounded(step, u, use) : amplitude(step, other, use);
    }
    const double room = sqrt(2 * left) * step->nu[use] / row->n_uses;
    return beside > 0 || so_far >= room * SLACK;
}

static bool has_reason(const plumb__replay *r, const plumb__step *step, uint32_t u, size_t use,
                       const plumb__grant *grant)
{
    const uint32_t n_uses = r->grants->v->run.layers[use].n_uses;
    const double a = unrounded(step, u, use);
    if (a >= sqrt(2 * grant->unit_nats) * step->nu[use] / n_uses * SLACK) return true;
    if (!isinf(step->budget[use]) && a >= r->most[step->micro_batch[u]] * SLACK) return true;
    return run_limit_asks(r, step, u, use, grant->run_nats);
}

static bool is_reduced(const plumb__step *step, uint32_t u, size_t use)
{
    const size_t e = (size_t)u * step->n_uses + use;
    return step->mask[e] != 0 && step->norm_kind[e] == PLUMB__NORM_EXACT &&
           step->clip[e] < PLUMB__F16_ONE;
}

static plumb_status check_use(plumb__replay *r, const plumb__step *step, size_t use,
                              plumb_error *err)
{
    plumb__grant grant;
    PLUMB_TRY(fill_most(r, step, use, err));
    for (uint32_t u = 0; u < step->n_units; u++) {
        if (!is_reduced(step, u, use)) continue;
        PLUMB_TRY(plumb__grants_unit(r->grants, step, u, &grant, err));
        if (has_reason(r, step, u, use, &grant)) continue;
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "step %llu: example %s at layer %s: clip is %.6g, but no limit asks for "
                           "less than 1",
                           (unsigned long long)step->step, grant.id,
                           r->grants->v->run.layers[use].name,
                           plumb__f16_value(step->clip[(size_t)u * step->n_uses + use]));
    }
    return PLUMB_OK;
}

plumb_status plumb__clips_check(plumb__replay *replay, const plumb__step *step, plumb_error *err)
{
    PLUMB_TRY(plumb__spends_step(&replay->spends, step, err));
    for (size_t use = 0; use < step->n_uses; use++)
        PLUMB_TRY(check_use(replay, step, use, err));
    return PLUMB_OK;
}
