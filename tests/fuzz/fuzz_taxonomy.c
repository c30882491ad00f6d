/* Taxonomies: what is read knows its built-in names and every rubric that it lists, and the same
 * document in canonical form reads to the same number of names, rubrics and profiles. */
#include "fuzz_kit.h"

#include "manifest/taxonomy.h"

#include <string.h>

static void check_rubrics(const json_t *value, const plumb__taxonomy *taxonomy)
{
    const char *name;
    json_t *rubric;
    const plumb__terms *terms = NULL;
    json_object_foreach(json_object_get(value, "rubrics"), name, rubric)
    {
        fuzz_works(plumb__rubric_find("r", taxonomy, name, &terms, err));
        fuzz_assert(terms != NULL);
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
    fuzz_assert(other.rubrics.n == taxonomy->rubrics.n);
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
        check_rubrics(value, &taxonomy);
        check_again(value, &taxonomy);
        plumb__taxonomy_free(&taxonomy);
    }
    json_decref(value);
    return 0;
}
