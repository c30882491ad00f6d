/* Aim: what was seen is remembered, only ever rises, and a damaged memory is never taken for an
 * empty one. Method: pins written and read back by another opening; every byte of pins.json
 * flipped; an unfinished line of runs.jsonl; folders that cannot be written, or are named by
 * nobody; two processes at once. Attacks that pins stop are in test_trust_attacks.c. */
#include "manifest_fixture.h"

#include "manifest/trust/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTENT                                                                                    \
    "\"content\":{\"sha256\":"                                                                     \
    "\"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9\","                        \
    "\"bytes\":11}"
#define RECORD(id) "{\"id\":\"" id "\"," CONTENT "}\n"

static plumb_manifest *open_manifest(const fixture *f, const plumb_trust *trust)
{
    plumb_manifest *m = NULL;
    assert_works(plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, &m, err));
    return m;
}

static void pin(const char *dir, const plumb_trust *trust, const plumb_manifest *m)
{
    plumb_state *s = NULL;
    assert_works(plumb_state_lock(dir, &s, err));
    assert_works(plumb_state_pin(s, "t", trust, m, err));
    plumb_state_free(s);
}

static void remembers(void **state)
{
    const fixture *f = *state;
    char dir[400];
    snprintf(dir, sizeof dir, "%s/deep/er/state", f->dir);
    struct stat st;
    sign_records(f, RECORD("a"), NULL);
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_manifest *m = open_manifest(f, trust);
    plumb_state *s = NULL;
    assert_works(plumb_state_open(dir, &s, err)); /* not there: nothing seen, nothing made */
    assert_int_equal(plumb_state_trust_version(s, trust), 0);
    assert_int_not_equal(access(dir, F_OK), 0);
    assert_fails(plumb_state_pin(s, "t", trust, m, err), PLUMB_ERR_STATE,
                 strcat(strcpy((char[600]){0}, dir), ": is open for reading only"));
    plumb_state_free(s);
    pin(dir, trust, m);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_works(plumb_state_open(dir, &s, err));
    assert_int_equal(plumb_state_trust_version(s, trust), 2);
    assert_int_equal(plumb_state_manifest_version(s, trust, "acme", "set"), 1);
    assert_int_equal(plumb_state_manifest_version(s, trust, "acme", "other"), 0);
    assert_works(plumb_state_check_trust(s, "t", trust, err));
    assert_works(plumb_state_check_manifest(s, "t", trust, m, false, err));
    plumb_state_free(s);
    pin(dir, trust, m); /* once more: nothing changes */
    plumb_manifest_free(m);
    plumb_trust_free(trust);
}

static void every_byte_counts(void **state)
{
    const fixture *f = *state;
    char message[1200];
    char dir[400], path[400];
    snprintf(dir, sizeof dir, "%s/bytes", f->dir);
    snprintf(path, sizeof path, "%s/bytes/pins.json", f->dir);
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_state *s = NULL;
    plumb__bytes text;
    pin(dir, trust, NULL);
    read_bytes(path, &text);
    for (size_t i = 0; i + 1 < text.size; i++) {
        text.data[i] ^= (uint8_t)(1u << i % 7);
        write_bytes(path, text.data, text.size);
        if (plumb_state_open(dir, &s, NULL) == PLUMB_OK) fail_msg("byte %zu is not looked at", i);
        assert_null(s);
        text.data[i] ^= (uint8_t)(1u << i % 7);
    }
    uint8_t *version = (uint8_t *)strstr(plumb__bytes_text(&text), "\"version\":2");
    assert_non_null(version);
    version[10] = '1'; /* as if older versions were welcome */
    write_bytes(path, text.data, text.size);
    snprintf(message, sizeof message,
             "%s: is not what was written: its check does not hold; the versions seen so far "
             "cannot be told: restore the file, or remove it to begin again",
             path);
    assert_fails(plumb_state_open(dir, &s, err), PLUMB_ERR_FORMAT, message);
    assert_fails(plumb_state_lock(dir, &s, err), PLUMB_ERR_FORMAT, message);
    write_text(path, "");
    snprintf(message, sizeof message,
             "%s: is empty, not JSON; the versions seen so far cannot be told: restore the file, "
             "or remove it to begin again",
             path);
    assert_fails(plumb_state_open(dir, &s, err), PLUMB_ERR_TRUNCATED, message);
    plumb__bytes_free(&text);
    plumb_trust_free(trust);
}

