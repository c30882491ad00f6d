/* "overridable": what those under an entry - children, records, a tenant - may state, and from what
 * to what. An entry without it leaves everything free to children and records, and nothing to a
 * tenant. */
#include "manifest/taxonomy/taxonomy.h"

#include "base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_DEPTHS 256
#define PLACE_BYTES 512
#define LIST_BYTES 480

static const plumb__range nothing = {NAN, NAN};

/* ---- reading ---- */

static plumb_status read_range(const char *what, const json_t *obj, const char *name, double least,
                               plumb__range *out, plumb_error *err)
{
    const json_t *pair = json_object_get(obj, name);
    *out = nothing;
    if (pair == NULL) return PLUMB_OK;
    const json_t *low = json_array_get(pair, 0), *high = json_array_get(pair, 1);
    if (json_array_size(pair) != 2 || !json_is_number(low) || !json_is_number(high)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"%s\" must be two numbers [from, to]",
                           what, name);
    }
    out->low = json_number_value(low);
    out->high = json_number_value(high);
    if (out->low >= least && out->high >= out->low) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"%s\" must be a range of numbers from %g on, found %g to %g",
                       what, name, least, out->low, out->high);
}

static plumb_status read_depths(const char *what, const json_t *obj, const plumb__taxonomy *t,
                                plumb__bounds *out, plumb_error *err)
{
    const json_t *list = NULL;
    char known[LIST_BYTES];
    PLUMB_TRY(plumb__json_array(what, obj, "depth", false, &list, err));
    if (list == NULL) return PLUMB_OK;
    const size_t n = json_array_size(list);
    if (n == 0 || n > MAX_DEPTHS) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"depth\" must list 1 to %d names of depths", what,
                           MAX_DEPTHS);
    }
    PLUMB_TRY(plumb__alloc(&out->depths, n, sizeof *out->depths, "taxonomy", err));
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        const uint32_t number =
            name == NULL ? PLUMB__INTERN_NONE : plumb__intern_find(&t->names, name, strlen(name));
        if (number == PLUMB__INTERN_NONE) {
            plumb__names_list(&t->names, known, sizeof known);
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: field \"depth\": entry %zu must be the name of a depth; known "
                               "are %s",
                               what, i + 1, known);
        }
        out->depths[out->n_depths++] = number;
    }
    return PLUMB_OK;
}

static plumb_status read_recombine(const char *what, const json_t *obj, plumb__bounds *out,
                                   plumb_error *err)
{
    const json_t *list = NULL;
    PLUMB_TRY(plumb__json_array(what, obj, "recombine", false, &list, err));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        int found = -1;
        for (int k = 0; word != NULL && k < PLUMB__RECOMBINATIONS; k++) {
            if (strcmp(word, plumb__recombination_word(k)) == 0) found = k;
        }
        if (found < 0) {
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: field \"recombine\": entry %zu must be \"sum\", \"normalised\" "
                               "or \"mean\"",
                               what, i + 1);
        }
        out->recombine[found] = true;
    }
    return PLUMB_OK;
}

plumb_status plumb__bounds_read(const char *what, const json_t *obj, const plumb__taxonomy *t,
                                plumb__entry_kind kind, plumb__bounds *out, plumb_error *err)
{
    static const char *const allowed[] = {"weight", "depth", "budget.step", "budget.run", NULL};
    static const char *const of_template[] = {
        "weight", "depth", "budget.step", "budget.run", "component.weight", "recombine", NULL};
    const json_t *bounds = NULL;
    char place[PLACE_BYTES];
    PLUMB_TRY(plumb__json_object(what, obj, "overridable", false, &bounds, err));
    if (bounds == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%.480s: in \"overridable\"", what);
    PLUMB_TRY(
        plumb__json_only(place, bounds, kind == PLUMB__TEMPLATE ? of_template : allowed, err));
    out->stated = true;
    PLUMB_TRY(read_range(place, bounds, "weight", 0.0, &out->weight, err));
    PLUMB_TRY(read_range(place, bounds, "budget.step", 0.0, &out->step, err));
    PLUMB_TRY(read_range(place, bounds, "budget.run", 0.0, &out->run, err));
    PLUMB_TRY(read_range(place, bounds, "component.weight", 0.0, &out->component_weight, err));
    PLUMB_TRY(read_depths(place, bounds, t, out, err));
    return read_recombine(place, bounds, out, err);
}

