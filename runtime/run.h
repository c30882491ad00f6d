/* The inside of a run, shared by the files of this floor.
 *
 * Invariants, referred to by number where they are kept:
 *   R1  phase moves only along CREATED -> IDLE -> STEP -> BATCH -> DECIDED -> IDLE … -> CLOSED.
 *   R2  ledger and reference scales change at commit only: an aborted step has nothing to undo.
 *   R3  everything after the kernels (scales, limits, ledger) reads the stored 16-bit forms, so
 * that a verifier repeats it from the record. R4  after plumb_run_start a step allocates nothing,
 * unless it declares more units than any step before it: then plumb_step_begin grows the step's
 * columns. R5  a failure that leaves the record behind the training (journal, starvation under
 * halt) is sticky: every later call returns it. */
#ifndef PLUMB_RUNTIME_RUN_H
#define PLUMB_RUNTIME_RUN_H

#include "base/bytes.h"
#include "kernels/budget.h"
#include "kernels/wgrad.h"
#include "manifest/policy.h"
#include "provenance/account.h"
#include "provenance/bundle.h"
#include "runtime/masks.h"
#include "runtime/plumb.h"

#include <jansson.h>

#define PLUMB__NO_ROW UINT32_MAX
#define PLUMB__NO_PROFILE UINT32_MAX
#define PLUMB__RUN_ID_BYTES 33

typedef enum plumb__phase {
    PLUMB__CREATED = 1,
    PLUMB__IDLE = 2,
    PLUMB__STEP = 4,
    PLUMB__BATCH = 8,
    PLUMB__DECIDED = 16,
    PLUMB__CLOSED = 32
} plumb__phase;

struct plumb_layer {
    const plumb_run *run;
    char name[128];
    plumb_layer_desc desc; /* its name points above */
    uint32_t index;        /* order of plumb_run_add_layer = number of the weight */
    uint32_t first_use;    /* its uses are rows first_use … first_use + n_uses - 1 of /layers */
    uint64_t starved;      /* steps in a row that no unit reached it */
};

/* The columns of the step that is being built, for `capacity` units. */
typedef struct plumb__columns {
    uint32_t capacity;
    int32_t *example, *segment;
    uint16_t *micro_batch, *rows;
    float *weight, *loss, *entropy;
    uint8_t *decision, *reason, *checked, *band;
    uint32_t *profile;            /* that masks the unit; PLUMB__NO_PROFILE: none does */
    uint16_t *norm, *mask, *clip; /* [capacity x uses] row-major */
    uint8_t *norm_kind;
    double *unit_nats, *run_nats; /* limits of the unit's record: b_u, Lambda */
    uint32_t *group;              /* units of one example share one */
    double *group_used;           /* [uses x capacity] amplitude of a group so far in this step */
    uint32_t *group_local;        /* its number in the micro-batch … */
    uint32_t *group_seen;         /* … which is valid in micro-batch group_seen - 1 */
    int32_t *group_table;         /* open addressing: example -> group */
    uint32_t *group_of;
    uint32_t table_slots; /* a power of two >= 2 x capacity */
} plumb__columns;

/* What one (layer, use) did in this step, for plumb_step_decide. */
typedef struct plumb__use_stats {
    uint64_t open, clipped;
    double clip_sum;
    uint64_t by_limit[4]; /* plumb__limit */
} plumb__use_stats;

/* The current micro-batch; arrays of max_units unless said otherwise. */
typedef struct plumb__batch {
    size_t n;
    uint64_t total_rows;
    bool has_loss;
    bool by_entropy; /* some unit's masks are known only after the loss */
    plumb__slot *slots;
    uint32_t *row; /* row in the columns, PLUMB__NO_ROW for an empty slot */
    uint8_t *decision, *reason;
    float *hardest; /* the smallest clip so far in this micro-batch */
    double *norm2;
    bool *finite;
    uint8_t *claimed;                          /* [max_rows] */
    float *row_scale, *row_loss, *row_entropy; /* [max_rows] */
    uint32_t n_groups;
    uint32_t *group;     /* [n] local group */
    uint32_t *group_row; /* [n_groups] a row in the columns that belongs to it */
    double *group_left, *group_used;
    /* the solver's view: open units only */
    size_t n_open;
    uint32_t *open; /* slot */
    uint32_t *open_group;
    uint16_t *norm, *mask, *clip;
    uint8_t *blocked, *limit;
    double *unit_nats, *values;
    uint8_t *visited; /* [uses] */
} plumb__batch;

struct plumb_run {
    plumb__phase phase;
    bool failed;
    plumb_error failure;

    /* settings */
    char out_dir[4096];
    char state_dir[4096]; /* "": the default place */
    plumb_device device;
    uint64_t seed, horizon;
    uint32_t max_units;
    uint64_t max_rows;
    const plumb_manifest *manifest;
    plumb_manifest_info info;
    const plumb_secret_key *operator_key; /* borrowed until start or resume returns */
    json_t *trainer;
    plumb__policy policy;
    plumb__bytes policy_bytes, trust_bytes;
    plumb_trust *trust;
    char run_id[PLUMB__RUN_ID_BYTES];

