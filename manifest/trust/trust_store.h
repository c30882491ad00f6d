/* The trust store in memory, between its reader, its questions and its writers.
 *
 * Invariants:
 *  T1  nothing of the document is used before the root signatures hold at the root threshold;
 *  T2  a key is counted once, however many signatures or names it has;
 *  T3  a written store has a version one above the one it replaces and names its identity;
 *  T4  on disk is either the old store or the new one, whole;
 *  T5  other roots are believed only where the thresholds of both the old and the new ones have
 *      signed, so that a file leads from its first roots to its last by itself. */
#ifndef PLUMB_MANIFEST_TRUST_STORE_H
#define PLUMB_MANIFEST_TRUST_STORE_H

#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "manifest/plumb_trust.h"
#include "manifest/signing/dsse.h"

#define PLUMB__ROLE_COUNT 6
#define PLUMB__TRUST_PAYLOAD_TYPE "application/vnd.plumbline.trust+json"
#define PLUMB__TRUST_FILE_CAP ((size_t)16 << 20)
#define PLUMB__TRUST_MAX_LINES 64
#define PLUMB__TRUST_MAX_ROOTS 64
#define PLUMB__TRUST_MAX_KEYS 16384

typedef struct plumb__trust_vendor {
    const char *name;
    uint32_t thresholds[PLUMB__ROLE_COUNT];
} plumb__trust_vendor;

struct plumb_trust {
    json_t *document; /* of the last line; owns every string below */
    char digest[PLUMB__HASH_HEX_BYTES];
    char identity[PLUMB__HASH_HEX_BYTES]; /* of the signed payload: what "previous" names */
    const char *previous;                 /* NULL in version 1 */
    uint64_t version;
    int64_t issued_s, expires_s;
    size_t n_roots, n_vendors, n_keys;
    uint32_t root_threshold;
    plumb_public_key *roots;
    plumb__trust_vendor *vendors;
    plumb_trust_key *keys;
    uint32_t rotations;                        /* how often the roots changed in this file */
    bool last_rotates;                         /* the last line brought the last change */
    size_t last_line_at;                       /* where in the file the last line begins */
    uint32_t signed_old, need_old, signed_new; /* root keys that signed the last line */
    /* [i]: the roots after i rotations; [0] is the anchor. */
    char fingerprints[PLUMB__TRUST_MAX_LINES][PLUMB__HASH_HEX_BYTES];
};

/* Fills a zeroed trust from its document (borrowed by it from then on). */
plumb_status plumb__trust_read_document(const char *what, plumb_trust *trust,
                                        plumb_error *err) PLUMB_MUST_CHECK;
/* plumb_trust_parse; with `pending` the last line may have fewer root signatures than it wants. */
plumb_status plumb__trust_parse(const char *what, const void *data, size_t n, bool pending,
                                plumb_trust **trust, plumb_error *err) PLUMB_MUST_CHECK;
/* The envelope of the last line; the caller frees it. */
plumb_status plumb__trust_last_envelope(const char *what, const plumb_trust *trust,
                                        const plumb__bytes *text, plumb__dsse *envelope,
                                        plumb_error *err) PLUMB_MUST_CHECK;
/* The entry itself says compromised. */
bool plumb__trust_compromised(const plumb_trust_key *k);
/* The entry that calls this key compromised from the earliest time on, under whatever vendor and
 * name; NULL: none does. */
const plumb_trust_key *plumb__trust_compromise(const plumb_trust *trust,
                                               const plumb_public_key *key);
/* plumb_trust_check for something a witness saw at cosigned_s (0: none did): a key that is revoked
 * as compromised still counts for what was seen before. */
plumb_status plumb__trust_check_seen(const plumb_trust *trust, const plumb_public_key *key,
                                     const char *vendor, plumb_role role, int64_t at_s,
                                     int64_t cosigned_s, const plumb_trust_key **found,
                                     plumb_error *err) PLUMB_MUST_CHECK;
/* These very keys at this threshold are its roots now. */
bool plumb__trust_roots_are(const plumb_trust *trust, const plumb_trust_roots *roots);
/* The last line has the signatures that it wants. */
bool plumb__trust_complete(const plumb_trust *trust);

#endif
