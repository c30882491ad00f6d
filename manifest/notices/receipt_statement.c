/* Reading the statement of a receipt, strictly (docs/formats/receipt.md). */
#include "manifest/manifest_object.h"
#include "manifest/names.h"
#include "manifest/notices/receipt.h"
#include "manifest/signing/statement_parts.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const reasons[PLUMB__RECEIPT_REASONS] = {
    "none",     "weight",         "unknown", "content",   "zero_weight",
    "no_depth", "unknown_passed", "segment", "exhausted", "withdrawn"};
static const char *const decisions[] = {"admitted", "modulated", "rejected"};
const char *const plumb__receipt_fields[] = {"rubric", "batch", "cohort", NULL};

const char *plumb__receipt_reason(uint32_t reason)
{
    return reason < PLUMB__RECEIPT_REASONS ? reasons[reason] : NULL;
}

const char *plumb__receipt_decision(uint32_t decision)
{
    return decision < 3 ? decisions[decision] : NULL;
}

/* ---- fields ---- */

static plumb_status get_count(const char *what, const json_t *obj, const char *name, uint64_t *out,
                              plumb_error *err)
{
    int64_t value = 0;
    PLUMB_TRY(plumb__json_integer(what, obj, name, true, &value, err));
    if (value < 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"%s\" must be at least 0, found %lld",
                           what, name, (long long)value);
    }
    *out = (uint64_t)value;
    return PLUMB_OK;
}

static plumb_status get_number(const char *what, const json_t *obj, const char *name, double most,
                               plumb_error *err)
{
    double value = 0;
    PLUMB_TRY(plumb__json_number(what, obj, name, true, &value, err));
    if (value >= 0 && value <= most) return PLUMB_OK; /* not NaN */
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"%s\" is %g, outside what it can be",
                       what, name, value);
}

/* What groups, bands and the whole have in common. */
static plumb_status get_sums(const char *what, const json_t *obj, plumb_error *err)
{
    PLUMB_TRY(get_number(what, obj, "spend_nats", HUGE_VAL, err));
    PLUMB_TRY(get_number(what, obj, "masked_share", 1, err));
    return get_number(what, obj, "clipped_share", 1, err);
}

static plumb_status sum_fails(const char *what, const char *of, uint64_t sum, uint64_t total,
                              plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_MISMATCH, "%s: %s add up to %llu, the receipt says %llu",
                       what, of, (unsigned long long)sum, (unsigned long long)total);
}

static uint64_t saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* ---- parts of the predicate ---- */

static int find(const char *name, const char *const *names, int n)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(name, names[i]) == 0) return i;
    }
    return -1;
}

/* One row for every decision and reason that occurred, in rising order. */
static plumb_status read_decisions(const char *what, const json_t *p, uint64_t total,
                                   plumb_error *err)
{
    static const char *const allowed[] = {"decision", "reason", "units", NULL};
    const json_t *rows = NULL;
    uint64_t sum = 0;
    int before = -1;
    PLUMB_TRY(plumb__json_array(what, p, "decisions", true, &rows, err));
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *decision = NULL, *reason = NULL;
        uint64_t units = 0;
        PLUMB_TRY(plumb__json_only(what, row, allowed, err));
        PLUMB_TRY(plumb__json_string(what, row, "decision", true, &decision, err));
        PLUMB_TRY(plumb__json_string(what, row, "reason", true, &reason, err));
        PLUMB_TRY(get_count(what, row, "units", &units, err));
        const int d = find(decision, decisions, 3);
        const int r = find(reason, reasons, PLUMB__RECEIPT_REASONS);
        const int place = d * PLUMB__RECEIPT_REASONS + r;
        if (d < 0 || r < 0 || place <= before) {
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: decision \"%.40s\" for \"%.40s\" is unknown or out of order",
                               what, decision, reason);
        }
        before = place;
        sum = saturating(sum, units);
    }
    return sum == total ? PLUMB_OK : sum_fails(what, "units of all decisions", sum, total, err);
}

