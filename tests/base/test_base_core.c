/* Aim: statuses are pinned, errors say what and never carry control characters, allocation refuses
 * overflow, the byte buffer and the bounded reader neither lose nor overrun anything.
 * Method: tables of expected values and exact texts; round trips of random values (seed printed);
 * injected allocation failures at every place. */
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/plumb_random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void statuses_are_pinned(void **state)
{
    (void)state;
    static const struct {
        int number, exit_code;
        const char *name;
    } pinned[] = {
        {0, 0, "PLUMB_OK"},
        {100, 2, "PLUMB_ERR_ARGUMENT"},
        {101, 2, "PLUMB_ERR_VERSION"},
        {102, 2, "PLUMB_ERR_STATE"},
        {103, 3, "PLUMB_ERR_LIMIT"},
        {104, 2, "PLUMB_ERR_UNSUPPORTED"},
        {200, 4, "PLUMB_ERR_IO"},
        {201, 4, "PLUMB_ERR_NO_SPACE"},
        {202, 4, "PLUMB_ERR_EXISTS"},
        {203, 4, "PLUMB_ERR_NOT_FOUND"},
        {204, 4, "PLUMB_ERR_LOCKED"},
        {205, 4, "PLUMB_ERR_NO_MEMORY"},
        {206, 4, "PLUMB_ERR_BLOCKED"},
        {300, 3, "PLUMB_ERR_FORMAT"},
        {301, 3, "PLUMB_ERR_TRUNCATED"},
        {302, 3, "PLUMB_ERR_CORRUPT"},
        {400, 5, "PLUMB_ERR_TRUST"},
        {401, 5, "PLUMB_ERR_SIGNATURE"},
        {402, 5, "PLUMB_ERR_EXPIRED"},
        {403, 5, "PLUMB_ERR_DIGEST"},
        {404, 5, "PLUMB_ERR_KEY"},
        {500, 3, "PLUMB_ERR_POLICY"},
        {501, 3, "PLUMB_ERR_MISMATCH"},
        {600, 6, "PLUMB_ERR_DEVICE"},
        {700, 3, "PLUMB_ERR_NUMERIC"},
        {800, 4, "PLUMB_ERR_COMM"},
    };
    size_t known = 0;
    for (int number = -1; number < 1000; number++) {
        const char *name = plumb_status_name((plumb_status)number);
        if (strcmp(name, "PLUMB_ERR_UNKNOWN") == 0) {
            assert_int_not_equal(plumb_status_exit_code((plumb_status)number), 0);
            continue;
        }
        assert_true(known < sizeof pinned / sizeof *pinned);
        assert_int_equal(number, pinned[known].number);
        assert_string_equal(name, pinned[known].name);
        assert_int_equal(plumb_status_exit_code((plumb_status)number), pinned[known].exit_code);
        known++;
    }
    assert_int_equal(known, sizeof pinned / sizeof *pinned);
    assert_string_equal(plumb_version(), PLUMB_VERSION_TEXT);
}

static void errors_say_what_happened(void **state)
{
    (void)state;
    plumb_error err = {0};
    assert_int_equal(plumb__fail(&err, PLUMB_ERR_FORMAT, "line %d: bad", 7), PLUMB_ERR_FORMAT);
    assert_int_equal(err.status, PLUMB_ERR_FORMAT);
    assert_int_equal(err.os_errno, 0);
    assert_string_equal(err.message, "line 7: bad");
    assert_int_equal(plumb__error_prefix(&err, PLUMB_ERR_TRUST, "record %d", 3), PLUMB_ERR_TRUST);
    assert_string_equal(err.message, "record 3: line 7: bad");
    assert_int_equal(err.status, PLUMB_ERR_TRUST);
    assert_int_equal(plumb__fail(NULL, PLUMB_ERR_KEY, "unheard"), PLUMB_ERR_KEY);
    assert_int_equal(plumb__error_prefix(NULL, PLUMB_ERR_KEY, "unheard"), PLUMB_ERR_KEY);
}

