/* plumb trust show and pin: what a store says, and what this machine has seen of it */
#include "cli/trust/trust_verbs.h"

#include <string.h>
#include <time.h>

static const char show_help[] =
    "usage: plumb trust show STORE [--state DIR]\n"
    "\n"
    "Lists roots, keys with their roles and state, thresholds, and the versions that this machine\n"
    "has seen. Compare the root fingerprint with one that you got another way.\n"
    "\n"
    "example: plumb trust show trust.json\n";

static const char pin_help[] =
    "usage: plumb trust pin STORE --fingerprint HEX [--state DIR]\n"
    "\n"
    "Remembers a store that reached you, if its first roots are those of the fingerprint that you\n"
    "got another way. From then on older versions and other histories of it are refused. Without\n"
    "this the first run remembers what it was given.\n"
    "\n"
    "example: plumb trust pin trust.json --fingerprint 04139ccb7976cd7e…\n";

static const char *date_or(int64_t unix_s, const char *otherwise, char buffer[21])
{
    if (unix_s == 0) return otherwise;
    plumb__cli_format_time(unix_s, buffer);
    return buffer;
}

static void print_roles(const plumb_trust *trust, const plumb_trust_key *k)
{
    const char *separator = "";
    for (unsigned r = 0; r <= PLUMB_ROLE_WITNESS; r++) {
        if ((k->roles & (1u << r)) == 0) continue;
        printf("%s%s", separator, plumb_role_name((plumb_role)r));
        const uint32_t threshold = plumb_trust_threshold(trust, k->vendor, (plumb_role)r);
        if (threshold > 1) printf(" (%u must sign)", threshold);
        separator = ", ";
    }
    putchar('\n');
}

/* In a word, by this machine's clock. */
static const char *state_word(const plumb_trust *trust, const plumb_trust_key *k)
{
    const int64_t now_s = (int64_t)time(NULL);
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) { /* under any name: one thief */
        const plumb_trust_key *same = plumb_trust_key_at(trust, i);
        if (same->revoked_at == 0 || strcmp(same->revoked_reason, "compromised") != 0) continue;
        if (memcmp(&same->key, &k->key, sizeof k->key) == 0) return "void";
    }
    if (k->revoked_at != 0 && now_s >= k->revoked_at) return "revoked";
    if (k->valid_from != 0 && now_s < k->valid_from) return "not valid yet";
    if (k->valid_until != 0 && now_s >= k->valid_until) return "expired";
    return "valid";
}

static void print_key(const plumb_trust *trust, const plumb_trust_key *k)
{
    char keyid[PLUMB_KEYID_TEXT_BYTES], a[21], b[21];
    plumb_public_key_id(&k->key, keyid);
    printf("\nvendor %s, key %s: %s\n  keyid %s\n  roles ", k->vendor, k->name,
           state_word(trust, k), keyid);
    print_roles(trust, k);
    printf("  valid from %s until %s\n", date_or(k->valid_from, "always", a),
           date_or(k->valid_until, "further notice", b));
    if (k->revoked_at != 0) {
        printf("  revoked %s: %s\n", date_or(k->revoked_at, "", a), k->revoked_reason);
    }
    if (k->retired_at != 0) printf("  revoked %s: retired\n", date_or(k->retired_at, "", a));
}

static void print_roots(const char *path, const plumb_trust *trust)
{
    char a[21];
    const uint32_t rotations = plumb_trust_rotations(trust);
    printf("%s: version %llu, expires %s\nroot fingerprint %s\n", path,
           (unsigned long long)plumb_trust_version(trust),
           date_or(plumb_trust_expires(trust), "never", a), plumb_trust_root_fingerprint(trust));
    if (rotations > 0) {
        printf("present roots    %s (after %u %s)\n", plumb_trust_current_fingerprint(trust),
               rotations, rotations == 1 ? "rotation" : "rotations");
    }
    plumb_trust_root_state roots;
    plumb_trust_root_signatures(trust, &roots);
    printf("root keys        %u, of which %u must sign\n", roots.keys, roots.threshold);
    if (roots.missing > 0) {
        printf("PENDING          %u root signatures are missing: this store counts for nothing "
               "yet\n",
               roots.missing);
    }
}

