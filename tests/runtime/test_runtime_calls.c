/* Aim: calls out of order, bad arguments, admission decisions, and what a step allocates.
 * Method: each misuse once, its exact message, and that the run is usable afterwards as if the call
 * had not been made. */
#include "harness.h"
#include "toy.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "runtime/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char records[] =
    "{\"id\":\"a\",\"content\":{\"sha256\":"
    "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\"bytes\":3},"
    "\"depth\":{\"band\":[0,1]}}\n"
    "{\"id\":\"b\",\"content\":{\"sha256\":"
    "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\"bytes\":3},"
    "\"depth\":{\"band\":[0.1,0.2]},\"weight\":0.5}\n";

typedef struct small {
    world w;
    plumb_run *run;
    plumb_layer *up, *bias;
    toy_visit v[2];
} small;

static void small_open_config(small *s, const char *policy)
{
    world_open(&s->w, records, policy);
    s->run = world_run(&s->w);
    s->up = add_layer(s->run, "up", PLUMB_LINEAR, 3, 4, PLUMB_AT_HEAD, 0);
    s->bias = add_layer(s->run, "bias", PLUMB_BIAS, 1, 3, PLUMB_AT_HEAD, 0);
    s->v[0] = (toy_visit){.layer = s->up, .kind = PLUMB_LINEAR, .in = 4, .out = 3};
    s->v[1] = (toy_visit){.layer = s->bias, .kind = PLUMB_BIAS, .out = 3};
}

static void small_open(small *s, const char *policy)
{
    plumb_error err;
    small_open_config(s, policy);
    must(plumb_run_start(s->run, &err), &err);
}

static void small_close(small *s)
{
    toy_free(&s->v[0]);
    toy_free(&s->v[1]);
    plumb_run_free(s->run);
    world_close(&s->w);
}

static plumb_step_info step_info(uint64_t step, uint32_t micro, uint32_t units)
{
    plumb_step_info info;
    plumb_step_info_default(&info);
    info.step = step;
    info.micro_batches = micro;
    info.units = units;
    return info;
}

static void begin(small *s, uint64_t step, uint32_t micro, uint32_t units)
{
    plumb_error err;
    const plumb_step_info info = step_info(step, micro, units);
    must(plumb_step_begin(s->run, &info, &err), &err);
}

static plumb_unit unit(const char *id, uint64_t first, uint64_t rows)
{
    return (plumb_unit){.id = id, .segment = PLUMB_WHOLE, .first_row = first, .rows = rows};
}

static void visit(small *s, const plumb_unit *units, size_t n, uint64_t rows, uint64_t seed)
{
    plumb_error err;
    toy_batch b = {.n = n, .rows = rows};
    double weight[TOY_MAX_UNITS];
    memcpy(b.units, units, n * sizeof *units);
    for (size_t u = 0; u < n; u++)
        weight[u] = (double)s->run->columns.weight[u];
    for (size_t i = 0; i < 2; i++) {
        toy_draw(&s->v[i], &b, weight, NULL, 1.0, seed + i);
        must(toy_grad(s->run, &s->v[i], &err), &err);
    }
}

static void finish(small *s)
{
    plumb_error err;
    plumb_live live = {0};
    plumb_update_info update;
    plumb_update_info_default(&update);
    must(plumb_step_decide(s->run, &live, &err), &err);
    must(plumb_step_commit(s->run, &update, &err), &err);
}

/* ---- order ---- */

