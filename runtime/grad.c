/* Governed weight gradients: one pass with exact norms, limits, and a second pass over the clipped
 * units alone (governance.md sections 2 to 4). dX does not pass through here: it is the caller's,
 * untouched.
 *
 * A unit is withheld in the first pass where its clip is known to be 0 (its ledger or the layer's
 * limit is used up), and where it was clipped below 1/256 earlier in this micro-batch: adding a
 * gradient and taking nearly all of it back would leave rounding of the size of what may stay. */
#include "runtime/run.h"

#include "base/half.h"

#include <math.h>

#define HARD_CLIP (1.0f / 256.0f)

typedef struct plumb__pass {
    enum { PASS_LINEAR, PASS_EMBEDDING, PASS_VECTOR } op;
    union {
        plumb__wgrad_args linear;
        plumb__embed_args embedding;
        plumb__vector_args vector;
    } args;
} plumb__pass;

/* Runs the kernel over the batch's slots; with_norms false: the correction pass. */
static void pass_run(plumb__pass *pass, plumb_run *run, bool with_norms)
{
    plumb__batch *b = &run->batch;
    double *norm2 = with_norms ? b->norm2 : NULL;
    bool *finite = with_norms ? b->finite : NULL;
#define PASS_FILL(a)                                                                               \
    (a).slots = b->slots, (a).n_slots = b->n, (a).norm2 = norm2, (a).finite = finite
    switch (pass->op) {
    case PASS_LINEAR:
        PASS_FILL(pass->args.linear);
        pass->args.linear.workspace_bytes = run->kernel_workspace_bytes;
        plumb__wgrad(&pass->args.linear, run->kernel_workspace);
        return;
    case PASS_EMBEDDING:
        PASS_FILL(pass->args.embedding);
        plumb__embed_grad(&pass->args.embedding, run->kernel_workspace);
        return;
    case PASS_VECTOR:
        PASS_FILL(pass->args.vector);
        plumb__vector_grad(&pass->args.vector, run->kernel_workspace);
        return;
    }
#undef PASS_FILL
}

/* Gathers the units that may reach this use and sets the slots of the first pass. */
static void open_units(plumb_run *run, uint32_t use, double layer_nats)
{
    plumb__batch *b = &run->batch;
    const plumb__columns *c = &run->columns;
    b->n_open = 0;
    for (size_t i = 0; i < b->n; i++) {
        const uint32_t row = b->row[i];
        const uint16_t mask = row == PLUMB__NO_ROW ? 0 : c->mask[(size_t)row * run->n_uses + use];
        b->slots[i].weight = (float)plumb__f16_value(mask);
        b->slots[i].withhold = false;
        if (mask == 0) continue;
        const size_t k = b->n_open++;
        b->open[k] = (uint32_t)i;
        b->open_group[k] = b->group[i];
        b->mask[k] = mask;
        b->unit_nats[k] = c->unit_nats[row];
        b->slots[i].withhold = layer_nats <= 0.0 || c->unit_nats[row] <= 0.0 ||
                               b->group_left[b->group[i]] <= 0.0 || b->hardest[i] < HARD_CLIP;
    }
}

/* The kernel's norms, freed of normaliser and loss scale and put into their stored form. A norm
 * beyond the stored range counts as not finite: its stored form would not be an upper bound. */
static void store_norms(plumb_run *run)
{
    plumb__batch *b = &run->batch;
    const double unscale = run->step.normaliser / run->step.loss_scale;
    const double largest = plumb__norm16_value(PLUMB__NORM16_MAX);
    for (size_t i = 0; i < b->n_open; i++) {
        const uint32_t slot = b->open[i];
        const double norm = sqrt(b->norm2[slot]) * unscale;
        const bool good = b->finite[slot] && norm <= largest;
        b->blocked[i] = !good;
        b->norm[i] = good ? plumb__norm16_round_up(norm) : PLUMB__NORM16_MAX;
        if (!good) run->non_finite = true;
    }
}

/* Sets the slots of the second pass; false when nothing is to be corrected. A blocked unit whose
 * norm was finite but too large has been added in full and is taken out here. */
