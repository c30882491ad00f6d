/* Depth profiles by name, terms, and the parts of a taxonomy in the order in which they are read.
 */
#include "manifest/taxonomy/taxonomy.h"

#include "base/alloc.h"
#include "manifest/names.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_WEIGHT 1e6 /* far inside float32: no loss overflows by its weight */
#define MAX_NAMED_BYTES (4 << 20)
#define PLACE_BYTES 512
#define LIST_BYTES 480

static const char *named_text(const void *ctx, const char *name)
{
    const plumb__taxonomy *t = ctx;
    const uint32_t number = plumb__intern_find(&t->names, name, strlen(name));
    return number == PLUMB__INTERN_NONE ? NULL
                                        : plumb__profile_text(t->profiles[t->name_profile[number]]);
}

static plumb_status add_compiled(const char *what, const json_t *value, plumb__taxonomy *t,
                                 uint32_t *number, plumb_error *err)
{
    plumb__profile *profile = NULL;
    char known[LIST_BYTES], advice[LIST_BYTES + 16];
    plumb__names_list(&t->names, known, sizeof known);
    snprintf(advice, sizeof advice, "; known are %s", known);
    const plumb__profile_names names = {named_text, t, advice};
    PLUMB_TRY(plumb__profile_compile(what, value, &names, &profile, err));
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

/* A few bytes of names can stand for many of what they name: each way to write one is compiled
 * once, and what they all come to is bounded. */
static plumb_status add_naming(const char *what, const json_t *value, const plumb__bytes *written,
                               plumb__taxonomy *t, uint32_t *number, plumb_error *err)
{
    const char *text = (const char *)written->data;
    uint32_t at = plumb__intern_find(&t->named, text, written->size);
    if (at != PLUMB__INTERN_NONE) {
        *number = t->named_profile[at];
        return PLUMB_OK;
    }
    PLUMB_TRY(add_compiled(what, value, t, number, err));
    t->named_bytes += strlen(plumb__profile_text(t->profiles[*number]));
    if (t->named_bytes > MAX_NAMED_BYTES) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "%s: with this, the profiles that name others come to more than %d "
                           "bytes, their names replaced; use fewer different ones, or smaller",
                           what, MAX_NAMED_BYTES);
    }
    PLUMB_TRY(plumb__grow(&t->named_profile, &t->named_capacity, (size_t)t->named.n + 1,
                          sizeof *t->named_profile, "depth profiles", err));
    PLUMB_TRY(plumb__intern_add(&t->named, text, written->size, &at, err));
    t->named_profile[at] = *number;
    return PLUMB_OK;
}

static plumb_status add_profile(const char *what, const json_t *value, plumb__taxonomy *t,
                                uint32_t *number, plumb_error *err)
{
    plumb__bytes written = {0};
    if (!plumb__profile_names_others(value)) return add_compiled(what, value, t, number, err);
    plumb_status status = plumb__json_dump(value, &written, err);
    if (status == PLUMB_OK) status = add_naming(what, value, &written, t, number, err);
    plumb__bytes_free(&written);
    return status;
}

static plumb_status add_name(const char *what, const char *name, const json_t *value,
                             plumb__taxonomy *t, plumb_error *err)
{
    uint32_t number, profile;
    if (!plumb__text_is_plain(name, strlen(name), PLUMB__TAXONOMY_NAME_MAX)) {
        return plumb__fail(
            err, PLUMB_ERR_FORMAT,
            "%s: a profile's name must have 1 to %d bytes without control characters", what,
            PLUMB__TAXONOMY_NAME_MAX);
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
        plumb__names_list(&t->names, known, sizeof known);
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
    *out = PLUMB__NO_TERMS;
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

/* 0 plain, 1 a schedule, 2 by entropy: each may name those of lower rank. */
static int profile_rank(const json_t *value)
{
    if (json_object_get(value, "by_entropy") != NULL) return 2;
    return json_object_get(value, "schedule") != NULL ? 1 : 0;
}

static plumb_status read_profiles(const char *what, const json_t *value, plumb__taxonomy *t,
                                  plumb_error *err)
{
    const json_t *profiles = NULL;
    const char *name;
    json_t *entry;
    char place[PLACE_BYTES];
    PLUMB_TRY(plumb__json_object(what, value, "profiles", false, &profiles, err));
    for (int rank = 0; rank <= 2; rank++) {
        json_object_foreach((json_t *)(uintptr_t)profiles, name, entry)
        {
            if (profile_rank(entry) != rank) continue;
            snprintf(place, sizeof place, "%s: profile \"%.80s\"", what, name);
            PLUMB_TRY(add_name(place, name, entry, t, err));
        }
    }
    return PLUMB_OK;
}

static plumb_status read_parts(const char *what, const json_t *value, plumb__taxonomy *t,
                               plumb_error *err)
{
    static const char *const allowed[] = {"profiles", "rubrics", "domains", "templates",
                                          "defaults", "tenant",  NULL};
    static const char *const default_fields[] = {"depth", "budget", "weight", NULL};
    const json_t *defaults = NULL;
    char place[PLACE_BYTES];
    if (value == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__json_only(what, value, allowed, err));
    PLUMB_TRY(read_profiles(what, value, t, err));
    PLUMB_TRY(plumb__entries_read(what, value, t, err));
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
    out->defaults = PLUMB__NO_TERMS;
    plumb_status status = plumb__intern_init(&out->texts, err);
    if (status == PLUMB_OK) status = plumb__intern_init(&out->named, err);
    if (status == PLUMB_OK) status = plumb__intern_init(&out->names, err);
    for (int kind = 0; kind < PLUMB__ENTRY_KINDS && status == PLUMB_OK; kind++) {
        status = plumb__intern_init(&out->entries[kind].names, err);
    }
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
    plumb__free(t->named_profile);
    plumb__free(t->name_profile);
    plumb__intern_free(&t->texts);
    plumb__intern_free(&t->named);
    plumb__intern_free(&t->names);
    for (int kind = 0; kind < PLUMB__ENTRY_KINDS; kind++) {
        plumb__entries_free(&t->entries[kind]);
    }
    memset(t, 0, sizeof *t);
}
