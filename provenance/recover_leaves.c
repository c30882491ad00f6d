/* Gathering what a bundle holds, wherever it lies (recover.h). Changes nothing. */
#include "provenance/recover.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- identity ----------------------------------------------------------------------------- */

static plumb_status read_in(const char *dir, const char *name, size_t cap_bytes, plumb__bytes *out,
                            char *path, plumb_error *err)
{
    PLUMB_TRY(plumb__path_join(path, dir, name, err));
    return plumb__file_read_nofollow(path, cap_bytes, out, err);
}

static plumb_status read_head(plumb__found *f, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    plumb__bytes note = {0};
    size_t signer;
    plumb_status status = read_in(f->dir, "head", PLUMB__MAX_HEAD_BYTES, &note, path, err);
    if (status == PLUMB_OK)
        status = plumb__head_verify(path, note.data, note.size, f->run_id, f->certificate_list,
                                    f->n_certificates, &f->head, &signer, err);
    plumb__bytes_free(&note);
    return status;
}

/* Every certificate is for this run.json, whoever signed it. */
static plumb_status check_subject(const plumb__found *f, plumb_error *err)
{
    const plumb__hash digest = plumb__blake2b(f->run_json.data, f->run_json.size);
    for (size_t i = 0; i < f->n_certificates; i++)
        if (!plumb__hash_equal(&digest, &f->certificate_list[i].run_json_blake2b))
            return plumb__fail(err, PLUMB_ERR_DIGEST,
                               "%s/run.json: is not what certificate %zu certifies", f->dir, i + 1);
    return PLUMB_OK;
}

plumb_status plumb__found_identity(const char *dir, const char *run_id, plumb__found *f,
                                   plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    *f = (plumb__found){.dir = dir, .run_id = run_id};
    PLUMB_TRY(read_in(dir, "run.json", PLUMB__MAX_RUN_FILE_BYTES, &f->run_json, path, err));
    PLUMB_TRY(
        read_in(dir, "certificates", PLUMB__MAX_CERTIFICATES_BYTES, &f->certificates, path, err));
    PLUMB_TRY(plumb__certificates_parse(path, f->certificates.data, f->certificates.size, run_id,
                                        &f->certificate_list, &f->n_certificates, err));
    PLUMB_TRY(check_subject(f, err));
    PLUMB_TRY(read_head(f, err));
    PLUMB_TRY(plumb__seal_lines_read(dir, &f->seals, err));
    if (f->seals.n == 0)
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s/seals.jsonl: has no whole line; restore the file from a copy", dir);
    f->state = f->seals.last.state;
    return plumb__inventory_segments(&f->seals.last, &f->segments, &f->n_segments, err);
}

void plumb__found_free(plumb__found *f)
{
    plumb__bytes_free(&f->run_json);
    plumb__bytes_free(&f->certificates);
    plumb__free(f->certificate_list);
    plumb__seal_lines_free(&f->seals);
    plumb__free(f->segments);
    plumb__history_free(&f->history);
    plumb__digests_free(&f->leaves);
}

/* ---- leaves ------------------------------------------------------------------------------- */

static plumb_status note_graph_leaf(const plumb__graph_leaf *leaf, void *ctx, plumb_error *err)
{
    plumb__found *f = ctx;
    PLUMB_TRY(plumb__digests_add(&f->leaves, leaf->leaf, &leaf->digest, err));
    if (leaf->step)
        return plumb__history_step(&f->history, leaf->step->attempt, leaf->step->step, err);
    return plumb__history_text(&f->history, leaf->kind, leaf->leaf, leaf->payload,
                               leaf->payload_bytes, err);
}

typedef struct frame_reader {
    plumb__found *found;
    plumb__step_arrays *arrays;
} frame_reader;

static plumb_status note_frame(const plumb__frame *frame, void *ctx, plumb_error *err)
{
    frame_reader *reader = ctx;
    plumb__found *f = reader->found;
    const plumb__hash digest = plumb__blake2b(frame->payload, frame->payload_bytes);
    PLUMB_TRY(plumb__digests_add(&f->leaves, frame->leaf, &digest, err));
    if (frame->leaf < f->seals.last.leaf) return PLUMB_OK; /* in a segment too */
    f->unsealed++;
    if (frame->kind != PLUMB__LEAF_STEP)
        return plumb__history_text(&f->history, frame->kind, frame->leaf, frame->payload,
                                   frame->payload_bytes, err);
    plumb__step step;
    PLUMB_TRY(
        plumb__step_decode(frame->payload, frame->payload_bytes, &step, &reader->arrays, err));
    return plumb__history_step(&f->history, step.attempt, step.step, err);
}

