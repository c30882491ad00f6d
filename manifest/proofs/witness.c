/* Cosigning a manifest as a witness.
 *
 * Invariants:
 *  W1  under one origin a witness key cosigns one checkpoint, ever: a version of a data set is one
 *      statement over one tree, so another size, root or statement is an equivocation;
 *  W2  what was cosigned is durable in the state directory before the cosignature leaves;
 *  W3  the state's own file carries the cosignature, so that a changed one is noticed. */
#include "manifest/plumb_proof.h"

#include "base/clock.h"
#include "base/text.h"
#include "manifest/manifest_object.h"
#include "manifest/plumb_state.h"
#include "manifest/writer_lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct witnessing {
    const char *name;
    const plumb_secret_key *key;
    plumb_public_key public_key;
    char checkpoint_path[PLUMB__PATH_BYTES], memory_path[PLUMB__PATH_BYTES];
    plumb__note note;       /* of the manifest's checkpoint */
    plumb__bytes line, old; /* the cosignature with its LF; the state's file */
    plumb__note old_note;
    int64_t time_s;
    bool again; /* the line is the state's */
} witnessing;

void plumb_witness_options_default(plumb_witness_options *options)
{
    *options = (plumb_witness_options){.size = sizeof *options, .version = 1};
}

/* The key's name as a witness of the store; false when it is none. */
static bool name_in_store(const plumb_trust *trust, const plumb_public_key *key,
                          char out[PLUMB__WITNESS_NAME_BYTES])
{
    for (size_t i = 0; i < plumb_trust_key_count(trust); i++) {
        const plumb_trust_key *k = plumb_trust_key_at(trust, i);
        if ((k->roles & (1u << PLUMB_ROLE_WITNESS)) == 0) continue;
        if (memcmp(&k->key, key, sizeof *key) != 0) continue;
        snprintf(out, PLUMB__WITNESS_NAME_BYTES, "%.100s/%.100s", k->vendor, k->name);
        return true;
    }
    return false;
}

static plumb_status choose_name(const plumb_witness_options *o, witnessing *w,
                                plumb_witness_info *info, plumb_error *err)
{
    char known[PLUMB__WITNESS_NAME_BYTES] = "";
    const bool found = name_in_store(o->trust, &w->public_key, known);
    const char *name = o->name != NULL ? o->name : known;
    if (!found && o->name == NULL)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "the trust store lists this key as nobody's witness: say which name it "
                           "signs under, VENDOR/NAME (--name)");
    if (strlen(name) >= sizeof info->name)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "a witness's name has at most %zu characters",
                           sizeof info->name - 1);
    strcpy(info->name, name);
    info->in_store = found && strcmp(name, known) == 0;
    w->name = info->name;
    return PLUMB_OK;
}

/* ---- what this witness has cosigned before ------------------------------------------------ */

/* DIR/witness/SHA-256 of origin, name and key .checkpoint */
static plumb_status find_memory(const char *dir, const char *origin, witnessing *w,
                                plumb_error *err)
{
    char folder[PLUMB__PATH_BYTES], file[PLUMB__HASH_HEX_BYTES + 16], hex[PLUMB__HASH_HEX_BYTES];
    plumb__hasher h;
    plumb__hash_init(&h, PLUMB__SHA256);
    plumb__hash_update(&h, origin, strlen(origin) + 1);
    plumb__hash_update(&h, w->name, strlen(w->name) + 1);
    plumb__hash_update(&h, w->public_key.bytes, sizeof w->public_key.bytes);
    const plumb__hash hash = plumb__hash_final(&h);
    plumb__hash_hex(&hash, hex);
    snprintf(file, sizeof file, "%s.checkpoint", hex);
    PLUMB_TRY(plumb__path_join(folder, dir, "witness", err));
    if (!plumb__path_exists(folder)) PLUMB_TRY(plumb__dir_create(folder, 0700, err));
    return plumb__path_join(w->memory_path, folder, file, err);
}

static plumb_status read_memory(witnessing *w, plumb_error *err)
{
    const char *path = w->memory_path;
    PLUMB_TRY(plumb__file_read(path, PLUMB__NOTE_CAP, &w->old, err));
    PLUMB_TRY(plumb__note_parse(path, w->old.data, w->old.size, &w->old_note, err));
    const plumb__note_line *line = &w->old_note.lines[0];
    if (w->old_note.n_lines == 1 &&
        plumb__note_line_names(line, w->name, PLUMB__NOTE_COSIGNATURE, &w->public_key) &&
        plumb__cosignature_holds(&w->old_note, line, &w->public_key, &w->time_s))
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_CORRUPT,
                       "%s: is not what this witness wrote: without it nobody knows what it has "
                       "cosigned; restore it",
                       path);
}

/* W1 */
static plumb_status refuse(const char *path, const witnessing *w, plumb_error *err)
{
    const plumb__checkpoint *now = &w->note.checkpoint, *old = &w->old_note.checkpoint;
    char when[21];
    plumb__time_format(w->time_s, when);
    if (now->size < old->size)
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "%s: has %" PRIu64 " records, but %" PRIu64
                           " were cosigned as %s at %s: records were taken away",
                           path, now->size, old->size, now->origin, when);
    return plumb__fail(
        err, PLUMB_ERR_MISMATCH,
        "%s: another %s was cosigned as %s at %s: the vendor shows different "
        "people different manifests, or should have raised the version",
        path,
        now->size == old->size && plumb__hash_equal(&now->root, &old->root) ? "statement" : "tree",
        now->origin, when);
}

static bool same_text(const plumb__note *a, const plumb__note *b)
{
    return a->text_size == b->text_size && memcmp(a->text, b->text, a->text_size) == 0;
}

