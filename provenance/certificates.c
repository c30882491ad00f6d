#include "provenance/certificates.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "manifest/dsse.h"
#include "manifest/pem.h"

#include <string.h>

#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define PREDICATE_TYPE "urn:plumbline:statement:run-certificate:v1"

static const char *const statement_fields[] = { "_type", "predicate", "predicateType", "subject",
                                                NULL };
static const char *const predicate_fields[] = { "previous_head", "run_id", "run_key", "time",
                                                NULL };
static const char *const subject_fields[] = { "digest", "name", NULL };
static const char *const digest_fields[] = { "blake2b", "sha256", NULL };
static const char *const head_fields[] = { "root", "size", NULL };

/* ---- the statement ------------------------------------------------------------------------ */

static plumb_status expect_text(const char *what, const json_t *obj, const char *name,
                                const char *expected, plumb_error *err)
{
    const char *text = NULL;
    PLUMB_TRY(plumb__json_string(what, obj, name, true, &text, err));
    if (strcmp(text, expected) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: field \"%s\" is \"%.100s\", expected \"%s\"",
                       what, name, text, expected);
}

static plumb_status check_subject(const char *what, const json_t *root,
                                  const plumb__bytes *run_bytes, plumb_error *err)
{
    const json_t *array = NULL, *digest = NULL;
    PLUMB_TRY(plumb__json_array(what, root, "subject", true, &array, err));
    const json_t *subject = json_array_get(array, 0);
    if (json_array_size(array) != 1 || !json_is_object(subject))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: must have run.json as its one subject", what);
    PLUMB_TRY(plumb__json_only(what, subject, subject_fields, err));
    PLUMB_TRY(expect_text(what, subject, "name", "run.json", err));
    PLUMB_TRY(plumb__json_object(what, subject, "digest", true, &digest, err));
    PLUMB_TRY(plumb__json_only(what, digest, digest_fields, err));
    char hex[PLUMB__HASH_HEX_BYTES];
    const plumb__hash blake = plumb__blake2b(run_bytes->data, run_bytes->size);
    const plumb__hash sha = plumb__sha256(run_bytes->data, run_bytes->size);
    plumb__hash_hex(&blake, hex);
    PLUMB_TRY(expect_text(what, digest, "blake2b", hex, err));
    plumb__hash_hex(&sha, hex);
    return expect_text(what, digest, "sha256", hex, err);
}

static plumb_status parse_previous(const char *what, const json_t *predicate,
                                   plumb__certificate *out, plumb_error *err)
{
    const json_t *value = json_object_get(predicate, "previous_head");
    const char *root = NULL;
    int64_t size = 0;
    if (json_is_null(value)) return PLUMB_OK;
    PLUMB_TRY(plumb__json_object(what, predicate, "previous_head", true, &value, err));
    PLUMB_TRY(plumb__json_only(what, value, head_fields, err));
    PLUMB_TRY(plumb__json_integer(what, value, "size", true, &size, err));
    PLUMB_TRY(plumb__json_string(what, value, "root", true, &root, err));
    if (size < 1 || !plumb__hash_parse(root, &out->previous_root))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: previous_head is malformed", what);
    out->has_previous = true;
    out->previous_size = (uint64_t)size;
    return PLUMB_OK;
}

