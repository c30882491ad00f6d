/* Which of the many places that may state a term wins: docs/formats/manifest.md section 3. */
#include "manifest/taxonomy/taxonomy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LIST_BYTES 480

void plumb__terms_complete(plumb__terms *out, const plumb__terms *from)
{
    if (out->profile == PLUMB__INTERN_NONE) {
        out->profile = from->profile;
        out->depth_name = from->depth_name;
    }
    if (isnan(out->step_nats)) out->step_nats = from->step_nats;
    if (isnan(out->run_nats)) out->run_nats = from->run_nats;
    if (isnan(out->weight)) out->weight = from->weight;
}

static plumb_status find(const char *what, const plumb__taxonomy *t, plumb__entry_kind kind,
                         const char *name, uint32_t *out, plumb_error *err)
{
    const plumb__entries *entries = &t->entries[kind];
    char known[LIST_BYTES];
    *out = PLUMB__INTERN_NONE;
    if (name == NULL || entries->names.n == 0) return PLUMB_OK;
    *out = plumb__intern_find(&entries->names, name, strlen(name));
    if (*out != PLUMB__INTERN_NONE) return PLUMB_OK;
    plumb__names_list(&entries->names, known, sizeof known);
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"%s\": the taxonomy has no %s \"%.80s\"; it has %s", what,
                       plumb__kind_word(kind), plumb__kind_word(kind), name, known);
}

plumb_status plumb__refs_find(const char *what, const plumb__taxonomy *t, const plumb__refs *refs,
                              uint32_t entries[PLUMB__ENTRY_KINDS], plumb_error *err)
{
    PLUMB_TRY(find(what, t, PLUMB__RUBRIC, refs->rubric, &entries[PLUMB__RUBRIC], err));
    PLUMB_TRY(find(what, t, PLUMB__DOMAIN, refs->domain, &entries[PLUMB__DOMAIN], err));
    return find(what, t, PLUMB__TEMPLATE, refs->template_name, &entries[PLUMB__TEMPLATE], err);
}

const plumb__component *plumb__components_of(const plumb__taxonomy *t, uint32_t template_entry,
                                             size_t *n)
{
    *n = 0;
    if (template_entry == PLUMB__INTERN_NONE) return NULL;
    const plumb__entries *templates = &t->entries[PLUMB__TEMPLATE];
    const uint32_t from = templates->at[template_entry].components_of;
    if (from == PLUMB__INTERN_NONE) return NULL;
    *n = templates->at[from].n_components;
    return templates->at[from].components;
}

plumb_status plumb__component_find(const char *what, const plumb__taxonomy *t,
                                   uint32_t template_entry, const char *name,
                                   const plumb__component **out, plumb_error *err)
{
    const plumb__entries *templates = &t->entries[PLUMB__TEMPLATE];
    char known[LIST_BYTES] = "";
    size_t n, used = 0;
    *out = NULL;
    if (name == NULL || templates->names.n == 0) return PLUMB_OK;
    if (template_entry == PLUMB__INTERN_NONE) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"component\" needs the record's \"template\"", what);
    }
    const plumb__component *list = plumb__components_of(t, template_entry, &n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0) {
            *out = &list[i];
            return PLUMB_OK;
        }
        if (used + strlen(list[i].name) + 8 > sizeof known) continue;
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                                 list[i].name);
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"component\": template \"%.80s\" has no component \"%.80s\"; it "
                       "has %s",
                       what, plumb__intern_text(&templates->names, template_entry), name,
                       n > 0 ? known : "none");
}

/* What the record itself states, against every entry that it is under. */
plumb_status plumb__terms_check(const char *what, const plumb__taxonomy *t,
                                const uint32_t entries[PLUMB__ENTRY_KINDS], const plumb__terms *own,
                                plumb_error *err)
{
    for (int kind = 0; kind < PLUMB__ENTRY_KINDS; kind++) {
        if (entries[kind] == PLUMB__INTERN_NONE) continue;
        const uint32_t over = t->entries[kind].at[entries[kind]].bounds_of;
        if (over == PLUMB__INTERN_NONE) continue;
        PLUMB_TRY(plumb__bounds_check(what, t, (plumb__entry_kind)kind, over, own, err));
    }
    return PLUMB_OK;
}

plumb_status plumb__terms_resolve(const char *what, const plumb__taxonomy *t,
                                  const plumb__refs *refs, const plumb__terms *own,
                                  plumb__terms *out, plumb_error *err)
{
    static const plumb__entry_kind order[] = {PLUMB__TEMPLATE, PLUMB__RUBRIC, PLUMB__DOMAIN};
    const plumb__terms built_in = {t->name_profile[0], 0, NAN, NAN, 1.0}; /* name 0 is "all" */
    const plumb__component *component = NULL;
    uint32_t entries[PLUMB__ENTRY_KINDS];
    PLUMB_TRY(plumb__refs_find(what, t, refs, entries, err));
    PLUMB_TRY(plumb__terms_check(what, t, entries, own, err));
    PLUMB_TRY(
        plumb__component_find(what, t, entries[PLUMB__TEMPLATE], refs->component, &component, err));
    *out = *own;
    if (component != NULL && out->profile == PLUMB__INTERN_NONE) {
        out->profile = component->profile;
        out->depth_name = component->depth_name;
    }
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const uint32_t number = entries[order[i]];
        if (number == PLUMB__INTERN_NONE) continue;
        plumb__terms_complete(out, &t->entries[order[i]].at[number].terms);
    }
    plumb__terms_complete(out, &t->defaults);
    plumb__terms_complete(out, &built_in);
    return PLUMB_OK;
}
