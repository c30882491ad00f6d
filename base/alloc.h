/* Allocation with overflow checks. All memory is freed with plumb__free (freeing NULL is harmless).
 */
#ifndef PLUMB_BASE_ALLOC_H
#define PLUMB_BASE_ALLOC_H

#include "base/error.h"

/* Room for count x size bytes, zeroed, aligned to 64. *out is NULL on failure; count 0 gives a
 * valid pointer. Errors: PLUMB_ERR_NO_MEMORY with `what` in the message. */
plumb_status plumb__alloc(void *out_pointer, size_t count, size_t size, const char *what,
                          plumb_error *err) PLUMB_MUST_CHECK;

/* Grows *pointer (element size `size`) to at least `need` elements, doubling; *capacity is updated.
 * The new part is not zeroed. */
plumb_status plumb__grow(void *pointer_to_pointer, size_t *capacity, size_t need, size_t size,
                         const char *what, plumb_error *err) PLUMB_MUST_CHECK;

void plumb__free(void *pointer);

/* A copy of a string / of n bytes plus a terminating NUL. */
plumb_status plumb__strdup(char **out, const char *text, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__memdup(char **out, const void *bytes, size_t n,
                           plumb_error *err) PLUMB_MUST_CHECK;

/* Lets a test make the nth allocation from now fail (0: never). Not thread safe. */
void plumb__alloc_fail_after(long n);
/* Number of successful plumb__alloc/plumb__grow calls so far; tests count with it. */
uint64_t plumb__alloc_count(void);

#endif
