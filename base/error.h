/* Raising errors inside the library. Three check macros, no more (house rule 8). */
#ifndef PLUMB_BASE_ERROR_H
#define PLUMB_BASE_ERROR_H

#include "base/plumb_status.h"

/* Fills *err (may be NULL) and returns `status`, so that `return plumb__fail(…)` reads well.
 * The message says what, where, and what to do. */
plumb_status plumb__fail(plumb_error *err, plumb_status status, const char *format, ...)
    PLUMB_PRINTF(3, 4);

/* The same for a failed system call: appends ": strerror(errno)"; ENOSPC and EDQUOT become
 * PLUMB_ERR_NO_SPACE, ENOENT NOT_FOUND, EEXIST EXISTS, ENOMEM NO_MEMORY, all else PLUMB_ERR_IO. */
plumb_status plumb__fail_errno(plumb_error *err, const char *format, ...) PLUMB_PRINTF(2, 3);

/* Puts "prefix: " before the message that is already there. Returns err->status. */
plumb_status plumb__error_prefix(plumb_error *err, plumb_status status, const char *format, ...)
    PLUMB_PRINTF(3, 4);

/* Return at once. */
#define PLUMB_TRY(call)                                                                            \
    do {                                                                                           \
        const plumb_status plumb_try_status_ = (call);                                             \
        if (plumb_try_status_ != PLUMB_OK) return plumb_try_status_;                               \
    } while (0)

/* Go to the function's one `cleanup:` label; wants a variable `status`. */
#define PLUMB_TRY_CLEAN(call)                                                                      \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != PLUMB_OK) goto cleanup;                                                      \
    } while (0)

/* Keep the first error while going on, for cleanups that can fail themselves. */
#define PLUMB_KEEP(status, call)                                                                   \
    do {                                                                                           \
        const plumb_status plumb_keep_status_ = (call);                                            \
        if ((status) == PLUMB_OK) (status) = plumb_keep_status_;                                   \
    } while (0)

#endif
