/* The number type of the model. The program computes in float32; the tests compile the same sources
 * in float64 (LM_DOUBLE), where finite differences are sharp enough to check every derivative. The
 * names of the float64 build differ, so that one test can hold both. */
#ifndef LM_REAL_H
#define LM_REAL_H

#include <cblas.h>
#include <stddef.h>
#include <stdint.h>

#ifdef LM_DOUBLE
typedef double real;
#define LM_GEMM cblas_dgemm
#define lm_adamw lm64_adamw
#define lm_attention_back lm64_attention_back
#define lm_attention_forward lm64_attention_forward
#define lm_backward lm64_backward
#define lm_block_backward lm64_block_backward
#define lm_forward lm64_forward
#define lm_loss_plain lm64_loss_plain
#define lm_model_find lm64_model_find
#define lm_model_free lm64_model_free
#define lm_model_init lm64_model_init
#define lm_ops_base lm64_ops_base
#define lm_ops_pick lm64_ops_pick
#define lm_plain_grads lm64_plain_grads
#define lm_work_free lm64_work_free
#define lm_work_init lm64_work_init
#else
typedef float real;
#define LM_GEMM cblas_sgemm
#endif

#endif
