/* NAME.key and NAME.pub on disk. The file is armour around
 *   magic 8 | version u32 | kdf u32 | passes u64 | memory u64 | salt 16 | nonce 24 | public key 32
 * | encrypted seed 32 | tag 16 little-endian; everything before the encrypted seed is the header,
 * which the tag covers. */
#include "manifest/signing/key_file.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "manifest/signing/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_CAP 4096
#define KEY_VERSION 1
#define KEY_KDF_ARGON2ID13 1
#define HEADER_BYTES 104
#define SEALED_BYTES (32 + crypto_aead_xchacha20poly1305_ietf_ABYTES)
#define ARMOUR_COLUMNS 64
#define PASSPHRASE_CAP 4096

static const char key_magic[8] = {'P', 'L', 'U', 'M', 'B', 'K', 'E', 'Y'};
static const char armour_begin[] = "-----BEGIN PLUMB SECRET KEY-----\n";
static const char armour_end[] = "-----END PLUMB SECRET KEY-----\n";

typedef struct key_header {
    uint64_t passes, memory_bytes;
    uint8_t salt[crypto_pwhash_SALTBYTES];
    uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
    plumb_public_key public_key;
} key_header;

static void header_encode(const key_header *h, uint8_t out[HEADER_BYTES])
{
    memcpy(out, key_magic, 8);
    plumb__store_u32(out + 8, KEY_VERSION);
    plumb__store_u32(out + 12, KEY_KDF_ARGON2ID13);
    plumb__store_u64(out + 16, h->passes);
    plumb__store_u64(out + 24, h->memory_bytes);
    memcpy(out + 32, h->salt, sizeof h->salt);
    memcpy(out + 48, h->nonce, sizeof h->nonce);
    memcpy(out + 72, h->public_key.bytes, PLUMB_PUBLIC_KEY_BYTES);
}

/* Costs are checked before anything is computed: a hostile file must not cost a gigabyte. */
static plumb_status header_decode(const char *path, const uint8_t in[HEADER_BYTES], key_header *h,
                                  plumb_error *err)
{
    const uint32_t version = plumb__load_u32(in + 8), kdf = plumb__load_u32(in + 12);
    if (memcmp(in, key_magic, 8) != 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: is not a Plumbline secret key", path);
    }
    if (version != KEY_VERSION || kdf != KEY_KDF_ARGON2ID13) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: key format %" PRIu32 " with derivation %" PRIu32
                           " is not known to this version",
                           path, version, kdf);
    }
    h->passes = plumb__load_u64(in + 16);
    h->memory_bytes = plumb__load_u64(in + 24);
    memcpy(h->salt, in + 32, sizeof h->salt);
    memcpy(h->nonce, in + 48, sizeof h->nonce);
    memcpy(h->public_key.bytes, in + 72, PLUMB_PUBLIC_KEY_BYTES);
    if (h->passes < crypto_pwhash_OPSLIMIT_MIN || h->passes > PLUMB__KEY_MAX_PASSES ||
        h->memory_bytes < crypto_pwhash_MEMLIMIT_MIN ||
        h->memory_bytes > PLUMB__KEY_MAX_MEMORY_BYTES) {
        return plumb__fail(err, PLUMB_ERR_KEY,
                           "%s: opening it would take %" PRIu64 " passes over %" PRIu64
                           " bytes; at most %d passes over %" PRIu64 " bytes are allowed",
                           path, h->passes, h->memory_bytes, PLUMB__KEY_MAX_PASSES,
                           PLUMB__KEY_MAX_MEMORY_BYTES);
    }
    if (!plumb__public_key_valid(&h->public_key)) {
        return plumb__fail(err, PLUMB_ERR_KEY, "%s: its public key is not a point of prime order",
                           path);
    }
    return PLUMB_OK;
}

static void armour(const uint8_t *blob, size_t n, plumb__bytes *out)
{
    plumb__bytes body = {0};
    plumb__base64_append(&body, blob, n);
    plumb__bytes_append_text(out, armour_begin);
    for (size_t at = 0; at < body.size; at += ARMOUR_COLUMNS) {
        const size_t left = body.size - at;
        plumb__bytes_append(out, body.data + at, left < ARMOUR_COLUMNS ? left : ARMOUR_COLUMNS);
        plumb__bytes_append_text(out, "\n");
    }
    plumb__bytes_append_text(out, armour_end);
    out->failed = out->failed || body.failed;
    plumb__bytes_free(&body);
}

