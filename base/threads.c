/* The thread pool. One region (plumb_parallel call) is open at a time; workers and the caller claim
 * its tasks one by one from `ticket`.
 *
 * Invariants:
 * T1. ticket = (epoch << 32) | tasks not claimed yet. Only a ticket with some left is claimed, and
 *     by a compare-and-swap on the whole word, so a claim succeeds only in the epoch whose fn, ctx
 *     and tasks the claimer has read before. (Counting down, not up: whether a task is left must
 *     not depend on `tasks`, which may already be the next region's.)
 * T2. The caller opens epoch e+1 only after done == tasks in epoch e. Hence between a successful
 *     claim and the claimer's increment of `done`, fn, ctx and tasks do not change.
 * T3. The caller never waits for a worker that has claimed nothing: a worker that wakes late finds
 *     an old epoch or no task left, and goes back to sleep. So a busy machine costs no region its
 *     slowest wake-up, and a child after fork (which has no workers) still finishes its regions.
 * T4. A thread sleeps on a futex only after it announced itself (`sleepers`, `caller_sleeps`) and
 *     looked again, both sequentially consistent: either it sees the news or the other side
 *     sees it.
 *
 * A waiting thread looks for SPIN_NS before it sleeps: about what a wake-up costs, so that the
 * worst case is twice the best one, and short beside any time slice, so that on a small machine the
 * core soon belongs to others. Measured (benchmarks/bench_pool.c) on a 2-core virtual machine (a
 * wake-up there takes 25 us), with regions of 10-400 us whose two halves differ by up to 5 % and
 * gaps of up to 8 us between them: extra time 27 % with 3 us, 20 % with 5 us, 7 % with 10 us, 2.7 %
 * with 20 us, 2.4 % with 50 us. */
#include "base/clock.h"
#include "base/error.h"
#include "base/plumb_threads.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_THREADS 1024u
#define SPIN_NS 20000u
#define MAX_REGION_TASKS (UINT32_C(1) << 30)

typedef _Atomic(uint32_t) futex_word;

static struct {
    /* Held while a region is open or the pool changes. */
    pthread_mutex_t lock;
    bool running, closed;
    atomic_uint threads; /* the caller included; 0: not chosen yet; read without the lock */
    unsigned workers;    /* running now */
    pthread_t handles[MAX_THREADS];

    _Alignas(64) _Atomic(uint64_t) ticket;
    _Atomic(plumb_task_fn *) fn;
    _Atomic(void *) ctx;
    _Atomic(uint64_t) first_task;
    futex_word tasks;

    _Alignas(64) futex_word epoch; /* what sleeping workers watch; also bumped to stop them */
    futex_word sleepers;
    atomic_bool stop;

