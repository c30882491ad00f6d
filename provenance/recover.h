/* What reopening finds in a bundle, gathered before anything is changed (docs/formats/bundle.md
 * section 9). */
#ifndef PLUMB_PROVENANCE_RECOVER_H
#define PLUMB_PROVENANCE_RECOVER_H

#include "provenance/bundle_writer.h"
#include "provenance/certificate.h"
#include "provenance/graph_walk.h"
#include "provenance/history.h"
#include "provenance/seal_lines.h"

typedef struct plumb__found {
    const char *dir, *run_id;
    plumb__bytes run_json, certificates;
    plumb__certificate *certificate_list;
    size_t n_certificates;
    plumb__checkpoint head;
    plumb__seal_lines seals;
    plumb__seal_state state;
    uint64_t *segments; /* named by the last inventory */
    size_t n_segments;
    plumb__journal_summary journal;
    plumb__journal_tail tail;
    uint64_t unsealed; /* journal frames above the last inventory */
    plumb__history history;
    plumb__digests leaves; /* sorted, each once, after plumb__found_leaves */
    plumb__merkle tree;
} plumb__found;

/* Reads run.json, certificates, head, seals.jsonl; checks the head's signature. */
plumb_status plumb__found_identity(const char *dir, const char *run_id, plumb__found *f,
                                   plumb_error *err) PLUMB_MUST_CHECK;
/* Collects every leaf, checks that there is no gap and that the head's tree is the one found. */
plumb_status plumb__found_leaves(plumb__found *f, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__found_free(plumb__found *f);

#endif
