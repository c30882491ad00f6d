/* Where the library's messages go, and the progress line. The library itself never prints. */
#ifndef PLUMB_LOG_H
#define PLUMB_LOG_H

#include "base/plumb_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum plumb_log_level {
    PLUMB_LOG_DEBUG = 0,
    PLUMB_LOG_INFO = 1,
    PLUMB_LOG_WARNING = 2,
    PLUMB_LOG_ERROR = 3
} plumb_log_level;

typedef void plumb_log_fn(plumb_log_level level, const char *message, void *ctx);

/* Registers the process-wide sink (NULL: silence, the default). Set it before other calls; the sink
 * must be thread safe, because the recorder thread logs too. */
PLUMB_API void plumb_log_set(plumb_log_fn *sink, void *ctx, plumb_log_level least);

/* A progress line with rate and time left: "[=====>    ]  41 %  1234/3000 NAME  56.1/s  0:31 left".
 * elapsed_s since the start of the work; done <= total; total 0 = unknown. Writes at most
 * size bytes with the NUL; returns the length. */
PLUMB_API size_t plumb_progress_line(char *out, size_t size, const char *unit_name, uint64_t done,
                                     uint64_t total, double elapsed_s);

#ifdef __cplusplus
}
#endif
#endif
