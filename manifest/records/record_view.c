/* One record line: its fields and their limits (docs/formats/manifest.md section 1). */
#include "manifest/records/record_view.h"

#include "base/text.h"
#include "manifest/names.h"
#include "manifest/records/record_reading.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_ANNOTATORS 4096

const plumb__scan_name plumb__record_names[PLUMB__FIELD_COUNT + 1] = {
    [PLUMB__FIELD_ID] = {"id", false},
    [PLUMB__FIELD_CONTENT] = {"content", true},
    [PLUMB__FIELD_PRIVATE] = {"private", false},
    [PLUMB__FIELD_TEXT] = {"text", false},
    [PLUMB__FIELD_LABEL] = {"label", false},
    [PLUMB__FIELD_PARENT] = {"parent", false},
    [PLUMB__FIELD_RUBRIC] = {"rubric", false},
    [PLUMB__FIELD_DOMAIN] = {"domain", false},
    [PLUMB__FIELD_BATCH] = {"batch", false},
    [PLUMB__FIELD_COHORT] = {"cohort", false},
    [PLUMB__FIELD_SOURCE] = {"source", false},
    [PLUMB__FIELD_TEMPLATE] = {"template", false},
    [PLUMB__FIELD_COMPONENT] = {"component", false},
    [PLUMB__FIELD_LICENCE] = {"licence", false},
    [PLUMB__FIELD_MARKING] = {"marking", false},
    [PLUMB__FIELD_CONSENT] = {"consent", true},
    [PLUMB__FIELD_DEPTH] = {"depth", false},
    [PLUMB__FIELD_BUDGET] = {"budget", false},
    [PLUMB__FIELD_WEIGHT] = {"weight", false},
    [PLUMB__FIELD_ANNOTATORS] = {"annotators", true},
    [PLUMB__FIELD_QUALITY] = {"quality", false},
    [PLUMB__FIELD_AGREEMENT] = {"agreement", true},
    [PLUMB__FIELD_MESSAGES] = {"messages", true},
    [PLUMB__FIELD_PROMPT] = {"prompt", true},
    [PLUMB__FIELD_CHOSEN] = {"chosen", true},
    [PLUMB__FIELD_REJECTED] = {"rejected", true},
    [PLUMB__FIELD_SEGMENTS] = {"segments", false},
    [PLUMB__FIELD_SALT] = {"salt", false},
};

/* ---- for all readers of fields ---- */

