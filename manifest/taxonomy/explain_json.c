/* An explanation in full: every candidate for every term, segments, recombination, siblings. */
#include "manifest/taxonomy/explain.h"

#include "base/alloc.h"
#include "manifest/taxonomy/recombine.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_SIBLINGS_SHOWN 100

static json_t *term_value(const plumb__taxonomy *t, const plumb__terms *terms, plumb__term term)
{
    switch (term) {
    case PLUMB__TERM_DEPTH: return json_string(plumb__depth_name(t, terms));
    case PLUMB__TERM_STEP: return json_real(terms->step_nats);
    case PLUMB__TERM_RUN: return json_real(terms->run_nats);
    case PLUMB__TERM_WEIGHT: return json_real(terms->weight);
    case PLUMB__TERM_COUNT: break;
    }
    return NULL;
}

static json_t *candidate_json(const plumb__taxonomy *t, const plumb__candidate *c, plumb__term term)
{
    return json_pack("{s:i,s:s,s:s*,s:s*,s:o}", "rule", c->rule, "from", c->from, "name", c->name,
                     "via", c->via, "value", term_value(t, &c->terms, term));
}

/* {"value":…, "rule":…, "from":…, "candidates":[…]}, the first candidate being the one that holds;
 * null where nothing states the term. */
static json_t *term_json(const plumb__taxonomy *t, const plumb__candidates *list, plumb__term term)
{
    const plumb__candidate *winner = plumb__candidates_winner(list, term);
    if (winner == NULL) return json_null();
    json_t *out = candidate_json(t, winner, term), *all = json_array();
    for (size_t i = 0; i < list->n; i++) {
        if (!plumb__candidate_states(&list->at[i], term)) continue;
        json_array_append_new(all, candidate_json(t, &list->at[i], term));
    }
    json_object_set_new(out, "candidates", all);
    return out;
}

static json_t *profile_json(const plumb_manifest *m, uint32_t profile)
{
    json_t *out = NULL;
    const char *text = plumb_manifest_profile_text(m, profile);
    if (plumb__json_parse("profile", text, strlen(text), &out, NULL) != PLUMB_OK) return NULL;
    return out;
}

/* ---- segments ---- */

static const plumb__component *component_named(const plumb_manifest *m, uint32_t template_entry,
                                               const char *name)
{
    const plumb__component *out = NULL;
    if (plumb__component_find("", &m->taxonomy, template_entry, name, &out, NULL) != PLUMB_OK) {
        return NULL;
    }
    return out;
}

static void place_json(const plumb_segment *s, json_t *out)
{
    static const char *const parts[] = {"prompt", "chosen", "rejected"};
    switch ((plumb_segment_kind)s->kind) {
    case PLUMB_SEGMENT_BYTES:
        json_object_set_new(out, "bytes",
                            json_pack("[I,I]", (json_int_t)s->from, (json_int_t)s->to));
        return;
    case PLUMB_SEGMENT_MESSAGE:
        json_object_set_new(out, "message", json_integer((json_int_t)s->from));
        return;
    case PLUMB_SEGMENT_PART: json_object_set_new(out, "part", json_string(parts[s->from])); return;
    }
}

static json_t *segment_json(const plumb_manifest *m, const plumb__candidates *list,
                            const plumb_segment *s, const json_t *stated)
{
    const plumb__component *c = component_named(m, list->entries[PLUMB__TEMPLATE], s->component);
    const json_t *weight = json_object_get(stated, "weight");
    const bool by_component = c != NULL && c->profile != PLUMB__INTERN_NONE;
    const bool by_record = plumb__candidate_states(&list->at[0], PLUMB__TERM_DEPTH);
    int rule = by_record ? 2 : plumb__candidates_winner(list, PLUMB__TERM_DEPTH)->rule;
    if (by_component && !by_record) rule = 3;
    if (json_object_get(stated, "depth") != NULL) rule = 1;
    json_t *out = json_object(), *names = json_array();
    place_json(s, out);
    json_object_set_new(out, "rule", json_integer(rule));
    json_object_set_new(out, "profile", profile_json(m, s->profile));
    if (s->component != NULL) json_object_set_new(out, "component", json_string(s->component));
    json_object_set_new(out, "weight",
                        json_real(weight != NULL ? json_number_value(weight)
                                  : c != NULL    ? c->weight
                                                 : 1.0));
    json_object_set_new(out, "share", json_real(s->weight));
    for (uint32_t i = 0; i < s->n_annotators; i++) {
        json_array_append_new(names, json_string(s->annotators[i]));
    }
    json_object_set_new(out, "annotators", names);
    return out;
}

