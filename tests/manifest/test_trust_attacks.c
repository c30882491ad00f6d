/* Aim: who holds no key that counts, or one that counts for something else, gets neither a manifest
 * nor a trust store accepted, and each refusal says what is going on (the attacks that The Update
 * Framework names; those with true files at the wrong time are in test_replay_attacks.c). Method:
 * one test an attack, as its attacker would mount it; what is expected is the exact message. */
#include "attack_stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- with no key that counts ---- */

static void arbitrary(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    plumb_public_key key;
    char keyid[PLUMB_KEYID_TEXT_BYTES];
    set_stage(f, "arbitrary");
    make_store(f);
    sign_new(f->other, 1, RECORD("evil"));
    plumb_key_public(f->other, &key);
    plumb_public_key_id(&key, keyid);
    assert_refused(open_manifest(&m, err), PLUMB_ERR_TRUST,
                   text("%s: is signed by no key of the trust store (the first signature names key "
                        "%s); if you trust that key, add it with plumb trust add",
                        at("records.plumb.json"), keyid));
    assert_null(m);
}

/* Somebody's own store with its own roots is a store, but not the one that was seen: it stands
 * under another fingerprint, and that is what people compare. With the fingerprint's roots listed
 * and another key signing, it is none. */
static void arbitrary_store(void **state)
{
    const fixture *f = *state;
    char root[PLUMB__SPKI_BASE64_BYTES], payload[600];
    plumb_public_key key;
    plumb_trust *trust = NULL;
    set_stage(f, "arbitrary-store");
    plumb_key_public(f->root, &key);
    plumb__spki_base64(&key, root);
    snprintf(payload, sizeof payload,
             "{\"plumb_trust\":1,\"version\":1,\"roots\":{\"keys\":[\"%s\"],\"threshold\":1},"
             "\"vendors\":{}}",
             root);
    forge(at("trust.json"), TRUST_TYPE, payload, f->other);
    assert_refused(plumb_trust_open(at("trust.json"), &trust, err), PLUMB_ERR_SIGNATURE,
                   text("%s: signature 1 is by none of its root keys, or the store was changed "
                        "after signing",
                        at("trust.json")));
}

static void grow(const char *path, off_t size)
{
    const int fd = open(path, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0); /* sparse: no disk is harmed */
    assert_int_equal(close(fd), 0);
}

static void endless_data(void **state)
{
    const fixture *f = *state;
    plumb_trust *trust = NULL;
    plumb_manifest *m = NULL;
    set_stage(f, "endless");
    grow(at("huge.json"), ((off_t)16 << 20) + 1);
    assert_refused(plumb_trust_open(at("huge.json"), &trust, err), PLUMB_ERR_LIMIT,
                   text("%s is too large: at most 16777216 bytes are read here", at("huge.json")));
    assert_refused(plumb_trust_open("/dev/zero", &trust, err), PLUMB_ERR_FORMAT,
                   "/dev/zero is not a regular file");
    make_store(f);
    sign_new(f->vendor, 1, RECORD("a"));
    grow(at("big.plumb.json"), ((off_t)256 << 20) + 1);
    trust = store();
    assert_refused(
        plumb_manifest_open(at("big.plumb.json"), trust, NULL, &m, err), PLUMB_ERR_LIMIT,
        text("%s is too large: at most 268435456 bytes are read here", at("big.plumb.json")));
    plumb_trust_free(trust);
    /* Records: not one byte is read beyond the signed size. */
    grow(at("records.jsonl"), (off_t)1 << 40);
    assert_refused(open_manifest(&m, err), PLUMB_ERR_DIGEST,
                   text("%s: has 1099511627776 bytes, %zu were signed: the file was added to",
                        at("records.jsonl"), strlen(RECORD("a"))));
}

