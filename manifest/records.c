#include "manifest/records.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define PLACE_BYTES 1100

/* ---- the file's form ---- */

static plumb_status check_line(const char *what, uint64_t number, const char *line, size_t n,
                               plumb_error *err)
{
    static const char bom[] = "\xef\xbb\xbf";
    if (n > PLUMB__RECORD_LINE_CAP) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: line %" PRIu64 " has more than %zu bytes",
                           what, number, PLUMB__RECORD_LINE_CAP);
    }
    if (memchr(line, '\r', n) != NULL) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: line %" PRIu64 " has a carriage return; lines end in LF alone",
                           what, number);
    }
    if (number == 1 && n >= 3 && memcmp(line, bom, 3) == 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: line 1 begins with a byte order mark; remove it", what);
    }
    size_t blank = 0;
    while (blank < n && (line[blank] == ' ' || line[blank] == '\t')) {
        blank++;
    }
    if (blank == n) {
        return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: line %" PRIu64 " is blank; remove it", what,
                           number);
    }
    return PLUMB_OK;
}

plumb_status plumb__lines_check(const char *what, const char *data, size_t n, uint64_t *lines,
                                plumb_error *err)
{
    uint64_t number = 0;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(data + at, '\n', n - at);
        number++;
        if (end == NULL) {
            return plumb__fail(err, PLUMB_ERR_TRUNCATED,
                               "%s: line %" PRIu64
                               ", the last, does not end in LF: the file is cut "
                               "short, or its last line end is missing",
                               what, number);
        }
        const size_t length = (size_t)(end - data) - at;
        PLUMB_TRY(check_line(what, number, data + at, length, err));
        at += length + 1;
    }
    if (number == 0) return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: has no records", what);
    if (number >= PLUMB_NO_RECORD) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: has %" PRIu64 " records, at most %u", what,
                           number, PLUMB_NO_RECORD - 1);
    }
    *lines = number;
    return PLUMB_OK;
}

/* ---- the columns ---- */

static plumb_status table_init(plumb__table *t, size_t n, plumb_error *err)
{
    static const char what[] = "record table";
    memset(t, 0, sizeof *t);
    t->rows = n;
    PLUMB_TRY(plumb__intern_init(&t->ids, err));
    PLUMB_TRY(plumb__intern_init(&t->strings, err));
    PLUMB_TRY(plumb__intern_init(&t->classes, err));
    PLUMB_TRY(plumb__intern_init(&t->annotator_sets, err));
    PLUMB_TRY(plumb__alloc(&t->line_start, n + 1, sizeof *t->line_start, what, err));
    PLUMB_TRY(plumb__alloc(&t->text, n, sizeof *t->text, what, err));
    PLUMB_TRY(plumb__alloc(&t->label, n, sizeof *t->label, what, err));
    PLUMB_TRY(plumb__alloc(&t->batch, n, sizeof *t->batch, what, err));
    PLUMB_TRY(plumb__alloc(&t->cohort, n, sizeof *t->cohort, what, err));
    PLUMB_TRY(plumb__alloc(&t->parent, n, sizeof *t->parent, what, err));
    PLUMB_TRY(plumb__alloc(&t->class_of, n, sizeof *t->class_of, what, err));
    PLUMB_TRY(plumb__alloc(&t->annotators_of, n, sizeof *t->annotators_of, what, err));
    PLUMB_TRY(plumb__alloc(&t->quality, n, sizeof *t->quality, what, err));
    PLUMB_TRY(plumb__alloc(&t->sha256, n, sizeof *t->sha256, what, err));
    PLUMB_TRY(plumb__alloc(&t->content_bytes, n, sizeof *t->content_bytes, what, err));
    return plumb__alloc(&t->segment_start, n + 1, sizeof *t->segment_start, what, err);
}

void plumb__table_free(plumb__table *t)
{
    plumb__intern_free(&t->ids);
    plumb__intern_free(&t->strings);
    plumb__intern_free(&t->classes);
    plumb__intern_free(&t->annotator_sets);
    plumb__free(t->line_start);
    plumb__free(t->text);
    plumb__free(t->label);
    plumb__free(t->batch);
    plumb__free(t->cohort);
    plumb__free(t->parent);
    plumb__free(t->class_of);
    plumb__free(t->annotators_of);
    plumb__free(t->quality);
    plumb__free(t->sha256);
    plumb__free(t->content_bytes);
    plumb__free(t->withdrawn_s);
    plumb__free(t->segment_start);
    plumb__free(t->segments);
    plumb__free(t->segment_refs);
    plumb__free(t->annotators);
    plumb__free(t->annotator_start);
    memset(t, 0, sizeof *t);
}

