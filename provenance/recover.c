/* Reopening a bundle after whatever happened to its last writer. Three parts, strictly in this
 * order: look (recover.h; nothing is changed, and anything that is not explained by a crash ends
 * it), repair (undo or finish what the table in docs/formats/bundle.md section 9 lists), go on (new
 * certificate, then a seal at once, so that inventory and head cover certificate and recovered tail
 * under the new key). A crash anywhere in repair or going on leaves a state that the next reopening
 * explains in the same way. */
#include "provenance/recover.h"

#include "base/alloc.h"
#include "base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- repair: journal and seals -------------------------------------------------------------- */

static plumb_status truncate_file(const char *path, uint64_t bytes, plumb_error *err)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return plumb__fail_errno(err, "cannot open %s", path);
    plumb_status status = PLUMB_OK;
    if (ftruncate(fd, (off_t)bytes) != 0) status = plumb__fail_errno(err, "cannot cut %s", path);
    if (status == PLUMB_OK) status = plumb__fd_sync(fd, path, err);
    (void)close(fd);
    return status;
}

/* J9: the scan has shown that nothing from here on was ever acknowledged. */
static plumb_status cut_journal(const plumb__found *f, plumb_error *err)
{
    const plumb__journal_tail *t = &f->tail;
    char path[PLUMB__PATH_BYTES];
    if (t->n_files == 0) return PLUMB_OK;
    for (uint64_t k = t->later_files; k > 0; k--) {
        PLUMB_TRY(plumb__journal_path(f->dir, t->last_file + k, path, err));
        PLUMB_TRY(plumb__file_unlink(path, err));
    }
    PLUMB_TRY(plumb__journal_path(f->dir, t->last_file, path, err));
    if (!t->keep_last)
        PLUMB_TRY(plumb__file_unlink(path, err));
    else if (t->cut_bytes > 0)
        PLUMB_TRY(truncate_file(path, t->cut_at, err));
    PLUMB_TRY(plumb__path_join(path, f->dir, "journal", err));
    return plumb__dir_sync(path, err);
}

static plumb_status cut_seals(const plumb__found *f, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    if (f->seals.whole_bytes == f->seals.data.size) return PLUMB_OK;
    PLUMB_TRY(plumb__path_join(path, f->dir, "seals.jsonl", err));
    return truncate_file(path, f->seals.whole_bytes, err);
}

/* ---- repair: leftovers -------------------------------------------------------------------- */

static bool ends_in_tmp(const char *name)
{
    const size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".tmp") == 0;
}

/* The last checkpoint leaf of this file name, or NULL. */
static const plumb__history_checkpoint *find_checkpoint(const plumb__found *f, const char *file,
                                                        size_t n)
{
    for (size_t i = f->history.n_checkpoints; i-- > 0;) {
        const plumb__history_checkpoint *c = &f->history.checkpoints[i];
        if (strlen(c->file) == n && memcmp(c->file, file, n) == 0) return c;
    }
    return NULL;
}

/* checkpoints/NAME.tmp whose leaf is durable and whose bytes are those of the leaf: only the rename
 * was missing (J11). */
static plumb_status finish_checkpoint(const plumb__found *f, const char *relative, const char *path,
                                      bool *renamed, plumb_error *err)
{
    static const char folder[] = "checkpoints/";
    *renamed = false;
    if (strncmp(relative, folder, sizeof folder - 1) != 0) return PLUMB_OK;
    const char *file = relative + sizeof folder - 1;
    const plumb__history_checkpoint *c = find_checkpoint(f, file, strlen(file) - 4);
    if (!c) return PLUMB_OK;
    plumb__hash digest;
    uint64_t bytes;
    PLUMB_TRY(plumb__hash_file(path, &digest, NULL, &bytes, err));
    if (bytes != c->bytes || !plumb__hash_equal(&digest, &c->blake2b)) return PLUMB_OK;
    char dir[PLUMB__PATH_BYTES], final[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(dir, f->dir, "checkpoints", err));
    PLUMB_TRY(plumb__path_join(final, dir, c->file, err));
    PLUMB_TRY(plumb__file_rename(path, final, err));
    PLUMB_TRY(plumb__dir_sync(dir, err));
    *renamed = true;
    return PLUMB_OK;
}

