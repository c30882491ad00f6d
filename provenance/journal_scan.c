/* The journal, reading half: whole frames in order, and the judgement of what follows them, torn
 * write or damage (docs/formats/bundle.md section 4; invariants J3, J5, J9 of journal.c). Takes no
 * lock and changes nothing. */
#include "provenance/journal_write.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEARCH_BYTES ((size_t)1 << 16)
#define OPEN_ATTEMPTS 16

typedef struct journal_file {
    uint64_t number, size;
    int fd;
    char path[PLUMB__PATH_BYTES];
} journal_file;

typedef struct scan {
    const char *run_dir;
    plumb__frame_fn *visit;
    void *ctx;
    plumb__journal_summary *summary;
    plumb__journal_tail *tail;
    journal_file *files;
    size_t n_files, file_capacity;
    uint64_t highest_durable;
    uint8_t *payload;
    size_t payload_capacity;
} scan;

/* ---- the files ---------------------------------------------------------------------------- */

static plumb_status note_file(const char *relative, uint64_t size_bytes, void *ctx,
                              plumb_error *err)
{
    scan *s = ctx;
    (void)size_bytes;
    if (strlen(relative) != 12 || strspn(relative, "0123456789") != 8 ||
        strcmp(relative + 8, ".plj") != 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s/journal/%s does not belong there: journal files are named "
                           "NNNNNNNN.plj",
                           s->run_dir, relative);
    if (s->n_files >= PLUMB__JOURNAL_MAX_FILES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s/journal has more than %u files", s->run_dir,
                           PLUMB__JOURNAL_MAX_FILES);
    PLUMB_TRY(plumb__grow(&s->files, &s->file_capacity, s->n_files + 1, sizeof *s->files,
                          "journal files", err));
    journal_file *f = &s->files[s->n_files++];
    *f = (journal_file){.fd = -1};
    for (size_t i = 0; i < 8; i++)
        f->number = f->number * 10 + (uint64_t)(relative[i] - '0');
    return plumb__journal_path(s->run_dir, f->number, f->path, err);
}

static void close_files(scan *s)
{
    for (size_t i = 0; i < s->n_files; i++)
        if (s->files[i].fd >= 0) (void)close(s->files[i].fd);
    s->n_files = 0;
}

static plumb_status open_file(journal_file *f, plumb_error *err)
{
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (f->fd < 0) return plumb__fail_errno(err, "cannot open %s", f->path);
    struct stat st;
    if (fstat(f->fd, &st) != 0) return plumb__fail_errno(err, "cannot inspect %s", f->path);
    if (!S_ISREG(st.st_mode))
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s is not a regular file", f->path);
    f->size = (uint64_t)st.st_size;
    return PLUMB_OK;
}

static plumb_status list_and_open(scan *s, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, s->run_dir, "journal", err));
    if (!plumb__path_exists(path)) return PLUMB_OK;
    PLUMB_TRY(plumb__dir_walk(path, PLUMB__JOURNAL_MAX_FILES + 1, note_file, s, err));
    for (size_t i = 0; i < s->n_files; i++)
        PLUMB_TRY(open_file(&s->files[i], err));
    for (size_t i = 1; i < s->n_files; i++)
        if (s->files[i].number != s->files[i - 1].number + 1)
            return plumb__fail(err, PLUMB_ERR_CORRUPT,
                               "%s: journal file %08" PRIu64
                               ".plj is missing; restore it from a copy",
                               s->run_dir, s->files[i - 1].number + 1);
    return PLUMB_OK;
}

/* All files are opened before any is read, so that a seal beside us cannot take away what we have
 * begun; a file that vanished while we listed means: list again. */
static plumb_status open_files(scan *s, plumb_error *err)
{
    for (int attempt = 0;; attempt++) {
        const plumb_status status = list_and_open(s, err);
        const bool moved = status == PLUMB_ERR_NOT_FOUND || status == PLUMB_ERR_CORRUPT;
        if (!moved || attempt + 1 == OPEN_ATTEMPTS) return status;
        close_files(s);
    }
}

/* ---- torn or damaged ----------------------------------------------------------------------- */

/* Raises *highest to the `durable` of every frame header in bytes from.. of the file that has a
 * good check and, where the file's global offset `base` is known (not UINT64_MAX), stands at its
 * own offset. */
