/* Writing safetensors; reading is in safetensors_read.c. */
#include "runtime/safetensors.h"

#include "base/file.h"
#include "base/json.h"
#include "runtime/dtype.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ALIGN 64u
#define CHUNK_BYTES ((size_t)4 << 20)

static const struct {
    const char *name;
    uint64_t bytes;
} dtypes[] = {[PLUMB_F32] = {"F32", 4}, [PLUMB_F64] = {"F64", 8}, [PLUMB_BF16] = {"BF16", 2},
              [PLUMB_F16] = {"F16", 2}, [PLUMB_I32] = {"I32", 4}, [PLUMB_I64] = {"I64", 8},
              [PLUMB_U8] = {"U8", 1}};
#define N_DTYPES (sizeof dtypes / sizeof *dtypes)

const char *plumb__dtype_name(plumb_dtype dtype)
{
    return (size_t)dtype < N_DTYPES ? dtypes[dtype].name : NULL;
}

bool plumb__dtype_parse(const char *name, plumb_dtype *out)
{
    for (size_t i = 0; i < N_DTYPES; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            *out = (plumb_dtype)i;
            return true;
        }
    return false;
}

bool plumb__dims_bytes(plumb_dtype dtype, const uint64_t *dims, uint32_t n_dims, uint64_t *bytes)
{
    uint64_t total = dtypes[dtype].bytes;
    for (uint32_t i = 0; i < n_dims; i++)
        if (__builtin_mul_overflow(total, dims[i], &total) || total > INT64_MAX) return false;
    *bytes = total;
    return true;
}

plumb_status plumb__tensor_bytes(const plumb_named_tensor *t, uint64_t *bytes, plumb_error *err)
{
    if (!t->name || !t->name[0])
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a tensor has no name");
    if ((size_t)t->dtype >= N_DTYPES || t->n_dims > PLUMB_MAX_DIMS ||
        !plumb__dims_bytes(t->dtype, t->dims, t->n_dims, bytes))
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "tensor \"%.200s\": dtype %d, %u dimensions: unknown or too large",
                           t->name, (int)t->dtype, t->n_dims);
    if (*bytes && !t->data)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "tensor \"%.200s\" has no data", t->name);
    return PLUMB_OK;
}

/* Adds one tensor to the header; data lie in the order of the array. */
static plumb_status describe(json_t *header, const plumb_named_tensor *t, uint64_t *offset,
                             plumb_error *err)
{
    uint64_t bytes = 0;
    PLUMB_TRY(plumb__tensor_bytes(t, &bytes, err));
    if (json_object_get(header, t->name))
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "two tensors are named \"%.200s\"", t->name);
    json_t *shape = json_array();
    for (uint32_t i = 0; i < t->n_dims; i++)
        json_array_append_new(shape, json_integer((json_int_t)t->dims[i]));
    json_t *entry =
        json_pack("{s:s,s:o,s:[I,I]}", "dtype", plumb__dtype_name(t->dtype), "shape", shape,
                  "data_offsets", (json_int_t)*offset, (json_int_t)(*offset + bytes));
    *offset += bytes;
    if (!entry || json_object_set_new(header, t->name, entry) != 0)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "tensor name \"%.200s\" is not UTF-8 text",
                           t->name);
    return PLUMB_OK;
}

/* The length field and the padded header. */
static plumb_status encode_header(const plumb_named_tensor *tensors, size_t n, json_t *metadata,
                                  plumb__bytes *out, plumb_error *err)
{
    uint64_t offset = 0;
    plumb_status status;
    json_t *header = json_object();
    json_object_set(header, "__metadata__", metadata);
    for (size_t i = 0; i < n; i++)
        PLUMB_TRY_CLEAN(describe(header, &tensors[i], &offset, err));
    plumb__bytes_u64(out, 0);
    PLUMB_TRY_CLEAN(plumb__json_dump(header, out, err));
    while (out->size % ALIGN && !out->failed)
        plumb__bytes_u8(out, ' ');
    PLUMB_TRY_CLEAN(plumb__bytes_check(out, err));
    plumb__store_u64(out->data, out->size - 8);
cleanup:
    json_decref(header);
    return status;
}

static plumb_status put(int fd, plumb__hasher *hasher, const void *data, uint64_t n,
                        const char *path, plumb_error *err)
{
    const uint8_t *at = data;
    while (n > 0) {
        const size_t part = n < CHUNK_BYTES ? (size_t)n : CHUNK_BYTES;
        plumb__hash_update(hasher, at, part);
        PLUMB_TRY(plumb__fd_write_all(fd, at, part, path, err));
        at += part;
        n -= part;
    }
    return PLUMB_OK;
}

plumb_status plumb__safetensors_write(const char *path, const plumb_named_tensor *tensors, size_t n,
                                      json_t *metadata, uint64_t *size_bytes, plumb__hash *blake2b,
                                      plumb_error *err)
{
    plumb__bytes header = {0};
    plumb__hasher hasher;
    int fd = -1;
    plumb_status status;
    PLUMB_TRY_CLEAN(encode_header(tensors, n, metadata, &header, err));
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) {
        status = plumb__fail_errno(err, "cannot write %s", path);
        goto cleanup;
    }
    plumb__hash_init(&hasher, PLUMB__BLAKE2B);
    PLUMB_TRY_CLEAN(put(fd, &hasher, header.data, header.size, path, err));
    *size_bytes = header.size;
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = 0;
        PLUMB_TRY_CLEAN(plumb__tensor_bytes(&tensors[i], &bytes, err));
        PLUMB_TRY_CLEAN(put(fd, &hasher, tensors[i].data, bytes, path, err));
        *size_bytes += bytes;
    }
    *blake2b = plumb__hash_final(&hasher);
    status = plumb__fd_sync(fd, path, err);
cleanup:
    if (fd >= 0) close(fd);
    if (status != PLUMB_OK && fd >= 0) (void)unlink(path);
    plumb__bytes_free(&header);
    return status;
}
