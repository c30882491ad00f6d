#include "base/lock.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_NS 10000000 /* between two tries */

/* O_NONBLOCK: whatever else has this name must not make opening wait. */
static plumb_status open_lock(const char *path, int *fd, plumb_error *err)
{
    struct stat st;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0666);
    if (*fd < 0) return plumb__fail_errno(err, "cannot open the lock %s", path);
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode)) return PLUMB_OK;
    (void)close(*fd);
    *fd = -1;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s is not a regular file", path);
}

/* L1 */
static bool still_named(int fd, const char *path)
{
    struct stat here, there;
    return fstat(fd, &here) == 0 && lstat(path, &there) == 0 && here.st_dev == there.st_dev &&
           here.st_ino == there.st_ino;
}

static plumb_status try_lock(const char *path, int *fd, bool *held, plumb_error *err)
{
    *held = false;
    PLUMB_TRY(open_lock(path, fd, err));
    const int locked = flock(*fd, LOCK_EX | LOCK_NB);
    const int why = errno;
    *held = locked == 0 && still_named(*fd, path);
    if (*held) return PLUMB_OK;
    (void)close(*fd);
    *fd = -1;
    if (locked == 0 || why == EWOULDBLOCK || why == EINTR) return PLUMB_OK;
    errno = why;
    return plumb__fail_errno(err, "cannot lock %s", path);
}

plumb_status plumb__lock_take(const char *path, unsigned wait_ms, plumb__lock *out,
                              plumb_error *err)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    const uint64_t until = plumb__monotonic_ns() + (uint64_t)wait_ms * 1000000;
    bool held = false;
    out->fd = -1;
    if (snprintf(out->path, sizeof out->path, "%s", path) >= (int)sizeof out->path)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%.200s…: the path is too long", path);
    for (;;) {
        PLUMB_TRY(try_lock(path, &out->fd, &held, err));
        if (held) return PLUMB_OK;
        if (plumb__monotonic_ns() >= until) break;
        (void)nanosleep(&pause, NULL);
    }
    return plumb__fail(err, PLUMB_ERR_LOCKED,
                       "%s: another process is writing here and was not done within %.1f seconds; "
                       "try again when it is",
                       path, wait_ms / 1000.0);
}

void plumb__lock_release(plumb__lock *lock)
{
    if (lock->fd < 0) return;
    (void)unlink(lock->path); /* while it is held: whoever waits for it sees that it is gone */
    (void)close(lock->fd);
    lock->fd = -1;
}
