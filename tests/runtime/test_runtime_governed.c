/* Aim: governance.md section 8, properties 1 to 5 and 7, through the public API.
 * Method: random shapes and units; the exact unit gradients are known in float64 from the matrices
 * themselves (toy.h); masks are computed here from the profiles, reference scales, spends and
 * limits from the true norms. dX is not tested: it never passes through this API, so it is
 * untouched by construction. Seeds are printed on failure by cmocka's message through `seed`. */
#include "harness.h"
#include "toy.h"

#include "base/half.h"
#include "runtime/run.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VISITS 6
#define STEPS 12
#define EXAMPLES 10

static const char *const ids[] = {"e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9"};
/* Bands of the examples, as the records below state them; weights likewise. */
static const double bands[EXAMPLES][2] = {{0, 1}, {0, 0.4},     {0.6, 1}, {0.2, 0.8}, {0, 1},
                                          {0, 1}, {0.25, 0.25}, {0.5, 1}, {0, 0.6},   {0, 1}};
static const double weights[EXAMPLES] = {1, 1, 1, 1, 2, 0.5, 1, 1, 1, 0};

static const char *records(void)
{
    static char text[4096];
    size_t at = 0;
    for (size_t i = 0; i < EXAMPLES; i++)
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "{\"id\":\"%s\",\"content\":{\"sha256\":\"%064zu\",\"bytes\":3},"
                               "\"depth\":{\"band\":[%g,%g]},\"weight\":%g}\n",
                               ids[i], i, bands[i][0], bands[i][1], weights[i]);
    return text;
}

typedef struct net {
    plumb_run *run;
    toy_visit v[VISITS];
    double depth[VISITS];
} net;

static net net_open(world *w)
{
    static const struct {
        const char *name;
        plumb_layer_kind kind;
        uint64_t in, out;
        plumb_place place;
        uint32_t block;
        double depth;
    } table[VISITS] = {
        {"embed", PLUMB_EMBEDDING, 0, 6, PLUMB_AT_INPUT, 0, 0.0},
        {"blocks.0.up", PLUMB_LINEAR, 5, 7, PLUMB_IN_BLOCK, 0, 0.25},
        {"blocks.0.norm", PLUMB_NORM, 5, 5, PLUMB_IN_BLOCK, 0, 0.25},
        {"blocks.1.up", PLUMB_LINEAR, 37, 19, PLUMB_IN_BLOCK, 1, 0.75},
        {"blocks.1.bias", PLUMB_BIAS, 0, 9, PLUMB_IN_BLOCK, 1, 0.75},
        {"head", PLUMB_LINEAR, 6, 11, PLUMB_AT_HEAD, 0, 1.0},
    };
    net n = {.run = world_run(w)};
    plumb_error err;
    for (size_t i = 0; i < VISITS; i++) {
        const bool matrix = table[i].kind == PLUMB_LINEAR || table[i].kind == PLUMB_EMBEDDING;
        const uint64_t rows = table[i].kind == PLUMB_EMBEDDING ? TOY_VOCABULARY
                              : matrix                         ? table[i].out
                                                               : 1;
        n.v[i] = (toy_visit){.kind = table[i].kind, .in = table[i].in, .out = table[i].out};
        n.depth[i] = table[i].depth;
        n.v[i].layer = add_layer(n.run, table[i].name, table[i].kind, rows,
                                 table[i].kind == PLUMB_LINEAR ? table[i].in : table[i].out,
                                 table[i].place, table[i].block);
    }
    must(plumb_run_start(n.run, &err), &err);
    return n;
}

static void net_close(net *n)
{
    for (size_t i = 0; i < VISITS; i++)
        toy_free(&n->v[i]);
    plumb_run_free(n->run);
}

static void begin(net *n, uint64_t step, uint32_t micro, uint32_t units, double normaliser,
                  double scale)
{
    plumb_error err;
    plumb_step_info info;
    plumb_step_info_default(&info);
    info.step = step;
    info.micro_batches = micro;
    info.units = units;
    info.normaliser = normaliser;
    info.loss_scale = scale;
    must(plumb_step_begin(n->run, &info, &err), &err);
}

static plumb_live finish(net *n)
{
    plumb_error err;
    plumb_live live = {0};
    plumb_update_info update;
    plumb_update_info_default(&update);
    update.loss = 1.5;
    update.lr = 0.01;
    must(plumb_step_decide(n->run, &live, &err), &err);
    must(plumb_step_commit(n->run, &update, &err), &err);
    return live;
}

static void batch_weights(const toy_batch *b, double *out)
{
    for (size_t u = 0; u < b->n; u++)
        out[u] = weights[b->units[u].id[1] - '0'];
}

