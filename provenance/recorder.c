/* The recorder thread and its ring (recorder.h).
 *
 * The ring holds entries, each contiguous: a meta block, room for the frame header, the payload.
 * The training thread encodes straight into it and the recorder writes straight from it, so that a
 * step is never copied. An entry that does not fit before the end is preceded by a skip entry.
 * Whenever the ring runs empty it begins again at 0: in steady state only its first pages are ever
 * touched.
 *
 * Invariants beside those of journal.c:
 *  R1  the bytes from read_at on, `used` of them, belong to the recorder, the others to the
 *  submitter;
 *  R2  an entry's bytes are given back only after its group is durable;
 *  R3  positions, counters and flags change under the lock only; the watermark is atomic for its
 *  readers. */
#include "provenance/recorder.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define ALIGNMENT 64u
#define SKIP UINT32_MAX
#define NO_ACKNOWLEDGEMENT UINT64_MAX

typedef struct entry_meta {
    uint32_t kind; /* plumb__leaf_kind or SKIP */
    uint32_t payload_bytes;
    int64_t time_ns;
    uint64_t acknowledge;
    uint64_t total; /* whole entry, a multiple of ALIGNMENT */
} entry_meta;

#define PAYLOAD_AT (ALIGNMENT + PLUMB__JOURNAL_FRAME_HEADER_BYTES)

