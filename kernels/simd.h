/* Inner loops that exist once per instruction set, and the choice between them at run time.
 *
 * Each set is one object file (simd_portable.c, simd_avx2.c, simd_avx512.c) compiled from the same
 * *.inc sources with its own compiler flags. For one instruction set every result is fixed; two
 * sets may differ in the last bit (fused multiply-add, width of the partial sums). */
#ifndef PLUMB_KERNELS_SIMD_H
#define PLUMB_KERNELS_SIMD_H

#include <stddef.h>
#include <stdint.h>

/* Columns that one call of the column sums handles: a cache line in each of four streams. */
#define PLUMB__COLUMNS 64

/* One register tile of a unit's weight gradient, Y_u^T X_u, over k rows. */
typedef struct plumb__tile {
    size_t k;
    const float *a;        /* packed [k][mr] of Y, scaled by PLUMB__PACK_SCALE */
    const float *b;        /* packed [k][nr] of X, 64-byte aligned */
    const float *carry_in; /* [mr][nr] sums of the rows before these; NULL: begin with 0 */
    float *carry_out;      /* not the unit's last rows: leave the sums here, and no more */
    float *squares;        /* [16] lane sums of squares, added to; NULL: no norm wanted */
    float *dw;             /* += weight * tile; NULL: withheld */
    size_t ldw;
    float weight; /* of the scaled tile */
} plumb__tile;

/* Y is packed times 2^8 so that squares of tile entries stay normal floats from 2^-71 to 2^53, the
 * range of norm16 (base/half.h) and a little more. Exact: a power of two. */
#define PLUMB__PACK_SCALE 256.0f

/* One row of the fused loss, in: logits; out: e = exp(logit - max) when `e` is not NULL (it may be
 * the logits themselves). */
typedef struct plumb__softmax_row {
    float max, min;  /* min shows a -inf that max cannot; NaN shows in sum */
    double sum;      /* of e */
    double weighted; /* of e * (logit - max) */
} plumb__softmax_row;

typedef struct plumb__simd {
    const char *name;
    unsigned mr, nr;
    /* k rows of mr * panels columns (n valid, zeros behind) into panels `panel_stride` apart. */
    void (*pack_a)(const float *y, size_t ldy, size_t k, size_t n, float *a, size_t panel_stride);
    /* k rows of n <= nr columns into one panel. */
    void (*pack_b)(const float *x, size_t ldx, size_t k, size_t n, float *b);
    void (*tile)(const plumb__tile *t);
    /* The largest bit pattern of |v| over rows of n: NaN > Inf > every finite value. */
    uint32_t (*max_bits)(const float *v, size_t ld, size_t rows, size_t n, uint32_t so_far);
    /* Sums of n <= PLUMB__COLUMNS columns over rows [order[0], …) or consecutive rows (order NULL);
     * times xhat elementwise when xhat is not NULL. out[PLUMB__COLUMNS]. */
    void (*column_sums)(const float *y, size_t ldy, const float *xhat, size_t ldx,
                        const uint32_t *order, size_t rows, size_t n, float *out);
    double (*squares)(const float *v, size_t n);
    void (*add_scaled)(float *to, const float *v, size_t n, float weight);
    void (*softmax_row)(const float *logits, size_t n, float *e, plumb__softmax_row *out);
    void (*scale_row)(float *v, size_t n, float factor);
} plumb__simd;

/* The set in use: the widest that this processor has, or the one a test chose. */
const plumb__simd *plumb__simd_get(void);

/* "portable", "avx2", "avx512" or NULL for the widest. Returns 0, or -1 when this processor or this
 * build lacks it (then nothing changes). Not thread safe against running kernels. */
int plumb__simd_set(const char *name);

/* NULL where the compiler's target has no such instructions. */
extern const plumb__simd *const plumb__simd_portable, *const plumb__simd_avx2,
                                                          *const plumb__simd_avx512;

#endif
