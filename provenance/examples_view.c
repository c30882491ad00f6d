/* One dictionary serves all fields: a name is kept once, whatever field it comes from. Names are
 * borrowed from the graph or the manifest. */
#include "provenance/examples_view.h"

#include "base/alloc.h"

#include <string.h>

#define N_COLUMNS 5

struct plumb__examples {
    plumb__h5_reader *reader;
    const plumb_manifest *manifest;
    uint64_t n;
    uint32_t *columns[N_COLUMNS];
    uint64_t *annotator_offsets;
    uint32_t *annotator_codes;
    size_t annotator_capacity;
    uint64_t *segments, *segment_offsets; /* NULL: not loaded */
    size_t segment_capacity;
    uint32_t *segment_codes;
    size_t segment_code_capacity;
    const char **names; /* by code; names[0] is "" */
    size_t n_names, name_capacity;
    uint32_t *slots; /* code, 0: free */
    size_t n_slots;
};

/* ---- the dictionary ----------------------------------------------------------------------- */

static size_t slot_of(const plumb__examples *ex, const char *name)
{
    uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a: names are short and not chosen against us */
    for (const char *c = name; *c != '\0'; c++)
        h = (h ^ (uint8_t)*c) * 0x100000001b3ull;
    size_t at = (size_t)(h ^ (h >> 32)) & (ex->n_slots - 1);
    while (ex->slots[at] != 0 && strcmp(ex->names[ex->slots[at]], name) != 0)
        at = (at + 1) & (ex->n_slots - 1);
    return at;
}

static plumb_status widen(plumb__examples *ex, plumb_error *err)
{
    const size_t n_slots = ex->n_slots == 0 ? 1024 : ex->n_slots * 2;
    uint32_t *slots = NULL;
    PLUMB_TRY(plumb__alloc(&slots, n_slots, sizeof *slots, "dictionary", err));
    plumb__free(ex->slots);
    ex->slots = slots;
    ex->n_slots = n_slots;
    for (size_t code = 1; code < ex->n_names; code++)
        slots[slot_of(ex, ex->names[code])] = (uint32_t)code;
    return PLUMB_OK;
}

static plumb_status add_name(plumb__examples *ex, const char *name, uint32_t *code,
                             plumb_error *err)
{
    *code = 0;
    if (name == NULL || *name == '\0') return PLUMB_OK;
    if (2 * (ex->n_names + 1) > ex->n_slots) PLUMB_TRY(widen(ex, err));
    const size_t at = slot_of(ex, name);
    if (ex->slots[at] == 0) {
        PLUMB_TRY(plumb__grow(&ex->names, &ex->name_capacity, ex->n_names + 1, sizeof *ex->names,
                              "dictionary", err));
        ex->names[ex->n_names] = name;
        ex->slots[at] = (uint32_t)ex->n_names++;
    }
    *code = ex->slots[at];
    return PLUMB_OK;
}

const char *plumb__examples_name(const plumb__examples *ex, uint32_t code)
{
    return code < ex->n_names ? ex->names[code] : "";
}

uint32_t plumb__examples_code(const plumb__examples *ex, const char *name)
{
    return *name == '\0' || ex->n_slots == 0 ? 0 : ex->slots[slot_of(ex, name)];
}

/* ---- opening ------------------------------------------------------------------------------ */

plumb_status plumb__examples_open(plumb__h5_reader *reader, const plumb_manifest *manifest,
                                  plumb__examples **examples, plumb_error *err)
{
    plumb__examples *ex = NULL;
    PLUMB_TRY(plumb__alloc(&ex, 1, sizeof *ex, "examples", err));
    ex->reader = reader;
    ex->manifest = manifest;
    plumb_manifest_info info = {.size = sizeof info, .version = 1};
    if (reader == NULL) plumb_manifest_describe(manifest, &info);
    ex->n = reader != NULL ? plumb__h5_example_count(reader) : info.records;
    const plumb_status status =
        plumb__grow(&ex->names, &ex->name_capacity, 1, sizeof *ex->names, "dictionary", err);
    if (status != PLUMB_OK) {
        plumb__examples_free(ex);
        return status;
    }
    ex->names[0] = "";
    ex->n_names = 1;
    *examples = ex;
    return PLUMB_OK;
}

void plumb__examples_free(plumb__examples *ex)
{
    if (ex == NULL) return;
    for (int i = 0; i < N_COLUMNS; i++)
        plumb__free(ex->columns[i]);
    plumb__free(ex->annotator_offsets);
    plumb__free(ex->annotator_codes);
    plumb__free(ex->segments);
    plumb__free(ex->segment_offsets);
    plumb__free(ex->segment_codes);
    plumb__free(ex->names);
    plumb__free(ex->slots);
    plumb__free(ex);
}

