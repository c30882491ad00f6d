/* Signed notes. Whatever parses is written again, from its parts, to the very same bytes; only what
 * signing writes verifies as the head of a run; a witness's cosignature on any note holds, and the
 * note with it parses. Also with the input as the text of a rightly signed note. */
#include "fuzz_kit.h"

#include "manifest/proofs/cosign.h"

#include <stdlib.h>
#include <string.h>

enum { SEEN_S = 1700000000 };

static const char name[] = "acme/set/v1", witness[] = "acme/acme-1";

static void check_head(const void *data, size_t n)
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

/* Text, blank line, "— NAME BASE64" for each line: nothing else was in the input. */
static void check_whole(const plumb__note *note, const void *data, size_t n)
{
    plumb__bytes again = {0};
    fuzz_works(plumb__note_text(&note->checkpoint, &again, err));
    fuzz_assert(again.size == note->text_size);
    plumb__bytes_append_text(&again, "\n");
    for (size_t i = 0; i < note->n_lines; i++) {
        const plumb__note_line *line = &note->lines[i];
        plumb__bytes_appendf(&again, "\xe2\x80\x94 %.*s %.*s\n", (int)line->name_size, line->name,
                             (int)line->base64_size, line->base64);
    }
    fuzz_assert(again.size == n && memcmp(again.data, data, n) == 0);
    plumb__bytes_free(&again);
}

static void check_cosigned(const plumb__note *note, const void *data, size_t n)
{
    plumb__bytes more = {0};
    plumb__witnesses *found = calloc(1, sizeof *found);
    plumb__note *again = calloc(1, sizeof *again);
    plumb_error err = {0};
    plumb_public_key key;
    int64_t time_s = 0;
    fuzz_assert(found != NULL && again != NULL);
    plumb_key_public(fuzz_key(1), &key);
    plumb__bytes_append(&more, data, n);
    fuzz_works(
        plumb__cosign(witness, fuzz_key(1), note->text, note->text_size, SEEN_S, &more, err));
    /* A note that had as many lines as it may, or this very line, takes no more. */
    if (fuzz_accepted(plumb__note_parse("m", more.data, more.size, again, &err), &err)) {
        const plumb__note_line *line = &again->lines[again->n_lines - 1];
        fuzz_assert(plumb__cosignature_holds(again, line, &key, &time_s) && time_s == SEEN_S);
        if (fuzz_accepted(plumb__witnesses_find("m", "another", again, fuzz_trust(), found, &err),
                          &err)) {
            fuzz_reached();
            fuzz_assert(found->n >= 1 && found->earliest_s > 0 && found->earliest_s <= SEEN_S);
        }
    }
    free(again);
    free(found);
    plumb__bytes_free(&more);
}

static void check(const void *data, size_t n)
{
    plumb__note *note = calloc(1, sizeof *note);
    plumb_error err = {0};
    fuzz_assert(note != NULL);
    check_head(data, n);
    if (fuzz_accepted(plumb__note_parse("n", data, n, note, &err), &err)) {
        check_whole(note, data, n);
        check_cosigned(note, data, n);
    }
    free(note);
}

static void sign_text(const uint8_t *data, size_t n, plumb__bytes *out)
{
    uint8_t signature[PLUMB_SIGNATURE_BYTES];
    plumb_public_key key;
    plumb_key_public(fuzz_key(1), &key);
    fuzz_works(plumb_key_sign(fuzz_key(1), data, n, signature, err));
    plumb__bytes_append(out, data, n);
    plumb__bytes_append_text(out, "\n");
    fuzz_works(plumb__note_append_line(name, PLUMB__NOTE_ED25519, &key, signature, sizeof signature,
                                       out, err));
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
