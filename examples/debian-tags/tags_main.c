/* plumb-debian-tags: annotated records from a Debian machine's own package index.
 *
 * Two label sources: the index's Tag: fields (src:archive) and the debtags package (src:debtags).
 * They share ancestry, so they are not independent raters; their agreement is a lower bar than that
 * of two people who never saw each other's labels. */
#include "debian_tags.h"

#include <getopt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: plumb-debian-tags --out RECORDS.jsonl --taxonomy TAXONOMY.json --pseudonym-key FILE\n"
    "                         [--limit N] [--synthetic]\n"
    "                         [--index FILE] [--tags FILE] [--vocabulary FILE]\n"
    "\n"
    "Writes one record per (package, facet): the package's name and short description, a tab, and "
    "its\n"
    "tags of that facet. Annotators are the two label sources, the package index's Tag: fields\n"
    "(src:archive) and the debtags package (src:debtags); they share ancestry and are not "
    "independent\n"
    "raters. Quality is their agreement. Cohorts are maintainer teams as pseudonyms under the "
    "key.\n"
    "\n"
    "  --limit N        a fair sample of N records instead of all\n"
    "  --synthetic      invented packages, also used where this machine has no index\n"
    "  --pseudonym-key  16 to 64 random bytes: head -c 32 /dev/urandom > FILE\n"
    "\n"
    "example: plumb-debian-tags --out records.jsonl --taxonomy taxonomy.json \\\n"
    "             --pseudonym-key keys/pseudonyms --limit 1200\n";

static bool parse(int argc, char **argv, settings *s)
{
    static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                            {"taxonomy", required_argument, NULL, 't'},
                                            {"pseudonym-key", required_argument, NULL, 'k'},
                                            {"limit", required_argument, NULL, 'n'},
                                            {"synthetic", no_argument, NULL, 's'},
                                            {"index", required_argument, NULL, 'i'},
                                            {"tags", required_argument, NULL, 'g'},
                                            {"vocabulary", required_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        char *end = NULL;
        switch (c) {
        case 'o': s->out_path = optarg; break;
        case 't': s->taxonomy_path = optarg; break;
        case 'k': s->pseudonym_key_path = optarg; break;
        case 'i': s->index_path = optarg; break;
        case 'g': s->tags_path = optarg; break;
        case 'v': s->vocabulary_path = optarg; break;
        case 's': s->synthetic = true; break;
        case 'n':
            s->limit = strtoul(optarg, &end, 10);
            if (*end || !*optarg || optarg[0] == '-') {
                fprintf(stderr, "plumb-debian-tags: --limit wants a number, not %s\n", optarg);
                return false;
            }
            break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    }
    return optind == argc && s->out_path && s->taxonomy_path && s->pseudonym_key_path;
}

int main(int argc, char **argv)
{
    settings s = {0};
    catalogue c = {0};
    if (!parse(argc, argv, &s)) {
        fputs(usage, stderr);
        return 2;
    }
    if (sodium_init() < 0) return 4;
    if (!s.synthetic && !catalogue_read_machine(&c, &s)) {
        if (s.index_path || s.tags_path || s.vocabulary_path) return 3;
        fputs("plumb-debian-tags: using invented packages instead\n", stderr);
        catalogue_free(&c);
        s.synthetic = true;
    }
    if (s.synthetic && !catalogue_make(&c)) return 4;
    const bool ok = taxonomy_write(&c, &s) && records_write(&c, &s);
    catalogue_free(&c);
    return ok ? 0 : 4;
}
