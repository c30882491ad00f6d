/* What an open manifest holds. Immutable after plumb_manifest_open. */
#ifndef PLUMB_MANIFEST_OBJECT_H
#define PLUMB_MANIFEST_OBJECT_H

#include "base/file.h"
#include "manifest/notices/withdrawal.h"
#include "manifest/proofs/cosign.h"
#include "manifest/records/record_file.h"
#include "manifest/signing/dsse.h"
#include "manifest/signing/statement.h"

#define PLUMB__ENVELOPE_CAP ((size_t)256 << 20)

typedef struct plumb__signer {
    char *name, keyid[PLUMB_KEYID_TEXT_BYTES];
    plumb_public_key key;
    bool noted; /* has signed the checkpoint too */
} plumb__signer;

struct plumb_manifest {
    plumb__bytes envelope, payload, checkpoint;
    plumb__record_file file;
    plumb__statement statement;
    plumb__taxonomy taxonomy;
    plumb__table table;
    plumb__withdrawals withdrawals;
    uint32_t n_signers;
    plumb__signer signers[PLUMB__DSSE_MAX_SIGNATURES];
    plumb__witnesses witnesses;
    uint32_t unchecked_lines; /* of the checkpoint: by nobody that the store knows */
    bool expired;
    char root_hex[PLUMB__HASH_HEX_BYTES], statement_hex[PLUMB__HASH_HEX_BYTES];
    char envelope_hex[PLUMB__HASH_HEX_BYTES], records_hex[PLUMB__HASH_HEX_BYTES];
};

/* NAME.plumb.json -> NAME + suffix; PLUMB_ERR_ARGUMENT when it ends otherwise. */
plumb_status plumb__manifest_path(const char *envelope, const char *suffix,
                                  char out[PLUMB__PATH_BYTES], plumb_error *err) PLUMB_MUST_CHECK;
/* Reads NAME.plumb.json and its envelope: one line with its LF, an in-toto payload. */
plumb_status plumb__manifest_envelope_read(const char *path, plumb__bytes *text,
                                           plumb__dsse *envelope,
                                           plumb_error *err) PLUMB_MUST_CHECK;

/* Envelope, signatures, statement, checkpoint and whether the signers count at at_s; of the file
 * itself nothing but the envelope and the checkpoint is read. trust NULL: form only. */
plumb_status plumb__manifest_open_statement(const char *path, const plumb_trust *trust,
                                            int64_t at_s, plumb_manifest *m,
                                            plumb_error *err) PLUMB_MUST_CHECK;
plumb_status plumb__trust_check_expiry(const plumb_trust *trust, int64_t at_s,
                                       plumb_error *err) PLUMB_MUST_CHECK;

/* The records file beside the envelope, against the statement, and its lines. */
plumb_status plumb__manifest_open_records(const char *path, const plumb_manifest_options *options,
                                          plumb_manifest *m, plumb_error *err) PLUMB_MUST_CHECK;
/* NAME.checkpoint, where there is one: form, the signers' lines, the statement, the witnesses.
 * After plumb__signers_find, before plumb__signers_judge. trust NULL: no signature is checked. */
plumb_status plumb__manifest_read_checkpoint(const char *envelope_path, const plumb_trust *trust,
                                             plumb_manifest *m, plumb_error *err) PLUMB_MUST_CHECK;
/* Then, of the signers that are left, one at least has signed it. */
plumb_status plumb__manifest_check_checkpoint(const char *envelope_path, const plumb_manifest *m,
                                              plumb_error *err) PLUMB_MUST_CHECK;
/* The earliest time at which a witness of this trust store, which need not be the one that the
 * manifest was opened with, had seen this very statement; 0: none. */
plumb_status plumb__manifest_cosigned(const plumb_manifest *m, const char *what,
                                      const plumb_trust *trust, int64_t *cosigned_s,
                                      plumb_error *err) PLUMB_MUST_CHECK;

/* Signatures against the store, before the payload is looked at: fills keys of signers. */
plumb_status plumb__signers_find(const char *what, const plumb__dsse *envelope,
                                 const plumb_trust *trust, plumb_manifest *m,
                                 plumb_error *err) PLUMB_MUST_CHECK;
/* Then whether these keys may speak for the vendor now, and are enough; drops the others. */
plumb_status plumb__signers_judge(const char *what, const plumb_trust *trust, int64_t at_s,
                                  plumb_manifest *m, plumb_error *err) PLUMB_MUST_CHECK;

#endif
