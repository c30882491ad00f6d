/* Inner loops for any processor: 4-lane vectors, which become SSE2, NEON or plain code. */
#define SIMD_NAME "portable"
#define SIMD_TABLE plumb__simd_portable
#define LANES 4
#define TILE_ROWS 4
#define TILE_VECTORS 2
#include "kernels/simd_table.inc"
