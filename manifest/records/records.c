#include "manifest/records/records.h"

#include "base/alloc.h"

#include <math.h>
#include <string.h>

#define CONTENT_NONE UINT32_MAX
#define CONTENT_LONG (UINT32_MAX - 1) /* below it, lengths stand for themselves */

static const char what[] = "record table";

plumb_status plumb__table_init(plumb__table *t, plumb_error *err)
{
    uint32_t none;
    memset(t, 0, sizeof *t);
    PLUMB_TRY(plumb__pool_init(&t->strings, err));
    PLUMB_TRY(plumb__intern_init(&t->classes, err));
    PLUMB_TRY(plumb__intern_init(&t->annotator_sets, err));
    PLUMB_TRY(plumb__grow(&t->annotator_start, &t->annotator_start_capacity, 2,
                          sizeof *t->annotator_start, what, err));
    t->annotator_start[0] = 0;
    /* Set 0 is the empty one. */
    return plumb__table_add_annotators(t, plumb__intern_hash(&t->annotator_sets, "", 0), "", 0,
                                       &none, err);
}

void plumb__table_free(plumb__table *t)
{
    plumb__pool_free(&t->strings);
    plumb__intern_free(&t->classes);
    plumb__intern_free(&t->annotator_sets);
    plumb__values_free(&t->quality);
    plumb__values_free(&t->weight);
    plumb__free(t->id);
    plumb__free(t->text);
    plumb__free(t->label);
    plumb__narrow_free(&t->class_of);
    plumb__narrow_free(&t->annotators_of);
    plumb__narrow_free(&t->content_bytes);
    plumb__free(t->class_list);
    plumb__free(t->sha256);
    plumb__free(t->id_slots);
    plumb__free(t->id_hash);
    plumb__free(t->annotators);
    plumb__free(t->annotator_start);
    plumb__free(t->long_contents);
    plumb__free(t->parent);
    plumb__free(t->withdrawn_s);
    plumb__free(t->segment_start);
    plumb__free(t->segments);
    plumb__free(t->segment_refs);
    memset(t, 0, sizeof *t);
}

/* ---- room ---- */

/* The first room is exact: for a signed file its size is known. */
static plumb_status make_room(void *column, size_t before, size_t rows, size_t size,
                              plumb_error *err)
{
    size_t capacity = before;
    if (before == 0) return plumb__alloc(column, rows, size, what, err);
    return plumb__grow(column, &capacity, rows, size, what, err);
}

/* Columns of what few have, where they are: the new rows have none. */
static plumb_status reserve_rare(plumb__table *t, size_t rows, plumb_error *err)
{
    if (t->parent != NULL) {
        PLUMB_TRY(make_room(&t->parent, t->rows, rows, sizeof *t->parent, err));
        memset(t->parent + t->rows, 0xff, (rows - t->rows) * sizeof *t->parent);
    }
    if (t->segment_start != NULL) {
        PLUMB_TRY(
            make_room(&t->segment_start, t->rows + 1, rows + 1, sizeof *t->segment_start, err));
    }
    if (t->withdrawn_s == NULL) return PLUMB_OK;
    PLUMB_TRY(make_room(&t->withdrawn_s, t->rows, rows, sizeof *t->withdrawn_s, err));
    for (size_t i = t->rows; i < rows; i++) {
        t->withdrawn_s[i] = PLUMB__NOT_WITHDRAWN;
    }
    return PLUMB_OK;
}

/* plumb__grow doubles: a power of two times what there was, so that every column has the same. */
plumb_status plumb__table_reserve(plumb__table *t, size_t rows, plumb_error *err)
{
    if (rows <= t->rows) return PLUMB_OK;
    size_t want = t->rows == 0 ? rows : t->rows;
    while (want < rows) {
        want *= 2;
    }
    PLUMB_TRY(make_room(&t->id, t->rows, want, sizeof *t->id, err));
    PLUMB_TRY(make_room(&t->id_hash, t->rows, want, sizeof *t->id_hash, err));
    PLUMB_TRY(make_room(&t->text, t->rows, want, sizeof *t->text, err));
    PLUMB_TRY(make_room(&t->label, t->rows, want, sizeof *t->label, err));
    PLUMB_TRY(plumb__narrow_reserve(&t->class_of, want, err));
    PLUMB_TRY(plumb__narrow_reserve(&t->annotators_of, want, err));
    PLUMB_TRY(plumb__narrow_reserve(&t->content_bytes, want, err));
    PLUMB_TRY(make_room(&t->sha256, t->rows, want, sizeof *t->sha256, err));
    PLUMB_TRY(plumb__values_reserve(&t->quality, want, err));
    PLUMB_TRY(reserve_rare(t, want, err));
    t->rows = want;
    return PLUMB_OK;
}

