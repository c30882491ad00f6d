/* Memory for secrets: locked where the system allows it, between guard pages, wiped when freed. */
#ifndef PLUMB_BASE_SECRET_H
#define PLUMB_BASE_SECRET_H

#include "base/error.h"

/* n bytes of undefined content; *out_pointer is NULL on failure. Initialises libsodium. The block
 * ends at a guard page, so it is aligned for bytes only. PLUMB_ERR_NO_MEMORY names `what`. */
plumb_status plumb__secret_alloc(void *out_pointer, size_t n, const char *what,
                                 plumb_error *err) PLUMB_MUST_CHECK;
/* Wipes and frees; NULL is harmless. */
void plumb__secret_free(void *pointer);
/* Wipes n bytes in a way that no compiler removes. */
void plumb__wipe(void *data, size_t n);
/* n bytes from the system's random source. plumb__crypto_init must have succeeded before. */
void plumb__random_bytes(void *data, size_t n);

#endif
