/* Opening everything, the loop, checkpoints, interruption, closing. */
#include "lm_train.h"
#include "lm_trainer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define EXIT_INTERRUPTED 7
#define EXIT_DEVICE 6

volatile sig_atomic_t lm_interrupted;

static plumb_status out_of_memory(lm_trainer *t, const char *what)
{
    t->err.status = PLUMB_ERR_NO_MEMORY;
    (void)snprintf(t->err.message, sizeof t->err.message, "not enough memory for %s", what);
    return PLUMB_ERR_NO_MEMORY;
}

/* ---- the operator's key ---- */

/* One line from the terminal, without echo; bytes read, or -1. */
static ssize_t ask_passphrase(char *out, size_t size)
{
    struct termios before, silent;
    const int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || tcgetattr(fd, &before) != 0) {
        if (fd >= 0) close(fd);
        return -1;
    }
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    (void)tcsetattr(fd, TCSAFLUSH, &silent);
    ssize_t n = dprintf(fd, "Passphrase of the operator's key: ") < 0 ? -1 : read(fd, out, size);
    (void)tcsetattr(fd, TCSAFLUSH, &before);
    (void)dprintf(fd, "\n");
    close(fd);
    return n > 0 && out[n - 1] == '\n' ? n - 1 : n;
}

static plumb_status open_key(lm_trainer *t)
{
    const lm_options *o = t->options;
    char typed[512], *text = NULL;
    size_t n = 0;
    if (o->passphrase_file) {
        const plumb_status status = plumb_passphrase_read(o->passphrase_file, &text, &n, &t->err);
        if (status != PLUMB_OK) return status;
    } else {
        const ssize_t got = ask_passphrase(typed, sizeof typed);
        if (got <= 0) {
            t->err.status = PLUMB_ERR_KEY;
            (void)snprintf(t->err.message, sizeof t->err.message,
                           "a passphrase is needed for %s; give --passphrase-file FILE", o->key);
            return PLUMB_ERR_KEY;
        }
        n = (size_t)got;
    }
    const plumb_status status = plumb_key_open(o->key, text ? text : typed, n, &t->key, &t->err);
    plumb_key_text_free(text);
    explicit_bzero(typed, sizeof typed);
    return status;
}

/* ---- opening ---- */

static plumb_status open_data(lm_trainer *t)
{
    const lm_options *o = t->options;
    plumb_status status = plumb_trust_open(o->trust, &t->trust, &t->err);
    if (status != PLUMB_OK) return status;
    plumb_manifest_options options;
    plumb_manifest_options_default(&options);
    options.policy_path = o->policy; /* its rules of expiry and audience; NULL without a policy */
    if (o->withdrawals)
        options.withdrawals_path = strcmp(o->withdrawals, "none") == 0 ? "" : o->withdrawals;
    status = plumb_manifest_open(o->manifest, t->trust, &options, &t->manifest, &t->err);
    if (status != PLUMB_OK) return status;
    return lm_data_open(t->manifest, o->seed, o->context, &t->data, &t->err);
}

static plumb_status open_model(lm_trainer *t)
{
    const lm_options *o = t->options;
    const lm_shape shape = {.blocks = o->layers,
                            .width = o->width,
                            .heads = o->heads,
                            .context = o->context,
                            .tied = o->tied};
    const size_t sequences = (size_t)((o->batch + o->micro_batches - 1) / o->micro_batches);
    if (!lm_model_init(&t->model, &shape, o->seed)) return out_of_memory(t, "the model");
    if (!lm_work_init(&t->work, &t->model, sequences * o->context, sequences))
        return out_of_memory(t, "the activations; lower --batch or raise --micro-batches");
    if (!lm_batch_space_init(&t->space, &t->data, sequences)) return out_of_memory(t, "a batch");
    return PLUMB_OK;
}

