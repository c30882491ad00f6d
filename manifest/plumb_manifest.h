/* Signed annotation manifests: NAME.jsonl (records), NAME.plumb.json (DSSE envelope over an in-toto
 * Statement), NAME.checkpoint (C2SP signed checkpoint over the record tree).
 * Format: docs/formats/manifest.md. An open plumb_manifest never changes: any thread may read. */
#ifndef PLUMB_MANIFEST_H
#define PLUMB_MANIFEST_H

#include "manifest/plumb_trust.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct plumb_manifest plumb_manifest;

typedef struct plumb_manifest_options {
    uint32_t size, version;
    int64_t at_s;         /* judge expiry at this time; 0 = now */
    bool allow_expired;   /* policy `expired: accept`: opens, and plumb_manifest_expired says so */
    const char *audience; /* the policy's audience; NULL: none */
    const char
        *policy_path; /* its rules "expired" and "audience" take the place of the two above */
    const char *records_path;     /* NULL: the .jsonl beside the envelope */
    const char *private_path;     /* NULL: the .private.jsonl beside it if there is one */
    const char *withdrawals_path; /* NULL: the .withdrawals beside it if there is one; "": none */
    bool untrusted; /* only with trust NULL: everything but who signed is checked, and the
                       checkpoint is left aside */
} plumb_manifest_options;

PLUMB_API void plumb_manifest_options_default(plumb_manifest_options *options);

/* Verifies everything (signatures at threshold, digests, tree, expiry, audience), then parses the
 * verified bytes. Nothing of the records is used before all checks hold. `path` is NAME.plumb.json.
 * Messages name the failed check with the line or offset. options may be NULL. */
PLUMB_API plumb_status plumb_manifest_open(const char *path, const plumb_trust *trust,
                                           const plumb_manifest_options *options,
                                           plumb_manifest **manifest,
                                           plumb_error *err) PLUMB_MUST_CHECK;
PLUMB_API void plumb_manifest_free(plumb_manifest *manifest);

typedef struct plumb_manifest_info {
    uint32_t size, version;
    const char *vendor, *dataset; /* borrowed from the manifest */
    uint64_t manifest_version;
    uint64_t records;
    int64_t issued_s, expires_s; /* 0: never */
    bool expired;
    const char *root_hex;         /* RFC 6962 root of the record lines */
    const char *statement_digest; /* BLAKE2b-256 of the signed payload, hex */
    const char *envelope_digest;  /* of the whole envelope file */
    const char *records_digest;   /* BLAKE2b-256 of the records file */
    uint64_t table_bytes;         /* memory of the column table */
    const char *audience;         /* of the signed statement; NULL: none */
    uint32_t n_signers;           /* keys that count; 0 when opened untrusted */
    bool checkpoint;              /* there was one, and it holds */
    uint32_t withdrawals;         /* statements in NAME.withdrawals */
    uint64_t withdrawn;           /* records that must not train, by their consent or a statement */
    const char *withdrawals_digest; /* BLAKE2b-256 of the last statement; NULL: there is none */
    int64_t cosigned_s;             /* earliest time by a witness of the trust store; 0: none */
    uint32_t n_witnesses;           /* that count, see plumb_manifest_witness_at */
    uint32_t unchecked_lines;       /* signature lines of the checkpoint by nobody in the store */
} plumb_manifest_info;
PLUMB_API void plumb_manifest_describe(const plumb_manifest *m, plumb_manifest_info *info);

typedef struct plumb_manifest_signer {
    const char *name; /* in the trust store; borrowed from the manifest, as is keyid */
    const char *keyid;
} plumb_manifest_signer;
/* i < n_signers. */
PLUMB_API plumb_manifest_signer plumb_manifest_signer_at(const plumb_manifest *m, uint32_t i);
typedef struct plumb_manifest_witness {
    const char *name; /* "vendor/name" in the trust store; borrowed from the manifest */
    int64_t time_s;   /* seconds since 1970, by the witness's clock */
} plumb_manifest_witness;
/* i < n_witnesses. */
PLUMB_API plumb_manifest_witness plumb_manifest_witness_at(const plumb_manifest *m, uint32_t i);
/* The exact bytes of the signed payload. Borrowed. */
PLUMB_API const char *plumb_manifest_statement(const plumb_manifest *m, size_t *n);

/* The predicateType of the statement in an envelope file, for choosing who reads it; nothing is
 * checked but form. Cut to size bytes with the NUL. */
