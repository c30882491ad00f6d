/* Appending a withdrawal, and putting one more signature under those that are there. The file is
 * replaced as a whole: a crash leaves the old chain or the new one. */
#include "base/alloc.h"
#include "base/clock.h"
#include "manifest/manifest_object.h"
#include "manifest/names.h"
#include "manifest/notices/withdrawal.h"
#include "manifest/writer_lock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void plumb_withdraw_options_default(plumb_withdraw_options *options)
{
    *options = (plumb_withdraw_options){
        .size = sizeof *options, .version = 1, .reason = PLUMB_WITHDRAWN_OTHER};
}

static plumb_status check_options(const plumb_withdraw_options *o, plumb_error *err)
{
    if (o->size != sizeof *o || o->version != 1) {
        return plumb__fail(err, PLUMB_ERR_VERSION,
                           "plumb_withdraw_options of unknown size or version");
    }
    if (o->n_ids == 0 || o->n_ids > PLUMB__WITHDRAWAL_MAX_RECORDS) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "a withdrawal names 1 to %u records, not %zu; withdraw more in several",
                           PLUMB__WITHDRAWAL_MAX_RECORDS, o->n_ids);
    }
    if (o->note != NULL &&
        !plumb__text_is_plain(o->note, strlen(o->note), PLUMB__WITHDRAWAL_NOTE_BYTES)) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "a note must have 1 to %d bytes without control characters",
                           PLUMB__WITHDRAWAL_NOTE_BYTES);
    }
    return PLUMB_OK;
}

/* The vendor signs for itself: its own store of trust is not asked. */
plumb_status plumb__withdrawal_open_own(const char *path, plumb_manifest **m, plumb_error *err)
{
    plumb_manifest_options options;
    plumb_manifest_options_default(&options);
    options.untrusted = true;
    options.allow_expired = true;
    return plumb_manifest_open(path, NULL, &options, m, err);
}

/* ---- which records ---- */

static uint64_t withdrawn_by(const plumb_manifest *m, uint32_t number)
{
    const plumb__withdrawals *chain = &m->withdrawals;
    for (size_t i = 0; i < chain->n; i++) {
        for (uint32_t k = 0; k < chain->list[i].n; k++) {
            if (chain->records[chain->list[i].first + k] == number) return chain->list[i].sequence;
        }
    }
    return 0;
}

static int by_number(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static plumb_status find_numbers(const char *path, const plumb_manifest *m,
                                 const plumb_withdraw_options *o, uint32_t *numbers, uint32_t *n,
                                 plumb_error *err)
{
    for (size_t i = 0; i < o->n_ids; i++) {
        numbers[i] = plumb_manifest_find(m, o->ids[i]);
        if (numbers[i] == PLUMB_NO_RECORD) {
            return plumb__fail(err, PLUMB_ERR_NOT_FOUND, "%s: has no record with id \"%.256s\"",
                               path, o->ids[i]);
        }
    }
    qsort(numbers, o->n_ids, sizeof *numbers, by_number);
    *n = 0;
    for (size_t i = 0; i < o->n_ids; i++) {
        if (*n > 0 && numbers[*n - 1] == numbers[i]) continue;
        numbers[(*n)++] = numbers[i];
        const uint64_t before = withdrawn_by(m, numbers[i]);
        if (before == 0) continue;
        plumb_record record;
        plumb_record_default(&record);
        PLUMB_TRY(plumb_manifest_record(m, numbers[i], &record, err));
        return plumb__fail(err, PLUMB_ERR_EXISTS,
                           "%s: record \"%.256s\" was withdrawn before (statement %" PRIu64 ")",
                           path, record.id, before);
    }
    return PLUMB_OK;
}

/* ---- writing ---- */

static plumb_status sign_payload(plumb__bytes *payload, const plumb_secret_key *key,
                                 plumb__bytes *out, plumb_error *err)
{
    plumb__dsse envelope = {0};
    strcpy(envelope.payload_type, PLUMB__PAYLOAD_TYPE_INTOTO);
    envelope.payload = *payload; /* moves */
    *payload = (plumb__bytes){0};
    plumb_status status = plumb__dsse_sign(&envelope, key, err);
    if (status == PLUMB_OK) status = plumb__dsse_dump(&envelope, out, err);
    plumb__bytes_append_text(out, "\n");
    if (status == PLUMB_OK) status = plumb__bytes_check(out, err);
    plumb__dsse_free(&envelope);
    return status;
}

plumb_status plumb__withdrawals_replace(const char *path, const plumb__bytes *text,
                                        plumb_error *err)
{
    char file[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__manifest_path(path, PLUMB__WITHDRAWALS_SUFFIX, file, err));
    if (text->size > PLUMB__WITHDRAWALS_CAP) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "%s: would have more than %zu bytes; sign a new version without the "
                           "withdrawn records",
                           file, PLUMB__WITHDRAWALS_CAP);
    }
    return plumb__file_write_atomic(file, text->data, text->size, 0644, err);
}

