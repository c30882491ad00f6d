/* Aim: envelopes and checkpoints are DSSE's and C2SP's, in one form each, and every byte counts.
 * Method: the published PAE example and note key hash; round trips; every byte flipped, every
 * length cut. */
#include "manifest_fixture.h"

#include "base/text.h"
#include "manifest/proofs/note.h"
#include "manifest/signing/dsse.h"
#include "manifest/signing/key_file.h"

#include <string.h>

static void pae_example(void **state)
{
    (void)state;
    plumb__bytes out = {0};
    plumb__dsse_pae("http://example.com/HelloWorld", "hello world", 11, &out);
    assert_string_equal(plumb__bytes_text(&out),
                        "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    plumb__bytes_free(&out);
}

static void make_envelope(const fixture *f, plumb__bytes *out)
{
    plumb__dsse envelope = {.payload_type = "application/x-test"};
    plumb__bytes_append_text(&envelope.payload, "what is signed");
    assert_works(plumb__dsse_sign(&envelope, f->vendor, err));
    assert_works(plumb__dsse_sign(&envelope, f->vendor, err)); /* once only */
    assert_works(plumb__dsse_sign(&envelope, f->other, err));
    assert_int_equal(envelope.n_signatures, 2);
    assert_works(plumb__dsse_dump(&envelope, out, err));
    plumb__dsse_free(&envelope);
}

static void envelope_round_trip(void **state)
{
    const fixture *f = *state;
    plumb__bytes text = {0};
    plumb__dsse envelope;
    plumb_public_key vendor, other;
    plumb_key_public(f->vendor, &vendor);
    plumb_key_public(f->other, &other);
    make_envelope(f, &text);
    assert_works(plumb__dsse_parse("e", text.data, text.size, &envelope, err));
    assert_string_equal(plumb__bytes_text(&envelope.payload), "what is signed");
    assert_true(plumb__dsse_signed_by(&envelope, 0, &vendor));
    assert_true(plumb__dsse_signed_by(&envelope, 1, &other));
    assert_false(plumb__dsse_signed_by(&envelope, 0, &other));
    assert_false(plumb__dsse_signed_by(&envelope, 2, &other));
    /* The type is signed too. */
    strcpy(envelope.payload_type, "application/x-tesT");
    assert_false(plumb__dsse_signed_by(&envelope, 0, &vendor));
    plumb__dsse_free(&envelope);
    plumb__bytes_free(&text);
}

/* Either the form is refused, or a signature or its hint no longer fits. */
static bool still_holds(const fixture *f, const plumb__bytes *text, size_t n)
{
    plumb__dsse envelope;
    plumb_public_key keys[2];
    char keyid[PLUMB_KEYID_TEXT_BYTES];
    if (plumb__dsse_parse("e", text->data, n, &envelope, NULL) != PLUMB_OK) return false;
    plumb_key_public(f->vendor, &keys[0]);
    plumb_key_public(f->other, &keys[1]);
    bool holds = envelope.n_signatures == 2;
    for (size_t i = 0; i < 2 && holds; i++) {
        plumb_public_key_id(&keys[i], keyid);
        holds = plumb__dsse_signed_by(&envelope, i, &keys[i]) &&
                strcmp(keyid, envelope.signatures[i].keyid) == 0;
    }
    plumb__dsse_free(&envelope);
    return holds;
}

static void every_byte_counts(void **state)
{
    const fixture *f = *state;
    plumb__bytes text = {0};
    make_envelope(f, &text);
    assert_true(still_holds(f, &text, text.size));
    for (size_t i = 0; i < text.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            text.data[i] ^= (uint8_t)(1u << bit);
            assert_false(still_holds(f, &text, text.size));
            text.data[i] ^= (uint8_t)(1u << bit);
        }
        assert_false(still_holds(f, &text, i));
    }
    plumb__bytes_free(&text);
}

