/* Aim: after any torn write the journal gives back exactly the whole frames, and any damage below
 * the durable offset is refused with its place and nothing is cut; a full disk and a failing write
 * are sticky and lose nothing that was acknowledged.
 * Method: a bundle with several commit groups is left as a killed writer leaves it; its journal is
 * truncated at every byte, flipped at every byte and scanned again, and some of these are reopened
 * whole. A tmpfs of known size (where mounting is permitted) and RLIMIT_FSIZE make writes fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/plumb_random.h"
#include "bundle_maker.h"
#include "provenance/journal_write.h"
#include "provenance/recover.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#define GROUPS 6u
#define STEPS_PER_GROUP 3u

static const uint64_t seed = 4711;
static plumb_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        const plumb_status s_ = (call);                                                            \
        if (s_ != PLUMB_OK) fail_msg("%s: %s", #call, err.message);                                \
    } while (0)

/* ---- a journal as a killed writer leaves it ----------------------------------------------- */

typedef struct frames {
    const bundle_maker *m;
    uint64_t n;
    bool wrong;
    uint64_t ends[GROUPS * STEPS_PER_GROUP + 1];
} frames;

static plumb_status note_frame(const plumb__frame *frame, void *ctx, plumb_error *e)
{
    frames *f = ctx;
    (void)e;
    const plumb__hash want = maker_step_digest(f->m, 0, ++f->n);
    const plumb__hash got = plumb__blake2b(frame->payload, frame->payload_bytes);
    if (!plumb__hash_equal(&want, &got) || frame->leaf != f->n + 1) f->wrong = true;
    if (f->n <= GROUPS * STEPS_PER_GROUP) {
        const uint64_t before = f->n == 1 ? PLUMB__JOURNAL_FILE_HEADER_BYTES : f->ends[f->n - 1];
        f->ends[f->n] = before + PLUMB__JOURNAL_FRAME_HEADER_BYTES + frame->payload_bytes;
    }
    return PLUMB_OK;
}

typedef struct left_run {
    bundle_maker m;
    plumb__bytes journal; /* its only file */
    char path[400];
    uint64_t durable; /* where the last group begins */
    frames all;
} left_run;

static void make_left_run(left_run *r)
{
    plumb__bundle *bundle;
    memset(r, 0, sizeof *r);
    bundle_maker_init(&r->m, seed);
    r->m.start.options.commit_ms = 1000; /* groups are what flush makes them */
    OK(maker_create(&r->m, &bundle, &err));
    for (uint64_t i = 0; i < GROUPS * STEPS_PER_GROUP; i++) {
        OK(maker_step(&r->m, bundle, 0, i + 1, &err));
        if (i % STEPS_PER_GROUP == STEPS_PER_GROUP - 1) OK(plumb__bundle_flush(bundle, &err));
    }
    plumb__bundle_free(bundle);
    snprintf(r->path, sizeof r->path, "%s/journal/00000000.plj", r->m.dir);
    OK(plumb__file_read(r->path, 1 << 24, &r->journal, &err));
    plumb__journal_summary summary;
    r->all.m = &r->m;
    OK(plumb__journal_scan(r->m.dir, note_frame, &r->all, &summary, &err));
    assert_int_equal(summary.frames, GROUPS * STEPS_PER_GROUP);
    assert_int_equal(summary.torn_bytes, 0);
    assert_false(r->all.wrong);
    r->durable = r->all.ends[(GROUPS - 1) * STEPS_PER_GROUP];
}

static void free_left_run(left_run *r)
{
    plumb__bytes_free(&r->journal);
    bundle_maker_free(&r->m);
}

