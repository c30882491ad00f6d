/* Aim: a witness's cosignature is C2SP's, dates a manifest with all that was signed in it, and a
 * witness never cosigns two things as one. Method: manifests signed by one and two keys, cosigned,
 * opened under stores that know the witness or not; each way in which a vendor could show two
 * faces; lines changed, moved to another manifest, and by keys of other roles. */
#include "manifest_fixture.h"

#include "manifest/files.h"
#include "manifest/manifest_object.h"
#include "manifest/plumb_proof.h"
#include "manifest/proofs/cosign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD(id) "{\"id\":\"" id "\",\"private\":\"" HEX "\"}\n"
#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static plumb_trust_addition entry(const char *vendor, const char *name, const plumb_secret_key *key,
                                  plumb_role role)
{
    plumb_trust_addition out;
    plumb_trust_addition_default(&out);
    out.vendor = vendor;
    out.name = name;
    out.roles = 1u << role;
    plumb_key_public(key, &out.key);
    return out;
}

/* witness.json: the vendor, and f->other as witness house/w1. */
static int setup(void **state)
{
    if (fixture_setup(state) != 0) return -1;
    const fixture *f = *state;
    const plumb_trust_addition acme =
        entry("acme", "acme-1", f->vendor, PLUMB_ROLE_QUALITY_ATTESTATION);
    const plumb_trust_addition house = entry("house", "w1", f->other, PLUMB_ROLE_WITNESS);
    make_trust(f, "witness.json", &acme, &house);
    return setenv("PLUMB_STATE", fixture_path(f, "state"), 1);
}

/* The state is forgotten, as another witness's would be. */
static void forget(const fixture *f)
{
    if (access(fixture_path(f, "state"), F_OK) == 0)
        assert_works(plumb__dir_remove(fixture_path(f, "state"), err));
}

static plumb_status witness(const fixture *f, const char *store, const char *name, int64_t time_s,
                            plumb_witness_info *info, plumb_error *err)
{
    plumb_witness_options options;
    plumb_trust *trust = open_trust(f, store);
    plumb_witness_options_default(&options);
    options.trust = trust;
    options.name = name;
    options.time_s = time_s;
    const plumb_status status = plumb_witness_manifest(fixture_path(f, "records.plumb.json"),
                                                       f->other, &options, info, err);
    plumb_trust_free(trust);
    return status;
}

static plumb_status open_info(const fixture *f, const char *store, plumb_manifest **m,
                              plumb_manifest_info *info, plumb_error *err)
{
    plumb_trust *trust = open_trust(f, store);
    const plumb_status status =
        plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, m, err);
    if (status == PLUMB_OK) plumb_manifest_describe(*m, info);
    plumb_trust_free(trust);
    return status;
}

static void dates_a_manifest(void **state)
{
    const fixture *f = *state;
    plumb_witness_info said;
    plumb_manifest_info info;
    plumb_manifest *m = NULL;
    forget(f);
    sign_records(f, RECORD("a") RECORD("b"), NULL);
    assert_works(open_info(f, "witness.json", &m, &info, err));
    assert_int_equal(info.cosigned_s, 0);
    plumb_manifest_free(m);
    assert_works(witness(f, "witness.json", NULL, 1700000100, &said, err));
    assert_string_equal(said.origin, "acme/set/v1");
    assert_string_equal(said.name, "house/w1");
    assert_int_equal(said.records, 2);
    assert_true(said.in_store);
    assert_false(said.again);
    assert_works(open_info(f, "witness.json", &m, &info, err));
    assert_int_equal(info.cosigned_s, 1700000100);
    assert_int_equal(m->witnesses.earliest_s, 1700000100);
    assert_int_equal(info.n_witnesses, 1);
    assert_string_equal(plumb_manifest_witness_at(m, 0).name, "house/w1");
    assert_int_equal(plumb_manifest_witness_at(m, 0).time_s, 1700000100);
    assert_null(plumb_manifest_witness_at(m, 1).name);
    assert_int_equal(info.unchecked_lines, 0);
    plumb_manifest_free(m);
    /* Who does not know the witness leaves its line aside, and says so. */
    assert_works(open_info(f, "trust.json", &m, &info, err));
    assert_int_equal(info.cosigned_s, 0);
    assert_int_equal(info.unchecked_lines, 1);
    plumb_manifest_free(m);
    /* Asked again, it says what it said. */
    assert_works(witness(f, "witness.json", NULL, 1800000000, &said, err));
    assert_true(said.again);
    assert_int_equal(said.time_s, 1700000100);
}

