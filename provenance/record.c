/* Sources of leaves (docs/formats/bundle.md section 9), joined by leaf number:
 *   the segments that the last inventory names, or provenance.h5 once it is merged;
 *   the journal, whose first frames may be in a segment already (a seal was interrupted);
 *   seals.jsonl, whose lines are leaves too.
 * Invariants:
 *   W1  leaves are visited in rising order without a gap, each once;
 *   W2  a leaf that two sources have is the same in both;
 *   W3  nothing on disk changes and no lock is taken;
 *   W4  beside a living writer a walk goes on where it was when leaves move from the journal into a
 * new segment: each round visits at least one leaf more, or the walk ends with the gap it found. */
#include "provenance/record.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "provenance/seal_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct rewind_leaf {
    uint64_t leaf, to;
    uint32_t attempt;
} rewind_leaf;

struct plumb__record {
    char dir[PLUMB__PATH_BYTES];
    const plumb__run_json *run;
    plumb__bytes head;
    plumb__seal_lines seals;
    plumb__h5_reader *graph;
    const plumb__inventory_file **segments;
    size_t n_segments;
    rewind_leaf *rewinds;
    size_t n_rewinds, rewind_capacity;
    plumb__journal_summary journal;
};

/* ---- what lies there ---------------------------------------------------------------------- */

static plumb_status read_part(const char *dir, const char *name, size_t cap_bytes,
                              plumb__bytes *out, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, dir, name, err));
    return plumb__file_read_nofollow(path, cap_bytes, out, err);
}

static plumb_status read_seals(plumb__record *record, plumb_error *err)
{
    PLUMB_TRY(plumb__seal_lines_read(record->dir, &record->seals, err));
    if (record->seals.n > 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUNCATED, "seals.jsonl: has no inventory");
}

/* Anything else below segments/ is not opened, whatever an inventory says. */
static bool is_segment(const char *name)
{
    if (strncmp(name, "segments/", strlen("segments/")) != 0) return false;
    const char *number = name + strlen("segments/");
    const size_t digits = strspn(number, "0123456789");
    return digits > 0 && digits <= 18 && strcmp(number + digits, ".h5") == 0;
}

static uint64_t segment_number(const plumb__inventory_file *file)
{
    return strtoull(file->name + strlen("segments/"), NULL, 10);
}

static int by_number(const void *left, const void *right)
{
    const uint64_t a = segment_number(*(const plumb__inventory_file *const *)left);
    const uint64_t b = segment_number(*(const plumb__inventory_file *const *)right);
    return a < b ? -1 : a > b;
}

static plumb_status list_segments(plumb__record *record, plumb_error *err)
{
    PLUMB_TRY(plumb__alloc(&record->segments, record->seals.last.n_files, sizeof *record->segments,
                           "segments", err));
    for (size_t i = 0; i < record->seals.last.n_files; i++)
        if (is_segment(record->seals.last.files[i].name))
            record->segments[record->n_segments++] = &record->seals.last.files[i];
    if (record->n_segments > 1)
        qsort(record->segments, record->n_segments, sizeof *record->segments, by_number);
    return PLUMB_OK;
}

/* ---- rewinds and inventories -------------------------------------------------------------- */

static plumb_status note_rewind(plumb__record *record, uint64_t leaf, const void *payload, size_t n,
                                plumb_error *err)
{
    json_t *json = NULL;
    char what[64];
    int64_t to = 0, attempt = 0;
    snprintf(what, sizeof what, "leaf %llu", (unsigned long long)leaf);
    PLUMB_TRY(plumb__json_parse(what, payload, n, &json, err));
    plumb_status status = plumb__json_integer(what, json, "to", true, &to, err);
    if (status == PLUMB_OK)
        status = plumb__json_integer(what, json, "attempt", true, &attempt, err);
    json_decref(json);
    PLUMB_TRY(status);
    if (to < 0 || attempt < 1 || attempt > UINT32_MAX)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: a rewind to step %lld as attempt %lld", what,
                           (long long)to, (long long)attempt);
    PLUMB_TRY(plumb__grow(&record->rewinds, &record->rewind_capacity, record->n_rewinds + 1,
                          sizeof *record->rewinds, "rewinds", err));
    record->rewinds[record->n_rewinds++] =
        (rewind_leaf){.leaf = leaf, .to = (uint64_t)to, .attempt = (uint32_t)attempt};
    return PLUMB_OK;
}

