/* Aim: several writers of one manifest lose nothing of one another, none waits for ever, and a
 * killed one leaves nothing that hinders the next. Method: forked writers that withdraw, sign and
 * cosign at the same time; a lock that is held, and one that a killed process has left; temporaries
 * of killed processes beside files that only look alike; the files that a kill in the middle of
 * signing leaves, made by hand and by killing. */
#include "manifest_fixture.h"

#include "manifest/plumb_proof.h"
#include "manifest/plumb_withdrawal.h"
#include "manifest/writer_lock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTENT                                                                                    \
    ",\"content\":{\"sha256\":"                                                                    \
    "\"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9\","                        \
    "\"bytes\":11}}\n"
#define WRITERS 4

static const char records[] =
    "{\"id\":\"r0\"" CONTENT "{\"id\":\"r1\"" CONTENT "{\"id\":\"r2\"" CONTENT
    "{\"id\":\"r3\"" CONTENT "{\"id\":\"r4\"" CONTENT;

static void begin(const fixture *f)
{
    (void)remove(fixture_path(f, "records.plumb.json"));
    (void)remove(fixture_path(f, "records.checkpoint"));
    (void)remove(fixture_path(f, "records.withdrawals"));
    sign_records(f, records, NULL);
}

static uint64_t lines_of(const char *path)
{
    plumb__bytes text;
    uint64_t n = 0;
    read_bytes(path, &text);
    for (size_t i = 0; i < text.size; i++)
        n += text.data[i] == '\n';
    plumb__bytes_free(&text);
    return n;
}

/* ---- at the same time ---- */

static plumb_status withdraw(const fixture *f, const char *id, plumb_error *err)
{
    plumb_withdraw_options options;
    plumb_withdraw_options_default(&options);
    options.ids = &id;
    options.n_ids = 1;
    return plumb_manifest_withdraw(fixture_path(f, "records.plumb.json"), f->vendor, NULL, &options,
                                   NULL, err);
}

static int withdraw_one(const fixture *f, int i)
{
    static const char *const ids[WRITERS] = {"r0", "r1", "r2", "r3"};
    plumb_error err = {0};
    if (withdraw(f, ids[i], &err) == PLUMB_OK) return 0;
    fprintf(stderr, "%s\n", err.message);
    return 1;
}

static void all_at_once(const fixture *f, int (*work)(const fixture *, int))
{
    pid_t children[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) _exit(work(f, i));
    }
    for (int i = 0; i < WRITERS; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_false(plumb__path_exists(fixture_path(f, "records.plumb.lock")));
}

static void withdrawals_at_once_are_all_kept(void **state)
{
    const fixture *f = *state;
    for (int round = 0; round < 8; round++) {
        begin(f);
        all_at_once(f, withdraw_one);
        assert_int_equal(lines_of(fixture_path(f, "records.withdrawals")), WRITERS);
    }
}

/* Two witnesses and the vendor again, who has nothing to add. */
static int add_line(const fixture *f, int i)
{
    plumb_witness_options options;
    plumb_witness_info info;
    plumb_sign_options again = sign_defaults();
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    char dir[300];
    plumb_witness_options_default(&options);
    snprintf(dir, sizeof dir, "%s/state%d", f->dir, i);
    if (plumb_trust_open(fixture_path(f, "trust.json"), &trust, &err) != PLUMB_OK) return 2;
    options.trust = trust;
    options.state_dir = dir;
    options.name = i == 0 ? "w/one" : "w/two";
    const plumb_secret_key *key = i == 0 ? f->root : f->other;
    const plumb_status status =
        i > 1 ? plumb_manifest_sign(fixture_path(f, "records.jsonl"), f->vendor, &again, &err)
              : plumb_witness_manifest(fixture_path(f, "records.plumb.json"), key, &options, &info,
                                       &err);
    if (status != PLUMB_OK) fprintf(stderr, "%s\n", err.message);
    plumb_trust_free(trust);
    return status != PLUMB_OK;
}

static void signers_and_witnesses_at_once_are_all_kept(void **state)
{
    const fixture *f = *state;
    for (int round = 0; round < 6; round++) {
        begin(f);
        all_at_once(f, add_line);
        assert_int_equal(lines_of(fixture_path(f, "records.checkpoint")), 6 + 2);
    }
}

/* ---- waiting ---- */

