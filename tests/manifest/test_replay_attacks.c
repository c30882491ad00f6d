/* Aim: true files at the wrong time, and files signed with a stolen key, are refused, and their
 * owners get out of it again (rollback, fast-forward recovery, freeze, equivocation, mix and match,
 * key compromise then rotation: The Update Framework's list). Method: one test an attack, played to
 * its end over a state directory; what is expected is the exact message. */
#include "attack_stage.h"

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

static void cosign_at(const plumb_secret_key *witness, int64_t time_s)
{
    plumb__bytes note_text;
    plumb__note note;
    read_bytes(at("records.checkpoint"), &note_text);
    assert_works(plumb__note_parse("t", note_text.data, note_text.size, &note, err));
    plumb__bytes out = {0};
    plumb__bytes_append(&out, note_text.data, note_text.size);
    assert_works(
        plumb__cosign("acme/witness", witness, note.text, note.text_size, time_s, &out, err));
    write_bytes(at("records.checkpoint"), out.data, out.size);
    plumb__bytes_free(&out);
    plumb__bytes_free(&note_text);
}

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
        cosign_at(f->other, late ? 1750000001 : 1749999999);
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
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
