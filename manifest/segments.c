/* The segments of a record: parts of it with a profile, a weight and annotators of their own
 * (docs/formats/manifest.md sections 1 and 4). */
#include "base/alloc.h"
#include "manifest/names.h"
#include "manifest/records.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_SEGMENTS 65536
#define MAX_ANNOTATORS 4096
#define MAX_NAME_BYTES 1024
#define PLACE_BYTES 1100

/* ---- which part of the record ---- */

static plumb_status read_range(const char *what, const json_t *range, uint64_t content_bytes,
                               uint64_t after, plumb_segment *out, plumb_error *err)
{
    if (json_array_size(range) != 2 || !json_is_integer(json_array_get(range, 0)) ||
        !json_is_integer(json_array_get(range, 1))) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"bytes\" must be two integers [from, to)", what);
    }
    const json_int_t from = json_integer_value(json_array_get(range, 0));
    const json_int_t to = json_integer_value(json_array_get(range, 1));
    if (from < 0 || (uint64_t)from < after || to <= from || (uint64_t)to > content_bytes) {
        return plumb__fail(
            err, PLUMB_ERR_FORMAT,
            "%s: bytes [%lld, %lld) must rise, lie within the content and not overlap "
            "the segment before",
            what, (long long)from, (long long)to);
    }
    out->from = (uint64_t)from;
    out->to = (uint64_t)to;
    return PLUMB_OK;
}

static plumb_status read_message(const char *what, const json_t *value, uint32_t n_messages,
                                 uint64_t after, plumb_segment *out, plumb_error *err)
{
    const json_int_t index = json_integer_value(value);
    if (!json_is_integer(value) || index < 0 || (uint64_t)index >= n_messages) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"message\" must be the number of one of the record's %u "
                           "messages, from 0",
                           what, n_messages);
    }
    if ((uint64_t)index < after) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: message %lld must come after that of the segment before", what,
                           (long long)index);
    }
    out->from = (uint64_t)index;
    out->to = (uint64_t)index + 1;
    return PLUMB_OK;
}

static plumb_status read_part(const char *what, const json_t *value, const bool has[3],
                              unsigned *seen, plumb_segment *out, plumb_error *err)
{
    static const char *const names[] = {"prompt", "chosen", "rejected", NULL};
    const char *name = json_string_value(value);
    unsigned part = 0;
    while (name != NULL && names[part] != NULL && strcmp(name, names[part]) != 0) {
        part++;
    }
    if (name == NULL || names[part] == NULL) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: field \"part\" must be \"prompt\", \"chosen\" or \"rejected\"",
                           what);
    }
    if (!has[part]) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: the record has no part \"%s\"", what, name);
    }
    if ((*seen & 1u << part) != 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: part \"%s\" has a segment already", what,
                           name);
    }
    *seen |= 1u << part;
    out->from = part;
    out->to = (uint64_t)part + 1;
    return PLUMB_OK;
}

/* How far the segments of each kind have come in this record. */
typedef struct progress {
    uint64_t bytes, messages;
    unsigned parts;
} progress;

static plumb_status read_where(const char *what, const json_t *entry, const plumb__fields *f,
                               progress *after, plumb_segment *out, plumb_error *err)
{
    const json_t *range = json_object_get(entry, "bytes");
    const json_t *message = json_object_get(entry, "message");
    const json_t *part = json_object_get(entry, "part");
    if ((range != NULL) + (message != NULL) + (part != NULL) != 1) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: must have exactly one of \"bytes\", \"message\", \"part\"", what);
    }
    if (range != NULL) {
        out->kind = PLUMB_SEGMENT_BYTES;
        PLUMB_TRY(read_range(what, range, f->content_bytes, after->bytes, out, err));
        after->bytes = out->to;
        return PLUMB_OK;
    }
    if (message != NULL) {
        out->kind = PLUMB_SEGMENT_MESSAGE;
        PLUMB_TRY(read_message(what, message, f->n_messages, after->messages, out, err));
        after->messages = out->to;
        return PLUMB_OK;
    }
    const bool has[] = {f->has_prompt, f->has_chosen, f->has_rejected};
    out->kind = PLUMB_SEGMENT_PART;
    return read_part(what, part, has, &after->parts, out, err);
}

