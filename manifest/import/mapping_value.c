/* What a mapping's spec makes of one row. */
#include "manifest/import/mapping.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

/* ---- templates ---- */

typedef struct part {
    const char *name; /* of the column; NULL: literal text */
    size_t n;
    const char *filters; /* behind the first '|', up to `end` */
    const char *end;     /* behind the part */
} part;

static bool starts(const char *text, const char *end, const char *word)
{
    return (size_t)(end - text) >= strlen(word) && memcmp(text, word, strlen(word)) == 0;
}

static bool filter_known(const char *f, const char *end)
{
    static const char *const plain[] = {"trim", "lower", "slug"};
    for (int i = 0; i < 3; i++) {
        if ((size_t)(end - f) == strlen(plain[i]) && starts(f, end, plain[i])) return true;
    }
    return (starts(f, end, "head:") || starts(f, end, "tail:")) && end - f > 5;
}

/* The next filter of a chain that ends at `end`; NULL behind the last. */
static const char *filter_end(const char *f, const char *end)
{
    const char *bar = memchr(f, '|', (size_t)(end - f));
    return bar ? bar : end;
}

/* The part that begins at text (not at its end); false when it is malformed. */
static bool next_part(const char *text, part *out)
{
    *out = (part){NULL, 0, NULL, NULL};
    if ((text[0] == '{' || text[0] == '}') && text[1] == text[0]) {
        *out = (part){NULL, 1, NULL, text + 2};
        return true;
    }
    if (text[0] == '}') return false;
    if (text[0] != '{') {
        out->n = strcspn(text, "{}");
        out->end = text + out->n;
        return true;
    }
    const char *close = strchr(text, '}');
    if (close == NULL) return false;
    const char *bar = filter_end(text + 1, close);
    *out = (part){text + 1, (size_t)(bar - text - 1), bar == close ? NULL : bar + 1, close + 1};
    for (const char *f = out->filters; f != NULL;) {
        const char *end = filter_end(f, close);
        if (!filter_known(f, end)) return false;
        f = end == close ? NULL : end + 1;
    }
    return out->n > 0;
}

bool plumb__template_columns(const char *text, plumb__visit_column *visit, void *ctx)
{
    part p;
    for (; *text; text = p.end) {
        if (!next_part(text, &p)) return false;
        if (p.name != NULL && !visit(p.name, p.n, ctx)) return false;
    }
    return true;
}

static const char *find(const char *text, size_t n, const char *word, size_t length)
{
    return n < length ? NULL : memmem(text, n, word, length);
}

/* Applies one filter in place; the text only ever gets shorter. */
static void apply(const char *f, const char *end, char *text, size_t *n)
{
    size_t kept = 0;
    if (starts(f, end, "head:")) {
        const char *at = find(text, *n, f + 5, (size_t)(end - f - 5));
        if (at) *n = (size_t)(at - text);
    } else if (starts(f, end, "tail:")) {
        const char *at = find(text, *n, f + 5, (size_t)(end - f - 5));
        const size_t skip = at ? (size_t)(at - text) + (size_t)(end - f - 5) : 0;
        memmove(text, text + skip, *n -= skip);
    } else if (f[0] == 't') {
        while (*n > 0 && (text[*n - 1] == ' ' || text[*n - 1] == '\t'))
            --*n;
        while (kept < *n && (text[kept] == ' ' || text[kept] == '\t'))
            kept++;
        memmove(text, text + kept, *n -= kept);
    } else {
        for (size_t i = 0; i < *n; i++) {
            const char c = text[i];
            const bool upper = c >= 'A' && c <= 'Z';
            const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || upper;
            if (f[0] == 's' && !plain && kept > 0 && text[kept - 1] == '-') continue;
            text[kept++] = upper ? (char)(c + 32) : plain || f[0] == 'l' ? c : '-';
        }
        while (f[0] == 's' && kept > 0 && text[kept - 1] == '-')
            kept--;
        *n = kept;
    }
}

/* ---- rows ---- */

static const json_t *list_of(const plumb__row *row, const char *name, size_t n)
{
    const json_t *value = json_object_getn(row->names, name, n);
    return row->csv == NULL && json_is_array(value) ? value : NULL;
}

