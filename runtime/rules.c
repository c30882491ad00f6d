/* Policy, trust store and manifest at the door: what must hold before a run may start. Policy and
 * trust are read once, and those bytes are what is judged, hashed and put into the evidence. */
#include "runtime/run.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#include <string.h>

#define POLICY_CAP_BYTES ((size_t)1 << 20)
#define TRUST_CAP_BYTES ((size_t)16 << 20)

static plumb_status check_expiry(const char *what, int64_t expires_s, const char *advice,
                                 plumb_error *err)
{
    if (expires_s == 0 || plumb__wall_s() < expires_s) return PLUMB_OK;
    char when[21];
    plumb__time_format(expires_s, when);
    return plumb__fail(err, PLUMB_ERR_EXPIRED, "%s expired at %s: %s", what, when, advice);
}

static plumb_status check_audience(const plumb_run *run, plumb_error *err)
{
    const char *of_manifest = run->info.audience ? run->info.audience : "";
    if (strcmp(of_manifest, run->policy.audience) == 0) return PLUMB_OK;
    if (!run->policy.audience[0])
        return plumb__fail(err, PLUMB_ERR_POLICY,
                           "manifest %s/%s is for audience \"%s\", the policy names none: add "
                           "\"audience\" to the policy",
                           run->info.vendor, run->info.dataset, of_manifest);
    return plumb__fail(err, PLUMB_ERR_POLICY,
                       "manifest %s/%s is for audience \"%s\", the policy's is \"%s\"",
                       run->info.vendor, run->info.dataset, of_manifest, run->policy.audience);
}

plumb_status plumb__rules_check(const plumb_run *run, plumb_error *err)
{
    PLUMB_TRY(check_expiry("the trust store", plumb_trust_expires(run->trust),
                           "get its successor from whoever keeps it", err));
    if (!run->policy.accept_expired)
        PLUMB_TRY(check_expiry("the manifest", run->info.expires_s,
                               "get a newer one, or set \"expired\" to \"accept\" in the policy",
                               err));
    PLUMB_TRY(check_audience(run, err));
    plumb_public_key operator_key;
    plumb_key_public(run->operator_key, &operator_key);
    const plumb_trust_key *found = NULL;
    const plumb_status status = plumb_trust_check(
        run->trust, &operator_key, NULL, PLUMB_ROLE_OPERATOR, plumb__wall_s(), &found, err);
    if (status != PLUMB_OK) return plumb__error_prefix(err, status, "operator key");
    return PLUMB_OK;
}

static plumb_status open_trainer(plumb_run *run, const char *text, plumb_error *err)
{
    if (!text) text = "{}";
    PLUMB_TRY(
        plumb__json_parse("plumb_run_config.trainer_json", text, strlen(text), &run->trainer, err));
    if (json_is_object(run->trainer)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                       "plumb_run_config.trainer_json must be a JSON object");
}

plumb_status plumb__rules_open(plumb_run *run, const plumb_run_config *config, plumb_error *err)
{
    PLUMB_TRY(plumb__file_read(config->policy_path, POLICY_CAP_BYTES, &run->policy_bytes, err));
    PLUMB_TRY(plumb__policy_parse(config->policy_path, run->policy_bytes.data,
                                  run->policy_bytes.size, &run->policy, err));
    PLUMB_TRY(plumb__file_read(config->trust_path, TRUST_CAP_BYTES, &run->trust_bytes, err));
    PLUMB_TRY(plumb_trust_parse(config->trust_path, run->trust_bytes.data, run->trust_bytes.size,
                                &run->trust, err));
    PLUMB_TRY(open_trainer(run, config->trainer_json, err));
    return plumb__rules_check(run, err);
}
