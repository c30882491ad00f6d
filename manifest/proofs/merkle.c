/* RFC 6962 section 2.1; the check of a path follows RFC 9162 section 2.1.3.2. */
#include "manifest/proofs/merkle.h"

plumb__hash plumb__merkle_leaf(const void *data, size_t n)
{
    static const uint8_t prefix = 0x00;
    plumb__hasher h;
    plumb__hash_init(&h, PLUMB__SHA256);
    plumb__hash_update(&h, &prefix, 1);
    plumb__hash_update(&h, data, n);
    return plumb__hash_final(&h);
}

plumb__hash plumb__merkle_node(const plumb__hash *left, const plumb__hash *right)
{
    uint8_t bytes[1 + 2 * PLUMB__HASH_BYTES];
    bytes[0] = 0x01;
    for (size_t i = 0; i < PLUMB__HASH_BYTES; i++) {
        bytes[1 + i] = left->bytes[i];
        bytes[1 + PLUMB__HASH_BYTES + i] = right->bytes[i];
    }
    return plumb__sha256(bytes, sizeof bytes);
}

plumb__hash plumb__merkle_empty(void)
{
    return plumb__sha256("", 0);
}

void plumb__merkle_init(plumb__merkle *tree)
{
    tree->count = 0;
}

static unsigned stack_height(uint64_t count)
{
    return (unsigned)__builtin_popcountll(count);
}

/* Invariant: the stack holds one complete subtree for each bit set in count, largest first. */
void plumb__merkle_add(plumb__merkle *tree, const plumb__hash *leaf_hash)
{
    unsigned top = stack_height(tree->count);
    plumb__hash carry = *leaf_hash;
    for (uint64_t c = tree->count; c & 1; c >>= 1) {
        top--;
        carry = plumb__merkle_node(&tree->stack[top], &carry);
    }
    tree->stack[top] = carry;
    tree->count++;
}

static plumb__hash fold(const plumb__merkle *tree, unsigned top, plumb__hash root)
{
    while (top > 0) {
        top--;
        root = plumb__merkle_node(&tree->stack[top], &root);
    }
    return root;
}

plumb__hash plumb__merkle_root(const plumb__merkle *tree)
{
    const unsigned top = stack_height(tree->count);
    return top == 0 ? plumb__merkle_empty() : fold(tree, top - 1, tree->stack[top - 1]);
}

plumb__hash plumb__merkle_root_with(const plumb__merkle *tree, const plumb__hash *last)
{
    return fold(tree, stack_height(tree->count), *last);
}

plumb__hash plumb__merkle_root_of(const plumb__hash *leaves, uint64_t n)
{
    plumb__merkle tree;
    plumb__merkle_init(&tree);
    for (uint64_t i = 0; i < n; i++) {
        plumb__merkle_add(&tree, &leaves[i]);
    }
    return plumb__merkle_root(&tree);
}

/* The largest power of two below n, n >= 2. */
static uint64_t split(uint64_t n)
{
    return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

size_t plumb__merkle_path(const plumb__hash *leaves, uint64_t n, uint64_t i, plumb__hash *path)
{
    size_t length = 0;
    while (n > 1) {
        const uint64_t k = split(n);
        if (i < k) {
            path[length++] = plumb__merkle_root_of(leaves + k, n - k);
            n = k;
        } else {
            path[length++] = plumb__merkle_root_of(leaves, k);
            leaves += k;
            i -= k;
            n -= k;
        }
    }
    /* The walk went from the root down; the RFC lists siblings from the leaf up. */
    for (size_t a = 0; a + 1 < length - a; a++) {
        const plumb__hash swap = path[a];
        path[a] = path[length - 1 - a];
        path[length - 1 - a] = swap;
    }
    return length;
}

bool plumb__merkle_check(const plumb__hash *leaf, uint64_t i, uint64_t n, const plumb__hash *path,
                         size_t path_length, const plumb__hash *root)
{
    if (i >= n) return false;
    uint64_t at = i, last = n - 1;
    plumb__hash hash = *leaf;
    for (size_t p = 0; p < path_length; p++) {
        if (last == 0) return false;
        if ((at & 1) || at == last) {
            hash = plumb__merkle_node(&path[p], &hash);
            while (!(at & 1) && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = plumb__merkle_node(&hash, &path[p]);
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0 && plumb__hash_equal(&hash, root);
}
