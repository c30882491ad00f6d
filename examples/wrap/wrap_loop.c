/* A whole governed training program on plumb.h alone: a linear softmax classifier in plain loops,
 * eight features, four classes, one example per row. The part between the markers is the customer's
 * loop with Plumbline in it; everything else is setting up.
 *
 *   plumb-wrap MANIFEST.plumb.json TRUST.json POLICY.json OPERATOR.key PASSPHRASE-FILE RUN
 *
 * The manifest's records are toy:0, toy:1, … up to the number of EXAMPLES; features come from the
 * number (tests/examples/test_wrap.sh makes them). */
#include "runtime/plumb.h"

#include <stdio.h>
#include <string.h>

enum { EXAMPLES = 64, BATCH = 16, FEATURES = 8, CLASSES = 4, STEPS = 60 };

static float x[BATCH * FEATURES], logits[BATCH * CLASSES];
static float w[CLASSES * FEATURES], dw[CLASSES * FEATURES];
static int32_t targets[BATCH];
static char ids[BATCH][16];
static plumb_unit units[BATCH];

/* Example i is of class i % 4: noise around that class's own corner. */
static void fill_batch(uint64_t step)
{
    for (uint64_t r = 0; r < BATCH; r++) {
        const uint64_t example = (step * BATCH + r) % EXAMPLES;
        targets[r] = (int32_t)(example % CLASSES);
        snprintf(ids[r], sizeof ids[r], "toy:%llu", (unsigned long long)example);
        units[r] = (plumb_unit){.id = ids[r], .segment = PLUMB_WHOLE, .first_row = r, .rows = 1};
        for (uint64_t f = 0; f < FEATURES; f++)
            x[r * FEATURES + f] = (float)(0.5 * plumb_random_normal(1, example, f) +
                                          (f % CLASSES == example % CLASSES));
    }
}

static void forward(void)
{
    for (size_t r = 0; r < BATCH; r++)
        for (size_t c = 0; c < CLASSES; c++) {
            float sum = 0.0f;
            for (size_t f = 0; f < FEATURES; f++)
                sum += x[r * FEATURES + f] * w[c * FEATURES + f];
            logits[r * CLASSES + c] = sum;
        }
}

static void sgd(float lr)
{
    for (size_t i = 0; i < CLASSES * FEATURES; i++)
        w[i] -= lr * dw[i];
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        if ((call) != PLUMB_OK) return err->status;                                                \
    } while (0)

static plumb_status train(plumb_run *run, plumb_layer *layer, plumb_error *err)
{
    const plumb_matrix mx = {x, PLUMB_F32, BATCH, FEATURES, FEATURES};
    const plumb_matrix my = {logits, PLUMB_F32, BATCH, CLASSES, CLASSES};
    const plumb_matrix mw = {dw, PLUMB_F32, CLASSES, FEATURES, FEATURES};
    plumb_step_info info;
    plumb_update_info update;
    plumb_xent_io io;
    plumb_live live = {0};
    plumb_step_info_default(&info);
    plumb_update_info_default(&update);
    plumb_xent_io_default(&io);
    info.units = BATCH;
    info.normaliser = BATCH;
    io.logits = io.dlogits = my; /* dlogits may take the logits' place */
    io.targets = targets;
    update.lr = 0.5;
    /* [wrap] */
    for (uint64_t step = 1; step <= STEPS; step++) {
        fill_batch(step); /* your data: ids beside the rows */
        info.step = step;
        TRY(plumb_step_begin(run, &info, err));
        TRY(plumb_batch_begin(run, units, BATCH, BATCH, err)); /* records looked up, admission */
        forward();                                             /* your model */
        TRY(plumb_loss_xent(run, &io, NULL, err));             /* logits -> loss and dlogits */
        memset(dw, 0, sizeof dw);                              /* dX is yours: not touched */
        TRY(plumb_grad_linear(run, layer, 0, &mx, &my, &mw, NULL, err)); /* dW, governed */
        TRY(plumb_step_decide(run, &live, err));
        if (live.live[0]) sgd(0.5f); /* your optimizer */
        update.loss = io.loss;
        TRY(plumb_step_commit(run, &update, err)); /* into the record */
        if (step % 20 == 0)
            printf("step %llu loss %.4f clipped %.2f\n", (unsigned long long)step, io.loss,
                   live.clipped_share);
    }
    TRY(plumb_run_close(run, err));
    /* [/wrap] */
    return PLUMB_OK;
}

static plumb_status open_key(const char *path, const char *passphrase_file, plumb_secret_key **key,
                             plumb_error *err)
{
    char *passphrase = NULL;
    size_t n = 0;
    TRY(plumb_passphrase_read(passphrase_file, &passphrase, &n, err));
    const plumb_status status = plumb_key_open(path, passphrase, n, key, err);
    plumb_key_text_free(passphrase);
    return status;
}

static plumb_status run_all(char **argv, plumb_trust **trust, plumb_manifest **manifest,
                            plumb_secret_key **key, plumb_run **run, plumb_error *err)
{
    plumb_layer *layer = NULL;
    plumb_run_config config;
    plumb_layer_desc desc;
    TRY(plumb_trust_open(argv[2], trust, err));
    TRY(plumb_manifest_open(argv[1], *trust, NULL, manifest, err));
    TRY(open_key(argv[4], argv[5], key, err));
    plumb_run_config_default(&config);
    config.trust_path = argv[2];
    config.policy_path = argv[3];
    config.operator_key = *key;
    config.out_dir = argv[6];
    config.horizon_steps = STEPS;
    config.max_units = BATCH;
    config.max_rows = BATCH;
    TRY(plumb_run_create(&config, *manifest, run, err));
    plumb_layer_desc_default(&desc);
    desc.name = "classifier";
    desc.rows = CLASSES;
    desc.cols = FEATURES;
    desc.uses[0].place = PLUMB_AT_HEAD;
    TRY(plumb_run_add_layer(*run, &desc, &layer, err));
    TRY(plumb_run_start(*run, err));
    return train(*run, layer, err);
}

int main(int argc, char **argv)
{
    plumb_trust *trust = NULL;
    plumb_manifest *manifest = NULL;
    plumb_secret_key *key = NULL;
    plumb_run *run = NULL;
    plumb_error err = {0};
    if (argc != 7) {
        fprintf(stderr, "usage: plumb-wrap MANIFEST TRUST POLICY KEY PASSPHRASE-FILE RUN\n");
        return 2;
    }
    const plumb_status status = run_all(argv, &trust, &manifest, &key, &run, &err);
    if (status != PLUMB_OK) fprintf(stderr, "plumb-wrap: %s\n", err.message);
    plumb_run_free(run);
    plumb_manifest_free(manifest);
    plumb_key_free(key);
    plumb_trust_free(trust);
    return plumb_status_exit_code(status);
}
