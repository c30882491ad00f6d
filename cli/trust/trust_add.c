/* plumb trust add */
#include "cli/trust/trust_verbs.h"

#include <string.h>

static const char help_text[] =
    "usage: plumb trust add STORE --root ROOT.key --vendor V --key X.pub --name N --role R[,R]\n"
    "                       [--from DATE] [--until DATE] [--threshold N] [--passphrase-file F]\n"
    "\n"
    "Adds a key of a vendor. Roles: quality-attestation (signs manifests), operator (runs),\n"
    "reviewer, director, auditor, witness. --threshold N: so many keys of the vendor must sign in\n"
    "these roles. --root may be repeated; while root signatures are missing, STORE.next waits for\n"
    "plumb trust sign. DATE: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ.\n"
    "\n"
    "example: plumb trust add trust.json --root keys/root.key --vendor acme --key keys/acme.pub "
    "\\\n"
    "             --name acme-1 --role quality-attestation\n";

/* "a,b" into bits; false when one is unknown. */
static bool parse_roles(const char *text, uint32_t *roles)
{
    while (true) {
        char name[32];
        const size_t n = strcspn(text, ",");
        plumb_role role;
        if (n >= sizeof name) return false;
        memcpy(name, text, n);
        name[n] = '\0';
        if (!plumb_role_parse(name, &role)) return false;
        *roles |= 1u << role;
        if (text[n] == '\0') return true;
        text += n + 1;
    }
}

static plumb_status add(const plumb__trust_arguments *args, const plumb__trust_keys *keys,
                        plumb_trust_change *change, plumb_error *err)
{
    plumb_trust_addition addition;
    plumb_trust_addition_default(&addition);
    (void)keys;
    addition.vendor = args->vendor;
    addition.name = args->name;
    addition.valid_from = args->from_s;
    addition.valid_until = args->until_s;
    addition.threshold = args->threshold;
    (void)parse_roles(args->roles, &addition.roles); /* was checked */
    const plumb_status status = plumb_public_key_read(args->key, &addition.key, err);
    return status == PLUMB_OK ? plumb_trust_extend(args->store, change, &addition, err) : status;
}

int plumb__trust_verb_add(int argc, char **argv)
{
    plumb__trust_arguments args;
    plumb__trust_keys keys;
    plumb_error err = {0};
    uint32_t roles = 0;
    int code = plumb__trust_arguments_read("add", "rpvknRfut", argc, argv, &args);
    if (code != 0) return code;
    if (args.help) return plumb__cli_help(help_text);
    if (args.vendor == NULL || args.name == NULL || args.key == NULL || args.roles == NULL) {
        return plumb__cli_usage("trust add", "trust add wants --vendor, --key, --name and --role");
    }
    if (!parse_roles(args.roles, &roles)) {
        return plumb__cli_usage("trust add", "--role has an unknown role: %s", args.roles);
    }
    if (args.roots.n == 0) return plumb__cli_usage("trust add", "--root is missing");
    const plumb_status status = plumb__trust_keys_open(&args, NULL, &args.roots, &keys, &err);
    code = status == PLUMB_OK ? plumb__trust_apply(&args, &keys, add) : plumb__cli_fail(&err);
    plumb__trust_keys_free(&keys);
    return code;
}
