/* The segments of a record: parts of it with a profile, a weight and annotators of their own
 * (docs/formats/manifest.md sections 1 and 3). */
#include "base/alloc.h"
#include "manifest/names.h"
#include "manifest/taxonomy/recombine.h"

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
    *set = plumb__narrow_at(&t->annotators_of, t->n);
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

/* What the segments of one record have in common. */
typedef struct division {
    const plumb__fields *fields;
    uint32_t entries[PLUMB__ENTRY_KINDS];
    uint32_t profile; /* of the record */
    progress after;
    double sum; /* of the weights */
} division;

/* Its own depth, else the record's own, else its component's, else what the record has. */
static plumb_status read_depth(const char *what, const json_t *entry, const division *d,
                               const plumb__component *component, plumb__taxonomy *taxonomy,
                               plumb_segment *out, plumb_error *err)
{
    const json_t *depth = json_object_get(entry, "depth");
    plumb__terms own = PLUMB__NO_TERMS;
    out->profile = d->profile;
    if (depth != NULL) {
        PLUMB_TRY(plumb__depth_read(what, depth, taxonomy, &own.profile, &own.depth_name, err));
        PLUMB_TRY(plumb__terms_check(what, taxonomy, d->entries, &own, err));
        out->profile = own.profile;
    } else if (component != NULL && component->profile != PLUMB__INTERN_NONE &&
               d->fields->terms.profile == PLUMB__INTERN_NONE) {
        out->profile = component->profile;
    }
    return PLUMB_OK;
}

static plumb_status read_weight(const char *what, const json_t *entry, const division *d,
                                const plumb__component *component, const plumb__taxonomy *taxonomy,
                                plumb_segment *out, plumb_error *err)
{
    const uint32_t number = d->entries[PLUMB__TEMPLATE];
    double own = NAN;
    PLUMB_TRY(plumb__weight_read(what, entry, &own, err));
    out->weight = component != NULL ? component->weight : 1.0;
    if (isnan(own)) return PLUMB_OK;
    out->weight = own;
    if (number == PLUMB__INTERN_NONE) return PLUMB_OK;
    const uint32_t over = taxonomy->entries[PLUMB__TEMPLATE].at[number].bounds_of;
    if (over == PLUMB__INTERN_NONE) return PLUMB_OK;
    return plumb__bounds_check_component(what, taxonomy, over, own, err);
}

static plumb_status read_component(const char *what, const json_t *entry, const division *d,
                                   plumb__table *t, const plumb__taxonomy *taxonomy,
                                   const plumb__component **out, plumb__segment_refs *refs,
                                   plumb_error *err)
{
    const char *name = NULL;
    *out = NULL;
    PLUMB_TRY(plumb__json_string(what, entry, "component", false, &name, err));
    if (name == NULL) return PLUMB_OK;
    if (!plumb__text_is_plain(name, strlen(name), MAX_NAME_BYTES)) {
        return plumb__fail(
            err, PLUMB_ERR_FORMAT,
            "%s: field \"component\" must have 1 to %d bytes without control characters", what,
            MAX_NAME_BYTES);
    }
    PLUMB_TRY(plumb__component_find(what, taxonomy, d->entries[PLUMB__TEMPLATE], name, out, err));
    return plumb__table_keep(t, name, &refs->component, err);
}

static plumb_status read_segment(const char *what, const json_t *entry, division *d,
                                 plumb__table *t, plumb__taxonomy *taxonomy, plumb_segment *out,
                                 plumb__segment_refs *refs, plumb_error *err)
{
    const plumb__component *component = NULL;
    PLUMB_TRY(read_where(what, entry, d->fields, &d->after, out, err));
    PLUMB_TRY(read_component(what, entry, d, t, taxonomy, &component, refs, err));
    PLUMB_TRY(read_depth(what, entry, d, component, taxonomy, out, err));
    PLUMB_TRY(read_weight(what, entry, d, component, taxonomy, out, err));
    d->sum += out->weight;
    return read_annotators(what, entry, t, &refs->annotators, err);
}

/* ---- the whole ---- */

