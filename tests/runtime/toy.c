#include "toy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void toy_lay(toy_batch *b, size_t n, const char *const *ids, uint64_t longest, uint64_t seed)
{
    *b = (toy_batch){.n = n};
    for (size_t u = 0; u < n; u++) {
        uint32_t draw[4];
        plumb_random_block(seed, 1, u, draw);
        b->rows += draw[0] % 2; /* a padding row now and then */
        b->units[u] = (plumb_unit){.id = ids[u],
                                   .segment = PLUMB_WHOLE,
                                   .first_row = b->rows,
                                   .rows = 1 + draw[1] % longest};
        b->rows += b->units[u].rows;
    }
    b->rows += 1;
}

static size_t unit_of(const toy_batch *b, uint64_t row)
{
    for (size_t u = 0; u < b->n; u++)
        if (row >= b->units[u].first_row && row < b->units[u].first_row + b->units[u].rows)
            return u;
    return SIZE_MAX;
}

static void *room(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p) abort();
    return p;
}

/* Adds the row's part of the unit gradient; `unscale` undoes scale / N. */
static void add_row(const toy_visit *v, double *g, uint64_t r, double unscale)
{
    const float *x = v->x + r * v->in, *y = v->y + r * v->out;
    for (uint64_t o = 0; o < v->out; o++) {
        const double dy = (double)y[o] * unscale;
        switch (v->kind) {
        case PLUMB_LINEAR:
            for (uint64_t i = 0; i < v->in; i++)
                g[o * v->in + i] += dy * (double)x[i];
            break;
        case PLUMB_EMBEDDING:
            if (v->tokens[r] >= 0) g[(uint64_t)v->tokens[r] * v->out + o] += dy;
            break;
        case PLUMB_NORM:
            g[o] += dy * (double)x[o];
            g[v->out + o] += dy;
            break;
        case PLUMB_BIAS: g[o] += dy; break;
        }
    }
}

static void shapes(toy_visit *v)
{
    v->params = v->kind == PLUMB_LINEAR      ? v->in * v->out
                : v->kind == PLUMB_EMBEDDING ? TOY_VOCABULARY * v->out
                : v->kind == PLUMB_NORM      ? 2 * v->out
                                             : v->out;
    if (v->kind == PLUMB_NORM) v->in = v->out;
}

void toy_draw(toy_visit *v, const toy_batch *b, const double *weight, const double *magnitude,
              double factor, uint64_t seed)
{
    toy_free(v);
    shapes(v);
    v->rows = b->rows;
    v->x = room(v->rows * v->in, sizeof *v->x);
    v->y = room(v->rows * v->out, sizeof *v->y);
    v->tokens = room(v->rows, sizeof *v->tokens);
    v->dw = room(v->params, sizeof *v->dw);
    v->g = room(b->n * v->params, sizeof *v->g);
    v->norm = room(b->n, sizeof *v->norm);
    for (uint64_t r = 0; r < v->rows; r++) {
        const size_t u = unit_of(b, r);
        const double scale =
            u == SIZE_MAX ? factor : weight[u] * factor * (magnitude ? magnitude[u] : 1.0);
        for (uint64_t i = 0; i < v->in; i++)
            v->x[r * v->in + i] = (float)plumb_random_normal(seed, 2, r * v->in + i);
        for (uint64_t o = 0; o < v->out; o++)
            v->y[r * v->out + o] = (float)(scale * plumb_random_normal(seed, 3, r * v->out + o));
        uint32_t draw[4];
        plumb_random_block(seed, 4, r, draw);
        v->tokens[r] = (int32_t)(draw[0] % (TOY_VOCABULARY + 1)) - 1;
        if (u != SIZE_MAX) add_row(v, v->g + u * v->params, r, 1.0 / factor);
    }
    for (size_t u = 0; u < b->n; u++) {
        double sum = 0.0;
        for (uint64_t p = 0; p < v->params; p++)
            sum += v->g[u * v->params + p] * v->g[u * v->params + p];
        v->norm[u] = sqrt(sum);
    }
}

plumb_status toy_grad(plumb_run *run, toy_visit *v, plumb_error *err)
{
    const plumb_matrix x = {v->x, PLUMB_F32, v->rows, v->in, v->in};
    const plumb_matrix y = {v->y, PLUMB_F32, v->rows, v->out, v->out};
    const plumb_matrix dw = {v->dw, PLUMB_F32, v->out, v->in, v->in};
    const plumb_matrix table = {v->dw, PLUMB_F32, TOY_VOCABULARY, v->out, v->out};
    switch (v->kind) {
    case PLUMB_LINEAR: return plumb_grad_linear(run, v->layer, v->use, &x, &y, &dw, NULL, err);
    case PLUMB_EMBEDDING:
        return plumb_grad_embedding(run, v->layer, v->use, v->tokens, &y, &table, NULL, err);
    case PLUMB_NORM:
        return plumb_grad_norm(run, v->layer, v->use, &x, &y, v->dw, v->dw + v->out, NULL, err);
    case PLUMB_BIAS: return plumb_grad_bias(run, v->layer, v->use, &y, v->dw, NULL, err);
    }
    return PLUMB_ERR_ARGUMENT;
}

void toy_free(toy_visit *v)
{
    free(v->x);
    free(v->y);
    free(v->tokens);
    free(v->dw);
    free(v->g);
    free(v->norm);
    v->x = v->y = v->dw = NULL;
    v->tokens = NULL;
    v->g = v->norm = NULL;
}

plumb_status toy_loss(plumb_run *run, plumb_error *err)
{
    const float ones[TOY_MAX_UNITS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    return plumb_loss_report(run, ones, ones, err);
}
