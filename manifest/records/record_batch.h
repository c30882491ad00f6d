/* Blocks of whole lines, one behind the other, from a file that is read once. */
#ifndef PLUMB_MANIFEST_RECORD_BATCH_H
#define PLUMB_MANIFEST_RECORD_BATCH_H

#include "manifest/records/record_view.h"

#define PLUMB__BATCH_BYTES ((size_t)1 << 20)

/* A file that is being read: exactly `bytes` of it, its size when it was opened. */
typedef struct plumb__line_source {
    const char *path;
    int fd;
    uint64_t bytes, done;
} plumb__line_source;

typedef struct plumb__batch {
    char *data;
    size_t size, capacity;
    size_t end;  /* of its last whole line; what comes after belongs to the next batch */
    bool last;   /* there is no next one; then end is size, whether a line ends there or not */
    bool broken; /* it begins or ends inside a line of more than 16 MiB */
} plumb__batch;

/* Opens a regular file and notes its size. The caller closes source->fd. */
plumb_status plumb__source_open(const char *path, plumb__line_source *source,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* What was left over of `before` (NULL: nothing) and the bytes that follow in the file. Errors:
 * PLUMB_ERR_TRUNCATED when the file ends before its size. */
plumb_status plumb__batch_fill(plumb__batch *batch, const plumb__batch *before,
                               plumb__line_source *source, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__batch_free(plumb__batch *batch);
/* That a file has still the size that was read. Errors: PLUMB_ERR_DIGEST. */
plumb_status plumb__source_check_size(const plumb__line_source *source,
                                      plumb_error *err) PLUMB_MUST_CHECK;
/* The form of a line without its LF: no CR, byte order mark, not blank, not too long. `first`: of
 * the file. The message has no place yet; *at is the byte. */
plumb_status plumb__line_check(bool first, const char *line, size_t n, uint32_t *at,
                               plumb_error *err) PLUMB_MUST_CHECK;

#endif
