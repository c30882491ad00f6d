/* Aim: Krippendorff's alpha and the consensus of Dawid and Skene are what their authors define.
 * Method: alpha against the worked examples of K. Krippendorff, "Computing Krippendorff's
 * Alpha-Reliability" (2011), and against the definition in pairs, written out again in long double,
 * on random tables with gaps (seed printed); Dawid-Skene against simulated annotators whose
 * confusion is known, a plain second implementation, and what must hold of any result. */
#include "base/alloc.h"
#include "manifest/import/ratings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 255
#define MAX_RATINGS 20000

/* A table (raters, items) of values, GAP where one is missing, by item. */
typedef struct sample {
    plumb__ratings r;
    uint32_t start[MAX_RATINGS + 1], rater[MAX_RATINGS], value[MAX_RATINGS];
    double number[16];
} sample;

static sample s;

static void fill(const uint8_t *cells, uint32_t raters, uint32_t items, uint32_t values)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < items; i++) {
        s.start[i] = at;
        for (uint32_t k = 0; k < raters; k++) {
            if (cells[k * items + i] == GAP) continue;
            s.rater[at] = k;
            s.value[at++] = cells[k * items + i];
        }
    }
    s.start[items] = at;
    for (uint32_t v = 0; v < values; v++)
        s.number[v] = v + 1.0;
    s.r = (plumb__ratings){items, raters, values, s.start, s.rater, s.value, s.number};
}

static double alpha_of(plumb__metric metric)
{
    double alpha = -9.0;
    plumb_error err = {0};
    assert_int_equal(plumb__alpha(&s.r, metric, &alpha, NULL, &err), PLUMB_OK);
    return alpha;
}

/* ---- alpha ---- */

/* Example C and D of the paper: four observers, twelve units, values 1 to 5 less one. */
static void worked_examples(void **state)
{
    static const uint8_t four[] = {0, 1, 2, 2,   1, 0, 3,   0, 1,   GAP, GAP, GAP, 0, 1, 2, 2,
                                   1, 1, 3, 0,   1, 4, GAP, 2, GAP, 2,   2,   2,   1, 2, 3, 1,
                                   1, 4, 0, GAP, 0, 1, 2,   2, 1,   3,   3,   0,   1, 4, 0, GAP};
    static const uint8_t binary[] = {0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0};
    static const uint8_t two[] = {0, 0, 1, 1, 3, 2, 2, 2, 4, 3, 3, 0,
                                  1, 0, 1, 1, 1, 2, 2, 2, 4, 3, 3, 3};
    (void)state;
    fill(four, 4, 12, 5);
    assert_float_equal(alpha_of(PLUMB__NOMINAL), 0.743, 0.0005);
    assert_float_equal(alpha_of(PLUMB__ORDINAL), 0.815, 0.0005);
    assert_float_equal(alpha_of(PLUMB__INTERVAL), 0.849, 0.0005);
    assert_float_equal(alpha_of(PLUMB__RATIO), 0.797, 0.0005);
    fill(binary, 2, 10, 2);
    assert_float_equal(alpha_of(PLUMB__NOMINAL), 0.095, 0.0005);
    fill(two, 2, 12, 5);
    assert_float_equal(alpha_of(PLUMB__NOMINAL), 0.692, 0.0005);
}

static void undefined(void **state)
{
    static const uint8_t same[] = {1, 1, 1, 1}, alone[] = {0, GAP, GAP, 1};
    (void)state;
    fill(same, 2, 2, 2);
    assert_true(isnan(alpha_of(PLUMB__NOMINAL)) && isnan(alpha_of(PLUMB__INTERVAL)));
    fill(alone, 2, 2, 2);
    assert_true(isnan(alpha_of(PLUMB__ORDINAL)) && isnan(alpha_of(PLUMB__RATIO)));
}

/* Whatever the number and however many said it: a constant is agreement that nothing measures, and
 * beside another value, items of one value agree fully. */
