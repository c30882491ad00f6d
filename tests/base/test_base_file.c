/* Aim: a file is there whole or not at all, nothing is left behind, hostile names and kinds of
 * files are refused, every message names the path. Method: a scratch directory per test; real
 * failures (a full device, a file-size limit, a full tmpfs where mounting is permitted, a directory
 * without permission); exact texts. */
#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char scratch[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(scratch, sizeof scratch, "/tmp/plumb-file-XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return plumb__dir_remove(scratch, NULL) == PLUMB_OK ? 0 : -1;
}

/* A path in the scratch directory; a few may be in use at a time. */
static const char *at(const char *name)
{
    static char paths[4][PLUMB__PATH_BYTES];
    static unsigned next;
    char *path = paths[next++ % 4];
    assert_int_equal(plumb__path_join(path, scratch, name, NULL), PLUMB_OK);
    return path;
}

static void assert_content(const char *path, const char *wanted)
{
    plumb__bytes b = {0};
    plumb_error err;
    if (plumb__file_read(path, 1 << 20, &b, &err) != PLUMB_OK) fail_msg("%s", err.message);
    assert_string_equal(plumb__bytes_text(&b), wanted);
    plumb__bytes_free(&b);
}

static void assert_says(const plumb_error *err, const char *format, const char *path)
{
    char wanted[PLUMB__PATH_BYTES + 200];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(wanted, sizeof wanted, format, path, path);
#pragma GCC diagnostic pop
    assert_string_equal(err->message, wanted);
}

static plumb_status count_file(const char *relative, uint64_t size_bytes, void *ctx,
                               plumb_error *err)
{
    (void)err;
    plumb__bytes_appendf(ctx, "%s:%llu ", relative, (unsigned long long)size_bytes);
    return PLUMB_OK;
}

/* "name:size name:size " of everything in the scratch directory. */
static void assert_holds(const char *wanted)
{
    plumb__bytes list = {0};
    plumb_error err;
    if (plumb__dir_walk(scratch, 1000, count_file, &list, &err) != PLUMB_OK)
        fail_msg("%s", err.message);
    assert_string_equal(plumb__bytes_text(&list), wanted);
    plumb__bytes_free(&list);
}

static void paths_join(void **state)
{
    (void)state;
    char out[PLUMB__PATH_BYTES], lengthy[PLUMB__PATH_BYTES];
    plumb_error err;
    assert_int_equal(plumb__path_join(out, "a/b", "c", NULL), PLUMB_OK);
    assert_string_equal(out, "a/b/c");
    assert_int_equal(plumb__path_join(out, "/", "c", NULL), PLUMB_OK);
    assert_string_equal(out, "/c");
    memset(lengthy, 'x', sizeof lengthy);
    lengthy[PLUMB__PATH_BYTES - 3] = '\0';
    assert_int_equal(plumb__path_join(out, "a", lengthy, &err), PLUMB_OK);
    assert_int_equal(plumb__path_join(out, "ab", lengthy, &err), PLUMB_ERR_LIMIT);
    assert_string_equal(out, "");
    assert_memory_equal(err.message, "path too long (over 4095 bytes): xxx", 36);
}

