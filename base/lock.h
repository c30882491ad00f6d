/* A lock file that is there only while somebody holds it, for a writer that waits its turn.
 *
 * Invariants:
 *  L1  who holds it has flock on the file that has the name now: one that was locked after its
 *      holder had removed it is given up and taken anew;
 *  L2  a killed holder leaves an empty file that nobody holds: the next one takes it at once. */
#ifndef PLUMB_BASE_LOCK_H
#define PLUMB_BASE_LOCK_H

#include "base/file.h"

typedef struct plumb__lock {
    int fd; /* -1: not held */
    char path[PLUMB__PATH_BYTES];
} plumb__lock;

/* Waits for at most wait_ms (then PLUMB_ERR_LOCKED). Threads of one process exclude one another as
 * processes do. After a failure nothing is held, and releasing it does nothing. */
plumb_status plumb__lock_take(const char *path, unsigned wait_ms, plumb__lock *out,
                              plumb_error *err) PLUMB_MUST_CHECK;
void plumb__lock_release(plumb__lock *lock);

#endif
