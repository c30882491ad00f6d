/* Scale GenAI, API v2: tasks with threads of turns of messages. A thread becomes one record with
 * its messages, or, where a turn has several answers to choose from, a preference pair for each
 * answer that the chosen one was preferred to. Annotations belong to a thread, not to one of its
 * contributors: they are credited to the last who submitted. */
#include "base/alloc.h"
#include "manifest/import/json_items.h"
#include "manifest/import/row_values.h"
#include "manifest/import/sources.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct thread {
    plumb__reading *r;
    const plumb__json_items *items;
    const json_t *task, *thread;
    json_t *row;      /* names and values that every record of the thread shares */
    json_t *messages; /* so far, with the chosen answers */
} thread;

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* An id, or an expanded object that has one. */
static const char *id_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (json_is_string(value)) return json_string_value(value);
    return text_of(value, "id") ? text_of(value, "id") : text_of(value, "name");
}

static void put(json_t *row, const char *name, const char *text)
{
    if (text != NULL) json_object_set_new(row, name, json_string(text));
}

/* ---- messages ---- */

static json_t *message_text(const json_t *content)
{
    const json_t *text = json_object_get(content, "text");
    const json_t *chunks = json_object_get(content, "chunks");
    plumb__bytes joined = {0};
    if (json_is_string(content)) return json_incref((json_t *)(uintptr_t)content);
    if (json_is_string(text)) return json_incref((json_t *)(uintptr_t)text);
    for (size_t i = 0; i < json_array_size(chunks); i++) {
        const char *part = text_of(json_array_get(chunks, i), "text");
        if (part != NULL) plumb__bytes_append_text(&joined, part);
    }
    json_t *out = json_string(plumb__bytes_text(&joined));
    plumb__bytes_free(&joined);
    return out;
}

/* What else is said about a message that is not large: where it came from and what hangs on it. */
static void keep_rest(const json_t *message, json_t *out)
{
    static const char *const kept[] = {"name", "mime_type", "url", "scale_url"};
    const json_t *content = json_object_get(message, "content");
    const json_t *attachments = json_object_get(content, "attachments");
    json_t *list = json_array();
    put(out, "source_id", text_of(message, "source_id"));
    put(out, "model", text_of(json_object_get(message, "model_parameters"), "model"));
    json_t *reasoning = json_object_get(content, "reasoning");
    if (json_array_size(reasoning) > 0) json_object_set(out, "reasoning", reasoning);
    for (size_t i = 0; i < json_array_size(attachments); i++) {
        json_t *one = json_object();
        for (int k = 0; k < 4; k++)
            put(one, kept[k], text_of(json_array_get(attachments, i), kept[k]));
        json_array_append_new(list, one);
    }
    if (json_array_size(list) > 0) json_object_set(out, "attachments", list);
    json_decref(list);
}

static plumb_status make_message(const thread *t, const json_t *message, json_t **out,
                                 plumb_error *err)
{
    const char *role = text_of(message, "role");
    *out = NULL;
    if (role == NULL || json_object_get(message, "content") == NULL) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: line %" PRIu64
                           ": task \"%.200s\": a message must have \"role\" and \"content\"",
                           t->items->path, t->items->element_line, text_of(t->task, "task_id"));
    }
    *out = json_pack("{s:s,s:o}", "role", role, "content",
                     message_text(json_object_get(message, "content")));
    if (*out == NULL) return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for a message");
    keep_rest(message, *out);
    return PLUMB_OK;
}

/* ---- annotations ---- */

/* annotation.KEY columns, and a list of all of them for the record. */
static void note(json_t *row, json_t *list, const json_t *annotations, const char *of)
{
    static const char *const kept[] = {"value", "justification", "labels", "not_applicable",
                                       "cannot_assess"};
    for (size_t i = 0; i < json_array_size(annotations); i++) {
        const json_t *annotation = json_array_get(annotations, i);
        const json_t *value = json_object_get(annotation, "value");
        const char *key = text_of(annotation, "key");
        char column[300];
        if (key == NULL) continue;
        json_t *one = json_pack("{s:s,s:s}", "key", key, "of", of);
        put(one, "type", text_of(annotation, "type"));
        for (int k = 0; k < 5; k++) {
            json_t *part = json_object_get(annotation, kept[k]);
            if (part != NULL && !json_is_null(part)) json_object_set(one, kept[k], part);
        }
        json_array_append_new(list, one);
        snprintf(column, sizeof column, "annotation.%.250s", key);
        json_t *text = plumb__value_text(value);
        if (text != NULL) json_object_set_new(row, column, text);
    }
}

