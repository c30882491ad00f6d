/* The verbs of `plumb manifest`, each in its own file with its own options; cmd_manifest.c has
 * their table. argv[0] is the program's name, as for a command. */
#ifndef PLUMB_CLI_MANIFEST_VERBS_H
#define PLUMB_CLI_MANIFEST_VERBS_H

#include "cli/commands.h"
#include "manifest/plumb_manifest.h"

int plumb__manifest_verb_sign(int argc, char **argv);
int plumb__manifest_verb_verify(int argc, char **argv);
int plumb__manifest_verb_show(int argc, char **argv);
int plumb__manifest_verb_withdraw(int argc, char **argv);
int plumb__manifest_verb_payload(int argc, char **argv);
int plumb__manifest_verb_attach(int argc, char **argv);
int plumb__manifest_verb_receipt(int argc, char **argv);
int plumb__manifest_verb_prove(int argc, char **argv);
int plumb__manifest_verb_index(int argc, char **argv);
int plumb__manifest_verb_import(int argc, char **argv);
int plumb__manifest_verb_export(int argc, char **argv);
int plumb__manifest_verb_diff(int argc, char **argv);

/* What verify and show open a manifest with. trust NULL: untrusted. */
typedef struct plumb__manifest_view {
    const char *path, *trust, *audience;
    bool allow_expired;
    bool check_seen;      /* refuse what is not as this machine has seen it; else a remark */
    bool remember;        /* then note what held */
    uint64_t seen;        /* after opening: the highest of them, 0: none */
    char fingerprint[65]; /* of the store's roots, after opening; "" without a store */
} plumb__manifest_view;
plumb_status plumb__manifest_view_open(plumb__manifest_view *view, plumb_manifest **m,
                                       plumb_error *err);
/* All there is to say about it, as JSON (a new reference) or printed. */
json_t *plumb__manifest_view_json(const plumb__manifest_view *view, const plumb_manifest *m);
void plumb__manifest_view_print(const plumb__manifest_view *view, const plumb_manifest *m);

/* Where the terms of a record come from, for its line; as --json says. */
plumb_status plumb__manifest_explain(const plumb_manifest *m, uint32_t number, const char *line,
                                     size_t n, plumb_error *err);
/* A remark where names that records have are without effect; idle_names must be set. */
void plumb__manifest_say_idle(const plumb_sign_options *options);
/* The taxonomy of the signed statement, a new reference; an empty object where it has none. */
json_t *plumb__manifest_taxonomy_json(const plumb_manifest *m);
/* Draws it; the exit code. */
int plumb__manifest_taxonomy(const plumb_manifest *m);
/* How entries of one name differ (NULL: there is none): [{"term","old","new"}, …], a new
 * reference, with {"more":true} behind the first 20; printed, each line with the name before it. */
json_t *plumb__manifest_changes(const json_t *a, const json_t *b);
void plumb__manifest_print_changes(const char *name, const json_t *changes);
/* A JSON value on one line, with as few digits as say the same; to be freed, NULL without memory.
 */
char *plumb__manifest_json_text(const json_t *value);
void plumb__manifest_print_json(const json_t *value);

#endif
