/* run.json: what a run says of itself (fields: provenance/run_json.h, which reads it), and the
 * check on resuming that the settings are still the same. */
#include "runtime/run.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "provenance/run_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static json_t *layers_json(const plumb_run *run)
{
    json_t *array = json_array();
    for (size_t i = 0; i < run->n_uses; i++) {
        const plumb__layer_row *r = &run->uses[i];
        json_array_append_new(
            array, json_pack("{s:s,s:s,s:f,s:I,s:I,s:I,s:i,s:i,s:i}", "name", r->name, "kind",
                             r->kind, "depth", r->depth, "rows", (json_int_t)r->rows, "cols",
                             (json_int_t)r->cols, "params", (json_int_t)r->params, "weight",
                             (int)r->weight, "use", (int)r->use, "n_uses", (int)r->n_uses));
    }
    return array;
}

static json_t *manifest_json(const plumb_run *run)
{
    const plumb_manifest_info *m = &run->info;
    return json_pack("{s:s,s:s,s:I,s:I,s:s,s:s,s:s,s:s,s:s*}", "vendor", m->vendor, "dataset",
                     m->dataset, "version", (json_int_t)m->manifest_version, "records",
                     (json_int_t)m->records, "root", m->root_hex, "statement", m->statement_digest,
                     "envelope", m->envelope_digest, "lines", m->records_digest, "withdrawals",
                     m->withdrawals_digest);
}

/* The processor's name as the system gives it; "" where it gives none. */
static void cpu_name(char out[128])
{
    out[0] = '\0';
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (file && !out[0] && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        snprintf(out, 128, "%.120s", colon[1] == ' ' ? colon + 2 : colon + 1);
        out[strcspn(out, "\n")] = '\0';
    }
    if (file) fclose(file);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < 32 || (unsigned char)*c > 126) *c = '?';
}

static json_t *environment_json(void)
{
    char cpu[128];
    cpu_name(cpu);
#if defined(__clang__)
    static const char compiler[] = "clang " __clang_version__;
#else
    static const char compiler[] = "gcc " __VERSION__;
#endif
    return json_pack("{s:s,s:s,s:s,s:i}", "plumbline", plumb_version(), "compiler", compiler, "cpu",
                     cpu, "threads", (int)plumb_threads_count());
}

static void hash_hex(const plumb__bytes *bytes, char out[PLUMB__HASH_HEX_BYTES])
{
    const plumb__hash hash = plumb__blake2b(bytes->data, bytes->size);
    plumb__hash_hex(&hash, out);
}

plumb_status plumb__runjson_build(const plumb_run *run, const plumb_secret_key *run_key,
                                  plumb__bytes *out, plumb_error *err)
{
    char pem[256], policy[PLUMB__HASH_HEX_BYTES], started[21], seed[24];
    plumb_public_key key;
    plumb_key_public(run_key, &key);
    PLUMB_TRY(plumb_public_key_pem(&key, pem, sizeof pem, err));
    hash_hex(&run->policy_bytes, policy);
    plumb__time_format(plumb__wall_s(), started);
    snprintf(seed, sizeof seed, "%" PRIu64, run->seed);
    json_t *trust = json_pack("{s:s,s:s,s:I}", "digest", plumb_trust_digest(run->trust), "root",
                              plumb_trust_root_fingerprint(run->trust), "version",
                              (json_int_t)plumb_trust_version(run->trust));
    json_t *root =
        json_pack("{s:i,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:s,s:s,s:o,s:o,s:s,s:o,s:o,s:O}", "plumb_run",
                  1, "run_id", run->run_id, "started", started, "run_key", pem, "seed", seed,
                  "horizon", (json_int_t)run->horizon, "max_units", (json_int_t)run->max_units,
                  "max_rows", (json_int_t)run->max_rows, "device", "cpu", "depth_axis", "index",
                  "layers", layers_json(run), "manifest", manifest_json(run), "policy", policy,
                  "trust", trust, "environment", environment_json(), "trainer", run->trainer);
    if (!root) return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "run.json");
    plumb_status status = plumb__json_dump(root, out, err);
    json_decref(root);
    plumb__bytes_append_text(out, "\n");
    PLUMB_KEEP(status, plumb__bytes_check(out, err));
    return status;
}

/* ---- resuming ---------------------------------------------------------------------------------
 */

static plumb_status differs(const char *what, const char *there, const char *here, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "%s is %s in run.json, %s here: resume with the settings of run.json, or "
                       "start a new run",
                       what, there, here);
}

static plumb_status match_number(const char *what, uint64_t there, uint64_t here, plumb_error *err)
{
    if (there == here) return PLUMB_OK;
    char a[24], b[24];
    snprintf(a, sizeof a, "%" PRIu64, there);
    snprintf(b, sizeof b, "%" PRIu64, here);
    return differs(what, a, b, err);
}

