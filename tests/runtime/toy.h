/* Matrices instead of a network: what a customer's backward pass would hand over, drawn at random,
 * with the exact unit gradients in float64 beside it. */
#ifndef PLUMB_TESTS_RUNTIME_TOY_H
#define PLUMB_TESTS_RUNTIME_TOY_H

#include "runtime/plumb.h"

#define TOY_MAX_UNITS 16
#define TOY_VOCABULARY 11

/* One visit of one use of one layer. */
typedef struct toy_visit {
    plumb_layer *layer;
    plumb_layer_kind kind; /* of the call: PLUMB_LINEAR or PLUMB_EMBEDDING for a matrix */
    uint32_t use;
    uint64_t rows, in, out, params; /* rows: of the micro-batch */
    float *x, *y;                   /* y carries scale / N */
    int32_t *tokens;
    float *dw; /* [params]; norm: gain, then bias */
    double *g; /* [units x params] unit gradients, without scale / N */
    double *norm;
} toy_visit;

typedef struct toy_batch {
    plumb_unit units[TOY_MAX_UNITS];
    size_t n;
    uint64_t rows;
} toy_batch;

/* Lays n units of random lengths (1..longest rows), with padding rows between some, into a batch.
 */
void toy_lay(toy_batch *b, size_t n, const char *const *ids, uint64_t longest, uint64_t seed);

/* Draws X and Y for one visit. weight[u] multiplies the unit's loss (0: rejected); factor =
 * loss_scale / N. magnitude[u] scales the unit's gradient (NULL: 1). dw is zeroed. */
void toy_draw(toy_visit *v, const toy_batch *b, const double *weight, const double *magnitude,
              double factor, uint64_t seed);
/* Calls plumb_grad_*. */
plumb_status toy_grad(plumb_run *run, toy_visit *v, plumb_error *err);
void toy_free(toy_visit *v);

/* A loss of 1 for each unit, so that the micro-batch is complete. */
plumb_status toy_loss(plumb_run *run, plumb_error *err);

#endif
