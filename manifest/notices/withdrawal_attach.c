/* A withdrawal whose key is kept elsewhere: what is to be signed goes to two files, and the
 * signature that comes back is put on. */
#include "base/alloc.h"
#include "base/clock.h"
#include "manifest/manifest_object.h"
#include "manifest/notices/withdrawal.h"
#include "manifest/writer_lock.h"

#include <stdio.h>
#include <string.h>

#define PAYLOAD_CAP ((size_t)64 << 20)

/* ---- out ---- */

plumb_status plumb_manifest_withdraw_payload(const char *path,
                                             const plumb_withdraw_options *options,
                                             const char *payload_path, plumb_error *err)
{
    plumb__bytes payload = {0}, pae = {0};
    char pae_path[PLUMB__PATH_BYTES];
    plumb_status status;
    if (snprintf(pae_path, sizeof pae_path, "%s.pae", payload_path) >= (int)sizeof pae_path) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%.100s…: the path is too long", payload_path);
    }
    PLUMB_TRY_CLEAN(plumb__withdrawal_prepare(path, options, &payload, NULL, err));
    plumb__dsse_pae(PLUMB__PAYLOAD_TYPE_INTOTO, payload.data, payload.size, &pae);
    PLUMB_TRY_CLEAN(plumb__bytes_check(&pae, err));
    PLUMB_TRY_CLEAN(plumb__file_write_atomic(payload_path, payload.data, payload.size, 0644, err));
    status = plumb__file_write_atomic(pae_path, pae.data, pae.size, 0644, err);
cleanup:
    plumb__bytes_free(&payload);
    plumb__bytes_free(&pae);
    return status;
}

/* ---- back ---- */

static plumb_status read_signature(const char *path, plumb__dsse *envelope,
                                   const plumb_public_key *key, plumb_error *err)
{
    plumb__bytes bytes = {0};
    plumb_status status = plumb__file_read(path, 4096, &bytes, err);
    if (status == PLUMB_OK && bytes.size != PLUMB_SIGNATURE_BYTES) {
        status = plumb__fail(err, PLUMB_ERR_FORMAT,
                             "%s: has %zu bytes; a signature is the %d raw bytes of Ed25519", path,
                             bytes.size, PLUMB_SIGNATURE_BYTES);
    }
    if (status == PLUMB_OK) {
        const size_t at = envelope->n_signatures;
        memcpy(envelope->signatures[at].signature, bytes.data, PLUMB_SIGNATURE_BYTES);
        plumb_public_key_id(key, envelope->signatures[at].keyid);
        envelope->n_signatures++;
        if (!plumb__dsse_signed_by(envelope, at, key)) {
            status = plumb__fail(err, PLUMB_ERR_SIGNATURE,
                                 "%s: does not hold over the payload's .pae under this key: sign "
                                 "its bytes as they are, with pure Ed25519",
                                 path);
        }
    }
    plumb__bytes_free(&bytes);
    return status;
}

/* The line that has this payload already, else the end of the file; *end is where it ends. */
static size_t find_line(const plumb_manifest *m, const plumb__hash *digest, size_t *end)
{
    const plumb__withdrawals *chain = &m->withdrawals;
    const char *data = (const char *)chain->file.data;
    size_t at = 0;
    for (size_t i = 0; i < chain->n; i++) {
        const char *lf = memchr(data + at, '\n', chain->file.size - at);
        *end = (size_t)(lf - data) + 1;
        if (plumb__hash_equal(digest, &chain->list[i].digest)) return at;
        at = *end;
    }
    *end = at;
    return at;
}

/* A new statement must be the one that follows; the reader that customers use says so. */
static plumb_status check_next(const char *what, const plumb__bytes *payload, plumb_manifest *m,
                               plumb_error *err)
{
    plumb__withdrawals *chain = &m->withdrawals;
    PLUMB_TRY(plumb__alloc(&chain->named, m->table.n, 1, "withdrawals", err));
    for (size_t i = 0; i < chain->n_records; i++) {
        chain->named[chain->records[i]] = 1;
    }
    return plumb__withdrawal_parse(what, payload->data, payload->size, m, chain, err);
}

