/* Aim: a resumed run continues bit for bit, and what does not fit is named.
 * Method: 2N steps in one go against N steps, a checkpoint, some steps that are lost, a new
 * process's worth of objects, and the rest; canonical step payloads are compared apart from
 * `attempt`. */
#include "harness.h"
#include "toy.h"

#include "base/file.h"
#include "runtime/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define N 4
#define EXAMPLES 6

static const char *const ids[] = {"e0", "e1", "e2", "e3", "e4", "e5"};

static const char *records(void)
{
    static char text[2048];
    size_t at = 0;
    for (size_t i = 0; i < EXAMPLES; i++)
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "{\"id\":\"e%zu\",\"content\":{\"sha256\":\"%064zu\",\"bytes\":3},"
                               "\"depth\":{\"band\":[0,%g]}}\n",
                               i, i, i % 2 ? 0.5 : 1.0);
    return text;
}

typedef struct net {
    plumb_run *run;
    toy_visit v[2];
    float w[7 * 5]; /* the trainer's state, updated by the governed gradient */
    plumb_named_tensor tensor;
} net;

static net *net_create(world *w)
{
    net *n = calloc(1, sizeof *n);
    assert_non_null(n);
    n->run = world_run(w);
    n->v[0] = (toy_visit){.kind = PLUMB_LINEAR, .in = 5, .out = 7};
    n->v[0].layer = add_layer(n->run, "up", PLUMB_LINEAR, 7, 5, PLUMB_AT_INPUT, 0);
    n->v[1] = (toy_visit){.kind = PLUMB_BIAS, .out = 6};
    n->v[1].layer = add_layer(n->run, "bias", PLUMB_BIAS, 1, 6, PLUMB_AT_HEAD, 0);
    n->tensor = (plumb_named_tensor){"w", PLUMB_F32, 2, {7, 5}, n->w};
    return n;
}

static void net_free(net *n)
{
    toy_free(&n->v[0]);
    toy_free(&n->v[1]);
    plumb_run_free(n->run);
    free(n);
}

static void train(net *n, uint64_t from, uint64_t to)
{
    for (uint64_t step = from; step <= to; step++) {
        plumb_error err;
        toy_batch b;
        plumb_live live = {0};
        const double weight[] = {1, 1, 1, 1, 1};
        const char *chosen[5];
        for (size_t u = 0; u < 5; u++)
            chosen[u] = ids[(step + u * u) % EXAMPLES];
        plumb_step_info info;
        plumb_update_info update;
        plumb_step_info_default(&info);
        plumb_update_info_default(&update);
        toy_lay(&b, 5, chosen, 6, step);
        info.step = step;
        info.units = 5;
        must(plumb_step_begin(n->run, &info, &err), &err);
        must(plumb_batch_begin(n->run, b.units, b.n, b.rows, &err), &err);
        for (size_t i = 0; i < 2; i++) {
            toy_draw(&n->v[i], &b, weight, NULL, 1.0, step * 2 + i);
            must(toy_grad(n->run, &n->v[i], &err), &err);
        }
        must(toy_loss(n->run, &err), &err);
        must(plumb_step_decide(n->run, &live, &err), &err);
        for (size_t p = 0; p < 35; p++)
            n->w[p] -= 0.1f * n->v[0].dw[p];
        update.loss = (double)n->w[0];
        must(plumb_step_commit(n->run, &update, &err), &err);
    }
}

static const char policy[] = ",\"budgets\":{\"unit_step_nats\":0.7,\"layer_step_nats\":2.0,"
                             "\"run_nats\":2.5}";

static recorded *straight(world *w, float *weights)
{
    plumb_error err;
    snprintf(w->out, sizeof w->out, "%s", world_path(w, "straight"));
    net *n = net_create(w);
    must(plumb_run_start(n->run, &err), &err);
    must(plumb_checkpoint(n->run, &n->tensor, 1, &err), &err);
    train(n, 1, 2 * N);
    memcpy(weights, n->w, sizeof n->w);
    must(plumb_run_close(n->run, &err), &err);
    net_free(n);
    return recorded_read(w->out);
}

/* Starts, trains N steps, checkpoints, trains `lost` more, and drops everything without closing. */
static void first_half(world *w, uint64_t lost)
{
    plumb_error err;
    snprintf(w->out, sizeof w->out, "%s", world_path(w, "halves"));
    net *n = net_create(w);
    must(plumb_run_start(n->run, &err), &err);
    must(plumb_checkpoint(n->run, &n->tensor, 1, &err), &err);
    train(n, 1, N);
    must(plumb_checkpoint(n->run, &n->tensor, 1, &err), &err);
    assert_int_equal(plumb_run_acknowledged(n->run), N);
    must_fail(plumb_checkpoint(n->run, &n->tensor, 1, &err), PLUMB_ERR_EXISTS, &err,
              "plumb_checkpoint: step 4 has its checkpoint already");
    train(n, N + 1, N + lost);
    net_free(n);
}

