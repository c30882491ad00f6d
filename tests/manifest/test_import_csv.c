/* Aim: the CSV reader gives back what a writer put in, says where a row is wrong, and ends in good
 * order whatever it is fed; an import that runs out of memory leaves nothing behind. Method: random
 * tables (seed printed) written by a few lines of quoting and read back; caps at their edge; random
 * bytes; every allocation of an import made to fail in turn. */
#include "base/alloc.h"
#include "base/file.h"
#include "manifest/import/import_csv.h"
#include "manifest/plumb_import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[200], path[256];
static uint32_t seed = 77;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    (void)state;
    snprintf(folder, sizeof folder, "%.150s/plumb-csv-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.csv", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return plumb__dir_remove(folder, NULL) == PLUMB_OK ? 0 : -1;
}

static void put(const void *data, size_t n)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

/* ---- round trip ---- */

enum { ROWS = 40, COLUMNS = 7 };
static char cells[ROWS][COLUMNS][64];

static void make_cell(char *out)
{
    static const char *const pieces[] = {
        "a", "\"", ",", "\n", "\r\n", "\r", " ", "\t", "\xc3\xa4", "\xf0\x9f\x98\x80", "word", ""};
    out[0] = 0;
    for (uint32_t n = draw(7); n > 0; n--)
        strcat(out, pieces[draw(12)]);
}

static void write_cell(plumb__bytes *out, const char *cell)
{
    const bool quote = strpbrk(cell, "\",\r\n") != NULL || draw(4) == 0;
    if (quote) plumb__bytes_u8(out, '"');
    for (; *cell; cell++) {
        if (*cell == '"') plumb__bytes_u8(out, '"');
        plumb__bytes_u8(out, (uint8_t)*cell);
    }
    if (quote) plumb__bytes_u8(out, '"');
}

static void round_trip(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        const uint32_t first = seed, rows = 1 + draw(ROWS), columns = 2 + draw(COLUMNS - 1);
        const char *end = draw(2) ? "\r\n" : "\n";
        plumb__bytes text = {0};
        plumb__csv csv;
        bool more = true;
        if (draw(2)) plumb__bytes_append_text(&text, "\xef\xbb\xbf");
        for (uint32_t r = 0; r < rows; r++) {
            for (uint32_t c = 0; c < columns; c++) {
                make_cell(cells[r][c]);
                if (c > 0) plumb__bytes_u8(&text, ',');
                write_cell(&text, cells[r][c]);
            }
            if (r + 1 < rows || draw(2)) plumb__bytes_append_text(&text, end);
        }
        put(text.data, text.size);
        assert_int_equal(plumb__csv_open(&csv, path, ',', true, NULL), PLUMB_OK);
        for (uint32_t r = 0; r < rows; r++) {
            assert_int_equal(plumb__csv_next(&csv, &more, NULL), PLUMB_OK);
            if (!more || csv.n_fields != columns) fail_msg("seed %u row %u", first, r);
            for (uint32_t c = 0; c < columns; c++)
                assert_string_equal(plumb__csv_field(&csv, c), cells[r][c]);
        }
        assert_int_equal(plumb__csv_next(&csv, &more, NULL), PLUMB_OK);
        assert_false(more);
        plumb__csv_close(&csv);
        plumb__bytes_free(&text);
    }
}

static void tabs_without_quoting(void **state)
{
    static const char text[] = "a\t\"b\n\"\t\r\n";
    plumb__csv csv;
    bool more;
    (void)state;
    put(text, sizeof text - 1);
    assert_int_equal(plumb__csv_open(&csv, path, '\t', false, NULL), PLUMB_OK);
    assert_int_equal(plumb__csv_next(&csv, &more, NULL), PLUMB_OK);
    assert_string_equal(plumb__csv_field(&csv, 1), "\"b");
    assert_int_equal(plumb__csv_next(&csv, &more, NULL), PLUMB_OK);
    assert_string_equal(plumb__csv_field(&csv, 0), "\"");
    assert_string_equal(plumb__csv_field(&csv, 1), "");
    assert_int_equal(csv.line, 2);
    plumb__csv_close(&csv);
}

/* ---- caps and noise ---- */

static plumb_status read_all(plumb_error *err)
{
    plumb__csv csv;
    bool more = true;
    plumb_status status = plumb__csv_open(&csv, path, ',', true, err);
    assert_int_equal(status, PLUMB_OK);
    while (status == PLUMB_OK && more)
        status = plumb__csv_next(&csv, &more, err);
    plumb__csv_close(&csv);
    return status;
}

