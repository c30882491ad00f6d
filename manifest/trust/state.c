/* The state directory: where it is, its lock, and pins.json. */
#include "manifest/trust/state.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 500
#define LOCK_WAIT_MS 20

/* ---- where ---- */

/* The default place; false when the environment names none. */
static bool default_dir(char out[PLUMB__PATH_BYTES])
{
    static const struct {
        const char *variable, *below;
    } places[] = {
        {"PLUMB_STATE", ""}, {"XDG_STATE_HOME", "/plumb"}, {"HOME", "/.local/state/plumb"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *value = getenv(places[i].variable);
        if (value == NULL || value[0] == '\0') continue;
        if (i > 0 && value[0] != '/') continue; /* the XDG rules: a relative path is ignored */
        const int n = snprintf(out, PLUMB__PATH_BYTES, "%s%s", value, places[i].below);
        return n > 0 && n < PLUMB__PATH_BYTES;
    }
    return false;
}

static plumb_status find_dir(const char *dir, char out[PLUMB__PATH_BYTES], plumb_error *err)
{
    out[0] = '\0';
    if (dir == NULL) {
        (void)default_dir(out);
        return PLUMB_OK;
    }
    const size_t n = strlen(dir);
    if (n == 0 || n >= PLUMB__PATH_BYTES) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a state folder's path has 1 to %d bytes",
                           PLUMB__PATH_BYTES - 1);
    }
    memcpy(out, dir, n + 1);
    return PLUMB_OK;
}

/* mkdir -p, for the owner alone: pins say what one works with. */
static plumb_status make_dirs(const char *dir, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    strcpy(path, dir);
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != '\0') continue;
        const char end = *at;
        *at = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            return plumb__fail_errno(err, "cannot make the folder %s", path);
        }
        *at = end;
        if (end == '\0') return PLUMB_OK;
    }
}

/* Others could take away what was seen, or lay a memory of their own in its place. A link is
 * followed when nobody else can make it lead elsewhere. */
static plumb_status check_owner(const char *dir, const struct stat *st, plumb_error *err)
{
    if (st->st_uid == geteuid() || (S_ISLNK(st->st_mode) && st->st_uid == 0)) return PLUMB_OK;
    return plumb__fail(
        err, PLUMB_ERR_IO,
        "the state %s %s belongs to user %lu, not to you (user %lu): what was seen there "
        "cannot be relied on; set PLUMB_STATE (or --state DIR) to a folder of your own",
        S_ISLNK(st->st_mode) ? "folder's link" : "folder", dir, (unsigned long)st->st_uid,
        (unsigned long)geteuid());
}

static plumb_status check_dir(const char *dir, plumb_error *err)
{
    struct stat st;
    if (dir[0] == '\0') return PLUMB_OK;
    if (lstat(dir, &st) != 0) { /* not there: nothing was seen */
        if (errno == ENOENT || errno == ENOTDIR) return PLUMB_OK;
        return plumb__fail_errno(err, "cannot look at %s", dir);
    }
    if (S_ISLNK(st.st_mode)) {
        PLUMB_TRY(check_owner(dir, &st, err));
        if (stat(dir, &st) != 0) return plumb__fail_errno(err, "cannot look at %s", dir);
    }
    if (!S_ISDIR(st.st_mode)) {
        return plumb__fail(
            err, PLUMB_ERR_IO,
            "the state folder %s is not a folder; set PLUMB_STATE (or --state DIR) to one", dir);
    }
    PLUMB_TRY(check_owner(dir, &st, err));
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_IO,
                       "the state folder %s has mode %04o: others can change what was seen "
                       "there; make it yours alone (chmod 700 %s), or set PLUMB_STATE (or --state "
                       "DIR) to another",
                       dir, (unsigned)st.st_mode & 07777, dir);
}

/* ---- the lock ---- */

static plumb_status take_lock(plumb_state *state, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, state->dir, "lock", err));
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return plumb__fail_errno(err, "cannot create %s", path);
    close(fd);
    /* Whoever holds it writes one small file: waiting is shorter than explaining. */
    for (int i = 0;; i++) {
        const plumb_status status = plumb__file_lock(path, &state->lock, err);
        if (status != PLUMB_ERR_LOCKED || i == LOCK_TRIES) return status;
        const struct timespec pause = {0, LOCK_WAIT_MS * 1000000L};
        nanosleep(&pause, NULL);
    }
}

/* ---- pins.json ---- */

static plumb_status pins_digest(const json_t *pins, char out[PLUMB__HASH_HEX_BYTES],
                                plumb_error *err)
{
    plumb__bytes text = {0};
    const plumb_status status = plumb__json_dump(pins, &text, err);
    const plumb__hash hash = plumb__blake2b(text.data, text.size);
    plumb__hash_hex(&hash, out);
    plumb__bytes_free(&text);
    return status;
}

