/* A small run for the tests of bundles: layers, keys, a signed manifest, run.json, steps that are
 * always the same for the same (seed, attempt, step). */
#ifndef PLUMB_TESTS_BUNDLE_MAKER_H
#define PLUMB_TESTS_BUNDLE_MAKER_H

#include "provenance/bundle.h"
#include "step_maker.h"

#define BUNDLE_USES 4u
#define BUNDLE_EXAMPLES 20u

typedef struct bundle_maker {
    char root[256]; /* a fresh directory, removed by free */
    char dir[300];  /* root/run */
    char run_id[33];
    uint64_t seed;
    plumb_secret_key *operator_key;
    plumb_trust *trust;
    plumb_manifest *manifest;
    plumb__layer_row layers[BUNDLE_USES];
    plumb__bytes run_json, envelope;
    plumb__evidence evidence[1];
    plumb__bundle_start start; /* run_key is filled by each create or reopen */
} bundle_maker;

void bundle_maker_init(bundle_maker *m, uint64_t seed);
void bundle_maker_free(bundle_maker *m);
/* Each takes a fresh run key. */
plumb_status maker_create(bundle_maker *m, plumb__bundle **bundle, plumb_error *err);
plumb_status maker_reopen(bundle_maker *m, plumb__bundle **bundle, plumb__bundle_state *state,
                          plumb_error *err);
/* Submits step `number` of this attempt. */
plumb_status maker_step(const bundle_maker *m, plumb__bundle *bundle, uint32_t attempt,
                        uint64_t number, plumb_error *err);
/* Digest of that step's payload. */
plumb__hash maker_step_digest(const bundle_maker *m, uint32_t attempt, uint64_t number);
/* Writes checkpoints/NAME.tmp and puts it in place through the bundle. */
plumb_status maker_checkpoint(const bundle_maker *m, plumb__bundle *bundle, uint32_t attempt,
                              uint64_t step, plumb_error *err);
/* Path of a file below the bundle, in a static buffer. */
const char *maker_path(const bundle_maker *m, const char *name);

#endif
