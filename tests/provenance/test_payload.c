/* Aim: a step has exactly one byte form, decoding is strict, and hostile counts never read past the
 * end. Method: random steps (seed printed) encoded, decoded and encoded again byte for byte; one
 * golden digest; every truncation, an appended byte, and every single-byte change of the counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "step_maker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t seed = 77;

static void round_trip_is_bit_for_bit(void **state)
{
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    plumb__step_arrays *arrays = NULL;
    plumb__bytes first = {0}, second = {0};
    for (uint64_t i = 0; i < 300; i++) {
        made_step made;
        make_random_step(&made, seed, (uint32_t)(i % 3), i, 1 + (uint32_t)(i % MAKER_MAX_USES), 50);
        plumb__bytes_clear(&first);
        plumb__bytes_clear(&second);
        plumb__step_encode(&made.step, &first);
        assert_int_equal(first.size, plumb__step_bytes(&made.step));
        plumb__step decoded;
        assert_int_equal(plumb__step_decode(first.data, first.size, &decoded, &arrays, NULL),
                         PLUMB_OK);
        plumb__step_encode(&decoded, &second);
        assert_int_equal(second.size, first.size);
        assert_memory_equal(second.data, first.data, first.size);
        assert_true(decoded.loss == made.step.loss && decoded.step == i);
        assert_memory_equal(decoded.example, made.example, 4u * made.step.n_units);
        assert_memory_equal(decoded.nu, made.nu, 8u * made.step.n_uses);
    }
    plumb__bytes_free(&first);
    plumb__bytes_free(&second);
    plumb__step_arrays_free(arrays);
}

/* A step small enough to be checked by hand against docs/formats/bundle.md. */
static void golden_bytes_by_the_specification(void **state)
{
    (void)state;
    const int32_t example = 5, segment = -1;
    const uint16_t micro_batch = 1, rows = 7, norm = 0x3f00, mask = 0x3c00, clip = 0x3800;
    const float weight = 1.0f, loss = 2.0f, entropy = 0.5f, contribution = 0.25f;
    const uint8_t decision = 1, reason = 2, checked = 1, band = 3, kind = 1, live = 1;
    const double nu = 1.0, budget = 2.0, spent = 0.5;
    const plumb__step step = {.attempt = 3,
                              .step = 9,
                              .loss = 1.0,
                              .lr = 0.5,
                              .normaliser = 2.0,
                              .loss_scale = 1.0,
                              .fingerprint = 0x0102030405060708u,
                              .micro_batches = 2,
                              .units_declared = 6,
                              .n_scalars = 1,
                              .scalars = {4.0},
                              .n_units = 1,
                              .n_uses = 1,
                              .example = &example,
                              .segment = &segment,
                              .micro_batch = &micro_batch,
                              .rows = &rows,
                              .unit_weight = &weight,
                              .unit_loss = &loss,
                              .unit_entropy = &entropy,
                              .decision = &decision,
                              .reason = &reason,
                              .checked = &checked,
                              .band = &band,
                              .norm = &norm,
                              .mask = &mask,
                              .clip = &clip,
                              .norm_kind = &kind,
                              .nu = &nu,
                              .budget = &budget,
                              .spent = &spent,
                              .contribution = &contribution,
                              .live = &live};
    static const uint8_t golden[] = {
        'P',  'L',  'S',  '2',  3,    0,    0,    0,    9, 0, 0,    0,    0, 0,
        0,    0, /* magic, attempt, step */
        0,    0,    0,    0,    0,    0,    0xf0, 0x3f, 0, 0, 0,    0,    0, 0,
        0xe0, 0x3f, /* loss, lr */
        0,    0,    0,    0,    0,    0,    0,    0x40, 0, 0, 0,    0,    0, 0,
        0xf0, 0x3f,                                                    /* normaliser, loss_scale */
        8,    7,    6,    5,    4,    3,    2,    1,                   /* fingerprint */
        2,    0,    0,    0,    6,    0,    0,    0,    1, 0, 0,    0, /* counts */
        0,    0,    0,    0,    0,    0,    0x10, 0x40, 1, 0, 0,    0,    1, 0,
        0,    0,                                                       /* scalar, units, uses */
        5,    0,    0,    0,    0xff, 0xff, 0xff, 0xff, 1, 0, 7,    0, /* example … rows */
        0,    0,    0x80, 0x3f, 0,    0,    0,    0x40, 0, 0, 0,    0x3f, 1, 2,
        1,    3,                               /* weight … band */
        0,    0x3f, 0,    0x3c, 0,    0x38, 1, /* the edge */
        0,    0,    0,    0,    0,    0,    0xf0, 0x3f, 0, 0, 0,    0,    0, 0,
        0,    0x40,                                                           /* nu, budget */
        0,    0,    0,    0,    0,    0,    0xe0, 0x3f, 0, 0, 0x80, 0x3e, 1}; /* spent,
                                                                                 contribution, live
                                                                               */
    plumb__bytes bytes = {0};
    plumb__step_encode(&step, &bytes);
    assert_int_equal(bytes.size, sizeof golden);
    assert_memory_equal(bytes.data, golden, sizeof golden);
    plumb__bytes_free(&bytes);
}

