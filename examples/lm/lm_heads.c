/* Causal attention of one head of one sequence, in blocks of queries: a block sees only the keys up
 * to its own end, so the upper triangle is skipped but for the blocks on the diagonal. Only the log
 * of each row's sum of exponentials is kept; the backward pass computes the probabilities again
 * (one small product and an exponential cost less than writing T^2 of them to memory and back).
 *
 * The head's columns are copied together first: its rows lie 3 * width apart, and a stride near a
 * power of two would put them all into a few sets of the first-level cache. */
#include "lm_isa.h"
#include "lm_math.h"
#include "lm_tile.h"

#include <string.h>

#define QUERIES LM_HEAD_QUERIES

/* The views that scratch is cut into; `wide` and `narrow` are its strides. */
typedef struct head_space {
    size_t columns; /* lm_head_padded(length): stride of transposed and score rows */
    real *q;        /* (length, width), times 1/sqrt(width) */
    real *k, *v;    /* (length, width); forward does not use k */
    real *kt, *vt;  /* (width, columns) */
    real *d_o, *dq, *dk, *dv;
    real *p, *dp; /* (QUERIES, columns) */
} head_space;

static head_space cut(const lm_head *h)
{
    const size_t block = h->length * h->width, columns = lm_head_padded(h->length);
    head_space s = {.columns = columns};
    real *at = h->scratch;
    real **const narrow[] = {&s.q, &s.k, &s.v, &s.d_o, &s.dq, &s.dk, &s.dv};
    for (size_t i = 0; i < sizeof narrow / sizeof narrow[0]; i++, at += block)
        *narrow[i] = at;
    s.kt = at;
    s.vt = s.kt + h->width * columns;
    s.p = s.vt + h->width * columns;
    s.dp = s.p + QUERIES * columns;
    return s;
}

static void gather(size_t rows, size_t width, const real *from, size_t ld, real scale, real *to)
{
    for (size_t r = 0; r < rows; r++)
#pragma omp simd
        for (size_t i = 0; i < width; i++)
            to[r * width + i] = from[r * ld + i] * scale;
}

static void scatter(size_t rows, size_t width, const real *from, real scale, real *to, size_t ld)
{
    for (size_t r = 0; r < rows; r++)
#pragma omp simd
        for (size_t i = 0; i < width; i++)
            to[r * ld + i] = from[r * width + i] * scale;
}

/* to (width, columns) = from^T; the padding columns are 0. */
static void transpose(size_t rows, size_t width, const real *from, size_t ld, real *to,
                      size_t columns)
{
    for (size_t i = 0; i < width; i++) {
        real *row = to + i * columns;
        for (size_t r = 0; r < rows; r++)
            row[r] = from[r * ld + i];
        for (size_t r = rows; r < columns; r++)
            row[r] = 0;
    }
}

/* Scores of rows [first, end) against keys [0, end): q k^T into out. */
static void scores(const head_space *s, const real *left, const real *right_t, size_t width,
                   size_t first, size_t end, real *out)
{
    const lm_product product = {.m = end - first,
                                .n = lm_head_padded(end),
                                .k = width,
                                .a = left + first * width,
                                .a_row = width,
                                .a_k = 1,
                                .b = right_t,
                                .ldb = s->columns,
                                .c = out,
                                .ldc = s->columns};
    lm_multiply(&product);
}

/* Row of `visible` scores to exp(score - top), zero up to `end`; returns the sum. */
static real soften(real *restrict row, size_t visible, size_t end, real top)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < visible; j++) {
        row[j] = lm_exp(row[j] - top);
        sum += row[j];
    }
    for (size_t j = visible; j < end; j++)
        row[j] = 0;
    return sum;
}

