/* MLCommons Croissant 1.0 and 1.1: the metadata say which file, beside them, has which fields; its
 * rows go through a mapping whose columns are the fields' names. JSON-LD is read in the compacted
 * form that Croissant prescribes, with or without the prefixes cr:, sc: and so on; nothing is
 * fetched. */
#include "base/alloc.h"
#include "base/file.h"
#include "manifest/import/json_items.h"
#include "manifest/import/row_values.h"
#include "manifest/import/sources.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_METADATA_BYTES ((size_t)16 << 20)
#define MAX_REFERENCES 16

typedef struct croissant {
    plumb__reading *r;
    const char *path;
    json_t *root;
    json_t *columns;  /* name of each field (its id without the record set's) to a column */
    const char *file; /* @id of the file object that all fields come from */
    plumb__stated stated;
    const char *id, *label, *text, *annotator; /* fields that metadata show to be these */
    int texts;
} croissant;

/* ---- JSON-LD, as far as it goes ---- */

/* A member by its name with or without a prefix. */
static const json_t *member(const json_t *object, const char *name)
{
    static const char *const prefixes[] = {"", "cr:", "sc:", "ml:", "dct:", "schema:", NULL};
    char full[80];
    for (int i = 0; prefixes[i] != NULL; i++) {
        snprintf(full, sizeof full, "%s%s", prefixes[i], name);
        const json_t *found = json_object_get(object, full);
        if (found != NULL) return found;
    }
    return NULL;
}

/* Entry i of what may be one thing or a list. */
static const json_t *entry(const json_t *value, size_t i)
{
    if (json_is_array(value)) return json_array_get(value, i);
    return i == 0 ? value : NULL;
}

static const char *id_of(const json_t *object)
{
    if (json_is_string(object)) return json_string_value(object);
    const char *id = json_string_value(json_object_get(object, "@id"));
    return id ? id : json_string_value(member(object, "name"));
}

/* True if a text of the value ends with `word` behind a ':', '/' or '#', or is it. */
static bool names(const json_t *value, const char *word)
{
    const json_t *one;
    for (size_t i = 0; (one = entry(value, i)) != NULL; i++) {
        const char *text = json_is_object(one) ? id_of(one) : json_string_value(one);
        const size_t n = text ? strlen(text) : 0, m = strlen(word);
        if (n < m || strcmp(text + n - m, word) != 0) continue;
        if (n == m || strchr(":/#", text[n - m - 1]) != NULL) return true;
    }
    return false;
}

static plumb_status fail(const croissant *c, const char *what, const char *about, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%.200s\": %s", c->path, about ? about : "",
                       what);
}

/* ---- fields ---- */

static const json_t *find_field(const json_t *fields, const char *id)
{
    const json_t *field;
    for (size_t i = 0; (field = entry(fields, i)) != NULL; i++) {
        const char *own = id_of(field);
        if (own != NULL && strcmp(own, id) == 0) return field;
    }
    return NULL;
}

static const json_t *find_anywhere(const croissant *c, const char *id)
{
    const json_t *set, *sets = member(c->root, "recordSet");
    for (size_t i = 0; (set = entry(sets, i)) != NULL; i++) {
        const json_t *field = find_field(member(set, "field"), id);
        if (field != NULL) return field;
    }
    return NULL;
}

/* The column and file of a field, through references to other fields. */
static plumb_status source_of(croissant *c, const json_t *field, const char **column,
                              const char **file, plumb_error *err)
{
    const char *name = id_of(field);
    *column = NULL;
    for (int hops = 0; hops < MAX_REFERENCES; hops++) {
        const json_t *source = member(field, "source");
        const json_t *extract = member(source, "extract");
        if (source == NULL) return PLUMB_OK;
        *column = json_string_value(member(extract, "column"));
        *file = id_of(member(source, "fileObject"));
        if (member(source, "transform") != NULL || member(source, "format") != NULL) {
            return fail(c, "transforms and formats are not read; give the column as it is", name,
                        err);
        }
        if (*column != NULL && *file != NULL) return PLUMB_OK;
        if (extract != NULL || member(source, "fileSet") != NULL)
            return fail(c, "only a column of a file object is read", name, err);
        const char *other = id_of(member(source, "field") ? member(source, "field") : source);
        field = other ? find_anywhere(c, other) : NULL;
        if (field == NULL) return fail(c, "its source is a field that is not there", name, err);
    }
    return fail(c, "its sources refer to each other in a circle", name, err);
}

