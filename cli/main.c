/* plumb: finds the subcommand and hands over. */
#include "cli/dispatch.h"

static const plumb__verb commands[] = {
    {"key", plumb__cmd_key, "make, show, export and import keys"},
    {"trust", plumb__cmd_trust, "whose signatures count: make, extend and show a trust store"},
    {"manifest", plumb__cmd_manifest, "sign, verify and show annotation manifests"},
    {"verify", plumb__cmd_verify, "check a run, a manifest or a checkpoint, whatever it is"},
    {"witness", plumb__cmd_witness, "cosign a manifest: this is what it was, as of now"},
    {"show", plumb__cmd_show, "one screen about a run"},
    {"impact", plumb__cmd_impact, "what a run learned from certain records, and which checkpoints"},
    {"query", plumb__cmd_query, "what a run learned, by example, annotator, cohort, layer, step"},
};

static const char opening[] =
    "usage: plumb [--json] [--quiet] [--color auto|always|never] COMMAND ...\n\ncommands:\n";

static const char closing[] =
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
    "example: plumb manifest verify records.plumb.json --trust trust.json\n";

int main(int argc, char **argv)
{
    static const plumb__verbs all = {.command = "",
                                     .list = commands,
                                     .n = sizeof commands / sizeof *commands,
                                     .opening = opening,
                                     .closing = closing};
    return plumb__dispatch(&all, argc, argv);
}
