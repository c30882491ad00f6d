/* Aim: plumb__xent gives loss, entropy and dlogits of the softmax cross-entropy, row by row, with
 * nothing leaking between rows. Method: random logits of several spreads and vocabularies against
 * the float64 reference; in place and into another buffer; bad values, missing targets and zero
 * scales; the exponential itself over its range; canaries and poisoned outputs; for every
 * instruction set. */
#include "kernel_fixture.h"

#include "kernels/reference.h"
#include "kernels/simd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct xent_case {
    plumb__xent_args args;
    float *logits, *dlogits, *scale, *loss, *entropy;
    int32_t *targets;
} xent_case;

static void case_make(draws *d, xent_case *c, uint64_t rows, uint64_t vocabulary, float spread)
{
    memset(c, 0, sizeof *c);
    const uint64_t ld = vocabulary + draw_between(d, 0, 2);
    c->logits = guarded_normals(d, rows * ld);
    for (size_t i = 0; i < rows * ld; i++)
        c->logits[i] *= spread;
    c->dlogits = guarded(rows * ld * sizeof(float));
    c->targets = guarded(rows * sizeof(int32_t));
    c->scale = guarded(rows * sizeof(float));
    c->loss = guarded(rows * sizeof(float));
    c->entropy = guarded(rows * sizeof(float));
    for (size_t r = 0; r < rows; r++) {
        c->targets[r] = (int32_t)draw_between(d, 0, vocabulary - 1);
        c->scale[r] = draw_uniform(d) < 0.2 ? 0.0f : (float)draw_uniform(d);
        if (draw_uniform(d) < 0.2) c->targets[r] = -1;
    }
    c->args = (plumb__xent_args){rows, vocabulary, c->logits, ld,      c->dlogits,
                                 ld,   c->targets, c->scale,  c->loss, c->entropy};
}

static void case_free(xent_case *c)
{
    guarded_free(c->logits);
    guarded_free(c->dlogits);
    guarded_free(c->targets);
    guarded_free(c->scale);
    guarded_free(c->loss);
    guarded_free(c->entropy);
}

static void check_row(const xent_case *c, uint64_t r, const double *dlogits, double loss,
                      double entropy)
{
    const float *row = c->dlogits + r * c->args.ld_dlogits;
    /* log(S) near 0 is known to S's relative error: an absolute one of a few 1e-7. */
    assert_true(near((double)c->loss[r], loss, 1e-6, 5e-7));
    assert_true(near((double)c->entropy[r], entropy, 1e-6, 2e-6));
    for (uint64_t v = 0; v < c->args.vocabulary; v++) {
        assert_true(near((double)row[v], dlogits[v], 2e-6, 3e-7 * (double)c->scale[r]));
        if (c->targets[r] < 0 || c->scale[r] == 0.0f) assert_true(row[v] == 0.0f);
    }
    if (c->targets[r] < 0) assert_true(c->loss[r] == 0.0f && c->entropy[r] == 0.0f);
    for (uint64_t v = c->args.vocabulary; v < c->args.ld_dlogits; v++)
        assert_true(isnan(row[v])); /* poison behind the row stays */
}

static void reference_body(void)
{
    draws d = draws_begin("xent", 201);
    const uint64_t vocabularies[] = {1, 2, 7, 16, 17, 256, 1000, 1024, 1025, 5000};
    const float spreads[] = {0.01f, 1.0f, 30.0f, 200.0f};
    for (size_t i = 0; i < 40; i++) {
        xent_case c;
        const uint64_t rows = i % 10 == 5 ? 150 : draw_between(&d, 1, 9);
        case_make(&d, &c, rows, vocabularies[i % 10], spreads[i / 10]);
        double *dlogits = malloc(rows * c.args.vocabulary * sizeof(double));
        double *loss = malloc(rows * sizeof(double)), *entropy = malloc(rows * sizeof(double));
        plumb__ref_xent(&c.args, dlogits, loss, entropy);
        plumb__xent(&c.args);
        for (uint64_t r = 0; r < rows; r++)
            check_row(&c, r, dlogits + r * c.args.vocabulary, loss[r], entropy[r]);
        c.args.dlogits = c.logits; /* in place: the same bits */
        plumb__xent(&c.args);
        for (uint64_t r = 0; r < rows; r++)
            assert_same_bits(c.logits + r * c.args.ld_logits, c.dlogits + r * c.args.ld_logits,
                             c.args.vocabulary * sizeof(float));
        free(dlogits), free(loss), free(entropy);
        case_free(&c);
    }
}

