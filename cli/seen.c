/* What this machine has seen of a store and a manifest: read by verification, written by it only
 * where it was asked to. */
#include "cli/commands.h"

#include <inttypes.h>

plumb_status plumb__cli_check_trust(const char *path, const plumb_trust *trust, plumb_error *err)
{
    plumb_state *state = NULL;
    if (trust == NULL) return PLUMB_OK;
    plumb_status status = plumb_state_open(plumb__cli.state, &state, err);
    if (status == PLUMB_OK) status = plumb_state_check_trust(state, path, trust, err);
    plumb_state_free(state);
    return status;
}

plumb_status plumb__cli_check_manifest(const char *path, const plumb_trust *trust,
                                       const plumb_manifest *manifest, uint64_t *seen,
                                       plumb_error *err)
{
    plumb_manifest_info info;
    plumb_state *state = NULL;
    *seen = 0;
    if (trust == NULL) return PLUMB_OK;
    plumb_manifest_describe(manifest, &info);
    plumb_status status = plumb_state_open(plumb__cli.state, &state, err);
    if (status == PLUMB_OK) {
        status = plumb_state_check_manifest(state, path, trust, manifest, false, err);
        *seen = plumb_state_manifest_version(state, trust, info.vendor, info.dataset);
    }
    plumb_state_free(state);
    return status;
}

plumb_status plumb__cli_remember(bool remember, const char *path, const plumb_trust *trust,
                                 const plumb_manifest *manifest, plumb_error *err)
{
    plumb_state *state = NULL;
    if (!remember || trust == NULL) return PLUMB_OK;
    plumb_status status = plumb_state_lock(plumb__cli.state, &state, err);
    if (status == PLUMB_OK) status = plumb_state_pin(state, path, trust, manifest, err);
    plumb_state_free(state);
    return status;
}

void plumb__cli_remark_seen(const char *trust_path, const char *path, const plumb_trust *trust,
                            const plumb_manifest *manifest)
{
    plumb_error err = {0};
    uint64_t seen = 0;
    plumb_status status = plumb__cli_check_trust(trust_path, trust, &err);
    if (status == PLUMB_OK) status = plumb__cli_check_manifest(path, trust, manifest, &seen, &err);
    if (status != PLUMB_OK) plumb__cli_say("plumb: remark: %s", err.message);
}

static plumb_status check_version(const char *path, const plumb_trust *trust,
                                  const plumb_manifest_info *info, plumb_error *err)
{
    plumb_state *state = NULL;
    uint64_t seen = 0;
    const plumb_state_statement statement = {info->vendor, info->dataset, info->manifest_version,
                                             info->root_hex, info->statement_digest};
    plumb_status status = plumb_state_open(plumb__cli.state, &state, err);
    if (status == PLUMB_OK) {
        status = plumb_state_check_statement(state, path, trust, &statement, err);
        seen = plumb_state_manifest_version(state, trust, info->vendor, info->dataset);
    }
    plumb_state_free(state);
    if (status == PLUMB_OK && seen > info->manifest_version)
        plumb__cli_say("plumb: remark: %s: version %" PRIu64
                       " of %s/%s was seen, this is version %" PRIu64,
                       path, seen, info->vendor, info->dataset, info->manifest_version);
    return status;
}

void plumb__cli_remark_version(const char *trust_path, const char *path, const plumb_trust *trust,
                               const plumb_manifest_info *info)
{
    plumb_error err = {0};
    if (trust == NULL) return;
    plumb_status status = plumb__cli_check_trust(trust_path, trust, &err);
    if (status == PLUMB_OK) status = check_version(path, trust, info, &err);
    if (status != PLUMB_OK) plumb__cli_say("plumb: remark: %s", err.message);
}

static const char *text_of(const json_t *obj, const char *name)
{
    const char *text = json_string_value(json_object_get(obj, name));
    return text != NULL ? text : "";
}

plumb_status plumb__cli_check_run(const char *dir, const plumb_trust *trust, plumb_error *err)
{
    char path[4400];
    plumb_state *state = NULL;
    if (trust == NULL) return PLUMB_OK;
    snprintf(path, sizeof path, "%s/run.json", dir);
    json_t *run = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    const json_t *manifest = json_object_get(run, "manifest");
    const plumb_state_statement used = {
        text_of(manifest, "vendor"), text_of(manifest, "dataset"),
        (uint64_t)json_integer_value(json_object_get(manifest, "version")),
        text_of(manifest, "root"), text_of(manifest, "statement")};
    plumb_status status = plumb_state_open(plumb__cli.state, &state, err);
    if (status == PLUMB_OK)
        status = plumb_state_check_statement(state, "its manifest", trust, &used, err);
    plumb_state_free(state);
    json_decref(run);
    return status;
}
