/* Aim: a graph gives back, bit for bit, the steps and texts that were put in; the same input makes
 * the same file; wrong use is refused with its message; h5py sees the same numbers. Method: random
 * steps (seed printed) of several shapes, written, read in order, backwards and at random, and
 * encoded again for their digest; files compared byte by byte; h5_check.py run by the system's
 * python3 where that has h5py (skipped with the reason otherwise). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/half.h"
#include "base/plumb_random.h"
#include "graph_maker.h"
#include "provenance/h5_reader.h"
#include "step_maker.h"

#include <hdf5.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint64_t seed = GRAPH_SEED;
static char dir[] = "/tmp/plumb_h5_XXXXXX";
static char path[128];

static const char *file_in_dir(char *room, const char *name)
{
    snprintf(room, 128, "%s/%s", dir, name);
    return room;
}

static plumb__hash digest_of(const plumb__step *step)
{
    plumb__bytes bytes = {0};
    plumb__step_encode(step, &bytes);
    const plumb__hash digest = plumb__blake2b(bytes.data, bytes.size);
    plumb__bytes_free(&bytes);
    return digest;
}

static void check_step(plumb__h5_reader *reader, uint64_t i, uint32_t n_uses)
{
    plumb_error err = {0};
    made_step made;
    plumb__step step;
    make_random_step(&made, seed, 1, i, n_uses, GRAPH_EXAMPLES);
    assert_int_equal(plumb__h5_step(reader, i, &step, &err), PLUMB_OK);
    const plumb__hash want = digest_of(&made.step), got = digest_of(&step);
    assert_memory_equal(got.bytes, want.bytes, sizeof want.bytes);
    assert_int_equal(step.n_scalars, made.step.n_scalars);
    assert_memory_equal(step.clip, made.clip, 2u * made.step.n_units * n_uses);
}

static void steps_come_back_bit_for_bit(void **state)
{
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    const struct {
        uint64_t steps;
        uint32_t uses;
    } shapes[] = {{0, 1}, {1, 1}, {7, 3}, {300, 8}, {9000, 2}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const uint64_t n = shapes[s].steps;
        graph_segment(path, n, shapes[s].uses);
        plumb__h5_reader *reader;
        assert_int_equal(plumb__h5_open(path, &reader, NULL), PLUMB_OK);
        assert_string_equal(plumb__h5_run_id(reader), GRAPH_RUN_ID);
        assert_int_equal(plumb__h5_step_count(reader), n);
        assert_int_equal(plumb__h5_layer_count(reader), shapes[s].uses);
        uint64_t units = 0;
        for (uint64_t i = 0; i < n; i++) {
            const plumb__h5_step_row *row = &plumb__h5_steps(reader)[i];
            assert_int_equal(row->leaf, 2 * i + 2);
            assert_int_equal(row->first_row, units);
            assert_int_equal(row->superseded, graph_superseded(i));
            assert_int_equal(row->time_ns, i * 1000);
            units += row->units;
            check_step(reader, i, shapes[s].uses);
        }
        assert_int_equal(plumb__h5_unit_count(reader), units);
        for (uint64_t i = n; i > 0 && n < 1000; i--)
            check_step(reader, i - 1, shapes[s].uses);
        for (uint64_t i = 0; i < 50 && n > 0; i++)
            check_step(reader, (uint64_t)(plumb_random_uniform(seed, 9, i) * (double)n),
                       shapes[s].uses);
        plumb__h5_reader_free(reader);
        unlink(path);
    }
}

static void layers_come_back(void **state)
{
    (void)state;
    plumb__layer_row want[5];
    graph_layers(want, 5);
    graph_segment(path, 2, 5);
    plumb__h5_reader *reader;
    assert_int_equal(plumb__h5_open(path, &reader, NULL), PLUMB_OK);
    const plumb__layer_row *got = plumb__h5_layers(reader);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(got[i].name, want[i].name);
        assert_string_equal(got[i].kind, want[i].kind);
        assert_true(got[i].depth == want[i].depth);
        assert_int_equal(got[i].rows, want[i].rows);
        assert_int_equal(got[i].params, want[i].params);
        assert_int_equal(got[i].weight, want[i].weight);
        assert_int_equal(got[i].use, want[i].use);
        assert_int_equal(got[i].n_uses, want[i].n_uses);
    }
    plumb__h5_reader_free(reader);
    unlink(path);
}

static void texts_come_back_sorted_by_leaf(void **state)
{
    (void)state;
    graph_segment(path, 40, 2);
    plumb__h5_reader *reader;
    assert_int_equal(plumb__h5_open(path, &reader, NULL), PLUMB_OK);
    assert_int_equal(plumb__h5_text_count(reader), 10);
    for (size_t i = 0; i < 10; i++) {
        const plumb__h5_text *text = &plumb__h5_texts(reader)[i];
        char want[64];
        const int bytes = snprintf(want, sizeof want, "{\"kind\":\"event\",\"n\":%zu}", 4 * i);
        assert_int_equal(text->leaf, 8 * i + 3);
        assert_int_equal(text->time_ns, -(int64_t)(4 * i));
        assert_int_equal(text->n, bytes);
        assert_memory_equal(text->payload, want, (size_t)bytes);
        const plumb__leaf_kind kinds[] = {PLUMB__LEAF_EVENT, PLUMB__LEAF_CHECKPOINT,
                                          PLUMB__LEAF_INVENTORY};
        assert_int_equal(text->kind, kinds[4 * i % 3]);
    }
    plumb__h5_reader_free(reader);
    unlink(path);
}

static void same_input_makes_the_same_bytes(void **state)
{
    (void)state;
    char other[128];
    file_in_dir(other, "other.h5");
    plumb__bytes a = {0}, b = {0};
    graph_segment(path, 50, 4);
    sleep(1); /* a time stamp of whole seconds would differ */
    graph_segment(other, 50, 4);
    assert_int_equal(plumb__file_read(path, 1u << 30, &a, NULL), PLUMB_OK);
    assert_int_equal(plumb__file_read(other, 1u << 30, &b, NULL), PLUMB_OK);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    plumb__bytes_free(&a);
    plumb__bytes_free(&b);
    unlink(path);
    unlink(other);
}

