/* Directories: create, sync, walk in a fixed order, remove. */
#include "base/alloc.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_WALK_DEPTH 32

plumb_status plumb__dir_create(const char *path, mode_t mode, plumb_error *err)
{
    return mkdir(path, mode) == 0 ? PLUMB_OK
                                  : plumb__fail_errno(err, "cannot create the directory %s", path);
}

plumb_status plumb__dir_sync(const char *path, plumb_error *err)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return plumb__fail_errno(err, "cannot open the directory %s", path);
    const plumb_status status = plumb__fd_sync(fd, path, err);
    (void)close(fd);
    return status;
}

/* ---- walk ---- */

typedef struct found_file {
    char *relative;
    uint64_t size_bytes;
} found_file;

typedef struct walk {
    const char *dir;
    size_t max_files, entries; /* entries counts directories too, which must not be free */
    found_file *files;
    size_t count, capacity;
} walk;

static plumb_status walk_into(walk *w, int parent_fd, const char *name, const char *prefix,
                              int depth, plumb_error *err);

static plumb_status add_file(walk *w, const char *relative, uint64_t size_bytes, plumb_error *err)
{
    PLUMB_TRY(plumb__grow(&w->files, &w->capacity, w->count + 1, sizeof *w->files,
                          "a list of files", err));
    PLUMB_TRY(plumb__strdup(&w->files[w->count].relative, relative, err));
    w->files[w->count++].size_bytes = size_bytes;
    return PLUMB_OK;
}

static plumb_status walk_entry(walk *w, int dir_fd, const char *name, const char *prefix, int depth,
                               plumb_error *err)
{
    if (w->entries++ >= w->max_files)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s holds more than %zu files", w->dir,
                           w->max_files);
    char relative[PLUMB__PATH_BYTES];
    if (prefix[0])
        PLUMB_TRY(plumb__path_join(relative, prefix, name, err));
    else
        (void)snprintf(relative, sizeof relative, "%s", name);
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return plumb__fail_errno(err, "cannot inspect %s/%s", w->dir, relative);
    if (S_ISREG(st.st_mode)) return add_file(w, relative, (uint64_t)st.st_size, err);
    if (S_ISDIR(st.st_mode)) return walk_into(w, dir_fd, name, relative, depth + 1, err);
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s/%s is %s; only regular files belong here", w->dir,
                       relative, S_ISLNK(st.st_mode) ? "a symbolic link" : "a special file");
}

/* Opens each directory relative to its parent and follows no link, so that what was inspected is
 * what is walked. */
static plumb_status walk_into(walk *w, int parent_fd, const char *name, const char *prefix,
                              int depth, plumb_error *err)
{
    if (depth > MAX_WALK_DEPTH)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s is nested deeper than %d directories", w->dir,
                           MAX_WALK_DEPTH);
    /* The walk's root may be a link that the user gave; nothing below may. */
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (depth > 0 ? O_NOFOLLOW : 0);
    const int fd = openat(parent_fd, name, flags);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        const plumb_status status = plumb__fail_errno(err, "cannot read the directory %s%s%s",
                                                      w->dir, prefix[0] ? "/" : "", prefix);
        if (fd >= 0) (void)close(fd);
        return status;
    }
    plumb_status status = PLUMB_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            if (errno != 0) status = plumb__fail_errno(err, "cannot read the directory %s", w->dir);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        status = walk_entry(w, fd, entry->d_name, prefix, depth, err);
        if (status != PLUMB_OK) break;
    }
    (void)closedir(dir);
    return status;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const found_file *)a)->relative, ((const found_file *)b)->relative);
}

plumb_status plumb__dir_walk(const char *dir, size_t max_files, plumb__visit_fn *visit, void *ctx,
                             plumb_error *err)
{
    walk w = {.dir = dir, .max_files = max_files};
    plumb_status status;
    PLUMB_TRY_CLEAN(walk_into(&w, AT_FDCWD, dir, "", 0, err));
    if (w.count > 0) qsort(w.files, w.count, sizeof *w.files, by_path);
    for (size_t i = 0; i < w.count; i++)
        PLUMB_TRY_CLEAN(visit(w.files[i].relative, w.files[i].size_bytes, ctx, err));
cleanup:
    for (size_t i = 0; i < w.count; i++)
        plumb__free(w.files[i].relative);
    plumb__free(w.files);
    return status;
}

/* ---- remove ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

plumb_status plumb__dir_remove(const char *dir, plumb_error *err)
{
    /* Depth first, following no link. */
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0) return PLUMB_OK;
    return plumb__fail_errno(err, "cannot remove the directory %s", dir);
}
