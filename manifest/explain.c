/* Where the terms of a record come from. */
#include "base/alloc.h"
#include "manifest/manifest_object.h"

#include <math.h>
#include <string.h>

static const plumb__terms nothing_stated = {PLUMB__INTERN_NONE, PLUMB__INTERN_NONE, NAN, NAN, NAN};

static const char *origin_of(bool record, bool rubric, bool defaults, const char *otherwise)
{
    if (record) return "record";
    if (rubric) return "rubric";
    return defaults ? "defaults" : otherwise;
}

static void explain_depth(const plumb__taxonomy *t, const plumb__terms *own,
                          const plumb__terms *rubric, plumb_explanation *out)
{
    const bool from_record = own->profile != PLUMB__INTERN_NONE;
    const bool from_rubric = rubric->profile != PLUMB__INTERN_NONE;
    const bool from_defaults = t->defaults.profile != PLUMB__INTERN_NONE;
    out->depth_from = origin_of(from_record, from_rubric, from_defaults, "built in");
    const plumb__terms *source = from_record ? own : from_rubric ? rubric : &t->defaults;
    const char *name = plumb__intern_text(&t->names, source->depth_name);
    if (name == NULL) name = source->profile != PLUMB__INTERN_NONE ? "(inline)" : "all";
    strncpy(out->depth_name, name, sizeof out->depth_name - 1);
}

static void explain_terms(const plumb__taxonomy *t, const plumb__terms *own,
                          const plumb__terms *rubric, plumb_explanation *out)
{
    const plumb__terms *d = &t->defaults;
    explain_depth(t, own, rubric, out);
    out->step_budget_from =
        origin_of(!isnan(own->step_nats), !isnan(rubric->step_nats), !isnan(d->step_nats), NULL);
    out->run_budget_from =
        origin_of(!isnan(own->run_nats), !isnan(rubric->run_nats), !isnan(d->run_nats), NULL);
    out->weight_from =
        origin_of(!isnan(own->weight), !isnan(rubric->weight), !isnan(d->weight), "built in");
}

/* What the record itself states. The line was checked when the manifest was opened. */
static plumb__terms own_terms(const plumb__taxonomy *t, const json_t *obj)
{
    plumb__terms out = nothing_stated;
    const json_t *depth = json_object_get(obj, "depth"), *budget = json_object_get(obj, "budget");
    const json_t *weight = json_object_get(obj, "weight");
    const json_t *step = json_object_get(budget, "step"), *run = json_object_get(budget, "run");
    if (depth != NULL) out.profile = 0; /* any number: that there is one matters */
    if (json_is_string(depth)) {
        const char *name = json_string_value(depth);
        out.depth_name = plumb__intern_find(&t->names, name, strlen(name));
    }
    if (weight != NULL) out.weight = json_number_value(weight);
    if (step != NULL) out.step_nats = json_number_value(step);
    if (run != NULL) out.run_nats = json_number_value(run);
    return out;
}

/* The table keeps results only, so the line is read once more. */
plumb_status plumb_manifest_explain(const plumb_manifest *m, uint32_t number,
                                    plumb_explanation *out, plumb_error *err)
{
    const plumb__taxonomy *t = &m->taxonomy;
    const plumb__terms *rubric = NULL;
    json_t *obj = NULL;
    size_t n;
    char *line = NULL;
    *out = (plumb_explanation){.size = sizeof *out, .version = 1};
    PLUMB_TRY(plumb_manifest_line(m, number, &line, &n, err));
    const plumb_status parsed = plumb__json_parse("record", line, n, &obj, err);
    plumb__free(line);
    PLUMB_TRY(parsed);
    const char *name = json_string_value(json_object_get(obj, "rubric"));
    const plumb_status status = plumb__rubric_find("record", t, name, &rubric, err);
    if (status == PLUMB_OK) {
        const plumb__terms own = own_terms(t, obj);
        explain_terms(t, &own, rubric != NULL ? rubric : &nothing_stated, out);
    }
    json_decref(obj);
    return status;
}
