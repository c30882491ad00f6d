/* exp in float32 that compilers can vectorise; float64 takes libm's.
 *
 * exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln(2)/2; exp(r) = 1 + r + r^2 q(r) with q of
 * degree 4 fitted for the least relative error (4e-9 before rounding, below 2e-7 with it). */
#ifndef LM_MATH_H
#define LM_MATH_H

#include "lm_real.h"

#include <math.h>

#ifdef LM_DOUBLE
#define LM_SQRT sqrt
#define LM_LOG log
#define LM_RSQRT_EPS 1e-5
static inline real lm_exp(real x)
{
    return exp(x);
}
#else
#define LM_SQRT sqrtf
#define LM_LOG logf

/* Where float32 overflows it gives inf-like 2^127 (callers subtract their maximum first); NaN
 * stays. */
static inline real lm_exp(real x)
{
    union {
        float f;
        uint32_t u;
    } shifted, power;
    const float low = x < -87.0f ? -87.0f : x;
    const float in = low > 88.0f ? 88.0f : low;
    /* 1.5 * 2^23 moves the rounded quotient into the low bits of the mantissa. */
    shifted.f = in * 1.44269504f + 12582912.0f;
    const float n = shifted.f - 12582912.0f;
    float r = in - n * 0.693145752f; /* the upper bits of ln 2: n * this is exact */
    r -= n * 1.42860677e-06f;
    float q = 0.0013811661629f;
    q = q * r + 0.0083701349795f;
    q = q * r + 0.0416685268283f;
    q = q * r + 0.1666650921106f;
    q = q * r + 0.4999999403954f;
    power.u = (shifted.u - UINT32_C(0x4B400000) + 127u) << 23;
    return (1.0f + (r + r * r * q)) * power.f;
}
#endif

#define LM_LARGEST_LANES 16u

/* The largest of n >= 1 numbers, NaN aside, in lanes: compilers may not reorder a plain maximum. */
static inline real lm_largest(const real *x, size_t n)
{
    real lane[LM_LARGEST_LANES];
    size_t i = 0;
    for (size_t l = 0; l < LM_LARGEST_LANES; l++)
        lane[l] = x[0];
    for (; i + LM_LARGEST_LANES <= n; i += LM_LARGEST_LANES) {
#pragma omp simd
        for (size_t l = 0; l < LM_LARGEST_LANES; l++)
            lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    }
    for (; i < n; i++)
        lane[0] = x[i] > lane[0] ? x[i] : lane[0];
    for (size_t l = 1; l < LM_LARGEST_LANES; l++)
        lane[0] = lane[l] > lane[0] ? lane[l] : lane[0];
    return lane[0];
}

#endif