static plumb_status create_run(lm_trainer *t, const char *trainer_json)
{
    const lm_options *o = t->options;
    plumb_run_config config;
    plumb_run_config_default(&config);
    config.out_dir = o->out;
    config.policy_path = o->policy;
    config.trust_path = o->trust;
    config.operator_key = t->key;
    config.state_dir = o->state;
    config.seed = o->seed;
    config.horizon_steps = o->horizon;
    config.trainer_json = trainer_json;
    config.max_units = t->space.max_units < UINT32_MAX ? (uint32_t)t->space.max_units : UINT32_MAX;
    config.max_rows = t->work.max_rows;
    plumb_status status = plumb_run_create(&config, t->manifest, &t->run, &t->err);
    if (status == PLUMB_OK) status = lm_govern_open(&t->governed, t->run, &t->model, &t->err);
    return status;
}

static plumb_status save(lm_trainer *t)
{
    if (!t->run || t->saved) return PLUMB_OK; /* a step has one checkpoint at most */
    const plumb_status status =
        plumb_checkpoint(t->run, t->governed.tensors, t->governed.n_tensors, &t->err);
    t->saved = status == PLUMB_OK;
    return status;
}

/* A run that is past its goal would be closed on the spot, and a closed run cannot go on. */
static plumb_status steps_are_ahead(lm_trainer *t)
{
    if (t->options->steps >= t->step) return PLUMB_OK;
    t->err.status = PLUMB_ERR_ARGUMENT;
    (void)snprintf(t->err.message, sizeof t->err.message,
                   "--steps %llu is behind the run, which has taken %llu; nothing was closed: give "
                   "%llu to close it there, or more to go on",
                   (unsigned long long)t->options->steps, (unsigned long long)t->step,
                   (unsigned long long)t->step);
    return PLUMB_ERR_ARGUMENT;
}

static plumb_status start_or_resume(lm_trainer *t)
{
    plumb_resume_info info;
    plumb_status status;
    plumb_resume_info_default(&info);
    if (!t->options->resume) {
        status = plumb_run_start(t->run, &t->err);
        return status == PLUMB_OK ? save(t) : status;
    }
    status = plumb_run_resume(t->run, t->governed.tensors, t->governed.n_tensors, &info, &t->err);
    if (status != PLUMB_OK) return status;
    t->step = info.step;
    t->saved = !info.unstarted;
    fprintf(stderr, "plumb-lm: going on after step %llu", (unsigned long long)info.step);
    if (info.steps_acknowledged > info.step)
        fprintf(stderr, "; steps %llu to %llu are done again and stay in the record",
                (unsigned long long)info.step + 1, (unsigned long long)info.steps_acknowledged);
    fputs("\n", stderr);
    if (info.unstarted) return save(t);
    return steps_are_ahead(t);
}

static plumb_status open_run(lm_trainer *t, int argc, char **argv)
{
    char *json = lm_settings_json(t->options, argc, argv);
    if (!json) return out_of_memory(t, "the settings");
    plumb_status status = create_run(t, json);
    if (status == PLUMB_OK) status = start_or_resume(t);
    plumb_key_free(t->key);
    t->key = NULL;
    free(json);
    return status;
}

static plumb_status open_all(lm_trainer *t, int argc, char **argv)
{
    plumb_status status = plumb_threads_set((unsigned)t->options->threads, &t->err);
    if (status == PLUMB_OK) status = open_data(t);
    /* Before the model: deriving the key's key takes a quarter of a GiB for a second. */
    if (status == PLUMB_OK && !t->options->ungoverned) status = open_key(t);
    if (status == PLUMB_OK) status = open_model(t);
    if (status == PLUMB_OK && !t->options->ungoverned) status = open_run(t, argc, argv);
    return status;
}

static void close_all(lm_trainer *t)
{
    lm_govern_close(&t->governed);
    plumb_run_free(t->run);
    plumb_key_free(t->key);
    lm_batch_space_free(&t->space);
    lm_work_free(&t->work);
    lm_model_free(&t->model);
    lm_data_free(&t->data);
    plumb_manifest_free(t->manifest);
    plumb_trust_free(t->trust);
}

/* ---- the loop ---- */

static void report(lm_trainer *t, lm_progress *progress, double started_s)
{
    const lm_step_facts facts = {.step = t->step,
                                 .tokens = (uint64_t)t->tokens,
                                 .loss = t->loss,
                                 .lr = lm_rate_at(t->options, t->step),
                                 .seconds = lm_now_s() - started_s,
                                 .governed = t->run != NULL,
                                 .acknowledged = t->run ? plumb_run_acknowledged(t->run) : 0,
                                 .clipped_share = t->live.clipped_share,
                                 .tightest_layer = t->live.tightest_layer,
                                 .tightest_limit = t->live.tightest_limit};
    lm_progress_step(progress, &facts);
}