static bool is_superseded(const plumb__record *record, uint64_t leaf, uint32_t attempt,
                          uint64_t step)
{
    for (size_t i = 0; i < record->n_rewinds; i++) {
        const rewind_leaf *r = &record->rewinds[i];
        if (leaf < r->leaf && attempt < r->attempt && step > r->to) return true;
    }
    return false;
}

static plumb_status note_file_rewinds(plumb__record *record, const plumb__h5_reader *reader,
                                      plumb_error *err)
{
    const plumb__h5_text *texts = plumb__h5_texts(reader);
    for (size_t i = 0; i < plumb__h5_text_count(reader); i++)
        if (texts[i].kind == PLUMB__LEAF_REWIND)
            PLUMB_TRY(note_rewind(record, texts[i].leaf, texts[i].payload, texts[i].n, err));
    return PLUMB_OK;
}

static plumb_status note_frame_rewind(const plumb__frame *frame, void *ctx, plumb_error *err)
{
    plumb__record *record = ctx;
    if (frame->kind != PLUMB__LEAF_REWIND) return PLUMB_OK;
    for (size_t i = 0; i < record->n_rewinds; i++)
        if (record->rewinds[i].leaf == frame->leaf) return PLUMB_OK; /* sealed meanwhile */
    return note_rewind(record, frame->leaf, frame->payload, frame->payload_bytes, err);
}

/* ---- opening ------------------------------------------------------------------------------ */

/* Hashed whole before the HDF5 library sees a byte: it was not built for damaged files. */
static plumb_status check_digest(const plumb__inventory_file *listed, const char *path,
                                 plumb_error *err)
{
    plumb__hash digest;
    uint64_t size_bytes = 0;
    const plumb_status status = plumb__hash_file(path, &digest, NULL, &size_bytes, err);
    if (status == PLUMB_ERR_NOT_FOUND)
        return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: is listed in the inventory, but missing",
                           listed->name);
    PLUMB_TRY(status);
    if (size_bytes != listed->bytes)
        return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: has %llu bytes, but %llu were sealed",
                           listed->name, (unsigned long long)size_bytes,
                           (unsigned long long)listed->bytes);
    if (plumb__hash_equal(&digest, &listed->blake2b)) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_DIGEST, "%s: its bytes are not those that were sealed",
                       listed->name);
}

static bool same_layer(const plumb__layer_row *a, const plumb__layer_row *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->kind, b->kind) == 0 && a->depth == b->depth &&
           a->rows == b->rows && a->cols == b->cols && a->params == b->params &&
           a->weight == b->weight && a->use == b->use && a->n_uses == b->n_uses;
}

static plumb_status check_layers(const plumb__record *record, const plumb__h5_reader *reader,
                                 const char *name, plumb_error *err)
{
    const plumb__layer_row *rows = plumb__h5_layers(reader);
    const size_t n = plumb__h5_layer_count(reader);
    if (n != record->run->n_layers)
        return plumb__fail(err, PLUMB_ERR_MISMATCH, "%s: has %zu layers, but run.json has %zu",
                           name, n, record->run->n_layers);
    for (size_t i = 0; i < n; i++)
        if (!same_layer(&rows[i], &record->run->layers[i]))
            return plumb__fail(err, PLUMB_ERR_MISMATCH,
                               "%s: layer %zu is not the one that run.json has (%s)", name, i + 1,
                               record->run->layers[i].name);
    if (strcmp(plumb__h5_run_id(reader), record->run->run_id) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_MISMATCH, "%s: belongs to run %.32s", name,
                       plumb__h5_run_id(reader));
}

static plumb_status open_file(const plumb__record *record, const plumb__inventory_file *listed,
                              bool hash, plumb__h5_reader **reader, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, record->dir, listed->name, err));
    if (hash) PLUMB_TRY(check_digest(listed, path, err));
    PLUMB_TRY(plumb__h5_open(path, reader, err));
    const plumb_status status = check_layers(record, *reader, listed->name, err);
    if (status == PLUMB_OK) return PLUMB_OK;
    plumb__h5_reader_free(*reader);
    *reader = NULL;
    return status;
}

