/* The fields of a record and their limits, said once more with jansson. */
#include "fields_oracle.h"

#include "base/clock.h"
#include "manifest/names.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAME_BYTES 1024
#define MAX_ANNOTATORS 4096
#define MAX_MESSAGES 65536
#define PLACE_BYTES 512

/* A short name: no control characters, at most 1024 bytes. */
static plumb_status read_name(const char *what, const json_t *obj, const char *field,
                              const char **out, plumb_error *err)
{
    PLUMB_TRY(plumb__json_string(what, obj, field, false, out, err));
    if (*out == NULL || plumb__text_is_plain(*out, strlen(*out), MAX_NAME_BYTES)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"%s\" must have 1 to %d bytes without control characters", what,
                       field, MAX_NAME_BYTES);
}

static plumb_status read_names(const char *what, const json_t *obj, oracle_fields *out,
                               plumb_error *err)
{
    PLUMB_TRY(plumb__json_string(what, obj, "text", false, &out->text, err));
    PLUMB_TRY(plumb__json_string(what, obj, "label", false, &out->label, err));
    PLUMB_TRY(read_name(what, obj, "rubric", &out->rubric, err));
    PLUMB_TRY(read_name(what, obj, "domain", &out->domain, err));
    PLUMB_TRY(read_name(what, obj, "batch", &out->batch, err));
    PLUMB_TRY(read_name(what, obj, "cohort", &out->cohort, err));
    PLUMB_TRY(read_name(what, obj, "template", &out->template_name, err));
    PLUMB_TRY(read_name(what, obj, "parent", &out->parent, err));
    PLUMB_TRY(read_name(what, obj, "component", &out->component, err));
    PLUMB_TRY(read_name(what, obj, "licence", &out->licence, err));
    return read_name(what, obj, "marking", &out->marking, err);
}

static plumb_status read_source(const char *what, const json_t *obj, oracle_fields *out,
                                plumb_error *err)
{
    PLUMB_TRY(plumb__json_string(what, obj, "source", false, &out->source, err));
    const char *s = out->source;
    if (s == NULL || strcmp(s, "human") == 0 || strcmp(s, "model") == 0 ||
        strcmp(s, "human+model") == 0) {
        return PLUMB_OK;
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"source\" must be \"human\", \"model\" or \"human+model\", "
                       "found \"%.80s\"",
                       what, s);
}

/* A component is a part of the task that its parent is. */
static plumb_status check_component(const char *what, const oracle_fields *f, plumb_error *err)
{
    if (f->component == NULL || f->parent != NULL) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"component\" needs \"parent\"", what);
}

static plumb_status read_id(const char *what, const json_t *obj, const char **out, plumb_error *err)
{
    PLUMB_TRY(plumb__json_string(what, obj, "id", true, out, err));
    if (plumb__text_is_plain(*out, strlen(*out), 256)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"id\" must have 1 to %d bytes without control characters", what,
                       256);
}

static plumb_status read_content(const char *what, const json_t *obj, oracle_fields *out,
                                 plumb_error *err)
{
    static const char *const allowed[] = {"sha256", "bytes", NULL};
    const json_t *content = NULL;
    const char *hex = NULL;
    int64_t bytes = 0;
    char place[PLACE_BYTES];
    PLUMB_TRY(plumb__json_object(what, obj, "content", false, &content, err));
    if (content == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%s: in \"content\"", what);
    PLUMB_TRY(plumb__json_only(place, content, allowed, err));
    PLUMB_TRY(plumb__json_string(place, content, "sha256", true, &hex, err));
    PLUMB_TRY(plumb__json_integer(place, content, "bytes", true, &bytes, err));
    if (!plumb__hash_parse(hex, &out->sha256)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"sha256\" must be 64 lower-case hex digits", place);
    }
    if (bytes < 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"bytes\" must be at least 0, found %lld", place,
                           (long long)bytes);
    }
    out->content_bytes = (uint64_t)bytes;
    return PLUMB_OK;
}

static plumb_status read_private(const char *what, const json_t *obj, oracle_fields *out,
                                 plumb_error *err)
{
    plumb__hash digest;
    PLUMB_TRY(plumb__json_string(what, obj, "private", false, &out->private_digest, err));
    if (out->private_digest == NULL || plumb__hash_parse(out->private_digest, &digest)) {
        return PLUMB_OK;
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"private\" must be 64 lower-case hex digits", what);
}

static plumb_status read_annotators(const char *what, const json_t *obj, oracle_fields *out,
                                    plumb_error *err)
{
    PLUMB_TRY(plumb__json_array(what, obj, "annotators", false, &out->annotators, err));
    const size_t n = json_array_size(out->annotators);
    if (n > MAX_ANNOTATORS) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "%s: field \"annotators\" has %zu entries, at most %d", what, n,
                           MAX_ANNOTATORS);
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(out->annotators, i));
        if (name == NULL || !plumb__text_is_plain(name, strlen(name), MAX_NAME_BYTES)) {
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: field \"annotators\": entry %zu must be a string of 1 to %d "
                               "bytes without control characters",
                               what, i + 1, MAX_NAME_BYTES);
        }
    }
    return PLUMB_OK;
}

static plumb_status read_quality(const char *what, const json_t *obj, oracle_fields *out,
                                 plumb_error *err)
{
    PLUMB_TRY(plumb__json_number(what, obj, "quality", false, &out->quality, err));
    if (isnan(out->quality) || (out->quality >= 0.0 && out->quality <= 1.0)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"quality\" must be from 0 to 1, found %g",
                       what, out->quality);
}

