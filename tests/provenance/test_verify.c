/* Aim: verification accepts what an honest run leaves, closed, open, interrupted or rewound, and
 * names the first thing that is wrong with anything else. Method: small runs made through the
 * bundle API (run_forge.h), damaged one way each; exact messages. */
#include "run_forge.h"

#include "base/alloc.h"
#include "base/plumb_random.h"
#include "provenance/plumb_graph.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static plumb_status verify(const char *path, const plumb_trust *trust, bool full,
                           plumb_verify_report *report, plumb_error *err)
{
    plumb_verify_options options;
    plumb_verify_options_default(&options);
    options.trust = trust;
    options.full = full;
    return plumb_bundle_verify(path, &options, report, err);
}

#define assert_verify_fails(path, trust, status, text)                                             \
    do {                                                                                           \
        plumb_verify_report report_;                                                               \
        assert_fails(verify(path, trust, true, &report_, err), status, text);                      \
        assert_false(report_.holds);                                                               \
        assert_string_equal(report_.first_problem, text);                                          \
        assert_string_not_equal(report_.still_trustworthy, "");                                    \
    } while (0)

static void closed_run_holds(void **state)
{
    forge *g = *state;
    plumb_verify_report report;
    const char *path = forge_whole(g, "closed");
    assert_works(verify(path, g->trust, true, &report, err));
    assert_true(report.holds && report.closed && report.signer_checked && report.rules_checked);
    assert_int_equal(report.steps, 6);
    assert_int_equal(report.units, 6 * FORGE_UNITS);
    assert_int_equal(report.edges_checked, 6 * FORGE_UNITS * FORGE_USES);
    assert_int_equal(report.leaves, report.leaves_signed);
    assert_string_equal(report.run_id, g->run_id);
    assert_string_equal(report.first_problem, "");
    assert_string_equal(report.notes, "");
    char keyid[PLUMB_KEYID_TEXT_BYTES];
    plumb_public_key key;
    plumb_key_public(g->f->other, &key);
    plumb_public_key_id(&key, keyid);
    assert_string_equal(report.operator_keyid, keyid);
}

static void signer_is_not_checked_without_trust(void **state)
{
    forge *g = *state;
    plumb_verify_report report;
    const char *path = forge_whole(g, "untrusted");
    assert_works(verify(path, NULL, true, &report, err));
    assert_true(report.holds);
    assert_false(report.signer_checked);
    assert_string_equal(report.operator_keyid, "");
}

static void other_trust_is_refused(void **state)
{
    forge *g = *state;
    const char *path = forge_whole(g, "stranger");
    plumb_trust_addition vendor;
    plumb_trust_addition_default(&vendor);
    vendor.vendor = "acme";
    vendor.name = "acme-1";
    vendor.roles = 1u << PLUMB_ROLE_QUALITY_ATTESTATION;
    plumb_key_public(g->f->vendor, &vendor.key);
    make_trust(g->f, "other-trust.json", &vendor, NULL);
    plumb_trust *trust = open_trust(g->f, "other-trust.json");
    assert_verify_fails(path, trust, PLUMB_ERR_TRUST,
                        "certificates line 1: no key of the trust store has signed it");
    plumb_trust_free(trust);
}

static void open_run_holds_as_far_as_it_goes(void **state)
{
    forge *g = *state;
    plumb_verify_report report;
    plumb_verify_options options;
    forge_start(g, "open");
    for (uint64_t step = 1; step <= 4; step++) {
        forge_step(g, step);
        if (step == 2) forge_checkpoint(g, step); /* seals */
    }
    assert_works(plumb__bundle_flush(g->bundle, err));
    const char *path = fixture_path(g->f, "open");
    assert_works(verify(path, g->trust, true, &report, err)); /* beside the living writer */
    assert_false(report.closed);
    assert_int_equal(report.steps, 4);
    assert_true(report.leaves_signed < report.leaves);
    forge_stop(g);
    assert_works(verify(path, g->trust, true, &report, err));
    assert_int_equal(report.steps, 4);
    plumb_verify_options_default(&options);
    options.trust = g->trust;
    options.require_closed = true;
    char text[128];
    snprintf(text, sizeof text, "the run is open: %llu of %llu leaves are signed",
             (unsigned long long)report.leaves_signed, (unsigned long long)report.leaves);
    assert_fails(plumb_bundle_verify(path, &options, &report, err), PLUMB_ERR_STATE, text);
    assert_string_equal(report.still_trustworthy, "what is there holds; the run may go on");
}

