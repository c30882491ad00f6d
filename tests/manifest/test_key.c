/* Aim: keys on disk and signatures are what the documents say, and nothing looser is accepted.
 * Method: RFC 8032 vectors; forged S, small-order and mixed-order points; key files read back, with
 * every byte flipped, every length cut, and absurd costs; OpenSSL reads the PEM forms and verifies.
 */
#include "manifest_fixture.h"

#include "base/text.h"
#include "manifest/signing/key_file.h"
#include "manifest/signing/pem.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *seed, *public_key, *message, *signature;
} vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "46b"
     "d25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "659"
     "4a7c15e9716ed28dc027beceea1ec40a"},
};

static void rfc8032(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint8_t seed[32], message[2], expected[64], signature[64];
        plumb_public_key expected_key, key;
        plumb_secret_key *secret = NULL;
        const size_t n = strlen(vectors[i].message) / 2;
        decode_hex(vectors[i].seed, seed, 32);
        decode_hex(vectors[i].public_key, expected_key.bytes, 32);
        decode_hex(vectors[i].message, message, n);
        decode_hex(vectors[i].signature, expected, 64);
        assert_works(plumb__key_from_seed(seed, &secret, err));
        plumb_key_public(secret, &key);
        assert_memory_equal(key.bytes, expected_key.bytes, 32);
        assert_works(plumb_key_sign(secret, message, n, signature, err));
        assert_memory_equal(signature, expected, 64);
        assert_works(plumb_signature_verify(&key, message, n, signature, 64, err));
        plumb_key_free(secret);
    }
}

