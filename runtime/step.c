/* The step: begin, decide, commit, abort. Ledger and reference scales change at commit alone (R2).
 */
#include "runtime/run.h"

#include "base/half.h"

#include <math.h>
#include <string.h>

void plumb_step_info_default(plumb_step_info *info)
{
    *info = (plumb_step_info){.size = sizeof *info,
                              .version = PLUMB_STRUCT_VERSION,
                              .micro_batches = 1,
                              .normaliser = 1.0,
                              .loss_scale = 1.0};
}

void plumb_update_info_default(plumb_update_info *info)
{
    *info = (plumb_update_info){.size = sizeof *info, .version = PLUMB_STRUCT_VERSION};
}

void plumb_live_default(plumb_live *live)
{
    *live = (plumb_live){.size = sizeof *live, .version = PLUMB_STRUCT_VERSION};
}

/* ---- begin ---- */

static plumb_status check_info(const plumb_run *run, const plumb_step_info *s, plumb_error *err)
{
    PLUMB_TRY(plumb__struct_check("plumb_step_info", s->size, s->version, sizeof *s, err));
    if (s->step != run->last_step + 1)
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "plumb_step_begin: step %llu was asked for, the next one is %llu",
                           (unsigned long long)s->step, (unsigned long long)run->last_step + 1);
    if (s->micro_batches == 0 || s->micro_batches > UINT16_MAX)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "plumb_step_begin: %u micro-batches, allowed are 1 to %d",
                           s->micro_batches, UINT16_MAX);
    if (s->units == 0 || s->units > PLUMB__MAX_UNITS_PER_STEP)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "plumb_step_begin: %u units, allowed are 1 to %u", s->units,
                           PLUMB__MAX_UNITS_PER_STEP);
    if (!isfinite(s->normaliser) || !(s->normaliser > 0.0))
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "plumb_step_begin: normaliser %g must be finite and above 0",
                           s->normaliser);
    if (!isfinite(s->loss_scale) || !(s->loss_scale > 0.0))
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "plumb_step_begin: loss_scale %g must be finite and above 0",
                           s->loss_scale);
    return PLUMB_OK;
}

static void reset_uses(plumb_run *run)
{
    for (size_t i = 0; i < run->n_layers; i++) {
        run->nu[i] = run->ema2[i] < 0.0 ? -1.0 : sqrt(run->ema2[i]);
        if (run->policy.reference_fixed > 0.0) run->nu[i] = run->policy.reference_fixed;
    }
    memset(run->micro_spent, 0, run->n_uses * sizeof *run->micro_spent);
    memset(run->stats, 0, run->n_uses * sizeof *run->stats);
    memset(run->columns.group_table, 0xff,
           run->columns.table_slots * sizeof *run->columns.group_table);
}

plumb_status plumb_step_begin(plumb_run *run, const plumb_step_info *info, plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, "plumb_step_begin", PLUMB__IDLE, err));
    PLUMB_TRY(check_info(run, info, err));
    PLUMB_TRY(plumb__columns_reserve(run, info->units, err));
    run->step = *info;
    run->micro_batches = run->units_so_far = run->rows_so_far = run->n_groups = 0;
    run->non_finite = false;
    run->batch.n = 0;
    reset_uses(run);
    plumb__masks_step(&run->masks, info->step, plumb__progress(info->step, run->horizon));
    run->phase = PLUMB__STEP;
    return PLUMB_OK;
}

/* ---- decide ---- */

static plumb_status check_complete(const plumb_run *run, plumb_error *err)
{
    const unsigned long long step = run->step.step;
    if (run->micro_batches != run->step.micro_batches)
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "plumb_step_decide: step %llu declared %u micro-batches and had %u: "
                           "begin the others, or abort the step",
                           step, run->step.micro_batches, run->micro_batches);
    if (!run->batch.has_loss)
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "plumb_step_decide: micro-batch %u of step %llu has no loss yet: call "
                           "plumb_loss_xent, or plumb_loss_weights and plumb_loss_report",
                           run->micro_batches - 1, step);
    return PLUMB_OK;
}

static plumb_status refuse_nonfinite(const plumb_run *run, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_NUMERIC,
                       "step %llu: a unit's loss or gradient is not finite, and the policy says "
                       "halt: call plumb_step_abort",
                       (unsigned long long)run->step.step);
}

/* Amplitude sum and contribution entropy of one use, in unit order (governance.md section 5). */
static void sum_use(plumb_run *run, uint32_t use)
{
    const plumb__columns *c = &run->columns;
    double squares = 0.0, logs = 0.0;
    bool live = false;
    for (uint32_t u = 0; u < run->rows_so_far; u++) {
        const size_t e = (size_t)u * run->n_uses + use;
        if (c->norm_kind[e] == PLUMB__NORM_NONE || !c->clip[e]) continue;
        live = true;
        const double a = plumb__edge_amplitude(c->norm[e], c->mask[e], c->clip[e]);
        if (!(a > 0.0)) continue;
        squares += a * a;
        logs += a * a * log(a * a);
    }
    const double nu = run->nu[run->uses[use].weight];
    run->nu_row[use] = nu > 0.0 ? nu : 0.0;
    run->spent[use] = nu > 0.0 ? squares / (2.0 * nu * nu) : 0.0;
    const double entropy = squares > 0.0 ? log(squares) - logs / squares : 0.0;
    run->contribution[use] = entropy > 0.0 ? (float)entropy : 0.0f;
    run->live[run->uses[use].weight] |= live;
}

