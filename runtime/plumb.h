/* plumb.h: governing a training loop.
 *
 *   open a signed manifest -> create a run -> add layers -> start -> steps -> close
 *
 * A step is one optimizer update of one or more micro-batches:
 *
 *   plumb_step_begin
 *     plumb_batch_begin, plumb_loss_xent (or plumb_loss_weights), plumb_grad_* per layer and use
 *   plumb_step_decide, the caller's optimizer, plumb_step_commit (or plumb_step_abort)
 *
 * Matrices are row-major; a row is one token position or sample. Every object is opaque and belongs
 * to one thread at a time, unless its comment says otherwise. A run that has failed (journal error,
 * starvation under `halt`) refuses every further step with the first reason. Structs begin with
 * size and version: fill inputs with their _default function; outputs (plumb_live,
 * plumb_resume_info, plumb_memory_info) may also be handed over zeroed. How to wrap a loop:
 * docs/runtime.md. */
#ifndef PLUMB_H
#define PLUMB_H

#include "base/plumb_log.h"
#include "base/plumb_random.h"
#include "base/plumb_status.h"
#include "base/plumb_threads.h"
#include "manifest/plumb_key.h"
#include "manifest/plumb_manifest.h"
#include "manifest/plumb_state.h"
#include "manifest/plumb_trust.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PLUMB_STRUCT_VERSION 1u

typedef struct plumb_run plumb_run;
typedef struct plumb_layer plumb_layer; /* borrowed from its run */

/* A device stream (cudaStream_t); NULL on the CPU. */
typedef void *plumb_stream;

typedef enum plumb_dtype {
    PLUMB_F32 = 0,
    PLUMB_F64 = 1,
    PLUMB_BF16 = 2,
    PLUMB_F16 = 3,
    PLUMB_I32 = 4,
    PLUMB_I64 = 5,
    PLUMB_U8 = 6
} plumb_dtype;

typedef enum plumb_device { PLUMB_CPU = 0, PLUMB_CUDA = 1 } plumb_device;

/* ---- creating a run ---------------------------------------------------------------------- */

/* All strings are borrowed until plumb_run_start (or plumb_run_resume) returns. */
typedef struct plumb_run_config {
    uint32_t size, version; /* set by plumb_run_config_default */
    const char *out_dir;    /* the run bundle; must not exist, except to resume */
    const char *policy_path;
    const char *trust_path;
    const plumb_secret_key *operator_key; /* borrowed; certifies the fresh run key at start */
    plumb_device device;
    uint64_t seed;
    uint64_t horizon_steps;   /* length of the schedule; part of run.json */
    const char *trainer_json; /* optional JSON object: argv, versions, settings of the trainer */
    uint32_t max_units;       /* per micro-batch */
    uint64_t max_rows;        /* per micro-batch */
    const char *state_dir;    /* where versions that were seen are remembered; NULL: $PLUMB_STATE,
                                 else $XDG_STATE_HOME/plumb, else ~/.local/state/plumb */
} plumb_run_config;

PLUMB_API void plumb_run_config_default(plumb_run_config *config) PLUMB_NONNULL(1);

/* Reads and checks policy and trust store; touches nothing on disk. The manifest is borrowed until
 * plumb_run_close/free. Errors: argument, version, io, format, trust, expired (the audience and
 * expiry rules of the policy), exists (out_dir) unless it is resumed later. */
PLUMB_API plumb_status plumb_run_create(const plumb_run_config *config,
                                        const plumb_manifest *manifest, plumb_run **run,
                                        plumb_error *err) PLUMB_MUST_CHECK PLUMB_NONNULL(1, 2, 3);
/* Frees without closing: the bundle stays open and resumable. NULL is harmless. */
PLUMB_API void plumb_run_free(plumb_run *run);

