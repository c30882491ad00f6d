/* The PEM forms of Ed25519 keys (RFC 8410): SPKI for the public half, PKCS#8 for the secret. */
#ifndef PLUMB_MANIFEST_PEM_H
#define PLUMB_MANIFEST_PEM_H

#include "manifest/plumb_key.h"

#include <stdbool.h>

#define PLUMB__SPKI_BYTES 44
#define PLUMB__SPKI_BASE64_BYTES 61 /* with the NUL */

void plumb__spki_encode(const plumb_public_key *key, uint8_t out[PLUMB__SPKI_BYTES]);
/* The body of the PEM file, one line: how the trust store and run.json write a key. */
void plumb__spki_base64(const plumb_public_key *key, char out[PLUMB__SPKI_BASE64_BYTES]);
/* Strict; the point must be canonical and of prime order. */
bool plumb__spki_base64_parse(const char *text, plumb_public_key *out);
/* Strict: exactly what plumb_public_key_pem writes, the last line end optional. */
bool plumb__pem_public_parse(const char *text, size_t n, plumb_public_key *out);
/* The same with a message that says what is wrong: format, truncated, or key for a bad point. */
plumb_status plumb__pem_public_read(const char *what, const char *text, size_t n,
                                    plumb_public_key *out, plumb_error *err) PLUMB_MUST_CHECK;
/* True for a canonical encoding of a point of prime order other than the neutral element. */
bool plumb__public_key_valid(const plumb_public_key *key);

#endif
