/* Under which rules the run was made: policy, trust store, manifest. The trust store in evidence/
 * only shows what the operator had; the anchor is the one that the caller gives. */
#include "provenance/verify.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

#define MAX_POLICY_BYTES ((size_t)1 << 20)
#define MAX_TRUST_BYTES ((size_t)16 << 20)
#define MAX_BLOCKS 65536u

static plumb_status expect_digest(const char *name, const plumb__hash *found,
                                  const plumb__hash *expected, plumb_error *err)
{
    if (plumb__hash_equal(found, expected)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: is not the one that run.json names", name);
}

static plumb_status expect_bytes(const char *name, const plumb__bytes *bytes,
                                 const plumb__hash *expected, plumb_error *err)
{
    const plumb__hash found = plumb__blake2b(bytes->data, bytes->size);
    return expect_digest(name, &found, expected, err);
}

plumb_status plumb__verify_policy(plumb__verify *v, plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    plumb__bytes policy = {0}, trust = {0};
    PLUMB_TRY_CLEAN(plumb__verify_read(v, "evidence/policy.json", MAX_POLICY_BYTES, &policy, err));
    PLUMB_TRY_CLEAN(expect_bytes("evidence/policy.json", &policy, &v->run.policy, err));
    PLUMB_TRY_CLEAN(
        plumb__policy_parse("evidence/policy.json", policy.data, policy.size, &v->policy, err));
    PLUMB_TRY_CLEAN(plumb__verify_read(v, "evidence/trust.json", MAX_TRUST_BYTES, &trust, err));
    PLUMB_TRY_CLEAN(expect_bytes("evidence/trust.json", &trust, &v->run.trust, err));
cleanup:
    plumb__bytes_free(&policy);
    plumb__bytes_free(&trust);
    return status;
}

/* ---- the manifest ------------------------------------------------------------------------- */

static plumb_status expect_hex(const char *what, const char *hex, const plumb__hash *expected,
                               plumb_error *err)
{
    plumb__hash found;
    if (plumb__hash_parse(hex, &found) && plumb__hash_equal(&found, expected)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST, "manifest: its %s is not the one that run.json names",
                       what);
}

/* What was withdrawn when the run began, and nothing that came later. */
static plumb_status compare_withdrawals(const plumb__verify *v, const plumb_manifest_info *info,
                                        plumb_error *err)
{
    const char *hex = info->withdrawals_digest;
    if (!v->run.has_withdrawals && hex == NULL) return PLUMB_OK;
    if (v->run.has_withdrawals && hex != NULL)
        return expect_hex("withdrawals", hex, &v->run.manifest_withdrawals, err);
    return plumb__fail(err, PLUMB_ERR_DIGEST,
                       "evidence/manifest.withdrawals: is %s, but run.json names %s",
                       hex != NULL ? "there" : "missing", hex != NULL ? "none" : "one");
}

static plumb_status compare_with_run(const plumb__verify *v, plumb_error *err)
{
    plumb_manifest_info info = {.size = sizeof info, .version = 1};
    plumb_manifest_describe(v->manifest, &info);
    PLUMB_TRY(expect_hex("statement", info.statement_digest, &v->run.manifest_statement, err));
    PLUMB_TRY(expect_hex("envelope", info.envelope_digest, &v->run.manifest_envelope, err));
    PLUMB_TRY(expect_hex("records file", info.records_digest, &v->run.manifest_lines, err));
    PLUMB_TRY(expect_hex("record tree", info.root_hex, &v->run.manifest_root, err));
    PLUMB_TRY(compare_withdrawals(v, &info, err));
    if (strcmp(info.vendor, v->run.vendor) == 0 && strcmp(info.dataset, v->run.dataset) == 0 &&
        info.manifest_version == v->run.manifest_version && info.records == v->run.records)
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "manifest: %.100s/%.100s version %llu with %llu records, but run.json names "
                       "%.100s/%.100s version %llu with %llu",
                       info.vendor, info.dataset, (unsigned long long)info.manifest_version,
                       (unsigned long long)info.records, v->run.vendor, v->run.dataset,
                       (unsigned long long)v->run.manifest_version,
                       (unsigned long long)v->run.records);
}

