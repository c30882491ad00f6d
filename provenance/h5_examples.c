/* /examples and /dictionaries out of the manifest: one pass over the records finds the width of the
 * ids, a second appends the columns and gathers the dictionaries, in the order in which their
 * strings first come. Memory: the distinct strings. */
#include "base/alloc.h"
#include "provenance/h5_brief.h"
#include "provenance/h5_writer_parts.h"

#include <stdio.h>
#include <string.h>

/* ---- dictionaries ---- */

typedef struct dictionary {
    char **strings; /* owned, by code */
    size_t n, capacity, longest;
    uint32_t *slots; /* open addressing; code + 1, 0: free */
    size_t n_slots;  /* a power of two, at least twice n */
} dictionary;

/* FNV-1a. The strings are those of a signed manifest, so nobody gains by making them collide. */
static uint64_t hash_text(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

static size_t slot_of(const dictionary *d, const char *text)
{
    size_t slot = hash_text(text) & (d->n_slots - 1);
    while (d->slots[slot] != 0 && strcmp(d->strings[d->slots[slot] - 1], text) != 0)
        slot = (slot + 1) & (d->n_slots - 1);
    return slot;
}

static plumb_status make_room(dictionary *d, plumb_error *err)
{
    if (2 * (d->n + 1) <= d->n_slots) return PLUMB_OK;
    const size_t n_slots = d->n_slots > 0 ? 2 * d->n_slots : 64;
    uint32_t *slots = NULL;
    PLUMB_TRY(plumb__alloc(&slots, n_slots, sizeof *slots, "a dictionary of the graph", err));
    plumb__free(d->slots);
    d->slots = slots;
    d->n_slots = n_slots;
    for (size_t i = 0; i < d->n; i++)
        slots[slot_of(d, d->strings[i])] = (uint32_t)i + 1;
    return PLUMB_OK;
}

static plumb_status intern(dictionary *d, const char *text, uint32_t *code, plumb_error *err)
{
    PLUMB_TRY(make_room(d, err));
    const size_t slot = slot_of(d, text), length = strlen(text);
    if (d->slots[slot] == 0) {
        PLUMB_TRY(plumb__grow(&d->strings, &d->capacity, d->n + 1, sizeof *d->strings,
                              "a dictionary of the graph", err));
        PLUMB_TRY(plumb__strdup(&d->strings[d->n], text, err));
        d->slots[slot] = (uint32_t)++d->n;
        if (length > d->longest) d->longest = length;
    }
    *code = d->slots[slot] - 1;
    return PLUMB_OK;
}

static void dictionary_free(dictionary *d)
{
    for (size_t i = 0; i < d->n; i++)
        plumb__free(d->strings[i]);
    plumb__free(d->strings);
    plumb__free(d->slots);
}

/* ---- rows ---- */

typedef struct example_work {
    plumb__h5_writer *writer;
    const plumb_manifest *manifest;
    uint64_t n_examples, n_annotators, n_segments, n_segment_annotators;
    size_t id_bytes;
    char *id; /* one cell */
    dictionary dictionaries[PLUMB__H5_CODED + 1];
} example_work;

static plumb_status record_of(const example_work *work, uint64_t i, plumb_record *record,
                              plumb_error *err)
{
    *record = (plumb_record){.size = sizeof *record, .version = 1};
    return plumb_manifest_record(work->manifest, (uint32_t)i, record, err);
}

static plumb_status widest_id(example_work *work, plumb_error *err)
{
    work->id_bytes = 1;
    for (uint64_t i = 0; i < work->n_examples; i++) {
        plumb_record record;
        plumb__h5_brief room;
        PLUMB_TRY(record_of(work, i, &record, err));
        const size_t n = strlen(plumb__h5_brief_form(record.id, &room));
        if (n > work->id_bytes) work->id_bytes = n;
    }
    return plumb__alloc(&work->id, work->id_bytes, 1, "an id", err);
}

static plumb_status append(example_work *work, size_t id, const void *value, plumb_error *err)
{
    return plumb__h5_column_append(&work->writer->columns[id], value, 1, err);
}

/* A list of names behind the others of its column, and where it ends; *total of them so far. */
static plumb_status append_names(example_work *work, size_t id, size_t offset_id,
                                 const char *const *names, uint32_t n, uint64_t *total,
                                 plumb_error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        plumb__h5_brief room;
        uint32_t code;
        PLUMB_TRY(intern(&work->dictionaries[PLUMB__H5_CODED],
                         plumb__h5_brief_form(names[i], &room), &code, err));
        PLUMB_TRY(append(work, id, &code, err));
    }
    *total += n;
    if (*total > PLUMB__H5_MAX_EXAMPLES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: more annotations than a graph holds",
                           work->writer->path);
    return append(work, offset_id, total, err);
}

