/* C2SP signed-note and tlog-checkpoint, Ed25519 note keys (signature type 0x01). */
#include "manifest/proofs/note.h"
#include "manifest/proofs/lines.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* U+2014 and a space open a signature line. */
#define NOTE_MARK "\xe2\x80\x94 "
#define NOTE_STATEMENT "plumbline statement sha256 "

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

static plumb_status check_name(const char *name, plumb_error *err)
{
    if (name_is_valid(name)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                       "a checkpoint's origin and key name must be 1 to %d printable ASCII "
                       "characters without blank or plus",
                       PLUMB__NOTE_ORIGIN_BYTES - 1);
}

/* First four bytes of SHA-256(name, LF, type, key). */
static void key_hash(const char *name, size_t name_size, plumb__note_type type,
                     const plumb_public_key *key, uint8_t out[PLUMB__NOTE_HASH_BYTES])
{
    const uint8_t middle[2] = {0x0a, (uint8_t)type};
    plumb__hasher h;
    plumb__hash_init(&h, PLUMB__SHA256);
    plumb__hash_update(&h, name, name_size);
    plumb__hash_update(&h, middle, sizeof middle);
    plumb__hash_update(&h, key->bytes, sizeof key->bytes);
    const plumb__hash full = plumb__hash_final(&h);
    memcpy(out, full.bytes, PLUMB__NOTE_HASH_BYTES);
}

/* ---- writing ------------------------------------------------------------------------------ */

plumb_status plumb__note_text(const plumb__checkpoint *checkpoint, plumb__bytes *out,
                              plumb_error *err)
{
    char hex[PLUMB__HASH_HEX_BYTES];
    PLUMB_TRY(check_name(checkpoint->origin, err));
    plumb__bytes_appendf(out, "%s\n%" PRIu64 "\n", checkpoint->origin, checkpoint->size);
    plumb__base64_append(out, checkpoint->root.bytes, PLUMB__HASH_BYTES);
    plumb__bytes_append_text(out, "\n");
    if (checkpoint->has_statement) {
        plumb__hash_hex(&checkpoint->statement, hex);
        plumb__bytes_appendf(out, NOTE_STATEMENT "%s\n", hex);
    }
    return plumb__bytes_check(out, err);
}

plumb_status plumb__note_append_line(const char *name, plumb__note_type type,
                                     const plumb_public_key *key, const uint8_t *signature,
                                     size_t n, plumb__bytes *out, plumb_error *err)
{
    plumb__bytes blob = {0};
    uint8_t hash[PLUMB__NOTE_HASH_BYTES];
    PLUMB_TRY(check_name(name, err));
    key_hash(name, strlen(name), type, key, hash);
    plumb__bytes_append(&blob, hash, sizeof hash);
    plumb__bytes_append(&blob, signature, n);
    const plumb_status status = plumb__bytes_check(&blob, err);
    if (status == PLUMB_OK) {
        plumb__bytes_appendf(out, NOTE_MARK "%s ", name);
        plumb__base64_append(out, blob.data, blob.size);
        plumb__bytes_append_text(out, "\n");
    }
    plumb__bytes_free(&blob);
    PLUMB_TRY(status);
    return plumb__bytes_check(out, err);
}

void plumb__note_copy_line(const plumb__note_line *line, plumb__bytes *out)
{
    plumb__bytes_append_text(out, NOTE_MARK);
    plumb__bytes_append(out, line->name, line->name_size);
    plumb__bytes_append_text(out, " ");
    plumb__bytes_append(out, line->base64, line->base64_size);
    plumb__bytes_append_text(out, "\n");
}

plumb_status plumb__note_sign(const plumb__checkpoint *checkpoint, const char *key_name,
                              const plumb_secret_key *key, plumb__bytes *out, plumb_error *err)
{
    uint8_t signature[PLUMB_SIGNATURE_BYTES];
    plumb_public_key public_key;
    const size_t start = out->size;
    PLUMB_TRY(check_name(key_name, err));
    PLUMB_TRY(plumb__note_text(checkpoint, out, err));
    PLUMB_TRY(plumb_key_sign(key, out->data + start, out->size - start, signature, err));
    plumb_key_public(key, &public_key);
    plumb__bytes_append_text(out, "\n");
    return plumb__note_append_line(key_name, PLUMB__NOTE_ED25519, &public_key, signature,
                                   sizeof signature, out, err);
}

/* ---- parsing ------------------------------------------------------------------------------ */

static plumb_status wrong_line(const plumb__lines *c, const char *expected, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: line %zu of the checkpoint: expected %s",
                       c->what, c->line_number, expected);
}

