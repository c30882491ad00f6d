/* Aim: the record scanner accepts exactly what plumb__json_parse (jansson) accepts, and reads the
 * same values. Method: hand-written edges of the grammar, of Unicode and of numbers, and mutations
 * of good lines from a printed seed (PLUMB_TEST_SEED), each given to both; every known member
 * compared, down to the bits of its numbers; columns and messages by exact text; a long line of
 * keys to show that finding duplicates is not quadratic. */
#include "manifest_fixture.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/plumb_random.h"
#include "manifest/records/json_scan.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 60000 };

static const plumb__scan_name names[] = {{"id", true},    {"a", true},       {"b", false},
                                         {"depth", true}, {"content", true}, {"\xc3\xa9", true},
                                         {NULL, false}};

static plumb__scan scan;
static plumb__arena arena;

/* ---- comparing ---- */

static bool same(uint32_t number, const json_t *value);

static bool same_text(const plumb__scan_node *node, const json_t *value)
{
    return node->bytes == json_string_length(value) &&
           memcmp(node->text, json_string_value(value), node->bytes) == 0;
}

static bool same_object(const plumb__scan_node *node, uint32_t number, const json_t *value)
{
    uint32_t at = number + 1;
    if (node->entries != json_object_size(value)) return false;
    for (uint32_t i = 0; i < node->entries; i++) {
        const plumb__scan_node *key = &scan.nodes[at];
        const json_t *found = json_object_getn(value, key->text, key->bytes);
        if (key->kind != PLUMB__SCAN_STRING || found == NULL || !same(at + 1, found)) return false;
        at = scan.nodes[at + 1].end;
    }
    return at == node->end;
}

static bool same_array(const plumb__scan_node *node, uint32_t number, const json_t *value)
{
    uint32_t at = number + 1;
    if (node->entries != json_array_size(value)) return false;
    for (uint32_t i = 0; i < node->entries; i++) {
        if (!same(at, json_array_get(value, i))) return false;
        at = scan.nodes[at].end;
    }
    return at == node->end;
}

static bool same(uint32_t number, const json_t *value)
{
    const plumb__scan_node *node = &scan.nodes[number];
    double real;
    switch (node->kind) {
    case PLUMB__SCAN_OBJECT: return json_is_object(value) && same_object(node, number, value);
    case PLUMB__SCAN_ARRAY: return json_is_array(value) && same_array(node, number, value);
    case PLUMB__SCAN_STRING: return json_is_string(value) && same_text(node, value);
    case PLUMB__SCAN_INTEGER:
        return json_is_integer(value) && json_integer_value(value) == node->number.integer;
    case PLUMB__SCAN_REAL:
        real = json_real_value(value);
        return json_is_real(value) && memcmp(&real, &node->number.real, sizeof real) == 0;
    case PLUMB__SCAN_TRUE: return json_is_true(value);
    case PLUMB__SCAN_FALSE: return json_is_false(value);
    case PLUMB__SCAN_NULL: return json_is_null(value);
    case PLUMB__SCAN_NOTHING: break;
    }
    return false;
}

/* What is wanted inside is compared whole, the others by kind and span. */
static bool same_outer(const json_t *value, const char *text)
{
    if (!json_is_object(value)) {
        return scan.nodes[0].kind == PLUMB__SCAN_ARRAY ? json_is_array(value) : same(0, value);
    }
    for (size_t i = 0; names[i].name != NULL; i++) {
        const json_t *expected = json_object_get(value, names[i].name);
        const uint32_t found = scan.field[i];
        if ((expected == NULL) != (found == 0)) return false;
        if (found == 0) continue;
        const plumb__scan_node *node = &scan.nodes[found];
        if (names[i].inside || !(json_is_object(expected) || json_is_array(expected))) {
            if (!same(found, expected)) return false;
        } else {
            json_t *again = json_loadb(text + node->at, node->bytes, JSON_DECODE_ANY, NULL);
            const bool equal = json_equal(again, expected) && node->end == found + 1;
            json_decref(again);
            if (!equal) return false;
        }
    }
    return true;
}

