/* Which runs certain records touched, and how: asked by plumb impact, and at once when records are
 * withdrawn or a key is revoked. */
#ifndef PLUMB_CLI_IMPACT_H
#define PLUMB_CLI_IMPACT_H

#include "cli/commands.h"

/* Which runs, and which of their records. Strings are the caller's. */
typedef struct plumb__impact_request {
    const char *vendor, *dataset; /* runs on this data; NULL: on any */
    const char *keyid;            /* runs on a manifest that this key signed; NULL: by any */
    const char *const *ids;
    size_t n_ids;            /* 0: all records of the run's manifest */
    const char *const *dirs; /* bundles, or folders of bundles, beside those this machine started */
    size_t n_dirs;
    const char *trust; /* store that the runs' signers are checked with; NULL: not checked */
} plumb__impact_request;

/* The answer as a JSON array (a new reference), one object a run; what cannot be read is among
 * them, with the reason. */
json_t *plumb__impact_ask(const plumb__impact_request *request);
/* One of its objects, about the run at `path`. */
struct plumb_impact;
json_t *plumb__impact_json(const char *path, const struct plumb_impact *impact);
/* Prints the array; borrowed. */
void plumb__impact_print(const json_t *runs);

/* A list of texts that grows. */
typedef struct plumb__texts {
    char **list;
    size_t n, capacity;
} plumb__texts;
/* False at the limit of PLUMB__TEXTS_MAX. */
bool plumb__texts_add(plumb__texts *texts, const char *text);
/* The lines of a file, without their ends and without empty ones; 0, or the exit code after its
 * message. */
int plumb__texts_read(plumb__texts *texts, const char *path);
void plumb__texts_free(plumb__texts *texts);
#define PLUMB__TEXTS_MAX 100000u

#endif
