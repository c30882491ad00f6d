/* What a customer writes to put a model under governance: one description per layer, one call per
 * weight gradient. */
#include "lm_govern.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME_BYTES 96u

static plumb_layer_kind kind_of(lm_kind kind)
{
    switch (kind) {
    case LM_LINEAR: return PLUMB_LINEAR;
    case LM_EMBEDDING: return PLUMB_EMBEDDING;
    case LM_NORM: return PLUMB_NORM;
    case LM_BIAS: return PLUMB_BIAS;
    }
    return PLUMB_LINEAR;
}

static plumb_place place_of(lm_place place)
{
    return place == LM_AT_INPUT  ? PLUMB_AT_INPUT
           : place == LM_AT_HEAD ? PLUMB_AT_HEAD
                                 : PLUMB_IN_BLOCK;
}

static plumb_status add_layer(lm_governed *g, size_t l, plumb_error *err)
{
    const lm_layer *layer = &g->model->layers[l];
    plumb_layer_desc desc;
    plumb_layer_desc_default(&desc);
    desc.name = layer->name;
    desc.kind = kind_of(layer->kind);
    desc.rows = layer->kind == LM_NORM ? 1 : layer->rows;
    desc.cols = layer->cols;
    desc.has_bias = layer->kind == LM_NORM;
    desc.n_uses = 1;
    desc.uses[0] = (plumb_use){.place = place_of(layer->place), .block = (uint32_t)layer->block};
    if (l == LM_TOKENS && g->model->shape.tied)
        desc.uses[desc.n_uses++] = (plumb_use){.place = PLUMB_AT_HEAD};
    return plumb_run_add_layer(g->run, &desc, &g->layers[l], err);
}

static void add_tensor(lm_governed *g, const char *prefix, const char *name, const char *part,
                       void *data, uint64_t rows, uint64_t cols)
{
    plumb_named_tensor *t = &g->tensors[g->n_tensors];
    char *text = g->names + NAME_BYTES * g->n_tensors++;
    (void)snprintf(text, NAME_BYTES, "%s%s%s", prefix, name, part);
    *t = (plumb_named_tensor){.name = text, .dtype = PLUMB_F32, .data = data};
    if (rows > 1) t->dims[t->n_dims++] = rows;
    t->dims[t->n_dims++] = cols;
}

static void add_layer_tensors(lm_governed *g, const lm_layer *layer, const char *prefix,
                              real *arena)
{
    real *at = arena + layer->offset;
    if (layer->kind == LM_NORM) {
        add_tensor(g, prefix, layer->name, ".weight", at, 1, layer->cols);
        add_tensor(g, prefix, layer->name, ".bias", at + layer->cols, 1, layer->cols);
    } else {
        const char *part = layer->kind == LM_EMBEDDING ? ".weight" : "";
        add_tensor(g, prefix, layer->name, part, at, layer->rows, layer->cols);
    }
}

static void list_tensors(lm_governed *g)
{
    lm_model *model = g->model;
    for (size_t l = 0; l < model->n_layers; l++) {
        add_layer_tensors(g, &model->layers[l], "", model->params);
        add_layer_tensors(g, &model->layers[l], "adamw.first.", model->m);
        add_layer_tensors(g, &model->layers[l], "adamw.second.", model->v);
    }
    add_tensor(g, "adamw.", "updates", "", model->updates, 1, model->n_layers);
    g->tensors[g->n_tensors - 1].dtype = PLUMB_I64;
}

plumb_status lm_govern_open(lm_governed *g, plumb_run *run, lm_model *model, plumb_error *err)
{
    *g = (lm_governed){.run = run, .model = model, .err = err};
    g->names = malloc(LM_MAX_TENSORS * NAME_BYTES);
    if (!g->names) {
        err->status = PLUMB_ERR_NO_MEMORY;
        (void)snprintf(err->message, sizeof err->message, "not enough memory for tensor names");
        return PLUMB_ERR_NO_MEMORY;
    }
    for (size_t l = 0; l < model->n_layers; l++) {
        const plumb_status status = add_layer(g, l, err);
        if (status != PLUMB_OK) return status;
    }
    list_tensors(g);
    return PLUMB_OK;
}

void lm_govern_close(lm_governed *g)
{
    free(g->names);
    g->names = NULL;
}

static plumb_matrix matrix(const real *data, size_t rows, size_t cols)
{
    return (plumb_matrix){.data = (void *)(uintptr_t)data,
                          .dtype = PLUMB_F32,
                          .rows = rows,
                          .cols = cols,
                          .stride = cols};
}

static plumb_status one_gradient(lm_governed *g, const lm_grad *job, size_t rows)
{
    const lm_layer *layer = &g->model->layers[job->layer];
    plumb_layer *handle = g->layers[job->layer];
    real *dw = lm_grad_of(g->model, job->layer);
    const size_t out = job->kind == LM_LINEAR ? layer->rows : layer->cols;
    const plumb_matrix y = matrix(job->y, rows, out), x = matrix(job->x, rows, layer->cols);
    const plumb_matrix whole = matrix(dw, layer->rows, layer->cols);
    switch (job->kind) {
    case LM_LINEAR:
        return plumb_grad_linear(g->run, handle, job->use, &x, &y, &whole, NULL, g->err);
    case LM_EMBEDDING:
        return plumb_grad_embedding(g->run, handle, job->use, job->tokens, &y, &whole, NULL,
                                    g->err);
    case LM_NORM:
        return plumb_grad_norm(g->run, handle, job->use, &x, &y, dw, dw + layer->cols, NULL,
                               g->err);
    case LM_BIAS: return plumb_grad_bias(g->run, handle, job->use, &y, dw, NULL, g->err);
    }
    return PLUMB_ERR_ARGUMENT;
}

bool lm_governed_grads(void *ctx, const lm_grad *jobs, size_t n, size_t rows)
{
    lm_governed *g = ctx;
    for (size_t i = 0; i < n && g->status == PLUMB_OK; i++)
        g->status = one_gradient(g, &jobs[i], rows);
    return g->status == PLUMB_OK;
}
