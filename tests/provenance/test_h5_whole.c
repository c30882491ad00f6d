/* Aim: provenance.h5 holds what its manifest and its edges say: examples, statements, ledger,
 * index; a changed cell of ledger or index is found; the numpy example of docs/formats/graph.md
 * works as printed. Method: a manifest in memory and random steps (fixed seed); the ledger against
 * a plain sum in double and against one uninterrupted accounting, bit for bit; the index against a
 * scan of all units; slabs of all sizes; cells changed through HDF5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/half.h"
#include "graph_maker.h"
#include "provenance/account.h"
#include "provenance/h5_index.h"
#include "provenance/h5_reader.h"
#include "step_maker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS 60
#define USES 4
static char dir[] = "/tmp/plumb_h5_XXXXXX";
static char path[128];

static plumb__h5_reader *opened(void)
{
    plumb_error err = {0};
    plumb__h5_reader *reader;
    if (plumb__h5_open(path, &reader, &err) != PLUMB_OK) fail_msg("%s", err.message);
    return reader;
}

static void examples_are_those_of_the_manifest(void **state)
{
    (void)state;
    graph_whole(path, STEPS, USES);
    plumb__h5_reader *reader = opened();
    assert_int_equal(plumb__h5_example_count(reader), GRAPH_EXAMPLES);
    const char *const *ids, *const *cohorts, *const *sources, *const *names;
    const uint64_t *offsets;
    const uint32_t *codes;
    size_t n_names;
    assert_int_equal(plumb__h5_example_strings(reader, "id", &ids, NULL), PLUMB_OK);
    assert_int_equal(plumb__h5_example_strings(reader, "cohort", &cohorts, NULL), PLUMB_OK);
    assert_int_equal(plumb__h5_example_strings(reader, "source", &sources, NULL), PLUMB_OK);
    assert_int_equal(plumb__h5_example_annotators(reader, &offsets, &codes, &names, &n_names, NULL),
                     PLUMB_OK);
    assert_int_equal(n_names, 4);
    for (uint64_t i = 0; i < GRAPH_EXAMPLES; i++) {
        char id[32];
        graph_id(i, id);
        assert_string_equal(ids[i], id);
        assert_string_equal(cohorts[i], graph_cohort(i) != NULL ? graph_cohort(i) : "");
        assert_string_equal(sources[i], "");
        assert_int_equal(offsets[i + 1] - offsets[i], graph_annotators(i));
        for (uint64_t a = offsets[i]; a < offsets[i + 1]; a++) {
            const char *const want[] = {"ann", "bob", "çem"};
            assert_string_equal(names[codes[a]], want[i % 2 + (a - offsets[i])]);
        }
    }
    plumb_error err = {0};
    assert_int_equal(plumb__h5_example_strings(reader, "quality", &ids, &err), PLUMB_ERR_ARGUMENT);
    assert_string_equal(err.message, "examples have no strings named quality");
    plumb__h5_reader_free(reader);
    unlink(path);
}

/* Every fifth example has the two segments of graph_maker.c. */
static void segments_are_those_of_the_manifest(void **state)
{
    (void)state;
    const plumb__h5_segments *s = NULL;
    const uint64_t *offsets;
    const uint32_t *codes;
    const char *const *names;
    size_t n_names;
    graph_whole(path, STEPS, USES);
    plumb__h5_reader *reader = opened();
    assert_int_equal(plumb__h5_example_segments(reader, &s, NULL), PLUMB_OK);
    assert_int_equal(plumb__h5_example_annotators(reader, &offsets, &codes, &names, &n_names, NULL),
                     PLUMB_OK);
    assert_int_equal(s->n, 2 * ((GRAPH_EXAMPLES + 4) / 5));
    for (size_t e = 0; e < GRAPH_EXAMPLES; e++)
        assert_int_equal(s->offsets[e + 1] - s->offsets[e], e % 5 == 0 ? 2 : 0);
    for (size_t i = 0; i < s->n; i += 2) {
        assert_true(s->kind[i] == 0 && s->from[i] == 0 && s->to[i] == 4 && s->weight[i] == 0.25);
        assert_true(s->kind[i + 1] == 1 && s->from[i + 1] == 1 && s->weight[i + 1] == 0.75);
        assert_string_equal(s->component[i], "premise");
        assert_string_equal(s->component[i + 1], "");
        assert_string_equal(s->profile[i + 1], "{\"layers\":{}}");
        assert_int_equal(s->annotator_offsets[i + 1] - s->annotator_offsets[i], 0);
        assert_int_equal(s->annotator_offsets[i + 2] - s->annotator_offsets[i + 1], 2);
        assert_string_equal(names[s->annotators[s->annotator_offsets[i + 1] + 1]], "dan");
    }
    plumb__h5_reader_free(reader);
    unlink(path);
}