/* A list of as many entries as it has. */
static plumb_status make_exact(void *list, size_t *capacity, size_t n, size_t size,
                               plumb_error *err)
{
    void *old, *exact = NULL;
    memcpy(&old, list, sizeof old);
    if (old == NULL || *capacity == n) return PLUMB_OK;
    PLUMB_TRY(plumb__alloc(&exact, n, size, what, err));
    if (n > 0) memcpy(exact, old, n * size);
    memcpy(list, &exact, sizeof exact);
    plumb__free(old);
    *capacity = n;
    return PLUMB_OK;
}

plumb_status plumb__table_trim(plumb__table *t, plumb_error *err)
{
    const uint32_t segments = t->segment_start != NULL ? t->segment_start[t->n] : 0;
    PLUMB_TRY(make_exact(&t->annotators, &t->annotators_capacity, t->annotator_start[t->n_sets],
                         sizeof *t->annotators, err));
    PLUMB_TRY(make_exact(&t->annotator_start, &t->annotator_start_capacity, (size_t)t->n_sets + 1,
                         sizeof *t->annotator_start, err));
    PLUMB_TRY(make_exact(&t->long_contents, &t->long_contents_capacity, t->n_long_contents,
                         sizeof *t->long_contents, err));
    return make_exact(&t->segments, &t->segments_capacity, segments, sizeof *t->segments, err);
}

plumb_status plumb__table_settle(plumb__table *t, plumb_error *err)
{
    const uint32_t n = t->classes.n;
    PLUMB_TRY(plumb__alloc(&t->class_list, n, sizeof *t->class_list, what, err));
    for (uint32_t i = 0; i < n; i++) {
        memcpy(&t->class_list[i], plumb__intern_text(&t->classes, i), sizeof *t->class_list);
    }
    t->n_classes = n;
    plumb__intern_free(&t->classes);
    plumb__pool_settle(&t->strings);
    plumb__values_settle(&t->quality);
    plumb__values_settle(&t->weight);
    plumb__intern_free(&t->annotator_sets);
    plumb__free(t->id_hash);
    t->id_hash = NULL;
    return PLUMB_OK;
}

uint64_t plumb__table_memory(const plumb__table *t)
{
    size_t row = 3 * sizeof *t->id + sizeof *t->sha256;
    if (t->id_hash != NULL) row += sizeof *t->id_hash;
    if (t->parent != NULL) row += sizeof *t->parent;
    if (t->withdrawn_s != NULL) row += sizeof *t->withdrawn_s;
    if (t->segment_start != NULL) row += sizeof *t->segment_start;
    return (uint64_t)t->rows * row + t->n_id_slots * sizeof *t->id_slots +
           plumb__narrow_memory(&t->class_of) + plumb__narrow_memory(&t->annotators_of) +
           plumb__narrow_memory(&t->content_bytes) + t->n_classes * sizeof *t->class_list +
           plumb__pool_memory(&t->strings) + plumb__values_memory(&t->quality) +
           plumb__values_memory(&t->weight) + plumb__intern_memory(&t->classes) +
           plumb__intern_memory(&t->annotator_sets) +
           t->annotators_capacity * sizeof *t->annotators +
           t->annotator_start_capacity * sizeof *t->annotator_start +
           t->long_contents_capacity * sizeof *t->long_contents +
           t->segments_capacity * sizeof *t->segments;
}

/* ---- single columns ---- */

plumb__class plumb__table_class(const plumb__table *t, uint32_t number)
{
    plumb__class out;
    const uint32_t c = plumb__narrow_at(&t->class_of, number);
    if (t->class_list != NULL) {
        out = t->class_list[c];
    } else {
        memcpy(&out, plumb__intern_text(&t->classes, c), sizeof out);
    }
    const double own = plumb__values_at(&t->weight, number);
    if (!isnan(own)) out.weight = own;
    return out;
}