static const char *text_of(const plumb__row *row, const char *name, size_t n)
{
    if (n == 1 && name[0] == '#') return row->digest;
    const json_t *value = json_object_getn(row->names, name, n);
    if (row->csv == NULL) return json_string_value(value);
    return value ? plumb__csv_field(row->csv, (uint32_t)json_integer_value(value)) : NULL;
}

const char *plumb__row_text(const plumb__row *row, const char *name)
{
    return text_of(row, name, strlen(name));
}

static plumb_status bad(const char *what, const plumb__row *row, const char *column,
                        const char *expected, plumb_error *err)
{
    const json_t *number = json_object_get(row->names, column);
    if (row->csv != NULL && number != NULL) {
        const json_int_t i = json_integer_value(number);
        return plumb__fail(
            err, PLUMB_ERR_FORMAT, "%s: line %" PRIu64 " column %" PRIu64 " (\"%.80s\"): \"%s\" %s",
            row->path, row->csv->lines[i], row->csv->columns[i], column, what, expected);
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: line %" PRIu64 " (\"%.80s\"): \"%s\" %s",
                       row->path, row->line, column, what, expected);
}

static plumb_status fill(const char *text, const plumb__row *row, json_t **out, plumb_error *err)
{
    plumb__bytes filled = {0};
    part p;
    for (; *text && next_part(text, &p); text = p.end) {
        const char *value = p.name ? text_of(row, p.name, p.n) : text;
        const size_t start = filled.size;
        if (value == NULL) continue;
        plumb__bytes_append(&filled, value, p.name ? strlen(value) : p.n);
        for (const char *f = p.filters; f != NULL && !filled.failed && filled.size > start;) {
            const char *end = filter_end(f, p.end - 1);
            size_t n = filled.size - start;
            apply(f, end, (char *)filled.data + start, &n);
            filled.size = start + n;
            f = end == p.end - 1 ? NULL : end + 1;
        }
    }
    const plumb_status status = plumb__bytes_check(&filled, err);
    /* A slug's bytes are ASCII, a head's or tail's cut at whole markers: still UTF-8. */
    if (status == PLUMB_OK && filled.size > 0)
        *out = json_stringn(plumb__bytes_text(&filled), filled.size);
    plumb__bytes_free(&filled);
    return status;
}

/* True for 1, 1.0, true; false for 0, 0.0, false and nothing at all. */
static bool is_flag(const char *text, bool *set)
{
    *set = strcmp(text, "1") == 0 || strcmp(text, "1.0") == 0 || strcmp(text, "true") == 0 ||
           strcmp(text, "True") == 0;
    return *set || text[0] == 0 || strcmp(text, "0") == 0 || strcmp(text, "0.0") == 0 ||
           strcmp(text, "false") == 0 || strcmp(text, "False") == 0;
}

/* What the last '*' of the pattern stands for in the name, or all of it. */
static const char *wild(const char *pattern, const char *name)
{
    const char *star = strrchr(pattern, '*');
    return star != NULL && star[1] == 0 ? name + (star - pattern) : name;
}

static plumb_status flags(const char *what, const char *pattern, const plumb__row *row,
                          json_t *found, const char **last, plumb_error *err)
{
    const char *name;
    const json_t *unused;
    json_object_foreach((json_t *)(uintptr_t)row->names, name, unused)
    {
        const char *text = plumb__row_text(row, name);
        bool set = false;
        if (text == NULL || !plumb__glob_match(pattern, name)) continue;
        *last = name;
        if (!is_flag(text, &set)) return bad(what, row, name, "must be 0 or 1", err);
        if (set && json_array_append_new(found, json_string(wild(pattern, name))) != 0)
            return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a row");
    }
    return PLUMB_OK;
}

/* The columns of a label matrix that are set: exactly one, or any number. */
static plumb_status matrix(const char *what, const char *pattern, bool one, const plumb__row *row,
                           json_t **out, plumb_error *err)
{
    json_t *found = json_array();
    const char *last = NULL;
    plumb_status status = flags(what, pattern, row, found, &last, err);
    if (status == PLUMB_OK && last == NULL) {
        status =
            plumb__fail(err, PLUMB_ERR_FORMAT, "%s: no column is named like \"%.80s\" (\"%s\")",
                        row->path, pattern, what);
    } else if (status == PLUMB_OK && one && json_array_size(found) != 1) {
        status = bad(what, row, last, "wants exactly one column of its kind set to 1", err);
    } else if (status == PLUMB_OK && one) {
        *out = json_incref(json_array_get(found, 0));
    } else if (status == PLUMB_OK && json_array_size(found) > 0) {
        *out = json_incref(found);
    }
    json_decref(found);
    return status;
}

static json_t *split(const char *text, const char *separator)
{
    json_t *list = json_array();
    for (;;) {
        const char *end = strstr(text, separator);
        const size_t n = end ? (size_t)(end - text) : strlen(text);
        if (n > 0) json_array_append_new(list, json_stringn(text, n));
        if (end == NULL) break;
        text = end + strlen(separator);
    }
    return list;
}

/* ---- maps ---- */

/* The exact name, else the longest glob that matches, else NULL. */
static const json_t *mapped(const json_t *map, const char *text)
{
    const json_t *to, *best = json_object_get(map, text);
    const char *from;
    size_t longest = 0;
    if (best != NULL) return best;
    json_object_foreach((json_t *)(uintptr_t)map, from, to)
    {
        if (strpbrk(from, "*?") == NULL || !plumb__glob_match(from, text)) continue;
        if (best != NULL && strlen(from) <= longest) continue;
        best = to;
        longest = strlen(from);
    }
    return best;
}

static plumb_status map_value(const char *what, const json_t *map, const plumb__row *row,
                              json_t **value, plumb_error *err)
{
    const size_t n = json_is_array(*value) ? json_array_size(*value) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *from = json_is_array(*value) ? json_array_get(*value, i) : *value;
        const char *text = json_is_string(from) ? json_string_value(from) : "";
        const json_t *to = mapped(map, text);
        if (to == NULL) {
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: line %" PRIu64 ": \"%s\": the map has nothing for \"%.200s\"",
                               row->path, row->line, what, text);
        }
        json_t *kept = json_incref((json_t *)(uintptr_t)to);
        if (json_is_array(*value)) {
            json_array_set_new(*value, i, kept);
        } else {
            json_decref(*value);
            *value = kept;
        }
    }
    return PLUMB_OK;
}

