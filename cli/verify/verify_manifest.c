/* plumb verify of a signed manifest */
#include "cli/verify/verify_forms.h"
#include "manifest/plumb_manifest.h"

#include <inttypes.h>

static void print(const plumb_manifest *m)
{
    plumb_manifest_info info;
    char when[21];
    plumb_manifest_describe(m, &info);
    plumb__cli_format_time(info.cosigned_s, when);
    if (plumb__cli.json) {
        plumb__cli_print_json(
            json_pack("{s:b,s:s,s:s,s:I,s:I,s:b,s:s?}", "holds", 1, "vendor", info.vendor,
                      "dataset", info.dataset, "version", (json_int_t)info.manifest_version,
                      "records", (json_int_t)info.records, "signer_checked", info.n_signers > 0,
                      "cosigned", info.cosigned_s != 0 ? when : NULL));
        return;
    }
    printf("manifest %s/%s version %" PRIu64 ": holds\nsigned by   %s%s\nrecords     %" PRIu64 "\n",
           info.vendor, info.dataset, info.manifest_version,
           info.n_signers > 0 ? plumb_manifest_signer_at(m, 0).name : "signer not checked",
           info.n_signers > 1 ? " and others" : "", info.records);
    if (info.cosigned_s != 0)
        printf("cosigned    %s by %s%s\n", when, plumb_manifest_witness_at(m, 0).name,
               info.n_witnesses > 1 ? " and others" : "");
}

int plumb__verify_manifest(const plumb__verify_arguments *a)
{
    plumb_error err = {0};
    uint64_t seen = 0;
    plumb_trust *trust = NULL;
    plumb_manifest *manifest = NULL;
    plumb_manifest_options options;
    plumb_manifest_options_default(&options);
    options.untrusted = a->untrusted;
    plumb_status status = a->trust != NULL ? plumb_trust_open(a->trust, &trust, &err) : PLUMB_OK;
    if (status == PLUMB_OK) status = plumb__cli_check_trust(a->trust, trust, &err);
    if (status == PLUMB_OK) status = plumb_manifest_open(a->path, trust, &options, &manifest, &err);
    if (status == PLUMB_OK)
        status = plumb__cli_check_manifest(a->path, trust, manifest, &seen, &err);
    if (status == PLUMB_OK)
        status = plumb__cli_remember(a->remember, a->path, trust, manifest, &err);
    if (status == PLUMB_OK)
        print(manifest);
    else
        fprintf(stderr, "%s: %s\n", plumb__cli_name(), err.message);
    plumb_manifest_free(manifest);
    plumb_trust_free(trust);
    return plumb__cli_done(plumb__cli_verdict(status));
}
