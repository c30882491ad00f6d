/* The segments of all examples, loaded when first asked for. */
#include "base/alloc.h"
#include "provenance/h5_reader_parts.h"

void plumb__h5_segments_free(plumb__h5_segments *s)
{
    if (s == NULL) return;
    plumb__free(s->offsets);
    plumb__free(s->from);
    plumb__free(s->to);
    plumb__free(s->annotator_offsets);
    plumb__free(s->kind);
    plumb__free(s->weight);
    plumb__free(s->profile);
    plumb__free(s->component);
    plumb__free(s->annotators);
    plumb__free(s);
}

static plumb_status load(plumb__h5_reader *r, plumb__h5_segments *s, plumb_error *err)
{
    s->n = (size_t)r->shape.rows[PLUMB__H5_ROWS_SEGMENTS];
    PLUMB_TRY(plumb__h5_load(r, PLUMB__H5_EXAMPLES_SEGMENTS_OFFSET, &s->offsets, err));
    PLUMB_TRY(plumb__h5_check_offsets(r, PLUMB__H5_EXAMPLES_SEGMENTS_OFFSET, s->offsets,
                                      plumb__h5_example_count(r), s->n, err));
    PLUMB_TRY(plumb__h5_load(r, PLUMB__H5_SEGMENTS_KIND, &s->kind, err));
    PLUMB_TRY(plumb__h5_load(r, PLUMB__H5_SEGMENTS_FROM, &s->from, err));
    PLUMB_TRY(plumb__h5_load(r, PLUMB__H5_SEGMENTS_TO, &s->to, err));
    PLUMB_TRY(plumb__h5_load(r, PLUMB__H5_SEGMENTS_WEIGHT, &s->weight, err));
    PLUMB_TRY(plumb__h5_resolve_codes(r, PLUMB__H5_SEGMENTS_PROFILE, PLUMB__H5_CODE_PROFILE, s->n,
                                      &s->profile, err));
    PLUMB_TRY(plumb__h5_resolve_codes(r, PLUMB__H5_SEGMENTS_COMPONENT, PLUMB__H5_CODE_COMPONENT,
                                      s->n, &s->component, err));
    return plumb__h5_load_lists(r, PLUMB__H5_SEGMENTS_ANNOTATORS,
                                PLUMB__H5_SEGMENTS_ANNOTATORS_OFFSET, s->n, &s->annotator_offsets,
                                &s->annotators, err);
}

plumb_status plumb__h5_example_segments(plumb__h5_reader *r, const plumb__h5_segments **out,
                                        plumb_error *err)
{
    PLUMB_TRY(plumb__h5_need_whole(r, err));
    if (r->segments == NULL) {
        plumb__h5_segments *made = NULL;
        PLUMB_TRY(plumb__alloc(&made, 1, sizeof *made, "segments", err));
        const plumb_status status = load(r, made, err);
        if (status != PLUMB_OK) {
            plumb__h5_segments_free(made);
            return status;
        }
        r->segments = made;
    }
    *out = r->segments;
    return PLUMB_OK;
}
