/* The run as an object: phases, sticky failure, creation and end. */
#include "runtime/run.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <string.h>

void plumb_run_config_default(plumb_run_config *config)
{
    *config = (plumb_run_config){.size = sizeof *config, .version = PLUMB_STRUCT_VERSION};
}

plumb_status plumb__struct_check(const char *name, uint32_t size, uint32_t version, size_t known,
                                 plumb_error *err)
{
    if (size == known && version == PLUMB_STRUCT_VERSION) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_VERSION,
                       "%s has size %u and version %u, this library knows size %zu and version "
                       "%u: fill it with %s_default, and build against the same plumb.h",
                       name, size, version, known, PLUMB_STRUCT_VERSION, name);
}

plumb_status plumb__run_fail(plumb_run *run, plumb_status status, plumb_error *err)
{
    if (run->failed || status == PLUMB_OK) return status;
    run->failed = true; /* R5 */
    run->failure.status = status;
    if (err)
        run->failure = *err;
    else
        plumb__fail(&run->failure, status, "the run failed earlier (%s)",
                    plumb_status_name(status));
    return status;
}

/* What a caller in this phase should have called; `step` is the open one. */
static plumb_status out_of_order(const plumb_run *run, const char *function, unsigned wanted,
                                 plumb_error *err)
{
    const unsigned long long step = run->step.step;
    switch (run->phase) {
    case PLUMB__CREATED:
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "%s: the run has not started: call plumb_run_start or plumb_run_resume "
                           "first",
                           function);
    case PLUMB__CLOSED: return plumb__fail(err, PLUMB_ERR_STATE, "%s: the run is closed", function);
    case PLUMB__IDLE:
        if (wanted & PLUMB__CREATED)
            return plumb__fail(err, PLUMB_ERR_STATE,
                               "%s: the run has started: this belongs before plumb_run_start",
                               function);
        return plumb__fail(err, PLUMB_ERR_STATE, "%s: no step is open: call plumb_step_begin first",
                           function);
    case PLUMB__STEP:
        if (wanted & PLUMB__BATCH)
            return plumb__fail(err, PLUMB_ERR_STATE,
                               "%s: step %llu has no micro-batch yet: call plumb_batch_begin first",
                               function, step);
        break;
    case PLUMB__BATCH: break;
    case PLUMB__DECIDED:
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "%s: step %llu is decided: call plumb_step_commit or plumb_step_abort",
                           function, step);
    }
    if (wanted & PLUMB__DECIDED)
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "%s: step %llu is not decided: call plumb_step_decide first", function,
                           step);
    return plumb__fail(err, PLUMB_ERR_STATE,
                       "%s: step %llu is open: call plumb_step_commit or plumb_step_abort first",
                       function, step);
}

plumb_status plumb__run_expect(const plumb_run *run, const char *function, unsigned phases,
                               plumb_error *err)
{
    if (run->failed) {
        if (err) *err = run->failure;
        return run->failure.status;
    }
    if ((unsigned)run->phase & phases) return PLUMB_OK;
    return out_of_order(run, function, phases, err);
}

static plumb_status check_config(const plumb_run_config *c, plumb_error *err)
{
    PLUMB_TRY(plumb__struct_check("plumb_run_config", c->size, c->version, sizeof *c, err));
    const char *missing = !c->out_dir        ? "out_dir (the directory of the run bundle)"
                          : !c->policy_path  ? "policy_path (the policy file)"
                          : !c->trust_path   ? "trust_path (the trust store)"
                          : !c->operator_key ? "operator_key (from plumb_key_open)"
                                             : NULL;
    if (missing) return plumb__fail(err, PLUMB_ERR_ARGUMENT, "plumb_run_config: set %s", missing);
    if (c->max_units == 0 || c->max_units > PLUMB__MAX_UNITS_PER_STEP)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "plumb_run_config: max_units is %u, allowed are 1 to %u", c->max_units,
                           PLUMB__MAX_UNITS_PER_STEP);
    if (c->max_rows == 0 || c->max_rows > INT32_MAX)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "plumb_run_config: max_rows is %llu, allowed are 1 to %d",
                           (unsigned long long)c->max_rows, INT32_MAX);
    if (c->horizon_steps == 0 || c->horizon_steps > INT64_MAX)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "plumb_run_config: set horizon_steps to the length of the schedule");
    if (c->device != PLUMB_CPU)
        return plumb__fail(err, PLUMB_ERR_DEVICE,
                           "plumb_run_config: device %d was asked for, this library was built "
                           "without CUDA: use the CPU",
                           (int)c->device);
    return PLUMB_OK;
}

