/* The trust document: strict, every field known, every name and date checked. */
#include "base/alloc.h"
#include "base/clock.h"
#include "manifest/names.h"
#include "manifest/signing/pem.h"
#include "manifest/trust/trust_store.h"

#include <stdio.h>
#include <string.h>

#define PLACE_BYTES 512

static plumb_status read_time(const char *what, const json_t *obj, const char *name, int64_t *out,
                              plumb_error *err)
{
    const char *text = NULL;
    *out = 0;
    PLUMB_TRY(plumb__json_string(what, obj, name, false, &text, err));
    /* In memory 0 stands for "not given"; no honest date is that old. */
    if (text == NULL || (plumb__time_parse(text, out) && *out > 0)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"%s\" must be a date YYYY-MM-DD or a time "
                       "YYYY-MM-DDThh:mm:ssZ, later than 1970-01-01",
                       what, name);
}

static plumb_status read_key(const char *what, const char *text, plumb_public_key *out,
                             plumb_error *err)
{
    if (text != NULL && plumb__spki_base64_parse(text, out)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_KEY,
                       "%s: a key must be the body of an Ed25519 public key in PEM", what);
}

static plumb_status read_threshold(const char *what, const json_t *obj, const char *name,
                                   uint32_t *out, plumb_error *err)
{
    int64_t value = 0;
    PLUMB_TRY(plumb__json_integer(what, obj, name, true, &value, err));
    if (value < 1 || value > PLUMB__TRUST_MAX_ROOTS) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: the threshold \"%s\" must be an integer from 1 to %d", what, name,
                           PLUMB__TRUST_MAX_ROOTS);
    }
    *out = (uint32_t)value;
    return PLUMB_OK;
}

static plumb_status read_roots(const char *what, const json_t *root, plumb_trust *trust,
                               plumb_error *err)
{
    static const char *const allowed[] = {"keys", "threshold", NULL};
    const json_t *roots = NULL, *keys = NULL;
    char place[PLACE_BYTES];
    snprintf(place, sizeof place, "%s: in \"roots\"", what);
    PLUMB_TRY(plumb__json_object(what, root, "roots", true, &roots, err));
    PLUMB_TRY(plumb__json_only(place, roots, allowed, err));
    PLUMB_TRY(plumb__json_array(place, roots, "keys", true, &keys, err));
    PLUMB_TRY(read_threshold(place, roots, "threshold", &trust->root_threshold, err));
    const size_t n = json_array_size(keys);
    if (n < trust->root_threshold || n > PLUMB__TRUST_MAX_ROOTS) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: %zu root keys under a threshold of %u; at most %d are allowed",
                           place, n, trust->root_threshold, PLUMB__TRUST_MAX_ROOTS);
    }
    PLUMB_TRY(plumb__alloc(&trust->roots, n, sizeof *trust->roots, "trust store", err));
    for (size_t i = 0; i < n; i++) {
        PLUMB_TRY(
            read_key(place, json_string_value(json_array_get(keys, i)), &trust->roots[i], err));
        for (size_t k = 0; k < i; k++) {
            if (memcmp(&trust->roots[k], &trust->roots[i], sizeof *trust->roots) == 0) {
                return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: one root key is there twice", place);
            }
        }
    }
    trust->n_roots = n;
    return PLUMB_OK;
}

static plumb_status read_roles(const char *what, const json_t *entry, uint32_t *out,
                               plumb_error *err)
{
    const json_t *roles = NULL;
    *out = 0;
    PLUMB_TRY(plumb__json_array(what, entry, "roles", true, &roles, err));
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const char *name = json_string_value(json_array_get(roles, i));
        plumb_role role;
        if (name == NULL || !plumb_role_parse(name, &role)) {
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: there is no role \"%s\"", what,
                               name != NULL ? name : "(not a string)");
        }
        *out |= 1u << role;
    }
    if (*out != 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a key must have at least one role", what);
}