/* Both readers on a copy of exactly these bytes, so that a sanitizer sees a read behind them. */
static bool check(const void *data, size_t n)
{
    plumb_error err = {0}, jansson_err = {0};
    json_t *value = NULL;
    char *text = malloc(n > 0 ? n : 1);
    assert_non_null(text);
    memcpy(text, data, n);
    plumb__arena_reset(&arena, 1 << 20);
    const plumb_status status = plumb__scan_line(&scan, &arena, text, n, &err);
    const plumb_status expected = plumb__json_parse("j", text, n, &value, &jansson_err);
    if ((status == PLUMB_OK) != (expected == PLUMB_OK)) {
        fail_msg("%.*s\nscanner: %d %s\njansson: %d %s", (int)n, text, status, err.message,
                 expected, jansson_err.message);
    }
    if (status == PLUMB_OK && !same_outer(value, text))
        fail_msg("read otherwise: %.*s", (int)n, text);
    if (status != PLUMB_OK && (err.message[0] == '\0' || scan.bad_at > n)) {
        fail_msg("%.*s: no message or no place", (int)n, text);
    }
    json_decref(value);
    free(text);
    return status == PLUMB_OK;
}

static const char *const structures[] = {
    "",
    " ",
    "{}",
    "[]",
    " {} ",
    "{}}",
    "{",
    "[",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{\"a\" 1}",
    "{a:1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1;}",
    "{1:2}",
    "null",
    "true",
    "false",
    "nul",
    "nulll",
    "truefalse",
    "[truex]",
    "\"",
    "\"x",
    "\"x\"",
    "\"x\"y",
    "{}\n",
    "\r\n{\t}\r\n",
    "{}\v",
    "\xef\xbb\xbf{}",
    "[1]]",
    "{\"a\":[}]",
    "[{]}",
    "{\"a\":{\"b\":[1,{\"c\":null}]}}",
    "{\"a\":1,\"a\":2}",
    "{\"b\":1,\"b\":1}",
    "{\"z\":1,\"z\":2}",
    "{\"z\":1,\"\\u007a\":2}",
    "{\"\\u0061\":1,\"a\":2}",
    "{\"a\":{\"x\":1,\"x\":2}}",
    "{\"b\":{\"x\":1,\"\\u0078\":2}}",
    "{\"z\":{\"x\":1,\"x\":2}}",
    "{\"z\":[{\"x\":1,\"y\":{\"x\":1}}]}",
    "{\"\":1}",
    "{\"\":1,\"\":2}",
    "{\"\\u00e9\":[1]}",
    "{\"\xc3\xa9\":1,\"\\u00E9\":2}",
    "[0x1]",
    "[1_0]",
    "{\"a\":[],\"b\":[],\"id\":{},\"depth\":\"\",\"content\":[[[]]]}",
    "{\"q1\":0,\"q2\":0,\"q3\":0,\"q4\":0,\"q5\":0,\"q6\":0,\"q7\":0,\"q8\":0,\"q9\":0,\"q10\":"
    "0}",
    "{\"q1\":0,\"q2\":0,\"q3\":0,\"q4\":0,\"q5\":0,\"q6\":0,\"q7\":0,\"q8\":0,\"q9\":0,\"q3\":"
    "0}",
    "[{\"q1\":0,\"q2\":0,\"q3\":0,\"q4\":0,\"q5\":0,\"q6\":0,\"q7\":0,\"q8\":0,\"q9\":0,\"q9\":"
    "0}]"};

static void edges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof structures / sizeof *structures; i++) {
        (void)check(structures[i], strlen(structures[i]));
    }
    assert_false(check("{}\0", 3));
    assert_false(check("[\"\0\"]", 5));
    assert_false(check("[1\0]", 4)); /* jansson alone lets this one pass */
}

