/* Label Studio: the JSON export (tasks with their annotations) and JSON-MIN (one flat object an
 * annotation). A task and one of its annotations become one row of named values, so that the same
 * mappings serve as for tables; with spans, one row each region with what is said of it, the first
 * of them with what is said of the whole too:
 *
 *   NAME              field NAME of the task's data
 *   meta.NAME         field NAME of the task's meta
 *   task.id, project
 *   annotation.id, annotation.completed_by, annotation.lead_time, annotation.ground_truth,
 *   annotation.created_at
 *   result.CONTROL    what the control of that from_name says: a text, or several
 *
 * JSON-MIN's fields are columns by their own names. */
#include "base/alloc.h"
#include "manifest/import/json_items.h"
#include "manifest/import/row_values.h"
#include "manifest/import/sources.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- rows ---- */

static void put(json_t *row, const char *prefix, const char *name, const json_t *value)
{
    char key[1024];
    json_t *text = plumb__value_text(value);
    const int n = snprintf(key, sizeof key, "%s%s", prefix, name);
    if (text != NULL && n > 0 && (size_t)n < sizeof key) {
        json_object_set_new(row, key, text);
    } else {
        json_decref(text);
    }
}

static void put_all(json_t *row, const char *prefix, const json_t *object)
{
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        put(row, prefix, name, value);
    }
}

/* ---- results ---- */

/* Taxonomy paths, each as one text: ["Animal","Dog"] is Animal/Dog. */
static json_t *paths(const json_t *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *path = json_array_get(list, i);
        plumb__bytes text = {0};
        for (size_t k = 0; k < json_array_size(path); k++) {
            const char *step = json_string_value(json_array_get(path, k));
            if (k > 0) plumb__bytes_append_text(&text, "/");
            plumb__bytes_append_text(&text, step ? step : "");
        }
        json_array_append_new(out, json_string(plumb__bytes_text(&text)));
        plumb__bytes_free(&text);
    }
    return out;
}

/* What one result says: the member of its value that its type names, or the whole value. */
static json_t *said_by(const json_t *result)
{
    const char *type = json_string_value(json_object_get(result, "type"));
    const json_t *value = json_object_get(result, "value");
    const json_t *own = type ? json_object_get(value, type) : NULL;
    if (type != NULL && strcmp(type, "textarea") == 0) own = json_object_get(value, "text");
    if (type != NULL && strcmp(type, "pairwise") == 0) own = json_object_get(value, "selected");
    if (type != NULL && strcmp(type, "labels") == 0 && own == NULL) return NULL;
    if (type != NULL && strcmp(type, "taxonomy") == 0 && json_is_array(own)) return paths(own);
    return plumb__value_text(own ? own : value);
}

/* Several results of one control are a list. */
static void put_result(json_t *row, const json_t *result)
{
    char key[1024];
    const char *name = json_string_value(json_object_get(result, "from_name"));
    json_t *said = said_by(result);
    if (name != NULL && said != NULL && strlen(name) < sizeof key - 8) {
        snprintf(key, sizeof key, "result.%s", name);
        json_t *before = json_object_get(row, key);
        if (before == NULL) {
            json_object_set(row, key, said);
        } else {
            json_t *list = json_array();
            json_is_array(before) ? json_array_extend(list, before)
                                  : json_array_append(list, before);
            json_is_array(said) ? json_array_extend(list, said) : json_array_append(list, said);
            json_object_set_new(row, key, list);
        }
    }
    json_decref(said);
}

/* ---- tasks ---- */

/* Who made an annotation: a number, or an object with the user's id or address. */
static const json_t *completed_by(const json_t *annotation)
{
    const json_t *who = json_object_get(annotation, "completed_by");
    const json_t *id = json_object_get(who, "id");
    if (!json_is_object(who)) return who;
    return id ? id : json_object_get(who, "email");
}

