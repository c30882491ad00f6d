/* Who signed a manifest, and whether that is enough. Every signature that names a key of the store
 * must hold, so that no byte of it can change unseen; one by a stranger is left aside. */
#include "base/alloc.h"
#include "manifest/files.h"
#include "manifest/manifest_object.h"
#include "manifest/trust/trust_store.h"

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

/* Whose signature it is, whatever it says; NULL: a stranger's. */
static plumb_status find_maker(const plumb__dsse *envelope, size_t i, const plumb_trust *trust,
                               const plumb_trust_key **found, plumb_error *err)
{
    *found = NULL;
    for (size_t k = 0; k < plumb_trust_key_count(trust); k++) {
        const plumb_trust_key *entry = plumb_trust_key_at(trust, k);
        const plumb_status status = plumb__dsse_verify(envelope, i, &entry->key, err);
        if (status == PLUMB_ERR_NO_MEMORY) return status;
        if (status != PLUMB_OK) continue;
        *found = entry;
        break;
    }
    return PLUMB_OK;
}

static plumb_status find_one(const char *what, const plumb__dsse *envelope, size_t i,
                             const plumb_trust *trust, const plumb_trust_key **found,
                             plumb_error *err)
{
    const char *keyid = envelope->signatures[i].keyid;
    const plumb_trust_key *named = keyid[0] != '\0' ? hinted(trust, keyid) : NULL;
    *found = NULL;
    if (named != NULL) {
        const plumb_status status = plumb__dsse_verify(envelope, i, &named->key, err);
        if (status == PLUMB_OK) *found = named;
        if (status == PLUMB_OK || status == PLUMB_ERR_NO_MEMORY) return status;
        return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                           "%s: signature %zu does not hold under key %s: the envelope was changed "
                           "after signing",
                           what, i + 1, named->name);
    }
    const plumb_trust_key *made_by = NULL;
    PLUMB_TRY(find_maker(envelope, i, trust, &made_by, err));
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

/* Whether one signer may speak for the vendor at this time. */
static plumb_status judge_one(const char *what, const plumb_trust *trust, int64_t at_s,
                              int64_t cosigned_s, const plumb_manifest *m, uint32_t i,
                              const plumb_trust_key **entry, plumb_error *err)
{
    plumb_error why = {0};
    const plumb_status status =
        plumb__trust_check_seen(trust, &m->signers[i].key, m->statement.vendor,
                                PLUMB_ROLE_QUALITY_ATTESTATION, at_s, cosigned_s, entry, &why);
    const char *advice = status == PLUMB_ERR_EXPIRED
                             ? "; ask for a signature by a current key: plumb manifest sign again "
                               "with it adds one"
                             : "";
    return status == PLUMB_OK ? PLUMB_OK
                              : plumb__fail(err, status, "%s: %s%s", what, why.message, advice);
}

static plumb_status check_threshold(const char *what, const plumb_trust *trust,
                                    const plumb_manifest *m, uint32_t count, plumb_error *err)
{
    const plumb_role role = PLUMB_ROLE_QUALITY_ATTESTATION;
    const uint32_t need = plumb_trust_threshold(trust, m->statement.vendor, role);
    if (count >= need) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: %u of vendor %s's keys have signed as %s, the trust store wants %u",
                       what, count, m->statement.vendor, plumb_role_name(role), need);
}

plumb_status plumb__signers_judge(const char *what, const plumb_trust *trust, int64_t at_s,
                                  plumb_manifest *m, plumb_error *err)
{
    const uint32_t all = m->n_signers;
    uint32_t kept = 0;
    plumb_status status = PLUMB_OK;
    for (uint32_t i = 0; i < all; i++) {
        const plumb_trust_key *entry = NULL;
        const plumb_status one =
            judge_one(what, trust, at_s, m->witnesses.earliest_s, m, i, &entry, err);
        if (one != PLUMB_OK) {
            status = one;
            continue;
        }
        if (kept != i) m->signers[kept] = m->signers[i];
        PLUMB_TRY(plumb__strdup(&m->signers[kept++].name, entry->name, err));
    }
    m->n_signers = kept;
    return kept == 0 ? status : check_threshold(what, trust, m, kept, err);
}

plumb_status plumb__manifest_judge(const plumb_manifest *m, const char *what,
                                   const plumb_trust *trust, int64_t at_s, plumb_error *err)
{
    int64_t cosigned_s = 0;
    uint32_t count = 0;
    plumb_status status = PLUMB_OK;
    if (m->n_signers == 0) {
        return plumb__fail(err, PLUMB_ERR_TRUST,
                           "%s: was opened without a trust store; nobody knows who signed it",
                           what);
    }
    PLUMB_TRY(plumb__manifest_cosigned(m, what, trust, &cosigned_s, err));
    for (uint32_t i = 0; i < m->n_signers; i++) {
        const plumb_trust_key *entry = NULL;
        const plumb_status one = judge_one(what, trust, at_s, cosigned_s, m, i, &entry, err);
        if (one != PLUMB_OK) status = one;
        count += one == PLUMB_OK;
    }
    return count == 0 ? status : check_threshold(what, trust, m, count, err);
}