static void note_all(thread *t, json_t *list)
{
    const json_t *turns = json_object_get(t->thread, "turns");
    char of[80];
    for (size_t i = 0; i < json_array_size(turns); i++) {
        const json_t *turn = json_array_get(turns, i);
        const json_t *messages = json_object_get(turn, "messages");
        for (size_t k = 0; k < json_array_size(messages); k++) {
            snprintf(of, sizeof of, "turn %zu message %zu", i, k);
            note(t->row, list, json_object_get(json_array_get(messages, k), "annotations"), of);
        }
        snprintf(of, sizeof of, "turn %zu", i);
        note(t->row, list, json_object_get(turn, "annotations"), of);
    }
    note(t->row, list, json_object_get(t->thread, "annotations"), "thread");
}

/* ---- records ---- */

/* One row a contributor; all but the last say nothing of their own. */
static plumb_status take(thread *t, const char *suffix, json_t *parts, plumb_error *err)
{
    const json_t *submissions = json_object_get(t->thread, "submissions");
    const size_t n = json_array_size(submissions);
    plumb_status status = PLUMB_OK;
    for (size_t i = 0; status == PLUMB_OK && (i < n || i == 0); i++) {
        json_t *names = json_copy(t->row);
        const json_t *submission = json_array_get(submissions, i);
        put(names, "contributor", text_of(submission, "contributor_id"));
        put(names, "submitted_at", text_of(submission, "submitted_at"));
        put(names, "record", suffix);
        plumb__row row = {.path = t->items->path,
                          .line = t->items->element_line,
                          .names = names,
                          .parts = parts,
                          .quiet = i + 1 < n,
                          .anonymous = true};
        status = plumb__take_row(t->r, &row, err);
        json_decref(names);
    }
    return status;
}

/* Number of the message with this source among the answers, or -1. */
static int find_source(const json_t *answers, const char *source)
{
    for (size_t i = 0; source && i < json_array_size(answers); i++) {
        const char *own = text_of(json_array_get(answers, i), "source_id");
        if (own != NULL && strcmp(own, source) == 0) return (int)i;
    }
    return -1;
}

static plumb_status unknown_answer(const thread *t, const json_t *turn, const json_t *annotation,
                                   const json_t *named, plumb_error *err)
{
    const char *key = text_of(annotation, "key"), *id = text_of(turn, "id");
    const char *name = json_string_value(named);
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: line %" PRIu64 ": task \"%.200s\": turn \"%.200s\": \"%.200s\" names "
                       "\"%.200s\", but no answer of the turn has that source_id",
                       t->items->path, t->items->element_line, text_of(t->task, "task_id"),
                       id ? id : "", key ? key : "", name ? name : "(not a text)");
}

/* rank[i] of each answer, 0 the best, as a ranking or a selection of the turn says; *said false
 * where none does. */
static plumb_status rank_answers(const thread *t, const json_t *turn, const json_t *answers,
                                 int *rank, bool *said, plumb_error *err)
{
    *said = true;
    const json_t *annotations = json_object_get(turn, "annotations");
    for (size_t i = 0; i < json_array_size(annotations); i++) {
        const json_t *annotation = json_array_get(annotations, i);
        const char *type = text_of(annotation, "type"), *key = text_of(annotation, "key");
        const json_t *value = json_object_get(annotation, "value");
        const bool ranked =
            type && (strcmp(type, "ranked_choices") == 0 || strcmp(type, "ranked_groups") == 0);
        const int chosen = find_source(answers, json_string_value(value));
        if (key && strcmp(key, "selected_model_id") == 0 && chosen >= 0) {
            rank[chosen] = 0;
            return PLUMB_OK;
        }
        if (!ranked || json_array_size(value) == 0) continue;
        for (size_t place = 0; place < json_array_size(value); place++) {
            const json_t *group = json_array_get(value, place);
            const size_t n = json_is_array(group) ? json_array_size(group) : 1;
            for (size_t k = 0; k < n; k++) {
                const json_t *one = json_is_array(group) ? json_array_get(group, k) : group;
                const int at = find_source(answers, json_string_value(one));
                if (at < 0) return unknown_answer(t, turn, annotation, one, err);
                rank[at] = (int)place;
            }
        }
        return PLUMB_OK;
    }
    *said = false;
    return PLUMB_OK;
}

