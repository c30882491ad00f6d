#include "toy_net.h"

#include "harness.h"

#include "base/half.h"

#include <math.h>
#include <stdio.h>

const char *const net_ids[NET_EXAMPLES] = {"e0", "e1", "e2", "e3", "e4",
                                           "e5", "e6", "e7", "e8", "e9"};
/* Bands of the examples, as the records below state them; weights likewise. */
const double net_bands[NET_EXAMPLES][2] = {{0, 1}, {0, 0.4},     {0.6, 1}, {0.2, 0.8}, {0, 1},
                                           {0, 1}, {0.25, 0.25}, {0.5, 1}, {0, 0.6},   {0, 1}};
const double net_example_weights[NET_EXAMPLES] = {1, 1, 1, 1, 2, 0.5, 1, 1, 1, 0};

const char *net_records(void)
{
    static char text[4096];
    size_t at = 0;
    for (size_t i = 0; i < NET_EXAMPLES; i++)
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "{\"id\":\"%s\",\"content\":{\"sha256\":\"%064zu\",\"bytes\":3},"
                               "\"depth\":{\"band\":[%g,%g]},\"weight\":%g}\n",
                               net_ids[i], i, net_bands[i][0], net_bands[i][1],
                               net_example_weights[i]);
    return text;
}

net net_open(world *w)
{
    static const struct {
        const char *name;
        plumb_layer_kind kind;
        uint64_t in, out;
        plumb_place place;
        uint32_t block;
        double depth;
    } table[NET_VISITS] = {
        {"embed", PLUMB_EMBEDDING, 0, 6, PLUMB_AT_INPUT, 0, 0.0},
        {"blocks.0.up", PLUMB_LINEAR, 5, 7, PLUMB_IN_BLOCK, 0, 0.25},
        {"blocks.0.norm", PLUMB_NORM, 5, 5, PLUMB_IN_BLOCK, 0, 0.25},
        {"blocks.1.up", PLUMB_LINEAR, 37, 19, PLUMB_IN_BLOCK, 1, 0.75},
        {"blocks.1.bias", PLUMB_BIAS, 0, 9, PLUMB_IN_BLOCK, 1, 0.75},
        {"head", PLUMB_LINEAR, 6, 11, PLUMB_AT_HEAD, 0, 1.0},
    };
    net n = {.run = world_run(w)};
    plumb_error err;
    for (size_t i = 0; i < NET_VISITS; i++) {
        const bool matrix = table[i].kind == PLUMB_LINEAR || table[i].kind == PLUMB_EMBEDDING;
        const uint64_t rows = table[i].kind == PLUMB_EMBEDDING ? TOY_VOCABULARY
                              : matrix                         ? table[i].out
                                                               : 1;
        n.v[i] = (toy_visit){.kind = table[i].kind, .in = table[i].in, .out = table[i].out};
        n.depth[i] = table[i].depth;
        n.v[i].layer = add_layer(n.run, table[i].name, table[i].kind, rows,
                                 table[i].kind == PLUMB_LINEAR ? table[i].in : table[i].out,
                                 table[i].place, table[i].block);
    }
    must(plumb_run_start(n.run, &err), &err);
    return n;
}

void net_close(net *n)
{
    for (size_t i = 0; i < NET_VISITS; i++)
        toy_free(&n->v[i]);
    plumb_run_free(n->run);
}

void net_begin(net *n, uint64_t step, uint32_t micro, uint32_t units, double normaliser,
               double scale)
{
    plumb_error err;
    plumb_step_info info;
    plumb_step_info_default(&info);
    info.step = step;
    info.micro_batches = micro;
    info.units = units;
    info.normaliser = normaliser;
    info.loss_scale = scale;
    must(plumb_step_begin(n->run, &info, &err), &err);
}

plumb_live net_finish(net *n)
{
    plumb_error err;
    plumb_live live = {0};
    plumb_update_info update;
    plumb_update_info_default(&update);
    update.loss = 1.5;
    update.lr = 0.01;
    must(plumb_step_decide(n->run, &live, &err), &err);
    must(plumb_step_commit(n->run, &update, &err), &err);
    return live;
}

void net_weights(const toy_batch *b, double *out)
{
    for (size_t u = 0; u < b->n; u++)
        out[u] = net_example_weights[b->units[u].id[1] - '0'];
}

/* One micro-batch: draws and governs every layer. */
void net_micro(net *n, const toy_batch *b, const double *magnitude, double factor, uint64_t seed)
{
    plumb_error err;
    double w[TOY_MAX_UNITS];
    net_weights(b, w);
    must(plumb_batch_begin(n->run, b->units, b->n, b->rows, &err), &err);
    for (size_t i = NET_VISITS; i-- > 0;) {
        toy_draw(&n->v[i], b, w, magnitude, factor, seed * 64 + i);
        must(toy_grad(n->run, &n->v[i], &err), &err);
    }
    must(toy_loss(n->run, &err), &err);
}

/* dW of a visit against sum m c g / N in float64, with masks and clips as recorded. */
void net_check_dw(const net *n, size_t i, const toy_batch *b, uint32_t first_row, double factor)
{
    const toy_visit *v = &n->v[i];
    const plumb__columns *c = &n->run->columns;
    double largest = 0.0;
    for (uint64_t p = 0; p < v->params; p++) {
        double sum = 0.0;
        for (size_t u = 0; u < b->n; u++)
            sum += fabs(v->g[u * v->params + p]) * factor;
        if (sum > largest) largest = sum;
    }
    for (uint64_t p = 0; p < v->params; p++) {
        double want = 0.0;
        for (size_t u = 0; u < b->n; u++) {
            const size_t e = (first_row + u) * NET_VISITS + i;
            want += plumb__f16_value(c->mask[e]) * plumb__f16_value(c->clip[e]) *
                    v->g[u * v->params + p] * factor;
        }
        const double error = fabs((double)v->dw[p] - want);
        if (!(error <= 4e-6 * largest)) /* NaN fails too */
            fail_msg("layer %zu, parameter %llu: %.9g, expected %.9g", i, (unsigned long long)p,
                     (double)v->dw[p], want);
    }
}