static void test_reference(void **state)
{
    (void)state;
    for_each_simd(reference_body);
}

/* A bad logit spoils its own row's loss, and no other row by one bit. */
static void nonfinite_body(void)
{
    draws d = draws_begin("xent nonfinite", 202);
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 30; i++) {
        xent_case good, c;
        draws same = d;
        const uint64_t vocabulary = i < 15 ? 300 : 3;
        case_make(&d, &good, 6, vocabulary, 2.0f);
        case_make(&same, &c, 6, vocabulary, 2.0f);
        const uint64_t row = draw_between(&d, 0, 5), column = draw_between(&d, 0, vocabulary - 1);
        c.targets[row] = good.targets[row] = (int32_t)draw_between(&d, 0, vocabulary - 1);
        c.logits[row * c.args.ld_logits + column] = bad[i % 3];
        plumb__xent(&good.args);
        plumb__xent(&c.args);
        for (uint64_t r = 0; r < 6; r++) {
            if (r == row) {
                assert_true(!isfinite(c.loss[r]));
                continue;
            }
            assert_same_bits(&c.loss[r], &good.loss[r], sizeof(float));
            assert_same_bits(&c.entropy[r], &good.entropy[r], sizeof(float));
            assert_same_bits(c.dlogits + r * c.args.ld_dlogits,
                             good.dlogits + r * c.args.ld_dlogits, vocabulary * sizeof(float));
        }
        case_free(&good);
        case_free(&c);
    }
}

static void test_nonfinite(void **state)
{
    (void)state;
    for_each_simd(nonfinite_body);
}

/* Finite logits as far apart as floats can be give finite results. */
static void extreme_body(void)
{
    float logits[4] = {3e38f, -3e38f, 3e38f, 0.0f}, dlogits[4], loss, entropy;
    const float scale = 1.0f;
    const int32_t target = 0, outside = 4;
    plumb__xent_args args = {1, 4, logits, 4, dlogits, 4, &target, &scale, &loss, &entropy};
    plumb__xent(&args);
    assert_true(near((double)loss, log(2.0), 1e-6, 0));
    assert_true(near((double)entropy, log(2.0), 1e-6, 0));
    assert_true(dlogits[0] == -0.5f && dlogits[2] == 0.5f);
    args.targets = &outside;
    plumb__xent(&args);
    assert_true(loss == 0.0f && dlogits[0] == 0.0f && dlogits[3] == 0.0f);
}

static void test_extreme(void **state)
{
    (void)state;
    for_each_simd(extreme_body);
}

/* The polynomial: every step of 1/1024 in [-87, 0], in units of the last place. */
static void exponential_body(void)
{
    enum { COUNT = 87 * 1024 + 1 };
    float *x = malloc(COUNT * sizeof(float)), *e = malloc(COUNT * sizeof(float));
    for (int i = 0; i < COUNT; i++)
        x[i] = -(float)i / 1024.0f;
    plumb__softmax_row row;
    plumb__simd_get()->softmax_row(x, COUNT, e, &row);
    double worst = 0;
    for (int i = 0; i < COUNT; i++) {
        const double exact = exp((double)x[i]);
        const double ulp = (double)(nextafterf((float)exact, INFINITY) - (float)exact);
        const double error = fabs((double)e[i] - exact) / ulp;
        assert_true(!isnan(error));
        worst = error > worst ? error : worst;
    }
    print_message("exp: at most %.2f ulp\n", worst);
    assert_true(worst <= 1.0);
    free(x), free(e);
}

static void test_exponential(void **state)
{
    (void)state;
    for_each_simd(exponential_body);
}

static void threads_body(void)
{
    draws d = draws_begin("xent threads", 203);
    xent_case c;
    case_make(&d, &c, 500, 256, 3.0f);
    use_threads(1);
    plumb__xent(&c.args);
    float *again = guarded(500 * c.args.ld_dlogits * sizeof(float));
    c.args.dlogits = again;
    for (unsigned threads = 2; threads <= 3; threads++) {
        use_threads(threads);
        plumb__xent(&c.args);
        assert_same_bits(again, c.dlogits, 500 * c.args.ld_dlogits * sizeof(float));
    }
    use_threads(2);
    guarded_free(again);
    case_free(&c);
}

static void test_threads(void **state)
{
    (void)state;
    for_each_simd(threads_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference), cmocka_unit_test(test_nonfinite),
        cmocka_unit_test(test_extreme),   cmocka_unit_test(test_exponential),
        cmocka_unit_test(test_threads),
    };
    use_threads(2);
    return cmocka_run_group_tests_name("xent", tests, NULL, NULL);
}
