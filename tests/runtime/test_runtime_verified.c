/* Aim: what the runtime writes is what the verifier, which recomputes it from manifest and policy,
 * accepts in full: masks, admission, scales, budgets, ledger, chain and signatures. Method: one run
 * through everything a step may hold (micro-batches of uneven size, empty slots, a tied weight,
 * segments, unknown ids, wrong content, weights, blocked units, an unvisited layer, loss scaling,
 * aborts, a lost stretch and a resume), under a set of policies; then verification with everything
 * on, of the open and of the closed bundle. */
#include "base/alloc.h"
#include "base/bytes.h"
#include "harness.h"
#include "toy.h"

#include "provenance/plumb_graph.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <string.h>

#define VISITS 5

/* e0 … e10: bands, weights and budgets of many kinds; e6 has two segments; clips of e8 to e10 are
 * denormal or rounded down to 0. SHA-256 is that of "abc". */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define RECORD(id, rest)                                                                           \
    "{\"id\":\"" id "\",\"content\":{\"sha256\":\"" ABC "\",\"bytes\":3}," rest "}\n"
static const char records[] = RECORD("e0", "\"depth\":{\"band\":[0,1]}")
    RECORD("e1", "\"depth\":{\"trapezoid\":[0,0.2,0.5,0.9]}")
        RECORD("e2", "\"depth\":{\"band\":[0.6,1]},\"budget\":{\"step\":0.4,\"run\":1.5}")
            RECORD("e3", "\"depth\":{\"points\":[[0,0],[1,1]]},\"weight\":0.25")
                RECORD("e4", "\"depth\":{\"layers\":{\"b0.*\":0.5,\"wte\":1}}")
                    RECORD("e5", "\"depth\":{\"band\":[0.3,0.4]}") RECORD(
                        "e6",
                        "\"depth\":{\"band\":[0,1]},\"segments\":[{\"bytes\":[0,1],\"depth\":{"
                        "\"band\":[0,0.3]}},{\"bytes\":[1,3],\"depth\":{\"band\":[0.7,1]}}]")
                        RECORD("e7", "\"depth\":{\"band\":[0,1]},\"weight\":0")
                            RECORD("e8", "\"budget\":{\"step\":1e-9}")
                                RECORD("e9", "\"budget\":{\"step\":1e-20}")
                                    RECORD("e10", "\"budget\":{\"run\":1e-20}");

typedef struct net {
    plumb_run *run;
    toy_visit v[VISITS];
    float w[16];
    plumb_named_tensor tensor;
} net;

static net *net_create(world *w)
{
    plumb_error err;
    plumb_layer_desc tied;
    net *n = calloc(1, sizeof *n);
    assert_non_null(n);
    n->run = world_run(w);
    plumb_layer_desc_default(&tied);
    tied.name = "wte";
    tied.kind = PLUMB_EMBEDDING;
    tied.rows = TOY_VOCABULARY;
    tied.cols = 6;
    tied.n_uses = 2;
    tied.uses[1].place = PLUMB_AT_HEAD;
    plumb_layer *wte = NULL;
    must(plumb_run_add_layer(n->run, &tied, &wte, &err), &err);
    plumb_layer *up = add_layer(n->run, "b0.up", PLUMB_LINEAR, 9, 6, PLUMB_IN_BLOCK, 0);
    plumb_layer *norm = add_layer(n->run, "b0.norm", PLUMB_NORM, 1, 6, PLUMB_IN_BLOCK, 0);
    plumb_layer *bias = add_layer(n->run, "b1.bias", PLUMB_BIAS, 1, 9, PLUMB_IN_BLOCK, 1);
    n->v[0] = (toy_visit){.layer = wte, .kind = PLUMB_LINEAR, .use = 1, .in = 6, .out = 11};
    n->v[1] = (toy_visit){.layer = bias, .kind = PLUMB_BIAS, .out = 9};
    n->v[2] = (toy_visit){.layer = norm, .kind = PLUMB_NORM, .in = 6, .out = 6};
    n->v[3] = (toy_visit){.layer = up, .kind = PLUMB_LINEAR, .in = 6, .out = 9};
    n->v[4] = (toy_visit){.layer = wte, .kind = PLUMB_EMBEDDING, .use = 0, .out = 6};
    n->tensor = (plumb_named_tensor){"w", PLUMB_F32, 1, {16}, n->w};
    return n;
}