plumb_status plumb__table_set_weight(plumb__table *t, uint32_t number, double weight,
                                     plumb_error *err)
{
    return plumb__values_set(&t->weight, number, weight, err);
}

uint32_t plumb__table_parent(const plumb__table *t, uint32_t number)
{
    return t->parent != NULL ? t->parent[number] : PLUMB__POOL_NONE;
}

plumb_status plumb__table_set_parent(plumb__table *t, uint32_t number, uint32_t string,
                                     plumb_error *err)
{
    if (t->parent == NULL) {
        PLUMB_TRY(plumb__alloc(&t->parent, t->rows, sizeof *t->parent, what, err));
        memset(t->parent, 0xff, t->rows * sizeof *t->parent);
    }
    t->parent[number] = string;
    return PLUMB_OK;
}

const char *plumb__table_text(const plumb__table *t, uint32_t string)
{
    return plumb__pool_text(&t->strings, string);
}

plumb_status plumb__table_keep(plumb__table *t, const char *text, uint32_t *string,
                               plumb_error *err)
{
    *string = PLUMB__POOL_NONE;
    if (text == NULL) return PLUMB_OK;
    const size_t n = strlen(text);
    return plumb__pool_add(&t->strings, plumb__pool_hash(&t->strings, text, n), text, n, string,
                           err);
}

/* Four bytes hold nearly every length; the others stand in a list. */
plumb_status plumb__table_set_content(plumb__table *t, uint32_t number, uint64_t bytes,
                                      plumb_error *err)
{
    if (bytes < CONTENT_LONG || bytes == PLUMB__NO_CONTENT) {
        return plumb__narrow_set(&t->content_bytes, number,
                                 bytes < CONTENT_LONG ? (uint32_t)bytes : CONTENT_NONE, err);
    }
    PLUMB_TRY(plumb__grow(&t->long_contents, &t->long_contents_capacity, t->n_long_contents + 1,
                          sizeof *t->long_contents, what, err));
    t->long_contents[t->n_long_contents++] = (plumb__long_content){number, bytes};
    return plumb__narrow_set(&t->content_bytes, number, CONTENT_LONG, err);
}

uint64_t plumb__table_content_bytes(const plumb__table *t, uint32_t number)
{
    const uint32_t bytes = plumb__narrow_at(&t->content_bytes, number);
    if (bytes == CONTENT_NONE) return PLUMB__NO_CONTENT;
    if (bytes != CONTENT_LONG) return bytes;
    size_t low = 0, high = t->n_long_contents;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (t->long_contents[middle].record <= number) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return t->long_contents[low].bytes;
}

plumb_status plumb__table_withdraw(plumb__table *t, uint32_t number, int64_t at_s, plumb_error *err)
{
    if (t->withdrawn_s == NULL) {
        PLUMB_TRY(plumb__alloc(&t->withdrawn_s, t->rows, sizeof *t->withdrawn_s, what, err));
        for (size_t i = 0; i < t->rows; i++) {
            t->withdrawn_s[i] = PLUMB__NOT_WITHDRAWN;
        }
    }
    if (t->withdrawn_s[number] == PLUMB__NOT_WITHDRAWN || at_s < t->withdrawn_s[number]) {
        t->withdrawn_s[number] = at_s;
    }
    return PLUMB_OK;
}

int64_t plumb__table_withdrawn_s(const plumb__table *t, uint32_t number)
{
    return t->withdrawn_s != NULL ? t->withdrawn_s[number] : PLUMB__NOT_WITHDRAWN;
}

const plumb_segment *plumb__table_segments(const plumb__table *t, uint32_t number, uint32_t *n)
{
    *n = 0;
    if (t->segment_start == NULL) return NULL;
    *n = t->segment_start[number + 1] - t->segment_start[number];
    return *n > 0 ? t->segments + t->segment_start[number] : NULL;
}

plumb_status plumb__segments_none(plumb__table *t, plumb_error *err)
{
    (void)err;
    if (t->segment_start != NULL) t->segment_start[t->n + 1] = t->segment_start[t->n];
    return PLUMB_OK;
}
