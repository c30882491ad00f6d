/* Elements are cut out by brackets and strings alone; what lies between them is left to the JSON
 * parser, whose positions are moved to where the element stands in the file. */
#include "manifest/import/json_items.h"

#include "base/alloc.h"
#include "base/file.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define MAX_DEPTH 64
#define END (-1)

plumb_status plumb__json_items_open(plumb__json_items *items, const char *path, const char *field,
                                    plumb_error *err)
{
    return plumb__json_items_open_hashed(items, path, field, NULL, err);
}

plumb_status plumb__json_items_open_hashed(plumb__json_items *items, const char *path,
                                           const char *field, plumb__hasher *hasher,
                                           plumb_error *err)
{
    *items = (plumb__json_items){
        .path = path, .field = field, .fd = -1, .hasher = hasher, .line = 1, .column = 1};
    plumb_status status = plumb__file_open(path, hasher != NULL, &items->fd, NULL, err);
    if (status == PLUMB_OK) status = plumb__alloc(&items->buffer, BUFFER_BYTES, 1, "a file", err);
    if (status != PLUMB_OK) plumb__json_items_close(items);
    return status;
}

void plumb__json_items_close(plumb__json_items *items)
{
    if (items->fd >= 0) (void)close(items->fd);
    items->fd = -1;
    plumb__bytes_free(&items->element);
    plumb__free(items->buffer);
    items->buffer = NULL;
}

static plumb_status peek(plumb__json_items *s, int *c, plumb_error *err)
{
    if (s->at == s->have) {
        s->at = s->have = 0;
        PLUMB_TRY(plumb__fd_read_some(s->fd, s->buffer, BUFFER_BYTES, s->path, &s->have, err));
        if (s->hasher != NULL) plumb__hash_update(s->hasher, s->buffer, s->have);
    }
    *c = s->at == s->have ? END : s->buffer[s->at];
    return PLUMB_OK;
}

static void skip(plumb__json_items *s)
{
    const bool line_end = s->buffer[s->at++] == '\n';
    s->line += line_end;
    s->column = line_end ? 1 : s->column + 1;
}

/* The next byte that is not white space, left where it is. */
static plumb_status peek_solid(plumb__json_items *s, int *c, plumb_error *err)
{
    for (;;) {
        PLUMB_TRY(peek(s, c, err));
        if (*c != ' ' && *c != '\t' && *c != '\n' && *c != '\r') return PLUMB_OK;
        skip(s);
    }
}

static plumb_status unexpected(const plumb__json_items *s, const char *wanted, plumb_error *err)
{
    return plumb__fail(err, PLUMB_ERR_TRUNCATED,
                       "%s: line %" PRIu64 " column %" PRIu64 ": expected %s", s->path, s->line,
                       s->column, wanted);
}

static plumb_status keep(plumb__json_items *s, int c, plumb_error *err)
{
    if (s->element.size >= PLUMB__ELEMENT_MAX_BYTES) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "%s: the element that begins on line %" PRIu64
                           " has more than %zu bytes",
                           s->path, s->element_line, PLUMB__ELEMENT_MAX_BYTES);
    }
    plumb__bytes_u8(&s->element, (uint8_t)c);
    skip(s);
    return PLUMB_OK;
}

/* A string with its quotes. */
static plumb_status keep_string(plumb__json_items *s, plumb_error *err)
{
    int c = '"';
    PLUMB_TRY(keep(s, c, err));
    for (;;) {
        PLUMB_TRY(peek(s, &c, err));
        if (c == END) return unexpected(s, "the end of a string", err);
        PLUMB_TRY(keep(s, c, err));
        if (c == '"') return PLUMB_OK;
        if (c != '\\') continue;
        PLUMB_TRY(peek(s, &c, err));
        if (c == END) return unexpected(s, "the end of a string", err);
        PLUMB_TRY(keep(s, c, err));
    }
}

/* Behind a key of the outermost object that began at `start`: into the array, if it is the one. */
static plumb_status enter(plumb__json_items *s, size_t start, bool *inside, plumb_error *err)
{
    const size_t n = s->field ? strlen(s->field) : 0;
    int c;
    if (n == 0 || s->element.size - start != n + 2 ||
        memcmp(s->element.data + start + 1, s->field, n) != 0)
        return PLUMB_OK;
    PLUMB_TRY(peek_solid(s, &c, err));
    if (c != ':') return PLUMB_OK;
    PLUMB_TRY(keep(s, c, err));
    PLUMB_TRY(peek_solid(s, &c, err));
    *inside = c == '[';
    if (*inside) skip(s);
    return PLUMB_OK;
}

