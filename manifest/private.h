/* NAME.private.jsonl: what may have to be forgotten, one salted line a record. A public record's
 * "private" is SHA-256(salt | line), so a dropped line leaves every signature and proof as it was.
 */
#ifndef PLUMB_MANIFEST_PRIVATE_H
#define PLUMB_MANIFEST_PRIVATE_H

#include "base/hash.h"
#include "base/json.h"
#include "manifest/intern.h"

typedef struct plumb__private {
    char path[1024]; /* opens the messages */
    plumb__bytes text;
    plumb__intern ids; /* number = line - 1 */
    uint64_t *starts;  /* ids.n + 1 */
    size_t starts_capacity;
    uint32_t used; /* lines that a record has asked for */
} plumb__private;

/* Reads the file when there is one; *out is NULL when there is none. `required`: there must be. */
plumb_status plumb__private_open(const char *path, bool required, plumb__private **out,
                                 plumb_error *err) PLUMB_MUST_CHECK;
void plumb__private_free(plumb__private *file);
/* Adds the private fields of a public record to it, if its line is there: the line must have the
 * digest that was signed. file may be NULL. */
plumb_status plumb__private_merge(plumb__private *file, json_t *record,
                                  plumb_error *err) PLUMB_MUST_CHECK;
/* After all records: every private line must have been some record's. */
plumb_status plumb__private_check_used(const plumb__private *file,
                                       plumb_error *err) PLUMB_MUST_CHECK;

#endif
