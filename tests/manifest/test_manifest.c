/* Aim: what was signed is what is read: every field, the terms a record gets from its rubric and
 * the defaults, segments, profiles, versions and second signatures. Method: sign small records with
 * a taxonomy, open, compare each value; random ids looked up in a larger manifest; statements
 * signed again, by others, with other content. */
#include "manifest_fixture.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "manifest/files.h"
#include "manifest/proofs/merkle.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static const char taxonomy[] =
    "{\"profiles\":{\"shallow\":{\"band\":[0,0.4]},\"deep\":{\"trapezoid\":[0.4,0.6,1,1]}},"
    "\"rubrics\":{\"role@2\":{\"depth\":\"deep\",\"budget\":{\"step\":2,\"run\":16},"
    "\"definition_digest\":\"d\"},\"form@1\":{\"weight\":0.25}},"
    "\"domains\":{\"sound\":{}},\"defaults\":{\"depth\":\"shallow\",\"budget\":{\"run\":8},"
    "\"weight\":0.5}}";

static const char records[] =
    "{\"id\":\"r1\",\"content\":{\"sha256\":\"" DIGEST
    "\",\"bytes\":11},\"text\":\"hello\\nworld\","
    "\"label\":\"l\",\"rubric\":\"role@2\",\"domain\":\"sound\",\"batch\":\"b1\",\"annotators\":["
    "\"a1\","
    "\"a2\"],\"cohort\":\"c\",\"source\":\"human\",\"quality\":0.94,\"agreement\":{\"raters\":3,"
    "\"alpha\":0.81},\"parent\":\"p\",\"template\":\"t@4\",\"licence\":\"CC0\",\"marking\":\"U\","
    "\"future\":{\"kept\":true}}\n"
    "{\"id\":\"r2\",\"content\":{\"sha256\":\"" DIGEST
    "\",\"bytes\":11},\"depth\":\"none\",\"weight\":0,"
    "\"budget\":{\"step\":1.5},\"rubric\":\"form@1\"}\n"
    "{\"id\":\"r3 \xc3\xa9\",\"private\":\"" DIGEST "\",\"depth\":{\"points\":[[0,1],[1,3]]},"
    "\"annotators\":[\"a1\"]}\n"
    "{\"id\":\"r4\",\"content\":{\"sha256\":\"" DIGEST
    "\",\"bytes\":11},\"segments\":[{\"bytes\":[0,4],"
    "\"depth\":\"deep\",\"annotators\":[\"a17\"]},{\"bytes\":[5,11]}]}\n";

/* Needs no taxonomy. */
static const char plain[] = "{\"id\":\"p1\",\"private\":\"" DIGEST "\"}\n"
                            "{\"id\":\"p2\",\"private\":\"" DIGEST "\"}\n";

static plumb_manifest *open_records(const fixture *f, const char *text, const char *taxonomy_text)
{
    plumb_sign_options options = sign_defaults();
    plumb_manifest *m = NULL;
    plumb_trust *trust = open_trust(f, "trust.json");
    options.taxonomy_path = taxonomy_text != NULL ? fixture_path(f, "taxonomy.json") : NULL;
    if (taxonomy_text != NULL) write_text(options.taxonomy_path, taxonomy_text);
    sign_records(f, text, &options);
    assert_works(plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, &m, err));
    plumb_trust_free(trust);
    return m;
}

static plumb_record record(const plumb_manifest *m, const char *id)
{
    plumb_record r;
    const uint32_t number = plumb_manifest_find(m, id);
    assert_int_not_equal(number, PLUMB_NO_RECORD);
    assert_works(plumb_manifest_record(m, number, &r, err));
    assert_string_equal(r.id, id);
    return r;
}

