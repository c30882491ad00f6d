#include "harness.h"

#include "base/file.h"
#include "provenance/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must(plumb_status status, const plumb_error *err)
{
    if (status == PLUMB_OK) return;
    fail_msg("%s: %s", plumb_status_name(status), err ? err->message : "(no message)");
}

void must_fail(plumb_status status, plumb_status wanted, const plumb_error *err,
               const char *message)
{
    assert_string_equal(err->message, message);
    assert_int_equal(status, wanted);
    assert_int_equal(err->status, wanted);
}

const char *world_path(const world *w, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    return path;
}

static void write_text(const char *path, const char *text)
{
    plumb_error err;
    must(plumb__file_write_atomic(path, text, strlen(text), 0644, &err), &err);
}

void world_policy(world *w, const char *fields)
{
    char text[2048];
    snprintf(text, sizeof text, "{\"plumb_policy\":1%s}\n", fields);
    write_text(w->policy, text);
}

static void trust_add(world *w, const plumb_secret_key *key, const char *name, plumb_role role)
{
    plumb_error err;
    plumb_trust_addition a = {
        .size = sizeof a, .version = 1, .vendor = "acme", .name = name, .roles = 1u << role};
    plumb_key_public(key, &a.key);
    must(plumb_trust_add(w->trust, w->root, &a, &err), &err);
}

void world_open(world *w, const char *records, const char *policy_fields)
{
    world_open_under(w, records, NULL, policy_fields);
}

void world_open_under(world *w, const char *records, const char *taxonomy,
                      const char *policy_fields)
{
    plumb_error err;
    *w = (world){0};
    const char *tmp = getenv("TMPDIR");
    snprintf(w->dir, sizeof w->dir, "%s/plumb-runtime-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(setenv("PLUMB_STATE", world_path(w, "state"), 1), 0);
    snprintf(w->trust, sizeof w->trust, "%s/trust.json", w->dir);
    snprintf(w->policy, sizeof w->policy, "%s/policy.json", w->dir);
    snprintf(w->out, sizeof w->out, "%s/run", w->dir);
    snprintf(w->manifest_path, sizeof w->manifest_path, "%s/records.plumb.json", w->dir);
    must(plumb_key_ephemeral(&w->root, &err), &err);
    must(plumb_key_ephemeral(&w->operator_key, &err), &err);
    must(plumb_key_ephemeral(&w->stranger, &err), &err);
    must(plumb_key_ephemeral(&w->vendor, &err), &err);
    must(plumb_trust_init(w->trust, w->root, 0, &err), &err);
    trust_add(w, w->vendor, "vendor", PLUMB_ROLE_QUALITY_ATTESTATION);
    trust_add(w, w->operator_key, "operator", PLUMB_ROLE_OPERATOR);
    must(plumb_trust_open(w->trust, &w->store, &err), &err);
    write_text(world_path(w, "records.jsonl"), records);
    plumb_sign_options sign;
    plumb_sign_options_default(&sign);
    sign.vendor = "acme";
    sign.dataset = "toy";
    sign.manifest_version = 1;
    char path[256];
    snprintf(path, sizeof path, "%s/taxonomy.json", w->dir);
    if (taxonomy) write_text(path, taxonomy);
    if (taxonomy) sign.taxonomy_path = path;
    must(plumb_manifest_sign(world_path(w, "records.jsonl"), w->vendor, &sign, &err), &err);
    must(plumb_manifest_open(w->manifest_path, w->store, NULL, &w->manifest, &err), &err);
    world_policy(w, policy_fields);
}

void world_close(world *w)
{
    plumb_error err;
    plumb_manifest_free(w->manifest);
    plumb_trust_free(w->store);
    plumb_key_free(w->root);
    plumb_key_free(w->operator_key);
    plumb_key_free(w->stranger);
    plumb_key_free(w->vendor);
    must(plumb__dir_remove(w->dir, &err), &err);
}

plumb_run_config world_config(world *w)
{
    plumb_run_config c;
    plumb_run_config_default(&c);
    c.out_dir = w->out;
    c.policy_path = w->policy;
    c.trust_path = w->trust;
    c.operator_key = w->operator_key;
    c.seed = 7;
    c.horizon_steps = 100;
    c.max_units = 16;
    c.max_rows = 512;
    return c;
}

plumb_run *world_run(world *w)
{
    plumb_error err;
    plumb_run *run = NULL;
    const plumb_run_config config = world_config(w);
    must(plumb_run_create(&config, w->manifest, &run, &err), &err);
    return run;
}

plumb_layer *add_layer(plumb_run *run, const char *name, plumb_layer_kind kind, uint64_t rows,
                       uint64_t cols, plumb_place place, uint32_t block)
{
    plumb_error err;
    plumb_layer *layer = NULL;
    plumb_layer_desc d;
    plumb_layer_desc_default(&d);
    d.name = name;
    d.kind = kind;
    d.rows = rows;
    d.cols = cols;
    d.has_bias = kind == PLUMB_NORM;
    d.uses[0] = (plumb_use){place, block};
    must(plumb_run_add_layer(run, &d, &layer, &err), &err);
    return layer;
}

static plumb_status take_leaf(const plumb__record_leaf *leaf, void *ctx, plumb_error *err)
{
    recorded *r = ctx;
    if (!leaf->step) {
        if (r->n_texts == 256) return plumb__fail(err, PLUMB_ERR_LIMIT, "too many texts");
        plumb__bytes_append(&r->text[r->n_texts++], leaf->payload, leaf->n);
        return PLUMB_OK;
    }
    if (r->n == 256) return plumb__fail(err, PLUMB_ERR_LIMIT, "too many steps");
    const size_t i = r->n++;
    plumb__step_encode(leaf->step, &r->payload[i]);
    return plumb__step_decode(r->payload[i].data, r->payload[i].size, &r->step[i], &r->arrays[i],
                              err);
}

recorded *recorded_read(const char *dir)
{
    plumb_error err;
    char path[512];
    plumb__bytes text = {0};
    plumb__run_json run = {0};
    plumb__record *record = NULL;
    recorded *r = calloc(1, sizeof *r);
    assert_non_null(r);
    snprintf(path, sizeof path, "%s/run.json", dir);
    must(plumb__file_read(path, PLUMB__MAX_RUN_JSON_BYTES, &text, &err), &err);
    must(plumb__run_json_parse(path, text.data, text.size, &run, &err), &err);
    must(plumb__record_open(dir, &run, &record, &err), &err);
    must(plumb__record_walk(record, NULL, take_leaf, r, &err), &err);
    plumb__record_free(record);
    plumb__run_json_free(&run);
    plumb__bytes_free(&text);
    return r;
}

void recorded_free(recorded *r)
{
    for (size_t i = 0; i < r->n; i++) {
        plumb__step_arrays_free(r->arrays[i]);
        plumb__bytes_free(&r->payload[i]);
    }
    for (size_t i = 0; i < r->n_texts; i++)
        plumb__bytes_free(&r->text[i]);
    free(r);
}
