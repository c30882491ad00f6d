/* Aim: limits hold, on the numbers that are true and not only on those that are recorded.
 * Method: random shapes and units over many steps; the exact unit gradients are known in float64
 * from the matrices themselves (toy.h); masks are computed here from the bands, reference scales,
 * spends and limits from the true norms, within 1 %. */
#include "harness.h"
#include "toy_net.h"

#include "base/half.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 12

static void check_masks(const net *n, const toy_batch *b, uint32_t first_row)
{
    for (size_t u = 0; u < b->n; u++) {
        const size_t example = (size_t)(b->units[u].id[1] - '0');
        for (size_t i = 0; i < NET_VISITS; i++) {
            const bool open = net_example_weights[example] > 0 &&
                              n->depth[i] >= net_bands[example][0] &&
                              n->depth[i] <= net_bands[example][1];
            assert_int_equal(n->run->columns.mask[(first_row + u) * NET_VISITS + i],
                             open ? PLUMB__F16_ONE : 0);
        }
    }
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What the test itself believes about scales and ledger, from true norms. */
typedef struct belief {
    double ema2[NET_VISITS];
    double ledger[NET_EXAMPLES][NET_VISITS];
} belief;

static void check_limits(const net *n, const toy_batch *b, belief *k, double unit, double layer,
                         double run)
{
    for (size_t i = 0; i < NET_VISITS; i++) {
        double squares[TOY_MAX_UNITS], total = 0.0, amplitude[NET_EXAMPLES] = {0};
        size_t open = 0;
        for (size_t u = 0; u < b->n; u++)
            if (n->run->columns.mask[u * NET_VISITS + i])
                squares[open++] = n->v[i].norm[u] * n->v[i].norm[u];
        if (open == 0) continue;
        qsort(squares, open, sizeof *squares, compare);
        const double median = squares[(open - 1) / 2];
        const double nu2 = k->ema2[i] < 0 ? median : k->ema2[i];
        assert_true(fabs(n->run->nu_row[i] / sqrt(nu2) - 1.0) < 0.005);
        for (size_t u = 0; u < b->n; u++) {
            const size_t e = u * NET_VISITS + i;
            const double a = plumb__f16_value(n->run->columns.mask[e]) *
                             plumb__f16_value(n->run->columns.clip[e]) * n->v[i].norm[u];
            const double spend = a * a / (2 * nu2);
            assert_true(spend <= unit * 1.01);
            total += spend;
            amplitude[b->units[u].id[1] - '0'] += a;
        }
        assert_true(total <= layer * 1.01);
        for (size_t x = 0; x < NET_EXAMPLES; x++) {
            k->ledger[x][i] += amplitude[x] * amplitude[x] / (2 * nu2);
            assert_true(k->ledger[x][i] <= run * 1.01);
        }
        k->ema2[i] = k->ema2[i] < 0 ? median : 0.9 * k->ema2[i] + 0.1 * median;
    }
}

/* Property 1 and 3 and the limits, over many steps, with examples that repeat within a step. */
static void test_limits_hold(void **state)
{
    (void)state;
    static const double unit = 0.8, layer = 1.5, run = 4.0;
    world w;
    world_open(&w, net_records(),
               ",\"budgets\":{\"unit_step_nats\":0.8,\"layer_step_nats\":1.5,\"run_nats\":4.0}");
    net n = net_open(&w);
    belief k = {.ema2 = {-1, -1, -1, -1, -1, -1}};
    bool clipped = false;
    for (uint64_t step = 1; step <= STEPS; step++) {
        toy_batch b;
        const char *chosen[8];
        double magnitude[8];
        for (size_t u = 0; u < 8; u++) {
            uint32_t draw[4];
            plumb_random_block(step, 9, u, draw);
            chosen[u] = net_ids[draw[0] % NET_EXAMPLES];
            magnitude[u] = exp(3.0 * plumb_random_normal(step, 10, u));
        }
        toy_lay(&b, 8, chosen, 9, step);
        const double scale = step % 2 ? 1.0 : 1024.0, factor = scale / 17.0;
        net_begin(&n, step, 1, 8, 17.0, scale);
        net_micro(&n, &b, magnitude, factor, step);
        for (size_t i = 0; i < NET_VISITS; i++)
            net_check_dw(&n, i, &b, 0, factor);
        check_masks(&n, &b, 0);
        plumb_live live = {0};
        plumb_error err;
        plumb_update_info update;
        plumb_update_info_default(&update);
        must(plumb_step_decide(n.run, &live, &err), &err);
        check_limits(&n, &b, &k, unit, layer, run);
        must(plumb_step_commit(n.run, &update, &err), &err);
        clipped = clipped || live.clipped_share > 0.0;
        assert_false(live.non_finite);
    }
    assert_true(clipped);
    net_close(&n);
    world_close(&w);
}

/* Micro-batches share the layer's limit by the units declared, and one example's amplitudes add up
 * over them: the run limit holds for their sum. */
static void test_micro_batch_limits(void **state)
{
    (void)state;
    world w;
    toy_batch b;
    static const char *const same[] = {"e0", "e0"};
    world_open(&w, net_records(),
               ",\"reference\":{\"fixed\":1.0},\"budgets\":{\"unit_step_nats\":null,"
               "\"layer_step_nats\":6.0,\"run_nats\":2.0}");
    net n = net_open(&w);
    toy_lay(&b, 2, same, 5, 31);
    net_begin(&n, 1, 3, 6, 1.0, 1.0);
    for (uint64_t m = 0; m < 3; m++)
        net_micro(&n, &b, NULL, 1.0, 40 + m);
    const plumb_live live = net_finish(&n);
    assert_true(live.clipped_share > 0.5);
    assert_string_equal(live.tightest_limit, "run");
    for (size_t i = 0; i < NET_VISITS; i++) {
        double amplitude = 0.0;
        for (size_t u = 0; u < 6; u++) {
            const size_t e = u * NET_VISITS + i;
            amplitude += plumb__edge_amplitude(n.run->columns.norm[e], n.run->columns.mask[e],
                                               n.run->columns.clip[e]);
        }
        const double charged = (double)n.run->ledger[i];
        assert_true(fabs(charged - amplitude * amplitude / 2.0) < 1e-5);
        assert_true(charged <= 2.0 * (1 + 1e-6) && charged >= 1.9);
    }
    /* Used up now: the next step withholds it everywhere and says why. */
    net_begin(&n, 2, 1, 2, 1.0, 1.0);
    net_micro(&n, &b, NULL, 1.0, 50);
    for (size_t i = 0; i < NET_VISITS; i++)
        for (uint64_t p = 0; p < n.v[i].params; p++)
            assert_true(fabsf(n.v[i].dw[p]) <= 0.2f);
    net_finish(&n);
    for (uint64_t step = 3; step < 8; step++) {
        net_begin(&n, step, 1, 2, 1.0, 1.0);
        net_micro(&n, &b, NULL, 1.0, 50 + step);
        net_finish(&n);
    }
    assert_int_equal(plumb_batch_decisions(n.run)[0], PLUMB_MODULATED);
    assert_int_equal(plumb_batch_reasons(n.run)[0], PLUMB_REASON_EXHAUSTED);
    for (size_t i = 0; i < NET_VISITS; i++) {
        assert_int_equal(n.run->live[i], 0);
        for (uint64_t p = 0; p < n.v[i].params; p++)
            assert_true(n.v[i].dw[p] == 0.0f);
    }
    net_close(&n);
    world_close(&w);
}

/* A tied weight: embedding at depth 0 and head at depth 1, one ledger, charged (a+b)^2 / 2 nu^2. */
static void test_tied(void **state)
{
    (void)state;
    world w;
    toy_batch b;
    plumb_error err;
    plumb_layer *layer = NULL;
    plumb_layer_desc d;
    static const char *const chosen[] = {"e0", "e1", "e2"};
    const double weight[] = {1, 1, 1};
    world_open(&w, net_records(),
               ",\"reference\":{\"fixed\":2.0},\"budgets\":{\"run_nats\":30.0,"
               "\"unit_step_nats\":8.0,\"layer_step_nats\":null}");
    net n = {.run = world_run(&w)};
    plumb_layer_desc_default(&d);
    d.name = "wte";
    d.kind = PLUMB_EMBEDDING;
    d.rows = TOY_VOCABULARY;
    d.cols = 8;
    d.n_uses = 2;
    d.uses[1].place = PLUMB_AT_HEAD;
    must(plumb_run_add_layer(n.run, &d, &layer, &err), &err);
    must(plumb_run_start(n.run, &err), &err);
    toy_lay(&b, 3, chosen, 6, 61);
    toy_visit table = {.layer = layer, .kind = PLUMB_EMBEDDING, .use = 0, .out = 8};
    toy_visit head = {
        .layer = layer, .kind = PLUMB_LINEAR, .use = 1, .in = 8, .out = TOY_VOCABULARY};
    toy_draw(&table, &b, weight, NULL, 1.0, 1);
    toy_draw(&head, &b, weight, NULL, 1.0, 2);
    net_begin(&n, 1, 1, 3, 1.0, 1.0);
    must(plumb_batch_begin(n.run, b.units, b.n, b.rows, &err), &err);
    must(toy_grad(n.run, &head, &err), &err);
    must(toy_grad(n.run, &table, &err), &err);
    must(toy_loss(n.run, &err), &err);
    const plumb_live live = net_finish(&n);
    assert_int_equal(live.n, 1);
    assert_int_equal(live.live[0], 1);
    const plumb__columns *c = &n.run->columns;
    /* e0 acts at both uses, e1 (0 to 0.4) at the first, e2 (0.6 to 1) at the second. */
    assert_int_equal(c->mask[2], PLUMB__F16_ONE);
    assert_int_equal(c->mask[3], 0);
    assert_int_equal(c->mask[4], 0);
    assert_int_equal(c->mask[5], PLUMB__F16_ONE);
    const double a0 = plumb__f16_value(c->clip[0]) * table.norm[0];
    const double b0 = plumb__f16_value(c->clip[1]) * head.norm[0];
    const double charged = (double)n.run->ledger[0] + (double)n.run->ledger[1];
    assert_true(fabs(charged / ((a0 + b0) * (a0 + b0) / 8.0) - 1.0) < 0.01);
    assert_true(charged <= 8.0 * 1.01);
    /* Half the norm allowance for each use. */
    assert_true(a0 <= 0.5 * sqrt(2 * 8.0) * 2.0 * 1.005);
    assert_true(b0 <= 0.5 * sqrt(2 * 8.0) * 2.0 * 1.005);
    toy_free(&table);
    toy_free(&head);
    plumb_run_free(n.run);
    world_close(&w);
}

/* A unit whose gradient is enormous but finite: what is left of it after clipping must not be
 * buried in the rounding of what was taken back. */
static void test_hard_clip(void **state)
{
    (void)state;
    world w;
    toy_batch b;
    const double magnitude[] = {1e6, 1.0};
    static const char *const chosen[] = {"e0", "e0"};
    world_open(&w, net_records(),
               ",\"reference\":{\"fixed\":1.0},\"budgets\":{"
               "\"unit_step_nats\":0.5,\"layer_step_nats\":null,"
               "\"run_nats\":null}");
    net n = net_open(&w);
    toy_lay(&b, 2, chosen, 8, 71);
    net_begin(&n, 1, 1, 2, 1.0, 1.0);
    net_micro(&n, &b, magnitude, 1.0, 71);
    /* The head is visited first and learns the hard way; every later layer withholds the unit. */
    for (size_t i = 0; i + 1 < NET_VISITS; i++)
        for (uint64_t p = 0; p < n.v[i].params; p++) {
            double want = 0.0;
            for (size_t u = 0; u < 2; u++)
                want += plumb__f16_value(n.run->columns.clip[u * NET_VISITS + i]) *
                        n.v[i].g[u * n.v[i].params + p];
            assert_true(fabs((double)n.v[i].dw[p] - want) <= 1e-4);
        }
    net_finish(&n);
    net_close(&n);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_hold),
        cmocka_unit_test(test_micro_batch_limits),
        cmocka_unit_test(test_tied),
        cmocka_unit_test(test_hard_clip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
