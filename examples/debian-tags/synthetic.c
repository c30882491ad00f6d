/* A small data set of the same form for machines without a package index: invented packages, and
 * two invented label sources of which the second forgets about one tag in eight. */
#include "debian_tags.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char *const subjects[] = {"image",   "sound",    "mail",        "text",
                                       "archive", "network",  "font",        "map",
                                       "video",   "database", "spreadsheet", "music"};
static const char *const deeds[] = {"converter", "viewer",  "editor",
                                    "server",    "checker", "indexer"};
static const char *const uses[] = {"converting",   "viewing",  "editing",
                                   "transmission", "checking", "searching"};
static const char *const languages[] = {"c", "python", "perl", "java"};
static const char *const faces[] = {"commandline", "graphical", "daemon"};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static void make_package(catalogue *c, size_t i)
{
    char name[64], text[512];
    const char *subject = subjects[i % COUNT(subjects)];
    const size_t deed = i / COUNT(subjects) % COUNT(deeds);
    const char *language = languages[(i / 7) % COUNT(languages)];
    const char *face = faces[(i / 5) % COUNT(faces)];
    snprintf(name, sizeof name, "%.1s%s-%zu", subject, deeds[deed], i);
    package *p = catalogue_add(c, name);
    snprintf(text, sizeof text, "%s %s written in %s", subject, deeds[deed], language);
    free(p->summary);
    p->summary = must_copy(text);
    snprintf(text, sizeof text, "section-%s", subject);
    free(p->section);
    p->section = must_copy(text);
    snprintf(text, sizeof text, "Team %zu", i % 9);
    free(p->maintainer);
    p->maintainer = must_copy(text);
    snprintf(text, sizeof text,
             "implemented-in::%s, interface::%s, role::program, use::%s, works-with::%s", language,
             face, uses[deed], subject);
    free(p->archive_tags);
    p->archive_tags = must_copy(text);
    if (i % 8 == 3) *strrchr(text, ',') = 0;
    free(p->debtags_tags);
    p->debtags_tags = must_copy(text);
    p->in_archive = p->in_debtags = true;
}

bool catalogue_make(catalogue *c)
{
    static const char *const facets[] = {"implemented-in", "interface", "role", "use",
                                         "works-with"};
    for (size_t i = 0; i < COUNT(facets); i++) {
        facet *f = catalogue_add_facet(c, facets[i]);
        unsigned char digest[crypto_hash_sha256_BYTES];
        snprintf(f->description, sizeof f->description, "Invented facet: %s", facets[i]);
        crypto_hash_sha256(digest, (unsigned char *)f->description, strlen(f->description));
        sodium_bin2hex(f->digest, sizeof f->digest, digest, sizeof digest);
    }
    for (size_t i = 0; i < 600; i++)
        make_package(c, i);
    catalogue_sort(c);
    c->origin = "invented packages made by this program (no package index was used)";
    return true;
}
