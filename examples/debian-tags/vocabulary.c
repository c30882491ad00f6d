/* The debtags vocabulary: facets, and the digest of what each of them is defined to mean. */
#include "debian_tags.h"

#include <sodium.h>
#include <string.h>

typedef struct open_facet {
    facet *into;
    crypto_hash_sha256_state state;
} open_facet;

static void finish(open_facet *open)
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    if (!open->into) return;
    crypto_hash_sha256_final(&open->state, digest);
    sodium_bin2hex(open->into->digest, sizeof open->into->digest, digest, sizeof digest);
    open->into = NULL;
}

static void begin(catalogue *c, open_facet *open, char *line)
{
    finish(open);
    line[strcspn(line, "\n")] = 0;
    open->into = catalogue_add_facet(c, line + strlen("Facet: "));
    crypto_hash_sha256_init(&open->state);
    crypto_hash_sha256_update(&open->state, (const unsigned char *)line, strlen(line));
}

/* A facet's definition is its stanza and the stanzas of its tags, which follow it in the file. */
bool catalogue_read_vocabulary(catalogue *c, const char *path)
{
    char line[4096];
    open_facet open = {0};
    FILE *in = fopen(path, "r");
    if (!in) {
        fprintf(stderr, "plumb-debian-tags: %s is missing (package debtags has it)\n", path);
        return false;
    }
    while (fgets(line, sizeof line, in)) {
        if (strncmp(line, "Facet: ", 7) == 0) {
            begin(c, &open, line);
            continue;
        }
        if (!open.into) continue;
        crypto_hash_sha256_update(&open.state, (const unsigned char *)line, strlen(line));
        if (strncmp(line, "Description: ", 13) == 0 && !open.into->description[0]) {
            line[strcspn(line, "\n")] = 0;
            snprintf(open.into->description, sizeof open.into->description, "%.150s", line + 13);
        }
    }
    finish(&open);
    fclose(in);
    if (c->n_facets == 0) fprintf(stderr, "plumb-debian-tags: no facet in %s\n", path);
    return c->n_facets > 0;
}
