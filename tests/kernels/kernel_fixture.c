/* Helpers of the kernel tests (kernel_fixture.h). */
#include "kernel_fixture.h"

#include "base/plumb_random.h"
#include "base/plumb_threads.h"
#include "kernels/simd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANARY_BYTES 256
#define CANARY 0xa5

draws draws_begin(const char *test, uint64_t seed)
{
    print_message("%s: seed %llu\n", test, (unsigned long long)seed);
    return (draws){.seed = seed};
}

double draw_uniform(draws *d)
{
    return plumb_random_uniform(d->seed, 0, d->counter++);
}

float draw_normal(draws *d)
{
    return (float)plumb_random_normal(d->seed, 1, d->counter++);
}

uint64_t draw_between(draws *d, uint64_t low, uint64_t high)
{
    return low + (uint64_t)(draw_uniform(d) * (double)(high - low + 1));
}

void *guarded(size_t bytes)
{
    const size_t padded = (bytes + 63) / 64 * 64;
    uint8_t *block = aligned_alloc(64, padded + 2 * CANARY_BYTES);
    assert_non_null(block);
    memset(block, CANARY, padded + 2 * CANARY_BYTES);
    memcpy(block, &bytes, sizeof bytes); /* the size hides in front of the leading canary */
    memset(block + CANARY_BYTES, 0xff, bytes);
    return block + CANARY_BYTES;
}

void guarded_free(void *pointer)
{
    if (pointer == NULL) return;
    uint8_t *block = (uint8_t *)pointer - CANARY_BYTES;
    size_t bytes;
    memcpy(&bytes, block, sizeof bytes);
    const size_t end = (bytes + 63) / 64 * 64 + 2 * CANARY_BYTES;
    for (size_t i = sizeof bytes; i < CANARY_BYTES; i++)
        assert_int_equal(block[i], CANARY);
    for (size_t i = CANARY_BYTES + bytes; i < end; i++)
        assert_int_equal(block[i], CANARY);
    free(block);
}

float *guarded_normals(draws *d, size_t n)
{
    float *v = guarded(n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        v[i] = draw_normal(d);
    return v;
}

size_t draw_slots(draws *d, plumb__slot *slots, size_t n, uint64_t longest, bool all_ones)
{
    static const float weights[] = {1.0f, 1.0f, 0.5f, 0.0f, 2.5f, 0.75f};
    uint64_t row = 0;
    for (size_t u = 0; u < n; u++) {
        slots[u] =
            (plumb__slot){.first_row = row, .rows = draw_between(d, 1, longest), .weight = 1};
        if (draw_uniform(d) < 0.15) slots[u].rows = 0;
        if (draw_uniform(d) < 0.15) slots[u].rows = 1;
        if (!all_ones) slots[u].weight = weights[draw_between(d, 0, 5)];
        if (!all_ones) slots[u].withhold = draw_uniform(d) < 0.2;
        row += slots[u].rows;
    }
    return (size_t)row;
}

double distance(const float *result, uint64_t ldr, const double *reference, uint64_t rows,
                uint64_t columns)
{
    double sum = 0;
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < columns; c++) {
            const double v = (double)result[r * ldr + c];
            if (!isfinite(v)) return INFINITY;
            const double e = v - reference[r * columns + c];
            sum += e * e;
        }
    return sqrt(sum);
}

double length(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i] * v[i];
    return sqrt(sum);
}

void assert_same_bits(const void *a, const void *b, size_t bytes)
{
    if (bytes > 0) assert_memory_equal(a, b, bytes);
}

bool near(double a, double b, double relative, double absolute)
{
    if (isnan(a) || isnan(b)) return false;
    return fabs(a - b) <= relative * fabs(b) + absolute;
}

void for_each_simd(void (*body)(void))
{
    const char *const names[] = {"portable", "avx2", "avx512"};
    for (size_t i = 0; i < 3; i++) {
        if (plumb__simd_set(names[i]) != 0) {
            print_message("no %s here\n", names[i]);
            continue;
        }
        print_message("with %s\n", names[i]);
        body();
    }
    assert_int_equal(plumb__simd_set(NULL), 0);
}

void use_threads(unsigned n)
{
    plumb_error err;
    assert_int_equal(plumb_threads_set(n, &err), PLUMB_OK);
}
