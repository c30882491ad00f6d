/* Aim: what is signed elsewhere and attached is the manifest that sign would have made, and nothing
 * else can be attached. Method: payload and attach against sign, byte for byte; one signer after
 * another; every input exchanged for another, with exact messages and the files untouched. */
#include "manifest_fixture.h"

#include "manifest/signing/dsse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define RECORD(id) "{\"id\":\"" id "\",\"private\":\"" HEX "\"}\n"

static void clean(const fixture *f)
{
    static const char *const names[] = {"records.plumb.json", "records.checkpoint",
                                        "records.plumb.payload", "records.plumb.pae",
                                        "records.checkpoint.body"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)remove(fixture_path(f, names[i]));
    }
}

static void make_payload(const fixture *f, const plumb_sign_options *options)
{
    assert_works(
        plumb_manifest_payload(fixture_path(f, "records.jsonl"), NULL, options, NULL, err));
}

/* The part of the machine that has the key: signs the bytes of a file. */
static void sign_elsewhere(const fixture *f, const plumb_secret_key *key, const char *in,
                           const char *out)
{
    plumb__bytes data;
    uint8_t signature[64];
    read_bytes(fixture_path(f, in), &data);
    assert_works(plumb_key_sign(key, data.data, data.size, signature, err));
    write_bytes(fixture_path(f, out), signature, sizeof signature);
    plumb__bytes_free(&data);
}

static plumb_status attach_as(const fixture *f, const plumb_secret_key *key, bool note,
                              plumb_error *err)
{
    plumb_attachment a;
    plumb_attachment_default(&a);
    plumb_key_public(key, &a.key);
    a.payload_path = fixture_path(f, "records.plumb.payload");
    a.signature_path = fixture_path(f, "pae.sig");
    a.checkpoint_signature_path = note ? fixture_path(f, "body.sig") : NULL;
    return plumb_manifest_attach(fixture_path(f, "records.jsonl"), &a, err);
}

static plumb_status attach(const fixture *f, const plumb_secret_key *key, bool note,
                           plumb_error *err)
{
    sign_elsewhere(f, key, "records.plumb.pae", "pae.sig");
    sign_elsewhere(f, key, "records.checkpoint.body", "body.sig");
    return attach_as(f, key, note, err);
}

static void assert_same_file(const fixture *f, const char *name, const plumb__bytes *expected)
{
    plumb__bytes now;
    read_bytes(fixture_path(f, name), &now);
    assert_int_equal(now.size, expected->size);
    assert_memory_equal(now.data, expected->data, now.size);
    plumb__bytes_free(&now);
}

static void is_what_sign_makes(void **state)
{
    const fixture *f = *state;
    const plumb_sign_options options = sign_defaults();
    plumb__bytes envelope, checkpoint;
    clean(f);
    sign_records(f, RECORD("a") RECORD("b"), NULL);
    assert_works(plumb_manifest_sign(fixture_path(f, "records.jsonl"), f->other, &options, err));
    read_bytes(fixture_path(f, "records.plumb.json"), &envelope);
    read_bytes(fixture_path(f, "records.checkpoint"), &checkpoint);
    clean(f);
    make_payload(f, &options);
    assert_works(attach(f, f->vendor, true, err));
    make_payload(f, &options); /* the second signer's payload is the first one's */
    assert_works(attach(f, f->other, true, err));
    assert_same_file(f, "records.plumb.json", &envelope);
    assert_same_file(f, "records.checkpoint", &checkpoint);
    assert_works(attach(f, f->other, true, err)); /* twice is once */
    assert_same_file(f, "records.plumb.json", &envelope);
    assert_same_file(f, "records.checkpoint", &checkpoint);
    plumb_public_key key;
    char message[600], keyid[PLUMB_KEYID_TEXT_BYTES];
    plumb_key_public(f->other, &key);
    plumb_public_key_id(&key, keyid);
    snprintf(message, sizeof message, "%s/records.plumb.json: key %.16s has signed this already",
             f->dir, keyid);
    assert_fails(
        plumb_manifest_payload(fixture_path(f, "records.jsonl"), &key, &options, NULL, err),
        PLUMB_ERR_EXISTS, message);
    plumb__bytes_free(&envelope);
    plumb__bytes_free(&checkpoint);
}

/* The payload's own time of issue stands, however late the signature comes back. */
static void issue_time_stands(void **state)
{
    const fixture *f = *state;
    plumb_sign_options options = sign_defaults();
    plumb_manifest_info info;
    plumb_manifest *m = NULL;
    options.issued_s = 0;
    clean(f);
    write_text(fixture_path(f, "records.jsonl"), RECORD("a"));
    make_payload(f, &options);
    assert_works(attach(f, f->vendor, false, err));
    assert_int_not_equal(access(fixture_path(f, "records.checkpoint"), F_OK), 0);
    plumb_trust *trust = open_trust(f, "trust.json");
    assert_works(plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, &m, err));
    plumb_manifest_describe(m, &info);
    assert_false(info.checkpoint);
    plumb_manifest_free(m);
    plumb_trust_free(trust);
}

