/* plumb verify PATH: whatever it is */
#include "cli/commands.h"
#include "manifest/plumb_manifest.h"
#include "provenance/plumb_graph.h"

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

typedef struct verify_arguments {
    const char *path, *trust, *manifest, *step_text;
    bool untrusted, full, closed, help;
} verify_arguments;

static int take_option(int option, verify_arguments *out)
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

static int parse(int argc, char **argv, verify_arguments *out)
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

/* ---- a run -------------------------------------------------------------------------------- */

static void print_json(const plumb_verify_report *r, plumb_status status, bool full,
                       const char *root)
{
    json_t *out = json_pack("{s:b,s:b,s:b,s:b,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:s}", "holds",
                            r->holds, "closed", r->closed, "signer_checked", r->signer_checked,
                            "rules_checked", r->rules_checked, "full", full, "run_id", r->run_id,
                            "leaves", (json_int_t)r->leaves, "leaves_signed",
                            (json_int_t)r->leaves_signed, "steps", (json_int_t)r->steps, "units",
                            (json_int_t)r->units, "files", (json_int_t)r->files, "edges_checked",
                            (json_int_t)r->edges_checked, "status", plumb_status_name(status));
    json_object_set_new(out, "operator", json_string(r->operator_keyid));
    json_object_set_new(out, "root_fingerprint", json_string(root));
    json_object_set_new(out, "first_problem", json_string(r->first_problem));
    json_object_set_new(out, "still_trustworthy", json_string(r->still_trustworthy));
    json_object_set_new(out, "notes", json_string(r->notes));
    plumb__cli_print_json(out);
}

static void print_notes(const plumb_verify_report *r)
{
    for (const char *at = r->notes; *at != '\0';) {
        const size_t n = strcspn(at, "\n");
        printf("note        %.*s\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
}

static void print_report(const plumb_verify_report *r, const verify_arguments *a, const char *root)
{
    printf("run %s: %s\n", r->run_id, plumb__cli_color(stdout, "holds", "\033[32mholds\033[0m"));
    if (r->signer_checked)
        printf("signed by   operator %.16s…, trust root %.16s…\n", r->operator_keyid, root);
    else
        puts("signed by   signer not checked");
    printf("record      %s, %" PRIu64 " steps, %" PRIu64 " leaves: %" PRIu64 " signed",
           r->closed ? "closed" : "open", r->steps, r->leaves, r->leaves_signed);
    if (r->leaves > r->leaves_signed) printf(", %" PRIu64 " not yet", r->leaves - r->leaves_signed);
    printf("\nfiles       %" PRIu64 ", each hashed whole\n", r->files);
    if (r->rules_checked)
        printf("rules       masks and limits of %" PRIu64 " edges recomputed (%s)\n",
               r->edges_checked,
               a->step_text != NULL ? "one step"
               : a->full            ? "all, with run ledger, reference scales and index"
                                    : "sampled steps; --full takes all");
    print_notes(r);
}

static int verify_run(const verify_arguments *a, const char *dir, const char *checkpoint)
{
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    plumb_verify_options options;
    plumb_verify_report report;
    plumb_verify_options_default(&options);
    if (a->step_text != NULL &&
        (!plumb__cli_parse_count(a->step_text, INT64_MAX, &options.step) || options.step == 0))
        return plumb__cli_usage("verify", "--step is not a step number: %s", a->step_text);
    if (a->trust != NULL && plumb_trust_open(a->trust, &trust, &err) != PLUMB_OK)
        return plumb__cli_fail(&err);
    options.trust = trust;
    options.full = a->full;
    options.require_closed = a->closed;
    options.manifest_path = a->manifest;
    const char *root = trust != NULL ? plumb_trust_root_fingerprint(trust) : "";
    const plumb_status status = plumb_bundle_verify(dir, &options, &report, &err);
    if (plumb__cli.json) print_json(&report, status, a->full, root);
    if (status != PLUMB_OK) {
        fprintf(stderr, "%s: %s: %s\nplumb: still trustworthy: %s\n", plumb__cli_name(), dir,
                err.message, report.still_trustworthy);
    } else if (!plumb__cli.json) {
        print_report(&report, a, root);
        if (checkpoint != NULL) printf("checkpoint  %s is the one this run recorded\n", checkpoint);
    }
    plumb_trust_free(trust);
    return plumb__cli_done(plumb__cli_verdict(status));
}

/* ---- a checkpoint: it holds if its run holds ---------------------------------------------- */

static int verify_checkpoint(const verify_arguments *a)
{
    static const char middle[] = "checkpoints";
    char dir[4096];
    const char *name = strrchr(a->path, '/');
    const size_t n = name != NULL ? (size_t)(name - a->path) : 0;
    if (n >= sizeof dir) return plumb__cli_usage("verify", "%s is too long a path", a->path);
    memcpy(dir, a->path, n);
    dir[n] = '\0';
    char *last = strrchr(dir, '/');
    const char *folder = last != NULL ? last + 1 : dir;
    if (name == NULL || strcmp(folder, middle) != 0)
        return plumb__cli_usage("verify",
                                "%s is no bundle, no NAME.plumb.json, and not in a bundle's "
                                "checkpoints/",
                                a->path);
    if (last != NULL) *last = '\0';
    return verify_run(a, last != NULL ? (dir[0] != '\0' ? dir : "/") : ".", name + 1);
}

/* ---- a manifest --------------------------------------------------------------------------- */

static int verify_manifest(const verify_arguments *a)
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
    verify_arguments a = {0};
    struct stat info;
    const int code = parse(argc, argv, &a);
    if (code != 0) return code;
    if (a.help) return plumb__cli_help(help_text);
    if (stat(a.path, &info) != 0) {
        fprintf(stderr, "%s: %s: cannot be found\n", plumb__cli_name(), a.path);
        return PLUMB__EXIT_IO;
    }
    if (S_ISDIR(info.st_mode)) return verify_run(&a, a.path, NULL);
    if (ends_with(a.path, ".plumb.json")) return verify_manifest(&a);
    return verify_checkpoint(&a);
}
