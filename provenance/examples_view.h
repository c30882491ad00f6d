/* What a run knows of its examples, by record number: from the graph of a closed run, from the
 * manifest in evidence/ of an open one. Names of a field are coded: equal names have equal codes, 0
 * is "". */
#ifndef PLUMB_PROVENANCE_EXAMPLES_VIEW_H
#define PLUMB_PROVENANCE_EXAMPLES_VIEW_H

#include "provenance/h5_reader.h"
#include "provenance/plumb_graph.h"

typedef struct plumb__examples plumb__examples;

/* One of reader and manifest; it must outlive the view. */
plumb_status plumb__examples_open(plumb__h5_reader *reader, const plumb_manifest *manifest,
                                  plumb__examples **examples, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__examples_free(plumb__examples *examples);

uint64_t plumb__examples_count(const plumb__examples *examples);
/* PLUMB_FIELD_EXAMPLE, COHORT, BATCH, RUBRIC or DOMAIN of a record; -1 (unknown example) has code
 * 0. Loads the column at its first use. */
plumb_status plumb__examples_column(plumb__examples *examples, plumb_field field,
                                    const uint32_t **codes, plumb_error *err) PLUMB_MUST_CHECK;
/* The annotators of record i are codes[offsets[i]] … codes[offsets[i + 1] - 1]. */
plumb_status plumb__examples_annotators(plumb__examples *examples, const uint64_t **offsets,
                                        const uint32_t **codes, plumb_error *err) PLUMB_MUST_CHECK;
/* The segments of record i are rows segments[i] … segments[i + 1] - 1; the annotators of row s are
 * codes[offsets[s]] … codes[offsets[s + 1] - 1]: its own, else the record's. */
typedef struct plumb__segment_annotators {
    const uint64_t *segments, *offsets;
    const uint32_t *codes;
} plumb__segment_annotators;
plumb_status plumb__examples_segments(plumb__examples *examples, plumb__segment_annotators *out,
                                      plumb_error *err) PLUMB_MUST_CHECK;
/* The name of a code of any of these fields; borrowed. */
const char *plumb__examples_name(const plumb__examples *examples, uint32_t code);
/* The code of a name, 0 when no loaded field has it. */
uint32_t plumb__examples_code(const plumb__examples *examples, const char *name);

#endif