/* A second signer's line and the witness's live beside each other, in either order. */
static void second_signer(void **state)
{
    const fixture *f = *state;
    plumb_witness_info said;
    plumb_manifest_info info;
    plumb_manifest *m = NULL;
    const plumb_sign_options options = sign_defaults();
    plumb_secret_key *third = NULL;
    forget(f);
    sign_records(f, RECORD("a"), NULL);
    assert_works(witness(f, "witness.json", NULL, 5, &said, err));
    assert_works(plumb_key_ephemeral(&third, err));
    assert_works(plumb_manifest_sign(fixture_path(f, "records.jsonl"), third, &options, err));
    assert_works(open_info(f, "witness.json", &m, &info, err));
    assert_int_equal(info.cosigned_s, 5);
    assert_int_equal(info.unchecked_lines, 1); /* the third key is a stranger here */
    plumb_manifest_free(m);
    const plumb_trust_addition one =
        entry("acme", "acme-1", f->vendor, PLUMB_ROLE_QUALITY_ATTESTATION);
    const plumb_trust_addition two = entry("acme", "acme-2", third, PLUMB_ROLE_QUALITY_ATTESTATION);
    make_trust(f, "two.json", &one, &two);
    assert_works(open_info(f, "two.json", &m, &info, err));
    assert_int_equal(info.n_signers, 2);
    assert_int_equal(info.unchecked_lines, 1); /* and here the witness is */
    plumb_manifest_free(m);
    /* Signing once more with the same key adds nothing. */
    plumb__bytes before, after;
    read_bytes(fixture_path(f, "records.checkpoint"), &before);
    assert_works(plumb_manifest_sign(fixture_path(f, "records.jsonl"), third, &options, err));
    read_bytes(fixture_path(f, "records.checkpoint"), &after);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    plumb__bytes_free(&before);
    plumb__bytes_free(&after);
    plumb_key_free(third);
}

/* What a vendor that shows two faces would try: another tree, fewer records, other terms. */
static void two_faces(void **state)
{
    const fixture *f = *state;
    plumb_witness_info said;
    char message[600];
    forget(f);
    sign_records(f, RECORD("a") RECORD("b"), NULL);
    assert_works(witness(f, "witness.json", NULL, 1700000100, &said, err));
    sign_records(f, RECORD("a"), NULL);
    snprintf(message, sizeof message,
             "%s/records.plumb.json: has 1 records, but 2 were cosigned as acme/set/v1 at "
             "2023-11-14T22:15:00Z: records were taken away",
             f->dir);
    assert_fails(witness(f, "witness.json", NULL, 0, &said, err), PLUMB_ERR_MISMATCH, message);
    sign_records(f, RECORD("a") RECORD("c"), NULL);
    snprintf(message, sizeof message,
             "%s/records.plumb.json: another tree was cosigned as acme/set/v1 at "
             "2023-11-14T22:15:00Z: the vendor shows different people different manifests, or "
             "should have raised the version",
             f->dir);
    assert_fails(witness(f, "witness.json", NULL, 0, &said, err), PLUMB_ERR_MISMATCH, message);
    sign_records(f, RECORD("a") RECORD("b") RECORD("c"), NULL);
    assert_fails(witness(f, "witness.json", NULL, 0, &said, err), PLUMB_ERR_MISMATCH, message);
    plumb_sign_options options = sign_defaults();
    options.issued_s++;
    sign_records(f, RECORD("a") RECORD("b"), &options);
    snprintf(message, sizeof message,
             "%s/records.plumb.json: another statement was cosigned as acme/set/v1 at "
             "2023-11-14T22:15:00Z: the vendor shows different people different manifests, or "
             "should have raised the version",
             f->dir);
    assert_fails(witness(f, "witness.json", NULL, 0, &said, err), PLUMB_ERR_MISMATCH, message);
    options.manifest_version = 2; /* which is the honest way */
    sign_records(f, RECORD("a"), &options);
    assert_works(witness(f, "witness.json", NULL, 0, &said, err));
    assert_string_equal(said.origin, "acme/set/v2");
}

/* A key that was stolen later cannot sign other terms under the old cosignature: the checkpoint
 * names the statement. */
static void other_terms_under_an_old_cosignature(void **state)
{
    const fixture *f = *state;
    plumb_witness_info said;
    plumb_manifest_info info;
    plumb_manifest *m = NULL;
    plumb__bytes checkpoint;
    char message[600];
    forget(f);
    sign_records(f, RECORD("a"), NULL);
    assert_works(witness(f, "witness.json", NULL, 0, &said, err));
    read_bytes(fixture_path(f, "records.checkpoint"), &checkpoint);
    plumb_sign_options options = sign_defaults();
    write_text(fixture_path(f, "t.json"), "{\"defaults\":{\"depth\":\"none\"}}");
    options.taxonomy_path = fixture_path(f, "t.json");
    sign_records(f, RECORD("a"), &options);
    write_bytes(fixture_path(f, "records.checkpoint"), checkpoint.data, checkpoint.size);
    snprintf(message, sizeof message,
             "%s/records.checkpoint: is the checkpoint of another statement than this manifest's",
             f->dir);
    assert_fails(open_info(f, "witness.json", &m, &info, err), PLUMB_ERR_DIGEST, message);
    plumb__bytes_free(&checkpoint);
}

