/* Ed25519 keys: NAME.pub is PEM SPKI that OpenSSL reads, NAME.key an armoured file encrypted under
 * a passphrase (Argon2id, XChaCha20-Poly1305). Secrets live in locked memory and are wiped on free.
 * Format: docs/formats/keys.md. */
#ifndef PLUMB_KEY_H
#define PLUMB_KEY_H

#include "base/plumb_status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUMB_PUBLIC_KEY_BYTES 32
#define PLUMB_SIGNATURE_BYTES 64
#define PLUMB_KEYID_TEXT_BYTES 65 /* lower-case hex SHA-256 of the SPKI DER, with the NUL */

typedef struct plumb_public_key {
    uint8_t bytes[PLUMB_PUBLIC_KEY_BYTES];
} plumb_public_key;

typedef struct plumb_secret_key plumb_secret_key; /* opaque, in locked memory */

/* Makes NAME.key (0600) and NAME.pub (0644); refuses to overwrite either. The passphrase is n
 * bytes, at least 1; the caller wipes its copy. */
PLUMB_API plumb_status plumb_key_new(const char *name, const void *passphrase, size_t n,
                                     plumb_error *err) PLUMB_MUST_CHECK;
/* The file must be the owner's alone (no mode bit for group or others) and no symbolic link.
 * Errors: key (wrong passphrase, damaged, readable by others), format, io. */
PLUMB_API plumb_status plumb_key_open(const char *path, const void *passphrase, size_t n,
                                      plumb_secret_key **key, plumb_error *err) PLUMB_MUST_CHECK;
/* A fresh key in locked memory only. */
PLUMB_API plumb_status plumb_key_ephemeral(plumb_secret_key **key,
                                           plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_key_free(plumb_secret_key *key); /* wipes */
PLUMB_API void plumb_key_public(const plumb_secret_key *key, plumb_public_key *out);
PLUMB_API plumb_status plumb_key_sign(const plumb_secret_key *key, const void *message, size_t n,
                                      uint8_t signature[PLUMB_SIGNATURE_BYTES],
                                      plumb_error *err) PLUMB_MUST_CHECK;

/* Reads NAME.pub; the point must be valid and of prime order. Errors: format (what is wrong in it),
 * key (a secret key, or a bad point), io. */
PLUMB_API plumb_status plumb_public_key_read(const char *path, plumb_public_key *out,
                                             plumb_error *err) PLUMB_MUST_CHECK;
/* The key of a minisign public key file, for verification; and a key as a NAME.pub that is not
 * there yet. */
PLUMB_API plumb_status plumb_public_key_import_minisign(const char *path, plumb_public_key *out,
                                                        plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API plumb_status plumb_public_key_save(const char *path, const plumb_public_key *key,
                                             plumb_error *err) PLUMB_MUST_CHECK;
/* The public half of NAME.key: it is in the authenticated header, no passphrase needed. */
PLUMB_API plumb_status plumb_key_file_public(const char *path, plumb_public_key *out,
                                             plumb_error *err) PLUMB_MUST_CHECK;
/* PEM text (about 120 bytes) into out[size]. */
PLUMB_API plumb_status plumb_public_key_pem(const plumb_public_key *key, char *out, size_t size,
                                            plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_public_key_id(const plumb_public_key *key, char out[PLUMB_KEYID_TEXT_BYTES]);
/* PKCS#8 PEM of the secret, into locked memory of *text (NUL ended); plumb_key_text_free wipes. */
PLUMB_API plumb_status plumb_key_export_secret(const plumb_secret_key *key, char **text,
                                               plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_key_text_free(char *text);
/* Strict: length 64, canonical S, key of prime order. */
PLUMB_API plumb_status plumb_signature_verify(const plumb_public_key *key, const void *message,
                                              size_t n, const void *signature,
                                              size_t signature_bytes,
                                              plumb_error *err) PLUMB_MUST_CHECK;

/* First line of a file (without its line end) into locked memory; for --passphrase-file.
 * plumb_key_text_free wipes. */
PLUMB_API plumb_status plumb_passphrase_read(const char *path, char **text, size_t *n,
                                             plumb_error *err) PLUMB_MUST_CHECK;
/* The same from an open descriptor, e.g. a silenced terminal; reads to the line's end only. */
PLUMB_API plumb_status plumb_passphrase_line(int fd, char **text, size_t *n,
                                             plumb_error *err) PLUMB_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
