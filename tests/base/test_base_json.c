/* Aim: only well-formed, unambiguous JSON gets in, with exact messages; the canonical form is
 * fixed. Method: tables of good and bad texts; golden dumps; doubles of every magnitude there and
 * back (seed printed); random damage to a good document must never do worse than be refused. */
#include "base/alloc.h"
#include "base/json.h"
#include "base/plumb_random.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse_good(const char *text)
{
    json_t *value = NULL;
    plumb_error err;
    if (plumb__json_parse("t", text, strlen(text), &value, &err) != PLUMB_OK)
        fail_msg("%s", err.message);
    return value;
}

static void good_texts_are_read(void **state)
{
    (void)state;
    const char *const good[] = {"{}",
                                "[]",
                                "1",
                                "\"x\"",
                                "null",
                                "true",
                                " [1, 2.5e-3 ,-0]\n",
                                "{\"a\":{\"b\":[]},\"c\":\"\\ud83d\\ude00\\n\"}",
                                "9223372036854775807",
                                "-9223372036854775808",
                                "1e-400"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        json_decref(parse_good(good[i]));
}

static void bad_texts_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "t: is empty, not JSON"},
        {"{\"a\":1,\"a\":2}", "t: line 1 column 10: duplicate object key near '\"a\"'"},
        {"{\"a\":{\"b\":1,\n\"b\":1}}", "t: line 2 column 3: duplicate object key near '\"b\"'"},
        {"{\"a\":1,\"\\u0061\":2}", "t: line 1 column 15: duplicate object key near '\"\\u0061\"'"},
        {"{\"a\":NaN}", "t: line 1 column 8: invalid token near 'NaN'"},
        {"[Infinity]", "t: line 1 column 9: invalid token near 'Infinity'"},
        {"[-Infinity]", "t: line 1 column 2: invalid token near '-'"},
        {"[1e999]", "t: line 1 column 6: real number overflow near '1e999'"},
        {"[9223372036854775808]",
         "t: line 1 column 20: too big integer near '9223372036854775808'"},
        {"[1] x", "t: line 1 column 5: end of file expected near 'x'"},
        {"[1][", "t: line 1 column 4: end of file expected near '['"},
        {"[1,]", "t: line 1 column 4: unexpected token near ']'"},
        {"{'a':1}", "t: line 1 column 2: string or '}' expected near '''"},
        {"[01]", "t: line 1 column 2: invalid token near '0'"},
        {"[\"\\u0000\"]",
         "t: line 1 column 9: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"\\u0000\"'"},
        {"[\"\\ud800\"]", "t: line 1 column 9: invalid Unicode '\\uD800' near '\"\\ud800\"'"},
        {"[\"\\udc00\"]", "t: line 1 column 9: invalid Unicode '\\uDC00' near '\"\\udc00\"'"},
        {"[\"\\ud800\\u0041\"]",
         "t: line 1 column 15: invalid Unicode '\\uD800\\u0041' near '\"\\ud800\\u0041\"'"},
        {"[\"\xff\"]", "t: line 1 column 2: unable to decode byte 0xff near '\"'"},
        {"[\"\xed\xa0\x80\"]", "t: line 1 column 2: unable to decode byte 0xed near '\"'"},
        {"[\"a\nb\"]", "t: line 1 column 3: unexpected newline near '\"a'"},
        {"[\"a\tb\"]", "t: line 1 column 3: control character 0x9 near '\"a'"},
        {"\xef\xbb\xbf{}", "t: line 1 column 1: invalid token near '\xef\xbb\xbf'"},
        {"// c\n1", "t: line 1 column 1: invalid token near '/'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *value = (json_t *)&i;
        plumb_error err = {0};
        const plumb_status status =
            plumb__json_parse("t", bad[i].text, strlen(bad[i].text), &value, &err);
        if (status == PLUMB_OK) fail_msg("accepted: %s", bad[i].text);
        assert_null(value);
        assert_string_equal(err.message, bad[i].message);
        assert_true(status == PLUMB_ERR_FORMAT || status == PLUMB_ERR_TRUNCATED);
    }
}

