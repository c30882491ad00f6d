/* Consensus by Dawid and Skene (Applied Statistics 28, 1979): every item has one true value, every
 * rater a confusion matrix; expectation maximisation finds both. With T the posteriors and s the
 * smoothing added to every count (so that nothing becomes impossible by few ratings):
 *
 *   prior_j       = (s + sum_i T_ij) / (K s + items)
 *   confusion_kjl = (s + sum over k's ratings l of items i of T_ij) / (K s + sum_i' T_i'j)
 *   log T_ij      = log prior_j + sum over ratings (k, l) of i of log confusion_kjl,  normalised
 *
 * T starts as the share of votes; rounds end when no T changes by more than the tolerance. An item
 * without ratings has the prior. The order of every sum is fixed.
 *
 * Both sums go over items with two ratings or more: an item that one rater judged says nothing of
 * how reliable that rater is, and many of them would drag the model wherever it fits itself best.
 * Such an item gets its T from the model that the others made. */
#include "manifest/import/ratings.h"

#include "base/alloc.h"

#include <math.h>
#include <string.h>

#define MAX_CELLS ((size_t)1 << 25)

typedef struct em {
    const plumb__ratings *r;
    plumb__dawid_skene *out;
    double *log_confusion, *log_prior, *fresh; /* fresh: posteriors of one item */
    size_t values, cells;
} em;

static void vote(const em *e)
{
    const plumb__ratings *r = e->r;
    for (uint32_t i = 0; i < r->n_items; i++) {
        double *t = e->out->posterior + i * e->values;
        const uint32_t m = r->start[i + 1] - r->start[i];
        for (size_t v = 0; v < e->values; v++)
            t[v] = m ? 0.0 : 1.0 / (double)e->values;
        for (uint32_t k = r->start[i]; k < r->start[i + 1]; k++)
            t[r->value[k]] += 1.0 / m;
    }
}

/* Rows of counts to rows of probabilities and their logarithms. */
static void normalise(double *row, double *log_row, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += row[i];
    for (size_t i = 0; i < n; i++) {
        row[i] /= sum;
        log_row[i] = log(row[i]);
    }
}

static uint32_t ratings_of(const plumb__ratings *r, uint32_t item)
{
    return r->start[item + 1] - r->start[item];
}

static void maximise(const em *e)
{
    const plumb__ratings *r = e->r;
    double *prior = e->out->prior, *confusion = e->out->confusion;
    const size_t values = e->values;
    for (size_t v = 0; v < values; v++)
        prior[v] = PLUMB__DS_SMOOTHING;
    for (size_t c = 0; c < e->cells; c++)
        confusion[c] = PLUMB__DS_SMOOTHING;
    for (uint32_t i = 0; i < r->n_items; i++) {
        const double *t = e->out->posterior + i * values;
        if (ratings_of(r, i) < 2) continue;
        for (size_t v = 0; v < values; v++)
            prior[v] += t[v];
        for (uint32_t k = r->start[i]; k < r->start[i + 1]; k++) {
            double *said = confusion + (size_t)r->rater[k] * values * values + r->value[k];
            for (size_t v = 0; v < values; v++)
                said[v * values] += t[v];
        }
    }
    normalise(prior, e->log_prior, values);
    for (size_t c = 0; c < e->cells; c += values)
        normalise(confusion + c, e->log_confusion + c, values);
}

/* The posteriors of item i into e->fresh. */
static void judge(const em *e, uint32_t i)
{
    const plumb__ratings *r = e->r;
    const size_t values = e->values;
    double top = -INFINITY, sum = 0.0;
    memcpy(e->fresh, e->log_prior, values * sizeof *e->fresh);
    for (uint32_t k = r->start[i]; k < r->start[i + 1]; k++) {
        const double *said = e->log_confusion + (size_t)r->rater[k] * values * values + r->value[k];
        for (size_t v = 0; v < values; v++)
            e->fresh[v] += said[v * values];
    }
    for (size_t v = 0; v < values; v++)
        top = fmax(top, e->fresh[v]);
    for (size_t v = 0; v < values; v++) {
        e->fresh[v] = exp(e->fresh[v] - top);
        sum += e->fresh[v];
    }
    for (size_t v = 0; v < values; v++)
        e->fresh[v] /= sum;
}

static double expect(const em *e)
{
    double change = 0.0;
    for (uint32_t i = 0; i < e->r->n_items; i++) {
        double *t = e->out->posterior + i * e->values;
        judge(e, i);
        for (size_t v = 0; v < e->values; v++)
            change = fmax(change, fabs(t[v] - e->fresh[v]));
        memcpy(t, e->fresh, e->values * sizeof *t);
    }
    return change;
}

