/* The recorder: a ring of bytes that the training thread fills and one thread that makes it
 * durable. Group commit, acknowledgement, seals. States and invariants: journal.c.
 *
 * Thread safety: one submitting thread; plumb__recorder_acknowledged from any. */
#ifndef PLUMB_PROVENANCE_RECORDER_H
#define PLUMB_PROVENANCE_RECORDER_H

#include "provenance/bundle_writer.h"

typedef struct plumb__recorder plumb__recorder;

/* The writer is the recorder's until plumb__recorder_stop has returned. */
plumb_status plumb__recorder_start(plumb__writer *writer, const plumb__bundle_options *options,
                                   uint64_t acknowledged, plumb__recorder **recorder,
                                   plumb_error *err) PLUMB_MUST_CHECK;

/* Room for a payload of n bytes and one spare; blocks while the ring is full, at most max_block_ms.
 * Fill it, then submit. Allocates nothing. */
plumb_status plumb__recorder_reserve(plumb__recorder *r, size_t n, uint8_t **payload,
                                     plumb_error *err) PLUMB_MUST_CHECK;
/* `acknowledge`: the watermark once this leaf is durable, for steps and rewinds. */
plumb_status plumb__recorder_submit(plumb__recorder *r, plumb__leaf_kind kind, uint64_t acknowledge,
                                    plumb_error *err) PLUMB_MUST_CHECK;
/* Waits until all that was submitted is durable; *last_leaf (may be NULL): the last one's number.
 * */
plumb_status plumb__recorder_flush(plumb__recorder *r, uint64_t *last_leaf,
                                   plumb_error *err) PLUMB_MUST_CHECK;
/* A seal behind all that was submitted; waits for it when `wait`. */
plumb_status plumb__recorder_seal(plumb__recorder *r, bool wait, plumb_error *err) PLUMB_MUST_CHECK;
uint64_t plumb__recorder_acknowledged(const plumb__recorder *r);
/* Keeps an error of the training thread's own (J8): every later call returns it. */
plumb_status plumb__recorder_fail(plumb__recorder *r, const plumb_error *error);
/* Flushes unless failed, ends the thread. The first error, if there was one. */
plumb_status plumb__recorder_stop(plumb__recorder *r, plumb_error *err);
void plumb__recorder_free(plumb__recorder *r); /* stopped, or NULL */

#endif
