/* The load is a row of regions of the thread pool, each one batch further than the one before:
 *
 *     merge and tree of batch k-1 | SHA-256 and BLAKE2b of batch k | reading of batch k+1
 *                                 | the blocks of batch k, each parsed and its leaves hashed
 *
 * Invariants:
 * L1. Every task writes what belongs to it alone (a batch's bytes, a block, one hasher, the tree,
 *     the table); what several read is not written in that region. So nothing is locked, and no
 *     result depends on which thread runs what, or when.
 * L2. The merge goes through blocks and lines in their order, and stops for good at the first
 * record that is refused. That error is reported only after all digests hold: what is not the file
 * that was signed is called that, and not bad JSON. L3. What is parsed are the bytes in memory that
 * are hashed in the same region; nothing is read twice. L4. At most three batches are in memory. A
 * batch is as long as it must be to hold a whole line, and no line is kept that is longer than 16
 * MiB.
 */
#include "manifest/records/record_load.h"

#include "base/alloc.h"
#include "base/plumb_threads.h"
#include "manifest/proofs/merkle.h"
#include "manifest/records/record_merge.h"

#include <inttypes.h>
#include <string.h>

enum { BLOCKS = 8, BATCHES = 3, PREFETCH = 6 };
enum { TASK_MERGE, TASK_BLAKE2B, TASK_SHA256, TASK_TREE, TASK_READ, TASK_BLOCKS };

#define ARENA_KEPT ((size_t)1 << 20)
#define NODES_KEPT 65536
#define SMALL_FILE ((uint64_t)128 << 10)

/* A part of a batch. Its lines' leaves are all there; its items up to the first bad line. */
typedef struct block {
    plumb__scan scan, private_scan;
    plumb__arena arena;
    plumb__item *items;
    plumb__hash *leaves;
    uint32_t *lengths; /* of the lines, with LF */
    size_t n_items, n_lines, items_capacity, leaves_capacity, lengths_capacity;
    plumb_status status; /* of the line behind the items */
    plumb__view_error bad;
    const char *bad_line;
    uint32_t private_number; /* of bad, when it is of a private line */
} block;

typedef struct slot {
    plumb__batch batch;
    block blocks[BLOCKS];
    plumb_status read_status;
    plumb_error read_error;
} slot;

typedef struct loading {
    plumb__load *load;
    plumb__merge merge;
    plumb__hasher sha256, blake2b;
    plumb__merkle tree, group;
    uint64_t at; /* where the lines begin whose leaves come next */
    slot *slots;
    slot *merging, *parsing, *reading; /* NULL: none */
    plumb_status merge_status;         /* L2 */
    plumb_error merge_error;
    plumb_status tree_status;
    plumb_error tree_error;
    bool refused;   /* merge_status, as it was before the region */
    bool form_lost; /* there was a line too long: no leaves */
} loading;

/* ---- blocks ---- */

static size_t line_start_at(const plumb__batch *batch, size_t nominal)
{
    if (nominal == 0 || nominal >= batch->end) return nominal == 0 ? 0 : batch->end;
    const char *lf = memchr(batch->data + nominal - 1, '\n', batch->end - nominal + 1);
    return lf != NULL ? (size_t)(lf - batch->data) + 1 : batch->end;
}

static plumb_status add_private(const loading *l, block *b, plumb__record_view *view,
                                bool *from_private)
{
    const plumb__span *id = &view->field[PLUMB__FIELD_ID];
    const uint32_t number = plumb__private_find(l->load->private_file, id->text, id->bytes);
    const char *line = NULL;
    size_t n = 0;
    *from_private = number != PLUMB__INTERN_NONE;
    if (!*from_private) return PLUMB_OK;
    b->private_number = number;
    PLUMB_TRY(
        plumb__private_line(l->load->private_file, number, &b->arena, &line, &n, &b->bad.error));
    const plumb_status status =
        plumb__view_add_private(&b->scan, &b->private_scan, &b->arena, line, n, view, &b->bad);
    if (status != PLUMB_OK && b->bad.private_line) b->bad_line = line;
    return status;
}

