/* The signed payload of a manifest: an in-toto Statement v1 whose subject is the records file. */
#ifndef PLUMB_MANIFEST_STATEMENT_H
#define PLUMB_MANIFEST_STATEMENT_H

#include "base/hash.h"
#include "base/json.h"

#define PLUMB__STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define PLUMB__PREDICATE_MANIFEST "urn:plumbline:statement:manifest:v1"
#define PLUMB__TREE_NAME "rfc6962-sha256"
#define PLUMB__ORIGIN_BYTES 256

/* What a records file is known by. */
typedef struct plumb__records_identity {
    uint64_t bytes, count;
    plumb__hash sha256, blake2b, root;
} plumb__records_identity;

/* Strings are borrowed from root; the taxonomy too. Times in seconds since 1970, 0: none. */
typedef struct plumb__statement {
    json_t *root;
    const char *subject, *vendor, *dataset, *audience;
    uint64_t version;
    int64_t issued_s, expires_s;
    plumb__records_identity records;
    const json_t *taxonomy;      /* NULL: none */
    uint64_t supersedes_version; /* 0: nothing */
    plumb__hash supersedes_root;
} plumb__statement;

/* Strict. Wrong _type or predicateType: messages name what it is instead. */
plumb_status plumb__statement_parse(const char *what, const void *data, size_t n,
                                    plumb__statement *out, plumb_error *err) PLUMB_MUST_CHECK;
/* The canonical bytes to sign; `root` is not used. */
plumb_status plumb__statement_dump(const plumb__statement *statement, plumb__bytes *out,
                                   plumb_error *err) PLUMB_MUST_CHECK;
void plumb__statement_free(plumb__statement *statement);
/* "vendor/dataset/vN": the origin of the checkpoint. */
void plumb__statement_origin(const plumb__statement *statement, char out[PLUMB__ORIGIN_BYTES]);

#endif
