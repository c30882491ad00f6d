/* Aim: several writers of one manifest lose nothing of one another, none waits for ever, and a
 * killed one leaves nothing that hinders the next. Method: forked writers that withdraw, sign and
 * cosign at the same time; a lock that is held, and one that a killed process has left; temporaries
 * of killed processes beside files that only look alike. */
#include "manifest_fixture.h"

#include "manifest/lock.h"
#include "manifest/plumb_proof.h"
#include "manifest/plumb_withdrawal.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(withdrawals_at_once_are_all_kept),
        cmocka_unit_test(signers_and_witnesses_at_once_are_all_kept),
        cmocka_unit_test(waiting_has_an_end),
        cmocka_unit_test(what_a_killed_holder_leaves_is_taken_at_once),
        cmocka_unit_test(a_lock_is_a_file_and_nothing_else),
        cmocka_unit_test(temporaries_of_killed_writers_are_removed),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
