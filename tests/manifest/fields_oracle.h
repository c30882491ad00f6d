/* A record's fields read with jansson: what the scanning reader is compared with. */
#ifndef PLUMB_TESTS_FIELDS_ORACLE_H
#define PLUMB_TESTS_FIELDS_ORACLE_H

#include "base/hash.h"
#include "base/json.h"

/* Strings are borrowed from the JSON. NaN, NULL: not stated. */
typedef struct oracle_fields {
    const char *id, *text, *label, *rubric, *domain, *batch, *cohort, *source, *template_name,
        *parent, *component, *licence, *marking, *consent, *private_digest;
    const json_t *annotators, *segments;
    plumb__hash sha256;
    uint64_t content_bytes; /* UINT64_MAX: no content */
    double quality;
    bool withdrawn; /* consent was, at withdrawn_s */
    int64_t withdrawn_s;
    uint32_t n_messages; /* 0: no "messages" */
    bool has_prompt, has_chosen, has_rejected;
} oracle_fields;

plumb_status oracle_read(const char *what, const json_t *obj, oracle_fields *out, plumb_error *err);

#endif
