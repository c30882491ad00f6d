/* Pins of withdrawals: they stand in the pin of the manifest's version as
 *   "withdrawals":{count, digest, seen}
 * with the digest of the last statement. A chain only grows: whoever has seen it once notices that
 * it was cut, taken away or replaced. */
#include "base/clock.h"
#include "manifest/manifest_object.h"
#include "manifest/trust/state.h"

#include <inttypes.h>
#include <string.h>

static uint64_t count_of(const json_t *pin)
{
    return (uint64_t)json_integer_value(json_object_get(pin, "count"));
}

static const char *text_of(const json_t *pin, const char *name)
{
    const char *text = json_string_value(json_object_get(pin, name));
    return text != NULL ? text : "";
}

plumb_status plumb__state_check_withdrawals(const char *what, const json_t *entry,
                                            const plumb_manifest *m, plumb_error *err)
{
    const json_t *pin = json_object_get(entry, "withdrawals");
    const plumb__withdrawals *chain = &m->withdrawals;
    const plumb__statement *s = &m->statement;
    const uint64_t seen = count_of(pin);
    char digest[PLUMB__HASH_HEX_BYTES];
    if (seen == 0) return PLUMB_OK;
    if (chain->n < seen) {
        return plumb__fail(err, PLUMB_ERR_TRUST,
                           "%s: rollback: %" PRIu64 " withdrawals from version %" PRIu64
                           " of %s/%s were seen (on %s), here there are %zu; put its "
                           "NAME.withdrawals beside it again, or get it from the vendor",
                           what, seen, s->version, s->vendor, s->dataset, text_of(pin, "seen"),
                           chain->n);
    }
    plumb__hash_hex(&chain->list[seen - 1].digest, digest);
    if (strcmp(digest, text_of(pin, "digest")) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_TRUST,
                       "%s: equivocation: withdrawal %" PRIu64 " from version %" PRIu64
                       " of %s/%s was seen with other content (on %s); ask the vendor which one "
                       "holds",
                       what, seen, s->version, s->vendor, s->dataset, text_of(pin, "seen"));
}

plumb_status plumb__state_pin_withdrawals(json_t *entry, const plumb_manifest *m, plumb_error *err)
{
    const plumb__withdrawals *chain = &m->withdrawals;
    char when[21];
    if (chain->n <= count_of(json_object_get(entry, "withdrawals"))) return PLUMB_OK;
    plumb__time_format(plumb__wall_s(), when);
    json_t *pin = json_pack("{s:I,s:s,s:s}", "count", (json_int_t)chain->n, "digest",
                            chain->last_hex, "seen", when);
    if (json_object_set_new(entry, "withdrawals", pin) == 0) return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for the pins");
}
