/* plumb verify of a tlog-proof about one record, and of a checkpoint by itself */
#include "cli/verify/verify_forms.h"
#include "manifest/plumb_proof.h"

#include <inttypes.h>

static json_t *names_json(const plumb_proof *p, const plumb_proof_info *info)
{
    json_t *out = json_array();
    for (uint32_t i = 0; i < info->n_signers; i++) {
        json_array_append_new(out, json_string(plumb_proof_signer_at(p, i)));
    }
    return out;
}

static json_t *witnesses_json(const plumb_proof *p, const plumb_proof_info *info)
{
    json_t *out = json_array();
    for (uint32_t i = 0; i < info->n_witnesses; i++) {
        const plumb_manifest_witness w = plumb_proof_witness_at(p, i);
        char when[21];
        plumb__cli_format_time(w.time_s, when);
        json_array_append_new(out, json_pack("{s:s,s:s}", "name", w.name, "time", when));
    }
    return out;
}

static void print_json(const plumb_proof *p, const plumb_proof_info *info)
{
    json_t *out = json_pack(
        "{s:b,s:s,s:I,s:s,s:s,s:b,s:o,s:o,s:I}", "holds", 1, "origin", info->origin, "records",
        (json_int_t)info->records, "root", info->root_hex, "statement_sha256", info->statement_hex,
        "signer_checked", info->n_signers > 0, "signers", names_json(p, info), "witnesses",
        witnesses_json(p, info), "unchecked_lines", (json_int_t)info->unchecked_lines);
    if (info->line != NULL) {
        json_object_set_new(out, "index", json_integer((json_int_t)info->index));
        json_object_set_new(out, "record", json_loadb(info->line, info->line_bytes, 0, NULL));
    }
    plumb__cli_print_json(out);
}

static void print_signers(const plumb_proof *p, const plumb_proof_info *info)
{
    char when[21];
    for (uint32_t i = 0; i < info->n_signers; i++) {
        printf("signed by   %s\n", plumb_proof_signer_at(p, i));
    }
    if (info->n_signers == 0) puts("signed by   signer not checked");
    for (uint32_t i = 0; i < info->n_witnesses; i++) {
        const plumb_manifest_witness w = plumb_proof_witness_at(p, i);
        plumb__cli_format_time(w.time_s, when);
        printf("cosigned    %s by %s\n", when, w.name);
    }
    if (info->unchecked_lines > 0)
        printf("not checked %u signature line%s, by nobody in the trust store\n",
               info->unchecked_lines, info->unchecked_lines == 1 ? "" : "s");
}

static void print(const plumb_proof *p)
{
    plumb_proof_info info;
    plumb_proof_describe(p, &info);
    if (plumb__cli.json) {
        print_json(p, &info);
        return;
    }
    const char *holds = plumb__cli_color(stdout, "holds", "\033[32mholds\033[0m");
    if (info.line != NULL)
        printf("proof for %s: %s\nrecord      %" PRIu64 " of %" PRIu64 "\n", info.origin, holds,
               info.index + 1, info.records);
    else
        printf("checkpoint %s: %s\nrecords     %" PRIu64 "\n", info.origin, holds, info.records);
    print_signers(p, &info);
    printf("tree root   %s\n", info.root_hex);
    if (info.statement_hex[0] != '\0') printf("statement   sha256 %s\n", info.statement_hex);
    if (info.line == NULL) return;
    printf("line        ");
    plumb__cli_print_text(info.line, 0);
    putchar('\n');
}

typedef plumb_status open_fn(const char *path, const plumb_proof_options *options,
                             plumb_proof **proof, plumb_error *err);

static int verify(const plumb__verify_arguments *a, open_fn *open)
{
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    plumb_proof *proof = NULL;
    plumb_proof_options options;
    plumb_proof_options_default(&options);
    options.record_path = a->record;
    plumb_status status = a->trust != NULL ? plumb_trust_open(a->trust, &trust, &err) : PLUMB_OK;
    options.trust = trust;
    if (status == PLUMB_OK) status = open(a->path, &options, &proof, &err);
    if (status == PLUMB_OK)
        print(proof);
    else
        fprintf(stderr, "%s: %s\n", plumb__cli_name(), err.message);
    plumb_proof_free(proof);
    plumb_trust_free(trust);
    return plumb__cli_done(plumb__cli_verdict(status));
}

int plumb__verify_proof(const plumb__verify_arguments *a)
{
    return verify(a, plumb_proof_open);
}

int plumb__verify_note(const plumb__verify_arguments *a)
{
    return verify(a, plumb_checkpoint_open);
}