static void unsigned_envelope(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    plumb_trust *trust = NULL;
    set_stage(f, "unsigned");
    make_store(f);
    sign_new(f->vendor, 1, RECORD("a"));
    write_text(at("records.plumb.json"),
               "{\"payload\":\"e30=\",\"payloadType\":\"" INTOTO_TYPE "\",\"signatures\":[]}\n");
    assert_refused(open_manifest(&m, err), PLUMB_ERR_FORMAT,
                   text("%s: has 0 signatures, expected 1 to 64", at("records.plumb.json")));
    write_text(at("bare.json"),
               "{\"payload\":\"e30=\",\"payloadType\":\"" TRUST_TYPE "\",\"signatures\":[]}\n");
    assert_refused(plumb_trust_open(at("bare.json"), &trust, err), PLUMB_ERR_FORMAT,
                   text("%s: has 0 signatures, expected 1 to 64", at("bare.json")));
}

static void wrong_payload_type(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    set_stage(f, "payload-type");
    make_store(f);
    sign_new(f->vendor, 1, RECORD("a"));
    char *statement = statement_of(at("records.plumb.json"));
    forge(at("records.plumb.json"), "text/plain", statement, f->vendor);
    assert_refused(open_manifest(&m, err), PLUMB_ERR_FORMAT,
                   text("%s: holds a \"text/plain\", expected a statement (\"" INTOTO_TYPE "\")",
                        at("records.plumb.json")));
    free(statement);
}

/* A manifest where a trust store is wanted, and the other way round: both are envelopes, and both
 * are signed by keys that count for something. */
static void one_for_the_other(void **state)
{
    const fixture *f = *state;
    plumb_trust *trust = NULL;
    plumb_manifest *m = NULL;
    plumb__bytes bytes;
    set_stage(f, "other-kind");
    make_store(f);
    sign_new(f->vendor, 1, RECORD("a"));
    assert_refused(plumb_trust_open(at("records.plumb.json"), &trust, err), PLUMB_ERR_FORMAT,
                   text("%s: holds a \"" INTOTO_TYPE "\", expected a trust store (\"" TRUST_TYPE
                        "\")",
                        at("records.plumb.json")));
    read_bytes(at("trust.json"), &bytes);
    write_bytes(at("records.plumb.json"), bytes.data, bytes.size);
    plumb__bytes_free(&bytes);
    assert_refused(open_manifest(&m, err), PLUMB_ERR_FORMAT,
                   text("%s: holds a \"" TRUST_TYPE "\", expected a statement (\"" INTOTO_TYPE
                        "\")",
                        at("records.plumb.json")));
}

/* A statement of another kind, signed by the vendor in good faith, offered as a manifest. */
static void another_statement(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    set_stage(f, "another-statement");
    make_store(f);
    sign_new(f->vendor, 1, RECORD("a"));
    char *statement = statement_of(at("records.plumb.json"));
    char *kind = strstr(statement, "statement:manifest:v1");
    assert_non_null(kind);
    plumb__bytes changed = {0};
    plumb__bytes_append(&changed, statement, (size_t)(kind - statement));
    plumb__bytes_append_text(&changed, "statement:withdrawal:v1");
    plumb__bytes_append_text(&changed, kind + strlen("statement:manifest:v1"));
    forge(at("records.plumb.json"), INTOTO_TYPE, plumb__bytes_text(&changed), f->vendor);
    assert_refused(open_manifest(&m, err), PLUMB_ERR_FORMAT,
                   text("%s: is a statement of type \"urn:plumbline:statement:withdrawal:v1\", not "
                        "a manifest (\"urn:plumbline:statement:manifest:v1\")",
                        at("records.plumb.json")));
    plumb__bytes_free(&changed);
    free(statement);
}

/* ---- with keys that count, but not for this ---- */

static void wrong_role(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    set_stage(f, "role");
    make_store(f);
    const plumb_trust_addition a = key_of(f->other, "runner", 1u << PLUMB_ROLE_OPERATOR);
    assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
    sign_new(f->other, 1, RECORD("a"));
    assert_refused(open_manifest(&m, err), PLUMB_ERR_TRUST,
                   text("%s: key runner of vendor acme has not the role quality-attestation",
                        at("records.plumb.json")));
}