PLUMB_API plumb_status plumb_statement_type(const char *path, char *type, size_t size,
                                            plumb_error *err) PLUMB_MUST_CHECK;

#define PLUMB_NO_RECORD UINT32_MAX

/* Record number of an id, or PLUMB_NO_RECORD. */
PLUMB_API uint32_t plumb_manifest_find(const plumb_manifest *m, const char *id);

/* One record, by number. Strings are borrowed; NULL where the record has none. */
typedef struct plumb_record {
    uint32_t size, version;
    const char *id, *text, *label, *rubric, *domain, *batch, *cohort, *source, *template_name,
        *parent, *licence, *marking, *profile; /* profile: resolved depth profile, canonical text */
    const char *const *annotators;
    uint32_t n_annotators;
    uint32_t n_segments; /* 0: the record is not divided */
    double quality;      /* NaN: not stated */
    double weight; /* of its loss: 1 unless stated, times its share among the components of its
                      parent */
    double step_budget_nats, run_budget_nats; /* NaN: not stated anywhere in the manifest */
    bool has_digest;
    uint8_t sha256[32];
    uint64_t content_bytes;
    uint32_t profile_number; /* into the manifest's distinct profiles, see below */
    const char *component;   /* which part of its parent's template the record is */
    const char *consent;     /* basis on which it was given; NULL: not stated */
    bool withdrawn;          /* consent was withdrawn: the record must not train */
    int64_t withdrawn_s;     /* since when; 0 unless withdrawn */
} plumb_record;
PLUMB_API void plumb_record_default(plumb_record *record);
PLUMB_API plumb_status plumb_manifest_record(const plumb_manifest *m, uint32_t number,
                                             plumb_record *out, plumb_error *err) PLUMB_MUST_CHECK;
/* The exact line of the record, without its LF (*n bytes and a NUL); free with plumb_text_free. */
PLUMB_API plumb_status plumb_manifest_line(const plumb_manifest *m, uint32_t number, char **line,
                                           size_t *n, plumb_error *err) PLUMB_MUST_CHECK;
/* Mask of a record's profile at a depth for a layer of this name, before max_mask; segment -1 for
 * the whole record. The largest one, where it depends on entropy or progress. */
PLUMB_API double plumb_manifest_mask(const plumb_manifest *m, uint32_t number, int32_t segment,
                                     double depth, const char *layer);

/* Distinct depth profiles, so that masks are computed once for each and not once for each record.
 * Numbers run from 0 to count - 1; text is canonical JSON, borrowed. */
PLUMB_API uint32_t plumb_manifest_profile_count(const plumb_manifest *m);
PLUMB_API const char *plumb_manifest_profile_text(const plumb_manifest *m, uint32_t profile);
/* The largest mask of any band and any progress. */
PLUMB_API double plumb_manifest_profile_mask(const plumb_manifest *m, uint32_t profile,
                                             double depth, const char *layer);

/* Band of a unit's mean predictive entropy, by the policy's thresholds. */
typedef enum plumb_band {
    PLUMB_BAND_NONE = 0, /* not known: masks are the largest of the three */
    PLUMB_BAND_LOW = 1,
    PLUMB_BAND_MID = 2,
    PLUMB_BAND_HIGH = 3
} plumb_band;
typedef enum plumb_profile_flags {
    PLUMB_PROFILE_BY_ENTROPY = 1, /* depends on the band */
    PLUMB_PROFILE_SCHEDULED = 2   /* depends on the progress */
} plumb_profile_flags;
/* What a profile depends on besides depth and layer: plumb_profile_flags. */
PLUMB_API unsigned plumb_manifest_profile_varies(const plumb_manifest *m, uint32_t profile);
/* progress: steps done over the horizon, 0 to 1; NaN: the largest mask over the run. */
PLUMB_API double plumb_manifest_profile_mask_at(const plumb_manifest *m, uint32_t profile,
                                                plumb_band band, double progress, double depth,
                                                const char *layer);

typedef enum plumb_segment_kind {
    PLUMB_SEGMENT_BYTES = 0,   /* content bytes [from, to) */
    PLUMB_SEGMENT_MESSAGE = 1, /* message number `from`, from 0; to = from + 1 */
    PLUMB_SEGMENT_PART = 2     /* `from` is a plumb_part; to = from + 1 */
} plumb_segment_kind;
typedef enum plumb_part {
    PLUMB_PART_PROMPT = 0,
    PLUMB_PART_CHOSEN = 1,
    PLUMB_PART_REJECTED = 2
} plumb_part;