static void statements_keep_their_bytes(void **state)
{
    (void)state;
    plumb_error err = {0};
    char want[256];
    graph_whole(path, 3, USES);
    plumb__h5_reader *reader = opened();
    const void *data, *again;
    size_t n;
    assert_int_equal(plumb__h5_statement(reader, "certificates", &data, &n, NULL), PLUMB_OK);
    assert_int_equal(n, strlen(GRAPH_CERTIFICATE));
    assert_memory_equal(data, GRAPH_CERTIFICATE, n);
    assert_int_equal(plumb__h5_statement(reader, "manifest.plumb.json", &again, &n, NULL),
                     PLUMB_OK);
    assert_memory_equal(again, GRAPH_ENVELOPE, strlen(GRAPH_ENVELOPE));
    assert_int_equal(plumb__h5_statement(reader, "certificates", &again, &n, NULL), PLUMB_OK);
    assert_ptr_equal(again, data);
    assert_int_equal(plumb__h5_statement(reader, "policy.json", &data, &n, &err),
                     PLUMB_ERR_NOT_FOUND);
    snprintf(want, sizeof want, "%s has no statement policy.json", path);
    assert_string_equal(err.message, want);
    assert_int_equal(plumb__h5_statement(reader, "../units/rows", &data, &n, &err),
                     PLUMB_ERR_NOT_FOUND);
    plumb__h5_reader_free(reader);
    unlink(path);
}

/* The charge of each example as governance.md states it, in double, without the rounding of the
 * sums. */
static void plain_ledger(double *ledger)
{
    plumb__layer_row layers[USES];
    graph_layers(layers, USES);
    for (uint64_t i = 0; i < STEPS; i++) {
        if (graph_superseded(i)) continue;
        made_step made;
        make_random_step(&made, GRAPH_SEED, 1, i, USES, GRAPH_EXAMPLES);
        for (int32_t e = 0; e < GRAPH_EXAMPLES; e++) {
            double a[USES] = {0};
            for (uint32_t u = 0; u < made.step.n_units; u++)
                for (size_t k = 0; k < USES && made.example[u] == e; k++)
                    a[k] += plumb__edge_amplitude(made.norm[u * USES + k], made.mask[u * USES + k],
                                                  made.clip[u * USES + k]);
            for (size_t k = 0; k < USES; k++)
                for (size_t j = 0; j < USES; j++)
                    if (layers[j].weight == layers[k].weight)
                        ledger[e * USES + (int)k] += a[k] * a[j] / (2 * made.nu[k] * made.nu[k]);
        }
    }
}

static void ledger_is_the_sum_of_the_charges(void **state)
{
    (void)state;
    static double plain[GRAPH_EXAMPLES * USES];
    static float whole[GRAPH_EXAMPLES * USES], stored[GRAPH_EXAMPLES * USES];
    plumb__layer_row layers[USES];
    plumb__account *account;
    graph_layers(layers, USES);
    graph_whole(path, STEPS, USES);
    plain_ledger(plain);
    assert_int_equal(
        plumb__account_create(layers, USES, GRAPH_EXAMPLES, MAKER_MAX_UNITS, &account, NULL),
        PLUMB_OK);
    for (uint64_t i = 0; i < STEPS; i++) {
        made_step made;
        make_random_step(&made, GRAPH_SEED, 1, i, USES, GRAPH_EXAMPLES);
        if (!graph_superseded(i)) plumb__ledger_charge(account, whole, &made.step);
    }
    plumb__account_free(account);
    plumb__h5_reader *reader = opened();
    assert_int_equal(plumb__h5_ledger(reader, 0, GRAPH_EXAMPLES, stored, NULL), PLUMB_OK);
    assert_memory_equal(stored, whole, sizeof whole);
    double largest = 0;
    for (size_t i = 0; i < GRAPH_EXAMPLES * USES; i++) {
        assert_true(stored[i] >= plain[i] * (1 - 1e-12));
        assert_true(stored[i] <= plain[i] * (1 + 1e-5));
        if (stored[i] > largest) largest = stored[i];
    }
    assert_true(largest > 0);
    float one[USES];
    assert_int_equal(plumb__h5_ledger(reader, 17, 1, one, NULL), PLUMB_OK);
    assert_memory_equal(one, whole + 17 * USES, sizeof one);
    assert_int_equal(plumb__h5_ledger(reader, GRAPH_EXAMPLES, 1, one, NULL), PLUMB_ERR_ARGUMENT);
    plumb__h5_reader_free(reader);
    unlink(path);
}

