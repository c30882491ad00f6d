/* Aim: payload, attach, witness, index, prove and verify do what their help says: exit codes, exact
 * messages, and files that the next command takes. Method: the command run in a shell on the way
 * from a key that only OpenSSL has to a proof that a customer checks; then each thing exchanged. */
#include "cli_fixture.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
#define RECORD(id) "{\"id\":\"" id "\",\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11}}\n"

static bool have_openssl;

static void must(const char *command)
{
    const cli_run *run = cli("%s", command);
    if (run->code != 0) fail_msg("%s: %s", command, run->err);
}

static int prepare(void **state)
{
    if (cli_setup(state) != 0) return -1;
    cli_write("pass", "open sesame\n");
    cli_write("records.jsonl", RECORD("r1") RECORD("r2") RECORD("r3"));
    static const char *const steps[] = {
        "plumb key new root --passphrase-file pass", "plumb key new acme --passphrase-file pass",
        "plumb key new w1 --passphrase-file pass",
        "plumb trust init trust.json --root root.key --passphrase-file pass --state state",
        "plumb trust add trust.json --root root.key --passphrase-file pass --state state --vendor "
        "acme --key acme.pub --name acme-1 --role quality-attestation",
        "plumb trust add trust.json --root root.key --passphrase-file pass --state state --vendor "
        "house --key w1.pub --name w1 --role witness",
        /* the key as a device that signs would have it */
        "plumb key export acme.key --secret --passphrase-file pass >hsm.pem"};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        must(steps[i]);
    }
    have_openssl = cli("openssl pkeyutl -help 2>&1 | grep -q rawin")->code == 0;
    return 0;
}

/* ---- a key kept elsewhere ------------------------------------------------------------------ */

static void payload_and_attach(void **state)
{
    (void)state;
    assert_cli(0, "", "wrote records.plumb.payload, .plumb.pae and .checkpoint.body\n",
               "plumb manifest payload records.jsonl --vendor acme --dataset set --version 1 "
               "--signer-key acme.pub");
    if (!have_openssl) {
        puts("SKIP: there is no openssl that signs with -rawin");
        must(
            "plumb manifest sign records.jsonl --key acme.key --passphrase-file pass --vendor acme "
            "--dataset set --version 1");
        return;
    }
    must("openssl pkeyutl -sign -rawin -inkey hsm.pem -in records.plumb.pae -out pae.sig && "
         "openssl pkeyutl -sign -rawin -inkey hsm.pem -in records.checkpoint.body -out body.sig");
    assert_cli(5, "",
               "plumb: the checkpoint's signature does not hold: sign the bytes of "
               "NAME.checkpoint.body as they are, with pure Ed25519\n",
               "plumb manifest attach records.jsonl --payload records.plumb.payload --signature "
               "pae.sig --key acme.pub --checkpoint-signature pae.sig");
    assert_cli(1, "", "", "test -e records.plumb.json");
    assert_cli(0, "", "attached the signature of acme.pub to the manifest of records.jsonl\n",
               "plumb manifest attach records.jsonl --payload records.plumb.payload --signature "
               "pae.sig --key acme.pub --checkpoint-signature body.sig");
    must("plumb manifest verify records.plumb.json --trust trust.json");
    assert_cli(2, "",
               "plumb: manifest attach wants --payload, --signature and --key; see plumb manifest "
               "attach --help\n",
               "plumb manifest attach records.jsonl");
    assert_cli(2, "",
               "plumb: manifest payload wants --vendor, --dataset and --version; see plumb "
               "manifest payload --help\n",
               "plumb manifest payload records.jsonl");
}

/* ---- witness ------------------------------------------------------------------------------- */

