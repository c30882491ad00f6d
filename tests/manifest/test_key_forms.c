/* Aim: a file that is no key says what it is instead; a secret key is opened only where it is its
 * owner's; minisign's public keys can be used; without memory that is what is said. Method: every
 * mistake a person makes with a key file, by its exact message and status; the minisign program
 * where it is installed, a key known from it where not; every allocation made to fail in turn. */
#include "manifest_fixture.h"

#include "base/alloc.h"
#include "base/text.h"
#include "manifest/signing/key_file.h"
#include "manifest/signing/pem.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN "-----BEGIN PUBLIC KEY-----\n"
#define END "\n-----END PUBLIC KEY-----\n"
#define BODY "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" /* RFC 8032, 1 */
#define RFC8032_1 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

static void make_key(const fixture *f, const char *name)
{
    assert_works(plumb__key_create(fixture_path(f, name), "open sesame", 11, 1,
                                   crypto_pwhash_MEMLIMIT_MIN, err));
}

/* ---- public keys ---- */

static void assert_public(const fixture *f, const char *text, plumb_status status,
                          const char *expected)
{
    plumb_public_key key;
    char message[900];
    const char *path = fixture_path(f, "form.pub");
    write_text(path, text);
    if (status == PLUMB_OK) {
        assert_works(plumb_public_key_read(path, &key, err));
        return;
    }
    snprintf(message, sizeof message, "%s: %s", path, expected);
    assert_fails(plumb_public_key_read(path, &key, err), status, message);
}

