/* Aim: true files at the wrong time, and files signed with a stolen key, are refused, and their
 * owners get out of it again (rollback, fast-forward recovery, freeze, equivocation, mix and match,
 * key compromise then rotation: The Update Framework's list). Method: one test an attack, played to
 * its end over a state directory; what is expected is the exact message. */
#include "attack_stage.h"

#include "base/clock.h"
#include "manifest/files.h"
#include "manifest/plumb_proof.h"
#include "manifest/plumb_withdrawal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADVICE "; ask for a signature by a current key: plumb manifest sign again with it adds one"

/* ---- with true files, at the wrong time ---- */

static void rollback_of_the_store(void **state)
{
    const fixture *f = *state;
    plumb__bytes old;
    set_stage(f, "rollback-store");
    make_store(f);
    read_bytes(at("trust.json"), &old); /* version 2, before the key is revoked */
    const plumb_secret_key *const root[] = {f->root};
    plumb_trust_change c = by(root, 1);
    assert_works(plumb_trust_revoke(at("trust.json"), &c, "acme", "acme-1", "retired", 86400, err));
    assert_works(use(false, err));
    write_bytes(at("trust.json"), old.data, old.size);
    assert_refused(use(false, err), PLUMB_ERR_TRUST,
                   text("here: rollback: version 3 of this trust store was seen (on %s), this is "
                        "version 2; get the newer one",
                        today()));
    plumb__bytes_free(&old);
}

static void rollback_of_the_manifest(void **state)
{
    const fixture *f = *state;
    set_stage(f, "rollback-manifest");
    make_store(f);
    sign_new(f->vendor, 2, RECORD("a") RECORD("b"));
    assert_works(use(true, err));
    sign_new(f->vendor, 1, RECORD("a"));
    assert_refused(use(true, err), PLUMB_ERR_TRUST,
                   text("here: rollback: version 2 of acme/set was seen (on %s), this is version "
                        "1; get the newer one",
                        today()));
    sign_new(f->vendor, 3, RECORD("c"));
    assert_works(use(true, err));
}

/* Somebody with the vendor's key signs a version far ahead: every true one would be a rollback. The
 * store declares the key compromised, and what it signed no longer counts as seen. */
static void fast_forward_recovery(void **state)
{
    const fixture *f = *state;
    const uint64_t far = (uint64_t)1 << 60;
    set_stage(f, "fast-forward");
    make_store(f);
    const plumb_trust_addition a = key_of(f->other, "acme-2", QUALITY);
    assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
    sign_new(f->other, 4, RECORD("a")); /* the true version 4, by the other key */
    assert_works(use(true, err));
    sign_new(f->vendor, far, RECORD("evil"));
    assert_works(use(true, err));
    sign_new(f->other, 5, RECORD("a") RECORD("b"));
    assert_refused(use(true, err), PLUMB_ERR_TRUST,
                   text("here: rollback: version 1152921504606846976 of acme/set was seen (on %s), "
                        "this is version 5; get the newer one",
                        today()));
    const plumb_secret_key *const root[] = {f->root};
    plumb_trust_change c = by(root, 1);
    assert_works(plumb_trust_revoke(at("trust.json"), &c, "acme", "acme-1", "compromised", 0, err));
    assert_works(use(true, err));
    /* The versions before it count again. */
    sign_new(f->other, 3, RECORD("a"));
    assert_refused(use(true, err), PLUMB_ERR_TRUST,
                   text("here: rollback: version 5 of acme/set was seen (on %s), this is version "
                        "3; get the newer one",
                        today()));
}

/* The same with a root key: a store far ahead. Dropping that root by a rotation leaves it behind,
 * and the old root can neither go back nor lead elsewhere. */
