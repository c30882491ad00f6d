/* Writing a run bundle: directory, journal, seals, head. Used by runtime/ (and by tests that
 * forge). Format and order of writes: docs/formats/bundle.md.
 *
 * Thread safety: one training thread calls these; a recorder thread inside writes, syncs, seals.
 * plumb__bundle_acknowledged may be called from any thread. The recorder thread calls libhdf5 while
 * it seals; a libhdf5 without thread safety (H5is_library_threadsafe) must not be used by another
 * thread of the process meanwhile. */
#ifndef PLUMB_PROVENANCE_BUNDLE_H
#define PLUMB_PROVENANCE_BUNDLE_H

#include "manifest/plumb_key.h"
#include "manifest/plumb_manifest.h"
#include "provenance/payload.h"

typedef struct plumb__bundle plumb__bundle;

/* A row of /layers: one use of a weight. */
typedef struct plumb__layer_row {
    char name[128]; /* of the layer */
    char kind[16];  /* linear, embedding, norm, bias */
    double depth;
    uint64_t rows, cols, params;
    uint32_t weight; /* index of the weight (order of plumb_run_add_layer): uses of one share it */
    uint32_t use, n_uses;
} plumb__layer_row;

typedef struct plumb__evidence {
    const char *name; /* file name below evidence/ */
    const void *data;
    size_t size;
} plumb__evidence;

typedef struct plumb__bundle_options {
    uint32_t commit_ms;    /* group commit: at most this old, default 20 */
    uint64_t commit_bytes; /* or this large, default 4 MiB */
    uint32_t max_block_ms; /* back-pressure limit of a submit, default 10000 */
    uint64_t ring_bytes;   /* default 64 MiB, at least two steps' worth */
    uint64_t seal_steps;   /* seal after so many steps, 0: only when asked */
} plumb__bundle_options;

typedef struct plumb__bundle_start {
    const char *dir;      /* the bundle; must not exist */
    const char *run_id;   /* 32 hex digits, also inside run_json */
    const void *run_json; /* exact bytes; its "run_key" is the PEM of run_key's public half */
    size_t run_json_bytes;
    plumb_secret_key *run_key;            /* owned by the bundle from here on, also on failure */
    const plumb_secret_key *operator_key; /* borrowed for this call only */
    const plumb__evidence *evidence;
    size_t n_evidence;
    const plumb__layer_row *layers;
    size_t n_layers;
    const plumb_manifest *manifest; /* borrowed until close/free: /examples is built from it */
    plumb__bundle_options options;
} plumb__bundle_start;

/* RUN.tmp (run.json, certificates, journal/, segments/, checkpoints/, evidence/, head, lock), sync,
 * rename, sync of the parent; then the recorder thread. Errors: exists, io. Nothing is left behind
 * on failure. */
plumb_status plumb__bundle_create(const plumb__bundle_start *start, plumb__bundle **bundle,
                                  plumb_error *err) PLUMB_MUST_CHECK;

/* What reopening found. */
typedef struct plumb__bundle_state {
    bool closed;
    uint32_t attempt;            /* the highest so far */
    uint64_t steps_acknowledged; /* last step of the current attempt that is durable */
    uint64_t leaves, leaves_signed;
    uint64_t torn_bytes; /* cut from the tail of the journal */
    /* the last checkpoint of the current line of history; step UINT64_MAX when there is none */
    uint64_t checkpoint_step;
    char checkpoint_file[128]; /* below checkpoints/ */
    plumb__hash checkpoint_digest;
} plumb__bundle_state;

/* Reopens an open bundle: takes the lock, recovers the journal (invariants in journal.c), removes
 * leftovers of interrupted seals, finishes interrupted checkpoint renames. run_key and operator_key
 * as above: a certificate that names the previous head is appended. Errors: locked, corrupt (with
 * the place), state (closed; a close that was interrupted is finished first, and state->closed is
 * set). run.json is not judged here: the runtime compares it first. */
plumb_status plumb__bundle_reopen(const plumb__bundle_start *start, plumb__bundle **bundle,
                                  plumb__bundle_state *state, plumb_error *err) PLUMB_MUST_CHECK;

/* Encodes and submits; blocks while the ring is full, at most max_block_ms (PLUMB_ERR_BLOCKED).
 * After any journal error every call returns that first error. */
plumb_status plumb__bundle_step(plumb__bundle *bundle, const plumb__step *step,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* An event or a decision: canonical JSON. With leaf != NULL it waits until the leaf is durable, for
 * only the recorder gives numbers. */
plumb_status plumb__bundle_leaf(plumb__bundle *bundle, plumb__leaf_kind kind, const void *json,
                                size_t n, uint64_t *leaf, plumb_error *err) PLUMB_MUST_CHECK;
/* The number of the last durable step of the current line of history (after a rewind: its `to`);
 * thread safe. */
uint64_t plumb__bundle_acknowledged(const plumb__bundle *bundle);
/* Waits until everything submitted so far is durable. */
plumb_status plumb__bundle_flush(plumb__bundle *bundle, plumb_error *err) PLUMB_MUST_CHECK;

/* Puts a checkpoint in its place: the caller has written and synced checkpoints/NAME.tmp. Flushes,
 * submits the checkpoint leaf, waits until it is durable, renames NAME.tmp to NAME, syncs. */
plumb_status plumb__bundle_checkpoint(plumb__bundle *bundle, const char *name, uint32_t attempt,
                                      uint64_t step, uint64_t size_bytes,
                                      const plumb__hash *blake2b,
                                      plumb_error *err) PLUMB_MUST_CHECK;
/* Starts a new attempt after a resume (attempt + 1): the rewind leaf when `from` > `to`. */
plumb_status plumb__bundle_rewind(plumb__bundle *bundle, uint64_t from, uint64_t to,
                                  const plumb__hash *checkpoint, uint32_t attempt,
                                  plumb_error *err) PLUMB_MUST_CHECK;
/* Segment, inventory, signed head; the run stays open. */
plumb_status plumb__bundle_seal(plumb__bundle *bundle, plumb_error *err) PLUMB_MUST_CHECK;
/* Seal, merge into provenance.h5, final inventory and head, wipe the run key. */
plumb_status plumb__bundle_close(plumb__bundle *bundle, plumb_error *err) PLUMB_MUST_CHECK;
/* Stops the recorder after a flush attempt, wipes the key, frees. Does not close the run. */
void plumb__bundle_free(plumb__bundle *bundle);

#endif
