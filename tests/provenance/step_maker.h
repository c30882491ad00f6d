/* Random but repeatable steps for the tests of provenance: every field filled, every column owned.
 * */
#ifndef PLUMB_TESTS_STEP_MAKER_H
#define PLUMB_TESTS_STEP_MAKER_H

#include "provenance/payload.h"

#define MAKER_MAX_UNITS 16
#define MAKER_MAX_USES 8

typedef struct made_step {
    plumb__step step;
    int32_t example[MAKER_MAX_UNITS], segment[MAKER_MAX_UNITS];
    uint16_t micro_batch[MAKER_MAX_UNITS], rows[MAKER_MAX_UNITS];
    float unit_weight[MAKER_MAX_UNITS], unit_loss[MAKER_MAX_UNITS], unit_entropy[MAKER_MAX_UNITS];
    uint8_t decision[MAKER_MAX_UNITS], reason[MAKER_MAX_UNITS], checked[MAKER_MAX_UNITS],
        band[MAKER_MAX_UNITS];
    uint16_t norm[MAKER_MAX_UNITS * MAKER_MAX_USES], mask[MAKER_MAX_UNITS * MAKER_MAX_USES],
        clip[MAKER_MAX_UNITS * MAKER_MAX_USES];
    uint8_t norm_kind[MAKER_MAX_UNITS * MAKER_MAX_USES];
    double nu[MAKER_MAX_USES], budget[MAKER_MAX_USES], spent[MAKER_MAX_USES];
    float contribution[MAKER_MAX_USES];
    uint8_t live[MAKER_MAX_USES];
} made_step;

/* The step (seed, attempt, number) with 1..MAKER_MAX_UNITS units, always the same for the same
 * arguments. Examples are drawn from -1..n_examples-1. */
void make_random_step(made_step *made, uint64_t seed, uint32_t attempt, uint64_t number,
                      uint32_t n_uses, uint32_t n_examples);

#endif
