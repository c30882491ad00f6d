/* What annotators are called: who holds the key can link a pseudonym to its person, nobody else. */
#include "base/alloc.h"
#include "base/file.h"
#include "base/secret.h"
#include "manifest/import/collect.h"

#include <stdio.h>
#include <string.h>

#define KEY_MIN 16
#define KEY_MAX 64
#define HEX_DIGITS 16 /* 64 bits: two of a million annotators meet once in 10^7 data sets */

static plumb_status read_key(const char *path, uint8_t key[KEY_MAX], size_t *n, plumb_error *err)
{
    plumb__bytes bytes = {0};
    plumb_status status = plumb__file_read(path, KEY_MAX, &bytes, err);
    if (status == PLUMB_ERR_LIMIT || (status == PLUMB_OK && bytes.size < KEY_MIN)) {
        status = plumb__fail(err, PLUMB_ERR_KEY,
                             "%s: a key for pseudonyms must hold %d to %d random bytes; make one "
                             "with: head -c 32 /dev/urandom > FILE",
                             path, KEY_MIN, KEY_MAX);
    }
    *n = bytes.size;
    if (status == PLUMB_OK) memcpy(key, bytes.data, bytes.size);
    if (bytes.data != NULL) plumb__wipe(bytes.data, bytes.size);
    plumb__bytes_free(&bytes);
    return status;
}

static json_t *pseudonym(const uint8_t *key, size_t key_bytes, const char *name)
{
    char hex[PLUMB__HASH_HEX_BYTES], text[2 + HEX_DIGITS + 1];
    const plumb__hash digest = plumb__blake2b_keyed(key, key_bytes, name, strlen(name));
    plumb__hash_hex(&digest, hex);
    snprintf(text, sizeof text, "a-%.*s", HEX_DIGITS, hex);
    return json_string(text);
}

plumb_status plumb__annotator_names(const plumb__collection *c, const char *key_path, bool keep,
                                    json_t ***out, plumb_error *err)
{
    uint8_t key[KEY_MAX];
    size_t key_bytes = 0;
    const uint32_t n = c->annotators.n;
    *out = NULL;
    if (n > 0 && !keep && key_path == NULL) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "annotators are people: give --pseudonym-key FILE, or "
                           "--keep-annotators if their names may be published");
    }
    if (n > 0 && !keep) PLUMB_TRY(read_key(key_path, key, &key_bytes, err));
    plumb_status status = plumb__alloc(out, n, sizeof **out, "annotators", err);
    for (uint32_t i = 0; status == PLUMB_OK && i < n; i++) {
        const char *name = plumb__intern_text(&c->annotators, i);
        (*out)[i] = keep ? json_string(name) : pseudonym(key, key_bytes, name);
        if ((*out)[i] == NULL)
            status = plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for annotators");
    }
    plumb__wipe(key, sizeof key);
    return status;
}

void plumb__annotator_names_free(json_t **names, size_t n)
{
    for (size_t i = 0; names != NULL && i < n; i++)
        json_decref(names[i]);
    plumb__free(names);
}
