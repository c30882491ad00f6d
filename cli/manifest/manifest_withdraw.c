/* plumb manifest withdraw */
#include "cli/impact/impact.h"
#include "cli/manifest/manifest_verbs.h"
#include "manifest/plumb_withdrawal.h"

#include <inttypes.h>

static const char help_text[] =
    "usage: plumb manifest withdraw NAME.plumb.json --id ID … | --ids-file F\n"
    "                               --reason consent|error|licence|other [--note TEXT]\n"
    "                               [--at TIME] --key K [--passphrase-file F]\n"
    "                               [--runs DIR …] [--trust trust.json]\n"
    "       plumb manifest withdraw NAME.plumb.json --cosign --key K [--passphrase-file F]\n"
    "                               [--trust trust.json]\n"
    "       plumb manifest withdraw NAME.plumb.json --id ID … --reason … --payload FILE\n"
    "       plumb manifest withdraw NAME.plumb.json --attach FILE --signature SIG.bin\n"
    "                               --signer-key K.pub [--trust trust.json]\n"
    "\n"
    "Appends a signed statement to NAME.withdrawals: these records must not train any more. Hand "
    "the\n"
    "file to everybody who has the manifest; runs that start with it reject the records. "
    "--ids-file "
    "has\n"
    "one id a line. --cosign puts the key's signature under every statement that lacks it: for a\n"
    "threshold above 1, or in place of a compromised key. Says at once what was learned from the\n"
    "records: by the runs that this machine started, and those in --runs (bundles, or folders of "
    "them);\n"
    "--trust checks who signed those runs.\n"
    "\n"
    "The key must have signed NAME.plumb.json, or with --trust count for its vendor as\n"
    "quality-attestation now: otherwise nothing is written. --trust also says how many signatures\n"
    "are missing still.\n"
    "\n"
    "With a key kept elsewhere: --payload writes FILE and FILE.pae, whose bytes are to be signed "
    "with\n"
    "pure Ed25519; --attach puts the signature (64 raw bytes) on.\n"
    "\n"
    "exit: 0 done, 1 there is no such record or it was withdrawn before, 3 malformed, 4 cannot be\n"
    "read or written, 5 the key does not count\n"
    "example: plumb manifest withdraw records.plumb.json --id deb:abgate#role --reason consent \\\n"
    "             --key keys/acme.key\n";

/* What is asked of it beside the arguments; trust NULL: none was given. */
typedef struct signing {
    plumb_secret_key *key;
    plumb_trust *trust;
} signing;

typedef struct arguments {
    const char *path, *key, *passphrase_file, *ids_file, *reason, *at, *trust;
    const char *payload, *attach, *signature, *signer_key;
    plumb_withdraw_options withdraw;
    plumb__texts ids, runs;
    bool cosign, help;
} arguments;

static int add(plumb__texts *to, const char *text)
{
    if (plumb__texts_add(to, text)) return 0;
    return plumb__cli_usage("manifest withdraw", "at most %u records are withdrawn at once",
                            PLUMB__TEXTS_MAX);
}

static int take_option(int option, arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return 0;
    case 'k': out->key = optarg; return 0;
    case 'p': out->passphrase_file = optarg; return 0;
    case 'i': return add(&out->ids, optarg);
    case 'R': return add(&out->runs, optarg);
    case 'T': out->trust = optarg; return 0;
    case 'f': out->ids_file = optarg; return 0;
    case 'r': out->reason = optarg; return 0;
    case 'n': out->withdraw.note = optarg; return 0;
    case 'a': out->at = optarg; return 0;
    case 'c': out->cosign = true; return 0;
    case 'o': out->payload = optarg; return 0;
    case 'A': out->attach = optarg; return 0;
    case 's': out->signature = optarg; return 0;
    case 'K': out->signer_key = optarg; return 0;
    default: return plumb__cli_take(option, optarg) ? 0 : PLUMB__EXIT_USAGE;
    }
}

static const char command[] = "manifest withdraw";

/* --cosign and --attach sign what is there already. */
static int check_signing(const arguments *a)
{
    if (a->ids.n > 0 || a->ids_file != NULL || a->reason != NULL) {
        return plumb__cli_usage(command, "%s signs what is there; it takes no records",
                                a->cosign ? "--cosign" : "--attach");
    }
    if (a->attach != NULL && (a->signature == NULL || a->signer_key == NULL)) {
        return plumb__cli_usage(command, "--attach wants --signature and --signer-key");
    }
    return 0;
}

