/* Aim: masks by entropy band and progress, and weights by recombination, are what is enforced, what
 * is recorded, and what the verifier recomputes; whoever changes one of them after the fact fails
 * it. Method: every mask against its formula and every dW against the sum of float64 unit
 * gradients, over micro-batches, past the horizon and across a resume; then full verification; one
 * column changed before commit, exact messages. */
#include "harness.h"
#include "toy.h"

#include "base/half.h"
#include "provenance/plumb_graph.h"
#include "runtime/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HORIZON 4
#define LAYERS 3
#define UNITS 8

static const char taxonomy[] =
    "{\"profiles\":{\"deep\":{\"band\":[0.6,1]},"
    "\"ramp\":{\"schedule\":[[0,{\"points\":[[0,0.25]]}],[1,{\"points\":[[0,1]]}]]},"
    "\"care\":{\"by_entropy\":{\"low\":\"none\",\"mid\":\"ramp\",\"high\":\"deep\"}}},"
    "\"templates\":{\"parts@1\":{\"components\":[{\"name\":\"a\",\"weight\":1,\"depth\":\"deep\"},"
    "{\"name\":\"b\",\"weight\":3}],\"recombine\":\"normalised\"}}}";

#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"
#define RECORD(id, rest)                                                                           \
    "{\"id\":\"" id "\",\"content\":{\"sha256\":\"" ZERO "\",\"bytes\":9}" rest "}\n"
static const char records[] =
    RECORD("care", ",\"depth\":\"care\"") RECORD("ramp", ",\"depth\":\"ramp\"")
        RECORD("whole", ",\"weight\":2,\"template\":\"parts@1\",\"segments\":[{\"bytes\":[0,3],"
                        "\"component\":\"a\"},{\"bytes\":[3,9],\"component\":\"b\"}]")
            RECORD("p", ",\"parent\":\"t\",\"template\":\"parts@1\",\"component\":\"a\"")
                RECORD("q", ",\"parent\":\"t\",\"template\":\"parts@1\",\"component\":\"b\"");

static const char bands[] = ",\"entropy_bands\":[0.5,2],\"budgets\":{\"unit_step_nats\":null,"
                            "\"layer_step_nats\":null,\"run_nats\":null}";

/* The units of every micro-batch; entropies put "care" into each band. */
static const struct {
    const char *id;
    int32_t segment;
    float entropy;
    double weight;
} units[UNITS] = {{"care", -1, 0.25f, 1}, {"care", -1, 0.5f, 1},   {"care", -1, 2.0f, 1},
                  {"ramp", -1, 0.25f, 1}, {"whole", 0, 3.0f, 0.5}, {"whole", 1, 1.0f, 1.5},
                  {"p", -1, 1.0f, 0.25},  {"q", -1, 0.0f, 0.75}};
static const double depths[LAYERS] = {0, 0.5, 1};

static double ramp(uint64_t step)
{
    const double progress = step < HORIZON ? (double)step / HORIZON : 1;
    return 0.25 + 0.75 * progress;
}

static double mask_of(size_t u, uint64_t step, size_t layer)
{
    const double deep = depths[layer] >= 0.6;
    switch (u) {
    case 0: return 0;
    case 1:
    case 3: return ramp(step);
    case 2:
    case 4:
    case 6: return deep;
    default: return 1;
    }
}

typedef struct net {
    plumb_run *run;
    toy_visit v[LAYERS];
    float w[4];
    plumb_named_tensor tensor;
    void (*forge)(plumb__columns *columns); /* before the commit of step 2; NULL: honest */
} net;

static net *net_create(world *w)
{
    plumb_error err;
    net *n = calloc(1, sizeof *n);
    assert_non_null(n);
    plumb_run_config config = world_config(w);
    config.horizon_steps = HORIZON;
    must(plumb_run_create(&config, w->manifest, &n->run, &err), &err);
    static const plumb_place places[LAYERS] = {PLUMB_AT_INPUT, PLUMB_IN_BLOCK, PLUMB_AT_HEAD};
    static const char *const names[LAYERS] = {"in", "mid", "head"};
    for (size_t k = 0; k < LAYERS; k++)
        n->v[k] =
            (toy_visit){.layer = add_layer(n->run, names[k], PLUMB_LINEAR, 5, 4, places[k], 0),
                        .kind = PLUMB_LINEAR,
                        .in = 4,
                        .out = 5};
    n->tensor = (plumb_named_tensor){"w", PLUMB_F32, 1, {4}, n->w};
    return n;
}

static void net_free(net *n)
{
    for (size_t k = 0; k < LAYERS; k++)
        toy_free(&n->v[k]);
    plumb_run_free(n->run);
    free(n);
}

