/* The signed payload of one withdrawal (docs/formats/withdrawal.md). */
#include "base/alloc.h"
#include "base/clock.h"
#include "manifest/files.h"
#include "manifest/manifest_object.h"
#include "manifest/names.h"
#include "manifest/notices/withdrawal.h"
#include "manifest/signing/statement_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

/* C2. The subject's name is the file's name when it was signed; a customer may have renamed it. */
static plumb_status read_subject(const char *what, const json_t *root, const plumb_manifest *m,
                                 plumb_error *err)
{
    plumb__statement_subject subject;
    PLUMB_TRY(plumb__statement_read_subject(what, root, &subject, err));
    if (plumb__hash_equal(&subject.sha256, &m->statement.records.sha256) &&
        plumb__hash_equal(&subject.blake2b, &m->statement.records.blake2b) &&
        strcmp(subject.name, m->statement.subject) == 0)
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "%s: withdraws from another records file than this manifest's", what);
}

static plumb_status read_manifest(const char *what, const json_t *p, const plumb_manifest *m,
                                  plumb_error *err)
{
    const plumb__statement *s = &m->statement;
    const char *vendor = NULL, *dataset = NULL;
    int64_t version = 0;
    plumb__hash root;
    PLUMB_TRY(plumb__json_string(what, p, "vendor", true, &vendor, err));
    PLUMB_TRY(plumb__json_string(what, p, "dataset", true, &dataset, err));
    PLUMB_TRY(plumb__json_integer(what, p, "version", true, &version, err));
    PLUMB_TRY(plumb__statement_hash(what, p, "root", &root, err));
    if (strcmp(vendor, s->vendor) != 0 || strcmp(dataset, s->dataset) != 0 || version < 0 ||
        (uint64_t)version != s->version) {
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "%s: withdraws from %.100s/%.100s version %" PRId64
                           ", this is %s/%s version %" PRIu64
                           ": every version has withdrawals of its own",
                           what, vendor, dataset, version, s->vendor, s->dataset, s->version);
    }
    if (plumb__hash_equal(&root, &s->records.root)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "%s: withdraws from another record tree than this manifest's", what);
}

/* C1 */
static plumb_status read_place(const char *what, const json_t *p, const plumb__withdrawals *chain,
                               plumb__withdrawal *out, plumb_error *err)
{
    int64_t sequence = 0;
    PLUMB_TRY(plumb__json_integer(what, p, "sequence", true, &sequence, err));
    if (sequence < 1 || (uint64_t)sequence != chain->n + 1) {
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s: is withdrawal %" PRId64 " where %zu should follow: one is missing, "
                           "doubled or out of order",
                           what, sequence, chain->n + 1);
    }
    out->sequence = (uint64_t)sequence;
    plumb__hash previous;
    if (chain->n == 0 && json_object_get(p, "previous") == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__statement_hash(what, p, "previous", &previous, err));
    if (chain->n > 0 && plumb__hash_equal(&previous, &chain->list[chain->n - 1].digest))
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_CORRUPT,
                       "%s: does not follow the one before it (its \"previous\" is another): the "
                       "chain was cut or put together anew",
                       what);
}

static plumb_status read_reason(const char *what, const json_t *p, plumb__withdrawal *out,
                                plumb_error *err)
{
    const char *issued = NULL, *reason = NULL, *note = NULL;
    PLUMB_TRY(plumb__json_string(what, p, "issued", true, &issued, err));
    if (strlen(issued) != 20 || !plumb__time_parse(issued, &out->issued_s)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"issued\" must be a time YYYY-MM-DDThh:mm:ssZ", what);
    }
    PLUMB_TRY(plumb__json_string(what, p, "reason", true, &reason, err));
    if (!plumb_withdrawal_reason_parse(reason, &out->reason)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"reason\" must be consent, error, licence or other, found "
                           "\"%.100s\"",
                           what, reason);
    }
    PLUMB_TRY(plumb__json_string(what, p, "note", false, &note, err));
    if (note == NULL) return PLUMB_OK;
    if (!plumb__text_is_plain(note, strlen(note), PLUMB__WITHDRAWAL_NOTE_BYTES)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"note\" must have 1 to %d bytes without control characters",
                           what, PLUMB__WITHDRAWAL_NOTE_BYTES);
    }
    return plumb__strdup(&out->note, note, err);
}

