/* Sources of leaves, in the order in which they follow each other:
 *   provenance.h5, or segments/0.h5, 1.h5, …;
 *   the journal, whose first leaves may be in a segment already (a seal was interrupted);
 *   seals.jsonl, for inventories that no segment can hold because they list it.
 * Invariants:
 *   W1  leaves are visited in rising order without a gap, each once;
 *   W2  nothing on disk changes and no lock is taken. */
#include "provenance/record.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

typedef struct rewind_leaf {
    uint64_t leaf, to;
    uint32_t attempt;
} rewind_leaf;

typedef struct seal_line {
    size_t at, n;
    uint64_t leaf;
} seal_line;

struct plumb__record {
    char dir[PLUMB__PATH_BYTES];
    size_t n_uses;
    plumb__h5_reader *graph;
    uint64_t *segments;
    size_t n_segments, segment_capacity;
    rewind_leaf *rewinds;
    size_t n_rewinds, rewind_capacity;
    plumb__bytes seals;
    seal_line *lines;
    size_t n_lines, line_capacity;
    plumb__journal_summary journal;
    plumb__hash head;
};

/* ---- what lies there ---------------------------------------------------------------------- */

static int by_number(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* Names that are not NUMBER.h5 are no segments; verification judges them against the inventory. */
static bool segment_number(const char *name, uint64_t *number)
{
    const size_t digits = strspn(name, "0123456789");
    if (digits == 0 || digits > 18 || strcmp(name + digits, ".h5") != 0) return false;
    *number = strtoull(name, NULL, 10);
    return true;
}

static plumb_status note_segment(const char *relative, uint64_t size_bytes, void *ctx,
                                 plumb_error *err)
{
    plumb__record *record = ctx;
    uint64_t number = 0;
    (void)size_bytes;
    if (!segment_number(relative, &number)) return PLUMB_OK;
    PLUMB_TRY(plumb__grow(&record->segments, &record->segment_capacity, record->n_segments + 1,
                          sizeof *record->segments, "segments", err));
    record->segments[record->n_segments++] = number;
    return PLUMB_OK;
}

static plumb_status list_segments(plumb__record *record, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, record->dir, "segments", err));
    if (!plumb__path_exists(path)) return PLUMB_OK;
    PLUMB_TRY(plumb__dir_walk(path, PLUMB__MAX_SEGMENTS, note_segment, record, err));
    if (record->n_segments > 1)
        qsort(record->segments, record->n_segments, sizeof *record->segments, by_number);
    return PLUMB_OK;
}

static plumb_status segment_path(const plumb__record *record, size_t i, char *path,
                                 plumb_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "segments/%llu.h5", (unsigned long long)record->segments[i]);
    return plumb__path_join(path, record->dir, name, err);
}

static plumb_status read_head(const char *dir, plumb__hash *digest, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, dir, "head", err));
    return plumb__hash_file(path, digest, NULL, NULL, err);
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
        (rewind_leaf){ .leaf = leaf, .to = (uint64_t)to, .attempt = (uint32_t)attempt };
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
        if (record->rewinds[i].leaf == frame->leaf) return PLUMB_OK; /* in a segment too */
    return note_rewind(record, frame->leaf, frame->payload, frame->payload_bytes, err);
}

/* A last line without LF is a write in progress (open runs): verification judges it. */
static plumb_status read_seals(plumb__record *record, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, record->dir, "seals.jsonl", err));
    if (!plumb__path_exists(path)) return PLUMB_OK;
    PLUMB_TRY(plumb__file_read_nofollow(path, PLUMB__MAX_SEALS_BYTES, &record->seals, err));
    for (size_t at = 0; at < record->seals.size;) {
        const uint8_t *line = record->seals.data + at;
        const uint8_t *end = memchr(line, '\n', record->seals.size - at);
        if (end == NULL) return PLUMB_OK;
        const size_t n = (size_t)(end - line);
        json_t *json = NULL;
        int64_t leaf = 0;
        char what[64];
        snprintf(what, sizeof what, "seals.jsonl line %zu", record->n_lines + 1);
        PLUMB_TRY(plumb__json_parse(what, line, n, &json, err));
        plumb_status status = plumb__json_integer(what, json, "leaf", true, &leaf, err);
        json_decref(json);
        PLUMB_TRY(status);
        if (leaf < 1 ||
            (record->n_lines > 0 && (uint64_t)leaf <= record->lines[record->n_lines - 1].leaf))
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: leaf %lld is out of order", what,
                               (long long)leaf);
        PLUMB_TRY(plumb__grow(&record->lines, &record->line_capacity, record->n_lines + 1,
                              sizeof *record->lines, "inventories", err));
        record->lines[record->n_lines++] = (seal_line){ at, n, (uint64_t)leaf };
        at += n + 1;
    }
    return PLUMB_OK;
}

/* ---- opening ------------------------------------------------------------------------------ */