static void rewound_run_holds(void **state)
{
    forge *g = *state;
    plumb_verify_report report;
    forge_start(g, "rewound");
    for (uint64_t step = 1; step <= 4; step++) {
        forge_step(g, step);
        if (step == 2) forge_checkpoint(g, step);
    }
    forge_stop(g);
    forge_resume(g, "rewound", 4, 2);
    const char *path = fixture_path(g->f, "rewound");
    for (uint64_t step = 3; step <= 6; step++)
        forge_step(g, step);
    assert_works(plumb__bundle_flush(g->bundle, err));
    assert_works(verify(path, g->trust, true, &report, err));
    forge_close(g);
    path = fixture_path(g->f, "rewound");
    assert_works(verify(path, g->trust, true, &report, err));
    assert_true(report.closed);
    assert_int_equal(report.steps, 8);
}

static void sampled_and_single_steps(void **state)
{
    forge *g = *state;
    plumb_verify_report report;
    plumb_verify_options options;
    const char *path = forge_whole(g, "single");
    plumb_verify_options_default(&options);
    options.step = 3;
    assert_works(plumb_bundle_verify(path, &options, &report, err));
    assert_int_equal(report.edges_checked, FORGE_UNITS * FORGE_USES);
    options.step = 7;
    assert_fails(plumb_bundle_verify(path, &options, &report, err), PLUMB_ERR_NOT_FOUND,
                 "the run has no step 7");
}

/* A child takes four steps and closes the run; it is killed somewhere in that, merging included.
 * Whatever it leaves must verify as far as it goes. */
static void killed_while_closing_holds(void **state)
{
    forge *g = *state;
    int closed = 0, open = 0;
    for (uint32_t i = 0; i < 24; i++) {
        char name[32], ready = 0;
        int pipe_of[2];
        snprintf(name, sizeof name, "killed-%u", i);
        assert_int_equal(pipe(pipe_of), 0);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failure must not go on in cmocka's loop */
            forge_start(g, name);
            for (uint64_t step = 1; step <= 4; step++)
                forge_step(g, step);
            if (write(pipe_of[1], "r", 1) != 1) _exit(2);
            forge_close(g);
            _exit(0);
        }
        close(pipe_of[1]);
        assert_int_equal(read(pipe_of[0], &ready, 1), 1);
        close(pipe_of[0]);
        usleep((useconds_t)(plumb_random_uniform(3, 0, i) * 60000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        plumb_verify_report report;
        assert_works(verify(fixture_path(g->f, name), g->trust, true, &report, err));
        closed += report.closed;
        open += !report.closed;
    }
    assert_true(closed + open == 24 && open > 0);
}

/* Every allocation of a verification fails once: it says so, and nothing leaks or falls
 * (sanitizers). */
static void out_of_memory_is_said(void **state)
{
    forge *g = *state;
    plumb_verify_report report;
    char path[512];
    snprintf(path, sizeof path, "%s", forge_whole(g, "memory"));
    const uint64_t before = plumb__alloc_count();
    assert_works(verify(path, g->trust, true, &report, err));
    const uint64_t needed = plumb__alloc_count() - before;
    assert_true(needed > 20);
    const uint64_t stride = needed / 200 + 1;
    uint64_t said = 0;
    for (uint64_t n = 1; n <= needed; n += stride) {
        plumb_error err = {0};
        plumb__alloc_fail_after((long)n);
        const plumb_status status = verify(path, g->trust, true, &report, &err);
        plumb__alloc_fail_after(0);
        said += status == PLUMB_ERR_NO_MEMORY;
        /* Some layers only see that something below them failed; none may fail without a word. */
        if (status != PLUMB_OK && err.message[0] == '\0')
            fail_msg("allocation %llu of %llu: status %d, \"%s\"", (unsigned long long)n,
                     (unsigned long long)needed, status, err.message);
    }
    assert_true(said > needed / stride * 8 / 10);
    assert_works(verify(path, g->trust, true, &report, err));
}

/* ---- damage ------------------------------------------------------------------------------- */

static const char *inside(const forge *g, const char *run, const char *name)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/%s/%s", g->f->dir, run, name);
    return path;
}

