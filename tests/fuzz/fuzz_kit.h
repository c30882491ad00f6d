/* What the fuzz targets share. A target is LLVMFuzzerTestOneInput in fuzz_NAME.c; libFuzzer drives
 * it (preset `fuzz`, scripts/fuzz.sh), or fuzz_replay.c in the ordinary tests. It does not only
 * wait for a crash: it asserts what must hold of everything its parser accepts, and that every
 * refusal is explained. */
#ifndef PLUMB_TESTS_FUZZ_KIT_H
#define PLUMB_TESTS_FUZZ_KIT_H

#include "base/bytes.h"
#include "manifest/plumb_trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Stays on with NDEBUG: a fuzz target is nothing without its assertions. */
#define fuzz_assert(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) fuzz_failed(__FILE__, __LINE__, #condition);                             \
    } while (0)
#define fuzz_works(call)                                                                           \
    do {                                                                                           \
        plumb_error works_err_ = {0};                                                              \
        plumb_error *err = &works_err_;                                                            \
        if ((call) != PLUMB_OK) fuzz_failed(__FILE__, __LINE__, works_err_.message);               \
    } while (0)
_Noreturn void fuzz_failed(const char *file, int line, const char *what);

/* A status other than PLUMB_OK came with the same status and a message, whole and ended. Returns
 * whether it was PLUMB_OK. */
bool fuzz_accepted(plumb_status status, const plumb_error *err);

/* Called by a target where it checks what was accepted; replaying fails when the corpus never gets
 * there, since a target that refuses everything tests nothing. */
void fuzz_reached(void);
unsigned long fuzz_times_reached(void);

/* Signing keys whose seeds are 32 bytes of `number`: corpora may hold their public halves. */
const plumb_secret_key *fuzz_key(uint8_t number);
/* The path of a regular file in memory with these bytes; it holds until the next call with the same
 * slot (0 to 3). */
const char *fuzz_file(unsigned slot, const void *data, size_t n);
/* A folder of this process in memory, emptied at the end. */
const char *fuzz_folder(void);
/* "folder/name" in one of four rotating buffers; with data the file is written. */
const char *fuzz_path(const char *name);
void fuzz_write(const char *name, const void *data, size_t n);

/* The payload in an envelope signed by fuzz_key(number), with its line end. */
void fuzz_envelope(const char *payload_type, const void *payload, size_t n, uint8_t number,
                   plumb__bytes *out);
/* A store that lists fuzz_key(1) for vendor "acme" in all roles, and has fuzz_key(0) as its root.
 */
const plumb_trust *fuzz_trust(void);
/* The bytes with a NUL behind them; free() it. */
char *fuzz_text(const uint8_t *data, size_t n);

#endif
