/* The loss of the current micro-batch: the fused one, or row weights for a loss of the caller's
 * own. The record's weight multiplies the loss here, before any spend is measured; masks and clips
 * act later, on dW alone. */
#include "runtime/run.h"

#include "kernels/xent.h"

#include <math.h>
#include <string.h>

void plumb_xent_io_default(plumb_xent_io *io)
{
    *io = (plumb_xent_io){.size = sizeof *io, .version = PLUMB_STRUCT_VERSION};
}

static plumb_status check_io(const plumb_run *run, const plumb_xent_io *io, plumb_error *err)
{
    const plumb_matrix *l = &io->logits, *d = &io->dlogits;
    const uint64_t rows = run->batch.total_rows;
    if (l->dtype != PLUMB_F32 || d->dtype != PLUMB_F32)
        return plumb__fail(err, PLUMB_ERR_UNSUPPORTED,
                           "plumb_loss_xent: logits and dlogits must be float32 on the CPU");
    if (l->rows != rows || d->rows != rows || l->cols == 0 || l->cols != d->cols ||
        l->cols > INT32_MAX || l->stride < l->cols || d->stride < d->cols || !l->data || !d->data)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "plumb_loss_xent: logits are %llu x %llu, dlogits %llu x %llu; both "
                           "must have the micro-batch's %llu rows and the same columns",
                           (unsigned long long)l->rows, (unsigned long long)l->cols,
                           (unsigned long long)d->rows, (unsigned long long)d->cols,
                           (unsigned long long)rows);
    if (!io->targets) return plumb__fail(err, PLUMB_ERR_ARGUMENT, "plumb_loss_xent: no targets");
    for (uint64_t r = 0; r < rows; r++)
        if (io->targets[r] < -1 || (uint64_t)(int64_t)(io->targets[r] + 1) > l->cols)
            return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                               "plumb_loss_xent: row %llu has target %d, the logits have %llu "
                               "columns",
                               (unsigned long long)r, io->targets[r], (unsigned long long)l->cols);
    return PLUMB_OK;
}

/* Fills out[R] with factor * weight of the row's unit, 0 for rows of no unit. */
static void fill_rows(const plumb_run *run, double factor, float *out)
{
    const plumb__batch *b = &run->batch;
    memset(out, 0, b->total_rows * sizeof *out);
    for (size_t i = 0; i < b->n; i++) {
        if (b->row[i] == PLUMB__NO_ROW) continue;
        const float value = (float)((double)run->columns.weight[b->row[i]] * factor);
        for (uint64_t r = 0; r < b->slots[i].rows; r++)
            out[b->slots[i].first_row + r] = value;
    }
}

/* Puts a unit's loss and entropy into the record. What is not finite is recorded as infinite, never
 * as NaN, and counts as a non-finite unit if it takes part. Returns its weighted loss, 0 then. */
static double record_loss(plumb_run *run, uint32_t row, double loss, double entropy)
{
    plumb__columns *c = &run->columns;
    const double weight = (double)c->weight[row];
    const bool finite = isfinite((float)loss);
    c->loss[row] = finite ? (float)loss : INFINITY;
    c->entropy[row] = isfinite((float)entropy) ? (float)entropy : INFINITY;
    if (!finite && weight > 0.0) run->non_finite = true;
    return finite ? weight * loss : 0.0;
}

/* Entropy bands are known: units whose profile depends on them get the masks that are enforced. */
static void settle_bands(plumb_run *run)
{
    const plumb__batch *b = &run->batch;
    plumb__columns *c = &run->columns;
    for (size_t i = 0; i < b->n; i++) {
        const uint32_t row = b->row[i];
        if (row == PLUMB__NO_ROW) continue;
        c->band[row] = (uint8_t)plumb__policy_band(&run->policy, c->entropy[row]);
        if (!plumb__masks_by_entropy(&run->masks, c->profile[row])) continue;
        plumb__masks_of(&run->masks, c->profile[row], (plumb_band)c->band[row],
                        c->mask + (size_t)row * run->n_uses);
    }
}

/* A second loss would change masks that gradients may have passed already. */
static plumb_status check_once(const plumb_run *run, const char *function, plumb_error *err)
{
    if (!run->batch.by_entropy || !run->batch.has_loss) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_STATE,
                       "%s: micro-batch %u of step %llu has its loss already, and masks that "
                       "depend on its entropy",
                       function, run->micro_batches - 1, (unsigned long long)run->step.step);
}