static plumb_status read_line(const loading *l, block *b, bool first, const char *line, size_t n)
{
    plumb__record_view view;
    bool from_private = false;
    b->bad_line = line;
    b->bad.at = 0;
    PLUMB_TRY(plumb__line_check(first, line, n, &b->bad.at, &b->bad.error));
    PLUMB_TRY(plumb__view_read(&b->scan, &b->arena, line, n, &view, &b->bad));
    if (l->load->private_file != NULL) PLUMB_TRY(add_private(l, b, &view, &from_private));
    PLUMB_TRY(plumb__grow(&b->items, &b->items_capacity, b->n_items + 1, sizeof *b->items,
                          "records", &b->bad.error));
    plumb__item *item = &b->items[b->n_items];
    PLUMB_TRY(plumb__item_make(&l->merge, &b->arena, &view, line, n, item, &b->bad.error));
    item->from_private = from_private;
    b->n_items++;
    return PLUMB_OK;
}

static plumb_status add_leaf(block *b, const char *line, size_t n, size_t with_end)
{
    PLUMB_TRY(plumb__grow(&b->leaves, &b->leaves_capacity, b->n_lines + 1, sizeof *b->leaves,
                          "records", &b->bad.error));
    PLUMB_TRY(plumb__grow(&b->lengths, &b->lengths_capacity, b->n_lines + 1, sizeof *b->lengths,
                          "records", &b->bad.error));
    b->leaves[b->n_lines] = plumb__merkle_leaf(line, n);
    b->lengths[b->n_lines++] = (uint32_t)with_end;
    return PLUMB_OK;
}

static void clear_block(block *b)
{
    plumb__arena_reset(&b->arena, ARENA_KEPT);
    b->n_items = b->n_lines = 0;
    b->status = PLUMB_OK;
    b->bad.private_line = false;
    /* One line of a million values must not cost this memory for the whole file. */
    if (b->scan.nodes_capacity > NODES_KEPT) {
        plumb__scan_free(&b->scan);
        plumb__scan_init(&b->scan, plumb__record_names);
    }
}

/* The record of a line, unless one before it was refused already. */
static void parse_line(const loading *l, block *b, bool first, const char *line, size_t n,
                       bool ended)
{
    if (b->status != PLUMB_OK || l->refused) return;
    if (ended) {
        b->status = read_line(l, b, first, line, n);
        return;
    }
    b->bad_line = line;
    b->bad.at = 0;
    b->status = plumb__fail(&b->bad.error, PLUMB_ERR_TRUNCATED,
                            "the last line does not end in LF: the file is cut short, or its last "
                            "line end is missing");
}

static void parse_block(loading *l, size_t number)
{
    slot *s = l->parsing;
    block *b = &s->blocks[number];
    const plumb__batch *batch = &s->batch;
    const size_t nominal = batch->end / BLOCKS;
    const size_t to =
        number + 1 == BLOCKS ? batch->end : line_start_at(batch, nominal * (number + 1));
    clear_block(b);
    for (size_t from = line_start_at(batch, nominal * number); from < to;) {
        const char *line = batch->data + from, *lf = memchr(line, '\n', to - from);
        const size_t n = lf != NULL ? (size_t)(lf - line) : to - from;
        parse_line(l, b, l->merging == NULL && from == 0, line, n, lf != NULL || batch->broken);
        const plumb_status status = add_leaf(b, line, n, n + (lf != NULL));
        if (status != PLUMB_OK) {
            b->status = status;
            return;
        }
        from += n + 1;
    }
}

/* ---- what goes in order ---- */