static plumb_status parse_statement(const char *what, const json_t *root,
                                    const plumb__bytes *run_bytes, const plumb__run_json *run,
                                    plumb__certificate *out, plumb_error *err)
{
    const json_t *predicate = NULL;
    const char *text = NULL;
    if (!json_is_object(root))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: the statement must be a JSON object", what);
    PLUMB_TRY(plumb__json_only(what, root, statement_fields, err));
    PLUMB_TRY(expect_text(what, root, "_type", STATEMENT_TYPE, err));
    PLUMB_TRY(expect_text(what, root, "predicateType", PREDICATE_TYPE, err));
    PLUMB_TRY(check_subject(what, root, run_bytes, err));
    PLUMB_TRY(plumb__json_object(what, root, "predicate", true, &predicate, err));
    PLUMB_TRY(plumb__json_only(what, predicate, predicate_fields, err));
    PLUMB_TRY(expect_text(what, predicate, "run_id", run->run_id, err));
    PLUMB_TRY(plumb__json_string(what, predicate, "run_key", true, &text, err));
    if (!plumb__pem_public_parse(text, strlen(text), &out->run_key))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"run_key\" must be an Ed25519 public key in PEM", what);
    PLUMB_TRY(plumb__json_string(what, predicate, "time", true, &text, err));
    if (!plumb__time_parse(text, &out->time_s))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"time\" must be a time like 2026-11-22T07:39:00Z", what);
    return parse_previous(what, predicate, out, err);
}

/* ---- the signer --------------------------------------------------------------------------- */

static bool signed_by(const plumb__dsse *envelope, const plumb_public_key *key)
{
    for (size_t i = 0; i < envelope->n_signatures; i++)
        if (plumb__dsse_signed_by(envelope, i, key)) return true;
    return false;
}

/* Enough keys of one vendor, each counted once, must have signed and be allowed to at that time. */
static plumb_status check_signer(const char *what, const plumb__dsse *envelope,
                                 const plumb_trust *trust, plumb__certificate *out,
                                 plumb_error *err)
{
    const plumb_trust_key *found = NULL;
    plumb_status status = plumb__fail(err, PLUMB_ERR_TRUST,
                                      "%s: no key of the trust store has signed it", what);
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        const plumb_trust_key *key = plumb_trust_key_at(trust, i);
        if (!signed_by(envelope, &key->key)) continue;
        uint32_t signers = 0;
        for (size_t k = 0; k < plumb_trust_key_count(trust); k++) {
            const plumb_trust_key *other = plumb_trust_key_at(trust, k);
            if (strcmp(other->vendor, key->vendor) == 0 && signed_by(envelope, &other->key) &&
                plumb_trust_check(trust, &other->key, key->vendor, PLUMB_ROLE_OPERATOR, out->time_s,
                                  &found, NULL) == PLUMB_OK)
                signers++;
        }
        status = plumb_trust_check(trust, &key->key, key->vendor, PLUMB_ROLE_OPERATOR, out->time_s,
                                   &found, err);
        const uint32_t needed = plumb_trust_threshold(trust, key->vendor, PLUMB_ROLE_OPERATOR);
        if (status != PLUMB_OK) {
            status = plumb__error_prefix(err, status, "%s", what);
        } else if (signers < needed) {
            status = plumb__fail(err, PLUMB_ERR_TRUST,
                                 "%s: signed by %u operator keys of %s, the trust store wants %u",
                                 what, signers, key->vendor, needed);
        } else {
            plumb_public_key_id(&key->key, out->operator_keyid);
            return PLUMB_OK;
        }
    }
    return status;
}

/* ---- the file ----------------------------------------------------------------------------- */

static plumb_status parse_line(const char *what, const void *line, size_t n,
                               const plumb__bytes *run_bytes, const plumb__run_json *run,
                               const plumb_trust *trust, plumb__certificate *out,
                               plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    plumb__dsse envelope = { 0 };
    json_t *root = NULL;
    PLUMB_TRY_CLEAN(plumb__dsse_parse(what, line, n, &envelope, err));
    if (strcmp(envelope.payload_type, PLUMB__PAYLOAD_TYPE_INTOTO) != 0) {
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: payload type is \"%s\", expected \"%s\"",
                             what, envelope.payload_type, PLUMB__PAYLOAD_TYPE_INTOTO);
        goto cleanup;
    }
    PLUMB_TRY_CLEAN(
        plumb__json_parse(what, envelope.payload.data, envelope.payload.size, &root, err));
    PLUMB_TRY_CLEAN(parse_statement(what, root, run_bytes, run, out, err));
    if (trust != NULL) PLUMB_TRY_CLEAN(check_signer(what, &envelope, trust, out, err));
