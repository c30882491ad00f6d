/* Receipts: what a customer gives back to a vendor, signed by the run's operator: how the vendor's
 * records were governed in one run, without layer names, texts, or anything about other data.
 * Format: docs/formats/receipt.md. An open receipt never changes: any thread may read. */
#ifndef PLUMB_RECEIPT_H
#define PLUMB_RECEIPT_H

#include "manifest/plumb_manifest.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct plumb_receipt plumb_receipt;

/* Reads and checks NAME.receipt.json: form, who signed (role operator, at the time of issue), every
 * field, and that its sums agree with each other. trust NULL: signer not checked. at_s: the time of
 * judgement, 0 = now. */
PLUMB_API plumb_status plumb_receipt_open(const char *path, const plumb_trust *trust, int64_t at_s,
                                          plumb_receipt **receipt,
                                          plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_receipt_free(plumb_receipt *receipt);

typedef struct plumb_receipt_info {
    uint32_t size, version;
    const char *vendor, *dataset; /* all borrowed from the receipt */
    uint64_t manifest_version;
    const char *statement_digest; /* of the manifest it is about */
    int64_t issued_s;
    uint64_t records, used, units, steps; /* in the manifest; of them with a unit; units; steps */
    uint64_t moved; /* of the used ones, those that a layer learned from: mask and clip above 0 */
    uint64_t withdrawn;                     /* records that the run knew as withdrawn */
    uint64_t units_rejected, units_trained; /* of those: for it, and in spite of it */
    const char *signer_vendor, *signer;     /* of the trust store; NULL: not checked */
    uint32_t withdrawals;                   /* statements that the run knew */
} plumb_receipt_info;
PLUMB_API void plumb_receipt_describe(const plumb_receipt *receipt, plumb_receipt_info *info);
/* The exact bytes of the signed payload (JSON, NUL ended). Borrowed. */
PLUMB_API const char *plumb_receipt_statement(const plumb_receipt *receipt, size_t *n);

/* Whether the receipt is about this very manifest: statement, records file, withdrawals. A mismatch
 * says what differs. *later (may be NULL): how many of the manifest's withdrawals the run did not
 * know. */
PLUMB_API plumb_status plumb_receipt_covers(const plumb_receipt *receipt, const plumb_manifest *m,
                                            uint32_t *later, plumb_error *err) PLUMB_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