static void fast_forward_of_the_store(void **state)
{
    const fixture *f = *state;
    char root[PLUMB__SPKI_BASE64_BYTES], payload[900], seen_roots[80];
    plumb_public_key keys[2];
    plumb__bytes base;
    set_stage(f, "fast-forward-store");
    make_store(f);
    read_bytes(at("trust.json"), &base);
    plumb_key_public(f->root, &keys[0]);
    plumb_key_public(f->other, &keys[1]);
    plumb__spki_base64(&keys[0], root);
    snprintf(payload, sizeof payload,
             "{\"plumb_trust\":1,\"version\":1152921504606846976,\"previous\":\"%064d\","
             "\"roots\":{\"keys\":[\"%s\"],\"threshold\":1},\"vendors\":{}}",
             0, root);
    forge(at("trust.json"), TRUST_TYPE, payload, f->root);
    assert_works(use(false, err));
    write_bytes(at("trust.json"), base.data, base.size);
    assert_refused(use(false, err), PLUMB_ERR_TRUST,
                   text("here: rollback: version 1152921504606846976 of this trust store was seen "
                        "(on %s), this is version 2; get the newer one",
                        today()));
    const plumb_secret_key *const both[] = {f->root, f->other};
    plumb_trust_change c = by(both, 2);
    const plumb_trust_roots to = {&keys[1], 1, 1};
    assert_works(plumb_trust_rotate(at("trust.json"), &c, &to, err));
    assert_works(use(false, err));
    plumb_trust *trust = store();
    snprintf(seen_roots, sizeof seen_roots, "%s", plumb_trust_current_fingerprint(trust));
    plumb_trust_free(trust);
    forge(at("trust.json"), TRUST_TYPE, payload, f->root);
    assert_refused(use(false, err), PLUMB_ERR_TRUST,
                   text("here: rollback: this trust store was seen after 1 changes of its roots "
                        "(on %s), here there were 0; get the newer one",
                        today()));
    write_bytes(at("trust.json"), base.data, base.size);
    const plumb_secret_key *const thief[] = {f->root, f->vendor};
    plumb_public_key thief_key;
    plumb_key_public(f->vendor, &thief_key);
    const plumb_trust_roots elsewhere = {&thief_key, 1, 1};
    c = by(thief, 2);
    assert_works(plumb_trust_rotate(at("trust.json"), &c, &elsewhere, err));
    trust = store();
    char message[900];
    snprintf(message, sizeof message,
             "here: fork: its roots after 1 changes are %.16s…, seen were %s (on %s); ask its "
             "keepers which are theirs",
             plumb_trust_current_fingerprint(trust), seen_roots, today());
    plumb_trust_free(trust);
    assert_refused(use(false, err), PLUMB_ERR_TRUST, message);
    plumb__bytes_free(&base);
}

/* A store or a manifest that is kept from its successors ends with its time. */
static void freeze(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    set_stage(f, "freeze");
    const plumb_trust_addition a = key_of(f->vendor, "acme-1", QUALITY);
    assert_works(plumb_trust_init(at("trust.json"), f->root, 86400, err));
    assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
    sign_new(f->vendor, 1, RECORD("a"));
    assert_refused(open_manifest(&m, err), PLUMB_ERR_EXPIRED,
                   "the trust store expired at 1970-01-02T00:00:00Z; sign a new version with its "
                   "root key");
    make_store(f);
    plumb_sign_options options = sign_defaults();
    options.expires_s = 1700000001;
    (void)unlink(at("records.plumb.json"));
    (void)unlink(at("records.checkpoint"));
    assert_works(plumb_manifest_sign(at("records.jsonl"), f->vendor, &options, err));
    assert_refused(open_manifest(&m, err), PLUMB_ERR_EXPIRED,
                   text("%s: expired at 2023-11-14T22:13:21Z; ask vendor acme for a newer version",
                        at("records.plumb.json")));
}

