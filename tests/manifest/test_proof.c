/* Aim: a proof holds for exactly one line, place and tree, in one text form, whatever state the
 * tile store is in; who signed is judged by the trust store alone. Method: every record of a signed
 * manifest proved and checked; every bit of a proof flipped; hostile texts with exact messages; the
 * tile store damaged in each of its parts; thresholds, roles and strangers. */
#include "manifest_fixture.h"

#include "base/alloc.h"
#include "manifest/plumb_proof.h"
#include "manifest/proofs/proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDS 300

static void sign_many(const fixture *f)
{
    plumb__bytes text = {0};
    for (int i = 0; i < RECORDS; i++) {
        plumb__bytes_appendf(
            &text, "{\"id\":\"r%d\",\"content\":{\"sha256\":\"%064x\",\"bytes\":1}}\n", i, i);
    }
    sign_records(f, plumb__bytes_text(&text), NULL);
    (void)remove(fixture_path(f, "records.tiles"));
    plumb__bytes_free(&text);
}

static plumb_prover *open_prover(const fixture *f, const plumb_trust *trust, bool without)
{
    plumb_prover_options options;
    plumb_prover *prover = NULL;
    plumb_prover_options_default(&options);
    options.trust = trust;
    options.without_record = without;
    assert_works(plumb_prover_open(fixture_path(f, "records.plumb.json"), &options, &prover, err));
    return prover;
}

/* The proof of one record, in a file too. */
static char *prove(const fixture *f, plumb_prover *prover, const char *id, size_t *n)
{
    char *text = NULL;
    assert_works(plumb_prover_prove(prover, id, &text, n, NULL, err));
    assert_non_null(text);
    write_bytes(fixture_path(f, "p.tlog-proof"), text, *n);
    return text;
}

static plumb_status check(const fixture *f, const plumb_trust *trust, const char *record,
                          plumb_error *err)
{
    plumb_proof_options options;
    plumb_proof *proof = NULL;
    plumb_proof_options_default(&options);
    options.trust = trust;
    options.record_path = record;
    const plumb_status status =
        plumb_proof_open(fixture_path(f, "p.tlog-proof"), &options, &proof, err);
    plumb_proof_free(proof);
    return status;
}

#define assert_check_fails(f, trust, record, status, text)                                         \
    do {                                                                                           \
        char message_[1024];                                                                       \
        snprintf(message_, sizeof message_, "%s/%s", (f)->dir, text);                              \
        assert_fails(check(f, trust, record, err), status, message_);                              \
    } while (0)

static void every_record(void **state)
{
    const fixture *f = *state;
    sign_many(f);
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_prover *prover = open_prover(f, trust, false);
    assert_string_equal(plumb_prover_tiles_made(prover), "there was none");
    assert_int_equal(plumb_prover_records(prover), RECORDS);
    for (int i = 0; i < RECORDS; i++) {
        char id[16], line[200], *text = NULL;
        size_t n = 0;
        uint64_t index = 0;
        plumb__proof proof;
        plumb__endorsement by;
        snprintf(id, sizeof id, "r%d", i);
        snprintf(line, sizeof line,
                 "{\"id\":\"r%d\",\"content\":{\"sha256\":\"%064x\",\"bytes\":1}}", i, i);
        assert_works(plumb_prover_prove(prover, id, &text, &n, &index, err));
        assert_int_equal(index, i);
        assert_works(
            plumb__proof_check("p", text, n, trust, 1700000001, NULL, 0, &proof, &by, err));
        assert_int_equal(proof.index, i);
        assert_int_equal(proof.extra.size, strlen(line));
        assert_memory_equal(proof.extra.data, line, strlen(line));
        assert_int_equal(by.n_signers, 1);
        assert_string_equal(by.signers[0], "acme-1");
        plumb__proof_free(&proof);
        plumb_text_free(text);
    }
    plumb_prover_free(prover);
    prover = open_prover(f, trust, false);
    assert_string_equal(plumb_prover_tiles_made(prover), ""); /* it stayed */
    char *text = NULL;
    size_t n = 0;
    assert_works(plumb_prover_prove(prover, "nobody", &text, &n, NULL, err));
    assert_null(text);
    assert_string_equal(plumb_prover_tiles_made(prover), "the id was not in it");
    plumb_prover_free(prover);
    plumb_trust_free(trust);
}

