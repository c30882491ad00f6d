/* Depth profiles: what compiles gives finite weights of at least 0 everywhere, and its canonical
 * text compiles to the same function and the same text. */
#include "fuzz_kit.h"

#include "manifest/profile.h"

#include <math.h>
#include <string.h>

static void compare(const plumb__profile *a, const plumb__profile *b)
{
    static const char *const layers[] = {"blocks.0.mlp.up", "x", "head"};
    fuzz_assert(strcmp(plumb__profile_text(a), plumb__profile_text(b)) == 0);
    for (int i = 0; i <= 20; i++) {
        for (size_t l = 0; l < 3; l++) {
            const double weight = plumb__profile_at(a, i / 20.0, layers[l]);
            fuzz_assert(isfinite(weight) && weight >= 0.0);
            fuzz_assert(plumb__profile_at(b, i / 20.0, layers[l]) == weight);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    json_t *value = NULL, *again = NULL;
    plumb__profile *first = NULL, *second = NULL;
    plumb_error err = {0};
    if (!fuzz_accepted(plumb__json_parse("j", data, n, &value, &err), &err)) return 0;
    if (fuzz_accepted(plumb__profile_compile("p", value, &first, &err), &err)) {
        const char *text = plumb__profile_text(first);
        fuzz_works(plumb__json_parse("again", text, strlen(text), &again, err));
        fuzz_works(plumb__profile_compile("again", again, &second, err));
        compare(first, second);
    }
    plumb__profile_free(first);
    plumb__profile_free(second);
    json_decref(value);
    json_decref(again);
    return 0;
}
