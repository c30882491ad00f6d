/* Aim: the streaming load gives the same table, digests and messages whatever the number of
 * threads; it names the first bad line of a file of many blocks, calls a changed file changed
 * whatever its lines say, takes 64 bytes a record at most besides distinct texts, and hands out a
 * line only as it was verified. Method: a generated file of 20,000 records over several batches,
 * loaded with one, two and five threads, with errors put at chosen lines; lines read again before
 * and after the file was changed in place; lines of 16 MiB and of one byte more. */
#include "manifest_fixture.h"

#include "base/plumb_threads.h"
#include "manifest/proofs/merkle.h"
#include "manifest/records/record_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

enum { COUNT = 20000 };

static const unsigned thread_counts[] = {1, 2, 5};

/* The lines, and the bytes that their distinct texts take: ended by NUL, in units of 8. */
typedef struct made {
    plumb__bytes text;
    size_t text_bytes;
} made;

static size_t stored(int length)
{
    return ((size_t)length + 8) / 8 * 8;
}

static void make_records(made *out, int count)
{
    *out = (made){0};
    for (int i = 0; i < count; i++) {
        char id[32], text[64];
        out->text_bytes += stored(snprintf(id, sizeof id, "record-%d", i));
        out->text_bytes += stored(snprintf(text, sizeof text, "the text of record number %d", i));
        plumb__bytes_appendf(&out->text,
                             "{\"id\":\"%s\",\"content\":{\"sha256\":\"" DIGEST
                             "\",\"bytes\":%d},\"text\":\"%s\",\"label\":\"label "
                             "%d\",\"rubric\":\"rubric@%d\",\"domain\":\"domain "
                             "%d\",\"batch\":\"batch %d\",\"cohort\":\"cohort %d\","
                             "\"annotators\":[\"ann %d\",\"bob %d\"],\"quality\":0.%02d}\n",
                             id, i % 1000, text, i % 50, i / 1000, i / 1000 % 4, i / 500,
                             i / 500 % 5, i % 20, i % 10, i % 97 + 1);
    }
    assert_int_equal(plumb__bytes_check(&out->text, NULL), PLUMB_OK);
}

typedef struct loaded {
    plumb__taxonomy taxonomy;
    plumb__table table;
    plumb__record_file file;
} loaded;

static plumb_status load(const char *path, const plumb__records_identity *expected, loaded *out,
                         plumb_error *err)
{
    assert_works(plumb__taxonomy_read("taxonomy", NULL, &out->taxonomy, err));
    const plumb_status status =
        plumb__record_file_open(path, expected, NULL, &out->taxonomy, &out->table, &out->file, err);
    if (status != PLUMB_OK) plumb__taxonomy_free(&out->taxonomy);
    return status;
}

static void unload(loaded *l)
{
    plumb__record_file_close(&l->file);
    plumb__table_free(&l->table);
    plumb__taxonomy_free(&l->taxonomy);
}

static const char *text_at(const plumb__table *t, uint32_t string)
{
    return plumb__table_text(t, string);
}

static void check_row(const plumb__table *t, uint32_t i)
{
    char expected[64];
    uint32_t n;
    const plumb__class c = plumb__table_class(t, i);
    (void)snprintf(expected, sizeof expected, "record-%u", i);
    assert_int_equal(plumb__table_find(t, expected), i);
    assert_string_equal(text_at(t, t->id[i]), expected);
    (void)snprintf(expected, sizeof expected, "the text of record number %u", i);
    assert_string_equal(text_at(t, t->text[i]), expected);
    (void)snprintf(expected, sizeof expected, "label %u", i % 50);
    assert_string_equal(text_at(t, t->label[i]), expected);
    (void)snprintf(expected, sizeof expected, "batch %u", i / 500);
    assert_string_equal(text_at(t, c.batch), expected);
    const char *const *names =
        plumb__table_annotators(t, plumb__narrow_at(&t->annotators_of, i), &n);
    (void)snprintf(expected, sizeof expected, "bob %u", i % 10);
    assert_int_equal(n, 2);
    assert_string_equal(names[1], expected);
    assert_true(plumb__values_at(&t->quality, i) == (i % 97 + 1) / 100.0);
    assert_int_equal(plumb__table_content_bytes(t, i), i % 1000);
}

static plumb__records_identity identity_of(const made *m, uint64_t count)
{
    plumb__records_identity out;
    records_identify((const char *)m->text.data, m->text.size, count, &out);
    return out;
}

