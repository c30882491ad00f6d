#include "manifest/signing/statement.h"
#include "manifest/signing/statement_parts.h"

#include "base/clock.h"
#include "manifest/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PLACE_BYTES 1100

void plumb__statement_origin(const plumb__statement *s, char out[PLUMB__ORIGIN_BYTES])
{
    snprintf(out, PLUMB__ORIGIN_BYTES, "%s/%s/v%" PRIu64, s->vendor, s->dataset, s->version);
}

void plumb__statement_free(plumb__statement *statement)
{
    json_decref(statement->root);
    memset(statement, 0, sizeof *statement);
}

/* ---- reading ---- */

static plumb_status read_count(const char *what, const json_t *obj, const char *name, uint64_t *out,
                               plumb_error *err)
{
    int64_t value = 0;
    PLUMB_TRY(plumb__json_integer(what, obj, name, true, &value, err));
    if (value < 1) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"%s\" must be at least 1, found %lld",
                           what, name, (long long)value);
    }
    *out = (uint64_t)value;
    return PLUMB_OK;
}

static plumb_status read_time(const char *what, const json_t *obj, const char *name, bool required,
                              int64_t *out, plumb_error *err)
{
    const char *text = NULL;
    PLUMB_TRY(plumb__json_string(what, obj, name, required, &text, err));
    /* In memory 0 stands for "not given"; no honest date is that old. */
    if (text == NULL || (plumb__time_parse(text, out) && *out > 0)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"%s\" must be a time "
                       "YYYY-MM-DDThh:mm:ssZ, later than 1970-01-01",
                       what, name);
}

static plumb_status read_subject(const char *what, plumb__statement *out, plumb_error *err)
{
    plumb__statement_subject subject;
    PLUMB_TRY(plumb__statement_read_subject(what, out->root, &subject, err));
    out->subject = subject.name;
    out->records.sha256 = subject.sha256;
    out->records.blake2b = subject.blake2b;
    return PLUMB_OK;
}

static plumb_status read_records(const char *what, const json_t *predicate, plumb__statement *out,
                                 plumb_error *err)
{
    static const char *const allowed[] = {"bytes", "count", "root", "tree", NULL};
    const json_t *records = NULL;
    const char *tree = NULL;
    PLUMB_TRY(plumb__json_object(what, predicate, "records", true, &records, err));
    PLUMB_TRY(plumb__json_only(what, records, allowed, err));
    PLUMB_TRY(read_count(what, records, "bytes", &out->records.bytes, err));
    PLUMB_TRY(read_count(what, records, "count", &out->records.count, err));
    PLUMB_TRY(plumb__statement_hash(what, records, "root", &out->records.root, err));
    PLUMB_TRY(plumb__json_string(what, records, "tree", true, &tree, err));
    if (strcmp(tree, PLUMB__TREE_NAME) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: its tree is \"%.80s\", expected \"%s\"", what,
                       tree, PLUMB__TREE_NAME);
}

static plumb_status read_supersedes(const char *what, const json_t *predicate,
                                    plumb__statement *out, plumb_error *err)
{
    static const char *const allowed[] = {"version", "root", NULL};
    const json_t *before = NULL;
    PLUMB_TRY(plumb__json_object(what, predicate, "supersedes", false, &before, err));
    if (before == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__json_only(what, before, allowed, err));
    PLUMB_TRY(read_count(what, before, "version", &out->supersedes_version, err));
    if (out->supersedes_version >= out->version) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: version %" PRIu64 " cannot supersede version %" PRIu64
                           "; versions rise",
                           what, out->version, out->supersedes_version);
    }
    return plumb__statement_hash(what, before, "root", &out->supersedes_root, err);
}

