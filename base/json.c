/* jansson with the strictness of signed input, and typed fields. */
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 64

/* Nesting is checked before jansson sees the text, because jansson recurses; and zero bytes,
 * because jansson passes over one that follows a number. Strings are skipped; what is malformed
 * otherwise is left to jansson to report. */
static plumb_status check_depth(const char *what, const char *text, size_t n, plumb_error *err)
{
    size_t line = 1, line_start = 0;
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '\0') {
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: line %zu column %zu: a zero byte", what,
                               line, i - line_start + 1);
        } else if (c == '\n') {
            line++;
            line_start = i + 1;
        } else if (c == ']' || c == '}') {
            depth--;
        } else if ((c == '[' || c == '{') && ++depth > MAX_DEPTH) {
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: line %zu column %zu: nested deeper than %d levels", what, line,
                               i - line_start + 1, MAX_DEPTH);
        }
    }
    return PLUMB_OK;
}

plumb_status plumb__json_parse(const char *what, const void *data, size_t n, json_t **out,
                               plumb_error *err)
{
    *out = NULL;
    if (n == 0) return plumb__fail(err, PLUMB_ERR_TRUNCATED, "%s: is empty, not JSON", what);
    PLUMB_TRY(check_depth(what, data, n, err));
    json_error_t why;
    *out = json_loadb(data, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (*out) return PLUMB_OK;
    switch (json_error_code(&why)) {
    case json_error_out_of_memory:
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for the JSON of %s", what);
    case json_error_premature_end_of_input:
        return plumb__fail(err, PLUMB_ERR_TRUNCATED, "%s: line %d column %d: %s", what, why.line,
                           why.column, why.text);
    default:
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: line %d column %d: %s", what, why.line,
                           why.column, why.text);
    }
}

static int append_chunk(const char *chunk, size_t n, void *ctx)
{
    plumb__bytes *out = ctx;
    plumb__bytes_append(out, chunk, n);
    return out->failed ? -1 : 0;
}

plumb_status plumb__json_dump(const json_t *value, plumb__bytes *out, plumb_error *err)
{
    PLUMB_TRY(plumb__bytes_check(out, err));
    const size_t flags = JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY;
    if (json_dump_callback(value, append_chunk, out, flags) == 0) return PLUMB_OK;
    PLUMB_TRY(plumb__bytes_check(out, err));
    return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory to write JSON");
}

/* ---- typed fields ---- */

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a real number";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    case JSON_NULL: return "null";
    }
    return "something unknown";
}

static plumb_status wrong_type(const char *what, const char *name, const char *wanted,
                               const json_t *found, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"%s\" must be %s, found %s", what, name,
                       wanted, type_name(found));
}

/* The field, or NULL when it is missing and need not be there. */
static plumb_status field(const char *what, const json_t *obj, const char *name, bool required,
                          const json_t **found, plumb_error *err)
{
    *found = NULL;
    if (!json_is_object(obj))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: must be an object, found %s", what,
                           obj ? type_name(obj) : "nothing");
    *found = json_object_get(obj, name);
    if (!*found && required)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"%s\" is missing", what, name);
    return PLUMB_OK;
}

plumb_status plumb__json_string(const char *what, const json_t *obj, const char *name,
                                bool required, const char **out, plumb_error *err)
{
    const json_t *found;
    PLUMB_TRY(field(what, obj, name, required, &found, err));
    if (!found) return PLUMB_OK;
    if (!json_is_string(found)) return wrong_type(what, name, "a string", found, err);
    *out = json_string_value(found);
    return PLUMB_OK;
}

plumb_status plumb__json_number(const char *what, const json_t *obj, const char *name,
                                bool required, double *out, plumb_error *err)
{
    const json_t *found;
    PLUMB_TRY(field(what, obj, name, required, &found, err));
    if (!found) return PLUMB_OK;
    if (!json_is_number(found)) return wrong_type(what, name, "a number", found, err);
    *out = json_number_value(found);
    return PLUMB_OK;
}

plumb_status plumb__json_integer(const char *what, const json_t *obj, const char *name,
                                 bool required, int64_t *out, plumb_error *err)
{
    const json_t *found;
    PLUMB_TRY(field(what, obj, name, required, &found, err));
    if (!found) return PLUMB_OK;
    if (!json_is_integer(found)) return wrong_type(what, name, "an integer", found, err);
    *out = json_integer_value(found);
    return PLUMB_OK;
}

plumb_status plumb__json_bool(const char *what, const json_t *obj, const char *name, bool required,
                              bool *out, plumb_error *err)
{
    const json_t *found;
    PLUMB_TRY(field(what, obj, name, required, &found, err));
    if (!found) return PLUMB_OK;
    if (!json_is_boolean(found)) return wrong_type(what, name, "true or false", found, err);
    *out = json_is_true(found);
    return PLUMB_OK;
}

plumb_status plumb__json_object(const char *what, const json_t *obj, const char *name,
                                bool required, const json_t **out, plumb_error *err)
{
    *out = NULL;
    const json_t *found;
    PLUMB_TRY(field(what, obj, name, required, &found, err));
    if (!found) return PLUMB_OK;
    if (!json_is_object(found)) return wrong_type(what, name, "an object", found, err);
    *out = found;
    return PLUMB_OK;
}

plumb_status plumb__json_array(const char *what, const json_t *obj, const char *name, bool required,
                               const json_t **out, plumb_error *err)
{
    *out = NULL;
    const json_t *found;
    PLUMB_TRY(field(what, obj, name, required, &found, err));
    if (!found) return PLUMB_OK;
    if (!json_is_array(found)) return wrong_type(what, name, "an array", found, err);
    *out = found;
    return PLUMB_OK;
}

static bool listed(const char *key, const char *const *allowed)
{
    for (; *allowed; allowed++) {
        if (strcmp(key, *allowed) == 0) return true;
    }
    return false;
}

plumb_status plumb__json_only(const char *what, const json_t *obj, const char *const *allowed,
                              plumb_error *err)
{
    const json_t *unused;
    PLUMB_TRY(field(what, obj, "", false, &unused, err));
    /* jansson's iteration wants a mutable object although it changes nothing. */
    json_t *mutable_obj = (json_t *)(uintptr_t)obj;
    for (void *at = json_object_iter(mutable_obj); at;
         at = json_object_iter_next(mutable_obj, at)) {
        const char *key = json_object_iter_key(at);
        if (listed(key, allowed)) continue;
        char list[512] = "";
        size_t used = 0;
        for (const char *const *name = allowed; *name && used < sizeof list; name++)
            used +=
                (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", *name);
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: unknown field \"%.80s\" (allowed: %s)", what,
                           key, list);
    }
    return PLUMB_OK;
}