/* C3: number, leaf and, where it is given, id must be one record's. */
static plumb_status read_record(const char *what, const json_t *entry, const plumb_manifest *m,
                                int64_t after, int64_t *number, plumb_error *err)
{
    static const char *const allowed[] = {"id", "index", "leaf", NULL};
    const char *id = NULL;
    plumb__hash leaf, found;
    plumb_record record;
    if (!json_is_object(entry)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"records\" must hold objects", what);
    }
    PLUMB_TRY(plumb__json_only(what, entry, allowed, err));
    PLUMB_TRY(plumb__json_integer(what, entry, "index", true, number, err));
    PLUMB_TRY(plumb__json_string(what, entry, "id", false, &id, err));
    PLUMB_TRY(plumb__statement_hash(what, entry, "leaf", &leaf, err));
    if (*number <= after) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: record %" PRId64 " stands behind record %" PRId64
                           ": they must ascend",
                           what, *number, after);
    }
    if (*number >= (int64_t)m->table.n) {
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "%s: withdraws record %" PRId64 ", the manifest has %u", what, *number,
                           m->table.n);
    }
    PLUMB_TRY(plumb__manifest_leaf(m, (uint32_t)*number, &found, err));
    if (!plumb__hash_equal(&leaf, &found)) {
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "%s: the leaf of record %" PRId64 " is not the manifest's", what,
                           *number);
    }
    plumb_record_default(&record);
    PLUMB_TRY(plumb_manifest_record(m, (uint32_t)*number, &record, err));
    if (id == NULL || strcmp(id, record.id) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_MISMATCH,
                       "%s: record %" PRId64 " is \"%.200s\" in the manifest, not \"%.200s\"", what,
                       *number, record.id, id);
}

static plumb_status read_records(const char *what, const json_t *p, const plumb_manifest *m,
                                 plumb__withdrawals *chain, plumb__withdrawal *out,
                                 plumb_error *err)
{
    const json_t *records = NULL;
    int64_t number = -1;
    PLUMB_TRY(plumb__json_array(what, p, "records", true, &records, err));
    const size_t n = json_array_size(records);
    if (n == 0 || n > PLUMB__WITHDRAWAL_MAX_RECORDS) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: has %zu records, expected 1 to %u", what, n,
                           PLUMB__WITHDRAWAL_MAX_RECORDS);
    }
    PLUMB_TRY(plumb__grow(&chain->records, &chain->records_capacity, chain->n_records + n,
                          sizeof *chain->records, "withdrawals", err));
    for (size_t i = 0; i < n; i++) {
        PLUMB_TRY(read_record(what, json_array_get(records, i), m, number, &number, err));
        if (chain->named[number] != 0) {
            return plumb__fail(err, PLUMB_ERR_MISMATCH,
                               "%s: record %" PRId64 " was withdrawn before", what, number);
        }
        chain->named[number] = 1;
        chain->records[chain->n_records + i] = (uint32_t)number;
    }
    out->first = chain->n_records;
    out->n = (uint32_t)n;
    return PLUMB_OK;
}

static plumb_status read_all(const char *what, const json_t *root, const plumb_manifest *m,
                             plumb__withdrawals *chain, plumb__withdrawal *out, plumb_error *err)
{
    static const char *const allowed[] = {"vendor",  "dataset", "version",  "root",
                                          "issued",  "reason",  "sequence", "previous",
                                          "records", "note",    NULL};
    const json_t *p = NULL;
    PLUMB_TRY(
        plumb__statement_check_type(what, root, PLUMB__PREDICATE_WITHDRAWAL, "a withdrawal", err));
    PLUMB_TRY(plumb__json_object(what, root, "predicate", true, &p, err));
    PLUMB_TRY(plumb__json_only(what, p, allowed, err));
    PLUMB_TRY(read_manifest(what, p, m, err));
    PLUMB_TRY(read_subject(what, root, m, err));
    PLUMB_TRY(read_place(what, p, chain, out, err));
    PLUMB_TRY(read_reason(what, p, out, err));
    return read_records(what, p, m, chain, out, err);
}