plumb_status plumb__reading_fail(plumb__reading *r, const plumb__scan_node *node,
                                 plumb_status status, const char *format, ...)
{
    char message[PLUMB_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    r->bad->at = node != NULL ? node->at : r->scan->nodes[0].at;
    return plumb__fail(&r->bad->error, status, "%s", message);
}

const plumb__scan_node *plumb__reading_field(const plumb__reading *r, plumb__record_field field)
{
    const uint32_t number = r->scan->field[field];
    return number != 0 ? &r->scan->nodes[number] : NULL;
}

const plumb__scan_node *plumb__reading_member(const plumb__reading *r,
                                              const plumb__scan_node *object, const char *name)
{
    const plumb__scan_node *nodes = r->scan->nodes;
    const size_t n = strlen(name);
    uint32_t at = (uint32_t)(object - nodes) + 1;
    while (at < object->end) {
        if (nodes[at].bytes == n && memcmp(nodes[at].text, name, n) == 0) return &nodes[at + 1];
        at = nodes[at + 1].end;
    }
    return NULL;
}

plumb_status plumb__reading_want(plumb__reading *r, const char *in, const char *name,
                                 const plumb__scan_node *node, plumb__scan_kind kind,
                                 const char *wanted)
{
    if (node == NULL || node->kind == kind) return PLUMB_OK;
    return plumb__reading_fail(r, node, PLUMB_ERR_FORMAT, "%sfield \"%s\" must be %s, found %s", in,
                               name, wanted, plumb__scan_kind_name(node->kind));
}

bool plumb__reading_is_name(const plumb__scan_node *node, size_t max)
{
    if (node->kind != PLUMB__SCAN_STRING || node->bytes == 0 || node->bytes > max) return false;
    for (uint32_t i = 0; i < node->bytes; i++) {
        const unsigned char c = (unsigned char)node->text[i];
        if (c >= 0x20 && c < 0x7f) continue; /* that it is UTF-8 the scanner has seen */
        if (plumb__control_at(node->text + i, node->bytes - i) != 0) return false;
    }
    return true;
}

plumb_status plumb__reading_name(plumb__reading *r, const char *in, const char *name,
                                 const plumb__scan_node *node)
{
    PLUMB_TRY(plumb__reading_want(r, in, name, node, PLUMB__SCAN_STRING, "a string"));
    if (node == NULL || plumb__reading_is_name(node, PLUMB__RECORD_NAME_BYTES)) return PLUMB_OK;
    return plumb__reading_fail(r, node, PLUMB_ERR_FORMAT,
                               "%sfield \"%s\" must have 1 to %d bytes without control characters",
                               in, name, PLUMB__RECORD_NAME_BYTES);
}

double plumb__reading_number(const plumb__scan_node *node)
{
    return node->kind == PLUMB__SCAN_INTEGER ? (double)node->number.integer : node->number.real;
}

/* ---- the fields ---- */

static void keep(plumb__reading *r, plumb__record_field field)
{
    const plumb__scan_node *node = plumb__reading_field(r, field);
    if (node == NULL) return;
    r->view->field[field] = (plumb__span){node->text, node->bytes, node->at};
}

static plumb_status read_id(plumb__reading *r)
{
    const plumb__scan_node *id = plumb__reading_field(r, PLUMB__FIELD_ID);
    if (id == NULL) {
        return plumb__reading_fail(r, NULL, PLUMB_ERR_FORMAT, "field \"id\" is missing");
    }
    PLUMB_TRY(plumb__reading_want(r, "", "id", id, PLUMB__SCAN_STRING, "a string"));
    keep(r, PLUMB__FIELD_ID);
    if (plumb__reading_is_name(id, PLUMB__RECORD_ID_CAP)) return PLUMB_OK;
    return plumb__reading_fail(r, id, PLUMB_ERR_FORMAT,
                               "field \"id\" must have 1 to %d bytes without control characters",
                               PLUMB__RECORD_ID_CAP);
}

plumb_status plumb__reading_text_of(plumb__reading *r, plumb__record_field field)
{
    const plumb__scan_node *node = plumb__reading_field(r, field);
    keep(r, field);
    return plumb__reading_want(r, "", plumb__record_names[field].name, node, PLUMB__SCAN_STRING,
                               "a string");
}

plumb_status plumb__reading_name_of(plumb__reading *r, plumb__record_field field)
{
    keep(r, field);
    return plumb__reading_name(r, "", plumb__record_names[field].name,
                               plumb__reading_field(r, field));
}

bool plumb__reading_is(const plumb__scan_node *node, const char *text)
{
    return node->bytes == strlen(text) && memcmp(node->text, text, node->bytes) == 0;
}

static plumb_status read_source(plumb__reading *r)
{
    const plumb__scan_node *node = plumb__reading_field(r, PLUMB__FIELD_SOURCE);
    PLUMB_TRY(plumb__reading_text_of(r, PLUMB__FIELD_SOURCE));
    if (node == NULL || plumb__reading_is(node, "human") || plumb__reading_is(node, "model") ||
        plumb__reading_is(node, "human+model")) {
        return PLUMB_OK;
    }
    return plumb__reading_fail(r, node, PLUMB_ERR_FORMAT,
                               "field \"source\" must be \"human\", \"model\" or \"human+model\", "
                               "found \"%.*s\"",
                               node->bytes < 80 ? (int)node->bytes : 80, node->text);
}

static plumb_status read_names(plumb__reading *r)
{
    static const plumb__record_field names[] = {
        PLUMB__FIELD_RUBRIC,    PLUMB__FIELD_DOMAIN,   PLUMB__FIELD_BATCH,
        PLUMB__FIELD_COHORT,    PLUMB__FIELD_TEMPLATE, PLUMB__FIELD_PARENT,
        PLUMB__FIELD_COMPONENT, PLUMB__FIELD_LICENCE,  PLUMB__FIELD_MARKING};
    PLUMB_TRY(plumb__reading_text_of(r, PLUMB__FIELD_TEXT));
    PLUMB_TRY(plumb__reading_text_of(r, PLUMB__FIELD_LABEL));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        PLUMB_TRY(plumb__reading_name_of(r, names[i]));
    }
    PLUMB_TRY(read_source(r));
    /* A component is a part of the task that its parent is. */
    const plumb__scan_node *component = plumb__reading_field(r, PLUMB__FIELD_COMPONENT);
    if (component == NULL || plumb__reading_field(r, PLUMB__FIELD_PARENT) != NULL) return PLUMB_OK;
    return plumb__reading_fail(r, component, PLUMB_ERR_FORMAT,
                               "field \"component\" needs \"parent\"");
}

