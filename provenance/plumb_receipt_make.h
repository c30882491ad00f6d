/* Making the receipt that a customer gives back to a vendor (manifest/plumb_receipt.h reads it). */
#ifndef PLUMB_RECEIPT_MAKE_H
#define PLUMB_RECEIPT_MAKE_H

#include "manifest/plumb_receipt.h"
#include "provenance/plumb_graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct plumb_receipt_options {
    uint32_t size, version;
    const char *vendor;        /* whom it is for; must be the vendor of the run's manifest */
    const char *manifest_path; /* envelope of records too large for evidence/; NULL: none */
    uint64_t min_group;        /* groups of fewer records are merged; default 5, at least 1 */
    int64_t issued_s;          /* 0 = now */
} plumb_receipt_options;
PLUMB_API void plumb_receipt_options_default(plumb_receipt_options *options);

/* Verifies the closed run in full under `trust`, adds up what it did with the vendor's records, and
 * writes the statement signed by `key`, which must be an operator's in the store, to `path`
 * (refused if it is there). A run that does not hold gets no receipt. */
PLUMB_API plumb_status plumb_receipt_make(const char *run_dir, const plumb_trust *trust,
                                          const plumb_secret_key *key,
                                          const plumb_receipt_options *options, const char *path,
                                          plumb_error *err) PLUMB_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
