/* plumb_graph_impact. A record moved a layer where one of its units has mask and clip above 0: what
 * its gradient then was is the record's norm, and 0 only by chance. */
#include "provenance/plumb_impact.h"

#include "base/alloc.h"
#include "base/json.h"
#include "manifest/records/intern.h"
#include "provenance/graph_open.h"
#include "provenance/spends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHECKPOINTS ((size_t)1 << 20)

typedef struct checkpoint {
    char *file, digest[PLUMB__HASH_HEX_BYTES];
    uint64_t step;
    uint32_t attempt;
    bool contains;
} checkpoint;

typedef struct weight {
    uint32_t use; /* its first */
    double spend_nats, total_nats;
    uint64_t units, steps, first_step, last_step;
    bool in_unit, in_step; /* while a unit, a step is read */
} weight;

struct plumb_impact {
    plumb_impact_info info;
    const plumb__run_json *run;
    char statement[PLUMB__HASH_HEX_BYTES];
    weight *weights; /* those moved first, by falling spend */
    size_t n_weights, n_moved;
    checkpoint *checkpoints;
    size_t n_checkpoints, checkpoint_capacity;
};

typedef struct walk {
    plumb_impact *out;
    const plumb_graph *graph;
    uint8_t *wanted, *used; /* [examples] */
    uint64_t n_examples;
    plumb__spends spends;
    uint64_t *touched; /* steps of the line of history at hand that were moved, rising */
    size_t n_touched, touched_capacity;
} walk;

/* ---- which records ------------------------------------------------------------------------ */

static plumb_status intern_ids(const char *const *ids, size_t n_ids, plumb__intern *set,
                               plumb_error *err)
{
    uint32_t number = 0;
    PLUMB_TRY(plumb__intern_init(set, err));
    for (size_t i = 0; i < n_ids; i++)
        PLUMB_TRY(plumb__intern_add(set, ids[i], strlen(ids[i]), &number, err));
    return PLUMB_OK;
}

static plumb_status choose_named(walk *w, const char *const *ids, size_t n_ids, plumb_error *err)
{
    const uint32_t *codes = NULL;
    plumb__intern set = {0};
    plumb_status status;
    PLUMB_TRY_CLEAN(plumb__examples_column(w->graph->examples, PLUMB_FIELD_EXAMPLE, &codes, err));
    PLUMB_TRY_CLEAN(intern_ids(ids, n_ids, &set, err));
    w->out->info.asked = set.n;
    for (uint64_t e = 0; e < w->n_examples; e++) {
        const char *id = plumb__examples_name(w->graph->examples, codes[e]);
        w->wanted[e] = plumb__intern_find(&set, id, strlen(id)) != PLUMB__INTERN_NONE;
        w->out->info.known += w->wanted[e];
    }
cleanup:
    plumb__intern_free(&set);
    return status;
}

static plumb_status choose(walk *w, const char *const *ids, size_t n_ids, plumb_error *err)
{
    PLUMB_TRY(plumb__alloc(&w->wanted, w->n_examples, 1, "impact", err));
    PLUMB_TRY(plumb__alloc(&w->used, w->n_examples, 1, "impact", err));
    if (n_ids > 0) return choose_named(w, ids, n_ids, err);
    if (w->n_examples > 0) memset(w->wanted, 1, w->n_examples);
    w->out->info.asked = w->out->info.known = w->n_examples;
    return PLUMB_OK;
}

/* ---- steps -------------------------------------------------------------------------------- */

static bool is_open(const plumb__step *step, uint32_t u, size_t k)
{
    const size_t edge = (size_t)u * step->n_uses + k;
    return step->mask[edge] != 0 && step->clip[edge] != 0;
}

static bool is_wanted(const walk *w, int32_t example)
{
    return example >= 0 && (uint64_t)example < w->n_examples && w->wanted[example];
}

static void end_unit(walk *w, bool *moved)
{
    for (size_t i = 0; i < w->out->n_weights; i++) {
        weight *x = &w->out->weights[i];
        *moved = *moved || x->in_unit;
        x->units += x->in_unit;
        x->in_step = x->in_step || x->in_unit;
        x->in_unit = false;
    }
}

static void add_unit(walk *w, const plumb__step *step, uint32_t u, bool *moved_step)
{
    const bool wanted = is_wanted(w, step->example[u]);
    bool moved = false;
    for (size_t k = 0; k < step->n_uses; k++) {
        weight *x = &w->out->weights[w->out->run->layers[k].weight];
        if (!is_open(step, u, k)) continue;
        const double nats = plumb__spends_edge(&w->spends, step, u, k);
        x->total_nats += nats;
        if (!wanted) continue;
        x->spend_nats += nats;
        x->in_unit = true;
    }
    if (!wanted) return;
    end_unit(w, &moved);
    w->used[step->example[u]] = 1;
    w->out->info.units++;
    w->out->info.moved += moved;
    *moved_step = *moved_step || moved;
}