static bool correct(plumb_run *run)
{
    plumb__batch *b = &run->batch;
    bool any = false;
    for (size_t i = 0; i < b->n; i++)
        b->slots[i].weight = 0.0f;
    for (size_t i = 0; i < b->n_open; i++) {
        plumb__slot *slot = &b->slots[b->open[i]];
        const double mask = plumb__f16_value(b->mask[i]), clip = plumb__f16_value(b->clip[i]);
        const bool added = !slot->withhold && b->finite[b->open[i]];
        slot->withhold = false;
        if (!b->finite[b->open[i]]) continue;
        slot->weight = (float)(added ? (clip - 1.0) * mask : clip * mask);
        any = any || slot->weight != 0.0f;
    }
    return any;
}

static void govern(plumb_run *run, const plumb_layer *layer, uint32_t use, plumb__pass *pass)
{
    const uint32_t row = layer->first_use + use;
    run->batch.visited[row] = 1;
    const double layer_nats = plumb__limits_layer(run, row);
    plumb__limits_groups(run, row);
    open_units(run, row, layer_nats);
    if (run->batch.n_open == 0) return;
    pass_run(pass, run, true);
    store_norms(run);
    plumb__limits_first_nu(run, row);
    plumb__limits_apply(run, row, layer_nats);
    if (correct(run)) pass_run(pass, run, false);
}

/* ---- checks of what the caller hands over ---- */

/* A tied weight is a linear layer at one use and a table at another, whatever kind it was added as.
 */
static bool kind_fits(const plumb_layer *layer, plumb_layer_kind kind)
{
    const plumb_layer_kind has = layer->desc.kind;
    if (has == kind) return true;
    return layer->desc.n_uses > 1 && (has == PLUMB_LINEAR || has == PLUMB_EMBEDDING) &&
           (kind == PLUMB_LINEAR || kind == PLUMB_EMBEDDING);
}

static plumb_status check_call(plumb_run *run, const char *function, const plumb_layer *layer,
                               uint32_t use, plumb_layer_kind kind, plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, function, PLUMB__BATCH, err));
    if (run->batch.by_entropy && !run->batch.has_loss)
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "%s: a unit's depth profile depends on its entropy: call "
                           "plumb_loss_xent, or plumb_loss_weights and plumb_loss_report, first",
                           function);
    if (layer->run != run)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s: layer \"%s\" belongs to another run",
                           function, layer->name);
    if (!kind_fits(layer, kind))
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s: layer \"%s\" is of kind %s", function,
                           layer->name, plumb__layer_kind_name(layer->desc.kind));
    if (use >= layer->desc.n_uses)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "%s: layer \"%s\" has %u uses, use %u was named", function, layer->name,
                           layer->desc.n_uses, use);
    if (run->batch.visited[layer->first_use + use])
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "%s: layer \"%s\" use %u was visited before in this micro-batch",
                           function, layer->name, use);
    return PLUMB_OK;
}

static plumb_status check_matrix(const char *function, const plumb_layer *layer, const char *name,
                                 const plumb_matrix *m, uint64_t rows, uint64_t cols,
                                 plumb_error *err)
{
    if (m->dtype != PLUMB_F32)
        return plumb__fail(err, PLUMB_ERR_UNSUPPORTED,
                           "%s: layer \"%s\": %s has dtype %d, the CPU takes float32", function,
                           layer->name, name, (int)m->dtype);
    if (m->rows != rows || m->cols != cols || m->stride < cols || !m->data)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "%s: layer \"%s\": %s is %llu x %llu with stride %llu%s, expected "
                           "%llu x %llu",
                           function, layer->name, name, (unsigned long long)m->rows,
                           (unsigned long long)m->cols, (unsigned long long)m->stride,
                           m->data ? "" : " and no data", (unsigned long long)rows,
                           (unsigned long long)cols);
    return PLUMB_OK;
}

/* ---- the calls ---- */

plumb_status plumb_grad_linear(plumb_run *run, plumb_layer *layer, uint32_t use,
                               const plumb_matrix *x, const plumb_matrix *y, const plumb_matrix *dw,
                               plumb_stream stream, plumb_error *err)
{
    static const char me[] = "plumb_grad_linear";
    (void)stream;
    PLUMB_TRY(check_call(run, me, layer, use, PLUMB_LINEAR, err));
    const uint64_t out = layer->desc.rows, in = layer->desc.cols, rows = run->batch.total_rows;
    PLUMB_TRY(check_matrix(me, layer, "X", x, rows, in, err));
    PLUMB_TRY(check_matrix(me, layer, "Y", y, rows, out, err));
    PLUMB_TRY(check_matrix(me, layer, "dW", dw, out, in, err));
    plumb__pass pass = {.op = PASS_LINEAR,
                        .args.linear = {.in = in,
                                        .out = out,
                                        .x = x->data,
                                        .ldx = x->stride,
                                        .y = y->data,
                                        .ldy = y->stride,
                                        .dw = dw->data,
                                        .ldw = dw->stride}};
    govern(run, layer, use, &pass);
    return PLUMB_OK;
}

