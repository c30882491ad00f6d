/* One record line: its fields and their limits. */
#include "manifest/names.h"
#include "manifest/records.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAME_BYTES 1024
#define MAX_ANNOTATORS 4096
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

static plumb_status read_names(const char *what, const json_t *obj, plumb__fields *out,
                               plumb_error *err)
{
    PLUMB_TRY(plumb__json_string(what, obj, "text", false, &out->text, err));
    PLUMB_TRY(plumb__json_string(what, obj, "label", false, &out->label, err));
    PLUMB_TRY(read_name(what, obj, "rubric", &out->rubric, err));
    PLUMB_TRY(read_name(what, obj, "domain", &out->domain, err));
    PLUMB_TRY(read_name(what, obj, "batch", &out->batch, err));
    PLUMB_TRY(read_name(what, obj, "cohort", &out->cohort, err));
    PLUMB_TRY(read_name(what, obj, "source", &out->source, err));
    PLUMB_TRY(read_name(what, obj, "template", &out->template_name, err));
    PLUMB_TRY(read_name(what, obj, "parent", &out->parent, err));
    PLUMB_TRY(read_name(what, obj, "licence", &out->licence, err));
    return read_name(what, obj, "marking", &out->marking, err);
}

static plumb_status read_id(const char *what, const json_t *obj, const char **out, plumb_error *err)
{
    PLUMB_TRY(plumb__json_string(what, obj, "id", true, out, err));
    if (plumb__text_is_plain(*out, strlen(*out), PLUMB__RECORD_ID_CAP)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"id\" must have 1 to %d bytes without control characters", what,
                       PLUMB__RECORD_ID_CAP);
}

static plumb_status read_content(const char *what, const json_t *obj, plumb__fields *out,
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

static plumb_status read_private(const char *what, const json_t *obj, plumb__fields *out,
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

static plumb_status read_annotators(const char *what, const json_t *obj, plumb__fields *out,
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

static plumb_status read_quality(const char *what, const json_t *obj, plumb__fields *out,
                                 plumb_error *err)
{
    const json_t *agreement = NULL;
    PLUMB_TRY(plumb__json_object(what, obj, "agreement", false, &agreement, err));
    PLUMB_TRY(plumb__json_number(what, obj, "quality", false, &out->quality, err));
    if (isnan(out->quality) || (out->quality >= 0.0 && out->quality <= 1.0)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"quality\" must be from 0 to 1, found %g",
                       what, out->quality);
}

plumb_status plumb__fields_read(const char *what, const json_t *obj, plumb__taxonomy *taxonomy,
                                plumb__fields *out, plumb_error *err)
{
    *out = (plumb__fields){.content_bytes = PLUMB__NO_CONTENT, .quality = NAN};
    if (!json_is_object(obj)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a record must be a JSON object", what);
    }
    PLUMB_TRY(read_id(what, obj, &out->id, err));
    PLUMB_TRY(read_names(what, obj, out, err));
    PLUMB_TRY(read_content(what, obj, out, err));
    PLUMB_TRY(read_private(what, obj, out, err));
    if (out->content_bytes == PLUMB__NO_CONTENT && out->private_digest == NULL) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: a record must have \"content\" or \"private\"", what);
    }
    PLUMB_TRY(read_annotators(what, obj, out, err));
    PLUMB_TRY(read_quality(what, obj, out, err));
    PLUMB_TRY(plumb__json_array(what, obj, "segments", false, &out->segments, err));
    return plumb__terms_read(what, obj, taxonomy, &out->terms, err);
}
