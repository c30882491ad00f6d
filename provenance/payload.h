/* Canonical payloads: what a leaf of the run's tree commits to. A leaf's data is BLAKE2b-256 of the
 * payload. Step payloads are binary and can be encoded again bit for bit from the HDF5 columns; all
 * other payloads are canonical JSON text whose bytes the graph keeps as they are.
 * Format: docs/formats/bundle.md. Wall-clock times are outside the payloads. */
#ifndef PLUMB_PROVENANCE_PAYLOAD_H
#define PLUMB_PROVENANCE_PAYLOAD_H

#include "base/bytes.h"
#include "base/hash.h"

#define PLUMB__MAX_UNITS_PER_STEP (1u << 20)
#define PLUMB__MAX_USES (1u << 16)
#define PLUMB__MAX_SCALARS 8u

typedef enum plumb__leaf_kind {
    PLUMB__LEAF_RUN = 0,   /* run.json; leaf 0 */
    PLUMB__LEAF_STEP = 1,  /* binary step payload */
    PLUMB__LEAF_EVENT = 2, /* {"kind":"event","event":"starvation"|"abort"|"nonfinite"|…, …} */
    PLUMB__LEAF_CHECKPOINT = 3, /* {"kind":"checkpoint","attempt":…,"step":…,"file":…,"bytes":…,
                                   "blake2b":hex} */
    PLUMB__LEAF_REWIND = 4,     /* {"kind":"rewind","from":A,"to":C,"attempt":new,
                                   "checkpoint":hex} */
    PLUMB__LEAF_INVENTORY = 5, /* one line of seals.jsonl */
    PLUMB__LEAF_DECISION = 6   /* {"kind":"decision", …} */
} plumb__leaf_kind;

/* How far an edge's norm may be relied on. */
typedef enum plumb__norm_kind {
    PLUMB__NORM_NONE = 0,
    PLUMB__NORM_EXACT = 1,
    PLUMB__NORM_BOUND = 2
} plumb__norm_kind;

/* One committed step, in columns. L uses (rows of /layers), U units, edges [U x L] row-major.
 * Pointers are borrowed; decoding points them into memory owned by plumb__step_arrays. */
typedef struct plumb__step {
    uint32_t attempt;
    uint64_t step;
    double loss, lr, normaliser, loss_scale;
    uint64_t fingerprint;
    uint32_t micro_batches, units_declared, n_scalars;
    double scalars[PLUMB__MAX_SCALARS];
    uint32_t n_units, n_uses; /* n_units <= units_declared: empty slots leave no row */
    /* per unit [U] */
    const int32_t *example;      /* record number in the manifest, -1: not in it */
    const int32_t *segment;      /* -1: whole, -2: outside all segments */
    const uint16_t *micro_batch; /* 0.. */
    const uint16_t *rows;        /* saturating at 65535 */
    const float *unit_weight;    /* record times segment, as applied; 0 when rejected */
    const float *unit_loss;      /* unweighted sum over the unit's rows, nats */
    const float *unit_entropy;   /* mean predictive entropy of its rows, nats */
    const uint8_t *decision, *reason, *checked; /* checked: content digest compared */
    const uint8_t *band; /* plumb_band of unit_entropy by the policy's thresholds, 0: none */
    /* per edge [U x L] */
    const uint16_t *norm; /* norm16, rounded up; 0 where mask is 0 */
    const uint16_t *mask; /* f16, rounded down */
    const uint16_t *clip; /* f16, rounded down; 1 where mask is 0 */
    const uint8_t *norm_kind;
    /* per use [L] */
    const double *nu;          /* reference scale in force */
    const double *budget;      /* layer_step nats in force (INFINITY: none) */
    const double *spent;       /* nats spent in this step */
    const float *contribution; /* contribution entropy H of section 5, nats */
    const uint8_t *live;       /* 1: stepped */
} plumb__step;

/* The largest payload a journal frame may carry. */
#define PLUMB__MAX_PAYLOAD_BYTES (1u << 30)

/* Declared are the units of the step, empty slots included: no fewer than it has rows for. */
bool plumb__step_declares(uint32_t units_declared, uint32_t n_units);
/* Exact length of the canonical bytes. */
uint64_t plumb__step_bytes(const plumb__step *step);
/* Appends the canonical bytes: "PLS2", the fixed fields, then each column whole, in the order of
 * the struct, little-endian; only the first n_scalars scalars. */
void plumb__step_encode(const plumb__step *step, plumb__bytes *out);

typedef struct plumb__step_arrays plumb__step_arrays; /* owns what a decoded step points to */
/* Strict: exact length, counts under the caps, no bytes left. *arrays may be reused from call to
 * call (NULL at first); free with plumb__step_arrays_free. */
plumb_status plumb__step_decode(const void *payload, size_t n, plumb__step *step,
                                plumb__step_arrays **arrays, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__step_arrays_free(plumb__step_arrays *arrays);

#endif
