/* Issuing a receipt from a run. */
#include "cli/manifest/receipt_view.h"
#include "provenance/plumb_receipt_make.h"

int plumb__receipt_issue(const plumb__receipt_arguments *a)
{
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    plumb_secret_key *key = NULL;
    plumb_receipt_options options;
    plumb_receipt_options_default(&options);
    options.vendor = a->vendor;
    options.manifest_path = a->manifest;
    if (a->min_group > 0) options.min_group = a->min_group;
    plumb_status status = plumb_trust_open(a->trust, &trust, &err);
    if (status == PLUMB_OK) status = plumb__cli_check_trust(a->trust, trust, &err);
    if (status == PLUMB_OK) status = plumb__cli_open_key(a->key, a->passphrase_file, &key, &err);
    if (status == PLUMB_OK)
        status = plumb_receipt_make(a->path, trust, key, &options, a->out, &err);
    plumb_key_free(key);
    plumb_trust_free(trust);
    if (status != PLUMB_OK) {
        (void)plumb__cli_fail(&err);
        return plumb__cli_verdict(status);
    }
    plumb__cli_say("receipt for %s: %s", a->vendor, a->out);
    return plumb__cli_done(PLUMB__EXIT_OK);
}
