/* Opening a manifest. The order of checks: form and signatures of the envelope, then the statement,
 * then who signed, expiry and audience, then the records file against its digests, then its lines.
 */
#include "manifest/plumb_manifest.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "manifest/files.h"
#include "manifest/manifest_object.h"
#include "manifest/policy.h"

#include <string.h>

#define POLICY_CAP ((size_t)1 << 20)

static const char envelope_suffix[] = ".plumb.json";

void plumb_manifest_options_default(plumb_manifest_options *options)
{
    *options = (plumb_manifest_options){.size = sizeof *options, .version = 1};
}

plumb_status plumb__manifest_path(const char *envelope, const char *suffix,
                                  char out[PLUMB__PATH_BYTES], plumb_error *err)
{
    const size_t n = strlen(envelope), tail = sizeof envelope_suffix - 1;
    if (n <= tail || strcmp(envelope + n - tail, envelope_suffix) != 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a manifest's envelope is named NAME%s",
                           envelope, envelope_suffix);
    }
    if (n - tail + strlen(suffix) >= PLUMB__PATH_BYTES) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: the path is too long", envelope);
    }
    memcpy(out, envelope, n - tail);
    strcpy(out + n - tail, suffix);
    return PLUMB_OK;
}

static plumb_status parse_envelope(const char *path, const plumb__bytes *text,
                                   plumb__dsse *envelope, plumb_error *err)
{
    if (text->size == 0 || text->data[text->size - 1] != '\n') {
        return plumb__fail(err, PLUMB_ERR_TRUNCATED,
                           "%s: does not end in a line end: the file is cut short", path);
    }
    PLUMB_TRY(plumb__dsse_parse(path, text->data, text->size - 1, envelope, err));
    if (strcmp(envelope->payload_type, PLUMB__PAYLOAD_TYPE_INTOTO) == 0) return PLUMB_OK;
    const plumb_status status =
        plumb__fail(err, PLUMB_ERR_FORMAT, "%s: holds a \"%s\", expected a statement (\"%s\")",
                    path, envelope->payload_type, PLUMB__PAYLOAD_TYPE_INTOTO);
    plumb__dsse_free(envelope);
    return status;
}

plumb_status plumb__manifest_envelope_read(const char *path, plumb__bytes *text,
                                           plumb__dsse *envelope, plumb_error *err)
{
    memset(envelope, 0, sizeof *envelope);
    PLUMB_TRY(plumb__file_read(path, PLUMB__ENVELOPE_CAP, text, err));
    return parse_envelope(path, text, envelope, err);
}

static void hex_of(const plumb__bytes *bytes, char out[PLUMB__HASH_HEX_BYTES])
{
    const plumb__hash hash = plumb__blake2b(bytes->data, bytes->size);
    plumb__hash_hex(&hash, out);
}

/* Nothing of the payload is used before a trusted key has signed it. */
plumb_status plumb__manifest_open_statement(const char *path, const plumb_trust *trust,
                                            int64_t at_s, plumb_manifest *m, plumb_error *err)
{
    plumb__dsse envelope;
    plumb_status status = plumb__manifest_envelope_read(path, &m->envelope, &envelope, err);
    if (status == PLUMB_OK && trust != NULL) {
        status = plumb__signers_find(path, &envelope, trust, m, err);
    }
    if (status == PLUMB_OK) {
        m->payload = envelope.payload; /* moves */
        envelope.payload = (plumb__bytes){0};
        status = plumb__statement_parse(path, m->payload.data, m->payload.size, &m->statement, err);
    }
    if (status == PLUMB_OK && trust != NULL) {
        status = plumb__manifest_read_checkpoint(path, trust, m, err);
    }
    if (status == PLUMB_OK && trust != NULL) {
        status = plumb__signers_judge(path, trust, at_s, m, err);
    }
    if (status == PLUMB_OK && trust != NULL) {
        status = plumb__manifest_check_checkpoint(path, m, err);
    }
    hex_of(&m->envelope, m->envelope_hex);
    hex_of(&m->payload, m->statement_hex);
    plumb__dsse_free(&envelope);
    return status;
}

plumb_status plumb__trust_check_expiry(const plumb_trust *trust, int64_t at_s, plumb_error *err)
{
    char when[21];
    if (plumb_trust_expires(trust) == 0 || at_s < plumb_trust_expires(trust)) return PLUMB_OK;
    plumb__time_format(plumb_trust_expires(trust), when);
    return plumb__fail(err, PLUMB_ERR_EXPIRED,
                       "the trust store expired at %s; sign a new version with its root key", when);
}

