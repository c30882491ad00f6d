/* plumb manifest prove and index */
#include "cli/manifest/manifest_verbs.h"
#include "manifest/plumb_proof.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static const char prove_help[] =
    "usage: plumb manifest prove NAME.plumb.json --id ID [--out FILE.tlog-proof]\n"
    "                            [--trust trust.json | --untrusted] [--without-record]\n"
    "                            [--records FILE] [--tiles FILE]\n"
    "\n"
    "Proves that one record is in the manifest: a tlog-proof against NAME.checkpoint, which "
    "carries\n"
    "the record's line (or not, with --without-record) and which any verifier of transparency "
    "logs\n"
    "reads. NAME.tiles is made first where it is missing or wrong. A proof does not carry "
    "withdrawals:\n"
    "that the record was taken back is a remark on standard error, and so is a newer version seen\n"
    "here.\n"
    "\n"
    "example: plumb manifest prove records.plumb.json --id deb:abgate --trust trust.json \\\n"
    "             --out abgate.tlog-proof\n";

static const char index_help[] =
    "usage: plumb manifest index NAME.plumb.json [--trust trust.json | --untrusted]\n"
    "                            [--records FILE] [--tiles FILE]\n"
    "\n"
    "Writes NAME.tiles, from which proofs about single records are made in under a millisecond. "
    "It\n"
    "is not signed and need not be kept: it can be made again from the records.\n"
    "\n"
    "example: plumb manifest index records.plumb.json --trust trust.json\n";

typedef struct arguments {
    const char *verb, *path, *trust, *id, *out;
    plumb_prover_options prover;
    bool untrusted, help;
} arguments;

static bool take_option(int option, arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return true;
    case 'T': out->trust = optarg; return true;
    case 'u': out->untrusted = true; return true;
    case 'i': out->id = optarg; return true;
    case 'o': out->out = optarg; return true;
    case 'r': out->prover.records_path = optarg; return true;
    case 't': out->prover.tiles_path = optarg; return true;
    case 'w': out->prover.without_record = true; return true;
    default: return plumb__cli_take(option, optarg);
    }
}

