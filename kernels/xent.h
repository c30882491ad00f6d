/* Fused softmax cross-entropy with predictive entropy and per-row weights. */
#ifndef PLUMB_KERNELS_XENT_H
#define PLUMB_KERNELS_XENT_H

#include "base/error.h"

/* For each row: loss = logsumexp - logit[target]; entropy = -sum p log p (nats);
 * dlogits = row_scale[r] * (p - onehot); rows with target -1 or row_scale 0 get dlogits 0 exactly,
 * and (target -1) loss 0, entropy 0; a target outside the vocabulary counts as -1. dlogits may
 * alias logits. Non-finite logits give non-finite loss for their row only. One read and one write
 * of the row. */
typedef struct plumb__xent_args {
    uint64_t rows, vocabulary;
    const float *logits;
    uint64_t ld_logits;
    float *dlogits;
    uint64_t ld_dlogits;
    const int32_t *targets;
    const float *row_scale;
    float *row_loss, *row_entropy; /* never NULL here */
} plumb__xent_args;
void plumb__xent(const plumb__xent_args *args);

#endif
