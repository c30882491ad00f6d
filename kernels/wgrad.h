/* Weight gradient with exact per-unit norms, and its siblings (governance.md sections 2 and 4).
 *
 * Launch contract of every kernel here: `_workspace_size` first, then run with that much
 * caller-owned workspace (64-byte aligned); no hidden allocation; deterministic for given shapes
 * and slots, whatever the number of threads. max_rows: rows of the micro-batch. Reference
 * implementations in float64: kernels/reference.h. Sizes (in, out, width, vocabulary) are >= 1. */
#ifndef PLUMB_KERNELS_WGRAD_H
#define PLUMB_KERNELS_WGRAD_H

#include "base/error.h"
#include <stdbool.h>

/* One unit's rows: [first_row, first_row + rows). rows == 0: an empty slot. */
typedef struct plumb__slot {
    uint64_t first_row, rows;
    float weight;  /* mask; 0: its rows are left out, its norm is not computed (norm2 = 0) */
    bool withhold; /* compute the norm, add nothing */
} plumb__slot;

/* A vector gradient whose squared norm reaches this is not safely finite: adding it, weighted,
 * could overflow. */
#define PLUMB__NORM2_LIMIT 0x1p120

/* norm2[u] (double): ||Y_u^T X_u||_F^2, unscaled by weight. finite[u] false: the unit's products
 * are not safely finite (rows * max|x| * max|y| > 2^52, an Inf or a NaN): nothing of it was added,
 * norm2[u] = +inf (its bound). For u with weight > 0 and not withheld, dW += weight * Y_u^T X_u.
 * X (R, in), Y (R, out) row-major float32, row strides in elements; dW (out, in), stride ldw. */
typedef struct plumb__wgrad_args {
    uint64_t in, out;
    const float *x;
    uint64_t ldx;
    const float *y;
    uint64_t ldy;
    float *dw;
    uint64_t ldw;
    const plumb__slot *slots;
    size_t n_slots;
    double *norm2; /* [n_slots]; NULL: accumulate only (the correction pass) */
    bool *finite;  /* [n_slots]; NULL with norm2 NULL */
    /* As plumb__wgrad_workspace said. It depends on the thread count; when that is raised later, no
     * more threads are used than fit. 0: the count has not been raised. */
    size_t workspace_bytes;
} plumb__wgrad_args;

size_t plumb__wgrad_workspace(uint64_t in, uint64_t out, size_t max_slots, uint64_t max_rows);
void plumb__wgrad(const plumb__wgrad_args *args, void *workspace);

/* Embedding: rows of Y summed by token into dW (vocabulary, width). g_u has one row per distinct
 * token of the unit. tokens[r] in 0..vocabulary-1 or -1. `in` of the args is not used: out = width,
 * x NULL. */
typedef struct plumb__embed_args {
    uint64_t vocabulary, width;
    const int32_t *tokens;
    const float *y;
    uint64_t ldy;
    float *dw;
    uint64_t ldw;
    const plumb__slot *slots;
    size_t n_slots;
    double *norm2;
    bool *finite;
} plumb__embed_args;
size_t plumb__embed_workspace(uint64_t vocabulary, uint64_t width, size_t max_slots,
                              uint64_t max_rows);
void plumb__embed_grad(const plumb__embed_args *args, void *workspace);

/* Norm layers: dgain += sum xhat*y, dbias += sum y (dbias NULL: gain only). norm2 covers both. A
 * bias layer is the same with xhat NULL and dgain NULL: dbias += sum y. */
typedef struct plumb__vector_args {
    uint64_t width;
    const float *xhat;
    uint64_t ldx;
    const float *y;
    uint64_t ldy;
    float *dgain, *dbias;
    const plumb__slot *slots;
    size_t n_slots;
    double *norm2;
    bool *finite;
} plumb__vector_args;
size_t plumb__vector_workspace(uint64_t width, size_t max_slots, uint64_t max_rows);
void plumb__vector_grad(const plumb__vector_args *args, void *workspace);

/* The correction pass after clips are known is the same call with norm2 = finite = NULL and slots
 * whose weight is (clip-1)*mask for clipped units (negative allowed) or clip*mask for withheld
 * ones, 0 for the others. */

#endif
