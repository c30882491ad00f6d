/* Aim: a trust store changes only under its root thresholds, keeps what proves its roots, and a
 * change whose signers sit apart waits for them. Method: stores under two of three roots; every
 * order of signing; rotations in a row, read back with the file alone; lines dropped, exchanged and
 * joined; every byte of a rotated store flipped; each refusal by its text. */
#include "manifest_fixture.h"

#include "manifest/trust/trust_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUALITY (1u << PLUMB_ROLE_QUALITY_ATTESTATION)

typedef struct roots {
    plumb_secret_key *key[6];
    plumb_public_key public_key[6];
} roots;

static roots r;

static int setup(void **state)
{
    for (int i = 0; i < 6; i++) {
        assert_works(plumb_key_ephemeral(&r.key[i], err));
        plumb_key_public(r.key[i], &r.public_key[i]);
    }
    return fixture_setup(state);
}

static int teardown(void **state)
{
    for (int i = 0; i < 6; i++) {
        plumb_key_free(r.key[i]);
    }
    return fixture_teardown(state);
}

/* Signed by keys first .. first + n - 1. */
static plumb_trust_change change_by(size_t first, size_t n)
{
    plumb_trust_change c;
    plumb_trust_change_default(&c);
    c.signers = (const plumb_secret_key *const *)&r.key[first];
    c.n_signers = n;
    return c;
}

static plumb_trust_roots roots_from(size_t first, size_t n, uint32_t threshold)
{
    return (plumb_trust_roots){&r.public_key[first], n, threshold};
}

static plumb_trust_addition new_key(const plumb_secret_key *key, const char *name)
{
    plumb_trust_addition a;
    plumb_trust_addition_default(&a);
    a.vendor = "acme";
    a.name = name;
    a.roles = QUALITY;
    plumb_key_public(key, &a.key);
    return a;
}

static const char *fresh(const fixture *f, const char *name)
{
    char next[600];
    const char *path = fixture_path(f, name);
    snprintf(next, sizeof next, "%s.next", path);
    (void)unlink(path);
    (void)unlink(next);
    return path;
}

/* A new store under two of three roots, 0 to 2. */
static const char *two_of_three(const fixture *f, const char *name)
{
    const char *path = fresh(f, name);
    plumb_trust_change c = change_by(0, 2);
    const plumb_trust_roots of = roots_from(0, 3, 2);
    assert_works(plumb_trust_create(path, &c, &of, 0, err));
    assert_false(c.pending);
    return path;
}

static size_t lines_of(const char *path)
{
    plumb__bytes text;
    size_t n = 0;
    read_bytes(path, &text);
    for (size_t i = 0; i < text.size; i++) {
        n += text.data[i] == '\n';
    }
    plumb__bytes_free(&text);
    return n;
}

static void several_signers(void **state)
{
    const fixture *f = *state;
    const char *path = two_of_three(f, "several.json");
    const plumb_trust_addition one = new_key(f->vendor, "one"), two = new_key(f->other, "two");
    plumb_trust_change c = change_by(1, 2);
    assert_works(plumb_trust_extend(path, &c, &one, err));
    assert_false(c.pending);
    assert_int_equal(c.missing, 0);
    plumb_trust *trust = open_trust(f, "several.json");
    assert_int_equal(plumb_trust_version(trust), 2);
    assert_int_equal(plumb_trust_rotations(trust), 0);
    plumb_trust_free(trust);
    assert_int_equal(lines_of(path), 1);
    char message[700];
    snprintf(message, sizeof message,
             "%s: lacks 1 root signatures; give more root keys, or let plumb trust collect them",
             path);
    assert_fails(plumb_trust_add(path, r.key[0], &two, err), PLUMB_ERR_TRUST, message);
    /* One key twice is one key: the threshold is not reached. */
    const plumb_secret_key *twice[] = {r.key[2], r.key[2]};
    c.signers = twice;
    c.whole = true;
    assert_fails(plumb_trust_extend(path, &c, &two, err), PLUMB_ERR_TRUST, message);
    c = change_by(0, 0);
    assert_fails(plumb_trust_extend(path, &c, &two, err), PLUMB_ERR_ARGUMENT,
                 "a trust store is signed by a root key");
    c = change_by(0, 2);
    const plumb_trust_roots too_high = roots_from(0, 2, 3);
    assert_fails(plumb_trust_create(fresh(f, "high.json"), &c, &too_high, 0, err),
                 PLUMB_ERR_ARGUMENT,
                 "2 root keys cannot have a threshold of 3: at least 1, at most as many as there "
                 "are keys, and at most 64 of them");
}