static const char *short_name(const char *set, const char *id)
{
    const size_t n = strlen(set);
    return strncmp(set, id, n) == 0 && id[n] == '/' ? id + n + 1 : id;
}

static plumb_status add_field(croissant *c, const char *set, const json_t *field, const char **name,
                              plumb_error *err)
{
    const char *column, *file = NULL, *id = id_of(field);
    *name = NULL;
    if (id == NULL) return fail(c, "a field must have an @id", set, err);
    PLUMB_TRY(source_of(c, field, &column, &file, err));
    if (column == NULL) return PLUMB_OK;
    if (c->file != NULL && strcmp(c->file, file) != 0)
        return fail(c, "comes from another file than the fields before; joins are not read", id,
                    err);
    c->file = file;
    *name = short_name(set, id);
    json_object_set_new(c->columns, *name, json_string(column));
    return PLUMB_OK;
}

/* The field that says who is behind another: itself, or its part that is called id. */
static plumb_status add_annotator(croissant *c, const char *set, const json_t *field,
                                  plumb_error *err)
{
    const json_t *note, *part, *notes = member(field, "annotation");
    for (size_t i = 0; (note = entry(notes, i)) != NULL; i++) {
        const char *name, *first = NULL;
        PLUMB_TRY(add_field(c, set, note, &name, err));
        for (size_t k = 0; (part = entry(member(note, "subField"), k)) != NULL; k++) {
            const char *own;
            PLUMB_TRY(add_field(c, set, part, &own, err));
            const size_t n = own ? strlen(own) : 0;
            if (own != NULL && (first == NULL || (n >= 3 && strcmp(own + n - 3, "/id") == 0)))
                first = own;
        }
        const bool who = names(member(note, "equivalentProperty"), "wasAttributedTo");
        if (who && c->annotator == NULL) c->annotator = name ? name : first;
    }
    return PLUMB_OK;
}

static plumb_status read_set(croissant *c, const json_t *set, plumb_error *err)
{
    const json_t *field, *key = entry(member(set, "key"), 0);
    const char *id = id_of(set) ? id_of(set) : "";
    for (size_t i = 0; (field = entry(member(set, "field"), i)) != NULL; i++) {
        const char *name;
        PLUMB_TRY(add_field(c, id, field, &name, err));
        PLUMB_TRY(add_annotator(c, id, field, err));
        if (name == NULL) continue;
        const bool is_key = key != NULL && id_of(key) && strcmp(id_of(key), id_of(field)) == 0;
        const bool is_label = names(member(field, "dataType"), "Label");
        const bool who = names(member(field, "equivalentProperty"), "wasAttributedTo");
        if (is_key) c->id = name;
        if (is_label) c->label = name;
        if (who && c->annotator == NULL) c->annotator = name;
        if (is_key || is_label || who || !names(member(field, "dataType"), "Text")) continue;
        if (strcmp(name, "text") == 0) c->texts = -1000; /* the name decides */
        if (c->texts <= 0 || strcmp(name, "text") == 0) {
            if (c->text == NULL || strcmp(c->text, "text") != 0) c->text = name;
        }
        c->texts++;
    }
    return PLUMB_OK;
}

/* ---- files ---- */