    /* layers */
    plumb_layer **layers;
    size_t n_layers, layer_capacity;
    plumb__layer_row *uses;
    size_t n_uses;
    plumb__mask_table masks;

    /* state that checkpoints keep */
    float *ledger; /* [records x uses] */
    double *ema2;  /* [layers], -1: not yet */
    uint64_t last_step;
    uint32_t attempt;

    /* the step */
    plumb_step_info step;
    uint32_t micro_batches, units_so_far, rows_so_far; /* rows: of the columns */
    uint32_t n_groups;
    plumb__columns columns;
    double *nu;                                    /* [layers], -1: not yet */
    double *nu_row, *budget, *spent, *micro_spent; /* [uses] */
    float *contribution;
    uint8_t *live_use, *live;
    plumb__use_stats *stats;
    bool non_finite;
    plumb__batch batch;

    plumb__account *account;
    void *kernel_workspace, *budget_workspace;
    size_t kernel_workspace_bytes;
    uint64_t workspace_bytes;
    plumb__bundle *bundle;
    uint64_t checkpoint_step; /* of the last checkpoint in this line of history; UINT64_MAX: none */
};

/* ---- run.c ---- */
/* Checks phase and sticky failure for `function`; the message says what to call instead. */
plumb_status plumb__run_expect(const plumb_run *run, const char *function, unsigned phases,
                               plumb_error *err) PLUMB_MUST_CHECK;
/* Makes the failure sticky (R5) and returns it. */
plumb_status plumb__run_fail(plumb_run *run, plumb_status status, plumb_error *err);
/* Refuses a struct of another size or version than this library's. */
plumb_status plumb__struct_check(const char *name, uint32_t size, uint32_t version, size_t known,
                                 plumb_error *err) PLUMB_MUST_CHECK;

/* ---- rules.c: policy, trust and manifest at the door ---- */
plumb_status plumb__rules_open(plumb_run *run, const plumb_run_config *config,
                               plumb_error *err) PLUMB_MUST_CHECK;
/* Judged again when a run starts or resumes, because time has passed. */
plumb_status plumb__rules_check(const plumb_run *run, plumb_error *err) PLUMB_MUST_CHECK;
/* Writes the versions in use and the run itself into the state directory, before the bundle is. */
plumb_status plumb__rules_remember(const plumb_run *run, plumb_error *err) PLUMB_MUST_CHECK;

/* ---- layers.c ---- */
plumb_status plumb__layers_resolve(plumb_run *run, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__layers_free(plumb_run *run);
const char *plumb__layer_kind_name(plumb_layer_kind kind);

/* ---- buffers.c ---- */
plumb_status plumb__buffers_create(plumb_run *run, plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__columns_reserve(plumb_run *run, uint32_t units,
                                    plumb_error *err) PLUMB_MUST_CHECK;
void plumb__buffers_free(plumb_run *run);

/* ---- limits.c ---- */
/* What is left of an example's run limit at a weight, in nats: 0 when used up, INFINITY without
 * limit. */
double plumb__run_left(const plumb_run *run, int32_t example, double run_nats, uint32_t use);
/* Fills group_left and group_used of the batch for this use. */
void plumb__limits_groups(plumb_run *run, uint32_t use);
/* What this micro-batch may still spend at this use. */
double plumb__limits_layer(const plumb_run *run, uint32_t use);
/* Sets the first reference scale of a weight from the open units of the batch. */
void plumb__limits_first_nu(plumb_run *run, uint32_t use);
/* Solves for the open units and writes clips, spends and statistics. */
void plumb__limits_apply(plumb_run *run, uint32_t use, double layer_nats);

/* ---- events.c ---- */
plumb_status plumb__event_abort(plumb_run *run, const char *reason,
                                plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__event_nonfinite(plumb_run *run, plumb_error *err) PLUMB_MUST_CHECK;
/* Counts the steps that layers were not reached and raises what the policy asks for. */
plumb_status plumb__event_starvation(plumb_run *run, plumb_error *err) PLUMB_MUST_CHECK;

/* ---- start.c ---- */
/* Everything of a start that does not touch the disk. */
plumb_status plumb__run_prepare(plumb_run *run, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__bundle_start_fill(const plumb_run *run, plumb__bundle_start *start);
/* Drops what only the start needed. */
void plumb__run_started(plumb_run *run);

/* ---- runjson.c ---- */
plumb_status plumb__runjson_build(const plumb_run *run, const plumb_secret_key *run_key,
                                  plumb__bytes *out, plumb_error *err) PLUMB_MUST_CHECK;
/* Reads RUN/run.json, names the first setting that differs from this run's, takes its run id. */
plumb_status plumb__runjson_match(plumb_run *run, plumb__bytes *out,
                                  plumb_error *err) PLUMB_MUST_CHECK;

/* ---- checkpoint.c ---- */
plumb_status plumb__checkpoint_load(plumb_run *run, const plumb__bundle_state *state,
                                    const plumb_named_tensor *tensors, size_t n,
                                    plumb_error *err) PLUMB_MUST_CHECK;

#endif
