/* plumb query RUN: sums over the edges of a run */
#include "cli/commands.h"
#include "provenance/plumb_graph.h"

#include <inttypes.h>
#include <string.h>

static const char help_text[] =
    "usage: plumb query RUN [--example ID] [--annotator A] [--cohort C] [--batch B] [--rubric R]\n"
    "                   [--domain D] [--layer GLOB] [--steps A:B] [--by FIELD[,FIELD]] [--top N]\n"
    "                   [--format table|json|csv] [--trust trust.json | --untrusted]\n"
    "\n"
    "Adds up what the run learned, over all edges (step, unit, layer) that match the filters, in "
    "groups:\n"
    "FIELD is example, annotator, cohort, batch, rubric, domain, layer or step. Columns: units, "
    "spend_nats\n"
    "(as the run ledger charges it), its share of this query's total, the share of pairs masked "
    "out and\n"
    "of open pairs clipped, and the mean gradient norm. Steps that a rewind undid are left out. A "
    "record of\n"
    "k annotators counts 1/k for each. docs/query.md has the rules.\n"
    "\n"
    "exit: 0 rows found, 1 nothing found\n"
    "example: plumb query run --by cohort,layer --top 10\n"
    "         plumb query run --example deb:abgate#role --by step --format csv\n";

enum { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

typedef struct query_arguments {
    const char *path, *trust;
    plumb_query query;
    int format;
    bool untrusted, help;
} query_arguments;

/* ---- arguments ---------------------------------------------------------------------------- */

static int parse_by(char *text, plumb_query *query)
{
    char *rest = NULL;
    query->n_by = 0;
    for (char *name = strtok_r(text, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        if (query->n_by == 2) return plumb__cli_usage("query", "--by takes two fields at most");
        if (!plumb_field_parse(name, &query->by[query->n_by]))
            return plumb__cli_usage("query",
                                    "there is no field \"%s\": it is example, annotator, cohort, "
                                    "batch, rubric, domain, layer or step",
                                    name);
        query->n_by++;
    }
    if (query->n_by == 2 && query->by[0] == query->by[1])
        return plumb__cli_usage("query", "--by names %s twice", plumb_field_name(query->by[0]));
    if (query->n_by == 0) return plumb__cli_usage("query", "--by wants a field");
    return 0;
}

static int parse_steps(char *text, plumb_query *query)
{
    char *colon = strchr(text, ':');
    if (colon != NULL) *colon = '\0';
    const bool good = colon != NULL && plumb__cli_parse_count(text, INT64_MAX, &query->step_from) &&
                      plumb__cli_parse_count(colon + 1, INT64_MAX, &query->step_to);
    if (colon != NULL) *colon = ':';
    if (good && query->step_from >= 1 && query->step_from <= query->step_to) return 0;
    return plumb__cli_usage("query", "--steps wants FIRST:LAST, like 1:100, found %s", text);
}

static int parse_format(const char *text, int *format)
{
    static const char *const names[] = {"table", "json", "csv"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *format = i;
        return 0;
    }
    return plumb__cli_usage("query", "--format is table, json or csv, found %s", text);
}

static int take_option(int option, query_arguments *out)
{
    plumb_query *q = &out->query;
    switch (option) {
    case 'h': out->help = true; return 0;
    case 'T': out->trust = optarg; return 0;
    case 'u': out->untrusted = true; return 0;
    case 'e': q->example = optarg; return 0;
    case 'a': q->annotator = optarg; return 0;
    case 'c': q->cohort = optarg; return 0;
    case 'b': q->batch = optarg; return 0;
    case 'r': q->rubric = optarg; return 0;
    case 'd': q->domain = optarg; return 0;
    case 'l': q->layer = optarg; return 0;
    case 's': return parse_steps(optarg, q);
    case 'B': return parse_by(optarg, q);
    case 'f': return parse_format(optarg, &out->format);
    case 'n':
        if (plumb__cli_parse_count(optarg, INT64_MAX, &q->top) && q->top > 0) return 0;
        return plumb__cli_usage("query", "--top is not a number above 0: %s", optarg);
    default: return plumb__cli_take(option, optarg) ? 0 : PLUMB__EXIT_USAGE;
    }
}

static int parse(int argc, char **argv, query_arguments *out)
{
    static const struct option options[] = {
        {"example", required_argument, NULL, 'e'}, {"annotator", required_argument, NULL, 'a'},
        {"cohort", required_argument, NULL, 'c'},  {"batch", required_argument, NULL, 'b'},
        {"rubric", required_argument, NULL, 'r'},  {"domain", required_argument, NULL, 'd'},
        {"layer", required_argument, NULL, 'l'},   {"steps", required_argument, NULL, 's'},
        {"by", required_argument, NULL, 'B'},      {"top", required_argument, NULL, 'n'},
        {"format", required_argument, NULL, 'f'},  {"trust", required_argument, NULL, 'T'},
        {"untrusted", no_argument, NULL, 'u'},     PLUMB__CLI_LONG_OPTIONS};
    int option;
    plumb_query_default(&out->query);
    while ((option = plumb__cli_getopt("query", argc, argv, ":h", options)) != -1) {
        const int code = take_option(option, out);
        if (code != 0) return code;
    }
    if (out->help) return 0;
    if (plumb__cli.json) out->format = FORMAT_JSON;
    if (argc - optind != 1) return plumb__cli_usage("query", "query wants one run");
    if (out->trust != NULL && out->untrusted)
        return plumb__cli_usage("query", "--trust and --untrusted exclude each other");
    out->path = argv[optind];
    return 0;
}

/* ---- results ------------------------------------------------------------------------------ */

#define N_NUMBERS 6
static const char *const number_names[N_NUMBERS] = {"units",        "spend_nats",    "share",
                                                    "masked_share", "clipped_share", "mean_norm"};

static void numbers_of(const plumb_query_row *row, double out[N_NUMBERS])
{
    const double numbers[N_NUMBERS] = {row->units,        row->spend_nats,    row->share,
                                       row->masked_share, row->clipped_share, row->mean_norm};
    memcpy(out, numbers, sizeof numbers);
}

static void print_json(const plumb_query *q, const plumb_result *result)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < plumb_result_count(result); i++) {
        const plumb_query_row *row = plumb_result_row(result, i);
        double numbers[N_NUMBERS];
        json_t *out = json_object();
        numbers_of(row, numbers);
        for (uint32_t k = 0; k < q->n_by; k++)
            json_object_set_new(out, plumb_field_name(q->by[k]), json_string(row->group[k]));
        for (int k = 0; k < N_NUMBERS; k++)
            json_object_set_new(out, number_names[k], json_real(numbers[k]));
        json_array_append_new(rows, out);
    }
    plumb__cli_print_json(rows);
}

