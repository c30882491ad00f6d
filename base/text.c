/* Text forms: hex, base64, UTF-8, globs. */
#include "base/text.h"
#include "base/alloc.h"

#include <sodium.h>
#include <string.h>

void plumb__hex_encode(const void *data, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

/* The value of a lower-case hex digit, plus 1; 0 for any other byte. */
static const uint8_t hex_values[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16};

bool plumb__hex_decode(const char *text, size_t len, uint8_t *out)
{
    bool right = len % 2 == 0;
    for (size_t i = 0; i + 1 < len; i += 2) {
        const unsigned high = hex_values[(uint8_t)text[i]], low = hex_values[(uint8_t)text[i + 1]];
        right &= high != 0 && low != 0;
        out[i / 2] = (uint8_t)((high - 1) << 4 | ((low - 1) & 15));
    }
    return right;
}

void plumb__base64_append(plumb__bytes *out, const void *data, size_t n)
{
    /* In pieces of a multiple of three bytes, so that padding comes only at the very end. */
    enum { PIECE = 768 };
    char text[PIECE / 3 * 4 + 1];
    const uint8_t *bytes = data;
    while (n > 0) {
        const size_t take = n < PIECE ? n : PIECE;
        sodium_bin2base64(text, sizeof text, bytes, take, sodium_base64_VARIANT_ORIGINAL);
        plumb__bytes_append_text(out, text);
        bytes += take;
        n -= take;
    }
}

plumb_status plumb__base64_decode(const char *text, size_t len, plumb__bytes *out, plumb_error *err)
{
    PLUMB_TRY(plumb__bytes_check(out, err));
    const size_t room = len / 4 * 3 + 3;
    PLUMB_TRY(plumb__grow(&out->data, &out->capacity, out->size + room + 1, 1, "base64", err));
    size_t written = 0;
    /* libsodium 1.0.18 takes some bytes above 127 for the letter without their top bit. */
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] > 0x7f)
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "not base64 (standard alphabet, padded, no white space)");
    }
    /* libsodium refuses missing and surplus padding and unused bits that are not zero. */
    if (sodium_base642bin(out->data + out->size, room, text, len, NULL, &written, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "not base64 (standard alphabet, padded, no white space)");
    out->size += written;
    return PLUMB_OK;
}

/* The length of the well-formed UTF-8 sequence at p (n > 0 bytes there), or 0. The second byte's
 * range depends on the first: that is what excludes overlong forms, surrogates and > U+10FFFF
 * (Unicode, table 3-7). */
static size_t sequence_length(const uint8_t *p, size_t n)
{
    const uint8_t first = p[0];
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    const size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (n < length) return 0;
    const uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    return length;
}

bool plumb__utf8_valid(const void *data, size_t n, size_t *bad_at)
{
    const uint8_t *bytes = data;
    size_t at = 0;
    while (at < n) {
        const size_t length = sequence_length(bytes + at, n - at);
        if (length == 0) {
            if (bad_at) *bad_at = at;
            return false;
        }
        at += length;
    }
    return true;
}

/* True if p holds the beginning of a multi-byte sequence that the end of the text cuts off. */
static bool cut_sequence(const uint8_t *p, size_t left)
{
    const size_t length = p[0] < 0xc2 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 1;
    if (left >= length) return false;
    for (size_t i = 1; i < left; i++) {
        if ((p[i] & 0xc0) != 0x80) return false;
    }
    return true;
}

size_t plumb__control_at(const char *p, size_t n)
{
    const uint8_t *c = (const uint8_t *)p;
    if (c[0] < 0x20 || c[0] == 0x7f) return 1;
    if (n >= 2 && c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) return 2;
    if (n < 3 || c[0] != 0xe2) return 0;
    const bool turns = (c[1] == 0x80 && (c[2] == 0x8e || c[2] == 0x8f)) ||
                       (c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
                       (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);
    return turns ? 3 : 0;
}

void plumb__text_sanitize(char *text)
{
    uint8_t *p = (uint8_t *)text;
    size_t left = strlen(text);
    while (left > 0) {
        size_t length = sequence_length(p, left);
        if (length == 0 && cut_sequence(p, left)) {
            *p = '\0';
            return;
        }
        const size_t control = length == 0 ? 1 : plumb__control_at((const char *)p, length);
        memset(p, '?', control);
        if (length == 0) length = 1;
        p += length;
        left -= length;
    }
}

bool plumb__glob_match(const char *pattern, const char *text)
{
    /* On a mismatch only the last '*' needs to take one more character, so this is quadratic at
     * worst, whatever the pattern. */
    const char *star = NULL, *star_text = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            star_text = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++star_text;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
