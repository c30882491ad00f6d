/* Making NAME.tiles in one pass over the records file. Nothing is kept unless the file is the one
 * that was signed: size, number of lines, SHA-256 and tree root. */
#include "base/alloc.h"
#include "base/secret.h"
#include "manifest/proofs/tiles.h"
#include "manifest/records/json_scan.h"
#include "manifest/records/records.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)1 << 20)
#define FLUSH_BYTES ((size_t)1 << 18)

typedef struct id_entry {
    uint64_t hash;
    uint32_t number;
} id_entry;

/* A part of the file that is written from front to back, a buffer at a time. */
typedef struct section {
    plumb__bytes buffer;
    uint64_t at;
} section;

typedef struct building {
    const char *path, *records_path;
    char temporary[PLUMB__PATH_BYTES + 8];
    const plumb__records_identity *records;
    int in, out;
    plumb__tiles_header header;
    plumb__tiles_layout layout;
    section levels[PLUMB__TILES_LEVELS], lines;
    plumb__merkle tree, tile[PLUMB__TILES_LEVELS]; /* tile[l]: the part of the tile begun there */
    plumb__hasher sha256;
    plumb__bytes block; /* what was read and is not yet a whole line, then more */
    id_entry *ids;
    uint64_t count, at;
    plumb__scan scan;
    plumb__arena arena;
    plumb_status line_status; /* of the first line that could not be indexed */
    plumb_error line_error;
} building;

static plumb_status not_signed(const building *b, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_DIGEST,
                       "%s: is not the file that was signed: restore it, or sign it as a new "
                       "version",
                       b->records_path);
}

/* ---- output ------------------------------------------------------------------------------- */

static plumb_status write_at(const building *b, const void *data, size_t n, uint64_t offset,
                             plumb_error *err)
{
    const uint8_t *from = data;
    for (size_t done = 0; done < n;) {
        const ssize_t w = pwrite(b->out, from + done, n - done, (off_t)(offset + done));
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return plumb__fail_errno(err, "cannot write %s", b->temporary);
        done += (size_t)w;
    }
    return PLUMB_OK;
}

static plumb_status section_flush(const building *b, section *s, plumb_error *err)
{
    PLUMB_TRY(plumb__bytes_check(&s->buffer, err));
    PLUMB_TRY(write_at(b, s->buffer.data, s->buffer.size, s->at, err));
    s->at += s->buffer.size;
    plumb__bytes_clear(&s->buffer);
    return PLUMB_OK;
}

static plumb_status section_room(const building *b, section *s, plumb_error *err)
{
    return s->buffer.size >= FLUSH_BYTES ? section_flush(b, s, err) : PLUMB_OK;
}

/* ---- one line ----------------------------------------------------------------------------- */

/* A leaf, and each tile that it fills. */
static plumb_status add_leaf(building *b, const plumb__hash *leaf, plumb_error *err)
{
    plumb__hash carry = *leaf;
    plumb__merkle_add(&b->tree, leaf);
    for (int level = 0; level < PLUMB__TILES_LEVELS; level++) {
        plumb__merkle *tile = &b->tile[level];
        plumb__bytes_append(&b->levels[level].buffer, carry.bytes, PLUMB__HASH_BYTES);
        PLUMB_TRY(section_room(b, &b->levels[level], err));
        plumb__merkle_add(tile, &carry);
        if (tile->count < 256) break;
        carry = plumb__merkle_root(tile);
        plumb__merkle_init(tile);
    }
    return PLUMB_OK;
}

static plumb_status index_id(building *b, const char *line, size_t n, plumb_error *err)
{
    plumb__arena_reset(&b->arena, BLOCK_BYTES);
    const plumb_status status = plumb__scan_line(&b->scan, &b->arena, line, n, err);
    const plumb__scan_node *id = &b->scan.nodes[b->scan.field[0]];
    if (status != PLUMB_OK)
        return plumb__error_prefix(err, status, "%s: line %" PRIu64, b->records_path, b->count + 1);
    if (b->scan.field[0] == 0 || id->kind != PLUMB__SCAN_STRING)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: line %" PRIu64 ": has no id",
                           b->records_path, b->count + 1);
    b->ids[b->count] =
        (id_entry){plumb__tiles_id_hash(&b->header, id->text, id->bytes), (uint32_t)b->count};
    return PLUMB_OK;
}

