/* The pieces of scripts/bench.sh manifest, each a process of its own, one JSON object on its last
 * line:
 *   bench_manifest make DIR N            records.jsonl, taxonomy.json and trust.json in DIR
 *   bench_manifest mix DIR N             the same, but see below
 *   bench_manifest sign DIR              one signing of the file
 *   bench_manifest open DIR THREADS      verify and load, and what it takes in memory
 *   bench_manifest hash DIR ROUNDS       digests of the same bytes, in turn: ours, libcrypto's EVP,
 *                                        libsodium's; and the leaf hashes of its lines
 *   bench_manifest parse DIR             jansson alone over the lines, one thread
 * Texts are distinct, the rest follows a labelling shop: 20 domains, 50 rubrics, 2,000 batches of
 * one domain and two rubrics each, 25 teams of 12 annotators of whom one to three label a record.
 * `mix` draws rubric, domain and annotators of every record anew, so that nearly each has a
 * combination of its own: the worst that such a file can do to a table. */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/plumb_random.h"
#include "base/plumb_threads.h"
#include "manifest/plumb_manifest.h"
#include "manifest/proofs/merkle.h"
#include "manifest/signing/key_file.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef PLUMB_HAVE_LIBCRYPTO
#include <openssl/evp.h>
#endif

enum { RUBRICS = 50, DOMAINS = 20, BATCHES = 2000, TEAMS = 25, TEAM = 12, READ_CAP_GIB = 16 };

static void check(plumb_status status, const plumb_error *err)
{
    if (status == PLUMB_OK) return;
    (void)fprintf(stderr, "bench_manifest: %s\n", err->message);
    exit(plumb_status_exit_code(status));
}

static double seconds_since(uint64_t since_ns)
{
    return (double)(plumb__monotonic_ns() - since_ns) * 1e-9;
}

static const char *path_in(const char *dir, const char *name)
{
    static char paths[4][PLUMB__PATH_BYTES];
    static unsigned at;
    plumb_error err = {0};
    at = (at + 1) % 4;
    check(plumb__path_join(paths[at], dir, name, &err), &err);
    return paths[at];
}

static plumb_trust *open_trust(const char *dir)
{
    plumb_error err = {0};
    plumb_trust *trust = NULL;
    check(plumb_trust_open(path_in(dir, "trust.json"), &trust, &err), &err);
    return trust;
}

/* The most memory this process ever held, in bytes. */
static uint64_t peak_bytes(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL) return 0;
    while (fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "VmHWM: %lu", &kib) == 1) break;
    }
    (void)fclose(status);
    return (uint64_t)kib * 1024;
}

static plumb_secret_key *fixed_key(uint8_t number)
{
    uint8_t seed[32];
    plumb_error err = {0};
    plumb_secret_key *key = NULL;
    memset(seed, number, sizeof seed);
    check(plumb__key_from_seed(seed, &key, &err), &err);
    return key;
}

/* ---- make ---- */

static uint64_t drawn;

static uint32_t draw(uint32_t below)
{
    static uint32_t block[4];
    if (drawn % 4 == 0) plumb_random_block(20261122, 7, drawn / 4, block);
    return (uint32_t)((uint64_t)block[drawn++ % 4] * below >> 32);
}

/* Low numbers come often: the smaller of two draws. */
static uint32_t often(uint32_t below)
{
    const uint32_t a = draw(below), b = draw(below);
    return a < b ? a : b;
}

/* A sentence of 7 to 13 made-up words that ends in its number, which makes it distinct. */
static size_t make_text(uint32_t number, char *out)
{
    static const char *const parts[] = {"ba", "cor", "den", "el", "fi", "gra", "hu",  "in",
                                        "jo", "ka",  "lem", "mi", "no", "pra", "qui", "ra"};
    char *at = out;
    for (uint32_t words = 6 + draw(7); words > 0; words--) {
        for (uint32_t n = 1 + draw(3); n > 0; n--) {
            at = stpcpy(at, parts[draw(16)]);
        }
        *at++ = ' ';
    }
    at += sprintf(at, "%u", number);
    return (size_t)(at - out);
}