/* All but the results. */
static json_t *make_row(const json_t *task, const json_t *annotation)
{
    static const char *const names[] = {"id", "lead_time", "ground_truth", "created_at"};
    json_t *row = json_object();
    put_all(row, "", json_object_get(task, "data"));
    put_all(row, "meta.", json_object_get(task, "meta"));
    put(row, "", "task.id", json_object_get(task, "id"));
    put(row, "", "project", json_object_get(task, "project"));
    for (int i = 0; i < 4; i++)
        put(row, "annotation.", names[i], json_object_get(annotation, names[i]));
    put(row, "annotation.", "completed_by", completed_by(annotation));
    return row;
}

/* ---- regions ---- */

/* The regions of the control that the mapping names, in the order of the results; owner: of each
 * result the region that it is about, PLUMB__NONE for the whole task. */
typedef struct regions {
    plumb__mark *marks;
    uint32_t *owner;
    size_t n;
} regions;

static bool is_of(const json_t *result, const char *control)
{
    const char *name = json_string_value(json_object_get(result, "from_name"));
    return control != NULL && name != NULL && strcmp(name, control) == 0;
}

static json_t *labels_of(const json_t *value)
{
    json_t *labels = json_object_get(value, "labels");
    bool texts = json_array_size(labels) > 0;
    for (size_t i = 0; i < json_array_size(labels); i++)
        texts = texts && json_is_string(json_array_get(labels, i));
    return texts ? labels : NULL;
}

static plumb_status take_mark(const plumb__json_items *items, const char *control,
                              const json_t *result, plumb__mark *out, plumb_error *err)
{
    const json_t *value = json_object_get(result, "value");
    const json_t *from = json_object_get(value, "start"), *to = json_object_get(value, "end");
    if (!json_is_integer(from) || !json_is_integer(to) || json_integer_value(from) < 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: line %" PRIu64
                           ": a region of \"%.200s\" must have \"start\" and \"end\", places in "
                           "plain text",
                           items->path, items->element_line, control);
    }
    *out = (plumb__mark){(uint64_t)json_integer_value(from), (uint64_t)json_integer_value(to),
                         json_string_value(json_object_get(value, "text")), labels_of(value)};
    return PLUMB_OK;
}

/* What is said of a region has its id. */
static void find_owners(const json_t *results, const char *control, regions *out)
{
    json_t *ids = json_object();
    uint32_t next = 0;
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        const char *id = json_string_value(json_object_get(result, "id"));
        out->owner[i] = is_of(result, control) ? next++ : PLUMB__NONE;
        if (out->owner[i] != PLUMB__NONE && id != NULL)
            json_object_set_new(ids, id, json_integer(out->owner[i]));
    }
    for (size_t i = 0; i < json_array_size(results); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(results, i), "id"));
        const json_t *region = id ? json_object_get(ids, id) : NULL;
        if (out->owner[i] == PLUMB__NONE && region != NULL)
            out->owner[i] = (uint32_t)json_integer_value(region);
    }
    json_decref(ids);
}

static plumb_status find_regions(const plumb__reading *r, const plumb__json_items *items,
                                 const json_t *results, regions *out, plumb_error *err)
{
    const char *control = r->mapping.span_control;
    const size_t n = json_array_size(results);
    PLUMB_TRY(plumb__alloc(&out->marks, n, sizeof *out->marks, "regions", err));
    PLUMB_TRY(plumb__alloc(&out->owner, n, sizeof *out->owner, "regions", err));
    for (size_t i = 0; i < n; i++) {
        const json_t *result = json_array_get(results, i);
        if (!is_of(result, control)) continue;
        PLUMB_TRY(take_mark(items, control, result, &out->marks[out->n++], err));
    }
    find_owners(results, control, out);
    return PLUMB_OK;
}

/* One row each region. The first says what is said of the whole as well, and all regions are
 * checked with it: an annotation is taken as a whole. */