static void missing_and_stray_files(void **state)
{
    forge *g = *state;
    plumb_verify_report report;
    const char *path = forge_whole(g, "files");
    char away[600];
    snprintf(away, sizeof away, "%s/away", g->f->dir);
    assert_int_equal(rename(inside(g, "files", "evidence/policy.json"), away), 0);
    assert_verify_fails(path, g->trust, PLUMB_ERR_DIGEST,
                        "evidence/policy.json: is listed in the inventory, but missing");
    assert_int_equal(rename(away, inside(g, "files", "evidence/policy.json")), 0);
    write_text(inside(g, "files", "checkpoints/x.tmp"), "");
    assert_verify_fails(path, g->trust, PLUMB_ERR_DIGEST,
                        "checkpoints/x.tmp: is in the bundle, but in no inventory");
    assert_int_equal(unlink(inside(g, "files", "checkpoints/x.tmp")), 0);
    assert_int_equal(mkdir(inside(g, "files", "segments"), 0755), 0);
    assert_verify_fails(path, g->trust, PLUMB_ERR_DIGEST,
                        "segments: an empty directory that no inventory explains");
    assert_int_equal(rmdir(inside(g, "files", "segments")), 0);
    write_text(inside(g, "files", "checkpoints/step-3.safetensors"), "other");
    assert_verify_fails(path, g->trust, PLUMB_ERR_DIGEST,
                        "checkpoints/step-3.safetensors: has 5 bytes, but 33 were sealed");
    write_text(inside(g, "files", "checkpoints/step-3.safetensors"),
               "weights after step 3 of attempt 1");
    assert_verify_fails(path, g->trust, PLUMB_ERR_DIGEST,
                        "checkpoints/step-3.safetensors: its bytes are not those that were sealed");
    write_text(inside(g, "files", "checkpoints/step-3.safetensors"),
               "weights after step 3 of attempt 0");
    assert_works(verify(path, g->trust, true, &report, err));
}

static void links_are_refused(void **state)
{
    forge *g = *state;
    plumb_verify_report report;
    plumb_error err = {0};
    const char *path = forge_whole(g, "links");
    assert_int_equal(symlink("run.json", inside(g, "links", "evidence/link")), 0);
    assert_int_equal(verify(path, g->trust, false, &report, &err), PLUMB_ERR_FORMAT);
    assert_non_null(strstr(err.message, "evidence/link"));
}

static void seals_and_head_are_exact(void **state)
{
    forge *g = *state;
    const char *path = forge_whole(g, "exact");
    plumb__bytes seals;
    read_bytes(inside(g, "exact", "seals.jsonl"), &seals);
    plumb__bytes_append_text(&seals, "x");
    write_bytes(inside(g, "exact", "seals.jsonl"), seals.data, seals.size);
    assert_verify_fails(path, g->trust, PLUMB_ERR_DIGEST,
                        "seals.jsonl: 1 bytes follow the last inventory of a closed run");
    seals.size -= 2;
    while (seals.data[seals.size - 1] != '\n')
        seals.size--;
    write_bytes(inside(g, "exact", "seals.jsonl"), seals.data, seals.size);
    plumb_verify_report report;
    assert_int_not_equal(verify(path, g->trust, false, &report, NULL), PLUMB_OK);
    plumb__bytes_free(&seals);
}

/* Lines are judged by those before them, before anything is hashed. */
static void seals_are_differences(void **state)
{
    forge *g = *state;
    const char *path = forge_whole(g, "differences");
    static const char nothing[] = "\"gone\":[";
    plumb__bytes seals, changed = {0};
    read_bytes(inside(g, "differences", "seals.jsonl"), &seals);
    const char *second = strchr(plumb__bytes_text(&seals), '\n');
    const char *gone = strstr(second, nothing);
    assert_non_null(gone);
    const size_t before = (size_t)(gone - (const char *)seals.data) + sizeof nothing - 1;
    plumb__bytes_append(&changed, seals.data, before);
    plumb__bytes_append_text(&changed, "\"evidence/stray\"");
    plumb__bytes_append(&changed, seals.data + before, seals.size - before);
    write_bytes(inside(g, "differences", "seals.jsonl"), changed.data, changed.size);
    assert_verify_fails(path, g->trust, PLUMB_ERR_CORRUPT,
                        "seals.jsonl line 2: \"evidence/stray\" is gone, but was not there; "
                        "restore the file from a copy");
    plumb__bytes_free(&seals);
    plumb__bytes_free(&changed);
}