static bool is_unlisted_graph(const plumb__found *f, const char *relative)
{
    if (f->state != PLUMB__SEAL_OPEN) return false;
    if (strcmp(relative, "provenance.h5") != 0 && strncmp(relative, "segments/", 9) != 0)
        return false;
    return plumb__inventory_find(&f->seals.last, relative) == NULL;
}

static plumb_status clear_leftover(const char *relative, uint64_t size_bytes, void *ctx,
                                   plumb_error *err)
{
    const plumb__found *f = ctx;
    char path[PLUMB__PATH_BYTES];
    (void)size_bytes;
    if (!ends_in_tmp(relative) && !is_unlisted_graph(f, relative)) return PLUMB_OK;
    bool renamed = false;
    PLUMB_TRY(plumb__path_join(path, f->dir, relative, err));
    if (ends_in_tmp(relative)) PLUMB_TRY(finish_checkpoint(f, relative, path, &renamed, err));
    if (renamed) return PLUMB_OK;
    plumb__log(PLUMB_LOG_INFO, "%s: leftover of an interrupted write, removed", path);
    return plumb__file_unlink(path, err);
}

/* ---- look: files -------------------------------------------------------------------------- */

/* May differ from the last inventory: certificates grow, segments go in a merged run. */
static bool may_differ(const plumb__found *f, const char *name)
{
    return strcmp(name, "certificates") == 0 ||
           (f->state == PLUMB__SEAL_MERGED && strncmp(name, "segments/", 9) == 0);
}

/* What was sealed must be as it was sealed: otherwise the next inventory would sign over a change.
 * The collected inventory goes on as the cache of digests. */
static plumb_status check_files(plumb__found *f, plumb_error *err)
{
    plumb__inventory now;
    plumb__inventory *last = &f->seals.last;
    PLUMB_TRY(plumb__inventory_collect(f->dir, NULL, &now, err));
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; i < last->n_files && status == PLUMB_OK; i++) {
        plumb__inventory_file *was = &last->files[i];
        const plumb__inventory_file *is = plumb__inventory_find(&now, was->name);
        const bool same =
            is && is->bytes == was->bytes && plumb__hash_equal(&is->blake2b, &was->blake2b);
        if (!same && !may_differ(f, was->name))
            status = plumb__fail(err, is ? PLUMB_ERR_DIGEST : PLUMB_ERR_CORRUPT,
                                 "%s/%s: %s; restore it from a copy", f->dir, was->name,
                                 is ? "is not the file that was sealed" : "is missing");
        if (!same) continue;
        was->mtime_ns = is->mtime_ns;
        was->inode = is->inode;
    }
    plumb__inventory_free(&now);
    return status;
}

/* ---- going on ----------------------------------------------------------------------------- */

static plumb_status certify(const plumb__found *f, const plumb__bundle_start *start,
                            plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    plumb__bytes whole = {0};
    plumb__bytes_append(&whole, f->certificates.data, f->certificates.size);
    plumb_status status = plumb__path_join(path, f->dir, "certificates", err);
    if (status == PLUMB_OK)
        status = plumb__writer_certify(start, f->run_json.data, f->run_json.size, f->head.size,
                                       &f->head.root, &whole, err);
    if (status == PLUMB_OK)
        status = plumb__file_write_atomic(path, whole.data, whole.size, 0644, err);
    plumb__bytes_free(&whole);
    return status;
}

/* Where the journal goes on: behind what is kept. A file with frames is never written to again: the
 * seal that follows begins a new one. */
