/* What becomes of withdrawals when the next version of a manifest is signed: the withdrawn lines
 * must be gone or changed, and the chain of the old version is put aside under its number. */
#include "base/alloc.h"
#include "base/file.h"
#include "manifest/manifest_object.h"
#include "manifest/proofs/merkle.h"
#include "manifest/signing/statement_parts.h"

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

/* ---- whose chain it is, by its first line ---- */

typedef struct chain_of {
    plumb__hash root;
    uint64_t version;
    bool same_set; /* of the data set that was asked for */
} chain_of;

static plumb_status read_predicate(const char *what, const json_t *statement,
                                   const plumb__statement *now, chain_of *out, plumb_error *err)
{
    const json_t *p = NULL;
    const char *vendor = NULL, *dataset = NULL;
    int64_t version = 0;
    PLUMB_TRY(plumb__json_object(what, statement, "predicate", true, &p, err));
    PLUMB_TRY(plumb__json_string(what, p, "vendor", true, &vendor, err));
    PLUMB_TRY(plumb__json_string(what, p, "dataset", true, &dataset, err));
    PLUMB_TRY(plumb__json_integer(what, p, "version", true, &version, err));
    PLUMB_TRY(plumb__statement_hash(what, p, "root", &out->root, err));
    if (version < 1) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: withdraws from no version", what);
    }
    out->version = (uint64_t)version;
    out->same_set = strcmp(vendor, now->vendor) == 0 && strcmp(dataset, now->dataset) == 0;
    return PLUMB_OK;
}

static plumb_status read_chain_of(const char *path, const plumb__bytes *file,
                                  const plumb__statement *now, chain_of *out, plumb_error *err)
{
    char what[PLUMB__PATH_BYTES + 16];
    plumb__dsse envelope;
    json_t *statement = NULL;
    const char *line = (const char *)file->data;
    const char *end = file->size > 0 ? memchr(line, '\n', file->size) : NULL;
    snprintf(what, sizeof what, "%s: line 1", path);
    if (end == NULL) {
        return plumb__fail(err, PLUMB_ERR_TRUNCATED,
                           "%s: does not end in a line end: the file is cut short", path);
    }
    PLUMB_TRY(plumb__dsse_parse(what, line, (size_t)(end - line), &envelope, err));
    plumb_status status =
        plumb__json_parse(what, envelope.payload.data, envelope.payload.size, &statement, err);
    if (status == PLUMB_OK) status = read_predicate(what, statement, now, out, err);
    json_decref(statement);
    plumb__dsse_free(&envelope);
    return status;
}

static bool supersedes(const plumb__statement *now, const chain_of *chain)
{
    return now->supersedes_version != 0 && chain->same_set &&
           chain->version == now->supersedes_version &&
           plumb__hash_equal(&chain->root, &now->supersedes_root);
}

bool plumb__withdrawals_superseded(const char *path, const plumb__bytes *file,
                                   const plumb__statement *now)
{
    chain_of chain;
    return read_chain_of(path, file, now, &chain, NULL) == PLUMB_OK && supersedes(now, &chain);
}

/* ---- putting it aside ---- */

static plumb_status copy_aside(const char *envelope_path, uint64_t version,
                               const plumb__bytes *file, plumb_error *err)
{
    char to[PLUMB__PATH_BYTES], suffix[64];
    snprintf(suffix, sizeof suffix, ".v%" PRIu64 PLUMB__WITHDRAWALS_SUFFIX, version);
    PLUMB_TRY(plumb__manifest_path(envelope_path, suffix, to, err));
    return plumb__file_write_atomic(to, file->data, file->size, 0644, err);
}

plumb_status plumb__withdrawals_retire(const char *envelope_path, const plumb__statement *now,
                                       bool copy_own, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    plumb__bytes file = {0};
    chain_of chain = {.version = 0};
    PLUMB_TRY(plumb__manifest_path(envelope_path, PLUMB__WITHDRAWALS_SUFFIX, path, err));
    if (!plumb__path_exists(path)) return PLUMB_OK;
    plumb_status status = plumb__file_read(path, PLUMB__WITHDRAWALS_CAP, &file, err);
    if (status == PLUMB_OK) {
        const plumb_status read = read_chain_of(path, &file, now, &chain, copy_own ? err : NULL);
        if (copy_own) status = read; /* else it is not the one to go, and opening says why */
    }
    const bool own = chain.version == now->version, older = chain.version < now->version;
    const bool leave = copy_own ? !own && !older : !supersedes(now, &chain);
    if (status == PLUMB_OK && chain.same_set && !leave) {
        status = copy_aside(envelope_path, chain.version, &file, err);
        if (status == PLUMB_OK && older) status = plumb__file_unlink(path, err);
    }
    plumb__bytes_free(&file);
    return status;
}
