/* Writing HDF5 graphs: segments and provenance.h5 (schema 2, docs/formats/graph.md). Steps and
 * texts come from the journal or from segments, never from the run's memory.
 *
 * A writer belongs to one thread at a time; several threads may each have their own, beside
 * readers. Memory: a chunk of 256 KiB for each dataset; plumb__h5_finish adds 256 MiB at most for
 * the ledger and the index, 16 bytes an example, and the distinct strings of the manifest.
 *
 * A call that fails half way, on a full disk for one, ends the writer: every later call gives
 * PLUMB_ERR_STATE, and the file is to be removed after plumb__h5_close or plumb__h5_abandon. */
#ifndef PLUMB_PROVENANCE_H5_WRITER_H
#define PLUMB_PROVENANCE_H5_WRITER_H

#include "provenance/bundle.h"

typedef struct plumb__h5_writer plumb__h5_writer;

/* Creates the file (must not exist) with /layers and the empty, chunked, shuffled and deflated
 * column datasets. */
plumb_status plumb__h5_create(const char *path, const char *run_id, const plumb__layer_row *layers,
                              size_t n_layers, plumb__h5_writer **writer,
                              plumb_error *err) PLUMB_MUST_CHECK;
/* Appends one step to /steps, /units, /edges, /entropy. */
plumb_status plumb__h5_add_step(plumb__h5_writer *writer, uint64_t leaf, int64_t time_ns,
                                bool superseded, const plumb__step *step,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* Appends a text leaf to /events, /checkpoints, /seals or /decisions: its exact payload and
 * columns. */
plumb_status plumb__h5_add_text(plumb__h5_writer *writer, plumb__leaf_kind kind, uint64_t leaf,
                                int64_t time_ns, const void *payload, size_t n,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* What only provenance.h5 has: /examples from the manifest, /statements (certificates and envelope,
 * exact bytes), /ledger/spend [examples x uses], /index (example-major copies of the edges). Reads
 * the edges back from the file itself; call after the last step. */
plumb_status plumb__h5_finish(plumb__h5_writer *writer, const plumb_manifest *manifest,
                              const plumb__evidence *statements, size_t n_statements,
                              plumb_error *err) PLUMB_MUST_CHECK;
/* Flushes, closes, fsyncs the file. Frees the writer in any case. */
plumb_status plumb__h5_close(plumb__h5_writer *writer, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__h5_abandon(plumb__h5_writer *writer); /* closes without syncing; NULL is harmless */

#endif
