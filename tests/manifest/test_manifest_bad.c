/* Aim: bad input is refused with a message that says what, where and what to do; nothing is written
 * by a signing that fails; no byte of the three files can change unseen. Method: exact messages for
 * every case; every bit of a small signed manifest flipped, every length cut. */
#include "manifest_fixture.h"

#include "base/text.h"
#include "manifest/signing/dsse.h"
#include "manifest/signing/statement.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DIGEST "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
#define CONTENT "\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":11}"
#define RECORD(id) "{\"id\":\"" id "\"," CONTENT "}\n"

static plumb_status open_as(const fixture *f, const char *trust_name, plumb_error *err)
{
    plumb_manifest *m = NULL;
    plumb_trust *trust = open_trust(f, trust_name);
    const plumb_status status =
        plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, &m, err);
    plumb_manifest_free(m);
    plumb_trust_free(trust);
    return status;
}

/* `expected` without the folder, which opens the message. */
static void assert_refused(const fixture *f, const char *trust_name, plumb_status expected_status,
                           const char *expected)
{
    char message[1200];
    snprintf(message, sizeof message, "%s/%s", f->dir, expected);
    assert_fails(open_as(f, trust_name, err), expected_status, message);
}

static void assert_not_signed(const fixture *f, const char *text, const char *taxonomy,
                              plumb_status expected_status, const char *expected)
{
    plumb_sign_options options = sign_defaults();
    char message[1200];
    (void)unlink(fixture_path(f, "bad.plumb.json"));
    write_text(fixture_path(f, "bad.jsonl"), text);
    if (taxonomy != NULL) {
        options.taxonomy_path = fixture_path(f, "taxonomy.json");
        write_text(options.taxonomy_path, taxonomy);
    }
    snprintf(message, sizeof message, "%s/%s", f->dir, expected);
    assert_fails(plumb_manifest_sign(fixture_path(f, "bad.jsonl"), f->vendor, &options, err),
                 expected_status, message);
    assert_int_not_equal(access(fixture_path(f, "bad.plumb.json"), F_OK), 0);
    assert_int_not_equal(access(fixture_path(f, "bad.checkpoint"), F_OK), 0);
}

static void form_of_the_file(void **state)
{
    const fixture *f = *state;
    assert_not_signed(f, "", NULL, PLUMB_ERR_FORMAT, "bad.jsonl: has no records");
    assert_not_signed(
        f, RECORD("a") "{\"id\":\"b\"," CONTENT "}\r\n", NULL, PLUMB_ERR_FORMAT,
        "bad.jsonl: line 2, column 110: the line has a carriage return; lines end in LF alone");
    assert_not_signed(
        f, "\xef\xbb\xbf" RECORD("a"), NULL, PLUMB_ERR_FORMAT,
        "bad.jsonl: line 1, column 1: the file begins with a byte order mark; remove it");
    assert_not_signed(f, RECORD("a") "\n" RECORD("b"), NULL, PLUMB_ERR_FORMAT,
                      "bad.jsonl: line 2, column 1: the line is blank; remove it");
    assert_not_signed(f, RECORD("a") " \t\n", NULL, PLUMB_ERR_FORMAT,
                      "bad.jsonl: line 2, column 1: the line is blank; remove it");
    assert_not_signed(
        f, RECORD("a") "{\"id\":\"b\"," CONTENT "}", NULL, PLUMB_ERR_TRUNCATED,
        "bad.jsonl: line 2, column 1: the last line does not end in LF: the file is cut short, or "
        "its last line end is missing");
}

