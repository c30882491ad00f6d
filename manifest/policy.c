#include "manifest/policy.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define POLICY_CAP_BYTES ((size_t)1 << 20)
#define WHAT_BYTES 512

void plumb__policy_default(plumb__policy *policy)
{
    *policy = (plumb__policy){
        .max_mask = 1.0,
        .entropy_bands = {NAN, NAN},
        .unknown = PLUMB__UNKNOWN_REJECT,
        .unit_step_nats = INFINITY,
        .run_nats = INFINITY,
        .layer_step_nats = INFINITY,
        .reference_ema = 0.9,
        .starvation_steps = 50,
        .starvation_action = PLUMB__ACTION_WARN,
        .nonfinite_action = PLUMB__ACTION_WARN,
        .commit_ms = 20,
        .max_block_ms = 10000,
        .commit_bytes = (uint64_t)4 << 20,
    };
}

static plumb_status range_error(const char *what, const char *name, const char *expected,
                                plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_POLICY, "%s: field \"%s\" must be %s", what, name, expected);
}

/* A number above `low`, at most `high`. */
static plumb_status read_number(const char *what, const json_t *obj, const char *name, double low,
                                double high, const char *expected, double *out, plumb_error *err)
{
    double value = *out;
    if (json_object_get(obj, name) == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__json_number(what, obj, name, true, &value, err));
    if (!(value > low && value <= high)) return range_error(what, name, expected, err);
    *out = value;
    return PLUMB_OK;
}

/* A budget in nats: a number above 0, or null for none. */
static plumb_status read_budget(const char *what, const json_t *obj, const char *name, double *out,
                                plumb_error *err)
{
    if (json_is_null(json_object_get(obj, name))) {
        *out = INFINITY;
        return PLUMB_OK;
    }
    return read_number(what, obj, name, 0.0, 1e300, "a number above 0, or null for no limit", out,
                       err);
}

static plumb_status read_count(const char *what, const json_t *obj, const char *name, int64_t low,
                               int64_t high, uint64_t *out, plumb_error *err)
{
    int64_t value = (int64_t)*out;
    PLUMB_TRY(plumb__json_integer(what, obj, name, false, &value, err));
    if (value < low || value > high) {
        return plumb__fail(err, PLUMB_ERR_POLICY,
                           "%s: field \"%s\" must be an integer from %lld to %lld", what, name,
                           (long long)low, (long long)high);
    }
    *out = (uint64_t)value;
    return PLUMB_OK;
}

/* One of the words; *out is its place in the NULL-ended list. `expected` is the list for the
 * message. */
static plumb_status read_word(const char *what, const json_t *obj, const char *name,
                              const char *const *words, const char *expected, unsigned *out,
                              plumb_error *err)
{
    const char *word = NULL;
    PLUMB_TRY(plumb__json_string(what, obj, name, false, &word, err));
    if (word == NULL) return PLUMB_OK;
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            *out = i;
            return PLUMB_OK;
        }
    }
    return plumb__fail(err, PLUMB_ERR_POLICY, "%s: field \"%s\" is \"%s\"; it must be %s", what,
                       name, word, expected);
}

static plumb_status read_axis(const char *what, const json_t *root, plumb_error *err)
{
    const char *axis = "index";
    PLUMB_TRY(plumb__json_string(what, root, "depth_axis", false, &axis, err));
    if (strcmp(axis, "entropy") == 0) {
        return plumb__fail(
            err, PLUMB_ERR_POLICY,
            "%s: field \"depth_axis\": \"entropy\" is not supported in this version; "
            "use \"index\"",
            what);
    }
    if (strcmp(axis, "index") != 0) {
        return plumb__fail(err, PLUMB_ERR_POLICY,
                           "%s: field \"depth_axis\" is \"%s\"; it must be \"index\"", what, axis);
    }
    return PLUMB_OK;
}

static plumb_status read_bands(const char *what, const json_t *root, plumb__policy *p,
                               plumb_error *err)
{
    const json_t *pair = json_object_get(root, "entropy_bands");
    if (pair == NULL || json_is_null(pair)) return PLUMB_OK;
    const json_t *low = json_array_get(pair, 0), *high = json_array_get(pair, 1);
    if (json_array_size(pair) == 2 && json_is_number(low) && json_is_number(high)) {
        p->entropy_bands[0] = json_number_value(low);
        p->entropy_bands[1] = json_number_value(high);
        if (p->entropy_bands[0] > 0.0 && p->entropy_bands[1] >= p->entropy_bands[0])
            return PLUMB_OK;
    }
    return range_error(what, "entropy_bands",
                       "two numbers above 0 in nats, the second not below the first, or null", err);
}

