#include "run_forge.h"

#include "base/alloc.h"
#include "base/half.h"
#include "base/json.h"
#include "base/plumb_random.h"
#include "kernels/budget.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char taxonomy[] =
    "{\"profiles\":{\"conceptual\":{\"band\":[0.6,1]},\"semantic\":{\"band\":[0.3,0.9]},"
    "\"surface\":{\"trapezoid\":[0,0,0.1,0.5]}},"
    "\"rubrics\":{\"use@1\":{\"depth\":\"conceptual\"},\"role@1\":{\"depth\":\"semantic\"},"
    "\"interface@1\":{\"depth\":\"surface\"}}}";

static const char policy_text[] =
    "{\"budgets\":{\"layer_step_nats\":1,\"run_nats\":1.5,\"unit_step_nats\":0.8},"
    "\"plumb_policy\":1,\"reference\":{\"ema\":0.8}}";

/* ---- the manifest ------------------------------------------------------------------------- */

/* Record 9 is deb:abgate#use, 10 has weight 0, 11 half a weight, 1 budgets of its own, 2 a segment
 * by somebody else. */
static void write_records(const fixture *f)
{
    static const char *const facets[] = {"use", "role", "interface"};
    static const char *const teams[] = {"0", "1-whose-name-is-wider-than-its-column-is", "2", "3"};
    plumb__bytes text = {0};
    for (int i = 0; i < FORGE_RECORDS; i++) {
        char package[16];
        snprintf(package, sizeof package, "p%02d", i);
        plumb__bytes_appendf(
            &text,
            "{\"annotators\":[\"src:archive\"%s],\"batch\":\"b%d\",\"cohort\":\"team-%s\","
            "\"content\":{\"bytes\":1,\"sha256\":\"%064d\"},\"domain\":\"%s\","
            "\"id\":\"deb:%s#%s\",\"rubric\":\"%s@1\"%s}\n",
            i % 4 == 0 ? ",\"src:debtags\"" : "", i / 6, teams[i % 3 + i / 9], i,
            i % 2 == 0 ? "sound" : "web", i == 9 ? "abgate" : package, facets[i % 3], facets[i % 3],
            i == 2    ? ",\"segments\":[{\"annotators\":[\"src:guest\"],\"bytes\":[0,1],\"depth\":"
                        "\"none\"}]"
            : i == 1  ? ",\"budget\":{\"run\":0.25,\"step\":0.1}"
            : i == 10 ? ",\"weight\":0"
            : i == 11 ? ",\"weight\":0.5"
                      : "");
    }
    write_text(fixture_path(f, "taxonomy.json"), taxonomy);
    plumb_sign_options options;
    plumb_sign_options_default(&options);
    options.vendor = "acme";
    options.dataset = "set";
    options.issued_s = 1700000000;
    options.taxonomy_path = fixture_path(f, "taxonomy.json");
    sign_records(f, plumb__bytes_text(&text), &options);
    plumb__bytes_free(&text);
}

static void make_store(const fixture *f)
{
    plumb_trust_addition vendor, operator;
    plumb_trust_addition_default(&vendor);
    vendor.vendor = "acme";
    vendor.name = "acme-1";
    vendor.roles = 1u << PLUMB_ROLE_QUALITY_ATTESTATION;
    plumb_key_public(f->vendor, &vendor.key);
    plumb_trust_addition_default(&operator);
    operator.vendor = "lab";
    operator.name = "lab-op";
    operator.roles = 1u << PLUMB_ROLE_OPERATOR;
    plumb_key_public(f->other, &operator.key);
    make_trust(f, "trust.json", &vendor, &operator);
}

static void set_layer(plumb__layer_row *row, const char *name, const char *kind, double depth,
                      uint32_t weight, uint32_t use, uint32_t n_uses)
{
    *row = (plumb__layer_row){.depth = depth,
                              .rows = 16,
                              .cols = 8,
                              .params = 128,
                              .weight = weight,
                              .use = use,
                              .n_uses = n_uses};
    snprintf(row->name, sizeof row->name, "%s", name);
    snprintf(row->kind, sizeof row->kind, "%s", kind);
}

