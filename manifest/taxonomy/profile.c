/* The plain shapes of depth profiles; profile_varying.c has those that depend on more. */
#include "manifest/taxonomy/profile_parts.h"

#include "base/alloc.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

#define MAX_POINTS 256
#define MAX_GLOBS 256
#define MAX_GLOB_BYTES 256

plumb_status plumb__profile_allocate(plumb__profile *p, size_t n, plumb_error *err)
{
    PLUMB_TRY(plumb__alloc(&p->depth, n, sizeof *p->depth, "depth profile", err));
    PLUMB_TRY(plumb__alloc(&p->weight, n, sizeof *p->weight, "depth profile", err));
    p->n = n;
    return PLUMB_OK;
}

static plumb_status number(const char *what, const char *kind, size_t i, const json_t *value,
                           double *out, plumb_error *err)
{
    if (!json_is_number(value) || !isfinite(json_number_value(value))) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%s\" entry %zu must be a finite number",
                           what, kind, i + 1);
    }
    *out = json_number_value(value);
    return PLUMB_OK;
}

/* The negated comparisons refuse NaN as well. */
static plumb_status check_depth(const char *what, const char *kind, size_t i, double depth,
                                double previous, plumb_error *err)
{
    if (!(depth >= 0.0 && depth <= 1.0)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%s\" entry %zu: depth %g is outside [0,1]",
                           what, kind, i + 1, depth);
    }
    if (!(depth >= previous)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: \"%s\" entry %zu: depth %g comes after %g; depths must rise", what,
                           kind, i + 1, depth, previous);
    }
    return PLUMB_OK;
}

static plumb_status check_weight(const char *what, const char *kind, size_t i, double weight,
                                 plumb_error *err)
{
    if (!(weight >= 0.0)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%s\" entry %zu: weight %g is below 0",
                           what, kind, i + 1, weight);
    }
    return PLUMB_OK;
}

/* n depths in order, whose corner weights are given. */
static plumb_status compile_shape(const char *what, const char *kind, const json_t *list, size_t n,
                                  const double *weights, plumb__profile *p, plumb_error *err)
{
    if (!json_is_array(list) || json_array_size(list) != n) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: \"%s\" must be an array of %zu depths", what,
                           kind, n);
    }
    PLUMB_TRY(plumb__profile_allocate(p, n, err));
    for (size_t i = 0; i < n; i++) {
        PLUMB_TRY(number(what, kind, i, json_array_get(list, i), &p->depth[i], err));
        PLUMB_TRY(check_depth(what, kind, i, p->depth[i], i > 0 ? p->depth[i - 1] : 0.0, err));
        p->weight[i] = weights[i];
    }
    return PLUMB_OK;
}

static plumb_status compile_points(const char *what, const json_t *list, plumb__profile *p,
                                   plumb_error *err)
{
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0 || n > MAX_POINTS) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: \"points\" must be an array of 1 to %d [depth, weight] pairs", what,
                           MAX_POINTS);
    }
    PLUMB_TRY(plumb__profile_allocate(p, n, err));
    p->holds_ends = true;
    for (size_t i = 0; i < n; i++) {
        const json_t *pair = json_array_get(list, i);
        if (!json_is_array(pair) || json_array_size(pair) != 2) {
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: \"points\" entry %zu must be a [depth, weight] pair", what,
                               i + 1);
        }
        PLUMB_TRY(number(what, "points", i, json_array_get(pair, 0), &p->depth[i], err));
        PLUMB_TRY(number(what, "points", i, json_array_get(pair, 1), &p->weight[i], err));
        PLUMB_TRY(check_depth(what, "points", i, p->depth[i], i > 0 ? p->depth[i - 1] : 0.0, err));
        PLUMB_TRY(check_weight(what, "points", i, p->weight[i], err));
        if (i > 0 && p->depth[i] == p->depth[i - 1]) {
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: \"points\" entry %zu: depth %g is there twice", what, i + 1,
                               p->depth[i]);
        }
    }
    return PLUMB_OK;
}

/* Longest glob first, canonical (byte) order among equals: the first match is then the answer. */
static bool glob_before(const char *a, const char *b)
{
    const size_t la = strlen(a), lb = strlen(b);
    return la != lb ? la > lb : strcmp(a, b) < 0;
}

