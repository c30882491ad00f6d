/* Reading a mapping and checking it against the columns there are. */
#include "manifest/import/mapping.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

#define MAX_MAPPING_BYTES ((size_t)1 << 20)

static const char *const target_names[PLUMB__TARGETS] = {
    "annotator", "label",  "category", "severity", "rubric",  "id",     "domain",
    "batch",     "cohort", "source",   "licence",  "marking", "parent", "template",
    "component", "depth",  "quality",  "weight",   "prompt",  "chosen", "rejected"};

const char *plumb__target_name(plumb__target target)
{
    return target_names[target];
}

/* ---- specs ---- */

static bool any_column(const char *name, size_t n, void *ctx)
{
    (void)name;
    (void)ctx;
    return n > 0;
}

static plumb_status check_map(const char *what, const json_t *map, plumb_error *err)
{
    const char *from;
    const json_t *to;
    json_object_foreach((json_t *)(uintptr_t)map, from, to)
    {
        if (json_is_string(to)) continue;
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: in \"map\": \"%.80s\" must become a string",
                           what, from);
    }
    return PLUMB_OK;
}

static plumb_status check_spec(const char *what, const json_t *spec, plumb_error *err)
{
    static const char *const allowed[] = {"column", "template",  "value", "one_of",
                                          "any_of", "separator", "map",   NULL};
    static const char *const kinds[] = {"column", "template", "value", "one_of", "any_of"};
    const char *text = json_string_value(spec), *found = NULL;
    const json_t *map = NULL;
    int n = 0;
    if (text == NULL) {
        PLUMB_TRY(plumb__json_only(what, spec, allowed, err));
        for (int i = 0; i < 5; i++) {
            PLUMB_TRY(plumb__json_string(what, spec, kinds[i], false, &found, err));
            n += json_object_get(spec, kinds[i]) != NULL;
        }
        if (n != 1) {
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: must have exactly one of column, template, value, one_of, "
                               "any_of",
                               what);
        }
        PLUMB_TRY(plumb__json_string(what, spec, "separator", false, &found, err));
        PLUMB_TRY(plumb__json_object(what, spec, "map", false, &map, err));
        PLUMB_TRY(check_map(what, map, err));
        text = json_string_value(json_object_get(spec, "template"));
    }
    if (text == NULL || strchr(text, '{') == NULL) return PLUMB_OK;
    if (plumb__template_columns(text, any_column, NULL)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: template \"%.80s\" must have {column} or {column|filter}, with filters "
                       "trim, lower, slug, head:TEXT, tail:TEXT; {{ and }} stand for braces",
                       what, text);
}

static plumb_status check_names(const char *what, const json_t *list, plumb_error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_is_string(json_array_get(list, i))) continue;
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: entry %zu must be a string", what, i + 1);
    }
    return PLUMB_OK;
}

static plumb_status read_names(const char *path, const json_t *obj, const char *name,
                               const json_t **out, plumb_error *err)
{
    char what[PLUMB__PATH_BYTES + 64];
    PLUMB_TRY(plumb__json_array(path, obj, name, false, out, err));
    snprintf(what, sizeof what, "%s: field \"%s\"", path, name);
    return check_names(what, *out, err);
}

static plumb_status read_spec(const char *path, const json_t *obj, const char *name,
                              const json_t **out, plumb_error *err)
{
    char what[PLUMB__PATH_BYTES + 128];
    *out = json_object_get(obj, name);
    snprintf(what, sizeof what, "%s: field \"%.80s\"", path, name);
    return *out == NULL ? PLUMB_OK : check_spec(what, *out, err);
}

/* ---- sections ---- */

static plumb_status read_format(plumb__mapping *m, plumb_error *err)
{
    static const char *const allowed[] = {"separator", "quoting", NULL};
    const json_t *format;
    const char *separator = NULL;
    PLUMB_TRY(plumb__json_object(m->path, m->root, "format", false, &format, err));
    if (format == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__json_only(m->path, format, allowed, err));
    PLUMB_TRY(plumb__json_string(m->path, format, "separator", true, &separator, err));
    const unsigned char c = (unsigned char)separator[0];
    if (c == 0 || separator[1] != 0 || c > 0x7f || c == '"' || c == '\n' || c == '\r') {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"separator\" must be one ASCII character other than a quote "
                           "or a line end",
                           m->path);
    }
    m->separator = (char)c;
    m->quoting = c != '\t';
    return plumb__json_bool(m->path, format, "quoting", false, &m->quoting, err);
}

