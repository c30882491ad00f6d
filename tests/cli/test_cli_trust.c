/* Aim: plumb trust does what its help says, from a store under two roots to a key that was stolen,
 * and verification then answers as the store says; with the exit codes and on the streams that the
 * others use. Method: the commands in a shell, as keepers of two root keys, a vendor and a customer
 * give them; state directories of their own; exact texts where they do not depend on keys. */
#include "cli_fixture.h"

#include "manifest/signing/key_file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASS " --passphrase-file pass"
#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
#define RECORD(id) "{\"id\":\"" id "\",\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11}}\n"

static const cli_run *works(const char *command)
{
    const cli_run *run = cli("%s", command);
    if (run->code != 0) fail_msg("%s: %s", command, run->err);
    return run;
}

static int prepare(void **state)
{
    if (cli_setup(state) != 0) return -1;
    cli_write("pass", "open sesame\n");
    /* At the smallest cost: a passphrase of 256 MiB for each of forty openings would take long. */
    static const char *const keys[] = {"a", "b", "c", "d", "v"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_int_equal(plumb__key_create(keys[i], "open sesame", 11, 1, 8192, NULL), PLUMB_OK);
    }
    works("plumb --quiet trust init trust.json --root a.key --root b.key --threshold 2" PASS);
    works("plumb --quiet trust add trust.json --root a.key --root b.key" PASS
          " --vendor acme --key v.pub --name acme-1 --role quality-attestation");
    cli_write("records.jsonl", RECORD("r1"));
    works("plumb manifest sign records.jsonl --key v.key" PASS
          " --vendor acme --dataset set --version 1");
    return 0;
}

/* The value behind a word at the start of a line. */
static const char *line_of(const char *text, const char *begin)
{
    static char line[300];
    const char *at = strstr(text, begin);
    assert_non_null(at);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}

/* Two keepers: one makes the change, the other completes it. */
static void two_keepers(void **state)
{
    (void)state;
    const cli_run *run = cli("plumb trust add trust.json --root a.key" PASS
                             " --vendor acme --key c.pub --name acme-2 --role operator");
    assert_int_equal(run->code, 0);
    assert_string_equal(run->err, "trust.json.next waits for 1 more root signatures: plumb trust "
                                  "sign trust.json.next --root KEY\n");
    assert_non_null(strstr(run->out, "trust.json.next: version 3, expires never\n"));
    assert_non_null(strstr(run->out, "PENDING          1 root signatures are missing: this store "
                                     "counts for nothing yet\n"));
    assert_cli(5, "",
               "plumb: trust.json.next: is signed by 1 of its root keys, its threshold is 2\n",
               "plumb manifest verify records.plumb.json --trust trust.json.next");
    assert_cli(4, "",
               "plumb: trust.json.next: a change waits for root signatures; complete it with plumb "
               "trust sign, or remove it\n",
               "plumb trust renew trust.json --root a.key --root b.key --until never" PASS);
    run = cli("plumb trust sign trust.json.next --root b.key" PASS);
    assert_int_equal(run->code, 0);
    assert_string_equal(run->err, "");
    assert_non_null(strstr(run->out, "trust.json: version 3, expires never\n"));
    assert_non_null(strstr(run->out, "root keys        2, of which 2 must sign\n"));
    assert_int_not_equal(access("trust.json.next", F_OK), 0);
}

static void warns(void **state)
{
    (void)state;
    const cli_run *run = cli("plumb trust add trust.json --root a.key --root b.key" PASS
                             " --vendor lone --key d.pub --name one --role reviewer --threshold 2");
    assert_int_equal(run->code, 0);
    assert_string_equal(run->err,
                        "plumb: warning: vendor lone: 2 keys must sign as reviewer, but only 1 "
                        "that are not revoked can: nothing of this vendor will be accepted in that "
                        "role\n");
    assert_cli(4, "",
               "plumb: trust.json: this key is key one of vendor lone already; a key stands under "
               "one vendor, so make another one for vendor house\n",
               "plumb trust add trust.json --root a.key --root b.key" PASS
               " --vendor house --key d.pub --name w --role witness");
}

/* A customer: pins the fingerprint, then follows a rotation with the file alone; an old copy of the
 * store is refused from then on, in verification too. */
