/* Who said what of which item, as numbers: what agreement and consensus are computed from. */
#ifndef PLUMB_IMPORT_RATINGS_H
#define PLUMB_IMPORT_RATINGS_H

#include "base/error.h"

#include <stdbool.h>

/* Item i has the ratings start[i] to start[i + 1] - 1; a rater stands at most once in an item. A
 * rating that is missing is simply not there. Values are numbered in their order (the order
 * matters to the ordinal metric only); number[v] is what value v measures, for interval and ratio,
 * and may be NULL otherwise. Borrowed arrays. */
typedef struct plumb__ratings {
    uint32_t n_items, n_raters, n_values;
    const uint32_t *start;
    const uint32_t *rater, *value;
    const double *number;
} plumb__ratings;

typedef enum plumb__metric {
    PLUMB__NOMINAL,
    PLUMB__ORDINAL,
    PLUMB__INTERVAL,
    PLUMB__RATIO
} plumb__metric;

/* Krippendorff's alpha over all items, and of each item alone against the disagreement that the
 * whole data set makes expected; the mean of the latter, weighted by ratings, is the former. NaN
 * where it is not defined: fewer than two ratings, or all ratings the same. item_alpha (n_items of
 * them) may be NULL. Linear, but for the ratio metric: it is quadratic in the ratings of an item
 * and in the distinct values, at most 4096 of either (PLUMB_ERR_LIMIT). */
plumb_status plumb__alpha(const plumb__ratings *ratings, plumb__metric metric, double *alpha,
                          double *item_alpha, plumb_error *err) PLUMB_MUST_CHECK;

/* ---- Dawid and Skene --------------------------------------------------------------------------
 */

#define PLUMB__DS_SMOOTHING 0.01
#define PLUMB__DS_TOLERANCE 1e-6
#define PLUMB__DS_MAX_ROUNDS 1000
#define PLUMB__DS_MAX_VALUES 256
#define PLUMB__DS_MIN_SHARE 10 /* one in so many judged items must have two ratings */

typedef struct plumb__dawid_skene {
    double *posterior;   /* (items, values): probability that the item's true value is this */
    double *prior;       /* (values): how frequent the value is */
    double *confusion;   /* (raters, values, values): said, given the true value; rows sum to 1 */
    double *reliability; /* (raters): probability of saying the true value; NaN: shares no item */
    uint32_t rounds;
} plumb__dawid_skene;

/* Expectation maximisation from the shares of votes, in log domain, the same result every time.
 * Refused: PLUMB_ERR_ARGUMENT, too few items have two ratings; PLUMB_ERR_LIMIT, beyond 256 values
 * or 2^25 cells of confusion, or not settled after the last round. */
plumb_status plumb__dawid_skene_run(const plumb__ratings *ratings, plumb__dawid_skene *out,
                                    plumb_error *err) PLUMB_MUST_CHECK;
void plumb__dawid_skene_free(plumb__dawid_skene *model);

#endif
