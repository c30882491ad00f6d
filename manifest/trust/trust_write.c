/* Signing and writing a trust store; invariants T3 and T4 (trust_store.h). What is about to be
 * written goes through the reader first: its checks are the writer's. */
#include "manifest/trust/trust_write.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char next_suffix[] = ".next";

plumb_status plumb__trust_no_memory(plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a trust store");
}

json_t *plumb__trust_time_json(int64_t unix_s)
{
    char text[21];
    plumb__time_format(unix_s, text);
    return json_string(text);
}

void plumb_trust_change_default(plumb_trust_change *change)
{
    *change = (plumb_trust_change){.size = sizeof *change, .version = 1};
}

static plumb_status check_change(const plumb_trust_change *change, plumb_error *err)
{
    if (change->size != sizeof *change || change->version != 1) {
        return plumb__fail(err, PLUMB_ERR_VERSION, "plumb_trust_change of unknown size or version");
    }
    if (change->n_signers == 0) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a trust store is signed by a root key");
    }
    return PLUMB_OK;
}

static plumb_status edit_begin(const char *path, const plumb_trust_change *change,
                               plumb__trust_edit *edit, plumb_error *err)
{
    *edit = (plumb__trust_edit){.path = path, .lock = -1};
    PLUMB_TRY(check_change(change, err));
    PLUMB_TRY(plumb__crypto_init(err));
    const int n = snprintf(edit->next_path, sizeof edit->next_path, "%s%s", path, next_suffix);
    if (n < 0 || (size_t)n >= sizeof edit->next_path) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: the path is too long", path);
    }
    if (!plumb__path_exists(edit->next_path)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_EXISTS,
                       "%s: a change waits for root signatures; complete it with plumb trust sign, "
                       "or remove it",
                       edit->next_path);
}

plumb_status plumb__trust_edit_new(const char *path, const plumb_trust_change *change,
                                   plumb__trust_edit *edit, plumb_error *err)
{
    PLUMB_TRY(edit_begin(path, change, edit, err));
    if (!plumb__path_exists(path)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_EXISTS, "%s exists already and is not overwritten", path);
}

plumb_status plumb__trust_edit_open(const char *path, const plumb_trust_change *change,
                                    plumb__trust_edit *edit, plumb_error *err)
{
    PLUMB_TRY(edit_begin(path, change, edit, err));
    if (!plumb__path_exists(path)) {
        return plumb__fail(err, PLUMB_ERR_NOT_FOUND,
                           "%s: there is no such trust store; plumb trust init makes one", path);
    }
    PLUMB_TRY(plumb__file_lock(path, &edit->lock, err));
    PLUMB_TRY(plumb__file_read(path, PLUMB__TRUST_FILE_CAP, &edit->text, err));
    PLUMB_TRY(plumb__trust_parse(path, edit->text.data, edit->text.size, false, &edit->trust, err));
    edit->document = json_deep_copy(edit->trust->document);
    return edit->document != NULL ? PLUMB_OK : plumb__trust_no_memory(err);
}

void plumb__trust_edit_close(plumb__trust_edit *edit)
{
    if (edit->lock >= 0) close(edit->lock);
    plumb__bytes_free(&edit->text);
    plumb_trust_free(edit->trust);
    json_decref(edit->document);
}

/* ---- signing ---- */

static bool is_root(const plumb_trust *trust, const plumb_public_key *key)
{
    for (size_t i = 0; trust != NULL && i < trust->n_roots; i++) {
        if (memcmp(&trust->roots[i], key, sizeof *key) == 0) return true;
    }
    return false;
}

/* Each signer's key must be among the old or the new roots; either may be NULL. */
static plumb_status check_signers(const char *path, const plumb_trust *old, const plumb_trust *now,
                                  const plumb_trust_change *change, plumb_error *err)
{
    for (size_t i = 0; i < change->n_signers; i++) {
        plumb_public_key key;
        char keyid[PLUMB_KEYID_TEXT_BYTES];
        plumb_key_public(change->signers[i], &key);
        if (!is_root(old, &key) && !is_root(now, &key)) {
            plumb_public_key_id(&key, keyid);
            const char *file = change->signer_files != NULL ? change->signer_files[i] : NULL;
            return plumb__fail(err, PLUMB_ERR_TRUST, "%s: %s%s%s%s is not one of its root keys",
                               path, file != NULL ? file : "", file != NULL ? " (key " : "", keyid,
                               file != NULL ? ")" : "");
        }
    }
    return PLUMB_OK;
}

