/* The machine's own package index (`apt-cache dumpavail`) and the debtags package's tags. */
#include "debian_tags.h"

#include <stdlib.h>
#include <string.h>

#define LINE_CAP ((size_t)1 << 20)

static void replace(char **field, const char *value)
{
    free(*field);
    *field = must_copy(value);
}

/* Joins a continuation line to a field. */
static void extend(char **field, const char *more)
{
    const size_t have = strlen(*field), add = strlen(more);
    *field = must_alloc(*field, have + add + 2);
    (*field)[have] = ' ';
    memcpy(*field + have + 1, more, add + 1);
}

static char *trim(char *text)
{
    size_t n = strlen(text);
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' '))
        text[--n] = 0;
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

/* One field line of a stanza; returns true while `Tag:` may go on in the next line. */
static bool take_field(package *p, char *line)
{
    static const struct {
        const char *name;
        size_t at;
    } fields[] = {{"Description", offsetof(package, summary)},
                  {"Description-en", offsetof(package, summary)},
                  {"Section", offsetof(package, section)},
                  {"Maintainer", offsetof(package, maintainer)},
                  {"Tag", offsetof(package, archive_tags)}};
    char *colon = strchr(line, ':');
    if (!colon) return false;
    *colon = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(line, fields[i].name) != 0) continue;
        replace((char **)(void *)((char *)p + fields[i].at), trim(colon + 1));
        return strcmp(line, "Tag") == 0;
    }
    return false;
}

/* An index as stanzas of fields, in the form of Packages files. */
static bool read_stanzas(catalogue *c, FILE *in)
{
    char *line = NULL;
    size_t room = 0;
    package *p = NULL;
    bool in_tags = false;
    ssize_t n;
    while ((n = getline(&line, &room, in)) > 0 && (size_t)n < LINE_CAP) {
        if (strncmp(line, "Package: ", 9) == 0) {
            p = catalogue_add(c, trim(line + 9));
            p->in_archive = true;
            in_tags = false;
        } else if (p && line[0] == ' ' && in_tags) {
            extend(&p->archive_tags, trim(line));
        } else if (p && line[0] != ' ' && line[0] != '\n') {
            in_tags = take_field(p, line);
        }
    }
    free(line);
    return c->n_packages > 0;
}

/* "package: tag, tag, …" a line. Packages the index lacks are passed over: they have no
 * description. */
static size_t read_tag_lines(catalogue *c, FILE *in)
{
    char *line = NULL;
    size_t room = 0, known = 0;
    ssize_t n;
    while ((n = getline(&line, &room, in)) > 0 && (size_t)n < LINE_CAP) {
        char *colon = strstr(line, ": ");
        if (!colon) continue;
        *colon = 0;
        package *p = catalogue_find(c, line);
        if (!p) continue;
        p->in_debtags = true;
        replace(&p->debtags_tags, trim(colon + 2));
        known++;
    }
    free(line);
    return known;
}

static bool read_index(catalogue *c, const char *path)
{
    int child = 0;
    const char *const apt[] = {"apt-cache", "dumpavail", NULL};
    const char *const file[] = {"gzip", "-dcf", path, NULL};
    FILE *in = pipe_open(path ? file : apt, &child);
    const bool some = in && read_stanzas(c, in);
    return pipe_close(in, child, path ? path : "apt-cache dumpavail") && some;
}

bool catalogue_read_machine(catalogue *c, const settings *s)
{
    const char *tags = s->tags_path ? s->tags_path : "/usr/share/debtags/tags-current.gz";
    const char *words = s->vocabulary_path ? s->vocabulary_path : "/usr/share/debtags/vocabulary";
    if (!read_index(c, s->index_path)) {
        fputs("plumb-debian-tags: this machine has no package index (apt-get update makes one)\n",
              stderr);
        return false;
    }
    catalogue_sort(c);
    if (!catalogue_read_vocabulary(c, words)) return false;
    int child = 0;
    const char *const gzip[] = {"gzip", "-dcf", tags, NULL};
    FILE *in = pipe_open(gzip, &child);
    const size_t known = in ? read_tag_lines(c, in) : 0;
    if (!pipe_close(in, child, tags) || known == 0) {
        fprintf(stderr, "plumb-debian-tags: no tags in %s (package debtags has them)\n", tags);
        return false;
    }
    c->origin = "the machine's package index (Tag: fields) and the debtags package";
    return true;
}
