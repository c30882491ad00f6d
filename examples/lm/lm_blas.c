/* OpenBLAS chooses its kernels when it is loaded. An older one (0.3.21) takes a processor that it
 * does not know, such as a Zen 5, for a Haswell, and is half as fast as its AVX-512 kernels are
 * there. They can only be asked for in the environment, before the library is loaded: so the
 * program sets OPENBLAS_CORETYPE and starts itself once more. A value that is already set is
 * respected. */
#include "lm_blas.h"

#include <cblas.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STARTED_AGAIN "PLUMB_LM_STARTED_AGAIN"

#if defined(__x86_64__)
static bool core_has_avx512(const char *core)
{
    return strcmp(core, "SkylakeX") == 0 || strcmp(core, "Cooperlake") == 0 ||
           strcmp(core, "SapphireRapids") == 0;
}

static bool processor_has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static void start_again(char **argv)
{
    if (getenv(STARTED_AGAIN) || getenv("OPENBLAS_CORETYPE")) return;
    if (!processor_has_avx512() || core_has_avx512(openblas_get_corename())) return;
    if (setenv(STARTED_AGAIN, "1", 1) != 0 || setenv("OPENBLAS_CORETYPE", "SkylakeX", 1) != 0)
        return;
    (void)execv("/proc/self/exe", argv);
    /* Without /proc it goes on, only slower. */
    (void)unsetenv("OPENBLAS_CORETYPE");
}
#else
static void start_again(char **argv) { (void)argv; }
#endif

void lm_blas_prepare(char **argv)
{
    start_again(argv);
    openblas_set_num_threads(1);
}
