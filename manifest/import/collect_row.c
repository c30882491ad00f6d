/* One row of a table as an entry: what the mapping makes of its columns, checked as records will
 * be. */
#include "base/alloc.h"
#include "manifest/import/collect.h"
#include "manifest/names.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ID_BYTES 256
#define MAX_NAME_BYTES 1024
#define MAX_SPANS 4096

/* What is being made of a row; everything is released at once. */
typedef struct making {
    plumb__entry entry;
    json_t *values[PLUMB__TARGETS];
    json_t *body, *said;
    plumb__bytes content, key;
    plumb__span *spans;
    char digest[17];
    char place[1200];
} making;

static plumb_status check_name(const making *m, const char *field, const char *text, size_t max,
                               plumb_error *err)
{
    if (plumb__text_is_plain(text, strlen(text), max)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: \"%s\" must have 1 to %zu bytes without control characters",
                       m->entry.place, field, max);
}

/* What would not stand in a taxonomy is refused here: the one that an import writes must be good.
 */
static plumb_status check_entry(const making *m, const char *field, const char *name,
                                plumb_error *err)
{
    const bool domain = strcmp(field, "domain") == 0;
    if (plumb__entry_name_valid(name, !domain)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: %s \"%.200s\" must be named %s", m->entry.place,
                       field, name, domain ? "name or name@version" : "name@version");
}

/* The values of `group`, as a JSON array: the key of the item and, hashed, its {#}. */
static plumb_status make_key(const plumb__mapping *map, plumb__row *row, making *m,
                             plumb_error *err)
{
    if (map->group == NULL) return PLUMB_OK;
    json_t *values = json_array();
    for (size_t i = 0; i < json_array_size(map->group); i++) {
        const char *text = plumb__row_text(row, json_string_value(json_array_get(map->group, i)));
        json_array_append_new(values, json_string(text ? text : ""));
    }
    const plumb_status status = plumb__json_dump(values, &m->key, err);
    json_decref(values);
    if (status != PLUMB_OK) return status;
    char hex[PLUMB__HASH_HEX_BYTES];
    const plumb__hash digest = plumb__blake2b(m->key.data, m->key.size);
    plumb__hash_hex(&digest, hex);
    memcpy(m->digest, hex, 16);
    row->digest = m->digest;
    m->entry.key = plumb__bytes_text(&m->key);
    return PLUMB_OK;
}

static plumb_status make_values(const plumb__mapping *map, const plumb__row *row, making *m,
                                plumb_error *err)
{
    for (int i = 0; i < PLUMB__TARGETS; i++) {
        const char *name = plumb__target_name((plumb__target)i);
        const bool lists =
            (i == PLUMB__TO_LABEL || i == PLUMB__TO_CATEGORY) && map->judged != (plumb__target)i;
        if (map->spec[i] == NULL) continue;
        PLUMB_TRY(plumb__spec_value(name, map->spec[i], row, &m->values[i], err));
        if (!lists && json_array_size(m->values[i]) == 1) {
            json_t *only = json_incref(json_array_get(m->values[i], 0));
            json_decref(m->values[i]);
            m->values[i] = only;
        }
        if (json_is_array(m->values[i]) && !lists) {
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%s\" must be one value, found %zu",
                               m->entry.place, name, json_array_size(m->values[i]));
        }
    }
    return PLUMB_OK;
}

static plumb_status make_number(const making *m, plumb__target target, double max, json_t *body,
                                plumb_error *err)
{
    const char *name = plumb__target_name(target), *text = json_string_value(m->values[target]);
    char *end = NULL;
    if (text == NULL) return PLUMB_OK;
    const double number = strtod(text, &end);
    if (*text != 0 && *end == 0 && isfinite(number) && number >= 0.0 && number <= max) {
        json_object_set_new(body, name, json_real(number));
        return PLUMB_OK;
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%s\" must be from 0 to %g, found \"%.80s\"",
                       m->entry.place, name, max, text);
}

static plumb_status make_names(making *m, plumb_error *err)
{
    for (int i = PLUMB__TO_DOMAIN; i <= PLUMB__TO_DEPTH; i++) {
        const char *name = plumb__target_name((plumb__target)i);
        const char *text = json_string_value(m->values[i]);
        if (text == NULL) continue;
        PLUMB_TRY(check_name(m, name, text, MAX_NAME_BYTES, err));
        if (i == PLUMB__TO_DOMAIN) PLUMB_TRY(check_entry(m, name, text, err));
        json_object_set(m->body, name, m->values[i]);
    }
    const char *source = json_string_value(m->values[PLUMB__TO_SOURCE]);
    if (source == NULL || strcmp(source, "human") == 0 || strcmp(source, "model") == 0 ||
        strcmp(source, "human+model") == 0)
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: \"source\" must be human, model or human+model, found \"%.80s\"",
                       m->entry.place, source);
}

