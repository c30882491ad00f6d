/* From annotation exports to records files that plumb_manifest_sign takes: Label Studio, Scale,
 * CSV and TSV, Croissant; and a manifest's Croissant description. Formats: docs/importers.md.
 * Thread safe: nothing is shared between calls. */
#ifndef PLUMB_IMPORT_H
#define PLUMB_IMPORT_H

#include "manifest/plumb_manifest.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum plumb_import_format {
    PLUMB_IMPORT_CSV = 0, /* CSV or TSV, with a mapping */
    PLUMB_IMPORT_LABEL_STUDIO = 1,
    PLUMB_IMPORT_SCALE = 2,
    PLUMB_IMPORT_CROISSANT = 3
} plumb_import_format;

typedef enum plumb_import_consensus {
    PLUMB_IMPORT_MAJORITY =
        0, /* the label that most annotators gave; of equals the first in order */
    PLUMB_IMPORT_DAWID_SKENE = 1, /* the most probable of the labels given; refused where the data
                                     cannot tell */
    PLUMB_IMPORT_UNANIMOUS = 2    /* `none`: a label only where nobody disagrees */
} plumb_import_consensus;

/* Where a record's quality or weight comes from. */
typedef enum plumb_import_score {
    PLUMB_IMPORT_SCORE_NONE = 0,
    PLUMB_IMPORT_SCORE_AGREEMENT = 1, /* the item's alpha, 0 where it is below */
    PLUMB_IMPORT_SCORE_CONSENSUS = 2  /* probability, or share of the votes, of its label */
} plumb_import_score;

typedef struct plumb_import_options {
    uint32_t size, version;
    plumb_import_format format;
    const char *input_path;
    const char *records_path;       /* NAME.jsonl, written whole or not at all; must not exist */
    const char *mapping_path;       /* NULL: the format's own mapping, where it has one */
    const char *taxonomy_path;      /* NULL, or where rubrics and domains seen are written */
    const char *report_path;        /* NULL, or where the annotators' report is written */
    const char *pseudonym_key_path; /* 16 to 64 random bytes */
    bool keep_annotators;           /* names as they are; else the key is wanted */
    plumb_import_consensus consensus;
    plumb_import_score quality_from, weight_from;
    bool skip_errors; /* leave out a row that cannot be read instead of giving up */
    void (*refused)(void *ctx, const char *message); /* every row left out; may be NULL */
    void *ctx;
} plumb_import_options;
PLUMB_API void plumb_import_options_default(plumb_import_options *options);

typedef struct plumb_import_summary {
    uint32_t size, version;
    uint64_t rows, records, annotations, annotators;
    uint64_t refused;   /* rows left out because of errors */
    uint64_t left_out;  /* cancelled annotations, unfinished tasks, pairs that nobody decided */
    uint64_t undecided; /* of these, Scale's turns of several answers that nobody put in order */
    uint64_t repeated;  /* judgements that are kept, but not compared: a second one by the same
                           annotator */
    double alpha;       /* Krippendorff's; NaN: not defined */
    const char *metric; /* static */
    uint32_t rounds;    /* of Dawid-Skene; 0: not used */
    uint64_t not_given; /* items whose most probable label (Dawid-Skene) none of their annotators
                           gave: they have the best of those given */
} plumb_import_summary;

/* Reads the export, writes the records. Errors name file, line and column, and what to do. */
PLUMB_API plumb_status plumb_import(const plumb_import_options *options,
                                    plumb_import_summary *summary,
                                    plumb_error *err) PLUMB_MUST_CHECK;

/* Croissant 1.1 metadata of an open manifest, in the folder of its envelope (NAME.plumb.json),
 * whose records file it describes. path: a file that does not exist yet, or that folder
 * (croissant.json in it). Reads every record once. */
PLUMB_API plumb_status plumb_export_croissant(const plumb_manifest *manifest,
                                              const char *envelope_path, const char *path,
                                              plumb_error *err) PLUMB_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
