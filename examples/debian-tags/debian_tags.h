/* Turning a Debian machine's package index into annotated records: what the files share. */
#ifndef DEBIAN_TAGS_H
#define DEBIAN_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What two label sources say of one package. Strings are owned by the catalogue; "" where the
 * source says nothing of the package. Tags: "facet::tag, facet::tag". */
typedef struct package {
    char *name, *summary, *section, *maintainer;
    char *archive_tags, *debtags_tags;
    bool in_archive, in_debtags;
} package;

/* A facet of the vocabulary: the rubric under which its tags are given. */
typedef struct facet {
    char name[64];
    char description[160];
    char digest[65]; /* SHA-256 of its stanza and of its tags' stanzas, in file order; hex */
} facet;

typedef struct catalogue {
    package *packages; /* sorted by name */
    size_t n_packages, capacity;
    facet *facets; /* sorted by name */
    size_t n_facets, facet_capacity;
    const char *origin; /* "Debian package index and debtags", "made by this program" */
} catalogue;

typedef struct settings {
    const char *out_path, *taxonomy_path, *pseudonym_key_path;
    const char *index_path, *tags_path, *vocabulary_path; /* NULL: the machine's own */
    size_t limit;                                         /* records; 0 = all */
    bool synthetic;
} settings;

/* All of these print their reason on standard error and return false on failure. */
bool catalogue_read_machine(catalogue *c, const settings *s);   /* index.c */
bool catalogue_make(catalogue *c);                              /* synthetic.c */
bool catalogue_read_vocabulary(catalogue *c, const char *path); /* vocabulary.c */
package *catalogue_add(catalogue *c, const char *name);         /* catalogue.c */
package *catalogue_find(catalogue *c, const char *name);
void catalogue_sort(catalogue *c);
void catalogue_free(catalogue *c);
facet *catalogue_add_facet(catalogue *c, const char *name);
const facet *catalogue_facet(const catalogue *c, const char *name);
bool records_write(const catalogue *c, const settings *s);  /* records.c */
bool taxonomy_write(const catalogue *c, const settings *s); /* taxonomy.c */
/* Depth profile of a facet: "surface", "semantic", "conceptual" or "all". */
const char *facet_depth(const char *name);

/* Reads a program's output, or a file through `gzip -dc` where it is one; no shell. text.c */
FILE *pipe_open(const char *const argv[], int *child);
bool pipe_close(FILE *stream, int child, const char *what);
void *must_alloc(void *old, size_t bytes);
char *must_copy(const char *text);
bool utf8_text(const char *text); /* well-formed, no control characters */

#endif
