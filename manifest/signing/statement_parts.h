/* What all kinds of signed statements have in common when they are read: digests, the in-toto type
 * around them, the subject, the canonical form. `what` opens the messages. */
#ifndef PLUMB_MANIFEST_STATEMENT_PARTS_H
#define PLUMB_MANIFEST_STATEMENT_PARTS_H

#include "base/hash.h"
#include "base/json.h"

/* A required field of 64 lower-case hex digits. */
plumb_status plumb__statement_hash(const char *what, const json_t *obj, const char *name,
                                   plumb__hash *out, plumb_error *err) PLUMB_MUST_CHECK;
/* An in-toto Statement v1 of this predicate type and no other fields; `kind` is e.g. "a manifest".
 */
plumb_status plumb__statement_check_type(const char *what, const json_t *root,
                                         const char *predicate_type, const char *kind,
                                         plumb_error *err) PLUMB_MUST_CHECK;

/* Exactly one subject, a records file; its name is borrowed from root. */
typedef struct plumb__statement_subject {
    const char *name;
    plumb__hash sha256, blake2b;
} plumb__statement_subject;
plumb_status plumb__statement_read_subject(const char *what, const json_t *root,
                                           plumb__statement_subject *out,
                                           plumb_error *err) PLUMB_MUST_CHECK;

/* Whether these bytes are the canonical form of what they say: two encodings of one statement would
 * have two digests. */
plumb_status plumb__statement_check_canonical(const char *what, const json_t *root,
                                              const void *data, size_t n,
                                              plumb_error *err) PLUMB_MUST_CHECK;

#endif
