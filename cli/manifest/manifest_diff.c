/* plumb manifest diff */
#include "cli/manifest/manifest_verbs.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_TOP 10
#define MAX_TOP 1000000L

static const char help_text[] =
    "usage: plumb manifest diff A.plumb.json B.plumb.json [--top N]\n"
    "                           [--trust trust.json [--audience A]]\n"
    "\n"
    "Verifies both and says which records were added, removed or changed from A to B, by id and\n"
    "line, and which profiles, rubrics, domains and templates they share, and how those of one "
    "name differ. The first N ids of each\n"
    "list are shown (10; 0: all). Exits with 0 when records and taxonomies are the same, else 1.\n"
    "\n"
    "example: plumb manifest diff tags-1.plumb.json tags-2.plumb.json --trust trust.json\n";

typedef struct arguments {
    plumb__manifest_view a, b;
    size_t top;
    bool help;
} arguments;

static bool take_option(int option, arguments *out)
{
    char *end;
    switch (option) {
    case 'h': out->help = true; return true;
    case 'T': out->a.trust = out->b.trust = optarg; return true;
    case 'u': out->a.audience = out->b.audience = optarg; return true;
    case 'n': {
        const long top = strtol(optarg, &end, 10);
        if (*optarg == '\0' || *end != '\0' || top < 0 || top > MAX_TOP) {
            (void)plumb__cli_usage("manifest diff", "--top is not a number from 0 to %ld: %s",
                                   MAX_TOP, optarg);
            return false;
        }
        out->top = top == 0 ? SIZE_MAX : (size_t)top;
        return true;
    }
    default: return plumb__cli_take(option, optarg);
    }
}

