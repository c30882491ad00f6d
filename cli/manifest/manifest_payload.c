/* plumb manifest payload */
#include "cli/manifest/manifest_verbs.h"

#include <string.h>

static const char help_text[] =
    "usage: plumb manifest payload RECORDS.jsonl --vendor V --dataset D --version N\n"
    "                              [--signer-key K.pub] [--taxonomy T.json | --no-taxonomy]\n"
    "                              [--expires DATE] [--audience A] [--out DIR]\n"
    "\n"
    "All that sign does up to the signature, with no secret key: checks every record and writes\n"
    "NAME.plumb.payload, and what is to be signed where the key is: NAME.plumb.pae for the "
    "envelope\n"
    "and NAME.checkpoint.body for the checkpoint, both with pure Ed25519. Then plumb manifest "
    "attach.\n"
    "\n"
    "example: plumb manifest payload records.jsonl --vendor acme --dataset tags --version 1\n"
    "         openssl pkeyutl -sign -rawin -inkey hsm.pem -in records.plumb.pae -out pae.sig\n";

typedef struct arguments {
    const char *path, *key, *version_text, *expires_text, *dir;
    plumb_sign_options sign;
    bool help, idle_names;
} arguments;

static bool take_option(int option, arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return true;
    case 'k': out->key = optarg; return true;
    case 'v': out->sign.vendor = optarg; return true;
    case 'd': out->sign.dataset = optarg; return true;
    case 'n': out->version_text = optarg; return true;
    case 't': out->sign.taxonomy_path = optarg; return true;
    case 'x': out->sign.without_taxonomy = true; return true;
    case 'e': out->expires_text = optarg; return true;
    case 'a': out->sign.audience = optarg; return true;
    case 'o': out->dir = optarg; return true;
    default: return plumb__cli_take(option, optarg);
    }
}

static int parse(int argc, char **argv, arguments *out)
{
    static const char verb[] = "manifest payload";
    static const struct option options[] = {
        {"signer-key", required_argument, NULL, 'k'}, {"vendor", required_argument, NULL, 'v'},
        {"dataset", required_argument, NULL, 'd'},    {"version", required_argument, NULL, 'n'},
        {"taxonomy", required_argument, NULL, 't'},   {"no-taxonomy", no_argument, NULL, 'x'},
        {"expires", required_argument, NULL, 'e'},    {"audience", required_argument, NULL, 'a'},
        {"out", required_argument, NULL, 'o'},        PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt(verb, argc, argv, ":h", options)) != -1) {
        if (!take_option(option, out)) return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (out->sign.taxonomy_path != NULL && out->sign.without_taxonomy)
        return plumb__cli_usage(verb, "--taxonomy and --no-taxonomy exclude each other");
    if (argc - optind != 1)
        return plumb__cli_usage(verb, "manifest payload wants one records file");
    out->path = argv[optind];
    if (out->sign.vendor == NULL || out->sign.dataset == NULL || out->version_text == NULL)
        return plumb__cli_usage(verb, "manifest payload wants --vendor, --dataset and --version");
    if (!plumb__cli_parse_count(out->version_text, INT64_MAX, &out->sign.manifest_version))
        return plumb__cli_usage(verb, "--version is not a number: %s", out->version_text);
    if (out->expires_text != NULL &&
        !plumb__cli_parse_time(out->expires_text, &out->sign.expires_s))
        return plumb__cli_usage(verb, "--expires is not a date: %s", out->expires_text);
    return 0;
}

int plumb__manifest_verb_payload(int argc, char **argv)
{
    arguments a = {0};
    plumb_error err = {0};
    plumb_public_key key;
    plumb_sign_options_default(&a.sign);
    a.sign.idle_names = &a.idle_names;
    const int wrong = parse(argc, argv, &a);
    if (wrong != 0) return wrong;
    if (a.help) return plumb__cli_help(help_text);
    plumb_status status = a.key != NULL ? plumb_public_key_read(a.key, &key, &err) : PLUMB_OK;
    if (status == PLUMB_OK)
        status = plumb_manifest_payload(a.path, a.key != NULL ? &key : NULL, &a.sign, a.dir, &err);
    if (status != PLUMB_OK) return plumb__cli_fail(&err);
    plumb__manifest_say_idle(&a.sign);
    const char *slash = strrchr(a.path, '/');
    const char *base = a.dir != NULL && slash != NULL ? slash + 1 : a.path;
    const int stem = (int)strlen(base) - 6; /* without .jsonl */
    plumb__cli_say("wrote %s%s%.*s.plumb.payload, .plumb.pae and .checkpoint.body",
                   a.dir != NULL ? a.dir : "", a.dir != NULL ? "/" : "", stem, base);
    return plumb__cli_done(PLUMB__EXIT_OK);
}
