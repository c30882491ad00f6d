/* Status codes, the caller-owned error, and the attributes of the public headers.
 *
 * A public header: its name begins with `plumb`. Every function that can fail returns a
 * plumb_status; the message goes to a plumb_error that the caller owns (NULL: no message wanted).
 * Thread safety: a plumb_error belongs to one thread at a time. */
#ifndef PLUMB_STATUS_H
#define PLUMB_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PLUMB_API __attribute__((visibility("default")))
#define PLUMB_MUST_CHECK __attribute__((warn_unused_result))
#define PLUMB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define PLUMB_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#else
#define PLUMB_API
#define PLUMB_MUST_CHECK
#define PLUMB_PRINTF(fmt, args)
#define PLUMB_NONNULL(...)
#endif

/* Pinned numbers, in families of one hundred; a number is never reused. */
typedef enum plumb_status {
    PLUMB_OK = 0,

    PLUMB_ERR_ARGUMENT = 100, /* a caller broke the contract of a function */
    PLUMB_ERR_VERSION = 101,  /* a config struct of unknown size or version */
    PLUMB_ERR_STATE = 102,    /* a call out of order */
    PLUMB_ERR_LIMIT = 103,    /* more than declared: units, rows, a cap */
    PLUMB_ERR_UNSUPPORTED = 104,

    PLUMB_ERR_IO = 200,
    PLUMB_ERR_NO_SPACE = 201,
    PLUMB_ERR_EXISTS = 202,
    PLUMB_ERR_NOT_FOUND = 203,
    PLUMB_ERR_LOCKED = 204,
    PLUMB_ERR_NO_MEMORY = 205,
    PLUMB_ERR_BLOCKED = 206, /* back-pressure beyond max_block_ms */

    PLUMB_ERR_FORMAT = 300,    /* input that does not follow its format */
    PLUMB_ERR_TRUNCATED = 301, /* a file that ends too early */
    PLUMB_ERR_CORRUPT = 302,   /* a checksum or chain that does not hold */

    PLUMB_ERR_TRUST = 400, /* signer unknown, below threshold, wrong role */
    PLUMB_ERR_SIGNATURE = 401,
    PLUMB_ERR_EXPIRED = 402,
    PLUMB_ERR_DIGEST = 403, /* content is not what was signed */
    PLUMB_ERR_KEY = 404,    /* wrong passphrase, malformed key */

    PLUMB_ERR_POLICY = 500,   /* a record or setting that the policy does not allow */
    PLUMB_ERR_MISMATCH = 501, /* the record contradicts itself: mask, limit, ledger */

    PLUMB_ERR_DEVICE = 600,
    PLUMB_ERR_NUMERIC = 700,
    PLUMB_ERR_COMM = 800
} plumb_status;

#define PLUMB_ERROR_MESSAGE_BYTES 1024

/* What went wrong, where, and what to do. `os_errno` is 0 unless the system said why. */
typedef struct plumb_error {
    plumb_status status;
    int os_errno;
    char message[PLUMB_ERROR_MESSAGE_BYTES];
} plumb_error;

/* The name of a status, for messages and logs: "PLUMB_ERR_FORMAT". Static; never NULL. */
PLUMB_API const char *plumb_status_name(plumb_status status);

/* The exit code that the `plumb` commands use for a status: 0 done; 2 wrong usage (argument,
 * version, state, unsupported); 3 bad input (format, limit, policy and mismatch, numeric); 4 I/O
 * (with memory and comm); 5 trust (with digest); 6 device. The answer "no" is not a status: a
 * command that was asked to judge returns 1 itself where it found a DIGEST, CORRUPT or MISMATCH. */
PLUMB_API int plumb_status_exit_code(plumb_status status);

/* The version of the library, "0.1.0". Static. */
PLUMB_API const char *plumb_version(void);

#ifdef __cplusplus
}
#endif
#endif