static const struct {
    const char *line, *message;
} field_cases[] = {
    {"[]", "column 1: a record must be a JSON object"},
    {"{" CONTENT "}", "column 1: field \"id\" is missing"},
    {"{\"id\":\"\"," CONTENT "}",
     "column 7: field \"id\" must have 1 to 256 bytes without control characters"},
    {"{\"id\":\"a\\n\"," CONTENT "}",
     "column 7: field \"id\" must have 1 to 256 bytes without control characters"},
    {"{\"id\":\"a\\u009b\"," CONTENT "}",
     "column 7: field \"id\" must have 1 to 256 bytes without control characters"},
    {"{\"id\":\"a\\u2028\"," CONTENT "}",
     "column 7: field \"id\" must have 1 to 256 bytes without control characters"},
    {"{\"id\":\"a\xe2\x80\xae"
     "b\"," CONTENT "}",
     "column 7: field \"id\" must have 1 to 256 bytes without control characters"},
    {"{\"id\":\"x\",\"rubric\":\"a\xc2\x85@1\"," CONTENT "}",
     "column 20: field \"rubric\" must have 1 to 1024 bytes without control characters"},
    {"{\"id\":7," CONTENT "}", "column 7: field \"id\" must be a string, found an integer"},
    {"{\"id\":\"x\"}", "column 1: a record must have \"content\" or \"private\""},
    {"{\"id\":\"x\",\"private\":\"abc\"}",
     "column 21: field \"private\" must be 64 lower-case hex digits"},
    {"{\"id\":\"x\",\"content\":{\"sha256\":\"AB\",\"bytes\":1}}",
     "column 31: in \"content\": field \"sha256\" must be 64 lower-case hex digits"},
    {"{\"id\":\"x\",\"content\":{\"sha256\":\"" DIGEST "\",\"bytes\":-1}}",
     "column 106: in \"content\": field \"bytes\" must be at least 0, found -1"},
    {"{\"id\":\"x\",\"content\":{\"sha256\":\"" DIGEST "\"}}",
     "column 21: in \"content\": field \"bytes\" is missing"},
    {"{\"id\":\"x\"," CONTENT ",\"quality\":1.5}",
     "column 120: field \"quality\" must be from 0 to 1, found 1.5"},
    {"{\"id\":\"x\"," CONTENT ",\"quality\":\"good\"}",
     "column 120: field \"quality\" must be a number, found a string"},
    {"{\"id\":\"x\"," CONTENT ",\"source\":\"bot\"}",
     "column 119: field \"source\" must be \"human\", \"model\" or \"human+model\", found \"bot\""},
    {"{\"id\":\"x\"," CONTENT ",\"component\":\"c\"}",
     "column 122: field \"component\" needs \"parent\""},
    {"{\"id\":\"x\"," CONTENT ",\"agreement\":{\"raters\":-1}}",
     "column 132: in \"agreement\": field \"raters\" must be at least 0, found -1"},
    {"{\"id\":\"x\"," CONTENT ",\"agreement\":{\"alpha\":1.5}}",
     "column 131: in \"agreement\": field \"alpha\" must be at most 1, found 1.5"},
    {"{\"id\":\"x\"," CONTENT ",\"agreement\":{\"kappa\":[]}}",
     "column 131: in \"agreement\": field \"kappa\" must be a number or a string"},
    {"{\"id\":\"x\"," CONTENT ",\"consent\":{\"withdrawal\":\"2026-01-01\"}}",
     "column 121: in \"consent\": unknown field \"withdrawal\" (allowed: basis, reference, "
     "withdrawn)"},
    {"{\"id\":\"x\"," CONTENT ",\"consent\":{\"withdrawn\":\"yesterday\"}}",
     "column 133: in \"consent\": field \"withdrawn\" must be a time like 2026-11-22T08:42:49Z, "
     "found \"yesterday\""},
    {"{\"id\":\"x\"," CONTENT ",\"messages\":[]}",
     "column 121: field \"messages\" must have 1 to 65536 messages, found 0"},
    {"{\"id\":\"x\"," CONTENT ",\"messages\":[{\"role\":\"user\"}]}",
     "column 122: in \"messages\": message 1: field \"content\" is missing"},
    {"{\"id\":\"x\"," CONTENT ",\"chosen\":\"a\"}",
     "column 119: fields \"chosen\" and \"rejected\" come together: \"rejected\" is missing"},
    {"{\"id\":\"x\"," CONTENT ",\"prompt\":7}",
     "column 119: field \"prompt\" must be a string or an array of messages"},
    {"{\"id\":\"x\"," CONTENT ",\"weight\":-1}",
     "column 119: field \"weight\" must be from 0 to 1000000, found -1"},
    {"{\"id\":\"x\"," CONTENT ",\"weight\":1e39}",
     "column 119: field \"weight\" must be from 0 to 1000000, found 1e+39"},
    {"{\"id\":\"x\"," CONTENT ",\"budget\":{\"step\":0}}",
     "column 119: in \"budget\": field \"step\" must be a finite number above 0, found 0"},
    {"{\"id\":\"x\"," CONTENT ",\"budget\":{\"stpe\":1}}",
     "column 119: in \"budget\": unknown field \"stpe\" (allowed: step, run)"},
    {"{\"id\":\"x\"," CONTENT ",\"annotators\":[\"a\",3]}",
     "column 128: field \"annotators\": entry 2 must be a string of 1 to 1024 bytes without "
     "control characters"},
    {"{\"id\":\"x\"," CONTENT ",\"depth\":\"deepest\"}",
     "column 118: field \"depth\": there is no depth named \"deepest\"; known are all, none, deep"},
    {"{\"id\":\"x\"," CONTENT ",\"depth\":3}",
     "column 118: field \"depth\" must be a name or a depth profile"},
    {"{\"id\":\"x\"," CONTENT ",\"depth\":{\"band\":[1,0]}}",
     "column 118: field \"depth\": \"band\" entry 2: depth 0 comes after 1; depths must rise"},
    {"{\"id\":\"x\"," CONTENT ",\"depth\":{\"by_entropy\":{}}}",
     "column 118: field \"depth\": \"by_entropy\" must be an object of low, mid and high"},
    {"{\"id\":\"x\"," CONTENT ",\"rubric\":\"role@3\"}",
     "column 119: field \"rubric\": the taxonomy has no rubric \"role@3\"; it has role@2"},
    {"{\"id\":\"x\"," CONTENT ",\"segments\":[{\"bytes\":[0,4]},{\"bytes\":[3,5]}]}",
     "column 121: segment 2: bytes [3, 5) must rise, lie within the content and not overlap the "
     "segment before"},
    {"{\"id\":\"x\"," CONTENT ",\"segments\":[{\"bytes\":[0,12]}]}",
     "column 121: segment 1: bytes [0, 12) must rise, lie within the content and not overlap the "
     "segment before"},
    {"{\"id\":\"x\"," CONTENT ",\"segments\":[{\"bytes\":[0,4.5]}]}",
     "column 121: segment 1: field \"bytes\" must be two integers [from, to)"},
    {"{\"id\":\"x\"," CONTENT ",\"segments\":[{\"bytes\":[0,4],\"depth\":\"no\"}]}",
     "column 121: segment 1: field \"depth\": there is no depth named \"no\"; known are all, none, "
     "deep"},
    {"{\"id\":\"x\"," CONTENT ",\"quality\":NaN}", "column 120: expected a value, found 'N'"},
    {"{\"id\":\"x\"," CONTENT ",\"weight\":1e999}",
     "column 119: expected a finite number, found 1e999"},
    {"{\"id\":\"x\"," CONTENT ",\"id\":\"y\"}", "column 110: key \"id\" is there twice"},
    {"{\"id\":\"x\"," CONTENT "} {}", "column 111: expected the end of the line, found '{'"},
    {"{\"id\":\"\xff\"}", "column 8: expected UTF-8, found byte 0xff"},
};

