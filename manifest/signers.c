/* Who signed a manifest, and whether that is enough. Every signature that names a key of the store
 * must hold, so that no byte of it can change unseen; one by a stranger is left aside. */
#include "base/alloc.h"
#include "manifest/manifest_object.h"

#include <string.h>

/* The store's entry whose key id is the hint; NULL when there is none. */
static const plumb_trust_key *hinted(const plumb_trust *trust, const char *keyid)
{
    char id[PLUMB_KEYID_TEXT_BYTES];
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        const plumb_trust_key *k = plumb_trust_key_at(trust, i);
        plumb_public_key_id(&k->key, id);
        if (strcmp(id, keyid) == 0) return k;
    }
    return NULL;
}

static const plumb_trust_key *maker(const plumb__dsse *envelope, size_t i, const plumb_trust *trust)
{
    for (size_t k = 0; k < plumb_trust_key_count(trust); k++) {
        const plumb_trust_key *entry = plumb_trust_key_at(trust, k);
        if (plumb__dsse_signed_by(envelope, i, &entry->key)) return entry;
    }
    return NULL;
}

static plumb_status find_one(const char *what, const plumb__dsse *envelope, size_t i,
                             const plumb_trust *trust, const plumb_trust_key **found,
                             plumb_error *err)
{
    const char *keyid = envelope->signatures[i].keyid;
    const plumb_trust_key *named = keyid[0] != '\0' ? hinted(trust, keyid) : NULL;
    *found = NULL;
    if (named != NULL && plumb__dsse_signed_by(envelope, i, &named->key)) {
        *found = named;
        return PLUMB_OK;
    }
    if (named != NULL) {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                           "%s: signature %zu does not hold under key %s: the envelope was changed "
                           "after signing",
                           what, i + 1, named->name);
    }
    const plumb_trust_key *made_by = maker(envelope, i, trust);
    if (made_by != NULL && keyid[0] != '\0') {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                           "%s: signature %zu is by key %s but names another", what, i + 1,
                           made_by->name);
    }
    *found = made_by;
    return PLUMB_OK;
}

static bool known(const plumb_manifest *m, const plumb_public_key *key)
{
    for (uint32_t i = 0; i < m->n_signers; i++) {
        if (memcmp(&m->signers[i].key, key, sizeof *key) == 0) return true;
    }
    return false;
}

plumb_status plumb__signers_find(const char *what, const plumb__dsse *envelope,
                                 const plumb_trust *trust, plumb_manifest *m, plumb_error *err)
{
    for (size_t i = 0; i < envelope->n_signatures; i++) {
        const plumb_trust_key *found = NULL;
        PLUMB_TRY(find_one(what, envelope, i, trust, &found, err));
        if (found == NULL || known(m, &found->key)) continue;
        plumb__signer *signer = &m->signers[m->n_signers++];
        signer->key = found->key;
        plumb_public_key_id(&found->key, signer->keyid);
    }
    if (m->n_signers > 0) return PLUMB_OK;
    const char *keyid = envelope->signatures[0].keyid;
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: is signed by no key of the trust store (the first signature names key "
                       "%s); if you trust that key, add it with plumb trust add",
                       what, keyid[0] != '\0' ? keyid : "nobody");
}

plumb_status plumb__signers_judge(const char *what, const plumb_trust *trust, int64_t at_s,
                                  plumb_manifest *m, plumb_error *err)
{
    const char *vendor = m->statement.vendor;
    const plumb_role role = PLUMB_ROLE_QUALITY_ATTESTATION;
    const uint32_t need = plumb_trust_threshold(trust, vendor, role), all = m->n_signers;
    plumb_status status = PLUMB_OK;
    m->n_signers = 0;
    for (uint32_t i = 0; i < all; i++) {
        const plumb_trust_key *entry = NULL;
        plumb_error why = {0};
        const plumb_status one =
            plumb_trust_check(trust, &m->signers[i].key, vendor, role, at_s, &entry, &why);
        if (one != PLUMB_OK) {
            status = plumb__fail(err, one, "%s: %s", what, why.message);
            continue;
        }
        plumb__signer *kept = &m->signers[m->n_signers];
        if (kept != &m->signers[i]) *kept = m->signers[i];
        m->n_signers++;
        PLUMB_TRY(plumb__strdup(&kept->name, entry->name, err));
    }
    if (m->n_signers == 0) return status;
    if (m->n_signers >= need) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: %u of vendor %s's keys have signed as %s, the trust store wants %u",
                       what, m->n_signers, vendor, plumb_role_name(role), need);
}
