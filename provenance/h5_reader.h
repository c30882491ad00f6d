/* Reading HDF5 graphs as untrusted files: the caller has checked the file's digest or accepts that
 * nobody has; either way no shape, link, filter or type is believed before it is checked.
 *
 * A reader belongs to one thread at a time, also for calls that take it as const; several threads
 * may each have their own, beside writers (h5_common.h has the lock). What it lends lives until it
 * is freed unless said otherwise. Memory: the tables of layers, steps and texts; 8 MiB of steps
 * read ahead; each column of examples that was asked for. */
#ifndef PLUMB_PROVENANCE_H5_READER_H
#define PLUMB_PROVENANCE_H5_READER_H

#include "provenance/bundle.h"

typedef struct plumb__h5_reader plumb__h5_reader;

/* Refuses: soft/external links, external storage, virtual datasets, filters other than shuffle,
 * deflate, fletcher32, references, unexpected types or shapes, sizes above the caps of graph.md.
 */
plumb_status plumb__h5_open(const char *path, plumb__h5_reader **reader,
                            plumb_error *err) PLUMB_MUST_CHECK;
void plumb__h5_reader_free(plumb__h5_reader *reader);

const char *plumb__h5_run_id(const plumb__h5_reader *reader);
size_t plumb__h5_layer_count(const plumb__h5_reader *reader);
const plumb__layer_row *plumb__h5_layers(const plumb__h5_reader *reader);
uint64_t plumb__h5_step_count(const plumb__h5_reader *reader);
uint64_t plumb__h5_unit_count(const plumb__h5_reader *reader);

typedef struct plumb__h5_step_row {
    uint64_t leaf, step, first_row;
    int64_t time_ns;
    uint32_t attempt, units, units_declared;
    bool superseded;
    double loss, lr;
} plumb__h5_step_row;
/* All rows of /steps, loaded once; borrowed. */
const plumb__h5_step_row *plumb__h5_steps(const plumb__h5_reader *reader);

/* Step i in columns, ready for plumb__step_encode: bit for bit what was recorded. Reads ahead in
 * blocks, so that walking i upward is cheap. Pointers live until the next call. */
plumb_status plumb__h5_step(plumb__h5_reader *reader, uint64_t i, plumb__step *step,
                            plumb_error *err) PLUMB_MUST_CHECK;

typedef struct plumb__h5_text {
    plumb__leaf_kind kind;
    uint64_t leaf;
    int64_t time_ns;
    const char *payload;
    size_t n;
} plumb__h5_text;
/* All text leaves sorted by leaf; borrowed. */
size_t plumb__h5_text_count(const plumb__h5_reader *reader);
const plumb__h5_text *plumb__h5_texts(const plumb__h5_reader *reader);

/* Of provenance.h5 only (count 0 / NOT_FOUND in a segment). */
uint64_t plumb__h5_example_count(const plumb__h5_reader *reader);
/* A string column of /examples by name ("id", "label", "batch", "cohort", "rubric", "domain",
 * "source", "template", "parent", "profile", "component", …), resolved through its dictionary:
 * values[i] borrowed,
 * "" = none. */
plumb_status plumb__h5_example_strings(plumb__h5_reader *reader, const char *name,
                                       const char *const **values,
                                       plumb_error *err) PLUMB_MUST_CHECK;
/* CSR of annotators: offsets[n+1], codes, and the dictionary. Borrowed. */
plumb_status plumb__h5_example_annotators(plumb__h5_reader *reader, const uint64_t **offsets,
                                          const uint32_t **codes, const char *const **names,
                                          size_t *n_names, plumb_error *err) PLUMB_MUST_CHECK;
/* The segments of all examples: those of example e are rows offsets[e] … offsets[e + 1] - 1.
 * Annotators of row s are annotators[annotator_offsets[s]] …, codes of the dictionary that
 * plumb__h5_example_annotators hands out. component[s] is "" where it has none. Borrowed. */
typedef struct plumb__h5_segments {
    size_t n;
    uint64_t *offsets, *from, *to, *annotator_offsets;
    uint8_t *kind;
    double *weight;
    const char **profile, **component;
    uint32_t *annotators;
} plumb__h5_segments;
plumb_status plumb__h5_example_segments(plumb__h5_reader *reader, const plumb__h5_segments **out,
                                        plumb_error *err) PLUMB_MUST_CHECK;
/* Ledger rows [first, first+n) x uses into out. */
plumb_status plumb__h5_ledger(plumb__h5_reader *reader, uint64_t first, uint64_t n, float *out,
                              plumb_error *err) PLUMB_MUST_CHECK;
/* Example-major index: rows of /units of one example, and the copied edges beside. *n_rows may be
 * 0. */
plumb_status plumb__h5_example_rows(plumb__h5_reader *reader, uint32_t example,
                                    const uint64_t **rows, uint64_t *n_rows,
                                    plumb_error *err) PLUMB_MUST_CHECK;
/* Checks that /index and /ledger are what /units and /edges say (full verification). */
plumb_status plumb__h5_check_index(plumb__h5_reader *reader, plumb_error *err) PLUMB_MUST_CHECK;
/* Exact bytes of a statement stored in /statements by name; borrowed. NOT_FOUND when absent. */
plumb_status plumb__h5_statement(plumb__h5_reader *reader, const char *name, const void **data,
                                 size_t *n, plumb_error *err) PLUMB_MUST_CHECK;

#endif
