/* Aim: a signature holds or does not, with no case in between: no second form of a signature, no
 * key or point that verifies what nobody signed. Method: Project Wycheproof's vectors, whole, each
 * with the verdict it states (ed25519_vectors.txt); then what those leave out: every point of small
 * order as key and as R, keys and R with a component of small order (made so that a verifier that
 * multiplies by the cofactor would accept), S + L, encodings above p, every wrong length. */
#include "manifest_fixture.h"

#include "base/text.h"
#include "manifest/signing/key_file.h"
#include "manifest/signing/pem.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS 151
#define MESSAGE_CAP 2048

/* ---- Wycheproof ---- */

static size_t unhex(const char *hex, uint8_t *out, size_t cap)
{
    if (strcmp(hex, "-") == 0) return 0;
    const size_t n = strlen(hex) / 2;
    assert_true(n <= cap);
    assert_true(plumb__hex_decode(hex, 2 * n, out));
    return n;
}

static void wycheproof(void **state)
{
    static char line[8192], flag[64], key_hex[80], message_hex[2 * MESSAGE_CAP + 1], sig_hex[400];
    char path[600], verdict;
    size_t n = 0, held = 0;
    int id;
    (void)state;
    assert_non_null(getenv("PLUMB_SOURCE_DIR"));
    snprintf(path, sizeof path, "%s/tests/manifest/ed25519_vectors.txt",
             getenv("PLUMB_SOURCE_DIR"));
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL) {
        uint8_t message[MESSAGE_CAP], signature[200];
        plumb_public_key key;
        if (line[0] == '#') continue;
        assert_int_equal(sscanf(line, "%d %c %63s %79s %4096s %399s", &id, &verdict, flag, key_hex,
                                message_hex, sig_hex),
                         6);
        const size_t m = unhex(message_hex, message, sizeof message);
        const size_t s = unhex(sig_hex, signature, sizeof signature);
        assert_int_equal(unhex(key_hex, key.bytes, 32), 32);
        assert_true(plumb__public_key_valid(&key));
        const bool holds = plumb_signature_verify(&key, message, m, signature, s, NULL) == PLUMB_OK;
        if (holds != (verdict == 'v')) fail_msg("vector %d (%s): holds is %d", id, flag, holds);
        held += holds;
        n++;
    }
    fclose(in);
    assert_int_equal(n, VECTORS);
    assert_int_equal(held, 88);
}

/* ---- points of small order ---- */

/* The eight of them, and their encodings that are not canonical (y of p or more, or a sign bit on
 * x = 0). */
static const char *const small_order[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};
#define SMALL (sizeof small_order / sizeof *small_order)
#define SMALL_CANONICAL 8

/* With such a key, S = 0 and R small, some message verifies that nobody signed. */
static void small_order_keys(void **state)
{
    plumb_public_key key;
    uint8_t signature[64] = {0};
    (void)state;
    for (size_t i = 0; i < SMALL; i++) {
        decode_hex(small_order[i], key.bytes, 32);
        assert_false(plumb__public_key_valid(&key));
        for (size_t k = 0; k < SMALL; k++) {
            decode_hex(small_order[k], signature, 32);
            for (char message = 'a'; message < 'i'; message++) {
                assert_fails(plumb_signature_verify(&key, &message, 1, signature, 64, err),
                             PLUMB_ERR_KEY, "the public key is not a point of prime order");
            }
        }
    }
}

/* k = SHA-512(R, A, message) mod L. */
static void challenge(const uint8_t *r, const plumb_public_key *key, const char *message,
                      uint8_t k[32])
{
    crypto_hash_sha512_state h;
    uint8_t hash[64];
    crypto_hash_sha512_init(&h);
    crypto_hash_sha512_update(&h, r, 32);
    crypto_hash_sha512_update(&h, key->bytes, 32);
    crypto_hash_sha512_update(&h, (const uint8_t *)message, strlen(message));
    crypto_hash_sha512_final(&h, hash);
    crypto_core_ed25519_scalar_reduce(k, hash);
}

/* The secret scalar of a seed, reduced. */
static void scalar_of(const plumb_secret_key *key, uint8_t out[32])
{
    uint8_t hash[64], wide[64] = {0};
    crypto_hash_sha512(hash, plumb__key_seed(key), 32);
    hash[0] &= 248;
    hash[31] &= 127;
    hash[31] |= 64;
    memcpy(wide, hash, 32);
    crypto_core_ed25519_scalar_reduce(out, wide);
}

/* S = r + k a over a given R: what the owner of a key can make. */
static void sign_with(const plumb_secret_key *key, const plumb_public_key *as, const uint8_t r[32],
                      const uint8_t *point_r, const char *message, uint8_t signature[64])
{
    uint8_t a[32], k[32], ka[32];
    challenge(point_r, as, message, k);
    scalar_of(key, a);
    crypto_core_ed25519_scalar_mul(ka, k, a);
    memcpy(signature, point_r, 32);
    crypto_core_ed25519_scalar_add(signature + 32, r, ka);
}

/* S B = R + k A with R of small order and r = 0: the owner of the key can make it, so it is no
 * forgery, but R then has no second form to hide in. */
