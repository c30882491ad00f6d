/* Aim: plumb key, trust and manifest do what their help says, print results on standard output and
 * all else on standard error, and return the pinned exit codes. Method: the command run in a shell
 * on its way from keys to a verified manifest; exact texts where they do not depend on keys; JSON
 * parsed; wrong usage and bad input; a passphrase typed on a terminal of its own. */
#include "cli_fixture.h"

#include <jansson.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static const char records[] =
    "{\"id\":\"r1\",\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11},\"rubric\":\"role@2\"}\n"
    "{\"id\":\"r2\",\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11},\"depth\":\"none\","
    "\"budget\":{\"step\":2},\"weight\":0.5}\n";

/* Keys, store and manifest that the later tests read. */
static int prepare(void **state)
{
    if (cli_setup(state) != 0) return -1;
    cli_write("pass", "open sesame\n");
    cli_write("records.jsonl", records);
    cli_write("taxonomy.json", "{\"rubrics\":{\"role@2\":{\"depth\":{\"band\":[0.3,1]},"
                               "\"budget\":{\"run\":8}}}}");
    const char *steps[] = {
        "plumb key new root --passphrase-file pass", "plumb key new acme --passphrase-file pass",
        "plumb trust init trust.json --root root.key --passphrase-file pass",
        "plumb trust add trust.json --root root.key --passphrase-file pass --vendor acme --key "
        "acme.pub --name acme-1 --role quality-attestation,operator --until 2100-01-01",
        "plumb manifest sign records.jsonl --key acme.key --passphrase-file pass --vendor acme "
        "--dataset set --version 1 --taxonomy taxonomy.json"};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const cli_run *run = cli("%s", steps[i]);
        if (run->code != 0) fail_msg("%s: %s", steps[i], run->err);
    }
    return 0;
}

static void key_show(void **state)
{
    (void)state;
    const cli_run *run = cli("plumb key show acme.pub --json");
    assert_int_equal(run->code, 0);
    json_t *shown = json_loads(run->out, 0, NULL);
    char keyid[80], pem[200];
    snprintf(keyid, sizeof keyid, "%s", json_string_value(json_object_get(shown, "keyid")));
    snprintf(pem, sizeof pem, "%s", json_string_value(json_object_get(shown, "public_key")));
    json_decref(shown);
    assert_int_equal(strlen(keyid), 64);
    /* The header of the secret file says the same, without a passphrase. */
    char expected[400];
    snprintf(expected, sizeof expected, "acme.key\nkeyid %s\n%s", keyid, pem);
    assert_cli(0, expected, "", "plumb key show acme.key");
    assert_cli(0, pem, "", "plumb key export acme.key");
    run = cli("plumb key export acme.key --secret --passphrase-file pass");
    assert_int_equal(run->code, 0);
    assert_int_equal(strncmp(run->out, "-----BEGIN PRIVATE KEY-----\n", 28), 0);
    cli_write("wrong", "open Sesame\n");
    assert_cli(5, "", "plumb: acme.key: the passphrase is wrong, or the file was changed\n",
               "plumb key export acme.key --secret --passphrase-file wrong");
    assert_cli(4, "", "plumb: acme.key: exists already; a key is never overwritten\n",
               "plumb key new acme --passphrase-file pass");
    /* No terminal and no file: setsid takes the terminal away. */
    assert_cli(5, "",
               "plumb: a passphrase is needed and there is no terminal to ask on; give "
               "--passphrase-file FILE\n",
               "setsid -w plumb key new nobody");
}