static void print_csv_text(const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"') putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_csv(const plumb_query *q, const plumb_result *result)
{
    for (uint32_t k = 0; k < q->n_by; k++)
        printf("%s,", plumb_field_name(q->by[k]));
    for (int k = 0; k < N_NUMBERS; k++)
        printf("%s%s", k == 0 ? "" : ",", number_names[k]);
    fputs("\r\n", stdout); /* RFC 4180 */
    for (size_t i = 0; i < plumb_result_count(result); i++) {
        const plumb_query_row *row = plumb_result_row(result, i);
        double numbers[N_NUMBERS];
        numbers_of(row, numbers);
        for (uint32_t k = 0; k < q->n_by; k++) {
            print_csv_text(row->group[k]);
            putchar(',');
        }
        for (int k = 0; k < N_NUMBERS; k++)
            printf("%s%.9g", k == 0 ? "" : ",", numbers[k]);
        fputs("\r\n", stdout);
    }
}

/* Characters, not bytes: columns hold names in any script. */
static int width_of(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static const char *shown_name(const char *text)
{
    return *text != '\0' ? text : "(none)";
}

static void print_table(const plumb_query *q, const plumb_result *result)
{
    int widths[2] = {0, 0};
    for (uint32_t k = 0; k < q->n_by; k++) {
        widths[k] = width_of(plumb_field_name(q->by[k]));
        for (size_t i = 0; i < plumb_result_count(result); i++) {
            const int width = width_of(shown_name(plumb_result_row(result, i)->group[k]));
            if (width > widths[k]) widths[k] = width;
        }
        plumb__cli_print_text(plumb_field_name(q->by[k]), widths[k] + 2);
    }
    printf("%10s  %10s  %6s  %6s  %7s  %9s\n", "units", "spend_nats", "share", "masked", "clipped",
           "mean_norm");
    for (size_t i = 0; i < plumb_result_count(result); i++) {
        const plumb_query_row *row = plumb_result_row(result, i);
        for (uint32_t k = 0; k < q->n_by; k++)
            plumb__cli_print_text(shown_name(row->group[k]), widths[k] + 2);
        printf("%10.6g  %10.4g  %5.1f%%  %5.1f%%  %6.1f%%  %9.4g\n", row->units, row->spend_nats,
               100 * row->share, 100 * row->masked_share, 100 * row->clipped_share, row->mean_norm);
    }
}

int plumb__cmd_query(int argc, char **argv)
{
    query_arguments a = {0};
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    plumb_graph *graph = NULL;
    plumb_result *result = NULL;
    const int code = parse(argc, argv, &a);
    if (code != 0) return code;
    if (a.help) return plumb__cli_help(help_text);
    bool asked = false;
    plumb_status status = a.trust != NULL ? plumb_trust_open(a.trust, &trust, &err) : PLUMB_OK;
    if (status == PLUMB_OK) status = plumb_graph_open(a.path, trust, &graph, &err);
    if (status == PLUMB_OK) {
        asked = true;
        if (trust == NULL && !a.untrusted) plumb__cli_say("signer not checked (--trust FILE)");
        status = plumb_graph_query(graph, &a.query, &result, &err);
    }
    if (status == PLUMB_OK) {
        if (a.format == FORMAT_JSON)
            print_json(&a.query, result);
        else if (a.format == FORMAT_CSV)
            print_csv(&a.query, result);
        else
            print_table(&a.query, result);
    }
    plumb_result_free(result);
    plumb_graph_free(graph);
    plumb_trust_free(trust);
    if (status == PLUMB_OK) return plumb__cli_done(PLUMB__EXIT_OK);
    (void)plumb__cli_fail(&err);
    return asked && status == PLUMB_ERR_NOT_FOUND ? PLUMB__EXIT_NO : plumb__cli_verdict(status);
}
