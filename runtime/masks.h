/* Masks of the manifest's depth profiles at the uses of a run's layers, in the stored form,
 * computed once per distinct profile. */
#ifndef PLUMB_RUNTIME_MASKS_H
#define PLUMB_RUNTIME_MASKS_H

#include "manifest/plumb_manifest.h"
#include "provenance/bundle.h"

typedef struct plumb__mask_table {
    const plumb_manifest *manifest;
    const plumb__layer_row *uses;
    size_t n_uses;
    double max_mask;
    uint32_t n_profiles;
    uint16_t *masks; /* [n_profiles x n_uses]; NULL: too large, computed when asked for */
} plumb__mask_table;

plumb_status plumb__masks_create(plumb__mask_table *table, const plumb_manifest *manifest,
                                 const plumb__layer_row *uses, size_t n_uses, double max_mask,
                                 plumb_error *err) PLUMB_MUST_CHECK;
void plumb__masks_free(plumb__mask_table *table);
/* The masks of a profile of the manifest, out[n_uses]. */
void plumb__masks_of(const plumb__mask_table *table, uint32_t profile, uint16_t *out);
/* One mask in stored form: min(max_mask, value) rounded down. */
uint16_t plumb__mask_store(double value, double max_mask);
uint64_t plumb__masks_bytes(const plumb__mask_table *table);

#endif
