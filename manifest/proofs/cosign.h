/* Witness cosignatures (C2SP tlog-cosignature v1): "as of this time I have seen this checkpoint,
 * and no other one under its origin". A witness is a key of role `witness` in the trust store, and
 * its note key is named VENDOR/NAME after its entry there. */
#ifndef PLUMB_MANIFEST_COSIGN_H
#define PLUMB_MANIFEST_COSIGN_H

#include "manifest/names.h"
#include "manifest/plumb_trust.h"
#include "manifest/proofs/note.h"

#define PLUMB__COSIGNATURE_BYTES (8 + PLUMB_SIGNATURE_BYTES)
#define PLUMB__WITNESS_NAME_BYTES (2 * PLUMB__NAME_MAX + 2)

typedef struct plumb__witness {
    char name[PLUMB__WITNESS_NAME_BYTES]; /* "vendor/name" */
    int64_t time_s;
} plumb__witness;

typedef struct plumb__witnesses {
    uint32_t n;
    plumb__witness list[PLUMB__NOTE_MAX_LINES];
    int64_t earliest_s;                     /* 0: none */
    bool by_witness[PLUMB__NOTE_MAX_LINES]; /* by line of the note: it counts */
} plumb__witnesses;

/* One cosignature line over the note's text, appended. time_s > 0. */
plumb_status plumb__cosign(const char *name, const plumb_secret_key *key, const void *text,
                           size_t n, int64_t time_s, plumb__bytes *out,
                           plumb_error *err) PLUMB_MUST_CHECK;
/* True if the line is this key's cosignature over the note's text; its time. */
bool plumb__cosignature_holds(const plumb__note *note, const plumb__note_line *line,
                              const plumb_public_key *key, int64_t *time_s);
/* Who has cosigned: each line that names a witness of the store must hold (PLUMB_ERR_SIGNATURE); it
 * counts when the key could act as witness at the time it states, and is not one that signs for
 * `vendor`, whose checkpoint it is. Other lines are left aside. */
plumb_status plumb__witnesses_find(const char *what, const char *vendor, const plumb__note *note,
                                   const plumb_trust *trust, plumb__witnesses *out,
                                   plumb_error *err) PLUMB_MUST_CHECK;

#endif
