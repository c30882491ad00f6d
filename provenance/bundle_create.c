/* A new bundle: everything is written and synced below RUN.tmp and then renamed, so that RUN is
 * there whole or not at all (docs/formats/bundle.md section 8). */
#include "provenance/bundle_writer.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "provenance/certificate.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- what create and reopen share ----------------------------------------------------------- */

static plumb_status check_start(const plumb__bundle_start *start, plumb_error *err)
{
    if (!start->run_id || strlen(start->run_id) != PLUMB__RUN_ID_BYTES ||
        strspn(start->run_id, "0123456789abcdef") != PLUMB__RUN_ID_BYTES)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "run id: must be 32 lower-case hex digits");
    if (!start->run_key || !start->operator_key)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "a run bundle needs the operator's key and a run key");
    if (start->n_layers == 0 || start->n_layers > PLUMB__MAX_USES)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a run bundle needs 1 to %u layers, not %zu",
                           PLUMB__MAX_USES, start->n_layers);
    return PLUMB_OK;
}

plumb_status plumb__writer_init(plumb__writer *w, const plumb__bundle_start *start,
                                plumb_error *err)
{
    *w = (plumb__writer){.lock_fd = -1, .run_key = start->run_key, .manifest = start->manifest};
    w->journal.fd = -1;
    plumb__merkle_init(&w->tree);
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(check_start(start, err));
    size_t n = strlen(start->dir);
    while (n > 1 && start->dir[n - 1] == '/')
        n--;
    if (n == 0 || n + 64 >= sizeof w->dir)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "the path of the run bundle is empty or too long");
    memcpy(w->dir, start->dir, n);
    w->dir[n] = '\0';
    memcpy(w->run_id, start->run_id, sizeof w->run_id);
    memcpy(w->journal.run_id, start->run_id, sizeof w->run_id);
    memcpy(w->journal.run_dir, w->dir, sizeof w->dir);
    PLUMB_TRY(plumb__alloc(&w->layers, start->n_layers, sizeof *w->layers, "the layer table", err));
    memcpy(w->layers, start->layers, start->n_layers * sizeof *w->layers);
    w->n_layers = start->n_layers;
    return PLUMB_OK;
}

void plumb__writer_free(plumb__writer *w)
{
    plumb__journal_close(&w->journal);
    plumb__inventory_free(&w->last);
    plumb_key_free(w->run_key);
    plumb__free(w->layers);
    if (w->lock_fd >= 0) (void)close(w->lock_fd);
    w->run_key = NULL;
    w->layers = NULL;
    w->lock_fd = -1;
}

plumb_status plumb__writer_certify(const plumb__bundle_start *start, const void *run_json,
                                   size_t run_json_bytes, uint64_t previous_size,
                                   const plumb__hash *previous_root, plumb__bytes *out,
                                   plumb_error *err)
{
    plumb__certificate c = {.has_previous = previous_root != NULL,
                            .previous_size = previous_size,
                            .time_s = plumb__wall_s(),
                            .run_json_blake2b = plumb__blake2b(run_json, run_json_bytes),
                            .run_json_sha256 = plumb__sha256(run_json, run_json_bytes)};
    memcpy(c.run_id, start->run_id, sizeof c.run_id);
    if (previous_root) c.previous_root = *previous_root;
    plumb_key_public(start->run_key, &c.run_key);
    return plumb__certificate_make(&c, start->operator_key, out, err);
}

/* ---- creating ----------------------------------------------------------------------------- */

static plumb_status create_in(const char *dir, const char *name, const void *data, size_t n,
                              plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, dir, name, err));
    return plumb__file_create(path, data, n, 0644, err);
}

/* An interrupted creation leaves RUN.tmp behind; it is ours to remove when its lock is free.
 * Anything else of that name is left alone. */
static plumb_status clear_leftover(const char *temporary, plumb_error *err)
{
    char lock[PLUMB__PATH_BYTES];
    int fd = -1;
    if (!plumb__path_exists(temporary)) return PLUMB_OK;
    if (rmdir(temporary) == 0) return PLUMB_OK;
    PLUMB_TRY(plumb__path_join(lock, temporary, "lock", err));
    if (!plumb__path_exists(lock))
        return plumb__fail(err, PLUMB_ERR_EXISTS,
                           "%s exists and is not an interrupted run; move it away", temporary);
    PLUMB_TRY(plumb__file_lock(lock, &fd, err));
    const plumb_status status = plumb__dir_remove(temporary, err);
    (void)close(fd);
    return status;
}

/* The lock comes first, so that what is half written is known to be somebody's. */
static plumb_status lock_directory(plumb__writer *w, const char *temporary, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, temporary, "lock", err));
    /* In one call: a creation killed here leaves an empty directory or one with a lock, nothing
     * between. */
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) return plumb__fail_errno(err, "cannot create %s", path);
    (void)close(fd);
    PLUMB_TRY(plumb__file_lock(path, &w->lock_fd, err)); /* J12 */
    static const char *const folders[] = {"evidence", "journal", "segments", "checkpoints"};
    for (size_t i = 0; i < 4; i++) {
        PLUMB_TRY(plumb__path_join(path, temporary, folders[i], err));
        PLUMB_TRY(plumb__dir_create(path, 0755, err));
    }
    return PLUMB_OK;
}