static void forms_of_a_public_key(void **state)
{
    const fixture *f = *state;
    static const struct {
        const char *text;
        plumb_status status;
        const char *message;
    } cases[] = {
        {BEGIN BODY END, PLUMB_OK, NULL},
        {BEGIN BODY "\n-----END PUBLIC KEY-----", PLUMB_OK, NULL},
        {BEGIN BODY END "\n", PLUMB_ERR_FORMAT, "has 2 bytes behind -----END PUBLIC KEY-----"},
        {BEGIN BODY END BEGIN BODY END, PLUMB_ERR_FORMAT,
         "has 114 bytes behind -----END PUBLIC KEY-----"},
        {"-----BEGIN PUBLIC KEY-----\r\n" BODY "\r\n-----END PUBLIC KEY-----\r\n", PLUMB_ERR_FORMAT,
         "has CR line ends; PEM is read with LF alone"},
        {"-----BEGIN CERTIFICATE-----\n" BODY END, PLUMB_ERR_FORMAT,
         "is not a public key in PEM: line 1 must be -----BEGIN PUBLIC KEY-----"},
        {"", PLUMB_ERR_FORMAT,
         "is not a public key in PEM: line 1 must be -----BEGIN PUBLIC KEY-----"},
        {" " BEGIN BODY END, PLUMB_ERR_FORMAT,
         "is not a public key in PEM: line 1 must be -----BEGIN PUBLIC KEY-----"},
        {BEGIN "AAAA" END, PLUMB_ERR_FORMAT,
         "line 2 must be an Ed25519 public key, 60 characters of base64 (RFC 8410)"},
        /* X25519 (its object identifier ends in 110) is not Ed25519. */
        {BEGIN "MCowBQYDK2VuAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" END, PLUMB_ERR_FORMAT,
         "line 2 must be an Ed25519 public key, 60 characters of base64 (RFC 8410)"},
        /* The last character's unused bits are not zero: a second form of the same key. */
        {BEGIN "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURp=" END, PLUMB_ERR_FORMAT,
         "line 2 must be an Ed25519 public key, 60 characters of base64 (RFC 8410)"},
        {BEGIN "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQH\nOg7hcvPapiMlrwIaaPcHURo=" END,
         PLUMB_ERR_FORMAT,
         "line 2 must be an Ed25519 public key, 60 characters of base64 (RFC 8410)"},
        {BEGIN BODY "\n-----END CERTIFICATE-----\n", PLUMB_ERR_FORMAT,
         "line 3 must be -----END PUBLIC KEY-----"},
        {BEGIN BODY "\n", PLUMB_ERR_FORMAT, "line 3 must be -----END PUBLIC KEY-----"},
        {BEGIN "MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" END, PLUMB_ERR_KEY,
         "its key is not a point of prime order"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n", PLUMB_ERR_KEY,
         "is a secret key; give the public one"},
        {"untrusted comment: minisign public key 1\nRWQ…\n", PLUMB_ERR_FORMAT,
         "is a key of minisign; plumb key import makes a NAME.pub of it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_public(f, cases[i].text, cases[i].status, cases[i].message);
    }
    plumb_public_key key;
    char large[5000], message[700];
    memset(large, 'A', sizeof large);
    large[sizeof large - 1] = '\0';
    write_text(fixture_path(f, "form.pub"), large);
    snprintf(message, sizeof message, "%s/form.pub is too large: at most 4096 bytes are read here",
             f->dir);
    assert_fails(plumb_public_key_read(fixture_path(f, "form.pub"), &key, err), PLUMB_ERR_LIMIT,
                 message);
    for (size_t n = 0; n < sizeof(BEGIN BODY END) - 2; n++) {
        write_bytes(fixture_path(f, "form.pub"), BEGIN BODY END, n);
        assert_int_not_equal(plumb_public_key_read(fixture_path(f, "form.pub"), &key, NULL),
                             PLUMB_OK);
    }
}

/* ---- where a key may lie ---- */

static void links_and_modes(void **state)
{
    const fixture *f = *state;
    char message[900], key_path[400], link_path[400];
    plumb_secret_key *key = NULL;
    plumb_public_key public_key, through_link;
    make_key(f, "guarded");
    snprintf(key_path, sizeof key_path, "%s/guarded.key", f->dir);
    snprintf(link_path, sizeof link_path, "%s/link.key", f->dir);
    assert_int_equal(symlink("guarded.key", link_path), 0);
    snprintf(message, sizeof message,
             "%s: is a symbolic link; a secret key is opened by its own name only", link_path);
    assert_fails(plumb_key_open(link_path, "open sesame", 11, &key, err), PLUMB_ERR_KEY, message);
    static const mode_t bad[] = {0640, 0604, 0620, 0601};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(chmod(key_path, bad[i]), 0);
        snprintf(message, sizeof message,
                 "%s: is open to others (mode %04o); chmod 600 it, and think about who may have "
                 "read it",
                 key_path, (unsigned)bad[i]);
        assert_fails(plumb_key_open(key_path, "open sesame", 11, &key, err), PLUMB_ERR_KEY,
                     message);
    }
    assert_int_equal(chmod(key_path, 0400), 0);
    assert_works(plumb_key_open(key_path, "open sesame", 11, &key, err));
    plumb_key_free(key);
    /* Public halves are for everybody, and follow links. */
    assert_int_equal(chmod(key_path, 0644), 0);
    assert_works(plumb_key_file_public(link_path, &public_key, err));
    assert_int_equal(symlink("guarded.pub", fixture_path(f, "link.pub")), 0);
    assert_works(plumb_public_key_read(fixture_path(f, "link.pub"), &through_link, err));
    assert_memory_equal(&public_key, &through_link, 32);
}

/* ---- minisign ---- */

static void minisign_keys(void **state)
{
    const fixture *f = *state;
    uint8_t body[42] = {'E', 'd', 1, 2, 3, 4, 5, 6, 7, 8};
    char line[100], message[700], pub[400];
    plumb_public_key key, again;
    plumb__bytes text = {0};
    const char *path = fixture_path(f, "minisign.pub");
    decode_hex(RFC8032_1, body + 10, 32);
    sodium_bin2base64(line, sizeof line, body, sizeof body, sodium_base64_VARIANT_ORIGINAL);
    plumb__bytes_appendf(&text, "untrusted comment: minisign public key 0807060504030201\n%s\n",
                         line);
    write_bytes(path, text.data, text.size);
    assert_works(plumb_public_key_import_minisign(path, &key, err));
    assert_memory_equal(key.bytes, body + 10, 32);
    write_text(path, line); /* as it is given on a command line */
    assert_works(plumb_public_key_import_minisign(path, &key, err));
    snprintf(pub, sizeof pub, "%s/imported.pub", f->dir);
    assert_works(plumb_public_key_save(pub, &key, err));
    assert_works(plumb_public_key_read(pub, &again, err));
    assert_memory_equal(&key, &again, 32);
    snprintf(message, sizeof message, "%s exists already and is not overwritten", pub);
    assert_fails(plumb_public_key_save(pub, &key, err), PLUMB_ERR_EXISTS, message);

    snprintf(message, sizeof message,
             "%s: is not a minisign public key: a comment line, then 56 characters of base64",
             path);
    static const char *const bad[] = {"", "\n", "untrusted comment: only\n", BEGIN BODY END};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(path, bad[i]);
        assert_fails(plumb_public_key_import_minisign(path, &key, err), PLUMB_ERR_FORMAT, message);
    }
    plumb__bytes_append_text(&text, "\n");
    write_bytes(path, text.data, text.size);
    assert_fails(plumb_public_key_import_minisign(path, &key, err), PLUMB_ERR_FORMAT, message);
    body[1] = 'D';
    sodium_bin2base64(line, sizeof line, body, sizeof body, sodium_base64_VARIANT_ORIGINAL);
    write_text(path, line);
    snprintf(message, sizeof message,
             "%s: is a minisign file of another kind than an Ed25519 public key", path);
    assert_fails(plumb_public_key_import_minisign(path, &key, err), PLUMB_ERR_FORMAT, message);
    body[1] = 'd';
    memset(body + 10, 0, 32);
    sodium_bin2base64(line, sizeof line, body, sizeof body, sodium_base64_VARIANT_ORIGINAL);
    write_text(path, line);
    snprintf(message, sizeof message, "%s: its key is not a point of prime order", path);
    assert_fails(plumb_public_key_import_minisign(path, &key, err), PLUMB_ERR_KEY, message);
    plumb__bytes_free(&text);
}

