/* The structure of a line: a loop over tokens with a stack of open containers, no recursion.
 *
 * Invariants:
 * J1. A container's node is followed by those of its entries without gaps; `end` skips them. Nodes
 *     are kept for the value itself, for known members of an outer object, and in containers that
 *     are not silent: known members that are wanted inside, and all that is in them.
 * J2. keys[key_base of the innermost object ..] are the keys of that object so far, except those of
 *     the outer object that have a known name: of these `field` says whether they came.
 */
#include "manifest/records/json_scan.h"

#include "base/alloc.h"
#include "manifest/records/json_lexer.h"

#include <stdlib.h>
#include <string.h>

#define FEW_KEYS 8 /* as many are compared pair by pair */

typedef struct container {
    uint32_t node; /* or NO_NODE */
    uint32_t entries, at;
    size_t key_base;
    bool object, silent; /* silent: its entries leave no nodes */
} container;

#define NO_NODE UINT32_MAX

typedef struct scanning {
    plumb__scan *scan;
    plumb__lexer lexer;
    int depth;
    uint32_t field_at; /* index + 1 into scan->field of the value that comes next, or 0 */
    bool inside;       /* that member is wanted inside */
    container open[PLUMB__SCAN_LEVELS];
} scanning;

/* ---- known names ---- */

static size_t name_slot(const char *name, size_t n)
{
    const unsigned first = (unsigned char)name[0], last = (unsigned char)name[n - 1];
    return (n * 7 + first * 31 + last * 3) % PLUMB__SCAN_NAME_SLOTS;
}

void plumb__scan_init(plumb__scan *scan, const plumb__scan_name *names)
{
    memset(scan, 0, sizeof *scan);
    scan->names = names;
    for (uint8_t i = 0; names[i].name != NULL && i < PLUMB__SCAN_NAMES; i++) {
        size_t slot = name_slot(names[i].name, strlen(names[i].name));
        while (scan->slots[slot] != 0) {
            slot = (slot + 1) % PLUMB__SCAN_NAME_SLOTS;
        }
        scan->slots[slot] = (uint8_t)(i + 1);
    }
}

/* Index + 1, or 0. */
static uint32_t find_name(const plumb__scan *scan, const char *key, size_t n)
{
    if (n == 0) return 0;
    for (size_t slot = name_slot(key, n); scan->slots[slot] != 0;
         slot = (slot + 1) % PLUMB__SCAN_NAME_SLOTS) {
        const char *name = scan->names[scan->slots[slot] - 1].name;
        if (strncmp(name, key, n) == 0 && name[n] == '\0') return scan->slots[slot];
    }
    return 0;
}

void plumb__scan_free(plumb__scan *scan)
{
    plumb__free(scan->nodes);
    plumb__free(scan->keys);
    memset(scan, 0, sizeof *scan);
}

/* ---- keys of an object ---- */

static plumb_status add_key(scanning *s, const plumb__scan_node *key)
{
    plumb__scan *scan = s->scan;
    PLUMB_TRY(plumb__grow(&scan->keys, &scan->keys_capacity, scan->n_keys + 1, sizeof *scan->keys,
                          "records", s->lexer.err));
    scan->keys[scan->n_keys++] = (plumb__scan_key){key->text, key->bytes, key->at};
    return PLUMB_OK;
}

static bool same_key(const plumb__scan_key *a, const plumb__scan_key *b)
{
    return a->bytes == b->bytes && memcmp(a->text, b->text, a->bytes) == 0;
}

static plumb_status twice(scanning *s, const char *key, uint32_t bytes, uint32_t at)
{
    return plumb__lexer_fail(&s->lexer, s->lexer.start + at, "key \"%.*s\" is there twice",
                             bytes < 80 ? (int)bytes : 80, key);
}

/* By length, then bytes, then place: equal keys become neighbours, the later one behind. */
static int compare_keys(const void *a_pointer, const void *b_pointer)
{
    const plumb__scan_key *a = a_pointer, *b = b_pointer;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    const int order = memcmp(a->text, b->text, a->bytes);
    if (order != 0) return order;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* At the end of the innermost object: its keys are distinct. */
static plumb_status check_keys(scanning *s, size_t base)
{
    const size_t n = s->scan->n_keys - base;
    const bool sorted = n > FEW_KEYS;
    s->scan->n_keys = base;
    if (n < 2) return PLUMB_OK;
    plumb__scan_key *keys = s->scan->keys + base;
    if (sorted) qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 1; i < n; i++) {
        for (size_t j = sorted ? i - 1 : 0; j < i; j++) {
            if (same_key(&keys[i], &keys[j])) {
                return twice(s, keys[i].text, keys[i].bytes, keys[i].at);
            }
        }
    }
    return PLUMB_OK;
}

