/* Checkpoints: the caller's tensors beside what governance must remember (ledger, reference scales,
 * starvation counters), in one safetensors file that the run's record commits to. */
#include "runtime/run.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "runtime/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define OWN_TENSORS 3

/* The tensors that governance adds. `starved` is the caller's array of one counter per layer. */
static void own_tensors(const plumb_run *run, int64_t *starved, plumb_named_tensor out[OWN_TENSORS])
{
    out[0] = (plumb_named_tensor){.name = "plumb.ledger",
                                  .dtype = PLUMB_F32,
                                  .n_dims = 2,
                                  .dims = {run->info.records, run->n_uses},
                                  .data = run->ledger};
    out[1] = (plumb_named_tensor){.name = "plumb.reference",
                                  .dtype = PLUMB_F64,
                                  .n_dims = 1,
                                  .dims = {run->n_layers},
                                  .data = run->ema2};
    out[2] = (plumb_named_tensor){.name = "plumb.starved",
                                  .dtype = PLUMB_I64,
                                  .n_dims = 1,
                                  .dims = {run->n_layers},
                                  .data = starved};
}

static plumb_status check_tensors(const char *function, const plumb_named_tensor *tensors, size_t n,
                                  plumb_error *err)
{
    if (n > PLUMB__SAFETENSORS_MAX_TENSORS - OWN_TENSORS)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: %zu tensors, at most %u", function, n,
                           PLUMB__SAFETENSORS_MAX_TENSORS - OWN_TENSORS);
    if (n && !tensors) return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s: no tensors", function);
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = 0;
        PLUMB_TRY(plumb__tensor_bytes(&tensors[i], &bytes, err));
        if (strncmp(tensors[i].name, "plumb.", 6) == 0 ||
            strcmp(tensors[i].name, "__metadata__") == 0)
            return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                               "%s: tensor name \"%.200s\" is reserved: names must not begin with "
                               "\"plumb.\"",
                               function, tensors[i].name);
    }
    return PLUMB_OK;
}

static plumb_status write_file(const plumb_run *run, const char *path,
                               const plumb_named_tensor *tensors, size_t n, uint64_t *size,
                               plumb__hash *digest, plumb_error *err)
{
    plumb_named_tensor *all = NULL;
    int64_t *starved = NULL;
    char step[24], attempt[16];
    plumb_status status;
    snprintf(step, sizeof step, "%llu", (unsigned long long)run->last_step);
    snprintf(attempt, sizeof attempt, "%u", run->attempt);
    json_t *metadata = json_pack("{s:s,s:s,s:s}", "plumb_step", step, "plumb_attempt", attempt,
                                 "run_id", run->run_id);
    PLUMB_TRY_CLEAN(plumb__alloc(&all, n + OWN_TENSORS, sizeof *all, "checkpoint", err));
    PLUMB_TRY_CLEAN(plumb__alloc(&starved, run->n_layers, sizeof *starved, "checkpoint", err));
    for (size_t i = 0; i < run->n_layers; i++)
        starved[i] = (int64_t)run->layers[i]->starved;
    if (n) memcpy(all, tensors, n * sizeof *all);
    own_tensors(run, starved, all + n);
    status = plumb__safetensors_write(path, all, n + OWN_TENSORS, metadata, size, digest, err);
cleanup:
    json_decref(metadata);
    plumb__free(starved);
    plumb__free(all);
    return status;
}

