/* Reading the chain of withdrawals beside a manifest. */
#include "manifest/notices/withdrawal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "manifest/manifest_object.h"

#include <stdio.h>
#include <string.h>

static const char *const reason_names[] = {"consent", "error", "licence", "other"};
#define N_REASONS (sizeof reason_names / sizeof *reason_names)

const char *plumb_withdrawal_reason_name(plumb_withdrawal_reason reason)
{
    return (size_t)reason < N_REASONS ? reason_names[reason] : "unknown";
}

bool plumb_withdrawal_reason_parse(const char *name, plumb_withdrawal_reason *reason)
{
    for (size_t i = 0; i < N_REASONS; i++) {
        if (strcmp(name, reason_names[i]) != 0) continue;
        *reason = (plumb_withdrawal_reason)i;
        return true;
    }
    return false;
}

void plumb__withdrawals_free(plumb__withdrawals *chain)
{
    for (size_t i = 0; i < chain->n; i++) {
        plumb__free(chain->list[i].note);
    }
    plumb__free(chain->list);
    plumb__free(chain->records);
    plumb__free(chain->named);
    plumb__bytes_free(&chain->file);
    memset(chain, 0, sizeof *chain);
}

/* ---- who signed ---- */

static bool names_key(const plumb__dsse *envelope, size_t i, const plumb_trust_key *entry)
{
    char id[PLUMB_KEYID_TEXT_BYTES];
    plumb_public_key_id(&entry->key, id);
    return strcmp(id, envelope->signatures[i].keyid) == 0;
}

/* The vendor's key that made signature i; NULL when none did. One that names a key of the vendor
 * must be by it, so that no byte of it can change unseen. */
static plumb_status signer_of(const char *what, const plumb__dsse *envelope, size_t i,
                              const plumb_trust *trust, const char *vendor,
                              const plumb_trust_key **found, plumb_error *err)
{
    *found = NULL;
    for (size_t k = 0; k < plumb_trust_key_count(trust); k++) {
        const plumb_trust_key *entry = plumb_trust_key_at(trust, k);
        if (strcmp(entry->vendor, vendor) != 0) continue;
        const bool named = names_key(envelope, i, entry);
        if (!named && envelope->signatures[i].keyid[0] != '\0') continue;
        if (plumb__dsse_signed_by(envelope, i, &entry->key)) {
            *found = entry;
            return PLUMB_OK;
        }
        if (named) {
            return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                               "%s: signature %zu does not hold under key %s: the statement was "
                               "changed after signing",
                               what, i + 1, entry->name);
        }
    }
    return PLUMB_OK;
}

/* What a vendor can do about a line of its own that no key vouches for, or none any more. */
#define REMEDY                                                                                     \
    "; if the vendor means it, one of its present keys signs it too: plumb manifest withdraw "     \
    "NAME.plumb.json --cosign --key K"

typedef struct signers {
    const plumb_trust_key *list[PLUMB__DSSE_MAX_SIGNATURES];
    size_t n;
} signers;

static plumb_status find_signers(const char *what, const plumb__dsse *envelope,
                                 const plumb_trust *trust, const char *vendor, signers *out,
                                 plumb_error *err)
{
    out->n = 0;
    for (size_t i = 0; i < envelope->n_signatures; i++) {
        const plumb_trust_key *found = NULL;
        bool again = false;
        PLUMB_TRY(signer_of(what, envelope, i, trust, vendor, &found, err));
        for (size_t k = 0; k < out->n && found != NULL; k++) {
            again = again || memcmp(&out->list[k]->key, &found->key, sizeof found->key) == 0;
        }
        if (found != NULL && !again) out->list[out->n++] = found;
    }
    if (out->n > 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: is signed by no key that the trust store has for vendor %s" REMEDY,
                       what, vendor);
}

/* A withdrawal outlives the key that signed it: keys are judged as of the time it was issued, so
 * that one that is retired later withdraws on. A compromised one does not (plumb_trust_check). */
static uint32_t count_good(const signers *found, const plumb_trust *trust, const char *vendor,
                           int64_t issued_s, plumb_error *why)
{
    uint32_t good = 0;
    for (size_t i = 0; i < found->n; i++) {
        const plumb_trust_key *entry = NULL;
        good +=
            plumb_trust_check(trust, &found->list[i]->key, vendor, PLUMB_ROLE_QUALITY_ATTESTATION,
                              issued_s, &entry, why) == PLUMB_OK;
    }
    return good;
}

static plumb_status judge_signers(const char *what, const signers *found, const plumb_trust *trust,
                                  const char *vendor, int64_t issued_s, plumb_error *err)
{
    const plumb_role role = PLUMB_ROLE_QUALITY_ATTESTATION;
    const uint32_t need = plumb_trust_threshold(trust, vendor, role);
    plumb_error why = {0};
    const uint32_t good = count_good(found, trust, vendor, issued_s, &why);
    if (good == 0) return plumb__fail(err, why.status, "%s: %s" REMEDY, what, why.message);
    if (good >= need) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: %u of vendor %s's keys have signed as %s, the trust store wants %u; "
                       "plumb manifest withdraw --cosign adds a signature",
                       what, good, vendor, plumb_role_name(role), need);
}