static void test_order(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    plumb_live live = {0};
    plumb_update_info update;
    plumb_update_info_default(&update);
    plumb_step_info info = step_info(1, 1, 1);
    const plumb_unit u = unit("a", 0, 2);
    small_open_config(&s, "");
    must_fail(plumb_step_begin(s.run, &info, &err), PLUMB_ERR_STATE, &err,
              "plumb_step_begin: the run has not started: call plumb_run_start or "
              "plumb_run_resume first");
    must(plumb_run_start(s.run, &err), &err);
    must_fail(plumb_run_start(s.run, &err), PLUMB_ERR_STATE, &err,
              "plumb_run_start: the run has started: this belongs before plumb_run_start");
    plumb_layer *layer;
    plumb_layer_desc d;
    plumb_layer_desc_default(&d);
    must_fail(plumb_run_add_layer(s.run, &d, &layer, &err), PLUMB_ERR_STATE, &err,
              "plumb_run_add_layer: the run has started: this belongs before plumb_run_start");
    must_fail(plumb_batch_begin(s.run, &u, 1, 2, &err), PLUMB_ERR_STATE, &err,
              "plumb_batch_begin: no step is open: call plumb_step_begin first");
    must_fail(plumb_step_commit(s.run, &update, &err), PLUMB_ERR_STATE, &err,
              "plumb_step_commit: no step is open: call plumb_step_begin first");
    info.step = 2;
    must_fail(plumb_step_begin(s.run, &info, &err), PLUMB_ERR_STATE, &err,
              "plumb_step_begin: step 2 was asked for, the next one is 1");
    begin(&s, 1, 2, 2);
    must_fail(plumb_step_begin(s.run, &info, &err), PLUMB_ERR_STATE, &err,
              "plumb_step_begin: step 1 is open: call plumb_step_commit or plumb_step_abort first");
    must_fail(plumb_checkpoint(s.run, NULL, 0, &err), PLUMB_ERR_STATE, &err,
              "plumb_checkpoint: step 1 is open: call plumb_step_commit or plumb_step_abort first");
    must_fail(plumb_step_decide(s.run, &live, &err), PLUMB_ERR_STATE, &err,
              "plumb_step_decide: step 1 has no micro-batch yet: call plumb_batch_begin first");
    must(plumb_batch_begin(s.run, &u, 1, 2, &err), &err);
    visit(&s, &u, 1, 2, 1);
    must_fail(toy_grad(s.run, &s.v[0], &err), PLUMB_ERR_STATE, &err,
              "plumb_grad_linear: layer \"up\" use 0 was visited before in this micro-batch");
    must_fail(
        plumb_batch_begin(s.run, &u, 1, 2, &err), PLUMB_ERR_STATE, &err,
        "plumb_batch_begin: micro-batch 0 of step 1 has no loss yet: call plumb_loss_xent, or "
        "plumb_loss_weights and plumb_loss_report");
    must(toy_loss(s.run, &err), &err);
    must_fail(plumb_step_decide(s.run, &live, &err), PLUMB_ERR_STATE, &err,
              "plumb_step_decide: step 1 declared 2 micro-batches and had 1: begin the others, or "
              "abort the step");
    must_fail(plumb_step_commit(s.run, &update, &err), PLUMB_ERR_STATE, &err,
              "plumb_step_commit: step 1 is not decided: call plumb_step_decide first");
    must(plumb_batch_begin(s.run, &u, 1, 2, &err), &err);
    must_fail(
        plumb_step_decide(s.run, &live, &err), PLUMB_ERR_STATE, &err,
        "plumb_step_decide: micro-batch 1 of step 1 has no loss yet: call plumb_loss_xent, or "
        "plumb_loss_weights and plumb_loss_report");
    must(toy_loss(s.run, &err), &err);
    must_fail(plumb_batch_begin(s.run, &u, 1, 2, &err), PLUMB_ERR_LIMIT, &err,
              "step 1 declared 2 micro-batches, this would be one more");
    must(plumb_step_decide(s.run, &live, &err), &err);
    must_fail(toy_grad(s.run, &s.v[0], &err), PLUMB_ERR_STATE, &err,
              "plumb_grad_linear: step 1 is decided: call plumb_step_commit or plumb_step_abort");
    must(plumb_step_commit(s.run, &update, &err), &err);
    must(plumb_run_close(s.run, &err), &err);
    info.step = 2;
    must_fail(plumb_step_begin(s.run, &info, &err), PLUMB_ERR_STATE, &err,
              "plumb_step_begin: the run is closed");
    small_close(&s);
}

