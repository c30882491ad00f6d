/* The governed side of the trainer: its layers as the runtime knows them, its weight gradients
 * through plumb_grad_*, its tensors as a checkpoint names them. */
#ifndef LM_GOVERN_H
#define LM_GOVERN_H

#include "lm_model.h"

#include "runtime/plumb.h"

/* Weights and two moments, each norm as two tensors, and the counts of updates. */
#define LM_MAX_TENSORS (3u * (LM_MAX_LAYERS + 2u * LM_MAX_BLOCKS + 1u) + 1u)

typedef struct lm_governed {
    plumb_run *run;
    lm_model *model;
    plumb_layer *layers[LM_MAX_LAYERS];
    plumb_named_tensor tensors[LM_MAX_TENSORS];
    size_t n_tensors;
    char *names;         /* of the tensors */
    plumb_status status; /* of the gradient that failed */
    plumb_error *err;
} lm_governed;

/* Adds the model's layers to the run and lists its tensors. */
plumb_status lm_govern_open(lm_governed *governed, plumb_run *run, lm_model *model,
                            plumb_error *err);
void lm_govern_close(lm_governed *governed);
/* An lm_grads_fn; ctx: lm_governed. On false its `status` and `err` say why. */
bool lm_governed_grads(void *ctx, const lm_grad *jobs, size_t n, size_t rows);

#endif
