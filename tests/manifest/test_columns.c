/* Aim: what the table is made of keeps what was put in: texts by number, short and long; columns
 * that widen; sets that are found again. Method: random values against plain arrays, across every
 * change of layout; sizes asserted. */
#include "manifest_fixture.h"

#include "base/alloc.h"
#include "base/plumb_random.h"
#include "manifest/records/narrow.h"
#include "manifest/records/arena.h"
#include "manifest/records/pool.h"
#include "manifest/records/records.h"
#include "manifest/records/values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t counter;

static uint32_t draw(uint32_t below)
{
    uint32_t out[4];
    plumb_random_block(20261122, 4, counter++, out);
    return out[0] % below;
}

static uint32_t add(plumb__pool *pool, const char *text, size_t n)
{
    uint32_t number = 0;
    assert_works(plumb__pool_add(pool, plumb__pool_hash(pool, text, n), text, n, &number, err));
    return number;
}

static void texts(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    plumb__pool pool;
    static uint32_t numbers[COUNT];
    char text[64];
    assert_works(plumb__pool_init(&pool, err));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            const int n = snprintf(text, sizeof text, "%d-%.*s", i, i % 40,
                                   "0123456789012345678901234567890123456789");
            const uint32_t number = add(&pool, text, (size_t)n);
            if (round == 0) numbers[i] = number;
            assert_int_equal(number, numbers[i]);
            assert_string_equal(plumb__pool_text(&pool, number), text);
            assert_int_equal((uintptr_t)plumb__pool_text(&pool, number) % 8, 0);
        }
    }
    assert_int_equal(pool.n, COUNT);
    assert_int_equal(add(&pool, "", 0), add(&pool, "x", 0));
    assert_int_not_equal(add(&pool, "a", 1), add(&pool, "ab", 2));
    plumb__pool_settle(&pool);
    assert_string_equal(plumb__pool_text(&pool, numbers[7]), "7-0123456");
    assert_null(plumb__pool_text(&pool, PLUMB__POOL_NONE));
    plumb__pool_free(&pool);
}

/* Around the size of a chunk, and over many. */
static void long_texts(void **state)
{
    (void)state;
    static const size_t sizes[] = {65527,  65528,   65535, 65536, 65537,   131071,
                                   131072, 1000000, 3,     65528, 16777216};
    plumb__pool pool;
    char *text = malloc(16777217);
    uint32_t numbers[sizeof sizes / sizeof *sizes];
    assert_non_null(text);
    assert_works(plumb__pool_init(&pool, err));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(text, 'a' + (int)i, sizes[i]);
        assert_works(plumb__pool_put(&pool, text, sizes[i], &numbers[i], err));
        (void)add(&pool, "between", 7);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const char *kept = plumb__pool_text(&pool, numbers[i]);
        assert_int_equal(strlen(kept), sizes[i]);
        assert_int_equal(kept[0], 'a' + (int)i);
        assert_int_equal(kept[sizes[i] - 1], 'a' + (int)i);
    }
    plumb__pool_free(&pool);
    free(text);
}

static bool same_number(double a, double b)
{
    return isnan(a) ? isnan(b) : memcmp(&a, &b, sizeof a) == 0;
}

static void values(void **state)
{
    (void)state;
    enum { ROWS = 90000 };
    static double expected[ROWS];
    plumb__values column = {0};
    assert_true(isnan(plumb__values_at(&column, 0)));
    assert_works(plumb__values_reserve(&column, ROWS, err));
    for (size_t i = 0; i < ROWS; i++) {
        /* Few values at first, then each row its own: the column has to widen on the way. */
        expected[i] = i < 1000 ? (i % 7 == 0 ? (double)NAN : (double)(i % 5) / 4) : (double)i / 3;
        if (i % 9 == 8) expected[i] = -0.0;
        assert_works(plumb__values_set(&column, i, expected[i], err));
        if (i == 999) assert_true(plumb__values_memory(&column) < ROWS * 2 + 2048);
    }
    plumb__values_settle(&column);
    for (size_t i = 0; i < ROWS; i++) {
        assert_true(same_number(plumb__values_at(&column, i), expected[i]));
    }
    assert_non_null(column.wide);
    plumb__values_free(&column);
    assert_works(plumb__values_set(&column, 10, 0.5, err)); /* rows before it are not stated */
    assert_true(isnan(plumb__values_at(&column, 9)));
    assert_true(plumb__values_at(&column, 10) == 0.5);
    assert_works(plumb__values_set(&column, 3, 2.0, err));
    assert_true(plumb__values_at(&column, 3) == 2.0 && isnan(plumb__values_at(&column, 11)));
    plumb__values_free(&column);
}

static void narrow_columns(void **state)
{
    (void)state;
    enum { ROWS = 3000 };
    static uint32_t expected[ROWS];
    plumb__narrow column = {0};
    for (size_t i = 0; i < ROWS; i++) {
        assert_works(plumb__narrow_reserve(&column, i < 100 ? 100 : i < 1000 ? 1000 : ROWS, err));
        expected[i] = i % 11 == 0 ? UINT32_MAX
                      : i < 500   ? draw(65535)
                      : i == 500  ? 65535
                                  : draw(UINT32_MAX);
        assert_works(plumb__narrow_set(&column, i, expected[i], err));
        if (i == 499) assert_int_equal(plumb__narrow_memory(&column), 1000 * sizeof(uint16_t));
        if (i == 500) assert_int_equal(plumb__narrow_memory(&column), 1000 * sizeof(uint32_t));
    }
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(plumb__narrow_at(&column, i), expected[i]);
    }
    plumb__narrow_free(&column);
}

static void content_lengths(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {
        0,          1,          65534,      65535,      65536,
        4294967293, 4294967294, 4294967295, 4294967296, PLUMB__NO_CONTENT,
        INT64_MAX,  7};
    enum { COUNT = sizeof lengths / sizeof *lengths };
    plumb__table t;
    assert_works(plumb__table_init(&t, err));
    assert_works(plumb__table_reserve(&t, COUNT, err));
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_works(plumb__table_set_content(&t, i, lengths[i], err));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(plumb__table_content_bytes(&t, i) == lengths[i]);
    }
    plumb__table_free(&t);
}

static void pieces_of_an_arena(void **state)
{
    (void)state;
    plumb__arena arena = {0};
    char *pieces[300];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 300; i++) {
            const size_t n = i * i % 5000;
            pieces[i] = plumb__arena_take(&arena, n);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 8, 0);
            memset(pieces[i], (int)i, n);
        }
        for (size_t i = 0; i < 300; i++) {
            for (size_t k = 0; k < i * i % 5000; k++) {
                assert_int_equal((unsigned char)pieces[i][k], (unsigned char)i);
            }
        }
        plumb__arena_reset(&arena, (size_t)1 << 20);
    }
    assert_null(plumb__arena_take(&arena, SIZE_MAX));
    const uint64_t before = plumb__alloc_count();
    for (int i = 0; i < 100; i++) {
        char *piece = plumb__arena_take(&arena, 4000);
        assert_non_null(piece);
        plumb__arena_trim(&arena, piece, 8);
    }
    assert_int_equal(plumb__alloc_count(), before);
    plumb__arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),           cmocka_unit_test(long_texts),
        cmocka_unit_test(values),          cmocka_unit_test(narrow_columns),
        cmocka_unit_test(content_lengths), cmocka_unit_test(pieces_of_an_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
