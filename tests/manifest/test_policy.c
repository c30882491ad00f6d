/* Aim: a policy means what it says, leaves to the defaults what it does not say, and nothing in it
 * goes unread. Method: the empty policy, one with every field, and the exact message of each
 * refusal. */
#include "manifest_fixture.h"

#include "manifest/policy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void check_defaults(void **state)
{
    (void)state;
    plumb__policy p;
    static const char text[] = "{\"plumb_policy\":1}";
    assert_works(plumb__policy_parse("p", text, sizeof text - 1, &p, err));
    assert_true(p.max_mask == 1.0);
    assert_int_equal(p.unknown, PLUMB__UNKNOWN_REJECT);
    assert_false(p.accept_expired);
    assert_string_equal(p.audience, "");
    assert_true(isinf(p.unit_step_nats) && isinf(p.run_nats) && isinf(p.layer_step_nats));
    assert_true(p.reference_ema == 0.9 && p.reference_fixed == 0.0);
    assert_int_equal(p.starvation_steps, 50);
    assert_int_equal(p.starvation_action, PLUMB__ACTION_WARN);
    assert_int_equal(p.nonfinite_action, PLUMB__ACTION_WARN);
    assert_int_equal(p.seal_steps, 0);
    assert_int_equal(p.commit_ms, 20);
    assert_int_equal(p.commit_bytes, 4194304);
    assert_int_equal(p.max_block_ms, 10000);
}

static void check_every_field(void **state)
{
    (void)state;
    plumb__policy p;
    static const char text[] =
        "{\"plumb_policy\":1,\"depth_axis\":\"index\",\"max_mask\":2,\"unknown\":\"halt\","
        "\"expired\":\"accept\",\"audience\":\"lab\",\"budgets\":{\"unit_step_nats\":2,"
        "\"layer_step_nats\":null,\"run_nats\":16.5},\"reference\":{\"fixed\":1.5},\"starvation\":"
        "{\"steps\":7,\"action\":\"halt\"},\"nonfinite\":\"halt\",\"seal_steps\":100,\"journal\":"
        "{\"commit_ms\":5,\"commit_bytes\":65536,\"max_block_ms\":99}}";
    assert_works(plumb__policy_parse("p", text, sizeof text - 1, &p, err));
    assert_true(p.max_mask == 2.0);
    assert_int_equal(p.unknown, PLUMB__UNKNOWN_HALT);
    assert_true(p.accept_expired);
    assert_string_equal(p.audience, "lab");
    assert_true(p.unit_step_nats == 2.0 && isinf(p.layer_step_nats) && p.run_nats == 16.5);
    assert_true(p.reference_fixed == 1.5);
    assert_int_equal(p.starvation_steps, 7);
    assert_int_equal(p.starvation_action, PLUMB__ACTION_HALT);
    assert_int_equal(p.nonfinite_action, PLUMB__ACTION_HALT);
    assert_int_equal(p.seal_steps, 100);
    assert_int_equal(p.commit_ms, 5);
    assert_int_equal(p.commit_bytes, 65536);
    assert_int_equal(p.max_block_ms, 99);
}