/* evidence/ comes first: --manifest is for records that are too large for it. */
static plumb_status locate(const plumb__verify *v, char *envelope, char *records, bool *there,
                           plumb_error *err)
{
    PLUMB_TRY(plumb__path_join(envelope, v->dir, "evidence/manifest.plumb.json", err));
    PLUMB_TRY(plumb__path_join(records, v->dir, "evidence/records.jsonl", err));
    *there = plumb__path_exists(records);
    if (*there || v->manifest_path == NULL) return PLUMB_OK;
    *there = true;
    *records = '\0';
    if (snprintf(envelope, PLUMB__PATH_BYTES, "%s", v->manifest_path) < PLUMB__PATH_BYTES)
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_LIMIT, "the path of the manifest is too long");
}

plumb_status plumb__verify_manifest(plumb__verify *v, plumb_error *err)
{
    char envelope[PLUMB__PATH_BYTES], records[PLUMB__PATH_BYTES];
    char withdrawals[PLUMB__PATH_BYTES];
    bool there = false;
    plumb__hash digest;
    PLUMB_TRY(plumb__path_join(envelope, v->dir, "evidence/manifest.plumb.json", err));
    PLUMB_TRY(plumb__hash_file(envelope, &digest, NULL, NULL, err));
    PLUMB_TRY(
        expect_digest("evidence/manifest.plumb.json", &digest, &v->run.manifest_envelope, err));
    PLUMB_TRY(locate(v, envelope, records, &there, err));
    if (!there) return PLUMB_OK;
    plumb_manifest_options options;
    plumb_manifest_options_default(&options);
    options.at_s = v->run.started_s;
    options.allow_expired = v->policy.accept_expired;
    options.audience = v->policy.audience[0] != '\0' ? v->policy.audience : NULL;
    options.records_path = records[0] != '\0' ? records : NULL;
    PLUMB_TRY(plumb__path_join(withdrawals, v->dir, "evidence/manifest.withdrawals", err));
    options.withdrawals_path = plumb__path_exists(withdrawals) ? withdrawals : "";
    options.untrusted = v->trust == NULL;
    PLUMB_TRY(plumb_manifest_open(envelope, v->trust, &options, &v->manifest, err));
    return compare_with_run(v, err);
}

/* ---- the layer table ---------------------------------------------------------------------- */

/* Depth by index is 0, 1 or (block + 1/2) / blocks: one number of blocks must fit all layers. The
 * table does not say which block a layer is in, so more cannot be recomputed from it. */
plumb_status plumb__verify_layers(plumb__verify *v, plumb_error *err)
{
    const plumb__run_json *run = &v->run;
    double least = 1;
    for (size_t i = 0; i < run->n_layers; i++)
        if (run->layers[i].depth > 0 && run->layers[i].depth < least) least = run->layers[i].depth;
    if (least == 1) return PLUMB_OK;
    size_t bad = 0;
    for (uint32_t blocks = 1; blocks <= MAX_BLOCKS; blocks++) {
        if (0.5 / blocks > least * (1 + 1e-9)) continue;
        for (bad = 0; bad < run->n_layers; bad++) {
            const double depth = run->layers[bad].depth;
            const double block = depth * blocks - 0.5;
            const bool fits = fabs(block - nearbyint(block)) <= 1e-6 &&
                              (nearbyint(block) + 0.5) / blocks == depth;
            if (depth != 0 && depth != 1 && !fits) break;
        }
        if (bad == run->n_layers) return PLUMB_OK;
    }
    return plumb__fail(
        err, PLUMB_ERR_MISMATCH,
        "run.json: depth %.17g of layer %s is no block's: depths by index are 0, 1 or "
        "(block + 1/2) / blocks",
        run->layers[bad].depth, run->layers[bad].name);
}