/* The armour has one form; whatever does not come out the same again is refused. */
static plumb_status unarmour(const char *path, const plumb__bytes *text,
                             uint8_t blob[HEADER_BYTES + SEALED_BYTES], plumb_error *err)
{
    char body[KEY_FILE_CAP];
    const size_t begin = sizeof armour_begin - 1, end = sizeof armour_end - 1;
    size_t n = 0, got = 0;
    plumb__bytes again = {0};
    for (size_t i = begin; text->size > begin + end && i < text->size - end; i++) {
        if (text->data[i] != '\n') body[n++] = (char)text->data[i];
    }
    if (sodium_base642bin(blob, HEADER_BYTES + SEALED_BYTES, body, n, NULL, &got, NULL,
                          sodium_base64_VARIANT_ORIGINAL) == 0 &&
        got == HEADER_BYTES + SEALED_BYTES) {
        armour(blob, got, &again);
    }
    plumb_status status = plumb__bytes_check(&again, err);
    if (status == PLUMB_OK && (again.size == 0 || again.size != text->size ||
                               memcmp(again.data, text->data, again.size) != 0)) {
        status = plumb__fail(err, PLUMB_ERR_FORMAT,
                             "%s: is not a Plumbline secret key, or is damaged", path);
    }
    plumb__bytes_free(&again);
    return status;
}

/* A secret, even an encrypted one, is its owner's alone; and what a link leads to may be changed by
 * whoever owns the link. */
static plumb_status check_private(const char *path, plumb_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0) return plumb__fail_errno(err, "cannot open %s", path);
    if (S_ISLNK(st.st_mode)) {
        return plumb__fail(err, PLUMB_ERR_KEY,
                           "%s: is a symbolic link; a secret key is opened by its own name only",
                           path);
    }
    if ((st.st_mode & 077) == 0 || !S_ISREG(st.st_mode)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_KEY,
                       "%s: is open to others (mode %04o); chmod 600 it, and think about who may "
                       "have read it",
                       path, (unsigned)(st.st_mode & 07777));
}

/* NAME.pub in place of NAME.key: before its mode or form is complained of. */
static plumb_status check_not_public(const char *path, plumb_error *err)
{
    plumb_public_key key;
    const size_t n = strlen(path);
    const bool pub = n > 4 && strcmp(path + n - 4, ".pub") == 0;
    if (plumb_public_key_read(path, &key, NULL) != PLUMB_OK) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_KEY, "%s: is a public key; give the secret one, %.*s.key",
                       path, pub ? (int)n - 4 : 4, pub ? path : "NAME");
}

/* `secret`: it will be opened; its public header alone may be read by whoever can. */
static plumb_status key_file_read(const char *path, bool secret,
                                  uint8_t blob[HEADER_BYTES + SEALED_BYTES], key_header *header,
                                  plumb_error *err)
{
    plumb__bytes text = {0};
    PLUMB_TRY(plumb__crypto_init(err));
    if (secret) PLUMB_TRY(check_not_public(path, err));
    if (secret) PLUMB_TRY(check_private(path, err));
    plumb_status status = secret ? plumb__file_read_nofollow(path, KEY_FILE_CAP, &text, err)
                                 : plumb__file_read(path, KEY_FILE_CAP, &text, err);
    if (status == PLUMB_OK) status = unarmour(path, &text, blob, err);
    if (status == PLUMB_OK) status = header_decode(path, blob, header, err);
    plumb__bytes_free(&text);
    return status;
}

static plumb_status derive(const key_header *h, const void *passphrase, size_t n, uint8_t **out,
                           plumb_error *err)
{
    const size_t size = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
    *out = sodium_malloc(size);
    if (*out == NULL) {
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no locked memory for a derived key");
    }
    if (crypto_pwhash(*out, size, passphrase, n, h->salt, h->passes, (size_t)h->memory_bytes,
                      crypto_pwhash_ALG_ARGON2ID13) != 0) {
        sodium_free(*out);
        *out = NULL;
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY,
                           "deriving a key from the passphrase needs %" PRIu64
                           " bytes of memory, which are not free",
                           h->memory_bytes);
    }
    return PLUMB_OK;
}

