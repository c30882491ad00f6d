/* DSSE 1.0.2. An envelope file has one form only: the line that plumb__dsse_dump writes. So every
 * byte of it is accounted for, and a changed blank or hint is as visible as a changed signature. */
#include "manifest/signing/dsse.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

void plumb__dsse_pae(const char *payload_type, const void *payload, size_t n, plumb__bytes *out)
{
    plumb__bytes_appendf(out, "DSSEv1 %zu %s %zu ", strlen(payload_type), payload_type, n);
    plumb__bytes_append(out, payload, n);
}

/* What may stand between quotes without an escape. */
static bool is_plain(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e || text[i] == '"' || text[i] == '\\') return false;
    }
    return true;
}

static plumb_status copy_plain(const char *what, const char *name, const char *text, char *out,
                               size_t out_size, plumb_error *err)
{
    const size_t n = strlen(text);
    if (n >= out_size || !is_plain(text, n)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"%s\" must be at most %zu plain ASCII characters", what,
                           name, out_size - 1);
    }
    memcpy(out, text, n + 1);
    return PLUMB_OK;
}

static plumb_status parse_signature(const char *what, size_t i, const json_t *entry,
                                    plumb__dsse *out, plumb_error *err)
{
    static const char *const allowed[] = {"keyid", "sig", NULL};
    if (!json_is_object(entry)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: signature %zu is not an object", what,
                           i + 1);
    }
    const char *keyid = "", *sig = NULL;
    PLUMB_TRY(plumb__json_only(what, entry, allowed, err));
    PLUMB_TRY(plumb__json_string(what, entry, "keyid", false, &keyid, err));
    PLUMB_TRY(plumb__json_string(what, entry, "sig", true, &sig, err));
    PLUMB_TRY(copy_plain(what, "keyid", keyid, out->signatures[i].keyid,
                         sizeof out->signatures[i].keyid, err));
    plumb__bytes bytes = {0};
    plumb_status status = plumb__base64_decode(sig, strlen(sig), &bytes, err);
    if (status != PLUMB_OK) {
        status = plumb__error_prefix(err, status, "%s: signature %zu", what, i + 1);
    } else if (bytes.size != PLUMB_SIGNATURE_BYTES) {
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: signature %zu has %zu bytes, expected %d",
                             what, i + 1, bytes.size, PLUMB_SIGNATURE_BYTES);
    } else {
        memcpy(out->signatures[i].signature, bytes.data, PLUMB_SIGNATURE_BYTES);
    }
    plumb__bytes_free(&bytes);
    return status;
}

static plumb_status parse_fields(const char *what, const json_t *root, plumb__dsse *out,
                                 plumb_error *err)
{
    static const char *const allowed[] = {"payload", "payloadType", "signatures", NULL};
    if (!json_is_object(root)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: an envelope must be a JSON object", what);
    }
    const char *type = NULL, *payload = NULL;
    const json_t *signatures = NULL;
    PLUMB_TRY(plumb__json_only(what, root, allowed, err));
    PLUMB_TRY(plumb__json_string(what, root, "payloadType", true, &type, err));
    PLUMB_TRY(plumb__json_string(what, root, "payload", true, &payload, err));
    PLUMB_TRY(plumb__json_array(what, root, "signatures", true, &signatures, err));
    PLUMB_TRY(
        copy_plain(what, "payloadType", type, out->payload_type, sizeof out->payload_type, err));
    const plumb_status status = plumb__base64_decode(payload, strlen(payload), &out->payload, err);
    if (status != PLUMB_OK) return plumb__error_prefix(err, status, "%s: field \"payload\"", what);
    out->n_signatures = json_array_size(signatures);
    if (out->n_signatures == 0 || out->n_signatures > PLUMB__DSSE_MAX_SIGNATURES) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: has %zu signatures, expected 1 to %d", what,
                           out->n_signatures, PLUMB__DSSE_MAX_SIGNATURES);
    }
    for (size_t i = 0; i < out->n_signatures; i++) {
        PLUMB_TRY(parse_signature(what, i, json_array_get(signatures, i), out, err));
    }
    return PLUMB_OK;
}