static plumb_status check_succession(const char *path, const plumb_manifest *m, int64_t issued_s,
                                     plumb_error *err)
{
    const plumb__withdrawals *chain = &m->withdrawals;
    char when[21];
    if (chain->n >= PLUMB__WITHDRAWALS_MAX) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "%s: has %u withdrawals; sign a new version without these records", path,
                           PLUMB__WITHDRAWALS_MAX);
    }
    if (chain->n == 0 || issued_s >= chain->list[chain->n - 1].issued_s) return PLUMB_OK;
    plumb__time_format(chain->list[chain->n - 1].issued_s, when);
    return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                       "a withdrawal cannot be issued before the last one (%s)", when);
}

/* The payload that follows the chain of m. */
static plumb_status make_payload(const char *path, const plumb_manifest *m,
                                 const plumb_withdraw_options *o, plumb__bytes *payload,
                                 plumb_error *err)
{
    uint32_t *numbers = NULL, n = 0;
    PLUMB_TRY(plumb__alloc(&numbers, o->n_ids, sizeof *numbers, "withdrawals", err));
    plumb_status status = find_numbers(path, m, o, numbers, &n, err);
    if (status == PLUMB_OK) status = plumb__withdrawal_dump(m, numbers, n, o, payload, err);
    plumb__free(numbers);
    return status;
}

plumb_status plumb__withdrawal_prepare(const char *path, const plumb_withdraw_options *options,
                                       plumb__bytes *payload, plumb_manifest **out,
                                       plumb_error *err)
{
    plumb_manifest *m = NULL;
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(check_options(options, err));
    plumb_withdraw_options own = *options;
    if (own.issued_s == 0) own.issued_s = plumb__wall_s();
    PLUMB_TRY(plumb__withdrawal_open_own(path, &m, err));
    plumb_status status = check_succession(path, m, own.issued_s, err);
    if (status == PLUMB_OK) status = make_payload(path, m, &own, payload, err);
    if (status == PLUMB_OK && out != NULL) {
        *out = m;
        return PLUMB_OK;
    }
    plumb_manifest_free(m);
    return status;
}

plumb_status plumb_manifest_withdraw(const char *path, const plumb_secret_key *key,
                                     const plumb_trust *trust,
                                     const plumb_withdraw_options *options, uint64_t *sequence,
                                     plumb_error *err)
{
    plumb_manifest *m = NULL;
    plumb__bytes payload = {0}, text = {0};
    plumb__lock lock = {.fd = -1};
    plumb_public_key signer;
    plumb_status status;
    plumb_key_public(key, &signer);
    PLUMB_TRY(plumb__manifest_lock(path, &lock, err));
    PLUMB_TRY_CLEAN(plumb__withdrawal_prepare(path, options, &payload, &m, err));
    const int64_t issued_s = options->issued_s != 0 ? options->issued_s : plumb__wall_s();
    PLUMB_TRY_CLEAN(plumb__withdrawal_check_signer(path, m, &signer, trust, issued_s, err));
    plumb__bytes_append(&text, m->withdrawals.file.data, m->withdrawals.file.size);
    PLUMB_TRY_CLEAN(sign_payload(&payload, key, &text, err));
    PLUMB_TRY_CLEAN(plumb__withdrawals_replace(path, &text, err));
    if (sequence != NULL) *sequence = m->withdrawals.n + 1;
cleanup:
    plumb__lock_release(&lock);
    plumb__bytes_free(&text);
    plumb__bytes_free(&payload);
    plumb_manifest_free(m);
    return status;
}

