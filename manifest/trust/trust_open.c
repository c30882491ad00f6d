/* Opening a trust store: one envelope a line, oldest first. The last line is the store; the others
 * are there to prove that its roots descend from the first line's (T5). A line that proves nothing
 * is refused, so that every byte of the file is accounted for. */
#include "base/alloc.h"
#include "base/file.h"
#include "manifest/trust/trust_store.h"

#include <stdlib.h>
#include <string.h>

void plumb_trust_free(plumb_trust *trust)
{
    if (trust == NULL) return;
    plumb__free(trust->roots);
    plumb__free(trust->vendors);
    plumb__free(trust->keys);
    json_decref(trust->document);
    plumb__free(trust);
}

bool plumb__trust_complete(const plumb_trust *trust)
{
    return trust->signed_new >= trust->root_threshold && trust->signed_old >= trust->need_old;
}

void plumb_trust_root_signatures(const plumb_trust *trust, plumb_trust_root_state *out)
{
    const uint32_t need = trust->root_threshold, have = trust->signed_new;
    const uint32_t now = have < need ? need - have : 0;
    const uint32_t old = plumb__trust_complete(trust) || trust->signed_old >= trust->need_old
                             ? 0
                             : trust->need_old - trust->signed_old;
    /* One key may be of both the old and the new roots. */
    *out = (plumb_trust_root_state){(uint32_t)trust->n_roots, need, old > now ? old : now};
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, PLUMB_PUBLIC_KEY_BYTES);
}

/* BLAKE2b-256 of the threshold (u32) and the root keys in byte order; at most 64 of them. */
static void fingerprint_of(const plumb_public_key *keys, size_t n, uint32_t threshold,
                           char out[PLUMB__HASH_HEX_BYTES])
{
    plumb_public_key sorted[PLUMB__TRUST_MAX_ROOTS];
    uint8_t number[4];
    plumb__hasher h;
    memcpy(sorted, keys, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_keys);
    plumb__store_u32(number, threshold);
    plumb__hash_init(&h, PLUMB__BLAKE2B);
    plumb__hash_update(&h, number, sizeof number);
    plumb__hash_update(&h, sorted, n * sizeof *sorted);
    const plumb__hash hash = plumb__hash_final(&h);
    plumb__hash_hex(&hash, out);
}

static void fingerprint(const plumb_trust *trust, char out[PLUMB__HASH_HEX_BYTES])
{
    fingerprint_of(trust->roots, trust->n_roots, trust->root_threshold, out);
}

bool plumb__trust_roots_are(const plumb_trust *trust, const plumb_trust_roots *roots)
{
    char theirs[PLUMB__HASH_HEX_BYTES];
    fingerprint_of(roots->keys, roots->n, roots->threshold, theirs);
    return strcmp(theirs, trust->fingerprints[trust->rotations]) == 0;
}

/* ---- root signatures ---- */

/* The roots that may sign a line: its own, and before a rotation the old ones too. */
typedef struct signers {
    const plumb_public_key *key[2 * PLUMB__TRUST_MAX_ROOTS];
    bool is_old[2 * PLUMB__TRUST_MAX_ROOTS], is_new[2 * PLUMB__TRUST_MAX_ROOTS];
    bool signed_by[2 * PLUMB__TRUST_MAX_ROOTS];
    size_t n;
} signers;

static void add_signers(signers *s, const plumb_trust *trust, bool old)
{
    for (size_t i = 0; i < trust->n_roots; i++) {
        size_t k = 0;
        while (k < s->n && memcmp(s->key[k], &trust->roots[i], sizeof trust->roots[i]) != 0) {
            k++;
        }
        if (k == s->n) s->n++;
        s->key[k] = &trust->roots[i];
        s->is_old[k] = s->is_old[k] || old;
        s->is_new[k] = s->is_new[k] || !old;
    }
}

static plumb_status no_signer(const char *what, const plumb__dsse *envelope, size_t i,
                              const signers *s, plumb_error *err)
{
    for (size_t k = 0; k < s->n; k++) {
        if (!plumb__dsse_signed_by(envelope, i, s->key[k])) continue;
        return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                           "%s: signature %zu names another key than made it", what, i + 1);
    }
    return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                       "%s: signature %zu is by none of its root keys, or the store was changed "
                       "after signing",
                       what, i + 1);
}