static void system_errors_have_their_status(void **state)
{
    (void)state;
    static const struct {
        int code;
        plumb_status status;
    } map[] = {
        {ENOSPC, PLUMB_ERR_NO_SPACE}, {EDQUOT, PLUMB_ERR_NO_SPACE},  {ENOENT, PLUMB_ERR_NOT_FOUND},
        {EEXIST, PLUMB_ERR_EXISTS},   {ENOMEM, PLUMB_ERR_NO_MEMORY}, {EIO, PLUMB_ERR_IO},
        {EACCES, PLUMB_ERR_IO},
    };
    for (size_t i = 0; i < sizeof map / sizeof *map; i++) {
        plumb_error err = {0};
        errno = map[i].code;
        assert_int_equal(plumb__fail_errno(&err, "cannot open %s", "x"), map[i].status);
        assert_int_equal(err.os_errno, map[i].code);
        errno = map[i].code;
        assert_int_equal(plumb__fail_errno(NULL, "unheard"), map[i].status);
    }
    plumb_error err;
    errno = ENOSPC;
    (void)plumb__fail_errno(&err, "cannot write a/b");
    assert_string_equal(err.message, "cannot write a/b: No space left on device");
}

static void messages_cannot_drive_a_terminal(void **state)
{
    (void)state;
    plumb_error err;
    (void)plumb__fail(&err, PLUMB_ERR_FORMAT, "id \x1b[31mred\n\x7f \xc2\x9b \xff caf\xc3\xa9");
    assert_string_equal(err.message, "id ?[31mred?? ?? ? caf\xc3\xa9");
    /* A message longer than its room ends before, never inside, a character. */
    char text[2 * PLUMB_ERROR_MESSAGE_BYTES];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[sizeof text - 2] = '\0';
    (void)plumb__fail(&err, PLUMB_ERR_FORMAT, "%s", text);
    assert_int_equal(strlen(err.message), PLUMB_ERROR_MESSAGE_BYTES - 2);
    (void)plumb__error_prefix(&err, PLUMB_ERR_FORMAT, "%s", "where");
    assert_memory_equal(err.message, "where: \xc3\xa9", 9);
    assert_int_equal(err.message[PLUMB_ERROR_MESSAGE_BYTES - 1], '\0');
}

static void allocation_is_zeroed_aligned_and_checked(void **state)
{
    (void)state;
    const uint64_t before = plumb__alloc_count();
    plumb_error err;
    uint8_t *p = NULL;
    for (size_t n = 0; n < 300; n += 7) {
        assert_int_equal(plumb__alloc(&p, n, 1, "a test", &err), PLUMB_OK);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, n); /* so that a next block that is not cleared shows */
        plumb__free(p);
    }
    assert_int_equal(plumb__alloc_count() - before, 43);
    plumb__free(NULL);
    assert_int_equal(plumb__alloc(&p, SIZE_MAX / 4, 8, "a table", &err), PLUMB_ERR_NO_MEMORY);
    assert_null(p);
    char expected[128];
    (void)snprintf(expected, sizeof expected, "no memory for a table (%zu x 8 bytes)",
                   SIZE_MAX / 4);
    assert_string_equal(err.message, expected);
    assert_int_equal(plumb__alloc(&p, SIZE_MAX - 10, 1, "a table", NULL), PLUMB_ERR_NO_MEMORY);
    assert_null(p);
    assert_int_equal(plumb__alloc_count() - before, 43);
}

static void injected_failures_hit_the_nth(void **state)
{
    (void)state;
    void *p[3] = {0};
    plumb__alloc_fail_after(2);
    assert_int_equal(plumb__alloc(&p[0], 1, 1, "a", NULL), PLUMB_OK);
    assert_int_equal(plumb__alloc(&p[1], 1, 1, "b", NULL), PLUMB_ERR_NO_MEMORY);
    assert_int_equal(plumb__alloc(&p[2], 1, 1, "c", NULL), PLUMB_OK);
    assert_null(p[1]);
    plumb__free(p[0]);
    plumb__free(p[2]);
}