static void where_it_is(void **state)
{
    const fixture *f = *state;
    plumb_state *s = NULL;
    char *plumb = strdup(getenv("PLUMB_STATE") != NULL ? getenv("PLUMB_STATE") : "");
    char *home = strdup(getenv("HOME") != NULL ? getenv("HOME") : "/");
    char expected[600];
    assert_int_equal(setenv("PLUMB_STATE", "here", 1), 0);
    assert_works(plumb_state_open(NULL, &s, err));
    assert_string_equal(plumb_state_dir(s), "here");
    plumb_state_free(s);
    unsetenv("PLUMB_STATE");
    assert_int_equal(setenv("XDG_STATE_HOME", f->dir, 1), 0);
    assert_works(plumb_state_open(NULL, &s, err));
    snprintf(expected, sizeof expected, "%s/plumb", f->dir);
    assert_string_equal(plumb_state_dir(s), expected);
    plumb_state_free(s);
    assert_int_equal(setenv("XDG_STATE_HOME", "not/absolute", 1), 0);
    assert_int_equal(setenv("HOME", f->dir, 1), 0);
    assert_works(plumb_state_open(NULL, &s, err));
    snprintf(expected, sizeof expected, "%s/.local/state/plumb", f->dir);
    assert_string_equal(plumb_state_dir(s), expected);
    plumb_state_free(s);
    unsetenv("HOME");
    unsetenv("XDG_STATE_HOME");
    assert_works(plumb_state_open(NULL, &s, err));
    assert_string_equal(plumb_state_dir(s), "");
    plumb_state_free(s);
    assert_fails(plumb_state_lock(NULL, &s, err), PLUMB_ERR_NOT_FOUND,
                 "what was seen cannot be remembered: the environment names no folder; set "
                 "PLUMB_STATE (or --state DIR) to a folder that can be written");
    assert_int_equal(setenv("HOME", home, 1), 0);
    assert_int_equal(setenv("PLUMB_STATE", plumb, 1), 0);
    free(plumb);
    free(home);
}

static void cannot_be_written(void **state)
{
    const fixture *f = *state;
    char message[1200];
    plumb_state *s = NULL;
    write_text(fixture_path(f, "file"), "x");
    const char *dir = fixture_path(f, "file/state");
    snprintf(message, sizeof message,
             "what was seen cannot be remembered: cannot make the folder %s: Not a directory; set "
             "PLUMB_STATE (or --state DIR) to a folder that can be written",
             dir);
    assert_fails(plumb_state_lock(dir, &s, err), PLUMB_ERR_IO, message);
    /* What cannot be looked at is not taken for absent. */
    char closed[400], looped[420];
    snprintf(closed, sizeof closed, "%s/closed", f->dir);
    snprintf(looped, sizeof looped, "%s/closed/loop", f->dir);
    assert_int_equal(mkdir(closed, 0700), 0);
    assert_int_equal(symlink("loop", looped), 0);
    snprintf(message, sizeof message,
             "cannot look at %s/pins.json: Too many levels of symbolic links; the versions seen so "
             "far cannot be told: restore the file, or remove it to begin again",
             looped);
    plumb_error why = {0};
    assert_int_equal(plumb_state_open(looped, &s, &why), PLUMB_ERR_IO);
    assert_int_equal(strncmp(why.message, message, strlen("cannot look at ")), 0);
    /* A link in the lock's place would be followed to somebody else's file. */
    dir = fixture_path(f, "linked");
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(symlink("/dev/null", fixture_path(f, "linked/lock")), 0);
    assert_int_not_equal(plumb_state_lock(dir, &s, NULL), PLUMB_OK);
    assert_null(s);
}

