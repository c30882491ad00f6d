/* Opening a trust store, and what may be asked of it. */
#include "manifest/plumb_trust.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "manifest/dsse.h"
#include "manifest/trust_store.h"

#include <string.h>

static const char *const role_names[PLUMB__ROLE_COUNT] = {
    "quality-attestation", "operator", "reviewer", "director", "auditor", "witness"};

const char *plumb_role_name(plumb_role role)
{
    return (unsigned)role < PLUMB__ROLE_COUNT ? role_names[role] : "unknown";
}

bool plumb_role_parse(const char *name, plumb_role *role)
{
    for (unsigned i = 0; i < PLUMB__ROLE_COUNT; i++) {
        if (strcmp(name, role_names[i]) == 0) {
            *role = (plumb_role)i;
            return true;
        }
    }
    return false;
}

void plumb_trust_free(plumb_trust *trust)
{
    if (trust == NULL) return;
    plumb__free(trust->roots);
    plumb__free(trust->vendors);
    plumb__free(trust->keys);
    json_decref(trust->document);
    plumb__free(trust);
}

/* Every signature must be a root's, or a byte of the file would be unaccounted for; T2. */
static plumb_status check_roots(const char *what, const plumb__dsse *envelope,
                                const plumb_trust *trust, plumb_error *err)
{
    bool signed_by[PLUMB__TRUST_MAX_ROOTS] = {false};
    uint32_t count = 0;
    for (size_t i = 0; i < envelope->n_signatures; i++) {
        size_t r = 0;
        while (r < trust->n_roots && !plumb__dsse_signed_by(envelope, i, &trust->roots[r])) {
            r++;
        }
        if (r == trust->n_roots) {
            return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                               "%s: signature %zu is by none of its root keys, or the store was "
                               "changed after signing",
                               what, i + 1);
        }
        char keyid[PLUMB_KEYID_TEXT_BYTES];
        plumb_public_key_id(&trust->roots[r], keyid);
        if (strcmp(keyid, envelope->signatures[i].keyid) != 0) {
            return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                               "%s: signature %zu names another key than made it", what, i + 1);
        }
        if (!signed_by[r]) count++;
        signed_by[r] = true;
    }
    if (count < trust->root_threshold) {
        return plumb__fail(err, PLUMB_ERR_TRUST,
                           "%s: is signed by %u of its root keys, its threshold is %u", what, count,
                           trust->root_threshold);
    }
    return PLUMB_OK;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, PLUMB_PUBLIC_KEY_BYTES);
}

/* BLAKE2b-256 of the threshold (u32) and the root keys in byte order. */
static void fingerprint(plumb_trust *trust)
{
    plumb_public_key sorted[PLUMB__TRUST_MAX_ROOTS];
    uint8_t threshold[4];
    plumb__hasher h;
    memcpy(sorted, trust->roots, trust->n_roots * sizeof *sorted);
    qsort(sorted, trust->n_roots, sizeof *sorted, compare_keys);
    plumb__store_u32(threshold, trust->root_threshold);
    plumb__hash_init(&h, PLUMB__BLAKE2B);
    plumb__hash_update(&h, threshold, sizeof threshold);
    plumb__hash_update(&h, sorted, trust->n_roots * sizeof *sorted);
    const plumb__hash hash = plumb__hash_final(&h);
    plumb__hash_hex(&hash, trust->fingerprint);
}

static plumb_status read_envelope(const char *what, const char *data, size_t n,
                                  plumb__dsse *envelope, plumb_error *err)
{
    if (n > PLUMB__TRUST_FILE_CAP) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: a trust store has at most %zu bytes", what,
                           PLUMB__TRUST_FILE_CAP);
    }
    if (n == 0 || data[n - 1] != '\n') {
        return plumb__fail(err, PLUMB_ERR_TRUNCATED,
                           "%s: does not end in a line end: the file is cut short", what);
    }
    PLUMB_TRY(plumb__dsse_parse(what, data, n - 1, envelope, err));
    if (strcmp(envelope->payload_type, PLUMB__TRUST_PAYLOAD_TYPE) != 0) {
        const plumb_status status = plumb__fail(
            err, PLUMB_ERR_FORMAT, "%s: holds a \"%s\", expected a trust store (\"%s\")", what,
            envelope->payload_type, PLUMB__TRUST_PAYLOAD_TYPE);
        plumb__dsse_free(envelope);
        return status;
    }
    return PLUMB_OK;
}

