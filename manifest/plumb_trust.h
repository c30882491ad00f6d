/* The trust store: whose signatures count, for which role, from when to when. The store given by
 * the user is the anchor, never one found inside a bundle. Format: docs/formats/trust.md. */
#ifndef PLUMB_TRUST_H
#define PLUMB_TRUST_H

#include "manifest/plumb_key.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct plumb_trust plumb_trust;

typedef enum plumb_role {
    PLUMB_ROLE_QUALITY_ATTESTATION = 0, /* signs manifests */
    PLUMB_ROLE_OPERATOR = 1,            /* certifies run keys */
    PLUMB_ROLE_REVIEWER = 2,
    PLUMB_ROLE_DIRECTOR = 3,
    PLUMB_ROLE_AUDITOR = 4,
    PLUMB_ROLE_WITNESS = 5
} plumb_role;

PLUMB_API const char *plumb_role_name(plumb_role role); /* "quality-attestation"; static */
PLUMB_API bool plumb_role_parse(const char *name, plumb_role *role);

/* Reads and checks the store: form, root signatures at their threshold. Expiry is not judged. */
PLUMB_API plumb_status plumb_trust_open(const char *path, plumb_trust **trust,
                                        plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API plumb_status plumb_trust_parse(const char *what, const void *data, size_t n,
                                         plumb_trust **trust, plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_trust_free(plumb_trust *trust);
/* The same for a store that still lacks root signatures (STORE.next): to be shown, never to be
 * believed. */
PLUMB_API plumb_status plumb_trust_open_pending(const char *path, plumb_trust **trust,
                                                plumb_error *err) PLUMB_MUST_CHECK;
/* BLAKE2b-256 of the file's bytes, lower-case hex; borrowed. */
PLUMB_API const char *plumb_trust_digest(const plumb_trust *trust);
/* Of the roots (docs/formats/trust.md): the first ones, which are the anchor that a customer
 * compares and pins, and the present ones, after so many rotations. Borrowed. */
PLUMB_API const char *plumb_trust_root_fingerprint(const plumb_trust *trust);
PLUMB_API const char *plumb_trust_current_fingerprint(const plumb_trust *trust);
PLUMB_API uint32_t plumb_trust_rotations(const plumb_trust *trust);
PLUMB_API uint64_t plumb_trust_version(const plumb_trust *trust);
PLUMB_API int64_t plumb_trust_expires(const plumb_trust *trust); /* seconds since 1970; 0: never */

typedef struct plumb_trust_key {
    const char *vendor; /* borrowed from the store */
    const char *name;
    plumb_public_key key;
    uint32_t roles;                              /* bit 1 << plumb_role */
    int64_t valid_from, valid_until, revoked_at; /* seconds since 1970; 0: open / not revoked */
    const char *revoked_reason;                  /* NULL, "retired" or "compromised" */
    int64_t retired_at; /* of a compromised key that was retired before; else 0 */
} plumb_trust_key;

PLUMB_API size_t plumb_trust_key_count(const plumb_trust *trust);
PLUMB_API const plumb_trust_key *plumb_trust_key_at(const plumb_trust *trust, size_t i);
/* The key if it may act for `vendor` (NULL: any) in this role at time at_s; else a status with the
 * reason: trust (unknown, wrong role), expired (not yet, no longer, revoked). */
PLUMB_API plumb_status plumb_trust_check(const plumb_trust *trust, const plumb_public_key *key,
                                         const char *vendor, plumb_role role, int64_t at_s,
                                         const plumb_trust_key **found,
                                         plumb_error *err) PLUMB_MUST_CHECK;
/* How many distinct keys of the vendor must sign in this role (1 unless the store says more). */
PLUMB_API uint32_t plumb_trust_threshold(const plumb_trust *trust, const char *vendor,
                                         plumb_role role);

/* The present roots, and how many of their signatures (or of the old ones' before a rotation) are
 * missing: 0 in every store that plumb_trust_open gave. */
typedef struct plumb_trust_root_state {
    uint32_t keys, threshold, missing;
} plumb_trust_root_state;
PLUMB_API void plumb_trust_root_signatures(const plumb_trust *trust, plumb_trust_root_state *out);

/* What stands out in a store: thresholds that its keys cannot reach, and keys that stand under two
 * vendors; the i-th as one sentence into out[size]; false when there is no i-th. */
PLUMB_API bool plumb_trust_warning(const plumb_trust *trust, size_t i, char *out, size_t size);

/* ---- making and changing a store -------------------------------------------------------------
 *
 * Every change makes version + 1. It is signed by the keys in `signers`; while root signatures are
 * missing, what there is goes to STORE.next, `pending` is set, and plumb_trust_sign completes it.
 * At most one change waits at a time. A store that is complete replaces STORE as a whole. */

typedef struct plumb_trust_change {
    uint32_t size, version;
    const plumb_secret_key *const *signers; /* root keys */
    size_t n_signers;
    const char *const *signer_files; /* NULL, or what messages call each signer */
    bool whole;                      /* in: refuse rather than leave a STORE.next */
    bool pending;                    /* out */
    uint32_t missing;                /* out: root signatures that are still wanted */
} plumb_trust_change;
PLUMB_API void plumb_trust_change_default(plumb_trust_change *change);

typedef struct plumb_trust_roots {
    const plumb_public_key *keys;
    size_t n;
    uint32_t threshold;
} plumb_trust_roots;

/* Version 1 under these roots. */
PLUMB_API plumb_status plumb_trust_create(const char *path, plumb_trust_change *change,
                                          const plumb_trust_roots *roots, int64_t expires_s,
                                          plumb_error *err) PLUMB_MUST_CHECK;
typedef struct plumb_trust_addition {
    uint32_t size, version;
    const char *vendor, *name;
    plumb_public_key key;
    uint32_t roles;
    int64_t valid_from, valid_until;
    uint32_t threshold; /* for these roles of this vendor; 0 = leave as it is */
} plumb_trust_addition;
PLUMB_API void plumb_trust_addition_default(plumb_trust_addition *addition);
PLUMB_API plumb_status plumb_trust_extend(const char *path, plumb_trust_change *change,
                                          const plumb_trust_addition *addition,
                                          plumb_error *err) PLUMB_MUST_CHECK;
/* A key by vendor and name; reason "retired" or "compromised"; at_s 0 = now. A retired key may be
 * declared compromised later: it stays retired as of then, and revoked_at never rises. Nothing
 * else is changed twice. */
PLUMB_API plumb_status plumb_trust_revoke(const char *path, plumb_trust_change *change,
                                          const char *vendor, const char *name, const char *reason,
                                          int64_t at_s, plumb_error *err) PLUMB_MUST_CHECK;
/* Other root keys or another threshold: signed by the thresholds of the old and of the new. */
PLUMB_API plumb_status plumb_trust_rotate(const char *path, plumb_trust_change *change,
                                          const plumb_trust_roots *roots,
                                          plumb_error *err) PLUMB_MUST_CHECK;
/* Another time of expiry (0: never), everything else as it is. */
PLUMB_API plumb_status plumb_trust_renew(const char *path, plumb_trust_change *change,
                                         int64_t expires_s, plumb_error *err) PLUMB_MUST_CHECK;
/* Adds the signers' signatures to STORE.next (given by that name); complete, it replaces STORE. */
PLUMB_API plumb_status plumb_trust_sign(const char *next_path, plumb_trust_change *change,
                                        plumb_error *err) PLUMB_MUST_CHECK;

/* plumb_trust_create and plumb_trust_extend with one root key that suffices. */
PLUMB_API plumb_status plumb_trust_init(const char *path, const plumb_secret_key *root,
                                        int64_t expires_s, plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API plumb_status plumb_trust_add(const char *path, const plumb_secret_key *root,
                                       const plumb_trust_addition *addition,
                                       plumb_error *err) PLUMB_MUST_CHECK;
/* The store as JSON text for `plumb trust show --json`; free with plumb_text_free. */
PLUMB_API plumb_status plumb_trust_json(const plumb_trust *trust, char **text,
                                        plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_text_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
