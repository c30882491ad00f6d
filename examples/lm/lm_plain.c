/* Weight gradients without governance: plain products, all jobs of a block in one region. A job is
 * cut into tiles by its shape alone; a bias rides on the tile of its matrix only through the
 * cache. */
#include "lm_model.h"

#include "runtime/plumb.h"

#include <string.h>

#define TILE_REALS (256u * 256u) /* of a weight matrix */
#define STRIP 256u               /* columns of a vector or table job */
#define MAX_JOBS 16u

typedef struct plain_region {
    const lm_model *model;
    const lm_grad *jobs;
    size_t n, rows, first_task[MAX_JOBS + 1];
    bool add;
} plain_region;

static size_t tiles(const lm_layer *layer, lm_kind kind)
{
    if (kind == LM_LINEAR) return (layer->size + TILE_REALS - 1) / TILE_REALS;
    return (layer->cols + STRIP - 1) / STRIP;
}

/* Range of part `i` of `parts` over n. */
static size_t part(size_t n, size_t i, size_t parts)
{
    return n * i / parts;
}

/* Splits the longer side of dW. */
static void linear_tile(const plain_region *r, const lm_grad *job, size_t i, size_t parts, bool add)
{
    const lm_layer *layer = &r->model->layers[job->layer];
    const bool tall = layer->rows >= layer->cols;
    const size_t from = part(tall ? layer->rows : layer->cols, i, parts);
    const size_t to = part(tall ? layer->rows : layer->cols, i + 1, parts);
    const size_t m = tall ? to - from : layer->rows, n = tall ? layer->cols : to - from;
    const real *x = job->x + (tall ? 0 : from), *y = job->y + (tall ? from : 0);
    real *dw = lm_grad_of(r->model, job->layer) + (tall ? from * layer->cols : from);
    LM_GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)r->rows, 1, y,
            (int)layer->rows, x, (int)layer->cols, add ? 1 : 0, dw, (int)layer->cols);
}

static void vector_strip(const plain_region *r, const lm_grad *job, size_t i, bool add)
{
    const lm_layer *layer = &r->model->layers[job->layer];
    const size_t from = i * STRIP, left = layer->cols - from, n = left < STRIP ? left : STRIP;
    const bool norm = job->kind == LM_NORM;
    real *grad = lm_grad_of(r->model, job->layer) + from;
    real *sum_y = norm ? grad + layer->cols : grad;
    if (!add) memset(grad, 0, n * sizeof *grad);
    if (!add && norm) memset(sum_y, 0, n * sizeof *sum_y);
    r->model->ops->column_sums(r->rows, n, job->y + from, norm ? job->x + from : NULL, layer->cols,
                               sum_y, grad);
}

static void table_strip(const plain_region *r, const lm_grad *job, size_t i, bool add)
{
    const lm_layer *layer = &r->model->layers[job->layer];
    const size_t from = i * STRIP, left = layer->cols - from, n = left < STRIP ? left : STRIP;
    real *table = lm_grad_of(r->model, job->layer) + from;
    for (size_t t = 0; t < layer->rows && !add; t++)
        memset(table + t * layer->cols, 0, n * sizeof *table);
    for (size_t row = 0; row < r->rows; row++)
        r->model->ops->add(n, table + (size_t)job->tokens[row] * layer->cols,
                           job->y + row * layer->cols + from);
}

static void plain_task(void *ctx, size_t task)
{
    const plain_region *r = ctx;
    size_t j = 0;
    while (task >= r->first_task[j + 1])
        j++;
    const lm_grad *job = &r->jobs[j];
    const size_t i = task - r->first_task[j], parts = r->first_task[j + 1] - r->first_task[j];
    /* The head's product comes before the tied table's rows and is what they are added to. */
    const bool add = r->add || (job->layer == LM_TOKENS && r->model->shape.tied && job->use == 0);
    switch (job->kind) {
    case LM_LINEAR: linear_tile(r, job, i, parts, add); break;
    case LM_EMBEDDING: table_strip(r, job, i, add); break;
    case LM_NORM:
    case LM_BIAS: vector_strip(r, job, i, add); break;
    }
}

bool lm_plain_grads(void *ctx, const lm_grad *jobs, size_t n, size_t rows)
{
    const lm_plain *plain = ctx;
    plain_region region = {
        .model = plain->model, .jobs = jobs, .n = n, .rows = rows, .add = plain->add};
    for (size_t j = 0; j < n; j++)
        region.first_task[j + 1] =
            region.first_task[j] + tiles(&plain->model->layers[jobs[j].layer], jobs[j].kind);
    plumb_parallel(region.first_task[n], plain_task, &region);
    return true;
}
