/* What the verbs of plumb trust share: options, root keys, and the way from a change to its pin. */
#include "cli/trust/trust_verbs.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct option options[] = {{"root", required_argument, NULL, 'r'},
                                        {"new-root", required_argument, NULL, 'w'},
                                        {"passphrase-file", required_argument, NULL, 'p'},
                                        {"vendor", required_argument, NULL, 'v'},
                                        {"key", required_argument, NULL, 'k'},
                                        {"name", required_argument, NULL, 'n'},
                                        {"role", required_argument, NULL, 'R'},
                                        {"from", required_argument, NULL, 'f'},
                                        {"until", required_argument, NULL, 'u'},
                                        {"threshold", required_argument, NULL, 't'},
                                        {"reason", required_argument, NULL, 'e'},
                                        {"at", required_argument, NULL, 'a'},
                                        {"fingerprint", required_argument, NULL, 'F'},
                                        PLUMB__CLI_LONG_OPTIONS};

static int wrong_date(const char *verb, const char *option, const char *text)
{
    char command[40];
    snprintf(command, sizeof command, "trust %s", verb);
    return plumb__cli_usage(command, "--%s is not a date: %s", option, text);
}

static int take_date(const char *verb, int option, const char *text, plumb__trust_arguments *out)
{
    static const struct {
        int letter;
        const char *name;
    } names[] = {{'f', "from"}, {'u', "until"}, {'a', "at"}};
    int64_t *to = option == 'f' ? &out->from_s : option == 'u' ? &out->until_s : &out->at_s;
    if (option == 'u' && strcmp(text, "never") == 0) {
        out->never = true;
        return 0;
    }
    if (plumb__cli_parse_time(text, to) && *to != 0) return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].letter == option) return wrong_date(verb, names[i].name, text);
    }
    return PLUMB__EXIT_USAGE;
}

static int take_threshold(const char *verb, const char *text, plumb__trust_arguments *out)
{
    char command[40];
    uint64_t value = 0;
    snprintf(command, sizeof command, "trust %s", verb);
    if (!plumb__cli_parse_count(text, 64, &value) || value == 0) {
        return plumb__cli_usage(command, "--threshold must be a number from 1 to 64");
    }
    out->threshold = (uint32_t)value;
    return 0;
}

static int take_file(const char *verb, plumb__trust_list *list)
{
    char command[40];
    snprintf(command, sizeof command, "trust %s", verb);
    if (list->n == PLUMB__TRUST_MAX_FILES) {
        return plumb__cli_usage(command, "at most %d keys can be given", PLUMB__TRUST_MAX_FILES);
    }
    list->at[list->n++] = optarg;
    return 0;
}

static int take(const char *verb, int option, plumb__trust_arguments *out)
{
    switch (option) {
    case 'r': return take_file(verb, &out->roots);
    case 'w': return take_file(verb, &out->new_roots);
    case 'p': return take_file(verb, &out->passphrase_files);
    case 'v': out->vendor = optarg; return 0;
    case 'k': out->key = optarg; return 0;
    case 'n': out->name = optarg; return 0;
    case 'R': out->roles = optarg; return 0;
    case 'e': out->reason = optarg; return 0;
    case 'F': out->fingerprint = optarg; return 0;
    case 't': return take_threshold(verb, optarg, out);
    default: return take_date(verb, option, optarg, out);
    }
}

/* The long name of an option's letter, for the message that the verb does not take it. */
static const char *name_of(int letter)
{
    for (size_t i = 0; options[i].name != NULL; i++) {
        if (options[i].val == letter) return options[i].name;
    }
    return "?";
}

int plumb__trust_arguments_read(const char *verb, const char *letters, int argc, char **argv,
                                plumb__trust_arguments *out)
{
    char command[40];
    int option, code = 0;
    *out = (plumb__trust_arguments){.verb = verb};
    snprintf(command, sizeof command, "trust %s", verb);
    while (code == 0 && (option = plumb__cli_getopt(command, argc, argv, ":h", options)) != -1) {
        if (option == 'h') {
            out->help = true;
        } else if (option == '?') {
            code = PLUMB__EXIT_USAGE;
        } else if (option >= PLUMB__OPT_JSON) {
            code = plumb__cli_take(option, optarg) ? 0 : PLUMB__EXIT_USAGE;
        } else if (strchr(letters, option) == NULL) {
            code = plumb__cli_usage(command, "trust %s takes no --%s", verb, name_of(option));
        } else {
            code = take(verb, option, out);
        }
    }
    if (code != 0 || out->help) return code;
    if (argc - optind != 1) return plumb__cli_usage(command, "trust %s wants one store", verb);
    out->store = argv[optind];
    return 0;
}

int plumb__trust_check_until(const plumb__trust_arguments *args)
{
    char command[40], when[21];
    if (args->until_s == 0 || args->until_s > (int64_t)time(NULL)) return 0;
    snprintf(command, sizeof command, "trust %s", args->verb);
    plumb__cli_format_time(args->until_s, when);
    return plumb__cli_usage(command, "--until %s lies in the past", when);
}

/* ---- keys ---- */

static bool is_public(const char *path)
{
    const size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".pub") == 0;
}

