/* The record table: columns over the lines of a records file, found by id. Lean: about a hundred
 * bytes a record besides its distinct strings; repeated terms and annotator lists are kept once.
 */
#ifndef PLUMB_MANIFEST_RECORDS_H
#define PLUMB_MANIFEST_RECORDS_H

#include "base/hash.h"
#include "manifest/plumb_manifest.h"
#include "manifest/private.h"
#include "manifest/taxonomy.h"

#define PLUMB__RECORD_LINE_CAP ((size_t)16 << 20)
#define PLUMB__RECORD_ID_CAP 256
#define PLUMB__NO_CONTENT UINT64_MAX
#define PLUMB__NOT_WITHDRAWN INT64_MIN

/* What one line says, checked; strings are borrowed from its JSON. NaN, NULL: not stated. */
typedef struct plumb__fields {
    const char *id, *text, *label, *rubric, *domain, *batch, *cohort, *source, *template_name,
        *parent, *component, *licence, *marking, *consent, *private_digest;
    const json_t *annotators, *segments;
    plumb__hash sha256;
    uint64_t content_bytes; /* PLUMB__NO_CONTENT */
    double quality;
    plumb__terms terms;
    bool withdrawn; /* consent was, at withdrawn_s */
    int64_t withdrawn_s;
    uint32_t n_messages; /* 0: no "messages" */
    bool has_prompt, has_chosen, has_rejected;
} plumb__fields;

plumb_status plumb__fields_read(const char *what, const json_t *obj, plumb__taxonomy *taxonomy,
                                plumb__fields *out, plumb_error *err) PLUMB_MUST_CHECK;

/* Columns that few distinct combinations share; all members are compared as bytes. */
typedef struct plumb__class {
    uint32_t rubric, domain, source, template_name, component, licence, marking, consent, profile,
        unused;
    double weight, step_nats, run_nats;
} plumb__class;

/* What a segment's pointers will point to, while the strings may still move. */
typedef struct plumb__segment_refs {
    uint32_t component;  /* into strings, PLUMB__INTERN_NONE: none */
    uint32_t annotators; /* into annotator_sets */
} plumb__segment_refs;

typedef struct plumb__table {
    uint32_t n;
    size_t rows;           /* room for */
    plumb__intern ids;     /* record number = number of the id */
    plumb__intern strings; /* everything else */
    plumb__intern classes, annotator_sets;
    uint64_t *line_start; /* n + 1 */
    uint32_t *text, *label, *batch, *cohort, *parent, *class_of, *annotators_of;
    double *quality;
    plumb__hash *sha256;
    uint64_t *content_bytes;
    int64_t *withdrawn_s;    /* PLUMB__NOT_WITHDRAWN; NULL while no record is withdrawn */
    uint32_t *segment_start; /* n + 1, into segments */
    plumb_segment *segments;
    plumb__segment_refs *segment_refs; /* gone after plumb__segments_finish */
    size_t segments_capacity, refs_capacity;
    const char **annotators;   /* of all distinct sets, one behind the other */
    uint32_t *annotator_start; /* sets + 1 */
} plumb__table;

/* Checks the form of the file (LF, no CR, BOM or blank line) and counts its lines. */
plumb_status plumb__lines_check(const char *what, const char *data, size_t n, uint64_t *lines,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* Reads lines of a file that plumb__lines_check passed, with the private ones where there are any
 * (NULL: none). Messages name the line, from 1. */
plumb_status plumb__table_read(const char *what, const char *data, size_t n, uint64_t lines,
                               plumb__private *private_file, plumb__taxonomy *taxonomy,
                               plumb__table *out, plumb_error *err) PLUMB_MUST_CHECK;
/* Adds a list of names (NULL: none) as an annotator set. */
plumb_status plumb__annotators_add(plumb__table *table, const json_t *names, uint32_t *set,
                                   plumb_error *err) PLUMB_MUST_CHECK;
/* The segments of the record that is being read into row table->n, whose annotators are in and
 * whose resolved profile this is. Adds to the taxonomy's profiles: one thread at a time. */
plumb_status plumb__segments_add(const char *what, plumb__table *table, plumb__taxonomy *taxonomy,
                                 const plumb__fields *fields, uint32_t profile,
                                 plumb_error *err) PLUMB_MUST_CHECK;
/* Consent to this record was withdrawn at this time; the earliest time stands. */
plumb_status plumb__table_withdraw(plumb__table *table, uint32_t number, int64_t at_s,
                                   plumb_error *err) PLUMB_MUST_CHECK;
int64_t plumb__table_withdrawn_s(const plumb__table *table, uint32_t number);
/* After the last record, when strings and annotator lists stay where they are. */
void plumb__segments_finish(plumb__table *table);
/* Weights of the records that are components of one parent, by their template's recombination;
 * after the last record. `what` is the file. */
plumb_status plumb__siblings_recombine(const char *what, plumb__table *table,
                                       const plumb__taxonomy *taxonomy,
                                       plumb_error *err) PLUMB_MUST_CHECK;
/* Columns are read and written through these; how they are stored may change. A string's number is
 * for plumb__table_text; PLUMB__INTERN_NONE: the record has none. */
uint32_t plumb__table_parent(const plumb__table *table, uint32_t number);
const char *plumb__table_text(const plumb__table *table, uint32_t string);
/* Takes the place of the weight in the record's class. */
plumb_status plumb__table_set_weight(plumb__table *table, uint32_t number, double weight,
                                     plumb_error *err) PLUMB_MUST_CHECK;
void plumb__table_free(plumb__table *table);
uint64_t plumb__table_memory(const plumb__table *table);
plumb__class plumb__table_class(const plumb__table *table, uint32_t number);

#endif
