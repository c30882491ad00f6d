/* Aim: plumb__wgrad computes sum of w_u Y_u^T X_u and every unit's exact norm, touches nothing
 * else, and holds governance.md section 8, properties 1-5 and 7, as far as they concern this
 * kernel. Method: random shapes, slots and strides against the float64 reference, the error bounded
 * by twice that of a plain float32 GEMM on the same input; bit comparisons where bits are promised;
 * every buffer between canaries, outputs and workspace poisoned; for every instruction set. */
#include "kernel_fixture.h"

#include "kernels/reference.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SLOTS 24

typedef struct wgrad_case {
    plumb__wgrad_args args;
    plumb__slot slots[MAX_SLOTS];
    float *x, *y, *dw, *dw_before;
    double *norm2;
    bool *finite;
    size_t rows;
    bool plain; /* all weights 1, nothing withheld */
} wgrad_case;

static size_t dw_floats(const wgrad_case *c)
{
    return (size_t)(c->args.out * c->args.ldw);
}

static void case_make(draws *d, wgrad_case *c, uint64_t in, uint64_t out, size_t n,
                      uint64_t longest, bool all_ones)
{
    memset(c, 0, sizeof *c);
    c->plain = all_ones;
    c->rows = draw_slots(d, c->slots, n, longest, all_ones);
    const uint64_t spare = draw_between(d, 0, 3);
    c->args = (plumb__wgrad_args){.in = in,
                                  .out = out,
                                  .ldx = in + spare,
                                  .ldy = out + 2 * spare,
                                  .ldw = in + spare,
                                  .slots = c->slots,
                                  .n_slots = n};
    c->args.x = c->x = guarded_normals(d, c->rows * c->args.ldx);
    c->args.y = c->y = guarded_normals(d, c->rows * c->args.ldy);
    c->args.dw = c->dw = guarded_normals(d, dw_floats(c));
    c->dw_before = guarded(dw_floats(c) * sizeof(float));
    memcpy(c->dw_before, c->dw, dw_floats(c) * sizeof(float));
    c->args.norm2 = c->norm2 = guarded(n * sizeof(double));
    c->args.finite = c->finite = guarded(n * sizeof(bool));
}

static void case_free(wgrad_case *c)
{
    guarded_free(c->x);
    guarded_free(c->y);
    guarded_free(c->dw);
    guarded_free(c->dw_before);
    guarded_free(c->norm2);
    guarded_free(c->finite);
}

static void case_run(wgrad_case *c)
{
    const size_t bytes = plumb__wgrad_workspace(c->args.in, c->args.out, c->args.n_slots, c->rows);
    void *workspace = guarded(bytes);
    plumb__wgrad(&c->args, workspace);
    guarded_free(workspace);
}

/* Runs with another dW and other outputs, for comparing two runs of one case. */
static void case_run_into(wgrad_case *c, float *dw, double *norm2, bool *finite)
{
    memcpy(dw, c->dw_before, dw_floats(c) * sizeof(float));
    plumb__wgrad_args args = c->args;
    c->args.dw = dw, c->args.norm2 = norm2, c->args.finite = finite;
    case_run(c);
    c->args = args;
}

static void gemm_add(const wgrad_case *c, uint64_t row, uint64_t rows, float weight, float *dw)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)c->args.out, (int)c->args.in,
                (int)rows, weight, c->y + row * c->args.ldy, (int)c->args.ldy,
                c->x + row * c->args.ldx, (int)c->args.ldx, 1.0f, dw, (int)c->args.ldw);
}

/* The ungoverned operation's own error. All weights 1: one GEMM over all rows, which is what a
 * trainer without governance runs; else one per unit with its weight. */
static double gemm_distance(const wgrad_case *c, const double *reference)
{
    float *dw = malloc(dw_floats(c) * sizeof(float));
    memcpy(dw, c->dw_before, dw_floats(c) * sizeof(float));
    if (c->plain) gemm_add(c, 0, c->rows, 1.0f, dw);
    for (size_t u = 0; !c->plain && u < c->args.n_slots; u++) {
        const plumb__slot *s = &c->slots[u];
        if (s->rows == 0 || s->weight == 0.0f || s->withhold) continue;
        gemm_add(c, s->first_row, s->rows, s->weight, dw);
    }
    const double error = distance(dw, c->args.ldw, reference, c->args.out, c->args.in);
    free(dw);
    return error;
}

