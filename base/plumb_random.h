/* Philox4x32-10 (Salmon et al., SC 2011): counter-based random numbers, so that any draw can be
 * repeated from (seed, stream, counter) alone. Stateless; thread safe. */
#ifndef PLUMB_RANDOM_H
#define PLUMB_RANDOM_H

#include "base/plumb_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Four 32-bit words for a 128-bit counter (stream in the upper half) under a 64-bit key. */
PLUMB_API void plumb_random_block(uint64_t seed, uint64_t stream, uint64_t counter,
                                  uint32_t out[4]);
/* Uniform in [0,1) with 53 bits. */
PLUMB_API double plumb_random_uniform(uint64_t seed, uint64_t stream, uint64_t counter);
/* Standard normal (Box-Muller on one block). */
PLUMB_API double plumb_random_normal(uint64_t seed, uint64_t stream, uint64_t counter);
/* A permutation of 0..n-1 (Fisher-Yates on unbiased draws), n < 2^32. */
PLUMB_API void plumb_random_permutation(uint64_t seed, uint64_t stream, uint32_t n, uint32_t *out);

#ifdef __cplusplus
}
#endif
#endif