static double sum_unit(plumb_run *run, const plumb__xent_args *args, size_t i)
{
    const plumb__slot *slot = &run->batch.slots[i];
    double loss = 0.0, entropy = 0.0;
    uint64_t counted = 0;
    for (uint64_t r = slot->first_row; r < slot->first_row + slot->rows; r++) {
        if (args->targets[r] < 0) continue;
        loss += (double)args->row_loss[r];
        entropy += (double)args->row_entropy[r];
        counted++;
    }
    return record_loss(run, run->batch.row[i], loss, counted ? entropy / (double)counted : 0.0);
}

/* Rows of no unit have no loss: the kernel computed one, the caller must not see it. */
static void clear_padding(plumb_run *run, const plumb_xent_io *io)
{
    uint8_t *claimed = run->batch.claimed;
    memset(claimed, 0, run->batch.total_rows);
    for (size_t i = 0; i < run->batch.n; i++)
        memset(claimed + run->batch.slots[i].first_row, 1, run->batch.slots[i].rows);
    for (uint64_t r = 0; r < run->batch.total_rows; r++) {
        if (claimed[r]) continue;
        if (io->row_loss) io->row_loss[r] = 0.0f;
        if (io->row_entropy) io->row_entropy[r] = 0.0f;
    }
}

plumb_status plumb_loss_xent(plumb_run *run, plumb_xent_io *io, plumb_stream stream,
                             plumb_error *err)
{
    (void)stream;
    PLUMB_TRY(plumb__run_expect(run, "plumb_loss_xent", PLUMB__BATCH, err));
    PLUMB_TRY(plumb__struct_check("plumb_xent_io", io->size, io->version, sizeof *io, err));
    PLUMB_TRY(check_io(run, io, err));
    PLUMB_TRY(check_once(run, "plumb_loss_xent", err));
    plumb__batch *b = &run->batch;
    fill_rows(run, run->step.loss_scale / run->step.normaliser, b->row_scale);
    const plumb__xent_args args = {
        .rows = b->total_rows,
        .vocabulary = io->logits.cols,
        .logits = io->logits.data,
        .ld_logits = io->logits.stride,
        .dlogits = io->dlogits.data,
        .ld_dlogits = io->dlogits.stride,
        .targets = io->targets,
        .row_scale = b->row_scale,
        .row_loss = io->row_loss ? io->row_loss : b->row_loss,
        .row_entropy = io->row_entropy ? io->row_entropy : b->row_entropy,
    };
    plumb__xent(&args);
    double loss = 0.0;
    for (size_t i = 0; i < b->n; i++)
        if (b->row[i] != PLUMB__NO_ROW) loss += sum_unit(run, &args, i);
    if (io->row_loss || io->row_entropy) clear_padding(run, io);
    io->loss = loss / run->step.normaliser;
    settle_bands(run);
    b->has_loss = true;
    return PLUMB_OK;
}

plumb_status plumb_loss_weights(plumb_run *run, float *row_weights, plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, "plumb_loss_weights", PLUMB__BATCH, err));
    fill_rows(run, 1.0, row_weights);
    return PLUMB_OK;
}

static plumb_status check_entropies(const plumb_run *run, const float *unit_entropy,
                                    plumb_error *err)
{
    if (unit_entropy || !run->batch.by_entropy) return PLUMB_OK;
    size_t i = 0;
    while (run->batch.row[i] == PLUMB__NO_ROW ||
           !plumb__masks_by_entropy(&run->masks, run->columns.profile[run->batch.row[i]]))
        i++;
    plumb_record record;
    plumb_record_default(&record);
    const uint32_t number = (uint32_t)run->columns.example[run->batch.row[i]];
    PLUMB_TRY(plumb_manifest_record(run->manifest, number, &record, err));
    return plumb__fail(
        err, PLUMB_ERR_ARGUMENT,
        "plumb_loss_report: unit %zu (id \"%.100s\") has a depth profile by entropy: "
        "hand over unit_entropy",
        i, record.id);
}

plumb_status plumb_loss_report(plumb_run *run, const float *unit_loss, const float *unit_entropy,
                               plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, "plumb_loss_report", PLUMB__BATCH, err));
    PLUMB_TRY(check_once(run, "plumb_loss_report", err));
    PLUMB_TRY(check_entropies(run, unit_entropy, err));
    for (size_t i = 0; i < run->batch.n; i++) {
        if (run->batch.row[i] == PLUMB__NO_ROW) continue;
        const double entropy = unit_entropy ? (double)unit_entropy[i] : 0.0;
        (void)record_loss(run, run->batch.row[i], (double)unit_loss[i], entropy);
    }
    if (unit_entropy) settle_bands(run);
    run->batch.has_loss = true;
    return PLUMB_OK;
}