int forge_setup(void **state)
{
    void *f = NULL;
    forge *g = calloc(1, sizeof *g);
    assert_non_null(g);
    assert_int_equal(fixture_setup(&f), 0);
    g->f = f;
    make_store(g->f);
    write_records(g->f);
    g->trust = open_trust(g->f, "trust.json");
    assert_works(plumb_manifest_open(fixture_path(g->f, "records.plumb.json"), g->trust, NULL,
                                     &g->manifest, err));
    assert_works(
        plumb__policy_parse("policy.json", policy_text, strlen(policy_text), &g->policy, err));
    set_layer(&g->layers[0], "token.weight", "embedding", 0, 0, 0, 2);
    set_layer(&g->layers[1], "token.weight", "embedding", 1, 0, 1, 2);
    set_layer(&g->layers[2], "blocks.0.attn.q.weight", "linear", 0.125, 1, 0, 1);
    set_layer(&g->layers[3], "blocks.3.mlp.up.weight", "linear", 0.875, 2, 0, 1);
    assert_works(
        plumb__account_create(g->layers, FORGE_USES, FORGE_RECORDS, FORGE_UNITS, &g->account, err));
    *state = g;
    return 0;
}

int forge_teardown(void **state)
{
    forge *g = *state;
    void *f = g->f;
    plumb__bundle_free(g->bundle);
    plumb__account_free(g->account);
    plumb_manifest_free(g->manifest);
    plumb_trust_free(g->trust);
    plumb__bytes_free(&g->run_json);
    free(g);
    return fixture_teardown(&f);
}

/* ---- run.json and the bundle -------------------------------------------------------------- */

static json_t *layers_json(const forge *g)
{
    json_t *array = json_array();
    for (size_t i = 0; i < FORGE_USES; i++) {
        const plumb__layer_row *r = &g->layers[i];
        json_array_append_new(
            array, json_pack("{s:s,s:s,s:f,s:I,s:I,s:I,s:i,s:i,s:i}", "name", r->name, "kind",
                             r->kind, "depth", r->depth, "rows", (json_int_t)r->rows, "cols",
                             (json_int_t)r->cols, "params", (json_int_t)r->params, "weight",
                             (int)r->weight, "use", (int)r->use, "n_uses", (int)r->n_uses));
    }
    return array;
}

static void write_run_json(forge *g, const plumb_secret_key *run_key)
{
    char pem[256], policy[PLUMB__HASH_HEX_BYTES];
    plumb_public_key key;
    plumb_manifest_info m;
    plumb_manifest_describe(g->manifest, &m);
    plumb_key_public(run_key, &key);
    assert_works(plumb_public_key_pem(&key, pem, sizeof pem, err));
    const plumb__hash digest = plumb__blake2b(policy_text, strlen(policy_text));
    plumb__hash_hex(&digest, policy);
    json_t *root = json_pack(
        "{s:i,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:s,s:s,s:o,s:{s:s,s:s,s:I,s:I,s:s,s:s,s:s,s:s},s:s,"
        "s:{s:s,s:s,s:I},s:{},s:{}}",
        "plumb_run", 1, "run_id", g->run_id, "started", "2026-11-22T07:39:00Z", "run_key", pem,
        "seed", "7", "horizon", (json_int_t)6, "max_units", (json_int_t)8, "max_rows",
        (json_int_t)64, "device", "cpu", "depth_axis", "index", "layers", layers_json(g),
        "manifest", "vendor", m.vendor, "dataset", m.dataset, "version",
        (json_int_t)m.manifest_version, "records", (json_int_t)m.records, "root", m.root_hex,
        "statement", m.statement_digest, "envelope", m.envelope_digest, "lines", m.records_digest,
        "policy", policy, "trust", "digest", plumb_trust_digest(g->trust), "root",
        plumb_trust_root_fingerprint(g->trust), "version",
        (json_int_t)plumb_trust_version(g->trust), "environment", "trainer");
    assert_non_null(root);
    plumb__bytes_clear(&g->run_json);
    assert_works(plumb__json_dump(root, &g->run_json, err));
    json_decref(root);
}

typedef struct evidence_files {
    plumb__bytes bytes[3];
    plumb__evidence list[4];
} evidence_files;

static void read_evidence(const forge *g, evidence_files *e)
{
    static const char *const from[] = {"trust.json", "records.plumb.json", "records.jsonl"};
    static const char *const to[] = {"trust.json", "manifest.plumb.json", "records.jsonl"};
    for (int i = 0; i < 3; i++) {
        read_bytes(fixture_path(g->f, from[i]), &e->bytes[i]);
        e->list[i] = (plumb__evidence){to[i], e->bytes[i].data, e->bytes[i].size};
    }
    e->list[3] = (plumb__evidence){"policy.json", policy_text, strlen(policy_text)};
}