static plumb_status take_regions(plumb__reading *r, const plumb__json_items *items,
                                 const json_t *results, const regions *all, const json_t *names,
                                 plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    for (size_t k = 0; status == PLUMB_OK && (k == 0 || k < all->n); k++) {
        json_t *own = json_copy((json_t *)(uintptr_t)names);
        for (size_t i = 0; i < json_array_size(results); i++) {
            const uint32_t owner = all->owner[i];
            if (owner == k || (owner == PLUMB__NONE && k == 0))
                put_result(own, json_array_get(results, i));
        }
        plumb__row row = {.path = items->path,
                          .line = items->element_line,
                          .names = own,
                          .marks = all->marks + k,
                          .n_checked = k > 0 ? 1 : all->n,
                          .follows = k > 0};
        status = plumb__collect_row(&r->collection, &row, err);
        json_decref(own);
    }
    return status;
}

static plumb_status take(plumb__reading *r, const plumb__json_items *items,
                         const json_t *annotation, json_t *names, plumb_error *err)
{
    const json_t *results = json_object_get(annotation, "result");
    regions all = {0};
    r->summary->rows++;
    plumb_status status = find_regions(r, items, results, &all, err);
    if (status == PLUMB_OK) status = take_regions(r, items, results, &all, names, err);
    plumb__free(all.owner);
    plumb__free(all.marks);
    json_decref(names);
    return status == PLUMB_OK ? PLUMB_OK : plumb__refuse(r, status, err);
}

/* The control whose results are the label, when the export has exactly one of a kind that labels a
 * whole task, and the data field that is the content, when there is exactly one text. */
static plumb_status guess(const plumb__json_items *items, const json_t *task, json_t **out,
                          plumb_error *err)
{
    static const char *const kinds[] = {"choices", "rating", "number", "taxonomy", "pairwise"};
    const char *text = NULL, *label = NULL, *name;
    const json_t *value, *data = json_object_get(task, "data");
    const json_t *annotation = json_array_get(json_object_get(task, "annotations"), 0);
    const json_t *results = json_object_get(annotation, "result");
    size_t texts = 0, labels = 0;
    json_object_foreach((json_t *)(uintptr_t)data, name, value)
    {
        texts += json_is_string(value);
        if (json_is_string(value)) text = name;
    }
    if (json_is_string(json_object_get(data, "text"))) {
        text = "text";
        texts = 1;
    }
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        const char *from = json_string_value(json_object_get(result, "from_name"));
        const char *type = json_string_value(json_object_get(result, "type"));
        for (int k = 0; from && type && k < 5; k++) {
            if (strcmp(kinds[k], type) != 0 || (label && strcmp(label, from) == 0)) continue;
            label = from;
            labels++;
        }
    }
    if (texts != 1 || labels != 1) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: line %" PRIu64 ": the first annotated task has %zu texts and %zu "
                           "controls that could be its label; say which with --map MAP.json "
                           "(docs/importers.md)",
                           items->path, items->element_line, texts, labels);
    }
    char column[1024];
    snprintf(column, sizeof column, "result.%.1000s", label);
    *out = json_pack("{s:s,s:{s:[s]},s:s,s:s,s:{s:s,s:s,s:s}}", "id", "label-studio:{task.id}",
                     "content", "columns", text, "annotator", "annotation.completed_by", "label",
                     column, "keep", "annotation", "annotation.id", "lead_time",
                     "annotation.lead_time", "ground_truth", "annotation.ground_truth");
    return PLUMB_OK;
}

static plumb_status begin(plumb__reading *r, const plumb__json_items *items, const json_t *task,
                          bool minimal, plumb_error *err)
{
    json_t *own = NULL;
    if (r->options->mapping_path != NULL) {
        PLUMB_TRY(plumb__mapping_read(r->options->mapping_path, &r->mapping, err));
    } else if (minimal) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "%s: JSON-MIN does not say which field is the text and which a label; "
                           "say so with --map MAP.json (docs/importers.md)",
                           items->path);
    } else {
        PLUMB_TRY(guess(items, task, &own, err));
        PLUMB_TRY(plumb__mapping_take("the mapping for Label Studio", own, &r->mapping, err));
    }
    return plumb__collection_init(&r->collection, &r->mapping, err);
}