/* The same digests as a plain walk over the file gives, every row, and 64 bytes a record. */
static void whole_file(void **state)
{
    const fixture *f = *state;
    const char *path = fixture_path(f, "records.jsonl");
    made m;
    make_records(&m, COUNT);
    write_bytes(path, m.text.data, m.text.size);
    const plumb__records_identity expected = identity_of(&m, COUNT);
    for (size_t k = 0; k < sizeof thread_counts / sizeof *thread_counts; k++) {
        loaded l;
        assert_works(plumb_threads_set(thread_counts[k], err));
        assert_works(load(path, k == 0 ? NULL : &expected, &l, err));
        assert_int_equal(l.table.n, COUNT);
        assert_memory_equal(&l.file.identity.sha256, &expected.sha256, sizeof expected.sha256);
        assert_memory_equal(&l.file.identity.blake2b, &expected.blake2b, sizeof expected.blake2b);
        assert_memory_equal(&l.file.identity.root, &expected.root, sizeof expected.root);
        for (uint32_t i = 0; i < COUNT; i++) {
            check_row(&l.table, i);
        }
        assert_int_equal(plumb__table_find(&l.table, "record-20000"), PLUMB_NO_RECORD);
        const uint64_t memory =
            plumb__table_memory(&l.table) + plumb__line_index_memory(&l.file.index);
        if (k > 0) assert_in_range(memory, COUNT * 32, COUNT * 64 + m.text_bytes);
        unload(&l);
    }
    assert_works(plumb_threads_set(0, err));
    plumb__bytes_free(&m.text);
}

/* Where line `number` (from 1) begins. */
static char *line_of(made *m, int number)
{
    char *at = (char *)m->text.data;
    for (int i = 1; i < number; i++) {
        at = strchr(at, '\n') + 1;
    }
    return at;
}

static void assert_load_fails(const fixture *f, const made *m,
                              const plumb__records_identity *expected, plumb_status status,
                              const char *message)
{
    char whole[800];
    const char *path = fixture_path(f, "bad.jsonl");
    write_bytes(path, m->text.data, m->text.size);
    (void)snprintf(whole, sizeof whole, "%s: %s", path, message);
    for (size_t k = 0; k < sizeof thread_counts / sizeof *thread_counts; k++) {
        loaded l;
        assert_works(plumb_threads_set(thread_counts[k], err));
        assert_fails(load(path, expected, &l, err), status, whole);
    }
    assert_works(plumb_threads_set(0, err));
}

/* The first of several, wherever blocks are cut; and what needs the lines before it. */
static void first_bad_line(void **state)
{
    const fixture *f = *state;
    made m;
    make_records(&m, COUNT);
    memcpy(strstr(line_of(&m, 19000), "0."), "NaN", 3);
    memcpy(strstr(line_of(&m, 12345), "record-12344"), "record-11111", 12);
    assert_load_fails(
        f, &m, NULL, PLUMB_ERR_FORMAT,
        "line 12345, column 7: id \"record-11111\" is that of line 11112 already; ids must be "
        "unique");
    memcpy(strstr(line_of(&m, 9), "\"quality\":0."), "\"quality\":7.", 12);
    assert_load_fails(f, &m, NULL, PLUMB_ERR_FORMAT,
                      "line 9, column 290: field \"quality\" must be from 0 to 1, found 7.09");
    plumb__bytes_free(&m.text);
}

/* Bad lines that were signed are bad lines; bad lines that were not are a changed file. */
static void digests_come_first(void **state)
{
    const fixture *f = *state;
    made m;
    make_records(&m, COUNT);
    const plumb__records_identity good = identity_of(&m, COUNT);
    memcpy(strstr(line_of(&m, 7000), "0."), "N.", 2);
    assert_load_fails(
        f, &m, &good, PLUMB_ERR_DIGEST,
        "is not the file that was signed (SHA-256 differs): restore it, or sign it as a new "
        "version");
    const plumb__records_identity bad = identity_of(&m, COUNT);
    assert_load_fails(f, &m, &bad, PLUMB_ERR_FORMAT,
                      "line 7000, column 301: expected a value, found 'N'");
    plumb__records_identity wrong = bad;
    wrong.root.bytes[0] ^= 1;
    assert_load_fails(f, &m, &wrong, PLUMB_ERR_DIGEST,
                      "the statement's tree root is not that of the file");
    wrong = bad;
    wrong.count++;
    assert_load_fails(f, &m, &wrong, PLUMB_ERR_DIGEST,
                      "the statement's number of records is not that of the file");
    plumb__bytes_free(&m.text);
}

/* Trees of every size around the groups of 256. */
static void roots(void **state)
{
    const fixture *f = *state;
    static const int counts[] = {1, 2, 255, 256, 257, 511, 512, 513, 1000, 1024};
    const char *path = fixture_path(f, "small.jsonl");
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        loaded l;
        made m;
        make_records(&m, counts[k]);
        write_bytes(path, m.text.data, m.text.size);
        const plumb__records_identity expected = identity_of(&m, (uint64_t)counts[k]);
        assert_works(load(path, &expected, &l, err));
        unload(&l);
        plumb__bytes_free(&m.text);
    }
}

