/* From annotations to ratings (one judgement by each annotator of an item), to agreement and a
 * label for each item. */
#include "base/alloc.h"
#include "manifest/import/collect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the order of values ---- */

typedef struct named {
    const char *text;
    double number;
    uint32_t value;
} named;

static int by_text(const void *a, const void *b)
{
    return strcmp(((const named *)a)->text, ((const named *)b)->text);
}

static int by_measure(const void *a, const void *b)
{
    const double x = ((const named *)a)->number, y = ((const named *)b)->number;
    return x != y ? (x > y) - (x < y) : by_text(a, b);
}

/* As the mapping lists them, else as numbers, else by their bytes. */
static plumb_status sort_values(const plumb__collection *c, plumb__consensus *out, double *number,
                                plumb_error *err)
{
    const plumb__mapping *m = c->mapping;
    named *list = NULL;
    const uint32_t n = c->values.n;
    PLUMB_TRY(plumb__alloc(&list, n, sizeof *list, "labels", err));
    for (uint32_t v = 0; v < n; v++) {
        list[v] = (named){plumb__intern_text(&c->values, v), 0.0, v};
        if (m->metric >= PLUMB__INTERVAL) list[v].number = strtod(list[v].text, NULL);
        for (size_t k = 0; k < json_array_size(m->values); k++) {
            if (strcmp(json_string_value(json_array_get(m->values, k)), list[v].text) == 0)
                list[v].number = (double)k;
        }
    }
    if (n > 0) qsort(list, n, sizeof *list, by_measure);
    for (uint32_t k = 0; k < n; k++) {
        out->order[k] = list[k].value;
        out->place[list[k].value] = k;
        number[k] = m->metric >= PLUMB__INTERVAL ? strtod(list[k].text, NULL) : k;
    }
    plumb__free(list);
    return PLUMB_OK;
}

/* ---- ratings ---- */

/* One judgement of each annotator: the first, or the worst. seen[annotator]: item + 1 and where. */
static uint32_t gather(const plumb__collection *c, uint32_t number, uint32_t at, uint32_t *seen,
                       uint32_t *where, plumb__consensus *out)
{
    const plumb__item *item = &c->items[number];
    uint32_t *raters = &out->items[number].raters;
    for (uint32_t i = item->first; i != PLUMB__NONE; i = c->said[i].next) {
        const plumb__said *said = &c->said[i];
        const uint32_t who = said->annotator == PLUMB__NONE ? c->annotators.n : said->annotator;
        const bool before = seen[who] == number + 1;
        if (!before) {
            seen[who] = number + 1;
            where[who] = PLUMB__NONE;
            *raters += who < c->annotators.n;
        }
        if (said->value == PLUMB__NONE) continue;
        const uint32_t place = out->place[said->value];
        if (where[who] == PLUMB__NONE) {
            where[who] = at;
            out->rater[at] = who;
            out->said[at++] = place;
            out->rated[who]++;
        } else if (c->mapping->worst) {
            if (out->said[where[who]] < place) out->said[where[who]] = place;
        } else {
            out->repeated++;
        }
    }
    return at;
}

static plumb_status make_table(const plumb__collection *c, plumb__consensus *out, plumb_error *err)
{
    uint32_t *seen = NULL, *where = NULL, at = 0;
    const size_t raters = (size_t)c->annotators.n + 1, word = sizeof(uint32_t);
    plumb_status status = plumb__alloc(&seen, raters, word, "annotators", err);
    if (status == PLUMB_OK) status = plumb__alloc(&where, raters, word, "annotators", err);
    for (uint32_t i = 0; status == PLUMB_OK && i < c->n_items; i++) {
        out->start[i] = at;
        at = gather(c, i, at, seen, where, out);
    }
    if (status == PLUMB_OK) out->start[c->n_items] = at;
    plumb__free(where);
    plumb__free(seen);
    return status;
}

/* ---- labels ---- */

static void by_majority(const plumb__ratings *r, double *votes, plumb__consensus *out)
{
    for (uint32_t i = 0; i < r->n_items; i++) {
        const uint32_t m = r->start[i + 1] - r->start[i];
        plumb__judgement *item = &out->items[i];
        uint32_t best = PLUMB__NONE;
        for (uint32_t k = r->start[i]; k < r->start[i + 1]; k++)
            votes[r->value[k]] += 1.0;
        for (uint32_t k = r->start[i]; k < r->start[i + 1]; k++) {
            const uint32_t v = r->value[k];
            const bool more = best == PLUMB__NONE || votes[v] > votes[best];
            if (more || (votes[v] == votes[best] && v < best)) best = v;
        }
        item->value = best;
        item->share = best == PLUMB__NONE ? NAN : votes[best] / m;
        for (uint32_t k = r->start[i]; k < r->start[i + 1]; k++)
            votes[r->value[k]] = 0.0;
    }
}

/* The most probable of the labels that somebody gave the item: the model may prefer one that nobody
 * did, but a label without an annotator has nobody who answers for it. */
static plumb_status by_dawid_skene(const plumb__ratings *r, plumb__consensus *out, plumb_error *err)
{
    PLUMB_TRY(plumb__dawid_skene_run(r, &out->model, err));
    for (uint32_t i = 0; i < r->n_items; i++) {
        const double *posterior = out->model.posterior + (size_t)i * r->n_values;
        uint32_t best = PLUMB__NONE;
        bool given = true;
        for (uint32_t k = r->start[i]; k < r->start[i + 1]; k++) {
            const uint32_t v = r->value[k];
            const bool more = best == PLUMB__NONE || posterior[v] > posterior[best];
            if (more || (posterior[v] == posterior[best] && v < best)) best = v;
        }
        if (best == PLUMB__NONE) continue;
        for (uint32_t v = 0; given && v < r->n_values; v++)
            given = posterior[v] <= posterior[best];
        out->not_given += !given;
        out->items[i].value = best;
        out->items[i].share = posterior[best];
    }
    return PLUMB_OK;
}

