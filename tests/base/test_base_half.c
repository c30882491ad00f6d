/* Aim: the 16-bit forms of the record are exact and round the stated way, for every case.
 * Method: an independent definition (ldexp from the fields) gives the value of each of the 65,536
 * patterns; rounding is checked against a binary search in the sorted finite values: at every
 * value, one step of a double below and above it, and at random doubles of every magnitude (seed
 * printed). */
#include "base/half.h"
#include "base/plumb_random.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define RANDOM_DRAWS 400000u

/* A binary format by its definition in IEEE 754, section 3.4. */
typedef struct format {
    int exponent_bits, mantissa_bits, bias;
} format;

static const format norm16 = {7, 8, 63};
static const format f16 = {5, 10, 15};

static double define_value(const format *f, uint16_t bits)
{
    const int mantissa = bits & ((1 << f->mantissa_bits) - 1);
    const int exponent = bits >> f->mantissa_bits & ((1 << f->exponent_bits) - 1);
    const double sign = bits >> 15 ? -1.0 : 1.0;
    if (exponent == (1 << f->exponent_bits) - 1) return mantissa ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(mantissa, 1 - f->bias - f->mantissa_bits);
    return sign * ldexp(mantissa + (1 << f->mantissa_bits), exponent - f->bias - f->mantissa_bits);
}

static bool same(double a, double b)
{
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return memcmp(&a, &b, sizeof a) == 0; /* tells -0 from 0 */
}

static void every_pattern_has_its_value(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits <= UINT16_MAX; bits++) {
        assert_true(
            same(plumb__norm16_value((uint16_t)bits), define_value(&norm16, (uint16_t)bits)));
        assert_true(same(plumb__f16_value((uint16_t)bits), define_value(&f16, (uint16_t)bits)));
    }
}

/* The patterns 0..max hold rising values, so the pattern is found by halving. */
static uint16_t define_up(const format *f, uint16_t max, double value)
{
    uint16_t low = 0, high = max; /* the answer is in low..high, or max */
    while (low < high) {
        const uint16_t middle = (uint16_t)((low + high) / 2);
        if (define_value(f, middle) >= value)
            high = middle;
        else
            low = (uint16_t)(middle + 1);
    }
    return low;
}

static uint16_t define_down(const format *f, uint16_t max, double value)
{
    const uint16_t up = define_up(f, max, value);
    return define_value(f, up) <= value ? up : (uint16_t)(up - 1);
}

static void check_both(double value)
{
    const uint16_t up = define_up(&norm16, PLUMB__NORM16_MAX, value);
    const uint16_t down = define_down(&f16, 0x7bff, value);
    if (plumb__norm16_round_up(value) != up)
        fail_msg("norm16 of %a: %04x, wanted %04x", value, plumb__norm16_round_up(value), up);
    if (plumb__f16_round_down(value) != down)
        fail_msg("f16 of %a: %04x, wanted %04x", value, plumb__f16_round_down(value), down);
}

static void rounding_is_exact_at_and_around_every_value(void **state)
{
    (void)state;
    for (uint16_t bits = 0; bits <= PLUMB__NORM16_MAX; bits++) {
        const double value = define_value(&norm16, bits);
        assert_int_equal(plumb__norm16_round_up(value), bits);
        check_both(value);
        check_both(nextafter(value, INFINITY));
        if (bits > 0) check_both(nextafter(value, 0));
    }
    for (uint16_t bits = 0; bits <= 0x7bff; bits++) {
        const double value = define_value(&f16, bits);
        assert_int_equal(plumb__f16_round_down(value), bits);
        check_both(value);
        check_both(nextafter(value, INFINITY));
        if (bits > 0) check_both(nextafter(value, 0));
    }
}

