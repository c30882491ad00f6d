/* Which compiled variant of the inner loops this processor runs. */
#include "lm_ops.h"

#include <stdlib.h>
#include <string.h>

#ifdef LM_HAVE_X86_OPS
static const lm_ops *best(int at_most)
{
    if (at_most >= 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &lm_ops_avx512;
    if (at_most >= 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &lm_ops_avx2;
    return &lm_ops_base;
}
#endif

const lm_ops *lm_ops_pick(void)
{
#ifdef LM_HAVE_X86_OPS
    const char *asked = getenv("LM_ISA");
    if (asked && strcmp(asked, "base") == 0) return &lm_ops_base;
    return best(asked && strcmp(asked, "avx2") == 0 ? 1 : 2);
#else
    return &lm_ops_base;
#endif
}
