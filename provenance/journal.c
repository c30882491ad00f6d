/* The journal, writing half: append-only frames in files journal/NNNNNNNN.plj
 * (docs/formats/bundle.md, section 4). The reading half is journal_scan.c, the thread that writes
 * recorder.c, recovery recover.c.
 *
 * STATES of a bundle's writer. One thread, the recorder, moves between them; before it runs and
 * after it has stopped, the training thread stands in for it.
 *
 *            create, reopen
 *                  |
 *                  v      entries in the ring
 *            +-> OPEN ------------------------> GROUP    frames appended, not durable
 *            |     |  ^                           |
 *            |     |  +---- fdatasync, publish ---+
 *            |     | seal
 *            |     v
 *            +- SEALING   segment, inventory, head, next file, unlink
 *                  | close
 *                  v
 *               MERGING -> CLOSED               provenance.h5, inventories, key wiped
 *
 *            any state --(a write or sync failed, back-pressure)--> FAILED, for ever
 *
 * INVARIANTS, referred to by number at the code that keeps them.
 *
 *  J1  A journal file's header and its name in the directory are synced before any frame in it is
 *      acknowledged.
 *  J2  The journal is only appended to. No byte below the durable offset is written or cut again.
 *  J3  The `durable` field of a frame never exceeds what a completed fdatasync covered before the
 *      frame's commit group began. So a frame header that can be read proves that everything below
 *      its `durable` once was on the disk, and damage there is damage, not a torn write.
 *  J4  The acknowledged watermark rises only after the fdatasync of its frames has succeeded.
 *  J5  Each chain value covers the chain before it, the header and, by digest, the payload.
 *  J6  Leaf numbers, tree and frames advance together, in submission order: leaf numbers are given
 *      by the recorder alone, so what is durable is always a prefix of what was submitted.
 *  J7  A journal file is unlinked only when its leaves are in a segment that was synced, read back
 *      and renamed, the inventory naming that segment is synced, the head covers it, and the next
 *      journal file exists durably. Files are unlinked in rising order: those left are always
 *      consecutive.
 *  J8  The first failed write or sync ends the writer. It is never retried, for the kernel may have
 *      dropped the pages and report success the second time; later calls all return that first
 *      error.
 *  J9  Recovery cuts only at or above the highest durable offset any header gives; below it nothing
 *      is touched and the run is refused with the place.
 *  J10 The signed head is a floor: a bundle with fewer leaves than its head signs is refused.
 *  J11 A checkpoint gets its final name only after its leaf is durable.
 *  J12 One writer: the exclusive lock on RUN/lock is held from before the first read until the end.
 *  J13 Segments and provenance.h5 are built from what is read back from disk, never from memory.
 *  J14 seals.jsonl is synced before the head that covers its line is written; so a head never signs
 *      a line that could be lost. */
#include "provenance/journal_write.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_VERSION 1u
#define CHECK_BYTES 8u
#define FILE_CHECK_AT 96u
#define FRAME_CHAIN_AT 48u
#define FRAME_CHECK_AT 80u

static const char file_magic[4] = {'P', 'L', 'J', 'F'};
static const char frame_magic[4] = {'P', 'L', 'J', '1'};

/* ---- headers ------------------------------------------------------------------------------ */

static void store_check(uint8_t *header, size_t covered)
{
    const plumb__hash h = plumb__blake2b(header, covered);
    memcpy(header + covered, h.bytes, CHECK_BYTES);
}

static bool check_holds(const uint8_t *header, size_t covered)
{
    const plumb__hash h = plumb__blake2b(header, covered);
    return memcmp(header + covered, h.bytes, CHECK_BYTES) == 0;
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i]) return false;
    return true;
}

void plumb__file_header_store(const plumb__file_header *header, uint8_t *out)
{
    memset(out, 0, PLUMB__JOURNAL_FILE_HEADER_BYTES);
    memcpy(out, file_magic, sizeof file_magic);
    plumb__store_u32(out + 4, FILE_VERSION);
    plumb__store_u64(out + 8, header->file);
    plumb__store_u64(out + 16, header->offset);
    memcpy(out + 24, header->chain.bytes, PLUMB__HASH_BYTES);
    memcpy(out + 56, header->run_id, PLUMB__RUN_ID_BYTES);
    store_check(out, FILE_CHECK_AT);
}

bool plumb__file_header_load(const uint8_t *data, plumb__file_header *header)
{
    if (memcmp(data, file_magic, sizeof file_magic) != 0 || !check_holds(data, FILE_CHECK_AT) ||
        plumb__load_u32(data + 4) != FILE_VERSION || !all_zero(data + 88, 8))
        return false;
    header->file = plumb__load_u64(data + 8);
    header->offset = plumb__load_u64(data + 16);
    memcpy(header->chain.bytes, data + 24, PLUMB__HASH_BYTES);
    memcpy(header->run_id, data + 56, PLUMB__RUN_ID_BYTES);
    header->run_id[PLUMB__RUN_ID_BYTES] = '\0';
    return true;
}

plumb__hash plumb__frame_chain(const uint8_t *header_bytes, const plumb__hash *previous,
                               const plumb__hash *payload_digest)
{
    plumb__hasher h;
    plumb__hash_init(&h, PLUMB__BLAKE2B);
    plumb__hash_update(&h, previous->bytes, PLUMB__HASH_BYTES);
    plumb__hash_update(&h, header_bytes, FRAME_CHAIN_AT);
    plumb__hash_update(&h, payload_digest->bytes, PLUMB__HASH_BYTES);
    return plumb__hash_final(&h);
}

