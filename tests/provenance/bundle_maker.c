/* A small run for the tests of bundles (bundle_maker.h). Failures to set it up end the test
 * program. */
#include "bundle_maker.h"

#include "base/file.h"
#include "base/plumb_random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static plumb_error failure;

static void need(plumb_status status, const char *what)
{
    if (status == PLUMB_OK) return;
    fprintf(stderr, "setting up the test: %s: %s\n", what, failure.message);
    abort();
}

#define NEED(call) need((call), #call)

static void make_manifest(bundle_maker *m)
{
    char path[400], key_name[400];
    plumb__bytes lines = {0};
    plumb_secret_key *root;
    plumb_sign_options options;
    plumb_trust_addition addition = {.size = sizeof addition,
                                     .version = 1,
                                     .vendor = "vendor",
                                     .name = "signer",
                                     .roles = 1u << PLUMB_ROLE_QUALITY_ATTESTATION |
                                              1u << PLUMB_ROLE_OPERATOR};
    for (unsigned i = 0; i < BUNDLE_EXAMPLES; i++)
        plumb__bytes_appendf(&lines,
                             "{\"id\":\"ex%u\",\"content\":{\"sha256\":"
                             "\"%064x\",\"bytes\":5},\"depth\":\"all\",\"cohort\":\"c%u\"}\n",
                             i, i, i % 3);
    snprintf(path, sizeof path, "%s/records.jsonl", m->root);
    NEED(plumb__file_create(path, lines.data, lines.size, 0644, &failure));
    plumb_sign_options_default(&options);
    options.vendor = "vendor";
    options.dataset = "set";
    options.manifest_version = 1;
    NEED(plumb_manifest_sign(path, m->operator_key, &options, &failure));
    NEED(plumb_key_ephemeral(&root, &failure));
    snprintf(key_name, sizeof key_name, "%s/trust.json", m->root);
    NEED(plumb_trust_init(key_name, root, 0, &failure));
    plumb_key_public(m->operator_key, &addition.key);
    NEED(plumb_trust_add(key_name, root, &addition, &failure));
    NEED(plumb_trust_open(key_name, &m->trust, &failure));
    snprintf(path, sizeof path, "%s/records.plumb.json", m->root);
    NEED(plumb_manifest_open(path, m->trust, NULL, &m->manifest, &failure));
    NEED(plumb__file_read(path, 1 << 20, &m->envelope, &failure));
    plumb_key_free(root);
    plumb__bytes_free(&lines);
}

static void make_layers(bundle_maker *m)
{
    for (uint32_t k = 0; k < BUNDLE_USES; k++) {
        plumb__layer_row *row = &m->layers[k];
        snprintf(row->name, sizeof row->name, "blocks.%u.weight", k);
        snprintf(row->kind, sizeof row->kind, "linear");
        row->depth = (k + 0.5) / BUNDLE_USES;
        row->rows = 8;
        row->cols = 4 + k;
        row->params = row->rows * row->cols;
        row->weight = k;
        row->n_uses = 1;
    }
}

void bundle_maker_init(bundle_maker *m, uint64_t seed)
{
    const char *base = getenv("TMPDIR");
    memset(m, 0, sizeof *m);
    m->seed = seed;
    snprintf(m->root, sizeof m->root, "%s/plumb-bundle-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(m->root)) abort();
    snprintf(m->dir, sizeof m->dir, "%s/run", m->root);
    for (int i = 0; i < 4; i++) {
        uint32_t words[4];
        plumb_random_block(seed, 9, (uint64_t)i, words);
        snprintf(m->run_id + 8 * i, 9, "%08x", words[0]);
    }
    NEED(plumb_key_ephemeral(&m->operator_key, &failure));
    make_manifest(m);
    make_layers(m);
    plumb__bytes_appendf(&m->run_json, "{\"plumb_run\":1,\"run_id\":\"%s\"}", m->run_id);
    m->evidence[0] = (plumb__evidence){"manifest.plumb.json", m->envelope.data, m->envelope.size};
    m->start = (plumb__bundle_start){.dir = m->dir,
                                     .run_id = m->run_id,
                                     .run_json = m->run_json.data,
                                     .run_json_bytes = m->run_json.size,
                                     .operator_key = m->operator_key,
                                     .evidence = m->evidence,
                                     .n_evidence = 1,
                                     .layers = m->layers,
                                     .n_layers = BUNDLE_USES,
                                     .manifest = m->manifest,
                                     .options = {.commit_ms = 2, .ring_bytes = 1 << 20}};
}

void bundle_maker_free(bundle_maker *m)
{
    plumb_manifest_free(m->manifest);
    plumb_trust_free(m->trust);
    plumb_key_free(m->operator_key);
    plumb__bytes_free(&m->run_json);
    plumb__bytes_free(&m->envelope);
    NEED(plumb__dir_remove(m->root, &failure));
}

plumb_status maker_create(bundle_maker *m, plumb__bundle **bundle, plumb_error *err)
{
    NEED(plumb_key_ephemeral(&m->start.run_key, &failure));
    return plumb__bundle_create(&m->start, bundle, err);
}

plumb_status maker_reopen(bundle_maker *m, plumb__bundle **bundle, plumb__bundle_state *state,
                          plumb_error *err)
{
    NEED(plumb_key_ephemeral(&m->start.run_key, &failure));
    return plumb__bundle_reopen(&m->start, bundle, state, err);
}

plumb_status maker_step(const bundle_maker *m, plumb__bundle *bundle, uint32_t attempt,
                        uint64_t number, plumb_error *err)
{
    made_step made;
    make_random_step(&made, m->seed, attempt, number, BUNDLE_USES, BUNDLE_EXAMPLES);
    return plumb__bundle_step(bundle, &made.step, err);
}

plumb__hash maker_step_digest(const bundle_maker *m, uint32_t attempt, uint64_t number)
{
    made_step made;
    plumb__bytes bytes = {0};
    make_random_step(&made, m->seed, attempt, number, BUNDLE_USES, BUNDLE_EXAMPLES);
    plumb__step_encode(&made.step, &bytes);
    const plumb__hash digest = plumb__blake2b(bytes.data, bytes.size);
    plumb__bytes_free(&bytes);
    return digest;
}

plumb_status maker_checkpoint(const bundle_maker *m, plumb__bundle *bundle, uint32_t attempt,
                              uint64_t step, plumb_error *err)
{
    char name[64], temporary[80], content[64];
    snprintf(name, sizeof name, "step-%llu.safetensors", (unsigned long long)step);
    snprintf(temporary, sizeof temporary, "checkpoints/%s.tmp", name);
    const int n = snprintf(content, sizeof content, "weights of step %llu, attempt %u",
                           (unsigned long long)step, attempt);
    PLUMB_TRY(plumb__file_write_atomic(maker_path(m, temporary), content, (size_t)n, 0644, err));
    const plumb__hash digest = plumb__blake2b(content, (size_t)n);
    return plumb__bundle_checkpoint(bundle, name, attempt, step, (uint64_t)n, &digest, err);
}

const char *maker_path(const bundle_maker *m, const char *name)
{
    static char path[PLUMB__PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", m->dir, name);
    return path;
}
