/* Who may sign a withdrawal, asked before anything is written. */
#include "base/clock.h"
#include "manifest/manifest_object.h"
#include "manifest/notices/withdrawal.h"

#include <stdio.h>
#include <string.h>

#define LIST_BYTES 400 /* of the keys that a message names */
#define REFUSED                                                                                    \
    "%s: a withdrawal signed so would be refused by everybody, and the manifest with it: "

/* Adds a name to a list; what does not fit is dots. */
static void add_name(char list[LIST_BYTES], const char *format, const char *name)
{
    const size_t n = strlen(list);
    if (n > LIST_BYTES - 80) {
        if (n < LIST_BYTES - 10) strcat(list, ", …");
        return;
    }
    snprintf(list + n, 70, "%s", n > 0 ? ", " : "");
    snprintf(list + strlen(list), 70, format, name);
}

/* ---- by a trust store ---- */

/* A key retired by now could be one that was lost: it signs nothing new, whatever the date. */
static plumb_status counts(const plumb_trust *trust, const plumb_public_key *key,
                           const char *vendor, int64_t issued_s, plumb_error *err)
{
    const plumb_trust_key *found = NULL;
    const plumb_role role = PLUMB_ROLE_QUALITY_ATTESTATION;
    PLUMB_TRY(plumb_trust_check(trust, key, vendor, role, plumb__wall_s(), &found, err));
    return plumb_trust_check(trust, key, vendor, role, issued_s, &found, err);
}

static plumb_status check_in_store(const char *path, const char *vendor,
                                   const plumb_public_key *key, const plumb_trust *trust,
                                   int64_t issued_s, plumb_error *err)
{
    char list[LIST_BYTES] = "";
    plumb_error why = {0}, other = {0};
    if (counts(trust, key, vendor, issued_s, &why) == PLUMB_OK) return PLUMB_OK;
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        const plumb_trust_key *k = plumb_trust_key_at(trust, i);
        if (strcmp(k->vendor, vendor) != 0) continue;
        if (counts(trust, &k->key, vendor, issued_s, &other) == PLUMB_OK)
            add_name(list, "%.64s", k->name);
    }
    return plumb__fail(err, why.status, REFUSED "%s; keys that count: %s", path, why.message,
                       list[0] != '\0' ? list : "none");
}

/* ---- by the envelope ---- */

static plumb_status check_in_envelope(const char *path, const char *vendor,
                                      const plumb_public_key *key, plumb_error *err)
{
    char list[LIST_BYTES] = "", keyid[PLUMB_KEYID_TEXT_BYTES];
    plumb__bytes text = {0};
    plumb__dsse envelope;
    bool found = false;
    PLUMB_TRY(plumb__manifest_envelope_read(path, &text, &envelope, err));
    for (size_t i = 0; i < envelope.n_signatures; i++) {
        found = found || plumb__dsse_signed_by(&envelope, i, key);
        add_name(list, "%.16s…", envelope.signatures[i].keyid);
    }
    plumb__dsse_free(&envelope);
    plumb__bytes_free(&text);
    if (found) return PLUMB_OK;
    plumb_public_key_id(key, keyid);
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       REFUSED "key %.16s… did not sign it; sign with a key that did (%s), or give "
                               "--trust with a store that lists this one for vendor %s as "
                               "quality-attestation",
                       path, keyid, list, vendor);
}

plumb_status plumb__withdrawal_check_signer(const char *path, const plumb_manifest *m,
                                            const plumb_public_key *key, const plumb_trust *trust,
                                            int64_t issued_s, plumb_error *err)
{
    const char *vendor = m->statement.vendor;
    if (trust != NULL) return check_in_store(path, vendor, key, trust, issued_s, err);
    return check_in_envelope(path, vendor, key, err);
}