static plumb_status search_headers(const journal_file *f, uint64_t from, uint64_t base,
                                   uint64_t *highest, plumb_error *err)
{
    uint8_t chunk[SEARCH_BYTES];
    while (from + PLUMB__JOURNAL_FRAME_HEADER_BYTES <= f->size) {
        const uint64_t left = f->size - from;
        const size_t n = left < sizeof chunk ? (size_t)left : sizeof chunk;
        PLUMB_TRY(plumb__fd_read_at(f->fd, chunk, n, from, f->path, err));
        const size_t starts = n - PLUMB__JOURNAL_FRAME_HEADER_BYTES + 1;
        for (size_t i = 0; i < starts; i++) {
            const uint8_t *found = memchr(chunk + i, 'P', starts - i);
            if (!found) break;
            i = (size_t)(found - chunk);
            plumb__frame_header h;
            if (!plumb__frame_header_load(found, &h)) continue;
            if (base != UINT64_MAX && h.offset != base + from + i) continue;
            if (h.durable > *highest) *highest = h.durable;
        }
        from += starts;
    }
    return PLUMB_OK;
}

static plumb_status load_file_header(const journal_file *f, plumb__file_header *header, bool *whole,
                                     plumb_error *err)
{
    uint8_t bytes[PLUMB__JOURNAL_FILE_HEADER_BYTES];
    *whole = false;
    if (f->size < sizeof bytes) return PLUMB_OK;
    PLUMB_TRY(plumb__fd_read_at(f->fd, bytes, sizeof bytes, 0, f->path, err));
    *whole = plumb__file_header_load(bytes, header) && header->file == f->number;
    return PLUMB_OK;
}

static plumb_status damaged(const journal_file *f, uint64_t at, uint64_t place, uint64_t durable,
                            plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_CORRUPT,
                       "%s: damaged at byte %" PRIu64 " (journal offset %" PRIu64
                       "), which was durable up to offset %" PRIu64
                       "; nothing was cut: restore the file from a copy",
                       f->path, at, place, durable);
}

/* Frames end at `at` in file i, the data does not. Looks for proof, there and in every later file,
 * that the byte at `at` was durable once (J9). */
static plumb_status judge_end(scan *s, size_t i, uint64_t at, uint64_t base, plumb_error *err)
{
    uint64_t highest = s->highest_durable;
    PLUMB_TRY(search_headers(&s->files[i], at + 1, base, &highest, err));
    for (size_t k = i + 1; k < s->n_files; k++) {
        plumb__file_header header;
        bool whole;
        PLUMB_TRY(load_file_header(&s->files[k], &header, &whole, err));
        if (whole && header.offset > highest) highest = header.offset;
        PLUMB_TRY(search_headers(&s->files[k], 0, UINT64_MAX, &highest, err));
    }
    if (base + at >= highest) return PLUMB_OK;
    return damaged(&s->files[i], at, base + at, highest, err);
}

/* What is kept ends at byte `at` of file i; everything behind is torn. */
static void note_end(scan *s, size_t i, uint64_t at, uint64_t global, bool keep)
{
    s->tail->last_file = s->files[i].number;
    s->tail->keep_last = keep;
    s->tail->cut_at = at;
    s->tail->cut_bytes = s->files[i].size - at;
    s->tail->offset = global;
    s->tail->later_files = 0; /* noted anew at the end of each file */
    s->summary->torn_bytes = s->tail->cut_bytes;
    for (size_t k = i + 1; k < s->n_files; k++) {
        s->summary->torn_bytes += s->files[k].size;
        s->tail->later_files++;
    }
}

/* ---- frames ------------------------------------------------------------------------------- */

typedef struct cursor {
    const journal_file *file;
    uint64_t base; /* global offset of the file */
    uint64_t at;   /* in the file */
    bool first;    /* no frame of this file has been read */
} cursor;

/* The first frame of a file may skip the numbers that inventories took. */
static bool leaf_follows(const scan *s, const cursor *c, uint64_t leaf)
{
    return c->first ? leaf >= s->summary->next_leaf : leaf == s->summary->next_leaf;
}

/* Reads the frame at the cursor; *whole is false when it is not a whole frame in its right place.
 * */
static plumb_status read_frame(scan *s, cursor *c, plumb__frame *frame, bool *whole,
                               plumb_error *err)
{
    const journal_file *f = c->file;
    uint8_t bytes[PLUMB__JOURNAL_FRAME_HEADER_BYTES];
    plumb__frame_header h;
    *whole = false;
    if (f->size - c->at < sizeof bytes) return PLUMB_OK;
    PLUMB_TRY(plumb__fd_read_at(f->fd, bytes, sizeof bytes, c->at, f->path, err));
    if (!plumb__frame_header_load(bytes, &h) || h.offset != c->base + c->at) return PLUMB_OK;
    if (h.durable > s->highest_durable) s->highest_durable = h.durable;
    if (!leaf_follows(s, c, h.leaf) || h.leaf == 0 || h.leaf == UINT64_MAX) return PLUMB_OK;
    if (h.payload_bytes > f->size - c->at - sizeof bytes) return PLUMB_OK;
    PLUMB_TRY(
        plumb__grow(&s->payload, &s->payload_capacity, h.payload_bytes, 1, "a journal frame", err));
    PLUMB_TRY(
        plumb__fd_read_at(f->fd, s->payload, h.payload_bytes, c->at + sizeof bytes, f->path, err));
    const plumb__hash digest = plumb__blake2b(s->payload, h.payload_bytes);
    const plumb__hash chain = plumb__frame_chain(bytes, &s->tail->chain, &digest);
    if (!plumb__hash_equal(&chain, &h.chain)) return PLUMB_OK; /* J5 */
    s->tail->chain = h.chain;
    *frame = (plumb__frame){.kind = h.kind,
                            .leaf = h.leaf,
                            .time_ns = h.time_ns,
                            .payload = s->payload,
                            .payload_bytes = h.payload_bytes};
    c->at += sizeof bytes + h.payload_bytes;
    c->first = false;
    *whole = true;
    return PLUMB_OK;
}

