/* Aim: every compiler and every test run sees the fuzz targets, for about a second each. Method:
 * the target runs over its committed corpus as it is, then over N seeded mutations of it: bits and
 * bytes changed, stretches cut, doubled, moved or taken from another file, words of the dictionary
 * put in. The seed is printed (PLUMB_TEST_SEED sets another); an input that fails is left beside
 * the program as NAME.failed. */
#include "fuzz_kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUT_CAP = 1 << 16, FILES_CAP = 2000, WORDS_CAP = 400, WORD_BYTES = 64 };

typedef struct blob {
    uint8_t *data;
    size_t n;
} blob;

static blob files[FILES_CAP], words[WORDS_CAP];
static size_t n_files, n_words;
static uint8_t input[INPUT_CAP];
static size_t input_size;
static char failed_path[1024];
static uint64_t state;

/* splitmix64 */
static uint64_t draw(uint64_t below)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static void keep_input(void)
{
    const int fd = open(failed_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return;
    if (write(fd, input, input_size) < 0) failed_path[0] = '\0';
    (void)close(fd);
}

static void on_signal(int number)
{
    keep_input();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* A sanitizer exits on its own: it calls this first, where there is one. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void watch(void)
{
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(keep_input);
        (void)signal(SIGABRT, on_signal);
        return;
    }
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        (void)signal(signals[i], on_signal);
    }
}

/* ---- corpus and dictionary ---- */

static blob read_blob(const char *path)
{
    blob out = {malloc(INPUT_CAP), 0};
    FILE *in = fopen(path, "rb");
    if (in == NULL || out.data == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(4);
    }
    out.n = fread(out.data, 1, INPUT_CAP, in);
    (void)fclose(in);
    return out;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* In the order of their names, so that a seed means the same everywhere. */
static void read_corpus(const char *dir)
{
    struct dirent **entries;
    const int n = scandir(dir, &entries, NULL, by_name);
    for (int i = 0; i < n; i++) {
        char path[2048];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
        if (n_files < FILES_CAP && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            files[n_files++] = read_blob(path);
        }
        free(entries[i]);
    }
    if (n >= 0) free(entries);
}

/* One line of libFuzzer's dictionaries: "word" with \\ \" \xNN inside. */
static void read_word(const char *line)
{
    const char *at = strchr(line, '"');
    if (line[0] == '#' || at == NULL || n_words == WORDS_CAP) return;
    blob word = {calloc(1, WORD_BYTES), 0};
    for (at++; *at != '"' && *at != '\0' && word.n < WORD_BYTES && word.data != NULL; at++) {
        unsigned value = (unsigned char)*at;
        if (*at == '\\' && at[1] == 'x' && sscanf(at + 2, "%2x", &value) == 1) {
            at += 3;
        } else if (*at == '\\') {
            value = (unsigned char)*++at;
        }
        word.data[word.n++] = (uint8_t)value;
    }
    if (word.data != NULL) words[n_words++] = word;
}

static void read_dictionary(const char *path)
{
    char line[512];
    FILE *in = fopen(path, "r");
    if (in == NULL) return;
    while (fgets(line, sizeof line, in) != NULL) {
        read_word(line);
    }
    (void)fclose(in);
}

/* ---- mutations ---- */

/* Puts n bytes in place of `gone` bytes at `at`, as far as there is room. */
static void replace(size_t at, size_t gone, const uint8_t *data, size_t n)
{
    if (input_size - gone + n > INPUT_CAP) n = INPUT_CAP - (input_size - gone);
    memmove(input + at + n, input + at + gone, input_size - at - gone);
    if (n > 0) memcpy(input + at, data, n);
    input_size = input_size - gone + n;
}

static void put_stretch(size_t at, size_t gone, blob from)
{
    static uint8_t copy[INPUT_CAP];
    if (from.n == 0) return;
    const size_t start = (size_t)draw(from.n), limit = draw(4) == 0 ? from.n : 64;
    size_t n = 1 + (size_t)draw(from.n - start);
    if (n > limit) n = limit;
    memcpy(copy, from.data + start, n);
    replace(at, gone, copy, n);
}

static void change(void)
{
    const size_t at = (size_t)draw(input_size + 1), rest = input_size - at;
    const size_t some = rest > 0 ? 1 + (size_t)draw(rest < 16 ? rest : 16) : 0;
    const blob whole = {input, input_size};
    switch (draw(9)) {
    case 0:
        if (rest > 0) input[at] ^= (uint8_t)(1u << draw(8));
        break;
    case 1:
        if (rest > 0) input[at] = (uint8_t)draw(256);
        break;
    case 2: input_size = at; break;
    case 3: replace(at, some, input, 0); break;
    case 4: put_stretch(at, 0, whole); break;
    case 5: put_stretch(at, some, files[draw(n_files)]); break;
    case 6: put_stretch(at, rest, files[draw(n_files)]); break;
    default:
        if (n_words > 0) {
            const blob word = words[draw(n_words)];
            replace(at, draw(2) == 0 ? 0 : some, word.data, word.n);
        }
    }
}

static void load(const blob *from)
{
    memcpy(input, from->data, from->n);
    input_size = from->n;
}

static void mutations(unsigned long count)
{
    for (unsigned long i = 0; i < count; i++) {
        load(&files[draw(n_files)]);
        for (uint64_t changes = 1 + draw(4); changes > 0; changes--) {
            change();
        }
        /* A block of its exact size: the sanitizers see a read behind its end. */
        uint8_t *exact = malloc(input_size > 0 ? input_size : 1);
        fuzz_assert(exact != NULL);
        memcpy(exact, input, input_size);
        (void)LLVMFuzzerTestOneInput(exact, input_size);
        free(exact);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: %s CORPUS DICTIONARY MUTATIONS [FILE]\n", argv[0]);
        return 2;
    }
    const char *given = getenv("PLUMB_TEST_SEED");
    const uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20261122;
    state = seed;
    snprintf(failed_path, sizeof failed_path, "%s.failed", argv[0]);
    watch();
    if (argc == 5) {
        files[n_files++] = read_blob(argv[4]);
    } else {
        read_corpus(argv[1]);
    }
    read_dictionary(argv[2]);
    if (n_files == 0) {
        fprintf(stderr, "%s has no corpus\n", argv[1]);
        return 1;
    }
    for (size_t i = 0; i < n_files; i++) {
        load(&files[i]);
        (void)LLVMFuzzerTestOneInput(input, input_size);
    }
    const unsigned long reached = fuzz_times_reached();
    if (reached == 0 && argc == 4) {
        fprintf(stderr, "nothing of %s is accepted: the target checks nothing\n", argv[1]);
        return 1;
    }
    const unsigned long count = argc == 5 ? 0 : strtoul(argv[3], NULL, 10);
    mutations(count);
    printf(
        "seed %llu: %zu files of the corpus (%lu checked whole), %lu mutations (%lu), %zu words: "
        "all held\n",
        (unsigned long long)seed, n_files, reached, count, fuzz_times_reached() - reached, n_words);
    return 0;
}