static void fields_of_a_record(void **state)
{
    const fixture *f = *state;
    static const char taxonomy[] = "{\"profiles\":{\"deep\":{\"band\":[0.6,1]}},"
                                   "\"rubrics\":{\"role@2\":{\"depth\":\"deep\"}}}";
    for (size_t i = 0; i < sizeof field_cases / sizeof *field_cases; i++) {
        char text[2048], message[800];
        snprintf(text, sizeof text, RECORD("a") "%s\n", field_cases[i].line);
        snprintf(message, sizeof message, "bad.jsonl: line 2, %s", field_cases[i].message);
        assert_not_signed(f, text, taxonomy, PLUMB_ERR_FORMAT, message);
    }
    assert_not_signed(
        f, RECORD("a") RECORD("b") RECORD("a"), NULL, PLUMB_ERR_FORMAT,
        "bad.jsonl: line 3, column 7: id \"a\" is that of line 1 already; ids must be unique");
}

static void taxonomies(void **state)
{
    const fixture *f = *state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[]", "taxonomy.json: must be an object, found an array"},
        {"{\"profile\":{}}",
         "taxonomy.json: unknown field \"profile\" (allowed: profiles, rubrics, "
         "domains, templates, defaults, tenant)"},
        {"{\"profiles\":{\"all\":{\"band\":[0,1]}}}",
         "taxonomy.json: profile \"all\": the profile name \"all\" is built in and cannot be given "
         "again"},
        {"{\"profiles\":{\"x\":{\"band\":[2,3]}}}",
         "taxonomy.json: profile \"x\": \"band\" entry 1: depth 2 is outside [0,1]"},
        {"{\"rubrics\":{\"role\":{}}}",
         "taxonomy.json: rubric \"role\": must be named name@version"},
        {"{\"rubrics\":{\"role@1\":{\"depth\":\"x\"}}}",
         "taxonomy.json: rubric \"role@1\": field \"depth\": there is no depth named \"x\"; known "
         "are "
         "all, none"},
        {"{\"defaults\":{\"depth\":\"x\"}}", "taxonomy.json: in \"defaults\": field \"depth\": "
                                             "there is no depth named \"x\"; known are "
                                             "all, none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_not_signed(f, RECORD("a"), cases[i].text, PLUMB_ERR_FORMAT, cases[i].message);
    }
}

