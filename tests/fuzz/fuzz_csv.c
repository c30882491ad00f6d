/* Delimited text. The first byte chooses separator and quoting. Rows that are read have fields
 * without surprises: inside their row, valid UTF-8, ended; written again with every field quoted
 * they read as the same fields. A malformed row does not end the reading, which ends all the same.
 */
#include "fuzz_kit.h"

#include "base/text.h"
#include "manifest/import/import_csv.h"

#include <string.h>

typedef struct dump {
    plumb__bytes quoted, fields; /* rows written again; all fields with their ends, for comparing */
    uint64_t rows, refused;
} dump;

static void add_field(dump *d, const char *text, size_t n, bool first, char separator)
{
    if (!first) plumb__bytes_u8(&d->quoted, (uint8_t)separator);
    plumb__bytes_u8(&d->quoted, '"');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"') plumb__bytes_u8(&d->quoted, '"');
        plumb__bytes_u8(&d->quoted, (uint8_t)text[i]);
    }
    plumb__bytes_u8(&d->quoted, '"');
    plumb__bytes_append(&d->fields, text, n);
    plumb__bytes_u8(&d->fields, '\0');
}

static void add_row(dump *d, const plumb__csv *csv, char separator)
{
    fuzz_assert(csv->n_fields >= 1 && csv->n_fields <= PLUMB__CSV_MAX_COLUMNS);
    for (uint32_t i = 0; i < csv->n_fields; i++) {
        const char *text = plumb__csv_field(csv, i);
        const size_t n = csv->lengths[i];
        fuzz_assert(strlen(text) == n);
        fuzz_assert(plumb__utf8_valid(text, n, NULL));
        add_field(d, text, n, i == 0, separator);
    }
    fuzz_reached();
    plumb__bytes_append_text(&d->quoted, "\r\n");
    plumb__bytes_append_text(&d->fields, "\n");
    d->rows++;
}

static void read_all(const void *data, size_t n, char separator, bool quoting, dump *d)
{
    plumb__csv csv;
    plumb_error err = {0};
    bool more = true;
    if (!fuzz_accepted(plumb__csv_open(&csv, fuzz_file(0, data, n), separator, quoting, &err),
                       &err)) {
        return;
    }
    while (more && d->rows + d->refused <= n) {
        const plumb_status status = plumb__csv_next(&csv, &more, &err);
        if (fuzz_accepted(status, &err)) {
            if (more) add_row(d, &csv, separator);
            continue;
        }
        d->refused++;
        if (status != PLUMB_ERR_FORMAT) break;
    }
    fuzz_assert(d->rows + d->refused <= n + 1);
    plumb__csv_close(&csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    dump first = {0}, again = {0};
    if (n == 0) return 0;
    const char separator = (data[0] & 1) != 0 ? '\t' : (data[0] & 2) != 0 ? ';' : ',';
    read_all(data + 1, n - 1, separator, (data[0] & 4) == 0, &first);
    read_all(first.quoted.data, first.quoted.size, separator, true, &again);
    fuzz_assert(again.refused == 0 && again.rows == first.rows);
    fuzz_assert(again.fields.size == first.fields.size);
    fuzz_assert(first.fields.size == 0 ||
                memcmp(again.fields.data, first.fields.data, first.fields.size) == 0);
    plumb__bytes_free(&first.quoted);
    plumb__bytes_free(&first.fields);
    plumb__bytes_free(&again.quoted);
    plumb__bytes_free(&again.fields);
    return 0;
}