plumb_status plumb__withdrawal_parse(const char *what, const void *data, size_t n,
                                     const plumb_manifest *m, plumb__withdrawals *chain,
                                     plumb_error *err)
{
    json_t *root = NULL;
    plumb__withdrawal read = {0};
    plumb_status status;
    PLUMB_TRY_CLEAN(plumb__json_parse(what, data, n, &root, err));
    PLUMB_TRY_CLEAN(plumb__statement_check_canonical(what, root, data, n, err));
    PLUMB_TRY_CLEAN(read_all(what, root, m, chain, &read, err));
    PLUMB_TRY_CLEAN(plumb__grow(&chain->list, &chain->capacity, chain->n + 1, sizeof *chain->list,
                                "withdrawals", err));
    read.digest = plumb__blake2b(data, n);
    chain->n_records += read.n;
    chain->list[chain->n++] = read;
    read.note = NULL;
cleanup:
    plumb__free(read.note);
    json_decref(root);
    return status;
}

/* ---- writing ---- */

static json_t *hash_json(const plumb__hash *hash)
{
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(hash, hex);
    return json_string(hex);
}

/* The id of a record with a private line stays out: the leaf says which it is to whoever has the
 * manifest, and says nothing to anybody else. */
static plumb_status entry_json(const plumb_manifest *m, uint32_t number, json_t **out,
                               plumb_error *err)
{
    char *line = NULL;
    size_t n = 0;
    json_t *record = NULL;
    plumb__hash leaf;
    PLUMB_TRY(plumb__manifest_leaf(m, number, &leaf, err));
    PLUMB_TRY(plumb_manifest_line(m, number, &line, &n, err));
    const plumb_status status = plumb__json_parse("record", line, n, &record, err);
    plumb_text_free(line);
    PLUMB_TRY(status);
    const bool is_private = json_object_get(record, "private") != NULL;
    *out = json_pack("{s:I,s:o}", "index", (json_int_t)number, "leaf", hash_json(&leaf));
    if (!is_private && *out != NULL) {
        (void)json_object_set(*out, "id", json_object_get(record, "id"));
    }
    json_decref(record);
    return *out != NULL ? PLUMB_OK : plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory");
}

static plumb_status predicate_json(const plumb_manifest *m, const uint32_t *numbers, uint32_t n,
                                   const plumb_withdraw_options *o, json_t *p, plumb_error *err)
{
    const plumb__withdrawals *chain = &m->withdrawals;
    const plumb__statement *s = &m->statement;
    char issued[21];
    json_t *records = json_array();
    plumb__time_format(o->issued_s, issued);
    (void)json_object_set_new(p, "records", records);
    (void)json_object_set_new(p, "vendor", json_string(s->vendor));
    (void)json_object_set_new(p, "dataset", json_string(s->dataset));
    (void)json_object_set_new(p, "version", json_integer((json_int_t)s->version));
    (void)json_object_set_new(p, "root", hash_json(&s->records.root));
    (void)json_object_set_new(p, "issued", json_string(issued));
    (void)json_object_set_new(p, "reason", json_string(plumb_withdrawal_reason_name(o->reason)));
    (void)json_object_set_new(p, "sequence", json_integer((json_int_t)chain->n + 1));
    if (o->note != NULL) (void)json_object_set_new(p, "note", json_string(o->note));
    if (chain->n > 0) {
        (void)json_object_set_new(p, "previous", hash_json(&chain->list[chain->n - 1].digest));
    }
    for (uint32_t i = 0; i < n; i++) {
        json_t *entry = NULL;
        PLUMB_TRY(entry_json(m, numbers[i], &entry, err));
        if (json_array_append_new(records, entry) != 0) {
            return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a statement");
        }
    }
    return PLUMB_OK;
}

plumb_status plumb__withdrawal_dump(const plumb_manifest *m, const uint32_t *numbers, uint32_t n,
                                    const plumb_withdraw_options *options, plumb__bytes *out,
                                    plumb_error *err)
{
    const plumb__statement *s = &m->statement;
    json_t *p = json_object();
    json_t *root = json_pack("{s:s,s:s,s:[{s:s,s:{s:o,s:o}}],s:o}", "_type", PLUMB__STATEMENT_TYPE,
                             "predicateType", PLUMB__PREDICATE_WITHDRAWAL, "subject", "name",
                             s->subject, "digest", "sha256", hash_json(&s->records.sha256),
                             "blake2b", hash_json(&s->records.blake2b), "predicate", p);
    plumb_status status = PLUMB_OK;
    if (root == NULL) status = plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a statement");
    if (status == PLUMB_OK) status = predicate_json(m, numbers, n, options, p, err);
    if (status == PLUMB_OK) status = plumb__json_dump(root, out, err);
    json_decref(root);
    return status;
}
