/* C2SP signed notes that hold a tree head (tlog-checkpoint: origin, size, root); Ed25519 keys. */
#ifndef PLUMB_MANIFEST_NOTE_H
#define PLUMB_MANIFEST_NOTE_H

#include "base/bytes.h"
#include "base/hash.h"
#include "manifest/plumb_key.h"

#define PLUMB__NOTE_ORIGIN_BYTES 512

typedef struct plumb__checkpoint {
    char origin[PLUMB__NOTE_ORIGIN_BYTES];
    uint64_t size;
    plumb__hash root;
} plumb__checkpoint;

/* The note text plus one signature line under the key name (= origin by convention). */
plumb_status plumb__note_sign(const plumb__checkpoint *checkpoint, const char *key_name,
                              const plumb_secret_key *key, plumb__bytes *out,
                              plumb_error *err) PLUMB_MUST_CHECK;
/* Parses strictly and checks that there is exactly one signature line, by this name and key, and
 * that not one byte is unaccounted for. */
plumb_status plumb__note_verify(const char *what, const void *data, size_t n, const char *key_name,
                                const plumb_public_key *key, plumb__checkpoint *out,
                                plumb_error *err) PLUMB_MUST_CHECK;

#endif
