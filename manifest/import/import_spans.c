/* Markers in a text (<v>…</v>) as stretches of the text without them, and stretches as segments. */
#include "base/alloc.h"
#include "manifest/import/collect.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SPANS_OF_ITEM 4096 /* what covers what is found by comparing all with all */

plumb_status plumb__spans_take(const plumb__mapping *m, const char *place, const char *text,
                               plumb__bytes *content, plumb__span *spans, size_t cap, size_t *n,
                               plumb_error *err)
{
    const size_t open = strlen(m->span_open), close = strlen(m->span_close);
    const char *start = text;
    bool inside = false;
    uint64_t from = 0;
    for (;;) {
        const bool opens = strncmp(text, m->span_open, open) == 0;
        const bool closes = !opens && strncmp(text, m->span_close, close) == 0;
        if (opens == inside && (opens || closes)) {
            return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: byte %zu: \"%s\" %s", place,
                               (size_t)(text - start) + 1, opens ? m->span_open : m->span_close,
                               opens ? "inside another" : "closes nothing");
        }
        /* What is never closed runs to the end: that is how annotators leave it. */
        const bool ends = inside && (closes || *text == 0);
        if (ends && content->size > from) {
            if (*n == cap)
                return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: more than %zu spans", place, cap);
            spans[(*n)++] = (plumb__span){from, content->size, PLUMB__NONE, PLUMB__NONE};
        }
        if (*text == 0) return PLUMB_OK;
        if (opens) from = content->size;
        if (opens || closes) {
            inside = opens;
            text += opens ? open : close;
        } else {
            plumb__bytes_u8(content, (uint8_t)*text++);
        }
    }
}

/* The byte at which UTF-16 unit number `unit` of the text begins; SIZE_MAX: there is none, or it
 * is the second half of a character. */
static size_t byte_of(const char *text, uint64_t unit)
{
    uint64_t at = 0;
    size_t i = 0;
    while (at < unit && text[i] != 0) {
        const unsigned char c = (unsigned char)text[i];
        at += c < 0xf0 ? 1 : 2;
        i += c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    }
    return at == unit ? i : SIZE_MAX;
}

plumb_status plumb__spans_place(const char *place, const char *text, uint64_t start,
                                const plumb__mark *mark, plumb__span *out, plumb_error *err)
{
    const size_t from = byte_of(text, mark->from), to = byte_of(text, mark->to);
    if (from == SIZE_MAX || to == SIZE_MAX || from > to) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: a region from %llu to %llu does not lie in the text", place,
                           (unsigned long long)mark->from, (unsigned long long)mark->to);
    }
    if (mark->text != NULL &&
        (strlen(mark->text) != to - from || memcmp(mark->text, text + from, to - from) != 0)) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: the region from %llu to %llu says \"%.80s\", but the text does not",
                           place, (unsigned long long)mark->from, (unsigned long long)mark->to,
                           mark->text);
    }
    *out = (plumb__span){start + from, start + to, PLUMB__NONE, PLUMB__NONE};
    return PLUMB_OK;
}

/* ---- segments ---- */

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Who marked [from, to), each once. */
static json_t *who(const plumb__collection *c, const plumb__item *item, uint64_t from, uint64_t to,
                   json_t *const *names)
{
    json_t *list = json_array();
    for (uint32_t i = item->spans; i != PLUMB__NONE; i = c->spans[i].next) {
        const plumb__span *s = &c->spans[i];
        bool there = s->from > from || s->to < to || s->annotator == PLUMB__NONE;
        for (size_t k = 0; !there && k < json_array_size(list); k++)
            there = json_array_get(list, k) == names[s->annotator];
        /* The list is kept from the back, so that it reads in the order of reading. */
        if (!there) json_array_insert(list, 0, names[s->annotator]);
    }
    return list;
}

static bool covered(const plumb__collection *c, const plumb__item *item, uint64_t from, uint64_t to)
{
    for (uint32_t i = item->spans; i != PLUMB__NONE; i = c->spans[i].next) {
        if (c->spans[i].from <= from && c->spans[i].to >= to) return true;
    }
    return false;
}

plumb_status plumb__spans_segments(const plumb__collection *c, const plumb__item *item,
                                   json_t *const *names, json_t **out, plumb_error *err)
{
    size_t n = 0, at = 0;
    uint64_t *edges = NULL;
    *out = NULL;
    for (uint32_t i = item->spans; i != PLUMB__NONE; i = c->spans[i].next)
        n += 2;
    if (n == 0) return PLUMB_OK;
    if (n > 2 * MAX_SPANS_OF_ITEM) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "item \"%s\" has %zu spans, at most %d; set \"segments\" to false",
                           plumb__intern_text(&c->ids, (uint32_t)(item - c->items)), n / 2,
                           MAX_SPANS_OF_ITEM);
    }
    PLUMB_TRY(plumb__alloc(&edges, n, sizeof *edges, "segments", err));
    for (uint32_t i = item->spans; i != PLUMB__NONE; i = c->spans[i].next) {
        edges[at++] = c->spans[i].from;
        edges[at++] = c->spans[i].to;
    }
    qsort(edges, n, sizeof *edges, by_number);
    *out = json_array();
    for (size_t i = 1; i < n; i++) {
        const uint64_t from = edges[i - 1], to = edges[i];
        if (from == to || !covered(c, item, from, to)) continue;
        json_t *segment = json_pack("{s:[I,I]}", "bytes", (json_int_t)from, (json_int_t)to);
        json_t *annotators = who(c, item, from, to, names);
        if (json_array_size(annotators) > 0) json_object_set(segment, "annotators", annotators);
        json_decref(annotators);
        json_array_append_new(*out, segment);
    }
    plumb__free(edges);
    return PLUMB_OK;
}
