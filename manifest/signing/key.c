/* Ed25519 keys in memory. Invariant: secret bytes are only ever in memory of sodium_malloc, which
 * is locked where the system allows it, guarded, and wiped by sodium_free. */
#include "base/error.h"
#include "base/hash.h"
#include "manifest/signing/key_file.h"
#include "manifest/signing/pem.h"

#include <sodium.h>
#include <string.h>

struct plumb_secret_key {
    uint8_t secret[crypto_sign_SECRETKEYBYTES]; /* seed, then public key */
    plumb_public_key public_key;
};

const uint8_t *plumb__key_seed(const plumb_secret_key *key)
{
    return key->secret;
}

static plumb_status key_room(plumb_secret_key **key, plumb_error *err)
{
    *key = NULL;
    PLUMB_TRY(plumb__crypto_init(err));
    *key = sodium_malloc(sizeof **key);
    if (*key == NULL) {
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no locked memory for a secret key");
    }
    return PLUMB_OK;
}

plumb_status plumb__key_from_seed(const uint8_t seed[32], plumb_secret_key **key, plumb_error *err)
{
    PLUMB_TRY(key_room(key, err));
    crypto_sign_seed_keypair((*key)->public_key.bytes, (*key)->secret, seed);
    return PLUMB_OK;
}

plumb_status plumb_key_ephemeral(plumb_secret_key **key, plumb_error *err)
{
    PLUMB_TRY(key_room(key, err));
    crypto_sign_keypair((*key)->public_key.bytes, (*key)->secret);
    return PLUMB_OK;
}

void plumb_key_free(plumb_secret_key *key)
{
    sodium_free(key);
}

void plumb_key_public(const plumb_secret_key *key, plumb_public_key *out)
{
    *out = key->public_key;
}

plumb_status plumb_key_sign(const plumb_secret_key *key, const void *message, size_t n,
                            uint8_t signature[PLUMB_SIGNATURE_BYTES], plumb_error *err)
{
    if (crypto_sign_detached(signature, NULL, message, n, key->secret) != 0) {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE, "signing failed");
    }
    return PLUMB_OK;
}

/* libsodium refuses S >= L, a small-order R and a non-canonical or small-order key; that the key
 * has no component outside the prime-order group is checked here. */
plumb_status plumb_signature_verify(const plumb_public_key *key, const void *message, size_t n,
                                    const void *signature, size_t signature_bytes, plumb_error *err)
{
    PLUMB_TRY(plumb__crypto_init(err));
    if (signature_bytes != PLUMB_SIGNATURE_BYTES) {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE, "a signature has %zu bytes, expected %d",
                           signature_bytes, PLUMB_SIGNATURE_BYTES);
    }
    if (!plumb__public_key_valid(key)) {
        return plumb__fail(err, PLUMB_ERR_KEY, "the public key is not a point of prime order");
    }
    if (crypto_sign_verify_detached(signature, message, n, key->bytes) != 0) {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE, "the signature does not hold");
    }
    return PLUMB_OK;
}

void plumb_key_text_free(char *text)
{
    sodium_free(text);
}
