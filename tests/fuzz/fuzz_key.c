/* Secret key files: the header is read without a passphrase, strangers and damage are refused
 * before anything costly, and a file that opens holds the key that its header names. Files that ask
 * for more than the least cost are not opened here: Argon2id would take all the time. */
#include "fuzz_kit.h"

#include "base/text.h"

#include <string.h>

enum { LEAST_MEMORY = 8192, ARMOUR_BEGIN = 33 };

/* Passes and memory of the header, from the armour's second 24 bytes. */
static bool is_cheap(const uint8_t *data, size_t n)
{
    plumb__bytes head = {0};
    bool cheap = true;
    if (n >= ARMOUR_BEGIN + 44 &&
        plumb__base64_decode((const char *)data + ARMOUR_BEGIN, 44, &head, NULL) == PLUMB_OK) {
        cheap =
            plumb__load_u64(head.data + 16) <= 1 && plumb__load_u64(head.data + 24) <= LEAST_MEMORY;
    }
    plumb__bytes_free(&head);
    return cheap;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb_public_key named, held;
    plumb_secret_key *key = NULL;
    plumb_error err = {0};
    fuzz_write("k.key", data, n); /* not by a link, and nobody else's: else it is not opened */
    const char *path = fuzz_path("k.key");
    const bool readable = fuzz_accepted(plumb_key_file_public(path, &named, &err), &err);
    if (!is_cheap(data, n)) return 0;
    err = (plumb_error){0};
    if (!fuzz_accepted(plumb_key_open(path, "fuzz", 4, &key, &err), &err)) {
        fuzz_assert(key == NULL);
        return 0;
    }
    fuzz_reached();
    fuzz_assert(readable);
    plumb_key_public(key, &held);
    fuzz_assert(memcmp(&named, &held, sizeof held) == 0);
    plumb_key_free(key);
    return 0;
}