static void same_step(const recorded *a, size_t i, const recorded *b, size_t j)
{
    assert_int_equal(a->payload[i].size, b->payload[j].size);
    assert_memory_equal(a->payload[i].data, b->payload[j].data, 4); /* magic */
    assert_memory_equal(a->payload[i].data + 8, b->payload[j].data + 8, a->payload[i].size - 8);
}

static void resume_after(uint64_t lost)
{
    world w;
    plumb_error err;
    float weights[35];
    plumb_resume_info info = {0};
    world_open(&w, records(), policy);
    recorded *one = straight(&w, weights);
    first_half(&w, lost);
    net *n = net_create(&w);
    must(plumb_run_resume(n->run, &n->tensor, 1, &info, &err), &err);
    assert_int_equal(info.step, N);
    assert_int_equal(info.steps_acknowledged, N + lost);
    assert_int_equal(info.attempt, 2);
    train(n, N + 1, 2 * N);
    assert_memory_equal(n->w, weights, sizeof weights);
    must(plumb_run_close(n->run, &err), &err);
    net_free(n);
    recorded *two = recorded_read(w.out);
    assert_int_equal(one->n, 2 * N);
    assert_int_equal(two->n, 2 * N + lost);
    for (size_t i = 0; i < 2 * N; i++) {
        const size_t j = i < N ? i : i + lost;
        same_step(one, i, two, j);
        assert_int_equal(two->step[j].attempt, i < N ? 1 : 2);
    }
    recorded_free(one);
    recorded_free(two);
    world_close(&w);
}

static void test_resume(void **state)
{
    (void)state;
    resume_after(0);
}

static void test_resume_with_rewind(void **state)
{
    (void)state;
    resume_after(2);
}

/* Every difference between run.json and the resuming process is refused by name, before anything in
 * the bundle is touched: afterwards the run still resumes. */
static void test_mismatch(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    world_open(&w, records(), policy);
    first_half(&w, 0);
    plumb_run *run = NULL;
    plumb_run_config c = world_config(&w);
    c.horizon_steps = 400;
    must(plumb_run_create(&c, w.manifest, &run, &err), &err);
    add_layer(run, "up", PLUMB_LINEAR, 7, 5, PLUMB_AT_INPUT, 0);
    add_layer(run, "bias", PLUMB_BIAS, 1, 6, PLUMB_AT_HEAD, 0);
    must_fail(plumb_run_resume(run, NULL, 0, NULL, &err), PLUMB_ERR_MISMATCH, &err,
              "horizon is 100 in run.json, 400 here: resume with the settings of run.json, or "
              "start a new run");
    plumb_run_free(run);
    c = world_config(&w);
    c.seed = 8;
    must(plumb_run_create(&c, w.manifest, &run, &err), &err);
    add_layer(run, "up", PLUMB_LINEAR, 7, 5, PLUMB_AT_INPUT, 0);
    must_fail(plumb_run_resume(run, NULL, 0, NULL, &err), PLUMB_ERR_MISMATCH, &err,
              "seed is 7 in run.json, 8 here: resume with the settings of run.json, or start a new "
              "run");
    plumb_run_free(run);
    run = world_run(&w);
    add_layer(run, "up", PLUMB_LINEAR, 7, 5, PLUMB_AT_INPUT, 0);
    must_fail(plumb_run_resume(run, NULL, 0, NULL, &err), PLUMB_ERR_MISMATCH, &err,
              "the number of layer rows is 2 in run.json, 1 here: resume with the settings of "
              "run.json, or start a new run");
    plumb_run_free(run);
    run = world_run(&w);
    add_layer(run, "up", PLUMB_LINEAR, 7, 5, PLUMB_AT_INPUT, 0);
    add_layer(run, "bias", PLUMB_BIAS, 1, 6, PLUMB_AT_INPUT, 0);
    must_fail(plumb_run_resume(run, NULL, 0, NULL, &err), PLUMB_ERR_MISMATCH, &err,
              "layer row 1 is bias bias 1x6 at depth 1 in run.json, bias bias 1x6 at depth 0 here: "
              "resume with the settings of run.json, or start a new run");
    plumb_run_free(run);
    world_policy(&w, "");
    net *n = net_create(&w);
    assert_int_equal(plumb_run_resume(n->run, &n->tensor, 1, NULL, &err), PLUMB_ERR_MISMATCH);
    assert_memory_equal(err.message, "the policy is ", 14);
    net_free(n);
    world_policy(&w, policy);
    n = net_create(&w);
    must(plumb_run_resume(n->run, &n->tensor, 1, NULL, &err), &err);
    net_free(n);
    world_close(&w);
}

static void test_wrong_tensors(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    char message[512];
    world_open(&w, records(), policy);
    first_half(&w, 0);
    net *n = net_create(&w);
    n->tensor.dims[0] = 5;
    n->tensor.dims[1] = 7;
    snprintf(message, sizeof message,
             "%s/checkpoints/step-00000004.safetensors: tensor \"w\" has another shape than the "
             "one asked for",
             w.out);
    must_fail(plumb_run_resume(n->run, &n->tensor, 1, NULL, &err), PLUMB_ERR_MISMATCH, &err,
              message);
    net_free(n);
    n = net_create(&w);
    snprintf(message, sizeof message,
             "%s/checkpoints/step-00000004.safetensors: holds 1 tensors of the trainer, 0 were "
             "asked for",
             w.out);
    must_fail(plumb_run_resume(n->run, NULL, 0, NULL, &err), PLUMB_ERR_MISMATCH, &err, message);
    net_free(n);
    world_close(&w);
}

