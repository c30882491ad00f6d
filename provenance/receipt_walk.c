#include "provenance/receipt_walk.h"

#include "base/alloc.h"
#include "base/half.h"
#include "provenance/spends.h"

#include <string.h>

static const plumb_field fields[PLUMB__RECEIPT_FIELDS] = {PLUMB_FIELD_RUBRIC, PLUMB_FIELD_BATCH,
                                                          PLUMB_FIELD_COHORT};

typedef struct walk {
    const plumb_graph *graph;
    plumb__receipt_sums *out;
    const uint32_t *codes[PLUMB__RECEIPT_FIELDS];
    uint64_t n_examples;
    uint8_t *used; /* [examples] 1: has a unit, 2: one that moved a layer */
    uint8_t *band; /* [uses] */
    plumb__spends spends;
} walk;

static void add_edge(const walk *w, const plumb__step *step, uint32_t u, size_t k, plumb__group *g)
{
    const size_t edge = (size_t)u * step->n_uses + k;
    g->edges += 1;
    if (step->mask[edge] == 0) {
        g->masked += 1;
        return;
    }
    g->open += 1;
    if (step->clip[edge] < PLUMB__F16_ONE) g->clipped += 1;
    g->spend_nats += plumb__spends_edge(&w->spends, step, u, k);
}

static plumb_status bad_unit(const plumb__step *step, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "step %llu: a unit has an example, decision or reason that there is none of",
                       (unsigned long long)step->step);
}

static plumb_status add_unit(walk *w, const plumb__step *step, uint32_t u, plumb_error *err)
{
    plumb__receipt_sums *out = w->out;
    const uint32_t example = (uint32_t)step->example[u];
    const uint8_t decision = step->decision[u], reason = step->reason[u];
    plumb__group *g[PLUMB__RECEIPT_FIELDS] = {NULL};
    if (example >= w->n_examples || decision > 2 || reason >= PLUMB__RECEIPT_REASONS)
        return bad_unit(step, err);
    out->units++;
    out->decisions[decision][reason]++;
    w->used[example] |= 1;
    for (int f = 0; f < PLUMB__RECEIPT_FIELDS; f++) {
        PLUMB_TRY(plumb__groups_at(&out->groups[f], w->codes[f][example], 0, &g[f], err));
        g[f]->units += 1;
    }
    for (size_t k = 0; k < step->n_uses; k++) {
        const size_t edge = (size_t)u * step->n_uses + k;
        add_edge(w, step, u, k, &out->all);
        add_edge(w, step, u, k, &out->depth[w->band[k]]);
        for (int f = 0; f < PLUMB__RECEIPT_FIELDS; f++)
            add_edge(w, step, u, k, g[f]);
        if (step->mask[edge] != 0 && step->clip[edge] != 0) w->used[example] |= 2;
    }
    return PLUMB_OK;
}

static plumb_status visit(const plumb__record_leaf *leaf, void *ctx, plumb_error *err)
{
    walk *w = ctx;
    const plumb__step *step = leaf->step;
    if (step == NULL || leaf->superseded || leaf->repeated) return PLUMB_OK;
    w->out->steps++;
    PLUMB_TRY(plumb__spends_step(&w->spends, step, err));
    for (uint32_t u = 0; u < step->n_units; u++)
        if (step->example[u] >= 0) PLUMB_TRY(add_unit(w, step, u, err));
    return PLUMB_OK;
}

/* ---- before and after --------------------------------------------------------------------- */

static plumb_status prepare(walk *w, plumb_error *err)
{
    const plumb__run_json *run = &w->graph->v.run;
    for (int f = 0; f < PLUMB__RECEIPT_FIELDS; f++)
        PLUMB_TRY(plumb__examples_column(w->graph->examples, fields[f], &w->codes[f], err));
    PLUMB_TRY(plumb__alloc(&w->used, w->n_examples, 1, "receipt", err));
    PLUMB_TRY(plumb__alloc(&w->band, run->n_layers, 1, "receipt", err));
    for (size_t k = 0; k < run->n_layers; k++) {
        const double place = run->layers[k].depth * PLUMB__RECEIPT_BANDS;
        w->band[k] = (uint8_t)(place < PLUMB__RECEIPT_BANDS - 1 ? place : PLUMB__RECEIPT_BANDS - 1);
    }
    return PLUMB_OK;
}

static plumb_status count_records(walk *w, plumb_error *err)
{
    plumb__receipt_sums *out = w->out;
    for (int f = 0; f < PLUMB__RECEIPT_FIELDS; f++)
        PLUMB_TRY(plumb__alloc(&out->records[f], out->groups[f].n, sizeof *out->records[f],
                               "receipt", err));
    for (uint64_t e = 0; e < w->n_examples; e++) {
        if (w->used[e] == 0) continue;
        out->used++;
        out->moved += (w->used[e] & 2) != 0;
        for (int f = 0; f < PLUMB__RECEIPT_FIELDS; f++) {
            plumb__group *g = NULL;
            PLUMB_TRY(plumb__groups_at(&out->groups[f], w->codes[f][e], 0, &g, err));
            out->records[f][g - out->groups[f].rows]++;
        }
    }
    return PLUMB_OK;
}

plumb_status plumb__receipt_walk(plumb_graph *graph, plumb__receipt_sums *out, plumb_error *err)
{
    walk w = {.graph = graph, .out = out, .n_examples = plumb__examples_count(graph->examples)};
    plumb_status status;
    *out = (plumb__receipt_sums){0};
    plumb__spends_init(&w.spends, graph->v.run.layers, graph->v.run.n_layers);
    PLUMB_TRY_CLEAN(prepare(&w, err));
    PLUMB_TRY_CLEAN(plumb__record_walk(graph->v.record, NULL, visit, &w, err));
    status = count_records(&w, err);
cleanup:
    plumb__spends_free(&w.spends);
    plumb__free(w.used);
    plumb__free(w.band);
    return status;
}

void plumb__receipt_sums_free(plumb__receipt_sums *sums)
{
    for (int f = 0; f < PLUMB__RECEIPT_FIELDS; f++) {
        plumb__groups_free(&sums->groups[f]);
        plumb__free(sums->records[f]);
    }
    *sums = (plumb__receipt_sums){0};
}
