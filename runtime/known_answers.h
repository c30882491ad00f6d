/* Known-answer tests: the kernels that will govern, against float64, on this machine, at every
 * start. */
#ifndef PLUMB_RUNTIME_KNOWN_ANSWERS_H
#define PLUMB_RUNTIME_KNOWN_ANSWERS_H

#include "kernels/wgrad.h"

typedef void plumb__wgrad_fn(const plumb__wgrad_args *args, void *workspace);

/* PLUMB_ERR_NUMERIC when the kernel's dW or norms are not those of the reference. Takes
 * microseconds. */
plumb_status plumb__known_answers(plumb__wgrad_fn *kernel, plumb_error *err) PLUMB_MUST_CHECK;

#endif
