/* Inner loops for AVX2 with FMA: 6 x 16 tiles keep 12 of the 16 registers as sums. */
#include "kernels/simd.h"
#if defined(__AVX2__) && defined(__FMA__)
#define SIMD_NAME "avx2"
#define SIMD_TABLE plumb__simd_avx2
#define LANES 8
#define TILE_ROWS 6
#define TILE_VECTORS 2
#include "kernels/simd_table.inc"
#else
const plumb__simd *const plumb__simd_avx2 = NULL;
#endif