static void test_structs(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    char message[256];
    plumb_live live = {.size = 8, .version = 1};
    const plumb_unit u = unit("a", 0, 1);
    small_open(&s, "");
    plumb_step_info info = {.step = 1};
    snprintf(message, sizeof message,
             "plumb_step_info has size 0 and version 0, this library knows size %zu and version 1: "
             "fill it with plumb_step_info_default, and build against the same plumb.h",
             sizeof info);
    must_fail(plumb_step_begin(s.run, &info, &err), PLUMB_ERR_VERSION, &err, message);
    begin(&s, 1, 1, 1);
    must(plumb_batch_begin(s.run, &u, 1, 1, &err), &err);
    must(toy_loss(s.run, &err), &err);
    snprintf(message, sizeof message,
             "plumb_live has size 8 and version 1, this library knows size %zu and version 1: fill "
             "it with plumb_live_default, and build against the same plumb.h",
             sizeof live);
    must_fail(plumb_step_decide(s.run, &live, &err), PLUMB_ERR_VERSION, &err, message);
    finish(&s);
    small_close(&s);
}

/* ---- starting ---- */

static void test_start(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    char message[512];
    plumb_run *run = NULL;
    world_open(&w, records, "");
    plumb_run_config c = world_config(&w);
    c.out_dir = NULL;
    must_fail(plumb_run_create(&c, w.manifest, &run, &err), PLUMB_ERR_ARGUMENT, &err,
              "plumb_run_config: set out_dir (the directory of the run bundle)");
    c = world_config(&w);
    c.horizon_steps = 0;
    must_fail(plumb_run_create(&c, w.manifest, &run, &err), PLUMB_ERR_ARGUMENT, &err,
              "plumb_run_config: set horizon_steps to the length of the schedule");
    c = world_config(&w);
    c.max_units = 0;
    must_fail(plumb_run_create(&c, w.manifest, &run, &err), PLUMB_ERR_ARGUMENT, &err,
              "plumb_run_config: max_units is 0, allowed are 1 to 1048576");
    c = world_config(&w);
    c.device = PLUMB_CUDA;
    must_fail(plumb_run_create(&c, w.manifest, &run, &err), PLUMB_ERR_DEVICE, &err,
              "plumb_run_config: device 1 was asked for, this library was built without CUDA: use "
              "the CPU");
    c = world_config(&w);
    c.trainer_json = "[1]";
    must_fail(plumb_run_create(&c, w.manifest, &run, &err), PLUMB_ERR_ARGUMENT, &err,
              "plumb_run_config.trainer_json must be a JSON object");
    c = world_config(&w);
    c.operator_key = w.stranger;
    assert_int_equal(plumb_run_create(&c, w.manifest, &run, &err), PLUMB_ERR_TRUST);
    assert_null(run);
    run = world_run(&w);
    must_fail(plumb_run_start(run, &err), PLUMB_ERR_STATE, &err,
              "plumb_run_start: no layer is governed: call plumb_run_add_layer first");
    plumb_run_free(run);
    run = world_run(&w);
    add_layer(run, "up", PLUMB_LINEAR, 3, 4, PLUMB_AT_HEAD, 0);
    must(plumb_run_start(run, &err), &err);
    plumb_run_free(run);
    /* The bundle is there now: a second start keeps its hands off it. */
    run = world_run(&w);
    add_layer(run, "up", PLUMB_LINEAR, 3, 4, PLUMB_AT_HEAD, 0);
    snprintf(message, sizeof message, "%s exists already: resume it, or choose another directory",
             w.out);
    must_fail(plumb_run_start(run, &err), PLUMB_ERR_EXISTS, &err, message);
    plumb_run_free(run);
    world_policy(&w, ",\"audience\":\"lab\"");
    c = world_config(&w);
    must_fail(plumb_run_create(&c, w.manifest, &run, &err), PLUMB_ERR_POLICY, &err,
              "manifest acme/toy is for audience \"\", the policy's is \"lab\"");
    world_close(&w);
}

