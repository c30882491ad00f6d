/* Signing with a key that is kept elsewhere: what is to be signed goes out as files, and a
 * signature that comes back is put on after all of it has been checked again. */
#include "base/alloc.h"
#include "manifest/signing/signing.h"
#include "manifest/writer_lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- out ---------------------------------------------------------------------------------- */

/* DIR/NAME + suffix, or beside the records file where dir is NULL. */
static plumb_status out_path(const char *records_path, const char *dir, const char *suffix,
                             char out[PLUMB__PATH_BYTES], plumb_error *err)
{
    const char *slash = strrchr(records_path, '/');
    const char *base = dir != NULL && slash != NULL ? slash + 1 : records_path;
    const int stem = (int)strlen(base) - 6; /* without .jsonl */
    const int n = snprintf(out, PLUMB__PATH_BYTES, "%s%s%.*s%s", dir != NULL ? dir : "",
                           dir != NULL ? "/" : "", stem, base, suffix);
    if (n >= 0 && n < PLUMB__PATH_BYTES) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_LIMIT, "%.200s…: the path is too long", records_path);
}

static plumb_status write_out(const char *records_path, const char *dir, const char *suffix,
                              const plumb__bytes *data, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__bytes_check(data, err));
    PLUMB_TRY(out_path(records_path, dir, suffix, path, err));
    return plumb__file_write_atomic(path, data->data, data->size, 0644, err);
}

static plumb_status refuse_second(const plumb__signing *s, const plumb_public_key *signer,
                                  plumb_error *err)
{
    char keyid[PLUMB_KEYID_TEXT_BYTES];
    for (size_t i = 0; signer != NULL && i < s->envelope.n_signatures; i++) {
        if (!plumb__dsse_signed_by(&s->envelope, i, signer)) continue;
        plumb_public_key_id(signer, keyid);
        return plumb__fail(err, PLUMB_ERR_EXISTS, "%s: key %.16s has signed this already",
                           s->envelope_path, keyid);
    }
    return PLUMB_OK;
}

static plumb_status write_all(const char *records_path, const char *dir, const plumb__signing *s,
                              plumb_error *err)
{
    plumb__bytes pae = {0}, note = {0};
    const plumb__dsse *e = &s->envelope;
    plumb__dsse_pae(e->payload_type, e->payload.data, e->payload.size, &pae);
    plumb_status status = plumb__signing_note(s, &note, err);
    if (status == PLUMB_OK) {
        status = write_out(records_path, dir, ".plumb.payload", &e->payload, err);
    }
    if (status == PLUMB_OK) status = write_out(records_path, dir, ".plumb.pae", &pae, err);
    if (status == PLUMB_OK) status = write_out(records_path, dir, ".checkpoint.body", &note, err);
    plumb__bytes_free(&pae);
    plumb__bytes_free(&note);
    return status;
}

plumb_status plumb_manifest_payload(const char *records_path, const plumb_public_key *signer,
                                    const plumb_sign_options *options, const char *dir,
                                    plumb_error *err)
{
    plumb__signing *s = NULL;
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(plumb__alloc(&s, 1, sizeof *s, "manifest", err));
    plumb_status status = plumb__signing_prepare(records_path, options, s, err);
    if (status == PLUMB_OK) status = refuse_second(s, signer, err);
    if (status == PLUMB_OK) status = write_all(records_path, dir, s, err);
    plumb__signing_free(s);
    return status;
}

/* ---- back --------------------------------------------------------------------------------- */

void plumb_attachment_default(plumb_attachment *attachment)
{
    *attachment = (plumb_attachment){.size = sizeof *attachment, .version = 1};
}

static plumb_status read_signature(const char *path, uint8_t out[PLUMB_SIGNATURE_BYTES],
                                   plumb_error *err)
{
    plumb__bytes data = {0};
    plumb_status status = plumb__file_read(path, 4096, &data, err);
    if (status == PLUMB_OK && data.size != PLUMB_SIGNATURE_BYTES) {
        status =
            plumb__fail(err, PLUMB_ERR_FORMAT, "%s: has %zu bytes, a raw Ed25519 signature has %d",
                        path, data.size, PLUMB_SIGNATURE_BYTES);
    }
    if (status == PLUMB_OK) memcpy(out, data.data, PLUMB_SIGNATURE_BYTES);
    plumb__bytes_free(&data);
    return status;
}