static json_t *segments_json(const plumb_manifest *m, uint32_t number,
                             const plumb__candidates *list, const json_t *line)
{
    uint32_t n;
    const plumb_segment *segments = plumb_manifest_segments(m, number, &n);
    const json_t *stated = json_object_get(line, "segments");
    json_t *out = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(out, segment_json(m, list, &segments[i], json_array_get(stated, i)));
    }
    return out;
}

/* ---- recombination ---- */

static double own_weight(const plumb__candidates *list)
{
    return plumb__candidates_winner(list, PLUMB__TERM_WEIGHT)->terms.weight;
}

/* The records of the same parent and template, this one among them. */
static json_t *siblings_json(const plumb_manifest *m, uint32_t number, size_t *n, double *sum,
                             const plumb__candidates *list)
{
    const plumb__table *t = &m->table;
    const uint32_t parent = plumb__table_parent(t, number);
    const plumb__class mine = plumb__table_class(t, number);
    json_t *out = json_array();
    for (uint32_t i = 0; i < t->n; i++) {
        if (plumb__table_parent(t, i) != parent) continue;
        const plumb__class c = plumb__table_class(t, i);
        if (c.template_name != mine.template_name || c.component == PLUMB__INTERN_NONE) continue;
        const plumb__component *component =
            component_named(m, list->entries[PLUMB__TEMPLATE], plumb__table_text(t, c.component));
        *sum += component->weight;
        if ((*n)++ >= MAX_SIBLINGS_SHOWN) continue;
        plumb_record r;
        plumb_record_default(&r);
        if (plumb_manifest_record(m, i, &r, NULL) != PLUMB_OK) continue;
        json_array_append_new(out, json_pack("{s:s,s:s,s:f}", "id", r.id, "component",
                                             component->name, "weight", component->weight));
    }
    return out;
}

/* Whose word on recombination holds, in the order of complete() in taxonomy_entries.c; and what the
 * tenant's took the place of. */
static void recombination_from(const plumb__entries *templates, uint32_t entry, json_t *out)
{
    const int tenant = templates->at[entry].tenant_recombine;
    uint32_t a = entry;
    while (a != PLUMB__INTERN_NONE && templates->at[a].recombine < 0)
        a = templates->at[a].parent;
    const char *name = plumb__intern_text(&templates->names, a != PLUMB__INTERN_NONE ? a : entry);
    const char *word = a != PLUMB__INTERN_NONE
                           ? plumb__recombination_word(templates->at[a].recombine)
                           : plumb__recombination_word(PLUMB__RECOMBINE_SUM);
    json_object_set_new(out, "by",
                        json_string(tenant >= 0               ? "tenant"
                                    : a != PLUMB__INTERN_NONE ? "template"
                                                              : "built in"));
    if (tenant < 0 && a != PLUMB__INTERN_NONE) json_object_set_new(out, "from", json_string(name));
    if (tenant >= 0)
        json_object_set_new(out, "over",
                            json_pack("{s:s,s:s,s:b}", "template", name, "recombine", word,
                                      "stated", a != PLUMB__INTERN_NONE));
}