/* One spare byte behind the payload: a plumb__bytes over it keeps room for a NUL. */
static size_t entry_bytes(size_t payload_bytes)
{
    return (PAYLOAD_AT + payload_bytes + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

_Static_assert(sizeof(entry_meta) <= ALIGNMENT, "a skip entry fits wherever the ring ends");

struct plumb__recorder {
    plumb__writer *writer;
    plumb__bundle_options options;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t work, done;

    uint8_t *ring;
    size_t ring_bytes;
    size_t write_at, read_at, used; /* R1 */
    size_t reserved_at;             /* of the entry being filled, and its payload */
    size_t reserved_payload;

    uint64_t submitted, durable; /* entries */
    uint64_t seals_wanted, seals_done;
    uint64_t first_pending_ns; /* when the oldest entry not yet durable came */
    bool urgent, stop, failed;
    uint64_t last_leaf;
    uint64_t steps_since_seal; /* the recorder's own */
    _Atomic uint64_t acknowledged;
    plumb_error error; /* the first (J8) */
};

/* ---- waiting ------------------------------------------------------------------------------ */

static struct timespec monotonic_at(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

/* False when the deadline has passed. */
static bool wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
    const struct timespec at = monotonic_at(deadline_ns);
    return pthread_cond_timedwait(cond, lock, &at) != ETIMEDOUT;
}

static plumb_status first_error(const plumb__recorder *r, plumb_error *err)
{
    if (err) *err = r->error;
    return r->error.status;
}

static void set_failed(plumb__recorder *r, const plumb_error *error)
{
    if (!r->failed) r->error = *error;
    r->failed = true;
    pthread_cond_broadcast(&r->work);
    pthread_cond_broadcast(&r->done);
}

/* ---- the submitting side ------------------------------------------------------------------ */

/* Finds contiguous room; may put a skip entry before the end. False: not yet. */
static bool find_room(plumb__recorder *r, size_t total)
{
    if (r->used == 0) r->write_at = r->read_at = 0;
    if (r->used == r->ring_bytes) return false;
    if (r->write_at < r->read_at) return r->read_at - r->write_at >= total;
    if (r->ring_bytes - r->write_at >= total) return true;
    if (r->read_at < total) return false;
    entry_meta skip = {.kind = SKIP, .total = r->ring_bytes - r->write_at};
    memcpy(r->ring + r->write_at, &skip, sizeof skip);
    r->used += skip.total;
    r->write_at = 0;
    return true;
}

plumb_status plumb__recorder_reserve(plumb__recorder *r, size_t n, uint8_t **payload,
                                     plumb_error *err)
{
    const size_t total = entry_bytes(n);
    if (n > PLUMB__MAX_PAYLOAD_BYTES || total > r->ring_bytes)
        return plumb__fail(
            err, PLUMB_ERR_LIMIT,
            "a leaf of %zu bytes does not fit into the recorder's ring of %zu bytes; "
            "raise ring_bytes",
            n, r->ring_bytes);
    plumb_status status = PLUMB_OK;
    pthread_mutex_lock(&r->lock);
    const uint64_t deadline = plumb__monotonic_ns() + (uint64_t)r->options.max_block_ms * 1000000u;
    bool in_time = true;
    while (!r->failed && !find_room(r, total)) {
        if (!in_time) {
            plumb_error blocked;
            (void)plumb__fail(&blocked, PLUMB_ERR_BLOCKED,
                              "%s: the journal did not take a step within %u ms; the disk is too "
                              "slow or stuck (max_block_ms)",
                              r->writer->dir, r->options.max_block_ms);
            set_failed(r, &blocked);
            break;
        }
        r->urgent = true;
        pthread_cond_signal(&r->work);
        in_time = wait_until(&r->done, &r->lock, deadline);
    }
    if (r->failed) status = first_error(r, err);
    r->reserved_at = r->write_at;
    r->reserved_payload = n;
    pthread_mutex_unlock(&r->lock);
    if (status == PLUMB_OK) *payload = r->ring + r->reserved_at + PAYLOAD_AT;
    return status;
}

plumb_status plumb__recorder_submit(plumb__recorder *r, plumb__leaf_kind kind, uint64_t acknowledge,
                                    plumb_error *err)
{
    const bool counts = kind == PLUMB__LEAF_STEP || kind == PLUMB__LEAF_REWIND;
    const size_t n = r->reserved_payload;
    entry_meta meta = {.kind = (uint32_t)kind,
                       .payload_bytes = (uint32_t)n,
                       .time_ns = plumb__wall_ns(),
                       .acknowledge = counts ? acknowledge : NO_ACKNOWLEDGEMENT,
                       .total = entry_bytes(n)};
    memcpy(r->ring + r->reserved_at, &meta, sizeof meta);
    pthread_mutex_lock(&r->lock);
    const bool was_idle = r->submitted == r->durable;
    if (was_idle) r->first_pending_ns = plumb__monotonic_ns();
    r->submitted++;
    r->used += meta.total;
    r->write_at = r->reserved_at + meta.total;
    if (r->write_at == r->ring_bytes) r->write_at = 0;
    if (was_idle || r->used >= r->options.commit_bytes) pthread_cond_signal(&r->work);
    const plumb_status status = r->failed ? first_error(r, err) : PLUMB_OK;
    pthread_mutex_unlock(&r->lock);
    return status;
}

plumb_status plumb__recorder_flush(plumb__recorder *r, uint64_t *last_leaf, plumb_error *err)
{
    pthread_mutex_lock(&r->lock);
    const uint64_t until = r->submitted;
    while (!r->failed && r->durable < until) {
        r->urgent = true;
        pthread_cond_signal(&r->work);
        pthread_cond_wait(&r->done, &r->lock);
    }
    const plumb_status status = r->failed ? first_error(r, err) : PLUMB_OK;
    if (last_leaf) *last_leaf = r->last_leaf;
    pthread_mutex_unlock(&r->lock);
    return status;
}

plumb_status plumb__recorder_seal(plumb__recorder *r, bool wait, plumb_error *err)
{
    pthread_mutex_lock(&r->lock);
    const uint64_t ticket = ++r->seals_wanted;
    pthread_cond_signal(&r->work);
    while (wait && !r->failed && r->seals_done < ticket)
        pthread_cond_wait(&r->done, &r->lock);
    const plumb_status status = r->failed ? first_error(r, err) : PLUMB_OK;
    pthread_mutex_unlock(&r->lock);
    return status;
}

uint64_t plumb__recorder_acknowledged(const plumb__recorder *r)
{
    return atomic_load_explicit(&r->acknowledged, memory_order_acquire);
}

plumb_status plumb__recorder_fail(plumb__recorder *r, const plumb_error *error)
{
    pthread_mutex_lock(&r->lock);
    set_failed(r, error);
    pthread_mutex_unlock(&r->lock);
    return error->status;
}

/* ---- the recorder's side ------------------------------------------------------------------ */

/* What one commit group has written. */
typedef struct group {
    size_t bytes;
    uint64_t entries, steps, acknowledge;
} group;

/* Writes the frames of all entries in `bytes` bytes of the ring and makes them durable. */
static plumb_status commit(plumb__recorder *r, size_t at, size_t bytes, group *g, plumb_error *err)
{
    plumb__writer *w = r->writer;
    *g = (group){.acknowledge = NO_ACKNOWLEDGEMENT};
    while (g->bytes < bytes) {
        entry_meta meta;
        memcpy(&meta, r->ring + at, sizeof meta);
        if (meta.kind != SKIP) {
            plumb__hash digest;
            PLUMB_TRY(plumb__journal_append(&w->journal, (plumb__leaf_kind)meta.kind, w->tree.count,
                                            meta.time_ns, r->ring + at + ALIGNMENT,
                                            meta.payload_bytes, &digest, err));
            plumb__writer_add_leaf(w, &digest); /* J6 */
            w->unsealed++;
            g->entries++;
            if (meta.kind == PLUMB__LEAF_STEP) g->steps++;
            if (meta.acknowledge != NO_ACKNOWLEDGEMENT) g->acknowledge = meta.acknowledge;
        }
        g->bytes += meta.total;
        at += meta.total;
        if (at == r->ring_bytes) at = 0;
    }
    return plumb__journal_sync(&w->journal, err);
}

/* Called with the lock held, and lets it go while the disk works. */
static void commit_pending(plumb__recorder *r)
{
    const size_t at = r->read_at, bytes = r->used;
    r->urgent = false;
    pthread_mutex_unlock(&r->lock);
    group g;
    plumb_error error;
    const plumb_status status = commit(r, at, bytes, &g, &error);
    pthread_mutex_lock(&r->lock);
    if (status != PLUMB_OK) {
        set_failed(r, &error);
        return;
    }
    r->read_at = (r->read_at + g.bytes) % r->ring_bytes; /* R2 */
    r->used -= g.bytes;
    r->durable += g.entries;
    r->last_leaf = r->writer->tree.count - 1;
    r->steps_since_seal += g.steps;
    if (r->submitted > r->durable) r->first_pending_ns = plumb__monotonic_ns();
    if (g.acknowledge != NO_ACKNOWLEDGEMENT) /* J4 */
        atomic_store_explicit(&r->acknowledged, g.acknowledge, memory_order_release);
    pthread_cond_broadcast(&r->done);
}

static void seal_now(plumb__recorder *r)
{
    const uint64_t ticket = r->seals_wanted;
    pthread_mutex_unlock(&r->lock);
    plumb_error error;
    const plumb_status status = plumb__writer_seal(r->writer, &error);
    pthread_mutex_lock(&r->lock);
    if (status != PLUMB_OK) {
        set_failed(r, &error);
        return;
    }
    r->seals_done = ticket;
    r->steps_since_seal = 0;
    pthread_cond_broadcast(&r->done);
}

static bool seal_is_due(const plumb__recorder *r)
{
    return r->seals_wanted > r->seals_done ||
           (r->options.seal_steps > 0 && r->steps_since_seal >= r->options.seal_steps);
}

/* Waits for a reason to commit; true when there is something to commit. */
static bool await_work(plumb__recorder *r)
{
    const uint64_t patience_ns = (uint64_t)r->options.commit_ms * 1000000u;
    for (;;) {
        const bool pending = r->submitted > r->durable;
        if (r->failed) {
            if (r->stop) return false;
            pthread_cond_wait(&r->work, &r->lock);
            continue;
        }
        if (pending &&
            (r->urgent || r->stop || seal_is_due(r) || r->used >= r->options.commit_bytes ||
             plumb__monotonic_ns() >= r->first_pending_ns + patience_ns))
            return true;
        if (!pending && (r->stop || seal_is_due(r))) return false;
        if (pending)
            (void)wait_until(&r->work, &r->lock, r->first_pending_ns + patience_ns);
        else
            pthread_cond_wait(&r->work, &r->lock);
    }
}

static void *recorder_main(void *ctx)
{
    plumb__recorder *r = ctx;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        if (await_work(r))
            commit_pending(r);
        else if (!r->failed && seal_is_due(r))
            seal_now(r);
        else if (r->stop)
            break;
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- beginning and end -------------------------------------------------------------------- */

/* Signals go to the customer's threads, never to ours. */
static plumb_status start_thread(plumb__recorder *r, plumb_error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    errno = pthread_create(&r->thread, NULL, recorder_main, r);
    const int code = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = code;
    if (code != 0) return plumb__fail_errno(err, "cannot start the recorder thread");
    r->running = true;
    return PLUMB_OK;
}

static plumb_status map_ring(plumb__recorder *r, uint64_t wanted_bytes, plumb_error *err)
{
    /* Mapped, not allocated: pages that no entry has reached yet cost no memory. */
    r->ring_bytes = (size_t)(wanted_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void *ring =
        mmap(NULL, r->ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED) return plumb__fail_errno(err, "no memory for the recorder's ring");
    r->ring = ring;
    return PLUMB_OK;
}

plumb_status plumb__recorder_start(plumb__writer *writer, const plumb__bundle_options *options,
                                   uint64_t acknowledged, plumb__recorder **recorder,
                                   plumb_error *err)
{
    plumb__recorder *r;
    pthread_condattr_t attributes;
    PLUMB_TRY(plumb__alloc(&r, 1, sizeof *r, "the recorder", err));
    r->writer = writer;
    r->options = *options;
    atomic_init(&r->acknowledged, acknowledged);
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&r->work, &attributes);
    pthread_cond_init(&r->done, &attributes);
    pthread_condattr_destroy(&attributes);
    plumb_status status = map_ring(r, options->ring_bytes, err);
    if (status == PLUMB_OK) status = start_thread(r, err);
    if (status != PLUMB_OK) {
        plumb__recorder_free(r);
        r = NULL;
    }
    *recorder = r;
    return status;
}

plumb_status plumb__recorder_stop(plumb__recorder *r, plumb_error *err)
{
    if (r->running) {
        pthread_mutex_lock(&r->lock);
        r->stop = true;
        pthread_cond_signal(&r->work);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
        r->running = false;
    }
    return r->failed ? first_error(r, err) : PLUMB_OK;
}

void plumb__recorder_free(plumb__recorder *r)
{
    if (!r) return;
    if (r->ring) (void)munmap(r->ring, r->ring_bytes);
    pthread_cond_destroy(&r->work);
    pthread_cond_destroy(&r->done);
    pthread_mutex_destroy(&r->lock);
    plumb__free(r);
}
