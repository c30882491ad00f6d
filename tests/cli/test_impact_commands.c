/* Aim: plumb impact, and what plumb manifest withdraw says at once, in exact words and exit codes.
 * Method: a run made by run_forge.h and the built program; JSON is parsed and compared with the
 * run's query. */
#include "run_forge.h"

#include "manifest/signing/key_file.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    int code;
    char out[65536], errors[8192];
} last;

static void read_into(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    out[fread(out, 1, size - 1, file)] = '\0';
    fclose(file);
}

static void plumb(const forge *g, const char *arguments)
{
    char command[4096];
    const char *build = getenv("PLUMB_BUILD_DIR");
    assert_non_null(build);
    snprintf(command, sizeof command,
             "cd '%s' && PLUMB_STATE=state '%s/bin/plumb' %s >.out 2>.errors </dev/null", g->f->dir,
             build, arguments);
    const int code = system(command);
    assert_true(WIFEXITED(code));
    last.code = WEXITSTATUS(code);
    read_into(fixture_path(g->f, ".out"), last.out, sizeof last.out);
    read_into(fixture_path(g->f, ".errors"), last.errors, sizeof last.errors);
}

static json_t *output_json(void)
{
    json_t *json = json_loads(last.out, 0, NULL);
    if (json == NULL) fail_msg("not JSON: %s %s", last.out, last.errors);
    return json;
}

static int setup(void **state)
{
    if (forge_setup(state) != 0) return -1;
    const forge *g = *state;
    (void)forge_whole(*state, "run");
    write_text(fixture_path(g->f, "pass"), "open sesame\n");
    /* At the smallest cost: a passphrase of 256 MiB for each of ten openings would take long. */
    assert_works(plumb__key_create(fixture_path(g->f, "vendor"), "open sesame", 11, 1, 8192, err));
    return 0;
}

#define SIGN_IT                                                                                    \
    "manifest sign records.jsonl --key vendor.key --passphrase-file pass --vendor acme --dataset " \
    "set --version 1 --taxonomy taxonomy.json"
#define WITHDRAW "manifest withdraw records.plumb.json --key vendor.key --passphrase-file pass "

/* A key that customers would refuse writes nothing; a store may vouch for it, and says what is
 * missing still. */
static void by_the_wrong_key(void **state)
{
    forge *g = *state;
    plumb_trust_addition vendor;
    plumb_trust_addition_default(&vendor);
    plumb(g, WITHDRAW "--id deb:abgate#use --reason error");
    assert_int_equal(last.code, 5);
    assert_non_null(strstr(last.errors, " did not sign it; sign with a key that did ("));
    plumb(g, WITHDRAW "--id deb:abgate#use --reason error --trust trust.json");
    assert_int_equal(last.code, 5);
    assert_non_null(strstr(last.errors, " is not one of vendor acme in the trust store; keys that "
                                        "count: acme-1\n"));
    assert_int_not_equal(access(fixture_path(g->f, "records.withdrawals"), F_OK), 0);
    vendor.vendor = "acme";
    vendor.name = "acme-2";
    vendor.roles = 1u << PLUMB_ROLE_QUALITY_ATTESTATION;
    vendor.threshold = 2;
    assert_works(plumb_public_key_read(fixture_path(g->f, "vendor.pub"), &vendor.key, err));
    make_trust(g->f, "two.json", NULL, &vendor);
    plumb(g, WITHDRAW "--id deb:abgate#use --reason error --trust two.json");
    assert_int_equal(last.code, 0);
    assert_string_equal(last.errors,
                        "withdrawal 1 of records.plumb.json is signed\n"
                        "plumb: records.plumb.json: 1 more signature is missing before its "
                        "withdrawals count: plumb manifest withdraw records.plumb.json --cosign "
                        "--key K\n");
    plumb(g, WITHDRAW "--cosign --trust two.json --json --quiet");
    assert_string_equal(last.out, "{\"signatures_added\":0,\"signatures_missing\":1}\n");
    assert_int_equal(remove(fixture_path(g->f, "records.withdrawals")), 0);
    plumb(g, SIGN_IT); /* from now on it has signed the manifest */
    assert_int_equal(last.code, 0);
}

/* What is asked about content and is not so is 1; what cannot be read is 4. */
static void exit_codes(void **state)
{
    forge *g = *state;
    plumb(g, WITHDRAW "--id nope --reason error");
    assert_string_equal(last.errors, "plumb: records.plumb.json: has no record with id \"nope\"\n");
    assert_int_equal(last.code, 1);
    plumb(g, WITHDRAW "--cosign");
    assert_string_equal(last.errors, "plumb: records.plumb.json: has no withdrawals to sign\n");
    assert_int_equal(last.code, 1);
    plumb(g, "manifest withdraw gone.plumb.json --key vendor.key --passphrase-file pass --id a "
             "--reason error");
    assert_int_equal(last.code, 4);
    plumb(g, "manifest withdraw records.plumb.json --key gone.key --passphrase-file pass --id a "
             "--reason error");
    assert_int_equal(last.code, 4);
}