static plumb_status read_content(plumb__mapping *m, plumb_error *err)
{
    static const char *const allowed[] = {"columns", "separator", "text", NULL};
    const json_t *content;
    m->content_separator = "\n";
    m->keep_text = true;
    PLUMB_TRY(plumb__json_object(m->path, m->root, "content", false, &content, err));
    if (content == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__json_only(m->path, content, allowed, err));
    PLUMB_TRY(read_names(m->path, content, "columns", &m->content, err));
    PLUMB_TRY(plumb__json_string(m->path, content, "separator", false, &m->content_separator, err));
    return plumb__json_bool(m->path, content, "text", false, &m->keep_text, err);
}

static plumb_status read_spans(plumb__mapping *m, plumb_error *err)
{
    static const char *const allowed[] = {"open", "close", "columns", "segments", "control", NULL};
    const json_t *spans;
    PLUMB_TRY(plumb__json_object(m->path, m->root, "spans", false, &spans, err));
    if (spans == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__json_only(m->path, spans, allowed, err));
    PLUMB_TRY(plumb__json_bool(m->path, spans, "segments", false, &m->segments, err));
    PLUMB_TRY(plumb__json_string(m->path, spans, "control", false, &m->span_control, err));
    if (m->span_control != NULL) {
        static const char *const only[] = {"control", "segments", NULL};
        return plumb__json_only(m->path, spans, only, err);
    }
    PLUMB_TRY(plumb__json_string(m->path, spans, "open", true, &m->span_open, err));
    PLUMB_TRY(plumb__json_string(m->path, spans, "close", true, &m->span_close, err));
    PLUMB_TRY(read_names(m->path, spans, "columns", &m->span_columns, err));
    if (m->span_open[0] != 0 && m->span_close[0] != 0 && strcmp(m->span_open, m->span_close) != 0 &&
        json_array_size(m->span_columns) > 0)
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"spans\" must have columns and two different markers", m->path);
}

/* One of the words, or `missing` when the field is not there. */
static plumb_status read_word(const plumb__mapping *m, const json_t *obj, const char *name,
                              const char *const *words, int missing, int *out, plumb_error *err)
{
    const char *text = NULL;
    *out = missing;
    PLUMB_TRY(plumb__json_string(m->path, obj, name, false, &text, err));
    if (text == NULL) return PLUMB_OK;
    for (int i = 0; words[i] != NULL; i++) {
        *out = i;
        if (strcmp(words[i], text) == 0) return PLUMB_OK;
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: in \"agreement\": \"%s\" cannot be \"%.80s\"",
                       m->path, name, text);
}

static plumb_status read_agreement(plumb__mapping *m, plumb_error *err)
{
    static const char *const allowed[] = {"on", "metric", "values", "take", NULL};
    static const char *const on[] = {"label", "category", "severity", NULL};
    static const char *const metrics[] = {"nominal", "ordinal", "interval", "ratio", NULL};
    static const char *const takes[] = {"first", "worst", NULL};
    const json_t *agreement;
    int judged = 0, metric = 0, take = 0;
    m->judged = PLUMB__TO_LABEL;
    PLUMB_TRY(plumb__json_object(m->path, m->root, "agreement", false, &agreement, err));
    if (agreement == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__json_only(m->path, agreement, allowed, err));
    PLUMB_TRY(read_word(m, agreement, "on", on, 0, &judged, err));
    PLUMB_TRY(read_word(m, agreement, "metric", metrics, 0, &metric, err));
    PLUMB_TRY(read_word(m, agreement, "take", takes, 0, &take, err));
    PLUMB_TRY(read_names(m->path, agreement, "values", &m->values, err));
    m->judged = (plumb__target)(PLUMB__TO_LABEL + judged);
    m->metric = (plumb__metric)metric;
    m->worst = take == 1;
    if ((m->metric != PLUMB__ORDINAL && !m->worst) || m->values != NULL) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: in \"agreement\": the metric \"ordinal\" and \"take\": \"worst\" want "
                       "\"values\", all labels in their order, the worst last",
                       m->path);
}