static plumb_status scan_frames(scan *s, size_t i, uint64_t base, bool *ended, plumb_error *err)
{
    cursor c = {
        .file = &s->files[i], .base = base, .at = PLUMB__JOURNAL_FILE_HEADER_BYTES, .first = true};
    while (c.at < c.file->size) {
        plumb__frame frame;
        bool whole;
        PLUMB_TRY(read_frame(s, &c, &frame, &whole, err));
        if (!whole) {
            PLUMB_TRY(judge_end(s, i, c.at, base, err));
            *ended = true;
            break;
        }
        if (s->summary->frames++ == 0) s->summary->first_leaf = frame.leaf;
        s->summary->next_leaf = frame.leaf + 1;
        if (s->visit) PLUMB_TRY(s->visit(&frame, s->ctx, err));
    }
    note_end(s, i, c.at, base + c.at, true);
    return PLUMB_OK;
}

/* A later file begins exactly where the one before ends, with its chain, in the same run. */
static bool file_follows(const scan *s, size_t i, const plumb__file_header *header)
{
    if (i == 0) return true;
    return header->offset == s->tail->offset &&
           plumb__hash_equal(&header->chain, &s->tail->chain) &&
           strcmp(header->run_id, s->tail->run_id) == 0;
}

static plumb_status scan_file(scan *s, size_t i, bool *ended, plumb_error *err)
{
    plumb__file_header header;
    const journal_file *f = &s->files[i];
    bool whole;
    PLUMB_TRY(load_file_header(f, &header, &whole, err));
    /* The first file was made durable with the bundle, or before its predecessors were unlinked
     * (J7); a later one may have been cut off while it was made (J1). */
    if (!whole && i == 0) return damaged(f, 0, 0, PLUMB__JOURNAL_FILE_HEADER_BYTES, err);
    if (!whole) {
        PLUMB_TRY(judge_end(s, i, 0, s->tail->offset, err));
        note_end(s, i, 0, s->tail->offset, false);
        *ended = true;
        return PLUMB_OK;
    }
    if (!file_follows(s, i, &header))
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s: does not follow the file before, which ends at journal offset "
                           "%" PRIu64 "; nothing was cut: restore the files from a copy",
                           f->path, s->tail->offset);
    if (header.offset > s->highest_durable) s->highest_durable = header.offset;
    s->tail->chain = header.chain;
    memcpy(s->tail->run_id, header.run_id, sizeof header.run_id);
    return scan_frames(s, i, header.offset, ended, err);
}

plumb_status plumb__journal_scan_tail(const char *run_dir, plumb__frame_fn *visit, void *ctx,
                                      plumb__journal_summary *summary, plumb__journal_tail *tail,
                                      plumb_error *err)
{
    scan s = {.run_dir = run_dir, .visit = visit, .ctx = ctx, .summary = summary, .tail = tail};
    memset(summary, 0, sizeof *summary);
    memset(tail, 0, sizeof *tail);
    plumb_status status = open_files(&s, err);
    if (status != PLUMB_OK) goto cleanup;
    tail->n_files = s.n_files;
    if (s.n_files > 0) tail->first_file = s.files[0].number;
    bool ended = false;
    for (size_t i = 0; i < s.n_files && !ended; i++)
        PLUMB_TRY_CLEAN(scan_file(&s, i, &ended, err));
cleanup:
    close_files(&s);
    plumb__free(s.files);
    plumb__free(s.payload);
    return status;
}

plumb_status plumb__journal_scan(const char *run_dir, plumb__frame_fn *visit, void *ctx,
                                 plumb__journal_summary *summary, plumb_error *err)
{
    plumb__journal_tail tail;
    plumb__journal_summary unused;
    return plumb__journal_scan_tail(run_dir, visit, ctx, summary ? summary : &unused, &tail, err);
}
