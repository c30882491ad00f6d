/* What only provenance.h5 has: examples, ledger, index, statements. Loaded when first asked for,
 * then kept. */
#include "base/alloc.h"
#include "provenance/h5_reader_parts.h"

#include <string.h>

void plumb__h5_reader_free_examples(plumb__h5_reader *r)
{
    plumb__h5_strings_free(&r->ids);
    for (size_t i = 0; i <= PLUMB__H5_CODED; i++)
        plumb__h5_strings_free(&r->dictionaries[i]);
    for (size_t i = 0; i < PLUMB__H5_CODED; i++)
        plumb__free(r->coded[i]);
    for (size_t i = 0; i < r->n_statements; i++)
        plumb__free(r->statements[i]);
    plumb__free(r->annotator_offsets);
    plumb__free(r->annotator_codes);
    plumb__h5_segments_free(r->segments);
    plumb__free(r->index_offsets);
    plumb__free(r->rows);
}

plumb_status plumb__h5_need_whole(const plumb__h5_reader *r, plumb_error *err)
{
    if (r->shape.whole) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_NOT_FOUND,
                       "%s is a segment: it has no examples, ledger or index", r->path);
}

uint64_t plumb__h5_example_count(const plumb__h5_reader *r)
{
    return r->shape.whole ? r->shape.rows[PLUMB__H5_ROWS_EXAMPLES] : 0;
}

/* ---- strings ---- */

static plumb_status load_dictionary(plumb__h5_reader *r, size_t i, plumb_error *err)
{
    if (r->dictionaries[i].at != NULL) return PLUMB_OK;
    return plumb__h5_load_strings(r, PLUMB__H5_DICTIONARIES + i, &r->dictionaries[i], err);
}

plumb_status plumb__h5_resolve_codes(plumb__h5_reader *r, size_t id, size_t i, size_t n,
                                     const char ***out, plumb_error *err)
{
    PLUMB_TRY(load_dictionary(r, i, err));
    const plumb__h5_strings *dictionary = &r->dictionaries[i];
    int32_t *codes = NULL;
    const char **values = NULL;
    PLUMB_TRY(plumb__h5_load(r, id, &codes, err));
    plumb_status status = plumb__alloc(&values, n, sizeof *values, "a column of examples", err);
    for (size_t e = 0; e < n && status == PLUMB_OK; e++) {
        if (codes[e] < -1 || (codes[e] >= 0 && (size_t)codes[e] >= dictionary->n))
            status = plumb__h5_refuse(r, id, "holds a code that its dictionary lacks", err);
        else
            values[e] = codes[e] < 0 ? "" : dictionary->at[codes[e]];
    }
    plumb__free(codes);
    if (status == PLUMB_OK)
        *out = values;
    else
        plumb__free(values);
    return status;
}

plumb_status plumb__h5_example_strings(plumb__h5_reader *r, const char *name,
                                       const char *const **values, plumb_error *err)
{
    *values = NULL;
    PLUMB_TRY(plumb__h5_need_whole(r, err));
    const size_t id = plumb__h5_find("examples", name);
    if (id == PLUMB__H5_EXAMPLES_ID) {
        if (r->ids.at == NULL) PLUMB_TRY(plumb__h5_load_strings(r, id, &r->ids, err));
        *values = r->ids.at;
        return PLUMB_OK;
    }
    if (id < PLUMB__H5_EXAMPLES_CODES || id >= PLUMB__H5_EXAMPLES_CODES + PLUMB__H5_CODED)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "examples have no strings named %s", name);
    const size_t i = id - PLUMB__H5_EXAMPLES_CODES;
    if (r->coded[i] == NULL)
        PLUMB_TRY(plumb__h5_resolve_codes(r, id, i, (size_t)plumb__h5_example_count(r),
                                          &r->coded[i], err));
    *values = r->coded[i];
    return PLUMB_OK;
}

plumb_status plumb__h5_load_lists(plumb__h5_reader *r, size_t id, size_t offset_id, uint64_t n,
                                  uint64_t **out_offsets, uint32_t **out_codes, plumb_error *err)
{
    const size_t dictionary = PLUMB__H5_CODED;
    PLUMB_TRY(load_dictionary(r, dictionary, err));
    uint64_t *offsets = NULL;
    uint32_t *codes = NULL;
    plumb_status status;
    const uint64_t n_codes = r->columns[id].rows;
    PLUMB_TRY_CLEAN(plumb__h5_load(r, offset_id, &offsets, err));
    PLUMB_TRY_CLEAN(plumb__h5_check_offsets(r, offset_id, offsets, n, n_codes, err));
    PLUMB_TRY_CLEAN(plumb__h5_load(r, id, &codes, err));
    for (uint64_t i = 0; i < n_codes && status == PLUMB_OK; i++) {
        if (codes[i] >= r->dictionaries[dictionary].n)
            status = plumb__h5_refuse(r, id, "holds a code that its dictionary lacks", err);
    }
cleanup:
    if (status == PLUMB_OK) {
        *out_offsets = offsets;
        *out_codes = codes;
        return PLUMB_OK;
    }
    plumb__free(codes);
    plumb__free(offsets);
    return status;
}

