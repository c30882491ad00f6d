/* Aim: a run starts and resumes only with a trust store and a manifest that are not older than, or
 * other than, what this machine has seen, and leaves behind what it saw. Method: worlds whose store
 * or manifest is exchanged between creating, starting and resuming a run; a state directory that
 * cannot be written; what was written, read back. */
#include "harness.h"

#include "base/clock.h"
#include "base/file.h"
#include "manifest/plumb_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char one[] =
    "{\"id\":\"a\",\"content\":{\"sha256\":\"b94d27b9934d3e08a52e52d7da7dabfac484"
    "efe37a5380ee9088f7ace2efcde9\",\"bytes\":11}}\n";

static void add_up(plumb_run *run)
{
    add_layer(run, "up", PLUMB_LINEAR, 3, 4, PLUMB_AT_HEAD, 0);
}

static plumb_run *ready_run(world *w)
{
    plumb_run *run = world_run(w);
    add_up(run);
    return run;
}

typedef struct counted {
    size_t n;
    char path[600], statement[80], run_id[40];
    uint64_t version;
} counted;

static plumb_status count(const plumb_state_run *run, void *ctx, plumb_error *err)
{
    counted *c = ctx;
    (void)err;
    c->n++;
    c->version = run->manifest_version;
    snprintf(c->path, sizeof c->path, "%s", run->path);
    snprintf(c->statement, sizeof c->statement, "%s", run->statement);
    snprintf(c->run_id, sizeof c->run_id, "%s", run->run_id);
    return PLUMB_OK;
}

static void leaves_what_it_saw(void **test_state)
{
    world w;
    plumb_error err;
    plumb_state *state = NULL;
    plumb_manifest_info info;
    counted c = {0};
    (void)test_state;
    world_open(&w, one, "");
    plumb_run *run = ready_run(&w);
    must(plumb_state_open(NULL, &state, &err), &err);
    assert_int_equal(plumb_state_trust_version(state, w.store), 0); /* creating writes nothing */
    plumb_state_free(state);
    must(plumb_run_start(run, &err), &err);
    plumb_run_free(run);
    plumb_manifest_describe(w.manifest, &info);
    must(plumb_state_open(NULL, &state, &err), &err);
    assert_int_equal(plumb_state_trust_version(state, w.store), plumb_trust_version(w.store));
    assert_int_equal(plumb_state_manifest_version(state, w.store, "acme", "toy"), 1);
    must(plumb_state_runs(state, count, &c, &err), &err);
    plumb_state_free(state);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.version, 1);
    assert_string_equal(c.statement, info.statement_digest);
    assert_int_equal(c.path[0], '/');
    assert_string_equal(strrchr(c.path, '/'), "/run");
    /* Resuming is the same run. */
    run = ready_run(&w);
    must(plumb_run_resume(run, NULL, 0, NULL, &err), &err);
    plumb_run_free(run);
    memset(&c, 0, sizeof c);
    must(plumb_state_open(NULL, &state, &err), &err);
    must(plumb_state_runs(state, count, &c, &err), &err);
    plumb_state_free(state);
    assert_int_equal(c.n, 1);
    world_close(&w);
}

/* The folder of the configuration comes before that of the environment. */
static void a_folder_of_its_own(void **test_state)
{
    world w;
    plumb_error err;
    plumb_run *run = NULL;
    char own[300];
    (void)test_state;
    world_open(&w, one, "");
    snprintf(own, sizeof own, "%s", world_path(&w, "own/state"));
    plumb_run_config c = world_config(&w);
    c.state_dir = own;
    must(plumb_run_create(&c, w.manifest, &run, &err), &err);
    add_up(run);
    must(plumb_run_start(run, &err), &err);
    plumb_run_free(run);
    assert_int_equal(access(world_path(&w, "own/state/pins.json"), F_OK), 0);
    assert_int_not_equal(access(world_path(&w, "state/pins.json"), F_OK), 0);
    c.state_dir = "";
    must_fail(plumb_run_create(&c, w.manifest, &run, &err), PLUMB_ERR_ARGUMENT, &err,
              "plumb_run_config: state_dir has 0 bytes, allowed are 1 to 4095");
    world_close(&w);
}

static void needs_a_memory(void **test_state)
{
    world w;
    plumb_error err;
    char message[900];
    (void)test_state;
    world_open(&w, one, "");
    assert_int_equal(setenv("PLUMB_STATE", world_path(&w, "trust.json"), 1), 0); /* a file */
    plumb_run_config c = world_config(&w);
    plumb_run *run = NULL;
    snprintf(message, sizeof message,
             "the state folder %s is not a folder; set PLUMB_STATE (or --state DIR) to one",
             w.trust);
    must_fail(plumb_run_create(&c, w.manifest, &run, &err), PLUMB_ERR_IO, &err, message);
    assert_int_equal(setenv("PLUMB_STATE", world_path(&w, "trust.json/state"), 1), 0);
    must(plumb_run_create(&c, w.manifest, &run, &err), &err); /* reading: nothing was seen there */
    add_up(run);
    snprintf(
        message, sizeof message,
        "what was seen cannot be remembered: cannot make the folder %s/state: Not a directory; set "
        "PLUMB_STATE (or --state DIR) to a folder that can be written",
        w.trust);
    must_fail(plumb_run_start(run, &err), PLUMB_ERR_IO, &err, message);
    plumb_run_free(run);
    assert_int_not_equal(access(w.out, F_OK), 0); /* nothing of the run is there */
    world_close(&w);
}