/* Two true manifests of one version, each shown to somebody else. */
static void equivocation(void **state)
{
    const fixture *f = *state;
    char first[80];
    plumb_manifest *m = NULL;
    plumb_manifest_info info;
    set_stage(f, "equivocation");
    make_store(f);
    sign_new(f->vendor, 1, RECORD("a"));
    assert_works(use(true, err));
    assert_works(open_manifest(&m, err));
    plumb_manifest_describe(m, &info);
    snprintf(first, sizeof first, "%s", info.root_hex);
    plumb_manifest_free(m);
    sign_new(f->vendor, 1, RECORD("b"));
    assert_works(open_manifest(&m, err));
    plumb_manifest_describe(m, &info);
    char message[900];
    snprintf(message, sizeof message,
             "here: equivocation: version 1 of acme/set was seen with the record tree %.16s… (on "
             "%s), here it is %.16s…; ask the vendor which one holds",
             first, today(), info.root_hex);
    plumb_manifest_free(m);
    assert_refused(use(true, err), PLUMB_ERR_TRUST, message);
    /* The same records, longer valid: a freeze made to last. */
    plumb_sign_options options = sign_defaults();
    options.expires_s = 4102444800;
    (void)unlink(at("records.plumb.json"));
    (void)unlink(at("records.checkpoint"));
    write_text(at("records.jsonl"), RECORD("a"));
    assert_works(plumb_manifest_sign(at("records.jsonl"), f->vendor, &options, err));
    assert_refused(use(true, err), PLUMB_ERR_TRUST,
                   text("here: equivocation: version 1 of acme/set was seen with another statement "
                        "about the same records (on %s); ask the vendor which one holds",
                        today()));
}

static void equivocation_of_the_store(void **state)
{
    const fixture *f = *state;
    plumb__bytes one;
    set_stage(f, "equivocation-store");
    make_store(f);
    read_bytes(at("trust.json"), &one);
    const plumb_secret_key *const root[] = {f->root};
    plumb_trust_change c = by(root, 1);
    assert_works(plumb_trust_renew(at("trust.json"), &c, 4102444800, err)); /* version 3 */
    assert_works(use(false, err));
    write_bytes(at("trust.json"), one.data, one.size);
    assert_works(plumb_trust_renew(at("trust.json"), &c, 4102444801, err)); /* another */
    assert_refused(use(false, err), PLUMB_ERR_TRUST,
                   text("here: equivocation: version 3 of this trust store was seen with other "
                        "content (on %s): its root keys have signed two",
                        today()));
    assert_works(plumb_trust_renew(at("trust.json"), &c, 0, err)); /* and its successor */
    assert_refused(use(false, err), PLUMB_ERR_TRUST,
                   text("here: fork: version 4 of this trust store does not replace the version 3 "
                        "that was seen (on %s)",
                        today()));
    plumb__bytes_free(&one);
}

/* The envelope of one version beside the records of another; and a version that replaces another
 * history than the one that was seen. */
static void mix_and_match(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    plumb_manifest_info info;
    char seen[80], message[900];
    set_stage(f, "mix");
    make_store(f);
    sign_new(f->vendor, 1, RECORD("a"));
    assert_works(use(true, err));
    assert_works(open_manifest(&m, err));
    plumb_manifest_describe(m, &info);
    snprintf(seen, sizeof seen, "%s", info.root_hex);
    plumb_manifest_free(m);
    sign_new(f->vendor, 1, RECORD("x"));
    assert_works(open_manifest(&m, err));
    plumb_manifest_describe(m, &info);
    snprintf(message, sizeof message,
             "here: mix and match: it replaces a version 1 of acme/set with the record tree "
             "%.16s…, the one seen has %.16s… (on %s)",
             info.root_hex, seen, today());
    plumb_manifest_free(m);
    sign_as(f->vendor, 2, RECORD("y")); /* on top of the other version 1 */
    assert_refused(use(true, err), PLUMB_ERR_TRUST, message);
    write_text(at("records.jsonl"), RECORD("z"));
    assert_refused(open_manifest(&m, err), PLUMB_ERR_DIGEST,
                   text("%s: is not the file that was signed (SHA-256 differs): restore it, or "
                        "sign it as a new version",
                        at("records.jsonl")));
}

/* A vendor's key is stolen: revoked, then replaced. What it signed is void, however old it claims
 * to be; the new key's manifests count. */
