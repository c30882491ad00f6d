/* Aim: the shared accounting charges what governance.md section 3 says, in any grouping of units,
 * without allocating, and never less than the exact sum.
 * Method: random steps (seed printed) with repeated, unknown and tied uses against a plain double
 * reference that loops over all pairs of units; fixed cases for the median and the reference scale.
 * */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/half.h"
#include "base/plumb_random.h"
#include "provenance/account.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNITS 24
#define USES 5
#define EXAMPLES 9

static const uint64_t seed = 20260711;
static uint64_t counter;

static double draw(void)
{
    return plumb_random_uniform(seed, 1, counter++);
}

typedef struct fixture {
    plumb__layer_row layers[USES];
    plumb__step step;
    int32_t example[UNITS];
    uint16_t norm[UNITS * USES], mask[UNITS * USES], clip[UNITS * USES];
    uint8_t norm_kind[UNITS * USES];
    double nu[USES];
} fixture;

/* Uses 1 and 3 share weight 1; the others stand alone. */
static void make_step(fixture *f)
{
    memset(f, 0, sizeof *f);
    const uint32_t weight[USES] = {0, 1, 2, 1, 3};
    for (uint32_t k = 0; k < USES; k++) {
        f->layers[k].weight = weight[k];
        f->layers[k].n_uses = weight[k] == 1 ? 2 : 1;
        f->nu[k] = k == 4 ? 0.0 : 0.5 + draw();
    }
    f->nu[3] = f->nu[1];
    for (uint32_t u = 0; u < UNITS; u++) {
        f->example[u] = (int32_t)(draw() * (EXAMPLES + 2)) - 1;
        for (uint32_t k = 0; k < USES; k++) {
            const uint32_t at = u * USES + k;
            const bool open = draw() < 0.7;
            f->mask[at] = open ? plumb__f16_round_down(draw()) : 0;
            f->norm[at] = open ? plumb__norm16_round_up(draw() * 3) : 0;
            f->clip[at] = plumb__f16_round_down(draw() < 0.5 ? 1.0 : draw());
            f->norm_kind[at] = open ? PLUMB__NORM_EXACT : PLUMB__NORM_NONE;
        }
    }
    f->step = (plumb__step){.n_units = UNITS,
                            .n_uses = USES,
                            .example = f->example,
                            .norm = f->norm,
                            .mask = f->mask,
                            .clip = f->clip,
                            .norm_kind = f->norm_kind,
                            .nu = f->nu};
}

static double amplitude_sum(const fixture *f, int32_t example, uint32_t use)
{
    double sum = 0.0;
    for (uint32_t u = 0; u < UNITS; u++)
        if (f->example[u] == example)
            sum += plumb__edge_amplitude(f->norm[u * USES + use], f->mask[u * USES + use],
                                         f->clip[u * USES + use]);
    return sum;
}

static double expected_charge(const fixture *f, int32_t example, uint32_t use)
{
    double total = 0.0;
    for (uint32_t k = 0; k < USES; k++)
        if (f->layers[k].weight == f->layers[use].weight) total += amplitude_sum(f, example, k);
    if (f->nu[use] == 0.0) return 0.0;
    return amplitude_sum(f, example, use) * total / (2.0 * f->nu[use] * f->nu[use]);
}

static void ledger_matches_reference(void **state)
{
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 200; round++) {
        fixture f;
        make_step(&f);
        plumb__account *account;
        assert_int_equal(plumb__account_create(f.layers, USES, EXAMPLES, UNITS, &account, NULL),
                         PLUMB_OK);
        float ledger[EXAMPLES * USES] = {0};
        const uint64_t before = plumb__alloc_count();
        plumb__ledger_charge(account, ledger, &f.step);
        plumb__ledger_charge(account, ledger, &f.step);
        assert_int_equal(plumb__alloc_count(), before);
        for (int32_t e = 0; e < EXAMPLES; e++)
            for (uint32_t k = 0; k < USES; k++) {
                const double want = 2.0 * expected_charge(&f, e, k);
                const double got = ledger[e * USES + (int32_t)k];
                assert_true(got >= want * (1.0 - 1e-14) && got <= want * (1.0 + 4e-7));
            }
        plumb__account_free(account);
    }
}

static void step_beyond_the_declared_size_is_not_charged(void **state)
{
    (void)state;
    fixture f;
    make_step(&f);
    plumb__account *account;
    assert_int_equal(plumb__account_create(f.layers, USES, EXAMPLES, UNITS - 1, &account, NULL),
                     PLUMB_OK);
    float ledger[EXAMPLES * USES] = {0};
    plumb__ledger_charge(account, ledger, &f.step);
    for (size_t i = 0; i < EXAMPLES * USES; i++)
        assert_true(ledger[i] == 0.0f);
    plumb__account_free(account);
}

static void bad_layer_table_is_refused(void **state)
{
    (void)state;
    plumb__layer_row layers[2] = {{.weight = 0}, {.weight = 2}};
    plumb__account *account;
    plumb_error err;
    assert_int_equal(plumb__account_create(layers, 2, 1, 1, &account, &err), PLUMB_ERR_ARGUMENT);
    assert_string_equal(err.message, "layer table row 1: weight 2, but there are only 2 uses");
    assert_null(account);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void median_is_the_lower_one(void **state)
{
    (void)state;
    assert_true(plumb__lower_median(NULL, 0) == 0.0);
    for (size_t n = 1; n < 40; n++)
        for (int round = 0; round < 50; round++) {
            double values[40], sorted[40];
            for (size_t i = 0; i < n; i++)
                values[i] = floor(draw() * (round < 25 ? 5 : 1e6));
            memcpy(sorted, values, sizeof sorted);
            qsort(sorted, n, sizeof *sorted, by_value);
            assert_true(plumb__lower_median(values, n) == sorted[(n - 1) / 2]);
        }
}

static void reference_scale_follows_exact_norms_only(void **state)
{
    (void)state;
    fixture f;
    make_step(&f);
    for (uint32_t i = 0; i < UNITS * USES; i++) {
        f.mask[i] = PLUMB__F16_ONE;
        f.norm[i] = plumb__norm16_round_up(2.0);
        f.norm_kind[i] = PLUMB__NORM_EXACT;
    }
    for (uint32_t u = 0; u < UNITS; u++)
        f.norm_kind[u * USES] = PLUMB__NORM_BOUND;
    for (uint32_t u = 0; u < UNITS; u++)
        f.norm_kind[u * USES + 2] = PLUMB__NORM_NONE;
    plumb__account *account;
    assert_int_equal(plumb__account_create(f.layers, USES, EXAMPLES, UNITS, &account, NULL),
                     PLUMB_OK);
    double ema2[4] = {-1.0, -1.0, -1.0, 8.0};
    plumb__reference_update(account, ema2, 0.75, &f.step);
    assert_true(ema2[0] == -1.0); /* bounds do not count */
    assert_true(ema2[1] == 8.0);  /* 4 + 4 over both uses */
    assert_true(ema2[2] == -1.0); /* not visited */
    assert_true(ema2[3] == 0.75 * 8.0 + (1.0 - 0.75) * 4.0);
    plumb__account_free(account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ledger_matches_reference),
        cmocka_unit_test(step_beyond_the_declared_size_is_not_charged),
        cmocka_unit_test(bad_layer_table_is_refused),
        cmocka_unit_test(median_is_the_lower_one),
        cmocka_unit_test(reference_scale_follows_exact_norms_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
