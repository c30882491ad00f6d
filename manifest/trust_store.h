/* The trust store in memory, between its reader, its questions and its writer.
 *
 * Invariants:
 *  T1  nothing of the document is used before the root signatures hold at the root threshold;
 *  T2  a key is counted once, however many signatures or names it has;
 *  T3  a written store has a version one above the one it replaces and names its digest;
 *  T4  on disk is either the old store or the new one, whole. */
#ifndef PLUMB_MANIFEST_TRUST_STORE_H
#define PLUMB_MANIFEST_TRUST_STORE_H

#include "base/hash.h"
#include "base/json.h"
#include "manifest/plumb_trust.h"

#define PLUMB__ROLE_COUNT 6
#define PLUMB__TRUST_PAYLOAD_TYPE "application/vnd.plumbline.trust+json"
#define PLUMB__TRUST_FILE_CAP ((size_t)4 << 20)
#define PLUMB__TRUST_MAX_ROOTS 64
#define PLUMB__TRUST_MAX_KEYS 16384

typedef struct plumb__trust_vendor {
    const char *name;
    uint32_t thresholds[PLUMB__ROLE_COUNT];
} plumb__trust_vendor;

struct plumb_trust {
    json_t *document; /* owns every string below */
    char digest[PLUMB__HASH_HEX_BYTES], fingerprint[PLUMB__HASH_HEX_BYTES];
    uint64_t version;
    int64_t issued_s, expires_s;
    size_t n_roots, n_vendors, n_keys;
    uint32_t root_threshold;
    plumb_public_key *roots;
    plumb__trust_vendor *vendors;
    plumb_trust_key *keys;
};

/* Fills a zeroed trust from its document (borrowed by it from then on). */
plumb_status plumb__trust_read_document(const char *what, plumb_trust *trust,
                                        plumb_error *err) PLUMB_MUST_CHECK;

#endif
