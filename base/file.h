/* Files: capped reads, atomic writes, directories, locks. Messages name the path. */
#ifndef PLUMB_BASE_FILE_H
#define PLUMB_BASE_FILE_H

#include "base/bytes.h"

#include <sys/types.h>

#define PLUMB__PATH_BYTES 4096

/* "dir/name" into out[PLUMB__PATH_BYTES]; PLUMB_ERR_LIMIT when too long. */
plumb_status plumb__path_join(char *out, const char *dir, const char *name,
                              plumb_error *err) PLUMB_MUST_CHECK;

/* Appends the whole regular file to *out, at most cap_bytes (more: PLUMB_ERR_LIMIT). After a
 * failure *out is as before. The second form follows no symbolic link in the last component. */
plumb_status plumb__file_read(const char *path, size_t cap_bytes, plumb__bytes *out,
                              plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__file_read_nofollow(const char *path, size_t cap_bytes, plumb__bytes *out,
                                       plumb_error *err) PLUMB_MUST_CHECK;

/* Temporary beside it, write, fsync, rename, fsync of the directory. The file is there whole or not
 * at all, also with several writers at once: the last one's stays. The temporary is named
 * PATH.PID-RANDOM.tmp; after a failure none is left, a killed process leaves its own, which nobody
 * reads. mode e.g. 0644, less the umask. */
plumb_status plumb__file_write_atomic(const char *path, const void *data, size_t n, mode_t mode,
                                      plumb_error *err) PLUMB_MUST_CHECK;
/* The same, but refuses an existing path (PLUMB_ERR_EXISTS). */
plumb_status plumb__file_create(const char *path, const void *data, size_t n, mode_t mode,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* Whether a name is that of a temporary of `of`, both without folders. */
bool plumb__file_is_temporary(const char *name, const char *of);

/* Opens a regular file for reading (anything else: PLUMB_ERR_FORMAT, without ever blocking on a
 * fifo); its size goes to *size_bytes when given. The caller closes *fd. */
plumb_status plumb__file_open(const char *path, bool no_follow, int *fd, uint64_t *size_bytes,
                              plumb_error *err) PLUMB_MUST_CHECK;
/* One read(2), EINTR retried; *got is 0 at the end of the file. */
plumb_status plumb__fd_read_some(int fd, void *data, size_t n, const char *path, size_t *got,
                                 plumb_error *err) PLUMB_MUST_CHECK;

/* write(2) until all is written; EINTR is retried, a short write goes on. */
plumb_status plumb__fd_write_all(int fd, const void *data, size_t n, const char *path,
                                 plumb_error *err) PLUMB_MUST_CHECK;
/* pread until n bytes; PLUMB_ERR_TRUNCATED when the file ends first. */
plumb_status plumb__fd_read_at(int fd, void *data, size_t n, uint64_t offset, const char *path,
                               plumb_error *err) PLUMB_MUST_CHECK;
/* fsync / fdatasync; a failure is never retried (its pages may be gone). */
plumb_status plumb__fd_sync(int fd, const char *path, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__fd_datasync(int fd, const char *path, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__dir_sync(const char *path, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__dir_create(const char *path, mode_t mode, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__file_rename(const char *from, const char *to,
                                plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__file_unlink(const char *path, plumb_error *err) PLUMB_MUST_CHECK;
bool plumb__path_exists(const char *path);
plumb_status plumb__file_size(const char *path, uint64_t *size_bytes,
                              plumb_error *err) PLUMB_MUST_CHECK;

/* Calls visit(relative path, ctx) for every non-directory below dir, sorted by path bytes.
 * A symbolic link, socket, fifo or device is PLUMB_ERR_FORMAT. At most max_files (PLUMB_ERR_LIMIT).
 */
typedef plumb_status plumb__visit_fn(const char *relative, uint64_t size_bytes, void *ctx,
                                     plumb_error *err);
plumb_status plumb__dir_walk(const char *dir, size_t max_files, plumb__visit_fn *visit, void *ctx,
                             plumb_error *err) PLUMB_MUST_CHECK;
/* Removes a directory tree (used on our own temporaries only). */
plumb_status plumb__dir_remove(const char *dir, plumb_error *err) PLUMB_MUST_CHECK;

/* An exclusive advisory lock on an existing file; *fd is closed to release it.
 * PLUMB_ERR_LOCKED when another process holds it. */
plumb_status plumb__file_lock(const char *path, int *fd, plumb_error *err) PLUMB_MUST_CHECK;

#endif
