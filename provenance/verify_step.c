/* One step against the rules. Everything reads the stored forms, as the runtime did before it acted
 * on them, so that masks and budgets must agree bit for bit and sums up to the order of float64
 * additions. */
#include "provenance/verify_rules.h"

#include "base/half.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* plumb_decision and plumb_reason of runtime/plumb.h, whose numbers are pinned by the format. */
enum { ADMITTED = 0, MODULATED = 1, REJECTED = 2 };
enum {
    REASON_NONE = 0,
    REASON_WEIGHT = 1,
    REASON_CONTENT = 3,
    REASON_NO_DEPTH = 5,
    REASON_EXHAUSTED = 8
};

#define SLACK 1e-9 /* of float64 sums; limits themselves are kept before rounding down */

typedef unsigned long long ull;

/* ---- admission ---------------------------------------------------------------------------- */

static plumb_status bad_admission(const plumb__step *step, uint32_t u, const plumb__grant *grant,
                                  const char *expected, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "step %llu: example %s: decision %u for reason %u with weight %.9g, but by "
                       "manifest and policy it is %s",
                       (ull)step->step, grant->id, step->decision[u], step->reason[u],
                       (double)step->unit_weight[u], expected);
}

static plumb_status check_rejected(const plumb__step *step, uint32_t u, const plumb__grant *grant,
                                   plumb_error *err)
{
    const bool by_content =
        grant->known && step->reason[u] == REASON_CONTENT && step->checked[u] && grant->has_digest;
    if (!by_content && !(grant->refused && step->reason[u] == grant->reason))
        return bad_admission(step, u, grant, "not rejected for that", err);
    if (step->unit_weight[u] != 0)
        return bad_admission(step, u, grant, "rejected with weight 0", err);
    return PLUMB_OK;
}

static plumb_status check_admission(const plumb__step *step, uint32_t u, const plumb__grant *grant,
                                    plumb_error *err)
{
    const uint8_t reason = step->reason[u];
    if (step->decision[u] == REJECTED) return check_rejected(step, u, grant, err);
    if (grant->refused) return bad_admission(step, u, grant, "rejected", err);
    if (step->unit_weight[u] != (float)grant->weight) {
        char expected[64];
        snprintf(expected, sizeof expected, "admitted with weight %.9g", grant->weight);
        return bad_admission(step, u, grant, expected, err);
    }
    bool fits = false;
    if (!grant->known)
        fits = reason == grant->reason;
    else if (!grant->reaches)
        fits = step->decision[u] == MODULATED && reason == REASON_NO_DEPTH;
    else if (reason == REASON_EXHAUSTED)
        fits = step->decision[u] == MODULATED;
    else if (grant->weight != 1)
        fits = step->decision[u] == MODULATED && reason == REASON_WEIGHT;
    else
        fits = step->decision[u] == ADMITTED && reason == REASON_NONE;
    return fits ? PLUMB_OK : bad_admission(step, u, grant, "admitted for another reason", err);
}

/* ---- edges -------------------------------------------------------------------------------- */

typedef struct edge_at {
    const plumb__grants *grants;
    const plumb__step *step;
    const plumb__grant *grant;
    size_t use, edge;
} edge_at;

static plumb_status bad_edge(const edge_at *at, plumb_error *err, const char *format, ...)
    PLUMB_PRINTF(3, 4);

static plumb_status bad_edge(const edge_at *at, plumb_error *err, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return plumb__fail(err, PLUMB_ERR_MISMATCH, "step %llu: example %s at layer %s: %s",
                       (ull)at->step->step, at->grant->id, at->grants->v->run.layers[at->use].name,
                       what);
}

/* "NAME", "of segment 2", with ", band mid" and ", progress 0.5" where masks depend on them. */
static void name_profile(const edge_at *at, char *out, size_t size)
{
    static const char *const bands[] = {"none", "low", "mid", "high"};
    const plumb_manifest *manifest = at->grants->v->manifest;
    const int32_t segment = at->step->segment[at->edge / at->step->n_uses];
    const unsigned varies = plumb_manifest_profile_varies(manifest, at->grant->profile);
    plumb_explanation why = {.size = sizeof why, .version = 1};
    int n = 0;
    if (segment >= 0)
        n = snprintf(out, size, "of segment %d", segment);
    else if (plumb_manifest_explain(manifest, at->grant->number, &why, NULL) == PLUMB_OK)
        n = snprintf(out, size, "%s", why.depth_name);
    else
        out[0] = '\0';
    if (varies & PLUMB_PROFILE_BY_ENTROPY)
        n += snprintf(out + n, size - (size_t)n, ", band %s", bands[at->grant->band]);
    if (varies & PLUMB_PROFILE_SCHEDULED)
        snprintf(out + n, size - (size_t)n, ", progress %g,",
                 plumb__progress(at->step->step, at->grants->v->run.horizon));
}

