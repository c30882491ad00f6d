#include "cli/dispatch.h"

#include <string.h>

enum { OPT_VERSION = PLUMB__OPT_OWN };

static int help(const plumb__verbs *verbs)
{
    fputs(verbs->opening, stdout);
    for (size_t i = 0; i < verbs->n; i++) {
        printf("  %-10s %s\n", verbs->list[i].name, verbs->list[i].summary);
    }
    fputs(verbs->closing, stdout);
    return plumb__cli_done(PLUMB__EXIT_OK);
}

static int version(void)
{
    printf("plumb %s\n", plumb_version());
    return plumb__cli_done(PLUMB__EXIT_OK);
}

/* "manifest wants a verb: sign, verify, …" */
static int verb_missing(const plumb__verbs *verbs)
{
    char known[512] = "";
    size_t used = 0;
    if (verbs->command[0] == '\0') return plumb__cli_usage("", "a command is missing");
    for (size_t i = 0; i < verbs->n && used < sizeof known; i++) {
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                                 verbs->list[i].name);
    }
    return plumb__cli_usage(verbs->command, "%s wants a verb: %s", verbs->command, known);
}

static int verb_unknown(const plumb__verbs *verbs, const char *name)
{
    if (verbs->command[0] == '\0') {
        return plumb__cli_usage("", "there is no command \"%s\"", name);
    }
    return plumb__cli_usage(verbs->command, "there is no \"%s %s\"", verbs->command, name);
}

int plumb__dispatch(const plumb__verbs *verbs, int argc, char **argv)
{
    /* Only plumb itself has a version: the table of a command begins one later. */
    static const struct option options[] = {{"version", no_argument, NULL, OPT_VERSION},
                                            PLUMB__CLI_LONG_OPTIONS};
    const struct option *known = verbs->command[0] == '\0' ? options : options + 1;
    int option;
    while ((option = plumb__cli_getopt(verbs->command, argc, argv, "+:h", known)) != -1) {
        if (option == 'h') return help(verbs);
        if (option == OPT_VERSION) return version();
        if (!plumb__cli_take(option, optarg)) return PLUMB__EXIT_USAGE;
    }
    if (optind >= argc) return verb_missing(verbs);
    const char *name = argv[optind];
    char *program = argv[0];
    argc -= optind;
    argv += optind;
    argv[0] = program;
    optind = 0; /* GNU getopt starts over */
    for (size_t i = 0; i < verbs->n; i++) {
        if (strcmp(name, verbs->list[i].name) == 0) return verbs->list[i].run(argc, argv);
    }
    return verb_unknown(verbs, name);
}
