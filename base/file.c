/* Files: capped reads, atomic writes, syncs, locks. Directories are in dir.c. */
#include "base/file.h"
#include "base/alloc.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

plumb_status plumb__path_join(char *out, const char *dir, const char *name, plumb_error *err)
{
    const size_t length = strlen(dir);
    const char *slash = length > 0 && dir[length - 1] != '/' ? "/" : "";
    const int n = snprintf(out, PLUMB__PATH_BYTES, "%s%s%s", dir, slash, name);
    if (n >= 0 && n < PLUMB__PATH_BYTES) return PLUMB_OK;
    out[0] = '\0';
    return plumb__fail(err, PLUMB_ERR_LIMIT, "path too long (over %d bytes): %.200s…",
                       PLUMB__PATH_BYTES - 1, name);
}

/* ---- reading ---- */

plumb_status plumb__file_open(const char *path, bool no_follow, int *fd, uint64_t *size_bytes,
                              plumb_error *err)
{
    /* O_NONBLOCK: opening a fifo must not wait for its writer; regular files do not care. */
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (no_follow ? O_NOFOLLOW : 0);
    *fd = open(path, flags);
    if (*fd < 0) {
        if (errno == ELOOP && no_follow)
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s is a symbolic link, not a regular file",
                               path);
        return plumb__fail_errno(err, "cannot open %s", path);
    }
    struct stat st;
    plumb_status status = PLUMB_OK;
    if (fstat(*fd, &st) != 0)
        status = plumb__fail_errno(err, "cannot inspect %s", path);
    else if (!S_ISREG(st.st_mode))
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s is not a regular file", path);
    else if (size_bytes)
        *size_bytes = (uint64_t)st.st_size;
    if (status != PLUMB_OK) {
        (void)close(*fd);
        *fd = -1;
    }
    return status;
}

plumb_status plumb__fd_read_some(int fd, void *data, size_t n, const char *path, size_t *got,
                                 plumb_error *err)
{
    ssize_t r;
    do
        r = read(fd, data, n);
    while (r < 0 && errno == EINTR);
    *got = r < 0 ? 0 : (size_t)r;
    return r < 0 ? plumb__fail_errno(err, "cannot read %s", path) : PLUMB_OK;
}

static plumb_status too_large(const char *path, size_t cap_bytes, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_LIMIT, "%s is too large: at most %zu bytes are read here",
                       path, cap_bytes);
}

/* Reads to the end of fd. The size told by fstat is a hint only: the file may grow meanwhile, and
 * files of /proc say 0. */
static plumb_status read_rest(int fd, const char *path, uint64_t hint, size_t cap_bytes,
                              plumb__bytes *out, plumb_error *err)
{
    size_t total = 0;
    size_t room = hint < cap_bytes ? (size_t)hint : cap_bytes;
    for (;;) {
        if (room == 0) room = 65536;
        /* One byte more than the room for data: bytes_text wants its NUL. */
        PLUMB_TRY(plumb__grow(&out->data, &out->capacity, out->size + room + 1, 1, path, err));
        size_t got;
        PLUMB_TRY(plumb__fd_read_some(fd, out->data + out->size, room, path, &got, err));
        if (got == 0) return PLUMB_OK;
        if (got > cap_bytes - total) return too_large(path, cap_bytes, err);
        total += got;
        out->size += got;
        room -= got;
    }
}

static plumb_status read_whole(const char *path, bool no_follow, size_t cap_bytes,
                               plumb__bytes *out, plumb_error *err)
{
    PLUMB_TRY(plumb__bytes_check(out, err));
    int fd = -1;
    uint64_t size = 0;
    PLUMB_TRY(plumb__file_open(path, no_follow, &fd, &size, err));
    const size_t before = out->size;
    plumb_status status = size > cap_bytes ? too_large(path, cap_bytes, err)
                                           : read_rest(fd, path, size, cap_bytes, out, err);
    if (status != PLUMB_OK) out->size = before;
    (void)close(fd);
    return status;
}

