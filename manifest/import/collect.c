/* Taking rows in: items found again by their key, annotations in lists behind them. */
#include "manifest/import/collect.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <string.h>

#define MAX_ITEMS (UINT32_MAX - 1)

plumb_status plumb__collection_init(plumb__collection *c, const plumb__mapping *mapping,
                                    plumb_error *err)
{
    *c = (plumb__collection){.mapping = mapping};
    plumb__intern *tables[] = {&c->ids, &c->keys, &c->strings, &c->annotators, &c->values};
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; status == PLUMB_OK && i < sizeof tables / sizeof *tables; i++)
        status = plumb__intern_init(tables[i], err);
    if (status != PLUMB_OK) plumb__collection_free(c);
    return status;
}

void plumb__collection_free(plumb__collection *c)
{
    plumb__free(c->spans);
    plumb__free(c->said);
    plumb__free(c->items);
    plumb__intern_free(&c->values);
    plumb__intern_free(&c->annotators);
    plumb__intern_free(&c->strings);
    plumb__intern_free(&c->keys);
    plumb__intern_free(&c->ids);
    *c = (plumb__collection){0};
}

static plumb_status keep_json(plumb__collection *c, const json_t *value, uint32_t *out,
                              plumb_error *err)
{
    plumb__bytes text = {0};
    plumb_status status = plumb__json_dump(value, &text, err);
    if (status == PLUMB_OK) status = plumb__intern_add(&c->strings, text.data, text.size, out, err);
    plumb__bytes_free(&text);
    return status;
}

static plumb_status keep_text(plumb__intern *table, const char *text, uint32_t *out,
                              plumb_error *err)
{
    *out = PLUMB__NONE;
    return text == NULL ? PLUMB_OK : plumb__intern_add(table, text, strlen(text), out, err);
}

/* Names the first field that the two bodies do not share. */
static plumb_status fail_other(const plumb__collection *c, const plumb__entry *e, uint32_t number,
                               plumb_error *err)
{
    const plumb__item *item = &c->items[number];
    json_t *before = json_loadb(plumb__intern_text(&c->strings, item->body),
                                plumb__intern_length(&c->strings, item->body), 0, NULL);
    const char *name = "content", *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)e->body, key, value)
    {
        if (!json_equal(value, json_object_get(before, key))) name = key;
    }
    json_object_foreach(before, key, value)
    {
        if (json_object_get(e->body, key) == NULL) name = key;
    }
    const plumb_status status =
        plumb__fail(err, PLUMB_ERR_FORMAT,
                    "%s: item \"%s\" has another \"%.80s\" here than on line %" PRIu64
                    "; what differs between annotators belongs under \"keep\"",
                    e->place, e->id, name, item->line);
    json_decref(before);
    return status;
}

/* An item that is there already must be the same. */
static plumb_status match(plumb__collection *c, const plumb__entry *e, uint32_t number,
                          const plumb__hash *sha256, plumb_error *err)
{
    const plumb__item *item = &c->items[number];
    uint32_t body;
    if (strcmp(plumb__intern_text(&c->ids, number), e->id) != 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: id \"%s\", but the same item is \"%s\" on line %" PRIu64, e->place,
                           e->id, plumb__intern_text(&c->ids, number), item->line);
    }
    if (e->annotator == NULL && !e->follows) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: id \"%s\" is that of line %" PRIu64
                           " already; ids must be unique, or the mapping must say \"annotator\"",
                           e->place, e->id, item->line);
    }
    PLUMB_TRY(keep_json(c, e->body, &body, err));
    const bool same =
        body == item->body && (e->content == NULL) == (item->bytes == PLUMB__NO_BYTES);
    if (same && (e->content == NULL || plumb__hash_equal(sha256, &item->sha256))) return PLUMB_OK;
    return fail_other(c, e, number, err);
}