cleanup:
    json_decref(root);
    plumb__dsse_free(&envelope);
    return status;
}

/* The first certifies run.json's key and has no head before it; later ones name heads that grow. */
static plumb_status check_chain(const char *what, const plumb__run_json *run,
                                const plumb__certificates *all, plumb_error *err)
{
    const plumb__certificate *now = &all->rows[all->n - 1];
    if (all->n == 1) {
        if (now->has_previous)
            return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: the first certificate names a head", what);
        if (memcmp(&now->run_key, &run->run_key, sizeof now->run_key) != 0)
            return plumb__fail(err, PLUMB_ERR_DIGEST,
                               "%s: certifies another run key than run.json names", what);
        return PLUMB_OK;
    }
    const plumb__certificate *before = now - 1;
    if (!now->has_previous || now->previous_size < before->previous_size)
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "%s: does not follow the certificate before it", what);
    return PLUMB_OK;
}

plumb_status plumb__certificates_parse(const plumb__bytes *file, const plumb__bytes *run_bytes,
                                       const plumb__run_json *run, const plumb_trust *trust,
                                       plumb__certificates *out, plumb_error *err)
{
    for (size_t at = 0; at < file->size;) {
        const uint8_t *line = file->data + at;
        const uint8_t *end = memchr(line, '\n', file->size - at);
        char what[64];
        snprintf(what, sizeof what, "certificates line %zu", out->n + 1);
        if (end == NULL)
            return plumb__fail(err, PLUMB_ERR_TRUNCATED, "%s: does not end in a line feed", what);
        PLUMB_TRY(plumb__grow(&out->rows, &out->capacity, out->n + 1, sizeof *out->rows,
                              "certificates", err));
        out->rows[out->n] = (plumb__certificate){ 0 };
        PLUMB_TRY(parse_line(what, line, (size_t)(end - line), run_bytes, run, trust,
                             &out->rows[out->n], err));
        out->n++;
        PLUMB_TRY(check_chain(what, run, out, err));
        at += (size_t)(end - line) + 1;
    }
    if (out->n > 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUNCATED, "certificates: has no certificate");
}

void plumb__certificates_free(plumb__certificates *certificates)
{
    plumb__free(certificates->rows);
    *certificates = (plumb__certificates){ 0 };
}

/* ---- the head ----------------------------------------------------------------------------- */

plumb_status plumb__head_check(const plumb__bytes *file, const plumb__run_json *run,
                               const plumb__certificates *certificates, plumb__checkpoint *head,
                               size_t *signer, plumb_error *err)
{
    char origin[64];
    snprintf(origin, sizeof origin, "plumbline/run/%s", run->run_id);
    plumb_status status = PLUMB_ERR_SIGNATURE;
    size_t i = certificates->n;
    while (i > 0 && status != PLUMB_OK) {
        i--;
        /* The message that counts is the one about the newest key. */
        status = plumb__note_verify("head", file->data, file->size, origin,
                                    &certificates->rows[i].run_key, head,
                                    i + 1 == certificates->n ? err : NULL);
    }
    if (status != PLUMB_OK) return status;
    if (strcmp(head->origin, origin) != 0)
        return plumb__fail(err, PLUMB_ERR_DIGEST, "head: origin is \"%.100s\", expected \"%s\"",
                           head->origin, origin);
    *signer = i;
    for (size_t k = i + 1; k < certificates->n; k++) {
        const plumb__certificate *later = &certificates->rows[k];
        if (later->previous_size != head->size ||
            !plumb__hash_equal(&later->previous_root, &head->root))
            return plumb__fail(err, PLUMB_ERR_DIGEST,
                               "head: signed by an earlier run key, but certificates line %zu "
                               "names another head before it",
                               k + 1);
    }
    return PLUMB_OK;
}
