/* Aim: what a run learned from certain records is told exactly: the spends of plumb_graph_query,
 * the units and steps that moved each layer, and which checkpoints contain it, also after a rewind.
 * Method: runs made by run_forge.h; numbers compared with queries for the same records and with a
 * plain loop over the rule by which run_forge.h draws its units. */
#include "run_forge.h"

#include "provenance/plumb_impact.h"

#include <math.h>
#include <string.h>

static plumb_graph *open_graph(forge *g, const char *path)
{
    plumb_graph *graph = NULL;
    assert_works(plumb_graph_open(path, g->trust, &graph, err));
    return graph;
}

static plumb_impact *impact_of(plumb_graph *graph, const char *const *ids, size_t n)
{
    plumb_impact *impact = NULL;
    assert_works(plumb_graph_impact(graph, ids, n, &impact, err));
    return impact;
}

static void assert_near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-9 * fmax(1, fabs(expected))))
        fail_msg("found %.12g, expected %.12g", found, expected);
}

/* Spend at a layer of one example, of all where id is NULL. */
static double queried(plumb_graph *graph, const char *id, const char *layer)
{
    plumb_query query;
    plumb_result *result = NULL;
    plumb_query_default(&query);
    query.example = id;
    query.layer = layer;
    assert_works(plumb_graph_query(graph, &query, &result, err));
    const double nats = plumb_result_row(result, 0)->spend_nats;
    plumb_result_free(result);
    return nats;
}

static const char *const two[] = {"deb:abgate#use", "deb:p03#use"};

static void spends_are_the_querys(void **state)
{
    forge *g = *state;
    plumb_graph *graph = open_graph(g, forge_whole(g, "impact"));
    plumb_impact *impact = impact_of(graph, two, 2);
    plumb_impact_info info;
    double total = 0;
    plumb_impact_describe(impact, &info);
    assert_int_equal(info.asked, 2);
    assert_int_equal(info.known, 2);
    assert_int_equal(info.used, 2);
    assert_true(info.closed && info.signer_checked);
    assert_string_equal(info.vendor, "acme");
    assert_string_equal(info.dataset, "set");
    assert_int_equal(info.manifest_version, 1);
    assert_int_equal(info.layers, 2); /* conceptual: the head's use and the deep layer */
    for (size_t i = 0; i < info.layers; i++) {
        const plumb_impact_layer layer = plumb_impact_layer_at(impact, i);
        const double nats = queried(graph, two[0], layer.name) + queried(graph, two[1], layer.name);
        assert_near(layer.spend_nats, nats);
        assert_near(layer.share, nats / queried(graph, NULL, layer.name));
        assert_true(i == 0 || plumb_impact_layer_at(impact, i - 1).spend_nats >= nats);
        total += nats;
    }
    assert_near(info.spend_nats, total);
    assert_near(info.share, total / queried(graph, NULL, NULL));
    assert_true(total > 0);
    plumb_impact_free(impact);
    plumb_graph_free(graph);
}

/* Units of step s are records (3 s + u % 6) % 12, u from 0 to 6: number 9 in steps 2, 3 (twice) and
 * 6; number 3 in steps 1, 4 and 5 … */
static void units_and_steps(void **state)
{
    forge *g = *state;
    plumb_graph *graph = open_graph(g, forge_whole(g, "units"));
    uint64_t units = 0, steps = 0, first = 0, last = 0;
    for (uint64_t s = 1; s <= 6; s++) {
        const uint64_t before = units;
        for (uint64_t u = 0; u < 7; u++)
            units += (3 * s + u % 6) % FORGE_RECORDS == 9;
        if (units == before) continue;
        steps++;
        if (first == 0) first = s;
        last = s;
    }
    plumb_impact *impact = impact_of(graph, two, 1);
    plumb_impact_info info;
    plumb_impact_describe(impact, &info);
    assert_int_equal(info.units, units);
    assert_int_equal(info.steps, steps);
    assert_int_equal(info.first_step, first);
    assert_int_equal(info.last_step, last);
    const plumb_impact_layer layer = plumb_impact_layer_at(impact, 0);
    assert_int_equal(layer.first_step, first);
    assert_int_equal(layer.steps, steps);
    assert_string_equal(plumb_impact_layer_at(impact, 99).name, "");
    plumb_impact_free(impact);
    plumb_graph_free(graph);
}

