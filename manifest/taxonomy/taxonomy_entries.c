/* Rubrics, domains and templates: their fields, and what an entry takes from its ancestors. All
 * names of a kind are known before any entry is read, because one may inherit from a later one. */
#include "manifest/taxonomy/taxonomy.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "manifest/names.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_ANCESTORS 16
#define MAX_COMPONENTS 256
#define MAX_TEXT_BYTES 1024
#define PLACE_BYTES 512
#define LIST_BYTES 480

static const char *const recombinations[PLUMB__RECOMBINATIONS] = {"sum", "normalised", "mean"};

const char *plumb__kind_word(plumb__entry_kind kind)
{
    static const char *const words[PLUMB__ENTRY_KINDS] = {"rubric", "domain", "template"};
    return words[kind];
}

const char *plumb__kind_plural(plumb__entry_kind kind)
{
    static const char *const words[PLUMB__ENTRY_KINDS] = {"rubrics", "domains", "templates"};
    return words[kind];
}

const char *plumb__recombination_word(int recombination)
{
    return recombinations[recombination];
}

void plumb__names_list(const plumb__intern *names, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < names->n; i++) {
        const char *name = plumb__intern_text(names, i);
        if (used + strlen(name) + 8 > size) {
            snprintf(out + used, size - used, ", …");
            return;
        }
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "", name);
    }
}

void plumb__entries_free(plumb__entries *entries)
{
    for (uint32_t i = 0; entries->at != NULL && i < entries->names.n; i++) {
        plumb__entry *e = &entries->at[i];
        for (size_t c = 0; e->components != NULL && c < e->n_components; c++) {
            plumb__free(e->components[c].name);
        }
        plumb__free(e->components);
        plumb__free(e->bounds.depths);
    }
    plumb__free(entries->at);
    plumb__intern_free(&entries->names);
}

/* ---- names ---- */

static plumb_status check_name(const char *what, plumb__entry_kind kind, const char *name,
                               plumb_error *err)
{
    if (plumb__entry_name_valid(name, kind != PLUMB__DOMAIN)) return PLUMB_OK;
    if (!plumb__text_is_plain(name, strlen(name), PLUMB__TAXONOMY_NAME_MAX)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: a name must have 1 to %d bytes without control characters", what,
                           PLUMB__TAXONOMY_NAME_MAX);
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: must be named %s", what,
                       kind == PLUMB__DOMAIN ? "name or name@version" : "name@version");
}

static plumb_status add_names(const char *what, const json_t *list, plumb__entry_kind kind,
                              plumb__entries *entries, plumb_error *err)
{
    char place[PLACE_BYTES];
    const char *name;
    json_t *entry;
    json_object_foreach((json_t *)(uintptr_t)list, name, entry)
    {
        uint32_t number;
        snprintf(place, sizeof place, "%.380s: %s \"%.80s\"", what, plumb__kind_word(kind), name);
        PLUMB_TRY(check_name(place, kind, name, err));
        PLUMB_TRY(plumb__grow(&entries->at, &entries->capacity, (size_t)entries->names.n + 1,
                              sizeof *entries->at, "taxonomy", err));
        PLUMB_TRY(plumb__intern_add(&entries->names, name, strlen(name), &number, err));
        entries->at[number] = (plumb__entry){.parent = PLUMB__INTERN_NONE,
                                             .stated = PLUMB__NO_TERMS,
                                             .tenant = PLUMB__NO_TERMS,
                                             .terms = PLUMB__NO_TERMS,
                                             .bounds_of = PLUMB__INTERN_NONE,
                                             .components_of = PLUMB__INTERN_NONE,
                                             .recombine = -1,
                                             .tenant_recombine = -1};
    }
    return PLUMB_OK;
}

/* ---- templates ---- */

