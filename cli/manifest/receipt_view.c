/* Opening and printing a receipt. */
#include "cli/manifest/receipt_view.h"

#include <inttypes.h>
#include <string.h>

static plumb_status check_cover(const char *path, plumb__receipt_view *view, plumb_error *err)
{
    plumb_manifest_options options;
    plumb_manifest *m = NULL;
    plumb_manifest_options_default(&options);
    options.untrusted =
        true; /* what it is counts, not who signed it: the receipt names its digest */
    options.allow_expired = true;
    plumb_status status = plumb_manifest_open(path, NULL, &options, &m, err);
    if (status == PLUMB_OK) status = plumb_receipt_covers(view->receipt, m, &view->later, err);
    view->covers = status == PLUMB_OK;
    plumb_manifest_free(m);
    return status;
}

plumb_status plumb__receipt_view_open(const char *path, const char *trust_path,
                                      const char *manifest, plumb__receipt_view *view,
                                      plumb_error *err)
{
    plumb_trust *trust = NULL;
    *view = (plumb__receipt_view){.receipt = NULL};
    plumb_status status = trust_path != NULL ? plumb_trust_open(trust_path, &trust, err) : PLUMB_OK;
    if (status == PLUMB_OK) status = plumb__cli_check_trust(trust_path, trust, err);
    if (trust != NULL) strcpy(view->fingerprint, plumb_trust_root_fingerprint(trust));
    if (status == PLUMB_OK) status = plumb_receipt_open(path, trust, 0, &view->receipt, err);
    if (status == PLUMB_OK && manifest != NULL) status = check_cover(manifest, view, err);
    plumb_trust_free(trust);
    return status;
}

void plumb__receipt_view_free(plumb__receipt_view *view)
{
    plumb_receipt_free(view->receipt);
    view->receipt = NULL;
}

/* What became of the withdrawn ones where the run met them. */
static const char *withdrawn_word(const plumb_receipt_info *i)
{
    if (i->units_trained > 0) return "AND TRAINED ON";
    return i->units_rejected > 0 || i->withdrawn == 0 ? "rejected" : "not presented";
}

void plumb__receipt_print_head(const plumb__receipt_view *view)
{
    plumb_receipt_info i;
    char issued[21];
    plumb_receipt_describe(view->receipt, &i);
    plumb__cli_format_time(i.issued_s, issued);
    printf("about       %s/%s version %" PRIu64 ", statement blake2b %.16s…\n", i.vendor, i.dataset,
           i.manifest_version, i.statement_digest);
    if (i.signer != NULL)
        printf("signed by   operator %s of %s, trust root %.16s…\n", i.signer, i.signer_vendor,
               view->fingerprint);
    else
        puts("signed by   signer not checked");
    printf("issued      %s\nrecords     of %" PRIu64 ": presented %" PRIu64
           ", learned from %" PRIu64 ", withdrawn %" PRIu64 " %s\nunits       %" PRIu64
           " in %" PRIu64 " steps\n",
           issued, i.records, i.used, i.moved, i.withdrawn, withdrawn_word(&i), i.units, i.steps);
    if (!view->covers) return;
    if (view->later == 0)
        puts("manifest    is the one given, with all its withdrawals");
    else
        printf("manifest    is the one given; the run did not know its last %u withdrawals\n",
               view->later);
}

/* ---- everything --------------------------------------------------------------------------- */

static const char *text_of(const json_t *obj, const char *name)
{
    const char *text = json_string_value(json_object_get(obj, name));
    return text != NULL ? text : "";
}

static int64_t count_of(const json_t *obj, const char *name)
{
    return json_integer_value(json_object_get(obj, name));
}

static double number_of(const json_t *obj, const char *name)
{
    return json_number_value(json_object_get(obj, name));
}

static void print_sums(const json_t *row)
{
    printf("  %10.4g  %5.1f%%  %6.1f%%\n", number_of(row, "spend_nats"),
           100 * number_of(row, "masked_share"), 100 * number_of(row, "clipped_share"));
}

static void print_groups(const json_t *rows, const char *field)
{
    char merged[64];
    putchar('\n');
    plumb__cli_print_text(field, 32);
    puts("   records     units  spend_nats  masked  clipped");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const bool named = json_object_get(row, "name") != NULL;
        snprintf(merged, sizeof merged, "(%" PRId64 " small ones together)",
                 count_of(row, "merged"));
        const char *name = named ? text_of(row, "name") : merged;
        plumb__cli_print_text(name[0] != '\0' ? name : "(none)", 32);
        printf("%10" PRId64 "%10" PRId64, count_of(row, "records"), count_of(row, "units"));
        print_sums(row);
    }
}

static void print_limit(const json_t *limits, const char *name, const char *shown)
{
    const json_t *limit = json_object_get(limits, name);
    if (json_is_number(limit)) printf("%s %g  ", shown, json_number_value(limit));
}

static void print_limits(const json_t *p)
{
    const json_t *limits = json_object_get(p, "limits"), *w = json_object_get(p, "withdrawn");
    fputs("limits      ", stdout);
    print_limit(limits, "unit_step_nats", "unit and step");
    print_limit(limits, "run_nats", "example and run");
    print_limit(limits, "layer_step_nats", "layer and step");
    print_limit(limits, "max_mask", "mask");
    printf("\n            %" PRId64 " exceeded, of %" PRId64 " edges recomputed\n",
           count_of(limits, "exceeded"), count_of(limits, "edges_checked"));
    printf("withdrawn   %" PRId64 " records by %" PRId64 " statements and their own lines: %" PRId64
           " units rejected, %" PRId64 " trained\n",
           count_of(w, "records"), count_of(w, "statements"), count_of(w, "units_rejected"),
           count_of(w, "units_trained"));
}

static void print_decisions(const json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        printf("%s%s (%s) %" PRId64, i == 0 ? "decisions   " : ", ", text_of(row, "decision"),
               text_of(row, "reason"), count_of(row, "units"));
    }
    if (json_array_size(rows) > 0) putchar('\n');
}

static void print_depth(const json_t *bands)
{
    puts("\ndepth         spend_nats  masked  clipped");
    for (size_t i = 0; i < json_array_size(bands); i++) {
        const json_t *band = json_array_get(bands, i);
        printf("%.2f to %.2f", number_of(band, "from"), number_of(band, "to"));
        print_sums(band);
    }
}

void plumb__receipt_print_all(const plumb__receipt_view *view)
{
    static const char *const fields[] = {"rubric", "batch", "cohort"};
    size_t n = 0;
    const char *text = plumb_receipt_statement(view->receipt, &n);
    json_t *statement = json_loadb(text, n, 0, NULL);
    const json_t *p = json_object_get(statement, "predicate");
    plumb__receipt_print_head(view);
    print_limits(p);
    print_decisions(json_object_get(p, "decisions"));
    print_depth(json_object_get(p, "depth"));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        print_groups(json_object_get(json_object_get(p, "groups"), fields[i]), fields[i]);
    json_decref(statement);
}