/* The bytes must be those that dump would write. */
static plumb_status check_form(const char *what, const void *data, size_t n,
                               const plumb__dsse *envelope, plumb_error *err)
{
    plumb__bytes again = {0};
    plumb_status status = plumb__dsse_dump(envelope, &again, err);
    if (status == PLUMB_OK && (again.size != n || memcmp(again.data, data, n) != 0)) {
        status = plumb__fail(err, PLUMB_ERR_FORMAT,
                             "%s: is not in the one-line form of an envelope (fields in order, no "
                             "blanks, no escapes): it was changed or rewritten after signing",
                             what);
    }
    plumb__bytes_free(&again);
    return status;
}

plumb_status plumb__dsse_parse(const char *what, const void *data, size_t n, plumb__dsse *out,
                               plumb_error *err)
{
    json_t *root = NULL;
    memset(out, 0, sizeof *out);
    plumb_status status = plumb__json_parse(what, data, n, &root, err);
    if (status == PLUMB_OK) status = parse_fields(what, root, out, err);
    if (status == PLUMB_OK) status = check_form(what, data, n, out, err);
    json_decref(root);
    if (status != PLUMB_OK) plumb__dsse_free(out);
    return status;
}

void plumb__dsse_free(plumb__dsse *envelope)
{
    plumb__bytes_free(&envelope->payload);
    memset(envelope, 0, sizeof *envelope);
}

plumb_status plumb__dsse_verify(const plumb__dsse *envelope, size_t i, const plumb_public_key *key,
                                plumb_error *err)
{
    plumb__bytes pae = {0};
    if (i >= envelope->n_signatures) {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE, "there is no signature %zu", i + 1);
    }
    plumb__dsse_pae(envelope->payload_type, envelope->payload.data, envelope->payload.size, &pae);
    plumb_status status = plumb__bytes_check(&pae, err);
    if (status == PLUMB_OK) {
        status = plumb_signature_verify(key, pae.data, pae.size, envelope->signatures[i].signature,
                                        PLUMB_SIGNATURE_BYTES, err);
    }
    plumb__bytes_free(&pae);
    return status;
}

bool plumb__dsse_signed_by(const plumb__dsse *envelope, size_t i, const plumb_public_key *key)
{
    return plumb__dsse_verify(envelope, i, key, NULL) == PLUMB_OK;
}

plumb_status plumb__dsse_sign(plumb__dsse *envelope, const plumb_secret_key *key, plumb_error *err)
{
    const size_t at = envelope->n_signatures;
    if (at >= PLUMB__DSSE_MAX_SIGNATURES) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "an envelope holds at most %d signatures",
                           PLUMB__DSSE_MAX_SIGNATURES);
    }
    plumb_public_key public_key;
    plumb_key_public(key, &public_key);
    /* Ed25519 is deterministic: a second signature of one key would only be the first again. */
    for (size_t i = 0; i < at; i++) {
        if (plumb__dsse_signed_by(envelope, i, &public_key)) return PLUMB_OK;
    }
    plumb__bytes pae = {0};
    plumb__dsse_pae(envelope->payload_type, envelope->payload.data, envelope->payload.size, &pae);
    plumb_status status = plumb__bytes_check(&pae, err);
    if (status == PLUMB_OK) {
        status = plumb_key_sign(key, pae.data, pae.size, envelope->signatures[at].signature, err);
    }
    if (status == PLUMB_OK) {
        plumb_public_key_id(&public_key, envelope->signatures[at].keyid);
        envelope->n_signatures++;
    }
    plumb__bytes_free(&pae);
    return status;
}

plumb_status plumb__dsse_dump(const plumb__dsse *envelope, plumb__bytes *out, plumb_error *err)
{
    plumb__bytes_append_text(out, "{\"payload\":\"");
    plumb__base64_append(out, envelope->payload.data, envelope->payload.size);
    plumb__bytes_appendf(out, "\",\"payloadType\":\"%s\",\"signatures\":[", envelope->payload_type);
    for (size_t i = 0; i < envelope->n_signatures; i++) {
        plumb__bytes_append_text(out, i > 0 ? ",{" : "{");
        if (envelope->signatures[i].keyid[0] != '\0') {
            plumb__bytes_appendf(out, "\"keyid\":\"%s\",", envelope->signatures[i].keyid);
        }
        plumb__bytes_append_text(out, "\"sig\":\"");
        plumb__base64_append(out, envelope->signatures[i].signature, PLUMB_SIGNATURE_BYTES);
        plumb__bytes_append_text(out, "\"}");
    }
    plumb__bytes_append_text(out, "]}");
    return plumb__bytes_check(out, err);
}