/* Every bit of a cosignature by a known witness counts; with its name or hash changed it is a
 * stranger's, and no longer dates anything. */
static void changed_cosignatures(void **state)
{
    const fixture *f = *state;
    plumb_witness_info said;
    plumb__bytes text;
    char message[600];
    int strangers = 0, refused = 0;
    forget(f);
    sign_records(f, RECORD("a"), NULL);
    assert_works(witness(f, "witness.json", NULL, 1700000100, &said, err));
    const char *path = fixture_path(f, "records.checkpoint");
    read_bytes(path, &text);
    const size_t from = (size_t)(strstr(plumb__bytes_text(&text), "house/w1") - (char *)text.data);
    snprintf(message, sizeof message,
             "%s/records.checkpoint: the cosignature of house/w1 does not hold: the checkpoint was "
             "changed",
             f->dir);
    for (size_t i = from; i < text.size; i++) {
        plumb_manifest_info info;
        plumb_manifest *m = NULL;
        plumb_error err = {0};
        text.data[i] ^= 1;
        write_bytes(fixture_path(f, "records.checkpoint"), text.data, text.size);
        if (open_info(f, "witness.json", &m, &info, &err) == PLUMB_OK) {
            assert_int_equal(info.cosigned_s, 0);
            assert_int_equal(info.unchecked_lines, 1);
            strangers++;
        } else if (strcmp(err.message, message) == 0) {
            refused++;
        }
        plumb_manifest_free(m);
        text.data[i] ^= 1;
    }
    assert_in_range(strangers, 8, 16); /* name and key hash */
    assert_in_range(refused, 60, 100); /* the others are no base64 any more */
    plumb__bytes_free(&text);
}

/* A witness's standing is that of the time it states. */
static void witness_validity(void **state)
{
    const fixture *f = *state;
    plumb_witness_info said;
    plumb_manifest_info info;
    plumb_manifest *m = NULL;
    const plumb_trust_addition acme =
        entry("acme", "acme-1", f->vendor, PLUMB_ROLE_QUALITY_ATTESTATION);
    plumb_trust_addition late = entry("house", "w1", f->other, PLUMB_ROLE_WITNESS);
    forget(f);
    sign_records(f, RECORD("a"), NULL);
    assert_works(witness(f, "witness.json", NULL, 1700000100, &said, err));
    late.valid_from = 1700000101;
    make_trust(f, "late.json", &acme, &late);
    assert_works(open_info(f, "late.json", &m, &info, err));
    assert_int_equal(info.cosigned_s, 0);
    plumb_manifest_free(m);
    late.valid_from = 1700000100;
    make_trust(f, "late.json", &acme, &late);
    assert_works(open_info(f, "late.json", &m, &info, err));
    assert_int_equal(info.cosigned_s, 1700000100);
    plumb_manifest_free(m);
    late.roles = 1u << PLUMB_ROLE_AUDITOR; /* another role, another use */
    make_trust(f, "late.json", &acme, &late);
    assert_works(open_info(f, "late.json", &m, &info, err));
    assert_int_equal(info.cosigned_s, 0);
    plumb_manifest_free(m);
}

static void call_compromised(const fixture *f, const char *store, const char *vendor,
                             const char *name, int64_t at_s)
{
    plumb_trust_change change;
    const plumb_secret_key *roots[] = {f->root};
    plumb_trust_change_default(&change);
    change.signers = roots;
    change.n_signers = 1;
    assert_works(plumb_trust_revoke(fixture_path(f, store), &change, vendor, name, "compromised",
                                    at_s, err));
}

/* A proof of record "a" under a store; 0 or the status. */
static plumb_status prove_under(const fixture *f, const char *store, plumb_error *err)
{
    plumb_prover_options making;
    plumb_proof_options checking;
    plumb_prover *prover = NULL;
    plumb_proof *proof = NULL;
    char *text = NULL;
    size_t n = 0;
    plumb_prover_options_default(&making);
    plumb_proof_options_default(&checking);
    assert_works(plumb_prover_open(fixture_path(f, "records.plumb.json"), &making, &prover, err));
    assert_works(plumb_prover_prove(prover, "a", &text, &n, NULL, err));
    write_bytes(fixture_path(f, "p.tlog-proof"), text, n);
    plumb_text_free(text);
    plumb_prover_free(prover);
    plumb_trust *trust = open_trust(f, store);
    checking.trust = trust;
    const plumb_status status =
        plumb_proof_open(fixture_path(f, "p.tlog-proof"), &checking, &proof, err);
    plumb_proof_free(proof);
    plumb_trust_free(trust);
    return status;
}

