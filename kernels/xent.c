/* Fused softmax cross-entropy with predictive entropy.
 *
 *   loss = log S - (logit[target] - max),  S = sum exp(logit - max)
 *   entropy = log S - (1/S) sum exp(logit - max) (logit - max)
 *   dlogits = row_scale (exp(logit - max) / S - onehot)     all (R, vocabulary): float32, row-major
 *
 * Reads and writes 4 vocabulary bytes per row, and its passes over a row stay in the cache; about
 * 30 FLOPs per element, so bounded by arithmetic in the cache and by memory beyond it. Blocks of
 * rows run in parallel; every row is computed the same way whatever the block. */
#include "kernels/xent.h"
#include "kernels/simd.h"

#include "base/plumb_threads.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define TASK_ELEMENTS 16384 /* enough work to be worth handing to a thread */

typedef struct xent_job {
    const plumb__xent_args *args;
    const plumb__simd *simd;
    uint64_t rows_per_task;
} xent_job;

static void xent_row(const xent_job *job, uint64_t r)
{
    const plumb__xent_args *args = job->args;
    const uint64_t n = args->vocabulary;
    const float *logits = args->logits + r * args->ld_logits;
    float *out = args->dlogits + r * args->ld_dlogits;
    const int32_t target = args->targets[r];
    const float scale = args->row_scale[r];
    if (target < 0 || (uint64_t)target >= n) {
        memset(out, 0, n * sizeof(float));
        args->row_loss[r] = args->row_entropy[r] = 0.0f;
        return;
    }
    const double wanted = (double)logits[target]; /* read before dlogits, which may be its alias */
    plumb__softmax_row row;
    const bool graded = scale != 0.0f;
    job->simd->softmax_row(logits, n, graded ? out : NULL, &row);
    const double log_sum = log(row.sum);
    /* A -inf elsewhere in the row would leave the loss finite and its gradient doubtful. */
    const bool usable = isfinite(row.min) && isfinite(row.max) && isfinite(row.sum);
    args->row_loss[r] = usable ? (float)(log_sum - (wanted - (double)row.max)) : NAN;
    args->row_entropy[r] = usable ? (float)(log_sum - row.weighted / row.sum) : NAN;
    if (!graded) {
        memset(out, 0, n * sizeof(float));
        return;
    }
    job->simd->scale_row(out, n, (float)((double)scale / row.sum));
    out[target] -= scale;
}

static void xent_task(void *ctx, size_t task)
{
    const xent_job *job = ctx;
    const uint64_t from = task * job->rows_per_task;
    uint64_t to = from + job->rows_per_task;
    if (to > job->args->rows) to = job->args->rows;
    for (uint64_t r = from; r < to; r++)
        xent_row(job, r);
}

void plumb__xent(const plumb__xent_args *args)
{
    if (args->rows == 0 || args->vocabulary == 0) return;
    xent_job job = {args, plumb__simd_get(), TASK_ELEMENTS / args->vocabulary};
    if (job.rows_per_task == 0) job.rows_per_task = 1;
    plumb_parallel((size_t)((args->rows + job.rows_per_task - 1) / job.rows_per_task), xent_task,
                   &job);
}
