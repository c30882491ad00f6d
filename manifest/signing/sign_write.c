/* The second half of signing: signatures are checked, then the files written. */
#include "manifest/proofs/note.h"
#include "manifest/signing/signing.h"

#include <string.h>

/* ---- the envelope ------------------------------------------------------------------------- */

static plumb_status add_to_envelope(plumb__dsse *e, const plumb__signature *by, plumb_error *err)
{
    char keyid[PLUMB_KEYID_TEXT_BYTES];
    const size_t at = e->n_signatures;
    if (at == PLUMB__DSSE_MAX_SIGNATURES) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "an envelope has at most %d signatures",
                           PLUMB__DSSE_MAX_SIGNATURES);
    }
    plumb_public_key_id(&by->key, keyid);
    memcpy(e->signatures[at].signature, by->envelope, PLUMB_SIGNATURE_BYTES);
    strcpy(e->signatures[at].keyid, keyid);
    e->n_signatures++;
    if (plumb__dsse_signed_by(e, at, &by->key)) {
        size_t same = 0;
        while (same < at && !plumb__dsse_signed_by(e, same, &by->key))
            same++;
        if (same < at) e->n_signatures--; /* a key counts once, so it signs once */
        return PLUMB_OK;
    }
    return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                       "the signature is not key %.16s's over this payload: sign the bytes of "
                       "NAME.plumb.pae as they are, with pure Ed25519",
                       keyid);
}

static plumb_status write_envelope(const plumb__signing *s, plumb_error *err)
{
    plumb__bytes text = {0};
    plumb_status status = plumb__dsse_dump(&s->envelope, &text, err);
    plumb__bytes_append_text(&text, "\n");
    if (status == PLUMB_OK) status = plumb__bytes_check(&text, err);
    if (status == PLUMB_OK) {
        status = plumb__file_write_atomic(s->envelope_path, text.data, text.size, 0644, err);
    }
    plumb__bytes_free(&text);
    return status;
}

/* ---- the checkpoint ----------------------------------------------------------------------- */

plumb_status plumb__signing_note(const plumb__signing *s, plumb__bytes *out, plumb_error *err)
{
    const plumb__bytes *payload = &s->envelope.payload;
    const plumb__statement *said = s->replaces ? &s->statement : &s->old;
    plumb__checkpoint k = {.size = said->records.count,
                           .root = said->records.root,
                           .has_statement = true,
                           .statement = plumb__sha256(payload->data, payload->size)};
    plumb__statement_origin(said, k.origin);
    return plumb__note_text(&k, out, err);
}

/* The lines that are there already, this signer's aside, in *out behind the text. */
static plumb_status keep_lines(const plumb__signing *s, const plumb__signature *by,
                               const char *origin, plumb__bytes *out, plumb_error *err)
{
    plumb__bytes old = {0};
    plumb__note note;
    plumb_status status = plumb__file_read(s->checkpoint_path, PLUMB__NOTE_CAP, &old, err);
    if (status == PLUMB_OK) {
        status = plumb__note_parse(s->checkpoint_path, old.data, old.size, &note, err);
    }
    if (status == PLUMB_OK &&
        (note.text_size + 1 != out->size || memcmp(note.text, out->data, note.text_size) != 0)) {
        status = plumb__fail(err, PLUMB_ERR_EXISTS,
                             "%s: is the checkpoint of another statement; remove it and sign again",
                             s->checkpoint_path);
    }
    for (size_t i = 0; status == PLUMB_OK && i < note.n_lines; i++) {
        const plumb__note_line *line = &note.lines[i];
        if (plumb__note_line_names(line, origin, PLUMB__NOTE_ED25519, &by->key)) continue;
        plumb__note_copy_line(line, out);
    }
    plumb__bytes_free(&old);
    return status;
}

static plumb_status make_checkpoint(const plumb__signing *s, const plumb__signature *by,
                                    plumb__bytes *out, plumb_error *err)
{
    char origin[PLUMB__ORIGIN_BYTES];
    plumb__note note;
    plumb__statement_origin(s->replaces ? &s->statement : &s->old, origin);
    PLUMB_TRY(plumb__signing_note(s, out, err));
    if (plumb_signature_verify(&by->key, out->data, out->size, by->note, sizeof by->note, NULL) !=
        PLUMB_OK) {
        return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                           "the checkpoint's signature does not hold: sign the bytes of "
                           "NAME.checkpoint.body as they are, with pure Ed25519");
    }
    plumb__bytes_append_text(out, "\n");
    if (!s->replaces && plumb__path_exists(s->checkpoint_path)) {
        PLUMB_TRY(keep_lines(s, by, origin, out, err));
    }
    PLUMB_TRY(plumb__note_append_line(origin, PLUMB__NOTE_ED25519, &by->key, by->note,
                                      sizeof by->note, out, err));
    return plumb__note_parse(s->checkpoint_path, out->data, out->size, &note, err);
}

plumb_status plumb__signing_finish(plumb__signing *s, const plumb__signature *by, plumb_error *err)
{
    plumb__bytes checkpoint = {0};
    const plumb__statement *said = s->replaces ? &s->statement : &s->old;
    plumb_status status = add_to_envelope(&s->envelope, by, err);
    if (status == PLUMB_OK && by->has_note) status = make_checkpoint(s, by, &checkpoint, err);
    if (status == PLUMB_OK && s->replaces && s->old.root != NULL) {
        status = plumb__withdrawals_retire(s->envelope_path, &s->old, true, err);
    }
    if (status == PLUMB_OK && s->replaces && plumb__path_exists(s->checkpoint_path)) {
        status = plumb__file_unlink(s->checkpoint_path, err);
    }
    if (status == PLUMB_OK) status = write_envelope(s, err);
    if (status == PLUMB_OK) {
        status = plumb__withdrawals_retire(s->envelope_path, said, false, err);
    }
    if (status == PLUMB_OK && by->has_note) {
        status = plumb__file_write_atomic(s->checkpoint_path, checkpoint.data, checkpoint.size,
                                          0644, err);
    }
    plumb__bytes_free(&checkpoint);
    return status;
}