/* The file beside the metadata: a plain name, and the digest that is stated. */
static plumb_status find_file(croissant *c, char *path, const char **format, plumb_error *err)
{
    const json_t *file = find_field(member(c->root, "distribution"), c->file);
    const char *url = json_string_value(member(file, "contentUrl"));
    *format = json_string_value(member(file, "encodingFormat"));
    c->stated.sha256 = json_string_value(member(file, "sha256"));
    if (file == NULL || url == NULL || *format == NULL)
        return fail(c, "must be a file object with contentUrl and encodingFormat", c->file, err);
    if (member(file, "containedIn") != NULL)
        return fail(c, "lies in an archive; unpack it and describe the file itself", c->file, err);
    if (url[0] == 0 || strpbrk(url, "/\\:") != NULL || strcmp(url, "..") == 0 ||
        strcmp(url, ".") == 0)
        return fail(c, "contentUrl must name a file beside the metadata; nothing is fetched", url,
                    err);
    const char *slash = strrchr(c->path, '/');
    const int n = snprintf(path, PLUMB__PATH_BYTES, "%.*s%s",
                           slash ? (int)(slash - c->path + 1) : 0, c->path, url);
    if (n < 0 || n >= PLUMB__PATH_BYTES) return fail(c, "the path is too long", url, err);
    return PLUMB_OK;
}

plumb_status plumb__stated_check(plumb__stated *stated, plumb_status status, int fd,
                                 const char *path, plumb_error *err)
{
    uint8_t piece[32768];
    char hex[PLUMB__HASH_HEX_BYTES];
    const bool of_content = status == PLUMB_OK || status == PLUMB_ERR_FORMAT ||
                            status == PLUMB_ERR_TRUNCATED || status == PLUMB_ERR_LIMIT;
    if (stated->sha256 == NULL || !of_content) return status;
    for (size_t got = 1; got > 0;) {
        PLUMB_TRY(plumb__fd_read_some(fd, piece, sizeof piece, path, &got, err));
        plumb__hash_update(&stated->hasher, piece, got);
    }
    const plumb__hash found = plumb__hash_final(&stated->hasher);
    plumb__hash_hex(&found, hex);
    if (strcmp(hex, stated->sha256) == 0) return status;
    return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: its SHA-256 is not what %s says", path,
                       stated->by);
}

/* ---- rows ---- */

/* One row for each name of a list. A list in label_annotators is of people who each gave the label
 * (so records say it); of any other it is not known what each of them said: the label stands
 * without a name, and the names without a label. */
static plumb_status take_by_all(croissant *c, plumb__row *row, json_t *values, plumb_error *err)
{
    json_t *who = c->annotator ? json_incref(json_object_get(values, c->annotator)) : NULL;
    const char *column = json_string_value(json_object_get(c->columns, c->annotator));
    const bool together =
        json_array_size(who) > 1 && (column == NULL || strcmp(column, "label_annotators") != 0);
    plumb_status status = PLUMB_OK;
    if (together) {
        json_object_del(values, c->annotator);
        row->anonymous = true;
        status = plumb__take_row(c->r, row, err);
        row->quiet = true;
    }
    for (size_t i = 0; status == PLUMB_OK && (i == 0 || i < json_array_size(who)); i++) {
        if (json_array_size(who) > 0) json_object_set(values, c->annotator, json_array_get(who, i));
        status = plumb__take_row(c->r, row, err);
    }
    json_decref(who);
    return status;
}

static plumb_status take_json_row(croissant *c, plumb__row *row, const json_t *object,
                                  plumb_error *err)
{
    const char *name;
    const json_t *column;
    json_t *values = json_object();
    json_object_foreach(c->columns, name, column)
    {
        json_t *text = plumb__value_text(json_object_get(object, json_string_value(column)));
        if (text != NULL) json_object_set_new(values, name, text);
    }
    row->names = values;
    const plumb_status status = take_by_all(c, row, values, err);
    json_decref(values);
    return status;
}

