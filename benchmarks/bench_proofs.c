/* Proofs about single records, for scripts/bench.sh manifest:
 *   bench_proofs DIR COUNT
 * Makes the tile store of DIR/records.plumb.json, then proves COUNT records at random and checks
 * each proof: warm, with the store in the page cache; cold, after the pages of store and records
 * were given back (where the kernel honours that). Prints one JSON object. */
#include "base/clock.h"
#include "base/file.h"
#include "base/plumb_random.h"
#include "manifest/plumb_proof.h"
#include "manifest/proofs/proof.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 10000, COLD = 30 };

typedef struct bench {
    const char *dir;
    plumb_trust *trust;
    plumb_prover *prover;
    size_t proof_bytes; /* of the last */
} bench;

static void check(plumb_status status, const plumb_error *err)
{
    if (status == PLUMB_OK) return;
    (void)fprintf(stderr, "bench_proofs: %s\n", err->message);
    exit(plumb_status_exit_code(status));
}

static double since_ms(uint64_t start_ns)
{
    return (double)(plumb__monotonic_ns() - start_ns) * 1e-6;
}

static const char *path_in(const char *dir, const char *name)
{
    static char paths[2][PLUMB__PATH_BYTES];
    static unsigned at;
    plumb_error err = {0};
    at = (at + 1) % 2;
    check(plumb__path_join(paths[at], dir, name, &err), &err);
    return paths[at];
}

static double open_prover(bench *b, bool rebuild)
{
    plumb_prover_options options;
    plumb_error err = {0};
    plumb_prover_free(b->prover);
    plumb_prover_options_default(&options);
    options.trust = b->trust;
    options.rebuild = rebuild;
    const uint64_t start = plumb__monotonic_ns();
    check(plumb_prover_open(path_in(b->dir, "records.plumb.json"), &options, &b->prover, &err),
          &err);
    return since_ms(start);
}

/* One record proved and its proof checked, signatures and all. */
static double prove(bench *b, uint64_t number)
{
    char id[32], *text = NULL;
    size_t n = 0;
    plumb__proof *proof = calloc(1, sizeof *proof);
    plumb__endorsement *by = calloc(1, sizeof *by);
    plumb_error err = {0};
    if (proof == NULL || by == NULL) exit(4);
    snprintf(id, sizeof id, "bench:%07llu", (unsigned long long)number);
    const uint64_t start = plumb__monotonic_ns();
    check(plumb_prover_prove(b->prover, id, &text, &n, NULL, &err), &err);
    if (text == NULL) exit(1);
    check(plumb__proof_check("proof", text, n, b->trust, plumb__wall_s(), NULL, 0, proof, by, &err),
          &err);
    const double ms = since_ms(start);
    if (by->n_signers != 1 || strstr((const char *)proof->extra.data, id) == NULL) exit(1);
    b->proof_bytes = n;
    plumb__proof_free(proof);
    plumb_text_free(text);
    free(proof);
    free(by);
    return ms;
}

/* Gives the file's pages back to the kernel. */
static void cool(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fdatasync(fd);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    (void)close(fd);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print_spread(const char *name, double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_size);
    printf("\"%s_ms\":%.5f,\"%s_p99_ms\":%.5f,", name, values[n / 2], name, values[n * 99 / 100]);
}

int main(int argc, char **argv)
{
    static double warm[MOST], cold[COLD];
    bench b = {.dir = argc == 3 ? argv[1] : NULL};
    plumb_error err = {0};
    uint64_t tiles_bytes = 0;
    const size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (count == 0 || count > MOST) {
        (void)fprintf(stderr, "usage: bench_proofs DIR COUNT\n");
        return 2;
    }
    check(plumb_trust_open(path_in(b.dir, "trust.json"), &b.trust, &err), &err);
    const double index_ms = open_prover(&b, true), open_ms = open_prover(&b, false);
    const uint64_t records = plumb_prover_records(b.prover);
    for (size_t i = 0; i < count; i++) {
        const double at = plumb_random_uniform(20261122, 8, i) * (double)records;
        warm[i] = prove(&b, (uint64_t)at < records ? (uint64_t)at : records - 1);
    }
    for (size_t i = 0; i < COLD; i++) {
        cool(path_in(b.dir, "records.tiles"));
        cool(path_in(b.dir, "records.jsonl"));
        cold[i] = prove(&b, (i * 7919 + 13) % records);
    }
    check(plumb__file_size(path_in(b.dir, "records.tiles"), &tiles_bytes, &err), &err);
    printf("{");
    print_spread("warm", warm, count);
    print_spread("cold", cold, COLD);
    printf("\"index_s\":%.4f,\"open_ms\":%.4f,\"tiles_bytes\":%llu,\"proof_bytes\":%zu,"
           "\"records\":%llu,\"count\":%zu}\n",
           index_ms * 1e-3, open_ms, (unsigned long long)tiles_bytes, b.proof_bytes,
           (unsigned long long)records, count);
    plumb_prover_free(b.prover);
    plumb_trust_free(b.trust);
    return 0;
}