static plumb_status add_item(plumb__collection *c, const plumb__entry *e, const plumb__hash *sha256,
                             plumb_error *err)
{
    const uint32_t other = plumb__intern_find(&c->ids, e->id, strlen(e->id));
    uint32_t number;
    if (other != PLUMB__INTERN_NONE) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: id \"%s\" is that of another item on line %" PRIu64
                           "; ids must be unique",
                           e->place, e->id, c->items[other].line);
    }
    if (c->n_items >= MAX_ITEMS)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: more than 2^32-2 items", e->place);
    plumb__item item = {.line = e->line,
                        .bytes = e->content ? e->content_bytes : PLUMB__NO_BYTES,
                        .sha256 = *sha256,
                        .first = PLUMB__NONE,
                        .last = PLUMB__NONE,
                        .spans = PLUMB__NONE};
    PLUMB_TRY(
        plumb__grow(&c->items, &c->items_capacity, c->n_items + 1, sizeof item, "items", err));
    PLUMB_TRY(keep_json(c, e->body, &item.body, err));
    PLUMB_TRY(plumb__intern_add(&c->ids, e->id, strlen(e->id), &number, err));
    PLUMB_TRY(plumb__intern_add(&c->keys, e->key, strlen(e->key), &number, err));
    c->items[c->n_items++] = item;
    return PLUMB_OK;
}

static plumb_status add_spans(plumb__collection *c, const plumb__entry *e, plumb__item *item,
                              uint32_t annotator, plumb_error *err)
{
    PLUMB_TRY(plumb__grow(&c->spans, &c->spans_capacity, c->n_spans + e->n_spans, sizeof *c->spans,
                          "spans", err));
    for (size_t i = 0; i < e->n_spans; i++) {
        c->spans[c->n_spans] = e->spans[i];
        c->spans[c->n_spans].annotator = annotator;
        c->spans[c->n_spans].next = item->spans;
        item->spans = (uint32_t)c->n_spans++;
    }
    return PLUMB_OK;
}

static plumb_status add_said(plumb__collection *c, const plumb__entry *e, uint32_t number,
                             plumb_error *err)
{
    plumb__said said = {.line = e->line, .next = PLUMB__NONE, .rank = e->rank};
    const uint32_t at = (uint32_t)c->n_said;
    if (c->n_said >= MAX_ITEMS || c->n_spans + e->n_spans >= MAX_ITEMS)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: more than 2^32-2 annotations", e->place);
    PLUMB_TRY(
        plumb__grow(&c->said, &c->said_capacity, c->n_said + 1, sizeof said, "annotations", err));
    PLUMB_TRY(keep_text(&c->annotators, e->annotator, &said.annotator, err));
    PLUMB_TRY(keep_text(&c->values, e->value, &said.value, err));
    PLUMB_TRY(keep_text(&c->strings, e->rubric, &said.rubric, err));
    PLUMB_TRY(keep_json(c, e->said, &said.text, err));
    plumb__item *item = &c->items[number];
    PLUMB_TRY(add_spans(c, e, item, said.annotator, err));
    c->any_annotator = c->any_annotator || e->annotator != NULL;
    c->said[c->n_said++] = said;
    if (item->n == 0) {
        item->first = at;
    } else {
        c->said[item->last].next = at;
    }
    item->last = at;
    item->n++;
    return PLUMB_OK;
}

plumb_status plumb__collect(plumb__collection *c, const plumb__entry *entry, plumb_error *err)
{
    plumb__hash sha256 = {{0}};
    uint32_t number = plumb__intern_find(&c->keys, entry->key, strlen(entry->key));
    if (entry->content != NULL) sha256 = plumb__sha256(entry->content, entry->content_bytes);
    if (number != PLUMB__INTERN_NONE) {
        PLUMB_TRY(match(c, entry, number, &sha256, err));
    } else {
        number = (uint32_t)c->n_items;
        PLUMB_TRY(add_item(c, entry, &sha256, err));
    }
    return entry->said == NULL ? PLUMB_OK : add_said(c, entry, number, err);
}

uint32_t plumb__item_rubric(const plumb__collection *c, const plumb__item *item)
{
    uint32_t best = PLUMB__NONE, best_count = 0;
    int32_t best_rank = -1;
    for (uint32_t i = item->first; i != PLUMB__NONE; i = c->said[i].next) {
        const plumb__said *said = &c->said[i];
        uint32_t count = 0;
        if (said->rubric == PLUMB__NONE) continue;
        if (c->mapping->severity_order != NULL) {
            if (best != PLUMB__NONE && said->rank <= best_rank) continue;
        } else {
            /* An item has few annotations; beyond a thousand the first thousand decide. */
            uint32_t left = 1000;
            for (uint32_t k = item->first; k != PLUMB__NONE && left > 0; k = c->said[k].next) {
                count += c->said[k].rubric == said->rubric;
                left--;
            }
            if (count <= best_count) continue;
        }
        best = said->rubric;
        best_rank = said->rank;
        best_count = count;
    }
    return best;
}
