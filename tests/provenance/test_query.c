/* Aim: a query adds up the right edges in the right groups, and its spends are those of the run
 * ledger. Method: runs made by run_forge.h (examples twice in a step, a tied weight, two
 * annotators, a rewind); every sum is compared with a plain loop over what was recorded, or with
 * /ledger itself. */
#include "run_forge.h"

#include "base/half.h"
#include "provenance/graph_open.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static plumb_graph *open_graph(forge *g, const char *path)
{
    plumb_graph *graph = NULL;
    assert_works(plumb_graph_open(path, g->trust, &graph, err));
    return graph;
}

static plumb_result *ask(plumb_graph *graph, const plumb_query *query)
{
    plumb_result *result = NULL;
    assert_works(plumb_graph_query(graph, query, &result, err));
    return result;
}

static plumb_query by(plumb_field first, int second)
{
    plumb_query query;
    plumb_query_default(&query);
    query.by[0] = first;
    query.n_by = 1;
    if (second >= 0) {
        query.by[1] = (plumb_field)second;
        query.n_by = 2;
    }
    return query;
}

static const plumb_query_row *row_of(const plumb_result *result, const char *a, const char *b)
{
    for (size_t i = 0; i < plumb_result_count(result); i++) {
        const plumb_query_row *row = plumb_result_row(result, i);
        if (strcmp(row->group[0], a) == 0 && strcmp(row->group[1], b) == 0) return row;
    }
    return NULL;
}

static void assert_near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-6 * fmax(1, fabs(expected))))
        fail_msg("found %.12g, expected %.12g", found, expected);
}

/* ---- the ledger --------------------------------------------------------------------------- */

static void spends_are_the_ledgers(void **state)
{
    forge *g = *state;
    plumb_graph *graph = open_graph(g, forge_whole(g, "ledger"));
    float ledger[FORGE_RECORDS * FORGE_USES];
    assert_works(
        plumb__h5_ledger(plumb__record_graph(graph->v.record), 0, FORGE_RECORDS, ledger, err));
    assert_memory_equal(ledger, g->ledger, sizeof ledger);
    plumb_query query = by(PLUMB_FIELD_EXAMPLE, PLUMB_FIELD_LAYER);
    plumb_result *result = ask(graph, &query);
    double total = 0;
    size_t checked = 0;
    for (uint32_t e = 0; e < FORGE_RECORDS; e++) {
        plumb_record record;
        plumb_record_default(&record);
        assert_works(plumb_manifest_record(g->manifest, e, &record, err));
        for (size_t k = 0; k < FORGE_USES; k += g->layers[k].n_uses) {
            double expected = 0;
            for (size_t use = k; use < k + g->layers[k].n_uses; use++)
                expected += (double)ledger[e * FORGE_USES + use];
            const plumb_query_row *row = row_of(result, record.id, g->layers[k].name);
            assert_non_null(row);
            assert_near(row->spend_nats, expected);
            total += expected;
            checked += expected > 0;
        }
    }
    assert_true(checked > 10 && total > 1);
    plumb_result_free(result);
    plumb_query_default(&query);
    result = ask(graph, &query);
    assert_int_equal(plumb_result_count(result), 1);
    assert_near(plumb_result_row(result, 0)->spend_nats, total);
    assert_near(plumb_result_row(result, 0)->share, 1);
    assert_near(plumb_result_row(result, 0)->units, 6 * FORGE_UNITS);
    plumb_result_free(result);
    plumb_graph_free(graph);
}

/* ---- columns ------------------------------------------------------------------------------ */

typedef struct tally {
    double units, edges, masked, open, clipped, norms, norm_sum;
} tally;

static tally seen[7][FORGE_USES]; /* by step and use */

