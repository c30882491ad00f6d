/* plumb manifest show */
#include "cli/manifest/manifest_verbs.h"
#include "manifest/plumb_withdrawal.h"

#include <stdio.h>

static const char help_text[] =
    "usage: plumb manifest show NAME.plumb.json [--id ID [--explain] | --taxonomy]\n"
    "                           [--trust trust.json [--audience A] | --untrusted]\n"
    "\n"
    "Prints what a manifest says. --explain: every place that states a record's depth, budgets "
    "and\n"
    "weight, which one holds and why; its segments, and what it shares with the records of its\n"
    "parent. --taxonomy: rubrics, domains and templates as a tree, with their terms, what may be\n"
    "overridden, error rates, and how many records name each.\n"
    "\n"
    "example: plumb manifest show records.plumb.json --trust trust.json --id deb:abgate "
    "--explain\n";

typedef struct arguments {
    plumb__manifest_view view;
    const char *id;
    bool explain, taxonomy, untrusted, help;
} arguments;

static bool take_option(int option, arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return true;
    case 'T': out->view.trust = optarg; return true;
    case 'a': out->view.audience = optarg; return true;
    case 'i': out->id = optarg; return true;
    case 'x': out->explain = true; return true;
    case 't': out->taxonomy = true; return true;
    case 'u': out->untrusted = true; return true;
    default: return plumb__cli_take(option, optarg);
    }
}

static int parse(int argc, char **argv, arguments *out)
{
    static const struct option options[] = {{"trust", required_argument, NULL, 'T'},
                                            {"audience", required_argument, NULL, 'a'},
                                            {"id", required_argument, NULL, 'i'},
                                            {"explain", no_argument, NULL, 'x'},
                                            {"untrusted", no_argument, NULL, 'u'},
                                            {"taxonomy", no_argument, NULL, 't'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("manifest show", argc, argv, ":h", options)) != -1) {
        if (!take_option(option, out)) return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (argc - optind != 1) {
        return plumb__cli_usage("manifest show", "manifest show wants one NAME.plumb.json");
    }
    out->view.path = argv[optind];
    if (out->view.trust != NULL && out->untrusted) {
        return plumb__cli_usage("manifest show", "--trust and --untrusted exclude each other");
    }
    if (out->explain && out->id == NULL) {
        return plumb__cli_usage("manifest show", "--explain wants --id");
    }
    if (out->taxonomy && out->id != NULL) {
        return plumb__cli_usage("manifest show", "--id and --taxonomy exclude each other");
    }
    return 0;
}

/* By its own consent, or by which statement and why. */
static plumb_status print_withdrawn(const plumb_manifest *m, uint32_t number, plumb_error *err)
{
    char since[21];
    plumb_record r;
    plumb_record_default(&r);
    plumb_status status = plumb_manifest_record(m, number, &r, err);
    if (status != PLUMB_OK || !r.withdrawn) return status;
    plumb__cli_format_time(r.withdrawn_s, since);
    printf("withdrawn   since %s", since);
    for (uint32_t i = 0; i < plumb_manifest_withdrawal_count(m) && status == PLUMB_OK; i++) {
        plumb_withdrawal w;
        plumb_withdrawal_default(&w);
        status = plumb_manifest_withdrawal_at(m, i, &w, err);
        for (uint32_t k = 0; status == PLUMB_OK && k < w.n_records; k++) {
            if (w.records[k] != number) continue;
            printf(" (statement %u: %s)", i + 1, plumb_withdrawal_reason_name(w.reason));
        }
    }
    putchar('\n');
    return status;
}

static int show_record(const arguments *a, const plumb_manifest *m)
{
    plumb_error err = {0};
    char *line = NULL;
    size_t n;
    const uint32_t number = plumb_manifest_find(m, a->id);
    if (number == PLUMB_NO_RECORD) {
        fprintf(stderr, "%s: %s: has no record \"%s\"\n", plumb__cli_name(), a->view.path, a->id);
        return PLUMB__EXIT_NO;
    }
    plumb_status status = plumb_manifest_line(m, number, &line, &n, &err);
    if (status == PLUMB_OK && !a->explain) plumb__cli_print_json_text(line, n);
    if (status == PLUMB_OK && a->explain) {
        status = plumb__manifest_explain(m, number, line, n, &err);
        if (status == PLUMB_OK && !plumb__cli.json) status = print_withdrawn(m, number, &err);
    }
    plumb_text_free(line);
    return status == PLUMB_OK ? plumb__cli_done(PLUMB__EXIT_OK) : plumb__cli_fail(&err);
}

int plumb__manifest_verb_show(int argc, char **argv)
{
    arguments a = {.view.allow_expired = true};
    plumb_error err = {0};
    plumb_manifest *m = NULL;
    int code = PLUMB__EXIT_OK;
    const int wrong = parse(argc, argv, &a);
    if (wrong != 0) return wrong;
    if (a.help) return plumb__cli_help(help_text);
    if (plumb__manifest_view_open(&a.view, &m, &err) != PLUMB_OK) return plumb__cli_fail(&err);
    if (a.view.trust == NULL) {
        plumb__cli_say("plumb: %s: signer not checked; give --trust", a.view.path);
    }
    if (a.id != NULL) {
        code = show_record(&a, m);
    } else if (a.taxonomy) {
        code = plumb__manifest_taxonomy(m);
    } else if (plumb__cli.json) {
        plumb__cli_print_json(plumb__manifest_view_json(&a.view, m));
    } else {
        plumb__manifest_view_print(&a.view, m);
    }
    plumb_manifest_free(m);
    return plumb__cli_done(code);
}
