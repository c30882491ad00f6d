/* Depth profiles: functions depth -> weight >= 0 (governance.md section 1). */
#ifndef PLUMB_MANIFEST_PROFILE_H
#define PLUMB_MANIFEST_PROFILE_H

#include "base/json.h"

typedef struct plumb__profile plumb__profile;

/* Compiles {"band":[a,b]}, {"trapezoid":[a,b,c,d]}, {"points":[[d,w],…]} or {"layers":{"glob":w}}.
 * band: 1 where a <= depth <= b. trapezoid: 0 outside (a,d), 1 on [b,c], linear between. points:
 * depths rising, linear between, the end values hold outside. layers: the weight of the longest
 * matching glob (ties: the first in canonical order), 0 where none matches. Numbers are finite,
 * weights >= 0, depths in [0,1] and in order, caps: 256 points, 256 globs. `what` opens the
 * messages. */
plumb_status plumb__profile_compile(const char *what, const json_t *value, plumb__profile **out,
                                    plumb_error *err) PLUMB_MUST_CHECK;
void plumb__profile_free(plumb__profile *profile);
double plumb__profile_at(const plumb__profile *profile, double depth, const char *layer);
/* Canonical JSON text of the profile; borrowed. */
const char *plumb__profile_text(const plumb__profile *profile);

#endif
