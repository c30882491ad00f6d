/* Policies: what parses lies in its documented ranges, and parses to the same again in canonical
 * form. */
#include "fuzz_kit.h"

#include "base/json.h"
#include "manifest/policy.h"

#include <math.h>
#include <string.h>

static void check_ranges(const plumb__policy *p)
{
    fuzz_assert(isfinite(p->max_mask) && p->max_mask > 0.0);
    fuzz_assert(p->unit_step_nats > 0.0 && p->run_nats > 0.0 && p->layer_step_nats > 0.0);
    fuzz_assert(p->reference_ema > 0.0 && p->reference_ema < 1.0);
    fuzz_assert(isfinite(p->reference_fixed) && p->reference_fixed >= 0.0);
    fuzz_assert(memchr(p->audience, '\0', sizeof p->audience) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static plumb__policy policy, again; /* static: what lies between the fields is zero in both */
    plumb__bytes text = {0};
    json_t *value = NULL;
    plumb_error err = {0};
    memset(&policy, 0, sizeof policy);
    memset(&again, 0, sizeof again);
    if (!fuzz_accepted(plumb__policy_parse("p", data, n, &policy, &err), &err)) return 0;
    check_ranges(&policy);
    fuzz_works(plumb__json_parse("p", data, n, &value, err));
    fuzz_works(plumb__json_dump(value, &text, err));
    fuzz_works(plumb__policy_parse("again", text.data, text.size, &again, err));
    fuzz_reached();
    check_ranges(&again);
    fuzz_assert(again.max_mask == policy.max_mask && again.unknown == policy.unknown);
    fuzz_assert(again.run_nats == policy.run_nats);
    fuzz_assert(strcmp(again.audience, policy.audience) == 0);
    json_decref(value);
    plumb__bytes_free(&text);
    return 0;
}
