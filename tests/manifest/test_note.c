/* Aim: a checkpoint is read as C2SP's signed-note and tlog-checkpoint say, every byte of it, with
 * any number of signers and strangers; what is wrong is told by line. Method: texts that differ in
 * one thing from a good one, with their exact messages; round trips; limits at and beyond. */
#include "manifest_fixture.h"

#include "manifest/proofs/note.h"

#include <string.h>

#define ROOT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BODY "acme/set/v1\n1200\n" ROOT "\n"
#define DASH "\xe2\x80\x94 "
#define LINE DASH "someone AAAAAAA=\n"

static void good(void **state)
{
    (void)state;
    static const char text[] =
        BODY "plumbline statement sha256 " HEX "\n\n" LINE DASH "w\xc3\xa9/1 qrvM3e4=\n";
    plumb__note note;
    uint8_t signature[1];
    plumb_public_key key = {{0}};
    assert_works(plumb__note_parse("n", text, sizeof text - 1, &note, err));
    assert_string_equal(note.checkpoint.origin, "acme/set/v1");
    assert_int_equal(note.checkpoint.size, 1200);
    assert_int_equal(note.checkpoint.root.bytes[31], 31);
    assert_true(note.checkpoint.has_statement);
    assert_memory_equal(&note.checkpoint.root, &note.checkpoint.statement, 32);
    assert_ptr_equal(note.text, text);
    assert_int_equal(note.text_size, strstr(text, "\n\n") + 1 - text);
    assert_int_equal(note.n_lines, 2);
    assert_int_equal(note.lines[1].name_size, 5);
    assert_true(plumb__note_line_signature(&note.lines[1], signature, 1));
    assert_int_equal(signature[0], 0xee);
    assert_int_equal(note.lines[1].key_hash[0], 0xaa);
    assert_false(plumb__note_line_signature(&note.lines[1], signature, 0));
    assert_false(plumb__note_line_names(&note.lines[0], "someone", PLUMB__NOTE_ED25519, &key));
    plumb__bytes again = {0};
    assert_works(plumb__note_text(&note.checkpoint, &again, err));
    plumb__bytes_append_text(&again, "\n");
    plumb__note_copy_line(&note.lines[0], &again);
    plumb__note_copy_line(&note.lines[1], &again);
    assert_int_equal(again.size, sizeof text - 1);
    assert_memory_equal(again.data, text, again.size);
    plumb__bytes_free(&again);
}

#define SIZE_WANTED                                                                                \
    "n: line 2 of the checkpoint: expected the number of leaves, in digits without a leading zero"
#define ROOT_WANTED "n: line 3 of the checkpoint: expected the root, 32 bytes in base64"
#define ORIGIN_WANTED                                                                              \
    "n: line 1 of the checkpoint: expected an origin, printable ASCII without blank or plus"
#define STATEMENT_WANTED                                                                           \
    "n: line 4 of the checkpoint: expected an empty line, or \"plumbline statement sha256 \" and " \
    "64 hex digits"
#define LINE_WANTED(n)                                                                             \
    "n: line " #n " of the checkpoint: expected a signature, \"\xe2\x80\x94 NAME BASE64\""