static void caps(void **state)
{
    const size_t most = PLUMB__CSV_MAX_FIELD_BYTES;
    plumb_error err = {0};
    char *big = NULL, expected[400];
    (void)state;
    assert_int_equal(plumb__alloc(&big, most + 1, 1, "a test", NULL), PLUMB_OK);
    memset(big, 'x', most + 1);
    put(big, most);
    assert_int_equal(read_all(&err), PLUMB_OK);
    put(big, most + 1);
    assert_int_equal(read_all(&err), PLUMB_ERR_LIMIT);
    snprintf(expected, sizeof expected,
             "%s: line 1 column 1: a field of more than 16777216 bytes; is a quote left open?",
             path);
    assert_string_equal(err.message, expected);
    memset(big, ',', PLUMB__CSV_MAX_COLUMNS);
    put(big, PLUMB__CSV_MAX_COLUMNS - 1);
    assert_int_equal(read_all(&err), PLUMB_OK);
    put(big, PLUMB__CSV_MAX_COLUMNS);
    assert_int_equal(read_all(&err), PLUMB_ERR_LIMIT);
    snprintf(expected, sizeof expected,
             "%s: line 1: more than 4096 columns; is the separator right?", path);
    assert_string_equal(err.message, expected);
    plumb__free(big);
}

/* A malformed row is passed over: as many rows come out as there are line ends outside quotes. */
static void noise(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        static const char letters[] = "a,\"\n\r\t\xc3\xa4\xff\xf0";
        char text[120];
        const uint32_t n = 1 + draw(sizeof text - 1);
        plumb__csv csv;
        bool more = true;
        int rows = 0;
        for (uint32_t i = 0; i < n; i++)
            text[i] = letters[draw(sizeof letters)]; /* its NUL too */
        put(text, n);
        assert_int_equal(plumb__csv_open(&csv, path, ',', true, NULL), PLUMB_OK);
        for (;;) {
            const plumb_status status = plumb__csv_next(&csv, &more, NULL);
            if (status == PLUMB_ERR_TRUNCATED || !more) break;
            assert_true(status == PLUMB_OK || status == PLUMB_ERR_FORMAT);
            assert_true(csv.n_fields > 0 && csv.line > 0);
            assert_true(++rows <= 120);
        }
        plumb__csv_close(&csv);
    }
}

static void out_of_memory(void **state)
{
    static const char table[] = "n,text,who,label\n1,<v>a</v>b,ann,x\n1,ab,bob,y\n2,c,ann,x\n";
    static const char map[] =
        "{\"id\":\"{n}\",\"content\":{\"columns\":[\"text\"]},\"annotator\":\"who\",\"label\":"
        "\"label\",\"spans\":{\"open\":\"<v>\",\"close\":\"</v>\",\"columns\":[\"text\"],"
        "\"segments\":true}}";
    char map_path[256], out[256], report[256];
    plumb_import_options o;
    plumb_import_summary summary;
    plumb_error err = {0};
    plumb_status status = PLUMB_ERR_NO_MEMORY;
    (void)state;
    snprintf(map_path, sizeof map_path, "%s/map.json", folder);
    snprintf(out, sizeof out, "%s/out.jsonl", folder);
    snprintf(report, sizeof report, "%s/report.json", folder);
    put(table, sizeof table - 1);
    assert_int_equal(plumb__file_write_atomic(map_path, map, sizeof map - 1, 0600, NULL), 0);
    plumb_import_options_default(&o);
    o.input_path = path;
    o.mapping_path = map_path;
    o.records_path = out;
    o.report_path = report;
    o.keep_annotators = true;
    o.consensus = PLUMB_IMPORT_DAWID_SKENE;
    long n = 1;
    for (; status != PLUMB_OK; n++) {
        plumb__alloc_fail_after(n);
        status = plumb_import(&o, &summary, &err);
        plumb__alloc_fail_after(0);
        if (status == PLUMB_OK) break;
        assert_int_equal(status, PLUMB_ERR_NO_MEMORY);
        assert_int_equal(access(out, F_OK) == 0 || access(report, F_OK) == 0, 0);
    }
    assert_true(n > 20);
    assert_int_equal(summary.records, 2);
    o.version = 2;
    assert_int_equal(plumb_import(&o, &summary, &err), PLUMB_ERR_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(tabs_without_quoting),
        cmocka_unit_test(caps), cmocka_unit_test(noise), cmocka_unit_test(out_of_memory)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