static int parse(int argc, char **argv, arguments *out)
{
    static const struct option options[] = {{"trust", required_argument, NULL, 'T'},
                                            {"audience", required_argument, NULL, 'u'},
                                            {"top", required_argument, NULL, 'n'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option;
    while ((option = plumb__cli_getopt("manifest diff", argc, argv, ":h", options)) != -1) {
        if (!take_option(option, out)) return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (argc - optind != 2) {
        return plumb__cli_usage("manifest diff", "manifest diff wants two of NAME.plumb.json");
    }
    out->a.path = argv[optind];
    out->b.path = argv[optind + 1];
    return 0;
}

/* ---- records ---- */

typedef struct list {
    const char *name;
    uint64_t n;
    json_t *ids; /* the first `top` of them */
} list;

typedef struct difference {
    list added, removed, changed;
    uint64_t same;
    size_t top;
} difference;

static void put(list *l, size_t top, const char *id)
{
    if (l->n++ < top) json_array_append_new(l->ids, json_string(id));
}

static plumb_status same_line(const plumb_manifest *a, uint32_t i, const plumb_manifest *b,
                              uint32_t k, bool *same, plumb_error *err)
{
    char *left = NULL, *right = NULL;
    size_t n_left = 0, n_right = 0;
    plumb_status status = plumb_manifest_line(a, i, &left, &n_left, err);
    if (status == PLUMB_OK) status = plumb_manifest_line(b, k, &right, &n_right, err);
    if (status == PLUMB_OK) *same = n_left == n_right && memcmp(left, right, n_left) == 0;
    plumb_text_free(left);
    plumb_text_free(right);
    return status;
}

static plumb_status id_of(const plumb_manifest *m, uint32_t i, const char **id, plumb_error *err)
{
    plumb_record r;
    plumb_record_default(&r);
    const plumb_status status = plumb_manifest_record(m, i, &r, err);
    *id = r.id;
    return status;
}

static uint64_t records_of(const plumb_manifest *m)
{
    plumb_manifest_info info = {.size = sizeof info, .version = 1};
    plumb_manifest_describe(m, &info);
    return info.records;
}

static plumb_status compare_records(const plumb_manifest *a, const plumb_manifest *b, difference *d,
                                    plumb_error *err)
{
    const uint64_t n_a = records_of(a), n_b = records_of(b);
    plumb_status status = PLUMB_OK;
    const char *id = NULL;
    for (uint32_t i = 0; i < n_a && status == PLUMB_OK; i++) {
        status = id_of(a, i, &id, err);
        if (status != PLUMB_OK) return status;
        const uint32_t there = plumb_manifest_find(b, id);
        bool same = false;
        if (there == PLUMB_NO_RECORD) {
            put(&d->removed, d->top, id);
            continue;
        }
        status = same_line(a, i, b, there, &same, err);
        if (same)
            d->same++;
        else
            put(&d->changed, d->top, id);
    }
    for (uint32_t i = 0; i < n_b && status == PLUMB_OK; i++) {
        status = id_of(b, i, &id, err);
        if (status == PLUMB_OK && plumb_manifest_find(a, id) == PLUMB_NO_RECORD)
            put(&d->added, d->top, id);
    }
    return status;
}

/* ---- taxonomies ---- */

static const char *const kinds[] = {"profiles", "rubrics", "domains", "templates"};
static const char *const parts[] = {"shared", "different", "only_a", "only_b"};

/* {"shared":[…],"different":[…],"only_a":[…],"only_b":[…]} of the names of one kind, and under
 * "changes" how those that are different differ. */
static json_t *compare_kind(const json_t *a, const json_t *b)
{
    json_t *out =
        json_pack("{s:[],s:[],s:[],s:[],s:{}}", parts[0], parts[1], parts[2], parts[3], "changes");
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)a, name, value)
    {
        const json_t *other = json_object_get(b, name);
        const char *part = other == NULL              ? "only_a"
                           : json_equal(value, other) ? "shared"
                                                      : "different";
        json_array_append_new(json_object_get(out, part), json_string(name));
        if (strcmp(part, "different") == 0)
            json_object_set_new(json_object_get(out, "changes"), name,
                                plumb__manifest_changes(value, other));
    }
    json_object_foreach((json_t *)(uintptr_t)b, name, value)
    {
        if (json_object_get(a, name) == NULL)
            json_array_append_new(json_object_get(out, "only_b"), json_string(name));
    }
    return out;
}

static json_t *compare_taxonomies(const plumb_manifest *a, const plumb_manifest *b, bool *same)
{
    json_t *left = plumb__manifest_taxonomy_json(a), *right = plumb__manifest_taxonomy_json(b);
    json_t *out = json_object();
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        json_object_set_new(
            out, kinds[k],
            compare_kind(json_object_get(left, kinds[k]), json_object_get(right, kinds[k])));
    const bool defaults =
        json_equal(json_object_get(left, "defaults"), json_object_get(right, "defaults")) ||
        json_object_get(left, "defaults") == json_object_get(right, "defaults");
    const bool tenant =
        json_equal(json_object_get(left, "tenant"), json_object_get(right, "tenant")) ||
        json_object_get(left, "tenant") == json_object_get(right, "tenant");
    json_object_set_new(out, "same_defaults", json_boolean(defaults));
    json_object_set_new(out, "same_tenant", json_boolean(tenant));
    json_object_set_new(out, "defaults_changes",
                        plumb__manifest_changes(json_object_get(left, "defaults"),
                                                json_object_get(right, "defaults")));
    json_object_set_new(
        out, "tenant_changes",
        plumb__manifest_changes(json_object_get(left, "tenant"), json_object_get(right, "tenant")));
    *same = json_equal(left, right);
    json_decref(left);
    json_decref(right);
    return out;
}

/* ---- output ---- */

static void print_names(const char *title, uint64_t n, const json_t *names)
{
    printf("  %-10s %llu", title, (unsigned long long)n);
    for (size_t i = 0; i < json_array_size(names); i++) {
        printf("%s ", i == 0 ? ":" : ",");
        plumb__cli_print_text(json_string_value(json_array_get(names, i)), 0);
    }
    printf("%s\n", n > json_array_size(names) ? ", …" : "");
}

static void print_text(const difference *d, const json_t *taxonomy)
{
    const list *const lists[] = {&d->added, &d->removed, &d->changed};
    printf("records\n  %-10s %llu\n", "same", (unsigned long long)d->same);
    for (size_t i = 0; i < 3; i++)
        print_names(lists[i]->name, lists[i]->n, lists[i]->ids);
    static const char *const titles[] = {"shared", "different", "only in A", "only in B"};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const json_t *kind = json_object_get(taxonomy, kinds[k]);
        bool titled = false;
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
            const json_t *names = json_object_get(kind, parts[p]);
            if (json_array_size(names) == 0) continue;
            if (!titled) printf("%s\n", kinds[k]);
            titled = true;
            print_names(titles[p], json_array_size(names), names);
            for (size_t i = 0; p == 1 && i < json_array_size(names); i++) {
                const char *name = json_string_value(json_array_get(names, i));
                plumb__manifest_print_changes(
                    name, json_object_get(json_object_get(kind, "changes"), name));
            }
        }
    }
    if (json_is_false(json_object_get(taxonomy, "same_defaults"))) printf("defaults differ\n");
    plumb__manifest_print_changes(NULL, json_object_get(taxonomy, "defaults_changes"));
    if (json_is_false(json_object_get(taxonomy, "same_tenant"))) printf("tenants differ\n");
    plumb__manifest_print_changes(NULL, json_object_get(taxonomy, "tenant_changes"));
}

