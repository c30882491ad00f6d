/* Run certificates and heads (certificate.h). */
#include "provenance/certificate.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "manifest/signing/pem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define PREDICATE_TYPE "urn:plumbline:statement:run-certificate:v1"
#define PEM_BYTES 256

/* ---- making ------------------------------------------------------------------------------- */

static json_t *previous_json(const plumb__certificate *c)
{
    if (!c->has_previous) return json_null();
    char root[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(&c->previous_root, root);
    return json_pack("{s:s,s:I}", "root", root, "size", (json_int_t)c->previous_size);
}

static plumb_status statement_json(const plumb__certificate *c, json_t **out, plumb_error *err)
{
    char pem[PEM_BYTES], time[21], blake2b[PLUMB__HASH_HEX_BYTES], sha256[PLUMB__HASH_HEX_BYTES];
    PLUMB_TRY(plumb_public_key_pem(&c->run_key, pem, sizeof pem, err));
    plumb__time_format(c->time_s, time);
    plumb__hash_hex(&c->run_json_blake2b, blake2b);
    plumb__hash_hex(&c->run_json_sha256, sha256);
    *out = json_pack("{s:s,s:s,s:[{s:s,s:{s:s,s:s}}],s:{s:s,s:s,s:s,s:o}}", "_type", STATEMENT_TYPE,
                     "predicateType", PREDICATE_TYPE, "subject", "name", "run.json", "digest",
                     "blake2b", blake2b, "sha256", sha256, "predicate", "run_id", c->run_id,
                     "run_key", pem, "time", time, "previous_head", previous_json(c));
    if (!*out) return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a run certificate");
    return PLUMB_OK;
}

plumb_status plumb__certificate_make(const plumb__certificate *certificate,
                                     const plumb_secret_key *operator_key, plumb__bytes *out,
                                     plumb_error *err)
{
    json_t *statement = NULL;
    plumb__dsse envelope;
    memset(&envelope, 0, sizeof envelope);
    (void)snprintf(envelope.payload_type, sizeof envelope.payload_type, "%s",
                   PLUMB__PAYLOAD_TYPE_INTOTO);
    plumb_status status = PLUMB_OK;
    PLUMB_TRY_CLEAN(statement_json(certificate, &statement, err));
    PLUMB_TRY_CLEAN(plumb__json_dump(statement, &envelope.payload, err));
    PLUMB_TRY_CLEAN(plumb__dsse_sign(&envelope, operator_key, err));
    PLUMB_TRY_CLEAN(plumb__dsse_dump(&envelope, out, err));
    plumb__bytes_u8(out, '\n');
    status = plumb__bytes_check(out, err);
cleanup:
    json_decref(statement);
    plumb__dsse_free(&envelope);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------ */

static plumb_status read_hash(const char *what, const json_t *obj, const char *name,
                              plumb__hash *out, plumb_error *err)
{
    const char *hex = NULL;
    PLUMB_TRY(plumb__json_string(what, obj, name, true, &hex, err));
    if (!plumb__hash_parse(hex, out))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"%s\" must be 64 lower-case hex digits", what, name);
    return PLUMB_OK;
}

static plumb_status read_subject(const char *what, const json_t *statement, plumb__certificate *out,
                                 plumb_error *err)
{
    static const char *const fields[] = {"name", "digest", NULL};
    static const char *const digests[] = {"blake2b", "sha256", NULL};
    const json_t *list = NULL, *digest = NULL;
    const char *name = NULL;
    PLUMB_TRY(plumb__json_array(what, statement, "subject", true, &list, err));
    const json_t *subject = json_array_get(list, 0);
    if (json_array_size(list) != 1 || !json_is_object(subject))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"subject\" must be run.json alone", what);
    PLUMB_TRY(plumb__json_only(what, subject, fields, err));
    PLUMB_TRY(plumb__json_string(what, subject, "name", true, &name, err));
    if (strcmp(name, "run.json") != 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"subject\" must be run.json alone", what);
    PLUMB_TRY(plumb__json_object(what, subject, "digest", true, &digest, err));
    PLUMB_TRY(plumb__json_only(what, digest, digests, err));
    PLUMB_TRY(read_hash(what, digest, "blake2b", &out->run_json_blake2b, err));
    return read_hash(what, digest, "sha256", &out->run_json_sha256, err);
}