static void changed_files(void **state)
{
    const fixture *f = *state;
    plumb__bytes text;
    sign_records(f, RECORD("a") RECORD("b"), NULL);
    const char *records = fixture_path(f, "records.jsonl");
    read_bytes(records, &text);
    text.data[7] = 'c';
    write_bytes(records, text.data, text.size);
    assert_refused(
        f, "trust.json", PLUMB_ERR_DIGEST,
        "records.jsonl: is not the file that was signed (SHA-256 differs): restore it, or "
        "sign it as a new version");
    text.data[7] = 'a';
    write_bytes(records, text.data, text.size - 1);
    assert_refused(f, "trust.json", PLUMB_ERR_TRUNCATED,
                   "records.jsonl: has 219 bytes, 220 were signed: the file was cut short");
    plumb__bytes_append_text(&text, RECORD("z"));
    write_bytes(records, text.data, text.size);
    assert_refused(f, "trust.json", PLUMB_ERR_DIGEST,
                   "records.jsonl: has 330 bytes, 220 were signed: the file was added to");
    plumb__bytes_free(&text);

    sign_records(f, RECORD("a"), NULL);
    const char *checkpoint = fixture_path(f, "records.checkpoint");
    read_bytes(checkpoint, &text);
    text.data[12] ^= 2; /* the size, 1 -> 3 */
    write_bytes(checkpoint, text.data, text.size);
    assert_refused(
        f, "trust.json", PLUMB_ERR_SIGNATURE,
        "records.checkpoint: the signature of acme/set/v1 does not hold: the checkpoint was "
        "changed");
    plumb__bytes_free(&text);
}

/* Signs any payload as the vendor would, in place of the manifest's own envelope. */
static void forge(const fixture *f, const char *payload_type, const char *payload)
{
    plumb__dsse envelope = {0};
    plumb__bytes text = {0};
    strcpy(envelope.payload_type, payload_type);
    plumb__bytes_append_text(&envelope.payload, payload);
    assert_works(plumb__dsse_sign(&envelope, f->vendor, err));
    assert_works(plumb__dsse_dump(&envelope, &text, err));
    plumb__bytes_append_text(&text, "\n");
    write_bytes(fixture_path(f, "records.plumb.json"), text.data, text.size);
    plumb__bytes_free(&text);
    plumb__dsse_free(&envelope);
}

