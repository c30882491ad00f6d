/* Aim: a manifest's files may be anything that a file system holds and may lie behind links: what
 * is no good is refused at once with a message that says what it is, and signing writes through no
 * link. Method: links, directories, fifos, devices, files of /proc and endless sparse files in the
 * place of each file; limits on descriptors and rights; records moved, added and dropped. */
#include "manifest_fixture.h"

#include "base/hash.h"
#include "base/text.h"
#include "manifest/manifest_object.h"
#include "manifest/notices/withdrawal.h"
#include "manifest/plumb_withdrawal.h"
#include "manifest/proofs/note.h"
#include "manifest/trust/trust_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
#define CONTENT "\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11}"
#define RECORD(id) "{\"id\":\"" id "\"," CONTENT "}\n"
#define SALT "000102030405060708090a0b0c0d0e0f"
#define PRIVATE_LINE "{\"id\":\"a\",\"salt\":\"" SALT "\",\"text\":\"t\"}"

static const char *const parts[] = {"records.plumb.json", "records.jsonl", "records.checkpoint",
                                    "records.private.jsonl", "records.withdrawals"};
enum { PARTS = sizeof parts / sizeof *parts };

static plumb_status open_it(const fixture *f, plumb_manifest **m, plumb_error *err)
{
    plumb_trust *trust = open_trust(f, "trust.json");
    const plumb_status status =
        plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, m, err);
    plumb_trust_free(trust);
    return status;
}

static void assert_opens(const fixture *f)
{
    plumb_manifest *m = NULL;
    assert_works(open_it(f, &m, err));
    plumb_manifest_free(m);
}

/* `expected` without the folder, which opens the message unless it begins with "cannot". */
static void assert_refused(const fixture *f, plumb_status expected_status, const char *format,
                           const char *name)
{
    char message[1200], tail[600];
    plumb_manifest *m = NULL;
    snprintf(tail, sizeof tail, format, name);
    if (strncmp(tail, "cannot open ", 12) == 0) {
        snprintf(message, sizeof message, "cannot open %s/%s", f->dir, tail + 12);
    } else {
        snprintf(message, sizeof message, "%s/%s", f->dir, tail);
    }
    assert_fails(open_it(f, &m, err), expected_status, message);
    assert_null(m);
}

static void clear(const fixture *f)
{
    for (int i = 0; i < PARTS; i++) {
        (void)remove(fixture_path(f, parts[i]));
    }
}

/* A whole manifest: records, private lines, envelope, checkpoint, withdrawals. */
static void make_whole(const fixture *f)
{
    uint8_t salt[16];
    char record[400], hex[PLUMB__HASH_HEX_BYTES];
    plumb__hasher h;
    clear(f);
    assert_true(plumb__hex_decode(SALT, 32, salt));
    plumb__hash_init(&h, PLUMB__SHA256);
    plumb__hash_update(&h, salt, sizeof salt);
    plumb__hash_update(&h, PRIVATE_LINE, strlen(PRIVATE_LINE));
    const plumb__hash digest = plumb__hash_final(&h);
    plumb__hash_hex(&digest, hex);
    snprintf(record, sizeof record, "{\"id\":\"a\",\"private\":\"%s\"}\n", hex);
    write_text(fixture_path(f, "records.private.jsonl"), PRIVATE_LINE "\n");
    sign_records(f, record, NULL);
    plumb_withdraw_options options;
    const char *id = "a";
    plumb_withdraw_options_default(&options);
    options.ids = &id;
    options.n_ids = 1;
    assert_works(plumb_manifest_withdraw(fixture_path(f, "records.plumb.json"), f->vendor, NULL,
                                         &options, NULL, err));
    assert_opens(f);
}