static plumb_status make_extra(const plumb__row *row, const json_t *specs, json_t *into,
                               plumb_error *err)
{
    const char *name;
    const json_t *spec;
    json_object_foreach((json_t *)(uintptr_t)specs, name, spec)
    {
        json_t *value;
        PLUMB_TRY(plumb__spec_value(name, spec, row, &value, err));
        if (value != NULL) json_object_set_new(into, name, value);
    }
    return PLUMB_OK;
}

/* What the source counted out in the first column. */
static plumb_status place_marks(const plumb__row *row, const char *text, making *m,
                                plumb_error *err)
{
    plumb__entry *e = &m->entry;
    if (row->n_checked > MAX_SPANS) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: more than %d regions", e->place, MAX_SPANS);
    }
    for (size_t k = 0; k < row->n_checked; k++) {
        plumb__span span;
        PLUMB_TRY(plumb__spans_place(e->place, text, 0, &row->marks[k], &span, err));
        if (k == 0 && span.to > span.from) m->spans[e->n_spans++] = span;
    }
    return PLUMB_OK;
}

/* The columns of `content` with their separator between, markers taken out. */
static plumb_status make_content(const plumb__mapping *map, const plumb__row *row, making *m,
                                 plumb_error *err)
{
    plumb__entry *e = &m->entry;
    if (map->span_columns != NULL || row->n_checked > 0)
        PLUMB_TRY(plumb__alloc(&m->spans, MAX_SPANS, sizeof *m->spans, "spans", err));
    for (size_t i = 0; i < json_array_size(map->content); i++) {
        const char *name = json_string_value(json_array_get(map->content, i));
        const char *text = plumb__row_text(row, name);
        bool marked = false;
        for (size_t k = 0; k < json_array_size(map->span_columns); k++)
            marked |= strcmp(name, json_string_value(json_array_get(map->span_columns, k))) == 0;
        if (i > 0) plumb__bytes_append_text(&m->content, map->content_separator);
        if (text == NULL) text = "";
        if (!marked) {
            if (i == 0) PLUMB_TRY(place_marks(row, text, m, err));
            plumb__bytes_append_text(&m->content, text);
            continue;
        }
        char place[1300];
        snprintf(place, sizeof place, "%s: \"%.80s\"", e->place, name);
        PLUMB_TRY(plumb__spans_take(map, place, text, &m->content, m->spans, MAX_SPANS, &e->n_spans,
                                    err));
    }
    PLUMB_TRY(plumb__bytes_check(&m->content, err));
    e->content = plumb__bytes_text(&m->content);
    e->content_bytes = m->content.size;
    e->spans = m->spans;
    if (map->keep_text) json_object_set_new(m->body, "text", json_string(e->content));
    return PLUMB_OK;
}

static plumb_status make_pair(const plumb__mapping *map, const plumb__row *row, making *m,
                              plumb_error *err)
{
    static const char *const names[] = {"left", "right", "prompt"};
    const json_t *specs[] = {map->left, map->right, map->pair_prompt};
    for (int i = 0; i < 3; i++) {
        json_t *value = NULL;
        if (specs[i] == NULL) continue;
        PLUMB_TRY(plumb__spec_value(names[i], specs[i], row, &value, err));
        json_object_set_new(m->body, names[i], value ? value : json_string(""));
    }
    return PLUMB_OK;
}

static plumb_status make_body(const plumb__mapping *map, const plumb__row *row, making *m,
                              plumb_error *err)
{
    static const plumb__target parts[] = {PLUMB__TO_PROMPT, PLUMB__TO_CHOSEN, PLUMB__TO_REJECTED};
    m->body = json_object();
    PLUMB_TRY(make_names(m, err));
    PLUMB_TRY(make_number(m, PLUMB__TO_QUALITY, 1.0, m->body, err));
    PLUMB_TRY(make_number(m, PLUMB__TO_WEIGHT, 1e6, m->body, err));
    PLUMB_TRY(make_extra(row, map->fields, m->body, err));
    if (row->parts != NULL) json_object_update(m->body, (json_t *)(uintptr_t)row->parts);
    if (map->left != NULL) return make_pair(map, row, m, err);
    if (map->content != NULL) return make_content(map, row, m, err);
    for (int i = 0; i < 3; i++) {
        json_t *value = m->values[parts[i]];
        if (map->spec[parts[i]] == NULL) continue;
        json_object_set_new(m->body, plumb__target_name(parts[i]),
                            value ? json_incref(value) : json_string(""));
    }
    return PLUMB_OK;
}

