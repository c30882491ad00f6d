/* The training loop, governed or not. */
#ifndef LM_TRAIN_H
#define LM_TRAIN_H

#include "lm_options.h"

#include <signal.h>

/* Set by SIGINT: the loop ends after the step it is in. */
extern volatile sig_atomic_t lm_interrupted;

/* Runs it all and returns the exit code; messages go to standard error. */
int lm_train(lm_options *options, int argc, char **argv);

#endif