static void waiting_has_an_end(void **state)
{
    const fixture *f = *state;
    plumb__lock first, second;
    char message[500];
    begin(f);
    assert_works(plumb__manifest_lock(fixture_path(f, "records.plumb.json"), &first, err));
    snprintf(message, sizeof message,
             "%s/records.plumb.lock: another process is writing here and was not done within 0.2 "
             "seconds; try again when it is",
             f->dir);
    assert_fails(plumb__lock_take(fixture_path(f, "records.plumb.lock"), 200, &second, err),
                 PLUMB_ERR_LOCKED, message);
    plumb__lock_release(&second);
    assert_true(plumb__path_exists(fixture_path(f, "records.plumb.lock")));
    plumb__lock_release(&first);
    assert_works(plumb__lock_take(fixture_path(f, "records.plumb.lock"), 0, &second, err));
    plumb__lock_release(&second);
}

static void what_a_killed_holder_leaves_is_taken_at_once(void **state)
{
    const fixture *f = *state;
    plumb_error err = {0};
    begin(f);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        plumb__lock lock;
        if (plumb__manifest_lock(fixture_path(f, "records.plumb.json"), &lock, &err) != PLUMB_OK)
            _exit(1);
        (void)raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(plumb__path_exists(fixture_path(f, "records.plumb.lock")));
    plumb__lock lock;
    assert_works(plumb__lock_take(fixture_path(f, "records.plumb.lock"), 0, &lock, err));
    plumb__lock_release(&lock);
    assert_false(plumb__path_exists(fixture_path(f, "records.plumb.lock")));
}

static void a_lock_is_a_file_and_nothing_else(void **state)
{
    const fixture *f = *state;
    char message[400];
    begin(f);
    write_text(fixture_path(f, "victim"), "kept");
    const char *path = fixture_path(f, "records.plumb.lock");
    assert_int_equal(symlink("victim", path), 0);
    plumb_error err = {0};
    assert_int_not_equal(withdraw(f, "r0", &err), PLUMB_OK);
    snprintf(message, sizeof message, "cannot open the lock %s: Too many levels of symbolic links",
             path);
    assert_string_equal(err.message, message);
    assert_int_equal(unlink(path), 0);
    assert_true(plumb__path_exists(fixture_path(f, "victim")));
    assert_int_equal(plumb__path_exists(fixture_path(f, "records.withdrawals")), false);
}

/* ---- what killed writers leave ---- */

static void temporaries_of_killed_writers_are_removed(void **state)
{
    const fixture *f = *state;
    static const char *const stale[] = {
        "records.plumb.json.77-0123abcd.tmp", "records.checkpoint.77-0123abcd.tmp",
        "records.withdrawals.77-0123abcd.tmp", "records.v12.withdrawals.77-0123abcd.tmp"};
    static const char *const others[] = {
        "records.plumb.json.tmp", "other.withdrawals.77-0123abcd.tmp",
        "records.jsonl.77-0123abcd.tmp", "records.v.withdrawals.77-0123abcd.tmp",
        "records.more.checkpoint.77-0123abcd.tmp"};
    begin(f);
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++)
        write_text(fixture_path(f, stale[i]), "half");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        write_text(fixture_path(f, others[i]), "mine");
    assert_works(withdraw(f, "r0", err));
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++)
        assert_false(plumb__path_exists(fixture_path(f, stale[i])));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(plumb__path_exists(fixture_path(f, others[i])));
}

/* ---- killed in the middle ---- */

static const char second_records[] = "{\"id\":\"r1\"" CONTENT "{\"id\":\"r2\"" CONTENT;

static int64_t opened_version(const fixture *f, uint64_t *withdrawn)
{
    plumb_manifest *m = NULL;
    plumb_manifest_info info = {.size = sizeof info, .version = 1};
    plumb_trust *trust = open_trust(f, "trust.json");
    assert_works(plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, &m, err));
    plumb_manifest_describe(m, &info);
    *withdrawn = info.withdrawn;
    plumb_manifest_free(m);
    plumb_trust_free(trust);
    return (int64_t)info.manifest_version;
}

static plumb_status sign_version(const fixture *f, uint64_t version, plumb_error *err)
{
    plumb_sign_options options = sign_defaults();
    options.manifest_version = version;
    return plumb_manifest_sign(fixture_path(f, "records.jsonl"), f->vendor, &options, err);
}

static void copy_file(const fixture *f, const char *from, const char *to)
{
    plumb__bytes data;
    read_bytes(fixture_path(f, from), &data);
    write_bytes(fixture_path(f, to), data.data, data.size);
    plumb__bytes_free(&data);
}