static plumb_status remember(witnessing *w, plumb_error *err)
{
    plumb__bytes text = {0};
    plumb__bytes_append(&text, w->note.text, w->note.text_size);
    plumb__bytes_append_text(&text, "\n");
    plumb__bytes_append(&text, w->line.data, w->line.size);
    plumb_status status = plumb__bytes_check(&text, err);
    if (status == PLUMB_OK) {
        status = plumb__file_write_atomic(w->memory_path, text.data, text.size, 0600, err);
    }
    plumb__bytes_free(&text);
    return status;
}

/* The cosignature: the one made before, or a new one that is remembered first (W2). */
static plumb_status decide(const char *path, int64_t time_s, witnessing *w, plumb_error *err)
{
    if (!plumb__path_exists(w->memory_path)) {
        w->time_s = time_s;
        PLUMB_TRY(
            plumb__cosign(w->name, w->key, w->note.text, w->note.text_size, time_s, &w->line, err));
        return remember(w, err);
    }
    PLUMB_TRY(read_memory(w, err));
    if (!same_text(&w->note, &w->old_note)) return refuse(path, w, err);
    w->again = true;
    const size_t from = w->old_note.text_size + 1; /* behind the empty line */
    plumb__bytes_append(&w->line, w->old.data + from, w->old.size - from);
    return plumb__bytes_check(&w->line, err);
}

/* ---- the manifest ------------------------------------------------------------------------- */

/* Everything as it was, this witness's line new at the end. */
static plumb_status rewrite(const plumb_manifest *m, const witnessing *w, plumb_error *err)
{
    plumb__bytes now = {0}, text = {0};
    plumb__note check;
    plumb_status status = plumb__file_read(w->checkpoint_path, PLUMB__NOTE_CAP, &now, err);
    if (status == PLUMB_OK &&
        (now.size != m->checkpoint.size || memcmp(now.data, m->checkpoint.data, now.size) != 0)) {
        status = plumb__fail(err, PLUMB_ERR_STATE, "%s: changed meanwhile; try again",
                             w->checkpoint_path);
    }
    plumb__bytes_append(&text, w->note.text, w->note.text_size);
    plumb__bytes_append_text(&text, "\n");
    for (size_t i = 0; i < w->note.n_lines; i++) {
        const plumb__note_line *line = &w->note.lines[i];
        if (plumb__note_line_names(line, w->name, PLUMB__NOTE_COSIGNATURE, &w->public_key))
            continue;
        plumb__note_copy_line(line, &text);
    }
    plumb__bytes_append(&text, w->line.data, w->line.size);
    if (status == PLUMB_OK) status = plumb__bytes_check(&text, err);
    if (status == PLUMB_OK) {
        status = plumb__note_parse(w->checkpoint_path, text.data, text.size, &check, err);
    }
    if (status == PLUMB_OK) {
        status = plumb__file_write_atomic(w->checkpoint_path, text.data, text.size, 0644, err);
    }
    plumb__bytes_free(&now);
    plumb__bytes_free(&text);
    return status;
}

static plumb_status cosign(const char *path, const plumb_manifest *m,
                           const plumb_witness_options *o, witnessing *w, plumb_error *err)
{
    plumb_state *state = NULL;
    const plumb__bytes *checkpoint = &m->checkpoint;
    PLUMB_TRY(plumb__manifest_path(path, ".checkpoint", w->checkpoint_path, err));
    if (checkpoint->size == 0)
        return plumb__fail(err, PLUMB_ERR_NOT_FOUND,
                           "%s: is missing, and a witness signs nothing else; plumb manifest sign "
                           "writes it",
                           w->checkpoint_path);
    PLUMB_TRY(
        plumb__note_parse(w->checkpoint_path, checkpoint->data, checkpoint->size, &w->note, err));
    PLUMB_TRY(plumb_state_lock(o->state_dir, &state, err));
    plumb_status status = find_memory(plumb_state_dir(state), w->note.checkpoint.origin, w, err);
    if (status == PLUMB_OK) {
        status = decide(path, o->time_s != 0 ? o->time_s : plumb__wall_s(), w, err);
    }
    if (status == PLUMB_OK) status = rewrite(m, w, err);
    plumb_state_free(state);
    return status;
}

plumb_status plumb_witness_manifest(const char *path, const plumb_secret_key *key,
                                    const plumb_witness_options *o, plumb_witness_info *info,
                                    plumb_error *err)
{
    plumb_manifest_options options;
    plumb_manifest *m = NULL;
    witnessing w = {.key = key};
    plumb__lock lock = {.fd = -1};
    memset(info, 0, sizeof *info);
    if (o->size != sizeof *o || o->version != 1)
        return plumb__fail(err, PLUMB_ERR_VERSION,
                           "plumb_witness_options of unknown size or version");
    if (o->trust == NULL)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "a witness cosigns what its trust store vouches for: one is needed");
    plumb_key_public(key, &w.public_key);
    PLUMB_TRY(choose_name(o, &w, info, err));
    plumb_manifest_options_default(&options);
    options.audience = o->audience;
    options.records_path = o->records_path;
    plumb_status status = plumb__manifest_lock(path, &lock, err);
    if (status == PLUMB_OK) status = plumb_manifest_open(path, o->trust, &options, &m, err);
    if (status == PLUMB_OK) status = cosign(path, m, o, &w, err);
    plumb__lock_release(&lock);
    strcpy(info->origin, w.note.checkpoint.origin);
    info->records = w.note.checkpoint.size;
    info->time_s = w.time_s;
    info->again = w.again;
    plumb__bytes_free(&w.line);
    plumb__bytes_free(&w.old);
    plumb_manifest_free(m);
    return status;
}