static plumb_status read_component(const char *what, const json_t *obj, plumb__taxonomy *t,
                                   plumb__component *out, plumb_error *err)
{
    static const char *const allowed[] = {"name", "weight", "depth", "required", NULL};
    const json_t *depth = json_object_get(obj, "depth");
    const char *name = NULL;
    *out = (plumb__component){
        .weight = 1.0, .profile = PLUMB__INTERN_NONE, .depth_name = PLUMB__INTERN_NONE};
    PLUMB_TRY(plumb__json_string(what, obj, "name", true, &name, err));
    PLUMB_TRY(plumb__json_only(what, obj, allowed, err));
    if (!plumb__text_is_plain(name, strlen(name), PLUMB__TAXONOMY_NAME_MAX)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"name\" must have 1 to %d bytes without control characters",
                           what, PLUMB__TAXONOMY_NAME_MAX);
    }
    PLUMB_TRY(plumb__weight_read(what, obj, &out->weight, err));
    PLUMB_TRY(plumb__json_bool(what, obj, "required", false, &out->required, err));
    if (depth != NULL) {
        PLUMB_TRY(plumb__depth_read(what, depth, t, &out->profile, &out->depth_name, err));
    }
    return plumb__strdup(&out->name, name, err);
}

static plumb_status read_components(const char *what, const json_t *obj, plumb__taxonomy *t,
                                    plumb__entry *e, plumb_error *err)
{
    const json_t *list = NULL;
    char place[PLACE_BYTES];
    PLUMB_TRY(plumb__json_array(what, obj, "components", false, &list, err));
    if (list == NULL) return PLUMB_OK;
    const size_t n = json_array_size(list);
    if (n == 0 || n > MAX_COMPONENTS) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"components\" must have 1 to %d entries, found %zu", what,
                           MAX_COMPONENTS, n);
    }
    PLUMB_TRY(plumb__alloc(&e->components, n, sizeof *e->components, "taxonomy", err));
    for (; e->n_components < n; e->n_components++) {
        plumb__component *c = &e->components[e->n_components];
        snprintf(place, sizeof place, "%.480s: component %zu", what, e->n_components + 1);
        PLUMB_TRY(read_component(place, json_array_get(list, e->n_components), t, c, err));
        for (size_t k = 0; k < e->n_components; k++) {
            if (strcmp(e->components[k].name, c->name) != 0) continue;
            plumb_status status = plumb__fail(
                err, PLUMB_ERR_FORMAT, "%s: the name \"%.80s\" is there twice", place, c->name);
            plumb__free(c->name);
            return status;
        }
    }
    return PLUMB_OK;
}

plumb_status plumb__recombine_read(const char *what, const json_t *obj, int *out, plumb_error *err)
{
    const char *word = NULL;
    PLUMB_TRY(plumb__json_string(what, obj, "recombine", false, &word, err));
    if (word == NULL) return PLUMB_OK;
    for (int i = 0; i < PLUMB__RECOMBINATIONS; i++) {
        if (strcmp(word, recombinations[i]) == 0) {
            *out = i;
            return PLUMB_OK;
        }
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"recombine\" must be \"sum\", \"normalised\" or \"mean\", found "
                       "\"%.80s\"",
                       what, word);
}

static bool is_date(const char *text)
{
    char full[32];
    int64_t at_s;
    if (strlen(text) == 10) {
        snprintf(full, sizeof full, "%sT00:00:00Z", text);
        return plumb__time_parse(full, &at_s);
    }
    return plumb__time_parse(text, &at_s);
}

/* How often the template's outcome was found wrong when it was validated. */
static plumb_status read_error_rate(const char *what, const json_t *obj, plumb_error *err)
{
    static const char *const allowed[] = {"rate", "items", "validated", "method", NULL};
    const json_t *rate = NULL;
    const char *validated = NULL, *method = NULL;
    double value = NAN;
    int64_t items = 0;
    char place[PLACE_BYTES];
    PLUMB_TRY(plumb__json_object(what, obj, "error_rate", false, &rate, err));
    if (rate == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%.480s: in \"error_rate\"", what);
    PLUMB_TRY(plumb__json_only(place, rate, allowed, err));
    PLUMB_TRY(plumb__json_number(place, rate, "rate", true, &value, err));
    PLUMB_TRY(plumb__json_integer(place, rate, "items", true, &items, err));
    PLUMB_TRY(plumb__json_string(place, rate, "validated", false, &validated, err));
    PLUMB_TRY(plumb__json_string(place, rate, "method", false, &method, err));
    if (!(value >= 0.0 && value <= 1.0)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"rate\" must be from 0 to 1, found %g", place, value);
    }
    if (items < 1) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"items\" must be at least 1, found %lld", place,
                           (long long)items);
    }
    if (validated == NULL || is_date(validated)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"validated\" must be a date like 2026-11-22, found \"%.80s\"",
                       place, validated);
}