static void key_compromise_then_rotation(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    set_stage(f, "compromise");
    make_store(f);
    sign_new(f->vendor, 1, RECORD("a"));
    assert_works(use(true, err));
    const plumb_secret_key *const root[] = {f->root};
    plumb_trust_change c = by(root, 1);
    assert_works(
        plumb_trust_revoke(at("trust.json"), &c, "acme", "acme-1", "compromised", 1750000000, err));
    assert_refused(open_manifest(&m, err), PLUMB_ERR_EXPIRED,
                   text("%s: key acme-1 of vendor acme was revoked at 2025-06-15T15:06:40Z "
                        "(compromised)" ADVICE,
                        at("records.plumb.json")));
    plumb_manifest_options options;
    plumb_manifest_options_default(&options);
    options.at_s = 1700000001; /* even as of a time before */
    plumb_trust *trust = store();
    assert_refused(plumb_manifest_open(at("records.plumb.json"), trust, &options, &m, err),
                   PLUMB_ERR_EXPIRED,
                   text("%s: key acme-1 of vendor acme was revoked at 2025-06-15T15:06:40Z "
                        "(compromised)" ADVICE,
                        at("records.plumb.json")));
    plumb_trust_free(trust);
    const plumb_trust_addition a = key_of(f->other, "acme-2", QUALITY);
    assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
    sign_new(f->other, 1, RECORD("a") RECORD("b"));
    assert_works(use(true, err));
}

/* ---- what a witness saw ---- */

/* A compromised key still counts for what a witness cosigned before; not for what came after. */
static void compromised_but_witnessed(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    for (int late = 0; late < 2; late++) {
        set_stage(f, late ? "witness-late" : "witness-early");
        make_store(f);
        const plumb_trust_addition a = key_of(f->other, "witness", 1u << PLUMB_ROLE_WITNESS);
        assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
        sign_new(f->vendor, 1, RECORD("a"));
        cosign_as("acme/witness", f->other, late ? 1750000001 : 1749999999);
        const plumb_secret_key *const root[] = {f->root};
        plumb_trust_change c = by(root, 1);
        assert_works(plumb_trust_revoke(at("trust.json"), &c, "acme", "acme-1", "compromised",
                                        1750000000, err));
        if (!late) {
            assert_works(use(true, err)); /* and its pin stands */
            sign_new(f->vendor, 2, RECORD("b"));
            assert_refused(open_manifest(&m, err), PLUMB_ERR_EXPIRED,
                           text("%s: key acme-1 of vendor acme was revoked at "
                                "2025-06-15T15:06:40Z (compromised)" ADVICE,
                                at("records.plumb.json")));
            continue;
        }
        assert_refused(open_manifest(&m, err), PLUMB_ERR_EXPIRED,
                       text("%s: key acme-1 of vendor acme was revoked at 2025-06-15T15:06:40Z "
                            "(compromised), and the first witness cosigned at "
                            "2025-06-15T15:06:41Z" ADVICE,
                            at("records.plumb.json")));
    }
}

static void revoke_as(const fixture *f, const char *name, const char *reason, int64_t at_s)
{
    const plumb_secret_key *const root[] = {f->root};
    plumb_trust_change c = by(root, 1);
    assert_works(plumb_trust_revoke(at("trust.json"), &c, "acme", name, reason, at_s, err));
}

static plumb_status open_checkpoint(plumb_error *err)
{
    plumb_proof *proof = NULL;
    plumb_proof_options options;
    plumb_trust *trust = store();
    plumb_proof_options_default(&options);
    options.trust = trust;
    const plumb_status status =
        plumb_checkpoint_open(at("records.checkpoint"), &options, &proof, err);
    plumb_proof_free(proof);
    plumb_trust_free(trust);
    return status;
}

/* A key was retired, so its manifests are refused. Calling it compromised as well is worse news and
 * cannot make them good again. */
