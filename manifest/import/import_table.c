/* CSV and TSV. */
#include "manifest/import/sources.h"

#include <inttypes.h>
#include <string.h>

/* Column names to their numbers. */
static plumb_status read_header(plumb__csv *csv, json_t **out, plumb_error *err)
{
    bool more;
    *out = NULL;
    PLUMB_TRY(plumb__csv_next(csv, &more, err));
    if (!more) return plumb__fail(err, PLUMB_ERR_TRUNCATED, "%s: is empty", csv->path);
    json_t *names = json_object();
    for (uint32_t i = 0; i < csv->n_fields; i++) {
        const char *name = plumb__csv_field(csv, i);
        if (name[0] != 0 && json_object_get(names, name) == NULL) {
            json_object_set_new(names, name, json_integer(i));
            continue;
        }
        json_decref(names);
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: line 1 column %" PRIu64 ": the name of column %u, \"%.80s\", is %s",
                           csv->path, csv->columns[i], i + 1, name,
                           name[0] ? "there twice" : "empty");
    }
    *out = names;
    return PLUMB_OK;
}

static plumb_status next_row(plumb__csv *csv, uint32_t columns, bool *more, plumb_error *err)
{
    PLUMB_TRY(plumb__csv_next(csv, more, err));
    if (!*more || csv->n_fields == columns) return PLUMB_OK;
    const uint32_t at = csv->n_fields < columns ? csv->n_fields - 1 : columns;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: line %" PRIu64 " column %" PRIu64 ": %u fields, but the header has %u",
                       csv->path, csv->lines[at], csv->columns[at], csv->n_fields, columns);
}

static plumb_status read_rows(plumb__reading *r, plumb__csv *csv, const json_t *names,
                              plumb_error *err)
{
    plumb__row row = {.path = csv->path, .names = names, .csv = csv, .line = 1};
    const uint32_t columns = csv->n_fields;
    bool more = true;
    PLUMB_TRY(plumb__mapping_check(&r->mapping, &row, err));
    for (;;) {
        plumb_status status = next_row(csv, columns, &more, err);
        if (status == PLUMB_OK && !more) return PLUMB_OK;
        r->summary->rows++;
        row.line = csv->line;
        if (status == PLUMB_OK) {
            status = plumb__take_row(r, &row, err);
        } else {
            status = plumb__refuse(r, status, err);
        }
        PLUMB_TRY(status);
    }
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The columns under their new names. */
static plumb_status rename_columns(const char *path, const json_t *renamed, json_t **names,
                                   plumb_error *err)
{
    json_t *out = json_object();
    const char *name;
    const json_t *column;
    json_object_foreach((json_t *)(uintptr_t)renamed, name, column)
    {
        json_t *number = json_object_get(*names, json_string_value(column));
        if (number == NULL) {
            json_decref(out);
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: there is no column \"%.200s\"", path,
                               json_string_value(column));
        }
        json_object_set(out, name, number);
    }
    json_decref(*names);
    *names = out;
    return PLUMB_OK;
}

plumb_status plumb__import_table_file(plumb__reading *r, const char *path, const json_t *renamed,
                                      plumb__stated *stated, plumb_error *err)
{
    const bool tabs = r->mapping.separator == 0 && ends_with(path, ".tsv");
    const char separator = tabs ? '\t' : r->mapping.separator ? r->mapping.separator : ',';
    plumb__csv csv;
    json_t *names = NULL;
    PLUMB_TRY(plumb__collection_init(&r->collection, &r->mapping, err));
    PLUMB_TRY(plumb__csv_open_hashed(&csv, path, separator, r->mapping.quoting && !tabs,
                                     stated ? &stated->hasher : NULL, err));
    plumb_status status = read_header(&csv, &names, err);
    if (status == PLUMB_OK && renamed) status = rename_columns(path, renamed, &names, err);
    if (status == PLUMB_OK) status = read_rows(r, &csv, names, err);
    if (stated != NULL) status = plumb__stated_check(stated, status, csv.fd, path, err);
    json_decref(names);
    plumb__csv_close(&csv);
    return status;
}

plumb_status plumb__import_table(plumb__reading *r, plumb_error *err)
{
    if (r->options->mapping_path == NULL) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "a table wants a mapping (--map MAP.json): which column is what; "
                           "examples/mappings/ has some, docs/importers.md says how");
    }
    PLUMB_TRY(plumb__mapping_read(r->options->mapping_path, &r->mapping, err));
    return plumb__import_table_file(r, r->options->input_path, NULL, NULL, err);
}