/* ---- one entry ---- */

static plumb_status read_texts(const char *what, const json_t *obj, plumb_error *err)
{
    const char *digest = NULL, *text = NULL;
    PLUMB_TRY(plumb__json_string(what, obj, "definition_digest", false, &digest, err));
    PLUMB_TRY(plumb__json_string(what, obj, "description", false, &text, err));
    text = NULL;
    PLUMB_TRY(plumb__json_string(what, obj, "dimension", false, &text, err));
    if (text == NULL || plumb__text_is_plain(text, strlen(text), MAX_TEXT_BYTES)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"dimension\" must have 1 to %d bytes without control characters",
                       what, MAX_TEXT_BYTES);
}

static plumb_status read_parent(const char *what, const json_t *obj, plumb__entry_kind kind,
                                const plumb__entries *entries, plumb__entry *e, plumb_error *err)
{
    char known[LIST_BYTES];
    const char *name = NULL;
    PLUMB_TRY(plumb__json_string(what, obj, "inherits", false, &name, err));
    if (name == NULL) return PLUMB_OK;
    e->parent = plumb__intern_find(&entries->names, name, strlen(name));
    if (e->parent != PLUMB__INTERN_NONE) return PLUMB_OK;
    plumb__names_list(&entries->names, known, sizeof known);
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: inherits \"%.80s\", and the taxonomy has no such %s; it has %s", what,
                       name, plumb__kind_word(kind), known);
}

static plumb_status read_entry(const char *what, const json_t *obj, plumb__entry_kind kind,
                               plumb__taxonomy *t, uint32_t number, plumb_error *err)
{
    static const char *const common[] = {
        "depth",       "budget",    "weight", "inherits", "overridable", "definition_digest",
        "description", "dimension", NULL,     NULL};
    static const char *const of_template[] = {
        "depth",       "budget",     "weight",    "inherits",   "overridable", "definition_digest",
        "description", "components", "recombine", "error_rate", NULL};
    static const char *const of_domain[] = {"depth",       "budget",      "weight",
                                            "inherits",    "overridable", "definition_digest",
                                            "description", NULL};
    static const char *const *const allowed[PLUMB__ENTRY_KINDS] = {common, of_domain, of_template};
    plumb__entry *e = &t->entries[kind].at[number];
    PLUMB_TRY(plumb__json_only(what, obj, allowed[kind], err));
    PLUMB_TRY(read_texts(what, obj, err));
    PLUMB_TRY(plumb__terms_read(what, obj, t, &e->stated, err));
    PLUMB_TRY(read_parent(what, obj, kind, &t->entries[kind], e, err));
    PLUMB_TRY(plumb__bounds_read(what, obj, t, kind, &e->bounds, err));
    if (kind != PLUMB__TEMPLATE) return PLUMB_OK;
    PLUMB_TRY(read_components(what, obj, t, e, err));
    PLUMB_TRY(plumb__recombine_read(what, obj, &e->recombine, err));
    return read_error_rate(what, obj, err);
}

/* ---- ancestors ---- */

/* "a -> b -> c" of the first n of a chain. */
static void list_chain(const plumb__entries *entries, const uint32_t *chain, size_t n,
                       char out[LIST_BYTES])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        const char *name = plumb__intern_text(&entries->names, chain[i]);
        if (used + strlen(name) + 16 > LIST_BYTES) {
            snprintf(out + used, LIST_BYTES - used, " -> …");
            return;
        }
        used += (size_t)snprintf(out + used, LIST_BYTES - used, "%s%s", i > 0 ? " -> " : "", name);
    }
}