/* ---- values ---- */

static inline void skip_blanks(plumb__lexer *lexer)
{
    const char *p = lexer->at;
    while (p < lexer->end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) {
        p++;
    }
    lexer->at = p;
}

static plumb_status add_node(scanning *s, const plumb__scan_node *node, uint32_t *number)
{
    plumb__scan *scan = s->scan;
    PLUMB_TRY(plumb__grow(&scan->nodes, &scan->nodes_capacity, (size_t)scan->n_nodes + 1,
                          sizeof *scan->nodes, "records", s->lexer.err));
    *number = scan->n_nodes++;
    scan->nodes[*number] = *node;
    scan->nodes[*number].end = scan->n_nodes;
    return PLUMB_OK;
}

/* J1 for a value. */
static plumb_status place_node(scanning *s, const plumb__scan_node *node, uint32_t *number)
{
    const uint32_t field_at = s->field_at;
    s->field_at = 0;
    *number = NO_NODE;
    if (s->depth > 0 && field_at == 0 && s->open[s->depth - 1].silent) return PLUMB_OK;
    PLUMB_TRY(add_node(s, node, number));
    if (field_at != 0) s->scan->field[field_at - 1] = *number;
    return PLUMB_OK;
}

static plumb_status read_word(scanning *s, plumb__scan_node *node)
{
    static const struct {
        const char *text;
        plumb__scan_kind kind;
    } words[] = {
        {"true", PLUMB__SCAN_TRUE}, {"false", PLUMB__SCAN_FALSE}, {"null", PLUMB__SCAN_NULL}};
    plumb__lexer *lexer = &s->lexer;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const size_t n = strlen(words[i].text);
        if ((size_t)(lexer->end - lexer->at) < n || memcmp(lexer->at, words[i].text, n) != 0)
            continue;
        node->kind = words[i].kind;
        lexer->at += n;
        return PLUMB_OK;
    }
    return plumb__lexer_unexpected(lexer, "a value");
}

static plumb_status read_scalar(scanning *s)
{
    plumb__lexer *lexer = &s->lexer;
    const char *from = lexer->at;
    plumb__scan_node node = {.at = (uint32_t)(from - lexer->start)};
    uint32_t number;
    if (*from == '"') {
        node.kind = PLUMB__SCAN_STRING;
        PLUMB_TRY(plumb__lexer_string(lexer, &node));
        node.written = (uint32_t)(lexer->at - from);
        return place_node(s, &node, &number);
    }
    if (*from == '-' || (*from >= '0' && *from <= '9')) {
        PLUMB_TRY(plumb__lexer_number(lexer, &node));
    } else {
        PLUMB_TRY(read_word(s, &node));
    }
    node.text = from;
    node.bytes = node.written = (uint32_t)(lexer->at - from);
    return place_node(s, &node, &number);
}

static plumb_status open_container(scanning *s)
{
    plumb__lexer *lexer = &s->lexer;
    const char *from = lexer->at;
    if (s->depth == PLUMB__SCAN_LEVELS) {
        return plumb__lexer_fail(lexer, from, "nested deeper than %d levels", PLUMB__SCAN_LEVELS);
    }
    plumb__scan_node node = {.text = from,
                             .at = (uint32_t)(from - lexer->start),
                             .kind = *from == '{' ? PLUMB__SCAN_OBJECT : PLUMB__SCAN_ARRAY};
    /* Entries of the outer value are members, of which the known ones alone are kept. */
    const bool silent =
        s->depth == 0 || (s->depth == 1 ? !s->inside : s->open[s->depth - 1].silent);
    uint32_t number;
    PLUMB_TRY(place_node(s, &node, &number));
    s->open[s->depth++] = (container){.node = number,
                                      .at = node.at,
                                      .key_base = s->scan->n_keys,
                                      .object = *from == '{',
                                      .silent = silent};
    lexer->at++;
    return PLUMB_OK;
}

static plumb_status close_container(scanning *s)
{
    const container *c = &s->open[--s->depth];
    s->lexer.at++;
    if (c->node != NO_NODE) {
        plumb__scan_node *node = &s->scan->nodes[c->node];
        node->bytes = node->written = (uint32_t)(s->lexer.at - s->lexer.start) - c->at;
        node->entries = c->entries;
        node->end = s->scan->n_nodes;
    }
    return c->object ? check_keys(s, c->key_base) : PLUMB_OK;
}

/* ---- members ---- */

