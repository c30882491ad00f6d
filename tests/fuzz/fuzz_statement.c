/* Statements of manifests: what parses is dumped in canonical form, and that form parses to the
 * same again. */
#include "fuzz_kit.h"

#include "manifest/names.h"
#include "manifest/signing/statement.h"

#include <string.h>

static void check_facts(const plumb__statement *s)
{
    char origin[PLUMB__ORIGIN_BYTES];
    fuzz_assert(plumb__name_valid(s->vendor));
    fuzz_assert(plumb__name_valid(s->dataset));
    fuzz_assert(s->version >= 1);
    fuzz_assert(s->supersedes_version < s->version);
    plumb__statement_origin(s, origin);
    fuzz_assert(memchr(origin, '\0', sizeof origin) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plumb__statement s, again;
    plumb__bytes first = {0}, second = {0};
    plumb_error err = {0};
    if (!fuzz_accepted(plumb__statement_parse("s", data, n, &s, &err), &err)) return 0;
    fuzz_reached();
    check_facts(&s);
    fuzz_works(plumb__statement_dump(&s, &first, err));
    fuzz_works(plumb__statement_parse("again", first.data, first.size, &again, err));
    fuzz_works(plumb__statement_dump(&again, &second, err));
    fuzz_assert(first.size == second.size);
    fuzz_assert(memcmp(first.data, second.data, first.size) == 0);
    fuzz_assert(s.issued_s == again.issued_s && s.expires_s == again.expires_s);
    fuzz_assert(memcmp(&s.records, &again.records, sizeof s.records) == 0);
    plumb__bytes_free(&first);
    plumb__bytes_free(&second);
    plumb__statement_free(&s);
    plumb__statement_free(&again);
    return 0;
}
