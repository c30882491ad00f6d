/* The stage of the attacks: a folder with a trust store, a manifest and what was seen; and the
 * tools of an attacker. */
#ifndef PLUMB_TESTS_MANIFEST_ATTACK_STAGE_H
#define PLUMB_TESTS_MANIFEST_ATTACK_STAGE_H

#include "manifest_fixture.h"

#include "manifest/manifest_object.h"
#include "manifest/plumb_state.h"
#include "manifest/signing/pem.h"
#include "manifest/trust/trust_store.h"

#define CONTENT                                                                                    \
    "\"content\":{\"sha256\":"                                                                     \
    "\"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9\","                        \
    "\"bytes\":11}"
#define RECORD(id) "{\"id\":\"" id "\"," CONTENT "}\n"
#define QUALITY (1u << PLUMB_ROLE_QUALITY_ATTESTATION)
#define TRUST_TYPE "application/vnd.plumbline.trust+json"
#define INTOTO_TYPE "application/vnd.in-toto+json"

/* A fresh folder of its own for every test. */
void set_stage(const fixture *f, const char *name);
/* A path on the stage, and formatted text; in rotating buffers. */
const char *at(const char *name);
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

plumb_trust_addition key_of(const plumb_secret_key *key, const char *name, uint32_t roles);
plumb_trust_change by(const plumb_secret_key *const *key, size_t n);
/* trust.json with the vendor's key, version 2; and opened. */
void make_store(const fixture *f);
plumb_trust *store(void);

/* Signs records.jsonl as acme/set: over what is there, or as if nothing had been there before. */
void sign_as(const plumb_secret_key *key, uint64_t version, const char *records);
void sign_new(const plumb_secret_key *key, uint64_t version, const char *records);
plumb_status open_manifest(plumb_manifest **m, plumb_error *err);
/* What a start does: checks the store, and the manifest if wanted, and remembers them. */
plumb_status use(bool with_manifest, plumb_error *err);

/* An envelope of any type and payload, signed, as a file. */
void forge(const char *path, const char *type, const char *payload, const plumb_secret_key *key);
/* trust.json with these vendors (a JSON object's text), whatever the writers would say to it. */
void forge_store(const fixture *f, const char *vendors);
/* The base64 of a key in a store; in rotating buffers. */
const char *key_text(const plumb_secret_key *key);
/* A witness's line more in the checkpoint. */
void cosign_as(const char *name, const plumb_secret_key *witness, int64_t time_s);
/* The signed bytes of a manifest, as text; free it. */
char *statement_of(const char *path);

/* Equal, whatever the dates after "(on " are. */
void assert_like(const char *message, const char *expected);
const char *today(void);

#define assert_refused(call, expected_status, expected)                                            \
    do {                                                                                           \
        plumb_error refused_err_ = {0};                                                            \
        plumb_error *err = &refused_err_;                                                          \
        const plumb_status refused_status_ = (call);                                               \
        assert_like(refused_err_.message, expected);                                               \
        assert_int_equal(refused_status_, expected_status);                                        \
    } while (0)

#endif