static plumb_status collect_files(plumb__found *f, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES], name[64];
    if (f->state != PLUMB__SEAL_OPEN) {
        PLUMB_TRY(plumb__path_join(path, f->dir, "provenance.h5", err));
        return plumb__graph_walk(path, f->run_id, note_graph_leaf, f, err);
    }
    for (size_t i = 0; i < f->n_segments; i++) {
        (void)snprintf(name, sizeof name, "segments/%" PRIu64 ".h5", f->segments[i]);
        PLUMB_TRY(plumb__path_join(path, f->dir, name, err));
        PLUMB_TRY(plumb__graph_walk(path, f->run_id, note_graph_leaf, f, err));
    }
    return PLUMB_OK;
}

/* A merged run needs its journal no more, and may have lost half of it already. */
static plumb_status collect_journal(plumb__found *f, plumb_error *err)
{
    frame_reader reader = {.found = f};
    if (f->state != PLUMB__SEAL_OPEN) return PLUMB_OK;
    const plumb_status status =
        plumb__journal_scan_tail(f->dir, note_frame, &reader, &f->journal, &f->tail, err);
    plumb__step_arrays_free(reader.arrays);
    if (status == PLUMB_OK && f->tail.n_files > 0 && strcmp(f->tail.run_id, f->run_id) != 0)
        return plumb__fail(err, PLUMB_ERR_CORRUPT, "%s/journal: belongs to run %s, not to run %s",
                           f->dir, f->tail.run_id, f->run_id);
    return status;
}

static plumb_status collect_texts(plumb__found *f, plumb_error *err)
{
    const plumb__hash run_json = plumb__blake2b(f->run_json.data, f->run_json.size);
    PLUMB_TRY(plumb__digests_add(&f->leaves, 0, &run_json, err));
    for (size_t i = 0; i < f->seals.n; i++) {
        const plumb__seal_line *line = &f->seals.lines[i];
        const plumb__hash digest = plumb__blake2b(line->text, line->n);
        PLUMB_TRY(plumb__digests_add(&f->leaves, line->leaf, &digest, err));
    }
    return PLUMB_OK;
}

static int by_leaf(const void *a, const void *b)
{
    const uint64_t x = ((const plumb__leaf_digest *)a)->leaf,
                   y = ((const plumb__leaf_digest *)b)->leaf;
    return (x > y) - (x < y);
}

/* Sorts; a leaf found twice must be the same leaf; no number may be missing. */
static plumb_status join_leaves(plumb__found *f, plumb_error *err)
{
    plumb__leaf_digest *list = f->leaves.list;
    size_t kept = 0;
    qsort(list, f->leaves.n, sizeof *list, by_leaf);
    for (size_t i = 0; i < f->leaves.n; i++) {
        if (kept > 0 && list[i].leaf == list[kept - 1].leaf) {
            if (plumb__hash_equal(&list[i].digest, &list[kept - 1].digest)) continue;
            return plumb__fail(err, PLUMB_ERR_CORRUPT,
                               "%s: leaf %" PRIu64
                               " is recorded twice and differently; restore the "
                               "bundle from a copy",
                               f->dir, list[i].leaf);
        }
        if (list[i].leaf != kept)
            return plumb__fail(err, PLUMB_ERR_CORRUPT,
                               "%s: leaf %zu is missing; restore the bundle from a copy", f->dir,
                               kept);
        list[kept++] = list[i];
    }
    f->leaves.n = kept;
    return PLUMB_OK;
}

/* J10: every leaf that the head signs is there, and is the one that it signs. */
static plumb_status check_head(plumb__found *f, plumb_error *err)
{
    plumb__hash root = plumb__merkle_empty();
    plumb__merkle_init(&f->tree);
    for (size_t i = 0; i < f->leaves.n; i++) {
        const plumb__hash leaf =
            plumb__merkle_leaf(f->leaves.list[i].digest.bytes, PLUMB__HASH_BYTES);
        plumb__merkle_add(&f->tree, &leaf);
        if (f->tree.count == f->head.size) root = plumb__merkle_root(&f->tree);
    }
    if (f->leaves.n < f->head.size)
        return plumb__fail(err, PLUMB_ERR_CORRUPT,
                           "%s: %zu leaves are left of %" PRIu64
                           " that the head signs; restore the bundle from a copy",
                           f->dir, f->leaves.n, f->head.size);
    if (!plumb__hash_equal(&root, &f->head.root))
        return plumb__fail(
            err, PLUMB_ERR_CORRUPT,
            "%s: the first %" PRIu64
            " leaves are not those that the head signs; restore the bundle from a copy",
            f->dir, f->head.size);
    return PLUMB_OK;
}

plumb_status plumb__found_leaves(plumb__found *f, plumb_error *err)
{
    PLUMB_TRY(collect_texts(f, err));
    PLUMB_TRY(collect_files(f, err));
    PLUMB_TRY(collect_journal(f, err));
    PLUMB_TRY(join_leaves(f, err));
    return check_head(f, err);
}