static void constants(void **state)
{
    static const double bases[] = {0.1, 0.7, 1e6 + 0.1, 1e-200, 5e-324, 1e308, -0.3};
    static const uint8_t three[] = {0, 0, 0, 0, 0, 0};
    uint8_t cells[40 * 3];
    double alpha, parts[3];
    plumb_error err = {0};
    (void)state;
    for (int metric = PLUMB__NOMINAL; metric <= PLUMB__RATIO; metric++) {
        fill(three, 3, 2, 1); /* two items, three raters, every rating 0.1 */
        s.number[0] = 0.1;
        assert_int_equal(plumb__alpha(&s.r, (plumb__metric)metric, &alpha, parts, &err), PLUMB_OK);
        assert_true(isnan(alpha) && isnan(parts[0]) && isnan(parts[1]));
        for (uint32_t k = 0; k < 600; k++) {
            const uint32_t raters = 2 + k % 38;
            memset(cells, 0, sizeof cells);
            for (uint32_t i = 3; i < raters; i++)
                cells[i * 3 + 1] = GAP;
            fill(cells, raters, 3, 1);
            s.number[0] = k < 7 ? bases[k] : k / 10.0;
            assert_int_equal(plumb__alpha(&s.r, (plumb__metric)metric, &alpha, parts, &err), 0);
            if (!isnan(alpha) || !isnan(parts[0]))
                fail_msg("metric %d, %u times %g: alpha %g", metric, raters, s.number[0], alpha);
            cells[2] = 1; /* one of the third item says another value */
            fill(cells, raters, 3, 2);
            s.number[0] = k < 7 ? bases[k] : k / 10.0;
            s.number[1] = s.number[0] * 3.0 + 1e-323;
            if (!isfinite(s.number[1])) s.number[1] = -s.number[0] / 2.0;
            assert_int_equal(plumb__alpha(&s.r, (plumb__metric)metric, &alpha, parts, &err), 0);
            if (!isfinite(alpha) || parts[0] != 1.0 || parts[1] != 1.0 || !(parts[2] < 1.0))
                fail_msg("metric %d, %g and %g: alpha %g, items %g %g %g", metric, s.number[0],
                         s.number[1], alpha, parts[0], parts[1], parts[2]);
        }
    }
}

static long double difference(plumb__metric metric, uint32_t a, uint32_t b, const long double *n)
{
    const uint32_t low = a < b ? a : b, high = a < b ? b : a;
    const long double x = s.number[a], y = s.number[b];
    long double between = 0;
    if (a == b) return 0;
    switch (metric) {
    case PLUMB__NOMINAL: return 1;
    case PLUMB__INTERVAL: return (x - y) * (x - y);
    case PLUMB__RATIO: return (x - y) / (x + y) * ((x - y) / (x + y));
    default:
        for (uint32_t g = low; g <= high; g++)
            between += n[g];
        between -= (n[low] + n[high]) / 2;
        return between * between;
    }
}

/* The definition: coincidences of all pairs, one by one. */
static long double by_definition(plumb__metric metric)
{
    long double n[16] = {0}, total = 0, observed = 0, expected = 0;
    for (uint32_t i = 0; i < s.r.n_items; i++) {
        if (s.start[i + 1] - s.start[i] < 2) continue;
        for (uint32_t k = s.start[i]; k < s.start[i + 1]; k++)
            n[s.value[k]] += 1;
    }
    for (uint32_t v = 0; v < s.r.n_values; v++)
        total += n[v];
    for (uint32_t i = 0; i < s.r.n_items; i++) {
        const uint32_t m = s.start[i + 1] - s.start[i];
        for (uint32_t k = s.start[i]; m > 1 && k < s.start[i + 1]; k++) {
            for (uint32_t l = s.start[i]; l < s.start[i + 1]; l++)
                observed += k == l ? 0 : difference(metric, s.value[k], s.value[l], n) / (m - 1);
        }
    }
    for (uint32_t a = 0; a < s.r.n_values; a++) {
        for (uint32_t b = 0; b < s.r.n_values; b++)
            expected += n[a] * (n[b] - (a == b)) * difference(metric, a, b, n);
    }
    return 1 - (total - 1) * observed / expected;
}

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void against_definition(void **state)
{
    uint8_t cells[8 * 60];
    double parts[60];
    plumb_error err;
    (void)state;
    seed = 20261;
    for (int round = 0; round < 200; round++) {
        const uint32_t raters = 2 + draw(7), items = 2 + draw(59), values = 2 + draw(8);
        const uint32_t first = seed;
        for (uint32_t i = 0; i < raters * items; i++)
            cells[i] = draw(4) == 0 ? GAP : (uint8_t)draw(values);
        cells[0] = 0; /* two different pairable values at least */
        cells[items] = 1;
        fill(cells, raters, items, values);
        for (int metric = PLUMB__NOMINAL; metric <= PLUMB__RATIO; metric++) {
            double alpha, sum = 0, weight = 0;
            assert_int_equal(plumb__alpha(&s.r, (plumb__metric)metric, &alpha, parts, &err), 0);
            if (!(fabsl(by_definition((plumb__metric)metric) - alpha) < 1e-12))
                fail_msg("seed %u metric %d: alpha %.17g", first, metric, alpha);
            for (uint32_t i = 0; i < items; i++) {
                const uint32_t m = s.start[i + 1] - s.start[i];
                assert_int_equal(isnan(parts[i]), m < 2);
                sum += m < 2 ? 0 : parts[i] * m;
                weight += m < 2 ? 0 : m;
            }
            assert_true(fabs(sum / weight - alpha) < 1e-12); /* items' alphas make up the whole */
        }
    }
}

