/* The float64 references (kernels/reference.h). */
#include "kernels/reference.h"

#include <math.h>
#include <string.h>

static bool takes_part(const plumb__slot *slot)
{
    return slot->weight != 0.0f && slot->rows > 0;
}

static bool adds(const plumb__slot *slot, const bool *skip, size_t u)
{
    return takes_part(slot) && !slot->withhold && (skip == NULL || !skip[u]);
}

double plumb__ref_unit_grad(const plumb__wgrad_args *args, size_t unit, double *unit_grad)
{
    const plumb__slot *slot = &args->slots[unit];
    double norm2 = 0;
    for (uint64_t o = 0; o < args->out; o++)
        for (uint64_t i = 0; i < args->in; i++) {
            double sum = 0;
            for (uint64_t r = slot->first_row; r < slot->first_row + slot->rows; r++)
                sum += (double)args->y[r * args->ldy + o] * (double)args->x[r * args->ldx + i];
            unit_grad[o * args->in + i] = sum;
            norm2 += sum * sum;
        }
    return norm2;
}

void plumb__ref_wgrad(const plumb__wgrad_args *args, const bool *skip, double *dw, double *norm2,
                      double *scratch)
{
    for (size_t u = 0; u < args->n_slots; u++) {
        const plumb__slot *slot = &args->slots[u];
        if (norm2 != NULL) norm2[u] = 0;
        if (!takes_part(slot)) continue;
        const double square = plumb__ref_unit_grad(args, u, scratch);
        if (norm2 != NULL) norm2[u] = square;
        for (uint64_t i = 0; adds(slot, skip, u) && i < args->out * args->in; i++)
            dw[i] += (double)slot->weight * scratch[i];
    }
}

void plumb__ref_embed_grad(const plumb__embed_args *args, const bool *skip, double *dw,
                           double *norm2, double *scratch)
{
    const uint64_t total = args->vocabulary * args->width;
    for (size_t u = 0; u < args->n_slots; u++) {
        const plumb__slot *slot = &args->slots[u];
        if (norm2 != NULL) norm2[u] = 0;
        if (!takes_part(slot)) continue;
        memset(scratch, 0, total * sizeof *scratch);
        for (uint64_t r = slot->first_row; r < slot->first_row + slot->rows; r++) {
            const int32_t token = args->tokens[r];
            for (uint64_t c = 0; token >= 0 && c < args->width; c++)
                scratch[(uint64_t)token * args->width + c] += (double)args->y[r * args->ldy + c];
        }
        for (uint64_t i = 0; i < total; i++) {
            if (norm2 != NULL) norm2[u] += scratch[i] * scratch[i];
            if (adds(slot, skip, u)) dw[i] += (double)slot->weight * scratch[i];
        }
    }
}

void plumb__ref_vector_grad(const plumb__vector_args *args, const bool *skip, double *dgain,
                            double *dbias, double *norm2)
{
    for (size_t u = 0; u < args->n_slots; u++) {
        const plumb__slot *slot = &args->slots[u];
        if (norm2 != NULL) norm2[u] = 0;
        if (!takes_part(slot)) continue;
        for (uint64_t c = 0; c < args->width; c++) {
            double gain = 0, bias = 0;
            for (uint64_t r = slot->first_row; r < slot->first_row + slot->rows; r++) {
                const double y = (double)args->y[r * args->ldy + c];
                bias += y;
                if (dgain != NULL) gain += y * (double)args->xhat[r * args->ldx + c];
            }
            if (dbias == NULL) bias = 0;
            if (norm2 != NULL) norm2[u] += gain * gain + bias * bias;
            if (dgain != NULL && adds(slot, skip, u)) dgain[c] += (double)slot->weight * gain;
            if (dbias != NULL && adds(slot, skip, u)) dbias[c] += (double)slot->weight * bias;
        }
    }
}

static void ref_xent_row(const plumb__xent_args *args, uint64_t r, double *dlogits, double *loss,
                         double *entropy)
{
    const float *logits = args->logits + r * args->ld_logits;
    double max = -INFINITY, sum = 0, weighted = 0;
    for (uint64_t c = 0; c < args->vocabulary; c++)
        max = (double)logits[c] > max ? (double)logits[c] : max;
    for (uint64_t c = 0; c < args->vocabulary; c++) {
        const double d = (double)logits[c] - max;
        sum += exp(d);
        weighted += exp(d) * d;
    }
    *loss = log(sum) - ((double)logits[args->targets[r]] - max);
    *entropy = log(sum) - weighted / sum;
    for (uint64_t c = 0; c < args->vocabulary; c++) {
        const double onehot = c == (uint64_t)args->targets[r] ? 1.0 : 0.0;
        dlogits[c] = (double)args->row_scale[r] * (exp((double)logits[c] - max) / sum - onehot);
    }
}

void plumb__ref_xent(const plumb__xent_args *args, double *dlogits, double *loss, double *entropy)
{
    for (uint64_t r = 0; r < args->rows; r++) {
        double *row = dlogits + r * args->vocabulary;
        if (args->targets[r] < 0) {
            memset(row, 0, args->vocabulary * sizeof *row);
            loss[r] = entropy[r] = 0;
            continue;
        }
        ref_xent_row(args, r, row, &loss[r], &entropy[r]);
    }
}
