/* Aim: NAME.tiles gives, for every record of trees of many sizes, the path and the line that the
 * records themselves give, finds every id, and a wrong file is told by name and never followed
 * outside itself. Method: every path of trees of 1 to 70,000 leaves against
 * plumb__merkle_path on all leaf hashes; the header's fields one by one; bytes of the body changed.
 */
#include "manifest_fixture.h"

#include "manifest/proofs/proof.h"
#include "manifest/proofs/tiles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct made {
    plumb__bytes text;
    plumb__hash *leaves;
    size_t n, *starts;
    plumb__records_identity identity;
} made;

/* n records of different lengths; an id in three is written with an escape. */
static void make_records(made *m, size_t n)
{
    memset(m, 0, sizeof *m);
    m->n = n;
    m->leaves = calloc(n, sizeof *m->leaves);
    m->starts = calloc(n + 1, sizeof *m->starts);
    for (size_t i = 0; i < n; i++) {
        const size_t from = m->text.size;
        m->starts[i] = from;
        plumb__bytes_appendf(&m->text, "{\"x\":{\"id\":\"no\"},\"id\":\"%s%zu\",\"pad\":\"%.*s\"}",
                             i % 3 == 0 ? "\\u0072" : "r", i, (int)(i % 11), "aaaaaaaaaaaa");
        m->leaves[i] = plumb__merkle_leaf(m->text.data + from, m->text.size - from);
        plumb__bytes_append_text(&m->text, "\n");
    }
    m->starts[n] = m->text.size;
    records_identify((const char *)m->text.data, m->text.size, n, &m->identity);
}

static void free_records(made *m)
{
    plumb__bytes_free(&m->text);
    free(m->leaves);
    free(m->starts);
}

static void build(const fixture *f, const made *m)
{
    write_bytes(fixture_path(f, "t.jsonl"), m->text.data, m->text.size);
    assert_works(plumb__tiles_build(fixture_path(f, "t.tiles"), fixture_path(f, "t.jsonl"),
                                    &m->identity, err));
}

static void check_record(const plumb__tiles *t, const made *m, size_t i)
{
    plumb__hash path[64], expected[64];
    char id[32];
    size_t n = 0, length = 0;
    uint64_t from = 0;
    uint32_t found[PLUMB__TILES_CANDIDATES];
    assert_works(plumb__tiles_path(t, i, path, &n, err));
    assert_int_equal(n, plumb__merkle_path(m->leaves, m->n, i, expected));
    assert_memory_equal(path, expected, n * sizeof *path);
    assert_works(plumb__tiles_line(t, i, &from, &length, err));
    assert_int_equal(from, m->starts[i]);
    assert_int_equal(from + length + 1, m->starts[i + 1]);
    snprintf(id, sizeof id, "r%zu", i);
    assert_works(plumb__tiles_find(t, id, strlen(id), found, &n, err));
    assert_int_equal(n, 1);
    assert_int_equal(found[0], i);
}

static void check_all(const fixture *f, size_t n, size_t step)
{
    made m;
    plumb__tiles t;
    uint32_t found[PLUMB__TILES_CANDIDATES];
    size_t hits = 0;
    make_records(&m, n);
    build(f, &m);
    assert_works(plumb__tiles_open(fixture_path(f, "t.tiles"), &m.identity, &t, err));
    for (size_t i = 0; i < n; i += step) {
        check_record(&t, &m, i);
    }
    check_record(&t, &m, n - 1);
    assert_works(plumb__tiles_find(&t, "no", 2, found, &hits, err));
    assert_int_equal(hits, 0);
    plumb__tiles_close(&t);
    free_records(&m);
}

static void every_tree(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257, 511, 513, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_all(*state, sizes[i], sizes[i] > 300 ? 37 : 1);
    }
    check_all(*state, 65536, 20011);
    check_all(*state, 70000, 20011); /* the example of tlog-tiles: 273 full tiles, one of 112 */
}