static plumb_status read_pins(const char *path, const plumb__bytes *text, plumb_state *state,
                              plumb_error *err)
{
    static const char *const allowed[] = {"check", "pins", "plumb_state", NULL};
    json_t *root = NULL;
    const json_t *pins = NULL;
    const char *check = NULL;
    char digest[PLUMB__HASH_HEX_BYTES];
    int64_t form = 0;
    plumb_status status;
    PLUMB_TRY(plumb__json_parse(path, text->data, text->size, &root, err));
    PLUMB_TRY_CLEAN(plumb__json_integer(path, root, "plumb_state", true, &form, err));
    PLUMB_TRY_CLEAN(plumb__json_only(path, root, allowed, err));
    PLUMB_TRY_CLEAN(plumb__json_string(path, root, "check", true, &check, err));
    PLUMB_TRY_CLEAN(plumb__json_object(path, root, "pins", true, &pins, err));
    PLUMB_TRY_CLEAN(pins_digest(pins, digest, err));
    if (form != 1 || strcmp(digest, check) != 0) {
        status = plumb__fail(err, PLUMB_ERR_FORMAT, "%s: %s", path,
                             form != 1 ? "is of a later version of Plumbline"
                                       : "is not what was written: its check does not hold");
        goto cleanup;
    }
    state->pins = json_incref((json_t *)(uintptr_t)pins);
cleanup:
    json_decref(root);
    return status;
}

plumb_status plumb__state_has(const plumb_state *state, const char *name,
                              char path[PLUMB__PATH_BYTES], bool *there, plumb_error *err)
{
    struct stat st;
    *there = false;
    PLUMB_TRY(plumb__path_join(path, state->dir, name, err));
    if (state->dir[0] == '\0') return PLUMB_OK;
    *there = lstat(path, &st) == 0;
    if (*there || errno == ENOENT || errno == ENOTDIR) return PLUMB_OK;
    return plumb__fail_errno(err, "cannot look at %s", path);
}

static plumb_status load(plumb_state *state, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    plumb__bytes text = {0};
    bool there = false;
    PLUMB_TRY(check_dir(state->dir, err));
    PLUMB_TRY(plumb__state_has(state, "pins.json", path, &there, err));
    if (!there) {
        state->pins = json_object();
        return state->pins != NULL
                   ? PLUMB_OK
                   : plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for the pins");
    }
    plumb_status status = plumb__file_read_nofollow(path, PLUMB__STATE_PINS_CAP, &text, err);
    if (status == PLUMB_OK) status = read_pins(path, &text, state, err);
    plumb__bytes_free(&text);
    if (status != PLUMB_OK && err != NULL && status != PLUMB_ERR_NO_MEMORY) {
        plumb_error why = *err;
        status = plumb__fail(err, status,
                             "%.700s; the versions seen so far cannot be told: restore the file, "
                             "or remove it to begin again",
                             why.message);
    }
    return status;
}

plumb_status plumb__state_save(plumb_state *state, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES], digest[PLUMB__HASH_HEX_BYTES];
    plumb__bytes text = {0};
    if (state->lock < 0) {
        return plumb__fail(err, PLUMB_ERR_STATE, "%s: is open for reading only", state->dir);
    }
    PLUMB_TRY(plumb__path_join(path, state->dir, "pins.json", err));
    PLUMB_TRY(pins_digest(state->pins, digest, err));
    json_t *root =
        json_pack("{s:s,s:O,s:i}", "check", digest, "pins", state->pins, "plumb_state", 1);
    plumb_status status = root != NULL
                              ? plumb__json_dump(root, &text, err)
                              : plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for the pins");
    plumb__bytes_append_text(&text, "\n");
    if (status == PLUMB_OK) status = plumb__bytes_check(&text, err);
    if (status == PLUMB_OK) {
        status = plumb__file_write_atomic(path, text.data, text.size, 0600, err);
    }
    json_decref(root);
    plumb__bytes_free(&text);
    return status;
}

/* ---- opening ---- */

static plumb_status state_new(const char *dir, plumb_state **out, plumb_error *err)
{
    PLUMB_TRY(plumb__crypto_init(err));
    PLUMB_TRY(plumb__alloc(out, 1, sizeof **out, "state", err));
    (*out)->lock = -1;
    const plumb_status status = find_dir(dir, (*out)->dir, err);
    if (status == PLUMB_OK) return PLUMB_OK;
    plumb_state_free(*out);
    *out = NULL;
    return status;
}

plumb_status plumb_state_open(const char *dir, plumb_state **state, plumb_error *err)
{
    *state = NULL;
    PLUMB_TRY(state_new(dir, state, err));
    const plumb_status status = load(*state, err);
    if (status == PLUMB_OK) return PLUMB_OK;
    plumb_state_free(*state);
    *state = NULL;
    return status;
}

static plumb_status open_locked(plumb_state *state, plumb_error *err)
{
    if (state->dir[0] == '\0') {
        return plumb__fail(err, PLUMB_ERR_NOT_FOUND, "the environment names no folder");
    }
    PLUMB_TRY(make_dirs(state->dir, err));
    return take_lock(state, err);
}

plumb_status plumb_state_lock(const char *dir, plumb_state **state, plumb_error *err)
{
    *state = NULL;
    PLUMB_TRY(state_new(dir, state, err));
    plumb_status status = check_dir((*state)->dir, err);
    const bool fit = status == PLUMB_OK;
    if (fit) status = open_locked(*state, err);
    if (fit && status != PLUMB_OK && err != NULL) {
        const plumb_error why = *err;
        status = plumb__fail(err, why.status,
                             "what was seen cannot be remembered: %.700s; set PLUMB_STATE (or "
                             "--state DIR) to a folder that can be written",
                             why.message);
    }
    if (status == PLUMB_OK) status = load(*state, err);
    if (status == PLUMB_OK) return PLUMB_OK;
    plumb_state_free(*state);
    *state = NULL;
    return status;
}

void plumb_state_free(plumb_state *state)
{
    if (state == NULL) return;
    if (state->lock >= 0) close(state->lock);
    json_decref(state->pins);
    plumb__free(state);
}

const char *plumb_state_dir(const plumb_state *state)
{
    return state->dir;
}