static void witness(void **state)
{
    (void)state;
    const cli_run *run = cli("plumb witness records.plumb.json --key w1.key --trust trust.json "
                             "--passphrase-file pass --state state --json");
    assert_int_equal(run->code, 0);
    json_t *said = json_loads(run->out, 0, NULL);
    char time[32], expected[600];
    assert_string_equal(json_string_value(json_object_get(said, "origin")), "acme/set/v1");
    assert_string_equal(json_string_value(json_object_get(said, "name")), "house/w1");
    snprintf(time, sizeof time, "%s", json_string_value(json_object_get(said, "time")));
    json_decref(said);
    snprintf(expected, sizeof expected, "had cosigned acme/set/v1, 3 records, by house/w1 at %s\n",
             time);
    assert_cli(0, "", expected,
               "plumb witness records.plumb.json --key w1.key --trust trust.json --passphrase-file "
               "pass --state state");
    run = cli("plumb manifest verify records.plumb.json --trust trust.json");
    snprintf(expected, sizeof expected, "cosigned    %s by house/w1\n", time);
    assert_non_null(strstr(run->out, expected));
    run = cli("plumb verify records.plumb.json --trust trust.json");
    assert_non_null(strstr(run->out, expected));
    run = cli("plumb verify records.checkpoint --trust trust.json");
    assert_int_equal(run->code, 0);
    assert_non_null(strstr(run->out, "checkpoint acme/set/v1: holds\nrecords     3\n"
                                     "signed by   acme-1\n"));
    assert_non_null(strstr(run->out, expected));
    /* The vendor signs other records as the same version. */
    must("mkdir face && head -2 records.jsonl >face/records.jsonl && plumb manifest sign "
         "face/records.jsonl --key acme.key --passphrase-file pass --vendor acme --dataset set "
         "--version 1");
    snprintf(expected, sizeof expected,
             "plumb: face/records.plumb.json: has 2 records, but 3 were cosigned as acme/set/v1 at "
             "%s: records were taken away\n",
             time);
    assert_cli(1, "", expected,
               "plumb witness face/records.plumb.json --key w1.key --trust trust.json "
               "--passphrase-file pass --state state");
    assert_cli(2, "", "plumb: witness wants --key and --trust; see plumb witness --help\n",
               "plumb witness records.plumb.json");
}

/* ---- proofs -------------------------------------------------------------------------------- */

static void prove(void **state)
{
    (void)state;
    assert_cli(0, "",
               "plumb: made the tile store: there was none\nwrote p.tlog-proof: record 2 of 3\n",
               "plumb manifest prove records.plumb.json --id r2 --trust trust.json --out "
               "p.tlog-proof");
    const cli_run *run = cli("plumb verify p.tlog-proof --trust trust.json");
    assert_string_equal(run->err, "");
    assert_int_equal(run->code, 0);
    assert_non_null(strstr(run->out, "proof for acme/set/v1: holds\nrecord      2 of 3\n"
                                     "signed by   acme-1\ncosigned    "));
    assert_non_null(strstr(run->out, "\nline        " RECORD("r2")));
    run = cli("plumb verify p.tlog-proof --trust trust.json --json");
    json_t *said = json_loads(run->out, 0, NULL);
    assert_true(json_is_true(json_object_get(said, "signer_checked")));
    assert_int_equal(json_integer_value(json_object_get(said, "index")), 1);
    assert_string_equal(json_string_value(json_object_get(json_object_get(said, "record"), "id")),
                        "r2");
    json_decref(said);
    assert_non_null(strstr(cli("plumb verify p.tlog-proof --untrusted")->out,
                           "signed by   signer not checked"));
    assert_cli(1, "", "plumb: records.plumb.json: has no record \"r9\"\n",
               "plumb --quiet manifest prove records.plumb.json --id r9 --trust trust.json");
    run = cli("plumb manifest prove records.plumb.json --id r3");
    assert_string_equal(run->err, "plumb: records.plumb.json: signer not checked; give --trust\n");
    assert_memory_equal(run->out, "c2sp.org/tlog-proof@v1\nextra ", 29);
    assert_cli(0, "", "wrote the tile store of 3 records\n",
               "plumb manifest index records.plumb.json --trust trust.json");
    assert_cli(2, "", "plumb: manifest prove wants --id; see plumb manifest prove --help\n",
               "plumb manifest prove records.plumb.json");
}

