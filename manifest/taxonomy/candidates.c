#include "manifest/taxonomy/candidates.h"

#include <math.h>
#include <string.h>

bool plumb__candidate_states(const plumb__candidate *c, plumb__term term)
{
    switch (term) {
    case PLUMB__TERM_DEPTH: return c->terms.profile != PLUMB__INTERN_NONE;
    case PLUMB__TERM_STEP: return !isnan(c->terms.step_nats);
    case PLUMB__TERM_RUN: return !isnan(c->terms.run_nats);
    case PLUMB__TERM_WEIGHT: return !isnan(c->terms.weight);
    case PLUMB__TERM_COUNT: break;
    }
    return false;
}

const plumb__candidate *plumb__candidates_winner(const plumb__candidates *list, plumb__term term)
{
    for (size_t i = 0; i < list->n; i++) {
        if (plumb__candidate_states(&list->at[i], term)) return &list->at[i];
    }
    return NULL;
}

const char *plumb__depth_name(const plumb__taxonomy *t, const plumb__terms *terms)
{
    const char *name = plumb__intern_text(&t->names, terms->depth_name);
    return name != NULL ? name : "(inline)";
}

/* What the record itself states. The line was checked when the manifest was opened; an inline depth
 * of the record is what the record has. */
static plumb__terms own_terms(const plumb_manifest *m, uint32_t number, const json_t *obj)
{
    const plumb__taxonomy *t = &m->taxonomy;
    plumb__terms out = PLUMB__NO_TERMS;
    const json_t *depth = json_object_get(obj, "depth"), *budget = json_object_get(obj, "budget");
    const json_t *weight = json_object_get(obj, "weight");
    const json_t *step = json_object_get(budget, "step"), *run = json_object_get(budget, "run");
    if (depth != NULL) out.profile = plumb__table_class(&m->table, number).profile;
    if (json_is_string(depth)) {
        const char *name = json_string_value(depth);
        out.depth_name = plumb__intern_find(&t->names, name, strlen(name));
    }
    if (weight != NULL) out.weight = json_number_value(weight);
    if (step != NULL) out.step_nats = json_number_value(step);
    if (run != NULL) out.run_nats = json_number_value(run);
    return out;
}

static void add(plumb__candidates *list, int rule, const char *from, const char *name,
                const char *via, const plumb__terms *terms)
{
    list->at[list->n++] = (plumb__candidate){rule, from, name, via, *terms};
}

static void add_entry(plumb__candidates *list, const plumb__taxonomy *t, int rule,
                      plumb__entry_kind kind)
{
    const plumb__entries *entries = &t->entries[kind];
    const uint32_t number = list->entries[kind];
    if (number == PLUMB__INTERN_NONE) return;
    const char *word = plumb__kind_word(kind), *own = plumb__intern_text(&entries->names, number);
    add(list, rule, word, own, "tenant", &entries->at[number].tenant);
    for (uint32_t e = number; e != PLUMB__INTERN_NONE; e = entries->at[e].parent) {
        add(list, rule, word, plumb__intern_text(&entries->names, e), e == number ? NULL : own,
            &entries->at[e].stated);
    }
}

plumb_status plumb__candidates_find(const plumb_manifest *m, uint32_t number, const json_t *line,
                                    plumb__candidates *out, plumb_error *err)
{
    const plumb__taxonomy *t = &m->taxonomy;
    const plumb__terms own = own_terms(m, number, line);
    const plumb__terms built_in = {t->name_profile[0], 0, NAN, NAN, 1.0};
    const plumb__refs refs = {json_string_value(json_object_get(line, "rubric")),
                              json_string_value(json_object_get(line, "domain")),
                              json_string_value(json_object_get(line, "template")),
                              json_string_value(json_object_get(line, "component")),
                              json_string_value(json_object_get(line, "parent"))};
    *out = (plumb__candidates){0};
    PLUMB_TRY(plumb__refs_find("record", t, &refs, out->entries, err));
    PLUMB_TRY(plumb__component_find("record", t, out->entries[PLUMB__TEMPLATE], refs.component,
                                    &out->component, err));
    add(out, 2, "record", NULL, NULL, &own);
    if (out->component != NULL) {
        plumb__terms depth = PLUMB__NO_TERMS;
        depth.profile = out->component->profile;
        depth.depth_name = out->component->depth_name;
        add(out, 3, "component", out->component->name, NULL, &depth);
    }
    add_entry(out, t, 4, PLUMB__TEMPLATE);
    add_entry(out, t, 5, PLUMB__RUBRIC);
    add_entry(out, t, 6, PLUMB__DOMAIN);
    add(out, 7, "defaults", NULL, NULL, &t->defaults);
    add(out, 8, "built in", NULL, NULL, &built_in);
    return PLUMB_OK;
}
