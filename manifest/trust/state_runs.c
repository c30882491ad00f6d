/* runs.jsonl: one line for every run that was started, in order. A line without its end is one
 * whose writer died before the run began: readers leave it out, the next writer cuts it off. */
#include "base/alloc.h"
#include "base/clock.h"
#include "manifest/manifest_object.h"
#include "manifest/trust/state.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_KEYIDS PLUMB__DSSE_MAX_SIGNATURES

/* ---- reading ---- */

static plumb_status read_keyids(const char *what, const json_t *root, const char **out, size_t *n,
                                plumb_error *err)
{
    const json_t *list = NULL;
    PLUMB_TRY(plumb__json_array(what, root, "signers", true, &list, err));
    *n = json_array_size(list);
    for (size_t i = 0; i < *n && i < MAX_KEYIDS; i++) {
        out[i] = json_string_value(json_array_get(list, i));
        if (out[i] == NULL) *n = MAX_KEYIDS + 1;
    }
    if (*n <= MAX_KEYIDS) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: field \"signers\" must list up to %d key ids",
                       what, MAX_KEYIDS);
}

static plumb_status read_run(const char *what, const json_t *root, plumb_state_run *out,
                             plumb_error *err)
{
    const char *started = NULL;
    int64_t version = 0;
    PLUMB_TRY(plumb__json_string(what, root, "path", true, &out->path, err));
    PLUMB_TRY(plumb__json_string(what, root, "run_id", true, &out->run_id, err));
    PLUMB_TRY(plumb__json_string(what, root, "root", true, &out->root, err));
    PLUMB_TRY(plumb__json_string(what, root, "statement", true, &out->statement, err));
    PLUMB_TRY(plumb__json_string(what, root, "vendor", true, &out->vendor, err));
    PLUMB_TRY(plumb__json_string(what, root, "dataset", true, &out->dataset, err));
    PLUMB_TRY(plumb__json_string(what, root, "started", true, &started, err));
    PLUMB_TRY(plumb__json_integer(what, root, "version", true, &version, err));
    out->manifest_version = (uint64_t)version;
    if (plumb__time_parse(started, &out->started_s)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"started\" must be a time YYYY-MM-DDThh:mm:ssZ", what);
}

static plumb_status visit_line(const char *what, const char *line, size_t n,
                               plumb_state_visit *visit, void *ctx, plumb_error *err)
{
    const char *keyids[MAX_KEYIDS];
    plumb_state_run run = {.size = sizeof run, .version = 1, .keyids = keyids};
    json_t *root = NULL;
    PLUMB_TRY(plumb__json_parse(what, line, n, &root, err));
    plumb_status status = read_run(what, root, &run, err);
    if (status == PLUMB_OK) status = read_keyids(what, root, keyids, &run.n_keyids, err);
    if (status == PLUMB_OK) status = visit(&run, ctx, err);
    json_decref(root);
    return status;
}

plumb_status plumb_state_runs(const plumb_state *state, plumb_state_visit *visit, void *ctx,
                              plumb_error *err)
{
    char path[PLUMB__PATH_BYTES], what[PLUMB__PATH_BYTES + 32];
    plumb__bytes text = {0};
    bool there = false;
    PLUMB_TRY(plumb__state_has(state, "runs.jsonl", path, &there, err));
    if (!there) return PLUMB_OK;
    PLUMB_TRY(plumb__file_read_nofollow(path, PLUMB__STATE_RUNS_CAP, &text, err));
    plumb_status status = PLUMB_OK;
    size_t number = 0;
    for (size_t at = 0; at < text.size && status == PLUMB_OK;) {
        const char *line = (const char *)text.data + at;
        const char *end = memchr(line, '\n', text.size - at);
        if (end == NULL) break;
        snprintf(what, sizeof what, "%s: line %zu", path, ++number);
        status = visit_line(what, line, (size_t)(end - line), visit, ctx, err);
        at += (size_t)(end - line) + 1;
    }
    plumb__bytes_free(&text);
    return status;
}

/* ---- writing ---- */

typedef struct sought {
    const char *path, *run_id;
    bool found;
} sought;

