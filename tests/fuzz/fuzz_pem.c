/* Public keys in PEM: what is accepted is exactly what would be written, less the last line end,
 * and a point of prime order. The file reader agrees with the parser. */
#include "fuzz_kit.h"

#include "manifest/signing/pem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb_public_key key, other;
    plumb_error err = {0};
    char pem[256], body[PLUMB__SPKI_BASE64_BYTES];
    const bool ok = plumb__pem_public_parse((const char *)data, n, &key);
    const plumb_status status = plumb_public_key_read(fuzz_file(0, data, n), &other, &err);
    if (ok) fuzz_assert(status == PLUMB_OK && memcmp(&key, &other, sizeof key) == 0);
    /* Other files hold public keys too: the header of a secret key, say. */
    if (fuzz_accepted(status, &err)) fuzz_assert(plumb__public_key_valid(&other));
    if (!ok) return 0;
    fuzz_reached();
    fuzz_works(plumb_public_key_pem(&key, pem, sizeof pem, err));
    const size_t whole = strlen(pem);
    fuzz_assert(n == whole || n == whole - 1);
    fuzz_assert(memcmp(pem, data, n) == 0);
    plumb__spki_base64(&key, body);
    fuzz_assert(plumb__spki_base64_parse(body, &other));
    fuzz_assert(memcmp(&key, &other, sizeof key) == 0);
    return 0;
}
