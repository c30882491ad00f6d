/* The shared case, and its float32 side (see lm_case.h). Compiled without LM_DOUBLE. */
#include "lm_case.h"
#include "lm_model.h"

#include "runtime/plumb.h"

#include <stdlib.h>

void lm_case_default(lm_case *c, bool tied)
{
    *c = (lm_case){.blocks = 2,
                   .width = 24,
                   .heads = 2,
                   .context = 80,
                   .tied = tied,
                   .length = {1, 5, 70, 22}};
    for (uint64_t i = 0; i < CASE_ROWS; i++)
        c->targets[i] = (int32_t)(plumb_random_uniform(11, 0, i) * 256);
}

typedef struct rows {
    size_t first[CASE_UNITS], length[CASE_UNITS];
    int32_t tokens[CASE_ROWS], positions[CASE_ROWS], targets[CASE_ROWS];
} rows;

static lm_batch fill(const lm_case *c, rows *r)
{
    size_t at = 0;
    for (size_t u = 0; u < CASE_UNITS; at += c->length[u++]) {
        r->first[u] = at;
        r->length[u] = c->length[u];
        for (size_t t = 0; t < c->length[u]; t++) {
            r->tokens[at + t] = t ? c->targets[at + t - 1] : 0;
            r->positions[at + t] = (int32_t)t;
            r->targets[at + t] = c->targets[at + t];
        }
    }
    return (lm_batch){CASE_UNITS, CASE_ROWS,    r->first,  r->length,
                      r->tokens,  r->positions, r->targets};
}

bool lm_case_float(const lm_case *c, const char *isa, const double *params, size_t size,
                   double *loss, double *grads)
{
    lm_model model;
    lm_work work;
    rows r;
    const lm_shape shape = {c->blocks, c->width, c->heads, c->context, c->tied};
    const lm_batch batch = fill(c, &r);
    if (setenv("LM_ISA", isa, 1) != 0 || !lm_model_init(&model, &shape, 1)) return false;
    if (model.size != size || !lm_work_init(&work, &model, CASE_ROWS, CASE_UNITS)) {
        lm_model_free(&model);
        return false;
    }
    for (size_t i = 0; i < size; i++)
        model.params[i] = (float)params[i];
    lm_forward(&model, &work, &batch);
    *loss = lm_loss_plain(&model, &work, &batch, CASE_ROWS);
    lm_plain plain = {.model = &model};
    const bool done = lm_backward(&model, &work, &batch, lm_plain_grads, &plain);
    for (size_t i = 0; i < size; i++)
        grads[i] = (double)model.grads[i];
    lm_work_free(&work);
    lm_model_free(&model);
    return done;
}