/* One micro-batch: draws and governs every layer. */
static void micro(net *n, const toy_batch *b, const double *magnitude, double factor, uint64_t seed)
{
    plumb_error err;
    double w[TOY_MAX_UNITS];
    batch_weights(b, w);
    must(plumb_batch_begin(n->run, b->units, b->n, b->rows, &err), &err);
    for (size_t i = VISITS; i-- > 0;) {
        toy_draw(&n->v[i], b, w, magnitude, factor, seed * 64 + i);
        must(toy_grad(n->run, &n->v[i], &err), &err);
    }
    must(toy_loss(n->run, &err), &err);
}

/* dW of a visit against sum m c g / N in float64, with masks and clips as recorded. */
static void check_dw(const net *n, size_t i, const toy_batch *b, uint32_t first_row, double factor)
{
    const toy_visit *v = &n->v[i];
    const plumb__columns *c = &n->run->columns;
    double largest = 0.0;
    for (uint64_t p = 0; p < v->params; p++) {
        double sum = 0.0;
        for (size_t u = 0; u < b->n; u++)
            sum += fabs(v->g[u * v->params + p]) * factor;
        if (sum > largest) largest = sum;
    }
    for (uint64_t p = 0; p < v->params; p++) {
        double want = 0.0;
        for (size_t u = 0; u < b->n; u++) {
            const size_t e = (first_row + u) * VISITS + i;
            want += plumb__f16_value(c->mask[e]) * plumb__f16_value(c->clip[e]) *
                    v->g[u * v->params + p] * factor;
        }
        const double error = fabs((double)v->dw[p] - want);
        if (!(error <= 4e-6 * largest)) /* NaN fails too */
            fail_msg("layer %zu, parameter %llu: %.9g, expected %.9g", i, (unsigned long long)p,
                     (double)v->dw[p], want);
    }
}