void plumb__frame_header_store(plumb__frame_header *header, const plumb__hash *previous,
                               const plumb__hash *payload_digest, uint8_t *out)
{
    memset(out, 0, PLUMB__JOURNAL_FRAME_HEADER_BYTES);
    memcpy(out, frame_magic, sizeof frame_magic);
    out[4] = (uint8_t)header->kind;
    plumb__store_u32(out + 8, header->payload_bytes);
    plumb__store_u64(out + 16, header->leaf);
    plumb__store_u64(out + 24, (uint64_t)header->time_ns);
    plumb__store_u64(out + 32, header->offset);
    plumb__store_u64(out + 40, header->durable);
    header->chain = plumb__frame_chain(out, previous, payload_digest); /* J5 */
    memcpy(out + FRAME_CHAIN_AT, header->chain.bytes, PLUMB__HASH_BYTES);
    store_check(out, FRAME_CHECK_AT);
}

static bool kind_is_journalled(uint8_t kind)
{
    return kind == PLUMB__LEAF_STEP || kind == PLUMB__LEAF_EVENT ||
           kind == PLUMB__LEAF_CHECKPOINT || kind == PLUMB__LEAF_REWIND ||
           kind == PLUMB__LEAF_DECISION;
}

bool plumb__frame_header_load(const uint8_t *data, plumb__frame_header *header)
{
    if (memcmp(data, frame_magic, sizeof frame_magic) != 0 || !check_holds(data, FRAME_CHECK_AT) ||
        !all_zero(data + 5, 3) || !all_zero(data + 12, 4) || !kind_is_journalled(data[4]))
        return false;
    header->kind = (plumb__leaf_kind)data[4];
    header->payload_bytes = plumb__load_u32(data + 8);
    header->leaf = plumb__load_u64(data + 16);
    header->time_ns = (int64_t)plumb__load_u64(data + 24);
    header->offset = plumb__load_u64(data + 32);
    header->durable = plumb__load_u64(data + 40);
    memcpy(header->chain.bytes, data + FRAME_CHAIN_AT, PLUMB__HASH_BYTES);
    return header->payload_bytes <= PLUMB__MAX_PAYLOAD_BYTES && header->durable <= header->offset;
}

plumb_status plumb__journal_path(const char *run_dir, uint64_t file, char *path, plumb_error *err)
{
    char name[48];
    (void)snprintf(name, sizeof name, "journal/%08" PRIu64 ".plj", file);
    return plumb__path_join(path, run_dir, name, err);
}

/* ---- writing ------------------------------------------------------------------------------ */

static plumb_status sync_directory(const plumb__journal *j, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, j->run_dir, "journal", err));
    return plumb__dir_sync(path, err);
}

plumb_status plumb__journal_create_file(plumb__journal *j, plumb_error *err)
{
    plumb__file_header header = {.file = j->file, .offset = j->offset, .chain = j->chain};
    memcpy(header.run_id, j->run_id, sizeof header.run_id);
    uint8_t bytes[PLUMB__JOURNAL_FILE_HEADER_BYTES];
    plumb__file_header_store(&header, bytes);
    PLUMB_TRY(plumb__journal_path(j->run_dir, j->file, j->path, err));
    j->fd = open(j->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (j->fd < 0) return plumb__fail_errno(err, "cannot create %s", j->path);
    PLUMB_TRY(plumb__fd_write_all(j->fd, bytes, sizeof bytes, j->path, err));
    PLUMB_TRY(plumb__fd_sync(j->fd, j->path, err));
    PLUMB_TRY(sync_directory(j, err)); /* J1 */
    j->offset += sizeof bytes;
    j->durable = j->offset;
    return PLUMB_OK;
}

plumb_status plumb__journal_append(plumb__journal *j, plumb__leaf_kind kind, uint64_t leaf,
                                   int64_t time_ns, uint8_t *frame, size_t payload_bytes,
                                   plumb__hash *payload_digest, plumb_error *err)
{
    uint8_t *payload = frame + PLUMB__JOURNAL_FRAME_HEADER_BYTES;
    *payload_digest = plumb__blake2b(payload, payload_bytes);
    plumb__frame_header header = {.kind = kind,
                                  .payload_bytes = (uint32_t)payload_bytes,
                                  .leaf = leaf,
                                  .time_ns = time_ns,
                                  .offset = j->offset,
                                  .durable = j->durable}; /* J3 */
    plumb__frame_header_store(&header, &j->chain, payload_digest, frame);
    const size_t n = PLUMB__JOURNAL_FRAME_HEADER_BYTES + payload_bytes;
    PLUMB_TRY(plumb__fd_write_all(j->fd, frame, n, j->path, err));
    j->chain = header.chain;
    j->offset += n; /* J2 */
    j->frames++;
    return PLUMB_OK;
}

plumb_status plumb__journal_sync(plumb__journal *j, plumb_error *err)
{
    PLUMB_TRY(plumb__fd_datasync(j->fd, j->path, err)); /* J8: the caller keeps this error */
    j->durable = j->offset;
    return PLUMB_OK;
}

plumb_status plumb__journal_rotate(plumb__journal *j, plumb_error *err)
{
    const uint64_t covered = j->file;
    plumb__journal_close(j);
    j->file++;
    PLUMB_TRY(plumb__journal_create_file(j, err));
    char path[PLUMB__PATH_BYTES];
    for (; j->first_file <= covered; j->first_file++) { /* J7: rising order */
        PLUMB_TRY(plumb__journal_path(j->run_dir, j->first_file, path, err));
        PLUMB_TRY(plumb__file_unlink(path, err));
    }
    j->frames = 0;
    return sync_directory(j, err);
}

void plumb__journal_close(plumb__journal *j)
{
    if (j->fd >= 0) (void)close(j->fd);
    j->fd = -1;
}
