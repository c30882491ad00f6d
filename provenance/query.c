/* plumb_graph_query: one walk over the steps, edge by edge into sums. The rule by which an edge
 * gets its spend is in spends.h and docs/query.md. */
#include "provenance/plumb_graph.h"

#include "base/alloc.h"
#include "base/half.h"
#include "base/text.h"
#include "provenance/graph_open.h"
#include "provenance/query_groups.h"
#include "provenance/spends.h"

#include <string.h>

#define N_FIELDS 8

static const char *const field_names[N_FIELDS] = {"example", "annotator", "cohort", "batch",
                                                  "rubric",  "domain",    "layer",  "step"};

bool plumb_field_parse(const char *name, plumb_field *field)
{
    for (int i = 0; i < N_FIELDS; i++) {
        if (strcmp(name, field_names[i]) != 0) continue;
        *field = (plumb_field)i;
        return true;
    }
    return false;
}

const char *plumb_field_name(plumb_field field)
{
    return (unsigned)field < N_FIELDS ? field_names[field] : "";
}

void plumb_query_default(plumb_query *query)
{
    *query = (plumb_query){.size = sizeof *query, .version = 1};
}

/* What a query needs while it walks. */
typedef struct asked {
    plumb_graph *graph;
    const plumb_query *query;
    uint8_t *example_in;       /* [examples] NULL: all */
    uint8_t *step_in;          /* [steps of the graph] NULL: all in the range */
    uint8_t *use_in;           /* [uses] */
    const uint32_t *column[2]; /* codes by example, of by[i] when it is a column */
    const uint64_t *offsets;   /* annotators, when grouped or filtered by them */
    const uint32_t *annotators;
    plumb__segment_annotators segments; /* the same of segments */
    uint32_t annotator;                 /* the one asked for; 0: any */
    int annotator_by, layer_by;         /* which of by[] they are, -1: none */
    plumb__spends spends;
    plumb__groups groups;
} asked;

/* ---- filters ------------------------------------------------------------------------------ */

static plumb_status no_such(plumb_error *err, plumb_field field, const char *name)
{
    return plumb__fail(err, PLUMB_ERR_NOT_FOUND,
                       "nothing found: the run's manifest has no %s \"%s\"",
                       plumb_field_name(field), name);
}

static plumb_status all_examples(asked *a, plumb_error *err)
{
    if (a->example_in != NULL) return PLUMB_OK;
    const uint64_t n = plumb__examples_count(a->graph->examples);
    PLUMB_TRY(plumb__alloc(&a->example_in, n, 1, "query filter", err));
    if (n > 0) memset(a->example_in, 1, n);
    return PLUMB_OK;
}

static plumb_status filter_column(asked *a, plumb_field field, const char *name, plumb_error *err)
{
    const uint32_t *codes = NULL;
    bool any = false;
    if (name == NULL) return PLUMB_OK;
    PLUMB_TRY(all_examples(a, err));
    PLUMB_TRY(plumb__examples_column(a->graph->examples, field, &codes, err));
    const uint32_t code = plumb__examples_code(a->graph->examples, name);
    const bool known = code != 0 || *name == '\0';
    for (uint64_t i = 0; i < plumb__examples_count(a->graph->examples); i++) {
        const bool same = known && codes[i] == code;
        a->example_in[i] = a->example_in[i] && same;
        any = any || same;
    }
    return any ? PLUMB_OK : no_such(err, field, name);
}

/* Whose work a unit is: the segment's annotators where it is one, else the record's. */
typedef struct people {
    const uint32_t *codes;
    uint64_t n;
} people;

static people people_of(const asked *a, int32_t example, int32_t segment)
{
    if (example < 0) return (people){NULL, 0};
    const uint64_t *rows = a->segments.segments + example;
    if (segment >= 0 && (uint64_t)segment < rows[1] - rows[0]) {
        const uint64_t *at = a->segments.offsets + rows[0] + (uint64_t)segment;
        return (people){a->segments.codes + at[0], at[1] - at[0]};
    }
    const uint64_t *at = a->offsets + example;
    return (people){a->annotators + at[0], at[1] - at[0]};
}

