/* plumb manifest sign|verify|show */
#include "cli/commands.h"
#include "manifest/plumb_manifest.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char help_text[] =
    "usage: plumb manifest sign RECORDS.jsonl --key K --vendor V --dataset D --version N\n"
    "                           [--taxonomy T.json] [--expires DATE] [--audience A]\n"
    "                           [--passphrase-file F]\n"
    "       plumb manifest verify NAME.plumb.json --trust trust.json [--audience A]\n"
    "       plumb manifest show NAME.plumb.json [--id ID [--explain]]\n"
    "                           [--trust trust.json [--audience A] | --untrusted]\n"
    "\n"
    "sign checks every record and writes NAME.plumb.json and NAME.checkpoint beside NAME.jsonl. "
    "The same\n"
    "statement signed with a second key gets a second signature; another one must raise the "
    "version.\n"
    "verify checks signatures, digests, the record tree, expiry and audience, then every record.\n"
    "show prints what a manifest says; --explain where a record's depth, budgets and weight come "
    "from.\n"
    "\n"
    "example: plumb manifest sign records.jsonl --key keys/acme.key --vendor acme --dataset tags "
    "\\\n"
    "             --version 1 --taxonomy taxonomy.json\n"
    "         plumb manifest verify records.plumb.json --trust trust.json\n";

typedef struct manifest_arguments {
    const char *verb, *path, *key, *passphrase_file, *trust, *id;
    const char *version_text, *expires_text;
    plumb_sign_options sign;
    bool explain, untrusted, help;
} manifest_arguments;

static bool take_option(int option, manifest_arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return true;
    case 'k': out->key = optarg; return true;
    case 'p': out->passphrase_file = optarg; return true;
    case 'v': out->sign.vendor = optarg; return true;
    case 'd': out->sign.dataset = optarg; return true;
    case 'n': out->version_text = optarg; return true;
    case 't': out->sign.taxonomy_path = optarg; return true;
    case 'e': out->expires_text = optarg; return true;
    case 'a': out->sign.audience = optarg; return true;
    case 'T': out->trust = optarg; return true;
    case 'i': out->id = optarg; return true;
    case 'x': out->explain = true; return true;
    case 'u': out->untrusted = true; return true;
    default: return plumb__cli_take(option, optarg);
    }
}