static const char *const bad_and_good_texts[] = {"",
                                                 "plain",
                                                 "0123456789abcdef0123456789abcdef",
                                                 "\\\"\\\\\\/\\b\\f\\n\\r\\t",
                                                 "\\u0041\\u00e9\\u20ac",
                                                 "\\ud83d\\ude00",
                                                 "\\uD83D\\uDE00",
                                                 "\\ud800",
                                                 "\\udc00",
                                                 "\\ud800x",
                                                 "\\ud800\\u0041",
                                                 "\\ud800\\ud800",
                                                 "\\ude00\\ud83d",
                                                 "\\u0000",
                                                 "a\\u0000b",
                                                 "\\u12",
                                                 "\\u123g",
                                                 "\\u",
                                                 "\\x41",
                                                 "\\'",
                                                 "\\",
                                                 "\\U0041",
                                                 "\x01",
                                                 "0123456789abcde\x1f",
                                                 "\x7f",
                                                 "\t",
                                                 "\xc3\xa9",
                                                 "\xc3",
                                                 "\xc3\x28",
                                                 "\xe2\x82\xac",
                                                 "\xe2\x82",
                                                 "\xe2\x28\xa1",
                                                 "\xf0\x9f\x98\x80",
                                                 "\xf0\x9f\x98",
                                                 "\xf0\x28\x8c\xbc",
                                                 "\xc0\x80",
                                                 "\xc1\xbf",
                                                 "\xe0\x80\x80",
                                                 "\xf0\x80\x80\x80",
                                                 "\xf4\x8f\xbf\xbf",
                                                 "\xf4\x90\x80\x80",
                                                 "\xf5\x80\x80\x80",
                                                 "\xed\x9f\xbf",
                                                 "\xed\xa0\x80",
                                                 "\xed\xbf\xbf",
                                                 "\xee\x80\x80",
                                                 "\xef\xbf\xbf",
                                                 "\x80",
                                                 "\xbf",
                                                 "\xfe",
                                                 "\xff",
                                                 "\\u0041\xff",
                                                 "\xff\\u0041",
                                                 "0123456789abcdef\xff",
                                                 "0123456789abcde\xc3\xa9",
                                                 "\\n\xc3\xa9\\n",
                                                 "\\ufffe\\uffff",
                                                 "\\ud7ff\\ue000"};

static void texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_and_good_texts / sizeof *bad_and_good_texts; i++) {
        char text[200];
        int n = snprintf(text, sizeof text, "{\"a\":\"%s\"}", bad_and_good_texts[i]);
        (void)check(text, (size_t)n);
        n = snprintf(text, sizeof text, "{\"z\":\"%s\"}", bad_and_good_texts[i]);
        (void)check(text, (size_t)n);
        n = snprintf(text, sizeof text, "{\"%s\":1}", bad_and_good_texts[i]);
        (void)check(text, (size_t)n);
        n = snprintf(text, sizeof text, "{\"a\":[{\"%s\":0}]}", bad_and_good_texts[i]);
        (void)check(text, (size_t)n);
    }
}

static const char *const number_forms[] = {
    "0",
    "-0",
    "1",
    "-1",
    "01",
    "-01",
    "00",
    "+1",
    "-",
    "--1",
    ".5",
    "5.",
    "1.",
    "1.e1",
    "1e",
    "1e+",
    "1E-",
    "1e5",
    "1E+5",
    "1e-5",
    "1e05",
    "0e0",
    "0.0",
    "-0.0",
    "0e99999999999999999999",
    "1e-99999999999999999999",
    "1e99999999999999999999",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999",
    "100000000000000000000000000000",
    "1e308",
    "1.7976931348623157e308",
    "1.7976931348623159e308",
    "1e309",
    "-1e309",
    "4.9e-324",
    "2e-324",
    "2.2250738585072011e-308",
    "2.2250738585072014e-308",
    "0.1",
    "0.94",
    "0.3",
    "123456789012345.6",
    "1234567890123456.7",
    "9007199254740993",
    "9007199254740993.0",
    "1e22",
    "1e23",
    "123456789012345e22",
    "123456789012345e-22",
    "999999999999999e22",
    "9007199254740992e22",
    "8.5e-23",
    "0.000000000000000000000000000001",
    "0.00000000000000000000000000000000000012345678901234567890",
    "3."
    "141592653589793238462643383279502884197169399375105820974944592307816406286208998628034825"
    "342117",
    "1.00000000000000000000000000000000000000000000000000000000000000000000000000000000001e400",
    "Infinity",
    "NaN",
    "-Infinity",
    "1e1.5",
    "1.2.3",
    "0x10",
    "1a",
    "1,",
    "12345678901234567",
    "-123456789012345678",
    "1e-400",
    "-1e-400",
    "0.1e-307",
    "1e0000000000000000000000000000000000000001"};

