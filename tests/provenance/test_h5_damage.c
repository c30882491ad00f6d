/* Aim: no damage to a graph makes the reader crash, hang or allocate without bound: every flipped
 * byte and every truncation either reads as before or gives an error with a message that names the
 * file. Method: a small provenance.h5 is damaged at seeded places (seed printed), half of them in
 * its metadata, and everything the reader offers is asked of it, in a forked child per batch under
 * a limit on memory and time. A child that dies of a signal is a failure and names the damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/plumb_random.h"
#include "graph_maker.h"
#include "provenance/h5_reader.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef FORGED
/* HDF5 asks this for the checksum of every piece of metadata, when it writes and when it reads. The
 * function of the library gives way to this one, so that all damage looks as if somebody had put
 * the checksums right again. */
__attribute__((visibility("default"))) uint32_t H5_checksum_metadata(const void *data, size_t n,
                                                                     uint32_t start);
static uint64_t checksums_asked;
uint32_t H5_checksum_metadata(const void *data, size_t n, uint32_t start)
{
    (void)data, (void)n, (void)start;
    checksums_asked++;
    return 0x11111111;
}
static const uint64_t seed = 5;
#else
static const uint64_t seed = 4;
#endif
static char dir[] = "/tmp/plumb_h5_XXXXXX";
static char path[128];
static plumb__bytes whole; /* the undamaged file */

static plumb_status ask_examples(plumb__h5_reader *reader, plumb_error *err)
{
    static const char *const names[] = {"id", "label", "cohort", "profile", "parent"};
    const char *const *values;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        PLUMB_TRY(plumb__h5_example_strings(reader, names[i], &values, err));
    const uint64_t *offsets, *rows;
    const uint32_t *codes;
    size_t n;
    PLUMB_TRY(plumb__h5_example_annotators(reader, &offsets, &codes, &values, &n, err));
    float spend[64];
    for (uint64_t i = 0; i < plumb__h5_example_count(reader) && i < 4; i++) {
        uint64_t n_rows;
        PLUMB_TRY(plumb__h5_example_rows(reader, (uint32_t)i, &rows, &n_rows, err));
        if (plumb__h5_layer_count(reader) <= 64)
            PLUMB_TRY(plumb__h5_ledger(reader, i, 1, spend, err));
    }
    const void *data;
    PLUMB_TRY(plumb__h5_statement(reader, "certificates", &data, &n, err));
    return plumb__h5_check_index(reader, err);
}

/* Everything a reader offers. */
static plumb_status ask_all(plumb_error *err)
{
    plumb__h5_reader *reader;
    PLUMB_TRY(plumb__h5_open(path, &reader, err));
    plumb_status status = PLUMB_OK;
    for (uint64_t i = 0; i < plumb__h5_step_count(reader) && status == PLUMB_OK; i++) {
        plumb__step step;
        status = plumb__h5_step(reader, i, &step, err);
    }
    if (status == PLUMB_OK) status = ask_examples(reader, err);
    plumb__h5_reader_free(reader);
    return status;
}

static void write_damaged(const uint8_t *data, size_t n)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, n, file) != n || fclose(file) != 0) _exit(3);
}

/* One damaged file; exits the child when the reader does not answer as it must. */
static bool ask_damaged(const uint8_t *data, size_t n, const char *what, uint64_t number)
{
    plumb_error err = {0};
    write_damaged(data, n);
    const plumb_status status = ask_all(&err);
    if (status != PLUMB_OK && (err.status != status || (status != PLUMB_ERR_NO_MEMORY &&
                                                        strstr(err.message, path) == NULL))) {
        fprintf(stderr, "%s %llu: status %d, message \"%s\"\n", what, (unsigned long long)number,
                (int)status, err.message);
        _exit(2);
    }
    return status != PLUMB_OK;
}

typedef struct batch {
    const char *what;
    uint64_t first, n;
    bool (*damage)(uint64_t number);
} batch;