/* Besides the two that are known, measures by other names: numbers or texts. */
static plumb_status read_agreement(const char *what, const json_t *obj, plumb_error *err)
{
    const json_t *agreement = NULL;
    int64_t raters = 0;
    double alpha = 0.0;
    char place[PLACE_BYTES];
    PLUMB_TRY(plumb__json_object(what, obj, "agreement", false, &agreement, err));
    if (agreement == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%s: in \"agreement\"", what);
    PLUMB_TRY(plumb__json_integer(place, agreement, "raters", false, &raters, err));
    PLUMB_TRY(plumb__json_number(place, agreement, "alpha", false, &alpha, err));
    if (raters < 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"raters\" must be at least 0, found %lld", place,
                           (long long)raters);
    }
    if (!(alpha <= 1.0)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"alpha\" must be at most 1, found %g",
                           place, alpha);
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)agreement, name, value)
    {
        if (json_is_number(value) || json_is_string(value)) continue;
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"%.80s\" must be a number or a string", place, name);
    }
    return PLUMB_OK;
}

/* No other fields: a misspelled "withdrawn" must not pass for consent. */
static plumb_status read_consent(const char *what, const json_t *obj, oracle_fields *out,
                                 plumb_error *err)
{
    static const char *const allowed[] = {"basis", "reference", "withdrawn", NULL};
    const json_t *consent = NULL;
    const char *reference = NULL, *withdrawn = NULL;
    char place[PLACE_BYTES];
    PLUMB_TRY(plumb__json_object(what, obj, "consent", false, &consent, err));
    if (consent == NULL) return PLUMB_OK;
    snprintf(place, sizeof place, "%s: in \"consent\"", what);
    PLUMB_TRY(plumb__json_only(place, consent, allowed, err));
    PLUMB_TRY(read_name(place, consent, "basis", &out->consent, err));
    PLUMB_TRY(read_name(place, consent, "reference", &reference, err));
    PLUMB_TRY(plumb__json_string(place, consent, "withdrawn", false, &withdrawn, err));
    if (withdrawn == NULL) return PLUMB_OK;
    if (!plumb__time_parse(withdrawn, &out->withdrawn_s)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"withdrawn\" must be a time like 2026-11-22T08:42:49Z, "
                           "found \"%.80s\"",
                           place, withdrawn);
    }
    out->withdrawn = true;
    return PLUMB_OK;
}

/* A conversation: [{"role": …, "content": …, …}, …]. */
static plumb_status check_messages(const char *what, const char *field, const json_t *list,
                                   plumb_error *err)
{
    const size_t n = json_array_size(list);
    const char *role = NULL, *content = NULL;
    char place[PLACE_BYTES];
    if (n < 1 || n > MAX_MESSAGES) {
        return plumb__fail(err, n > MAX_MESSAGES ? PLUMB_ERR_LIMIT : PLUMB_ERR_FORMAT,
                           "%s: field \"%s\" must have 1 to %d messages, found %zu", what, field,
                           MAX_MESSAGES, n);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *message = json_array_get(list, i);
        snprintf(place, sizeof place, "%s: in \"%s\": message %zu", what, field, i + 1);
        PLUMB_TRY(plumb__json_string(place, message, "role", true, &role, err));
        PLUMB_TRY(read_name(place, message, "role", &role, err));
        PLUMB_TRY(plumb__json_string(place, message, "content", true, &content, err));
    }
    return PLUMB_OK;
}

static plumb_status read_part(const char *what, const json_t *obj, const char *field, bool *there,
                              plumb_error *err)
{
    const json_t *value = json_object_get(obj, field);
    *there = value != NULL;
    if (value == NULL || json_is_string(value)) return PLUMB_OK;
    if (json_is_array(value)) return check_messages(what, field, value, err);
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"%s\" must be a string or an array of messages", what, field);
}

static plumb_status read_conversation(const char *what, const json_t *obj, oracle_fields *out,
                                      plumb_error *err)
{
    const json_t *messages = NULL;
    PLUMB_TRY(plumb__json_array(what, obj, "messages", false, &messages, err));
    if (messages != NULL) PLUMB_TRY(check_messages(what, "messages", messages, err));
    out->n_messages = (uint32_t)json_array_size(messages);
    PLUMB_TRY(read_part(what, obj, "prompt", &out->has_prompt, err));
    PLUMB_TRY(read_part(what, obj, "chosen", &out->has_chosen, err));
    PLUMB_TRY(read_part(what, obj, "rejected", &out->has_rejected, err));
    if (out->has_chosen == out->has_rejected) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: fields \"chosen\" and \"rejected\" come together: \"%s\" is missing",
                       what, out->has_chosen ? "rejected" : "chosen");
}

plumb_status oracle_read(const char *what, const json_t *obj, oracle_fields *out, plumb_error *err)
{
    *out = (oracle_fields){.content_bytes = UINT64_MAX, .quality = NAN};
    if (!json_is_object(obj)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a record must be a JSON object", what);
    }
    PLUMB_TRY(read_id(what, obj, &out->id, err));
    PLUMB_TRY(read_names(what, obj, out, err));
    PLUMB_TRY(read_source(what, obj, out, err));
    PLUMB_TRY(check_component(what, out, err));
    PLUMB_TRY(read_content(what, obj, out, err));
    PLUMB_TRY(read_private(what, obj, out, err));
    if (out->content_bytes == UINT64_MAX && out->private_digest == NULL) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: a record must have \"content\" or \"private\"", what);
    }
    PLUMB_TRY(read_annotators(what, obj, out, err));
    PLUMB_TRY(read_quality(what, obj, out, err));
    PLUMB_TRY(read_agreement(what, obj, err));
    PLUMB_TRY(read_consent(what, obj, out, err));
    PLUMB_TRY(read_conversation(what, obj, out, err));
    return plumb__json_array(what, obj, "segments", false, &out->segments, err);
}
