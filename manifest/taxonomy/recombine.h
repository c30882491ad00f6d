/* Shares of parts in their whole, by a template's recombination. */
#ifndef PLUMB_MANIFEST_RECOMBINE_H
#define PLUMB_MANIFEST_RECOMBINE_H

#include "manifest/records/records.h"

/* Whether weights of this sum can be recombined so. */
plumb_status plumb__recombine_check(const char *what, plumb__recombination how, double sum,
                                    size_t n, plumb_error *err) PLUMB_MUST_CHECK;
/* sum: the weight; normalised: weight / sum of all n; mean: weight / n. */
double plumb__recombine_share(plumb__recombination how, double weight, double sum, size_t n);

#endif