static void note_step(uint64_t step, uint64_t *steps, uint64_t *first, uint64_t *last)
{
    ++*steps;
    if (*first == 0 || step < *first) *first = step;
    if (step > *last) *last = step;
}

static plumb_status add_step(walk *w, const plumb__step *step, plumb_error *err)
{
    plumb_impact_info *info = &w->out->info;
    bool moved = false;
    PLUMB_TRY(plumb__spends_step(&w->spends, step, err));
    for (uint32_t u = 0; u < step->n_units; u++)
        add_unit(w, step, u, &moved);
    for (size_t i = 0; i < w->out->n_weights; i++) {
        weight *x = &w->out->weights[i];
        if (x->in_step) note_step(step->step, &x->steps, &x->first_step, &x->last_step);
        x->in_step = false;
    }
    if (moved) note_step(step->step, &info->steps, &info->first_step, &info->last_step);
    return PLUMB_OK;
}

/* ---- checkpoints -------------------------------------------------------------------------- */

static bool moves(const walk *w, const plumb__step *step)
{
    for (uint32_t u = 0; u < step->n_units; u++) {
        if (!is_wanted(w, step->example[u])) continue;
        for (size_t k = 0; k < step->n_uses; k++)
            if (is_open(step, u, k)) return true;
    }
    return false;
}

static plumb_status touch(walk *w, const plumb__step *step, plumb_error *err)
{
    if (!moves(w, step)) return PLUMB_OK;
    PLUMB_TRY(plumb__grow(&w->touched, &w->touched_capacity, w->n_touched + 1, sizeof *w->touched,
                          "impact", err));
    w->touched[w->n_touched++] = step->step;
    return PLUMB_OK;
}

static plumb_status take_checkpoint(walk *w, const json_t *json, plumb_error *err)
{
    plumb_impact *out = w->out;
    const char *file = NULL, *digest = NULL;
    int64_t step = 0, attempt = 0;
    plumb__hash hash;
    PLUMB_TRY(plumb__json_string("checkpoint leaf", json, "file", true, &file, err));
    PLUMB_TRY(plumb__json_string("checkpoint leaf", json, "blake2b", true, &digest, err));
    PLUMB_TRY(plumb__json_integer("checkpoint leaf", json, "step", true, &step, err));
    PLUMB_TRY(plumb__json_integer("checkpoint leaf", json, "attempt", true, &attempt, err));
    if (step < 0 || attempt < 0 || attempt > UINT32_MAX || !plumb__hash_parse(digest, &hash) ||
        out->n_checkpoints == MAX_CHECKPOINTS)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "a checkpoint leaf that no run writes");
    PLUMB_TRY(plumb__grow(&out->checkpoints, &out->checkpoint_capacity, out->n_checkpoints + 1,
                          sizeof *out->checkpoints, "impact", err));
    checkpoint *c = &out->checkpoints[out->n_checkpoints];
    *c = (checkpoint){.step = (uint64_t)step,
                      .attempt = (uint32_t)attempt,
                      .contains = w->n_touched > 0 && w->touched[0] <= (uint64_t)step};
    plumb__hash_hex(&hash, c->digest);
    PLUMB_TRY(plumb__strdup(&c->file, file, err));
    out->n_checkpoints++;
    return PLUMB_OK;
}

static plumb_status take_rewind(walk *w, const json_t *json, plumb_error *err)
{
    int64_t to = 0;
    PLUMB_TRY(plumb__json_integer("rewind leaf", json, "to", true, &to, err));
    while (w->n_touched > 0 && to >= 0 && w->touched[w->n_touched - 1] > (uint64_t)to)
        w->n_touched--;
    return PLUMB_OK;
}

static plumb_status take_text(walk *w, const plumb__record_leaf *leaf, plumb_error *err)
{
    json_t *json = NULL;
    const bool is_checkpoint = leaf->kind == PLUMB__LEAF_CHECKPOINT;
    if (!is_checkpoint && leaf->kind != PLUMB__LEAF_REWIND) return PLUMB_OK;
    PLUMB_TRY(plumb__json_parse("leaf", leaf->payload, leaf->n, &json, err));
    const plumb_status status =
        is_checkpoint ? take_checkpoint(w, json, err) : take_rewind(w, json, err);
    json_decref(json);
    return status;
}

/* ---- the walk ----------------------------------------------------------------------------- */

static plumb_status visit(const plumb__record_leaf *leaf, void *ctx, plumb_error *err)
{
    walk *w = ctx;
    if (leaf->repeated) return PLUMB_OK;
    if (leaf->step == NULL) return take_text(w, leaf, err);
    PLUMB_TRY(touch(w, leaf->step, err));
    return leaf->superseded ? PLUMB_OK : add_step(w, leaf->step, err);
}

static int by_spend(const void *left, const void *right)
{
    const weight *a = left, *b = right;
    if ((a->units > 0) != (b->units > 0)) return a->units > 0 ? -1 : 1;
    if (a->spend_nats != b->spend_nats) return a->spend_nats > b->spend_nats ? -1 : 1;
    return (a->use > b->use) - (a->use < b->use);
}

