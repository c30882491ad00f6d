/* Aim: what a vendor withdraws is withdrawn for whoever has the file, and nobody else can withdraw
 * anything: not by another's key or role, not by replaying, cutting, doubling or editing lines;
 * with exact messages. Method: a small manifest with two withdrawals; payloads edited as text and
 * signed again by whichever key the attacker has; lines moved about; a threshold of two; a retired
 * and a compromised key. */
#include "manifest_fixture.h"

#include "manifest/files.h"
#include "manifest/notices/withdrawal.h"
#include "manifest/plumb_state.h"
#include "manifest/plumb_withdrawal.h"
#include "manifest/signing/dsse.h"

#include <stdio.h>
#include <string.h>

#define CONTENT                                                                                    \
    "\"content\":{\"sha256\":"                                                                     \
    "\"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9\","                        \
    "\"bytes\":11}"
#define FIRST_ISSUED 1710000000 /* 2024-03-09T16:00:00Z */
#define SECOND_ISSUED 1710000600

#define REMEDY                                                                                     \
    "; if the vendor means it, one of its present keys signs it too: plumb manifest withdraw "     \
    "NAME.plumb.json --cosign --key K"

static const char records[] =
    "{\"id\":\"a\"," CONTENT "}\n"
    "{\"id\":\"b\"," CONTENT "}\n"
    "{\"id\":\"c\"," CONTENT ",\"consent\":{\"withdrawn\":\"2024-01-01T00:00:00Z\"}}\n"
    "{\"id\":\"d\"," CONTENT "}\n";

static void withdraw(const fixture *f, const plumb_secret_key *key, const char *id,
                     plumb_withdrawal_reason reason, int64_t issued_s)
{
    plumb_withdraw_options options;
    plumb_withdraw_options_default(&options);
    options.ids = &id;
    options.n_ids = 1;
    options.reason = reason;
    options.issued_s = issued_s;
    assert_works(plumb_manifest_withdraw(fixture_path(f, "records.plumb.json"), key, NULL, &options,
                                         NULL, err));
}

/* a by consent, then b in error. */
static void two_withdrawals(const fixture *f)
{
    (void)remove(fixture_path(f, "records.withdrawals"));
    sign_records(f, records, NULL);
    withdraw(f, f->vendor, "a", PLUMB_WITHDRAWN_CONSENT, FIRST_ISSUED);
    withdraw(f, f->vendor, "b", PLUMB_WITHDRAWN_ERROR, SECOND_ISSUED);
}

static plumb_status open_with(const fixture *f, const char *store, plumb_manifest **m,
                              plumb_error *err)
{
    plumb_trust *trust = open_trust(f, store);
    const plumb_status status =
        plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, m, err);
    plumb_trust_free(trust);
    return status;
}

/* Opening fails with "DIR/records.withdrawals" and `text` behind it. */
static void assert_refused(const fixture *f, const char *store, plumb_status status,
                           const char *text)
{
    char expected[2048];
    plumb_manifest *m = NULL;
    snprintf(expected, sizeof expected, "%s%s", fixture_path(f, "records.withdrawals"), text);
    assert_fails(open_with(f, store, &m, err), status, expected);
    assert_null(m);
}

static bool is_withdrawn(const plumb_manifest *m, const char *id)
{
    plumb_record record;
    plumb_record_default(&record);
    assert_works(plumb_manifest_record(m, plumb_manifest_find(m, id), &record, err));
    return record.withdrawn;
}

/* ---- lines ---- */

typedef struct lines {
    plumb__bytes file;
    const char *at[8];
    size_t n[8], count; /* n with the LF */
} lines;

static void read_lines(const fixture *f, lines *out)
{
    memset(out, 0, sizeof *out);
    read_bytes(fixture_path(f, "records.withdrawals"), &out->file);
    const char *at = (const char *)out->file.data, *end = at + out->file.size;
    while (at < end) {
        const char *next = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
        assert_true(out->count < 8);
        out->at[out->count] = at;
        out->n[out->count++] = (size_t)(next - at);
        at = next;
    }
}

/* Writes these lines, by number from 0, -1 ending. */
static void write_lines(const fixture *f, const lines *from, const int *order)
{
    plumb__bytes text = {0};
    for (; *order >= 0; order++) {
        plumb__bytes_append(&text, from->at[*order], from->n[*order]);
    }
    write_bytes(fixture_path(f, "records.withdrawals"), text.data, text.size);
    plumb__bytes_free(&text);
}

