/* The exact bytes that a manifest was verified from; the runtime keeps them as evidence. */
#ifndef PLUMB_MANIFEST_FILES_H
#define PLUMB_MANIFEST_FILES_H

#include "base/hash.h"
#include "manifest/plumb_manifest.h"

typedef enum plumb__manifest_part {
    PLUMB__MANIFEST_ENVELOPE,   /* NAME.plumb.json */
    PLUMB__MANIFEST_CHECKPOINT, /* NAME.checkpoint; may be absent */
    PLUMB__MANIFEST_RECORDS     /* NAME.jsonl */
} plumb__manifest_part;

/* Borrowed from the manifest; NULL (and *size_bytes 0) when there is no such file. */
const void *plumb__manifest_bytes(const plumb_manifest *m, plumb__manifest_part part,
                                  size_t *size_bytes);

/* The leaf hash of a record: of its exact line, in the tree whose root was signed. */
plumb_status plumb__manifest_leaf(const plumb_manifest *m, uint32_t number, plumb__hash *out,
                                  plumb_error *err) PLUMB_MUST_CHECK;

#endif
