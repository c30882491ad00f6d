/* Aim: whoever holds the operator's key can sign what he likes, but not make it follow the rules: a
 * record that was changed, encoded again and signed again keeps every signature, and still fails
 * --full with the place and the numbers. Method: run_forge.h makes the same run with one hand put
 * in at one step, carelessly (the derived columns stay) or carefully (they are made to fit); exact
 * messages. */
#include "run_forge.h"

#include "base/half.h"
#include "kernels/budget.h"
#include "provenance/plumb_graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIED 0 /* the first of two uses of token.weight, depth 0 */
#define ATTN 2 /* blocks.0.attn.q.weight, depth 0.125 */
#define MLP 3  /* blocks.3.mlp.up.weight, depth 0.875 */
#define STEP 3 /* its unit 0 is deb:abgate#use */

static size_t edge(uint32_t unit, size_t use)
{
    return (size_t)unit * FORGE_USES + use;
}

/* Signatures, files, leaves, evidence: everything but the rules must hold, so only stage 6 can
 * object. */
static void assert_forgery(forge *g, const char *name, void (*alter)(forge *), bool settle,
                           const char *text)
{
    plumb_verify_options options;
    plumb_verify_report report;
    g->alter = alter;
    g->settle = settle;
    const char *path = forge_whole(g, name);
    g->alter = NULL;
    plumb_verify_options_default(&options);
    options.trust = g->trust;
    options.full = true;
    assert_fails(plumb_bundle_verify(path, &options, &report, err), PLUMB_ERR_MISMATCH, text);
    assert_true(report.signer_checked && report.closed);
    assert_int_equal(report.leaves, report.leaves_signed);
    assert_string_equal(report.still_trustworthy,
                        "the record is what the operator signed, unchanged since; but it does not "
                        "follow the rules it names");
    options.step = STEP + 1; /* the rules of another step have nothing to object */
    assert_works(plumb_bundle_verify(path, &options, &report, err));
}

/* ---- masks -------------------------------------------------------------------------------- */

static void open_mask(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step != STEP) return;
    assert_int_equal(m->mask[edge(0, ATTN)], 0);
    m->mask[edge(0, ATTN)] = PLUMB__F16_ONE;
    m->norm[edge(0, ATTN)] = plumb__norm16_round_up(0.01);
    m->norm_kind[edge(0, ATTN)] = PLUMB__NORM_EXACT;
}

static void a_mask_opened(void **state)
{
    assert_forgery(*state, "mask", open_mask, true,
                   "step 3: example deb:abgate#use at layer blocks.0.attn.q.weight: mask is 1, but "
                   "the profile conceptual at depth 0.125 gives 0");
}

static void close_mask(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step != STEP) return;
    m->mask[edge(0, MLP)] = 0;
    m->norm[edge(0, MLP)] = 0;
    m->norm_kind[edge(0, MLP)] = PLUMB__NORM_NONE;
    m->clip[edge(0, MLP)] = PLUMB__F16_ONE;
}

static void a_mask_closed(void **state)
{
    assert_forgery(*state, "closed-mask", close_mask, true,
                   "step 3: example deb:abgate#use at layer blocks.3.mlp.up.weight: mask is 0, but "
                   "the profile conceptual at depth 0.875 gives 1");
}

static void admit_unknown(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step != STEP) return;
    m->decision[FORGE_UNITS - 1] = m->reason[FORGE_UNITS - 1] = 0;
    m->unit_weight[FORGE_UNITS - 1] = 1;
}

static void an_unknown_example_admitted(void **state)
{
    assert_forgery(
        *state, "unknown", admit_unknown, true,
        "step 3: example (not in the manifest): decision 0 for reason 0 with weight 1, but "
        "by manifest and policy it is rejected");
}

static void whole(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step != STEP) return;
    assert_int_equal(m->segment[5], -2);
    m->segment[5] = -1;
}

static void a_divided_record_taken_whole(void **state)
{
    assert_forgery(*state, "whole", whole, true,
                   "step 3: example deb:p02#interface: decision 0 for reason 0 with weight 1, but "
                   "by manifest and policy it is rejected");
}

static void no_rest(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step == STEP) m->segment[0] = -2;
}

static void the_rest_of_an_undivided_record(void **state)
{
    assert_forgery(*state, "no-rest", no_rest, true,
                   "step 3: example deb:abgate#use: decision 0 for reason 0 with weight 1, but by "
                   "manifest and policy it is rejected");
}

static void beyond_rest(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step == STEP) m->segment[0] = -3;
}

static void a_segment_below_all(void **state)
{
    assert_forgery(*state, "beyond-rest", beyond_rest, true,
                   "step 3: example deb:abgate#use has segment -3");
}

