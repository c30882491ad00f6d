/* Aim: after SIGKILL at any moment, creation, recording, sealing, recovery and closing included:
 * acknowledged ⊆ recovered ⊆ submitted, what is recovered is a prefix with the very payloads that
 * were submitted, and the run goes on and closes.
 * Method: a forked writer submits steps, checkpoints, seals and closes by a seeded plan and reports
 * through a pipe what it is about to submit and what it saw acknowledged; the parent kills it at
 * random moments (seed printed) and reads the bundle with the reading half, which changes nothing,
 * before the next writer reopens it. The page cache outlives a kill: what power loss can tear is in
 * test_journal.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/plumb_random.h"
#include "bundle_maker.h"
#include "provenance/recover.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLS 26
#define LAST_STEP 1000000u
#define CLOSE_KILLS 14

static plumb_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        const plumb_status s_ = (call);                                                            \
        if (s_ != PLUMB_OK) fail_msg("%s: %s", #call, err.message);                                \
    } while (0)

/* A place in the history: attempts first, then steps. */
typedef struct place {
    uint32_t attempt;
    uint64_t step;
} place;

static bool before(place a, place b)
{
    return a.attempt != b.attempt ? a.attempt < b.attempt : a.step < b.step;
}

typedef enum report_kind { SUBMITTING = 1, ACKNOWLEDGED = 2, CLOSED = 3, FAILED = 4 } report_kind;

typedef struct report {
    uint32_t kind;
    place at;
} report;

/* ---- the writer, in a process of its own ---------------------------------------------------- */

typedef struct plan {
    uint64_t seed, close_after; /* close after so many steps of this process */
    bool slow;                  /* pauses between steps, so that groups differ */
} plan;

static void tell(int fd, report_kind kind, place at)
{
    const report r = {kind, at};
    if (write(fd, &r, sizeof r) != (ssize_t)sizeof r) _exit(9);
}

static void die(int fd)
{
    tell(fd, FAILED, (place){0, 0});
    fprintf(stderr, "writer: %s\n", err.message);
    _exit(8);
}

/* Creates or reopens; *at is where the history goes on, with the attempt of the steps to come. */
static plumb__bundle *writer_open(bundle_maker *m, int fd, place *at, uint64_t *watermark)
{
    plumb__bundle *bundle;
    plumb__bundle_state found;
    *at = (place){0, 0};
    if (!plumb__path_exists(m->dir)) {
        if (maker_create(m, &bundle, &err) != PLUMB_OK) die(fd);
        return bundle;
    }
    const plumb_status status = maker_reopen(m, &bundle, &found, &err);
    if (status == PLUMB_ERR_STATE && found.closed) {
        tell(fd, CLOSED, *at);
        _exit(0);
    }
    if (status != PLUMB_OK) die(fd);
    at->attempt = found.attempt + 1;
    at->step = *watermark = found.steps_acknowledged;
    if (found.checkpoint_step != UINT64_MAX && found.checkpoint_step < at->step) {
        tell(fd, SUBMITTING, (place){at->attempt, found.checkpoint_step});
        if (plumb__bundle_rewind(bundle, at->step, found.checkpoint_step, &found.checkpoint_digest,
                                 at->attempt, &err) != PLUMB_OK)
            die(fd);
        at->step = found.checkpoint_step;
    }
    return bundle;
}

static void writer_step(bundle_maker *m, plumb__bundle *bundle, int fd, const plan *p, place at)
{
    uint32_t dice[4];
    plumb_random_block(p->seed, 3, at.step * 64 + at.attempt, dice);
    tell(fd, SUBMITTING, at);
    if (maker_step(m, bundle, at.attempt, at.step, &err) != PLUMB_OK) die(fd);
    if (dice[0] % 19 == 0 && maker_checkpoint(m, bundle, at.attempt, at.step, &err) != PLUMB_OK)
        die(fd);
    if (dice[1] % 23 == 0 && plumb__bundle_seal(bundle, &err) != PLUMB_OK) die(fd);
    if (dice[2] % 7 == 0 && plumb__bundle_flush(bundle, &err) != PLUMB_OK) die(fd);
    if (p->slow) usleep(dice[3] % 1500);
}

static void writer_main(bundle_maker *m, int fd, const plan *p)
{
    place at;
    uint64_t watermark = 0;
    plumb__bundle *bundle = writer_open(m, fd, &at, &watermark);
    /* From before a rewind on, so that its first change is one of this attempt. */
    uint64_t seen = watermark, done = 0;
    while (at.step < LAST_STEP && done < p->close_after) {
        at.step++;
        done++;
        writer_step(m, bundle, fd, p, at);
        const uint64_t acknowledged = plumb__bundle_acknowledged(bundle);
        if (acknowledged != seen) tell(fd, ACKNOWLEDGED, (place){at.attempt, acknowledged});
        seen = acknowledged;
    }
    if (plumb__bundle_close(bundle, &err) != PLUMB_OK) die(fd);
    tell(fd, CLOSED, at);
    _exit(0);
}

