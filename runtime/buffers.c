/* All memory of the governed step, taken at start and counted, so that plumb_run_memory is honest
 * and the step itself allocates nothing (R4). */
#include "runtime/run.h"

#include "base/alloc.h"

#include <string.h>

/* plumb__alloc that adds to the run's account of its workspaces. */
static plumb_status take(plumb_run *run, void *out_pointer, size_t count, size_t size,
                         plumb_error *err)
{
    PLUMB_TRY(plumb__alloc(out_pointer, count, size, "governed step", err));
    run->workspace_bytes += (uint64_t)count * size;
    return PLUMB_OK;
}

#define TAKE(field, count) PLUMB_TRY(take(run, &(field), (count), sizeof *(field), err))

static void columns_free(plumb__columns *c)
{
    void *const owned[] = {c->example,     c->segment,    c->micro_batch, c->rows,    c->weight,
                           c->loss,        c->entropy,    c->decision,    c->reason,  c->checked,
                           c->band,        c->profile,    c->norm,        c->mask,    c->clip,
                           c->norm_kind,   c->unit_nats,  c->run_nats,    c->group,   c->group_used,
                           c->group_local, c->group_seen, c->group_table, c->group_of};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        plumb__free(owned[i]);
    *c = (plumb__columns){0};
}

static plumb_status columns_create(plumb_run *run, uint32_t units, plumb_error *err)
{
    plumb__columns *c = &run->columns;
    const size_t edges = (size_t)units * run->n_uses;
    c->capacity = units;
    TAKE(c->example, units);
    TAKE(c->segment, units);
    TAKE(c->micro_batch, units);
    TAKE(c->rows, units);
    TAKE(c->weight, units);
    TAKE(c->loss, units);
    TAKE(c->entropy, units);
    TAKE(c->decision, units);
    TAKE(c->reason, units);
    TAKE(c->checked, units);
    TAKE(c->band, units);
    TAKE(c->profile, units);
    TAKE(c->norm, edges);
    TAKE(c->mask, edges);
    TAKE(c->clip, edges);
    TAKE(c->norm_kind, edges);
    TAKE(c->unit_nats, units);
    TAKE(c->run_nats, units);
    TAKE(c->group, units);
    TAKE(c->group_used, edges);
    TAKE(c->group_local, units);
    TAKE(c->group_seen, units);
    for (c->table_slots = 2; c->table_slots < 2 * units;)
        c->table_slots *= 2;
    TAKE(c->group_table, c->table_slots);
    TAKE(c->group_of, c->table_slots);
    return PLUMB_OK;
}

plumb_status plumb__columns_reserve(plumb_run *run, uint32_t units, plumb_error *err)
{
    if (units <= run->columns.capacity) return PLUMB_OK;
    const uint64_t before = run->workspace_bytes;
    plumb__columns old = run->columns;
    plumb__account *account = NULL;
    PLUMB_TRY(
        plumb__account_create(run->uses, run->n_uses, run->info.records, units, &account, err));
    run->columns = (plumb__columns){0};
    const plumb_status status = columns_create(run, units, err);
    if (status != PLUMB_OK) {
        columns_free(&run->columns);
        plumb__account_free(account);
        run->columns = old;
        run->workspace_bytes = before;
        return status;
    }
    columns_free(&old);
    plumb__account_free(run->account);
    run->account = account;
    return PLUMB_OK;
}

static plumb_status batch_create(plumb_run *run, plumb_error *err)
{
    plumb__batch *b = &run->batch;
    const size_t units = run->max_units;
    TAKE(b->slots, units);
    TAKE(b->row, units);
    TAKE(b->decision, units);
    TAKE(b->reason, units);
    TAKE(b->hardest, units);
    TAKE(b->norm2, units);
    TAKE(b->finite, units);
    TAKE(b->claimed, run->max_rows);
    TAKE(b->row_scale, run->max_rows);
    TAKE(b->row_loss, run->max_rows);
    TAKE(b->row_entropy, run->max_rows);
    TAKE(b->group, units);
    TAKE(b->group_row, units);
    TAKE(b->group_left, units);
    TAKE(b->group_used, units);
    TAKE(b->open, units);
    TAKE(b->open_group, units);
    TAKE(b->norm, units);
    TAKE(b->mask, units);
    TAKE(b->clip, units);
    TAKE(b->blocked, units);
    TAKE(b->limit, units);
    TAKE(b->unit_nats, units);
    TAKE(b->values, units);
    TAKE(b->visited, run->n_uses);
    return PLUMB_OK;
}