/* Version 1 with one withdrawal, its envelope and chain kept as old.*, and the second records. */
static void before_version_2(const fixture *f)
{
    plumb_error err = {0};
    (void)remove(fixture_path(f, "records.v1.withdrawals"));
    (void)remove(fixture_path(f, "records.v2.withdrawals"));
    begin(f);
    assert_int_equal(withdraw(f, "r0", &err), PLUMB_OK);
    copy_file(f, "records.plumb.json", "old.envelope");
    copy_file(f, "records.withdrawals", "old.withdrawals");
    write_text(fixture_path(f, "records.jsonl"), second_records);
}

static void assert_healed(const fixture *f, uint64_t version)
{
    uint64_t withdrawn = 9;
    assert_works(sign_version(f, version, err));
    assert_int_equal(opened_version(f, &withdrawn), version);
    assert_int_equal(withdrawn, 0);
    assert_false(plumb__path_exists(fixture_path(f, "records.withdrawals")));
    assert_true(plumb__path_exists(fixture_path(f, "records.checkpoint")));
    assert_true(plumb__path_exists(fixture_path(f, "records.v1.withdrawals")));
    assert_false(plumb__path_exists(fixture_path(f, "records.v2.withdrawals")));
}

/* The new envelope is there and the old chain still beside it, with its copy or, as earlier
 * releases left it, without. */
static void a_chain_left_behind_hinders_nothing(void **state)
{
    const fixture *f = *state;
    for (int round = 0; round < 4; round++) {
        uint64_t withdrawn = 9;
        before_version_2(f);
        assert_works(sign_version(f, 2, err));
        assert_int_equal(remove(fixture_path(f, "records.checkpoint")), 0);
        copy_file(f, "old.withdrawals", "records.withdrawals");
        if (round % 2 == 1) (void)remove(fixture_path(f, "records.v1.withdrawals"));
        assert_int_equal(opened_version(f, &withdrawn), 2);
        assert_int_equal(withdrawn, 0);
        assert_healed(f, round < 2 ? 2 : 3);
    }
}

/* A chain of the version before is passed over only in the place where signing leaves it. */
static void a_chain_that_is_named_must_fit(void **state)
{
    const fixture *f = *state;
    plumb_manifest_options options;
    plumb_manifest *m = NULL;
    char message[600];
    before_version_2(f);
    assert_works(sign_version(f, 2, err));
    plumb_manifest_options_default(&options);
    options.untrusted = true;
    options.withdrawals_path = fixture_path(f, "old.withdrawals");
    snprintf(message, sizeof message,
             "%s: line 1: withdraws from acme/set version 1, this is acme/set version 2: every "
             "version has withdrawals of its own",
             options.withdrawals_path);
    assert_fails(
        plumb_manifest_open(fixture_path(f, "records.plumb.json"), NULL, &options, &m, err),
        PLUMB_ERR_MISMATCH, message);
}

/* Wherever the kill falls, one of the two versions opens whole, as far as its records are there. */
static void a_kill_at_any_time_is_survived(void **state)
{
    const fixture *f = *state;
    for (unsigned us = 0; us < 8000; us += 200) {
        uint64_t withdrawn = 9;
        before_version_2(f);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            plumb_error err = {0};
            _exit(sign_version(f, 2, &err) != PLUMB_OK);
        }
        (void)usleep(us);
        (void)kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        plumb__bytes now, old;
        read_bytes(fixture_path(f, "records.plumb.json"), &now);
        read_bytes(fixture_path(f, "old.envelope"), &old);
        const bool still = now.size == old.size && memcmp(now.data, old.data, now.size) == 0;
        plumb__bytes_free(&now);
        plumb__bytes_free(&old);
        write_text(fixture_path(f, "records.jsonl"), still ? records : second_records);
        assert_int_equal(opened_version(f, &withdrawn), still ? 1 : 2);
        assert_int_equal(withdrawn, still ? 1 : 0);
        write_text(fixture_path(f, "records.jsonl"), second_records);
        assert_healed(f, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(withdrawals_at_once_are_all_kept),
        cmocka_unit_test(signers_and_witnesses_at_once_are_all_kept),
        cmocka_unit_test(waiting_has_an_end),
        cmocka_unit_test(what_a_killed_holder_leaves_is_taken_at_once),
        cmocka_unit_test(a_lock_is_a_file_and_nothing_else),
        cmocka_unit_test(temporaries_of_killed_writers_are_removed),
        cmocka_unit_test(a_chain_left_behind_hinders_nothing),
        cmocka_unit_test(a_chain_that_is_named_must_fit),
        cmocka_unit_test(a_kill_at_any_time_is_survived),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
