#include "provenance/run_json.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "manifest/signing/pem.h"

#include <math.h>
#include <string.h>

static const char *const top_fields[] = {
    "plumb_run", "run_id",   "started",     "run_key",    "seed",   "horizon",
    "max_units", "max_rows", "device",      "depth_axis", "layers", "manifest",
    "policy",    "trust",    "environment", "trainer",    NULL};
static const char *const layer_fields[] = {"name",   "kind",   "depth", "rows",   "cols",
                                           "params", "weight", "use",   "n_uses", NULL};
static const char *const manifest_fields[] = {"vendor",      "dataset",   "version",  "records",
                                              "root",        "statement", "envelope", "lines",
                                              "withdrawals", NULL};
static const char *const trust_fields[] = {"digest", "root", "version", NULL};

/* ---- fields ------------------------------------------------------------------------------- */

static plumb_status get_count(const char *what, const json_t *obj, const char *name, uint64_t least,
                              uint64_t most, uint64_t *out, plumb_error *err)
{
    int64_t value = 0;
    PLUMB_TRY(plumb__json_integer(what, obj, name, true, &value, err));
    if (value < 0 || (uint64_t)value < least || (uint64_t)value > most)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"%s\" is %lld, expected %llu to %llu",
                           what, name, (long long)value, (unsigned long long)least,
                           (unsigned long long)most);
    *out = (uint64_t)value;
    return PLUMB_OK;
}

static plumb_status get_hash(const char *what, const json_t *obj, const char *name,
                             plumb__hash *out, plumb_error *err)
{
    const char *text = NULL;
    PLUMB_TRY(plumb__json_string(what, obj, name, true, &text, err));
    if (plumb__hash_parse(text, out)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"%s\" must be 64 lower-case hex digits",
                       what, name);
}

static plumb_status get_text(const char *what, const json_t *obj, const char *name, char *out,
                             size_t size, plumb_error *err)
{
    const char *text = NULL;
    PLUMB_TRY(plumb__json_string(what, obj, name, true, &text, err));
    if (strlen(text) >= size)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"%s\" is longer than %zu bytes", what,
                           name, size - 1);
    memcpy(out, text, strlen(text) + 1);
    return PLUMB_OK;
}

/* ---- parts -------------------------------------------------------------------------------- */

/* Uses of one weight follow each other, numbered from 0: /layers can then be read by either number.
 */
static plumb_status check_use(const char *what, const plumb__run_json *run, size_t i,
                              plumb_error *err)
{
    const plumb__layer_row *row = &run->layers[i];
    bool fits = false;
    if (row->use == 0) {
        fits = row->weight == (i == 0 ? 0 : run->layers[i - 1].weight + 1);
        if (i > 0) fits = fits && run->layers[i - 1].use + 1 == run->layers[i - 1].n_uses;
    } else if (i > 0) {
        const plumb__layer_row *before = &run->layers[i - 1];
        fits = row->weight == before->weight && row->use == before->use + 1 &&
               row->n_uses == before->n_uses && strcmp(row->name, before->name) == 0;
    }
    if (i + 1 == run->n_layers) fits = fits && row->use + 1 == row->n_uses;
    if (fits) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: weight %u, use %u does not follow the layer before it", what,
                       row->weight, row->use);
}

static plumb_status parse_layer(const char *what, const json_t *obj, plumb__layer_row *row,
                                plumb_error *err)
{
    uint64_t weight = 0, use = 0, n_uses = 0;
    const uint64_t most = INT64_MAX;
    PLUMB_TRY(plumb__json_only(what, obj, layer_fields, err));
    PLUMB_TRY(get_text(what, obj, "name", row->name, sizeof row->name, err));
    PLUMB_TRY(get_text(what, obj, "kind", row->kind, sizeof row->kind, err));
    PLUMB_TRY(plumb__json_number(what, obj, "depth", true, &row->depth, err));
    if (!(row->depth >= 0 && row->depth <= 1))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: depth %g is outside 0 to 1", what,
                           row->depth);
    PLUMB_TRY(get_count(what, obj, "rows", 0, most, &row->rows, err));
    PLUMB_TRY(get_count(what, obj, "cols", 0, most, &row->cols, err));
    PLUMB_TRY(get_count(what, obj, "params", 0, most, &row->params, err));
    PLUMB_TRY(get_count(what, obj, "weight", 0, PLUMB__MAX_USES, &weight, err));
    PLUMB_TRY(get_count(what, obj, "use", 0, PLUMB__MAX_USES, &use, err));
    PLUMB_TRY(get_count(what, obj, "n_uses", 1, PLUMB__MAX_USES, &n_uses, err));
    row->weight = (uint32_t)weight;
    row->use = (uint32_t)use;
    row->n_uses = (uint32_t)n_uses;
    return PLUMB_OK;
}

static plumb_status parse_layers(const char *what, const json_t *root, plumb__run_json *run,
                                 plumb_error *err)
{
    const json_t *array = NULL;
    PLUMB_TRY(plumb__json_array(what, root, "layers", true, &array, err));
    const size_t n = json_array_size(array);
    if (n == 0 || n > PLUMB__MAX_USES)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: has %zu layers, expected 1 to %u", what, n,
                           PLUMB__MAX_USES);
    PLUMB_TRY(plumb__alloc(&run->layers, n, sizeof *run->layers, "layers", err));
    run->n_layers = n;
    for (size_t i = 0; i < n; i++) {
        char where[128];
        snprintf(where, sizeof where, "%.80s: layer %zu", what, i + 1);
        const json_t *obj = json_array_get(array, i);
        if (!json_is_object(obj))
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s must be an object", where);
        PLUMB_TRY(parse_layer(where, obj, &run->layers[i], err));
        PLUMB_TRY(check_use(where, run, i, err));
    }
    run->n_weights = run->layers[n - 1].weight + 1;
    return PLUMB_OK;
}