static void test_layers(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    plumb_layer *layer;
    plumb_layer_desc d;
    world_open(&w, records, "");
    plumb_run *run = world_run(&w);
    add_layer(run, "up", PLUMB_LINEAR, 3, 4, PLUMB_IN_BLOCK, 2);
    plumb_layer_desc_default(&d);
    d.name = "up";
    d.rows = d.cols = 2;
    must_fail(plumb_run_add_layer(run, &d, &layer, &err), PLUMB_ERR_ARGUMENT, &err,
              "layer \"up\" was added before: names are unique in a run");
    d.name = "a\"b";
    must_fail(plumb_run_add_layer(run, &d, &layer, &err), PLUMB_ERR_ARGUMENT, &err,
              "layer name \"a\"b\": 1 to 127 letters, digits or . _ - : / [ ]");
    d.name = "norm";
    d.kind = PLUMB_NORM;
    must_fail(plumb_run_add_layer(run, &d, &layer, &err), PLUMB_ERR_ARGUMENT, &err,
              "layer \"norm\": a norm has shape 1 x width, not 2 x 2");
    d.kind = PLUMB_LINEAR;
    d.n_uses = 9;
    must_fail(plumb_run_add_layer(run, &d, &layer, &err), PLUMB_ERR_ARGUMENT, &err,
              "layer \"norm\": 9 uses, allowed are 1 to 8");
    d.n_uses = 1;
    d.rows = 0;
    must_fail(plumb_run_add_layer(run, &d, &layer, &err), PLUMB_ERR_ARGUMENT, &err,
              "layer \"norm\": shape 0 x 2; each side must be 1 to 2147483648");
    add_layer(run, "in", PLUMB_EMBEDDING, 3, 4, PLUMB_AT_INPUT, 0);
    add_layer(run, "b0", PLUMB_LINEAR, 3, 4, PLUMB_IN_BLOCK, 0);
    add_layer(run, "out", PLUMB_NORM, 1, 4, PLUMB_AT_HEAD, 0);
    must(plumb_run_start(run, &err), &err);
    assert_int_equal(run->n_uses, 4);
    assert_true(run->uses[0].depth == 2.5 / 3.0);
    assert_true(run->uses[1].depth == 0.0);
    assert_true(run->uses[2].depth == 0.5 / 3.0);
    assert_true(run->uses[3].depth == 1.0);
    assert_int_equal(run->uses[3].params, 8);
    plumb_run_free(run);
    world_close(&w);
}

/* ---- micro-batches ---- */

static void test_batch_limits(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    plumb_unit u[20];
    small_open(&s, "");
    for (size_t i = 0; i < 20; i++)
        u[i] = unit("a", i, 1);
    begin(&s, 1, 2, 5);
    must_fail(plumb_batch_begin(s.run, u, 17, 20, &err), PLUMB_ERR_LIMIT, &err,
              "micro-batch 0 of step 1 has 17 units, the run was created for 16 (max_units)");
    must_fail(plumb_batch_begin(s.run, u, 2, 513, &err), PLUMB_ERR_LIMIT, &err,
              "micro-batch 0 of step 1 has 513 rows, the run was created for 512 (max_rows)");
    must_fail(plumb_batch_begin(s.run, u, 6, 20, &err), PLUMB_ERR_LIMIT, &err,
              "step 1 declared 5 units, micro-batch 0 would make it 6");
    must_fail(plumb_batch_begin(s.run, u, 3, 2, &err), PLUMB_ERR_ARGUMENT, &err,
              "unit 2 (id \"a\") has rows 2 to 2, the micro-batch has 2");
    u[0].first_row = 1;
    must_fail(plumb_batch_begin(s.run, u, 3, 5, &err), PLUMB_ERR_ARGUMENT, &err,
              "unit 1 (id \"a\") and another unit both hold row 1");
    u[0].first_row = 0;
    u[1].id = NULL;
    must_fail(plumb_batch_begin(s.run, u, 3, 5, &err), PLUMB_ERR_ARGUMENT, &err,
              "unit 1 has no id");
    u[1] = unit("a", 1, UINT64_MAX);
    assert_int_equal(plumb_batch_begin(s.run, u, 3, 5, &err), PLUMB_ERR_ARGUMENT);
    u[1] = unit("a", 1, 1);
    u[1].segment = -2;
    must_fail(plumb_batch_begin(s.run, u, 3, 5, &err), PLUMB_ERR_ARGUMENT, &err,
              "unit 1 (id \"a\") has segment -2");
    u[1].segment = PLUMB_WHOLE;
    /* Nothing of all this was half done: two batches of 3 and 2 units still fit, and no more. */
    must(plumb_batch_begin(s.run, u, 3, 5, &err), &err);
    must(toy_loss(s.run, &err), &err);
    must_fail(plumb_batch_begin(s.run, u, 3, 5, &err), PLUMB_ERR_LIMIT, &err,
              "step 1 declared 5 units, micro-batch 1 would make it 6");
    must(plumb_batch_begin(s.run, u, 2, 5, &err), &err);
    must(toy_loss(s.run, &err), &err);
    finish(&s);
    small_close(&s);
}

