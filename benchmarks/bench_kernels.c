/* Weight gradient with exact per-unit norms against a plain OpenBLAS sgemm of the same shape.
 *
 *   bench_kernels [--threads N] [--rounds N]
 *
 * Interleaved A B A B per shape, medians over calls and rounds; the last line is one JSON object.
 * The baseline has to be good: OpenBLAS chooses its kernels by OPENBLAS_CORETYPE or a table of
 * processors, and either may give AVX2 kernels at half the speed to a processor with AVX-512; there
 * the program starts itself again with OPENBLAS_CORETYPE=SkylakeX (PLUMB_BENCH_CORETYPE set to
 * anything prevents it). OpenBLAS's threads keep spinning for 100 ms after a call: the program
 * sleeps before it times ours. */
#include "base/clock.h"
#include "base/plumb_random.h"
#include "base/plumb_threads.h"
#include "kernels/simd.h"
#include "kernels/wgrad.h"
#include "kernels/xent.h"

#include <cblas.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS 99
#define WARM_MS 20
#define BATCH_MS 30

typedef struct shape {
    int in, out;
    size_t units;
    int rows; /* per unit; ragged: between half and three halves of it */
    bool ragged;
} shape;

typedef struct timing {
    double ours_ms, gemm_ms, ratio, ratio_low, ratio_high;
    double ratio_best; /* of the best calls: what can be said while others use the machine */
} timing;

static const shape shapes[] = {
    {256, 256, 8, 256, false},   {256, 768, 8, 256, false},  {256, 1024, 8, 256, false},
    {1024, 256, 8, 256, false},  {128, 128, 8, 256, false},  {128, 512, 8, 256, false},
    {512, 128, 8, 256, false},   {512, 512, 8, 256, false},  {768, 768, 8, 256, false},
    {768, 256, 8, 256, false},   {256, 256, 8, 80, true},    {256, 1024, 8, 80, true},
    {256, 256, 64, 64, false},   {256, 1024, 64, 64, false}, {256, 256, 2, 1024, false},
    {256, 1024, 4, 1024, false},
};

static float *numbers(size_t n, uint64_t stream)
{
    float *v = aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64);
    if (v == NULL) exit(4);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)plumb_random_uniform(1, stream, i) - 0.5f;
    return v;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *v, size_t n, double q)
{
    qsort(v, n, sizeof *v, by_value);
    return v[(size_t)(q * (double)(n - 1) + 0.5)];
}

static void settle(void)
{
    const struct timespec pause = {.tv_nsec = 130000000};
    nanosleep(&pause, NULL);
}

static size_t slots_fill(const shape *s, plumb__slot *slots)
{
    uint64_t row = 0;
    for (size_t u = 0; u < s->units; u++) {
        uint64_t rows = (uint64_t)s->rows;
        if (s->ragged) rows = rows / 2 + (uint64_t)(plumb_random_uniform(2, 3, u) * (double)rows);
        slots[u] = (plumb__slot){.first_row = row, .rows = rows, .weight = 0.5f};
        row += rows;
    }
    return (size_t)row;
}

/* One call of either side. */
static void call_ours(const plumb__wgrad_args *args, void *workspace)
{
    plumb__wgrad(args, workspace);
}

static void call_gemm(const plumb__wgrad_args *a, void *workspace)
{
    (void)workspace;
    const plumb__slot *last = &a->slots[a->n_slots - 1];
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)a->out, (int)a->in,
                (int)(last->first_row + last->rows), 0.5f, a->y, (int)a->ldy, a->x, (int)a->ldx,
                1.0f, a->dw, (int)a->ldw);
}

/* Milliseconds per call, the median over BATCH_MS after WARM_MS that are not counted: caches,
 * clocks, and above all the time until the scheduler has given woken threads a core each. */
static double time_calls(void (*call)(const plumb__wgrad_args *, void *),
                         const plumb__wgrad_args *args, void *workspace, double *best)
{
    static double ms[4096];
    const uint64_t start = plumb__monotonic_ns();
    size_t n = 0;
    for (;;) {
        const uint64_t before = plumb__monotonic_ns();
        call(args, workspace);
        const uint64_t after = plumb__monotonic_ns();
        if (after - start < WARM_MS * 1000000ull) continue;
        ms[n++] = (double)(after - before) * 1e-6;
        if (n == 4096 || (after - start > (WARM_MS + BATCH_MS) * 1000000ull && n >= 3)) break;
    }
    const double median = quantile(ms, n, 0.5); /* sorts */
    *best = ms[0] < *best ? ms[0] : *best;
    return median;
}

