/* The forward pass. What a row needs between two attentions depends on that row alone, so one
 * region takes a block of rows from an attention's output to the next one's input while it is in
 * cache: projection, residual, norm, MLP, residual, norm, qkv. */
#include "lm_region.h"

#include "runtime/plumb.h"

static void embed_rows(const lm_region *r, lm_rows rows)
{
    const size_t width = r->model->shape.width;
    const real *tokens = lm_param(r->model, LM_TOKENS);
    const real *positions = lm_param(r->model, LM_POSITIONS);
    for (size_t i = rows.first; i < rows.first + rows.n; i++) {
        const real *a = tokens + (size_t)r->batch->tokens[i] * width;
        const real *b = positions + (size_t)r->batch->positions[i] * width;
        real *x = r->work->x + i * width;
        for (size_t c = 0; c < width; c++)
            x[c] = a[c] + b[c];
    }
}

/* norm1 and qkv of block b; x_bias: bias still owed to the stream by the layer before, or NULL. */
static void qkv_rows(const lm_region *r, size_t b, lm_rows rows, const real *x_bias)
{
    const lm_model *model = r->model;
    const size_t width = model->shape.width, at = rows.first * width;
    const lm_saved *s = &r->work->saved[b];
    const real *gain = lm_param(model, lm_layer_at(b, LM_NORM1));
    model->ops->norm(rows.n, width, r->work->x + at, x_bias, gain, gain + width, s->xhat1 + at,
                     s->in1 + at, s->rstd1 + rows.first);
    real *qkv = s->qkv + 3 * at;
    lm_apply(rows.n, width, 3 * width, s->in1 + at, lm_param(model, lm_layer_at(b, LM_QKV)), qkv,
             false);
    model->ops->add_bias(rows.n, 3 * width, qkv, lm_param(model, lm_layer_at(b, LM_QKV_BIAS)));
}

/* Everything of block b after its attention, but for the bias of the last projection. */
static void rest_rows(const lm_region *r, size_t b, lm_rows rows)
{
    const lm_model *model = r->model;
    const size_t width = model->shape.width, at = rows.first * width;
    const lm_saved *s = &r->work->saved[b];
    real *x = r->work->x + at;
    lm_apply(rows.n, width, width, s->att + at, lm_param(model, lm_layer_at(b, LM_PROJ)), x, true);
    const real *gain = lm_param(model, lm_layer_at(b, LM_NORM2));
    model->ops->norm(rows.n, width, x, lm_param(model, lm_layer_at(b, LM_PROJ_BIAS)), gain,
                     gain + width, s->xhat2 + at, s->in2 + at, s->rstd2 + rows.first);
    real *act = s->act + 4 * at;
    lm_apply(rows.n, width, 4 * width, s->in2 + at, lm_param(model, lm_layer_at(b, LM_UP)), act,
             false);
    model->ops->gelu(rows.n, 4 * width, act, lm_param(model, lm_layer_at(b, LM_UP_BIAS)),
                     s->slope + 4 * at);
    lm_apply(rows.n, 4 * width, width, act, lm_param(model, lm_layer_at(b, LM_DOWN)), x, true);
}

static void head_rows(const lm_region *r, lm_rows rows, const real *x_bias)
{
    const lm_model *model = r->model;
    const size_t width = model->shape.width, at = rows.first * width;
    lm_work *work = r->work;
    const real *gain = lm_param(model, lm_layer_at(model->shape.blocks, LM_NORM1));
    model->ops->norm(rows.n, width, work->x + at, x_bias, gain, gain + width, work->xhat + at,
                     work->in_head + at, work->rstd + rows.first);
    lm_apply(rows.n, width, LM_VOCABULARY, work->in_head + at,
             lm_param(model, lm_head_layer(model)), work->logits + rows.first * LM_VOCABULARY,
             false);
}

static void first_task(void *ctx, size_t task)
{
    const lm_region *r = ctx;
    const lm_rows rows = lm_rows_of(r, task);
    embed_rows(r, rows);
    qkv_rows(r, 0, rows, NULL);
}

static void next_task(void *ctx, size_t task)
{
    const lm_region *r = ctx;
    const lm_rows rows = lm_rows_of(r, task);
    const real *bias = lm_param(r->model, lm_layer_at(r->block, LM_DOWN_BIAS));
    rest_rows(r, r->block, rows);
    if (r->block + 1 < r->model->shape.blocks)
        qkv_rows(r, r->block + 1, rows, bias);
    else
        head_rows(r, rows, bias);
}

void lm_forward(const lm_model *model, lm_work *work, const lm_batch *batch)
{
    lm_region region = lm_region_of(model, work, batch);
    plumb_parallel(lm_row_tasks(&region), first_task, &region);
    for (size_t b = 0; b < model->shape.blocks; b++) {
        region.block = b;
        lm_attention_forward(&region);
        plumb_parallel(lm_row_tasks(&region), next_task, &region);
    }
}

static void loss_task(void *ctx, size_t task)
{
    const lm_region *r = ctx;
    const lm_rows rows = lm_rows_of(r, task);
    const real scale = (real)(1 / r->normaliser);
    for (size_t i = rows.first; i < rows.first + rows.n; i++)
        r->work->row_loss[i] =
            r->model->ops->xent_row(LM_VOCABULARY, r->work->logits + i * LM_VOCABULARY,
                                    (size_t)r->batch->targets[i], scale);
}

double lm_loss_plain(const lm_model *model, lm_work *work, const lm_batch *batch, double normaliser)
{
    lm_region region = lm_region_of(model, work, batch);
    region.normaliser = normaliser;
    plumb_parallel(lm_row_tasks(&region), loss_task, &region);
    double sum = 0;
    for (size_t i = 0; i < batch->rows; i++)
        sum += (double)work->row_loss[i];
    return sum / normaliser;
}
