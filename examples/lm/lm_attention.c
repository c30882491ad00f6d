/* Attention over the heads of all sequences of a batch: one task per (sequence, head). */
#include "lm_region.h"

#include "runtime/plumb.h"

/* A piece of scratch that no other task uses. There are as many as threads, so one is free. */
static size_t claim(lm_work *work)
{
    for (size_t i = 0;; i = (i + 1) % work->n_scratch)
        if (!atomic_flag_test_and_set_explicit(&work->busy[i], memory_order_acquire)) return i;
}

static lm_head head_of(const lm_region *r, size_t task)
{
    const lm_shape *shape = &r->model->shape;
    const size_t sequence = task / shape->heads, head = task % shape->heads;
    const size_t width = shape->width, narrow = width / shape->heads;
    const size_t row = r->batch->first[sequence], at = row * width + head * narrow;
    const size_t at_qkv = row * 3 * width + head * narrow;
    const lm_saved *s = &r->work->saved[r->block];
    real *dqkv = r->work->d_qkv + at_qkv;
    return (lm_head){.length = r->batch->length[sequence],
                     .width = narrow,
                     .q = s->qkv + at_qkv,
                     .k = s->qkv + at_qkv + width,
                     .v = s->qkv + at_qkv + 2 * width,
                     .ld = 3 * width,
                     .o = s->att + at,
                     .d_o = r->work->d_att + at,
                     .ldo = width,
                     .lse = s->lse + row * shape->heads + head * r->batch->length[sequence],
                     .dq = dqkv,
                     .dk = dqkv + width,
                     .dv = dqkv + 2 * width};
}

static void run_head(lm_region *r, size_t task, void (*fn)(const lm_head *))
{
    lm_head head = head_of(r, task);
    const size_t piece = claim(r->work);
    head.scratch = r->work->scratch + piece * r->work->scratch_each;
    fn(&head);
    atomic_flag_clear_explicit(&r->work->busy[piece], memory_order_release);
}

static void forward_task(void *ctx, size_t task)
{
    lm_region *r = ctx;
    run_head(r, task, r->model->ops->head_forward);
}

static void back_task(void *ctx, size_t task)
{
    lm_region *r = ctx;
    run_head(r, task, r->model->ops->head_back);
}

void lm_attention_forward(lm_region *region)
{
    plumb_parallel(region->batch->n_sequences * region->model->shape.heads, forward_task, region);
}

void lm_attention_back(lm_region *region)
{
    plumb_parallel(region->batch->n_sequences * region->model->shape.heads, back_task, region);
}