static void test_matrices(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    const plumb_unit u = unit("a", 0, 2);
    float x[16] = {0}, y[16] = {0}, w[16] = {0};
    small_open(&s, "");
    begin(&s, 1, 1, 1);
    must(plumb_batch_begin(s.run, &u, 1, 2, &err), &err);
    plumb_matrix mx = {x, PLUMB_F32, 2, 4, 4}, my = {y, PLUMB_F32, 2, 3, 3},
                 mw = {w, PLUMB_F32, 3, 4, 4};
    mx.rows = 3;
    must_fail(plumb_grad_linear(s.run, s.up, 0, &mx, &my, &mw, NULL, &err), PLUMB_ERR_ARGUMENT,
              &err, "plumb_grad_linear: layer \"up\": X is 3 x 4 with stride 4, expected 2 x 4");
    mx.rows = 2;
    my.dtype = PLUMB_BF16;
    must_fail(plumb_grad_linear(s.run, s.up, 0, &mx, &my, &mw, NULL, &err), PLUMB_ERR_UNSUPPORTED,
              &err, "plumb_grad_linear: layer \"up\": Y has dtype 2, the CPU takes float32");
    my.dtype = PLUMB_F32;
    mw.data = NULL;
    must_fail(plumb_grad_linear(s.run, s.up, 0, &mx, &my, &mw, NULL, &err), PLUMB_ERR_ARGUMENT,
              &err,
              "plumb_grad_linear: layer \"up\": dW is 3 x 4 with stride 4 and no data, expected "
              "3 x 4");
    mw.data = w;
    must_fail(plumb_grad_linear(s.run, s.up, 1, &mx, &my, &mw, NULL, &err), PLUMB_ERR_ARGUMENT,
              &err, "plumb_grad_linear: layer \"up\" has 1 uses, use 1 was named");
    must_fail(plumb_grad_bias(s.run, s.up, 0, &my, w, NULL, &err), PLUMB_ERR_ARGUMENT, &err,
              "plumb_grad_bias: layer \"up\" is of kind linear");
    must(plumb_grad_linear(s.run, s.up, 0, &mx, &my, &mw, NULL, &err), &err);
    small_close(&s);
}

/* ---- the loss ---- */

