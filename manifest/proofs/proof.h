/* Proofs about one record (C2SP tlog-proof): index, inclusion path and the manifest's checkpoint,
 * with the record's exact line as extra data unless it was left out. Format:
 * docs/formats/proofs.md.
 */
#ifndef PLUMB_MANIFEST_PROOF_H
#define PLUMB_MANIFEST_PROOF_H

#include "manifest/proofs/cosign.h"
#include "manifest/proofs/tiles.h"

#define PLUMB__PROOF_FIRST_LINE "c2sp.org/tlog-proof@v1\n"
#define PLUMB__PROOF_MAX_HASHES 64
/* The longest line in base64, and room for everything else. */
#define PLUMB__PROOF_CAP ((size_t)24 << 20)

typedef struct plumb__proof {
    uint64_t index;
    size_t n_hashes;
    plumb__hash path[PLUMB__PROOF_MAX_HASHES]; /* from the leaf's sibling up */
    bool has_extra;
    plumb__bytes extra;     /* owned; the record's line, if it hashes to the leaf */
    const char *checkpoint; /* borrowed from the proof's bytes */
    size_t checkpoint_size;
    plumb__note note; /* the checkpoint, parsed */
} plumb__proof;

/* Form only, every byte; messages name the line. The data must outlive *out. */
plumb_status plumb__proof_parse(const char *what, const void *data, size_t n, plumb__proof *out,
                                plumb_error *err) PLUMB_MUST_CHECK;
void plumb__proof_free(plumb__proof *proof);
plumb_status plumb__proof_dump(const plumb__proof *proof, plumb__bytes *out,
                               plumb_error *err) PLUMB_MUST_CHECK;

/* The proof that line (n bytes) is record `index`, against the tree of the note. PLUMB_ERR_CORRUPT
 * when the tiles do not lead to the note's root. *out borrows the checkpoint's bytes. */
plumb_status plumb__proof_make(const plumb__tiles *tiles, const void *checkpoint,
                               size_t checkpoint_size, uint64_t index, const void *line, size_t n,
                               plumb__proof *out, plumb_error *err) PLUMB_MUST_CHECK;
/* True if this line is the record that the proof is about; says nothing about who signed. */
bool plumb__proof_includes(const plumb__proof *proof, const void *line, size_t n);

/* Who signed a checkpoint, by the trust store alone: the vendor is the origin's. */
typedef struct plumb__endorsement {
    char vendor[PLUMB__NAME_MAX + 1];
    uint32_t n_signers;
    const char *signers[PLUMB__NOTE_MAX_LINES]; /* names, borrowed from the store */
    plumb__witnesses witnesses;
    uint32_t unchecked_lines;
} plumb__endorsement;

/* Every line by a key that the store knows must hold; as many keys of the vendor as its threshold
 * wants must have signed in the role quality-attestation and be valid at at_s. */
plumb_status plumb__checkpoint_judge(const char *what, const plumb__note *note,
                                     const plumb_trust *trust, int64_t at_s,
                                     plumb__endorsement *out, plumb_error *err) PLUMB_MUST_CHECK;

/* All of it: form, who signed (trust NULL: not checked), inclusion of `line`, or of the extra data
 * where line is NULL. */
plumb_status plumb__proof_check(const char *what, const void *data, size_t n,
                                const plumb_trust *trust, int64_t at_s, const void *line,
                                size_t line_size, plumb__proof *proof, plumb__endorsement *by,
                                plumb_error *err) PLUMB_MUST_CHECK;

#endif
