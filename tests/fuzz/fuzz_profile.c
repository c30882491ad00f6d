/* Depth profiles: what compiles gives finite weights of at least 0 everywhere, and its canonical
 * text compiles to the same function and the same text. */
#include "fuzz_kit.h"

#include "manifest/taxonomy/profile.h"

#include <math.h>
#include <string.h>

static void compare(const plumb__profile *a, const plumb__profile *b)
{
    static const char *const layers[] = {"blocks.0.mlp.up", "x", "head"};
    static const double progress[] = {0.0, 0.3, 1.0, NAN};
    fuzz_assert(strcmp(plumb__profile_text(a), plumb__profile_text(b)) == 0);
    for (unsigned i = 0; i <= 20 * 16; i++) {
        const double depth = i / 16 / 20.0, done = progress[i / 4 % 4];
        for (size_t l = 0; l < 3; l++) {
            const double weight = plumb__profile_at(a, i % 4, done, depth, layers[l]);
            fuzz_assert(isfinite(weight) && weight >= 0.0);
            fuzz_assert(plumb__profile_at(b, i % 4, done, depth, layers[l]) == weight);
            /* what is not known gives the largest, up to the rounding of a schedule */
            const double most = plumb__profile_at(a, 0, (double)NAN, depth, layers[l]);
            fuzz_assert(weight <= most + 1e-12 * most);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    json_t *value = NULL, *again = NULL;
    plumb__profile *first = NULL, *second = NULL;
    plumb_error err = {0};
    if (!fuzz_accepted(plumb__json_parse("j", data, n, &value, &err), &err)) return 0;
    if (fuzz_accepted(plumb__profile_compile("p", value, NULL, &first, &err), &err)) {
        const char *text = plumb__profile_text(first);
        fuzz_works(plumb__json_parse("again", text, strlen(text), &again, err));
        fuzz_works(plumb__profile_compile("again", again, NULL, &second, err));
        fuzz_reached();
        compare(first, second);
    }
    plumb__profile_free(first);
    plumb__profile_free(second);
    json_decref(value);
    json_decref(again);
    return 0;
}