/* A record that is itself a component needs no components of its own. */
static plumb_status check_required(const char *what, const division *d, const plumb__table *t,
                                   const plumb__taxonomy *taxonomy, size_t first, size_t n,
                                   plumb_error *err)
{
    size_t count;
    const uint32_t number = d->entries[PLUMB__TEMPLATE];
    if (d->fields->component != NULL || n == 0) return PLUMB_OK;
    const plumb__component *list = plumb__components_of(taxonomy, number, &count);
    for (size_t c = 0; c < count; c++) {
        bool there = !list[c].required;
        for (size_t i = first; i < first + n && !there; i++) {
            const char *name = plumb__table_text(t, t->segment_refs[i].component);
            there = name != NULL && strcmp(name, list[c].name) == 0;
        }
        if (there) continue;
        return plumb__fail(
            err, PLUMB_ERR_FORMAT,
            "%s: no segment is component \"%.80s\", which template \"%.80s\" requires", what,
            list[c].name, plumb__intern_text(&taxonomy->entries[PLUMB__TEMPLATE].names, number));
    }
    return PLUMB_OK;
}

static plumb_status recombine(const char *what, const division *d, plumb__table *t,
                              const plumb__taxonomy *taxonomy, size_t first, size_t n,
                              plumb_error *err)
{
    const uint32_t number = d->entries[PLUMB__TEMPLATE];
    if (number == PLUMB__INTERN_NONE || n == 0) return PLUMB_OK;
    const plumb__recombination how = taxonomy->entries[PLUMB__TEMPLATE].at[number].recombination;
    PLUMB_TRY(plumb__recombine_check(what, how, d->sum, n, err));
    for (size_t i = first; i < first + n; i++) {
        plumb_segment *s = &t->segments[i];
        s->weight = plumb__recombine_share(how, s->weight, d->sum, n);
    }
    return PLUMB_OK;
}

static plumb_status make_room(const char *what, plumb__table *t, size_t first, size_t n,
                              plumb_error *err)
{
    if (n > MAX_SEGMENTS || first + n > UINT32_MAX) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: has %zu segments, at most %d", what, n,
                           MAX_SEGMENTS);
    }
    if (n == 0) return PLUMB_OK;
    PLUMB_TRY(plumb__grow(&t->segments, &t->segments_capacity, first + n, sizeof *t->segments,
                          "segments", err));
    return plumb__grow(&t->segment_refs, &t->refs_capacity, first + n, sizeof *t->segment_refs,
                       "segments", err);
}

/* The first record with segments brings the column. */
static plumb_status make_column(plumb__table *t, plumb_error *err)
{
    if (t->segment_start != NULL) return PLUMB_OK;
    return plumb__alloc(&t->segment_start, t->rows + 1, sizeof *t->segment_start, "segments", err);
}

plumb_status plumb__segments_add(const char *what, plumb__table *t, plumb__taxonomy *taxonomy,
                                 const plumb__fields *f, uint32_t profile, plumb_error *err)
{
    const size_t n = json_array_size(f->segments);
    const plumb__refs named = {f->rubric, f->domain, f->template_name, f->component, f->parent};
    division d = {.fields = f, .profile = profile};
    char place[PLACE_BYTES + 64];
    PLUMB_TRY(make_column(t, err));
    const size_t first = t->segment_start[t->n];
    PLUMB_TRY(make_room(what, t, first, n, err));
    if (n > 0) PLUMB_TRY(plumb__refs_find(what, taxonomy, &named, d.entries, err));
    for (size_t i = 0; i < n; i++) {
        plumb__segment_refs *refs = &t->segment_refs[first + i];
        t->segments[first + i] = (plumb_segment){.weight = 1.0};
        *refs = (plumb__segment_refs){PLUMB__POOL_NONE, 0};
        snprintf(place, sizeof place, "%s: segment %zu", what, i + 1);
        PLUMB_TRY(read_segment(place, json_array_get(f->segments, i), &d, t, taxonomy,
                               &t->segments[first + i], refs, err));
    }
    t->segment_start[t->n + 1] = (uint32_t)(first + n);
    PLUMB_TRY(check_required(what, &d, t, taxonomy, first, n, err));
    return recombine(what, &d, t, taxonomy, first, n, err);
}

void plumb__segments_finish(plumb__table *t)
{
    const uint32_t n = t->segment_start != NULL ? t->segment_start[t->n] : 0;
    for (uint32_t i = 0; i < n; i++) {
        plumb_segment *s = &t->segments[i];
        s->component = plumb__table_text(t, t->segment_refs[i].component);
        s->annotators = plumb__table_annotators(t, t->segment_refs[i].annotators, &s->n_annotators);
    }
    plumb__free(t->segment_refs);
    t->segment_refs = NULL;
}
