/* What `plumb show` tells: counts over the record, and the ledger entries nearest to their limit.
 */
#include "provenance/graph_open.h"

#include "base/alloc.h"
#include "base/half.h"
#include "provenance/account.h"

#include <math.h>
#include <string.h>

/* ---- counts ------------------------------------------------------------------------------- */

typedef struct counting {
    const plumb_graph *graph;
    plumb_graph_info *info;
    uint8_t *seen; /* [examples] */
    uint64_t edges, masked, clipped;
} counting;

static void count_step(counting *c, const plumb__record_leaf *leaf)
{
    const plumb__step *step = leaf->step;
    plumb_graph_info *info = c->info;
    if (leaf->superseded) {
        info->steps_superseded++;
        return;
    }
    if (info->steps_acknowledged == 0) info->first_loss = step->loss;
    info->last_loss = step->loss;
    info->steps_acknowledged = step->step;
    if (leaf->leaf < c->graph->v.head.size) info->steps_signed = step->step;
    info->units += step->n_units;
    for (uint32_t u = 0; u < step->n_units; u++) {
        const int32_t example = step->example[u];
        if (example >= 0 && (uint64_t)example < info->examples && !c->seen[example]) {
            c->seen[example] = 1;
            info->examples_seen++;
        }
    }
    const size_t n = (size_t)step->n_units * step->n_uses;
    c->edges += n;
    for (size_t i = 0; i < n; i++) {
        c->masked += step->mask[i] == 0;
        c->clipped += step->mask[i] != 0 && step->clip[i] < PLUMB__F16_ONE;
    }
}

static plumb_status count_leaf(const plumb__record_leaf *leaf, void *ctx, plumb_error *err)
{
    counting *c = ctx;
    (void)err;
    if (leaf->repeated) return PLUMB_OK;
    if (leaf->step != NULL) count_step(c, leaf);
    c->info->checkpoints += leaf->kind == PLUMB__LEAF_CHECKPOINT;
    c->info->events += leaf->kind == PLUMB__LEAF_EVENT || leaf->kind == PLUMB__LEAF_REWIND;
    return PLUMB_OK;
}

static plumb_status describe_once(const plumb_graph *graph, plumb_graph_info *info,
                                  plumb_error *err)
{
    counting c = {.graph = graph, .info = info};
    *info = (plumb_graph_info){.size = sizeof *info,
                               .version = 1,
                               .run_id = graph->v.run.run_id,
                               .closed = plumb__verify_state(&graph->v) == PLUMB__SEAL_CLOSED,
                               .signer_checked = graph->trust != NULL,
                               .layers = graph->v.run.n_layers,
                               .examples = plumb__examples_count(graph->examples),
                               .first_loss = NAN,
                               .last_loss = NAN};
    PLUMB_TRY(plumb__alloc(&c.seen, info->examples, 1, "summary", err));
    const plumb_status status = plumb__record_walk(graph->v.record, NULL, count_leaf, &c, err);
    plumb__free(c.seen);
    info->masked_share = c.edges > 0 ? (double)c.masked / (double)c.edges : 0;
    info->clipped_share = c.edges > c.masked ? (double)c.clipped / (double)(c.edges - c.masked) : 0;
    return status;
}

plumb_status plumb_graph_describe(plumb_graph *graph, plumb_graph_info *info, plumb_error *err)
{
    plumb_status status = describe_once(graph, info, err);
    for (int again = 0; again < PLUMB__RECORD_RETRIES && plumb__graph_moved(graph, status);
         again++) {
        PLUMB_TRY(plumb__graph_reopen(graph, err));
        status = describe_once(graph, info, err);
    }
    return status;
}

/* ---- the ledger --------------------------------------------------------------------------- */

typedef struct ledger_walk {
    const plumb_graph *graph;
    plumb__account *account;
    uint32_t max_units;
    uint64_t n_examples;
    float *ledger; /* [examples x uses] */
} ledger_walk;

