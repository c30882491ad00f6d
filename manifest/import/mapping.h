/* A mapping file: how columns become records. Form: docs/importers.md. */
#ifndef PLUMB_IMPORT_MAPPING_H
#define PLUMB_IMPORT_MAPPING_H

#include "base/json.h"
#include "manifest/import/import_csv.h"
#include "manifest/import/ratings.h"

/* What a column can become. The first four are said by one annotator, the rest of one item. */
typedef enum plumb__target {
    PLUMB__TO_ANNOTATOR,
    PLUMB__TO_LABEL,
    PLUMB__TO_CATEGORY,
    PLUMB__TO_SEVERITY,
    PLUMB__TO_RUBRIC,
    PLUMB__TO_ID,
    PLUMB__TO_DOMAIN,
    PLUMB__TO_BATCH,
    PLUMB__TO_COHORT,
    PLUMB__TO_SOURCE,
    PLUMB__TO_LICENCE,
    PLUMB__TO_MARKING,
    PLUMB__TO_PARENT,
    PLUMB__TO_TEMPLATE,
    PLUMB__TO_COMPONENT,
    PLUMB__TO_DEPTH,
    PLUMB__TO_QUALITY,
    PLUMB__TO_WEIGHT,
    PLUMB__TO_PROMPT,
    PLUMB__TO_CHOSEN,
    PLUMB__TO_REJECTED,
    PLUMB__TARGETS
} plumb__target;

/* The field's name in records and mappings. Static. */
const char *plumb__target_name(plumb__target target);

typedef struct plumb__mapping {
    const char *path; /* for messages */
    json_t *root;     /* all below is borrowed from it; NULL where the mapping is silent */
    const json_t *spec[PLUMB__TARGETS];
    const json_t *group, *keep, *fields;
    const json_t *content; /* array of column names */
    const char *content_separator;
    bool keep_text; /* the content goes into the record as `text` */
    const char *span_open, *span_close;
    const json_t *span_columns; /* array of column names; NULL: no markers are looked for */
    const char *span_control;   /* of Label Studio: the control whose regions are spans */
    bool segments;              /* spans become segments */
    const json_t *severity_order, *values;
    plumb__target judged; /* label, category or severity: what is compared between annotators */
    bool worst;           /* of an annotator's several judgements of an item the worst, not the
                             first */
    plumb__metric metric;
    const json_t *left, *right, *pair_prompt; /* specs of a pair that the consensus decides */
    bool made_content;                        /* the source makes the content: set before reading */
    char separator;                           /* 0: by the file's name */
    bool quoting;
} plumb__mapping;

/* Reads and checks a mapping file (at most 1 MiB). *out is zero, made_content aside. */
plumb_status plumb__mapping_read(const char *path, plumb__mapping *out,
                                 plumb_error *err) PLUMB_MUST_CHECK;
/* The same from a value that the caller made; takes the reference, also on failure. */
plumb_status plumb__mapping_take(const char *path, json_t *root, plumb__mapping *out,
                                 plumb_error *err) PLUMB_MUST_CHECK;
void plumb__mapping_free(plumb__mapping *m);

/* A stretch of the row's first content column, counted as its source counts, in UTF-16 code units.
 * text: what the source says stands there; labels: what it is called (an array of texts); NULL
 * where the source does not say. */
typedef struct plumb__mark {
    uint64_t from, to;
    const char *text;
    const json_t *labels;
} plumb__mark;

/* One row of named values. `names` is an object: with a csv it maps names to numbers of fields,
 * without one to the values themselves, strings or arrays of strings. */
typedef struct plumb__row {
    const char *path;
    uint64_t line;
    const json_t *names;
    const plumb__csv *csv;
    const plumb__mark *marks; /* of n_checked, that must lie in the text, the first is the row's */
    size_t n_checked;
    bool follows; /* says more of the item of the row before, by the same annotator or none */
    const json_t *parts; /* messages, or prompt, chosen and rejected, that the source made */
    bool quiet;          /* the annotator is named, but what the row says is another's */
    bool anonymous;      /* an annotator may be missing */
    const char *digest;  /* what {#} stands for: 16 hex digits over the columns of `group` */
} plumb__row;

/* Every column that the mapping names is there, else PLUMB_ERR_FORMAT names it and the columns. */
plumb_status plumb__mapping_check(const plumb__mapping *m, const plumb__row *row,
                                  plumb_error *err) PLUMB_MUST_CHECK;
/* The value of a spec in this row: a string, an array of strings, or NULL where it is empty; a new
 * reference. `what` names the field in messages. */
plumb_status plumb__spec_value(const char *what, const json_t *spec, const plumb__row *row,
                               json_t **out, plumb_error *err) PLUMB_MUST_CHECK;
/* The text of a column; NULL when it is missing. */
const char *plumb__row_text(const plumb__row *row, const char *name);
/* True if the template is well formed; calls visit(name, n, ctx) for each column it uses. */
typedef bool plumb__visit_column(const char *name, size_t n, void *ctx);
bool plumb__template_columns(const char *text, plumb__visit_column *visit, void *ctx);

#endif
