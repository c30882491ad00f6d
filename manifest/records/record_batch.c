#include "manifest/records/record_batch.h"

#include "base/alloc.h"
#include "base/file.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

plumb_status plumb__source_open(const char *path, plumb__line_source *source, plumb_error *err)
{
    *source = (plumb__line_source){.path = path, .fd = -1};
    return plumb__file_open(path, false, &source->fd, &source->bytes, err);
}

void plumb__batch_free(plumb__batch *batch)
{
    plumb__free(batch->data);
    memset(batch, 0, sizeof *batch);
}

static plumb_status read_to(plumb__batch *batch, size_t size, plumb__line_source *source,
                            plumb_error *err)
{
    PLUMB_TRY(plumb__grow(&batch->data, &batch->capacity, size, 1, "records", err));
    while (batch->size < size && source->done < source->bytes) {
        const uint64_t left = source->bytes - source->done;
        size_t want = size - batch->size, got = 0;
        if (want > left) want = (size_t)left;
        PLUMB_TRY(plumb__fd_read_some(source->fd, batch->data + batch->size, want, source->path,
                                      &got, err));
        if (got == 0) {
            return plumb__fail(err, PLUMB_ERR_TRUNCATED,
                               "%s: was cut short while it was read: it ends after %" PRIu64
                               " of %" PRIu64 " bytes",
                               source->path, source->done, source->bytes);
        }
        batch->size += got;
        source->done += got;
    }
    return PLUMB_OK;
}

plumb_status plumb__batch_fill(plumb__batch *batch, const plumb__batch *before,
                               plumb__line_source *source, plumb_error *err)
{
    const size_t carry = before != NULL ? before->size - before->end : 0;
    batch->size = 0;
    batch->broken = before != NULL && before->broken;
    PLUMB_TRY(plumb__grow(&batch->data, &batch->capacity, carry + 1, 1, "records", err));
    if (carry > 0) memcpy(batch->data, before->data + before->end, carry);
    batch->size = carry;
    /* When no line ends in the usual size, one that holds the longest line at once: growing step by
     * step would leave its pieces behind. The first `carry` bytes have no line end, as is known. */
    const uint64_t left = source->bytes - source->done;
    const size_t first = left < PLUMB__BATCH_BYTES ? (size_t)left : PLUMB__BATCH_BYTES;
    for (size_t want = carry + first;; want = carry + PLUMB__RECORD_LINE_CAP + first) {
        const size_t from = batch->size;
        PLUMB_TRY(read_to(batch, want, source, err));
        batch->last = source->done == source->bytes;
        const char *lf =
            batch->size > from ? memrchr(batch->data + from, '\n', batch->size - from) : NULL;
        batch->end = lf != NULL ? (size_t)(lf - batch->data) + 1 : 0;
        if (batch->last) batch->end = batch->size;
        if (batch->end > 0 || batch->last) return PLUMB_OK;
        if (batch->size <= PLUMB__RECORD_LINE_CAP) continue;
        /* A line without end: its bytes are still to be hashed, but not to be kept. */
        batch->broken = true;
        batch->end = batch->size;
        return PLUMB_OK;
    }
}

plumb_status plumb__source_check_size(const plumb__line_source *source, plumb_error *err)
{
    struct stat st;
    if (fstat(source->fd, &st) != 0)
        return plumb__fail_errno(err, "cannot inspect %s", source->path);
    if ((uint64_t)st.st_size == source->bytes) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST,
                       "%s: changed from %" PRIu64 " to %" PRIu64
                       " bytes while it was read: try again when nobody writes to it",
                       source->path, source->bytes, (uint64_t)st.st_size);
}

plumb_status plumb__line_check(bool first, const char *line, size_t n, uint32_t *at,
                               plumb_error *err)
{
    const char *cr = memchr(line, '\r', n);
    *at = 0;
    if (n > PLUMB__RECORD_LINE_CAP) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "the line has more than %zu bytes",
                           PLUMB__RECORD_LINE_CAP);
    }
    if (cr != NULL) {
        *at = (uint32_t)(cr - line);
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "the line has a carriage return; lines end in LF alone");
    }
    if (first && n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "the file begins with a byte order mark; remove it");
    }
    size_t blank = 0;
    while (blank < n && (line[blank] == ' ' || line[blank] == '\t')) {
        blank++;
    }
    if (blank < n) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "the line is blank; remove it");
}
