/* The record table: columns over the lines of a records file, found by id. A record costs 64 bytes
 * at most, besides the distinct texts (ids, texts, labels, names), each stored once; what few
 * records have costs nothing where none has it.
 *
 * Invariants:
 * R1. Rows are added by the merge alone, in the order of the lines, on one thread.
 * R2. After plumb__table_settle a table is only read, but for plumb__table_withdraw; what was only
 *     needed to find texts again is gone. Texts and lists never move.
 */
#ifndef PLUMB_MANIFEST_RECORDS_H
#define PLUMB_MANIFEST_RECORDS_H

#include "base/hash.h"
#include "manifest/plumb_manifest.h"
#include "manifest/records/narrow.h"
#include "manifest/records/pool.h"
#include "manifest/records/record_view.h"
#include "manifest/records/values.h"
#include "manifest/taxonomy/taxonomy.h"

#define PLUMB__NOT_WITHDRAWN INT64_MIN
#define PLUMB__MAX_RECORDS (PLUMB_NO_RECORD - 1)

/* Of a record whose segments are read: what they may refer to. */
typedef struct plumb__fields {
    const char *rubric, *domain, *template_name, *component, *parent; /* NULL: none */
    const json_t *segments;
    uint64_t content_bytes; /* PLUMB__NO_CONTENT */
    plumb__terms terms;     /* its own, as far as profile goes */
    uint32_t n_messages;    /* 0: no "messages" */
    bool has_prompt, has_chosen, has_rejected;
} plumb__fields;

/* Columns that few distinct combinations share; all members are compared as bytes. */
typedef struct plumb__class {
    uint32_t rubric, domain, batch, cohort, source, template_name, component, licence, marking,
        consent, profile, unused;
    double weight, step_nats, run_nats;
} plumb__class;

/* What a segment's pointers will point to, while lists may still move. */
typedef struct plumb__segment_refs {
    uint32_t component;  /* a text, PLUMB__POOL_NONE: none */
    uint32_t annotators; /* a set */
} plumb__segment_refs;

typedef struct plumb__long_content {
    uint32_t record;
    uint64_t bytes;
} plumb__long_content;

typedef struct plumb__table {
    uint32_t n;
    size_t rows; /* room for, in every column */
    plumb__pool strings;
    uint32_t *id, *text, *label;
    plumb__narrow class_of, annotators_of;
    plumb__narrow content_bytes; /* or a mark: none, or in long_contents */
    plumb__hash *sha256;
    plumb__values quality;
    plumb__intern classes; /* empty after settling: */
    plumb__class *class_list;
    uint32_t n_classes;

    uint32_t *id_slots; /* record + 1; open addressing by fast range reduction */
    uint64_t n_id_slots;
    uint32_t *id_hash; /* NULL after settling */

    plumb__intern annotator_sets; /* the names joined by NUL; empty after settling */
    uint32_t n_sets;
    const char **annotators; /* of all sets, one behind the other */
    size_t annotators_capacity, annotator_start_capacity;
    uint32_t *annotator_start; /* sets + 1 */

    /* What few have; NULL while no record does. */
    plumb__long_content *long_contents; /* ascending */
    size_t n_long_contents, long_contents_capacity;
    uint32_t *parent;
    int64_t *withdrawn_s;    /* PLUMB__NOT_WITHDRAWN */
    plumb__values weight;    /* of records with one of their own; NaN: the class's */
    uint32_t *segment_start; /* n + 1, into segments */
    plumb_segment *segments;
    plumb__segment_refs *segment_refs; /* gone after plumb__segments_finish */
    size_t segments_capacity, refs_capacity;
} plumb__table;