static plumb_status column_value(const json_t *spec, const char *column, const plumb__row *row,
                                 json_t **out)
{
    const char *separator = json_string_value(json_object_get(spec, "separator"));
    const json_t *list = list_of(row, column, strlen(column));
    const char *text = plumb__row_text(row, column);
    if (list != NULL && json_array_size(list) > 0) {
        *out = json_copy((json_t *)(uintptr_t)list);
    } else if (text != NULL && text[0] != 0) {
        *out = separator && separator[0] ? split(text, separator) : json_string(text);
    }
    return PLUMB_OK;
}

plumb_status plumb__spec_value(const char *what, const json_t *spec, const plumb__row *row,
                               json_t **out, plumb_error *err)
{
    const char *text = json_string_value(spec);
    const char *pattern = json_string_value(json_object_get(spec, "one_of"));
    const char *any = json_string_value(json_object_get(spec, "any_of"));
    const char *constant = json_string_value(json_object_get(spec, "value"));
    const char *column = json_string_value(json_object_get(spec, "column"));
    const char *template = json_string_value(json_object_get(spec, "template"));
    const json_t *map = json_object_get(spec, "map");
    *out = NULL;
    if (text != NULL && strchr(text, '{') != NULL) template = text;
    if (text != NULL && template == NULL) column = text;
    plumb_status status = PLUMB_OK;
    if (template != NULL) {
        status = fill(template, row, out, err);
    } else if (column != NULL) {
        status = column_value(spec, column, row, out);
    } else if (constant != NULL) {
        *out = json_string(constant);
    } else if (pattern != NULL || any != NULL) {
        status = matrix(what, pattern ? pattern : any, pattern != NULL, row, out, err);
    }
    if (status == PLUMB_OK && map != NULL && *out != NULL) {
        status = map_value(what, map, row, out, err);
    }
    if (status != PLUMB_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}