/* Whether the value is wanted, and what is in it. */
static plumb_status note_outer_key(scanning *s, const plumb__scan_node *key)
{
    const uint32_t known = find_name(s->scan, key->text, key->bytes);
    s->field_at = known;
    s->inside = known != 0 && s->scan->names[known - 1].inside;
    if (known == 0) return add_key(s, key);
    if (s->scan->field[known - 1] != 0) return twice(s, key->text, key->bytes, key->at);
    return PLUMB_OK;
}

static plumb_status read_key(scanning *s)
{
    plumb__lexer *lexer = &s->lexer;
    plumb__scan_node key = {.kind = PLUMB__SCAN_STRING};
    uint32_t number;
    skip_blanks(lexer);
    if (lexer->at == lexer->end || *lexer->at != '"') {
        return plumb__lexer_unexpected(lexer, "a key");
    }
    key.at = (uint32_t)(lexer->at - lexer->start);
    PLUMB_TRY(plumb__lexer_string(lexer, &key));
    if (s->depth == 1) {
        PLUMB_TRY(note_outer_key(s, &key));
    } else {
        PLUMB_TRY(add_key(s, &key));
        if (!s->open[s->depth - 1].silent) PLUMB_TRY(add_node(s, &key, &number));
    }
    skip_blanks(lexer);
    if (lexer->at == lexer->end || *lexer->at != ':') return plumb__lexer_unexpected(lexer, "':'");
    lexer->at++;
    return PLUMB_OK;
}

/* Before a value: what opens a container with entries asks for the next value, all else is whole
 * afterwards. */
static plumb_status read_value(scanning *s, bool *whole)
{
    plumb__lexer *lexer = &s->lexer;
    skip_blanks(lexer);
    *whole = true;
    if (lexer->at == lexer->end) return plumb__lexer_unexpected(lexer, "a value");
    if (*lexer->at != '{' && *lexer->at != '[') return read_scalar(s);
    PLUMB_TRY(open_container(s));
    const bool object = s->open[s->depth - 1].object;
    skip_blanks(lexer);
    if (lexer->at < lexer->end && *lexer->at == (object ? '}' : ']')) return close_container(s);
    *whole = false;
    return object ? read_key(s) : PLUMB_OK;
}

/* Behind a value: the next entry, or the ends of containers. */
static plumb_status after_value(scanning *s, bool *whole)
{
    plumb__lexer *lexer = &s->lexer;
    container *c = &s->open[s->depth - 1];
    skip_blanks(lexer);
    c->entries++;
    const char next = lexer->at < lexer->end ? *lexer->at : '\0';
    if (next == (c->object ? '}' : ']')) return close_container(s);
    if (next != ',') return plumb__lexer_unexpected(lexer, c->object ? "',' or '}'" : "',' or ']'");
    lexer->at++;
    *whole = false;
    return c->object ? read_key(s) : PLUMB_OK;
}

static plumb_status read_all(scanning *s)
{
    bool whole = false;
    for (;;) {
        if (!whole) {
            PLUMB_TRY(read_value(s, &whole));
        } else if (s->depth > 0) {
            PLUMB_TRY(after_value(s, &whole));
        } else {
            break;
        }
    }
    skip_blanks(&s->lexer);
    if (s->lexer.at == s->lexer.end) return PLUMB_OK;
    return plumb__lexer_unexpected(&s->lexer, "the end of the line");
}

plumb_status plumb__scan_line(plumb__scan *scan, plumb__arena *arena, const char *text, size_t n,
                              plumb_error *err)
{
    scanning s; /* not cleared as a whole: its stack is filled as it is used */
    if (n >= UINT32_MAX) return plumb__fail(err, PLUMB_ERR_LIMIT, "has more than 4 GiB");
    s.scan = scan;
    s.lexer =
        (plumb__lexer){.start = text, .at = text, .end = text + n, .arena = arena, .err = err};
    s.depth = 0;
    s.field_at = 0;
    s.inside = false;
    scan->n_nodes = 0;
    scan->n_keys = 0;
    memset(scan->field, 0, sizeof scan->field);
    const plumb_status status = read_all(&s);
    scan->bad_at = (uint32_t)(s.lexer.at - text);
    return status;
}

const char *plumb__scan_kind_name(plumb__scan_kind kind)
{
    static const char *const names[] = {"nothing",   "an object",  "an array",
                                        "a string",  "an integer", "a real number",
                                        "a boolean", "a boolean",  "null"};
    return names[kind];
}

uint32_t plumb__scan_column(const char *line, size_t at)
{
    uint32_t column = 1;
    for (size_t i = 0; i < at; i++) {
        column += ((unsigned char)line[i] & 0xc0) != 0x80;
    }
    return column;
}
