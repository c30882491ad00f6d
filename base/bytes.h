/* A growable byte buffer, little-endian stores, and a bounded reader. */
#ifndef PLUMB_BASE_BYTES_H
#define PLUMB_BASE_BYTES_H

#include "base/error.h"
#include <stdbool.h>

typedef struct plumb__bytes {
    uint8_t *data;
    size_t size, capacity;
    bool failed; /* an append ran out of memory; sticky, checked once by plumb__bytes_check */
} plumb__bytes;

/* Appends never return an error; the first failure sticks and plumb__bytes_check reports it. */
void plumb__bytes_append(plumb__bytes *b, const void *data, size_t n);
void plumb__bytes_append_text(plumb__bytes *b, const char *text);
void plumb__bytes_appendf(plumb__bytes *b, const char *format, ...) PLUMB_PRINTF(2, 3);
void plumb__bytes_u8(plumb__bytes *b, uint8_t v);
void plumb__bytes_u16(plumb__bytes *b, uint16_t v);
void plumb__bytes_u32(plumb__bytes *b, uint32_t v);
void plumb__bytes_u64(plumb__bytes *b, uint64_t v);
void plumb__bytes_f32(plumb__bytes *b, float v);
void plumb__bytes_f64(plumb__bytes *b, double v);
/* Arrays of n little-endian elements (a memcpy on little-endian machines). */
void plumb__bytes_u16s(plumb__bytes *b, const uint16_t *v, size_t n);
void plumb__bytes_u32s(plumb__bytes *b, const uint32_t *v, size_t n);
void plumb__bytes_f32s(plumb__bytes *b, const float *v, size_t n);
void plumb__bytes_f64s(plumb__bytes *b, const double *v, size_t n);
plumb_status plumb__bytes_check(const plumb__bytes *b, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__bytes_clear(plumb__bytes *b); /* keeps the capacity */
void plumb__bytes_free(plumb__bytes *b);
/* The text with a NUL behind it (not counted in size); "" when empty. Borrowed. */
const char *plumb__bytes_text(plumb__bytes *b);

uint16_t plumb__load_u16(const void *p);
uint32_t plumb__load_u32(const void *p);
uint64_t plumb__load_u64(const void *p);
void plumb__store_u16(void *p, uint16_t v);
void plumb__store_u32(void *p, uint32_t v);
void plumb__store_u64(void *p, uint64_t v);

/* Reads never pass the end: the first short read sets `failed` and all later ones give 0. */
typedef struct plumb__reader {
    const uint8_t *data;
    size_t size, at;
    bool failed;
} plumb__reader;

uint8_t plumb__read_u8(plumb__reader *r);
uint16_t plumb__read_u16(plumb__reader *r);
uint32_t plumb__read_u32(plumb__reader *r);
uint64_t plumb__read_u64(plumb__reader *r);
float plumb__read_f32(plumb__reader *r);
double plumb__read_f64(plumb__reader *r);
/* A borrowed pointer to the next n bytes, or NULL. */
const uint8_t *plumb__read_bytes(plumb__reader *r, size_t n);
void plumb__read_u16s(plumb__reader *r, uint16_t *out, size_t n);
void plumb__read_u32s(plumb__reader *r, uint32_t *out, size_t n);
void plumb__read_f32s(plumb__reader *r, float *out, size_t n);
void plumb__read_f64s(plumb__reader *r, double *out, size_t n);

#endif
