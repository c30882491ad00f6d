/* Aim: every task runs exactly once, whatever the counts, nesting, resizing, forking or contention;
 * the pool sleeps when idle. Also the program that runs under the thread sanitizer.
 * Method: tasks write to cells of their own without locks, so that a task run twice, left out, or
 * not visible after the call is seen (and a missing happens-before is reported by the sanitizer).
 */
#include "base/clock.h"
#include "base/plumb_random.h"
#include "base/plumb_threads.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_TASKS 4096u

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
#ifndef THREAD_SANITIZER
#define THREAD_SANITIZER 0
#endif

static void set_threads(unsigned threads)
{
    plumb_error err;
    if (plumb_threads_set(threads, &err) != PLUMB_OK) fail_msg("%s", err.message);
}

static void count_run(void *ctx, size_t task)
{
    ((unsigned *)ctx)[task]++; /* not atomic on purpose */
}

static void check_region(size_t tasks)
{
    static unsigned runs[MAX_TASKS];
    memset(runs, 0, sizeof runs);
    plumb_parallel(tasks, count_run, runs);
    for (size_t i = 0; i < MAX_TASKS; i++) {
        if (runs[i] != (i < tasks)) fail_msg("task %zu of %zu ran %u times", i, tasks, runs[i]);
    }
}

static void the_default_is_the_cores_of_this_process(void **state)
{
    (void)state;
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_int_equal(plumb_threads_count(), CPU_COUNT(&set));
    check_region(100); /* starts the pool by itself */
    assert_int_equal(plumb_threads_count(), CPU_COUNT(&set));
}

static void every_task_runs_once(void **state)
{
    (void)state;
    const uint64_t seed = 4711;
    print_message("seed %llu\n", (unsigned long long)seed);
    const unsigned counts[] = {1, 2, 3, 8, 2};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        set_threads(counts[c]);
        assert_int_equal(plumb_threads_count(), counts[c]);
        check_region(0);
        check_region(1);
        check_region(MAX_TASKS);
        for (uint64_t i = 0; i < 500; i++)
            check_region((size_t)(plumb_random_uniform(seed, c, i) * 40));
    }
}

typedef struct nested {
    unsigned inner_runs[16][32];
    pthread_t outer_thread[16];
    bool moved; /* an inner task left its outer task's thread */
} nested;

typedef struct inner_ctx {
    nested *n;
    size_t outer;
} inner_ctx;

static void inner_task(void *ctx, size_t task)
{
    inner_ctx *in = ctx;
    in->n->inner_runs[in->outer][task]++;
    if (!pthread_equal(in->n->outer_thread[in->outer], pthread_self())) in->n->moved = true;
}

static void outer_task(void *ctx, size_t task)
{
    nested *n = ctx;
    n->outer_thread[task] = pthread_self();
    inner_ctx in = {n, task};
    plumb_parallel(32, inner_task, &in);
}

static void nested_calls_run_in_place(void **state)
{
    (void)state;
    set_threads(4);
    nested n = {0};
    plumb_parallel(16, outer_task, &n);
    for (size_t i = 0; i < 16; i++) {
        for (size_t k = 0; k < 32; k++)
            assert_int_equal(n.inner_runs[i][k], 1);
    }
    assert_false(n.moved);
}

static void set_inside(void *ctx, size_t task)
{
    plumb_error err;
    if (task == 0 && plumb_threads_set(2, &err) == PLUMB_ERR_STATE)
        strcpy(ctx, err.message); /* cell of task 0 alone */
}

static void wrong_settings_are_refused(void **state)
{
    (void)state;
    plumb_error err;
    assert_int_equal(plumb_threads_set(1025, &err), PLUMB_ERR_ARGUMENT);
    assert_string_equal(err.message, "1025 threads asked for; at most 1024 are possible");
    assert_int_equal(plumb_threads_set(1025, NULL), PLUMB_ERR_ARGUMENT);
    char message[PLUMB_ERROR_MESSAGE_BYTES] = "";
    plumb_parallel(2, set_inside, message);
    assert_string_equal(message, "the number of threads cannot change inside a parallel task");
}

static void *second_caller(void *ctx)
{
    unsigned *runs = ctx;
    for (int i = 0; i < 300; i++)
        plumb_parallel(64, count_run, runs);
    return NULL;
}

static void a_second_caller_does_its_own_work(void **state)
{
    (void)state;
    set_threads(3);
    static unsigned mine[64], theirs[64];
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, second_caller, theirs), 0);
    second_caller(mine);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(mine[i], 300);
        assert_int_equal(theirs[i], 300);
    }
}

static void a_child_after_fork_goes_on(void **state)
{
    (void)state;
    if (THREAD_SANITIZER) {
        print_message("skipped: the thread sanitizer cannot start threads after fork\n");
        skip();
    }
    set_threads(3);
    check_region(100);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static unsigned runs[64];
        plumb_parallel(64, count_run, runs);
        for (size_t i = 0; i < 64; i++) {
            if (runs[i] != 1) _exit(1);
        }
        if (plumb_threads_set(2, NULL) != PLUMB_OK) _exit(2);
        plumb_parallel(64, count_run, runs);
        _exit(runs[63] == 2 ? 0 : 3);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    check_region(100);
}

static void signals_blocked_on_workers(void *ctx, size_t task)
{
    const pthread_t *caller = ((void **)ctx)[0];
    bool *wrong = ((void **)ctx)[1];
    sigset_t now;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &now);
    const bool is_caller = pthread_equal(*caller, pthread_self());
    wrong[task] = sigismember(&now, SIGINT) != !is_caller;
    const struct timespec pause = {0, 200000}; /* so that workers get their share */
    (void)nanosleep(&pause, NULL);
}

static void workers_take_no_signals(void **state)
{
    (void)state;
    set_threads(4);
    bool wrong[64] = {0};
    pthread_t caller = pthread_self();
    void *ctx[] = {&caller, wrong};
    plumb_parallel(64, signals_blocked_on_workers, ctx);
    for (size_t i = 0; i < 64; i++)
        assert_false(wrong[i]);
}

static double cpu_seconds(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sleep_task(void *ctx, size_t task)
{
    (void)ctx;
    const struct timespec pause = {0, task == 0 ? 100000000 : 0};
    (void)nanosleep(&pause, NULL);
}

static void waiting_blocks(void **state)
{
    (void)state;
    set_threads(4);
    check_region(100);
    const double before = cpu_seconds();
    const struct timespec pause = {0, 200000000};
    (void)nanosleep(&pause, NULL);       /* workers idle for 200 ms */
    plumb_parallel(4, sleep_task, NULL); /* everyone waits for one task of 100 ms */
    const double used = cpu_seconds() - before;
    /* A pool that spins would use 0.9 s here. */
    if (used > 0.05) fail_msg("%.3f s of processor time while waiting", used);
}

static void heavy_contention_loses_nothing(void **state)
{
    (void)state;
    set_threads(16); /* far more threads than cores: late wake-ups, old epochs */
    for (int i = 0; i < 2000; i++)
        check_region(2 + (size_t)i % 7);
    set_threads(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_the_cores_of_this_process),
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(nested_calls_run_in_place),
        cmocka_unit_test(wrong_settings_are_refused),
        cmocka_unit_test(a_second_caller_does_its_own_work),
        cmocka_unit_test(a_child_after_fork_goes_on),
        cmocka_unit_test(workers_take_no_signals),
        cmocka_unit_test(waiting_blocks),
        cmocka_unit_test(heavy_contention_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
