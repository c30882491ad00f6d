/* plumb key new|show|export|import */
#include "cli/commands.h"

#include <string.h>

static const char help_text[] =
    "usage: plumb key new NAME [--passphrase-file F]     make NAME.key and NAME.pub\n"
    "       plumb key show FILE                          id and public half of a .key or .pub\n"
    "       plumb key export FILE [--secret] [--passphrase-file F]\n"
    "                                                    PEM: SPKI, or with --secret PKCS#8\n"
    "       plumb key import MINISIGN.pub --out NAME.pub  a public key of minisign, to verify "
    "with\n"
    "\n"
    "NAME.key is encrypted under the passphrase (Argon2id over 256 MiB, XChaCha20-Poly1305); "
    "NAME.pub\n"
    "is a public key that OpenSSL reads. --passphrase-file takes the first line of F, which may "
    "be\n"
    "/dev/fd/N; without it the terminal is asked.\n"
    "\n"
    "example: plumb key new keys/operator && plumb key show keys/operator.pub\n";

typedef struct key_arguments {
    const char *target, *passphrase_file, *out;
    bool secret, help;
} key_arguments;

/* 0, or the exit code of a wrong usage. */
static int parse(int argc, char **argv, key_arguments *out)
{
    enum { OPT_PASSPHRASE = PLUMB__OPT_OWN, OPT_SECRET, OPT_OUT };
    static const struct option options[] = {
        {"passphrase-file", required_argument, NULL, OPT_PASSPHRASE},
        {"secret", no_argument, NULL, OPT_SECRET},
        {"out", required_argument, NULL, OPT_OUT},
        PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("key", argc, argv, ":h", options)) != -1) {
        if (option == 'h') {
            out->help = true;
        } else if (option == OPT_PASSPHRASE) {
            out->passphrase_file = optarg;
        } else if (option == OPT_SECRET) {
            out->secret = true;
        } else if (option == OPT_OUT) {
            out->out = optarg;
        } else if (!plumb__cli_take(option, optarg)) {
            return PLUMB__EXIT_USAGE;
        }
    }
    if (out->help) return 0;
    if (argc - optind != 2)
        return plumb__cli_usage("key", "key wants new, show, export or import and one name");
    out->target = argv[optind + 1];
    return 0;
}

static int print_public(const char *path, const plumb_public_key *key)
{
    char pem[160], keyid[PLUMB_KEYID_TEXT_BYTES];
    plumb_error err = {0};
    if (plumb_public_key_pem(key, pem, sizeof pem, &err) != PLUMB_OK) return plumb__cli_fail(&err);
    plumb_public_key_id(key, keyid);
    if (plumb__cli.json) {
        plumb__cli_print_json(
            json_pack("{s:s,s:s,s:s}", "file", path, "keyid", keyid, "public_key", pem));
    } else {
        printf("%s\nkeyid %s\n%s", path, keyid, pem);
    }
    return plumb__cli_done(PLUMB__EXIT_OK);
}

static int run_new(const key_arguments *args)
{
    char path[4200], *passphrase = NULL;
    size_t n = 0;
    plumb_error err = {0};
    plumb_public_key key;
    plumb_status status = plumb__cli_passphrase(
        args->passphrase_file, "Passphrase of the new key: ", true, &passphrase, &n, &err);
    if (status == PLUMB_OK) status = plumb_key_new(args->target, passphrase, n, &err);
    plumb_key_text_free(passphrase);
    if (status == PLUMB_OK) {
        snprintf(path, sizeof path, "%s.pub", args->target);
        status = plumb_public_key_read(path, &key, &err);
    }
    if (status != PLUMB_OK) return plumb__cli_fail(&err);
    plumb__cli_say("wrote %s.key (secret, encrypted) and %s.pub", args->target, args->target);
    return print_public(path, &key);
}

/* A .pub file, or the authenticated header of a .key file. */
static plumb_status read_public(const char *path, plumb_public_key *key, plumb_error *err)
{
    const size_t n = strlen(path);
    if (n > 4 && strcmp(path + n - 4, ".pub") == 0) return plumb_public_key_read(path, key, err);
    return plumb_key_file_public(path, key, err);
}

static int export_secret(const key_arguments *args)
{
    plumb_error err = {0};
    plumb_secret_key *key = NULL;
    char *text = NULL;
    plumb_status status = plumb__cli_open_key(args->target, args->passphrase_file, &key, &err);
    if (status == PLUMB_OK) status = plumb_key_export_secret(key, &text, &err);
    if (status == PLUMB_OK) fputs(text, stdout);
    plumb_key_text_free(text);
    plumb_key_free(key);
    return status == PLUMB_OK ? plumb__cli_done(PLUMB__EXIT_OK) : plumb__cli_fail(&err);
}

static int run_show(const key_arguments *args, bool only_pem)
{
    plumb_error err = {0};
    plumb_public_key key;
    char pem[160];
    if (read_public(args->target, &key, &err) != PLUMB_OK) return plumb__cli_fail(&err);
    if (!only_pem) return print_public(args->target, &key);
    if (plumb_public_key_pem(&key, pem, sizeof pem, &err) != PLUMB_OK) return plumb__cli_fail(&err);
    fputs(pem, stdout);
    return plumb__cli_done(PLUMB__EXIT_OK);
}

static int run_import(const key_arguments *args)
{
    plumb_error err = {0};
    plumb_public_key key;
    if (args->out == NULL) return plumb__cli_usage("key", "key import wants --out NAME.pub");
    plumb_status status = plumb_public_key_import_minisign(args->target, &key, &err);
    if (status == PLUMB_OK) status = plumb_public_key_save(args->out, &key, &err);
    return status == PLUMB_OK ? print_public(args->out, &key) : plumb__cli_fail(&err);
}

int plumb__cmd_key(int argc, char **argv)
{
    key_arguments args = {0};
    const int wrong = parse(argc, argv, &args);
    if (wrong != 0) return wrong;
    if (args.help) return plumb__cli_help(help_text);
    const char *verb = argv[optind];
    if (strcmp(verb, "new") == 0) return run_new(&args);
    if (strcmp(verb, "show") == 0) return run_show(&args, false);
    if (strcmp(verb, "export") == 0)
        return args.secret ? export_secret(&args) : run_show(&args, true);
    if (strcmp(verb, "import") == 0) return run_import(&args);
    return plumb__cli_usage("key", "there is no \"key %s\"", verb);
}