static double mean_clip(const plumb__use_stats *s)
{
    return s->clip_sum / (double)s->open;
}

static const char *limit_name(const plumb__use_stats *s)
{
    static const char *const names[] = {NULL, "unit_step", "run", "layer_step"};
    size_t most = PLUMB__LIMIT_UNIT;
    for (size_t i = PLUMB__LIMIT_UNIT; i <= PLUMB__LIMIT_LAYER; i++)
        if (s->by_limit[i] > s->by_limit[most]) most = i;
    return names[most];
}

static void fill_live(plumb_run *run, plumb_live *live)
{
    uint64_t open = 0, clipped = 0;
    const plumb__use_stats *tightest = NULL;
    plumb_live_default(live);
    for (size_t k = 0; k < run->n_uses; k++) {
        const plumb__use_stats *s = &run->stats[k];
        open += s->open;
        clipped += s->clipped;
        if (s->clipped == 0 || (tightest && mean_clip(s) >= mean_clip(tightest))) continue;
        tightest = s;
        live->tightest_layer = run->uses[k].name;
        live->tightest_limit = limit_name(s);
    }
    live->n = run->n_layers;
    live->live = run->live;
    live->non_finite = run->non_finite;
    live->clipped_share = open ? (double)clipped / (double)open : 0.0;
}

plumb_status plumb_step_decide(plumb_run *run, plumb_live *live, plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, "plumb_step_decide", PLUMB__BATCH, err));
    if (live->size || live->version)
        PLUMB_TRY(plumb__struct_check("plumb_live", live->size, live->version, sizeof *live, err));
    PLUMB_TRY(check_complete(run, err));
    if (run->non_finite && run->policy.nonfinite_action == PLUMB__ACTION_HALT)
        return refuse_nonfinite(run, err);
    memset(run->live, 0, run->n_layers);
    for (uint32_t k = 0; k < run->n_uses; k++)
        sum_use(run, k);
    for (size_t k = 0; k < run->n_uses; k++)
        run->live_use[k] = run->live[run->uses[k].weight];
    fill_live(run, live);
    run->phase = PLUMB__DECIDED;
    return PLUMB_OK;
}

/* ---- commit and abort ---- */

static plumb_status check_update(const plumb_update_info *u, plumb_error *err)
{
    PLUMB_TRY(plumb__struct_check("plumb_update_info", u->size, u->version, sizeof *u, err));
    if (u->n_scalars > PLUMB_MAX_SCALARS)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "plumb_step_commit: %u scalars, at most %d",
                           u->n_scalars, PLUMB_MAX_SCALARS);
    bool finite = isfinite(u->loss) && isfinite(u->lr);
    for (uint32_t i = 0; i < u->n_scalars; i++)
        finite = finite && isfinite(u->scalars[i]);
    if (finite) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_NUMERIC,
                       "plumb_step_commit: loss %g, lr %g or a scalar is not finite: abort the "
                       "step, or commit with what was finite",
                       u->loss, u->lr);
}

static plumb__step build(const plumb_run *run, const plumb_update_info *u)
{
    const plumb__columns *c = &run->columns;
    plumb__step s = {
        .attempt = run->attempt,
        .step = run->step.step,
        .loss = u->loss,
        .lr = u->lr,
        .normaliser = run->step.normaliser,
        .loss_scale = run->step.loss_scale,
        .fingerprint = u->fingerprint,
        .micro_batches = run->micro_batches,
        .units_declared = run->step.units,
        .n_scalars = u->n_scalars,
        .n_units = run->rows_so_far,
        .n_uses = (uint32_t)run->n_uses,
        .example = c->example,
        .segment = c->segment,
        .micro_batch = c->micro_batch,
        .rows = c->rows,
        .unit_weight = c->weight,
        .unit_loss = c->loss,
        .unit_entropy = c->entropy,
        .decision = c->decision,
        .reason = c->reason,
        .checked = c->checked,
        .band = c->band,
        .norm = c->norm,
        .mask = c->mask,
        .clip = c->clip,
        .norm_kind = c->norm_kind,
        .nu = run->nu_row,
        .budget = run->budget,
        .spent = run->spent,
        .contribution = run->contribution,
        .live = run->live_use,
    };
    memcpy(s.scalars, u->scalars, u->n_scalars * sizeof *s.scalars);
    return s;
}

plumb_status plumb_step_commit(plumb_run *run, const plumb_update_info *info, plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, "plumb_step_commit", PLUMB__DECIDED, err));
    PLUMB_TRY(check_update(info, err));
    const plumb__step step = build(run, info);
    PLUMB_TRY(plumb__run_fail(run, plumb__bundle_step(run->bundle, &step, err), err));
    plumb__ledger_charge(run->account, run->ledger, &step);
    plumb__reference_update(run->account, run->ema2, run->policy.reference_ema, &step);
    run->last_step = run->step.step;
    run->phase = PLUMB__IDLE;
    PLUMB_TRY(plumb__event_nonfinite(run, err));
    return plumb__event_starvation(run, err);
}

plumb_status plumb_step_abort(plumb_run *run, const char *reason, plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, "plumb_step_abort",
                                PLUMB__STEP | PLUMB__BATCH | PLUMB__DECIDED, err));
    run->phase = PLUMB__IDLE;
    return plumb__event_abort(run, reason, err);
}
