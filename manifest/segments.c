/* The segments of a record: parts of its content under a profile of their own. */
#include "base/alloc.h"
#include "manifest/records.h"

#include <stdio.h>

#define MAX_SEGMENTS 65536
#define PLACE_BYTES 1100

static plumb_status read_segment(const char *what, const json_t *entry, uint64_t content_bytes,
                                 uint64_t after, plumb__taxonomy *taxonomy, plumb_segment *out,
                                 plumb_error *err)
{
    const json_t *depth = json_object_get(entry, "depth");
    const json_t *range = json_object_get(entry, "bytes");
    uint32_t name;
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
    return depth == NULL ? PLUMB_OK
                         : plumb__depth_read(what, depth, taxonomy, &out->profile, &name, err);
}

/* A segment without a depth of its own has its record's. */
plumb_status plumb__segments_add(const char *what, plumb__table *t, plumb__taxonomy *taxonomy,
                                 const plumb__fields *f, uint32_t profile, plumb_error *err)
{
    const size_t n = json_array_size(f->segments), first = t->segment_start[t->n];
    uint64_t after = 0;
    char place[PLACE_BYTES + 64];
    if (n > MAX_SEGMENTS || first + n > UINT32_MAX) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: has %zu segments, at most %d", what, n,
                           MAX_SEGMENTS);
    }
    if (n > 0) {
        PLUMB_TRY(plumb__grow(&t->segments, &t->segments_capacity, first + n, sizeof *t->segments,
                              "segments", err));
    }
    for (size_t i = 0; i < n; i++) {
        plumb_segment *s = &t->segments[first + i];
        *s = (plumb_segment){0, 0, profile};
        snprintf(place, sizeof place, "%s: segment %zu", what, i + 1);
        PLUMB_TRY(read_segment(place, json_array_get(f->segments, i), f->content_bytes, after,
                               taxonomy, s, err));
        after = s->to;
    }
    t->segment_start[t->n + 1] = (uint32_t)(first + n);
    return PLUMB_OK;
}