static void trust_show(void **state)
{
    (void)state;
    const cli_run *run = cli("plumb trust show trust.json --json");
    assert_int_equal(run->code, 0);
    json_t *store = json_loads(run->out, 0, NULL);
    char fingerprint[80], keyid[80], expected[800];
    snprintf(fingerprint, sizeof fingerprint, "%s",
             json_string_value(json_object_get(store, "root_fingerprint")));
    const json_t *vendor = json_object_get(json_object_get(store, "vendors"), "acme");
    const json_t *key = json_array_get(json_object_get(vendor, "keys"), 0);
    snprintf(keyid, sizeof keyid, "%s", json_string_value(json_object_get(key, "keyid")));
    assert_int_equal(json_integer_value(json_object_get(store, "version")), 2);
    json_decref(store);
    snprintf(
        expected, sizeof expected,
        "trust.json: version 2, expires never\nroot fingerprint %s\n"
        "root keys        1, of which 1 must sign\nseen here        up to version 2 (state)\n\n"
        "vendor acme, key acme-1: valid\n"
        "  keyid %s\n  roles quality-attestation, operator\n"
        "  valid from always until 2100-01-01T00:00:00Z\n",
        fingerprint, keyid);
    assert_cli(0, expected, "", "plumb trust show trust.json");
    assert_cli(2, "", "plumb: --role has an unknown role: boss; see plumb trust add --help\n",
               "plumb trust add trust.json --root root.key --vendor acme --key acme.pub --name x "
               "--role boss");
    assert_cli(2, "", "plumb: --until is not a date: 2026-02-30; see plumb trust add --help\n",
               "plumb trust add trust.json --root root.key --vendor acme --key acme.pub --name x "
               "--role operator --until 2026-02-30");
    assert_cli(2, "",
               "plumb: trust add wants --vendor, --key, --name and --role; see plumb trust "
               "add --help\n",
               "plumb trust add trust.json --root root.key");
    assert_cli(3, "", "plumb: trust.json: vendor \"acme\": \"acme-1\" and \"x\" are the same key\n",
               "plumb trust add trust.json --root root.key --passphrase-file pass --vendor acme "
               "--key acme.pub --name x --role operator");
    assert_cli(5, "", "plumb: acme.key: is a secret key; give the public one, NAME.pub\n",
               "plumb trust add trust.json --root root.key --passphrase-file pass --vendor acme "
               "--key acme.key --name x --role operator");
    assert_cli(4, "",
               "plumb: none.json: there is no such trust store; plumb trust init makes one\n",
               "plumb trust add none.json --root root.key --passphrase-file pass --vendor acme "
               "--key acme.pub --name x --role operator");
}

static void manifest_verify(void **state)
{
    (void)state;
    const cli_run *run = cli("plumb manifest verify records.plumb.json --trust trust.json --json");
    assert_string_equal(run->err, "");
    assert_int_equal(run->code, 0);
    json_t *said = json_loads(run->out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(said, "vendor")), "acme");
    assert_int_equal(json_integer_value(json_object_get(said, "records")), 2);
    assert_true(json_is_true(json_object_get(said, "checkpoint")));
    assert_true(json_is_true(json_object_get(said, "signer_checked")));
    json_decref(said);
    assert_cli(2, "", "plumb: manifest verify wants --trust; see plumb manifest verify --help\n",
               "plumb manifest verify records.plumb.json");
    assert_cli(4, "", "plumb: cannot open none.json: No such file or directory\n",
               "plumb manifest verify records.plumb.json --trust none.json");
    assert_cli(3, "", "plumb: records.jsonl: a manifest's envelope is named NAME.plumb.json\n",
               "plumb manifest verify records.jsonl --trust trust.json");
    assert_int_equal(
        cli("mkdir copy && cp records.* copy && sed -i s/r1/r3/ copy/records.jsonl")->code, 0);
    assert_cli(
        1, "",
        "plumb: copy/records.jsonl: is not the file that was signed (SHA-256 differs): restore "
        "it, or sign it as a new version\n",
        "plumb manifest verify copy/records.plumb.json --trust trust.json");
}

