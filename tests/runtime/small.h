/* The smallest run: a linear layer and a bias at the head, and two records. "a" may change both;
 * "b" (weight 0.5) reaches no layer of this model. Both have the content "abc". */
#ifndef PLUMB_TESTS_RUNTIME_SMALL_H
#define PLUMB_TESTS_RUNTIME_SMALL_H

#include "harness.h"
#include "toy.h"

#include "runtime/run.h"

typedef struct small {
    world w;
    plumb_run *run;
    plumb_layer *up, *bias;
    toy_visit v[2];
} small;

extern const char small_records[];

/* Created, not started. */
void small_open_config(small *s, const char *policy);
void small_open(small *s, const char *policy);
void small_close(small *s);
plumb_step_info small_step_info(uint64_t step, uint32_t micro, uint32_t units);
void small_begin(small *s, uint64_t step, uint32_t micro, uint32_t units);
plumb_unit small_unit(const char *id, uint64_t first, uint64_t rows);
/* Draws and governs both layers. */
void small_visit(small *s, const plumb_unit *units, size_t n, uint64_t rows, uint64_t seed);
void small_finish(small *s);

#endif
