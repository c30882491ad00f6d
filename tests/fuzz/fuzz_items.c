/* The elements of a big JSON file against jansson: of an array that jansson reads whole, every
 * element is handed out, in order and equal; a file of which an element is refused is one that
 * jansson refuses too, or JSON lines. */
#include "fuzz_kit.h"

#include "base/json.h"
#include "manifest/import/json_items.h"

#include <string.h>

/* The array that the file is, or that its field "items" is. */
static const json_t *array_of(const json_t *whole)
{
    if (json_is_array(whole)) return whole;
    const json_t *items = json_object_get(whole, "items");
    return json_is_array(items) ? items : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb__json_items items;
    plumb_error err = {0};
    json_t *whole = NULL, *element = NULL;
    size_t read = 0, refused = 0;
    const bool oracle = plumb__json_parse("j", data, n, &whole, NULL) == PLUMB_OK;
    const json_t *array = oracle ? array_of(whole) : NULL;
    const char *path = fuzz_file(0, data, n);
    if (fuzz_accepted(plumb__json_items_open(&items, path, "items", &err), &err)) {
        for (;;) {
            const plumb_status status = plumb__json_items_next(&items, &element, &err);
            if (!fuzz_accepted(status, &err)) {
                refused++;
                fuzz_assert(refused <= n + 1);
                if (status != PLUMB_ERR_FORMAT) break;
                continue;
            }
            if (element == NULL) break;
            if (array != NULL) {
                fuzz_reached();
                fuzz_assert(json_equal(element, json_array_get(array, read)));
            }
            json_decref(element);
            read++;
            fuzz_assert(read <= n);
        }
        if (array != NULL) fuzz_assert(refused == 0 && read == json_array_size(array));
        plumb__json_items_close(&items);
    }
    json_decref(whole);
    return 0;
}
