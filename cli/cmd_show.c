/* plumb show RUN: one screen */
#include "cli/commands.h"
#include "provenance/plumb_graph.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define TOP 5

static const char help_text[] =
    "usage: plumb show RUN [--trust trust.json | --untrusted] [--json]\n"
    "\n"
    "One screen about a run, closed or still open (also while it is being written): how far it "
    "is, what\n"
    "it learned from, who spent most, and which limits are tightest. The record is checked "
    "against its\n"
    "own signed head; with --trust also the operator's signature.\n"
    "\n"
    "example: plumb show run --trust trust.json\n";

typedef struct shown {
    plumb_graph *graph;
    plumb_graph_info info;
    plumb_result *cohorts; /* NULL: none */
    plumb_graph_entry tightest[TOP];
    size_t n_tightest;
} shown;

static plumb_status load(shown *s, plumb_error *err)
{
    plumb_query query;
    plumb_query_default(&query);
    query.by[0] = PLUMB_FIELD_COHORT;
    query.n_by = 1;
    query.top = TOP;
    plumb_status status = plumb_graph_describe(s->graph, &s->info, err);
    if (status == PLUMB_OK) status = plumb_graph_query(s->graph, &query, &s->cohorts, err);
    if (status == PLUMB_ERR_NOT_FOUND) status = PLUMB_OK; /* no steps yet */
    if (status == PLUMB_OK)
        status = plumb_graph_tightest(s->graph, TOP, s->tightest, &s->n_tightest, err);
    return status;
}

/* ---- JSON --------------------------------------------------------------------------------- */

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *layers_json(const shown *s)
{
    json_t *array = json_array();
    for (size_t i = 0; i < s->info.layers; i++) {
        const plumb_graph_layer layer = plumb_graph_layer_at(s->graph, i);
        json_array_append_new(
            array, json_pack("{s:s,s:s,s:f,s:I,s:I,s:I}", "name", layer.name, "kind", layer.kind,
                             "depth", layer.depth, "rows", (json_int_t)layer.rows, "cols",
                             (json_int_t)layer.cols, "params", (json_int_t)layer.params));
    }
    return array;
}

static json_t *cohorts_json(const shown *s)
{
    json_t *array = json_array();
    for (size_t i = 0; s->cohorts != NULL && i < plumb_result_count(s->cohorts); i++) {
        const plumb_query_row *row = plumb_result_row(s->cohorts, i);
        json_array_append_new(array, json_pack("{s:s,s:f,s:f,s:f}", "cohort", row->group[0],
                                               "units", row->units, "spend_nats", row->spend_nats,
                                               "share", row->share));
    }
    return array;
}

static json_t *tightest_json(const shown *s)
{
    json_t *array = json_array();
    for (size_t i = 0; i < s->n_tightest; i++) {
        const plumb_graph_entry *e = &s->tightest[i];
        json_array_append_new(array, json_pack("{s:s,s:s,s:f,s:o}", "example", e->example, "layer",
                                               e->layer, "spend_nats", e->spend_nats, "limit_nats",
                                               number_or_null(e->limit_nats)));
    }
    return array;
}

static void print_json(const shown *s)
{
    const plumb_graph_info *i = &s->info;
    json_t *out = json_pack(
        "{s:s,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f}", "run_id", i->run_id, "closed",
        i->closed, "signer_checked", i->signer_checked, "steps_acknowledged",
        (json_int_t)i->steps_acknowledged, "steps_signed", (json_int_t)i->steps_signed,
        "steps_superseded", (json_int_t)i->steps_superseded, "units", (json_int_t)i->units,
        "layers", (json_int_t)i->layers, "examples", (json_int_t)i->examples, "examples_seen",
        (json_int_t)i->examples_seen, "checkpoints", (json_int_t)i->checkpoints, "events",
        (json_int_t)i->events, "masked_share", i->masked_share, "clipped_share", i->clipped_share);
    json_object_set_new(out, "first_loss", number_or_null(i->first_loss));
    json_object_set_new(out, "last_loss", number_or_null(i->last_loss));
    json_object_set_new(out, "layer_table", layers_json(s));
    json_object_set_new(out, "top_cohorts", cohorts_json(s));
    json_object_set_new(out, "tightest", tightest_json(s));
    plumb__cli_print_json(out);
}

/* ---- one screen --------------------------------------------------------------------------- */

static void print_layers(const shown *s)
{
    uint64_t params = 0;
    double least = 1, most = 0;
    for (size_t i = 0; i < s->info.layers; i++) {
        const plumb_graph_layer layer = plumb_graph_layer_at(s->graph, i);
        const bool again = i > 0 && strcmp(plumb_graph_layer_at(s->graph, i - 1).name,
                                           layer.name) == 0; /* a second use of one weight */
        if (!again) params += layer.params;
        least = layer.depth < least ? layer.depth : least;
        most = layer.depth > most ? layer.depth : most;
    }
    printf("model       %" PRIu64 " governed layers, %" PRIu64 " parameters, depth %g to %g\n",
           s->info.layers, params, least, most);
}