static plumb__bundle_start start_of(forge *g, const char *path, plumb_secret_key *run_key,
                                    const evidence_files *e)
{
    return (plumb__bundle_start){.dir = path,
                                 .run_id = g->run_id,
                                 .run_json = g->run_json.data,
                                 .run_json_bytes = g->run_json.size,
                                 .run_key = run_key,
                                 .operator_key = g->f->other,
                                 .evidence = e->list,
                                 .n_evidence = 4,
                                 .layers = g->layers,
                                 .n_layers = FORGE_USES,
                                 .manifest = g->manifest,
                                 .options = {.commit_ms = 1}};
}

static void reset(forge *g)
{
    memset(g->ledger, 0, sizeof g->ledger);
    for (int w = 0; w < FORGE_WEIGHTS; w++)
        g->ema2[w] = -1;
    g->attempt = 0;
}

void forge_start(forge *g, const char *name)
{
    static int run;
    plumb_secret_key *run_key = NULL;
    evidence_files evidence = {0};
    reset(g);
    snprintf(g->run_id, sizeof g->run_id, "%032x", 0xabc000 + ++run);
    assert_works(plumb_key_ephemeral(&run_key, err));
    write_run_json(g, run_key);
    read_evidence(g, &evidence);
    const plumb__bundle_start start = start_of(g, fixture_path(g->f, name), run_key, &evidence);
    assert_works(plumb__bundle_create(&start, &g->bundle, err));
    for (int i = 0; i < 3; i++)
        plumb__bytes_free(&evidence.bytes[i]);
    snprintf(g->name, sizeof g->name, "%s", name);
    forge_checkpoint(g, 0);
}

void forge_stop(forge *g)
{
    assert_works(plumb__bundle_flush(g->bundle, err));
    plumb__bundle_free(g->bundle);
    g->bundle = NULL;
}

void forge_resume(forge *g, const char *name, uint64_t from, uint64_t to)
{
    plumb_secret_key *run_key = NULL;
    plumb__bundle_state found;
    evidence_files evidence = {0};
    assert_works(plumb_key_ephemeral(&run_key, err));
    const plumb__bundle_start start = start_of(g, fixture_path(g->f, name), run_key, &evidence);
    assert_works(plumb__bundle_reopen(&start, &g->bundle, &found, err));
    assert_int_equal(found.steps_acknowledged, from);
    assert_int_equal(found.checkpoint_step, to);
    g->attempt = found.attempt + 1;
    memcpy(g->ledger, g->saved_ledger, sizeof g->ledger);
    memcpy(g->ema2, g->saved_ema2, sizeof g->ema2);
    assert_works(
        plumb__bundle_rewind(g->bundle, from, to, &found.checkpoint_digest, g->attempt, err));
}

void forge_checkpoint(forge *g, uint64_t step)
{
    char name[64], path[1024], data[256];
    snprintf(name, sizeof name, "step-%llu.safetensors", (unsigned long long)step);
    snprintf(path, sizeof path, "%s/%s/checkpoints/%s.tmp", g->f->dir, g->name, name);
    const int n = snprintf(data, sizeof data, "weights after step %llu of attempt %u",
                           (unsigned long long)step, g->attempt);
    write_bytes(path, data, (size_t)n);
    const plumb__hash digest = plumb__blake2b(data, (size_t)n);
    assert_works(
        plumb__bundle_checkpoint(g->bundle, name, g->attempt, step, (uint64_t)n, &digest, err));
    memcpy(g->saved_ledger, g->ledger, sizeof g->ledger);
    memcpy(g->saved_ema2, g->ema2, sizeof g->ema2);
}

void forge_close(forge *g)
{
    assert_works(plumb__bundle_close(g->bundle, err));
    plumb__bundle_free(g->bundle);
    g->bundle = NULL;
}

const char *forge_whole(forge *g, const char *name)
{
    forge_start(g, name);
    for (uint64_t step = 1; step <= 6; step++) {
        forge_step(g, step);
        if (step == 3) forge_checkpoint(g, step);
    }
    forge_close(g);
    return fixture_path(g->f, name);
}

/* ---- a step ------------------------------------------------------------------------------- */

