/* Aim: certificates, heads and inventories have one form; every changed byte of a certificate or
 * head is found, and the head's signer is judged by the rule of docs/formats/bundle.md section 7.
 * Method: made, parsed, compared; every byte flipped; chains of certificates with and without the
 * right previous heads; inventories in wrong order, form or place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "provenance/certificate.h"

#include <stdio.h>
#include <string.h>

#define RUN_ID "0123456789abcdef0123456789abcdef"

static plumb_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        const plumb_status s_ = (call);                                                            \
        if (s_ != PLUMB_OK) fail_msg("%s: %s", #call, err.message);                                \
    } while (0)

typedef struct keys {
    plumb_secret_key *operator_key, *run[3];
} keys;

static void make_keys(keys *k)
{
    OK(plumb_key_ephemeral(&k->operator_key, &err));
    for (int i = 0; i < 3; i++)
        OK(plumb_key_ephemeral(&k->run[i], &err));
}

static void free_keys(keys *k)
{
    plumb_key_free(k->operator_key);
    for (int i = 0; i < 3; i++)
        plumb_key_free(k->run[i]);
}

static plumb__certificate statement(const plumb_secret_key *run_key, uint64_t previous_size)
{
    plumb__certificate c = {.run_id = RUN_ID,
                            .has_previous = previous_size > 0,
                            .previous_size = previous_size,
                            .time_s = 1800000000,
                            .run_json_blake2b = plumb__blake2b("{}", 2),
                            .run_json_sha256 = plumb__sha256("{}", 2)};
    if (previous_size) c.previous_root = plumb__sha256("root", 4);
    plumb_key_public(run_key, &c.run_key);
    return c;
}

static void certificates_come_back_and_every_flip_is_found(void **state)
{
    (void)state;
    keys k;
    plumb__bytes line = {0};
    plumb__dsse envelope;
    plumb__certificate back;
    plumb_public_key operator_key;
    make_keys(&k);
    plumb_key_public(k.operator_key, &operator_key);
    const plumb__certificate made = statement(k.run[0], 12);
    OK(plumb__certificate_make(&made, k.operator_key, &line, &err));
    assert_int_equal(line.data[line.size - 1], '\n');
    OK(plumb__certificate_parse("c", line.data, line.size - 1, &envelope, &back, &err));
    assert_string_equal(back.run_id, RUN_ID);
    assert_int_equal(back.time_s, 1800000000);
    assert_int_equal(back.previous_size, 12);
    assert_memory_equal(back.run_key.bytes, made.run_key.bytes, 32);
    assert_true(plumb__hash_equal(&back.previous_root, &made.previous_root));
    assert_true(plumb__dsse_signed_by(&envelope, 0, &operator_key));
    plumb__dsse_free(&envelope);
    const char *text = plumb__bytes_text(&line);
    const size_t at = (size_t)(strstr(text, "\"keyid\"") - text);
    for (size_t i = 0; i + 1 < line.size; i++)
        for (unsigned bit = 0; bit < 8; bit += 3) {
            line.data[i] ^= (uint8_t)(1u << bit);
            if (plumb__certificate_parse("c", line.data, line.size - 1, &envelope, &back, &err) ==
                PLUMB_OK) {
                /* A keyid is only a hint; anything else must break the signature. */
                const bool hint = i > at && i < at + 80;
                assert_true(hint || !plumb__dsse_signed_by(&envelope, 0, &operator_key));
                plumb__dsse_free(&envelope);
            }
            line.data[i] ^= (uint8_t)(1u << bit);
        }
    plumb__bytes_free(&line);
    free_keys(&k);
}

static plumb_status parse_all(const plumb__bytes *file, const char *run_id, size_t *n)
{
    plumb__certificate *list;
    const plumb_status status =
        plumb__certificates_parse("certificates", file->data, file->size, run_id, &list, n, &err);
    plumb__free(list);
    return status;
}

static void the_file_of_certificates_is_judged_as_a_whole(void **state)
{
    (void)state;
    keys k;
    plumb__bytes file = {0};
    size_t n;
    make_keys(&k);
    assert_int_equal(parse_all(&file, RUN_ID, &n), PLUMB_ERR_FORMAT);
    assert_string_equal(err.message,
                        "certificates: must hold whole lines, at least one and at most 65536");
    plumb__certificate c = statement(k.run[0], 5);
    OK(plumb__certificate_make(&c, k.operator_key, &file, &err));
    assert_int_equal(parse_all(&file, RUN_ID, &n), PLUMB_ERR_FORMAT);
    assert_string_equal(err.message,
                        "certificates line 1: the first certificate names a previous head");
    plumb__bytes_clear(&file);
    c = statement(k.run[0], 0);
    OK(plumb__certificate_make(&c, k.operator_key, &file, &err));
    OK(parse_all(&file, RUN_ID, &n));
    assert_int_equal(n, 1);
    assert_int_equal(parse_all(&file, "ffffffffffffffffffffffffffffffff", &n), PLUMB_ERR_FORMAT);
    assert_string_equal(err.message, "certificates line 1: certifies run " RUN_ID
                                     ", but this is run ffffffffffffffffffffffffffffffff");
    OK(plumb__certificate_make(&c, k.operator_key, &file, &err));
    assert_int_equal(parse_all(&file, RUN_ID, &n), PLUMB_ERR_FORMAT);
    assert_string_equal(err.message,
                        "certificates line 2: a later certificate must name the previous head");
    plumb__bytes_free(&file);
    free_keys(&k);
}

/* ---- heads -------------------------------------------------------------------------------- */

static void the_signer_of_a_head_is_judged_by_what_came_after(void **state)
{
    (void)state;
    keys k;
    plumb__bytes note = {0};
    plumb__checkpoint head;
    size_t signer;
    make_keys(&k);
    const plumb__hash root = plumb__sha256("root", 4);
    plumb__certificate list[3] = {statement(k.run[0], 0), statement(k.run[1], 9),
                                  statement(k.run[2], 9)};
    OK(plumb__head_sign(RUN_ID, 9, &root, k.run[0], &note, &err));
    OK(plumb__head_verify("head", note.data, note.size, RUN_ID, list, 1, &head, &signer, &err));
    /* Two writers died between certificate and head: both name this head. */
    OK(plumb__head_verify("head", note.data, note.size, RUN_ID, list, 3, &head, &signer, &err));
    assert_int_equal(signer, 0);
    assert_int_equal(head.size, 9);
    list[2].previous_size = 10;
    assert_int_equal(
        plumb__head_verify("head", note.data, note.size, RUN_ID, list, 3, &head, &signer, &err),
        PLUMB_ERR_SIGNATURE);
    assert_string_equal(err.message, "head: signed by the run key of certificate 1, but "
                                     "certificate 3 does not name this head");
    /* No certificate for the key at all. */
    assert_int_not_equal(
        plumb__head_verify("head", note.data, note.size, RUN_ID, list + 1, 1, &head, &signer, &err),
        PLUMB_OK);
    for (size_t i = 0; i < note.size; i++) {
        note.data[i] ^= 1;
        assert_int_not_equal(
            plumb__head_verify("head", note.data, note.size, RUN_ID, list, 1, &head, &signer, &err),
            PLUMB_OK);
        note.data[i] ^= 1;
    }
    plumb__bytes_free(&note);
    free_keys(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_come_back_and_every_flip_is_found),
        cmocka_unit_test(the_file_of_certificates_is_judged_as_a_whole),
        cmocka_unit_test(the_signer_of_a_head_is_judged_by_what_came_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
