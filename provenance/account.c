/* Accounting of spends (account.h). Units of one example are gathered through a small hash of
 * chained unit indices, sized once, so that a step of any shape is charged without allocating and
 * in unit order (the order fixes the bits of the sums). */
#include "provenance/account.h"

#include "base/alloc.h"
#include "base/half.h"

#include <math.h>
#include <string.h>

#define NONE UINT32_MAX

struct plumb__account {
    size_t n_uses, n_weights;
    uint64_t n_examples;
    uint32_t max_units, slots; /* slots: a power of two, at least twice max_units */
    uint32_t *weight_first;    /* [n_weights + 1] into weight_use */
    uint32_t *weight_use;      /* [n_uses] uses of each weight, in the order of /layers */
    uint32_t *head;            /* [slots] first unit of the example in this slot, NONE: free */
    uint32_t *tail, *next; /* [slots] last unit; [max_units] following unit of the same example */
    uint32_t *used;        /* [max_units] slots in use, in order of first unit */
    double *amplitude;     /* [n_uses] a_k of one example */
    double *values;        /* [max_units] for medians */
};

double plumb__edge_amplitude(uint16_t norm, uint16_t mask, uint16_t clip)
{
    return plumb__f16_value(mask) * plumb__f16_value(clip) * plumb__norm16_value(norm);
}

static plumb_status index_weights(plumb__account *a, const plumb__layer_row *layers,
                                  plumb_error *err)
{
    for (size_t k = 0; k < a->n_uses; k++) {
        if (layers[k].weight >= a->n_uses)
            return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                               "layer table row %zu: weight %u, but there are only %zu uses", k,
                               layers[k].weight, a->n_uses);
        if (layers[k].weight >= a->n_weights) a->n_weights = layers[k].weight + 1u;
    }
    PLUMB_TRY(plumb__alloc(&a->weight_first, a->n_weights + 1, sizeof *a->weight_first,
                           "accounting", err));
    PLUMB_TRY(plumb__alloc(&a->weight_use, a->n_uses, sizeof *a->weight_use, "accounting", err));
    uint32_t at = 0;
    for (uint32_t w = 0; w < a->n_weights; w++) {
        a->weight_first[w] = at;
        for (uint32_t k = 0; k < a->n_uses; k++)
            if (layers[k].weight == w) a->weight_use[at++] = k;
    }
    a->weight_first[a->n_weights] = at;
    return PLUMB_OK;
}

static plumb_status allocate(plumb__account *a, plumb_error *err)
{
    const char *what = "accounting";
    PLUMB_TRY(plumb__alloc(&a->head, a->slots, sizeof *a->head, what, err));
    PLUMB_TRY(plumb__alloc(&a->tail, a->slots, sizeof *a->tail, what, err));
    PLUMB_TRY(plumb__alloc(&a->next, a->max_units, sizeof *a->next, what, err));
    PLUMB_TRY(plumb__alloc(&a->used, a->max_units, sizeof *a->used, what, err));
    PLUMB_TRY(plumb__alloc(&a->amplitude, a->n_uses, sizeof *a->amplitude, what, err));
    PLUMB_TRY(plumb__alloc(&a->values, a->max_units, sizeof *a->values, what, err));
    memset(a->head, 0xff, a->slots * sizeof *a->head);
    return PLUMB_OK;
}

plumb_status plumb__account_create(const plumb__layer_row *layers, size_t n_uses,
                                   uint64_t n_examples, uint32_t max_units_per_step,
                                   plumb__account **account, plumb_error *err)
{
    *account = NULL;
    if (n_uses == 0 || n_uses > PLUMB__MAX_USES || max_units_per_step > PLUMB__MAX_UNITS_PER_STEP)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "accounting: %zu uses and %u units per step; at most %u and %u, at "
                           "least one use",
                           n_uses, max_units_per_step, PLUMB__MAX_USES, PLUMB__MAX_UNITS_PER_STEP);
    plumb__account *a;
    PLUMB_TRY(plumb__alloc(&a, 1, sizeof *a, "accounting", err));
    a->n_uses = n_uses;
    a->n_examples = n_examples;
    a->max_units = max_units_per_step;
    a->slots = 2;
    while (a->slots < 2 * (uint64_t)max_units_per_step)
        a->slots *= 2;
    plumb_status status = index_weights(a, layers, err);
    if (status == PLUMB_OK) status = allocate(a, err);
    if (status != PLUMB_OK) {
        plumb__account_free(a);
        return status;
    }
    *account = a;
    return PLUMB_OK;
}

void plumb__account_free(plumb__account *a)
{
    if (!a) return;
    plumb__free(a->weight_first);
    plumb__free(a->weight_use);
    plumb__free(a->head);
    plumb__free(a->tail);
    plumb__free(a->next);
    plumb__free(a->used);
    plumb__free(a->amplitude);
    plumb__free(a->values);
    plumb__free(a);
}

