/* The parts of a record that have entries of their own: agreement, consent, messages, preference
 * pairs. */
#include "base/clock.h"
#include "manifest/records/record_reading.h"

#include <stdio.h>
#include <string.h>

#define MAX_MESSAGES 65536
#define PLACE_BYTES 64

static const char in_agreement[] = "in \"agreement\": ", in_consent[] = "in \"consent\": ";

static bool is_number(const plumb__scan_node *node)
{
    return node->kind == PLUMB__SCAN_INTEGER || node->kind == PLUMB__SCAN_REAL;
}

static plumb_status read_alpha(plumb__reading *r, const plumb__scan_node *alpha)
{
    if (alpha == NULL) return PLUMB_OK;
    if (!is_number(alpha)) {
        return plumb__reading_want(r, in_agreement, "alpha", alpha, PLUMB__SCAN_REAL, "a number");
    }
    const double value = plumb__reading_number(alpha);
    if (value <= 1.0) return PLUMB_OK;
    return plumb__reading_fail(r, alpha, PLUMB_ERR_FORMAT,
                               "%sfield \"alpha\" must be at most 1, found %g", in_agreement,
                               value);
}

/* Besides the two that are known, measures by other names: numbers or texts. */
static plumb_status read_agreement(plumb__reading *r)
{
    const plumb__scan_node *nodes = r->scan->nodes,
                           *object = plumb__reading_field(r, PLUMB__FIELD_AGREEMENT);
    if (object == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__reading_want(r, "", "agreement", object, PLUMB__SCAN_OBJECT, "an object"));
    const plumb__scan_node *raters = plumb__reading_member(r, object, "raters");
    const plumb__scan_node *alpha = plumb__reading_member(r, object, "alpha");
    PLUMB_TRY(
        plumb__reading_want(r, in_agreement, "raters", raters, PLUMB__SCAN_INTEGER, "an integer"));
    if (alpha != NULL && !is_number(alpha)) return read_alpha(r, alpha);
    if (raters != NULL && raters->number.integer < 0) {
        return plumb__reading_fail(r, raters, PLUMB_ERR_FORMAT,
                                   "%sfield \"raters\" must be at least 0, found %lld",
                                   in_agreement, (long long)raters->number.integer);
    }
    PLUMB_TRY(read_alpha(r, alpha));
    uint32_t at = (uint32_t)(object - nodes) + 1;
    for (; at < object->end; at = nodes[at + 1].end) {
        const plumb__scan_node *value = &nodes[at + 1];
        if (is_number(value) || value->kind == PLUMB__SCAN_STRING) continue;
        return plumb__reading_fail(
            r, value, PLUMB_ERR_FORMAT, "%sfield \"%.*s\" must be a number or a string",
            in_agreement, nodes[at].bytes < 80 ? (int)nodes[at].bytes : 80, nodes[at].text);
    }
    return PLUMB_OK;
}

/* No other fields: a misspelled "withdrawn" must not pass for consent. */
static plumb_status check_consent_names(plumb__reading *r, const plumb__scan_node *object)
{
    const plumb__scan_node *nodes = r->scan->nodes;
    uint32_t at = (uint32_t)(object - nodes) + 1;
    for (; at < object->end; at = nodes[at + 1].end) {
        const plumb__scan_node *key = &nodes[at];
        if (plumb__reading_is(key, "basis") || plumb__reading_is(key, "reference") ||
            plumb__reading_is(key, "withdrawn"))
            continue;
        return plumb__reading_fail(r, key, PLUMB_ERR_FORMAT,
                                   "%sunknown field \"%.*s\" (allowed: basis, reference, "
                                   "withdrawn)",
                                   in_consent, key->bytes < 80 ? (int)key->bytes : 80, key->text);
    }
    return PLUMB_OK;
}

static plumb_status read_withdrawn(plumb__reading *r, const plumb__scan_node *node)
{
    char text[32] = "";
    PLUMB_TRY(
        plumb__reading_want(r, in_consent, "withdrawn", node, PLUMB__SCAN_STRING, "a string"));
    if (node == NULL) return PLUMB_OK;
    if (node->bytes < sizeof text) memcpy(text, node->text, node->bytes);
    r->view->withdrawn = true;
    if (plumb__time_parse(text, &r->view->withdrawn_s)) return PLUMB_OK;
    return plumb__reading_fail(r, node, PLUMB_ERR_FORMAT,
                               "%sfield \"withdrawn\" must be a time like 2026-11-22T08:42:49Z, "
                               "found \"%.*s\"",
                               in_consent, node->bytes < 80 ? (int)node->bytes : 80, node->text);
}