/* ---- the parent --------------------------------------------------------------------------- */

typedef struct witness {
    place submitted, acknowledged; /* the furthest reported */
    bool closed, failed;
} witness;

/* Runs a writer and kills it after delay_us (0: lets it finish); with `recording`, counted from its
 * first step, so that slow disks do not move all kills into its opening. */
static void run_writer(bundle_maker *m, const plan *p, bool recording, unsigned delay_us,
                       witness *w)
{
    int ends[2];
    report r;
    assert_int_equal(pipe(ends), 0);
    fflush(stdout); /* the writer shall not print it again */
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        writer_main(m, ends[1], p);
    }
    close(ends[1]);
    if (delay_us > 0) {
        struct pollfd first = {.fd = ends[0], .events = POLLIN};
        if (recording) (void)poll(&first, 1, 20000);
        usleep(delay_us);
        kill(child, SIGKILL);
    }
    while (read(ends[0], &r, sizeof r) == (ssize_t)sizeof r) {
        if (r.kind == SUBMITTING && before(w->submitted, r.at)) w->submitted = r.at;
        if (r.kind == ACKNOWLEDGED && before(w->acknowledged, r.at)) w->acknowledged = r.at;
        w->closed = w->closed || r.kind == CLOSED;
        w->failed = w->failed || r.kind == FAILED;
    }
    close(ends[0]);
    waitpid(child, NULL, 0);
}

/* A pipe holds 64 KiB = 2,700 reports: the writer waits for us when it is full, so a slow one is
 * used where the parent only sleeps. */

typedef struct reading {
    const bundle_maker *m;
    place last;
    uint64_t steps;
    bool wrong;
} reading;

/* Steps come in order: the next of the attempt, or of a later attempt not beyond where the last one
 * ended. */
static void read_step(reading *r, uint32_t attempt, uint64_t step, const plumb__hash *digest)
{
    const plumb__hash want = maker_step_digest(r->m, attempt, step);
    if (!plumb__hash_equal(&want, digest)) r->wrong = true;
    const bool next = attempt == r->last.attempt && step == r->last.step + 1;
    const bool rewound = attempt > r->last.attempt && step <= r->last.step + 1;
    if (!next && !rewound) r->wrong = true;
    r->last = (place){attempt, step};
    r->steps++;
}

static plumb_status read_graph_leaf(const plumb__graph_leaf *leaf, void *ctx, plumb_error *e)
{
    (void)e;
    if (leaf->step) read_step(ctx, leaf->step->attempt, leaf->step->step, &leaf->digest);
    return PLUMB_OK;
}

typedef struct frame_reading {
    reading *reading;
    uint64_t sealed_below;
    plumb__step_arrays *arrays;
} frame_reading;

static plumb_status read_frame(const plumb__frame *frame, void *ctx, plumb_error *e)
{
    frame_reading *f = ctx;
    plumb__step step;
    if (frame->kind != PLUMB__LEAF_STEP || frame->leaf < f->sealed_below) return PLUMB_OK;
    PLUMB_TRY(plumb__step_decode(frame->payload, frame->payload_bytes, &step, &f->arrays, e));
    const plumb__hash digest = plumb__blake2b(frame->payload, frame->payload_bytes);
    read_step(f->reading, step.attempt, step.step, &digest);
    return PLUMB_OK;
}

/* What all lines together list is what a closed bundle has. */
static void check_files(const bundle_maker *m, const plumb__inventory *listed)
{
    plumb__inventory now;
    OK(plumb__inventory_collect(m->dir, NULL, &now, &err));
    assert_true(plumb__inventory_same_files(listed, &now));
    plumb__inventory_free(&now);
}