static void ratio_limit(void **state)
{
    static uint32_t start[2] = {0, 5000}, value[5000], rater[5000];
    static double number[5000];
    double alpha;
    plumb_error err = {0};
    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        rater[i] = value[i] = i;
        number[i] = i;
    }
    const plumb__ratings r = {1, 5000, 5000, start, rater, value, number};
    assert_int_equal(plumb__alpha(&r, PLUMB__RATIO, &alpha, NULL, &err), PLUMB_ERR_LIMIT);
    assert_string_equal(err.message,
                        "agreement by the ratio metric takes at most 4096 distinct values and "
                        "ratings of one item, found 5000 and 5000; use the metric \"interval\" or "
                        "\"ordinal\"");
    assert_int_equal(plumb__alpha(&r, PLUMB__INTERVAL, &alpha, NULL, &err), PLUMB_OK);
}

/* ---- Dawid and Skene ---- */

enum { RATERS = 5, ITEMS = 3000, VALUES = 3 };
static uint8_t truth[ITEMS], cells[RATERS * ITEMS];
static const double right[RATERS] = {0.95, 0.9, 0.7, 0.6, 0.34};

/* Rater k says the truth with probability right[k], else either of the others. */
static void simulate(void)
{
    seed = 4711;
    for (uint32_t i = 0; i < ITEMS; i++) {
        const uint32_t u = draw(10);
        truth[i] = u < 5 ? 0 : u < 8 ? 1 : 2;
        for (uint32_t k = 0; k < RATERS; k++) {
            const bool is_right = draw(1000) < (uint32_t)(right[k] * 1000);
            const uint32_t said = is_right ? truth[i] : (truth[i] + 1 + draw(2)) % VALUES;
            cells[k * ITEMS + i] = draw(5) == 0 ? GAP : (uint8_t)said;
        }
    }
    fill(cells, RATERS, ITEMS, VALUES);
}

static void known_annotators(void **state)
{
    plumb__dawid_skene m, again;
    plumb_error err = {0};
    uint32_t found = 0, voted = 0;
    (void)state;
    simulate();
    assert_int_equal(plumb__dawid_skene_run(&s.r, &m, &err), PLUMB_OK);
    assert_true(m.rounds > 1);
    for (uint32_t k = 0; k < RATERS; k++) {
        if (!(fabs(m.reliability[k] - right[k]) < 0.05))
            fail_msg("rater %u: %f, is %f", k, m.reliability[k], right[k]);
        for (uint32_t v = 0; v < VALUES; v++) {
            const double *row = m.confusion + (k * VALUES + v) * VALUES;
            assert_true(fabs(row[0] + row[1] + row[2] - 1.0) < 1e-12);
            if (!(fabs(row[v] - right[k]) < 0.07)) fail_msg("rater %u value %u: %f", k, v, row[v]);
        }
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        const double *t = m.posterior + i * VALUES;
        uint32_t best = 0, votes[VALUES] = {0}, most = 0;
        for (uint32_t v = 1; v < VALUES; v++)
            best = t[v] > t[best] ? v : best;
        for (uint32_t k = s.start[i]; k < s.start[i + 1]; k++)
            votes[s.value[k]]++;
        for (uint32_t v = 1; v < VALUES; v++)
            most = votes[v] > votes[most] ? v : most;
        assert_true(fabs(t[0] + t[1] + t[2] - 1.0) < 1e-12);
        found += best == truth[i];
        voted += most == truth[i];
    }
    assert_true(found > voted); /* knowing whom to trust finds more than counting heads */
    assert_int_equal(plumb__dawid_skene_run(&s.r, &again, &err), PLUMB_OK);
    assert_memory_equal(again.posterior, m.posterior, sizeof(double) * ITEMS * VALUES);
    plumb__dawid_skene_free(&again);
    plumb__dawid_skene_free(&m);
}

