/* One line of JSON, read strictly and without building objects: exactly what plumb__json_parse
 * accepts is accepted (valid UTF-8, no key twice in an object, no \u0000, no lone surrogate, finite
 * numbers, integers of 64 bits, at most 64 levels, nothing behind the value), everything else is
 * refused with what was expected, what was found, and where.
 *
 * The members of the outer object that have a known name become nodes; of some of them what is
 * inside does too. All else is checked and left out. Takes no memory for a record that is like
 * those before it. One thread at a time uses a scanner; the result points into the text and into
 * the arena. */
#ifndef PLUMB_MANIFEST_JSON_SCAN_H
#define PLUMB_MANIFEST_JSON_SCAN_H

#include "base/error.h"
#include "manifest/records/arena.h"

#include <stdbool.h>

#define PLUMB__SCAN_LEVELS 64
#define PLUMB__SCAN_NAMES 32
#define PLUMB__SCAN_NAME_SLOTS 128

typedef enum plumb__scan_kind {
    PLUMB__SCAN_NOTHING,
    PLUMB__SCAN_OBJECT,
    PLUMB__SCAN_ARRAY,
    PLUMB__SCAN_STRING,
    PLUMB__SCAN_INTEGER,
    PLUMB__SCAN_REAL,
    PLUMB__SCAN_TRUE,
    PLUMB__SCAN_FALSE,
    PLUMB__SCAN_NULL
} plumb__scan_kind;

typedef struct plumb__scan_node {
    const char *text; /* a string's characters, unescaped; of all else what was written */
    uint32_t bytes;
    uint32_t written; /* bytes as it stands in the line, a string with its quotes */
    uint32_t at;      /* where it begins in the line, a string at its quote */
    uint32_t end;     /* number of the node behind this one and all in it */
    uint32_t entries; /* of an array; of an object, whose entries are a key and a value each */
    plumb__scan_kind kind;
    union {
        int64_t integer;
        double real;
    } number;
} plumb__scan_node;

typedef struct plumb__scan_name {
    const char *name;
    bool inside; /* its value's entries become nodes too */
} plumb__scan_name;

typedef struct plumb__scan_key {
    const char *text;
    uint32_t bytes, at;
} plumb__scan_key;

typedef struct plumb__scan {
    /* what was read; node 0 is the value itself */
    plumb__scan_node *nodes;
    uint32_t n_nodes;
    uint32_t field[PLUMB__SCAN_NAMES]; /* node of names[i], 0: it is not there */
    uint32_t bad_at;                   /* after an error: where in the line */

    const plumb__scan_name *names; /* ends with name NULL */
    uint8_t slots[PLUMB__SCAN_NAME_SLOTS];
    size_t nodes_capacity, keys_capacity, n_keys;
    plumb__scan_key *keys; /* of the objects that are open */
    plumb__arena *arena;   /* where unescaped text goes */
} plumb__scan;

/* names (at most 32, borrowed, ended by NULL) may be empty. */
void plumb__scan_init(plumb__scan *scan, const plumb__scan_name *names);
void plumb__scan_free(plumb__scan *scan);
/* The message says what was expected and found; the place is for the caller to put before it.
 * Errors: PLUMB_ERR_FORMAT, PLUMB_ERR_NO_MEMORY, PLUMB_ERR_LIMIT (a text of 4 GiB). */
plumb_status plumb__scan_line(plumb__scan *scan, plumb__arena *arena, const char *text, size_t n,
                              plumb_error *err) PLUMB_MUST_CHECK;
/* "a string", "an array", …; static. */
const char *plumb__scan_kind_name(plumb__scan_kind kind);
/* The column of a byte of a line, in characters from 1. */
uint32_t plumb__scan_column(const char *line, size_t at);

#endif
