/* Aim: a receipt tells a vendor how its records were governed, in the very numbers of plumb query,
 * and nothing else; and nobody but an operator can issue or change one. Method: runs made by
 * run_forge.h; every group compared with the query's row, decisions with a plain count; the payload
 * searched for what must not be in it; statements edited as text and signed again by whichever key
 * the attacker has; exact messages. */
#include "run_forge.h"

#include "manifest/signing/dsse.h"
#include "provenance/plumb_receipt_make.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static plumb_receipt_options for_acme(void)
{
    plumb_receipt_options options;
    plumb_receipt_options_default(&options);
    options.vendor = "acme";
    options.min_group = 1;
    options.issued_s = 1800000000 - 86400; /* 2027-01-14, after every time of the fixture */
    return options;
}

/* The judge's clock stands behind the time of issue. */
#define JUDGED_AT 1800000000

static void make(const forge *g, const char *run, const plumb_receipt_options *options,
                 const char *name)
{
    (void)remove(fixture_path(g->f, name));
    assert_works(
        plumb_receipt_make(run, g->trust, g->f->other, options, fixture_path(g->f, name), err));
}

static plumb_receipt *open_receipt(const forge *g, const char *name)
{
    plumb_receipt *receipt = NULL;
    assert_works(plumb_receipt_open(fixture_path(g->f, name), g->trust, JUDGED_AT, &receipt, err));
    return receipt;
}

static json_t *predicate_of(const plumb_receipt *receipt)
{
    size_t n = 0;
    const char *text = plumb_receipt_statement(receipt, &n);
    json_t *root = json_loadb(text, n, 0, NULL);
    assert_non_null(root);
    json_t *predicate = json_incref(json_object_get(root, "predicate"));
    json_decref(root);
    return predicate;
}