static void reading_is_capped_and_appends(void **state)
{
    (void)state;
    plumb_error err;
    const char *path = at("f");
    assert_int_equal(plumb__file_create(path, "0123456789", 10, 0644, &err), PLUMB_OK);
    plumb__bytes b = {0};
    plumb__bytes_append_text(&b, "before ");
    assert_int_equal(plumb__file_read(path, 10, &b, &err), PLUMB_OK);
    assert_string_equal(plumb__bytes_text(&b), "before 0123456789");
    assert_int_equal(plumb__file_read(path, 9, &b, &err), PLUMB_ERR_LIMIT);
    assert_says(&err, "%s is too large: at most 9 bytes are read here", path);
    assert_string_equal(plumb__bytes_text(&b), "before 0123456789");
    plumb__alloc_fail_after(1);
    plumb__bytes none = {0};
    assert_int_equal(plumb__file_read(path, 10, &none, &err), PLUMB_ERR_NO_MEMORY);
    assert_int_equal(none.size, 0);
    plumb__bytes_free(&none);
    plumb__bytes_clear(&b);
    /* /proc says 0 bytes and has more; the cap holds there too. */
    assert_int_equal(plumb__file_read("/proc/self/stat", 1 << 16, &b, &err), PLUMB_OK);
    assert_true(b.size > 10);
    plumb__bytes_clear(&b);
    assert_int_equal(plumb__file_read("/proc/self/stat", 5, &b, &err), PLUMB_ERR_LIMIT);
    assert_int_equal(b.size, 0);
    assert_int_equal(plumb__file_read(at("none"), 5, &b, &err), PLUMB_ERR_NOT_FOUND);
    assert_says(&err, "cannot open %s: No such file or directory", at("none"));
    assert_int_equal(plumb__file_create(at("empty"), NULL, 0, 0644, &err), PLUMB_OK);
    assert_int_equal(plumb__file_read(at("empty"), 0, &b, &err), PLUMB_OK);
    assert_int_equal(b.size, 0);
    plumb__bytes_free(&b);
}

static void only_regular_files_are_read(void **state)
{
    (void)state;
    plumb_error err;
    plumb__bytes b = {0};
    assert_int_equal(plumb__file_create(at("f"), "x", 1, 0644, &err), PLUMB_OK);
    assert_int_equal(symlink("f", at("link")), 0);
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    assert_int_equal(plumb__file_read(at("link"), 10, &b, &err), PLUMB_OK);
    assert_int_equal(plumb__file_read_nofollow(at("f"), 10, &b, &err), PLUMB_OK);
    assert_int_equal(plumb__file_read_nofollow(at("link"), 10, &b, &err), PLUMB_ERR_FORMAT);
    assert_says(&err, "%s is a symbolic link, not a regular file", at("link"));
    assert_int_equal(plumb__file_read(at("fifo"), 10, &b, &err), PLUMB_ERR_FORMAT);
    assert_says(&err, "%s is not a regular file", at("fifo"));
    assert_int_equal(plumb__file_read(scratch, 10, &b, &err), PLUMB_ERR_FORMAT);
    assert_int_equal(plumb__file_read("/dev/zero", 10, &b, &err), PLUMB_ERR_FORMAT);
    uint64_t size = 77;
    assert_int_equal(plumb__file_size(scratch, &size, &err), PLUMB_ERR_FORMAT);
    assert_int_equal(plumb__file_size(at("f"), &size, &err), PLUMB_OK);
    assert_int_equal(size, 1);
    assert_int_equal(plumb__file_size(at("none"), &size, &err), PLUMB_ERR_NOT_FOUND);
    plumb__bytes_free(&b);
}