/* "  acme/tags: version 2, …", of each manifest that was seen under these roots. */
static plumb_status print_seen_manifests(const plumb_state *state, const plumb_trust *trust,
                                         plumb_error *err)
{
    char *text = NULL;
    const plumb_status status = plumb_state_json(state, trust, &text, err);
    if (status != PLUMB_OK) return status;
    json_t *pins = json_loads(text, 0, NULL), *entries;
    const char *name;
    json_object_foreach(json_object_get(pins, "manifests"), name, entries)
    {
        char vendor[128];
        const char *slash = strchr(name, '/');
        if (slash == NULL) continue;
        snprintf(vendor, sizeof vendor, "%.*s", (int)(slash - name), name);
        const uint64_t version = plumb_state_manifest_version(state, trust, vendor, slash + 1);
        fputs("                 ", stdout);
        plumb__cli_print_text(name, 0);
        if (version > 0) printf(" up to version %llu\n", (unsigned long long)version);
        if (version == 0) puts(" signed by compromised keys only: counts as never seen");
    }
    json_decref(pins);
    plumb_text_free(text);
    return PLUMB_OK;
}

static plumb_status print_seen(const plumb_trust *trust, plumb_error *err)
{
    plumb_state *state = NULL;
    const plumb_status status = plumb_state_open(plumb__cli.state, &state, err);
    if (status != PLUMB_OK) return status;
    const uint64_t version = plumb_state_trust_version(state, trust);
    if (version > 0) {
        printf("seen here        up to version %llu (", (unsigned long long)version);
        plumb__cli_print_text(plumb_state_dir(state), 0);
        puts(")");
    } else {
        puts("seen here        never");
    }
    const plumb_status listed = print_seen_manifests(state, trust, err);
    plumb_state_free(state);
    return listed;
}

static plumb_status print_json(const plumb_trust *trust, plumb_error *err)
{
    char *text = NULL, *seen = NULL;
    plumb_state *state = NULL;
    plumb_status status = plumb_state_open(plumb__cli.state, &state, err);
    if (status == PLUMB_OK) status = plumb_trust_json(trust, &text, err);
    if (status == PLUMB_OK) status = plumb_state_json(state, trust, &seen, err);
    if (status == PLUMB_OK) {
        json_t *out = json_loads(text, 0, NULL);
        json_object_set_new(out, "seen", json_loads(seen, 0, NULL));
        plumb__cli_print_json(out);
    }
    plumb_text_free(seen);
    plumb_text_free(text);
    plumb_state_free(state);
    return status;
}

static plumb_status print_store(const char *path, const plumb_trust *trust, plumb_error *err)
{
    if (plumb__cli.json) return print_json(trust, err);
    print_roots(path, trust);
    const plumb_status status = print_seen(trust, err);
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        print_key(trust, plumb_trust_key_at(trust, i));
    }
    return status;
}

int plumb__trust_print(const char *path, bool pending)
{
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    plumb_status status = pending ? plumb_trust_open_pending(path, &trust, &err)
                                  : plumb_trust_open(path, &trust, &err);
    if (status == PLUMB_OK) status = print_store(path, trust, &err);
    plumb_trust_free(trust);
    return status == PLUMB_OK ? plumb__cli_done(PLUMB__EXIT_OK) : plumb__cli_fail(&err);
}

int plumb__trust_verb_show(int argc, char **argv)
{
    plumb__trust_arguments args;
    const int code = plumb__trust_arguments_read("show", "", argc, argv, &args);
    if (code != 0) return code;
    if (args.help) return plumb__cli_help(show_help);
    const size_t n = strlen(args.store);
    return plumb__trust_print(args.store, n > 5 && strcmp(args.store + n - 5, ".next") == 0);
}

static plumb_status pin(const plumb__trust_arguments *args, plumb_error *err)
{
    plumb_state *state = NULL;
    plumb_trust *trust = NULL;
    plumb_status status = plumb_trust_open(args->store, &trust, err);
    if (status == PLUMB_OK && strcmp(args->fingerprint, plumb_trust_root_fingerprint(trust)) != 0) {
        status = err->status = PLUMB_ERR_TRUST;
        snprintf(err->message, sizeof err->message,
                 "%.300s: its first roots have the fingerprint %s, not %.80s", args->store,
                 plumb_trust_root_fingerprint(trust), args->fingerprint);
    }
    if (status == PLUMB_OK) status = plumb_state_lock(plumb__cli.state, &state, err);
    if (status == PLUMB_OK) status = plumb_state_pin(state, args->store, trust, NULL, err);
    plumb_state_free(state);
    plumb_trust_free(trust);
    return status;
}

int plumb__trust_verb_pin(int argc, char **argv)
{
    plumb__trust_arguments args;
    plumb_error err = {0};
    const int code = plumb__trust_arguments_read("pin", "F", argc, argv, &args);
    if (code != 0) return code;
    if (args.help) return plumb__cli_help(pin_help);
    if (args.fingerprint == NULL) {
        return plumb__cli_usage("trust pin", "trust pin wants --fingerprint, got another way");
    }
    if (pin(&args, &err) != PLUMB_OK) return plumb__cli_fail(&err);
    return plumb__cli.quiet ? PLUMB__EXIT_OK : plumb__trust_print(args.store, false);
}