static void watch(forge *g)
{
    const made_step *m = &g->made;
    for (size_t e = 0; e < FORGE_UNITS * FORGE_USES; e++) {
        tally *t = &seen[m->step.step][e % FORGE_USES];
        const bool open = m->mask[e] != 0;
        t->units++;
        t->edges++;
        t->masked += !open;
        t->open += open;
        t->clipped += open && m->clip[e] < PLUMB__F16_ONE;
        t->norms += open;
        t->norm_sum += plumb__norm16_value(m->norm[e]);
    }
}

static void columns_are_counted(void **state)
{
    forge *g = *state;
    memset(seen, 0, sizeof seen);
    g->alter = watch;
    g->settle = false;
    const char *path = forge_whole(g, "columns");
    g->alter = NULL;
    plumb_graph *graph = open_graph(g, path);
    plumb_query query = by(PLUMB_FIELD_STEP, PLUMB_FIELD_LAYER);
    query.layer = "blocks.*";
    query.step_from = 2;
    query.step_to = 5;
    plumb_result *result = ask(graph, &query);
    assert_int_equal(plumb_result_count(result), 4 * 2);
    double shares = 0, clipped = 0;
    for (uint64_t step = 2; step <= 5; step++)
        for (size_t k = 2; k < FORGE_USES; k++) {
            char name[8];
            const tally *t = &seen[step][k];
            snprintf(name, sizeof name, "%llu", (unsigned long long)step);
            const plumb_query_row *row = row_of(result, name, g->layers[k].name);
            assert_non_null(row);
            assert_near(row->units, t->units);
            assert_near(row->masked_share, t->masked / t->edges);
            assert_near(row->clipped_share, t->clipped / t->open);
            assert_near(row->mean_norm, t->norm_sum / t->norms);
            shares += row->share;
            clipped += t->clipped;
        }
    assert_near(shares, 1);
    assert_true(clipped > 0);
    plumb_result_free(result);
    plumb_graph_free(graph);
}

/* ---- groups and filters ------------------------------------------------------------------- */

static double total_of(const plumb_result *result)
{
    double total = 0;
    for (size_t i = 0; i < plumb_result_count(result); i++)
        total += plumb_result_row(result, i)->spend_nats;
    return total;
}

static double units_of(const plumb_result *result)
{
    double total = 0;
    for (size_t i = 0; i < plumb_result_count(result); i++)
        total += plumb_result_row(result, i)->units;
    return total;
}

static void every_grouping_adds_up(void **state)
{
    forge *g = *state;
    plumb_graph *graph = open_graph(g, forge_whole(g, "groups"));
    plumb_query query;
    plumb_query_default(&query);
    plumb_result *whole = ask(graph, &query);
    for (int field = PLUMB_FIELD_EXAMPLE; field <= PLUMB_FIELD_STEP; field++) {
        query = by((plumb_field)field, -1);
        plumb_result *result = ask(graph, &query);
        assert_near(total_of(result), total_of(whole));
        if (field != PLUMB_FIELD_LAYER) assert_near(units_of(result), units_of(whole));
        for (size_t i = 1; i < plumb_result_count(result); i++)
            assert_true(plumb_result_row(result, i - 1)->spend_nats >=
                        plumb_result_row(result, i)->spend_nats);
        query.top = 1;
        plumb_result *top = ask(graph, &query);
        assert_int_equal(plumb_result_count(top), 1);
        assert_string_equal(plumb_result_row(top, 0)->group[0],
                            plumb_result_row(result, 0)->group[0]);
        plumb_result_free(top);
        plumb_result_free(result);
    }
    plumb_result_free(whole);
    plumb_graph_free(graph);
}