static bool among(people list, uint32_t code)
{
    for (uint64_t i = 0; i < list.n; i++)
        if (list.codes[i] == code) return true;
    return false;
}

static plumb_status load_people(asked *a, plumb_error *err)
{
    PLUMB_TRY(plumb__examples_annotators(a->graph->examples, &a->offsets, &a->annotators, err));
    return plumb__examples_segments(a->graph->examples, &a->segments, err);
}

/* Marks the examples that the annotator had a hand in; visit() then looks at each unit. */
static plumb_status filter_annotator(asked *a, const char *name, plumb_error *err)
{
    bool any = false;
    if (name == NULL) return PLUMB_OK;
    PLUMB_TRY(all_examples(a, err));
    PLUMB_TRY(load_people(a, err));
    a->annotator = plumb__examples_code(a->graph->examples, name);
    for (uint64_t i = 0; i < plumb__examples_count(a->graph->examples); i++) {
        const uint64_t parts = a->segments.segments[i + 1] - a->segments.segments[i];
        bool has = false;
        for (int64_t s = -1; a->annotator != 0 && s < (int64_t)parts && !has; s++)
            has = among(people_of(a, (int32_t)i, (int32_t)s), a->annotator);
        a->example_in[i] = a->example_in[i] && has;
        any = any || has;
    }
    return any ? PLUMB_OK : no_such(err, PLUMB_FIELD_ANNOTATOR, name);
}

static plumb_status filter_layers(asked *a, plumb_error *err)
{
    const plumb__run_json *run = &a->graph->v.run;
    const char *glob = a->query->layer;
    bool any = false;
    PLUMB_TRY(plumb__alloc(&a->use_in, run->n_layers, 1, "query filter", err));
    for (size_t k = 0; k < run->n_layers; k++) {
        a->use_in[k] = glob == NULL || plumb__glob_match(glob, run->layers[k].name);
        any = any || a->use_in[k];
    }
    if (any || run->n_layers == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_NOT_FOUND, "nothing found: no layer matches \"%s\"", glob);
}

/* The index of a closed run names the rows of one example: only their steps are read. */
static plumb_status mark_steps(asked *a, const char *id, plumb_error *err)
{
    plumb__h5_reader *reader = plumb__record_graph(a->graph->v.record);
    const uint32_t *codes = NULL;
    const uint64_t *rows = NULL;
    uint64_t n_rows = 0, example = 0, step = 0;
    if (reader == NULL || id == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__examples_column(a->graph->examples, PLUMB_FIELD_EXAMPLE, &codes, err));
    const uint32_t code = plumb__examples_code(a->graph->examples, id);
    while (codes[example] != code)
        example++; /* filter_column has found it */
    PLUMB_TRY(plumb__h5_example_rows(reader, (uint32_t)example, &rows, &n_rows, err));
    const uint64_t n_steps = plumb__h5_step_count(reader);
    const plumb__h5_step_row *steps = plumb__h5_steps(reader);
    PLUMB_TRY(plumb__alloc(&a->step_in, n_steps, 1, "query filter", err));
    for (uint64_t i = 0; i < n_rows; i++) {
        while (step < n_steps && rows[i] >= steps[step].first_row + steps[step].units)
            step++;
        if (step < n_steps) a->step_in[step] = 1;
    }
    return PLUMB_OK;
}

static bool in_range(const asked *a, uint64_t step)
{
    const plumb_query *q = a->query;
    return (q->step_from == 0 && q->step_to == 0) || (step >= q->step_from && step <= q->step_to);
}

static bool want_step(uint64_t index, const plumb__h5_step_row *row, void *ctx)
{
    const asked *a = ctx;
    return in_range(a, row->step) && (a->step_in == NULL || a->step_in[index]);
}

/* ---- sums --------------------------------------------------------------------------------- */