static void customer_follows(void **state)
{
    char fingerprint[300];
    (void)state;
    snprintf(fingerprint, sizeof fingerprint, "%s",
             line_of(works("plumb trust show trust.json")->out, "root fingerprint ") + 17);
    works("cp trust.json old.json");
    const cli_run *run = cli("plumb --state customer trust pin trust.json --fingerprint %064d", 1);
    assert_int_equal(run->code, 5);
    assert_non_null(strstr(run->err, "plumb: trust.json: its first roots have the fingerprint "));
    run = cli("plumb --state customer trust pin trust.json --fingerprint %s", fingerprint);
    assert_int_equal(run->code, 0);
    assert_non_null(strstr(run->out, "seen here        up to version 4 (customer)\n"));
    works("plumb --quiet trust rotate trust.json --root a.key --root b.key --new-root c.key" PASS);
    run = works("plumb --state customer trust show trust.json");
    assert_string_equal(line_of(run->out, "root fingerprint ") + 17, fingerprint);
    assert_string_equal(strstr(line_of(run->out, "present roots "), "(after"),
                        "(after 1 rotation)");
    works("plumb --quiet --state customer manifest verify records.plumb.json --trust trust.json");
    /* Verifying wrote nothing: the old store is still as good as any. */
    works("plumb --quiet --state customer manifest verify records.plumb.json --trust old.json");
    run = cli("plumb --state customer trust pin trust.json --fingerprint %s", fingerprint);
    assert_int_equal(run->code, 0);
    /* The same roots cannot begin once more. */
    run = cli("plumb trust init again.json --root a.key --root b.key --threshold 2" PASS);
    assert_int_equal(run->code, 5);
    assert_non_null(strstr(run->err, "plumb: again.json: rollback: this trust store was seen "));
    assert_int_not_equal(access("again.json", F_OK), 0);
    run = cli("plumb --state customer manifest verify records.plumb.json --trust old.json");
    assert_int_equal(run->code, 5);
    assert_non_null(strstr(run->err, "plumb: old.json: rollback: this trust store was seen after 1 "
                                     "changes of its roots (on 2"));
    run = cli("plumb --state customer verify records.plumb.json --trust old.json");
    assert_int_equal(run->code, 5);
    assert_non_null(strstr(run->err, "plumb: old.json: rollback: "));
    /* The keeper's own machine will not change an old copy either. */
    run = cli("plumb trust renew old.json --root a.key --root b.key --until never" PASS);
    assert_int_equal(run->code, 5);
    assert_non_null(strstr(run->err, "plumb: old.json: rollback: "));
}

static void assert_remarks(const char *command, const char *text)
{
    const cli_run *run = cli("plumb --state reader %s --trust trust.json", command);
    assert_true(run->code == 0 || (run->code == 1 && strstr(command, " diff ") != NULL));
    if (strstr(run->err, text) == NULL) fail_msg("%s: %s", command, run->err);
}

/* A customer who only verifies: what is remembered when asked for, and refused from then on; what
 * only looks says so and goes on. */
static void customer_remembers(void **state)
{
    (void)state;
    const cli_run *run =
        works("plumb --state reader manifest verify records.plumb.json --trust trust.json");
    assert_string_equal(line_of(run->out, "seen here "),
                        "seen here   never: a rollback could not be noticed (--remember notes it)");
    assert_int_not_equal(access("reader", F_OK), 0); /* nothing is written unasked */
    run = cli("plumb --state reader manifest verify records.plumb.json --trust old.json.gone "
              "--remember");
    assert_int_not_equal(run->code, 0);
    assert_int_not_equal(access("reader", F_OK), 0); /* nor when it does not hold */
    assert_cli(2, "", "plumb: --remember wants --trust; see plumb verify --help\n",
               "plumb verify records.plumb.json --untrusted --remember");
    works("plumb --state reader manifest verify records.plumb.json --trust trust.json --remember");
    run = works("plumb --state reader manifest verify records.plumb.json --trust trust.json");
    assert_string_equal(line_of(run->out, "seen here "), "seen here   up to version 1");
    assert_string_equal(run->err, "");
    run = works("plumb --state reader manifest show records.plumb.json --trust trust.json");
    assert_string_equal(run->err, "");
    works("mkdir two && cp records.jsonl two && plumb --quiet manifest sign two/records.jsonl "
          "--key v.key" PASS " --vendor acme --dataset set --version 2 && "
          "plumb manifest withdraw two/records.plumb.json --id r1 --reason error --key v.key" PASS);
    works("plumb --state reader verify two/records.plumb.json --trust trust.json --remember");
    run = cli("plumb --state reader manifest verify records.plumb.json --trust trust.json");
    assert_int_equal(run->code, 5);
    assert_non_null(
        strstr(run->err, "plumb: records.plumb.json: rollback: version 2 of acme/set "));
    static const char remark[] = "plumb: remark: records.plumb.json: rollback: version 2 of acme/";
    assert_remarks("manifest show records.plumb.json", remark);
    assert_remarks("manifest diff records.plumb.json two/records.plumb.json", remark);
    assert_remarks("manifest export records.plumb.json --to croissant --out .", remark);
    assert_remarks("manifest prove records.plumb.json --id r1 --out p",
                   "plumb: remark: records.plumb.json: version 2 of acme/set was seen, this is "
                   "version 1\n");
    works("rm two/records.withdrawals");
    run = cli("plumb --state reader verify two/records.plumb.json --trust trust.json");
    assert_int_equal(run->code, 5);
    assert_non_null(strstr(run->err, "rollback: 1 withdrawals from version 2 of acme/set were "));
}

