/* The growable byte buffer, explicit little-endian loads and stores, the bounded reader. */
#include "base/bytes.h"
#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HOST_IS_LITTLE 1
#else
#define HOST_IS_LITTLE 0
#endif

/* ---- loads and stores; compilers turn these into single instructions ---- */

uint16_t plumb__load_u16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t plumb__load_u32(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

uint64_t plumb__load_u64(const void *p)
{
    const uint8_t *b = p;
    return plumb__load_u32(b) | (uint64_t)plumb__load_u32(b + 4) << 32;
}

void plumb__store_u16(void *p, uint16_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

void plumb__store_u32(void *p, uint32_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
    b[2] = (uint8_t)(v >> 16);
    b[3] = (uint8_t)(v >> 24);
}

void plumb__store_u64(void *p, uint64_t v)
{
    uint8_t *b = p;
    plumb__store_u32(b, (uint32_t)v);
    plumb__store_u32(b + 4, (uint32_t)(v >> 32));
}

/* Copies n elements of `size` bytes between host and little-endian order, either way. */
static void copy_little_endian(void *out, const void *in, size_t n, size_t size)
{
    if (n == 0) return;
    if (HOST_IS_LITTLE) {
        memcpy(out, in, n * size);
        return;
    }
    uint8_t *to = out;
    const uint8_t *from = in;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < size; k++)
            to[i * size + k] = from[i * size + size - 1 - k];
    }
}

/* ---- the buffer ---- */

/* Room for n more bytes and a NUL behind them; NULL (and sticky failure) when there is none. */
static uint8_t *reserve(plumb__bytes *b, size_t n)
{
    if (b->failed) return NULL;
    if (n >= SIZE_MAX - b->size) {
        b->failed = true;
        return NULL;
    }
    if (plumb__grow(&b->data, &b->capacity, b->size + n + 1, 1, "a buffer", NULL) != PLUMB_OK) {
        b->failed = true;
        return NULL;
    }
    return b->data + b->size;
}

void plumb__bytes_append(plumb__bytes *b, const void *data, size_t n)
{
    uint8_t *to = reserve(b, n);
    if (!to || n == 0) return;
    memcpy(to, data, n);
    b->size += n;
}

void plumb__bytes_append_text(plumb__bytes *b, const char *text)
{
    plumb__bytes_append(b, text, strlen(text));
}

void plumb__bytes_appendf(plumb__bytes *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        b->failed = true;
    } else {
        uint8_t *to = reserve(b, (size_t)length); /* reserves the NUL too */
        if (to) {
            (void)vsnprintf((char *)to, (size_t)length + 1, format, again);
            b->size += (size_t)length;
        }
    }
    va_end(again);
}

void plumb__bytes_u8(plumb__bytes *b, uint8_t v)
{
    plumb__bytes_append(b, &v, 1);
}

void plumb__bytes_u16(plumb__bytes *b, uint16_t v)
{
    uint8_t raw[2];
    plumb__store_u16(raw, v);
    plumb__bytes_append(b, raw, sizeof raw);
}

void plumb__bytes_u32(plumb__bytes *b, uint32_t v)
{
    uint8_t raw[4];
    plumb__store_u32(raw, v);
    plumb__bytes_append(b, raw, sizeof raw);
}

void plumb__bytes_u64(plumb__bytes *b, uint64_t v)
{
    uint8_t raw[8];
    plumb__store_u64(raw, v);
    plumb__bytes_append(b, raw, sizeof raw);
}

void plumb__bytes_f32(plumb__bytes *b, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    plumb__bytes_u32(b, bits);
}

void plumb__bytes_f64(plumb__bytes *b, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    plumb__bytes_u64(b, bits);
}

static void append_elements(plumb__bytes *b, const void *v, size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total)) {
        b->failed = true;
        return;
    }
    uint8_t *to = reserve(b, total);
    if (!to) return;
    copy_little_endian(to, v, n, size);
    b->size += total;
}

void plumb__bytes_u16s(plumb__bytes *b, const uint16_t *v, size_t n)
{
    append_elements(b, v, n, sizeof *v);
}

void plumb__bytes_u32s(plumb__bytes *b, const uint32_t *v, size_t n)
{
    append_elements(b, v, n, sizeof *v);
}

void plumb__bytes_f32s(plumb__bytes *b, const float *v, size_t n)
{
    append_elements(b, v, n, sizeof *v);
}

void plumb__bytes_f64s(plumb__bytes *b, const double *v, size_t n)
{
    append_elements(b, v, n, sizeof *v);
}

plumb_status plumb__bytes_check(const plumb__bytes *b, plumb_error *err)
{
    if (!b->failed) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a buffer beyond %zu bytes",
                       b->size);
}

void plumb__bytes_clear(plumb__bytes *b)
{
    b->size = 0;
    b->failed = false;
}

void plumb__bytes_free(plumb__bytes *b)
{
    if (!b) return;
    plumb__free(b->data);
    *b = (plumb__bytes){0};
}

const char *plumb__bytes_text(plumb__bytes *b)
{
    if (b->size == 0) return "";
    /* Every append leaves room for the NUL, so this cannot fail. */
    b->data[b->size] = '\0';
    return (const char *)b->data;
}

/* ---- the reader ---- */

const uint8_t *plumb__read_bytes(plumb__reader *r, size_t n)
{
    if (r->failed || r->at > r->size || n > r->size - r->at) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->data + r->at;
    r->at += n;
    return p;
}

uint8_t plumb__read_u8(plumb__reader *r)
{
    const uint8_t *p = plumb__read_bytes(r, 1);
    return p ? *p : 0;
}

uint16_t plumb__read_u16(plumb__reader *r)
{
    const uint8_t *p = plumb__read_bytes(r, 2);
    return p ? plumb__load_u16(p) : 0;
}

uint32_t plumb__read_u32(plumb__reader *r)
{
    const uint8_t *p = plumb__read_bytes(r, 4);
    return p ? plumb__load_u32(p) : 0;
}

uint64_t plumb__read_u64(plumb__reader *r)
{
    const uint8_t *p = plumb__read_bytes(r, 8);
    return p ? plumb__load_u64(p) : 0;
}

float plumb__read_f32(plumb__reader *r)
{
    const uint32_t bits = plumb__read_u32(r);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

double plumb__read_f64(plumb__reader *r)
{
    const uint64_t bits = plumb__read_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* A short read gives zeros, so that no caller ever computes with what it did not read. */
static void read_elements(plumb__reader *r, void *out, size_t n, size_t size)
{
    size_t total;
    const uint8_t *p = NULL;
    if (__builtin_mul_overflow(n, size, &total))
        r->failed = true;
    else
        p = plumb__read_bytes(r, total);
    if (p)
        copy_little_endian(out, p, n, size);
    else if (n > 0)
        memset(out, 0, n * size);
}

void plumb__read_u16s(plumb__reader *r, uint16_t *out, size_t n)
{
    read_elements(r, out, n, sizeof *out);
}

void plumb__read_u32s(plumb__reader *r, uint32_t *out, size_t n)
{
    read_elements(r, out, n, sizeof *out);
}

void plumb__read_f32s(plumb__reader *r, float *out, size_t n)
{
    read_elements(r, out, n, sizeof *out);
}

void plumb__read_f64s(plumb__reader *r, double *out, size_t n)
{
    read_elements(r, out, n, sizeof *out);
}
