/* Inner loops for AVX-512: 8 x 32 tiles. 16 sums are enough to hide the latency of two FMA units,
 * and 8 and 32 divide the widths that models have; 12 x 32 and 14 x 32 measured no faster
 * (docs/kernels.md). */
#include "kernels/simd.h"
#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define SIMD_NAME "avx512"
#define SIMD_TABLE plumb__simd_avx512
#define LANES 16
#define TILE_ROWS 8
#define TILE_VECTORS 2
#include "kernels/simd_table.inc"
#else
const plumb__simd *const plumb__simd_avx512 = NULL;
#endif
