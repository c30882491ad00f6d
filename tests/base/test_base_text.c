/* Aim: hex, base64, UTF-8, globs, times, progress lines and log messages are exactly as specified.
 * Method: the vectors of RFC 4648, the borders of Unicode's table 3-7 (and every two-byte and
 * three-byte sequence against a decoder by definition), tables of exact texts, round trips. */
#include "base/clock.h"
#include "base/log.h"
#include "base/plumb_random.h"
#include "base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void hex_is_strict(void **state)
{
    (void)state;
    char text[9];
    plumb__hex_encode("\x00\x7f\xab\xff", 4, text);
    assert_string_equal(text, "007fabff");
    uint8_t out[4];
    assert_true(plumb__hex_decode("007fabff", 8, out));
    assert_memory_equal(out, "\x00\x7f\xab\xff", 4);
    assert_true(plumb__hex_decode("", 0, out));
    const char *const bad[] = {"0", "0g", "0A", "A0", " 0", "0/", "0:", "`0", "0x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(plumb__hex_decode(bad[i], strlen(bad[i]), out));
}

static void base64_follows_rfc_4648(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"},
                                             {"\xff\xfe\xfd", "//79"}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        plumb__bytes b = {0};
        plumb__base64_append(&b, vectors[i][0], strlen(vectors[i][0]));
        assert_string_equal(plumb__bytes_text(&b), vectors[i][1]);
        plumb__bytes_clear(&b);
        assert_int_equal(plumb__base64_decode(vectors[i][1], strlen(vectors[i][1]), &b, NULL),
                         PLUMB_OK);
        assert_string_equal(plumb__bytes_text(&b), vectors[i][0]);
        plumb__bytes_free(&b);
    }
    static const char *const bad[] = {
        "Zg",       "Zg=",    "Zg===", "Zh==",          "Zm9=",   "=",
        "Z",        "Zm9v\n", " Zm9v", "Zm 9v",         "Zm9v=",  "-_79",
        "Zg==Zg==", "Zm9vZ",  "====",  "\xda\xed\x39v", "Zm9\xf6"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        plumb__bytes b = {0};
        plumb_error err;
        plumb__bytes_append_text(&b, "kept");
        if (plumb__base64_decode(bad[i], strlen(bad[i]), &b, &err) != PLUMB_ERR_FORMAT)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_string_equal(err.message, "not base64 (standard alphabet, padded, no white space)");
        assert_string_equal(plumb__bytes_text(&b), "kept");
        plumb__bytes_free(&b);
    }
}

static void base64_round_trips_at_every_length(void **state)
{
    (void)state;
    uint8_t data[2000];
    for (uint32_t i = 0; i < sizeof data / 4; i++) {
        uint32_t words[4];
        plumb_random_block(1, 1, i, words);
        memcpy(data + (size_t)4 * i, words, 4);
    }
    for (size_t n = 0; n <= sizeof data; n += n < 20 ? 1 : 37) {
        plumb__bytes text = {0}, back = {0};
        plumb__base64_append(&text, data, n);
        assert_int_equal(text.size, (n + 2) / 3 * 4);
        assert_int_equal(plumb__base64_decode((const char *)text.data, text.size, &back, NULL),
                         PLUMB_OK);
        assert_int_equal(back.size, n);
        if (n > 0) assert_memory_equal(back.data, data, n);
        plumb__bytes_free(&text);
        plumb__bytes_free(&back);
    }
}

/* Whatever is accepted is the one text that encodes its bytes: so no byte of a signature's text can
 * change unnoticed. Every value of every two bytes of every kind of ending. */
static void accepted_base64_is_canonical(void **state)
{
    (void)state;
    static const char *const texts[] = {"Zm9v", "Zm8=", "Zg==", "Zm9vZg=="};
    plumb__bytes bytes = {0}, again = {0};
    unsigned accepted = 0;
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        const size_t n = strlen(texts[t]);
        for (size_t a = 0; a + 1 < n; a++) {
            for (uint32_t v = 0; v < 0x10000; v++) {
                char text[9];
                memcpy(text, texts[t], n);
                text[a] = (char)(v >> 8);
                text[n - 1 - a % 2] = (char)v;
                plumb__bytes_clear(&bytes);
                plumb__bytes_clear(&again);
                if (plumb__base64_decode(text, n, &bytes, NULL) != PLUMB_OK) continue;
                accepted++;
                plumb__base64_append(&again, bytes.data, bytes.size);
                if (again.size != n || memcmp(again.data, text, n) != 0)
                    fail_msg("accepted, but not canonical: %.*s", (int)n, text);
            }
        }
    }
    assert_true(accepted > 1000);
    plumb__bytes_free(&bytes);
    plumb__bytes_free(&again);
}