static double number(const json_t *obj, const char *name)
{
    const json_t *value = json_object_get(obj, name);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

/* The run of most tests, made once. */
static int setup(void **state)
{
    if (forge_setup(state) != 0) return -1;
    forge *g = *state;
    const plumb_receipt_options options = for_acme();
    make(g, forge_whole(g, "run"), &options, "acme.receipt.json");
    return 0;
}

/* ---- what it says ---- */

static void groups_are_the_querys(void **state)
{
    const forge *g = *state;
    static const struct {
        plumb_field field;
        const char *name;
    } fields[] = {{PLUMB_FIELD_RUBRIC, "rubric"},
                  {PLUMB_FIELD_BATCH, "batch"},
                  {PLUMB_FIELD_COHORT, "cohort"}};
    plumb_graph *graph = NULL;
    plumb_receipt *receipt = open_receipt(g, "acme.receipt.json");
    json_t *p = predicate_of(receipt);
    assert_works(plumb_graph_open(fixture_path(g->f, "run"), g->trust, &graph, err));
    for (size_t f = 0; f < 3; f++) {
        const json_t *rows = json_object_get(json_object_get(p, "groups"), fields[f].name);
        size_t compared = 0;
        plumb_query query;
        plumb_result *result = NULL;
        plumb_query_default(&query);
        query.by[0] = fields[f].field;
        query.n_by = 1;
        assert_works(plumb_graph_query(graph, &query, &result, err));
        for (size_t i = 0; i < plumb_result_count(result); i++) {
            const plumb_query_row *row = plumb_result_row(result, i);
            for (size_t k = 0; k < json_array_size(rows); k++) {
                const json_t *group = json_array_get(rows, k);
                const char *name = json_string_value(json_object_get(group, "name"));
                if (name == NULL || strcmp(name, row->group[0]) != 0) continue;
                assert_true(number(group, "units") == row->units);
                assert_true(number(group, "spend_nats") == row->spend_nats);
                assert_true(number(group, "masked_share") == row->masked_share);
                assert_true(number(group, "clipped_share") == row->clipped_share);
                compared++;
            }
        }
        /* The query's row without a name has the unknown unit of each step: not the vendor's. */
        assert_int_equal(compared, plumb_result_count(result) - 1);
        assert_int_equal(compared, json_array_size(rows));
        assert_true(compared >= 2);
        plumb_result_free(result);
    }
    plumb_graph_free(graph);
    json_decref(p);
    plumb_receipt_free(receipt);
}

/* Units of step s are records (3 s + u % 6) % 12, u from 0 to 6; record 10 has weight 0, 11 half a
 * weight. */
static void decisions_and_totals(void **state)
{
    const forge *g = *state;
    uint64_t rejected = 0, weighted = 0;
    for (uint64_t s = 1; s <= 6; s++)
        for (uint64_t u = 0; u < 7; u++) {
            rejected += (3 * s + u % 6) % FORGE_RECORDS == 10;
            weighted += (3 * s + u % 6) % FORGE_RECORDS == 11;
        }
    plumb_receipt *receipt = open_receipt(g, "acme.receipt.json");
    plumb_receipt_info info;
    plumb_receipt_describe(receipt, &info);
    assert_int_equal(info.units, 42);
    assert_int_equal(info.steps, 6);
    assert_int_equal(info.used, FORGE_RECORDS);
    assert_int_equal(info.moved, FORGE_RECORDS - 1); /* record 10 weighs nothing */
    assert_int_equal(info.records, FORGE_RECORDS);
    assert_string_equal(info.signer, "lab-op");
    assert_string_equal(info.signer_vendor, "lab");
    json_t *p = predicate_of(receipt);
    char expected[512];
    snprintf(expected, sizeof expected,
             "[{\"decision\":\"admitted\",\"reason\":\"none\",\"units\":%llu},"
             "{\"decision\":\"modulated\",\"reason\":\"weight\",\"units\":%llu},"
             "{\"decision\":\"rejected\",\"reason\":\"zero_weight\",\"units\":%llu}]",
             (unsigned long long)(42 - rejected - weighted), (unsigned long long)weighted,
             (unsigned long long)rejected);
    char *text = json_dumps(json_object_get(p, "decisions"), JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, expected);
    free(text);
    assert_int_equal(number(p, "moved"), FORGE_RECORDS - 1);
    double sum = 0;
    const json_t *bands = json_object_get(p, "depth");
    for (size_t i = 0; i < 4; i++)
        sum += number(json_array_get(bands, i), "spend_nats");
    const double total = number(p, "spend_nats");
    assert_true(total > 0 && sum - total < 1e-9 * total && total - sum < 1e-9 * total);
    const json_t *limits = json_object_get(p, "limits");
    assert_true(number(limits, "unit_step_nats") == 0.8 && number(limits, "run_nats") == 1.5);
    assert_true(number(limits, "exceeded") == 0 && number(limits, "edges_checked") > 0);
    json_decref(p);
    plumb_receipt_free(receipt);
}

static void it_says_no_more_than_that(void **state)
{
    const forge *g = *state;
    static const char *const kept[] = {"blocks", "token.weight", "mlp",  "deb:",  "step-3",
                                       "team-x", "lab",          "src:", "sound", "checkpoint"};
    plumb_receipt *receipt = open_receipt(g, "acme.receipt.json");
    size_t n = 0;
    const char *text = plumb_receipt_statement(receipt, &n);
    assert_null(strstr(text, g->run_id));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (strstr(text, kept[i]) != NULL) fail_msg("the receipt says %s", kept[i]);
    plumb_receipt_free(receipt);
}

/* Four teams: of 4, 3, 3 and 2 records or so; with groups of 4 the small ones are one, of 4 at
 * least. */
static void small_groups_are_merged(void **state)
{
    const forge *g = *state;
    plumb_receipt_options options = for_acme();
    options.min_group = 4;
    make(g, fixture_path(g->f, "run"), &options, "merged.receipt.json");
    plumb_receipt *receipt = open_receipt(g, "merged.receipt.json");
    json_t *p = predicate_of(receipt);
    const json_t *rows = json_object_get(json_object_get(p, "groups"), "cohort");
    double units = 0, records = 0;
    size_t merged = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        assert_true(number(row, "records") >= 4);
        records += number(row, "records");
        units += number(row, "units");
        if (json_object_get(row, "name") != NULL) continue;
        merged++;
        assert_true(number(row, "merged") >= 2);
    }
    assert_int_equal(merged, 1);
    assert_true(units == 42 && records == FORGE_RECORDS);
    json_decref(p);
    plumb_receipt_free(receipt);
}

static void it_is_about_one_manifest(void **state)
{
    const forge *g = *state;
    plumb_receipt *receipt = open_receipt(g, "acme.receipt.json");
    uint32_t later = 7;
    assert_works(plumb_receipt_covers(receipt, g->manifest, &later, err));
    assert_int_equal(later, 0);
    /* The same records as version 2. */
    plumb_manifest *other = NULL;
    plumb__bytes records = {0};
    read_bytes(fixture_path(g->f, "records.jsonl"), &records);
    write_bytes(fixture_path(g->f, "other.jsonl"), records.data, records.size);
    plumb_sign_options sign;
    plumb_sign_options_default(&sign);
    sign.vendor = "acme";
    sign.dataset = "set";
    sign.manifest_version = 2;
    sign.taxonomy_path = fixture_path(g->f, "taxonomy.json");
    assert_works(plumb_manifest_sign(fixture_path(g->f, "other.jsonl"), g->f->vendor, &sign, err));
    assert_works(
        plumb_manifest_open(fixture_path(g->f, "other.plumb.json"), g->trust, NULL, &other, err));
    assert_fails(plumb_receipt_covers(receipt, other, NULL, err), PLUMB_ERR_MISMATCH,
                 "the receipt is not about acme/set version 2 as it is here: its version differs");
    plumb_manifest_free(other);
    plumb__bytes_free(&records);
    plumb_receipt_free(receipt);
}

