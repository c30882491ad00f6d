/* What becomes of withdrawals when the next version of a manifest is signed: the withdrawn lines
 * must be gone or changed, and the chain of the old version is put aside under its number. */
#include "base/alloc.h"
#include "base/file.h"
#include "manifest/manifest_object.h"
#include "manifest/proofs/merkle.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)1 << 20)

/* ---- the leaves that are withdrawn ---- */

static plumb_status add_leaves(const char *what, const json_t *statement, plumb__intern *leaves,
                               plumb_error *err)
{
    const json_t *predicate = NULL, *records = NULL;
    PLUMB_TRY(plumb__json_object(what, statement, "predicate", true, &predicate, err));
    PLUMB_TRY(plumb__json_array(what, predicate, "records", true, &records, err));
    for (size_t i = 0; i < json_array_size(records); i++) {
        const char *hex = json_string_value(json_object_get(json_array_get(records, i), "leaf"));
        plumb__hash leaf;
        uint32_t number = 0;
        if (hex == NULL || !plumb__hash_parse(hex, &leaf)) {
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: record %zu has no leaf", what, i + 1);
        }
        PLUMB_TRY(plumb__intern_add(leaves, leaf.bytes, sizeof leaf.bytes, &number, err));
    }
    return PLUMB_OK;
}

static plumb_status read_statement(const char *what, const char *line, size_t n,
                                   plumb__intern *leaves, plumb_error *err)
{
    plumb__dsse envelope;
    json_t *statement = NULL;
    PLUMB_TRY(plumb__dsse_parse(what, line, n, &envelope, err));
    plumb_status status =
        plumb__json_parse(what, envelope.payload.data, envelope.payload.size, &statement, err);
    if (status == PLUMB_OK) status = add_leaves(what, statement, leaves, err);
    json_decref(statement);
    plumb__dsse_free(&envelope);
    return status;
}

static plumb_status read_leaves(const char *path, plumb__intern *leaves, plumb_error *err)
{
    plumb__bytes file = {0};
    plumb_status status = plumb__file_read(path, PLUMB__WITHDRAWALS_CAP, &file, err);
    const char *at = (const char *)file.data, *end = at + file.size;
    while (status == PLUMB_OK && at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL) line_end = end;
        status = read_statement(path, at, (size_t)(line_end - at), leaves, err);
        at = line_end + (line_end < end);
    }
    plumb__bytes_free(&file);
    return status;
}

/* ---- the lines that are to be signed ---- */

static plumb_status check_line(const char *path, const plumb__intern *leaves, uint64_t number,
                               const char *line, size_t n, plumb_error *err)
{
    const plumb__hash leaf = plumb__merkle_leaf(line, n);
    if (plumb__intern_find(leaves, leaf.bytes, sizeof leaf.bytes) == PLUMB__INTERN_NONE) {
        return PLUMB_OK;
    }
    return plumb__fail(err, PLUMB_ERR_POLICY,
                       "%s: line %" PRIu64 ": this record was withdrawn from the version before; "
                       "leave it out of the new one, or change it",
                       path, number);
}

/* Whole lines of the buffer; what is left of an unfinished one moves to its front. */
static plumb_status check_lines(const char *path, const plumb__intern *leaves, uint64_t *number,
                                plumb__bytes *buffer, plumb_error *err)
{
    size_t at = 0;
    for (;;) {
        const char *line = (const char *)buffer->data + at;
        const char *end = buffer->size > at ? memchr(line, '\n', buffer->size - at) : NULL;
        if (end == NULL) break;
        PLUMB_TRY(check_line(path, leaves, ++*number, line, (size_t)(end - line), err));
        at += (size_t)(end - line) + 1;
    }
    if (at > 0) memmove(buffer->data, buffer->data + at, buffer->size - at);
    buffer->size -= at;
    if (buffer->size <= PLUMB__RECORD_LINE_CAP) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: line %" PRIu64 " is too long", path, *number + 1);
}

static plumb_status check_file(const char *path, const plumb__intern *leaves, plumb_error *err)
{
    plumb__bytes buffer = {0};
    uint64_t number = 0;
    uint8_t *chunk = NULL;
    size_t got = 1;
    int fd = -1;
    plumb_status status = plumb__file_open(path, false, &fd, NULL, err);
    if (status == PLUMB_OK) status = plumb__alloc(&chunk, CHUNK_BYTES, 1, "records", err);
    while (status == PLUMB_OK && got > 0) {
        status = plumb__fd_read_some(fd, chunk, CHUNK_BYTES, path, &got, err);
        if (status != PLUMB_OK || got == 0) break;
        plumb__bytes_append(&buffer, chunk, got);
        status = plumb__bytes_check(&buffer, err);
        if (status == PLUMB_OK) status = check_lines(path, leaves, &number, &buffer, err);
    }
    if (fd >= 0) close(fd);
    plumb__free(chunk);
    plumb__bytes_free(&buffer);
    return status;
}

plumb_status plumb__withdrawals_check_gone(const char *envelope_path, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES], records[PLUMB__PATH_BYTES];
    plumb__intern leaves = {0};
    PLUMB_TRY(plumb__manifest_path(envelope_path, PLUMB__WITHDRAWALS_SUFFIX, path, err));
    PLUMB_TRY(plumb__manifest_path(envelope_path, ".jsonl", records, err));
    if (!plumb__path_exists(path)) return PLUMB_OK;
    PLUMB_TRY(plumb__intern_init(&leaves, err));
    plumb_status status = read_leaves(path, &leaves, err);
    if (status == PLUMB_OK) status = check_file(records, &leaves, err);
    plumb__intern_free(&leaves);
    return status;
}

plumb_status plumb__withdrawals_retire(const char *envelope_path, uint64_t version,
                                       plumb_error *err)
{
    char from[PLUMB__PATH_BYTES], to[PLUMB__PATH_BYTES], suffix[64];
    snprintf(suffix, sizeof suffix, ".v%" PRIu64 PLUMB__WITHDRAWALS_SUFFIX, version);
    PLUMB_TRY(plumb__manifest_path(envelope_path, PLUMB__WITHDRAWALS_SUFFIX, from, err));
    PLUMB_TRY(plumb__manifest_path(envelope_path, suffix, to, err));
    return plumb__path_exists(from) ? plumb__file_rename(from, to, err) : PLUMB_OK;
}
