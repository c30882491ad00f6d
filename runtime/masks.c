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

static void compute(const plumb__mask_table *t, uint32_t profile, uint16_t *out)
{
    for (size_t k = 0; k < t->n_uses; k++) {
        const plumb__layer_row *use = &t->uses[k];
        out[k] = plumb__mask_store(
            plumb_manifest_profile_mask(t->manifest, profile, use->depth, use->name), t->max_mask);
    }
}

plumb_status plumb__masks_create(plumb__mask_table *t, const plumb_manifest *manifest,
                                 const plumb__layer_row *uses, size_t n_uses, double max_mask,
                                 plumb_error *err)
{
    *t = (plumb__mask_table){.manifest = manifest,
                             .uses = uses,
                             .n_uses = n_uses,
                             .max_mask = max_mask,
                             .n_profiles = plumb_manifest_profile_count(manifest)};
    const uint64_t edges = (uint64_t)t->n_profiles * n_uses;
    if (edges * sizeof *t->masks > TABLE_CAP_BYTES) return PLUMB_OK;
    PLUMB_TRY(plumb__alloc(&t->masks, (size_t)edges, sizeof *t->masks, "mask table", err));
    for (uint32_t i = 0; i < t->n_profiles; i++)
        compute(t, i, t->masks + (size_t)i * n_uses);
    return PLUMB_OK;
}

void plumb__masks_free(plumb__mask_table *t)
{
    plumb__free(t->masks);
    *t = (plumb__mask_table){0};
}

void plumb__masks_of(const plumb__mask_table *t, uint32_t profile, uint16_t *out)
{
    if (t->masks && profile < t->n_profiles)
        memcpy(out, t->masks + (size_t)profile * t->n_uses, t->n_uses * sizeof *out);
    else
        compute(t, profile, out);
}

uint64_t plumb__masks_bytes(const plumb__mask_table *t)
{
    return t->masks ? (uint64_t)t->n_profiles * t->n_uses * sizeof *t->masks : 0;
}
