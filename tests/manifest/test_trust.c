/* Aim: a trust store is what its root signed, and answers who may sign what, when.
 * Method: a store grown step by step and read back; keys judged before, in and after their time;
 * documents that a root signed but that are malformed; every byte flipped; the store a failed
 * addition leaves. */
#include "manifest_fixture.h"

#include "manifest/signing/dsse.h"
#include "manifest/signing/pem.h"

#include <stdio.h>
#include <string.h>

static plumb_trust_addition addition(const plumb_secret_key *key, const char *name, uint32_t roles)
{
    plumb_trust_addition a;
    plumb_trust_addition_default(&a);
    a.vendor = "acme";
    a.name = name;
    a.roles = roles;
    plumb_key_public(key, &a.key);
    return a;
}

#define QUALITY (1u << PLUMB_ROLE_QUALITY_ATTESTATION)
#define OPERATOR (1u << PLUMB_ROLE_OPERATOR)

static void grows_by_versions(void **state)
{
    const fixture *f = *state;
    plumb_trust_addition one = addition(f->vendor, "one", QUALITY);
    plumb_trust_addition two = addition(f->other, "two", QUALITY | OPERATOR);
    one.valid_from = 1000;
    one.valid_until = 2000;
    two.threshold = 2;
    make_trust(f, "grown.json", &one, &two);
    plumb_trust *trust = open_trust(f, "grown.json");
    assert_int_equal(plumb_trust_version(trust), 3);
    assert_int_equal(plumb_trust_key_count(trust), 2);
    assert_int_equal(plumb_trust_expires(trust), 0);
    assert_int_equal(plumb_trust_threshold(trust, "acme", PLUMB_ROLE_QUALITY_ATTESTATION), 2);
    assert_int_equal(plumb_trust_threshold(trust, "acme", PLUMB_ROLE_OPERATOR), 2);
    assert_int_equal(plumb_trust_threshold(trust, "acme", PLUMB_ROLE_WITNESS), 1);
    assert_int_equal(plumb_trust_threshold(trust, "else", PLUMB_ROLE_OPERATOR), 1);
    assert_null(plumb_trust_key_at(trust, 2));
    char *json = NULL;
    assert_works(plumb_trust_json(trust, &json, err));
    assert_non_null(strstr(json, plumb_trust_root_fingerprint(trust)));
    plumb_text_free(json);
    plumb_trust_free(trust);
}

static void judges_keys(void **state)
{
    const fixture *f = *state;
    plumb_trust_addition one = addition(f->vendor, "one", QUALITY);
    one.valid_from = 86400;
    one.valid_until = 2 * 86400;
    make_trust(f, "judge.json", &one, NULL);
    plumb_trust *trust = open_trust(f, "judge.json");
    const plumb_trust_key *found = NULL;
    const plumb_role quality = PLUMB_ROLE_QUALITY_ATTESTATION;
    assert_works(plumb_trust_check(trust, &one.key, "acme", quality, 86400, &found, err));
    assert_string_equal(found->name, "one");
    assert_works(plumb_trust_check(trust, &one.key, NULL, quality, 2 * 86400 - 1, NULL, err));
    assert_fails(plumb_trust_check(trust, &one.key, "acme", quality, 86399, &found, err),
                 PLUMB_ERR_EXPIRED,
                 "key one of vendor acme is not valid before 1970-01-02T00:00:00Z");
    assert_null(found);
    assert_fails(plumb_trust_check(trust, &one.key, "acme", quality, 2 * 86400, NULL, err),
                 PLUMB_ERR_EXPIRED, "key one of vendor acme expired at 1970-01-03T00:00:00Z");
    assert_fails(plumb_trust_check(trust, &one.key, "acme", PLUMB_ROLE_OPERATOR, 86400, NULL, err),
                 PLUMB_ERR_TRUST, "key one of vendor acme has not the role operator");
    char keyid[PLUMB_KEYID_TEXT_BYTES], message[300];
    plumb_public_key other;
    plumb_key_public(f->other, &other);
    plumb_public_key_id(&other, keyid);
    snprintf(message, sizeof message, "key %s is not one of vendor acme in the trust store", keyid);
    assert_fails(plumb_trust_check(trust, &other, "acme", quality, 86400, NULL, err),
                 PLUMB_ERR_TRUST, message);
    snprintf(message, sizeof message, "key %s is not in the trust store", keyid);
    assert_fails(plumb_trust_check(trust, &other, NULL, quality, 86400, NULL, err), PLUMB_ERR_TRUST,
                 message);
    plumb_trust_free(trust);
}