/* A memory that others can change is none. */
static void must_be_ones_own(void **state)
{
    const fixture *f = *state;
    char message[1400], dir[400], link[400];
    plumb_state *s = NULL;
    snprintf(dir, sizeof dir, "%s/shared", f->dir);
    snprintf(link, sizeof link, "%s/link", f->dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(symlink("shared", link), 0);
    static const unsigned modes[] = {0777, 0770, 0702, 01777};
    for (size_t i = 0; i < 2 * sizeof modes / sizeof *modes; i++) {
        const char *given = i % 2 ? link : dir;
        assert_int_equal(chmod(dir, modes[i / 2]), 0);
        snprintf(message, sizeof message,
                 "the state folder %s has mode %04o: others can change what was seen there; make "
                 "it yours alone (chmod 700 %s), or set PLUMB_STATE (or --state DIR) to another",
                 given, modes[i / 2], given);
        assert_fails(plumb_state_open(given, &s, err), PLUMB_ERR_IO, message);
        assert_fails(plumb_state_lock(given, &s, err), PLUMB_ERR_IO, message);
        assert_null(s);
    }
    assert_int_equal(access(fixture_path(f, "shared/lock"), F_OK), -1); /* not touched */
    assert_int_equal(chmod(dir, 0755), 0);                              /* seen, not changed */
    for (int i = 0; i < 2; i++) {
        assert_works(plumb_state_lock(i ? link : dir, &s, err));
        plumb_state_free(s);
    }
    const char *file = fixture_path(f, "no-folder");
    write_text(file, "x");
    snprintf(message, sizeof message,
             "the state folder %s is not a folder; set PLUMB_STATE (or --state DIR) to one", file);
    assert_fails(plumb_state_open(file, &s, err), PLUMB_ERR_IO, message);
    assert_fails(plumb_state_lock(file, &s, err), PLUMB_ERR_IO, message);
    /* Somebody else's: root's for a user; for root a folder given away. */
    const char *theirs = geteuid() == 0 ? dir : "/usr";
    const unsigned owner = geteuid() == 0 ? 12345 : 0;
    if (geteuid() == 0) assert_int_equal(chown(dir, owner, (gid_t)-1), 0);
    snprintf(message, sizeof message,
             "the state folder %s belongs to user %u, not to you (user %u): what was seen there "
             "cannot be relied on; set PLUMB_STATE (or --state DIR) to a folder of your own",
             theirs, owner, (unsigned)geteuid());
    assert_fails(plumb_state_open(theirs, &s, err), PLUMB_ERR_IO, message);
    if (geteuid() != 0) return;
    assert_int_equal(chown(dir, 0, (gid_t)-1), 0);
    assert_int_equal(lchown(link, owner, (gid_t)-1), 0);
    snprintf(message, sizeof message,
             "the state folder's link %s belongs to user %u, not to you (user 0): what was seen "
             "there cannot be relied on; set PLUMB_STATE (or --state DIR) to a folder of your own",
             link, owner);
    assert_fails(plumb_state_open(link, &s, err), PLUMB_ERR_IO, message);
}

/* ---- runs ---- */

typedef struct counted {
    size_t n;
    char last_id[40], path[600];
    uint64_t version;
    size_t n_keyids;
} counted;

static plumb_status count(const plumb_state_run *run, void *ctx, plumb_error *err)
{
    counted *c = ctx;
    (void)err;
    c->n++;
    snprintf(c->last_id, sizeof c->last_id, "%s", run->run_id);
    snprintf(c->path, sizeof c->path, "%s", run->path);
    c->version = run->manifest_version;
    c->n_keyids = run->n_keyids;
    return PLUMB_OK;
}

static counted count_runs(const char *dir)
{
    counted c = {0};
    plumb_state *s = NULL;
    assert_works(plumb_state_open(dir, &s, err));
    assert_works(plumb_state_runs(s, count, &c, err));
    plumb_state_free(s);
    return c;
}

static void lists_runs(void **state)
{
    const fixture *f = *state;
    char dir[400], file[400], message[1200], real[4096], run_path[4200];
    snprintf(dir, sizeof dir, "%s/runs", f->dir);
    snprintf(file, sizeof file, "%s/runs/runs.jsonl", f->dir);
    sign_records(f, RECORD("a"), NULL);
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_manifest *m = open_manifest(f, trust);
    plumb_state *s = NULL;
    assert_int_equal(count_runs(dir).n, 0);
    assert_works(plumb_state_lock(dir, &s, err));
    static const char *const ids[] = {"00000000000000000000000000000001",
                                      "00000000000000000000000000000002"};
    for (int i = 0; i < 2; i++) {
        for (int again = 0; again < 2; again++) { /* a run that resumes is one run */
            assert_works(plumb__state_add_run(s, fixture_path(f, "run"), ids[i], trust, m, err));
        }
    }
    plumb_state_free(s);
    counted c = count_runs(dir);
    assert_int_equal(c.n, 2);
    assert_string_equal(c.last_id, ids[1]);
    assert_non_null(realpath(f->dir, real));
    snprintf(run_path, sizeof run_path, "%s/run", real);
    assert_string_equal(c.path, run_path);
    assert_int_equal(c.version, 1);
    assert_int_equal(c.n_keyids, 1);
    /* A writer that died in the middle of a line. */
    FILE *out = fopen(file, "a");
    assert_non_null(out);
    fputs("{\"path\":\"/half", out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(count_runs(dir).n, 2);
    assert_works(plumb_state_lock(dir, &s, err));
    assert_works(plumb__state_add_run(s, "/other", ids[0], trust, m, err));
    plumb_state_free(s);
    c = count_runs(dir);
    assert_int_equal(c.n, 3);
    assert_string_equal(c.path, "/other");
    /* A whole line that is none is damage, not a dead writer. */
    out = fopen(file, "a");
    assert_non_null(out);
    fputs("{\"path\":\"/half\"}\n", out);
    assert_int_equal(fclose(out), 0);
    assert_works(plumb_state_open(dir, &s, err));
    snprintf(message, sizeof message, "%s: line 4: field \"run_id\" is missing", file);
    assert_fails(plumb_state_runs(s, count, &c, err), PLUMB_ERR_FORMAT, message);
    plumb_state_free(s);
    plumb_manifest_free(m);
    plumb_trust_free(trust);
}

/* Four processes add their runs at once: none is lost, pins.json stays whole. */
static void processes_wait(void **state)
{
    const fixture *f = *state;
    char dir[400];
    snprintf(dir, sizeof dir, "%s/crowd", f->dir);
    sign_records(f, RECORD("a"), NULL);
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_manifest *m = open_manifest(f, trust);
    for (int p = 0; p < 4; p++) {
        if (fork() > 0) continue;
        bool ok = true;
        for (int i = 0; ok && i < 5; i++) {
            char id[40];
            plumb_state *s = NULL;
            snprintf(id, sizeof id, "%032d", 100 * p + i);
            ok = plumb_state_lock(dir, &s, NULL) == PLUMB_OK &&
                 plumb_state_pin(s, "t", trust, m, NULL) == PLUMB_OK &&
                 plumb__state_add_run(s, "/run", id, trust, m, NULL) == PLUMB_OK;
            plumb_state_free(s);
        }
        _exit(ok ? 0 : 1);
    }
    for (int p = 0; p < 4; p++) {
        int status = 0;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(count_runs(dir).n, 20);
    plumb_manifest_free(m);
    plumb_trust_free(trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remembers),        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(where_it_is),      cmocka_unit_test(cannot_be_written),
        cmocka_unit_test(lists_runs),       cmocka_unit_test(processes_wait),
        cmocka_unit_test(must_be_ones_own),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