static plumb_status bad_mask(const edge_at *at, bool rejected, uint16_t expected, plumb_error *err)
{
    const double found = plumb__f16_value(at->step->mask[at->edge]);
    const double depth = at->grants->v->run.layers[at->use].depth;
    if (rejected) return bad_edge(at, err, "mask is %g, but the example was rejected", found);
    if (!at->grant->known)
        return bad_edge(at, err, "mask is %g, but the policy gives %g to unknown examples", found,
                        plumb__f16_value(expected));
    char name[320];
    name_profile(at, name, sizeof name);
    return bad_edge(at, err, "mask is %.6g, but the profile %s at depth %g gives %.6g", found, name,
                    depth, plumb__f16_value(expected));
}

static double unit_room(const edge_at *at)
{
    const double share = 1.0 / at->grants->v->run.layers[at->use].n_uses;
    return share * sqrt(2 * at->grant->unit_nats) * at->step->nu[at->use];
}

static plumb_status check_open_edge(const edge_at *at, plumb_error *err)
{
    const plumb__step *s = at->step;
    const size_t e = at->edge;
    const double clip = plumb__f16_value(s->clip[e]), norm = plumb__norm16_value(s->norm[e]);
    if (s->clip[e] > PLUMB__F16_ONE) return bad_edge(at, err, "clip is %g, expected 0 to 1", clip);
    if (s->norm[e] > PLUMB__NORM16_MAX) return bad_edge(at, err, "norm is no finite number >= 0");
    switch (s->norm_kind[e]) {
    case PLUMB__NORM_NONE:
        if (s->norm[e] == 0 && s->clip[e] == PLUMB__F16_ONE) return PLUMB_OK;
        return bad_edge(at, err, "norm is %g and clip %g, but no norm was taken", norm, clip);
    case PLUMB__NORM_BOUND:
        if (s->clip[e] == 0) return PLUMB_OK;
        return bad_edge(at, err, "clip is %g, but a unit without exact norm must be blocked", clip);
    case PLUMB__NORM_EXACT: break;
    default: return bad_edge(at, err, "norm kind is %u, expected 0 to 2", s->norm_kind[e]);
    }
    if (isinf(at->grant->unit_nats)) return PLUMB_OK;
    const double amplitude = plumb__edge_amplitude(s->norm[e], s->mask[e], s->clip[e]);
    if (amplitude <= unit_room(at) * (1 + SLACK)) return PLUMB_OK;
    const double nu = s->nu[at->use], share = 1.0 / at->grants->v->run.layers[at->use].n_uses;
    const double spend = amplitude * amplitude / (2 * nu * nu * share * share);
    return bad_edge(at, err,
                    "spends %.6g nats (norm %g, clip %g, nu %g), the limit of a unit is %.6g",
                    spend, norm, clip, nu, at->grant->unit_nats);
}

static plumb_status check_edge(const edge_at *at, bool rejected, plumb_error *err)
{
    const plumb__step *s = at->step;
    const size_t e = at->edge;
    const uint16_t expected = rejected ? 0 : at->grant->mask[at->use];
    if (s->mask[e] != expected) return bad_mask(at, rejected, expected, err);
    if (expected != 0) return check_open_edge(at, err);
    if (s->norm[e] == 0 && s->norm_kind[e] == PLUMB__NORM_NONE && s->clip[e] == PLUMB__F16_ONE)
        return PLUMB_OK;
    return bad_edge(at, err, "mask is 0, so norm must be 0 and clip 1, found %g and %g",
                    plumb__norm16_value(s->norm[e]), plumb__f16_value(s->clip[e]));
}

/* A loss of the caller's own may report no entropy: then it is 0, and no band is taken, unless
 * masks need one. */
static plumb_status check_band(const plumb__step *step, uint32_t u, const plumb__grant *grant,
                               plumb_error *err)
{
    const bool unreported = step->band[u] == 0 && step->unit_entropy[u] == 0 && !grant->by_entropy;
    if (step->band[u] == grant->band || unreported) return PLUMB_OK;
    return plumb__fail(
        err, PLUMB_ERR_MISMATCH,
        "step %llu: example %s: band is %u, but by its entropy of %.9g nats it is %u",
        (ull)step->step, grant->id, step->band[u], (double)step->unit_entropy[u], grant->band);
}