uint64_t plumb__examples_count(const plumb__examples *ex)
{
    return ex->n;
}

/* ---- columns ------------------------------------------------------------------------------ */

static const struct {
    plumb_field field;
    const char *name;
} columns[N_COLUMNS] = {{PLUMB_FIELD_EXAMPLE, "id"},
                        {PLUMB_FIELD_COHORT, "cohort"},
                        {PLUMB_FIELD_BATCH, "batch"},
                        {PLUMB_FIELD_RUBRIC, "rubric"},
                        {PLUMB_FIELD_DOMAIN, "domain"}};

static plumb_status record_at(const plumb__examples *ex, uint64_t i, plumb_record *record,
                              plumb_error *err)
{
    plumb_record_default(record);
    return plumb_manifest_record(ex->manifest, (uint32_t)i, record, err);
}

static const char *record_field(const plumb_record *record, plumb_field field)
{
    switch (field) {
    case PLUMB_FIELD_EXAMPLE: return record->id;
    case PLUMB_FIELD_COHORT: return record->cohort;
    case PLUMB_FIELD_BATCH: return record->batch;
    case PLUMB_FIELD_RUBRIC: return record->rubric;
    case PLUMB_FIELD_DOMAIN: return record->domain;
    default: return NULL;
    }
}

static plumb_status load_column(plumb__examples *ex, int c, uint32_t *codes, plumb_error *err)
{
    const char *const *values = NULL;
    if (ex->reader != NULL)
        PLUMB_TRY(plumb__h5_example_strings(ex->reader, columns[c].name, &values, err));
    for (uint64_t i = 0; i < ex->n; i++) {
        plumb_record record;
        if (values == NULL) PLUMB_TRY(record_at(ex, i, &record, err));
        PLUMB_TRY(add_name(ex, values != NULL ? values[i] : record_field(&record, columns[c].field),
                           &codes[i], err));
    }
    return PLUMB_OK;
}

plumb_status plumb__examples_column(plumb__examples *ex, plumb_field field, const uint32_t **out,
                                    plumb_error *err)
{
    for (int c = 0; c < N_COLUMNS; c++) {
        if (columns[c].field != field) continue;
        if (ex->columns[c] == NULL) {
            uint32_t *codes = NULL;
            PLUMB_TRY(plumb__alloc(&codes, ex->n, sizeof *codes, "example column", err));
            const plumb_status status = load_column(ex, c, codes, err);
            if (status != PLUMB_OK) {
                plumb__free(codes);
                return status;
            }
            ex->columns[c] = codes;
        }
        *out = ex->columns[c];
        return PLUMB_OK;
    }
    return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s is no column of the examples",
                       plumb_field_name(field));
}

/* ---- annotators --------------------------------------------------------------------------- */

static plumb_status add_annotator(plumb__examples *ex, uint64_t *n, const char *name,
                                  plumb_error *err)
{
    uint32_t code = 0;
    PLUMB_TRY(add_name(ex, name, &code, err));
    PLUMB_TRY(plumb__grow(&ex->annotator_codes, &ex->annotator_capacity, (size_t)*n + 1,
                          sizeof *ex->annotator_codes, "annotators", err));
    ex->annotator_codes[(*n)++] = code;
    return PLUMB_OK;
}

static plumb_status manifest_annotators(plumb__examples *ex, uint64_t *offsets, plumb_error *err)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < ex->n; i++) {
        plumb_record record;
        PLUMB_TRY(record_at(ex, i, &record, err));
        offsets[i] = n;
        for (uint32_t k = 0; k < record.n_annotators; k++)
            PLUMB_TRY(add_annotator(ex, &n, record.annotators[k], err));
    }
    offsets[ex->n] = n;
    return PLUMB_OK;
}

static plumb_status graph_annotators(plumb__examples *ex, uint64_t *offsets, plumb_error *err)
{
    const uint64_t *given = NULL;
    const uint32_t *codes = NULL;
    const char *const *names = NULL;
    size_t n_names = 0;
    uint64_t n = 0;
    PLUMB_TRY(plumb__h5_example_annotators(ex->reader, &given, &codes, &names, &n_names, err));
    for (uint64_t i = 0; i < ex->n; i++) {
        offsets[i] = n;
        for (uint64_t k = given[i]; k < given[i + 1]; k++)
            PLUMB_TRY(add_annotator(ex, &n, codes[k] < n_names ? names[codes[k]] : "", err));
    }
    offsets[ex->n] = n;
    return PLUMB_OK;
}