/* Roots kept apart: nothing counts before the last one has signed, in whatever order they do. */
static void waits_for_signatures(void **state)
{
    const fixture *f = *state;
    for (size_t order = 0; order < 2; order++) {
        char next[600], message[900];
        const char *path = two_of_three(f, "apart.json");
        const plumb_trust_addition one = new_key(f->vendor, "one");
        snprintf(next, sizeof next, "%s.next", path);
        plumb_trust_change c = change_by(order, 1);
        assert_works(plumb_trust_extend(path, &c, &one, err));
        assert_true(c.pending);
        assert_int_equal(c.missing, 1);
        plumb_trust *trust = open_trust(f, "apart.json");
        assert_int_equal(plumb_trust_version(trust), 1);
        plumb_trust_free(trust);
        snprintf(message, sizeof message, "%s: is signed by 1 of its root keys, its threshold is 2",
                 next);
        assert_fails(plumb_trust_open(next, &trust, err), PLUMB_ERR_TRUST, message);
        plumb_trust_root_state have;
        assert_works(plumb_trust_open_pending(next, &trust, err));
        plumb_trust_root_signatures(trust, &have);
        assert_int_equal(have.missing, 1);
        plumb_trust_free(trust);
        snprintf(message, sizeof message,
                 "%s: a change waits for root signatures; complete it with plumb trust sign, or "
                 "remove it",
                 next);
        assert_fails(plumb_trust_extend(path, &c, &one, err), PLUMB_ERR_EXISTS, message);
        assert_works(plumb_trust_sign(next, &c, err)); /* the same key again adds nothing */
        assert_true(c.pending);
        c = change_by(1 - order, 1);
        assert_works(plumb_trust_sign(next, &c, err));
        assert_false(c.pending);
        assert_int_not_equal(access(next, F_OK), 0);
        trust = open_trust(f, "apart.json");
        assert_int_equal(plumb_trust_version(trust), 2);
        assert_int_equal(plumb_trust_key_count(trust), 1);
        plumb_trust_free(trust);
    }
}

static void pending_is_bound_to_its_store(void **state)
{
    const fixture *f = *state;
    char next[600], aside[600], message[1500], keyid[PLUMB_KEYID_TEXT_BYTES];
    const char *path = two_of_three(f, "bound.json");
    const plumb_trust_addition one = new_key(f->vendor, "one"), two = new_key(f->other, "two");
    snprintf(next, sizeof next, "%s.next", path);
    snprintf(aside, sizeof aside, "%s.aside", path);
    plumb_trust_change c = change_by(0, 1);
    assert_works(plumb_trust_extend(path, &c, &one, err));
    c = change_by(5, 1);
    plumb_public_key_id(&r.public_key[5], keyid);
    snprintf(message, sizeof message, "%s: %s is not one of its root keys", next, keyid);
    assert_fails(plumb_trust_sign(next, &c, err), PLUMB_ERR_TRUST, message);
    /* Another change comes first: what waits was made from a store that is gone. */
    assert_int_equal(rename(next, aside), 0);
    c = change_by(0, 2);
    assert_works(plumb_trust_extend(path, &c, &two, err));
    assert_int_equal(rename(aside, next), 0);
    c = change_by(1, 1);
    snprintf(message, sizeof message,
             "%s: was made from another store than %s, which is version 2 now; remove it and make "
             "the change again",
             next, path);
    assert_fails(plumb_trust_sign(next, &c, err), PLUMB_ERR_STATE, message);
    snprintf(message, sizeof message, "%s: a store that waits for signatures is named STORE.next",
             path);
    assert_fails(plumb_trust_sign(path, &c, err), PLUMB_ERR_ARGUMENT, message);
    /* Far from the store, the keeper of the missing root completes it all the same. */
    assert_int_equal(unlink(path), 0);
    assert_works(plumb_trust_sign(next, &c, err));
    plumb_trust *trust = open_trust(f, "bound.json");
    assert_string_equal(plumb_trust_key_at(trust, 0)->name, "one");
    plumb_trust_free(trust);
}

