/* Layout, allocation and initial values of the parameters. */
#include "lm_model.h"

#include "runtime/plumb.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN_REALS 16u /* layers begin on cache lines */

static void add_layer(lm_model *model, const char *name, lm_kind kind, lm_place place, size_t block,
                      size_t rows, size_t cols)
{
    lm_layer *layer = &model->layers[model->n_layers++];
    *layer = (lm_layer){.kind = kind,
                        .place = place,
                        .block = block,
                        .rows = rows,
                        .cols = cols,
                        .offset = model->size,
                        .size = rows * cols};
    if (place == LM_IN_BLOCK)
        (void)snprintf(layer->name, sizeof layer->name, "blocks.%zu.%s", block, name);
    else
        (void)snprintf(layer->name, sizeof layer->name, "%s", name);
    model->size += (layer->size + ALIGN_REALS - 1) / ALIGN_REALS * ALIGN_REALS;
}

static void add_block(lm_model *model, size_t block)
{
    const size_t width = model->shape.width;
    add_layer(model, "norm1", LM_NORM, LM_IN_BLOCK, block, 2, width);
    add_layer(model, "attention.qkv.weight", LM_LINEAR, LM_IN_BLOCK, block, 3 * width, width);
    add_layer(model, "attention.qkv.bias", LM_BIAS, LM_IN_BLOCK, block, 1, 3 * width);
    add_layer(model, "attention.proj.weight", LM_LINEAR, LM_IN_BLOCK, block, width, width);
    add_layer(model, "attention.proj.bias", LM_BIAS, LM_IN_BLOCK, block, 1, width);
    add_layer(model, "norm2", LM_NORM, LM_IN_BLOCK, block, 2, width);
    add_layer(model, "mlp.up.weight", LM_LINEAR, LM_IN_BLOCK, block, 4 * width, width);
    add_layer(model, "mlp.up.bias", LM_BIAS, LM_IN_BLOCK, block, 1, 4 * width);
    add_layer(model, "mlp.down.weight", LM_LINEAR, LM_IN_BLOCK, block, width, 4 * width);
    add_layer(model, "mlp.down.bias", LM_BIAS, LM_IN_BLOCK, block, 1, width);
}

static void lay_out(lm_model *model)
{
    const lm_shape *shape = &model->shape;
    add_layer(model, "tokens", LM_EMBEDDING, LM_AT_INPUT, 0, LM_VOCABULARY, shape->width);
    add_layer(model, "positions", LM_EMBEDDING, LM_AT_INPUT, 0, shape->context, shape->width);
    for (size_t b = 0; b < shape->blocks; b++)
        add_block(model, b);
    add_layer(model, "norm", LM_NORM, LM_AT_HEAD, 0, 2, shape->width);
    if (!shape->tied)
        add_layer(model, "head.weight", LM_LINEAR, LM_AT_HEAD, 0, LM_VOCABULARY, shape->width);
}

static void initialise(lm_model *model, uint64_t seed)
{
    for (size_t l = 0; l < model->n_layers; l++) {
        const lm_layer *layer = &model->layers[l];
        real *p = model->params + layer->offset;
        if (layer->kind == LM_NORM)
            for (size_t i = 0; i < layer->cols; i++)
                p[i] = 1;
        if (layer->kind != LM_LINEAR && layer->kind != LM_EMBEDDING) continue;
        const size_t which = (l - LM_FIRST_BLOCK) % LM_PER_BLOCK;
        const bool residual = layer->place == LM_IN_BLOCK && (which == LM_PROJ || which == LM_DOWN);
        const double spread = residual ? 0.02 / sqrt(2.0 * (double)model->shape.blocks) : 0.02;
        for (size_t i = 0; i < layer->size; i++)
            p[i] = (real)(spread * plumb_random_normal(seed, l, i));
    }
}

bool lm_model_init(lm_model *model, const lm_shape *shape, uint64_t seed)
{
    memset(model, 0, sizeof *model);
    model->shape = *shape;
    model->ops = lm_ops_pick();
    lay_out(model);
    real *arena = NULL;
    const size_t bytes = 4 * model->size * sizeof *arena;
    if (posix_memalign((void **)&arena, 64, bytes) != 0) return false;
    memset(arena, 0, bytes);
    model->params = arena;
    model->grads = arena + model->size;
    model->m = arena + 2 * model->size;
    model->v = arena + 3 * model->size;
    initialise(model, seed);
    return true;
}

void lm_model_free(lm_model *model)
{
    free(model->params);
    memset(model, 0, sizeof *model);
}
