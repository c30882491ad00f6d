#include "manifest/signing/pem.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "manifest/signing/key_file.h"

#include <sodium.h>
#include <string.h>

/* SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes }. */
static const uint8_t spki_prefix[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                        0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
/* SEQUENCE { INTEGER 0, SEQUENCE { OID }, OCTET STRING { OCTET STRING of 32 bytes } }. */
static const uint8_t pkcs8_prefix[16] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                         0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

static const char public_begin[] = "-----BEGIN PUBLIC KEY-----\n";
static const char public_end[] = "\n-----END PUBLIC KEY-----\n";
static const char secret_begin[] = "-----BEGIN PRIVATE KEY-----\n";
static const char secret_end[] = "\n-----END PRIVATE KEY-----\n";

#define PKCS8_BYTES (sizeof pkcs8_prefix + 32)

void plumb__spki_encode(const plumb_public_key *key, uint8_t out[PLUMB__SPKI_BYTES])
{
    memcpy(out, spki_prefix, sizeof spki_prefix);
    memcpy(out + sizeof spki_prefix, key->bytes, PLUMB_PUBLIC_KEY_BYTES);
}

void plumb__spki_base64(const plumb_public_key *key, char out[PLUMB__SPKI_BASE64_BYTES])
{
    uint8_t der[PLUMB__SPKI_BYTES];
    plumb__spki_encode(key, der);
    sodium_bin2base64(out, PLUMB__SPKI_BASE64_BYTES, der, sizeof der,
                      sodium_base64_VARIANT_ORIGINAL);
}

bool plumb__public_key_valid(const plumb_public_key *key)
{
    return crypto_core_ed25519_is_valid_point(key->bytes) == 1;
}

/* 60 characters: the base64 of an Ed25519 SPKI in its one form. Whatever point it holds. The
 * decoder lets some other spellings pass, so what was read is written again and compared. */
static bool spki_decode(const char *text, size_t n, plumb_public_key *out)
{
    uint8_t der[PLUMB__SPKI_BYTES];
    char again[PLUMB__SPKI_BASE64_BYTES];
    size_t got = 0;
    if (n != PLUMB__SPKI_BASE64_BYTES - 1 ||
        sodium_base642bin(der, sizeof der, text, n, NULL, &got, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        got != sizeof der || memcmp(der, spki_prefix, sizeof spki_prefix) != 0) {
        return false;
    }
    memcpy(out->bytes, der + sizeof spki_prefix, PLUMB_PUBLIC_KEY_BYTES);
    plumb__spki_base64(out, again);
    return memcmp(again, text, n) == 0;
}

bool plumb__spki_base64_parse(const char *text, plumb_public_key *out)
{
    return spki_decode(text, strlen(text), out) && plumb__public_key_valid(out);
}

static bool begins(const char *text, size_t n, const char *with)
{
    const size_t m = strlen(with);
    return n >= m && memcmp(text, with, m) == 0;
}

/* Files that people take for a public key in PEM. */
static plumb_status check_kind(const char *what, const char *text, size_t n, plumb_error *err)
{
    if (begins(text, n, "untrusted comment:")) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: is a key of minisign; plumb key import makes a NAME.pub of it",
                           what);
    }
    if (begins(text, n, secret_begin) || begins(text, n, "-----BEGIN ENCRYPTED PRIVATE KEY")) {
        return plumb__fail(err, PLUMB_ERR_KEY, "%s: is a secret key; give the public one", what);
    }
    if (memchr(text, '\r', n) != NULL) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: has CR line ends; PEM is read with LF alone",
                           what);
    }
    if (begins(text, n, public_begin)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: is not a public key in PEM: line 1 must be -----BEGIN PUBLIC KEY-----",
                       what);
}

plumb_status plumb__pem_public_read(const char *what, const char *text, size_t n,
                                    plumb_public_key *out, plumb_error *err)
{
    const size_t begin = sizeof public_begin - 1, body = PLUMB__SPKI_BASE64_BYTES - 1;
    const size_t end = sizeof public_end - 2; /* the last line end may be missing */
    PLUMB_TRY(check_kind(what, text, n, err));
    const char *lf = memchr(text + begin, '\n', n - begin);
    const size_t line = lf != NULL ? (size_t)(lf - text) - begin : n - begin;
    if (!spki_decode(text + begin, line, out)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: line 2 must be an Ed25519 public key, 60 characters of base64 "
                           "(RFC 8410)",
                           what);
    }
    if (n < begin + body + end || memcmp(text + begin + body, public_end, end) != 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: line 3 must be -----END PUBLIC KEY-----",
                           what);
    }
    const size_t left = n - (begin + body + end);
    if (left > 1 || (left == 1 && text[n - 1] != '\n')) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: has %zu bytes behind -----END PUBLIC KEY-----", what, left);
    }
    if (plumb__public_key_valid(out)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_KEY, "%s: its key is not a point of prime order", what);
}

bool plumb__pem_public_parse(const char *text, size_t n, plumb_public_key *out)
{
    return plumb__pem_public_read("", text, n, out, NULL) == PLUMB_OK;
}

plumb_status plumb_public_key_pem(const plumb_public_key *key, char *out, size_t size,
                                  plumb_error *err)
{
    const size_t need = sizeof public_begin + PLUMB__SPKI_BASE64_BYTES + sizeof public_end - 2;
    if (size < need) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a public key in PEM needs %zu bytes", need);
    }
    char body[PLUMB__SPKI_BASE64_BYTES];
    plumb__spki_base64(key, body);
    char *at = stpcpy(out, public_begin);
    at = stpcpy(at, body);
    stpcpy(at, public_end);
    return PLUMB_OK;
}

void plumb_public_key_id(const plumb_public_key *key, char out[PLUMB_KEYID_TEXT_BYTES])
{
    uint8_t der[PLUMB__SPKI_BYTES];
    plumb__spki_encode(key, der);
    const plumb__hash hash = plumb__sha256(der, sizeof der);
    plumb__hash_hex(&hash, out);
}

plumb_status plumb_key_export_secret(const plumb_secret_key *key, char **text, plumb_error *err)
{
    /* Both buffers hold the secret, so both come from locked memory. */
    const size_t body = sodium_base64_encoded_len(PKCS8_BYTES, sodium_base64_VARIANT_ORIGINAL);
    uint8_t *der = sodium_malloc(PKCS8_BYTES);
    char *pem = sodium_malloc(sizeof secret_begin - 1 + body + sizeof secret_end - 1);
    *text = NULL;
    if (der == NULL || pem == NULL) {
        sodium_free(der);
        sodium_free(pem);
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no locked memory for the key's export");
    }
    memcpy(der, pkcs8_prefix, sizeof pkcs8_prefix);
    memcpy(der + sizeof pkcs8_prefix, plumb__key_seed(key), 32);
    char *at = stpcpy(pem, secret_begin);
    sodium_bin2base64(at, body, der, PKCS8_BYTES, sodium_base64_VARIANT_ORIGINAL);
    stpcpy(at + body - 1, secret_end);
    sodium_free(der);
    *text = pem;
    return PLUMB_OK;
}