static bool shared(uint32_t item)
{
    return s.start[item + 1] - s.start[item] > 1;
}

/* The same model in linear domain and plain loops. */
static void second_implementation(uint32_t rounds, double *t)
{
    static double confusion[RATERS][VALUES][VALUES];
    for (uint32_t i = 0; i < ITEMS; i++) {
        const uint32_t m = s.start[i + 1] - s.start[i];
        for (uint32_t v = 0; v < VALUES; v++) {
            t[i * VALUES + v] = m ? 0.0 : 1.0 / VALUES;
            for (uint32_t k = s.start[i]; k < s.start[i + 1]; k++)
                t[i * VALUES + v] += (s.value[k] == v) / (double)m;
        }
    }
    while (rounds-- > 0) {
        double prior[VALUES];
        for (uint32_t v = 0; v < VALUES; v++) {
            double items = 0;
            prior[v] = 0.01;
            for (uint32_t i = 0; i < ITEMS; i++) {
                prior[v] += shared(i) ? t[i * VALUES + v] : 0;
                items += shared(i);
            }
            prior[v] /= VALUES * 0.01 + items;
            for (uint32_t k = 0; k < RATERS; k++) {
                double sum = 0;
                for (uint32_t l = 0; l < VALUES; l++) {
                    confusion[k][v][l] = 0.01;
                    for (uint32_t i = 0; i < ITEMS; i++)
                        confusion[k][v][l] +=
                            shared(i) && cells[k * ITEMS + i] == l ? t[i * VALUES + v] : 0;
                    sum += confusion[k][v][l];
                }
                for (uint32_t l = 0; l < VALUES; l++)
                    confusion[k][v][l] /= sum;
            }
        }
        for (uint32_t i = 0; i < ITEMS; i++) {
            double sum = 0;
            for (uint32_t v = 0; v < VALUES; v++) {
                double p = prior[v];
                for (uint32_t k = 0; k < RATERS; k++)
                    p *= cells[k * ITEMS + i] == GAP ? 1 : confusion[k][v][cells[k * ITEMS + i]];
                t[i * VALUES + v] = p;
                sum += p;
            }
            for (uint32_t v = 0; v < VALUES; v++)
                t[i * VALUES + v] /= sum;
        }
    }
}

static void against_second(void **state)
{
    static double t[ITEMS * VALUES];
    plumb__dawid_skene m;
    plumb_error err = {0};
    (void)state;
    simulate();
    assert_int_equal(plumb__dawid_skene_run(&s.r, &m, &err), PLUMB_OK);
    second_implementation(m.rounds, t);
    for (uint32_t i = 0; i < ITEMS * VALUES; i++)
        assert_true(fabs(t[i] - m.posterior[i]) < 1e-9);
    plumb__dawid_skene_free(&m);
}

static void too_many(void **state)
{
    static const uint8_t one[] = {0, 1};
    plumb__dawid_skene m;
    plumb_error err = {0};
    (void)state;
    fill(one, 2, 1, 2);
    s.r.n_values = 257;
    assert_int_equal(plumb__dawid_skene_run(&s.r, &m, &err), PLUMB_ERR_LIMIT);
    assert_string_equal(err.message,
                        "a consensus by Dawid-Skene is for at most 256 distinct labels and "
                        "33554432 cells of confusion, found 257 labels and 2 annotators; use "
                        "--consensus majority");
    s.r.n_values = 2;
    for (long n = 1; n < 8; n++) { /* every allocation can fail */
        plumb__alloc_fail_after(n);
        assert_int_equal(plumb__dawid_skene_run(&s.r, &m, &err), PLUMB_ERR_NO_MEMORY);
    }
    plumb__alloc_fail_after(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worked_examples), cmocka_unit_test(undefined),
        cmocka_unit_test(constants),       cmocka_unit_test(against_definition),
        cmocka_unit_test(ratio_limit),     cmocka_unit_test(known_annotators),
        cmocka_unit_test(against_second),  cmocka_unit_test(too_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