/* How often an annotator said what the consensus says. */
static void compare(const plumb__ratings *r, plumb__consensus *out)
{
    for (uint32_t a = 0; a < out->n_annotators; a++)
        out->reliability[a] = 0.0;
    for (uint32_t i = 0; i < r->n_items; i++) {
        for (uint32_t k = r->start[i]; k < r->start[i + 1]; k++) {
            if (r->rater[k] < out->n_annotators && r->value[k] == out->items[i].value)
                out->reliability[r->rater[k]] += 1.0;
        }
    }
    for (uint32_t a = 0; a < out->n_annotators; a++)
        out->reliability[a] = out->rated[a] ? out->reliability[a] / out->rated[a] : NAN;
}

static plumb_status decide(const plumb__ratings *r, plumb_import_consensus method,
                           plumb__consensus *out, plumb_error *err)
{
    double *votes = NULL;
    if (method == PLUMB_IMPORT_DAWID_SKENE && r->n_items > 0) {
        PLUMB_TRY(by_dawid_skene(r, out, err));
        for (uint32_t a = 0; a < out->n_annotators; a++)
            out->reliability[a] = out->rated[a] ? out->model.reliability[a] : NAN;
        return PLUMB_OK;
    }
    PLUMB_TRY(plumb__alloc(&votes, r->n_values, sizeof *votes, "labels", err));
    by_majority(r, votes, out);
    plumb__free(votes);
    compare(r, out);
    if (method != PLUMB_IMPORT_UNANIMOUS) return PLUMB_OK;
    for (uint32_t i = 0; i < r->n_items; i++) {
        if (out->items[i].share < 1.0) out->items[i].value = PLUMB__NONE;
    }
    return PLUMB_OK;
}

/* ---- together ---- */

static plumb_status prepare(const plumb__collection *c, plumb__consensus *out, double **number,
                            plumb_error *err)
{
    const size_t word = sizeof(uint32_t), raters = (size_t)c->annotators.n + 1;
    PLUMB_TRY(plumb__alloc(&out->items, c->n_items, sizeof *out->items, "items", err));
    PLUMB_TRY(plumb__alloc(&out->order, c->values.n, word, "labels", err));
    PLUMB_TRY(plumb__alloc(&out->place, c->values.n, word, "labels", err));
    PLUMB_TRY(plumb__alloc(&out->rated, raters, word, "annotators", err));
    PLUMB_TRY(plumb__alloc(&out->reliability, raters, sizeof(double), "annotators", err));
    PLUMB_TRY(plumb__alloc(&out->start, c->n_items + 1, word, "items", err));
    PLUMB_TRY(plumb__alloc(&out->rater, c->n_said, word, "annotations", err));
    PLUMB_TRY(plumb__alloc(&out->said, c->n_said, word, "annotations", err));
    PLUMB_TRY(plumb__alloc(number, c->values.n, sizeof **number, "labels", err));
    for (size_t i = 0; i < c->n_items; i++)
        out->items[i] = (plumb__judgement){PLUMB__NONE, 0, NAN, NAN};
    return sort_values(c, out, *number, err);
}

static plumb_status agree(const plumb__collection *c, const plumb__ratings *r,
                          plumb__consensus *out, plumb_error *err)
{
    double *alphas = NULL;
    PLUMB_TRY(plumb__alloc(&alphas, c->n_items, sizeof *alphas, "agreement", err));
    const plumb_status status = plumb__alpha(r, c->mapping->metric, &out->alpha, alphas, err);
    for (size_t i = 0; status == PLUMB_OK && i < c->n_items; i++)
        out->items[i].alpha = alphas[i];
    plumb__free(alphas);
    return status;
}

plumb_status plumb__consensus_reach(const plumb__collection *c, plumb_import_consensus method,
                                    plumb__consensus *out, plumb_error *err)
{
    double *number = NULL;
    plumb_status status;
    *out =
        (plumb__consensus){.alpha = NAN, .n_values = c->values.n, .n_annotators = c->annotators.n};
    PLUMB_TRY_CLEAN(prepare(c, out, &number, err));
    PLUMB_TRY_CLEAN(make_table(c, out, err));
    const plumb__ratings r = {.n_items = (uint32_t)c->n_items,
                              .n_raters = c->annotators.n + 1,
                              .n_values = c->values.n,
                              .start = out->start,
                              .rater = out->rater,
                              .value = out->said,
                              .number = number};
    if (c->any_annotator) PLUMB_TRY_CLEAN(agree(c, &r, out, err));
    PLUMB_TRY_CLEAN(decide(&r, method, out, err));
cleanup:
    plumb__free(number);
    if (status != PLUMB_OK) plumb__consensus_free(out);
    return status;
}

void plumb__consensus_free(plumb__consensus *out)
{
    plumb__dawid_skene_free(&out->model);
    plumb__free(out->said);
    plumb__free(out->rater);
    plumb__free(out->start);
    plumb__free(out->reliability);
    plumb__free(out->rated);
    plumb__free(out->place);
    plumb__free(out->order);
    plumb__free(out->items);
    *out = (plumb__consensus){0};
}