plumb_status plumb__examples_annotators(plumb__examples *ex, const uint64_t **offsets,
                                        const uint32_t **codes, plumb_error *err)
{
    if (ex->annotator_offsets == NULL) {
        uint64_t *made = NULL;
        PLUMB_TRY(plumb__alloc(&made, (size_t)ex->n + 1, sizeof *made, "annotators", err));
        const plumb_status status = ex->reader != NULL ? graph_annotators(ex, made, err)
                                                       : manifest_annotators(ex, made, err);
        if (status != PLUMB_OK) {
            plumb__free(made);
            return status;
        }
        ex->annotator_offsets = made;
    }
    *offsets = ex->annotator_offsets;
    *codes = ex->annotator_codes;
    return PLUMB_OK;
}

/* ---- annotators of segments --------------------------------------------------------------- */

/* Where the lists are gathered. */
typedef struct gathered {
    uint64_t rows, codes;
} gathered;

static plumb_status add_segment_name(plumb__examples *ex, gathered *g, const char *name,
                                     plumb_error *err)
{
    uint32_t code = 0;
    PLUMB_TRY(add_name(ex, name, &code, err));
    PLUMB_TRY(plumb__grow(&ex->segment_codes, &ex->segment_code_capacity, (size_t)g->codes + 1,
                          sizeof *ex->segment_codes, "annotators", err));
    ex->segment_codes[g->codes++] = code;
    return PLUMB_OK;
}

/* Ends the list of one segment. */
static plumb_status end_segment(plumb__examples *ex, gathered *g, plumb_error *err)
{
    PLUMB_TRY(plumb__grow(&ex->segment_offsets, &ex->segment_capacity, (size_t)g->rows + 2,
                          sizeof *ex->segment_offsets, "annotators", err));
    ex->segment_offsets[0] = 0;
    ex->segment_offsets[++g->rows] = g->codes;
    return PLUMB_OK;
}

static plumb_status manifest_segments(plumb__examples *ex, uint64_t *first, gathered *g,
                                      plumb_error *err)
{
    for (uint64_t i = 0; i < ex->n; i++) {
        uint32_t n = 0;
        const plumb_segment *list = plumb_manifest_segments(ex->manifest, (uint32_t)i, &n);
        first[i] = g->rows;
        for (uint32_t s = 0; s < n; s++) {
            for (uint32_t k = 0; k < list[s].n_annotators; k++)
                PLUMB_TRY(add_segment_name(ex, g, list[s].annotators[k], err));
            PLUMB_TRY(end_segment(ex, g, err));
        }
    }
    first[ex->n] = g->rows;
    return PLUMB_OK;
}

static plumb_status graph_segments(plumb__examples *ex, uint64_t *first, gathered *g,
                                   plumb_error *err)
{
    const plumb__h5_segments *have = NULL;
    const uint64_t *offsets = NULL;
    const uint32_t *codes = NULL;
    const char *const *names = NULL;
    size_t n_names = 0;
    PLUMB_TRY(plumb__h5_example_segments(ex->reader, &have, err));
    PLUMB_TRY(plumb__h5_example_annotators(ex->reader, &offsets, &codes, &names, &n_names, err));
    memcpy(first, have->offsets, ((size_t)ex->n + 1) * sizeof *first);
    for (size_t s = 0; s < have->n; s++) {
        for (uint64_t k = have->annotator_offsets[s]; k < have->annotator_offsets[s + 1]; k++)
            PLUMB_TRY(add_segment_name(ex, g, names[have->annotators[k]], err));
        PLUMB_TRY(end_segment(ex, g, err));
    }
    return PLUMB_OK;
}

plumb_status plumb__examples_segments(plumb__examples *ex, plumb__segment_annotators *out,
                                      plumb_error *err)
{
    if (ex->segments == NULL) {
        gathered g = {0};
        uint64_t *first = NULL;
        PLUMB_TRY(plumb__alloc(&first, (size_t)ex->n + 1, sizeof *first, "segments", err));
        const plumb_status status = ex->reader != NULL ? graph_segments(ex, first, &g, err)
                                                       : manifest_segments(ex, first, &g, err);
        if (status != PLUMB_OK) {
            plumb__free(first);
            return status;
        }
        ex->segments = first;
    }
    *out = (plumb__segment_annotators){ex->segments, ex->segment_offsets, ex->segment_codes};
    return PLUMB_OK;
}