/* One pair for each answer that the best was preferred to; *best -1 when nobody said. */
static plumb_status take_pairs(thread *t, const json_t *turn, const json_t *answers, int *best,
                               plumb_error *err)
{
    const size_t n = json_array_size(answers);
    const char *turn_id = text_of(turn, "id");
    int *rank = NULL, pairs = 0;
    *best = -1;
    PLUMB_TRY(plumb__alloc(&rank, n, sizeof *rank, "a ranking", err));
    for (size_t i = 0; i < n; i++)
        rank[i] = INT32_MAX;
    bool said = false;
    plumb_status status = rank_answers(t, turn, answers, rank, &said, err);
    if (status == PLUMB_OK && said) {
        *best = 0;
        for (size_t i = 1; i < n; i++)
            *best = rank[i] < rank[*best] ? (int)i : *best;
    }
    for (size_t i = 0; *best >= 0 && i < n && status == PLUMB_OK; i++) {
        char suffix[300];
        if (rank[i] <= rank[*best]) continue;
        snprintf(suffix, sizeof suffix, ":%.200s:%d", turn_id ? turn_id : "turn", ++pairs);
        json_t *parts = json_pack("{s:O,s:[O],s:[O]}", "prompt", t->messages, "chosen",
                                  json_array_get(answers, (size_t)*best), "rejected",
                                  json_array_get(answers, i));
        status = take(t, suffix, parts, err);
        json_decref(parts);
    }
    plumb__free(rank);
    if (pairs == 0) *best = -1;
    return status;
}

/* The messages of a turn behind those so far; *done when the thread cannot go on. */
static plumb_status take_turn(thread *t, const json_t *turn, bool *paired, bool *done,
                              plumb_error *err)
{
    const json_t *messages = json_object_get(turn, "messages");
    json_t *answers = json_array();
    plumb_status status = PLUMB_OK;
    int best = 0;
    for (size_t i = 0; status == PLUMB_OK && i < json_array_size(messages); i++) {
        json_t *message;
        status = make_message(t, json_array_get(messages, i), &message, err);
        if (status != PLUMB_OK) break;
        const bool answer = strcmp(text_of(message, "role"), "assistant") == 0;
        json_array_append_new(answer ? answers : t->messages, message);
    }
    if (status == PLUMB_OK && json_array_size(answers) > 1) {
        *paired = true;
        status = take_pairs(t, turn, answers, &best, err);
        *done = best < 0;
        t->r->summary->left_out += *done;
        t->r->summary->undecided += *done;
    }
    if (status == PLUMB_OK && !*done && json_array_size(answers) > 0) {
        /* A new list: the pairs made so far hold the old one. */
        json_t *longer = json_copy(t->messages);
        json_array_append(longer, json_array_get(answers, (size_t)best));
        json_decref(t->messages);
        t->messages = longer;
    }
    json_decref(answers);
    return status;
}

static plumb_status take_thread(thread *t, plumb_error *err)
{
    const json_t *turns = json_object_get(t->thread, "turns");
    json_t *annotations = json_array();
    bool paired = false, done = false;
    plumb_status status = PLUMB_OK;
    note_all(t, annotations);
    if (json_array_size(annotations) > 0) json_object_set(t->row, "annotations", annotations);
    json_decref(annotations);
    for (size_t i = 0; status == PLUMB_OK && !done && i < json_array_size(turns); i++)
        status = take_turn(t, json_array_get(turns, i), &paired, &done, err);
    if (status == PLUMB_OK && !paired && json_array_size(t->messages) > 0) {
        json_t *parts = json_pack("{s:O}", "messages", t->messages);
        status = take(t, "", parts, err);
        json_decref(parts);
    } else if (!paired) {
        t->r->summary->left_out++;
    }
    return status;
}

/* ---- tasks ---- */

static json_t *shared_row(const json_t *task, const json_t *one)
{
    json_t *row = json_object();
    const char *name;
    const json_t *value;
    put(row, "task.id", text_of(task, "task_id"));
    put(row, "thread.id", text_of(one, "id"));
    put(row, "project", id_of(task, "project"));
    put(row, "batch", id_of(task, "batch"));
    put(row, "created_at", text_of(task, "created_at"));
    put(row, "completed_at", text_of(task, "completed_at"));
    json_object_foreach(json_object_get(task, "metadata"), name, value)
    {
        char column[300];
        snprintf(column, sizeof column, "metadata.%.250s", name);
        put(row, column, json_string_value(value));
    }
    return row;
}