/* Tiles stand where tlog-tiles puts them: tile n of level l begins at hash 256 n of its level. */
static void layout(void **state)
{
    plumb__tiles_layout l;
    (void)state;
    plumb__tiles_lay_out(70000, &l);
    assert_int_equal(l.level_n[0], 273 * 256 + 112);
    assert_int_equal(l.level_n[1], 256 + 17);
    assert_int_equal(l.level_n[2], 1);
    assert_int_equal(l.level_n[3], 0);
    assert_int_equal(l.level_at[1], 128 + 70000 * 32);
    assert_int_equal(l.lines_at, 128 + (70000 + 273 + 1) * 32);
    assert_int_equal(l.file_bytes, l.lines_at + 70001 * 8 + 70000 * 12);
}

static void header(void **state)
{
    plumb__tiles_header h = {.count = 3, .records_bytes = 30}, out;
    uint8_t bytes[PLUMB__TILES_HEADER_BYTES];
    plumb__tiles_layout l;
    (void)state;
    plumb__tiles_lay_out(3, &l);
    plumb__tiles_header_dump(&h, bytes);
    assert_works(plumb__tiles_header_parse("t", bytes, sizeof bytes, l.file_bytes, &out, err));
    assert_memory_equal(&h, &out, sizeof h);
    assert_fails(plumb__tiles_header_parse("t", bytes, 127, 127, &out, err), PLUMB_ERR_TRUNCATED,
                 "t: has 127 bytes, its header alone has 128");
    assert_fails(plumb__tiles_header_parse("t", bytes, sizeof bytes, l.file_bytes - 1, &out, err),
                 PLUMB_ERR_TRUNCATED, "t: has 291 bytes, its 3 records want 292");
    assert_fails(plumb__tiles_header_parse("t", bytes, sizeof bytes, l.file_bytes + 1, &out, err),
                 PLUMB_ERR_FORMAT, "t: has 293 bytes, its 3 records want 292");
    bytes[0] ^= 1;
    assert_fails(plumb__tiles_header_parse("t", bytes, sizeof bytes, l.file_bytes, &out, err),
                 PLUMB_ERR_FORMAT, "t: is no tile store");
    bytes[0] ^= 1;
    bytes[8] = 2;
    assert_fails(plumb__tiles_header_parse("t", bytes, sizeof bytes, l.file_bytes, &out, err),
                 PLUMB_ERR_UNSUPPORTED, "t: is a tile store of version 2, this program knows 1");
    bytes[8] = 1;
    for (size_t i = 16; i < sizeof bytes; i++) {
        bytes[i] ^= 0x10;
        assert_fails(plumb__tiles_header_parse("t", bytes, sizeof bytes, l.file_bytes, &out, err),
                     PLUMB_ERR_CORRUPT, "t: its header is damaged");
        bytes[i] ^= 0x10;
    }
    h.count = UINT64_MAX / 3; /* a count that lies, in a header that is whole */
    plumb__tiles_header_dump(&h, bytes);
    assert_fails(plumb__tiles_header_parse("t", bytes, sizeof bytes, l.file_bytes, &out, err),
                 PLUMB_ERR_LIMIT, "t: its header has 6148914691236517205 records");
    h.count = 4;
    plumb__tiles_header_dump(&h, bytes);
    assert_fails(plumb__tiles_header_parse("t", bytes, sizeof bytes, l.file_bytes, &out, err),
                 PLUMB_ERR_TRUNCATED, "t: has 292 bytes, its 4 records want 344");
}

