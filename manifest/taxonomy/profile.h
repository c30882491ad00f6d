/* Depth profiles: functions depth -> weight >= 0 (governance.md section 1), which may depend on the
 * entropy band of a unit and on the progress of training. */
#ifndef PLUMB_MANIFEST_PROFILE_H
#define PLUMB_MANIFEST_PROFILE_H

#include "base/json.h"

#include <stdbool.h>

typedef struct plumb__profile plumb__profile;

#define PLUMB__BANDS 3u     /* low, mid, high: numbers 1 to 3 */
#define PLUMB__BAND_NONE 0u /* not known: the largest of all bands */

/* Names that stand for profiles inside by_entropy and schedule. */
typedef struct plumb__profile_names {
    const char *(*text_of)(const void *ctx, const char *name); /* NULL: there is none */
    const void *ctx;
    const char *advice; /* ends the message about a name that is not there */
} plumb__profile_names;

/* Compiles {"band":[a,b]}, {"trapezoid":[a,b,c,d]}, {"points":[[d,w],…]}, {"layers":{"glob":w}},
 * {"by_entropy":{"low":P,"mid":P,"high":P}} or {"schedule":[[progress,P],…]}. band: 1 where
 * a <= depth <= b. trapezoid: 0 outside (a,d), 1 on [b,c], linear between. points: depths rising,
 * linear between, the end values hold outside. layers: the weight of the longest matching glob
 * (ties: the first in canonical order), 0 where none matches. schedule: linear between the marks,
 * the ends hold. Numbers are finite, weights >= 0, depths and progress in [0,1] and in order, caps:
 * 256 points, globs, marks; 4096 points and globs in all once names are replaced (PLUMB_ERR_LIMIT).
 * names NULL: there are none. `what` opens the messages. */
plumb_status plumb__profile_compile(const char *what, const json_t *value,
                                    const plumb__profile_names *names, plumb__profile **out,
                                    plumb_error *err) PLUMB_MUST_CHECK;
void plumb__profile_free(plumb__profile *profile);
/* progress NaN: the largest value over the run. */
double plumb__profile_at(const plumb__profile *profile, unsigned band, double progress,
                         double depth, const char *layer);
bool plumb__profile_by_entropy(const plumb__profile *profile);
bool plumb__profile_scheduled(const plumb__profile *profile);
/* Whether a name stands inside it, in JSON that need not be right. */
bool plumb__profile_names_others(const json_t *value);
/* Canonical JSON text of the profile, names replaced by what they name; borrowed. */
const char *plumb__profile_text(const plumb__profile *profile);

#endif