plumb_status plumb__h5_example_annotators(plumb__h5_reader *r, const uint64_t **offsets,
                                          const uint32_t **codes, const char *const **names,
                                          size_t *n_names, plumb_error *err)
{
    PLUMB_TRY(plumb__h5_need_whole(r, err));
    if (r->annotator_offsets == NULL)
        PLUMB_TRY(plumb__h5_load_lists(
            r, PLUMB__H5_EXAMPLES_ANNOTATORS, PLUMB__H5_EXAMPLES_ANNOTATORS_OFFSET,
            plumb__h5_example_count(r), &r->annotator_offsets, &r->annotator_codes, err));
    *offsets = r->annotator_offsets;
    *codes = r->annotator_codes;
    *names = r->dictionaries[PLUMB__H5_CODED].at;
    *n_names = r->dictionaries[PLUMB__H5_CODED].n;
    return PLUMB_OK;
}

/* ---- ledger and index ---- */

static plumb_status out_of_range(const plumb__h5_reader *r, uint64_t example, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s has no example %llu", r->path,
                       (unsigned long long)example);
}

plumb_status plumb__h5_ledger(plumb__h5_reader *r, uint64_t first, uint64_t n, float *out,
                              plumb_error *err)
{
    PLUMB_TRY(plumb__h5_need_whole(r, err));
    const uint64_t count = plumb__h5_example_count(r);
    if (first > count || n > count - first) return out_of_range(r, first + n, err);
    return plumb__h5_column_read(&r->columns[PLUMB__H5_LEDGER_SPEND], first, n, out, err);
}

static plumb_status load_index_offsets(plumb__h5_reader *r, plumb_error *err)
{
    uint64_t *offsets = NULL;
    PLUMB_TRY(plumb__h5_load(r, PLUMB__H5_INDEX_OFFSET, &offsets, err));
    const plumb_status status =
        plumb__h5_check_offsets(r, PLUMB__H5_INDEX_OFFSET, offsets, plumb__h5_example_count(r),
                                r->shape.rows[PLUMB__H5_ROWS_KNOWN], err);
    if (status == PLUMB_OK)
        r->index_offsets = offsets;
    else
        plumb__free(offsets);
    return status;
}

static plumb_status check_unit_rows(const plumb__h5_reader *r, uint64_t n, plumb_error *err)
{
    for (uint64_t i = 0; i < n; i++) {
        if (r->rows[i] >= plumb__h5_unit_count(r) || (i > 0 && r->rows[i] <= r->rows[i - 1]))
            return plumb__h5_refuse(r, PLUMB__H5_INDEX_ROW, "does not name rising rows of /units",
                                    err);
    }
    return PLUMB_OK;
}

plumb_status plumb__h5_example_rows(plumb__h5_reader *r, uint32_t example, const uint64_t **rows,
                                    uint64_t *n_rows, plumb_error *err)
{
    *rows = NULL;
    *n_rows = 0;
    PLUMB_TRY(plumb__h5_need_whole(r, err));
    if (example >= plumb__h5_example_count(r)) return out_of_range(r, example, err);
    if (r->index_offsets == NULL) PLUMB_TRY(load_index_offsets(r, err));
    const uint64_t first = r->index_offsets[example], n = r->index_offsets[example + 1] - first;
    PLUMB_TRY(plumb__grow(&r->rows, &r->rows_capacity, (size_t)n + 1, sizeof *r->rows,
                          "the units of an example", err));
    PLUMB_TRY(plumb__h5_column_read(&r->columns[PLUMB__H5_INDEX_ROW], first, n, r->rows, err));
    PLUMB_TRY(check_unit_rows(r, n, err));
    *rows = r->rows;
    *n_rows = n;
    return PLUMB_OK;
}

/* ---- statements ---- */

static plumb_status load_statement(plumb__h5_reader *r, const char *name, uint8_t **data, size_t *n,
                                   plumb_error *err)
{
    plumb__h5_column column;
    PLUMB_TRY(plumb__h5_open_statement(r->file, r->path, &r->types, name, &column, err));
    *n = (size_t)column.rows;
    plumb_status status = plumb__alloc(data, *n, 1, "a statement", err);
    if (status == PLUMB_OK) status = plumb__h5_column_read(&column, 0, column.rows, *data, err);
    plumb__h5_column_close(&column);
    if (status != PLUMB_OK) plumb__free(*data);
    return status;
}

plumb_status plumb__h5_statement(plumb__h5_reader *r, const char *name, const void **data,
                                 size_t *n, plumb_error *err)
{
    PLUMB_TRY(plumb__h5_need_whole(r, err));
    size_t i = 0;
    while (i < r->n_statements && strcmp(r->statement_names[i], name) != 0)
        i++;
    if (i == r->n_statements) {
        if (i == PLUMB__H5_MAX_STATEMENTS)
            return plumb__fail(err, PLUMB_ERR_NOT_FOUND, "%s has no statement %s", r->path, name);
        PLUMB_TRY(load_statement(r, name, &r->statements[i], &r->statement_bytes[i], err));
        strcpy(r->statement_names[i], name); /* the name was checked: at most 127 bytes */
        r->n_statements++;
    }
    *data = r->statements[i];
    *n = r->statement_bytes[i];
    return PLUMB_OK;
}