/* Reads all steps where they lie, and the place that the history has reached. */
static place read_bundle(const bundle_maker *m, plumb__seal_state *state)
{
    plumb__found found;
    reading r = {.m = m};
    char name[64];
    OK(plumb__found_identity(m->dir, m->run_id, &found, &err));
    *state = found.state;
    if (found.state != PLUMB__SEAL_CLOSED)
        OK(plumb__found_leaves(&found, &err));
    else
        check_files(m, &found.seals.last);
    if (found.state != PLUMB__SEAL_OPEN)
        OK(plumb__graph_walk(maker_path(m, "provenance.h5"), m->run_id, read_graph_leaf, &r, &err));
    for (size_t i = 0; i < found.n_segments && found.state == PLUMB__SEAL_OPEN; i++) {
        snprintf(name, sizeof name, "segments/%" PRIu64 ".h5", found.segments[i]);
        OK(plumb__graph_walk(maker_path(m, name), m->run_id, read_graph_leaf, &r, &err));
    }
    frame_reading f = {.reading = &r, .sealed_below = found.seals.last.leaf};
    if (found.state == PLUMB__SEAL_OPEN)
        OK(plumb__journal_scan(m->dir, read_frame, &f, NULL, &err));
    plumb__step_arrays_free(f.arrays);
    assert_false(r.wrong);
    /* A rewind with no step behind it has moved the history, too. */
    place at = r.last;
    if (found.state != PLUMB__SEAL_CLOSED)
        at = (place){found.history.attempt, found.history.last_step};
    plumb__found_free(&found);
    return at;
}

static uint32_t draw(uint64_t seed, uint64_t counter, uint32_t below)
{
    uint32_t words[4];
    plumb_random_block(seed, 4, counter, words);
    return words[0] % below;
}

static void check(const witness *w, place recovered)
{
    if (before(recovered, w->acknowledged) || before(w->submitted, recovered))
        fail_msg("acknowledged %u:%" PRIu64 ", recovered %u:%" PRIu64 ", submitted %u:%" PRIu64,
                 w->acknowledged.attempt, w->acknowledged.step, recovered.attempt, recovered.step,
                 w->submitted.attempt, w->submitted.step);
    assert_false(w->failed);
}

static uint64_t the_seed(void)
{
    const char *given = getenv("PLUMB_CRASH_SEED");
    return given ? strtoull(given, NULL, 10) : 20261122;
}

/* ---- the tests ---------------------------------------------------------------------------- */

static void killed_while_recording(void **state)
{
    (void)state;
    bundle_maker m;
    witness w = {0};
    plumb__seal_state sealed = PLUMB__SEAL_OPEN;
    const uint64_t seed = the_seed();
    unsigned moved = 0;
    bundle_maker_init(&m, seed);
    printf("seed %" PRIu64 " (PLUMB_CRASH_SEED)\n", seed);
    for (uint64_t kill_number = 0; kill_number < KILLS; kill_number++) {
        const plan p = {seed + kill_number, UINT64_MAX, kill_number % 3 != 0};
        const place last = w.acknowledged;
        const bool recording = kill_number % 4 != 3;
        run_writer(&m, &p, recording, 500 + draw(seed, kill_number, recording ? 90000 : 300000),
                   &w);
        if (!plumb__path_exists(m.dir)) continue; /* killed before the bundle was there */
        check(&w, read_bundle(&m, &sealed));
        assert_int_equal(sealed, PLUMB__SEAL_OPEN);
        moved += before(last, w.acknowledged);
    }
    assert_true(moved > KILLS / 3); /* the kills did hit living runs */
    const plan finish = {seed, 10, false};
    run_writer(&m, &finish, false, 0, &w);
    assert_true(w.closed);
    check(&w, read_bundle(&m, &sealed));
    assert_int_equal(sealed, PLUMB__SEAL_CLOSED);
    printf("%u of %d kills hit a run that had moved; ended at %u:%" PRIu64 "\n", moved, KILLS,
           w.submitted.attempt, w.submitted.step);
    bundle_maker_free(&m);
}

static void killed_while_closing(void **state)
{
    (void)state;
    bundle_maker m;
    witness w = {0};
    const uint64_t seed = the_seed() + 1000;
    unsigned rounds = 0;
    bundle_maker_init(&m, seed);
    plumb__seal_state sealed = PLUMB__SEAL_OPEN;
    for (; rounds < CLOSE_KILLS && sealed != PLUMB__SEAL_CLOSED; rounds++) {
        const plan p = {seed + rounds, 5, false};
        run_writer(&m, &p, true, 1000 + draw(seed, rounds, 200000), &w);
        if (!plumb__path_exists(m.dir)) continue;
        check(&w, read_bundle(&m, &sealed));
    }
    const plan p = {seed, 5, false};
    if (sealed != PLUMB__SEAL_CLOSED) run_writer(&m, &p, false, 0, &w);
    check(&w, read_bundle(&m, &sealed));
    assert_int_equal(sealed, PLUMB__SEAL_CLOSED);
    assert_false(plumb__path_exists(maker_path(&m, "segments")));
    assert_false(plumb__path_exists(maker_path(&m, "journal")));
    bundle_maker_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_while_recording),
        cmocka_unit_test(killed_while_closing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
