/* JSON by jansson, with the strictness that signed input needs, and typed fields with messages. */
#ifndef PLUMB_BASE_JSON_H
#define PLUMB_BASE_JSON_H

#include "base/bytes.h"
#include <jansson.h>

/* Parses exactly one value: valid UTF-8, no duplicate keys, no trailing bytes, depth <= 64, no
 * NaN/Infinity, NUL in strings refused. `what` opens the message ("policy.json", "line 7 of …").
 * *out is a new reference. */
plumb_status plumb__json_parse(const char *what, const void *data, size_t n, json_t **out,
                               plumb_error *err) PLUMB_MUST_CHECK;
/* Canonical form used for everything that is hashed: jansson's JSON_COMPACT | JSON_SORT_KEYS |
 * JSON_REAL_PRECISION(17): keys sorted by bytes, no white space, UTF-8 as it is ('/' not escaped),
 * reals as %.17g with ".0" where that reads as an integer (0.1 is 0.10000000000000001): every
 * double comes back as it was. Appends. */
plumb_status plumb__json_dump(const json_t *value, plumb__bytes *out,
                              plumb_error *err) PLUMB_MUST_CHECK;

/* Typed fields of an object. Missing with `required` false leaves *out untouched. Messages read
 * "WHAT: field "NAME" must be a number, found a string". Strings are borrowed from obj. */
plumb_status plumb__json_string(const char *what, const json_t *obj, const char *name,
                                bool required, const char **out, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__json_number(const char *what, const json_t *obj, const char *name,
                                bool required, double *out, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__json_integer(const char *what, const json_t *obj, const char *name,
                                 bool required, int64_t *out, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__json_bool(const char *what, const json_t *obj, const char *name, bool required,
                              bool *out, plumb_error *err) PLUMB_MUST_CHECK;
/* *out borrowed; NULL when missing and not required. */
plumb_status plumb__json_object(const char *what, const json_t *obj, const char *name,
                                bool required, const json_t **out,
                                plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__json_array(const char *what, const json_t *obj, const char *name, bool required,
                               const json_t **out, plumb_error *err) PLUMB_MUST_CHECK;
/* Fails on the first key of obj that is not in the NULL-ended list, naming it and the list. */
plumb_status plumb__json_only(const char *what, const json_t *obj, const char *const *allowed,
                              plumb_error *err) PLUMB_MUST_CHECK;

#endif
