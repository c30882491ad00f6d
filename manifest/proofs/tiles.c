/* Reading NAME.tiles. Every offset is computed from the header's count, which must fit the file's
 * size exactly; what the file's content says is only ever a guess that the caller checks. */
#include "manifest/proofs/tiles.h"

#include "manifest/records/records.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define TILES_VERSION 1
#define CHECK_AT 112
#define CHECK_BYTES 16

/* ---- header ------------------------------------------------------------------------------- */

void plumb__tiles_lay_out(uint64_t count, plumb__tiles_layout *out)
{
    uint64_t at = PLUMB__TILES_HEADER_BYTES, n = count;
    for (int level = 0; level < PLUMB__TILES_LEVELS; level++) {
        out->level_at[level] = at;
        out->level_n[level] = n;
        at += n * PLUMB__HASH_BYTES;
        n /= 256;
    }
    out->lines_at = at;
    out->ids_at = out->lines_at + (count + 1) * sizeof(uint64_t);
    out->numbers_at = out->ids_at + count * sizeof(uint64_t);
    out->file_bytes = out->numbers_at + count * sizeof(uint32_t);
}

static void header_check(const uint8_t *header, uint8_t out[CHECK_BYTES])
{
    const plumb__hash hash = plumb__blake2b(header, CHECK_AT);
    memcpy(out, hash.bytes, CHECK_BYTES);
}

void plumb__tiles_header_dump(const plumb__tiles_header *h, uint8_t out[PLUMB__TILES_HEADER_BYTES])
{
    memcpy(out, PLUMB__TILES_MAGIC, 8);
    plumb__store_u32(out + 8, TILES_VERSION);
    plumb__store_u32(out + 12, PLUMB__TILES_HEADER_BYTES);
    plumb__store_u64(out + 16, h->count);
    plumb__store_u64(out + 24, h->records_bytes);
    memcpy(out + 32, h->root.bytes, PLUMB__HASH_BYTES);
    memcpy(out + 64, h->sha256.bytes, PLUMB__HASH_BYTES);
    memcpy(out + 96, h->id_key, PLUMB__TILES_KEY_BYTES);
    header_check(out, out + CHECK_AT);
}

plumb_status plumb__tiles_header_parse(const char *what, const void *data, size_t n,
                                       uint64_t file_bytes, plumb__tiles_header *out,
                                       plumb_error *err)
{
    const uint8_t *p = data;
    uint8_t check[CHECK_BYTES];
    plumb__tiles_layout layout;
    if (n < PLUMB__TILES_HEADER_BYTES)
        return plumb__fail(err, PLUMB_ERR_TRUNCATED, "%s: has %zu bytes, its header alone has %d",
                           what, n, PLUMB__TILES_HEADER_BYTES);
    if (memcmp(p, PLUMB__TILES_MAGIC, 8) != 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: is no tile store", what);
    if (plumb__load_u32(p + 8) != TILES_VERSION ||
        plumb__load_u32(p + 12) != PLUMB__TILES_HEADER_BYTES)
        return plumb__fail(err, PLUMB_ERR_UNSUPPORTED,
                           "%s: is a tile store of version %u, this program knows %d", what,
                           plumb__load_u32(p + 8), TILES_VERSION);
    header_check(p, check);
    if (memcmp(p + CHECK_AT, check, sizeof check) != 0)
        return plumb__fail(err, PLUMB_ERR_CORRUPT, "%s: its header is damaged", what);
    out->count = plumb__load_u64(p + 16);
    out->records_bytes = plumb__load_u64(p + 24);
    memcpy(out->root.bytes, p + 32, PLUMB__HASH_BYTES);
    memcpy(out->sha256.bytes, p + 64, PLUMB__HASH_BYTES);
    memcpy(out->id_key, p + 96, PLUMB__TILES_KEY_BYTES);
    if (out->count < 1 || out->count > PLUMB__TILES_MAX_COUNT)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: its header has %" PRIu64 " records", what,
                           out->count);
    plumb__tiles_lay_out(out->count, &layout);
    if (file_bytes != layout.file_bytes)
        return plumb__fail(err,
                           file_bytes < layout.file_bytes ? PLUMB_ERR_TRUNCATED : PLUMB_ERR_FORMAT,
                           "%s: has %" PRIu64 " bytes, its %" PRIu64 " records want %" PRIu64, what,
                           file_bytes, out->count, layout.file_bytes);
    return PLUMB_OK;
}

