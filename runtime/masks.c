/* Masks (governance.md section 1): what is stored is what is enforced, so the rounding happens
 * here, before any kernel sees a mask. */
#include "runtime/masks.h"

#include "base/alloc.h"
#include "base/half.h"

#include <string.h>

/* Above this the table is not made: a manifest with a profile of its own for every record then
 * costs some evaluations per unit instead of memory per record. */
#define TABLE_CAP_BYTES ((uint64_t)64 << 20)

uint16_t plumb__mask_store(double value, double max_mask)
{
    if (!(value > 0.0)) return 0; /* NaN too */
    return plumb__f16_round_down(value < max_mask ? value : max_mask);
}

static void compute(const plumb__mask_table *t, uint32_t profile, plumb_band band, uint16_t *out)
{
    for (size_t k = 0; k < t->n_uses; k++) {
        const plumb__layer_row *use = &t->uses[k];
        out[k] =
            plumb__mask_store(plumb_manifest_profile_mask_at(t->manifest, profile, band,
                                                             t->progress, use->depth, use->name),
                              t->max_mask);
    }
}

static uint64_t rows_of(const plumb__mask_table *t, uint32_t profile)
{
    return t->varies[profile] & PLUMB_PROFILE_BY_ENTROPY ? PLUMB_BAND_HIGH + 1 : 1;
}

static void make(plumb__mask_table *t, uint32_t profile)
{
    for (uint64_t band = 0; band < rows_of(t, profile); band++)
        compute(t, profile, (plumb_band)band, t->masks + (t->row[profile] + band) * t->n_uses);
    t->made[profile] = t->step;
}

plumb_status plumb__masks_create(plumb__mask_table *t, const plumb_manifest *manifest,
                                 const plumb__layer_row *uses, size_t n_uses, double max_mask,
                                 plumb_error *err)
{
    static const char what[] = "mask table";
    *t = (plumb__mask_table){.manifest = manifest,
                             .uses = uses,
                             .n_uses = n_uses,
                             .max_mask = max_mask,
                             .n_profiles = plumb_manifest_profile_count(manifest)};
    PLUMB_TRY(plumb__alloc(&t->varies, t->n_profiles, sizeof *t->varies, what, err));
    PLUMB_TRY(plumb__alloc(&t->row, t->n_profiles, sizeof *t->row, what, err));
    PLUMB_TRY(plumb__alloc(&t->made, t->n_profiles, sizeof *t->made, what, err));
    for (uint32_t i = 0; i < t->n_profiles; i++) {
        t->varies[i] = (uint8_t)plumb_manifest_profile_varies(manifest, i);
        t->row[i] = t->rows;
        t->rows += rows_of(t, i);
    }
    const uint64_t edges = t->rows * n_uses;
    if (edges * sizeof *t->masks > TABLE_CAP_BYTES) return PLUMB_OK;
    PLUMB_TRY(plumb__alloc(&t->masks, (size_t)edges, sizeof *t->masks, what, err));
    for (uint32_t i = 0; i < t->n_profiles; i++)
        make(t, i);
    return PLUMB_OK;
}

void plumb__masks_free(plumb__mask_table *t)
{
    plumb__free(t->masks);
    plumb__free(t->row);
    plumb__free(t->made);
    plumb__free(t->varies);
    *t = (plumb__mask_table){0};
}

void plumb__masks_step(plumb__mask_table *t, uint64_t step, double progress)
{
    t->step = step;
    t->progress = progress;
}

bool plumb__masks_by_entropy(const plumb__mask_table *t, uint32_t profile)
{
    return profile < t->n_profiles && t->varies[profile] & PLUMB_PROFILE_BY_ENTROPY;
}

void plumb__masks_of(plumb__mask_table *t, uint32_t profile, plumb_band band, uint16_t *out)
{
    if (!t->masks || profile >= t->n_profiles) {
        compute(t, profile, band, out);
        return;
    }
    if (t->varies[profile] & PLUMB_PROFILE_SCHEDULED && t->made[profile] != t->step)
        make(t, profile);
    const uint64_t row = t->row[profile] + (plumb__masks_by_entropy(t, profile) ? band : 0);
    memcpy(out, t->masks + row * t->n_uses, t->n_uses * sizeof *out);
}

uint64_t plumb__masks_bytes(const plumb__mask_table *t)
{
    const uint64_t profile = sizeof *t->row + sizeof *t->made + sizeof *t->varies;
    return t->n_profiles * profile + (t->masks ? t->rows * t->n_uses * sizeof *t->masks : 0);
}
