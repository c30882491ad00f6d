/* Secrets in libsodium's guarded heap. */
#include "base/secret.h"
#include "base/hash.h"

#include <sodium.h>
#include <string.h>

plumb_status plumb__secret_alloc(void *out_pointer, size_t n, const char *what, plumb_error *err)
{
    void *block = NULL;
    memcpy(out_pointer, &block, sizeof block);
    PLUMB_TRY(plumb__crypto_init(err));
    /* Where locking is not permitted libsodium goes on without it: a small RLIMIT_MEMLOCK must not
     * keep anyone from signing. */
    block = sodium_malloc(n);
    if (!block)
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no protected memory for %s (%zu bytes)", what,
                           n);
    memcpy(out_pointer, &block, sizeof block);
    return PLUMB_OK;
}

void plumb__secret_free(void *pointer)
{
    sodium_free(pointer);
}

void plumb__wipe(void *data, size_t n)
{
    sodium_memzero(data, n);
}

void plumb__random_bytes(void *data, size_t n)
{
    randombytes_buf(data, n);
}