typedef enum plumb_layer_kind {
    PLUMB_LINEAR = 0,    /* dW (out, in) += Y^T X */
    PLUMB_EMBEDDING = 1, /* dW (vocabulary, width), rows by token */
    PLUMB_NORM = 2,      /* gain and bias of a LayerNorm or RMSNorm; one layer */
    PLUMB_BIAS = 3       /* db (out) += column sums of Y */
} plumb_layer_kind;

typedef enum plumb_place { PLUMB_AT_INPUT = 0, PLUMB_IN_BLOCK = 1, PLUMB_AT_HEAD = 2 } plumb_place;

#define PLUMB_MAX_USES 8

/* Where one use of a weight sits: depth 0, (block+1/2)/blocks, or 1 (governance.md section 1). */
typedef struct plumb_use {
    plumb_place place;
    uint32_t block; /* of PLUMB_IN_BLOCK */
} plumb_use;

typedef struct plumb_layer_desc {
    uint32_t size, version;
    const char *name; /* unique in the run, e.g. "blocks.3.mlp.up.weight" */
    plumb_layer_kind kind;
    uint64_t rows, cols; /* weight shape (out, in); norm and bias: (1, width) */
    bool has_bias;       /* PLUMB_NORM: gain and bias (true) or gain only */
    uint32_t n_uses;     /* 1, or more for a tied or repeated weight */
    plumb_use uses[PLUMB_MAX_USES];
} plumb_layer_desc;

PLUMB_API void plumb_layer_desc_default(plumb_layer_desc *desc) PLUMB_NONNULL(1);
/* `blocks` of the model, for PLUMB_IN_BLOCK depths: the largest block index of all layers + 1. */
PLUMB_API plumb_status plumb_run_add_layer(plumb_run *run, const plumb_layer_desc *desc,
                                           plumb_layer **layer, plumb_error *err) PLUMB_MUST_CHECK
    PLUMB_NONNULL(1, 2, 3);

/* Resolves depths, compiles masks, sizes workspaces, writes the bundle's first files and opens the
 * journal. After it no governed step allocates memory. */
PLUMB_API plumb_status plumb_run_start(plumb_run *run, plumb_error *err) PLUMB_MUST_CHECK
    PLUMB_NONNULL(1);

/* ---- checkpoints ------------------------------------------------------------------------- */

#define PLUMB_MAX_DIMS 8

/* A named tensor of the caller; contiguous, row-major. */
typedef struct plumb_named_tensor {
    const char *name;
    plumb_dtype dtype;
    uint32_t n_dims;
    uint64_t dims[PLUMB_MAX_DIMS];
    void *data;
} plumb_named_tensor;

/* Writes checkpoints/step-N.safetensors: the caller's tensors beside the ledger and the reference
 * scales. Between steps only. Blocks until step N is durable, then until the file is. The file gets
 * its final name only after that. Call it once before the first step (checkpoint 0). */
PLUMB_API plumb_status plumb_checkpoint(plumb_run *run, const plumb_named_tensor *tensors, size_t n,
                                        plumb_error *err) PLUMB_MUST_CHECK PLUMB_NONNULL(1);

typedef struct plumb_resume_info {
    uint32_t size, version;
    uint64_t step;               /* of the checkpoint that was loaded: the next step is step + 1 */
    uint64_t steps_acknowledged; /* what the journal held; more than `step` means a rewind */
    uint32_t attempt;
    bool closed;
    bool unstarted; /* no step and no checkpoint yet: `step` is 0, the tensors are as they were
                     * handed over, and checkpoint 0 is to be written as after plumb_run_start */
} plumb_resume_info;
PLUMB_API void plumb_resume_info_default(plumb_resume_info *info) PLUMB_NONNULL(1);

/* In place of plumb_run_start: reopens the bundle, recovers the journal, checks that policy,
 * manifest, trust and layer table are those of run.json, loads the last checkpoint into the tensors
 * (matched by name, dtype and shape), certifies a new run key and records the rewind if there is
 * one. Errors: locked, mismatch (names the difference), state (a closed run does not resume), not
 * found (steps, but no checkpoint). */