static void lay(toy_batch *b, uint64_t seed)
{
    const char *ids[UNITS];
    for (size_t u = 0; u < UNITS; u++)
        ids[u] = units[u].id;
    toy_lay(b, UNITS, ids, 5, seed);
    for (size_t u = 0; u < UNITS; u++)
        b->units[u].segment = units[u].segment;
}

static void check_dw(const toy_visit *v, uint64_t step, size_t layer, double factor)
{
    for (uint64_t p = 0; p < v->params; p++) {
        double want = 0, size = 0;
        for (size_t u = 0; u < UNITS; u++) {
            const double mask = plumb__f16_value(plumb__f16_round_down(mask_of(u, step, layer)));
            const double part = mask * v->g[u * v->params + p] * factor;
            want += part;
            size += fabs(part);
        }
        if (!(fabs((double)v->dw[p] - want) <= 1e-5 * size + 1e-9))
            fail_msg("step %d layer %zu: dW[%d] is %g, expected %g", (int)step, layer, (int)p,
                     (double)v->dw[p], want);
    }
}

static void micro(net *n, uint64_t step, uint64_t seed)
{
    plumb_error err;
    toy_batch b;
    float rows[256], loss[UNITS], entropy[UNITS];
    double weight[UNITS];
    lay(&b, seed);
    must(plumb_batch_begin(n->run, b.units, b.n, b.rows, &err), &err);
    must(plumb_loss_weights(n->run, rows, &err), &err);
    for (size_t u = 0; u < UNITS; u++) {
        weight[u] = (double)rows[b.units[u].first_row];
        assert_true(weight[u] == (double)(float)units[u].weight);
        loss[u] = 1.0f;
        entropy[u] = units[u].entropy;
    }
    must(plumb_loss_report(n->run, loss, entropy, &err), &err);
    for (size_t k = 0; k < LAYERS; k++) {
        toy_draw(&n->v[k], &b, weight, NULL, 1.0 / 30.0, seed * 8 + k);
        must(toy_grad(n->run, &n->v[k], &err), &err);
        check_dw(&n->v[k], step, k, 1.0 / 30.0);
    }
}

static void train(net *n, uint64_t from, uint64_t to)
{
    plumb_error err;
    for (uint64_t step = from; step <= to; step++) {
        plumb_step_info info;
        plumb_live live = {0};
        plumb_update_info update;
        plumb_step_info_default(&info);
        plumb_update_info_default(&update);
        info.step = step;
        info.micro_batches = 2;
        info.units = 2 * UNITS;
        info.normaliser = 30.0;
        must(plumb_step_begin(n->run, &info, &err), &err);
        micro(n, step, step * 10);
        micro(n, step, step * 10 + 1);
        must(plumb_step_decide(n->run, &live, &err), &err);
        if (n->forge && step == 2) n->forge(&n->run->columns);
        must(plumb_step_commit(n->run, &update, &err), &err);
    }
}

static plumb_status verify(const world *w, plumb_error *err)
{
    plumb_verify_options options;
    plumb_verify_report report = {0};
    plumb_verify_options_default(&options);
    options.trust = w->store;
    options.full = true;
    return plumb_bundle_verify(w->out, &options, &report, err);
}

static void check_recorded(const world *w)
{
    static const uint8_t band[UNITS] = {1, 2, 3, 1, 3, 2, 2, 1};
    recorded *r = recorded_read(w->out);
    for (size_t i = 0; i < r->n; i++) {
        const plumb__step *s = &r->step[i];
        assert_int_equal(s->n_units, 2 * UNITS);
        for (uint32_t u = 0; u < s->n_units; u++) {
            assert_int_equal(s->band[u], band[u % UNITS]);
            for (size_t k = 0; k < LAYERS; k++)
                assert_int_equal(s->mask[u * LAYERS + k],
                                 plumb__f16_round_down(mask_of(u % UNITS, s->step, k)));
        }
    }
    recorded_free(r);
}

static void enforced_recorded_and_verified(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    plumb_resume_info info = {0};
    world_open_under(&w, records, taxonomy, bands);
    net *n = net_create(&w);
    must(plumb_run_start(n->run, &err), &err);
    must(plumb_checkpoint(n->run, &n->tensor, 1, &err), &err);
    train(n, 1, 2);
    must(plumb_checkpoint(n->run, &n->tensor, 1, &err), &err);
    train(n, 3, 3);
    net_free(n);
    n = net_create(&w);
    must(plumb_run_resume(n->run, &n->tensor, 1, &info, &err), &err);
    assert_int_equal(info.step, 2);
    train(n, 3, HORIZON + 1); /* progress goes by true steps, and holds at 1 */
    must(plumb_run_close(n->run, &err), &err);
    net_free(n);
    must(verify(&w, &err), &err);
    check_recorded(&w);
    world_close(&w);
}

