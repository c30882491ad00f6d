/* Logging from inside the library. */
#ifndef PLUMB_BASE_LOG_H
#define PLUMB_BASE_LOG_H

#include "base/plumb_log.h"

void plumb__log(plumb_log_level level, const char *format, ...) PLUMB_PRINTF(2, 3);

#endif