    _Alignas(64) futex_word done; /* what a sleeping caller watches */
    atomic_bool caller_sleeps;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* True on a worker and on a caller inside a region: nested calls run in place. */
static _Thread_local bool inside_region;

/* ---- waiting ---- */

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Spurious returns are fine: every caller looks again. */
static void futex_wait(futex_word *word, uint32_t seen)
{
    (void)syscall(SYS_futex, (uint32_t *)word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(futex_word *word, uint32_t count)
{
    (void)syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE_PRIVATE,
                  count > INT_MAX ? INT_MAX : (int)count, NULL, NULL, 0);
}

/* Looks at word until it is (or, with want_change, is no longer) `value`, for SPIN_NS at most. */
static bool spin_until(futex_word *word, uint32_t value, bool want_change)
{
    const uint64_t start = plumb__monotonic_ns();
    do {
        for (int i = 0; i < 16; i++) {
            if ((atomic_load_explicit(word, memory_order_acquire) != value) == want_change)
                return true;
            relax();
        }
    } while (plumb__monotonic_ns() - start < SPIN_NS);
    return false;
}

/* ---- working ---- */

/* Runs tasks of the epoch that is open now until none is left (T1, T2). */
static void work(void)
{
    uint64_t ticket = atomic_load_explicit(&pool.ticket, memory_order_acquire);
    for (;;) {
        plumb_task_fn *const fn = atomic_load_explicit(&pool.fn, memory_order_relaxed);
        void *const ctx = atomic_load_explicit(&pool.ctx, memory_order_relaxed);
        const uint64_t first = atomic_load_explicit(&pool.first_task, memory_order_relaxed);
        const uint32_t tasks = atomic_load_explicit(&pool.tasks, memory_order_relaxed);
        const uint32_t left = (uint32_t)ticket;
        if (left == 0) return;
        if (!atomic_compare_exchange_weak_explicit(&pool.ticket, &ticket, ticket - 1,
                                                   memory_order_acq_rel, memory_order_acquire))
            continue;
        fn(ctx, (size_t)(first + (tasks - left)));
        /* Sequentially consistent for T4 (against caller_sleeps). */
        if (atomic_fetch_add(&pool.done, 1) + 1 == tasks && atomic_load(&pool.caller_sleeps))
            futex_wake(&pool.done, 1);
        ticket = atomic_load_explicit(&pool.ticket, memory_order_acquire);
    }
}

static void *worker_main(void *unused)
{
    (void)unused;
    inside_region = true;
    uint32_t seen = atomic_load(&pool.epoch);
    for (;;) {
        if (atomic_load(&pool.stop)) return NULL;
        work();
        if (!spin_until(&pool.epoch, seen, true)) {
            atomic_fetch_add(&pool.sleepers, 1);
            while (atomic_load(&pool.epoch) == seen)
                futex_wait(&pool.epoch, seen);
            atomic_fetch_sub(&pool.sleepers, 1);
        }
        seen = atomic_load(&pool.epoch);
    }
}

static void wait_for_done(uint32_t tasks)
{
    if (spin_until(&pool.done, tasks, false)) return;
    atomic_store(&pool.caller_sleeps, true);
    for (;;) {
        const uint32_t done = atomic_load(&pool.done);
        if (done == tasks) break;
        futex_wait(&pool.done, done);
    }
    atomic_store(&pool.caller_sleeps, false);
}

/* One region of at most MAX_REGION_TASKS tasks; the lock is held. */
static void run_region(uint64_t first, uint32_t tasks, plumb_task_fn *fn, void *ctx)
{
    atomic_store_explicit(&pool.fn, fn, memory_order_relaxed);
    atomic_store_explicit(&pool.ctx, ctx, memory_order_relaxed);
    atomic_store_explicit(&pool.first_task, first, memory_order_relaxed);
    atomic_store_explicit(&pool.tasks, tasks, memory_order_relaxed);
    atomic_store_explicit(&pool.done, 0, memory_order_relaxed);
    const uint32_t epoch = atomic_load_explicit(&pool.epoch, memory_order_relaxed) + 1;
    atomic_store_explicit(&pool.ticket, (uint64_t)epoch << 32 | tasks, memory_order_release);
    atomic_store(&pool.epoch, epoch);
    const uint32_t sleepers = atomic_load(&pool.sleepers);
    if (sleepers > 0) futex_wake(&pool.epoch, sleepers < tasks - 1 ? sleepers : tasks - 1);
    work();
    wait_for_done(tasks);
}

/* ---- the pool's life; the lock is held in all of these ---- */

/* The cores this process may run on. */
static unsigned usable_cores(void)
{
    cpu_set_t set;
    int cores = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = CPU_COUNT(&set);
    else /* more cores than a cpu_set_t has */
        cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1) return 1;
    return (unsigned)cores < MAX_THREADS ? (unsigned)cores : MAX_THREADS;
}

static void stop_workers(void)
{
    atomic_store(&pool.stop, true);
    atomic_fetch_add(&pool.epoch, 1);
    futex_wake(&pool.epoch, UINT32_MAX);
    for (unsigned i = 0; i < pool.workers; i++)
        (void)pthread_join(pool.handles[i], NULL);
    pool.workers = 0;
    pool.running = false;
    atomic_store(&pool.stop, false);
}

/* A child has the caller's thread only; its workers start again with its first region. */
static void forget_workers_in_child(void)
{
    (void)pthread_mutex_init(&pool.lock, NULL);
    pool.workers = 0;
    pool.running = false;
    atomic_store(&pool.sleepers, 0);
    atomic_store(&pool.caller_sleeps, false);
    inside_region = false;
}

static void register_fork_handler(void)
{
    (void)pthread_atfork(NULL, NULL, forget_workers_in_child);
}

static plumb_status start_workers(unsigned threads, plumb_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, register_fork_handler);
    /* Signals belong to the customer's threads, so that SIGINT finds the handler's thread. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    /* A new worker finds nothing to do: the last region's ticket is used up. */
    int code = 0;
    while (pool.workers + 1 < threads) {
        code = pthread_create(&pool.handles[pool.workers], NULL, worker_main, NULL);
        if (code != 0) break;
        pool.workers++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool.running = true;
    if (code == 0) return PLUMB_OK;
    char reason[128];
    const unsigned started = pool.workers + 1;
    stop_workers();
    return plumb__fail(err, PLUMB_ERR_NO_MEMORY,
                       "cannot start thread %u of %u: %s; ask for fewer threads", started + 1,
                       threads, strerror_r(code, reason, sizeof reason));
}

/* Unloading the library or leaving the process must not pull code away under a worker. A process
 * that exits from inside a task keeps its workers: they die with it. */
__attribute__((destructor)) static void close_pool(void)
{
    if (inside_region || pthread_mutex_trylock(&pool.lock) != 0) return;
    pool.closed = true;
    if (pool.running) stop_workers();
    (void)pthread_mutex_unlock(&pool.lock);
}

/* ---- public ---- */

plumb_status plumb_threads_set(unsigned threads, plumb_error *err)
{
    if (threads > MAX_THREADS)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%u threads asked for; at most %u are possible",
                           threads, MAX_THREADS);
    if (inside_region)
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "the number of threads cannot change inside a parallel task");
    if (threads == 0) threads = usable_cores();
    plumb_status status = PLUMB_OK;
    (void)pthread_mutex_lock(&pool.lock);
    if (!pool.running || pool.threads != threads) {
        if (pool.running) stop_workers();
        status = start_workers(threads, err);
        pool.threads = status == PLUMB_OK ? threads : 1;
    }
    (void)pthread_mutex_unlock(&pool.lock);
    return status;
}