static void what_it_says(void **state)
{
    const fixture *f = *state;
    sign_many(f);
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_prover *prover = open_prover(f, trust, false);
    plumb_proof_options options;
    plumb_proof_info info;
    plumb_proof *proof = NULL;
    size_t n;
    plumb_text_free(prove(f, prover, "r7", &n));
    plumb_prover_free(prover);
    plumb_proof_options_default(&options);
    options.trust = trust;
    assert_works(plumb_proof_open(fixture_path(f, "p.tlog-proof"), &options, &proof, err));
    plumb_trust_free(trust);
    plumb_proof_describe(proof, &info);
    assert_string_equal(info.origin, "acme/set/v1");
    assert_int_equal(info.index, 7);
    assert_int_equal(info.records, RECORDS);
    assert_int_equal(strlen(info.line), info.line_bytes);
    assert_int_equal(strlen(info.root_hex), 64);
    assert_int_equal(strlen(info.statement_hex), 64);
    assert_int_equal(info.n_signers, 1);
    assert_string_equal(plumb_proof_signer_at(proof, 0), "acme-1");
    assert_null(plumb_proof_signer_at(proof, 1));
    assert_null(plumb_proof_witness_at(proof, 0).name);
    plumb_proof_free(proof);
}

static void without_the_record(void **state)
{
    const fixture *f = *state;
    sign_many(f);
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_prover *prover = open_prover(f, trust, true);
    size_t n;
    char *text = prove(f, prover, "r9", &n);
    assert_null(strstr(text, "extra"));
    plumb_text_free(text);
    plumb_prover_free(prover);
    assert_check_fails(f, trust, NULL, PLUMB_ERR_ARGUMENT,
                       "p.tlog-proof: carries no record; give the line it is about with --record "
                       "FILE");
    char line[200];
    const char *path = fixture_path(f, "line");
    snprintf(line, sizeof line, "{\"id\":\"r9\",\"content\":{\"sha256\":\"%064x\",\"bytes\":1}}\n",
             9);
    write_text(path, line);
    assert_works(check(f, trust, path, err));
    write_bytes(path, line, strlen(line) - 1); /* with or without its line end */
    assert_works(check(f, trust, path, err));
    line[8] = '8';
    write_text(path, line);
    assert_check_fails(f, trust, path, PLUMB_ERR_DIGEST,
                       "p.tlog-proof: does not prove this line: it is not record 9 of acme/set/v1, "
                       "or the proof was changed");
    write_text(path, "a\nb\n");
    assert_check_fails(f, trust, path, PLUMB_ERR_FORMAT, "line: must hold one record in one line");
    plumb_trust_free(trust);
}

static void every_bit_counts(void **state)
{
    const fixture *f = *state;
    plumb__proof proof;
    plumb__endorsement by;
    size_t n;
    sign_records(f,
                 "{\"id\":\"a\",\"private\":\""
                 "00000000000000000000000000000000"
                 "00000000000000000000000000000000\"}\n{\"id\":\"b\",\"private\":\""
                 "0000000000000000000000000000000000000000000000000000000000000001\"}\n",
                 NULL);
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_prover *prover = open_prover(f, trust, false);
    char *text = prove(f, prover, "b", &n);
    for (size_t i = 0; i < n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            text[i] ^= (char)(1 << bit);
            if (plumb__proof_check("p", text, n, trust, 1700000001, NULL, 0, &proof, &by, NULL) ==
                PLUMB_OK)
                fail_msg("bit %d of byte %zu is not looked at", bit, i);
            text[i] ^= (char)(1 << bit);
        }
        if (plumb__proof_check("p", text, i, trust, 1700000001, NULL, 0, &proof, &by, NULL) ==
            PLUMB_OK)
            fail_msg("the first %zu bytes are taken for the whole", i);
    }
    plumb_text_free(text);
    plumb_prover_free(prover);
    plumb_trust_free(trust);
}

#define HASH "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
#define NOTE "o/d/v1\n2\n" HASH "\n\n\xe2\x80\x94 o AAAAAAA=\n"