static plumb_status refuse_line(loading *l, const block *b)
{
    char place[PLUMB__PLACE_BYTES];
    const uint32_t column = plumb__scan_column(b->bad_line, b->bad.at);
    l->merge_error = b->bad.error;
    if (b->status == PLUMB_ERR_NO_MEMORY || b->status == PLUMB_ERR_IO) return b->status;
    if (b->bad.private_line) {
        plumb__record_place(l->load->private_file->path, (uint64_t)b->private_number + 1, column,
                            place, sizeof place);
    } else {
        plumb__record_place(l->load->source->path, (uint64_t)l->load->table->n + 1, column, place,
                            sizeof place);
    }
    return plumb__error_prefix(&l->merge_error, b->status, "%s", place);
}

static void merge_blocks(loading *l)
{
    for (size_t k = 0; k < BLOCKS && l->merge_status == PLUMB_OK; k++) {
        const block *b = &l->merging->blocks[k];
        for (size_t i = 0; i < b->n_items && l->merge_status == PLUMB_OK; i++) {
            if (i + PREFETCH < b->n_items) {
                plumb__merge_prefetch(&l->merge, &b->items[i + PREFETCH]);
            }
            l->merge_status = plumb__merge_item(&l->merge, &b->items[i], &l->merge_error);
        }
        if (l->merge_status == PLUMB_OK && b->status != PLUMB_OK) {
            l->merge_status = refuse_line(l, b);
        }
    }
}

static plumb_status close_group(loading *l, plumb_error *err)
{
    plumb__line_index *index = l->load->index;
    PLUMB_TRY(plumb__grow(&index->roots, &index->roots_capacity, index->groups + 1,
                          sizeof *index->roots, "records", err));
    PLUMB_TRY(plumb__grow(&index->starts, &index->starts_capacity, index->groups + 2,
                          sizeof *index->starts, "records", err));
    if (index->groups == 0) index->starts[0] = 0;
    index->roots[index->groups] = plumb__merkle_root(&l->group);
    index->starts[++index->groups] = l->at;
    plumb__merkle_init(&l->group);
    return PLUMB_OK;
}

static plumb_status add_leaves(loading *l, const block *b, plumb_error *err)
{
    for (size_t i = 0; i < b->n_lines; i++) {
        plumb__merkle_add(&l->group, &b->leaves[i]);
        l->at += b->lengths[i];
        l->load->index->lines++;
        if (l->group.count < PLUMB__GROUP_LINES) continue;
        PLUMB_TRY(close_group(l, err));
        /* 256 leaves are a complete subtree: its root stands for them in the tree. */
        plumb__merkle_add(&l->tree, &l->load->index->roots[l->load->index->groups - 1]);
    }
    if (l->load->leaves == NULL || b->n_lines == 0) return PLUMB_OK;
    return l->load->leaves(l->load->leaves_ctx, b->leaves, b->n_lines, err);
}

static void grow_tree(loading *l)
{
    for (size_t k = 0; k < BLOCKS && l->tree_status == PLUMB_OK && !l->form_lost; k++) {
        l->tree_status = add_leaves(l, &l->merging->blocks[k], &l->tree_error);
    }
}

/* ---- regions ---- */

static void run_task(void *ctx, size_t task)
{
    loading *l = ctx;
    const plumb__batch *batch = l->parsing != NULL ? &l->parsing->batch : NULL;
    switch (task) {
    case TASK_MERGE:
        if (l->merging != NULL) merge_blocks(l);
        return;
    case TASK_BLAKE2B:
        if (batch != NULL) plumb__hash_update(&l->blake2b, batch->data, batch->end);
        return;
    case TASK_SHA256:
        if (batch != NULL) plumb__hash_update(&l->sha256, batch->data, batch->end);
        return;
    case TASK_TREE:
        if (l->merging != NULL) grow_tree(l);
        return;
    case TASK_READ:
        if (l->reading != NULL) {
            l->reading->read_status = plumb__batch_fill(&l->reading->batch, batch, l->load->source,
                                                        &l->reading->read_error);
        }
        return;
    default:
        if (batch != NULL) parse_block(l, task - TASK_BLOCKS);
        return;
    }
}