static void every_field(void **state)
{
    const fixture *f = *state;
    uint8_t digest[32];
    plumb_manifest *m = open_records(f, records, taxonomy);
    const plumb_record r = record(m, "r1");
    decode_hex(DIGEST, digest, 32);
    assert_string_equal(r.text, "hello\nworld");
    assert_string_equal(r.label, "l");
    assert_string_equal(r.rubric, "role@2");
    assert_string_equal(r.domain, "sound");
    assert_string_equal(r.batch, "b1");
    assert_string_equal(r.cohort, "c");
    assert_string_equal(r.source, "human");
    assert_string_equal(r.template_name, "t@4");
    assert_string_equal(r.parent, "p");
    assert_string_equal(r.licence, "CC0");
    assert_string_equal(r.marking, "U");
    assert_int_equal(r.n_annotators, 2);
    assert_string_equal(r.annotators[0], "a1");
    assert_string_equal(r.annotators[1], "a2");
    assert_true(r.quality == 0.94);
    assert_true(r.has_digest);
    assert_memory_equal(r.sha256, digest, 32);
    assert_int_equal(r.content_bytes, 11);
    const plumb_record bare = record(m, "r4");
    assert_null(bare.text);
    assert_null(bare.rubric);
    assert_null(bare.cohort);
    assert_true(isnan(bare.quality));
    assert_int_equal(bare.n_annotators, 0);
    assert_false(record(m, "r3 \xc3\xa9").has_digest);
    size_t n;
    char *line = NULL;
    assert_works(plumb_manifest_line(m, 0, &line, &n, err));
    assert_memory_equal(line, records, n);
    plumb_text_free(line);
    assert_int_equal(records[n], '\n');
    plumb_manifest_free(m);
}

/* What a conversation, a preference pair and consent leave in the table. */
static void consent_and_conversations(void **state)
{
    const fixture *f = *state;
    static const char text[] =
        "{\"id\":\"c1\",\"private\":\"" DIGEST "\",\"source\":\"human+model\",\"parent\":\"t\","
        "\"component\":\"facts\",\"consent\":{\"basis\":\"contract\",\"reference\":\"form-7\"},"
        "\"messages\":[{\"role\":\"user\",\"content\":\"hi\",\"lang\":\"en\"}]}\n"
        "{\"id\":\"c2\",\"private\":\"" DIGEST "\",\"source\":\"model\",\"prompt\":\"q\","
        "\"chosen\":[{\"role\":\"assistant\",\"content\":\"\"}],\"rejected\":\"no\","
        "\"consent\":{\"withdrawn\":\"2026-11-01T00:00:01Z\"}}\n"
        "{\"id\":\"c3\",\"private\":\"" DIGEST "\"}\n";
    plumb_manifest *m = open_records(f, text, NULL);
    const plumb_record c1 = record(m, "c1"), c2 = record(m, "c2"), c3 = record(m, "c3");
    assert_string_equal(c1.component, "facts");
    assert_string_equal(c1.consent, "contract");
    assert_string_equal(c1.source, "human+model");
    assert_false(c1.withdrawn);
    assert_int_equal(c1.withdrawn_s, 0);
    assert_true(c2.withdrawn);
    assert_int_equal(c2.withdrawn_s, 1793491201);
    assert_null(c2.consent);
    assert_false(c3.withdrawn);
    assert_null(c3.component);
    plumb__hash leaf;
    size_t n;
    char *line = NULL;
    assert_works(plumb_manifest_line(m, 2, &line, &n, err));
    assert_works(plumb__manifest_leaf(m, 2, &leaf, err));
    const plumb__hash expected = plumb__merkle_leaf(line, n);
    assert_true(plumb__hash_equal(&leaf, &expected));
    assert_fails(plumb__manifest_leaf(m, 3, &leaf, err), PLUMB_ERR_ARGUMENT,
                 "record 3 of a manifest with 3");
    plumb_text_free(line);
    plumb_manifest_free(m);
}

