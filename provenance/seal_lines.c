/* Lines of seals.jsonl (seal_lines.h). */
#include "provenance/seal_lines.h"

#include "base/alloc.h"
#include "provenance/bundle_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static plumb_status check_sequence(const char *what, const plumb__seal_lines *l,
                                   const plumb__inventory *inventory, plumb_error *err)
{
    const plumb__seal_line *before = l->n > 0 ? &l->lines[l->n - 1] : NULL;
    const bool leaf_ok = before ? inventory->leaf > before->leaf : inventory->leaf == 1;
    const bool state_ok = !before || before->state == PLUMB__SEAL_OPEN
                              ? inventory->state != PLUMB__SEAL_CLOSED
                              : before->state == PLUMB__SEAL_MERGED;
    if (inventory->seal == l->n && leaf_ok && state_ok) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_CORRUPT,
                       "%s: seal %" PRIu64 " (%s, leaf %" PRIu64
                       ") does not follow the line before; restore the file from a copy",
                       what, inventory->seal, plumb__seal_state_name(inventory->state),
                       inventory->leaf);
}

static plumb_status add_line(plumb__seal_lines *l, const char *text, size_t n, plumb_error *err)
{
    char what[64];
    plumb__inventory inventory;
    (void)snprintf(what, sizeof what, "seals.jsonl line %zu", l->n + 1);
    if (n > PLUMB__MAX_SEAL_LINE_BYTES)
        return plumb__fail(err, PLUMB_ERR_LIMIT, "%s: longer than %zu bytes", what,
                           PLUMB__MAX_SEAL_LINE_BYTES);
    PLUMB_TRY(plumb__inventory_parse(what, text, n, &inventory, err));
    plumb_status status = check_sequence(what, l, &inventory, err);
    if (status == PLUMB_OK)
        status = plumb__grow(&l->lines, &l->capacity, l->n + 1, sizeof *l->lines, "seals", err);
    if (status != PLUMB_OK) {
        plumb__inventory_free(&inventory);
        return status;
    }
    l->lines[l->n++] = (plumb__seal_line){text, n, inventory.leaf, inventory.state};
    plumb__inventory_free(&l->last);
    l->last = inventory;
    return PLUMB_OK;
}

plumb_status plumb__seal_lines_read(const char *run_dir, plumb__seal_lines *out, plumb_error *err)
{
    char path[PLUMB__PATH_BYTES];
    *out = (plumb__seal_lines){0};
    PLUMB_TRY(plumb__path_join(path, run_dir, "seals.jsonl", err));
    if (!plumb__path_exists(path)) return PLUMB_OK;
    plumb_status status =
        plumb__file_read_nofollow(path, PLUMB__MAX_SEALS_FILE_BYTES, &out->data, err);
    while (status == PLUMB_OK && out->whole_bytes < out->data.size) {
        const char *at = (const char *)out->data.data + out->whole_bytes;
        const char *lf = memchr(at, '\n', out->data.size - out->whole_bytes);
        if (!lf) break;
        status = add_line(out, at, (size_t)(lf - at), err);
        /* A torn write may have left its last block and not the others. */
        if (status == PLUMB_ERR_FORMAT && lf + 1 == (const char *)out->data.data + out->data.size) {
            status = PLUMB_OK;
            break;
        }
        out->whole_bytes += (size_t)(lf - at) + 1;
    }
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
