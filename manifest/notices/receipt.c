/* Opening a receipt: envelope, signer, statement. */
#include "manifest/notices/receipt.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "manifest/manifest_object.h"

#include <string.h>

/* ---- who signed ---- */

static bool names_another(const plumb__dsse *envelope, size_t i, const plumb_public_key *key)
{
    char id[PLUMB_KEYID_TEXT_BYTES];
    plumb_public_key_id(key, id);
    return envelope->signatures[i].keyid[0] != '\0' &&
           strcmp(id, envelope->signatures[i].keyid) != 0;
}

/* One that names a key must be by it. */
static plumb_status has_signed(const char *what, const plumb__dsse *envelope,
                               const plumb_trust_key *entry, bool *has, plumb_error *err)
{
    *has = false;
    for (size_t i = 0; i < envelope->n_signatures; i++) {
        if (names_another(envelope, i, &entry->key)) continue;
        if (plumb__dsse_signed_by(envelope, i, &entry->key)) {
            *has = true;
        } else if (envelope->signatures[i].keyid[0] != '\0') {
            return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                               "%s: signature %zu does not hold under key %s: the receipt was "
                               "changed after signing",
                               what, i + 1, entry->name);
        }
    }
    return PLUMB_OK;
}

typedef struct judging {
    const char *what;
    const plumb__dsse *envelope;
    const plumb_trust *trust;
    int64_t at_s;
    plumb_error why; /* why the last one who signed does not count */
} judging;

/* Before anything of the payload is used: a key of the store has signed these bytes. */
static plumb_status check_known(const char *what, const plumb__dsse *envelope,
                                const plumb_trust *trust, plumb_error *err)
{
    bool any = false;
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        bool has = false;
        PLUMB_TRY(has_signed(what, envelope, plumb_trust_key_at(trust, i), &has, err));
        any = any || has;
    }
    if (any) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUST, "%s: is signed by no key of the trust store", what);
}

/* How many operators of a vendor have signed; each key once, under however many names. */
static plumb_status count_operators(judging *j, const char *vendor, uint32_t *count,
                                    const plumb_trust_key **first, plumb_error *err)
{
    const size_t n = plumb_trust_key_count(j->trust);
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        const plumb_trust_key *entry = plumb_trust_key_at(j->trust, i), *found = NULL;
        bool has = false;
        if (strcmp(entry->vendor, vendor) != 0) continue;
        PLUMB_TRY(has_signed(j->what, j->envelope, entry, &has, err));
        if (!has) continue;
        if (plumb_trust_check(j->trust, &entry->key, vendor, PLUMB_ROLE_OPERATOR, j->at_s, &found,
                              &j->why) != PLUMB_OK)
            continue;
        if (*first == NULL) *first = entry;
        ++*count;
    }
    return PLUMB_OK;
}

static plumb_status judge(judging *j, plumb_receipt *out, plumb_error *err)
{
    const size_t n = plumb_trust_key_count(j->trust);
    for (size_t i = 0; i < n; i++) {
        const char *vendor = plumb_trust_key_at(j->trust, i)->vendor;
        const uint32_t need = plumb_trust_threshold(j->trust, vendor, PLUMB_ROLE_OPERATOR);
        const plumb_trust_key *first = NULL;
        uint32_t count = 0;
        PLUMB_TRY(count_operators(j, vendor, &count, &first, err));
        if (first == NULL) continue;
        if (count >= need) {
            PLUMB_TRY(plumb__strdup(&out->signer_vendor, vendor, err));
            return plumb__strdup(&out->signer, first->name, err);
        }
        (void)plumb__fail(&j->why, PLUMB_ERR_TRUST,
                          "%u operator keys of %s have signed, the trust store wants %u", count,
                          vendor, need);
    }
    return plumb__fail(err, j->why.status, "%s: %s", j->what, j->why.message);
}

static plumb_status check_signers(const char *path, const plumb__dsse *envelope,
                                  const plumb_trust *trust, plumb_receipt *out, plumb_error *err)
{
    if (trust == NULL) return PLUMB_OK;
    judging j = {.what = path, .envelope = envelope, .trust = trust, .at_s = out->info.issued_s};
    PLUMB_TRY(judge(&j, out, err));
    out->info.signer_vendor = out->signer_vendor;
    out->info.signer = out->signer;
    return PLUMB_OK;
}

/* ---- the file ---- */

static plumb_status check_time(const char *path, const plumb_receipt *r, int64_t at_s,
                               plumb_error *err)
{
    char when[21];
    if (r->info.issued_s <= (at_s != 0 ? at_s : plumb__wall_s()) + PLUMB__RECEIPT_AHEAD_S) {
        return PLUMB_OK;
    }
    plumb__time_format(r->info.issued_s, when);
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: was issued at %s, more than a day ahead of the time of judgement", path,
                       when);
}