static void test_loss(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    float logits[5 * 3], given[15] = {1, 2, 3, 0, 0, 0, -1, 0, 2, 5, 5, 5, 1, 1, 0};
    int32_t targets[5] = {0, 1, 2, 0, -1};
    float row_loss[5], row_entropy[5], weights[5];
    /* rows 0,1 of a; row 2 of b (weight 0.5); row 3 padding; row 4 of an unknown id */
    const plumb_unit u[] = {unit("a", 0, 2), unit("b", 2, 1), unit("nobody", 4, 1)};
    plumb_xent_io io;
    small_open(&s, "");
    memcpy(logits, given, sizeof given);
    plumb_xent_io_default(&io);
    io.logits = io.dlogits = (plumb_matrix){logits, PLUMB_F32, 5, 3, 3};
    io.targets = targets;
    io.row_loss = row_loss;
    io.row_entropy = row_entropy;
    plumb_step_info info = step_info(1, 1, 3);
    info.normaliser = 4.0;
    info.loss_scale = 8.0;
    must(plumb_step_begin(s.run, &info, &err), &err);
    must(plumb_batch_begin(s.run, u, 3, 5, &err), &err);
    must(plumb_loss_weights(s.run, weights, &err), &err);
    const float expected[5] = {1, 1, 0.5f, 0, 0};
    assert_memory_equal(weights, expected, sizeof expected);
    targets[3] = 3;
    must_fail(plumb_loss_xent(s.run, &io, NULL, &err), PLUMB_ERR_ARGUMENT, &err,
              "plumb_loss_xent: row 3 has target 3, the logits have 3 columns");
    targets[3] = 0;
    must(plumb_loss_xent(s.run, &io, NULL, &err), &err);
    double want[5] = {0}, total = 0.0;
    for (size_t r = 0; r < 3; r++) {
        double sum = 0.0;
        for (size_t v = 0; v < 3; v++)
            sum += exp((double)given[3 * r + v]);
        want[r] = log(sum) - (double)given[3 * r + (size_t)targets[r]];
        total += (r == 2 ? 0.5 : 1.0) * want[r] / 4.0;
        for (size_t v = 0; v < 3; v++) {
            const double p = exp((double)given[3 * r + v]) / sum - (v == (size_t)targets[r]);
            assert_true(fabs((double)logits[3 * r + v] - p * (r == 2 ? 1.0 : 2.0)) < 1e-6);
        }
        assert_true(fabs((double)row_loss[r] - want[r]) < 1e-6);
    }
    for (size_t i = 9; i < 15; i++)
        assert_true(logits[i] == 0.0f); /* padding and unknown */
    assert_true(row_loss[3] == 0.0f && row_entropy[3] == 0.0f);
    assert_true(fabs(io.loss - total) < 1e-6);
    assert_true(fabs((double)s.run->columns.loss[0] - want[0] - want[1]) < 1e-6);
    finish(&s);
    small_close(&s);
}

/* ---- admission ---- */

static void admission_of(const char *policy, plumb_unit u, plumb_decision decision,
                         plumb_reason reason, float weight, uint16_t mask, uint8_t checked)
{
    small s = {0};
    plumb_error err;
    small_open(&s, policy);
    begin(&s, 1, 1, 1);
    must(plumb_batch_begin(s.run, &u, 1, 2, &err), &err);
    assert_int_equal(plumb_batch_decisions(s.run)[0], decision);
    assert_int_equal(plumb_batch_reasons(s.run)[0], reason);
    assert_true(s.run->columns.weight[0] == weight);
    assert_int_equal(s.run->columns.mask[0], mask);
    assert_int_equal(s.run->columns.checked[0], checked);
    assert_int_equal(s.run->columns.clip[0], 0x3c00);
    visit(&s, &u, 1, 2, 9);
    for (size_t p = 0; p < 12; p++)
        assert_true(mask ? s.v[0].dw[p] != 0.0f : s.v[0].dw[p] == 0.0f);
    must(toy_loss(s.run, &err), &err);
    finish(&s);
    assert_int_equal(s.run->live[0], mask != 0);
    small_close(&s);
}

