/* Aim: every derivative of the trainer is right, in float64 against finite differences and in
 * float32 against float64.
 * Method: the model's sources are compiled in float64 here. Per layer, the analytic gradient along
 * a random direction (which touches every element) and at single elements is compared with central
 * differences of the loss; the float32 build, in every instruction set this machine runs, is then
 * compared with the float64 gradients. Sequences are ragged, one longer than a block of attention.
 * */
#include "lm_case.h"
#include "lm_model.h"

#include "runtime/plumb.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    lm_case given;
    lm_model model;
    lm_work work;
    lm_batch batch;
    size_t first[CASE_UNITS];
    int32_t tokens[CASE_ROWS], positions[CASE_ROWS];
} fixture;

static void open_fixture(fixture *f, bool tied)
{
    lm_case *c = &f->given;
    lm_case_default(c, tied);
    const lm_shape shape = {c->blocks, c->width, c->heads, c->context, c->tied};
    assert_true(lm_model_init(&f->model, &shape, 3));
    assert_true(lm_work_init(&f->work, &f->model, CASE_ROWS, CASE_UNITS));
    size_t at = 0;
    for (size_t u = 0; u < CASE_UNITS; at += c->length[u++]) {
        f->first[u] = at;
        for (size_t t = 0; t < c->length[u]; t++) {
            f->tokens[at + t] = t ? c->targets[at + t - 1] : 0;
            f->positions[at + t] = (int32_t)t;
        }
    }
    f->batch =
        (lm_batch){CASE_UNITS, CASE_ROWS, f->first, c->length, f->tokens, f->positions, c->targets};
    /* Weights far from their small initial values, so that no derivative is near zero by chance. */
    for (size_t i = 0; i < f->model.size; i++)
        f->model.params[i] += 0.15 * plumb_random_normal(5, 0, i);
}

static void close_fixture(fixture *f)
{
    lm_work_free(&f->work);
    lm_model_free(&f->model);
}

static double loss_at(fixture *f)
{
    lm_forward(&f->model, &f->work, &f->batch);
    return lm_loss_plain(&f->model, &f->work, &f->batch, CASE_ROWS);
}

static double gradients(fixture *f, bool add)
{
    const double loss = loss_at(f);
    lm_plain plain = {.model = &f->model, .add = add};
    assert_true(lm_backward(&f->model, &f->work, &f->batch, lm_plain_grads, &plain));
    return loss;
}

static double difference(fixture *f, const lm_layer *layer, const double *direction)
{
    const double h = 1e-5;
    double *p = f->model.params + layer->offset;
    for (size_t i = 0; i < layer->size; i++)
        p[i] += h * direction[i];
    const double up = loss_at(f);
    for (size_t i = 0; i < layer->size; i++)
        p[i] -= 2 * h * direction[i];
    const double down = loss_at(f);
    for (size_t i = 0; i < layer->size; i++)
        p[i] += h * direction[i];
    return (up - down) / (2 * h);
}

static void check_direction(fixture *f, const lm_layer *layer, const double *direction)
{
    const double *g = f->model.grads + layer->offset;
    double analytic = 0;
    for (size_t i = 0; i < layer->size; i++)
        analytic += g[i] * direction[i];
    const double numeric = difference(f, layer, direction);
    const double error = fabs(analytic - numeric);
    if (!(error <= 1e-7 * (1 + fabs(analytic))))
        fail_msg("%s: analytic %.12g, finite difference %.12g", layer->name, analytic, numeric);
}

static void check_layer(fixture *f, size_t l)
{
    const lm_layer *layer = &f->model.layers[l];
    double *direction = calloc(layer->size, sizeof *direction);
    assert_non_null(direction);
    for (uint64_t draw = 0; draw < 2; draw++) {
        for (size_t i = 0; i < layer->size; i++)
            direction[i] = plumb_random_normal(20 + draw, l, i) / sqrt((double)layer->size);
        check_direction(f, layer, direction);
    }
    for (uint64_t single = 0; single < 4; single++) {
        memset(direction, 0, layer->size * sizeof *direction);
        const double at = plumb_random_uniform(30, l, single) * (double)layer->size;
        direction[(size_t)at] = 1;
        check_direction(f, layer, direction);
    }
    free(direction);
}