/* A part of a record with terms of its own. The loss of a unit that is a segment has the weight
 * record weight x segment weight. Strings and lists are borrowed. */
typedef struct plumb_segment {
    uint64_t from, to;
    uint32_t kind;                 /* plumb_segment_kind */
    uint32_t profile;              /* into the manifest's distinct profiles */
    double weight;                 /* after recombination by the record's template; 1 without one */
    const char *component;         /* of the template; NULL: none */
    const char *const *annotators; /* its own, else the record's */
    uint32_t n_annotators;
} plumb_segment;
/* The record's segments, those of one kind ascending and without overlap; borrowed, NULL when there
 * are none. */
PLUMB_API const plumb_segment *plumb_manifest_segments(const plumb_manifest *m, uint32_t number,
                                                       uint32_t *n);

/* Where a record's terms come from: "record", "component", "template", "rubric", "domain",
 * "defaults", "built in" (static), or NULL where nothing states it. depth_name is the name that was
 * given, or "(inline)". */
typedef struct plumb_explanation {
    uint32_t size, version;
    char depth_name[256];
    const char *depth_from, *step_budget_from, *run_budget_from, *weight_from;
} plumb_explanation;
PLUMB_API plumb_status plumb_manifest_explain(const plumb_manifest *m, uint32_t number,
                                              plumb_explanation *out,
                                              plumb_error *err) PLUMB_MUST_CHECK;
/* The same in full, as a JSON object (docs/formats/manifest.md section 3, "Explanation"): for each
 * term every place that states it, which of them holds and by which rule; segments; recombination
 * and siblings. Free with plumb_text_free. */
PLUMB_API plumb_status plumb_manifest_explain_json(const plumb_manifest *m, uint32_t number,
                                                   char **text, plumb_error *err) PLUMB_MUST_CHECK;

/* ---- signing --------------------------------------------------------------------------------- */

typedef struct plumb_sign_options {
    uint32_t size, version;
    const char *vendor, *dataset;
    uint64_t manifest_version;
    const char *taxonomy_path; /* optional JSON: rubrics, profiles, domains, defaults */
    int64_t issued_s;          /* 0 = now */
    int64_t expires_s;         /* 0 = never */
    const char *audience;
    bool without_taxonomy; /* on purpose, though the version before has one */
    /* NULL, or set to whether records name rubrics, domains or templates without a taxonomy in
     * which the names would have an effect. */
    bool *idle_names;
} plumb_sign_options;
PLUMB_API void plumb_sign_options_default(plumb_sign_options *options);
/* Checks every record (line, field, what was expected), then writes NAME.plumb.json and
 * NAME.checkpoint beside NAME.jsonl. An existing envelope gets this signature added when the
 * statement is the same, else it is replaced only if the version rises. */
PLUMB_API plumb_status plumb_manifest_sign(const char *records_path, const plumb_secret_key *key,
                                           const plumb_sign_options *options,
                                           plumb_error *err) PLUMB_MUST_CHECK;

/* The same with a key that is kept elsewhere, in two steps. First all of it up to the signature:
 * writes NAME.plumb.payload (the statement), NAME.plumb.pae (the bytes to sign for the envelope)
 * and NAME.checkpoint.body (the bytes to sign for the checkpoint) into `dir` (NULL: beside the
 * records file). `signer` (may be NULL): refused when this key has signed already. */
PLUMB_API plumb_status plumb_manifest_payload(const char *records_path,
                                              const plumb_public_key *signer,
                                              const plumb_sign_options *options, const char *dir,
                                              plumb_error *err) PLUMB_MUST_CHECK;

typedef struct plumb_attachment {
    uint32_t size, version;
    const char *payload_path; /* NAME.plumb.payload */
    plumb_public_key key;
    const char *signature_path;            /* 64 raw bytes over NAME.plumb.pae */
    const char *checkpoint_signature_path; /* over NAME.checkpoint.body; NULL: none */
} plumb_attachment;
PLUMB_API void plumb_attachment_default(plumb_attachment *attachment);
/* Then: checks the signatures, that the payload follows what is there, and every record against it;
 * writes or extends NAME.plumb.json and NAME.checkpoint as plumb_manifest_sign does. */
PLUMB_API plumb_status plumb_manifest_attach(const char *records_path,
                                             const plumb_attachment *attachment,
                                             plumb_error *err) PLUMB_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
