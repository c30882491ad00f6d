/* Trust stores: the input is the document, signed by a root whose key the corpus names. What opens
 * obeys the store's rules, and the same file opens to the same store. The raw input, which nobody
 * signed, never opens. */
#include "fuzz_kit.h"

#include "manifest/pem.h"
#include "manifest/trust_store.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb_trust *trust = NULL, *again = NULL;
    plumb__bytes file = {0};
    plumb_error err = {0};
    fuzz_assert(!fuzz_accepted(plumb_trust_parse("raw", data, n, &trust, &err), &err));
    fuzz_envelope(PLUMB__TRUST_PAYLOAD_TYPE, data, n, 0, &file);
    err = (plumb_error){0};
    if (fuzz_accepted(plumb_trust_parse("t", file.data, file.size, &trust, &err), &err)) {
        check_store(trust);
        fuzz_works(plumb_trust_parse("again", file.data, file.size, &again, err));
        fuzz_assert(strcmp(plumb_trust_digest(trust), plumb_trust_digest(again)) == 0);
    } else {
        fuzz_assert(trust == NULL);
    }
    plumb_trust_free(trust);
    plumb_trust_free(again);
    plumb__bytes_free(&file);
    return 0;
}