static void stolen_key(void **state)
{
    char keyid[80], line[900];
    (void)state;
    json_t *shown = json_loads(works("plumb key show v.pub --json")->out, 0, NULL);
    snprintf(keyid, sizeof keyid, "%s", json_string_value(json_object_get(shown, "keyid")));
    json_decref(shown);
    snprintf(line, sizeof line,
             "{\"dataset\":\"set\",\"path\":\"/work/\\u001b[31mrun\",\"root\":\"%064d\","
             "\"run_id\":\"%032d\",\"signers\":[\"%s\"],\"started\":\"2026-11-22T09:00:00Z\","
             "\"statement\":\"%064d\",\"vendor\":\"acme\",\"version\":1}\n",
             1, 2, keyid, 3);
    cli_write("state/runs.jsonl", line);
    assert_cli(
        2, "", "plumb: --reason must be retired or compromised; see plumb trust revoke --help\n",
        "plumb trust revoke trust.json --root c.key --vendor acme --name acme-1 --reason gone");
    assert_cli(2, "", "plumb: trust revoke takes no --role; see plumb trust revoke --help\n",
               "plumb trust revoke trust.json --role operator");
    assert_cli(1, "",
               "plumb: trust.json: vendor acme has no key acme-9; its keys are acme-1, acme-2\n",
               "plumb trust revoke trust.json --root c.key" PASS
               " --vendor acme --name acme-9 --reason compromised");
    assert_cli(1, "", "plumb: trust.json: has no vendor acmee\n",
               "plumb trust revoke trust.json --root c.key" PASS
               " --vendor acmee --name acme-1 --reason compromised");
    assert_cli(4, "",
               "plumb: gone.json: there is no such trust store; plumb trust init makes one\n",
               "plumb trust revoke gone.json --root c.key" PASS
               " --vendor acme --name acme-1 --reason compromised");
    assert_cli(2, "", "plumb: --at is not a date: yesterday; see plumb trust revoke --help\n",
               "plumb trust revoke trust.json --at yesterday");
    const cli_run *run = cli("plumb trust revoke trust.json --root c.key" PASS
                             " --vendor acme --name acme-1 --reason compromised --at 2026-11-20");
    assert_int_equal(run->code, 0);
    assert_non_null(strstr(run->out, "\nvendor acme, key acme-1: void\n"));
    assert_non_null(strstr(run->out, "  revoked 2026-11-20T00:00:00Z: compromised\n"));
    assert_non_null(strstr(run->out, "\nruns started here with a manifest signed by this key:\n"
                                     "run /work/?[31mrun: cannot be asked: "));
    assert_cli(5, "",
               "plumb: records.plumb.json: key acme-1 of vendor acme was revoked at "
               "2026-11-20T00:00:00Z (compromised); ask for a signature by a current key: plumb "
               "manifest sign again with it adds one\n",
               "plumb manifest verify records.plumb.json --trust trust.json");
}

static void usage(void **state)
{
    static const char *const verbs[] = {"init",  "add",  "revoke", "rotate",
                                        "renew", "sign", "pin",    "show"};
    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        char first[60];
        const cli_run *run = cli("plumb trust %s --help", verbs[i]);
        snprintf(first, sizeof first, "usage: plumb trust %s ", verbs[i]);
        assert_int_equal(run->code, 0);
        assert_int_equal(strncmp(run->out, first, strlen(first)), 0);
        assert_non_null(strstr(run->out, "\nexample: plumb trust "));
        assert_string_equal(run->err, "");
        run = cli("plumb trust %s", verbs[i]);
        assert_int_equal(run->code, 2);
    }
    assert_cli(2, "", "plumb: there is no \"trust mend\"; see plumb trust --help\n",
               "plumb trust mend x");
    assert_cli(
        2, "",
        "plumb: trust wants a verb: init, add, revoke, rotate, renew, sign, pin, show; see plumb "
        "trust --help\n",
        "plumb trust");
    assert_cli(2, "", "plumb: trust show wants one store; see plumb trust show --help\n",
               "plumb trust show");
    assert_cli(2, "", "plumb: key import wants --out NAME.pub; see plumb key --help\n",
               "plumb key import v.pub");
    assert_cli(3, "",
               "plumb: v.pub: is not a minisign public key: a comment line, then 56 characters of "
               "base64\n",
               "plumb key import v.pub --out w.pub");
    cli_write("mini.pub", "untrusted comment: x\n"
                          "RWQBAgMEBQYHCNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea\n");
    works("plumb key import mini.pub --out w.pub");
    assert_cli(0,
               "-----BEGIN PUBLIC KEY-----\n"
               "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
               "-----END PUBLIC KEY-----\n",
               "", "cat w.pub");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_keepers),      cmocka_unit_test(warns),
        cmocka_unit_test(customer_follows), cmocka_unit_test(customer_remembers),
        cmocka_unit_test(stolen_key),       cmocka_unit_test(usage),
    };
    return cmocka_run_group_tests(tests, prepare, cli_teardown);
}
