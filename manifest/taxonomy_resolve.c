/* Which of the many places that may state a term wins: docs/formats/manifest.md section 3. */
#include "manifest/taxonomy.h"

#include <math.h>

static void take_missing(plumb__terms *out, const plumb__terms *from)
{
    if (out->profile == PLUMB__INTERN_NONE) {
        out->profile = from->profile;
        out->depth_name = from->depth_name;
    }
    if (isnan(out->step_nats)) out->step_nats = from->step_nats;
    if (isnan(out->run_nats)) out->run_nats = from->run_nats;
    if (isnan(out->weight)) out->weight = from->weight;
}

plumb_status plumb__terms_resolve(const char *what, const plumb__taxonomy *t,
                                  const plumb__refs *refs, const plumb__terms *own,
                                  plumb__terms *out, plumb_error *err)
{
    const plumb__terms built_in = {t->name_profile[0], 0, NAN, NAN, 1.0}; /* name 0 is "all" */
    const plumb__terms *rubric = NULL;
    PLUMB_TRY(plumb__rubric_find(what, t, refs->rubric, &rubric, err));
    *out = *own;
    if (rubric != NULL) take_missing(out, rubric);
    take_missing(out, &t->defaults);
    take_missing(out, &built_in);
    return PLUMB_OK;
}