/* Other threads take longer to wake than a small file takes. */
static void run_region(loading *l)
{
    if (l->load->source->bytes >= SMALL_FILE) {
        plumb_parallel(TASK_BLOCKS + BLOCKS, run_task, l);
        return;
    }
    for (size_t task = 0; task < TASK_BLOCKS + BLOCKS; task++) {
        run_task(l, task);
    }
}

static bool is_final(plumb_status status)
{
    return status == PLUMB_ERR_NO_MEMORY || status == PLUMB_ERR_IO;
}

/* After a region: what must end the load now. A refused record does, unless digests are to be
 * looked at first (L2). */
static plumb_status check_region(const loading *l, plumb_error *err)
{
    const plumb_error *why = NULL;
    if (is_final(l->merge_status) || (l->merge_status != PLUMB_OK && l->load->expected == NULL)) {
        why = &l->merge_error;
    } else if (l->tree_status != PLUMB_OK) {
        why = &l->tree_error;
    } else if (l->reading != NULL && l->reading->read_status != PLUMB_OK) {
        why = &l->reading->read_error;
    }
    if (why == NULL) return PLUMB_OK;
    if (err != NULL) *err = *why;
    return why->status;
}

static slot *next_slot(loading *l, const slot *now)
{
    if (now->batch.last) return NULL;
    return &l->slots[(size_t)(now - l->slots + 1) % BATCHES];
}

static plumb_status run_regions(loading *l, plumb_error *err)
{
    PLUMB_TRY(plumb__batch_fill(&l->slots[0].batch, NULL, l->load->source, err));
    l->parsing = &l->slots[0];
    while (l->parsing != NULL || l->merging != NULL) {
        l->reading = l->parsing != NULL ? next_slot(l, l->parsing) : NULL;
        if (l->parsing != NULL && l->parsing->batch.broken) l->form_lost = true;
        run_region(l);
        PLUMB_TRY(check_region(l, err));
        l->refused = l->merge_status != PLUMB_OK;
        l->merging = l->parsing;
        l->parsing = l->reading;
    }
    return PLUMB_OK;
}

/* ---- the end ---- */

static plumb_status check_identity(const loading *l, plumb_error *err)
{
    const plumb__records_identity *found = &l->load->found, *expected = l->load->expected;
    const char *path = l->load->source->path, *wrong = NULL;
    if (expected == NULL) return PLUMB_OK;
    if (!plumb__hash_equal(&found->sha256, &expected->sha256)) {
        return plumb__fail(err, PLUMB_ERR_DIGEST,
                           "%s: is not the file that was signed (SHA-256 differs): restore it, or "
                           "sign it as a new version",
                           path);
    }
    if (!plumb__hash_equal(&found->blake2b, &expected->blake2b)) wrong = "BLAKE2b digest";
    if (!l->form_lost && !plumb__hash_equal(&found->root, &expected->root)) wrong = "tree root";
    if (!l->form_lost && found->count != expected->count) wrong = "number of records";
    if (wrong == NULL) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: the statement's %s is not that of the file",
                       path, wrong);
}

static plumb_status finish_tree(loading *l, plumb_error *err)
{
    plumb__records_identity *found = &l->load->found;
    found->count = l->load->index->lines;
    found->bytes = l->load->source->bytes;
    found->sha256 = plumb__hash_final(&l->sha256);
    found->blake2b = plumb__hash_final(&l->blake2b);
    if (l->group.count == 0) {
        found->root = plumb__merkle_root(&l->tree);
        return PLUMB_OK;
    }
    /* The tree over the last leaves is the rightmost branch, whatever their number. */
    PLUMB_TRY(close_group(l, err));
    found->root =
        plumb__merkle_root_with(&l->tree, &l->load->index->roots[l->load->index->groups - 1]);
    return PLUMB_OK;
}