/* By definition: decode generously, then ask whether encoding the code point gives these bytes. */
static bool defined_valid(const uint8_t *p, size_t n)
{
    uint32_t code;
    if (n == 1) return p[0] < 0x80;
    if (n == 2)
        code = (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    else
        code = (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    if (code >= 0xd800 && code <= 0xdfff) return false;
    if (n == 2) return code >= 0x80 && p[0] == (0xc0 | code >> 6) && p[1] == (0x80 | (code & 0x3f));
    return code >= 0x800 && p[0] == (0xe0 | code >> 12) && p[1] == (0x80 | (code >> 6 & 0x3f)) &&
           p[2] == (0x80 | (code & 0x3f));
}

static void utf8_is_well_formed_or_refused(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < 0x10000; v++) {
        const uint8_t two[] = {(uint8_t)(v >> 8), (uint8_t)v};
        const bool wanted = defined_valid(two, 2) || (two[0] < 0x80 && two[1] < 0x80);
        assert_true(plumb__utf8_valid(two, 2, NULL) == wanted);
    }
    for (uint32_t v = 0xe00000; v < 0xf00000; v++) {
        const uint8_t three[] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        assert_true(plumb__utf8_valid(three, 3, NULL) == defined_valid(three, 3));
    }
    assert_true(plumb__utf8_valid("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8, NULL));
    static const char *const bad[] = {"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                                      "\xf0\x90\x80",     "\xf0\x90\x80\x41", "\xf0\x90\x41\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(plumb__utf8_valid(bad[i], strlen(bad[i]), NULL));
    size_t at = 99;
    assert_false(plumb__utf8_valid("ab\xc3\xa9\xc3", 5, &at));
    assert_int_equal(at, 4);
    assert_true(plumb__utf8_valid("a\0b", 3, NULL));
}

static void sanitized_text_is_always_clean(void **state)
{
    (void)state;
    const uint64_t seed = 31;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t words[4];
        char text[17] = {0};
        plumb_random_block(seed, 0, i, words);
        memcpy(text, words, 16);
        plumb__text_sanitize(text);
        const size_t n = strlen(text);
        assert_true(plumb__utf8_valid(text, n, NULL));
        for (size_t k = 0; k < n; k++) {
            const uint8_t c = (uint8_t)text[k];
            assert_true(c >= 0x20 && c != 0x7f);
            if (c == 0xc2) assert_true((uint8_t)text[k + 1] >= 0xa0);
        }
    }
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e || c == 0x200f || c == 0x2028 ||
           c == 0x2029 || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Every character below U+10000 that is not a surrogate. */
static void controls_are_those_listed(void **state)
{
    (void)state;
    for (uint32_t c = 1; c < 0x10000; c++) {
        char text[4] = {(char)c};
        if (c >= 0xd800 && c < 0xe000) continue;
        if (c >= 0x800) {
            text[0] = (char)(0xe0 | c >> 12);
            text[1] = (char)(0x80 | (c >> 6 & 63));
            text[2] = (char)(0x80 | (c & 63));
        } else if (c >= 0x80) {
            text[0] = (char)(0xc0 | c >> 6);
            text[1] = (char)(0x80 | (c & 63));
        }
        const size_t n = strlen(text);
        assert_int_equal(plumb__control_at(text, n), is_control(c) ? n : 0);
        plumb__text_sanitize(text);
        assert_int_equal(strspn(text, "?") == n, is_control(c) || c == '?');
    }
}

static void globs_match_names(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"", "", true},
        {"*", "", true},
        {"?", "", false},
        {"a", "a", true},
        {"a", "ab", false},
        {"ab", "a", false},
        {"block.*", "block.1.w", true},
        {"*.w", "block.1.w", true},
        {"*.w", "block.1.b", false},
        {"b*.?.w", "block.1.w", true},
        {"b*.?.w", "block.12.w", false},
        {"*a*b*c", "xxaxxbxxbxxc", true},
        {"*a*b*c", "xxaxxcxxb", false},
        {"**", "anything", true},
        {"a*", "a", true},
        {"*?", "", false},
        {"*?", "z", true},
        {"[a]", "a", false},
        {"[a]", "[a]", true},
        {"\\*", "*", false},
        {"*ab", "aab", true},
        {"*aab", "aaaab", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (plumb__glob_match(cases[i].pattern, cases[i].text) != cases[i].match)
            fail_msg("\"%s\" against \"%s\"", cases[i].pattern, cases[i].text);
    }
    /* A pattern that sends naive matchers into exponential time. */
    char text[2001];
    memset(text, 'a', 2000);
    text[2000] = '\0';
    assert_false(plumb__glob_match("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void times_are_rfc_3339_in_utc(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t unix_s;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-22T07:39:00Z", 1795333140},
        {"2000-02-29T23:59:59Z", 951868799},
        {"1969-12-31T23:59:59Z", -1},
        {"9999-12-31T23:59:59Z", 253402300799},
        {"0000-01-01T00:00:00Z", -62167219200},
        {"0999-03-01T00:00:00Z", -30636662400},
        {"2100-03-01T00:00:00Z", 4107542400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[21];
        int64_t unix_s = 12345;
        plumb__time_format(cases[i].unix_s, text);
        assert_string_equal(text, cases[i].text);
        assert_true(plumb__time_parse(cases[i].text, &unix_s));
        assert_true(unix_s == cases[i].unix_s);
    }
    int64_t unix_s;
    assert_true(plumb__time_parse("2026-11-22", &unix_s));
    assert_true(unix_s == 1795305600);
    static const char *const bad[] = {
        "",
        "2026-11-22 07:39:00Z",
        "2026-11-22T07:39:00",
        "2026-11-22T07:39:00+00:00",
        "2026-13-01",
        "2026-00-01",
        "2026-02-29",
        "2100-02-29",
        "2026-11-31",
        "2026-11-00",
        "2026-11-22T24:00:00Z",
        "2026-11-22T23:60:00Z",
        "2026-11-22T23:59:60Z",
        "26-11-22",
        "2026-1-22",
        " 2026-11-2",
        "2026-11-22T07:39:00z",
        "2026-11-2x",
        "-026-11-22",
        "2026-11-22T07:39:00.5Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (plumb__time_parse(bad[i], &unix_s)) fail_msg("\"%s\" was accepted", bad[i]);
    }
    char text[21];
    plumb__time_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    plumb__time_format(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
    /* Every day of 800 years, there and back. */
    for (int64_t day = -146097; day < 146097; day++) {
        plumb__time_format(day * 86400, text);
        assert_true(plumb__time_parse(text, &unix_s));
        assert_true(unix_s == day * 86400);
    }
    const uint64_t before = plumb__monotonic_ns();
    assert_true(plumb__monotonic_ns() >= before);
    assert_true(plumb__wall_s() > 1700000000 && plumb__wall_ns() / 1000000000 >= 1700000000);
}

static void progress_lines_read_well(void **state)
{
    (void)state;
    static const struct {
        uint64_t done, total;
        double elapsed_s;
        const char *line;
    } cases[] = {
        {1234, 3000, 22, "[====>     ]  41 %  1234/3000 steps  56.1/s  0:31 left"},
        {0, 3000, 0, "[>         ]   0 %  0/3000 steps  0.000/s  -:-- left"},
        {3000, 3000, 60, "[==========] 100 %  3000/3000 steps  50.0/s  0:00 left"},
        {4000, 3000, 60, "[==========] 100 %  3000/3000 steps  66.7/s  0:00 left"},
        {1, 100000, 2, "[>         ]   0 %  1/100000 steps  0.500/s  55:33:18 left"},
        {999, 0, 65, "999 steps  15.4/s  1:05"},
        {50, 100, (double)NAN, "[=====>    ]  50 %  50/100 steps  0.000/s  -:-- left"},
        {40000, 80000, 1, "[=====>    ]  50 %  40000/80000 steps  40.0k/s  0:01 left"},
        {5000000, 10000000, 2, "[=====>    ]  50 %  5000000/10000000 steps  2.5M/s  0:02 left"},
        {1, UINT64_MAX, 1e9,
         "[>         ]   0 %  1/18446744073709551615 steps  0.000/s  99:59:59 left"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[200];
        const size_t n = plumb_progress_line(line, sizeof line, "steps", cases[i].done,
                                             cases[i].total, cases[i].elapsed_s);
        assert_string_equal(line, cases[i].line);
        assert_int_equal(n, strlen(cases[i].line));
    }
    char small[9] = "12345678";
    assert_int_equal(plumb_progress_line(small, 8, "steps", 1, 2, 1), 7);
    assert_string_equal(small, "[=====>");
    assert_int_equal(small[8], '\0');
    assert_int_equal(plumb_progress_line(small, 0, "steps", 1, 2, 1), 0);
    assert_string_equal(small, "[=====>");
}

typedef struct heard {
    unsigned calls;
    plumb_log_level level;
    char message[256];
} heard;

static void listen(plumb_log_level level, const char *message, void *ctx)
{
    heard *h = ctx;
    h->calls++;
    h->level = level;
    (void)snprintf(h->message, sizeof h->message, "%s", message);
}

static void log_messages_reach_the_sink(void **state)
{
    (void)state;
    heard h = {0};
    plumb__log(PLUMB_LOG_ERROR, "nobody listens");
    plumb_log_set(listen, &h, PLUMB_LOG_INFO);
    plumb__log(PLUMB_LOG_DEBUG, "too quiet");
    assert_int_equal(h.calls, 0);
    plumb__log(PLUMB_LOG_INFO, "step %d\x1b[2J", 7);
    assert_int_equal(h.calls, 1);
    assert_int_equal(h.level, PLUMB_LOG_INFO);
    assert_string_equal(h.message, "step 7?[2J");
    plumb_log_set(NULL, NULL, PLUMB_LOG_DEBUG);
    plumb__log(PLUMB_LOG_ERROR, "nobody listens");
    assert_int_equal(h.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_is_strict),
        cmocka_unit_test(base64_follows_rfc_4648),
        cmocka_unit_test(base64_round_trips_at_every_length),
        cmocka_unit_test(accepted_base64_is_canonical),
        cmocka_unit_test(utf8_is_well_formed_or_refused),
        cmocka_unit_test(sanitized_text_is_always_clean),
        cmocka_unit_test(controls_are_those_listed),
        cmocka_unit_test(globs_match_names),
        cmocka_unit_test(times_are_rfc_3339_in_utc),
        cmocka_unit_test(progress_lines_read_well),
        cmocka_unit_test(log_messages_reach_the_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
