/* The statement of a receipt, between its maker (provenance/receipt_make.c) and its reader.
 *
 * Invariants:
 *  Q1  units of each decision, and of the groups of each field, add up to the total; records of the
 *      groups of a field to `used`;
 *  Q2  a group that is named has at least min_group records; the merged one has no name;
 *  Q3  the payload is canonical JSON: it comes out the same when it is written again. */
#ifndef PLUMB_MANIFEST_RECEIPT_H
#define PLUMB_MANIFEST_RECEIPT_H

#include "base/hash.h"
#include "base/json.h"
#include "manifest/plumb_receipt.h"
#include "manifest/signing/dsse.h"

#define PLUMB__PREDICATE_RECEIPT "urn:plumbline:statement:receipt:v1"
#define PLUMB__RECEIPT_CAP ((size_t)64 << 20)
#define PLUMB__RECEIPT_MAX_GROUPS 100000u
#define PLUMB__RECEIPT_BANDS 4
#define PLUMB__RECEIPT_REASONS 10 /* of plumb_reason, runtime/plumb.h */
#define PLUMB__RECEIPT_AHEAD_S 86400

/* "none", "weight", …; NULL beyond the last. */
const char *plumb__receipt_reason(uint32_t reason);
/* "admitted", "modulated", "rejected"; NULL beyond. */
const char *plumb__receipt_decision(uint32_t decision);
/* The fields that groups are made by, in the statement's words: rubric, batch, cohort; NULL ends.
 */
extern const char *const plumb__receipt_fields[];

struct plumb_receipt {
    plumb__bytes payload;
    json_t *root;
    const json_t *predicate;
    plumb__hash statement, sha256, blake2b, tree_root, last_withdrawal;
    plumb_receipt_info info;
    char *signer_vendor, *signer;
};

/* Fields, sums, canonical form; signatures are the caller's. Fills a zeroed receipt. */
plumb_status plumb__receipt_parse(const char *what, const void *data, size_t n, plumb_receipt *out,
                                  plumb_error *err) PLUMB_MUST_CHECK;

#endif