static void check_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        plumb_status status;
        const char *message;
    } cases[] = {
        {"\"plumb_policy\":2", PLUMB_ERR_FORMAT,
         "p: field \"plumb_policy\" is 2; this version reads policies of version 1"},
        {"\"max_mask\":1", PLUMB_ERR_FORMAT, "p: field \"plumb_policy\" is missing"},
        {"\"plumb_policy\":1,\"depth_axis\":\"entropy\"", PLUMB_ERR_POLICY,
         "p: field \"depth_axis\": \"entropy\" is not supported in this version; use \"index\""},
        {"\"plumb_policy\":1,\"depth_axis\":\"layer\"", PLUMB_ERR_POLICY,
         "p: field \"depth_axis\" is \"layer\"; it must be \"index\""},
        {"\"plumb_policy\":1,\"max_mask\":0", PLUMB_ERR_POLICY,
         "p: field \"max_mask\" must be a number above 0, at most 1000000"},
        {"\"plumb_policy\":1,\"unknown\":\"skip\"", PLUMB_ERR_POLICY,
         "p: field \"unknown\" is \"skip\"; it must be \"reject\", \"zero\", \"pass\" or \"halt\""},
        {"\"plumb_policy\":1,\"expired\":1", PLUMB_ERR_FORMAT,
         "p: field \"expired\" must be a string, found an integer"},
        {"\"plumb_policy\":1,\"budgets\":{\"unit_step_nats\":0}", PLUMB_ERR_POLICY,
         "p: in \"budgets\": field \"unit_step_nats\" must be a number above 0, or null for no "
         "limit"},
        {"\"plumb_policy\":1,\"budgets\":{\"unit_nats\":1}", PLUMB_ERR_FORMAT,
         "p: in \"budgets\": unknown field \"unit_nats\" (allowed: unit_step_nats, "
         "layer_step_nats, "
         "run_nats)"},
        {"\"plumb_policy\":1,\"reference\":{\"ema\":1}", PLUMB_ERR_POLICY,
         "p: in \"reference\": field \"ema\" must be a number above 0 and below 1"},
        {"\"plumb_policy\":1,\"reference\":{\"ema\":0.5,\"fixed\":1}", PLUMB_ERR_POLICY,
         "p: field \"reference\" must have exactly one of \"ema\", \"fixed\""},
        {"\"plumb_policy\":1,\"starvation\":{\"steps\":-1}", PLUMB_ERR_POLICY,
         "p: in \"starvation\": field \"steps\" must be an integer from 0 to 4294967295"},
        {"\"plumb_policy\":1,\"nonfinite\":\"ignore\"", PLUMB_ERR_POLICY,
         "p: field \"nonfinite\" is \"ignore\"; it must be \"block\" or \"halt\""},
        {"\"plumb_policy\":1,\"journal\":{\"commit_bytes\":1}", PLUMB_ERR_POLICY,
         "p: in \"journal\": field \"commit_bytes\" must be an integer from 4096 to 1073741824"},
        {"\"plumb_policy\":1,\"entropy_bands\":[2,1]", PLUMB_ERR_POLICY,
         "p: field \"entropy_bands\" must be two numbers above 0 in nats, the second not below the "
         "first, or null"},
        {"\"plumb_policy\":1,\"entropy_bands\":[0,1]", PLUMB_ERR_POLICY,
         "p: field \"entropy_bands\" must be two numbers above 0 in nats, the second not below the "
         "first, or null"},
        {"\"plumb_policy\":1,\"entropy_bands\":\"low\"", PLUMB_ERR_POLICY,
         "p: field \"entropy_bands\" must be two numbers above 0 in nats, the second not below the "
         "first, or null"},
        {"\"plumb_policy\":1,\"budget\":{}", PLUMB_ERR_FORMAT,
         "p: unknown field \"budget\" (allowed: plumb_policy, depth_axis, max_mask, unknown, "
         "expired, "
         "audience, budgets, reference, starvation, nonfinite, seal_steps, journal, "
         "entropy_bands)"},
        {"\"plumb_policy\":1,\"unknown\":\"zero\",\"unknown\":\"pass\"", PLUMB_ERR_FORMAT,
         "p: line 1 column 44: duplicate object key near '\"unknown\"'"},
        {"\"plumb_policy\":1,\"max_mask\":NaN", PLUMB_ERR_FORMAT,
         "p: line 1 column 32: invalid token near 'NaN'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plumb__policy p;
        char text[512];
        snprintf(text, sizeof text, "{%s}", cases[i].fields);
        assert_fails(plumb__policy_parse("p", text, strlen(text), &p, err), cases[i].status,
                     cases[i].message);
    }
}

/* A threshold belongs to the band above it; without thresholds there is no band; progress ends
 * at 1. */
static void check_bands(void **state)
{
    (void)state;
    plumb__policy p;
    static const char text[] = "{\"plumb_policy\":1,\"entropy_bands\":[0.5,2]}";
    plumb__policy_default(&p);
    assert_int_equal(plumb__policy_band(&p, 1.0f), 0);
    assert_works(plumb__policy_parse("p", text, sizeof text - 1, &p, err));
    static const struct {
        float entropy;
        unsigned band;
    } cases[] = {{0, 1}, {0.499f, 1}, {0.5f, 2}, {1.999f, 2}, {2, 3}, {INFINITY, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(plumb__policy_band(&p, cases[i].entropy), cases[i].band);
    assert_true(plumb__progress(1, 4) == 0.25 && plumb__progress(4, 4) == 1);
    assert_true(plumb__progress(9, 4) == 1 && plumb__progress(1, 0) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_defaults),
        cmocka_unit_test(check_every_field),
        cmocka_unit_test(check_bands),
        cmocka_unit_test(check_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