static void mask_of_rejected(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step == STEP) m->mask[edge(FORGE_UNITS - 1, MLP)] = PLUMB__F16_ONE;
}

static void a_rejected_example_with_a_mask(void **state)
{
    assert_forgery(
        *state, "rejected", mask_of_rejected, true,
        "step 3: example (not in the manifest) at layer blocks.3.mlp.up.weight: mask is 1, "
        "but the example was rejected");
}

static void heavier(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step == STEP) m->unit_weight[0] = 2;
}

static void a_record_weighing_more(void **state)
{
    assert_forgery(*state, "weight", heavier, true,
                   "step 3: example deb:abgate#use: decision 0 for reason 0 with weight 2, but by "
                   "manifest and policy it is admitted with weight 1");
}

/* ---- clips and norms ---------------------------------------------------------------------- */

static void amplify(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step == STEP) m->clip[edge(0, MLP)] = plumb__f16_round_down(1.5);
}

static void a_clip_above_one(void **state)
{
    assert_forgery(*state, "amplify", amplify, true,
                   "step 3: example deb:abgate#use at layer blocks.3.mlp.up.weight: clip is 1.5, "
                   "expected 0 to 1");
}

/* Which limit binds is up to the numbers; the place is what counts here. */
static uint32_t clipped_unit(const forge *g)
{
    for (uint32_t u = 0; u < FORGE_UNITS; u++)
        if (g->made.mask[edge(u, MLP)] != 0 && g->made.clip[edge(u, MLP)] < PLUMB__F16_ONE)
            return u;
    fail_msg("no unit is clipped: the run tests nothing");
    return 0;
}

static void lift_clip(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step == STEP) m->clip[edge(clipped_unit(g), MLP)] = PLUMB__F16_ONE;
}

static void assert_fails_at(forge *g, const char *name, void (*alter)(forge *), bool settle,
                            const char *begins, const char *holds)
{
    plumb_verify_options options;
    plumb_verify_report report;
    plumb_error err = {0};
    g->alter = alter;
    g->settle = settle;
    const char *path = forge_whole(g, name);
    g->alter = NULL;
    plumb_verify_options_default(&options);
    options.trust = g->trust;
    options.full = true;
    assert_int_equal(plumb_bundle_verify(path, &options, &report, &err), PLUMB_ERR_MISMATCH);
    if (strncmp(err.message, begins, strlen(begins)) != 0 || strstr(err.message, holds) == NULL)
        fail_msg("%s", err.message);
}

static void a_clip_lifted(void **state)
{
    assert_fails_at(*state, "lifted", lift_clip, true, "step 3: ", "the limit of ");
}

static void a_clip_lifted_carelessly(void **state)
{
    assert_fails_at(*state, "careless", lift_clip, false, "step 3: ", "blocks.3.mlp.up.weight: ");
}

/* Understating influence breaks no limit; but nothing asked for it. */
static void lower_clip(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step != STEP) return;
    m->clip[edge(0, MLP)] = plumb__f16_round_down(0.125);
}

static void a_clip_lowered(void **state)
{
    assert_forgery(*state, "lowered", lower_clip, true,
                   "step 3: example deb:abgate#use at layer blocks.3.mlp.up.weight: clip is 0.125, "
                   "but no limit asks for less than 1");
}

/* The smallest clip above 0: one bit is left of it, but the next clip there is would not do either.
 */
static void nearly_close_clip(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step == STEP) m->clip[edge(0, MLP)] = 1;
}

static void a_clip_nearly_closed(void **state)
{
    assert_forgery(*state, "nearly-closed", nearly_close_clip, true,
                   "step 3: example deb:abgate#use at layer blocks.3.mlp.up.weight: clip is "
                   "5.96046e-08, but no limit asks for less than 1");
}

/* ---- the limit of a layer ------------------------------------------------------------------- */

/* In both micro-batches, at a weight of one use and at a use of a weight of two: without that the
 * forgeries below would mean nothing. */
static void count_layer_limits(forge *g)
{
    static const size_t uses[] = {TIED, ATTN};
    if (g->made.step.step != STEP) return;
    for (size_t i = 0; i < 2; i++)
        for (uint16_t m = 0; m < 2; m++) {
            unsigned n = 0;
            for (uint32_t u = 0; u < FORGE_UNITS; u++)
                n +=
                    g->made.micro_batch[u] == m && g->limit[edge(u, uses[i])] == PLUMB__LIMIT_LAYER;
            if (n == 0) fail_msg("use %zu, micro-batch %u: the limit does not bind", uses[i], m);
        }
}

