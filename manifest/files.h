/* The exact bytes that a manifest was verified from; the runtime keeps them as evidence. */
#ifndef PLUMB_MANIFEST_FILES_H
#define PLUMB_MANIFEST_FILES_H

#include "base/bytes.h"
#include "base/hash.h"
#include "manifest/plumb_manifest.h"

typedef enum plumb__manifest_part {
    PLUMB__MANIFEST_ENVELOPE,   /* NAME.plumb.json */
    PLUMB__MANIFEST_CHECKPOINT, /* NAME.checkpoint; may be absent */
    PLUMB__MANIFEST_WITHDRAWALS /* NAME.withdrawals; may be absent */
} plumb__manifest_part;

/* Borrowed from the manifest; NULL (and *size_bytes 0) when there is no such file. */
const void *plumb__manifest_bytes(const plumb_manifest *m, plumb__manifest_part part,
                                  size_t *size_bytes);

/* NAME.jsonl is not kept in memory: its size, and its verified bytes, appended to *out. Errors:
 * PLUMB_ERR_DIGEST when the file is no longer what was verified. */
uint64_t plumb__manifest_records_bytes(const plumb_manifest *m);
plumb_status plumb__manifest_read_records(const plumb_manifest *m, plumb__bytes *out,
                                          plumb_error *err) PLUMB_MUST_CHECK;

/* The leaf hash of a record: of its exact line, in the tree whose root was signed. */
plumb_status plumb__manifest_leaf(const plumb_manifest *m, uint32_t number, plumb__hash *out,
                                  plumb_error *err) PLUMB_MUST_CHECK;

/* Whether those who signed an open manifest may speak for its vendor under this store at this time:
 * a run judges again what its caller opened, and again when it resumes. */
plumb_status plumb__manifest_judge(const plumb_manifest *m, const char *what,
                                   const plumb_trust *trust, int64_t at_s,
                                   plumb_error *err) PLUMB_MUST_CHECK;
/* The audience of a statement must be the policy's; "" or NULL: none. */
plumb_status plumb__audience_check(const char *what, const char *theirs, const char *mine,
                                   plumb_error *err) PLUMB_MUST_CHECK;

#endif
