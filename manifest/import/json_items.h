/* A big JSON file, one element at a time: the elements of a top-level array, of the array that one
 * named field of a top-level object holds, or values one behind the other (JSON lines). */
#ifndef PLUMB_IMPORT_JSON_ITEMS_H
#define PLUMB_IMPORT_JSON_ITEMS_H

#include "base/hash.h"
#include "base/json.h"

#define PLUMB__ELEMENT_MAX_BYTES ((size_t)16 << 20)

typedef struct plumb__json_items {
    const char *path;
    const char *field; /* of the object that holds the array; NULL: no such field */
    int fd;
    plumb__hasher *hasher; /* of every byte that is read; NULL: of none */
    uint8_t *buffer;
    size_t at, have;
    uint64_t line, column; /* of the next byte, from 1 */
    plumb__bytes element;
    uint64_t element_line, element_column; /* where it began */
    uint64_t number;                       /* of the element, from 1 */
    bool in_array, begun, ended;
} plumb__json_items;

plumb_status plumb__json_items_open(plumb__json_items *items, const char *path, const char *field,
                                    plumb_error *err) PLUMB_MUST_CHECK;
/* Follows no symbolic link, and what is read goes through the hasher as well. */
plumb_status plumb__json_items_open_hashed(plumb__json_items *items, const char *path,
                                           const char *field, plumb__hasher *hasher,
                                           plumb_error *err) PLUMB_MUST_CHECK;
void plumb__json_items_close(plumb__json_items *items);
/* The next element, a new reference; NULL at the end. An element that is not JSON (or has a key
 * twice) is PLUMB_ERR_FORMAT with its line and column in the file, and the next call goes on behind
 * it; PLUMB_ERR_LIMIT and the rest are final. */
plumb_status plumb__json_items_next(plumb__json_items *items, json_t **out,
                                    plumb_error *err) PLUMB_MUST_CHECK;

#endif
