/* plumb manifest show --taxonomy: the taxonomy of a verified manifest as a tree. */
#include "cli/manifest/manifest_verbs.h"

#include <string.h>

static const char *const kinds[] = {"rubrics", "domains", "templates"};
#define KINDS (sizeof kinds / sizeof *kinds)

json_t *plumb__manifest_taxonomy_json(const plumb_manifest *m)
{
    size_t n;
    const char *text = plumb_manifest_statement(m, &n);
    json_t *statement = json_loadb(text, n, 0, NULL);
    json_t *taxonomy = json_object_get(json_object_get(statement, "predicate"), "taxonomy");
    json_t *out = taxonomy != NULL ? json_incref(taxonomy) : json_object();
    json_decref(statement);
    return out;
}

/* ---- how many records name an entry ---- */

static void count(json_t *uses, const char *kind, const char *name)
{
    if (name == NULL) return;
    json_t *of_kind = json_object_get(uses, kind), *n = json_object_get(of_kind, name);
    if (n != NULL)
        json_integer_set(n, json_integer_value(n) + 1);
    else
        json_object_set_new(of_kind, name, json_integer(1));
}

static json_t *count_uses(const plumb_manifest *m)
{
    plumb_manifest_info info = {.size = sizeof info, .version = 1};
    json_t *uses = json_pack("{s:{},s:{},s:{}}", kinds[0], kinds[1], kinds[2]);
    plumb_manifest_describe(m, &info);
    for (uint64_t i = 0; i < info.records; i++) {
        plumb_record r;
        plumb_record_default(&r);
        if (plumb_manifest_record(m, (uint32_t)i, &r, NULL) != PLUMB_OK) continue;
        count(uses, kinds[0], r.rubric);
        count(uses, kinds[1], r.domain);
        count(uses, kinds[2], r.template_name);
    }
    return uses;
}

/* ---- the tree ---- */

/* Appends the entries that inherit from `parent` (NULL: from none), each before its own. The
 * manifest is verified: there are no circles. */
static void grow(json_t *out, const json_t *entries, const json_t *uses, const char *parent,
                 int level)
{
    const char *name;
    json_t *entry;
    json_object_foreach((json_t *)(uintptr_t)entries, name, entry)
    {
        const char *from = json_string_value(json_object_get(entry, "inherits"));
        if ((from == NULL) != (parent == NULL)) continue;
        if (parent != NULL && strcmp(from, parent) != 0) continue;
        const json_t *used = json_object_get(uses, name);
        json_array_append_new(out, json_pack("{s:s,s:i,s:I,s:O}", "name", name, "level", level,
                                             "records", json_integer_value(used), "entry", entry));
        grow(out, entries, uses, name, level + 1);
    }
}

static json_t *tree_json(const plumb_manifest *m)
{
    json_t *taxonomy = plumb__manifest_taxonomy_json(m), *uses = count_uses(m);
    json_t *out = json_object();
    for (size_t k = 0; k < KINDS; k++) {
        json_t *list = json_array();
        grow(list, json_object_get(taxonomy, kinds[k]), json_object_get(uses, kinds[k]), NULL, 0);
        json_object_set_new(out, kinds[k], list);
    }
    static const char *const parts[] = {"profiles", "defaults", "tenant"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        json_t *part = json_object_get(taxonomy, parts[i]);
        json_object_set_new(out, parts[i], part != NULL ? json_incref(part) : json_object());
    }
    json_decref(taxonomy);
    json_decref(uses);
    return out;
}

/* ---- text ---- */

static void print_value(const json_t *value)
{
    if (json_is_string(value))
        plumb__cli_print_text(json_string_value(value), 0);
    else
        plumb__manifest_print_json(value);
}

/* ", depth deep, budget.step 2, …" of what an entry states. */
static void print_terms(const json_t *entry)
{
    static const char *const names[] = {"depth", "weight", "recombine", "dimension"};
    const json_t *budget = json_object_get(entry, "budget");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *value = json_object_get(entry, names[i]);
        if (value == NULL) continue;
        printf(", %s ", names[i]);
        print_value(value);
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)budget, name, value)
    {
        printf(", budget.%s ", name);
        print_value(value);
    }
}

static void indent(int level)
{
    printf("%*s", 2 + 2 * level, "");
}

static void print_component(const json_t *c)
{
    plumb__cli_print_text(json_string_value(json_object_get(c, "name")), 0);
    print_terms(c);
    if (json_is_true(json_object_get(c, "required"))) printf(", required");
}

static void print_more(const json_t *entry, int level)
{
    const json_t *rate = json_object_get(entry, "error_rate"), *validated, *method;
    const json_t *list = json_object_get(entry, "components");
    for (size_t i = 0; i < json_array_size(list); i++) {
        indent(level + 1);
        printf("- ");
        print_component(json_array_get(list, i));
        putchar('\n');
    }
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(entry, "overridable"), name, value)
    {
        indent(level + 1);
        printf("may override %s: ", name);
        plumb__manifest_print_json(value);
        putchar('\n');
    }
    if (rate == NULL) return;
    validated = json_object_get(rate, "validated");
    method = json_object_get(rate, "method");
    indent(level + 1);
    printf("error rate %g in %lld items", json_number_value(json_object_get(rate, "rate")),
           (long long)json_integer_value(json_object_get(rate, "items")));
    if (validated != NULL) printf(", ");
    if (validated != NULL) print_value(validated);
    if (method != NULL) printf(", ");
    if (method != NULL) print_value(method);
    putchar('\n');
}

static void print_kind(const char *kind, const json_t *list, const json_t *tenant)
{
    if (json_array_size(list) == 0) return;
    printf("%s\n", kind);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i), *entry = json_object_get(row, "entry");
        const int level = (int)json_integer_value(json_object_get(row, "level"));
        const char *name = json_string_value(json_object_get(row, "name"));
        const json_int_t n = json_integer_value(json_object_get(row, "records"));
        const json_t *override = json_object_get(tenant, name);
        indent(level);
        plumb__cli_print_text(name, 0);
        printf(": %lld record%s", (long long)n, n == 1 ? "" : "s");
        print_terms(entry);
        putchar('\n');
        if (override != NULL) {
            indent(level + 1);
            printf("tenant");
            print_terms(override);
            putchar('\n');
        }
        print_more(entry, level);
    }
}

static void print_tree(const json_t *tree)
{
    const json_t *profiles = json_object_get(tree, "profiles");
    const json_t *defaults = json_object_get(tree, "defaults");
    const char *name;
    json_t *value;
    if (json_object_size(profiles) > 0) printf("profiles\n");
    json_object_foreach((json_t *)(uintptr_t)profiles, name, value)
    {
        printf("  ");
        plumb__cli_print_text(name, 0);
        printf(": ");
        plumb__manifest_print_json(value);
        putchar('\n');
    }
    for (size_t k = 0; k < KINDS; k++)
        print_kind(kinds[k], json_object_get(tree, kinds[k]),
                   json_object_get(json_object_get(tree, "tenant"), kinds[k]));
    if (json_object_size(defaults) == 0) return;
    printf("defaults");
    print_terms(defaults);
    putchar('\n');
}

int plumb__manifest_taxonomy(const plumb_manifest *m)
{
    json_t *tree = tree_json(m);
    if (plumb__cli.json)
        plumb__cli_print_json(json_incref(tree));
    else
        print_tree(tree);
    json_decref(tree);
    return PLUMB__EXIT_OK;
}
