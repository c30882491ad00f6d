/* Aim: BLAKE2b-256 and SHA-256 are the standard functions, in one piece or many; secrets are wiped.
 * Method: published vectors (FIPS 180-4 examples; BLAKE2b-256 as b2sum -l 256 prints it), agreement
 * of every way to split the same input, files against memory. */
#include "base/file.h"
#include "base/hash.h"
#include "base/plumb_random.h"
#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_hex(plumb__hash h, const char *hex)
{
    char text[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(&h, text);
    assert_string_equal(text, hex);
}

static void known_answers(void **state)
{
    (void)state;
    assert_int_equal(plumb__crypto_init(NULL), PLUMB_OK);
    assert_int_equal(plumb__crypto_init(NULL), PLUMB_OK);
    assert_hex(plumb__sha256("", 0),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hex(plumb__sha256("abc", 3),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hex(plumb__blake2b("", 0),
               "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    assert_hex(plumb__blake2b("abc", 3),
               "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

static void every_split_agrees(void **state)
{
    (void)state;
    const uint64_t seed = 5;
    print_message("seed %llu\n", (unsigned long long)seed);
    uint8_t data[1000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + 3);
    for (uint64_t round = 0; round < 300; round++) {
        const size_t n = (size_t)(plumb_random_uniform(seed, 0, round) * sizeof data);
        plumb__hasher b, s;
        plumb__hash_init(&b, PLUMB__BLAKE2B);
        plumb__hash_init(&s, PLUMB__SHA256);
        for (size_t at = 0, k = 1; at < n; k++) {
            size_t take = (size_t)(plumb_random_uniform(seed, round + 1, k) * 200);
            if (take > n - at) take = n - at;
            plumb__hash_update(&b, data + at, take);
            plumb__hash_update(&s, data + at, take);
            at += take;
        }
        const plumb__hash b1 = plumb__hash_final(&b), b2 = plumb__blake2b(data, n);
        const plumb__hash s1 = plumb__hash_final(&s), s2 = plumb__sha256(data, n);
        assert_true(plumb__hash_equal(&b1, &b2));
        assert_true(plumb__hash_equal(&s1, &s2));
        assert_false(plumb__hash_equal(&b1, &s1));
    }
}

static void keyed_hashes_depend_on_the_key(void **state)
{
    (void)state;
    const plumb__hash plain = plumb__blake2b("x", 1), one = plumb__blake2b_keyed("k1", 2, "x", 1);
    const plumb__hash two = plumb__blake2b_keyed("k2", 2, "x", 1);
    assert_false(plumb__hash_equal(&plain, &one));
    assert_false(plumb__hash_equal(&one, &two));
    /* RFC 7693 reference implementation: blake2b(b"", digest_size=32, key=bytes(range(32))). */
    uint8_t key[32];
    for (uint8_t i = 0; i < 32; i++)
        key[i] = i;
    assert_hex(plumb__blake2b_keyed(key, 32, "", 0),
               "4e51e7a913fc80137da52880fecca175bf81e117d5c68126dc2774033517ea0d");
}

static void only_full_lower_case_hex_is_a_digest(void **state)
{
    (void)state;
    const plumb__hash h = plumb__sha256("abc", 3);
    plumb__hash back;
    char text[PLUMB__HASH_HEX_BYTES + 1];
    plumb__hash_hex(&h, text);
    assert_true(plumb__hash_parse(text, &back));
    assert_true(plumb__hash_equal(&h, &back));
    text[0] = 'B';
    assert_false(plumb__hash_parse(text, &back));
    text[0] = 'b';
    text[63] = '\0';
    assert_false(plumb__hash_parse(text, &back));
    (void)snprintf(text, sizeof text, "%064d0", 0);
    assert_false(plumb__hash_parse(text, &back));
}

static void files_hash_as_memory_does(void **state)
{
    (void)state;
    char path[] = "/tmp/plumb-hash-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    const size_t n = 100001; /* not a multiple of any block */
    uint8_t *data = malloc(n);
    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)(i >> 3);
    assert_int_equal(plumb__fd_write_all(fd, data, n, path, NULL), PLUMB_OK);
    (void)close(fd);
    plumb__hash b, s;
    uint64_t size = 0;
    plumb_error err;
    assert_int_equal(plumb__hash_file(path, &b, &s, &size, &err), PLUMB_OK);
    const plumb__hash b2 = plumb__blake2b(data, n), s2 = plumb__sha256(data, n);
    assert_true(plumb__hash_equal(&b, &b2));
    assert_true(plumb__hash_equal(&s, &s2));
    assert_int_equal(size, n);
    assert_int_equal(plumb__hash_file(path, NULL, NULL, NULL, &err), PLUMB_OK);
    free(data);
    (void)unlink(path);
    assert_int_equal(plumb__hash_file("/nonexistent/x", &b, NULL, NULL, &err), PLUMB_ERR_NOT_FOUND);
    assert_string_equal(err.message, "cannot open /nonexistent/x: No such file or directory");
    assert_int_equal(plumb__hash_file("/dev/null", &b, NULL, NULL, &err), PLUMB_ERR_FORMAT);
}

static void secrets_have_a_place(void **state)
{
    (void)state;
    uint8_t *secret = NULL;
    assert_int_equal(plumb__secret_alloc(&secret, 32, "a key", NULL), PLUMB_OK);
    assert_non_null(secret);
    plumb__random_bytes(secret, 32);
    uint8_t sum = 0;
    for (size_t i = 0; i < 32; i++)
        sum |= secret[i];
    assert_int_not_equal(sum, 0); /* wrong once in 2^256 */
    plumb__wipe(secret, 32);
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(secret[i], 0);
    plumb__secret_free(secret);
    plumb__secret_free(NULL);
    plumb_error err;
    assert_int_equal(plumb__secret_alloc(&secret, SIZE_MAX - 1, "a key", &err),
                     PLUMB_ERR_NO_MEMORY);
    assert_null(secret);
    assert_string_equal(err.message, "no protected memory for a key (18446744073709551614 bytes)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(every_split_agrees),
        cmocka_unit_test(keyed_hashes_depend_on_the_key),
        cmocka_unit_test(only_full_lower_case_hex_is_a_digest),
        cmocka_unit_test(files_hash_as_memory_does),
        cmocka_unit_test(secrets_have_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
