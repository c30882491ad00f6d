/* plumb trust rotate, renew, sign: other roots, another expiry, one more root signature */
#include "cli/trust/trust_verbs.h"

#include <string.h>

static const char rotate_help[] =
    "usage: plumb trust rotate STORE --root OLD.key [--root …] --new-root NEW.key [--new-root …]\n"
    "                          [--threshold N] [--passphrase-file F]\n"
    "\n"
    "Replaces the root keys by those of --new-root (name every root that shall remain, too), of\n"
    "which N must sign from then on (1). Both the old and the new threshold must sign this "
    "version;\n"
    "a root given as NAME.pub signs elsewhere, with plumb trust sign. The file keeps what proves\n"
    "the change: whoever knows the first root fingerprint follows it.\n"
    "\n"
    "example: plumb trust rotate trust.json --root keys/root.key --new-root keys/root-2.key\n";

static const char renew_help[] =
    "usage: plumb trust renew STORE --root ROOT.key --until DATE|never [--passphrase-file F]\n"
    "\n"
    "Makes a version that is the same but for the time it expires.\n"
    "\n"
    "example: plumb trust renew trust.json --root keys/root.key --until 2027-12-31\n";

static const char sign_help[] =
    "usage: plumb trust sign STORE.next --root ROOT.key [--root …] [--passphrase-file F]\n"
    "\n"
    "Adds root signatures to a store that waits for them. When it has enough it takes STORE's\n"
    "place. Look at it first: plumb trust show STORE.next.\n"
    "\n"
    "example: plumb trust sign trust.json.next --root keys/root-b.key\n";

static plumb_status rotate(const plumb__trust_arguments *args, const plumb__trust_keys *keys,
                           plumb_trust_change *change, plumb_error *err)
{
    const plumb_trust_roots roots = {.keys = keys->roots,
                                     .n = keys->n_roots,
                                     .threshold = args->threshold != 0 ? args->threshold : 1};
    return plumb_trust_rotate(args->store, change, &roots, err);
}

int plumb__trust_verb_rotate(int argc, char **argv)
{
    plumb__trust_arguments args;
    plumb__trust_keys keys;
    plumb_error err = {0};
    int code = plumb__trust_arguments_read("rotate", "rpwt", argc, argv, &args);
    if (code != 0) return code;
    if (args.help) return plumb__cli_help(rotate_help);
    if (args.new_roots.n == 0 || args.roots.n + args.new_roots.n == 0) {
        return plumb__cli_usage("trust rotate", "trust rotate wants --root and --new-root");
    }
    const plumb_status status =
        plumb__trust_keys_open(&args, &args.new_roots, &args.roots, &keys, &err);
    code = status == PLUMB_OK ? plumb__trust_apply(&args, &keys, rotate) : plumb__cli_fail(&err);
    plumb__trust_keys_free(&keys);
    return code;
}

static plumb_status renew(const plumb__trust_arguments *args, const plumb__trust_keys *keys,
                          plumb_trust_change *change, plumb_error *err)
{
    (void)keys;
    return plumb_trust_renew(args->store, change, args->until_s, err);
}

static plumb_status sign(const plumb__trust_arguments *args, const plumb__trust_keys *keys,
                         plumb_trust_change *change, plumb_error *err)
{
    (void)keys;
    return plumb_trust_sign(args->store, change, err);
}

static int with_roots(const plumb__trust_arguments *args, plumb__trust_act *act)
{
    plumb__trust_keys keys;
    plumb_error err = {0};
    char command[40];
    snprintf(command, sizeof command, "trust %s", args->verb);
    if (args->roots.n == 0) return plumb__cli_usage(command, "--root is missing");
    const plumb_status status = plumb__trust_keys_open(args, NULL, &args->roots, &keys, &err);
    const int code =
        status == PLUMB_OK ? plumb__trust_apply(args, &keys, act) : plumb__cli_fail(&err);
    plumb__trust_keys_free(&keys);
    return code;
}

int plumb__trust_verb_renew(int argc, char **argv)
{
    plumb__trust_arguments args;
    int code = plumb__trust_arguments_read("renew", "rpu", argc, argv, &args);
    if (code != 0) return code;
    if (args.help) return plumb__cli_help(renew_help);
    if (args.until_s == 0 && !args.never) {
        return plumb__cli_usage("trust renew", "trust renew wants --until DATE, or --until never");
    }
    code = plumb__trust_check_until(&args);
    return code == 0 ? with_roots(&args, renew) : code;
}

int plumb__trust_verb_sign(int argc, char **argv)
{
    plumb__trust_arguments args;
    const int code = plumb__trust_arguments_read("sign", "rp", argc, argv, &args);
    if (code != 0) return code;
    return args.help ? plumb__cli_help(sign_help) : with_roots(&args, sign);
}