static void test_admission(void **state)
{
    (void)state;
    plumb_unit a = unit("a", 0, 2), b = unit("b", 0, 2), nobody = unit("nobody", 0, 2);
    admission_of("", a, PLUMB_ADMITTED, PLUMB_REASON_NONE, 1, 0x3c00, 0);
    a.content = "abc";
    a.content_bytes = 3;
    admission_of("", a, PLUMB_ADMITTED, PLUMB_REASON_NONE, 1, 0x3c00, 1);
    a.content = "abd";
    admission_of("", a, PLUMB_REJECTED, PLUMB_REASON_CONTENT, 0, 0, 1);
    a.content = "abcd";
    a.content_bytes = 4;
    admission_of("", a, PLUMB_REJECTED, PLUMB_REASON_CONTENT, 0, 0, 1);
    a = unit("a", 0, 2);
    a.segment = 0;
    admission_of("", a, PLUMB_REJECTED, PLUMB_REASON_SEGMENT, 0, 0, 0);
    admission_of("", b, PLUMB_MODULATED, PLUMB_REASON_NO_DEPTH, 0.5f, 0, 0);
    admission_of("", nobody, PLUMB_REJECTED, PLUMB_REASON_UNKNOWN, 0, 0, 0);
    admission_of(",\"unknown\":\"zero\"", nobody, PLUMB_MODULATED, PLUMB_REASON_UNKNOWN, 1, 0, 0);
    admission_of(",\"unknown\":\"pass\"", nobody, PLUMB_ADMITTED, PLUMB_REASON_UNKNOWN_PASSED, 1,
                 0x3c00, 0);
    admission_of(",\"unknown\":\"pass\",\"max_mask\":0.5", nobody, PLUMB_ADMITTED,
                 PLUMB_REASON_UNKNOWN_PASSED, 1, 0x3800, 0);
    admission_of(",\"max_mask\":0.25", unit("a", 0, 2), PLUMB_ADMITTED, PLUMB_REASON_NONE, 1,
                 0x3400, 0);
}

static void test_unknown_halt(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    const plumb_unit u[] = {unit("a", 0, 1), unit("nobody", 1, 1)};
    small_open(&s, ",\"unknown\":\"halt\"");
    begin(&s, 1, 1, 2);
    must_fail(plumb_batch_begin(s.run, u, 2, 2, &err), PLUMB_ERR_POLICY, &err,
              "unit 1: id \"nobody\" is not in manifest acme/toy, and the policy says \"unknown\": "
              "\"halt\"");
    must(plumb_batch_begin(s.run, u, 1, 2, &err), &err);
    small_close(&s);
}

/* ---- events ---- */

static size_t count_events(const recorded *r, const char *what)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_texts; i++)
        n += strstr(plumb__bytes_text((plumb__bytes *)&r->text[i]), what) != NULL;
    return n;
}

static void empty_step(small *s, uint64_t step)
{
    plumb_error err;
    const plumb_unit u = unit("a", 0, 2);
    begin(s, step, 1, 1);
    must(plumb_batch_begin(s->run, &u, 1, 2, &err), &err);
    must(toy_loss(s->run, &err), &err);
}

static void test_starvation(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    plumb_live live = {0};
    plumb_update_info update;
    plumb_update_info_default(&update);
    plumb_step_info info = step_info(3, 1, 1);
    small_open(&s, ",\"starvation\":{\"steps\":2,\"action\":\"halt\"}");
    empty_step(&s, 1);
    finish(&s);
    empty_step(&s, 2);
    must(plumb_step_decide(s.run, &live, &err), &err);
    static const char message[] =
        "layer \"up\": no unit has reached it for 2 steps, and the policy "
        "says halt; step 2 is committed, the run stops here";
    must_fail(plumb_step_commit(s.run, &update, &err), PLUMB_ERR_POLICY, &err, message);
    must_fail(plumb_step_begin(s.run, &info, &err), PLUMB_ERR_POLICY, &err, message); /* sticky */
    plumb_run_free(s.run);
    s.run = NULL;
    recorded *r = recorded_read(s.w.out);
    assert_int_equal(r->n, 2);
    assert_int_equal(count_events(r, "\"event\":\"starvation\",\"kind\":\"event\",\"layer\":\"up\","
                                     "\"step\":2,\"steps\":2"),
                     1);
    recorded_free(r);
    small_close(&s);
}

