/* NAME.checkpoint of an opened manifest: signed by one of the keys that count, over the same tree.
 */
#include "manifest/manifest_object.h"
#include "manifest/note.h"

#include <string.h>

/* By any one of the keys that count: the signer's key is also the note key, under the origin's
 * name. */
static plumb_status verify_note(const char *path, const plumb_manifest *m, const char *origin,
                                plumb__checkpoint *out, plumb_error *err)
{
    plumb_status status = PLUMB_ERR_SIGNATURE;
    for (uint32_t i = 0; i < m->n_signers && status == PLUMB_ERR_SIGNATURE; i++) {
        status = plumb__note_verify(path, m->checkpoint.data, m->checkpoint.size, origin,
                                    &m->signers[i].key, out, err);
    }
    return status;
}

plumb_status plumb__manifest_check_checkpoint(const char *envelope_path, plumb_manifest *m,
                                              plumb_error *err)
{
    char path[PLUMB__PATH_BYTES], origin[PLUMB__ORIGIN_BYTES];
    plumb__checkpoint checkpoint;
    PLUMB_TRY(plumb__manifest_path(envelope_path, ".checkpoint", path, err));
    if (!plumb__path_exists(path)) return PLUMB_OK;
    PLUMB_TRY(plumb__file_read(path, PLUMB__CHECKPOINT_CAP, &m->checkpoint, err));
    plumb__statement_origin(&m->statement, origin);
    PLUMB_TRY(verify_note(path, m, origin, &checkpoint, err));
    if (strcmp(checkpoint.origin, origin) == 0 && checkpoint.size == m->statement.records.count &&
        plumb__hash_equal(&checkpoint.root, &m->statement.records.root)) {
        return PLUMB_OK;
    }
    return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: is the checkpoint of another tree than %s", path,
                       origin);
}