static void add_edge(const asked *a, const plumb__step *step, uint32_t u, size_t k, double share,
                     plumb__group *g)
{
    const size_t edge = (size_t)u * step->n_uses + k;
    g->edges += share;
    if (step->mask[edge] == 0) {
        g->masked += share;
        return;
    }
    g->open += share;
    if (step->clip[edge] < PLUMB__F16_ONE) g->clipped += share;
    if (step->norm_kind[edge] == PLUMB__NORM_EXACT) {
        g->norms += share;
        g->norm_sum += share * plumb__norm16_value(step->norm[edge]);
    }
    g->spend_nats += share * plumb__spends_edge(&a->spends, step, u, k);
}

static plumb_status add_unit(asked *a, const plumb__step *step, uint32_t u, uint64_t code[2],
                             double share, plumb_error *err)
{
    plumb__group *g = NULL;
    if (a->layer_by < 0) {
        PLUMB_TRY(plumb__groups_at(&a->groups, code[0], code[1], &g, err));
        g->units += share;
    }
    for (size_t k = 0; k < step->n_uses; k++) {
        if (!a->use_in[k]) continue;
        if (a->layer_by >= 0) {
            const uint32_t use = a->graph->v.run.layers[k].use; /* uses of a weight are in a row */
            code[a->layer_by] = k - use;
            PLUMB_TRY(plumb__groups_at(&a->groups, code[0], code[1], &g, err));
            if (use == 0) g->units += share;
        }
        add_edge(a, step, u, k, share, g);
    }
    return PLUMB_OK;
}

static plumb_status add_by_annotator(asked *a, const plumb__step *step, uint32_t u,
                                     uint64_t code[2], plumb_error *err)
{
    const people list = people_of(a, step->example[u], step->segment[u]);
    code[a->annotator_by] = 0;
    if (list.n == 0) return add_unit(a, step, u, code, 1, err);
    for (uint64_t i = 0; i < list.n; i++) {
        code[a->annotator_by] = list.codes[i];
        PLUMB_TRY(add_unit(a, step, u, code, 1.0 / (double)list.n, err));
    }
    return PLUMB_OK;
}

static plumb_status visit(const plumb__record_leaf *leaf, void *ctx, plumb_error *err)
{
    asked *a = ctx;
    const plumb__step *step = leaf->step;
    if (step == NULL || leaf->superseded || leaf->repeated || !in_range(a, step->step))
        return PLUMB_OK;
    const uint64_t n_examples = plumb__examples_count(a->graph->examples);
    PLUMB_TRY(plumb__spends_step(&a->spends, step, err));
    for (uint32_t u = 0; u < step->n_units; u++) {
        const int32_t example = step->example[u];
        if (example >= 0 && (uint64_t)example >= n_examples)
            return plumb__fail(
                err, PLUMB_ERR_MISMATCH,
                "step %llu: a unit has example %d, but the manifest has %llu records",
                (unsigned long long)step->step, example, (unsigned long long)n_examples);
        if (a->example_in != NULL && (example < 0 || !a->example_in[example])) continue;
        if (a->annotator != 0 && !among(people_of(a, example, step->segment[u]), a->annotator))
            continue;
        uint64_t code[2] = {0, 0};
        for (uint32_t i = 0; i < a->query->n_by; i++) {
            if (a->query->by[i] == PLUMB_FIELD_STEP)
                code[i] = step->step;
            else if (a->column[i] != NULL && example >= 0)
                code[i] = a->column[i][example];
        }
        PLUMB_TRY(a->annotator_by >= 0 ? add_by_annotator(a, step, u, code, err)
                                       : add_unit(a, step, u, code, 1, err));
    }
    return PLUMB_OK;
}

static const char *group_name(const void *ctx, uint32_t i, uint64_t code)
{
    static _Thread_local char number[24]; /* copied at once by plumb__result_make */
    const asked *a = ctx;
    switch (a->query->by[i]) {
    case PLUMB_FIELD_LAYER: return a->graph->v.run.layers[code].name;
    case PLUMB_FIELD_STEP:
        snprintf(number, sizeof number, "%llu", (unsigned long long)code);
        return number;
    default: return plumb__examples_name(a->graph->examples, (uint32_t)code);
    }
}

