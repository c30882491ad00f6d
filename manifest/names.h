/* Names that end up in origins, file names and tables: vendor, dataset, key. */
#ifndef PLUMB_MANIFEST_NAMES_H
#define PLUMB_MANIFEST_NAMES_H

#include "base/error.h"

#include <stdbool.h>

#define PLUMB__NAME_MAX 100

/* 1 to 100 of A-Z a-z 0-9 . _ -, the first a letter or digit. */
bool plumb__name_valid(const char *name);
/* PLUMB_ERR_FORMAT "WHAT: KIND "NAME" must be …". */
plumb_status plumb__name_check(const char *what, const char *kind, const char *name,
                               plumb_error *err) PLUMB_MUST_CHECK;
/* What a rubric, domain or template may be called: 1 to 255 bytes without control characters,
 * "name@version", where the version is not required also "name". */
#define PLUMB__TAXONOMY_NAME_MAX 255
bool plumb__entry_name_valid(const char *name, bool version_required);
/* True for well-formed UTF-8 of 1 to max bytes without control characters. */
bool plumb__text_is_plain(const char *text, size_t n, size_t max);

#endif