static void revokes_once(void **state)
{
    const fixture *f = *state;
    char message[700];
    const char *path = two_of_three(f, "revoke.json");
    const plumb_trust_addition one = new_key(f->vendor, "one");
    plumb_trust_change c = change_by(0, 2);
    assert_works(plumb_trust_extend(path, &c, &one, err));
    snprintf(message, sizeof message, "%s: vendor acme has no key two; its keys are one", path);
    assert_fails(plumb_trust_revoke(path, &c, "acme", "two", "retired", 0, err),
                 PLUMB_ERR_NOT_FOUND, message);
    assert_fails(plumb_trust_revoke(path, &c, "acme", "one", "lost", 0, err), PLUMB_ERR_ARGUMENT,
                 "a key is revoked as \"retired\" or \"compromised\", not as \"lost\"");
    assert_works(plumb_trust_revoke(path, &c, "acme", "one", "retired", 86400, err));
    snprintf(message, sizeof message,
             "%s: key one of vendor acme was revoked at 1970-01-02T00:00:00Z (retired)", path);
    assert_fails(plumb_trust_revoke(path, &c, "acme", "one", "retired", 172800, err),
                 PLUMB_ERR_STATE, message);
    /* Worse may come to light later; then it stays so. */
    assert_works(plumb_trust_revoke(path, &c, "acme", "one", "compromised", 3600, err));
    snprintf(message, sizeof message,
             "%s: key one of vendor acme was revoked at 1970-01-01T01:00:00Z (compromised)", path);
    assert_fails(plumb_trust_revoke(path, &c, "acme", "one", "retired", 0, err), PLUMB_ERR_STATE,
                 message);
    plumb_trust *trust = open_trust(f, "revoke.json");
    assert_int_equal(plumb_trust_key_at(trust, 0)->revoked_at, 3600);
    assert_string_equal(plumb_trust_key_at(trust, 0)->revoked_reason, "compromised");
    assert_int_equal(plumb_trust_version(trust), 4);
    plumb_trust_free(trust);
}

static void warns_of_thresholds(void **state)
{
    const fixture *f = *state;
    char warning[512];
    const char *path = two_of_three(f, "warn.json");
    plumb_trust_addition one = new_key(f->vendor, "one"), two = new_key(f->other, "two");
    plumb_trust_change c = change_by(0, 2);
    one.threshold = 2;
    assert_works(plumb_trust_extend(path, &c, &one, err));
    plumb_trust *trust = open_trust(f, "warn.json");
    assert_true(plumb_trust_warning(trust, 0, warning, sizeof warning));
    assert_string_equal(warning, "vendor acme: 2 keys must sign as quality-attestation, but only 1 "
                                 "that are not revoked can: nothing of this vendor will be "
                                 "accepted in that role");
    assert_false(plumb_trust_warning(trust, 1, warning, sizeof warning));
    plumb_trust_free(trust);
    assert_works(plumb_trust_extend(path, &c, &two, err));
    trust = open_trust(f, "warn.json");
    assert_false(plumb_trust_warning(trust, 0, warning, sizeof warning));
    plumb_trust_free(trust);
    assert_works(plumb_trust_revoke(path, &c, "acme", "two", "retired", 86400, err));
    trust = open_trust(f, "warn.json");
    assert_true(plumb_trust_warning(trust, 0, warning, sizeof warning));
    plumb_trust_free(trust);
}

static void renews(void **state)
{
    const fixture *f = *state;
    const char *path = two_of_three(f, "renew.json");
    plumb_trust_change c = change_by(0, 2);
    assert_works(plumb_trust_renew(path, &c, 4102444800, err));
    plumb_trust *trust = open_trust(f, "renew.json");
    assert_int_equal(plumb_trust_expires(trust), 4102444800);
    plumb_trust_free(trust);
    assert_works(plumb_trust_renew(path, &c, 0, err));
    trust = open_trust(f, "renew.json");
    assert_int_equal(plumb_trust_expires(trust), 0);
    assert_int_equal(plumb_trust_version(trust), 3);
    plumb_trust_free(trust);
}

/* ---- rotation ---- */

