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
/* BLAKE2b-256 of the file's bytes and of the root keys, lower-case hex; borrowed. */
PLUMB_API const char *plumb_trust_digest(const plumb_trust *trust);
PLUMB_API const char *plumb_trust_root_fingerprint(const plumb_trust *trust);
PLUMB_API uint64_t plumb_trust_version(const plumb_trust *trust);
PLUMB_API int64_t plumb_trust_expires(const plumb_trust *trust); /* seconds since 1970; 0: never */

typedef struct plumb_trust_key {
    const char *vendor; /* borrowed from the store */
    const char *name;
    plumb_public_key key;
    uint32_t roles;                              /* bit 1 << plumb_role */
    int64_t valid_from, valid_until, revoked_at; /* seconds since 1970; 0: open / not revoked */
    const char *revoked_reason;                  /* NULL, "retired" or "compromised" */
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

/* `init` makes version 1 under one root key, `add` version + 1; both sign with the root key. */
PLUMB_API plumb_status plumb_trust_init(const char *path, const plumb_secret_key *root,
                                        int64_t expires_s, plumb_error *err) PLUMB_MUST_CHECK;
typedef struct plumb_trust_addition {
    uint32_t size, version;
    const char *vendor, *name;
    plumb_public_key key;
    uint32_t roles;
    int64_t valid_from, valid_until;
    uint32_t threshold; /* for these roles of this vendor; 0 = leave as it is */
} plumb_trust_addition;
PLUMB_API void plumb_trust_addition_default(plumb_trust_addition *addition);
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
