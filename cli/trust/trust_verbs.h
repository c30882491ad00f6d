/* The verbs of `plumb trust`, each in its own file; cmd_trust.c has their table. argv[0] is the
 * program's name, as for a command. */
#ifndef PLUMB_CLI_TRUST_VERBS_H
#define PLUMB_CLI_TRUST_VERBS_H

#include "cli/commands.h"
#include "manifest/plumb_state.h"

#define PLUMB__TRUST_MAX_FILES 64

int plumb__trust_verb_init(int argc, char **argv);
int plumb__trust_verb_add(int argc, char **argv);
int plumb__trust_verb_revoke(int argc, char **argv);
int plumb__trust_verb_rotate(int argc, char **argv);
int plumb__trust_verb_renew(int argc, char **argv);
int plumb__trust_verb_sign(int argc, char **argv);
int plumb__trust_verb_pin(int argc, char **argv);
int plumb__trust_verb_show(int argc, char **argv);

/* An option that may be given several times. */
typedef struct plumb__trust_list {
    const char *at[PLUMB__TRUST_MAX_FILES];
    size_t n;
} plumb__trust_list;

typedef struct plumb__trust_arguments {
    const char *verb, *store;
    plumb__trust_list roots, new_roots, passphrase_files;
    const char *vendor, *name, *key, *roles, *reason, *fingerprint;
    int64_t from_s, until_s, at_s; /* 0: not given */
    uint32_t threshold;            /* 0: not given */
    bool help, never;              /* --until never */
} plumb__trust_arguments;

/* Reads the options that the verb takes (by their letters in trust_options.c) and one store. 0, or
 * the exit code of a wrong usage. */
int plumb__trust_arguments_read(const char *verb, const char *letters, int argc, char **argv,
                                plumb__trust_arguments *out);

/* 0, or the exit code of a wrong usage: no store is made that is past its time already. */
int plumb__trust_check_until(const plumb__trust_arguments *args);

/* Keys of --root and --new-root: NAME.key signs, NAME.pub is only counted among the roots. */
typedef struct plumb__trust_keys {
    plumb_secret_key *secret[2 * PLUMB__TRUST_MAX_FILES];
    plumb_public_key roots[PLUMB__TRUST_MAX_FILES]; /* of the list that names the roots */
    const char *secret_file[2 * PLUMB__TRUST_MAX_FILES];
    size_t n_secret, n_roots;
} plumb__trust_keys;
/* The list that names the roots (NULL: none of the two does), then the other one. */
plumb_status plumb__trust_keys_open(const plumb__trust_arguments *args,
                                    const plumb__trust_list *naming, const plumb__trust_list *other,
                                    plumb__trust_keys *out, plumb_error *err);
void plumb__trust_keys_free(plumb__trust_keys *keys);

/* What a verb does to the store, between reading and writing the pins. */
typedef plumb_status plumb__trust_act(const plumb__trust_arguments *args,
                                      const plumb__trust_keys *keys, plumb_trust_change *change,
                                      plumb_error *err);
/* Checks the store that is there against the pins, acts, pins what came of it, and shows it. */
int plumb__trust_apply(const plumb__trust_arguments *args, const plumb__trust_keys *keys,
                       plumb__trust_act *act);
/* A store that is complete, or (pending) one that waits for signatures; the exit code. */
int plumb__trust_print(const char *path, bool pending);

#endif
