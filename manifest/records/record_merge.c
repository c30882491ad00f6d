/* A class key says in one piece all that the class of a record depends on: for every field of the
 * class its length + 1 and its bytes with a NUL behind, or length 0; then whether there is a
 * parent. Equal keys have equal classes, so that a class is resolved once. */
#include "manifest/records/record_merge.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CLASS_FIELDS = PLUMB__CLASS_LAST - PLUMB__CLASS_FIRST + 1 };

void plumb__record_place(const char *file, uint64_t line, uint32_t column, char *out, size_t size)
{
    (void)snprintf(out, size, "%.1000s: line %" PRIu64 ", column %u", file, line, column);
}

plumb_status plumb__merge_init(plumb__merge *m, const char *what, plumb__table *table,
                               plumb__taxonomy *taxonomy, plumb_error *err)
{
    *m = (plumb__merge){.what = what, .table = table, .taxonomy = taxonomy};
    return plumb__intern_init(&m->keys, err);
}

void plumb__merge_free(plumb__merge *m)
{
    plumb__intern_free(&m->keys);
    plumb__free(m->resolved);
    m->resolved = NULL;
}

/* ---- reading ---- */

static plumb_status make_key(plumb__arena *arena, const plumb__record_view *view, plumb__span *out,
                             plumb_error *err)
{
    size_t size = 1;
    for (int f = PLUMB__CLASS_FIRST; f <= PLUMB__CLASS_LAST; f++) {
        size += sizeof(uint32_t) + view->field[f].bytes + (view->field[f].text != NULL);
    }
    char *key = plumb__arena_take(arena, size), *to = key;
    if (key == NULL || size > UINT32_MAX) {
        return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for records");
    }
    for (int f = PLUMB__CLASS_FIRST; f <= PLUMB__CLASS_LAST; f++) {
        const plumb__span *s = &view->field[f];
        const uint32_t length = s->text != NULL ? s->bytes + 1 : 0;
        memcpy(to, &length, sizeof length);
        to += sizeof length;
        if (length == 0) continue;
        memcpy(to, s->text, s->bytes);
        to[s->bytes] = '\0';
        to += length;
    }
    *to = view->field[PLUMB__FIELD_PARENT].text != NULL;
    *out = (plumb__span){key, (uint32_t)size, 0};
    return PLUMB_OK;
}

static uint64_t hash_of(const plumb__merge *m, const plumb__span *s)
{
    return s->text == NULL ? 0 : plumb__pool_hash(&m->table->strings, s->text, s->bytes);
}

plumb_status plumb__item_make(const plumb__merge *m, plumb__arena *arena,
                              const plumb__record_view *view, const char *line, size_t n,
                              plumb__item *out, plumb_error *err)
{
    const plumb__span *field = view->field;
    *out = (plumb__item){.id = field[PLUMB__FIELD_ID],
                         .text = field[PLUMB__FIELD_TEXT],
                         .label = field[PLUMB__FIELD_LABEL],
                         .parent = field[PLUMB__FIELD_PARENT],
                         .annotators = field[PLUMB__FIELD_ANNOTATORS],
                         .segments = field[PLUMB__FIELD_SEGMENTS],
                         .depth = field[PLUMB__FIELD_DEPTH],
                         .budget = field[PLUMB__FIELD_BUDGET],
                         .weight = field[PLUMB__FIELD_WEIGHT],
                         .line = line,
                         .line_bytes = n,
                         .sha256 = view->sha256,
                         .content_bytes = view->content_bytes,
                         .quality = view->quality,
                         .withdrawn_s = view->withdrawn_s,
                         .n_messages = view->n_messages,
                         .withdrawn = view->withdrawn,
                         .has_prompt = view->has_prompt,
                         .has_chosen = view->has_chosen,
                         .has_rejected = view->has_rejected};
    PLUMB_TRY(make_key(arena, view, &out->class_key, err));
    out->id_hash = hash_of(m, &out->id);
    out->text_hash = hash_of(m, &out->text);
    out->label_hash = hash_of(m, &out->label);
    out->parent_hash = hash_of(m, &out->parent);
    out->class_hash = plumb__intern_hash(&m->keys, out->class_key.text, out->class_key.bytes);
    if (out->annotators.text != NULL) {
        out->annotators_hash = plumb__intern_hash(&m->table->annotator_sets, out->annotators.text,
                                                  out->annotators.bytes);
    }
    return PLUMB_OK;
}