/* ---- checking what is stated ---- */

static const plumb__bounds *bounds_at(const plumb__taxonomy *t, plumb__entry_kind kind,
                                      uint32_t entry)
{
    return &t->entries[kind].at[entry].bounds;
}

static const char *name_of(const plumb__taxonomy *t, plumb__entry_kind kind, uint32_t entry)
{
    return plumb__intern_text(&t->entries[kind].names, entry);
}

/* The terms that an entry does let others state. */
static void list_terms(const plumb__bounds *b, char out[LIST_BYTES])
{
    const struct {
        const char *name;
        bool open;
    } terms[] = {{"weight", !isnan(b->weight.low)},
                 {"depth", b->n_depths > 0},
                 {"budget.step", !isnan(b->step.low)},
                 {"budget.run", !isnan(b->run.low)},
                 {"component.weight", !isnan(b->component_weight.low)},
                 {"recombine", b->recombine[0] || b->recombine[1] || b->recombine[2]}};
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        if (!terms[i].open) continue;
        used += (size_t)snprintf(out + used, LIST_BYTES - used, "%s%s", used > 0 ? ", " : "",
                                 terms[i].name);
    }
    if (used == 0) snprintf(out, LIST_BYTES, "nothing");
}

static plumb_status not_open(const char *what, const plumb__taxonomy *t, plumb__entry_kind kind,
                             uint32_t entry, const char *term, plumb_error *err)
{
    char open[LIST_BYTES];
    list_terms(bounds_at(t, kind, entry), open);
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"%s\" may not be stated: %s \"%.80s\" leaves open %s", what,
                       term, plumb__kind_word(kind), name_of(t, kind, entry), open);
}

static plumb_status check_number(const char *what, const plumb__taxonomy *t, plumb__entry_kind kind,
                                 uint32_t entry, const char *term, plumb__range range, double value,
                                 plumb_error *err)
{
    if (isnan(value)) return PLUMB_OK;
    if (isnan(range.low)) return not_open(what, t, kind, entry, term, err);
    if (value >= range.low && value <= range.high) return PLUMB_OK;
    return plumb__fail(
        err, PLUMB_ERR_FORMAT, "%s: field \"%s\" is %g, but %s \"%.80s\" allows %g to %g", what,
        term, value, plumb__kind_word(kind), name_of(t, kind, entry), range.low, range.high);
}

static void list_depths(const plumb__taxonomy *t, const plumb__bounds *b, char out[LIST_BYTES])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < b->n_depths; i++) {
        const char *name = plumb__intern_text(&t->names, b->depths[i]);
        if (used + strlen(name) + 8 > LIST_BYTES) {
            snprintf(out + used, LIST_BYTES - used, ", …");
            return;
        }
        used += (size_t)snprintf(out + used, LIST_BYTES - used, "%s%s", i > 0 ? ", " : "", name);
    }
}

static bool allows_depth(const plumb__taxonomy *t, const plumb__bounds *b, uint32_t profile)
{
    for (size_t i = 0; i < b->n_depths; i++) {
        if (t->name_profile[b->depths[i]] == profile) return true;
    }
    return false;
}

static plumb_status check_depth(const char *what, const plumb__taxonomy *t, plumb__entry_kind kind,
                                uint32_t entry, const plumb__terms *stated, plumb_error *err)
{
    const plumb__bounds *b = bounds_at(t, kind, entry);
    char open[LIST_BYTES];
    if (stated->profile == PLUMB__INTERN_NONE) return PLUMB_OK;
    if (b->n_depths == 0) return not_open(what, t, kind, entry, "depth", err);
    if (allows_depth(t, b, stated->profile)) return PLUMB_OK;
    list_depths(t, b, open);
    const char *name = plumb__intern_text(&t->names, stated->depth_name);
    return plumb__fail(
        err, PLUMB_ERR_FORMAT, "%s: field \"depth\" is %s%.80s%s, but %s \"%.80s\" allows %s", what,
        name != NULL ? "\"" : "", name != NULL ? name : "a profile of its own",
        name != NULL ? "\"" : "", plumb__kind_word(kind), name_of(t, kind, entry), open);
}