/* What a witness saw before a key was stolen still counts, for the manifest and for proofs; not
 * what it saw after, nor what a stolen witness key says. */
static void compromised_keys(void **state)
{
    const fixture *f = *state;
    plumb_witness_info said;
    plumb_manifest_info info;
    plumb_manifest *m = NULL;
    char message[600];
    const plumb_trust_addition acme =
        entry("acme", "acme-1", f->vendor, PLUMB_ROLE_QUALITY_ATTESTATION);
    const plumb_trust_addition house = entry("house", "w1", f->other, PLUMB_ROLE_WITNESS);
    forget(f);
    sign_records(f, RECORD("a"), NULL);
    assert_works(witness(f, "witness.json", NULL, 1700000100, &said, err));
    make_trust(f, "after.json", &acme, &house);
    call_compromised(f, "after.json", "acme", "acme-1", 1700000101);
    assert_works(open_info(f, "after.json", &m, &info, err));
    plumb_manifest_free(m);
    assert_works(prove_under(f, "after.json", err));
    make_trust(f, "before.json", &acme, &house);
    call_compromised(f, "before.json", "acme", "acme-1", 1700000100);
    snprintf(message, sizeof message,
             "%s/p.tlog-proof: key acme-1 of vendor acme was revoked at 2023-11-14T22:15:00Z "
             "(compromised), and the first witness cosigned at 2023-11-14T22:15:00Z",
             f->dir);
    assert_fails(prove_under(f, "before.json", err), PLUMB_ERR_EXPIRED, message);
    assert_int_equal(open_info(f, "before.json", &m, &info, NULL), PLUMB_ERR_EXPIRED);
    make_trust(f, "witness-too.json", &acme, &house);
    call_compromised(f, "witness-too.json", "acme", "acme-1", 1700000101);
    call_compromised(f, "witness-too.json", "house", "w1", 1800000000);
    assert_int_equal(open_info(f, "witness-too.json", &m, &info, NULL), PLUMB_ERR_EXPIRED);
    assert_int_equal(prove_under(f, "witness-too.json", NULL), PLUMB_ERR_EXPIRED);
}

static void names_and_memory(void **state)
{
    const fixture *f = *state;
    plumb_witness_info said;
    forget(f);
    sign_records(f, RECORD("a"), NULL);
    assert_fails(witness(f, "trust.json", NULL, 0, &said, err), PLUMB_ERR_ARGUMENT,
                 "the trust store lists this key as nobody's witness: say which name it signs "
                 "under, VENDOR/NAME (--name)");
    assert_works(witness(f, "trust.json", "other.example/w9", 7, &said, err));
    assert_false(said.in_store);
    /* Its memory is signed: changed, it is refused, not forgotten. */
    char command[800], found[600] = "";
    snprintf(command, sizeof command, "ls %s/state/witness/*.checkpoint", f->dir);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    assert_non_null(fgets(found, sizeof found, list));
    assert_null(fgets(command, sizeof command, list));
    pclose(list);
    found[strcspn(found, "\n")] = '\0';
    plumb__bytes memory;
    char message[1024];
    read_bytes(found, &memory);
    memory.data[12] = '3';
    write_bytes(found, memory.data, memory.size);
    snprintf(message, sizeof message,
             "%s: is not what this witness wrote: without it nobody knows what it has cosigned; "
             "restore it",
             found);
    assert_fails(witness(f, "trust.json", "other.example/w9", 7, &said, err), PLUMB_ERR_CORRUPT,
                 message);
    plumb__bytes_free(&memory);
    assert_int_equal(unlink(fixture_path(f, "records.checkpoint")), 0);
    snprintf(message, sizeof message,
             "%s/records.checkpoint: is missing, and a witness signs nothing else; plumb manifest "
             "sign writes it",
             f->dir);
    assert_fails(witness(f, "witness.json", NULL, 0, &said, err), PLUMB_ERR_NOT_FOUND, message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_a_manifest),
        cmocka_unit_test(second_signer),
        cmocka_unit_test(two_faces),
        cmocka_unit_test(other_terms_under_an_old_cosignature),
        cmocka_unit_test(changed_cosignatures),
        cmocka_unit_test(witness_validity),
        cmocka_unit_test(compromised_keys),
        cmocka_unit_test(names_and_memory),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