plumb_status plumb__file_read(const char *path, size_t cap_bytes, plumb__bytes *out,
                              plumb_error *err)
{
    return read_whole(path, false, cap_bytes, out, err);
}

plumb_status plumb__file_read_nofollow(const char *path, size_t cap_bytes, plumb__bytes *out,
                                       plumb_error *err)
{
    return read_whole(path, true, cap_bytes, out, err);
}

plumb_status plumb__fd_read_at(int fd, void *data, size_t n, uint64_t offset, const char *path,
                               plumb_error *err)
{
    uint8_t *to = data;
    if (offset > INT64_MAX || n > INT64_MAX - offset)
        return plumb__fail(err, PLUMB_ERR_TRUNCATED, "%s ends before offset %llu", path,
                           (unsigned long long)offset);
    for (size_t done = 0; done < n;) {
        const ssize_t r = pread(fd, to + done, n - done, (off_t)(offset + done));
        if (r < 0 && errno == EINTR) continue;
        if (r < 0)
            return plumb__fail_errno(err, "cannot read %s at offset %llu", path,
                                     (unsigned long long)(offset + done));
        if (r == 0)
            return plumb__fail(err, PLUMB_ERR_TRUNCATED,
                               "%s ends at offset %llu, %zu bytes before it should", path,
                               (unsigned long long)(offset + done), n - done);
        done += (size_t)r;
    }
    return PLUMB_OK;
}

/* ---- writing ---- */

plumb_status plumb__fd_write_all(int fd, const void *data, size_t n, const char *path,
                                 plumb_error *err)
{
    const uint8_t *from = data;
    while (n > 0) {
        const ssize_t w = write(fd, from, n);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return plumb__fail_errno(err, "cannot write %s", path);
        from += w;
        n -= (size_t)w;
    }
    return PLUMB_OK;
}

plumb_status plumb__fd_sync(int fd, const char *path, plumb_error *err)
{
    return fsync(fd) == 0 ? PLUMB_OK : plumb__fail_errno(err, "cannot sync %s to disk", path);
}

plumb_status plumb__fd_datasync(int fd, const char *path, plumb_error *err)
{
    return fdatasync(fd) == 0 ? PLUMB_OK : plumb__fail_errno(err, "cannot sync %s to disk", path);
}

/* Syncs the directory that holds path, so that a rename in it survives a power loss. */
static plumb_status parent_sync(const char *path, plumb_error *err)
{
    char parent[PLUMB__PATH_BYTES];
    const char *slash = strrchr(path, '/');
    if (!slash) return plumb__dir_sync(".", err);
    const size_t length = slash == path ? 1 : (size_t)(slash - path);
    memcpy(parent, path, length); /* shorter than path, which was short enough */
    parent[length] = '\0';
    return plumb__dir_sync(parent, err);
}

/* A temporary of this writer's own: two that write one path at the same time must not share it. */
static plumb_status create_temporary(const char *path, mode_t mode, char temporary[], int *fd,
                                     plumb_error *err)
{
    for (int tries = 0;; tries++) {
        uint32_t random = 0;
        plumb__random_bytes(&random, sizeof random);
        const int length = snprintf(temporary, PLUMB__PATH_BYTES, "%s.%ld-%08" PRIx32 ".tmp", path,
                                    (long)getpid(), random);
        if (length < 0 || length >= PLUMB__PATH_BYTES)
            return plumb__fail(err, PLUMB_ERR_LIMIT, "path too long (over %d bytes): %.200s…",
                               PLUMB__PATH_BYTES - 32, path);
        *fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (*fd >= 0) return PLUMB_OK;
        if (errno != EEXIST || tries == 8)
            return plumb__fail_errno(err, "cannot create a temporary file for %s", path);
    }
}

bool plumb__file_is_temporary(const char *name, const char *of)
{
    const size_t n = strlen(of);
    if (strncmp(name, of, n) != 0 || name[n] != '.') return false;
    const char *at = name + n + 1;
    const size_t pid = strspn(at, "0123456789");
    if (pid == 0 || at[pid] != '-') return false;
    at += pid + 1;
    return strspn(at, "0123456789abcdef") == 8 && strcmp(at + 8, ".tmp") == 0;
}