static void wrong_use_is_refused(void **state)
{
    (void)state;
    plumb_error err = {0};
    char want[512];
    plumb__layer_row layers[3];
    graph_layers(layers, 3);
    plumb__h5_writer *writer;
    assert_int_equal(plumb__h5_create(path, "not an id", layers, 3, &writer, &err),
                     PLUMB_ERR_ARGUMENT);
    assert_string_equal(err.message, "a run id is 32 hex digits, not \"not an id\"");
    assert_int_equal(plumb__h5_create(path, GRAPH_RUN_ID, layers, 0, &writer, &err),
                     PLUMB_ERR_LIMIT);
    assert_string_equal(err.message, "a graph needs 1 to 65536 rows in its layer table, not 0");
    assert_int_equal(plumb__h5_create(path, GRAPH_RUN_ID, layers, 3, &writer, &err), PLUMB_OK);
    made_step made;
    make_random_step(&made, seed, 1, 0, 2, GRAPH_EXAMPLES);
    assert_int_equal(plumb__h5_add_step(writer, 5, 0, false, &made.step, &err), PLUMB_ERR_ARGUMENT);
    snprintf(want, sizeof want, "%s: a step of 2 layer uses in a graph of 3", path);
    assert_string_equal(err.message, want);
    make_random_step(&made, seed, 1, 0, 3, GRAPH_EXAMPLES);
    assert_int_equal(plumb__h5_add_step(writer, 5, 0, false, &made.step, &err), PLUMB_OK);
    assert_int_equal(plumb__h5_add_step(writer, 5, 0, false, &made.step, &err), PLUMB_ERR_ARGUMENT);
    snprintf(want, sizeof want, "%s: leaf 5 comes after leaf 5", path);
    assert_string_equal(err.message, want);
    assert_int_equal(plumb__h5_add_text(writer, PLUMB__LEAF_STEP, 6, 0, "{}", 2, &err),
                     PLUMB_ERR_ARGUMENT);
    assert_int_equal(plumb__h5_close(writer, &err), PLUMB_OK);

    assert_int_equal(plumb__h5_create(path, GRAPH_RUN_ID, layers, 3, &writer, &err),
                     PLUMB_ERR_EXISTS);
    snprintf(want, sizeof want, "cannot create %s: File exists", path);
    assert_string_equal(err.message, want);
    unlink(path);
    plumb__h5_reader *reader;
    assert_int_equal(plumb__h5_open(path, &reader, &err), PLUMB_ERR_NOT_FOUND);
    assert_int_equal(plumb__h5_open("/dev/null", &reader, &err), PLUMB_ERR_FORMAT);
    assert_string_equal(err.message, "/dev/null is not a regular file");
}