static void net_free(net *n)
{
    for (size_t i = 0; i < VISITS; i++)
        toy_free(&n->v[i]);
    plumb_run_free(n->run);
    free(n);
}

/* Units of every kind, drawn from the seed; ids that no manifest holds among them. */
static void draw_batch(toy_batch *b, size_t n, uint64_t seed)
{
    static const char *const ids[] = {"e0", "e1", "e2", "e3", "e4",  "e5",
                                      "e6", "e7", "e8", "e9", "e10", "nobody"};
    const char *chosen[TOY_MAX_UNITS];
    for (size_t u = 0; u < n; u++) {
        uint32_t draw[4];
        plumb_random_block(seed, 5, u, draw);
        chosen[u] = ids[draw[0] % 12];
    }
    toy_lay(b, n, chosen, 7, seed);
    for (size_t u = 0; u < n; u++) {
        uint32_t draw[4];
        plumb_random_block(seed, 6, u, draw);
        plumb_unit *unit = &b->units[u];
        /* of e6 0, 1 and the rest are there, of the others the whole */
        if (strcmp(unit->id, "e6") == 0 || draw[0] % 16 == 1)
            unit->segment = (int32_t)(draw[0] % 5) - 2;
        if (draw[1] % 3 == 0) unit->content = draw[2] % 4 ? "abc" : "xyz", unit->content_bytes = 3;
        if (draw[3] % 8 == 0) unit->rows = 0;
    }
}

static void micro(net *n, uint64_t step, size_t units, double factor, uint64_t seed)
{
    plumb_error err;
    toy_batch b;
    double weight[TOY_MAX_UNITS], magnitude[TOY_MAX_UNITS];
    float rows[256];
    draw_batch(&b, units, seed);
    must(plumb_batch_begin(n->run, b.units, b.n, b.rows, &err), &err);
    must(plumb_loss_weights(n->run, rows, &err), &err);
    for (size_t u = 0; u < units; u++) {
        weight[u] = b.units[u].rows ? (double)rows[b.units[u].first_row] : 0.0;
        magnitude[u] = exp(2.0 * plumb_random_normal(seed, 7, u));
    }
    for (size_t i = 0; i < VISITS; i++) {
        if (i == 2 && step % 4 == 3) continue; /* an unvisited layer */
        toy_draw(&n->v[i], &b, weight, magnitude, factor, seed * 8 + i);
        if (step % 5 == 0 && b.units[0].rows) n->v[i].y[b.units[0].first_row * n->v[i].out] = NAN;
        must(toy_grad(n->run, &n->v[i], &err), &err);
    }
    must(toy_loss(n->run, &err), &err);
}

static void one_step(net *n, uint64_t step, bool commit)
{
    plumb_error err;
    plumb_step_info info;
    plumb_live live = {0};
    plumb_update_info update;
    plumb_step_info_default(&info);
    plumb_update_info_default(&update);
    info.step = step;
    info.micro_batches = 1 + (uint32_t)(step % 3);
    info.normaliser = 30.0;
    info.loss_scale = step % 2 ? 1.0 : 512.0;
    for (uint32_t m = 0; m < info.micro_batches; m++)
        info.units += 3 + m * 4;
    must(plumb_step_begin(n->run, &info, &err), &err);
    for (uint32_t m = 0; m < info.micro_batches; m++)
        micro(n, step, 3 + m * 4, info.loss_scale / 30.0, step * 100 + m);
    if (!commit) {
        must(plumb_step_abort(n->run, "found inf", &err), &err);
        return;
    }
    must(plumb_step_decide(n->run, &live, &err), &err);
    update.loss = 2.0;
    update.lr = 1e-3;
    update.n_scalars = 2;
    update.scalars[1] = 0.999;
    must(plumb_step_commit(n->run, &update, &err), &err);
}

