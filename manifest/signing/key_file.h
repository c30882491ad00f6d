/* NAME.key on disk, and what its readers need of a secret key (docs/formats/keys.md). */
#ifndef PLUMB_MANIFEST_KEY_FILE_H
#define PLUMB_MANIFEST_KEY_FILE_H

#include "manifest/plumb_key.h"

/* What opening a key file may cost; a file that asks for more is refused. */
#define PLUMB__KEY_MAX_MEMORY_BYTES ((uint64_t)1 << 30)
#define PLUMB__KEY_MAX_PASSES 10

/* plumb_key_new with chosen Argon2id costs: tests use the smallest, the command MODERATE. */
plumb_status plumb__key_create(const char *name, const void *passphrase, size_t n, uint64_t passes,
                               uint64_t memory_bytes, plumb_error *err) PLUMB_MUST_CHECK;

/* The 32 secret bytes, borrowed, in locked memory. */
const uint8_t *plumb__key_seed(const plumb_secret_key *key);
/* A key in locked memory from its 32 secret bytes. */
plumb_status plumb__key_from_seed(const uint8_t seed[32], plumb_secret_key **key,
                                  plumb_error *err) PLUMB_MUST_CHECK;

#endif
