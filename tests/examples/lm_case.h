/* One small model and one ragged batch that the tests of the trainer share, and what the float32
 * and the float64 build make of it. Numbers cross as double, because one test holds both builds. */
#ifndef LM_CASE_H
#define LM_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CASE_UNITS 4u
#define CASE_ROWS 98u

typedef struct lm_case {
    size_t blocks, width, heads, context;
    bool tied;
    size_t length[CASE_UNITS];
    int32_t targets[CASE_ROWS];
} lm_case;

/* Lengths 1, 5, 70 (more than a block of queries) and 22; targets drawn from a fixed seed. */
void lm_case_default(lm_case *c, bool tied);

/* float32: loss (mean over rows) and gradients of `size` parameters at `params`; isa as LM_ISA. */
bool lm_case_float(const lm_case *c, const char *isa, const double *params, size_t size,
                   double *loss, double *grads);

#endif