static int check_records(arguments *a)
{
    if (a->ids_file != NULL) {
        const int code = plumb__texts_read(&a->ids, a->ids_file);
        if (code != 0) return code;
    }
    if (a->ids.n == 0) {
        return plumb__cli_usage(command, "manifest withdraw wants --id or --ids-file");
    }
    if (a->reason == NULL || !plumb_withdrawal_reason_parse(a->reason, &a->withdraw.reason)) {
        return plumb__cli_usage(command, "--reason must be consent, error, licence or other");
    }
    if (a->at != NULL && !plumb__cli_parse_time(a->at, &a->withdraw.issued_s)) {
        return plumb__cli_usage(command, "--at is not a date: %s", a->at);
    }
    a->withdraw.ids = (const char *const *)a->ids.list;
    a->withdraw.n_ids = a->ids.n;
    return 0;
}

static int check(arguments *a)
{
    const int ways = (a->key != NULL) + (a->payload != NULL) + (a->attach != NULL);
    if (ways != 1) {
        return plumb__cli_usage(command, "manifest withdraw wants --key, --payload or --attach");
    }
    if (a->cosign && a->key == NULL) {
        return plumb__cli_usage(command, "--cosign wants --key");
    }
    return a->cosign || a->attach != NULL ? check_signing(a) : check_records(a);
}

static int parse(int argc, char **argv, arguments *out)
{
    static const struct option options[] = {{"key", required_argument, NULL, 'k'},
                                            {"passphrase-file", required_argument, NULL, 'p'},
                                            {"id", required_argument, NULL, 'i'},
                                            {"ids-file", required_argument, NULL, 'f'},
                                            {"reason", required_argument, NULL, 'r'},
                                            {"note", required_argument, NULL, 'n'},
                                            {"at", required_argument, NULL, 'a'},
                                            {"cosign", no_argument, NULL, 'c'},
                                            {"payload", required_argument, NULL, 'o'},
                                            {"attach", required_argument, NULL, 'A'},
                                            {"signature", required_argument, NULL, 's'},
                                            {"signer-key", required_argument, NULL, 'K'},
                                            {"runs", required_argument, NULL, 'R'},
                                            {"trust", required_argument, NULL, 'T'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("manifest withdraw", argc, argv, ":h", options)) != -1) {
        const int code = take_option(option, out);
        if (code != 0) return code;
    }
    if (out->help) return 0;
    if (argc - optind != 1) {
        return plumb__cli_usage(command, "manifest withdraw wants one NAME.plumb.json");
    }
    out->path = argv[optind];
    return check(out);
}

/* After writing: what the vendor's threshold still wants. */
static plumb_status count_missing(const arguments *a, const plumb_trust *trust, uint32_t *missing,
                                  plumb_error *err)
{
    *missing = 0;
    if (trust == NULL) return PLUMB_OK;
    const plumb_status status = plumb_manifest_withdraw_missing(a->path, trust, missing, err);
    if (status == PLUMB_OK && *missing > 0)
        plumb__cli_say("plumb: %s: %u more signature%s missing before its withdrawals count: "
                       "plumb manifest withdraw %s --cosign --key K",
                       a->path, *missing, *missing == 1 ? " is" : "s are", a->path);
    return status;
}

static plumb_status cosign(const arguments *a, const signing *with, plumb_error *err)
{
    uint32_t added = 0, missing = 0;
    plumb_status status =
        plumb_manifest_withdraw_cosign(a->path, with->key, with->trust, &added, err);
    if (status != PLUMB_OK) return status;
    if (!plumb__cli.json) plumb__cli_say("signed %u withdrawals of %s", added, a->path);
    status = count_missing(a, with->trust, &missing, err);
    if (status == PLUMB_OK && plumb__cli.json)
        plumb__cli_print_json(json_pack("{s:i,s:i}", "signatures_added", (int)added,
                                        "signatures_missing", (int)missing));
    return status;
}

