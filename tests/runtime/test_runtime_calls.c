/* Aim: calls out of order and bad arguments.
 * Method: each misuse once, its exact message, and that the run is usable afterwards as if the call
 * had not been made. */
#include "harness.h"
#include "small.h"

#include <stdio.h>
#include <string.h>

/* ---- order ---- */

static void test_order(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    plumb_live live = {0};
    plumb_update_info update;
    plumb_update_info_default(&update);
    plumb_step_info info = small_step_info(1, 1, 1);
    const plumb_unit u = small_unit("a", 0, 2);
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
    small_begin(&s, 1, 2, 2);
    must_fail(plumb_step_begin(s.run, &info, &err), PLUMB_ERR_STATE, &err,
              "plumb_step_begin: step 1 is open: call plumb_step_commit or plumb_step_abort first");
    must_fail(plumb_checkpoint(s.run, NULL, 0, &err), PLUMB_ERR_STATE, &err,
              "plumb_checkpoint: step 1 is open: call plumb_step_commit or plumb_step_abort first");
    must_fail(plumb_step_decide(s.run, &live, &err), PLUMB_ERR_STATE, &err,
              "plumb_step_decide: step 1 has no micro-batch yet: call plumb_batch_begin first");
    must(plumb_batch_begin(s.run, &u, 1, 2, &err), &err);
    small_visit(&s, &u, 1, 2, 1);
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
    const plumb_unit u = small_unit("a", 0, 1);
    small_open(&s, "");
    plumb_step_info info = {.step = 1};
    snprintf(message, sizeof message,
             "plumb_step_info has size 0 and version 0, this library knows size %zu and version 1: "
             "fill it with plumb_step_info_default, and build against the same plumb.h",
             sizeof info);
    must_fail(plumb_step_begin(s.run, &info, &err), PLUMB_ERR_VERSION, &err, message);
    small_begin(&s, 1, 1, 1);
    must(plumb_batch_begin(s.run, &u, 1, 1, &err), &err);
    must(toy_loss(s.run, &err), &err);
    snprintf(message, sizeof message,
             "plumb_live has size 8 and version 1, this library knows size %zu and version 1: fill "
             "it with plumb_live_default, and build against the same plumb.h",
             sizeof live);
    must_fail(plumb_step_decide(s.run, &live, &err), PLUMB_ERR_VERSION, &err, message);
    small_finish(&s);
    small_close(&s);
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
        u[i] = small_unit("a", i, 1);
    small_begin(&s, 1, 2, 5);
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
    u[1] = small_unit("a", 1, UINT64_MAX);
    assert_int_equal(plumb_batch_begin(s.run, u, 3, 5, &err), PLUMB_ERR_ARGUMENT);
    u[1] = small_unit("a", 1, 1);
    u[1].segment = -3;
    must_fail(plumb_batch_begin(s.run, u, 3, 5, &err), PLUMB_ERR_ARGUMENT, &err,
              "unit 1 (id \"a\") has segment -3");
    u[1].segment = PLUMB_WHOLE;
    /* Nothing of all this was half done: two batches of 3 and 2 units still fit, and no more. */
    must(plumb_batch_begin(s.run, u, 3, 5, &err), &err);
    must(toy_loss(s.run, &err), &err);
    must_fail(plumb_batch_begin(s.run, u, 3, 5, &err), PLUMB_ERR_LIMIT, &err,
              "step 1 declared 5 units, micro-batch 1 would make it 6");
    must(plumb_batch_begin(s.run, u, 2, 5, &err), &err);
    must(toy_loss(s.run, &err), &err);
    small_finish(&s);
    small_close(&s);
}

static void test_matrices(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    const plumb_unit u = small_unit("a", 0, 2);
    float x[16] = {0}, y[16] = {0}, w[16] = {0};
    small_open(&s, "");
    small_begin(&s, 1, 1, 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_structs),
        cmocka_unit_test(test_batch_limits),
        cmocka_unit_test(test_matrices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
