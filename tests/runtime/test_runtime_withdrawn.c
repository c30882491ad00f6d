/* Aim: a withdrawn record does not train, whether its own line or its vendor's statement withdraws
 * it; the run keeps the statement as evidence, is judged by it, and does not go on under another.
 * Method: three records of which two are withdrawn, one governed step over all, verification in
 * full of what was written; then the evidence removed or exchanged, and a resume with one more
 * withdrawal; exact messages. */
#include "small.h"

#include "manifest/plumb_withdrawal.h"
#include "provenance/plumb_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define RECORD(id, rest)                                                                           \
    "{\"id\":\"" id "\",\"content\":{\"sha256\":\"" ABC "\",\"bytes\":3}" rest "}\n"
static const char records[] = RECORD("a", "") RECORD("b", "")
    RECORD("c", ",\"consent\":{\"withdrawn\":\"2026-01-01\"}") RECORD("d", "");

static void withdraw(small *s, const char *id)
{
    plumb_error err;
    plumb_withdraw_options options;
    plumb_withdraw_options_default(&options);
    options.ids = &id;
    options.n_ids = 1;
    must(plumb_manifest_withdraw(s->w.manifest_path, s->w.vendor, NULL, &options, NULL, &err),
         &err);
}

/* As small_open_config, with the manifest opened again. */
static void create_run(small *s)
{
    plumb_error err;
    plumb_manifest_free(s->w.manifest);
    must(plumb_manifest_open(s->w.manifest_path, s->w.store, NULL, &s->w.manifest, &err), &err);
    s->run = world_run(&s->w);
    s->up = add_layer(s->run, "up", PLUMB_LINEAR, 3, 4, PLUMB_AT_HEAD, 0);
    s->bias = add_layer(s->run, "bias", PLUMB_BIAS, 1, 3, PLUMB_AT_HEAD, 0);
    s->v[0] = (toy_visit){.layer = s->up, .kind = PLUMB_LINEAR, .in = 4, .out = 3};
    s->v[1] = (toy_visit){.layer = s->bias, .kind = PLUMB_BIAS, .out = 3};
}

static void checkpoint(small *s)
{
    plumb_error err;
    float w[4] = {0};
    const plumb_named_tensor tensor = {"w", PLUMB_F32, 1, {4}, w};
    must(plumb_checkpoint(s->run, &tensor, 1, &err), &err);
}

/* The run of all tests: step 1 over all four records; not closed. */
static void open_and_train(small *s)
{
    plumb_error err;
    const plumb_unit units[] = {small_unit("a", 0, 2), small_unit("b", 2, 2), small_unit("c", 4, 2),
                                small_unit("d", 6, 2)};
    world_open(&s->w, records, "");
    withdraw(s, "b");
    create_run(s);
    must(plumb_run_start(s->run, &err), &err);
    checkpoint(s);
    small_begin(s, 1, 1, 4);
    must(plumb_batch_begin(s->run, units, 4, 8, &err), &err);
    static const uint8_t decisions[] = {PLUMB_ADMITTED, PLUMB_REJECTED, PLUMB_REJECTED,
                                        PLUMB_ADMITTED};
    static const uint8_t reasons[] = {PLUMB_REASON_NONE, PLUMB_REASON_WITHDRAWN,
                                      PLUMB_REASON_WITHDRAWN, PLUMB_REASON_NONE};
    assert_memory_equal(plumb_batch_decisions(s->run), decisions, 4);
    assert_memory_equal(plumb_batch_reasons(s->run), reasons, 4);
    small_visit(s, units, 4, 8, 3);
    must(toy_loss(s->run, &err), &err);
    small_finish(s);
}

static plumb_status verify(small *s, plumb_error *err)
{
    plumb_verify_options options;
    plumb_verify_report report;
    plumb_verify_options_default(&options);
    options.trust = s->w.store;
    options.full = true;
    return plumb_bundle_verify(s->w.out, &options, &report, err);
}

static void it_does_not_train(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    open_and_train(&s);
    must(plumb_run_close(s.run, &err), &err);
    must(verify(&s, &err), &err);
    small_close(&s);
}

/* Whoever takes the statement out of the evidence un-withdraws nothing. */
static void the_evidence_is_part_of_the_run(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    char path[512];
    open_and_train(&s);
    must(plumb_run_close(s.run, &err), &err);
    snprintf(path, sizeof path, "%s/evidence/manifest.withdrawals", s.w.out);
    assert_int_equal(unlink(path), 0);
    assert_int_not_equal(verify(&s, &err), PLUMB_OK);
    assert_non_null(strstr(err.message, "evidence/manifest.withdrawals"));
    small_close(&s);
}

static void a_later_withdrawal_stops_a_resume(void **state)
{
    (void)state;
    small s = {0};
    plumb_error err;
    char expected[1024];
    plumb_resume_info info;
    float w[4] = {0};
    plumb_named_tensor tensor = {"w", PLUMB_F32, 1, {4}, w};
    open_and_train(&s);
    plumb_run_free(s.run);
    toy_free(&s.v[0]);
    toy_free(&s.v[1]);
    withdraw(&s, "d");
    create_run(&s);
    plumb_resume_info_default(&info);
    snprintf(expected, sizeof expected,
             "manifest %s/%s: its withdrawals are not those of the run's start: start a new run "
             "that honours them, or open the manifest with %s/evidence/manifest.withdrawals",
             s.run->info.vendor, s.run->info.dataset, s.w.out);
    must_fail(plumb_run_resume(s.run, &tensor, 1, &info, &err), PLUMB_ERR_MISMATCH, &err, expected);
    /* As the message says. */
    plumb_run_free(s.run);
    plumb_manifest_options options;
    plumb_manifest_options_default(&options);
    char path[512];
    snprintf(path, sizeof path, "%s/evidence/manifest.withdrawals", s.w.out);
    options.withdrawals_path = path;
    plumb_manifest_free(s.w.manifest);
    must(plumb_manifest_open(s.w.manifest_path, s.w.store, &options, &s.w.manifest, &err), &err);
    s.run = world_run(&s.w);
    s.up = add_layer(s.run, "up", PLUMB_LINEAR, 3, 4, PLUMB_AT_HEAD, 0);
    s.bias = add_layer(s.run, "bias", PLUMB_BIAS, 1, 3, PLUMB_AT_HEAD, 0);
    must(plumb_run_resume(s.run, &tensor, 1, &info, &err), &err);
    must(plumb_run_close(s.run, &err), &err);
    must(verify(&s, &err), &err);
    small_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_does_not_train),
        cmocka_unit_test(the_evidence_is_part_of_the_run),
        cmocka_unit_test(a_later_withdrawal_stops_a_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