static bool plain_name(const char *name)
{
    const size_t n = strlen(name);
    return n > 0 && n < 120 && !strchr(name, '/') && name[0] != '.' &&
           (n < 4 || strcmp(name + n - 4, ".tmp") != 0);
}

static plumb_status write_evidence(const plumb__bundle_start *start, const char *temporary,
                                   plumb_error *err)
{
    char dir[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(dir, temporary, "evidence", err));
    for (size_t i = 0; i < start->n_evidence; i++) {
        const plumb__evidence *e = &start->evidence[i];
        if (!plain_name(e->name))
            return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                               "evidence: \"%.120s\" is no plain file name", e->name);
        PLUMB_TRY(create_in(dir, e->name, e->data, e->size, err));
    }
    return PLUMB_OK;
}

static plumb_status write_identity(const plumb__bundle_start *start, const char *temporary,
                                   plumb_error *err)
{
    plumb__bytes line = {0};
    plumb_status status =
        create_in(temporary, "run.json", start->run_json, start->run_json_bytes, err);
    if (status == PLUMB_OK)
        status = plumb__writer_certify(start, start->run_json, start->run_json_bytes, 0, NULL,
                                       &line, err);
    if (status == PLUMB_OK)
        status = create_in(temporary, "certificates", line.data, line.size, err);
    plumb__bytes_free(&line);
    return status;
}

/* Points the writer at the directory that it works in. */
static void work_in(plumb__writer *w, const char *dir)
{
    memmove(w->dir, dir, strlen(dir) + 1);
    memcpy(w->journal.run_dir, w->dir, sizeof w->dir);
}

static plumb_status fill(plumb__writer *w, const plumb__bundle_start *start, plumb_error *err)
{
    static const char *const folders[] = {"segments", "checkpoints"};
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(write_identity(start, w->dir, err));
    PLUMB_TRY(write_evidence(start, w->dir, err));
    PLUMB_TRY(plumb__journal_create_file(&w->journal, err));
    const plumb__hash run_json = plumb__blake2b(start->run_json, start->run_json_bytes);
    plumb__writer_add_leaf(w, &run_json);
    PLUMB_TRY(plumb__writer_inventory(w, PLUMB__SEAL_OPEN, err));
    for (size_t i = 0; i < 2; i++) {
        PLUMB_TRY(plumb__path_join(path, w->dir, folders[i], err));
        PLUMB_TRY(plumb__dir_sync(path, err));
    }
    return plumb__dir_sync(w->dir, err);
}

static plumb_status sync_parent(const char *dir, plumb_error *err)
{
    char parent[PLUMB__PATH_BYTES];
    const char *slash = strrchr(dir, '/');
    if (!slash) return plumb__dir_sync(".", err);
    const size_t n = slash == dir ? 1 : (size_t)(slash - dir);
    memcpy(parent, dir, n);
    parent[n] = '\0';
    return plumb__dir_sync(parent, err);
}

static plumb_status refuse_existing(const char *dir, plumb_error *err)
{
    if (!plumb__path_exists(dir)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_EXISTS,
                       "%s: exists already; choose another place, or resume the run that is there",
                       dir);
}

/* Only what we have locked is surely ours; an empty directory harms nobody either way. */
static void discard(const plumb__writer *w, const char *temporary)
{
    plumb_error ignored;
    if (w->lock_fd < 0)
        (void)rmdir(temporary);
    else if (plumb__dir_remove(temporary, &ignored) != PLUMB_OK)
        plumb__log(PLUMB_LOG_WARNING, "%s: left behind: %s", temporary, ignored.message);
}

plumb_status plumb__writer_create(plumb__writer *w, const plumb__bundle_start *start,
                                  plumb_error *err)
{
    char final[PLUMB__PATH_BYTES], temporary[PLUMB__PATH_BYTES];
    memcpy(final, w->dir, sizeof final);
    PLUMB_TRY(refuse_existing(final, err));
    if (start->run_json_bytes == 0 || start->run_json_bytes > PLUMB__MAX_RUN_FILE_BYTES)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "run.json: must have 1 to %zu bytes, not %zu",
                           PLUMB__MAX_RUN_FILE_BYTES, start->run_json_bytes);
    (void)snprintf(temporary, sizeof temporary, "%.*s.tmp", PLUMB__PATH_BYTES - 8, final);
    PLUMB_TRY(clear_leftover(temporary, err));
    PLUMB_TRY(plumb__dir_create(temporary, 0755, err));
    work_in(w, temporary);
    plumb_status status = lock_directory(w, temporary, err);
    if (status == PLUMB_OK) status = fill(w, start, err);
    if (status == PLUMB_OK) status = refuse_existing(final, err); /* in the meantime */
    if (status == PLUMB_OK) status = plumb__file_rename(temporary, final, err);
    if (status != PLUMB_OK) {
        discard(w, temporary);
        return status;
    }
    work_in(w, final);
    PLUMB_TRY(plumb__journal_path(w->dir, w->journal.file, w->journal.path, err));
    return sync_parent(final, err);
}
