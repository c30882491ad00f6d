/* plumb manifest show */
#include "cli/manifest_verbs.h"

#include <math.h>
#include <stdlib.h>

static const char help_text[] =
    "usage: plumb manifest show NAME.plumb.json [--id ID [--explain]]\n"
    "                           [--trust trust.json [--audience A] | --untrusted]\n"
    "\n"
    "Prints what a manifest says; --explain where a record's depth, budgets and weight come from.\n"
    "\n"
    "example: plumb manifest show records.plumb.json --trust trust.json --id deb:abgate "
    "--explain\n";

typedef struct arguments {
    plumb__manifest_view view;
    const char *id;
    bool explain, untrusted, help;
} arguments;

static bool take_option(int option, arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return true;
    case 'T': out->view.trust = optarg; return true;
    case 'a': out->view.audience = optarg; return true;
    case 'i': out->id = optarg; return true;
    case 'x': out->explain = true; return true;
    case 'u': out->untrusted = true; return true;
    default: return plumb__cli_take(option, optarg);
    }
}

static int parse(int argc, char **argv, arguments *out)
{
    static const struct option options[] = {
        {"trust", required_argument, NULL, 'T'}, {"audience", required_argument, NULL, 'a'},
        {"id", required_argument, NULL, 'i'},    {"explain", no_argument, NULL, 'x'},
        {"untrusted", no_argument, NULL, 'u'},   PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
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
    return 0;
}

/* A profile is kept with 17 digits a number; shown are as few as say the same. */
static void print_profile(const char *profile)
{
    char *text = NULL;
    json_t *exact = json_loads(profile, 0, NULL), *read = NULL;
    for (size_t digits = 15; exact != NULL && digits <= 17 && !json_equal(exact, read); digits++) {
        free(text);
        json_decref(read);
        text = json_dumps(exact, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(digits));
        read = text != NULL ? json_loads(text, 0, NULL) : NULL;
    }
    fputs(text != NULL ? text : profile, stdout);
    free(text);
    json_decref(read);
    json_decref(exact);
}

static void print_number(const char *name, double value, const char *unit, const char *from)
{
    printf("%-11s ", name);
    if (isnan(value)) {
        printf("not stated: the policy's holds");
    } else {
        printf("%g%s", value, unit);
    }
    if (from != NULL) printf("   (from %s)", from);
    putchar('\n');
}

static void explain_json(const plumb_record *r, uint32_t number, const char *line, size_t n,
                         const plumb_explanation *why)
{
    json_t *out = json_pack("{s:s,s:i,s:o,s:s,s:s,s:s,s:f,s:s}", "id", r->id, "line",
                            (int)number + 1, "record", json_loadb(line, n, 0, NULL), "depth",
                            why->depth_name, "depth_from", why->depth_from, "profile", r->profile,
                            "weight", r->weight, "weight_from", why->weight_from);
    json_object_set_new(out, "step_budget_nats", json_real(r->step_budget_nats));
    json_object_set_new(out, "step_budget_from", json_string(why->step_budget_from));
    json_object_set_new(out, "run_budget_nats", json_real(r->run_budget_nats));
    json_object_set_new(out, "run_budget_from", json_string(why->run_budget_from));
    plumb__cli_print_json(out);
}

static void explain_text(const plumb_record *r, uint32_t number, const char *line, size_t n,
                         const plumb_explanation *why)
{
    printf("%.*s\n\nline        %u\ndepth       %s = ", (int)n, line, number + 1, why->depth_name);
    print_profile(r->profile);
    printf("   (from %s)\n", why->depth_from);
    print_number("step budget", r->step_budget_nats, " nats", why->step_budget_from);
    print_number("run budget", r->run_budget_nats, " nats", why->run_budget_from);
    print_number("weight", r->weight, "", why->weight_from);
}

static int show_record(const arguments *a, const plumb_manifest *m)
{
    plumb_error err = {0};
    plumb_record r;
    plumb_explanation why = {0};
    char *line = NULL;
    size_t n;
    const uint32_t number = plumb_manifest_find(m, a->id);
    if (number == PLUMB_NO_RECORD) {
        fprintf(stderr, "%s: %s: has no record \"%s\"\n", plumb__cli_name(), a->view.path, a->id);
        return PLUMB__EXIT_NO;
    }
    plumb_status status = plumb_manifest_record(m, number, &r, &err);
    if (status == PLUMB_OK) status = plumb_manifest_line(m, number, &line, &n, &err);
    if (status == PLUMB_OK && a->explain) status = plumb_manifest_explain(m, number, &why, &err);
    if (status == PLUMB_OK) {
        if (!a->explain) {
            printf("%.*s\n", (int)n, line);
        } else if (plumb__cli.json) {
            explain_json(&r, number, line, n, &why);
        } else {
            explain_text(&r, number, line, n, &why);
        }
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
    } else if (plumb__cli.json) {
        plumb__cli_print_json(plumb__manifest_view_json(&a.view, m));
    } else {
        plumb__manifest_view_print(&a.view, m);
    }
    plumb_manifest_free(m);
    return plumb__cli_done(code);
}
