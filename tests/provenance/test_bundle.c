/* Aim: a bundle's life without accidents: create, steps, checkpoints, seals, reopen, rewind, close;
 * what is refused, by its exact text; what a closed bundle consists of.
 * Method: a small signed run (bundle_maker) in a fresh directory; the directory, the inventories,
 * the head and the leaves are read back with the reading half and with the tree computed anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "bundle_maker.h"
#include "manifest/proofs/merkle.h"
#include "provenance/certificate.h"
#include "provenance/graph_walk.h"
#include "provenance/journal.h"
#include "provenance/seal_lines.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static plumb_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        const plumb_status s_ = (call);                                                            \
        if (s_ != PLUMB_OK) fail_msg("%s: %s", #call, err.message);                                \
    } while (0)

static void expect_error(plumb_status got, plumb_status want, const char *text)
{
    assert_int_equal(got, want);
    assert_string_equal(err.message, text);
}

typedef struct listing {
    char text[4096];
} listing;

static plumb_status note_name(const char *relative, uint64_t size_bytes, void *ctx, plumb_error *e)
{
    listing *l = ctx;
    (void)size_bytes;
    (void)e;
    strncat(l->text, relative, sizeof l->text - strlen(l->text) - 2);
    strcat(l->text, " ");
    return PLUMB_OK;
}

static void assert_files(const bundle_maker *m, const char *expected)
{
    listing l = {""};
    OK(plumb__dir_walk(m->dir, 1000, note_name, &l, &err));
    assert_string_equal(l.text, expected);
}

/* The head's signature, and the state and number of the last inventory. */
static void read_signed(const bundle_maker *m, plumb__checkpoint *head, size_t *signer,
                        plumb__seal_lines *seals)
{
    plumb__bytes certificates = {0}, note = {0};
    plumb__certificate *list;
    size_t n;
    OK(plumb__file_read(maker_path(m, "certificates"), 1 << 20, &certificates, &err));
    OK(plumb__certificates_parse("certificates", certificates.data, certificates.size, m->run_id,
                                 &list, &n, &err));
    OK(plumb__file_read(maker_path(m, "head"), 1 << 20, &note, &err));
    OK(plumb__head_verify("head", note.data, note.size, m->run_id, list, n, head, signer, &err));
    assert_int_equal(*signer, n - 1);
    OK(plumb__seal_lines_read(m->dir, seals, &err));
    assert_int_equal(seals->whole_bytes, seals->data.size);
    assert_int_equal(head->size, seals->lines[seals->n - 1].leaf + 1);
    plumb__free(list);
    plumb__bytes_free(&certificates);
    plumb__bytes_free(&note);
}

/* ---- a whole life -------------------------------------------------------------------------- */

typedef struct graph_check {
    const bundle_maker *m;
    uint64_t steps, texts, inventories;
    plumb__digests digests;
} graph_check;

static plumb_status check_graph_leaf(const plumb__graph_leaf *leaf, void *ctx, plumb_error *e)
{
    graph_check *c = ctx;
    if (leaf->step) {
        const plumb__hash want = maker_step_digest(c->m, leaf->step->attempt, leaf->step->step);
        assert_true(plumb__hash_equal(&want, &leaf->digest));
        c->steps++;
    } else if (leaf->kind == PLUMB__LEAF_INVENTORY) {
        c->inventories++;
    } else {
        c->texts++;
    }
    return plumb__digests_add(&c->digests, leaf->leaf, &leaf->digest, e);
}

/* The root of run.json, the graph's leaves and the inventories that are not in it is what the head
 * says. */
static void assert_tree(const bundle_maker *m, const graph_check *c, const plumb__seal_lines *seals,
                        const plumb__checkpoint *head)
{
    plumb__merkle tree;
    plumb__merkle_init(&tree);
    plumb__hash digest = plumb__blake2b(m->run_json.data, m->run_json.size);
    plumb__hash leaf = plumb__merkle_leaf(digest.bytes, 32);
    plumb__merkle_add(&tree, &leaf);
    for (size_t i = 0; i < c->digests.n; i++) {
        assert_int_equal(c->digests.list[i].leaf, tree.count);
        leaf = plumb__merkle_leaf(c->digests.list[i].digest.bytes, 32);
        plumb__merkle_add(&tree, &leaf);
    }
    for (size_t i = seals->n - 2; i < seals->n; i++) {
        assert_int_equal(seals->lines[i].leaf, tree.count);
        digest = plumb__blake2b(seals->lines[i].text, seals->lines[i].n);
        leaf = plumb__merkle_leaf(digest.bytes, 32);
        plumb__merkle_add(&tree, &leaf);
    }
    const plumb__hash root = plumb__merkle_root(&tree);
    assert_int_equal(tree.count, head->size);
    assert_true(plumb__hash_equal(&root, &head->root));
}