/* One to three of the twelve, or of everybody. */
static void add_annotators(uint32_t batch, bool mixed, plumb__bytes *out)
{
    const uint32_t first = mixed ? 0 : batch % TEAMS * TEAM, all = mixed ? TEAMS * TEAM : TEAM;
    uint32_t from = 0;
    for (uint32_t left = 1 + often(3); left > 0; left--) {
        /* Rising, so that nobody comes twice. */
        const uint32_t at = from + draw(all - from - left + 1);
        plumb__bytes_appendf(out, "%s\"a%03u\"", from > 0 ? "," : "", first + at);
        from = at + 1;
    }
}

static void make_record(uint32_t i, uint32_t total, bool mixed, plumb__bytes *out)
{
    char text[256], hex[PLUMB__HASH_HEX_BYTES];
    const size_t n = make_text(i, text);
    const plumb__hash digest = plumb__sha256(text, n);
    const uint32_t batch = (uint32_t)((uint64_t)i * BATCHES / total);
    const uint32_t rubric = mixed ? draw(RUBRICS) : (batch * 7 + draw(2) * 13) % RUBRICS;
    const uint32_t domain = mixed ? draw(DOMAINS) : batch % DOMAINS;
    plumb__hash_hex(&digest, hex);
    plumb__bytes_appendf(out,
                         "{\"id\":\"bench:%07u\",\"content\":{\"sha256\":\"%s\",\"bytes\":%zu},"
                         "\"text\":\"%s\",\"label\":\"class-%02u\",\"rubric\":\"rubric-%02u@1\","
                         "\"domain\":\"domain-%02u\",\"batch\":\"batch-%04u\",\"annotators\":[",
                         i, hex, n, text, often(40), rubric, domain, batch);
    add_annotators(batch, mixed, out);
    plumb__bytes_appendf(out, "],\"quality\":0.%02u}\n", 50 + draw(50));
}

static void make_records(const char *dir, uint32_t n, bool mixed)
{
    plumb__bytes block = {0};
    plumb_error err = {0};
    FILE *out = fopen(path_in(dir, "records.jsonl"), "wb");
    if (out == NULL) exit(4);
    for (uint32_t i = 0; i < n; i++) {
        make_record(i, n, mixed, &block);
        if (block.size < (1u << 20) && i + 1 < n) continue;
        check(plumb__bytes_check(&block, &err), &err);
        if (fwrite(block.data, 1, block.size, out) != block.size) exit(4);
        plumb__bytes_clear(&block);
    }
    if (fclose(out) != 0) exit(4);
    plumb__bytes_free(&block);
}

static void make_taxonomy(const char *dir)
{
    plumb__bytes text = {0};
    plumb_error err = {0};
    plumb__bytes_append_text(&text, "{\"profiles\":{\"upper\":{\"band\":[0.5,1]}},\"rubrics\":{");
    for (uint32_t i = 0; i < RUBRICS; i++) {
        plumb__bytes_appendf(&text, "%s\"rubric-%02u@1\":{\"depth\":\"%s\",\"weight\":%u}",
                             i > 0 ? "," : "", i, i % 2 == 0 ? "upper" : "all", 1 + i % 3);
    }
    plumb__bytes_append_text(&text, "}}");
    check(plumb__file_write_atomic(path_in(dir, "taxonomy.json"), text.data, text.size, 0644, &err),
          &err);
    plumb__bytes_free(&text);
}

static void make_trust(const char *dir)
{
    plumb_trust_addition addition;
    plumb_error err = {0};
    const char *path = path_in(dir, "trust.json");
    plumb_secret_key *root = fixed_key(1), *vendor = fixed_key(2);
    plumb_trust_addition_default(&addition);
    addition.vendor = "bench";
    addition.name = "bench-1";
    addition.roles = 1u << PLUMB_ROLE_QUALITY_ATTESTATION;
    plumb_key_public(vendor, &addition.key);
    check(plumb_trust_init(path, root, 0, &err), &err);
    check(plumb_trust_add(path, root, &addition, &err), &err);
    plumb_key_free(root);
    plumb_key_free(vendor);
}

static void run_make(const char *dir, uint32_t n, bool mixed)
{
    uint64_t bytes = 0;
    plumb_error err = {0};
    const uint64_t start = plumb__monotonic_ns();
    make_records(dir, n, mixed);
    make_taxonomy(dir);
    make_trust(dir);
    check(plumb__file_size(path_in(dir, "records.jsonl"), &bytes, &err), &err);
    printf("{\"seconds\":%.3f,\"records\":%u,\"bytes\":%llu}\n", seconds_since(start), n,
           (unsigned long long)bytes);
}

