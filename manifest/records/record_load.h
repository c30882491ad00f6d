/* Reads a records file once: hashes its bytes, its lines and their tree, and makes the table, at
 * the same time and in constant memory besides the table. */
#ifndef PLUMB_MANIFEST_RECORD_LOAD_H
#define PLUMB_MANIFEST_RECORD_LOAD_H

#include "manifest/records/private.h"
#include "manifest/records/record_batch.h"
#include "manifest/records/records.h"
#include "manifest/signing/statement.h"

/* Every 256 lines: where they begin, and the root of the complete subtree over their leaves (of the
 * last ones: of the tree over as many as there are). */
#define PLUMB__GROUP_LINES 256

typedef struct plumb__line_index {
    uint64_t lines;
    plumb__hash *roots;
    uint64_t *starts; /* groups + 1 */
    size_t groups, roots_capacity, starts_capacity;
} plumb__line_index;

/* Leaf hashes in their order, as they come. */
typedef plumb_status plumb__leaves_fn(void *ctx, const plumb__hash *leaves, size_t n,
                                      plumb_error *err);

typedef struct plumb__load {
    plumb__line_source *source;
    const plumb__records_identity *expected; /* what was signed; NULL: not known yet */
    const plumb__private *private_file;      /* NULL: none */
    plumb__taxonomy *taxonomy;
    plumb__leaves_fn *leaves; /* may be NULL */
    void *leaves_ctx;
    /* Results. */
    plumb__table *table;
    plumb__line_index *index;
    plumb__records_identity found;
} plumb__load;

/* The result does not depend on the number of threads. A file that is not `expected` is called so,
 * whatever its lines say. On failure table and index are empty. */
plumb_status plumb__records_load(plumb__load *load, plumb_error *err) PLUMB_MUST_CHECK;
void plumb__line_index_free(plumb__line_index *index);
uint64_t plumb__line_index_memory(const plumb__line_index *index);

#endif