static plumb_status read_revocation(const char *what, const json_t *entry, plumb_trust_key *out,
                                    plumb_error *err)
{
    PLUMB_TRY(read_time(what, entry, "revoked_at", &out->revoked_at, err));
    PLUMB_TRY(plumb__json_string(what, entry, "reason", false, &out->revoked_reason, err));
    PLUMB_TRY(read_time(what, entry, "retired_at", &out->retired_at, err));
    const bool known =
        out->revoked_reason != NULL && (strcmp(out->revoked_reason, "retired") == 0 ||
                                        strcmp(out->revoked_reason, "compromised") == 0);
    if (known != (out->revoked_at != 0) || known != (out->revoked_reason != NULL)) {
        return plumb__fail(
            err, PLUMB_ERR_FORMAT,
            "%s: a revoked key has both \"revoked_at\" and a \"reason\", \"retired\" or "
            "\"compromised\"",
            what);
    }
    if (out->retired_at == 0 || (known && strcmp(out->revoked_reason, "compromised") == 0)) {
        return PLUMB_OK;
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: only a key that is compromised has a \"retired_at\"", what);
}

static plumb_status read_entry(const char *what, const json_t *entry, plumb_trust_key *out,
                               plumb_error *err)
{
    static const char *const allowed[] = {"name",       "key",         "roles",
                                          "valid_from", "valid_until", "revoked_at",
                                          "reason",     "retired_at",  NULL};
    const char *key = NULL;
    if (!json_is_object(entry)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a key must be an object", what);
    }
    PLUMB_TRY(plumb__json_only(what, entry, allowed, err));
    PLUMB_TRY(plumb__json_string(what, entry, "name", true, &out->name, err));
    PLUMB_TRY(plumb__name_check(what, "key name", out->name, err));
    PLUMB_TRY(plumb__json_string(what, entry, "key", true, &key, err));
    PLUMB_TRY(read_key(what, key, &out->key, err));
    PLUMB_TRY(read_roles(what, entry, &out->roles, err));
    PLUMB_TRY(read_time(what, entry, "valid_from", &out->valid_from, err));
    PLUMB_TRY(read_time(what, entry, "valid_until", &out->valid_until, err));
    return read_revocation(what, entry, out, err);
}

/* T2: one key under two names of a vendor could otherwise fill a threshold of two. */
static plumb_status check_distinct(const char *what, const plumb_trust *trust, size_t first,
                                   plumb_error *err)
{
    const plumb_trust_key *last = &trust->keys[trust->n_keys - 1];
    for (size_t i = first; i + 1 < trust->n_keys; i++) {
        const plumb_trust_key *k = &trust->keys[i];
        if (strcmp(k->name, last->name) == 0) {
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: key name \"%s\" is there twice", what,
                               last->name);
        }
        if (memcmp(&k->key, &last->key, sizeof k->key) == 0) {
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%s\" and \"%s\" are the same key",
                               what, k->name, last->name);
        }
    }
    return PLUMB_OK;
}

static plumb_status read_thresholds(const char *what, const json_t *vendor,
                                    plumb__trust_vendor *out, plumb_error *err)
{
    const json_t *thresholds = NULL;
    for (int i = 0; i < PLUMB__ROLE_COUNT; i++) {
        out->thresholds[i] = 1;
    }
    PLUMB_TRY(plumb__json_object(what, vendor, "thresholds", false, &thresholds, err));
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)thresholds, name, value)
    {
        plumb_role role;
        if (!plumb_role_parse(name, &role)) {
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: there is no role \"%s\"", what, name);
        }
        PLUMB_TRY(read_threshold(what, thresholds, name, &out->thresholds[role], err));
    }
    return PLUMB_OK;
}