/* Versions 1 and 2 under roots 0 to 2, 3 under 2 to 4, 4 and 5 as well, 6 under 5 alone. */
static const char *rotated(const fixture *f, const char *name, char first[80])
{
    const char *path = two_of_three(f, name);
    const plumb_trust_addition one = new_key(f->vendor, "one"), two = new_key(f->other, "two");
    plumb_trust_change c = change_by(0, 2);
    assert_works(plumb_trust_extend(path, &c, &one, err));
    plumb_trust *trust = open_trust(f, name);
    snprintf(first, 80, "%s", plumb_trust_root_fingerprint(trust));
    plumb_trust_free(trust);
    const plumb_trust_roots next = roots_from(2, 3, 2);
    c = change_by(1, 3); /* 1 and 2 are old, 2 and 3 are new: both thresholds */
    assert_works(plumb_trust_rotate(path, &c, &next, err));
    assert_false(c.pending);
    assert_int_equal(lines_of(path), 2);
    c = change_by(3, 2);
    assert_works(plumb_trust_extend(path, &c, &two, err));
    assert_int_equal(lines_of(path), 3);
    assert_works(plumb_trust_renew(path, &c, 4102444800, err));
    assert_int_equal(lines_of(path), 3);
    const plumb_trust_roots last = roots_from(5, 1, 1);
    c = change_by(3, 3);
    assert_works(plumb_trust_rotate(path, &c, &last, err));
    assert_int_equal(lines_of(path), 4);
    return path;
}

static void rotates(void **state)
{
    const fixture *f = *state;
    char first[80];
    const char *path = rotated(f, "rotated.json", first);
    plumb_trust *trust = open_trust(f, "rotated.json");
    assert_int_equal(plumb_trust_version(trust), 6);
    assert_int_equal(plumb_trust_rotations(trust), 2);
    assert_int_equal(plumb_trust_key_count(trust), 2);
    assert_string_equal(plumb_trust_root_fingerprint(trust), first);
    assert_string_not_equal(plumb_trust_current_fingerprint(trust), first);
    plumb_trust_free(trust);
    char keyid[PLUMB_KEYID_TEXT_BYTES], message[700];
    plumb_trust_change c = change_by(0, 2); /* the first roots have no say any more */
    plumb_public_key_id(&r.public_key[0], keyid);
    snprintf(message, sizeof message, "%s: %s is not one of its root keys", path, keyid);
    assert_fails(plumb_trust_renew(path, &c, 0, err), PLUMB_ERR_TRUST, message);
    const plumb_trust_roots same = roots_from(5, 1, 1);
    c = change_by(5, 1);
    snprintf(message, sizeof message, "%s: these are its roots already", path);
    assert_fails(plumb_trust_rotate(path, &c, &same, err), PLUMB_ERR_ARGUMENT, message);
}

/* Old and new roots kept apart: either threshold alone leaves it waiting. */
static void rotation_waits_for_both(void **state)
{
    const fixture *f = *state;
    char next[600], message[900];
    const char *path = two_of_three(f, "both.json");
    const plumb_trust_roots to = roots_from(3, 2, 2);
    plumb_trust *trust = NULL;
    snprintf(next, sizeof next, "%s.next", path);
    plumb_trust_change c = change_by(3, 2); /* the new ones alone */
    assert_works(plumb_trust_rotate(path, &c, &to, err));
    assert_true(c.pending);
    assert_int_equal(c.missing, 2);
    snprintf(message, sizeof message,
             "%s: version 2 has other roots than version 1 and is signed by 0 of that one's, whose "
             "threshold is 2",
             next);
    assert_fails(plumb_trust_open(next, &trust, err), PLUMB_ERR_TRUST, message);
    c = change_by(0, 1);
    assert_works(plumb_trust_sign(next, &c, err));
    assert_true(c.pending);
    assert_int_equal(c.missing, 1);
    c = change_by(2, 1);
    assert_works(plumb_trust_sign(next, &c, err));
    assert_false(c.pending);
    trust = open_trust(f, "both.json");
    assert_int_equal(plumb_trust_rotations(trust), 1);
    plumb_trust_free(trust);
}

/* ---- the file of a rotated store ---- */

static plumb_status parse_lines(const plumb__bytes *text, const char *which, plumb_error *err)
{
    plumb__bytes out = {0};
    plumb_trust *trust = NULL;
    for (const char *c = which; *c != '\0'; c++) {
        size_t from = 0;
        for (int skip = *c - '0'; skip > 0; from++) {
            skip -= text->data[from] == '\n';
        }
        const uint8_t *end = memchr(text->data + from, '\n', text->size - from);
        plumb__bytes_append(&out, text->data + from, (size_t)(end - (text->data + from)) + 1);
    }
    const plumb_status status = plumb_trust_parse("t", out.data, out.size, &trust, err);
    plumb_trust_free(trust);
    plumb__bytes_free(&out);
    return status;
}