unsigned plumb__policy_band(const plumb__policy *policy, float entropy)
{
    if (isnan(policy->entropy_bands[0])) return 0;
    if ((double)entropy < policy->entropy_bands[0]) return 1;
    return (double)entropy < policy->entropy_bands[1] ? 2 : 3;
}

double plumb__progress(uint64_t step, uint64_t horizon)
{
    return step < horizon ? (double)step / (double)horizon : 1.0;
}

static plumb_status read_admission(const char *what, const json_t *root, plumb__policy *p,
                                   plumb_error *err)
{
    static const char *const unknown[] = {"reject", "zero", "pass", "halt", NULL};
    static const char *const expired[] = {"refuse", "accept", NULL};
    unsigned unknown_at = (unsigned)p->unknown, expired_at = p->accept_expired ? 1 : 0;
    PLUMB_TRY(read_word(what, root, "unknown", unknown,
                        "\"reject\", \"zero\", \"pass\" or \"halt\"", &unknown_at, err));
    PLUMB_TRY(
        read_word(what, root, "expired", expired, "\"refuse\" or \"accept\"", &expired_at, err));
    p->unknown = (plumb__unknown_rule)unknown_at;
    p->accept_expired = expired_at == 1;
    if (json_is_null(json_object_get(root, "audience"))) return PLUMB_OK;
    const char *audience = "";
    PLUMB_TRY(plumb__json_string(what, root, "audience", false, &audience, err));
    if (strlen(audience) >= sizeof p->audience) {
        return range_error(what, "audience", "at most 255 bytes", err);
    }
    strcpy(p->audience, audience);
    return PLUMB_OK;
}

static plumb_status read_budgets(const char *what, const json_t *root, plumb__policy *p,
                                 plumb_error *err)
{
    static const char *const allowed[] = {"unit_step_nats", "layer_step_nats", "run_nats", NULL};
    const json_t *budgets = NULL;
    char place[WHAT_BYTES];
    PLUMB_TRY(plumb__json_object(what, root, "budgets", false, &budgets, err));
    if (budgets == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%s: in \"budgets\"", what);
    PLUMB_TRY(plumb__json_only(place, budgets, allowed, err));
    PLUMB_TRY(read_budget(place, budgets, "unit_step_nats", &p->unit_step_nats, err));
    PLUMB_TRY(read_budget(place, budgets, "layer_step_nats", &p->layer_step_nats, err));
    return read_budget(place, budgets, "run_nats", &p->run_nats, err);
}

static plumb_status read_reference(const char *what, const json_t *root, plumb__policy *p,
                                   plumb_error *err)
{
    static const char *const allowed[] = {"ema", "fixed", NULL};
    const json_t *reference = NULL;
    char place[WHAT_BYTES];
    PLUMB_TRY(plumb__json_object(what, root, "reference", false, &reference, err));
    if (reference == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%s: in \"reference\"", what);
    PLUMB_TRY(plumb__json_only(place, reference, allowed, err));
    if (json_object_size(reference) != 1) {
        return plumb__fail(err, PLUMB_ERR_POLICY,
                           "%s: field \"reference\" must have exactly one of \"ema\", \"fixed\"",
                           what);
    }
    /* nextafter: the scale at 1 would never move at all, which is what "fixed" is for. */
    PLUMB_TRY(read_number(place, reference, "ema", 0.0, nextafter(1.0, 0.0),
                          "a number above 0 and below 1", &p->reference_ema, err));
    return read_number(place, reference, "fixed", 0.0, 1e300, "a number above 0",
                       &p->reference_fixed, err);
}

