/* Ids and annotator sets of the record table. The index of ids holds record numbers alone, four
 * fifths full; while records are added their hashes stand beside it, so that a lookup touches the
 * text of an id only where it is most likely the one. */
#include "base/alloc.h"
#include "manifest/records/records.h"

#include <string.h>

/* Fast range reduction: the hash as a fraction of all slots. */
static uint64_t first_slot(const plumb__table *t, uint32_t hash)
{
    return (uint64_t)(((unsigned __int128)hash * t->n_id_slots) >> 32);
}

static uint64_t next_slot(const plumb__table *t, uint64_t slot)
{
    return slot + 1 < t->n_id_slots ? slot + 1 : 0;
}

static uint64_t slots_for(size_t rows)
{
    return (uint64_t)rows + rows / 4 + 1;
}

static void fill_slot(plumb__table *t, uint32_t number)
{
    uint64_t at = first_slot(t, t->id_hash[number]);
    while (t->id_slots[at] != 0) {
        at = next_slot(t, at);
    }
    t->id_slots[at] = number + 1;
}

/* As many slots as there is room for rows: when that grows, the index is made anew. */
static plumb_status make_slots(plumb__table *t, plumb_error *err)
{
    const uint64_t want = slots_for(t->rows);
    if (t->n_id_slots == want) return PLUMB_OK;
    uint32_t *slots = NULL;
    PLUMB_TRY(plumb__alloc(&slots, (size_t)want, sizeof *slots, "record ids", err));
    plumb__free(t->id_slots);
    t->id_slots = slots;
    t->n_id_slots = want;
    for (uint32_t i = 0; i < t->n; i++) {
        fill_slot(t, i);
    }
    return PLUMB_OK;
}

plumb_status plumb__table_add_id(plumb__table *t, uint64_t hash, uint32_t string, uint32_t *other,
                                 plumb_error *err)
{
    const char *id = plumb__pool_text(&t->strings, string);
    const uint32_t short_hash = (uint32_t)(hash >> 32);
    PLUMB_TRY(make_slots(t, err));
    *other = PLUMB_NO_RECORD;
    uint64_t at = first_slot(t, short_hash);
    for (; t->id_slots[at] != 0; at = next_slot(t, at)) {
        const uint32_t number = t->id_slots[at] - 1;
        if (t->id_hash[number] != short_hash) continue;
        if (strcmp(plumb__pool_text(&t->strings, t->id[number]), id) != 0) continue;
        *other = number;
        return PLUMB_OK;
    }
    t->id_slots[at] = t->n + 1;
    t->id_hash[t->n] = short_hash;
    t->id[t->n] = string;
    return PLUMB_OK;
}

void plumb__table_prefetch_id(const plumb__table *t, uint64_t hash)
{
    if (t->n_id_slots != 0) __builtin_prefetch(&t->id_slots[first_slot(t, (uint32_t)(hash >> 32))]);
}

uint32_t plumb__table_find(const plumb__table *t, const char *id)
{
    if (t->n_id_slots == 0) return PLUMB_NO_RECORD;
    const uint64_t hash = plumb__pool_hash(&t->strings, id, strlen(id));
    for (uint64_t at = first_slot(t, (uint32_t)(hash >> 32)); t->id_slots[at] != 0;
         at = next_slot(t, at)) {
        const uint32_t number = t->id_slots[at] - 1;
        if (strcmp(plumb__pool_text(&t->strings, t->id[number]), id) == 0) return number;
    }
    return PLUMB_NO_RECORD;
}

/* ---- annotators ---- */

static plumb_status list_names(plumb__table *t, const char *names, size_t bytes, plumb_error *err)
{
    const char *end = names + bytes;
    size_t count = t->annotator_start[t->n_sets];
    while (names < end) {
        const size_t n = strlen(names);
        uint32_t string;
        PLUMB_TRY(plumb__table_keep(t, names, &string, err));
        PLUMB_TRY(plumb__grow(&t->annotators, &t->annotators_capacity, count + 1,
                              sizeof *t->annotators, "annotators", err));
        t->annotators[count++] = plumb__table_text(t, string);
        names += n + 1;
    }
    if (count > UINT32_MAX) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "the lists of annotators have more than %u names",
                           UINT32_MAX);
    }
    PLUMB_TRY(plumb__grow(&t->annotator_start, &t->annotator_start_capacity, (size_t)t->n_sets + 2,
                          sizeof *t->annotator_start, "annotators", err));
    t->annotator_start[++t->n_sets] = (uint32_t)count;
    return PLUMB_OK;
}

plumb_status plumb__table_add_annotators(plumb__table *t, uint64_t hash, const char *names,
                                         size_t bytes, uint32_t *set, plumb_error *err)
{
    PLUMB_TRY(plumb__intern_add_hashed(&t->annotator_sets, hash, names, bytes, set, err));
    return *set == t->n_sets ? list_names(t, names, bytes, err) : PLUMB_OK;
}

plumb_status plumb__annotators_add(plumb__table *t, const json_t *names, uint32_t *set,
                                   plumb_error *err)
{
    plumb__bytes joined = {0};
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        plumb__bytes_append(&joined, name, strlen(name) + 1);
    }
    plumb_status status = plumb__bytes_check(&joined, err);
    if (status == PLUMB_OK) {
        const char *data = joined.size > 0 ? (const char *)joined.data : "";
        const uint64_t hash = plumb__intern_hash(&t->annotator_sets, data, joined.size);
        status = plumb__table_add_annotators(t, hash, data, joined.size, set, err);
    }
    plumb__bytes_free(&joined);
    return status;
}

const char *const *plumb__table_annotators(const plumb__table *t, uint32_t set, uint32_t *n)
{
    *n = t->annotator_start[set + 1] - t->annotator_start[set];
    return *n > 0 ? t->annotators + t->annotator_start[set] : NULL;
}