static void redacted(void **state)
{
    (void)state;
    must("plumb manifest prove records.plumb.json --id r1 --trust trust.json --without-record "
         "--out r.tlog-proof && head -1 records.jsonl >line && sed -n 2p records.jsonl >line2");
    assert_int_equal(cli("plumb verify r.tlog-proof --trust trust.json --record line")->code, 0);
    assert_cli(1, "",
               "plumb: r.tlog-proof: does not prove this line: it is not record 0 of acme/set/v1, "
               "or the proof was changed\n",
               "plumb verify r.tlog-proof --trust trust.json --record line2");
    assert_cli(2, "",
               "plumb: r.tlog-proof: carries no record; give the line it is about with --record "
               "FILE\n",
               "plumb verify r.tlog-proof --trust trust.json");
    must("sed s/^index.*/index/ r.tlog-proof >bad.tlog-proof");
    assert_cli(3, "",
               "plumb: bad.tlog-proof: line 2: expected \"index\" and a number without a leading "
               "zero\n",
               "plumb verify bad.tlog-proof --trust trust.json --record line");
    must("plumb trust init empty.json --root root.key --passphrase-file pass --state empty");
    assert_cli(5, "",
               "plumb: r.tlog-proof: is signed by no key that the trust store lists for vendor "
               "acme\n",
               "plumb verify r.tlog-proof --trust empty.json --record line");
}

/* A proof is about the signed tree; that the record was taken back is said beside it. */
static void withdrawn(void **state)
{
    (void)state;
    must("plumb --quiet manifest withdraw records.plumb.json --id r2 --reason error --key acme.key "
         "--passphrase-file pass --at 2026-11-22T09:00:00Z");
    assert_cli(0, "",
               "wrote q.tlog-proof: record 2 of 3\n"
               "plumb: remark: record \"r2\" was withdrawn at 2026-11-22T09:00:00Z; the proof says "
               "that it was signed, not that it may still be used\n",
               "plumb manifest prove records.plumb.json --id r2 --trust trust.json --out "
               "q.tlog-proof");
    assert_int_equal(cli("plumb verify q.tlog-proof --trust trust.json")->code, 0);
    assert_cli(0, "", "wrote q.tlog-proof: record 1 of 3\n",
               "plumb manifest prove records.plumb.json --id r1 --trust trust.json --out "
               "q.tlog-proof");
    must("rm records.withdrawals");
    cli_write("own.jsonl", "{\"id\":\"c\",\"consent\":{\"withdrawn\":\"2026-01-01T00:00:00Z\"},"
                           "\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11}}\n");
    must(
        "plumb --quiet manifest sign own.jsonl --key acme.key --passphrase-file pass --vendor acme "
        "--dataset own --version 1");
    const cli_run *run = cli("plumb manifest prove own.plumb.json --id c --untrusted --out q");
    assert_int_equal(run->code, 0);
    assert_non_null(strstr(run->err, "plumb: remark: record \"c\" was withdrawn at 2026-01-01T"));
}

static void helps(void **state)
{
    (void)state;
    static const char *const commands[] = {"witness", "manifest payload", "manifest attach",
                                           "manifest prove", "manifest index"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const cli_run *run = cli("plumb %s --help", commands[i]);
        assert_int_equal(run->code, 0);
        assert_non_null(strstr(run->out, "usage: plumb "));
        assert_non_null(strstr(run->out, "example: plumb "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payload_and_attach), cmocka_unit_test(witness),   cmocka_unit_test(prove),
        cmocka_unit_test(redacted),           cmocka_unit_test(withdrawn), cmocka_unit_test(helps),
    };
    return cmocka_run_group_tests(tests, prepare, cli_teardown);
}