uint64_t plumb__tiles_id_hash(const plumb__tiles_header *header, const char *id, size_t n)
{
    const plumb__hash hash = plumb__blake2b_keyed(header->id_key, PLUMB__TILES_KEY_BYTES, id, n);
    return plumb__load_u64(hash.bytes);
}

/* ---- the open file ------------------------------------------------------------------------ */

static bool is_of(const plumb__tiles_header *h, const plumb__records_identity *records)
{
    return h->count == records->count && h->records_bytes == records->bytes &&
           plumb__hash_equal(&h->root, &records->root) &&
           plumb__hash_equal(&h->sha256, &records->sha256);
}

plumb_status plumb__tiles_open(const char *path, const plumb__records_identity *records,
                               plumb__tiles *out, plumb_error *err)
{
    uint8_t header[PLUMB__TILES_HEADER_BYTES];
    uint64_t size = 0;
    out->fd = -1;
    strncpy(out->path, path, sizeof out->path - 1);
    out->path[sizeof out->path - 1] = '\0';
    PLUMB_TRY(plumb__file_open(path, false, &out->fd, &size, err));
    const size_t n = size < sizeof header ? (size_t)size : sizeof header;
    plumb_status status = plumb__fd_read_at(out->fd, header, n, 0, path, err);
    if (status == PLUMB_OK) {
        status = plumb__tiles_header_parse(path, header, n, size, &out->header, err);
    }
    if (status == PLUMB_OK && !is_of(&out->header, records)) {
        status = plumb__fail(err, PLUMB_ERR_MISMATCH,
                             "%s: is of other records than those that were signed", path);
    }
    if (status == PLUMB_OK) plumb__tiles_lay_out(out->header.count, &out->layout);
    if (status != PLUMB_OK) plumb__tiles_close(out);
    return status;
}

void plumb__tiles_close(plumb__tiles *tiles)
{
    if (tiles->fd >= 0) (void)close(tiles->fd);
    tiles->fd = -1;
}

/* ---- tree --------------------------------------------------------------------------------- */

/* Root of the complete subtree `at` of height h: leaves at * 2^h up to (at + 1) * 2^h. It lies in
 * one tile of level h / 8, as 2^(h % 8) hashes side by side. */
static plumb_status subtree(const plumb__tiles *t, unsigned h, uint64_t at, plumb__hash *out,
                            plumb_error *err)
{
    const unsigned level = h / 8;
    size_t width = (size_t)1 << (h % 8);
    plumb__hash hashes[128];
    const uint64_t offset = t->layout.level_at[level] + at * width * PLUMB__HASH_BYTES;
    PLUMB_TRY(plumb__fd_read_at(t->fd, hashes, width * sizeof *hashes, offset, t->path, err));
    for (; width > 1; width /= 2) {
        for (size_t i = 0; i < width / 2; i++) {
            hashes[i] = plumb__merkle_node(&hashes[2 * i], &hashes[2 * i + 1]);
        }
    }
    *out = hashes[0];
    return PLUMB_OK;
}

/* Root over the leaves [from, to), from a multiple of the largest power of two not above to - from:
 * complete subtrees from left to right, joined from the right. */
