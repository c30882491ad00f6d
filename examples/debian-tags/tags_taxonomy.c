/* The taxonomy that the manifest is signed with: depth profiles, and a rubric per facet. */
#include "debian_tags.h"

#include <jansson.h>
#include <string.h>

/* Tags about form are let into the early layers, tags about kind into the middle, tags about
 * purpose into the late ones; all others everywhere. */
const char *facet_depth(const char *name)
{
    static const struct {
        const char *facet, *depth;
    } table[] = {{"implemented-in", "surface"}, {"interface", "surface"},
                 {"role", "semantic"},          {"scope", "semantic"},
                 {"use", "conceptual"},         {"works-with", "conceptual"},
                 {"field", "conceptual"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(name, table[i].facet) == 0) return table[i].depth;
    }
    return "all";
}

static json_t *profiles(void)
{
    return json_pack("{s:{s:[f,f]},s:{s:[f,f]},s:{s:[f,f]}}", "surface", "band", 0.0, 0.4,
                     "semantic", "band", 0.3, 0.7, "conceptual", "band", 0.6, 1.0);
}

static json_t *rubrics(const catalogue *c)
{
    json_t *all = json_object();
    for (size_t i = 0; i < c->n_facets; i++) {
        const facet *f = &c->facets[i];
        char name[96];
        snprintf(name, sizeof name, "%s@%.12s", f->name, f->digest);
        json_object_set_new(all, name,
                            json_pack("{s:s,s:s,s:s}", "depth", facet_depth(f->name), "description",
                                      f->description, "definition_digest", f->digest));
    }
    return all;
}

bool taxonomy_write(const catalogue *c, const settings *s)
{
    json_t *root = json_pack("{s:o,s:o,s:{s:s}}", "profiles", profiles(), "rubrics", rubrics(c),
                             "defaults", "depth", "all");
    const bool ok = root && json_dump_file(root, s->taxonomy_path,
                                           JSON_INDENT(1) | JSON_REAL_PRECISION(6)) == 0;
    if (!ok) fprintf(stderr, "plumb-debian-tags: cannot write %s\n", s->taxonomy_path);
    json_decref(root);
    return ok;
}
