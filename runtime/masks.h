/* Masks of units at uses, in the form in which they are stored and enforced: binary16, rounded
 * down. Computed once for each distinct profile (and band), and again in each step for profiles
 * with a schedule; a manifest has few. */
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
    uint64_t step; /* the one whose progress holds; 0: before the first */
    double progress;
    uint64_t rows;   /* of masks: one a profile; four a profile by entropy: the largest, low … */
    uint16_t *masks; /* [rows x uses], NULL: computed anew for each unit */
    uint64_t *row;   /* [profiles] its first */
    uint64_t *made;  /* [profiles] step of which the rows are; for those with a schedule */
    uint8_t *varies; /* [profiles] plumb_profile_flags */
} plumb__mask_table;

/* The masks of a unit that nothing modulates: 1, or max_mask where that is lower. */
uint16_t plumb__mask_store(double value, double max_mask);
plumb_status plumb__masks_create(plumb__mask_table *table, const plumb_manifest *manifest,
                                 const plumb__layer_row *uses, size_t n_uses, double max_mask,
                                 plumb_error *err) PLUMB_MUST_CHECK;
void plumb__masks_free(plumb__mask_table *table);
/* From now on masks are those of this step, at this progress. */
void plumb__masks_step(plumb__mask_table *table, uint64_t step, double progress);
bool plumb__masks_by_entropy(const plumb__mask_table *table, uint32_t profile);
/* out[uses] in a band; PLUMB_BAND_NONE: the largest of all bands. */
void plumb__masks_of(plumb__mask_table *table, uint32_t profile, plumb_band band, uint16_t *out);
uint64_t plumb__masks_bytes(const plumb__mask_table *table);

#endif