static plumb_status check_expiry(const char *path, const plumb_trust *trust, int64_t at_s,
                                 bool allow_expired, plumb_manifest *m, plumb_error *err)
{
    char when[21];
    if (trust != NULL) PLUMB_TRY(plumb__trust_check_expiry(trust, at_s, err));
    m->expired = m->statement.expires_s != 0 && at_s >= m->statement.expires_s;
    if (!m->expired || allow_expired) return PLUMB_OK;
    plumb__time_format(m->statement.expires_s, when);
    return plumb__fail(err, PLUMB_ERR_EXPIRED,
                       "%s: expired at %s; ask vendor %s for a newer version", path, when,
                       m->statement.vendor);
}

/* A manifest made for somebody is refused by everybody else; who trains for somebody takes nothing
 * that was not made for them. */
plumb_status plumb__audience_check(const char *what, const char *theirs, const char *mine,
                                   plumb_error *err)
{
    if (theirs == NULL) theirs = "";
    if (mine == NULL) mine = "";
    if (strcmp(mine, theirs) == 0) return PLUMB_OK;
    if (theirs[0] == '\0') {
        return plumb__fail(err, PLUMB_ERR_POLICY,
                           "%s: names no audience; the audience here is \"%.200s\"", what, mine);
    }
    if (mine[0] == '\0') {
        return plumb__fail(err, PLUMB_ERR_POLICY,
                           "%s: is meant for audience \"%.200s\"; the audience here is not set",
                           what, theirs);
    }
    return plumb__fail(err, PLUMB_ERR_POLICY,
                       "%s: is meant for audience \"%.200s\"; the audience here is \"%.200s\"",
                       what, theirs, mine);
}

static plumb_status open_all(const char *path, const plumb_trust *trust,
                             const plumb_manifest_options *options, plumb_manifest *m,
                             plumb_error *err)
{
    const int64_t at_s = options->at_s != 0 ? options->at_s : plumb__wall_s();
    char records_path[PLUMB__PATH_BYTES];
    /* The name first: the records file given by mistake would only be called bad JSON. */
    PLUMB_TRY(plumb__manifest_path(path, ".jsonl", records_path, err));
    PLUMB_TRY(plumb__manifest_open_statement(path, trust, at_s, m, err));
    PLUMB_TRY(check_expiry(path, trust, at_s, options->allow_expired, m, err));
    if (!options->untrusted) {
        PLUMB_TRY(plumb__audience_check(path, m->statement.audience, options->audience, err));
    }
    PLUMB_TRY(plumb__manifest_open_records(path, options, m, err));
    return plumb__withdrawals_open(path, trust, options, at_s, m, err);
}

/* Who trains under a policy opens its manifest under the same one. */
static plumb_status apply_policy(plumb_manifest_options *options, plumb__policy *policy,
                                 plumb_error *err)
{
    plumb__bytes text = {0};
    if (options->policy_path == NULL) return PLUMB_OK;
    plumb_status status = plumb__file_read(options->policy_path, POLICY_CAP, &text, err);
    if (status == PLUMB_OK) {
        status = plumb__policy_parse(options->policy_path, text.data, text.size, policy, err);
    }
    plumb__bytes_free(&text);
    PLUMB_TRY(status);
    options->allow_expired = policy->accept_expired;
    options->audience = policy->audience[0] != '\0' ? policy->audience : NULL;
    return PLUMB_OK;
}

plumb_status plumb_manifest_open(const char *path, const plumb_trust *trust,
                                 const plumb_manifest_options *options, plumb_manifest **manifest,
                                 plumb_error *err)
{
    plumb_manifest_options own;
    plumb__policy policy;
    plumb_manifest *m = NULL;
    *manifest = NULL;
    plumb_manifest_options_default(&own);
    if (options == NULL) options = &own;
    if (options->size != sizeof *options || options->version != 1) {
        return plumb__fail(err, PLUMB_ERR_VERSION,
                           "plumb_manifest_options of unknown size or version");
    }
    if ((trust == NULL) != options->untrusted) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "a manifest is opened with a trust store, or as untrusted, not both");
    }
    own = *options;
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(apply_policy(&own, &policy, err));
    PLUMB_TRY(plumb__alloc(&m, 1, sizeof *m, "manifest", err));
    const plumb_status status = open_all(path, trust, &own, m, err);
    if (status != PLUMB_OK) {
        plumb_manifest_free(m);
        return status;
    }
    *manifest = m;
    return PLUMB_OK;
}

void plumb_manifest_free(plumb_manifest *m)
{
    if (m == NULL) return;
    for (size_t i = 0; i < PLUMB__DSSE_MAX_SIGNATURES; i++) {
        plumb__free(m->signers[i].name);
    }
    plumb__withdrawals_free(&m->withdrawals);
    plumb__table_free(&m->table);
    plumb__taxonomy_free(&m->taxonomy);
    plumb__statement_free(&m->statement);
    plumb__record_file_close(&m->file);
    plumb__bytes_free(&m->checkpoint);
    plumb__bytes_free(&m->payload);
    plumb__bytes_free(&m->envelope);
    plumb__free(m);
}
