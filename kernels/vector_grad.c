/* Gradients of a norm layer's gain and bias, or of a bias alone, with exact per-unit norms.
 *
 *   dgain += sum_u w_u sum_{r in u} xhat_r * y_r,   dbias += sum_u w_u sum_{r in u} y_r     (width)
 *   norm2[u] = squares of both of the unit's sums
 *
 * Reads X^ and Y once: bounded by memory. Blocks of columns run in parallel and leave each unit's
 * sums in the workspace; only when all norms are known is anything added, so a unit whose sums are
 * not finite is found exactly and adds nothing. */
#include "kernels/simd.h"
#include "kernels/wgrad.h"

#include "base/plumb_threads.h"

#include <math.h>
#include <string.h>

typedef struct vector_job {
    const plumb__vector_args *args;
    const plumb__simd *simd;
    size_t blocks;   /* of columns */
    float *sums;     /* [n_slots][2][blocks * PLUMB__COLUMNS]: gain, bias */
    double *squares; /* [n_slots][blocks] */
    uint8_t *runs;   /* [n_slots] */
} vector_job;

static size_t columns_of(const vector_job *job, size_t block)
{
    const size_t left = (size_t)job->args->width - block * PLUMB__COLUMNS;
    return left < PLUMB__COLUMNS ? left : PLUMB__COLUMNS;
}

static float *sums_of(const vector_job *job, size_t u, size_t which, size_t block)
{
    return job->sums + ((u * 2 + which) * job->blocks + block) * PLUMB__COLUMNS;
}

size_t plumb__vector_workspace(uint64_t width, size_t max_slots, uint64_t max_rows)
{
    (void)max_rows;
    const size_t blocks = ((size_t)width + PLUMB__COLUMNS - 1) / PLUMB__COLUMNS;
    return max_slots * blocks * (2 * PLUMB__COLUMNS * sizeof(float) + sizeof(double)) +
           (max_slots + 63) / 64 * 64;
}

static void sum_block(void *ctx, size_t block)
{
    const vector_job *job = ctx;
    const plumb__vector_args *args = job->args;
    const size_t n = columns_of(job, block), at = block * PLUMB__COLUMNS;
    for (size_t u = 0; u < args->n_slots; u++) {
        const plumb__slot *slot = &args->slots[u];
        if (!job->runs[u]) continue;
        const float *y = args->y + slot->first_row * args->ldy + at;
        double squares = 0;
        if (args->dgain != NULL) {
            float *gain = sums_of(job, u, 0, block);
            job->simd->column_sums(y, args->ldy, args->xhat + slot->first_row * args->ldx + at,
                                   args->ldx, NULL, slot->rows, n, gain);
            squares += job->simd->squares(gain, n);
        }
        if (args->dbias != NULL) {
            float *bias = sums_of(job, u, 1, block);
            job->simd->column_sums(y, args->ldy, NULL, 0, NULL, slot->rows, n, bias);
            squares += job->simd->squares(bias, n);
        }
        job->squares[u * job->blocks + block] = squares;
    }
}

static void add_block(void *ctx, size_t block)
{
    const vector_job *job = ctx;
    const plumb__vector_args *args = job->args;
    const size_t n = columns_of(job, block), at = block * PLUMB__COLUMNS;
    for (size_t u = 0; u < args->n_slots; u++) {
        const plumb__slot *slot = &args->slots[u];
        if (!job->runs[u] || slot->withhold) continue;
        if (args->dgain != NULL)
            job->simd->add_scaled(args->dgain + at, sums_of(job, u, 0, block), n, slot->weight);
        if (args->dbias != NULL)
            job->simd->add_scaled(args->dbias + at, sums_of(job, u, 1, block), n, slot->weight);
    }
}

/* A finite float sum squares to at most 2^256 in double, so only what was not finite overflows. */
static void judge_units(vector_job *job)
{
    const plumb__vector_args *args = job->args;
    for (size_t u = 0; u < args->n_slots; u++) {
        double norm2 = 0;
        for (size_t b = 0; job->runs[u] && b < job->blocks; b++)
            norm2 += job->squares[u * job->blocks + b];
        const bool finite = norm2 < PLUMB__NORM2_LIMIT; /* false for NaN */
        if (args->norm2 != NULL) {
            args->norm2[u] = finite ? norm2 : INFINITY;
            args->finite[u] = finite;
        }
        job->runs[u] = job->runs[u] && finite;
    }
}

void plumb__vector_grad(const plumb__vector_args *args, void *workspace)
{
    vector_job job = {.args = args, .simd = plumb__simd_get()};
    job.blocks = ((size_t)args->width + PLUMB__COLUMNS - 1) / PLUMB__COLUMNS;
    job.sums = workspace;
    job.squares = (double *)(void *)(job.sums + args->n_slots * 2 * job.blocks * PLUMB__COLUMNS);
    job.runs = (uint8_t *)(job.squares + args->n_slots * job.blocks);
    for (size_t u = 0; u < args->n_slots; u++)
        job.runs[u] = args->slots[u].rows > 0 && args->slots[u].weight != 0.0f;
    plumb_parallel(job.blocks, sum_block, &job);
    judge_units(&job);
    plumb_parallel(job.blocks, add_block, &job);
}
