/* Strings: the plain part is looked through 16 bytes at a time; the first escape switches to a
 * copy. Numbers: up to 15 digits with a power of ten up to 22 are exact in one operation (both
 * factors are doubles without rounding), all others go through strtod. */
#include "manifest/records/json_lexer.h"

#include "base/text.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define EXACT_DIGITS 15
#define EXACT_POWER 22
#define SHORT_NUMBER 64

plumb_status plumb__lexer_fail(plumb__lexer *lexer, const char *at, const char *format, ...)
{
    char message[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    lexer->at = at;
    return plumb__fail(lexer->err, PLUMB_ERR_FORMAT, "%s", message);
}

plumb_status plumb__lexer_unexpected(plumb__lexer *lexer, const char *what)
{
    const char *at = lexer->at;
    if (at == lexer->end) return plumb__lexer_fail(lexer, at, "expected %s, found the end", what);
    const unsigned char c = (unsigned char)*at;
    if (c > ' ' && c < 0x7f)
        return plumb__lexer_fail(lexer, at, "expected %s, found '%c'", what, c);
    return plumb__lexer_fail(lexer, at, "expected %s, found byte 0x%02x", what, c);
}

/* ---- strings ---- */

/* The first quote, backslash or control character from p on, or the end; *high is set when there
 * are bytes of 0x80 and above before it. */
static inline const char *plain_end(const char *p, const char *end, bool *high)
{
    int above = 0;
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
                  control = _mm_set1_epi8(0x1f);
    for (; end - p >= 16; p += 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        const __m128i stop =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)),
                         _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        const int stops = _mm_movemask_epi8(stop), highs = _mm_movemask_epi8(v);
        if (stops != 0) {
            const int before = (stops & -stops) - 1;
            if (((highs & before) | above) != 0) *high = true;
            return p + __builtin_ctz((unsigned)stops);
        }
        above |= highs;
    }
#endif
    for (; p < end; p++) {
        const unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\' || c < 0x20) break;
        above |= c & 0x80;
    }
    if (above != 0) *high = true;
    return p;
}