static void annotators_count_one_over_k(void **state)
{
    forge *g = *state;
    plumb_graph *graph = open_graph(g, forge_whole(g, "annotators"));
    plumb_query query = by(PLUMB_FIELD_ANNOTATOR, -1);
    query.example = "deb:p00#use"; /* of two annotators */
    plumb_result *both = ask(graph, &query);
    assert_int_equal(plumb_result_count(both), 2);
    query.n_by = 0;
    plumb_result *whole = ask(graph, &query);
    for (size_t i = 0; i < 2; i++) {
        assert_near(plumb_result_row(both, i)->units, plumb_result_row(whole, 0)->units / 2);
        assert_near(plumb_result_row(both, i)->spend_nats,
                    plumb_result_row(whole, 0)->spend_nats / 2);
        assert_near(plumb_result_row(both, i)->mean_norm, plumb_result_row(whole, 0)->mean_norm);
    }
    plumb_result_free(both);
    query.example = NULL;
    query.annotator = "src:debtags"; /* a filter takes the whole unit */
    plumb_result *filtered = ask(graph, &query);
    assert_true(plumb_result_row(filtered, 0)->spend_nats >=
                plumb_result_row(whole, 0)->spend_nats);
    plumb_result_free(filtered);
    plumb_result_free(whole);
    plumb_graph_free(graph);
}

/* Rows outside all segments are the work of the record's annotators, not of a segment's. */
static void the_rest_is_the_records(void **state)
{
    forge *g = *state;
    plumb_graph *graph = open_graph(g, forge_whole(g, "rest"));
    plumb_query query = by(PLUMB_FIELD_ANNOTATOR, -1);
    query.example = "deb:p02#interface";
    plumb_result *result = ask(graph, &query);
    assert_int_equal(plumb_result_count(result), 1);
    assert_string_equal(plumb_result_row(result, 0)->group[0], "src:archive");
    assert_true(plumb_result_row(result, 0)->units > 0);
    plumb_result_free(result);
    plumb_graph_free(graph);
}

static void filters_select(void **state)
{
    forge *g = *state;
    plumb_graph *graph = open_graph(g, forge_whole(g, "filters"));
    plumb_query query = by(PLUMB_FIELD_EXAMPLE, -1);
    query.cohort = "team-0";
    query.domain = "sound";
    query.rubric = "use@1";
    query.batch = "b0";
    plumb_result *result = ask(graph, &query);
    assert_int_equal(plumb_result_count(result), 1); /* 3 is "web", 6 is of b1, 9 of team-1 */
    assert_non_null(row_of(result, "deb:p00#use", ""));
    plumb_result_free(result);
    plumb_graph_free(graph);
}

/* The example index (one example, only its steps) against the same sum without it. */
static void the_index_changes_nothing(void **state)
{
    forge *g = *state;
    plumb_graph *graph = open_graph(g, forge_whole(g, "index"));
    plumb_query query = by(PLUMB_FIELD_EXAMPLE, -1);
    plumb_result *all = ask(graph, &query);
    for (size_t i = 0; i < plumb_result_count(all); i++) {
        const plumb_query_row *expected = plumb_result_row(all, i);
        if (expected->group[0][0] == '\0') continue; /* not in the manifest */
        query.example = expected->group[0];
        plumb_result *one = ask(graph, &query);
        assert_int_equal(plumb_result_count(one), 1);
        assert_near(plumb_result_row(one, 0)->spend_nats, expected->spend_nats);
        assert_near(plumb_result_row(one, 0)->units, expected->units);
        plumb_result_free(one);
    }
    plumb_result_free(all);
    plumb_graph_free(graph);
}

static void nothing_found_says_what(void **state)
{
    forge *g = *state;
    plumb_graph *graph = open_graph(g, forge_whole(g, "nothing"));
    plumb_query query;
    plumb_result *result = NULL;
    plumb_query_default(&query);
    query.example = "deb:nobody#use";
    assert_fails(plumb_graph_query(graph, &query, &result, err), PLUMB_ERR_NOT_FOUND,
                 "nothing found: the run's manifest has no example \"deb:nobody#use\"");
    plumb_query_default(&query);
    query.annotator = "team-0"; /* a name, but of no annotator */
    assert_fails(plumb_graph_query(graph, &query, &result, err), PLUMB_ERR_NOT_FOUND,
                 "nothing found: the run's manifest has no annotator \"team-0\"");
    plumb_query_default(&query);
    query.layer = "conv*";
    assert_fails(plumb_graph_query(graph, &query, &result, err), PLUMB_ERR_NOT_FOUND,
                 "nothing found: no layer matches \"conv*\"");
    plumb_query_default(&query);
    query.step_from = query.step_to = 99;
    assert_fails(plumb_graph_query(graph, &query, &result, err), PLUMB_ERR_NOT_FOUND,
                 "nothing found: no unit of the run matches all filters");
    query.step_from = 100;
    assert_fails(plumb_graph_query(graph, &query, &result, err), PLUMB_ERR_ARGUMENT,
                 "steps 100:99 run backwards");
    plumb_graph_free(graph);
}