static plumb_status open_graph(plumb__record *record, plumb_error *err)
{
    const plumb__inventory_file *listed =
        plumb__inventory_find(&record->seals.last, "provenance.h5");
    if (listed == NULL)
        return plumb__fail(
            err, PLUMB_ERR_CORRUPT,
            "seals.jsonl line %zu: the run is merged, but provenance.h5 is not listed",
            record->seals.n);
    PLUMB_TRY(open_file(record, listed, true, &record->graph, err));
    return note_file_rewinds(record, record->graph, err);
}

/* The journal comes first: a leaf moves from it to a segment, never back, so none is missed. */
static plumb_status open_sources(plumb__record *record, plumb_error *err)
{
    PLUMB_TRY(read_part(record->dir, "head", PLUMB__MAX_HEAD_BYTES, &record->head, err));
    const plumb_status scanned =
        plumb__journal_scan(record->dir, note_frame_rewind, record, &record->journal, err);
    PLUMB_TRY(read_seals(record, scanned == PLUMB_OK ? err : NULL));
    if (record->seals.last.state != PLUMB__SEAL_OPEN) return open_graph(record, err);
    PLUMB_TRY(scanned); /* merged and closed runs need no journal: it may be half gone */
    PLUMB_TRY(list_segments(record, err));
    for (size_t i = 0; i < record->n_segments; i++) {
        plumb__h5_reader *reader = NULL;
        PLUMB_TRY(open_file(record, record->segments[i], true, &reader, err));
        const plumb_status status = note_file_rewinds(record, reader, err);
        plumb__h5_reader_free(reader);
        PLUMB_TRY(status);
    }
    return PLUMB_OK;
}

plumb_status plumb__record_open(const char *dir, const plumb__run_json *run, plumb__record **out,
                                plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    plumb__record *record = NULL;
    PLUMB_TRY(plumb__alloc(&record, 1, sizeof *record, "record", err));
    record->run = run;
    if (snprintf(record->dir, sizeof record->dir, "%s", dir) >= (int)sizeof record->dir)
        status = plumb__fail(err, PLUMB_ERR_LIMIT, "the path of the bundle is too long");
    else
        status = open_sources(record, err);
    if (status != PLUMB_OK) {
        plumb__record_free(record);
        return status;
    }
    *out = record;
    return PLUMB_OK;
}

void plumb__record_free(plumb__record *record)
{
    if (record == NULL) return;
    plumb__h5_reader_free(record->graph);
    plumb__seal_lines_free(&record->seals);
    plumb__free(record->segments);
    plumb__free(record->rewinds);
    plumb__bytes_free(&record->head);
    plumb__free(record);
}

plumb__h5_reader *plumb__record_graph(plumb__record *record)
{
    return record->graph;
}

const plumb__inventory *plumb__record_inventory(const plumb__record *record)
{
    return &record->seals.last;
}

const plumb__bytes *plumb__record_head(const plumb__record *record)
{
    return &record->head;
}

size_t plumb__record_torn_seal(const plumb__record *record)
{
    return record->seals.data.size - record->seals.whole_bytes;
}

const plumb__journal_summary *plumb__record_journal(const plumb__record *record)
{
    return &record->journal;
}

/* Every seal replaces the head and appends a line; creating and closing do too. */
bool plumb__record_moved(const char *dir, const plumb__bytes *head)
{
    plumb__bytes now = {0};
    const plumb_status status = read_part(dir, "head", PLUMB__MAX_HEAD_BYTES, &now, NULL);
    const bool same = status == PLUMB_OK && now.size == head->size &&
                      (now.size == 0 || memcmp(now.data, head->data, now.size) == 0);
    plumb__bytes_free(&now);
    return !same;
}

/* ---- walking ------------------------------------------------------------------------------ */

typedef struct walk {
    plumb__record *record;
    plumb__record_want_fn *want;
    plumb__record_fn *visit;
    void *ctx;
    uint64_t next_leaf;
    bool visitor_failed;
    bool catching_up; /* leaves visited before are passed over (W4) */
    uint64_t next_segment;
    size_t next_line;
    plumb__step_arrays *arrays;
} walk;

