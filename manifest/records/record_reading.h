/* Shared by the files that read a record's fields from a scan. */
#ifndef PLUMB_MANIFEST_RECORD_READING_H
#define PLUMB_MANIFEST_RECORD_READING_H

#include "manifest/records/record_view.h"

#define PLUMB__RECORD_NAME_BYTES 1024

typedef struct plumb__reading {
    const plumb__scan *scan;
    plumb__arena *arena;
    plumb__record_view *view;
    plumb__view_error *bad;
} plumb__reading;

/* An error at a node (NULL: at the line's beginning). */
plumb_status plumb__reading_fail(plumb__reading *r, const plumb__scan_node *node,
                                 plumb_status status, const char *format, ...) PLUMB_PRINTF(4, 5);
/* The value of a field, or NULL. */
const plumb__scan_node *plumb__reading_field(const plumb__reading *r, plumb__record_field field);
/* The value of an object's member, or NULL. */
const plumb__scan_node *plumb__reading_member(const plumb__reading *r,
                                              const plumb__scan_node *object, const char *name);
/* That a value (NULL: not there, which is fine) is of a kind; `in` opens the message ("" or
 * "in \"content\": "), wanted is "a string". */
plumb_status plumb__reading_want(plumb__reading *r, const char *in, const char *name,
                                 const plumb__scan_node *node, plumb__scan_kind kind,
                                 const char *wanted) PLUMB_MUST_CHECK;
/* That it is a name: a string of 1 to 1024 bytes without control characters. */
plumb_status plumb__reading_name(plumb__reading *r, const char *in, const char *name,
                                 const plumb__scan_node *node) PLUMB_MUST_CHECK;
bool plumb__reading_is_name(const plumb__scan_node *node, size_t max);
/* That a string or key is this text. */
bool plumb__reading_is(const plumb__scan_node *node, const char *text);
double plumb__reading_number(const plumb__scan_node *node);

/* Single fields into the view. */
plumb_status plumb__reading_text_of(plumb__reading *r, plumb__record_field field) PLUMB_MUST_CHECK;
plumb_status plumb__reading_name_of(plumb__reading *r, plumb__record_field field) PLUMB_MUST_CHECK;
plumb_status plumb__reading_content(plumb__reading *r) PLUMB_MUST_CHECK;
plumb_status plumb__reading_annotators(plumb__reading *r) PLUMB_MUST_CHECK;
/* record_parts.c: agreement, consent, messages and preference pairs. */
plumb_status plumb__reading_parts(plumb__reading *r) PLUMB_MUST_CHECK;

#endif