/* Moves the part aside and puts a link to `target` (NULL: the moved file) in its place. */
static void put_link(const fixture *f, const char *part, const char *target)
{
    (void)unlink(fixture_path(f, "moved"));
    assert_int_equal(rename(fixture_path(f, part), fixture_path(f, "moved")), 0);
    assert_int_equal(symlink(target != NULL ? target : "moved", fixture_path(f, part)), 0);
}

/* What a link leads to is checked like the file itself, so that it may be anywhere. */
static void links_are_followed(void **state)
{
    const fixture *f = *state;
    for (int i = 0; i < PARTS; i++) {
        make_whole(f);
        put_link(f, parts[i], NULL);
        assert_opens(f);
    }
}

/* A link that leads nowhere is not the same as no file: the checkpoint's and the private lines'
 * absence would mean something. */
static void links_to_nowhere(void **state)
{
    const fixture *f = *state;
    for (int i = 0; i < PARTS; i++) {
        make_whole(f);
        put_link(f, parts[i], "nowhere");
        assert_refused(f, PLUMB_ERR_NOT_FOUND, "cannot open %s: No such file or directory",
                       parts[i]);
        make_whole(f);
        put_link(f, parts[i], parts[i]);
        assert_refused(f, PLUMB_ERR_IO, "cannot open %s: Too many levels of symbolic links",
                       parts[i]);
    }
}

/* None of these may block, be read without end, or be taken for a file. */
static void no_regular_files(void **state)
{
    const fixture *f = *state;
    static const char *const targets[] = {"/", "/dev/zero", "/dev/null"};
    for (int i = 0; i < PARTS; i++) {
        make_whole(f);
        (void)remove(fixture_path(f, parts[i]));
        assert_int_equal(mkfifo(fixture_path(f, parts[i]), 0600), 0);
        assert_refused(f, PLUMB_ERR_FORMAT, "%s is not a regular file", parts[i]);
        for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
            make_whole(f);
            put_link(f, parts[i], targets[t]);
            assert_refused(f, PLUMB_ERR_FORMAT, "%s is not a regular file", parts[i]);
        }
        make_whole(f);
        (void)remove(fixture_path(f, parts[i]));
        assert_int_equal(mkdir(fixture_path(f, parts[i]), 0700), 0);
        assert_refused(f, PLUMB_ERR_FORMAT, "%s is not a regular file", parts[i]);
        assert_int_equal(rmdir(fixture_path(f, parts[i])), 0);
    }
}

/* Files of /proc say that they have no bytes. */
static void files_of_proc(void **state)
{
    const fixture *f = *state;
    struct stat st;
    if (stat("/proc/self/cmdline", &st) != 0 || st.st_size != 0) {
        print_message("skipped: /proc is not mounted here\n");
        skip();
    }
    make_whole(f);
    const long size = stat(fixture_path(f, "records.jsonl"), &st) == 0 ? (long)st.st_size : 0;
    char expected[200];
    snprintf(expected, sizeof expected, "%%s: has 0 bytes, %ld were signed: the file was cut short",
             size);
    put_link(f, "records.jsonl", "/proc/self/cmdline");
    assert_refused(f, PLUMB_ERR_TRUNCATED, expected, "records.jsonl");
    make_whole(f);
    put_link(f, "records.plumb.json", "/proc/self/cmdline");
    assert_refused(f, PLUMB_ERR_TRUNCATED, "%s: does not end in a line end: the file is cut short",
                   "records.plumb.json");
}

