/* Starting a run: everything is resolved and sized before the first byte is written, so that a
 * start that fails leaves nothing behind. */
#include "runtime/run.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/text.h"
#include "manifest/files.h"
#include "runtime/known_answers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define RECORDS_EVIDENCE_BYTES ((size_t)64 << 20)
#define RING_BYTES ((uint64_t)64 << 20)
#define MAX_EVIDENCE 6

/* The layer limit is of the weight; each of its uses may spend the square of its share, so that
 * amplitudes of all uses together keep it (governance.md section 2). */
static void set_budgets(plumb_run *run)
{
    for (size_t k = 0; k < run->n_uses; k++) {
        const double share = 1.0 / (double)run->uses[k].n_uses;
        run->budget[k] = run->policy.layer_step_nats * share * share;
    }
}

/* Thresholds have no default: what counts as low depends on vocabulary and task. */
static plumb_status check_bands(const plumb_run *run, plumb_error *err)
{
    if (!isnan(run->policy.entropy_bands[0])) return PLUMB_OK;
    for (uint32_t i = 0; i < plumb_manifest_profile_count(run->manifest); i++)
        if (plumb_manifest_profile_varies(run->manifest, i) & PLUMB_PROFILE_BY_ENTROPY)
            return plumb__fail(err, PLUMB_ERR_POLICY,
                               "manifest %s/%s has depth profiles by entropy, and the policy no "
                               "thresholds: add \"entropy_bands\", such as [0.5,2] in nats",
                               run->info.vendor, run->info.dataset);
    return PLUMB_OK;
}

plumb_status plumb__run_prepare(plumb_run *run, plumb_error *err)
{
    PLUMB_TRY(plumb__rules_check(run, err));
    PLUMB_TRY(plumb__known_answers(plumb__wgrad, err));
    PLUMB_TRY(plumb__layers_resolve(run, err));
    PLUMB_TRY(check_bands(run, err));
    PLUMB_TRY(plumb__masks_create(&run->masks, run->manifest, run->uses, run->n_uses,
                                  run->policy.max_mask, err));
    PLUMB_TRY(plumb__buffers_create(run, err));
    set_budgets(run);
    return PLUMB_OK;
}

static uint64_t ring_bytes(const plumb_run *run)
{
    const uint64_t step =
        4096 + (uint64_t)run->max_units * (32 + 8 * run->n_uses) + 32 * (uint64_t)run->n_uses;
    return 4 * step > RING_BYTES ? 4 * step : RING_BYTES;
}

void plumb__bundle_start_fill(const plumb_run *run, plumb__bundle_start *start)
{
    *start = (plumb__bundle_start){
        .dir = run->out_dir,
        .run_id = run->run_id,
        .operator_key = run->operator_key,
        .layers = run->uses,
        .n_layers = run->n_uses,
        .manifest = run->manifest,
        .options = {.commit_ms = run->policy.commit_ms,
                    .commit_bytes = run->policy.commit_bytes,
                    .max_block_ms = run->policy.max_block_ms,
                    .ring_bytes = ring_bytes(run),
                    .seal_steps = run->policy.seal_steps},
    };
}

void plumb__run_started(plumb_run *run)
{
    run->operator_key = NULL;
    plumb__bytes_free(&run->policy_bytes);
    plumb__bytes_free(&run->trust_bytes);
    json_decref(run->trainer);
    run->trainer = NULL;
    run->phase = PLUMB__IDLE;
}

static size_t collect_evidence(const plumb_run *run, const plumb__bytes *records,
                               plumb__evidence out[MAX_EVIDENCE])
{
    static const struct {
        plumb__manifest_part part;
        const char *name;
    } parts[] = {{PLUMB__MANIFEST_ENVELOPE, "manifest.plumb.json"},
                 {PLUMB__MANIFEST_CHECKPOINT, "manifest.checkpoint"},
                 {PLUMB__MANIFEST_WITHDRAWALS, "manifest.withdrawals"}};
    size_t n = 0;
    out[n++] = (plumb__evidence){"policy.json", run->policy_bytes.data, run->policy_bytes.size};
    out[n++] = (plumb__evidence){"trust.json", run->trust_bytes.data, run->trust_bytes.size};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t size = 0;
        const void *data = plumb__manifest_bytes(run->manifest, parts[i].part, &size);
        if (data) out[n++] = (plumb__evidence){parts[i].name, data, size};
    }
    if (records->size > 0)
        out[n++] = (plumb__evidence){"records.jsonl", records->data, records->size};
    return n;
}

/* Read again and checked: what is kept as evidence is what was verified. */
static plumb_status read_records(const plumb_run *run, plumb__bytes *out, plumb_error *err)
{
    if (plumb__manifest_records_bytes(run->manifest) > RECORDS_EVIDENCE_BYTES) return PLUMB_OK;
    return plumb__manifest_read_records(run->manifest, out, err);
}

static plumb_status create_bundle(plumb_run *run, plumb_error *err)
{
    plumb__evidence evidence[MAX_EVIDENCE];
    plumb__bundle_start start;
    plumb_secret_key *key = NULL;
    plumb__bytes run_json = {0}, records = {0};
    uint8_t id[16];
    plumb__random_bytes(id, sizeof id);
    plumb__hex_encode(id, sizeof id, run->run_id);
    PLUMB_TRY(plumb_key_ephemeral(&key, err));
    plumb_status status = plumb__runjson_build(run, key, &run_json, err);
    if (status == PLUMB_OK) status = read_records(run, &records, err);
    if (status != PLUMB_OK) {
        plumb_key_free(key);
        goto cleanup;
    }
    plumb__bundle_start_fill(run, &start);
    start.run_json = run_json.data;
    start.run_json_bytes = run_json.size;
    start.run_key = key;
    start.evidence = evidence;
    start.n_evidence = collect_evidence(run, &records, evidence);
    status = plumb__rules_remember(run, err);
    if (status == PLUMB_OK)
        status = plumb__bundle_create(&start, &run->bundle, err);
    else
        plumb_key_free(key);
cleanup:
    plumb__bytes_free(&records);
    plumb__bytes_free(&run_json);
    return status;
}

plumb_status plumb_run_start(plumb_run *run, plumb_error *err)
{
    PLUMB_TRY(plumb__run_expect(run, "plumb_run_start", PLUMB__CREATED, err));
    if (plumb__path_exists(run->out_dir))
        return plumb__fail(err, PLUMB_ERR_EXISTS,
                           "%s exists already: resume it, or choose another directory",
                           run->out_dir);
    PLUMB_TRY(plumb__run_fail(run, plumb__run_prepare(run, err), err));
    PLUMB_TRY(plumb__run_fail(run, create_bundle(run, err), err));
    run->attempt = 1;
    plumb__run_started(run);
    return PLUMB_OK;
}