static void check_masks(const net *n, const toy_batch *b, uint32_t first_row)
{
    for (size_t u = 0; u < b->n; u++) {
        const size_t example = (size_t)(b->units[u].id[1] - '0');
        for (size_t i = 0; i < VISITS; i++) {
            const bool open = weights[example] > 0 && n->depth[i] >= bands[example][0] &&
                              n->depth[i] <= bands[example][1];
            assert_int_equal(n->run->columns.mask[(first_row + u) * VISITS + i],
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
    double ema2[VISITS];
    double ledger[EXAMPLES][VISITS];
} belief;

static void check_limits(const net *n, const toy_batch *b, belief *k, double unit, double layer,
                         double run)
{
    for (size_t i = 0; i < VISITS; i++) {
        double squares[TOY_MAX_UNITS], total = 0.0, amplitude[EXAMPLES] = {0};
        size_t open = 0;
        for (size_t u = 0; u < b->n; u++)
            if (n->run->columns.mask[u * VISITS + i])
                squares[open++] = n->v[i].norm[u] * n->v[i].norm[u];
        if (open == 0) continue;
        qsort(squares, open, sizeof *squares, compare);
        const double median = squares[(open - 1) / 2];
        const double nu2 = k->ema2[i] < 0 ? median : k->ema2[i];
        assert_true(fabs(n->run->nu_row[i] / sqrt(nu2) - 1.0) < 0.005);
        for (size_t u = 0; u < b->n; u++) {
            const size_t e = u * VISITS + i;
            const double a = plumb__f16_value(n->run->columns.mask[e]) *
                             plumb__f16_value(n->run->columns.clip[e]) * n->v[i].norm[u];
            const double spend = a * a / (2 * nu2);
            assert_true(spend <= unit * 1.01);
            total += spend;
            amplitude[b->units[u].id[1] - '0'] += a;
        }
        assert_true(total <= layer * 1.01);
        for (size_t x = 0; x < EXAMPLES; x++) {
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
    world_open(&w, records(),
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
            chosen[u] = ids[draw[0] % EXAMPLES];
            magnitude[u] = exp(3.0 * plumb_random_normal(step, 10, u));
        }
        toy_lay(&b, 8, chosen, 9, step);
        const double scale = step % 2 ? 1.0 : 1024.0, factor = scale / 17.0;
        begin(&n, step, 1, 8, 17.0, scale);
        micro(&n, &b, magnitude, factor, step);
        for (size_t i = 0; i < VISITS; i++)
            check_dw(&n, i, &b, 0, factor);
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

/* Property 3: where no limit binds the clip is exactly 1; the recorded step is what was enforced.
 */
static void test_no_limit(void **state)
{
    (void)state;
    world w;
    toy_batch b;
    world_open(&w, records(),
               ",\"budgets\":{\"unit_step_nats\":null,\"layer_step_nats\":null,"
               "\"run_nats\":null}");
    net n = net_open(&w);
    toy_lay(&b, 10, ids, 12, 3);
    begin(&n, 1, 1, 10, 4.0, 1.0);
    micro(&n, &b, NULL, 0.25, 77);
    for (size_t i = 0; i < VISITS; i++)
        check_dw(&n, i, &b, 0, 0.25);
    for (size_t e = 0; e < 10 * VISITS; e++)
        assert_int_equal(n.run->columns.clip[e], PLUMB__F16_ONE);
    const plumb_live live = finish(&n);
    assert_true(live.clipped_share == 0.0);
    assert_null(live.tightest_layer);
    assert_null(live.tightest_limit);
    plumb_error err;
    must(plumb_run_close(n.run, &err), &err);
    recorded *r = recorded_read(w.out);
    assert_int_equal(r->n, 1);
    const plumb__step *s = &r->step[0];
    assert_int_equal(s->n_units, 10);
    assert_memory_equal(s->mask, n.run->columns.mask, 10 * VISITS * 2);
    assert_memory_equal(s->norm, n.run->columns.norm, 10 * VISITS * 2);
    for (size_t u = 0; u < 10; u++)
        for (size_t i = 0; i < VISITS; i++) {
            const double stored = plumb__norm16_value(s->norm[u * VISITS + i]);
            const double truth = n.v[i].norm[u];
            if (s->mask[u * VISITS + i]) {
                assert_true(stored >= truth * (1 - 1e-5) && stored <= truth * 1.005);
                assert_int_equal(s->norm_kind[u * VISITS + i], PLUMB__NORM_EXACT);
            } else {
                assert_int_equal(s->norm[u * VISITS + i], 0);
                assert_int_equal(s->norm_kind[u * VISITS + i], PLUMB__NORM_NONE);
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
    world_open(&w, records(),
               ",\"budgets\":{\"unit_step_nats\":null,\"layer_step_nats\":null,"
               "\"run_nats\":null}");
    net n = net_open(&w);
    toy_lay(&b, 8, open, 40, 5);
    begin(&n, 1, 1, 8, 1.0, 1.0);
    micro(&n, &b, NULL, 1.0, 5);
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
    begin(&n, 1, 1, 6, 2.0, 1.0);
    double weight[6];
    batch_weights(&b, weight);
    for (size_t i = 0; i < VISITS; i++)
        toy_draw(&n.v[i], &b, weight, NULL, 0.5, 900 + i);
    if (change) change(&b, &n, 0);
    must(plumb_batch_begin(n.run, b.units, b.n, b.rows, &err), &err);
    for (size_t i = 0; i < VISITS; i++)
        must(toy_grad(n.run, &n.v[i], &err), &err);
    must(toy_loss(n.run, &err), &err);
    const plumb_live live = finish(&n);
    if (change) change(&b, &n, live.non_finite ? 2 : 1);
    size_t total = 0, at = 0;
    for (size_t i = 0; i < VISITS; i++)
        total += n.v[i].params;
    float *all = calloc(total, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < VISITS; i++) {
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
    world_open(&w, records(), "");
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
    world_open(&w, records(), "");
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
        for (size_t i = 0; i < VISITS; i++)
            n->v[i].y[b->units[1].first_row * n->v[i].out] = i % 2 ? NAN : INFINITY;
    else
        assert_int_equal(when, 2); /* reported */
}

/* Property 5: NaN and Inf in one unit change nothing of the others by one bit, and are reported. */
static void test_nan_is_isolated(void **state)
{
    (void)state;
    world w;
    world_open(&w, records(), "");
    float *poisoned = one_step(&w, "a", poison_second);
    recorded *r = recorded_read(w.out);
    assert_int_equal(r->n, 1);
    for (size_t i = 1; i < VISITS - 1; i++) { /* where e3 may act */
        assert_int_equal(r->step[0].norm_kind[VISITS + i], PLUMB__NORM_BOUND);
        assert_int_equal(r->step[0].norm[VISITS + i], PLUMB__NORM16_MAX);
        assert_int_equal(r->step[0].clip[VISITS + i], 0);
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
    world_open(&w, records(), "");
    net n = net_open(&w);
    toy_lay(&b, 8, ids, 10, 21);
    batch_weights(&b, weight);
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
    begin(&n, 1, 1, 8, 1.0, 1.0);
    must(plumb_batch_begin(n.run, b.units, b.n, b.rows, &err), &err);
    must(toy_grad(n.run, v, &err), &err);
    memcpy(whole, v->dw, v->params * sizeof *whole);
    memset(v->dw, 0, v->params * sizeof *v->dw);
    must(plumb_step_abort(n.run, "again in two parts", &err), &err);
    begin(&n, 1, 2, 8, 1.0, 1.0);
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
    finish(&n);
    free(whole);
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
    world_open(&w, records(),
               ",\"reference\":{\"fixed\":1.0},\"budgets\":{\"unit_step_nats\":null,"
               "\"layer_step_nats\":6.0,\"run_nats\":2.0}");
    net n = net_open(&w);
    toy_lay(&b, 2, same, 5, 31);
    begin(&n, 1, 3, 6, 1.0, 1.0);
    for (uint64_t m = 0; m < 3; m++)
        micro(&n, &b, NULL, 1.0, 40 + m);
    const plumb_live live = finish(&n);
    assert_true(live.clipped_share > 0.5);
    assert_string_equal(live.tightest_limit, "run");
    for (size_t i = 0; i < VISITS; i++) {
        double amplitude = 0.0;
        for (size_t u = 0; u < 6; u++) {
            const size_t e = u * VISITS + i;
            amplitude += plumb__edge_amplitude(n.run->columns.norm[e], n.run->columns.mask[e],
                                               n.run->columns.clip[e]);
        }
        const double charged = (double)n.run->ledger[i];
        assert_true(fabs(charged - amplitude * amplitude / 2.0) < 1e-5);
        assert_true(charged <= 2.0 * (1 + 1e-6) && charged >= 1.9);
    }
    /* Used up now: the next step withholds it everywhere and says why. */
    begin(&n, 2, 1, 2, 1.0, 1.0);
    micro(&n, &b, NULL, 1.0, 50);
    for (size_t i = 0; i < VISITS; i++)
        for (uint64_t p = 0; p < n.v[i].params; p++)
            assert_true(fabsf(n.v[i].dw[p]) <= 0.2f);
    finish(&n);
    for (uint64_t step = 3; step < 8; step++) {
        begin(&n, step, 1, 2, 1.0, 1.0);
        micro(&n, &b, NULL, 1.0, 50 + step);
        finish(&n);
    }
    assert_int_equal(plumb_batch_decisions(n.run)[0], PLUMB_MODULATED);
    assert_int_equal(plumb_batch_reasons(n.run)[0], PLUMB_REASON_EXHAUSTED);
    for (size_t i = 0; i < VISITS; i++) {
        assert_int_equal(n.run->live[i], 0);
        for (uint64_t p = 0; p < n.v[i].params; p++)
            assert_true(n.v[i].dw[p] == 0.0f);
    }
    net_close(&n);
    world_close(&w);
}

/* Property 7: same seed, same thread count: the same canonical payloads. */
static void test_repeatable(void **state)
{
    (void)state;
    world w;
    recorded *r[2];
    world_open(&w, records(),
               ",\"budgets\":{\"unit_step_nats\":1.0,\"layer_step_nats\":3.0,"
               "\"run_nats\":5.0}");
    for (size_t k = 0; k < 2; k++) {
        plumb_error err;
        snprintf(w.out, sizeof w.out, "%s", world_path(&w, k ? "second" : "first"));
        net n = net_open(&w);
        for (uint64_t step = 1; step <= 5; step++) {
            toy_batch b;
            toy_lay(&b, 7, ids + step % 3, 9, step);
            begin(&n, step, 1, 7, 9.0, 1.0);
            micro(&n, &b, NULL, 1.0 / 9.0, step);
            finish(&n);
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
    world_open(&w, records(),
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
    begin(&n, 1, 1, 3, 1.0, 1.0);
    must(plumb_batch_begin(n.run, b.units, b.n, b.rows, &err), &err);
    must(toy_grad(n.run, &head, &err), &err);
    must(toy_grad(n.run, &table, &err), &err);
    must(toy_loss(n.run, &err), &err);
    const plumb_live live = finish(&n);
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
    world_open(&w, records(),
               ",\"reference\":{\"fixed\":1.0},\"budgets\":{"
               "\"unit_step_nats\":0.5,\"layer_step_nats\":null,"
               "\"run_nats\":null}");
    net n = net_open(&w);
    toy_lay(&b, 2, chosen, 8, 71);
    begin(&n, 1, 1, 2, 1.0, 1.0);
    micro(&n, &b, magnitude, 1.0, 71);
    /* The head is visited first and learns the hard way; every later layer withholds the unit. */
    for (size_t i = 0; i + 1 < VISITS; i++)
        for (uint64_t p = 0; p < n.v[i].params; p++) {
            double want = 0.0;
            for (size_t u = 0; u < 2; u++)
                want += plumb__f16_value(n.run->columns.clip[u * VISITS + i]) *
                        n.v[i].g[u * n.v[i].params + p];
            assert_true(fabs((double)n.v[i].dw[p] - want) <= 1e-4);
        }
    finish(&n);
    net_close(&n);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_hold),   cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_plain_gemm),    cmocka_unit_test(test_masked_is_empty),
        cmocka_unit_test(test_permuted),      cmocka_unit_test(test_nan_is_isolated),
        cmocka_unit_test(test_micro_batches), cmocka_unit_test(test_micro_batch_limits),
        cmocka_unit_test(test_repeatable),    cmocka_unit_test(test_tied),
        cmocka_unit_test(test_hard_clip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
