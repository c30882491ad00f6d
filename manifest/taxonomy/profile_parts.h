/* The inside of a depth profile, for the two files that compile and evaluate them. */
#ifndef PLUMB_MANIFEST_PROFILE_PARTS_H
#define PLUMB_MANIFEST_PROFILE_PARTS_H

#include "manifest/taxonomy/profile.h"

typedef enum plumb__profile_kind {
    PLUMB__PROFILE_CURVE,
    PLUMB__PROFILE_LAYERS,
    PLUMB__PROFILE_BANDS,
    PLUMB__PROFILE_SCHEDULE
} plumb__profile_kind;

/* Band, trapezoid and points are all a list of corners between which the weight is linear. Beyond
 * the ends a band or trapezoid is 0, points hold their end values. */
struct plumb__profile {
    plumb__profile_kind kind;
    bool holds_ends;
    size_t n;
    double *depth, *weight; /* corners, or for layers only the weights */
    char **globs;
    double *progress;          /* marks of a schedule */
    plumb__profile **children; /* of bands low, mid, high; or one a mark */
    char *text;                /* NULL for children */
};

plumb_status plumb__profile_allocate(plumb__profile *profile, size_t n,
                                     plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__profile_compile_plain(const char *what, const json_t *value,
                                          plumb__profile *profile,
                                          plumb_error *err) PLUMB_MUST_CHECK;
double plumb__profile_plain_at(const plumb__profile *profile, double depth, const char *layer);

#endif