static plumb_status finish(loading *l, plumb_error *err)
{
    PLUMB_TRY(finish_tree(l, err));
    PLUMB_TRY(plumb__source_check_size(l->load->source, err));
    PLUMB_TRY(check_identity(l, err));
    if (l->merge_status != PLUMB_OK) {
        if (err != NULL) *err = l->merge_error;
        return l->merge_status;
    }
    if (l->load->table->n == 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: has no records", l->load->source->path);
    }
    PLUMB_TRY(plumb__private_check_used(l->load->private_file, l->merge.n_private, err));
    return plumb__merge_finish(&l->merge, err);
}

/* What a signed file of n records holds at least is known, so that a lie cannot ask for memory. */
static plumb_status reserve(loading *l, plumb_error *err)
{
    const uint64_t most = l->load->source->bytes / 64 + 1;
    const uint64_t said = l->load->expected != NULL ? l->load->expected->count : 1024;
    const uint64_t rows = said < most ? said : most;
    return plumb__table_reserve(l->load->table, rows > 0 ? (size_t)rows : 1, err);
}

static plumb_status load_all(loading *l, plumb_error *err)
{
    PLUMB_TRY(plumb__alloc(&l->slots, BATCHES, sizeof *l->slots, "records", err));
    for (size_t i = 0; i < BATCHES; i++) {
        for (size_t k = 0; k < BLOCKS; k++) {
            plumb__scan_init(&l->slots[i].blocks[k].scan, plumb__record_names);
            plumb__scan_init(&l->slots[i].blocks[k].private_scan, plumb__record_names);
        }
    }
    PLUMB_TRY(plumb__table_init(l->load->table, err));
    PLUMB_TRY(plumb__merge_init(&l->merge, l->load->source->path, l->load->table, l->load->taxonomy,
                                err));
    PLUMB_TRY(reserve(l, err));
    plumb__hash_init(&l->sha256, PLUMB__SHA256);
    plumb__hash_init(&l->blake2b, PLUMB__BLAKE2B);
    plumb__merkle_init(&l->tree);
    plumb__merkle_init(&l->group);
    PLUMB_TRY(run_regions(l, err));
    return finish(l, err);
}

static void free_slots(loading *l)
{
    for (size_t i = 0; l->slots != NULL && i < BATCHES; i++) {
        plumb__batch_free(&l->slots[i].batch);
        for (size_t k = 0; k < BLOCKS; k++) {
            block *b = &l->slots[i].blocks[k];
            plumb__scan_free(&b->scan);
            plumb__scan_free(&b->private_scan);
            plumb__arena_free(&b->arena);
            plumb__free(b->items);
            plumb__free(b->leaves);
            plumb__free(b->lengths);
        }
    }
    plumb__free(l->slots);
}

plumb_status plumb__records_load(plumb__load *load, plumb_error *err)
{
    loading *l = NULL;
    memset(load->index, 0, sizeof *load->index);
    memset(load->table, 0, sizeof *load->table);
    PLUMB_TRY(plumb__alloc(&l, 1, sizeof *l, "records", err));
    l->load = load;
    const plumb_status status = load_all(l, err);
    plumb__merge_free(&l->merge);
    free_slots(l);
    plumb__free(l);
    if (status != PLUMB_OK) {
        plumb__table_free(load->table);
        plumb__line_index_free(load->index);
    }
    return status;
}

void plumb__line_index_free(plumb__line_index *index)
{
    plumb__free(index->roots);
    plumb__free(index->starts);
    memset(index, 0, sizeof *index);
}

uint64_t plumb__line_index_memory(const plumb__line_index *index)
{
    return index->roots_capacity * sizeof *index->roots +
           index->starts_capacity * sizeof *index->starts;
}
