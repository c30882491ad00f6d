/* What the HDF5 writer and reader share: the lock, errors, the element types, and columns (one
 * dataset each, buffered by whole chunks).
 *
 * Thread safety: whether the installed HDF5 was built thread safe is not relied on. Every call into
 * it stands between plumb__h5_enter and plumb__h5_leave, which hold one process-wide lock and keep
 * HDF5's automatic error printing off. Writer, reader and column objects belong to one thread at a
 * time. */
#ifndef PLUMB_PROVENANCE_H5_COMMON_H
#define PLUMB_PROVENANCE_H5_COMMON_H

#include "base/error.h"
#include "provenance/h5_schema.h"

#include <hdf5.h>
#include <stdbool.h>

typedef struct plumb__h5_guard {
    H5E_auto2_t print;
    void *print_data;
    bool restore;
} plumb__h5_guard;

void plumb__h5_enter(plumb__h5_guard *guard);
void plumb__h5_leave(const plumb__h5_guard *guard);

/* plumb__fail with HDF5's own innermost reason behind the message; a system error in that reason
 * (no space, exists, not found) decides the status instead of `status`. The reason is that of the
 * first call that failed under this guard; call it before plumb__h5_leave. */
plumb_status plumb__h5_fail(plumb_error *err, plumb_status status, const char *format, ...)
    PLUMB_PRINTF(3, 4);

/* The element types of a file, as they are on disk; also used as memory types, so that bits pass
 * through unchanged. */
typedef struct plumb__h5_types {
    hid_t id[PLUMB__H5_TYPE_COUNT]; /* STRING: H5I_INVALID_HID, its size belongs to the column */
} plumb__h5_types;

/* The next three are called under the guard. */
plumb_status plumb__h5_types_create(plumb__h5_types *types, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__h5_types_close(plumb__h5_types *types);
/* A fixed-length, null-padded UTF-8 string type, or a negative id. */
hid_t plumb__h5_string_type(size_t size_bytes);
size_t plumb__h5_type_bytes(plumb__h5_type type); /* STRING: 0 */

/* A dataset, closed when `dataset` <= 0; zeroed is a valid closed column. */
typedef struct plumb__h5_column {
    const plumb__h5_spec *spec;
    const char *path; /* of the file, for messages; borrowed */
    hid_t dataset, type;
    bool own_type;
    size_t width, element_bytes, row_bytes, chunk_rows;
    uint64_t rows;             /* rows in the file */
    uint8_t *buffer;           /* writing: rows behind those in the file, at most one chunk */
    size_t buffered, capacity; /* rows; the buffer grows to a chunk only where there are so many */
} plumb__h5_column;

/* Creates the dataset of `spec` in the open group or file `parent`. string_bytes: for STRING.
 * expected: rows there will be, 0 when unknown; it only bounds the chunk. */
plumb_status plumb__h5_column_create(hid_t parent, const plumb__h5_types *types,
                                     const plumb__h5_spec *spec, size_t width, size_t string_bytes,
                                     uint64_t expected, const char *path, plumb__h5_column *column,
                                     plumb_error *err) PLUMB_MUST_CHECK;
/* Appends n rows; whole chunks go to the file. */
plumb_status plumb__h5_column_append(plumb__h5_column *column, const void *rows, size_t n,
                                     plumb_error *err) PLUMB_MUST_CHECK;
/* Writes what is buffered. An append after it is correct, only slower. */
plumb_status plumb__h5_column_flush(plumb__h5_column *column, plumb_error *err) PLUMB_MUST_CHECK;
/* Rows [first, first+n) into out [n x row_bytes]; the caller has checked the range against rows. */
plumb_status plumb__h5_column_read(const plumb__h5_column *column, uint64_t first, uint64_t n,
                                   void *out, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__h5_column_close(plumb__h5_column *column);

/* A scalar string attribute (under the guard). Empty text is stored as one NUL. */
plumb_status plumb__h5_attribute_text(hid_t object, const char *name, const char *text,
                                      plumb_error *err) PLUMB_MUST_CHECK;

#endif
