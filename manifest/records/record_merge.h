/* From lines read by themselves to rows of the table. The reading half (plumb__item_make) may run
 * on many threads; the merging half on one at a time, in the order of the lines. */
#ifndef PLUMB_MANIFEST_RECORD_MERGE_H
#define PLUMB_MANIFEST_RECORD_MERGE_H

#include "manifest/records/private.h"
#include "manifest/records/records.h"

/* A record on its way to the table: what its row needs, with the hashes that finding needs. Points
 * into its line and the arena of its block. */
typedef struct plumb__item {
    plumb__span id, text, label, parent, annotators, class_key, segments, depth, budget, weight;
    uint64_t id_hash, text_hash, label_hash, parent_hash, annotators_hash, class_hash;
    const char *line;
    size_t line_bytes;
    plumb__hash sha256;
    uint64_t content_bytes;
    double quality;
    int64_t withdrawn_s;
    uint32_t n_messages;
    bool withdrawn, has_prompt, has_chosen, has_rejected, from_private;
} plumb__item;

/* What is resolved once for all records with the same class key. */
typedef struct plumb__resolved {
    uint32_t class_number;
    double own_weight; /* NaN: the class's */
} plumb__resolved;

typedef struct plumb__merge {
    const char *what; /* the file, for messages */
    plumb__table *table;
    plumb__taxonomy *taxonomy;
    plumb__intern keys; /* distinct class keys; resolved[number of a key] */
    plumb__resolved *resolved;
    size_t resolved_capacity;
    uint32_t n_private; /* records whose private line was there */
} plumb__merge;

plumb_status plumb__merge_init(plumb__merge *merge, const char *what, plumb__table *table,
                               plumb__taxonomy *taxonomy, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__merge_free(plumb__merge *merge);

/* Reads merge, whoever else does. Errors: PLUMB_ERR_NO_MEMORY. */
plumb_status plumb__item_make(const plumb__merge *merge, plumb__arena *arena,
                              const plumb__record_view *view, const char *line, size_t n,
                              plumb__item *out, plumb_error *err) PLUMB_MUST_CHECK;
/* Adds the next row. Messages are whole. */
plumb_status plumb__merge_item(plumb__merge *merge, const plumb__item *item,
                               plumb_error *err) PLUMB_MUST_CHECK;
/* Asks the processor for what merging the item will look at. */
void plumb__merge_prefetch(const plumb__merge *merge, const plumb__item *item);
/* After the last row: what needs all records. */
plumb_status plumb__merge_finish(plumb__merge *merge, plumb_error *err) PLUMB_MUST_CHECK;
/* "FILE: line L, column C". */
void plumb__record_place(const char *file, uint64_t line, uint32_t column, char *out, size_t size);

#define PLUMB__PLACE_BYTES 1100

#endif