static int parse(int argc, char **argv, manifest_arguments *out)
{
    static const struct option options[] = {{"key", required_argument, NULL, 'k'},
                                            {"passphrase-file", required_argument, NULL, 'p'},
                                            {"vendor", required_argument, NULL, 'v'},
                                            {"dataset", required_argument, NULL, 'd'},
                                            {"version", required_argument, NULL, 'n'},
                                            {"taxonomy", required_argument, NULL, 't'},
                                            {"expires", required_argument, NULL, 'e'},
                                            {"audience", required_argument, NULL, 'a'},
                                            {"trust", required_argument, NULL, 'T'},
                                            {"id", required_argument, NULL, 'i'},
                                            {"explain", no_argument, NULL, 'x'},
                                            {"untrusted", no_argument, NULL, 'u'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (!take_option(option, out)) return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (argc - optind != 2) {
        return plumb__cli_usage("manifest", "manifest wants sign, verify or show and one file");
    }
    out->verb = argv[optind];
    out->path = argv[optind + 1];
    return 0;
}

/* ---- sign ---- */

static int run_sign(manifest_arguments *a)
{
    plumb_error err = {0};
    plumb_secret_key *key = NULL;
    if (a->key == NULL || a->sign.vendor == NULL || a->sign.dataset == NULL ||
        a->version_text == NULL) {
        return plumb__cli_usage("manifest",
                                "manifest sign wants --key, --vendor, --dataset and --version");
    }
    if (!plumb__cli_parse_count(a->version_text, INT64_MAX, &a->sign.manifest_version)) {
        return plumb__cli_usage("manifest", "--version is not a number: %s", a->version_text);
    }
    if (a->expires_text != NULL && !plumb__cli_parse_time(a->expires_text, &a->sign.expires_s)) {
        return plumb__cli_usage("manifest", "--expires is not a date: %s", a->expires_text);
    }
    plumb_status status = plumb__cli_open_key(a->key, a->passphrase_file, &key, &err);
    if (status == PLUMB_OK) status = plumb_manifest_sign(a->path, key, &a->sign, &err);
    plumb_key_free(key);
    if (status != PLUMB_OK) return plumb__cli_fail(&err);
    plumb__cli_say("signed %s as %s/%s version %" PRIu64, a->path, a->sign.vendor, a->sign.dataset,
                   a->sign.manifest_version);
    return plumb__cli_done(PLUMB__EXIT_OK);
}

/* ---- verify and show ---- */

static plumb_status open_manifest(const manifest_arguments *a, bool untrusted, plumb_manifest **m,
                                  char fingerprint[65], plumb_error *err)
{
    plumb_manifest_options options;
    plumb_trust *trust = NULL;
    plumb_manifest_options_default(&options);
    options.untrusted = untrusted;
    options.allow_expired = strcmp(a->verb, "show") == 0;
    options.audience = a->sign.audience;
    fingerprint[0] = '\0';
    plumb_status status = untrusted ? PLUMB_OK : plumb_trust_open(a->trust, &trust, err);
    if (trust != NULL) snprintf(fingerprint, 65, "%s", plumb_trust_root_fingerprint(trust));
    if (status == PLUMB_OK) status = plumb_manifest_open(a->path, trust, &options, m, err);
    plumb_trust_free(trust);
    return status;
}

static json_t *describe(const char *path, const plumb_manifest *m, const char *fingerprint)
{
    plumb_manifest_info info;
    char issued[21], expires[21];
    plumb_manifest_describe(m, &info);
    plumb__cli_format_time(info.issued_s, issued);
    plumb__cli_format_time(info.expires_s, expires);
    json_t *signers = json_array();
    for (uint32_t i = 0; i < info.n_signers; i++) {
        const plumb_manifest_signer s = plumb_manifest_signer_at(m, i);
        json_array_append_new(signers, json_pack("{s:s,s:s}", "name", s.name, "keyid", s.keyid));
    }
    return json_pack(
        "{s:s,s:s,s:s,s:I,s:I,s:s,s:s?,s:b,s:s?,s:s,s:s,s:s,s:b,s:b,s:o,s:s?,s:I}", "file", path,
        "vendor", info.vendor, "dataset", info.dataset, "version",
        (json_int_t)info.manifest_version, "records", (json_int_t)info.records, "issued", issued,
        "expires", info.expires_s != 0 ? expires : NULL, "expired", info.expired, "audience",
        info.audience, "root", info.root_hex, "statement_digest", info.statement_digest,
        "records_digest", info.records_digest, "checkpoint", info.checkpoint, "signer_checked",
        info.n_signers > 0, "signers", signers, "root_fingerprint",
        fingerprint[0] != '\0' ? fingerprint : NULL, "table_bytes", (json_int_t)info.table_bytes);
}

static void print_summary(const char *path, const plumb_manifest *m, const char *fingerprint)
{
    plumb_manifest_info info;
    char when[21];
    plumb_manifest_describe(m, &info);
    printf("%s: %s/%s version %" PRIu64 ", %" PRIu64 " records\n", path, info.vendor, info.dataset,
           info.manifest_version, info.records);
    for (uint32_t i = 0; i < info.n_signers; i++) {
        const plumb_manifest_signer s = plumb_manifest_signer_at(m, i);
        printf("signed by   %s (%.16s…)\n", s.name, s.keyid);
    }
    if (info.n_signers == 0) printf("signed by   signer not checked\n");
    if (fingerprint[0] != '\0') printf("trust root  %s\n", fingerprint);
    plumb__cli_format_time(info.issued_s, when);
    printf("issued      %s\n", when);
    plumb__cli_format_time(info.expires_s, when);
    printf("expires     %s%s\n", info.expires_s != 0 ? when : "never",
           info.expired ? " (EXPIRED)" : "");
    if (info.audience != NULL) printf("audience    %s\n", info.audience);
    printf("tree root   %s\ncheckpoint  %s\nstatement   %s\n", info.root_hex,
           info.checkpoint      ? "holds"
           : info.n_signers > 0 ? "none"
                                : "not checked",
           info.statement_digest);
}

static int run_verify(const manifest_arguments *a)
{
    plumb_error err = {0};
    plumb_manifest *m = NULL;
    char fingerprint[65];
    if (a->trust == NULL || a->untrusted) {
        return plumb__cli_usage("manifest", "manifest verify wants --trust");
    }
    if (open_manifest(a, false, &m, fingerprint, &err) != PLUMB_OK) {
        (void)plumb__cli_fail(&err);
        return plumb__cli_verdict(err.status);
    }
    if (plumb__cli.json) {
        plumb__cli_print_json(describe(a->path, m, fingerprint));
    } else {
        print_summary(a->path, m, fingerprint);
        puts("verified    signatures, digests, tree and every record");
    }
    plumb_manifest_free(m);
    return plumb__cli_done(PLUMB__EXIT_OK);
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

static int show_record(const manifest_arguments *a, const plumb_manifest *m)
{
    plumb_error err = {0};
    plumb_record r;
    plumb_explanation why = {0};
    size_t n;
    const uint32_t number = plumb_manifest_find(m, a->id);
    if (number == PLUMB_NO_RECORD) {
        fprintf(stderr, "%s: %s: has no record \"%s\"\n", plumb__cli_name(), a->path, a->id);
        return PLUMB__EXIT_NO;
    }
    if (plumb_manifest_record(m, number, &r, &err) != PLUMB_OK) return plumb__cli_fail(&err);
    const char *line = plumb_manifest_line(m, number, &n);
    if (!a->explain) {
        printf("%.*s\n", (int)n, line);
        return plumb__cli_done(PLUMB__EXIT_OK);
    }
    if (plumb_manifest_explain(m, number, &why, &err) != PLUMB_OK) return plumb__cli_fail(&err);
    if (plumb__cli.json) {
        json_t *out = json_pack("{s:s,s:i,s:o,s:s,s:s,s:s,s:f,s:s}", "id", r.id, "line",
                                (int)number + 1, "record", json_loadb(line, n, 0, NULL), "depth",
                                why.depth_name, "depth_from", why.depth_from, "profile", r.profile,
                                "weight", r.weight, "weight_from", why.weight_from);
        json_object_set_new(out, "step_budget_nats", json_real(r.step_budget_nats));
        json_object_set_new(out, "step_budget_from", json_string(why.step_budget_from));
        json_object_set_new(out, "run_budget_nats", json_real(r.run_budget_nats));
        json_object_set_new(out, "run_budget_from", json_string(why.run_budget_from));
        plumb__cli_print_json(out);
        return plumb__cli_done(PLUMB__EXIT_OK);
    }
    printf("%.*s\n\nline        %u\ndepth       %s = ", (int)n, line, number + 1, why.depth_name);
    print_profile(r.profile);
    printf("   (from %s)\n", why.depth_from);
    print_number("step budget", r.step_budget_nats, " nats", why.step_budget_from);
    print_number("run budget", r.run_budget_nats, " nats", why.run_budget_from);
    print_number("weight", r.weight, "", why.weight_from);
    return plumb__cli_done(PLUMB__EXIT_OK);
}

static int run_show(const manifest_arguments *a)
{
    plumb_error err = {0};
    plumb_manifest *m = NULL;
    char fingerprint[65];
    int code = PLUMB__EXIT_OK;
    if (a->trust != NULL && a->untrusted) {
        return plumb__cli_usage("manifest", "--trust and --untrusted exclude each other");
    }
    if (a->explain && a->id == NULL) return plumb__cli_usage("manifest", "--explain wants --id");
    if (open_manifest(a, a->trust == NULL, &m, fingerprint, &err) != PLUMB_OK) {
        return plumb__cli_fail(&err);
    }
    if (a->trust == NULL) plumb__cli_say("plumb: %s: signer not checked; give --trust", a->path);
    if (a->id != NULL) {
        code = show_record(a, m);
    } else if (plumb__cli.json) {
        plumb__cli_print_json(describe(a->path, m, fingerprint));
    } else {
        print_summary(a->path, m, fingerprint);
    }
    plumb_manifest_free(m);
    return plumb__cli_done(code);
}

int plumb__cmd_manifest(int argc, char **argv)
{
    manifest_arguments args = {0};
    plumb_sign_options_default(&args.sign);
    const int wrong = parse(argc, argv, &args);
    if (wrong != 0) return wrong;
    if (args.help) return plumb__cli_help(help_text);
    if (strcmp(args.verb, "sign") == 0) return run_sign(&args);
    if (strcmp(args.verb, "verify") == 0) return run_verify(&args);
    if (strcmp(args.verb, "show") == 0) return run_show(&args);
    return plumb__cli_usage("manifest", "there is no \"manifest %s\"", args.verb);
}
