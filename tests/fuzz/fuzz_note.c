/* Signed checkpoints. Raw: only the very bytes that signing writes are accepted. And the input as
 * the text of a note whose signature is right: what is accepted then is a checkpoint that signs to
 * the same bytes. */
#include "fuzz_kit.h"

#include "base/text.h"
#include "manifest/note.h"

#include <string.h>

static const char name[] = "acme/set/v1";

static void check(const void *data, size_t n)
{
    plumb__checkpoint checkpoint;
    plumb__bytes again = {0};
    plumb_error err = {0};
    plumb_public_key key;
    plumb_key_public(fuzz_key(1), &key);
    if (!fuzz_accepted(plumb__note_verify("n", data, n, name, &key, &checkpoint, &err), &err)) {
        return;
    }
    fuzz_works(plumb__note_sign(&checkpoint, name, fuzz_key(1), &again, err));
    fuzz_assert(again.size == n && memcmp(again.data, data, n) == 0);
    plumb__bytes_free(&again);
}

/* text, blank line, the signature line of `name`. */
static void sign_text(const uint8_t *data, size_t n, plumb__bytes *out)
{
    static const uint8_t middle[2] = {0x0a, 0x01};
    uint8_t blob[4 + PLUMB_SIGNATURE_BYTES];
    plumb_public_key key;
    plumb__hasher h;
    plumb_key_public(fuzz_key(1), &key);
    plumb__hash_init(&h, PLUMB__SHA256);
    plumb__hash_update(&h, name, sizeof name - 1);
    plumb__hash_update(&h, middle, sizeof middle);
    plumb__hash_update(&h, key.bytes, sizeof key.bytes);
    const plumb__hash full = plumb__hash_final(&h);
    memcpy(blob, full.bytes, 4);
    fuzz_works(plumb_key_sign(fuzz_key(1), data, n, blob + 4, err));
    plumb__bytes_append(out, data, n);
    plumb__bytes_appendf(out, "\n\xe2\x80\x94 %s ", name);
    plumb__base64_append(out, blob, sizeof blob);
    plumb__bytes_append_text(out, "\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb__bytes note = {0};
    const uint8_t *end = n > 0 ? memmem(data, n, "\n\n", 2) : NULL;
    const size_t text = end != NULL ? (size_t)(end - data) + 1 : n;
    check(data, n);
    sign_text(data, text, &note);
    check(note.data, note.size);
    plumb__bytes_free(&note);
    return 0;
}
