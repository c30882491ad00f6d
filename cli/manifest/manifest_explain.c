/* plumb manifest show --id ID --explain */
#include "cli/manifest/manifest_verbs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers are kept with 17 digits; shown are as few as say the same. */
char *plumb__manifest_json_text(const json_t *value)
{
    char *text = NULL;
    json_t *read = NULL;
    for (size_t digits = 6; digits <= 17 && !json_equal(value, read); digits++) {
        free(text);
        json_decref(read);
        text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY |
                                     JSON_REAL_PRECISION(digits));
        read = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    }
    json_decref(read);
    return text;
}

void plumb__manifest_print_json(const json_t *value)
{
    char *text = plumb__manifest_json_text(value);
    plumb__cli_print_text(text != NULL ? text : "null", 0);
    free(text);
}

static void print_number(const char *name, double value, const char *unit, const char *from)
{
    printf("%-11s ", name);
    if (isnan(value)) {
        printf("not stated: the policy's holds");
    } else {
        printf("%g%s", value, unit);
    }
    if (from != NULL) printf("   (from %s)", from);
    putchar('\n');
}

/* ---- JSON ---- */

static void explain_json(const plumb_record *r, const char *line, size_t n,
                         const plumb_explanation *why, json_t *full)
{
    json_object_set_new(full, "record", json_loadb(line, n, 0, NULL));
    json_object_set_new(full, "depth", json_string(why->depth_name));
    json_object_set_new(full, "depth_from", json_string(why->depth_from));
    json_object_set_new(full, "profile", json_string(r->profile));
    json_object_set_new(full, "weight_from", json_string(why->weight_from));
    json_object_set_new(full, "step_budget_nats", json_real(r->step_budget_nats));
    json_object_set_new(full, "step_budget_from", json_string(why->step_budget_from));
    json_object_set_new(full, "run_budget_nats", json_real(r->run_budget_nats));
    json_object_set_new(full, "run_budget_from", json_string(why->run_budget_from));
    plumb__cli_print_json(json_incref(full));
}

/* ---- text ---- */

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void print_named(const char *before, const char *name)
{
    if (name == NULL) return;
    fputs(before, stdout);
    plumb__cli_print_text(name, 0);
}

/* "5 rubric base@1 for role@2: 0.5" */
static void print_candidate(const json_t *c)
{
    const char *via = text_of(c, "via");
    const bool tenant = via != NULL && strcmp(via, "tenant") == 0;
    printf("%lld %s", (long long)json_integer_value(json_object_get(c, "rule")),
           text_of(c, "from"));
    print_named(" ", text_of(c, "name"));
    if (tenant) printf(", by the tenant");
    if (!tenant) print_named(" for ", via);
    printf(": ");
    const json_t *value = json_object_get(c, "value");
    if (json_is_string(value))
        plumb__cli_print_text(json_string_value(value), 0);
    else
        printf("%g", json_number_value(value));
    putchar('\n');
}

static void print_candidates(const json_t *full)
{
    static const char *const terms[][2] = {{"depth", "depth"},
                                           {"budget.step", "step budget"},
                                           {"budget.run", "run budget"},
                                           {"weight", "weight"}};
    printf("\nplaces that state a term, by rule; the first holds\n");
    for (size_t t = 0; t < sizeof terms / sizeof *terms; t++) {
        const json_t *term = json_object_get(json_object_get(full, "terms"), terms[t][0]);
        const json_t *list = json_object_get(term, "candidates");
        for (size_t i = 0; i < json_array_size(list); i++) {
            printf("%-11s ", i == 0 ? terms[t][1] : "");
            print_candidate(json_array_get(list, i));
        }
    }
}

/* "by template steps@1", "by the tenant, over template steps@1's normalised" */
static void print_recombination_from(const json_t *r)
{
    const json_t *over = json_object_get(r, "over");
    const char *from = text_of(r, "from"), *template_name = text_of(r, "template");
    if (over != NULL) {
        print_named(", by the tenant, over template ", text_of(over, "template"));
        if (json_is_true(json_object_get(over, "stated")))
            printf("'s %s", text_of(over, "recombine"));
        else
            printf(", which states none");
    } else if (from == NULL) {
        print_named(", built in: none is stated by template ", template_name);
    } else {
        print_named(", by template ", from);
        if (strcmp(from, template_name) != 0) print_named(" for ", template_name);
    }
    putchar('\n');
}