/* Which runs learned from these records: on this dataset, those this machine started and --runs. */
static plumb_status ask(const arguments *a, json_t **runs, plumb_error *err)
{
    plumb_manifest_options options;
    plumb_manifest_info info;
    plumb_manifest *m = NULL;
    plumb_manifest_options_default(&options);
    options.untrusted = true;
    options.allow_expired = true;
    const plumb_status status = plumb_manifest_open(a->path, NULL, &options, &m, err);
    if (status != PLUMB_OK) return status;
    plumb_manifest_describe(m, &info);
    const plumb__impact_request request = {.vendor = info.vendor,
                                           .dataset = info.dataset,
                                           .ids = a->withdraw.ids,
                                           .n_ids = a->withdraw.n_ids,
                                           .dirs = (const char *const *)a->runs.list,
                                           .n_dirs = a->runs.n,
                                           .trust = a->trust};
    *runs = plumb__impact_ask(&request);
    plumb_manifest_free(m);
    return status;
}

static plumb_status withdraw(const arguments *a, const signing *with, plumb_error *err)
{
    uint64_t sequence = 0;
    uint32_t missing = 0;
    json_t *runs = NULL;
    plumb_status status =
        plumb_manifest_withdraw(a->path, with->key, with->trust, &a->withdraw, &sequence, err);
    if (status != PLUMB_OK) return status;
    if (!plumb__cli.json)
        plumb__cli_say("withdrawal %" PRIu64 " of %s is signed", sequence, a->path);
    status = count_missing(a, with->trust, &missing, err);
    if (status == PLUMB_OK) status = ask(a, &runs, err);
    if (status != PLUMB_OK) return status;
    if (plumb__cli.json) {
        plumb__cli_print_json(json_pack("{s:I,s:s,s:i,s:o}", "sequence", (json_int_t)sequence,
                                        "reason", a->reason, "signatures_missing", (int)missing,
                                        "runs", runs));
        return status;
    }
    if (json_array_size(runs) > 0 || a->runs.n > 0) plumb__impact_print(runs);
    json_decref(runs);
    return status;
}

/* With a key kept elsewhere: out, and back. */
static plumb_status write_payload(const arguments *a, plumb_error *err)
{
    const plumb_status status =
        plumb_manifest_withdraw_payload(a->path, &a->withdraw, a->payload, err);
    if (status == PLUMB_OK) plumb__cli_say("wrote %s and %s.pae", a->payload, a->payload);
    return status;
}

static plumb_status attach(const arguments *a, const signing *with, plumb_error *err)
{
    plumb_public_key key;
    uint32_t missing = 0;
    plumb_status status = plumb_public_key_read(a->signer_key, &key, err);
    if (status == PLUMB_OK)
        status = plumb_manifest_withdraw_attach(a->path, a->attach, &key, with->trust, a->signature,
                                                err);
    if (status != PLUMB_OK) return status;
    plumb__cli_say("signed %s into the withdrawals", a->attach);
    return count_missing(a, with->trust, &missing, err);
}

static plumb_status act(const arguments *a, plumb_error *err)
{
    signing with = {NULL, NULL};
    plumb_status status = PLUMB_OK;
    if (a->payload != NULL) return write_payload(a, err);
    if (a->trust != NULL) status = plumb_trust_open(a->trust, &with.trust, err);
    if (status == PLUMB_OK && a->attach != NULL) {
        status = attach(a, &with, err);
    } else if (status == PLUMB_OK) {
        status = plumb__cli_open_key(a->key, a->passphrase_file, &with.key, err);
        if (status == PLUMB_OK)
            status = a->cosign ? cosign(a, &with, err) : withdraw(a, &with, err);
    }
    plumb_key_free(with.key);
    plumb_trust_free(with.trust);
    return status;
}

int plumb__manifest_verb_withdraw(int argc, char **argv)
{
    arguments a = {0};
    plumb_error err = {0};
    plumb_withdraw_options_default(&a.withdraw);
    int code = parse(argc, argv, &a);
    if (code == 0 && a.help) {
        code = plumb__cli_help(help_text);
    } else if (code == 0) {
        code =
            act(&a, &err) == PLUMB_OK ? plumb__cli_done(PLUMB__EXIT_OK) : plumb__cli_answer(&err);
    }
    plumb__texts_free(&a.ids);
    plumb__texts_free(&a.runs);
    return code;
}