static plumb_status check_tokens(const plumb_run *run, const plumb_layer *layer,
                                 const int32_t *tokens, plumb_error *err)
{
    for (uint64_t r = 0; r < run->batch.total_rows; r++)
        if (tokens[r] < -1 || (int64_t)tokens[r] >= (int64_t)layer->desc.rows)
            return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                               "plumb_grad_embedding: layer \"%s\": row %llu has token %d, the "
                               "table has %llu rows",
                               layer->name, (unsigned long long)r, tokens[r],
                               (unsigned long long)layer->desc.rows);
    return PLUMB_OK;
}

plumb_status plumb_grad_embedding(plumb_run *run, plumb_layer *layer, uint32_t use,
                                  const int32_t *tokens, const plumb_matrix *y,
                                  const plumb_matrix *dw, plumb_stream stream, plumb_error *err)
{
    static const char me[] = "plumb_grad_embedding";
    (void)stream;
    PLUMB_TRY(check_call(run, me, layer, use, PLUMB_EMBEDDING, err));
    const uint64_t vocabulary = layer->desc.rows, width = layer->desc.cols;
    PLUMB_TRY(check_matrix(me, layer, "Y", y, run->batch.total_rows, width, err));
    PLUMB_TRY(check_matrix(me, layer, "dW", dw, vocabulary, width, err));
    PLUMB_TRY(check_tokens(run, layer, tokens, err));
    plumb__pass pass = {.op = PASS_EMBEDDING,
                        .args.embedding = {.vocabulary = vocabulary,
                                           .width = width,
                                           .tokens = tokens,
                                           .y = y->data,
                                           .ldy = y->stride,
                                           .dw = dw->data,
                                           .ldw = dw->stride}};
    govern(run, layer, use, &pass);
    return PLUMB_OK;
}

plumb_status plumb_grad_norm(plumb_run *run, plumb_layer *layer, uint32_t use,
                             const plumb_matrix *xhat, const plumb_matrix *y, float *dgain,
                             float *dbias, plumb_stream stream, plumb_error *err)
{
    static const char me[] = "plumb_grad_norm";
    (void)stream;
    PLUMB_TRY(check_call(run, me, layer, use, PLUMB_NORM, err));
    const uint64_t width = layer->desc.cols, rows = run->batch.total_rows;
    PLUMB_TRY(check_matrix(me, layer, "xhat", xhat, rows, width, err));
    PLUMB_TRY(check_matrix(me, layer, "Y", y, rows, width, err));
    if ((dbias != NULL) != layer->desc.has_bias)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s: layer \"%s\" %s, dbias is %s", me,
                           layer->name, layer->desc.has_bias ? "has a bias" : "has no bias",
                           dbias ? "given" : "NULL");
    plumb__pass pass = {.op = PASS_VECTOR,
                        .args.vector = {.width = width,
                                        .xhat = xhat->data,
                                        .ldx = xhat->stride,
                                        .y = y->data,
                                        .ldy = y->stride,
                                        .dgain = dgain,
                                        .dbias = dbias}};
    govern(run, layer, use, &pass);
    return PLUMB_OK;
}

plumb_status plumb_grad_bias(plumb_run *run, plumb_layer *layer, uint32_t use,
                             const plumb_matrix *y, float *db, plumb_stream stream,
                             plumb_error *err)
{
    static const char me[] = "plumb_grad_bias";
    (void)stream;
    PLUMB_TRY(check_call(run, me, layer, use, PLUMB_BIAS, err));
    PLUMB_TRY(check_matrix(me, layer, "Y", y, run->batch.total_rows, layer->desc.cols, err));
    plumb__pass pass = {
        .op = PASS_VECTOR,
        .args.vector = {.width = layer->desc.cols, .y = y->data, .ldy = y->stride, .dbias = db}};
    govern(run, layer, use, &pass);
    return PLUMB_OK;
}