static void terms(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = open_records(f, records, taxonomy);
    const plumb_record r1 = record(m, "r1"), r2 = record(m, "r2"), r3 = record(m, "r3 \xc3\xa9"),
                       r4 = record(m, "r4");
    assert_string_equal(r1.profile,
                        "{\"trapezoid\":[0.40000000000000002,0.59999999999999998,1,1]}");
    assert_true(r1.step_budget_nats == 2 && r1.run_budget_nats == 16 && r1.weight == 0.5);
    assert_string_equal(r2.profile, "{\"layers\":{}}");
    assert_true(r2.step_budget_nats == 1.5 && r2.run_budget_nats == 8 && r2.weight == 0);
    assert_string_equal(r3.profile, "{\"points\":[[0,1],[1,3]]}");
    assert_true(isnan(r3.step_budget_nats) && r3.run_budget_nats == 8 && r3.weight == 0.5);
    assert_string_equal(r4.profile, "{\"band\":[0,0.40000000000000002]}");
    assert_true(plumb_manifest_mask(m, 0, -1, 0.5, "x") - 0.5 < 1e-9);
    assert_true(plumb_manifest_mask(m, 1, -1, 0.5, "x") == 0.0);
    assert_true(plumb_manifest_mask(m, 2, -1, 0.5, "x") == 2.0);
    assert_true(plumb_manifest_mask(m, 3, -1, 0.5, "x") == 0.0);
    assert_true(plumb_manifest_mask(m, 3, 0, 0.8, "x") == 1.0);
    assert_true(plumb_manifest_mask(m, 3, 1, 0.8, "x") == 0.0);
    assert_true(plumb_manifest_mask(m, 3, 2, 0.1, "x") == 0.0); /* there is no third segment */
    assert_true(plumb_manifest_mask(m, 99, -1, 0.1, "x") == 0.0);
    assert_string_equal(plumb_manifest_profile_text(m, r3.profile_number), r3.profile);
    assert_int_equal(plumb_manifest_profile_count(m), 5);
    assert_null(plumb_manifest_profile_text(m, 5));
    uint32_t n;
    const plumb_segment *s = plumb_manifest_segments(m, 3, &n);
    assert_int_equal(n, 2);
    assert_int_equal(r4.n_segments, 2);
    assert_true(s[0].from == 0 && s[0].to == 4 && s[1].from == 5 && s[1].to == 11);
    assert_int_equal(s[1].profile, r4.profile_number);
    assert_null(plumb_manifest_segments(m, 0, &n));
    plumb_manifest_free(m);
}

static void assert_explained(const plumb_manifest *m, uint32_t number, const char *name,
                             const char *const from[4])
{
    plumb_explanation why;
    assert_works(plumb_manifest_explain(m, number, &why, err));
    const char *const got[4] = {why.depth_from, why.step_budget_from, why.run_budget_from,
                                why.weight_from};
    assert_string_equal(why.depth_name, name);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(got[i] == NULL, from[i] == NULL);
        if (got[i] != NULL) assert_string_equal(got[i], from[i]);
    }
}

static void explanations(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = open_records(f, records, taxonomy);
    assert_explained(m, 0, "deep", (const char *const[]){"rubric", "rubric", "rubric", "defaults"});
    assert_explained(m, 1, "none", (const char *const[]){"record", "record", "defaults", "record"});
    assert_explained(m, 2, "(inline)",
                     (const char *const[]){"record", NULL, "defaults", "defaults"});
    assert_explained(m, 3, "shallow",
                     (const char *const[]){"defaults", NULL, "defaults", "defaults"});
    plumb_manifest_free(m);
    m = open_records(f, "{\"id\":\"x\",\"private\":\"" DIGEST "\",\"rubric\":\"any\"}\n", NULL);
    assert_explained(m, 0, "all", (const char *const[]){"built in", NULL, NULL, "built in"});
    assert_string_equal(record(m, "x").profile, "{\"band\":[0,1]}");
    assert_true(record(m, "x").weight == 1.0);
    plumb_manifest_free(m);
}

static void description(void **state)
{
    const fixture *f = *state;
    plumb_manifest_info info;
    size_t n;
    plumb_manifest *m = open_records(f, records, taxonomy);
    plumb_manifest_describe(m, &info);
    assert_string_equal(info.vendor, "acme");
    assert_string_equal(info.dataset, "set");
    assert_int_equal(info.manifest_version, 1);
    assert_int_equal(info.records, 4);
    assert_int_equal(info.issued_s, 1700000000);
    assert_int_equal(info.expires_s, 0);
    assert_false(info.expired);
    assert_true(info.checkpoint);
    assert_int_equal(info.n_signers, 1);
    assert_string_equal(plumb_manifest_signer_at(m, 0).name, "acme-1");
    assert_non_null(plumb__manifest_bytes(m, PLUMB__MANIFEST_ENVELOPE, &n));
    assert_true(n > 100);
    plumb__bytes again = {0};
    assert_works(plumb__manifest_read_records(m, &again, err));
    assert_int_equal(again.size, sizeof records - 1);
    assert_int_equal(plumb__manifest_records_bytes(m), sizeof records - 1);
    assert_memory_equal(again.data, records, again.size);
    plumb__bytes_free(&again);
    const plumb__hash digest = plumb__blake2b(records, sizeof records - 1);
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(&digest, hex);
    assert_string_equal(info.records_digest, hex);
    plumb_manifest_free(m);
}