static void finite_differences(bool tied)
{
    fixture f;
    open_fixture(&f, tied);
    (void)gradients(&f, false);
    for (size_t l = 0; l < f.model.n_layers; l++)
        check_layer(&f, l);
    close_fixture(&f);
}

static void test_untied(void **state)
{
    (void)state;
    finite_differences(false);
}

static void test_tied(void **state)
{
    (void)state;
    finite_differences(true);
}

static void test_micro_batches_add(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, true);
    (void)gradients(&f, false);
    double *once = malloc(f.model.size * sizeof *once);
    assert_non_null(once);
    memcpy(once, f.model.grads, f.model.size * sizeof *once);
    (void)gradients(&f, true);
    for (size_t i = 0; i < f.model.size; i++)
        assert_true(fabs(f.model.grads[i] - 2 * once[i]) <= 1e-12 * (1 + fabs(once[i])));
    free(once);
    close_fixture(&f);
}

/* One byte of unit 2 changes no logit of any other unit by one bit. */
static void test_units_do_not_see_each_other(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, false);
    lm_forward(&f.model, &f.work, &f.batch);
    double *before = malloc(CASE_ROWS * LM_VOCABULARY * sizeof *before);
    assert_non_null(before);
    memcpy(before, f.work.logits, CASE_ROWS * LM_VOCABULARY * sizeof *before);
    f.tokens[f.first[2] + 1] ^= 1;
    lm_forward(&f.model, &f.work, &f.batch);
    size_t changed = 0;
    for (size_t row = 0; row < CASE_ROWS; row++) {
        const bool later = row > f.first[2] && row < f.first[3];
        const size_t bytes = LM_VOCABULARY * sizeof *before;
        const int same =
            memcmp(before + row * LM_VOCABULARY, f.work.logits + row * LM_VOCABULARY, bytes);
        changed += later && same != 0;
        if (!later) assert_int_equal(same, 0);
    }
    assert_int_equal(changed, f.given.length[2] - 1);
    free(before);
    close_fixture(&f);
}

static void test_threads_change_nothing(void **state)
{
    (void)state;
    fixture f;
    plumb_error err;
    double *one = NULL;
    for (unsigned threads = 1; threads <= 3; threads++) {
        assert_int_equal(plumb_threads_set(threads, &err), PLUMB_OK);
        open_fixture(&f, false);
        (void)gradients(&f, false);
        if (!one) {
            one = malloc(f.model.size * sizeof *one);
            assert_non_null(one);
            memcpy(one, f.model.grads, f.model.size * sizeof *one);
        }
        assert_memory_equal(one, f.model.grads, f.model.size * sizeof *one);
        close_fixture(&f);
    }
    free(one);
}

/* Two updates by the formula, beside a layer that is left out. */
static void test_adamw(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, false);
    const lm_adamw_settings s = {
        .lr = 0.01, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1};
    const lm_layer *matrix = &f.model.layers[lm_layer_at(0, LM_UP)];
    const lm_layer *norm = &f.model.layers[lm_layer_at(1, LM_NORM2)];
    const lm_layer *idle = &f.model.layers[lm_layer_at(1, LM_QKV)];
    uint8_t live[LM_MAX_LAYERS];
    memset(live, 1, sizeof live);
    live[lm_layer_at(1, LM_QKV)] = 0;
    const double p0 = f.model.params[matrix->offset + 7], n0 = f.model.params[norm->offset + 3];
    const double i0 = f.model.params[idle->offset + 5];
    for (int step = 0; step < 2; step++) {
        f.model.grads[matrix->offset + 7] = 0.3;
        f.model.grads[norm->offset + 3] = -0.2;
        f.model.grads[idle->offset + 5] = 0.1;
        lm_adamw(&f.model, &s, live);
        for (size_t i = 0; i < f.model.size; i++)
            assert_true(f.model.grads[i] == 0);
    }
    /* A constant gradient: mhat = g and vhat = g^2 at every step. */
    const double p1 = p0 * 0.999 - 0.01 * 0.3 / (0.3 + 1e-8);
    const double p2 = p1 * 0.999 - 0.01 * 0.3 / (0.3 + 1e-8);
    assert_true(fabs(f.model.params[matrix->offset + 7] - p2) < 1e-12);
    assert_true(fabs(f.model.params[norm->offset + 3] - (n0 + 2 * 0.01)) < 1e-8);
    assert_true(f.model.params[idle->offset + 5] == i0);
    assert_int_equal(f.model.updates[lm_layer_at(1, LM_QKV)], 0);
    assert_int_equal(f.model.updates[lm_layer_at(0, LM_UP)], 2);
    close_fixture(&f);
}