static double right_of(const em *e, uint32_t rater)
{
    const size_t values = e->values;
    const double *own = e->out->confusion + rater * values * values;
    double right = 0.0;
    for (size_t v = 0; v < values; v++)
        right += e->out->prior[v] * own[v * values + v];
    return right;
}

static void rate(const em *e)
{
    const plumb__ratings *r = e->r;
    double *out = e->out->reliability;
    for (uint32_t k = 0; k < r->n_raters; k++)
        out[k] = NAN;
    for (uint32_t i = 0; i < r->n_items; i++) {
        for (uint32_t k = r->start[i]; ratings_of(r, i) > 1 && k < r->start[i + 1]; k++) {
            if (isnan(out[r->rater[k]])) out[r->rater[k]] = right_of(e, r->rater[k]);
        }
    }
}

static plumb_status allocate(em *e, plumb_error *err)
{
    const plumb__ratings *r = e->r;
    plumb__dawid_skene *out = e->out;
    const size_t values = e->values, row = sizeof(double);
    PLUMB_TRY(plumb__alloc(&out->posterior, (size_t)r->n_items * values, row, "consensus", err));
    PLUMB_TRY(plumb__alloc(&out->prior, values, row, "consensus", err));
    PLUMB_TRY(plumb__alloc(&out->confusion, e->cells, row, "consensus", err));
    PLUMB_TRY(plumb__alloc(&out->reliability, r->n_raters, row, "consensus", err));
    PLUMB_TRY(plumb__alloc(&e->log_confusion, e->cells, row, "consensus", err));
    PLUMB_TRY(plumb__alloc(&e->log_prior, values, row, "consensus", err));
    return plumb__alloc(&e->fresh, values, row, "consensus", err);
}

/* Whether the data can tell raters from labels, and the model is not too large. */
static plumb_status check_data(const em *e, plumb_error *err)
{
    const plumb__ratings *r = e->r;
    uint32_t shared = 0, rated = 0;
    if (e->values > PLUMB__DS_MAX_VALUES || e->cells > MAX_CELLS) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "a consensus by Dawid-Skene is for at most %d distinct labels and %zu "
                           "cells of confusion, found %u labels and %u annotators; use --consensus "
                           "majority",
                           PLUMB__DS_MAX_VALUES, MAX_CELLS, r->n_values, r->n_raters);
    }
    for (uint32_t i = 0; i < r->n_items; i++) {
        shared += ratings_of(r, i) > 1;
        rated += ratings_of(r, i) > 0;
    }
    if (shared > 0 && (uint64_t)shared * PLUMB__DS_MIN_SHARE >= rated) return PLUMB_OK;
    return plumb__fail(
        err, PLUMB_ERR_ARGUMENT,
        "a consensus by Dawid-Skene cannot be found here: %u of %u judged items have "
        "two annotators or more, at least one in %d must, else nothing shows how "
        "reliable an annotator is; use --consensus majority or none",
        shared, rated, PLUMB__DS_MIN_SHARE);
}

plumb_status plumb__dawid_skene_run(const plumb__ratings *ratings, plumb__dawid_skene *out,
                                    plumb_error *err)
{
    em e = {.r = ratings, .out = out, .values = ratings->n_values};
    plumb_status status;
    bool converged = false;
    memset(out, 0, sizeof *out);
    e.cells = (size_t)ratings->n_raters * e.values * e.values;
    PLUMB_TRY(check_data(&e, err));
    PLUMB_TRY_CLEAN(allocate(&e, err));
    vote(&e);
    while (!converged && out->rounds < PLUMB__DS_MAX_ROUNDS) {
        maximise(&e);
        converged = expect(&e) <= PLUMB__DS_TOLERANCE;
        out->rounds++;
    }
    rate(&e);
    if (!converged) {
        status = plumb__fail(err, PLUMB_ERR_LIMIT,
                             "the consensus by Dawid-Skene has not settled after %d rounds: its "
                             "labels would be those of where it was stopped; use --consensus "
                             "majority or none",
                             PLUMB__DS_MAX_ROUNDS);
    }
cleanup:
    plumb__free(e.fresh);
    plumb__free(e.log_prior);
    plumb__free(e.log_confusion);
    if (status != PLUMB_OK) plumb__dawid_skene_free(out);
    return status;
}

void plumb__dawid_skene_free(plumb__dawid_skene *model)
{
    plumb__free(model->reliability);
    plumb__free(model->confusion);
    plumb__free(model->prior);
    plumb__free(model->posterior);
    memset(model, 0, sizeof *model);
}
