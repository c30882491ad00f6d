/* One record per (package, facet): the two sources' tags, and how far they agree. */
#include "debian_tags.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TAG_BYTES 128
#define MAX_TAGS 64
#define BATCH_RECORDS 500

/* The tags of one facet in one source's list, sorted, distinct. */
typedef struct tag_set {
    char tags[MAX_TAGS][TAG_BYTES];
    size_t n;
} tag_set;

typedef struct record {
    const package *package;
    const facet *facet;
    uint8_t rank[8]; /* pseudo-random order by id, so that a subset is a fair sample */
} record;

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void set_of(const char *list, const char *facet_name, tag_set *out)
{
    const size_t prefix = strlen(facet_name);
    out->n = 0;
    while (*list && out->n < MAX_TAGS) {
        const size_t n = strcspn(list, ", ");
        if (n > prefix + 2 && n < TAG_BYTES && strncmp(list, facet_name, prefix) == 0 &&
            strncmp(list + prefix, "::", 2) == 0) {
            snprintf(out->tags[out->n++], TAG_BYTES, "%.*s", (int)n, list);
        }
        list += n;
        list += strspn(list, ", ");
    }
    qsort(out->tags, out->n, TAG_BYTES, by_text);
}

/* The union of two sorted sets, and how many of its tags both have. */
static size_t merge(const tag_set *a, const tag_set *b, tag_set *both)
{
    size_t i = 0, j = 0, shared = 0;
    both->n = 0;
    while ((i < a->n || j < b->n) && both->n < MAX_TAGS) {
        const int order = i == a->n ? 1 : j == b->n ? -1 : strcmp(a->tags[i], b->tags[j]);
        memcpy(both->tags[both->n++], order <= 0 ? a->tags[i] : b->tags[j], TAG_BYTES);
        shared += order == 0;
        i += order <= 0;
        j += order >= 0;
    }
    return shared;
}

static void join(const tag_set *set, char *out, size_t size)
{
    out[0] = 0;
    for (size_t i = 0; i < set->n; i++) {
        const size_t have = strlen(out);
        if (have + strlen(set->tags[i]) + 3 > size) return;
        snprintf(out + have, size - have, "%s%s", i ? ", " : "", set->tags[i]);
    }
}

static void pseudonym(const uint8_t *key, size_t key_bytes, const char *maintainer, char out[32])
{
    unsigned char digest[16];
    char hex[sizeof digest * 2 + 1];
    crypto_generichash(digest, sizeof digest, (const unsigned char *)maintainer, strlen(maintainer),
                       key, key_bytes);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    snprintf(out, 32, "team-%.10s", hex);
}

static json_t *annotators(const tag_set *archive, const tag_set *debtags)
{
    json_t *list = json_array();
    if (archive->n) json_array_append_new(list, json_string("src:archive"));
    if (debtags->n) json_array_append_new(list, json_string("src:debtags"));
    return list;
}

/* Agreement of the two sources on this facet (Jaccard), where both know the package. */
static void add_quality(json_t *line, const package *p, size_t shared, size_t all)
{
    if (!p->in_archive || !p->in_debtags || !p->archive_tags[0] || !p->debtags_tags[0]) return;
    const double jaccard = all ? (double)shared / (double)all : 1.0;
    json_object_set_new(line, "quality", json_real(jaccard));
    json_object_set_new(line, "agreement", json_pack("{s:i,s:f}", "raters", 2, "jaccard", jaccard));
}

static json_t *record_line(const record *r, size_t number, const uint8_t *key, size_t key_bytes)
{
    static tag_set archive, debtags, both;
    char label[1024], text[2048], id[600], rubric[96], team[32], digest_hex[65], batch[32];
    unsigned char digest[crypto_hash_sha256_BYTES];
    const package *p = r->package;
    set_of(p->archive_tags, r->facet->name, &archive);
    set_of(p->debtags_tags, r->facet->name, &debtags);
    const size_t shared = merge(&archive, &debtags, &both);
    join(&both, label, sizeof label);
    snprintf(text, sizeof text, "%.200s: %.500s\t%s", p->name, p->summary, label);
    snprintf(id, sizeof id, "deb:%.200s#%s", p->name, r->facet->name);
    snprintf(rubric, sizeof rubric, "%s@%.12s", r->facet->name, r->facet->digest);
    snprintf(batch, sizeof batch, "batch-%03zu", number / BATCH_RECORDS + 1);
    pseudonym(key, key_bytes, p->maintainer, team);
    crypto_hash_sha256(digest, (const unsigned char *)text, strlen(text));
    sodium_bin2hex(digest_hex, sizeof digest_hex, digest, sizeof digest);
    json_t *line = json_pack("{s:s,s:{s:s,s:I},s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:s}", "id", id,
                             "content", "sha256", digest_hex, "bytes", (json_int_t)strlen(text),
                             "text", text, "label", label, "rubric", rubric, "domain",
                             p->section[0] ? p->section : "unknown", "batch", batch, "annotators",
                             annotators(&archive, &debtags), "cohort", team, "source", "human");
    if (line) add_quality(line, p, shared, both.n);
    return line;
}

