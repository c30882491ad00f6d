/* A row is read byte by byte; what is wrong with it is remembered once, and the row read on to its
 * end, so that a caller who skips bad rows finds the next one. */
#include "manifest/import/import_csv.h"

#include "base/alloc.h"
#include "base/file.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define END (-1)

typedef struct trouble {
    const char *what; /* NULL: none */
    uint64_t line, column;
} trouble;

plumb_status plumb__csv_open(plumb__csv *csv, const char *path, char separator, bool quoting,
                             plumb_error *err)
{
    return plumb__csv_open_hashed(csv, path, separator, quoting, NULL, err);
}

plumb_status plumb__csv_open_hashed(plumb__csv *csv, const char *path, char separator, bool quoting,
                                    plumb__hasher *hasher, plumb_error *err)
{
    *csv = (plumb__csv){.path = path,
                        .separator = separator,
                        .quoting = quoting,
                        .fd = -1,
                        .hasher = hasher,
                        .next_line = 1,
                        .next_column = 1};
    const size_t n = PLUMB__CSV_MAX_COLUMNS;
    plumb_status status = plumb__file_open(path, hasher != NULL, &csv->fd, NULL, err);
    if (status == PLUMB_OK) status = plumb__alloc(&csv->buffer, BUFFER_BYTES, 1, "a file", err);
    if (status == PLUMB_OK) status = plumb__alloc(&csv->offsets, n, sizeof(size_t), "a row", err);
    if (status == PLUMB_OK) status = plumb__alloc(&csv->lengths, n, sizeof(size_t), "a row", err);
    if (status == PLUMB_OK) status = plumb__alloc(&csv->columns, n, sizeof(uint64_t), "row", err);
    if (status == PLUMB_OK) status = plumb__alloc(&csv->lines, n, sizeof(uint64_t), "a row", err);
    if (status != PLUMB_OK) plumb__csv_close(csv);
    return status;
}

void plumb__csv_close(plumb__csv *csv)
{
    if (csv->fd >= 0) (void)close(csv->fd);
    csv->fd = -1;
    plumb__free(csv->lines);
    plumb__free(csv->columns);
    plumb__free(csv->lengths);
    plumb__free(csv->offsets);
    plumb__bytes_free(&csv->row);
    plumb__free(csv->buffer);
    csv->lines = csv->columns = NULL;
    csv->lengths = csv->offsets = NULL;
    csv->buffer = NULL;
}

const char *plumb__csv_field(const plumb__csv *csv, uint32_t i)
{
    return (const char *)csv->row.data + csv->offsets[i];
}

/* ---- bytes ---- */

/* A byte that is left where it is, or END. */
static plumb_status peek(plumb__csv *csv, int *c, plumb_error *err)
{
    if (csv->at == csv->have) {
        csv->at = csv->have = 0;
        PLUMB_TRY(
            plumb__fd_read_some(csv->fd, csv->buffer, BUFFER_BYTES, csv->path, &csv->have, err));
        if (csv->hasher != NULL) plumb__hash_update(csv->hasher, csv->buffer, csv->have);
    }
    *c = csv->at == csv->have ? END : csv->buffer[csv->at];
    return PLUMB_OK;
}

static void complain(const plumb__csv *csv, trouble *t, const char *what)
{
    if (t->what == NULL) *t = (trouble){what, csv->next_line, csv->next_column};
}

/* True if byte c may stand here in well-formed UTF-8 (Unicode, table 3-7). */
static bool utf8_step(plumb__csv *csv, uint8_t c)
{
    if (csv->follow > 0) {
        const bool good = c >= csv->low && c <= csv->high;
        csv->follow = (uint8_t)(good ? csv->follow - 1 : 0);
        csv->low = 0x80;
        csv->high = 0xbf;
        return good;
    }
    if (c < 0x80) return true;
    if (c < 0xc2 || c > 0xf4) return false;
    csv->follow = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    csv->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    csv->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return true;
}

/* Goes past the byte that peek gave. */
static void take(plumb__csv *csv, int c, trouble *t)
{
    if (c == 0) complain(csv, t, "a NUL byte");
    if (!utf8_step(csv, (uint8_t)c)) complain(csv, t, "not valid UTF-8");
    csv->at++;
    csv->next_column++;
    if (c == '\n') {
        csv->next_line++;
        csv->next_column = 1;
    }
}

/* A byte order mark is common in exports and says nothing. */
static plumb_status skip_mark(plumb__csv *csv, plumb_error *err)
{
    int c;
    PLUMB_TRY(peek(csv, &c, err));
    if (c == 0xef && csv->have - csv->at >= 3 &&
        memcmp(csv->buffer + csv->at, "\xef\xbb\xbf", 3) == 0)
        csv->at += 3;
    return PLUMB_OK;
}

