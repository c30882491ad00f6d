/* Inner loops, compiled once per instruction set from the same source (lm_ops.c, lm_tile.h) and
 * chosen when the program starts. Every function is single-threaded, allocates nothing and works on
 * row-major data; `ld` is in elements. Results depend on the instruction set chosen, not on
 * threads. */
#ifndef LM_OPS_H
#define LM_OPS_H

#include "lm_real.h"

typedef struct lm_adamw_step {
    real lr, decay;         /* decay: weight decay, 0 for vectors */
    real beta1, beta2, eps; /* p -= lr * mhat / (sqrt(vhat) + eps) after p *= 1 - lr * decay */
    real bias1, bias2;      /* 1 - beta^t of this layer */
    real scale;             /* of the gradient: 1, or less under --grad-clip */
} lm_adamw_step;

/* One head of one sequence. q, k, v point into the rows of the fused projection (stride ld); o and
 * its gradient have stride ldo. scratch: lm_head_scratch(length, width) reals. */
typedef struct lm_head {
    size_t length, width;
    const real *q, *k, *v;
    size_t ld;
    real *o;         /* forward: out; backward: read */
    const real *d_o; /* backward only */
    size_t ldo;
    real *lse;          /* [length]: log of the sum of exponentials of each row */
    real *dq, *dk, *dv; /* backward: out, stride ld */
    real *scratch;
} lm_head;

typedef struct lm_ops {
    const char *name;
    /* x += bias (NULL: none); xhat = (x - mean) * rstd; y = gain * xhat + bias_n; rows of `width`
     * */
    void (*norm)(size_t rows, size_t width, real *x, const real *bias, const real *gain,
                 const real *bias_n, real *xhat, real *y, real *rstd);
    /* out = in + d(norm)/dx applied to dy; in NULL: 0 */
    void (*norm_back)(size_t rows, size_t width, const real *dy, const real *xhat, const real *gain,
                      const real *rstd, const real *in, real *out);
    void (*add_bias)(size_t rows, size_t width, real *x, const real *bias);
    /* z += bias; slope = gelu'(z); z = gelu(z) */
    void (*gelu)(size_t rows, size_t width, real *z, const real *bias, real *slope);
    void (*multiply)(size_t n, real *a, const real *b);
    void (*add)(size_t n, real *a, const real *b);
    /* column sums of rows x width (stride ld) of y, and of xhat * y where xhat is given; ADDED */
    void (*column_sums)(size_t rows, size_t width, const real *y, const real *xhat, size_t ld,
                        real *sum_y, real *sum_xhat_y);
    /* one row of softmax cross-entropy: returns the loss; logits become scale * (softmax - onehot)
     * */
    real (*xent_row)(size_t n, real *logits, size_t target, real scale);
    void (*head_forward)(const lm_head *h);
    void (*head_back)(const lm_head *h);
    /* leaves the gradient 0, while it is in cache: the next step's are added to it */
    void (*adamw)(size_t n, real *p, real *g, real *m, real *v, const lm_adamw_step *s);
    double (*sum_squares)(size_t n, const real *x);
} lm_ops;

#define LM_HEAD_QUERIES 64u /* rows of a block of queries */
static inline size_t lm_head_padded(size_t length)
{
    return (length + 15) / 16 * 16;
}
static inline size_t lm_head_scratch(size_t length, size_t width)
{
    return 7 * length * width + 2 * (width + LM_HEAD_QUERIES) * lm_head_padded(length);
}

extern const lm_ops lm_ops_base;
#ifdef LM_HAVE_X86_OPS
extern const lm_ops lm_ops_avx2, lm_ops_avx512;
#endif
/* The best that this processor runs; LM_ISA=base|avx2|avx512 in the environment asks for less. */
const lm_ops *lm_ops_pick(void);

#endif