static void binding_limits_hold(void **state)
{
    forge *g = *state;
    plumb_verify_options options;
    plumb_verify_report report;
    g->alter = count_layer_limits;
    g->settle = false;
    const char *path = forge_whole(g, "binding");
    g->alter = NULL;
    plumb_verify_options_default(&options);
    options.trust = g->trust;
    options.full = true;
    assert_works(plumb_bundle_verify(path, &options, &report, err));
}

/* Water-filling at a level below what was due: the largest units of a micro-batch together. */
static void lower_level(forge *g, uint16_t micro_batch, size_t use, double factor)
{
    made_step *m = &g->made;
    double most = 0;
    for (uint32_t u = 0; u < FORGE_UNITS; u++) {
        const size_t e = edge(u, use);
        if (m->micro_batch[u] == micro_batch)
            most = fmax(most, plumb__edge_amplitude(m->norm[e], m->mask[e], m->clip[e]));
    }
    for (uint32_t u = 0; u < FORGE_UNITS; u++) {
        const size_t e = edge(u, use);
        const double a = plumb__edge_amplitude(m->norm[e], m->mask[e], PLUMB__F16_ONE);
        if (m->micro_batch[u] != micro_batch || m->mask[e] == 0) continue;
        const uint16_t clip = plumb__f16_round_down(fmin(1, a > 0 ? most * factor / a : 1));
        if (clip < m->clip[e]) m->clip[e] = clip;
    }
}

static void lower_first(forge *g)
{
    if (g->made.step.step == STEP) lower_level(g, 0, MLP, 0.97);
}

static void the_largest_lowered_together(void **state)
{
    assert_forgery(
        *state, "together", lower_first, true,
        "step 3: example deb:abgate#use at layer blocks.3.mlp.up.weight: clip is 0.407471, but "
        "micro-batch 0 spends 0.47009 nats and the limit of the layer leaves it 0.5");
}

static void lower_second(forge *g)
{
    if (g->made.step.step == STEP) lower_level(g, 1, ATTN, 0.97);
}

static void the_largest_of_a_later_micro_batch(void **state)
{
    assert_forgery(
        *state, "together-later", lower_second, true,
        "step 3: example deb:p02#interface at layer blocks.0.attn.q.weight: clip is 0.505371, but "
        "micro-batch 1 spends 0.468858 nats and the limit of the layer leaves it 0.500066");
}

static void lower_tied(forge *g)
{
    if (g->made.step.step == STEP) lower_level(g, 1, TIED, 0.97);
}

static void the_largest_at_one_use_of_two(void **state)
{
    assert_forgery(
        *state, "together-tied", lower_tied, true,
        "step 3: example deb:p02#interface at layer token.weight: clip is 0.29834, but micro-batch "
        "1 spends 0.117556 nats and the limit of the layer leaves it 0.125019");
}

static void close_layer(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step != STEP) return;
    for (uint32_t u = 0; u < FORGE_UNITS; u++)
        if (m->mask[edge(u, MLP)] != 0) m->clip[edge(u, MLP)] = 0;
}

static void all_clips_of_a_layer_0(void **state)
{
    assert_forgery(*state, "all-0", close_layer, true,
                   "step 3: example deb:abgate#use at layer blocks.3.mlp.up.weight: clip is 0, but "
                   "micro-batch 0 spends 0 nats and the limit of the layer leaves it 0.5");
}

/* Empty slots that nobody saw: a quarter of what was due is for them. But the other layers spent as
 * if there were none. */
static void declare_more(forge *g)
{
    if (g->made.step.step != STEP) return;
    g->made.step.units_declared = FORGE_UNITS + 2;
    lower_level(g, 0, MLP, 0.97);
}

static void empty_slots_of_one_layer_alone(void **state)
{
    assert_forgery(
        *state, "empty", declare_more, true,
        "step 3: example deb:abgate#use at layer blocks.3.mlp.up.weight: clip is 0.407471, but "
        "micro-batch 0 spends 0.47009 nats and the limit of the layer leaves it 0.499934");
}

/* No more than the limit of the step, but in its first micro-batch. */
static void spend_early(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step != STEP) return;
    for (uint32_t u = 0; u < FORGE_UNITS; u++) {
        const size_t e = edge(u, MLP);
        if (g->limit[e] == PLUMB__LIMIT_LAYER && m->micro_batch[u] == 0)
            m->clip[e] = plumb__f16_round_down(1.2 * plumb__f16_value(m->clip[e]));
    }
}

static void a_limit_spent_early(void **state)
{
    assert_forgery(*state, "early", spend_early, true,
                   "step 3: layer blocks.3.mlp.up.weight: 0.719377491 nats are spent up to "
                   "micro-batch 0, the limit of the layer by then is 0.5");
}

