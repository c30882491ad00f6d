/* Names and sizes of tensor element types, as safetensors spells them. */
#ifndef PLUMB_RUNTIME_DTYPE_H
#define PLUMB_RUNTIME_DTYPE_H

#include "runtime/plumb.h"

/* "F32"; NULL for a number that is no dtype. Static. */
const char *plumb__dtype_name(plumb_dtype dtype);
bool plumb__dtype_parse(const char *name, plumb_dtype *out);
/* False when the product passes 2^63. */
bool plumb__dims_bytes(plumb_dtype dtype, const uint64_t *dims, uint32_t n_dims, uint64_t *bytes);

#endif
