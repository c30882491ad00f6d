/* The record of a run, wherever it lies: provenance.h5, or the segments and the journal of an open
 * run. Walking it visits the leaves in their order. Read only, no lock: it works beside a living
 * writer. A seal that happens meanwhile may show as a gap or a missing file; plumb__record_moved
 * then says so, and the caller opens again.
 *
 * Thread safety: one thread at a time. */
#ifndef PLUMB_PROVENANCE_RECORD_H
#define PLUMB_PROVENANCE_RECORD_H

#include "provenance/certificate.h"
#include "provenance/h5_reader.h"
#include "provenance/inventory.h"
#include "provenance/journal.h"
#include "provenance/run_json.h"

typedef struct plumb__record plumb__record;

/* A leaf behind leaf 0 (run.json, which is a file of its own). */
typedef struct plumb__record_leaf {
    plumb__leaf_kind kind;
    uint64_t leaf;
    int64_t time_ns;
    bool in_journal;         /* read from the journal */
    bool repeated;           /* a second source has this leaf too: payload only, to be compared */
    bool superseded;         /* steps: a later rewind undid it */
    bool marked_superseded;  /* steps of a file: what its flag says */
    const plumb__step *step; /* steps, else NULL */
    const void *payload;     /* the exact bytes; NULL for steps that were read from HDF5 */
    size_t n;
} plumb__record_leaf;

typedef plumb_status plumb__record_fn(const plumb__record_leaf *leaf, void *ctx, plumb_error *err);
/* Whether this step (index in the graph, its row) is to be read at all; text leaves always are. */
typedef bool plumb__record_want_fn(uint64_t index, const plumb__h5_step_row *row, void *ctx);

/* Opens what is there; run is borrowed. HDF5 files are opened after their digest is that of the
 * last inventory, and their layer table must be run.json's. */
plumb_status plumb__record_open(const char *dir, const plumb__run_json *run, plumb__record **record,
                                plumb_error *err) PLUMB_MUST_CHECK;
void plumb__record_free(plumb__record *record);

/* The open provenance.h5 of a closed run, else NULL. */
plumb__h5_reader *plumb__record_graph(plumb__record *record);
/* The last inventory, the head as it was when the record was opened, and what lies behind the last
 * whole line of seals.jsonl. */
const plumb__inventory *plumb__record_inventory(const plumb__record *record);
const plumb__bytes *plumb__record_head(const plumb__record *record);
size_t plumb__record_torn_seal(const plumb__record *record);

/* Visits the leaves in rising order; want may be NULL (everything) and is not asked about steps of
 * the journal. Stops at the first status that is not PLUMB_OK. */
plumb_status plumb__record_walk(plumb__record *record, plumb__record_want_fn *want,
                                plumb__record_fn *visit, void *ctx,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* What the last walk found in the journal. */
const plumb__journal_summary *plumb__record_journal(const plumb__record *record);
/* How often a run is read anew that is sealed while it is read: a small one may be sealed many
 * times a second. */
#define PLUMB__RECORD_RETRIES 64
/* True when the bundle's head is no longer the one that was read before: open again. */
bool plumb__record_moved(const char *dir, const plumb__bytes *head);

#endif
