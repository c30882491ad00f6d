/* Aim: what must hold before a run starts, and that a start that fails leaves nothing behind.
 * Method: each refusal by its exact message; kernels that are wrong by a little; every allocation
 * failing in turn. */
#include "harness.h"
#include "small.h"

#include "base/alloc.h"
#include "base/file.h"
#include "runtime/known_answers.h"

#include <math.h>
#include <stdio.h>

/* ---- starting ---- */

static void test_start(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    char message[512];
    plumb_run *run = NULL;
    world_open(&w, small_records, "");
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
              "manifest acme/toy: names no audience; the audience here is \"lab\"");
    world_close(&w);
}

static void test_layers(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    plumb_layer *layer;
    plumb_layer_desc d;
    world_open(&w, small_records, "");
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

/* ---- expiry ---- */

static void test_expired_manifest(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    plumb_sign_options sign;
    plumb_manifest_options open;
    plumb_manifest *old = NULL;
    plumb_run *run = NULL;
    world_open(&w, small_records, "");
    plumb_sign_options_default(&sign);
    sign.vendor = "acme";
    sign.dataset = "toy";
    sign.manifest_version = 2;
    sign.issued_s = 900000000;
    sign.expires_s = 1000000000;
    must(plumb_manifest_sign(world_path(&w, "records.jsonl"), w.vendor, &sign, &err), &err);
    plumb_manifest_options_default(&open);
    open.allow_expired = true;
    must(plumb_manifest_open(w.manifest_path, w.store, &open, &old, &err), &err);
    plumb_run_config c = world_config(&w);
    must_fail(
        plumb_run_create(&c, old, &run, &err), PLUMB_ERR_EXPIRED, &err,
        "the manifest expired at 2001-09-09T01:46:40Z: get a newer one, or set \"expired\" to "
        "\"accept\" in the policy");
    world_policy(&w, ",\"expired\":\"accept\"");
    must(plumb_run_create(&c, old, &run, &err), &err);
    plumb_run_free(run);
    plumb_manifest_free(old);
    world_close(&w);
}

static void test_expired_trust(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    plumb_run *run = NULL;
    world_open(&w, small_records, "");
    char store[192];
    snprintf(store, sizeof store, "%s", world_path(&w, "old.json"));
    must(plumb_trust_init(store, w.root, 1000000000, &err), &err);
    plumb_run_config c = world_config(&w);
    c.trust_path = store;
    must_fail(plumb_run_create(&c, w.manifest, &run, &err), PLUMB_ERR_EXPIRED, &err,
              "the trust store expired at 2001-09-09T01:46:40Z: get its successor from whoever "
              "keeps it");
    world_close(&w);
}

/* ---- kernels that are wrong ---- */

static void forgetful(const plumb__wgrad_args *args, void *workspace)
{
    plumb__wgrad(args, workspace);
    args->dw[args->in * args->out - 1] *= 1.001f;
}

static void vague(const plumb__wgrad_args *args, void *workspace)
{
    plumb__wgrad(args, workspace);
    args->norm2[1] = NAN;
}

static void test_known_answers(void **state)
{
    (void)state;
    plumb_error err;
    must(plumb__known_answers(plumb__wgrad, &err), &err);
    assert_int_equal(plumb__known_answers(forgetful, &err), PLUMB_ERR_NUMERIC);
    must_fail(
        plumb__known_answers(vague, &err), PLUMB_ERR_NUMERIC, &err,
        "the weight-gradient kernel is off by nan from its float64 reference on this machine: "
        "it must not govern; rebuild for this processor");
}

/* ---- no memory ---- */

/* Every allocation of create and start fails once: the error is NO_MEMORY, nothing leaks
 * (sanitizer), and no bundle is left behind. */
static void test_no_memory(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    long failures = 0;
    world_open(&w, small_records, "");
    const plumb_run_config c = world_config(&w);
    for (;;) {
        plumb_run *run = NULL;
        plumb_layer *layer = NULL;
        plumb_layer_desc d;
        plumb_layer_desc_default(&d);
        d.name = "up";
        d.rows = d.cols = 3;
        plumb__alloc_fail_after(failures + 1);
        plumb_status status = plumb_run_create(&c, w.manifest, &run, &err);
        const bool created = status == PLUMB_OK;
        if (status == PLUMB_OK) status = plumb_run_add_layer(run, &d, &layer, &err);
        if (status == PLUMB_OK) status = plumb_run_start(run, &err);
        plumb__alloc_fail_after(0);
        plumb_run_free(run);
        if (status == PLUMB_OK) break;
        /* While the trust store is read a lack of memory may show as a key that cannot be decoded.
         */
        if (created && status != PLUMB_ERR_NO_MEMORY)
            fail_msg("allocation %ld: %s", failures, err.message);
        if (plumb__path_exists(w.out))
            fail_msg("allocation %ld left a bundle: %s", failures, err.message);
        failures++;
    }
    assert_true(failures > 60);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_expired_manifest),
        cmocka_unit_test(test_expired_trust),
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