/* ---- sign, open ---- */

static void run_sign(const char *dir)
{
    plumb_sign_options options;
    plumb_error err = {0};
    plumb_secret_key *key = fixed_key(2);
    plumb_sign_options_default(&options);
    options.vendor = "bench";
    options.dataset = "records";
    options.taxonomy_path = path_in(dir, "taxonomy.json");
    (void)remove(path_in(dir, "records.plumb.json"));
    const uint64_t start = plumb__monotonic_ns();
    check(plumb_manifest_sign(path_in(dir, "records.jsonl"), key, &options, &err), &err);
    printf("{\"seconds\":%.4f,\"peak_bytes\":%llu}\n", seconds_since(start),
           (unsigned long long)peak_bytes());
    plumb_key_free(key);
}

/* Distinct texts that the table must keep whatever its form, each with its NUL: ids and texts; the
 * few names beside them do not count. *stored: as the table lays them, at multiples of 8. */
static uint64_t distinct_bytes(const plumb_manifest *m, uint64_t records, uint64_t *stored)
{
    uint64_t total = 0;
    plumb_error err = {0};
    plumb_record r;
    for (uint32_t i = 0; i < records; i++) {
        plumb_record_default(&r);
        check(plumb_manifest_record(m, i, &r, &err), &err);
        const size_t id = strlen(r.id) + 1, text = r.text != NULL ? strlen(r.text) + 1 : 0;
        total += id + text;
        *stored += (id + 7) / 8 * 8 + (text + 7) / 8 * 8;
    }
    return total;
}

static void run_open(const char *dir, unsigned threads)
{
    plumb_manifest_info info;
    plumb_manifest *m = NULL;
    plumb_error err = {0};
    plumb_trust *trust = open_trust(dir);
    check(plumb_threads_set(threads, &err), &err);
    const uint64_t start = plumb__monotonic_ns();
    check(plumb_manifest_open(path_in(dir, "records.plumb.json"), trust, NULL, &m, &err), &err);
    const double seconds = seconds_since(start);
    const uint64_t peak = peak_bytes();
    plumb_manifest_describe(m, &info);
    uint64_t stored = 0;
    const uint64_t strings = distinct_bytes(m, info.records, &stored);
    printf("{\"seconds\":%.4f,\"records\":%llu,\"threads\":%u,\"table_bytes\":%llu,"
           "\"string_bytes\":%llu,\"stored_string_bytes\":%llu,\"peak_bytes\":%llu}\n",
           seconds, (unsigned long long)info.records, threads, (unsigned long long)info.table_bytes,
           (unsigned long long)strings, (unsigned long long)stored, (unsigned long long)peak);
    plumb_manifest_free(m);
    plumb_trust_free(trust);
}

/* ---- hash, parse ---- */

static plumb__bytes read_records(const char *dir)
{
    plumb__bytes out = {0};
    plumb_error err = {0};
    const size_t cap = (size_t)READ_CAP_GIB << 30;
    check(plumb__file_read(path_in(dir, "records.jsonl"), cap, &out, &err), &err);
    return out;
}

static double hash_ours(const plumb__bytes *data, plumb__hash_kind kind, plumb__hash *out)
{
    enum { BLOCK = 1 << 20 };
    plumb__hasher h;
    const uint64_t start = plumb__monotonic_ns();
    plumb__hash_init(&h, kind);
    for (size_t at = 0; at < data->size; at += BLOCK) {
        plumb__hash_update(&h, data->data + at, data->size - at < BLOCK ? data->size - at : BLOCK);
    }
    *out = plumb__hash_final(&h);
    return seconds_since(start);
}

/* 0 where libcrypto is not part of the build. */
static double hash_evp(const plumb__bytes *data, plumb__hash *out)
{
#ifdef PLUMB_HAVE_LIBCRYPTO
    const uint64_t start = plumb__monotonic_ns();
    if (EVP_Digest(data->data, data->size, out->bytes, NULL, EVP_sha256(), NULL) != 1) exit(1);
    return seconds_since(start);
#else
    *out = plumb__sha256(data->data, data->size);
    return 0;
#endif
}