/* The last inventory says closed, but its head is still head.tmp: the writer died in between. */
static void a_close_without_its_head(void **state)
{
    forge *g = *state;
    plumb__bytes before, after;
    plumb_verify_report report;
    plumb_verify_options options;
    char path[512];
    forge_start(g, "headless");
    for (uint64_t step = 1; step <= 2; step++)
        forge_step(g, step);
    assert_works(plumb__bundle_seal(g->bundle, err));
    assert_works(plumb__bundle_flush(g->bundle, err));
    read_bytes(inside(g, "headless", "head"), &before);
    forge_close(g);
    read_bytes(inside(g, "headless", "head"), &after);
    write_bytes(inside(g, "headless", "head.tmp"), after.data, after.size);
    write_bytes(inside(g, "headless", "head"), before.data, before.size);
    snprintf(path, sizeof path, "%s", fixture_path(g->f, "headless"));
    assert_works(verify(path, g->trust, true, &report, err));
    assert_false(report.closed);
    assert_true(report.leaves_signed < report.leaves);
    plumb_verify_options_default(&options);
    options.require_closed = true;
    assert_int_equal(plumb_bundle_verify(path, &options, &report, NULL), PLUMB_ERR_STATE);
    assert_int_equal(unlink(inside(g, "headless", "head.tmp")), 0);
    write_bytes(inside(g, "headless", "head"), after.data, after.size);
    assert_works(plumb_bundle_verify(path, &options, &report, err));
    assert_true(report.closed);
    plumb__bytes_free(&before);
    plumb__bytes_free(&after);
}

static void open_run_leftovers_are_noted(void **state)
{
    forge *g = *state;
    plumb_verify_report report;
    forge_start(g, "leftovers");
    forge_step(g, 1);
    forge_stop(g);
    const char *path = fixture_path(g->f, "leftovers");
    write_text(inside(g, "leftovers", "segments/7.h5.tmp"), "half");
    write_text(inside(g, "leftovers", "segments/7.h5"), "half");
    assert_works(verify(path, g->trust, true, &report, err));
    assert_string_equal(
        report.notes,
        "segments/7.h5: left over from an interrupted write, not part of the record\n"
        "segments/7.h5.tmp: left over from an interrupted write, not part of the record\n");
    write_text(inside(g, "leftovers", "evidence/stray"), "");
    assert_verify_fails(path, g->trust, PLUMB_ERR_DIGEST,
                        "evidence/stray: is in the bundle, but in no inventory");
}

static void a_bundle_that_is_none(void **state)
{
    forge *g = *state;
    plumb_verify_report report;
    assert_int_equal(verify(g->f->dir, g->trust, false, &report, NULL), PLUMB_ERR_NOT_FOUND);
    assert_int_equal(mkdir(fixture_path(g->f, "none"), 0755), 0);
    write_text(inside(g, "none", "run.json"), "{}");
    assert_verify_fails(fixture_path(g->f, "none"), g->trust, PLUMB_ERR_FORMAT,
                        "run.json: field \"plumb_run\" is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_run_holds),
        cmocka_unit_test(signer_is_not_checked_without_trust),
        cmocka_unit_test(other_trust_is_refused),
        cmocka_unit_test(open_run_holds_as_far_as_it_goes),
        cmocka_unit_test(rewound_run_holds),
        cmocka_unit_test(killed_while_closing_holds),
        cmocka_unit_test(out_of_memory_is_said),
        cmocka_unit_test(sampled_and_single_steps),
        cmocka_unit_test(missing_and_stray_files),
        cmocka_unit_test(links_are_refused),
        cmocka_unit_test(seals_and_head_are_exact),
        cmocka_unit_test(seals_are_differences),
        cmocka_unit_test(a_close_without_its_head),
        cmocka_unit_test(open_run_leftovers_are_noted),
        cmocka_unit_test(a_bundle_that_is_none),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
