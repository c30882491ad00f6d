/* Aim: what is decided for units, what the loss does with it, which events are recorded, and what a
 * step allocates. Method: a run of two layers and two records; expected values by hand. */
#include "harness.h"
#include "small.h"

#include "base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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
    const plumb_unit u[] = {small_unit("a", 0, 2), small_unit("b", 2, 1),
                            small_unit("nobody", 4, 1)};
    plumb_xent_io io;
    small_open(&s, "");
    memcpy(logits, given, sizeof given);
    plumb_xent_io_default(&io);
    io.logits = io.dlogits = (plumb_matrix){logits, PLUMB_F32, 5, 3, 3};
    io.targets = targets;
    io.row_loss = row_loss;
    io.row_entropy = row_entropy;
    plumb_step_info info = small_step_info(1, 1, 3);
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
    small_finish(&s);
    small_close(&s);
}

/* ---- admission ---- */

static void admission_of(const char *policy, plumb_unit u, plumb_decision decision,
                         plumb_reason reason, float weight, uint16_t mask, uint8_t checked)
{
    small s = {0};
    plumb_error err;
    small_open(&s, policy);
    small_begin(&s, 1, 1, 1);
    must(plumb_batch_begin(s.run, &u, 1, 2, &err), &err);
    assert_int_equal(plumb_batch_decisions(s.run)[0], decision);
    assert_int_equal(plumb_batch_reasons(s.run)[0], reason);
    assert_true(s.run->columns.weight[0] == weight);
    assert_int_equal(s.run->columns.mask[0], mask);
    assert_int_equal(s.run->columns.checked[0], checked);
    assert_int_equal(s.run->columns.clip[0], 0x3c00);
    small_visit(&s, &u, 1, 2, 9);
    for (size_t p = 0; p < 12; p++)
        assert_true(mask ? s.v[0].dw[p] != 0.0f : s.v[0].dw[p] == 0.0f);
    must(toy_loss(s.run, &err), &err);
    small_finish(&s);
    assert_int_equal(s.run->live[0], mask != 0);
    small_close(&s);
}

static void test_admission(void **state)
{
    (void)state;
    plumb_unit a = small_unit("a", 0, 2), b = small_unit("b", 0, 2),
               nobody = small_unit("nobody", 0, 2);
    admission_of("", a, PLUMB_ADMITTED, PLUMB_REASON_NONE, 1, 0x3c00, 0);
    a.content = "abc";
    a.content_bytes = 3;
    admission_of("", a, PLUMB_ADMITTED, PLUMB_REASON_NONE, 1, 0x3c00, 1);
    a.content = "abd";
    admission_of("", a, PLUMB_REJECTED, PLUMB_REASON_CONTENT, 0, 0, 1);
    a.content = "abcd";
    a.content_bytes = 4;
    admission_of("", a, PLUMB_REJECTED, PLUMB_REASON_CONTENT, 0, 0, 1);
    a = small_unit("a", 0, 2);
    a.segment = 0;
    admission_of("", a, PLUMB_REJECTED, PLUMB_REASON_SEGMENT, 0, 0, 0);
    a.segment = PLUMB_REST; /* of a record that is not divided */
    admission_of("", a, PLUMB_REJECTED, PLUMB_REASON_SEGMENT, 0, 0, 0);
    admission_of("", b, PLUMB_MODULATED, PLUMB_REASON_NO_DEPTH, 0.5f, 0, 0);
    admission_of("", nobody, PLUMB_REJECTED, PLUMB_REASON_UNKNOWN, 0, 0, 0);
    admission_of(",\"unknown\":\"zero\"", nobody, PLUMB_MODULATED, PLUMB_REASON_UNKNOWN, 1, 0, 0);
    admission_of(",\"unknown\":\"pass\"", nobody, PLUMB_ADMITTED, PLUMB_REASON_UNKNOWN_PASSED, 1,
                 0x3c00, 0);
    admission_of(",\"unknown\":\"pass\",\"max_mask\":0.5", nobody, PLUMB_ADMITTED,
                 PLUMB_REASON_UNKNOWN_PASSED, 1, 0x3800, 0);
    admission_of(",\"max_mask\":0.25", small_unit("a", 0, 2), PLUMB_ADMITTED, PLUMB_REASON_NONE, 1,
                 0x3400, 0);
}

static void test_unknown_halt(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    const plumb_unit u[] = {small_unit("a", 0, 1), small_unit("nobody", 1, 1)};
    small_open(&s, ",\"unknown\":\"halt\"");
    small_begin(&s, 1, 1, 2);
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
    const plumb_unit u = small_unit("a", 0, 2);
    small_begin(s, step, 1, 1);
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
    plumb_step_info info = small_step_info(3, 1, 1);
    small_open(&s, ",\"starvation\":{\"steps\":2,\"action\":\"halt\"}");
    empty_step(&s, 1);
    small_finish(&s);
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
    const plumb_unit u = small_unit("a", 0, 2);
    small_open(&s, "");
    small_begin(&s, 1, 1, 1);
    must(plumb_batch_begin(s.run, &u, 1, 2, &err), &err);
    small_visit(&s, &u, 1, 2, 5);
    must(plumb_step_abort(s.run, "overflow under \"loss\" scaling", &err), &err);
    for (size_t k = 0; k < 2; k++)
        assert_true(s.run->ledger[k] == 0.0f && s.run->ema2[k] == -1.0);
    small_begin(&s, 1, 1, 1); /* under its own number */
    must(plumb_batch_begin(s.run, &u, 1, 2, &err), &err);
    small_visit(&s, &u, 1, 2, 5);
    must(toy_loss(s.run, &err), &err);
    small_finish(&s);
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
    const plumb_unit u = small_unit("a", 0, 2);
    small_open(&s, ",\"nonfinite\":\"halt\"");
    small_begin(&s, 1, 1, 1);
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
    small_finish(&s);
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
        u[i] = small_unit(i % 2 ? "a" : "b", 2 * i, 2);
    /* The recorder's own buffers grow to the size of a step first. */
    uint64_t before = 0;
    for (uint64_t step = 1; step <= 8; step++) {
        if (step == 4) before = plumb__alloc_count();
        small_begin(&s, step, 1, 16);
        must(plumb_batch_begin(s.run, u, 16, 32, &err), &err);
        small_visit(&s, u, 16, 32, step);
        must(toy_loss(s.run, &err), &err);
        small_finish(&s);
    }
    assert_int_equal(plumb__alloc_count(), before);
    /* A step of more units than ever before may allocate, and says so. */
    must(plumb_run_memory(s.run, &memory, &err), &err);
    assert_int_equal(memory.examples, 2);
    assert_int_equal(memory.ledger_bytes, 2 * 2 * sizeof(float));
    assert_true(memory.manifest_bytes > 0 && memory.workspace_bytes > 0);
    small_begin(&s, 9, 2, 32);
    assert_true(plumb__alloc_count() > before);
    for (size_t m = 0; m < 2; m++) {
        must(plumb_batch_begin(s.run, u, 16, 32, &err), &err);
        must(toy_loss(s.run, &err), &err);
    }
    small_finish(&s);
    small_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
