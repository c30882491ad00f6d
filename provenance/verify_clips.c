/* A clip below 1 must have a reason. Limits say how much may be spent at most; this says that
 * nothing was held back without a limit that asked for it, so that a record cannot understate whom
 * the model learned from. A clip is what the last limit that had to act left of an edge: unit: the
 * edge's amplitude is the unit's room, share * sqrt(2 b) * nu; run: the amplitudes of the example's
 * units so far in this step are its room of what is left; layer: water-filling, so no unit of the
 * micro-batch spends more than this one, and together they spend all that was due to them: limit *
 * (units so far / units declared) - spent so far. Each as far as clips are rounded down. Where an
 * example has several units in one micro-batch, another limit may have lowered one of them later:
 * there the run limit is believed.
 *
 * Empty slots count as units and leave no row. Where a step declares more units than it has rows,
 * units so far are known between two bounds only; what a micro-batch spent at any use raises the
 * lower one for all of them. */
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

/* ---- what was due to each micro-batch ------------------------------------------------------- */

static double nats(double amplitude, double nu)
{
    const double q = amplitude > 0 && nu > 0 ? amplitude / nu : 0;
    return q * q / 2;
}

static void fill_use(plumb__replay *r, const plumb__step *step, size_t use)
{
    double before = 0;
    for (size_t m = 0; m < r->n_micro; m++)
        r->micro[m].spent = r->micro[m].reach = r->micro[m].most = 0;
    for (uint32_t u = 0; u < step->n_units; u++) {
        const size_t e = (size_t)u * step->n_uses + use;
        if (step->norm_kind[e] != PLUMB__NORM_EXACT) continue;
        plumb__micro *micro = &r->micro[step->micro_batch[u]];
        const double a = amplitude(step, u, use), nu = step->nu[use];
        micro->spent += nats(a, nu);
        micro->reach += nats(step->clip[e] < PLUMB__F16_ONE ? unrounded(step, u, use) : a, nu);
        if (a > micro->most) micro->most = a;
    }
    for (size_t m = 0; m < r->n_micro; m++) {
        r->micro[m].before = before;
        before += r->micro[m].spent;
    }
}

static double due(const plumb__step *step, size_t use, double units)
{
    return step->budget[use] * units / step->units_declared;
}

/* What the micro-batch spent it had units for. */
static plumb_status check_due(plumb__replay *r, const plumb__step *step, size_t use,
                              plumb_error *err)
{
    const double budget = step->budget[use];
    if (isinf(budget)) return PLUMB_OK;
    fill_use(r, step, use);
    for (size_t m = 0; m < r->n_micro; m++) {
        plumb__micro *micro = &r->micro[m];
        const double spent = micro->before + micro->spent, most = due(step, use, micro->at_most);
        if (!(spent <= most / SLACK))
            return plumb__fail(
                err, PLUMB_ERR_MISMATCH,
                "step %llu: layer %s: %.9g nats are spent up to micro-batch %zu, the "
                "limit of the layer by then is %.9g",
                (unsigned long long)step->step, r->grants->v->run.layers[use].name, spent, m, most);
        if (spent > 0) micro->at_least = fmax(micro->at_least, spent / due(step, use, 1) * SLACK);
    }
    return PLUMB_OK;
}

static plumb_status check_micro_batches(plumb__replay *r, const plumb__step *step, plumb_error *err)
{
    /* micro_batch is a u16, and every one is below micro_batches already */
    r->n_micro = step->micro_batches <= UINT16_MAX ? step->micro_batches : UINT16_MAX + 1u;
    PLUMB_TRY(
        plumb__grow(&r->micro, &r->micro_capacity, r->n_micro + 1, sizeof *r->micro, "clips", err));
    memset(r->micro, 0, (r->n_micro + 1) * sizeof *r->micro);
    for (uint32_t u = 0; u < step->n_units; u++)
        r->micro[step->micro_batch[u]].at_least += 1;
    double so_far = 0;
    for (size_t m = 0; m < r->n_micro; m++) {
        so_far += r->micro[m].at_least;
        r->micro[m].at_least = so_far;
        r->micro[m].at_most = so_far + (step->units_declared - step->n_units);
    }
    for (size_t use = 0; use < step->n_uses; use++)
        PLUMB_TRY(check_due(r, step, use, err));
    for (size_t m = 1; m < r->n_micro; m++) {
        plumb__micro *micro = &r->micro[m];
        const double rows = micro->at_most - micro[-1].at_most;
        micro->at_least = fmax(micro->at_least, micro[-1].at_least + rows);
    }
    return PLUMB_OK;
}