/* Who has signed, then what it says, then whether that signer could say it at that time. */
static plumb_status open_all(const char *path, const plumb_trust *trust, int64_t at_s,
                             plumb_receipt *r, plumb_error *err)
{
    plumb__dsse envelope = {0};
    plumb__bytes text = {0};
    plumb_status status;
    PLUMB_TRY_CLEAN(plumb__file_read(path, PLUMB__RECEIPT_CAP, &text, err));
    if (text.size == 0 || text.data[text.size - 1] != '\n') {
        status = plumb__fail(err, PLUMB_ERR_TRUNCATED,
                             "%s: does not end in a line end: the file is cut short", path);
        goto cleanup;
    }
    PLUMB_TRY_CLEAN(plumb__dsse_parse(path, text.data, text.size - 1, &envelope, err));
    if (strcmp(envelope.payload_type, PLUMB__PAYLOAD_TYPE_INTOTO) != 0) {
        status =
            plumb__fail(err, PLUMB_ERR_FORMAT, "%s: holds a \"%s\", expected a statement (\"%s\")",
                        path, envelope.payload_type, PLUMB__PAYLOAD_TYPE_INTOTO);
        goto cleanup;
    }
    if (trust != NULL) PLUMB_TRY_CLEAN(check_known(path, &envelope, trust, err));
    plumb__bytes_append(&r->payload, envelope.payload.data, envelope.payload.size);
    (void)plumb__bytes_text(&r->payload); /* the NUL behind it */
    PLUMB_TRY_CLEAN(plumb__bytes_check(&r->payload, err));
    PLUMB_TRY_CLEAN(plumb__receipt_parse(path, r->payload.data, r->payload.size, r, err));
    PLUMB_TRY_CLEAN(check_time(path, r, at_s, err));
    status = check_signers(path, &envelope, trust, r, err);
cleanup:
    plumb__dsse_free(&envelope);
    plumb__bytes_free(&text);
    return status;
}

plumb_status plumb_receipt_open(const char *path, const plumb_trust *trust, int64_t at_s,
                                plumb_receipt **receipt, plumb_error *err)
{
    plumb_receipt *r = NULL;
    *receipt = NULL;
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(plumb__alloc(&r, 1, sizeof *r, "receipt", err));
    const plumb_status status = open_all(path, trust, at_s, r, err);
    if (status != PLUMB_OK) {
        plumb_receipt_free(r);
        return status;
    }
    *receipt = r;
    return PLUMB_OK;
}

void plumb_receipt_free(plumb_receipt *receipt)
{
    if (receipt == NULL) return;
    json_decref(receipt->root);
    plumb__bytes_free(&receipt->payload);
    plumb__free(receipt->signer_vendor);
    plumb__free(receipt->signer);
    plumb__free(receipt);
}

/* ---- questions ---- */

void plumb_receipt_describe(const plumb_receipt *receipt, plumb_receipt_info *info)
{
    *info = receipt->info;
}

const char *plumb_receipt_statement(const plumb_receipt *receipt, size_t *n)
{
    *n = receipt->payload.size;
    return (const char *)receipt->payload.data;
}

static plumb_status differs(const plumb_manifest *m, const char *what, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "the receipt is not about %s/%s version %llu as it is here: its %s differs",
                       m->statement.vendor, m->statement.dataset,
                       (unsigned long long)m->statement.version, what);
}

plumb_status plumb_receipt_covers(const plumb_receipt *r, const plumb_manifest *m, uint32_t *later,
                                  plumb_error *err)
{
    const plumb__statement *s = &m->statement;
    const plumb__hash statement = plumb__blake2b(m->payload.data, m->payload.size);
    if (strcmp(r->info.vendor, s->vendor) != 0) return differs(m, "vendor", err);
    if (strcmp(r->info.dataset, s->dataset) != 0) return differs(m, "dataset", err);
    if (r->info.manifest_version != s->version) return differs(m, "version", err);
    if (!plumb__hash_equal(&r->statement, &statement)) return differs(m, "statement", err);
    if (!plumb__hash_equal(&r->sha256, &s->records.sha256) ||
        !plumb__hash_equal(&r->blake2b, &s->records.blake2b) ||
        !plumb__hash_equal(&r->tree_root, &s->records.root) ||
        r->info.records != s->records.count) {
        return differs(m, "records file", err);
    }
    const uint32_t known = r->info.withdrawals;
    if (known > m->withdrawals.n) return differs(m, "number of withdrawals", err);
    if (known > 0 &&
        !plumb__hash_equal(&r->last_withdrawal, &m->withdrawals.list[known - 1].digest)) {
        return differs(m, "last withdrawal", err);
    }
    if (later != NULL) *later = (uint32_t)m->withdrawals.n - known;
    return PLUMB_OK;
}
