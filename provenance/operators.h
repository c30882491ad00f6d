/* Who stands behind a run: which operator signed its certificates, judged by a trust store that the
 * caller gives. The form of certificates is certificate.h's. */
#ifndef PLUMB_PROVENANCE_OPERATORS_H
#define PLUMB_PROVENANCE_OPERATORS_H

#include "manifest/plumb_trust.h"
#include "provenance/certificate.h"
#include "provenance/run_json.h"

typedef struct plumb__operators {
    plumb__certificate *rows; /* one per line */
    size_t n;
    char keyid[PLUMB_KEYID_TEXT_BYTES]; /* who signed the last one; "" when the signer was not
                                           checked */
} plumb__operators;

/* Every line of the file: form, order, the digests of run.json, the first run key; with a trust
 * store also its signature by keys that may act as operator at the certificate's time. */
plumb_status plumb__operators_check(const plumb__bytes *file, const plumb__bytes *run_bytes,
                                    const plumb__run_json *run, const plumb_trust *trust,
                                    plumb__operators *out, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__operators_free(plumb__operators *operators);

#endif
