/* The one thread pool of the process. A customer's CPU code may use it too, so that two pools never
 * fight for the cores. Waits block; before that they look for 20 microseconds at most, about what a
 * wake-up costs.
 *
 * Thread safety: one thread at a time has the pool (the training thread). A call from inside a
 * task, or from a second thread while a call is under way, runs its tasks in place. Signals stay
 * with the caller's threads. After fork() the child starts workers of its own when it needs them.
 */
#ifndef PLUMB_THREADS_H
#define PLUMB_THREADS_H

#include "base/plumb_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void plumb_task_fn(void *ctx, size_t task);

/* Sets how many threads plumb_parallel uses, the caller included; 0 = the cores this process may
 * run on. May be called again at any time. Errors: PLUMB_ERR_ARGUMENT above 1024; PLUMB_ERR_STATE
 * inside a task; PLUMB_ERR_NO_MEMORY (the pool then has the caller only). */
PLUMB_API plumb_status plumb_threads_set(unsigned threads, plumb_error *err) PLUMB_MUST_CHECK;
/* How many threads were set, or would be used if nobody sets any: the cores. */
PLUMB_API unsigned plumb_threads_count(void);

/* Runs fn(ctx, 0..tasks-1) and returns when all are done. Which thread runs which task is not
 * fixed: results must depend on the task number alone. */
PLUMB_API void plumb_parallel(size_t tasks, plumb_task_fn *fn, void *ctx) PLUMB_NONNULL(2);

#ifdef __cplusplus
}
#endif
#endif