/* minisign makes a key and signs; our reader takes the key, and it is the one that signed. */
static void minisign_agrees(void **state)
{
    const fixture *f = *state;
    plumb_public_key key;
    plumb__bytes file;
    uint8_t body[74];
    size_t n = 0;
    if (system("minisign -v >/dev/null 2>&1") != 0) {
        print_message("SKIP: minisign is not installed, so only keys known from it are read\n");
        skip();
    }
    assert_int_equal(setenv("D", f->dir, 1), 0);
    write_text(fixture_path(f, "message"), "across programs");
    assert_int_equal(system("cd \"$D\" && minisign -G -W -p m.pub -s m.key >/dev/null 2>&1 && "
                            "minisign -S -l -s m.key -m message -x message.sig >/dev/null 2>&1 "
                            "</dev/null"),
                     0);
    assert_works(plumb_public_key_import_minisign(fixture_path(f, "m.pub"), &key, err));
    read_bytes(fixture_path(f, "message.sig"), &file);
    const char *line = strchr(plumb__bytes_text(&file), '\n') + 1;
    assert_int_equal(sodium_base642bin(body, sizeof body, line, strcspn(line, "\n"), NULL, &n, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    assert_int_equal(n, 74); /* "Ed", key number, signature of the bytes themselves (-l) */
    assert_works(plumb_signature_verify(&key, "across programs", 15, body + 10, 64, err));
    plumb__bytes_free(&file);
}

/* ---- without memory ---- */

/* Each allocation fails in its turn; what comes out is that, never "wrong key". */
static void without_memory(void **state)
{
    const fixture *f = *state;
    char key_path[400], pub_path[400], store_path[400];
    plumb_secret_key *key = NULL;
    plumb_public_key public_key;
    plumb_trust *trust = NULL;
    make_key(f, "poor");
    snprintf(key_path, sizeof key_path, "%s/poor.key", f->dir);
    snprintf(pub_path, sizeof pub_path, "%s/poor.pub", f->dir);
    snprintf(store_path, sizeof store_path, "%s/trust.json", f->dir);
    for (int what = 0; what < 3; what++) {
        plumb_status status = PLUMB_ERR_NO_MEMORY;
        for (long n = 1; status != PLUMB_OK; n++) {
            assert_true(n < 1000);
            plumb__alloc_fail_after(n);
            status = what == 0   ? plumb_key_open(key_path, "open sesame", 11, &key, NULL)
                     : what == 1 ? plumb_public_key_read(pub_path, &public_key, NULL)
                                 : plumb_trust_open(store_path, &trust, NULL);
            plumb__alloc_fail_after(0);
            if (status != PLUMB_OK) assert_int_equal(status, PLUMB_ERR_NO_MEMORY);
        }
    }
    plumb_key_free(key);
    plumb_trust_free(trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_a_public_key), cmocka_unit_test(links_and_modes),
        cmocka_unit_test(minisign_keys),         cmocka_unit_test(minisign_agrees),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