static plumb_status append_code(example_work *work, size_t id, size_t dictionary, const char *text,
                                plumb_error *err)
{
    plumb__h5_brief room;
    int32_t code = -1;
    if (text != NULL) {
        uint32_t found;
        PLUMB_TRY(intern(&work->dictionaries[dictionary], plumb__h5_brief_form(text, &room), &found,
                         err));
        code = (int32_t)found;
    }
    return append(work, id, &code, err);
}

static plumb_status append_codes(example_work *work, const plumb_record *r, plumb_error *err)
{
    /* in the order of the dictionaries */
    const char *const texts[PLUMB__H5_CODED] = {
        r->label,         r->batch,  r->cohort,  r->rubric,  r->domain,  r->source,
        r->template_name, r->parent, r->profile, r->licence, r->marking, r->component};
    for (size_t i = 0; i < PLUMB__H5_CODED; i++)
        PLUMB_TRY(append_code(work, PLUMB__H5_EXAMPLES_CODES + i, i, texts[i], err));
    return PLUMB_OK;
}

static plumb_status append_segment(example_work *work, const plumb_segment *s, plumb_error *err)
{
    const uint8_t kind = (uint8_t)s->kind;
    const char *profile = plumb_manifest_profile_text(work->manifest, s->profile);
    PLUMB_TRY(append(work, PLUMB__H5_SEGMENTS_KIND, &kind, err));
    PLUMB_TRY(append(work, PLUMB__H5_SEGMENTS_FROM, &s->from, err));
    PLUMB_TRY(append(work, PLUMB__H5_SEGMENTS_TO, &s->to, err));
    PLUMB_TRY(append(work, PLUMB__H5_SEGMENTS_WEIGHT, &s->weight, err));
    PLUMB_TRY(append_code(work, PLUMB__H5_SEGMENTS_PROFILE, PLUMB__H5_CODE_PROFILE, profile, err));
    PLUMB_TRY(append_code(work, PLUMB__H5_SEGMENTS_COMPONENT, PLUMB__H5_CODE_COMPONENT,
                          s->component, err));
    return append_names(work, PLUMB__H5_SEGMENTS_ANNOTATORS, PLUMB__H5_SEGMENTS_ANNOTATORS_OFFSET,
                        s->annotators, s->n_annotators, &work->n_segment_annotators, err);
}

static plumb_status append_segments(example_work *work, uint64_t i, plumb_error *err)
{
    uint32_t n = 0;
    const plumb_segment *segments = plumb_manifest_segments(work->manifest, (uint32_t)i, &n);
    for (uint32_t s = 0; s < n; s++)
        PLUMB_TRY(append_segment(work, &segments[s], err));
    work->n_segments += n;
    return append(work, PLUMB__H5_EXAMPLES_SEGMENTS_OFFSET, &work->n_segments, err);
}

