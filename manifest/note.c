/* C2SP signed-note and tlog-checkpoint, Ed25519 note keys (signature type 0x01). */
#include "manifest/note.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#define NOTE_HASH_BYTES 4
#define NOTE_MAX_BYTES 4096
/* U+2014 and a space open a signature line. */
#define NOTE_MARK "\xe2\x80\x94 "

/* Key names and origins: printable ASCII without blank or plus, which the note format reserves. */
static bool name_is_valid(const char *name)
{
    const size_t n = strlen(name);
    if (n == 0 || n >= PLUMB__NOTE_ORIGIN_BYTES) return false;
    for (size_t i = 0; i < n; i++) {
        if (name[i] <= 0x20 || name[i] > 0x7e || name[i] == '+') return false;
    }
    return true;
}

/* First four bytes of SHA-256(name, LF, 0x01, key). */
static void key_hash(const char *name, const plumb_public_key *key, uint8_t out[NOTE_HASH_BYTES])
{
    static const uint8_t middle[2] = {0x0a, 0x01};
    plumb__hasher h;
    plumb__hash_init(&h, PLUMB__SHA256);
    plumb__hash_update(&h, name, strlen(name));
    plumb__hash_update(&h, middle, sizeof middle);
    plumb__hash_update(&h, key->bytes, sizeof key->bytes);
    const plumb__hash full = plumb__hash_final(&h);
    memcpy(out, full.bytes, NOTE_HASH_BYTES);
}

static void append_text(const plumb__checkpoint *checkpoint, plumb__bytes *out)
{
    plumb__bytes_appendf(out, "%s\n%" PRIu64 "\n", checkpoint->origin, checkpoint->size);
    plumb__base64_append(out, checkpoint->root.bytes, PLUMB__HASH_BYTES);
    plumb__bytes_append_text(out, "\n");
}

plumb_status plumb__note_sign(const plumb__checkpoint *checkpoint, const char *key_name,
                              const plumb_secret_key *key, plumb__bytes *out, plumb_error *err)
{
    if (!name_is_valid(checkpoint->origin) || !name_is_valid(key_name)) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "a checkpoint's origin and key name must be 1 to %d printable ASCII "
                           "characters without blank or plus",
                           PLUMB__NOTE_ORIGIN_BYTES - 1);
    }
    uint8_t blob[NOTE_HASH_BYTES + PLUMB_SIGNATURE_BYTES];
    plumb_public_key public_key;
    plumb_key_public(key, &public_key);
    key_hash(key_name, &public_key, blob);
    const size_t start = out->size;
    append_text(checkpoint, out);
    PLUMB_TRY(plumb__bytes_check(out, err));
    PLUMB_TRY(
        plumb_key_sign(key, out->data + start, out->size - start, blob + NOTE_HASH_BYTES, err));
    plumb__bytes_appendf(out, "\n" NOTE_MARK "%s ", key_name);
    plumb__base64_append(out, blob, sizeof blob);
    plumb__bytes_append_text(out, "\n");
    return plumb__bytes_check(out, err);
}

/* Copies the line at *at (without its LF) into out and steps over it. */
static bool take_line(const char *text, size_t n, size_t *at, char *out, size_t out_size)
{
    const char *end = memchr(text + *at, '\n', n - *at);
    if (end == NULL) return false;
    const size_t length = (size_t)(end - text) - *at;
    if (length >= out_size || memchr(text + *at, '\0', length) != NULL) return false;
    memcpy(out, text + *at, length);
    out[length] = '\0';
    *at += length + 1;
    return true;
}

static bool parse_size(const char *text, uint64_t *out)
{
    if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0')) return false;
    uint64_t value = 0;
    for (; *text != '\0'; text++) {
        const unsigned digit = (unsigned)*text - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* Exactly n bytes of base64. */
static bool decode_exact(const char *text, uint8_t *out, size_t n)
{
    plumb__bytes bytes = {0};
    const bool ok =
        plumb__base64_decode(text, strlen(text), &bytes, NULL) == PLUMB_OK && bytes.size == n;
    if (ok) memcpy(out, bytes.data, n);
    plumb__bytes_free(&bytes);
    return ok;
}

/* Splits the note; text_size gets the length of what is signed. */
static bool parse_note(const char *text, size_t n, const char *key_name, plumb__checkpoint *out,
                       size_t *text_size, uint8_t blob[NOTE_HASH_BYTES + PLUMB_SIGNATURE_BYTES])
{
    char line[NOTE_MAX_BYTES];
    const size_t mark = strlen(NOTE_MARK), name = strlen(key_name);
    size_t at = 0;
    if (!take_line(text, n, &at, out->origin, sizeof out->origin)) return false;
    if (!name_is_valid(out->origin)) return false;
    if (!take_line(text, n, &at, line, sizeof line) || !parse_size(line, &out->size)) return false;
    if (!take_line(text, n, &at, line, sizeof line)) return false;
    if (!decode_exact(line, out->root.bytes, PLUMB__HASH_BYTES)) return false;
    *text_size = at;
    if (!take_line(text, n, &at, line, sizeof line) || line[0] != '\0') return false;
    if (!take_line(text, n, &at, line, sizeof line) || at != n) return false;
    if (strncmp(line, NOTE_MARK, mark) != 0) return false;
    if (strncmp(line + mark, key_name, name) != 0 || line[mark + name] != ' ') return false;
    return decode_exact(line + mark + name + 1, blob, NOTE_HASH_BYTES + PLUMB_SIGNATURE_BYTES);
}

plumb_status plumb__note_verify(const char *what, const void *data, size_t n, const char *key_name,
                                const plumb_public_key *key, plumb__checkpoint *out,
                                plumb_error *err)
{
    uint8_t blob[NOTE_HASH_BYTES + PLUMB_SIGNATURE_BYTES], expected[NOTE_HASH_BYTES];
    size_t text_size = 0;
    memset(out, 0, sizeof *out);
    if (n == 0 || n > NOTE_MAX_BYTES || !parse_note(data, n, key_name, out, &text_size, blob)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: is not a signed checkpoint (origin, size, root, blank line, one "
                           "signature line by %s)",
                           what, key_name);
    }
    key_hash(key_name, key, expected);
    if (memcmp(blob, expected, NOTE_HASH_BYTES) != 0) {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE, "%s: is signed by another key than %s", what,
                           key_name);
    }
    if (plumb_signature_verify(key, data, text_size, blob + NOTE_HASH_BYTES, PLUMB_SIGNATURE_BYTES,
                               NULL) != PLUMB_OK) {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                           "%s: the signature of %s does not hold: the checkpoint was changed",
                           what, key_name);
    }
    return PLUMB_OK;
}