static plumb_status look_for(const plumb_state_run *run, void *ctx, plumb_error *err)
{
    sought *s = ctx;
    (void)err;
    s->found = s->found || (strcmp(run->path, s->path) == 0 && strcmp(run->run_id, s->run_id) == 0);
    return PLUMB_OK;
}

/* The bundle's folder may not exist yet: its parent does. */
static void absolute(const char *path, char out[PLUMB__PATH_BYTES])
{
    char parent[PLUMB__PATH_BYTES], real[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    memcpy(parent, path, n);
    parent[n] = '\0';
    const char *in = slash == NULL ? "." : n == 0 ? "/" : parent;
    const char *name = slash == NULL ? path : slash + 1;
    if (realpath(in, real) == NULL || plumb__path_join(out, real, name, NULL) != PLUMB_OK) {
        snprintf(out, PLUMB__PATH_BYTES, "%s", path);
    }
}

static plumb_status run_line(const char *path, const char *run_id, const plumb_trust *trust,
                             const plumb_manifest *m, plumb__bytes *out, plumb_error *err)
{
    char started[21];
    const plumb__statement *s = &m->statement;
    json_t *signers = json_array();
    plumb__time_format(plumb__wall_s(), started);
    for (uint32_t i = 0; i < m->n_signers; i++) {
        json_array_append_new(signers, json_string(m->signers[i].keyid));
    }
    json_t *root =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:o}", "path", path, "run_id", run_id, "root",
                  plumb_trust_root_fingerprint(trust), "statement", m->statement_hex, "vendor",
                  s->vendor, "dataset", s->dataset, "version", (json_int_t)s->version, "started",
                  started, "signers", signers);
    if (root == NULL) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: a run's path must be valid UTF-8 to be remembered", path);
    }
    plumb_status status = plumb__json_dump(root, out, err);
    json_decref(root);
    plumb__bytes_append_text(out, "\n");
    if (status == PLUMB_OK) status = plumb__bytes_check(out, err);
    return status;
}

/* Where the last whole line ends. */
static plumb_status whole_bytes(int fd, const char *path, off_t *out, plumb_error *err)
{
    off_t at = lseek(fd, 0, SEEK_END);
    char last = '\n';
    for (; at > 0; at--) {
        PLUMB_TRY(plumb__fd_read_at(fd, &last, 1, (uint64_t)at - 1, path, err));
        if (last == '\n') break;
    }
    *out = at;
    return PLUMB_OK;
}

static plumb_status append(int fd, const char *path, const plumb__bytes *line, plumb_error *err)
{
    off_t end = 0;
    PLUMB_TRY(whole_bytes(fd, path, &end, err));
    if (ftruncate(fd, end) != 0 || lseek(fd, end, SEEK_SET) != end) {
        return plumb__fail_errno(err, "cannot cut off the unfinished line of %s", path);
    }
    PLUMB_TRY(plumb__fd_write_all(fd, line->data, line->size, path, err));
    return plumb__fd_sync(fd, path, err);
}

static plumb_status append_line(const plumb_state *state, const plumb__bytes *line,
                                plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, state->dir, "runs.jsonl", err));
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return plumb__fail_errno(err, "cannot open %s", path);
    const plumb_status status = append(fd, path, line, err);
    close(fd);
    return status == PLUMB_OK ? plumb__dir_sync(state->dir, err) : status;
}

plumb_status plumb__state_add_run(plumb_state *state, const char *path, const char *run_id,
                                  const plumb_trust *trust, const plumb_manifest *m,
                                  plumb_error *err)
{
    char full[PLUMB__PATH_BYTES];
    plumb__bytes line = {0};
    sought same = {full, run_id, false};
    if (state->lock < 0) {
        return plumb__fail(err, PLUMB_ERR_STATE, "%s: is open for reading only", state->dir);
    }
    absolute(path, full);
    PLUMB_TRY(plumb_state_runs(state, look_for, &same, err));
    if (same.found) return PLUMB_OK;
    plumb_status status = run_line(full, run_id, trust, m, &line, err);
    if (status == PLUMB_OK) status = append_line(state, &line, err);
    plumb__bytes_free(&line);
    return status;
}