static void finish(walk *w)
{
    plumb_impact *out = w->out;
    plumb_impact_info *info = &out->info;
    double total = 0;
    for (size_t i = 0; i < out->n_weights; i++) {
        info->spend_nats += out->weights[i].spend_nats;
        total += out->weights[i].total_nats;
        out->n_moved += out->weights[i].units > 0;
    }
    for (uint64_t e = 0; e < w->n_examples; e++)
        info->used += w->used[e];
    info->share = total > 0 ? info->spend_nats / total : 0;
    info->layers = out->n_moved;
    info->checkpoints = out->n_checkpoints;
    qsort(out->weights, out->n_weights, sizeof *out->weights, by_spend);
}

static plumb_status prepare(const plumb_graph *graph, plumb_impact *out, plumb_error *err)
{
    const plumb__run_json *run = &graph->v.run;
    out->run = run;
    out->n_weights = run->n_weights;
    plumb__hash_hex(&run->manifest_statement, out->statement);
    out->info = (plumb_impact_info){
        .size = sizeof out->info,
        .version = 1,
        .run_id = run->run_id,
        .vendor = run->vendor,
        .dataset = run->dataset,
        .statement_digest = out->statement,
        .manifest_version = run->manifest_version,
        .closed = plumb__verify_state(&graph->v) == PLUMB__SEAL_CLOSED,
        .signer_checked = graph->trust != NULL,
    };
    PLUMB_TRY(plumb__alloc(&out->weights, run->n_weights, sizeof *out->weights, "impact", err));
    for (size_t k = run->n_layers; k-- > 0;)
        out->weights[run->layers[k].weight].use = (uint32_t)k;
    return PLUMB_OK;
}

static plumb_status impact_once(const plumb_graph *graph, const char *const *ids, size_t n_ids,
                                plumb_impact **result, plumb_error *err)
{
    walk w = {.graph = graph, .n_examples = plumb__examples_count(graph->examples)};
    plumb_status status;
    plumb__spends_init(&w.spends, graph->v.run.layers, graph->v.run.n_layers);
    PLUMB_TRY_CLEAN(plumb__alloc(&w.out, 1, sizeof *w.out, "impact", err));
    PLUMB_TRY_CLEAN(prepare(graph, w.out, err));
    PLUMB_TRY_CLEAN(choose(&w, ids, n_ids, err));
    PLUMB_TRY_CLEAN(plumb__record_walk(graph->v.record, NULL, visit, &w, err));
    finish(&w);
    *result = w.out;
    w.out = NULL;
cleanup:
    plumb_impact_free(w.out);
    plumb__spends_free(&w.spends);
    plumb__free(w.wanted);
    plumb__free(w.used);
    plumb__free(w.touched);
    return status;
}

plumb_status plumb_graph_impact(plumb_graph *graph, const char *const *ids, size_t n_ids,
                                plumb_impact **impact, plumb_error *err)
{
    *impact = NULL;
    plumb_status status = impact_once(graph, ids, n_ids, impact, err);
    for (int again = 0; again < PLUMB__RECORD_RETRIES && plumb__graph_moved(graph, status);
         again++) {
        PLUMB_TRY(plumb__graph_reopen(graph, err));
        status = impact_once(graph, ids, n_ids, impact, err);
    }
    return status;
}

/* ---- the answer --------------------------------------------------------------------------- */

void plumb_impact_free(plumb_impact *impact)
{
    if (impact == NULL) return;
    for (size_t i = 0; i < impact->n_checkpoints; i++)
        plumb__free(impact->checkpoints[i].file);
    plumb__free(impact->checkpoints);
    plumb__free(impact->weights);
    plumb__free(impact);
}

void plumb_impact_describe(const plumb_impact *impact, plumb_impact_info *info)
{
    *info = impact->info;
}

plumb_impact_layer plumb_impact_layer_at(const plumb_impact *impact, size_t i)
{
    if (i >= impact->n_moved) return (plumb_impact_layer){.name = ""};
    const weight *x = &impact->weights[i];
    return (plumb_impact_layer){
        .name = impact->run->layers[x->use].name,
        .depth = impact->run->layers[x->use].depth,
        .spend_nats = x->spend_nats,
        .share = x->total_nats > 0 ? x->spend_nats / x->total_nats : 0,
        .units = x->units,
        .steps = x->steps,
        .first_step = x->first_step,
        .last_step = x->last_step,
    };
}

plumb_impact_checkpoint plumb_impact_checkpoint_at(const plumb_impact *impact, size_t i)
{
    if (i >= impact->n_checkpoints) return (plumb_impact_checkpoint){.file = "", .digest = ""};
    const checkpoint *c = &impact->checkpoints[i];
    return (plumb_impact_checkpoint){.file = c->file,
                                     .digest = c->digest,
                                     .step = c->step,
                                     .attempt = c->attempt,
                                     .contains = c->contains};
}
