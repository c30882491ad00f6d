/* Aim: governance.md section 8, properties 1 to 5 and 7, through the public API (limits: see
 * test_runtime_limits.c).
 * Method: random shapes and units; the exact unit gradients are known in float64 from the matrices
 * themselves (toy.h). dX is not tested: it never passes through this API, so it is untouched by
 * construction. */
#include "harness.h"
#include "toy_net.h"

#include "base/half.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Property 3: where no limit binds the clip is exactly 1; the recorded step is what was enforced.
 */
static void test_no_limit(void **state)
{
    (void)state;
    world w;
    toy_batch b;
    world_open(&w, net_records(),
               ",\"budgets\":{\"unit_step_nats\":null,\"layer_step_nats\":null,"
               "\"run_nats\":null}");
    net n = net_open(&w);
    toy_lay(&b, 10, net_ids, 12, 3);
    net_begin(&n, 1, 1, 10, 4.0, 1.0);
    net_micro(&n, &b, NULL, 0.25, 77);
    for (size_t i = 0; i < NET_VISITS; i++)
        net_check_dw(&n, i, &b, 0, 0.25);
    for (size_t e = 0; e < 10 * NET_VISITS; e++)
        assert_int_equal(n.run->columns.clip[e], PLUMB__F16_ONE);
    const plumb_live live = net_finish(&n);
    assert_true(live.clipped_share == 0.0);
    assert_null(live.tightest_layer);
    assert_null(live.tightest_limit);
    plumb_error err;
    must(plumb_run_close(n.run, &err), &err);
    recorded *r = recorded_read(w.out);
    assert_int_equal(r->n, 1);
    const plumb__step *s = &r->step[0];
    assert_int_equal(s->n_units, 10);
    assert_memory_equal(s->mask, n.run->columns.mask, 10 * NET_VISITS * 2);
    assert_memory_equal(s->norm, n.run->columns.norm, 10 * NET_VISITS * 2);
    for (size_t u = 0; u < 10; u++)
        for (size_t i = 0; i < NET_VISITS; i++) {
            const double stored = plumb__norm16_value(s->norm[u * NET_VISITS + i]);
            const double truth = n.v[i].norm[u];
            if (s->mask[u * NET_VISITS + i]) {
                assert_true(stored >= truth * (1 - 1e-5) && stored <= truth * 1.005);
                assert_int_equal(s->norm_kind[u * NET_VISITS + i], PLUMB__NORM_EXACT);
            } else {
                assert_int_equal(s->norm[u * NET_VISITS + i], 0);
                assert_int_equal(s->norm_kind[u * NET_VISITS + i], PLUMB__NORM_NONE);
            }
        }
    assert_int_equal(s->decision[9], PLUMB_REJECTED);
    assert_int_equal(s->reason[9], PLUMB_REASON_ZERO_WEIGHT);
    assert_int_equal(s->decision[4], PLUMB_MODULATED);
    assert_int_equal(s->reason[4], PLUMB_REASON_WEIGHT);
    assert_int_equal(s->decision[0], PLUMB_ADMITTED);
    recorded_free(r);
    net_close(&n);
    world_close(&w);
}

/* Property 1, last part: all masks 1 and no limit: at most twice the ungoverned GEMM's own error.
 */
static void test_plain_gemm(void **state)
{
    (void)state;
    world w;
    toy_batch b;
    static const char *const open[] = {"e0", "e4", "e5", "e0", "e4", "e5", "e0", "e4"};
    world_open(&w, net_records(),
               ",\"budgets\":{\"unit_step_nats\":null,\"layer_step_nats\":null,"
               "\"run_nats\":null}");
    net n = net_open(&w);
    toy_lay(&b, 8, open, 40, 5);
    net_begin(&n, 1, 1, 8, 1.0, 1.0);
    net_micro(&n, &b, NULL, 1.0, 5);
    toy_visit *v = &n.v[3];
    /* Padding rows belong to no unit: the ungoverned operation must not see them either. */
    for (uint64_t r = 0; r < v->rows; r++) {
        bool owned = false;
        for (size_t u = 0; u < b.n; u++)
            owned =
                owned || (r >= b.units[u].first_row && r < b.units[u].first_row + b.units[u].rows);
        if (!owned) memset(v->y + r * v->out, 0, v->out * sizeof *v->y);
    }
    float *plain = calloc(v->params, sizeof *plain);
    assert_non_null(plain);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)v->out, (int)v->in, (int)v->rows,
                1.0f, v->y, (int)v->out, v->x, (int)v->in, 0.0f, plain, (int)v->in);
    double governed_error = 0.0, plain_error = 0.0;
    for (uint64_t p = 0; p < v->params; p++) {
        double want = 0.0;
        for (size_t u = 0; u < b.n; u++)
            want += v->g[u * v->params + p];
        governed_error += ((double)v->dw[p] - want) * ((double)v->dw[p] - want);
        plain_error += ((double)plain[p] - want) * ((double)plain[p] - want);
    }
    assert_true(sqrt(governed_error) <= 2.0 * sqrt(plain_error) + 1e-12);
    free(plain);
    net_close(&n);
    world_close(&w);
}