static void insert_glob(plumb__profile *p, size_t used, char *glob, double weight)
{
    size_t at = used;
    for (; at > 0 && glob_before(glob, p->globs[at - 1]); at--) {
        p->globs[at] = p->globs[at - 1];
        p->weight[at] = p->weight[at - 1];
    }
    p->globs[at] = glob;
    p->weight[at] = weight;
}

static plumb_status compile_layers(const char *what, const json_t *map, plumb__profile *p,
                                   plumb_error *err)
{
    const size_t n = json_object_size(map);
    if (!json_is_object(map) || n > MAX_GLOBS) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: \"layers\" must be an object of at most %d globs", what, MAX_GLOBS);
    }
    p->kind = PLUMB__PROFILE_LAYERS;
    PLUMB_TRY(plumb__profile_allocate(p, n, err));
    PLUMB_TRY(plumb__alloc(&p->globs, n, sizeof *p->globs, "depth profile", err));
    size_t used = 0;
    for (void *it = json_object_iter((json_t *)(uintptr_t)map); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)map, it)) {
        const char *glob = json_object_iter_key(it);
        double weight = 0.0;
        char *copy = NULL;
        if (glob[0] == '\0' || strlen(glob) > MAX_GLOB_BYTES) {
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: \"layers\": a glob must have 1 to %d bytes", what,
                               MAX_GLOB_BYTES);
        }
        PLUMB_TRY(number(what, "layers", used, json_object_iter_value(it), &weight, err));
        PLUMB_TRY(check_weight(what, "layers", used, weight, err));
        PLUMB_TRY(plumb__strdup(&copy, glob, err));
        insert_glob(p, used, copy, weight);
        used++;
    }
    return PLUMB_OK;
}

plumb_status plumb__profile_compile_plain(const char *what, const json_t *value, plumb__profile *p,
                                          plumb_error *err)
{
    static const double band[2] = {1.0, 1.0}, trapezoid[4] = {0.0, 1.0, 1.0, 0.0};
    const json_t *body = NULL;
    if (json_object_size(value) == 1) {
        if ((body = json_object_get(value, "band")) != NULL)
            return compile_shape(what, "band", body, 2, band, p, err);
        if ((body = json_object_get(value, "trapezoid")) != NULL)
            return compile_shape(what, "trapezoid", body, 4, trapezoid, p, err);
        if ((body = json_object_get(value, "points")) != NULL)
            return compile_points(what, body, p, err);
        if ((body = json_object_get(value, "layers")) != NULL)
            return compile_layers(what, body, p, err);
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: a depth profile must be an object with exactly one of band, trapezoid, "
                       "points, layers, by_entropy, schedule",
                       what);
}

/* Corners of one depth make a step; the closed side is the one of greater weight, so that a
 * trapezoid with b = a is 1 at a, and one with c = d is 1 at d. */
static double curve_at(const plumb__profile *p, double depth)
{
    const size_t n = p->n;
    if (depth < p->depth[0]) return p->holds_ends ? p->weight[0] : 0.0;
    if (depth > p->depth[n - 1]) return p->holds_ends ? p->weight[n - 1] : 0.0;
    double best = 0.0;
    bool corner = false;
    for (size_t i = 0; i < n; i++) {
        if (p->depth[i] != depth) continue;
        corner = true;
        if (p->weight[i] > best) best = p->weight[i];
    }
    if (corner) return best;
    size_t hi = 1;
    while (p->depth[hi] < depth) {
        hi++;
    }
    const double x0 = p->depth[hi - 1], x1 = p->depth[hi];
    const double t = (depth - x0) / (x1 - x0);
    return p->weight[hi - 1] + t * (p->weight[hi] - p->weight[hi - 1]);
}

double plumb__profile_plain_at(const plumb__profile *p, double depth, const char *layer)
{
    if (p->kind == PLUMB__PROFILE_CURVE) return isnan(depth) ? 0.0 : curve_at(p, depth);
    for (size_t i = 0; i < p->n; i++) {
        if (plumb__glob_match(p->globs[i], layer)) return p->weight[i];
    }
    return 0.0;
}
