/* Items as record lines: canonical JSON, the file whole or not at all. */
#include "base/alloc.h"
#include "base/file.h"
#include "manifest/import/collect.h"

#include <fcntl.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)1 << 20)
#define MAX_LINE_BYTES ((size_t)16 << 20)

typedef struct writer {
    const plumb__collection *c;
    const plumb__consensus *agreed;
    json_t *const *names;
    const plumb_import_options *options;
    int fd;
    char path[PLUMB__PATH_BYTES];
    plumb__bytes out;
    uint64_t *records, *undecided;
} writer;

/* ---- one record ---- */

static const char *id_of(const writer *w, uint32_t number)
{
    return plumb__intern_text(&w->c->ids, number);
}

static json_t *parse_kept(const plumb__collection *c, uint32_t text)
{
    return json_loadb(plumb__intern_text(&c->strings, text),
                      plumb__intern_length(&c->strings, text), 0, NULL);
}

/* annotations and annotators; each annotator once, in the order of reading. */
static void add_annotations(const writer *w, const plumb__item *item, json_t *record)
{
    json_t *all = json_array(), *who = json_array(), *seen = json_object();
    for (uint32_t i = item->first; i != PLUMB__NONE; i = w->c->said[i].next) {
        const plumb__said *said = &w->c->said[i];
        json_t *one = parse_kept(w->c, said->text);
        if (said->annotator != PLUMB__NONE) {
            json_t *name = w->names[said->annotator];
            json_object_set(one, "annotator", name);
            if (json_object_get(seen, json_string_value(name)) == NULL) {
                json_array_append(who, name);
                json_object_set(seen, json_string_value(name), name);
            }
        }
        if (json_object_size(one) > 0) json_array_append(all, one);
        json_decref(one);
    }
    if (json_array_size(all) > 0) json_object_set(record, "annotations", all);
    if (json_array_size(who) > 0) json_object_set(record, "annotators", who);
    json_decref(seen);
    json_decref(who);
    json_decref(all);
}

static double clamped(double x)
{
    return isnan(x) ? NAN : fmin(fmax(x, 0.0), 1.0);
}

static double score(const plumb__judgement *j, plumb_import_score from)
{
    if (from == PLUMB_IMPORT_SCORE_AGREEMENT) return clamped(j->alpha);
    return from == PLUMB_IMPORT_SCORE_CONSENSUS ? clamped(j->share) : NAN;
}

/* The label, and who gave it: of several annotators some may have said otherwise. */
static void add_label(const writer *w, uint32_t number, json_t *record)
{
    const plumb__consensus *agreed = w->agreed;
    const uint32_t value = agreed->items[number].value;
    json_t *who = json_array();
    for (uint32_t k = agreed->start[number]; k < agreed->start[number + 1]; k++) {
        if (agreed->said[k] == value && agreed->rater[k] < agreed->n_annotators)
            json_array_append(who, w->names[agreed->rater[k]]);
    }
    json_object_set_new(record, "label",
                        json_string(plumb__intern_text(&w->c->values, agreed->order[value])));
    if (json_array_size(who) > 0) json_object_set(record, "label_annotators", who);
    json_decref(who);
}

static void add_judgement(const writer *w, uint32_t number, json_t *record)
{
    const plumb__judgement *j = &w->agreed->items[number];
    const double quality = score(j, w->options->quality_from);
    const double weight = score(j, w->options->weight_from);
    if (j->raters > 0) {
        json_t *agreement = json_pack("{s:I}", "raters", (json_int_t)j->raters);
        if (!isnan(j->alpha)) json_object_set_new(agreement, "alpha", json_real(j->alpha));
        json_object_set_new(record, "agreement", agreement);
    }
    if (j->value != PLUMB__NONE) add_label(w, number, record);
    if (!isnan(quality)) json_object_set_new(record, "quality", json_real(quality));
    if (!isnan(weight)) json_object_set_new(record, "weight", json_real(weight));
}

/* left and right become chosen and rejected as the label says; false: it does not say. */
static bool decide_pair(json_t *record)
{
    json_t *left = json_object_get(record, "left"), *right = json_object_get(record, "right");
    const char *label = json_string_value(json_object_get(record, "label"));
    if (left == NULL) return true;
    const bool is_left = label != NULL && strcmp(label, "left") == 0;
    if (!is_left && (label == NULL || strcmp(label, "right") != 0)) return false;
    json_object_set(record, "chosen", is_left ? left : right);
    json_object_set(record, "rejected", is_left ? right : left);
    json_object_del(record, "left");
    json_object_del(record, "right");
    return true;
}

