/* Weight gradient of a linear layer with exact per-unit norms, in one pass.
 *
 *   dW += sum_u w_u G_u,   G_u = Y_u^T X_u,   norm2[u] = ||G_u||_F^2
 *   dW (out, in), X (R, in), Y (R, out): float32, row-major
 *
 * 2 R in out FLOPs; reads X and Y twice (scan, packing), reads and writes dW once per unit. Bounded
 * by the FMA units from widths of about 128 on.
 *
 * dW is cut into blocks of at most 256 x 8 panels. A block walks the units in slot order: packs the
 * unit's Y columns into panels of mr, then, one panel of nr columns of X after the other, keeps
 * each mr x nr tile of G_u in registers over the unit's rows, sums its squares and adds w_u times
 * the tile to dW. Units longer than 256 rows go in chunks whose tiles are carried in the scratch.
 *
 * Determinism: an element of dW is one chain of fused multiply-adds over the unit's rows, then one
 * addition per unit, whatever the blocks are. Squares are summed per strip of 8 tiles (a grid that
 * depends on the layer's shape alone) in float lanes, and the strips in one fixed order in double.
 * So the blocks may be chosen by the number of threads, and results still do not depend on it.
 *
 * A unit is safely finite when rows * max|x| * max|y| <= 2^52 and max|y| <= 2^100: no product, sum
 * or square can then overflow. The scan that finds these maxima comes before anything is added. A
 * unit whose bound overflows is refused even if its gradient would have been finite. */
#include "kernels/wgrad.h"
#include "kernels/simd.h"

#include "base/plumb_threads.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define CHUNK_ROWS 256
#define STRIP_PANELS 8 /* A-panels per partial sum of squares */
#define BLOCK_ROWS 256
#define BLOCK_PANELS 8
#define MAX_RUNNERS 64
#define MAX_SCANS 16  /* parts per unit */
#define PAD_FLOATS 16 /* keeps the panels' rows out of one cache set */

typedef struct wgrad_shape {
    size_t a_panels, b_panels; /* of the whole layer */
    size_t block_a;            /* A-panels per block */
    size_t strips;
    size_t scan_parts;
    size_t cells_at, bits_at, runs_at, scratch_at; /* offsets in the workspace */
    size_t panel_stride, a_floats, b_floats, carry_floats, scratch_bytes;
} wgrad_shape;

typedef struct wgrad_job {
    const plumb__wgrad_args *args;
    const plumb__simd *simd;
    wgrad_shape shape;
    double *cells;  /* [n_slots][strips][b_panels] sums of squares */
    uint32_t *bits; /* [n_slots][scan_parts][2] */
    uint8_t *runs;  /* [n_slots] takes part */
    uint8_t *scratch;
    size_t block_b, blocks_b, blocks, runners; /* chosen by the thread count */
    atomic_size_t next_block;
} wgrad_job;

/* Rows that will be packed soon, fetched a few lines per tile: packing reads columns of rows that
 * lie far apart, which no hardware prefetcher follows, and waited 10 % of the time without this. */
typedef struct wgrad_ahead {
    const char *at;
    size_t row_bytes, row_lines; /* from row to row; lines to fetch of each */
    size_t line, left;           /* position; lines still to fetch */
} wgrad_ahead;

/* A runner's block and scratch. */
typedef struct wgrad_place {
    float *a, *b, *carry;
    size_t a0, a1, b0, b1; /* panels of the block */
    wgrad_ahead next_a, next_b;
} wgrad_place;

