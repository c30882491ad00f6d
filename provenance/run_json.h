/* run.json, leaf 0 of a run: what it is and under which rules it ran. The runtime writes it once,
 * canonical JSON (plumb__json_dump); readers take it strictly. Fields (docs/formats/bundle.md):
 *
 *   plumb_run     1
 *   run_id        32 lower-case hex digits
 *   started       "2026-11-22T07:39:00Z", the operator's clock
 *   run_key       PEM of the first run key
 *   seed          decimal text (64 bits do not fit a JSON integer everywhere)
 *   horizon, max_units, max_rows   integers
 *   device        "cpu" or "cuda"
 *   depth_axis    "index"
 *   layers        [{name, kind, depth, rows, cols, params, weight, use, n_uses}], one per use, uses
 *                 of a weight in a row, weights numbered from 0
 *   manifest      {vendor, dataset, version, records, root, statement, envelope, lines,
 *                 withdrawals}: root of the record tree; BLAKE2b-256 of the signed payload, of
 *                 manifest.plumb.json, of records.jsonl, of the last withdrawal's payload (absent
 *                 where nothing was withdrawn)
 *   policy        BLAKE2b-256 of evidence/policy.json
 *   trust         {digest, root, version}: BLAKE2b-256 of evidence/trust.json, root fingerprint,
 *                 version
 *   environment   object: versions, cpu, threads
 *   trainer       object: what the trainer says of itself (argv, settings)
 */
#ifndef PLUMB_PROVENANCE_RUN_JSON_H
#define PLUMB_PROVENANCE_RUN_JSON_H

#include "provenance/bundle.h"

#define PLUMB__MAX_RUN_JSON_BYTES ((size_t)64 << 20)

typedef struct plumb__run_json {
    char run_id[33];
    int64_t started_s;
    plumb_public_key run_key;
    char seed[24];
    uint64_t horizon;
    plumb__layer_row *layers;
    size_t n_layers;
    uint32_t n_weights;
    char vendor[256], dataset[256];
    uint64_t manifest_version, records;
    plumb__hash manifest_statement, manifest_envelope, manifest_lines, manifest_root;
    bool has_withdrawals;
    plumb__hash manifest_withdrawals; /* the last withdrawal statement when it started */
    plumb__hash policy, trust;
} plumb__run_json;

/* Strict. `what` opens the messages. */
plumb_status plumb__run_json_parse(const char *what, const void *data, size_t n,
                                   plumb__run_json *out, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__run_json_free(plumb__run_json *run);

#endif
