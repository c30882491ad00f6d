/* What the tests of this floor share: a folder of their own, files, keys, a trust store, small
 * manifests. */
#ifndef PLUMB_TESTS_MANIFEST_FIXTURE_H
#define PLUMB_TESTS_MANIFEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "manifest/plumb_manifest.h"
#include "manifest/signing/statement.h"

typedef struct fixture {
    char dir[256];
    plumb_secret_key *root, *vendor, *other;
} fixture;

/* For cmocka's group: makes the folder, three keys, and trust.json with the vendor's key
 * ("acme", "acme-1", quality-attestation). */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* dir/name, in one of eight rotating buffers. */
const char *fixture_path(const fixture *f, const char *name);
void write_text(const char *path, const char *text);
void write_bytes(const char *path, const void *data, size_t n);
void read_bytes(const char *path, plumb__bytes *out);

void decode_hex(const char *hex, uint8_t *out, size_t n);

/* A second store under this name with the vendor's key and, where other_roles is not 0, the
 * other's. */
void make_trust(const fixture *f, const char *name, const plumb_trust_addition *vendor,
                const plumb_trust_addition *other);
plumb_trust *open_trust(const fixture *f, const char *name);
/* Signs dir/records.jsonl as acme/set with the defaults changed by `options` (may be NULL). */
void sign_records(const fixture *f, const char *records, const plumb_sign_options *options);
plumb_sign_options sign_defaults(void);

/* What a file of whole lines is known by, taken in the plainest way. */
void records_identify(const char *data, size_t n, uint64_t count, plumb__records_identity *out);

/* The call fails with this status and exactly this text. */
#define assert_fails(call, expected_status, text)                                                  \
    do {                                                                                           \
        plumb_error fails_err_ = {0};                                                              \
        plumb_error *err = &fails_err_;                                                            \
        const plumb_status fails_status_ = (call);                                                 \
        assert_string_equal(fails_err_.message, text);                                             \
        assert_int_equal(fails_status_, expected_status);                                          \
        assert_int_equal(fails_err_.status, expected_status);                                      \
    } while (0)

/* The call works; its message otherwise. */
#define assert_works(call)                                                                         \
    do {                                                                                           \
        plumb_error works_err_ = {0};                                                              \
        plumb_error *err = &works_err_;                                                            \
        if ((call) != PLUMB_OK) fail_msg("%s", works_err_.message);                                \
    } while (0)

#endif