static void admit(forge *g, uint32_t u, uint64_t step)
{
    made_step *m = &g->made;
    const size_t row = (size_t)u * FORGE_USES;
    plumb_record record;
    plumb_record_default(&record);
    m->example[u] = u + 1 == FORGE_UNITS ? -1 : (int32_t)((3 * step + u % 6) % FORGE_RECORDS);
    m->segment[u] = -1;
    m->micro_batch[u] = u >= FORGE_UNITS / 2;
    m->rows[u] = 4;
    m->unit_loss[u] = 2.0f;
    m->unit_entropy[u] = 1.0f;
    m->unit_weight[u] = 0;
    m->decision[u] = 2;
    m->reason[u] = 2; /* not in the manifest */
    m->checked[u] = 0;
    m->band[u] = 0;
    memset(m->mask + row, 0, FORGE_USES * sizeof *m->mask);
    if (m->example[u] < 0) return;
    assert_works(plumb_manifest_record(g->manifest, (uint32_t)m->example[u], &record, err));
    m->segment[u] = record.n_segments > 0 ? -2 : -1;
    m->reason[u] = 4; /* weight 0 */
    if (!(record.weight > 0)) return;
    m->unit_weight[u] = (float)record.weight;
    m->decision[u] = record.weight != 1;
    m->reason[u] = record.weight != 1;
    for (size_t k = 0; k < FORGE_USES; k++) {
        const double mask = plumb_manifest_mask(g->manifest, (uint32_t)m->example[u], -1,
                                                g->layers[k].depth, g->layers[k].name);
        m->mask[row + k] = plumb__f16_round_down(fmin(mask, g->policy.max_mask));
    }
}

static double stated_or(double stated, double by_policy)
{
    return isnan(stated) ? by_policy : stated;
}

static double run_left(const forge *g, int32_t example, double limit, size_t use)
{
    const uint32_t first = (uint32_t)use - g->layers[use].use;
    for (uint32_t k = first; k < first + g->layers[use].n_uses; k++)
        limit -= (double)g->ledger[(size_t)example * FORGE_USES + k];
    return limit > 0 ? limit : 0;
}

/* What the first unit of the example used up before; a step has an example twice at most. */
static double used_before(const forge *g, uint32_t u, size_t use)
{
    const made_step *m = &g->made;
    const size_t edge = use + (size_t)(u == 6 ? 0 : u) * FORGE_USES;
    if (u != 6) return 0;
    return plumb__edge_amplitude(m->norm[edge], m->mask[edge], m->clip[edge]);
}

/* One use of one micro-batch. Each example is in a micro-batch once, so its group is the unit. */
static void solve(forge *g, uint64_t step, uint16_t micro_batch, size_t use, double *nu,
                  double *micro_spent)
{
    made_step *m = &g->made;
    uint16_t norm[FORGE_UNITS], mask[FORGE_UNITS], clip[FORGE_UNITS];
    uint8_t blocked[FORGE_UNITS] = {0}, limit[FORGE_UNITS];
    uint32_t group[FORGE_UNITS], unit[FORGE_UNITS];
    double unit_nats[FORGE_UNITS], left[FORGE_UNITS], used[FORGE_UNITS] = {0}, values[FORGE_UNITS];
    uint8_t workspace[1024];
    size_t n = 0;
    for (uint32_t u = 0; u < FORGE_UNITS; u++) {
        const size_t edge = (size_t)u * FORGE_USES + use;
        if (m->micro_batch[u] != micro_batch || m->mask[edge] == 0) continue;
        plumb_record record;
        plumb_record_default(&record);
        assert_works(plumb_manifest_record(g->manifest, (uint32_t)m->example[u], &record, err));
        unit[n] = u;
        group[n] = (uint32_t)n;
        mask[n] = m->mask[edge];
        norm[n] = plumb__norm16_round_up(exp(plumb_random_normal(5, step, edge)));
        unit_nats[n] = stated_or(record.step_budget_nats, g->policy.unit_step_nats);
        left[n] =
            run_left(g, m->example[u], stated_or(record.run_budget_nats, g->policy.run_nats), use);
        used[n] = used_before(g, u, use);
        values[n] = plumb__norm16_value(norm[n]) * plumb__norm16_value(norm[n]);
        n++;
    }
    if (n == 0) return;
    if (*nu < 0) *nu = sqrt(plumb__lower_median(values, n));
    const double share = 1.0 / g->layers[use].n_uses;
    const double due = m->budget[use] * (micro_batch + 1) / 2 - *micro_spent;
    plumb__budget_args args = {.n = n,
                               .norm = norm,
                               .mask = mask,
                               .blocked = blocked,
                               .unit_nats = unit_nats,
                               .group = group,
                               .n_groups = n,
                               .group_left = left,
                               .group_used = used,
                               .layer_nats = due > 0 ? due : 0,
                               .share = share,
                               .nu = *nu,
                               .clip = clip,
                               .limit = limit};
    assert_true(plumb__budget_workspace(n, n) <= sizeof workspace);
    plumb__budget_solve(&args, workspace);
    *micro_spent += args.spent_nats;
    for (size_t i = 0; i < n; i++) {
        const size_t edge = (size_t)unit[i] * FORGE_USES + use;
        m->norm[edge] = norm[i];
        m->clip[edge] = clip[i];
        g->limit[edge] = limit[i];
        m->norm_kind[edge] = PLUMB__NORM_EXACT;
    }
}

