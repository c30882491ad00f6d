/* plumb impact RUN: what it learned from certain records */
#include "cli/impact/impact.h"
#include "manifest/plumb_withdrawal.h"
#include "provenance/plumb_impact.h"

#include <string.h>

static const char help_text[] =
    "usage: plumb impact RUN (--id ID … | --ids-file F | --withdrawn NAME.plumb.json | --all)\n"
    "                    [--trust trust.json | --untrusted]\n"
    "\n"
    "What the run learned from these records: layers, units, steps, spend, and which checkpoints\n"
    "contain it. A checkpoint contains it when it was made after the first step in which one of "
    "them\n"
    "moved a layer (mask and clip above 0). --withdrawn takes the records that NAME.withdrawals "
    "and "
    "the\n"
    "records' own consent withdraw, whether the run knew it or not; --all every record of the "
    "run's\n"
    "manifest. --ids-file has one id a line.\n"
    "\n"
    "exit: 0 it learned from them, 1 it did not\n"
    "example: plumb impact run --withdrawn records.plumb.json --trust trust.json\n";

typedef struct impact_arguments {
    const char *path, *trust, *ids_file, *withdrawn;
    plumb__texts ids;
    bool all, untrusted, help;
} impact_arguments;

/* ---- arguments ---------------------------------------------------------------------------- */

static int take_option(int option, impact_arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return 0;
    case 'T': out->trust = optarg; return 0;
    case 'u': out->untrusted = true; return 0;
    case 'f': out->ids_file = optarg; return 0;
    case 'w': out->withdrawn = optarg; return 0;
    case 'a': out->all = true; return 0;
    case 'i':
        if (plumb__texts_add(&out->ids, optarg)) return 0;
        return plumb__cli_usage("impact", "too many --id; use --ids-file");
    default: return plumb__cli_take(option, optarg) ? 0 : PLUMB__EXIT_USAGE;
    }
}

static int parse(int argc, char **argv, impact_arguments *out)
{
    static const struct option options[] = {{"id", required_argument, NULL, 'i'},
                                            {"ids-file", required_argument, NULL, 'f'},
                                            {"withdrawn", required_argument, NULL, 'w'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"trust", required_argument, NULL, 'T'},
                                            {"untrusted", no_argument, NULL, 'u'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("impact", argc, argv, ":h", options)) != -1) {
        const int code = take_option(option, out);
        if (code != 0) return code;
    }
    if (out->help) return 0;
    if (argc - optind != 1) return plumb__cli_usage("impact", "impact wants one run");
    if (out->trust != NULL && out->untrusted)
        return plumb__cli_usage("impact", "--trust and --untrusted exclude each other");
    const int ways =
        (out->ids.n > 0 || out->ids_file != NULL) + (out->withdrawn != NULL) + out->all;
    if (ways != 1)
        return plumb__cli_usage("impact", "impact wants --id, --ids-file, --withdrawn or --all");
    out->path = argv[optind];
    return out->ids_file != NULL ? plumb__texts_read(&out->ids, out->ids_file) : 0;
}

/* ---- which records ------------------------------------------------------------------------ */

static plumb_status gather_withdrawn(impact_arguments *a, const plumb_trust *trust,
                                     plumb_error *err)
{
    plumb_manifest_options options;
    plumb_manifest_info info;
    plumb_manifest *m = NULL;
    plumb_manifest_options_default(&options);
    options.untrusted = trust == NULL;
    options.allow_expired = true;
    plumb_status status = plumb_manifest_open(a->withdrawn, trust, &options, &m, err);
    if (status != PLUMB_OK) return status;
    plumb_manifest_describe(m, &info);
    for (uint64_t i = 0; i < info.records && status == PLUMB_OK; i++) {
        plumb_record record;
        plumb_record_default(&record);
        status = plumb_manifest_record(m, (uint32_t)i, &record, err);
        if (status != PLUMB_OK || !record.withdrawn) continue;
        if (plumb__texts_add(&a->ids, record.id)) continue;
        status = err->status = PLUMB_ERR_LIMIT;
        snprintf(err->message, sizeof err->message,
                 "%.200s: more than %u records are withdrawn; take them in parts with --ids-file",
                 a->withdrawn, PLUMB__TEXTS_MAX);
    }
    plumb_manifest_free(m);
    return status;
}

/* ---- the answer --------------------------------------------------------------------------- */

static bool show(const impact_arguments *a, const plumb_impact *impact)
{
    plumb_impact_info info;
    plumb_impact_describe(impact, &info);
    json_t *run = plumb__impact_json(a->path, impact);
    if (plumb__cli.json) {
        plumb__cli_print_json(run);
    } else {
        json_t *runs = json_pack("[o]", run);
        plumb__impact_print(runs);
        json_decref(runs);
    }
    return info.moved > 0;
}

static int answer(impact_arguments *a)
{
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    plumb_graph *graph = NULL;
    plumb_impact *impact = NULL;
    bool moved = false;
    plumb_status status = a->trust != NULL ? plumb_trust_open(a->trust, &trust, &err) : PLUMB_OK;
    if (status == PLUMB_OK) status = plumb__cli_check_trust(a->trust, trust, &err);
    if (status == PLUMB_OK && a->withdrawn != NULL) status = gather_withdrawn(a, trust, &err);
    const bool nothing = status == PLUMB_OK && !a->all && a->ids.n == 0;
    if (nothing) plumb__cli_say("%s: nothing is withdrawn", a->withdrawn);
    if (status == PLUMB_OK && !nothing) status = plumb_graph_open(a->path, trust, &graph, &err);
    if (status == PLUMB_OK && !nothing)
        status =
            plumb_graph_impact(graph, (const char *const *)a->ids.list, a->ids.n, &impact, &err);
    if (impact != NULL) moved = show(a, impact);
    plumb_impact_free(impact);
    plumb_graph_free(graph);
    plumb_trust_free(trust);
    if (status == PLUMB_OK) return plumb__cli_done(moved ? PLUMB__EXIT_OK : PLUMB__EXIT_NO);
    (void)plumb__cli_fail(&err);
    return plumb__cli_verdict(status);
}

int plumb__cmd_impact(int argc, char **argv)
{
    impact_arguments a = {0};
    int code = parse(argc, argv, &a);
    if (code == 0) code = a.help ? plumb__cli_help(help_text) : answer(&a);
    plumb__texts_free(&a.ids);
    return code;
}
