/* Resuming: run.json is compared before anything is touched; then the journal is recovered, the
 * last checkpoint loaded, and steps beyond it are superseded. */
#include "runtime/run.h"

void plumb_resume_info_default(plumb_resume_info *info)
{
    *info = (plumb_resume_info){.size = sizeof *info, .version = PLUMB_STRUCT_VERSION};
}

static plumb_status reopen(plumb_run *run, plumb__bundle_state *state, plumb_error *err)
{
    plumb__bytes run_json = {0};
    plumb_secret_key *key = NULL;
    plumb__bundle_start start;
    plumb_status status;
    PLUMB_TRY_CLEAN(plumb__runjson_match(run, &run_json, err));
    PLUMB_TRY_CLEAN(plumb__rules_remember(run, err));
    PLUMB_TRY_CLEAN(plumb_key_ephemeral(&key, err));
    plumb__bundle_start_fill(run, &start);
    start.run_json = run_json.data;
    start.run_json_bytes = run_json.size;
    start.run_key = key;
    status = plumb__bundle_reopen(&start, &run->bundle, state, err);
cleanup:
    plumb__bytes_free(&run_json);
    return status;
}

/* A process that died before checkpoint 0 had its name has trained nothing yet: the run begins
 * where it began, and its directory is not lost to it. */
static plumb_status restart(const plumb_run *run, const plumb__bundle_state *state,
                            plumb_error *err)
{
    if (state->steps_acknowledged == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_NOT_FOUND,
                       "%s has %llu steps, but no checkpoint to resume from: start a new run in "
                       "another directory",
                       run->out_dir, (unsigned long long)state->steps_acknowledged);
}

static plumb_status restore(plumb_run *run, const plumb__bundle_state *state,
                            const plumb_named_tensor *tensors, size_t n, plumb_error *err)
{
    run->attempt = state->attempt + 1;
    if (state->checkpoint_step == UINT64_MAX) return restart(run, state, err);
    PLUMB_TRY(plumb__checkpoint_load(run, state, tensors, n, err));
    run->last_step = run->checkpoint_step = state->checkpoint_step;
    return plumb__bundle_rewind(run->bundle, state->steps_acknowledged, state->checkpoint_step,
                                &state->checkpoint_digest, run->attempt, err);
}

plumb_status plumb_run_resume(plumb_run *run, const plumb_named_tensor *tensors, size_t n,
                              plumb_resume_info *info, plumb_error *err)
{
    plumb__bundle_state state = {0};
    PLUMB_TRY(plumb__run_expect(run, "plumb_run_resume", PLUMB__CREATED, err));
    if (info && (info->size || info->version))
        PLUMB_TRY(
            plumb__struct_check("plumb_resume_info", info->size, info->version, sizeof *info, err));
    PLUMB_TRY(plumb__run_fail(run, plumb__run_prepare(run, err), err));
    PLUMB_TRY(plumb__run_fail(run, reopen(run, &state, err), err));
    PLUMB_TRY(plumb__run_fail(run, restore(run, &state, tensors, n, err), err));
    plumb__run_started(run);
    if (!info) return PLUMB_OK;
    plumb_resume_info_default(info);
    info->unstarted = state.checkpoint_step == UINT64_MAX;
    info->step = info->unstarted ? 0 : state.checkpoint_step;
    info->steps_acknowledged = state.steps_acknowledged;
    info->attempt = run->attempt;
    info->closed = state.closed;
    return PLUMB_OK;
}
