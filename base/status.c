/* Names and exit codes of the status numbers, and the version of the library. */
#include "base/plumb_status.h"

#ifndef PLUMB_VERSION_TEXT
#error "the build defines PLUMB_VERSION_TEXT from the project's version"
#endif

const char *plumb_status_name(plumb_status status)
{
    switch (status) {
    case PLUMB_OK: return "PLUMB_OK";
    case PLUMB_ERR_ARGUMENT: return "PLUMB_ERR_ARGUMENT";
    case PLUMB_ERR_VERSION: return "PLUMB_ERR_VERSION";
    case PLUMB_ERR_STATE: return "PLUMB_ERR_STATE";
    case PLUMB_ERR_LIMIT: return "PLUMB_ERR_LIMIT";
    case PLUMB_ERR_UNSUPPORTED: return "PLUMB_ERR_UNSUPPORTED";
    case PLUMB_ERR_IO: return "PLUMB_ERR_IO";
    case PLUMB_ERR_NO_SPACE: return "PLUMB_ERR_NO_SPACE";
    case PLUMB_ERR_EXISTS: return "PLUMB_ERR_EXISTS";
    case PLUMB_ERR_NOT_FOUND: return "PLUMB_ERR_NOT_FOUND";
    case PLUMB_ERR_LOCKED: return "PLUMB_ERR_LOCKED";
    case PLUMB_ERR_NO_MEMORY: return "PLUMB_ERR_NO_MEMORY";
    case PLUMB_ERR_BLOCKED: return "PLUMB_ERR_BLOCKED";
    case PLUMB_ERR_FORMAT: return "PLUMB_ERR_FORMAT";
    case PLUMB_ERR_TRUNCATED: return "PLUMB_ERR_TRUNCATED";
    case PLUMB_ERR_CORRUPT: return "PLUMB_ERR_CORRUPT";
    case PLUMB_ERR_TRUST: return "PLUMB_ERR_TRUST";
    case PLUMB_ERR_SIGNATURE: return "PLUMB_ERR_SIGNATURE";
    case PLUMB_ERR_EXPIRED: return "PLUMB_ERR_EXPIRED";
    case PLUMB_ERR_DIGEST: return "PLUMB_ERR_DIGEST";
    case PLUMB_ERR_KEY: return "PLUMB_ERR_KEY";
    case PLUMB_ERR_POLICY: return "PLUMB_ERR_POLICY";
    case PLUMB_ERR_MISMATCH: return "PLUMB_ERR_MISMATCH";
    case PLUMB_ERR_DEVICE: return "PLUMB_ERR_DEVICE";
    case PLUMB_ERR_NUMERIC: return "PLUMB_ERR_NUMERIC";
    case PLUMB_ERR_COMM: return "PLUMB_ERR_COMM";
    }
    return "PLUMB_ERR_UNKNOWN"; /* a number from elsewhere: a file, a newer library */
}

int plumb_status_exit_code(plumb_status status)
{
    /* The cap exceeded is nearly always the input's, although the number is in the first family. */
    if (status == PLUMB_ERR_LIMIT) return 3;
    switch ((unsigned)status / 100u) {
    case 0: return status == PLUMB_OK ? 0 : 2;
    case 1: return 2;
    case 2: return 4;
    case 3: return 3;
    case 4: return 5;
    case 5: return 3;
    case 6: return 6;
    case 7: return 3;
    case 8: return 4; /* between processes or hosts: to the user it is I/O */
    default: return 2;
    }
}

const char *plumb_version(void)
{
    return PLUMB_VERSION_TEXT;
}