/* ---- content ---- */

static const char in_content[] = "in \"content\": ";

static plumb_status need_member(plumb__reading *r, const plumb__scan_node *object, const char *name,
                                const plumb__scan_node **out)
{
    *out = plumb__reading_member(r, object, name);
    if (*out != NULL) return PLUMB_OK;
    return plumb__reading_fail(r, object, PLUMB_ERR_FORMAT, "%sfield \"%s\" is missing", in_content,
                               name);
}

static plumb_status check_content_names(plumb__reading *r, const plumb__scan_node *content)
{
    const plumb__scan_node *nodes = r->scan->nodes;
    uint32_t at = (uint32_t)(content - nodes) + 1;
    for (; at < content->end; at = nodes[at + 1].end) {
        if (plumb__reading_is(&nodes[at], "sha256") || plumb__reading_is(&nodes[at], "bytes"))
            continue;
        return plumb__reading_fail(
            r, &nodes[at], PLUMB_ERR_FORMAT, "%sunknown field \"%.*s\" (allowed: sha256, bytes)",
            in_content, nodes[at].bytes < 80 ? (int)nodes[at].bytes : 80, nodes[at].text);
    }
    return PLUMB_OK;
}

plumb_status plumb__reading_content(plumb__reading *r)
{
    const plumb__scan_node *content = plumb__reading_field(r, PLUMB__FIELD_CONTENT), *hex, *bytes;
    if (content == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__reading_want(r, "", "content", content, PLUMB__SCAN_OBJECT, "an object"));
    PLUMB_TRY(check_content_names(r, content));
    PLUMB_TRY(need_member(r, content, "sha256", &hex));
    PLUMB_TRY(plumb__reading_want(r, in_content, "sha256", hex, PLUMB__SCAN_STRING, "a string"));
    PLUMB_TRY(need_member(r, content, "bytes", &bytes));
    PLUMB_TRY(
        plumb__reading_want(r, in_content, "bytes", bytes, PLUMB__SCAN_INTEGER, "an integer"));
    if (hex->bytes != 2 * PLUMB__HASH_BYTES ||
        !plumb__hex_decode(hex->text, hex->bytes, r->view->sha256.bytes)) {
        return plumb__reading_fail(r, hex, PLUMB_ERR_FORMAT,
                                   "%sfield \"sha256\" must be 64 lower-case hex digits",
                                   in_content);
    }
    if (bytes->number.integer < 0) {
        return plumb__reading_fail(r, bytes, PLUMB_ERR_FORMAT,
                                   "%sfield \"bytes\" must be at least 0, found %lld", in_content,
                                   (long long)bytes->number.integer);
    }
    r->view->content_bytes = (uint64_t)bytes->number.integer;
    return PLUMB_OK;
}

static plumb_status read_private(plumb__reading *r)
{
    const plumb__scan_node *digest = plumb__reading_field(r, PLUMB__FIELD_PRIVATE);
    plumb__hash decoded;
    PLUMB_TRY(plumb__reading_text_of(r, PLUMB__FIELD_PRIVATE));
    if (digest != NULL && (digest->bytes != 2 * PLUMB__HASH_BYTES ||
                           !plumb__hex_decode(digest->text, digest->bytes, decoded.bytes))) {
        return plumb__reading_fail(r, digest, PLUMB_ERR_FORMAT,
                                   "field \"private\" must be 64 lower-case hex digits");
    }
    if (digest != NULL || r->view->content_bytes != PLUMB__NO_CONTENT) return PLUMB_OK;
    return plumb__reading_fail(r, NULL, PLUMB_ERR_FORMAT,
                               "a record must have \"content\" or \"private\"");
}

/* ---- annotators, quality ---- */

/* The names one behind the other, each ended by NUL: one piece that says the whole list. */
static plumb_status join_names(plumb__reading *r, const plumb__scan_node *list, size_t total)
{
    char *out = plumb__arena_take(r->arena, total);
    const plumb__scan_node *name = list + 1;
    if (out == NULL) {
        return plumb__reading_fail(r, list, PLUMB_ERR_NO_MEMORY, "no memory for records");
    }
    r->view->field[PLUMB__FIELD_ANNOTATORS] = (plumb__span){out, (uint32_t)total, list->at};
    r->view->n_annotators = list->entries;
    for (uint32_t i = 0; i < list->entries; i++, name++) {
        memcpy(out, name->text, name->bytes);
        out[name->bytes] = '\0';
        out += name->bytes + 1;
    }
    return PLUMB_OK;
}

