/* plumb verify PATH: whatever it is */
#include "cli/verify_forms.h"
#include "manifest/plumb_manifest.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static const char help_text[] =
    "usage: plumb verify PATH (--trust trust.json | --untrusted) [--full] [--step N]\n"
    "                    [--require closed] [--manifest NAME.plumb.json]\n"
    "\n"
    "PATH is a run bundle, a signed manifest (NAME.plumb.json), or a checkpoint inside a bundle. "
    "Of a\n"
    "run it checks who signed it, every file, every recorded step against the signed head, "
    "policy and\n"
    "manifest, the checkpoints, and recomputes masks and limits: of 32 steps spread over the "
    "run, of\n"
    "step N alone, or with --full of all steps, with run ledger, reference scales and index.\n"
    "Nothing on disk changes. An open run holds as far as it goes; --require closed makes that a "
    "no.\n"
    "--manifest is for records that are too large for the bundle. --untrusted: the signer is not "
    "checked.\n"
    "\n"
    "exit: 0 it holds, 1 it does not, 3 malformed, 4 cannot be read, 5 signer or trust\n"
    "example: plumb verify run --trust trust.json --full\n";

static int take_option(int option, plumb__verify_arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return 0;
    case 'T': out->trust = optarg; return 0;
    case 'u': out->untrusted = true; return 0;
    case 'f': out->full = true; return 0;
    case 's': out->step_text = optarg; return 0;
    case 'm': out->manifest = optarg; return 0;
    case 'r':
        if (strcmp(optarg, "closed") != 0)
            return plumb__cli_usage("verify", "--require takes the word closed");
        out->closed = true;
        return 0;
    default: return plumb__cli_take(option, optarg) ? 0 : PLUMB__EXIT_USAGE;
    }
}

static int parse(int argc, char **argv, plumb__verify_arguments *out)
{
    static const struct option options[] = {{"trust", required_argument, NULL, 'T'},
                                            {"untrusted", no_argument, NULL, 'u'},
                                            {"full", no_argument, NULL, 'f'},
                                            {"step", required_argument, NULL, 's'},
                                            {"require", required_argument, NULL, 'r'},
                                            {"manifest", required_argument, NULL, 'm'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        const int code = take_option(option, out);
        if (code != 0) return code;
    }
    if (out->help) return 0;
    if (argc - optind != 1) return plumb__cli_usage("verify", "verify wants one path");
    if ((out->trust == NULL) != out->untrusted)
        return plumb__cli_usage("verify", "verify wants --trust FILE, or --untrusted");
    out->path = argv[optind];
    return 0;
}

/* ---- a manifest --------------------------------------------------------------------------- */

static int verify_manifest(const plumb__verify_arguments *a)
{
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    plumb_manifest *manifest = NULL;
    plumb_manifest_options options;
    plumb_manifest_options_default(&options);
    options.untrusted = a->untrusted;
    plumb_status status = a->trust != NULL ? plumb_trust_open(a->trust, &trust, &err) : PLUMB_OK;
    if (status == PLUMB_OK) status = plumb_manifest_open(a->path, trust, &options, &manifest, &err);
    if (status == PLUMB_OK) {
        plumb_manifest_info info;
        plumb_manifest_describe(manifest, &info);
        if (plumb__cli.json)
            plumb__cli_print_json(
                json_pack("{s:b,s:s,s:s,s:I,s:I,s:b}", "holds", 1, "vendor", info.vendor, "dataset",
                          info.dataset, "version", (json_int_t)info.manifest_version, "records",
                          (json_int_t)info.records, "signer_checked", info.n_signers > 0));
        else
            printf("manifest %s/%s version %" PRIu64
                   ": holds\nsigned by   %s%s\nrecords     %" PRIu64 "\n",
                   info.vendor, info.dataset, info.manifest_version,
                   info.n_signers > 0 ? plumb_manifest_signer_at(manifest, 0).name
                                      : "signer not checked",
                   info.n_signers > 1 ? " and others" : "", info.records);
    } else {
        fprintf(stderr, "%s: %s\n", plumb__cli_name(), err.message);
    }
    plumb_manifest_free(manifest);
    plumb_trust_free(trust);
    return plumb__cli_done(plumb__cli_verdict(status));
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

int plumb__cmd_verify(int argc, char **argv)
{
    plumb__verify_arguments a = {0};
    struct stat info;
    const int code = parse(argc, argv, &a);
    if (code != 0) return code;
    if (a.help) return plumb__cli_help(help_text);
    if (stat(a.path, &info) != 0) {
        fprintf(stderr, "%s: %s: cannot be found\n", plumb__cli_name(), a.path);
        return PLUMB__EXIT_IO;
    }
    if (S_ISDIR(info.st_mode)) return plumb__verify_run(&a, a.path, NULL);
    if (ends_with(a.path, ".plumb.json")) return verify_manifest(&a);
    return plumb__verify_run_checkpoint(&a);
}