static void writing_replaces_whole_files(void **state)
{
    (void)state;
    plumb_error err;
    assert_int_equal(plumb__file_write_atomic(at("f"), "one", 3, 0600, &err), PLUMB_OK);
    assert_content(at("f"), "one");
    /* What has a name like a temporary's is left alone. */
    assert_int_equal(plumb__file_create(at("f.tmp"), "kept", 4, 0644, &err), PLUMB_OK);
    assert_int_equal(plumb__file_write_atomic(at("f"), "three", 5, 0644, &err), PLUMB_OK);
    assert_content(at("f"), "three");
    assert_content(at("f.tmp"), "kept");
    assert_holds("f:5 f.tmp:4 ");
    struct stat st;
    assert_int_equal(plumb__file_write_atomic(at("k"), "secret", 6, 0600, &err), PLUMB_OK);
    assert_int_equal(stat(at("k"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void creating_refuses_what_exists(void **state)
{
    (void)state;
    plumb_error err;
    assert_int_equal(plumb__file_create(at("f"), "one", 3, 0644, &err), PLUMB_OK);
    assert_int_equal(plumb__file_create(at("f"), "two", 3, 0644, &err), PLUMB_ERR_EXISTS);
    assert_says(&err, "%s exists already and is not overwritten", at("f"));
    assert_content(at("f"), "one");
    assert_int_equal(symlink("nowhere", at("dangling")), 0);
    assert_int_equal(plumb__file_create(at("dangling"), "two", 3, 0644, &err), PLUMB_ERR_EXISTS);
    assert_int_equal(unlink(at("dangling")), 0);
    assert_holds("f:3 ");
}

static void failures_leave_nothing(void **state)
{
    (void)state;
    plumb_error err;
    assert_int_equal(plumb__file_write_atomic(at("none/f"), "x", 1, 0644, &err),
                     PLUMB_ERR_NOT_FOUND);
    assert_says(&err, "cannot create a temporary file for %s: No such file or directory",
                at("none/f"));
    assert_int_equal(plumb__dir_create(at("d"), 0755, &err), PLUMB_OK);
    assert_int_equal(plumb__dir_create(at("d"), 0755, &err), PLUMB_ERR_EXISTS);
    assert_says(&err, "cannot create the directory %s: File exists", at("d"));
    /* A directory in the way of the rename. */
    assert_int_equal(plumb__file_write_atomic(at("d"), "x", 1, 0644, &err), PLUMB_ERR_IO);
    assert_holds("");
    char path[PLUMB__PATH_BYTES];
    memset(path, 'x', sizeof path);
    path[PLUMB__PATH_BYTES - 3] = '\0';
    assert_int_equal(plumb__file_write_atomic(path, "x", 1, 0644, &err), PLUMB_ERR_LIMIT);
}

/* In a child: a file-size limit makes write(2) fail half way. Exit code 0 = as it should be. */
static int write_beyond_limit(void)
{
    const struct rlimit limit = {4096, 4096};
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 10;
    static char data[10000];
    plumb_error err;
    if (plumb__file_write_atomic(at("f"), data, sizeof data, 0644, &err) != PLUMB_ERR_IO) return 1;
    if (err.os_errno != EFBIG) return 2;
    if (plumb__file_create(at("g"), data, sizeof data, 0644, &err) != PLUMB_ERR_IO) return 3;
    return 0;
}

/* In a child: a tmpfs of 64 KiB of its own. 77 = mounting is not permitted here. */
static int write_on_full_disk(void)
{
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
    if (mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) != 0) return 77;
    if (mount("tmpfs", scratch, "tmpfs", 0, "size=64k") != 0) return 77;
    static char data[100000];
    plumb_error err;
    if (plumb__file_write_atomic(at("f"), "small", 5, 0644, &err) != PLUMB_OK) return 1;
    if (plumb__file_write_atomic(at("f"), data, sizeof data, 0644, &err) != PLUMB_ERR_NO_SPACE)
        return 2;
    char wanted[200];
    (void)snprintf(wanted, sizeof wanted, "cannot write %s/f: No space left on device", scratch);
    if (strcmp(err.message, wanted) != 0) return 3;
    plumb__bytes b = {0};
    if (plumb__file_read(at("f"), 10, &b, &err) != PLUMB_OK || b.size != 5) return 4;
    plumb__bytes_free(&b);
    if (plumb__dir_walk(scratch, 1000, count_file, &b, &err) != PLUMB_OK) return 5;
    return strcmp(plumb__bytes_text(&b), "f:5 ") == 0 ? 0 : 6;
}

static int in_child(int (*work)(void))
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(work());
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Many writers at once: each writes the path as a whole, again and again. */
static int write_often(void)
{
    static char data[70000];
    plumb_error err;
    memset(data, 'a' + getpid() % 26, sizeof data);
    for (int i = 0; i < 30; i++) {
        if (plumb__file_write_atomic(at("f"), data, sizeof data, 0644, &err) == PLUMB_OK) continue;
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}

static void assert_one_writers(const char *path, char *first)
{
    plumb__bytes b = {0};
    plumb_error err;
    assert_int_equal(plumb__file_read(path, 100000, &b, &err), PLUMB_OK);
    assert_int_equal(b.size, 70000);
    *first = (char)b.data[0];
    assert_memory_equal(b.data, b.data + 1, b.size - 1);
    plumb__bytes_free(&b);
}

static void writers_at_once_share_no_temporary(void **state)
{
    (void)state;
    pid_t writers[3];
    char first = 0;
    for (size_t i = 0; i < 3; i++) {
        writers[i] = fork();
        assert_true(writers[i] >= 0);
        if (writers[i] == 0) _exit(write_often());
    }
    for (size_t i = 0; i < 3; i++) {
        int status = 0;
        while (waitpid(writers[i], &status, WNOHANG) == 0) {
            if (plumb__path_exists(at("f"))) assert_one_writers(at("f"), &first);
        }
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_one_writers(at("f"), &first);
    assert_holds("f:70000 ");
}

static void temporaries_are_known_by_name(void **state)
{
    (void)state;
    assert_true(plumb__file_is_temporary("f.123-0a1b2c3d.tmp", "f"));
    static const char *const others[] = {"f.tmp",
                                         "f.123-0a1b2c3.tmp",
                                         "f.123-0a1b2c3d.tmp2",
                                         "g",
                                         "f.-0a1b2c3d.tmp",
                                         "f.123-0A1B2C3D.tmp",
                                         "f",
                                         "",
                                         "f.x.123-0a1b2c3d.tmp",
                                         "f.123-0a1b2c3d4.tmp"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(plumb__file_is_temporary(others[i], "f"));
    }
}

static void a_failed_write_keeps_the_old_file(void **state)
{
    (void)state;
    assert_int_equal(plumb__file_create(at("f"), "old", 3, 0644, NULL), PLUMB_OK);
    assert_int_equal(in_child(write_beyond_limit), 0);
    assert_content(at("f"), "old");
    assert_holds("f:3 ");
}

static void a_full_device_is_told_as_such(void **state)
{
    (void)state;
    const int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    plumb_error err;
    assert_int_equal(plumb__fd_write_all(fd, "x", 1, "/dev/full", &err), PLUMB_ERR_NO_SPACE);
    assert_string_equal(err.message, "cannot write /dev/full: No space left on device");
    assert_int_equal(err.os_errno, ENOSPC);
    (void)close(fd);
}

static void a_full_disk_keeps_the_old_file(void **state)
{
    (void)state;
    const int code = in_child(write_on_full_disk);
    if (code == 77) {
        print_message("skipped: mounting a tmpfs is not permitted here\n");
        skip();
    }
    assert_int_equal(code, 0);
}

static void reads_at_an_offset_see_the_end(void **state)
{
    (void)state;
    plumb_error err;
    assert_int_equal(plumb__file_create(at("f"), "0123456789", 10, 0644, &err), PLUMB_OK);
    int fd = -1;
    uint64_t size = 0;
    assert_int_equal(plumb__file_open(at("f"), true, &fd, &size, &err), PLUMB_OK);
    assert_int_equal(size, 10);
    char data[8];
    assert_int_equal(plumb__fd_read_at(fd, data, 4, 6, "f", &err), PLUMB_OK);
    assert_memory_equal(data, "6789", 4);
    assert_int_equal(plumb__fd_read_at(fd, data, 4, 7, "f", &err), PLUMB_ERR_TRUNCATED);
    assert_string_equal(err.message, "f ends at offset 10, 1 bytes before it should");
    assert_int_equal(plumb__fd_read_at(fd, data, 4, UINT64_MAX, "f", &err), PLUMB_ERR_TRUNCATED);
    assert_int_equal(plumb__fd_read_at(fd, data, 0, 10, "f", &err), PLUMB_OK);
    assert_int_equal(plumb__fd_read_at(-1, data, 1, 0, "f", &err), PLUMB_ERR_IO);
    assert_int_equal(plumb__fd_sync(fd, "f", &err), PLUMB_OK);
    assert_int_equal(plumb__fd_datasync(fd, "f", &err), PLUMB_OK);
    (void)close(fd);
    assert_int_equal(plumb__fd_sync(-1, "f", &err), PLUMB_ERR_IO);
    assert_string_equal(err.message, "cannot sync f to disk: Bad file descriptor");
}

static void names_change_and_go(void **state)
{
    (void)state;
    plumb_error err;
    assert_int_equal(plumb__file_create(at("a"), "x", 1, 0644, &err), PLUMB_OK);
    assert_int_equal(plumb__file_rename(at("a"), at("b"), &err), PLUMB_OK);
    assert_false(plumb__path_exists(at("a")));
    assert_true(plumb__path_exists(at("b")));
    assert_int_equal(plumb__file_rename(at("a"), at("b"), &err), PLUMB_ERR_NOT_FOUND);
    assert_int_equal(plumb__file_unlink(at("b"), &err), PLUMB_OK);
    assert_int_equal(plumb__file_unlink(at("b"), &err), PLUMB_ERR_NOT_FOUND);
    assert_says(&err, "cannot remove %s: No such file or directory", at("b"));
    assert_int_equal(plumb__dir_sync(scratch, &err), PLUMB_OK);
    assert_int_equal(plumb__dir_sync(at("none"), &err), PLUMB_ERR_NOT_FOUND);
    assert_int_equal(plumb__dir_remove(at("none"), &err), PLUMB_ERR_NOT_FOUND);
}

static void walks_are_sorted_by_whole_path(void **state)
{
    (void)state;
    const char *const dirs[] = {"b", "b/x", "a-", "empty"};
    const char *const files[] = {"b/x/2", "b/x/10", "b.txt", "a", "a-/z", "b/\xc3\xa9", "B"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        assert_int_equal(plumb__dir_create(at(dirs[i]), 0755, NULL), PLUMB_OK);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_int_equal(plumb__file_create(at(files[i]), "xxxxxxx", i, 0644, NULL), PLUMB_OK);
    assert_holds("B:6 a:3 a-/z:4 b.txt:2 b/x/10:1 b/x/2:0 b/\xc3\xa9:5 ");
    plumb_error err;
    plumb__bytes list = {0};
    assert_int_equal(plumb__dir_walk(scratch, 11, count_file, &list, &err), PLUMB_OK);
    plumb__bytes_clear(&list);
    assert_int_equal(plumb__dir_walk(scratch, 10, count_file, &list, &err), PLUMB_ERR_LIMIT);
    assert_says(&err, "%s holds more than 10 files", scratch);
    assert_int_equal(list.size, 0);
    for (long n = 1; n < 12; n++) { /* every allocation fails once; the sanitizer looks for leaks */
        plumb__alloc_fail_after(n);
        const plumb_status status = plumb__dir_walk(scratch, 100, count_file, &list, &err);
        assert_true(status == PLUMB_ERR_NO_MEMORY || list.failed || n > 8);
        plumb__alloc_fail_after(0);
        plumb__bytes_clear(&list);
    }
    plumb__bytes_free(&list);
}

static plumb_status refuse(const char *relative, uint64_t size_bytes, void *ctx, plumb_error *err)
{
    (void)size_bytes;
    ++*(unsigned *)ctx;
    return plumb__fail(err, PLUMB_ERR_POLICY, "not %s", relative);
}

static void walks_refuse_links_and_special_files(void **state)
{
    (void)state;
    plumb_error err;
    unsigned calls = 0;
    assert_int_equal(plumb__dir_create(at("d"), 0755, NULL), PLUMB_OK);
    assert_int_equal(plumb__file_create(at("d/f"), "x", 1, 0644, NULL), PLUMB_OK);
    assert_int_equal(plumb__file_create(at("g"), "x", 1, 0644, NULL), PLUMB_OK);
    assert_int_equal(plumb__dir_walk(scratch, 10, refuse, &calls, &err), PLUMB_ERR_POLICY);
    assert_string_equal(err.message, "not d/f");
    assert_int_equal(calls, 1);
    assert_int_equal(symlink("/etc", at("d/link")), 0);
    assert_int_equal(plumb__dir_walk(scratch, 10, refuse, &calls, &err), PLUMB_ERR_FORMAT);
    assert_says(&err, "%s/d/link is a symbolic link; only regular files belong here", scratch);
    assert_int_equal(unlink(at("d/link")), 0);
    assert_int_equal(mkfifo(at("d/fifo"), 0600), 0);
    assert_int_equal(plumb__dir_walk(scratch, 10, refuse, &calls, &err), PLUMB_ERR_FORMAT);
    assert_says(&err, "%s/d/fifo is a special file; only regular files belong here", scratch);
    assert_int_equal(calls, 1);
    assert_int_equal(plumb__dir_walk(at("none"), 10, refuse, &calls, &err), PLUMB_ERR_NOT_FOUND);
    assert_says(&err, "cannot read the directory %s: No such file or directory", at("none"));
    assert_int_equal(plumb__dir_walk(at("g"), 10, refuse, &calls, &err), PLUMB_ERR_IO);
    char deep[PLUMB__PATH_BYTES];
    (void)snprintf(deep, sizeof deep, "%s", at("d"));
    for (int i = 0; i < 33; i++) {
        strcat(deep, "/n");
        assert_int_equal(mkdir(deep, 0755), 0);
    }
    assert_int_equal(unlink(at("d/fifo")), 0);
    assert_int_equal(plumb__dir_walk(scratch, 100, refuse, &calls, &err), PLUMB_ERR_LIMIT);
    assert_says(&err, "%s is nested deeper than 32 directories", scratch);
}

static void removing_a_tree_follows_no_link(void **state)
{
    (void)state;
    assert_int_equal(plumb__dir_create(at("t"), 0755, NULL), PLUMB_OK);
    assert_int_equal(plumb__dir_create(at("t/u"), 0755, NULL), PLUMB_OK);
    assert_int_equal(plumb__dir_create(at("kept"), 0755, NULL), PLUMB_OK);
    assert_int_equal(plumb__file_create(at("kept/f"), "x", 1, 0644, NULL), PLUMB_OK);
    assert_int_equal(symlink("../../kept", at("t/u/link")), 0);
    plumb_error err;
    assert_int_equal(plumb__dir_remove(at("t"), &err), PLUMB_OK);
    assert_holds("kept/f:1 ");
}

static int lock_again(void)
{
    int fd = -1;
    plumb_error err;
    const plumb_status status = plumb__file_lock(at("lock"), &fd, &err);
    char wanted[200];
    (void)snprintf(wanted, sizeof wanted,
                   "%s/lock is held by another process; wait until it has finished", scratch);
    if (status == PLUMB_OK) return 1;
    return status == PLUMB_ERR_LOCKED && fd == -1 && strcmp(err.message, wanted) == 0 ? 0 : 2;
}

static void locks_exclude(void **state)
{
    (void)state;
    int fd = -1;
    plumb_error err;
    assert_int_equal(plumb__file_lock(at("lock"), &fd, &err), PLUMB_ERR_NOT_FOUND);
    assert_int_equal(plumb__file_create(at("lock"), NULL, 0, 0644, &err), PLUMB_OK);
    assert_int_equal(plumb__file_lock(at("lock"), &fd, &err), PLUMB_OK);
    assert_int_equal(in_child(lock_again), 0);
    (void)close(fd);
    assert_int_equal(in_child(lock_again), 1);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_join),
        IN_SCRATCH(reading_is_capped_and_appends),
        IN_SCRATCH(only_regular_files_are_read),
        IN_SCRATCH(writing_replaces_whole_files),
        IN_SCRATCH(creating_refuses_what_exists),
        IN_SCRATCH(failures_leave_nothing),
        IN_SCRATCH(a_failed_write_keeps_the_old_file),
        IN_SCRATCH(writers_at_once_share_no_temporary),
        IN_SCRATCH(temporaries_are_known_by_name),
        cmocka_unit_test(a_full_device_is_told_as_such),
        IN_SCRATCH(a_full_disk_keeps_the_old_file),
        IN_SCRATCH(reads_at_an_offset_see_the_end),
        IN_SCRATCH(names_change_and_go),
        IN_SCRATCH(walks_are_sorted_by_whole_path),
        IN_SCRATCH(walks_refuse_links_and_special_files),
        IN_SCRATCH(removing_a_tree_follows_no_link),
        IN_SCRATCH(locks_exclude),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
