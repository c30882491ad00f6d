/* Profiles by entropy band and with a schedule over training. A profile by entropy may hold
 * schedules, a schedule holds plain shapes only: any other nesting says nothing more. */
#include "manifest/taxonomy/profile_parts.h"

#include "base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_MARKS 256
#define MAX_CORNERS 4096
#define PLACE_BYTES 640

static const char *const band_names[PLUMB__BANDS] = {"low", "mid", "high"};

/* ---- names become what they name ---- */

typedef struct expansion {
    const plumb__profile_names *names;
    size_t corners; /* so far */
} expansion;

/* What a shape without others inside adds. One too long to be right is refused for that later. */
static size_t corners_of(const json_t *shape)
{
    static const char *const lists[] = {"points", "trapezoid", "band"};
    size_t n = json_object_size(json_object_get(shape, "layers"));
    for (int i = 0; i < 3; i++)
        n += json_array_size(json_object_get(shape, lists[i]));
    return n <= MAX_MARKS ? n : 0;
}

/* Of a profile without names: as deep as by_entropy of schedules. */
static size_t corners_in(const json_t *value)
{
    json_t *marks = json_object_get(value, "schedule"), *inner;
    const char *band;
    size_t i, n = corners_of(value);
    json_object_foreach(json_object_get(value, "by_entropy"), band, inner)
    {
        n += corners_in(inner);
    }
    json_array_foreach(marks, i, inner)
    {
        n += corners_of(json_array_get(inner, 1));
    }
    return n;
}

static plumb_status count_corners(const char *what, size_t n, expansion *x, plumb_error *err)
{
    x->corners += n;
    if (x->corners <= MAX_CORNERS) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_LIMIT,
                       "%s: with this, its names replaced, the profile has %zu points and globs; "
                       "at most %d are read",
                       what, x->corners, MAX_CORNERS);
}

static plumb_status expand_value(const char *what, const json_t *value, bool inside_schedule,
                                 expansion *x, json_t **out, plumb_error *err);

static plumb_status expand_name(const char *what, const char *name, expansion *x, json_t **out,
                                plumb_error *err)
{
    const plumb__profile_names *names = x->names;
    const char *text = names != NULL ? names->text_of(names->ctx, name) : NULL;
    if (text == NULL) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: there is no depth named \"%.80s\"%s", what,
                           name, names != NULL ? names->advice : "");
    }
    PLUMB_TRY(plumb__json_parse(what, text, strlen(text), out, err));
    const plumb_status status = count_corners(what, corners_in(*out), x, err);
    if (status == PLUMB_OK) return PLUMB_OK;
    json_decref(*out);
    *out = NULL;
    return status;
}

static plumb_status expand_bands(const char *what, const json_t *bands, expansion *x, json_t *copy,
                                 plumb_error *err)
{
    char place[PLACE_BYTES];
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)bands, name, value)
    {
        json_t *inner = NULL;
        snprintf(place, sizeof place, "%s: \"by_entropy\" %.40s", what, name);
        PLUMB_TRY(expand_value(place, value, false, x, &inner, err));
        json_object_set_new(copy, name, inner);
    }
    return PLUMB_OK;
}

static plumb_status expand_marks(const char *what, const json_t *marks, expansion *x, json_t *copy,
                                 plumb_error *err)
{
    char place[PLACE_BYTES];
    for (size_t i = 0; i < json_array_size(marks); i++) {
        const json_t *mark = json_array_get(marks, i), *value = json_array_get(mark, 1);
        json_t *inner = NULL;
        snprintf(place, sizeof place, "%s: \"schedule\" entry %zu", what, i + 1);
        if (value == NULL) continue; /* its form is refused when it is compiled */
        PLUMB_TRY(expand_value(place, value, true, x, &inner, err));
        json_array_set_new(json_array_get(copy, i), 1, inner);
    }
    return PLUMB_OK;
}

/* *out is a new reference: `value` without names. */
static plumb_status expand_value(const char *what, const json_t *value, bool inside_schedule,
                                 expansion *x, json_t **out, plumb_error *err)
{
    *out = NULL;
    if (json_is_string(value)) return expand_name(what, json_string_value(value), x, out, err);
    PLUMB_TRY(count_corners(what, corners_of(value), x, err));
    json_t *copy = json_deep_copy(value);
    if (copy == NULL) return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "%s: no memory", what);
    json_t *bands = json_object_get(copy, "by_entropy"), *marks = json_object_get(copy, "schedule");
    plumb_status status = PLUMB_OK;
    if (!inside_schedule && json_is_object(bands)) {
        status = expand_bands(what, json_object_get(value, "by_entropy"), x, bands, err);
    } else if (!inside_schedule && json_is_array(marks)) {
        status = expand_marks(what, json_object_get(value, "schedule"), x, marks, err);
    }
    if (status == PLUMB_OK) {
        *out = copy;
        return PLUMB_OK;
    }
    json_decref(copy);
    return status;
}