/* Offsets and numbers that point outside are noticed before anything is read there. */
static void lying_body(void **state)
{
    const fixture *f = *state;
    made m;
    plumb__tiles t;
    plumb__bytes file;
    uint64_t from;
    size_t n;
    char message[700];
    make_records(&m, 5);
    build(f, &m);
    read_bytes(fixture_path(f, "t.tiles"), &file);
    plumb__tiles_layout l;
    plumb__tiles_lay_out(5, &l);
    snprintf(message, sizeof message,
             "%s/t.tiles: the line of record 2 is put outside the records file", f->dir);
    static const uint64_t wrong[] = {0, UINT64_MAX, 1u << 30};
    for (size_t i = 0; i < 3; i++) {
        plumb__store_u64(file.data + l.lines_at + 3 * 8, wrong[i]);
        write_bytes(fixture_path(f, "t.tiles"), file.data, file.size);
        assert_works(plumb__tiles_open(fixture_path(f, "t.tiles"), &m.identity, &t, err));
        assert_fails(plumb__tiles_line(&t, 2, &from, &n, err), PLUMB_ERR_CORRUPT, message);
        plumb__tiles_close(&t);
    }
    snprintf(message, sizeof message, "%s/t.tiles: its index names record 7 of 5", f->dir);
    assert_works(plumb__tiles_open(fixture_path(f, "t.tiles"), &m.identity, &t, err));
    assert_fails(plumb__tiles_line(&t, 7, &from, &n, err), PLUMB_ERR_CORRUPT, message);
    assert_int_equal(truncate(fixture_path(f, "t.tiles"), 200), 0); /* while it is open */
    snprintf(message, sizeof message, "%s/t.tiles ends at offset 288, 16 bytes before it should",
             f->dir);
    assert_fails(plumb__tiles_line(&t, 0, &from, &n, err), PLUMB_ERR_TRUNCATED, message);
    plumb__tiles_close(&t);
    plumb__bytes_free(&file);
    free_records(&m);
}

/* Tiles are made of the signed file only, and nothing is left behind when it is another. */
static void only_of_what_was_signed(void **state)
{
    const fixture *f = *state;
    made m;
    plumb__tiles t;
    char message[700];
    make_records(&m, 5);
    (void)unlink(fixture_path(f, "t.tiles"));
    snprintf(message, sizeof message,
             "%s/t.jsonl: is not the file that was signed: restore it, or sign it as a new version",
             f->dir);
    m.text.data[40] ^= 1;
    write_bytes(fixture_path(f, "t.jsonl"), m.text.data, m.text.size);
    assert_fails(plumb__tiles_build(fixture_path(f, "t.tiles"), fixture_path(f, "t.jsonl"),
                                    &m.identity, err),
                 PLUMB_ERR_DIGEST, message);
    write_bytes(fixture_path(f, "t.jsonl"), m.text.data, m.text.size - 3);
    assert_fails(plumb__tiles_build(fixture_path(f, "t.tiles"), fixture_path(f, "t.jsonl"),
                                    &m.identity, err),
                 PLUMB_ERR_DIGEST, message);
    m.identity.count = UINT32_MAX; /* would be 64 GiB of index */
    m.text.data[40] ^= 1;
    write_bytes(fixture_path(f, "t.jsonl"), m.text.data, m.text.size);
    assert_fails(plumb__tiles_build(fixture_path(f, "t.tiles"), fixture_path(f, "t.jsonl"),
                                    &m.identity, err),
                 PLUMB_ERR_DIGEST, message);
    assert_int_not_equal(access(fixture_path(f, "t.tiles"), F_OK), 0);
    assert_int_not_equal(access(fixture_path(f, "t.tiles.tmp"), F_OK), 0);
    m.identity.count = 5;
    build(f, &m);
    m.identity.root.bytes[0] ^= 1;
    snprintf(message, sizeof message, "%s/t.tiles: is of other records than those that were signed",
             f->dir);
    assert_fails(plumb__tiles_open(fixture_path(f, "t.tiles"), &m.identity, &t, err),
                 PLUMB_ERR_MISMATCH, message);
    free_records(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tree),
        cmocka_unit_test(layout),
        cmocka_unit_test(header),
        cmocka_unit_test(lying_body),
        cmocka_unit_test(only_of_what_was_signed),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
