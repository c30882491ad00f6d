/* The fold over seals.jsonl: each line says what differs from the inventory before it, and the
 * inventory in force is what all lines together say (docs/formats/bundle.md section 6). Everyone
 * who reads the file reads it through here; plumb__inventory_dump writes the differences. */
#ifndef PLUMB_PROVENANCE_INVENTORY_FOLD_H
#define PLUMB_PROVENANCE_INVENTORY_FOLD_H

#include "base/json.h"
#include "provenance/inventory.h"

typedef struct plumb__inventory_fold { /* {0} before the first line */
    json_t *files;                     /* name -> its entry as the lines have it */
    uint64_t lines;
    uint64_t leaf; /* of the last line */
    plumb__seal_state state;
} plumb__inventory_fold;

/* Adds a line (without its LF). Strict: exactly the bytes that plumb__inventory_dump would write
 * for this step from one inventory to the next. PLUMB_ERR_FORMAT: the line by itself is none, and
 * nothing has changed. After any other failure the fold can only be freed. */
plumb_status plumb__inventory_fold_line(const char *what, const void *line, size_t n,
                                        plumb__inventory_fold *fold,
                                        plumb_error *err) PLUMB_MUST_CHECK;
/* The inventory in force after the lines so far. */
plumb_status plumb__inventory_fold_result(const plumb__inventory_fold *fold, plumb__inventory *out,
                                          plumb_error *err) PLUMB_MUST_CHECK;
void plumb__inventory_fold_free(plumb__inventory_fold *fold);

#endif
