/* The option table, and how it is read. */
#include "lm_options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define TEXT(member, value, help) \
    {#member, LM_TEXT, offsetof(lm_options, member), 0, 0, false, value, help}
#define COUNT(member, least, most, setting, help) \
    {#member, LM_COUNT, offsetof(lm_options, member), least, most, setting, "N", help}
#define NUMBER(member, most, help) \
    {#member, LM_NUMBER, offsetof(lm_options, member), 0, most, true, "X", help}
#define FLAG(member, setting, help) \
    {#member, LM_FLAG, offsetof(lm_options, member), 0, 1, setting, NULL, help}
/* clang-format on */

#define MOST_STEPS 1e12

const lm_option lm_option_table[] = {
    TEXT(manifest, "FILE", "the signed manifest, NAME.plumb.json; its records' text is the data"),
    TEXT(withdrawals, "FILE", "in place of NAME.withdrawals beside it; \"none\": not even that"),
    TEXT(trust, "FILE", "the trust store: whose signatures count"),
    TEXT(policy, "FILE", "the rules of the run"),
    TEXT(state, "DIR", "where versions seen are remembered ($PLUMB_STATE, ~/.local/state/plumb)"),
    TEXT(out, "DIR", "the run bundle to make, or to go on with"),
    TEXT(key, "FILE", "the operator's key; it certifies the run"),
    TEXT(passphrase_file, "FILE", "its passphrase is the first line of FILE (else asked for)"),
    COUNT(steps, 1, MOST_STEPS, false, "train to this step, then close the run (300)"),
    COUNT(horizon, 1, MOST_STEPS, true, "length of the learning-rate schedule (as --steps)"),
    COUNT(seed, 0, 9e15, true, "of initial weights and data order (1)"),
    TEXT(device, "cpu|cuda", "where to compute (cpu)"),
    FLAG(resume, false, "go on from the last checkpoint in --out, with its settings"),
    FLAG(ungoverned, false, "plain gradients, no record: needs only --manifest and --trust"),
    COUNT(layers, 1, 64, true, "transformer blocks (4)"),
    COUNT(width, 1, 16384, true, "width of the stream, a multiple of --heads (128)"),
    COUNT(heads, 1, 256, true, "attention heads (4)"),
    COUNT(context, 1, 65536, true, "longest sequence; longer texts are cut to it (128)"),
    COUNT(batch, 1, 65536, true, "records per step (16)"),
    COUNT(micro_batches, 1, 65536, true, "parts that a step's records are worked through in (1)"),
    FLAG(tied, true, "the output head is the token table"),
    NUMBER(lr, 10, "peak learning rate of AdamW (0.001)"),
    COUNT(warmup, 0, MOST_STEPS, true, "steps of linear warm-up (20)"),
    NUMBER(weight_decay, 10, "decoupled, on matrices only (0.1)"),
    NUMBER(grad_clip, 1e9, "longest gradient, after governance; 0 is off (0)"),
    COUNT(threads, 0, 1024, false, "0: every core this process may use (0)"),
    COUNT(checkpoint_every, 0, MOST_STEPS, false, "0: at start, interruption and end only (100)"),
    TEXT(progress, "json|line|none", "what to say on standard error while training (line)"),
    FLAG(help, false, "this text"),
    FLAG(version, false, "the version"),
};
const size_t lm_option_count = sizeof lm_option_table / sizeof lm_option_table[0];

static const char usage_text[] =
    "usage: plumb-lm --manifest M.plumb.json --trust trust.json --policy policy.json\n"
    "                --key OPERATOR.key --out RUN [options]\n"
    "       plumb-lm --ungoverned --manifest M.plumb.json --trust trust.json [options]\n"
    "\n"
    "Trains a byte-level language model on the records of a signed manifest, within the depths\n"
    "and limits that manifest and policy state, and leaves a run bundle that proves it.\n"
    "\n";

static const char notes_text[] =
    "\n"
    "The model: pre-norm LayerNorm, causal attention, GELU (tanh form), learned positions, no\n"
    "bias on the head; one record is one sequence, and records never share one. Learning rate:\n"
    "warm-up, then a cosine down to a tenth of the peak at the horizon. Interrupted (Ctrl-C), it\n"
    "finishes the step, writes a checkpoint, seals the record and exits with 7; --resume goes on\n"
    "from there.\n"
    "\n"
    "Exit: 0 done, 2 wrong usage, 3 bad input, 4 I/O, 5 trust, 6 device, 7 interrupted.\n"
    "Environment: LM_ISA=base|avx2 asks for less than the best inner loops. OPENBLAS_CORETYPE\n"
    "overrides OpenBLAS's choice of kernels; Haswell on a processor with AVX-512 halves its\n"
    "speed, so unset it if something has set it.\n"
    "\n"
    "Example:\n"
    "  plumb-lm --manifest records.plumb.json --trust trust.json --policy policy.json \\\n"
    "           --key keys/operator.key --passphrase-file keys/passphrase --out run --steps 300\n";

/* --micro-batches for micro_batches. */
static void spell(const char *name, char *out, size_t size)
{
    size_t i = 0;
    for (; name[i] && i + 1 < size; i++)
        out[i] = name[i] == '_' ? '-' : name[i];
    out[i] = 0;
}

void lm_options_help(FILE *out)
{
    fputs(usage_text, out);
    for (size_t i = 0; i < lm_option_count; i++) {
        const lm_option *o = &lm_option_table[i];
        char name[32], left[64];
        spell(o->name, name, sizeof name);
        (void)snprintf(left, sizeof left, "%s--%s%s%s",
                       o->offset == offsetof(lm_options, help) ? "-h, " : "", name,
                       o->value ? " " : "", o->value ? o->value : "");
        fprintf(out, "  %-27s %s\n", left, o->help);
    }
    fputs(notes_text, out);
}

static void set_defaults(lm_options *o)
{
    *o = (lm_options){.steps = 300,
                      .seed = 1,
                      .layers = 4,
                      .width = 128,
                      .heads = 4,
                      .context = 128,
                      .batch = 16,
                      .micro_batches = 1,
                      .warmup = 20,
                      .checkpoint_every = 100,
                      .lr = 1e-3,
                      .weight_decay = 0.1,
                      .device = "cpu",
                      .progress = "line"};
}

static bool read_number(const char *text, double least, double most, double *value)
{
    char *end = NULL;
    errno = 0;
    *value = strtod(text, &end);
    return end != text && *end == 0 && errno == 0 && *value >= least && *value <= most;
}

static bool read_count(const char *text, double least, double most, uint64_t *value)
{
    double check = 0;
    if (text[strspn(text, "0123456789")] != 0) return false;
    if (!read_number(text, least, most, &check)) return false;
    *value = strtoull(text, NULL, 10);
    return true;
}

static bool store(lm_options *options, const lm_option *o, const char *text)
{
    char *at = (char *)options + o->offset;
    switch (o->kind) {
    case LM_TEXT: *(const char **)at = text; return true;
    case LM_FLAG: *(bool *)at = true; return true;
    case LM_COUNT: return read_count(text, o->least, o->most, (uint64_t *)at);
    case LM_NUMBER: return read_number(text, o->least, o->most, (double *)at);
    }
    return false;
}

static int refuse(FILE *complain, const char *what, const char *why)
{
    fprintf(complain, "plumb-lm: %s %s; see plumb-lm --help\n", what, why);
    return 2;
}

static void long_options(struct option *out, char names[][32])
{
    for (size_t i = 0; i < lm_option_count; i++) {
        spell(lm_option_table[i].name, names[i], 32);
        out[i] = (struct option){
            names[i], lm_option_table[i].kind == LM_FLAG ? no_argument : required_argument, NULL,
            256 + (int)i};
    }
    out[lm_option_count] = (struct option){0};
}

int lm_options_parse(int argc, char **argv, lm_options *options, FILE *complain)
{
    struct option table[LM_MAX_OPTIONS + 1];
    char names[LM_MAX_OPTIONS][32];
    set_defaults(options);
    long_options(table, names);
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, ":h", table, NULL)) != -1;) {
        if (c == 'h') {
            options->help = true;
            continue;
        }
        if (c == ':') return refuse(complain, argv[optind - 1], "wants a value");
        if (c < 256) return refuse(complain, argv[optind - 1], "is no option of plumb-lm");
        const size_t i = (size_t)(c - 256);
        if (!store(options, &lm_option_table[i], optarg)) {
            fprintf(complain,
                    "plumb-lm: --%s %s is not a number from %.15g to %.15g; see plumb-lm --help\n",
                    names[i], optarg, lm_option_table[i].least, lm_option_table[i].most);
            return 2;
        }
        options->given[i] = true;
    }
    if (optind < argc) return refuse(complain, argv[optind], "is no option of plumb-lm");
    return 0;
}

static const char *missing_option(const lm_options *o)
{
    if (!o->manifest) return "--manifest";
    if (!o->trust) return "--trust";
    if (o->ungoverned) return NULL;
    if (!o->policy) return "--policy";
    if (!o->out) return "--out";
    return o->key ? NULL : "--key";
}

static bool one_of(const char *text, const char *a, const char *b, const char *c)
{
    return strcmp(text, a) == 0 || strcmp(text, b) == 0 || (c && strcmp(text, c) == 0);
}

int lm_options_check(lm_options *o, FILE *complain)
{
    const char *missing = missing_option(o);
    if (missing) return refuse(complain, missing, "is missing");
    if (!one_of(o->device, "cpu", "cuda", NULL))
        return refuse(complain, "--device", "is neither cpu nor cuda");
    if (!one_of(o->progress, "json", "line", "none"))
        return refuse(complain, "--progress", "is none of json, line, none");
    if (o->ungoverned && o->resume)
        return refuse(complain, "--resume", "goes with a run bundle, not with --ungoverned");
    if (o->ungoverned && o->out)
        return refuse(complain, "--out",
                      "goes with a governed run; --ungoverned leaves no record and no checkpoint");
    if (o->width % o->heads != 0)
        return refuse(complain, "--width", "is not a multiple of --heads");
    if (o->batch < o->micro_batches)
        return refuse(complain, "--micro-batches", "is more than --batch");
    if (o->horizon == 0) o->horizon = o->steps;
    return 0;
}