/* Another vendor's key, in the right role: it may not speak for acme. */
static void wrong_vendor(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    char keyid[PLUMB_KEYID_TEXT_BYTES];
    set_stage(f, "vendor");
    make_store(f);
    plumb_trust_addition a = key_of(f->other, "rival-1", QUALITY);
    a.vendor = "rival";
    assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
    sign_new(f->other, 1, RECORD("a"));
    plumb_public_key_id(&a.key, keyid);
    assert_refused(open_manifest(&m, err), PLUMB_ERR_TRUST,
                   text("%s: key %s is not one of vendor acme in the trust store",
                        at("records.plumb.json"), keyid));
}

static void below_threshold(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    plumb_secret_key *stranger = NULL;
    set_stage(f, "threshold");
    make_store(f);
    plumb_trust_addition a = key_of(f->other, "acme-2", QUALITY);
    a.threshold = 2;
    assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
    assert_works(plumb_key_ephemeral(&stranger, err));
    sign_new(f->vendor, 1, RECORD("a"));
    const char *below = "%s: 1 of vendor acme's keys have signed as quality-attestation, the trust "
                        "store wants 2";
    char message[600];
    snprintf(message, sizeof message, below, at("records.plumb.json"));
    assert_refused(open_manifest(&m, err), PLUMB_ERR_TRUST, message);
    sign_as(stranger, 1, RECORD("a")); /* a second signature, by nobody */
    assert_refused(open_manifest(&m, err), PLUMB_ERR_TRUST, message);
    sign_as(f->other, 1, RECORD("a")); /* the stranger's does no harm beside two that count */
    assert_works(open_manifest(&m, err));
    plumb_manifest_info info;
    plumb_manifest_describe(m, &info);
    assert_int_equal(info.n_signers, 2);
    plumb_manifest_free(m);
    plumb_key_free(stranger);
}

/* One signature several times is one signature; the same under another's key id is a lie. */
static void duplicate_key_ids(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    plumb__bytes file = {0}, out = {0};
    plumb__dsse envelope;
    set_stage(f, "duplicate-ids");
    make_store(f);
    plumb_trust_addition a = key_of(f->other, "acme-2", QUALITY);
    a.threshold = 2;
    assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
    sign_new(f->vendor, 1, RECORD("a"));
    assert_works(plumb__manifest_envelope_read(at("records.plumb.json"), &file, &envelope, err));
    envelope.signatures[1] = envelope.signatures[0];
    envelope.n_signatures = 2;
    assert_works(plumb__dsse_dump(&envelope, &out, err));
    plumb__bytes_append_text(&out, "\n");
    write_bytes(at("records.plumb.json"), out.data, out.size);
    assert_refused(open_manifest(&m, err), PLUMB_ERR_TRUST,
                   text("%s: 1 of vendor acme's keys have signed as quality-attestation, the trust "
                        "store wants 2",
                        at("records.plumb.json")));
    plumb_public_key_id(&a.key, envelope.signatures[1].keyid);
    plumb__bytes_clear(&out);
    assert_works(plumb__dsse_dump(&envelope, &out, err));
    plumb__bytes_append_text(&out, "\n");
    write_bytes(at("records.plumb.json"), out.data, out.size);
    assert_refused(open_manifest(&m, err), PLUMB_ERR_SIGNATURE,
                   text("%s: signature 2 does not hold under key acme-2: the envelope was changed "
                        "after signing",
                        at("records.plumb.json")));
    /* Without any key id it is found by itself, and still counts once. */
    envelope.signatures[1].keyid[0] = '\0';
    plumb__bytes_clear(&out);
    assert_works(plumb__dsse_dump(&envelope, &out, err));
    plumb__bytes_append_text(&out, "\n");
    write_bytes(at("records.plumb.json"), out.data, out.size);
    assert_refused(open_manifest(&m, err), PLUMB_ERR_TRUST,
                   text("%s: 1 of vendor acme's keys have signed as quality-attestation, the trust "
                        "store wants 2",
                        at("records.plumb.json")));
    plumb__bytes_free(&out);
    plumb__bytes_free(&file);
    plumb__dsse_free(&envelope);
}