/* Decodes a copy that ends exactly at the end of an allocation, so that sanitizers see an overrun.
 * */
static plumb_status decode_exact(const uint8_t *data, size_t n, plumb_error *err)
{
    uint8_t *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, data, n);
    plumb__step step;
    plumb__step_arrays *arrays = NULL;
    const plumb_status status = plumb__step_decode(copy, n, &step, &arrays, err);
    plumb__step_arrays_free(arrays);
    free(copy);
    return status;
}

static void wrong_lengths_and_counts_are_refused(void **state)
{
    (void)state;
    made_step made;
    make_random_step(&made, seed, 0, 4, 3, 50);
    plumb__bytes bytes = {0};
    plumb__step_encode(&made.step, &bytes);
    const size_t n = bytes.size;
    plumb_error err;
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(decode_exact(bytes.data, cut, &err), PLUMB_ERR_FORMAT);
    plumb__bytes_u8(&bytes, 0);
    assert_int_equal(decode_exact(bytes.data, n + 1, &err), PLUMB_ERR_FORMAT);
    /* n_scalars, n_units, n_uses: any other value contradicts the length. */
    const size_t counts[] = {64, 68 + 8u * made.step.n_scalars, 72 + 8u * made.step.n_scalars};
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < 4; i++)
            for (unsigned bit = 0; bit < 8; bit++) {
                bytes.data[counts[c] + i] ^= (uint8_t)(1u << bit);
                assert_int_equal(decode_exact(bytes.data, n, &err), PLUMB_ERR_FORMAT);
                bytes.data[counts[c] + i] ^= (uint8_t)(1u << bit);
            }
    assert_int_equal(decode_exact(bytes.data, n, &err), PLUMB_OK);
    bytes.data[0] = 'p';
    assert_int_equal(decode_exact(bytes.data, n, &err), PLUMB_ERR_FORMAT);
    assert_string_equal(err.message, "step payload: does not begin with \"PLS2\"; it is not a step "
                                     "or of another version");
    plumb__bytes_free(&bytes);
}

static void too_few_or_too_many_declared_are_refused(void **state)
{
    (void)state;
    made_step made;
    plumb_error err;
    plumb__bytes bytes = {0};
    make_random_step(&made, seed, 0, 4, 3, 50);
    made.step.n_units = 5;
    static const struct {
        uint32_t declared;
        const char *message;
    } cases[] = {{5, NULL},
                 {1u << 20, NULL},
                 {4, "step payload: declares 4 units and has 5; it declares those that it has to "
                     "1048576"},
                 {(1u << 20) + 1, "step payload: declares 1048577 units and has 5; it declares "
                                  "those that it has to 1048576"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        made.step.units_declared = cases[i].declared;
        plumb__bytes_clear(&bytes);
        plumb__step_encode(&made.step, &bytes);
        const plumb_status status = decode_exact(bytes.data, bytes.size, &err);
        assert_int_equal(status, cases[i].message ? PLUMB_ERR_FORMAT : PLUMB_OK);
        if (cases[i].message) assert_string_equal(err.message, cases[i].message);
    }
    plumb__bytes_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_is_bit_for_bit),
        cmocka_unit_test(golden_bytes_by_the_specification),
        cmocka_unit_test(wrong_lengths_and_counts_are_refused),
        cmocka_unit_test(too_few_or_too_many_declared_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
