#include "provenance/h5_common.h"
#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whole chunks are read and written. 256 KiB deflates well and is one quarter of HDF5's default
 * chunk cache; 8192 rows keep a file of a few steps small. */
#define CHUNK_BYTES ((size_t)256 << 10)
#define CHUNK_ROWS ((size_t)8192)
/* Level 6 saves 8 % of the bytes of edges and takes 1.8 times as long (docs/formats/graph.md). */
#define DEFLATE_LEVEL 1u

static pthread_mutex_t h5_lock = PTHREAD_MUTEX_INITIALIZER;

typedef struct reason {
    char text[256];
    int os_errno;
    bool known, truncated;
} reason;

/* The first failure since the lock was taken. The next call into HDF5 would clear its error stack,
 * and the handles of what failed have to be closed before anybody can ask. Guarded by h5_lock. */
static reason first_failure;

/* Upward walks start at the innermost frame, which says most; a system error may stand in any. */
static herr_t collect_frame(unsigned n, const H5E_error2_t *frame, void *ctx)
{
    reason *r = ctx;
    if (frame->desc == NULL) return 0;
    if (n == 0) snprintf(r->text, sizeof r->text, "%s", frame->desc);
    if (strstr(frame->desc, "truncated file") != NULL) r->truncated = true;
    const char *at = strstr(frame->desc, "errno = ");
    if (at != NULL && r->os_errno == 0) r->os_errno = (int)strtol(at + 8, NULL, 10);
    return 0;
}

/* Stands where HDF5's printer would: called by HDF5 at the end of every call that failed. */
static herr_t remember(hid_t stack, void *ctx)
{
    (void)ctx;
    if (first_failure.known) return 0;
    first_failure.known = true;
    H5Ewalk2(stack, H5E_WALK_UPWARD, collect_frame, &first_failure);
    return 0;
}

void plumb__h5_enter(plumb__h5_guard *guard)
{
    pthread_mutex_lock(&h5_lock);
    first_failure = (reason){0};
    /* A program may have set the old (v1) handler: then it cannot be asked, and is left alone. */
    guard->restore = H5Eget_auto2(H5E_DEFAULT, &guard->print, &guard->print_data) >= 0;
    if (guard->restore) H5Eset_auto2(H5E_DEFAULT, remember, NULL);
}

void plumb__h5_leave(const plumb__h5_guard *guard)
{
    H5Eclear2(H5E_DEFAULT);
    if (guard->restore) H5Eset_auto2(H5E_DEFAULT, guard->print, guard->print_data);
    pthread_mutex_unlock(&h5_lock);
}

/* ---- errors ---- */

static plumb_status status_of_errno(int os_errno, plumb_status otherwise)
{
    switch (os_errno) {
    case ENOSPC:
    case EDQUOT: return PLUMB_ERR_NO_SPACE;
    case EEXIST: return PLUMB_ERR_EXISTS;
    case ENOENT: return PLUMB_ERR_NOT_FOUND;
    case ENOMEM: return PLUMB_ERR_NO_MEMORY;
    case 0: return otherwise;
    default: return PLUMB_ERR_IO;
    }
}

plumb_status plumb__h5_fail(plumb_error *err, plumb_status status, const char *format, ...)
{
    const reason *why = &first_failure;
    char message[PLUMB_ERROR_MESSAGE_BYTES / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    status = status_of_errno(why->os_errno, why->truncated ? PLUMB_ERR_TRUNCATED : status);
    if (why->os_errno != 0)
        plumb__fail(err, status, "%s: %s", message, strerror(why->os_errno));
    else
        plumb__fail(err, status, "%s: HDF5 says: %s", message,
                    why->text[0] != '\0' ? why->text : "nothing");
    if (err != NULL) err->os_errno = why->os_errno;
    return status;
}

/* ---- types ---- */

/* A 16-bit IEEE-like little-endian float. HDF5 checks the fields against size and precision at
 * every call, so they shrink first, then the precision, then the size. */
static hid_t small_float(size_t exponent_bits, size_t mantissa_bits, size_t bias)
{
    const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    if (type < 0) return type;
    if (H5Tset_fields(type, 15, mantissa_bits, exponent_bits, 0, mantissa_bits) >= 0 &&
        H5Tset_precision(type, 16) >= 0 && H5Tset_size(type, 2) >= 0 &&
        H5Tset_ebias(type, bias) >= 0)
        return type;
    H5Tclose(type);
    return H5I_INVALID_HID;
}

plumb_status plumb__h5_types_create(plumb__h5_types *types, plumb_error *err)
{
    const hid_t standard[] = {H5T_STD_U8LE,  H5T_STD_U16LE, H5T_STD_U32LE,  H5T_STD_U64LE,
                              H5T_STD_I32LE, H5T_STD_I64LE, H5T_IEEE_F32LE, H5T_IEEE_F64LE};
    for (size_t i = 0; i < PLUMB__H5_TYPE_COUNT; i++)
        types->id[i] = H5I_INVALID_HID;
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++)
        types->id[i] = H5Tcopy(standard[i]);
    types->id[PLUMB__H5_NORM16] = small_float(7, 8, 63);
    types->id[PLUMB__H5_F16] = small_float(5, 10, 15);
    for (size_t i = 0; i < PLUMB__H5_STRING; i++) {
        if (types->id[i] >= 0) continue;
        const plumb_status status =
            plumb__h5_fail(err, PLUMB_ERR_IO, "cannot make the HDF5 element types");
        plumb__h5_types_close(types);
        return status;
    }
    return PLUMB_OK;
}

