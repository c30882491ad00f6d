#include "manifest/records/private.h"

#include "base/alloc.h"
#include "base/file.h"
#include "manifest/records/json_scan.h"
#include "manifest/records/record_batch.h"
#include "manifest/records/record_merge.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PRIVATE_CAP ((uint64_t)16 << 30)
#define ARENA_KEPT ((size_t)1 << 20)

static const plumb__scan_name id_alone[] = {{"id", false}, {NULL, false}};

/* Reading the index. */
typedef struct indexing {
    plumb__private *file;
    plumb__scan scan;
    plumb__arena arena;
    uint64_t at; /* where the batch begins in the file */
} indexing;

static plumb_status fail_at(const plumb__private *file, const char *line, uint32_t at,
                            plumb_status status, plumb_error *err)
{
    char place[PLUMB__PLACE_BYTES];
    plumb__record_place(file->path, (uint64_t)file->ids.n + 1, plumb__scan_column(line, at), place,
                        sizeof place);
    return plumb__error_prefix(err, status, "%s", place);
}

static plumb_status find_id(indexing *in, const char *line, size_t n, uint32_t *at,
                            const plumb__scan_node **id, plumb_error *err)
{
    PLUMB_TRY(plumb__line_check(in->file->ids.n == 0, line, n, at, err));
    const plumb_status status = plumb__scan_line(&in->scan, &in->arena, line, n, err);
    *at = in->scan.bad_at;
    PLUMB_TRY(status);
    *at = in->scan.nodes[0].at;
    if (in->scan.field[0] == 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "field \"id\" is missing");
    }
    *id = &in->scan.nodes[in->scan.field[0]];
    *at = (*id)->at;
    if ((*id)->kind == PLUMB__SCAN_STRING) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "field \"id\" must be a string, found %s",
                       plumb__scan_kind_name((*id)->kind));
}

static plumb_status index_line(indexing *in, const char *line, size_t n, uint64_t from,
                               plumb_error *err)
{
    plumb__private *file = in->file;
    const plumb__scan_node *id = NULL;
    uint32_t at = 0, number;
    const uint32_t expected = file->ids.n;
    plumb_status status = find_id(in, line, n, &at, &id, err);
    if (status == PLUMB_OK) {
        status = plumb__intern_add(&file->ids, id->text, id->bytes, &number, err);
        if (status == PLUMB_OK && number != expected) {
            status = plumb__fail(err, PLUMB_ERR_FORMAT, "id \"%.*s\" is that of line %u already",
                                 id->bytes < 256 ? (int)id->bytes : 256, id->text, number + 1);
        }
    }
    if (status != PLUMB_OK) return fail_at(file, line, at, status, err);
    PLUMB_TRY(plumb__grow(&file->starts, &file->starts_capacity, (size_t)expected + 2,
                          sizeof *file->starts, "private records", err));
    file->starts[expected] = from;
    file->starts[expected + 1] = from + n + 1;
    return PLUMB_OK;
}

static plumb_status index_batch(indexing *in, const plumb__batch *batch, plumb_error *err)
{
    for (size_t from = 0; from < batch->end;) {
        const char *line = batch->data + from, *lf = memchr(line, '\n', batch->end - from);
        plumb__arena_reset(&in->arena, ARENA_KEPT);
        if (lf == NULL && !batch->broken) {
            (void)plumb__fail(err, PLUMB_ERR_TRUNCATED,
                              "the last line does not end in LF: the file is cut short, or its "
                              "last line end is missing");
            return fail_at(in->file, line, 0, PLUMB_ERR_TRUNCATED, err);
        }
        const size_t n = lf != NULL ? (size_t)(lf - line) : batch->end - from;
        PLUMB_TRY(index_line(in, line, n, in->at + from, err));
        from += n + 1;
    }
    in->at += batch->end;
    return PLUMB_OK;
}

static plumb_status index_all(indexing *in, plumb__line_source *source, plumb_error *err)
{
    plumb__batch batches[2] = {{0}, {0}};
    plumb_status status = PLUMB_OK;
    for (int now = 0; source->bytes > 0 && status == PLUMB_OK; now = !now) {
        const plumb__batch *before = source->done > 0 ? &batches[!now] : NULL;
        status = plumb__batch_fill(&batches[now], before, source, err);
        if (status == PLUMB_OK) status = index_batch(in, &batches[now], err);
        if (batches[now].last) break;
    }
    plumb__batch_free(&batches[0]);
    plumb__batch_free(&batches[1]);
    return status;
}

static plumb_status read_index(const char *path, plumb__private *file, plumb_error *err)
{
    plumb__line_source source;
    indexing in = {.file = file};
    PLUMB_TRY(plumb__intern_init(&file->ids, err));
    PLUMB_TRY(plumb__source_open(path, &source, err));
    file->fd = source.fd;
    if (source.bytes > PRIVATE_CAP) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "%s is too large: at most %llu bytes are read here", path,
                           (unsigned long long)PRIVATE_CAP);
    }
    plumb__scan_init(&in.scan, id_alone);
    const plumb_status status = index_all(&in, &source, err);
    plumb__scan_free(&in.scan);
    plumb__arena_free(&in.arena);
    return status;
}

plumb_status plumb__private_open(const char *path, bool required, plumb__private **out,
                                 plumb_error *err)
{
    plumb__private *file = NULL;
    *out = NULL;
    if (!required && !plumb__path_exists(path)) return PLUMB_OK;
    PLUMB_TRY(plumb__alloc(&file, 1, sizeof *file, "private records", err));
    file->fd = -1;
    (void)snprintf(file->path, sizeof file->path, "%.1000s", path);
    const plumb_status status = read_index(path, file, err);
    if (status != PLUMB_OK) {
        plumb__private_free(file);
        return status;
    }
    *out = file;
    return PLUMB_OK;
}

void plumb__private_free(plumb__private *file)
{
    if (file == NULL) return;
    if (file->fd >= 0) (void)close(file->fd);
    plumb__intern_free(&file->ids);
    plumb__free(file->starts);
    plumb__free(file);
}

uint32_t plumb__private_find(const plumb__private *file, const char *id, size_t n)
{
    return file == NULL ? PLUMB__INTERN_NONE : plumb__intern_find(&file->ids, id, n);
}

plumb_status plumb__private_line(const plumb__private *file, uint32_t number, plumb__arena *arena,
                                 const char **line, size_t *n, plumb_error *err)
{
    const uint64_t from = file->starts[number];
    const size_t length = (size_t)(file->starts[number + 1] - from) - 1;
    char *copy = plumb__arena_take(arena, length);
    if (copy == NULL) return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for private records");
    PLUMB_TRY(plumb__fd_read_at(file->fd, copy, length, from, file->path, err));
    *line = copy;
    *n = length;
    return PLUMB_OK;
}

plumb_status plumb__private_check_used(const plumb__private *file, uint32_t used, plumb_error *err)
{
    if (file == NULL || used == file->ids.n) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: %u of its %u lines belong to no record of the manifest", file->path,
                       file->ids.n - used, file->ids.n);
}