/* ---- fields ---- */

static plumb_status begin_field(plumb__csv *csv, plumb_error *err)
{
    const uint32_t i = csv->n_fields;
    if (i == PLUMB__CSV_MAX_COLUMNS) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "%s: line %" PRIu64 ": more than %d columns; is the separator right?",
                           csv->path, csv->line, PLUMB__CSV_MAX_COLUMNS);
    }
    csv->offsets[i] = csv->row.size;
    csv->columns[i] = csv->next_column;
    csv->lines[i] = csv->next_line;
    csv->n_fields++;
    return PLUMB_OK;
}

static plumb_status add(plumb__csv *csv, int c, plumb_error *err)
{
    const uint32_t i = csv->n_fields - 1;
    if (csv->row.size - csv->offsets[i] >= PLUMB__CSV_MAX_FIELD_BYTES) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "%s: line %" PRIu64 " column %" PRIu64
                           ": a field of more than %u bytes; is a quote left open?",
                           csv->path, csv->lines[i], csv->columns[i], PLUMB__CSV_MAX_FIELD_BYTES);
    }
    plumb__bytes_u8(&csv->row, (uint8_t)c);
    return PLUMB_OK;
}

/* Inside quotes, up to the closing one. */
static plumb_status quoted(plumb__csv *csv, trouble *t, plumb_error *err)
{
    int c;
    for (;;) {
        PLUMB_TRY(peek(csv, &c, err));
        if (c == END) {
            const uint32_t i = csv->n_fields - 1;
            return plumb__fail(err, PLUMB_ERR_TRUNCATED,
                               "%s: line %" PRIu64 " column %" PRIu64
                               ": a quote that is never closed",
                               csv->path, csv->lines[i], csv->columns[i]);
        }
        take(csv, c, t);
        if (c == '"') {
            PLUMB_TRY(peek(csv, &c, err));
            if (c != '"') return PLUMB_OK;
            take(csv, c, t);
        }
        PLUMB_TRY(add(csv, c, err));
    }
}

/* The CR of a CRLF; any other stands inside the field and is refused. */
static plumb_status carriage_return(plumb__csv *csv, trouble *t, bool *line_end, plumb_error *err)
{
    int c;
    const uint64_t column = csv->next_column;
    take(csv, '\r', t);
    PLUMB_TRY(peek(csv, &c, err));
    *line_end = c == '\n' || c == END;
    if (!*line_end && t->what == NULL)
        *t = (trouble){"a carriage return inside a field without quotes", csv->next_line, column};
    return PLUMB_OK;
}

/* One field up to its separator or line end; *last when the row ends here. */
static plumb_status field(plumb__csv *csv, trouble *t, bool *last, plumb_error *err)
{
    int c;
    bool line_end, after_quotes = false;
    PLUMB_TRY(begin_field(csv, err));
    PLUMB_TRY(peek(csv, &c, err));
    if (csv->quoting && c == '"') {
        take(csv, c, t);
        PLUMB_TRY(quoted(csv, t, err));
        after_quotes = true;
    }
    for (;;) {
        PLUMB_TRY(peek(csv, &c, err));
        *last = c == END || c == '\n';
        if (*last || c == (unsigned char)csv->separator) break;
        if (c == '\r') {
            PLUMB_TRY(carriage_return(csv, t, &line_end, err));
            if (line_end) continue;
        } else {
            if (after_quotes) complain(csv, t, "text behind a closing quote");
            if (csv->quoting && c == '"') complain(csv, t, "a quote inside a field without quotes");
            take(csv, c, t);
        }
        PLUMB_TRY(add(csv, c, err));
    }
    if (csv->follow > 0) complain(csv, t, "not valid UTF-8");
    csv->follow = 0;
    csv->lengths[csv->n_fields - 1] = csv->row.size - csv->offsets[csv->n_fields - 1];
    plumb__bytes_u8(&csv->row, 0);
    if (c != END) take(csv, c, t);
    return PLUMB_OK;
}

plumb_status plumb__csv_next(plumb__csv *csv, bool *more, plumb_error *err)
{
    trouble t = {0};
    bool last = false;
    int c;
    if (csv->next_line == 1 && csv->next_column == 1) PLUMB_TRY(skip_mark(csv, err));
    PLUMB_TRY(peek(csv, &c, err));
    *more = c != END;
    if (!*more) return PLUMB_OK;
    plumb__bytes_clear(&csv->row);
    csv->n_fields = 0;
    csv->line = csv->next_line;
    while (!last)
        PLUMB_TRY(field(csv, &t, &last, err));
    PLUMB_TRY(plumb__bytes_check(&csv->row, err));
    if (t.what == NULL) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT, "%s: line %" PRIu64 " column %" PRIu64 ": %s",
                       csv->path, t.line, t.column, t.what);
}