/* Every signature must be a root's that it names, or a byte of the file would be unaccounted for.
 */
static plumb_status find_signers(const char *what, const plumb__dsse *envelope, signers *s,
                                 plumb_error *err)
{
    char keyid[PLUMB_KEYID_TEXT_BYTES];
    for (size_t i = 0; i < envelope->n_signatures; i++) {
        size_t k = 0;
        for (; k < s->n; k++) {
            plumb_public_key_id(s->key[k], keyid);
            if (strcmp(keyid, envelope->signatures[i].keyid) == 0) break;
        }
        const plumb_status status =
            k == s->n ? PLUMB_ERR_SIGNATURE : plumb__dsse_verify(envelope, i, s->key[k], err);
        if (status == PLUMB_ERR_NO_MEMORY) return status;
        if (status != PLUMB_OK) return no_signer(what, envelope, i, s, err);
        if (s->signed_by[k]) { /* T2, and one form only */
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: signature %zu is by a root key that has signed already", what,
                               i + 1);
        }
        s->signed_by[k] = true;
    }
    return PLUMB_OK;
}

static plumb_status check_roots(const char *what, const plumb__dsse *envelope,
                                const plumb_trust *before, plumb_trust *trust, bool pending,
                                plumb_error *err)
{
    signers s = {0};
    add_signers(&s, trust, false);
    if (trust->last_rotates) add_signers(&s, before, true);
    trust->need_old = trust->last_rotates ? before->root_threshold : 0;
    PLUMB_TRY(find_signers(what, envelope, &s, err));
    for (size_t k = 0; k < s.n; k++) {
        trust->signed_new += s.signed_by[k] && s.is_new[k];
        trust->signed_old += s.signed_by[k] && s.is_old[k];
    }
    if (pending || plumb__trust_complete(trust)) return PLUMB_OK;
    if (trust->signed_new < trust->root_threshold) {
        return plumb__fail(err, PLUMB_ERR_TRUST,
                           "%s: is signed by %u of its root keys, its threshold is %u", what,
                           trust->signed_new, trust->root_threshold);
    }
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: version %llu has other roots than version %llu and is signed by %u of "
                       "that one's, whose threshold is %u",
                       what, (unsigned long long)trust->version,
                       (unsigned long long)before->version, trust->signed_old, trust->need_old);
}

/* ---- lines ---- */

/* How a line continues the one before: `previous` where the versions touch, T5 for other roots. */
static plumb_status check_succession(const char *what, const plumb_trust *before,
                                     plumb_trust *trust, plumb_error *err)
{
    const unsigned long long a = before->version, b = trust->version;
    char roots[PLUMB__HASH_HEX_BYTES];
    fingerprint(trust, roots);
    memcpy(trust->fingerprints, before->fingerprints, sizeof trust->fingerprints);
    trust->last_rotates = strcmp(roots, before->fingerprints[before->rotations]) != 0;
    trust->rotations = before->rotations + trust->last_rotates;
    memcpy(trust->fingerprints[trust->rotations], roots, sizeof roots);
    if (b <= a || (trust->last_rotates && b != a + 1)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: version %llu cannot follow version %llu in one file", what, b, a);
    }
    if (b == a + 1 && strcmp(trust->previous, before->identity) != 0) {
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "%s: version %llu replaces another version %llu than the one before it",
                           what, b, a);
    }
    if (before->last_rotates || trust->last_rotates) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: the line of version %llu is not needed to prove its roots", what, a);
}