/* Line i of an open chain, which begins at *at; *at moves on to the next. */
static plumb_status line_signers(const plumb_manifest *m, const char *place, const char **at,
                                 const plumb_trust *trust, signers *found, plumb_error *err)
{
    const plumb__bytes *file = &m->withdrawals.file;
    const char *from = *at;
    const char *end = memchr(from, '\n', file->size - (size_t)(from - (const char *)file->data));
    plumb__dsse envelope;
    found->n = 0;
    *at = end + 1;
    PLUMB_TRY(plumb__dsse_parse(place, from, (size_t)(end - from), &envelope, err));
    const plumb_status status =
        find_signers(place, &envelope, trust, m->statement.vendor, found, err);
    plumb__dsse_free(&envelope);
    return status;
}

/* Under another store than the manifest was opened with: whoever uses it asks its own. */
plumb_status plumb__withdrawals_judge(const plumb_manifest *m, const char *what,
                                      const plumb_trust *trust, plumb_error *err)
{
    const plumb__withdrawals *chain = &m->withdrawals;
    const char *at = (const char *)chain->file.data;
    for (size_t i = 0; i < chain->n; i++) {
        signers found;
        char place[512];
        snprintf(place, sizeof place, "%.400s: withdrawal %zu", what, i + 1);
        PLUMB_TRY(line_signers(m, place, &at, trust, &found, err));
        PLUMB_TRY(
            judge_signers(place, &found, trust, m->statement.vendor, chain->list[i].issued_s, err));
    }
    return PLUMB_OK;
}

uint32_t plumb__withdrawals_missing(const plumb_manifest *m, const plumb_trust *trust)
{
    const plumb__withdrawals *chain = &m->withdrawals;
    const char *at = (const char *)chain->file.data, *vendor = m->statement.vendor;
    const uint32_t need = plumb_trust_threshold(trust, vendor, PLUMB_ROLE_QUALITY_ATTESTATION);
    uint32_t most = 0;
    for (size_t i = 0; i < chain->n; i++) {
        signers found;
        plumb_error why = {0};
        /* A line that fails here has no signature that counts. */
        if (line_signers(m, "withdrawal", &at, trust, &found, &why) != PLUMB_OK) found.n = 0;
        const uint32_t good = count_good(&found, trust, vendor, chain->list[i].issued_s, &why);
        if (good < need && need - good > most) most = need - good;
    }
    return most;
}

/* ---- one line ---- */

static plumb_status check_time(const char *what, const plumb__withdrawals *chain, int64_t at_s,
                               plumb_error *err)
{
    char when[21];
    const plumb__withdrawal *last = &chain->list[chain->n - 1];
    plumb__time_format(last->issued_s, when);
    if (last->issued_s > at_s + PLUMB__WITHDRAWAL_AHEAD_S) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: was issued at %s, more than a day ahead of the time of judgement",
                           what, when);
    }
    if (chain->n < 2 || last->issued_s >= chain->list[chain->n - 2].issued_s) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: was issued at %s, before the one it follows",
                       what, when);
}

static plumb_status read_payload(const char *what, const plumb__dsse *envelope,
                                 const plumb_trust *trust, int64_t at_s, plumb_manifest *m,
                                 plumb_error *err)
{
    plumb__withdrawals *chain = &m->withdrawals;
    const char *vendor = m->statement.vendor;
    signers found = {.n = 0};
    if (trust != NULL) PLUMB_TRY(find_signers(what, envelope, trust, vendor, &found, err));
    PLUMB_TRY(plumb__withdrawal_parse(what, envelope->payload.data, envelope->payload.size, m,
                                      chain, err));
    PLUMB_TRY(check_time(what, chain, at_s, err));
    if (trust == NULL) return PLUMB_OK;
    return judge_signers(what, &found, trust, vendor, chain->list[chain->n - 1].issued_s, err);
}

static plumb_status read_line(const char *what, const char *line, size_t n,
                              const plumb_trust *trust, int64_t at_s, plumb_manifest *m,
                              plumb_error *err)
{
    plumb__dsse envelope;
    PLUMB_TRY(plumb__dsse_parse(what, line, n, &envelope, err));
    plumb_status status = PLUMB_OK;
    if (strcmp(envelope.payload_type, PLUMB__PAYLOAD_TYPE_INTOTO) != 0) {
        status =
            plumb__fail(err, PLUMB_ERR_FORMAT, "%s: holds a \"%s\", expected a statement (\"%s\")",
                        what, envelope.payload_type, PLUMB__PAYLOAD_TYPE_INTOTO);
    }
    if (status == PLUMB_OK) status = read_payload(what, &envelope, trust, at_s, m, err);
    plumb__dsse_free(&envelope);
    return status;
}

