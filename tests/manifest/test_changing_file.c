/* Aim: a records file may change while it is read: the table never holds, and no call gives out, a
 * byte that was not verified. Method: a thread keeps turning bytes over and back, cutting the end
 * off and adding to it, while the manifest is opened and asked for everything it holds. */
#include "manifest_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
#define CONTENT "\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11}"

static plumb_status open_it(const fixture *f, plumb_manifest **m, plumb_error *err)
{
    plumb_trust *trust = open_trust(f, "trust.json");
    const plumb_status status =
        plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, m, err);
    plumb_trust_free(trust);
    return status;
}

enum { LINES = 6000, OPENS = 40, TAIL = 5000 };

typedef struct changer {
    const char *path, *good; /* the file as it was signed */
    size_t size;
    atomic_bool stop;
} changer;

/* Turns a byte over and back, cuts the end off and mends it, adds a byte and takes it away. */
static void change_once(const changer *c, int fd, uint64_t draw)
{
    const size_t at = (size_t)(draw >> 33) % c->size;
    const char bad = (char)(c->good[at] ^ 1);
    switch ((draw >> 20) % 4) {
    case 0:
        (void)!ftruncate(fd, (off_t)(c->size - TAIL));
        (void)!pwrite(fd, c->good + c->size - TAIL, TAIL, (off_t)(c->size - TAIL));
        break;
    case 1:
        (void)!pwrite(fd, "x", 1, (off_t)c->size);
        (void)!ftruncate(fd, (off_t)c->size);
        break;
    default:
        (void)!pwrite(fd, &bad, 1, (off_t)at);
        usleep((unsigned)(draw >> 40) % 300);
        (void)!pwrite(fd, c->good + at, 1, (off_t)at);
    }
}

static void *keep_changing(void *ctx)
{
    changer *c = ctx;
    uint64_t draw = 20261122;
    const int fd = open(c->path, O_RDWR | O_CLOEXEC);
    while (fd >= 0 && !atomic_load(&c->stop)) {
        draw = draw * 6364136223846793005u + 1442695040888963407u;
        change_once(c, fd, draw);
        if ((draw >> 50) % 4 == 0) usleep(1000);
    }
    if (fd >= 0) (void)close(fd);
    return NULL;
}

static char *make_lines(size_t *size)
{
    plumb__bytes text = {0};
    for (int i = 0; i < LINES; i++) {
        plumb__bytes_appendf(&text, "{\"id\":\"r%05d\"," CONTENT ",\"text\":\"text %05d\"}\n", i,
                             i);
    }
    *size = text.size;
    char *copy = strdup(plumb__bytes_text(&text));
    assert_non_null(copy);
    plumb__bytes_free(&text);
    return copy;
}

/* Whatever opens holds what was signed, and gives out no other line. */
static void check_content(const plumb_manifest *m, const char *good, int *lines_refused)
{
    const size_t n = strlen("{\"id\":\"r00000\"," CONTENT ",\"text\":\"text 00000\"}");
    for (uint32_t i = 0; i < LINES; i += 97) {
        plumb_record r;
        plumb_error err = {0};
        char id[16], text[16], *line = NULL;
        size_t length = 0;
        plumb_record_default(&r);
        assert_works(plumb_manifest_record(m, i, &r, err));
        snprintf(id, sizeof id, "r%05u", i);
        snprintf(text, sizeof text, "text %05u", i);
        assert_string_equal(r.id, id);
        assert_string_equal(r.text, text);
        if (plumb_manifest_line(m, i, &line, &length, &err) == PLUMB_OK) {
            assert_int_equal(length, n);
            assert_memory_equal(line, good + (n + 1) * i, n);
        } else {
            assert_null(line);
            assert_true(err.message[0] != '\0');
            (*lines_refused)++;
        }
        plumb_text_free(line);
    }
}

static void changing_file(void **state)
{
    const fixture *f = *state;
    char path[512];
    changer c = {.path = path};
    pthread_t thread;
    int opened = 0, refused = 0, lines_refused = 0;
    char *good = make_lines(&c.size);
    c.good = good;
    sign_records(f, good, NULL);
    snprintf(path, sizeof path, "%s", fixture_path(f, "records.jsonl"));
    assert_int_equal(pthread_create(&thread, NULL, keep_changing, &c), 0);
    for (int i = 0; i < OPENS; i++) {
        plumb_manifest *m = NULL;
        plumb_error err = {0};
        const plumb_status status = open_it(f, &m, &err);
        if (status == PLUMB_OK) {
            opened++;
            check_content(m, good, &lines_refused);
        } else {
            refused++;
            assert_null(m);
            assert_true(status == PLUMB_ERR_DIGEST || status == PLUMB_ERR_TRUNCATED);
        }
        plumb_manifest_free(m);
    }
    atomic_store(&c.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    plumb_manifest *after = NULL;
    assert_works(open_it(f, &after, err));
    check_content(after, good, &lines_refused);
    plumb_manifest_free(after);
    print_message("%d opened, %d were refused, %d lines were refused later\n", opened, refused,
                  lines_refused);
    assert_true(refused > 0);
    free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(changing_file)};
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
