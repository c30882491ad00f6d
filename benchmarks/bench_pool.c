/* What the thread pool costs: an empty region, and a sequence of regions like a training step's
 * (10-400 us of work in four tasks that differ by up to 5 %, gaps of up to 8 us) against the time
 * that perfect sharing would take. base/threads.c chose SPIN_NS by this program, on an idle
 * machine; change it there to see its effect. Prints one JSON object. */
#include "base/clock.h"
#include "base/plumb_random.h"
#include "base/plumb_threads.h"

#include <stdio.h>

#define REGIONS 4000u
#define EMPTY_REGIONS 20000u
#define TASKS 4u

static uint64_t duration_ns[TASKS];

static void wait_ns(uint64_t ns)
{
    const uint64_t start = plumb__monotonic_ns();
    while (plumb__monotonic_ns() - start < ns)
        ;
}

static void timed_task(void *ctx, size_t task)
{
    (void)ctx;
    wait_ns(duration_ns[task]);
}

static void empty_task(void *ctx, size_t task)
{
    (void)ctx;
    (void)task;
}

/* Runs one region after its gap; gives how long it took and adds its perfectly shared time. */
static uint64_t one_region(uint64_t r, unsigned threads, double *ideal_ns)
{
    const double u = plumb_random_uniform(1, 2, r);
    const double whole_ns = (10e3 + 400e3 * u * u) * 2 / TASKS;
    double sum_ns = 0;
    for (uint64_t t = 0; t < TASKS; t++) {
        const double ns = whole_ns * (0.95 + 0.1 * plumb_random_uniform(1, 4, r * TASKS + t));
        duration_ns[t] = (uint64_t)ns;
        sum_ns += ns;
    }
    *ideal_ns += sum_ns / threads;
    wait_ns((uint64_t)(8e3 * plumb_random_uniform(1, 3, r)));
    const uint64_t start = plumb__monotonic_ns();
    plumb_parallel(TASKS, timed_task, NULL);
    return plumb__monotonic_ns() - start;
}

int main(void)
{
    plumb_error err;
    const unsigned threads = plumb_threads_count() < TASKS ? plumb_threads_count() : TASKS;
    if (plumb_threads_set(threads, &err) != PLUMB_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return plumb_status_exit_code(err.status);
    }
    const uint64_t start = plumb__monotonic_ns();
    for (unsigned r = 0; r < EMPTY_REGIONS; r++)
        plumb_parallel(2, empty_task, NULL);
    const double empty_us = (double)(plumb__monotonic_ns() - start) / EMPTY_REGIONS / 1e3;
    double ideal_ns = 0, real_ns = 0;
    for (uint64_t r = 0; r < REGIONS; r++)
        real_ns += (double)one_region(r, threads, &ideal_ns);
    (void)printf("{\"bench\":\"pool\",\"threads\":%u,\"empty_region_us\":%.3f,"
                 "\"ideal_region_us\":%.2f,\"region_us\":%.2f,\"ratio\":%.4f}\n",
                 threads, empty_us, ideal_ns / REGIONS / 1e3, real_ns / REGIONS / 1e3,
                 real_ns / ideal_ns);
    return 0;
}