/* Cuts the date out of "(on DATE)". */
static void without_date(char *message)
{
    char *on = strstr(message, "(on 2");
    if (on != NULL) memmove(on + 4, on + 24, strlen(on + 24) + 1);
}

static void refuses_older_versions(void **test_state)
{
    world w;
    plumb_error err;
    plumb_sign_options sign;
    plumb_manifest *newer = NULL;
    (void)test_state;
    world_open(&w, one, "");
    plumb_run *old = ready_run(&w); /* created before anything newer was seen */
    plumb_sign_options_default(&sign);
    sign.vendor = "acme";
    sign.dataset = "toy";
    sign.manifest_version = 2;
    must(plumb_manifest_sign(world_path(&w, "records.jsonl"), w.vendor, &sign, &err), &err);
    must(plumb_manifest_open(w.manifest_path, w.store, NULL, &newer, &err), &err);
    plumb_state *state = NULL;
    must(plumb_state_lock(NULL, &state, &err), &err);
    must(plumb_state_pin(state, "t", w.store, newer, &err), &err);
    plumb_state_free(state);
    assert_int_equal(plumb_run_start(old, &err), PLUMB_ERR_TRUST);
    without_date(err.message);
    assert_string_equal(err.message, "manifest acme/toy: rollback: version 2 of acme/toy was seen "
                                     "(on ), this is version 1; get the newer one");
    plumb_run_free(old);
    assert_int_not_equal(access(w.out, F_OK), 0);
    plumb_manifest_free(newer);
    world_close(&w);
}

static void judges_signers_again(void **test_state)
{
    world w;
    plumb_error err;
    plumb_run *run = NULL;
    plumb_manifest *m = NULL;
    plumb_trust_change change;
    plumb_manifest_options options;
    (void)test_state;
    world_open(&w, one, "");
    plumb_manifest_options_default(&options);
    options.untrusted = true;
    must(plumb_manifest_open(w.manifest_path, NULL, &options, &m, &err), &err);
    const plumb_run_config c = world_config(&w);
    must_fail(plumb_run_create(&c, m, &run, &err), PLUMB_ERR_TRUST, &err,
              "manifest acme/toy: was opened without a trust store; nobody knows who signed it");
    plumb_manifest_free(m);
    run = ready_run(&w);
    must(plumb_run_start(run, &err), &err);
    plumb_run_free(run);
    /* Revoked while the run was interrupted: it does not go on. */
    plumb_trust_change_default(&change);
    change.signers = (const plumb_secret_key *const *)&w.root;
    change.n_signers = 1;
    must(plumb_trust_revoke(w.trust, &change, "acme", "vendor", "compromised", 1750000000, &err),
         &err);
    must_fail(plumb_run_create(&c, w.manifest, &run, &err), PLUMB_ERR_EXPIRED, &err,
              "manifest acme/toy: key vendor of vendor acme was revoked at 2025-06-15T15:06:40Z "
              "(compromised); ask for a signature by a current key: plumb manifest sign again with "
              "it adds one");
    world_close(&w);
}

/* A store whose roots were rotated in between is the same store: the run goes on. */
static void follows_a_rotation(void **test_state)
{
    world w;
    plumb_error err;
    plumb_public_key key;
    plumb_trust_change change;
    (void)test_state;
    world_open(&w, one, "");
    plumb_run *run = ready_run(&w);
    must(plumb_run_start(run, &err), &err);
    plumb_run_free(run);
    const plumb_secret_key *both[] = {w.root, w.stranger};
    plumb_key_public(w.stranger, &key);
    const plumb_trust_roots roots = {&key, 1, 1};
    plumb_trust_change_default(&change);
    change.signers = both;
    change.n_signers = 2;
    must(plumb_trust_rotate(w.trust, &change, &roots, &err), &err);
    run = ready_run(&w);
    must(plumb_run_resume(run, NULL, 0, NULL, &err), &err);
    plumb_run_free(run);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_what_it_saw),   cmocka_unit_test(a_folder_of_its_own),
        cmocka_unit_test(needs_a_memory),       cmocka_unit_test(refuses_older_versions),
        cmocka_unit_test(judges_signers_again), cmocka_unit_test(follows_a_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