static plumb_status read_previous(const char *what, const json_t *predicate,
                                  plumb__certificate *out, plumb_error *err)
{
    static const char *const fields[] = {"root", "size", NULL};
    const json_t *previous = json_object_get(predicate, "previous_head");
    int64_t size = 0;
    out->has_previous = false;
    if (json_is_null(previous)) return PLUMB_OK;
    PLUMB_TRY(plumb__json_object(what, predicate, "previous_head", true, &previous, err));
    PLUMB_TRY(plumb__json_only(what, previous, fields, err));
    PLUMB_TRY(plumb__json_integer(what, previous, "size", true, &size, err));
    if (size < 1)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"previous_head\" has size %lld", what,
                           (long long)size);
    out->has_previous = true;
    out->previous_size = (uint64_t)size;
    return read_hash(what, previous, "root", &out->previous_root, err);
}

static plumb_status read_predicate(const char *what, const json_t *statement,
                                   plumb__certificate *out, plumb_error *err)
{
    static const char *const fields[] = {"previous_head", "run_id", "run_key", "time", NULL};
    const json_t *predicate = NULL;
    const char *run_id = NULL, *pem = NULL, *time = NULL;
    PLUMB_TRY(plumb__json_object(what, statement, "predicate", true, &predicate, err));
    PLUMB_TRY(plumb__json_only(what, predicate, fields, err));
    PLUMB_TRY(plumb__json_string(what, predicate, "run_id", true, &run_id, err));
    if (strlen(run_id) != 32 || strspn(run_id, "0123456789abcdef") != 32)
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"run_id\" must be 32 lower-case hex digits", what);
    memcpy(out->run_id, run_id, sizeof out->run_id);
    PLUMB_TRY(plumb__json_string(what, predicate, "run_key", true, &pem, err));
    if (!plumb__pem_public_parse(pem, strlen(pem), &out->run_key))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"run_key\" is not an Ed25519 public key in PEM", what);
    PLUMB_TRY(plumb__json_string(what, predicate, "time", true, &time, err));
    if (strlen(time) != 20 || !plumb__time_parse(time, &out->time_s))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"time\" must read YYYY-MM-DDThh:mm:ssZ", what);
    return read_previous(what, predicate, out, err);
}

static plumb_status read_statement(const char *what, const json_t *statement,
                                   plumb__certificate *out, plumb_error *err)
{
    static const char *const fields[] = {"_type", "predicateType", "subject", "predicate", NULL};
    const char *type = NULL, *predicate_type = NULL;
    if (!json_is_object(statement))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: the statement must be a JSON object", what);
    PLUMB_TRY(plumb__json_only(what, statement, fields, err));
    PLUMB_TRY(plumb__json_string(what, statement, "_type", true, &type, err));
    PLUMB_TRY(plumb__json_string(what, statement, "predicateType", true, &predicate_type, err));
    if (strcmp(type, STATEMENT_TYPE) != 0 || strcmp(predicate_type, PREDICATE_TYPE) != 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: is not a run certificate (predicateType \"%.200s\", expected "
                           "\"" PREDICATE_TYPE "\")",
                           what, predicate_type);
    PLUMB_TRY(read_subject(what, statement, out, err));
    return read_predicate(what, statement, out, err);
}

plumb_status plumb__certificate_parse(const char *what, const void *line, size_t n,
                                      plumb__dsse *envelope, plumb__certificate *out,
                                      plumb_error *err)
{
    json_t *statement = NULL;
    memset(out, 0, sizeof *out);
    memset(envelope, 0, sizeof *envelope);
    PLUMB_TRY(plumb__dsse_parse(what, line, n, envelope, err));
    plumb_status status = PLUMB_OK;
    if (strcmp(envelope->payload_type, PLUMB__PAYLOAD_TYPE_INTOTO) != 0)
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: payload type \"%s\", expected \"%s\"",
                             what, envelope->payload_type, PLUMB__PAYLOAD_TYPE_INTOTO);
    if (status == PLUMB_OK)
        status = plumb__json_parse(what, envelope->payload.data, envelope->payload.size, &statement,
                                   err);
    if (status == PLUMB_OK) status = read_statement(what, statement, out, err);
    json_decref(statement);
    if (status != PLUMB_OK) plumb__dsse_free(envelope);
    return status;
}