/* One line without its LF. `before` NULL: the first. */
static plumb_status read_line(const char *what, const char *line, size_t n,
                              const plumb_trust *before, bool pending, plumb_trust **out,
                              plumb_error *err)
{
    plumb__dsse envelope = {0};
    plumb_trust *trust = NULL;
    plumb_status status;
    *out = NULL;
    PLUMB_TRY(plumb__dsse_parse(what, line, n, &envelope, err));
    if (strcmp(envelope.payload_type, PLUMB__TRUST_PAYLOAD_TYPE) != 0) {
        status = plumb__fail(err, PLUMB_ERR_FORMAT,
                             "%s: holds a \"%s\", expected a trust store (\"%s\")", what,
                             envelope.payload_type, PLUMB__TRUST_PAYLOAD_TYPE);
        goto cleanup;
    }
    PLUMB_TRY_CLEAN(plumb__alloc(&trust, 1, sizeof *trust, "trust store", err));
    PLUMB_TRY_CLEAN(plumb__json_parse(what, envelope.payload.data, envelope.payload.size,
                                      &trust->document, err));
    PLUMB_TRY_CLEAN(plumb__trust_read_document(what, trust, err));
    const plumb__hash identity = plumb__blake2b(envelope.payload.data, envelope.payload.size);
    plumb__hash_hex(&identity, trust->identity);
    if (before == NULL) {
        fingerprint(trust, trust->fingerprints[0]);
    } else {
        PLUMB_TRY_CLEAN(check_succession(what, before, trust, err));
    }
    PLUMB_TRY_CLEAN(check_roots(what, &envelope, before, trust, pending, err));
    *out = trust;
    trust = NULL;
cleanup:
    plumb_trust_free(trust);
    plumb__dsse_free(&envelope);
    return status;
}

static plumb_status check_size(const char *what, const char *data, size_t n, plumb_error *err)
{
    if (n > PLUMB__TRUST_FILE_CAP) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: a trust store has at most %zu bytes", what,
                           PLUMB__TRUST_FILE_CAP);
    }
    if (n > 0 && data[n - 1] == '\n') return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUNCATED,
                       "%s: does not end in a line end: the file is cut short", what);
}

static plumb_status read_lines(const char *what, const char *data, size_t n, bool pending,
                               plumb_trust **out, plumb_error *err)
{
    plumb_trust *before = NULL, *trust = NULL;
    plumb_status status = PLUMB_OK;
    size_t at = 0, lines = 0;
    while (at < n) {
        const size_t size = (size_t)((const char *)memchr(data + at, '\n', n - at) - (data + at));
        const bool last = at + size + 1 == n;
        if (++lines > PLUMB__TRUST_MAX_LINES) {
            status = plumb__fail(err, PLUMB_ERR_LIMIT, "%s: a trust store has at most %d lines",
                                 what, PLUMB__TRUST_MAX_LINES);
            goto cleanup;
        }
        PLUMB_TRY_CLEAN(read_line(what, data + at, size, before, pending && last, &trust, err));
        trust->last_line_at = at;
        plumb_trust_free(before);
        before = trust;
        at += size + 1;
    }
    *out = before;
    before = NULL;
cleanup:
    plumb_trust_free(before);
    return status;
}

plumb_status plumb__trust_parse(const char *what, const void *data, size_t n, bool pending,
                                plumb_trust **trust, plumb_error *err)
{
    *trust = NULL;
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(check_size(what, data, n, err));
    PLUMB_TRY(read_lines(what, data, n, pending, trust, err));
    const plumb__hash digest = plumb__blake2b(data, n);
    plumb__hash_hex(&digest, (*trust)->digest);
    return PLUMB_OK;
}

plumb_status plumb_trust_parse(const char *what, const void *data, size_t n, plumb_trust **trust,
                               plumb_error *err)
{
    return plumb__trust_parse(what, data, n, false, trust, err);
}

static plumb_status open_file(const char *path, bool pending, plumb_trust **trust, plumb_error *err)
{
    plumb__bytes text = {0};
    *trust = NULL;
    plumb_status status = plumb__file_read(path, PLUMB__TRUST_FILE_CAP, &text, err);
    if (status == PLUMB_OK) {
        status = plumb__trust_parse(path, text.data, text.size, pending, trust, err);
    }
    plumb__bytes_free(&text);
    return status;
}

plumb_status plumb_trust_open(const char *path, plumb_trust **trust, plumb_error *err)
{
    return open_file(path, false, trust, err);
}

plumb_status plumb_trust_open_pending(const char *path, plumb_trust **trust, plumb_error *err)
{
    return open_file(path, true, trust, err);
}

plumb_status plumb__trust_last_envelope(const char *what, const plumb_trust *trust,
                                        const plumb__bytes *text, plumb__dsse *envelope,
                                        plumb_error *err)
{
    const size_t at = trust->last_line_at;
    return plumb__dsse_parse(what, text->data + at, text->size - at - 1, envelope, err);
}