/* The line's 32 bytes in base64. */
static plumb_status take_root(const plumb__lines *c, plumb__hash *out, plumb_error *err)
{
    plumb__bytes bytes = {0};
    plumb_status status = PLUMB_ERR_FORMAT;
    if (c->line_size == (PLUMB__HASH_BYTES + 2) / 3 * 4)
        status = plumb__base64_decode(c->line, c->line_size, &bytes, err);
    const bool whole = status == PLUMB_OK && bytes.size == PLUMB__HASH_BYTES;
    if (whole) memcpy(out->bytes, bytes.data, PLUMB__HASH_BYTES);
    plumb__bytes_free(&bytes);
    if (whole || status == PLUMB_ERR_NO_MEMORY) return status;
    return wrong_line(c, "the root, 32 bytes in base64", err);
}

static bool take_origin(const plumb__lines *c, char out[PLUMB__NOTE_ORIGIN_BYTES])
{
    if (c->line_size >= PLUMB__NOTE_ORIGIN_BYTES) return false;
    memcpy(out, c->line, c->line_size);
    out[c->line_size] = '\0';
    return strlen(out) == c->line_size && name_is_valid(out);
}

static bool take_statement(const plumb__lines *c, plumb__hash *out)
{
    const size_t opening = strlen(NOTE_STATEMENT);
    char hex[PLUMB__HASH_HEX_BYTES];
    if (c->line_size != opening + sizeof hex - 1) return false;
    if (memcmp(c->line, NOTE_STATEMENT, opening) != 0) return false;
    memcpy(hex, c->line + opening, sizeof hex - 1);
    hex[sizeof hex - 1] = '\0';
    return plumb__hash_parse(hex, out);
}

static plumb_status parse_text(plumb__lines *c, plumb__note *out, plumb_error *err)
{
    plumb__checkpoint *k = &out->checkpoint;
    if (!plumb__lines_next(c) || !take_origin(c, k->origin))
        return wrong_line(c, "an origin, printable ASCII without blank or plus", err);
    if (!plumb__lines_next(c) || !plumb__lines_number(c->line, c->line_size, &k->size))
        return wrong_line(c, "the number of leaves, in digits without a leading zero", err);
    if (!plumb__lines_next(c)) return wrong_line(c, "the root, 32 bytes in base64", err);
    PLUMB_TRY(take_root(c, &k->root, err));
    out->text_size = c->at;
    if (!plumb__lines_next(c)) return wrong_line(c, "an empty line", err);
    if (c->line_size > 0) {
        k->has_statement = take_statement(c, &k->statement);
        if (!k->has_statement)
            return wrong_line(c, "an empty line, or \"" NOTE_STATEMENT "\" and 64 hex digits", err);
        out->text_size = c->at;
        if (!plumb__lines_next(c) || c->line_size > 0) return wrong_line(c, "an empty line", err);
    }
    return PLUMB_OK;
}

/* The code points that Unicode calls spaces: a key name has none. */
static bool has_space(const char *text, size_t n)
{
    static const char *const spaces[] = {"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
                                         "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
                                         "\xe2\x81\x9f", "\xe3\x80\x80"};
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c <= 0x20 || c == 0x7f || c == '+') return true;
        if (n - i > 2 && memcmp(text + i, "\xe2\x80", 2) == 0 &&
            (unsigned char)text[i + 2] <= 0x8a) {
            return true; /* U+2000 to U+200A */
        }
        for (size_t s = 0; s < sizeof spaces / sizeof *spaces; s++) {
            const size_t length = strlen(spaces[s]);
            if (n - i >= length && memcmp(text + i, spaces[s], length) == 0) return true;
        }
    }
    return false;
}

/* "— NAME BASE64" of at least one byte behind the key hash. */
static plumb_status take_signature(const plumb__lines *c, plumb__note_line *out)
{
    const size_t mark = strlen(NOTE_MARK);
    plumb__bytes blob = {0};
    if (c->line_size <= mark || memcmp(c->line, NOTE_MARK, mark) != 0) return PLUMB_ERR_FORMAT;
    const char *blank = memchr(c->line + mark, ' ', c->line_size - mark);
    if (blank == NULL) return PLUMB_ERR_FORMAT;
    out->name = c->line + mark;
    out->name_size = (size_t)(blank - out->name);
    out->base64 = blank + 1;
    out->base64_size = c->line_size - (size_t)(out->base64 - c->line);
    if (out->name_size == 0 || has_space(out->name, out->name_size)) return PLUMB_ERR_FORMAT;
    plumb_status status = plumb__base64_decode(out->base64, out->base64_size, &blob, NULL);
    if (status == PLUMB_OK && blob.size <= PLUMB__NOTE_HASH_BYTES) status = PLUMB_ERR_FORMAT;
    if (status == PLUMB_OK) memcpy(out->key_hash, blob.data, PLUMB__NOTE_HASH_BYTES);
    plumb__bytes_free(&blob);
    return status;
}