/* ---- places ---- */

/* Of the row that comes next. */
static void place_of(const plumb__merge *m, const plumb__item *item, uint32_t at,
                     char place[PLUMB__PLACE_BYTES])
{
    plumb__record_place(m->what, (uint64_t)m->table->n + 1, plumb__scan_column(item->line, at),
                        place, PLUMB__PLACE_BYTES);
}

/* ---- classes ---- */

static void take_stated(plumb__terms *out, const plumb__terms *from)
{
    if (from->profile != PLUMB__INTERN_NONE) {
        out->profile = from->profile;
        out->depth_name = from->depth_name;
    }
    if (!isnan(from->step_nats)) out->step_nats = from->step_nats;
    if (!isnan(from->run_nats)) out->run_nats = from->run_nats;
    if (!isnan(from->weight)) out->weight = from->weight;
}

/* {"name": value}, for readers of single fields. */
static plumb_status object_of(const char *place, const char *name, const plumb__span *value,
                              json_t **out, plumb_error *err)
{
    json_t *parsed = NULL;
    PLUMB_TRY(plumb__json_parse(place, value->text, value->bytes, &parsed, err));
    *out = json_object();
    if (json_object_set_new(*out, name, parsed) == 0) return PLUMB_OK;
    json_decref(*out);
    *out = NULL;
    return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for records");
}

static plumb_status read_term(const plumb__merge *m, const plumb__item *item, const char *name,
                              const plumb__span *value, plumb__terms *terms, plumb_error *err)
{
    char place[PLUMB__PLACE_BYTES];
    plumb__terms one;
    json_t *obj = NULL;
    if (value->text == NULL) return PLUMB_OK;
    place_of(m, item, value->at, place);
    PLUMB_TRY(object_of(place, name, value, &obj, err));
    const plumb_status status = plumb__terms_read(place, obj, m->taxonomy, &one, err);
    json_decref(obj);
    if (status == PLUMB_OK) take_stated(terms, &one);
    return status;
}

/* The strings of a class key; each is ended by NUL. */
static void split_key(const plumb__span *key, const char *out[CLASS_FIELDS])
{
    const char *from = key->text;
    for (int i = 0; i < CLASS_FIELDS; i++) {
        uint32_t length;
        memcpy(&length, from, sizeof length);
        from += sizeof length;
        out[i] = length > 0 ? from : NULL;
        from += length;
    }
}

#define PART(field) parts[PLUMB__FIELD_##field - PLUMB__CLASS_FIRST]

static plumb_status keep_names(plumb__table *t, const char *const parts[CLASS_FIELDS],
                               plumb__class *c, plumb_error *err)
{
    PLUMB_TRY(plumb__table_keep(t, PART(RUBRIC), &c->rubric, err));
    PLUMB_TRY(plumb__table_keep(t, PART(DOMAIN), &c->domain, err));
    PLUMB_TRY(plumb__table_keep(t, PART(BATCH), &c->batch, err));
    PLUMB_TRY(plumb__table_keep(t, PART(COHORT), &c->cohort, err));
    PLUMB_TRY(plumb__table_keep(t, PART(SOURCE), &c->source, err));
    PLUMB_TRY(plumb__table_keep(t, PART(TEMPLATE), &c->template_name, err));
    PLUMB_TRY(plumb__table_keep(t, PART(COMPONENT), &c->component, err));
    PLUMB_TRY(plumb__table_keep(t, PART(LICENCE), &c->licence, err));
    PLUMB_TRY(plumb__table_keep(t, PART(MARKING), &c->marking, err));
    return plumb__table_keep(t, PART(CONSENT), &c->consent, err);
}

/* Where the field stands that a message names first (field "budget.run": at "budget"); 0 when it
 * names none that is there. */
