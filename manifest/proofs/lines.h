/* Walking through a text of LF-ended lines: notes and proofs. */
#ifndef PLUMB_MANIFEST_LINES_H
#define PLUMB_MANIFEST_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the parser stands; a line is borrowed and without its LF. */
typedef struct plumb__lines {
    const char *what, *text, *line;
    size_t n, at, line_size, line_number;
} plumb__lines;

/* False at the end, or where the last line has no LF. */
bool plumb__lines_next(plumb__lines *lines);
/* Decimal digits without leading zeros, up to 2^64 - 1. */
bool plumb__lines_number(const char *text, size_t n, uint64_t *out);

#endif