static plumb_status charge(const plumb__record_leaf *leaf, void *ctx, plumb_error *err)
{
    ledger_walk *w = ctx;
    if (leaf->step == NULL || leaf->superseded || leaf->repeated) return PLUMB_OK;
    if (leaf->step->n_units > w->max_units || w->account == NULL) {
        plumb__account_free(w->account);
        w->account = NULL;
        w->max_units = leaf->step->n_units;
        PLUMB_TRY(plumb__account_create(w->graph->v.run.layers, w->graph->v.run.n_layers,
                                        w->n_examples, w->max_units, &w->account, err));
    }
    plumb__ledger_charge(w->account, w->ledger, leaf->step);
    return PLUMB_OK;
}

/* A closed run has its ledger in the graph; an open one is charged again, step by step. */
static plumb_status load_ledger(const plumb_graph *graph, ledger_walk *w, plumb_error *err)
{
    plumb__h5_reader *reader = plumb__record_graph(graph->v.record);
    w->n_examples = plumb__examples_count(graph->examples);
    const size_t n_uses = graph->v.run.n_layers;
    if (n_uses > 0 && w->n_examples > SIZE_MAX / sizeof(float) / n_uses)
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "the ledger does not fit into memory");
    PLUMB_TRY(plumb__alloc(&w->ledger, w->n_examples * n_uses, sizeof *w->ledger, "ledger", err));
    if (reader != NULL) return plumb__h5_ledger(reader, 0, w->n_examples, w->ledger, err);
    return plumb__record_walk(graph->v.record, NULL, charge, w, err);
}

/* How near an entry is to its limit; without a known limit, entries are ordered by spend alone. */
static double tightness(const plumb_graph_entry *entry)
{
    if (isnan(entry->limit_nats)) return entry->spend_nats;
    if (entry->limit_nats == 0) return INFINITY;
    return entry->spend_nats / entry->limit_nats;
}

static void insert(plumb_graph_entry *out, size_t n, size_t *found, const plumb_graph_entry *entry)
{
    size_t at = *found;
    while (at > 0 && tightness(entry) > tightness(&out[at - 1]))
        at--;
    if (at == n) return;
    const size_t last = *found < n ? *found : n - 1;
    memmove(&out[at + 1], &out[at], (last - at) * sizeof *out);
    out[at] = *entry;
    if (*found < n) ++*found;
}

static double run_limit(const plumb_graph *graph, uint64_t example)
{
    plumb_record record;
    plumb_record_default(&record);
    if (graph->v.manifest == NULL ||
        plumb_manifest_record(graph->v.manifest, (uint32_t)example, &record, NULL) != PLUMB_OK)
        return NAN;
    return isnan(record.run_budget_nats) ? graph->v.policy.run_nats : record.run_budget_nats;
}

static plumb_status find_tightest(plumb_graph *graph, const float *ledger, size_t n,
                                  plumb_graph_entry *out, size_t *found, plumb_error *err)
{
    const plumb__run_json *run = &graph->v.run;
    const uint32_t *codes = NULL;
    PLUMB_TRY(plumb__examples_column(graph->examples, PLUMB_FIELD_EXAMPLE, &codes, err));
    for (uint64_t e = 0; e < plumb__examples_count(graph->examples); e++) {
        const double limit = run_limit(graph, e);
        for (size_t k = 0; k < run->n_layers; k += run->layers[k].n_uses) {
            double spend = 0;
            for (uint32_t use = 0; use < run->layers[k].n_uses; use++)
                spend += (double)ledger[e * run->n_layers + k + use];
            if (!(spend > 0)) continue;
            const plumb_graph_entry entry = {.example =
                                                 plumb__examples_name(graph->examples, codes[e]),
                                             .layer = run->layers[k].name,
                                             .spend_nats = spend,
                                             .limit_nats = limit};
            insert(out, n, found, &entry);
        }
    }
    return PLUMB_OK;
}

plumb_status plumb_graph_tightest(plumb_graph *graph, size_t n, plumb_graph_entry *out,
                                  size_t *found, plumb_error *err)
{
    ledger_walk w = {.graph = graph};
    *found = 0;
    if (n == 0) return PLUMB_OK;
    plumb_status status = PLUMB_OK;
    if (graph->v.manifest == NULL) status = plumb__verify_manifest(&graph->v, err);
    if (status == PLUMB_OK) status = load_ledger(graph, &w, err);
    if (status == PLUMB_OK) status = find_tightest(graph, w.ledger, n, out, found, err);
    plumb__account_free(w.account);
    plumb__free(w.ledger);
    return status;
}
