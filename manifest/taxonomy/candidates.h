/* Every place that may state a term of one record, in the order in which they are asked
 * (docs/formats/manifest.md section 3): the first that states a term gives it. */
#ifndef PLUMB_MANIFEST_CANDIDATES_H
#define PLUMB_MANIFEST_CANDIDATES_H

#include "manifest/manifest_object.h"

typedef struct plumb__candidate {
    int rule;         /* number in the documented rule */
    const char *from; /* "record", "component", "template", … ; static */
    const char *name; /* of the entry that states it; NULL where it has none */
    const char *via;  /* the entry that the record names, where `name` is its ancestor; "tenant" */
    plumb__terms terms;
} plumb__candidate;

/* record, component, three kinds with a tenant and 17 levels, defaults, built in */
#define PLUMB__MAX_CANDIDATES 60

typedef struct plumb__candidates {
    size_t n;
    plumb__candidate at[PLUMB__MAX_CANDIDATES];
    uint32_t entries[PLUMB__ENTRY_KINDS];
    const plumb__component *component;
} plumb__candidates;

/* `line` is the record's own JSON. Strings are borrowed from the manifest and from `line`. */
plumb_status plumb__candidates_find(const plumb_manifest *m, uint32_t number, const json_t *line,
                                    plumb__candidates *out, plumb_error *err) PLUMB_MUST_CHECK;

typedef enum plumb__term {
    PLUMB__TERM_DEPTH,
    PLUMB__TERM_STEP,
    PLUMB__TERM_RUN,
    PLUMB__TERM_WEIGHT,
    PLUMB__TERM_COUNT
} plumb__term;
bool plumb__candidate_states(const plumb__candidate *candidate, plumb__term term);
/* The candidate that gives a term, NULL where none does. */
const plumb__candidate *plumb__candidates_winner(const plumb__candidates *list, plumb__term term);
/* A depth by name, "(inline)" where it has none. */
const char *plumb__depth_name(const plumb__taxonomy *taxonomy, const plumb__terms *terms);

#endif
