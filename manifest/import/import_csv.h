/* Delimited text: RFC 4180 (quotes, doubled quotes, line ends inside quotes, LF or CRLF), or plain
 * fields between tabs where a quote is a character like any other. One row in memory at a time. */
#ifndef PLUMB_IMPORT_CSV_H
#define PLUMB_IMPORT_CSV_H

#include "base/bytes.h"
#include "base/hash.h"

#define PLUMB__CSV_MAX_COLUMNS 4096
#define PLUMB__CSV_MAX_FIELD_BYTES (16u << 20)

typedef struct plumb__csv {
    const char *path;
    char separator;
    bool quoting;
    int fd;
    plumb__hasher *hasher; /* of every byte that is read; NULL: of none */
    uint8_t *buffer;
    size_t at, have;
    uint64_t next_line, next_column; /* of the next byte, from 1 */
    uint8_t follow, low, high; /* UTF-8: continuation bytes still to come, range of the next */
    plumb__bytes row;          /* the fields, a NUL behind each */
    size_t *offsets, *lengths;
    uint64_t *columns; /* where each field began, in bytes of its line, and on which line */
    uint64_t *lines;
    uint32_t n_fields;
    uint64_t line; /* on which the row began */
} plumb__csv;

plumb_status plumb__csv_open(plumb__csv *csv, const char *path, char separator, bool quoting,
                             plumb_error *err) PLUMB_MUST_CHECK;
/* Follows no symbolic link, and what is read goes through the hasher as well. */
plumb_status plumb__csv_open_hashed(plumb__csv *csv, const char *path, char separator, bool quoting,
                                    plumb__hasher *hasher, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__csv_close(plumb__csv *csv);
/* The next row; *more false at the end. A malformed row is PLUMB_ERR_FORMAT, with line and column,
 * and the next call goes on with the row behind it; any other failure is final. */
plumb_status plumb__csv_next(plumb__csv *csv, bool *more, plumb_error *err) PLUMB_MUST_CHECK;
/* Field i of the row, NUL behind it, borrowed until the next row. */
const char *plumb__csv_field(const plumb__csv *csv, uint32_t i);

#endif
