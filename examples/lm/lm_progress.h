/* What the trainer says on standard error while it runs. */
#ifndef LM_PROGRESS_H
#define LM_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lm_step_facts {
    uint64_t step, acknowledged, tokens;
    double loss, lr, seconds;
    bool governed;
    double clipped_share;
    const char *tightest_layer, *tightest_limit; /* NULL: nothing was clipped */
} lm_step_facts;

typedef enum lm_progress_mode {
    LM_PROGRESS_NONE,
    LM_PROGRESS_JSON,
    LM_PROGRESS_LINE
} lm_progress_mode;

typedef struct lm_progress {
    lm_progress_mode mode;
    bool terminal, open; /* open: a line without its end is on the terminal */
    uint64_t first_step, last_step;
    double started_s, shown_s;
    double loss, clipped, tokens_per_s; /* smoothed */
} lm_progress;

double lm_now_s(void);
void lm_progress_start(lm_progress *p, const char *mode, uint64_t first_step, uint64_t last_step);
void lm_progress_step(lm_progress *p, const lm_step_facts *facts);
/* Ends an open line, before anything else is printed. */
void lm_progress_end(lm_progress *p);

#endif