/* Runs one step of 6 units and copies every dW; `change` may alter the batch and the matrices. */
typedef void change_fn(toy_batch *b, net *n, int when);

static float *one_step(world *w, const char *out, change_fn *change)
{
    plumb_error err;
    toy_batch b;
    static const char *const chosen[] = {"e0", "e3", "e1", "e4", "e2", "e0"};
    snprintf(w->out, sizeof w->out, "%s", world_path(w, out));
    net n = net_open(w);
    toy_lay(&b, 6, chosen, 15, 11);
    net_begin(&n, 1, 1, 6, 2.0, 1.0);
    double weight[6];
    net_weights(&b, weight);
    for (size_t i = 0; i < NET_VISITS; i++)
        toy_draw(&n.v[i], &b, weight, NULL, 0.5, 900 + i);
    if (change) change(&b, &n, 0);
    must(plumb_batch_begin(n.run, b.units, b.n, b.rows, &err), &err);
    for (size_t i = 0; i < NET_VISITS; i++)
        must(toy_grad(n.run, &n.v[i], &err), &err);
    must(toy_loss(n.run, &err), &err);
    const plumb_live live = net_finish(&n);
    if (change) change(&b, &n, live.non_finite ? 2 : 1);
    size_t total = 0, at = 0;
    for (size_t i = 0; i < NET_VISITS; i++)
        total += n.v[i].params;
    float *all = calloc(total, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < NET_VISITS; i++) {
        memcpy(all + at, n.v[i].dw, n.v[i].params * sizeof *all);
        at += n.v[i].params;
    }
    net_close(&n);
    return all;
}

static const size_t head_at = TOY_VOCABULARY * 6 + 35 + 10 + 37 * 19 + 9,
                    all_params = TOY_VOCABULARY * 6 + 35 + 10 + 37 * 19 + 9 + 66;

static void empty_second(toy_batch *b, net *n, int when)
{
    (void)n;
    if (when == 0) b->units[1].rows = 0;
}

/* Property 2: e3 (band 0.2 to 0.8) has mask 0 at embedding and head; there dW is that of an empty
 * slot. */
static void test_masked_is_empty(void **state)
{
    (void)state;
    world w;
    world_open(&w, net_records(), "");
    float *with = one_step(&w, "a", NULL), *without = one_step(&w, "b", empty_second);
    assert_memory_equal(with, without, TOY_VOCABULARY * 6 * sizeof *with);
    assert_memory_equal(with + head_at, without + head_at, 66 * sizeof *with);
    assert_memory_not_equal(with, without, all_params * sizeof *with);
    free(with);
    free(without);
    world_close(&w);
}

/* Swaps the slot order of units 1 and 4, not their rows. */
static void swap_slots(toy_batch *b, net *n, int when)
{
    (void)n;
    if (when != 0) return;
    const plumb_unit u = b->units[1];
    b->units[1] = b->units[4];
    b->units[4] = u;
}

/* Property 4, first half: permuting units changes results within rounding only. */
static void test_permuted(void **state)
{
    (void)state;
    world w;
    world_open(&w, net_records(), "");
    float *a = one_step(&w, "a", NULL), *b = one_step(&w, "b", swap_slots);
    for (size_t p = 0; p < all_params; p++)
        assert_true(fabsf(a[p] - b[p]) <= 2e-5f);
    free(a);
    free(b);
    world_close(&w);
}

static void poison_second(toy_batch *b, net *n, int when)
{
    if (when == 0)
        for (size_t i = 0; i < NET_VISITS; i++)
            n->v[i].y[b->units[1].first_row * n->v[i].out] = i % 2 ? NAN : INFINITY;
    else
        assert_int_equal(when, 2); /* reported */
}

/* Property 5: NaN and Inf in one unit change nothing of the others by one bit, and are reported. */
static void test_nan_is_isolated(void **state)
{
    (void)state;
    world w;
    world_open(&w, net_records(), "");
    float *poisoned = one_step(&w, "a", poison_second);
    recorded *r = recorded_read(w.out);
    assert_int_equal(r->n, 1);
    for (size_t i = 1; i < NET_VISITS - 1; i++) { /* where e3 may act */
        assert_int_equal(r->step[0].norm_kind[NET_VISITS + i], PLUMB__NORM_BOUND);
        assert_int_equal(r->step[0].norm[NET_VISITS + i], PLUMB__NORM16_MAX);
        assert_int_equal(r->step[0].clip[NET_VISITS + i], 0);
    }
    bool event = false;
    for (size_t i = 0; i < r->n_texts; i++)
        event = event || strstr(plumb__bytes_text(&r->text[i]), "\"event\":\"nonfinite\"") != NULL;
    assert_true(event);
    recorded_free(r);
    float *without = one_step(&w, "b", empty_second);
    assert_memory_equal(poisoned, without, all_params * sizeof *poisoned);
    free(poisoned);
    free(without);
    world_close(&w);
}