uint64_t plumb__table_memory(const plumb__table *t)
{
    const size_t row = sizeof *t->line_start + 7 * sizeof *t->text + sizeof *t->quality +
                       sizeof *t->sha256 + sizeof *t->content_bytes + sizeof *t->segment_start;
    const size_t sets = t->annotator_sets.n;
    const size_t lists = t->annotator_start != NULL ? t->annotator_start[sets] : 0;
    return (uint64_t)t->n * row + plumb__intern_memory(&t->ids) +
           plumb__intern_memory(&t->strings) + plumb__intern_memory(&t->classes) +
           plumb__intern_memory(&t->annotator_sets) + t->segments_capacity * sizeof *t->segments +
           lists * sizeof *t->annotators + (sets + 1) * sizeof *t->annotator_start +
           (t->withdrawn_s != NULL ? t->rows * sizeof *t->withdrawn_s : 0);
}

plumb_status plumb__table_withdraw(plumb__table *t, uint32_t number, int64_t at_s, plumb_error *err)
{
    if (t->withdrawn_s == NULL) {
        PLUMB_TRY(
            plumb__alloc(&t->withdrawn_s, t->rows, sizeof *t->withdrawn_s, "withdrawals", err));
        for (size_t i = 0; i < t->rows; i++) {
            t->withdrawn_s[i] = PLUMB__NOT_WITHDRAWN;
        }
    }
    if (t->withdrawn_s[number] == PLUMB__NOT_WITHDRAWN || at_s < t->withdrawn_s[number]) {
        t->withdrawn_s[number] = at_s;
    }
    return PLUMB_OK;
}

int64_t plumb__table_withdrawn_s(const plumb__table *t, uint32_t number)
{
    return t->withdrawn_s != NULL ? t->withdrawn_s[number] : PLUMB__NOT_WITHDRAWN;
}

plumb__class plumb__table_class(const plumb__table *table, uint32_t number)
{
    plumb__class out;
    memcpy(&out, plumb__intern_text(&table->classes, table->class_of[number]), sizeof out);
    return out;
}

uint32_t plumb__table_parent(const plumb__table *t, uint32_t number)
{
    return t->parent[number];
}

const char *plumb__table_text(const plumb__table *t, uint32_t string)
{
    return plumb__intern_text(&t->strings, string);
}

plumb_status plumb__table_set_weight(plumb__table *t, uint32_t number, double weight,
                                     plumb_error *err)
{
    plumb__class c = plumb__table_class(t, number);
    c.weight = weight;
    return plumb__intern_add(&t->classes, &c, sizeof c, &t->class_of[number], err);
}

/* ---- one record ---- */

static plumb_status keep(plumb__table *t, const char *text, uint32_t *out, plumb_error *err)
{
    *out = PLUMB__INTERN_NONE;
    return text == NULL ? PLUMB_OK : plumb__intern_add(&t->strings, text, strlen(text), out, err);
}

static plumb_status add_class(const char *what, plumb__table *t, const plumb__taxonomy *taxonomy,
                              const plumb__fields *f, uint32_t *out, plumb_error *err)
{
    plumb__class c;
    plumb__terms terms;
    const plumb__refs refs = {f->rubric, f->domain, f->template_name, f->component, f->parent};
    memset(&c, 0, sizeof c);
    PLUMB_TRY(plumb__terms_resolve(what, taxonomy, &refs, &f->terms, &terms, err));
    c.profile = terms.profile;
    c.weight = terms.weight;
    c.step_nats = terms.step_nats;
    c.run_nats = terms.run_nats;
    PLUMB_TRY(keep(t, f->rubric, &c.rubric, err));
    PLUMB_TRY(keep(t, f->domain, &c.domain, err));
    PLUMB_TRY(keep(t, f->source, &c.source, err));
    PLUMB_TRY(keep(t, f->template_name, &c.template_name, err));
    PLUMB_TRY(keep(t, f->component, &c.component, err));
    PLUMB_TRY(keep(t, f->consent, &c.consent, err));
    PLUMB_TRY(keep(t, f->licence, &c.licence, err));
    PLUMB_TRY(keep(t, f->marking, &c.marking, err));
    return plumb__intern_add(&t->classes, &c, sizeof c, out, err);
}

plumb_status plumb__annotators_add(plumb__table *t, const json_t *names, uint32_t *out,
                                   plumb_error *err)
{
    plumb__bytes set = {0};
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; status == PLUMB_OK && i < json_array_size(names); i++) {
        uint32_t number;
        status = keep(t, json_string_value(json_array_get(names, i)), &number, err);
        if (status == PLUMB_OK) plumb__bytes_u32(&set, number);
    }
    if (status == PLUMB_OK) status = plumb__bytes_check(&set, err);
    if (status == PLUMB_OK) {
        status = plumb__intern_add(&t->annotator_sets, set.data, set.size, out, err);
    }
    plumb__bytes_free(&set);
    return status;
}

