/* Reading a run bundle: verify, show, query. Changes nothing on disk.
 * Formats: docs/formats/bundle.md, docs/formats/graph.md. */
#ifndef PLUMB_GRAPH_H
#define PLUMB_GRAPH_H

#include "manifest/plumb_trust.h"

#include <stdbool.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- verify ------------------------------------------------------------------------------ */

typedef struct plumb_verify_options {
    uint32_t size, version;
    const plumb_trust *trust; /* NULL: signer not checked, and the report says so */
    bool full;                /* recompute every mask, limit, reference scale and the ledger */
    uint64_t step;            /* judge the rules of this step alone; 0: of all or sampled ones */
    bool require_closed;
    const char *manifest_path; /* envelope of records too large for evidence/; NULL: none */
} plumb_verify_options;
PLUMB_API void plumb_verify_options_default(plumb_verify_options *options);

typedef struct plumb_verify_report {
    uint32_t size, version;
    bool holds, closed, signer_checked;
    bool rules_checked; /* masks and limits were recomputed: all with `full`, else of sampled steps
                         */
    uint64_t leaves, leaves_signed, steps, units, files, edges_checked;
    char run_id[33],
        operator_keyid[PLUMB_KEYID_TEXT_BYTES];    /* "" when the signer was not checked */
    char notes[1024];                              /* what is tolerated in an open run, by lines */
    char first_problem[PLUMB_ERROR_MESSAGE_BYTES]; /* "" when it holds */
    char still_trustworthy[256];                   /* what can be relied on all the same */
} plumb_verify_report;

/* The status is PLUMB_OK when verification ran and `holds` is true; otherwise the status that fits
 * the first problem, with its message in err and report (trust, signature, digest, corrupt,
 * mismatch, state when require_closed and open; io when it could not be read). */
PLUMB_API plumb_status plumb_bundle_verify(const char *dir, const plumb_verify_options *options,
                                           plumb_verify_report *report,
                                           plumb_error *err) PLUMB_MUST_CHECK;

/* ---- show and query ------------------------------------------------------------------------ */

typedef struct plumb_graph plumb_graph;

/* Opens a closed bundle's graph, or an open bundle's segments and journal (read only, no lock). The
 * bundle's own head is checked; with trust NULL the signer is not. */
PLUMB_API plumb_status plumb_graph_open(const char *dir, const plumb_trust *trust,
                                        plumb_graph **graph, plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_graph_free(plumb_graph *graph);

typedef struct plumb_graph_info {
    uint32_t size, version;
    const char *run_id; /* borrowed */
    bool closed, signer_checked;
    uint64_t steps_acknowledged, steps_signed, steps_superseded, units, layers, examples,
        examples_seen, checkpoints, events;
    double first_loss, last_loss;
    double masked_share, clipped_share;
} plumb_graph_info;
/* Walks over the record once. A run that is being written may have moved on since it was opened. */
PLUMB_API plumb_status plumb_graph_describe(plumb_graph *graph, plumb_graph_info *info,
                                            plumb_error *err) PLUMB_MUST_CHECK;

/* A row of the layer table, one per use of a weight; strings are borrowed. i < layers. */
typedef struct plumb_graph_layer {
    const char *name, *kind;
    double depth;
    uint64_t rows, cols, params;
} plumb_graph_layer;
PLUMB_API plumb_graph_layer plumb_graph_layer_at(const plumb_graph *graph, size_t i);

/* An entry of the run ledger: what one example has spent at one weight. */
typedef struct plumb_graph_entry {
    const char *example, *layer;   /* borrowed */
    double spend_nats, limit_nats; /* limit: INFINITY none, NaN not known */
} plumb_graph_entry;
/* The entries nearest to their limit (where no limit is known: the largest), at most n; *found of
 * them are written, the tightest first. */
PLUMB_API plumb_status plumb_graph_tightest(plumb_graph *graph, size_t n, plumb_graph_entry *out,
                                            size_t *found, plumb_error *err) PLUMB_MUST_CHECK;

typedef enum plumb_field {
    PLUMB_FIELD_EXAMPLE,
    PLUMB_FIELD_ANNOTATOR,
    PLUMB_FIELD_COHORT,
    PLUMB_FIELD_BATCH,
    PLUMB_FIELD_RUBRIC,
    PLUMB_FIELD_DOMAIN,
    PLUMB_FIELD_LAYER,
    PLUMB_FIELD_STEP
} plumb_field;
PLUMB_API bool plumb_field_parse(const char *name, plumb_field *field);
PLUMB_API const char *plumb_field_name(plumb_field field);

/* Filters are ANDed; NULL = no filter. `layer` is a glob. Steps from..to inclusive, 0:0 = all. */
typedef struct plumb_query {
    uint32_t size, version;
    const char *example, *annotator, *cohort, *batch, *rubric, *domain, *layer;
    uint64_t step_from, step_to;
    plumb_field by[2];
    uint32_t n_by; /* 0: one total row */
    uint64_t top;  /* 0: all; else the rows with the largest spend */
} plumb_query;
PLUMB_API void plumb_query_default(plumb_query *query);

typedef struct plumb_query_row {
    const char *group[2]; /* names; "" beyond n_by; borrowed from the result */
    double units; /* distinct (step, unit) pairs; 1/k for each of k annotators when grouped */
    double spend_nats, share, masked_share, clipped_share, mean_norm;
} plumb_query_row;

typedef struct plumb_result plumb_result;
PLUMB_API plumb_status plumb_graph_query(plumb_graph *graph, const plumb_query *query,
                                         plumb_result **result, plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API size_t plumb_result_count(const plumb_result *result);
PLUMB_API const plumb_query_row *plumb_result_row(const plumb_result *result, size_t i);
PLUMB_API void plumb_result_free(plumb_result *result);

#ifdef __cplusplus
}
#endif
#endif
