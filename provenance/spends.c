#include "provenance/spends.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void plumb__spends_init(plumb__spends *spends, const plumb__layer_row *layers, size_t n_uses)
{
    *spends = (plumb__spends){.layers = layers, .n_uses = n_uses};
    for (size_t k = 0; k < n_uses; k++)
        if (layers[k].weight >= spends->n_weights) spends->n_weights = layers[k].weight + 1;
}

void plumb__spends_free(plumb__spends *spends)
{
    plumb__free(spends->totals);
    plumb__free(spends->group);
    plumb__free(spends->order);
    *spends = (plumb__spends){0};
}

static int by_value(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static plumb_status find_groups(plumb__spends *spends, const plumb__step *step, uint32_t *n_groups,
                                plumb_error *err)
{
    PLUMB_TRY(plumb__grow(&spends->group, &spends->group_capacity, step->n_units,
                          sizeof *spends->group, "spends", err));
    PLUMB_TRY(plumb__grow(&spends->order, &spends->order_capacity, step->n_units,
                          sizeof *spends->order, "spends", err));
    for (uint32_t u = 0; u < step->n_units; u++)
        spends->order[u] = (uint64_t)(uint32_t)step->example[u] << 32 | u;
    if (step->n_units > 1) qsort(spends->order, step->n_units, sizeof *spends->order, by_value);
    *n_groups = 0;
    for (uint32_t i = 0; i < step->n_units; i++) {
        const int32_t example = (int32_t)(uint32_t)(spends->order[i] >> 32);
        const bool first =
            i == 0 || example < 0 || (spends->order[i - 1] >> 32) != (spends->order[i] >> 32);
        if (first) ++*n_groups;
        spends->group[(uint32_t)spends->order[i]] = *n_groups - 1;
    }
    return PLUMB_OK;
}

static double amplitude(const plumb__spends *spends, const plumb__step *step, uint32_t unit,
                        size_t use)
{
    const size_t edge = (size_t)unit * spends->n_uses + use;
    return plumb__edge_amplitude(step->norm[edge], step->mask[edge], step->clip[edge]);
}

plumb_status plumb__spends_step(plumb__spends *spends, const plumb__step *step, plumb_error *err)
{
    uint32_t n_groups = 0;
    PLUMB_TRY(find_groups(spends, step, &n_groups, err));
    const size_t n = (size_t)n_groups * spends->n_weights;
    PLUMB_TRY(plumb__grow(&spends->totals, &spends->totals_capacity, n, sizeof *spends->totals,
                          "spends", err));
    if (n > 0) memset(spends->totals, 0, n * sizeof *spends->totals);
    for (uint32_t u = 0; u < step->n_units; u++) {
        double *totals = spends->totals + (size_t)spends->group[u] * spends->n_weights;
        for (size_t k = 0; k < spends->n_uses; k++)
            totals[spends->layers[k].weight] += amplitude(spends, step, u, k);
    }
    return PLUMB_OK;
}

double plumb__spends_edge(const plumb__spends *spends, const plumb__step *step, uint32_t unit,
                          size_t use)
{
    const double nu = step->nu[use], a = amplitude(spends, step, unit, use);
    if (!(nu > 0) || a == 0) return 0; /* NaN too: nothing is charged without a scale */
    const double whole =
        spends
            ->totals[(size_t)spends->group[unit] * spends->n_weights + spends->layers[use].weight];
    return a * whole / (2 * nu * nu);
}