/* Runs a batch in a child; fails when it dies. Returns how many files were refused. */
static uint64_t run_batch(const batch *b)
{
    int ends[2];
    uint64_t refused = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        /* cmocka's own handlers would carry a crash back into the test runner */
        const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
        for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
            signal(crashes[i], SIG_DFL);
        const struct rlimit seconds = {60, 120};
        setrlimit(RLIMIT_CPU, &seconds);
#ifndef SANITIZED
        const struct rlimit memory = {(rlim_t)1 << 30, (rlim_t)1 << 30};
        setrlimit(RLIMIT_AS, &memory);
#endif
        for (uint64_t i = b->first; i < b->first + b->n; i++) {
            /* where it was when it died */
            if (write(ends[1], &i, sizeof i) != sizeof i) _exit(3);
            refused += b->damage(i);
        }
        if (write(ends[1], &refused, sizeof refused) != sizeof refused) _exit(3);
        _exit(0);
    }
    close(ends[1]);
    uint64_t last = 0;
    while (read(ends[0], &last, sizeof last) == sizeof last)
        refused = last;
    close(ends[0]);
    int state = 0;
    assert_int_equal(waitpid(child, &state, 0), child);
    if (!WIFEXITED(state) || WEXITSTATUS(state) != 0)
        fail_msg("%s %llu (seed %llu): the child ended with %s %d", b->what,
                 (unsigned long long)refused, (unsigned long long)seed,
                 WIFSIGNALED(state) ? "signal" : "status",
                 WIFSIGNALED(state) ? WTERMSIG(state) : WEXITSTATUS(state));
    return refused;
}

/* Where byte `number` of the damage falls. Metadata is a small part of the file, and its first
 * kilobytes hold superblock and root, so half of the places are drawn from there. */
static size_t place_of(uint64_t number)
{
    const double u = plumb_random_uniform(seed, 1, number);
    const size_t range = number % 2 == 0 ? whole.size : whole.size < 8192 ? whole.size : 8192;
    return (size_t)(u * (double)range);
}

static bool flip(uint64_t number)
{
    const size_t at = place_of(number);
    const uint8_t mask = (uint8_t)(1u << (unsigned)(plumb_random_uniform(seed, 2, number) * 8));
    whole.data[at] ^= mask;
    const bool refused = ask_damaged(whole.data, whole.size, "flip", number);
    whole.data[at] ^= mask;
    return refused;
}

/* Eight bytes at once, as a wrong address or size would be. */
static bool overwrite(uint64_t number)
{
    static const uint64_t values[] = {0, UINT64_MAX, UINT64_C(0x7fffffffffffffff), 1,
                                      0x10000000000};
    const size_t at = place_of(number) & ~(size_t)7;
    uint8_t before[8];
    if (at + 8 > whole.size) return true;
    memcpy(before, whole.data + at, 8);
    memcpy(whole.data + at, &values[number % 5], 8);
    const bool refused = ask_damaged(whole.data, whole.size, "overwrite", number);
    memcpy(whole.data + at, before, 8);
    return refused;
}

#define TRUNCATIONS 300u
static bool truncate_at(uint64_t number)
{
    const size_t n = (size_t)(whole.size * number / TRUNCATIONS);
    return ask_damaged(whole.data, n, "truncation", number);
}

static void run_all(const char *what, uint64_t n, bool (*damage)(uint64_t), uint64_t at_least)
{
    printf("seed %llu\n", (unsigned long long)seed);
    uint64_t refused = 0;
    for (uint64_t first = 0; first < n; first += 100) {
        const batch b = {what, first, n - first < 100 ? n - first : 100, damage};
        refused += run_batch(&b);
    }
    printf("%s: %llu of %llu refused\n", what, (unsigned long long)refused, (unsigned long long)n);
    assert_true(refused >= at_least);
    assert_true(refused <= n);
}

static void flips_are_refused_or_harmless(void **state)
{
    (void)state;
    run_all("flip", 1500, flip, 300);
}

static void overwrites_are_refused_or_harmless(void **state)
{
    (void)state;
    run_all("overwrite", 600, overwrite, 150);
}

static void truncations_are_refused(void **state)
{
    (void)state;
    run_all("truncation", TRUNCATIONS, truncate_at, TRUNCATIONS);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) return -1;
    snprintf(path, sizeof path, "%s/provenance.h5", dir);
    graph_whole(path, 12, 3);
    if (plumb__file_read(path, 1u << 30, &whole, NULL) != PLUMB_OK) return -1;
    plumb_error err = {0};
    const plumb_status status = ask_all(&err);
#ifdef FORGED
    if (checksums_asked == 0) printf("HDF5 uses its own checksums: as test_h5_damage, no more\n");
#endif
    if (status != PLUMB_OK) fprintf(stderr, "the undamaged file: %s\n", err.message);
    return status == PLUMB_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    plumb__bytes_free(&whole);
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flips_are_refused_or_harmless),
        cmocka_unit_test(overwrites_are_refused_or_harmless),
        cmocka_unit_test(truncations_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