static void a_whole_life(void **state)
{
    (void)state;
    bundle_maker m;
    plumb__bundle *bundle;
    plumb__bundle_state found;
    bundle_maker_init(&m, 1);
    OK(maker_create(&m, &bundle, &err));
    assert_files(&m, "certificates evidence/manifest.plumb.json head journal/00000000.plj lock "
                     "run.json seals.jsonl ");
    OK(maker_checkpoint(&m, bundle, 0, 0, &err));
    for (uint64_t i = 1; i <= 30; i++)
        OK(maker_step(&m, bundle, 0, i, &err));
    OK(plumb__bundle_flush(bundle, &err));
    assert_int_equal(plumb__bundle_acknowledged(bundle), 30);
    OK(maker_checkpoint(&m, bundle, 0, 30, &err));
    static const char event[] = "{\"event\":\"test\",\"kind\":\"event\"}";
    uint64_t leaf = 0;
    OK(plumb__bundle_leaf(bundle, PLUMB__LEAF_EVENT, event, sizeof event - 1, &leaf, &err));
    assert_true(leaf > 30);
    for (uint64_t i = 31; i <= 40; i++)
        OK(maker_step(&m, bundle, 0, i, &err));
    OK(plumb__bundle_flush(bundle, &err));
    plumb__bundle_free(bundle);

    OK(maker_reopen(&m, &bundle, &found, &err));
    assert_false(found.closed);
    assert_int_equal(found.steps_acknowledged, 40);
    assert_int_equal(found.checkpoint_step, 30);
    assert_string_equal(found.checkpoint_file, "step-30.safetensors");
    assert_int_equal(found.attempt, 0);
    assert_int_equal(found.torn_bytes, 0);
    assert_true(found.leaves > found.leaves_signed);
    OK(plumb__bundle_rewind(bundle, 40, 30, &found.checkpoint_digest, 1, &err));
    OK(plumb__bundle_flush(bundle, &err));
    assert_int_equal(plumb__bundle_acknowledged(bundle), 30);
    for (uint64_t i = 31; i <= 35; i++)
        OK(maker_step(&m, bundle, 1, i, &err));
    OK(plumb__bundle_seal(bundle, &err));
    assert_int_equal(plumb__bundle_acknowledged(bundle), 35);
    OK(plumb__bundle_close(bundle, &err));
    char expected[400];
    snprintf(expected, sizeof expected, "%s: the run is closed", m.dir);
    expect_error(maker_step(&m, bundle, 1, 36, &err), PLUMB_ERR_STATE, expected);
    plumb__bundle_free(bundle);

    assert_files(&m, "certificates checkpoints/step-0.safetensors checkpoints/step-30.safetensors "
                     "evidence/manifest.plumb.json head lock provenance.h5 run.json seals.jsonl ");
    assert_int_not_equal(access(maker_path(&m, "journal"), F_OK), 0);
    assert_int_not_equal(access(maker_path(&m, "segments"), F_OK), 0);
    graph_check check = {.m = &m};
    OK(plumb__graph_walk(maker_path(&m, "provenance.h5"), m.run_id, check_graph_leaf, &check,
                         &err));
    assert_int_equal(check.steps, 45);
    assert_int_equal(check.texts, 4); /* two checkpoints, an event, the rewind */
    plumb__checkpoint head;
    plumb__seal_lines seals;
    size_t signer;
    read_signed(&m, &head, &signer, &seals);
    assert_int_equal(signer, 1);
    assert_int_equal(seals.last.state, PLUMB__SEAL_CLOSED);
    assert_int_equal(check.inventories, seals.n - 2);
    assert_tree(&m, &check, &seals, &head);
    snprintf(expected, sizeof expected, "%s: the run is closed, and a closed run does not resume",
             m.dir);
    expect_error(maker_reopen(&m, &bundle, &found, &err), PLUMB_ERR_STATE, expected);
    assert_true(found.closed);
    plumb__seal_lines_free(&seals);
    plumb__digests_free(&check.digests);
    bundle_maker_free(&m);
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void existing_bundle_and_second_writer_are_refused(void **state)
{
    (void)state;
    bundle_maker m;
    plumb__bundle *bundle, *second;
    plumb__bundle_state found;
    char expected[700];
    bundle_maker_init(&m, 2);
    OK(maker_create(&m, &bundle, &err));
    snprintf(expected, sizeof expected,
             "%s: exists already; choose another place, or resume the run that is there", m.dir);
    expect_error(maker_create(&m, &second, &err), PLUMB_ERR_EXISTS, expected);
    assert_null(second);
    snprintf(expected, sizeof expected,
             "%s/lock is held by another process; wait until it has finished", m.dir);
    expect_error(maker_reopen(&m, &second, &found, &err), PLUMB_ERR_LOCKED, expected);
    assert_null(second);
    /* The first goes on untroubled. */
    OK(maker_step(&m, bundle, 0, 1, &err));
    OK(plumb__bundle_seal(bundle, &err));
    plumb__bundle_free(bundle);
    bundle_maker_free(&m);
}

static void something_else_in_the_way_is_left_alone(void **state)
{
    (void)state;
    bundle_maker m;
    plumb__bundle *bundle;
    char path[400], expected[700];
    bundle_maker_init(&m, 3);
    snprintf(path, sizeof path, "%s.tmp", m.dir);
    OK(plumb__dir_create(path, 0755, &err));
    strcat(path, "/precious");
    OK(plumb__file_create(path, "x", 1, 0644, &err));
    snprintf(expected, sizeof expected, "%s.tmp exists and is not an interrupted run; move it away",
             m.dir);
    expect_error(maker_create(&m, &bundle, &err), PLUMB_ERR_EXISTS, expected);
    assert_int_equal(access(path, F_OK), 0);
    /* An interrupted creation, on the other hand, is cleared. */
    snprintf(path, sizeof path, "%s.tmp/lock", m.dir);
    OK(plumb__file_create(path, "", 0, 0644, &err));
    OK(maker_create(&m, &bundle, &err));
    plumb__bundle_free(bundle);
    snprintf(path, sizeof path, "%s.tmp", m.dir);
    assert_int_not_equal(access(path, F_OK), 0);
    bundle_maker_free(&m);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    bundle_maker m;
    plumb__bundle *bundle;
    bundle_maker_init(&m, 4);
    m.start.run_id = "ABC";
    expect_error(maker_create(&m, &bundle, &err), PLUMB_ERR_ARGUMENT,
                 "run id: must be 32 lower-case hex digits");
    m.start.run_id = m.run_id;
    m.evidence[0].name = "../escape";
    expect_error(maker_create(&m, &bundle, &err), PLUMB_ERR_ARGUMENT,
                 "evidence: \"../escape\" is no plain file name");
    m.evidence[0].name = "manifest.plumb.json";
    assert_int_not_equal(access(m.dir, F_OK), 0);
    OK(maker_create(&m, &bundle, &err));
    made_step made;
    make_random_step(&made, 4, 0, 1, BUNDLE_USES - 1, 5);
    assert_int_equal(plumb__bundle_step(bundle, &made.step, &err), PLUMB_ERR_ARGUMENT);
    expect_error(plumb__bundle_rewind(bundle, 3, 4, &(plumb__hash){{0}}, 1, &err),
                 PLUMB_ERR_ARGUMENT, "a rewind goes back: from step 3 to step 4");
    expect_error(plumb__bundle_checkpoint(bundle, "a/b", 0, 0, 0, &(plumb__hash){{0}}, &err),
                 PLUMB_ERR_ARGUMENT, "\"a/b\" is no name for a checkpoint");
    expect_error(plumb__bundle_leaf(bundle, PLUMB__LEAF_STEP, "{}", 2, NULL, &err),
                 PLUMB_ERR_ARGUMENT,
                 "leaf kind 1: only events and decisions are recorded this way");
    /* None of this has hurt the bundle. */
    OK(maker_step(&m, bundle, 0, 1, &err));
    OK(plumb__bundle_close(bundle, &err));
    plumb__bundle_free(bundle);
    bundle_maker_free(&m);
}

/* ---- steady state ------------------------------------------------------------------------- */

static void a_step_allocates_nothing(void **state)
{
    (void)state;
    bundle_maker m;
    plumb__bundle *bundle;
    bundle_maker_init(&m, 5);
    OK(maker_create(&m, &bundle, &err));
    const uint64_t before = plumb__alloc_count();
    for (uint64_t i = 1; i <= 200; i++)
        OK(maker_step(&m, bundle, 0, i, &err));
    OK(plumb__bundle_flush(bundle, &err));
    assert_int_equal(plumb__alloc_count(), before);
    plumb__bundle_free(bundle);
    bundle_maker_free(&m);
}

static void a_small_ring_wraps_and_blocks_without_loss(void **state)
{
    (void)state;
    bundle_maker m;
    plumb__bundle *bundle;
    plumb__bundle_state found;
    bundle_maker_init(&m, 6);
    m.start.options.ring_bytes = 3000; /* two or three steps */
    OK(maker_create(&m, &bundle, &err));
    for (uint64_t i = 1; i <= 300; i++)
        OK(maker_step(&m, bundle, 0, i, &err));
    OK(plumb__bundle_flush(bundle, &err));
    assert_int_equal(plumb__bundle_acknowledged(bundle), 300);
    plumb__bundle_free(bundle);
    OK(maker_reopen(&m, &bundle, &found, &err));
    assert_int_equal(found.steps_acknowledged, 300);
    OK(plumb__bundle_close(bundle, &err));
    plumb__bundle_free(bundle);
    graph_check check = {.m = &m};
    OK(plumb__graph_walk(maker_path(&m, "provenance.h5"), m.run_id, check_graph_leaf, &check,
                         &err));
    assert_int_equal(check.steps, 300);
    plumb__digests_free(&check.digests);
    bundle_maker_free(&m);
}

static void a_leaf_larger_than_the_ring_is_refused(void **state)
{
    (void)state;
    bundle_maker m;
    plumb__bundle *bundle;
    static char large[5000];
    bundle_maker_init(&m, 7);
    m.start.options.ring_bytes = 4096;
    OK(maker_create(&m, &bundle, &err));
    memset(large, ' ', sizeof large);
    expect_error(plumb__bundle_leaf(bundle, PLUMB__LEAF_EVENT, large, sizeof large, NULL, &err),
                 PLUMB_ERR_LIMIT,
                 "a leaf of 5000 bytes does not fit into the recorder's ring of 4096 bytes; raise "
                 "ring_bytes");
    plumb__bundle_free(bundle);
    bundle_maker_free(&m);
}

static void a_seal_with_nothing_new_writes_nothing(void **state)
{
    (void)state;
    bundle_maker m;
    plumb__bundle *bundle;
    plumb__bytes before = {0}, after = {0};
    bundle_maker_init(&m, 8);
    OK(maker_create(&m, &bundle, &err));
    OK(maker_step(&m, bundle, 0, 1, &err));
    OK(plumb__bundle_seal(bundle, &err));
    OK(plumb__file_read(maker_path(&m, "seals.jsonl"), 1 << 20, &before, &err));
    OK(plumb__bundle_seal(bundle, &err));
    OK(plumb__file_read(maker_path(&m, "seals.jsonl"), 1 << 20, &after, &err));
    assert_int_equal(before.size, after.size);
    assert_files(&m, "certificates evidence/manifest.plumb.json head journal/00000001.plj lock "
                     "run.json seals.jsonl segments/0.h5 ");
    plumb__bytes_free(&before);
    plumb__bytes_free(&after);
    plumb__bundle_free(bundle);
    bundle_maker_free(&m);
}

static void seal_steps_seals_by_itself(void **state)
{
    (void)state;
    bundle_maker m;
    plumb__bundle *bundle;
    plumb__seal_lines seals;
    bundle_maker_init(&m, 9);
    m.start.options.seal_steps = 10;
    OK(maker_create(&m, &bundle, &err));
    for (uint64_t i = 1; i <= 35; i++) {
        OK(maker_step(&m, bundle, 0, i, &err));
        OK(plumb__bundle_flush(bundle, &err));
    }
    plumb__bundle_free(bundle);
    OK(plumb__seal_lines_read(m.dir, &seals, &err));
    assert_int_equal(seals.n, 4); /* at creation and after 10, 20, 30 steps */
    plumb__seal_lines_free(&seals);
    bundle_maker_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_life),
        cmocka_unit_test(existing_bundle_and_second_writer_are_refused),
        cmocka_unit_test(something_else_in_the_way_is_left_alone),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(a_step_allocates_nothing),
        cmocka_unit_test(a_small_ring_wraps_and_blocks_without_loss),
        cmocka_unit_test(a_leaf_larger_than_the_ring_is_refused),
        cmocka_unit_test(a_seal_with_nothing_new_writes_nothing),
        cmocka_unit_test(seal_steps_seals_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