/* A checkpoint with one bit changed is not loaded. */
static void test_changed_checkpoint(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    char path[512], message[600];
    plumb__bytes bytes = {0};
    world_open(&w, records(), policy);
    first_half(&w, 0);
    snprintf(path, sizeof path, "%s/checkpoints/step-00000004.safetensors", w.out);
    must(plumb__file_read(path, 1 << 20, &bytes, &err), &err);
    bytes.data[bytes.size - 9] ^= 4;
    must(plumb__file_write_atomic(path, bytes.data, bytes.size, 0644, &err), &err);
    net *n = net_create(&w);
    snprintf(message, sizeof message, "%s: is not the file that was sealed; restore it from a copy",
             path);
    must_fail(plumb_run_resume(n->run, &n->tensor, 1, NULL, &err), PLUMB_ERR_DIGEST, &err, message);
    net_free(n);
    plumb__bytes_free(&bytes);
    world_close(&w);
}

/* A checkpoint that the disk refuses leaves nothing half written, and the run goes on. */
static void test_refused_write(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    char path[512], message[600];
    struct rlimit old, small = {.rlim_cur = 64};
    world_open(&w, records(), policy);
    snprintf(w.out, sizeof w.out, "%s", world_path(&w, "run"));
    net *n = net_create(&w);
    must(plumb_run_start(n->run, &err), &err);
    train(n, 1, 2);
    while (plumb_run_acknowledged(n->run) < 2)
        usleep(1000);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const plumb_status status = plumb_checkpoint(n->run, &n->tensor, 1, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    snprintf(path, sizeof path, "%s/checkpoints/step-00000002.safetensors.tmp", w.out);
    snprintf(message, sizeof message, "cannot write %s: File too large", path);
    must_fail(status, PLUMB_ERR_IO, &err, message);
    assert_false(plumb__path_exists(path));
    must(plumb_checkpoint(n->run, &n->tensor, 1, &err), &err);
    train(n, 3, 4);
    must(plumb_run_close(n->run, &err), &err);
    net_free(n);
    world_close(&w);
}

/* A process that died before checkpoint 0 was whole: its directory is not lost, the run begins. */
static void test_unstarted(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    float weights[35];
    plumb_resume_info info = {0};
    world_open(&w, records(), policy);
    recorded *one = straight(&w, weights);
    snprintf(w.out, sizeof w.out, "%s", world_path(&w, "unstarted"));
    net *n = net_create(&w);
    must(plumb_run_start(n->run, &err), &err);
    net_free(n);
    n = net_create(&w);
    must(plumb_run_resume(n->run, &n->tensor, 1, &info, &err), &err);
    assert_true(info.unstarted);
    assert_int_equal(info.step, 0);
    must(plumb_checkpoint(n->run, &n->tensor, 1, &err), &err);
    train(n, 1, 2 * N);
    assert_memory_equal(n->w, weights, sizeof weights);
    must(plumb_run_close(n->run, &err), &err);
    net_free(n);
    recorded *two = recorded_read(w.out);
    assert_int_equal(two->n, 2 * N);
    for (size_t i = 0; i < 2 * N; i++)
        same_step(one, i, two, i);
    recorded_free(one);
    recorded_free(two);
    world_close(&w);
}

/* Steps without a checkpoint cannot be gone on from, and the message says what can be done. */
static void test_no_checkpoint(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    char message[400];
    world_open(&w, records(), policy);
    snprintf(w.out, sizeof w.out, "%s", world_path(&w, "bare"));
    net *n = net_create(&w);
    must(plumb_run_start(n->run, &err), &err);
    train(n, 1, 2);
    net_free(n);
    n = net_create(&w);
    snprintf(message, sizeof message,
             "%s has 2 steps, but no checkpoint to resume from: start a new run in another "
             "directory",
             w.out);
    must_fail(plumb_run_resume(n->run, &n->tensor, 1, NULL, &err), PLUMB_ERR_NOT_FOUND, &err,
              message);
    net_free(n);
    world_close(&w);
}

static void test_closed(void **state)
{
    (void)state;
    world w;
    plumb_error err;
    float weights[35];
    world_open(&w, records(), policy);
    recorded_free(straight(&w, weights));
    net *n = net_create(&w);
    assert_int_equal(plumb_run_resume(n->run, &n->tensor, 1, NULL, &err), PLUMB_ERR_STATE);
    net_free(n);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_resume_with_rewind),
        cmocka_unit_test(test_mismatch),
        cmocka_unit_test(test_wrong_tensors),
        cmocka_unit_test(test_changed_checkpoint),
        cmocka_unit_test(test_refused_write),
        cmocka_unit_test(test_unstarted),
        cmocka_unit_test(test_no_checkpoint),
        cmocka_unit_test(test_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