static plumb_status uses_create(plumb_run *run, plumb_error *err)
{
    TAKE(run->nu, run->n_layers);
    TAKE(run->live, run->n_layers);
    TAKE(run->nu_row, run->n_uses);
    TAKE(run->budget, run->n_uses);
    TAKE(run->spent, run->n_uses);
    TAKE(run->micro_spent, run->n_uses);
    TAKE(run->contribution, run->n_uses);
    TAKE(run->live_use, run->n_uses);
    TAKE(run->stats, run->n_uses);
    return PLUMB_OK;
}

/* The largest workspace that any pass over this layer wants; a tied weight has passes of both
 * kinds. */
static size_t layer_workspace(const plumb_run *run, const plumb_layer *layer)
{
    const plumb_layer_desc *d = &layer->desc;
    if (d->kind == PLUMB_NORM || d->kind == PLUMB_BIAS)
        return plumb__vector_workspace(d->cols, run->max_units, run->max_rows);
    size_t linear = 0, table = 0;
    if (d->kind == PLUMB_LINEAR || d->n_uses > 1)
        linear = plumb__wgrad_workspace(d->cols, d->rows, run->max_units, run->max_rows);
    if (d->kind == PLUMB_EMBEDDING || d->n_uses > 1)
        table = plumb__embed_workspace(d->rows, d->cols, run->max_units, run->max_rows);
    return linear > table ? linear : table;
}

static plumb_status workspaces_create(plumb_run *run, plumb_error *err)
{
    size_t kernel = 64;
    for (size_t i = 0; i < run->n_layers; i++) {
        const size_t wanted = layer_workspace(run, run->layers[i]);
        if (wanted > kernel) kernel = wanted;
    }
    run->kernel_workspace_bytes = kernel;
    PLUMB_TRY(take(run, &run->kernel_workspace, kernel, 1, err));
    return take(run, &run->budget_workspace,
                plumb__budget_workspace(run->max_units, run->max_units), 1, err);
}

plumb_status plumb__buffers_create(plumb_run *run, plumb_error *err)
{
    PLUMB_TRY(plumb__alloc(&run->ledger, (size_t)run->info.records * run->n_uses,
                           sizeof *run->ledger, "ledger", err));
    PLUMB_TRY(plumb__alloc(&run->ema2, run->n_layers, sizeof *run->ema2, "reference scales", err));
    for (size_t i = 0; i < run->n_layers; i++)
        run->ema2[i] = -1.0;
    PLUMB_TRY(uses_create(run, err));
    PLUMB_TRY(batch_create(run, err));
    PLUMB_TRY(workspaces_create(run, err));
    return plumb__columns_reserve(run, run->max_units, err);
}

void plumb__buffers_free(plumb_run *run)
{
    plumb__batch *b = &run->batch;
    void *const owned[] = {run->ledger,
                           run->ema2,
                           run->nu,
                           run->live,
                           run->nu_row,
                           run->budget,
                           run->spent,
                           run->micro_spent,
                           run->contribution,
                           run->live_use,
                           run->stats,
                           b->slots,
                           b->row,
                           b->decision,
                           b->reason,
                           b->hardest,
                           b->norm2,
                           b->finite,
                           b->claimed,
                           b->row_scale,
                           b->row_loss,
                           b->row_entropy,
                           b->group,
                           b->group_row,
                           b->group_left,
                           b->group_used,
                           b->open,
                           b->open_group,
                           b->norm,
                           b->mask,
                           b->clip,
                           b->blocked,
                           b->limit,
                           b->unit_nats,
                           b->values,
                           b->visited,
                           run->kernel_workspace,
                           run->budget_workspace};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        plumb__free(owned[i]);
    columns_free(&run->columns);
    plumb__account_free(run->account);
}