static bool is_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

static plumb_status take_task(plumb__reading *r, const plumb__json_items *items, const json_t *task,
                              plumb_error *err)
{
    const json_t *annotations = json_object_get(task, "annotations");
    if (!json_is_object(json_object_get(task, "data")) || !json_is_array(annotations)) {
        (void)plumb__fail(err, PLUMB_ERR_FORMAT,
                          "%s: line %" PRIu64
                          ": a task must have \"data\" (an object) and \"annotations\" (an array); "
                          "exports from before version 1.0 (\"completions\") are not read",
                          items->path, items->element_line);
        return plumb__refuse(r, PLUMB_ERR_FORMAT, err);
    }
    for (size_t i = 0; i < json_array_size(annotations); i++) {
        const json_t *annotation = json_array_get(annotations, i);
        if (is_true(annotation, "was_cancelled")) {
            r->summary->left_out++;
            continue;
        }
        PLUMB_TRY(take(r, items, annotation, make_row(task, annotation), err));
    }
    r->summary->left_out += json_array_size(annotations) == 0;
    return PLUMB_OK;
}

static plumb_status take_minimal(plumb__reading *r, const plumb__json_items *items,
                                 const json_t *object, plumb_error *err)
{
    json_t *row = json_object();
    const json_t *who = json_object_get(object, "annotator");
    put_all(row, "", object);
    if (json_is_object(who)) put(row, "", "annotator", json_object_get(who, "id"));
    return take(r, items, NULL, row, err);
}

static bool is_scale(const json_t *element)
{
    const json_t *first = json_array_get(json_object_get(element, "tasks"), 0);
    return json_is_string(json_object_get(first ? first : element, "task_id")) &&
           json_is_array(json_object_get(first ? first : element, "threads"));
}

static plumb_status take_element(plumb__reading *r, const plumb__json_items *items,
                                 const json_t *element, bool *begun, plumb_error *err)
{
    const bool minimal = !json_is_object(json_object_get(element, "data"));
    const bool empty = json_array_size(json_object_get(element, "annotations")) == 0;
    if (!json_is_object(element)) {
        (void)plumb__fail(err, PLUMB_ERR_FORMAT, "%s: line %" PRIu64 ": a task must be an object",
                          items->path, items->element_line);
        return plumb__refuse(r, PLUMB_ERR_FORMAT, err);
    }
    if (is_scale(element)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: line %" PRIu64 ": this looks like a Scale export (\"task_id\" and "
                           "\"threads\"); read it with: plumb manifest import scale",
                           items->path, items->element_line);
    }
    if (!*begun && !minimal && empty && r->options->mapping_path == NULL &&
        json_is_array(json_object_get(element, "annotations"))) {
        r->summary->left_out++; /* says nothing about what the label could be */
        return PLUMB_OK;
    }
    if (!*begun) PLUMB_TRY(begin(r, items, element, minimal, err));
    *begun = true;
    if (minimal && json_object_get(element, "annotations") == NULL &&
        json_object_get(element, "completions") == NULL)
        return take_minimal(r, items, element, err);
    return take_task(r, items, element, err);
}

plumb_status plumb__import_label_studio(plumb__reading *r, plumb_error *err)
{
    plumb__json_items items;
    json_t *element;
    bool begun = false;
    PLUMB_TRY(plumb__json_items_open(&items, r->options->input_path, NULL, err));
    plumb_status status;
    for (;;) {
        status = plumb__json_items_next(&items, &element, err);
        if (status == PLUMB_OK && element == NULL) break;
        status = status == PLUMB_OK ? take_element(r, &items, element, &begun, err)
                                    : plumb__refuse(r, status, err);
        json_decref(element);
        if (status != PLUMB_OK) break;
    }
    plumb__json_items_close(&items);
    if (status == PLUMB_OK && !begun) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: there is no annotated task in it",
                           r->options->input_path);
    }
    return status;
}