static plumb_status range_root(const plumb__tiles *t, uint64_t from, uint64_t to, plumb__hash *out,
                               plumb_error *err)
{
    plumb__hash parts[64];
    size_t n = 0;
    while (from < to) {
        const unsigned h = 63 - (unsigned)__builtin_clzll(to - from);
        PLUMB_TRY(subtree(t, h, from >> h, &parts[n], err));
        from += (uint64_t)1 << h;
        n++;
    }
    for (; n > 1; n--) {
        parts[n - 2] = plumb__merkle_node(&parts[n - 2], &parts[n - 1]);
    }
    *out = parts[0];
    return PLUMB_OK;
}

/* RFC 6962 section 2.1.1, from the root down; the path is turned around at the end. */
plumb_status plumb__tiles_path(const plumb__tiles *t, uint64_t index, plumb__hash path[64],
                               size_t *length, plumb_error *err)
{
    uint64_t from = 0, to = t->header.count;
    size_t n = 0;
    *length = 0;
    if (index >= to)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "%s: has no record %" PRIu64, t->path, index);
    while (to - from > 1) {
        const uint64_t middle = from + ((uint64_t)1 << (63 - __builtin_clzll(to - from - 1)));
        if (index < middle) {
            PLUMB_TRY(range_root(t, middle, to, &path[n], err));
            to = middle;
        } else {
            PLUMB_TRY(range_root(t, from, middle, &path[n], err));
            from = middle;
        }
        n++;
    }
    for (size_t i = 0; i + 1 < n - i; i++) {
        const plumb__hash swap = path[i];
        path[i] = path[n - 1 - i];
        path[n - 1 - i] = swap;
    }
    *length = n;
    return PLUMB_OK;
}

/* ---- lines and ids ------------------------------------------------------------------------ */

plumb_status plumb__tiles_line(const plumb__tiles *t, uint64_t index, uint64_t *from,
                               size_t *length, plumb_error *err)
{
    uint8_t two[2 * sizeof(uint64_t)];
    if (index >= t->header.count)
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s: its index names record %" PRIu64 " of %" PRIu64, t->path, index,
                           t->header.count);
    PLUMB_TRY(plumb__fd_read_at(t->fd, two, sizeof two,
                                t->layout.lines_at + index * sizeof(uint64_t), t->path, err));
    const uint64_t start = plumb__load_u64(two), end = plumb__load_u64(two + sizeof(uint64_t));
    if (start >= end || end > t->header.records_bytes || end - start > PLUMB__RECORD_LINE_CAP + 1)
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s: the line of record %" PRIu64 " is put outside the records file",
                           t->path, index);
    *from = start;
    *length = (size_t)(end - start) - 1;
    return PLUMB_OK;
}

static plumb_status load_at(const plumb__tiles *t, uint64_t base, uint64_t i, size_t size,
                            uint64_t *out, plumb_error *err)
{
    uint8_t bytes[sizeof(uint64_t)] = {0};
    PLUMB_TRY(plumb__fd_read_at(t->fd, bytes, size, base + i * size, t->path, err));
    *out = plumb__load_u64(bytes);
    return PLUMB_OK;
}

plumb_status plumb__tiles_find(const plumb__tiles *t, const char *id, size_t id_bytes,
                               uint32_t found[PLUMB__TILES_CANDIDATES], size_t *n, plumb_error *err)
{
    const uint64_t wanted = plumb__tiles_id_hash(&t->header, id, id_bytes);
    uint64_t low = 0, high = t->header.count, value = 0;
    *n = 0;
    while (low < high) { /* the first entry that is not below */
        const uint64_t middle = low + (high - low) / 2;
        PLUMB_TRY(load_at(t, t->layout.ids_at, middle, sizeof(uint64_t), &value, err));
        if (value < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < t->header.count && *n < PLUMB__TILES_CANDIDATES; low++) {
        PLUMB_TRY(load_at(t, t->layout.ids_at, low, sizeof(uint64_t), &value, err));
        if (value != wanted) break;
        PLUMB_TRY(load_at(t, t->layout.numbers_at, low, sizeof(uint32_t), &value, err));
        found[(*n)++] = (uint32_t)value;
    }
    return PLUMB_OK;
}