/* Ten thousand records: each is found under its number, others are not, and a record stays lean. */
static void many_records(void **state)
{
    const fixture *f = *state;
    enum { COUNT = 10000 };
    plumb__bytes text = {0};
    for (int i = 0; i < COUNT; i++) {
        plumb__bytes_appendf(&text,
                             "{\"id\":\"id-%d\",\"content\":{\"sha256\":\"" DIGEST
                             "\",\"bytes\":1},\"cohort\":\"c%d\",\"annotators\":[\"a%d\"]}\n",
                             i * 7, i % 10, i % 20);
    }
    plumb_manifest *m = open_records(f, plumb__bytes_text(&text), NULL);
    for (int i = 0; i < COUNT; i++) {
        char id[32];
        snprintf(id, sizeof id, "id-%d", i * 7);
        assert_int_equal(plumb_manifest_find(m, id), i);
        snprintf(id, sizeof id, "id-%d", i * 7 + 1);
        assert_int_equal(plumb_manifest_find(m, id), PLUMB_NO_RECORD);
    }
    assert_string_equal(record(m, "id-77").cohort, "c1");
    assert_string_equal(record(m, "id-77").annotators[0], "a11");
    plumb_manifest_info info;
    plumb_manifest_describe(m, &info);
    /* 8 bytes of it are the id itself. */
    assert_true(info.table_bytes < COUNT * (size_t)(112 + 8 + 8));
    plumb_manifest_free(m);
    plumb__bytes_free(&text);
}

static plumb_status sign_again(const fixture *f, const plumb_secret_key *key,
                               const plumb_sign_options *options, plumb_error *err)
{
    return plumb_manifest_sign(fixture_path(f, "records.jsonl"), key, options, err);
}

/* The same statement gets one more signature; thresholds count keys, each once. */
static void second_signature(void **state)
{
    const fixture *f = *state;
    plumb_sign_options options = sign_defaults();
    plumb_trust_addition one, two;
    plumb_manifest *m = NULL;
    plumb_manifest_info info;
    char message[700];
    plumb_trust_addition_default(&one);
    one.vendor = "acme";
    one.name = "one";
    one.roles = 1u << PLUMB_ROLE_QUALITY_ATTESTATION;
    plumb_key_public(f->vendor, &one.key);
    two = one;
    two.name = "two";
    two.threshold = 2;
    plumb_key_public(f->other, &two.key);
    make_trust(f, "two.json", &one, &two);
    plumb_trust *trust = open_trust(f, "two.json");
    const char *path = fixture_path(f, "records.plumb.json");
    sign_records(f, plain, NULL);
    snprintf(
        message, sizeof message,
        "%s: 1 of vendor acme's keys have signed as quality-attestation, the trust store wants 2",
        path);
    assert_fails(plumb_manifest_open(path, trust, NULL, &m, err), PLUMB_ERR_TRUST, message);
    options.issued_s = 0;
    assert_works(sign_again(f, f->vendor, &options, err));
    assert_fails(plumb_manifest_open(path, trust, NULL, &m, err), PLUMB_ERR_TRUST, message);
    assert_works(sign_again(f, f->other, &options, err));
    assert_works(plumb_manifest_open(path, trust, NULL, &m, err));
    plumb_manifest_describe(m, &info);
    assert_int_equal(info.n_signers, 2);
    assert_int_equal(info.issued_s, 1700000000);
    plumb_manifest_free(m);
    plumb_trust_free(trust);
}

