/* safetensors files: 8-byte little-endian header length, a JSON header padded with spaces, tensor
 * data. The reader takes a file for hostile: header at most 64 MiB, known dtypes, names once, and
 * data that cover the rest of the file exactly, without gap or overlap. */
#ifndef PLUMB_RUNTIME_SAFETENSORS_H
#define PLUMB_RUNTIME_SAFETENSORS_H

#include "base/bytes.h"
#include "base/hash.h"
#include "runtime/plumb.h"

#include <jansson.h>

#define PLUMB__SAFETENSORS_MAX_TENSORS 65536u

/* Bytes of a tensor; PLUMB_ERR_ARGUMENT when dtype, dimensions or size are impossible. */
plumb_status plumb__tensor_bytes(const plumb_named_tensor *tensor, uint64_t *bytes,
                                 plumb_error *err) PLUMB_MUST_CHECK;

/* Writes and syncs the file (replacing what is there), hashing as it goes. metadata: an object of
 * strings, borrowed. Tensor data begin at a multiple of 64 bytes. */
plumb_status plumb__safetensors_write(const char *path, const plumb_named_tensor *tensors, size_t n,
                                      json_t *metadata, uint64_t *size_bytes, plumb__hash *blake2b,
                                      plumb_error *err) PLUMB_MUST_CHECK;

typedef struct plumb__safetensors_entry {
    const char *name; /* borrowed from the header */
    plumb_dtype dtype;
    uint32_t n_dims;
    uint64_t dims[PLUMB_MAX_DIMS];
    uint64_t begin, end; /* offsets in the file */
} plumb__safetensors_entry;

typedef struct plumb__safetensors {
    int fd;
    char path[4096];
    json_t *header, *metadata;         /* metadata is inside header; NULL: none */
    plumb__safetensors_entry *entries; /* by offset */
    size_t n;
} plumb__safetensors;

/* Opens one file, checks its digest when `expected` is given, and reads its header. */
plumb_status plumb__safetensors_open(const char *path, const plumb__hash *expected,
                                     plumb__safetensors *file, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__safetensors_close(plumb__safetensors *file);
/* Reads one tensor into tensor->data; name, dtype and shape must be those of the file.
 * PLUMB_ERR_MISMATCH says which differs. */
plumb_status plumb__safetensors_load(const plumb__safetensors *file,
                                     const plumb_named_tensor *tensor,
                                     plumb_error *err) PLUMB_MUST_CHECK;

#endif
