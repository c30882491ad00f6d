/* One parallel region over the rows or the heads of a batch. Rows are cut into blocks by their
 * number alone, never by the number of threads, so results do not depend on it. */
#ifndef LM_REGION_H
#define LM_REGION_H

#include "lm_model.h"

typedef struct lm_region {
    const lm_model *model;
    lm_work *work;
    const lm_batch *batch;
    size_t block; /* of the model */
    size_t rows_per_task;
    double normaliser;
    const real *d_out;    /* backward: gradient of the stream after the block … */
    real *d_mid, *d_next; /* … between its halves, and before it */
} lm_region;

/* Rows of a task: first and count. */
typedef struct lm_rows {
    size_t first, n;
} lm_rows;

static inline size_t lm_rows_per_task(size_t rows)
{
    const size_t eighth = (rows / 8 + 31) / 32 * 32;
    return eighth < 64 ? 64 : eighth > 512 ? 512 : eighth;
}
static inline size_t lm_row_tasks(const lm_region *r)
{
    return (r->batch->rows + r->rows_per_task - 1) / r->rows_per_task;
}
static inline lm_rows lm_rows_of(const lm_region *r, size_t task)
{
    const size_t first = task * r->rows_per_task, left = r->batch->rows - first;
    return (lm_rows){first, left < r->rows_per_task ? left : r->rows_per_task};
}
static inline lm_region lm_region_of(const lm_model *model, lm_work *work, const lm_batch *batch)
{
    return (lm_region){.model = model,
                       .work = work,
                       .batch = batch,
                       .rows_per_task = lm_rows_per_task(batch->rows)};
}

/* y (rows, out) = x (rows, in) w^T, or added to y. */
static inline void lm_apply(size_t rows, size_t in, size_t out, const real *x, const real *w,
                            real *y, bool add)
{
    LM_GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)out, (int)in, 1, x, (int)in, w,
            (int)in, add ? 1 : 0, y, (int)out);
}
/* dx (rows, in) = dy (rows, out) w. */
static inline void lm_apply_back(size_t rows, size_t in, size_t out, const real *dy, const real *w,
                                 real *dx)
{
    LM_GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)in, (int)out, 1, dy,
            (int)out, w, (int)in, 0, dx, (int)in);
}

/* Tasks sequence * heads + head of attention; the backward one reads work->d_att, writes
 * work->d_qkv.
 * */
void lm_attention_forward(lm_region *region);
void lm_attention_back(lm_region *region);

#endif