static void texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "p: line 1: expected \"c2sp.org/tlog-proof@v1\""},
        {"c2sp.org/tlog-proof@v2\n", "p: line 1: expected \"c2sp.org/tlog-proof@v1\""},
        {"c2sp.org/tlog-proof@v1\n", "p: line 2: expected \"extra\" or \"index\""},
        {"c2sp.org/tlog-proof@v1\nextra YQ\nindex 0\n\n" NOTE,
         "p: line 2: expected canonical base64 behind \"extra\""},
        {"c2sp.org/tlog-proof@v1\nextra YR==\nindex 0\n\n" NOTE,
         "p: line 2: expected canonical base64 behind \"extra\""},
        {"c2sp.org/tlog-proof@v1\nextra YQ==\nextra YQ==\nindex 0\n\n" NOTE,
         "p: line 3: expected \"index\" and a number without a leading zero"},
        {"c2sp.org/tlog-proof@v1\nindex 01\n\n" NOTE,
         "p: line 2: expected \"index\" and a number without a leading zero"},
        {"c2sp.org/tlog-proof@v1\nindex 18446744073709551616\n\n" NOTE,
         "p: line 2: expected \"index\" and a number without a leading zero"},
        {"c2sp.org/tlog-proof@v1\nindex -1\n\n" NOTE,
         "p: line 2: expected \"index\" and a number without a leading zero"},
        {"c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\n" NOTE,
         "p: line 3: expected a hash of 32 bytes in base64, or an empty line"},
        {"c2sp.org/tlog-proof@v1\nindex 1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n\n" NOTE,
         "p: line 3: expected a hash of 32 bytes in base64, or an empty line"},
        {"c2sp.org/tlog-proof@v1\nindex 1\n" HASH "\r\n\n" NOTE,
         "p: line 3: expected a hash of 32 bytes in base64, or an empty line"},
        {"c2sp.org/tlog-proof@v1\nindex 1\n" HASH "\n",
         "p: line 4: expected an empty line and the checkpoint"},
        {"c2sp.org/tlog-proof@v1\nindex 1\n" HASH "\n\n",
         "p: the checkpoint does not end in a line end: it is cut short"},
        {"c2sp.org/tlog-proof@v1\nindex 1\n" HASH "\n\n" NOTE "\n",
         "p: line 6 of the checkpoint: expected a signature, \"\xe2\x80\x94 NAME BASE64\""},
        {"c2sp.org/tlog-proof@v1\nindex 1\n" HASH "\n\n" NOTE "more",
         "p: the checkpoint does not end in a line end: it is cut short"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        plumb__proof proof;
        plumb_error err = {0};
        assert_int_not_equal(
            plumb__proof_parse("p", bad[i].text, strlen(bad[i].text), &proof, &err), PLUMB_OK);
        assert_string_equal(err.message, bad[i].message);
    }
    plumb__bytes many = {0};
    plumb__proof proof;
    plumb__bytes_append_text(&many, "c2sp.org/tlog-proof@v1\nindex 1\n");
    for (int i = 0; i < 65; i++)
        plumb__bytes_append_text(&many, HASH "\n");
    plumb__bytes_append_text(&many, "\n" NOTE);
    assert_fails(plumb__proof_parse("p", many.data, many.size, &proof, err), PLUMB_ERR_FORMAT,
                 "p: line 67: expected an empty line: a path has at most 64 hashes");
    plumb__bytes_free(&many);
    static const char past[] = "c2sp.org/tlog-proof@v1\nextra YQ==\nindex 2\n" HASH "\n\n" NOTE;
    plumb__endorsement by;
    assert_fails(plumb__proof_check("p", past, sizeof past - 1, NULL, 1, NULL, 0, &proof, &by, err),
                 PLUMB_ERR_DIGEST,
                 "p: is about record 2, but its checkpoint has 2 (the first is 0)");
}

