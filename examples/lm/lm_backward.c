/* The backward pass. Per block: a region over rows through the MLP and the attention's projection,
 * one over heads, one over rows through qkv; then the block's weight gradients, which whoever
 * called computes (plain products, or plumb_grad_*). The gradient of the stream is kept at three
 * places of a block, because each is the output gradient of a projection that is still to be
 * differentiated. */
#include "lm_region.h"

#include "runtime/plumb.h"

static void head_task(void *ctx, size_t task)
{
    const lm_region *r = ctx;
    const lm_model *model = r->model;
    const lm_rows rows = lm_rows_of(r, task);
    const size_t width = model->shape.width, at = rows.first * width;
    lm_work *work = r->work;
    lm_apply_back(rows.n, width, LM_VOCABULARY, work->logits + rows.first * LM_VOCABULARY,
                  lm_param(model, lm_head_layer(model)), work->d_in + at);
    model->ops->norm_back(rows.n, width, work->d_in + at, work->xhat + at,
                          lm_param(model, lm_layer_at(model->shape.blocks, LM_NORM1)),
                          work->rstd + rows.first, NULL, r->d_next + at);
}

static void mlp_task(void *ctx, size_t task)
{
    const lm_region *r = ctx;
    const lm_model *model = r->model;
    const lm_rows rows = lm_rows_of(r, task);
    const size_t b = r->block, width = model->shape.width, at = rows.first * width;
    const lm_saved *s = &r->work->saved[b];
    real *d_up = r->work->d_up + 4 * at, *d_in2 = r->work->d_in2 + at;
    lm_apply_back(rows.n, 4 * width, width, r->d_out + at, lm_param(model, lm_layer_at(b, LM_DOWN)),
                  d_up);
    model->ops->multiply(rows.n * 4 * width, d_up, s->slope + 4 * at);
    lm_apply_back(rows.n, width, 4 * width, d_up, lm_param(model, lm_layer_at(b, LM_UP)), d_in2);
    model->ops->norm_back(rows.n, width, d_in2, s->xhat2 + at,
                          lm_param(model, lm_layer_at(b, LM_NORM2)), s->rstd2 + rows.first,
                          r->d_out + at, r->d_mid + at);
    lm_apply_back(rows.n, width, width, r->d_mid + at, lm_param(model, lm_layer_at(b, LM_PROJ)),
                  r->work->d_att + at);
}

static void qkv_task(void *ctx, size_t task)
{
    const lm_region *r = ctx;
    const lm_model *model = r->model;
    const lm_rows rows = lm_rows_of(r, task);
    const size_t b = r->block, width = model->shape.width, at = rows.first * width;
    const lm_saved *s = &r->work->saved[b];
    real *d_in1 = r->work->d_in1 + at;
    lm_apply_back(rows.n, width, 3 * width, r->work->d_qkv + 3 * at,
                  lm_param(model, lm_layer_at(b, LM_QKV)), d_in1);
    model->ops->norm_back(rows.n, width, d_in1, s->xhat1 + at,
                          lm_param(model, lm_layer_at(b, LM_NORM1)), s->rstd1 + rows.first,
                          r->d_mid + at, r->d_next + at);
}

/* The weight gradients of a block, largest first. */
static size_t block_jobs(const lm_region *r, lm_grad jobs[LM_PER_BLOCK])
{
    const lm_work *w = r->work;
    const lm_saved *s = &w->saved[r->block];
    const lm_grad all[LM_PER_BLOCK] = {
        {.layer = LM_UP, .kind = LM_LINEAR, .x = s->in2, .y = w->d_up},
        {.layer = LM_DOWN, .kind = LM_LINEAR, .x = s->act, .y = r->d_out},
        {.layer = LM_QKV, .kind = LM_LINEAR, .x = s->in1, .y = w->d_qkv},
        {.layer = LM_PROJ, .kind = LM_LINEAR, .x = s->att, .y = r->d_mid},
        {.layer = LM_UP_BIAS, .kind = LM_BIAS, .y = w->d_up},
        {.layer = LM_DOWN_BIAS, .kind = LM_BIAS, .y = r->d_out},
        {.layer = LM_QKV_BIAS, .kind = LM_BIAS, .y = w->d_qkv},
        {.layer = LM_PROJ_BIAS, .kind = LM_BIAS, .y = r->d_mid},
        {.layer = LM_NORM1, .kind = LM_NORM, .x = s->xhat1, .y = w->d_in1},
        {.layer = LM_NORM2, .kind = LM_NORM, .x = s->xhat2, .y = w->d_in2},
    };
    for (size_t i = 0; i < LM_PER_BLOCK; i++) {
        jobs[i] = all[i];
        jobs[i].layer = lm_layer_at(r->block, all[i].layer);
    }
    return LM_PER_BLOCK;
}

static bool head_back(lm_region *r, lm_grads_fn *grads, void *ctx)
{
    plumb_parallel(lm_row_tasks(r), head_task, r);
    const lm_work *w = r->work;
    const lm_grad jobs[2] = {{.layer = lm_head_layer(r->model),
                              .use = r->model->shape.tied ? 1 : 0,
                              .kind = LM_LINEAR,
                              .x = w->in_head,
                              .y = w->logits},
                             {.layer = lm_layer_at(r->model->shape.blocks, LM_NORM1),
                              .kind = LM_NORM,
                              .x = w->xhat,
                              .y = w->d_in}};
    return grads(ctx, jobs, 2, r->batch->rows);
}

static bool block_back(lm_region *r, lm_grads_fn *grads, void *ctx)
{
    lm_grad jobs[LM_PER_BLOCK];
    plumb_parallel(lm_row_tasks(r), mlp_task, r);
    lm_attention_back(r);
    plumb_parallel(lm_row_tasks(r), qkv_task, r);
    return grads(ctx, jobs, block_jobs(r, jobs), r->batch->rows);
}

static bool input_back(const lm_region *r, lm_grads_fn *grads, void *ctx)
{
    const lm_grad jobs[2] = {
        {.layer = LM_TOKENS, .kind = LM_EMBEDDING, .y = r->d_next, .tokens = r->batch->tokens},
        {.layer = LM_POSITIONS,
         .kind = LM_EMBEDDING,
         .y = r->d_next,
         .tokens = r->batch->positions}};
    return grads(ctx, jobs, 2, r->batch->rows);
}

bool lm_backward(const lm_model *model, lm_work *work, const lm_batch *batch, lm_grads_fn *grads,
                 void *ctx)
{
    lm_region region = lm_region_of(model, work, batch);
    size_t turn = 0;
    region.d_next = work->d_stream[turn];
    if (!head_back(&region, grads, ctx)) return false;
    for (size_t b = model->shape.blocks; b-- > 0;) {
        region.block = b;
        region.d_out = region.d_next;
        region.d_mid = work->d_stream[(turn + 1) % 3];
        region.d_next = work->d_stream[(turn + 2) % 3];
        turn = (turn + 2) % 3;
        if (!block_back(&region, grads, ctx)) return false;
    }
    return input_back(&region, grads, ctx);
}