/* ---- one more signature ---- */

static plumb_status cosign_line(const char *what, const char *line, size_t n,
                                const plumb_secret_key *key, plumb__bytes *out, uint32_t *added,
                                plumb_error *err)
{
    plumb__dsse envelope;
    PLUMB_TRY(plumb__dsse_parse(what, line, n, &envelope, err));
    const size_t before = envelope.n_signatures;
    plumb_status status = plumb__dsse_sign(&envelope, key, err);
    if (status == PLUMB_OK) status = plumb__dsse_dump(&envelope, out, err);
    plumb__bytes_append_text(out, "\n");
    *added += envelope.n_signatures > before;
    plumb__dsse_free(&envelope);
    return status;
}

/* Lines for which the key does not count stay as they are; one at least is there for it. */
static plumb_status cosign_lines(const char *path, const plumb_manifest *m,
                                 const plumb_secret_key *key, const plumb_trust *trust,
                                 plumb__bytes *out, uint32_t *added, plumb_error *err)
{
    const plumb__withdrawals *chain = &m->withdrawals;
    const char *at = (const char *)chain->file.data, *end = at + chain->file.size;
    plumb_public_key signer;
    plumb_error why = {0};
    size_t able = 0;
    plumb_key_public(key, &signer);
    for (size_t i = 0; i < chain->n; i++) {
        const size_t n = (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) - at);
        const int64_t issued_s = chain->list[i].issued_s;
        if (plumb__withdrawal_check_signer(path, m, &signer, trust, issued_s, &why) == PLUMB_OK) {
            able++;
            PLUMB_TRY(cosign_line(path, at, n, key, out, added, err));
        } else {
            plumb__bytes_append(out, at, n + 1);
        }
        at += n + 1;
    }
    if (able == 0) return plumb__fail(err, why.status, "%s", why.message);
    return plumb__bytes_check(out, err);
}

plumb_status plumb_manifest_withdraw_cosign(const char *path, const plumb_secret_key *key,
                                            const plumb_trust *trust, uint32_t *added,
                                            plumb_error *err)
{
    plumb_manifest *m = NULL;
    plumb__bytes text = {0};
    plumb__lock lock = {.fd = -1};
    uint32_t count = 0;
    plumb_status status;
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(plumb__manifest_lock(path, &lock, err));
    PLUMB_TRY_CLEAN(plumb__withdrawal_open_own(path, &m, err));
    if (m->withdrawals.n == 0) {
        status = plumb__fail(err, PLUMB_ERR_NOT_FOUND, "%s: has no withdrawals to sign", path);
        goto cleanup;
    }
    PLUMB_TRY_CLEAN(cosign_lines(path, m, key, trust, &text, &count, err));
    if (count > 0) PLUMB_TRY_CLEAN(plumb__withdrawals_replace(path, &text, err));
    if (added != NULL) *added = count;
cleanup:
    plumb__lock_release(&lock);
    plumb__bytes_free(&text);
    plumb_manifest_free(m);
    return status;
}

plumb_status plumb_manifest_withdraw_missing(const char *path, const plumb_trust *trust,
                                             uint32_t *missing, plumb_error *err)
{
    plumb_manifest *m = NULL;
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(plumb__withdrawal_open_own(path, &m, err));
    *missing = plumb__withdrawals_missing(m, trust);
    plumb_manifest_free(m);
    return PLUMB_OK;
}
