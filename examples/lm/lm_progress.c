/* Progress: one JSON object per step, or a line that is redrawn on a terminal and repeated now and
 * then elsewhere. */
#include "lm_progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_S 0.2
#define REPEAT_S 15.0

double lm_now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void lm_progress_start(lm_progress *p, const char *mode, uint64_t first_step, uint64_t last_step)
{
    *p = (lm_progress){.mode = LM_PROGRESS_LINE,
                       .terminal = isatty(STDERR_FILENO) == 1,
                       .first_step = first_step,
                       .last_step = last_step,
                       .started_s = lm_now_s()};
    if (strcmp(mode, "json") == 0) p->mode = LM_PROGRESS_JSON;
    if (strcmp(mode, "none") == 0) p->mode = LM_PROGRESS_NONE;
}

/* A number, or null where JSON has none. */
static void number(char *out, size_t size, double value)
{
    if (isfinite(value))
        (void)snprintf(out, size, "%.9g", value);
    else
        (void)snprintf(out, size, "null");
}

static void print_json(const lm_step_facts *f)
{
    char loss[32], lr[32], tightest[256] = "null";
    number(loss, sizeof loss, f->loss);
    number(lr, sizeof lr, f->lr);
    if (f->tightest_layer)
        (void)snprintf(tightest, sizeof tightest, "\"%s %s\"", f->tightest_layer,
                       f->tightest_limit ? f->tightest_limit : "");
    fprintf(stderr,
            "{\"step\":%llu,\"loss\":%s,\"acknowledged\":%llu,\"tokens\":%llu,"
            "\"tokens_per_s\":%.1f,\"seconds\":%.6f,\"lr\":%s,\"clipped\":%.6f,\"tightest\":%s}\n",
            (unsigned long long)f->step, loss, (unsigned long long)f->acknowledged,
            (unsigned long long)f->tokens, (double)f->tokens / f->seconds, f->seconds, lr,
            f->governed ? f->clipped_share : 0.0, tightest);
}

static double smooth(double old, double value)
{
    return old + 0.1 * (value - old);
}

static void follow(lm_progress *p, const lm_step_facts *f)
{
    const double rate = (double)f->tokens / f->seconds;
    const bool first = f->step == p->first_step;
    p->loss = first ? f->loss : smooth(p->loss, f->loss);
    p->clipped = first ? f->clipped_share : smooth(p->clipped, f->clipped_share);
    p->tokens_per_s = first ? rate : smooth(p->tokens_per_s, rate);
}

static void print_line(lm_progress *p, const lm_step_facts *f, double now)
{
    char limits[256] = "";
    const double done = (double)(f->step - p->first_step + 1);
    const double left = (now - p->started_s) / done * (double)(p->last_step - f->step);
    if (f->governed)
        (void)snprintf(limits, sizeof limits, "  %.1f %% clipped  tightest %s%s%s",
                       100 * p->clipped, f->tightest_layer ? f->tightest_layer : "none",
                       f->tightest_layer ? " " : "", f->tightest_layer ? f->tightest_limit : "");
    fprintf(stderr, "%sstep %llu/%llu  loss %.3f  %.0f tokens/s%s  %u:%02u left%s",
            p->terminal ? "\r\033[K" : "", (unsigned long long)f->step,
            (unsigned long long)p->last_step, p->loss, p->tokens_per_s, limits,
            (unsigned)(left / 60), (unsigned)left % 60, p->terminal ? "" : "\n");
    (void)fflush(stderr);
    p->open = p->terminal;
}

void lm_progress_step(lm_progress *p, const lm_step_facts *facts)
{
    if (p->mode == LM_PROGRESS_JSON) print_json(facts);
    if (p->mode != LM_PROGRESS_LINE) return;
    follow(p, facts);
    const double now = lm_now_s();
    const bool edge = facts->step == p->first_step || facts->step == p->last_step;
    if (!edge && now - p->shown_s < (p->terminal ? REDRAW_S : REPEAT_S)) return;
    p->shown_s = now;
    print_line(p, facts, now);
}

void lm_progress_end(lm_progress *p)
{
    if (p->open) fputc('\n', stderr);
    p->open = false;
}