typedef struct totals {
    uint64_t units, used, min_group;
} totals;

static plumb_status read_group(const char *what, const json_t *row, const totals *t,
                               const char **name, uint64_t *records, uint64_t *units,
                               plumb_error *err)
{
    static const char *const allowed[] = {"name",       "merged",       "records",       "units",
                                          "spend_nats", "masked_share", "clipped_share", NULL};
    uint64_t merged = 0;
    *name = NULL;
    PLUMB_TRY(plumb__json_only(what, row, allowed, err));
    PLUMB_TRY(plumb__json_string(what, row, "name", false, name, err));
    if (*name == NULL) PLUMB_TRY(get_count(what, row, "merged", &merged, err));
    PLUMB_TRY(get_count(what, row, "records", records, err));
    PLUMB_TRY(get_count(what, row, "units", units, err));
    PLUMB_TRY(get_sums(what, row, err));
    if (*name == NULL) return PLUMB_OK;
    if (json_object_get(row, "merged") != NULL ||
        (*name[0] != '\0' && !plumb__text_is_plain(*name, strlen(*name), 1024))) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: a group has a name without control characters, or is merged", what);
    }
    if (*records >= t->min_group) return PLUMB_OK; /* Q2 */
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "%s: group \"%.200s\" has %llu records, fewer than min_group (%llu)", what,
                       *name, (unsigned long long)*records, (unsigned long long)t->min_group);
}

/* By name in the order of bytes; the merged one last. Q1 */
static plumb_status read_groups(const char *what, const json_t *groups, const char *field,
                                const totals *t, plumb_error *err)
{
    char place[1200];
    const json_t *rows = NULL;
    const char *before = NULL;
    uint64_t all_records = 0, all_units = 0;
    snprintf(place, sizeof place, "%.1100s: %s groups", what, field);
    PLUMB_TRY(plumb__json_array(what, groups, field, true, &rows, err));
    const size_t n = json_array_size(rows);
    if (n > PLUMB__RECEIPT_MAX_GROUPS) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: more than %u", place,
                           PLUMB__RECEIPT_MAX_GROUPS);
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = NULL;
        uint64_t records = 0, units = 0;
        PLUMB_TRY(read_group(place, json_array_get(rows, i), t, &name, &records, &units, err));
        const bool placed = name == NULL ? i + 1 == n : before == NULL || strcmp(before, name) < 0;
        if (!placed) return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: are out of order", place);
        before = name;
        all_records = saturating(all_records, records);
        all_units = saturating(all_units, units);
    }
    if (all_units != t->units) return sum_fails(place, "units", all_units, t->units, err);
    if (all_records == t->used) return PLUMB_OK;
    return sum_fails(place, "records", all_records, t->used, err);
}

static plumb_status read_depth(const char *what, const json_t *p, plumb_error *err)
{
    static const char *const allowed[] = {"from",          "to", "spend_nats", "masked_share",
                                          "clipped_share", NULL};
    const json_t *bands = NULL;
    PLUMB_TRY(plumb__json_array(what, p, "depth", true, &bands, err));
    bool fits = json_array_size(bands) == PLUMB__RECEIPT_BANDS;
    for (size_t i = 0; fits && i < PLUMB__RECEIPT_BANDS; i++) {
        const json_t *band = json_array_get(bands, i);
        double from = -1, to = -1;
        PLUMB_TRY(plumb__json_only(what, band, allowed, err));
        PLUMB_TRY(plumb__json_number(what, band, "from", true, &from, err));
        PLUMB_TRY(plumb__json_number(what, band, "to", true, &to, err));
        PLUMB_TRY(get_sums(what, band, err));
        fits = from == (double)i / PLUMB__RECEIPT_BANDS &&
               to == (double)(i + 1) / PLUMB__RECEIPT_BANDS;
    }
    if (fits) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"depth\" must be the quarters of [0,1]",
                       what);
}