static json_t *recombination_json(const plumb_manifest *m, uint32_t number,
                                  const plumb__candidates *list, const json_t *line)
{
    const uint32_t entry = list->entries[PLUMB__TEMPLATE];
    if (entry == PLUMB__INTERN_NONE) return json_null();
    const plumb__entries *templates = &m->taxonomy.entries[PLUMB__TEMPLATE];
    const plumb__recombination how = templates->at[entry].recombination;
    json_t *out = json_pack("{s:s,s:s}", "template", plumb__intern_text(&templates->names, entry),
                            "recombine", plumb__recombination_word((int)how));
    recombination_from(templates, entry, out);
    const char *parent = json_string_value(json_object_get(line, "parent"));
    if (list->component == NULL || parent == NULL) return out;
    size_t n = 0;
    double sum = 0.0;
    json_t *siblings = siblings_json(m, number, &n, &sum, list);
    json_object_set_new(out, "parent", json_string(parent));
    json_object_set_new(out, "component", json_string(list->component->name));
    json_object_set_new(out, "weight", json_real(list->component->weight));
    json_object_set_new(out, "share",
                        json_real(plumb__recombine_share(how, list->component->weight, sum, n)));
    json_object_set_new(out, "n_siblings", json_integer((json_int_t)n));
    json_object_set_new(out, "siblings", siblings);
    return out;
}

/* ---- names without effect ---- */

/* Names of kinds that the taxonomy, if there is one, lists no entry of. */
static json_t *idle_json(const plumb_manifest *m, const json_t *line)
{
    json_t *out = json_array();
    for (int kind = 0; kind < PLUMB__ENTRY_KINDS; kind++) {
        const char *field = plumb__kind_word((plumb__entry_kind)kind);
        const char *name = json_string_value(json_object_get(line, field));
        char why[80];
        if (name == NULL || m->taxonomy.entries[kind].names.n > 0) continue;
        if (m->statement.taxonomy == NULL)
            snprintf(why, sizeof why, "the manifest has no taxonomy");
        else
            snprintf(why, sizeof why, "the manifest's taxonomy has no %s",
                     plumb__kind_plural((plumb__entry_kind)kind));
        json_array_append_new(out,
                              json_pack("{s:s,s:s,s:s}", "field", field, "name", name, "why", why));
    }
    return out;
}

/* ---- the whole ---- */

static json_t *explain(const plumb_manifest *m, uint32_t number, const plumb__candidates *list,
                       const json_t *line)
{
    const plumb__class c = plumb__table_class(&m->table, number);
    json_t *out = json_object(), *terms = json_object();
    json_object_set(out, "id", json_object_get(line, "id"));
    json_object_set_new(out, "line", json_integer((json_int_t)number + 1));
    json_object_set_new(terms, "depth", term_json(&m->taxonomy, list, PLUMB__TERM_DEPTH));
    json_object_set_new(terms, "budget.step", term_json(&m->taxonomy, list, PLUMB__TERM_STEP));
    json_object_set_new(terms, "budget.run", term_json(&m->taxonomy, list, PLUMB__TERM_RUN));
    json_object_set_new(terms, "weight", term_json(&m->taxonomy, list, PLUMB__TERM_WEIGHT));
    json_object_set_new(out, "terms", terms);
    json_object_set_new(out, "profile", profile_json(m, c.profile));
    json_object_set_new(out, "weight", json_real(own_weight(list)));
    json_object_set_new(out, "loss_weight", json_real(c.weight));
    json_object_set_new(out, "recombination", recombination_json(m, number, list, line));
    json_object_set_new(out, "without_effect", idle_json(m, line));
    json_object_set_new(out, "segments", segments_json(m, number, list, line));
    return out;
}

plumb_status plumb_manifest_explain_json(const plumb_manifest *m, uint32_t number, char **text,
                                         plumb_error *err)
{
    json_t *line = NULL, *out = NULL;
    plumb__bytes bytes = {0};
    plumb__candidates list;
    plumb_status status;
    *text = NULL;
    PLUMB_TRY_CLEAN(plumb__explain_line(m, number, &line, err));
    PLUMB_TRY_CLEAN(plumb__candidates_find(m, number, line, &list, err));
    out = explain(m, number, &list, line);
    PLUMB_TRY_CLEAN(plumb__json_dump(out, &bytes, err));
    PLUMB_TRY_CLEAN(plumb__memdup(text, bytes.data, bytes.size, err));
cleanup:
    plumb__bytes_free(&bytes);
    json_decref(out);
    json_decref(line);
    return status;
}
