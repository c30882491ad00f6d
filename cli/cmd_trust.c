/* plumb trust VERB: finds the verb and hands over. */
#include "cli/trust/trust_verbs.h"

#include <string.h>

typedef struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} verb;

/* To add a verb: its function in trust_verbs.h, its line here, its file trust_NAME.c. */
static const verb verbs[] = {
    {"init", plumb__trust_verb_init, "make a store under one or more root keys"},
    {"add", plumb__trust_verb_add, "add a vendor's key with its roles"},
    {"revoke", plumb__trust_verb_revoke, "retire a key, or declare it compromised"},
    {"rotate", plumb__trust_verb_rotate, "exchange root keys, signed by the old and the new"},
    {"renew", plumb__trust_verb_renew, "change when the store expires"},
    {"sign", plumb__trust_verb_sign, "add a root signature to a change that waits for it"},
    {"pin", plumb__trust_verb_pin, "remember a store whose root fingerprint you checked"},
    {"show", plumb__trust_verb_show, "roots, keys, thresholds, and what was seen here"},
};

static int help(void)
{
    puts("usage: plumb trust VERB STORE ...\n\n"
         "A trust store says whose signatures count, for what, and from when to when. Its root "
         "keys\n"
         "sign it; compare its root fingerprint with one that you got another way.\n\nverbs:");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
    }
    puts("\nplumb trust VERB --help says more.\n\n"
         "example: plumb trust init trust.json --root keys/root.key");
    return plumb__cli_done(PLUMB__EXIT_OK);
}

int plumb__cmd_trust(int argc, char **argv)
{
    static const struct option options[] = {PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (option == 'h') return help();
        if (!plumb__cli_take(option, optarg)) return PLUMB__EXIT_USAGE;
    }
    if (optind >= argc) {
        return plumb__cli_usage("trust", "trust wants a verb: init, add, revoke, rotate, show");
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
    return plumb__cli_usage("trust", "there is no \"trust %s\"", name);
}