/* ---- the query ---------------------------------------------------------------------------- */

static plumb_status check(const plumb_query *query, plumb_error *err)
{
    if (query->size != sizeof *query || query->version != 1)
        return plumb__fail(err, PLUMB_ERR_VERSION, "a query of size %u and version %u is unknown",
                           query->size, query->version);
    if (query->n_by > 2)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a query groups by two fields at most");
    if (query->n_by == 2 && query->by[0] == query->by[1])
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a query groups by %s twice",
                           plumb_field_name(query->by[0]));
    if (query->step_to < query->step_from)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "steps %llu:%llu run backwards",
                           (unsigned long long)query->step_from,
                           (unsigned long long)query->step_to);
    return PLUMB_OK;
}

static plumb_status prepare_groups(asked *a, plumb_error *err)
{
    a->annotator_by = a->layer_by = -1;
    for (uint32_t i = 0; i < a->query->n_by; i++) {
        switch (a->query->by[i]) {
        case PLUMB_FIELD_STEP: break;
        case PLUMB_FIELD_LAYER: a->layer_by = (int)i; break;
        case PLUMB_FIELD_ANNOTATOR:
            a->annotator_by = (int)i;
            PLUMB_TRY(load_people(a, err));
            break;
        default:
            PLUMB_TRY(
                plumb__examples_column(a->graph->examples, a->query->by[i], &a->column[i], err));
        }
    }
    return PLUMB_OK;
}

static plumb_status prepare(asked *a, plumb_error *err)
{
    const plumb_query *q = a->query;
    PLUMB_TRY(check(q, err));
    PLUMB_TRY(filter_column(a, PLUMB_FIELD_EXAMPLE, q->example, err));
    PLUMB_TRY(filter_annotator(a, q->annotator, err));
    PLUMB_TRY(filter_column(a, PLUMB_FIELD_COHORT, q->cohort, err));
    PLUMB_TRY(filter_column(a, PLUMB_FIELD_BATCH, q->batch, err));
    PLUMB_TRY(filter_column(a, PLUMB_FIELD_RUBRIC, q->rubric, err));
    PLUMB_TRY(filter_column(a, PLUMB_FIELD_DOMAIN, q->domain, err));
    PLUMB_TRY(filter_layers(a, err));
    PLUMB_TRY(prepare_groups(a, err));
    return mark_steps(a, q->example, err);
}

static plumb_status query_once(plumb_graph *graph, const plumb_query *query, plumb_result **result,
                               plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    asked a = {.graph = graph, .query = query};
    plumb__spends_init(&a.spends, graph->v.run.layers, graph->v.run.n_layers);
    PLUMB_TRY_CLEAN(prepare(&a, err));
    PLUMB_TRY_CLEAN(plumb__record_walk(graph->v.record, want_step, visit, &a, err));
    if (a.groups.n == 0) {
        status = plumb__fail(err, PLUMB_ERR_NOT_FOUND,
                             "nothing found: no unit of the run matches all filters");
        goto cleanup;
    }
    PLUMB_TRY_CLEAN(
        plumb__result_make(&a.groups, query->n_by, query->top, group_name, &a, result, err));
cleanup:
    plumb__groups_free(&a.groups);
    plumb__spends_free(&a.spends);
    plumb__free(a.example_in);
    plumb__free(a.step_in);
    plumb__free(a.use_in);
    return status;
}

plumb_status plumb_graph_query(plumb_graph *graph, const plumb_query *query, plumb_result **result,
                               plumb_error *err)
{
    plumb_status status = query_once(graph, query, result, err);
    for (int again = 0; again < PLUMB__RECORD_RETRIES && plumb__graph_moved(graph, status);
         again++) {
        PLUMB_TRY(plumb__graph_reopen(graph, err));
        status = query_once(graph, query, result, err);
    }
    return status;
}