/* Line `number` with `from` replaced by `to` in its payload, signed by `key`; the others stay. */
static void forge_line(const fixture *f, size_t number, const char *from, const char *to,
                       const plumb_secret_key *key)
{
    lines l;
    plumb__dsse old, made = {0};
    plumb__bytes text = {0};
    read_lines(f, &l);
    assert_works(plumb__dsse_parse("line", l.at[number], l.n[number] - 1, &old, err));
    const char *payload = plumb__bytes_text(&old.payload), *found = strstr(payload, from);
    assert_non_null(found);
    strcpy(made.payload_type, old.payload_type);
    plumb__bytes_append(&made.payload, payload, (size_t)(found - payload));
    plumb__bytes_append_text(&made.payload, to);
    plumb__bytes_append_text(&made.payload, found + strlen(from));
    assert_works(plumb__dsse_sign(&made, key, err));
    for (size_t i = 0; i < l.count; i++) {
        if (i != number) {
            plumb__bytes_append(&text, l.at[i], l.n[i]);
            continue;
        }
        assert_works(plumb__dsse_dump(&made, &text, err));
        plumb__bytes_append_text(&text, "\n");
    }
    write_bytes(fixture_path(f, "records.withdrawals"), text.data, text.size);
    plumb__bytes_free(&text);
    plumb__bytes_free(&l.file);
    plumb__dsse_free(&old);
    plumb__dsse_free(&made);
}

/* ---- what holds ---- */

static void records_are_withdrawn(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    plumb_manifest_info info;
    plumb_withdrawal w;
    two_withdrawals(f);
    assert_works(open_with(f, "trust.json", &m, err));
    assert_true(is_withdrawn(m, "a") && is_withdrawn(m, "b") && is_withdrawn(m, "c"));
    assert_false(is_withdrawn(m, "d"));
    plumb_manifest_describe(m, &info);
    assert_int_equal(info.withdrawals, 2);
    assert_int_equal(info.withdrawn, 3);
    assert_int_equal(plumb_manifest_withdrawal_count(m), 2);
    plumb_withdrawal_default(&w);
    assert_works(plumb_manifest_withdrawal_at(m, 1, &w, err));
    assert_int_equal(w.sequence, 2);
    assert_int_equal(w.issued_s, SECOND_ISSUED);
    assert_int_equal(w.reason, PLUMB_WITHDRAWN_ERROR);
    assert_null(w.note);
    assert_int_equal(w.n_records, 1);
    assert_int_equal(w.records[0], 1);
    assert_fails(plumb_manifest_withdrawal_at(m, 2, &w, err), PLUMB_ERR_ARGUMENT,
                 "withdrawal 2 of a manifest with 2");
    size_t n = 0;
    assert_non_null(plumb__manifest_bytes(m, PLUMB__MANIFEST_WITHDRAWALS, &n));
    assert_true(n > 0);
    plumb_manifest_free(m);
}

/* Only without the file is the manifest what it was; the caller may say so. */
static void without_the_file(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    plumb_manifest_info info;
    plumb_manifest_options options;
    two_withdrawals(f);
    plumb_manifest_options_default(&options);
    options.untrusted = true;
    options.withdrawals_path = "";
    assert_works(
        plumb_manifest_open(fixture_path(f, "records.plumb.json"), NULL, &options, &m, err));
    plumb_manifest_describe(m, &info);
    assert_int_equal(info.withdrawn, 1); /* c, by its own line */
    assert_null(info.withdrawals_digest);
    plumb_manifest_free(m);
}

static void the_writer_refuses(void **state)
{
    const fixture *f = *state;
    static const char *const ids[] = {"d", "b"}, *const unknown[] = {"x"};
    const char *path = fixture_path(f, "records.plumb.json");
    char expected[1024];
    plumb_withdraw_options options;
    two_withdrawals(f);
    plumb_withdraw_options_default(&options);
    assert_fails(plumb_manifest_withdraw(path, f->vendor, NULL, &options, NULL, err),
                 PLUMB_ERR_ARGUMENT,
                 "a withdrawal names 1 to 100000 records, not 0; withdraw more in several");
    options.ids = ids;
    options.n_ids = 2;
    snprintf(expected, sizeof expected, "%s: record \"b\" was withdrawn before (statement 2)",
             path);
    assert_fails(plumb_manifest_withdraw(path, f->vendor, NULL, &options, NULL, err),
                 PLUMB_ERR_EXISTS, expected);
    options.n_ids = 1;
    options.issued_s = FIRST_ISSUED;
    assert_fails(plumb_manifest_withdraw(path, f->vendor, NULL, &options, NULL, err),
                 PLUMB_ERR_ARGUMENT,
                 "a withdrawal cannot be issued before the last one (2024-03-09T16:10:00Z)");
    options.issued_s = 0;
    options.note = "two\nlines";
    assert_fails(plumb_manifest_withdraw(path, f->vendor, NULL, &options, NULL, err),
                 PLUMB_ERR_ARGUMENT, "a note must have 1 to 1024 bytes without control characters");
    options.note = NULL;
    options.ids = unknown;
    snprintf(expected, sizeof expected, "%s: has no record with id \"x\"", path);
    assert_fails(plumb_manifest_withdraw(path, f->vendor, NULL, &options, NULL, err),
                 PLUMB_ERR_NOT_FOUND, expected);
}