/* Whatever is wrong with the tile store, the proof that comes out holds, and the reason is told. */
static void damaged_tiles(void **state)
{
    const fixture *f = *state;
    plumb__bytes whole, file;
    plumb__tiles_layout l;
    size_t n;
    char outside[600];
    sign_many(f);
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_prover_free(open_prover(f, trust, false));
    read_bytes(fixture_path(f, "records.tiles"), &whole);
    plumb__tiles_lay_out(RECORDS, &l);
    snprintf(outside, sizeof outside,
             "%s/records.tiles: the line of record 8 is put outside the records file", f->dir);
    const uint64_t places[] = {
        0, 100, l.level_at[0] + 9 * 32, l.level_at[1], l.lines_at + 9 * 8 + 7, l.ids_at + 7};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        read_bytes(fixture_path(f, "records.tiles"), &file);
        for (size_t k = 0; k < RECORDS; k++) {
            if (i < 5 && k > 0) break;
            file.data[places[i] + 8 * k] ^= 0x80; /* the whole index, else one byte */
        }
        write_bytes(fixture_path(f, "records.tiles"), file.data, file.size);
        plumb__bytes_free(&file);
        plumb_prover *prover = open_prover(f, trust, false);
        plumb_text_free(prove(f, prover, "r8", &n));
        assert_works(check(f, trust, NULL, err));
        /* Level 1 is on the way of records above 255 only. */
        if (i != 3) assert_string_not_equal(plumb_prover_tiles_made(prover), "");
        if (i == 4) assert_string_equal(plumb_prover_tiles_made(prover), outside);
        plumb_prover_free(prover);
    }
    assert_int_equal(truncate(fixture_path(f, "records.tiles"), (off_t)whole.size - 1), 0);
    plumb_prover *prover = open_prover(f, trust, false);
    assert_non_null(strstr(plumb_prover_tiles_made(prover), "its 300 records want"));
    plumb_prover_free(prover);
    plumb__bytes_free(&whole);
    plumb_trust_free(trust);
}

/* With the records changed under a store that is right, there is no proof of what is not signed. */
static void changed_records(void **state)
{
    const fixture *f = *state;
    plumb__bytes records;
    plumb_error err = {0};
    char *text = NULL;
    size_t n = 0;
    sign_many(f);
    plumb_prover *prover = open_prover(f, NULL, false);
    read_bytes(fixture_path(f, "records.jsonl"), &records);
    char *place = strstr(plumb__bytes_text(&records), "\"r8\"");
    place[60] ^= 1;
    write_bytes(fixture_path(f, "records.jsonl"), records.data, records.size);
    plumb_prover_free(prover);
    prover = open_prover(f, NULL, false);
    assert_int_equal(plumb_prover_prove(prover, "r8", &text, &n, NULL, &err), PLUMB_ERR_DIGEST);
    assert_non_null(strstr(err.message, "records.jsonl: is not the file that was signed"));
    assert_null(text);
    plumb_prover_free(prover);
    plumb__bytes_free(&records);
}

static void who_signed(void **state)
{
    const fixture *f = *state;
    plumb_trust_addition acme, other;
    size_t n;
    sign_many(f);
    plumb_prover *prover = open_prover(f, NULL, false);
    plumb_text_free(prove(f, prover, "r1", &n));
    plumb_prover_free(prover);
    plumb_trust_addition_default(&acme);
    acme.vendor = "acme";
    acme.name = "acme-1";
    plumb_key_public(f->vendor, &acme.key);
    other = acme;
    other.name = "acme-2";
    plumb_key_public(f->other, &other.key);
    acme.roles = 1u << PLUMB_ROLE_OPERATOR;
    other.roles = 1u << PLUMB_ROLE_QUALITY_ATTESTATION;
    make_trust(f, "role.json", &acme, &other);
    plumb_trust *trust = open_trust(f, "role.json");
    assert_check_fails(f, trust, NULL, PLUMB_ERR_TRUST,
                       "p.tlog-proof: key acme-1 of vendor acme has not the role "
                       "quality-attestation");
    plumb_trust_free(trust);
    make_trust(f, "stranger.json", NULL, &other);
    trust = open_trust(f, "stranger.json");
    assert_check_fails(f, trust, NULL, PLUMB_ERR_TRUST,
                       "p.tlog-proof: is signed by no key that the trust store lists for vendor "
                       "acme");
    plumb_trust_free(trust);
    acme.roles = other.roles;
    other.threshold = 2;
    make_trust(f, "two.json", &acme, &other);
    trust = open_trust(f, "two.json");
    assert_check_fails(f, trust, NULL, PLUMB_ERR_TRUST,
                       "p.tlog-proof: 1 of vendor acme's keys have signed as quality-attestation, "
                       "the trust store wants 2");
    /* The second signer's line in the checkpoint makes it enough. */
    const plumb_sign_options options = sign_defaults();
    assert_works(plumb_manifest_sign(fixture_path(f, "records.jsonl"), f->other, &options, err));
    prover = open_prover(f, trust, false);
    plumb_text_free(prove(f, prover, "r1", &n));
    plumb_prover_free(prover);
    assert_works(check(f, trust, NULL, err));
    plumb_trust_free(trust);
}

