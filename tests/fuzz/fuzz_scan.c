/* The line scanner against jansson: both accept the input or both refuse it, and what the scanner
 * made nodes of has the values that jansson read, to the bit. */
#include "fuzz_kit.h"

#include "base/json.h"
#include "manifest/records/json_scan.h"

#include <string.h>

/* Known names of both kinds, one short, one that is not ASCII. */
static const plumb__scan_name names[] = {
    {"id", true},       {"content", true},  {"text", false},      {"annotators", true},
    {"segments", true}, {"depth", true},    {"agreement", false}, {"budget", true},
    {"messages", true}, {"quality", false}, {"a", true},          {"\xc3\xa9", true},
    {NULL, false}};

static plumb__scan scan;
static plumb__arena arena;

/* The node at `at` is `value`; returns the node behind it. */
static uint32_t compare(uint32_t at, const json_t *value);

static uint32_t compare_entries(uint32_t at, const json_t *value)
{
    const plumb__scan_node *node = &scan.nodes[at];
    const bool object = node->kind == PLUMB__SCAN_OBJECT;
    uint32_t next = at + 1;
    fuzz_assert(object ? json_is_object(value) : json_is_array(value));
    fuzz_assert(node->entries == (object ? json_object_size(value) : json_array_size(value)));
    for (uint32_t i = 0; i < node->entries; i++) {
        const json_t *entry = json_array_get(value, i);
        if (object) {
            const plumb__scan_node *key = &scan.nodes[next++];
            fuzz_assert(key->kind == PLUMB__SCAN_STRING);
            entry = json_object_getn(value, key->text, key->bytes);
        }
        fuzz_assert(entry != NULL);
        next = compare(next, entry);
    }
    fuzz_assert(next == node->end);
    return next;
}

static void compare_scalar(const plumb__scan_node *node, const json_t *value)
{
    const double real = json_real_value(value);
    switch (node->kind) {
    case PLUMB__SCAN_STRING:
        fuzz_assert(json_is_string(value) && node->bytes == json_string_length(value));
        fuzz_assert(memcmp(node->text, json_string_value(value), node->bytes) == 0);
        break;
    case PLUMB__SCAN_INTEGER:
        fuzz_assert(json_is_integer(value) && json_integer_value(value) == node->number.integer);
        break;
    case PLUMB__SCAN_REAL:
        fuzz_assert(json_is_real(value));
        fuzz_assert(memcmp(&real, &node->number.real, sizeof real) == 0);
        break;
    case PLUMB__SCAN_TRUE: fuzz_assert(json_is_true(value)); break;
    case PLUMB__SCAN_FALSE: fuzz_assert(json_is_false(value)); break;
    case PLUMB__SCAN_NULL: fuzz_assert(json_is_null(value)); break;
    default: fuzz_failed(__FILE__, __LINE__, "a node of no kind");
    }
}

static uint32_t compare(uint32_t at, const json_t *value)
{
    const plumb__scan_node *node = &scan.nodes[at];
    fuzz_assert(at < scan.n_nodes && node->end > at && node->end <= scan.n_nodes);
    if (node->kind == PLUMB__SCAN_OBJECT || node->kind == PLUMB__SCAN_ARRAY) {
        return compare_entries(at, value);
    }
    compare_scalar(node, value);
    return at + 1;
}

/* A known member whose inside was not asked for is kept by its span. */
static void compare_span(const plumb__scan_node *node, const char *text, const json_t *value)
{
    json_t *again = json_loadb(text + node->at, node->bytes, JSON_DECODE_ANY, NULL);
    fuzz_assert(again != NULL && json_equal(again, value));
    json_decref(again);
}

static void compare_members(const char *text, const json_t *value)
{
    for (size_t i = 0; names[i].name != NULL; i++) {
        const json_t *member = json_object_get(value, names[i].name);
        const uint32_t at = scan.field[i];
        fuzz_assert((member == NULL) == (at == 0));
        if (at == 0) continue;
        if (names[i].inside || !(json_is_object(member) || json_is_array(member))) {
            (void)compare(at, member);
        } else {
            compare_span(&scan.nodes[at], text, member);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb_error err = {0}, oracle_err = {0};
    json_t *value = NULL;
    const char *text = (const char *)data;
    if (scan.names == NULL) plumb__scan_init(&scan, names);
    plumb__arena_reset(&arena, 1 << 20);
    const bool read = fuzz_accepted(plumb__scan_line(&scan, &arena, text, n, &err), &err);
    const bool oracle =
        fuzz_accepted(plumb__json_parse("j", data, n, &value, &oracle_err), &oracle_err);
    fuzz_assert(read == oracle);
    if (!read) {
        fuzz_assert(scan.bad_at <= n);
        fuzz_assert(plumb__scan_column(text, scan.bad_at) <= n + 1);
    } else if (json_is_object(value)) {
        fuzz_reached();
        compare_members(text, value);
    } else if (!json_is_array(value)) {
        (void)compare(0, value);
    }
    json_decref(value);
    return 0;
}
