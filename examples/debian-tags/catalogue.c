/* The catalogue of packages and facets. */
#include "debian_tags.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(((const package *)a)->name, ((const package *)b)->name);
}

package *catalogue_add(catalogue *c, const char *name)
{
    if (c->n_packages == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 1024;
        c->packages = must_alloc(c->packages, c->capacity * sizeof *c->packages);
    }
    package *p = &c->packages[c->n_packages++];
    memset(p, 0, sizeof *p);
    p->name = must_copy(name);
    p->summary = must_copy("");
    p->section = must_copy("");
    p->maintainer = must_copy("");
    p->archive_tags = must_copy("");
    p->debtags_tags = must_copy("");
    return p;
}

static void package_free(package *p)
{
    free(p->name);
    free(p->summary);
    free(p->section);
    free(p->maintainer);
    free(p->archive_tags);
    free(p->debtags_tags);
}

/* Sorts by name and keeps one entry of a name: an index may list a package once per suite. */
void catalogue_sort(catalogue *c)
{
    if (c->n_packages == 0) return;
    qsort(c->packages, c->n_packages, sizeof *c->packages, by_name);
    size_t kept = 1;
    for (size_t i = 1; i < c->n_packages; i++) {
        package *last = &c->packages[kept - 1];
        if (strcmp(last->name, c->packages[i].name) != 0) {
            c->packages[kept++] = c->packages[i];
        } else if (!last->archive_tags[0] && c->packages[i].archive_tags[0]) {
            package_free(last);
            *last = c->packages[i];
        } else {
            package_free(&c->packages[i]);
        }
    }
    c->n_packages = kept;
}

package *catalogue_find(catalogue *c, const char *name)
{
    char key_name[512];
    if (c->n_packages == 0 || strlen(name) >= sizeof key_name) return NULL;
    strcpy(key_name, name);
    const package key = {.name = key_name};
    return bsearch(&key, c->packages, c->n_packages, sizeof *c->packages, by_name);
}

facet *catalogue_add_facet(catalogue *c, const char *name)
{
    if (c->n_facets == c->facet_capacity) {
        c->facet_capacity = c->facet_capacity ? 2 * c->facet_capacity : 64;
        c->facets = must_alloc(c->facets, c->facet_capacity * sizeof *c->facets);
    }
    facet *f = &c->facets[c->n_facets++];
    memset(f, 0, sizeof *f);
    snprintf(f->name, sizeof f->name, "%s", name);
    return f;
}

const facet *catalogue_facet(const catalogue *c, const char *name)
{
    for (size_t i = 0; i < c->n_facets; i++) {
        if (strcmp(c->facets[i].name, name) == 0) return &c->facets[i];
    }
    return NULL;
}

void catalogue_free(catalogue *c)
{
    for (size_t i = 0; i < c->n_packages; i++)
        package_free(&c->packages[i]);
    free(c->packages);
    free(c->facets);
    memset(c, 0, sizeof *c);
}