static plumb_status give(walk *w, plumb__record_leaf *item, plumb_error *err)
{
    item->repeated = item->leaf < w->next_leaf;
    if (!item->repeated) w->next_leaf = item->leaf + 1;
    const plumb_status status = w->visit(item, w->ctx, err);
    w->visitor_failed = status != PLUMB_OK;
    return status;
}

/* Gives the inventories up to `leaf`, then demands that `leaf` is the next one or known (W1). */
static plumb_status advance_to(walk *w, uint64_t leaf, plumb_error *err)
{
    const plumb__record *r = w->record;
    while (w->next_line < r->seals.n && r->seals.lines[w->next_line].leaf <= w->next_leaf) {
        const plumb__seal_line *line = &r->seals.lines[w->next_line++];
        plumb__record_leaf item = {
            .kind = PLUMB__LEAF_INVENTORY, .leaf = line->leaf, .payload = line->text, .n = line->n};
        PLUMB_TRY(give(w, &item, err));
    }
    if (leaf <= w->next_leaf || leaf == UINT64_MAX) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_CORRUPT,
                       "the record has leaf %llu where leaf %llu should follow",
                       (unsigned long long)leaf, (unsigned long long)w->next_leaf);
}

static plumb_status give_step(walk *w, plumb__h5_reader *reader, uint64_t i, plumb_error *err)
{
    const plumb__h5_step_row *row = &plumb__h5_steps(reader)[i];
    if (w->catching_up && row->leaf < w->next_leaf) return PLUMB_OK;
    PLUMB_TRY(advance_to(w, row->leaf, err));
    if (w->want != NULL && !w->want(i, row, w->ctx)) {
        w->next_leaf = row->leaf + 1;
        return PLUMB_OK;
    }
    plumb__step step;
    PLUMB_TRY(plumb__h5_step(reader, i, &step, err));
    plumb__record_leaf item = {.kind = PLUMB__LEAF_STEP,
                               .leaf = row->leaf,
                               .time_ns = row->time_ns,
                               .superseded =
                                   is_superseded(w->record, row->leaf, row->attempt, row->step),
                               .marked_superseded = row->superseded,
                               .step = &step};
    return give(w, &item, err);
}

static plumb_status walk_file(walk *w, plumb__h5_reader *reader, plumb_error *err)
{
    const uint64_t n_steps = plumb__h5_step_count(reader);
    const size_t n_texts = plumb__h5_text_count(reader);
    const plumb__h5_step_row *rows = plumb__h5_steps(reader);
    const plumb__h5_text *texts = plumb__h5_texts(reader);
    uint64_t s = 0;
    size_t t = 0;
    while (s < n_steps || t < n_texts) {
        if (t == n_texts || (s < n_steps && rows[s].leaf < texts[t].leaf)) {
            PLUMB_TRY(give_step(w, reader, s++, err));
            continue;
        }
        const plumb__h5_text *text = &texts[t++];
        if (w->catching_up && text->leaf < w->next_leaf) continue;
        plumb__record_leaf item = {.kind = text->kind,
                                   .leaf = text->leaf,
                                   .time_ns = text->time_ns,
                                   .payload = text->payload,
                                   .n = text->n};
        PLUMB_TRY(advance_to(w, text->leaf, err));
        PLUMB_TRY(give(w, &item, err));
    }
    return PLUMB_OK;
}

static plumb_status walk_frame(const plumb__frame *frame, void *ctx, plumb_error *err)
{
    walk *w = ctx;
    plumb__step step;
    plumb__record_leaf item = {.kind = frame->kind,
                               .leaf = frame->leaf,
                               .time_ns = frame->time_ns,
                               .in_journal = true,
                               .payload = frame->payload,
                               .n = frame->payload_bytes};
    if (w->catching_up && frame->leaf < w->next_leaf) return PLUMB_OK;
    PLUMB_TRY(advance_to(w, frame->leaf, err));
    if (frame->kind != PLUMB__LEAF_STEP || frame->leaf < w->next_leaf) return give(w, &item, err);
    PLUMB_TRY(plumb__step_decode(frame->payload, frame->payload_bytes, &step, &w->arrays, err));
    if (step.n_uses != w->record->run->n_layers)
        return plumb__fail(err, PLUMB_ERR_MISMATCH, "step %llu has %u layers, but run.json has %zu",
                           (unsigned long long)step.step, step.n_uses, w->record->run->n_layers);
    item.step = &step;
    item.superseded = is_superseded(w->record, frame->leaf, step.attempt, step.step);
    return give(w, &item, err);
}

