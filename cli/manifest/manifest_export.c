/* plumb manifest export */
#include "cli/manifest/manifest_verbs.h"
#include "manifest/plumb_import.h"

#include <string.h>

static const char help_text[] =
    "usage: plumb manifest export NAME.plumb.json --to croissant --out FILE|FOLDER\n"
    "                             [--trust trust.json] [--audience A]\n"
    "\n"
    "Verifies the manifest and writes MLCommons Croissant 1.1 metadata beside it: the records file "
    "with\n"
    "its digest, the fields, who each label is attributed to. Without --trust the signer is not "
    "checked.\n"
    "\n"
    "example: plumb manifest export records.plumb.json --to croissant --out . --trust trust.json\n";

typedef struct arguments {
    plumb__manifest_view view;
    const char *to, *out;
    bool help;
} arguments;

static bool take_option(int option, arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return true;
    case 'f': out->to = optarg; return true;
    case 'o': out->out = optarg; return true;
    case 't': out->view.trust = optarg; return true;
    case 'a': out->view.audience = optarg; return true;
    default: return plumb__cli_take(option, optarg);
    }
}

static int parse(int argc, char **argv, arguments *out)
{
    static const struct option options[] = {{"to", required_argument, NULL, 'f'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"trust", required_argument, NULL, 't'},
                                            {"audience", required_argument, NULL, 'a'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("manifest export", argc, argv, ":h", options)) != -1) {
        if (!take_option(option, out)) return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (argc - optind != 1 || out->to == NULL || out->out == NULL) {
        return plumb__cli_usage("manifest export",
                                "manifest export wants a manifest, --to and --out");
    }
    if (strcmp(out->to, "croissant") != 0)
        return plumb__cli_usage("manifest export", "--to cannot be \"%s\"", out->to);
    out->view.path = argv[optind];
    return 0;
}

int plumb__manifest_verb_export(int argc, char **argv)
{
    arguments a = {0};
    plumb_error err = {0};
    plumb_manifest *m = NULL;
    const int wrong = parse(argc, argv, &a);
    if (wrong != 0) return wrong;
    if (a.help) return plumb__cli_help(help_text);
    plumb_status status = plumb__manifest_view_open(&a.view, &m, &err);
    if (status != PLUMB_OK) {
        (void)plumb__cli_fail(&err);
        return plumb__cli_verdict(status);
    }
    status = plumb_export_croissant(m, a.view.path, a.out, &err);
    plumb_manifest_free(m);
    if (status != PLUMB_OK) return plumb__cli_fail(&err);
    plumb__cli_say("described %s%s", a.view.path, a.view.trust ? "" : " (signer not checked)");
    return plumb__cli_done(PLUMB__EXIT_OK);
}
