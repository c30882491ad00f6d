/* The layer table: what is governed, and where each use of a weight sits on the depth axis. */
#include "runtime/run.h"

#include "base/alloc.h"

#include <string.h>

#define MAX_LAYERS 16384u
#define MAX_SIDE ((uint64_t)1 << 31)

void plumb_layer_desc_default(plumb_layer_desc *desc)
{
    *desc = (plumb_layer_desc){.size = sizeof *desc, .version = PLUMB_STRUCT_VERSION, .n_uses = 1};
}

const char *plumb__layer_kind_name(plumb_layer_kind kind)
{
    static const char *const names[] = {"linear", "embedding", "norm", "bias"};
    return names[kind];
}

/* Names go into JSON and globs as they are, so only plain characters. */
static bool plain_name(const char *name)
{
    const size_t n = strlen(name);
    if (n == 0 || n > 127) return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/[]") ==
           n;
}

static plumb_status check_shape(const plumb_layer_desc *d, plumb_error *err)
{
    if ((unsigned)d->kind > PLUMB_BIAS)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "layer \"%s\": unknown kind %d", d->name,
                           (int)d->kind);
    if (d->rows == 0 || d->cols == 0 || d->rows > MAX_SIDE || d->cols > MAX_SIDE)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "layer \"%s\": shape %llu x %llu; each side must be 1 to %llu", d->name,
                           (unsigned long long)d->rows, (unsigned long long)d->cols,
                           (unsigned long long)MAX_SIDE);
    if ((d->kind == PLUMB_NORM || d->kind == PLUMB_BIAS) && d->rows != 1)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "layer \"%s\": a %s has shape 1 x width, not %llu x %llu", d->name,
                           plumb__layer_kind_name(d->kind), (unsigned long long)d->rows,
                           (unsigned long long)d->cols);
    if (d->n_uses == 0 || d->n_uses > PLUMB_MAX_USES)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "layer \"%s\": %u uses, allowed are 1 to %d",
                           d->name, d->n_uses, PLUMB_MAX_USES);
    for (uint32_t i = 0; i < d->n_uses; i++)
        if ((unsigned)d->uses[i].place > PLUMB_AT_HEAD || d->uses[i].block > 1u << 20)
            return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                               "layer \"%s\": use %u has place %d, block %u", d->name, i,
                               (int)d->uses[i].place, d->uses[i].block);
    return PLUMB_OK;
}

static plumb_status check_desc(const plumb_run *run, const plumb_layer_desc *d, plumb_error *err)
{
    PLUMB_TRY(plumb__struct_check("plumb_layer_desc", d->size, d->version, sizeof *d, err));
    if (!d->name || !plain_name(d->name))
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "layer name \"%.140s\": 1 to 127 letters, digits or . _ - : / [ ]",
                           d->name ? d->name : "");
    for (size_t i = 0; i < run->n_layers; i++)
        if (strcmp(run->layers[i]->name, d->name) == 0)
            return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                               "layer \"%s\" was added before: names are unique in a run", d->name);
    if (run->n_layers == MAX_LAYERS)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "more than %u layers", MAX_LAYERS);
    return check_shape(d, err);
}

plumb_status plumb_run_add_layer(plumb_run *run, const plumb_layer_desc *desc, plumb_layer **out,
                                 plumb_error *err)
{
    *out = NULL;
    PLUMB_TRY(plumb__run_expect(run, "plumb_run_add_layer", PLUMB__CREATED, err));
    PLUMB_TRY(check_desc(run, desc, err));
    PLUMB_TRY(plumb__grow(&run->layers, &run->layer_capacity, run->n_layers + 1,
                          sizeof(plumb_layer *), "layer table", err));
    plumb_layer *layer = NULL;
    PLUMB_TRY(plumb__alloc(&layer, 1, sizeof *layer, "layer", err));
    memcpy(layer->name, desc->name, strlen(desc->name) + 1);
    layer->run = run;
    layer->desc = *desc;
    layer->desc.name = layer->name;
    layer->index = (uint32_t)run->n_layers;
    run->layers[run->n_layers++] = layer;
    *out = layer;
    return PLUMB_OK;
}

static double depth_of(const plumb_use *use, uint32_t blocks)
{
    if (use->place == PLUMB_AT_INPUT) return 0.0;
    if (use->place == PLUMB_AT_HEAD) return 1.0;
    return ((double)use->block + 0.5) / (double)blocks;
}

static uint32_t count_blocks(const plumb_run *run)
{
    uint32_t blocks = 0;
    for (size_t i = 0; i < run->n_layers; i++)
        for (uint32_t k = 0; k < run->layers[i]->desc.n_uses; k++) {
            const plumb_use *use = &run->layers[i]->desc.uses[k];
            if (use->place == PLUMB_IN_BLOCK && use->block >= blocks) blocks = use->block + 1;
        }
    return blocks;
}

static void fill_row(plumb__layer_row *row, const plumb_layer *layer, uint32_t use, uint32_t blocks)
{
    const plumb_layer_desc *d = &layer->desc;
    const char *kind = plumb__layer_kind_name(d->kind);
    memcpy(row->name, layer->name, sizeof row->name);
    memcpy(row->kind, kind, strlen(kind) + 1);
    row->depth = depth_of(&d->uses[use], blocks);
    row->rows = d->rows;
    row->cols = d->cols;
    row->params = d->rows * d->cols * (d->kind == PLUMB_NORM && d->has_bias ? 2u : 1u);
    row->weight = layer->index;
    row->use = use;
    row->n_uses = d->n_uses;
}

plumb_status plumb__layers_resolve(plumb_run *run, plumb_error *err)
{
    if (run->n_layers == 0)
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "plumb_run_start: no layer is governed: call plumb_run_add_layer first");
    size_t uses = 0;
    for (size_t i = 0; i < run->n_layers; i++)
        uses += run->layers[i]->desc.n_uses;
    if (uses > PLUMB__MAX_USES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%zu uses of layers, at most %u", uses,
                           PLUMB__MAX_USES);
    PLUMB_TRY(plumb__alloc(&run->uses, uses, sizeof *run->uses, "layer table", err));
    const uint32_t blocks = count_blocks(run);
    for (size_t i = 0; i < run->n_layers; i++) {
        plumb_layer *layer = run->layers[i];
        layer->first_use = (uint32_t)run->n_uses;
        for (uint32_t k = 0; k < layer->desc.n_uses; k++)
            fill_row(&run->uses[run->n_uses++], layer, k, blocks);
    }
    return PLUMB_OK;
}

void plumb__layers_free(plumb_run *run)
{
    for (size_t i = 0; i < run->n_layers; i++)
        plumb__free(run->layers[i]);
    plumb__free(run->layers);
    plumb__free(run->uses);
}
