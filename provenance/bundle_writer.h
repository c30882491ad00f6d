/* The sequential half of a bundle's writer: everything that touches the directory, without threads.
 * The recorder thread owns it while it runs (recorder.h); before and after, the training thread
 * does. States and invariants: journal.c. Inside provenance/ only. */
#ifndef PLUMB_PROVENANCE_BUNDLE_WRITER_H
#define PLUMB_PROVENANCE_BUNDLE_WRITER_H

#include "manifest/proofs/merkle.h"
#include "provenance/bundle.h"
#include "provenance/inventory.h"
#include "provenance/journal_write.h"

#define PLUMB__MAX_RUN_FILE_BYTES ((size_t)64 << 20) /* run.json */

typedef struct plumb__writer {
    char dir[PLUMB__PATH_BYTES];
    char run_id[PLUMB__RUN_ID_BYTES + 1];
    int lock_fd;               /* held until the end (J12); -1: none */
    plumb_secret_key *run_key; /* owned */
    plumb__layer_row *layers;  /* owned */
    size_t n_layers;
    const plumb_manifest *manifest; /* borrowed; NULL: the run cannot be closed */
    plumb__journal journal;
    plumb__merkle tree;    /* its count is the next leaf number (J6) */
    plumb__inventory last; /* what seals.jsonl says; n_files 0: nothing yet */
    bool has_last;
    uint64_t next_segment;
    uint64_t unsealed; /* leaves in the journal above the last inventory */
} plumb__writer;

/* Adds a leaf's digest to the tree; its number is the count before. */
void plumb__writer_add_leaf(plumb__writer *w, const plumb__hash *payload_digest);
/* Collects the files, appends the line, syncs, replaces the head. Nothing is written when the state
 * and the files are those of the last inventory and the head covers every leaf. */
plumb_status plumb__writer_inventory(plumb__writer *w, plumb__seal_state state,
                                     plumb_error *err) PLUMB_MUST_CHECK;
/* Segment (if there are leaves), inventory, head, next journal file. Everything in the journal must
 * be durable. */
plumb_status plumb__writer_seal(plumb__writer *w, plumb_error *err) PLUMB_MUST_CHECK;
/* Seal, provenance.h5, inventories, head. Goes on where an interrupted close stopped. */
plumb_status plumb__writer_close(plumb__writer *w, plumb_error *err) PLUMB_MUST_CHECK;
/* The second half of a close, from the `merged` inventory on. */
plumb_status plumb__writer_finish_close(plumb__writer *w, plumb_error *err) PLUMB_MUST_CHECK;
/* Releases lock, key and memory. */
void plumb__writer_free(plumb__writer *w);

/* Fills w from start: copies and checks what create and reopen share. */
plumb_status plumb__writer_init(plumb__writer *w, const plumb__bundle_start *start,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* bundle_create.c: the new directory, renamed into place and locked. */
plumb_status plumb__writer_create(plumb__writer *w, const plumb__bundle_start *start,
                                  plumb_error *err) PLUMB_MUST_CHECK;
/* recover.c: an existing one, locked, repaired, certified under the new run key and sealed. */
plumb_status plumb__writer_reopen(plumb__writer *w, const plumb__bundle_start *start,
                                  plumb__bundle_state *state, plumb_error *err) PLUMB_MUST_CHECK;

/* A line for `certificates`: start->run_key certified by start->operator_key; previous may be NULL.
 * */
plumb_status plumb__writer_certify(const plumb__bundle_start *start, const void *run_json,
                                   size_t run_json_bytes, uint64_t previous_size,
                                   const plumb__hash *previous_root, plumb__bytes *out,
                                   plumb_error *err) PLUMB_MUST_CHECK;

#endif
