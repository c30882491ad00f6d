#include "manifest/import/row_values.h"

#include "base/alloc.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fewest digits that read back as the same number: 4.7, 40.0, 1e+300. */
static void put_real(plumb__bytes *out, double number)
{
    char text[48];
    int digits = 0, exponent;
    do {
        digits++;
        snprintf(text, sizeof text, "%.*e", digits - 1, number);
    } while (digits < 17 && strtod(text, NULL) != number);
    exponent = atoi(strchr(text, 'e') + 1);
    if (exponent < -4 || exponent > 15) {
        snprintf(text, sizeof text, "%.*g", digits, number);
    } else {
        const int behind = digits - 1 - exponent;
        snprintf(text, sizeof text, "%.*f", behind > 0 ? behind : 1, number);
    }
    plumb__bytes_append_text(out, text);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static plumb_status put_value(plumb__bytes *out, const json_t *value);

static plumb_status put_members(plumb__bytes *out, const json_t *object)
{
    const size_t n = json_object_size(object);
    const char **names = NULL, *name;
    const json_t *unused;
    size_t at = 0;
    plumb_status status = plumb__alloc(&names, n, sizeof *names, "names", NULL);
    if (status != PLUMB_OK) return status;
    json_object_foreach((json_t *)(uintptr_t)object, name, unused)
    {
        names[at++] = name;
    }
    qsort(names, n, sizeof *names, by_name);
    for (at = 0; status == PLUMB_OK && at < n; at++) {
        json_t *key = json_string(names[at]);
        if (at > 0) plumb__bytes_u8(out, ',');
        status = plumb__json_dump(key, out, NULL);
        plumb__bytes_u8(out, ':');
        json_decref(key);
        if (status == PLUMB_OK) status = put_value(out, json_object_get(object, names[at]));
    }
    plumb__free(names);
    return status;
}

/* Canonical JSON, but for the digits of numbers. */
static plumb_status put_value(plumb__bytes *out, const json_t *value)
{
    plumb_status status = PLUMB_OK;
    if (json_is_real(value)) {
        put_real(out, json_real_value(value));
    } else if (json_is_object(value)) {
        plumb__bytes_u8(out, '{');
        status = put_members(out, value);
        plumb__bytes_u8(out, '}');
    } else if (json_is_array(value)) {
        plumb__bytes_u8(out, '[');
        for (size_t i = 0; status == PLUMB_OK && i < json_array_size(value); i++) {
            if (i > 0) plumb__bytes_u8(out, ',');
            status = put_value(out, json_array_get(value, i));
        }
        plumb__bytes_u8(out, ']');
    } else {
        status = plumb__json_dump(value, out, NULL);
    }
    return status;
}

json_t *plumb__value_text(const json_t *value)
{
    bool strings = json_is_array(value);
    for (size_t i = 0; strings && i < json_array_size(value); i++)
        strings = json_is_string(json_array_get(value, i));
    if (value == NULL || json_is_null(value)) return NULL;
    if (json_is_string(value) || strings) return json_incref((json_t *)(uintptr_t)value);
    plumb__bytes text = {0};
    json_t *out = NULL;
    if (put_value(&text, value) == PLUMB_OK && plumb__bytes_check(&text, NULL) == PLUMB_OK)
        out = json_stringn((const char *)text.data, text.size);
    plumb__bytes_free(&text);
    return out;
}