unsigned plumb_threads_count(void)
{
    const unsigned threads = atomic_load(&pool.threads);
    return threads > 0 ? threads : usable_cores();
}

static void run_in_place(size_t tasks, plumb_task_fn *fn, void *ctx)
{
    const bool before = inside_region;
    inside_region = true;
    for (size_t i = 0; i < tasks; i++)
        fn(ctx, i);
    inside_region = before;
}

/* Starts the pool when nobody has; without workers (none could start) regions run in place. */
static bool pool_serves(void)
{
    if (!pool.running && !pool.closed) {
        if (pool.threads == 0) pool.threads = usable_cores();
        if (start_workers(pool.threads, NULL) != PLUMB_OK) {
            pool.threads = 1;
            pool.running = true;
        }
    }
    return pool.workers > 0;
}

void plumb_parallel(size_t tasks, plumb_task_fn *fn, void *ctx)
{
    /* A second thread that comes while a region is open gets its work done too, by itself. */
    if (tasks <= 1 || inside_region || pthread_mutex_trylock(&pool.lock) != 0) {
        run_in_place(tasks, fn, ctx);
        return;
    }
    if (pool_serves()) {
        inside_region = true;
        for (size_t first = 0; first < tasks;) {
            const size_t left = tasks - first;
            const uint32_t now = left < MAX_REGION_TASKS ? (uint32_t)left : MAX_REGION_TASKS;
            run_region(first, now, fn, ctx);
            first += now;
        }
        inside_region = false;
    } else {
        run_in_place(tasks, fn, ctx);
    }
    (void)pthread_mutex_unlock(&pool.lock);
}