PLUMB_API plumb_status plumb_run_resume(plumb_run *run, const plumb_named_tensor *tensors, size_t n,
                                        plumb_resume_info *info, plumb_error *err) PLUMB_MUST_CHECK
    PLUMB_NONNULL(1);

/* ---- a step ------------------------------------------------------------------------------ */

typedef struct plumb_step_info {
    uint32_t size, version;
    uint64_t step; /* 1, 2, …: one more than the last committed one; an aborted step is begun
                      again under its own number */
    uint32_t micro_batches; /* >= 1 */
    uint32_t units;         /* of all micro-batches together */
    double normaliser;      /* N: tokens or units of the step, fixed before governance */
    double loss_scale;      /* 1 unless a scaler is in use */
} plumb_step_info;

PLUMB_API void plumb_step_info_default(plumb_step_info *info) PLUMB_NONNULL(1);
PLUMB_API plumb_status plumb_step_begin(plumb_run *run, const plumb_step_info *info,
                                        plumb_error *err) PLUMB_MUST_CHECK PLUMB_NONNULL(1, 2);

#define PLUMB_WHOLE (-1) /* a record that has no segments */
#define PLUMB_REST (-2)  /* rows of a record that lie in none of its segments */

/* One unit of a micro-batch: an example, a segment of one, or rows of one between its segments.
 * Rows of different units do not overlap; rows of no unit are padding. Units are listed in slot
 * order; rows == 0 is an empty slot. */
typedef struct plumb_unit {
    const char *id;  /* the record's id */
    int32_t segment; /* index into the record's segments, PLUMB_WHOLE or PLUMB_REST */
    uint64_t first_row, rows;
    const void *content; /* the example's bytes, checked against the record's digest; NULL: not
                            checked, and recorded as not checked */
    uint64_t content_bytes;
} plumb_unit;

typedef enum plumb_decision {
    PLUMB_ADMITTED = 0,
    PLUMB_MODULATED = 1,
    PLUMB_REJECTED = 2
} plumb_decision;

typedef enum plumb_reason {
    PLUMB_REASON_NONE = 0,
    PLUMB_REASON_WEIGHT = 1,         /* modulated: the record's weight is not 1 */
    PLUMB_REASON_UNKNOWN = 2,        /* the manifest lacks the id */
    PLUMB_REASON_CONTENT = 3,        /* content does not match the digest */
    PLUMB_REASON_ZERO_WEIGHT = 4,    /* the record's weight is 0 */
    PLUMB_REASON_NO_DEPTH = 5,       /* the profile is 0 at every layer of this model */
    PLUMB_REASON_UNKNOWN_PASSED = 6, /* policy unknown: pass */
    PLUMB_REASON_SEGMENT = 7,        /* the record has no such segment, or is divided into some */
    PLUMB_REASON_EXHAUSTED = 8,      /* its run ledger is used up at every layer it may reach */
    PLUMB_REASON_WITHDRAWN = 9       /* its consent was, or its vendor withdrew it */
} plumb_reason;

/* Starts a micro-batch: looks the units up, decides admission. `total_rows` is R of this batch.
 * Errors: limit (more units or rows than declared), argument (overlapping rows), policy (unknown id
 * under `unknown: halt`), state (the micro-batch before has no loss yet). An error leaves the step
 * as it was before the call. What each decision means for the unit is in docs/runtime.md. */
PLUMB_API plumb_status plumb_batch_begin(plumb_run *run, const plumb_unit *units, size_t n,
                                         uint64_t total_rows, plumb_error *err) PLUMB_MUST_CHECK
    PLUMB_NONNULL(1);
/* What was decided for the units of the current micro-batch, borrowed until the next one. */
PLUMB_API const uint8_t *plumb_batch_decisions(const plumb_run *run);
PLUMB_API const uint8_t *plumb_batch_reasons(const plumb_run *run);