static plumb_status check_unit(plumb__grants *grants, const plumb__step *step, uint32_t u,
                               plumb_error *err)
{
    plumb__grant grant;
    PLUMB_TRY(plumb__grants_unit(grants, step, u, &grant, err));
    PLUMB_TRY(check_admission(step, u, &grant, err));
    PLUMB_TRY(check_band(step, u, &grant, err));
    if (step->micro_batch[u] >= step->micro_batches)
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "step %llu: example %s is in micro-batch %u of %u", (ull)step->step,
                           grant.id, step->micro_batch[u], step->micro_batches);
    edge_at at = {.grants = grants, .step = step, .grant = &grant};
    for (; at.use < step->n_uses; at.use++) {
        at.edge = (size_t)u * step->n_uses + at.use;
        PLUMB_TRY(check_edge(&at, step->decision[u] == REJECTED, err));
    }
    return PLUMB_OK;
}

/* ---- uses --------------------------------------------------------------------------------- */

static plumb_status bad_use(const plumb__grants *grants, const plumb__step *step, size_t use,
                            const char *column, double found, double expected, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "step %llu: layer %s: %s is %.9g, but by the record it is %.9g",
                       (ull)step->step, grants->v->run.layers[use].name, column, found, expected);
}

/* NaN is near nothing. */
static bool near(double a, double b, double relative, double absolute)
{
    if (a == b) return true;
    return fabs(a - b) <= absolute + relative * fmax(fabs(a), fabs(b));
}

typedef struct use_sums {
    double squares, logs;
} use_sums;

static use_sums sum_use(const plumb__step *step, size_t use)
{
    use_sums sums = {0};
    for (uint32_t u = 0; u < step->n_units; u++) {
        const size_t e = (size_t)u * step->n_uses + use;
        if (step->norm_kind[e] == PLUMB__NORM_NONE || step->clip[e] == 0) continue;
        const double a = plumb__edge_amplitude(step->norm[e], step->mask[e], step->clip[e]);
        if (!(a > 0)) continue;
        sums.squares += a * a;
        sums.logs += a * a * log(a * a);
    }
    return sums;
}

static plumb_status check_use(const plumb__grants *grants, const plumb__step *step, size_t use,
                              plumb_error *err)
{
    const plumb__layer_row *row = &grants->v->run.layers[use];
    const double share = 1.0 / row->n_uses, nu = step->nu[use];
    const double budget = grants->v->policy.layer_step_nats * share * share;
    if (!(nu >= 0) || isinf(nu) || nu != step->nu[use - row->use])
        return bad_use(grants, step, use, "nu", nu, step->nu[use - row->use], err);
    if (step->budget[use] != budget)
        return bad_use(grants, step, use, "budget", step->budget[use], budget, err);
    const use_sums sums = sum_use(step, use);
    const double spent = nu > 0 ? sums.squares / (2 * nu * nu) : 0;
    if (!near(step->spent[use], spent, SLACK, 0))
        return bad_use(grants, step, use, "spent", step->spent[use], spent, err);
    if (spent > budget * (1 + SLACK))
        return plumb__fail(
            err, PLUMB_ERR_MISMATCH,
            "step %llu: layer %s: %.9g nats are spent, the limit of the layer is %.9g",
            (ull)step->step, row->name, spent, budget);
    const double entropy = sums.squares > 0 ? log(sums.squares) - sums.logs / sums.squares : 0;
    const double contribution = entropy > 0 ? entropy : 0;
    if (!near((double)step->contribution[use], contribution, 1e-5, 1e-6))
        return bad_use(grants, step, use, "contribution", (double)step->contribution[use],
                       contribution, err);
    return PLUMB_OK;
}

/* A weight is stepped exactly when some unit reached it through one of its uses. */
static plumb_status check_live(const plumb__grants *grants, const plumb__step *step, size_t first,
                               plumb_error *err)
{
    const uint32_t n_uses = grants->v->run.layers[first].n_uses;
    bool live = false;
    for (uint32_t u = 0; u < step->n_units && !live; u++)
        for (size_t k = first; k < first + n_uses; k++) {
            const size_t e = (size_t)u * step->n_uses + k;
            live = live || (step->norm_kind[e] != PLUMB__NORM_NONE && step->clip[e] != 0);
        }
    for (size_t k = first; k < first + n_uses; k++)
        if (step->live[k] != live)
            return bad_use(grants, step, k, "live", step->live[k], live, err);
    return PLUMB_OK;
}

plumb_status plumb__rules_step(plumb__grants *grants, const plumb__step *step, plumb_error *err)
{
    for (uint32_t u = 0; u < step->n_units; u++)
        PLUMB_TRY(check_unit(grants, step, u, err));
    for (size_t k = 0; k < step->n_uses; k++) {
        PLUMB_TRY(check_use(grants, step, k, err));
        if (grants->v->run.layers[k].use == 0) PLUMB_TRY(check_live(grants, step, k, err));
    }
    return PLUMB_OK;
}