static plumb_status read_events(const char *what, const json_t *root, plumb__policy *p,
                                plumb_error *err)
{
    static const char *const allowed[] = {"steps", "action", NULL};
    static const char *const actions[] = {"warn", "halt", NULL};
    static const char *const nonfinite[] = {"block", "halt", NULL};
    const json_t *starvation = NULL;
    char place[WHAT_BYTES];
    uint64_t steps = p->starvation_steps;
    unsigned starvation_at = (unsigned)p->starvation_action;
    unsigned nonfinite_at = (unsigned)p->nonfinite_action;
    PLUMB_TRY(
        read_word(what, root, "nonfinite", nonfinite, "\"block\" or \"halt\"", &nonfinite_at, err));
    p->nonfinite_action = (plumb__action)nonfinite_at;
    PLUMB_TRY(plumb__json_object(what, root, "starvation", false, &starvation, err));
    if (starvation == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%s: in \"starvation\"", what);
    PLUMB_TRY(plumb__json_only(place, starvation, allowed, err));
    PLUMB_TRY(read_count(place, starvation, "steps", 0, UINT32_MAX, &steps, err));
    PLUMB_TRY(read_word(place, starvation, "action", actions, "\"warn\" or \"halt\"",
                        &starvation_at, err));
    p->starvation_steps = (uint32_t)steps;
    p->starvation_action = (plumb__action)starvation_at;
    return PLUMB_OK;
}

static plumb_status read_journal(const char *what, const json_t *root, plumb__policy *p,
                                 plumb_error *err)
{
    static const char *const allowed[] = {"commit_ms", "commit_bytes", "max_block_ms", NULL};
    const json_t *journal = NULL;
    char place[WHAT_BYTES];
    uint64_t commit_ms = p->commit_ms, max_block_ms = p->max_block_ms;
    PLUMB_TRY(plumb__json_object(what, root, "journal", false, &journal, err));
    if (journal == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%s: in \"journal\"", what);
    PLUMB_TRY(plumb__json_only(place, journal, allowed, err));
    PLUMB_TRY(read_count(place, journal, "commit_ms", 0, 60000, &commit_ms, err));
    PLUMB_TRY(
        read_count(place, journal, "commit_bytes", 4096, (int64_t)1 << 30, &p->commit_bytes, err));
    PLUMB_TRY(read_count(place, journal, "max_block_ms", 1, 86400000, &max_block_ms, err));
    p->commit_ms = (uint32_t)commit_ms;
    p->max_block_ms = (uint32_t)max_block_ms;
    return PLUMB_OK;
}

static plumb_status read_policy(const char *what, const json_t *root, plumb__policy *p,
                                plumb_error *err)
{
    static const char *const allowed[] = {"plumb_policy",  "depth_axis", "max_mask",   "unknown",
                                          "expired",       "audience",   "budgets",    "reference",
                                          "starvation",    "nonfinite",  "seal_steps", "journal",
                                          "entropy_bands", NULL};
    int64_t version = 0;
    if (!json_is_object(root)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a policy must be a JSON object", what);
    }
    PLUMB_TRY(plumb__json_integer(what, root, "plumb_policy", true, &version, err));
    if (version != 1) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"plumb_policy\" is %lld; this version reads policies of "
                           "version 1",
                           what, (long long)version);
    }
    PLUMB_TRY(plumb__json_only(what, root, allowed, err));
    PLUMB_TRY(read_axis(what, root, err));
    PLUMB_TRY(read_number(what, root, "max_mask", 0.0, 1e6, "a number above 0, at most 1000000",
                          &p->max_mask, err));
    PLUMB_TRY(read_bands(what, root, p, err));
    PLUMB_TRY(read_admission(what, root, p, err));
    PLUMB_TRY(read_budgets(what, root, p, err));
    PLUMB_TRY(read_reference(what, root, p, err));
    PLUMB_TRY(read_events(what, root, p, err));
    PLUMB_TRY(read_count(what, root, "seal_steps", 0, INT64_MAX, &p->seal_steps, err));
    return read_journal(what, root, p, err);
}

plumb_status plumb__policy_parse(const char *what, const void *data, size_t n,
                                 plumb__policy *policy, plumb_error *err)
{
    json_t *root = NULL;
    plumb__policy_default(policy);
    if (n > POLICY_CAP_BYTES) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: a policy has at most %zu bytes", what,
                           POLICY_CAP_BYTES);
    }
    PLUMB_TRY(plumb__json_parse(what, data, n, &root, err));
    const plumb_status status = read_policy(what, root, policy, err);
    json_decref(root);
    return status;
}
