#include "manifest/taxonomy.h"

#include "base/alloc.h"
#include "manifest/names.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAME_BYTES 255
#define MAX_WEIGHT 1e6 /* far inside float32: no loss overflows by its weight */
#define PLACE_BYTES 512
#define LIST_BYTES 480

static plumb_status add_profile(const char *what, const json_t *value, plumb__taxonomy *t,
                                uint32_t *number, plumb_error *err)
{
    plumb__profile *profile = NULL;
    PLUMB_TRY(plumb__profile_compile(what, value, &profile, err));
    const char *text = plumb__profile_text(profile);
    const uint32_t before = t->texts.n;
    plumb_status status = plumb__grow(&t->profiles, &t->profiles_capacity, (size_t)before + 1,
                                      sizeof *t->profiles, "depth profiles", err);
    if (status == PLUMB_OK) {
        status = plumb__intern_add(&t->texts, text, strlen(text), number, err);
    }
    if (status != PLUMB_OK || t->texts.n == before) {
        plumb__profile_free(profile);
        return status;
    }
    t->profiles[before] = profile;
    return PLUMB_OK;
}

static plumb_status add_name(const char *what, const char *name, const json_t *value,
                             plumb__taxonomy *t, plumb_error *err)
{
    uint32_t number, profile;
    if (!plumb__text_is_plain(name, strlen(name), MAX_NAME_BYTES)) {
        return plumb__fail(
            err, PLUMB_ERR_FORMAT,
            "%s: a profile's name must have 1 to %d bytes without control characters", what,
            MAX_NAME_BYTES);
    }
    if (plumb__intern_find(&t->names, name, strlen(name)) != PLUMB__INTERN_NONE) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: the profile name \"%s\" is built in and cannot be given again",
                           what, name);
    }
    PLUMB_TRY(add_profile(what, value, t, &profile, err));
    PLUMB_TRY(plumb__grow(&t->name_profile, &t->name_capacity, (size_t)t->names.n + 1,
                          sizeof *t->name_profile, "depth profiles", err));
    PLUMB_TRY(plumb__intern_add(&t->names, name, strlen(name), &number, err));
    t->name_profile[number] = profile;
    return PLUMB_OK;
}

/* "all, none, …" for messages, shortened when it is long. */
static void list_names(const plumb__intern *names, char out[LIST_BYTES])
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < names->n; i++) {
        const char *name = plumb__intern_text(names, i);
        if (used + strlen(name) + 8 > LIST_BYTES) {
            snprintf(out + used, LIST_BYTES - used, ", …");
            return;
        }
        used += (size_t)snprintf(out + used, LIST_BYTES - used, "%s%s", i > 0 ? ", " : "", name);
    }
}

plumb_status plumb__depth_read(const char *what, const json_t *value, plumb__taxonomy *t,
                               uint32_t *profile, uint32_t *name, plumb_error *err)
{
    char place[PLACE_BYTES], known[LIST_BYTES];
    *name = PLUMB__INTERN_NONE;
    snprintf(place, sizeof place, "%s: field \"depth\"", what);
    if (json_is_object(value)) return add_profile(place, value, t, profile, err);
    if (!json_is_string(value)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s must be a name or a depth profile", place);
    }
    const char *text = json_string_value(value);
    *name = plumb__intern_find(&t->names, text, strlen(text));
    if (*name == PLUMB__INTERN_NONE) {
        list_names(&t->names, known);
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: there is no depth named \"%.80s\"; known are %s", place, text,
                           known);
    }
    *profile = t->name_profile[*name];
    return PLUMB_OK;
}

static plumb_status read_budget(const char *what, const json_t *budget, const char *name,
                                double *out, plumb_error *err)
{
    PLUMB_TRY(plumb__json_number(what, budget, name, false, out, err));
    if (isnan(*out) || (*out > 0.0 && isfinite(*out))) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"%s\" must be a finite number above 0, found %g", what, name,
                       *out);
}

plumb_status plumb__weight_read(const char *what, const json_t *obj, double *out, plumb_error *err)
{
    PLUMB_TRY(plumb__json_number(what, obj, "weight", false, out, err));
    if (isnan(*out) || (*out >= 0.0 && *out <= MAX_WEIGHT)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"weight\" must be from 0 to 1000000, found %g", what, *out);
}

plumb_status plumb__terms_read(const char *what, const json_t *obj, plumb__taxonomy *taxonomy,
                               plumb__terms *out, plumb_error *err)
{
    static const char *const allowed[] = {"step", "run", NULL};
    char place[PLACE_BYTES];
    const json_t *depth = json_object_get(obj, "depth"), *budget = NULL;
    *out = (plumb__terms){PLUMB__INTERN_NONE, PLUMB__INTERN_NONE, NAN, NAN, NAN};
    if (depth != NULL) {
        PLUMB_TRY(plumb__depth_read(what, depth, taxonomy, &out->profile, &out->depth_name, err));
    }
    PLUMB_TRY(plumb__weight_read(what, obj, &out->weight, err));
    PLUMB_TRY(plumb__json_object(what, obj, "budget", false, &budget, err));
    if (budget == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%s: in \"budget\"", what);
    PLUMB_TRY(plumb__json_only(place, budget, allowed, err));
    PLUMB_TRY(read_budget(place, budget, "step", &out->step_nats, err));
    return read_budget(place, budget, "run", &out->run_nats, err);
}

