/* The stages of verification, in the order in which plumb_bundle_verify runs them. Each returns the
 * first thing that does not hold; verify.c says what can be relied on all the same. */
#ifndef PLUMB_PROVENANCE_VERIFY_H
#define PLUMB_PROVENANCE_VERIFY_H

#include "manifest/policy.h"
#include "provenance/operators.h"
#include "provenance/plumb_graph.h"
#include "provenance/record.h"

/* A file of the bundle as it was found, with the digest of all its bytes. */
typedef struct plumb__found_file {
    char *name; /* owned */
    uint64_t size_bytes;
    plumb__hash blake2b;
} plumb__found_file;

typedef struct plumb__verify {
    const char *dir;
    const plumb_trust *trust; /* NULL: signer not checked */
    const char *manifest_path;
    bool full;
    uint64_t step; /* the rules of this step alone; 0: see full */

    plumb__bytes run_bytes, head_bytes, certificate_bytes;
    plumb__run_json run;
    plumb__operators certificates;
    plumb__checkpoint head;
    size_t head_signer;
    plumb__record *record;
    plumb__found_file *found; /* by name */
    size_t n_found, found_capacity;
    plumb__hash *leaves; /* data of each leaf: BLAKE2b-256 of its payload */
    size_t n_leaves, leaf_capacity;
    plumb__policy policy;
    plumb_manifest *manifest; /* NULL: its records are not at hand */

    uint64_t steps, units, edges_checked;
    plumb__bytes notes; /* what is tolerated in an open run, one line each */
} plumb__verify;

void plumb__verify_free(plumb__verify *v);
/* The state of the last inventory; but `closed` only once the head covers it: a writer that died
 * between the two left a run that is merged, and still to be closed. */
plumb__seal_state plumb__verify_state(const plumb__verify *v);
plumb_status plumb__verify_read(plumb__verify *v, const char *name, size_t cap_bytes,
                                plumb__bytes *out, plumb_error *err) PLUMB_MUST_CHECK;

/* 1. run.json, certificates, head; opens the record. */
plumb_status plumb__verify_identity(plumb__verify *v, plumb_error *err) PLUMB_MUST_CHECK;
/* 2. The directory against the last inventory; every file is hashed whole. */
plumb_status plumb__verify_files(plumb__verify *v, plumb_error *err) PLUMB_MUST_CHECK;
const plumb__found_file *plumb__verify_found(const plumb__verify *v, const char *name);
/* One listed file alone, for readers that need no other. */
plumb_status plumb__verify_listed(plumb__verify *v, const char *name,
                                  plumb_error *err) PLUMB_MUST_CHECK;
/* 3. Every leaf's payload encoded again; the tree against the head and the certificates. */
plumb_status plumb__verify_leaves(plumb__verify *v, plumb_error *err) PLUMB_MUST_CHECK;
/* 4. evidence/ against run.json, in three parts. The manifest is opened under the trust store as of
 * the run's start; v->manifest stays NULL when its records are neither in evidence/ nor given. */
plumb_status plumb__verify_policy(plumb__verify *v, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__verify_manifest(plumb__verify *v, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__verify_layers(plumb__verify *v, plumb_error *err) PLUMB_MUST_CHECK;
/* 5. Checkpoint files against their leaves. */
plumb_status plumb__verify_checkpoints(plumb__verify *v, plumb_error *err) PLUMB_MUST_CHECK;
/* 6. The rules: masks and limits of sampled or all steps; with `full` also the run ledger, the
 * reference scales, the columns that are derived, and the index. Does nothing without a manifest.
 */
plumb_status plumb__verify_rules(plumb__verify *v, plumb_error *err) PLUMB_MUST_CHECK;

#endif