static void check_against_reference(wgrad_case *c)
{
    const size_t cells = (size_t)(c->args.in * c->args.out);
    double *reference = malloc(cells * sizeof(double)), *scratch = malloc(cells * sizeof(double));
    double norm2[MAX_SLOTS];
    for (uint64_t o = 0; o < c->args.out; o++)
        for (uint64_t i = 0; i < c->args.in; i++)
            reference[o * c->args.in + i] = (double)c->dw_before[o * c->args.ldw + i];
    plumb__ref_wgrad(&c->args, NULL, reference, norm2, scratch);
    const double ours = distance(c->dw, c->args.ldw, reference, c->args.out, c->args.in);
    const double theirs = gemm_distance(c, reference);
    assert_true(ours <= 2 * theirs + 0x1p-24 * length(reference, cells));
    for (size_t u = 0; u < c->args.n_slots; u++) {
        assert_true(c->finite[u]);
        assert_true(near(c->norm2[u], norm2[u], 4e-6, 0));
    }
    for (uint64_t o = 0; o < c->args.out; o++) /* what lies behind the columns stays */
        assert_same_bits(c->dw + o * c->args.ldw + c->args.in,
                         c->dw_before + o * c->args.ldw + c->args.in,
                         (size_t)(c->args.ldw - c->args.in) * sizeof(float));
    free(reference);
    free(scratch);
}

static void reference_body(void)
{
    draws d = draws_begin("reference", 101);
    for (int i = 0; i < 40; i++) {
        wgrad_case c;
        case_make(&d, &c, draw_between(&d, 1, 90), draw_between(&d, 1, 90),
                  (size_t)draw_between(&d, 1, MAX_SLOTS), draw_between(&d, 1, 40), i % 2 == 0);
        case_run(&c);
        check_against_reference(&c);
        case_free(&c);
    }
}

static void test_reference(void **state)
{
    (void)state;
    for_each_simd(reference_body);
}

/* Several blocks in both directions, units of several chunks. */
static void large_body(void)
{
    draws d = draws_begin("large", 102);
    const uint64_t shapes[][3] = {{300, 70, 600}, {40, 530, 257}, {256, 64, 256}, {64, 256, 513}};
    for (size_t i = 0; i < 4; i++) {
        wgrad_case c;
        case_make(&d, &c, shapes[i][0], shapes[i][1], 3, shapes[i][2], false);
        c.slots[0].rows = shapes[i][2] <= c.rows ? shapes[i][2] : c.rows;
        for (size_t u = 1; u < 3; u++)
            c.slots[u].first_row = 0, c.slots[u].rows = c.rows / 2;
        case_run(&c);
        check_against_reference(&c);
        case_free(&c);
    }
}

static void test_large(void **state)
{
    (void)state;
    for_each_simd(large_body);
}

/* Property 7: one, two and three threads, and a workspace sized for one: the same bits. */
static void threads_body(void)
{
    draws d = draws_begin("threads", 103);
    for (int i = 0; i < 6; i++) {
        wgrad_case c;
        case_make(&d, &c, draw_between(&d, 1, 400), draw_between(&d, 1, 400),
                  (size_t)draw_between(&d, 1, 9), i == 0 ? 600 : 60, false);
        use_threads(1);
        c.args.workspace_bytes =
            plumb__wgrad_workspace(c.args.in, c.args.out, c.args.n_slots, c.rows);
        void *small = guarded(c.args.workspace_bytes);
        case_run(&c);
        const size_t n = c.args.n_slots, bytes = dw_floats(&c) * sizeof(float);
        float *dw = guarded(bytes);
        double *norm2 = guarded(n * sizeof(double));
        bool *finite = guarded(n * sizeof(bool));
        for (unsigned threads = 2; threads <= 4; threads++) {
            use_threads(threads < 4 ? threads : 3);
            const size_t sized = c.args.workspace_bytes;
            if (threads < 4) c.args.workspace_bytes = 0;
            memcpy(dw, c.dw_before, bytes);
            if (threads < 4) {
                case_run_into(&c, dw, norm2, finite);
            } else { /* more threads now than the workspace was sized for */
                plumb__wgrad_args args = c.args;
                args.dw = dw, args.norm2 = norm2, args.finite = finite;
                plumb__wgrad(&args, small);
            }
            c.args.workspace_bytes = sized;
            assert_same_bits(dw, c.dw, bytes);
            assert_same_bits(norm2, c.norm2, n * sizeof(double));
            assert_same_bits(finite, c.finite, n * sizeof(bool));
        }
        guarded_free(small);
        guarded_free(dw);
        guarded_free(norm2);
        guarded_free(finite);
        case_free(&c);
    }
    use_threads(2);
}