/* Weight 0 and an id that the manifest lacks: nothing was learned. */
static void nothing_learned(void **state)
{
    forge *g = *state;
    static const char *const ids[] = {"deb:p10#role", "nobody", "nobody"};
    plumb_graph *graph = open_graph(g, forge_whole(g, "nothing"));
    plumb_impact *impact = impact_of(graph, ids, 3);
    plumb_impact_info info;
    plumb_impact_describe(impact, &info);
    assert_int_equal(info.asked, 2); /* one was named twice */
    assert_int_equal(info.known, 1);
    assert_int_equal(info.used, 1);
    assert_true(info.units > 0);
    assert_int_equal(info.moved, 0);
    assert_int_equal(info.layers, 0);
    assert_int_equal(info.first_step, 0);
    assert_int_equal(info.checkpoints, 2);
    for (size_t i = 0; i < 2; i++)
        assert_false(plumb_impact_checkpoint_at(impact, i).contains);
    plumb_impact_free(impact);
    plumb_graph_free(graph);
}

static void checkpoints_contain_what_came_before(void **state)
{
    forge *g = *state;
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb_graph *graph = open_graph(g, forge_whole(g, "checkpoints"));
    plumb_impact *impact = impact_of(graph, NULL, 0);
    plumb_impact_info info;
    plumb_impact_describe(impact, &info);
    assert_int_equal(info.asked, FORGE_RECORDS);
    assert_int_equal(info.checkpoints, 2);
    const plumb_impact_checkpoint start = plumb_impact_checkpoint_at(impact, 0),
                                  third = plumb_impact_checkpoint_at(impact, 1);
    assert_string_equal(start.file, "step-0.safetensors");
    assert_false(start.contains);
    assert_string_equal(third.file, "step-3.safetensors");
    assert_int_equal(third.step, 3);
    assert_true(third.contains);
    const char *data = "weights after step 3 of attempt 0";
    const plumb__hash digest = plumb__blake2b(data, strlen(data));
    plumb__hash_hex(&digest, hex);
    assert_string_equal(third.digest, hex);
    plumb_impact_free(impact);
    plumb_graph_free(graph);
}

/* Record 0 is in step 3 alone, and step 3 is undone: the checkpoint of the second attempt is
 * without it. */
static void a_step_that_was_undone(void **state)
{
    forge *g = *state;
    static const char *const undone[] = {"deb:p00#use"}, *const kept[] = {"deb:p03#use"};
    plumb_impact_info info;
    forge_start(g, "rewound");
    forge_step(g, 1);
    forge_checkpoint(g, 1);
    forge_step(g, 2);
    forge_step(g, 3);
    forge_stop(g);
    forge_resume(g, "rewound", 3, 1);
    forge_step(g, 2);
    forge_checkpoint(g, 2);
    forge_close(g);
    plumb_graph *graph = open_graph(g, fixture_path(g->f, "rewound"));
    plumb_impact *impact = impact_of(graph, undone, 1);
    plumb_impact_describe(impact, &info);
    assert_int_equal(info.used, 0);
    assert_int_equal(info.checkpoints, 3);
    for (size_t i = 0; i < 3; i++)
        assert_false(plumb_impact_checkpoint_at(impact, i).contains);
    plumb_impact_free(impact);
    impact = impact_of(graph, kept, 1);
    assert_false(plumb_impact_checkpoint_at(impact, 0).contains);
    assert_true(plumb_impact_checkpoint_at(impact, 1).contains);
    assert_true(plumb_impact_checkpoint_at(impact, 2).contains);
    plumb_impact_free(impact);
    plumb_graph_free(graph);
}

/* The same of a run that is still open. */
static void an_open_run(void **state)
{
    forge *g = *state;
    plumb_impact_info info;
    forge_start(g, "open");
    forge_step(g, 1);
    assert_works(plumb__bundle_flush(g->bundle, err));
    plumb_graph *graph = open_graph(g, fixture_path(g->f, "open"));
    plumb_impact *impact = impact_of(graph, two, 2);
    plumb_impact_describe(impact, &info);
    assert_false(info.closed);
    assert_int_equal(info.used, 1);
    assert_int_equal(info.first_step, 1);
    plumb_impact_free(impact);
    plumb_graph_free(graph);
    forge_stop(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spends_are_the_querys),
        cmocka_unit_test(units_and_steps),
        cmocka_unit_test(nothing_learned),
        cmocka_unit_test(checkpoints_contain_what_came_before),
        cmocka_unit_test(a_step_that_was_undone),
        cmocka_unit_test(an_open_run),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