/* ---- who may issue one ---- */

static void only_an_operator_issues(void **state)
{
    const forge *g = *state;
    plumb_receipt_options options = for_acme();
    plumb_error why = {0};
    const char *run = fixture_path(g->f, "run"), *out = fixture_path(g->f, "no.receipt.json");
    assert_int_equal(plumb_receipt_make(run, g->trust, g->f->vendor, &options, out, &why),
                     PLUMB_ERR_TRUST);
    assert_int_equal(strncmp(why.message, "operator key: ", 14), 0);
    options.vendor = "rival";
    char expected[1024];
    snprintf(expected, sizeof expected, "%s: used no records of vendor rival, but of acme", run);
    assert_fails(plumb_receipt_make(run, g->trust, g->f->other, &options, out, err),
                 PLUMB_ERR_NOT_FOUND, expected);
    options.vendor = "acme";
    options.min_group = 0;
    assert_fails(plumb_receipt_make(run, g->trust, g->f->other, &options, out, err),
                 PLUMB_ERR_ARGUMENT,
                 "a receipt wants a trust store, a vendor and groups of 1 or more");
    options.min_group = 1;
    assert_int_equal(plumb_receipt_make(run, g->trust, g->f->other, &options,
                                        fixture_path(g->f, "acme.receipt.json"), NULL),
                     PLUMB_ERR_EXISTS);
}

/* A run that does not follow its rules, or goes on, gets none. */
static void open_mask(forge *g)
{
    if (g->made.step.step == 3) g->made.unit_weight[0] = 0.25f;
}

static void a_run_that_does_not_hold(void **state)
{
    forge *g = *state;
    const plumb_receipt_options options = for_acme();
    char out[512];
    snprintf(out, sizeof out, "%s", fixture_path(g->f, "no.receipt.json"));
    g->alter = open_mask;
    const char *run = forge_whole(g, "forged");
    g->alter = NULL;
    assert_int_equal(plumb_receipt_make(run, g->trust, g->f->other, &options, out, NULL),
                     PLUMB_ERR_MISMATCH);
    forge_start(g, "open");
    forge_step(g, 1);
    forge_stop(g);
    assert_int_equal(
        plumb_receipt_make(fixture_path(g->f, "open"), g->trust, g->f->other, &options, out, NULL),
        PLUMB_ERR_STATE);
    assert_false(plumb__path_exists(out));
}

/* ---- changed ones ---- */

/* The receipt with `from` replaced in its payload; signed by `key`, or, NULL, under the old
 * signature. */
static const char *edited(const forge *g, const char *from, const char *to,
                          const plumb_secret_key *key)
{
    const char *path = fixture_path(g->f, "edited.receipt.json");
    plumb__bytes file = {0}, text = {0};
    plumb__dsse envelope;
    read_bytes(fixture_path(g->f, "acme.receipt.json"), &file);
    assert_works(plumb__dsse_parse("receipt", file.data, file.size - 1, &envelope, err));
    const char *payload = plumb__bytes_text(&envelope.payload), *found = strstr(payload, from);
    if (found == NULL) fail_msg("there is no %s in %s", from, payload);
    plumb__bytes changed = {0};
    plumb__bytes_append(&changed, payload, (size_t)(found - payload));
    plumb__bytes_append_text(&changed, to);
    plumb__bytes_append_text(&changed, found + strlen(from));
    plumb__bytes_free(&envelope.payload);
    envelope.payload = changed;
    if (key != NULL) {
        envelope.n_signatures = 0;
        assert_works(plumb__dsse_sign(&envelope, key, err));
    }
    assert_works(plumb__dsse_dump(&envelope, &text, err));
    plumb__bytes_append_text(&text, "\n");
    write_bytes(path, text.data, text.size);
    plumb__bytes_free(&text);
    plumb__bytes_free(&file);
    plumb__dsse_free(&envelope);
    return path;
}

