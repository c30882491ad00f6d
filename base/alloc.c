/* Allocation with overflow checks, a fault to inject and a count, both for tests. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64u

static atomic_long fail_countdown;
static atomic_uint_fast64_t successes;

/* True when this allocation is the one that a test wants to fail. Reads first, so that the usual
 * case writes nothing shared. */
static bool injected_failure(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) <= 0) return false;
    return atomic_fetch_sub_explicit(&fail_countdown, 1, memory_order_relaxed) == 1;
}

static plumb_status no_memory(const char *what, size_t count, size_t size, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for %s (%zu x %zu bytes)", what, count,
                       size);
}

/* count x size, at least 1, such that rounding up to the alignment cannot overflow either. */
static bool total_bytes(size_t count, size_t size, size_t *total)
{
    if (__builtin_mul_overflow(count, size, total)) return false;
    if (*total > PTRDIFF_MAX - ALIGNMENT) return false;
    if (*total == 0) *total = 1;
    return true;
}

plumb_status plumb__alloc(void *out_pointer, size_t count, size_t size, const char *what,
                          plumb_error *err)
{
    void *block = NULL;
    size_t total;
    if (total_bytes(count, size, &total) && !injected_failure()) {
        total = (total + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        block = aligned_alloc(ALIGNMENT, total);
    }
    /* The caller's pointer has a type of its own; memcpy is the store that aliasing allows. */
    memcpy(out_pointer, &block, sizeof block);
    if (!block) return no_memory(what, count, size, err);
    memset(block, 0, total);
    atomic_fetch_add_explicit(&successes, 1, memory_order_relaxed);
    return PLUMB_OK;
}

plumb_status plumb__grow(void *pointer_to_pointer, size_t *capacity, size_t need, size_t size,
                         const char *what, plumb_error *err)
{
    if (need <= *capacity) return PLUMB_OK;
    size_t wanted = *capacity < 8 ? 8 : *capacity;
    while (wanted < need) {
        if (__builtin_mul_overflow(wanted, (size_t)2, &wanted)) wanted = need;
    }
    size_t total;
    if (!total_bytes(wanted, size, &total)) {
        wanted = need;
        if (!total_bytes(wanted, size, &total)) return no_memory(what, need, size, err);
    }
    void *block;
    memcpy(&block, pointer_to_pointer, sizeof block);
    block = injected_failure() ? NULL : realloc(block, total);
    if (!block) return no_memory(what, wanted, size, err);
    memcpy(pointer_to_pointer, &block, sizeof block);
    *capacity = wanted;
    atomic_fetch_add_explicit(&successes, 1, memory_order_relaxed);
    return PLUMB_OK;
}

void plumb__free(void *pointer)
{
    free(pointer);
}

plumb_status plumb__strdup(char **out, const char *text, plumb_error *err)
{
    return plumb__memdup(out, text, strlen(text), err);
}

plumb_status plumb__memdup(char **out, const void *bytes, size_t n, plumb_error *err)
{
    *out = NULL;
    if (n == SIZE_MAX) return no_memory("a copy", n, 1, err);
    PLUMB_TRY(plumb__alloc(out, n + 1, 1, "a copy", err));
    if (n > 0) memcpy(*out, bytes, n);
    return PLUMB_OK;
}

void plumb__alloc_fail_after(long n)
{
    atomic_store(&fail_countdown, n);
}

uint64_t plumb__alloc_count(void)
{
    return atomic_load(&successes);
}