/* Files after the last passphrase file use that one: often all root keys have one. */
static plumb_status open_one(const plumb__trust_arguments *args, const char *path, bool names,
                             plumb__trust_keys *out, plumb_error *err)
{
    plumb_public_key key;
    if (is_public(path)) {
        const plumb_status status = plumb_public_key_read(path, &key, err);
        if (status == PLUMB_OK && names) out->roots[out->n_roots++] = key;
        return status;
    }
    const plumb__trust_list *files = &args->passphrase_files;
    const size_t i = out->n_secret < files->n ? out->n_secret : files->n - 1;
    plumb_secret_key **secret = &out->secret[out->n_secret];
    const plumb_status status =
        plumb__cli_open_key(path, files->n > 0 ? files->at[i] : NULL, secret, err);
    if (status != PLUMB_OK) return status;
    out->secret_file[out->n_secret++] = path;
    plumb_key_public(*secret, &key);
    if (names) out->roots[out->n_roots++] = key;
    return PLUMB_OK;
}

plumb_status plumb__trust_keys_open(const plumb__trust_arguments *args,
                                    const plumb__trust_list *naming, const plumb__trust_list *other,
                                    plumb__trust_keys *out, plumb_error *err)
{
    *out = (plumb__trust_keys){0};
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; naming != NULL && status == PLUMB_OK && i < naming->n; i++) {
        status = open_one(args, naming->at[i], true, out, err);
    }
    for (size_t i = 0; other != NULL && status == PLUMB_OK && i < other->n; i++) {
        status = open_one(args, other->at[i], false, out, err);
    }
    return status;
}

void plumb__trust_keys_free(plumb__trust_keys *keys)
{
    for (size_t i = 0; i < keys->n_secret; i++) {
        plumb_key_free(keys->secret[i]);
    }
}

/* ---- acting ---- */

/* What is changed must not be older than what was seen, or the change would fork it; nor may what
 * is about to be signed. Where it cannot be opened, the change itself will say why. */
static plumb_status check_seen(const plumb_state *state, const char *path, bool pending,
                               plumb_error *err)
{
    plumb_trust *trust = NULL;
    plumb_error why = {0};
    plumb_status status = pending ? plumb_trust_open_pending(path, &trust, &why)
                                  : plumb_trust_open(path, &trust, &why);
    if (status != PLUMB_OK) return PLUMB_OK;
    status = plumb_state_check_trust(state, path, trust, err);
    plumb_trust_free(trust);
    return status;
}

/* STORE of STORE.next, and any other path as it is. */
static void store_path(const char *path, char *out, size_t size)
{
    const size_t n = strlen(path);
    const bool next = n > 5 && strcmp(path + n - 5, ".next") == 0;
    snprintf(out, size, "%.*s", (int)(next ? n - 5 : n), path);
}

static plumb_status remember(plumb_state *state, const char *store, plumb_error *err)
{
    plumb_trust *trust = NULL;
    char warning[512];
    plumb_status status = plumb_trust_open(store, &trust, err);
    if (status == PLUMB_OK) status = plumb_state_pin(state, store, trust, NULL, err);
    for (size_t i = 0; status == PLUMB_OK && plumb_trust_warning(trust, i, warning, sizeof warning);
         i++) {
        plumb__cli_say("plumb: warning: %s", warning);
    }
    plumb_trust_free(trust);
    return status;
}

int plumb__trust_apply(const plumb__trust_arguments *args, const plumb__trust_keys *keys,
                       plumb__trust_act *act)
{
    char store[4096], next[4104];
    plumb_error err = {0};
    plumb_state *state = NULL;
    plumb_trust_change change;
    plumb_trust_change_default(&change);
    change.signers = (const plumb_secret_key *const *)keys->secret;
    change.n_signers = keys->n_secret;
    change.signer_files = keys->secret_file;
    store_path(args->store, store, sizeof store);
    snprintf(next, sizeof next, "%s.next", store);
    plumb_status status = plumb_state_lock(plumb__cli.state, &state, &err);
    if (status == PLUMB_OK) status = check_seen(state, store, false, &err);
    if (status == PLUMB_OK && strcmp(args->store, next) == 0) {
        status = check_seen(state, next, true, &err);
    }
    if (status == PLUMB_OK) status = act(args, keys, &change, &err);
    if (status == PLUMB_OK && !change.pending) {
        status = remember(state, store, &err);
        /* Roots that have a store already: a second first version of it would be another history.
         */
        if (status == PLUMB_ERR_TRUST && strcmp(args->verb, "init") == 0) (void)unlink(store);
    }
    plumb_state_free(state);
    /* The store is there, a key in it is not. */
    if (status == PLUMB_ERR_NOT_FOUND && access(store, F_OK) == 0) return plumb__cli_answer(&err);
    if (status != PLUMB_OK) return plumb__cli_fail(&err);
    if (change.pending) {
        plumb__cli_say("%s waits for %u more root signatures: plumb trust sign %s --root KEY", next,
                       change.missing, next);
    }
    if (plumb__cli.quiet) return PLUMB__EXIT_OK;
    return plumb__trust_print(change.pending ? next : store, change.pending);
}