static plumb_status sign_envelope(const plumb_trust_change *change, plumb__dsse *envelope,
                                  plumb_error *err)
{
    for (size_t i = 0; i < change->n_signers; i++) {
        PLUMB_TRY(plumb__dsse_sign(envelope, change->signers[i], err));
    }
    return PLUMB_OK;
}

/* The document's new roots, before anything of it is signed. */
static plumb_status read_unsigned(const char *path, json_t *document, plumb_trust *out,
                                  plumb_error *err)
{
    *out = (plumb_trust){.document = document};
    return plumb__trust_read_document(path, out, err);
}

static plumb_status append_line(const plumb__dsse *envelope, plumb__bytes *text, plumb_error *err)
{
    PLUMB_TRY(plumb__dsse_dump(envelope, text, err));
    plumb__bytes_append_text(text, "\n");
    return plumb__bytes_check(text, err);
}

/* Reads what would be written and notes in `change` what it still lacks. */
static plumb_status judge(const char *path, const plumb__bytes *text, plumb_trust_change *change,
                          plumb_error *err)
{
    plumb_trust *trust = NULL;
    PLUMB_TRY(plumb__trust_parse(path, text->data, text->size, true, &trust, err));
    plumb_trust_root_state roots;
    plumb_trust_root_signatures(trust, &roots);
    change->missing = roots.missing;
    change->pending = roots.missing > 0;
    plumb_trust_free(trust);
    if (!change->pending || !change->whole) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: lacks %u root signatures; give more root keys, or let plumb trust "
                       "collect them",
                       path, change->missing);
}

/* ---- committing ---- */

static plumb_status number_document(const plumb__trust_edit *edit, plumb_error *err)
{
    json_t *d = edit->document;
    const plumb_trust *old = edit->trust;
    const json_int_t version = old != NULL ? (json_int_t)old->version + 1 : 1;
    if (json_object_set_new(d, "plumb_trust", json_integer(1)) ||
        json_object_set_new(d, "version", json_integer(version)) ||
        json_object_set_new(d, "issued", plumb__trust_time_json(plumb__wall_s())) ||
        (old != NULL && json_object_set_new(d, "previous", json_string(old->identity)))) {
        return plumb__trust_no_memory(err);
    }
    return PLUMB_OK;
}

/* The earlier lines that the new one needs beside it: all where roots change now or changed in the
 * last line, else the last line is replaced. */
static void keep_lines(const plumb__trust_edit *edit, bool rotates, plumb__bytes *out)
{
    if (edit->trust == NULL) return;
    const bool all = rotates || edit->trust->last_rotates;
    plumb__bytes_append(out, edit->text.data, all ? edit->text.size : edit->trust->last_line_at);
}

static plumb_status write_store(const plumb__trust_edit *edit, const plumb_trust_change *change,
                                const plumb__bytes *text, plumb_error *err)
{
    if (change->pending) {
        return plumb__file_create(edit->next_path, text->data, text->size, 0644, err);
    }
    if (edit->trust == NULL) {
        return plumb__file_create(edit->path, text->data, text->size, 0644, err);
    }
    return plumb__file_write_atomic(edit->path, text->data, text->size, 0644, err);
}

plumb_status plumb__trust_edit_commit(plumb__trust_edit *edit, plumb_trust_change *change,
                                      bool rotates, plumb_error *err)
{
    plumb__dsse envelope = {.payload_type = PLUMB__TRUST_PAYLOAD_TYPE};
    plumb__bytes text = {0};
    plumb_trust now = {0};
    plumb_status status;
    if (!rotates) PLUMB_TRY_CLEAN(check_signers(edit->path, edit->trust, NULL, change, err));
    PLUMB_TRY_CLEAN(number_document(edit, err));
    PLUMB_TRY_CLEAN(read_unsigned(edit->path, edit->document, &now, err));
    PLUMB_TRY_CLEAN(check_signers(edit->path, edit->trust, &now, change, err));
    PLUMB_TRY_CLEAN(plumb__json_dump(edit->document, &envelope.payload, err));
    PLUMB_TRY_CLEAN(sign_envelope(change, &envelope, err));
    keep_lines(edit, rotates, &text);
    PLUMB_TRY_CLEAN(append_line(&envelope, &text, err));
    PLUMB_TRY_CLEAN(judge(edit->path, &text, change, err));
    PLUMB_TRY_CLEAN(write_store(edit, change, &text, err));
cleanup:
    plumb__free(now.roots);
    plumb__free(now.vendors);
    plumb__free(now.keys);
    plumb__bytes_free(&text);
    plumb__dsse_free(&envelope);
    return status;
}