/* "rubric strict@1: the manifest has no taxonomy" */
static void print_without_effect(const json_t *full)
{
    const json_t *list = json_object_get(full, "without_effect");
    if (json_array_size(list) > 0) printf("\nnames without effect\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        printf("%s ", text_of(one, "field"));
        plumb__cli_print_text(text_of(one, "name"), 0);
        printf(": %s\n", text_of(one, "why"));
    }
}

static void print_recombination(const json_t *full)
{
    const json_t *r = json_object_get(full, "recombination");
    const json_t *siblings = json_object_get(r, "siblings");
    if (!json_is_object(r)) return;
    printf("\nrecombined  %s", text_of(r, "recombine"));
    print_recombination_from(r);
    if (siblings == NULL) return;
    const json_int_t n = json_integer_value(json_object_get(r, "n_siblings"));
    print_named("component   ", text_of(r, "component"));
    printf(", weight %g, share %g of %lld record%s",
           json_number_value(json_object_get(r, "weight")),
           json_number_value(json_object_get(r, "share")), (long long)n, n == 1 ? "" : "s");
    print_named(" of parent ", text_of(r, "parent"));
    printf("\nloss weight %g\n", json_number_value(json_object_get(full, "loss_weight")));
    for (size_t i = 0; i < json_array_size(siblings); i++) {
        const json_t *s = json_array_get(siblings, i);
        print_named("  ", text_of(s, "id"));
        print_named("  ", text_of(s, "component"));
        printf("  %g\n", json_number_value(json_object_get(s, "weight")));
    }
    if ((size_t)n > json_array_size(siblings))
        printf("  and %lld more\n", (long long)n - (long long)json_array_size(siblings));
}

static void print_segment(size_t i, const json_t *s)
{
    static const char *const places[] = {"bytes", "message", "part"};
    const json_t *annotators = json_object_get(s, "annotators");
    printf("  %zu", i);
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        const json_t *at = json_object_get(s, places[p]);
        if (at == NULL) continue;
        printf("  %s ", places[p]);
        plumb__manifest_print_json(at);
    }
    print_named("  component ", text_of(s, "component"));
    printf("  weight %g, share %g  depth by rule %lld ",
           json_number_value(json_object_get(s, "weight")),
           json_number_value(json_object_get(s, "share")),
           (long long)json_integer_value(json_object_get(s, "rule")));
    plumb__manifest_print_json(json_object_get(s, "profile"));
    for (size_t k = 0; k < json_array_size(annotators); k++)
        print_named(k == 0 ? "  by " : ", ", json_string_value(json_array_get(annotators, k)));
    putchar('\n');
}

static void explain_text(const plumb_record *r, const char *line, size_t n,
                         const plumb_explanation *why, const json_t *full)
{
    const json_t *segments = json_object_get(full, "segments");
    plumb__cli_print_json_text(line, n);
    printf("\nline        %lld\ndepth       ",
           (long long)json_integer_value(json_object_get(full, "line")));
    plumb__cli_print_text(why->depth_name, 0);
    printf(" = ");
    plumb__manifest_print_json(json_object_get(full, "profile"));
    printf("   (from %s)\n", why->depth_from);
    print_number("step budget", r->step_budget_nats, " nats", why->step_budget_from);
    print_number("run budget", r->run_budget_nats, " nats", why->run_budget_from);
    print_number("weight", json_number_value(json_object_get(full, "weight")), "",
                 why->weight_from);
    print_candidates(full);
    print_without_effect(full);
    print_recombination(full);
    if (json_array_size(segments) > 0) printf("\nsegments\n");
    for (size_t i = 0; i < json_array_size(segments); i++)
        print_segment(i, json_array_get(segments, i));
}

plumb_status plumb__manifest_explain(const plumb_manifest *m, uint32_t number, const char *line,
                                     size_t n, plumb_error *err)
{
    plumb_record r;
    plumb_explanation why = {.size = sizeof why, .version = 1};
    char *text = NULL;
    plumb_record_default(&r);
    plumb_status status = plumb_manifest_record(m, number, &r, err);
    if (status == PLUMB_OK) status = plumb_manifest_explain(m, number, &why, err);
    if (status == PLUMB_OK) status = plumb_manifest_explain_json(m, number, &text, err);
    if (status != PLUMB_OK) return status;
    json_t *full = json_loads(text, 0, NULL);
    if (plumb__cli.json)
        explain_json(&r, line, n, &why, full);
    else
        explain_text(&r, line, n, &why, full);
    json_decref(full);
    plumb_text_free(text);
    return PLUMB_OK;
}