static size_t up_to(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static wgrad_shape shape_of(const plumb__simd *simd, uint64_t in, uint64_t out, size_t slots,
                            uint64_t max_rows)
{
    wgrad_shape s;
    s.a_panels = up_to(out, simd->mr) / simd->mr;
    s.b_panels = up_to(in, simd->nr) / simd->nr;
    s.block_a = BLOCK_ROWS / simd->mr / STRIP_PANELS * STRIP_PANELS;
    s.strips = up_to(s.a_panels, STRIP_PANELS) / STRIP_PANELS;
    s.scan_parts = slots >= MAX_SCANS ? 1 : MAX_SCANS;
    const size_t chunk = max_rows < CHUNK_ROWS ? (size_t)max_rows : CHUNK_ROWS;
    const size_t held_a = s.a_panels < s.block_a ? s.a_panels : s.block_a;
    s.panel_stride = up_to(chunk * simd->mr, PAD_FLOATS) + PAD_FLOATS;
    s.a_floats = up_to(held_a * s.panel_stride, 16);
    s.b_floats = chunk * simd->nr;
    s.carry_floats = max_rows > CHUNK_ROWS ? held_a * BLOCK_PANELS * simd->mr * simd->nr : 0;
    s.scratch_bytes = up_to((s.a_floats + s.b_floats + s.carry_floats) * sizeof(float), 64);
    s.cells_at = 0;
    s.bits_at = up_to(slots * s.strips * s.b_panels * sizeof(double), 64);
    s.runs_at = s.bits_at + up_to(slots * s.scan_parts * 2 * sizeof(uint32_t), 64);
    s.scratch_at = s.runs_at + up_to(slots, 64);
    return s;
}

static size_t runners_for(const wgrad_shape *s, size_t threads)
{
    const size_t most = s->strips * s->b_panels; /* no block is smaller than that */
    if (threads > MAX_RUNNERS) threads = MAX_RUNNERS;
    return threads < most ? threads : most;
}

size_t plumb__wgrad_workspace(uint64_t in, uint64_t out, size_t max_slots, uint64_t max_rows)
{
    size_t most = 0;
    /* The layout depends on the number of slots in steps: take the larger of both kinds. */
    const size_t kinds[] = {max_slots, max_slots < MAX_SCANS ? max_slots : MAX_SCANS - 1};
    for (size_t i = 0; i < 2; i++) {
        const wgrad_shape s = shape_of(plumb__simd_get(), in, out, kinds[i], max_rows);
        const size_t bytes =
            s.scratch_at + runners_for(&s, plumb_threads_count()) * s.scratch_bytes;
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* ---- which units take part ---- */

static void scan_part(void *ctx, size_t task)
{
    wgrad_job *job = ctx;
    const plumb__wgrad_args *args = job->args;
    const size_t u = task / job->shape.scan_parts, part = task % job->shape.scan_parts;
    const plumb__slot *slot = &args->slots[u];
    if (!job->runs[u]) return;
    const uint64_t from = slot->rows * part / job->shape.scan_parts;
    const uint64_t to = slot->rows * (part + 1) / job->shape.scan_parts;
    const uint64_t r = slot->first_row + from;
    const size_t rows = (size_t)(to - from);
    uint32_t *bits = job->bits + 2 * task;
    bits[0] = job->simd->max_bits(args->x + r * args->ldx, args->ldx, rows, args->in, 0);
    bits[1] = job->simd->max_bits(args->y + r * args->ldy, args->ldy, rows, args->out, 0);
}

static double magnitude(const uint32_t *bits, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++)
        most = bits[2 * i] > most ? bits[2 * i] : most;
    if (most >= 0x7f800000u) return INFINITY; /* NaN too */
    float value;
    memcpy(&value, &most, sizeof value);
    return (double)value;
}

/* True when no sum over the unit's rows can leave the range (see the top comment). */
static bool safely_finite(const wgrad_job *job, size_t u)
{
    const size_t parts = job->shape.scan_parts;
    const double x = magnitude(job->bits + 2 * u * parts, parts);
    const double y = magnitude(job->bits + 2 * u * parts + 1, parts);
    if (!(x <= 0x1p127 * 2) || !(y <= 0x1p100)) return false;
    return (double)job->args->slots[u].rows * x * y <= 0x1p52;
}

static void choose_units(wgrad_job *job)
{
    const plumb__wgrad_args *args = job->args;
    for (size_t u = 0; u < args->n_slots; u++)
        job->runs[u] = args->slots[u].rows > 0 && args->slots[u].weight != 0.0f;
    if (args->norm2 == NULL) return;
    plumb_parallel(args->n_slots * job->shape.scan_parts, scan_part, job);
    for (size_t u = 0; u < args->n_slots; u++) {
        args->finite[u] = !job->runs[u] || safely_finite(job, u);
        job->runs[u] = job->runs[u] && args->finite[u];
    }
}

/* ---- blocks ---- */

/* One tile that hangs over the edge of dW: the same arithmetic on a copy of its part. */
static void edge_tile(const wgrad_job *job, plumb__tile *t, size_t m, size_t n)
{
    _Alignas(64) float copy[16 * 64];
    float *const dw = t->dw;
    const size_t ldw = t->ldw, nr = job->simd->nr;
    memset(copy, 0, job->simd->mr * nr * sizeof(float));
    for (size_t i = 0; dw != NULL && i < m; i++)
        memcpy(copy + i * nr, dw + i * ldw, n * sizeof(float));
    if (dw != NULL) t->dw = copy, t->ldw = nr;
    job->simd->tile(t);
    for (size_t i = 0; dw != NULL && i < m; i++)
        memcpy(dw + i * ldw, copy + i * nr, n * sizeof(float));
    t->dw = dw, t->ldw = ldw;
}

static wgrad_ahead ahead_of(const float *from, uint64_t stride, size_t rows, size_t columns)
{
    const size_t lines = up_to(columns * sizeof(float), 64) / 64;
    return (wgrad_ahead){(const char *)from, stride * sizeof(float), lines, 0, rows * lines};
}

static void fetch_lines(wgrad_ahead *ahead, size_t lines)
{
    lines = least(lines, ahead->left);
    ahead->left -= lines;
    for (size_t i = 0; i < lines; i++) {
        __builtin_prefetch(ahead->at + ahead->line * 64, 0, 2);
        if (++ahead->line < ahead->row_lines) continue;
        ahead->line = 0;
        ahead->at += ahead->row_bytes;
    }
}

/* Where a unit's rows of this chunk come from, and where its tiles go. */
typedef struct wgrad_chunk {
    size_t unit, k;
    uint64_t row;
    bool first, last; /* of the unit's chunks */
} wgrad_chunk;

static size_t chunk_rows(const plumb__slot *slot, uint64_t from)
{
    return slot->rows - from < CHUNK_ROWS ? (size_t)(slot->rows - from) : CHUNK_ROWS;
}

/* False at the end. Units that take no part are passed over. */
static bool next_chunk(const wgrad_job *job, wgrad_chunk *c)
{
    const plumb__slot *slots = job->args->slots;
    size_t u = c->unit;
    uint64_t from = 0;
    if (c->k > 0 && !c->last)
        from = c->row + c->k - slots[u].first_row;
    else
        u += c->k > 0; /* k is 0 before the first chunk only */
    while (u < job->args->n_slots && !job->runs[u])
        u++;
    if (u == job->args->n_slots) return false;
    const size_t k = chunk_rows(&slots[u], from);
    *c = (wgrad_chunk){u, k, slots[u].first_row + from, from == 0, from + k == slots[u].rows};
    return true;
}

static const float *a_source(const wgrad_job *job, const wgrad_place *at, const wgrad_chunk *c)
{
    return job->args->y + c->row * job->args->ldy + at->a0 * job->simd->mr;
}

static const float *b_source(const wgrad_job *job, const wgrad_chunk *c, size_t j)
{
    return job->args->x + c->row * job->args->ldx + j * job->simd->nr;
}

static size_t a_columns(const wgrad_job *job, const wgrad_place *at)
{
    const size_t mr = job->simd->mr;
    return least((size_t)job->args->out - at->a0 * mr, (at->a1 - at->a0) * mr);
}

static size_t b_columns(const wgrad_job *job, size_t j)
{
    return least((size_t)job->args->in - j * job->simd->nr, job->simd->nr);
}

static void keep_squares(const wgrad_job *job, size_t unit, size_t strip, size_t j, float *squares)
{
    double part[4] = {0}; /* four chains: one would wait for every addition */
    for (size_t l = 0; l < 16; l++) {
        part[l % 4] += (double)squares[l];
        squares[l] = 0;
    }
    const double sum = (part[0] + part[1]) + (part[2] + part[3]);
    job->cells[(unit * job->shape.strips + strip) * job->shape.b_panels + j] = sum;
}

/* All A-panels of the block against B-panel j. */
static void panel_sweep(const wgrad_job *job, wgrad_place *at, const wgrad_chunk *c, size_t j)
{
    const plumb__wgrad_args *args = job->args;
    const plumb__slot *slot = &args->slots[c->unit];
    const size_t mr = job->simd->mr, nr = job->simd->nr, n = b_columns(job, j);
    const size_t panels = at->a1 - at->a0;
    const size_t a_lines = at->next_a.left / (panels * (at->b1 - j)) + 1;
    const size_t b_lines = at->next_b.left / panels + 1;
    _Alignas(64) float squares[16] = {0};
    plumb__tile t = {.k = c->k,
                     .b = at->b,
                     .ldw = args->ldw,
                     .squares = args->norm2 != NULL ? squares : NULL,
                     .weight = slot->weight / PLUMB__PACK_SCALE};
    for (size_t p = at->a0; p < at->a1; p++) {
        float *carry = at->carry + ((p - at->a0) * BLOCK_PANELS + (j - at->b0)) * mr * nr;
        const size_t m = least((size_t)args->out - p * mr, mr);
        fetch_lines(&at->next_a, a_lines);
        fetch_lines(&at->next_b, b_lines);
        t.a = at->a + (p - at->a0) * job->shape.panel_stride;
        t.carry_in = c->first ? NULL : carry;
        t.carry_out = c->last ? NULL : carry;
        t.dw = slot->withhold || !c->last ? NULL : args->dw + p * mr * args->ldw + j * nr;
        if (m == mr && n == nr)
            job->simd->tile(&t);
        else
            edge_tile(job, &t, m, n);
        if (!c->last || t.squares == NULL) continue;
        if ((p + 1) % STRIP_PANELS == 0 || p + 1 == at->a1)
            keep_squares(job, c->unit, p / STRIP_PANELS, j, squares);
    }
}

static void run_block(const wgrad_job *job, wgrad_place *at)
{
    const plumb__wgrad_args *args = job->args;
    wgrad_chunk now = {0}, next;
    bool more = next_chunk(job, &now);
    while (more) {
        next = now;
        more = next_chunk(job, &next);
        job->simd->pack_a(a_source(job, at, &now), args->ldy, now.k, a_columns(job, at), at->a,
                          job->shape.panel_stride);
        at->next_a.left = 0;
        if (more)
            at->next_a = ahead_of(a_source(job, at, &next), args->ldy, next.k, a_columns(job, at));
        for (size_t j = at->b0; j < at->b1; j++) {
            job->simd->pack_b(b_source(job, &now, j), args->ldx, now.k, b_columns(job, j), at->b);
            at->next_b.left = 0;
            if (j + 1 < at->b1)
                at->next_b =
                    ahead_of(b_source(job, &now, j + 1), args->ldx, now.k, b_columns(job, j + 1));
            else if (more)
                at->next_b =
                    ahead_of(b_source(job, &next, at->b0), args->ldx, next.k, job->simd->nr);
            panel_sweep(job, at, &now, j);
        }
        now = next;
    }
}

/* One of the concurrent walkers: takes blocks until none is left. Its scratch is its own. */
static void runner(void *ctx, size_t task)
{
    wgrad_job *job = ctx;
    const wgrad_shape *s = &job->shape;
    float *scratch = (float *)(void *)(job->scratch + task * s->scratch_bytes);
    for (;;) {
        const size_t block = atomic_fetch_add(&job->next_block, 1);
        if (block >= job->blocks) return;
        wgrad_place at = {.b = scratch, .a = scratch + s->b_floats};
        at.carry = at.a + s->a_floats;
        at.a0 = block / job->blocks_b * s->block_a;
        at.a1 = least(at.a0 + s->block_a, s->a_panels);
        at.b0 = block % job->blocks_b * job->block_b;
        at.b1 = least(at.b0 + job->block_b, s->b_panels);
        run_block(job, &at);
    }
}

/* Width of a block in B-panels: the least modelled time of the busiest thread. Per row of a unit a
 * block costs its FMAs, and packing of its two sides at about 1/24 of an FMA's columns each. */
static void choose_blocks(wgrad_job *job, size_t threads)
{
    const wgrad_shape *s = &job->shape;
    const size_t blocks_a = up_to(s->a_panels, s->block_a) / s->block_a;
    const size_t a = least(s->a_panels, s->block_a) * job->simd->mr;
    double best = INFINITY;
    for (size_t width = BLOCK_PANELS; width >= 1; width /= 2) {
        const size_t blocks_b = up_to(s->b_panels, width) / width;
        const size_t turns = up_to(blocks_a * blocks_b, threads) / threads;
        const double b = (double)(width * job->simd->nr);
        const double cost = (double)turns * ((double)a * b + 3.0 * ((double)a + b));
        if (cost >= best) continue;
        best = cost;
        job->block_b = width, job->blocks_b = blocks_b, job->blocks = blocks_a * blocks_b;
    }
    job->runners = least(threads, job->blocks);
}

static void sum_cells(const wgrad_job *job)
{
    const plumb__wgrad_args *args = job->args;
    const size_t n = job->shape.strips * job->shape.b_panels;
    const double scale = (double)PLUMB__PACK_SCALE * (double)PLUMB__PACK_SCALE;
    for (size_t u = 0; u < args->n_slots; u++) {
        double sum = 0;
        for (size_t i = 0; job->runs[u] && i < n; i++)
            sum += job->cells[u * n + i];
        args->norm2[u] = args->finite[u] ? sum / scale : INFINITY;
    }
}

void plumb__wgrad(const plumb__wgrad_args *args, void *workspace)
{
    uint64_t longest = 0;
    for (size_t u = 0; u < args->n_slots; u++)
        longest = args->slots[u].rows > longest ? args->slots[u].rows : longest;
    wgrad_job job = {.args = args, .simd = plumb__simd_get()};
    job.shape = shape_of(job.simd, args->in, args->out, args->n_slots, longest);
    uint8_t *const base = workspace;
    job.cells = (double *)(void *)(base + job.shape.cells_at);
    job.bits = (uint32_t *)(void *)(base + job.shape.bits_at);
    job.runs = base + job.shape.runs_at;
    job.scratch = base + job.shape.scratch_at;
    size_t threads = runners_for(&job.shape, plumb_threads_count());
    if (args->workspace_bytes != 0) {
        const size_t room = args->workspace_bytes - job.shape.scratch_at;
        const size_t fit = room / job.shape.scratch_bytes;
        threads = least(threads, fit > 0 ? fit : 1);
    }
    choose_units(&job);
    choose_blocks(&job, threads);
    plumb_parallel(job.runners, runner, &job);
    if (args->norm2 != NULL) sum_cells(&job);
}