static plumb_status add_id(const char *what, uint64_t line, plumb__table *t, const char *id,
                           plumb_error *err)
{
    uint32_t number;
    PLUMB_TRY(plumb__intern_add(&t->ids, id, strlen(id), &number, err));
    if (number == t->n) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: line %" PRIu64 ": id \"%s\" is that of line %u already; ids must be "
                       "unique",
                       what, line, id, number + 1);
}

static plumb_status add_record(const char *what, uint64_t line, const char *place,
                               const json_t *obj, plumb__taxonomy *taxonomy, plumb__table *t,
                               plumb_error *err)
{
    plumb__fields f;
    const uint32_t at = t->n;
    PLUMB_TRY(plumb__fields_read(place, obj, taxonomy, &f, err));
    PLUMB_TRY(add_id(what, line, t, f.id, err));
    PLUMB_TRY(add_class(place, t, taxonomy, &f, &t->class_of[at], err));
    PLUMB_TRY(plumb__annotators_add(t, f.annotators, &t->annotators_of[at], err));
    PLUMB_TRY(plumb__segments_add(place, t, taxonomy, &f, plumb__table_class(t, at).profile, err));
    PLUMB_TRY(keep(t, f.text, &t->text[at], err));
    PLUMB_TRY(keep(t, f.label, &t->label[at], err));
    PLUMB_TRY(keep(t, f.batch, &t->batch[at], err));
    PLUMB_TRY(keep(t, f.cohort, &t->cohort[at], err));
    PLUMB_TRY(keep(t, f.parent, &t->parent[at], err));
    t->quality[at] = f.quality;
    t->sha256[at] = f.sha256;
    t->content_bytes[at] = f.content_bytes;
    if (f.withdrawn) PLUMB_TRY(plumb__table_withdraw(t, at, f.withdrawn_s, err));
    t->n++;
    return PLUMB_OK;
}

/* The strings do not move any more: lists of pointers can be made. */
static plumb_status list_annotators(plumb__table *t, plumb_error *err)
{
    const uint32_t sets = t->annotator_sets.n;
    size_t total = 0, at = 0;
    for (uint32_t s = 0; s < sets; s++) {
        total += plumb__intern_length(&t->annotator_sets, s) / sizeof(uint32_t);
    }
    PLUMB_TRY(plumb__alloc(&t->annotator_start, (size_t)sets + 1, sizeof *t->annotator_start,
                           "annotators", err));
    PLUMB_TRY(plumb__alloc(&t->annotators, total, sizeof *t->annotators, "annotators", err));
    for (uint32_t s = 0; s < sets; s++) {
        const char *set = plumb__intern_text(&t->annotator_sets, s);
        const size_t n = plumb__intern_length(&t->annotator_sets, s) / sizeof(uint32_t);
        for (size_t i = 0; i < n; i++) {
            t->annotators[at++] =
                plumb__intern_text(&t->strings, plumb__load_u32(set + i * sizeof(uint32_t)));
        }
        t->annotator_start[s + 1] = (uint32_t)at;
    }
    return PLUMB_OK;
}

static plumb_status read_lines(const char *what, const char *data, size_t n,
                               plumb__private *private_file, plumb__taxonomy *taxonomy,
                               plumb__table *t, plumb_error *err)
{
    char place[PLACE_BYTES];
    for (size_t at = 0; at < n;) {
        const size_t length = (size_t)((const char *)memchr(data + at, '\n', n - at) - data) - at;
        const uint64_t line = (uint64_t)t->n + 1;
        json_t *obj = NULL;
        snprintf(place, sizeof place, "%.1024s: line %" PRIu64, what, line);
        t->line_start[t->n] = at;
        PLUMB_TRY(plumb__json_parse(place, data + at, length, &obj, err));
        plumb_status status = plumb__private_merge(private_file, obj, err);
        if (status == PLUMB_OK) status = add_record(what, line, place, obj, taxonomy, t, err);
        json_decref(obj);
        if (status != PLUMB_OK) return status;
        at += length + 1;
    }
    t->line_start[t->n] = n;
    return PLUMB_OK;
}

plumb_status plumb__table_read(const char *what, const char *data, size_t n, uint64_t lines,
                               plumb__private *private_file, plumb__taxonomy *taxonomy,
                               plumb__table *out, plumb_error *err)
{
    plumb_status status = table_init(out, (size_t)lines, err);
    if (status == PLUMB_OK) status = read_lines(what, data, n, private_file, taxonomy, out, err);
    if (status == PLUMB_OK) status = plumb__private_check_used(private_file, err);
    if (status == PLUMB_OK) status = list_annotators(out, err);
    if (status == PLUMB_OK) plumb__segments_finish(out);
    if (status == PLUMB_OK) status = plumb__siblings_recombine(what, out, taxonomy, err);
    if (status != PLUMB_OK) plumb__table_free(out);
    return status;
}
