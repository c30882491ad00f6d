/* Trust stores: the input is the documents, a line each, signed by those of the first fuzz keys
 * that they list as roots. What opens obeys the store's rules, the same file opens to the same
 * store, and with one bit of it changed it does not open. Nor does the raw input, which nobody
 * signed. */
#include "fuzz_kit.h"

#include "manifest/signing/dsse.h"
#include "manifest/signing/pem.h"
#include "manifest/trust/trust_store.h"

#include <string.h>

static void check_key(const plumb_trust *trust, size_t i)
{
    const plumb_trust_key *key = plumb_trust_key_at(trust, i);
    fuzz_assert(plumb__public_key_valid(&key->key));
    fuzz_assert((key->revoked_at != 0) == (key->revoked_reason != NULL));
    for (size_t j = 0; j < i; j++) {
        const plumb_trust_key *other = plumb_trust_key_at(trust, j);
        if (strcmp(key->vendor, other->vendor) != 0) continue;
        fuzz_assert(strcmp(key->name, other->name) != 0);
        fuzz_assert(memcmp(&key->key, &other->key, sizeof key->key) != 0);
    }
}

/* Whoever may act was listed in the role, for the vendor, and not outside its time. */
static void check_judgement(const plumb_trust *trust, size_t i, int64_t at_s)
{
    const plumb_trust_key *key = plumb_trust_key_at(trust, i), *found = NULL;
    for (unsigned r = 0; r < PLUMB__ROLE_COUNT; r++) {
        plumb_error err = {0};
        fuzz_assert(plumb_trust_threshold(trust, key->vendor, (plumb_role)r) >= 1);
        const plumb_status status =
            plumb_trust_check(trust, &key->key, key->vendor, (plumb_role)r, at_s, &found, &err);
        if (!fuzz_accepted(status, &err)) continue;
        fuzz_assert(found == key && (key->roles >> r & 1) == 1);
        fuzz_assert(key->valid_from == 0 || key->valid_from <= at_s);
        fuzz_assert(key->valid_until == 0 || at_s < key->valid_until);
        fuzz_assert(key->revoked_at == 0 || at_s < key->revoked_at);
    }
}

static void check_store(const plumb_trust *trust)
{
    char *json = NULL;
    fuzz_reached();
    fuzz_assert(plumb_trust_version(trust) >= 1);
    fuzz_assert(strlen(plumb_trust_root_fingerprint(trust)) == 64);
    const size_t n = plumb_trust_key_count(trust) < 64 ? plumb_trust_key_count(trust) : 64;
    for (size_t i = 0; i < n; i++) {
        check_key(trust, i);
        check_judgement(trust, i, 1700000000);
    }
    fuzz_works(plumb_trust_json(trust, &json, err));
    plumb_text_free(json);
}

enum { KEYS = 4 };

/* Which of the first fuzz keys the document lists as its roots, as bits. */
static unsigned roots_of(const uint8_t *data, size_t n)
{
    json_t *document = NULL;
    unsigned found = 0;
    size_t i;
    json_t *entry;
    if (plumb__json_parse("j", data, n, &document, NULL) != PLUMB_OK) return 0;
    json_array_foreach(json_object_get(json_object_get(document, "roots"), "keys"), i, entry)
    {
        for (unsigned k = 0; k < KEYS; k++) {
            char text[PLUMB__SPKI_BASE64_BYTES];
            plumb_public_key key;
            plumb_key_public(fuzz_key((uint8_t)k), &key);
            plumb__spki_base64(&key, text);
            if (json_is_string(entry) && strcmp(json_string_value(entry), text) == 0) {
                found |= 1u << k;
            }
        }
    }
    json_decref(document);
    return found;
}

/* One line, signed by its own roots and by those of the line before. */
static unsigned sign_line(const uint8_t *data, size_t n, unsigned before, plumb__bytes *out)
{
    plumb__dsse envelope = {.payload_type = PLUMB__TRUST_PAYLOAD_TYPE};
    const unsigned own = roots_of(data, n), signers = own | before;
    plumb__bytes_append(&envelope.payload, data, n);
    for (uint8_t k = 0; k < KEYS; k++) {
        if ((signers >> k & 1) == 1) fuzz_works(plumb__dsse_sign(&envelope, fuzz_key(k), err));
    }
    if (signers == 0) fuzz_works(plumb__dsse_sign(&envelope, fuzz_key(0), err));
    fuzz_works(plumb__dsse_dump(&envelope, out, err));
    plumb__bytes_append_text(out, "\n");
    plumb__dsse_free(&envelope);
    return own;
}

static void sign_lines(const uint8_t *data, size_t n, plumb__bytes *out)
{
    unsigned before = 0;
    for (size_t at = 0; at < n;) {
        const uint8_t *end = memchr(data + at, '\n', n - at);
        const size_t length = end != NULL ? (size_t)(end - data) - at : n - at;
        before = sign_line(data + at, length, before, out);
        at += length + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb_trust *trust = NULL, *again = NULL;
    plumb__bytes file = {0};
    plumb_error err = {0};
    fuzz_assert(!fuzz_accepted(plumb_trust_parse("raw", data, n, &trust, &err), &err));
    sign_lines(data, n, &file);
    err = (plumb_error){0};
    if (fuzz_accepted(plumb_trust_parse("t", file.data, file.size, &trust, &err), &err)) {
        check_store(trust);
        fuzz_works(plumb_trust_parse("again", file.data, file.size, &again, err));
        fuzz_assert(strcmp(plumb_trust_digest(trust), plumb_trust_digest(again)) == 0);
        file.data[file.size / 2] ^= 1;
        plumb_trust_free(again);
        fuzz_assert(
            !fuzz_accepted(plumb_trust_parse("changed", file.data, file.size, &again, &err), &err));
    } else {
        fuzz_assert(trust == NULL);
    }
    plumb_trust_free(trust);
    plumb_trust_free(again);
    plumb__bytes_free(&file);
    return 0;
}