static void write_journal(const left_run *r, const uint8_t *data, size_t n)
{
    const int fd = open(r->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    OK(plumb__fd_write_all(fd, data, n, r->path, &err));
    close(fd);
}

/* One byte in place: rewriting the whole file thousands of times would wait for the disk each time.
 * */
static void write_byte(const left_run *r, size_t at, uint8_t byte)
{
    const int fd = open(r->path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

static uint64_t whole_frames_below(const left_run *r, uint64_t bytes)
{
    uint64_t n = 0;
    while (n < GROUPS * STEPS_PER_GROUP && r->all.ends[n + 1] <= bytes)
        n++;
    return n;
}

static plumb_status scan_now(const left_run *r, frames *f, plumb__journal_summary *summary)
{
    *f = (frames){.m = &r->m};
    const plumb_status status = plumb__journal_scan(r->m.dir, note_frame, f, summary, &err);
    assert_false(f->wrong);
    return status;
}

/* ---- torn --------------------------------------------------------------------------------- */

static void every_truncation_gives_the_whole_frames(void **state)
{
    (void)state;
    left_run r;
    make_left_run(&r);
    for (size_t cut = r.journal.size; cut >= PLUMB__JOURNAL_FILE_HEADER_BYTES; cut--) {
        frames f;
        plumb__journal_summary summary;
        assert_int_equal(truncate(r.path, (off_t)cut), 0);
        assert_int_equal(scan_now(&r, &f, &summary), PLUMB_OK);
        const uint64_t want = whole_frames_below(&r, cut);
        assert_int_equal(f.n, want);
        const uint64_t end = want ? r.all.ends[want] : PLUMB__JOURNAL_FILE_HEADER_BYTES;
        assert_int_equal(summary.torn_bytes, cut - end);
        assert_int_equal(summary.next_leaf, want ? want + 2 : 0);
    }
    free_left_run(&r);
}

/* Blocks of a torn write may arrive in any order: zeros, or old bytes, before good frames of the
 * group. */
static void holes_in_the_last_group_are_torn(void **state)
{
    (void)state;
    left_run r;
    make_left_run(&r);
    plumb__bytes copy = {0};
    for (size_t at = (size_t)r.durable; at < r.journal.size; at += 13) {
        plumb__bytes_clear(&copy);
        plumb__bytes_append(&copy, r.journal.data, r.journal.size);
        memset(copy.data + at, 0, r.journal.size - at < 64 ? r.journal.size - at : 64);
        write_journal(&r, copy.data, copy.size);
        frames f;
        plumb__journal_summary summary;
        assert_int_equal(scan_now(&r, &f, &summary), PLUMB_OK);
        assert_true(f.n <= whole_frames_below(&r, at + 64));
        assert_true(f.n >= (GROUPS - 1) * STEPS_PER_GROUP);
    }
    plumb__bytes_free(&copy);
    free_left_run(&r);
}

static void a_torn_tail_is_cut_and_the_run_goes_on(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        left_run r;
        plumb__bundle *bundle;
        plumb__bundle_state found;
        make_left_run(&r);
        const size_t span = r.journal.size - (size_t)r.durable;
        const size_t cut = (size_t)r.durable + (span * round) / 12 + round % 3;
        write_journal(&r, r.journal.data, cut);
        const uint64_t want = whole_frames_below(&r, cut);
        OK(maker_reopen(&r.m, &bundle, &found, &err));
        assert_int_equal(found.steps_acknowledged, want);
        assert_int_equal(found.torn_bytes, cut - r.all.ends[want]);
        OK(maker_step(&r.m, bundle, 1, want + 1, &err));
        OK(plumb__bundle_close(bundle, &err));
        plumb__bundle_free(bundle);
        free_left_run(&r);
    }
}

/* ---- damaged ------------------------------------------------------------------------------ */

static void every_flip_below_the_durable_offset_is_refused(void **state)
{
    (void)state;
    left_run r;
    make_left_run(&r);
    printf("seed %" PRIu64 ", %zu bytes, durable %" PRIu64 "\n", seed, r.journal.size, r.durable);
    for (size_t at = 0; at < r.journal.size; at++) {
        uint32_t word[4];
        frames f;
        plumb__journal_summary summary;
        plumb_random_block(seed, 2, at, word);
        const uint8_t bit = (uint8_t)(1u << (word[0] & 7));
        write_byte(&r, at, (uint8_t)(r.journal.data[at] ^ bit));
        const plumb_status status = scan_now(&r, &f, &summary);
        write_byte(&r, at, r.journal.data[at]);
        if (at < r.durable) {
            assert_int_equal(status, PLUMB_ERR_CORRUPT);
            assert_non_null(strstr(err.message, r.path));
        } else {
            assert_int_equal(status, PLUMB_OK);
            assert_int_equal(f.n, whole_frames_below(&r, at));
        }
    }
    free_left_run(&r);
}

static void damage_is_named_and_nothing_is_cut(void **state)
{
    (void)state;
    left_run r;
    plumb__bundle *bundle;
    plumb__bundle_state found;
    plumb__bytes after = {0};
    char expected[900];
    make_left_run(&r);
    const uint64_t at = r.all.ends[2];
    r.journal.data[at + 100] ^= 0x10;
    write_journal(&r, r.journal.data, r.journal.size);
    snprintf(expected, sizeof expected,
             "%s: damaged at byte %" PRIu64 " (journal offset %" PRIu64
             "), which was durable up to offset %" PRIu64
             "; nothing was cut: restore the file from a copy",
             r.path, at, at, r.durable);
    assert_int_equal(maker_reopen(&r.m, &bundle, &found, &err), PLUMB_ERR_CORRUPT);
    assert_string_equal(err.message, expected);
    assert_null(bundle);
    OK(plumb__file_read(r.path, 1 << 24, &after, &err));
    assert_int_equal(after.size, r.journal.size);
    assert_memory_equal(after.data, r.journal.data, after.size);
    plumb__bytes_free(&after);
    /* Put back, it opens. */
    r.journal.data[at + 100] ^= 0x10;
    write_journal(&r, r.journal.data, r.journal.size);
    OK(maker_reopen(&r.m, &bundle, &found, &err));
    assert_int_equal(found.steps_acknowledged, GROUPS * STEPS_PER_GROUP);
    plumb__bundle_free(bundle);
    free_left_run(&r);
}

static void fewer_leaves_than_the_head_signs_are_refused(void **state)
{
    (void)state;
    left_run r;
    plumb__bundle *bundle;
    plumb__bundle_state found;
    plumb__bytes journal = {0};
    char expected[600], segment[400];
    make_left_run(&r);
    OK(plumb__file_read(r.path, 1 << 24, &journal, &err));
    OK(maker_reopen(&r.m, &bundle, &found, &err)); /* seals the steps */
    plumb__bundle_free(bundle);
    snprintf(segment, sizeof segment, "%s/segments/0.h5", r.m.dir);
    assert_int_equal(unlink(segment), 0);
    assert_int_equal(maker_reopen(&r.m, &bundle, &found, &err), PLUMB_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, segment));
    snprintf(expected, sizeof expected, "%s/journal/00000001.plj", r.m.dir);
    assert_int_equal(access(expected, F_OK), 0); /* nothing was touched */
    plumb__bytes_free(&journal);
    free_left_run(&r);
}

static void a_foreign_file_in_the_journal_is_refused(void **state)
{
    (void)state;
    left_run r;
    char path[420], expected[600];
    frames f;
    plumb__journal_summary summary;
    make_left_run(&r);
    snprintf(path, sizeof path, "%s/journal/notes.txt", r.m.dir);
    OK(plumb__file_create(path, "x", 1, 0644, &err));
    assert_int_equal(scan_now(&r, &f, &summary), PLUMB_ERR_FORMAT);
    snprintf(expected, sizeof expected,
             "%s does not belong there: journal files are named NNNNNNNN.plj", path);
    assert_string_equal(err.message, expected);
    free_left_run(&r);
}

/* ---- writes that fail --------------------------------------------------------------------- */

/* Submits until the bundle fails; returns the last step that was acknowledged. */
static uint64_t write_until_failure(const bundle_maker *m, plumb__bundle *bundle,
                                    plumb_status *first)
{
    char message[PLUMB_ERROR_MESSAGE_BYTES];
    for (uint64_t i = 1;; i++) {
        plumb_status status = maker_step(m, bundle, 0, i, &err);
        if (status == PLUMB_OK && i % 5 == 0) status = plumb__bundle_flush(bundle, &err);
        if (status == PLUMB_OK) {
            assert_true(i < 1000000);
            continue;
        }
        *first = status;
        memcpy(message, err.message, sizeof message);
        break;
    }
    /* Every later call gives the first error (J8). */
    assert_int_equal(plumb__bundle_flush(bundle, &err), *first);
    assert_string_equal(err.message, message);
    assert_int_equal(plumb__bundle_seal(bundle, &err), *first);
    assert_int_equal(maker_checkpoint(m, bundle, 0, 1, NULL), *first);
    assert_int_equal(plumb__bundle_close(bundle, &err), *first);
    assert_string_equal(err.message, message);
    return plumb__bundle_acknowledged(bundle);
}

static void goes_on_after_failure(bundle_maker *m, uint64_t acknowledged)
{
    plumb__bundle *bundle;
    plumb__bundle_state found;
    OK(maker_reopen(m, &bundle, &found, &err));
    assert_true(found.steps_acknowledged >= acknowledged);
    OK(maker_step(m, bundle, 1, found.steps_acknowledged + 1, &err));
    OK(plumb__bundle_close(bundle, &err));
    plumb__bundle_free(bundle);
}

static void a_failing_write_is_sticky_and_loses_nothing(void **state)
{
    (void)state;
    bundle_maker m;
    plumb__bundle *bundle;
    plumb_status first;
    struct rlimit old, small;
    bundle_maker_init(&m, 12);
    OK(maker_create(&m, &bundle, &err));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 40000;
    setrlimit(RLIMIT_FSIZE, &small);
    const uint64_t acknowledged = write_until_failure(&m, bundle, &first);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(first, PLUMB_ERR_IO);
    assert_true(acknowledged > 10);
    plumb__bundle_free(bundle);
    goes_on_after_failure(&m, acknowledged);
    bundle_maker_free(&m);
}

static void a_full_disk_is_sticky_and_loses_nothing(void **state)
{
    (void)state;
    bundle_maker m;
    plumb__bundle *bundle;
    plumb_status first;
    char place[400], ballast[420];
    bundle_maker_init(&m, 13);
    snprintf(place, sizeof place, "%s/small", m.root);
    OK(plumb__dir_create(place, 0755, &err));
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", place, "tmpfs", 0, "size=1m") != 0) {
        printf("SKIP: mounting a tmpfs is not permitted here (needs root)\n");
        bundle_maker_free(&m);
        skip();
    }
    snprintf(ballast, sizeof ballast, "%s/ballast", place);
    static const char zeros[600000];
    OK(plumb__file_create(ballast, zeros, sizeof zeros, 0644, &err));
    snprintf(m.dir, sizeof m.dir, "%.200s/small/run", m.root);
    OK(maker_create(&m, &bundle, &err));
    const uint64_t acknowledged = write_until_failure(&m, bundle, &first);
    assert_int_equal(first, PLUMB_ERR_NO_SPACE);
    assert_true(acknowledged > 10);
    plumb__bundle_free(bundle);
    /* Still full: reopening cannot seal, says so, and harms nothing. */
    plumb__bundle_state found;
    assert_int_equal(maker_reopen(&m, &bundle, &found, &err), PLUMB_ERR_NO_SPACE);
    assert_int_equal(unlink(ballast), 0);
    goes_on_after_failure(&m, acknowledged);
    assert_int_equal(umount(place), 0);
    bundle_maker_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_gives_the_whole_frames),
        cmocka_unit_test(holes_in_the_last_group_are_torn),
        cmocka_unit_test(a_torn_tail_is_cut_and_the_run_goes_on),
        cmocka_unit_test(every_flip_below_the_durable_offset_is_refused),
        cmocka_unit_test(damage_is_named_and_nothing_is_cut),
        cmocka_unit_test(fewer_leaves_than_the_head_signs_are_refused),
        cmocka_unit_test(a_foreign_file_in_the_journal_is_refused),
        cmocka_unit_test(a_failing_write_is_sticky_and_loses_nothing),
        cmocka_unit_test(a_full_disk_is_sticky_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