static void wrong_statements(void **state)
{
    const fixture *f = *state;
    sign_records(f, RECORD("a"), NULL);
    forge(f, "text/plain", "{}");
    assert_refused(f, "trust.json", PLUMB_ERR_FORMAT,
                   "records.plumb.json: holds a \"text/plain\", expected a statement "
                   "(\"application/vnd.in-toto+json\")");
    forge(f, PLUMB__PAYLOAD_TYPE_INTOTO,
          "{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"predicateType\":\"x\"}");
    assert_refused(
        f, "trust.json", PLUMB_ERR_FORMAT,
        "records.plumb.json: its payload is of type \"https://in-toto.io/Statement/v0.1\", "
        "expected \"https://in-toto.io/Statement/v1\"");
    forge(f, PLUMB__PAYLOAD_TYPE_INTOTO,
          "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":"
          "\"urn:plumbline:statement:withdrawal:v1\",\"subject\":[],\"predicate\":{}}");
    assert_refused(f, "trust.json", PLUMB_ERR_FORMAT,
                   "records.plumb.json: is a statement of type "
                   "\"urn:plumbline:statement:withdrawal:v1\", not a manifest "
                   "(\"urn:plumbline:statement:manifest:v1\")");
    forge(f, PLUMB__PAYLOAD_TYPE_INTOTO,
          "{\"_type\":\"https://in-toto.io/Statement/v1\",\"_type\":\"twice\"}");
    assert_refused(f, "trust.json", PLUMB_ERR_FORMAT,
                   "records.plumb.json: statement: line 1 column 50: duplicate object key near "
                   "'\"_type\"'");
}

/* Versions rise: nothing supersedes itself or what came later. */
static void wrong_order(void **state)
{
    const fixture *f = *state;
    plumb__bytes payload = {0};
    plumb__statement s = {.subject = "records.jsonl",
                          .vendor = "acme",
                          .dataset = "set",
                          .version = 2,
                          .issued_s = 1,
                          .supersedes_version = 2};
    s.records.bytes = s.records.count = 1;
    sign_records(f, RECORD("a"), NULL);
    assert_works(plumb__statement_dump(&s, &payload, err));
    forge(f, PLUMB__PAYLOAD_TYPE_INTOTO, plumb__bytes_text(&payload));
    assert_refused(f, "trust.json", PLUMB_ERR_FORMAT,
                   "records.plumb.json: statement: version 2 cannot supersede version 2; versions "
                   "rise");
    plumb__bytes_free(&payload);
}

/* A statement whose records are right but whose count, root or second digest is not. */
static void contradictions(void **state)
{
    const fixture *f = *state;
    static const char *const parts[] = {"BLAKE2b digest", "tree root", "number of records"};
    static const char line[] = RECORD("a");
    sign_records(f, line, NULL);
    (void)unlink(fixture_path(f, "records.checkpoint"));
    for (int i = 0; i < 3; i++) {
        plumb__statement s = {.subject = "records.jsonl",
                              .vendor = "acme",
                              .dataset = "set",
                              .version = 1,
                              .issued_s = 1};
        plumb__bytes payload = {0};
        char message[200];
        records_identify(line, sizeof line - 1, 1, &s.records);
        if (i == 0) s.records.blake2b.bytes[0] ^= 1;
        if (i == 1) s.records.root.bytes[0] ^= 1;
        if (i == 2) s.records.count = 2;
        assert_works(plumb__statement_dump(&s, &payload, err));
        forge(f, PLUMB__PAYLOAD_TYPE_INTOTO, plumb__bytes_text(&payload));
        snprintf(message, sizeof message,
                 "records.jsonl: the statement's %s is not that of the file", parts[i]);
        assert_refused(f, "trust.json", PLUMB_ERR_DIGEST, message);
        plumb__bytes_free(&payload);
    }
}