/* The id of a record with a private line is not in the statement. */
static void private_ids_stay_out(void **state)
{
    const fixture *f = *state;
    lines l;
    plumb__dsse envelope;
    plumb_manifest *m = NULL;
    (void)remove(fixture_path(f, "records.withdrawals"));
    sign_records(f,
                 "{\"id\":\"secret\",\"private\":"
                 "\"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9\"}\n",
                 NULL);
    withdraw(f, f->vendor, "secret", PLUMB_WITHDRAWN_CONSENT, FIRST_ISSUED);
    read_lines(f, &l);
    assert_works(plumb__dsse_parse("line", l.at[0], l.n[0] - 1, &envelope, err));
    assert_null(strstr(plumb__bytes_text(&envelope.payload), "secret"));
    assert_non_null(strstr(plumb__bytes_text(&envelope.payload), "\"records\":[{\"index\":0,"));
    assert_works(open_with(f, "trust.json", &m, err));
    assert_true(is_withdrawn(m, "secret"));
    plumb_manifest_free(m);
    plumb__dsse_free(&envelope);
    plumb__bytes_free(&l.file);
}

/* ---- who may ---- */

/* trust2.json: the other key too, as another vendor's, in another role, or with a threshold. */
static void store_with_other(const fixture *f, const char *vendor, plumb_role role,
                             uint32_t threshold)
{
    plumb_trust_addition mine, other;
    plumb_trust_addition_default(&mine);
    mine.vendor = "acme";
    mine.name = "acme-1";
    mine.roles = 1u << PLUMB_ROLE_QUALITY_ATTESTATION;
    plumb_key_public(f->vendor, &mine.key);
    plumb_trust_addition_default(&other);
    other.vendor = vendor;
    other.name = "other-1";
    other.roles = 1u << role;
    other.threshold = threshold;
    plumb_key_public(f->other, &other.key);
    make_trust(f, "trust2.json", &mine, &other);
}

static void revoke(const fixture *f, const char *reason)
{
    const plumb_secret_key *const roots[] = {f->root};
    plumb_trust_change change;
    plumb_trust_change_default(&change);
    change.signers = roots;
    change.n_signers = 1;
    assert_works(plumb_trust_revoke(fixture_path(f, "trust2.json"), &change, "acme", "acme-1",
                                    reason, SECOND_ISSUED + 1, err));
}

static void by_another_vendor(void **state)
{
    const fixture *f = *state;
    two_withdrawals(f);
    forge_line(f, 1, "\"reason\":\"error\"", "\"reason\":\"other\"", f->other);
    assert_refused(f, "trust.json", PLUMB_ERR_TRUST,
                   ": line 2: is signed by no key that the trust store has for vendor acme" REMEDY);
    store_with_other(f, "rival", PLUMB_ROLE_QUALITY_ATTESTATION, 0);
    assert_refused(f, "trust2.json", PLUMB_ERR_TRUST,
                   ": line 2: is signed by no key that the trust store has for vendor acme" REMEDY);
}

static void in_another_role(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    plumb_error why = {0};
    two_withdrawals(f);
    forge_line(f, 1, "\"reason\":\"error\"", "\"reason\":\"other\"", f->other);
    store_with_other(f, "acme", PLUMB_ROLE_AUDITOR, 0);
    assert_int_equal(open_with(f, "trust2.json", &m, &why), PLUMB_ERR_TRUST);
    const char *place = strstr(why.message, "records.withdrawals: line 2: ");
    assert_non_null(place);
    assert_non_null(strstr(place, "quality-attestation"));
}

static void unsigned_line(void **state)
{
    const fixture *f = *state;
    lines l;
    plumb__bytes text = {0};
    two_withdrawals(f);
    read_lines(f, &l);
    const char *signatures = strstr(l.at[0], "\"signatures\":[");
    plumb__bytes_append(&text, l.at[0], (size_t)(signatures - l.at[0]));
    plumb__bytes_append_text(&text, "\"signatures\":[]}\n");
    write_bytes(fixture_path(f, "records.withdrawals"), text.data, text.size);
    assert_refused(f, "trust.json", PLUMB_ERR_FORMAT,
                   ": line 1: has 0 signatures, expected 1 to 64");
    plumb__bytes_free(&text);
    plumb__bytes_free(&l.file);
}

static void below_the_threshold(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    uint32_t added = 0;
    const plumb_sign_options options = sign_defaults();
    two_withdrawals(f);
    assert_works(plumb_manifest_sign(fixture_path(f, "records.jsonl"), f->other, &options, err));
    store_with_other(f, "acme", PLUMB_ROLE_QUALITY_ATTESTATION, 2);
    assert_refused(f, "trust2.json", PLUMB_ERR_TRUST,
                   ": line 1: 1 of vendor acme's keys have signed as quality-attestation, the "
                   "trust store wants 2; plumb manifest withdraw --cosign adds a signature");
    assert_works(plumb_manifest_withdraw_cosign(fixture_path(f, "records.plumb.json"), f->other,
                                                NULL, &added, err));
    assert_int_equal(added, 2);
    assert_works(open_with(f, "trust2.json", &m, err));
    assert_true(is_withdrawn(m, "b"));
    plumb_manifest_free(m);
    assert_works(plumb_manifest_withdraw_cosign(fixture_path(f, "records.plumb.json"), f->other,
                                                NULL, &added, err));
    assert_int_equal(added, 0); /* each key signs once */
}

/* ---- what was changed ---- */

typedef struct edit {
    const char *from, *to;
    plumb_status status;
    const char *text; /* behind "line 1: " */
} edit;