static void rounding_is_exact_for_random_doubles(void **state)
{
    (void)state;
    const uint64_t seed = 20261122;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; i < RANDOM_DRAWS; i++) {
        uint32_t words[4];
        plumb_random_block(seed, 0, i, words);
        /* Half of them of any magnitude a double has, half within the formats' ranges. */
        const int exponent = i % 2 ? (int)(words[2] % 2098) - 1074 : (int)(words[2] % 150) - 80;
        const double value = ldexp(1 + (double)words[0] * 0x1p-32 + words[1] * 0x1p-53, exponent);
        if (isfinite(value)) check_both(value);
    }
}

static void extremes_are_safe(void **state)
{
    (void)state;
    assert_int_equal(PLUMB__NORM16_MAX, 0x7eff);
    assert_true(plumb__norm16_value(PLUMB__NORM16_MAX) == 0x1.ffp63);
    assert_true(plumb__norm16_value(1) == 0x1p-70);
    const double large[] = {0x1.ffp63, 0x1.ff00000000001p63, 0x1p64, DBL_MAX, INFINITY, NAN};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        assert_int_equal(plumb__norm16_round_up(large[i]), PLUMB__NORM16_MAX);
    assert_int_equal(plumb__norm16_round_up(0.0), 0);
    assert_int_equal(plumb__norm16_round_up(-0.0), 0);
    assert_int_equal(plumb__norm16_round_up(-1.0), 0);
    assert_int_equal(plumb__norm16_round_up(DBL_TRUE_MIN), 1);
    assert_int_equal(plumb__norm16_round_up(0x1p-70), 1);
    assert_int_equal(plumb__norm16_round_up(0x1.0000000000001p-70), 2);

    assert_int_equal(plumb__f16_round_down(1.0), PLUMB__F16_ONE);
    assert_int_equal(plumb__f16_round_down(nextafter(1.0, 0)), 0x3bff);
    assert_int_equal(plumb__f16_round_down(65504.0), 0x7bff);
    assert_int_equal(plumb__f16_round_down(1e300), 0x7bff);
    assert_int_equal(plumb__f16_round_down(INFINITY), 0x7bff);
    assert_int_equal(plumb__f16_round_down(NAN), 0);
    assert_int_equal(plumb__f16_round_down(-0.5), 0);
    assert_int_equal(plumb__f16_round_down(DBL_TRUE_MIN), 0);
    assert_int_equal(plumb__f16_round_down(0x1p-24), 1);
    assert_int_equal(plumb__f16_round_down(nextafter(0x1p-24, 0)), 0);
}

/* The smallest float that is not below: checked against its two neighbours. */
static void check_float_up(double value)
{
    const float up = plumb__float_round_up(value);
    if (!((double)up >= value)) fail_msg("%a became %a, which is below it", value, (double)up);
    const float below = nextafterf(up, -INFINITY);
    if ((double)below >= value)
        fail_msg("%a became %a, but %a serves", value, (double)up, (double)below);
}

static void floats_round_up(void **state)
{
    (void)state;
    const uint64_t seed = 20261123;
    print_message("seed %llu\n", (unsigned long long)seed);
    check_float_up(0.1);
    check_float_up(DBL_TRUE_MIN);
    check_float_up((double)FLT_TRUE_MIN);
    check_float_up((double)FLT_MAX);
    check_float_up(-DBL_TRUE_MIN);
    assert_true(plumb__float_round_up(0.0) == 0.0f);
    assert_true(plumb__float_round_up(1.0) == 1.0f);
    assert_true(isinf(plumb__float_round_up(nextafter((double)FLT_MAX, INFINITY))));
    for (uint32_t i = 0; i < RANDOM_DRAWS; i++) {
        uint32_t words[4];
        plumb_random_block(seed, 0, i, words);
        const int exponent = (int)(words[2] % 290) - 160;
        check_float_up(ldexp(1 + (double)words[0] * 0x1p-32 + words[1] * 0x1p-53, exponent));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_has_its_value),
        cmocka_unit_test(rounding_is_exact_at_and_around_every_value),
        cmocka_unit_test(rounding_is_exact_for_random_doubles),
        cmocka_unit_test(extremes_are_safe),
        cmocka_unit_test(floats_round_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