static bool signed_already(const plumb__dsse *envelope, const plumb_public_key *key)
{
    for (size_t i = 0; i < envelope->n_signatures; i++) {
        if (plumb__dsse_signed_by(envelope, i, key)) return true;
    }
    return false;
}

/* The payload is in the chain by now, as it was or as its new end. */
static plumb_status check_signer(const char *path, const plumb__bytes *payload,
                                 const plumb_public_key *key, const plumb_trust *trust,
                                 const plumb_manifest *m, plumb_error *err)
{
    const plumb__hash digest = plumb__blake2b(payload->data, payload->size);
    const plumb__withdrawals *chain = &m->withdrawals;
    size_t i = 0;
    while (i + 1 < chain->n && !plumb__hash_equal(&digest, &chain->list[i].digest))
        i++;
    return plumb__withdrawal_check_signer(path, m, key, trust, chain->list[i].issued_s, err);
}

typedef struct attachment {
    const char *path, *payload_path, *signature_path;
    const plumb_public_key *key;
    const plumb_trust *trust;
} attachment;

static plumb_status make_line(const attachment *a, size_t at, size_t end,
                              const plumb__bytes *payload, plumb_manifest *m, plumb__bytes *out,
                              plumb_error *err)
{
    const char *payload_path = a->payload_path;
    const uint8_t *data = m->withdrawals.file.data;
    plumb__dsse envelope = {0};
    plumb_status status = PLUMB_OK;
    if (end > at) {
        status = plumb__dsse_parse("withdrawal", data + at, end - at - 1, &envelope, err);
    } else {
        strcpy(envelope.payload_type, PLUMB__PAYLOAD_TYPE_INTOTO);
        plumb__bytes_append(&envelope.payload, payload->data, payload->size);
        status = check_next(payload_path, payload, m, err);
    }
    if (status == PLUMB_OK && signed_already(&envelope, a->key)) {
        status =
            plumb__fail(err, PLUMB_ERR_EXISTS, "%s: this key has signed it already", payload_path);
    }
    if (status == PLUMB_OK && envelope.n_signatures == PLUMB__DSSE_MAX_SIGNATURES) {
        status = plumb__fail(err, PLUMB_ERR_LIMIT, "%s: has %d signatures already", payload_path,
                             PLUMB__DSSE_MAX_SIGNATURES);
    }
    if (status == PLUMB_OK) status = check_signer(a->path, payload, a->key, a->trust, m, err);
    if (status == PLUMB_OK) status = read_signature(a->signature_path, &envelope, a->key, err);
    if (status == PLUMB_OK) status = plumb__dsse_dump(&envelope, out, err);
    plumb__bytes_append_text(out, "\n");
    plumb__dsse_free(&envelope);
    return status;
}

plumb_status plumb_manifest_withdraw_attach(const char *path, const char *payload_path,
                                            const plumb_public_key *key, const plumb_trust *trust,
                                            const char *signature_path, plumb_error *err)
{
    const attachment a = {path, payload_path, signature_path, key, trust};
    plumb_manifest *m = NULL;
    plumb__bytes payload = {0}, text = {0};
    plumb__lock lock = {.fd = -1};
    size_t end = 0;
    plumb_status status;
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(plumb__manifest_lock(path, &lock, err));
    PLUMB_TRY_CLEAN(plumb__withdrawal_open_own(path, &m, err));
    PLUMB_TRY_CLEAN(plumb__file_read(payload_path, PAYLOAD_CAP, &payload, err));
    const plumb__hash digest = plumb__blake2b(payload.data, payload.size);
    const size_t at = find_line(m, &digest, &end);
    plumb__bytes_append(&text, m->withdrawals.file.data, at);
    PLUMB_TRY_CLEAN(make_line(&a, at, end, &payload, m, &text, err));
    plumb__bytes_append(&text, m->withdrawals.file.data + end, m->withdrawals.file.size - end);
    PLUMB_TRY_CLEAN(plumb__bytes_check(&text, err));
    status = plumb__withdrawals_replace(path, &text, err);
cleanup:
    plumb__lock_release(&lock);
    plumb__bytes_free(&text);
    plumb__bytes_free(&payload);
    plumb_manifest_free(m);
    return status;
}
