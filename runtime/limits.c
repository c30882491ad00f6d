/* Limits at one (layer, use) of one micro-batch: scales, what is left, and the bookkeeping around
 * the solver. Everything reads the stored 16-bit forms (R3). governance.md section 3. */
#include "runtime/run.h"

#include "base/half.h"

#include <math.h>

/* Below this share of its limit a ledger counts as used up: clips are rounded down, so what is left
 * would otherwise halve for ever without reaching 0, at the price of a GEMM each time. */
#define USED_UP (1.0 / 1024.0)

double plumb__run_left(const plumb_run *run, int32_t example, double run_nats, uint32_t use)
{
    if (example < 0 || isinf(run_nats)) return INFINITY;
    /* The limit holds for the weight: its uses share one sum. */
    const plumb_layer *layer = run->layers[run->uses[use].weight];
    const float *spent = run->ledger + (size_t)example * run->n_uses + layer->first_use;
    double left = run_nats;
    for (uint32_t k = 0; k < layer->desc.n_uses; k++)
        left -= (double)spent[k];
    return left > run_nats * USED_UP ? left : 0.0;
}

void plumb__limits_groups(plumb_run *run, uint32_t use)
{
    plumb__batch *b = &run->batch;
    const plumb__columns *c = &run->columns;
    for (uint32_t g = 0; g < b->n_groups; g++) {
        const uint32_t row = b->group_row[g];
        b->group_left[g] = plumb__run_left(run, c->example[row], c->run_nats[row], use);
        b->group_used[g] = c->group_used[(size_t)use * c->capacity + c->group[row]];
    }
}

double plumb__limits_layer(const plumb_run *run, uint32_t use)
{
    if (isinf(run->budget[use])) return INFINITY;
    const double due = run->budget[use] * (double)run->units_so_far / (double)run->step.units;
    const double left = due - run->micro_spent[use];
    return left > 0.0 ? left : 0.0;
}

void plumb__limits_first_nu(plumb_run *run, uint32_t use)
{
    plumb__batch *b = &run->batch;
    const uint32_t weight = run->uses[use].weight;
    if (run->nu[weight] >= 0.0) return;
    size_t n = 0;
    for (size_t i = 0; i < b->n_open; i++) {
        if (b->blocked[i]) continue;
        const double norm = plumb__norm16_value(b->norm[i]);
        b->values[n++] = norm * norm;
    }
    if (n > 0) run->nu[weight] = sqrt(plumb__lower_median(b->values, n));
}

static void count(plumb__use_stats *stats, const plumb__batch *b, size_t i)
{
    stats->open++;
    if (b->blocked[i]) return;
    stats->clip_sum += plumb__f16_value(b->clip[i]);
    if (b->clip[i] == PLUMB__F16_ONE) return;
    stats->clipped++;
    stats->by_limit[b->limit[i]]++;
}

void plumb__limits_apply(plumb_run *run, uint32_t use, double layer_nats)
{
    plumb__batch *b = &run->batch;
    plumb__columns *c = &run->columns;
    const double nu = run->nu[run->uses[use].weight];
    plumb__budget_args args = {.n = b->n_open,
                               .norm = b->norm,
                               .mask = b->mask,
                               .blocked = b->blocked,
                               .unit_nats = b->unit_nats,
                               .group = b->open_group,
                               .n_groups = b->n_groups,
                               .group_left = b->group_left,
                               .group_used = b->group_used,
                               .layer_nats = layer_nats,
                               .share = 1.0 / (double)run->uses[use].n_uses,
                               .nu = nu > 0.0 ? nu : 0.0,
                               .clip = b->clip,
                               .limit = b->limit};
    plumb__budget_solve(&args, run->budget_workspace);
    run->micro_spent[use] += args.spent_nats;
    for (size_t i = 0; i < b->n_open; i++) {
        const uint32_t slot = b->open[i], row = b->row[slot];
        const size_t edge = (size_t)row * run->n_uses + use;
        c->norm[edge] = b->norm[i];
        c->clip[edge] = b->clip[i];
        c->norm_kind[edge] = b->blocked[i] ? PLUMB__NORM_BOUND : PLUMB__NORM_EXACT;
        c->group_used[(size_t)use * c->capacity + c->group[row]] +=
            plumb__edge_amplitude(b->norm[i], b->mask[i], b->clip[i]);
        const float clip = (float)plumb__f16_value(b->clip[i]);
        if (clip < b->hardest[slot]) b->hardest[slot] = clip;
        count(&run->stats[use], b, i);
    }
}
