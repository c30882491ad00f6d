/* DSSE 1.0.2 envelopes with pure Ed25519 signatures over the PAE. */
#ifndef PLUMB_MANIFEST_DSSE_H
#define PLUMB_MANIFEST_DSSE_H

#include "base/bytes.h"
#include "manifest/plumb_key.h"

#define PLUMB__DSSE_MAX_SIGNATURES 64
#define PLUMB__PAYLOAD_TYPE_INTOTO "application/vnd.in-toto+json"

typedef struct plumb__dsse {
    char payload_type[128];
    plumb__bytes payload; /* decoded, exact */
    size_t n_signatures;
    struct {
        char keyid[PLUMB_KEYID_TEXT_BYTES]; /* a hint only; "" when absent */
        uint8_t signature[PLUMB_SIGNATURE_BYTES];
    } signatures[PLUMB__DSSE_MAX_SIGNATURES];
} plumb__dsse;

/* The pre-authentication encoding "DSSEv1 len type len payload". */
void plumb__dsse_pae(const char *payload_type, const void *payload, size_t n, plumb__bytes *out);
/* Parses strictly (lengths, base64, exactly the fields of DSSE, 64-byte signatures); checks no
 * signature yet. */
plumb_status plumb__dsse_parse(const char *what, const void *data, size_t n, plumb__dsse *out,
                               plumb_error *err) PLUMB_MUST_CHECK;
void plumb__dsse_free(plumb__dsse *envelope);
/* Signature i against this key over the envelope's PAE: signature when it does not hold, key when
 * the key is none, no memory. */
plumb_status plumb__dsse_verify(const plumb__dsse *envelope, size_t i, const plumb_public_key *key,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* True if it holds. */
bool plumb__dsse_signed_by(const plumb__dsse *envelope, size_t i, const plumb_public_key *key);
/* Adds one signature over the payload. */
plumb_status plumb__dsse_sign(plumb__dsse *envelope, const plumb_secret_key *key,
                              plumb_error *err) PLUMB_MUST_CHECK;
/* One line of JSON without its LF. */
plumb_status plumb__dsse_dump(const plumb__dsse *envelope, plumb__bytes *out,
                              plumb_error *err) PLUMB_MUST_CHECK;

#endif