/* The place of a text in a list of strings, or -1. */
static int32_t place_in(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(json_string_value(json_array_get(list, i)), text) == 0) return (int32_t)i;
    }
    return -1;
}

static plumb_status check_value(const plumb__mapping *map, const making *m, const char *value,
                                plumb_error *err)
{
    char *end = NULL;
    const char *name = plumb__target_name(map->judged);
    if (map->values != NULL && place_in(map->values, value) < 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: %s \"%.200s\" is not in the mapping's list of values",
                           m->entry.place, name, value);
    }
    if (map->metric < PLUMB__INTERVAL) return PLUMB_OK;
    const double number = strtod(value, &end);
    if (*value != 0 && *end == 0 && isfinite(number)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: %s \"%.200s\" must be a number, or the metric nominal or ordinal",
                       m->entry.place, name, value);
}

static json_t *span_list(const making *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->entry.n_spans; i++) {
        const plumb__span *s = &m->spans[i];
        json_array_append_new(list, json_pack("[I,I]", (json_int_t)s->from, (json_int_t)s->to));
    }
    return list;
}

/* What is said of the item. Empty things are not said. */
static plumb_status make_said(const plumb__mapping *map, const plumb__row *row, making *m,
                              plumb_error *err)
{
    plumb__entry *e = &m->entry;
    m->said = json_object();
    e->said = m->said;
    if (row->quiet) return PLUMB_OK;
    for (int i = PLUMB__TO_LABEL; i <= PLUMB__TO_SEVERITY; i++) {
        if (m->values[i] == NULL) continue;
        json_object_set(m->said, plumb__target_name((plumb__target)i), m->values[i]);
    }
    if (row->n_checked > 0 && map->spec[PLUMB__TO_CATEGORY] == NULL)
        json_object_set(m->said, "category", (json_t *)(uintptr_t)row->marks[0].labels);
    PLUMB_TRY(make_extra(row, map->keep, m->said, err));
    if (e->n_spans > 0) json_object_set_new(m->said, "bytes", span_list(m));
    e->value = json_string_value(m->values[map->judged]);
    e->rubric = json_string_value(m->values[PLUMB__TO_RUBRIC]);
    if (e->value != NULL) PLUMB_TRY(check_value(map, m, e->value, err));
    if (e->rubric != NULL) {
        PLUMB_TRY(check_name(m, "rubric", e->rubric, MAX_NAME_BYTES, err));
        PLUMB_TRY(check_entry(m, "rubric", e->rubric, err));
    }
    const char *severity = json_string_value(m->values[PLUMB__TO_SEVERITY]);
    e->rank = severity && map->severity_order ? place_in(map->severity_order, severity) : -1;
    if (severity == NULL || map->severity_order == NULL || e->rank >= 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: severity \"%.200s\" is not in the mapping's severity_order", e->place,
                       severity);
}

static plumb_status make_entry(const plumb__collection *c, plumb__row *row, making *m,
                               plumb_error *err)
{
    const plumb__mapping *map = c->mapping;
    plumb__entry *e = &m->entry;
    snprintf(m->place, sizeof m->place, "%.1024s: line %" PRIu64, row->path, row->line);
    e->place = m->place;
    e->line = row->line;
    e->follows = row->follows;
    PLUMB_TRY(make_key(map, row, m, err));
    PLUMB_TRY(make_values(map, row, m, err));
    e->id = json_string_value(m->values[PLUMB__TO_ID]);
    PLUMB_TRY(check_name(m, "id", e->id ? e->id : "", MAX_ID_BYTES, err));
    if (e->key == NULL) e->key = e->id;
    e->annotator = json_string_value(m->values[PLUMB__TO_ANNOTATOR]);
    if (map->spec[PLUMB__TO_ANNOTATOR] != NULL && (e->annotator != NULL || !row->anonymous))
        PLUMB_TRY(
            check_name(m, "annotator", e->annotator ? e->annotator : "", MAX_NAME_BYTES, err));
    PLUMB_TRY(make_body(map, row, m, err));
    e->body = m->body;
    return make_said(map, row, m, err);
}

plumb_status plumb__collect_row(plumb__collection *c, plumb__row *row, plumb_error *err)
{
    making m = {.entry = {.rank = -1}};
    plumb_status status = make_entry(c, row, &m, err);
    if (status == PLUMB_OK) status = plumb__collect(c, &m.entry, err);
    row->digest = NULL;
    for (int i = 0; i < PLUMB__TARGETS; i++)
        json_decref(m.values[i]);
    json_decref(m.body);
    json_decref(m.said);
    plumb__free(m.spans);
    plumb__bytes_free(&m.content);
    plumb__bytes_free(&m.key);
    return status;
}
