/* What this machine has seen: the highest version of every trust store and manifest, so that an
 * older one, another one of the same number, and other roots are noticed; and which runs began.
 * Format: docs/formats/state.md. Written by `plumb trust` and when a run starts, read by
 * verification. One thread at a time; processes wait for each other. */
#ifndef PLUMB_STATE_H
#define PLUMB_STATE_H

#include "manifest/plumb_manifest.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct plumb_state plumb_state;

/* Reads what was seen. dir NULL: $PLUMB_STATE, else $XDG_STATE_HOME/plumb, else
 * ~/.local/state/plumb. A folder that is not there has seen nothing. A damaged one is refused. */
PLUMB_API plumb_status plumb_state_open(const char *dir, plumb_state **state,
                                        plumb_error *err) PLUMB_MUST_CHECK;
/* The same for writing: makes the folder and holds its lock until plumb_state_free. */
PLUMB_API plumb_status plumb_state_lock(const char *dir, plumb_state **state,
                                        plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_state_free(plumb_state *state);
PLUMB_API const char *plumb_state_dir(const plumb_state *state); /* borrowed; "": there is none */

/* Refuses (trust) a store that is older than the one seen, another of the same version, or one
 * whose roots do not descend from those seen. `what` opens the message. */
PLUMB_API plumb_status plumb_state_check_trust(const plumb_state *state, const char *what,
                                               const plumb_trust *trust,
                                               plumb_error *err) PLUMB_MUST_CHECK;
/* Refuses (trust) a manifest of a version that was seen with another statement, one that replaces
 * another manifest than the one seen, and, unless `past` (a finished run used it), one that is
 * older than the highest seen. What only keys signed that the store calls compromised does not
 * count as seen. */
PLUMB_API plumb_status plumb_state_check_manifest(const plumb_state *state, const char *what,
                                                  const plumb_trust *trust,
                                                  const plumb_manifest *manifest, bool past,
                                                  plumb_error *err) PLUMB_MUST_CHECK;
/* What a finished run says it used: refused (trust) where the same version was seen with another
 * record tree or statement. */
typedef struct plumb_state_statement {
    const char *vendor, *dataset;
    uint64_t manifest_version;
    const char *root, *statement; /* as in plumb_manifest_info: root_hex, statement_digest */
} plumb_state_statement;
PLUMB_API plumb_status plumb_state_check_statement(const plumb_state *state, const char *what,
                                                   const plumb_trust *trust,
                                                   const plumb_state_statement *statement,
                                                   plumb_error *err) PLUMB_MUST_CHECK;
/* Checks both, then remembers them; the state must be locked. manifest may be NULL. */
PLUMB_API plumb_status plumb_state_pin(plumb_state *state, const char *what,
                                       const plumb_trust *trust, const plumb_manifest *manifest,
                                       plumb_error *err) PLUMB_MUST_CHECK;
/* Highest version seen under this store's first roots; 0: none. */
PLUMB_API uint64_t plumb_state_trust_version(const plumb_state *state, const plumb_trust *trust);
PLUMB_API uint64_t plumb_state_manifest_version(const plumb_state *state, const plumb_trust *trust,
                                                const char *vendor, const char *dataset);
/* All that is pinned under this store's first roots as JSON; free with plumb_text_free. */
PLUMB_API plumb_status plumb_state_json(const plumb_state *state, const plumb_trust *trust,
                                        char **text, plumb_error *err) PLUMB_MUST_CHECK;

/* ---- which runs began ------------------------------------------------------------------------ */

typedef struct plumb_state_run {
    uint32_t size, version;
    const char *path;      /* of the bundle, absolute where the system could say so */
    const char *run_id;    /* 32 hex digits */
    const char *root;      /* first root fingerprint of the trust store it began under */
    const char *statement; /* BLAKE2b-256 of the manifest's signed payload, hex */
    const char *vendor, *dataset;
    uint64_t manifest_version;
    int64_t started_s;         /* the operator's clock */
    const char *const *keyids; /* of the keys that signed the manifest and counted */
    size_t n_keyids;
} plumb_state_run;

/* Another status than PLUMB_OK ends the walk and is returned. Strings live during the call. */
typedef plumb_status plumb_state_visit(const plumb_state_run *run, void *ctx, plumb_error *err);
/* Calls visit for every run that this machine started, in the order they began. A line is written
 * before the bundle is: some runs never came to be. */
PLUMB_API plumb_status plumb_state_runs(const plumb_state *state, plumb_state_visit *visit,
                                        void *ctx, plumb_error *err) PLUMB_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
