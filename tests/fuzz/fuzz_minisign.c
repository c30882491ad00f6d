/* Public key files of minisign: what is imported is a point of prime order, and the very 32 bytes
 * that end its base64, behind "Ed" and a key number; the line of comment may be missing. */
#include "fuzz_kit.h"

#include "base/text.h"
#include "manifest/signing/pem.h"

#include <string.h>

enum { BLOB = 42, BASE64 = 56 };

static void check_bytes(const uint8_t *data, size_t n, const plumb_public_key *key)
{
    plumb__bytes blob = {0};
    static const char comment[] = "untrusted comment:";
    const size_t mark = sizeof comment - 1;
    const bool commented = n >= mark && memcmp(data, comment, mark) == 0;
    const uint8_t *end = commented ? memchr(data, '\n', n) : NULL;
    const size_t at = end != NULL ? (size_t)(end - data) + 1 : 0;
    fuzz_assert(n - at >= BASE64);
    fuzz_works(plumb__base64_decode((const char *)data + at, BASE64, &blob, err));
    fuzz_assert(blob.size == BLOB && memcmp(blob.data, "Ed", 2) == 0);
    fuzz_assert(memcmp(blob.data + BLOB - sizeof key->bytes, key->bytes, sizeof key->bytes) == 0);
    plumb__bytes_free(&blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb_public_key key;
    plumb_error err = {0};
    const char *path = fuzz_file(0, data, n);
    if (fuzz_accepted(plumb_public_key_import_minisign(path, &key, &err), &err)) {
        fuzz_reached();
        fuzz_assert(plumb__public_key_valid(&key));
        check_bytes(data, n, &key);
    }
    return 0;
}