static plumb_status read_profiles(const char *what, const json_t *value, plumb__taxonomy *t,
                                  plumb_error *err)
{
    const json_t *profiles = NULL;
    const char *name;
    json_t *entry;
    char place[PLACE_BYTES];
    PLUMB_TRY(plumb__json_object(what, value, "profiles", false, &profiles, err));
    json_object_foreach((json_t *)(uintptr_t)profiles, name, entry)
    {
        snprintf(place, sizeof place, "%s: profile \"%.80s\"", what, name);
        PLUMB_TRY(add_name(place, name, entry, t, err));
    }
    return PLUMB_OK;
}

static plumb_status read_rubrics(const char *what, const json_t *value, plumb__taxonomy *t,
                                 plumb_error *err)
{
    static const char *const allowed[] = {"depth",       "budget", "weight", "definition_digest",
                                          "description", NULL};
    const json_t *rubrics = NULL;
    const char *name;
    json_t *entry;
    char place[PLACE_BYTES];
    PLUMB_TRY(plumb__json_object(what, value, "rubrics", false, &rubrics, err));
    json_object_foreach((json_t *)(uintptr_t)rubrics, name, entry)
    {
        const char *text = NULL;
        uint32_t number;
        snprintf(place, sizeof place, "%s: rubric \"%.80s\"", what, name);
        if (strchr(name, '@') == NULL ||
            !plumb__text_is_plain(name, strlen(name), MAX_NAME_BYTES)) {
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: must be named name@version", place);
        }
        PLUMB_TRY(plumb__json_only(place, entry, allowed, err));
        PLUMB_TRY(plumb__json_string(place, entry, "definition_digest", false, &text, err));
        PLUMB_TRY(plumb__json_string(place, entry, "description", false, &text, err));
        PLUMB_TRY(plumb__grow(&t->rubric_terms, &t->rubric_capacity, (size_t)t->rubrics.n + 1,
                              sizeof *t->rubric_terms, "rubrics", err));
        PLUMB_TRY(plumb__terms_read(place, entry, t, &t->rubric_terms[t->rubrics.n], err));
        PLUMB_TRY(plumb__intern_add(&t->rubrics, name, strlen(name), &number, err));
    }
    return PLUMB_OK;
}

static plumb_status read_parts(const char *what, const json_t *value, plumb__taxonomy *t,
                               plumb_error *err)
{
    static const char *const allowed[] = {"profiles", "rubrics", "domains", "defaults", NULL};
    static const char *const default_fields[] = {"depth", "budget", "weight", NULL};
    const json_t *domains = NULL, *defaults = NULL;
    char place[PLACE_BYTES];
    if (value == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__json_only(what, value, allowed, err));
    PLUMB_TRY(plumb__json_object(what, value, "domains", false, &domains, err));
    PLUMB_TRY(read_profiles(what, value, t, err));
    PLUMB_TRY(read_rubrics(what, value, t, err));
    PLUMB_TRY(plumb__json_object(what, value, "defaults", false, &defaults, err));
    if (defaults == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%s: in \"defaults\"", what);
    PLUMB_TRY(plumb__json_only(place, defaults, default_fields, err));
    return plumb__terms_read(place, defaults, t, &t->defaults, err);
}

/* "all" is 1 everywhere, "none" 0 everywhere. */
static plumb_status add_built_in(plumb__taxonomy *t, plumb_error *err)
{
    json_t *all = json_pack("{s:[i,i]}", "band", 0, 1), *none = json_pack("{s:{}}", "layers");
    plumb_status status = add_name("built in", "all", all, t, err);
    if (status == PLUMB_OK) status = add_name("built in", "none", none, t, err);
    json_decref(all);
    json_decref(none);
    return status;
}

plumb_status plumb__taxonomy_read(const char *what, const json_t *value, plumb__taxonomy *out,
                                  plumb_error *err)
{
    memset(out, 0, sizeof *out);
    out->defaults = (plumb__terms){PLUMB__INTERN_NONE, PLUMB__INTERN_NONE, NAN, NAN, NAN};
    plumb_status status = plumb__intern_init(&out->texts, err);
    if (status == PLUMB_OK) status = plumb__intern_init(&out->names, err);
    if (status == PLUMB_OK) status = plumb__intern_init(&out->rubrics, err);
    if (status == PLUMB_OK) status = add_built_in(out, err);
    if (status == PLUMB_OK) status = read_parts(what, value, out, err);
    if (status != PLUMB_OK) plumb__taxonomy_free(out);
    return status;
}

void plumb__taxonomy_free(plumb__taxonomy *t)
{
    for (uint32_t i = 0; i < t->texts.n; i++) {
        plumb__profile_free(t->profiles[i]);
    }
    plumb__free(t->profiles);
    plumb__free(t->name_profile);
    plumb__free(t->rubric_terms);
    plumb__intern_free(&t->texts);
    plumb__intern_free(&t->names);
    plumb__intern_free(&t->rubrics);
    memset(t, 0, sizeof *t);
}

plumb_status plumb__rubric_find(const char *what, const plumb__taxonomy *taxonomy,
                                const char *rubric, const plumb__terms **out, plumb_error *err)
{
    char known[LIST_BYTES];
    *out = NULL;
    if (rubric == NULL || taxonomy->rubrics.n == 0) return PLUMB_OK;
    const uint32_t number = plumb__intern_find(&taxonomy->rubrics, rubric, strlen(rubric));
    if (number == PLUMB__INTERN_NONE) {
        list_names(&taxonomy->rubrics, known);
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"rubric\": the taxonomy has no rubric \"%.80s\"; it has %s",
                           what, rubric, known);
    }
    *out = &taxonomy->rubric_terms[number];
    return PLUMB_OK;
}