static void index_finds_every_unit_of_an_example(void **state)
{
    (void)state;
    graph_whole(path, STEPS, USES);
    plumb__h5_reader *reader = opened();
    uint64_t found = 0, known = 0;
    for (uint32_t e = 0; e < GRAPH_EXAMPLES; e++) {
        const uint64_t *rows;
        uint64_t n, at = 0, first_row = 0;
        assert_int_equal(plumb__h5_example_rows(reader, e, &rows, &n, NULL), PLUMB_OK);
        for (uint64_t i = 0; i < STEPS; i++) {
            made_step made;
            make_random_step(&made, GRAPH_SEED, 1, i, USES, GRAPH_EXAMPLES);
            for (uint32_t u = 0; u < made.step.n_units; u++) {
                known += e == 0 && made.example[u] >= 0;
                if (made.example[u] != (int32_t)e) continue;
                assert_true(at < n);
                assert_int_equal(rows[at++], first_row + u);
            }
            first_row += made.step.n_units;
        }
        assert_int_equal(at, n);
        found += n;
    }
    assert_true(found > 100);
    assert_int_equal(found, known);
    assert_int_equal(plumb__h5_check_index(reader, NULL), PLUMB_OK);
    plumb__h5_reader_free(reader);
    unlink(path);
}

/* ---- slabs ---- */

typedef struct stream {
    plumb__hasher hasher;
    uint64_t ledger_rows, index_rows, calls;
} stream;

static plumb_status take_ledger(void *ctx, uint64_t first, size_t n, const float *spend,
                                plumb_error *err)
{
    stream *s = ctx;
    (void)err;
    assert_int_equal(first, s->ledger_rows);
    s->ledger_rows += n;
    s->calls++;
    plumb__hash_update(&s->hasher, spend, n * USES * sizeof *spend);
    return PLUMB_OK;
}

static plumb_status take_offsets(void *ctx, size_t n, const uint64_t *offsets, plumb_error *err)
{
    stream *s = ctx;
    (void)err;
    plumb__hash_update(&s->hasher, offsets, n * sizeof *offsets);
    return PLUMB_OK;
}

static plumb_status take_rows(void *ctx, uint64_t first, size_t n, const uint64_t *rows,
                              const uint16_t *const edges[3], plumb_error *err)
{
    stream *s = ctx;
    (void)err;
    assert_int_equal(first, s->index_rows);
    s->index_rows += n;
    s->calls++;
    for (size_t i = 0; i < n; i++) {
        plumb__hash_update(&s->hasher, &rows[i], sizeof rows[i]);
        for (size_t c = 0; c < 3; c++)
            plumb__hash_update(&s->hasher, edges[c] + i * USES, USES * sizeof(uint16_t));
    }
    return PLUMB_OK;
}

static void slabs_of_any_size_give_the_same(void **state)
{
    (void)state;
    const size_t slab_bytes[] = {PLUMB__H5_SLAB_BYTES, 1000, 100, 1};
    plumb__hash first = {{0}};
    graph_whole(path, STEPS, USES);
    plumb__h5_reader *reader = opened();
    for (size_t i = 0; i < 4; i++) {
        stream s = {0};
        plumb__hash_init(&s.hasher, PLUMB__BLAKE2B);
        const plumb__h5_index_sink sink = {&s, take_ledger, take_offsets, take_rows};
        assert_int_equal(plumb__h5_index_build(reader, GRAPH_EXAMPLES, slab_bytes[i], &sink, NULL),
                         PLUMB_OK);
        const plumb__hash got = plumb__hash_final(&s.hasher);
        assert_true(i == 0 ? s.calls == 2 : s.calls > 2);
        if (i == 0) first = got;
        assert_memory_equal(got.bytes, first.bytes, sizeof got.bytes);
    }
    plumb__h5_reader_free(reader);
    unlink(path);
}