static plumb_status open_file(const plumb__record *record, const char *path,
                              plumb__h5_reader **reader, plumb_error *err)
{
    PLUMB_TRY(plumb__h5_open(path, reader, err));
    const size_t uses = plumb__h5_layer_count(*reader);
    if (uses == record->n_uses) return PLUMB_OK;
    plumb__h5_reader_free(*reader);
    *reader = NULL;
    return plumb__fail(err, PLUMB_ERR_MISMATCH, "%s: has %zu layers, but run.json has %zu", path,
                       uses, record->n_uses);
}

static plumb_status open_sources(plumb__record *record, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    PLUMB_TRY(plumb__path_join(path, record->dir, "provenance.h5", err));
    if (plumb__path_exists(path)) {
        PLUMB_TRY(open_file(record, path, &record->graph, err));
        return note_file_rewinds(record, record->graph, err);
    }
    PLUMB_TRY(list_segments(record, err));
    for (size_t i = 0; i < record->n_segments; i++) {
        plumb__h5_reader *reader = NULL;
        PLUMB_TRY(segment_path(record, i, path, err));
        PLUMB_TRY(open_file(record, path, &reader, err));
        const plumb_status status = note_file_rewinds(record, reader, err);
        plumb__h5_reader_free(reader);
        PLUMB_TRY(status);
    }
    return PLUMB_OK;
}

plumb_status plumb__record_open(const char *dir, size_t n_uses, plumb__record **out,
                                plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    plumb__record *record = NULL;
    PLUMB_TRY(plumb__alloc(&record, 1, sizeof *record, "record", err));
    record->n_uses = n_uses;
    if (snprintf(record->dir, sizeof record->dir, "%s", dir) >= (int)sizeof record->dir) {
        status = plumb__fail(err, PLUMB_ERR_LIMIT, "the path of the bundle is too long");
        goto cleanup;
    }
    PLUMB_TRY_CLEAN(read_head(dir, &record->head, err));
    PLUMB_TRY_CLEAN(open_sources(record, err));
    PLUMB_TRY_CLEAN(plumb__journal_scan(dir, note_frame_rewind, record, &record->journal, err));
    PLUMB_TRY_CLEAN(read_seals(record, err));
    *out = record;
    return PLUMB_OK;
cleanup:
    plumb__record_free(record);
    return status;
}

void plumb__record_free(plumb__record *record)
{
    if (record == NULL) return;
    plumb__h5_reader_free(record->graph);
    plumb__free(record->segments);
    plumb__free(record->rewinds);
    plumb__free(record->lines);
    plumb__bytes_free(&record->seals);
    plumb__free(record);
}

plumb__h5_reader *plumb__record_graph(plumb__record *record) { return record->graph; }

size_t plumb__record_rewinds(const plumb__record *record) { return record->n_rewinds; }

size_t plumb__record_seal_count(const plumb__record *record) { return record->n_lines; }

const char *plumb__record_seal(const plumb__record *record, size_t i, size_t *n, uint64_t *leaf)
{
    *n = record->lines[i].n;
    *leaf = record->lines[i].leaf;
    return (const char *)record->seals.data + record->lines[i].at;
}

const plumb__journal_summary *plumb__record_journal(const plumb__record *record)
{
    return &record->journal;
}

bool plumb__record_moved(const plumb__record *record)
{
    plumb__record now = { .n_uses = record->n_uses };
    char path[PLUMB__PATH_BYTES];
    memcpy(now.dir, record->dir, sizeof now.dir);
    bool moved = read_head(now.dir, &now.head, NULL) != PLUMB_OK ||
                 !plumb__hash_equal(&now.head, &record->head);
    if (plumb__path_join(path, now.dir, "provenance.h5", NULL) == PLUMB_OK)
        moved = moved || plumb__path_exists(path) != (record->graph != NULL);
    if (record->graph == NULL)
        moved = moved || list_segments(&now, NULL) != PLUMB_OK ||
                now.n_segments != record->n_segments;
    plumb__free(now.segments);
    return moved;
}

/* ---- walking ------------------------------------------------------------------------------ */

typedef struct walk {
    plumb__record *record;
    plumb__record_want_fn *want;
    plumb__record_fn *visit;
    void *ctx;
    uint64_t next_leaf, units;
    size_t next_line;
    plumb__step_arrays *arrays;
} walk;

static plumb_status visit_text(walk *w, plumb__leaf_kind kind, uint64_t leaf, int64_t time_ns,
                               bool in_journal, const void *payload, size_t n, plumb_error *err)
{
    const plumb__record_leaf item = { .kind = kind,
                                      .leaf = leaf,
                                      .time_ns = time_ns,
                                      .in_journal = in_journal,
                                      .payload = payload,
                                      .n = n,
                                      .units_before = w->units };
    w->next_leaf = leaf + 1;
    return w->visit(&item, w->ctx, err);
}

