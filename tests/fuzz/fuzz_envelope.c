/* DSSE envelopes: what parses must dump to the very same bytes, and one signature more must parse
 * again, hold, and leave the others as they were. */
#include "fuzz_kit.h"

#include "manifest/signing/dsse.h"

#include <string.h>

static void add_signature(plumb__dsse *envelope)
{
    plumb__bytes text = {0};
    plumb__dsse again;
    plumb_public_key key;
    plumb_key_public(fuzz_key(1), &key);
    if (envelope->n_signatures == PLUMB__DSSE_MAX_SIGNATURES) return;
    const size_t before = envelope->n_signatures;
    fuzz_works(plumb__dsse_sign(envelope, fuzz_key(1), err));
    if (envelope->n_signatures == before) return; /* its signature was there already */
    fuzz_works(plumb__dsse_dump(envelope, &text, err));
    fuzz_works(plumb__dsse_parse("e", text.data, text.size, &again, err));
    fuzz_assert(again.n_signatures == before + 1);
    fuzz_assert(plumb__dsse_signed_by(&again, before, &key));
    fuzz_assert(again.payload.size == envelope->payload.size);
    fuzz_assert(strcmp(again.payload_type, envelope->payload_type) == 0);
    fuzz_assert(memcmp(again.signatures, envelope->signatures,
                       (before + 1) * sizeof *again.signatures) == 0);
    plumb__dsse_free(&again);
    plumb__bytes_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb__dsse envelope;
    plumb__bytes text = {0};
    plumb_error err = {0};
    if (!fuzz_accepted(plumb__dsse_parse("e", data, n, &envelope, &err), &err)) return 0;
    fuzz_reached();
    fuzz_works(plumb__dsse_dump(&envelope, &text, err));
    fuzz_assert(text.size == n && memcmp(text.data, data, n) == 0);
    add_signature(&envelope);
    plumb__bytes_free(&text);
    plumb__dsse_free(&envelope);
    return 0;
}