static plumb_status parse_manifest(const char *what, const json_t *root, plumb__run_json *run,
                                   plumb_error *err)
{
    const json_t *obj = NULL;
    char where[128];
    snprintf(where, sizeof where, "%.80s: manifest", what);
    PLUMB_TRY(plumb__json_object(what, root, "manifest", true, &obj, err));
    PLUMB_TRY(plumb__json_only(where, obj, manifest_fields, err));
    PLUMB_TRY(get_text(where, obj, "vendor", run->vendor, sizeof run->vendor, err));
    PLUMB_TRY(get_text(where, obj, "dataset", run->dataset, sizeof run->dataset, err));
    PLUMB_TRY(get_count(where, obj, "version", 0, INT64_MAX, &run->manifest_version, err));
    PLUMB_TRY(get_count(where, obj, "records", 0, UINT32_MAX, &run->records, err));
    PLUMB_TRY(get_hash(where, obj, "root", &run->manifest_root, err));
    PLUMB_TRY(get_hash(where, obj, "statement", &run->manifest_statement, err));
    PLUMB_TRY(get_hash(where, obj, "envelope", &run->manifest_envelope, err));
    PLUMB_TRY(get_hash(where, obj, "lines", &run->manifest_lines, err));
    run->has_withdrawals = json_object_get(obj, "withdrawals") != NULL;
    if (!run->has_withdrawals) return PLUMB_OK;
    return get_hash(where, obj, "withdrawals", &run->manifest_withdrawals, err);
}

static plumb_status parse_identity(const char *what, const json_t *root, plumb__run_json *run,
                                   plumb_error *err)
{
    uint64_t version = 0;
    const char *text = NULL;
    PLUMB_TRY(get_count(what, root, "plumb_run", 1, 1, &version, err));
    PLUMB_TRY(plumb__json_string(what, root, "run_id", true, &text, err));
    if (strlen(text) != 32 || strspn(text, "0123456789abcdef") != 32)
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"run_id\" must be 32 lower-case hex digits", what);
    memcpy(run->run_id, text, 33);
    PLUMB_TRY(plumb__json_string(what, root, "started", true, &text, err));
    if (!plumb__time_parse(text, &run->started_s))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"started\" must be a time like 2026-11-22T07:39:00Z", what);
    PLUMB_TRY(plumb__json_string(what, root, "run_key", true, &text, err));
    if (!plumb__pem_public_parse(text, strlen(text), &run->run_key))
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"run_key\" must be an Ed25519 public key in PEM", what);
    PLUMB_TRY(get_text(what, root, "seed", run->seed, sizeof run->seed, err));
    return get_count(what, root, "horizon", 0, INT64_MAX, &run->horizon, err);
}

static plumb_status parse(const char *what, const json_t *root, plumb__run_json *run,
                          plumb_error *err)
{
    const json_t *obj = NULL;
    const char *axis = NULL;
    uint64_t count = 0;
    plumb__hash root_keys;
    PLUMB_TRY(plumb__json_only(what, root, top_fields, err));
    PLUMB_TRY(parse_identity(what, root, run, err));
    PLUMB_TRY(get_count(what, root, "max_units", 1, UINT32_MAX, &count, err));
    PLUMB_TRY(get_count(what, root, "max_rows", 1, INT64_MAX, &count, err));
    PLUMB_TRY(plumb__json_string(what, root, "device", true, &axis, err));
    PLUMB_TRY(plumb__json_string(what, root, "depth_axis", true, &axis, err));
    if (strcmp(axis, "index") != 0)
        return plumb__fail(err, PLUMB_ERR_UNSUPPORTED,
                           "%s: depth axis \"%.40s\" is unknown to this version", what, axis);
    PLUMB_TRY(parse_layers(what, root, run, err));
    PLUMB_TRY(parse_manifest(what, root, run, err));
    PLUMB_TRY(get_hash(what, root, "policy", &run->policy, err));
    PLUMB_TRY(plumb__json_object(what, root, "trust", true, &obj, err));
    PLUMB_TRY(plumb__json_only(what, obj, trust_fields, err));
    PLUMB_TRY(get_hash(what, obj, "digest", &run->trust, err));
    PLUMB_TRY(get_hash(what, obj, "root", &root_keys, err));
    PLUMB_TRY(get_count(what, obj, "version", 1, INT64_MAX, &count, err));
    PLUMB_TRY(plumb__json_object(what, root, "environment", true, &obj, err));
    return plumb__json_object(what, root, "trainer", true, &obj, err);
}

plumb_status plumb__run_json_parse(const char *what, const void *data, size_t n,
                                   plumb__run_json *out, plumb_error *err)
{
    json_t *root = NULL;
    *out = (plumb__run_json){0};
    PLUMB_TRY(plumb__json_parse(what, data, n, &root, err));
    plumb_status status = PLUMB_OK;
    if (!json_is_object(root))
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: must be a JSON object", what);
    else
        status = parse(what, root, out, err);
    json_decref(root);
    if (status != PLUMB_OK) plumb__run_json_free(out);
    return status;
}

void plumb__run_json_free(plumb__run_json *run)
{
    plumb__free(run->layers);
    *run = (plumb__run_json){0};
}
