/* Aim: a journal that does not take data fails the run after max_block_ms and not before, with the
 * first error kept for ever; nothing is acknowledged that was not synced.
 * Method: the recorder writes into a pipe that nobody reads, which is a disk that is stuck; later
 * the pipe is drained, and its fdatasync (impossible on a pipe) is an error that must not replace
 * the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "provenance/recorder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static plumb_error err;

typedef struct stuck {
    plumb__writer writer;
    plumb__recorder *recorder;
    int read_end;
} stuck;

static void make_stuck(stuck *s, uint32_t max_block_ms, bool fill)
{
    int ends[2];
    char junk[4096] = {0};
    memset(s, 0, sizeof *s);
    assert_int_equal(pipe(ends), 0);
    s->read_end = ends[0];
    if (fill) {
        assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
        while (write(ends[1], junk, sizeof junk) > 0)
            continue;
        assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    }
    s->writer = (plumb__writer){.lock_fd = -1};
    s->writer.journal.fd = ends[1];
    snprintf(s->writer.dir, sizeof s->writer.dir, "RUN");
    snprintf(s->writer.journal.path, sizeof s->writer.journal.path, "RUN/journal/00000000.plj");
    plumb__merkle_init(&s->writer.tree);
    const plumb__bundle_options options = {
        .commit_ms = 1, .commit_bytes = 1 << 20, .max_block_ms = max_block_ms, .ring_bytes = 1024};
    assert_int_equal(plumb__recorder_start(&s->writer, &options, 7, &s->recorder, &err), PLUMB_OK);
}

static void free_stuck(stuck *s)
{
    close(s->read_end); /* lets a waiting write go, with EPIPE at worst */
    (void)plumb__recorder_stop(s->recorder, NULL);
    plumb__recorder_free(s->recorder);
    plumb__journal_close(&s->writer.journal);
}

static plumb_status submit(stuck *s, size_t n)
{
    uint8_t *payload;
    PLUMB_TRY(plumb__recorder_reserve(s->recorder, n, &payload, &err));
    memset(payload, 'x', n);
    return plumb__recorder_submit(s->recorder, PLUMB__LEAF_STEP, 8, &err);
}

static void a_stuck_disk_fails_the_run_after_max_block_ms(void **state)
{
    (void)state;
    stuck s;
    make_stuck(&s, 150, true);
    plumb_status status = PLUMB_OK;
    const uint64_t began = plumb__monotonic_ns();
    for (int i = 0; i < 100 && status == PLUMB_OK; i++)
        status = submit(&s, 200);
    const uint64_t took_ms = (plumb__monotonic_ns() - began) / 1000000u;
    assert_int_equal(status, PLUMB_ERR_BLOCKED);
    const char *text =
        "RUN: the journal did not take a step within 150 ms; the disk is too slow or "
        "stuck (max_block_ms)";
    assert_string_equal(err.message, text);
    assert_in_range(took_ms, 149, 10000);
    assert_int_equal(plumb__recorder_acknowledged(s.recorder), 7);
    assert_int_equal(plumb__recorder_flush(s.recorder, NULL, &err), PLUMB_ERR_BLOCKED);
    assert_int_equal(plumb__recorder_seal(s.recorder, true, &err), PLUMB_ERR_BLOCKED);
    /* The pipe gives way and fdatasync fails: the first error stays. */
    char junk[65536];
    assert_true(read(s.read_end, junk, sizeof junk) > 0);
    assert_int_equal(plumb__recorder_stop(s.recorder, &err), PLUMB_ERR_BLOCKED);
    assert_string_equal(err.message, text);
    assert_int_equal(plumb__recorder_acknowledged(s.recorder), 7);
    free_stuck(&s);
}

static void what_cannot_be_synced_is_not_acknowledged(void **state)
{
    (void)state;
    stuck s;
    make_stuck(&s, 10000, false);
    assert_int_equal(submit(&s, 200), PLUMB_OK);
    assert_int_equal(plumb__recorder_flush(s.recorder, NULL, &err), PLUMB_ERR_IO);
    assert_non_null(strstr(err.message, "RUN/journal/00000000.plj"));
    assert_int_equal(plumb__recorder_acknowledged(s.recorder), 7);
    assert_int_equal(submit(&s, 200), PLUMB_ERR_IO);
    free_stuck(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stuck_disk_fails_the_run_after_max_block_ms),
        cmocka_unit_test(what_cannot_be_synced_is_not_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