static plumb_status read_predicate(const char *what, plumb__statement *out, plumb_error *err)
{
    static const char *const allowed[] = {"vendor",     "dataset",  "version", "issued",
                                          "expires",    "audience", "records", "taxonomy",
                                          "supersedes", NULL};
    const json_t *p = NULL;
    PLUMB_TRY(plumb__json_object(what, out->root, "predicate", true, &p, err));
    PLUMB_TRY(plumb__json_only(what, p, allowed, err));
    PLUMB_TRY(plumb__json_string(what, p, "vendor", true, &out->vendor, err));
    PLUMB_TRY(plumb__name_check(what, "vendor", out->vendor, err));
    PLUMB_TRY(plumb__json_string(what, p, "dataset", true, &out->dataset, err));
    PLUMB_TRY(plumb__name_check(what, "dataset", out->dataset, err));
    PLUMB_TRY(read_count(what, p, "version", &out->version, err));
    PLUMB_TRY(read_time(what, p, "issued", true, &out->issued_s, err));
    PLUMB_TRY(read_time(what, p, "expires", false, &out->expires_s, err));
    PLUMB_TRY(plumb__json_string(what, p, "audience", false, &out->audience, err));
    if (out->audience != NULL && !plumb__text_is_plain(out->audience, strlen(out->audience), 255)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"audience\" must have 1 to 255 bytes without control "
                           "characters",
                           what);
    }
    PLUMB_TRY(plumb__json_object(what, p, "taxonomy", false, &out->taxonomy, err));
    PLUMB_TRY(read_records(what, p, out, err));
    return read_supersedes(what, p, out, err);
}

plumb_status plumb__statement_parse(const char *what, const void *data, size_t n,
                                    plumb__statement *out, plumb_error *err)
{
    char place[PLACE_BYTES];
    memset(out, 0, sizeof *out);
    snprintf(place, sizeof place, "%.1024s: statement", what);
    plumb_status status = plumb__json_parse(place, data, n, &out->root, err);
    if (status == PLUMB_OK)
        status = plumb__statement_check_type(what, out->root, PLUMB__PREDICATE_MANIFEST,
                                             "a manifest", err);
    if (status == PLUMB_OK) status = read_subject(place, out, err);
    if (status == PLUMB_OK) status = read_predicate(place, out, err);
    if (status != PLUMB_OK) plumb__statement_free(out);
    return status;
}

/* ---- writing ---- */

static json_t *hash_json(const plumb__hash *hash)
{
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(hash, hex);
    return json_string(hex);
}

static json_t *time_json(int64_t unix_s)
{
    char text[21];
    plumb__time_format(unix_s, text);
    return json_string(text);
}

/* json_object_set_new refuses a NULL value, so a failed allocation shows here too. */
static bool set(json_t *obj, const char *name, json_t *value)
{
    return json_object_set_new(obj, name, value) == 0;
}

static bool fill_predicate(json_t *p, const plumb__statement *s)
{
    json_t *records = json_object();
    bool ok = set(p, "records", records) && set(p, "vendor", json_string(s->vendor)) &&
              set(p, "dataset", json_string(s->dataset)) &&
              set(p, "version", json_integer((json_int_t)s->version)) &&
              set(p, "issued", time_json(s->issued_s)) &&
              set(records, "bytes", json_integer((json_int_t)s->records.bytes)) &&
              set(records, "count", json_integer((json_int_t)s->records.count)) &&
              set(records, "root", hash_json(&s->records.root)) &&
              set(records, "tree", json_string(PLUMB__TREE_NAME));
    if (s->expires_s != 0) ok = ok && set(p, "expires", time_json(s->expires_s));
    if (s->audience != NULL) ok = ok && set(p, "audience", json_string(s->audience));
    if (s->taxonomy != NULL) ok = ok && set(p, "taxonomy", json_deep_copy(s->taxonomy));
    if (s->supersedes_version == 0) return ok;
    json_t *before = json_object();
    return ok && set(p, "supersedes", before) &&
           set(before, "version", json_integer((json_int_t)s->supersedes_version)) &&
           set(before, "root", hash_json(&s->supersedes_root));
}

plumb_status plumb__statement_dump(const plumb__statement *s, plumb__bytes *out, plumb_error *err)
{
    json_t *predicate = json_object();
    json_t *root = json_pack("{s:s,s:s,s:[{s:s,s:{s:o,s:o}}],s:o}", "_type", PLUMB__STATEMENT_TYPE,
                             "predicateType", PLUMB__PREDICATE_MANIFEST, "subject", "name",
                             s->subject, "digest", "sha256", hash_json(&s->records.sha256),
                             "blake2b", hash_json(&s->records.blake2b), "predicate", predicate);
    plumb_status status = PLUMB_OK;
    if (root == NULL || !fill_predicate(predicate, s)) {
        status = plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a statement");
    }
    if (status == PLUMB_OK) status = plumb__json_dump(root, out, err);
    json_decref(root);
    return status;
}