/* Names of one column end together; beyond 64 characters a line of its own may stick out. */
static int wider(int width, const char *name)
{
    int n = 0;
    for (; *name != '\0'; name++)
        n += ((unsigned char)*name & 0xc0) != 0x80; /* a UTF-8 character counts once */
    n = n > 64 ? 64 : n;
    return n > width ? n : width;
}

static int name_width(const shown *s)
{
    int width = 32;
    for (size_t k = 0; s->cohorts != NULL && k < plumb_result_count(s->cohorts); k++)
        width = wider(width, plumb_result_row(s->cohorts, k)->group[0]);
    for (size_t k = 0; k < s->n_tightest; k++)
        width = wider(width, s->tightest[k].example);
    return width;
}

static void print_screen(const shown *s)
{
    const plumb_graph_info *i = &s->info;
    const int width = name_width(s);
    printf("run %s   %s%s\n", i->run_id, i->closed ? "closed" : "open",
           i->signer_checked ? ", signer checked" : ", signer not checked");
    print_layers(s);
    printf("steps       %" PRIu64 " acknowledged, %" PRIu64 " signed", i->steps_acknowledged,
           i->steps_signed);
    if (i->steps_superseded > 0) printf(", %" PRIu64 " undone by rewinds", i->steps_superseded);
    printf("; %" PRIu64 " checkpoints, %" PRIu64 " events\n", i->checkpoints, i->events);
    if (isfinite(i->first_loss))
        printf("loss        %.4f at first, %.4f at last\n", i->first_loss, i->last_loss);
    printf("units       %" PRIu64 " of %" PRIu64 " examples (the manifest has %" PRIu64 ")\n",
           i->units, i->examples_seen, i->examples);
    printf(
        "governed    %.1f %% of (unit, layer) pairs masked out, %.1f %% of the open ones clipped\n",
        100 * i->masked_share, 100 * i->clipped_share);
    for (size_t k = 0; s->cohorts != NULL && k < plumb_result_count(s->cohorts); k++) {
        const plumb_query_row *row = plumb_result_row(s->cohorts, k);
        printf("%-11s ", k == 0 ? "cohorts" : "");
        plumb__cli_print_text(row->group[0][0] != '\0' ? row->group[0] : "(none)", width);
        printf(" %10.4g nats %5.1f %%\n", row->spend_nats, 100 * row->share);
    }
    for (size_t k = 0; k < s->n_tightest; k++) {
        const plumb_graph_entry *e = &s->tightest[k];
        printf("%-11s ", k == 0 ? "tightest" : "");
        plumb__cli_print_text(e->example, width);
        printf(" %10.4g nats", e->spend_nats);
        if (isfinite(e->limit_nats)) printf(" of %g", e->limit_nats);
        fputs(" at ", stdout);
        plumb__cli_print_text(e->layer, 0);
        putchar('\n');
    }
}

/* ---- the command -------------------------------------------------------------------------- */

typedef struct show_arguments {
    const char *path, *trust;
    bool untrusted, help;
} show_arguments;

static int parse(int argc, char **argv, show_arguments *out)
{
    static const struct option options[] = {{"trust", required_argument, NULL, 'T'},
                                            {"untrusted", no_argument, NULL, 'u'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("show", argc, argv, ":h", options)) != -1) {
        if (option == 'h')
            out->help = true;
        else if (option == 'T')
            out->trust = optarg;
        else if (option == 'u')
            out->untrusted = true;
        else if (!plumb__cli_take(option, optarg))
            return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (argc - optind != 1) return plumb__cli_usage("show", "show wants one run");
    if (out->trust != NULL && out->untrusted)
        return plumb__cli_usage("show", "--trust and --untrusted exclude each other");
    out->path = argv[optind];
    return 0;
}

int plumb__cmd_show(int argc, char **argv)
{
    show_arguments a = {0};
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    shown s = {0};
    const int code = parse(argc, argv, &a);
    if (code != 0) return code;
    if (a.help) return plumb__cli_help(help_text);
    plumb_status status = a.trust != NULL ? plumb_trust_open(a.trust, &trust, &err) : PLUMB_OK;
    if (status == PLUMB_OK) status = plumb_graph_open(a.path, trust, &s.graph, &err);
    if (status == PLUMB_OK) status = load(&s, &err);
    if (status == PLUMB_OK) {
        if (plumb__cli.json)
            print_json(&s);
        else
            print_screen(&s);
    }
    plumb_result_free(s.cohorts);
    plumb_graph_free(s.graph);
    plumb_trust_free(trust);
    if (status == PLUMB_OK) return plumb__cli_done(PLUMB__EXIT_OK);
    (void)plumb__cli_fail(&err);
    return plumb__cli_verdict(status);
}