static void retired_then_compromised(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    set_stage(f, "retired-compromised");
    make_store(f);
    const plumb_trust_addition a = key_of(f->other, "witness", 1u << PLUMB_ROLE_WITNESS);
    assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
    sign_new(f->vendor, 1, RECORD("a"));
    cosign_as("acme/witness", f->other, 1749999999);
    revoke_as(f, "acme-1", "retired", 1750000000);
    for (int compromised = 0; compromised < 2; compromised++) {
        if (compromised) revoke_as(f, "acme-1", "compromised", 0);
        assert_refused(open_manifest(&m, err), PLUMB_ERR_EXPIRED,
                       text("%s: key acme-1 of vendor acme was revoked at 2025-06-15T15:06:40Z "
                            "(retired)" ADVICE,
                            at("records.plumb.json")));
        assert_refused(open_checkpoint(err), PLUMB_ERR_EXPIRED,
                       text("%s: key acme-1 of vendor acme was revoked at 2025-06-15T15:06:40Z "
                            "(retired)",
                            at("records.checkpoint")));
    }
    plumb_trust *trust = store();
    assert_int_equal(plumb_trust_key_at(trust, 0)->revoked_at, 1750000000); /* not today */
    assert_int_equal(plumb_trust_key_at(trust, 0)->retired_at, 1750000000);
    /* As of a time before, what a witness saw counts, and only that. */
    plumb_manifest_options options;
    plumb_manifest_options_default(&options);
    options.at_s = 1749999999;
    assert_works(plumb_manifest_open(at("records.plumb.json"), trust, &options, &m, err));
    plumb_manifest_free(m);
    sign_new(f->vendor, 1, RECORD("b"));
    assert_refused(plumb_manifest_open(at("records.plumb.json"), trust, &options, &m, err),
                   PLUMB_ERR_EXPIRED,
                   text("%s: key acme-1 of vendor acme was revoked at 2025-06-15T15:06:40Z "
                        "(compromised)" ADVICE,
                        at("records.plumb.json")));
    plumb_trust_free(trust);
    const plumb_secret_key *const root[] = {f->root};
    plumb_trust_change c = by(root, 1);
    assert_refused(
        plumb_trust_revoke(at("trust.json"), &c, "acme", "acme-1", "retired", 0, err),
        PLUMB_ERR_STATE,
        text("%s: key acme-1 of vendor acme was revoked at 2025-06-15T15:06:40Z (compromised)",
             at("trust.json")));
}

#define KEY "{\"name\":\"%s\",\"key\":\"%s\",\"roles\":[\"%s\"]%s}"
#define COMPROMISED ",\"revoked_at\":\"2025-06-15T15:06:40Z\",\"reason\":\"compromised\""

/* Whoever stole a key has it under all its names: it is no witness of what it signed itself, and
 * one entry that calls it compromised speaks for the others. */
static void stolen_under_two_vendors(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    plumb_manifest_info info;
    set_stage(f, "two-vendors-stolen");
    const char *vendors = "{\"acme\":{\"keys\":[" KEY "]},\"house\":{\"keys\":[" KEY "]}}";
    const char *mine = key_text(f->vendor);
    sign_new(f->vendor, 1, RECORD("a"));
    cosign_as("house/w", f->vendor, 1749999999);
    forge_store(f,
                text(vendors, "acme-1", mine, "quality-attestation", "", "w", mine, "witness", ""));
    assert_works(open_manifest(&m, err));
    plumb_manifest_describe(m, &info);
    assert_int_equal(info.n_witnesses, 0);
    assert_int_equal(info.cosigned_s, 0);
    assert_int_equal(info.unchecked_lines, 1);
    plumb_manifest_free(m);
    forge_store(f, text(vendors, "acme-1", mine, "quality-attestation", COMPROMISED, "w", mine,
                        "witness", ""));
    const char *said = "%s: key acme-1 of vendor acme was revoked at 2025-06-15T15:06:40Z "
                       "(compromised)%s";
    char message[900];
    snprintf(message, sizeof message, said, at("records.plumb.json"), ADVICE);
    assert_refused(open_manifest(&m, err), PLUMB_ERR_EXPIRED, message);
    snprintf(message, sizeof message, said, at("records.checkpoint"), "");
    assert_refused(open_checkpoint(err), PLUMB_ERR_EXPIRED, message);
    forge_store(f, text(vendors, "acme-1", mine, "quality-attestation", "", "w", mine, "witness",
                        COMPROMISED));
    assert_refused(open_manifest(&m, err), PLUMB_ERR_EXPIRED,
                   text("%s: key acme-1 of vendor acme is also key w of vendor house, which was "
                        "revoked at 2025-06-15T15:06:40Z (compromised)" ADVICE,
                        at("records.plumb.json")));
}