static void bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "n: the checkpoint does not end in a line end: it is cut short"},
        {BODY "\n" DASH "someone AAAAAAA=",
         "n: the checkpoint does not end in a line end: it is cut short"},
        {"\n1200\n" ROOT "\n\n" LINE, ORIGIN_WANTED},
        {"a b\n1200\n" ROOT "\n\n" LINE, ORIGIN_WANTED},
        {"a+b\n1200\n" ROOT "\n\n" LINE, ORIGIN_WANTED},
        {"a\n01200\n" ROOT "\n\n" LINE, SIZE_WANTED},
        {"a\n+1\n" ROOT "\n\n" LINE, SIZE_WANTED},
        {"a\n18446744073709551616\n" ROOT "\n\n" LINE, SIZE_WANTED},
        {"a\n1\r\n" ROOT "\n\n" LINE, SIZE_WANTED},
        {"a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n\n" LINE, ROOT_WANTED},
        {"a\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\n\n" LINE, ROOT_WANTED},
        {"a\n1\n" ROOT "A\n\n" LINE, ROOT_WANTED},
        {BODY, "n: line 4 of the checkpoint: expected an empty line"},
        {BODY "extension\n\n" LINE, STATEMENT_WANTED},
        {BODY "plumbline statement sha256 " HEX "0\n\n" LINE, STATEMENT_WANTED},
        {BODY "plumbline statement sha256 A" HEX "\n\n" LINE, STATEMENT_WANTED},
        {BODY "plumbline statement sha256 " HEX "\nmore\n\n" LINE,
         "n: line 5 of the checkpoint: expected an empty line"},
        {BODY "\n", LINE_WANTED(5)},
        {BODY "\n\n" LINE, LINE_WANTED(5)},
        {BODY "\n- someone AAAAAAA=\n", LINE_WANTED(5)},
        {BODY "\n" DASH "someone\n", LINE_WANTED(5)},
        {BODY "\n" DASH " AAAAAAA=\n", LINE_WANTED(5)},
        {BODY "\n" DASH "someone  AAAAAAA=\n", LINE_WANTED(5)},
        {BODY "\n" DASH "someone AAAAAAA= \n", LINE_WANTED(5)},
        {BODY "\n" DASH "someone AAAAAA==\n", LINE_WANTED(5)}, /* four bytes: no signature */
        {BODY "\n" DASH "someone AAAAAAB=\n", LINE_WANTED(5)}, /* unused bits */
        {BODY "\n" DASH "someone AAAAAAA\n", LINE_WANTED(5)},  /* no padding */
        {BODY "\n" DASH "some+one AAAAAAA=\n", LINE_WANTED(5)},
        {BODY "\n" DASH "some\xc2\xa0one AAAAAAA=\n", LINE_WANTED(5)},     /* U+00A0 */
        {BODY "\n" DASH "some\xe2\x80\x83one AAAAAAA=\n", LINE_WANTED(5)}, /* U+2003 */
        {BODY "\n" DASH "some\xe3\x80\x80one AAAAAAA=\n", LINE_WANTED(5)}, /* U+3000 */
        {BODY "\n" LINE "\n", LINE_WANTED(6)},
        {BODY "\n" LINE "trailing\n", LINE_WANTED(6)},
        {BODY "\n" LINE BODY "\n" LINE, LINE_WANTED(6)}, /* a second checkpoint behind the first */
        {BODY "\n" DASH "some\xffone AAAAAAA=\n", "n: the checkpoint is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plumb__note note;
        plumb_error err = {0};
        assert_int_not_equal(
            plumb__note_parse("n", cases[i].text, strlen(cases[i].text), &note, &err), PLUMB_OK);
        assert_string_equal(err.message, cases[i].message);
    }
    plumb__note note;
    assert_fails(plumb__note_parse("n", "a\0b\n", 4, &note, err), PLUMB_ERR_FORMAT, ORIGIN_WANTED);
}

static void limits(void **state)
{
    (void)state;
    plumb__bytes text = {0};
    plumb__note note;
    plumb__bytes_append_text(&text, BODY "\n");
    for (int i = 0; i < PLUMB__NOTE_MAX_LINES; i++)
        plumb__bytes_append_text(&text, LINE);
    assert_works(plumb__note_parse("n", text.data, text.size, &note, err));
    assert_int_equal(note.n_lines, 64);
    plumb__bytes_append_text(&text, LINE);
    assert_fails(plumb__note_parse("n", text.data, text.size, &note, err), PLUMB_ERR_LIMIT,
                 "n: the checkpoint has more than 64 signature lines");
    while (text.size <= PLUMB__NOTE_CAP)
        plumb__bytes_append_text(&text, LINE);
    assert_fails(plumb__note_parse("n", text.data, text.size, &note, err), PLUMB_ERR_LIMIT,
                 "n: a checkpoint has at most 65536 bytes");
    plumb__bytes_free(&text);
}

/* A key's hash depends on name and type, so that one use is never taken for another. */
static void names(void **state)
{
    const fixture *f = *state;
    plumb__checkpoint k = {.origin = "acme/set/v1", .size = 1};
    plumb__bytes text = {0};
    plumb__note note;
    plumb_public_key key;
    plumb_key_public(f->vendor, &key);
    assert_works(plumb__note_sign(&k, "acme/set/v1", f->vendor, &text, err));
    assert_works(plumb__note_parse("n", text.data, text.size, &note, err));
    const plumb__note_line *line = &note.lines[0];
    assert_true(plumb__note_line_names(line, "acme/set/v1", PLUMB__NOTE_ED25519, &key));
    assert_false(plumb__note_line_names(line, "acme/set/v1", PLUMB__NOTE_COSIGNATURE, &key));
    assert_false(plumb__note_line_names(line, "acme/set/v", PLUMB__NOTE_ED25519, &key));
    assert_false(plumb__note_line_names(line, "acme/set/v12", PLUMB__NOTE_ED25519, &key));
    assert_true(plumb__note_line_holds(&note, line, &key));
    /* A head of a run takes no extension line and one signature. */
    plumb__checkpoint head;
    assert_works(plumb__note_verify("n", text.data, text.size, "acme/set/v1", &key, &head, err));
    plumb__bytes_clear(&text);
    k.has_statement = true;
    assert_works(plumb__note_sign(&k, "acme/set/v1", f->vendor, &text, err));
    assert_fails(plumb__note_verify("n", text.data, text.size, "acme/set/v1", &key, &head, err),
                 PLUMB_ERR_FORMAT,
                 "n: is not a signed checkpoint (origin, size, root, blank line, one signature "
                 "line by acme/set/v1)");
    assert_fails(plumb__note_sign(&k, "a b", f->vendor, &text, err), PLUMB_ERR_ARGUMENT,
                 "a checkpoint's origin and key name must be 1 to 511 printable ASCII characters "
                 "without blank or plus");
    plumb__bytes_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
        cmocka_unit_test(limits),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