static plumb_status read_json(croissant *c, const char *path, plumb_error *err)
{
    plumb__json_items items;
    json_t *element;
    PLUMB_TRY(plumb__json_items_open_hashed(&items, path, NULL, &c->stated.hasher, err));
    plumb_status status;
    for (;;) {
        plumb__row row = {.path = path};
        status = plumb__json_items_next(&items, &element, err);
        if (status == PLUMB_OK && element == NULL) break;
        c->r->summary->rows++;
        row.line = items.element_line;
        status = status == PLUMB_OK ? take_json_row(c, &row, element, err)
                                    : plumb__refuse(c->r, status, err);
        json_decref(element);
        if (status != PLUMB_OK) break;
    }
    status = plumb__stated_check(&c->stated, status, items.fd, path, err);
    plumb__json_items_close(&items);
    return status;
}

/* ---- the whole ---- */

static plumb_status make_mapping(croissant *c, plumb_error *err)
{
    const char *given = c->r->options->mapping_path;
    if (given != NULL) {
        PLUMB_TRY(plumb__mapping_read(given, &c->r->mapping, err));
    } else {
        const bool one_text = c->text != NULL && (c->texts == 1 || c->texts < 0);
        if (c->id == NULL || !one_text) {
            return fail(c,
                        "metadata do not show which field is the id (key) and which the text; "
                        "say so with --map MAP.json, by the names of fields",
                        id_of(entry(member(c->root, "recordSet"), 0)), err);
        }
        json_t *own = json_pack("{s:s,s:{s:[s]},s:s*,s:s*}", "id", c->id, "content", "columns",
                                c->text, "label", c->label, "annotator", c->annotator);
        PLUMB_TRY(plumb__mapping_take("the mapping for Croissant", own, &c->r->mapping, err));
    }
    plumb__row row = {.path = c->path, .names = c->columns};
    return plumb__mapping_check(&c->r->mapping, &row, err);
}

static plumb_status read_file(croissant *c, const char *path, const char *format, plumb_error *err)
{
    if (strcmp(format, "text/csv") == 0 || strcmp(format, "text/tsv") == 0 ||
        strcmp(format, "text/tab-separated-values") == 0) {
        c->r->mapping.separator = format[5] == 'c' ? ',' : '\t';
        c->r->mapping.quoting = true;
        return plumb__import_table_file(c->r, path, c->columns, &c->stated, err);
    }
    if (strcmp(format, "application/jsonlines") != 0 && strcmp(format, "application/json") != 0)
        return fail(c,
                    "encodingFormat must be text/csv, text/tsv, application/jsonlines or "
                    "application/json",
                    format, err);
    PLUMB_TRY(plumb__collection_init(&c->r->collection, &c->r->mapping, err));
    return read_json(c, path, err);
}

static plumb_status read_dataset(croissant *c, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    const char *format = NULL;
    const json_t *conforms = member(c->root, "conformsTo");
    const json_t *sets = member(c->root, "recordSet");
    if (!names(conforms, "1.0") && !names(conforms, "1.1"))
        return fail(c, "must conform to http://mlcommons.org/croissant/1.0 or 1.1", "conformsTo",
                    err);
    if (entry(sets, 0) == NULL || entry(sets, 1) != NULL)
        return fail(c, "must have exactly one record set", "recordSet", err);
    PLUMB_TRY(read_set(c, entry(sets, 0), err));
    if (c->file == NULL) return fail(c, "no field comes from a file", "recordSet", err);
    PLUMB_TRY(find_file(c, path, &format, err));
    PLUMB_TRY(make_mapping(c, err));
    return read_file(c, path, format, err);
}

plumb_status plumb__import_croissant(plumb__reading *r, plumb_error *err)
{
    croissant c = {.r = r, .path = r->options->input_path};
    plumb__bytes text = {0};
    plumb_status status = plumb__file_read(c.path, MAX_METADATA_BYTES, &text, err);
    if (status == PLUMB_OK) status = plumb__json_parse(c.path, text.data, text.size, &c.root, err);
    c.stated.by = c.path;
    plumb__hash_init(&c.stated.hasher, PLUMB__SHA256);
    c.columns = json_object();
    if (status == PLUMB_OK) status = read_dataset(&c, err);
    json_decref(c.columns);
    json_decref(c.root);
    plumb__bytes_free(&text);
    return status;
}
