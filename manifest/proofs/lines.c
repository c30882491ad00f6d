#include "manifest/proofs/lines.h"

#include <string.h>

bool plumb__lines_next(plumb__lines *lines)
{
    const char *from = lines->text + lines->at;
    const char *end = lines->at < lines->n ? memchr(from, '\n', lines->n - lines->at) : NULL;
    lines->line_number++;
    if (end == NULL) return false;
    lines->line = from;
    lines->line_size = (size_t)(end - from);
    lines->at += lines->line_size + 1;
    return true;
}

bool plumb__lines_number(const char *text, size_t n, uint64_t *out)
{
    uint64_t value = 0;
    if (n == 0 || (text[0] == '0' && n > 1)) return false;
    for (size_t i = 0; i < n; i++) {
        const unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}
