/* What this machine has seen of a store and a manifest: read by verification, never written. */
#include "cli/commands.h"

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
