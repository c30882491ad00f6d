/* NAME.withdrawals in memory: the chain of withdrawal statements of one manifest.
 *
 * Invariants:
 *  C1  statement i has sequence i + 1 and names the digest of the one before it;
 *  C2  every statement is of this very manifest: vendor, dataset, version, root, digests;
 *  C3  a record is withdrawn by one statement at most, under its number and its leaf;
 *  C4  with a trust store, nothing of a statement is used before the vendor's keys have signed it
 * at their threshold. */
#ifndef PLUMB_MANIFEST_WITHDRAWAL_H
#define PLUMB_MANIFEST_WITHDRAWAL_H

#include "base/hash.h"
#include "base/json.h"
#include "manifest/plumb_withdrawal.h"
#include "manifest/signing/dsse.h"

#define PLUMB__PREDICATE_WITHDRAWAL "urn:plumbline:statement:withdrawal:v1"
#define PLUMB__WITHDRAWALS_SUFFIX ".withdrawals"
#define PLUMB__WITHDRAWALS_CAP ((size_t)256 << 20) /* of the file */
#define PLUMB__WITHDRAWALS_MAX 65536u              /* statements */
#define PLUMB__WITHDRAWAL_MAX_RECORDS 100000u      /* of one statement */
#define PLUMB__WITHDRAWAL_NOTE_BYTES 1024
/* How far a vendor's clock may be ahead of the one that judges. */
#define PLUMB__WITHDRAWAL_AHEAD_S 86400

typedef struct plumb__withdrawal {
    uint64_t sequence;
    int64_t issued_s;
    plumb_withdrawal_reason reason;
    char *note; /* NULL: none */
    plumb__hash digest;
    size_t first; /* into the records of the chain */
    uint32_t n;
} plumb__withdrawal;

typedef struct plumb__withdrawals {
    plumb__bytes file; /* as it was read */
    plumb__withdrawal *list;
    size_t n, capacity;
    uint32_t *records;
    size_t n_records, records_capacity;
    uint8_t *named;     /* [records of the manifest] while reading: C3 */
    uint64_t withdrawn; /* records that are, by a statement or by their own consent */
    char last_hex[PLUMB__HASH_HEX_BYTES]; /* digest of the last statement; "" without one */
} plumb__withdrawals;

/* Reads NAME.withdrawals where there is one, checks it and marks the records in m's table. The
 * manifest is open but for this. */
plumb_status plumb__withdrawals_open(const char *envelope_path, const plumb_trust *trust,
                                     const plumb_manifest_options *options, int64_t at_s,
                                     plumb_manifest *m, plumb_error *err) PLUMB_MUST_CHECK;
/* Who signed each, once more, under this store. */
plumb_status plumb__withdrawals_judge(const plumb_manifest *m, const char *what,
                                      const plumb_trust *trust, plumb_error *err) PLUMB_MUST_CHECK;
/* How many signatures the line of m's chain that lacks most still lacks under this store. */
uint32_t plumb__withdrawals_missing(const plumb_manifest *m, const plumb_trust *trust);
void plumb__withdrawals_free(plumb__withdrawals *chain);

/* ---- withdrawal_signer.c: who may sign, asked before anything is written ---- */

/* A line that no customer takes makes the whole manifest unreadable. With a store: the key is one
 * that counts now and as of issued_s; without: one of those that signed NAME.plumb.json. */
plumb_status plumb__withdrawal_check_signer(const char *path, const plumb_manifest *m,
                                            const plumb_public_key *key, const plumb_trust *trust,
                                            int64_t issued_s, plumb_error *err) PLUMB_MUST_CHECK;

/* ---- withdrawal_write.c ---- */

/* The vendor's own manifest: its form and digests hold, its signers are not asked after. */
plumb_status plumb__withdrawal_open_own(const char *path, plumb_manifest **m,
                                        plumb_error *err) PLUMB_MUST_CHECK;
/* The payload that follows the chain; *m (where given) is the manifest it was made from. */
plumb_status plumb__withdrawal_prepare(const char *path, const plumb_withdraw_options *options,
                                       plumb__bytes *payload, plumb_manifest **m,
                                       plumb_error *err) PLUMB_MUST_CHECK;
/* NAME.withdrawals becomes this text, as a whole. */
plumb_status plumb__withdrawals_replace(const char *path, const plumb__bytes *text,
                                        plumb_error *err) PLUMB_MUST_CHECK;

/* ---- withdrawal_retire.c: a new version is signed over one that has withdrawals ---- */

/* No line of NAME.jsonl may be one that NAME.withdrawals, of the version before, has withdrawn. */
plumb_status plumb__withdrawals_check_gone(const char *envelope_path,
                                           plumb_error *err) PLUMB_MUST_CHECK;
struct plumb__statement;
/* Puts NAME.withdrawals aside as NAME.vN.withdrawals, N the version that it is of, when that is the
 * one that `now` took the place of. With copy_own another envelope is about to follow `now`,
 * without the records withdrawn: then any older one goes, and that of `now` itself is copied and
 * stays. The new envelope comes between the two calls, so that a crash leaves the old version with
 * its chain, or the new one with a chain that plumb__withdrawals_superseded tells from its own. */
plumb_status plumb__withdrawals_retire(const char *envelope_path,
                                       const struct plumb__statement *now, bool copy_own,
                                       plumb_error *err) PLUMB_MUST_CHECK;
/* Whether this chain is of the very version that `now` took the place of. */
bool plumb__withdrawals_superseded(const char *path, const plumb__bytes *file,
                                   const struct plumb__statement *now);

/* ---- withdrawal_statement.c ---- */

/* One payload of this manifest's chain, which ends at chain->n: adds it. Strict and canonical. */
plumb_status plumb__withdrawal_parse(const char *what, const void *data, size_t n,
                                     const plumb_manifest *m, plumb__withdrawals *chain,
                                     plumb_error *err) PLUMB_MUST_CHECK;
/* The canonical bytes of the statement that follows the chain; numbers ascending. */
plumb_status plumb__withdrawal_dump(const plumb_manifest *m, const uint32_t *numbers, uint32_t n,
                                    const plumb_withdraw_options *options, plumb__bytes *out,
                                    plumb_error *err) PLUMB_MUST_CHECK;

#endif