/* A file of 5 TB that takes no room; false where the file system cannot. */
static bool put_endless(const fixture *f, const char *name)
{
    const off_t size = (off_t)5 << 40;
    struct stat st;
    (void)remove(fixture_path(f, name));
    const int fd = open(fixture_path(f, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    const bool ok = ftruncate(fd, size) == 0 && fstat(fd, &st) == 0 && st.st_blocks < 1000;
    assert_int_equal(close(fd), 0);
    return ok;
}

static void endless_files(void **state)
{
    const fixture *f = *state;
    char message[600];
    struct stat st;
    plumb_trust *trust = NULL;
    if (!put_endless(f, "endless")) {
        print_message("skipped: this file system makes no sparse files of 5 TB\n");
        skip();
    }
    make_whole(f);
    assert_int_equal(stat(fixture_path(f, "records.jsonl"), &st), 0);
    assert_true(put_endless(f, "records.jsonl"));
    snprintf(message, sizeof message,
             "%%s: has 5497558138880 bytes, %ld were signed: the file was added to",
             (long)st.st_size);
    assert_refused(f, PLUMB_ERR_DIGEST, message, "records.jsonl");
    static const struct {
        const char *part;
        size_t limit;
    } limits[] = {{"records.plumb.json", PLUMB__ENVELOPE_CAP},
                  {"records.checkpoint", PLUMB__NOTE_CAP},
                  {"records.private.jsonl", (size_t)16 << 30},
                  {"records.withdrawals", PLUMB__WITHDRAWALS_CAP}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        make_whole(f);
        assert_true(put_endless(f, limits[i].part));
        snprintf(message, sizeof message, "%%s is too large: at most %zu bytes are read here",
                 limits[i].limit);
        assert_refused(f, PLUMB_ERR_LIMIT, message, limits[i].part);
    }
    snprintf(message, sizeof message, "%s/endless is too large: at most %zu bytes are read here",
             f->dir, PLUMB__TRUST_FILE_CAP);
    assert_fails(plumb_trust_open(fixture_path(f, "endless"), &trust, err), PLUMB_ERR_LIMIT,
                 message);
    clear(f);
}

/* Signing replaces a link by a file; it never writes to where the link leads. (Temporaries have
 * names that nobody can foresee: test_base_file.) */
static void signing_writes_through_no_link(void **state)
{
    const fixture *f = *state;
    static const char *const links[] = {"records.plumb.json", "records.checkpoint"};
    static const char precious[] = "precious";
    plumb_sign_options options = sign_defaults();
    clear(f);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        plumb__bytes after;
        struct stat st;
        sign_records(f, RECORD("a"), NULL);
        write_text(fixture_path(f, "victim"), precious);
        (void)remove(fixture_path(f, "records.plumb.json"));
        (void)remove(fixture_path(f, "records.checkpoint"));
        assert_int_equal(symlink("victim", fixture_path(f, links[i])), 0);
        plumb_error err = {0};
        const plumb_status status =
            plumb_manifest_sign(fixture_path(f, "records.jsonl"), f->vendor, &options, &err);
        read_bytes(fixture_path(f, "victim"), &after);
        assert_int_equal(after.size, strlen(precious));
        assert_memory_equal(after.data, precious, after.size);
        plumb__bytes_free(&after);
        if (status == PLUMB_OK) {
            assert_opens(f);
            assert_int_equal(lstat(fixture_path(f, "records.plumb.json"), &st), 0);
            assert_true(S_ISREG(st.st_mode));
        } else {
            /* An envelope is read before it gets a signature more. */
            assert_int_equal(i, 0);
            char message[600];
            snprintf(message, sizeof message,
                     "%s/records.plumb.json: does not end in a line end: the file is cut short",
                     f->dir);
            assert_string_equal(err.message, message);
        }
        (void)remove(fixture_path(f, links[i]));
    }
}

/* Who has not the right to read is told so; the superuser reads everything, so another user asks.
 */
static void unreadable_files(void **state)
{
    const fixture *f = *state;
    make_whole(f);
    assert_int_equal(chmod(f->dir, 0755), 0);
    for (int i = 0; i < PARTS; i++) {
        assert_int_equal(chmod(fixture_path(f, parts[i]), 0), 0);
        (void)fflush(stdout);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            plumb_manifest *m = NULL;
            plumb_trust *trust = NULL;
            plumb_error err = {0};
            char expected[600];
            snprintf(expected, sizeof expected, "cannot open %s/%s: Permission denied", f->dir,
                     parts[i]);
            if (geteuid() == 0 && setuid(65534) != 0) _exit(3);
            if (plumb_trust_open(fixture_path(f, "trust.json"), &trust, &err) != PLUMB_OK) {
                _exit(4);
            }
            const plumb_status status =
                plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, &m, &err);
            plumb_trust_free(trust);
            _exit(status == PLUMB_ERR_IO && strcmp(err.message, expected) == 0 ? 0 : 1);
        }
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(chmod(fixture_path(f, parts[i]), 0644), 0);
        if (WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 4) {
            print_message("skipped: no other user can be asked here\n");
            skip();
        }
        assert_int_equal(status, 0);
    }
}

