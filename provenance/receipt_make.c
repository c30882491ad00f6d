/* plumb_receipt_make: verify, add up, say it, sign it. What was written is read back by the reader
 * that the vendor will use before the file gets its name. */
#include "provenance/plumb_receipt_make.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "manifest/manifest_object.h"
#include "provenance/receipt_walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void plumb_receipt_options_default(plumb_receipt_options *options)
{
    *options = (plumb_receipt_options){.size = sizeof *options, .version = 1, .min_group = 5};
}

typedef struct making {
    const plumb_receipt_options *options;
    plumb_verify_report report;
    plumb_graph *graph;
    plumb__receipt_sums sums;
    int64_t issued_s;
    bool failed; /* no memory for a part of the statement */
} making;

/* ---- parts of the statement --------------------------------------------------------------- */

static void set(making *m, json_t *obj, const char *name, json_t *value)
{
    if (json_object_set_new(obj, name, value) != 0) m->failed = true;
}

static json_t *count_json(uint64_t count)
{
    return json_integer((json_int_t)count);
}

static json_t *hash_json(const plumb__hash *hash)
{
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(hash, hex);
    return json_string(hex);
}

static json_t *limit_json(double nats)
{
    return isfinite(nats) ? json_real(nats) : json_null();
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static void set_sums(making *m, json_t *obj, const plumb__group *g)
{
    set(m, obj, "spend_nats", json_real(g->spend_nats));
    set(m, obj, "masked_share", json_real(ratio(g->masked, g->edges)));
    set(m, obj, "clipped_share", json_real(ratio(g->clipped, g->open)));
}

static json_t *decisions_json(making *m)
{
    json_t *out = json_array();
    for (uint32_t d = 0; d < 3; d++)
        for (uint32_t r = 0; r < PLUMB__RECEIPT_REASONS; r++) {
            if (m->sums.decisions[d][r] == 0) continue;
            json_t *row =
                json_pack("{s:s,s:s,s:o}", "decision", plumb__receipt_decision(d), "reason",
                          plumb__receipt_reason(r), "units", count_json(m->sums.decisions[d][r]));
            if (json_array_append_new(out, row) != 0) m->failed = true;
        }
    return out;
}

static json_t *depth_json(making *m)
{
    json_t *out = json_array();
    for (int b = 0; b < PLUMB__RECEIPT_BANDS; b++) {
        json_t *row = json_pack("{s:f,s:f}", "from", (double)b / PLUMB__RECEIPT_BANDS, "to",
                                (double)(b + 1) / PLUMB__RECEIPT_BANDS);
        set_sums(m, row, &m->sums.depth[b]);
        if (json_array_append_new(out, row) != 0) m->failed = true;
    }
    return out;
}

/* ---- groups ------------------------------------------------------------------------------- */

typedef struct named_group {
    const char *name;
    const plumb__group *sums;
    uint64_t records;
} named_group;

static int by_name(const void *left, const void *right)
{
    return strcmp(((const named_group *)left)->name, ((const named_group *)right)->name);
}

static int by_records(const void *left, const void *right)
{
    const named_group *a = left, *b = right;
    if (a->records != b->records) return a->records < b->records ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void add_group(plumb__group *to, const plumb__group *from)
{
    to->units += from->units;
    to->spend_nats += from->spend_nats;
    to->edges += from->edges;
    to->masked += from->masked;
    to->open += from->open;
    to->clipped += from->clipped;
}

static void append_group(making *m, json_t *out, const char *name, uint64_t merged,
                         uint64_t records, const plumb__group *sums)
{
    json_t *row = json_object();
    if (name != NULL) set(m, row, "name", json_string(name));
    if (name == NULL) set(m, row, "merged", count_json(merged));
    set(m, row, "records", count_json(records));
    set(m, row, "units", count_json((uint64_t)sums->units));
    set_sums(m, row, sums);
    if (json_array_append_new(out, row) != 0) m->failed = true;
}

/* The smallest groups go into one, until it has min_group records too: else who knows the small one
 * would know the merged one. */
static size_t count_merged(const named_group *list, size_t n, uint64_t min_group)
{
    size_t merged = 0;
    uint64_t records = 0;
    while (merged < n && (list[merged].records < min_group || (merged > 0 && records < min_group)))
        records += list[merged++].records;
    return merged;
}

static plumb_status groups_json(making *m, int field, json_t **out, plumb_error *err)
{
    const plumb__groups *groups = &m->sums.groups[field];
    named_group *list = NULL;
    plumb__group rest = {0};
    uint64_t records = 0;
    *out = json_array();
    PLUMB_TRY(plumb__alloc(&list, groups->n, sizeof *list, "receipt", err));
    for (size_t i = 0; i < groups->n; i++)
        list[i] = (named_group){
            .name = plumb__examples_name(m->graph->examples, (uint32_t)groups->rows[i].code[0]),
            .sums = &groups->rows[i],
            .records = m->sums.records[field][i]};
    if (groups->n > 0) qsort(list, groups->n, sizeof *list, by_records);
    const size_t merged = count_merged(list, groups->n, m->options->min_group);
    for (size_t i = 0; i < merged; i++) {
        add_group(&rest, list[i].sums);
        records += list[i].records;
    }
    if (groups->n > merged) qsort(list + merged, groups->n - merged, sizeof *list, by_name);
    for (size_t i = merged; i < groups->n; i++)
        append_group(m, *out, list[i].name, 0, list[i].records, list[i].sums);
    if (merged > 0) append_group(m, *out, NULL, merged, records, &rest);
    plumb__free(list);
    return PLUMB_OK;
}

/* ---- the statement ------------------------------------------------------------------------ */

static void set_manifest(making *m, json_t *p)
{
    const plumb_manifest *manifest = m->graph->v.manifest;
    const plumb__statement *s = &manifest->statement;
    char issued[21];
    plumb__time_format(m->issued_s, issued);
    set(m, p, "vendor", json_string(s->vendor));
    set(m, p, "dataset", json_string(s->dataset));
    set(m, p, "version", count_json(s->version));
    set(m, p, "records", count_json(s->records.count));
    set(m, p, "root", hash_json(&s->records.root));
    set(m, p, "statement", hash_json(&m->graph->v.run.manifest_statement));
    set(m, p, "issued", json_string(issued));
}

/* The run is named by a digest: enough to tell two receipts apart, and to find the run again for
 * whoever has it. */
static void set_run(making *m, json_t *p)
{
    const plumb__verify *v = &m->graph->v;
    const plumb__hash digest = plumb__blake2b(v->run.run_id, strlen(v->run.run_id));
    set(m, p, "run",
        json_pack("{s:o,s:{s:o,s:o},s:o}", "digest", hash_json(&digest), "head", "size",
                  count_json(v->head.size), "root", hash_json(&v->head.root), "steps",
                  count_json(m->sums.steps)));
}

static void set_limits(making *m, json_t *p)
{
    const plumb__policy *policy = &m->graph->v.policy;
    set(m, p, "limits",
        json_pack("{s:f,s:o,s:o,s:o,s:o,s:i}", "max_mask", policy->max_mask, "unit_step_nats",
                  limit_json(policy->unit_step_nats), "run_nats", limit_json(policy->run_nats),
                  "layer_step_nats", limit_json(policy->layer_step_nats), "edges_checked",
                  count_json(m->report.edges_checked), "exceeded", 0));
}

static void set_withdrawn(making *m, json_t *p)
{
    const plumb_manifest *manifest = m->graph->v.manifest;
    const plumb__withdrawals *chain = &manifest->withdrawals;
    json_t *w = json_object();
    set(m, p, "withdrawn", w);
    set(m, w, "records", count_json(chain->withdrawn));
    set(m, w, "statements", count_json(chain->n));
    if (chain->n > 0) set(m, w, "last", hash_json(&chain->list[chain->n - 1].digest));
    set(m, w, "units_rejected", count_json(m->sums.decisions[2][9]));
    set(m, w, "units_trained", count_json(0)); /* the verifier has found each of them rejected */
}

static plumb_status fill(making *m, json_t *p, plumb_error *err)
{
    json_t *groups = json_object();
    set_manifest(m, p);
    set_run(m, p);
    set_sums(m, p, &m->sums.all);
    set(m, p, "used", count_json(m->sums.used));
    set(m, p, "moved", count_json(m->sums.moved));
    set(m, p, "units", count_json(m->sums.units));
    set(m, p, "min_group", count_json(m->options->min_group));
    set(m, p, "decisions", decisions_json(m));
    set(m, p, "depth", depth_json(m));
    set_limits(m, p);
    set_withdrawn(m, p);
    set(m, p, "groups", groups);
    for (int f = 0; f < PLUMB__RECEIPT_FIELDS; f++) {
        json_t *rows = NULL;
        const plumb_status status = groups_json(m, f, &rows, err);
        set(m, groups, plumb__receipt_fields[f], rows);
        PLUMB_TRY(status);
    }
    return PLUMB_OK;
}

static plumb_status make_statement(making *m, plumb__bytes *out, plumb_error *err)
{
    const plumb__statement *s = &m->graph->v.manifest->statement;
    json_t *p = json_object();
    json_t *root = json_pack("{s:s,s:s,s:[{s:s,s:{s:o,s:o}}],s:o}", "_type", PLUMB__STATEMENT_TYPE,
                             "predicateType", PLUMB__PREDICATE_RECEIPT, "subject", "name",
                             s->subject, "digest", "sha256", hash_json(&s->records.sha256),
                             "blake2b", hash_json(&s->records.blake2b), "predicate", p);
    plumb_status status = PLUMB_OK;
    if (root != NULL) status = fill(m, p, err);
    if (status == PLUMB_OK && (root == NULL || m->failed))
        status = plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a receipt");
    if (status == PLUMB_OK) status = plumb__json_dump(root, out, err);
    json_decref(root);
    return status;
}

/* ---- reading, signing, writing ------------------------------------------------------------ */

static plumb_status check_operator(const plumb_trust *trust, const plumb_secret_key *key,
                                   int64_t at_s, plumb_error *err)
{
    plumb_public_key mine;
    const plumb_trust_key *found = NULL;
    plumb_key_public(key, &mine);
    const plumb_status status =
        plumb_trust_check(trust, &mine, NULL, PLUMB_ROLE_OPERATOR, at_s, &found, err);
    return status == PLUMB_OK ? status : plumb__error_prefix(err, status, "operator key");
}

static plumb_status verify_run(making *m, const char *dir, const plumb_trust *trust,
                               plumb_error *err)
{
    plumb_verify_options options;
    plumb_verify_options_default(&options);
    options.trust = trust;
    options.full = true;
    options.require_closed = true;
    options.manifest_path = m->options->manifest_path;
    return plumb_bundle_verify(dir, &options, &m->report, err);
}

static plumb_status open_run(making *m, const char *dir, const plumb_trust *trust, plumb_error *err)
{
    PLUMB_TRY(plumb_graph_open(dir, trust, &m->graph, err));
    m->graph->v.manifest_path = m->options->manifest_path;
    if (m->graph->v.manifest == NULL) PLUMB_TRY(plumb__verify_manifest(&m->graph->v, err));
    if (m->graph->v.manifest == NULL)
        return plumb__fail(err, PLUMB_ERR_NOT_FOUND,
                           "%s: its records are not in evidence/; give the signed manifest", dir);
    const char *vendor = m->graph->v.run.vendor;
    if (strcmp(vendor, m->options->vendor) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_NOT_FOUND,
                       "%s: used no records of vendor %.100s, but of %.100s", dir,
                       m->options->vendor, vendor);
}

static plumb_status write_signed(plumb__bytes *payload, const plumb_secret_key *key,
                                 const char *path, plumb_error *err)
{
    plumb__dsse envelope = {0};
    plumb__bytes text = {0};
    strcpy(envelope.payload_type, PLUMB__PAYLOAD_TYPE_INTOTO);
    envelope.payload = *payload; /* moves */
    *payload = (plumb__bytes){0};
    plumb_status status = plumb__dsse_sign(&envelope, key, err);
    if (status == PLUMB_OK) status = plumb__dsse_dump(&envelope, &text, err);
    plumb__bytes_append_text(&text, "\n");
    if (status == PLUMB_OK) status = plumb__bytes_check(&text, err);
    if (status == PLUMB_OK) status = plumb__file_create(path, text.data, text.size, 0644, err);
    plumb__bytes_free(&text);
    plumb__dsse_free(&envelope);
    return status;
}

static plumb_status check_readable(const plumb__bytes *payload, plumb_error *err)
{
    plumb_receipt *again = NULL;
    PLUMB_TRY(plumb__alloc(&again, 1, sizeof *again, "receipt", err));
    const plumb_status status =
        plumb__receipt_parse("receipt", payload->data, payload->size, again, err);
    plumb_receipt_free(again);
    return status;
}

static plumb_status check_arguments(const plumb_trust *trust, const plumb_receipt_options *o,
                                    plumb_error *err)
{
    if (o->size != sizeof *o || o->version != 1)
        return plumb__fail(err, PLUMB_ERR_VERSION,
                           "plumb_receipt_options of unknown size or version");
    if (o->vendor == NULL || trust == NULL || o->min_group < 1 || o->min_group > INT64_MAX)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "a receipt wants a trust store, a vendor and groups of 1 or more");
    return PLUMB_OK;
}

plumb_status plumb_receipt_make(const char *run_dir, const plumb_trust *trust,
                                const plumb_secret_key *key, const plumb_receipt_options *options,
                                const char *path, plumb_error *err)
{
    making m = {.options = options};
    plumb__bytes payload = {0};
    plumb_status status;
    PLUMB_TRY(check_arguments(trust, options, err));
    m.issued_s = options->issued_s != 0 ? options->issued_s : plumb__wall_s();
    PLUMB_TRY_CLEAN(check_operator(trust, key, m.issued_s, err));
    PLUMB_TRY_CLEAN(verify_run(&m, run_dir, trust, err));
    PLUMB_TRY_CLEAN(open_run(&m, run_dir, trust, err));
    PLUMB_TRY_CLEAN(plumb__receipt_walk(m.graph, &m.sums, err));
    PLUMB_TRY_CLEAN(make_statement(&m, &payload, err));
    PLUMB_TRY_CLEAN(check_readable(&payload, err));
    status = write_signed(&payload, key, path, err);
cleanup:
    plumb__bytes_free(&payload);
    plumb__receipt_sums_free(&m.sums);
    plumb_graph_free(m.graph);
    return status;
}
