/* Reading an inventory: one line of seals.jsonl (docs/formats/bundle.md section 6). */
#ifndef PLUMB_PROVENANCE_INVENTORY_READ_H
#define PLUMB_PROVENANCE_INVENTORY_READ_H

#include "base/hash.h"
#include "base/json.h"

#define PLUMB__MAX_INVENTORY_FILES ((size_t)100000)

typedef enum plumb__bundle_phase { PLUMB__PHASE_OPEN, PLUMB__PHASE_MERGED, PLUMB__PHASE_CLOSED }
    plumb__bundle_phase;

typedef struct plumb__listed_file {
    const char *name; /* borrowed from the inventory */
    uint64_t size_bytes;
    plumb__hash blake2b;
} plumb__listed_file;

typedef struct plumb__inventory {
    json_t *json; /* owns the names */
    uint64_t leaf, seal;
    plumb__bundle_phase phase;
    plumb__listed_file *files; /* by name, each once */
    size_t n_files;
} plumb__inventory;

/* Strict: exactly the fields of the format; names relative, sorted, without "..". */
plumb_status plumb__inventory_parse(const char *what, const void *line, size_t n,
                                    plumb__inventory *out, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__inventory_free(plumb__inventory *inventory);
/* The file of this name, or NULL. */
const plumb__listed_file *plumb__inventory_find(const plumb__inventory *inventory,
                                                const char *name);

#endif
