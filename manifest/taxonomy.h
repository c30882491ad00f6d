/* What a manifest's taxonomy says: named depth profiles, the terms of rubrics, defaults; and the
 * pool of all distinct profiles of the manifest. */
#ifndef PLUMB_MANIFEST_TAXONOMY_H
#define PLUMB_MANIFEST_TAXONOMY_H

#include "base/json.h"
#include "manifest/intern.h"
#include "manifest/profile.h"

/* Depth, budgets and weight, where stated. */
typedef struct plumb__terms {
    uint32_t profile;           /* PLUMB__INTERN_NONE: not stated */
    uint32_t depth_name;        /* into names; PLUMB__INTERN_NONE: inline or not stated */
    double step_nats, run_nats; /* NaN: not stated */
    double weight;              /* NaN: not stated */
} plumb__terms;

typedef struct plumb__taxonomy {
    plumb__intern texts; /* canonical text of a profile -> its number */
    plumb__profile **profiles;
    size_t profiles_capacity;
    plumb__intern names; /* depth names -> name_profile */
    uint32_t *name_profile;
    size_t name_capacity;
    plumb__intern rubrics; /* "name@version" -> rubric_terms */
    plumb__terms *rubric_terms;
    size_t rubric_capacity;
    plumb__terms defaults;
} plumb__taxonomy;

/* `value` NULL: only the built-in names, "all" (1 everywhere) and "none". */
plumb_status plumb__taxonomy_read(const char *what, const json_t *value, plumb__taxonomy *out,
                                  plumb_error *err) PLUMB_MUST_CHECK;
void plumb__taxonomy_free(plumb__taxonomy *taxonomy);

/* Reads the fields "depth", "budget", "weight" of a record, rubric or defaults. */
plumb_status plumb__terms_read(const char *what, const json_t *obj, plumb__taxonomy *taxonomy,
                               plumb__terms *out, plumb_error *err) PLUMB_MUST_CHECK;
/* The field "weight"; *out stays as it is where there is none. */
plumb_status plumb__weight_read(const char *what, const json_t *obj, double *out,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* A depth: a known name or a profile object. */
plumb_status plumb__depth_read(const char *what, const json_t *value, plumb__taxonomy *taxonomy,
                               uint32_t *profile, uint32_t *name,
                               plumb_error *err) PLUMB_MUST_CHECK;
/* What a record names in the taxonomy; NULL: nothing. */
typedef struct plumb__refs {
    const char *rubric, *domain, *template_name, *component, *parent;
} plumb__refs;
/* Every term of a record by the rule of docs/formats/manifest.md section 3, checked against what
 * its entries let a record state. profile and weight are always set in *out. Reads only. */
plumb_status plumb__terms_resolve(const char *what, const plumb__taxonomy *taxonomy,
                                  const plumb__refs *refs, const plumb__terms *own,
                                  plumb__terms *out, plumb_error *err) PLUMB_MUST_CHECK;
/* The terms of a rubric, or NULL; an unknown rubric is an error once the taxonomy lists any. */
plumb_status plumb__rubric_find(const char *what, const plumb__taxonomy *taxonomy,
                                const char *rubric, const plumb__terms **out,
                                plumb_error *err) PLUMB_MUST_CHECK;

#endif