static void block_forward(const lm_head *h, const head_space *s, size_t first, size_t end)
{
    real inverse[QUERIES];
    scores(s, s->q, s->kt, h->width, first, end, s->p);
    for (size_t i = first; i < end; i++) {
        real *row = s->p + (i - first) * s->columns;
        const real top = lm_largest(row, i + 1);
        const real sum = soften(row, i + 1, end, top);
        inverse[i - first] = 1 / sum;
        h->lse[i] = top + LM_LOG(sum);
    }
    real *out = h->o + first * h->ldo;
    const lm_product product = {.m = end - first,
                                .n = h->width,
                                .k = end,
                                .a = s->p,
                                .a_row = s->columns,
                                .a_k = 1,
                                .b = s->v,
                                .ldb = h->width,
                                .c = out,
                                .ldc = h->ldo};
    lm_multiply(&product);
    for (size_t i = 0; i < end - first; i++)
        for (size_t c = 0; c < h->width; c++)
            out[i * h->ldo + c] *= inverse[i];
}

void LM_FOR_ISA(lm_head_forward)(const lm_head *h)
{
    const head_space s = cut(h);
    gather(h->length, h->width, h->q, h->ld, 1 / LM_SQRT((real)h->width), s.q);
    gather(h->length, h->width, h->v, h->ld, 1, s.v);
    transpose(h->length, h->width, h->k, h->ld, s.kt, s.columns);
    for (size_t first = 0; first < h->length; first += QUERIES) {
        const size_t end = first + QUERIES < h->length ? first + QUERIES : h->length;
        block_forward(h, &s, first, end);
    }
}

/* p <- probabilities, dp <- gradient of the scores: p * (dp - d_o . o). */
static void score_gradients(const lm_head *h, const head_space *s, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        real *restrict p = s->p + (i - first) * s->columns;
        real *restrict dp = s->dp + (i - first) * s->columns;
        const real *d_o = s->d_o + i * h->width, *o = h->o + i * h->ldo;
        real dot = 0;
        for (size_t c = 0; c < h->width; c++)
            dot += d_o[c] * o[c];
        (void)soften(p, i + 1, end, h->lse[i]);
#pragma omp simd
        for (size_t j = 0; j < end; j++)
            dp[j] = p[j] * (dp[j] - dot);
    }
}

static void block_back(const lm_head *h, const head_space *s, size_t first, size_t end, bool add)
{
    const size_t rows = end - first, width = h->width;
    scores(s, s->q, s->kt, width, first, end, s->p);
    scores(s, s->d_o, s->vt, width, first, end, s->dp);
    score_gradients(h, s, first, end);
    lm_product product = {.m = rows,
                          .n = width,
                          .k = end,
                          .a = s->dp,
                          .a_row = s->columns,
                          .a_k = 1,
                          .b = s->k,
                          .ldb = width,
                          .c = s->dq + first * width,
                          .ldc = width};
    lm_multiply(&product);
    product = (lm_product){.m = end,
                           .n = width,
                           .k = rows,
                           .a = s->dp,
                           .a_row = 1,
                           .a_k = s->columns,
                           .b = s->q + first * width,
                           .ldb = width,
                           .c = s->dk,
                           .ldc = width,
                           .add = add};
    lm_multiply(&product);
    product.a = s->p;
    product.b = s->d_o + first * width;
    product.c = s->dv;
    lm_multiply(&product);
}

void LM_FOR_ISA(lm_head_back)(const lm_head *h)
{
    const head_space s = cut(h);
    const size_t length = h->length, width = h->width;
    const real scale = 1 / LM_SQRT((real)width);
    gather(length, width, h->q, h->ld, scale, s.q);
    gather(length, width, h->k, h->ld, 1, s.k);
    gather(length, width, h->d_o, h->ldo, 1, s.d_o);
    transpose(length, width, h->k, h->ld, s.kt, s.columns);
    transpose(length, width, h->v, h->ld, s.vt, s.columns);
    /* Last block first: it reaches every key, so it sets dk and dv and the others add. */
    const size_t blocks = (length + QUERIES - 1) / QUERIES;
    for (size_t b = blocks; b-- > 0;) {
        const size_t first = b * QUERIES;
        const size_t end = first + QUERIES < length ? first + QUERIES : length;
        block_back(h, &s, first, end, b + 1 < blocks);
    }
    scatter(length, width, s.dq, scale, h->dq, h->ld);
    scatter(length, width, s.dk, 1, h->dk, h->ld);
    scatter(length, width, s.dv, 1, h->dv, h->ld);
}
