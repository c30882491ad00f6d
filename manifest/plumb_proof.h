/* Proofs about single records: a C2SP tlog-proof against the manifest's own checkpoint, made from a
 * tile store beside the manifest without reading the records file whole, and checked by itself.
 * Format: docs/formats/proofs.md. */
#ifndef PLUMB_PROOF_H
#define PLUMB_PROOF_H

#include "manifest/plumb_manifest.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- making ---------------------------------------------------------------------------------- */

/* A manifest from which proofs are made. One thread at a time. */
typedef struct plumb_prover plumb_prover;

typedef struct plumb_prover_options {
    uint32_t size, version;
    const plumb_trust *trust; /* NULL: the signers are not checked */
    int64_t at_s;             /* judge keys at this time; 0 = now */
    const char *records_path; /* NULL: the .jsonl beside the envelope */
    const char *tiles_path;   /* NULL: the .tiles beside it */
    bool without_record;      /* the proof does not carry the record's line */
    bool rebuild;             /* make the tile store anew even where one is there */
} plumb_prover_options;
PLUMB_API void plumb_prover_options_default(plumb_prover_options *options);

/* Checks envelope, signers and checkpoint of NAME.plumb.json, and opens its tile store; one that is
 * missing, damaged or of other records is made first, in one pass over the records file. options
 * may be NULL. */
PLUMB_API plumb_status plumb_prover_open(const char *path, const plumb_prover_options *options,
                                         plumb_prover **prover, plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_prover_free(plumb_prover *prover);
/* Number of records; and why the tile store had to be made, "" when it was there. Borrowed. */
/* The manifest as far as a prover opens one: its statement, for plumb_manifest_describe and the
 * state directory; no records and no withdrawals. Borrowed. */
PLUMB_API const plumb_manifest *plumb_prover_manifest(const plumb_prover *prover);
/* The line of a record by its number, NUL ended; free with plumb_text_free. */
PLUMB_API plumb_status plumb_prover_line(const plumb_prover *prover, uint64_t index, char **line,
                                         size_t *n, plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API uint64_t plumb_prover_records(const plumb_prover *prover);
PLUMB_API const char *plumb_prover_tiles_made(const plumb_prover *prover);
/* The proof of the record of this id, n bytes and a NUL; free with plumb_text_free. *text is NULL
 * when there is no such record. *index (may be NULL) counts from 0. What is returned holds. */
PLUMB_API plumb_status plumb_prover_prove(plumb_prover *prover, const char *id, char **text,
                                          size_t *n, uint64_t *index,
                                          plumb_error *err) PLUMB_MUST_CHECK;

/* ---- checking -------------------------------------------------------------------------------- */

/* A proof, or a checkpoint by itself, that holds. Never changes: any thread may read. */
typedef struct plumb_proof plumb_proof;

typedef struct plumb_proof_options {
    uint32_t size, version;
    const plumb_trust *trust; /* NULL: who signed is not checked */
    int64_t at_s;             /* 0 = now */
    const char *record_path;  /* the line the proof is about; NULL: the one that it carries */
} plumb_proof_options;
PLUMB_API void plumb_proof_options_default(plumb_proof_options *options);

/* Errors: format, trust and signature, and digest where the line is not in the tree. */
PLUMB_API plumb_status plumb_proof_open(const char *path, const plumb_proof_options *options,
                                        plumb_proof **proof, plumb_error *err) PLUMB_MUST_CHECK;
/* NAME.checkpoint without its manifest: form and signatures. record_path is not used. */
PLUMB_API plumb_status plumb_checkpoint_open(const char *path, const plumb_proof_options *options,
                                             plumb_proof **proof,
                                             plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_proof_free(plumb_proof *proof);

typedef struct plumb_proof_info {
    uint32_t size, version;
    const char *origin;        /* "vendor/dataset/vN"; borrowed from the proof, as all below */
    const char *root_hex;      /* of the tree */
    const char *statement_hex; /* SHA-256 of the manifest's signed payload; "" when not named */
    uint64_t records, index;   /* index counts from 0; 0 for a checkpoint */
    const char *line;          /* the record, NUL ended; NULL for a checkpoint */
    size_t line_bytes;
    uint32_t n_signers, n_witnesses; /* that count; 0 without a trust store */
    uint32_t unchecked_lines;        /* signatures by nobody in the store */
    int64_t cosigned_s;              /* 0: by no witness of the store */
} plumb_proof_info;
PLUMB_API void plumb_proof_describe(const plumb_proof *proof, plumb_proof_info *info);
/* Name in the trust store; i < n_signers. */
PLUMB_API const char *plumb_proof_signer_at(const plumb_proof *proof, uint32_t i);
/* i < n_witnesses. */
PLUMB_API plumb_manifest_witness plumb_proof_witness_at(const plumb_proof *proof, uint32_t i);

/* ---- witnessing ------------------------------------------------------------------------------ */

#define PLUMB_WITNESS_NAME_BYTES 256

typedef struct plumb_witness_options {
    uint32_t size, version;
    const plumb_trust *trust; /* must be there: what is cosigned is verified first */
    const char *name;         /* "VENDOR/NAME"; NULL: as the store lists the key */
    const char *state_dir;    /* NULL: as plumb_state_open */
    const char *audience, *records_path;
    int64_t time_s; /* 0 = now */
} plumb_witness_options;
PLUMB_API void plumb_witness_options_default(plumb_witness_options *options);

typedef struct plumb_witness_info {
    char origin[512], name[PLUMB_WITNESS_NAME_BYTES];
    uint64_t records;
    int64_t time_s; /* of the cosignature */
    bool again;     /* it was made before and put back */
    bool in_store;  /* the trust store lists this key under this name as witness */
} plumb_witness_info;
/* Verifies the manifest whole and adds a cosignature (C2SP tlog-cosignature) to NAME.checkpoint.
 * Refuses (mismatch) another size, tree or statement than this witness has cosigned under the same
 * origin, which it remembers in the state directory before the cosignature is written. */
PLUMB_API plumb_status plumb_witness_manifest(const char *path, const plumb_secret_key *key,
                                              const plumb_witness_options *options,
                                              plumb_witness_info *info,
                                              plumb_error *err) PLUMB_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
