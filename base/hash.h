/* BLAKE2b-256 (libsodium) and SHA-256 (libcrypto when built with it, else libsodium), streaming. */
#ifndef PLUMB_BASE_HASH_H
#define PLUMB_BASE_HASH_H

#include "base/error.h"
#include <stdbool.h>

#define PLUMB__HASH_BYTES 32
#define PLUMB__HASH_HEX_BYTES 65 /* with the NUL */

typedef struct plumb__hash {
    uint8_t bytes[PLUMB__HASH_BYTES];
} plumb__hash;

typedef enum plumb__hash_kind { PLUMB__BLAKE2B, PLUMB__SHA256 } plumb__hash_kind;

/* Opaque state, large enough for either. */
typedef struct plumb__hasher {
    _Alignas(64) uint8_t state[512];
    plumb__hash_kind kind;
} plumb__hasher;

/* Initialises libsodium once; every entry point that uses it calls this first. Thread safe. */
plumb_status plumb__crypto_init(plumb_error *err) PLUMB_MUST_CHECK;

void plumb__hash_init(plumb__hasher *h, plumb__hash_kind kind);
void plumb__hash_update(plumb__hasher *h, const void *data, size_t n);
plumb__hash plumb__hash_final(plumb__hasher *h);

plumb__hash plumb__blake2b(const void *data, size_t n);
plumb__hash plumb__sha256(const void *data, size_t n);
/* BLAKE2b-256 with a key of 1..64 bytes. */
plumb__hash plumb__blake2b_keyed(const void *key, size_t key_bytes, const void *data, size_t n);
bool plumb__hash_equal(const plumb__hash *a, const plumb__hash *b); /* constant time */
void plumb__hash_hex(const plumb__hash *h, char out[PLUMB__HASH_HEX_BYTES]);
/* Exactly 64 lower-case hex digits, else false. */
bool plumb__hash_parse(const char *hex, plumb__hash *out);
/* Hashes of a whole file in one read; any out may be NULL. */
plumb_status plumb__hash_file(const char *path, plumb__hash *blake2b, plumb__hash *sha256,
                              uint64_t *size_bytes, plumb_error *err) PLUMB_MUST_CHECK;

#endif