static void test_threads(void **state)
{
    (void)state;
    for_each_simd(threads_body);
}

/* Property 2: weight 0 is an empty slot, to the bit, whatever its rows hold. */
static void masked_body(void)
{
    draws d = draws_begin("masked", 104);
    for (int i = 0; i < 10; i++) {
        wgrad_case c;
        case_make(&d, &c, draw_between(&d, 1, 70), draw_between(&d, 1, 70), 7, 30, false);
        const size_t u = (size_t)draw_between(&d, 0, 6);
        c.slots[u].weight = 0;
        for (uint64_t r = 0; r < c.slots[u].rows; r++) {
            c.x[(c.slots[u].first_row + r) * c.args.ldx] = NAN;
            c.y[(c.slots[u].first_row + r) * c.args.ldy] = INFINITY;
        }
        case_run(&c);
        assert_true(c.norm2[u] == 0 && c.finite[u]);
        float *dw = guarded(dw_floats(&c) * sizeof(float));
        double norm2[MAX_SLOTS];
        bool finite[MAX_SLOTS];
        c.slots[u].rows = 0;
        c.slots[u].weight = 1;
        case_run_into(&c, dw, norm2, finite);
        assert_same_bits(dw, c.dw, dw_floats(&c) * sizeof(float));
        assert_same_bits(norm2, c.norm2, 7 * sizeof(double));
        guarded_free(dw);
        case_free(&c);
    }
}

static void test_masked(void **state)
{
    (void)state;
    for_each_simd(masked_body);
}

/* Property 5: one bad value in one unit; everything else as if its slot were empty. */
static void nonfinite_body(void)
{
    draws d = draws_begin("nonfinite", 105);
    const float bad[] = {NAN, INFINITY, -INFINITY, 3e38f, 1e20f};
    for (int i = 0; i < 20; i++) {
        wgrad_case c;
        case_make(&d, &c, draw_between(&d, 1, 70), draw_between(&d, 1, 70), 6, 300, i % 2 == 0);
        const size_t u = (size_t)draw_between(&d, 0, 5);
        if (c.slots[u].rows == 0 || c.slots[u].weight == 0.0f) {
            case_free(&c);
            continue;
        }
        const uint64_t row = c.slots[u].first_row + draw_between(&d, 0, c.slots[u].rows - 1);
        const bool in_x = draw_uniform(&d) < 0.5;
        const float value = bad[draw_between(&d, 0, 4)];
        if (in_x)
            c.x[row * c.args.ldx + draw_between(&d, 0, c.args.in - 1)] = value;
        else
            c.y[row * c.args.ldy + draw_between(&d, 0, c.args.out - 1)] = value;
        case_run(&c);
        assert_false(c.finite[u]);
        assert_true(c.norm2[u] == INFINITY);
        float *dw = guarded(dw_floats(&c) * sizeof(float));
        double norm2[MAX_SLOTS];
        bool finite[MAX_SLOTS];
        c.slots[u].rows = 0;
        case_run_into(&c, dw, norm2, finite);
        assert_same_bits(dw, c.dw, dw_floats(&c) * sizeof(float));
        for (size_t v = 0; v < 6; v++)
            assert_true(v == u || (norm2[v] == c.norm2[v] && c.finite[v]));
        guarded_free(dw);
        case_free(&c);
    }
}

static void test_nonfinite(void **state)
{
    (void)state;
    for_each_simd(nonfinite_body);
}

/* Property 4: permuting units permutes the norms to the bit, and dW within rounding. */
static void permute_body(void)
{
    draws d = draws_begin("permute", 106);
    wgrad_case c;
    case_make(&d, &c, 77, 50, 9, 40, false);
    case_run(&c);
    float *dw = guarded(dw_floats(&c) * sizeof(float));
    double norm2[MAX_SLOTS];
    bool finite[MAX_SLOTS];
    for (size_t u = 0; u < 4; u++) {
        const plumb__slot other = c.slots[u];
        c.slots[u] = c.slots[8 - u];
        c.slots[8 - u] = other;
    }
    case_run_into(&c, dw, norm2, finite);
    for (size_t u = 0; u < 9; u++)
        assert_same_bits(&norm2[u], &c.norm2[8 - u], sizeof(double));
    for (uint64_t o = 0; o < c.args.out; o++)
        for (uint64_t i = 0; i < c.args.in; i++)
            assert_true(
                near((double)dw[o * c.args.ldw + i], (double)c.dw[o * c.args.ldw + i], 1e-4, 1e-4));
    guarded_free(dw);
    case_free(&c);
}