static void a_segment_has_no_examples(void **state)
{
    (void)state;
    plumb_error err = {0};
    char want[512];
    graph_segment(path, 3, 2);
    plumb__h5_reader *reader;
    assert_int_equal(plumb__h5_open(path, &reader, &err), PLUMB_OK);
    assert_int_equal(plumb__h5_example_count(reader), 0);
    const char *const *values;
    assert_int_equal(plumb__h5_example_strings(reader, "id", &values, &err), PLUMB_ERR_NOT_FOUND);
    snprintf(want, sizeof want, "%s is a segment: it has no examples, ledger or index", path);
    assert_string_equal(err.message, want);
    plumb__h5_reader_free(reader);
    unlink(path);
}

/* In a child: a file that cannot grow beyond `limit` bytes, as on a full disk. Exits 0 when the
 * failure was reported by some call, and the writer still let itself be closed. */
static void write_on_a_full_disk(rlim_t limit)
{
    const struct rlimit size = {limit, limit};
    plumb_error err = {0};
    plumb__layer_row layers[4];
    plumb__h5_writer *writer = NULL;
    graph_layers(layers, 4);
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &size) != 0) _exit(9);
    plumb_status status = plumb__h5_create(path, GRAPH_RUN_ID, layers, 4, &writer, &err);
    for (uint64_t i = 0; i < 2000 && status == PLUMB_OK; i++) {
        made_step made;
        make_random_step(&made, seed, 1, i, 4, GRAPH_EXAMPLES);
        status = plumb__h5_add_step(writer, i, 0, false, &made.step, &err);
    }
    if (status == PLUMB_OK) {
        status = plumb__h5_close(writer, &err);
    } else {
        plumb__h5_abandon(writer);
    }
    if (status != PLUMB_ERR_IO || strstr(err.message, "File too large") == NULL) {
        fprintf(stderr, "status %d, %s\n", (int)status, err.message);
        exit(1);
    }
    exit(0); /* through HDF5's own exit handler, which may neither print nor hang */
}

static void a_full_disk_is_reported_and_nothing_is_printed(void **state)
{
    (void)state;
    const rlim_t limits[] = {0, 3000, 20000, 60000, 100000};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        char printed[128], text[512] = "";
        int result;
        file_in_dir(printed, "printed");
        fflush(NULL);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (freopen(printed, "w", stderr) == NULL) _exit(9);
            write_on_a_full_disk(limits[i]);
        }
        assert_int_equal(waitpid(child, &result, 0), child);
        FILE *file = fopen(printed, "r");
        const size_t n = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[n] = '\0';
        assert_string_equal(text, "");
        assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
        unlink(printed);
        unlink(path);
    }
}

typedef struct worker {
    pthread_t thread;
    char path[128];
    plumb__hash digest;
    plumb_status status;
} worker;

/* Writes a graph and reads it back; no assertions, which belong to the main thread. */
static void *work(void *ctx)
{
    worker *w = ctx;
    plumb__h5_reader *reader = NULL;
    plumb__hasher hasher;
    plumb__hash_init(&hasher, PLUMB__BLAKE2B);
    graph_segment(w->path, 200, 3);
    w->status = plumb__h5_open(w->path, &reader, NULL);
    for (uint64_t i = 0; i < 200 && w->status == PLUMB_OK; i++) {
        plumb__step step;
        w->status = plumb__h5_step(reader, i, &step, NULL);
        if (w->status != PLUMB_OK) break;
        const plumb__hash digest = digest_of(&step);
        plumb__hash_update(&hasher, digest.bytes, sizeof digest.bytes);
    }
    plumb__h5_reader_free(reader);
    w->digest = plumb__hash_final(&hasher);
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    worker workers[4];
    for (size_t i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "thread-%zu.h5", i);
        file_in_dir(workers[i].path, name);
    }
    work(&workers[0]);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(workers[i].status, PLUMB_OK);
        assert_memory_equal(workers[i].digest.bytes, workers[0].digest.bytes,
                            sizeof workers[0].digest.bytes);
        unlink(workers[i].path);
    }
}