/* ---- the reason of a clip ------------------------------------------------------------------- */

/* What the limit leaves a micro-batch at the use at hand, at the least. */
static double layer_left(const plumb__step *step, const plumb__micro *micro, size_t use)
{
    const double left = due(step, use, micro->at_least) * SLACK - micro->before;
    return left > 0 ? left : 0;
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

static bool is_at_level(const plumb__replay *r, const plumb__step *step, uint32_t u, size_t use)
{
    return !isinf(step->budget[use]) &&
           unrounded(step, u, use) >= r->micro[step->micro_batch[u]].most * SLACK;
}

/* Without a scale a finite limit leaves nothing to spend, and nothing counts as spent. */
static bool layer_limit_asks(const plumb__replay *r, const plumb__step *step, uint32_t u,
                             size_t use)
{
    const plumb__micro *micro = &r->micro[step->micro_batch[u]];
    if (!is_at_level(r, step, u, use)) return false;
    return !(step->nu[use] > 0) || micro->reach >= layer_left(step, micro, use) * SLACK;
}

static bool has_reason(const plumb__replay *r, const plumb__step *step, uint32_t u, size_t use,
                       const plumb__grant *grant)
{
    const uint32_t n_uses = r->grants->v->run.layers[use].n_uses;
    const double a = unrounded(step, u, use);
    if (a >= sqrt(2 * grant->unit_nats) * step->nu[use] / n_uses * SLACK) return true;
    if (layer_limit_asks(r, step, u, use)) return true;
    return run_limit_asks(r, step, u, use, grant->run_nats);
}

static bool is_reduced(const plumb__step *step, uint32_t u, size_t use)
{
    const size_t e = (size_t)u * step->n_uses + use;
    return step->mask[e] != 0 && step->norm_kind[e] == PLUMB__NORM_EXACT &&
           step->clip[e] < PLUMB__F16_ONE;
}

static plumb_status no_reason(const plumb__replay *r, const plumb__step *step, uint32_t u,
                              size_t use, const char *id, plumb_error *err)
{
    const plumb__micro *micro = &r->micro[step->micro_batch[u]];
    const char *layer = r->grants->v->run.layers[use].name;
    const double clip = plumb__f16_value(step->clip[(size_t)u * step->n_uses + use]);
    if (is_at_level(r, step, u, use))
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "step %llu: example %s at layer %s: clip is %.6g, but micro-batch %u "
                           "spends %.6g nats and the limit of the layer leaves it %.6g",
                           (unsigned long long)step->step, id, layer, clip, step->micro_batch[u],
                           micro->spent, layer_left(step, micro, use));
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "step %llu: example %s at layer %s: clip is %.6g, but no limit asks for "
                       "less than 1",
                       (unsigned long long)step->step, id, layer, clip);
}

static plumb_status check_use(plumb__replay *r, const plumb__step *step, size_t use,
                              plumb_error *err)
{
    plumb__grant grant;
    fill_use(r, step, use);
    for (uint32_t u = 0; u < step->n_units; u++) {
        if (!is_reduced(step, u, use)) continue;
        PLUMB_TRY(plumb__grants_unit(r->grants, step, u, &grant, err));
        if (has_reason(r, step, u, use, &grant)) continue;
        return no_reason(r, step, u, use, grant.id, err);
    }
    return PLUMB_OK;
}

plumb_status plumb__clips_check(plumb__replay *replay, const plumb__step *step, plumb_error *err)
{
    if (step->n_units == 0) return PLUMB_OK;
    PLUMB_TRY(check_micro_batches(replay, step, err));
    PLUMB_TRY(plumb__spends_step(&replay->spends, step, err));
    for (size_t use = 0; use < step->n_uses; use++)
        PLUMB_TRY(check_use(replay, step, use, err));
    return PLUMB_OK;
}