static plumb_status check_chain(const char *what, const plumb__entries *entries, uint32_t number,
                                plumb_error *err)
{
    uint32_t chain[MAX_ANCESTORS + 2];
    char names[LIST_BYTES];
    size_t n = 0;
    for (uint32_t e = number; e != PLUMB__INTERN_NONE; e = entries->at[e].parent) {
        chain[n++] = e;
        for (size_t i = 0; i + 1 < n; i++) {
            if (chain[i] != e) continue;
            list_chain(entries, chain, n, names);
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: inherits in a circle: %s", what, names);
        }
        if (n > MAX_ANCESTORS + 1) {
            list_chain(entries, chain, n, names);
            return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: inherits over more than %d levels: %s",
                               what, MAX_ANCESTORS, names);
        }
    }
    return PLUMB_OK;
}

/* The nearest of the entry and its ancestors that states bounds, from `first` on. */
static uint32_t bounds_from(const plumb__entries *entries, uint32_t first)
{
    while (first != PLUMB__INTERN_NONE && !entries->at[first].bounds.stated) {
        first = entries->at[first].parent;
    }
    return first;
}

/* An entry under one with bounds keeps to them, and can only narrow them. */
static plumb_status check_child(const char *what, const plumb__taxonomy *t, plumb__entry_kind kind,
                                uint32_t number, plumb_error *err)
{
    const plumb__entries *entries = &t->entries[kind];
    const plumb__entry *e = &entries->at[number];
    const uint32_t over = bounds_from(entries, e->parent);
    if (over == PLUMB__INTERN_NONE) return PLUMB_OK;
    PLUMB_TRY(plumb__bounds_check(what, t, kind, over, &e->stated, err));
    if (e->recombine >= 0) {
        PLUMB_TRY(plumb__bounds_check_recombine(what, t, over, e->recombine, err));
    }
    if (e->components != NULL) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"components\" may not be stated: template \"%s\" has an "
                           "\"overridable\", under which components stay as they are",
                           what, plumb__intern_text(&entries->names, over));
    }
    return plumb__bounds_nest(what, t, kind, number, over, err);
}

static void complete(plumb__entries *entries, uint32_t number)
{
    plumb__entry *e = &entries->at[number];
    int recombine = e->tenant_recombine;
    e->terms = e->tenant;
    e->bounds_of = bounds_from(entries, number);
    e->components_of = PLUMB__INTERN_NONE;
    for (uint32_t a = number; a != PLUMB__INTERN_NONE; a = entries->at[a].parent) {
        const plumb__entry *ancestor = &entries->at[a];
        plumb__terms_complete(&e->terms, &ancestor->stated);
        if (recombine < 0) recombine = ancestor->recombine;
        if (e->components_of == PLUMB__INTERN_NONE && ancestor->components != NULL) {
            e->components_of = a;
        }
    }
    e->recombination = recombine < 0 ? PLUMB__RECOMBINE_SUM : (plumb__recombination)recombine;
}

/* ---- tenant ---- */

static plumb_status read_override(const char *what, const json_t *obj, plumb__entry_kind kind,
                                  plumb__taxonomy *t, uint32_t number, plumb_error *err)
{
    static const char *const terms[] = {"depth", "budget", "weight", NULL};
    static const char *const template_terms[] = {"depth", "budget", "weight", "recombine", NULL};
    plumb__entry *e = &t->entries[kind].at[number];
    PLUMB_TRY(plumb__json_only(what, obj, kind == PLUMB__TEMPLATE ? template_terms : terms, err));
    PLUMB_TRY(plumb__terms_read(what, obj, t, &e->tenant, err));
    PLUMB_TRY(plumb__recombine_read(what, obj, &e->tenant_recombine, err));
    const uint32_t over = bounds_from(&t->entries[kind], number);
    if (over == PLUMB__INTERN_NONE) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: a tenant may change nothing of it: it has no \"overridable\"",
                           what);
    }
    if (e->tenant_recombine >= 0) {
        PLUMB_TRY(plumb__bounds_check_recombine(what, t, over, e->tenant_recombine, err));
    }
    return plumb__bounds_check(what, t, kind, over, &e->tenant, err);
}

