/* What a segment lacks and provenance.h5 has. The steps are read back from the file itself, through
 * the reader and its checks, so that ledger and index come from what is stored. */
#include "provenance/h5_index.h"
#include "provenance/h5_writer_parts.h"

#include <string.h>

/* ---- ledger and index ---- */

static plumb_status append_ledger(void *ctx, uint64_t first, size_t n, const float *spend,
                                  plumb_error *err)
{
    plumb__h5_writer *w = ctx;
    (void)first;
    return plumb__h5_column_append(&w->columns[PLUMB__H5_LEDGER_SPEND], spend, n, err);
}

static plumb_status append_offsets(void *ctx, size_t n, const uint64_t *offsets, plumb_error *err)
{
    plumb__h5_writer *w = ctx;
    return plumb__h5_column_append(&w->columns[PLUMB__H5_INDEX_OFFSET], offsets, n, err);
}

static plumb_status append_rows(void *ctx, uint64_t first, size_t n, const uint64_t *rows,
                                const uint16_t *const edges[3], plumb_error *err)
{
    plumb__h5_writer *w = ctx;
    (void)first;
    PLUMB_TRY(plumb__h5_column_append(&w->columns[PLUMB__H5_INDEX_ROW], rows, n, err));
    for (size_t c = 0; c < 3; c++)
        PLUMB_TRY(plumb__h5_column_append(&w->columns[PLUMB__H5_INDEX_NORM + c], edges[c], n, err));
    return PLUMB_OK;
}

static plumb_status write_index(plumb__h5_writer *w, plumb__h5_reader *source, uint64_t n_examples,
                                plumb_error *err)
{
    for (size_t id = PLUMB__H5_LEDGER_SPEND; id < PLUMB__H5_COLUMN_COUNT; id++)
        PLUMB_TRY(plumb__h5_writer_column(w, id, 0, 0, err));
    const plumb__h5_index_sink sink = {w, append_ledger, append_offsets, append_rows};
    return plumb__h5_index_build(source, n_examples, PLUMB__H5_SLAB_BYTES, &sink, err);
}

/* ---- statements ---- */

static plumb_status write_statement(plumb__h5_writer *w, const plumb__evidence *statement,
                                    plumb_error *err)
{
    if (!plumb__h5_statement_name_ok(statement->name))
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s: \"%s\" is no name for a statement",
                           w->path, statement->name);
    if (statement->size > PLUMB__H5_MAX_STATEMENT_BYTES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: the statement %s has more than %llu bytes",
                           w->path, statement->name,
                           (unsigned long long)PLUMB__H5_MAX_STATEMENT_BYTES);
    plumb__h5_spec spec = plumb__h5_statement_spec;
    spec.name = statement->name;
    plumb__h5_column column = {0};
    PLUMB_TRY(plumb__h5_column_create(w->groups[PLUMB__H5_STATEMENTS_GROUP], &w->types, &spec, 1, 0,
                                      statement->size, w->path, &column, err));
    plumb_status status = plumb__h5_column_append(&column, statement->data, statement->size, err);
    if (status == PLUMB_OK) status = plumb__h5_column_flush(&column, err);
    plumb__h5_column_close(&column);
    return status;
}

static plumb_status write_statements(plumb__h5_writer *w, const plumb__evidence *statements,
                                     size_t n, plumb_error *err)
{
    if (n > PLUMB__H5_MAX_STATEMENTS)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: %zu statements, a graph holds %u", w->path, n,
                           PLUMB__H5_MAX_STATEMENTS);
    for (size_t i = 0; i < n; i++)
        PLUMB_TRY(write_statement(w, &statements[i], err));
    return PLUMB_OK;
}

/* ---- all of it ---- */

static plumb_status finish(plumb__h5_writer *w, const plumb_manifest *manifest,
                           const plumb__evidence *statements, size_t n_statements, plumb_error *err)
{
    plumb__h5_reader *source = NULL;
    plumb_manifest_info info = {.size = sizeof info, .version = 1};
    plumb_status status;
    plumb_manifest_describe(manifest, &info);
    for (size_t id = 0; id < PLUMB__H5_SEGMENT_COUNT; id++)
        PLUMB_TRY(plumb__h5_column_flush(&w->columns[id], err));
    PLUMB_TRY_CLEAN(plumb__h5_reader_attach(w->file, w->path, &source, err));
    PLUMB_TRY_CLEAN(plumb__h5_writer_groups(w, PLUMB__H5_SEGMENT_GROUPS, PLUMB__H5_GROUPS, err));
    PLUMB_TRY_CLEAN(plumb__h5_write_examples(w, manifest, err));
    PLUMB_TRY_CLEAN(write_index(w, source, info.records, err));
    status = write_statements(w, statements, n_statements, err);
cleanup:
    plumb__h5_reader_free(source);
    return status;
}

plumb_status plumb__h5_finish(plumb__h5_writer *w, const plumb_manifest *manifest,
                              const plumb__evidence *statements, size_t n_statements,
                              plumb_error *err)
{
    if (w->broken || w->finished)
        return plumb__fail(err, PLUMB_ERR_STATE, "%s is finished or broken already", w->path);
    w->finished = true;
    const plumb_status status = finish(w, manifest, statements, n_statements, err);
    w->broken = status != PLUMB_OK;
    return status == PLUMB_OK ? plumb__h5_writer_check(w, err) : status;
}
