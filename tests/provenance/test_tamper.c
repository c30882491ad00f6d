/* Aim: no bit of a closed bundle can change, no file vanish or appear, without verification saying
 * so, and nothing that is there makes it crash. Method: a small closed run; bits flipped at a
 * stride through every file (nearly each byte of the small ones), files cut at every 97th byte,
 * each deleted, emptied, swapped with its neighbour; strays of every kind; bytes put back each
 * time, and the bundle must hold at the end. */
#include "run_forge.h"

#include "provenance/plumb_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILES 64
#define FLIPS_PER_FILE 160u

typedef struct listing {
    char names[MAX_FILES][128];
    size_t n;
} listing;

static plumb_status note(const char *relative, uint64_t size_bytes, void *ctx, plumb_error *err)
{
    listing *l = ctx;
    (void)size_bytes, (void)err;
    assert_true(l->n < MAX_FILES);
    snprintf(l->names[l->n++], sizeof l->names[0], "%s", relative);
    return PLUMB_OK;
}

static plumb_status verify(const forge *g, const char *path, plumb_error *err)
{
    plumb_verify_options options;
    plumb_verify_report report;
    plumb_verify_options_default(&options);
    options.trust = g->trust;
    options.full = true;
    const plumb_status status = plumb_bundle_verify(path, &options, &report, err);
    assert_int_equal(report.holds, status == PLUMB_OK);
    return status;
}

static void assert_refused(const forge *g, const char *path, const char *what, const char *name,
                           size_t at)
{
    plumb_error err = {0};
    const plumb_status status = verify(g, path, &err);
    if (status == PLUMB_OK) fail_msg("%s: %s at %zu was not noticed", name, what, at);
    const int code = plumb_status_exit_code(status);
    if (code < 1 || code > 7 || err.message[0] == '\0')
        fail_msg("%s: %s at %zu: exit %d, message \"%s\"", name, what, at, code, err.message);
}

static void flipped_bits(void **state)
{
    forge *g = *state;
    listing l = {0};
    const char *run = forge_whole(g, "flipped");
    char root[512], path[700];
    snprintf(root, sizeof root, "%s", run);
    assert_works(plumb__dir_walk(root, MAX_FILES, note, &l, err));
    for (size_t i = 0; i < l.n; i++) {
        plumb__bytes bytes;
        snprintf(path, sizeof path, "%s/%s", root, l.names[i]);
        read_bytes(path, &bytes);
        const size_t stride = bytes.size / FLIPS_PER_FILE + 1;
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        for (size_t at = 0; at < bytes.size; at += stride) {
            const uint8_t flipped = (uint8_t)(bytes.data[at] ^ (1u << (at / stride % 8)));
            assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
            assert_int_equal(fputc(flipped, file), flipped);
            assert_int_equal(fflush(file), 0);
            assert_refused(g, root, "a flipped bit", l.names[i], at);
            assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
            assert_int_equal(fputc(bytes.data[at], file), bytes.data[at]);
            assert_int_equal(fflush(file), 0);
        }
        fclose(file);
        plumb__bytes_free(&bytes);
    }
    assert_works(verify(g, root, err));
}

static void cut_and_swapped_files(void **state)
{
    forge *g = *state;
    listing l = {0};
    char root[512], path[700], before[700] = "";
    snprintf(root, sizeof root, "%s", forge_whole(g, "cut"));
    assert_works(plumb__dir_walk(root, MAX_FILES, note, &l, err));
    for (size_t i = 0; i < l.n; i++) {
        plumb__bytes bytes, other = {0};
        snprintf(path, sizeof path, "%s/%s", root, l.names[i]);
        read_bytes(path, &bytes);
        const size_t stride = bytes.size / 20 + 97;
        for (size_t at = 0; at < bytes.size; at += stride) {
            write_bytes(path, bytes.data, at);
            assert_refused(g, root, "a cut", l.names[i], at);
        }
        if (before[0] != '\0') {
            read_bytes(before, &other);
            write_bytes(path, other.data, other.size);
            assert_refused(g, root, "another file's bytes", l.names[i], 0);
        }
        plumb__bytes_append(&bytes, "", 1);
        write_bytes(path, bytes.data, bytes.size);
        assert_refused(g, root, "a byte more", l.names[i], bytes.size);
        write_bytes(path, bytes.data, bytes.size - 1);
        memcpy(before, path, sizeof before);
        plumb__bytes_free(&bytes);
        plumb__bytes_free(&other);
    }
    assert_works(verify(g, root, err));
}

