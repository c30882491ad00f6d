/* What an import has read so far: items, and what annotators said of them. Strings are stored once;
 * memory grows with distinct text and by some hundred bytes an annotation. */
#ifndef PLUMB_IMPORT_COLLECT_H
#define PLUMB_IMPORT_COLLECT_H

#include "base/hash.h"
#include "manifest/import/mapping.h"
#include "manifest/plumb_import.h"
#include "manifest/records/intern.h"

#define PLUMB__NONE UINT32_MAX

/* One annotation. Numbers point into the collection's tables, PLUMB__NONE where there is none. */
typedef struct plumb__said {
    uint64_t line;
    uint32_t next; /* of the same item, in the order of reading */
    uint32_t annotator;
    uint32_t value;  /* what is compared between annotators */
    uint32_t rubric; /* strings */
    uint32_t text;   /* strings: the annotation as canonical JSON, without the annotator */
    int32_t rank;    /* of its severity; -1: not ranked */
} plumb__said;

/* A stretch of an item's content that an annotator marked. */
typedef struct plumb__span {
    uint64_t from, to;
    uint32_t annotator, next;
} plumb__span;

typedef struct plumb__item {
    uint64_t line;
    uint64_t bytes; /* of the content; PLUMB__NO_BYTES: made from the record when it is written */
    plumb__hash sha256;
    uint32_t body; /* strings: the record's own fields as canonical JSON */
    uint32_t first, last, n;
    uint32_t spans;
} plumb__item;

#define PLUMB__NO_BYTES UINT64_MAX

typedef struct plumb__collection {
    const plumb__mapping *mapping;
    plumb__intern ids, keys; /* both numbered as the items are */
    plumb__intern strings, annotators, values;
    plumb__item *items;
    plumb__said *said;
    plumb__span *spans;
    size_t n_items, items_capacity, n_said, said_capacity, n_spans, spans_capacity;
    bool any_annotator;
} plumb__collection;

plumb_status plumb__collection_init(plumb__collection *c, const plumb__mapping *mapping,
                                    plumb_error *err) PLUMB_MUST_CHECK;
void plumb__collection_free(plumb__collection *c);

/* What one row says, before it is taken in; the caller owns it. */
typedef struct plumb__entry {
    const char *place; /* "FILE: line 7" */
    uint64_t line;
    const char *key, *id; /* rows with one key are of one item */
    const json_t *body;
    const char *content; /* NULL: made from the record when it is written */
    size_t content_bytes;
    const char *annotator, *value, *rubric; /* NULL: none */
    const json_t *said;                     /* NULL: the row says nothing of its item */
    int32_t rank;
    const plumb__span *spans;
    size_t n_spans;
    bool follows; /* an id without an annotator may be there again */
} plumb__entry;

/* Takes a row in, whole or not at all. PLUMB_ERR_FORMAT: another item has the id, or the item is
 * another than on an earlier line; messages give both places. */
plumb_status plumb__collect(plumb__collection *c, const plumb__entry *entry,
                            plumb_error *err) PLUMB_MUST_CHECK;

/* Takes one row of a table, made to an entry by the mapping. */
plumb_status plumb__collect_row(plumb__collection *c, plumb__row *row,
                                plumb_error *err) PLUMB_MUST_CHECK;

/* Takes the markers out of a field's text and appends it to *content; the stretches between them
 * (positions in the content) go to spans[*n], at most cap. */
plumb_status plumb__spans_take(const plumb__mapping *m, const char *place, const char *text,
                               plumb__bytes *content, plumb__span *spans, size_t cap, size_t *n,
                               plumb_error *err) PLUMB_MUST_CHECK;
/* The same for stretches that a source counted out in a text that stands in the content already,
 * from byte `start` on. PLUMB_ERR_FORMAT: outside the text, or another text stands there. */
plumb_status plumb__spans_place(const char *place, const char *text, uint64_t start,
                                const plumb__mark *mark, plumb__span *out,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* The parts of an item that any span covers: `segments` of its record. A new reference. names:
 * what annotators are called. */
plumb_status plumb__spans_segments(const plumb__collection *c, const plumb__item *item,
                                   json_t *const *names, json_t **out,
                                   plumb_error *err) PLUMB_MUST_CHECK;

/* ---- what the annotators agree on ------------------------------------------------------------
 */

typedef struct plumb__judgement {
    uint32_t value;  /* the item's label; PLUMB__NONE: none, or no majority asked for */
    uint32_t raters; /* who said anything of it */
    double share;    /* probability or share of the votes of `value`; NaN without one */
    double alpha;    /* NaN: not defined */
} plumb__judgement;

typedef struct plumb__consensus {
    plumb__judgement *items;
    uint32_t *order;     /* values in their order */
    uint32_t *place;     /* of each value in that order */
    double *reliability; /* of annotators; NaN: never compared; NULL without a consensus */
    uint32_t *rated;     /* items that each annotator judged */
    /* The judgements that were compared: of item i numbers start[i] to start[i + 1] - 1. */
    uint32_t *start, *rater, *said; /* said: the value's place in the order */
    plumb__dawid_skene model;
    double alpha;
    uint64_t repeated;  /* judgements left out because their annotator had judged the item before */
    uint64_t not_given; /* items whose most probable label none of their annotators gave */
    uint32_t n_values, n_annotators;
} plumb__consensus;

plumb_status plumb__consensus_reach(const plumb__collection *c, plumb_import_consensus method,
                                    plumb__consensus *out, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__consensus_free(plumb__consensus *out);

/* ---- writing ----------------------------------------------------------------------------------
 */

/* What annotators are called in the records, numbered as in the collection: keyed pseudonyms, or
 * their own names. An array of n; each a reference. */
plumb_status plumb__annotator_names(const plumb__collection *c, const char *key_path, bool keep,
                                    json_t ***out, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__annotator_names_free(json_t **names, size_t n);

/* Writes all records, whole or not at all; *undecided: pairs left out. */
plumb_status plumb__records_write(const plumb__collection *c, const plumb__consensus *agreed,
                                  json_t *const *names, const plumb_import_options *options,
                                  uint64_t *records, uint64_t *undecided,
                                  plumb_error *err) PLUMB_MUST_CHECK;
/* The rubrics and domains that were seen, as a taxonomy to fill in. */
plumb_status plumb__taxonomy_skeleton(const plumb__collection *c, const char *path,
                                      plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__import_report(const plumb__collection *c, const plumb__consensus *agreed,
                                  json_t *const *names, const plumb_import_options *options,
                                  plumb_error *err) PLUMB_MUST_CHECK;
/* The rubric of an item: that of its most severe annotation, without ranks the most frequent; the
 * first of equals. strings number or PLUMB__NONE. */
uint32_t plumb__item_rubric(const plumb__collection *c, const plumb__item *item);

#endif