static plumb_status walk_segments(walk *w, plumb_error *err)
{
    for (size_t i = 0; i < w->record->n_segments; i++) {
        plumb__h5_reader *reader = NULL;
        const uint64_t number = segment_number(w->record->segments[i]);
        if (number < w->next_segment) continue;
        PLUMB_TRY(open_file(w->record, w->record->segments[i], w->catching_up, &reader, err));
        const plumb_status status = walk_file(w, reader, err);
        plumb__h5_reader_free(reader);
        PLUMB_TRY(status);
        w->next_segment = number + 1;
    }
    return PLUMB_OK;
}

/* What became of the bundle since its inventories were read. */
typedef enum progress { UNCHANGED, GROWN, CLOSING } progress;

/* Takes over what seals.jsonl has now, if it has more and the run is still open. */
static progress refresh(plumb__record *record)
{
    plumb__record now = {.run = record->run};
    char path[PLUMB__PATH_BYTES];
    uint64_t size_bytes = 0;
    memcpy(now.dir, record->dir, sizeof now.dir);
    if (plumb__path_join(path, now.dir, "seals.jsonl", NULL) != PLUMB_OK ||
        plumb__file_size(path, &size_bytes, NULL) != PLUMB_OK ||
        size_bytes == record->seals.data.size)
        return UNCHANGED;
    const bool more = read_seals(&now, NULL) == PLUMB_OK && now.seals.n > record->seals.n;
    const bool closing = more && now.seals.last.state != PLUMB__SEAL_OPEN;
    const bool grown = more && !closing && list_segments(&now, NULL) == PLUMB_OK;
    if (grown) {
        const plumb__record old = *record;
        record->seals = now.seals;
        record->segments = now.segments;
        record->n_segments = now.n_segments;
        now = (plumb__record){.seals = old.seals, .segments = old.segments};
    }
    plumb__seal_lines_free(&now.seals);
    plumb__free(now.segments);
    return grown ? GROWN : closing ? CLOSING : UNCHANGED;
}

static plumb_status walk_open(walk *w, plumb_error *err)
{
    for (;;) {
        const uint64_t before = w->next_leaf;
        plumb_status status = walk_segments(w, err);
        if (status == PLUMB_OK)
            status = plumb__journal_scan(w->record->dir, walk_frame, w, &w->record->journal, err);
        const bool gap = status == PLUMB_ERR_CORRUPT || status == PLUMB_ERR_NOT_FOUND;
        if (w->visitor_failed || (status != PLUMB_OK && !gap)) return status;
        if (gap && w->catching_up && w->next_leaf == before) return status;
        /* Even without a gap: the journal may have been emptied into a segment before it was read.
         */
        const progress now = refresh(w->record);
        if (now == CLOSING)
            return plumb__fail(err, PLUMB_ERR_CORRUPT, "the run was closed while it was read");
        if (now == UNCHANGED) return status;
        w->catching_up = true;
    }
}

plumb_status plumb__record_walk(plumb__record *record, plumb__record_want_fn *want,
                                plumb__record_fn *visit, void *ctx, plumb_error *err)
{
    walk w = {.record = record, .want = want, .visit = visit, .ctx = ctx, .next_leaf = 1};
    plumb_status status = PLUMB_OK;
    if (record->graph != NULL)
        PLUMB_TRY_CLEAN(walk_file(&w, record->graph, err));
    else
        PLUMB_TRY_CLEAN(walk_open(&w, err));
    PLUMB_TRY_CLEAN(advance_to(&w, UINT64_MAX, err));
    if (w.next_line < record->seals.n)
        status =
            plumb__fail(err, PLUMB_ERR_CORRUPT,
                        "seals.jsonl line %zu is leaf %llu, but the record ends at leaf %llu",
                        w.next_line + 1, (unsigned long long)record->seals.lines[w.next_line].leaf,
                        (unsigned long long)w.next_leaf);
cleanup:
    plumb__step_arrays_free(w.arrays);
    return status;
}
