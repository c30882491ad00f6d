#include "fuzz_kit.h"

#include "base/file.h"
#include "manifest/signing/dsse.h"
#include "manifest/signing/key_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Noreturn void fuzz_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

bool fuzz_accepted(plumb_status status, const plumb_error *err)
{
    if (status == PLUMB_OK) return true;
    fuzz_assert(err->status == status);
    fuzz_assert(err->message[0] != '\0');
    fuzz_assert(memchr(err->message, '\0', sizeof err->message) != NULL);
    return false;
}

static unsigned long reached;

void fuzz_reached(void)
{
    reached++;
}

unsigned long fuzz_times_reached(void)
{
    return reached;
}

const plumb_secret_key *fuzz_key(uint8_t number)
{
    static plumb_secret_key *keys[256];
    if (keys[number] == NULL) {
        uint8_t seed[32];
        memset(seed, number, sizeof seed);
        fuzz_works(plumb__key_from_seed(seed, &keys[number], err));
    }
    return keys[number];
}

const char *fuzz_file(unsigned slot, const void *data, size_t n)
{
    static int files[4] = {-1, -1, -1, -1};
    static char paths[4][64];
    fuzz_assert(slot < 4);
    if (files[slot] < 0) files[slot] = memfd_create("fuzz", MFD_CLOEXEC);
    fuzz_assert(files[slot] >= 0);
    fuzz_assert(ftruncate(files[slot], 0) == 0);
    fuzz_assert(n == 0 || pwrite(files[slot], data, n, 0) == (ssize_t)n);
    snprintf(paths[slot], sizeof paths[slot], "/proc/self/fd/%d", files[slot]);
    return paths[slot];
}

static char folder[256];

static void remove_folder(void)
{
    plumb_error err = {0};
    if (plumb__dir_remove(folder, &err) != PLUMB_OK) fprintf(stderr, "%s\n", err.message);
}

const char *fuzz_folder(void)
{
    if (folder[0] != '\0') return folder;
    snprintf(folder, sizeof folder, "%s/plumb-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    fuzz_assert(mkdtemp(folder) != NULL);
    fuzz_assert(atexit(remove_folder) == 0);
    return folder;
}

const char *fuzz_path(const char *name)
{
    static char paths[4][512];
    static unsigned at;
    at = (at + 1) % 4;
    snprintf(paths[at], sizeof paths[at], "%s/%s", fuzz_folder(), name);
    return paths[at];
}

void fuzz_write(const char *name, const void *data, size_t n)
{
    const int fd = open(fuzz_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    fuzz_assert(fd >= 0);
    fuzz_assert(n == 0 || write(fd, data, n) == (ssize_t)n);
    fuzz_assert(close(fd) == 0);
}

void fuzz_envelope(const char *payload_type, const void *payload, size_t n, uint8_t number,
                   plumb__bytes *out)
{
    plumb__dsse envelope = {0};
    snprintf(envelope.payload_type, sizeof envelope.payload_type, "%s", payload_type);
    plumb__bytes_append(&envelope.payload, payload, n);
    fuzz_works(plumb__dsse_sign(&envelope, fuzz_key(number), err));
    fuzz_works(plumb__dsse_dump(&envelope, out, err));
    plumb__bytes_append_text(out, "\n");
    plumb__dsse_free(&envelope);
}

const plumb_trust *fuzz_trust(void)
{
    static plumb_trust *trust;
    if (trust != NULL) return trust;
    plumb_trust_addition addition;
    plumb_trust_addition_default(&addition);
    addition.vendor = "acme";
    addition.name = "acme-1";
    for (unsigned role = 0; role < 31 && strcmp(plumb_role_name((plumb_role)role), "unknown") != 0;
         role++) {
        addition.roles |= 1u << role;
    }
    plumb_key_public(fuzz_key(1), &addition.key);
    const char *path = fuzz_path("trust.json");
    fuzz_works(plumb_trust_init(path, fuzz_key(0), 0, err));
    fuzz_works(plumb_trust_add(path, fuzz_key(0), &addition, err));
    fuzz_works(plumb_trust_open(path, &trust, err));
    return trust;
}

char *fuzz_text(const uint8_t *data, size_t n)
{
    char *text = malloc(n + 1);
    fuzz_assert(text != NULL);
    if (n > 0) memcpy(text, data, n);
    text[n] = '\0';
    return text;
}