static int parse(int argc, char **argv, const struct option *options, arguments *out)
{
    int option;
    while ((option = plumb__cli_getopt(out->verb, argc, argv, ":h", options)) != -1) {
        if (!take_option(option, out)) return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (argc - optind != 1)
        return plumb__cli_usage(out->verb, "%s wants one NAME.plumb.json", out->verb);
    out->path = argv[optind];
    if (out->trust != NULL && out->untrusted)
        return plumb__cli_usage(out->verb, "--trust and --untrusted exclude each other");
    return 0;
}

/* Opens the trust store (the caller frees it) and the prover, and says what is worth saying. */
static plumb_status open_prover(arguments *a, plumb_trust **trust, plumb_prover **prover,
                                plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    *trust = NULL;
    *prover = NULL;
    if (a->trust != NULL) status = plumb_trust_open(a->trust, trust, err);
    a->prover.trust = *trust;
    if (status == PLUMB_OK) status = plumb_prover_open(a->path, &a->prover, prover, err);
    if (status == PLUMB_OK && a->trust == NULL && !a->untrusted)
        plumb__cli_say("plumb: %s: signer not checked; give --trust", a->path);
    return status;
}

static plumb_status write_proof(const arguments *a, const char *text, size_t n, plumb_error *err)
{
    FILE *file = a->out != NULL ? fopen(a->out, "wb") : stdout;
    if (file != NULL && fwrite(text, 1, n, file) == n && (a->out == NULL || fclose(file) == 0))
        return PLUMB_OK;
    snprintf(err->message, sizeof err->message, "%.900s: cannot be written", a->out);
    return err->status = PLUMB_ERR_IO;
}

static void print_json(const arguments *a, const char *text, uint64_t index, uint64_t records)
{
    plumb__cli_print_json(json_pack("{s:s,s:I,s:I,s:s}", "id", a->id, "index", (json_int_t)index,
                                    "records", (json_int_t)records, "proof", text));
}

/* ---- remarks: what the proof does not say ---- */

static void remark_withdrawn(const arguments *a, int64_t since_s)
{
    char since[21];
    plumb__cli_format_time(since_s, since);
    plumb__cli_say("plumb: remark: record \"%s\" was withdrawn at %s; the proof says that it was "
                   "signed, not that it may still be used",
                   a->id, since);
}

/* By its own line. */
static bool withdrawn_itself(const plumb_prover *prover, uint64_t index, int64_t *since_s)
{
    plumb_error err = {0};
    char *line = NULL;
    size_t n = 0;
    if (plumb_prover_line(prover, index, &line, &n, &err) != PLUMB_OK) return false;
    json_t *record = json_loadb(line, n, 0, NULL);
    const char *when =
        json_string_value(json_object_get(json_object_get(record, "consent"), "withdrawn"));
    const bool withdrawn = when != NULL && plumb__cli_parse_time(when, since_s);
    json_decref(record);
    plumb_text_free(line);
    return withdrawn;
}

/* By NAME.withdrawals: only the whole manifest can tell what its lines are worth. */
static plumb_status withdrawn_later(const arguments *a, const plumb_manifest_info *info,
                                    plumb_record *record, plumb_error *err)
{
    plumb_manifest_options options;
    plumb_manifest *m = NULL;
    plumb_manifest_options_default(&options);
    options.untrusted = a->prover.trust == NULL;
    options.allow_expired = true;
    options.audience = info->audience;
    options.records_path = a->prover.records_path;
    plumb_status status = plumb_manifest_open(a->path, a->prover.trust, &options, &m, err);
    const uint32_t number = status == PLUMB_OK ? plumb_manifest_find(m, a->id) : PLUMB_NO_RECORD;
    if (number != PLUMB_NO_RECORD) status = plumb_manifest_record(m, number, record, err);
    record->id = NULL; /* it goes with the manifest */
    plumb_manifest_free(m);
    return status;
}

static bool has_withdrawals(const char *path)
{
    char file[4200];
    const size_t n = strlen(path), end = strlen(".plumb.json");
    if (n <= end || n > 4096) return false;
    snprintf(file, sizeof file, "%.*s.withdrawals", (int)(n - end), path);
    return access(file, F_OK) == 0;
}

static void remark(const arguments *a, const plumb_prover *prover, uint64_t index)
{
    plumb_error err = {0};
    plumb_manifest_info info;
    plumb_record record;
    int64_t since_s = 0;
    plumb_record_default(&record);
    plumb_manifest_describe(plumb_prover_manifest(prover), &info);
    plumb__cli_remark_version(a->trust, a->path, a->prover.trust, &info);
    if (withdrawn_itself(prover, index, &since_s)) {
        remark_withdrawn(a, since_s);
    } else if (has_withdrawals(a->path)) {
        if (withdrawn_later(a, &info, &record, &err) != PLUMB_OK)
            plumb__cli_say("plumb: remark: %s", err.message);
        else if (record.withdrawn)
            remark_withdrawn(a, record.withdrawn_s);
    }
}

static plumb_status prove(const arguments *a, plumb_prover *prover, bool *found, plumb_error *err)
{
    char *text = NULL;
    size_t n = 0;
    uint64_t index = 0;
    plumb_status status = plumb_prover_prove(prover, a->id, &text, &n, &index, err);
    *found = text != NULL;
    const char *made = plumb_prover_tiles_made(prover);
    if (status == PLUMB_OK && made[0] != '\0')
        plumb__cli_say("plumb: made the tile store: %s", made);
    if (status == PLUMB_OK && text != NULL && plumb__cli.json && a->out == NULL)
        print_json(a, text, index, plumb_prover_records(prover));
    else if (status == PLUMB_OK && text != NULL)
        status = write_proof(a, text, n, err);
    if (status == PLUMB_OK && text != NULL && a->out != NULL)
        plumb__cli_say("wrote %s: record %" PRIu64 " of %" PRIu64, a->out, index + 1,
                       plumb_prover_records(prover));
    if (status == PLUMB_OK && text != NULL) remark(a, prover, index);
    plumb_text_free(text);
    return status;
}

int plumb__manifest_verb_prove(int argc, char **argv)
{
    static const struct option options[] = {
        {"trust", required_argument, NULL, 'T'},    {"untrusted", no_argument, NULL, 'u'},
        {"id", required_argument, NULL, 'i'},       {"out", required_argument, NULL, 'o'},
        {"records", required_argument, NULL, 'r'},  {"tiles", required_argument, NULL, 't'},
        {"without-record", no_argument, NULL, 'w'}, PLUMB__CLI_LONG_OPTIONS};
    arguments a = {.verb = "manifest prove"};
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    plumb_prover *prover = NULL;
    bool found = false;
    plumb_prover_options_default(&a.prover);
    const int wrong = parse(argc, argv, options, &a);
    if (wrong != 0) return wrong;
    if (a.help) return plumb__cli_help(prove_help);
    if (a.id == NULL) return plumb__cli_usage(a.verb, "manifest prove wants --id");
    plumb_status status = open_prover(&a, &trust, &prover, &err);
    if (status == PLUMB_OK) status = prove(&a, prover, &found, &err);
    plumb_prover_free(prover);
    plumb_trust_free(trust);
    if (status != PLUMB_OK) {
        (void)plumb__cli_fail(&err);
        return plumb__cli_verdict(status);
    }
    if (found) return plumb__cli_done(PLUMB__EXIT_OK);
    fprintf(stderr, "%s: %s: has no record \"", plumb__cli_name(), a.path);
    fprintf(stderr, "%s\"\n", a.id);
    return PLUMB__EXIT_NO;
}

int plumb__manifest_verb_index(int argc, char **argv)
{
    static const struct option options[] = {{"trust", required_argument, NULL, 'T'},
                                            {"untrusted", no_argument, NULL, 'u'},
                                            {"records", required_argument, NULL, 'r'},
                                            {"tiles", required_argument, NULL, 't'},
                                            PLUMB__CLI_LONG_OPTIONS};
    arguments a = {.verb = "manifest index"};
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    plumb_prover *prover = NULL;
    plumb_prover_options_default(&a.prover);
    a.prover.rebuild = true;
    const int wrong = parse(argc, argv, options, &a);
    if (wrong != 0) return wrong;
    if (a.help) return plumb__cli_help(index_help);
    const plumb_status status = open_prover(&a, &trust, &prover, &err);
    if (status == PLUMB_OK)
        plumb__cli_say("wrote the tile store of %" PRIu64 " records", plumb_prover_records(prover));
    plumb_prover_free(prover);
    plumb_trust_free(trust);
    if (status == PLUMB_OK) return plumb__cli_done(PLUMB__EXIT_OK);
    (void)plumb__cli_fail(&err);
    return plumb__cli_verdict(status);
}