/* ---- open and rewound runs ---------------------------------------------------------------- */

static void rewound_steps_are_left_out(void **state)
{
    forge *g = *state;
    plumb_graph_info info;
    forge_start(g, "rewound");
    for (uint64_t step = 1; step <= 4; step++) {
        forge_step(g, step);
        if (step == 2) forge_checkpoint(g, step);
    }
    forge_stop(g);
    forge_resume(g, "rewound", 4, 2);
    forge_step(g, 3);
    assert_works(plumb__bundle_flush(g->bundle, err));
    plumb_graph *graph = open_graph(g, fixture_path(g->f, "rewound"));
    assert_works(plumb_graph_describe(graph, &info, err));
    assert_false(info.closed);
    assert_int_equal(info.steps_acknowledged, 3);
    assert_int_equal(info.steps_superseded, 2);
    assert_int_equal(info.steps_signed, 2);
    assert_int_equal(info.units, 3 * FORGE_UNITS);
    plumb_query query = by(PLUMB_FIELD_STEP, -1);
    plumb_result *result = ask(graph, &query);
    assert_int_equal(plumb_result_count(result), 3);
    assert_near(units_of(result), 3 * FORGE_UNITS);
    const double open_total = total_of(result);
    plumb_result_free(result);
    double ledger = 0;
    for (size_t i = 0; i < FORGE_RECORDS * FORGE_USES; i++)
        ledger += (double)g->ledger[i];
    assert_near(open_total, ledger);
    /* The graph is read while the run goes on and closes. */
    forge_close(g);
    result = ask(graph, &query);
    assert_near(total_of(result), open_total);
    plumb_result_free(result);
    assert_works(plumb_graph_describe(graph, &info, err));
    assert_int_equal(info.steps_acknowledged, 3);
    plumb_graph_free(graph);
    graph = open_graph(g, fixture_path(g->f, "rewound"));
    assert_works(plumb_graph_describe(graph, &info, err));
    assert_true(info.closed);
    assert_int_equal(info.steps_signed, 3);
    assert_int_equal(info.examples, FORGE_RECORDS);
    assert_int_equal(info.checkpoints, 2);
    plumb_graph_free(graph);
}

/* A child writes, seals and closes; beside it every opening must succeed, verify, and have each
 * step that the child was told is durable. */