/* Every one signed by the vendor itself: a careless vendor is refused like a forger. */
static void edited_and_signed_again(void **state)
{
    const fixture *f = *state;
    static const edit edits[] = {
        {"\"version\":1", "\"version\":2", PLUMB_ERR_MISMATCH,
         "withdraws from acme/set version 2, this is acme/set version 1: every version has "
         "withdrawals of its own"},
        {"\"dataset\":\"set\"", "\"dataset\":\"tes\"", PLUMB_ERR_MISMATCH,
         "withdraws from acme/tes version 1, this is acme/set version 1: every version has "
         "withdrawals of its own"},
        {"\"vendor\":\"acme\"", "\"vendor\":\"emca\"", PLUMB_ERR_MISMATCH,
         "withdraws from emca/set version 1, this is acme/set version 1: every version has "
         "withdrawals of its own"},
        {"\"root\":\"", "\"root\":\"0", PLUMB_ERR_FORMAT,
         "field \"root\" must be 64 lower-case hex digits"},
        {"\"name\":\"records.jsonl\"", "\"name\":\"other.jsonl\"", PLUMB_ERR_MISMATCH,
         "withdraws from another records file than this manifest's"},
        {"\"index\":0", "\"index\":1", PLUMB_ERR_DIGEST,
         "the leaf of record 1 is not the manifest's"},
        {"\"index\":0", "\"index\":4", PLUMB_ERR_MISMATCH,
         "withdraws record 4, the manifest has 4"},
        {"\"index\":0", "\"index\":-1", PLUMB_ERR_FORMAT,
         "record -1 stands behind record -1: they must ascend"},
        {"\"id\":\"a\"", "\"id\":\"b\"", PLUMB_ERR_MISMATCH,
         "record 0 is \"a\" in the manifest, not \"b\""},
        {"\"sequence\":1", "\"sequence\":2", PLUMB_ERR_CORRUPT,
         "is withdrawal 2 where 1 should follow: one is missing, doubled or out of order"},
        {"\"reason\":\"consent\"", "\"reason\":\"whim\"", PLUMB_ERR_FORMAT,
         "field \"reason\" must be consent, error, licence or other, found \"whim\""},
        {"\"issued\":\"2024-03-09T16:00:00Z\"", "\"issued\":\"2024-03-09\"", PLUMB_ERR_FORMAT,
         "field \"issued\" must be a time YYYY-MM-DDThh:mm:ssZ"},
        {"\"issued\":\"2024-03-09T16:00:00Z\"", "\"issued\":\"2999-03-09T16:00:00Z\"",
         PLUMB_ERR_FORMAT,
         "was issued at 2999-03-09T16:00:00Z, more than a day ahead of the time of judgement"},
        {"\"reason\":", "\"zeason\":", PLUMB_ERR_FORMAT, "its payload is not canonical JSON"},
        {"\"sequence\":1", "\"sequence\":1,\"silent\":true", PLUMB_ERR_FORMAT,
         "unknown field \"silent\" (allowed: vendor, dataset, version, root, issued, reason, "
         "sequence, previous, records, note)"},
        {"withdrawal:v1", "manifest:v1", PLUMB_ERR_FORMAT,
         "is a statement of type \"urn:plumbline:statement:manifest:v1\", not a withdrawal "
         "(\"urn:plumbline:statement:withdrawal:v1\")"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char text[1024];
        two_withdrawals(f);
        forge_line(f, 0, edits[i].from, edits[i].to, f->vendor);
        snprintf(text, sizeof text, ": line 1: %s", edits[i].text);
        assert_refused(f, "trust.json", edits[i].status, text);
    }
}

static void a_changed_payload(void **state)
{
    const fixture *f = *state;
    plumb__bytes file = {0};
    two_withdrawals(f);
    read_bytes(fixture_path(f, "records.withdrawals"), &file);
    file.data[40] = file.data[40] == 'A' ? 'B' : 'A';
    write_bytes(fixture_path(f, "records.withdrawals"), file.data, file.size);
    assert_refused(
        f, "trust.json", PLUMB_ERR_SIGNATURE,
        ": line 1: signature 1 does not hold under key acme-1: the statement was changed "
        "after signing");
    plumb__bytes_free(&file);
}

static void lines_moved_about(void **state)
{
    const fixture *f = *state;
    static const int cut_front[] = {1, -1}, doubled[] = {0, 0, 1, -1}, swapped[] = {1, 0, -1},
                     cut_middle[] = {0, 2, -1};
    lines l;
    two_withdrawals(f);
    withdraw(f, f->vendor, "d", PLUMB_WITHDRAWN_OTHER, SECOND_ISSUED);
    read_lines(f, &l);
    assert_int_equal(l.count, 3);
    write_lines(f, &l, cut_front);
    assert_refused(
        f, "trust.json", PLUMB_ERR_CORRUPT,
        ": line 1: is withdrawal 2 where 1 should follow: one is missing, doubled or out "
        "of order");
    write_lines(f, &l, swapped);
    assert_refused(
        f, "trust.json", PLUMB_ERR_CORRUPT,
        ": line 1: is withdrawal 2 where 1 should follow: one is missing, doubled or out "
        "of order");
    write_lines(f, &l, doubled);
    assert_refused(
        f, "trust.json", PLUMB_ERR_CORRUPT,
        ": line 2: is withdrawal 1 where 2 should follow: one is missing, doubled or out "
        "of order");
    write_lines(f, &l, cut_middle);
    assert_refused(
        f, "trust.json", PLUMB_ERR_CORRUPT,
        ": line 2: is withdrawal 3 where 2 should follow: one is missing, doubled or out "
        "of order");
    write_bytes(fixture_path(f, "records.withdrawals"), l.at[0], l.n[0] - 1);
    assert_refused(f, "trust.json", PLUMB_ERR_TRUNCATED,
                   ": does not end in a line end: the file is cut short");
    plumb__bytes_free(&l.file);
}

/* The numbers fit, the chain does not: line 2 was issued behind another line 1. */
static void another_first_line(void **state)
{
    const fixture *f = *state;
    two_withdrawals(f);
    forge_line(f, 0, "\"reason\":\"consent\"", "\"reason\":\"licence\"", f->vendor);
    assert_refused(f, "trust.json", PLUMB_ERR_CORRUPT,
                   ": line 2: does not follow the one before it (its \"previous\" is another): the "
                   "chain was cut or put together anew");
}

static void twice_the_same_record(void **state)
{
    const fixture *f = *state;
    lines one, two;
    plumb__dsse first;
    two_withdrawals(f);
    read_lines(f, &one);
    assert_works(plumb__dsse_parse("line", one.at[0], one.n[0] - 1, &first, err));
    char *records_part = strstr((char *)plumb__bytes_text(&first.payload), "\"records\":[");
    assert_non_null(records_part);
    *(strchr(records_part, ']') + 1) = '\0';
    read_lines(f, &two);
    plumb__dsse second;
    assert_works(plumb__dsse_parse("line", two.at[1], two.n[1] - 1, &second, err));
    char *old = strstr((char *)plumb__bytes_text(&second.payload), "\"records\":[");
    *(strchr(old, ']') + 1) = '\0';
    forge_line(f, 1, old, records_part, f->vendor);
    assert_refused(f, "trust.json", PLUMB_ERR_MISMATCH, ": line 2: record 0 was withdrawn before");
    plumb__dsse_free(&first);
    plumb__dsse_free(&second);
    plumb__bytes_free(&one.file);
    plumb__bytes_free(&two.file);
}

/* A new version of the records under the same name: the old file is not taken for its own. */
static void of_another_version(void **state)
{
    const fixture *f = *state;
    plumb_sign_options options = sign_defaults();
    two_withdrawals(f);
    options.manifest_version = 2;
    sign_records(f, records, &options);
    assert_refused(f, "trust.json", PLUMB_ERR_MISMATCH,
                   ": line 1: withdraws from acme/set version 1, this is acme/set version 2: every "
                   "version has withdrawals of its own");
    sign_records(f, "{\"id\":\"a\"," CONTENT "}\n", NULL);
    assert_refused(f, "trust.json", PLUMB_ERR_MISMATCH,
                   ": line 1: withdraws from another record tree than this manifest's");
}

/* Signing over a version with withdrawals: the lines must be gone, and the chain is put aside. */
static void the_next_version(void **state)
{
    const fixture *f = *state;
    static const char without[] = "{\"id\":\"a\"," CONTENT ",\"label\":\"mended\"}\n"
                                  "{\"id\":\"d\"," CONTENT "}\n";
    char expected[1024];
    plumb_manifest *m = NULL;
    plumb_sign_options options = sign_defaults();
    const char *path = fixture_path(f, "records.jsonl");
    two_withdrawals(f);
    options.manifest_version = 2;
    write_text(path, "{\"id\":\"d\"," CONTENT "}\n{\"id\":\"b\"," CONTENT "}\n");
    snprintf(expected, sizeof expected,
             "%s: line 2: this record was withdrawn from the version before; leave it out of the "
             "new one, or change it",
             path);
    assert_fails(plumb_manifest_sign(path, f->vendor, &options, err), PLUMB_ERR_POLICY, expected);
    write_text(path, without);
    assert_works(plumb_manifest_sign(path, f->vendor, &options, err));
    assert_false(plumb__path_exists(fixture_path(f, "records.withdrawals")));
    assert_true(plumb__path_exists(fixture_path(f, "records.v1.withdrawals")));
    assert_works(open_with(f, "trust.json", &m, err));
    assert_false(is_withdrawn(m, "a"));
    plumb_manifest_free(m);
}

/* ---- a key kept elsewhere ---- */

static void sign_elsewhere(const fixture *f, const plumb_secret_key *key)
{
    plumb__bytes pae = {0};
    uint8_t signature[PLUMB_SIGNATURE_BYTES];
    read_bytes(fixture_path(f, "w.payload.pae"), &pae);
    assert_works(plumb_key_sign(key, pae.data, pae.size, signature, err));
    write_bytes(fixture_path(f, "w.sig"), signature, sizeof signature);
    plumb__bytes_free(&pae);
}

static plumb_status attach_by(const fixture *f, const plumb_secret_key *key,
                              const plumb_trust *trust, plumb_error *err)
{
    plumb_public_key public_key;
    plumb_key_public(key, &public_key);
    return plumb_manifest_withdraw_attach(fixture_path(f, "records.plumb.json"),
                                          fixture_path(f, "w.payload"), &public_key, trust,
                                          fixture_path(f, "w.sig"), err);
}

static plumb_status attach(const fixture *f, const plumb_secret_key *key, plumb_error *err)
{
    return attach_by(f, key, NULL, err);
}

static void signed_elsewhere(void **state)
{
    const fixture *f = *state;
    static const char *const ids[] = {"d"};
    char expected[1024], payload[512], signature[512];
    plumb_manifest *m = NULL;
    plumb_withdraw_options options;
    two_withdrawals(f);
    snprintf(payload, sizeof payload, "%s", fixture_path(f, "w.payload"));
    snprintf(signature, sizeof signature, "%s", fixture_path(f, "w.sig"));
    plumb_withdraw_options_default(&options);
    options.ids = ids;
    options.n_ids = 1;
    assert_works(plumb_manifest_withdraw_payload(fixture_path(f, "records.plumb.json"), &options,
                                                 payload, err));
    sign_elsewhere(f, f->other);
    snprintf(
        expected, sizeof expected,
        "%s: does not hold over the payload's .pae under this key: sign its bytes as they are, "
        "with pure Ed25519",
        signature);
    assert_fails(attach(f, f->vendor, err), PLUMB_ERR_SIGNATURE, expected);
    sign_elsewhere(f, f->vendor);
    assert_works(attach(f, f->vendor, err));
    assert_works(open_with(f, "trust.json", &m, err));
    assert_true(is_withdrawn(m, "d"));
    plumb_manifest_free(m);
    snprintf(expected, sizeof expected, "%s: this key has signed it already", payload);
    assert_fails(attach(f, f->vendor, err), PLUMB_ERR_EXISTS, expected);
    sign_elsewhere(f, f->other); /* a second signature of the same statement */
    store_with_other(f, "acme", PLUMB_ROLE_QUALITY_ATTESTATION, 0);
    plumb_trust *trust = open_trust(f, "trust2.json");
    assert_works(attach_by(f, f->other, trust, err));
    plumb_trust_free(trust);
    lines l;
    read_lines(f, &l);
    assert_int_equal(l.count, 3);
    plumb__bytes_free(&l.file);
    two_withdrawals(f);
    withdraw(f, f->vendor, "d", PLUMB_WITHDRAWN_OTHER, SECOND_ISSUED);
    snprintf(expected, sizeof expected,
             "%s: is withdrawal 3 where 4 should follow: one is missing, doubled or out of order",
             payload);
    sign_elsewhere(f, f->vendor);
    assert_fails(attach(f, f->vendor, err), PLUMB_ERR_CORRUPT, expected);
    write_text(signature, "short");
    snprintf(expected, sizeof expected,
             "%s: has 5 bytes; a signature is the 64 raw bytes of Ed25519", signature);
    two_withdrawals(f);
    assert_fails(attach(f, f->vendor, err), PLUMB_ERR_FORMAT, expected);
}

/* ---- nothing is written that nobody would take ---- */

static const char *id_of(const plumb_secret_key *key)
{
    static char id[PLUMB_KEYID_TEXT_BYTES];
    plumb_public_key public_key;
    plumb_key_public(key, &public_key);
    plumb_public_key_id(&public_key, id);
    return id;
}

/* "DIR/records.plumb.json: a withdrawal signed so … " and `text` behind it. */
static const char *refusal(const fixture *f, const char *text)
{
    static char out[1024];
    snprintf(out, sizeof out,
             "%s: a withdrawal signed so would be refused by everybody, and the manifest with it: "
             "%s",
             fixture_path(f, "records.plumb.json"), text);
    return out;
}

static plumb_status withdraw_d(const fixture *f, const plumb_secret_key *key,
                               const plumb_trust *trust, plumb_error *err)
{
    static const char *const ids[] = {"d"};
    plumb_withdraw_options options;
    plumb_withdraw_options_default(&options);
    options.ids = ids;
    options.n_ids = 1;
    return plumb_manifest_withdraw(fixture_path(f, "records.plumb.json"), key, trust, &options,
                                   NULL, err);
}

static plumb_status cosign(const fixture *f, const plumb_secret_key *key, const plumb_trust *trust,
                           plumb_error *err)
{
    return plumb_manifest_withdraw_cosign(fixture_path(f, "records.plumb.json"), key, trust, NULL,
                                          err);
}

static void a_stranger_writes_nothing(void **state)
{
    const fixture *f = *state;
    static const char *const ids[] = {"d"};
    char text[512];
    lines before, after;
    plumb_withdraw_options options;
    two_withdrawals(f);
    read_lines(f, &before);
    snprintf(text, sizeof text, "key %.16s… did not sign it; sign with a key that did (",
             id_of(f->other));
    snprintf(text + strlen(text), sizeof text - strlen(text),
             "%.16s…), or give --trust with a store that lists this one for vendor acme as "
             "quality-attestation",
             id_of(f->vendor));
    assert_fails(withdraw_d(f, f->other, NULL, err), PLUMB_ERR_TRUST, refusal(f, text));
    assert_fails(cosign(f, f->other, NULL, err), PLUMB_ERR_TRUST, refusal(f, text));
    plumb_withdraw_options_default(&options);
    options.ids = ids;
    options.n_ids = 1;
    assert_works(plumb_manifest_withdraw_payload(fixture_path(f, "records.plumb.json"), &options,
                                                 fixture_path(f, "w.payload"), err));
    sign_elsewhere(f, f->other);
    assert_fails(attach(f, f->other, err), PLUMB_ERR_TRUST, refusal(f, text));
    plumb_trust *trust = open_trust(f, "trust.json");
    snprintf(text, sizeof text,
             "key %s is not one of vendor acme in the trust store; keys that count: acme-1",
             id_of(f->other));
    assert_fails(withdraw_d(f, f->other, trust, err), PLUMB_ERR_TRUST, refusal(f, text));
    assert_fails(attach_by(f, f->other, trust, err), PLUMB_ERR_TRUST, refusal(f, text));
    plumb_trust_free(trust);
    read_lines(f, &after);
    assert_int_equal(after.file.size, before.file.size);
    assert_memory_equal(after.file.data, before.file.data, before.file.size);
    plumb__bytes_free(&before.file);
    plumb__bytes_free(&after.file);
}

/* With a store, the store decides: also over who signed the manifest. */
static void by_a_key_of_the_store(void **state)
{
    const fixture *f = *state;
    uint32_t missing = 9;
    plumb_manifest *m = NULL;
    two_withdrawals(f);
    store_with_other(f, "acme", PLUMB_ROLE_AUDITOR, 0);
    plumb_trust *trust = open_trust(f, "trust2.json");
    assert_fails(withdraw_d(f, f->other, trust, err), PLUMB_ERR_TRUST,
                 refusal(f, "key other-1 of vendor acme has not the role quality-attestation; "
                            "keys that count: acme-1"));
    plumb_trust_free(trust);
    store_with_other(f, "acme", PLUMB_ROLE_QUALITY_ATTESTATION, 2);
    revoke(f, "retired");
    trust = open_trust(f, "trust2.json");
    assert_fails(withdraw_d(f, f->vendor, trust, err), PLUMB_ERR_EXPIRED,
                 refusal(f, "key acme-1 of vendor acme was revoked at 2024-03-09T16:10:01Z "
                            "(retired); keys that count: other-1"));
    assert_works(plumb_manifest_withdraw_missing(fixture_path(f, "records.plumb.json"), trust,
                                                 &missing, err));
    assert_int_equal(missing, 1);
    assert_works(withdraw_d(f, f->other, trust, err));
    plumb_trust_free(trust);
    store_with_other(f, "acme", PLUMB_ROLE_QUALITY_ATTESTATION, 1);
    trust = open_trust(f, "trust2.json");
    assert_works(plumb_manifest_withdraw_missing(fixture_path(f, "records.plumb.json"), trust,
                                                 &missing, err));
    assert_int_equal(missing, 0);
    assert_works(cosign(f, f->other, trust, err));
    plumb_trust_free(trust);
    assert_works(open_with(f, "trust2.json", &m, err));
    assert_true(is_withdrawn(m, "d"));
    plumb_manifest_free(m);
}

/* The line of a stranger that stands there already: the vendor's key brings the manifest back. */
static void cosigned_by_the_vendor(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    two_withdrawals(f);
    forge_line(f, 1, "\"reason\":\"error\"", "\"reason\":\"other\"", f->other);
    assert_refused(f, "trust.json", PLUMB_ERR_TRUST,
                   ": line 2: is signed by no key that the trust store has for vendor acme" REMEDY);
    assert_works(cosign(f, f->vendor, NULL, err));
    assert_works(open_with(f, "trust.json", &m, err));
    assert_true(is_withdrawn(m, "b"));
    plumb_manifest_free(m);
}

/* ---- what was seen once ---- */

static plumb_status check_seen(const fixture *f, bool past, plumb_error *err)
{
    plumb_state *seen = NULL;
    plumb_manifest *m = NULL;
    plumb_trust *trust = open_trust(f, "trust.json");
    assert_works(open_with(f, "trust.json", &m, err));
    assert_works(plumb_state_open(fixture_path(f, "state"), &seen, err));
    const plumb_status status = plumb_state_check_manifest(seen, "here", trust, m, past, err);
    plumb_state_free(seen);
    plumb_manifest_free(m);
    plumb_trust_free(trust);
    return status;
}

static void pin(const fixture *f)
{
    plumb_state *seen = NULL;
    plumb_manifest *m = NULL;
    plumb_trust *trust = open_trust(f, "trust.json");
    assert_works(open_with(f, "trust.json", &m, err));
    assert_works(plumb_state_lock(fixture_path(f, "state"), &seen, err));
    assert_works(plumb_state_pin(seen, "here", trust, m, err));
    plumb_state_free(seen);
    plumb_manifest_free(m);
    plumb_trust_free(trust);
}

/* The message names the day it was seen on; here it is replaced by dots. */
static void assert_not_as_seen(const fixture *f, const char *text)
{
    plumb_error why = {0};
    assert_int_equal(check_seen(f, false, &why), PLUMB_ERR_TRUST);
    char *on = strstr(why.message, "(on ");
    assert_non_null(on);
    memset(on + 4, '.', 20);
    assert_string_equal(why.message, text);
    assert_works(check_seen(f, true, err)); /* a finished run had not seen it */
}

static void nothing_is_taken_back_unseen(void **state)
{
    const fixture *f = *state;
    static const int first[] = {0, -1};
    lines l;
    (void)remove(fixture_path(f, "records.withdrawals"));
    sign_records(f, records, NULL);
    pin(f); /* before anything was withdrawn */
    two_withdrawals(f);
    pin(f); /* the entry of the version is there already */
    assert_works(check_seen(f, false, err));
    read_lines(f, &l);
    write_lines(f, &l, first);
    assert_not_as_seen(f, "here: rollback: 2 withdrawals from version 1 of acme/set were seen "
                          "(on ....................), here there are 1; put its NAME.withdrawals "
                          "beside it again, or get it from the vendor");
    assert_int_equal(remove(fixture_path(f, "records.withdrawals")), 0);
    assert_not_as_seen(f, "here: rollback: 2 withdrawals from version 1 of acme/set were seen "
                          "(on ....................), here there are 0; put its NAME.withdrawals "
                          "beside it again, or get it from the vendor");
    two_withdrawals(f);
    forge_line(f, 1, "\"reason\":\"error\"", "\"reason\":\"other\"", f->vendor);
    assert_not_as_seen(f, "here: equivocation: withdrawal 2 from version 1 of acme/set was seen "
                          "with other content (on ....................); ask the vendor which one "
                          "holds");
    two_withdrawals(f);
    withdraw(f, f->vendor, "d", PLUMB_WITHDRAWN_OTHER, SECOND_ISSUED);
    assert_works(check_seen(f, false, err)); /* a chain may grow */
    plumb__bytes_free(&l.file);
}

/* A manifest that was opened under one store and is used under another. */
static void judged_again(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    two_withdrawals(f);
    assert_works(open_with(f, "trust.json", &m, err));
    plumb_trust *trust = open_trust(f, "trust.json");
    assert_works(plumb__withdrawals_judge(m, "run", trust, err));
    plumb_trust_free(trust);
    make_trust(f, "trust3.json", NULL, NULL);
    trust = open_trust(f, "trust3.json");
    assert_fails(
        plumb__withdrawals_judge(m, "run", trust, err), PLUMB_ERR_TRUST,
        "run: withdrawal 1: is signed by no key that the trust store has for vendor acme" REMEDY);
    plumb_trust_free(trust);
    plumb_manifest_free(m);
}

/* Retired later, a key's withdrawals stand; compromised, they do not. */
static void when_its_key_goes(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    const plumb_sign_options options = sign_defaults();
    two_withdrawals(f);
    assert_works(plumb_manifest_sign(fixture_path(f, "records.jsonl"), f->other, &options, err));
    store_with_other(f, "acme", PLUMB_ROLE_QUALITY_ATTESTATION, 1);
    revoke(f, "retired");
    assert_works(open_with(f, "trust2.json", &m, err));
    assert_true(is_withdrawn(m, "b"));
    plumb_manifest_free(m);
    revoke(f, "compromised");
    assert_refused(f, "trust2.json", PLUMB_ERR_EXPIRED,
                   ": line 1: key acme-1 of vendor acme was revoked at 2024-03-09T16:10:01Z "
                   "(compromised)" REMEDY);
    assert_works(plumb_manifest_withdraw_cosign(fixture_path(f, "records.plumb.json"), f->other,
                                                NULL, NULL, err));
    assert_works(open_with(f, "trust2.json", &m, err));
    assert_true(is_withdrawn(m, "b"));
    plumb_manifest_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_withdrawn),
        cmocka_unit_test(without_the_file),
        cmocka_unit_test(the_writer_refuses),
        cmocka_unit_test(private_ids_stay_out),
        cmocka_unit_test(by_another_vendor),
        cmocka_unit_test(in_another_role),
        cmocka_unit_test(unsigned_line),
        cmocka_unit_test(below_the_threshold),
        cmocka_unit_test(edited_and_signed_again),
        cmocka_unit_test(a_changed_payload),
        cmocka_unit_test(lines_moved_about),
        cmocka_unit_test(another_first_line),
        cmocka_unit_test(twice_the_same_record),
        cmocka_unit_test(of_another_version),
        cmocka_unit_test(the_next_version),
        cmocka_unit_test(signed_elsewhere),
        cmocka_unit_test(a_stranger_writes_nothing),
        cmocka_unit_test(by_a_key_of_the_store),
        cmocka_unit_test(cosigned_by_the_vendor),
        cmocka_unit_test(nothing_is_taken_back_unseen),
        cmocka_unit_test(judged_again),
        cmocka_unit_test(when_its_key_goes),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