static plumb_status check_utf8(plumb__lexer *lexer, const char *from, const char *to)
{
    size_t bad = 0;
    if (plumb__utf8_valid(from, (size_t)(to - from), &bad)) return PLUMB_OK;
    return plumb__lexer_fail(lexer, from + bad, "expected UTF-8, found byte 0x%02x",
                             (unsigned char)from[bad]);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The four digits behind \u; -1 where there are not four. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t value = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_value(p[i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | (c >> 6));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | (c >> 12));
        *out++ = (char)(0x80 | ((c >> 6) & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | (c >> 18));
        *out++ = (char)(0x80 | ((c >> 12) & 0x3f));
        *out++ = (char)(0x80 | ((c >> 6) & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* At the 'u'; *p goes behind the escape. */
static plumb_status read_unicode(plumb__lexer *lexer, const char **p, char **out)
{
    const char *at = *p - 1;
    const int32_t first = hex4(*p + 1, lexer->end);
    uint32_t c = (uint32_t)first;
    if (first < 0) return plumb__lexer_fail(lexer, at, "expected four hex digits behind \\u");
    if (first == 0) return plumb__lexer_fail(lexer, at, "a text must not have \\u0000");
    *p += 5;
    if (c >= 0xd800 && c <= 0xdfff) {
        const bool pair = c < 0xdc00 && lexer->end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u';
        const int32_t second = pair ? hex4(*p + 2, lexer->end) : -1;
        if (second < 0xdc00 || second > 0xdfff) {
            return plumb__lexer_fail(lexer, at,
                                     "expected a pair of surrogates, found \\u%04x alone", c);
        }
        c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)second - 0xdc00);
        *p += 6;
    }
    *out = put_utf8(*out, c);
    return PLUMB_OK;
}

/* At the backslash. */
static plumb_status read_escape(plumb__lexer *lexer, const char **p, char **out)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *escape = *p + 1;
    if (escape < lexer->end && *escape == 'u') {
        *p = escape;
        return read_unicode(lexer, p, out);
    }
    const char *found = escape < lexer->end && *escape != '\0' ? strchr(letters, *escape) : NULL;
    if (found == NULL) {
        return plumb__lexer_fail(lexer, *p,
                                 "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u behind a "
                                 "backslash");
    }
    *(*out)++ = meanings[found - letters];
    *p = escape + 1;
    return PLUMB_OK;
}

/* From the string's first character; `p` is at its first backslash. The copy is never longer than
 * what was written. */
static plumb_status read_escaped(plumb__lexer *lexer, const char *first, const char *p, bool high,
                                 plumb__scan_node *node)
{
    /* The copy holds what comes to the closing quote, not the whole line for every string. */
    const char *close = p;
    while (close < lexer->end && *close != '"') {
        close += *close == '\\' ? 2 : 1;
    }
    if (close > lexer->end) close = lexer->end;
    char *copy = plumb__arena_take(lexer->arena, (size_t)(close - first) + 1);
    if (copy == NULL) return plumb__fail(lexer->err, PLUMB_ERR_NO_MEMORY, "no memory for records");
    char *out = copy;
    const char *from = first;
    for (;;) {
        memcpy(out, from, (size_t)(p - from));
        out += p - from;
        if (p == lexer->end || *p != '\\') break;
        PLUMB_TRY(read_escape(lexer, &p, &out));
        from = p;
        p = plain_end(p, lexer->end, &high);
    }
    lexer->at = p;
    plumb__arena_trim(lexer->arena, copy, (size_t)(out - copy));
    if (high) PLUMB_TRY(check_utf8(lexer, first, p));
    node->text = copy;
    node->bytes = (uint32_t)(out - copy);
    return PLUMB_OK;
}

plumb_status plumb__lexer_string(plumb__lexer *lexer, plumb__scan_node *out)
{
    const char *first = lexer->at + 1;
    bool high = false;
    const char *p = plain_end(first, lexer->end, &high);
    if (p < lexer->end && *p == '\\') {
        PLUMB_TRY(read_escaped(lexer, first, p, high, out));
        p = lexer->at;
    } else {
        if (high) PLUMB_TRY(check_utf8(lexer, first, p));
        out->text = first;
        out->bytes = (uint32_t)(p - first);
    }
    lexer->at = p;
    if (p == lexer->end) return plumb__lexer_unexpected(lexer, "the end quote of a text");
    if (*p != '"') return plumb__lexer_unexpected(lexer, "an escape for a control character");
    lexer->at = p + 1;
    return PLUMB_OK;
}

/* ---- numbers ---- */

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* With a point for the decimal mark, whatever the program's locale says. */
static double read_with_strtod(const char *number)
{
    (void)pthread_once(&c_locale_once, make_c_locale);
    return c_locale != (locale_t)0 ? strtod_l(number, NULL, c_locale) : strtod(number, NULL);
}

typedef struct decimal {
    uint64_t digits; /* of the number without its point; wrong when there are more than 19 */
    int n_digits;    /* significant ones, as far as they are counted */
    int64_t power;   /* of ten; stops at a million, where every double is over or under */
    bool negative, real;
} decimal;

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static const char *read_digits(const char *p, const char *end, decimal *d)
{
    for (; is_digit(p, end); p++) {
        if (d->n_digits > 0 || *p != '0') d->n_digits += d->n_digits < 100;
        d->digits = d->digits * 10 + (uint64_t)(*p - '0');
    }
    return p;
}

static plumb_status read_exponent(plumb__lexer *lexer, const char *p, decimal *d)
{
    int64_t power = 0;
    const bool minus = p < lexer->end && *p == '-';
    if (p < lexer->end && (*p == '-' || *p == '+')) p++;
    lexer->at = p;
    if (!is_digit(p, lexer->end)) return plumb__lexer_unexpected(lexer, "a digit");
    for (; is_digit(p, lexer->end); p++) {
        if (power < 1000000) power = power * 10 + (*p - '0');
    }
    d->power += minus ? -power : power;
    lexer->at = p;
    return PLUMB_OK;
}

static plumb_status read_decimal(plumb__lexer *lexer, decimal *d)
{
    const char *p = lexer->at, *end = lexer->end;
    d->negative = *p == '-';
    p += d->negative;
    lexer->at = p;
    if (!is_digit(p, end)) return plumb__lexer_unexpected(lexer, "a digit");
    if (*p == '0' && is_digit(p + 1, end)) {
        lexer->at = p + 1;
        return plumb__lexer_fail(lexer, lexer->at, "a number must not begin with 0");
    }
    p = read_digits(p, end, d);
    if (p < end && *p == '.') {
        d->real = true;
        lexer->at = p + 1;
        if (!is_digit(p + 1, end)) return plumb__lexer_unexpected(lexer, "a digit");
        const char *after = read_digits(p + 1, end, d);
        d->power = -(int64_t)(after - p - 1);
        p = after;
    }
    lexer->at = p;
    if (p == end || (*p != 'e' && *p != 'E')) return PLUMB_OK;
    d->real = true;
    return read_exponent(lexer, p + 1, d);
}

static bool integer_of(const char *p, const char *end, const decimal *d, int64_t *out)
{
    uint64_t value = d->digits;
    const uint64_t most = (uint64_t)INT64_MAX + d->negative;
    if (d->n_digits > 18) { /* the sum may have wrapped: again, with care */
        value = 0;
        for (p += d->negative; p < end; p++) {
            if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
                __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) {
                return false;
            }
        }
    }
    if (value > most) return false;
    *out = d->negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

static plumb_status real_of(plumb__lexer *lexer, const char *from, const decimal *d, double *out)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->n_digits <= EXACT_DIGITS && d->power >= -EXACT_POWER && d->power <= EXACT_POWER) {
        const double value = (double)d->digits;
        const double exact = d->power < 0 ? value / tens[-d->power] : value * tens[d->power];
        *out = d->negative ? -exact : exact;
        return PLUMB_OK;
    }
    char small[SHORT_NUMBER], *copy = small;
    const size_t n = (size_t)(lexer->at - from);
    if (n >= sizeof small) copy = plumb__arena_take(lexer->arena, n + 1);
    if (copy == NULL) return plumb__fail(lexer->err, PLUMB_ERR_NO_MEMORY, "no memory for records");
    memcpy(copy, from, n);
    copy[n] = '\0';
    *out = read_with_strtod(copy);
    if (copy != small) plumb__arena_trim(lexer->arena, copy, 0);
    if (isfinite(*out)) return PLUMB_OK;
    return plumb__lexer_fail(lexer, from, "expected a finite number, found %.32s",
                             small == copy ? copy : "one too large");
}

plumb_status plumb__lexer_number(plumb__lexer *lexer, plumb__scan_node *out)
{
    const char *from = lexer->at;
    decimal d = {0};
    PLUMB_TRY(read_decimal(lexer, &d));
    if (d.real) {
        out->kind = PLUMB__SCAN_REAL;
        return real_of(lexer, from, &d, &out->number.real);
    }
    out->kind = PLUMB__SCAN_INTEGER;
    if (integer_of(from, lexer->at, &d, &out->number.integer)) return PLUMB_OK;
    return plumb__lexer_fail(lexer, from, "expected an integer of at most 64 bits");
}