static void versions_rise(void **state)
{
    const fixture *f = *state;
    plumb_sign_options options = sign_defaults();
    plumb_manifest *m = open_records(f, plain, NULL);
    char message[700], first_root[65];
    plumb_manifest_info info;
    plumb_manifest_describe(m, &info);
    snprintf(first_root, sizeof first_root, "%s", info.root_hex);
    plumb_manifest_free(m);
    write_text(fixture_path(f, "records.jsonl"), "{\"id\":\"new\",\"private\":\"" DIGEST "\"}\n");
    const char *path = fixture_path(f, "records.plumb.json");
    snprintf(message, sizeof message,
             "%s: holds another statement of version 1; sign this one as version 2 or above", path);
    assert_fails(sign_again(f, f->vendor, &options, err), PLUMB_ERR_EXISTS, message);
    options.dataset = "other";
    options.manifest_version = 2;
    snprintf(message, sizeof message,
             "%s: is the manifest of acme/set; sign acme/other under another file name", path);
    assert_fails(sign_again(f, f->vendor, &options, err), PLUMB_ERR_EXISTS, message);
    options.dataset = "set";
    assert_works(sign_again(f, f->vendor, &options, err));
    plumb_trust *trust = open_trust(f, "trust.json");
    assert_works(plumb_manifest_open(path, trust, NULL, &m, err));
    size_t n;
    json_t *statement = NULL;
    const char *bytes = plumb_manifest_statement(m, &n);
    assert_works(plumb__json_parse("statement", bytes, n, &statement, err));
    const json_t *before = json_object_get(json_object_get(statement, "predicate"), "supersedes");
    assert_int_equal(json_integer_value(json_object_get(before, "version")), 1);
    assert_string_equal(json_string_value(json_object_get(before, "root")), first_root);
    json_decref(statement);
    plumb_manifest_free(m);
    plumb_trust_free(trust);
}

static void untrusted(void **state)
{
    const fixture *f = *state;
    plumb_manifest_options options;
    plumb_manifest *m = NULL;
    plumb_manifest_info info;
    plumb_manifest_options_default(&options);
    sign_records(f, plain, NULL);
    const char *path = fixture_path(f, "records.plumb.json");
    assert_fails(plumb_manifest_open(path, NULL, &options, &m, err), PLUMB_ERR_ARGUMENT,
                 "a manifest is opened with a trust store, or as untrusted, not both");
    options.untrusted = true;
    assert_works(plumb_manifest_open(path, NULL, &options, &m, err));
    plumb_manifest_describe(m, &info);
    assert_int_equal(info.n_signers, 0);
    assert_int_equal(info.records, 2);
    plumb_manifest_free(m);
}

/* With no checkpoint, and records kept elsewhere, the statement alone binds them. */
static void records_elsewhere(void **state)
{
    const fixture *f = *state;
    plumb_manifest_options options;
    plumb_manifest *m = NULL;
    plumb_manifest_info info;
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_manifest_options_default(&options);
    sign_records(f, plain, NULL);
    assert_int_equal(unlink(fixture_path(f, "records.checkpoint")), 0);
    assert_int_equal(rename(fixture_path(f, "records.jsonl"), fixture_path(f, "moved")), 0);
    options.records_path = fixture_path(f, "moved");
    assert_works(
        plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, &options, &m, err));
    plumb_manifest_describe(m, &info);
    assert_false(info.checkpoint);
    plumb_manifest_free(m);
    plumb_trust_free(trust);
}

/* The private line of a record and the digest that its public line carries. */
static void private_line(const char *line, char hex[PLUMB__HASH_HEX_BYTES])
{
    static const uint8_t salt[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    plumb__hasher h;
    plumb__hash_init(&h, PLUMB__SHA256);
    plumb__hash_update(&h, salt, sizeof salt);
    plumb__hash_update(&h, line, strlen(line));
    const plumb__hash digest = plumb__hash_final(&h);
    plumb__hash_hex(&digest, hex);
}

#define PRIVATE_LINE                                                                               \
    "{\"id\":\"s\",\"salt\":\"000102030405060708090a0b0c0d0e0f\",\"text\":\"whispered\","          \
    "\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":9},\"annotators\":[\"ann\"]}"

static plumb_status reopen(const fixture *f, plumb_manifest **m, plumb_error *err)
{
    plumb_trust *trust = open_trust(f, "trust.json");
    const plumb_status status =
        plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, m, err);
    plumb_trust_free(trust);
    return status;
}

/* With its line a private record has its content; without it everything else still verifies; a
 * changed, foreign or doubly stated line is refused. */
