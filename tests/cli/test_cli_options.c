/* Aim: an option that a command does not know, one without its value, one with a value too many and
 * one that is short for several are refused with the command's name and where its help is, by every
 * command and verb. Method: each verb with a misspelled option; the other forms, long and short, by
 * exact text. */
#include "cli_fixture.h"

#include <stdio.h>

static void every_command(void **state)
{
    (void)state;
    static const char *const commands[] = {
        "key",
        "trust",
        "trust init",
        "trust add",
        "trust revoke",
        "trust rotate",
        "trust renew",
        "trust sign",
        "trust pin",
        "trust show",
        "manifest",
        "manifest sign",
        "manifest payload",
        "manifest attach",
        "manifest verify",
        "manifest show",
        "manifest diff",
        "manifest withdraw",
        "manifest receipt",
        "manifest prove",
        "manifest index",
        "manifest import",
        "manifest export",
        "verify",
        "witness",
        "show",
        "query",
        "impact",
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char expected[200];
        snprintf(expected, sizeof expected,
                 "plumb: %s: --versoin is no option; see plumb %s --help\n", commands[i],
                 commands[i]);
        assert_cli(2, "", expected, "plumb %s --versoin", commands[i]);
        assert_cli(2, "", expected, "plumb %s --versoin=1 x", commands[i]);
        snprintf(expected, sizeof expected,
                 "plumb: %s: --state wants a value; see plumb %s --help\n", commands[i],
                 commands[i]);
        assert_cli(2, "", expected, "plumb %s --state", commands[i]);
    }
}

static void every_form(void **state)
{
    (void)state;
    assert_cli(2, "", "plumb: --versoin is no option; see plumb --help\n", "plumb --versoin");
    assert_cli(2, "", "plumb: -x is no option; see plumb --help\n", "plumb -x manifest");
    assert_cli(2, "", "plumb: manifest sign: -k is no option; see plumb manifest sign --help\n",
               "plumb manifest sign r.jsonl -k acme.key");
    assert_cli(2, "", "plumb: manifest sign: -k is no option; see plumb manifest sign --help\n",
               "plumb manifest sign --json --key=a -khx");
    assert_cli(2, "",
               "plumb: manifest sign: --version wants a value; see plumb manifest sign --help\n",
               "plumb manifest sign r.jsonl --version");
    assert_cli(2, "", "plumb: verify: --full takes no value; see plumb verify --help\n",
               "plumb verify run --full=yes");
    assert_cli(2, "", "plumb: verify: --help takes no value; see plumb verify --help\n",
               "plumb verify --help=me");
    assert_cli(2, "", "plumb: verify: --re is short for several options; see plumb verify --help\n",
               "plumb verify run --re closed");
    /* What getopt takes, still goes: an abbreviation, and what stands behind "--". */
    assert_cli(2, "", "plumb: verify wants --trust FILE, or --untrusted; see plumb verify --help\n",
               "plumb verify --fu -- --versoin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_command),
                                       cmocka_unit_test(every_form)};
    return cmocka_run_group_tests_name("cli_options", tests, cli_setup, cli_teardown);
}