static plumb_status check_place(const char *what, size_t index, const char *run_id,
                                const plumb__certificate *c, plumb_error *err)
{
    if (strcmp(c->run_id, run_id) != 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: certifies run %s, but this is run %s", what,
                           c->run_id, run_id);
    if (c->has_previous != (index > 0))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           index == 0 ? "%s: the first certificate names a previous head"
                                      : "%s: a later certificate must name the previous head",
                           what);
    return PLUMB_OK;
}

plumb_status plumb__certificates_parse(const char *path, const void *data, size_t n,
                                       const char *run_id, plumb__certificate **list, size_t *count,
                                       plumb_error *err)
{
    const char *at = data, *end = at + n;
    char what[PLUMB__NOTE_ORIGIN_BYTES + 64];
    plumb_status status = PLUMB_OK;
    size_t capacity = 0;
    *list = NULL;
    *count = 0;
    while (at < end) {
        (void)snprintf(what, sizeof what, "%.500s line %zu", path, *count + 1);
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        if (!lf || *count >= PLUMB__MAX_CERTIFICATES) break;
        plumb__dsse envelope;
        PLUMB_TRY_CLEAN(
            plumb__grow(list, &capacity, *count + 1, sizeof **list, "certificates", err));
        PLUMB_TRY_CLEAN(plumb__certificate_parse(what, at, (size_t)(lf - at), &envelope,
                                                 &(*list)[*count], err));
        plumb__dsse_free(&envelope);
        PLUMB_TRY_CLEAN(check_place(what, *count, run_id, &(*list)[*count], err));
        (*count)++;
        at = lf + 1;
    }
    if (at != end || *count == 0)
        status = plumb__fail(err, PLUMB_ERR_FORMAT,
                             "%s: must hold whole lines, at least one and at most %u", path,
                             PLUMB__MAX_CERTIFICATES);
cleanup:
    if (status != PLUMB_OK) {
        plumb__free(*list);
        *list = NULL;
        *count = 0;
    }
    return status;
}

/* ---- the head ----------------------------------------------------------------------------- */

void plumb__head_origin(const char *run_id, char out[PLUMB__NOTE_ORIGIN_BYTES])
{
    (void)snprintf(out, PLUMB__NOTE_ORIGIN_BYTES, "plumbline/run/%.32s", run_id);
}

plumb_status plumb__head_sign(const char *run_id, uint64_t leaves, const plumb__hash *root,
                              const plumb_secret_key *run_key, plumb__bytes *out, plumb_error *err)
{
    plumb__checkpoint head = {.size = leaves, .root = *root};
    plumb__head_origin(run_id, head.origin);
    return plumb__note_sign(&head, head.origin, run_key, out, err);
}

static bool names_head(const plumb__certificate *c, const plumb__checkpoint *head)
{
    return c->has_previous && c->previous_size == head->size &&
           plumb__hash_equal(&c->previous_root, &head->root);
}

plumb_status plumb__head_verify(const char *path, const void *data, size_t n, const char *run_id,
                                const plumb__certificate *certificates, size_t count,
                                plumb__checkpoint *head, size_t *signer, plumb_error *err)
{
    char origin[PLUMB__NOTE_ORIGIN_BYTES];
    plumb_error first = {0};
    plumb__head_origin(run_id, origin);
    for (size_t i = count; i-- > 0;) {
        plumb_error *keep = i + 1 == count ? &first : NULL;
        const plumb_status status =
            plumb__note_verify(path, data, n, origin, &certificates[i].run_key, head, keep);
        if (status == PLUMB_OK && strcmp(head->origin, origin) == 0) {
            for (size_t k = i + 1; k < count; k++)
                if (!names_head(&certificates[k], head))
                    return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                                       "%s: signed by the run key of certificate %zu, but "
                                       "certificate %zu does not name this head",
                                       path, i + 1, k + 1);
            *signer = i;
            return PLUMB_OK;
        }
    }
    if (first.status == PLUMB_OK)
        return plumb__fail(err, PLUMB_ERR_SIGNATURE, "%s: its origin is not \"%s\"", path, origin);
    if (err) *err = first;
    return first.status;
}