static void growing_keeps_what_was_there(void **state)
{
    (void)state;
    uint32_t *v = NULL;
    size_t capacity = 0;
    plumb_error err;
    for (uint32_t i = 0; i < 5000; i++) {
        assert_int_equal(plumb__grow(&v, &capacity, i + 1u, sizeof *v, "a list", &err), PLUMB_OK);
        v[i] = i * 3;
    }
    assert_true(capacity >= 5000 && capacity <= 16384);
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(v[i], i * 3);
    const size_t had = capacity;
    uint32_t *const same = v;
    assert_int_equal(plumb__grow(&v, &capacity, SIZE_MAX / 4, sizeof *v, "a list", &err),
                     PLUMB_ERR_NO_MEMORY);
    assert_int_equal(plumb__grow(&v, &capacity, SIZE_MAX / 2, sizeof *v, "a list", &err),
                     PLUMB_ERR_NO_MEMORY);
    assert_ptr_equal(v, same);
    assert_int_equal(capacity, had);
    plumb__alloc_fail_after(1);
    assert_int_equal(plumb__grow(&v, &capacity, had + 1, sizeof *v, "a list", &err),
                     PLUMB_ERR_NO_MEMORY);
    assert_ptr_equal(v, same);
    assert_int_equal(v[4999], 4999 * 3);
    plumb__free(v);
    char *text = NULL;
    assert_int_equal(plumb__strdup(&text, "plumb", NULL), PLUMB_OK);
    assert_string_equal(text, "plumb");
    plumb__free(text);
    assert_int_equal(plumb__memdup(&text, "a\0b", 3, NULL), PLUMB_OK);
    assert_memory_equal(text, "a\0b", 4);
    plumb__free(text);
}

static void stores_are_little_endian(void **state)
{
    (void)state;
    plumb__bytes b = {0};
    plumb__bytes_u8(&b, 0x01);
    plumb__bytes_u16(&b, 0x0302);
    plumb__bytes_u32(&b, 0x07060504);
    plumb__bytes_u64(&b, 0x0f0e0d0c0b0a0908);
    plumb__bytes_f32(&b, 1.0f);
    plumb__bytes_f64(&b, -2.0);
    static const uint8_t golden[] = {1,  2, 3, 4,    5,    6, 7, 8, 9, 10, 11, 12, 13,  14,
                                     15, 0, 0, 0x80, 0x3f, 0, 0, 0, 0, 0,  0,  0,  0xc0};
    assert_int_equal(plumb__bytes_check(&b, NULL), PLUMB_OK);
    assert_int_equal(b.size, sizeof golden);
    assert_memory_equal(b.data, golden, sizeof golden);
    assert_int_equal(plumb__load_u64(golden + 7), 0x0f0e0d0c0b0a0908);
    plumb__bytes_clear(&b);
    assert_string_equal(plumb__bytes_text(&b), "");
    plumb__bytes_append_text(&b, "step ");
    plumb__bytes_appendf(&b, "%d of %s", 3, "many");
    assert_string_equal(plumb__bytes_text(&b), "step 3 of many");
    assert_int_equal(b.size, 14);
    plumb__bytes_free(&b);
    plumb__bytes_free(&b); /* harmless */
    plumb__bytes_free(NULL);
}

static void arrays_come_back(void **state)
{
    (void)state;
    const uint64_t seed = 99;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint64_t round = 0; round < 200; round++) {
        const size_t n = (size_t)(plumb_random_uniform(seed, 0, round) * 50);
        uint16_t h[50], h2[50];
        uint32_t w[50], w2[50];
        float f[50], f2[50];
        double d[50], d2[50];
        for (uint32_t i = 0; i < n; i++) {
            uint32_t r[4];
            plumb_random_block(seed, round + 1, i, r);
            h[i] = (uint16_t)r[0];
            w[i] = r[1];
            memcpy(&f[i], &r[2], 4); /* any bits, NaN too */
            memcpy(&d[i], &r[2], 8);
        }
        plumb__bytes b = {0};
        plumb__bytes_u16s(&b, h, n);
        plumb__bytes_u32s(&b, w, n);
        plumb__bytes_f32s(&b, f, n);
        plumb__bytes_f64s(&b, d, n);
        assert_int_equal(b.size, n * 18);
        plumb__reader r = {b.data, b.size, 0, false};
        plumb__read_u16s(&r, h2, n);
        plumb__read_u32s(&r, w2, n);
        plumb__read_f32s(&r, f2, n);
        plumb__read_f64s(&r, d2, n);
        assert_false(r.failed);
        assert_int_equal(r.at, r.size);
        assert_memory_equal(h, h2, n * 2);
        assert_memory_equal(w, w2, n * 4);
        assert_memory_equal(f, f2, n * 4);
        assert_memory_equal(d, d2, n * 8);
        plumb__bytes_free(&b);
    }
}

