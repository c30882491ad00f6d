/* Filling the caller-owned error. Messages end up on terminals and may quote hostile input, so no
 * control character leaves here (plumb__text_sanitize). */
#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

plumb_status plumb__fail(plumb_error *err, plumb_status status, const char *format, ...)
{
    if (!err) return status;
    err->status = status;
    err->os_errno = 0;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    plumb__text_sanitize(err->message);
    return status;
}

static plumb_status status_of_errno(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT: return PLUMB_ERR_NO_SPACE;
    case ENOENT: return PLUMB_ERR_NOT_FOUND;
    case EEXIST: return PLUMB_ERR_EXISTS;
    case ENOMEM: return PLUMB_ERR_NO_MEMORY;
    default: return PLUMB_ERR_IO;
    }
}

plumb_status plumb__fail_errno(plumb_error *err, const char *format, ...)
{
    const int code = errno;
    const plumb_status status = status_of_errno(code);
    if (!err) return status;
    err->status = status;
    err->os_errno = code;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    char reason[128];
    const size_t length = strlen(err->message);
    (void)snprintf(err->message + length, sizeof err->message - length, ": %s",
                   strerror_r(code, reason, sizeof reason));
    plumb__text_sanitize(err->message);
    return status;
}

plumb_status plumb__error_prefix(plumb_error *err, plumb_status status, const char *format, ...)
{
    if (!err) return status;
    char old[PLUMB_ERROR_MESSAGE_BYTES];
    memcpy(old, err->message, sizeof old);
    old[sizeof old - 1] = '\0';
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    const size_t length = strlen(err->message);
    (void)snprintf(err->message + length, sizeof err->message - length, ": %s", old);
    plumb__text_sanitize(err->message);
    err->status = status;
    return status;
}