static plumb_status append_record(example_work *work, const plumb_record *r, plumb_error *err)
{
    static const uint8_t none[32] = {0};
    plumb__h5_brief room;
    memset(work->id, 0, work->id_bytes);
    const char *id = plumb__h5_brief_form(r->id, &room);
    memcpy(work->id, id, strlen(id));
    PLUMB_TRY(append(work, PLUMB__H5_EXAMPLES_ID, work->id, err));
    PLUMB_TRY(append_codes(work, r, err));
    PLUMB_TRY(append_names(work, PLUMB__H5_EXAMPLES_ANNOTATORS,
                           PLUMB__H5_EXAMPLES_ANNOTATORS_OFFSET, r->annotators, r->n_annotators,
                           &work->n_annotators, err));
    PLUMB_TRY(append(work, PLUMB__H5_EXAMPLES_QUALITY, &r->quality, err));
    PLUMB_TRY(append(work, PLUMB__H5_EXAMPLES_WEIGHT, &r->weight, err));
    PLUMB_TRY(append(work, PLUMB__H5_EXAMPLES_STEP_BUDGET, &r->step_budget_nats, err));
    PLUMB_TRY(append(work, PLUMB__H5_EXAMPLES_RUN_BUDGET, &r->run_budget_nats, err));
    return append(work, PLUMB__H5_EXAMPLES_SHA256, r->has_digest ? r->sha256 : none, err);
}

static plumb_status write_rows(example_work *work, plumb_error *err)
{
    const uint64_t zero = 0;
    PLUMB_TRY(widest_id(work, err));
    for (size_t id = PLUMB__H5_EXAMPLES_ID; id < PLUMB__H5_DICTIONARIES; id++)
        PLUMB_TRY(
            plumb__h5_writer_column(work->writer, id, work->id_bytes, work->n_examples + 1, err));
    PLUMB_TRY(append(work, PLUMB__H5_EXAMPLES_ANNOTATORS_OFFSET, &zero, err));
    PLUMB_TRY(append(work, PLUMB__H5_EXAMPLES_SEGMENTS_OFFSET, &zero, err));
    PLUMB_TRY(append(work, PLUMB__H5_SEGMENTS_ANNOTATORS_OFFSET, &zero, err));
    for (uint64_t i = 0; i < work->n_examples; i++) {
        plumb_record record;
        PLUMB_TRY(record_of(work, i, &record, err));
        PLUMB_TRY(append_record(work, &record, err));
        PLUMB_TRY(append_segments(work, i, err));
    }
    return PLUMB_OK;
}

static plumb_status write_dictionary(plumb__h5_writer *w, size_t id, const dictionary *d,
                                     plumb_error *err)
{
    const size_t cell_bytes = d->longest > 0 ? d->longest : 1;
    PLUMB_TRY(plumb__h5_writer_column(w, id, cell_bytes, d->n, err));
    char *cell = NULL;
    PLUMB_TRY(plumb__alloc(&cell, cell_bytes, 1, "a string", err));
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; i < d->n && status == PLUMB_OK; i++) {
        memset(cell, 0, cell_bytes);
        memcpy(cell, d->strings[i], strlen(d->strings[i]));
        status = plumb__h5_column_append(&w->columns[id], cell, 1, err);
    }
    plumb__free(cell);
    return status;
}

plumb_status plumb__h5_write_examples(plumb__h5_writer *w, const plumb_manifest *manifest,
                                      plumb_error *err)
{
    plumb_manifest_info info = {.size = sizeof info, .version = 1};
    plumb_manifest_describe(manifest, &info);
    if (info.records > INT32_MAX)
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "%s: a manifest of %llu records is more than a graph holds", w->path,
                           (unsigned long long)info.records);
    example_work work = {.writer = w, .manifest = manifest, .n_examples = info.records};
    plumb_status status = write_rows(&work, err);
    for (size_t i = 0; i <= PLUMB__H5_CODED && status == PLUMB_OK; i++)
        status = write_dictionary(w, PLUMB__H5_DICTIONARIES + i, &work.dictionaries[i], err);
    for (size_t i = 0; i <= PLUMB__H5_CODED; i++)
        dictionary_free(&work.dictionaries[i]);
    plumb__free(work.id);
    return status;
}
