/* Aim: segments govern. A record that is divided gives dW the sum of its parts, each with the mask
 * and weight of its own terms, the rest with the record's; taken whole it gives nothing; content
 * that parts share is judged for each of them. Method: a step of one such record and one without
 * segments at two layers; unit gradients in float64 from the matrices themselves (toy.h), masks
 * and weights by hand; the run is closed and verified in full. */
#include "small.h"

#include "provenance/plumb_graph.h"

#include <math.h>
#include <string.h>

#define SUM                                                                                        \
    "d682ed4ca4d989c134ec94f1551e1ec580dd6d5a6ecde9f3d35e6e4a717fbde4" /* of "abcdefghijkl" */
static const char divided[] =
    "{\"id\":\"d\",\"content\":{\"sha256\":\"" SUM
    "\",\"bytes\":12},\"depth\":\"all\",\"weight\":2,"
    "\"segments\":[{\"bytes\":[2,4],\"depth\":{\"points\":[[0,0.5],[1,0.25]]},\"weight\":0.5},"
    "{\"bytes\":[6,9],\"depth\":{\"band\":[0,0.5]},\"weight\":3}]}\n"
    "{\"id\":\"w\",\"content\":{\"sha256\":\"" SUM "\",\"bytes\":12}}\n";

/* What small_open does, with these records and no limit, and the bias at the input. */
static void open_divided(small *s)
{
    plumb_error err;
    world_open(&s->w, divided,
               ",\"budgets\":{\"unit_step_nats\":null,\"layer_step_nats\":null,\"run_nats\":null}");
    s->run = world_run(&s->w);
    s->up = add_layer(s->run, "up", PLUMB_LINEAR, 3, 4, PLUMB_AT_HEAD, 0);
    s->bias = add_layer(s->run, "bias", PLUMB_BIAS, 1, 3, PLUMB_AT_INPUT, 0);
    s->v[0] = (toy_visit){.layer = s->up, .kind = PLUMB_LINEAR, .in = 4, .out = 3};
    s->v[1] = (toy_visit){.layer = s->bias, .kind = PLUMB_BIAS, .out = 3};
    must(plumb_run_start(s->run, &err), &err);
}

static plumb_unit part(int32_t segment, uint64_t first, uint64_t rows)
{
    return (plumb_unit){.id = "d",
                        .segment = segment,
                        .first_row = first,
                        .rows = rows,
                        .content = "abcdefghijkl",
                        .content_bytes = 12};
}

/* dW of a visit against the sum of mask x gradient over the units; gradients carry the weights. */
static void check_sum(const toy_visit *v, size_t n, const double *mask)
{
    for (uint64_t p = 0; p < v->params; p++) {
        double want = 0.0, size = 0.0;
        for (size_t u = 0; u < n; u++) {
            want += mask[u] * v->g[u * v->params + p];
            size += fabs(v->g[u * v->params + p]);
        }
        if (!(fabs((double)v->dw[p] - want) <= 4e-6 * size)) /* NaN fails too */
            fail_msg("parameter %llu: %.9g, expected %.9g", (unsigned long long)p, (double)v->dw[p],
                     want);
    }
}

static void close_and_verify(small *s)
{
    plumb_error err;
    plumb_verify_options options;
    plumb_verify_report report;
    small_finish(s);
    must(plumb_run_close(s->run, &err), &err);
    plumb_verify_options_default(&options);
    options.trust = s->w.store;
    options.full = true;
    must(plumb_bundle_verify(s->w.out, &options, &report, &err), &err);
    small_close(s);
}

static void test_parts_add_up(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    float rows[12];
    const plumb_unit u[] = {part(PLUMB_REST, 0, 2), part(0, 2, 2),          part(PLUMB_REST, 4, 2),
                            part(1, 6, 3),          part(PLUMB_REST, 9, 1), small_unit("w", 10, 2)};
    static const double at_head[] = {1, 0.25, 1, 0, 1, 1}, at_input[] = {1, 0.5, 1, 1, 1, 1};
    static const float weight[12] = {2, 2, 1, 1, 2, 2, 6, 6, 6, 2, 1, 1};
    open_divided(&s);
    small_begin(&s, 1, 1, 6);
    must(plumb_batch_begin(s.run, u, 6, 12, &err), &err);
    must(plumb_loss_weights(s.run, rows, &err), &err);
    assert_memory_equal(rows, weight, sizeof weight);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(plumb_batch_decisions(s.run)[i],
                         weight[u[i].first_row] == 1.0f ? PLUMB_ADMITTED : PLUMB_MODULATED);
        assert_int_equal(s.run->columns.checked[i], i < 5);
    }
    small_visit(&s, u, 6, 12, 21);
    check_sum(&s.v[0], 6, at_head);
    check_sum(&s.v[1], 6, at_input);
    must(toy_loss(s.run, &err), &err);
    close_and_verify(&s);
}

static void test_whole_is_rejected(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    const plumb_unit u[] = {part(PLUMB_WHOLE, 0, 9), small_unit("w", 9, 3)};
    static const double mask[] = {0, 1};
    open_divided(&s);
    small_begin(&s, 1, 1, 2);
    must(plumb_batch_begin(s.run, u, 2, 12, &err), &err);
    assert_int_equal(plumb_batch_decisions(s.run)[0], PLUMB_REJECTED);
    assert_int_equal(plumb_batch_reasons(s.run)[0], PLUMB_REASON_SEGMENT);
    assert_int_equal(plumb_batch_decisions(s.run)[1], PLUMB_ADMITTED);
    small_visit(&s, u, 2, 12, 22);
    check_sum(&s.v[0], 2, mask);
    check_sum(&s.v[1], 2, mask);
    must(toy_loss(s.run, &err), &err);
    close_and_verify(&s);
}

/* The digest is compared once where parts hand over the same bytes, and counts for all of them. */
static void test_content_of_parts(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    plumb_unit u[] = {part(PLUMB_REST, 0, 2), part(0, 2, 2), part(PLUMB_REST, 4, 2), part(1, 6, 3)};
    static const uint8_t reasons[] = {PLUMB_REASON_CONTENT, PLUMB_REASON_CONTENT,
                                      PLUMB_REASON_WEIGHT, PLUMB_REASON_CONTENT};
    u[0].content = u[1].content = "abcdefghijkx";
    u[3].content_bytes = 11;
    open_divided(&s);
    small_begin(&s, 1, 1, 4);
    must(plumb_batch_begin(s.run, u, 4, 12, &err), &err);
    assert_memory_equal(plumb_batch_reasons(s.run), reasons, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(s.run->columns.checked[i], 1);
    must(toy_loss(s.run, &err), &err);
    close_and_verify(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_add_up),
        cmocka_unit_test(test_whole_is_rejected),
        cmocka_unit_test(test_content_of_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