static void envelope_messages(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"[]", "e: an envelope must be a JSON object"},
        {"{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[]}",
         "e: has 0 signatures, expected 1 to 64"},
        {"{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"AAAA\"}]}",
         "e: signature 1 has 3 bytes, expected 64"},
        {"{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[1]}",
         "e: signature 1 is not an object"},
        {"{\"payload\":\"\",\"payloadType\":\"t\"}", "e: field \"signatures\" is missing"},
        {"{\"payload\":\"\",\"payloadType\":\"t\",\"extra\":1,\"signatures\":[]}",
         "e: unknown field \"extra\" (allowed: payload, payloadType, signatures)"},
        {"{\"payload\":\"\",\"payloadType\":\"t\\n\",\"signatures\":[]}",
         "e: field \"payloadType\" must be at most 127 plain ASCII characters"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        plumb__dsse envelope;
        assert_fails(plumb__dsse_parse("e", bad[i].text, strlen(bad[i].text), &envelope, err),
                     PLUMB_ERR_FORMAT, bad[i].message);
    }
}

/* The example key of the note format: PRIVATE+KEY+PeterNeumann+c74f20a3+AYEK... */
static void note_key_hash(void **state)
{
    (void)state;
    plumb__bytes secret = {0}, note = {0}, blob = {0};
    plumb_secret_key *key = NULL;
    plumb__checkpoint checkpoint = {.origin = "example", .size = 1};
    static const char name[] = "PeterNeumann";
    static const char encoded[] = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    assert_works(plumb__base64_decode(encoded, strlen(encoded), &secret, err));
    assert_works(plumb__key_from_seed(secret.data + 1, &key, err));
    assert_works(plumb__note_sign(&checkpoint, name, key, &note, err));
    const char *line = strstr(plumb__bytes_text(&note), "\n\n") + 2;
    const char *value = strrchr(line, ' ') + 1;
    assert_works(plumb__base64_decode(value, strlen(value) - 1, &blob, err));
    assert_int_equal(blob.size, 68);
    static const uint8_t expected[4] = {0xc7, 0x4f, 0x20, 0xa3};
    assert_memory_equal(blob.data, expected, 4);
    plumb__bytes_free(&secret);
    plumb__bytes_free(&note);
    plumb__bytes_free(&blob);
    plumb_key_free(key);
}

static void note_every_byte_counts(void **state)
{
    const fixture *f = *state;
    plumb__bytes note = {0};
    plumb_public_key key, other;
    plumb__checkpoint in = {.origin = "acme/set/v1", .size = 1200}, out;
    memset(in.root.bytes, 0x5a, sizeof in.root.bytes);
    plumb_key_public(f->vendor, &key);
    plumb_key_public(f->other, &other);
    assert_works(plumb__note_sign(&in, in.origin, f->vendor, &note, err));
    assert_works(plumb__note_verify("n", note.data, note.size, in.origin, &key, &out, err));
    assert_string_equal(out.origin, in.origin);
    assert_int_equal(out.size, 1200);
    assert_memory_equal(out.root.bytes, in.root.bytes, 32);
    assert_fails(plumb__note_verify("n", note.data, note.size, in.origin, &other, &out, err),
                 PLUMB_ERR_SIGNATURE, "n: is signed by another key than acme/set/v1");
    for (size_t i = 0; i < note.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            note.data[i] ^= (uint8_t)(1u << bit);
            if (plumb__note_verify("n", note.data, note.size, in.origin, &key, &out, NULL) ==
                PLUMB_OK)
                fail_msg("bit %d of byte %zu is not looked at", bit, i);
            note.data[i] ^= (uint8_t)(1u << bit);
        }
        assert_int_not_equal(plumb__note_verify("n", note.data, i, in.origin, &key, &out, NULL),
                             PLUMB_OK);
    }
    /* One more signature line is one more than was asked for. */
    plumb__bytes_append_text(&note, "\xe2\x80\x94 someone AAAA\n");
    assert_fails(
        plumb__note_verify("n", note.data, note.size, in.origin, &key, &out, err), PLUMB_ERR_FORMAT,
        "n: is not a signed checkpoint (origin, size, root, blank line, one signature line "
        "by acme/set/v1)");
    plumb__bytes_free(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pae_example),       cmocka_unit_test(envelope_round_trip),
        cmocka_unit_test(every_byte_counts), cmocka_unit_test(envelope_messages),
        cmocka_unit_test(note_key_hash),     cmocka_unit_test(note_every_byte_counts),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