static plumb_status match_hash(const char *what, const plumb__hash *there, const char *here,
                               plumb_error *err)
{
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(there, hex);
    return strcmp(hex, here) == 0 ? PLUMB_OK : differs(what, hex, here, err);
}

static plumb_status match_layer(const plumb__layer_row *there, const plumb__layer_row *here,
                                size_t i, plumb_error *err)
{
    if (strcmp(there->name, here->name) == 0 && strcmp(there->kind, here->kind) == 0 &&
        there->depth == here->depth && there->rows == here->rows && there->cols == here->cols &&
        there->params == here->params && there->weight == here->weight && there->use == here->use &&
        there->n_uses == here->n_uses)
        return PLUMB_OK;
    char what[32], a[256], b[256];
    snprintf(what, sizeof what, "layer row %zu", i);
    snprintf(a, sizeof a, "%s %s %" PRIu64 "x%" PRIu64 " at depth %g", there->kind, there->name,
             there->rows, there->cols, there->depth);
    snprintf(b, sizeof b, "%s %s %" PRIu64 "x%" PRIu64 " at depth %g", here->kind, here->name,
             here->rows, here->cols, here->depth);
    return differs(what, a, b, err);
}

/* A run is judged by what was withdrawn when it began: it cannot honour more half way. */
static plumb_status match_withdrawals(const plumb_run *run, const plumb__run_json *there,
                                      plumb_error *err)
{
    char hex[PLUMB__HASH_HEX_BYTES] = "";
    const char *here = run->info.withdrawals_digest;
    if (there->has_withdrawals) plumb__hash_hex(&there->manifest_withdrawals, hex);
    if (strcmp(hex, here != NULL ? here : "") == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "manifest %s/%s: its withdrawals are not those of the run's start: start a "
                       "new run that honours them, or open the manifest with %s%s",
                       run->info.vendor, run->info.dataset,
                       there->has_withdrawals ? run->out_dir : "none",
                       there->has_withdrawals ? "/evidence/manifest.withdrawals" : "");
}

static plumb_status match_all(const plumb_run *run, const plumb__run_json *there, plumb_error *err)
{
    char seed[24], policy[PLUMB__HASH_HEX_BYTES];
    hash_hex(&run->policy_bytes, policy);
    snprintf(seed, sizeof seed, "%" PRIu64, run->seed);
    PLUMB_TRY(match_hash("the manifest's statement", &there->manifest_statement,
                         run->info.statement_digest, err));
    PLUMB_TRY(match_withdrawals(run, there, err));
    PLUMB_TRY(match_hash("the policy", &there->policy, policy, err));
    PLUMB_TRY(match_number("horizon", there->horizon, run->horizon, err));
    if (strcmp(there->seed, seed) != 0) return differs("seed", there->seed, seed, err);
    PLUMB_TRY(match_number("the number of layer rows", there->n_layers, run->n_uses, err));
    for (size_t i = 0; i < run->n_uses; i++)
        PLUMB_TRY(match_layer(&there->layers[i], &run->uses[i], i, err));
    return PLUMB_OK;
}

/* The trust store may have moved on; its roots may not. */
static plumb_status match_trust(const plumb_run *run, const plumb__bytes *bytes, plumb_error *err)
{
    json_t *root = NULL;
    const json_t *trust = NULL;
    const char *there = NULL, *here = plumb_trust_root_fingerprint(run->trust);
    int64_t version = 0;
    plumb_status status;
    PLUMB_TRY(plumb__json_parse("run.json", bytes->data, bytes->size, &root, err));
    PLUMB_TRY_CLEAN(plumb__json_object("run.json", root, "trust", true, &trust, err));
    PLUMB_TRY_CLEAN(plumb__json_string("run.json: trust", trust, "root", true, &there, err));
    PLUMB_TRY_CLEAN(plumb__json_integer("run.json: trust", trust, "version", true, &version, err));
    if (strcmp(there, here) != 0)
        status = differs("the root of the trust store", there, here, err);
    else if (plumb_trust_version(run->trust) < (uint64_t)version)
        status = match_number("the version of the trust store", (uint64_t)version,
                              plumb_trust_version(run->trust), err);
cleanup:
    json_decref(root);
    return status;
}

plumb_status plumb__runjson_match(plumb_run *run, plumb__bytes *out, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    plumb__run_json there = {0};
    PLUMB_TRY(plumb__path_join(path, run->out_dir, "run.json", err));
    PLUMB_TRY(plumb__file_read_nofollow(path, PLUMB__MAX_RUN_JSON_BYTES, out, err));
    PLUMB_TRY(plumb__run_json_parse(path, out->data, out->size, &there, err));
    plumb_status status = match_all(run, &there, err);
    if (status == PLUMB_OK) status = match_trust(run, out, err);
    memcpy(run->run_id, there.run_id, sizeof run->run_id);
    plumb__run_json_free(&there);
    return status;
}