static void lines_again(void **state)
{
    const fixture *f = *state;
    static const uint32_t numbers[] = {0, 1, 255, 256, 511, 512, 998, 999};
    const char *path = fixture_path(f, "again.jsonl");
    char message[600];
    loaded l;
    made m;
    plumb__hash leaf;
    plumb__bytes line = {0};
    make_records(&m, 1000);
    write_bytes(path, m.text.data, m.text.size);
    assert_works(load(path, NULL, &l, err));
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        const char *expected = line_of(&m, (int)numbers[k] + 1);
        const size_t n = (size_t)(strchr(expected, '\n') - expected);
        plumb__bytes_clear(&line);
        assert_works(plumb__record_file_line(&l.file, numbers[k], &line, &leaf, err));
        assert_int_equal(line.size, n);
        assert_memory_equal(line.data, expected, n);
        const plumb__hash expected_leaf = plumb__merkle_leaf(expected, n);
        assert_true(plumb__hash_equal(&leaf, &expected_leaf));
    }
    plumb__bytes_clear(&line);
    assert_works(plumb__record_file_read(&l.file, &line, err));
    assert_memory_equal(line.data, m.text.data, m.text.size);
    /* One byte of the second group, in place: its lines are refused, the others are not. */
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "X", 1, line_of(&m, 300) + 20 - (char *)m.text.data), 1);
    (void)snprintf(message, sizeof message,
                   "%s: was changed since it was verified; open the manifest again", path);
    plumb__bytes_clear(&line);
    assert_works(plumb__record_file_line(&l.file, 255, &line, &leaf, err));
    const size_t before = line.size;
    assert_fails(plumb__record_file_line(&l.file, 256, &line, &leaf, err), PLUMB_ERR_DIGEST,
                 message);
    assert_fails(plumb__record_file_line(&l.file, 256, NULL, &leaf, err), PLUMB_ERR_DIGEST,
                 message);
    assert_fails(plumb__record_file_read(&l.file, &line, err), PLUMB_ERR_DIGEST, message);
    assert_int_equal(line.size, before);
    assert_int_equal(ftruncate(fd, (off_t)m.text.size / 2), 0);
    assert_fails(plumb__record_file_line(&l.file, 999, &line, &leaf, err), PLUMB_ERR_DIGEST,
                 message);
    /* What was renamed over it is another file: the open one stays. */
    (void)close(fd);
    unload(&l);
    plumb__bytes_free(&line);
    plumb__bytes_free(&m.text);
}

static void longest_lines(void **state)
{
    const fixture *f = *state;
    static const char head[] = "{\"id\":\"a\",\"private\":\"" DIGEST "\",\"text\":\"";
    static const char tail[] = "\"}\n{\"id\":\"b\",\"private\":\"" DIGEST "\"}\n";
    const char *path = fixture_path(f, "long.jsonl");
    char message[600];
    const size_t cap = PLUMB__RECORD_LINE_CAP;
    char *text = malloc(cap + 200);
    loaded l;
    assert_non_null(text);
    memcpy(text, head, sizeof head - 1);
    memset(text + sizeof head - 1, 'x', cap + 1 - (sizeof head - 1));
    memcpy(text + cap - 2, tail, sizeof tail - 1);
    write_bytes(path, text, cap - 2 + sizeof tail - 1);
    assert_works(load(path, NULL, &l, err));
    assert_int_equal(l.table.n, 2);
    assert_int_equal(strlen(text_at(&l.table, l.table.text[0])), cap - sizeof head - 1);
    assert_int_equal(plumb__table_find(&l.table, "b"), 1);
    unload(&l);
    memcpy(text + cap - 2, "x\"}\n", 4);
    write_bytes(path, text, cap + 2);
    (void)snprintf(message, sizeof message,
                   "%s: line 1, column 1: the line has more than 16777216 bytes", path);
    assert_fails(load(path, NULL, &l, err), PLUMB_ERR_LIMIT, message);
    /* A line without end: nothing of it is kept. */
    assert_int_equal(truncate(path, (off_t)1 << 32), 0);
    assert_fails(load(path, NULL, &l, err), PLUMB_ERR_LIMIT, message);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_file),         cmocka_unit_test(first_bad_line),
        cmocka_unit_test(digests_come_first), cmocka_unit_test(roots),
        cmocka_unit_test(lines_again),        cmocka_unit_test(longest_lines),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