/* A matrix view. `stride` in elements between rows (>= cols). */
typedef struct plumb_matrix {
    void *data;
    plumb_dtype dtype;
    uint64_t rows, cols, stride;
} plumb_matrix;

/* Fused softmax cross-entropy over the rows of the current micro-batch.
 *   logits (R, V); targets[R] in 0..V-1, or -1 for a row without a loss;
 *   dlogits (R, V): weight_u * loss_scale / N * (softmax - onehot); may be the same memory as
 * logits; rows of no unit, of rejected units, and of target -1 get 0. Outputs may be NULL:
 * row_loss[R], row_entropy[R] (nats, unweighted; 0 where there is no loss). */
typedef struct plumb_xent_io {
    uint32_t size, version;
    plumb_matrix logits, dlogits;
    const int32_t *targets;
    float *row_loss, *row_entropy;
    double loss; /* out: sum of weight_u * loss_u / N over this micro-batch, unscaled; units whose
                    loss is not finite are left out and reported by plumb_live.non_finite */
} plumb_xent_io;

PLUMB_API void plumb_xent_io_default(plumb_xent_io *io) PLUMB_NONNULL(1);
PLUMB_API plumb_status plumb_loss_xent(plumb_run *run, plumb_xent_io *io, plumb_stream stream,
                                       plumb_error *err) PLUMB_MUST_CHECK PLUMB_NONNULL(1, 2);
/* For a loss of one's own: the weight of every row of the current micro-batch (0 for padding and
 * rejected units), to multiply into the row losses before the backward pass; then report each
 * unit's unweighted loss and mean predictive entropy (entropy may be NULL) for the record. */
PLUMB_API plumb_status plumb_loss_weights(plumb_run *run, float *row_weights,
                                          plumb_error *err) PLUMB_MUST_CHECK PLUMB_NONNULL(1, 2);
PLUMB_API plumb_status plumb_loss_report(plumb_run *run, const float *unit_loss,
                                         const float *unit_entropy,
                                         plumb_error *err) PLUMB_MUST_CHECK PLUMB_NONNULL(1, 2);

/* Weight gradients. X and Y have the rows of the current micro-batch; Y carries the normaliser and
 * the loss scale. The result is ADDED to dW. Each (layer, use) once per micro-batch; a layer the
 * caller does not visit spends nothing. dW += sum over units of mask * clip * Y_u^T X_u. */
PLUMB_API plumb_status plumb_grad_linear(plumb_run *run, plumb_layer *layer, uint32_t use,
                                         const plumb_matrix *x, const plumb_matrix *y,
                                         const plumb_matrix *dw, plumb_stream stream,
                                         plumb_error *err) PLUMB_MUST_CHECK
    PLUMB_NONNULL(1, 2, 4, 5, 6);
/* tokens[R]: row of dW (vocabulary, width) that gets Y's row; -1: none. */
PLUMB_API plumb_status plumb_grad_embedding(plumb_run *run, plumb_layer *layer, uint32_t use,
                                            const int32_t *tokens, const plumb_matrix *y,
                                            const plumb_matrix *dw, plumb_stream stream,
                                            plumb_error *err) PLUMB_MUST_CHECK
    PLUMB_NONNULL(1, 2, 4, 5, 6);
/* xhat: the normalised input (before gain). dgain[width] += sum xhat*y, dbias[width] += sum y
 * (NULL when the layer has no bias). */
PLUMB_API plumb_status plumb_grad_norm(plumb_run *run, plumb_layer *layer, uint32_t use,
                                       const plumb_matrix *xhat, const plumb_matrix *y,
                                       float *dgain, float *dbias, plumb_stream stream,
                                       plumb_error *err) PLUMB_MUST_CHECK
    PLUMB_NONNULL(1, 2, 4, 5, 6);