static void small_order_r(void **state)
{
    const fixture *f = *state;
    plumb_public_key key;
    uint8_t zero[32] = {0}, point[32], signature[64];
    plumb_key_public(f->vendor, &key);
    for (size_t i = 0; i < SMALL; i++) {
        decode_hex(small_order[i], point, 32);
        sign_with(f->vendor, &key, zero, point, "message", signature);
        assert_fails(plumb_signature_verify(&key, "message", 7, signature, 64, err),
                     PLUMB_ERR_SIGNATURE, "the signature does not hold");
    }
}

/* ---- points with a component of small order ---- */

static void mixed_order(void **state)
{
    const fixture *f = *state;
    plumb_public_key key, mixed_key;
    uint8_t r[32], point[32], torsion[32], mixed[32], signature[64];
    plumb_key_public(f->vendor, &key);
    crypto_core_ed25519_scalar_random(r);
    assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(point, r), 0);
    sign_with(f->vendor, &key, r, point, "message", signature);
    assert_works(
        plumb_signature_verify(&key, "message", 7, signature, 64, err)); /* the tool works */
    for (size_t i = 1; i < SMALL_CANONICAL; i++) {
        decode_hex(small_order[i], torsion, 32);
        assert_int_equal(crypto_core_ed25519_add(mixed, point, torsion), 0);
        sign_with(f->vendor, &key, r, mixed, "message", signature);
        assert_fails(plumb_signature_verify(&key, "message", 7, signature, 64, err),
                     PLUMB_ERR_SIGNATURE, "the signature does not hold");
        assert_int_equal(crypto_core_ed25519_add(mixed_key.bytes, key.bytes, torsion), 0);
        assert_false(plumb__public_key_valid(&mixed_key));
        sign_with(f->vendor, &mixed_key, r, point, "message", signature);
        assert_fails(plumb_signature_verify(&mixed_key, "message", 7, signature, 64, err),
                     PLUMB_ERR_KEY, "the public key is not a point of prime order");
    }
}

/* ---- other forms of the same ---- */

/* Little-endian a + b of 32 bytes; the carry out. */
static unsigned add(const uint8_t *a, const uint8_t *b, uint8_t *out)
{
    unsigned carry = 0;
    for (int i = 0; i < 32; i++) {
        carry += (unsigned)a[i] + b[i];
        out[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return carry;
}

static void s_beyond_the_order(void **state)
{
    const fixture *f = *state;
    plumb_public_key key;
    uint8_t order[32], signature[64], s[32];
    decode_hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", order, 32);
    plumb_key_public(f->vendor, &key);
    assert_works(plumb_key_sign(f->vendor, "message", 7, signature, err));
    assert_works(plumb_signature_verify(&key, "message", 7, signature, 64, err));
    memcpy(s, signature + 32, 32);
    for (int times = 1; times < 15; times++) { /* S + L to S + 14 L fit in 32 bytes */
        assert_int_equal(add(s, order, s), 0);
        memcpy(signature + 32, s, 32);
        assert_fails(plumb_signature_verify(&key, "message", 7, signature, 64, err),
                     PLUMB_ERR_SIGNATURE, "the signature does not hold");
    }
}

/* y of p to 2^255 - 1 with either sign: 38 encodings, none of which is a key or an R. */
static void encodings_beyond_p(void **state)
{
    const fixture *f = *state;
    plumb_public_key key, beyond;
    uint8_t signature[64], zero[32] = {0};
    plumb_key_public(f->vendor, &key);
    for (unsigned low = 0xed; low <= 0xff; low++) {
        for (unsigned sign = 0; sign < 2; sign++) {
            memset(beyond.bytes, 0xff, 32);
            beyond.bytes[0] = (uint8_t)low;
            beyond.bytes[31] = (uint8_t)(0x7f | sign << 7);
            assert_false(plumb__public_key_valid(&beyond));
            sign_with(f->vendor, &key, zero, beyond.bytes, "message", signature);
            assert_fails(plumb_signature_verify(&key, "message", 7, signature, 64, err),
                         PLUMB_ERR_SIGNATURE, "the signature does not hold");
        }
    }
}

static void wrong_lengths(void **state)
{
    const fixture *f = *state;
    plumb_public_key key;
    uint8_t signature[130] = {0};
    char message[100];
    plumb_key_public(f->vendor, &key);
    assert_works(plumb_key_sign(f->vendor, "message", 7, signature, err));
    for (size_t n = 0; n <= sizeof signature; n++) {
        if (n == 64) continue;
        snprintf(message, sizeof message, "a signature has %zu bytes, expected 64", n);
        assert_fails(plumb_signature_verify(&key, "message", 7, signature, n, err),
                     PLUMB_ERR_SIGNATURE, message);
    }
}

static void every_bit_counts(void **state)
{
    const fixture *f = *state;
    plumb_public_key key;
    uint8_t signature[64];
    plumb_key_public(f->vendor, &key);
    assert_works(plumb_key_sign(f->vendor, "message", 7, signature, err));
    for (size_t bit = 0; bit < 512; bit++) {
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(plumb_signature_verify(&key, "message", 7, signature, 64, NULL),
                         PLUMB_ERR_SIGNATURE);
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wycheproof),         cmocka_unit_test(small_order_keys),
        cmocka_unit_test(small_order_r),      cmocka_unit_test(mixed_order),
        cmocka_unit_test(s_beyond_the_order), cmocka_unit_test(encodings_beyond_p),
        cmocka_unit_test(wrong_lengths),      cmocka_unit_test(every_bit_counts),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
