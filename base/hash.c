/* BLAKE2b-256 and SHA-256. libcrypto's SHA-256 uses the processor's instructions (five times the
 * speed of libsodium's); its low-level calls are used because, unlike EVP, they allocate nothing
 * and so can neither fail nor be counted in a step. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"
#include "base/file.h"
#include "base/text.h"

#include <sodium.h>
#include <string.h>
#include <unistd.h>
#ifdef PLUMB_HAVE_LIBCRYPTO
#include <openssl/sha.h>
typedef SHA256_CTX sha256_state;
#else
typedef crypto_hash_sha256_state sha256_state;
#endif

_Static_assert(sizeof(crypto_generichash_state) <= sizeof((plumb__hasher *)0)->state,
               "the opaque state holds BLAKE2b");
_Static_assert(sizeof(sha256_state) <= sizeof((plumb__hasher *)0)->state,
               "the opaque state holds SHA-256");

plumb_status plumb__crypto_init(plumb_error *err)
{
    if (sodium_init() >= 0) return PLUMB_OK; /* 1: somebody did already */
    return plumb__fail(err, PLUMB_ERR_IO,
                       "libsodium could not start (is there no random source on this machine?)");
}

static crypto_generichash_state *blake2b_of(plumb__hasher *h)
{
    return (crypto_generichash_state *)(void *)h->state;
}

static sha256_state *sha256_of(plumb__hasher *h)
{
    return (sha256_state *)(void *)h->state;
}

void plumb__hash_init(plumb__hasher *h, plumb__hash_kind kind)
{
    h->kind = kind;
    if (kind == PLUMB__BLAKE2B) {
        (void)crypto_generichash_init(blake2b_of(h), NULL, 0, PLUMB__HASH_BYTES);
        return;
    }
#ifdef PLUMB_HAVE_LIBCRYPTO
    (void)SHA256_Init(sha256_of(h));
#else
    (void)crypto_hash_sha256_init(sha256_of(h));
#endif
}

void plumb__hash_update(plumb__hasher *h, const void *data, size_t n)
{
    if (n == 0) return;
    if (h->kind == PLUMB__BLAKE2B) {
        (void)crypto_generichash_update(blake2b_of(h), data, n);
        return;
    }
#ifdef PLUMB_HAVE_LIBCRYPTO
    (void)SHA256_Update(sha256_of(h), data, n);
#else
    (void)crypto_hash_sha256_update(sha256_of(h), data, n);
#endif
}

plumb__hash plumb__hash_final(plumb__hasher *h)
{
    plumb__hash out;
    if (h->kind == PLUMB__BLAKE2B) {
        (void)crypto_generichash_final(blake2b_of(h), out.bytes, sizeof out.bytes);
        return out;
    }
#ifdef PLUMB_HAVE_LIBCRYPTO
    (void)SHA256_Final(out.bytes, sha256_of(h));
#else
    (void)crypto_hash_sha256_final(sha256_of(h), out.bytes);
#endif
    return out;
}

plumb__hash plumb__blake2b(const void *data, size_t n)
{
    plumb__hash out;
    (void)crypto_generichash(out.bytes, sizeof out.bytes, data, n, NULL, 0);
    return out;
}

plumb__hash plumb__sha256(const void *data, size_t n)
{
    plumb__hasher h;
    plumb__hash_init(&h, PLUMB__SHA256);
    plumb__hash_update(&h, data, n);
    return plumb__hash_final(&h);
}

plumb__hash plumb__blake2b_keyed(const void *key, size_t key_bytes, const void *data, size_t n)
{
    plumb__hash out;
    (void)crypto_generichash(out.bytes, sizeof out.bytes, data, n, key, key_bytes);
    return out;
}

bool plumb__hash_equal(const plumb__hash *a, const plumb__hash *b)
{
    return sodium_memcmp(a->bytes, b->bytes, PLUMB__HASH_BYTES) == 0;
}

void plumb__hash_hex(const plumb__hash *h, char out[PLUMB__HASH_HEX_BYTES])
{
    plumb__hex_encode(h->bytes, PLUMB__HASH_BYTES, out);
}

bool plumb__hash_parse(const char *hex, plumb__hash *out)
{
    return strlen(hex) == 2 * PLUMB__HASH_BYTES &&
           plumb__hex_decode(hex, 2 * PLUMB__HASH_BYTES, out->bytes);
}

plumb_status plumb__hash_file(const char *path, plumb__hash *blake2b, plumb__hash *sha256,
                              uint64_t *size_bytes, plumb_error *err)
{
    int fd = -1;
    PLUMB_TRY(plumb__file_open(path, false, &fd, NULL, err));
    plumb__hasher b, s;
    plumb__hash_init(&b, PLUMB__BLAKE2B);
    plumb__hash_init(&s, PLUMB__SHA256);
    uint64_t total = 0;
    uint8_t piece[32768];
    plumb_status status = PLUMB_OK;
    for (;;) {
        size_t got;
        PLUMB_TRY_CLEAN(plumb__fd_read_some(fd, piece, sizeof piece, path, &got, err));
        if (got == 0) break;
        if (blake2b) plumb__hash_update(&b, piece, got);
        if (sha256) plumb__hash_update(&s, piece, got);
        total += got;
    }
    if (blake2b) *blake2b = plumb__hash_final(&b);
    if (sha256) *sha256 = plumb__hash_final(&s);
    if (size_bytes) *size_bytes = total;
cleanup:
    (void)close(fd);
    return status;
}
