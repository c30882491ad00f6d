/* What one line of a records file says, read and checked by itself, so that many threads can read
 * lines at once. What needs the table or the taxonomy (distinct ids, terms, segments) comes when it
 * is merged: record_merge.c. */
#ifndef PLUMB_MANIFEST_RECORD_VIEW_H
#define PLUMB_MANIFEST_RECORD_VIEW_H

#include "base/hash.h"
#include "manifest/records/json_scan.h"

#define PLUMB__RECORD_LINE_CAP ((size_t)16 << 20)
#define PLUMB__RECORD_ID_CAP 256
#define PLUMB__NO_CONTENT UINT64_MAX

/* Not ended by NUL; at NULL: not stated. */
typedef struct plumb__span {
    const char *text;
    uint32_t bytes;
    uint32_t at; /* where its value begins in the line */
} plumb__span;

/* The fields of a record, in the order of the scanner's names. */
typedef enum plumb__record_field {
    PLUMB__FIELD_ID,
    PLUMB__FIELD_CONTENT,
    PLUMB__FIELD_PRIVATE,
    PLUMB__FIELD_TEXT,
    PLUMB__FIELD_LABEL,
    PLUMB__FIELD_PARENT,
    /* What few distinct combinations share: the class. */
    PLUMB__FIELD_RUBRIC,
    PLUMB__FIELD_DOMAIN,
    PLUMB__FIELD_BATCH,
    PLUMB__FIELD_COHORT,
    PLUMB__FIELD_SOURCE,
    PLUMB__FIELD_TEMPLATE,
    PLUMB__FIELD_COMPONENT,
    PLUMB__FIELD_LICENCE,
    PLUMB__FIELD_MARKING,
    PLUMB__FIELD_CONSENT,
    PLUMB__FIELD_DEPTH,
    PLUMB__FIELD_BUDGET,
    PLUMB__FIELD_WEIGHT,
    PLUMB__FIELD_ANNOTATORS,
    PLUMB__FIELD_QUALITY,
    PLUMB__FIELD_AGREEMENT,
    PLUMB__FIELD_MESSAGES,
    PLUMB__FIELD_PROMPT,
    PLUMB__FIELD_CHOSEN,
    PLUMB__FIELD_REJECTED,
    PLUMB__FIELD_SEGMENTS,
    PLUMB__FIELD_SALT, /* of a private line */
    PLUMB__FIELD_COUNT
} plumb__record_field;

#define PLUMB__CLASS_FIRST PLUMB__FIELD_RUBRIC
#define PLUMB__CLASS_LAST PLUMB__FIELD_WEIGHT

extern const plumb__scan_name plumb__record_names[PLUMB__FIELD_COUNT + 1];

typedef struct plumb__record_view {
    /* By field. Texts unescaped; depth, budget, weight and segments as written; "consent" is its
     * basis; "annotators": each name with a NUL behind it; the others are not kept. */
    plumb__span field[PLUMB__FIELD_COUNT];
    uint32_t n_annotators;
    plumb__hash sha256;
    uint64_t content_bytes; /* PLUMB__NO_CONTENT */
    double quality;         /* NaN: not stated */
    bool withdrawn;         /* consent was, at withdrawn_s */
    int64_t withdrawn_s;
    uint32_t n_messages; /* 0: no "messages" */
    bool has_prompt, has_chosen, has_rejected;
} plumb__record_view;

/* Where a reading failed. */
typedef struct plumb__view_error {
    plumb_error error; /* its message has no place yet */
    uint32_t at;       /* byte of the line that was read */
    bool private_line; /* that line is the private one */
} plumb__view_error;

/* Reads one line (without its LF). The result points into the line and the arena. */
plumb_status plumb__view_read(plumb__scan *scan, plumb__arena *arena, const char *line, size_t n,
                              plumb__record_view *out, plumb__view_error *bad) PLUMB_MUST_CHECK;
/* Lays a private line over the record that was read last with `scan`: it must be the one whose
 * digest the record has. private_scan is a second scanner; the line stays where it is. */
plumb_status plumb__view_add_private(const plumb__scan *scan, plumb__scan *private_scan,
                                     plumb__arena *arena, const char *line, size_t n,
                                     plumb__record_view *view,
                                     plumb__view_error *bad) PLUMB_MUST_CHECK;

#endif