static void private_records(void **state)
{
    const fixture *f = *state;
    char hex[PLUMB__HASH_HEX_BYTES], text[400], message[700];
    plumb_manifest *m = NULL;
    char path[512];
    snprintf(path, sizeof path, "%s", fixture_path(f, "records.private.jsonl"));
    private_line(PRIVATE_LINE, hex);
    snprintf(text, sizeof text,
             "{\"id\":\"o\",\"private\":\"" DIGEST
             "\"}\n{\"id\":\"s\",\"private\":\"%s\",\"weight\":2}\n",
             hex);
    write_text(path, PRIVATE_LINE "\n");
    sign_records(f, text, NULL);
    assert_works(reopen(f, &m, err));
    assert_string_equal(record(m, "s").text, "whispered");
    assert_string_equal(record(m, "s").annotators[0], "ann");
    assert_int_equal(record(m, "s").content_bytes, 9);
    assert_true(record(m, "s").weight == 2);
    assert_false(record(m, "o").has_digest);
    plumb_manifest_free(m);

    write_text(path, "");
    assert_works(reopen(f, &m, err));
    assert_null(record(m, "s").text);
    assert_false(record(m, "s").has_digest);
    plumb_manifest_free(m);

    static const struct {
        const char *line, *message;
        plumb_status status;
    } bad[] = {
        {"{\"id\":\"s\",\"salt\":\"000102030405060708090a0b0c0d0e0f\",\"text\":\"shouted\"}\n",
         "line 1, column 1: is not the line that was signed for record \"s\"", PLUMB_ERR_DIGEST},
        {"{\"id\":\"s\",\"salt\":\"00\"}\n",
         "line 1, column 18: field \"salt\" must be 32 lower-case hex digits", PLUMB_ERR_FORMAT},
        {PRIVATE_LINE "\n" PRIVATE_LINE "\n",
         "line 2, column 7: id \"s\" is that of line 1 already", PLUMB_ERR_FORMAT},
        {"{\"id\":\"s\",\"depth\":\"none\"}\n",
         "line 1, column 1: unknown field \"depth\" (allowed: id, salt, content, text, label, "
         "annotators, "
         "cohort)",
         PLUMB_ERR_FORMAT},
        {"{\"id\":\"z\",\"salt\":\"000102030405060708090a0b0c0d0e0f\"}\n",
         "1 of its 1 lines belong to no record of the manifest", PLUMB_ERR_FORMAT},
        {PRIVATE_LINE,
         "line 1, column 1: the last line does not end in LF: the file is cut short, or its last "
         "line end is missing",
         PLUMB_ERR_TRUNCATED},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(path, bad[i].line);
        snprintf(message, sizeof message, "%s: %s", path, bad[i].message);
        assert_fails(reopen(f, &m, err), bad[i].status, message);
    }
    snprintf(text, sizeof text, "{\"id\":\"s\",\"private\":\"%s\",\"text\":\"aloud\"}\n", hex);
    write_text(path, "");
    sign_records(f, text, NULL);
    write_text(path, PRIVATE_LINE "\n");
    snprintf(message, sizeof message,
             "%s: line 1, column 60: field \"text\" is in the public record too", path);
    assert_fails(reopen(f, &m, err), PLUMB_ERR_FORMAT, message);
    assert_int_equal(unlink(path), 0);
}

/* Every allocation fails once: an error each time, nothing lost (the address sanitizer watches). */
static void no_memory(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    plumb_manifest_free(open_records(f, records, taxonomy));
    plumb_trust *trust = open_trust(f, "trust.json");
    const char *path = fixture_path(f, "records.plumb.json");
    int failures = 0;
    for (long nth = 1; m == NULL; nth++) {
        plumb_error why = {0};
        plumb__alloc_fail_after(nth);
        const plumb_status status = plumb_manifest_open(path, trust, NULL, &m, &why);
        plumb__alloc_fail_after(0);
        if (status == PLUMB_OK) break;
        assert_null(m);
        assert_true(why.message[0] != '\0');
        failures++;
        assert_true(failures < 10000);
    }
    assert_true(failures > 50);
    plumb_manifest_free(m);
    plumb_trust_free(trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field),
        cmocka_unit_test(consent_and_conversations),
        cmocka_unit_test(terms),
        cmocka_unit_test(explanations),
        cmocka_unit_test(description),
        cmocka_unit_test(many_records),
        cmocka_unit_test(second_signature),
        cmocka_unit_test(versions_rise),
        cmocka_unit_test(untrusted),
        cmocka_unit_test(records_elsewhere),
        cmocka_unit_test(private_records),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