/* The payload may be one more signature of what is there, or its successor as it saw it. */
static plumb_status place_payload(const char *path, plumb__signing *s, plumb__bytes *payload,
                                  plumb_error *err)
{
    const plumb__statement *now = &s->statement, *old = &s->old;
    s->replaces = true;
    PLUMB_TRY(plumb__signing_read_old(s, err));
    if (old->root != NULL) {
        s->replaces = s->envelope.payload.size != payload->size ||
                      memcmp(s->envelope.payload.data, payload->data, payload->size) != 0;
        if (!s->replaces) return PLUMB_OK;
        PLUMB_TRY(plumb__signing_check_succession(s, now, err));
        if (now->supersedes_version != old->version ||
            !plumb__hash_equal(&now->supersedes_root, &old->records.root))
            return plumb__fail(err, PLUMB_ERR_EXISTS,
                               "%s: was made before version %" PRIu64
                               " was signed; make the payload again",
                               path, old->version);
        plumb__dsse_free(&s->envelope);
    }
    strcpy(s->envelope.payload_type, PLUMB__PAYLOAD_TYPE_INTOTO);
    s->envelope.payload = *payload; /* moves */
    *payload = (plumb__bytes){0};
    return PLUMB_OK;
}

static plumb_status check_records(const char *records_path, const char *payload_path,
                                  plumb__signing *s, plumb_error *err)
{
    const plumb__records_identity *said = &s->statement.records;
    plumb__records_identity found;
    if (s->statement.taxonomy != NULL) {
        s->taxonomy = json_deep_copy(s->statement.taxonomy);
        if (s->taxonomy == NULL)
            return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a taxonomy");
    }
    PLUMB_TRY(plumb__signing_read_records(records_path, payload_path, s, &found, err));
    if (found.bytes == said->bytes && found.count == said->count &&
        plumb__hash_equal(&found.sha256, &said->sha256) &&
        plumb__hash_equal(&found.blake2b, &said->blake2b) &&
        plumb__hash_equal(&found.root, &said->root))
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST,
                       "%s: is not the file that %s is about: restore it, or make the payload "
                       "again",
                       records_path, payload_path);
}

static plumb_status attach(const char *records_path, const plumb_attachment *a, plumb__signing *s,
                           plumb__bytes *payload, plumb_error *err)
{
    plumb__signature by = {.key = a->key, .has_note = a->checkpoint_signature_path != NULL};
    PLUMB_TRY(read_signature(a->signature_path, by.envelope, err));
    if (by.has_note) PLUMB_TRY(read_signature(a->checkpoint_signature_path, by.note, err));
    PLUMB_TRY(plumb__file_read(a->payload_path, PLUMB__ENVELOPE_CAP, payload, err));
    PLUMB_TRY(
        plumb__statement_parse(a->payload_path, payload->data, payload->size, &s->statement, err));
    PLUMB_TRY(place_payload(a->payload_path, s, payload, err));
    PLUMB_TRY(check_records(records_path, a->payload_path, s, err));
    return plumb__signing_finish(s, &by, err);
}

plumb_status plumb_manifest_attach(const char *records_path, const plumb_attachment *attachment,
                                   plumb_error *err)
{
    plumb__signing *s = NULL;
    plumb__bytes payload = {0};
    plumb__lock lock = {.fd = -1};
    if (attachment->size != sizeof *attachment || attachment->version != 1)
        return plumb__fail(err, PLUMB_ERR_VERSION, "plumb_attachment of unknown size or version");
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(plumb__alloc(&s, 1, sizeof *s, "manifest", err));
    plumb_status status = plumb__signing_paths(records_path, s, err);
    if (status == PLUMB_OK) status = plumb__manifest_lock(s->envelope_path, &lock, err);
    if (status == PLUMB_OK) status = attach(records_path, attachment, s, &payload, err);
    plumb__lock_release(&lock);
    plumb__bytes_free(&payload);
    plumb__signing_free(s);
    return status;
}
