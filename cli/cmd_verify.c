/* plumb verify PATH: whatever it is */
#include "cli/verify/verify_forms.h"
#include "manifest/plumb_manifest.h"

#include <string.h>
#include <sys/stat.h>

static const char help_text[] =
    "usage: plumb verify PATH (--trust trust.json | --untrusted) [--full] [--step N]\n"
    "                    [--require closed] [--manifest NAME.plumb.json] [--record LINE-FILE]\n"
    "                    [--remember]\n"
    "\n"
    "PATH is a run bundle, a signed manifest (NAME.plumb.json), a proof about one record\n"
    "(.tlog-proof), a receipt, a manifest's NAME.checkpoint, or a checkpoint inside a bundle. Of "
    "a\n"
    "run it checks who signed it, every file, every recorded step against the signed head, "
    "policy and\n"
    "manifest, the checkpoints, and recomputes masks and limits: of 32 steps spread over the "
    "run, of\n"
    "step N alone, or with --full of all steps, with run ledger, reference scales and index.\n"
    "Nothing on disk changes. An open run holds as far as it goes; --require closed makes that a "
    "no.\n"
    "--manifest is for records that are too large for the bundle, --record for a proof that does "
    "not\n"
    "carry its record. --untrusted: the signer is not checked.\n"
    "--remember notes store, version and withdrawals of a manifest that holds (--state), so that\n"
    "older ones are refused from then on.\n"
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
    case 'R': out->record = optarg; return 0;
    case 'n': out->remember = true; return 0;
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
                                            {"record", required_argument, NULL, 'R'},
                                            {"remember", no_argument, NULL, 'n'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("verify", argc, argv, ":h", options)) != -1) {
        const int code = take_option(option, out);
        if (code != 0) return code;
    }
    if (out->help) return 0;
    if (argc - optind != 1) return plumb__cli_usage("verify", "verify wants one path");
    if ((out->trust == NULL) != out->untrusted)
        return plumb__cli_usage("verify", "verify wants --trust FILE, or --untrusted");
    if (out->remember && out->untrusted)
        return plumb__cli_usage("verify", "--remember wants --trust");
    out->path = argv[optind];
    return 0;
}

/* ---- which form it is --------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_run(const plumb__verify_arguments *a, const plumb__verify_seen *seen)
{
    (void)a;
    return seen->is_directory;
}

static int verify_bundle(const plumb__verify_arguments *a)
{
    return plumb__verify_run(a, a->path, NULL);
}

static bool is_proof(const plumb__verify_arguments *a, const plumb__verify_seen *seen)
{
    static const char first[] = "c2sp.org/tlog-proof@";
    return strncmp(seen->head, first, sizeof first - 1) == 0 || ends_with(a->path, ".tlog-proof");
}

static bool is_note(const plumb__verify_arguments *a, const plumb__verify_seen *seen)
{
    (void)seen;
    return ends_with(a->path, ".checkpoint");
}

static bool is_receipt(const plumb__verify_arguments *a, const plumb__verify_seen *seen)
{
    (void)seen;
    return ends_with(a->path, ".receipt.json");
}

/* By name, so that a damaged one gets its own messages. */
static bool is_manifest(const plumb__verify_arguments *a, const plumb__verify_seen *seen)
{
    (void)seen;
    return ends_with(a->path, ".plumb.json");
}

static bool is_store(const plumb__verify_arguments *a, const plumb__verify_seen *seen)
{
    plumb_trust *trust = NULL;
    plumb_error err = {0};
    if (seen->head[0] != '{' || plumb_trust_open_pending(a->path, &trust, &err) != PLUMB_OK)
        return false;
    plumb_trust_free(trust);
    return true;
}

static int refuse_store(const plumb__verify_arguments *a)
{
    return plumb__cli_usage(
        "verify", "%s is a trust store; plumb trust show %s checks and shows it", a->path, a->path);
}

static bool is_withdrawals(const plumb__verify_arguments *a, const plumb__verify_seen *seen)
{
    return ends_with(a->path, ".withdrawals") ||
           strcmp(seen->predicate_type, "urn:plumbline:statement:withdrawal:v1") == 0;
}