/* null: no limit. */
static plumb_status read_limit(const char *what, const json_t *limits, const char *name,
                               plumb_error *err)
{
    if (json_is_null(json_object_get(limits, name))) return PLUMB_OK;
    return get_number(what, limits, name, HUGE_VAL, err);
}

static plumb_status read_limits(const char *what, const json_t *p, plumb_error *err)
{
    static const char *const allowed[] = {
        "max_mask",      "unit_step_nats", "run_nats", "layer_step_nats",
        "edges_checked", "exceeded",       NULL};
    const json_t *limits = NULL;
    uint64_t count = 0;
    PLUMB_TRY(plumb__json_object(what, p, "limits", true, &limits, err));
    PLUMB_TRY(plumb__json_only(what, limits, allowed, err));
    PLUMB_TRY(get_number(what, limits, "max_mask", HUGE_VAL, err));
    PLUMB_TRY(read_limit(what, limits, "unit_step_nats", err));
    PLUMB_TRY(read_limit(what, limits, "run_nats", err));
    PLUMB_TRY(read_limit(what, limits, "layer_step_nats", err));
    PLUMB_TRY(get_count(what, limits, "edges_checked", &count, err));
    return get_count(what, limits, "exceeded", &count, err);
}

static plumb_status read_withdrawn(const char *what, const json_t *p, plumb_receipt *out,
                                   plumb_error *err)
{
    static const char *const allowed[] = {"records",        "statements",    "last",
                                          "units_rejected", "units_trained", NULL};
    const json_t *w = NULL;
    uint64_t count = 0;
    PLUMB_TRY(plumb__json_object(what, p, "withdrawn", true, &w, err));
    PLUMB_TRY(plumb__json_only(what, w, allowed, err));
    PLUMB_TRY(get_count(what, w, "records", &out->info.withdrawn, err));
    PLUMB_TRY(get_count(what, w, "units_rejected", &out->info.units_rejected, err));
    PLUMB_TRY(get_count(what, w, "units_trained", &out->info.units_trained, err));
    PLUMB_TRY(get_count(what, w, "statements", &count, err));
    out->info.withdrawals = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
    if (count > 0) return plumb__statement_hash(what, w, "last", &out->last_withdrawal, err);
    if (json_object_get(w, "last") == NULL) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: names a last withdrawal, but has none", what);
}

static plumb_status read_run(const char *what, const json_t *p, plumb_receipt *out,
                             plumb_error *err)
{
    static const char *const allowed[] = {"digest", "head", "steps", NULL};
    static const char *const head_fields[] = {"size", "root", NULL};
    const json_t *run = NULL, *head = NULL;
    plumb__hash hash;
    uint64_t leaves = 0;
    PLUMB_TRY(plumb__json_object(what, p, "run", true, &run, err));
    PLUMB_TRY(plumb__json_only(what, run, allowed, err));
    PLUMB_TRY(plumb__statement_hash(what, run, "digest", &hash, err));
    PLUMB_TRY(get_count(what, run, "steps", &out->info.steps, err));
    PLUMB_TRY(plumb__json_object(what, run, "head", true, &head, err));
    PLUMB_TRY(plumb__json_only(what, head, head_fields, err));
    PLUMB_TRY(get_count(what, head, "size", &leaves, err));
    return plumb__statement_hash(what, head, "root", &hash, err);
}

/* ---- the statement ---- */

static plumb_status read_subject(const char *what, plumb_receipt *out, plumb_error *err)
{
    plumb__statement_subject subject;
    PLUMB_TRY(plumb__statement_read_subject(what, out->root, &subject, err));
    out->sha256 = subject.sha256;
    out->blake2b = subject.blake2b;
    return PLUMB_OK;
}

