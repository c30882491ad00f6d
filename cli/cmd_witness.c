/* plumb witness */
#include "cli/commands.h"
#include "manifest/plumb_proof.h"

#include <inttypes.h>

static const char help_text[] =
    "usage: plumb witness NAME.plumb.json --key W.key --trust trust.json [--name VENDOR/NAME]\n"
    "                     [--audience A] [--state DIR] [--passphrase-file F]\n"
    "\n"
    "Verifies a manifest whole and adds a timed cosignature to NAME.checkpoint: as of now this is\n"
    "what VENDOR/DATASET/vN is. One that differs from what this witness cosigned before under the\n"
    "same origin is refused; what it has cosigned is kept in DIR/witness. VENDOR/NAME is the "
    "key's\n"
    "entry of role witness in the trust store of whoever checks, and need not be given when this\n"
    "store has it.\n"
    "\n"
    "exit: 0 cosigned, 1 another one was cosigned before, else as plumb manifest verify\n"
    "example: plumb witness records.plumb.json --key w1.key --trust trust.json\n";

typedef struct arguments {
    const char *path, *key, *trust, *passphrase_file;
    plumb_witness_options witness;
    bool help;
} arguments;

static bool take_option(int option, arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return true;
    case 'k': out->key = optarg; return true;
    case 'T': out->trust = optarg; return true;
    case 'p': out->passphrase_file = optarg; return true;
    case 'n': out->witness.name = optarg; return true;
    case 'a': out->witness.audience = optarg; return true;
    case 's': out->witness.state_dir = optarg; return true;
    default: return plumb__cli_take(option, optarg);
    }
}

static int parse(int argc, char **argv, arguments *out)
{
    static const struct option options[] = {{"key", required_argument, NULL, 'k'},
                                            {"trust", required_argument, NULL, 'T'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"audience", required_argument, NULL, 'a'},
                                            {"state", required_argument, NULL, 's'},
                                            {"passphrase-file", required_argument, NULL, 'p'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("witness", argc, argv, ":h", options)) != -1) {
        if (!take_option(option, out)) return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (argc - optind != 1) return plumb__cli_usage("witness", "witness wants one NAME.plumb.json");
    out->path = argv[optind];
    if (out->key == NULL || out->trust == NULL)
        return plumb__cli_usage("witness", "witness wants --key and --trust");
    return 0;
}

static void report(const plumb_witness_info *info)
{
    char when[21];
    plumb__cli_format_time(info->time_s, when);
    if (plumb__cli.json) {
        plumb__cli_print_json(json_pack("{s:s,s:s,s:s,s:I,s:b}", "origin", info->origin, "name",
                                        info->name, "time", when, "records",
                                        (json_int_t)info->records, "again", info->again));
    } else {
        plumb__cli_say("%s %s, %" PRIu64 " records, by %s at %s",
                       info->again ? "had cosigned" : "cosigned", info->origin, info->records,
                       info->name, when);
    }
    if (!info->in_store)
        plumb__cli_say("plumb: this trust store has no witness %s with this key: here the "
                       "cosignature does not count",
                       info->name);
}

int plumb__cmd_witness(int argc, char **argv)
{
    arguments a = {0};
    plumb_error err = {0};
    plumb_secret_key *key = NULL;
    plumb_trust *trust = NULL;
    plumb_witness_info info;
    plumb_witness_options_default(&a.witness);
    const int wrong = parse(argc, argv, &a);
    if (wrong != 0) return wrong;
    if (a.help) return plumb__cli_help(help_text);
    plumb_status status = plumb_trust_open(a.trust, &trust, &err);
    if (status == PLUMB_OK) status = plumb__cli_open_key(a.key, a.passphrase_file, &key, &err);
    a.witness.trust = trust;
    if (status == PLUMB_OK) status = plumb_witness_manifest(a.path, key, &a.witness, &info, &err);
    if (status == PLUMB_OK) report(&info);
    plumb_key_free(key);
    plumb_trust_free(trust);
    if (status == PLUMB_OK) return plumb__cli_done(PLUMB__EXIT_OK);
    (void)plumb__cli_fail(&err);
    return plumb__cli_verdict(status);
}
