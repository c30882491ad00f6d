/* Taking records back: NAME.withdrawals, a chain of statements by the vendor beside
 * NAME.plumb.json. A manifest that is opened reads and checks it; plumb_record.withdrawn says what
 * it withdraws. Format: docs/formats/withdrawal.md. */
#ifndef PLUMB_WITHDRAWAL_H
#define PLUMB_WITHDRAWAL_H

#include "manifest/plumb_manifest.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum plumb_withdrawal_reason {
    PLUMB_WITHDRAWN_CONSENT = 0,
    PLUMB_WITHDRAWN_ERROR = 1,
    PLUMB_WITHDRAWN_LICENCE = 2,
    PLUMB_WITHDRAWN_OTHER = 3
} plumb_withdrawal_reason;

PLUMB_API const char *plumb_withdrawal_reason_name(plumb_withdrawal_reason reason); /* static */
PLUMB_API bool plumb_withdrawal_reason_parse(const char *name, plumb_withdrawal_reason *reason);

/* One statement of the chain. */
typedef struct plumb_withdrawal {
    uint32_t size, version;
    uint64_t sequence; /* from 1, without a gap */
    int64_t issued_s;
    plumb_withdrawal_reason reason;
    const char *note;        /* NULL: none; borrowed from the manifest */
    const uint32_t *records; /* their numbers, ascending; borrowed */
    uint32_t n_records;
    uint8_t digest[32]; /* BLAKE2b-256 of the signed payload: what the next one names */
} plumb_withdrawal;
PLUMB_API void plumb_withdrawal_default(plumb_withdrawal *withdrawal);

PLUMB_API uint32_t plumb_manifest_withdrawal_count(const plumb_manifest *m);
/* i < count. */
PLUMB_API plumb_status plumb_manifest_withdrawal_at(const plumb_manifest *m, uint32_t i,
                                                    plumb_withdrawal *out,
                                                    plumb_error *err) PLUMB_MUST_CHECK;

typedef struct plumb_withdraw_options {
    uint32_t size, version;
    const char *const *ids; /* what to withdraw; one named twice counts once */
    size_t n_ids;
    plumb_withdrawal_reason reason;
    const char *note; /* up to 1024 bytes without control characters; NULL: none */
    int64_t issued_s; /* 0 = now */
} plumb_withdraw_options;
PLUMB_API void plumb_withdraw_options_default(plumb_withdraw_options *options);

/* Appends one statement to the NAME.withdrawals beside `path` (NAME.plumb.json), signed with `key`.
 * The manifest and what was withdrawn before are checked first, not who signed them. *sequence (may
 * be NULL) gets its number.
 *
 * These three write nothing under a key that customers would refuse (trust, expired): with a store
 * it must count for the vendor as quality-attestation, now and as of the statement; with trust NULL
 * it must be one of those that signed NAME.plumb.json. */
PLUMB_API plumb_status plumb_manifest_withdraw(const char *path, const plumb_secret_key *key,
                                               const plumb_trust *trust,
                                               const plumb_withdraw_options *options,
                                               uint64_t *sequence,
                                               plumb_error *err) PLUMB_MUST_CHECK;
/* Puts this key's signature under every statement of the file that lacks it: for a threshold above
 * 1, or in place of a key that was compromised. *added (may be NULL): how many. */
PLUMB_API plumb_status plumb_manifest_withdraw_cosign(const char *path, const plumb_secret_key *key,
                                                      const plumb_trust *trust, uint32_t *added,
                                                      plumb_error *err) PLUMB_MUST_CHECK;
/* How many signatures the statement that lacks most still lacks under this store; 0: the chain
 * counts. */
PLUMB_API plumb_status plumb_manifest_withdraw_missing(const char *path, const plumb_trust *trust,
                                                       uint32_t *missing,
                                                       plumb_error *err) PLUMB_MUST_CHECK;

/* With a key kept elsewhere: writes the payload to payload_path and what is to be signed, with pure
 * Ed25519, to payload_path.pae. */
PLUMB_API plumb_status plumb_manifest_withdraw_payload(const char *path,
                                                       const plumb_withdraw_options *options,
                                                       const char *payload_path,
                                                       plumb_error *err) PLUMB_MUST_CHECK;
/* Appends that payload with the signature (64 raw bytes in a file); one that is there already gets
 * the signature added. */
PLUMB_API plumb_status plumb_manifest_withdraw_attach(const char *path, const char *payload_path,
                                                      const plumb_public_key *key,
                                                      const plumb_trust *trust,
                                                      const char *signature_path,
                                                      plumb_error *err) PLUMB_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