static void every_prefix_of_a_document_is_refused(void **state)
{
    (void)state;
    static const char document[] = "{\"a\":[1.5,true,null,{\"b\":\"\\u00e9\"}],\"c\":-3}";
    for (size_t n = 0; n + 1 < sizeof document; n++) {
        json_t *value = NULL;
        plumb_error err;
        const plumb_status status = plumb__json_parse("t", document, n, &value, &err);
        assert_true(status == PLUMB_ERR_TRUNCATED || status == PLUMB_ERR_FORMAT);
        assert_null(value);
    }
    json_t *value = NULL;
    plumb_error err;
    assert_int_equal(plumb__json_parse("t", document, 9, &value, &err), PLUMB_ERR_TRUNCATED);
    assert_string_equal(err.message, "t: line 1 column 9: ']' expected near end of file");
    /* A NUL inside or behind the text is a byte like any other, and not JSON. */
    assert_int_equal(plumb__json_parse("t", "[1]\0", 4, &value, &err), PLUMB_ERR_FORMAT);
}

static void nest(plumb__bytes *b, size_t levels, char open, const char *inside, char close)
{
    for (size_t i = 0; i < levels; i++)
        plumb__bytes_u8(b, (uint8_t)open);
    plumb__bytes_append_text(b, inside);
    for (size_t i = 0; i < levels; i++)
        plumb__bytes_u8(b, (uint8_t)close);
}

static void depth_is_capped_before_anything_recurses(void **state)
{
    (void)state;
    json_t *value = NULL;
    plumb_error err;
    plumb__bytes b = {0};
    nest(&b, 64, '[', "\"[[[[\\\"[[\"", ']');
    assert_int_equal(plumb__json_parse("t", b.data, b.size, &value, &err), PLUMB_OK);
    json_decref(value);
    plumb__bytes_clear(&b);
    plumb__bytes_append_text(&b, "\n");
    nest(&b, 65, '[', "", ']');
    assert_int_equal(plumb__json_parse("t", b.data, b.size, &value, &err), PLUMB_ERR_FORMAT);
    assert_string_equal(err.message, "t: line 2 column 65: nested deeper than 64 levels");
    plumb__bytes_clear(&b);
    nest(&b, 1000000, '[', "", ']');
    assert_int_equal(plumb__json_parse("t", b.data, b.size, &value, &err), PLUMB_ERR_FORMAT);
    /* Surplus closing brackets must not buy depth. */
    plumb__bytes_clear(&b);
    nest(&b, 500000, ']', "", '[');
    assert_int_equal(plumb__json_parse("t", b.data, b.size, &value, &err), PLUMB_ERR_FORMAT);
    plumb__bytes_free(&b);
}

static void the_canonical_form_is_fixed(void **state)
{
    (void)state;
    static const char *const golden[][2] = {
        {"{ \"b\" : 1, \"a\" : [ true , null ], \"B\":{} }",
         "{\"B\":{},\"a\":[true,null],\"b\":1}"},
        {"[0.1, 1.0, 1e3, 100, -0.0, 1e300, 2.5e-7]",
         "[0.10000000000000001,1.0,1000.0,100,-0.0,1.0000000000000001e300,2.4999999999999999e-7]"},
        {"\"\\u00e9\\/\\u0007\\ud83d\\ude00\"", "\"\xc3\xa9/\\u0007\xf0\x9f\x98\x80\""},
        {"{\"aa\":1,\"a\":2,\"\xc3\xa9\":3,\"z\":4}", "{\"a\":2,\"aa\":1,\"z\":4,\"\xc3\xa9\":3}"},
        {"7", "7"},
    };
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        json_t *value = parse_good(golden[i][0]);
        plumb__bytes out = {0};
        plumb__bytes_append_text(&out, ">");
        assert_int_equal(plumb__json_dump(value, &out, NULL), PLUMB_OK);
        assert_string_equal(plumb__bytes_text(&out) + 1, golden[i][1]);
        json_decref(value);
        plumb__bytes_free(&out);
    }
}