static plumb_status add_line(building *b, const char *line, size_t n, plumb_error *err)
{
    const plumb__hash leaf = plumb__merkle_leaf(line, n);
    if (b->count == b->records->count) return not_signed(b, err);
    /* That the file is another one is worth more than what is wrong in a line of it. */
    if (b->line_status == PLUMB_OK) b->line_status = index_id(b, line, n, &b->line_error);
    PLUMB_TRY(add_leaf(b, &leaf, err));
    plumb__bytes_u64(&b->lines.buffer, b->at);
    PLUMB_TRY(section_room(b, &b->lines, err));
    b->at += n + 1;
    b->count++;
    return PLUMB_OK;
}

/* ---- the pass ----------------------------------------------------------------------------- */

/* All whole lines of the block; the rest moves to its front. */
static plumb_status take_lines(building *b, plumb_error *err)
{
    const char *text = (const char *)b->block.data;
    size_t from = 0;
    for (;;) {
        const char *end = memchr(text + from, '\n', b->block.size - from);
        if (end == NULL) break;
        const size_t n = (size_t)(end - text) - from;
        PLUMB_TRY(add_line(b, text + from, n, err));
        from += n + 1;
    }
    b->block.size -= from;
    if (b->block.size > PLUMB__RECORD_LINE_CAP)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: line %" PRIu64 " has more than %zu bytes",
                           b->records_path, b->count + 1, PLUMB__RECORD_LINE_CAP);
    memmove(b->block.data, b->block.data + from, b->block.size);
    return PLUMB_OK;
}

static plumb_status read_records(building *b, plumb_error *err)
{
    uint64_t total = 0;
    for (;;) {
        size_t got = 0;
        PLUMB_TRY(plumb__grow(&b->block.data, &b->block.capacity, b->block.size + BLOCK_BYTES, 1,
                              "records", err));
        uint8_t *to = b->block.data + b->block.size;
        PLUMB_TRY(plumb__fd_read_some(b->in, to, BLOCK_BYTES, b->records_path, &got, err));
        if (got == 0) break;
        total += got;
        if (total > b->records->bytes) return not_signed(b, err);
        plumb__hash_update(&b->sha256, to, got);
        b->block.size += got;
        PLUMB_TRY(take_lines(b, err));
    }
    const plumb__hash sha256 = plumb__hash_final(&b->sha256);
    const plumb__hash root = plumb__merkle_root(&b->tree);
    if (b->block.size > 0 || total != b->records->bytes || b->count != b->records->count ||
        !plumb__hash_equal(&sha256, &b->records->sha256) ||
        !plumb__hash_equal(&root, &b->records->root))
        return not_signed(b, err);
    if (b->line_status != PLUMB_OK && err != NULL) *err = b->line_error;
    return b->line_status;
}

