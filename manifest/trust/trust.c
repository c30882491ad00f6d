/* What may be asked of an open trust store. */
#include "manifest/plumb_trust.h"

#include "base/clock.h"
#include "manifest/names.h"
#include "manifest/trust/trust_store.h"

#include <stdio.h>
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

const char *plumb_trust_digest(const plumb_trust *trust)
{
    return trust->digest;
}

const char *plumb_trust_root_fingerprint(const plumb_trust *trust)
{
    return trust->fingerprints[0];
}

const char *plumb_trust_current_fingerprint(const plumb_trust *trust)
{
    return trust->fingerprints[trust->rotations];
}

uint32_t plumb_trust_rotations(const plumb_trust *trust)
{
    return trust->rotations;
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

bool plumb__trust_compromised(const plumb_trust_key *k)
{
    return k->revoked_at != 0 && strcmp(k->revoked_reason, "compromised") == 0;
}

const plumb_trust_key *plumb__trust_compromise(const plumb_trust *trust,
                                               const plumb_public_key *key)
{
    const plumb_trust_key *first = NULL;
    for (size_t i = 0; i < trust->n_keys; i++) {
        const plumb_trust_key *k = &trust->keys[i];
        if (!plumb__trust_compromised(k) || memcmp(&k->key, key, sizeof *key) != 0) continue;
        if (first == NULL || k->revoked_at < first->revoked_at) first = k;
    }
    return first;
}

/* A compromised key is void at every time, because nothing here can tell what was signed before;
 * only what a witness saw before is known. A thief holds the key under all its names: `c` is the
 * entry that says so first, `k` the one that is asked for. */
static plumb_status check_compromise(const plumb_trust_key *k, const plumb_trust_key *c,
                                     int64_t cosigned_s, plumb_error *err)
{
    char when[21], seen[21], also[2 * PLUMB__NAME_MAX + 60] = "";
    if (c == NULL || (cosigned_s != 0 && cosigned_s < c->revoked_at)) return PLUMB_OK;
    plumb__time_format(c->revoked_at, when);
    plumb__time_format(cosigned_s, seen);
    if (c != k) {
        snprintf(also, sizeof also, " is also key %s of vendor %s, which", c->name, c->vendor);
    }
    return plumb__fail(
        err, PLUMB_ERR_EXPIRED, "key %s of vendor %s%s was revoked at %s (compromised)%s%s",
        k->name, k->vendor, also, when,
        cosigned_s != 0 ? ", and the first witness cosigned at " : "", cosigned_s != 0 ? seen : "");
}

/* Retired stays retired, whatever became known of the key later. */
static plumb_status check_retirement(const plumb_trust_key *k, int64_t at_s, plumb_error *err)
{
    char when[21];
    const int64_t retired_s = plumb__trust_compromised(k) ? k->retired_at : k->revoked_at;
    if (retired_s == 0 || at_s < retired_s) return PLUMB_OK;
    plumb__time_format(retired_s, when);
    return plumb__fail(err, PLUMB_ERR_EXPIRED, "key %s of vendor %s was revoked at %s (retired)",
                       k->name, k->vendor, when);
}

/* What one entry says about acting in a role at a time. */
static plumb_status check_entry(const plumb_trust *trust, const plumb_trust_key *k, plumb_role role,
                                int64_t at_s, int64_t cosigned_s, plumb_error *err)
{
    char when[21];
    if ((k->roles & (1u << role)) == 0) {
        return plumb__fail(err, PLUMB_ERR_TRUST, "key %s of vendor %s has not the role %s", k->name,
                           k->vendor, plumb_role_name(role));
    }
    PLUMB_TRY(check_compromise(k, plumb__trust_compromise(trust, &k->key), cosigned_s, err));
    PLUMB_TRY(check_retirement(k, at_s, err));
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
    return plumb__trust_check_seen(trust, key, vendor, role, at_s, 0, found, err);
}

plumb_status plumb__trust_check_seen(const plumb_trust *trust, const plumb_public_key *key,
                                     const char *vendor, plumb_role role, int64_t at_s,
                                     int64_t cosigned_s, const plumb_trust_key **found,
                                     plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    if (found != NULL) *found = NULL;
    bool seen = false;
    for (size_t i = 0; i < trust->n_keys; i++) {
        const plumb_trust_key *k = &trust->keys[i];
        if (memcmp(k->key.bytes, key->bytes, PLUMB_PUBLIC_KEY_BYTES) != 0) continue;
        if (vendor != NULL && strcmp(vendor, k->vendor) != 0) continue;
        seen = true;
        status = check_entry(trust, k, role, at_s, cosigned_s, err);
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