static void shrink_norm(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step != STEP) return;
    const size_t e = edge(0, MLP);
    m->norm[e] = plumb__norm16_round_up(plumb__norm16_value(m->norm[e]) / 2);
}

static void a_norm_changed(void **state)
{
    assert_fails_at(*state, "norm", shrink_norm, false,
                    "step 3: layer blocks.3.mlp.up.weight: ", "spent is ");
}

static void other_scale(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step == STEP) m->nu[MLP] *= 1.25;
}

/* A larger nu makes every spend look smaller: the columns of the step agree with each other, but
 * not with the steps before it. */
static void a_scale_changed(void **state)
{
    assert_fails_at(*state, "scale", other_scale, true,
                    "step 3: layer blocks.3.mlp.up.weight: ", "but by the norms before it is ");
}

static void other_budget(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step == STEP) m->budget[ATTN] = INFINITY;
}

static void a_budget_changed(void **state)
{
    assert_forgery(
        *state, "budget", other_budget, true,
        "step 3: layer blocks.0.attn.q.weight: budget is inf, but by the record it is 1");
}

static void other_live(forge *g)
{
    made_step *m = &g->made;
    if (m->step.step == STEP) m->live[MLP] = 0;
}

static void a_live_flag_changed(void **state)
{
    assert_forgery(*state, "live", other_live, false,
                   "step 3: layer blocks.3.mlp.up.weight: live is 0, but by the record it is 1");
}

/* ---- the run ledger ----------------------------------------------------------------------- */

/* Each step keeps the limits of a step; only the sum over the run does not. The unit limit of
 * record 1 is 0.1 nats, its run limit 0.25. */
static void forget_ledger(forge *g)
{
    memset(g->ledger, 0, sizeof g->ledger); /* the next step is solved as if nothing was spent */
}

static void a_run_limit_forgotten(void **state)
{
    forge *g = *state;
    plumb_verify_options options;
    plumb_verify_report report;
    plumb_error err = {0};
    g->alter = forget_ledger;
    g->settle = false;
    forge_start(g, "forgotten");
    for (uint64_t step = 1; step <= 24; step++)
        forge_step(g, step);
    forge_close(g);
    g->alter = NULL;
    plumb_verify_options_default(&options);
    options.trust = g->trust;
    assert_int_equal(plumb_bundle_verify(fixture_path(g->f, "forgotten"), &options, &report, &err),
                     PLUMB_OK); /* no step by itself is wrong */
    options.full = true;
    assert_int_equal(plumb_bundle_verify(fixture_path(g->f, "forgotten"), &options, &report, &err),
                     PLUMB_ERR_MISMATCH);
    if (strstr(err.message, "the ledger reaches ") == NULL ||
        strstr(err.message, " nats, the limit of the run is ") == NULL)
        fail_msg("%s", err.message);
}

static void an_honest_long_run_holds(void **state)
{
    forge *g = *state;
    plumb_verify_options options;
    plumb_verify_report report;
    forge_start(g, "long");
    for (uint64_t step = 1; step <= 24; step++)
        forge_step(g, step);
    forge_close(g);
    plumb_verify_options_default(&options);
    options.trust = g->trust;
    options.full = true;
    assert_works(plumb_bundle_verify(fixture_path(g->f, "long"), &options, &report, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mask_opened),
        cmocka_unit_test(a_mask_closed),
        cmocka_unit_test(an_unknown_example_admitted),
        cmocka_unit_test(a_rejected_example_with_a_mask),
        cmocka_unit_test(a_record_weighing_more),
        cmocka_unit_test(a_divided_record_taken_whole),
        cmocka_unit_test(the_rest_of_an_undivided_record),
        cmocka_unit_test(a_segment_below_all),
        cmocka_unit_test(a_clip_above_one),
        cmocka_unit_test(a_clip_lifted),
        cmocka_unit_test(a_clip_lifted_carelessly),
        cmocka_unit_test(a_clip_lowered),
        cmocka_unit_test(a_clip_nearly_closed),
        cmocka_unit_test(binding_limits_hold),
        cmocka_unit_test(the_largest_lowered_together),
        cmocka_unit_test(the_largest_of_a_later_micro_batch),
        cmocka_unit_test(the_largest_at_one_use_of_two),
        cmocka_unit_test(all_clips_of_a_layer_0),
        cmocka_unit_test(empty_slots_of_one_layer_alone),
        cmocka_unit_test(a_limit_spent_early),
        cmocka_unit_test(a_norm_changed),
        cmocka_unit_test(a_scale_changed),
        cmocka_unit_test(a_budget_changed),
        cmocka_unit_test(a_live_flag_changed),
        cmocka_unit_test(a_run_limit_forgotten),
        cmocka_unit_test(an_honest_long_run_holds),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
