/* Gradient of an embedding table with exact per-unit norms.
 *
 *   dW[t] += sum_u w_u s_{u,t},   s_{u,t} = sum of y_r over the unit's rows with token t
 *   norm2[u] = sum_t |s_{u,t}|^2                     dW (vocabulary, width), float32, row-major
 *
 * Reads Y twice (scan, sums) and touches the rows of dW that occur: bounded by memory. Each unit's
 * rows are first sorted by token (stable radix sort), so that equal tokens lie together; then
 * blocks of columns run in parallel, every block walking the units in slot order and a unit's
 * tokens in rising order.
 *
 * A unit is safely finite when rows * max|y| <= 2^60 over its rows that have a token. */
#include "kernels/simd.h"
#include "kernels/wgrad.h"

#include "base/plumb_threads.h"

#include <math.h>
#include <string.h>

typedef struct embed_job {
    const plumb__embed_args *args;
    const plumb__simd *simd;
    size_t blocks;     /* of columns */
    double *squares;   /* [n_slots][blocks] */
    size_t *offset;    /* [n_slots] where the unit's rows begin in order */
    uint32_t *counted; /* [n_slots] rows that have a token */
    uint32_t *order;   /* [all rows] rows of the unit, sorted by token */
    uint32_t *spare;   /* [all rows] */
    uint8_t *runs;     /* [n_slots] */
} embed_job;

static size_t aligned(size_t n)
{
    return (n + 63) / 64 * 64;
}

size_t plumb__embed_workspace(uint64_t vocabulary, uint64_t width, size_t max_slots,
                              uint64_t max_rows)
{
    (void)vocabulary;
    const size_t blocks = ((size_t)width + PLUMB__COLUMNS - 1) / PLUMB__COLUMNS;
    return aligned(max_slots * blocks * sizeof(double)) + aligned(max_slots * sizeof(size_t)) +
           aligned(max_slots * sizeof(uint32_t)) +
           2 * aligned((size_t)max_rows * sizeof(uint32_t)) + aligned(max_slots);
}

static size_t columns_of(const embed_job *job, size_t block)
{
    const size_t left = (size_t)job->args->width - block * PLUMB__COLUMNS;
    return left < PLUMB__COLUMNS ? left : PLUMB__COLUMNS;
}

static bool known_token(const plumb__embed_args *args, uint64_t row)
{
    return args->tokens[row] >= 0 && (uint64_t)args->tokens[row] < args->vocabulary;
}

/* One stable pass by the byte at `shift` of the token. */
static void radix_pass(const int32_t *tokens, unsigned shift, const uint32_t *from, uint32_t *to,
                       size_t n)
{
    size_t start[256] = {0}, at = 0;
    for (size_t i = 0; i < n; i++)
        start[((uint32_t)tokens[from[i]] >> shift) & 255u]++;
    for (size_t b = 0; b < 256; b++) {
        const size_t count = start[b];
        start[b] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++)
        to[start[((uint32_t)tokens[from[i]] >> shift) & 255u]++] = from[i];
}

/* Sorts the unit's rows by token and decides whether it takes part. */
static void prepare_unit(void *ctx, size_t u)
{
    const embed_job *job = ctx;
    const plumb__embed_args *args = job->args;
    const plumb__slot *slot = &args->slots[u];
    if (!job->runs[u]) return;
    uint32_t *order = job->order + job->offset[u], *spare = job->spare + job->offset[u];
    uint32_t n = 0, bits = 0;
    for (uint32_t r = 0; r < slot->rows; r++) {
        if (!known_token(args, slot->first_row + r)) continue;
        order[n++] = r;
        if (args->norm2 == NULL) continue;
        bits = job->simd->max_bits(args->y + (slot->first_row + r) * args->ldy, args->ldy, 1,
                                   args->width, bits);
    }
    for (unsigned shift = 0; shift < 32 && (args->vocabulary - 1) >> shift != 0; shift += 8) {
        radix_pass(args->tokens + slot->first_row, shift, order, spare, n);
        memcpy(order, spare, n * sizeof *order);
    }
    job->counted[u] = n;
    float most;
    memcpy(&most, &bits, sizeof most);
    if (bits >= 0x7f800000u || (double)most * n > 0x1p60) job->runs[u] = 0;
}

/* One unit's columns [block): a run of equal tokens is one row of its gradient. */
static double unit_block(const embed_job *job, size_t u, size_t block)
{
    const plumb__embed_args *args = job->args;
    const plumb__slot *slot = &args->slots[u];
    const size_t n = columns_of(job, block), at = block * PLUMB__COLUMNS;
    const uint32_t *order = job->order + job->offset[u];
    const int32_t *tokens = args->tokens + slot->first_row;
    const float *y = args->y + slot->first_row * args->ldy + at;
    double squares = 0;
    for (size_t from = 0, to = 0; from < job->counted[u]; from = to) {
        float sum[PLUMB__COLUMNS];
        const int32_t token = tokens[order[from]];
        while (to < job->counted[u] && tokens[order[to]] == token)
            to++;
        job->simd->column_sums(y, args->ldy, NULL, 0, order + from, to - from, n, sum);
        if (args->norm2 != NULL) squares += job->simd->squares(sum, n);
        if (slot->withhold) continue;
        job->simd->add_scaled(args->dw + (uint64_t)token * args->ldw + at, sum, n, slot->weight);
    }
    return squares;
}

static void embed_block(void *ctx, size_t block)
{
    const embed_job *job = ctx;
    for (size_t u = 0; u < job->args->n_slots; u++)
        if (job->runs[u]) job->squares[u * job->blocks + block] = unit_block(job, u, block);
}

static embed_job embed_begin(const plumb__embed_args *args, uint8_t *at)
{
    embed_job job = {.args = args, .simd = plumb__simd_get()};
    const size_t slots = args->n_slots;
    job.blocks = ((size_t)args->width + PLUMB__COLUMNS - 1) / PLUMB__COLUMNS;
    job.squares = (double *)(void *)at;
    at += aligned(slots * job.blocks * sizeof(double));
    job.offset = (size_t *)(void *)at;
    at += aligned(slots * sizeof(size_t));
    job.counted = (uint32_t *)(void *)at;
    at += aligned(slots * sizeof(uint32_t));
    job.runs = at;
    at += aligned(slots);
    size_t rows = 0;
    for (size_t u = 0; u < slots; u++) {
        job.runs[u] = args->slots[u].rows > 0 && args->slots[u].weight != 0.0f;
        job.offset[u] = rows;
        if (job.runs[u]) rows += (size_t)args->slots[u].rows;
    }
    job.order = (uint32_t *)(void *)at;
    job.spare = job.order + rows;
    return job;
}

void plumb__embed_grad(const plumb__embed_args *args, void *workspace)
{
    embed_job job = embed_begin(args, workspace);
    plumb_parallel(args->n_slots, prepare_unit, &job);
    plumb_parallel(job.blocks, embed_block, &job);
    for (size_t u = 0; args->norm2 != NULL && u < args->n_slots; u++) {
        const bool asked = args->slots[u].rows > 0 && args->slots[u].weight != 0.0f;
        double norm2 = 0;
        for (size_t b = 0; job.runs[u] && b < job.blocks; b++)
            norm2 += job.squares[u * job.blocks + b];
        args->finite[u] = !asked || job.runs[u];
        args->norm2[u] = args->finite[u] ? norm2 : INFINITY;
    }
}
