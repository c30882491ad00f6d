/* A small world to run in: keys, a trust store, a signed manifest and a policy in a fresh
 * directory, and what was recorded, read back from the bundle. Failures end the test at once
 * (cmocka assertions). */
#ifndef PLUMB_TESTS_RUNTIME_HARNESS_H
#define PLUMB_TESTS_RUNTIME_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "provenance/payload.h"
#include "runtime/plumb.h"

typedef struct world {
    char dir[128], trust[160], policy[160], manifest_path[160], out[160];
    plumb_secret_key *root, *operator_key, *stranger, *vendor;
    plumb_trust *store;
    plumb_manifest *manifest;
} world;

/* policy_fields: JSON fields after "plumb_policy":1, e.g. ",\"budgets\":{…}", or "". */
void world_open(world *w, const char *records, const char *policy_fields);
/* The same with a taxonomy (JSON) in the manifest; NULL: none. */
void world_open_under(world *w, const char *records, const char *taxonomy,
                      const char *policy_fields);
void world_policy(world *w, const char *policy_fields);
void world_close(world *w);

/* A config for this world: max_units 16, max_rows 512, seed 7, horizon 100, RUN in w->out. */
plumb_run_config world_config(world *w);
/* A created run, not started. */
plumb_run *world_run(world *w);
void must(plumb_status status, const plumb_error *err);
/* Asserts that the call failed with this status and this exact message. */
void must_fail(plumb_status status, plumb_status wanted, const plumb_error *err,
               const char *message);
/* The path NAME inside the world, in a static buffer. */
const char *world_path(const world *w, const char *name);

plumb_layer *add_layer(plumb_run *run, const char *name, plumb_layer_kind kind, uint64_t rows,
                       uint64_t cols, plumb_place place, uint32_t block);

/* All steps of a bundle (superseded ones too) in order, each with its canonical payload; and the
 * texts of its events. */
typedef struct recorded {
    size_t n, n_texts;
    plumb__step step[256];
    plumb__step_arrays *arrays[256];
    plumb__bytes payload[256];
    plumb__bytes text[256];
} recorded;
recorded *recorded_read(const char *dir);
void recorded_free(recorded *r);

#endif