static void missing_files(void **state)
{
    forge *g = *state;
    listing l = {0};
    char root[512], path[700], away[600];
    snprintf(root, sizeof root, "%s", forge_whole(g, "missing"));
    snprintf(away, sizeof away, "%s.away", root);
    assert_works(plumb__dir_walk(root, MAX_FILES, note, &l, err));
    assert_true(l.n >= 10);
    for (size_t i = 0; i < l.n; i++) {
        snprintf(path, sizeof path, "%s/%s", root, l.names[i]);
        assert_int_equal(rename(path, away), 0);
        assert_refused(g, root, "a deletion", l.names[i], 0);
        assert_int_equal(mkdir(path, 0755), 0);
        assert_refused(g, root, "a directory in its place", l.names[i], 0);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(symlink(away, path), 0);
        assert_refused(g, root, "a link to it", l.names[i], 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rename(away, path), 0);
    }
    assert_works(verify(g, root, err));
}

static void strays(void **state)
{
    static const char *const files[] = {"x",
                                        "checkpoints/extra.safetensors",
                                        "checkpoints/.hidden",
                                        "evidence/policy.json.tmp",
                                        "head.tmp",
                                        "provenance.h5.tmp",
                                        "seals.jsonl~",
                                        "journal",
                                        "segments",
                                        ".x"};
    forge *g = *state;
    char root[512], path[700];
    snprintf(root, sizeof root, "%s", forge_whole(g, "strays"));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", root, files[i]);
        write_text(path, "x");
        assert_refused(g, root, "a stray file", files[i], 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0755), 0);
        assert_refused(g, root, "a stray directory", files[i], 0);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(mkfifo(path, 0644), 0);
        assert_refused(g, root, "a fifo", files[i], 0);
        assert_int_equal(unlink(path), 0);
    }
    assert_works(verify(g, root, err));
}

/* Verification of an open run may not see a flip in the last commit group (docs/formats/bundle.md),
 * but nothing may crash it. */
static void flips_in_an_open_run(void **state)
{
    forge *g = *state;
    listing l = {0};
    char root[512], path[700];
    forge_start(g, "open");
    for (uint64_t step = 1; step <= 3; step++) {
        forge_step(g, step);
        if (step == 2) forge_checkpoint(g, step);
    }
    forge_stop(g);
    snprintf(root, sizeof root, "%s", fixture_path(g->f, "open"));
    assert_works(verify(g, root, err));
    assert_works(plumb__dir_walk(root, MAX_FILES, note, &l, err));
    for (size_t i = 0; i < l.n; i++) {
        plumb__bytes bytes;
        snprintf(path, sizeof path, "%s/%s", root, l.names[i]);
        read_bytes(path, &bytes);
        const bool journal = strncmp(l.names[i], "journal/", 8) == 0;
        for (size_t at = 0; at < bytes.size; at += bytes.size / 60 + 1) {
            bytes.data[at] ^= 0x10;
            write_bytes(path, bytes.data, bytes.size);
            if (journal)
                (void)verify(g, root, NULL);
            else
                assert_refused(g, root, "a flipped bit", l.names[i], at);
            bytes.data[at] ^= 0x10;
        }
        write_bytes(path, bytes.data, bytes.size);
        plumb__bytes_free(&bytes);
    }
    assert_works(verify(g, root, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flipped_bits),         cmocka_unit_test(cut_and_swapped_files),
        cmocka_unit_test(missing_files),        cmocka_unit_test(strays),
        cmocka_unit_test(flips_in_an_open_run),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
