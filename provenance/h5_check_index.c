/* Full verification of what provenance.h5 derives: /ledger and /index are computed again from
 * /units and /edges and compared bit for bit. */
#include "base/alloc.h"
#include "provenance/h5_index.h"

#include <stdio.h>
#include <string.h>

typedef struct comparison {
    plumb__h5_reader *reader;
    uint8_t *stored; /* rows of the column at hand */
    size_t capacity;
    uint64_t positions; /* of the index, compared so far */
} comparison;

#define PIECE_BYTES ((size_t)4 << 20)

/* Rows [first, first+n) of column `id` must be `expected`. */
static plumb_status compare(comparison *c, size_t id, uint64_t first, size_t n,
                            const void *expected, plumb_error *err)
{
    const plumb__h5_column *column = &c->reader->columns[id];
    const size_t piece = PIECE_BYTES / column->row_bytes + 1;
    if (first > column->rows || n > column->rows - first)
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "%s: /%s/%s has fewer rows than /units calls for", c->reader->path,
                           column->spec->group, column->spec->name);
    for (size_t done = 0; done < n;) {
        const size_t now = n - done < piece ? n - done : piece, bytes = now * column->row_bytes;
        PLUMB_TRY(plumb__grow(&c->stored, &c->capacity, bytes, 1, "a comparison", err));
        PLUMB_TRY(plumb__h5_column_read(column, first + done, now, c->stored, err));
        const uint8_t *want = (const uint8_t *)expected + done * column->row_bytes;
        for (size_t i = 0; i < now; i++) {
            if (memcmp(c->stored + i * column->row_bytes, want + i * column->row_bytes,
                       column->row_bytes) != 0)
                return plumb__fail(err, PLUMB_ERR_MISMATCH,
                                   "%s: row %llu of /%s/%s is not what /units and /edges say",
                                   c->reader->path, (unsigned long long)(first + done + i),
                                   column->spec->group, column->spec->name);
        }
        done += now;
    }
    return PLUMB_OK;
}

static plumb_status compare_ledger(void *ctx, uint64_t first, size_t n, const float *spend,
                                   plumb_error *err)
{
    return compare(ctx, PLUMB__H5_LEDGER_SPEND, first, n, spend, err);
}

static plumb_status compare_offsets(void *ctx, size_t n, const uint64_t *offsets, plumb_error *err)
{
    return compare(ctx, PLUMB__H5_INDEX_OFFSET, 0, n, offsets, err);
}

static plumb_status compare_rows(void *ctx, uint64_t first, size_t n, const uint64_t *rows,
                                 const uint16_t *const edges[3], plumb_error *err)
{
    comparison *c = ctx;
    c->positions = first + n;
    PLUMB_TRY(compare(c, PLUMB__H5_INDEX_ROW, first, n, rows, err));
    for (size_t i = 0; i < 3; i++)
        PLUMB_TRY(compare(c, PLUMB__H5_INDEX_NORM + i, first, n, edges[i], err));
    return PLUMB_OK;
}

plumb_status plumb__h5_check_index(plumb__h5_reader *r, plumb_error *err)
{
    if (!r->shape.whole)
        return plumb__fail(err, PLUMB_ERR_NOT_FOUND, "%s is a segment: it has no index", r->path);
    comparison c = {.reader = r};
    const plumb__h5_index_sink sink = {&c, compare_ledger, compare_offsets, compare_rows};
    plumb_status status =
        plumb__h5_index_build(r, plumb__h5_example_count(r), PLUMB__H5_SLAB_BYTES, &sink, err);
    if (status == PLUMB_OK && c.positions != r->shape.rows[PLUMB__H5_ROWS_KNOWN])
        status = plumb__fail(err, PLUMB_ERR_MISMATCH,
                             "%s: /index has more rows than /units calls for", r->path);
    plumb__free(c.stored);
    return status;
}