static void lines_prove_the_roots(void **state)
{
    const fixture *f = *state;
    char first[80];
    plumb__bytes text;
    read_bytes(rotated(f, "lines.json", first), &text);
    static const struct {
        const char *lines; /* versions 2, 3, 5 and 6 are lines 0 to 3 */
        plumb_status status;
        const char *message;
    } cases[] = {
        {"0123", PLUMB_OK, ""},
        {"0", PLUMB_OK, ""},
        {"01", PLUMB_OK, ""},
        {"2", PLUMB_OK, ""}, /* a store of its own, of other first roots */
        {"23", PLUMB_OK, ""},
        {"023", PLUMB_ERR_FORMAT, "t: version 5 cannot follow version 2 in one file"},
        {"20", PLUMB_ERR_FORMAT, "t: version 2 cannot follow version 5 in one file"},
        {"00", PLUMB_ERR_FORMAT, "t: version 2 cannot follow version 2 in one file"},
        /* Old roots have signed a rotation: without the line before, they are strangers. */
        {"1", PLUMB_ERR_SIGNATURE,
         "t: signature 1 is by none of its root keys, or the store was changed after signing"},
        {"13", PLUMB_ERR_SIGNATURE,
         "t: signature 1 is by none of its root keys, or the store was changed after signing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plumb_error why = {0};
        const plumb_status status = parse_lines(&text, cases[i].lines, &why);
        assert_string_equal(why.message, cases[i].message);
        assert_int_equal(status, cases[i].status);
    }
    plumb_trust *trust = NULL;
    for (size_t i = 0; i < text.size; i += 7) {
        text.data[i] ^= (uint8_t)(1u << i % 8);
        if (plumb_trust_parse("t", text.data, text.size, &trust, NULL) == PLUMB_OK) {
            fail_msg("byte %zu is not looked at", i);
        }
        text.data[i] ^= (uint8_t)(1u << i % 8);
    }
    plumb__bytes_free(&text);
}

/* Somebody with the old roots only forges a rotation to roots of his own: other content under the
 * same version does not fit the line before it, and without the old threshold nothing does. */
static void a_rotation_must_follow(void **state)
{
    const fixture *f = *state;
    const char *path = two_of_three(f, "true.json");
    plumb__bytes base, other;
    read_bytes(path, &base);
    const plumb_trust_addition one = new_key(f->vendor, "one");
    const plumb_trust_roots to = roots_from(3, 1, 1);
    plumb_trust_change c = change_by(0, 2);
    assert_works(plumb_trust_extend(path, &c, &one, err)); /* version 2 */
    plumb_trust *trust = NULL;
    read_bytes(path, &other);
    plumb__bytes both = {0};
    plumb__bytes_append(&both, base.data, base.size);
    plumb__bytes_append(&both, other.data, other.size);
    assert_fails(plumb_trust_parse("t", both.data, both.size, &trust, err), PLUMB_ERR_FORMAT,
                 "t: the line of version 1 is not needed to prove its roots");
    plumb__bytes_free(&both);
    plumb__bytes_free(&other);
    c = change_by(0, 4);
    assert_works(plumb_trust_rotate(path, &c, &to, err)); /* version 3 */
    read_bytes(path, &other);
    const uint8_t *lf = memchr(other.data, '\n', other.size);
    plumb__bytes_append(&base, lf + 1, other.size - (size_t)(lf + 1 - other.data));
    assert_fails(plumb_trust_parse("t", base.data, base.size, &trust, err), PLUMB_ERR_FORMAT,
                 "t: version 3 cannot follow version 1 in one file");
    const char *again = two_of_three(f, "again.json"); /* another version 1 … */
    c = change_by(0, 2);
    assert_works(plumb_trust_renew(again, &c, 4102444800, err)); /* … and another version 2 */
    plumb__bytes_free(&base);
    read_bytes(again, &base);
    plumb__bytes_append(&base, lf + 1, other.size - (size_t)(lf + 1 - other.data));
    assert_fails(plumb_trust_parse("t", base.data, base.size, &trust, err), PLUMB_ERR_DIGEST,
                 "t: version 3 replaces another version 2 than the one before it");
    plumb__bytes_free(&base);
    plumb__bytes_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_signers),
        cmocka_unit_test(waits_for_signatures),
        cmocka_unit_test(pending_is_bound_to_its_store),
        cmocka_unit_test(revokes_once),
        cmocka_unit_test(warns_of_thresholds),
        cmocka_unit_test(renews),
        cmocka_unit_test(rotates),
        cmocka_unit_test(rotation_waits_for_both),
        cmocka_unit_test(lines_prove_the_roots),
        cmocka_unit_test(a_rotation_must_follow),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
