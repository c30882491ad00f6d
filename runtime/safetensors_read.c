/* Reading safetensors, strictly: nothing in the file is believed before it is checked. */
#include "runtime/safetensors.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "runtime/dtype.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_CAP_BYTES ((uint64_t)64 << 20)
#define CHUNK_BYTES ((size_t)4 << 20)

static plumb_status check_digest(const plumb__safetensors *f, uint64_t size,
                                 const plumb__hash *expected, plumb_error *err)
{
    uint8_t *chunk = NULL;
    plumb__hasher hasher;
    plumb_status status = PLUMB_OK;
    PLUMB_TRY(plumb__alloc(&chunk, CHUNK_BYTES, 1, "checkpoint", err));
    plumb__hash_init(&hasher, PLUMB__BLAKE2B);
    for (uint64_t at = 0; at < size; at += CHUNK_BYTES) {
        const size_t part = size - at < CHUNK_BYTES ? (size_t)(size - at) : CHUNK_BYTES;
        PLUMB_TRY_CLEAN(plumb__fd_read_at(f->fd, chunk, part, at, f->path, err));
        plumb__hash_update(&hasher, chunk, part);
    }
    const plumb__hash found = plumb__hash_final(&hasher);
    if (!plumb__hash_equal(&found, expected))
        status = plumb__fail(err, PLUMB_ERR_DIGEST,
                             "%s: the digest is not the one that the run recorded", f->path);
cleanup:
    plumb__free(chunk);
    return status;
}

static plumb_status read_header(plumb__safetensors *f, uint64_t size, uint64_t *data_at,
                                plumb_error *err)
{
    uint8_t length_bytes[8];
    char *text = NULL;
    if (size < 8)
        return plumb__fail(err, PLUMB_ERR_TRUNCATED, "%s: %llu bytes are no safetensors file",
                           f->path, (unsigned long long)size);
    PLUMB_TRY(plumb__fd_read_at(f->fd, length_bytes, 8, 0, f->path, err));
    const uint64_t length = plumb__load_u64(length_bytes);
    if (length > HEADER_CAP_BYTES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: header of %llu bytes, at most %llu", f->path,
                           (unsigned long long)length, (unsigned long long)HEADER_CAP_BYTES);
    if (length > size - 8)
        return plumb__fail(err, PLUMB_ERR_TRUNCATED, "%s: header of %llu bytes in a file of %llu",
                           f->path, (unsigned long long)length, (unsigned long long)size);
    PLUMB_TRY(plumb__alloc(&text, (size_t)length + 1, 1, "checkpoint header", err));
    plumb_status status = plumb__fd_read_at(f->fd, text, (size_t)length, 8, f->path, err);
    size_t end = (size_t)length;
    while (end > 0 && text[end - 1] == ' ')
        end--;
    if (status == PLUMB_OK) status = plumb__json_parse(f->path, text, end, &f->header, err);
    if (status == PLUMB_OK && !json_is_object(f->header))
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: the header is no JSON object", f->path);
    plumb__free(text);
    *data_at = 8 + length;
    return status;
}

static plumb_status bad_entry(const plumb__safetensors *f, const char *name, const char *what,
                              plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: tensor \"%.200s\": %s", f->path, name, what);
}

static plumb_status parse_shape(const plumb__safetensors *f, const char *name, const json_t *shape,
                                plumb__safetensors_entry *e, plumb_error *err)
{
    if (json_array_size(shape) > PLUMB_MAX_DIMS)
        return bad_entry(f, name, "too many dimensions", err);
    e->n_dims = (uint32_t)json_array_size(shape);
    for (uint32_t i = 0; i < e->n_dims; i++) {
        const json_t *dim = json_array_get(shape, i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return bad_entry(f, name, "a dimension is no natural number", err);
        e->dims[i] = (uint64_t)json_integer_value(dim);
    }
    return PLUMB_OK;
}

static plumb_status parse_entry(const plumb__safetensors *f, const char *name, const json_t *value,
                                uint64_t data_at, uint64_t size, plumb__safetensors_entry *e,
                                plumb_error *err)
{
    static const char *const fields[] = {"dtype", "shape", "data_offsets", NULL};
    const char *dtype = NULL;
    const json_t *shape = NULL, *offsets = NULL;
    uint64_t bytes = 0;
    if (!json_is_object(value)) return bad_entry(f, name, "no JSON object", err);
    PLUMB_TRY(plumb__json_only(f->path, value, fields, err));
    PLUMB_TRY(plumb__json_string(f->path, value, "dtype", true, &dtype, err));
    PLUMB_TRY(plumb__json_array(f->path, value, "shape", true, &shape, err));
    PLUMB_TRY(plumb__json_array(f->path, value, "data_offsets", true, &offsets, err));
    if (!plumb__dtype_parse(dtype, &e->dtype)) return bad_entry(f, name, "unknown dtype", err);
    PLUMB_TRY(parse_shape(f, name, shape, e, err));
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin) ||
        (uint64_t)json_integer_value(end) > size - data_at)
        return bad_entry(f, name, "data_offsets are not inside the file", err);
    e->name = name;
    e->begin = data_at + (uint64_t)json_integer_value(begin);
    e->end = data_at + (uint64_t)json_integer_value(end);
    if (!plumb__dims_bytes(e->dtype, e->dims, e->n_dims, &bytes) || bytes != e->end - e->begin)
        return bad_entry(f, name, "dtype and shape do not fit its data_offsets", err);
    return PLUMB_OK;
}