static void numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof number_forms / sizeof *number_forms; i++) {
        char text[256];
        const int n = snprintf(text, sizeof text, "{\"a\":%s}", number_forms[i]);
        (void)check(text, (size_t)n);
        (void)check(number_forms[i], strlen(number_forms[i]));
    }
    /* Any locale: JSON's decimal mark is the point. */
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") != NULL) (void)check("{\"a\":1.2345678901234567}", 24);
    (void)setlocale(LC_NUMERIC, "C");
}

static void levels(void **state)
{
    (void)state;
    char text[400];
    for (int n = 60; n < 70; n++) {
        memset(text, '[', (size_t)n);
        memset(text + n, ']', (size_t)n);
        assert_int_equal(check(text, 2 * (size_t)n), n <= PLUMB__SCAN_LEVELS);
        memcpy(text, "{\"a\":", 5);
        memset(text + 5, '[', (size_t)n - 1);
        memset(text + 4 + n, ']', (size_t)n - 1);
        text[3 + 2 * n] = '}';
        assert_int_equal(check(text, 4 + 2 * (size_t)n), n <= PLUMB__SCAN_LEVELS);
    }
}

static void messages(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        uint32_t column;
    } cases[] = {
        {"{\"a\":NaN}", "expected a value, found 'N'", 6},
        {"{\"\xc3\xa9\":tru}", "expected a value, found 't'", 6},
        {"{\"a\":1 \"b\":2}", "expected ',' or '}', found '\"'", 8},
        {"[1 2]", "expected ',' or ']', found '2'", 4},
        {"{\"a\" 1}", "expected ':', found '1'", 6},
        {"{a:1}", "expected a key, found 'a'", 2},
        {"{\"a\":1", "expected ',' or '}', found the end", 7},
        {"{} x", "expected the end of the line, found 'x'", 4},
        {"{\"a\":\"x", "expected the end quote of a text, found the end", 8},
        {"[\"\x01\"]", "expected an escape for a control character, found byte 0x01", 3},
        {"[\"\xff\"]", "expected UTF-8, found byte 0xff", 3},
        {"[\"\\ud800\"]", "expected a pair of surrogates, found \\ud800 alone", 3},
        {"[\"\\u00g0\"]", "expected four hex digits behind \\u", 3},
        {"[\"\\u0000\"]", "a text must not have \\u0000", 3},
        {"[\"\\x\"]", "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u behind a backslash",
         3},
        {"[1.x]", "expected a digit, found 'x'", 4},
        {"[012]", "a number must not begin with 0", 3},
        {"[9223372036854775808]", "expected an integer of at most 64 bits", 2},
        {"[1e999]", "expected a finite number, found 1e999", 2},
        {"{\"id\":1,\"id\":2}", "key \"id\" is there twice", 9},
        {"{\"x\":1,\"\\u0078\":2}", "key \"x\" is there twice", 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t n = strlen(cases[i].text);
        assert_fails(plumb__scan_line(&scan, &arena, cases[i].text, n, err), PLUMB_ERR_FORMAT,
                     cases[i].message);
        assert_int_equal(plumb__scan_column(cases[i].text, scan.bad_at), cases[i].column);
    }
}

/* ---- mutations ---- */

static uint64_t seed = 20261122, counter;

static uint32_t draw(uint32_t below)
{
    uint32_t out[4];
    plumb_random_block(seed, 2, counter++, out);
    return out[0] % below;
}

static const char *const good[] = {
    "{\"id\":\"deb:x#y\",\"content\":{\"sha256\":\"b94d27\",\"bytes\":21},\"a\":[\"t\\u00e9\\n\",0."
    "94,-7,1e-3,"
    "true,null],\"b\":{\"k\":[1,2,{\"k\":\"\xe2\x82\xac\"}]},\"depth\":{\"band\":[0.25,1]},\"z\":{"
    "\"y\":[[]]}}",
    "[{\"id\":1,\"k1\":2,\"k2\":3,\"k3\":4,\"k4\":5,\"k5\":6,\"k6\":7,\"k7\":8,\"k8\":9,\"k9\":10}"
    "]",
    " {\"\xc3\xa9\" : \"\\ud83d\\ude00 0123456789abcdef\" , \"a\":123456789012345678901.5e-7 } "};
