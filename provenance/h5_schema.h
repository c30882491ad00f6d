/* Schema 2 of the graph as one table: every dataset with its type, shape, unit and meaning. The
 * writer creates from it, the reader refuses whatever differs from it; docs/formats/graph.md is its
 * prose. */
#ifndef PLUMB_PROVENANCE_H5_SCHEMA_H
#define PLUMB_PROVENANCE_H5_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLUMB__H5_SCHEMA 2
/* Longer strings of the manifest stand in the graph as "blake2b:" and the hex digest of their
 * bytes. */
#define PLUMB__H5_MAX_STRING 4096u
#define PLUMB__H5_MAX_UNITS (UINT64_C(1) << 31)
#define PLUMB__H5_MAX_STEPS (UINT64_C(1) << 28)
#define PLUMB__H5_MAX_EXAMPLES (UINT64_C(1) << 31)
#define PLUMB__H5_MAX_STEP_EDGES (UINT64_C(1) << 28)
#define PLUMB__H5_MAX_TEXTS (UINT64_C(1) << 24)
#define PLUMB__H5_MAX_TEXT_BYTES (UINT64_C(256) << 20) /* payloads of one group together */
#define PLUMB__H5_MAX_LINKS 64u                        /* of one group */
#define PLUMB__H5_MAX_STATEMENTS PLUMB__H5_MAX_LINKS
#define PLUMB__H5_MAX_STATEMENT_BYTES (UINT64_C(256) << 20)
#define PLUMB__H5_MAX_CHUNK_BYTES (UINT64_C(16) << 20)

typedef enum plumb__h5_type {
    PLUMB__H5_U8,
    PLUMB__H5_U16,
    PLUMB__H5_U32,
    PLUMB__H5_U64,
    PLUMB__H5_I32,
    PLUMB__H5_I64,
    PLUMB__H5_F32,
    PLUMB__H5_F64,
    PLUMB__H5_NORM16,
    PLUMB__H5_F16,
    PLUMB__H5_STRING,
    PLUMB__H5_TYPE_COUNT
} plumb__h5_type;

/* What the rows of a dataset are; datasets of one class have as many rows (plus `extra`). */
typedef enum plumb__h5_rows {
    PLUMB__H5_ROWS_LAYERS,
    PLUMB__H5_ROWS_STEPS,
    PLUMB__H5_ROWS_UNITS,
    PLUMB__H5_ROWS_EVENTS,
    PLUMB__H5_ROWS_CHECKPOINTS,
    PLUMB__H5_ROWS_SEALS,
    PLUMB__H5_ROWS_DECISIONS,
    PLUMB__H5_ROWS_EXAMPLES,
    PLUMB__H5_ROWS_SEGMENTS,
    PLUMB__H5_ROWS_KNOWN,
    PLUMB__H5_ROWS_OWN, /* agrees with no other dataset */
    PLUMB__H5_ROWS_COUNT
} plumb__h5_rows;

typedef enum plumb__h5_width {
    PLUMB__H5_ONE, /* rank 1 */
    PLUMB__H5_USES,
    PLUMB__H5_SCALARS,
    PLUMB__H5_DIGEST
} plumb__h5_width;

typedef struct plumb__h5_spec {
    const char *group, *name;
    plumb__h5_type type;
    plumb__h5_rows rows;
    uint8_t extra; /* rows beyond those of the class: 1 for offsets */
    plumb__h5_width width;
    uint64_t max_rows; /* for ROWS_OWN; the classes have their caps in the reader */
    size_t max_string; /* for STRING: largest element size in bytes */
    const char *units, *description;
} plumb__h5_spec;

