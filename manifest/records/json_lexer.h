/* Strings and numbers of JSON, for json_scan.c. */
#ifndef PLUMB_MANIFEST_JSON_LEXER_H
#define PLUMB_MANIFEST_JSON_LEXER_H

#include "manifest/records/json_scan.h"

typedef struct plumb__lexer {
    const char *start, *at, *end; /* the text, and how far it was read */
    plumb__arena *arena;
    plumb_error *err;
} plumb__lexer;

/* The error at a byte of the text; the lexer then stands there. */
plumb_status plumb__lexer_fail(plumb__lexer *lexer, const char *at, const char *format, ...)
    PLUMB_PRINTF(3, 4);
/* "expected WHAT, found …" for where the lexer stands. */
plumb_status plumb__lexer_unexpected(plumb__lexer *lexer, const char *what);
/* At the opening quote; leaves the lexer behind the closing one. Fills text and bytes of `out`. */
plumb_status plumb__lexer_string(plumb__lexer *lexer, plumb__scan_node *out) PLUMB_MUST_CHECK;
/* At '-' or a digit. Fills kind and number. */
plumb_status plumb__lexer_number(plumb__lexer *lexer, plumb__scan_node *out) PLUMB_MUST_CHECK;

#endif