static void every_double_comes_back(void **state)
{
    (void)state;
    const uint64_t seed = 77;
    print_message("seed %llu\n", (unsigned long long)seed);
    unsigned checked = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t words[4];
        double x;
        plumb_random_block(seed, 0, i, words);
        memcpy(&x, words, sizeof x);
        if (!isfinite(x)) continue;
        json_t *value = json_real(x);
        plumb__bytes out = {0};
        assert_int_equal(plumb__json_dump(value, &out, NULL), PLUMB_OK);
        json_t *back = parse_good(plumb__bytes_text(&out));
        const double y = json_real_value(back);
        assert_memory_equal(&x, &y, sizeof x);
        json_decref(value);
        json_decref(back);
        plumb__bytes_free(&out);
        checked++;
    }
    assert_true(checked > 19000);
}

static void damage_never_does_worse_than_a_refusal(void **state)
{
    (void)state;
    const uint64_t seed = 78;
    print_message("seed %llu\n", (unsigned long long)seed);
    static const char document[] =
        "{\"id\":\"deb:abgate#role\",\"n\":[1,-2.5e3,true],\"o\":{\"k\":\"\\u00e9\xc3\xa9\"}}";
    for (uint32_t i = 0; i < 50000; i++) {
        uint32_t words[4];
        char text[sizeof document];
        memcpy(text, document, sizeof document);
        plumb_random_block(seed, 0, i, words);
        text[words[0] % (sizeof document - 1)] = (char)words[1];
        if (words[2] & 1) text[words[3] % (sizeof document - 1)] = (char)(words[1] >> 8);
        json_t *value = NULL;
        plumb_error err;
        const plumb_status status = plumb__json_parse("t", text, sizeof document - 1, &value, &err);
        assert_true((status == PLUMB_OK) == (value != NULL));
        if (!value) continue;
        plumb__bytes once = {0}, twice = {0};
        assert_int_equal(plumb__json_dump(value, &once, NULL), PLUMB_OK);
        json_t *again = parse_good(plumb__bytes_text(&once));
        assert_int_equal(plumb__json_dump(again, &twice, NULL), PLUMB_OK);
        assert_string_equal(plumb__bytes_text(&once), plumb__bytes_text(&twice));
        json_decref(value);
        json_decref(again);
        plumb__bytes_free(&once);
        plumb__bytes_free(&twice);
    }
}

static void memory_failures_are_told(void **state)
{
    (void)state;
    json_t *value = parse_good("{\"a\":[1,2,3,\"a string that needs room beyond the first\"]}");
    plumb__bytes out = {0};
    plumb_error err;
    plumb__alloc_fail_after(1);
    assert_int_equal(plumb__json_dump(value, &out, &err), PLUMB_ERR_NO_MEMORY);
    assert_string_equal(err.message, "no memory for a buffer beyond 0 bytes");
    json_decref(value);
    plumb__bytes_free(&out);
}