static plumb_status wrong_shape(plumb__reading *r, const plumb__json_items *items,
                                const json_t *element, plumb_error *err)
{
    const bool delivered = json_object_get(element, "response") != NULL;
    const bool other = json_is_object(json_object_get(element, "data")) &&
                       json_is_array(json_object_get(element, "annotations"));
    (void)plumb__fail(
        err, PLUMB_ERR_FORMAT, "%s: line %" PRIu64 ": %s", items->path, items->element_line,
        other ? "this looks like a Label Studio export (\"data\" and \"annotations\"); read it "
                "with: plumb manifest import label-studio"
        : delivered ? "a delivered task with \"response\" has a form of its customer's own; export "
                      "it as CSV, or ask for the tasks themselves (GET /v2/task, /v2/delivery)"
                    : "a task must have \"task_id\", \"status\" and \"threads\" (Scale GenAI, API "
                      "v2)");
    return plumb__refuse(r, PLUMB_ERR_FORMAT, err);
}

static plumb_status take_task(plumb__reading *r, const plumb__json_items *items, const json_t *task,
                              plumb_error *err)
{
    const json_t *threads = json_object_get(task, "threads");
    const char *state = text_of(task, "status");
    if (text_of(task, "task_id") == NULL || state == NULL) return wrong_shape(r, items, task, err);
    if (strcmp(state, "completed") != 0 || json_array_size(threads) == 0) {
        r->summary->left_out++;
        return PLUMB_OK;
    }
    for (size_t i = 0; i < json_array_size(threads); i++) {
        const json_t *one = json_array_get(threads, i);
        thread t = {r, items, task, one, shared_row(task, one), json_array()};
        plumb_status status = take_thread(&t, err);
        json_decref(t.row);
        json_decref(t.messages);
        if (status == PLUMB_ERR_FORMAT) status = plumb__refuse(r, status, err);
        PLUMB_TRY(status);
    }
    return PLUMB_OK;
}

static plumb_status begin(plumb__reading *r, plumb_error *err)
{
    if (r->options->mapping_path != NULL) {
        r->mapping.made_content = true;
        PLUMB_TRY(plumb__mapping_read(r->options->mapping_path, &r->mapping, err));
    } else {
        json_t *own = json_pack(
            "{s:s,s:s,s:s,s:{s:s,s:s},s:{s:s}}", "id", "scale:{task.id}:{thread.id}{record}",
            "annotator", "contributor", "batch", "batch", "fields", "project", "project",
            "scale_annotations", "annotations", "keep", "submitted_at", "submitted_at");
        r->mapping.made_content = true;
        PLUMB_TRY(plumb__mapping_take("the mapping for Scale", own, &r->mapping, err));
    }
    return plumb__collection_init(&r->collection, &r->mapping, err);
}

/* Why there is no record, where no task was refused. */
static plumb_status nothing_read(const plumb__reading *r, plumb_error *err)
{
    if (r->summary->undecided == 0) {
        return plumb__fail(err, PLUMB_ERR_FORMAT,
                           "%s: there is no completed task with messages in it",
                           r->options->input_path);
    }
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: no turn was decided: none of the %" PRIu64
                       " turns with several answers "
                       "has ranked_choices, ranked_groups or selected_model_id that prefers one",
                       r->options->input_path, r->summary->undecided);
}

plumb_status plumb__import_scale(plumb__reading *r, plumb_error *err)
{
    plumb__json_items items;
    json_t *element;
    plumb_status status;
    PLUMB_TRY(begin(r, err));
    PLUMB_TRY(plumb__json_items_open(&items, r->options->input_path, "tasks", err));
    for (;;) {
        status = plumb__json_items_next(&items, &element, err);
        if (status == PLUMB_OK && element == NULL) break;
        r->summary->rows++;
        status =
            status == PLUMB_OK ? take_task(r, &items, element, err) : plumb__refuse(r, status, err);
        json_decref(element);
        if (status != PLUMB_OK) break;
    }
    plumb__json_items_close(&items);
    if (status == PLUMB_OK && r->collection.n_items == 0 && r->summary->refused == 0)
        return nothing_read(r, err);
    return status;
}