plumb_status plumb__note_parse(const char *what, const void *data, size_t n, plumb__note *out,
                               plumb_error *err)
{
    plumb__lines c = {.what = what, .text = data, .n = n};
    memset(out, 0, sizeof *out);
    out->text = data;
    if (n > PLUMB__NOTE_CAP)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: a checkpoint has at most %d bytes", what,
                           PLUMB__NOTE_CAP);
    if (n == 0 || c.text[n - 1] != '\n')
        return plumb__fail(err, PLUMB_ERR_TRUNCATED,
                           "%s: the checkpoint does not end in a line end: it is cut short", what);
    if (!plumb__utf8_valid(data, n, NULL))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: the checkpoint is not UTF-8", what);
    PLUMB_TRY(parse_text(&c, out, err));
    do {
        if (out->n_lines == PLUMB__NOTE_MAX_LINES)
            return plumb__fail(err, PLUMB_ERR_LIMIT,
                               "%s: the checkpoint has more than %d signature lines", what,
                               PLUMB__NOTE_MAX_LINES);
        plumb_status status = PLUMB_ERR_FORMAT;
        if (plumb__lines_next(&c)) status = take_signature(&c, &out->lines[out->n_lines]);
        if (status == PLUMB_ERR_NO_MEMORY)
            return plumb__fail(err, status, "%s: no memory for a signature", what);
        if (status != PLUMB_OK)
            return wrong_line(&c, "a signature, \"\xe2\x80\x94 NAME BASE64\"", err);
        out->n_lines++;
    } while (c.at < n);
    return PLUMB_OK;
}

/* ---- checking ----------------------------------------------------------------------------- */

bool plumb__note_line_names(const plumb__note_line *line, const char *name, plumb__note_type type,
                            const plumb_public_key *key)
{
    uint8_t expected[PLUMB__NOTE_HASH_BYTES];
    if (strlen(name) != line->name_size || memcmp(name, line->name, line->name_size) != 0)
        return false;
    key_hash(name, line->name_size, type, key, expected);
    return memcmp(line->key_hash, expected, sizeof expected) == 0;
}

bool plumb__note_line_signature(const plumb__note_line *line, uint8_t *out, size_t n)
{
    plumb__bytes blob = {0};
    const bool ok =
        plumb__base64_decode(line->base64, line->base64_size, &blob, NULL) == PLUMB_OK &&
        blob.size == PLUMB__NOTE_HASH_BYTES + n;
    if (ok) memcpy(out, blob.data + PLUMB__NOTE_HASH_BYTES, n);
    plumb__bytes_free(&blob);
    return ok;
}

bool plumb__note_line_holds(const plumb__note *note, const plumb__note_line *line,
                            const plumb_public_key *key)
{
    uint8_t signature[PLUMB_SIGNATURE_BYTES];
    return plumb__note_line_signature(line, signature, sizeof signature) &&
           plumb_signature_verify(key, note->text, note->text_size, signature, sizeof signature,
                                  NULL) == PLUMB_OK;
}

plumb_status plumb__note_verify(const char *what, const void *data, size_t n, const char *key_name,
                                const plumb_public_key *key, plumb__checkpoint *out,
                                plumb_error *err)
{
    plumb__note note;
    const bool parsed = plumb__note_parse(what, data, n, &note, NULL) == PLUMB_OK;
    const plumb__note_line *line = &note.lines[0];
    *out = note.checkpoint;
    if (!parsed || note.n_lines != 1 || note.checkpoint.has_statement ||
        strlen(key_name) != line->name_size || memcmp(key_name, line->name, line->name_size) != 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: is not a signed checkpoint (origin, size, root, blank line, one "
                           "signature line by %s)",
                           what, key_name);
    }
    if (!plumb__note_line_names(line, key_name, PLUMB__NOTE_ED25519, key)) {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE, "%s: is signed by another key than %s", what,
                           key_name);
    }
    if (!plumb__note_line_holds(&note, line, key)) {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                           "%s: the signature of %s does not hold: the checkpoint was changed",
                           what, key_name);
    }
    return PLUMB_OK;
}
