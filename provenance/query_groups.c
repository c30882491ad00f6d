#include "provenance/query_groups.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* ---- sums by code ------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15ull; /* odd, no structure shared with small dense codes */
    x ^= x >> 29;
    return x;
}

static size_t slot_of(const plumb__groups *groups, uint64_t code0, uint64_t code1)
{
    size_t at = (size_t)mix(mix(code0) + code1) & (groups->n_slots - 1);
    for (;;) {
        const uint32_t row = groups->slots[at];
        if (row == 0) return at;
        const plumb__group *g = &groups->rows[row - 1];
        if (g->code[0] == code0 && g->code[1] == code1) return at;
        at = (at + 1) & (groups->n_slots - 1);
    }
}

static plumb_status widen(plumb__groups *groups, plumb_error *err)
{
    const size_t n_slots = groups->n_slots == 0 ? 256 : groups->n_slots * 2;
    uint32_t *slots = NULL;
    PLUMB_TRY(plumb__alloc(&slots, n_slots, sizeof *slots, "query groups", err));
    plumb__free(groups->slots);
    groups->slots = slots;
    groups->n_slots = n_slots;
    for (size_t i = 0; i < groups->n; i++)
        slots[slot_of(groups, groups->rows[i].code[0], groups->rows[i].code[1])] = (uint32_t)i + 1;
    return PLUMB_OK;
}

plumb_status plumb__groups_at(plumb__groups *groups, uint64_t code0, uint64_t code1,
                              plumb__group **group, plumb_error *err)
{
    if (2 * (groups->n + 1) > groups->n_slots) PLUMB_TRY(widen(groups, err));
    const size_t at = slot_of(groups, code0, code1);
    if (groups->slots[at] == 0) {
        if (groups->n >= PLUMB__MAX_GROUPS)
            return plumb__fail(err, PLUMB_ERR_LIMIT,
                               "the query has more than %zu groups; filter it or group by less",
                               PLUMB__MAX_GROUPS);
        PLUMB_TRY(plumb__grow(&groups->rows, &groups->capacity, groups->n + 1, sizeof *groups->rows,
                              "query groups", err));
        groups->rows[groups->n] = (plumb__group){.code = {code0, code1}};
        groups->slots[at] = (uint32_t)++groups->n;
    }
    *group = &groups->rows[groups->slots[at] - 1];
    return PLUMB_OK;
}

void plumb__groups_free(plumb__groups *groups)
{
    plumb__free(groups->rows);
    plumb__free(groups->slots);
    *groups = (plumb__groups){0};
}

/* ---- rows --------------------------------------------------------------------------------- */

struct plumb_result {
    plumb_query_row *rows;
    size_t n;
};

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static plumb_status make_row(const plumb__group *g, double total, uint32_t n_by,
                             plumb__group_name_fn *name, const void *ctx, plumb_query_row *row,
                             plumb_error *err)
{
    *row = (plumb_query_row){.units = g->units,
                             .spend_nats = g->spend_nats,
                             .share = ratio(g->spend_nats, total),
                             .masked_share = ratio(g->masked, g->edges),
                             .clipped_share = ratio(g->clipped, g->open),
                             .mean_norm = ratio(g->norm_sum, g->norms)};
    for (uint32_t i = 0; i < 2; i++) {
        char *text = NULL;
        PLUMB_TRY(plumb__strdup(&text, i < n_by ? name(ctx, i, g->code[i]) : "", err));
        row->group[i] = text;
    }
    return PLUMB_OK;
}

static int by_falling_spend(const void *left, const void *right)
{
    const plumb_query_row *a = left, *b = right;
    if (a->spend_nats != b->spend_nats) return a->spend_nats > b->spend_nats ? -1 : 1;
    const int first = strcmp(a->group[0], b->group[0]);
    return first != 0 ? first : strcmp(a->group[1], b->group[1]);
}

static void free_rows(plumb_query_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 2; k++)
            plumb__free((char *)(uintptr_t)rows[i].group[k]);
}

plumb_status plumb__result_make(const plumb__groups *groups, uint32_t n_by, uint64_t top,
                                plumb__group_name_fn *name, const void *ctx, plumb_result **result,
                                plumb_error *err)
{
    plumb_status status = PLUMB_OK;
    plumb_result *out = NULL;
    double total = 0;
    for (size_t i = 0; i < groups->n; i++)
        total += groups->rows[i].spend_nats;
    PLUMB_TRY_CLEAN(plumb__alloc(&out, 1, sizeof *out, "query result", err));
    PLUMB_TRY_CLEAN(plumb__alloc(&out->rows, groups->n, sizeof *out->rows, "query rows", err));
    for (; out->n < groups->n; out->n++) {
        status = make_row(&groups->rows[out->n], total, n_by, name, ctx, &out->rows[out->n], err);
        if (status != PLUMB_OK) {
            free_rows(&out->rows[out->n], 1);
            goto cleanup;
        }
    }
    qsort(out->rows, out->n, sizeof *out->rows, by_falling_spend);
    if (top > 0 && top < out->n) {
        free_rows(out->rows + top, out->n - (size_t)top);
        out->n = (size_t)top;
    }
    *result = out;
    return PLUMB_OK;
cleanup:
    plumb_result_free(out);
    return status;
}

size_t plumb_result_count(const plumb_result *result)
{
    return result->n;
}

const plumb_query_row *plumb_result_row(const plumb_result *result, size_t i)
{
    return i < result->n ? &result->rows[i] : NULL;
}

void plumb_result_free(plumb_result *result)
{
    if (result == NULL) return;
    if (result->rows != NULL) free_rows(result->rows, result->n);
    plumb__free(result->rows);
    plumb__free(result);
}