static void one_record(void **state)
{
    forge *g = *state;
    plumb(g, "impact run --id deb:abgate#use --trust trust.json");
    assert_string_equal(last.errors, "");
    assert_int_equal(last.code, 0);
    assert_non_null(strstr(last.out, "run run: acme/set version 1, closed\n"
                                     "  records     1 asked for, 1 in its manifest, 1 used\n"
                                     "  learned     "));
    assert_non_null(strstr(last.out, "\n  layer                      units    steps    first     "
                                     "last  spend_nats   share\n"));
    assert_non_null(strstr(last.out, "\n  checkpoints that contain it:\n    step-3.safetensors "));
    assert_non_null(strstr(last.out, "\n  checkpoints without it:\n    step-0.safetensors "));
    plumb(g, "query run --example deb:abgate#use --format json");
    json_t *rows = output_json();
    plumb(g, "impact run --id deb:abgate#use --json");
    json_t *impact = output_json();
    const json_t *row = json_is_array(rows) ? json_array_get(rows, 0)
                                            : json_array_get(json_object_get(rows, "rows"), 0);
    const double queried = json_number_value(json_object_get(row, "spend_nats"));
    const double told = json_number_value(json_object_get(impact, "spend_nats"));
    assert_true(queried > 0 && fabs(queried - told) <= 1e-9 * queried);
    json_decref(rows);
    json_decref(impact);
}

static void records_of_no_weight(void **state)
{
    forge *g = *state;
    plumb(g, "impact run --id deb:p10#role --id nobody");
    assert_int_equal(last.code, 1);
    assert_string_equal(last.out, "run run: acme/set version 1, closed; signer not checked\n"
                                  "  records     2 asked for, 1 in its manifest, 1 used\n"
                                  "  learned     nothing from them\n");
}

static void wrong_usage(void **state)
{
    forge *g = *state;
    plumb(g, "impact run");
    assert_int_equal(last.code, 2);
    assert_string_equal(last.errors, "plumb: impact wants --id, --ids-file, --withdrawn or --all; "
                                     "see plumb impact --help\n");
    plumb(g, "impact run --all --id a");
    assert_int_equal(last.code, 2);
    plumb(g, "impact nowhere --all");
    assert_int_equal(last.code, 4);
    plumb(g, "impact run --ids-file nowhere");
    assert_string_equal(last.errors, "plumb: nowhere: cannot be read\n");
    assert_int_equal(last.code, 4);
}

/* The vendor withdraws, and is told what was learned; what cannot be asked is listed. */
static void a_withdrawal_answers_at_once(void **state)
{
    forge *g = *state;
    write_text(fixture_path(g->f, "ids"), "deb:abgate#use\n\ndeb:p03#use\n");
    plumb(g, "manifest withdraw records.plumb.json --ids-file ids --reason consent --key "
             "vendor.key --passphrase-file pass --runs . --runs nowhere --json");
    assert_string_equal(last.errors, "");
    assert_int_equal(last.code, 0);
    json_t *out = output_json();
    assert_int_equal(json_integer_value(json_object_get(out, "sequence")), 1);
    const json_t *runs = json_object_get(out, "runs");
    assert_int_equal(json_array_size(runs), 2);
    const json_t *run = json_array_get(runs, 0);
    assert_string_equal(json_string_value(json_object_get(run, "run")), "./run");
    assert_int_equal(json_integer_value(json_object_get(run, "records_used")), 2);
    assert_int_equal(json_array_size(json_object_get(run, "layers")), 2);
    assert_true(json_is_false(json_object_get(json_array_get(runs, 1), "reachable")));
    json_decref(out);
    plumb(g, "impact run --withdrawn records.plumb.json --json");
    assert_int_equal(last.code, 0);
    out = output_json();
    assert_int_equal(json_integer_value(json_object_get(out, "records_asked")), 2);
    json_decref(out);
    plumb(g, "manifest withdraw records.plumb.json --id deb:p04#role --reason error --key "
             "vendor.key --passphrase-file pass --runs run");
    assert_string_equal(last.errors, "withdrawal 2 of records.plumb.json is signed\n");
    assert_non_null(strstr(last.out, "run run: acme/set version 1, closed; signer not checked\n"));
    plumb(g, "manifest withdraw records.plumb.json --id deb:p04#role --reason error --key "
             "vendor.key --passphrase-file pass");
    assert_int_equal(last.code, 1);
    assert_string_equal(last.errors, "plumb: records.plumb.json: record \"deb:p04#role\" was "
                                     "withdrawn before (statement 2)\n");
    plumb(g,
          "manifest withdraw records.plumb.json --cosign --key vendor.key --passphrase-file pass");
    assert_int_equal(last.code, 0);
    assert_string_equal(last.errors, "signed 0 withdrawals of records.plumb.json\n");
    plumb(g, "manifest withdraw records.plumb.json --id a --reason whim --key vendor.key");
    assert_int_equal(last.code, 2);
    assert_string_equal(last.errors, "plumb: --reason must be consent, error, licence or other; "
                                     "see plumb manifest withdraw --help\n");
    assert_int_equal(remove(fixture_path(g->f, "records.withdrawals")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_record),  cmocka_unit_test(records_of_no_weight),
        cmocka_unit_test(wrong_usage), cmocka_unit_test(by_the_wrong_key),
        cmocka_unit_test(exit_codes),  cmocka_unit_test(a_withdrawal_answers_at_once),
    };
    return cmocka_run_group_tests(tests, setup, forge_teardown);
}