static uint32_t named_field(const plumb__item *item, const char *message)
{
    static const char opening[] = "field \"";
    const char *name = strstr(message, opening);
    plumb__scan scan;
    plumb__arena arena = {0};
    uint32_t at = 0;
    if (name == NULL) return 0;
    name += sizeof opening - 1;
    plumb__scan_init(&scan, plumb__record_names);
    if (plumb__scan_line(&scan, &arena, item->line, item->line_bytes, NULL) == PLUMB_OK) {
        for (int f = 0; f < PLUMB__FIELD_COUNT; f++) {
            const size_t n = strlen(plumb__record_names[f].name);
            const bool named = strncmp(name, plumb__record_names[f].name, n) == 0 &&
                               (name[n] == '"' || name[n] == '.');
            if (named && scan.field[f] != 0) at = scan.nodes[scan.field[f]].at;
        }
    }
    plumb__scan_free(&scan);
    plumb__arena_free(&arena);
    return at;
}

static plumb_status resolve_terms(const plumb__merge *m, const plumb__item *item,
                                  const char *const parts[CLASS_FIELDS], plumb__terms *own,
                                  plumb__terms *out, plumb_error *err)
{
    char place[PLUMB__PLACE_BYTES];
    plumb_error why = {0};
    *own = (plumb__terms)PLUMB__NO_TERMS;
    PLUMB_TRY(read_term(m, item, "depth", &item->depth, own, err));
    PLUMB_TRY(read_term(m, item, "weight", &item->weight, own, err));
    PLUMB_TRY(read_term(m, item, "budget", &item->budget, own, err));
    const plumb__refs refs = {PART(RUBRIC), PART(DOMAIN), PART(TEMPLATE), PART(COMPONENT),
                              item->parent.text != NULL ? "" : NULL};
    const plumb_status status =
        plumb__terms_resolve("", m->taxonomy, &refs, own, out, &why); /* ": field …" */
    if (status == PLUMB_OK) return PLUMB_OK;
    place_of(m, item, named_field(item, why.message), place);
    return plumb__fail(err, status, "%s%s", place, why.message);
}

/* A weight of a record's own is kept beside the class, so that many weights make no more classes.
 */
static plumb_status resolve_class(plumb__merge *m, const plumb__item *item, plumb__resolved *out,
                                  plumb_error *err)
{
    const char *parts[CLASS_FIELDS];
    plumb__class c;
    plumb__terms own, terms;
    split_key(&item->class_key, parts);
    PLUMB_TRY(resolve_terms(m, item, parts, &own, &terms, err));
    memset(&c, 0, sizeof c);
    PLUMB_TRY(keep_names(m->table, parts, &c, err));
    c.profile = terms.profile;
    c.step_nats = terms.step_nats;
    c.run_nats = terms.run_nats;
    out->own_weight = isnan(own.weight) ? NAN : terms.weight;
    c.weight = isnan(own.weight) ? terms.weight : 1.0;
    return plumb__intern_add(&m->table->classes, &c, sizeof c, &out->class_number, err);
}

static plumb_status find_class(plumb__merge *m, const plumb__item *item, plumb__resolved *out,
                               plumb_error *err)
{
    uint32_t number;
    const uint32_t known = m->keys.n;
    PLUMB_TRY(plumb__intern_add_hashed(&m->keys, item->class_hash, item->class_key.text,
                                       item->class_key.bytes, &number, err));
    if (number == known) {
        PLUMB_TRY(plumb__grow(&m->resolved, &m->resolved_capacity, (size_t)known + 1,
                              sizeof *m->resolved, "records", err));
        PLUMB_TRY(resolve_class(m, item, &m->resolved[number], err));
    }
    *out = m->resolved[number];
    return PLUMB_OK;
}

/* ---- rows ---- */

static plumb_status merge_id(plumb__merge *m, const plumb__item *item, plumb_error *err)
{
    plumb__table *t = m->table;
    char place[PLUMB__PLACE_BYTES];
    uint32_t string, other;
    PLUMB_TRY(plumb__pool_put(&t->strings, item->id.text, item->id.bytes, &string, err));
    PLUMB_TRY(plumb__table_add_id(t, item->id_hash, string, &other, err));
    if (other == PLUMB_NO_RECORD) return PLUMB_OK;
    place_of(m, item, item->id.at, place);
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: id \"%s\" is that of line %u already; ids must be unique", place,
                       plumb__table_text(t, string), other + 1);
}

static plumb_status keep(plumb__table *t, const plumb__span *s, uint64_t hash, uint32_t *string,
                         plumb_error *err)
{
    *string = PLUMB__POOL_NONE;
    if (s->text == NULL) return PLUMB_OK;
    return plumb__pool_add(&t->strings, hash, s->text, s->bytes, string, err);
}

