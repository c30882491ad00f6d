/* AdamW over the arena in one region: decoupled decay on matrices, bias correction by each layer's
 * own number of updates, because a layer that no unit reaches is not stepped. */
#include "lm_model.h"

#include "runtime/plumb.h"

#include <math.h>
#include <string.h>

#define CHUNK_REALS 32768u

typedef struct adamw_region {
    lm_model *model;
    const lm_adamw_settings *settings;
    const uint8_t *live;
    double scale, norm2[LM_MAX_LAYERS];
    size_t first_task[LM_MAX_LAYERS + 1];
} adamw_region;

static size_t layer_of(const adamw_region *r, size_t task)
{
    size_t low = 0, high = r->model->n_layers; /* first_task[low] <= task < first_task[high] */
    while (high - low > 1) {
        const size_t middle = (low + high) / 2;
        if (r->first_task[middle] <= task)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void update_task(void *ctx, size_t task)
{
    const adamw_region *r = ctx;
    lm_model *model = r->model;
    const size_t l = layer_of(r, task);
    const lm_layer *layer = &model->layers[l];
    const lm_adamw_settings *s = r->settings;
    const size_t from = (task - r->first_task[l]) * CHUNK_REALS, left = layer->size - from;
    const size_t at = layer->offset + from;
    const double t = (double)model->updates[l];
    const bool matrix = layer->kind == LM_LINEAR || layer->kind == LM_EMBEDDING;
    const lm_adamw_step step = {.lr = (real)s->lr,
                                .decay = (real)(matrix ? s->weight_decay : 0),
                                .beta1 = (real)s->beta1,
                                .beta2 = (real)s->beta2,
                                .eps = (real)s->eps,
                                .bias1 = (real)(1 - pow(s->beta1, t)),
                                .bias2 = (real)(1 - pow(s->beta2, t)),
                                .scale = (real)r->scale};
    model->ops->adamw(left < CHUNK_REALS ? left : CHUNK_REALS, model->params + at,
                      model->grads + at, model->m + at, model->v + at, &step);
}

static void norm_task(void *ctx, size_t l)
{
    adamw_region *r = ctx;
    const lm_layer *layer = &r->model->layers[l];
    r->norm2[l] = 0;
    if (!r->live || r->live[l])
        r->norm2[l] = r->model->ops->sum_squares(layer->size, r->model->grads + layer->offset);
}

/* Global clipping couples units through one factor; it comes after governance and is off by
 * default. */
static double clip_scale(adamw_region *r)
{
    if (!(r->settings->grad_clip > 0)) return 1;
    plumb_parallel(r->model->n_layers, norm_task, r);
    double sum = 0;
    for (size_t l = 0; l < r->model->n_layers; l++)
        sum += r->norm2[l];
    return sqrt(sum) > r->settings->grad_clip ? r->settings->grad_clip / sqrt(sum) : 1;
}

void lm_adamw(lm_model *model, const lm_adamw_settings *settings, const uint8_t *live)
{
    adamw_region region = {.model = model, .settings = settings, .live = live};
    for (size_t l = 0; l < model->n_layers; l++) {
        const bool steps = !live || live[l];
        const size_t chunks = (model->layers[l].size + CHUNK_REALS - 1) / CHUNK_REALS;
        region.first_task[l + 1] = region.first_task[l] + (steps ? chunks : 0);
        model->updates[l] += steps;
        if (!steps) memset(lm_grad_of(model, l), 0, model->layers[l].size * sizeof(real));
    }
    region.scale = clip_scale(&region);
    plumb_parallel(region.first_task[model->n_layers], update_task, &region);
}