static plumb_status read_pair(plumb__mapping *m, plumb_error *err)
{
    static const char *const allowed[] = {"left", "right", "prompt", NULL};
    const json_t *pair;
    PLUMB_TRY(plumb__json_object(m->path, m->root, "pair", false, &pair, err));
    if (pair == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__json_only(m->path, pair, allowed, err));
    PLUMB_TRY(read_spec(m->path, pair, "left", &m->left, err));
    PLUMB_TRY(read_spec(m->path, pair, "right", &m->right, err));
    PLUMB_TRY(read_spec(m->path, pair, "prompt", &m->pair_prompt, err));
    if (m->left != NULL && m->right != NULL) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"pair\" must have \"left\" and \"right\"",
                       m->path);
}

/* Names that an annotation or a record has already. */
static plumb_status check_free(const plumb__mapping *m, const char *field, const char *name,
                               plumb_error *err)
{
    static const char *const own[] = {"annotations", "annotators", "agreement", "content",
                                      "text",        "segments",   "bytes",     "messages",
                                      "private",     "budget",     "consent",   "label_annotators",
                                      NULL};
    bool taken = false;
    for (int i = 0; own[i] != NULL; i++)
        taken = taken || strcmp(own[i], name) == 0;
    for (int i = 0; i < PLUMB__TARGETS; i++)
        taken = taken || strcmp(target_names[i], name) == 0;
    if (!taken) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: in \"%s\": \"%.80s\" is a field that records have already", m->path,
                       field, name);
}

static plumb_status read_extra(plumb__mapping *m, plumb_error *err)
{
    const char *name;
    const json_t *spec;
    PLUMB_TRY(plumb__json_object(m->path, m->root, "keep", false, &m->keep, err));
    PLUMB_TRY(plumb__json_object(m->path, m->root, "fields", false, &m->fields, err));
    json_object_foreach((json_t *)(uintptr_t)m->keep, name, spec)
    {
        PLUMB_TRY(check_free(m, "keep", name, err));
        PLUMB_TRY(read_spec(m->path, m->keep, name, &spec, err));
    }
    json_object_foreach((json_t *)(uintptr_t)m->fields, name, spec)
    {
        PLUMB_TRY(check_free(m, "fields", name, err));
        PLUMB_TRY(read_spec(m->path, m->fields, name, &spec, err));
    }
    return PLUMB_OK;
}

/* A record's content is columns, or a preference pair, decided or to be decided. */
static plumb_status check_whole(const plumb__mapping *m, plumb_error *err)
{
    const bool decided = m->spec[PLUMB__TO_CHOSEN] != NULL;
    const int ways = (m->content != NULL) + decided + (m->left != NULL);
    if (m->spec[PLUMB__TO_ID] == NULL)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"id\" is missing", m->path);
    if (decided != (m->spec[PLUMB__TO_REJECTED] != NULL)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: \"chosen\" and \"rejected\" must come together", m->path);
    }
    if (m->made_content) {
        if (ways == 0 && m->span_columns == NULL && m->span_control == NULL) return PLUMB_OK;
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: \"content\", \"chosen\", \"pair\" and \"spans\" are not for this "
                           "format: it brings its own content",
                           m->path);
    }
    if (ways != 1) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: must have exactly one of \"content\", \"chosen\" with "
                           "\"rejected\", and \"pair\"",
                           m->path);
    }
    if (m->span_columns == NULL || m->content != NULL) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"spans\" wants \"content\"", m->path);
}

static plumb_status read_all(plumb__mapping *m, plumb_error *err)
{
    const char *allowed[PLUMB__TARGETS + 11], *comment = NULL;
    static const char *const sections[] = {
        "format",         "group",     "content", "spans",   "keep", "fields",
        "severity_order", "agreement", "pair",    "comment", NULL};
    memcpy(allowed, target_names, sizeof target_names);
    memcpy(allowed + PLUMB__TARGETS, sections, sizeof sections);
    PLUMB_TRY(plumb__json_only(m->path, m->root, allowed, err));
    PLUMB_TRY(plumb__json_string(m->path, m->root, "comment", false, &comment, err));
    for (int i = 0; i < PLUMB__TARGETS; i++)
        PLUMB_TRY(read_spec(m->path, m->root, target_names[i], &m->spec[i], err));
    PLUMB_TRY(read_names(m->path, m->root, "group", &m->group, err));
    PLUMB_TRY(read_names(m->path, m->root, "severity_order", &m->severity_order, err));
    PLUMB_TRY(read_format(m, err));
    PLUMB_TRY(read_content(m, err));
    PLUMB_TRY(read_spans(m, err));
    PLUMB_TRY(read_agreement(m, err));
    PLUMB_TRY(read_pair(m, err));
    PLUMB_TRY(read_extra(m, err));
    return check_whole(m, err);
}