plumb_status plumb__bounds_check(const char *what, const plumb__taxonomy *t, plumb__entry_kind kind,
                                 uint32_t entry, const plumb__terms *stated, plumb_error *err)
{
    const plumb__bounds *b = bounds_at(t, kind, entry);
    if (!b->stated) return PLUMB_OK;
    PLUMB_TRY(check_depth(what, t, kind, entry, stated, err));
    PLUMB_TRY(check_number(what, t, kind, entry, "weight", b->weight, stated->weight, err));
    PLUMB_TRY(check_number(what, t, kind, entry, "budget.step", b->step, stated->step_nats, err));
    return check_number(what, t, kind, entry, "budget.run", b->run, stated->run_nats, err);
}

plumb_status plumb__bounds_check_component(const char *what, const plumb__taxonomy *t,
                                           uint32_t template_entry, double weight, plumb_error *err)
{
    const plumb__bounds *b = bounds_at(t, PLUMB__TEMPLATE, template_entry);
    if (!b->stated) return PLUMB_OK;
    return check_number(what, t, PLUMB__TEMPLATE, template_entry, "component.weight",
                        b->component_weight, weight, err);
}

plumb_status plumb__bounds_check_recombine(const char *what, const plumb__taxonomy *t,
                                           uint32_t template_entry, int recombine, plumb_error *err)
{
    const plumb__bounds *b = bounds_at(t, PLUMB__TEMPLATE, template_entry);
    if (!b->stated || b->recombine[recombine]) return PLUMB_OK;
    if (!b->recombine[0] && !b->recombine[1] && !b->recombine[2])
        return not_open(what, t, PLUMB__TEMPLATE, template_entry, "recombine", err);
    char open[LIST_BYTES] = "";
    size_t used = 0;
    for (int i = 0; i < PLUMB__RECOMBINATIONS; i++) {
        if (!b->recombine[i]) continue;
        used += (size_t)snprintf(open + used, sizeof open - used, "%s%s", used > 0 ? ", " : "",
                                 plumb__recombination_word(i));
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"recombine\" is \"%s\", but template \"%.80s\" allows %s", what,
                       plumb__recombination_word(recombine),
                       name_of(t, PLUMB__TEMPLATE, template_entry), open);
}

/* ---- bounds within bounds ---- */

static plumb_status nest_range(const char *what, const plumb__taxonomy *t, plumb__entry_kind kind,
                               uint32_t parent, const char *term, plumb__range inner,
                               plumb__range outer, plumb_error *err)
{
    char place[PLACE_BYTES];
    if (isnan(inner.low)) return PLUMB_OK;
    snprintf(place, sizeof place, "%.480s: in \"overridable\"", what);
    PLUMB_TRY(check_number(place, t, kind, parent, term, outer, inner.low, err));
    return check_number(place, t, kind, parent, term, outer, inner.high, err);
}

plumb_status plumb__bounds_nest(const char *what, const plumb__taxonomy *t, plumb__entry_kind kind,
                                uint32_t entry, uint32_t parent, plumb_error *err)
{
    const plumb__bounds *in = bounds_at(t, kind, entry), *out = bounds_at(t, kind, parent);
    char place[PLACE_BYTES];
    if (!in->stated) return PLUMB_OK;
    PLUMB_TRY(nest_range(what, t, kind, parent, "weight", in->weight, out->weight, err));
    PLUMB_TRY(nest_range(what, t, kind, parent, "budget.step", in->step, out->step, err));
    PLUMB_TRY(nest_range(what, t, kind, parent, "budget.run", in->run, out->run, err));
    PLUMB_TRY(nest_range(what, t, kind, parent, "component.weight", in->component_weight,
                         out->component_weight, err));
    snprintf(place, sizeof place, "%.480s: in \"overridable\"", what);
    for (size_t i = 0; i < in->n_depths; i++) {
        const plumb__terms depth = {.profile = t->name_profile[in->depths[i]],
                                    .depth_name = in->depths[i],
                                    .step_nats = NAN,
                                    .run_nats = NAN,
                                    .weight = NAN};
        PLUMB_TRY(check_depth(place, t, kind, parent, &depth, err));
    }
    for (int i = 0; kind == PLUMB__TEMPLATE && i < PLUMB__RECOMBINATIONS; i++) {
        if (in->recombine[i]) PLUMB_TRY(plumb__bounds_check_recombine(place, t, parent, i, err));
    }
    return PLUMB_OK;
}
