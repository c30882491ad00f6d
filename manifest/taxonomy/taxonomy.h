/* What a manifest's taxonomy says (docs/formats/manifest.md section 3): named depth profiles; the
 * terms of rubrics, domains and templates; defaults; and the pool of all distinct profiles of the
 * manifest. While records are read it changes only by plumb__depth_read of an inline profile. */
#ifndef PLUMB_MANIFEST_TAXONOMY_H
#define PLUMB_MANIFEST_TAXONOMY_H

#include "base/json.h"
#include "manifest/records/intern.h"
#include "manifest/taxonomy/profile.h"

/* Depth, budgets and weight, where stated. */
typedef struct plumb__terms {
    uint32_t profile;           /* PLUMB__INTERN_NONE: not stated */
    uint32_t depth_name;        /* into names; PLUMB__INTERN_NONE: inline or not stated */
    double step_nats, run_nats; /* NaN: not stated */
    double weight;              /* NaN: not stated */
} plumb__terms;
#define PLUMB__NO_TERMS                                                                            \
    ((plumb__terms){PLUMB__INTERN_NONE, PLUMB__INTERN_NONE, (double)NAN, (double)NAN, (double)NAN})

typedef enum plumb__entry_kind {
    PLUMB__RUBRIC,
    PLUMB__DOMAIN,
    PLUMB__TEMPLATE,
    PLUMB__ENTRY_KINDS
} plumb__entry_kind;

typedef enum plumb__recombination {
    PLUMB__RECOMBINE_SUM,
    PLUMB__RECOMBINE_NORMALISED,
    PLUMB__RECOMBINE_MEAN,
    PLUMB__RECOMBINATIONS
} plumb__recombination;

/* A term may be stated from low to high; NaN: not at all. */
typedef struct plumb__range {
    double low, high;
} plumb__range;

/* "overridable" of an entry: what those under it may state. */
typedef struct plumb__bounds {
    bool stated;
    plumb__range weight, step, run, component_weight;
    uint32_t *depths; /* into names */
    size_t n_depths;
    bool recombine[PLUMB__RECOMBINATIONS];
} plumb__bounds;

typedef struct plumb__component {
    char *name;
    double weight; /* 1 unless stated */
    uint32_t profile, depth_name;
    bool required;
} plumb__component;

typedef struct plumb__entry {
    uint32_t parent;     /* of the same kind; PLUMB__INTERN_NONE */
    plumb__terms stated; /* in the entry itself */
    plumb__terms tenant; /* in "tenant" */
    plumb__terms terms;  /* the tenant's, else its own, else its nearest ancestor's */
    plumb__bounds bounds;
    uint32_t bounds_of; /* the entry whose bounds hold: itself or an ancestor, or none */
    /* templates */
    plumb__component *components;
    size_t n_components;
    uint32_t components_of;          /* the entry whose components hold, or none */
    int recombine, tenant_recombine; /* plumb__recombination, -1: not stated */
    plumb__recombination recombination;
} plumb__entry;

typedef struct plumb__entries {
    plumb__intern names; /* number of the name = number of the entry */
    plumb__entry *at;
    size_t capacity;
} plumb__entries;

typedef struct plumb__taxonomy {
    plumb__intern texts; /* canonical text of a profile -> its number */
    plumb__profile **profiles;
    size_t profiles_capacity;
    plumb__intern named; /* canonical text, as written, of a profile that names others -> its own */
    uint32_t *named_profile;
    size_t named_capacity, named_bytes; /* of their texts, names replaced */
    plumb__intern names;                /* depth names -> name_profile */
    uint32_t *name_profile;
    size_t name_capacity;
    plumb__entries entries[PLUMB__ENTRY_KINDS];
    plumb__terms defaults;
} plumb__taxonomy;

/* `value` NULL: only the built-in names, "all" (1 everywhere) and "none". */
plumb_status plumb__taxonomy_read(const char *what, const json_t *value, plumb__taxonomy *out,
                                  plumb_error *err) PLUMB_MUST_CHECK;
void plumb__taxonomy_free(plumb__taxonomy *taxonomy);

/* Reads the fields "depth", "budget", "weight" of a record, entry or defaults. */
plumb_status plumb__terms_read(const char *what, const json_t *obj, plumb__taxonomy *taxonomy,
                               plumb__terms *out, plumb_error *err) PLUMB_MUST_CHECK;