/* Writes and syncs the temporary; nothing is left after a failure. */
static plumb_status write_temporary(const char *path, const void *data, size_t n, mode_t mode,
                                    char temporary[PLUMB__PATH_BYTES], plumb_error *err)
{
    int fd = -1;
    PLUMB_TRY(create_temporary(path, mode, temporary, &fd, err));
    plumb_status status = plumb__fd_write_all(fd, data, n, path, err);
    if (status == PLUMB_OK) status = plumb__fd_sync(fd, path, err);
    /* NFS and quotas may report a failed write only here. */
    if (close(fd) != 0 && status == PLUMB_OK)
        status = plumb__fail_errno(err, "cannot close %s", path);
    if (status != PLUMB_OK) (void)unlink(temporary);
    return status;
}

/* Gives the temporary its name unless the name is taken. */
static plumb_status rename_to_new(const char *temporary, const char *path, plumb_error *err)
{
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0) return PLUMB_OK;
    if (errno == EINVAL || errno == ENOSYS) { /* a file system without it: link is as atomic */
        if (link(temporary, path) == 0) {
            (void)unlink(temporary);
            return PLUMB_OK;
        }
    }
    if (errno == EEXIST)
        return plumb__fail(err, PLUMB_ERR_EXISTS, "%s exists already and is not overwritten", path);
    return plumb__fail_errno(err, "cannot rename %s to %s", temporary, path);
}

static plumb_status write_whole(const char *path, const void *data, size_t n, mode_t mode,
                                bool replace, plumb_error *err)
{
    char temporary[PLUMB__PATH_BYTES];
    PLUMB_TRY(write_temporary(path, data, n, mode, temporary, err));
    const plumb_status status =
        replace ? plumb__file_rename(temporary, path, err) : rename_to_new(temporary, path, err);
    if (status != PLUMB_OK) {
        (void)unlink(temporary);
        return status;
    }
    return parent_sync(path, err);
}

plumb_status plumb__file_write_atomic(const char *path, const void *data, size_t n, mode_t mode,
                                      plumb_error *err)
{
    return write_whole(path, data, n, mode, true, err);
}

plumb_status plumb__file_create(const char *path, const void *data, size_t n, mode_t mode,
                                plumb_error *err)
{
    /* Early, so that the usual mistake writes nothing; the rename decides. */
    if (plumb__path_exists(path))
        return plumb__fail(err, PLUMB_ERR_EXISTS, "%s exists already and is not overwritten", path);
    return write_whole(path, data, n, mode, false, err);
}

/* ---- names, sizes, locks ---- */

plumb_status plumb__file_rename(const char *from, const char *to, plumb_error *err)
{
    return rename(from, to) == 0 ? PLUMB_OK
                                 : plumb__fail_errno(err, "cannot rename %s to %s", from, to);
}

plumb_status plumb__file_unlink(const char *path, plumb_error *err)
{
    return unlink(path) == 0 ? PLUMB_OK : plumb__fail_errno(err, "cannot remove %s", path);
}

bool plumb__path_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0; /* a dangling link is there too */
}

plumb_status plumb__file_size(const char *path, uint64_t *size_bytes, plumb_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0) return plumb__fail_errno(err, "cannot inspect %s", path);
    if (!S_ISREG(st.st_mode))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s is not a regular file", path);
    *size_bytes = (uint64_t)st.st_size;
    return PLUMB_OK;
}

plumb_status plumb__file_lock(const char *path, int *fd, plumb_error *err)
{
    *fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0) return plumb__fail_errno(err, "cannot open the lock %s", path);
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0) return PLUMB_OK;
    const plumb_status status =
        errno == EWOULDBLOCK
            ? plumb__fail(err, PLUMB_ERR_LOCKED,
                          "%s is held by another process; wait until it has finished", path)
            : plumb__fail_errno(err, "cannot lock %s", path);
    (void)close(*fd);
    *fd = -1;
    return status;
}
