/* How the parts of one task add up to one training signal (docs/formats/manifest.md section 3):
 * segments of a record, or records that are components of one parent. */
#include "manifest/taxonomy/recombine.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

plumb_status plumb__recombine_check(const char *what, plumb__recombination how, double sum,
                                    size_t n, plumb_error *err)
{
    if (how != PLUMB__RECOMBINE_NORMALISED || sum > 0.0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: the weights of its %zu components add up to 0 and cannot be normalised",
                       what, n);
}

double plumb__recombine_share(plumb__recombination how, double weight, double sum, size_t n)
{
    switch (how) {
    case PLUMB__RECOMBINE_NORMALISED: return weight / sum;
    case PLUMB__RECOMBINE_MEAN: return weight / (double)n;
    case PLUMB__RECOMBINE_SUM:
    case PLUMB__RECOMBINATIONS: break;
    }
    return weight;
}

/* ---- records of one parent ---- */

typedef struct sibling {
    uint32_t parent, template_entry, record;
    const plumb__component *component;
} sibling;

/* In the order of the file within one group: sums are then the same wherever they are made. */
static int by_group(const void *left, const void *right)
{
    const sibling *a = left, *b = right;
    if (a->parent != b->parent) return a->parent < b->parent ? -1 : 1;
    if (a->template_entry != b->template_entry) {
        return a->template_entry < b->template_entry ? -1 : 1;
    }
    return a->record < b->record ? -1 : a->record > b->record;
}

/* Which component of which template a record is; checked when the record was read. */
static bool component_of(const plumb__table *t, const plumb__taxonomy *taxonomy, uint32_t record,
                         sibling *out)
{
    const plumb__class c = plumb__table_class(t, record);
    const plumb__intern *templates = &taxonomy->entries[PLUMB__TEMPLATE].names;
    out->record = record;
    out->parent = plumb__table_parent(t, record);
    if (out->parent == PLUMB__INTERN_NONE || c.component == PLUMB__INTERN_NONE ||
        c.template_name == PLUMB__INTERN_NONE) {
        return false;
    }
    const char *name = plumb__table_text(t, c.template_name);
    out->template_entry = plumb__intern_find(templates, name, strlen(name));
    return plumb__component_find("", taxonomy, out->template_entry,
                                 plumb__table_text(t, c.component), &out->component,
                                 NULL) == PLUMB_OK;
}

static plumb_status gather(const plumb__table *t, const plumb__taxonomy *taxonomy, sibling **out,
                           size_t *n, plumb_error *err)
{
    size_t capacity = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        sibling s = {0};
        if (!component_of(t, taxonomy, i, &s)) continue;
        PLUMB_TRY(plumb__grow(out, &capacity, *n + 1, sizeof **out, "components", err));
        (*out)[(*n)++] = s;
    }
    return PLUMB_OK;
}

static plumb_status check_required(const char *what, const plumb__table *t,
                                   const plumb__taxonomy *taxonomy, const sibling *group, size_t n,
                                   plumb_error *err)
{
    size_t count;
    const plumb__component *list = plumb__components_of(taxonomy, group->template_entry, &count);
    for (size_t c = 0; c < count; c++) {
        bool there = !list[c].required;
        for (size_t i = 0; i < n && !there; i++) {
            there = group[i].component == &list[c];
        }
        if (there) continue;
        return plumb__fail(
            err, PLUMB_ERR_FORMAT,
            "%s: line %u: no record of parent \"%.256s\" is component \"%.80s\", which template "
            "\"%.80s\" requires",
            what, group->record + 1, plumb__table_text(t, group->parent), list[c].name,
            plumb__intern_text(&taxonomy->entries[PLUMB__TEMPLATE].names, group->template_entry));
    }
    return PLUMB_OK;
}

static plumb_status weigh(const char *what, plumb__table *t, const plumb__taxonomy *taxonomy,
                          const sibling *group, size_t n, plumb_error *err)
{
    const plumb__recombination how =
        taxonomy->entries[PLUMB__TEMPLATE].at[group->template_entry].recombination;
    double sum = 0.0;
    char place[1400];
    snprintf(place, sizeof place, "%s: line %u: parent \"%.256s\"", what, group->record + 1,
             plumb__table_text(t, group->parent));
    for (size_t i = 0; i < n; i++) {
        sum += group[i].component->weight;
    }
    PLUMB_TRY(plumb__recombine_check(place, how, sum, n, err));
    for (size_t i = 0; i < n; i++) {
        const double own = plumb__table_class(t, group[i].record).weight;
        const double share = plumb__recombine_share(how, group[i].component->weight, sum, n);
        PLUMB_TRY(plumb__table_set_weight(t, group[i].record, own * share, err));
    }
    return PLUMB_OK;
}

plumb_status plumb__siblings_recombine(const char *what, plumb__table *t,
                                       const plumb__taxonomy *taxonomy, plumb_error *err)
{
    sibling *all = NULL;
    size_t n = 0;
    plumb_status status = PLUMB_OK;
    if (taxonomy->entries[PLUMB__TEMPLATE].names.n == 0) return PLUMB_OK;
    PLUMB_TRY_CLEAN(gather(t, taxonomy, &all, &n, err));
    if (n > 0) qsort(all, n, sizeof *all, by_group);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && all[to].parent == all[from].parent &&
                            all[to].template_entry == all[from].template_entry;
             to++) {
        }
        PLUMB_TRY_CLEAN(check_required(what, t, taxonomy, all + from, to - from, err));
        PLUMB_TRY_CLEAN(weigh(what, t, taxonomy, all + from, to - from, err));
    }
cleanup:
    plumb__free(all);
    return status;
}