static plumb_trust_addition vendor_key(const plumb_secret_key *key)
{
    plumb_trust_addition a;
    plumb_trust_addition_default(&a);
    a.vendor = "acme";
    a.name = "acme-1";
    a.roles = 1u << PLUMB_ROLE_QUALITY_ATTESTATION;
    plumb_key_public(key, &a.key);
    return a;
}

static void wrong_signers(void **state)
{
    const fixture *f = *state;
    plumb_trust_addition a = vendor_key(f->other);
    char keyid[PLUMB_KEYID_TEXT_BYTES], message[500];
    plumb_public_key vendor;
    plumb_key_public(f->vendor, &vendor);
    plumb_public_key_id(&vendor, keyid);
    sign_records(f, RECORD("a"), NULL);
    make_trust(f, "stranger.json", &a, NULL);
    snprintf(
        message, sizeof message,
        "records.plumb.json: is signed by no key of the trust store (the first signature names "
        "key %s); if you trust that key, add it with plumb trust add",
        keyid);
    assert_refused(f, "stranger.json", PLUMB_ERR_TRUST, message);

    a = vendor_key(f->vendor);
    a.valid_until = 86400;
    make_trust(f, "old.json", &a, NULL);
    assert_refused(
        f, "old.json", PLUMB_ERR_EXPIRED,
        "records.plumb.json: key acme-1 of vendor acme expired at 1970-01-02T00:00:00Z; ask for a "
        "signature by a current key: plumb manifest sign again with it adds one");
    a = vendor_key(f->vendor);
    a.roles = 1u << PLUMB_ROLE_OPERATOR;
    make_trust(f, "role.json", &a, NULL);
    assert_refused(f, "role.json", PLUMB_ERR_TRUST,
                   "records.plumb.json: key acme-1 of vendor acme has not the role "
                   "quality-attestation");
    a = vendor_key(f->vendor);
    a.vendor = "rival";
    make_trust(f, "rival.json", &a, NULL);
    snprintf(message, sizeof message,
             "records.plumb.json: key %s is not one of vendor acme in the trust store", keyid);
    assert_refused(f, "rival.json", PLUMB_ERR_TRUST, message);
}

static void expiry_and_audience(void **state)
{
    const fixture *f = *state;
    plumb_sign_options options = sign_defaults();
    plumb_manifest_options how;
    plumb_manifest *m = NULL;
    plumb_manifest_info info;
    char message[700];
    options.expires_s = 1700086400;
    sign_records(f, RECORD("a"), &options);
    assert_refused(
        f, "trust.json", PLUMB_ERR_EXPIRED,
        "records.plumb.json: expired at 2023-11-15T22:13:20Z; ask vendor acme for a newer "
        "version");
    plumb_trust *trust = open_trust(f, "trust.json");
    const char *path = fixture_path(f, "records.plumb.json");
    plumb_manifest_options_default(&how);
    how.at_s = 1700086399;
    assert_works(plumb_manifest_open(path, trust, &how, &m, err));
    plumb_manifest_free(m);
    how.at_s = 0;
    how.allow_expired = true;
    assert_works(plumb_manifest_open(path, trust, &how, &m, err));
    plumb_manifest_describe(m, &info);
    assert_true(info.expired);
    plumb_manifest_free(m);

    options.expires_s = 0;
    options.audience = "lab";
    sign_records(f, RECORD("a"), &options);
    assert_refused(
        f, "trust.json", PLUMB_ERR_POLICY,
        "records.plumb.json: is meant for audience \"lab\"; the audience here is not set");
    how.audience = "plant";
    snprintf(message, sizeof message,
             "%s: is meant for audience \"lab\"; the audience here is \"plant\"", path);
    assert_fails(plumb_manifest_open(path, trust, &how, &m, err), PLUMB_ERR_POLICY, message);
    how.audience = "lab";
    assert_works(plumb_manifest_open(path, trust, &how, &m, err));
    plumb_manifest_free(m);
    how.policy_path = fixture_path(f, "policy.json");
    write_text(how.policy_path, "{\"plumb_policy\":1,\"audience\":\"plant\"}");
    assert_fails(plumb_manifest_open(path, trust, &how, &m, err), PLUMB_ERR_POLICY, message);
    write_text(how.policy_path, "{\"plumb_policy\":1,\"audience\":\"lab\"}");
    assert_works(plumb_manifest_open(path, trust, &how, &m, err));
    plumb_manifest_free(m);
    how.policy_path = fixture_path(f, "none.json");
    assert_int_equal(plumb_manifest_open(path, trust, &how, &m, NULL), PLUMB_ERR_NOT_FOUND);
    plumb_trust_free(trust);

    plumb_trust_addition a = vendor_key(f->vendor);
    (void)unlink(fixture_path(f, "ended.json"));
    assert_works(plumb_trust_init(fixture_path(f, "ended.json"), f->root, 86400, err));
    assert_works(plumb_trust_add(fixture_path(f, "ended.json"), f->root, &a, err));
    sign_records(f, RECORD("a"), NULL);
    assert_fails(
        open_as(f, "ended.json", err), PLUMB_ERR_EXPIRED,
        "the trust store expired at 1970-01-02T00:00:00Z; sign a new version with its root "
        "key");
}