static void train(net *n, uint64_t from, uint64_t to)
{
    for (uint64_t step = from; step <= to; step++) {
        if (step % 7 == 4) one_step(n, step, false);
        one_step(n, step, true);
    }
}

static void verify(const world *w, bool closed, uint64_t steps)
{
    plumb_error err;
    plumb_verify_options options;
    plumb_verify_report report = {0};
    plumb_verify_options_default(&options);
    options.trust = w->store;
    options.full = true;
    options.require_closed = closed;
    const plumb_status status = plumb_bundle_verify(w->out, &options, &report, &err);
    must(status, &err);
    assert_true(report.holds && report.rules_checked && report.signer_checked);
    assert_int_equal(report.steps, steps);
    assert_true(report.edges_checked > steps * 5);
}

/* The records, and one whose label and profile are longer than the graph keeps as they are. */
static char *records_with_long_texts(void)
{
    plumb__bytes text = {0};
    plumb__bytes_append_text(&text, records);
    plumb__bytes_append_text(&text, "{\"id\":\"long\",\"content\":{\"sha256\":\"" ABC
                                    "\",\"bytes\":3},\"label\":\"");
    for (int i = 0; i < 5000; i++)
        plumb__bytes_u8(&text, 'x');
    plumb__bytes_append_text(&text, "\",\"depth\":{\"points\":[[0,0]");
    for (int i = 1; i < 256; i++)
        plumb__bytes_appendf(&text, ",[%.17g,%.17g]", i / 300.0, i / 700.0);
    plumb__bytes_append_text(&text, "]}}\n");
    return (char *)(uintptr_t)plumb__bytes_text(&text);
}

static void verified(const char *policy)
{
    world w;
    plumb_error err;
    plumb_resume_info info = {0};
    char *text = records_with_long_texts();
    world_open(&w, text, policy);
    plumb__free(text);
    net *n = net_create(&w);
    must(plumb_run_start(n->run, &err), &err);
    must(plumb_checkpoint(n->run, &n->tensor, 1, &err), &err);
    train(n, 1, 12);
    must(plumb_checkpoint(n->run, &n->tensor, 1, &err), &err);
    train(n, 13, 15);
    net_free(n);
    verify(&w, false, 15);
    n = net_create(&w);
    must(plumb_run_resume(n->run, &n->tensor, 1, &info, &err), &err);
    assert_int_equal(info.step, 12);
    train(n, 13, 24);
    must(plumb_run_close(n->run, &err), &err);
    net_free(n);
    verify(&w, true, 27);
    recorded *r = recorded_read(w.out);
    assert_int_equal(r->n, 15 + 12);
    recorded_free(r);
    world_close(&w);
}

static void test_default_policy(void **state)
{
    (void)state;
    verified("");
}

static void test_tight(void **state)
{
    (void)state;
    verified(",\"budgets\":{\"unit_step_nats\":0.3,\"layer_step_nats\":0.8,\"run_nats\":1.0},"
             "\"unknown\":\"pass\",\"max_mask\":0.75");
}

static void test_fixed_scale(void **state)
{
    (void)state;
    verified(",\"budgets\":{\"unit_step_nats\":null,\"layer_step_nats\":5,\"run_nats\":20},"
             "\"unknown\":\"zero\",\"reference\":{\"fixed\":3.0},\"max_mask\":2,\"seal_steps\":4");
}

static void test_no_limits(void **state)
{
    (void)state;
    verified(",\"budgets\":{\"unit_step_nats\":null,\"layer_step_nats\":null,\"run_nats\":null},"
             "\"reference\":{\"ema\":0.5},\"starvation\":{\"steps\":2,\"action\":\"warn\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_policy),
        cmocka_unit_test(test_tight),
        cmocka_unit_test(test_fixed_scale),
        cmocka_unit_test(test_no_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