static void print_json(const difference *d, bool same, json_t *taxonomy)
{
    const list *const lists[] = {&d->added, &d->removed, &d->changed};
    json_t *records = json_pack("{s:I}", "same", (json_int_t)d->same);
    for (size_t i = 0; i < 3; i++)
        json_object_set_new(
            records, lists[i]->name,
            json_pack("{s:I,s:O}", "count", (json_int_t)lists[i]->n, "ids", lists[i]->ids));
    plumb__cli_print_json(
        json_pack("{s:b,s:o,s:O}", "same", same, "records", records, "taxonomy", taxonomy));
}

static int report(const arguments *a, const plumb_manifest *left, const plumb_manifest *right)
{
    plumb_error err = {0};
    bool same = false;
    difference d = {.added = {"added", 0, json_array()},
                    .removed = {"removed", 0, json_array()},
                    .changed = {"changed", 0, json_array()},
                    .top = a->top};
    json_t *taxonomy = compare_taxonomies(left, right, &same);
    const plumb_status status = compare_records(left, right, &d, &err);
    same = same && d.added.n + d.removed.n + d.changed.n == 0;
    if (status == PLUMB_OK && plumb__cli.json) print_json(&d, same, taxonomy);
    if (status == PLUMB_OK && !plumb__cli.json) print_text(&d, taxonomy);
    json_decref(taxonomy);
    json_decref(d.added.ids);
    json_decref(d.removed.ids);
    json_decref(d.changed.ids);
    if (status != PLUMB_OK) return plumb__cli_fail(&err);
    return plumb__cli_done(same ? PLUMB__EXIT_OK : PLUMB__EXIT_NO);
}

int plumb__manifest_verb_diff(int argc, char **argv)
{
    arguments a = {.a = {.allow_expired = true}, .b = {.allow_expired = true}, .top = DEFAULT_TOP};
    plumb_error err = {0};
    plumb_manifest *left = NULL, *right = NULL;
    const int wrong = parse(argc, argv, &a);
    if (wrong != 0) return wrong;
    if (a.help) return plumb__cli_help(help_text);
    plumb_status status = plumb__manifest_view_open(&a.a, &left, &err);
    if (status == PLUMB_OK) status = plumb__manifest_view_open(&a.b, &right, &err);
    if (status == PLUMB_OK && a.a.trust == NULL)
        plumb__cli_say("plumb: signers not checked; give --trust");
    const int code = status == PLUMB_OK ? report(&a, left, right) : plumb__cli_fail(&err);
    plumb_manifest_free(left);
    plumb_manifest_free(right);
    return code;
}