static int by_rank(const void *a, const void *b)
{
    return memcmp(((const record *)a)->rank, ((const record *)b)->rank, 8);
}

static int by_id(const void *a, const void *b)
{
    const record *x = a, *y = b;
    const int order = strcmp(x->package->name, y->package->name);
    return order ? order : strcmp(x->facet->name, y->facet->name);
}

/* Every (package, facet) with at least one tag and printable text. */
static size_t collect(const catalogue *c, record **out)
{
    static tag_set a, b;
    size_t n = 0, room = 0;
    record *list = NULL;
    for (size_t i = 0; i < c->n_packages; i++) {
        const package *p = &c->packages[i];
        if (!utf8_text(p->summary) || !p->summary[0] || !utf8_text(p->section)) continue;
        for (size_t f = 0; f < c->n_facets; f++) {
            set_of(p->archive_tags, c->facets[f].name, &a);
            set_of(p->debtags_tags, c->facets[f].name, &b);
            if (a.n + b.n == 0) continue;
            if (n == room) list = must_alloc(list, (room = room ? 2 * room : 4096) * sizeof *list);
            record *r = &list[n++];
            r->package = p;
            r->facet = &c->facets[f];
            char id[600];
            snprintf(id, sizeof id, "deb:%.200s#%s", p->name, r->facet->name);
            unsigned char digest[16];
            crypto_generichash(digest, sizeof digest, (unsigned char *)id, strlen(id), NULL, 0);
            memcpy(r->rank, digest, sizeof r->rank);
        }
    }
    *out = list;
    return n;
}

/* The key of the pseudonyms: who holds it can link cohorts to maintainers, nobody else. */
static bool read_key(const char *path, uint8_t *key, size_t *n)
{
    FILE *in = fopen(path, "rb");
    *n = in ? fread(key, 1, crypto_generichash_KEYBYTES_MAX, in) : 0;
    if (in) fclose(in);
    if (*n < crypto_generichash_KEYBYTES_MIN) {
        fprintf(stderr, "plumb-debian-tags: %s must hold %u to %u random bytes\n", path,
                crypto_generichash_KEYBYTES_MIN, crypto_generichash_KEYBYTES_MAX);
        return false;
    }
    return true;
}

static bool write_lines(FILE *out, const record *list, size_t n, const uint8_t *key,
                        size_t key_bytes)
{
    for (size_t i = 0; i < n; i++) {
        json_t *line = record_line(&list[i], i, key, key_bytes);
        char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
        json_decref(line);
        if (!text || fputs(text, out) < 0 || fputc('\n', out) == EOF) {
            free(text);
            return false;
        }
        free(text);
    }
    return true;
}

bool records_write(const catalogue *c, const settings *s)
{
    uint8_t key[crypto_generichash_KEYBYTES_MAX];
    size_t key_bytes = 0;
    record *list = NULL;
    if (!read_key(s->pseudonym_key_path, key, &key_bytes)) return false;
    const size_t all = collect(c, &list);
    const size_t n = s->limit && s->limit < all ? s->limit : all;
    if (all) qsort(list, all, sizeof *list, by_rank);
    if (n) qsort(list, n, sizeof *list, by_id);
    FILE *out = fopen(s->out_path, "w");
    bool ok = out && write_lines(out, list, n, key, key_bytes);
    if (out && fclose(out) != 0) ok = false;
    if (!ok)
        fprintf(stderr, "plumb-debian-tags: cannot write %s: %s\n", s->out_path, strerror(errno));
    sodium_memzero(key, sizeof key);
    free(list);
    if (ok) {
        fprintf(stderr, "plumb-debian-tags: %zu of %zu records from %s\n", n, all, c->origin);
    }
    return ok;
}