static void the_reader_never_passes_the_end(void **state)
{
    (void)state;
    uint8_t data[16];
    memset(data, 0xff, sizeof data);
    for (size_t size = 0; size <= sizeof data; size++) {
        plumb__reader r = {data, size, 0, false};
        const uint64_t first = plumb__read_u64(&r);
        assert_true(first == (size < 8 ? 0 : UINT64_MAX));
        assert_true(r.failed == (size < 8));
        const uint32_t second = plumb__read_u32(&r);
        assert_true(second == (size < 12 ? 0 : UINT32_MAX));
        assert_true(plumb__read_u16(&r) == (size < 14 ? 0 : UINT16_MAX));
        assert_true(plumb__read_u8(&r) == (size < 15 ? 0 : UINT8_MAX));
        assert_true(r.failed == (size < 15));
        assert_true(r.at <= size);
    }
    plumb__reader r = {data, sizeof data, 8, false};
    assert_null(plumb__read_bytes(&r, SIZE_MAX));
    assert_true(r.failed);
    assert_null(plumb__read_bytes(&r, 0)); /* stays failed */
    float f[3] = {1, 2, 3};
    plumb__read_f32s(&r, f, 3);
    assert_true(f[0] == 0 && f[1] == 0 && f[2] == 0);
    plumb__reader empty = {NULL, 0, 0, false};
    plumb__read_u16s(&empty, NULL, 0);
    assert_false(empty.failed);
    assert_true(plumb__read_f64(&empty) == 0);
    assert_true(empty.failed);
}

static void a_failed_buffer_stays_failed_and_says_so(void **state)
{
    (void)state;
    plumb__bytes b = {0};
    plumb__bytes_append(&b, "12345678", 8);
    plumb__alloc_fail_after(1);
    plumb__bytes_append(&b, "a longer text than its room, which is sixteen", 45);
    assert_true(b.failed);
    assert_int_equal(b.size, 8);
    plumb__bytes_u8(&b, 1);
    plumb__bytes_appendf(&b, "%d", 5);
    plumb__bytes_u16s(&b, (const uint16_t[]){1}, 1);
    assert_int_equal(b.size, 8);
    plumb_error err;
    assert_int_equal(plumb__bytes_check(&b, &err), PLUMB_ERR_NO_MEMORY);
    assert_string_equal(err.message, "no memory for a buffer beyond 8 bytes");
    assert_string_equal(plumb__bytes_text(&b), "12345678");
    plumb__bytes_clear(&b);
    plumb__bytes_f64s(&b, NULL, SIZE_MAX / 4); /* n x 8 overflows */
    assert_true(b.failed);
    plumb__bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_are_pinned),
        cmocka_unit_test(errors_say_what_happened),
        cmocka_unit_test(system_errors_have_their_status),
        cmocka_unit_test(messages_cannot_drive_a_terminal),
        cmocka_unit_test(allocation_is_zeroed_aligned_and_checked),
        cmocka_unit_test(injected_failures_hit_the_nth),
        cmocka_unit_test(growing_keeps_what_was_there),
        cmocka_unit_test(stores_are_little_endian),
        cmocka_unit_test(arrays_come_back),
        cmocka_unit_test(the_reader_never_passes_the_end),
        cmocka_unit_test(a_failed_buffer_stays_failed_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
