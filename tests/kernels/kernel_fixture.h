/* What the kernel tests share: seeded numbers, buffers between canaries, comparisons that refuse
 * NaN, and a walk over every instruction set this machine has. */
#ifndef PLUMB_TESTS_KERNEL_FIXTURE_H
#define PLUMB_TESTS_KERNEL_FIXTURE_H

#include "kernels/wgrad.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A stream of draws; the seed of every test is printed. */
typedef struct draws {
    uint64_t seed, counter;
} draws;

draws draws_begin(const char *test, uint64_t seed);
double draw_uniform(draws *d);
float draw_normal(draws *d);
uint64_t draw_between(draws *d, uint64_t low, uint64_t high); /* both included */

/* n bytes, 64-byte aligned, between two canary areas, filled with 0xff (NaN as float and double).
 */
void *guarded(size_t bytes);
/* Fails the test when a canary was touched; frees. */
void guarded_free(void *pointer);
float *guarded_normals(draws *d, size_t n);

/* Slots over `rows` consecutive rows in total: ragged, with empty ones, weights 0, 1 and others. */
size_t draw_slots(draws *d, plumb__slot *slots, size_t n, uint64_t longest, bool all_ones);

/* Frobenius norm of (float result, stride ldr) - (double reference, dense); +inf when the result
 * has a value that is not finite. */
double distance(const float *result, uint64_t ldr, const double *reference, uint64_t rows,
                uint64_t columns);
double length(const double *v, size_t n);
void assert_same_bits(const void *a, const void *b, size_t bytes);
/* |a - b| <= relative * |b| + absolute; false for NaN. */
bool near(double a, double b, double relative, double absolute);

/* Calls `body` once for each instruction set and prints its name. */
void for_each_simd(void (*body)(void));
void use_threads(unsigned n);

#endif