/* S + L is the same number to a loose verifier. */
static void signature_is_strict(void **state)
{
    const fixture *f = *state;
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                      0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                      0,    0,    0,    0,    0,    0,    0,    0,
                                      0,    0,    0,    0,    0,    0,    0,    0x10};
    plumb_public_key key;
    uint8_t good[64], forged[64];
    unsigned carry = 0;
    plumb_key_public(f->vendor, &key);
    assert_works(plumb_key_sign(f->vendor, "x", 1, good, err));
    memcpy(forged, good, 64);
    for (int i = 0; i < 32; i++) {
        carry += (unsigned)good[32 + i] + order[i];
        forged[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_works(plumb_signature_verify(&key, "x", 1, good, 64, err));
    assert_fails(plumb_signature_verify(&key, "x", 1, forged, 64, err), PLUMB_ERR_SIGNATURE,
                 "the signature does not hold");
    assert_fails(plumb_signature_verify(&key, "x", 1, good, 63, err), PLUMB_ERR_SIGNATURE,
                 "a signature has 63 bytes, expected 64");
    for (int bit = 0; bit < 512; bit++) {
        memcpy(forged, good, 64);
        forged[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(plumb_signature_verify(&key, "x", 1, forged, 64, NULL), PLUMB_OK);
    }
}

/* Points of small order, a non-canonical one, and a good key plus a point of order 8. */
static void public_key_is_strict(void **state)
{
    const fixture *f = *state;
    static const char *const bad[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
    uint8_t order8[32], signature[64];
    plumb_public_key key, mixed;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        decode_hex(bad[i], key.bytes, 32);
        assert_false(plumb__public_key_valid(&key));
    }
    decode_hex(bad[3], order8, 32);
    plumb_key_public(f->vendor, &key);
    assert_true(plumb__public_key_valid(&key));
    assert_int_equal(crypto_core_ed25519_add(mixed.bytes, key.bytes, order8), 0);
    assert_false(plumb__public_key_valid(&mixed));
    assert_works(plumb_key_sign(f->vendor, "x", 1, signature, err));
    assert_fails(plumb_signature_verify(&mixed, "x", 1, signature, 64, err), PLUMB_ERR_KEY,
                 "the public key is not a point of prime order");
}

static void make_key(const fixture *f, const char *name)
{
    assert_works(plumb__key_create(fixture_path(f, name), "open sesame", 11, 1,
                                   crypto_pwhash_MEMLIMIT_MIN, err));
}

static void file_round_trip(void **state)
{
    const fixture *f = *state;
    struct stat st;
    plumb_secret_key *key = NULL;
    plumb_public_key from_key, from_pub, from_header;
    char message[600];
    make_key(f, "alice");
    assert_int_equal(stat(fixture_path(f, "alice.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(fixture_path(f, "alice.pub"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_works(plumb_key_open(fixture_path(f, "alice.key"), "open sesame", 11, &key, err));
    plumb_key_public(key, &from_key);
    assert_works(plumb_public_key_read(fixture_path(f, "alice.pub"), &from_pub, err));
    assert_works(plumb_key_file_public(fixture_path(f, "alice.key"), &from_header, err));
    assert_memory_equal(&from_key, &from_pub, 32);
    assert_memory_equal(&from_key, &from_header, 32);
    plumb_key_free(key);

    snprintf(message, sizeof message,
             "%s/alice.key: the passphrase is wrong, or the file was changed", f->dir);
    assert_fails(plumb_key_open(fixture_path(f, "alice.key"), "open Sesame", 11, &key, err),
                 PLUMB_ERR_KEY, message);
    assert_null(key);
    snprintf(message, sizeof message, "%s/alice.key: exists already; a key is never overwritten",
             f->dir);
    assert_fails(plumb_key_new(fixture_path(f, "alice"), "x", 1, err), PLUMB_ERR_EXISTS, message);
    assert_fails(plumb_key_new(fixture_path(f, "bob"), "", 0, err), PLUMB_ERR_KEY,
                 "the passphrase is empty");
    assert_int_not_equal(access(fixture_path(f, "bob.key"), F_OK), 0);
}

/* Whatever byte changes, the key does not open; and no damage makes it cost more than the caps. */
static void file_is_tamper_proof(void **state)
{
    const fixture *f = *state;
    plumb__bytes text;
    plumb_secret_key *key = NULL;
    make_key(f, "carol");
    read_bytes(fixture_path(f, "carol.key"), &text);
    const char *path = fixture_path(f, "damaged.key");
    write_bytes(path, text.data, text.size);
    assert_int_equal(chmod(path, 0600), 0);
    assert_works(plumb_key_open(path, "open sesame", 11, &key, err));
    plumb_key_free(key);
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] ^= 0x01;
        write_bytes(path, text.data, text.size);
        assert_int_not_equal(plumb_key_open(path, "open sesame", 11, &key, NULL), PLUMB_OK);
        assert_null(key);
        text.data[i] ^= 0x01;
        write_bytes(path, text.data, i);
        assert_int_not_equal(plumb_key_open(path, "open sesame", 11, &key, NULL), PLUMB_OK);
    }
    plumb__bytes_free(&text);
}

static void costs_are_capped(void **state)
{
    const fixture *f = *state;
    plumb__bytes text, blob = {0}, out = {0};
    plumb_secret_key *key = NULL;
    char message[600], body[512];
    make_key(f, "dora");
    read_bytes(fixture_path(f, "dora.key"), &text);
    size_t n = 0;
    for (size_t i = 33; i < text.size - 31; i++) {
        if (text.data[i] != '\n') body[n++] = (char)text.data[i];
    }
    assert_works(plumb__base64_decode(body, n, &blob, err));
    plumb__store_u64(blob.data + 24, (uint64_t)1 << 32);
    plumb__base64_append(&out, blob.data, blob.size);
    FILE *file = fopen(fixture_path(f, "greedy.key"), "w");
    assert_non_null(file);
    fputs("-----BEGIN PLUMB SECRET KEY-----\n", file);
    for (size_t at = 0; at < out.size; at += 64) {
        const int left = out.size - at < 64 ? (int)(out.size - at) : 64;
        fprintf(file, "%.*s\n", left, (const char *)out.data + at);
    }
    fputs("-----END PLUMB SECRET KEY-----\n", file);
    fclose(file);
    assert_int_equal(chmod(fixture_path(f, "greedy.key"), 0600), 0);
    snprintf(
        message, sizeof message,
        "%s/greedy.key: opening it would take 1 passes over 4294967296 bytes; at most 10 passes "
        "over 1073741824 bytes are allowed",
        f->dir);
    assert_fails(plumb_key_open(fixture_path(f, "greedy.key"), "open sesame", 11, &key, err),
                 PLUMB_ERR_KEY, message);
    plumb__bytes_free(&out);
    plumb__bytes_free(&blob);
    plumb__bytes_free(&text);
}

static void passphrase_file(void **state)
{
    const fixture *f = *state;
    char *text = NULL, message[600];
    size_t n = 0;
    const char *path = fixture_path(f, "pass");
    write_text(path, "first line\r\nsecond\n");
    assert_works(plumb_passphrase_read(path, &text, &n, err));
    assert_string_equal(text, "first line");
    assert_int_equal(n, 10);
    plumb_key_text_free(text);
    write_text(path, "\nsecond\n");
    snprintf(message, sizeof message, "%s: a passphrase must have 1 to 4095 bytes", path);
    assert_fails(plumb_passphrase_read(path, &text, &n, err), PLUMB_ERR_KEY, message);
    assert_null(text);
}

/* Runs a shell command with the folder as $D; its exit status. */
static int shell(const fixture *f, const char *command)
{
    assert_int_equal(setenv("D", f->dir, 1), 0);
    return system(command);
}

static void openssl_agrees(void **state)
{
    const fixture *f = *state;
    plumb_secret_key *key = NULL;
    uint8_t signature[64];
    char *pem = NULL;
    if (system("openssl version >/dev/null 2>&1") != 0) {
        print_message("SKIP: openssl is not installed, so nobody else reads the PEM forms here\n");
        skip();
    }
    make_key(f, "frank");
    assert_works(plumb_key_open(fixture_path(f, "frank.key"), "open sesame", 11, &key, err));
    write_text(fixture_path(f, "message"), "across programs");
    assert_works(plumb_key_sign(key, "across programs", 15, signature, err));
    write_bytes(fixture_path(f, "signature"), signature, 64);
    static const char verify[] =
        "openssl pkeyutl -verify -pubin -inkey \"$D/frank.pub\" -rawin -in "
        "\"$D/message\" -sigfile \"$D/signature\" >/dev/null 2>&1";
    assert_int_equal(shell(f, verify), 0);
    write_text(fixture_path(f, "message"), "across Programs");
    assert_int_not_equal(shell(f, verify), 0);
    /* And back: OpenSSL signs with the exported secret. */
    assert_works(plumb_key_export_secret(key, &pem, err));
    write_text(fixture_path(f, "frank.pem"), pem);
    plumb_key_text_free(pem);
    assert_int_equal(
        shell(f, "openssl pkeyutl -sign -inkey \"$D/frank.pem\" -rawin -in \"$D/message\" "
                 "-out \"$D/signature\" 2>/dev/null"),
        0);
    plumb__bytes made;
    plumb_public_key public_key;
    plumb_key_public(key, &public_key);
    read_bytes(fixture_path(f, "signature"), &made);
    assert_works(
        plumb_signature_verify(&public_key, "across Programs", 15, made.data, made.size, err));
    plumb__bytes_free(&made);
    plumb_key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc8032),
        cmocka_unit_test(signature_is_strict),
        cmocka_unit_test(public_key_is_strict),
        cmocka_unit_test(file_round_trip),
        cmocka_unit_test(file_is_tamper_proof),
        cmocka_unit_test(costs_are_capped),
        cmocka_unit_test(passphrase_file),
        cmocka_unit_test(openssl_agrees),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
