/* plumb: finds the subcommand and hands over. */
#include "cli/commands.h"

#include <string.h>

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} command;

static const command commands[] = {
    {"key", plumb__cmd_key, "make, show, export and import keys"},
    {"trust", plumb__cmd_trust, "whose signatures count: make, extend and show a trust store"},
    {"manifest", plumb__cmd_manifest, "sign, verify and show annotation manifests"},
    {"verify", plumb__cmd_verify, "check a run, a manifest or a checkpoint, whatever it is"},
    {"witness", plumb__cmd_witness, "cosign a manifest: this is what it was, as of now"},
    {"show", plumb__cmd_show, "one screen about a run"},
    {"impact", plumb__cmd_impact, "what a run learned from certain records, and which checkpoints"},
    {"query", plumb__cmd_query, "what a run learned, by example, annotator, cohort, layer, step"},
};

static int help(void)
{
    puts("usage: plumb [--json] [--quiet] [--color auto|always|never] COMMAND ...\n\ncommands:");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    puts(
        "\noptions of every command:\n"
        "  --json     the result as JSON on standard output\n"
        "  --quiet    no remarks on standard error, only errors\n"
        "  --color    auto: on a terminal, unless NO_COLOR is set; always; never\n"
        "  --state    where versions that were seen are remembered: $PLUMB_STATE, else\n"
        "             $XDG_STATE_HOME/plumb, else ~/.local/state/plumb\n"
        "  -h, --help\n"
        "  --version  of plumb itself\n"
        "\nplumb COMMAND --help says more. Exit codes: 0 done, 1 the answer is no, 2 wrong usage,\n"
        "3 bad input, 4 I/O, 5 trust, 6 device, 7 interrupted and resumable.\n\n"
        "example: plumb manifest verify records.plumb.json --trust trust.json");
    return plumb__cli_done(PLUMB__EXIT_OK);
}

int main(int argc, char **argv)
{
    enum { OPT_VERSION = PLUMB__OPT_OWN };
    static const struct option options[] = {{"version", no_argument, NULL, OPT_VERSION},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (option == 'h') return help();
        if (option == OPT_VERSION) {
            printf("plumb %s\n", plumb_version());
            return plumb__cli_done(PLUMB__EXIT_OK);
        }
        if (!plumb__cli_take(option, optarg)) return PLUMB__EXIT_USAGE;
    }
    if (optind >= argc) return plumb__cli_usage("", "a command is missing");
    const char *name = argv[optind];
    char *program = argv[0]; /* what getopt's own messages begin with */
    argc -= optind;
    argv += optind;
    argv[0] = program;
    optind = 0; /* GNU getopt starts over */
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(name, commands[i].name) == 0) return commands[i].run(argc, argv);
    }
    return plumb__cli_usage("", "there is no command \"%s\"", name);
}