static void test_abort(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    const plumb_unit u = unit("a", 0, 2);
    small_open(&s, "");
    begin(&s, 1, 1, 1);
    must(plumb_batch_begin(s.run, &u, 1, 2, &err), &err);
    visit(&s, &u, 1, 2, 5);
    must(plumb_step_abort(s.run, "overflow under \"loss\" scaling", &err), &err);
    for (size_t k = 0; k < 2; k++)
        assert_true(s.run->ledger[k] == 0.0f && s.run->ema2[k] == -1.0);
    begin(&s, 1, 1, 1); /* under its own number */
    must(plumb_batch_begin(s.run, &u, 1, 2, &err), &err);
    visit(&s, &u, 1, 2, 5);
    must(toy_loss(s.run, &err), &err);
    finish(&s);
    assert_true(s.run->ledger[0] > 0.0f && s.run->ema2[0] > 0.0);
    must(plumb_run_close(s.run, &err), &err);
    recorded *r = recorded_read(s.w.out);
    assert_int_equal(r->n, 1);
    assert_int_equal(count_events(r, "{\"attempt\":1,\"event\":\"abort\",\"kind\":\"event\","
                                     "\"non_finite\":false,\"reason\":\"overflow under "
                                     "\\\"loss\\\" scaling\",\"step\":1}"),
                     1);
    recorded_free(r);
    small_close(&s);
}

static void test_nonfinite_halt(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    plumb_live live = {0};
    const plumb_unit u = unit("a", 0, 2);
    small_open(&s, ",\"nonfinite\":\"halt\"");
    begin(&s, 1, 1, 1);
    must(plumb_batch_begin(s.run, &u, 1, 2, &err), &err);
    toy_batch b = {.n = 1, .rows = 2, .units = {u}};
    toy_draw(&s.v[0], &b, (double[]){1}, NULL, 1.0, 3);
    s.v[0].y[1] = NAN;
    must(toy_grad(s.run, &s.v[0], &err), &err);
    must(toy_loss(s.run, &err), &err);
    must_fail(plumb_step_decide(s.run, &live, &err), PLUMB_ERR_NUMERIC, &err,
              "step 1: a unit's loss or gradient is not finite, and the policy says halt: call "
              "plumb_step_abort");
    must(plumb_step_abort(s.run, "not finite", &err), &err);
    empty_step(&s, 1);
    finish(&s);
    small_close(&s);
}

/* ---- memory ---- */

static void test_allocates_nothing(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    plumb_memory_info memory = {0};
    plumb_unit u[16];
    small_open(&s, ",\"journal\":{\"commit_ms\":5}");
    for (size_t i = 0; i < 16; i++)
        u[i] = unit(i % 2 ? "a" : "b", 2 * i, 2);
    /* The recorder's own buffers grow to the size of a step first. */
    uint64_t before = 0;
    for (uint64_t step = 1; step <= 8; step++) {
        if (step == 4) before = plumb__alloc_count();
        begin(&s, step, 1, 16);
        must(plumb_batch_begin(s.run, u, 16, 32, &err), &err);
        visit(&s, u, 16, 32, step);
        must(toy_loss(s.run, &err), &err);
        finish(&s);
    }
    assert_int_equal(plumb__alloc_count(), before);
    /* A step of more units than ever before may allocate, and says so. */
    must(plumb_run_memory(s.run, &memory, &err), &err);
    assert_int_equal(memory.examples, 2);
    assert_int_equal(memory.ledger_bytes, 2 * 2 * sizeof(float));
    assert_true(memory.manifest_bytes > 0 && memory.workspace_bytes > 0);
    begin(&s, 9, 2, 32);
    assert_true(plumb__alloc_count() > before);
    for (size_t m = 0; m < 2; m++) {
        must(plumb_batch_begin(s.run, u, 16, 32, &err), &err);
        must(toy_loss(s.run, &err), &err);
    }
    finish(&s);
    small_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_structs),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_batch_limits),
        cmocka_unit_test(test_matrices),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_admission),
        cmocka_unit_test(test_unknown_halt),
        cmocka_unit_test(test_starvation),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_nonfinite_halt),
        cmocka_unit_test(test_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