static plumb_status read_overrides(const char *what, const json_t *list, plumb__entry_kind kind,
                                   plumb__taxonomy *t, plumb_error *err)
{
    char place[PLACE_BYTES], known[LIST_BYTES];
    const char *name;
    json_t *obj;
    json_object_foreach((json_t *)(uintptr_t)list, name, obj)
    {
        const uint32_t number = plumb__intern_find(&t->entries[kind].names, name, strlen(name));
        snprintf(place, sizeof place, "%.380s: %s \"%.80s\"", what, plumb__kind_word(kind), name);
        if (number == PLUMB__INTERN_NONE) {
            plumb__names_list(&t->entries[kind].names, known, sizeof known);
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: the taxonomy has no such %s; it has %s",
                               place, plumb__kind_word(kind), known[0] != '\0' ? known : "none");
        }
        PLUMB_TRY(read_override(place, obj, kind, t, number, err));
    }
    return PLUMB_OK;
}

static plumb_status read_tenant(const char *what, const json_t *value, plumb__taxonomy *t,
                                plumb_error *err)
{
    static const char *const allowed[] = {"rubrics", "domains", "templates", NULL};
    const json_t *tenant = NULL, *list;
    char place[PLACE_BYTES];
    PLUMB_TRY(plumb__json_object(what, value, "tenant", false, &tenant, err));
    if (tenant == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%.480s: in \"tenant\"", what);
    PLUMB_TRY(plumb__json_only(place, tenant, allowed, err));
    for (int kind = 0; kind < PLUMB__ENTRY_KINDS; kind++) {
        list = NULL;
        PLUMB_TRY(plumb__json_object(place, tenant, plumb__kind_plural((plumb__entry_kind)kind),
                                     false, &list, err));
        PLUMB_TRY(read_overrides(place, list, (plumb__entry_kind)kind, t, err));
    }
    return PLUMB_OK;
}

/* ---- all of them ---- */

static plumb_status read_kind(const char *what, const json_t *value, plumb__entry_kind kind,
                              plumb__taxonomy *t, plumb_error *err)
{
    const json_t *list = NULL;
    const char *name;
    json_t *obj;
    char place[PLACE_BYTES];
    plumb__entries *entries = &t->entries[kind];
    PLUMB_TRY(plumb__json_object(what, value, plumb__kind_plural(kind), false, &list, err));
    PLUMB_TRY(add_names(what, list, kind, entries, err));
    json_object_foreach((json_t *)(uintptr_t)list, name, obj)
    {
        snprintf(place, sizeof place, "%.380s: %s \"%.80s\"", what, plumb__kind_word(kind), name);
        PLUMB_TRY(read_entry(place, obj, kind, t,
                             plumb__intern_find(&entries->names, name, strlen(name)), err));
    }
    for (uint32_t i = 0; i < entries->names.n; i++) {
        snprintf(place, sizeof place, "%.380s: %s \"%.80s\"", what, plumb__kind_word(kind),
                 plumb__intern_text(&entries->names, i));
        PLUMB_TRY(check_chain(place, entries, i, err));
    }
    for (uint32_t i = 0; i < entries->names.n; i++) {
        snprintf(place, sizeof place, "%.380s: %s \"%.80s\"", what, plumb__kind_word(kind),
                 plumb__intern_text(&entries->names, i));
        PLUMB_TRY(check_child(place, t, kind, i, err));
    }
    return PLUMB_OK;
}

plumb_status plumb__entries_read(const char *what, const json_t *value, plumb__taxonomy *t,
                                 plumb_error *err)
{
    for (int kind = 0; kind < PLUMB__ENTRY_KINDS; kind++) {
        PLUMB_TRY(read_kind(what, value, (plumb__entry_kind)kind, t, err));
    }
    PLUMB_TRY(read_tenant(what, value, t, err));
    for (int kind = 0; kind < PLUMB__ENTRY_KINDS; kind++) {
        for (uint32_t i = 0; i < t->entries[kind].names.n; i++) {
            complete(&t->entries[kind], i);
        }
    }
    return PLUMB_OK;
}