/* Opened under a store where a witness makes up for a compromised key; the run's own store calls
 * the witness compromised too. */
static void witness_of_another_store(void **state)
{
    const fixture *f = *state;
    plumb_manifest *m = NULL;
    set_stage(f, "another-store");
    make_store(f);
    const plumb_trust_addition a = key_of(f->other, "witness", 1u << PLUMB_ROLE_WITNESS);
    assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
    sign_new(f->vendor, 1, RECORD("a"));
    cosign_as("acme/witness", f->other, 1749999999);
    revoke_as(f, "acme-1", "compromised", 1750000000);
    plumb_trust *first = store();
    assert_works(plumb_manifest_open(at("records.plumb.json"), first, NULL, &m, err));
    assert_works(plumb__manifest_judge(m, "manifest acme/set", first, plumb__wall_s(), err));
    revoke_as(f, "witness", "compromised", 1750000000);
    plumb_trust *second = store();
    assert_refused(plumb__manifest_judge(m, "manifest acme/set", second, plumb__wall_s(), err),
                   PLUMB_ERR_EXPIRED,
                   "manifest acme/set: key acme-1 of vendor acme was revoked at "
                   "2025-06-15T15:06:40Z (compromised)" ADVICE);
    plumb_manifest_free(m);
    plumb_trust_free(second);
    plumb_trust_free(first);
}

/* A pin takes in what came to its version later: once a witness, once a second signer. Then the
 * first signer's key going bad cannot free what was withdrawn. */
static void pin_grows(void **state)
{
    const fixture *f = *state;
    const char *const ids[] = {"b"};
    for (int signer = 0; signer < 2; signer++) {
        set_stage(f, signer ? "pin-signer" : "pin-witness");
        make_store(f);
        const plumb_trust_addition a = key_of(f->other, "acme-2", QUALITY);
        const plumb_trust_addition w = key_of(f->root, "witness", 1u << PLUMB_ROLE_WITNESS);
        assert_works(plumb_trust_add(at("trust.json"), f->root, &a, err));
        assert_works(plumb_trust_add(at("trust.json"), f->root, &w, err));
        sign_new(f->vendor, 1, RECORD("a") RECORD("b"));
        assert_works(use(true, err));
        if (signer) sign_as(f->other, 1, RECORD("a") RECORD("b"));
        if (!signer) cosign_as("acme/witness", f->root, 1749999999);
        plumb_withdraw_options options;
        plumb_withdraw_options_default(&options);
        options.ids = ids;
        options.n_ids = 1;
        plumb_trust *trust = store();
        assert_works(plumb_manifest_withdraw(at("records.plumb.json"), f->other, trust, &options,
                                             NULL, err));
        plumb_trust_free(trust);
        assert_works(use(true, err));
        revoke_as(f, "acme-1", "compromised", 1750000000);
        assert_works(use(true, err));
        assert_int_equal(unlink(at("records.withdrawals")), 0);
        assert_refused(use(true, err), PLUMB_ERR_TRUST,
                       text("here: rollback: 1 withdrawals from version 1 of acme/set were seen "
                            "(on %s), here there are 0; put its NAME.withdrawals beside it again, "
                            "or get it from the vendor",
                            today()));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rollback_of_the_store),
        cmocka_unit_test(rollback_of_the_manifest),
        cmocka_unit_test(fast_forward_recovery),
        cmocka_unit_test(fast_forward_of_the_store),
        cmocka_unit_test(freeze),
        cmocka_unit_test(equivocation),
        cmocka_unit_test(equivocation_of_the_store),
        cmocka_unit_test(mix_and_match),
        cmocka_unit_test(key_compromise_then_rotation),
        cmocka_unit_test(compromised_but_witnessed),
        cmocka_unit_test(retired_then_compromised),
        cmocka_unit_test(stolen_under_two_vendors),
        cmocka_unit_test(witness_of_another_store),
        cmocka_unit_test(pin_grows),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