/* What enters training where it is not one text: the parts as one canonical JSON object. */
static plumb_status add_content(const plumb__item *item, json_t *record, plumb_error *err)
{
    static const char *const parts[] = {"messages", "prompt", "chosen", "rejected"};
    plumb__hash sha256 = item->sha256;
    uint64_t bytes = item->bytes;
    char hex[PLUMB__HASH_HEX_BYTES];
    if (bytes == PLUMB__NO_BYTES) {
        plumb__bytes text = {0};
        json_t *whole = json_object();
        for (int i = 0; i < 4; i++) {
            json_t *part = json_object_get(record, parts[i]);
            if (part != NULL) json_object_set(whole, parts[i], part);
        }
        const plumb_status status = plumb__json_dump(whole, &text, err);
        json_decref(whole);
        if (status == PLUMB_OK) sha256 = plumb__sha256(text.data, text.size);
        bytes = text.size;
        plumb__bytes_free(&text);
        PLUMB_TRY(status);
    }
    plumb__hash_hex(&sha256, hex);
    json_object_set_new(record, "content",
                        json_pack("{s:s,s:I}", "sha256", hex, "bytes", (json_int_t)bytes));
    return PLUMB_OK;
}

static plumb_status add_segments(const writer *w, const plumb__item *item, json_t *record,
                                 plumb_error *err)
{
    json_t *segments = NULL;
    if (!w->c->mapping->segments) return PLUMB_OK;
    PLUMB_TRY(plumb__spans_segments(w->c, item, w->names, &segments, err));
    if (segments != NULL) json_object_set_new(record, "segments", segments);
    return PLUMB_OK;
}

/* The record of an item; *out NULL when it is a pair that nobody decided. */
static plumb_status make_record(const writer *w, uint32_t number, json_t **out, plumb_error *err)
{
    const plumb__item *item = &w->c->items[number];
    const uint32_t rubric = plumb__item_rubric(w->c, item);
    json_t *record = parse_kept(w->c, item->body);
    *out = NULL;
    if (record == NULL) return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a record");
    json_object_set_new(record, "id", json_string(id_of(w, number)));
    if (rubric != PLUMB__NONE) {
        const char *name = plumb__intern_text(&w->c->strings, rubric);
        json_object_set_new(record, "rubric", json_string(name));
    }
    add_annotations(w, item, record);
    add_judgement(w, number, record);
    if (!decide_pair(record)) {
        json_decref(record);
        return PLUMB_OK;
    }
    plumb_status status = add_content(item, record, err);
    if (status == PLUMB_OK) status = add_segments(w, item, record, err);
    if (status == PLUMB_OK) {
        *out = record;
    } else {
        json_decref(record);
    }
    return status;
}

/* ---- the file ---- */

static plumb_status write_record(writer *w, uint32_t number, plumb_error *err)
{
    json_t *record;
    const size_t start = w->out.size;
    PLUMB_TRY(make_record(w, number, &record, err));
    if (record == NULL) {
        ++*w->undecided;
        return PLUMB_OK;
    }
    const plumb_status status = plumb__json_dump(record, &w->out, err);
    json_decref(record);
    PLUMB_TRY(status);
    if (w->out.size - start > MAX_LINE_BYTES) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "the record of \"%s\" has %zu bytes, at most %zu; leave its text out "
                           "(\"content\": {\"text\": false}) or annotate fewer at a time",
                           id_of(w, number), w->out.size - start, MAX_LINE_BYTES);
    }
    plumb__bytes_u8(&w->out, '\n');
    ++*w->records;
    if (w->out.size < CHUNK_BYTES) return plumb__bytes_check(&w->out, err);
    PLUMB_TRY(plumb__bytes_check(&w->out, err));
    PLUMB_TRY(plumb__fd_write_all(w->fd, w->out.data, w->out.size, w->path, err));
    plumb__bytes_clear(&w->out);
    return PLUMB_OK;
}

static plumb_status open_file(writer *w, const char *path, plumb_error *err)
{
    const int n = snprintf(w->path, sizeof w->path, "%s.tmp", path);
    if (n < 0 || (size_t)n >= sizeof w->path)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%.200s…: the path is too long", path);
    w->fd = open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    return w->fd >= 0 ? PLUMB_OK : plumb__fail_errno(err, "%s: cannot be written", w->path);
}

static plumb_status finish_file(writer *w, const char *path, plumb_error *err)
{
    char folder[PLUMB__PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    if (*w->records == 0)
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: there is no record in it",
                           w->options->input_path);
    PLUMB_TRY(plumb__fd_write_all(w->fd, w->out.data, w->out.size, w->path, err));
    PLUMB_TRY(plumb__fd_sync(w->fd, w->path, err));
    PLUMB_TRY(plumb__file_rename(w->path, path, err));
    w->path[0] = 0; /* nothing to take away any more */
    return plumb__dir_sync(dirname(folder), err);
}

plumb_status plumb__records_write(const plumb__collection *c, const plumb__consensus *agreed,
                                  json_t *const *names, const plumb_import_options *options,
                                  uint64_t *records, uint64_t *undecided, plumb_error *err)
{
    writer w = {.c = c,
                .agreed = agreed,
                .names = names,
                .options = options,
                .fd = -1,
                .records = records,
                .undecided = undecided};
    plumb_status status = open_file(&w, options->records_path, err);
    for (uint32_t i = 0; status == PLUMB_OK && i < c->n_items; i++)
        status = write_record(&w, i, err);
    if (status == PLUMB_OK) status = finish_file(&w, options->records_path, err);
    if (w.fd >= 0) {
        (void)close(w.fd);
        if (w.path[0] != 0) (void)unlink(w.path);
    }
    plumb__bytes_free(&w.out);
    return status;
}
