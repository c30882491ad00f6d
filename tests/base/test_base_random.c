/* Aim: Philox4x32-10 is the published generator, and what is drawn from it is unbiased.
 * Method: the known answers of the Random123 distribution (kat_vectors, philox4x32 10); then
 * moments, ranges and exact permutations over fixed seeds, with bounds of five standard errors. */
#include "base/plumb_random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void known_answers(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed, stream, counter;
        uint32_t out[4];
    } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        /* counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0, low words first */
        {0x299f31d0a4093822,
         0x0370734413198a2e,
         0x85a308d3243f6a88,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4] = {0};
        plumb_random_block(known[i].seed, known[i].stream, known[i].counter, out);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

static void uniform_covers_the_unit_interval_evenly(void **state)
{
    (void)state;
    enum { DRAWS = 200000, CELLS = 20 };
    unsigned cells[CELLS] = {0};
    for (unsigned i = 0; i < DRAWS; i++) {
        const double u = plumb_random_uniform(7, 3, i);
        assert_true(u >= 0 && u < 1);
        cells[(unsigned)(u * CELLS)]++;
    }
    const double expected = (double)DRAWS / CELLS;
    double chi2 = 0;
    for (unsigned i = 0; i < CELLS; i++)
        chi2 += (cells[i] - expected) * (cells[i] - expected) / expected;
    /* 19 degrees of freedom: mean 19, standard deviation 6.2. */
    assert_true(chi2 > 3 && chi2 < 50);
}

static void normal_has_its_moments(void **state)
{
    (void)state;
    enum { DRAWS = 200000 };
    double sum = 0, square = 0, fourth = 0;
    for (unsigned i = 0; i < DRAWS; i++) {
        const double x = plumb_random_normal(7, 4, i);
        assert_true(isfinite(x));
        sum += x;
        square += x * x;
        fourth += x * x * x * x;
    }
    const double error = 5 / sqrt((double)DRAWS);
    assert_true(fabs(sum / DRAWS) < error);
    assert_true(fabs(square / DRAWS - 1) < error * sqrt(2.0));
    assert_true(fabs(fourth / DRAWS - 3) < error * sqrt(96.0));
}

static void draws_depend_on_all_three_numbers(void **state)
{
    (void)state;
    const double u = plumb_random_uniform(1, 2, 3);
    assert_true(u == plumb_random_uniform(1, 2, 3));
    assert_true(u != plumb_random_uniform(2, 2, 3));
    assert_true(u != plumb_random_uniform(1, 3, 3));
    assert_true(u != plumb_random_uniform(1, 2, 4));
    assert_true(u != plumb_random_uniform(1ull << 32, 2, 3));
    assert_true(u != plumb_random_uniform(1, 2, 3 + (1ull << 32)));
}

static void permutations_are_permutations(void **state)
{
    (void)state;
    const uint32_t sizes[] = {0, 1, 2, 3, 10, 1000, 65537};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const uint32_t n = sizes[s];
        uint32_t *order = malloc((n + 1) * sizeof *order);
        bool *seen = calloc(n + 1u, 1);
        assert_non_null(order);
        assert_non_null(seen);
        order[n] = 0xdeadbeef; /* canary */
        plumb_random_permutation(5, n, n, order);
        for (uint32_t i = 0; i < n; i++) {
            assert_true(order[i] < n && !seen[order[i]]);
            seen[order[i]] = true;
        }
        assert_int_equal(order[n], 0xdeadbeef);
        free(order);
        free(seen);
    }
}

static void every_permutation_of_four_is_equally_likely(void **state)
{
    (void)state;
    enum { DRAWS = 48000, ORDERS = 256 };
    unsigned counts[ORDERS] = {0};
    for (unsigned i = 0; i < DRAWS; i++) {
        uint32_t p[4];
        plumb_random_permutation(11, i, 4, p);
        counts[p[0] | p[1] << 2 | p[2] << 4 | p[3] << 6]++;
    }
    const double expected = DRAWS / 24.0;
    double chi2 = 0;
    unsigned kinds = 0;
    for (unsigned i = 0; i < ORDERS; i++) {
        if (counts[i] == 0) continue;
        kinds++;
        chi2 += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    assert_int_equal(kinds, 24);
    assert_true(chi2 < 23 + 5 * 6.8); /* 23 degrees of freedom */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(uniform_covers_the_unit_interval_evenly),
        cmocka_unit_test(normal_has_its_moments),
        cmocka_unit_test(draws_depend_on_all_three_numbers),
        cmocka_unit_test(permutations_are_permutations),
        cmocka_unit_test(every_permutation_of_four_is_equally_likely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