static void manifest_show(void **state)
{
    (void)state;
    static const char line2[] = "{\"id\":\"r2\",\"content\":{\"sha256\":\"" DIGEST
                                "\",\"bytes\":11},\"depth\":\"none\",\"budget\":{\"step\":2},"
                                "\"weight\":0.5}\n";
    assert_cli(0, line2, "plumb: records.plumb.json: signer not checked; give --trust\n",
               "plumb manifest show records.plumb.json --id r2");
    assert_cli(0, line2, "", "plumb manifest show records.plumb.json --id r2 --trust trust.json");
    char expected[1200];
    snprintf(expected, sizeof expected,
             "%s\nline        2\ndepth       none = {\"layers\":{}}   (from record)\n"
             "step budget 2 nats   (from record)\nrun budget  not stated: the policy's holds\n"
             "weight      0.5   (from record)\n"
             "\nplaces that state a term, by rule; the first holds\n"
             "depth       2 record: none\n            8 built in: all\n"
             "step budget 2 record: 2\n"
             "weight      2 record: 0.5\n            8 built in: 1\n",
             line2);
    assert_cli(0, expected, "",
               "plumb --quiet manifest show records.plumb.json --untrusted --id r2 --explain");
    const cli_run *run = cli("plumb --quiet manifest show records.plumb.json --id r1 --explain");
    assert_non_null(
        strstr(run->out, "depth       (inline) = {\"band\":[0.3,1]}   (from rubric)\n"));
    run = cli("plumb manifest show records.plumb.json --quiet --json --id r1 --explain");
    json_t *said = json_loads(run->out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(said, "depth")), "(inline)");
    assert_string_equal(json_string_value(json_object_get(said, "depth_from")), "rubric");
    assert_string_equal(json_string_value(json_object_get(said, "run_budget_from")), "rubric");
    assert_null(json_object_get(said, "step_budget_nats"));
    json_decref(said);
    assert_cli(1, "", "plumb: records.plumb.json: has no record \"r9\"\n",
               "plumb manifest show records.plumb.json --quiet --id r9");
}

/* A C1 control, a turn of the writing and DEL in a text; a dash and an accent stay as they are. */
static void control_characters_are_escaped(void **state)
{
    (void)state;
    static const char line[] =
        "{\"id\":\"r1\",\"private\":\"" DIGEST "\",\"text\":\"a%s\xe2\x80\x93 b\xc3\xa9\"}\n";
    static const char *const options[] = {"", "--explain", "--json"};
    char raw[256], escaped[256];
    snprintf(raw, sizeof raw, line, "\xc2\x9b\xe2\x80\xae\x7f");
    snprintf(escaped, sizeof escaped, line, "\\u009B\\u202E\\u007F");
    cli_write("escapes.jsonl", raw);
    assert_cli(0, "", "",
               "plumb --quiet manifest sign escapes.jsonl --key acme.key --passphrase-file pass "
               "--vendor acme --dataset escapes --version 1");
    for (int i = 0; i < 3; i++) {
        const cli_run *run = cli("plumb --quiet manifest show escapes.plumb.json --untrusted --id "
                                 "r1 %s",
                                 options[i]);
        assert_int_equal(run->code, 0);
        assert_null(strstr(run->out, "\xc2\x9b"));
        assert_null(strstr(run->out, "\xe2\x80\xae"));
        assert_null(strchr(run->out, 0x7f));
        if (i < 2) assert_int_equal(strncmp(run->out, escaped, strlen(escaped)), 0);
        assert_non_null(strstr(run->out, "a\\u009B\\u202E\\u007F\xe2\x80\x93 b\xc3\xa9\""));
    }
}

static void manifest_sign(void **state)
{
    (void)state;
    cli_write("double.jsonl", "{\"id\":\"x\",\"private\":\"" DIGEST "\"}\n"
                              "{\"id\":\"x\",\"private\":\"" DIGEST "\"}\n");
    assert_cli(
        3, "",
        "plumb: double.jsonl: line 2, column 7: id \"x\" is that of line 1 already; ids must be "
        "unique\n",
        "plumb manifest sign double.jsonl --key acme.key --passphrase-file pass --vendor acme "
        "--dataset d --version 1");
    assert_cli(1, "", "", "test -e double.plumb.json");
    /* A name from the file reaches the terminal without its escape sequence. */
    cli_write("escape.jsonl",
              "{\"id\":\"x\",\"private\":\"" DIGEST "\",\"depth\":\"\\u001b[2J\\u009b\"}\n");
    assert_cli(
        3, "",
        "plumb: escape.jsonl: line 1, column 96: field \"depth\": there is no depth named "
        "\"?[2J??\"; "
        "known are all, none\n",
        "plumb manifest sign escape.jsonl --key acme.key --passphrase-file pass --vendor acme "
        "--dataset d --version 1");
    assert_cli(
        2, "",
        "plumb: manifest sign wants --key, --vendor, --dataset and --version; see plumb manifest "
        "sign --help\n",
        "plumb manifest sign records.jsonl --key acme.key");
    assert_cli(
        2, "", "plumb: --version is not a number: two; see plumb manifest sign --help\n",
        "plumb manifest sign records.jsonl --key acme.key --vendor v --dataset d --version two");
}