static void duplicate_root_signature(void **state)
{
    const fixture *f = *state;
    plumb_trust *trust = NULL;
    plumb__bytes file, out = {0};
    plumb__dsse envelope;
    set_stage(f, "duplicate-root");
    make_store(f);
    read_bytes(at("trust.json"), &file);
    assert_works(plumb__dsse_parse("t", file.data, file.size - 1, &envelope, err));
    envelope.signatures[1] = envelope.signatures[0];
    envelope.n_signatures = 2;
    assert_works(plumb__dsse_dump(&envelope, &out, err));
    plumb__bytes_append_text(&out, "\n");
    assert_refused(plumb_trust_parse("t", out.data, out.size, &trust, err), PLUMB_ERR_FORMAT,
                   "t: signature 2 is by a root key that has signed already");
    plumb__bytes_free(&out);
    plumb__bytes_free(&file);
    plumb__dsse_free(&envelope);
}

/* One key under two names could fill a threshold of two alone: no store may say so, even one that
 * its roots have signed. */
static void one_key_two_names(void **state)
{
    const fixture *f = *state;
    char root[PLUMB__SPKI_BASE64_BYTES], key[PLUMB__SPKI_BASE64_BYTES], payload[1500];
    plumb_public_key root_key, vendor_key;
    plumb_trust *trust = NULL;
    set_stage(f, "two-names");
    plumb_key_public(f->root, &root_key);
    plumb_key_public(f->vendor, &vendor_key);
    plumb__spki_base64(&root_key, root);
    plumb__spki_base64(&vendor_key, key);
    snprintf(payload, sizeof payload,
             "{\"plumb_trust\":1,\"version\":1,\"roots\":{\"keys\":[\"%s\"],\"threshold\":1},"
             "\"vendors\":{\"acme\":{\"keys\":["
             "{\"name\":\"one\",\"key\":\"%s\",\"roles\":[\"quality-attestation\"]},"
             "{\"name\":\"two\",\"key\":\"%s\",\"roles\":[\"quality-attestation\"]}],"
             "\"thresholds\":{\"quality-attestation\":2}}}}",
             root, key, key);
    forge(at("trust.json"), TRUST_TYPE, payload, f->root);
    assert_refused(
        plumb_trust_open(at("trust.json"), &trust, err), PLUMB_ERR_FORMAT,
        text("%s: vendor \"acme\": \"one\" and \"two\" are the same key", at("trust.json")));
    snprintf(
        payload, sizeof payload,
        "{\"plumb_trust\":1,\"version\":1,\"roots\":{\"keys\":[\"%s\",\"%s\"],\"threshold\":2},"
        "\"vendors\":{}}",
        root, root);
    forge(at("trust.json"), TRUST_TYPE, payload, f->root);
    assert_refused(plumb_trust_open(at("trust.json"), &trust, err), PLUMB_ERR_FORMAT,
                   text("%s: in \"roots\": one root key is there twice", at("trust.json")));
}

#define KEY "{\"name\":\"%s\",\"key\":\"%s\",\"roles\":[\"quality-attestation\"]%s}"

/* No key is given to two vendors. Where a store has one, it fills a threshold of either once. */
static void one_key_two_vendors(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    set_stage(f, "two-vendors");
    make_store(f);
    plumb_trust_addition a = key_of(f->vendor, "same", QUALITY);
    a.vendor = "rival";
    assert_refused(plumb_trust_add(at("trust.json"), f->root, &a, err), PLUMB_ERR_EXISTS,
                   text("%s: this key is key acme-1 of vendor acme already; a key stands under one "
                        "vendor, so make another one for vendor rival",
                        at("trust.json")));
    forge_store(f, text("{\"acme\":{\"keys\":[" KEY "," KEY
                        "],\"thresholds\":{\"quality-attestation\":2}},"
                        "\"rival\":{\"keys\":[" KEY "]}}",
                        "acme-1", key_text(f->vendor), "", "acme-2", key_text(f->other), "", "same",
                        key_text(f->vendor), ""));
    sign_new(f->vendor, 1, RECORD("a"));
    assert_refused(open_manifest(&m, err), PLUMB_ERR_TRUST,
                   text("%s: 1 of vendor acme's keys have signed as quality-attestation, the trust "
                        "store wants 2",
                        at("records.plumb.json")));
}

