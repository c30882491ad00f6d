/* Small matrix product for attention: C (m, n) = A B or C += A B, everything in registers along k.
 * OpenBLAS packs its operands, which costs more than the product at a head's 32 or 64 columns.
 *
 * A is read through two strides, so that the same loop serves A and A transposed; rows of B and C
 * are contiguous. Part of lm_ops.c; LM_VECTOR_BYTES is the register width of the instruction set.
 * */
#ifndef LM_TILE_H
#define LM_TILE_H

#include "lm_real.h"

#include <stdbool.h>

typedef real lm_vector
    __attribute__((vector_size(LM_VECTOR_BYTES), aligned(sizeof(real)), may_alias));
#define LM_LANES (LM_VECTOR_BYTES / sizeof(real))

#if defined(__clang__)
#define LM_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LM_UNROLL _Pragma("GCC unroll 16")
#endif

typedef struct lm_product {
    size_t m, n, k;
    const real *a;
    size_t a_row, a_k; /* strides of A along m and along k */
    const real *b;
    size_t ldb;
    real *c;
    size_t ldc;
    bool add;
} lm_product;

/* MR x NV registers of C; both constants after inlining. */
static inline __attribute__((always_inline)) void lm_tile(const lm_product *p, size_t i, size_t j,
                                                          const size_t mr, const size_t nv)
{
    lm_vector acc[8][2];
    const real *a = p->a + i * p->a_row;
    const real *b = p->b + j;
    LM_UNROLL
    for (size_t r = 0; r < mr; r++) {
        LM_UNROLL
        for (size_t v = 0; v < nv; v++)
            acc[r][v] = (lm_vector){0};
    }
    for (size_t kk = 0; kk < p->k; kk++, a += p->a_k, b += p->ldb) {
        lm_vector bv[2];
        LM_UNROLL
        for (size_t v = 0; v < nv; v++)
            bv[v] = *(const lm_vector *)(b + v * LM_LANES);
        LM_UNROLL
        for (size_t r = 0; r < mr; r++) {
            LM_UNROLL
            for (size_t v = 0; v < nv; v++)
                acc[r][v] += a[r * p->a_row] * bv[v];
        }
    }
    LM_UNROLL
    for (size_t r = 0; r < mr; r++) {
        LM_UNROLL
        for (size_t v = 0; v < nv; v++) {
            lm_vector *c = (lm_vector *)(p->c + (i + r) * p->ldc + j + v * LM_LANES);
            if (p->add) acc[r][v] += *c;
            *c = acc[r][v];
        }
    }
}

static inline void lm_scalar_column(const lm_product *p, size_t j)
{
    for (size_t i = 0; i < p->m; i++) {
        real sum = 0;
        for (size_t kk = 0; kk < p->k; kk++)
            sum += p->a[i * p->a_row + kk * p->a_k] * p->b[kk * p->ldb + j];
        real *c = p->c + i * p->ldc + j;
        *c = p->add ? *c + sum : sum;
    }
}

static void lm_multiply(const lm_product *p)
{
    size_t j = 0;
    for (; j + 2 * LM_LANES <= p->n; j += 2 * LM_LANES) {
        size_t i = 0;
        for (; i + LM_TILE_ROWS <= p->m; i += LM_TILE_ROWS)
            lm_tile(p, i, j, LM_TILE_ROWS, 2);
        for (; i < p->m; i++)
            lm_tile(p, i, j, 1, 2);
    }
    for (; j + LM_LANES <= p->n; j += LM_LANES) {
        size_t i = 0;
        for (; i + LM_TILE_ROWS <= p->m; i += LM_TILE_ROWS)
            lm_tile(p, i, j, LM_TILE_ROWS, 1);
        for (; i < p->m; i++)
            lm_tile(p, i, j, 1, 1);
    }
    for (; j < p->n; j++)
        lm_scalar_column(p, j);
}

#endif