static void assert_refused(const forge *g, const char *path, plumb_status status, const char *text)
{
    char expected[2048];
    plumb_receipt *receipt = NULL;
    snprintf(expected, sizeof expected, "%s: %s", path, text);
    assert_fails(plumb_receipt_open(path, g->trust, JUDGED_AT, &receipt, err), status, expected);
    assert_null(receipt);
}

static void a_changed_number(void **state)
{
    const forge *g = *state;
    assert_refused(g, edited(g, "\"exceeded\":0", "\"exceeded\":1", NULL), PLUMB_ERR_SIGNATURE,
                   "signature 1 does not hold under key lab-op: the receipt was changed after "
                   "signing");
    plumb_receipt *receipt = NULL; /* and nobody says so without a trust store */
    assert_works(plumb_receipt_open(fixture_path(g->f, "edited.receipt.json"), NULL, JUDGED_AT,
                                    &receipt, err));
    plumb_receipt_info info;
    plumb_receipt_describe(receipt, &info);
    assert_null(info.signer);
    plumb_receipt_free(receipt);
}

static void signed_by_somebody_else(void **state)
{
    const forge *g = *state;
    plumb_receipt *receipt = NULL;
    plumb_error why = {0};
    const char *path = edited(g, "\"exceeded\":0", "\"exceeded\":0", g->f->root);
    assert_refused(g, path, PLUMB_ERR_TRUST, "is signed by no key of the trust store");
    path = edited(g, "\"exceeded\":0", "\"exceeded\":0", g->f->vendor);
    assert_int_equal(plumb_receipt_open(path, g->trust, JUDGED_AT, &receipt, &why),
                     PLUMB_ERR_TRUST);
    assert_non_null(strstr(why.message, "operator"));
}

/* Even an operator cannot sign what contradicts itself. */
static void sums_that_do_not_fit(void **state)
{
    const forge *g = *state;
    const plumb_secret_key *key = g->f->other;
    assert_refused(g, edited(g, "\"units\":42,", "\"units\":43,", key), PLUMB_ERR_MISMATCH,
                   "units of all decisions add up to 42, the receipt says 43");
    assert_refused(g, edited(g, "\"used\":12", "\"used\":11", key), PLUMB_ERR_MISMATCH,
                   "rubric groups: records add up to 12, the receipt says 11");
    assert_refused(g, edited(g, "\"used\":12", "\"used\":13", key), PLUMB_ERR_MISMATCH,
                   "11 records moved a layer, of 13 used, of 12 there are");
    assert_refused(g, edited(g, "\"min_group\":1", "\"min_group\":9", key), PLUMB_ERR_MISMATCH,
                   "rubric groups: group \"interface@1\" has 4 records, fewer than min_group (9)");
    assert_refused(g, edited(g, "\"from\":0.25", "\"from\":0.125", key), PLUMB_ERR_FORMAT,
                   "field \"depth\" must be the quarters of [0,1]");
    assert_refused(g, edited(g, "\"reason\":\"weight\"", "\"reason\":\"whim\"", key),
                   PLUMB_ERR_FORMAT,
                   "decision \"modulated\" for \"whim\" is unknown or out of order");
    assert_refused(g, edited(g, "\"limits\":{", "\"layers\":[],\"limits\":{", key),
                   PLUMB_ERR_FORMAT,
                   "unknown field \"layers\" (allowed: vendor, dataset, version, records, root, "
                   "statement, issued, run, used, moved, units, min_group, spend_nats, "
                   "masked_share, clipped_share, decisions, groups, depth, limits, withdrawn)");
    assert_refused(g, edited(g, "receipt:v1", "manifest:v1", key), PLUMB_ERR_FORMAT,
                   "is a statement of type \"urn:plumbline:statement:manifest:v1\", not a receipt "
                   "(\"urn:plumbline:statement:receipt:v1\")");
    assert_refused(g, edited(g, "\"version\":1,", "\"version\": 1,", key), PLUMB_ERR_FORMAT,
                   "its payload is not canonical JSON");
    assert_refused(g, edited(g, "\"issued\":\"2027", "\"issued\":\"2067", key), PLUMB_ERR_FORMAT,
                   "was issued at 2067-01-14T08:00:00Z, more than a day ahead of the time of "
                   "judgement");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_the_querys),     cmocka_unit_test(decisions_and_totals),
        cmocka_unit_test(it_says_no_more_than_that), cmocka_unit_test(small_groups_are_merged),
        cmocka_unit_test(it_is_about_one_manifest),  cmocka_unit_test(only_an_operator_issues),
        cmocka_unit_test(a_run_that_does_not_hold),  cmocka_unit_test(a_changed_number),
        cmocka_unit_test(signed_by_somebody_else),   cmocka_unit_test(sums_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, setup, forge_teardown);
}
