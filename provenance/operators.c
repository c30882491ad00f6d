#include "provenance/operators.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

/* ---- the signer --------------------------------------------------------------------------- */

static bool signed_by(const plumb__dsse *envelope, const plumb_public_key *key)
{
    for (size_t i = 0; i < envelope->n_signatures; i++)
        if (plumb__dsse_signed_by(envelope, i, key)) return true;
    return false;
}

static bool may_act(const plumb_trust *trust, const plumb_trust_key *key, int64_t at_s)
{
    const plumb_trust_key *found = NULL;
    return plumb_trust_check(trust, &key->key, key->vendor, PLUMB_ROLE_OPERATOR, at_s, &found,
                             NULL) == PLUMB_OK;
}

static uint32_t count_signers(const plumb__dsse *envelope, const plumb_trust *trust,
                              const char *vendor, int64_t at_s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        const plumb_trust_key *key = plumb_trust_key_at(trust, i);
        n += strcmp(key->vendor, vendor) == 0 && signed_by(envelope, &key->key) &&
             may_act(trust, key, at_s);
    }
    return n;
}

/* Enough keys of one vendor, each counted once, must have signed and be allowed to at that time. */
static plumb_status check_signer(const char *what, const plumb__dsse *envelope,
                                 const plumb_trust *trust, int64_t at_s,
                                 char keyid[PLUMB_KEYID_TEXT_BYTES], plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        const plumb_trust_key *key = plumb_trust_key_at(trust, i), *found = NULL;
        if (!signed_by(envelope, &key->key)) continue;
        status = plumb_trust_check(trust, &key->key, key->vendor, PLUMB_ROLE_OPERATOR, at_s, &found,
                                   err);
        if (status != PLUMB_OK) {
            status = plumb__error_prefix(err, status, "%s", what);
            continue;
        }
        const uint32_t signers = count_signers(envelope, trust, key->vendor, at_s);
        const uint32_t needed = plumb_trust_threshold(trust, key->vendor, PLUMB_ROLE_OPERATOR);
        if (signers >= needed) {
            plumb_public_key_id(&key->key, keyid);
            return PLUMB_OK;
        }
        status = plumb__fail(err, PLUMB_ERR_TRUST,
                             "%s: signed by %u operator keys of %s, the trust store wants %u", what,
                             signers, key->vendor, needed);
    }
    if (status == PLUMB_OK)
        return plumb__fail(err, PLUMB_ERR_TRUST, "%s: no key of the trust store has signed it",
                           what);
    return status;
}

/* ---- the lines ---------------------------------------------------------------------------- */

static plumb_status check_run(const char *what, const plumb__certificate *c, size_t index,
                              const plumb__bytes *run_bytes, const plumb__run_json *run,
                              plumb_error *err)
{
    const plumb__hash blake = plumb__blake2b(run_bytes->data, run_bytes->size);
    const plumb__hash sha = plumb__sha256(run_bytes->data, run_bytes->size);
    if (!plumb__hash_equal(&blake, &c->run_json_blake2b) ||
        !plumb__hash_equal(&sha, &c->run_json_sha256))
        return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: certifies another run.json", what);
    if (index == 0 && memcmp(&c->run_key, &run->run_key, sizeof c->run_key) != 0)
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "%s: certifies another run key than run.json names", what);
    return PLUMB_OK;
}

static plumb_status check_line(size_t index, const char *line, size_t n,
                               const plumb__bytes *run_bytes, const plumb__run_json *run,
                               const plumb_trust *trust, plumb__operators *out, plumb_error *err)
{
    char what[64];
    plumb__dsse envelope;
    plumb__certificate certificate;
    snprintf(what, sizeof what, "certificates line %zu", index + 1);
    PLUMB_TRY(plumb__certificate_parse(what, line, n, &envelope, &certificate, err));
    plumb_status status = check_run(what, &certificate, index, run_bytes, run, err);
    if (status == PLUMB_OK && trust != NULL)
        status = check_signer(what, &envelope, trust, certificate.time_s, out->keyid, err);
    plumb__dsse_free(&envelope);
    return status;
}

plumb_status plumb__operators_check(const plumb__bytes *file, const plumb__bytes *run_bytes,
                                    const plumb__run_json *run, const plumb_trust *trust,
                                    plumb__operators *out, plumb_error *err)
{
    PLUMB_TRY(plumb__certificates_parse("certificates", file->data, file->size, run->run_id,
                                        &out->rows, &out->n, err));
    const char *at = (const char *)file->data, *end = at + file->size;
    for (size_t i = 0; i < out->n; i++) {
        const char *lf = memchr(at, '\n', (size_t)(end - at)); /* there: parsed above */
        PLUMB_TRY(check_line(i, at, (size_t)(lf - at), run_bytes, run, trust, out, err));
        if (i > 0 && out->rows[i].previous_size < out->rows[i - 1].previous_size)
            return plumb__fail(err, PLUMB_ERR_DIGEST,
                               "certificates line %zu: names an older head than the line before it",
                               i + 1);
        at = lf + 1;
    }
    return PLUMB_OK;
}

void plumb__operators_free(plumb__operators *operators)
{
    plumb__free(operators->rows);
    *operators = (plumb__operators){0};
}
