/* Explanations in short (explain.c) and in full (explain_json.c). */
#ifndef PLUMB_MANIFEST_EXPLAIN_H
#define PLUMB_MANIFEST_EXPLAIN_H

#include "manifest/taxonomy/candidates.h"

/* The record's line as JSON; a new reference. */
plumb_status plumb__explain_line(const plumb_manifest *m, uint32_t number, json_t **obj,
                                 plumb_error *err) PLUMB_MUST_CHECK;

#endif