/* Chains the units of each example in unit order; returns how many examples there are. */
static uint32_t group_by_example(plumb__account *a, const plumb__step *step)
{
    uint32_t groups = 0;
    for (uint32_t u = 0; u < step->n_units; u++) {
        const int32_t example = step->example[u];
        if (example < 0 || (uint64_t)example >= a->n_examples) continue;
        uint32_t slot = ((uint32_t)example * 0x9e3779b1u) & (a->slots - 1);
        while (a->head[slot] != NONE && step->example[a->head[slot]] != example)
            slot = (slot + 1) & (a->slots - 1);
        a->next[u] = NONE;
        if (a->head[slot] == NONE) {
            a->head[slot] = u;
            a->used[groups++] = slot;
        } else {
            a->next[a->tail[slot]] = u;
        }
        a->tail[slot] = u;
    }
    return groups;
}

/* a_k of the chain of units that begins with `first`. */
static void sum_amplitudes(plumb__account *a, const plumb__step *step, uint32_t first)
{
    memset(a->amplitude, 0, a->n_uses * sizeof *a->amplitude);
    for (uint32_t u = first; u != NONE; u = a->next[u]) {
        const size_t row = (size_t)u * a->n_uses;
        for (size_t k = 0; k < a->n_uses; k++)
            if (step->mask[row + k] && step->norm[row + k])
                a->amplitude[k] += plumb__edge_amplitude(step->norm[row + k], step->mask[row + k],
                                                         step->clip[row + k]);
    }
}

static void charge_example(const plumb__account *a, float *row, const double *nu)
{
    for (size_t w = 0; w < a->n_weights; w++) {
        double total = 0.0;
        for (uint32_t i = a->weight_first[w]; i < a->weight_first[w + 1]; i++)
            total += a->amplitude[a->weight_use[i]];
        for (uint32_t i = a->weight_first[w]; i < a->weight_first[w + 1]; i++) {
            const uint32_t k = a->weight_use[i];
            if (!(nu[k] > 0.0) || !(a->amplitude[k] > 0.0)) continue;
            const double spend = a->amplitude[k] * total / (2.0 * nu[k] * nu[k]);
            row[k] = plumb__float_round_up((double)row[k] + spend);
        }
    }
}

static bool fits(const plumb__account *a, const plumb__step *step)
{
    return step->n_uses == a->n_uses && step->n_units <= a->max_units;
}

void plumb__ledger_charge(plumb__account *a, float *ledger, const plumb__step *step)
{
    if (!fits(a, step)) return;
    const uint32_t groups = group_by_example(a, step);
    for (uint32_t g = 0; g < groups; g++) {
        const uint32_t first = a->head[a->used[g]];
        sum_amplitudes(a, step, first);
        charge_example(a, ledger + (size_t)step->example[first] * a->n_uses, step->nu);
        a->head[a->used[g]] = NONE;
    }
}

/* Quickselect with the middle element as pivot: linear on sorted, reversed and constant input. */
double plumb__lower_median(double *v, size_t n)
{
    if (n == 0) return 0.0;
    const size_t want = (n - 1) / 2;
    size_t low = 0, high = n - 1;
    while (low < high) {
        const double pivot = v[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j) break;
            const double swap = v[i];
            v[i++] = v[j];
            v[j--] = swap;
        }
        /* v[low..j] <= pivot <= v[j+1..high], and both parts are shorter than before. */
        if (want <= j)
            high = j;
        else
            low = j + 1;
    }
    return v[want];
}

/* Collects norm2 of the units that count at weight w; returns how many. */
static size_t weight_norms(plumb__account *a, const plumb__step *step, size_t w)
{
    size_t n = 0;
    for (uint32_t u = 0; u < step->n_units; u++) {
        const size_t row = (size_t)u * a->n_uses;
        double norm2 = 0.0;
        bool exact = false, bound = false;
        for (uint32_t i = a->weight_first[w]; i < a->weight_first[w + 1]; i++) {
            const size_t at = row + a->weight_use[i];
            if (step->norm_kind[at] == PLUMB__NORM_BOUND) bound = true;
            if (step->mask[at] == 0 || step->norm_kind[at] != PLUMB__NORM_EXACT) continue;
            const double norm = plumb__norm16_value(step->norm[at]);
            norm2 += norm * norm;
            exact = true;
        }
        if (exact && !bound) a->values[n++] = norm2;
    }
    return n;
}

void plumb__reference_update(plumb__account *a, double *ema2, double beta, const plumb__step *step)
{
    if (!fits(a, step)) return;
    for (size_t w = 0; w < a->n_weights; w++) {
        const size_t n = weight_norms(a, step, w);
        if (n == 0) continue;
        const double median = plumb__lower_median(a->values, n);
        ema2[w] = ema2[w] < 0.0 ? median : beta * ema2[w] + (1.0 - beta) * median;
    }
}
