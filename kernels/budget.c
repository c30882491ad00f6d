/* The budget solver: clips from norms, masks and limits (kernels/budget.h has the formulas).
 *
 * O(n) per pass, a handful of passes over a few hundred units: no time beside the GEMMs, so one
 * plain version serves. Every comparison is written so that a NaN limit counts as 0, and everything
 * is computed from q = amplitude / nu so that a tiny nu overflows to infinity and never to 0/0. */
#include "kernels/budget.h"

#include "base/half.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

typedef struct budget_work {
    double *q;         /* [n] amplitude / nu after the limits so far */
    double *clip;      /* [n] */
    double *group_sum; /* [n_groups] */
} budget_work;

size_t plumb__budget_workspace(size_t n, size_t n_groups)
{
    return (2 * n + n_groups + 1) * sizeof(double);
}

static double positive(double v)
{
    return v > 0 ? v : 0; /* NaN: 0 */
}

static double amplitude(const plumb__budget_args *a, size_t u)
{
    return plumb__f16_value(a->mask[u]) * plumb__norm16_value(a->norm[u]);
}

/* 0 / 0 is a unit without gradient under a scale that was never measured: nothing. */
static double over_nu(double value, double nu)
{
    return value > 0 ? value / nu : 0;
}

/* Scales unit u and remembers which limit did it: the last one that had to. */
static void reduce(const plumb__budget_args *a, budget_work *w, size_t u, double factor,
                   plumb__limit limit)
{
    w->clip[u] *= factor;
    w->q[u] = w->clip[u] > 0 ? over_nu(amplitude(a, u), a->nu) * w->clip[u] : 0;
    a->limit[u] = (uint8_t)limit;
}

/* share * sqrt(2 nats) in units of nu; with nu 0 any finite limit leaves no room. */
static double room(const plumb__budget_args *a, double nats)
{
    if (nats == INFINITY) return INFINITY;
    return a->nu > 0 ? a->share * sqrt(2 * positive(nats)) : 0;
}

static void limit_units(const plumb__budget_args *a, budget_work *w)
{
    for (size_t u = 0; u < a->n; u++) {
        const double q_limit = room(a, a->unit_nats[u]);
        if (w->q[u] > q_limit) reduce(a, w, u, q_limit / w->q[u], PLUMB__LIMIT_UNIT);
    }
}

static void limit_groups(const plumb__budget_args *a, budget_work *w)
{
    memset(w->group_sum, 0, a->n_groups * sizeof *w->group_sum);
    for (size_t u = 0; u < a->n; u++)
        w->group_sum[a->group[u]] += w->q[u];
    for (size_t g = 0; g < a->n_groups; g++) {
        const double left = room(a, a->group_left[g]);
        const double free_q =
            left == INFINITY ? INFINITY : positive(left - over_nu(a->group_used[g], a->nu));
        /* From here on the factor of the group. */
        w->group_sum[g] = w->group_sum[g] > free_q ? free_q / w->group_sum[g] : 1.0;
    }
    for (size_t u = 0; u < a->n; u++) {
        const double factor = w->group_sum[a->group[u]];
        if (factor < 1.0 && w->q[u] > 0) reduce(a, w, u, factor, PLUMB__LIMIT_RUN);
    }
}

/* The largest tau with sum min(s, tau) <= nats, or INFINITY when all fits. tau only rises from
 * round to round, each round moves at least one unit below it, so there are at most n + 1. */
static double water_level(const plumb__budget_args *a, const budget_work *w, double nats)
{
    double total = 0;
    for (size_t u = 0; u < a->n; u++)
        total += w->q[u] * w->q[u] / 2;
    if (total <= nats) return INFINITY;
    for (double tau = 0;;) {
        double below = 0, above = 0;
        for (size_t u = 0; u < a->n; u++) {
            const double s = w->q[u] * w->q[u] / 2;
            if (s > tau)
                above += 1;
            else
                below += s;
        }
        const double next = above > 0 ? (nats - below) / above : tau;
        if (!(next > tau)) return tau;
        tau = next;
    }
}

static void limit_layer(const plumb__budget_args *a, budget_work *w)
{
    if (a->layer_nats == INFINITY) return;
    const double tau = water_level(a, w, a->nu > 0 ? positive(a->layer_nats) : 0);
    for (size_t u = 0; u < a->n; u++) {
        const double s = w->q[u] * w->q[u] / 2;
        if (s > tau) reduce(a, w, u, sqrt(tau / s), PLUMB__LIMIT_LAYER);
    }
}

void plumb__budget_solve(plumb__budget_args *a, void *workspace)
{
    budget_work w = {.q = workspace};
    w.clip = w.q + a->n;
    w.group_sum = w.clip + a->n;
    for (size_t u = 0; u < a->n; u++) {
        const bool acts = plumb__f16_value(a->mask[u]) > 0 && !a->blocked[u];
        w.q[u] = acts ? over_nu(amplitude(a, u), a->nu) : 0;
        w.clip[u] = 1.0;
        a->limit[u] = PLUMB__LIMIT_NONE;
    }
    limit_units(a, &w);
    limit_groups(a, &w);
    limit_layer(a, &w);
    a->spent_nats = 0;
    for (size_t u = 0; u < a->n; u++) {
        const bool masked = !(plumb__f16_value(a->mask[u]) > 0);
        a->clip[u] = a->blocked[u] && !masked ? 0 : plumb__f16_round_down(w.clip[u]);
        if (masked || a->clip[u] == 0 || a->nu == 0) continue;
        const double q = over_nu(amplitude(a, u), a->nu) * plumb__f16_value(a->clip[u]);
        a->spent_nats += q * q / 2;
    }
}