/* A store with this document, signed by the root or by somebody else. */
static plumb_status parse_document(const plumb_secret_key *signer, const char *document,
                                   plumb_trust **trust, plumb_error *err)
{
    plumb__dsse envelope = {.payload_type = "application/vnd.plumbline.trust+json"};
    plumb__bytes text = {0};
    plumb__bytes_append_text(&envelope.payload, document);
    assert_works(plumb__dsse_sign(&envelope, signer, err));
    assert_works(plumb__dsse_dump(&envelope, &text, err));
    plumb__bytes_append_text(&text, "\n");
    const plumb_status status = plumb_trust_parse("t", text.data, text.size, trust, err);
    plumb__bytes_free(&text);
    plumb__dsse_free(&envelope);
    return status;
}

static void document(char *out, size_t size, const char *root, const char *vendors)
{
    snprintf(out, size,
             "{\"plumb_trust\":1,\"version\":1,\"roots\":{\"keys\":[\"%s\"],\"threshold\":1},"
             "\"vendors\":%s}",
             root, vendors);
}

static void revoked_keys(void **state)
{
    const fixture *f = *state;
    char root[PLUMB__SPKI_BASE64_BYTES], key[PLUMB__SPKI_BASE64_BYTES], vendors[1024], text[2048];
    plumb_public_key root_key, vendor_key;
    plumb_trust *trust = NULL;
    plumb_key_public(f->root, &root_key);
    plumb_key_public(f->vendor, &vendor_key);
    plumb__spki_base64(&root_key, root);
    plumb__spki_base64(&vendor_key, key);
    for (int compromised = 0; compromised < 2; compromised++) {
        snprintf(vendors, sizeof vendors,
                 "{\"acme\":{\"keys\":[{\"name\":\"one\",\"key\":\"%s\",\"roles\":[\"operator\"],"
                 "\"revoked_at\":\"1970-01-02\",\"reason\":\"%s\"}]}}",
                 key, compromised ? "compromised" : "retired");
        document(text, sizeof text, root, vendors);
        assert_works(parse_document(f->root, text, &trust, err));
        if (compromised) {
            assert_fails(
                plumb_trust_check(trust, &vendor_key, "acme", PLUMB_ROLE_OPERATOR, 5, NULL, err),
                PLUMB_ERR_EXPIRED,
                "key one of vendor acme was revoked at 1970-01-02T00:00:00Z (compromised)");
        } else {
            assert_works(
                plumb_trust_check(trust, &vendor_key, "acme", PLUMB_ROLE_OPERATOR, 5, NULL, err));
            assert_fails(plumb_trust_check(trust, &vendor_key, "acme", PLUMB_ROLE_OPERATOR, 86400,
                                           NULL, err),
                         PLUMB_ERR_EXPIRED,
                         "key one of vendor acme was revoked at 1970-01-02T00:00:00Z (retired)");
        }
        plumb_trust_free(trust);
    }
}