/* The store is there: then nothing of the records file matters but the one line. */
static void one_line_is_read(void **state)
{
    const fixture *f = *state;
    plumb__bytes records;
    char *text = NULL;
    size_t n = 0;
    sign_many(f);
    plumb_prover_free(open_prover(f, NULL, false));
    read_bytes(fixture_path(f, "records.jsonl"), &records);
    const size_t from =
        (size_t)(strstr(plumb__bytes_text(&records), "{\"id\":\"r200\"") - (char *)records.data);
    const size_t to = (size_t)(strchr((char *)records.data + from, '\n') - (char *)records.data);
    memset(records.data, 'x', from);
    memset(records.data + to, 'x', records.size - to);
    write_bytes(fixture_path(f, "records.jsonl"), records.data, records.size);
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_prover *prover = open_prover(f, trust, false);
    text = prove(f, prover, "r200", &n);
    assert_string_equal(plumb_prover_tiles_made(prover), "");
    assert_works(check(f, trust, NULL, err));
    plumb_text_free(text);
    plumb_prover_free(prover);
    plumb_trust_free(trust);
    plumb__bytes_free(&records);
}

static plumb_status all_of_it(const fixture *f, const plumb_trust *trust, plumb_error *err)
{
    plumb_prover_options options;
    plumb_prover *prover = NULL;
    char *text = NULL;
    size_t n = 0;
    plumb_prover_options_default(&options);
    options.trust = trust;
    options.rebuild = true;
    plumb_status status =
        plumb_prover_open(fixture_path(f, "records.plumb.json"), &options, &prover, err);
    if (status == PLUMB_OK) status = plumb_prover_prove(prover, "r8", &text, &n, NULL, err);
    plumb_text_free(text);
    plumb_prover_free(prover);
    return status == PLUMB_OK ? check(f, trust, NULL, err) : status;
}

/* Memory that runs out at any point is an error, and nothing is left open or lost. */
static void no_memory(void **state)
{
    const fixture *f = *state;
    size_t n = 0;
    sign_many(f);
    plumb_trust *trust = open_trust(f, "trust.json");
    plumb_prover *prover = open_prover(f, trust, false);
    plumb_text_free(prove(f, prover, "r8", &n));
    plumb_prover_free(prover);
    const uint64_t before = plumb__alloc_count();
    assert_works(all_of_it(f, trust, err));
    const uint64_t needed = plumb__alloc_count() - before;
    int refused = 0;
    assert_in_range(needed, 10, 100000);
    for (uint64_t i = 1; i <= needed; i += i < 60 ? 1 : 41) {
        plumb_error err = {0};
        plumb__alloc_fail_after((long)i);
        const plumb_status status = all_of_it(f, trust, &err);
        plumb__alloc_fail_after(0);
        /* A line that could not be looked at for want of memory is looked for once more. */
        assert_int_equal(err.status, status);
        refused += status != PLUMB_OK;
    }
    assert_true(refused >= 30);
    assert_int_not_equal(access(fixture_path(f, "records.tiles.tmp"), F_OK), 0);
    assert_works(all_of_it(f, trust, err));
    plumb_trust_free(trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record),
        cmocka_unit_test(what_it_says),
        cmocka_unit_test(without_the_record),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(texts),
        cmocka_unit_test(damaged_tiles),
        cmocka_unit_test(changed_records),
        cmocka_unit_test(who_signed),
        cmocka_unit_test(one_line_is_read),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
