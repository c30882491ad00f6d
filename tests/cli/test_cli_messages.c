/* Aim: what a vendor or customer does wrong without noticing is refused or remarked upon, and the
 * message says what to do. Method: one vendor's way with keys, a taxonomy, two versions and a trust
 * store, by the command itself; exact messages and exit codes. Texts have ' for ". */
#include "cli_fixture.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"
#define PASS " --passphrase-file pass"
#define SIGN "plumb manifest sign --key acme.key" PASS " --vendor acme --dataset d "

static const char taxonomy[] =
    "{'rubrics':{'strict@1':{'weight':2}},'templates':{'steps@1':{'components':[{'name':'a'}],"
    "'recombine':'normalised','overridable':{'recombine':['sum','normalised']}},'last@1':"
    "{'inherits':'steps@1'},'plain@1':{'components':[{'name':'a'}],'overridable':{'recombine':"
    "['mean']}}},'tenant':{'templates':{'steps@1':{'recombine':'sum'},'plain@1':{'recombine':"
    "'mean'}}}}";

static const char records[] =
    "{'id':'r','content':{'sha256':'" ZERO
    "','bytes':9},'rubric':'strict@1','template':'steps@1'}\n"
    "{'id':'s','content':{'sha256':'" ZERO "','bytes':9},'template':'last@1'}\n"
    "{'id':'t','content':{'sha256':'" ZERO "','bytes':9},'template':'plain@1'}\n";

static void write_quoted(const char *path, const char *text)
{
    char *copy = strdup(text);
    for (char *at = copy; (at = strchr(at, '\'')) != NULL;) {
        *at = '"';
    }
    cli_write(path, copy);
    free(copy);
}

static int setup(void **state)
{
    if (cli_setup(state) != 0) return 1;
    cli_write("pass", "open sesame\n");
    write_quoted("taxonomy.json", taxonomy);
    write_quoted("records.jsonl", records);
    write_quoted("bare.jsonl", records);
    const cli_run *run =
        cli("set -e; chmod 600 pass; for k in acme root other; do plumb key new $k" PASS "; done\n"
            "plumb trust init trust.json --root root.key" PASS "\n"
            "plumb trust add trust.json --root root.key" PASS " --vendor acme --key acme.pub "
            "--name acme-1 --role quality-attestation\n" SIGN
            "records.jsonl --version 1 --taxonomy taxonomy.json");
    if (run->code != 0) fputs(run->err, stderr);
    return run->code;
}

/* ---- a taxonomy that would be lost ---- */

static void rules_are_not_lost(void **state)
{
    (void)state;
    static const char lost[] =
        "plumb: version 1 has a taxonomy and this one none: give --taxonomy, "
        "or --no-taxonomy to leave the rules out\n";
    static const char idle[] =
        "plumb: records name rubrics, domains or templates: without a taxonomy the names have no "
        "effect\n";
    char expected[400];
    assert_cli(2, "", lost, SIGN "records.jsonl --version 2");
    assert_cli(2, "", lost,
               "plumb manifest payload records.jsonl --vendor acme --dataset d --version 2");
    assert_cli(2, "",
               "plumb: --taxonomy and --no-taxonomy exclude each other; see plumb manifest sign "
               "--help\n",
               SIGN "records.jsonl --version 2 --no-taxonomy --taxonomy taxonomy.json");
    assert_cli(2, "",
               "plumb: --taxonomy and --no-taxonomy exclude each other; see plumb manifest payload "
               "--help\n",
               "plumb manifest payload records.jsonl --vendor acme --dataset d --version 2 "
               "--no-taxonomy --taxonomy taxonomy.json");
    assert_cli(0, "", "signed two.jsonl as acme/d version 2\n",
               "for f in jsonl plumb.json checkpoint; do cp records.$f two.$f; done; " SIGN
               "two.jsonl --version 2 --no-taxonomy");
    snprintf(expected, sizeof expected, "%ssigned bare.jsonl as acme/d version 1\n", idle);
    assert_cli(0, "", expected, SIGN "bare.jsonl --version 1");
    snprintf(expected, sizeof expected,
             "%swrote bare.plumb.payload, .plumb.pae and .checkpoint.body\n", idle);
    assert_cli(0, "", expected,
               "plumb manifest payload bare.jsonl --vendor acme --dataset d --version 2");
    assert_cli(0, "", "",
               "plumb --quiet manifest payload bare.jsonl --vendor acme --dataset d "
               "--version 2");
}

static const char *explained(const char *manifest, const char *id)
{
    const cli_run *run = cli("plumb --quiet manifest show %s --explain --id %s", manifest, id);
    assert_int_equal(run->code, 0);
    return run->out;
}

static void explains_names_without_effect(void **state)
{
    (void)state;
    assert_non_null(strstr(explained("bare.plumb.json", "r"),
                           "\nnames without effect\n"
                           "rubric strict@1: the manifest has no taxonomy\n"
                           "template steps@1: the manifest has no taxonomy\n"));
    assert_null(strstr(explained("records.plumb.json", "r"), "without effect"));
    const cli_run *run = cli("plumb --quiet --json manifest show bare.plumb.json --explain --id r");
    json_t *said = json_loads(run->out, 0, NULL);
    const json_t *one = json_array_get(json_object_get(said, "without_effect"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "field")), "rubric");
    assert_string_equal(json_string_value(json_object_get(one, "name")), "strict@1");
    assert_string_equal(json_string_value(json_object_get(one, "why")),
                        "the manifest has no taxonomy");
    json_decref(said);
    /* A taxonomy that lists none of the kind is as good as none. */
    write_quoted("kind.json", "{'rubrics':{'strict@1':{}}}");
    run = cli("cp bare.jsonl kind.jsonl; " SIGN "kind.jsonl --version 1 --taxonomy kind.json");
    assert_int_equal(run->code, 0);
    assert_non_null(strstr(explained("kind.plumb.json", "r"),
                           "\nnames without effect\n"
                           "template steps@1: the manifest's taxonomy has no templates\n"));
}