/* Property 4, second half: two micro-batches give the dW of one when no step limit binds. */
static void test_micro_batches(void **state)
{
    (void)state;
    world w;
    toy_batch b, half[2];
    double weight[8];
    plumb_error err;
    world_open(&w, net_records(), "");
    net n = net_open(&w);
    toy_lay(&b, 8, net_ids, 10, 21);
    net_weights(&b, weight);
    const uint64_t cut = b.units[4].first_row;
    half[0] = half[1] = b;
    half[0].n = half[1].n = 4;
    half[0].rows = cut;
    half[1].rows = b.rows - cut;
    for (size_t u = 0; u < 4; u++) {
        half[1].units[u] = b.units[4 + u];
        half[1].units[u].first_row -= cut;
    }
    toy_visit *v = &n.v[3];
    toy_draw(v, &b, weight, NULL, 1.0, 4);
    float *whole = calloc(v->params, sizeof *whole);
    assert_non_null(whole);
    net_begin(&n, 1, 1, 8, 1.0, 1.0);
    must(plumb_batch_begin(n.run, b.units, b.n, b.rows, &err), &err);
    must(toy_grad(n.run, v, &err), &err);
    memcpy(whole, v->dw, v->params * sizeof *whole);
    memset(v->dw, 0, v->params * sizeof *v->dw);
    must(plumb_step_abort(n.run, "again in two parts", &err), &err);
    net_begin(&n, 1, 2, 8, 1.0, 1.0);
    const toy_visit all = *v;
    for (size_t h = 0; h < 2; h++) {
        must(plumb_batch_begin(n.run, half[h].units, 4, half[h].rows, &err), &err);
        v->rows = half[h].rows;
        v->x = all.x + (h ? cut * v->in : 0);
        v->y = all.y + (h ? cut * v->out : 0);
        must(toy_grad(n.run, v, &err), &err);
        must(toy_loss(n.run, &err), &err);
    }
    *v = all;
    for (uint64_t p = 0; p < v->params; p++)
        assert_true(fabsf(whole[p] - v->dw[p]) <= 2e-5f);
    net_finish(&n);
    free(whole);
    net_close(&n);
    world_close(&w);
}

/* Property 7, the stronger half that the kernels promise: the number of threads changes no bit. */
static void test_threads(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    world_open(&w, net_records(), "");
    must(plumb_threads_set(1, &err), &err);
    float *one = one_step(&w, "a", NULL);
    must(plumb_threads_set(3, &err), &err);
    float *three = one_step(&w, "b", NULL);
    must(plumb_threads_set(0, &err), &err);
    assert_memory_equal(one, three, all_params * sizeof *one);
    free(one);
    free(three);
    world_close(&w);
}

/* Property 7: same seed, same thread count: the same canonical payloads. */
static void test_repeatable(void **state)
{
    (void)state;
    world w;
    recorded *r[2];
    world_open(&w, net_records(),
               ",\"budgets\":{\"unit_step_nats\":1.0,\"layer_step_nats\":3.0,"
               "\"run_nats\":5.0}");
    for (size_t k = 0; k < 2; k++) {
        plumb_error err;
        snprintf(w.out, sizeof w.out, "%s", world_path(&w, k ? "second" : "first"));
        net n = net_open(&w);
        for (uint64_t step = 1; step <= 5; step++) {
            toy_batch b;
            toy_lay(&b, 7, net_ids + step % 3, 9, step);
            net_begin(&n, step, 1, 7, 9.0, 1.0);
            net_micro(&n, &b, NULL, 1.0 / 9.0, step);
            net_finish(&n);
        }
        must(plumb_run_close(n.run, &err), &err);
        net_close(&n);
        r[k] = recorded_read(w.out);
        assert_int_equal(r[k]->n, 5);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(r[0]->payload[i].size, r[1]->payload[i].size);
        assert_memory_equal(r[0]->payload[i].data, r[1]->payload[i].data, r[0]->payload[i].size);
    }
    recorded_free(r[0]);
    recorded_free(r[1]);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limit),        cmocka_unit_test(test_plain_gemm),
        cmocka_unit_test(test_masked_is_empty), cmocka_unit_test(test_permuted),
        cmocka_unit_test(test_nan_is_isolated), cmocka_unit_test(test_micro_batches),
        cmocka_unit_test(test_threads),         cmocka_unit_test(test_repeatable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