/* ---- compiling ---- */

static plumb_status compile(const char *what, const json_t *value, int level, plumb__profile **out,
                            plumb_error *err);

static plumb_status compile_bands(const char *what, const json_t *bands, plumb__profile *p,
                                  plumb_error *err)
{
    char place[PLACE_BYTES];
    p->kind = PLUMB__PROFILE_BANDS;
    if (!json_is_object(bands) || json_object_size(bands) != PLUMB__BANDS) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: \"by_entropy\" must be an object of low, mid and high", what);
    }
    PLUMB_TRY(plumb__alloc(&p->children, PLUMB__BANDS, sizeof *p->children, "depth profile", err));
    p->n = PLUMB__BANDS;
    for (size_t i = 0; i < PLUMB__BANDS; i++) {
        const json_t *value = json_object_get(bands, band_names[i]);
        snprintf(place, sizeof place, "%s: \"by_entropy\" %s", what, band_names[i]);
        if (value == NULL) return plumb__fail(err, PLUMB_ERR_FORMAT, "%s is missing", place);
        PLUMB_TRY(compile(place, value, 1, &p->children[i], err));
    }
    return PLUMB_OK;
}

static plumb_status compile_mark(const char *what, const json_t *mark, size_t i, plumb__profile *p,
                                 plumb_error *err)
{
    char place[PLACE_BYTES];
    const json_t *at = json_array_get(mark, 0);
    snprintf(place, sizeof place, "%s: \"schedule\" entry %zu", what, i + 1);
    if (json_array_size(mark) != 2 || !json_is_number(at)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s must be a [progress, profile] pair", place);
    }
    const double progress = json_number_value(at);
    if (!(progress >= 0.0 && progress <= 1.0)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: progress %g is outside [0,1]", place,
                           progress);
    }
    if (i > 0 && !(progress > p->progress[i - 1])) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: progress %g comes after %g; progress must rise", place, progress,
                           p->progress[i - 1]);
    }
    p->progress[i] = progress;
    return compile(place, json_array_get(mark, 1), 2, &p->children[i], err);
}

static plumb_status compile_schedule(const char *what, const json_t *marks, plumb__profile *p,
                                     plumb_error *err)
{
    const size_t n = json_array_size(marks);
    p->kind = PLUMB__PROFILE_SCHEDULE;
    if (!json_is_array(marks) || n == 0 || n > MAX_MARKS) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: \"schedule\" must be an array of 1 to %d [progress, profile] pairs",
                           what, MAX_MARKS);
    }
    PLUMB_TRY(plumb__alloc(&p->children, n, sizeof *p->children, "depth profile", err));
    PLUMB_TRY(plumb__alloc(&p->progress, n, sizeof *p->progress, "depth profile", err));
    p->n = n;
    for (size_t i = 0; i < n; i++) {
        PLUMB_TRY(compile_mark(what, json_array_get(marks, i), i, p, err));
    }
    return PLUMB_OK;
}

/* level: 0 outermost, 1 inside by_entropy, 2 inside a schedule. */
static plumb_status compile_kind(const char *what, const json_t *value, int level,
                                 plumb__profile *p, plumb_error *err)
{
    const json_t *bands = json_object_get(value, "by_entropy");
    const json_t *marks = json_object_get(value, "schedule");
    if (json_object_size(value) == 1 && bands != NULL) {
        if (level == 0) return compile_bands(what, bands, p, err);
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: a profile by entropy stands outside all others", what);
    }
    if (json_object_size(value) == 1 && marks != NULL) {
        if (level <= 1) return compile_schedule(what, marks, p, err);
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a schedule cannot hold another", what);
    }
    return plumb__profile_compile_plain(what, value, p, err);
}

static plumb_status compile(const char *what, const json_t *value, int level, plumb__profile **out,
                            plumb_error *err)
{
    *out = NULL;
    PLUMB_TRY(plumb__alloc(out, 1, sizeof **out, "depth profile", err));
    return compile_kind(what, value, level, *out, err);
}

