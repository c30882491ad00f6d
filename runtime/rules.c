/* Policy, trust store and manifest at the door: what must hold before a run may start. Policy and
 * trust are read once, and those bytes are what is judged, hashed and put into the evidence. */
#include "runtime/run.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "manifest/files.h"
#include "manifest/notices/withdrawal.h"
#include "manifest/trust/state.h"

#include <stdio.h>
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

static plumb_status check_operator(const plumb_run *run, plumb_error *err)
{
    plumb_public_key operator_key;
    const plumb_trust_key *found = NULL;
    plumb_key_public(run->operator_key, &operator_key);
    const plumb_status status = plumb_trust_check(
        run->trust, &operator_key, NULL, PLUMB_ROLE_OPERATOR, plumb__wall_s(), &found, err);
    return status == PLUMB_OK ? status : plumb__error_prefix(err, status, "operator key");
}

static void manifest_name(const plumb_run *run, char out[256])
{
    snprintf(out, 256, "manifest %s/%s", run->info.vendor, run->info.dataset);
}

/* Rollback and its kin, against what this machine has seen; nothing is written yet. */
static plumb_status check_seen(const plumb_run *run, const char *manifest, plumb_error *err)
{
    plumb_state *state = NULL;
    PLUMB_TRY(plumb_state_open(run->state_dir[0] ? run->state_dir : NULL, &state, err));
    plumb_status status = plumb_state_check_trust(state, "the trust store", run->trust, err);
    if (status == PLUMB_OK)
        status = plumb_state_check_manifest(state, manifest, run->trust, run->manifest, false, err);
    plumb_state_free(state);
    return status;
}

plumb_status plumb__rules_check(const plumb_run *run, plumb_error *err)
{
    char manifest[256];
    manifest_name(run, manifest);
    PLUMB_TRY(check_expiry("the trust store", plumb_trust_expires(run->trust),
                           "get its successor from whoever keeps it", err));
    PLUMB_TRY(plumb__manifest_judge(run->manifest, manifest, run->trust, plumb__wall_s(), err));
    PLUMB_TRY(plumb__withdrawals_judge(run->manifest, manifest, run->trust, err));
    if (!run->policy.accept_expired)
        PLUMB_TRY(check_expiry("the manifest", run->info.expires_s,
                               "get a newer one, or set \"expired\" to \"accept\" in the policy",
                               err));
    PLUMB_TRY(plumb__audience_check(manifest, run->info.audience, run->policy.audience, err));
    PLUMB_TRY(check_operator(run, err));
    return check_seen(run, manifest, err);
}

plumb_status plumb__rules_remember(const plumb_run *run, plumb_error *err)
{
    char manifest[256];
    plumb_state *state = NULL;
    manifest_name(run, manifest);
    PLUMB_TRY(plumb_state_lock(run->state_dir[0] ? run->state_dir : NULL, &state, err));
    plumb_status status = plumb_state_pin(state, manifest, run->trust, run->manifest, err);
    if (status == PLUMB_OK)
        status =
            plumb__state_add_run(state, run->out_dir, run->run_id, run->trust, run->manifest, err);
    plumb_state_free(state);
    return status;
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
