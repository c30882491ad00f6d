/* The process-wide log sink. The lock guards the three words of the sink, not the call of it: the
 * sink may log itself, and is thread safe by contract. */
#include "base/log.h"
#include "base/text.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    plumb_log_fn *sink;
    void *ctx;
    plumb_log_level least;
} current;

void plumb_log_set(plumb_log_fn *sink, void *ctx, plumb_log_level least)
{
    (void)pthread_mutex_lock(&lock);
    current.sink = sink;
    current.ctx = ctx;
    current.least = least;
    (void)pthread_mutex_unlock(&lock);
}

void plumb__log(plumb_log_level level, const char *format, ...)
{
    (void)pthread_mutex_lock(&lock);
    plumb_log_fn *const sink = level >= current.least ? current.sink : NULL;
    void *const ctx = current.ctx;
    (void)pthread_mutex_unlock(&lock);
    if (!sink) return;

    char message[PLUMB_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    plumb__text_sanitize(message);
    sink(level, message, ctx);
}
