/* Buffers of a step: one allocation, cut once. */
#include "lm_model.h"

#include "runtime/plumb.h"

#include <stdlib.h>
#include <string.h>

/* Hands out pieces of an arena; with a NULL arena it only counts. */
typedef struct cutter {
    real *arena;
    size_t used;
} cutter;

static real *piece(cutter *c, size_t reals)
{
    real *at = c->arena ? c->arena + c->used : NULL;
    c->used += (reals + 15) / 16 * 16;
    return at;
}

static void cut_block(cutter *c, lm_saved *s, size_t rows, size_t width, size_t heads)
{
    s->xhat1 = piece(c, rows * width);
    s->in1 = piece(c, rows * width);
    s->rstd1 = piece(c, rows);
    s->qkv = piece(c, rows * 3 * width);
    s->lse = piece(c, rows * heads);
    s->att = piece(c, rows * width);
    s->xhat2 = piece(c, rows * width);
    s->in2 = piece(c, rows * width);
    s->rstd2 = piece(c, rows);
    s->act = piece(c, rows * 4 * width);
    s->slope = piece(c, rows * 4 * width);
}

static void cut_all(cutter *c, lm_work *work, const lm_shape *shape)
{
    const size_t rows = work->max_rows, width = shape->width;
    for (size_t b = 0; b < shape->blocks; b++)
        cut_block(c, &work->saved[b], rows, width, shape->heads);
    real **const wide[] = {
        &work->x,           &work->xhat, &work->in_head, &work->d_stream[0], &work->d_stream[1],
        &work->d_stream[2], &work->d_in, &work->d_in1,   &work->d_in2,       &work->d_att};
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        *wide[i] = piece(c, rows * width);
    work->rstd = piece(c, rows);
    work->row_loss = piece(c, rows);
    work->logits = piece(c, rows * LM_VOCABULARY);
    work->d_up = piece(c, rows * 4 * width);
    work->d_qkv = piece(c, rows * 3 * width);
    work->scratch = piece(c, work->n_scratch * work->scratch_each);
}

bool lm_work_init(lm_work *work, const lm_model *model, size_t max_rows, size_t max_units)
{
    const lm_shape *shape = &model->shape;
    memset(work, 0, sizeof *work);
    work->max_rows = max_rows;
    work->max_units = max_units;
    work->n_scratch = plumb_threads_count();
    work->scratch_each = lm_head_scratch(shape->context, shape->width / shape->heads);
    work->scratch_each = (work->scratch_each + 15) / 16 * 16;
    cutter count = {0};
    cut_all(&count, work, shape);
    work->busy = malloc(work->n_scratch * sizeof *work->busy);
    if (!work->busy || posix_memalign((void **)&work->arena, 64, count.used * sizeof(real)) != 0) {
        free(work->busy);
        memset(work, 0, sizeof *work);
        return false;
    }
    for (size_t i = 0; i < work->n_scratch; i++)
        atomic_flag_clear(&work->busy[i]);
    cutter real_cut = {.arena = work->arena};
    cut_all(&real_cut, work, shape);
    return true;
}

void lm_work_free(lm_work *work)
{
    free(work->busy);
    free(work->arena);
    memset(work, 0, sizeof *work);
}
