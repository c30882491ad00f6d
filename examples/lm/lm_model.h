/* The model: a byte-level decoder-only transformer, and its parameters in one arena.
 *
 *   x = tokens[byte] + positions[t]
 *   per block:  x += proj(attention(qkv(norm1(x))));  x += down(gelu(up(norm2(x))))
 *   logits = head(norm(x))
 *
 * LayerNorm with gain and bias before each half (eps 1e-5), causal attention, GELU in its tanh
 * form, biases on the block's linear layers, none on the head; the head is a matrix of its own or
 * the token table (tied). One thread at a time; the work inside is spread with plumb_parallel. */
#ifndef LM_MODEL_H
#define LM_MODEL_H

#include "lm_ops.h"

#include <stdatomic.h>
#include <stdbool.h>

#define LM_VOCABULARY 256u
#define LM_MAX_BLOCKS 64u
#define LM_PER_BLOCK 10u
#define LM_MAX_LAYERS (LM_MAX_BLOCKS * LM_PER_BLOCK + 4u)

typedef struct lm_shape {
    size_t blocks, width, heads, context;
    bool tied;
} lm_shape;

/* Numbers of the governed layers: tokens, positions, ten per block, final norm, head (if untied).
 * */
enum { LM_TOKENS = 0, LM_POSITIONS = 1, LM_FIRST_BLOCK = 2 };
enum {
    LM_NORM1,
    LM_QKV,
    LM_QKV_BIAS,
    LM_PROJ,
    LM_PROJ_BIAS,
    LM_NORM2,
    LM_UP,
    LM_UP_BIAS,
    LM_DOWN,
    LM_DOWN_BIAS
};

typedef enum lm_kind { LM_LINEAR, LM_EMBEDDING, LM_NORM, LM_BIAS } lm_kind;
typedef enum lm_place { LM_AT_INPUT, LM_IN_BLOCK, LM_AT_HEAD } lm_place;

/* One governed layer. A norm holds gain, then bias: rows 2. */
typedef struct lm_layer {
    char name[64];
    lm_kind kind;
    lm_place place;
    size_t block;
    size_t rows, cols;
    size_t offset, size; /* in the arena, in reals */
} lm_layer;

typedef struct lm_model {
    lm_shape shape;
    size_t n_layers, size; /* size: reals in each arena */
    lm_layer layers[LM_MAX_LAYERS];
    real *params, *grads, *m, *v;   /* arenas; v follows AdamW's naming: second moment */
    int64_t updates[LM_MAX_LAYERS]; /* optimizer steps that each layer has taken */
    const lm_ops *ops;
} lm_model;

/* Allocates and initialises: normal 0.02 (residual projections over sqrt(2 blocks)), gains 1, the
 * rest 0, drawn by (seed, layer, element). False: out of memory. */
bool lm_model_init(lm_model *model, const lm_shape *shape, uint64_t seed);
void lm_model_free(lm_model *model);
/* Number of a layer of a block; block == blocks: LM_NORM1 is the final norm, LM_QKV the head. */
static inline size_t lm_layer_at(size_t block, size_t which)
{
    return LM_FIRST_BLOCK + block * LM_PER_BLOCK + which;
}
static inline size_t lm_head_layer(const lm_model *model)
{
    return model->shape.tied ? LM_TOKENS : lm_layer_at(model->shape.blocks, 1);
}
static inline real *lm_param(const lm_model *model, size_t layer)
{
    return model->params + model->layers[layer].offset;
}
static inline real *lm_grad_of(const lm_model *model, size_t layer)
{
    return model->grads + model->layers[layer].offset;
}

/* Sequences laid end to end: rows [first[s], first[s] + length[s]) belong to sequence s and attend
 * only to each other. No padding. */
typedef struct lm_batch {
    size_t n_sequences, rows;
    size_t *first, *length;
    int32_t *tokens, *positions, *targets;
} lm_batch;

/* What the backward pass needs of one block, each with `rows` rows. */
typedef struct lm_saved {
    real *xhat1, *rstd1, *in1; /* norm1: normalised, scale, output = input of qkv */
    real *qkv, *lse, *att;
    real *xhat2, *rstd2, *in2;
    real *act, *slope; /* gelu(up), gelu' */
} lm_saved;

typedef struct lm_work {
    size_t max_rows, max_units;
    lm_saved saved[LM_MAX_BLOCKS];
    real *x, *xhat, *rstd, *in_head, *logits, *row_loss;
    real *d_stream[3], *d_in, *d_in1, *d_in2, *d_up, *d_att, *d_qkv;
    real *arena;
    real *scratch; /* n_scratch pieces for attention */
    size_t scratch_each, n_scratch;
    atomic_flag *busy;
} lm_work;

/* Every buffer of a step, once. False: out of memory. */
bool lm_work_init(lm_work *work, const lm_model *model, size_t max_rows, size_t max_units);
void lm_work_free(lm_work *work);

/* One weight gradient that the backward pass asks for: x (rows, in) and y (rows, out), contiguous
 * rows; of a norm x is the normalised input; of an embedding tokens[rows]; of a bias y alone. */
typedef struct lm_grad {
    size_t layer;
    uint32_t use; /* 1: the head's use of a tied token table */
    lm_kind kind; /* of this use: the tied head is LM_LINEAR */
    const real *x, *y;
    const int32_t *tokens;
} lm_grad;

/* Adds the gradients of n jobs to the model's; false stops the backward pass. */
typedef bool lm_grads_fn(void *ctx, const lm_grad *jobs, size_t n, size_t rows);

void lm_forward(const lm_model *model, lm_work *work, const lm_batch *batch);
/* Turns work->logits into their gradients, weighted 1/normaliser; returns sum of losses / N. */
double lm_loss_plain(const lm_model *model, lm_work *work, const lm_batch *batch,
                     double normaliser);
/* From dlogits in work->logits. */
bool lm_backward(const lm_model *model, lm_work *work, const lm_batch *batch, lm_grads_fn *grads,
                 void *ctx);

/* The ungoverned gradients: plain products. ctx: lm_plain. */
typedef struct lm_plain {
    lm_model *model;
    bool add; /* false in the first micro-batch of a step: gradients are set, not added to */
} lm_plain;
bool lm_plain_grads(void *ctx, const lm_grad *jobs, size_t n, size_t rows);

typedef struct lm_adamw_settings {
    double lr, beta1, beta2, eps, weight_decay, grad_clip; /* grad_clip 0: off */
} lm_adamw_settings;
/* One update of every layer with live[i] != 0 (NULL: all); matrices decay, norms and biases do not.
 * A layer that is not live keeps weights, moments and its count of updates. Every gradient is 0
 * afterwards. */
void lm_adamw(lm_model *model, const lm_adamw_settings *settings, const uint8_t *live);

#endif
