#include "manifest/import/row_values.h"

#include "base/json.h"

json_t *plumb__value_text(const json_t *value)
{
    bool strings = json_is_array(value);
    for (size_t i = 0; strings && i < json_array_size(value); i++)
        strings = json_is_string(json_array_get(value, i));
    if (value == NULL || json_is_null(value)) return NULL;
    if (json_is_string(value) || strings) return json_incref((json_t *)(uintptr_t)value);
    plumb__bytes text = {0};
    json_t *out = NULL;
    if (plumb__json_dump(value, &text, NULL) == PLUMB_OK)
        out = json_stringn((const char *)text.data, text.size);
    plumb__bytes_free(&text);
    return out;
}