void plumb__h5_types_close(plumb__h5_types *types)
{
    for (size_t i = 0; i < PLUMB__H5_TYPE_COUNT; i++) {
        if (types->id[i] > 0) H5Tclose(types->id[i]);
        types->id[i] = H5I_INVALID_HID;
    }
}

hid_t plumb__h5_string_type(size_t size_bytes)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    if (type < 0) return type;
    if (H5Tset_size(type, size_bytes) >= 0 && H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0 &&
        H5Tset_cset(type, H5T_CSET_UTF8) >= 0)
        return type;
    H5Tclose(type);
    return H5I_INVALID_HID;
}

size_t plumb__h5_type_bytes(plumb__h5_type type)
{
    static const uint8_t bytes[PLUMB__H5_TYPE_COUNT] = {1, 2, 4, 8, 4, 8, 4, 8, 2, 2, 0};
    return bytes[type];
}

plumb_status plumb__h5_attribute_text(hid_t object, const char *name, const char *text,
                                      plumb_error *err)
{
    const size_t n = strlen(text);
    const hid_t type = plumb__h5_string_type(n > 0 ? n : 1);
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute = type < 0 || space < 0
                                ? H5I_INVALID_HID
                                : H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    plumb_status status = PLUMB_OK;
    if (attribute < 0 || H5Awrite(attribute, type, text) < 0)
        status = plumb__h5_fail(err, PLUMB_ERR_IO, "cannot write the attribute %s", name);
    if (attribute >= 0) H5Aclose(attribute);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return status;
}

/* ---- columns ---- */

/* Chunked, shuffled and deflated, without times, so that the same input gives the same bytes. */
static hid_t creation_properties(const plumb__h5_column *column, int rank)
{
    const hsize_t chunk[2] = {column->chunk_rows, column->width};
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    if (plist < 0) return plist;
    if (H5Pset_chunk(plist, rank, chunk) >= 0 && H5Pset_shuffle(plist) >= 0 &&
        H5Pset_deflate(plist, DEFLATE_LEVEL) >= 0 && H5Pset_obj_track_times(plist, false) >= 0 &&
        H5Pset_fill_time(plist, H5D_FILL_TIME_ALLOC) >= 0)
        return plist;
    H5Pclose(plist);
    return H5I_INVALID_HID;
}