/* spent, contribution and live from the edges. */
static void settle(forge *g)
{
    made_step *m = &g->made;
    bool live[FORGE_WEIGHTS] = {false};
    for (size_t k = 0; k < FORGE_USES; k++) {
        double squares = 0, logs = 0;
        for (uint32_t u = 0; u < FORGE_UNITS; u++) {
            const size_t e = (size_t)u * FORGE_USES + k;
            if (m->norm_kind[e] == PLUMB__NORM_NONE || m->clip[e] == 0) continue;
            live[g->layers[k].weight] = true;
            const double a = plumb__edge_amplitude(m->norm[e], m->mask[e], m->clip[e]);
            if (!(a > 0)) continue;
            squares += a * a;
            logs += a * a * log(a * a);
        }
        m->spent[k] = m->nu[k] > 0 ? squares / (2 * m->nu[k] * m->nu[k]) : 0;
        m->contribution[k] = squares > 0 ? (float)fmax(0, log(squares) - logs / squares) : 0;
    }
    for (size_t k = 0; k < FORGE_USES; k++)
        m->live[k] = live[g->layers[k].weight];
}

static void fill_step(forge *g, uint64_t step)
{
    made_step *m = &g->made;
    m->step = (plumb__step){.attempt = g->attempt,
                            .step = step,
                            .loss = 3.0 / (double)step,
                            .lr = 1e-3,
                            .normaliser = 32,
                            .loss_scale = 1,
                            .micro_batches = 2,
                            .units_declared = FORGE_UNITS,
                            .n_units = FORGE_UNITS,
                            .n_uses = FORGE_USES,
                            .example = m->example,
                            .segment = m->segment,
                            .micro_batch = m->micro_batch,
                            .rows = m->rows,
                            .unit_weight = m->unit_weight,
                            .unit_loss = m->unit_loss,
                            .unit_entropy = m->unit_entropy,
                            .decision = m->decision,
                            .reason = m->reason,
                            .checked = m->checked,
                            .band = m->band,
                            .norm = m->norm,
                            .mask = m->mask,
                            .clip = m->clip,
                            .norm_kind = m->norm_kind,
                            .nu = m->nu,
                            .budget = m->budget,
                            .spent = m->spent,
                            .contribution = m->contribution,
                            .live = m->live};
}

void forge_step(forge *g, uint64_t step)
{
    static const size_t backward[FORGE_USES] = {1, 3, 2, 0};
    made_step *m = &g->made;
    double nu[FORGE_WEIGHTS], micro_spent[FORGE_USES] = {0};
    memset(m, 0, sizeof *m);
    memset(g->limit, 0, sizeof g->limit);
    for (uint32_t u = 0; u < FORGE_UNITS; u++)
        admit(g, u, step);
    for (size_t e = 0; e < FORGE_UNITS * FORGE_USES; e++)
        m->clip[e] = PLUMB__F16_ONE;
    for (int w = 0; w < FORGE_WEIGHTS; w++)
        nu[w] = g->ema2[w] < 0 ? -1 : sqrt(g->ema2[w]);
    for (size_t k = 0; k < FORGE_USES; k++) {
        const double share = 1.0 / g->layers[k].n_uses;
        m->budget[k] = g->policy.layer_step_nats * share * share;
    }
    for (uint16_t b = 0; b < 2; b++)
        for (size_t i = 0; i < FORGE_USES; i++)
            solve(g, step, b, backward[i], &nu[g->layers[backward[i]].weight],
                  &micro_spent[backward[i]]);
    for (size_t k = 0; k < FORGE_USES; k++)
        m->nu[k] = nu[g->layers[k].weight] > 0 ? nu[g->layers[k].weight] : 0;
    settle(g);
    fill_step(g, step);
    if (g->alter != NULL) {
        g->alter(g);
        if (g->settle) settle(g);
    }
    assert_works(plumb__bundle_step(g->bundle, &m->step, err));
    plumb__ledger_charge(g->account, g->ledger, &m->step);
    plumb__reference_update(g->account, g->ema2, g->policy.reference_ema, &m->step);
}
