/* Seals: journal -> segment, inventory, signed head, next journal file (docs/formats/bundle.md
 * section 8). Every step leaves a state that section 9 explains. */
#include "provenance/bundle_writer.h"

#include "base/alloc.h"
#include "provenance/certificate.h"
#include "provenance/graph_walk.h"
#include "provenance/h5_writer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void plumb__writer_add_leaf(plumb__writer *w, const plumb__hash *payload_digest)
{
    const plumb__hash leaf = plumb__merkle_leaf(payload_digest->bytes, PLUMB__HASH_BYTES);
    plumb__merkle_add(&w->tree, &leaf);
}

/* ---- inventory and head ------------------------------------------------------------------- */

static plumb_status append_line(const plumb__writer *w, plumb__bytes *line, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, w->dir, "seals.jsonl", err));
    const bool is_new = !plumb__path_exists(path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) return plumb__fail_errno(err, "cannot open %s", path);
    plumb__bytes_u8(line, '\n');
    plumb_status status = plumb__bytes_check(line, err);
    if (status == PLUMB_OK) status = plumb__fd_write_all(fd, line->data, line->size, path, err);
    if (status == PLUMB_OK) status = plumb__fd_sync(fd, path, err); /* J14 */
    (void)close(fd);
    if (status == PLUMB_OK && is_new) status = plumb__dir_sync(w->dir, err);
    return status;
}

static plumb_status replace_head(const plumb__writer *w, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    plumb__bytes note = {0};
    const plumb__hash root = plumb__merkle_root(&w->tree);
    plumb_status status = plumb__path_join(path, w->dir, "head", err);
    if (status == PLUMB_OK)
        status = plumb__head_sign(w->run_id, w->tree.count, &root, w->run_key, &note, err);
    if (status == PLUMB_OK)
        status = plumb__file_write_atomic(path, note.data, note.size, 0644, err);
    plumb__bytes_free(&note);
    return status;
}

static bool nothing_new(const plumb__writer *w, const plumb__inventory *now)
{
    return w->has_last && w->tree.count == w->last.leaf + 1 && w->last.state == now->state &&
           plumb__inventory_same_files(&w->last, now);
}

plumb_status plumb__writer_inventory(plumb__writer *w, plumb__seal_state state, plumb_error *err)
{
    plumb__inventory now = {0};
    plumb__bytes line = {0};
    plumb_status status =
        plumb__inventory_collect(w->dir, w->has_last ? &w->last : NULL, &now, err);
    if (status != PLUMB_OK) return status;
    now.state = state;
    if (nothing_new(w, &now)) goto cleanup;
    now.leaf = w->tree.count;
    now.seal = w->has_last ? w->last.seal + 1 : 0;
    PLUMB_TRY_CLEAN(plumb__inventory_dump(w->has_last ? &w->last : NULL, &now, &line, err));
    const plumb__hash digest = plumb__blake2b(line.data, line.size);
    PLUMB_TRY_CLEAN(append_line(w, &line, err));
    plumb__writer_add_leaf(w, &digest);
    PLUMB_TRY_CLEAN(replace_head(w, err));
    const plumb__inventory old = w->last;
    w->last = now;
    now = old;
    w->has_last = true;
cleanup:
    plumb__inventory_free(&now);
    plumb__bytes_free(&line);
    return status;
}

/* ---- segment ------------------------------------------------------------------------------ */

typedef struct segment_build {
    const plumb__writer *writer;
    plumb__h5_writer *h5;
    plumb__step_arrays *arrays;
    plumb__digests digests;
} segment_build;

static plumb_status add_frame(const plumb__frame *frame, void *ctx, plumb_error *err)
{
    segment_build *b = ctx;
    if (b->writer->has_last && frame->leaf < b->writer->last.leaf) return PLUMB_OK; /* sealed */
    const plumb__hash digest = plumb__blake2b(frame->payload, frame->payload_bytes);
    PLUMB_TRY(plumb__digests_add(&b->digests, frame->leaf, &digest, err));
    if (frame->kind != PLUMB__LEAF_STEP)
        return plumb__h5_add_text(b->h5, frame->kind, frame->leaf, frame->time_ns, frame->payload,
                                  frame->payload_bytes, err);
    plumb__step step;
    PLUMB_TRY(plumb__step_decode(frame->payload, frame->payload_bytes, &step, &b->arrays, err));
    return plumb__h5_add_step(b->h5, frame->leaf, frame->time_ns, false, &step, err);
}

/* Built from the journal as it is read back from disk (J13), never from the ring. */
static plumb_status build_segment(const plumb__writer *w, const char *path, segment_build *b,
                                  plumb_error *err)
{
    PLUMB_TRY(plumb__h5_create(path, w->run_id, w->layers, w->n_layers, &b->h5, err));
    plumb__journal_summary summary;
    plumb_status status = plumb__journal_scan(w->dir, add_frame, b, &summary, err);
    if (status == PLUMB_OK && (b->digests.n != w->unsealed || summary.next_leaf != w->tree.count))
        status = plumb__fail(err, PLUMB_ERR_CORRUPT,
                             "%s/journal: holds %zu leaves to seal, %" PRIu64
                             " were acknowledged; something else has changed it",
                             w->dir, b->digests.n, w->unsealed);
    if (status != PLUMB_OK) {
        plumb__h5_abandon(b->h5);
        b->h5 = NULL;
        return status;
    }
    plumb__h5_writer *h5 = b->h5;
    b->h5 = NULL;
    return plumb__h5_close(h5, err);
}

static plumb_status write_segment(plumb__writer *w, plumb_error *err)
{
    char dir[PLUMB__PATH_BYTES], path[PLUMB__PATH_BYTES], temporary[PLUMB__PATH_BYTES], name[64];
    segment_build b = {.writer = w};
    plumb_status status = PLUMB_OK;
    (void)snprintf(name, sizeof name, "segments/%" PRIu64 ".h5", w->next_segment);
    PLUMB_TRY(plumb__path_join(dir, w->dir, "segments", err));
    PLUMB_TRY(plumb__path_join(path, w->dir, name, err));
    (void)snprintf(name, sizeof name, "segments/%" PRIu64 ".h5.tmp", w->next_segment);
    PLUMB_TRY(plumb__path_join(temporary, w->dir, name, err));
    PLUMB_TRY_CLEAN(build_segment(w, temporary, &b, err));
    PLUMB_TRY_CLEAN(plumb__graph_read_back(temporary, w->run_id, &b.digests, err));
    PLUMB_TRY_CLEAN(plumb__file_rename(temporary, path, err));
    PLUMB_TRY_CLEAN(plumb__dir_sync(dir, err));
    w->next_segment++;
cleanup:
    if (status != PLUMB_OK) (void)unlink(temporary);
    plumb__step_arrays_free(b.arrays);
    plumb__digests_free(&b.digests);
    return status;
}

plumb_status plumb__writer_seal(plumb__writer *w, plumb_error *err)
{
    if (w->unsealed > 0) PLUMB_TRY(write_segment(w, err));
    PLUMB_TRY(plumb__writer_inventory(w, PLUMB__SEAL_OPEN, err));
    w->unsealed = 0;
    /* J7: only now, with the segment named by a synced inventory under a synced head. */
    if (w->journal.frames > 0) PLUMB_TRY(plumb__journal_rotate(&w->journal, err));
    return PLUMB_OK;
}