static plumb_status merge_segments(plumb__merge *m, const plumb__item *item, plumb_error *err)
{
    plumb__table *t = m->table;
    char place[PLUMB__PLACE_BYTES];
    json_t *segments = NULL;
    if (item->segments.text == NULL) return plumb__segments_none(t, err);
    const plumb__class c = plumb__table_class(t, t->n);
    place_of(m, item, item->segments.at, place);
    PLUMB_TRY(plumb__json_parse(place, item->segments.text, item->segments.bytes, &segments, err));
    const plumb__fields f = {
        .rubric = plumb__table_text(t, c.rubric),
        .domain = plumb__table_text(t, c.domain),
        .template_name = plumb__table_text(t, c.template_name),
        .component = plumb__table_text(t, c.component),
        .parent = plumb__table_text(t, plumb__table_parent(t, t->n)),
        .segments = segments,
        .terms = {.profile = item->depth.text != NULL ? c.profile : PLUMB__INTERN_NONE},
        .content_bytes = item->content_bytes,
        .n_messages = item->n_messages,
        .has_prompt = item->has_prompt,
        .has_chosen = item->has_chosen,
        .has_rejected = item->has_rejected};
    const plumb_status status = plumb__segments_add(place, t, m->taxonomy, &f, c.profile, err);
    json_decref(segments);
    return status;
}

static plumb_status merge_lists(plumb__merge *m, const plumb__item *item, plumb_error *err)
{
    plumb__table *t = m->table;
    uint32_t parent, set = 0;
    if (item->annotators.text != NULL) {
        PLUMB_TRY(plumb__table_add_annotators(t, item->annotators_hash, item->annotators.text,
                                              item->annotators.bytes, &set, err));
    }
    PLUMB_TRY(plumb__narrow_set(&t->annotators_of, t->n, set, err));
    if (item->parent.text != NULL) {
        PLUMB_TRY(keep(t, &item->parent, item->parent_hash, &parent, err));
        PLUMB_TRY(plumb__table_set_parent(t, t->n, parent, err));
    }
    return merge_segments(m, item, err);
}

plumb_status plumb__merge_item(plumb__merge *m, const plumb__item *item, plumb_error *err)
{
    plumb__table *t = m->table;
    plumb__resolved resolved;
    if (t->n >= PLUMB__MAX_RECORDS) {
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: has more than %u records", m->what,
                           PLUMB__MAX_RECORDS);
    }
    if (t->n == t->rows) PLUMB_TRY(plumb__table_reserve(t, (size_t)t->n + 1, err));
    PLUMB_TRY(merge_id(m, item, err));
    PLUMB_TRY(find_class(m, item, &resolved, err));
    PLUMB_TRY(plumb__narrow_set(&t->class_of, t->n, resolved.class_number, err));
    if (!isnan(resolved.own_weight)) {
        PLUMB_TRY(plumb__table_set_weight(t, t->n, resolved.own_weight, err));
    }
    PLUMB_TRY(keep(t, &item->text, item->text_hash, &t->text[t->n], err));
    PLUMB_TRY(keep(t, &item->label, item->label_hash, &t->label[t->n], err));
    t->sha256[t->n] = item->sha256;
    PLUMB_TRY(plumb__table_set_content(t, t->n, item->content_bytes, err));
    PLUMB_TRY(plumb__values_set(&t->quality, t->n, item->quality, err));
    PLUMB_TRY(merge_lists(m, item, err));
    if (item->withdrawn) PLUMB_TRY(plumb__table_withdraw(t, t->n, item->withdrawn_s, err));
    m->n_private += item->from_private;
    t->n++;
    return PLUMB_OK;
}

void plumb__merge_prefetch(const plumb__merge *m, const plumb__item *item)
{
    plumb__table_prefetch_id(m->table, item->id_hash);
    plumb__pool_prefetch(&m->table->strings, item->text_hash);
}

plumb_status plumb__merge_finish(plumb__merge *m, plumb_error *err)
{
    PLUMB_TRY(plumb__table_trim(m->table, err));
    plumb__segments_finish(m->table);
    PLUMB_TRY(plumb__siblings_recombine(m->what, m->table, m->taxonomy, err));
    return plumb__table_settle(m->table, err);
}
