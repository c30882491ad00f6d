#include "provenance/verify.h"

#include "base/file.h"

plumb_status plumb__verify_read(plumb__verify *v, const char *name, size_t cap_bytes,
                                plumb__bytes *out, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, v->dir, name, err));
    return plumb__file_read_nofollow(path, cap_bytes, out, err);
}

plumb__seal_state plumb__verify_state(const plumb__verify *v)
{
    const plumb__inventory *last = plumb__record_inventory(v->record);
    if (last->state == PLUMB__SEAL_CLOSED && v->head.size <= last->leaf) return PLUMB__SEAL_MERGED;
    return last->state;
}

static plumb_status check_final(const plumb__verify *v, plumb_error *err)
{
    if (plumb__verify_state(v) != PLUMB__SEAL_CLOSED) return PLUMB_OK;
    if (v->head_signer + 1 != v->certificates.n)
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "head: the run is closed, but not by its last certified run key");
    return PLUMB_OK;
}

plumb_status plumb__verify_identity(plumb__verify *v, plumb_error *err)
{
    PLUMB_TRY(plumb__verify_read(v, "run.json", PLUMB__MAX_RUN_JSON_BYTES, &v->run_bytes, err));
    PLUMB_TRY(
        plumb__run_json_parse("run.json", v->run_bytes.data, v->run_bytes.size, &v->run, err));
    PLUMB_TRY(plumb__verify_read(v, "certificates", PLUMB__MAX_CERTIFICATES_BYTES,
                                 &v->certificate_bytes, err));
    PLUMB_TRY(plumb__operators_check(&v->certificate_bytes, &v->run_bytes, &v->run, v->trust,
                                     &v->certificates, err));
    PLUMB_TRY(plumb__verify_read(v, "head", PLUMB__MAX_HEAD_BYTES, &v->head_bytes, err));
    PLUMB_TRY(plumb__head_verify("head", v->head_bytes.data, v->head_bytes.size, v->run.run_id,
                                 v->certificates.rows, v->certificates.n, &v->head, &v->head_signer,
                                 err));
    PLUMB_TRY(plumb__record_open(v->dir, &v->run, &v->record, err));
    return check_final(v, err);
}