/* ---- completing ---- */

/* STORE of STORE.next. */
static plumb_status final_path(const char *next_path, char out[PLUMB__PATH_BYTES], plumb_error *err)
{
    const size_t n = strlen(next_path), tail = sizeof next_suffix - 1;
    if (n <= tail || n >= PLUMB__PATH_BYTES || strcmp(next_path + n - tail, next_suffix) != 0) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "%s: a store that waits for signatures is named STORE%s", next_path,
                           next_suffix);
    }
    memcpy(out, next_path, n - tail);
    out[n - tail] = '\0';
    return PLUMB_OK;
}

/* What it replaces must be what it was made from: another change may have come first. A keeper of
 * one root key far away has no store beside it. */
static plumb_status check_base(const char *path, const char *next_path, const plumb_trust *next,
                               int *lock, plumb_error *err)
{
    plumb_trust *now = NULL;
    if (!plumb__path_exists(path)) return PLUMB_OK;
    PLUMB_TRY(plumb__file_lock(path, lock, err));
    PLUMB_TRY(plumb_trust_open(path, &now, err));
    const bool fits = next->version == now->version + 1 && next->previous != NULL &&
                      strcmp(next->previous, now->identity) == 0;
    const unsigned long long version = now->version;
    plumb_trust_free(now);
    if (fits) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_STATE,
                       "%s: was made from another store than %s, which is version %llu now; remove "
                       "it and make the change again",
                       next_path, path, version);
}

/* The pending store with one more signature each, over the very bytes it had. */
static plumb_status resign(const char *next_path, const plumb__bytes *text, const plumb_trust *next,
                           const plumb_trust *before, const plumb_trust_change *change,
                           plumb__bytes *out, plumb_error *err)
{
    plumb__dsse envelope;
    PLUMB_TRY(check_signers(next_path, before, next, change, err));
    PLUMB_TRY(plumb__trust_last_envelope(next_path, next, text, &envelope, err));
    plumb_status status = sign_envelope(change, &envelope, err);
    if (status == PLUMB_OK) {
        plumb__bytes_append(out, text->data, next->last_line_at);
        status = append_line(&envelope, out, err);
    }
    plumb__dsse_free(&envelope);
    return status;
}

/* The store as the lines before the last have it; NULL where the last stands alone. */
static plumb_status open_before(const char *what, const plumb__bytes *text, const plumb_trust *next,
                                plumb_trust **before, plumb_error *err)
{
    *before = NULL;
    if (!next->last_rotates) return PLUMB_OK;
    return plumb__trust_parse(what, text->data, next->last_line_at, false, before, err);
}

static plumb_status replace_store(const char *path, const char *next_path,
                                  const plumb_trust_change *change, const plumb__bytes *text,
                                  plumb_error *err)
{
    if (change->pending) {
        return plumb__file_write_atomic(next_path, text->data, text->size, 0644, err);
    }
    PLUMB_TRY(plumb__file_write_atomic(path, text->data, text->size, 0644, err));
    return plumb__file_unlink(next_path, err);
}

plumb_status plumb_trust_sign(const char *next_path, plumb_trust_change *change, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    plumb__bytes text = {0}, signed_text = {0};
    plumb_trust *next = NULL, *before = NULL;
    int lock = -1;
    plumb_status status;
    PLUMB_TRY(check_change(change, err));
    PLUMB_TRY(final_path(next_path, path, err));
    PLUMB_TRY_CLEAN(plumb__file_read(next_path, PLUMB__TRUST_FILE_CAP, &text, err));
    PLUMB_TRY_CLEAN(plumb__trust_parse(next_path, text.data, text.size, true, &next, err));
    PLUMB_TRY_CLEAN(check_base(path, next_path, next, &lock, err));
    PLUMB_TRY_CLEAN(open_before(next_path, &text, next, &before, err));
    PLUMB_TRY_CLEAN(resign(next_path, &text, next, before, change, &signed_text, err));
    PLUMB_TRY_CLEAN(judge(next_path, &signed_text, change, err));
    PLUMB_TRY_CLEAN(replace_store(path, next_path, change, &signed_text, err));
cleanup:
    if (lock >= 0) close(lock);
    plumb_trust_free(before);
    plumb_trust_free(next);
    plumb__bytes_free(&signed_text);
    plumb__bytes_free(&text);
    return status;
}
