/* What a run learned from certain records, asked when they are withdrawn or a key is revoked: which
 * layers, in which steps, and which checkpoints contain it. Spends are those of plumb_graph_query.
 */
#ifndef PLUMB_IMPACT_H
#define PLUMB_IMPACT_H

#include "provenance/plumb_graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct plumb_impact plumb_impact;

/* Of these ids, or of all records of the run's manifest where n_ids is 0. Ids that the manifest
 * lacks count as asked, not as known. Superseded steps count for the checkpoints made before the
 * rewind, and nowhere else. One walk over the record. */
PLUMB_API plumb_status plumb_graph_impact(plumb_graph *graph, const char *const *ids, size_t n_ids,
                                          plumb_impact **impact, plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_impact_free(plumb_impact *impact);

typedef struct plumb_impact_info {
    uint32_t size, version;
    const char *run_id; /* strings are borrowed from the graph */
    const char *vendor, *dataset;
    const char *statement_digest; /* of the manifest, hex; borrowed from the impact */
    uint64_t manifest_version;
    bool closed, signer_checked;
    uint64_t asked, known, used;    /* records: named; in the manifest; with a unit in the run */
    uint64_t units, moved;          /* their units; those with mask and clip above 0 somewhere */
    double spend_nats, share;       /* share of the whole run's spend */
    uint64_t steps;                 /* with a unit that moved a layer */
    uint64_t first_step, last_step; /* of them; 0: none */
    size_t layers, checkpoints;
} plumb_impact_info;
PLUMB_API void plumb_impact_describe(const plumb_impact *impact, plumb_impact_info *info);

/* A weight that these records moved; i < layers, by falling spend. */
typedef struct plumb_impact_layer {
    const char *name;
    double depth;             /* of its first use */
    double spend_nats, share; /* share of the layer's spend */
    uint64_t units, steps, first_step, last_step;
} plumb_impact_layer;
PLUMB_API plumb_impact_layer plumb_impact_layer_at(const plumb_impact *impact, size_t i);

/* A checkpoint of the run, in the order they were made; i < checkpoints. */
typedef struct plumb_impact_checkpoint {
    const char *file;   /* below RUN/checkpoints/ */
    const char *digest; /* BLAKE2b-256, hex */
    uint64_t step;
    uint32_t attempt;
    bool contains; /* a step before it, not undone by then, was moved by these records */
} plumb_impact_checkpoint;
PLUMB_API plumb_impact_checkpoint plumb_impact_checkpoint_at(const plumb_impact *impact, size_t i);

#ifdef __cplusplus
}
#endif
#endif
