/* Public keys of minisign and signify-like tools: a comment line, then base64 of "Ed", an 8-byte
 * key number and the 32 bytes of the key. The comment is not authenticated and the number is not
 * ours: only the key is taken. */
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "manifest/signing/pem.h"

#include <sodium.h>
#include <string.h>

#define FILE_CAP 4096
#define BODY_BYTES 42
#define BODY_TEXT 56 /* base64 of 42 bytes has no padding */

static const char comment[] = "untrusted comment:";

static plumb_status parse(const char *what, const char *text, size_t n, plumb_public_key *out,
                          plumb_error *err)
{
    uint8_t body[BODY_BYTES];
    char again[BODY_TEXT + 1];
    size_t got = 0;
    if (n >= sizeof comment - 1 && memcmp(text, comment, sizeof comment - 1) == 0) {
        const char *lf = memchr(text, '\n', n);
        const size_t line = lf != NULL ? (size_t)(lf - text) + 1 : n;
        text += line;
        n -= line;
    }
    if (n > 0 && text[n - 1] == '\n') n--;
    if (n != BODY_TEXT ||
        sodium_base642bin(body, sizeof body, text, n, NULL, &got, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        got != BODY_BYTES ||
        memcmp(sodium_bin2base64(again, sizeof again, body, sizeof body,
                                 sodium_base64_VARIANT_ORIGINAL),
               text, n) != 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: is not a minisign public key: a comment line, then 56 characters "
                           "of base64",
                           what);
    }
    if (body[0] != 'E' || body[1] != 'd') {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: is a minisign file of another kind than an Ed25519 public key",
                           what);
    }
    memcpy(out->bytes, body + 10, PLUMB_PUBLIC_KEY_BYTES);
    if (plumb__public_key_valid(out)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_KEY, "%s: its key is not a point of prime order", what);
}

plumb_status plumb_public_key_import_minisign(const char *path, plumb_public_key *out,
                                              plumb_error *err)
{
    plumb__bytes text = {0};
    PLUMB_TRY(plumb__crypto_init(err));
    plumb_status status = plumb__file_read(path, FILE_CAP, &text, err);
    if (status == PLUMB_OK) status = parse(path, (const char *)text.data, text.size, out, err);
    plumb__bytes_free(&text);
    return status;
}

plumb_status plumb_public_key_save(const char *path, const plumb_public_key *key, plumb_error *err)
{
    char pem[160];
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(plumb_public_key_pem(key, pem, sizeof pem, err));
    return plumb__file_create(path, pem, strlen(pem), 0644, err);
}