static void malformed_documents(void **state)
{
    const fixture *f = *state;
    char root[PLUMB__SPKI_BASE64_BYTES], key[PLUMB__SPKI_BASE64_BYTES], vendors[1024], text[2048];
    plumb_public_key root_key, vendor_key;
    plumb_trust *trust = NULL;
    plumb_key_public(f->root, &root_key);
    plumb_key_public(f->vendor, &vendor_key);
    plumb__spki_base64(&root_key, root);
    plumb__spki_base64(&vendor_key, key);
    static const struct {
        const char *vendors; /* %s: the vendor's key, up to twice */
        const char *message;
    } cases[] = {
        {"{\"a b\":{\"keys\":[]}}", "t: vendor \"a b\" must have 1 to 100 of the characters A-Z "
                                    "a-z 0-9 . _ - and begin with a "
                                    "letter or digit"},
        {"{\"acme\":{\"keys\":[],\"more\":1}}",
         "t: vendor \"acme\": unknown field \"more\" (allowed: keys, thresholds)"},
        {"{\"acme\":{\"keys\":[],\"thresholds\":{\"boss\":1}}}",
         "t: vendor \"acme\": there is no role \"boss\""},
        {"{\"acme\":{\"keys\":[],\"thresholds\":{\"operator\":0}}}",
         "t: vendor \"acme\": the threshold \"operator\" must be an integer from 1 to 64"},
        {"{\"acme\":{\"keys\":[{\"name\":\"n\",\"key\":\"%s\",\"roles\":[]}]}}",
         "t: vendor \"acme\": a key must have at least one role"},
        {"{\"acme\":{\"keys\":[{\"name\":\"n\",\"key\":\"%s\",\"roles\":[\"boss\"]}]}}",
         "t: vendor \"acme\": there is no role \"boss\""},
        {"{\"acme\":{\"keys\":[{\"name\":\"n\",\"key\":\"x%s\",\"roles\":[\"operator\"]}]}}",
         "t: vendor \"acme\": a key must be the body of an Ed25519 public key in PEM"},
        {"{\"acme\":{\"keys\":[{\"name\":\"n\",\"key\":\"%s\",\"roles\":[\"operator\"],"
         "\"valid_from\":\"tomorrow\"}]}}",
         "t: vendor \"acme\": field \"valid_from\" must be a date YYYY-MM-DD or a time "
         "YYYY-MM-DDThh:mm:ssZ, later than 1970-01-01"},
        {"{\"acme\":{\"keys\":[{\"name\":\"n\",\"key\":\"%s\",\"roles\":[\"operator\"],"
         "\"revoked_at\":\"2026-01-01\"}]}}",
         "t: vendor \"acme\": a revoked key has both \"revoked_at\" and a \"reason\", \"retired\" "
         "or "
         "\"compromised\""},
        {"{\"acme\":{\"keys\":[{\"name\":\"n\",\"key\":\"%s\",\"roles\":[\"operator\"]},"
         "{\"name\":\"m\",\"key\":\"%s\",\"roles\":[\"operator\"]}]}}",
         "t: vendor \"acme\": \"n\" and \"m\" are the same key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        snprintf(vendors, sizeof vendors, cases[i].vendors, key, key);
#pragma GCC diagnostic pop
        document(text, sizeof text, root, vendors);
        plumb_error why = {0};
        (void)parse_document(f->root, text, &trust, &why);
        assert_string_equal(why.message, cases[i].message);
        assert_null(trust);
    }
    document(text, sizeof text, root, "{}");
    assert_fails(
        parse_document(f->other, text, &trust, err), PLUMB_ERR_SIGNATURE,
        "t: signature 1 is by none of its root keys, or the store was changed after signing");
}

static void failed_addition_changes_nothing(void **state)
{
    const fixture *f = *state;
    char keyid[PLUMB_KEYID_TEXT_BYTES], message[700];
    plumb__bytes before, after;
    plumb_public_key other;
    const plumb_trust_addition twice = addition(f->vendor, "acme-2", QUALITY);
    const char *path = fixture_path(f, "trust.json");
    read_bytes(path, &before);
    plumb_key_public(f->other, &other);
    plumb_public_key_id(&other, keyid);
    snprintf(message, sizeof message, "%s: %s is not one of its root keys", path, keyid);
    assert_fails(plumb_trust_add(path, f->other, &twice, err), PLUMB_ERR_TRUST, message);
    snprintf(message, sizeof message,
             "%s: vendor \"acme\": \"acme-1\" and \"acme-2\" are the same key", path);
    assert_fails(plumb_trust_add(path, f->root, &twice, err), PLUMB_ERR_FORMAT, message);
    read_bytes(path, &after);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    plumb__bytes_free(&before);
    plumb__bytes_free(&after);
}

static void every_byte_counts(void **state)
{
    const fixture *f = *state;
    plumb__bytes text;
    plumb_trust *trust = NULL;
    read_bytes(fixture_path(f, "trust.json"), &text);
    assert_works(plumb_trust_parse("t", text.data, text.size, &trust, err));
    plumb_trust_free(trust);
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] ^= (uint8_t)(1u << i % 8);
        if (plumb_trust_parse("t", text.data, text.size, &trust, NULL) == PLUMB_OK)
            fail_msg("byte %zu is not looked at", i);
        text.data[i] ^= (uint8_t)(1u << i % 8);
        assert_int_not_equal(plumb_trust_parse("t", text.data, i, &trust, NULL), PLUMB_OK);
    }
    plumb__bytes_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_by_versions),
        cmocka_unit_test(judges_keys),
        cmocka_unit_test(revoked_keys),
        cmocka_unit_test(malformed_documents),
        cmocka_unit_test(failed_addition_changes_nothing),
        cmocka_unit_test(every_byte_counts),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