/* True behind a number or a word that no bracket closes. */
static bool word_ends(const plumb__json_items *s, int c)
{
    return s->element.size > 0 && (c == END || strchr(" \t\r\n,]}", c) != NULL);
}

/* One value up to its end; *inside when the named array was found and entered instead. */
static plumb_status cut(plumb__json_items *s, bool outermost, bool *inside, plumb_error *err)
{
    int c, depth = 0;
    *inside = false;
    for (;;) {
        PLUMB_TRY(peek(s, &c, err));
        if (depth == 0 && word_ends(s, c)) return PLUMB_OK;
        if (c == END) return unexpected(s, "the end of an element", err);
        if (c == '"') {
            const size_t start = s->element.size;
            PLUMB_TRY(keep_string(s, err));
            if (outermost && depth == 1) PLUMB_TRY(enter(s, start, inside, err));
            if (depth == 0 || *inside) return PLUMB_OK;
            continue;
        }
        PLUMB_TRY(keep(s, c, err));
        if ((c == '{' || c == '[') && ++depth > MAX_DEPTH) {
            return plumb__fail(err, PLUMB_ERR_LIMIT,
                               "%s: line %" PRIu64 " column %" PRIu64
                               ": nested deeper than %d levels",
                               s->path, s->line, s->column - 1, MAX_DEPTH);
        }
        if ((c == '}' || c == ']') && --depth <= 0) return PLUMB_OK;
    }
}

/* Into the array, or to the first of several values. */
static plumb_status begin(plumb__json_items *s, plumb_error *err)
{
    int c;
    PLUMB_TRY(peek(s, &c, err));
    if (c == 0xef && s->have - s->at >= 3 && memcmp(s->buffer + s->at, "\xef\xbb\xbf", 3) == 0)
        s->at += 3; /* a byte order mark says nothing */
    s->begun = true;
    PLUMB_TRY(peek_solid(s, &c, err));
    if (c == END) return plumb__fail(err, PLUMB_ERR_TRUNCATED, "%s: is empty", s->path);
    if (c != '[') return PLUMB_OK;
    s->in_array = true;
    skip(s);
    return PLUMB_OK;
}

/* Goes to the next element, or sets ended. */
static plumb_status advance(plumb__json_items *s, plumb_error *err)
{
    int c;
    PLUMB_TRY(peek_solid(s, &c, err));
    if (!s->in_array) {
        s->ended = c == END;
        return PLUMB_OK;
    }
    if (c == ']') {
        s->ended = true;
        skip(s);
        return PLUMB_OK;
    }
    if (s->number == 0) return PLUMB_OK;
    if (c != ',') return unexpected(s, "a comma or the end of the array", err);
    skip(s);
    PLUMB_TRY(peek_solid(s, &c, err));
    return c == ']' || c == END ? unexpected(s, "an element behind the comma", err) : PLUMB_OK;
}

static plumb_status parse(const plumb__json_items *s, json_t **out, plumb_error *err)
{
    json_error_t why;
    *out = json_loadb((const char *)s->element.data, s->element.size,
                      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (*out != NULL) return PLUMB_OK;
    const uint64_t before = why.line > 1 ? 0 : s->element_column - 1;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: line %" PRIu64 " column %" PRIu64 ": %s",
                       s->path, s->element_line + (uint64_t)(why.line > 0 ? why.line - 1 : 0),
                       before + (uint64_t)(why.column > 0 ? why.column : 0), why.text);
}

plumb_status plumb__json_items_next(plumb__json_items *items, json_t **out, plumb_error *err)
{
    plumb__json_items *s = items;
    bool inside = false;
    *out = NULL;
    if (!s->begun) PLUMB_TRY(begin(s, err));
    do {
        if (s->ended) return PLUMB_OK;
        PLUMB_TRY(advance(s, err));
        if (s->ended) return PLUMB_OK;
        plumb__bytes_clear(&s->element);
        s->element_line = s->line;
        s->element_column = s->column;
        PLUMB_TRY(cut(s, !s->in_array && s->number == 0, &inside, err));
        s->in_array = s->in_array || inside;
    } while (inside);
    s->number++;
    PLUMB_TRY(plumb__bytes_check(&s->element, err));
    return parse(s, out, err);
}
