#include "manifest/records/intern.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <sodium.h>
#include <string.h>

#define FIRST_SLOTS 64

plumb_status plumb__intern_init(plumb__intern *table, plumb_error *err)
{
    memset(table, 0, sizeof *table);
    PLUMB_TRY(plumb__crypto_init(err));
    randombytes_buf(table->key, sizeof table->key);
    table->n_slots = FIRST_SLOTS;
    PLUMB_TRY(plumb__alloc(&table->slots, table->n_slots, sizeof *table->slots, "strings", err));
    PLUMB_TRY(plumb__grow(&table->starts, &table->starts_capacity, FIRST_SLOTS,
                          sizeof *table->starts, "strings", err));
    table->starts[0] = 0;
    return PLUMB_OK;
}

void plumb__intern_free(plumb__intern *table)
{
    plumb__free(table->bytes);
    plumb__free(table->starts);
    plumb__free(table->slots);
    memset(table, 0, sizeof *table);
}

size_t plumb__intern_length(const plumb__intern *table, uint32_t number)
{
    return table->starts[number + 1] - table->starts[number] - 1;
}

const char *plumb__intern_text(const plumb__intern *table, uint32_t number)
{
    return number == PLUMB__INTERN_NONE ? NULL : table->bytes + table->starts[number];
}

size_t plumb__intern_memory(const plumb__intern *table)
{
    return table->capacity + table->starts_capacity * sizeof *table->starts +
           table->n_slots * sizeof *table->slots;
}

uint64_t plumb__intern_hash(const plumb__intern *table, const void *data, size_t n)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t value;
    crypto_shorthash(hash, n > 0 ? data : "", n, table->key);
    memcpy(&value, hash, sizeof value);
    return value;
}

static size_t first_slot(const plumb__intern *table, uint64_t hash)
{
    return (size_t)hash & (table->n_slots - 1);
}

/* The slot of the string, or the free one where it belongs. */
static size_t find_slot(const plumb__intern *table, uint64_t hash, const void *data, size_t n)
{
    size_t at = first_slot(table, hash);
    while (table->slots[at] != 0) {
        const uint32_t number = table->slots[at] - 1;
        if (plumb__intern_length(table, number) == n &&
            memcmp(table->bytes + table->starts[number], data, n) == 0) {
            break;
        }
        at = (at + 1) & (table->n_slots - 1);
    }
    return at;
}

uint32_t plumb__intern_find(const plumb__intern *table, const void *data, size_t n)
{
    const uint64_t hash = plumb__intern_hash(table, data, n);
    const uint32_t slot = table->slots[find_slot(table, hash, n > 0 ? data : "", n)];
    return slot == 0 ? PLUMB__INTERN_NONE : slot - 1;
}

/* Three quarters full at most: chains stay short and the table small. */
static plumb_status make_room(plumb__intern *table, plumb_error *err)
{
    if ((size_t)table->n + 1 <= table->n_slots / 4 * 3) return PLUMB_OK;
    uint32_t *old = table->slots;
    table->slots = NULL;
    const plumb_status status =
        plumb__alloc(&table->slots, table->n_slots * 2, sizeof *table->slots, "strings", err);
    if (status != PLUMB_OK) {
        table->slots = old;
        return status;
    }
    plumb__free(old);
    table->n_slots *= 2;
    for (uint32_t i = 0; i < table->n; i++) {
        const char *text = table->bytes + table->starts[i];
        size_t at =
            first_slot(table, plumb__intern_hash(table, text, plumb__intern_length(table, i)));
        while (table->slots[at] != 0) {
            at = (at + 1) & (table->n_slots - 1);
        }
        table->slots[at] = i + 1;
    }
    return PLUMB_OK;
}

plumb_status plumb__intern_add(plumb__intern *table, const void *data, size_t n, uint32_t *number,
                               plumb_error *err)
{
    return plumb__intern_add_hashed(table, plumb__intern_hash(table, data, n), data, n, number,
                                    err);
}

plumb_status plumb__intern_add_hashed(plumb__intern *table, uint64_t hash, const void *data,
                                      size_t n, uint32_t *number, plumb_error *err)
{
    PLUMB_TRY(make_room(table, err));
    if (n == 0) data = ""; /* the C library takes no NULL, not even for no bytes */
    const size_t slot = find_slot(table, hash, data, n);
    if (table->slots[slot] != 0) {
        *number = table->slots[slot] - 1;
        return PLUMB_OK;
    }
    if (n >= UINT32_MAX - table->size || table->n >= UINT32_MAX - 2) {
        return plumb__fail(err, PLUMB_ERR_LIMIT,
                           "the distinct strings take more than 4 GiB: split the manifest");
    }
    PLUMB_TRY(plumb__grow(&table->bytes, &table->capacity, table->size + n + 1, 1, "strings", err));
    PLUMB_TRY(plumb__grow(&table->starts, &table->starts_capacity, (size_t)table->n + 2,
                          sizeof *table->starts, "strings", err));
    memcpy(table->bytes + table->size, data, n);
    table->bytes[table->size + n] = '\0';
    table->size += n + 1;
    *number = table->n++;
    table->starts[table->n] = (uint32_t)table->size;
    table->slots[slot] = table->n;
    return PLUMB_OK;
}
