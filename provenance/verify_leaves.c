/* Every leaf again from what is on disk: the payload of a step is encoded from its HDF5 columns,
 * all other payloads are kept as they were. The roots of the tree then have to be those that were
 * signed. */
#include "provenance/verify.h"

#include "base/alloc.h"
#include "manifest/proofs/merkle.h"

#include <string.h>

typedef struct leaf_walk {
    plumb__verify *v;
    plumb__bytes payload;
    uint32_t attempt;
    uint64_t last_step; /* of the current line of history */
} leaf_walk;

static plumb_status check_repeated(const leaf_walk *w, const plumb__record_leaf *leaf,
                                   plumb_error *err)
{
    const plumb__hash digest = plumb__blake2b(leaf->payload, leaf->n);
    if (leaf->leaf < w->v->n_leaves && plumb__hash_equal(&digest, &w->v->leaves[leaf->leaf]))
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST, "leaf %llu: two copies of it differ",
                       (unsigned long long)leaf->leaf);
}

static plumb_status check_order(leaf_walk *w, const plumb__record_leaf *leaf, plumb_error *err)
{
    const plumb__step *step = leaf->step;
    const bool closed = plumb__record_graph(w->v->record) != NULL;
    w->v->steps++;
    w->v->units += step->n_units;
    if (closed && !leaf->in_journal && leaf->superseded != leaf->marked_superseded)
        return plumb__fail(
            err, PLUMB_ERR_MISMATCH,
            "step %llu of attempt %u: is marked as %s, but the rewinds say otherwise",
            (unsigned long long)step->step, step->attempt,
            leaf->marked_superseded ? "superseded" : "in force");
    if (step->attempt < w->attempt)
        return plumb__fail(err, PLUMB_ERR_MISMATCH, "step %llu: attempt %u follows attempt %u",
                           (unsigned long long)step->step, step->attempt, w->attempt);
    w->attempt = step->attempt;
    if (leaf->superseded) return PLUMB_OK;
    if (step->step <= w->last_step)
        return plumb__fail(err, PLUMB_ERR_MISMATCH, "step %llu follows step %llu",
                           (unsigned long long)step->step, (unsigned long long)w->last_step);
    w->last_step = step->step;
    return PLUMB_OK;
}

static plumb_status add_leaf(plumb__verify *v, const void *payload, size_t n, plumb_error *err)
{
    PLUMB_TRY(plumb__grow(&v->leaves, &v->leaf_capacity, v->n_leaves + 1, sizeof *v->leaves,
                          "leaves", err));
    v->leaves[v->n_leaves++] = plumb__blake2b(payload, n);
    return PLUMB_OK;
}

static plumb_status visit(const plumb__record_leaf *leaf, void *ctx, plumb_error *err)
{
    leaf_walk *w = ctx;
    if (leaf->repeated) return check_repeated(w, leaf, err);
    if (leaf->step != NULL) PLUMB_TRY(check_order(w, leaf, err));
    if (leaf->payload != NULL) return add_leaf(w->v, leaf->payload, leaf->n, err);
    plumb__bytes_clear(&w->payload);
    plumb__step_encode(leaf->step, &w->payload);
    PLUMB_TRY(plumb__bytes_check(&w->payload, err));
    return add_leaf(w->v, w->payload.data, w->payload.size, err);
}

/* ---- the tree ----------------------------------------------------------------------------- */

static plumb_status check_root(uint64_t size, const plumb__hash *root,
                               const plumb__hash *signed_root, const char *signer, plumb_error *err)
{
    if (plumb__hash_equal(root, signed_root)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST,
                       "the first %llu leaves of the record are not those that %s signed",
                       (unsigned long long)size, signer);
}

static plumb_status check_tree(const plumb__verify *v, plumb_error *err)
{
    plumb__merkle tree;
    size_t next = 1; /* certificate: the first names no head */
    plumb__merkle_init(&tree);
    for (size_t i = 0; i < v->n_leaves; i++) {
        const plumb__hash leaf = plumb__merkle_leaf(v->leaves[i].bytes, PLUMB__HASH_BYTES);
        plumb__merkle_add(&tree, &leaf);
        for (; next < v->certificates.n && v->certificates.rows[next].previous_size == tree.count;
             next++) {
            const plumb__hash root = plumb__merkle_root(&tree);
            char signer[64];
            snprintf(signer, sizeof signer, "certificates line %zu", next + 1);
            PLUMB_TRY(check_root(tree.count, &root, &v->certificates.rows[next].previous_root,
                                 signer, err));
        }
        if (tree.count == v->head.size) {
            const plumb__hash root = plumb__merkle_root(&tree);
            PLUMB_TRY(check_root(tree.count, &root, &v->head.root, "the head", err));
        }
    }
    if (next == v->certificates.n) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST,
                       "certificates line %zu names a head over %llu leaves, the record has %zu",
                       next + 1, (unsigned long long)v->certificates.rows[next].previous_size,
                       v->n_leaves);
}

static plumb_status check_size(plumb__verify *v, plumb_error *err)
{
    if (v->head.size > v->n_leaves)
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "the head signs %llu leaves, but the record has %zu",
                           (unsigned long long)v->head.size, v->n_leaves);
    if (plumb__verify_state(v) != PLUMB__SEAL_CLOSED) return PLUMB_OK;
    if (v->head.size < v->n_leaves)
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "the run is closed, but its head signs %llu of %zu leaves",
                           (unsigned long long)v->head.size, v->n_leaves);
    return PLUMB_OK;
}

plumb_status plumb__verify_leaves(plumb__verify *v, plumb_error *err)
{
    leaf_walk w = {.v = v};
    plumb_status status = PLUMB_OK;
    v->n_leaves = v->steps = v->units = 0;
    PLUMB_TRY_CLEAN(add_leaf(v, v->run_bytes.data, v->run_bytes.size, err));
    PLUMB_TRY_CLEAN(plumb__record_walk(v->record, NULL, visit, &w, err));
    PLUMB_TRY_CLEAN(check_size(v, err));
    PLUMB_TRY_CLEAN(check_tree(v, err));
    const uint64_t torn = plumb__record_journal(v->record)->torn_bytes;
    if (torn > 0 && plumb__verify_state(v) == PLUMB__SEAL_OPEN)
        plumb__bytes_appendf(&v->notes, "journal: the last %llu bytes are a torn write\n",
                             (unsigned long long)torn);
cleanup:
    plumb__bytes_free(&w.payload);
    return status;
}
