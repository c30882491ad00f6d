/* What each unit was allowed, from the manifest and the policy alone. */
#include "provenance/verify_rules.h"

#include "base/alloc.h"
#include "base/half.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* plumb_reason and PLUMB_REST of runtime/plumb.h, whose numbers are pinned by the format. */
enum {
    REASON_UNKNOWN = 2,
    REASON_ZERO_WEIGHT = 4,
    REASON_UNKNOWN_PASSED = 6,
    REASON_SEGMENT = 7,
    REASON_WITHDRAWN = 9,
    SEGMENT_REST = -2
};

static uint16_t stored(double value, double max_mask)
{
    if (!(value > 0)) return 0; /* NaN too */
    return plumb__f16_round_down(value < max_mask ? value : max_mask);
}

/* A profile by entropy has a row of masks for each band, and one of the largest. */
static size_t rows_of(const plumb__verify *v, uint32_t profile)
{
    const unsigned varies = plumb_manifest_profile_varies(v->manifest, profile);
    return varies & PLUMB_PROFILE_BY_ENTROPY ? PLUMB_BAND_HIGH + 1 : 1;
}

plumb_status plumb__grants_open(const plumb__verify *v, plumb__grants *grants, plumb_error *err)
{
    const uint32_t profiles = plumb_manifest_profile_count(v->manifest);
    size_t rows = 0;
    *grants = (plumb__grants){.v = v};
    PLUMB_TRY(plumb__alloc(&grants->first, profiles, sizeof *grants->first, "masks", err));
    for (uint32_t i = 0; i < profiles; i++) {
        grants->first[i] = rows;
        rows += rows_of(v, i);
    }
    PLUMB_TRY(
        plumb__alloc(&grants->masks, rows * v->run.n_layers, sizeof *grants->masks, "masks", err));
    PLUMB_TRY(plumb__alloc(&grants->known, rows, sizeof *grants->known, "masks", err));
    for (size_t i = 0; i < rows; i++)
        grants->known[i] = NAN;
    return plumb__alloc(&grants->row, v->run.n_layers, sizeof *grants->row, "masks", err);
}

void plumb__grants_free(plumb__grants *grants)
{
    plumb__free(grants->first);
    plumb__free(grants->masks);
    plumb__free(grants->known);
    plumb__free(grants->row);
    *grants = (plumb__grants){0};
}

static const uint16_t *profile_masks(plumb__grants *grants, uint32_t profile, plumb_band band,
                                     double progress)
{
    const plumb__verify *v = grants->v;
    const size_t at = grants->first[profile] + band;
    uint16_t *row = grants->masks + at * v->run.n_layers;
    if (!(plumb_manifest_profile_varies(v->manifest, profile) & PLUMB_PROFILE_SCHEDULED))
        progress = 0; /* the same at all times */
    if (grants->known[at] == progress) return row;
    for (size_t k = 0; k < v->run.n_layers; k++)
        row[k] =
            stored(plumb_manifest_profile_mask_at(v->manifest, profile, band, progress,
                                                  v->run.layers[k].depth, v->run.layers[k].name),
                   v->policy.max_mask);
    grants->known[at] = progress;
    return row;
}

static void grant_masks(plumb__grants *grants, const plumb__step *step, plumb__grant *out)
{
    const plumb__verify *v = grants->v;
    const double progress = plumb__progress(step->step, v->run.horizon);
    out->by_entropy = rows_of(v, out->profile) > 1;
    /* admission came before the loss: what counted was the largest mask */
    out->mask = profile_masks(grants, out->profile, PLUMB_BAND_NONE, progress);
    for (size_t k = 0; k < v->run.n_layers; k++)
        out->reaches = out->reaches || out->mask[k] != 0;
    if (out->by_entropy)
        out->mask = profile_masks(grants, out->profile, (plumb_band)out->band, progress);
}

static void grant_unknown(plumb__grants *grants, plumb__grant *out)
{
    const plumb__policy *policy = &grants->v->policy;
    const bool pass = policy->unknown == PLUMB__UNKNOWN_PASS;
    for (size_t k = 0; k < grants->v->run.n_layers; k++)
        grants->row[k] = pass ? stored(1, policy->max_mask) : 0;
    out->mask = grants->row;
    out->unit_nats = pass ? policy->unit_step_nats : INFINITY;
    out->run_nats = INFINITY;
    out->weight = 1;
    out->refused = !pass && policy->unknown != PLUMB__UNKNOWN_ZERO;
    out->reason = pass ? REASON_UNKNOWN_PASSED : REASON_UNKNOWN;
}

static double or_default(double stated, double by_policy)
{
    return isnan(stated) ? by_policy : stated;
}

static plumb_status grant_known(plumb__grants *grants, const plumb__step *step, uint32_t unit,
                                plumb__grant *out, plumb_error *err)
{
    const plumb__verify *v = grants->v;
    plumb_record record;
    uint32_t n_segments = 0;
    plumb_record_default(&record);
    PLUMB_TRY(plumb_manifest_record(v->manifest, out->number, &record, err));
    snprintf(out->id, sizeof out->id, "%s", record.id);
    out->unit_nats = or_default(record.step_budget_nats, v->policy.unit_step_nats);
    out->run_nats = or_default(record.run_budget_nats, v->policy.run_nats);
    out->weight = record.weight;
    out->has_digest = record.has_digest;
    out->mask = grants->row;
    const int32_t segment = step->segment[unit];
    const plumb_segment *segments = plumb_manifest_segments(v->manifest, out->number, &n_segments);
    if (segment < SEGMENT_REST)
        return plumb__fail(err, PLUMB_ERR_MISMATCH, "step %llu: example %s has segment %d",
                           (unsigned long long)step->step, out->id, segment);
    /* a record with segments is never whole, one without them has no rest */
    const bool missing = segment >= 0 ? (uint32_t)segment >= n_segments
                                      : (segment == SEGMENT_REST) != (n_segments > 0);
    if (segment >= 0 && !missing) out->weight *= segments[segment].weight;
    if (record.withdrawn || missing || !((float)out->weight > 0)) {
        out->refused = true;
        out->reason = record.withdrawn ? REASON_WITHDRAWN
                      : missing        ? REASON_SEGMENT
                                       : REASON_ZERO_WEIGHT;
        return PLUMB_OK;
    }
    out->profile = segment < 0 ? record.profile_number : segments[segment].profile;
    grant_masks(grants, step, out);
    return PLUMB_OK;
}

plumb_status plumb__grants_unit(plumb__grants *grants, const plumb__step *step, uint32_t unit,
                                plumb__grant *out, plumb_error *err)
{
    const int32_t example = step->example[unit];
    *out = (plumb__grant){
        .known = example >= 0,
        .number = (uint32_t)example,
        .band = (uint8_t)plumb__policy_band(&grants->v->policy, step->unit_entropy[unit])};
    memset(grants->row, 0, grants->v->run.n_layers * sizeof *grants->row);
    if (example < -1 || (example >= 0 && (uint64_t)example >= grants->v->run.records))
        return plumb__fail(
            err, PLUMB_ERR_MISMATCH,
            "step %llu: unit %u has example number %d, the manifest has %llu records",
            (unsigned long long)step->step, unit, example,
            (unsigned long long)grants->v->run.records);
    if (example >= 0) return grant_known(grants, step, unit, out, err);
    snprintf(out->id, sizeof out->id, "(not in the manifest)");
    grant_unknown(grants, out);
    return PLUMB_OK;
}
