/* NAME.private.jsonl: what may have to be forgotten, one salted line a record. A public record's
 * "private" is SHA-256(salt | line), so a dropped line leaves every signature and proof as it was.
 * The file is indexed once and its lines are read again when their records come: each is judged by
 * the digest that was signed, whatever happened to the file meanwhile. */
#ifndef PLUMB_MANIFEST_PRIVATE_H
#define PLUMB_MANIFEST_PRIVATE_H

#include "manifest/records/arena.h"
#include "manifest/records/intern.h"

typedef struct plumb__private {
    char path[1024]; /* opens the messages */
    int fd;
    plumb__intern ids; /* number = line - 1 */
    uint64_t *starts;  /* ids.n + 1 */
    size_t starts_capacity;
} plumb__private;

/* Indexes the file when there is one; *out is NULL when there is none. `required`: there must be.
 */
plumb_status plumb__private_open(const char *path, bool required, plumb__private **out,
                                 plumb_error *err) PLUMB_MUST_CHECK;
void plumb__private_free(plumb__private *file);
/* Number of the line of an id, from 0, or PLUMB__INTERN_NONE; file may be NULL. Any thread. */
uint32_t plumb__private_find(const plumb__private *file, const char *id, size_t n);
/* The line, into the arena. Any thread. */
plumb_status plumb__private_line(const plumb__private *file, uint32_t number, plumb__arena *arena,
                                 const char **line, size_t *n, plumb_error *err) PLUMB_MUST_CHECK;
/* After all records: every line must have been some record's. */
plumb_status plumb__private_check_used(const plumb__private *file, uint32_t used,
                                       plumb_error *err) PLUMB_MUST_CHECK;

#endif
