/* A miscompiled or mis-selected kernel (an instruction set that the build or the machine gets
 * wrong) would govern with wrong numbers and record them as exact: it must refuse instead. */
#include "runtime/known_answers.h"

#include "base/alloc.h"
#include "base/plumb_random.h"
#include "kernels/reference.h"

#include <math.h>
#include <string.h>

/* Shapes that are no multiple of any vector width, and units of uneven length with a gap between.
 */
enum { IN = 37, OUT = 29, ROWS = 23, UNITS = 3 };

typedef struct answers {
    float x[ROWS * IN], y[ROWS * OUT], dw[OUT * IN];
    double want[OUT * IN], scratch[OUT * IN];
    double norm2[UNITS], want_norm2[UNITS];
    bool finite[UNITS];
} answers;

/* The larger of two errors; NaN is the largest of all. */
static double larger(double a, double b)
{
    if (isnan(a) || isnan(b)) return NAN;
    return a > b ? a : b;
}

static double worst_error(const answers *a)
{
    double worst = 0.0, scale = 0.0;
    for (size_t p = 0; p < OUT * IN; p++)
        scale = larger(scale, fabs(a->want[p]));
    for (size_t p = 0; p < OUT * IN; p++)
        worst = larger(worst, fabs((double)a->dw[p] - a->want[p]) / scale);
    for (size_t u = 0; u < UNITS; u++)
        worst = larger(worst, a->finite[u] ? fabs(a->norm2[u] / a->want_norm2[u] - 1.0) : NAN);
    return worst;
}

plumb_status plumb__known_answers(plumb__wgrad_fn *kernel, plumb_error *err)
{
    static const plumb__slot slots[UNITS] = {
        {0, 9, 1.0f, false}, {9, 5, 0.375f, false}, {15, 8, 0.5f, true}};
    answers *a = NULL;
    void *workspace = NULL;
    plumb_status status;
    const size_t bytes = plumb__wgrad_workspace(IN, OUT, UNITS, ROWS);
    PLUMB_TRY(plumb__alloc(&a, 1, sizeof *a, "known-answer test", err));
    PLUMB_TRY_CLEAN(plumb__alloc(&workspace, bytes, 1, "known-answer test", err));
    for (uint64_t i = 0; i < ROWS * IN; i++)
        a->x[i] = (float)plumb_random_normal(1, 1, i);
    for (uint64_t i = 0; i < ROWS * OUT; i++)
        a->y[i] = (float)plumb_random_normal(1, 2, i);
    const plumb__wgrad_args args = {.in = IN,
                                    .out = OUT,
                                    .x = a->x,
                                    .ldx = IN,
                                    .y = a->y,
                                    .ldy = OUT,
                                    .dw = a->dw,
                                    .ldw = IN,
                                    .slots = slots,
                                    .n_slots = UNITS,
                                    .norm2 = a->norm2,
                                    .finite = a->finite,
                                    .workspace_bytes = bytes};
    kernel(&args, workspace);
    plumb__ref_wgrad(&args, NULL, a->want, a->want_norm2, a->scratch);
    const double error = worst_error(a);
    if (!(error <= 1e-5))
        status = plumb__fail(err, PLUMB_ERR_NUMERIC,
                             "the weight-gradient kernel is off by %.3g from its float64 reference "
                             "on this machine: it must not govern; rebuild for this processor",
                             error);
cleanup:
    plumb__free(workspace);
    plumb__free(a);
    return status;
}