/* No descriptors left: an error with its reason; and none was lost by it. */
static void no_descriptors(void **state)
{
    const fixture *f = *state;
    struct rlimit limit, none;
    plumb_manifest *m = NULL;
    make_whole(f);
    plumb_trust *trust = open_trust(f, "trust.json");
    const char *path = fixture_path(f, "records.plumb.json");
    const int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(next >= 0);
    assert_int_equal(close(next), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int spare = 0; spare < 3; spare++) {
        plumb_error err = {0};
        none = limit;
        none.rlim_cur = (rlim_t)(next + spare);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        const plumb_status status = plumb_manifest_open(path, trust, NULL, &m, &err);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        if (status == PLUMB_OK) {
            assert_true(spare > 0);
            plumb_manifest_free(m);
            continue;
        }
        assert_int_equal(status, PLUMB_ERR_IO);
        assert_non_null(strstr(err.message, "Too many open files"));
        assert_null(m);
    }
    const int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(after, next);
    assert_int_equal(close(after), 0);
    plumb_trust_free(trust);
}

/* ---- other records than those that were signed ---- */

static void put_records(const fixture *f, const char *text)
{
    write_text(fixture_path(f, "records.jsonl"), text);
}

static void records_moved_added_dropped(void **state)
{
    const fixture *f = *state;
    static const char changed[] = "%s: is not the file that was signed (SHA-256 differs): restore "
                                  "it, or sign it as a new version";
    clear(f);
    sign_records(f, RECORD("a") RECORD("b") RECORD("c"), NULL);
    put_records(f, RECORD("b") RECORD("a") RECORD("c"));
    assert_refused(f, PLUMB_ERR_DIGEST, changed, "records.jsonl");
    put_records(f, RECORD("a") RECORD("b") RECORD("b"));
    assert_refused(f, PLUMB_ERR_DIGEST, changed, "records.jsonl");
    put_records(f, RECORD("a") RECORD("b") "{\"id\":\"c\"," CONTENT "}\r");
    assert_refused(f, PLUMB_ERR_DIGEST, changed, "records.jsonl");
    put_records(f, RECORD("a") RECORD("b") RECORD("c") RECORD("d"));
    assert_refused(f, PLUMB_ERR_DIGEST, "%s: has 440 bytes, 330 were signed: the file was added to",
                   "records.jsonl");
    put_records(f, RECORD("a") RECORD("c"));
    assert_refused(f, PLUMB_ERR_TRUNCATED,
                   "%s: has 220 bytes, 330 were signed: the file was cut short", "records.jsonl");
    put_records(f, "");
    assert_refused(f, PLUMB_ERR_TRUNCATED,
                   "%s: has 0 bytes, 330 were signed: the file was cut short", "records.jsonl");
    put_records(f, RECORD("a") RECORD("b") RECORD("c"));
    assert_opens(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_followed),
        cmocka_unit_test(links_to_nowhere),
        cmocka_unit_test(no_regular_files),
        cmocka_unit_test(files_of_proc),
        cmocka_unit_test(endless_files),
        cmocka_unit_test(signing_writes_through_no_link),
        cmocka_unit_test(unreadable_files),
        cmocka_unit_test(no_descriptors),
        cmocka_unit_test(records_moved_added_dropped),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