static void usage(void **state)
{
    (void)state;
    static const char *const helps[] = {"plumb --help", "plumb key -h", "plumb trust --help",
                                        "plumb manifest sign --help"};
    for (size_t i = 0; i < sizeof helps / sizeof *helps; i++) {
        const cli_run *run = cli("%s", helps[i]);
        assert_int_equal(run->code, 0);
        assert_non_null(strstr(run->out, "usage: plumb"));
        assert_non_null(strstr(run->out, "example: plumb"));
        assert_string_equal(run->err, "");
    }
    assert_cli(2, "", "plumb: a command is missing; see plumb --help\n", "plumb");
    assert_cli(2, "", "plumb: there is no command \"mend\"; see plumb --help\n", "plumb mend");
    assert_cli(2, "", "plumb: there is no \"key lose\"; see plumb key --help\n",
               "plumb key lose acme");
    assert_cli(2, "", "plumb: --color must be auto, always or never\n", "plumb --color red key");
    assert_cli(4, "", "\033[1;31mplumb\033[0m: cannot open none: No such file or directory\n",
               "plumb --color always key show none");
    assert_cli(4, "", "plumb: cannot open none: No such file or directory\n",
               "plumb key show none --color never");
    assert_non_null(strstr(cli("plumb -h")->out, "  --quiet    no remarks on standard error"));
    assert_cli(2, "", "plumb: key: --nonsense is no option; see plumb key --help\n",
               "plumb key show --nonsense");
    assert_cli(4, "", "plumb: standard output could not be written\n",
               "plumb trust show trust.json >/dev/full");
}

/* Plays a user at a terminal: types the lines, returns what the terminal showed. */
static int type(const char *command, const char *typed, char *shown, size_t size)
{
    int terminal, status;
    const pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(child >= 0);
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    size_t n = 0;
    while (n + 1 < size) {
        const ssize_t got = read(terminal, shown + n, size - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
        shown[n] = '\0';
        /* A line is typed once its prompt is there, when echo is already off. */
        if (shown[n - 1] == ' ' && shown[n - 2] == ':' && *typed != '\0') {
            const size_t line = strcspn(typed, "\n") + 1;
            usleep(50000);
            assert_int_equal(write(terminal, typed, line), line);
            typed += line;
        }
    }
    shown[n] = '\0';
    close(terminal);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void passphrase_on_the_terminal(void **state)
{
    char shown[4096];
    (void)state;
    assert_int_equal(
        type("plumb key new typed >/dev/null", "swordfish\nswordfish\n", shown, sizeof shown), 0);
    assert_string_equal(shown, "Passphrase of the new key: \r\nOnce more: \r\n"
                               "wrote typed.key (secret, encrypted) and typed.pub\r\n");
    assert_int_equal(
        type("plumb key export typed.key --secret >/dev/null", "swordfish\n", shown, sizeof shown),
        0);
    assert_string_equal(shown, "Passphrase of typed.key: \r\n");
    assert_int_equal(type("NO_COLOR=1 plumb key new differ >/dev/null", "swordfish\nswordfisH\n",
                          shown, sizeof shown),
                     5);
    assert_string_equal(shown, "Passphrase of the new key: \r\nOnce more: \r\n"
                               "plumb: the two passphrases differ\r\n");
    assert_int_equal(type("NO_COLOR= plumb key show none", "", shown, sizeof shown), 4);
    assert_string_equal(shown,
                        "\033[1;31mplumb\033[0m: cannot open none: No such file or directory\r\n");
    assert_int_not_equal(access("differ.key", F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_show),
        cmocka_unit_test(trust_show),
        cmocka_unit_test(manifest_verify),
        cmocka_unit_test(manifest_show),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(manifest_sign),
        cmocka_unit_test(usage),
        cmocka_unit_test(passphrase_on_the_terminal),
    };
    return cmocka_run_group_tests(tests, prepare, cli_teardown);
}