/* ---- the index and the end ---------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    const id_entry *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static plumb_status write_index(building *b, plumb_error *err)
{
    section ids = {.at = b->layout.ids_at}, numbers = {.at = b->layout.numbers_at};
    plumb_status status = PLUMB_OK;
    qsort(b->ids, (size_t)b->count, sizeof *b->ids, compare_ids);
    for (uint64_t i = 0; status == PLUMB_OK && i < b->count; i++) {
        plumb__bytes_u64(&ids.buffer, b->ids[i].hash);
        plumb__bytes_u32(&numbers.buffer, b->ids[i].number);
        status = section_room(b, &ids, err);
        if (status == PLUMB_OK) status = section_room(b, &numbers, err);
    }
    if (status == PLUMB_OK) status = section_flush(b, &ids, err);
    if (status == PLUMB_OK) status = section_flush(b, &numbers, err);
    plumb__bytes_free(&ids.buffer);
    plumb__bytes_free(&numbers.buffer);
    return status;
}

static plumb_status build(building *b, plumb_error *err)
{
    uint8_t header[PLUMB__TILES_HEADER_BYTES];
    PLUMB_TRY(read_records(b, err));
    plumb__bytes_u64(&b->lines.buffer, b->at);
    for (int level = 0; level < PLUMB__TILES_LEVELS; level++) {
        PLUMB_TRY(section_flush(b, &b->levels[level], err));
    }
    PLUMB_TRY(section_flush(b, &b->lines, err));
    PLUMB_TRY(write_index(b, err));
    plumb__tiles_header_dump(&b->header, header);
    PLUMB_TRY(write_at(b, header, sizeof header, 0, err));
    PLUMB_TRY(plumb__fd_sync(b->out, b->temporary, err));
    return plumb__file_rename(b->temporary, b->path, err);
}

static plumb_status begin(building *b, plumb_error *err)
{
    static const plumb__scan_name names[] = {{"id", false}, {NULL, false}};
    /* No line is shorter than {} and its LF: a count that lies does not decide how much memory. */
    if (b->records->count < 1 || b->records->count > b->records->bytes / 3)
        return not_signed(b, err);
    if (b->records->count > PLUMB__TILES_MAX_COUNT)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: %" PRIu64 " records are too many for tiles",
                           b->records_path, b->records->count);
    b->header = (plumb__tiles_header){.count = b->records->count,
                                      .records_bytes = b->records->bytes,
                                      .root = b->records->root,
                                      .sha256 = b->records->sha256};
    plumb__random_bytes(b->header.id_key, sizeof b->header.id_key);
    plumb__tiles_lay_out(b->records->count, &b->layout);
    for (int level = 0; level < PLUMB__TILES_LEVELS; level++) {
        b->levels[level].at = b->layout.level_at[level];
        plumb__merkle_init(&b->tile[level]);
    }
    b->lines.at = b->layout.lines_at;
    plumb__merkle_init(&b->tree);
    plumb__hash_init(&b->sha256, PLUMB__SHA256);
    plumb__scan_init(&b->scan, names);
    return plumb__alloc(&b->ids, (size_t)b->records->count, sizeof *b->ids, "id index", err);
}

static plumb_status open_files(building *b, plumb_error *err)
{
    uint64_t size = 0;
    snprintf(b->temporary, sizeof b->temporary, "%s.tmp", b->path);
    PLUMB_TRY(plumb__file_open(b->records_path, false, &b->in, &size, err));
    if (size != b->records->bytes) return not_signed(b, err);
    if (unlink(b->temporary) != 0 && errno != ENOENT)
        return plumb__fail_errno(err, "cannot remove %s", b->temporary);
    b->out = open(b->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (b->out < 0) return plumb__fail_errno(err, "cannot create %s", b->temporary);
    return PLUMB_OK;
}

static void building_free(building *b)
{
    if (b->in >= 0) (void)close(b->in);
    if (b->out >= 0) (void)close(b->out);
    for (int level = 0; level < PLUMB__TILES_LEVELS; level++) {
        plumb__bytes_free(&b->levels[level].buffer);
    }
    plumb__bytes_free(&b->lines.buffer);
    plumb__bytes_free(&b->block);
    plumb__scan_free(&b->scan);
    plumb__arena_free(&b->arena);
    plumb__free(b->ids);
    plumb__free(b);
}

plumb_status plumb__tiles_build(const char *path, const char *records_path,
                                const plumb__records_identity *records, plumb_error *err)
{
    building *b = NULL;
    PLUMB_TRY(plumb__alloc(&b, 1, sizeof *b, "tiles", err));
    b->path = path;
    b->records_path = records_path;
    b->records = records;
    b->in = b->out = -1;
    plumb_status status = open_files(b, err);
    if (status == PLUMB_OK) status = begin(b, err);
    if (status == PLUMB_OK) status = build(b, err);
    if (status != PLUMB_OK && b->out >= 0) (void)unlink(b->temporary);
    building_free(b);
    return status;
}