static plumb_status seal_key(const plumb_secret_key *key, const void *passphrase, size_t n,
                             uint64_t passes, uint64_t memory_bytes, plumb__bytes *out,
                             plumb_error *err)
{
    uint8_t blob[HEADER_BYTES + SEALED_BYTES], *derived = NULL;
    key_header h = {.passes = passes, .memory_bytes = memory_bytes};
    plumb_key_public(key, &h.public_key);
    randombytes_buf(h.salt, sizeof h.salt);
    randombytes_buf(h.nonce, sizeof h.nonce);
    header_encode(&h, blob);
    PLUMB_TRY(derive(&h, passphrase, n, &derived, err));
    crypto_aead_xchacha20poly1305_ietf_encrypt(blob + HEADER_BYTES, NULL, plumb__key_seed(key), 32,
                                               blob, HEADER_BYTES, NULL, h.nonce, derived);
    sodium_free(derived);
    armour(blob, sizeof blob, out);
    return plumb__bytes_check(out, err);
}

static plumb_status name_paths(const char *name, char *key_path, char *pub_path, plumb_error *err)
{
    const size_t n = strlen(name);
    if (n == 0 || n + 5 > PLUMB__PATH_BYTES) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a key's name must have 1 to %d characters",
                           PLUMB__PATH_BYTES - 5);
    }
    stpcpy(stpcpy(key_path, name), ".key");
    stpcpy(stpcpy(pub_path, name), ".pub");
    return PLUMB_OK;
}

plumb_status plumb__key_create(const char *name, const void *passphrase, size_t n, uint64_t passes,
                               uint64_t memory_bytes, plumb_error *err)
{
    char key_path[PLUMB__PATH_BYTES], pub_path[PLUMB__PATH_BYTES], pem[160];
    plumb_secret_key *key = NULL;
    plumb_public_key public_key;
    plumb__bytes text = {0};
    plumb_status status;
    PLUMB_TRY(name_paths(name, key_path, pub_path, err));
    if (n == 0) return plumb__fail(err, PLUMB_ERR_KEY, "the passphrase is empty");
    for (int i = 0; i < 2; i++) {
        const char *path = i == 0 ? key_path : pub_path;
        if (plumb__path_exists(path)) {
            return plumb__fail(err, PLUMB_ERR_EXISTS,
                               "%s: exists already; a key is never overwritten", path);
        }
    }
    PLUMB_TRY_CLEAN(plumb_key_ephemeral(&key, err));
    plumb_key_public(key, &public_key);
    PLUMB_TRY_CLEAN(plumb_public_key_pem(&public_key, pem, sizeof pem, err));
    PLUMB_TRY_CLEAN(seal_key(key, passphrase, n, passes, memory_bytes, &text, err));
    PLUMB_TRY_CLEAN(plumb__file_create(key_path, text.data, text.size, 0600, err));
    status = plumb__file_create(pub_path, pem, strlen(pem), 0644, err);
    if (status != PLUMB_OK) (void)unlink(key_path); /* both or none */
cleanup:
    plumb__bytes_free(&text);
    plumb_key_free(key);
    return status;
}

plumb_status plumb_key_new(const char *name, const void *passphrase, size_t n, plumb_error *err)
{
    return plumb__key_create(name, passphrase, n, crypto_pwhash_OPSLIMIT_MODERATE,
                             crypto_pwhash_MEMLIMIT_MODERATE, err);
}

static plumb_status unseal_key(const char *path, const uint8_t *blob, const key_header *h,
                               const uint8_t *derived, plumb_secret_key **key, plumb_error *err)
{
    uint8_t *seed = sodium_malloc(32);
    if (seed == NULL) {
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no locked memory for a secret key");
    }
    plumb_status status = PLUMB_OK;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(seed, NULL, NULL, blob + HEADER_BYTES,
                                                   SEALED_BYTES, blob, HEADER_BYTES, h->nonce,
                                                   derived) != 0) {
        status = plumb__fail(err, PLUMB_ERR_KEY,
                             "%s: the passphrase is wrong, or the file was changed", path);
    }
    if (status == PLUMB_OK) status = plumb__key_from_seed(seed, key, err);
    sodium_free(seed);
    return status;
}

