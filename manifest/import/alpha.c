/* Krippendorff's alpha with missing ratings (Krippendorff, Content Analysis, chapter 12):
 *
 *   alpha = 1 - D_o / D_e
 *   D_o = 1/n  sum over items u of  (1 / (m_u - 1)) sum over ordered pairs of ratings of u  d(a, b)
 *   D_e = 1/(n (n - 1))  sum over ordered pairs of all n pairable ratings  d(a, b)
 *
 * m_u: ratings of the item; an item with fewer than two is not pairable and left out everywhere.
 *
 * Three metrics need no pairs: nominal, sum d = n^2 - sum n_c^2; interval, d = (x - y)^2, so that
 * sum d = 2 n sum (x - mean)^2; and ordinal is interval on positions, the position of a value being
 * the number of pairable ratings below it plus half of those equal to it.
 *
 * Equal ratings must differ by exactly nothing, or rounding decides whether alpha is defined. So
 * every sum is of distances from one of its own values, and what interval measures is told in units
 * of the largest distance (alpha is the same in any unit): squares neither vanish nor overflow. */
#include "manifest/import/ratings.h"

#include "base/alloc.h"

#include <math.h>
#include <string.h>

#define MAX_PAIRED 4096

typedef struct work {
    const plumb__ratings *r;
    plumb__metric metric;
    double *n;  /* pairable ratings of each value */
    double *x;  /* what a value measures under the metric */
    double *in; /* ratings of each value in the item at hand; all 0 between items */
    double total;
} work;

static double ratio_difference(double a, double b)
{
    const double sum = a + b;
    if (a == b || sum == 0.0) return 0.0;
    return (a - b) / sum * ((a - b) / sum);
}

/* Sum of d over all ordered pairs of m ratings; rating i has the value of(i) times weight(i). */
static double spread(const double *x, const double *weight, const uint32_t *value, size_t count,
                     double m)
{
    size_t first = 0;
    double mean = 0.0, squares = 0.0;
    while (weight != NULL && first + 1 < count && weight[first] == 0.0)
        first++;
    const double origin = x[value ? value[first] : first];
    for (size_t i = first; i < count; i++) {
        mean += (weight ? weight[i] : 1.0) * (x[value ? value[i] : i] - origin);
    }
    mean /= m;
    for (size_t i = first; i < count; i++) {
        const double off = x[value ? value[i] : i] - origin - mean;
        squares += (weight ? weight[i] : 1.0) * off * off;
    }
    return 2.0 * m * squares;
}

static double paired(const double *x, const double *weight, const uint32_t *value, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            const double w = weight ? weight[i] * weight[j] : 1.0;
            sum += w * ratio_difference(x[value ? value[i] : i], x[value ? value[j] : j]);
        }
    }
    return 2.0 * sum;
}

static double pairs_in_item(work *w, const uint32_t *value, uint32_t m)
{
    if (w->metric == PLUMB__RATIO) return paired(w->x, NULL, value, m);
    if (w->metric != PLUMB__NOMINAL) return spread(w->x, NULL, value, m, m);
    double same = 0.0;
    for (uint32_t i = 0; i < m; i++)
        w->in[value[i]] += 1.0;
    for (uint32_t i = 0; i < m; i++)
        same += w->in[value[i]];
    for (uint32_t i = 0; i < m; i++)
        w->in[value[i]] = 0.0;
    return (double)m * m - same;
}

static double pairs_in_all(const work *w)
{
    const uint32_t values = w->r->n_values;
    if (w->metric == PLUMB__RATIO) return paired(w->x, w->n, NULL, values);
    if (w->metric != PLUMB__NOMINAL) return spread(w->x, w->n, NULL, values, w->total);
    double same = 0.0;
    for (uint32_t v = 0; v < values; v++)
        same += w->n[v] * w->n[v];
    return w->total * w->total - same;
}

/* What the pairable values measure under the interval metric, halved first: the distance of the
 * largest two numbers is then a number too. The others measure nothing. */
static void measure_interval(work *w)
{
    const double *number = w->r->number;
    double low = INFINITY, high = -INFINITY;
    for (uint32_t v = 0; v < w->r->n_values; v++) {
        if (w->n[v] == 0.0) continue;
        low = fmin(low, number[v] / 2.0);
        high = fmax(high, number[v] / 2.0);
    }
    for (uint32_t v = 0; v < w->r->n_values; v++) {
        const bool counts = w->n[v] > 0.0 && high > low;
        w->x[v] = counts ? (number[v] / 2.0 - low) / (high - low) : 0.0;
    }
}

static uint32_t ratings_of(const plumb__ratings *r, uint32_t item)
{
    return r->start[item + 1] - r->start[item];
}

static plumb_status count(work *w, plumb_error *err)
{
    const plumb__ratings *r = w->r;
    uint32_t largest = 0, distinct = 0;
    for (uint32_t i = 0; i < r->n_items; i++) {
        const uint32_t m = ratings_of(r, i);
        if (m < 2) continue;
        if (m > largest) largest = m;
        for (uint32_t k = r->start[i]; k < r->start[i + 1]; k++)
            w->n[r->value[k]] += 1.0;
        w->total += m;
    }
    double below = 0.0;
    for (uint32_t v = 0; v < r->n_values; v++) {
        distinct += w->n[v] > 0.0;
        if (w->metric == PLUMB__ORDINAL) w->x[v] = below + w->n[v] / 2.0;
        if (w->metric == PLUMB__RATIO) w->x[v] = r->number[v];
        below += w->n[v];
    }
    if (w->metric == PLUMB__INTERVAL) measure_interval(w);
    if (w->metric != PLUMB__RATIO || (largest <= MAX_PAIRED && distinct <= MAX_PAIRED))
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_LIMIT,
                       "agreement by the ratio metric takes at most %d distinct values and ratings "
                       "of one item, found %u and %u; use the metric \"interval\" or \"ordinal\"",
                       MAX_PAIRED, distinct, largest);
}

static void compute(work *w, double *alpha, double *item_alpha)
{
    const plumb__ratings *r = w->r;
    const double expected = w->total > 1.0 ? pairs_in_all(w) / (w->total - 1.0) : 0.0;
    double observed = 0.0;
    for (uint32_t i = 0; i < r->n_items; i++) {
        const uint32_t m = ratings_of(r, i);
        if (item_alpha) item_alpha[i] = NAN;
        if (m < 2) continue;
        const double own = pairs_in_item(w, r->value + r->start[i], m) / (m - 1.0);
        observed += own;
        if (item_alpha && expected > 0.0) item_alpha[i] = 1.0 - own / m / (expected / w->total);
    }
    *alpha = expected > 0.0 ? 1.0 - observed / expected : NAN;
}

plumb_status plumb__alpha(const plumb__ratings *ratings, plumb__metric metric, double *alpha,
                          double *item_alpha, plumb_error *err)
{
    work w = {.r = ratings, .metric = metric};
    plumb_status status = PLUMB_OK;
    PLUMB_TRY_CLEAN(plumb__alloc(&w.n, ratings->n_values, sizeof *w.n, "agreement", err));
    PLUMB_TRY_CLEAN(plumb__alloc(&w.x, ratings->n_values, sizeof *w.x, "agreement", err));
    PLUMB_TRY_CLEAN(plumb__alloc(&w.in, ratings->n_values, sizeof *w.in, "agreement", err));
    PLUMB_TRY_CLEAN(count(&w, err));
    compute(&w, alpha, item_alpha);
cleanup:
    plumb__free(w.in);
    plumb__free(w.x);
    plumb__free(w.n);
    return status;
}
