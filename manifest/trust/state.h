/* The state directory, between its files and its questions.
 *
 * Invariants:
 *  P1  a pin only rises: in the number of rotations first, then in the version;
 *  P2  nothing is written without the lock, and what is read under the lock is what is replaced;
 *  P3  pins.json on disk is either the old one or the new one, whole; a byte that changed is
 *      noticed and refused, never taken for "nothing seen";
 *  P4  a run's line is durable before its bundle exists, so that no run escapes the question which
 *      runs a key or a record touched. */
#ifndef PLUMB_MANIFEST_STATE_H
#define PLUMB_MANIFEST_STATE_H

#include "base/file.h"
#include "base/json.h"
#include "manifest/plumb_state.h"

#define PLUMB__STATE_PINS_CAP ((size_t)16 << 20)
#define PLUMB__STATE_RUNS_CAP ((size_t)256 << 20)
#define PLUMB__STATE_MAX_SEEN 64 /* versions remembered of one manifest */

struct plumb_state {
    char dir[PLUMB__PATH_BYTES];
    int lock; /* -1: read only */
    json_t *pins;
};

/* Whether a file of the state is there: *path is DIR/name. What cannot be looked at is an error and
 * not absent. */
plumb_status plumb__state_has(const plumb_state *state, const char *name,
                              char path[PLUMB__PATH_BYTES], bool *there,
                              plumb_error *err) PLUMB_MUST_CHECK;
/* Replaces pins.json; P2, P3. */
plumb_status plumb__state_save(plumb_state *state, plumb_error *err) PLUMB_MUST_CHECK;
/* state_withdrawals.c: of the entry of this manifest's version. */
plumb_status plumb__state_check_withdrawals(const char *what, const json_t *entry,
                                            const plumb_manifest *m,
                                            plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__state_pin_withdrawals(json_t *entry, const plumb_manifest *m,
                                          plumb_error *err) PLUMB_MUST_CHECK;
/* Appends a run unless one of this id and path is there already; P4. The state must be locked. */
plumb_status plumb__state_add_run(plumb_state *state, const char *path, const char *run_id,
                                  const plumb_trust *trust, const plumb_manifest *manifest,
                                  plumb_error *err) PLUMB_MUST_CHECK;

#endif