static void explains_whose_recombination(void **state)
{
    (void)state;
    assert_non_null(
        strstr(explained("records.plumb.json", "r"),
               "\nrecombined  sum, by the tenant, over template steps@1's normalised\n"));
    assert_non_null(strstr(explained("records.plumb.json", "s"),
                           "\nrecombined  normalised, by template steps@1 for last@1\n"));
    assert_non_null(strstr(explained("records.plumb.json", "t"),
                           "\nrecombined  mean, by the tenant, over template plain@1, which states "
                           "none\n"));
    const cli_run *run =
        cli("plumb --quiet --json manifest show records.plumb.json --explain --id r");
    json_t *said = json_loads(run->out, 0, NULL);
    const json_t *how = json_object_get(said, "recombination");
    const json_t *over = json_object_get(how, "over");
    assert_string_equal(json_string_value(json_object_get(how, "by")), "tenant");
    assert_string_equal(json_string_value(json_object_get(how, "recombine")), "sum");
    assert_string_equal(json_string_value(json_object_get(over, "template")), "steps@1");
    assert_string_equal(json_string_value(json_object_get(over, "recombine")), "normalised");
    json_decref(said);
}

/* ---- times that are over ---- */

static void nothing_is_made_too_late(void **state)
{
    (void)state;
    static const char late[] =
        "plumb: expires 2020-01-01T00:00:00Z lies before the time of issue\n";
    assert_cli(2, "", late, SIGN "bare.jsonl --version 9 --expires 2020-01-01");
    assert_cli(2, "", late,
               "plumb manifest payload bare.jsonl --vendor acme --dataset d --version 9 --expires "
               "2020-01-01");
    assert_cli(
        2, "",
        "plumb: --until 2020-01-01T00:00:00Z lies in the past; see plumb trust init --help\n",
        "plumb trust init late.json --root other.key" PASS " --until 2020-01-01");
    assert_cli(1, "", "", "test -e late.json");
    assert_cli(
        2, "",
        "plumb: --until 2020-01-01T00:00:00Z lies in the past; see plumb trust renew --help\n",
        "plumb trust renew trust.json --root root.key" PASS " --until 2020-01-01");
}

/* ---- files that are not what is wanted ---- */

static void keys_are_named(void **state)
{
    (void)state;
    char keyid[80], expected[300];
    assert_cli(5, "", "plumb: acme.pub: is a public key; give the secret one, acme.key\n",
               "plumb manifest sign bare.jsonl --key acme.pub" PASS
               " --vendor acme --dataset d --version 9");
    assert_cli(5, "", "plumb: acme.pem: is a public key; give the secret one, NAME.key\n",
               "cp acme.pub acme.pem; plumb manifest sign bare.jsonl --key acme.pem" PASS
               " --vendor acme --dataset d --version 9");
    const cli_run *run = cli("plumb key show other.pub --json");
    json_t *shown = json_loads(run->out, 0, NULL);
    snprintf(keyid, sizeof keyid, "%s", json_string_value(json_object_get(shown, "keyid")));
    json_decref(shown);
    snprintf(expected, sizeof expected,
             "plumb: trust.json: other.key (key %s) is not one of its root keys\n", keyid);
    assert_cli(5, "", expected,
               "plumb trust renew trust.json --root other.key" PASS " --until never");
}

static void digests_are_named(void **state)
{
    (void)state;
    const cli_run *run = cli("plumb manifest show records.plumb.json --trust trust.json");
    assert_non_null(strstr(run->out, "\nstatement   blake2b "));
    run = cli("plumb verify records.checkpoint --trust trust.json");
    assert_non_null(strstr(run->out, "\nstatement   sha256 "));
}

static void verify_says_what_it_knows(void **state)
{
    (void)state;
    static const char forms[] =
        "is none of what verify knows: a run's folder, NAME.plumb.json, NAME.checkpoint, "
        "X.tlog-proof, X.receipt.json, or a checkpoint in a run's checkpoints/; see plumb verify "
        "--help\n";
    char expected[400];
    cli_write("empty", "");
    snprintf(expected, sizeof expected, "plumb: empty %s", forms);
    assert_cli(2, "", expected, "plumb verify empty --untrusted");
    assert_cli(2, "", expected, "plumb verify empty --trust trust.json");
    snprintf(expected, sizeof expected, "plumb: records.jsonl %s", forms);
    assert_cli(2, "", expected, "plumb verify records.jsonl --untrusted");
    assert_cli(2, "",
               "plumb: trust.json is a trust store; plumb trust show trust.json checks and shows "
               "it; see plumb verify --help\n",
               "plumb verify trust.json --untrusted");
    assert_int_equal(cli("plumb manifest withdraw records.plumb.json --id r --reason consent --key "
                         "acme.key" PASS)
                         ->code,
                     0);
    assert_cli(2, "",
               "plumb: records.withdrawals holds withdrawals, which are checked with the manifest "
               "beside them: plumb verify records.plumb.json; see plumb verify --help\n",
               "plumb verify records.withdrawals --untrusted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_not_lost),
        cmocka_unit_test(explains_names_without_effect),
        cmocka_unit_test(explains_whose_recombination),
        cmocka_unit_test(nothing_is_made_too_late),
        cmocka_unit_test(keys_are_named),
        cmocka_unit_test(digests_are_named),
        cmocka_unit_test(verify_says_what_it_knows),
    };
    return cmocka_run_group_tests_name("cli_messages", tests, setup, cli_teardown);
}