static const char *const pieces[] = {
    "\"", "\\",   "{",        "}",      "[",    "]",     ",",
    ":",  "null", "-",        "1",      "0",    ".",     "e",
    "E9", "\\u",  "\\ud800",  "\xff",   "\xc3", "\xa9",  "\x01",
    " ",  "\n",   "\"a\":1,", "\"id\"", "\"\"", "1e400", "99999999999999999999",
    "k3", "d83d", "+",        "true"};

static size_t mutate(char out[1024])
{
    const char *text = good[draw(sizeof good / sizeof *good)];
    size_t n = strlen(text);
    memcpy(out, text, n);
    for (uint32_t changes = 1 + draw(3); changes > 0 && n > 0; changes--) {
        const size_t at = draw((uint32_t)n);
        const char *piece = pieces[draw(sizeof pieces / sizeof *pieces)];
        const size_t length = strlen(piece);
        switch (draw(5)) {
        case 0: out[at] = (char)draw(256); break;
        case 1: n = at; break;
        case 2:
            memmove(out + at + length, out + at, n - at);
            memcpy(out + at, piece, length);
            n += length;
            break;
        case 3: {
            const size_t gone = 1 + draw((uint32_t)(n - at < 9 ? n - at : 9));
            memmove(out + at, out + at + gone, n - at - gone);
            n -= gone;
            break;
        }
        default: {
            const size_t again = n - at < 40 ? n - at : 40;
            memmove(out + n, out + at, again);
            n += again;
        }
        }
    }
    return n;
}

static void mutations(void **state)
{
    (void)state;
    char text[1024];
    int accepted = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const size_t n = mutate(text);
        accepted += check(text, n);
    }
    print_message("seed %llu: %d of %d mutated lines were still JSON\n", (unsigned long long)seed,
                  accepted, ROUNDS);
    assert_in_range(accepted, ROUNDS / 100, ROUNDS - ROUNDS / 10);
}

/* 200,000 keys that differ at their ends: pair by pair it would take minutes. */
static void many_keys(void **state)
{
    (void)state;
    plumb__bytes text = {0};
    plumb_error err = {0};
    plumb__bytes_append_text(&text, "{\"z\":{");
    for (int i = 0; i < 200000; i++) {
        plumb__bytes_appendf(&text, "%s\"aaaaaaaaaaaaaaaaaaaaaaaa%06d\":0", i > 0 ? "," : "", i);
    }
    plumb__bytes_append_text(&text, "}}");
    assert_int_equal(plumb__bytes_check(&text, NULL), PLUMB_OK);
    assert_int_equal(plumb__scan_line(&scan, &arena, (const char *)text.data, text.size, &err),
                     PLUMB_OK);
    /* The last key becomes like the first. */
    memcpy(text.data + text.size - 11, "000000", 6);
    assert_fails(plumb__scan_line(&scan, &arena, (const char *)text.data, text.size, err),
                 PLUMB_ERR_FORMAT, "key \"aaaaaaaaaaaaaaaaaaaaaaaa000000\" is there twice");
    plumb__bytes_free(&text);
}

/* A record like the last one costs no allocation. */
static void no_allocation(void **state)
{
    (void)state;
    plumb_error err = {0};
    for (int i = 0; i < 3; i++) {
        const uint64_t before = plumb__alloc_count();
        plumb__arena_reset(&arena, 1 << 20);
        assert_int_equal(plumb__scan_line(&scan, &arena, good[0], strlen(good[0]), &err), PLUMB_OK);
        if (i > 0) assert_int_equal(plumb__alloc_count(), before);
    }
}

int main(void)
{
    const char *given = getenv("PLUMB_TEST_SEED");
    if (given != NULL) seed = strtoull(given, NULL, 10);
    plumb__scan_init(&scan, names);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges),     cmocka_unit_test(texts),         cmocka_unit_test(numbers),
        cmocka_unit_test(levels),    cmocka_unit_test(messages),      cmocka_unit_test(mutations),
        cmocka_unit_test(many_keys), cmocka_unit_test(no_allocation),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    plumb__scan_free(&scan);
    plumb__arena_free(&arena);
    return failed;
}
