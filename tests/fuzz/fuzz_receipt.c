/* Receipts: the input is the statement, signed by an operator of the store. What opens is
 * canonical, its sums agree as they are added here, and it names its signer; one changed bit, or no
 * signature, and it does not open. */
#include "fuzz_kit.h"

#include "base/json.h"
#include "manifest/plumb_receipt.h"
#include "manifest/signing/dsse.h"

#include <string.h>

enum { LATER_S = 1900000000 };

static bool open_it(const void *data, size_t n, plumb_receipt **receipt)
{
    plumb_error err = {0};
    const plumb_status status =
        plumb_receipt_open(fuzz_file(0, data, n), fuzz_trust(), LATER_S, receipt, &err);
    const bool ok = fuzz_accepted(status, &err);
    fuzz_assert(ok == (*receipt != NULL));
    return ok;
}

static uint64_t sum_of(const json_t *list, const char *field)
{
    uint64_t sum = 0;
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry)
    {
        sum += (uint64_t)json_integer_value(json_object_get(entry, field));
    }
    return sum;
}

static void check_sums(const json_t *predicate, const plumb_receipt_info *info)
{
    const char *field;
    json_t *list;
    fuzz_assert(info->used <= info->records);
    fuzz_assert(sum_of(json_object_get(predicate, "decisions"), "units") == info->units);
    json_object_foreach(json_object_get(predicate, "groups"), field, list)
    {
        fuzz_assert(sum_of(list, "units") == info->units);
        fuzz_assert(sum_of(list, "records") == info->used);
    }
}

static void check_receipt(const plumb_receipt *receipt, const uint8_t *data, size_t n)
{
    plumb_receipt_info info;
    plumb__bytes again = {0};
    json_t *value = NULL;
    size_t length = 0;
    plumb_receipt_describe(receipt, &info);
    fuzz_assert(strcmp(info.signer, "acme-1") == 0 && strcmp(info.signer_vendor, "acme") == 0);
    const char *statement = plumb_receipt_statement(receipt, &length);
    fuzz_assert(length == n && memcmp(statement, data, n) == 0);
    fuzz_works(plumb__json_parse("r", data, n, &value, err));
    fuzz_works(plumb__json_dump(value, &again, err));
    fuzz_assert(again.size == n && memcmp(again.data, data, n) == 0);
    fuzz_reached();
    check_sums(json_object_get(value, "predicate"), &info);
    json_decref(value);
    plumb__bytes_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb__bytes file = {0};
    plumb_receipt *receipt = NULL;
    fuzz_assert(!open_it(data, n, &receipt));
    fuzz_envelope(PLUMB__PAYLOAD_TYPE_INTOTO, data, n, 1, &file);
    if (open_it(file.data, file.size, &receipt)) {
        check_receipt(receipt, data, n);
        plumb_receipt_free(receipt);
        file.data[file.size / 2] ^= 1;
        fuzz_assert(!open_it(file.data, file.size, &receipt));
    }
    plumb__bytes_free(&file);
    return 0;
}