plumb_status plumb__profile_compile(const char *what, const json_t *value,
                                    const plumb__profile_names *names, plumb__profile **out,
                                    plumb_error *err)
{
    expansion x = {.names = names};
    plumb__profile *p = NULL;
    plumb__bytes text = {0};
    json_t *plain = NULL;
    plumb_status status;
    *out = NULL;
    PLUMB_TRY_CLEAN(expand_value(what, value, false, &x, &plain, err));
    PLUMB_TRY_CLEAN(compile(what, plain, 0, &p, err));
    PLUMB_TRY_CLEAN(plumb__json_dump(plain, &text, err));
    PLUMB_TRY_CLEAN(plumb__memdup(&p->text, text.data, text.size, err));
    *out = p;
    p = NULL;
cleanup:
    plumb__bytes_free(&text);
    json_decref(plain);
    plumb__profile_free(p);
    return status;
}

void plumb__profile_free(plumb__profile *p)
{
    if (p == NULL) return;
    for (size_t i = 0; i < p->n; i++) {
        if (p->globs != NULL) plumb__free(p->globs[i]);
        if (p->children != NULL) plumb__profile_free(p->children[i]);
    }
    plumb__free(p->globs);
    plumb__free(p->children);
    plumb__free(p->progress);
    plumb__free(p->depth);
    plumb__free(p->weight);
    plumb__free(p->text);
    plumb__free(p);
}

/* ---- evaluating ---- */

static double largest(const plumb__profile *p, double progress, double depth, const char *layer)
{
    double most = 0.0;
    for (size_t i = 0; i < p->n; i++) {
        const double at =
            plumb__profile_at(p->children[i], PLUMB__BAND_NONE, progress, depth, layer);
        if (at > most) most = at;
    }
    return most;
}

/* Linear between the marks, so its largest value over the run is that at a mark. */
static double scheduled(const plumb__profile *p, double progress, double depth, const char *layer)
{
    if (isnan(progress)) return largest(p, progress, depth, layer);
    size_t hi = 0;
    while (hi < p->n && p->progress[hi] < progress) {
        hi++;
    }
    if (hi == 0) return plumb__profile_plain_at(p->children[0], depth, layer);
    const double before = plumb__profile_plain_at(p->children[hi - 1], depth, layer);
    if (hi == p->n) return before;
    const double after = plumb__profile_plain_at(p->children[hi], depth, layer);
    const double t = (progress - p->progress[hi - 1]) / (p->progress[hi] - p->progress[hi - 1]);
    return before + t * (after - before);
}

double plumb__profile_at(const plumb__profile *p, unsigned band, double progress, double depth,
                         const char *layer)
{
    switch (p->kind) {
    case PLUMB__PROFILE_BANDS:
        if (band == PLUMB__BAND_NONE || band > PLUMB__BANDS) {
            return largest(p, progress, depth, layer);
        }
        return plumb__profile_at(p->children[band - 1], PLUMB__BAND_NONE, progress, depth, layer);
    case PLUMB__PROFILE_SCHEDULE: return scheduled(p, progress, depth, layer);
    case PLUMB__PROFILE_CURVE:
    case PLUMB__PROFILE_LAYERS: break;
    }
    return plumb__profile_plain_at(p, depth, layer);
}

bool plumb__profile_by_entropy(const plumb__profile *p)
{
    return p->kind == PLUMB__PROFILE_BANDS;
}

bool plumb__profile_scheduled(const plumb__profile *p)
{
    if (p->kind == PLUMB__PROFILE_SCHEDULE) return true;
    bool any = false;
    for (size_t i = 0; p->kind == PLUMB__PROFILE_BANDS && i < p->n; i++) {
        any = any || p->children[i]->kind == PLUMB__PROFILE_SCHEDULE;
    }
    return any;
}

bool plumb__profile_names_others(const json_t *value)
{
    json_t *inner;
    const char *band;
    size_t i;
    json_object_foreach(json_object_get(value, "by_entropy"), band, inner)
    {
        if (json_is_string(inner) || plumb__profile_names_others(inner)) return true;
    }
    json_array_foreach(json_object_get(value, "schedule"), i, inner)
    {
        if (json_is_string(json_array_get(inner, 1))) return true;
    }
    return false;
}

const char *plumb__profile_text(const plumb__profile *p)
{
    return p->text;
}