static void fields_have_types(void **state)
{
    (void)state;
    json_t *obj =
        parse_good("{\"s\":\"x\",\"i\":5,\"r\":0.5,\"t\":true,\"o\":{},\"a\":[],\"n\":null}");
    const char *s = NULL;
    double r = -1;
    int64_t i = -1;
    bool t = false;
    const json_t *o = NULL;
    assert_int_equal(plumb__json_string("w", obj, "s", true, &s, NULL), PLUMB_OK);
    assert_string_equal(s, "x");
    assert_int_equal(plumb__json_number("w", obj, "r", true, &r, NULL), PLUMB_OK);
    assert_true(r == 0.5);
    assert_int_equal(plumb__json_number("w", obj, "i", true, &r, NULL), PLUMB_OK);
    assert_true(r == 5);
    assert_int_equal(plumb__json_integer("w", obj, "i", true, &i, NULL), PLUMB_OK);
    assert_int_equal(i, 5);
    assert_int_equal(plumb__json_bool("w", obj, "t", true, &t, NULL), PLUMB_OK);
    assert_true(t);
    assert_int_equal(plumb__json_object("w", obj, "o", true, &o, NULL), PLUMB_OK);
    assert_true(json_is_object(o));
    assert_int_equal(plumb__json_array("w", obj, "a", true, &o, NULL), PLUMB_OK);
    assert_true(json_is_array(o));
    /* Missing and not required: untouched, but for borrowed containers NULL. */
    assert_int_equal(plumb__json_string("w", obj, "none", false, &s, NULL), PLUMB_OK);
    assert_string_equal(s, "x");
    assert_int_equal(plumb__json_integer("w", obj, "none", false, &i, NULL), PLUMB_OK);
    assert_int_equal(i, 5);
    assert_int_equal(plumb__json_array("w", obj, "none", false, &o, NULL), PLUMB_OK);
    assert_null(o);
    json_decref(obj);
}

static void wrong_fields_are_named(void **state)
{
    (void)state;
    json_t *obj =
        parse_good("{\"s\":\"x\",\"i\":5,\"r\":0.5,\"t\":true,\"o\":{},\"a\":[],\"n\":null}");
    const char *s;
    double r;
    int64_t i;
    bool t;
    const json_t *o;
    plumb_error err;
#define REFUSED(call, text)                                                                        \
    do {                                                                                           \
        assert_int_equal(call, PLUMB_ERR_FORMAT);                                                  \
        assert_string_equal(err.message, text);                                                    \
    } while (0)
    REFUSED(plumb__json_string("w", obj, "none", true, &s, &err), "w: field \"none\" is missing");
    REFUSED(plumb__json_string("w", obj, "i", true, &s, &err),
            "w: field \"i\" must be a string, found an integer");
    REFUSED(plumb__json_number("w", obj, "s", false, &r, &err),
            "w: field \"s\" must be a number, found a string");
    REFUSED(plumb__json_integer("w", obj, "r", false, &i, &err),
            "w: field \"r\" must be an integer, found a real number");
    REFUSED(plumb__json_bool("w", obj, "n", false, &t, &err),
            "w: field \"n\" must be true or false, found null");
    REFUSED(plumb__json_object("w", obj, "a", false, &o, &err),
            "w: field \"a\" must be an object, found an array");
    REFUSED(plumb__json_array("w", obj, "t", false, &o, &err),
            "w: field \"t\" must be an array, found a boolean");
    assert_null(o);
    REFUSED(plumb__json_string("w", json_object_get(obj, "a"), "s", true, &s, &err),
            "w: must be an object, found an array");
    REFUSED(plumb__json_string("w", NULL, "s", true, &s, &err),
            "w: must be an object, found nothing");
    const char *const some[] = {"s", "i", "r", "t", "o", "a", NULL};
    REFUSED(plumb__json_only("w", obj, some, &err),
            "w: unknown field \"n\" (allowed: s, i, r, t, o, a)");
    const char *const all[] = {"s", "i", "r", "t", "o", "a", "n", "more", NULL};
    assert_int_equal(plumb__json_only("w", obj, all, &err), PLUMB_OK);
#undef REFUSED
    json_decref(obj);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_texts_are_read),
        cmocka_unit_test(bad_texts_are_refused_by_name),
        cmocka_unit_test(every_prefix_of_a_document_is_refused),
        cmocka_unit_test(depth_is_capped_before_anything_recurses),
        cmocka_unit_test(the_canonical_form_is_fixed),
        cmocka_unit_test(every_double_comes_back),
        cmocka_unit_test(damage_never_does_worse_than_a_refusal),
        cmocka_unit_test(memory_failures_are_told),
        cmocka_unit_test(fields_have_types),
        cmocka_unit_test(wrong_fields_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
