/* What one training process holds. Internal to the loop's files. */
#ifndef LM_TRAINER_H
#define LM_TRAINER_H

#include "lm_data.h"
#include "lm_govern.h"
#include "lm_options.h"
#include "lm_progress.h"

typedef struct lm_trainer {
    const lm_options *options;
    plumb_trust *trust;
    plumb_manifest *manifest;
    plumb_secret_key *key;
    plumb_run *run; /* NULL: ungoverned */
    lm_data data;
    lm_model model;
    lm_work work;
    lm_batch_space space;
    lm_governed governed;
    plumb_live live;
    uint64_t step; /* the last one that was done */
    bool saved;    /* it has its checkpoint */
    double loss, tokens;
    uint64_t units; /* of the step: one for each sequence, or more where records have segments */
    plumb_error err;
} lm_trainer;

/* Learning rate of a step: linear warm-up, then a cosine to a tenth of the peak at the horizon. */
double lm_rate_at(const lm_options *options, uint64_t step);
/* Step t->step + 1, committed; facts for the progress line. */
plumb_status lm_trainer_step(lm_trainer *t);

#endif