static void beside_a_living_writer(void **state)
{
    forge *g = *state;
    int pipe_of[2], rounds = 0, idle = 0;
    uint64_t told = 0;
    char path[512];
    snprintf(path, sizeof path, "%s/living", g->f->dir);
    assert_int_equal(pipe(pipe_of), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failure must not go on in cmocka's loop */
        forge_start(g, "living");
        for (uint64_t step = 1; step <= 60; step++) {
            forge_step(g, step);
            if (step % 4 == 0) forge_checkpoint(g, step);
            const uint64_t durable = plumb__bundle_acknowledged(g->bundle);
            if (write(pipe_of[1], &durable, sizeof durable) != sizeof durable) _exit(2);
        }
        forge_close(g);
        _exit(0);
    }
    close(pipe_of[1]);
    assert_int_equal(fcntl(pipe_of[0], F_SETFL, O_NONBLOCK), 0);
    plumb_graph_info info = {0};
    for (; !info.closed && rounds < 1000; rounds++) {
        while (read(pipe_of[0], &told, sizeof told) == sizeof told)
            continue;
        if (told == 0) {
            usleep(1000);
            assert_true(idle++ < 60000); /* the child has died */
            rounds--;
            continue;
        }
        plumb_verify_options options;
        plumb_verify_report report;
        plumb_verify_options_default(&options);
        options.trust = g->trust;
        options.full = true;
        assert_works(plumb_bundle_verify(path, &options, &report, err));
        assert_true(report.steps >= told);
        plumb_graph *graph = open_graph(g, path);
        assert_works(plumb_graph_describe(graph, &info, err));
        assert_true(info.steps_acknowledged >= told);
        plumb_query query = by(PLUMB_FIELD_LAYER, -1);
        plumb_result_free(ask(graph, &query));
        plumb_graph_free(graph);
    }
    close(pipe_of[0]);
    int code = -1;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
    assert_true(info.closed);
    assert_int_equal(info.steps_acknowledged, 60);
}

static void tightest_entries(void **state)
{
    forge *g = *state;
    for (int closed = 0; closed < 2; closed++) {
        plumb_graph_entry entries[3];
        size_t found = 0;
        if (closed == 0) {
            forge_start(g, "tight-open");
            for (uint64_t step = 1; step <= 6; step++)
                forge_step(g, step);
            forge_stop(g);
        }
        plumb_graph *graph =
            open_graph(g, closed == 0 ? fixture_path(g->f, "tight-open") : forge_whole(g, "tight"));
        assert_works(plumb_graph_tightest(graph, 3, entries, &found, err));
        assert_int_equal(found, 3);
        for (size_t i = 0; i < found; i++) {
            assert_true(entries[i].spend_nats <= entries[i].limit_nats * (1 + 1e-6));
            assert_true(entries[i].spend_nats > 0);
            const bool own = strcmp(entries[i].example, "deb:p01#role") == 0;
            assert_near(entries[i].limit_nats, own ? 0.25 : 1.5);
            if (i == 0) continue;
            assert_true(entries[i - 1].spend_nats / entries[i - 1].limit_nats >=
                        entries[i].spend_nats / entries[i].limit_nats);
        }
        plumb_graph_free(graph);
    }
}

static void damage_is_refused(void **state)
{
    forge *g = *state;
    plumb_graph *graph = NULL;
    const char *path = forge_whole(g, "damaged");
    char file[600];
    plumb__bytes bytes;
    snprintf(file, sizeof file, "%s/provenance.h5", path);
    read_bytes(file, &bytes);
    bytes.data[bytes.size / 2] ^= 1;
    write_bytes(file, bytes.data, bytes.size);
    assert_fails(plumb_graph_open(path, NULL, &graph, err), PLUMB_ERR_DIGEST,
                 "provenance.h5: its bytes are not those that were sealed");
    plumb__bytes_free(&bytes);
}

static void fields_have_names(void **state)
{
    plumb_field field;
    (void)state;
    for (int i = PLUMB_FIELD_EXAMPLE; i <= PLUMB_FIELD_STEP; i++) {
        assert_true(plumb_field_parse(plumb_field_name((plumb_field)i), &field));
        assert_int_equal(field, i);
    }
    assert_false(plumb_field_parse("examples", &field));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spends_are_the_ledgers),     cmocka_unit_test(columns_are_counted),
        cmocka_unit_test(every_grouping_adds_up),     cmocka_unit_test(annotators_count_one_over_k),
        cmocka_unit_test(the_rest_is_the_records),    cmocka_unit_test(filters_select),
        cmocka_unit_test(the_index_changes_nothing),  cmocka_unit_test(nothing_found_says_what),
        cmocka_unit_test(rewound_steps_are_left_out), cmocka_unit_test(beside_a_living_writer),
        cmocka_unit_test(tightest_entries),           cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(fields_have_names),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