/* ---- forgeries ---- */

static void another_band(plumb__columns *c)
{
    c->band[1] = PLUMB_BAND_HIGH;
}

static void another_entropy(plumb__columns *c)
{
    c->entropy[1] = 2.5f;
    c->band[1] = PLUMB_BAND_HIGH;
}

static void another_progress(plumb__columns *c)
{
    for (size_t k = 0; k < LAYERS; k++)
        c->mask[3 * LAYERS + k] = plumb__f16_round_down(ramp(3));
}

static void another_weight(plumb__columns *c)
{
    c->weight[5] = 2.0f;
}

static void another_sibling_weight(plumb__columns *c)
{
    c->weight[6] = 1.0f;
}

static void forgeries_fail(void **state)
{
    (void)state;
    static const struct {
        void (*forge)(plumb__columns *columns);
        const char *message;
    } cases[] = {
        {another_band, "step 2: example care: band is 3, but by its entropy of 0.5 nats it is 2"},
        {another_entropy, "step 2: example care at layer in: mask is 0.625, but the profile care, "
                          "band high, progress 0.5, at depth 0 gives 0"},
        {another_progress, "step 2: example ramp at layer in: mask is 0.8125, but the profile "
                           "ramp, progress 0.5, at depth 0 gives 0.625"},
        {another_weight, "step 2: example whole: decision 1 for reason 1 with weight 2, but by "
                         "manifest and policy it is admitted with weight 1.5"},
        {another_sibling_weight,
         "step 2: example p: decision 1 for reason 1 with weight 1, but by manifest and policy it "
         "is admitted with weight 0.25"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world w;
        plumb_error err;
        world_open_under(&w, records, taxonomy, bands);
        net *n = net_create(&w);
        n->forge = cases[i].forge;
        must(plumb_run_start(n->run, &err), &err);
        must(plumb_checkpoint(n->run, &n->tensor, 1, &err), &err);
        train(n, 1, 3);
        must(plumb_run_close(n->run, &err), &err);
        net_free(n);
        must_fail(verify(&w, &err), PLUMB_ERR_MISMATCH, &err, cases[i].message);
        world_close(&w);
    }
}

/* ---- calls ---- */

static void start_wants_thresholds(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    world_open_under(&w, records, taxonomy, "");
    net *n = net_create(&w);
    must_fail(plumb_run_start(n->run, &err), PLUMB_ERR_POLICY, &err,
              "manifest acme/toy has depth profiles by entropy, and the policy no thresholds: add "
              "\"entropy_bands\", such as [0.5,2] in nats");
    net_free(n);
    world_close(&w);
}

static void losses_come_first_and_once(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    toy_batch b;
    plumb_step_info info;
    const float ones[UNITS] = {1, 1, 1, 1, 1, 1, 1, 1};
    const double weight[UNITS] = {1, 1, 1, 1, 1, 1, 1, 1};
    world_open_under(&w, records, taxonomy, bands);
    net *n = net_create(&w);
    must(plumb_run_start(n->run, &err), &err);
    plumb_step_info_default(&info);
    info.step = 1;
    info.units = UNITS;
    must(plumb_step_begin(n->run, &info, &err), &err);
    lay(&b, 1);
    must(plumb_batch_begin(n->run, b.units, b.n, b.rows, &err), &err);
    toy_draw(&n->v[0], &b, weight, NULL, 1, 1);
    must_fail(toy_grad(n->run, &n->v[0], &err), PLUMB_ERR_STATE, &err,
              "plumb_grad_linear: a unit's depth profile depends on its entropy: call "
              "plumb_loss_xent, or plumb_loss_weights and plumb_loss_report, first");
    must_fail(plumb_loss_report(n->run, ones, NULL, &err), PLUMB_ERR_ARGUMENT, &err,
              "plumb_loss_report: unit 0 (id \"care\") has a depth profile by entropy: hand over "
              "unit_entropy");
    must(plumb_loss_report(n->run, ones, ones, &err), &err);
    must_fail(plumb_loss_report(n->run, ones, ones, &err), PLUMB_ERR_STATE, &err,
              "plumb_loss_report: micro-batch 0 of step 1 has its loss already, and masks that "
              "depend on its entropy");
    must(toy_grad(n->run, &n->v[0], &err), &err);
    net_free(n);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enforced_recorded_and_verified),
        cmocka_unit_test(forgeries_fail),
        cmocka_unit_test(start_wants_thresholds),
        cmocka_unit_test(losses_come_first_and_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