static void another_folder(void **state)
{
    const fixture *f = *state;
    const plumb_sign_options options = sign_defaults();
    char dir[600];
    clean(f);
    snprintf(dir, sizeof dir, "%s/out", f->dir);
    assert_works(plumb__dir_create(dir, 0755, err));
    write_text(fixture_path(f, "records.jsonl"), RECORD("a"));
    assert_works(
        plumb_manifest_payload(fixture_path(f, "records.jsonl"), NULL, &options, dir, err));
    assert_int_equal(access(fixture_path(f, "out/records.plumb.pae"), F_OK), 0);
    assert_int_equal(access(fixture_path(f, "out/records.plumb.payload"), F_OK), 0);
    assert_int_equal(access(fixture_path(f, "out/records.checkpoint.body"), F_OK), 0);
    assert_int_not_equal(access(fixture_path(f, "records.plumb.pae"), F_OK), 0);
}

#define assert_attach_fails(f, key, note, status, text)                                            \
    do {                                                                                           \
        char message_[2048];                                                                       \
        snprintf(message_, sizeof message_, "%s/%s", (f)->dir, text);                              \
        assert_fails(attach_as(f, key, note, err), status, message_);                              \
        assert_int_not_equal(access(fixture_path(f, "records.plumb.json"), F_OK), 0);              \
        assert_int_not_equal(access(fixture_path(f, "records.checkpoint"), F_OK), 0);              \
    } while (0)

static void wrong_signatures(void **state)
{
    const fixture *f = *state;
    const plumb_sign_options options = sign_defaults();
    char message[600], keyid[PLUMB_KEYID_TEXT_BYTES];
    plumb_public_key key;
    clean(f);
    write_text(fixture_path(f, "records.jsonl"), RECORD("a"));
    make_payload(f, &options);
    sign_elsewhere(f, f->other, "records.plumb.pae", "pae.sig");
    sign_elsewhere(f, f->vendor, "records.checkpoint.body", "body.sig");
    plumb_key_public(f->vendor, &key);
    plumb_public_key_id(&key, keyid);
    snprintf(message, sizeof message,
             "the signature is not key %.16s's over this payload: sign the bytes of NAME.plumb.pae "
             "as they are, with pure Ed25519",
             keyid);
    assert_fails(attach_as(f, f->vendor, true, err), PLUMB_ERR_SIGNATURE, message);
    sign_elsewhere(f, f->vendor, "records.plumb.payload", "pae.sig"); /* not the PAE */
    assert_fails(attach_as(f, f->vendor, true, err), PLUMB_ERR_SIGNATURE, message);
    sign_elsewhere(f, f->vendor, "records.plumb.pae", "pae.sig");
    sign_elsewhere(f, f->vendor, "records.plumb.pae", "body.sig");
    assert_fails(attach_as(f, f->vendor, true, err), PLUMB_ERR_SIGNATURE,
                 "the checkpoint's signature does not hold: sign the bytes of "
                 "NAME.checkpoint.body as they are, with pure Ed25519");
    write_text(fixture_path(f, "pae.sig"), "c2lnbmF0dXJl");
    assert_attach_fails(f, f->vendor, true, PLUMB_ERR_FORMAT,
                        "pae.sig: has 12 bytes, a raw Ed25519 signature has 64");
}

static void wrong_records(void **state)
{
    const fixture *f = *state;
    const plumb_sign_options options = sign_defaults();
    char message[700];
    clean(f);
    write_text(fixture_path(f, "records.jsonl"), RECORD("a"));
    make_payload(f, &options);
    sign_elsewhere(f, f->vendor, "records.plumb.pae", "pae.sig");
    sign_elsewhere(f, f->vendor, "records.checkpoint.body", "body.sig");
    write_text(fixture_path(f, "records.jsonl"), RECORD("b"));
    snprintf(
        message, sizeof message,
        "records.jsonl: is not the file that %s/records.plumb.payload is about: restore it, or "
        "make the payload again",
        f->dir);
    assert_attach_fails(f, f->vendor, true, PLUMB_ERR_DIGEST, message);
    write_text(fixture_path(f, "records.jsonl"), RECORD("a"));
    write_text(fixture_path(f, "records.plumb.payload"), "{}");
    assert_attach_fails(f, f->vendor, true, PLUMB_ERR_FORMAT,
                        "records.plumb.payload: field \"_type\" is missing");
}

/* Somebody signed version 1 while the payload of version 2 was out. */
static void overtaken(void **state)
{
    const fixture *f = *state;
    plumb_sign_options options = sign_defaults();
    char message[600];
    clean(f);
    write_text(fixture_path(f, "records.jsonl"), RECORD("a"));
    options.manifest_version = 2;
    make_payload(f, &options);
    sign_records(f, RECORD("a"), NULL);
    snprintf(message, sizeof message,
             "%s/records.plumb.payload: was made before version 1 was signed; make the payload "
             "again",
             f->dir);
    assert_fails(attach(f, f->vendor, true, err), PLUMB_ERR_EXISTS, message);
    make_payload(f, &options);
    assert_works(attach(f, f->vendor, true, err));
    options.manifest_version = 1;
    snprintf(message, sizeof message,
             "%s/records.plumb.json: holds another statement of version 2; sign this one as "
             "version 3 or above",
             f->dir);
    assert_fails(
        plumb_manifest_payload(fixture_path(f, "records.jsonl"), NULL, &options, NULL, err),
        PLUMB_ERR_EXISTS, message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_what_sign_makes), cmocka_unit_test(issue_time_stands),
        cmocka_unit_test(another_folder),     cmocka_unit_test(wrong_signatures),
        cmocka_unit_test(wrong_records),      cmocka_unit_test(overtaken),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