/* Whoever revokes one entry hears of the other. */
static void names_the_twin(void **state)
{
    const fixture *f = *state;
    const char *retired = ",\"revoked_at\":\"2025-06-15\",\"reason\":\"retired\"";
    const char *compromised = ",\"revoked_at\":\"2025-06-15\",\"reason\":\"compromised\"";
    const struct {
        const char *acme, *house, *said;
    } cases[] = {
        {"", "",
         "key acme-1 of vendor acme and key w of vendor house are the same key: make another one "
         "for one of them"},
        {retired, "",
         "key acme-1 of vendor acme is retired, but key w of vendor house, which is the same key, "
         "still counts: revoke it too"},
        {"", retired,
         "key w of vendor house is retired, but key acme-1 of vendor acme, which is the same key, "
         "still counts: revoke it too"},
        {retired, compromised,
         "key w of vendor house is compromised, and so is key acme-1 of vendor acme, which is the "
         "same key"},
        {compromised, "",
         "key acme-1 of vendor acme is compromised, and so is key w of vendor house, which is the "
         "same key"},
        {retired, retired, NULL},
        {compromised, compromised, NULL}};
    set_stage(f, "twins");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char said[512] = "";
        forge_store(f, text("{\"acme\":{\"keys\":[" KEY "]},\"house\":{\"keys\":[" KEY "]}}",
                            "acme-1", key_text(f->vendor), cases[i].acme, "w", key_text(f->vendor),
                            cases[i].house));
        plumb_trust *trust = store();
        assert_int_equal(plumb_trust_warning(trust, 0, said, sizeof said), cases[i].said != NULL);
        if (cases[i].said != NULL) assert_string_equal(said, cases[i].said);
        assert_false(plumb_trust_warning(trust, 1, said, sizeof said));
        plumb_trust_free(trust);
    }
}

/* A retirement beside a revocation that is none of a compromised key says nothing. */
static void retired_at_alone(void **state)
{
    const fixture *f = *state;
    plumb_trust *trust = NULL;
    set_stage(f, "retired-alone");
    forge_store(f, text("{\"acme\":{\"keys\":[" KEY "]}}", "acme-1", key_text(f->vendor),
                        ",\"retired_at\":\"2025-06-15\""));
    assert_refused(plumb_trust_open(at("trust.json"), &trust, err), PLUMB_ERR_FORMAT,
                   text("%s: vendor \"acme\": only a key that is compromised has a \"retired_at\"",
                        at("trust.json")));
}

static void store_below_threshold(void **state)
{
    const fixture *f = *state;
    plumb_trust *trust = NULL;
    plumb_public_key keys[2];
    set_stage(f, "store-threshold");
    plumb_key_public(f->root, &keys[0]);
    plumb_key_public(f->other, &keys[1]);
    const plumb_secret_key *const one[] = {f->root};
    plumb_trust_change c = by(one, 1);
    const plumb_trust_roots roots = {keys, 2, 2};
    assert_works(plumb_trust_create(at("trust.json"), &c, &roots, 0, err));
    assert_true(c.pending);
    assert_int_equal(rename(at("trust.json.next"), at("trust.json")), 0);
    assert_refused(
        plumb_trust_open(at("trust.json"), &trust, err), PLUMB_ERR_TRUST,
        text("%s: is signed by 1 of its root keys, its threshold is 2", at("trust.json")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arbitrary),
        cmocka_unit_test(arbitrary_store),
        cmocka_unit_test(endless_data),
        cmocka_unit_test(unsigned_envelope),
        cmocka_unit_test(wrong_payload_type),
        cmocka_unit_test(one_for_the_other),
        cmocka_unit_test(another_statement),
        cmocka_unit_test(wrong_role),
        cmocka_unit_test(wrong_vendor),
        cmocka_unit_test(below_threshold),
        cmocka_unit_test(duplicate_key_ids),
        cmocka_unit_test(duplicate_root_signature),
        cmocka_unit_test(one_key_two_names),
        cmocka_unit_test(one_key_two_vendors),
        cmocka_unit_test(names_the_twin),
        cmocka_unit_test(retired_at_alone),
        cmocka_unit_test(store_below_threshold),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