plumb_status plumb_key_open(const char *path, const void *passphrase, size_t n,
                            plumb_secret_key **key, plumb_error *err)
{
    uint8_t blob[HEADER_BYTES + SEALED_BYTES], *derived = NULL;
    key_header header;
    plumb_public_key public_key;
    *key = NULL;
    PLUMB_TRY(key_file_read(path, true, blob, &header, err));
    PLUMB_TRY(derive(&header, passphrase, n, &derived, err));
    const plumb_status status = unseal_key(path, blob, &header, derived, key, err);
    sodium_free(derived);
    if (status != PLUMB_OK) return status;
    plumb_key_public(*key, &public_key);
    if (memcmp(public_key.bytes, header.public_key.bytes, sizeof public_key.bytes) != 0) {
        plumb_key_free(*key);
        *key = NULL;
        return plumb__fail(err, PLUMB_ERR_KEY,
                           "%s: its public and secret halves do not belong "
                           "together",
                           path);
    }
    return PLUMB_OK;
}

plumb_status plumb_key_file_public(const char *path, plumb_public_key *out, plumb_error *err)
{
    uint8_t blob[HEADER_BYTES + SEALED_BYTES];
    key_header header;
    PLUMB_TRY(key_file_read(path, false, blob, &header, err));
    *out = header.public_key;
    return PLUMB_OK;
}

plumb_status plumb_public_key_read(const char *path, plumb_public_key *out, plumb_error *err)
{
    plumb__bytes text = {0};
    PLUMB_TRY(plumb__crypto_init(err));
    plumb_status status = plumb__file_read(path, KEY_FILE_CAP, &text, err);
    if (status == PLUMB_OK && text.size >= sizeof armour_begin - 1 &&
        memcmp(text.data, armour_begin, sizeof armour_begin - 1) == 0) {
        status = plumb__fail(err, PLUMB_ERR_KEY,
                             "%s: is a secret key; give the public one, NAME.pub", path);
    } else if (status == PLUMB_OK) {
        status = plumb__pem_public_read(path, (const char *)text.data, text.size, out, err);
    }
    plumb__bytes_free(&text);
    return status;
}

/* Up to the line's end, the end of the file, or the cap; the length or -1. Byte by byte: the bytes
 * are secret, so none may be left in a buffer, and a terminal or pipe keeps what follows the line.
 */
static ssize_t read_line(int fd, char *out, size_t cap)
{
    size_t size = 0;
    while (size < cap) {
        const ssize_t got = read(fd, out + size, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0 || out[size] == '\n') break;
        size++;
    }
    return (ssize_t)size;
}

plumb_status plumb_passphrase_line(int fd, char **text, size_t *n, plumb_error *err)
{
    *text = NULL;
    *n = 0;
    PLUMB_TRY(plumb__crypto_init(err));
    char *buffer = sodium_malloc(PASSPHRASE_CAP);
    if (buffer == NULL) {
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no locked memory for a passphrase");
    }
    const ssize_t got = read_line(fd, buffer, PASSPHRASE_CAP);
    if (got < 0) {
        const plumb_status status = plumb__fail_errno(err, "cannot read the passphrase");
        sodium_free(buffer);
        return status;
    }
    size_t size = (size_t)got;
    if (size > 0 && buffer[size - 1] == '\r') size--;
    if (size == 0 || size == PASSPHRASE_CAP) {
        sodium_free(buffer);
        return plumb__fail(err, PLUMB_ERR_KEY, "a passphrase must have 1 to %d bytes",
                           PASSPHRASE_CAP - 1);
    }
    buffer[size] = '\0';
    *text = buffer;
    *n = size;
    return PLUMB_OK;
}

/* Not plumb__file_read: the path may name a descriptor (/dev/fd/3). */
plumb_status plumb_passphrase_read(const char *path, char **text, size_t *n, plumb_error *err)
{
    *text = NULL;
    *n = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return plumb__fail_errno(err, "%s: cannot read the passphrase", path);
    plumb_status status = plumb_passphrase_line(fd, text, n, err);
    if (status != PLUMB_OK) status = plumb__error_prefix(err, status, "%s", path);
    close(fd);
    return status;
}