/* ---- its terms ---- */

static plumb_status read_annotators(const char *what, const json_t *entry, plumb__table *t,
                                    uint32_t *set, plumb_error *err)
{
    const json_t *names = NULL;
    PLUMB_TRY(plumb__json_array(what, entry, "annotators", false, &names, err));
    *set = t->annotators_of[t->n];
    if (names == NULL) return PLUMB_OK;
    if (json_array_size(names) > MAX_ANNOTATORS) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "%s: field \"annotators\" has %zu entries, at most %d", what,
                           json_array_size(names), MAX_ANNOTATORS);
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name == NULL || !plumb__text_is_plain(name, strlen(name), MAX_NAME_BYTES)) {
            return plumb__fail(err, PLUMB_ERR_FORMAT,
                               "%s: field \"annotators\": entry %zu must be a string of 1 to %d "
                               "bytes without control characters",
                               what, i + 1, MAX_NAME_BYTES);
        }
    }
    return plumb__annotators_add(t, names, set, err);
}

static plumb_status read_segment(const char *what, const json_t *entry, const plumb__fields *f,
                                 plumb__table *t, plumb__taxonomy *taxonomy, progress *after,
                                 plumb_segment *out, plumb__segment_refs *refs, plumb_error *err)
{
    const json_t *depth = json_object_get(entry, "depth");
    uint32_t name;
    double weight = NAN;
    PLUMB_TRY(read_where(what, entry, f, after, out, err));
    if (depth != NULL) {
        PLUMB_TRY(plumb__depth_read(what, depth, taxonomy, &out->profile, &name, err));
    }
    PLUMB_TRY(plumb__weight_read(what, entry, &weight, err));
    if (!isnan(weight)) out->weight = weight;
    return read_annotators(what, entry, t, &refs->annotators, err);
}

/* A segment without a depth of its own has its record's. */
plumb_status plumb__segments_add(const char *what, plumb__table *t, plumb__taxonomy *taxonomy,
                                 const plumb__fields *f, uint32_t profile, plumb_error *err)
{
    const size_t n = json_array_size(f->segments), first = t->segment_start[t->n];
    progress after = {0};
    char place[PLACE_BYTES + 64];
    if (n > MAX_SEGMENTS || first + n > UINT32_MAX) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: has %zu segments, at most %d", what, n,
                           MAX_SEGMENTS);
    }
    if (n > 0) {
        PLUMB_TRY(plumb__grow(&t->segments, &t->segments_capacity, first + n, sizeof *t->segments,
                              "segments", err));
        PLUMB_TRY(plumb__grow(&t->segment_refs, &t->refs_capacity, first + n,
                              sizeof *t->segment_refs, "segments", err));
    }
    for (size_t i = 0; i < n; i++) {
        plumb_segment *s = &t->segments[first + i];
        plumb__segment_refs *refs = &t->segment_refs[first + i];
        *s = (plumb_segment){.profile = profile, .weight = 1.0};
        *refs = (plumb__segment_refs){PLUMB__INTERN_NONE, PLUMB__INTERN_NONE};
        snprintf(place, sizeof place, "%s: segment %zu", what, i + 1);
        PLUMB_TRY(read_segment(place, json_array_get(f->segments, i), f, t, taxonomy, &after, s,
                               refs, err));
    }
    t->segment_start[t->n + 1] = (uint32_t)(first + n);
    return PLUMB_OK;
}

void plumb__segments_finish(plumb__table *t)
{
    for (uint32_t i = 0; i < t->segment_start[t->n]; i++) {
        const uint32_t set = t->segment_refs[i].annotators;
        plumb_segment *s = &t->segments[i];
        s->component = plumb__intern_text(&t->strings, t->segment_refs[i].component);
        s->annotators = t->annotators + t->annotator_start[set];
        s->n_annotators = t->annotator_start[set + 1] - t->annotator_start[set];
    }
    plumb__free(t->segment_refs);
    t->segment_refs = NULL;
}
