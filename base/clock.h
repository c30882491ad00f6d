/* Time: monotonic for durations, wall clock for the record, RFC 3339 for people. */
#ifndef PLUMB_BASE_CLOCK_H
#define PLUMB_BASE_CLOCK_H

#include "base/error.h"
#include <stdbool.h>

uint64_t plumb__monotonic_ns(void);
int64_t plumb__wall_ns(void);
int64_t plumb__wall_s(void);
/* "2026-11-22T07:39:00Z" into out[21]; seconds since 1970. */
void plumb__time_format(int64_t unix_s, char out[21]);
/* Accepts "YYYY-MM-DD" (midnight UTC) and "YYYY-MM-DDThh:mm:ssZ" only. */
bool plumb__time_parse(const char *text, int64_t *unix_s);

#endif
