/* plumb manifest sign */
#include "cli/manifest/manifest_verbs.h"

#include <inttypes.h>

static const char help_text[] =
    "usage: plumb manifest sign RECORDS.jsonl --key K --vendor V --dataset D --version N\n"
    "                           [--taxonomy T.json | --no-taxonomy] [--expires DATE]\n"
    "                           [--audience A] [--passphrase-file F]\n"
    "\n"
    "Checks every record and writes NAME.plumb.json and NAME.checkpoint beside NAME.jsonl. The "
    "same\n"
    "statement signed with a second key gets a second signature; another one must raise the "
    "version;\n"
    "it may leave out the taxonomy of the one before only by --no-taxonomy.\n"
    "\n"
    "example: plumb manifest sign records.jsonl --key keys/acme.key --vendor acme --dataset tags "
    "\\\n"
    "             --version 1 --taxonomy taxonomy.json\n";

typedef struct arguments {
    const char *path, *key, *passphrase_file, *version_text, *expires_text;
    plumb_sign_options sign;
    bool help, idle_names;
} arguments;

static bool take_option(int option, arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return true;
    case 'k': out->key = optarg; return true;
    case 'p': out->passphrase_file = optarg; return true;
    case 'v': out->sign.vendor = optarg; return true;
    case 'd': out->sign.dataset = optarg; return true;
    case 'n': out->version_text = optarg; return true;
    case 't': out->sign.taxonomy_path = optarg; return true;
    case 'x': out->sign.without_taxonomy = true; return true;
    case 'e': out->expires_text = optarg; return true;
    case 'a': out->sign.audience = optarg; return true;
    default: return plumb__cli_take(option, optarg);
    }
}

void plumb__manifest_say_idle(const plumb_sign_options *options)
{
    if (*options->idle_names && !options->without_taxonomy)
        plumb__cli_say("plumb: records name rubrics, domains or templates: without a taxonomy the "
                       "names have no effect");
}

static int parse(int argc, char **argv, arguments *out)
{
    static const struct option options[] = {{"key", required_argument, NULL, 'k'},
                                            {"passphrase-file", required_argument, NULL, 'p'},
                                            {"vendor", required_argument, NULL, 'v'},
                                            {"dataset", required_argument, NULL, 'd'},
                                            {"version", required_argument, NULL, 'n'},
                                            {"taxonomy", required_argument, NULL, 't'},
                                            {"no-taxonomy", no_argument, NULL, 'x'},
                                            {"expires", required_argument, NULL, 'e'},
                                            {"audience", required_argument, NULL, 'a'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("manifest sign", argc, argv, ":h", options)) != -1) {
        if (!take_option(option, out)) return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (out->sign.taxonomy_path != NULL && out->sign.without_taxonomy)
        return plumb__cli_usage("manifest sign", "--taxonomy and --no-taxonomy exclude each other");
    if (argc - optind != 1) {
        return plumb__cli_usage("manifest sign", "manifest sign wants one records file");
    }
    out->path = argv[optind];
    if (out->key == NULL || out->sign.vendor == NULL || out->sign.dataset == NULL ||
        out->version_text == NULL) {
        return plumb__cli_usage("manifest sign",
                                "manifest sign wants --key, --vendor, --dataset and --version");
    }
    if (!plumb__cli_parse_count(out->version_text, INT64_MAX, &out->sign.manifest_version)) {
        return plumb__cli_usage("manifest sign", "--version is not a number: %s",
                                out->version_text);
    }
    if (out->expires_text != NULL &&
        !plumb__cli_parse_time(out->expires_text, &out->sign.expires_s)) {
        return plumb__cli_usage("manifest sign", "--expires is not a date: %s", out->expires_text);
    }
    return 0;
}

int plumb__manifest_verb_sign(int argc, char **argv)
{
    arguments a = {0};
    plumb_error err = {0};
    plumb_secret_key *key = NULL;
    plumb_sign_options_default(&a.sign);
    a.sign.idle_names = &a.idle_names;
    const int wrong = parse(argc, argv, &a);
    if (wrong != 0) return wrong;
    if (a.help) return plumb__cli_help(help_text);
    plumb_status status = plumb__cli_open_key(a.key, a.passphrase_file, &key, &err);
    if (status == PLUMB_OK) status = plumb_manifest_sign(a.path, key, &a.sign, &err);
    plumb_key_free(key);
    if (status != PLUMB_OK) return plumb__cli_fail(&err);
    plumb__manifest_say_idle(&a.sign);
    plumb__cli_say("signed %s as %s/%s version %" PRIu64, a.path, a.sign.vendor, a.sign.dataset,
                   a.sign.manifest_version);
    return plumb__cli_done(PLUMB__EXIT_OK);
}
