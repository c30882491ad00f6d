/* plumb manifest receipt: issues one from a run, or shows one */
#include "cli/manifest/manifest_verbs.h"
#include "cli/manifest/receipt_view.h"

#include <sys/stat.h>

static const char help_text[] =
    "usage: plumb manifest receipt RUN --vendor V --key operator.key --trust trust.json\n"
    "                              --out NAME.receipt.json [--min-group N] [--passphrase-file F]\n"
    "                              [--manifest NAME.plumb.json]\n"
    "       plumb manifest receipt NAME.receipt.json (--trust trust.json | --untrusted)\n"
    "                              [--manifest NAME.plumb.json]\n"
    "\n"
    "What a customer gives back to a vendor: how its records were governed, signed by an operator. "
    "The\n"
    "first form verifies the closed run in full and writes one: units by decision and reason; "
    "spend,\n"
    "masked and clipped shares by rubric, batch, cohort and quarter of depth; limits; withdrawals. "
    "No\n"
    "layer names, texts or checkpoints. Groups of fewer than N records (5) are merged. The second "
    "form\n"
    "shows one; --manifest checks that it is about that manifest.\n"
    "\n"
    "exit: 0 done, 1 it does not hold, 3 malformed, 4 cannot be read or written, 5 signer or "
    "trust\n"
    "example: plumb manifest receipt run --vendor acme --key keys/operator.key --trust trust.json "
    "\\\n"
    "             --out acme.receipt.json\n";

static const char command[] = "manifest receipt";

static int take_option(int option, plumb__receipt_arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return 0;
    case 'v': out->vendor = optarg; return 0;
    case 'k': out->key = optarg; return 0;
    case 'p': out->passphrase_file = optarg; return 0;
    case 'T': out->trust = optarg; return 0;
    case 'm': out->manifest = optarg; return 0;
    case 'o': out->out = optarg; return 0;
    case 'u': out->untrusted = true; return 0;
    case 'g':
        if (plumb__cli_parse_count(optarg, INT64_MAX, &out->min_group) && out->min_group > 0)
            return 0;
        return plumb__cli_usage(command, "--min-group must be a number of at least 1");
    default: return plumb__cli_take(option, optarg) ? 0 : PLUMB__EXIT_USAGE;
    }
}

static int parse(int argc, char **argv, plumb__receipt_arguments *out)
{
    static const struct option options[] = {{"vendor", required_argument, NULL, 'v'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"trust", required_argument, NULL, 'T'},
                                            {"passphrase-file", required_argument, NULL, 'p'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"manifest", required_argument, NULL, 'm'},
                                            {"min-group", required_argument, NULL, 'g'},
                                            {"untrusted", no_argument, NULL, 'u'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("manifest receipt", argc, argv, ":h", options)) != -1) {
        const int code = take_option(option, out);
        if (code != 0) return code;
    }
    if (out->help) return 0;
    if (argc - optind != 1)
        return plumb__cli_usage(command, "manifest receipt wants one run, or one receipt");
    out->path = argv[optind];
    return 0;
}

static int issue(const plumb__receipt_arguments *a)
{
    if (a->vendor == NULL || a->key == NULL || a->trust == NULL || a->out == NULL)
        return plumb__cli_usage(command, "manifest receipt RUN wants --vendor, --key, --trust and "
                                         "--out");
    return plumb__receipt_issue(a);
}

static int show(const plumb__receipt_arguments *a)
{
    plumb_error err = {0};
    plumb__receipt_view view;
    size_t n = 0;
    if ((a->trust == NULL) != a->untrusted)
        return plumb__cli_usage(command, "manifest receipt wants --trust FILE, or --untrusted");
    const plumb_status status =
        plumb__receipt_view_open(a->path, a->trust, a->manifest, &view, &err);
    if (status != PLUMB_OK)
        fprintf(stderr, "%s: %s\n", plumb__cli_name(), err.message);
    else if (plumb__cli.json)
        plumb__cli_print_json(
            json_loads(plumb_receipt_statement(view.receipt, &n), JSON_DECODE_ANY, NULL));
    else
        plumb__receipt_print_all(&view);
    plumb__receipt_view_free(&view);
    return plumb__cli_done(plumb__cli_verdict(status));
}

int plumb__manifest_verb_receipt(int argc, char **argv)
{
    plumb__receipt_arguments a = {0};
    struct stat info;
    const int code = parse(argc, argv, &a);
    if (code != 0) return code;
    if (a.help) return plumb__cli_help(help_text);
    if (stat(a.path, &info) == 0 && S_ISREG(info.st_mode)) return show(&a);
    return issue(&a);
}
