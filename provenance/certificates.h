/* Who stands behind a run: the operator's certificates for its run keys, and the signed head
 * (docs/formats/bundle.md sections 5 and 7). */
#ifndef PLUMB_PROVENANCE_CERTIFICATES_H
#define PLUMB_PROVENANCE_CERTIFICATES_H

#include "manifest/note.h"
#include "manifest/plumb_trust.h"
#include "provenance/run_json.h"

#define PLUMB__MAX_CERTIFICATES_BYTES ((size_t)16 << 20)

typedef struct plumb__certificate {
    plumb_public_key run_key;
    int64_t time_s;
    bool has_previous;
    uint64_t previous_size;
    plumb__hash previous_root;
    char operator_keyid[PLUMB_KEYID_TEXT_BYTES]; /* "" when the signer was not checked */
} plumb__certificate;

typedef struct plumb__certificates {
    plumb__certificate *rows;
    size_t n, capacity;
} plumb__certificates;

/* Checks every line against run.json, and with a trust store its signature by a key that may act as
 * operator at the certificate's time. */
plumb_status plumb__certificates_parse(const plumb__bytes *file, const plumb__bytes *run_bytes,
                                       const plumb__run_json *run, const plumb_trust *trust,
                                       plumb__certificates *out, plumb_error *err)
    PLUMB_MUST_CHECK;
void plumb__certificates_free(plumb__certificates *certificates);

/* Checks the note under the certified keys; *signer is the certificate whose key signed it. */
plumb_status plumb__head_check(const plumb__bytes *file, const plumb__run_json *run,
                               const plumb__certificates *certificates, plumb__checkpoint *head,
                               size_t *signer, plumb_error *err) PLUMB_MUST_CHECK;

#endif