static plumb_status continue_journal(plumb__writer *w, const plumb__found *f, plumb_error *err)
{
    plumb__journal *j = &w->journal;
    const plumb__journal_tail *t = &f->tail;
    if (t->n_files == 0) {
        char path[PLUMB__PATH_BYTES];
        PLUMB_TRY(plumb__path_join(path, w->dir, "journal", err));
        if (!plumb__path_exists(path)) PLUMB_TRY(plumb__dir_create(path, 0755, err));
        return plumb__journal_create_file(j, err);
    }
    j->first_file = t->first_file;
    j->file = t->keep_last ? t->last_file : t->last_file - 1;
    j->offset = j->durable = t->offset;
    j->chain = t->chain;
    j->frames = f->journal.frames;
    if (j->frames > 0) return PLUMB_OK;
    PLUMB_TRY(plumb__journal_path(w->dir, j->file, j->path, err));
    j->fd = open(j->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    return j->fd >= 0 ? PLUMB_OK : plumb__fail_errno(err, "cannot open %s", j->path);
}

static void adopt(plumb__writer *w, plumb__found *f)
{
    w->tree = f->tree;
    w->last = f->seals.last;
    f->seals.last = (plumb__inventory){0};
    w->has_last = true;
    w->unsealed = f->unsealed;
    w->next_segment = f->n_segments > 0 ? f->segments[f->n_segments - 1] + 1 : 0;
}

static bool checkpoint_is_there(const plumb__found *f, const plumb__history_checkpoint *c)
{
    char dir[PLUMB__PATH_BYTES], path[PLUMB__PATH_BYTES];
    uint64_t bytes;
    return plumb__path_join(dir, f->dir, "checkpoints", NULL) == PLUMB_OK &&
           plumb__path_join(path, dir, c->file, NULL) == PLUMB_OK &&
           plumb__file_size(path, &bytes, NULL) == PLUMB_OK && bytes == c->bytes;
}

static void describe(const plumb__found *f, plumb__bundle_state *state)
{
    *state = (plumb__bundle_state){.closed = f->state != PLUMB__SEAL_OPEN,
                                   .attempt = f->history.attempt,
                                   .steps_acknowledged = f->history.last_step,
                                   .leaves = f->leaves.n,
                                   .leaves_signed = f->head.size,
                                   .torn_bytes = f->journal.torn_bytes,
                                   .checkpoint_step = UINT64_MAX};
    for (size_t i = f->history.n_checkpoints; i-- > 0;) {
        const plumb__history_checkpoint *c = &f->history.checkpoints[i];
        if (!checkpoint_is_there(f, c)) continue;
        state->checkpoint_step = c->step;
        state->checkpoint_digest = c->blake2b;
        memcpy(state->checkpoint_file, c->file, sizeof state->checkpoint_file);
        return;
    }
}

/* Everything that is looked at before anything is changed. */
static plumb_status look(const plumb__writer *w, plumb__found *f, plumb__bundle_state *state,
                         plumb_error *err)
{
    PLUMB_TRY(plumb__found_identity(w->dir, w->run_id, f, err));
    state->closed = f->state == PLUMB__SEAL_CLOSED;
    if (state->closed)
        return plumb__fail(err, PLUMB_ERR_STATE,
                           "%s: the run is closed, and a closed run does not resume", w->dir);
    PLUMB_TRY(plumb__found_leaves(f, err));
    return check_files(f, err);
}

static plumb_status repair(plumb__found *f, plumb_error *err)
{
    if (f->state == PLUMB__SEAL_OPEN) PLUMB_TRY(cut_journal(f, err));
    PLUMB_TRY(cut_seals(f, err));
    return plumb__dir_walk(f->dir, PLUMB__MAX_INVENTORY_FILES, clear_leftover, f, err);
}

static plumb_status go_on(plumb__writer *w, plumb__found *f, const plumb__bundle_start *start,
                          plumb_error *err)
{
    PLUMB_TRY(certify(f, start, err));
    adopt(w, f);
    if (f->state == PLUMB__SEAL_MERGED) {
        PLUMB_TRY(plumb__writer_finish_close(w, err));
        return plumb__fail(
            err, PLUMB_ERR_STATE,
            "%s: its close had been interrupted and is finished now; a closed run does "
            "not resume",
            w->dir);
    }
    PLUMB_TRY(continue_journal(w, f, err));
    return plumb__writer_seal(w, err);
}

plumb_status plumb__writer_reopen(plumb__writer *w, const plumb__bundle_start *start,
                                  plumb__bundle_state *state, plumb_error *err)
{
    char lock[PLUMB__PATH_BYTES];
    plumb__found f = {0};
    plumb_status status = PLUMB_OK;
    PLUMB_TRY(plumb__path_join(lock, w->dir, "lock", err));
    if (!plumb__path_exists(lock))
        return plumb__fail(err, PLUMB_ERR_NOT_FOUND, "%s: is no run bundle (it has no lock file)",
                           w->dir);
    PLUMB_TRY(plumb__file_lock(lock, &w->lock_fd, err)); /* J12 */
    PLUMB_TRY_CLEAN(look(w, &f, state, err));
    PLUMB_TRY_CLEAN(repair(&f, err));
    describe(&f, state); /* after repair: an interrupted checkpoint has its name now */
    PLUMB_TRY_CLEAN(go_on(w, &f, start, err));
cleanup:
    plumb__found_free(&f);
    return status;
}
