/* Run certificates and the signed head (docs/formats/bundle.md sections 5 and 7): made by the
 * writer, read by recovery and by verification. Stateless. */
#ifndef PLUMB_PROVENANCE_CERTIFICATE_H
#define PLUMB_PROVENANCE_CERTIFICATE_H

#include "manifest/proofs/note.h"
#include "manifest/signing/dsse.h"

#define PLUMB__MAX_CERTIFICATES_BYTES ((size_t)16 << 20)
#define PLUMB__MAX_CERTIFICATES 65536u
#define PLUMB__MAX_HEAD_BYTES ((size_t)64 << 10)

/* What one line of `certificates` states. */
typedef struct plumb__certificate {
    char run_id[33];
    plumb_public_key run_key;
    bool has_previous; /* false in the first line */
    uint64_t previous_size;
    plumb__hash previous_root;
    int64_t time_s;
    plumb__hash run_json_blake2b, run_json_sha256;
} plumb__certificate;

/* Appends the envelope, signed by the operator, and its LF. */
plumb_status plumb__certificate_make(const plumb__certificate *certificate,
                                     const plumb_secret_key *operator_key, plumb__bytes *out,
                                     plumb_error *err) PLUMB_MUST_CHECK;
/* Strict: exactly the fields of the specification, in canonical form. The envelope (free it with
 * plumb__dsse_free) is given back so that the caller can judge its signatures: none is checked
 * here. */
plumb_status plumb__certificate_parse(const char *what, const void *line, size_t n,
                                      plumb__dsse *envelope, plumb__certificate *out,
                                      plumb_error *err) PLUMB_MUST_CHECK;
/* All lines of the file; *list is freed with plumb__free. Refuses an empty file, a last line
 * without LF, a first line with a previous head and a later one without, a run id that is not
 * `run_id`. */
plumb_status plumb__certificates_parse(const char *path, const void *data, size_t n,
                                       const char *run_id, plumb__certificate **list, size_t *count,
                                       plumb_error *err) PLUMB_MUST_CHECK;

/* "plumbline/run/RUN_ID": origin and key name of the head. */
void plumb__head_origin(const char *run_id, char out[PLUMB__NOTE_ORIGIN_BYTES]);
plumb_status plumb__head_sign(const char *run_id, uint64_t leaves, const plumb__hash *root,
                              const plumb_secret_key *run_key, plumb__bytes *out,
                              plumb_error *err) PLUMB_MUST_CHECK;
/* The rule of section 7: signed by certificate *signer, and every later one names this head.
 * Errors: signature, format. */
plumb_status plumb__head_verify(const char *path, const void *data, size_t n, const char *run_id,
                                const plumb__certificate *certificates, size_t count,
                                plumb__checkpoint *head, size_t *signer,
                                plumb_error *err) PLUMB_MUST_CHECK;

#endif
