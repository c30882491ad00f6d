/* Lines of seals.jsonl (seal_lines.h). */
#include "provenance/seal_lines.h"

#include "base/alloc.h"
#include "provenance/inventory_fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static plumb_status add_line(plumb__seal_lines *l, plumb__inventory_fold *fold, const char *text,
                             size_t n, plumb_error *err)
{
    char what[64];
    (void)snprintf(what, sizeof what, "seals.jsonl line %zu", l->n + 1);
    if (n > PLUMB__MAX_SEAL_LINE_BYTES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: longer than %zu bytes", what,
                           PLUMB__MAX_SEAL_LINE_BYTES);
    PLUMB_TRY(plumb__grow(&l->lines, &l->capacity, l->n + 1, sizeof *l->lines, "seals", err));
    PLUMB_TRY(plumb__inventory_fold_line(what, text, n, fold, err));
    l->lines[l->n++] = (plumb__seal_line){text, n, fold->leaf};
    return PLUMB_OK;
}

static plumb_status read_lines(plumb__seal_lines *l, plumb__inventory_fold *fold, plumb_error *err)
{
    while (l->whole_bytes < l->data.size) {
        const char *at = (const char *)l->data.data + l->whole_bytes;
        const char *lf = memchr(at, '\n', l->data.size - l->whole_bytes);
        if (!lf) return PLUMB_OK;
        const plumb_status status = add_line(l, fold, at, (size_t)(lf - at), err);
        /* A torn write may have left its last block and not the others. */
        if (status == PLUMB_ERR_FORMAT && lf + 1 == (const char *)l->data.data + l->data.size)
            return PLUMB_OK;
        PLUMB_TRY(status);
        l->whole_bytes += (size_t)(lf - at) + 1;
    }
    return PLUMB_OK;
}

plumb_status plumb__seal_lines_read(const char *run_dir, plumb__seal_lines *out, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    plumb__inventory_fold fold = {0};
    *out = (plumb__seal_lines){0};
    PLUMB_TRY(plumb__path_join(path, run_dir, "seals.jsonl", err));
    if (!plumb__path_exists(path)) return PLUMB_OK;
    plumb_status status = plumb__file_read_nofollow(path, PLUMB__MAX_SEALS_BYTES, &out->data, err);
    if (status == PLUMB_OK) status = read_lines(out, &fold, err);
    if (status == PLUMB_OK) status = plumb__inventory_fold_result(&fold, &out->last, err);
    plumb__inventory_fold_free(&fold);
    if (status != PLUMB_OK) plumb__seal_lines_free(out);
    return status;
}

void plumb__seal_lines_free(plumb__seal_lines *l)
{
    plumb__inventory_free(&l->last);
    plumb__bytes_free(&l->data);
    plumb__free(l->lines);
    *l = (plumb__seal_lines){0};
}

/* ---- segments ----------------------------------------------------------------------------- */

static bool segment_number(const char *name, uint64_t *number)
{
    static const char folder[] = "segments/";
    if (strncmp(name, folder, sizeof folder - 1) != 0) return false;
    const char *digits = name + sizeof folder - 1;
    const size_t n = strspn(digits, "0123456789");
    if (n == 0 || n > 18 || strcmp(digits + n, ".h5") != 0 || (n > 1 && digits[0] == '0'))
        return false;
    *number = strtoull(digits, NULL, 10);
    return true;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

plumb_status plumb__inventory_segments(const plumb__inventory *inventory, uint64_t **numbers,
                                       size_t *n, plumb_error *err)
{
    *n = 0;
    PLUMB_TRY(plumb__alloc(numbers, inventory->n_files, sizeof **numbers, "segments", err));
    for (size_t i = 0; i < inventory->n_files; i++)
        if (segment_number(inventory->files[i].name, &(*numbers)[*n])) (*n)++;
    qsort(*numbers, *n, sizeof **numbers, by_number);
    return PLUMB_OK;
}