static plumb_status read_consent(plumb__reading *r)
{
    const plumb__scan_node *object = plumb__reading_field(r, PLUMB__FIELD_CONSENT);
    if (object == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__reading_want(r, "", "consent", object, PLUMB__SCAN_OBJECT, "an object"));
    PLUMB_TRY(check_consent_names(r, object));
    const plumb__scan_node *basis = plumb__reading_member(r, object, "basis");
    PLUMB_TRY(plumb__reading_name(r, in_consent, "basis", basis));
    PLUMB_TRY(plumb__reading_name(r, in_consent, "reference",
                                  plumb__reading_member(r, object, "reference")));
    if (basis != NULL) {
        r->view->field[PLUMB__FIELD_CONSENT] = (plumb__span){basis->text, basis->bytes, object->at};
    }
    return read_withdrawn(r, plumb__reading_member(r, object, "withdrawn"));
}

/* ---- conversations ---- */

static plumb_status need_text(plumb__reading *r, const char *in, const plumb__scan_node *message,
                              const char *name, const plumb__scan_node **out)
{
    *out = plumb__reading_member(r, message, name);
    if (*out == NULL) {
        return plumb__reading_fail(r, message, PLUMB_ERR_FORMAT, "%sfield \"%s\" is missing", in,
                                   name);
    }
    return plumb__reading_want(r, in, name, *out, PLUMB__SCAN_STRING, "a string");
}

static plumb_status check_message(plumb__reading *r, const char *field, uint32_t number,
                                  const plumb__scan_node *message)
{
    const plumb__scan_node *node;
    char in[PLACE_BYTES];
    (void)snprintf(in, sizeof in, "in \"%s\": message %u: ", field, number);
    if (message->kind != PLUMB__SCAN_OBJECT) {
        return plumb__reading_fail(r, message, PLUMB_ERR_FORMAT, "%smust be an object, found %s",
                                   in, plumb__scan_kind_name(message->kind));
    }
    PLUMB_TRY(need_text(r, in, message, "role", &node));
    PLUMB_TRY(plumb__reading_name(r, in, "role", node));
    return need_text(r, in, message, "content", &node);
}

/* [{"role": …, "content": …, …}, …] */
static plumb_status check_messages(plumb__reading *r, const char *field,
                                   const plumb__scan_node *list)
{
    const uint32_t n = list->entries;
    if (n < 1 || n > MAX_MESSAGES) {
        return plumb__reading_fail(r, list, n > MAX_MESSAGES ? PLUMB_ERR_LIMIT : PLUMB_ERR_FORMAT,
                                   "field \"%s\" must have 1 to %d messages, found %u", field,
                                   MAX_MESSAGES, n);
    }
    const plumb__scan_node *message = list + 1;
    for (uint32_t i = 0; i < n; i++) {
        PLUMB_TRY(check_message(r, field, i + 1, message));
        message = r->scan->nodes + message->end;
    }
    return PLUMB_OK;
}

static plumb_status read_part(plumb__reading *r, plumb__record_field field, bool *there)
{
    const plumb__scan_node *node = plumb__reading_field(r, field);
    const char *name = plumb__record_names[field].name;
    *there = node != NULL;
    if (node == NULL || node->kind == PLUMB__SCAN_STRING) return PLUMB_OK;
    if (node->kind == PLUMB__SCAN_ARRAY) return check_messages(r, name, node);
    return plumb__reading_fail(r, node, PLUMB_ERR_FORMAT,
                               "field \"%s\" must be a string or an array of messages", name);
}

plumb_status plumb__reading_parts(plumb__reading *r)
{
    plumb__record_view *view = r->view;
    PLUMB_TRY(read_agreement(r));
    PLUMB_TRY(read_consent(r));
    const plumb__scan_node *messages = plumb__reading_field(r, PLUMB__FIELD_MESSAGES);
    if (messages != NULL) {
        PLUMB_TRY(plumb__reading_want(r, "", "messages", messages, PLUMB__SCAN_ARRAY, "an array"));
        PLUMB_TRY(check_messages(r, "messages", messages));
        view->n_messages = messages->entries;
    }
    PLUMB_TRY(read_part(r, PLUMB__FIELD_PROMPT, &view->has_prompt));
    PLUMB_TRY(read_part(r, PLUMB__FIELD_CHOSEN, &view->has_chosen));
    PLUMB_TRY(read_part(r, PLUMB__FIELD_REJECTED, &view->has_rejected));
    if (view->has_chosen == view->has_rejected) return PLUMB_OK;
    return plumb__reading_fail(
        r, plumb__reading_field(r, view->has_chosen ? PLUMB__FIELD_CHOSEN : PLUMB__FIELD_REJECTED),
        PLUMB_ERR_FORMAT, "fields \"chosen\" and \"rejected\" come together: \"%s\" is missing",
        view->has_chosen ? "rejected" : "chosen");
}
