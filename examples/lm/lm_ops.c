/* Row operations of the model, written so that the compiler vectorises them (-O3, omp simd): layer
 * norm, GELU, bias, softmax cross-entropy, AdamW. Compiled once per instruction set.
 *
 * GELU is the tanh form of GPT-2, 0.5 z (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))), computed as
 * z * sigmoid(2u); its slope comes out of the same exponential and is kept for the backward pass.
 * */
#include "lm_isa.h"
#include "lm_math.h"

#define LM_NORM_EPS ((real)1e-5)

static void norm_row(size_t n, real *restrict x, const real *restrict bias,
                     const real *restrict gain, const real *restrict bias_n, real *restrict xhat,
                     real *restrict y, real *rstd)
{
    if (bias) {
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            x[i] += bias[i];
    }
    real sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    const real mean = sum / (real)n;
#pragma omp simd reduction(+ : squares)
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    const real scale = 1 / LM_SQRT(squares / (real)n + LM_NORM_EPS);
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        xhat[i] = (x[i] - mean) * scale;
        y[i] = gain[i] * xhat[i] + bias_n[i];
    }
    *rstd = scale;
}

static void norm(size_t rows, size_t width, real *x, const real *bias, const real *gain,
                 const real *bias_n, real *xhat, real *y, real *rstd)
{
    for (size_t r = 0; r < rows; r++)
        norm_row(width, x + r * width, bias, gain, bias_n, xhat + r * width, y + r * width,
                 rstd + r);
}

static void norm_back_row(size_t n, const real *restrict dy, const real *restrict xhat,
                          const real *restrict gain, real rstd, const real *restrict in,
                          real *restrict out)
{
    real sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
    for (size_t i = 0; i < n; i++) {
        sum += dy[i] * gain[i];
        dot += dy[i] * gain[i] * xhat[i];
    }
    sum /= (real)n;
    dot /= (real)n;
    if (!in) {
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            out[i] = rstd * (dy[i] * gain[i] - sum - xhat[i] * dot);
        return;
    }
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        out[i] = in[i] + rstd * (dy[i] * gain[i] - sum - xhat[i] * dot);
}

static void norm_back(size_t rows, size_t width, const real *dy, const real *xhat, const real *gain,
                      const real *rstd, const real *in, real *out)
{
    for (size_t r = 0; r < rows; r++)
        norm_back_row(width, dy + r * width, xhat + r * width, gain, rstd[r],
                      in ? in + r * width : NULL, out + r * width);
}

static void add_bias(size_t rows, size_t width, real *restrict x, const real *restrict bias)
{
    for (size_t r = 0; r < rows; r++) {
        real *restrict row = x + r * width;
#pragma omp simd
        for (size_t i = 0; i < width; i++)
            row[i] += bias[i];
    }
}

static void gelu_row(size_t n, real *restrict z, const real *restrict bias, real *restrict slope)
{
    const real k = (real)1.5957691216057308; /* 2 sqrt(2/pi) */
    const real cubic = (real)0.044715;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        const real x = z[i] + bias[i];
        const real xx = x * x;
        const real s = 1 / (1 + lm_exp(-k * x * (1 + cubic * xx)));
        slope[i] = s + x * s * (1 - s) * k * (1 + 3 * cubic * xx);
        z[i] = x * s;
    }
}

static void gelu(size_t rows, size_t width, real *z, const real *bias, real *slope)
{
    for (size_t r = 0; r < rows; r++)
        gelu_row(width, z + r * width, bias, slope + r * width);
}

static void multiply(size_t n, real *restrict a, const real *restrict b)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        a[i] *= b[i];
}

static void add(size_t n, real *restrict a, const real *restrict b)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        a[i] += b[i];
}

static void column_sums(size_t rows, size_t width, const real *restrict y,
                        const real *restrict xhat, size_t ld, real *restrict sum_y,
                        real *restrict sum_xhat_y)
{
    for (size_t r = 0; r < rows; r++) {
        const real *restrict row = y + r * ld;
#pragma omp simd
        for (size_t i = 0; i < width; i++)
            sum_y[i] += row[i];
        if (!xhat) continue;
        const real *restrict factor = xhat + r * ld;
#pragma omp simd
        for (size_t i = 0; i < width; i++)
            sum_xhat_y[i] += factor[i] * row[i];
    }
}

static real xent_row(size_t n, real *restrict logits, size_t target, real scale)
{
    const real top = lm_largest(logits, n), at_target = logits[target];
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) {
        logits[i] = lm_exp(logits[i] - top);
        sum += logits[i];
    }
    const real factor = scale / sum;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        logits[i] *= factor;
    logits[target] -= scale;
    return LM_LOG(sum) + top - at_target;
}

static void adamw(size_t n, real *restrict p, real *restrict g, real *restrict m, real *restrict v,
                  const lm_adamw_step *s)
{
    const real keep = 1 - s->lr * s->decay, rate = s->lr / s->bias1;
    const real b1 = s->beta1, b2 = s->beta2, eps = s->eps, scale = s->scale;
    const real root = 1 / LM_SQRT(s->bias2);
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        const real grad = g[i] * scale;
        g[i] = 0;
        m[i] = b1 * m[i] + (1 - b1) * grad;
        v[i] = b2 * v[i] + (1 - b2) * grad * grad;
        p[i] = p[i] * keep - rate * m[i] / (LM_SQRT(v[i]) * root + eps);
    }
}

static double sum_squares(size_t n, const real *x)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

const lm_ops LM_PASTE(lm_ops, LM_ISA) = {
    .name = LM_TEXT(LM_ISA),
    .norm = norm,
    .norm_back = norm_back,
    .add_bias = add_bias,
    .gelu = gelu,
    .multiply = multiply,
    .add = add,
    .column_sums = column_sums,
    .xent_row = xent_row,
    .head_forward = LM_FOR_ISA(lm_head_forward),
    .head_back = LM_FOR_ISA(lm_head_back),
    .adamw = adamw,
    .sum_squares = sum_squares,
};
