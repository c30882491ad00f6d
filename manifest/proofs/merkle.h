/* RFC 6962 Merkle tree over SHA-256: leaf SHA-256(0x00 | data), node SHA-256(0x01 | left | right).
 * For manifest records (data: the line) and for run leaves (data: a BLAKE2b-256 digest). */
#ifndef PLUMB_MANIFEST_MERKLE_H
#define PLUMB_MANIFEST_MERKLE_H

#include "base/hash.h"

plumb__hash plumb__merkle_leaf(const void *data, size_t n);
plumb__hash plumb__merkle_node(const plumb__hash *left, const plumb__hash *right);
plumb__hash plumb__merkle_empty(void); /* SHA-256 of nothing */

/* Incremental tree: O(log n) state, root at any time. */
typedef struct plumb__merkle {
    uint64_t count;
    plumb__hash stack[64]; /* roots of the complete subtrees, largest first */
} plumb__merkle;
void plumb__merkle_init(plumb__merkle *tree);
void plumb__merkle_add(plumb__merkle *tree, const plumb__hash *leaf_hash);
plumb__hash plumb__merkle_root(const plumb__merkle *tree);
/* The root of a tree whose last branch is `last`: of at most as many leaves as each subtree that
 * was added stands for. The tree itself stays. */
plumb__hash plumb__merkle_root_with(const plumb__merkle *tree, const plumb__hash *last);

/* Over an array of leaf hashes: root of the first n, inclusion path of leaf i (RFC 6962 2.1.1), its
 * check. `path` holds at most 64 hashes. */
plumb__hash plumb__merkle_root_of(const plumb__hash *leaves, uint64_t n);
size_t plumb__merkle_path(const plumb__hash *leaves, uint64_t n, uint64_t i, plumb__hash *path);
bool plumb__merkle_check(const plumb__hash *leaf, uint64_t i, uint64_t n, const plumb__hash *path,
                         size_t path_length, const plumb__hash *root);

#endif
