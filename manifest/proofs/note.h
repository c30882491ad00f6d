/* C2SP signed notes that hold a tree head (tlog-checkpoint): origin, size, root, and for manifests
 * one extension line that names the statement; then signature lines. Ed25519 note keys.
 * Format: docs/formats/manifest.md section 5. */
#ifndef PLUMB_MANIFEST_NOTE_H
#define PLUMB_MANIFEST_NOTE_H

#include "base/bytes.h"
#include "base/hash.h"
#include "manifest/plumb_key.h"

#define PLUMB__NOTE_ORIGIN_BYTES 512
#define PLUMB__NOTE_CAP 65536
#define PLUMB__NOTE_MAX_LINES 64
#define PLUMB__NOTE_HASH_BYTES 4

typedef struct plumb__checkpoint {
    char origin[PLUMB__NOTE_ORIGIN_BYTES];
    uint64_t size;
    plumb__hash root;
    bool has_statement; /* "plumbline statement sha256 HEX": what else was signed with this tree */
    plumb__hash statement;
} plumb__checkpoint;

/* C2SP signature types: they keep a key's uses apart. */
typedef enum plumb__note_type {
    PLUMB__NOTE_ED25519 = 0x01,
    PLUMB__NOTE_COSIGNATURE = 0x04
} plumb__note_type;

/* One signature line; borrowed from the note's bytes. */
typedef struct plumb__note_line {
    const char *name, *base64;
    size_t name_size, base64_size;
    uint8_t key_hash[PLUMB__NOTE_HASH_BYTES];
} plumb__note_line;

typedef struct plumb__note {
    plumb__checkpoint checkpoint;
    const char *text; /* what is signed; borrowed */
    size_t text_size, n_lines;
    plumb__note_line lines[PLUMB__NOTE_MAX_LINES];
} plumb__note;

/* The text to be signed, appended. */
plumb_status plumb__note_text(const plumb__checkpoint *checkpoint, plumb__bytes *out,
                              plumb_error *err) PLUMB_MUST_CHECK;
/* One signature line "— NAME BASE64", appended: key hash, then n bytes. */
plumb_status plumb__note_append_line(const char *name, plumb__note_type type,
                                     const plumb_public_key *key, const uint8_t *signature,
                                     size_t n, plumb__bytes *out,
                                     plumb_error *err) PLUMB_MUST_CHECK;
/* A line of a parsed note again, appended. */
void plumb__note_copy_line(const plumb__note_line *line, plumb__bytes *out);
/* The note text, a blank line and one signature line under the key name (= origin by convention).
 */
plumb_status plumb__note_sign(const plumb__checkpoint *checkpoint, const char *key_name,
                              const plumb_secret_key *key, plumb__bytes *out,
                              plumb_error *err) PLUMB_MUST_CHECK;

/* Parses strictly, every byte; checks no signature. The messages name the line. */
plumb_status plumb__note_parse(const char *what, const void *data, size_t n, plumb__note *out,
                               plumb_error *err) PLUMB_MUST_CHECK;
/* True if the line gives this name and this key's hash: then its signature must hold. */
bool plumb__note_line_names(const plumb__note_line *line, const char *name, plumb__note_type type,
                            const plumb_public_key *key);
/* The line's n bytes behind the key hash; false when there are more or fewer. */
bool plumb__note_line_signature(const plumb__note_line *line, uint8_t *out, size_t n);
/* True if the line is this key's plain Ed25519 signature over the text. */
bool plumb__note_line_holds(const plumb__note *note, const plumb__note_line *line,
                            const plumb_public_key *key);

/* The head of a run: exactly one signature line, by this name and key, no extension line, and not
 * one byte that is unaccounted for. */
plumb_status plumb__note_verify(const char *what, const void *data, size_t n, const char *key_name,
                                const plumb_public_key *key, plumb__checkpoint *out,
                                plumb_error *err) PLUMB_MUST_CHECK;

#endif
