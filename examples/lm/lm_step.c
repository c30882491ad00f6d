/* One optimizer step, governed or not: the same batches, model and update; only the loss, the
 * weight gradients and the frame around them differ. */
#include "lm_trainer.h"

#include <math.h>
#include <string.h>

#define BETA1 0.9
#define BETA2 0.95
#define EPS 1e-8
#define PI 3.14159265358979323846

double lm_rate_at(const lm_options *options, uint64_t step)
{
    const double peak = options->lr, at = (double)step;
    const double warmup = (double)options->warmup, horizon = (double)options->horizon;
    if (at <= warmup) return peak * at / warmup;
    if (at >= horizon) return 0.1 * peak;
    return peak * (0.1 + 0.45 * (1 + cos(PI * (at - warmup) / (horizon - warmup))));
}

/* Sequences of micro-batch k of a step. */
static size_t share(const lm_options *o, uint64_t k)
{
    return (size_t)(o->batch * (k + 1) / o->micro_batches - o->batch * k / o->micro_batches);
}

/* Every byte of the step is a target: the normaliser. */
static void count(lm_trainer *t, uint64_t from)
{
    uint64_t targets = 0, units = 0;
    for (uint64_t k = 0; k < t->options->batch; k++) {
        const lm_example *e = lm_data_at(&t->data, from + k);
        targets += lm_data_length(&t->data, e);
        units += e->units;
    }
    t->tokens = (double)targets;
    t->units = units;
}

static plumb_status governed_loss(lm_trainer *t)
{
    plumb_xent_io io;
    plumb_xent_io_default(&io);
    io.logits = (plumb_matrix){.data = t->work.logits,
                               .dtype = PLUMB_F32,
                               .rows = t->space.batch.rows,
                               .cols = LM_VOCABULARY,
                               .stride = LM_VOCABULARY};
    io.dlogits = io.logits;
    io.targets = t->space.batch.targets;
    const plumb_status status = plumb_loss_xent(t->run, &io, NULL, &t->err);
    t->loss += io.loss;
    return status;
}

static plumb_status governed_micro_batch(lm_trainer *t)
{
    const lm_batch *batch = &t->space.batch;
    plumb_status status =
        plumb_batch_begin(t->run, t->space.units, t->space.n_units, batch->rows, &t->err);
    if (status != PLUMB_OK) return status;
    lm_forward(&t->model, &t->work, batch);
    status = governed_loss(t);
    if (status != PLUMB_OK) return status;
    t->governed.status = PLUMB_OK;
    (void)lm_backward(&t->model, &t->work, batch, lm_governed_grads, &t->governed);
    return t->governed.status;
}

static plumb_status plain_micro_batch(lm_trainer *t, bool first)
{
    lm_plain plain = {.model = &t->model, .add = !first};
    lm_forward(&t->model, &t->work, &t->space.batch);
    t->loss += lm_loss_plain(&t->model, &t->work, &t->space.batch, t->tokens);
    (void)lm_backward(&t->model, &t->work, &t->space.batch, lm_plain_grads, &plain);
    return PLUMB_OK;
}

static plumb_status micro_batches(lm_trainer *t, uint64_t from)
{
    plumb_status status = PLUMB_OK;
    for (uint64_t k = 0; k < t->options->micro_batches && status == PLUMB_OK; k++) {
        lm_batch_fill(&t->space, &t->data, from, share(t->options, k));
        from += share(t->options, k);
        status = t->run ? governed_micro_batch(t) : plain_micro_batch(t, k == 0);
    }
    return status;
}

static plumb_status begin(lm_trainer *t, uint64_t step)
{
    plumb_step_info info;
    if (!t->run) return PLUMB_OK;
    plumb_step_info_default(&info);
    info.step = step;
    info.micro_batches = (uint32_t)t->options->micro_batches;
    info.units = t->units < UINT32_MAX ? (uint32_t)t->units : UINT32_MAX; /* refused there */
    info.normaliser = t->tokens;
    return plumb_step_begin(t->run, &info, &t->err);
}

static plumb_status commit(lm_trainer *t, const lm_adamw_settings *s)
{
    plumb_update_info update;
    if (!t->run) return PLUMB_OK;
    plumb_update_info_default(&update);
    update.loss = t->loss;
    update.lr = s->lr;
    const double scalars[] = {s->beta1, s->beta2, s->eps, s->weight_decay, s->grad_clip};
    update.n_scalars = sizeof scalars / sizeof scalars[0];
    memcpy(update.scalars, scalars, sizeof scalars);
    return plumb_step_commit(t->run, &update, &t->err);
}

plumb_status lm_trainer_step(lm_trainer *t)
{
    const lm_options *o = t->options;
    const uint64_t step = t->step + 1, from = t->step * o->batch;
    const lm_adamw_settings settings = {.lr = lm_rate_at(o, step),
                                        .beta1 = BETA1,
                                        .beta2 = BETA2,
                                        .eps = EPS,
                                        .weight_decay = o->weight_decay,
                                        .grad_clip = o->grad_clip};
    t->loss = 0;
    count(t, from);
    plumb_status status = begin(t, step);
    if (status == PLUMB_OK) status = micro_batches(t, from);
    if (status == PLUMB_OK && t->run) status = plumb_step_decide(t->run, &t->live, &t->err);
    if (status != PLUMB_OK) return status;
    lm_adamw(&t->model, &settings, t->run ? t->live.live : NULL);
    status = commit(t, &settings);
    if (status == PLUMB_OK) t->step = step;
    return status;
}
