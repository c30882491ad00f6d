/* How two taxonomy entries of one name differ: term by term, old and new. */
#include "cli/manifest/manifest_verbs.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CHANGES 20
#define VALUE_BYTES 120

/* Appends {"term","old","new"}; a side that does not state the term is left out. Objects are
 * entered, everything else is compared whole. */
static void compare(json_t *out, const char *path, const json_t *a, const json_t *b)
{
    const char *name;
    json_t *value;
    char term[512];
    if (a == b || (a != NULL && b != NULL && json_equal(a, b))) return;
    if (json_array_size(out) > MAX_CHANGES) return;
    const bool enters = (a == NULL || json_is_object(a)) && (b == NULL || json_is_object(b)) &&
                        json_object_size(a) + json_object_size(b) > 0;
    if (!enters) {
        json_array_append_new(out, json_pack("{s:s,s:O*,s:O*}", "term", path, "old", a, "new", b));
        return;
    }
    const char *dot = path[0] != '\0' ? "." : "";
    json_object_foreach((json_t *)(uintptr_t)a, name, value)
    {
        snprintf(term, sizeof term, "%s%s%s", path, dot, name);
        compare(out, term, value, json_object_get(b, name));
    }
    json_object_foreach((json_t *)(uintptr_t)b, name, value)
    {
        if (json_object_get(a, name) != NULL) continue;
        snprintf(term, sizeof term, "%s%s%s", path, dot, name);
        compare(out, term, NULL, value);
    }
}

json_t *plumb__manifest_changes(const json_t *a, const json_t *b)
{
    json_t *out = json_array();
    compare(out, "", a, b);
    if (json_array_size(out) <= MAX_CHANGES) return out;
    json_array_remove(out, MAX_CHANGES);
    json_array_append_new(out, json_pack("{s:b}", "more", 1));
    return out;
}

static void print_value(const json_t *value)
{
    char *text = value != NULL ? plumb__manifest_json_text(value) : NULL;
    size_t n = text != NULL ? strlen(text) : 0;
    const bool cut = n > VALUE_BYTES;
    if (cut) {
        for (n = VALUE_BYTES; (text[n] & 0xc0) == 0x80;)
            n--; /* not within a character */
        text[n] = '\0';
    }
    plumb__cli_print_text(text != NULL ? text : "not stated", 0);
    if (cut) printf("…");
    free(text);
}

void plumb__manifest_print_changes(const char *name, const json_t *changes)
{
    for (size_t i = 0; i < json_array_size(changes); i++) {
        const json_t *one = json_array_get(changes, i);
        const char *term = json_string_value(json_object_get(one, "term"));
        printf("    ");
        if (name != NULL) {
            plumb__cli_print_text(name, 0);
            printf(": ");
        }
        if (term == NULL) {
            printf("…\n");
            continue;
        }
        plumb__cli_print_text(term[0] != '\0' ? term : "all of it", 0);
        putchar(' ');
        print_value(json_object_get(one, "old"));
        printf(" -> ");
        print_value(json_object_get(one, "new"));
        putchar('\n');
    }
}
