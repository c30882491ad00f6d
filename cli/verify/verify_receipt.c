/* plumb verify of a receipt */
#include "cli/manifest/receipt_view.h"
#include "cli/verify/verify_forms.h"

#include <string.h>

static void print_json(const plumb__receipt_view *view)
{
    plumb_receipt_info i;
    char issued[21];
    plumb_receipt_describe(view->receipt, &i);
    plumb__cli_format_time(i.issued_s, issued);
    json_t *out = json_pack(
        "{s:b,s:s,s:s,s:I,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b}", "holds", 1, "vendor",
        i.vendor, "dataset", i.dataset, "version", (json_int_t)i.manifest_version, "statement",
        i.statement_digest, "issued", issued, "records", (json_int_t)i.records, "presented",
        (json_int_t)i.used, "learned_from", (json_int_t)i.moved, "withdrawn",
        (json_int_t)i.withdrawn, "units_rejected_as_withdrawn", (json_int_t)i.units_rejected,
        "units_trained_though_withdrawn", (json_int_t)i.units_trained, "units", (json_int_t)i.units,
        "steps", (json_int_t)i.steps, "signer_checked", i.signer != NULL);
    if (i.signer != NULL) json_object_set_new(out, "signer", json_string(i.signer));
    if (view->covers)
        json_object_set_new(out, "later_withdrawals", json_integer((json_int_t)view->later));
    plumb__cli_print_json(out);
}

int plumb__verify_receipt(const plumb__verify_arguments *a)
{
    plumb_error err = {0};
    plumb__receipt_view view;
    const plumb_status status =
        plumb__receipt_view_open(a->path, a->trust, a->manifest, &view, &err);
    if (status != PLUMB_OK) {
        fprintf(stderr, "%s: %s\n", plumb__cli_name(), err.message);
    } else if (plumb__cli.json) {
        print_json(&view);
    } else {
        puts("receipt     holds");
        plumb__receipt_print_head(&view);
    }
    plumb__receipt_view_free(&view);
    return plumb__cli_done(plumb__cli_verdict(status));
}