static void test_permute(void **state)
{
    (void)state;
    for_each_simd(permute_body);
}

/* The clip passes: withheld units and over-limit units get their part in a second, accumulate-only
 * call, and the sum is what one call with the final weights would have added. */
static void correction_body(void)
{
    draws d = draws_begin("correction", 107);
    wgrad_case c;
    case_make(&d, &c, 65, 33, 8, 50, true);
    c.slots[2].withhold = c.slots[5].withhold = true;
    case_run(&c);
    double scratch[65 * 33], reference[65 * 33];
    float clip[8];
    plumb__slot slots[8];
    memcpy(slots, c.slots, sizeof slots);
    for (size_t u = 0; u < 8; u++) {
        clip[u] = u % 3 == 2 ? 0.25f : 1.0f;
        slots[u].weight = slots[u].withhold ? clip[u] : clip[u] - 1.0f;
        slots[u].withhold = false;
        c.slots[u].withhold = false;
        c.slots[u].weight = clip[u];
    }
    plumb__wgrad_args second = c.args;
    second.slots = slots, second.norm2 = NULL, second.finite = NULL;
    void *workspace = guarded(plumb__wgrad_workspace(65, 33, 8, c.rows));
    plumb__wgrad(&second, workspace);
    guarded_free(workspace);
    for (uint64_t o = 0; o < 33; o++)
        for (uint64_t i = 0; i < 65; i++)
            reference[o * 65 + i] = (double)c.dw_before[o * c.args.ldw + i];
    plumb__ref_wgrad(&c.args, NULL, reference, NULL, scratch);
    assert_true(distance(c.dw, c.args.ldw, reference, 33, 65) < 1e-6 * length(reference, 65 * 33));
    case_free(&c);
}

static void test_correction(void **state)
{
    (void)state;
    for_each_simd(correction_body);
}

/* Property 4: a batch in two micro-batches gives the same dW and the same norms; here even to the
 * bit, because a unit's part is added as a whole. */
static void split_body(void)
{
    draws d = draws_begin("split", 109);
    wgrad_case c;
    case_make(&d, &c, 50, 90, 8, 40, false);
    case_run(&c);
    float *dw = guarded(dw_floats(&c) * sizeof(float));
    double norm2[MAX_SLOTS];
    bool finite[MAX_SLOTS];
    memcpy(dw, c.dw_before, dw_floats(&c) * sizeof(float));
    for (size_t half = 0; half < 2; half++) {
        plumb__wgrad_args args = c.args;
        args.dw = dw, args.norm2 = norm2 + 4 * half, args.finite = finite + 4 * half;
        args.slots = c.slots + 4 * half, args.n_slots = 4;
        void *workspace = guarded(plumb__wgrad_workspace(args.in, args.out, 4, c.rows));
        plumb__wgrad(&args, workspace);
        guarded_free(workspace);
    }
    assert_same_bits(dw, c.dw, dw_floats(&c) * sizeof(float));
    assert_same_bits(norm2, c.norm2, 8 * sizeof(double));
    guarded_free(dw);
    case_free(&c);
}

static void test_split(void **state)
{
    (void)state;
    for_each_simd(split_body);
}

/* Norms from 1e-19 to 1e13 keep their digits: squares neither vanish nor overflow. */
static void range_body(void)
{
    draws d = draws_begin("range", 108);
    const float scales[] = {1e-20f, 1e-10f, 1e5f, 1e12f};
    for (size_t s = 0; s < 4; s++) {
        wgrad_case c;
        case_make(&d, &c, 40, 24, 3, 20, true);
        c.slots[0].rows = c.rows;
        c.slots[0].first_row = 0;
        for (size_t i = 0; i < c.rows * c.args.ldy; i++)
            c.y[i] *= scales[s];
        case_run(&c);
        double scratch[40 * 24];
        assert_true(c.finite[0]);
        assert_true(near(c.norm2[0], plumb__ref_unit_grad(&c.args, 0, scratch), 4e-6, 0));
        case_free(&c);
    }
}

static void test_range(void **state)
{
    (void)state;
    for_each_simd(range_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),  cmocka_unit_test(test_large),
        cmocka_unit_test(test_threads),    cmocka_unit_test(test_masked),
        cmocka_unit_test(test_nonfinite),  cmocka_unit_test(test_permute),
        cmocka_unit_test(test_correction), cmocka_unit_test(test_range),
        cmocka_unit_test(test_split),
    };
    use_threads(2);
    return cmocka_run_group_tests_name("wgrad", tests, NULL, NULL);
}
