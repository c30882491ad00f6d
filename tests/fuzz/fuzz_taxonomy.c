/* Taxonomies: what is read knows its built-in names and every entry that it lists, and the same
 * document in canonical form reads to the same number of names, entries and profiles. */
#include "fuzz_kit.h"

#include "manifest/taxonomy/taxonomy.h"

#include <math.h>

/* A record that names an entry and states nothing has a depth and a weight of at least 0. */
static void check_entries(const plumb__taxonomy *taxonomy)
{
    const plumb__terms own = PLUMB__NO_TERMS;
    for (int kind = 0; kind < PLUMB__ENTRY_KINDS; kind++) {
        for (uint32_t i = 0; i < taxonomy->entries[kind].names.n; i++) {
            const char *name = plumb__intern_text(&taxonomy->entries[kind].names, i);
            const plumb__refs refs = {.rubric = kind == PLUMB__RUBRIC ? name : NULL,
                                      .domain = kind == PLUMB__DOMAIN ? name : NULL,
                                      .template_name = kind == PLUMB__TEMPLATE ? name : NULL};
            plumb__terms terms;
            fuzz_works(plumb__terms_resolve("r", taxonomy, &refs, &own, &terms, err));
            fuzz_assert(terms.profile < taxonomy->texts.n && terms.weight >= 0.0);
        }
    }
}

static void check_again(const json_t *value, const plumb__taxonomy *taxonomy)
{
    plumb__bytes text = {0};
    json_t *again = NULL;
    plumb__taxonomy other;
    fuzz_works(plumb__json_dump(value, &text, err));
    fuzz_works(plumb__json_parse("again", text.data, text.size, &again, err));
    fuzz_works(plumb__taxonomy_read("again", again, &other, err));
    fuzz_assert(other.names.n == taxonomy->names.n);
    for (int kind = 0; kind < PLUMB__ENTRY_KINDS; kind++) {
        fuzz_assert(other.entries[kind].names.n == taxonomy->entries[kind].names.n);
    }
    fuzz_assert(other.texts.n == taxonomy->texts.n);
    plumb__taxonomy_free(&other);
    json_decref(again);
    plumb__bytes_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    json_t *value = NULL;
    plumb__taxonomy taxonomy;
    plumb_error err = {0};
    if (!fuzz_accepted(plumb__json_parse("j", data, n, &value, &err), &err)) return 0;
    if (fuzz_accepted(plumb__taxonomy_read("t", value, &taxonomy, &err), &err)) {
        fuzz_assert(plumb__intern_find(&taxonomy.names, "all", 3) != PLUMB__INTERN_NONE);
        fuzz_assert(plumb__intern_find(&taxonomy.names, "none", 4) != PLUMB__INTERN_NONE);
        check_entries(&taxonomy);
        fuzz_reached();
        check_again(value, &taxonomy);
        plumb__taxonomy_free(&taxonomy);
    }
    json_decref(value);
    return 0;
}