static herr_t count_print(hid_t stack, void *ctx)
{
    (void)stack;
    ++*(int *)ctx;
    return 0;
}

/* A program's own HDF5 error handler stays in place and hears nothing of our failures. */
static void error_handler_of_the_program_is_left_alone(void **state)
{
    (void)state;
    int heard = 0;
    plumb_error err = {0};
    H5E_auto2_t before;
    void *before_ctx;
    assert_true(H5Eget_auto2(H5E_DEFAULT, &before, &before_ctx) >= 0);
    assert_true(H5Eset_auto2(H5E_DEFAULT, count_print, &heard) >= 0);
    plumb__h5_reader *reader;
    assert_int_equal(plumb__file_create(path, "no graph", 8, 0644, NULL), PLUMB_OK);
    assert_int_equal(plumb__h5_open(path, &reader, &err), PLUMB_ERR_FORMAT);
    assert_non_null(strstr(err.message, "cannot be opened as HDF5: HDF5 says: "));
    assert_int_equal(heard, 0);
    assert_true(H5Dopen2(0, "nothing", H5P_DEFAULT) < 0);
    assert_int_equal(heard, 1);
    H5Eset_auto2(H5E_DEFAULT, before, before_ctx);
    unlink(path);
}

/* ---- h5py ---- */

static bool have_h5py(void)
{
    return system("/usr/bin/python3 -c 'import h5py, numpy' 2>/dev/null") == 0;
}

/* Writes what the edges of a segment must read as, for the script to compare. */
static void write_expected(const char *to, uint64_t n, uint32_t n_uses)
{
    FILE *file = fopen(to, "w");
    assert_non_null(file);
    for (uint64_t i = 0; i < n; i++) {
        made_step made;
        make_random_step(&made, seed, 1, i, n_uses, GRAPH_EXAMPLES);
        for (uint32_t e = 0; e < made.step.n_units * n_uses; e++)
            fprintf(file, "%.17g %.17g %.17g\n", plumb__norm16_value(made.norm[e]),
                    plumb__f16_value(made.mask[e]), plumb__f16_value(made.clip[e]));
    }
    assert_int_equal(fclose(file), 0);
}

static void h5py_reads_the_same_numbers(void **state)
{
    (void)state;
    if (!have_h5py()) {
        printf("skipped: /usr/bin/python3 has no h5py (apt-get install python3-h5py)\n");
        skip();
    }
    char expected[128], command[1024];
    file_in_dir(expected, "edges.txt");
    graph_segment(path, 60, 3);
    write_expected(expected, 60, 3);
    const char *source = getenv("PLUMB_SOURCE_DIR");
    snprintf(command, sizeof command, "/usr/bin/python3 %s/tests/provenance/h5_check.py %s %s",
             source != NULL ? source : ".", path, expected);
    assert_int_equal(system(command), 0);
    unlink(path);
    unlink(expected);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) return -1;
    file_in_dir(path, "graph.h5");
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
        cmocka_unit_test(steps_come_back_bit_for_bit),
        cmocka_unit_test(layers_come_back),
        cmocka_unit_test(texts_come_back_sorted_by_leaf),
        cmocka_unit_test(same_input_makes_the_same_bytes),
        cmocka_unit_test(wrong_use_is_refused),
        cmocka_unit_test(a_segment_has_no_examples),
        cmocka_unit_test(threads_do_not_disturb_each_other),
        cmocka_unit_test(a_full_disk_is_reported_and_nothing_is_printed),
        cmocka_unit_test(error_handler_of_the_program_is_left_alone),
        cmocka_unit_test(h5py_reads_the_same_numbers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