#define PLUMB__H5_TEXT_GROUPS 4u
#define PLUMB__H5_CODED 12u
/* Columns by number: first those of every file, then those that only provenance.h5 has. */
typedef enum plumb__h5_id {
    PLUMB__H5_LAYERS_NAME,
    PLUMB__H5_LAYERS_KIND,
    PLUMB__H5_LAYERS_DEPTH,
    PLUMB__H5_LAYERS_ROWS,
    PLUMB__H5_LAYERS_COLS,
    PLUMB__H5_LAYERS_PARAMS,
    PLUMB__H5_LAYERS_WEIGHT,
    PLUMB__H5_LAYERS_USE,
    PLUMB__H5_LAYERS_N_USES,
    PLUMB__H5_STEPS_LEAF,
    PLUMB__H5_STEPS_STEP,
    PLUMB__H5_STEPS_FIRST_ROW,
    PLUMB__H5_STEPS_FINGERPRINT,
    PLUMB__H5_STEPS_ATTEMPT,
    PLUMB__H5_STEPS_UNITS,
    PLUMB__H5_STEPS_UNITS_DECLARED,
    PLUMB__H5_STEPS_MICRO_BATCHES,
    PLUMB__H5_STEPS_N_SCALARS,
    PLUMB__H5_STEPS_SUPERSEDED,
    PLUMB__H5_STEPS_TIME,
    PLUMB__H5_STEPS_LOSS,
    PLUMB__H5_STEPS_LR,
    PLUMB__H5_STEPS_NORMALISER,
    PLUMB__H5_STEPS_LOSS_SCALE,
    PLUMB__H5_STEPS_SCALARS,
    PLUMB__H5_STEPS_LIVE,
    PLUMB__H5_UNITS_EXAMPLE,
    PLUMB__H5_UNITS_SEGMENT,
    PLUMB__H5_UNITS_MICRO_BATCH,
    PLUMB__H5_UNITS_ROWS,
    PLUMB__H5_UNITS_WEIGHT,
    PLUMB__H5_UNITS_LOSS,
    PLUMB__H5_UNITS_ENTROPY,
    PLUMB__H5_UNITS_DECISION,
    PLUMB__H5_UNITS_REASON,
    PLUMB__H5_UNITS_CHECKED,
    PLUMB__H5_UNITS_BAND,
    PLUMB__H5_EDGES_NORM,
    PLUMB__H5_EDGES_MASK,
    PLUMB__H5_EDGES_CLIP,
    PLUMB__H5_EDGES_NORM_KIND,
    PLUMB__H5_ENTROPY_NU,
    PLUMB__H5_ENTROPY_BUDGET,
    PLUMB__H5_ENTROPY_SPENT,
    PLUMB__H5_ENTROPY_CONTRIBUTION,
    /* four text groups of five columns each: leaf, time, kind, offset, payload */
    PLUMB__H5_TEXTS,
    PLUMB__H5_SEGMENT_COUNT = PLUMB__H5_TEXTS + 20,
    PLUMB__H5_EXAMPLES_ID = PLUMB__H5_SEGMENT_COUNT,
    PLUMB__H5_EXAMPLES_CODES, /* coded columns, in the order of their dictionaries */
    PLUMB__H5_EXAMPLES_ANNOTATORS_OFFSET = PLUMB__H5_EXAMPLES_CODES + PLUMB__H5_CODED,
    PLUMB__H5_EXAMPLES_ANNOTATORS,
    PLUMB__H5_EXAMPLES_QUALITY,
    PLUMB__H5_EXAMPLES_WEIGHT,
    PLUMB__H5_EXAMPLES_STEP_BUDGET,
    PLUMB__H5_EXAMPLES_RUN_BUDGET,
    PLUMB__H5_EXAMPLES_SHA256,
    PLUMB__H5_EXAMPLES_SEGMENTS_OFFSET,
    PLUMB__H5_SEGMENTS_KIND,
    PLUMB__H5_SEGMENTS_FROM,
    PLUMB__H5_SEGMENTS_TO,
    PLUMB__H5_SEGMENTS_WEIGHT,
    PLUMB__H5_SEGMENTS_PROFILE,
    PLUMB__H5_SEGMENTS_COMPONENT,
    PLUMB__H5_SEGMENTS_ANNOTATORS_OFFSET,
    PLUMB__H5_SEGMENTS_ANNOTATORS,
    PLUMB__H5_DICTIONARIES, /* of the coded columns, then of the annotators */
    PLUMB__H5_DICTIONARY_ANNOTATORS = PLUMB__H5_DICTIONARIES + PLUMB__H5_CODED,
    PLUMB__H5_LEDGER_SPEND,
    PLUMB__H5_INDEX_OFFSET,
    PLUMB__H5_INDEX_ROW,
    PLUMB__H5_INDEX_NORM,
    PLUMB__H5_INDEX_MASK,
    PLUMB__H5_INDEX_CLIP,
    PLUMB__H5_COLUMN_COUNT
} plumb__h5_id;

/* Offsets of the columns of a text group behind its first. */
enum {
    PLUMB__H5_TEXT_LEAF,
    PLUMB__H5_TEXT_TIME,
    PLUMB__H5_TEXT_KIND,
    PLUMB__H5_TEXT_OFFSET,
    PLUMB__H5_TEXT_PAYLOAD,
    PLUMB__H5_TEXT_COLUMNS
};

/* The coded columns that segments share with their examples. */
#define PLUMB__H5_CODE_PROFILE 8u
#define PLUMB__H5_CODE_COMPONENT 11u

extern const plumb__h5_spec plumb__h5_specs[PLUMB__H5_COLUMN_COUNT];
/* /statements/NAME: shape and type of each. */
extern const plumb__h5_spec plumb__h5_statement_spec;

/* The groups of a file; the first PLUMB__H5_SEGMENT_GROUPS are in segments too. */
#define PLUMB__H5_SEGMENT_GROUPS 9u
#define PLUMB__H5_GROUPS 15u
#define PLUMB__H5_FIRST_TEXT_GROUP 5u
#define PLUMB__H5_STATEMENTS_GROUP 14u
typedef struct plumb__h5_group_spec {
    const char *name, *description;
} plumb__h5_group_spec;
extern const plumb__h5_group_spec plumb__h5_groups[PLUMB__H5_GROUPS];

size_t plumb__h5_width_of(plumb__h5_width width, size_t n_uses);
/* Column number of a dataset, or PLUMB__H5_COLUMN_COUNT. */
size_t plumb__h5_find(const char *group, const char *name);

#endif