plumb_status plumb_checkpoint(plumb_run *run, const plumb_named_tensor *tensors, size_t n,
                              plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, "plumb_checkpoint", PLUMB__IDLE, err));
    PLUMB_TRY(check_tensors("plumb_checkpoint", tensors, n, err));
    if (run->checkpoint_step == run->last_step)
        return plumb__fail(err, PLUMB_ERR_EXISTS,
                           "plumb_checkpoint: step %llu has its checkpoint already",
                           (unsigned long long)run->last_step);
    char name[64], path[PLUMB__PATH_BYTES];
    plumb__hash digest;
    uint64_t size = 0;
    snprintf(name, sizeof name, "step-%08llu.safetensors", (unsigned long long)run->last_step);
    if ((size_t)snprintf(path, sizeof path, "%s/checkpoints/%s.tmp", run->out_dir, name) >=
        sizeof path)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "path too long: %.100s", run->out_dir);
    PLUMB_TRY(write_file(run, path, tensors, n, &size, &digest, err));
    PLUMB_TRY(plumb__run_fail(run,
                              plumb__bundle_checkpoint(run->bundle, name, run->attempt,
                                                       run->last_step, size, &digest, err),
                              err));
    run->checkpoint_step = run->last_step;
    return PLUMB_OK;
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static plumb_status check_metadata(const plumb_run *run, const plumb__safetensors *file,
                                   uint64_t step, plumb_error *err)
{
    const char *id = NULL, *text = NULL;
    char wanted[24];
    if (!file->metadata)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: no __metadata__", file->path);
    PLUMB_TRY(plumb__json_string(file->path, file->metadata, "run_id", true, &id, err));
    PLUMB_TRY(plumb__json_string(file->path, file->metadata, "plumb_step", true, &text, err));
    snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)step);
    if (strcmp(id, run->run_id) == 0 && strcmp(text, wanted) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "%s: is of run %.40s, step %.24s; run %s, step %s was wanted", file->path,
                       id, text, run->run_id, wanted);
}

/* Ledger sums and squared scales: anything but numbers from 0 up (or the -1 of a scale that is not
 * set yet) would break the arithmetic of every later step. */
static plumb_status check_state(const plumb_run *run, const char *path, plumb_error *err)
{
    const size_t edges = (size_t)run->info.records * run->n_uses;
    bool good = true;
    for (size_t i = 0; i < edges; i++)
        good = good && run->ledger[i] >= 0.0f && isfinite(run->ledger[i]);
    for (size_t i = 0; i < run->n_layers; i++)
        good = good && isfinite(run->ema2[i]) && (run->ema2[i] >= 0.0 || run->ema2[i] == -1.0);
    if (good) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: ledger or reference scales are out of range",
                       path);
}

static plumb_status load_all(plumb_run *run, const plumb__safetensors *file,
                             const plumb_named_tensor *tensors, size_t n, plumb_error *err)
{
    plumb_named_tensor own[OWN_TENSORS];
    int64_t *starved = NULL;
    plumb_status status = PLUMB_OK;
    PLUMB_TRY(plumb__alloc(&starved, run->n_layers, sizeof *starved, "checkpoint", err));
    own_tensors(run, starved, own);
    for (size_t i = 0; i < OWN_TENSORS; i++)
        PLUMB_TRY_CLEAN(plumb__safetensors_load(file, &own[i], err));
    PLUMB_TRY_CLEAN(check_state(run, file->path, err));
    for (size_t i = 0; i < n; i++)
        PLUMB_TRY_CLEAN(plumb__safetensors_load(file, &tensors[i], err));
    if (file->n != n + OWN_TENSORS)
        status = plumb__fail(err, PLUMB_ERR_MISMATCH,
                             "%s: holds %zu tensors of the trainer, %zu were asked for", file->path,
                             file->n - OWN_TENSORS, n);
    for (size_t i = 0; i < run->n_layers; i++)
        run->layers[i]->starved = starved[i] > 0 ? (uint64_t)starved[i] : 0;
cleanup:
    plumb__free(starved);
    return status;
}

plumb_status plumb__checkpoint_load(plumb_run *run, const plumb__bundle_state *state,
                                    const plumb_named_tensor *tensors, size_t n, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    plumb__safetensors file;
    PLUMB_TRY(check_tensors("plumb_run_resume", tensors, n, err));
    if ((size_t)snprintf(path, sizeof path, "%s/checkpoints/%s", run->out_dir,
                         state->checkpoint_file) >= sizeof path)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "path too long: %.100s", run->out_dir);
    PLUMB_TRY(plumb__safetensors_open(path, &state->checkpoint_digest, &file, err));
    plumb_status status = check_metadata(run, &file, state->checkpoint_step, err);
    if (status == PLUMB_OK) status = load_all(run, &file, tensors, n, err);
    plumb__safetensors_close(&file);
    return status;
}