/* ---- contradictions ---- */

/* Adds 1 to the last byte of one cell of a dataset. */
static void change_cell(const char *dataset, hid_t type, int rank, hsize_t row, hsize_t col)
{
    uint8_t cell[8] = {0};
    const hsize_t start[2] = {row, col}, count[2] = {1, 1};
    const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    const hid_t set = H5Dopen2(file, dataset, H5P_DEFAULT);
    const hid_t on_disk = type > 0 ? H5Tcopy(type) : H5Dget_type(set);
    const hid_t space = H5Dget_space(set), memory = H5Screate_simple(rank, count, NULL);
    assert_true(H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0);
    assert_true(H5Dread(set, on_disk, memory, space, H5P_DEFAULT, cell) >= 0);
    cell[0]++;
    assert_true(H5Dwrite(set, on_disk, memory, space, H5P_DEFAULT, cell) >= 0);
    H5Sclose(memory);
    H5Sclose(space);
    H5Tclose(on_disk);
    H5Dclose(set);
    assert_true(H5Fclose(file) >= 0);
}

static void a_changed_cell_is_found(void **state)
{
    (void)state;
    const struct {
        const char *dataset, *problem;
        int rank;
        hsize_t row, col;
    } cases[] = {
        {"/ledger/spend", "row 7 of /ledger/spend is not what /units and /edges say", 2, 7, 2},
        {"/index/norm", "row 5 of /index/norm is not what /units and /edges say", 2, 5, 1},
        {"/index/mask", "row 0 of /index/mask is not what /units and /edges say", 2, 0, 3},
        {"/index/clip", "row 9 of /index/clip is not what /units and /edges say", 2, 9, 0},
        {"/index/by_example_row",
         "row 4 of /index/by_example_row is not what /units and /edges say", 1, 4, 0},
        {"/index/by_example_offset",
         "row 3 of /index/by_example_offset is not what /units and /edges say", 1, 3, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        plumb_error err = {0};
        char want[512];
        graph_whole(path, STEPS, USES);
        change_cell(cases[i].dataset, 0, cases[i].rank, cases[i].row, cases[i].col);
        plumb__h5_reader *reader = opened();
        assert_int_equal(plumb__h5_check_index(reader, &err), PLUMB_ERR_MISMATCH);
        snprintf(want, sizeof want, "%s: %s", path, cases[i].problem);
        assert_string_equal(err.message, want);
        plumb__h5_reader_free(reader);
        unlink(path);
    }
}

static void an_example_beyond_the_manifest_is_refused(void **state)
{
    (void)state;
    const plumb_manifest manifest = {.records = 10};
    plumb_error err = {0};
    char start[256];
    plumb__h5_writer *writer = graph_write(path, STEPS, USES);
    assert_int_equal(plumb__h5_finish(writer, &manifest, NULL, 0, &err), PLUMB_ERR_MISMATCH);
    snprintf(start, sizeof start, "%s: a unit names example ", path);
    assert_memory_equal(err.message, start, strlen(start));
    assert_non_null(strstr(err.message, ", the manifest has 10"));
    assert_int_equal(plumb__h5_finish(writer, &manifest, NULL, 0, &err), PLUMB_ERR_STATE);
    assert_int_equal(plumb__h5_close(writer, &err), PLUMB_ERR_STATE);
    snprintf(start, sizeof start, "%s is not whole: an earlier write to it failed", path);
    assert_string_equal(err.message, start);
    unlink(path);
}

static void a_long_label_is_its_digest(void **state)
{
    (void)state;
    char *label = malloc(PLUMB__H5_MAX_STRING + 2);
    memset(label, 'x', PLUMB__H5_MAX_STRING + 1);
    label[PLUMB__H5_MAX_STRING + 1] = '\0';
    const plumb_manifest manifest = {.records = GRAPH_EXAMPLES, .long_label = label};
    plumb__h5_writer *writer = graph_write(path, 2, USES);
    assert_int_equal(plumb__h5_finish(writer, &manifest, NULL, 0, NULL), PLUMB_OK);
    assert_int_equal(plumb__h5_close(writer, NULL), PLUMB_OK);
    plumb__h5_reader *reader = opened();
    const char *const *labels;
    char hex[PLUMB__HASH_HEX_BYTES], want[128];
    const plumb__hash digest = plumb__blake2b(label, PLUMB__H5_MAX_STRING + 1);
    plumb__hash_hex(&digest, hex);
    snprintf(want, sizeof want, "blake2b:%s", hex);
    assert_int_equal(plumb__h5_example_strings(reader, "label", &labels, NULL), PLUMB_OK);
    assert_string_equal(labels[3], want);
    assert_string_equal(labels[4], "label 4");
    plumb__h5_reader_free(reader);
    free(label);
    unlink(path);
}

static void an_empty_run_and_an_empty_manifest_work(void **state)
{
    (void)state;
    const plumb_manifest manifest = {.records = 0};
    plumb__h5_writer *writer = graph_write(path, 0, 1);
    assert_int_equal(plumb__h5_finish(writer, &manifest, NULL, 0, NULL), PLUMB_OK);
    assert_int_equal(plumb__h5_close(writer, NULL), PLUMB_OK);
    plumb__h5_reader *reader = opened();
    const char *const *ids;
    assert_int_equal(plumb__h5_example_count(reader), 0);
    assert_int_equal(plumb__h5_example_strings(reader, "id", &ids, NULL), PLUMB_OK);
    assert_int_equal(plumb__h5_check_index(reader, NULL), PLUMB_OK);
    plumb__h5_reader_free(reader);
    unlink(path);
}

static void same_input_makes_the_same_bytes(void **state)
{
    (void)state;
    plumb__bytes a = {0}, b = {0};
    graph_whole(path, STEPS, USES);
    assert_int_equal(plumb__file_read(path, 1u << 30, &a, NULL), PLUMB_OK);
    unlink(path);
    sleep(1); /* a time stamp of whole seconds would differ */
    graph_whole(path, STEPS, USES);
    assert_int_equal(plumb__file_read(path, 1u << 30, &b, NULL), PLUMB_OK);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    plumb__bytes_free(&a);
    plumb__bytes_free(&b);
    unlink(path);
}

/* The block of docs/formats/graph.md is run as it stands there; it prints the spends of example 17.
 */
static void the_example_of_the_document_works(void **state)
{
    (void)state;
    if (system("/usr/bin/python3 -c 'import h5py, numpy' 2>/dev/null") != 0) {
        printf("skipped: /usr/bin/python3 has no h5py (apt-get install python3-h5py)\n");
        skip();
    }
    const char *source = getenv("PLUMB_SOURCE_DIR");
    char command[1024];
    graph_whole(path, STEPS, USES);
    snprintf(command, sizeof command,
             "/usr/bin/python3 %s/tests/provenance/h5_document.py %s %s 17",
             source != NULL ? source : ".", source != NULL ? source : ".", path);
    assert_int_equal(system(command), 0);
    unlink(path);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) return -1;
    snprintf(path, sizeof path, "%s/provenance.h5", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(dir); /* fails when a test left a file behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_are_those_of_the_manifest),
        cmocka_unit_test(segments_are_those_of_the_manifest),
        cmocka_unit_test(statements_keep_their_bytes),
        cmocka_unit_test(ledger_is_the_sum_of_the_charges),
        cmocka_unit_test(index_finds_every_unit_of_an_example),
        cmocka_unit_test(slabs_of_any_size_give_the_same),
        cmocka_unit_test(a_changed_cell_is_found),
        cmocka_unit_test(an_example_beyond_the_manifest_is_refused),
        cmocka_unit_test(a_long_label_is_its_digest),
        cmocka_unit_test(an_empty_run_and_an_empty_manifest_work),
        cmocka_unit_test(same_input_makes_the_same_bytes),
        cmocka_unit_test(the_example_of_the_document_works),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
