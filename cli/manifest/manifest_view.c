/* Opening a manifest for verify and show, and what both say about it. */
#include "cli/manifest/manifest_verbs.h"

#include <inttypes.h>
#include <string.h>

plumb_status plumb__manifest_view_open(plumb__manifest_view *view, plumb_manifest **m,
                                       plumb_error *err)
{
    plumb_manifest_options options;
    plumb_trust *trust = NULL;
    plumb_status status = PLUMB_OK;
    *m = NULL;
    view->fingerprint[0] = '\0';
    plumb_manifest_options_default(&options);
    options.untrusted = view->trust == NULL;
    options.allow_expired = view->allow_expired;
    options.audience = view->audience;
    if (view->trust != NULL) status = plumb_trust_open(view->trust, &trust, err);
    if (trust != NULL) {
        strcpy(view->fingerprint, plumb_trust_root_fingerprint(trust));
    }
    if (status == PLUMB_OK && view->check_seen) {
        status = plumb__cli_check_trust(view->trust, trust, err);
    }
    if (status == PLUMB_OK) status = plumb_manifest_open(view->path, trust, &options, m, err);
    if (status == PLUMB_OK && view->check_seen) {
        status = plumb__cli_check_manifest(view->path, trust, *m, &view->seen, err);
    }
    if (status == PLUMB_OK && !view->check_seen) {
        plumb__cli_remark_seen(view->trust, view->path, trust, *m);
    }
    if (status == PLUMB_OK) {
        status = plumb__cli_remember(view->remember, view->path, trust, *m, err);
    }
    if (status != PLUMB_OK) {
        plumb_manifest_free(*m);
        *m = NULL;
    }
    plumb_trust_free(trust);
    return status;
}

static json_t *witnesses_json(const plumb_manifest *m, uint32_t n)
{
    json_t *out = json_array();
    char when[21];
    for (uint32_t i = 0; i < n; i++) {
        const plumb_manifest_witness w = plumb_manifest_witness_at(m, i);
        plumb__cli_format_time(w.time_s, when);
        json_array_append_new(out, json_pack("{s:s,s:s}", "name", w.name, "time", when));
    }
    return out;
}

json_t *plumb__manifest_view_json(const plumb__manifest_view *view, const plumb_manifest *m)
{
    plumb_manifest_info info;
    char issued[21], expires[21];
    plumb_manifest_describe(m, &info);
    plumb__cli_format_time(info.issued_s, issued);
    plumb__cli_format_time(info.expires_s, expires);
    json_t *signers = json_array();
    for (uint32_t i = 0; i < info.n_signers; i++) {
        const plumb_manifest_signer s = plumb_manifest_signer_at(m, i);
        json_array_append_new(signers, json_pack("{s:s,s:s}", "name", s.name, "keyid", s.keyid));
    }
    return json_pack("{s:s,s:s,s:s,s:I,s:I,s:s,s:s?,s:b,s:s?,s:s,s:s,s:s,s:b,s:b,s:o,s:s?,s:I,s:o,"
                     "s:I,s:I,s:I}",
                     "file", view->path, "vendor", info.vendor, "dataset", info.dataset, "version",
                     (json_int_t)info.manifest_version, "records", (json_int_t)info.records,
                     "issued", issued, "expires", info.expires_s != 0 ? expires : NULL, "expired",
                     info.expired, "audience", info.audience, "root", info.root_hex,
                     "statement_digest", info.statement_digest, "records_digest",
                     info.records_digest, "checkpoint", info.checkpoint, "signer_checked",
                     info.n_signers > 0, "signers", signers, "root_fingerprint",
                     view->fingerprint[0] != '\0' ? view->fingerprint : NULL, "table_bytes",
                     (json_int_t)info.table_bytes, "witnesses", witnesses_json(m, info.n_witnesses),
                     "unchecked_lines", (json_int_t)info.unchecked_lines, "withdrawals",
                     (json_int_t)info.withdrawals, "withdrawn", (json_int_t)info.withdrawn);
}

static void print_witnesses(const plumb_manifest *m, const plumb_manifest_info *info)
{
    char when[21];
    for (uint32_t i = 0; i < info->n_witnesses; i++) {
        const plumb_manifest_witness w = plumb_manifest_witness_at(m, i);
        plumb__cli_format_time(w.time_s, when);
        printf("cosigned    %s by %s\n", when, w.name);
    }
    if (info->unchecked_lines > 0)
        printf("not checked %u signature line%s of the checkpoint, by nobody in the trust store\n",
               info->unchecked_lines, info->unchecked_lines == 1 ? "" : "s");
}

void plumb__manifest_view_print(const plumb__manifest_view *view, const plumb_manifest *m)
{
    plumb_manifest_info info;
    char when[21];
    plumb_manifest_describe(m, &info);
    printf("%s: %s/%s version %" PRIu64 ", %" PRIu64 " records\n", view->path, info.vendor,
           info.dataset, info.manifest_version, info.records);
    for (uint32_t i = 0; i < info.n_signers; i++) {
        const plumb_manifest_signer s = plumb_manifest_signer_at(m, i);
        printf("signed by   %s (%.16s…)\n", s.name, s.keyid);
    }
    if (info.n_signers == 0) printf("signed by   signer not checked\n");
    if (view->fingerprint[0] != '\0') printf("trust root  %s\n", view->fingerprint);
    plumb__cli_format_time(info.issued_s, when);
    printf("issued      %s\n", when);
    plumb__cli_format_time(info.expires_s, when);
    printf("expires     %s%s\n", info.expires_s != 0 ? when : "never",
           info.expired ? " (EXPIRED)" : "");
    if (info.audience != NULL) printf("audience    %s\n", info.audience);
    if (info.withdrawn > 0) {
        printf("withdrawn   %" PRIu64 " records, %u statements\n", info.withdrawn,
               info.withdrawals);
    }
    printf("tree root   %s\ncheckpoint  %s\nstatement   blake2b %s\n", info.root_hex,
           info.checkpoint      ? "holds"
           : info.n_signers > 0 ? "none"
                                : "not checked",
           info.statement_digest);
    print_witnesses(m, &info);
}
