/* plumb trust init|add|show */
#include "cli/commands.h"
#include "manifest/plumb_trust.h"

#include <string.h>

static const char help_text[] =
    "usage: plumb trust init STORE --root ROOT.key [--until DATE] [--passphrase-file F]\n"
    "       plumb trust add STORE --root ROOT.key --vendor V --key X.pub --name N --role R[,R]\n"
    "                       [--from DATE] [--until DATE] [--threshold N] [--passphrase-file F]\n"
    "       plumb trust show STORE\n"
    "\n"
    "A trust store says whose signatures count: per vendor, keys with roles (quality-attestation,\n"
    "operator, reviewer, director, auditor, witness) and times. The root key signs it; compare "
    "its\n"
    "fingerprint with one that you got another way. --threshold N: so many keys of the vendor "
    "must\n"
    "sign in these roles. DATE: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ. --passphrase-file opens "
    "ROOT.key.\n"
    "\n"
    "example: plumb trust init trust.json --root keys/root.key\n"
    "         plumb trust add trust.json --root keys/root.key --vendor acme --key keys/acme.pub "
    "\\\n"
    "             --name acme-1 --role quality-attestation\n";

typedef struct trust_arguments {
    const char *verb, *store, *root, *passphrase_file, *key_path, *roles;
    const char *from, *until, *threshold;
    plumb_trust_addition addition;
    bool help;
} trust_arguments;

static bool take_option(int option, trust_arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return true;
    case 'r': out->root = optarg; return true;
    case 'v': out->addition.vendor = optarg; return true;
    case 'k': out->key_path = optarg; return true;
    case 'n': out->addition.name = optarg; return true;
    case 'R': out->roles = optarg; return true;
    case 'f': out->from = optarg; return true;
    case 'u': out->until = optarg; return true;
    case 't': out->threshold = optarg; return true;
    case 'p': out->passphrase_file = optarg; return true;
    default: return plumb__cli_take(option, optarg);
    }
}

static int parse(int argc, char **argv, trust_arguments *out)
{
    static const struct option options[] = {{"root", required_argument, NULL, 'r'},
                                            {"vendor", required_argument, NULL, 'v'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"role", required_argument, NULL, 'R'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"until", required_argument, NULL, 'u'},
                                            {"threshold", required_argument, NULL, 't'},
                                            {"passphrase-file", required_argument, NULL, 'p'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (!take_option(option, out)) return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (argc - optind != 2) {
        return plumb__cli_usage("trust", "trust wants init, add or show and one store");
    }
    out->verb = argv[optind];
    out->store = argv[optind + 1];
    return 0;
}

/* "a,b" into bits; false names the first unknown role. */
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

/* Checks what add needs and turns texts into values; 0 or the exit code. */
static int complete(trust_arguments *a)
{
    uint64_t threshold = 0;
    if (a->from != NULL && !plumb__cli_parse_time(a->from, &a->addition.valid_from)) {
        return plumb__cli_usage("trust", "--from is not a date: %s", a->from);
    }
    if (a->until != NULL && !plumb__cli_parse_time(a->until, &a->addition.valid_until)) {
        return plumb__cli_usage("trust", "--until is not a date: %s", a->until);
    }
    if (strcmp(a->verb, "add") != 0) return 0;
    if (a->addition.vendor == NULL || a->addition.name == NULL || a->key_path == NULL ||
        a->roles == NULL) {
        return plumb__cli_usage("trust", "trust add wants --vendor, --key, --name and --role");
    }
    if (!parse_roles(a->roles, &a->addition.roles)) {
        return plumb__cli_usage("trust", "--role has an unknown role: %s", a->roles);
    }
    if (a->threshold != NULL &&
        (!plumb__cli_parse_count(a->threshold, 64, &threshold) || threshold == 0)) {
        return plumb__cli_usage("trust", "--threshold must be a number from 1 to 64");
    }
    a->addition.threshold = (uint32_t)threshold;
    return 0;
}

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

static void print_store(const char *path, const plumb_trust *trust)
{
    char a[21], b[21];
    printf("%s: version %llu, expires %s\nroot fingerprint %s\n", path,
           (unsigned long long)plumb_trust_version(trust),
           date_or(plumb_trust_expires(trust), "never", a), plumb_trust_root_fingerprint(trust));
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        const plumb_trust_key *k = plumb_trust_key_at(trust, i);
        char keyid[PLUMB_KEYID_TEXT_BYTES];
        plumb_public_key_id(&k->key, keyid);
        printf("\nvendor %s, key %s\n  keyid %s\n  roles ", k->vendor, k->name, keyid);
        print_roles(trust, k);
        printf("  valid from %s until %s\n", date_or(k->valid_from, "always", a),
               date_or(k->valid_until, "further notice", b));
        if (k->revoked_at != 0) {
            printf("  revoked %s: %s\n", date_or(k->revoked_at, "", a), k->revoked_reason);
        }
    }
}

static int show(const char *path)
{
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    char *text = NULL;
    plumb_status status = plumb_trust_open(path, &trust, &err);
    if (status == PLUMB_OK && plumb__cli.json) {
        status = plumb_trust_json(trust, &text, &err);
        if (status == PLUMB_OK) puts(text);
    } else if (status == PLUMB_OK) {
        print_store(path, trust);
    }
    plumb_text_free(text);
    plumb_trust_free(trust);
    return status == PLUMB_OK ? plumb__cli_done(PLUMB__EXIT_OK) : plumb__cli_fail(&err);
}

static int write_store(trust_arguments *a)
{
    plumb_error err = {0};
    plumb_secret_key *root = NULL;
    plumb_status status = PLUMB_OK;
    const bool add = strcmp(a->verb, "add") == 0;
    if (a->root == NULL) return plumb__cli_usage("trust", "--root is missing");
    if (add) status = plumb_public_key_read(a->key_path, &a->addition.key, &err);
    if (status == PLUMB_OK) status = plumb__cli_open_key(a->root, a->passphrase_file, &root, &err);
    if (status == PLUMB_OK) {
        status = add ? plumb_trust_add(a->store, root, &a->addition, &err)
                     : plumb_trust_init(a->store, root, a->addition.valid_until, &err);
    }
    plumb_key_free(root);
    if (status != PLUMB_OK) return plumb__cli_fail(&err);
    return plumb__cli.quiet ? PLUMB__EXIT_OK : show(a->store);
}

int plumb__cmd_trust(int argc, char **argv)
{
    trust_arguments args = {0};
    plumb_trust_addition_default(&args.addition);
    int wrong = parse(argc, argv, &args);
    if (wrong != 0) return wrong;
    if (args.help) return plumb__cli_help(help_text);
    wrong = complete(&args);
    if (wrong != 0) return wrong;
    if (strcmp(args.verb, "show") == 0) return show(args.store);
    if (strcmp(args.verb, "init") == 0 || strcmp(args.verb, "add") == 0) return write_store(&args);
    return plumb__cli_usage("trust", "there is no \"trust %s\"", args.verb);
}
