/* NAME.checkpoint of a manifest that is being opened: over the same tree and the same statement,
 * signed by one of the keys that count, and by which witnesses. Read before the signers are judged,
 * because when a witness saw it may decide whether a revoked key still counts. */
#include "manifest/manifest_object.h"

#include <string.h>

/* Every line that names one of the envelope's known signers must hold. */
static plumb_status check_lines(const char *path, const char *origin, const plumb__note *note,
                                plumb_manifest *m, plumb_error *err)
{
    uint32_t signers = 0;
    for (uint32_t s = 0; s < m->n_signers; s++) {
        const plumb_public_key *key = &m->signers[s].key;
        for (size_t i = 0; i < note->n_lines; i++) {
            const plumb__note_line *line = &note->lines[i];
            if (!plumb__note_line_names(line, origin, PLUMB__NOTE_ED25519, key)) continue;
            if (!plumb__note_line_holds(note, line, key)) {
                return plumb__fail(err, PLUMB_ERR_SIGNATURE,
                                   "%s: the signature of %s does not hold: the checkpoint was "
                                   "changed",
                                   path, origin);
            }
            if (!m->signers[s].noted) signers++;
            m->signers[s].noted = true;
            m->unchecked_lines--;
        }
    }
    if (signers > 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_SIGNATURE, "%s: is signed by another key than %s", path,
                       origin);
}

static plumb_status check_text(const char *path, const char *origin, const plumb__checkpoint *k,
                               const plumb_manifest *m, plumb_error *err)
{
    const plumb__hash statement = plumb__sha256(m->payload.data, m->payload.size);
    if (strcmp(k->origin, origin) != 0 || k->size != m->statement.records.count ||
        !plumb__hash_equal(&k->root, &m->statement.records.root)) {
        return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: is the checkpoint of another tree than %s",
                           path, origin);
    }
    if (!k->has_statement || !plumb__hash_equal(&k->statement, &statement)) {
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "%s: is the checkpoint of another statement than this manifest's", path);
    }
    return PLUMB_OK;
}

plumb_status plumb__manifest_read_checkpoint(const char *envelope_path, const plumb_trust *trust,
                                             plumb_manifest *m, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES], origin[PLUMB__ORIGIN_BYTES];
    plumb__note note;
    PLUMB_TRY(plumb__manifest_path(envelope_path, ".checkpoint", path, err));
    if (!plumb__path_exists(path)) return PLUMB_OK;
    PLUMB_TRY(plumb__file_read(path, PLUMB__NOTE_CAP, &m->checkpoint, err));
    PLUMB_TRY(plumb__note_parse(path, m->checkpoint.data, m->checkpoint.size, &note, err));
    plumb__statement_origin(&m->statement, origin);
    m->unchecked_lines = (uint32_t)note.n_lines;
    if (trust != NULL) PLUMB_TRY(check_lines(path, origin, &note, m, err));
    PLUMB_TRY(check_text(path, origin, &note.checkpoint, m, err));
    if (trust == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__witnesses_find(path, m->statement.vendor, &note, trust, &m->witnesses, err));
    for (size_t i = 0; i < note.n_lines; i++) {
        m->unchecked_lines -= m->witnesses.by_witness[i];
    }
    return PLUMB_OK;
}

plumb_status plumb__manifest_check_checkpoint(const char *envelope_path, const plumb_manifest *m,
                                              plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    if (m->checkpoint.size == 0) return PLUMB_OK;
    for (uint32_t i = 0; i < m->n_signers; i++) {
        if (m->signers[i].noted) return PLUMB_OK;
    }
    PLUMB_TRY(plumb__manifest_path(envelope_path, ".checkpoint", path, err));
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: is signed by none of the keys that count for this manifest", path);
}

plumb_status plumb__manifest_cosigned(const plumb_manifest *m, const char *what,
                                      const plumb_trust *trust, int64_t *cosigned_s,
                                      plumb_error *err)
{
    plumb__note note;
    plumb__witnesses witnesses;
    *cosigned_s = 0;
    if (m->checkpoint.size == 0) return PLUMB_OK;
    PLUMB_TRY(plumb__note_parse(what, m->checkpoint.data, m->checkpoint.size, &note, err));
    PLUMB_TRY(plumb__witnesses_find(what, m->statement.vendor, &note, trust, &witnesses, err));
    *cosigned_s = witnesses.earliest_s;
    return PLUMB_OK;
}
