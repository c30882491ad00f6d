/* Hex, base64 and small text helpers. */
#ifndef PLUMB_BASE_TEXT_H
#define PLUMB_BASE_TEXT_H

#include "base/bytes.h"

/* Lower-case hex of n bytes into out[2n+1]. */
void plumb__hex_encode(const void *data, size_t n, char *out);
/* Strict: even length, [0-9a-f] only. Writes len/2 bytes. */
bool plumb__hex_decode(const char *text, size_t len, uint8_t *out);

/* Standard alphabet with padding (RFC 4648 section 4). */
void plumb__base64_append(plumb__bytes *out, const void *data, size_t n);
/* Strict: canonical padding, no white space, unused bits zero. */
plumb_status plumb__base64_decode(const char *text, size_t len, plumb__bytes *out,
                                  plumb_error *err) PLUMB_MUST_CHECK;

/* True if the bytes are well-formed UTF-8 (no surrogates, no overlong forms, <= U+10FFFF);
 * *bad_at gets the offset of the first bad byte when given. */
bool plumb__utf8_valid(const void *data, size_t n, size_t *bad_at);

/* The bytes (1 to 3) of the control character that well-formed UTF-8 has at p, n > 0 bytes there;
 * 0: there is none. C0, DEL and C1, the line and paragraph separators U+2028 and U+2029, and what
 * turns the direction of writing: U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069. */
size_t plumb__control_at(const char *p, size_t n);

/* Replaces control characters and what is not UTF-8 by '?', byte by byte in place, and cuts an
 * unfinished sequence off the end: text from a file must not drive the reader's terminal. */
void plumb__text_sanitize(char *text);

/* Glob of layer names: '*' any run, '?' any one; no classes, no escapes. */
bool plumb__glob_match(const char *pattern, const char *text);

#endif
