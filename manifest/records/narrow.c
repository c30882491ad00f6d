#include "manifest/records/narrow.h"

#include "base/alloc.h"

#include <string.h>

#define NONE_SMALL UINT16_MAX

static const char what[] = "record table";

static plumb_status make_room(void *data, size_t capacity, size_t rows, size_t size,
                              plumb_error *err)
{
    if (capacity == 0) return plumb__alloc(data, rows, size, what, err);
    return plumb__grow(data, &capacity, rows, size, what, err);
}

plumb_status plumb__narrow_reserve(plumb__narrow *c, size_t rows, plumb_error *err)
{
    if (rows <= c->capacity) return PLUMB_OK;
    if (c->large != NULL) {
        PLUMB_TRY(make_room(&c->large, c->capacity, rows, sizeof *c->large, err));
    } else {
        PLUMB_TRY(make_room(&c->small, c->capacity, rows, sizeof *c->small, err));
    }
    c->capacity = rows;
    return PLUMB_OK;
}

static uint32_t widened(uint16_t value)
{
    return value == NONE_SMALL ? UINT32_MAX : value;
}

static plumb_status widen(plumb__narrow *c, plumb_error *err)
{
    PLUMB_TRY(plumb__alloc(&c->large, c->capacity, sizeof *c->large, what, err));
    for (size_t i = 0; i < c->capacity; i++) {
        c->large[i] = widened(c->small[i]);
    }
    plumb__free(c->small);
    c->small = NULL;
    return PLUMB_OK;
}

plumb_status plumb__narrow_set(plumb__narrow *c, size_t row, uint32_t value, plumb_error *err)
{
    if (c->small != NULL && value >= NONE_SMALL && value != UINT32_MAX) PLUMB_TRY(widen(c, err));
    if (c->large != NULL) {
        c->large[row] = value;
    } else {
        c->small[row] = value == UINT32_MAX ? NONE_SMALL : (uint16_t)value;
    }
    return PLUMB_OK;
}

uint32_t plumb__narrow_at(const plumb__narrow *c, size_t row)
{
    return c->large != NULL ? c->large[row] : widened(c->small[row]);
}

void plumb__narrow_free(plumb__narrow *c)
{
    plumb__free(c->small);
    plumb__free(c->large);
    memset(c, 0, sizeof *c);
}

uint64_t plumb__narrow_memory(const plumb__narrow *c)
{
    return c->capacity * (c->large != NULL ? sizeof *c->large : sizeof *c->small);
}
