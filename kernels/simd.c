/* Chooses the instruction set once, at the first use. */
#include "kernels/simd.h"

#include <stdatomic.h>
#include <string.h>

static _Atomic(const plumb__simd *) simd_chosen;

static int simd_supported(const plumb__simd *set)
{
    if (set == NULL) return 0;
    if (set == plumb__simd_portable) return 1;
#if defined(__x86_64__)
    if (set == plumb__simd_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (set == plumb__simd_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("fma");
#endif
    return 0;
}

static const plumb__simd *simd_widest(void)
{
    if (simd_supported(plumb__simd_avx512)) return plumb__simd_avx512;
    if (simd_supported(plumb__simd_avx2)) return plumb__simd_avx2;
    return plumb__simd_portable;
}

const plumb__simd *plumb__simd_get(void)
{
    const plumb__simd *set = atomic_load_explicit(&simd_chosen, memory_order_acquire);
    if (set == NULL) {
        set = simd_widest();
        atomic_store_explicit(&simd_chosen, set, memory_order_release);
    }
    return set;
}

int plumb__simd_set(const char *name)
{
    const plumb__simd *const sets[] = {plumb__simd_portable, plumb__simd_avx2, plumb__simd_avx512};
    if (name == NULL) {
        atomic_store(&simd_chosen, simd_widest());
        return 0;
    }
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        if (!simd_supported(sets[i]) || strcmp(sets[i]->name, name) != 0) continue;
        atomic_store(&simd_chosen, sets[i]);
        return 0;
    }
    return -1;
}
