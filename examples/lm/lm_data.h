/* Batches out of a manifest: the records that have a text, in an order that is a function of the
 * seed and the step number alone, so that a resumed run sees what the first one would have seen. */
#ifndef LM_DATA_H
#define LM_DATA_H

#include "lm_model.h"

#include "runtime/plumb.h"

typedef struct lm_example {
    const char *id, *text; /* borrowed from the manifest */
    size_t bytes;          /* of the whole text */
    const plumb_segment *segments;
    uint32_t n_segments, units; /* units: that the text, cut to the context, is presented as */
} lm_example;

typedef struct lm_data {
    lm_example *examples;
    uint32_t n;
    uint32_t most_units; /* of any example */
    size_t context;
    uint64_t seed;
    uint64_t epoch; /* of `order`; UINT64_MAX: none yet */
    uint32_t *order;
} lm_data;

/* Errors: format, when no record has a text, or one that has has segments which are no bytes of it.
 */
plumb_status lm_data_open(const plumb_manifest *manifest, uint64_t seed, size_t context,
                          lm_data *data, plumb_error *err);
void lm_data_free(lm_data *data);
/* The example at place `k` of the endless sequence of epochs, each a permutation of all. */
const lm_example *lm_data_at(lm_data *data, uint64_t k);
/* Bytes of an example that are trained on: texts are cut to the context. */
size_t lm_data_length(const lm_data *data, const lm_example *e);

/* A batch with its own memory for up to `sequences` examples of `context` bytes, and its rows as
 * units for the runtime: a sequence is one, or as many as its record's segments make of it. */
typedef struct lm_batch_space {
    lm_batch batch;
    plumb_unit *units;
    size_t n_units, max_units;
    void *memory;
} lm_batch_space;

bool lm_batch_space_init(lm_batch_space *space, const lm_data *data, size_t sequences);
void lm_batch_space_free(lm_batch_space *space);
/* Fills it with examples [from, from + n). Input is the text shifted by one behind a byte 0, target
 * the text: every byte is predicted, the first one too. */
void lm_batch_fill(lm_batch_space *space, lm_data *data, uint64_t from, size_t n);

#endif