static void compare_float(const char *isa, bool tied)
{
    fixture f;
    open_fixture(&f, tied);
    const double loss = gradients(&f, false);
    double *grads = calloc(f.model.size, sizeof *grads), loss32 = 0;
    assert_non_null(grads);
    assert_true(lm_case_float(&f.given, isa, f.model.params, f.model.size, &loss32, grads));
    assert_true(fabs(loss32 - loss) < 2e-6 * fabs(loss));
    for (size_t l = 0; l < f.model.n_layers; l++) {
        const lm_layer *layer = &f.model.layers[l];
        double off = 0, norm = 0;
        for (size_t i = layer->offset; i < layer->offset + layer->size; i++) {
            off += (grads[i] - f.model.grads[i]) * (grads[i] - f.model.grads[i]);
            norm += f.model.grads[i] * f.model.grads[i];
        }
        if (!(sqrt(off) <= 3e-6 * sqrt(norm)))
            fail_msg("%s, %s: float32 is off by %.3g of its norm", isa, layer->name,
                     sqrt(off / norm));
    }
    free(grads);
    close_fixture(&f);
}

static void test_float32(void **state)
{
    (void)state;
    const char *isas[] = {"base", "avx2", "avx512"};
    for (size_t i = 0; i < 3; i++) {
        compare_float(isas[i], false);
        compare_float(isas[i], true);
    }
}

/* Writes the case for benchmarks/lm_torch.py --probe (its read_probe has the layout). */
static int write_probe(const char *path, bool tied)
{
    fixture f;
    open_fixture(&f, tied);
    const double loss = gradients(&f, false);
    FILE *out = fopen(path, "wb");
    if (!out) return 1;
    const lm_case *c = &f.given;
    int64_t size = 0, lengths[CASE_UNITS];
    for (size_t l = 0; l < f.model.n_layers; l++)
        size += (int64_t)f.model.layers[l].size;
    const int64_t head[9] = {(int64_t)c->blocks,
                             (int64_t)c->width,
                             (int64_t)c->heads,
                             (int64_t)c->context,
                             tied,
                             CASE_UNITS,
                             CASE_ROWS,
                             size,
                             (int64_t)f.model.n_layers};
    for (size_t u = 0; u < CASE_UNITS; u++)
        lengths[u] = (int64_t)c->length[u];
    size_t wrote = fwrite(head, sizeof head, 1, out) + fwrite(lengths, sizeof lengths, 1, out) +
                   fwrite(c->targets, sizeof c->targets, 1, out) +
                   fwrite(&loss, sizeof loss, 1, out);
    for (int part = 0; part < 2; part++)
        for (size_t l = 0; l < f.model.n_layers; l++)
            wrote += fwrite((part ? f.model.grads : f.model.params) + f.model.layers[l].offset,
                            f.model.layers[l].size * sizeof(double), 1, out);
    const bool good = fclose(out) == 0 && wrote == 4 + 2 * f.model.n_layers;
    close_fixture(&f);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    openblas_set_num_threads(1);
    if (argc == 4 && strcmp(argv[1], "--probe") == 0)
        return write_probe(argv[2], strcmp(argv[3], "tied") == 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untied),
        cmocka_unit_test(test_tied),
        cmocka_unit_test(test_micro_batches_add),
        cmocka_unit_test(test_units_do_not_see_each_other),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_adamw),
        cmocka_unit_test(test_float32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
