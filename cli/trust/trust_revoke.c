/* plumb trust revoke */
#include "cli/impact/impact.h"
#include "cli/trust/trust_verbs.h"

#include <string.h>

static const char help_text[] =
    "usage: plumb trust revoke STORE --root ROOT.key --vendor V --name N\n"
    "                          --reason retired|compromised [--at TIME] [--passphrase-file F]\n"
    "\n"
    "Says that a key counts no longer. retired: for nothing from TIME on (now, if not given).\n"
    "compromised: for nothing at all, except manifests that a witness cosigned before TIME; and\n"
    "what this machine has seen signed by it alone no longer keeps older versions out. Says at "
    "once\n"
    "which runs started here used a manifest signed by the key, and what they learned from it: as\n"
    "plumb impact RUN --all. With --json that is all it prints.\n"
    "\n"
    "example: plumb trust revoke trust.json --root keys/root.key --vendor acme --name acme-1 \\\n"
    "             --reason compromised --at 2026-11-20T08:00:00Z\n";

/* ---- which runs are touched ---- */

static bool find_key(const plumb__trust_arguments *args, plumb_public_key *out)
{
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    bool found = false;
    if (plumb_trust_open(args->store, &trust, &err) != PLUMB_OK) return false;
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        const plumb_trust_key *k = plumb_trust_key_at(trust, i);
        if (strcmp(k->vendor, args->vendor) != 0 || strcmp(k->name, args->name) != 0) continue;
        *out = k->key;
        found = true;
    }
    plumb_trust_free(trust);
    return found;
}

/* The store stands written: a run that cannot be asked is part of the answer, not a failure. */
static int report(const plumb__trust_arguments *args)
{
    plumb_public_key key;
    char keyid[PLUMB_KEYID_TEXT_BYTES];
    if (plumb__cli.quiet || !find_key(args, &key)) return PLUMB__EXIT_OK;
    plumb_public_key_id(&key, keyid);
    const plumb__impact_request request = {.keyid = keyid};
    json_t *runs = plumb__impact_ask(&request);
    if (plumb__cli.json) {
        plumb__cli_print_json(json_pack("{s:s,s:O}", "keyid", keyid, "runs", runs));
    } else if (json_array_size(runs) > 0) {
        puts("\nruns started here with a manifest signed by this key:");
        plumb__impact_print(runs);
    } else {
        puts("\nno run started here used a manifest signed by this key");
    }
    json_decref(runs);
    return plumb__cli_done(PLUMB__EXIT_OK);
}

/* ---- the verb ---- */

static plumb_status revoke(const plumb__trust_arguments *args, const plumb__trust_keys *keys,
                           plumb_trust_change *change, plumb_error *err)
{
    (void)keys;
    return plumb_trust_revoke(args->store, change, args->vendor, args->name, args->reason,
                              args->at_s, err);
}

int plumb__trust_verb_revoke(int argc, char **argv)
{
    plumb__trust_arguments args;
    plumb__trust_keys keys;
    plumb_error err = {0};
    int code = plumb__trust_arguments_read("revoke", "rpvnea", argc, argv, &args);
    if (code != 0) return code;
    if (args.help) return plumb__cli_help(help_text);
    if (args.vendor == NULL || args.name == NULL || args.reason == NULL) {
        return plumb__cli_usage("trust revoke", "trust revoke wants --vendor, --name and --reason");
    }
    if (strcmp(args.reason, "retired") != 0 && strcmp(args.reason, "compromised") != 0) {
        return plumb__cli_usage("trust revoke", "--reason must be retired or compromised");
    }
    if (args.roots.n == 0) return plumb__cli_usage("trust revoke", "--root is missing");
    const bool quiet = plumb__cli.quiet;
    plumb__cli.quiet = quiet || plumb__cli.json; /* as JSON, the answer is the runs */
    const plumb_status status = plumb__trust_keys_open(&args, NULL, &args.roots, &keys, &err);
    code = status == PLUMB_OK ? plumb__trust_apply(&args, &keys, revoke) : plumb__cli_fail(&err);
    plumb__trust_keys_free(&keys);
    plumb__cli.quiet = quiet;
    return code == PLUMB__EXIT_OK ? report(&args) : code;
}
