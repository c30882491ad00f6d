/* plumb manifest verify */
#include "cli/manifest/manifest_verbs.h"

#include <inttypes.h>
#include <time.h>

static const char help_text[] =
    "usage: plumb manifest verify NAME.plumb.json --trust trust.json [--audience A]\n"
    "                             [--remember]\n"
    "\n"
    "Checks signatures, digests, the record tree, expiry and audience, then every record; and "
    "that\n"
    "store and manifest are not older than, or other than, what this machine has seen (--state).\n"
    "--remember notes store, version and withdrawals there once all of it holds, as the start of "
    "a\n"
    "run does; without it nothing is written.\n"
    "\n"
    "example: plumb manifest verify records.plumb.json --trust trust.json\n";

static int parse(int argc, char **argv, plumb__manifest_view *view, bool *help)
{
    static const struct option options[] = {{"trust", required_argument, NULL, 'T'},
                                            {"audience", required_argument, NULL, 'a'},
                                            {"remember", no_argument, NULL, 'r'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("manifest verify", argc, argv, ":h", options)) != -1) {
        switch (option) {
        case 'h': *help = true; break;
        case 'T': view->trust = optarg; break;
        case 'a': view->audience = optarg; break;
        case 'r': view->remember = true; break;
        default:
            if (!plumb__cli_take(option, optarg)) return PLUMB__EXIT_USAGE;
        }
    }
    if (*help) return 0;
    if (argc - optind != 1) {
        return plumb__cli_usage("manifest verify", "manifest verify wants one NAME.plumb.json");
    }
    view->path = argv[optind];
    if (view->trust == NULL) {
        return plumb__cli_usage("manifest verify", "manifest verify wants --trust");
    }
    return 0;
}

/* Whose times these are, and what the version was compared with. */
static void print_time_and_seen(const plumb__manifest_view *view)
{
    char now[21];
    plumb__cli_format_time((int64_t)time(NULL), now);
    printf("judged at   %s by this machine's clock; times of cosignatures are the witnesses'\n",
           now);
    if (view->seen > 0) {
        printf("seen here   up to version %" PRIu64 "\n", view->seen);
    } else {
        printf("seen here   never: a rollback could not be noticed (%s)\n",
               view->remember ? "from now on it is" : "--remember notes it");
    }
}

int plumb__manifest_verb_verify(int argc, char **argv)
{
    plumb__manifest_view view = {.check_seen = true};
    plumb_error err = {0};
    plumb_manifest *m = NULL;
    bool help = false;
    const int wrong = parse(argc, argv, &view, &help);
    if (wrong != 0) return wrong;
    if (help) return plumb__cli_help(help_text);
    if (plumb__manifest_view_open(&view, &m, &err) != PLUMB_OK) {
        (void)plumb__cli_fail(&err);
        return plumb__cli_verdict(err.status);
    }
    if (plumb__cli.json) {
        plumb__cli_print_json(plumb__manifest_view_json(&view, m));
    } else {
        plumb__manifest_view_print(&view, m);
        print_time_and_seen(&view);
        puts("verified    signatures, digests, tree and every record");
    }
    plumb_manifest_free(m);
    return plumb__cli_done(PLUMB__EXIT_OK);
}