plumb_status plumb__table_init(plumb__table *table, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__table_free(plumb__table *table);
/* Room for so many records: exactly, the first time. */
plumb_status plumb__table_reserve(plumb__table *table, size_t rows,
                                  plumb_error *err) PLUMB_MUST_CHECK;
/* After the last row: gives back what lists have too much, before pointers to them are taken. */
plumb_status plumb__table_trim(plumb__table *table, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__table_settle(plumb__table *table, plumb_error *err) PLUMB_MUST_CHECK;
/* What the table takes, its texts included. */
uint64_t plumb__table_memory(const plumb__table *table);

/* Columns are read and written through these. A string's number is for plumb__table_text;
 * PLUMB__POOL_NONE: the record has none. */
plumb__class plumb__table_class(const plumb__table *table, uint32_t number);
uint32_t plumb__table_parent(const plumb__table *table, uint32_t number);
const char *plumb__table_text(const plumb__table *table, uint32_t string);
uint64_t plumb__table_content_bytes(const plumb__table *table, uint32_t number);
const plumb_segment *plumb__table_segments(const plumb__table *table, uint32_t number, uint32_t *n);
/* Takes the place of the weight in the record's class; NaN: gives it back. */
plumb_status plumb__table_set_weight(plumb__table *table, uint32_t number, double weight,
                                     plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__table_set_parent(plumb__table *table, uint32_t number, uint32_t string,
                                     plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__table_set_content(plumb__table *table, uint32_t number, uint64_t bytes,
                                      plumb_error *err) PLUMB_MUST_CHECK;
/* Consent to this record was withdrawn at this time; the earliest time stands. */
plumb_status plumb__table_withdraw(plumb__table *table, uint32_t number, int64_t at_s,
                                   plumb_error *err) PLUMB_MUST_CHECK;
int64_t plumb__table_withdrawn_s(const plumb__table *table, uint32_t number);

/* The id of row table->n, which is in `strings`: PLUMB_NO_RECORD when it is new, else whose it is
 * already. */
plumb_status plumb__table_add_id(plumb__table *table, uint64_t hash, uint32_t string,
                                 uint32_t *other, plumb_error *err) PLUMB_MUST_CHECK;
/* Asks the processor for the place where an id of this hash would be looked for. */
void plumb__table_prefetch_id(const plumb__table *table, uint64_t hash);
uint32_t plumb__table_find(const plumb__table *table, const char *id);

/* Adds a set of names, each with a NUL behind it; hash is plumb__intern_hash in annotator_sets. */
plumb_status plumb__table_add_annotators(plumb__table *table, uint64_t hash, const char *names,
                                         size_t bytes, uint32_t *set,
                                         plumb_error *err) PLUMB_MUST_CHECK;
/* The same from a list of names (NULL: none). */
plumb_status plumb__annotators_add(plumb__table *table, const json_t *names, uint32_t *set,
                                   plumb_error *err) PLUMB_MUST_CHECK;
const char *const *plumb__table_annotators(const plumb__table *table, uint32_t set, uint32_t *n);
/* A text's number, new or not. */
plumb_status plumb__table_keep(plumb__table *table, const char *text, uint32_t *string,
                               plumb_error *err) PLUMB_MUST_CHECK;

/* The segments of the record that is being read into row table->n, whose annotators are in and
 * whose resolved profile this is. Adds to the taxonomy's profiles: one thread at a time. */
plumb_status plumb__segments_add(const char *what, plumb__table *table, plumb__taxonomy *taxonomy,
                                 const plumb__fields *fields, uint32_t profile,
                                 plumb_error *err) PLUMB_MUST_CHECK;
/* Row table->n has no segments. */
plumb_status plumb__segments_none(plumb__table *table, plumb_error *err) PLUMB_MUST_CHECK;
/* After the last record, when annotator lists stay where they are. */
void plumb__segments_finish(plumb__table *table);
/* Weights of the records that are components of one parent, by their template's recombination;
 * after the last record. `what` is the file. */
plumb_status plumb__siblings_recombine(const char *what, plumb__table *table,
                                       const plumb__taxonomy *taxonomy,
                                       plumb_error *err) PLUMB_MUST_CHECK;

#endif
