#include "manifest/records/record_file.h"

#include "base/alloc.h"
#include "base/file.h"
#include "manifest/proofs/merkle.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)64 << 10)

/* ---- opening ---- */

static plumb_status check_size(const plumb__line_source *source,
                               const plumb__records_identity *expected, plumb_error *err)
{
    if (expected == NULL || source->bytes == expected->bytes) return PLUMB_OK;
    const bool less = source->bytes < expected->bytes;
    return plumb__fail(err, less ? PLUMB_ERR_TRUNCATED : PLUMB_ERR_DIGEST,
                       "%s: has %" PRIu64 " bytes, %" PRIu64 " were signed: the file was %s",
                       source->path, source->bytes, expected->bytes,
                       less ? "cut short" : "added to");
}

plumb_status plumb__record_file_open(const char *path, const plumb__records_identity *expected,
                                     const plumb__private *private_file, plumb__taxonomy *taxonomy,
                                     plumb__table *table, plumb__record_file *out, plumb_error *err)
{
    plumb__line_source source;
    memset(out, 0, sizeof *out);
    memset(table, 0, sizeof *table);
    PLUMB_TRY(plumb__source_open(path, &source, err));
    plumb__load load = {.source = &source,
                        .expected = expected,
                        .private_file = private_file,
                        .taxonomy = taxonomy,
                        .table = table,
                        .index = &out->index};
    plumb_status status = check_size(&source, expected, err);
    if (status == PLUMB_OK) status = plumb__records_load(&load, err);
    if (status == PLUMB_OK) status = plumb__strdup(&out->path, path, err);
    out->fd = source.fd;
    out->open = true;
    out->identity = load.found;
    if (status == PLUMB_OK) return PLUMB_OK;
    plumb__table_free(table);
    plumb__record_file_close(out);
    return status;
}

void plumb__record_file_close(plumb__record_file *file)
{
    if (file->open) (void)close(file->fd);
    plumb__free(file->path);
    plumb__line_index_free(&file->index);
    file->path = NULL;
    file->open = false;
}

/* ---- reading again ---- */

typedef struct rereading {
    plumb__hasher leaf;
    plumb__merkle group;
    uint64_t line, wanted; /* in the group */
    plumb__bytes *out;     /* NULL: not wanted */
    plumb__hash wanted_leaf;
} rereading;

static void begin_leaf(rereading *r)
{
    static const uint8_t prefix = 0x00;
    plumb__hash_init(&r->leaf, PLUMB__SHA256);
    plumb__hash_update(&r->leaf, &prefix, 1);
}

static void end_leaf(rereading *r)
{
    const plumb__hash leaf = plumb__hash_final(&r->leaf);
    if (r->line == r->wanted) r->wanted_leaf = leaf;
    plumb__merkle_add(&r->group, &leaf);
    r->line++;
    begin_leaf(r);
}

static void add_piece(rereading *r, const char *piece, size_t n)
{
    while (n > 0) {
        const char *lf = memchr(piece, '\n', n);
        const size_t part = lf != NULL ? (size_t)(lf - piece) : n;
        plumb__hash_update(&r->leaf, piece, part);
        /* Never more than a line can have, should the file have become one line meanwhile. */
        if (r->line == r->wanted && r->out != NULL &&
            r->out->size + part <= PLUMB__RECORD_LINE_CAP) {
            plumb__bytes_append(r->out, piece, part);
        }
        if (lf != NULL) end_leaf(r);
        piece += part + (lf != NULL);
        n -= part + (lf != NULL);
    }
}

static plumb_status changed(const plumb__record_file *file, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_DIGEST,
                       "%s: was changed since it was verified; open the manifest again",
                       file->path);
}

static plumb_status read_group(const plumb__record_file *file, uint64_t group, rereading *r,
                               plumb_error *err)
{
    char *piece = NULL;
    const uint64_t end = file->index.starts[group + 1];
    plumb_status status = PLUMB_OK;
    PLUMB_TRY(plumb__alloc(&piece, PIECE_BYTES, 1, "records", err));
    for (uint64_t at = file->index.starts[group]; at < end && status == PLUMB_OK;) {
        const size_t n = end - at < PIECE_BYTES ? (size_t)(end - at) : PIECE_BYTES;
        status = plumb__fd_read_at(file->fd, piece, n, at, file->path, err);
        if (status == PLUMB_OK) add_piece(r, piece, n);
        at += n;
    }
    plumb__free(piece);
    return status == PLUMB_ERR_TRUNCATED ? changed(file, err) : status;
}

plumb_status plumb__record_file_line(const plumb__record_file *file, uint32_t number,
                                     plumb__bytes *out, plumb__hash *leaf, plumb_error *err)
{
    const uint64_t group = number / PLUMB__GROUP_LINES;
    const uint64_t left = file->index.lines - group * PLUMB__GROUP_LINES;
    const uint64_t lines = left < PLUMB__GROUP_LINES ? left : PLUMB__GROUP_LINES;
    rereading r = {.wanted = number % PLUMB__GROUP_LINES, .out = out};
    const size_t before = out != NULL ? out->size : 0;
    plumb__merkle_init(&r.group);
    begin_leaf(&r);
    plumb_status status = read_group(file, group, &r, err);
    if (status == PLUMB_OK && out != NULL) status = plumb__bytes_check(out, err);
    if (status == PLUMB_OK) {
        const plumb__hash root = plumb__merkle_root(&r.group);
        if (r.line != lines || !plumb__hash_equal(&root, &file->index.roots[group])) {
            status = changed(file, err);
        }
    }
    if (status == PLUMB_OK) {
        *leaf = r.wanted_leaf;
    } else if (out != NULL) {
        out->size = before;
    }
    return status;
}

plumb_status plumb__record_file_read(const plumb__record_file *file, plumb__bytes *out,
                                     plumb_error *err)
{
    const uint64_t bytes = file->identity.bytes;
    const size_t before = out->size;
    PLUMB_TRY(plumb__bytes_check(out, err));
    PLUMB_TRY(plumb__grow(&out->data, &out->capacity, before + bytes, 1, "records", err));
    plumb_status status =
        plumb__fd_read_at(file->fd, out->data + before, bytes, 0, file->path, err);
    if (status == PLUMB_ERR_TRUNCATED) return changed(file, err);
    PLUMB_TRY(status);
    const plumb__hash sha256 = plumb__sha256(out->data + before, bytes);
    if (!plumb__hash_equal(&sha256, &file->identity.sha256)) return changed(file, err);
    out->size = before + bytes;
    return PLUMB_OK;
}
