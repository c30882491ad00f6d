/* plumb trust init */
#include "cli/trust/trust_verbs.h"

static const char help_text[] =
    "usage: plumb trust init STORE --root ROOT.key [--root …] [--threshold N] [--until DATE]\n"
    "                        [--passphrase-file F]\n"
    "\n"
    "Makes version 1 of a trust store. Its root keys sign it and every later version; --threshold\n"
    "N: so many of them must (1). A root that is given as NAME.pub belongs to the roots and signs\n"
    "elsewhere: then STORE.next waits for plumb trust sign. --passphrase-file may be repeated, "
    "one\n"
    "for each key. Keep root keys off the machines that train.\n"
    "\n"
    "example: plumb trust init trust.json --root keys/root.key\n";

static plumb_status make(const plumb__trust_arguments *args, const plumb__trust_keys *keys,
                         plumb_trust_change *change, plumb_error *err)
{
    const plumb_trust_roots roots = {.keys = keys->roots,
                                     .n = keys->n_roots,
                                     .threshold = args->threshold != 0 ? args->threshold : 1};
    return plumb_trust_create(args->store, change, &roots, args->until_s, err);
}

int plumb__trust_verb_init(int argc, char **argv)
{
    plumb__trust_arguments args;
    plumb__trust_keys keys;
    plumb_error err = {0};
    int code = plumb__trust_arguments_read("init", "rput", argc, argv, &args);
    if (code != 0) return code;
    if (args.help) return plumb__cli_help(help_text);
    if (args.roots.n == 0) return plumb__cli_usage("trust init", "--root is missing");
    code = plumb__trust_check_until(&args);
    if (code != 0) return code;
    const plumb_status status = plumb__trust_keys_open(&args, &args.roots, NULL, &keys, &err);
    code = status == PLUMB_OK ? plumb__trust_apply(&args, &keys, make) : plumb__cli_fail(&err);
    plumb__trust_keys_free(&keys);
    return code;
}