static timing measure(const plumb__wgrad_args *args, void *workspace, int rounds)
{
    double ours[MAX_ROUNDS], gemm[MAX_ROUNDS], ratio[MAX_ROUNDS];
    double ours_best = 1e30, gemm_best = 1e30;
    for (int i = 0; i < rounds; i++) {
        settle();
        ours[i] = time_calls(call_ours, args, workspace, &ours_best);
        gemm[i] = time_calls(call_gemm, args, workspace, &gemm_best);
        ratio[i] = ours[i] / gemm[i];
    }
    const size_t n = (size_t)rounds;
    timing t = {.ours_ms = quantile(ours, n, 0.5), .gemm_ms = quantile(gemm, n, 0.5)};
    t.ratio_low = quantile(ratio, n, 0.25);
    t.ratio_high = quantile(ratio, n, 0.75);
    t.ratio = t.ours_ms / t.gemm_ms;
    t.ratio_best = ours_best / gemm_best;
    return t;
}

static double run_shape(const shape *s, int rounds, bool last)
{
    plumb__slot slots[64];
    double norm2[64];
    bool finite[64];
    const size_t rows = slots_fill(s, slots);
    const size_t in = (size_t)s->in, out = (size_t)s->out;
    float *x = numbers(rows * in, 1), *y = numbers(rows * out, 2), *dw = numbers(in * out, 3);
    plumb__wgrad_args args = {.in = in,
                              .out = out,
                              .x = x,
                              .ldx = in,
                              .y = y,
                              .ldy = out,
                              .dw = dw,
                              .ldw = in,
                              .slots = slots,
                              .n_slots = s->units,
                              .norm2 = norm2,
                              .finite = finite};
    const size_t bytes = plumb__wgrad_workspace(in, out, s->units, (uint64_t)rows);
    void *workspace = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (workspace == NULL) exit(4);
    const timing t = measure(&args, workspace, rounds);
    printf("{\"in\":%d,\"out\":%d,\"units\":%zu,\"rows\":%zu,\"ours_ms\":%.4f,\"gemm_ms\":%.4f,"
           "\"ratio\":%.3f,\"ratio_quartiles\":[%.3f,%.3f],\"ratio_best\":%.3f,\"gflops\":%.1f,"
           "\"workspace_bytes\":%zu}%s",
           s->in, s->out, s->units, rows, t.ours_ms, t.gemm_ms, t.ratio, t.ratio_low, t.ratio_high,
           t.ratio_best, 2e-6 * (double)in * (double)out * (double)rows / t.ours_ms, bytes,
           last ? "" : ",");
    fprintf(stderr,
            "in %4d out %4d units %2zu rows %4zu: ours %7.3f ms, gemm %7.3f ms, ratio %.3f "
            "(best %.3f)\n",
            s->in, s->out, s->units, rows, t.ours_ms, t.gemm_ms, t.ratio, t.ratio_best);
    free(x), free(y), free(dw), free(workspace);
    return t.ratio;
}

static void good_baseline(char **argv)
{
#if defined(__x86_64__)
    if (getenv("PLUMB_BENCH_CORETYPE") == NULL && __builtin_cpu_supports("avx512bw")) {
        (void)setenv("PLUMB_BENCH_CORETYPE", "SkylakeX", 1);
        (void)setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
        (void)execv("/proc/self/exe", argv);
    }
#endif
    (void)argv;
}

static unsigned option(int argc, char **argv, const char *name, unsigned otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return (unsigned)strtoul(argv[i + 1], NULL, 10);
    return otherwise;
}

int main(int argc, char **argv)
{
    good_baseline(argv);
    plumb_error err;
    if (plumb_threads_set(option(argc, argv, "--threads", 0), &err) != PLUMB_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    unsigned rounds = option(argc, argv, "--rounds", 11);
    if (rounds < 1 || rounds > MAX_ROUNDS) rounds = 11;
    openblas_set_num_threads((int)plumb_threads_count());
    printf("{\"bench\":\"kernels\",\"threads\":%u,\"simd\":\"%s\",\"openblas_core\":\"%s\","
           "\"shapes\":[",
           plumb_threads_count(), plumb__simd_get()->name, openblas_get_corename());
    const size_t count = sizeof shapes / sizeof shapes[0];
    double worst = 0;
    for (size_t i = 0; i < count; i++) {
        const double ratio = run_shape(&shapes[i], (int)rounds, i + 1 == count);
        worst = ratio > worst ? ratio : worst;
    }
    printf("],\"wgrad_vs_gemm\":%.3f}\n", worst);
    return 0;
}
