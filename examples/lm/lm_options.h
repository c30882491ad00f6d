/* Command line and settings of plumb-lm. One table drives parsing, help, what goes into run.json
 * and what a resume must find unchanged. */
#ifndef LM_OPTIONS_H
#define LM_OPTIONS_H

#include "runtime/plumb.h"

#include <stdbool.h>
#include <stdio.h>

#define LM_MAX_OPTIONS 40u

typedef struct lm_options {
    const char *manifest, *trust, *policy, *state, *out, *key, *passphrase_file, *device, *progress;
    const char *withdrawals;
    uint64_t steps, horizon, seed, layers, width, heads, context, batch, micro_batches, warmup;
    uint64_t threads, checkpoint_every;
    double lr, weight_decay, grad_clip;
    bool tied, resume, ungoverned, help, version;
    bool given[LM_MAX_OPTIONS]; /* by number in the table */
} lm_options;

typedef enum lm_option_kind { LM_TEXT, LM_COUNT, LM_NUMBER, LM_FLAG } lm_option_kind;

typedef struct lm_option {
    const char *name;
    lm_option_kind kind;
    size_t offset; /* into lm_options */
    double least, most;
    bool setting; /* part of run.json; a resume must not change it */
    const char *value, *help;
} lm_option;

extern const lm_option lm_option_table[];
extern const size_t lm_option_count;

/* 0, or the exit code 2 after a message on `complain`. */
int lm_options_parse(int argc, char **argv, lm_options *options, FILE *complain);
/* Values that depend on others, and contradictions; after settings were read from run.json. */
int lm_options_check(lm_options *options, FILE *complain);
void lm_options_help(FILE *out);

/* The trainer's object of run.json: program, version, argv, settings. Free with free(). NULL: out
 * of memory. */
char *lm_settings_json(const lm_options *options, int argc, char **argv);
/* Takes the settings from RUN/run.json; one that was given on the command line and differs is
 * refused, --steps aside. */
plumb_status lm_settings_resume(lm_options *options, plumb_error *err);

#endif