plumb_status plumb_trust_parse(const char *what, const void *data, size_t n, plumb_trust **out,
                               plumb_error *err)
{
    plumb__dsse envelope = {0};
    plumb_trust *trust = NULL;
    plumb_status status;
    *out = NULL;
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(read_envelope(what, data, n, &envelope, err));
    PLUMB_TRY_CLEAN(plumb__alloc(&trust, 1, sizeof *trust, "trust store", err));
    PLUMB_TRY_CLEAN(plumb__json_parse(what, envelope.payload.data, envelope.payload.size,
                                      &trust->document, err));
    PLUMB_TRY_CLEAN(plumb__trust_read_document(what, trust, err));
    PLUMB_TRY_CLEAN(check_roots(what, &envelope, trust, err));
    const plumb__hash digest = plumb__blake2b(data, n);
    plumb__hash_hex(&digest, trust->digest);
    fingerprint(trust);
    *out = trust;
    trust = NULL;
cleanup:
    plumb_trust_free(trust);
    plumb__dsse_free(&envelope);
    return status;
}

plumb_status plumb_trust_open(const char *path, plumb_trust **trust, plumb_error *err)
{
    plumb__bytes text = {0};
    *trust = NULL;
    plumb_status status = plumb__file_read(path, PLUMB__TRUST_FILE_CAP, &text, err);
    if (status == PLUMB_OK) status = plumb_trust_parse(path, text.data, text.size, trust, err);
    plumb__bytes_free(&text);
    return status;
}

const char *plumb_trust_digest(const plumb_trust *trust)
{
    return trust->digest;
}

const char *plumb_trust_root_fingerprint(const plumb_trust *trust)
{
    return trust->fingerprint;
}

uint64_t plumb_trust_version(const plumb_trust *trust)
{
    return trust->version;
}

int64_t plumb_trust_expires(const plumb_trust *trust)
{
    return trust->expires_s;
}

size_t plumb_trust_key_count(const plumb_trust *trust)
{
    return trust->n_keys;
}

const plumb_trust_key *plumb_trust_key_at(const plumb_trust *trust, size_t i)
{
    return i < trust->n_keys ? &trust->keys[i] : NULL;
}

/* What one entry says about acting in a role at a time. */
static plumb_status check_entry(const plumb_trust_key *k, plumb_role role, int64_t at_s,
                                plumb_error *err)
{
    char when[21];
    if ((k->roles & (1u << role)) == 0) {
        return plumb__fail(err, PLUMB_ERR_TRUST, "key %s of vendor %s has not the role %s", k->name,
                           k->vendor, plumb_role_name(role));
    }
    /* A compromised key is void at every time: nothing here can tell what was signed before. */
    if (k->revoked_at != 0 &&
        (at_s >= k->revoked_at || strcmp(k->revoked_reason, "compromised") == 0)) {
        plumb__time_format(k->revoked_at, when);
        return plumb__fail(err, PLUMB_ERR_EXPIRED, "key %s of vendor %s was revoked at %s (%s)",
                           k->name, k->vendor, when, k->revoked_reason);
    }
    if (k->valid_from != 0 && at_s < k->valid_from) {
        plumb__time_format(k->valid_from, when);
        return plumb__fail(err, PLUMB_ERR_EXPIRED, "key %s of vendor %s is not valid before %s",
                           k->name, k->vendor, when);
    }
    if (k->valid_until != 0 && at_s >= k->valid_until) {
        plumb__time_format(k->valid_until, when);
        return plumb__fail(err, PLUMB_ERR_EXPIRED, "key %s of vendor %s expired at %s", k->name,
                           k->vendor, when);
    }
    return PLUMB_OK;
}

plumb_status plumb_trust_check(const plumb_trust *trust, const plumb_public_key *key,
                               const char *vendor, plumb_role role, int64_t at_s,
                               const plumb_trust_key **found, plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    if (found != NULL) *found = NULL;
    bool seen = false;
    for (size_t i = 0; i < trust->n_keys; i++) {
        const plumb_trust_key *k = &trust->keys[i];
        if (memcmp(k->key.bytes, key->bytes, PLUMB_PUBLIC_KEY_BYTES) != 0) continue;
        if (vendor != NULL && strcmp(vendor, k->vendor) != 0) continue;
        seen = true;
        status = check_entry(k, role, at_s, err);
        if (status != PLUMB_OK) continue;
        if (found != NULL) *found = k;
        return PLUMB_OK;
    }
    if (seen) return status;
    char keyid[PLUMB_KEYID_TEXT_BYTES];
    plumb_public_key_id(key, keyid);
    if (vendor == NULL) {
        return plumb__fail(err, PLUMB_ERR_TRUST, "key %s is not in the trust store", keyid);
    }
    return plumb__fail(err, PLUMB_ERR_TRUST, "key %s is not one of vendor %s in the trust store",
                       keyid, vendor);
}

uint32_t plumb_trust_threshold(const plumb_trust *trust, const char *vendor, plumb_role role)
{
    for (size_t i = 0; i < trust->n_vendors && (unsigned)role < PLUMB__ROLE_COUNT; i++) {
        if (strcmp(trust->vendors[i].name, vendor) == 0) return trust->vendors[i].thresholds[role];
    }
    return 1;
}