/* Inventories before `leaf` that only seals.jsonl has; then `leaf` must be the next one (W1). */
static plumb_status advance_to(walk *w, uint64_t leaf, plumb_error *err)
{
    const plumb__record *r = w->record;
    while (w->next_line < r->n_lines && r->lines[w->next_line].leaf <= w->next_leaf) {
        const seal_line *line = &r->lines[w->next_line];
        if (line->leaf == leaf) break; /* also where the caller found it */
        w->next_line++;
        if (line->leaf == w->next_leaf)
            PLUMB_TRY(visit_text(w, PLUMB__LEAF_INVENTORY, line->leaf, 0, false,
                                 r->seals.data + line->at, line->n, err));
    }
    if (leaf == UINT64_MAX || leaf == w->next_leaf) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_CORRUPT,
                       "the record has leaf %llu where leaf %llu should follow",
                       (unsigned long long)leaf, (unsigned long long)w->next_leaf);
}

static plumb_status visit_file_step(walk *w, plumb__h5_reader *reader, uint64_t i,
                                    plumb_error *err)
{
    const plumb__h5_step_row *row = &plumb__h5_steps(reader)[i];
    PLUMB_TRY(advance_to(w, row->leaf, err));
    w->next_leaf = row->leaf + 1;
    plumb_status status = PLUMB_OK;
    if (w->want == NULL || w->want(i, row, w->ctx)) {
        plumb__step step;
        PLUMB_TRY(plumb__h5_step(reader, i, &step, err));
        const plumb__record_leaf item = {
            .kind = PLUMB__LEAF_STEP,
            .leaf = row->leaf,
            .time_ns = row->time_ns,
            .superseded = is_superseded(w->record, row->leaf, row->attempt, row->step),
            .marked_superseded = row->superseded,
            .units_before = w->units,
            .step = &step
        };
        status = w->visit(&item, w->ctx, err);
    }
    w->units += row->units;
    return status;
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
            PLUMB_TRY(visit_file_step(w, reader, s++, err));
            continue;
        }
        const plumb__h5_text *text = &texts[t++];
        PLUMB_TRY(advance_to(w, text->leaf, err));
        PLUMB_TRY(visit_text(w, text->kind, text->leaf, text->time_ns, false, text->payload,
                             text->n, err));
    }
    return PLUMB_OK;
}

static plumb_status walk_frame(const plumb__frame *frame, void *ctx, plumb_error *err)
{
    walk *w = ctx;
    if (frame->leaf < w->next_leaf) return PLUMB_OK; /* leaf 0, or sealed already */
    PLUMB_TRY(advance_to(w, frame->leaf, err));
    if (frame->kind != PLUMB__LEAF_STEP)
        return visit_text(w, frame->kind, frame->leaf, frame->time_ns, true, frame->payload,
                          frame->payload_bytes, err);
    plumb__step step;
    PLUMB_TRY(plumb__step_decode(frame->payload, frame->payload_bytes, &step, &w->arrays, err));
    if (step.n_uses != w->record->n_uses)
        return plumb__fail(err, PLUMB_ERR_MISMATCH,
                           "step %llu has %u layers, but run.json has %zu",
                           (unsigned long long)step.step, step.n_uses, w->record->n_uses);
    const plumb__record_leaf item = {
        .kind = PLUMB__LEAF_STEP,
        .leaf = frame->leaf,
        .time_ns = frame->time_ns,
        .in_journal = true,
        .superseded = is_superseded(w->record, frame->leaf, step.attempt, step.step),
        .units_before = w->units,
        .step = &step
    };
    w->next_leaf = frame->leaf + 1;
    w->units += step.n_units;
    return w->visit(&item, w->ctx, err);
}

static plumb_status walk_segments(walk *w, plumb_error *err)
{
    for (size_t i = 0; i < w->record->n_segments; i++) {
        char path[PLUMB__PATH_BYTES];
        plumb__h5_reader *reader = NULL;
        PLUMB_TRY(segment_path(w->record, i, path, err));
        PLUMB_TRY(open_file(w->record, path, &reader, err));
        const plumb_status status = walk_file(w, reader, err);
        plumb__h5_reader_free(reader);
        PLUMB_TRY(status);
    }
    return PLUMB_OK;
}

plumb_status plumb__record_walk(plumb__record *record, plumb__record_want_fn *want,
                                plumb__record_fn *visit, void *ctx, plumb_error *err)
{
    walk w = { .record = record, .want = want, .visit = visit, .ctx = ctx, .next_leaf = 1 };
    plumb_status status = PLUMB_OK;
    if (record->graph != NULL) PLUMB_TRY_CLEAN(walk_file(&w, record->graph, err));
    PLUMB_TRY_CLEAN(walk_segments(&w, err));
    PLUMB_TRY_CLEAN(plumb__journal_scan(record->dir, walk_frame, &w, &record->journal, err));
    PLUMB_TRY_CLEAN(advance_to(&w, UINT64_MAX, err));
cleanup:
    plumb__step_arrays_free(w.arrays);
    return status;
}