static plumb_status read_manifest(const char *what, const json_t *p, plumb_receipt *out,
                                  plumb_error *err)
{
    plumb_receipt_info *info = &out->info;
    const char *issued = NULL;
    PLUMB_TRY(plumb__json_string(what, p, "vendor", true, &info->vendor, err));
    PLUMB_TRY(plumb__name_check(what, "vendor", info->vendor, err));
    PLUMB_TRY(plumb__json_string(what, p, "dataset", true, &info->dataset, err));
    PLUMB_TRY(plumb__name_check(what, "dataset", info->dataset, err));
    PLUMB_TRY(get_count(what, p, "version", &info->manifest_version, err));
    PLUMB_TRY(get_count(what, p, "records", &info->records, err));
    PLUMB_TRY(plumb__statement_hash(what, p, "root", &out->tree_root, err));
    PLUMB_TRY(plumb__statement_hash(what, p, "statement", &out->statement, err));
    PLUMB_TRY(plumb__json_string(what, p, "statement", true, &info->statement_digest, err));
    PLUMB_TRY(plumb__json_string(what, p, "issued", true, &issued, err));
    if (strlen(issued) == 20 && plumb__time_parse(issued, &info->issued_s)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"issued\" must be a time YYYY-MM-DDThh:mm:ssZ", what);
}

static plumb_status read_sums(const char *what, const json_t *p, plumb_receipt *out,
                              plumb_error *err)
{
    totals t = {0};
    uint64_t moved = 0;
    const json_t *groups = NULL;
    PLUMB_TRY(get_count(what, p, "used", &t.used, err));
    PLUMB_TRY(get_count(what, p, "moved", &moved, err));
    PLUMB_TRY(get_count(what, p, "units", &t.units, err));
    PLUMB_TRY(get_count(what, p, "min_group", &t.min_group, err));
    out->info.used = t.used;
    out->info.units = t.units;
    out->info.moved = moved;
    if (moved > t.used || t.used > out->info.records) {
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "%s: %llu records moved a layer, of %llu used, of %llu there are", what,
                           (unsigned long long)moved, (unsigned long long)t.used,
                           (unsigned long long)out->info.records);
    }
    PLUMB_TRY(get_sums(what, p, err));
    PLUMB_TRY(read_decisions(what, p, t.units, err));
    PLUMB_TRY(plumb__json_object(what, p, "groups", true, &groups, err));
    PLUMB_TRY(plumb__json_only(what, groups, plumb__receipt_fields, err));
    for (size_t i = 0; plumb__receipt_fields[i] != NULL; i++) {
        PLUMB_TRY(read_groups(what, groups, plumb__receipt_fields[i], &t, err));
    }
    return PLUMB_OK;
}

static plumb_status read_all(const char *what, plumb_receipt *out, plumb_error *err)
{
    static const char *const allowed[] = {
        "vendor",    "dataset",   "version",    "records",      "root",
        "statement", "issued",    "run",        "used",         "moved",
        "units",     "min_group", "spend_nats", "masked_share", "clipped_share",
        "decisions", "groups",    "depth",      "limits",       "withdrawn",
        NULL};
    const json_t *p = NULL;
    PLUMB_TRY(
        plumb__statement_check_type(what, out->root, PLUMB__PREDICATE_RECEIPT, "a receipt", err));
    PLUMB_TRY(read_subject(what, out, err));
    PLUMB_TRY(plumb__json_object(what, out->root, "predicate", true, &p, err));
    PLUMB_TRY(plumb__json_only(what, p, allowed, err));
    out->predicate = p;
    PLUMB_TRY(read_manifest(what, p, out, err));
    PLUMB_TRY(read_run(what, p, out, err));
    PLUMB_TRY(read_sums(what, p, out, err));
    PLUMB_TRY(read_depth(what, p, err));
    PLUMB_TRY(read_limits(what, p, err));
    return read_withdrawn(what, p, out, err);
}

plumb_status plumb__receipt_parse(const char *what, const void *data, size_t n, plumb_receipt *out,
                                  plumb_error *err)
{
    out->info = (plumb_receipt_info){.size = sizeof out->info, .version = 1};
    PLUMB_TRY(plumb__json_parse(what, data, n, &out->root, err));
    /* Q3 */
    PLUMB_TRY(plumb__statement_check_canonical(what, out->root, data, n, err));
    return read_all(what, out, err);
}
