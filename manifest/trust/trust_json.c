/* A trust store as text for people and scripts, and what in it needs a remark. */
#include "base/alloc.h"
#include "manifest/trust/trust_write.h"

#include <stdio.h>
#include <string.h>

static void add_key_ids(const plumb_trust *trust, json_t *vendors)
{
    size_t at = 0, i;
    const char *name;
    json_t *vendor, *entry;
    json_object_foreach(vendors, name, vendor)
    {
        json_array_foreach(json_object_get(vendor, "keys"), i, entry)
        {
            char keyid[PLUMB_KEYID_TEXT_BYTES];
            plumb_public_key_id(&trust->keys[at++].key, keyid);
            json_object_set_new(entry, "keyid", json_string(keyid));
        }
    }
}

/* The document, plus what is derived from it: digests, fingerprints, key ids. */
static json_t *describe(const plumb_trust *trust)
{
    json_t *out = json_deep_copy(trust->document), *signed_by = NULL;
    signed_by = json_pack("{s:i,s:i,s:b}", "signatures", (int)trust->signed_new, "threshold",
                          (int)trust->root_threshold, "complete", plumb__trust_complete(trust));
    json_object_set_new(out, "root_signatures", signed_by);
    json_object_set_new(out, "digest", json_string(trust->digest));
    json_object_set_new(out, "identity", json_string(trust->identity));
    json_object_set_new(out, "root_fingerprint", json_string(trust->fingerprints[0]));
    json_object_set_new(out, "current_root_fingerprint",
                        json_string(plumb_trust_current_fingerprint(trust)));
    json_object_set_new(out, "rotations", json_integer((json_int_t)trust->rotations));
    add_key_ids(trust, json_object_get(out, "vendors"));
    return out;
}

plumb_status plumb_trust_json(const plumb_trust *trust, char **text, plumb_error *err)
{
    plumb__bytes out = {0};
    *text = NULL;
    json_t *value = describe(trust);
    plumb_status status =
        value == NULL ? plumb__trust_no_memory(err) : plumb__json_dump(value, &out, err);
    if (status == PLUMB_OK) status = plumb__memdup(text, out.data, out.size, err);
    plumb__bytes_free(&out);
    json_decref(value);
    return status;
}

void plumb_text_free(char *text)
{
    plumb__free(text);
}

/* ---- remarks ---- */

/* Keys of the vendor that may act in the role and are not revoked. */
static uint32_t able(const plumb_trust *trust, const char *vendor, unsigned role)
{
    uint32_t n = 0;
    for (size_t i = 0; i < trust->n_keys; i++) {
        const plumb_trust_key *k = &trust->keys[i];
        n += strcmp(k->vendor, vendor) == 0 && (k->roles & (1u << role)) && k->revoked_at == 0 &&
             plumb__trust_compromise(trust, &k->key) == NULL;
    }
    return n;
}

/* What two entries of one key mean for each other; false: nothing that is not said of each. */
static bool remark_twins(const plumb_trust_key *a, const plumb_trust_key *b, char *out, size_t size)
{
    if (b->revoked_at != 0 && (a->revoked_at == 0 || plumb__trust_compromised(b))) {
        const plumb_trust_key *swap = a;
        a = b;
        b = swap;
    }
    const bool both = a->revoked_at != 0 && b->revoked_at != 0;
    if (both && plumb__trust_compromised(a) == plumb__trust_compromised(b)) return false;
    if (a->revoked_at == 0) {
        snprintf(out, size,
                 "key %s of vendor %s and key %s of vendor %s are the same key: make another one "
                 "for one of them",
                 a->name, a->vendor, b->name, b->vendor);
    } else if (plumb__trust_compromised(a)) {
        snprintf(out, size,
                 "key %s of vendor %s is compromised, and so is key %s of vendor %s, which is the "
                 "same key",
                 a->name, a->vendor, b->name, b->vendor);
    } else {
        snprintf(out, size,
                 "key %s of vendor %s is retired, but key %s of vendor %s, which is the same key, "
                 "still counts: revoke it too",
                 a->name, a->vendor, b->name, b->vendor);
    }
    return true;
}

static bool twin_warning(const plumb_trust *trust, size_t i, char *out, size_t size)
{
    for (size_t a = 0; a < trust->n_keys; a++) {
        for (size_t b = a + 1; b < trust->n_keys; b++) {
            const plumb_trust_key *one = &trust->keys[a], *two = &trust->keys[b];
            if (memcmp(&one->key, &two->key, sizeof one->key) != 0) continue;
            if (remark_twins(one, two, out, size) && i-- == 0) return true;
        }
    }
    return false;
}

bool plumb_trust_warning(const plumb_trust *trust, size_t i, char *out, size_t size)
{
    for (size_t v = 0; v < trust->n_vendors; v++) {
        for (unsigned r = 0; r < PLUMB__ROLE_COUNT; r++) {
            const uint32_t need = trust->vendors[v].thresholds[r];
            const uint32_t have = need > 1 ? able(trust, trust->vendors[v].name, r) : need;
            if (have >= need || i-- > 0) continue;
            snprintf(out, size,
                     "vendor %s: %u keys must sign as %s, but only %u that are not revoked can: "
                     "nothing of this vendor will be accepted in that role",
                     trust->vendors[v].name, need, plumb_role_name((plumb_role)r), have);
            return true;
        }
    }
    return twin_warning(trust, i, out, size);
}