/* A disk that takes no more: the file that is there stays as it was, and no temporary is left. */
static void full_disk(void **state)
{
    const fixture *f = *state;
    plumb_sign_options options = sign_defaults();
    plumb__bytes before, after;
    struct rlimit limit, small;
    sign_records(f, RECORD("a"), NULL);
    char path[512];
    snprintf(path, sizeof path, "%s", fixture_path(f, "records.plumb.json"));
    read_bytes(path, &before);
    options.manifest_version = 2;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 100;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    plumb_error why = {0};
    const plumb_status status =
        plumb_manifest_sign(fixture_path(f, "records.jsonl"), f->vendor, &options, &why);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(status, PLUMB_ERR_IO);
    assert_non_null(strstr(why.message, "File too large"));
    read_bytes(path, &after);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    assert_works(open_as(f, "trust.json", err));
    char command[700];
    snprintf(command, sizeof command, "test -z \"$(ls -A '%s' | grep -F records.plumb.json.)\"",
             f->dir);
    assert_int_equal(system(command), 0);
    plumb__bytes_free(&before);
    plumb__bytes_free(&after);
}

/* Every bit of the three files, and every length. */
static void every_byte_counts(void **state)
{
    const fixture *f = *state;
    static const char *const names[] = {"records.plumb.json", "records.jsonl",
                                        "records.checkpoint"};
    sign_records(f, RECORD("a") RECORD("b"), NULL);
    assert_works(open_as(f, "trust.json", err));
    for (int file = 0; file < 3; file++) {
        char path[512];
        snprintf(path, sizeof path, "%s", fixture_path(f, names[file]));
        plumb__bytes text;
        read_bytes(path, &text);
        for (size_t i = 0; i < text.size; i++) {
            for (int bit = 0; bit < 8; bit++) {
                text.data[i] ^= (uint8_t)(1u << bit);
                write_bytes(path, text.data, text.size);
                if (open_as(f, "trust.json", NULL) == PLUMB_OK)
                    fail_msg("%s: bit %d of byte %zu is not looked at", names[file], bit, i);
                text.data[i] ^= (uint8_t)(1u << bit);
            }
            write_bytes(path, text.data, i);
            if (open_as(f, "trust.json", NULL) == PLUMB_OK)
                fail_msg("%s: the first %zu bytes are taken for the whole", names[file], i);
        }
        write_bytes(path, text.data, text.size);
        assert_works(open_as(f, "trust.json", err));
        plumb__bytes_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(form_of_the_file),    cmocka_unit_test(fields_of_a_record),
        cmocka_unit_test(taxonomies),          cmocka_unit_test(changed_files),
        cmocka_unit_test(wrong_statements),    cmocka_unit_test(wrong_order),
        cmocka_unit_test(contradictions),      cmocka_unit_test(wrong_signers),
        cmocka_unit_test(expiry_and_audience), cmocka_unit_test(full_disk),
        cmocka_unit_test(every_byte_counts),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