/* Withdrawals are about the records of a manifest, and are checked with it. */
static int refuse_withdrawals(const plumb__verify_arguments *a)
{
    static const char end[] = ".withdrawals";
    const bool named = ends_with(a->path, end);
    const size_t n = strlen(a->path) - (named ? sizeof end - 1 : 0);
    return plumb__cli_usage("verify",
                            "%s holds withdrawals, which are checked with the manifest beside "
                            "them: plumb verify %.*s.plumb.json",
                            a->path, named ? (int)n : 4, named ? a->path : "NAME");
}

static bool in_checkpoints(const char *path)
{
    static const char folder[] = "checkpoints/";
    const char *slash = strrchr(path, '/');
    const size_t n = sizeof folder - 1, at = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    return at >= n && strncmp(path + at - n, folder, n) == 0 &&
           (at == n || path[at - n - 1] == '/');
}

static bool is_run_checkpoint(const plumb__verify_arguments *a, const plumb__verify_seen *seen)
{
    (void)seen;
    return in_checkpoints(a->path);
}

static int refuse_other(const plumb__verify_arguments *a)
{
    return plumb__cli_usage("verify",
                            "%s is none of what verify knows: a run's folder, NAME.plumb.json, "
                            "NAME.checkpoint, X.tlog-proof, X.receipt.json, or a checkpoint in a "
                            "run's checkpoints/",
                            a->path);
}

static bool is_other(const plumb__verify_arguments *a, const plumb__verify_seen *seen)
{
    (void)a, (void)seen;
    return true;
}

/* The first line that recognises the path, or that names the predicateType of its statement, has
 * it. To add a form: its line here, its function in verify_forms.h, its file verify_NAME.c. */
static const struct form {
    const char *predicate_type; /* NULL: recognised by the function */
    bool (*recognises)(const plumb__verify_arguments *a, const plumb__verify_seen *seen);
    int (*verify)(const plumb__verify_arguments *a);
} forms[] = {
    {NULL, is_run, verify_bundle},
    {NULL, is_manifest, plumb__verify_manifest},
    {NULL, is_proof, plumb__verify_proof},
    {NULL, is_note, plumb__verify_note},
    {"urn:plumbline:statement:receipt:v1", NULL, plumb__verify_receipt},
    {NULL, is_receipt, plumb__verify_receipt},
    {NULL, is_run_checkpoint, plumb__verify_run_checkpoint},
    {NULL, is_store, refuse_store},
    {NULL, is_withdrawals, refuse_withdrawals},
    {NULL, is_other, refuse_other},
};

static bool recognises(const struct form *form, const plumb__verify_arguments *a,
                       const plumb__verify_seen *seen)
{
    if (form->predicate_type == NULL) return form->recognises(a, seen);
    return strcmp(form->predicate_type, seen->predicate_type) == 0;
}

/* 0, or the exit code when the path cannot be looked at. */
static int look(const char *path, plumb__verify_seen *seen)
{
    static const char envelope[] = "{\"payload\":\"";
    struct stat info;
    plumb_error err = {0};
    if (stat(path, &info) != 0) {
        fprintf(stderr, "%s: %s: cannot be found\n", plumb__cli_name(), path);
        return PLUMB__EXIT_IO;
    }
    seen->is_directory = S_ISDIR(info.st_mode);
    FILE *file = S_ISREG(info.st_mode) ? fopen(path, "rb") : NULL;
    if (file == NULL) return 0; /* whoever takes it says why it cannot be read */
    seen->head[fread(seen->head, 1, sizeof seen->head - 1, file)] = '\0';
    fclose(file);
    if (strncmp(seen->head, envelope, sizeof envelope - 1) == 0 &&
        plumb_statement_type(path, seen->predicate_type, sizeof seen->predicate_type, &err) !=
            PLUMB_OK) {
        seen->predicate_type[0] = '\0';
    }
    return 0;
}

int plumb__cmd_verify(int argc, char **argv)
{
    plumb__verify_arguments a = {0};
    plumb__verify_seen seen = {0};
    int code = parse(argc, argv, &a);
    if (code != 0) return code;
    if (a.help) return plumb__cli_help(help_text);
    code = look(a.path, &seen);
    if (code != 0) return code;
    size_t i = 0;
    while (!recognises(&forms[i], &a, &seen))
        i++;
    if (a.remember && forms[i].verify != plumb__verify_manifest)
        return plumb__cli_usage("verify", "--remember is for a manifest");
    return forms[i].verify(&a);
}