PLUMB_API plumb_status plumb_grad_bias(plumb_run *run, plumb_layer *layer, uint32_t use,
                                       const plumb_matrix *y, float *db, plumb_stream stream,
                                       plumb_error *err) PLUMB_MUST_CHECK PLUMB_NONNULL(1, 2, 4, 5);

/* What the optimizer must know. `live[i]` (order of plumb_run_add_layer, borrowed until the next
 * step): 1 = step this layer, 0 = no unit reached it: skip it, momentum and decay too.
 * `non_finite`: some unit's gradient was not finite and was blocked; with a loss scaler the caller
 * aborts and backs off. */
typedef struct plumb_live {
    uint32_t size, version;
    size_t n;
    const uint8_t *live;
    bool non_finite;
    double clipped_share;       /* of open (unit, layer) pairs of this step, those with clip < 1 */
    const char *tightest_layer; /* borrowed; NULL when nothing is clipped */
    const char *tightest_limit; /* "unit_step", "layer_step", "run"; static */
} plumb_live;
PLUMB_API void plumb_live_default(plumb_live *live) PLUMB_NONNULL(1);

/* Ends the step's last micro-batch. Errors: state (micro-batches or losses missing), numeric (a
 * gradient is not finite and the policy says halt: abort the step). */
PLUMB_API plumb_status plumb_step_decide(plumb_run *run, plumb_live *live,
                                         plumb_error *err) PLUMB_MUST_CHECK PLUMB_NONNULL(1, 2);

#define PLUMB_MAX_SCALARS 8

typedef struct plumb_update_info {
    uint32_t size, version;
    double loss, lr;
    uint64_t fingerprint; /* of the updated parameters, 0 = not computed */
    uint32_t n_scalars;   /* optimizer scalars, e.g. beta1, beta2, eps, weight decay */
    double scalars[PLUMB_MAX_SCALARS];
} plumb_update_info;

PLUMB_API void plumb_update_info_default(plumb_update_info *info) PLUMB_NONNULL(1);
/* Submits the step to the journal; not durable yet. */
PLUMB_API plumb_status plumb_step_commit(plumb_run *run, const plumb_update_info *info,
                                         plumb_error *err) PLUMB_MUST_CHECK PLUMB_NONNULL(1, 2);
/* Drops the step, whatever its state: ledger and reference scales are as before it. The abort and
 * its reason are recorded; the same step number is begun again. */
PLUMB_API plumb_status plumb_step_abort(plumb_run *run, const char *reason,
                                        plumb_error *err) PLUMB_MUST_CHECK PLUMB_NONNULL(1, 2);

/* Steps that are durable by now. Thread safe. */
PLUMB_API uint64_t plumb_run_acknowledged(const plumb_run *run) PLUMB_NONNULL(1);
/* Bytes that governance keeps: manifest table and ledger per example, workspaces in all. */
typedef struct plumb_memory_info {
    uint32_t size, version;
    uint64_t manifest_bytes, ledger_bytes, workspace_bytes, examples;
} plumb_memory_info;
PLUMB_API void plumb_memory_info_default(plumb_memory_info *info) PLUMB_NONNULL(1);
PLUMB_API plumb_status plumb_run_memory(const plumb_run *run, plumb_memory_info *info,
                                        plumb_error *err) PLUMB_MUST_CHECK PLUMB_NONNULL(1, 2);

/* Seals what is there (segment, inventory, signed head) and keeps the run open for a resume. */
PLUMB_API plumb_status plumb_run_seal(plumb_run *run, plumb_error *err) PLUMB_MUST_CHECK
    PLUMB_NONNULL(1);
/* Seals, builds provenance.h5, signs the head, wipes the run key. The run is final then. The object
 * still wants plumb_run_free. */
PLUMB_API plumb_status plumb_run_close(plumb_run *run, plumb_error *err) PLUMB_MUST_CHECK
    PLUMB_NONNULL(1);

#ifdef __cplusplus
}
#endif
#endif