plumb_status plumb__reading_annotators(plumb__reading *r)
{
    const plumb__scan_node *list = plumb__reading_field(r, PLUMB__FIELD_ANNOTATORS);
    size_t total = 0;
    if (list == NULL) return PLUMB_OK;
    PLUMB_TRY(plumb__reading_want(r, "", "annotators", list, PLUMB__SCAN_ARRAY, "an array"));
    if (list->entries > MAX_ANNOTATORS) {
        return plumb__reading_fail(r, list, PLUMB_ERR_LIMIT,
                                   "field \"annotators\" has %u entries, at most %d", list->entries,
                                   MAX_ANNOTATORS);
    }
    uint32_t at = (uint32_t)(list - r->scan->nodes) + 1;
    for (uint32_t i = 0; i < list->entries; i++) {
        const plumb__scan_node *name = &r->scan->nodes[at];
        if (!plumb__reading_is_name(name, PLUMB__RECORD_NAME_BYTES)) {
            return plumb__reading_fail(r, name, PLUMB_ERR_FORMAT,
                                       "field \"annotators\": entry %u must be a string of 1 to %d "
                                       "bytes without control characters",
                                       i + 1, PLUMB__RECORD_NAME_BYTES);
        }
        total += (size_t)name->bytes + 1;
        at = name->end;
    }
    return list->entries == 0 ? PLUMB_OK : join_names(r, list, total);
}

static plumb_status read_quality(plumb__reading *r)
{
    const plumb__scan_node *node = plumb__reading_field(r, PLUMB__FIELD_QUALITY);
    if (node == NULL) return PLUMB_OK;
    if (node->kind != PLUMB__SCAN_INTEGER) {
        PLUMB_TRY(plumb__reading_want(r, "", "quality", node, PLUMB__SCAN_REAL, "a number"));
    }
    const double quality = plumb__reading_number(node);
    r->view->quality = quality;
    if (quality >= 0.0 && quality <= 1.0) return PLUMB_OK;
    return plumb__reading_fail(r, node, PLUMB_ERR_FORMAT,
                               "field \"quality\" must be from 0 to 1, found %g", quality);
}

/* A JSON text, as it stands in the line. */
static void keep_written(plumb__reading *r, const char *line, plumb__record_field field)
{
    const plumb__scan_node *node = plumb__reading_field(r, field);
    if (node == NULL) return;
    r->view->field[field] = (plumb__span){line + node->at, node->written, node->at};
}

/* What they mean is for the merge to say. */
static plumb_status keep_terms(plumb__reading *r, const char *line)
{
    keep_written(r, line, PLUMB__FIELD_DEPTH);
    keep_written(r, line, PLUMB__FIELD_BUDGET);
    keep_written(r, line, PLUMB__FIELD_WEIGHT);
    keep_written(r, line, PLUMB__FIELD_SEGMENTS);
    return plumb__reading_want(r, "", "segments", plumb__reading_field(r, PLUMB__FIELD_SEGMENTS),
                               PLUMB__SCAN_ARRAY, "an array");
}

plumb_status plumb__view_read(plumb__scan *scan, plumb__arena *arena, const char *line, size_t n,
                              plumb__record_view *out, plumb__view_error *bad)
{
    plumb__reading r = {scan, arena, out, bad};
    memset(out, 0, sizeof *out);
    out->content_bytes = PLUMB__NO_CONTENT;
    out->quality = NAN;
    const plumb_status status = plumb__scan_line(scan, arena, line, n, &bad->error);
    if (status != PLUMB_OK) {
        bad->at = scan->bad_at;
        return status;
    }
    if (scan->nodes[0].kind != PLUMB__SCAN_OBJECT) {
        return plumb__reading_fail(&r, NULL, PLUMB_ERR_FORMAT, "a record must be a JSON object");
    }
    PLUMB_TRY(read_id(&r));
    PLUMB_TRY(read_names(&r));
    PLUMB_TRY(plumb__reading_content(&r));
    PLUMB_TRY(read_private(&r));
    PLUMB_TRY(plumb__reading_annotators(&r));
    PLUMB_TRY(read_quality(&r));
    PLUMB_TRY(plumb__reading_parts(&r));
    return keep_terms(&r, line);
}