static double hash_sodium(const plumb__bytes *data, plumb__hash *out)
{
    const uint64_t start = plumb__monotonic_ns();
    (void)crypto_hash_sha256(out->bytes, data->data, data->size);
    return seconds_since(start);
}

static double hash_leaves(const plumb__bytes *data, uint64_t *leaves)
{
    plumb__merkle tree;
    plumb__merkle_init(&tree);
    const uint64_t start = plumb__monotonic_ns();
    for (size_t at = 0; at < data->size;) {
        const uint8_t *end = memchr(data->data + at, '\n', data->size - at);
        const size_t n = end == NULL ? data->size - at : (size_t)(end - data->data) - at;
        const plumb__hash leaf = plumb__merkle_leaf(data->data + at, n);
        plumb__merkle_add(&tree, &leaf);
        at += n + 1;
    }
    const plumb__hash root = plumb__merkle_root(&tree);
    *leaves = tree.count + (root.bytes[0] & 0u);
    return seconds_since(start);
}

static void print_list(const char *name, const double *values, unsigned n)
{
    printf("\"%s\":[", name);
    for (unsigned i = 0; i < n; i++) {
        printf("%s%.5f", i > 0 ? "," : "", values[i]);
    }
    printf("],");
}

static void run_hash(const char *dir, unsigned rounds)
{
    enum { MOST = 64 };
    double ours[MOST], evp[MOST], sodium[MOST], blake2b[MOST], tree[MOST];
    plumb__hash a, b, c, d;
    uint64_t leaves = 0;
    const plumb__bytes data = read_records(dir);
    if (rounds > MOST) rounds = MOST;
    for (unsigned i = 0; i < rounds; i++) {
        ours[i] = hash_ours(&data, PLUMB__SHA256, &a);
        evp[i] = hash_evp(&data, &b);
        sodium[i] = hash_sodium(&data, &c);
        blake2b[i] = hash_ours(&data, PLUMB__BLAKE2B, &d);
        tree[i] = hash_leaves(&data, &leaves);
        if (!plumb__hash_equal(&a, &b) || !plumb__hash_equal(&a, &c)) exit(1);
    }
    printf("{");
    print_list("ours", ours, rounds);
    print_list("evp", evp, rounds);
    print_list("sodium", sodium, rounds);
    print_list("blake2b", blake2b, rounds);
    print_list("tree", tree, rounds);
    printf("\"bytes\":%zu,\"leaves\":%llu}\n", data.size, (unsigned long long)leaves);
}

static void run_parse(const char *dir)
{
    const plumb__bytes data = read_records(dir);
    uint64_t records = 0;
    const uint64_t start = plumb__monotonic_ns();
    for (size_t at = 0; at < data.size; records++) {
        const uint8_t *end = memchr(data.data + at, '\n', data.size - at);
        if (end == NULL) exit(3);
        const size_t n = (size_t)(end - data.data) - at;
        json_t *record = json_loadb((const char *)data.data + at, n, JSON_REJECT_DUPLICATES, NULL);
        if (record == NULL) exit(3);
        json_decref(record);
        at += n + 1;
    }
    printf("{\"seconds\":%.4f,\"records\":%llu}\n", seconds_since(start),
           (unsigned long long)records);
}

int main(int argc, char **argv)
{
    plumb_error err = {0};
    const char *verb = argc >= 3 ? argv[1] : "";
    const unsigned long number = argc >= 4 ? strtoul(argv[3], NULL, 10) : 0;
    check(plumb__crypto_init(&err), &err);
    if (strcmp(verb, "make") == 0 && number > 0) {
        run_make(argv[2], (uint32_t)number, false);
    } else if (strcmp(verb, "mix") == 0 && number > 0) {
        run_make(argv[2], (uint32_t)number, true);
    } else if (strcmp(verb, "sign") == 0) {
        run_sign(argv[2]);
    } else if (strcmp(verb, "open") == 0) {
        run_open(argv[2], (unsigned)number);
    } else if (strcmp(verb, "hash") == 0 && number > 0) {
        run_hash(argv[2], (unsigned)number);
    } else if (strcmp(verb, "parse") == 0) {
        run_parse(argv[2]);
    } else {
        (void)fprintf(stderr, "usage: bench_manifest make|mix|sign|open|hash|parse DIR [N]\n");
        return 2;
    }
    return 0;
}