/* The field "weight"; *out stays as it is where there is none. */
plumb_status plumb__weight_read(const char *what, const json_t *obj, double *out,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* A depth: a known name or a profile object. */
plumb_status plumb__depth_read(const char *what, const json_t *value, plumb__taxonomy *taxonomy,
                               uint32_t *profile, uint32_t *name,
                               plumb_error *err) PLUMB_MUST_CHECK;

/* ---- entries (taxonomy_entries.c, taxonomy_bounds.c) ---- */

const char *plumb__kind_word(plumb__entry_kind kind);   /* "rubric" */
const char *plumb__kind_plural(plumb__entry_kind kind); /* "rubrics" */
const char *plumb__recombination_word(int recombination);
plumb_status plumb__entries_read(const char *what, const json_t *value, plumb__taxonomy *taxonomy,
                                 plumb_error *err) PLUMB_MUST_CHECK;
void plumb__entries_free(plumb__entries *entries);
/* The field "recombine"; *out stays as it is where there is none. */
plumb_status plumb__recombine_read(const char *what, const json_t *obj, int *out,
                                   plumb_error *err) PLUMB_MUST_CHECK;
/* "overridable" of one entry. */
plumb_status plumb__bounds_read(const char *what, const json_t *obj,
                                const plumb__taxonomy *taxonomy, plumb__entry_kind kind,
                                plumb__bounds *out, plumb_error *err) PLUMB_MUST_CHECK;
/* Whether what is stated keeps to the bounds of an entry, where it has any. */
plumb_status plumb__bounds_check(const char *what, const plumb__taxonomy *taxonomy,
                                 plumb__entry_kind kind, uint32_t entry, const plumb__terms *stated,
                                 plumb_error *err) PLUMB_MUST_CHECK;
/* The same for the weight of a segment in its template's recombination. */
plumb_status plumb__bounds_check_component(const char *what, const plumb__taxonomy *taxonomy,
                                           uint32_t template_entry, double weight,
                                           plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__bounds_check_recombine(const char *what, const plumb__taxonomy *taxonomy,
                                           uint32_t template_entry, int recombine,
                                           plumb_error *err) PLUMB_MUST_CHECK;
/* Bounds of a child within those of its parent. */
plumb_status plumb__bounds_nest(const char *what, const plumb__taxonomy *taxonomy,
                                plumb__entry_kind kind, uint32_t entry, uint32_t parent,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* "a, b, …" of at most `size` bytes. */
void plumb__names_list(const plumb__intern *names, char *out, size_t size);

/* ---- records against the taxonomy (taxonomy_resolve.c) ---- */

/* What a record names in the taxonomy; NULL: nothing. Of the parent only whether there is one may
 * count: records that agree in all else are resolved once. */
typedef struct plumb__refs {
    const char *rubric, *domain, *template_name, *component, *parent;
} plumb__refs;
/* Numbers of the entries, PLUMB__INTERN_NONE where a record names none or the taxonomy lists none
 * of that kind; a name that a non-empty list lacks is an error. */
plumb_status plumb__refs_find(const char *what, const plumb__taxonomy *taxonomy,
                              const plumb__refs *refs, uint32_t entries[PLUMB__ENTRY_KINDS],
                              plumb_error *err) PLUMB_MUST_CHECK;
/* What a record or segment itself states, against every entry that it is under. */
plumb_status plumb__terms_check(const char *what, const plumb__taxonomy *taxonomy,
                                const uint32_t entries[PLUMB__ENTRY_KINDS], const plumb__terms *own,
                                plumb_error *err) PLUMB_MUST_CHECK;
/* A component of the template that an entry is, or inherits; NULL when the taxonomy lists no
 * templates or name is NULL; an error when the template has no such component. */
plumb_status plumb__component_find(const char *what, const plumb__taxonomy *taxonomy,
                                   uint32_t template_entry, const char *name,
                                   const plumb__component **out, plumb_error *err) PLUMB_MUST_CHECK;
/* The components of a template; *n 0 where it has none. */
const plumb__component *plumb__components_of(const plumb__taxonomy *taxonomy,
                                             uint32_t template_entry, size_t *n);
/* Every term of a record by the rule of docs/formats/manifest.md section 3, checked against what
 * its entries let a record state. profile and weight are always set in *out. Reads only. */
plumb_status plumb__terms_resolve(const char *what, const plumb__taxonomy *taxonomy,
                                  const plumb__refs *refs, const plumb__terms *own,
                                  plumb__terms *out, plumb_error *err) PLUMB_MUST_CHECK;
/* Takes from `from` every term that *out does not state. */
void plumb__terms_complete(plumb__terms *out, const plumb__terms *from);

#endif