static plumb_status take_config(plumb_run *run, const plumb_run_config *c, plumb_error *err)
{
    const size_t length = strlen(c->out_dir);
    if (length == 0 || length + 64 > sizeof run->out_dir)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "plumb_run_config: out_dir has %zu bytes, allowed are 1 to %zu", length,
                           sizeof run->out_dir - 64);
    memcpy(run->out_dir, c->out_dir, length + 1);
    while (run->out_dir[1] && run->out_dir[strlen(run->out_dir) - 1] == '/')
        run->out_dir[strlen(run->out_dir) - 1] = '\0';
    if (c->state_dir) {
        if (!c->state_dir[0] || strlen(c->state_dir) >= sizeof run->state_dir)
            return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                               "plumb_run_config: state_dir has %zu bytes, allowed are 1 to %zu",
                               strlen(c->state_dir), sizeof run->state_dir - 1);
        strcpy(run->state_dir, c->state_dir);
    }
    run->device = c->device;
    run->seed = c->seed;
    run->horizon = c->horizon_steps;
    run->max_units = c->max_units;
    run->max_rows = c->max_rows;
    run->operator_key = c->operator_key;
    return PLUMB_OK;
}

plumb_status plumb_run_create(const plumb_run_config *config, const plumb_manifest *manifest,
                              plumb_run **out, plumb_error *err)
{
    *out = NULL;
    plumb_run *run = NULL;
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(check_config(config, err));
    PLUMB_TRY(plumb__alloc(&run, 1, sizeof *run, "run", err));
    run->phase = PLUMB__CREATED;
    run->checkpoint_step = UINT64_MAX;
    run->manifest = manifest;
    run->info = (plumb_manifest_info){.size = sizeof run->info, .version = PLUMB_STRUCT_VERSION};
    plumb_manifest_describe(manifest, &run->info);
    plumb_status status = take_config(run, config, err);
    if (status == PLUMB_OK) status = plumb__rules_open(run, config, err);
    if (status != PLUMB_OK) {
        plumb_run_free(run);
        return status;
    }
    *out = run;
    return PLUMB_OK;
}

void plumb_run_free(plumb_run *run)
{
    if (!run) return;
    plumb__bundle_free(run->bundle);
    plumb__buffers_free(run);
    plumb__masks_free(&run->masks);
    plumb__layers_free(run);
    json_decref(run->trainer);
    plumb__bytes_free(&run->policy_bytes);
    plumb__bytes_free(&run->trust_bytes);
    plumb_trust_free(run->trust);
    plumb__free(run);
}

uint64_t plumb_run_acknowledged(const plumb_run *run)
{
    return run->bundle ? plumb__bundle_acknowledged(run->bundle) : 0;
}

void plumb_memory_info_default(plumb_memory_info *info)
{
    *info = (plumb_memory_info){.size = sizeof *info, .version = PLUMB_STRUCT_VERSION};
}

plumb_status plumb_run_memory(const plumb_run *run, plumb_memory_info *info, plumb_error *err)
{
    if (info->size || info->version)
        PLUMB_TRY(
            plumb__struct_check("plumb_memory_info", info->size, info->version, sizeof *info, err));
    plumb_memory_info_default(info);
    info->manifest_bytes = run->info.table_bytes;
    info->ledger_bytes = run->ledger ? run->info.records * run->n_uses * sizeof *run->ledger : 0;
    info->workspace_bytes = run->workspace_bytes + plumb__masks_bytes(&run->masks);
    info->examples = run->info.records;
    return PLUMB_OK;
}

plumb_status plumb_run_seal(plumb_run *run, plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, "plumb_run_seal", PLUMB__IDLE, err));
    return plumb__run_fail(run, plumb__bundle_seal(run->bundle, err), err);
}

plumb_status plumb_run_close(plumb_run *run, plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, "plumb_run_close", PLUMB__IDLE, err));
    PLUMB_TRY(plumb__run_fail(run, plumb__bundle_close(run->bundle, err), err));
    run->phase = PLUMB__CLOSED;
    return PLUMB_OK;
}