plumb_status plumb__mapping_take(const char *path, json_t *root, plumb__mapping *out,
                                 plumb_error *err)
{
    const bool made_content = out->made_content;
    *out =
        (plumb__mapping){.path = path, .root = root, .quoting = true, .made_content = made_content};
    if (root == NULL) return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a mapping");
    const plumb_status status = read_all(out, err);
    if (status != PLUMB_OK) plumb__mapping_free(out);
    return status;
}

plumb_status plumb__mapping_read(const char *path, plumb__mapping *out, plumb_error *err)
{
    plumb__bytes bytes = {0};
    json_t *root = NULL;
    plumb_status status = plumb__file_read(path, MAX_MAPPING_BYTES, &bytes, err);
    if (status == PLUMB_OK) status = plumb__json_parse(path, bytes.data, bytes.size, &root, err);
    if (status == PLUMB_OK) status = plumb__mapping_take(path, root, out, err);
    plumb__bytes_free(&bytes);
    return status;
}

void plumb__mapping_free(plumb__mapping *m)
{
    json_decref(m->root);
    *m = (plumb__mapping){0};
}

/* ---- against the columns there are ---- */

typedef struct column_check {
    const plumb__mapping *m;
    const plumb__row *row;
    const char *field;
    plumb_error *err;
} column_check;

static bool has_column(const char *name, size_t n, void *ctx)
{
    const column_check *c = ctx;
    if ((n == 1 && name[0] == '#') || json_object_getn(c->row->names, name, n) != NULL) return true;
    char list[512] = "";
    size_t used = 0;
    const char *column;
    const json_t *unused;
    json_object_foreach((json_t *)(uintptr_t)c->row->names, column, unused)
    {
        if (used >= sizeof list) break;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", column);
    }
    (void)plumb__fail(c->err, PLUMB_ERR_FORMAT,
                      "%s: field \"%.80s\": %s has no column \"%.*s\" (its columns: %s)",
                      c->m->path, c->field, c->row->path, (int)n, name, list);
    return false;
}

static bool spec_holds(column_check *c, const char *field, const json_t *spec)
{
    c->field = field;
    const char *text = json_string_value(spec);
    const char *column = json_string_value(json_object_get(spec, "column"));
    if (text == NULL) text = json_string_value(json_object_get(spec, "template"));
    if (text != NULL && strchr(text, '{') == NULL && json_is_string(spec)) column = text;
    if (column != NULL) return has_column(column, strlen(column), c);
    return text == NULL || plumb__template_columns(text, has_column, c);
}

static bool names_hold(column_check *c, const char *field, const json_t *names)
{
    c->field = field;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *name = json_array_get(names, i);
        if (!has_column(json_string_value(name), json_string_length(name), c)) return false;
    }
    return true;
}

plumb_status plumb__mapping_check(const plumb__mapping *m, const plumb__row *row, plumb_error *err)
{
    plumb_error own = {0};
    column_check c = {m, row, NULL, err ? err : &own};
    const char *name;
    const json_t *spec;
    bool good = true;
    for (int i = 0; good && i < PLUMB__TARGETS; i++)
        good = spec_holds(&c, target_names[i], m->spec[i]);
    good = good && names_hold(&c, "group", m->group) && names_hold(&c, "content", m->content) &&
           names_hold(&c, "spans", m->span_columns) && spec_holds(&c, "pair", m->left) &&
           spec_holds(&c, "pair", m->right) && spec_holds(&c, "pair", m->pair_prompt);
    json_object_foreach((json_t *)(uintptr_t)m->keep, name, spec)
    {
        good = good && spec_holds(&c, name, spec);
    }
    json_object_foreach((json_t *)(uintptr_t)m->fields, name, spec)
    {
        good = good && spec_holds(&c, name, spec);
    }
    return good ? PLUMB_OK : PLUMB_ERR_FORMAT;
}