static hid_t create_dataset(hid_t parent, const char *name, const plumb__h5_column *column)
{
    const int rank = column->spec->width == PLUMB__H5_ONE ? 1 : 2;
    const hsize_t size[2] = {0, column->width};
    const hsize_t limit[2] = {H5S_UNLIMITED, column->width};
    const hid_t plist = creation_properties(column, rank);
    const hid_t space = H5Screate_simple(rank, size, limit);
    hid_t dataset = H5I_INVALID_HID;
    if (plist >= 0 && space >= 0)
        dataset = H5Dcreate2(parent, name, column->type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    if (space >= 0) H5Sclose(space);
    if (plist >= 0) H5Pclose(plist);
    return dataset;
}

static size_t rows_per_chunk(size_t row_bytes, uint64_t expected)
{
    size_t rows = CHUNK_BYTES / row_bytes;
    if (rows > CHUNK_ROWS) rows = CHUNK_ROWS;
    if (expected > 0 && rows > expected) rows = (size_t)expected;
    return rows > 0 ? rows : 1;
}

static plumb_status column_open(hid_t parent, plumb__h5_column *column, plumb_error *err)
{
    const plumb__h5_spec *spec = column->spec;
    if (column->own_type) column->type = plumb__h5_string_type(column->element_bytes);
    column->dataset = create_dataset(parent, spec->name, column);
    if (column->dataset < 0)
        return plumb__h5_fail(err, PLUMB_ERR_IO, "%s: cannot create /%s/%s", column->path,
                              spec->group, spec->name);
    PLUMB_TRY(plumb__h5_attribute_text(column->dataset, "units", spec->units, err));
    return plumb__h5_attribute_text(column->dataset, "description", spec->description, err);
}

plumb_status plumb__h5_column_create(hid_t parent, const plumb__h5_types *types,
                                     const plumb__h5_spec *spec, size_t width, size_t string_bytes,
                                     uint64_t expected, const char *path, plumb__h5_column *column,
                                     plumb_error *err)
{
    *column = (plumb__h5_column){.spec = spec, .path = path, .width = width};
    column->own_type = spec->type == PLUMB__H5_STRING;
    column->type = types->id[spec->type];
    column->element_bytes = column->own_type ? string_bytes : plumb__h5_type_bytes(spec->type);
    column->row_bytes = column->element_bytes * width;
    column->chunk_rows = rows_per_chunk(column->row_bytes, expected);
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    plumb_status status = column_open(parent, column, err);
    plumb__h5_leave(&guard);
    if (status != PLUMB_OK) plumb__h5_column_close(column);
    return status;
}

typedef enum direction { READ, WRITE } direction;

/* One hyperslab of whole rows between the file and contiguous memory; 0 or negative as HDF5 has it.
 */
static herr_t transfer(const plumb__h5_column *column, direction way, uint64_t first, uint64_t n,
                       void *data)
{
    const int rank = column->spec->width == PLUMB__H5_ONE ? 1 : 2;
    const hsize_t start[2] = {first, 0}, count[2] = {n, column->width};
    const hid_t file_space = H5Dget_space(column->dataset);
    const hid_t memory_space = H5Screate_simple(rank, count, NULL);
    herr_t result = -1;
    if (file_space >= 0 && memory_space >= 0 &&
        H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0)
        result = way == READ ? H5Dread(column->dataset, column->type, memory_space, file_space,
                                       H5P_DEFAULT, data)
                             : H5Dwrite(column->dataset, column->type, memory_space, file_space,
                                        H5P_DEFAULT, data);
    if (memory_space >= 0) H5Sclose(memory_space);
    if (file_space >= 0) H5Sclose(file_space);
    return result;
}

static plumb_status write_rows(plumb__h5_column *column, const void *rows, size_t n,
                               plumb_error *err)
{
    const hsize_t size[2] = {column->rows + n, column->width};
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    plumb_status status = PLUMB_OK;
    /* HDF5 has one pointer type for both directions; nothing is written through it here. */
    if (H5Dset_extent(column->dataset, size) < 0 ||
        transfer(column, WRITE, column->rows, n, (void *)(uintptr_t)rows) < 0)
        status = plumb__h5_fail(err, PLUMB_ERR_IO, "%s: cannot write to /%s/%s", column->path,
                                column->spec->group, column->spec->name);
    plumb__h5_leave(&guard);
    if (status == PLUMB_OK) column->rows += n;
    return status;
}

plumb_status plumb__h5_column_append(plumb__h5_column *column, const void *rows, size_t n,
                                     plumb_error *err)
{
    const uint8_t *from = rows;
    while (n > 0) {
        /* A flush may have left the file inside a chunk; fill up to its end, not by a whole one. */
        const size_t used = (size_t)(column->rows % column->chunk_rows) + column->buffered;
        const size_t room = column->chunk_rows - used % column->chunk_rows;
        const size_t now = n < room ? n : room;
        PLUMB_TRY(plumb__grow(&column->buffer, &column->capacity, column->buffered + now,
                              column->row_bytes, "a column of the graph", err));
        memcpy(column->buffer + column->buffered * column->row_bytes, from,
               now * column->row_bytes);
        column->buffered += now;
        from += now * column->row_bytes;
        n -= now;
        if (now == room) PLUMB_TRY(plumb__h5_column_flush(column, err));
    }
    return PLUMB_OK;
}

plumb_status plumb__h5_column_flush(plumb__h5_column *column, plumb_error *err)
{
    if (column->buffered == 0) return PLUMB_OK;
    PLUMB_TRY(write_rows(column, column->buffer, column->buffered, err));
    column->buffered = 0;
    return PLUMB_OK;
}

plumb_status plumb__h5_column_read(const plumb__h5_column *column, uint64_t first, uint64_t n,
                                   void *out, plumb_error *err)
{
    if (n == 0) return PLUMB_OK;
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    plumb_status status = PLUMB_OK;
    if (transfer(column, READ, first, n, out) < 0)
        status = plumb__h5_fail(err, PLUMB_ERR_CORRUPT, "%s: cannot read /%s/%s", column->path,
                                column->spec->group, column->spec->name);
    plumb__h5_leave(&guard);
    return status;
}

void plumb__h5_column_close(plumb__h5_column *column)
{
    plumb__h5_guard guard;
    plumb__h5_enter(&guard);
    if (column->dataset > 0) H5Dclose(column->dataset);
    if (column->own_type && column->type > 0) H5Tclose(column->type);
    plumb__h5_leave(&guard);
    plumb__free(column->buffer);
    *column = (plumb__h5_column){0};
}