static plumb_status read_vendor(const char *what, const char *name, const json_t *vendor,
                                plumb_trust *trust, plumb_error *err)
{
    static const char *const allowed[] = {"keys", "thresholds", NULL};
    const json_t *keys = NULL;
    char place[PLACE_BYTES];
    PLUMB_TRY(plumb__name_check(what, "vendor", name, err));
    snprintf(place, sizeof place, "%s: vendor \"%s\"", what, name);
    if (!json_is_object(vendor)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: must be an object", place);
    }
    PLUMB_TRY(plumb__json_only(place, vendor, allowed, err));
    PLUMB_TRY(plumb__json_array(place, vendor, "keys", true, &keys, err));
    plumb__trust_vendor *out = &trust->vendors[trust->n_vendors++];
    out->name = name;
    PLUMB_TRY(read_thresholds(place, vendor, out, err));
    const size_t first = trust->n_keys;
    for (size_t i = 0; i < json_array_size(keys); i++) {
        plumb_trust_key *k = &trust->keys[trust->n_keys];
        PLUMB_TRY(read_entry(place, json_array_get(keys, i), k, err));
        k->vendor = name;
        trust->n_keys++;
        PLUMB_TRY(check_distinct(place, trust, first, err));
    }
    return PLUMB_OK;
}

static plumb_status read_vendors(const char *what, const json_t *root, plumb_trust *trust,
                                 plumb_error *err)
{
    const json_t *vendors = NULL;
    const char *name;
    json_t *vendor;
    size_t n_keys = 0;
    PLUMB_TRY(plumb__json_object(what, root, "vendors", true, &vendors, err));
    json_object_foreach((json_t *)(uintptr_t)vendors, name, vendor)
    {
        n_keys += json_array_size(json_object_get(vendor, "keys"));
    }
    if (n_keys > PLUMB__TRUST_MAX_KEYS) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: has %zu keys, at most %d are allowed", what,
                           n_keys, PLUMB__TRUST_MAX_KEYS);
    }
    PLUMB_TRY(plumb__alloc(&trust->vendors, json_object_size(vendors), sizeof *trust->vendors,
                           "trust store", err));
    PLUMB_TRY(plumb__alloc(&trust->keys, n_keys, sizeof *trust->keys, "trust store", err));
    json_object_foreach((json_t *)(uintptr_t)vendors, name, vendor)
    {
        PLUMB_TRY(read_vendor(what, name, vendor, trust, err));
    }
    return PLUMB_OK;
}

plumb_status plumb__trust_read_document(const char *what, plumb_trust *trust, plumb_error *err)
{
    static const char *const allowed[] = {"plumb_trust", "version", "issued",   "expires",
                                          "roots",       "vendors", "previous", NULL};
    const json_t *root = trust->document;
    int64_t form = 0, version = 0;
    plumb__hash digest;
    if (!json_is_object(root)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a trust store must be a JSON object", what);
    }
    PLUMB_TRY(plumb__json_integer(what, root, "plumb_trust", true, &form, err));
    if (form != 1) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"plumb_trust\" is %lld; this version reads stores of "
                           "version 1",
                           what, (long long)form);
    }
    PLUMB_TRY(plumb__json_only(what, root, allowed, err));
    PLUMB_TRY(plumb__json_integer(what, root, "version", true, &version, err));
    PLUMB_TRY(read_time(what, root, "issued", &trust->issued_s, err));
    PLUMB_TRY(read_time(what, root, "expires", &trust->expires_s, err));
    PLUMB_TRY(plumb__json_string(what, root, "previous", false, &trust->previous, err));
    if (version < 1 || (trust->previous != NULL) != (version > 1) ||
        (trust->previous != NULL && !plumb__hash_parse(trust->previous, &digest))) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: version must be 1 or more, and above 1 \"previous\" must be the "
                           "digest of the store before",
                           what);
    }
    trust->version = (uint64_t)version;
    PLUMB_TRY(read_roots(what, root, trust, err));
    return read_vendors(what, root, trust, err);
}
