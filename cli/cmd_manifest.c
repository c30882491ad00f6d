/* plumb manifest VERB: finds the verb and hands over. */
#include "cli/manifest/manifest_verbs.h"

#include <string.h>

typedef struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} verb;

/* To add a verb: its function in manifest_verbs.h, its line here, its file manifest_NAME.c. */
static const verb verbs[] = {
    {"sign", plumb__manifest_verb_sign, "check every record and sign the records file"},
    {"payload", plumb__manifest_verb_payload, "write the bytes to sign with a key kept elsewhere"},
    {"attach", plumb__manifest_verb_attach, "put on a signature that was made elsewhere"},
    {"verify", plumb__manifest_verb_verify, "check signatures, digests, tree and every record"},
    {"show", plumb__manifest_verb_show, "what a manifest says, and why a record has its terms"},
    {"diff", plumb__manifest_verb_diff, "what two manifests share, and how they differ"},
    {"withdraw", plumb__manifest_verb_withdraw, "take records back by a signed statement"},
    {"receipt", plumb__manifest_verb_receipt, "how a run governed a vendor's records: issue, show"},
    {"prove", plumb__manifest_verb_prove, "prove that one record is in a manifest"},
    {"index", plumb__manifest_verb_index, "make the tile store from which proofs are quick"},
    {"import", plumb__manifest_verb_import, "make a records file of an annotation export"},
    {"export", plumb__manifest_verb_export, "describe a manifest for other tools (Croissant)"},
};

static int help(void)
{
    puts("usage: plumb manifest VERB ...\n\nverbs:");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
    }
    puts("\nplumb manifest VERB --help says more.\n\n"
         "example: plumb manifest verify records.plumb.json --trust trust.json");
    return plumb__cli_done(PLUMB__EXIT_OK);
}

int plumb__cmd_manifest(int argc, char **argv)
{
    static const struct option options[] = {PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (option == 'h') return help();
        if (!plumb__cli_take(option, optarg)) return PLUMB__EXIT_USAGE;
    }
    if (optind >= argc) {
        return plumb__cli_usage("manifest", "manifest wants a verb: sign, verify, show");
    }
    const char *name = argv[optind];
    char *program = argv[0]; /* what getopt's own messages begin with */
    argc -= optind;
    argv += optind;
    argv[0] = program;
    optind = 0; /* GNU getopt starts over */
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(name, verbs[i].name) == 0) return verbs[i].run(argc, argv);
    }
    return plumb__cli_usage("manifest", "there is no \"manifest %s\"", name);
}