/* ---- the file ---- */

static plumb_status mark_records(plumb_manifest *m, plumb_error *err)
{
    plumb__withdrawals *chain = &m->withdrawals;
    plumb__hash_hex(&chain->list[chain->n - 1].digest, chain->last_hex);
    for (size_t i = 0; i < chain->n; i++) {
        const plumb__withdrawal *w = &chain->list[i];
        for (uint32_t k = 0; k < w->n; k++) {
            PLUMB_TRY(
                plumb__table_withdraw(&m->table, chain->records[w->first + k], w->issued_s, err));
        }
    }
    return PLUMB_OK;
}

static plumb_status read_lines(const char *path, const plumb_trust *trust, int64_t at_s,
                               plumb_manifest *m, plumb_error *err)
{
    const char *data = (const char *)m->withdrawals.file.data;
    const size_t size = m->withdrawals.file.size;
    char what[PLUMB__PATH_BYTES + 32];
    if (size == 0 || data[size - 1] != '\n') {
        return plumb__fail(err, PLUMB_ERR_TRUNCATED,
                           "%s: does not end in a line end: the file is cut short", path);
    }
    for (size_t at = 0, line = 1; at < size; line++) {
        const char *end = memchr(data + at, '\n', size - at);
        const size_t n = (size_t)(end - data) - at;
        if (line > PLUMB__WITHDRAWALS_MAX) {
            return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: has more than %u statements", path,
                               PLUMB__WITHDRAWALS_MAX);
        }
        snprintf(what, sizeof what, "%s: line %zu", path, line);
        PLUMB_TRY(read_line(what, data + at, n, trust, at_s, m, err));
        at += n + 1;
    }
    return mark_records(m, err);
}

/* An empty path: what lies beside the envelope is not to be looked at. */
static plumb_status locate(const char *envelope_path, const char *given,
                           char path[PLUMB__PATH_BYTES], bool *there, plumb_error *err)
{
    if (given == NULL) {
        PLUMB_TRY(plumb__manifest_path(envelope_path, PLUMB__WITHDRAWALS_SUFFIX, path, err));
        *there = plumb__path_exists(path);
        return PLUMB_OK;
    }
    *there = given[0] != '\0';
    if (snprintf(path, PLUMB__PATH_BYTES, "%s", given) < PLUMB__PATH_BYTES) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_LIMIT, "%.100s…: the path is too long", given);
}

plumb_status plumb__withdrawals_open(const char *envelope_path, const plumb_trust *trust,
                                     const plumb_manifest_options *options, int64_t at_s,
                                     plumb_manifest *m, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    bool there = false;
    plumb__withdrawals *chain = &m->withdrawals;
    PLUMB_TRY(locate(envelope_path, options->withdrawals_path, path, &there, err));
    if (there) {
        PLUMB_TRY(plumb__file_read(path, PLUMB__WITHDRAWALS_CAP, &chain->file, err));
        /* Signing this version was interrupted before it had put the old chain aside. */
        if (options->withdrawals_path == NULL &&
            plumb__withdrawals_superseded(path, &chain->file, &m->statement)) {
            plumb__bytes_free(&chain->file);
            there = false;
        }
    }
    if (there) {
        PLUMB_TRY(plumb__alloc(&chain->named, m->table.n, 1, "withdrawals", err));
        const plumb_status status = read_lines(path, trust, at_s, m, err);
        plumb__free(chain->named);
        chain->named = NULL;
        PLUMB_TRY(status);
    }
    for (uint32_t i = 0; i < m->table.n; i++) {
        chain->withdrawn += plumb__table_withdrawn_s(&m->table, i) != PLUMB__NOT_WITHDRAWN;
    }
    return PLUMB_OK;
}

/* ---- questions ---- */

void plumb_withdrawal_default(plumb_withdrawal *withdrawal)
{
    *withdrawal = (plumb_withdrawal){.size = sizeof *withdrawal, .version = 1};
}

uint32_t plumb_manifest_withdrawal_count(const plumb_manifest *m)
{
    return (uint32_t)m->withdrawals.n;
}

plumb_status plumb_manifest_withdrawal_at(const plumb_manifest *m, uint32_t i,
                                          plumb_withdrawal *out, plumb_error *err)
{
    const plumb__withdrawals *chain = &m->withdrawals;
    if (out->size != sizeof *out || out->version != 1) {
        return plumb__fail(err, PLUMB_ERR_VERSION, "plumb_withdrawal of unknown size or version");
    }
    if (i >= chain->n) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "withdrawal %u of a manifest with %zu", i,
                           chain->n);
    }
    const plumb__withdrawal *w = &chain->list[i];
    out->sequence = w->sequence;
    out->issued_s = w->issued_s;
    out->reason = w->reason;
    out->note = w->note;
    out->records = chain->records + w->first;
    out->n_records = w->n;
    memcpy(out->digest, w->digest.bytes, sizeof out->digest);
    return PLUMB_OK;
}