static int by_offset(const void *a, const void *b)
{
    const plumb__safetensors_entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Data must cover the rest of the file, each byte once. */
static plumb_status check_cover(plumb__safetensors *f, uint64_t data_at, uint64_t size,
                                plumb_error *err)
{
    uint64_t at = data_at;
    qsort(f->entries, f->n, sizeof *f->entries, by_offset);
    for (size_t i = 0; i < f->n; i++) {
        if (f->entries[i].begin != at)
            return bad_entry(f, f->entries[i].name,
                             f->entries[i].begin < at ? "its data overlap another tensor's"
                                                      : "there is a gap before its data",
                             err);
        at = f->entries[i].end;
    }
    if (at == size) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: %llu bytes after the last tensor", f->path,
                       (unsigned long long)(size - at));
}

static plumb_status parse_entries(plumb__safetensors *f, uint64_t data_at, uint64_t size,
                                  plumb_error *err)
{
    const size_t most = json_object_size(f->header);
    if (most > PLUMB__SAFETENSORS_MAX_TENSORS)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: %zu tensors, at most %u", f->path, most,
                           PLUMB__SAFETENSORS_MAX_TENSORS);
    PLUMB_TRY(plumb__alloc(&f->entries, most, sizeof *f->entries, "checkpoint header", err));
    const char *name;
    json_t *value;
    json_object_foreach(f->header, name, value)
    {
        if (strcmp(name, "__metadata__") == 0) {
            if (!json_is_object(value)) return bad_entry(f, name, "no JSON object", err);
            f->metadata = value;
            continue;
        }
        PLUMB_TRY(parse_entry(f, name, value, data_at, size, &f->entries[f->n], err));
        f->n++;
    }
    return check_cover(f, data_at, size, err);
}

plumb_status plumb__safetensors_open(const char *path, const plumb__hash *expected,
                                     plumb__safetensors *f, plumb_error *err)
{
    struct stat st;
    uint64_t data_at = 0;
    plumb_status status;
    *f = (plumb__safetensors){.fd = -1};
    if (strlen(path) >= sizeof f->path)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "path too long: %.100s", path);
    memcpy(f->path, path, strlen(path) + 1);
    f->fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0 || fstat(f->fd, &st) != 0) {
        status = plumb__fail_errno(err, "cannot read %s", path);
        goto cleanup;
    }
    if (!S_ISREG(st.st_mode)) {
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s is no regular file", path);
        goto cleanup;
    }
    const uint64_t size = (uint64_t)st.st_size;
    if (expected) PLUMB_TRY_CLEAN(check_digest(f, size, expected, err));
    PLUMB_TRY_CLEAN(read_header(f, size, &data_at, err));
    status = parse_entries(f, data_at, size, err);
cleanup:
    if (status != PLUMB_OK) plumb__safetensors_close(f);
    return status;
}

void plumb__safetensors_close(plumb__safetensors *f)
{
    if (f->fd >= 0) close(f->fd);
    plumb__free(f->entries);
    json_decref(f->header);
    *f = (plumb__safetensors){.fd = -1};
}

static plumb_status check_same(const plumb__safetensors *f, const plumb__safetensors_entry *e,
                               const plumb_named_tensor *t, plumb_error *err)
{
    if (e->dtype != t->dtype)
        return plumb__fail(err, PLUMB_ERR_MISMATCH, "%s: tensor \"%.200s\" is %s, %s was asked for",
                           f->path, t->name, plumb__dtype_name(e->dtype),
                           plumb__dtype_name(t->dtype));
    bool same = e->n_dims == t->n_dims;
    for (uint32_t i = 0; same && i < e->n_dims; i++)
        same = e->dims[i] == t->dims[i];
    if (same) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "%s: tensor \"%.200s\" has another shape than the one asked for", f->path,
                       t->name);
}

plumb_status plumb__safetensors_load(const plumb__safetensors *f, const plumb_named_tensor *t,
                                     plumb_error *err)
{
    uint64_t bytes = 0;
    PLUMB_TRY(plumb__tensor_bytes(t, &bytes, err));
    for (size_t i = 0; i < f->n; i++) {
        const plumb__safetensors_entry *e = &f->entries[i];
        if (strcmp(e->name, t->name) != 0) continue;
        PLUMB_TRY(check_same(f, e, t, err));
        return plumb__fd_read_at(f->fd, t->data, (size_t)bytes, e->begin, f->path, err);
    }
    return plumb__fail(err, PLUMB_ERR_MISMATCH, "%s: there is no tensor \"%.200s\"", f->path,
                       t->name);
}