static plumb_status loop(lm_trainer *t, lm_progress *progress)
{
    const lm_options *o = t->options;
    plumb_status status = PLUMB_OK;
    while (status == PLUMB_OK && t->step < o->steps && !lm_interrupted) {
        const double started_s = lm_now_s();
        status = lm_trainer_step(t);
        if (status != PLUMB_OK) break;
        t->saved = false;
        report(t, progress, started_s);
        const bool due = o->checkpoint_every && t->step % o->checkpoint_every == 0;
        if (due && t->step != o->steps && !lm_interrupted) status = save(t);
    }
    if (status != PLUMB_OK) return status;
    lm_work_free(&t->work); /* sealing and closing want memory of their own */
    return save(t);
}

/* One more JSON line: what governance keeps in memory. */
static void report_memory(const lm_trainer *t, const lm_progress *progress)
{
    plumb_memory_info info;
    plumb_error err;
    plumb_memory_info_default(&info);
    if (!t->run || progress->mode != LM_PROGRESS_JSON) return;
    if (plumb_run_memory(t->run, &info, &err) != PLUMB_OK) return;
    fprintf(stderr,
            "{\"memory\":{\"manifest_bytes\":%llu,\"ledger_bytes\":%llu,\"workspace_bytes\":%llu,"
            "\"examples\":%llu}}\n",
            (unsigned long long)info.manifest_bytes, (unsigned long long)info.ledger_bytes,
            (unsigned long long)info.workspace_bytes, (unsigned long long)info.examples);
}

/* After the loop: an interrupted run is sealed and stays open, a finished one is closed. */
static plumb_status finish(lm_trainer *t, bool interrupted)
{
    if (!t->run) return PLUMB_OK;
    return interrupted ? plumb_run_seal(t->run, &t->err) : plumb_run_close(t->run, &t->err);
}

static int say_interrupted(const lm_trainer *t)
{
    if (t->run)
        fprintf(stderr,
                "plumb-lm: interrupted after step %llu; the record is sealed. To go on, give the "
                "same command with --resume\n",
                (unsigned long long)t->step);
    else
        fprintf(stderr, "plumb-lm: interrupted after step %llu\n", (unsigned long long)t->step);
    return EXIT_INTERRUPTED;
}

static int train(lm_trainer *t, int argc, char **argv)
{
    lm_progress progress;
    plumb_status status = open_all(t, argc, argv);
    lm_progress_start(&progress, t->options->progress, t->step + 1, t->options->steps);
    if (status == PLUMB_OK) status = loop(t, &progress);
    lm_progress_end(&progress);
    if (status == PLUMB_OK) report_memory(t, &progress);
    const bool interrupted = t->step < t->options->steps;
    if (status == PLUMB_OK) status = finish(t, interrupted);
    if (status != PLUMB_OK) {
        fprintf(stderr, "plumb-lm: %s\n", t->err.message);
        return plumb_status_exit_code(status);
    }
    return interrupted ? say_interrupted(t) : 0;
}

int lm_train(lm_options *options, int argc, char **argv)
{
    plumb_error err = {0};
    if (strcmp(options->device, "cuda") == 0) {
        fputs("plumb-lm: this build has no CUDA kernels; use --device cpu\n", stderr);
        return EXIT_DEVICE;
    }
    if (options->resume && !options->ungoverned) {
        const plumb_status status = lm_settings_resume(options, &err);
        if (status != PLUMB_OK) {
            fprintf(stderr, "plumb-lm: %s\n", err.message);
            return status == PLUMB_ERR_ARGUMENT ? 2 : plumb_status_exit_code(status);
        }
    }
    lm_trainer *t = calloc(1, sizeof *t);
    if (!t) {
        fputs("plumb-lm: not enough memory\n", stderr);
        return plumb_status_exit_code(PLUMB_ERR_NO_MEMORY);
    }
    t->options = options;
    plumb_live_default(&t->live);
    const int code = train(t, argc, argv);
    close_all(t);
    free(t);
    return code;
}
