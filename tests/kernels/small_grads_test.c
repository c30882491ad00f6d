/* Aim: the embedding, norm and bias gradients: the same promises as the weight gradient's.
 * Method: random widths, slots, strides and tokens against the float64 reference; bit comparisons
 * for threads, masked and non-finite units; canaries and poisoned outputs; for every instruction
 * set. */
#include "kernel_fixture.h"

#include "kernels/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 9

/* Both kernels behind one shape: `tokens` NULL for a vector layer. */
typedef struct small_case {
    plumb__slot slots[SLOTS];
    plumb__embed_args embed;
    plumb__vector_args vector;
    float *xhat, *y, *out[2], *before[2]; /* dW, or dgain and dbias */
    size_t out_floats[2];
    int32_t *tokens;
    double norm2[SLOTS];
    bool finite[SLOTS];
    size_t rows;
} small_case;

static void outputs_make(draws *d, small_case *c, int which, size_t floats)
{
    c->out_floats[which] = floats;
    c->out[which] = guarded_normals(d, floats);
    c->before[which] = guarded(floats * sizeof(float));
    memcpy(c->before[which], c->out[which], floats * sizeof(float));
}

static void embed_make(draws *d, small_case *c, uint64_t vocabulary, uint64_t width)
{
    memset(c, 0, sizeof *c);
    c->rows = draw_slots(d, c->slots, SLOTS, 60, false);
    const uint64_t ld = width + draw_between(d, 0, 2);
    c->y = guarded_normals(d, c->rows * ld);
    c->tokens = guarded(c->rows * sizeof(int32_t));
    for (size_t r = 0; r < c->rows; r++)
        c->tokens[r] = (int32_t)draw_between(d, 0, vocabulary) - 1;
    outputs_make(d, c, 0, (size_t)(vocabulary * ld));
    c->embed = (plumb__embed_args){vocabulary, width,    c->tokens, c->y,     ld,       c->out[0],
                                   ld,         c->slots, SLOTS,     c->norm2, c->finite};
}

static void vector_make(draws *d, small_case *c, uint64_t width, bool gain, bool bias)
{
    memset(c, 0, sizeof *c);
    c->rows = draw_slots(d, c->slots, SLOTS, 60, false);
    const uint64_t ld = width + draw_between(d, 0, 2);
    c->y = guarded_normals(d, c->rows * ld);
    if (gain) c->xhat = guarded_normals(d, c->rows * ld);
    if (gain) outputs_make(d, c, 0, (size_t)width);
    if (bias) outputs_make(d, c, 1, (size_t)width);
    c->vector = (plumb__vector_args){width,     c->xhat,  ld,    c->y,     ld,       c->out[0],
                                     c->out[1], c->slots, SLOTS, c->norm2, c->finite};
}

static void case_free(small_case *c)
{
    guarded_free(c->y);
    guarded_free(c->xhat);
    guarded_free(c->tokens);
    for (int i = 0; i < 2; i++) {
        guarded_free(c->out[i]);
        guarded_free(c->before[i]);
    }
}

static void case_run(small_case *c)
{
    const size_t bytes =
        c->tokens != NULL
            ? plumb__embed_workspace(c->embed.vocabulary, c->embed.width, SLOTS, c->rows)
            : plumb__vector_workspace(c->vector.width, SLOTS, c->rows);
    void *workspace = guarded(bytes);
    if (c->tokens != NULL)
        plumb__embed_grad(&c->embed, workspace);
    else
        plumb__vector_grad(&c->vector, workspace);
    guarded_free(workspace);
}

/* Runs again from the same start; the outputs of the first run are returned, for free(). */
static void run_again(small_case *c, float *first[2])
{
    for (int i = 0; i < 2; i++) {
        first[i] = NULL;
        if (c->out[i] == NULL) continue;
        const size_t bytes = c->out_floats[i] * sizeof(float);
        first[i] = malloc(bytes);
        memcpy(first[i], c->out[i], bytes);
        memcpy(c->out[i], c->before[i], bytes);
    }
    case_run(c);
}

static void assert_same_outputs(const small_case *c, float *first[2])
{
    for (int i = 0; i < 2; i++) {
        if (c->out[i] == NULL) continue;
        assert_same_bits(first[i], c->out[i], c->out_floats[i] * sizeof(float));
        free(first[i]);
    }
}

static double *widen(const float *v, uint64_t rows, uint64_t ld, uint64_t columns)
{
    double *out = malloc((size_t)(rows * columns) * sizeof(double));
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < columns; c++)
            out[r * columns + c] = (double)v[r * ld + c];
    return out;
}

static void check_norms(const small_case *c, const double *norm2)
{
    for (size_t u = 0; u < SLOTS; u++) {
        assert_true(c->finite[u]);
        assert_true(near(c->norm2[u], norm2[u], 4e-6, 1e-12));
    }
}

static void embed_check(const small_case *c)
{
    const plumb__embed_args *a = &c->embed;
    const size_t cells = (size_t)(a->vocabulary * a->width);
    double *dw = widen(c->before[0], a->vocabulary, a->ldw, a->width);
    double *scratch = malloc(cells * sizeof(double)), norm2[SLOTS];
    plumb__ref_embed_grad(a, NULL, dw, norm2, scratch);
    assert_true(distance(c->out[0], a->ldw, dw, a->vocabulary, a->width) <=
                2e-7 * length(dw, cells));
    check_norms(c, norm2);
    free(dw), free(scratch);
}

static void vector_check(const small_case *c)
{
    const plumb__vector_args *a = &c->vector;
    double *out[2], norm2[SLOTS];
    for (int i = 0; i < 2; i++)
        out[i] = c->out[i] != NULL ? widen(c->before[i], 1, a->width, a->width) : NULL;
    plumb__ref_vector_grad(a, NULL, out[0], out[1], norm2);
    for (int i = 0; i < 2; i++) {
        if (out[i] == NULL) continue;
        assert_true(distance(c->out[i], a->width, out[i], 1, a->width) <=
                    5e-7 * (length(out[i], (size_t)a->width) + 1));
        free(out[i]);
    }
    check_norms(c, norm2);
}

/* i chooses the kind: embeddings of several vocabularies, gain and bias, gain, bias. */
static void make_any(draws *d, small_case *c, int i)
{
    const uint64_t vocabularies[] = {1, 5, 256, 300, 70000};
    const uint64_t width = i % 3 == 0 ? 64 * draw_between(d, 1, 3) : draw_between(d, 1, 200);
    const int kind = i % 4;
    if (kind == 0)
        embed_make(d, c, vocabularies[i / 4 % 5], i / 4 % 5 == 4 ? 3 : width);
    else
        vector_make(d, c, width, kind != 3, kind != 2);
}

static void reference_body(void)
{
    draws d = draws_begin("small gradients", 401);
    for (int i = 0; i < 40; i++) {
        small_case c;
        make_any(&d, &c, i);
        case_run(&c);
        if (c.tokens != NULL)
            embed_check(&c);
        else
            vector_check(&c);
        case_free(&c);
    }
}

static void test_reference(void **state)
{
    (void)state;
    for_each_simd(reference_body);
}

static void threads_body(void)
{
    draws d = draws_begin("small gradients: threads", 402);
    for (int i = 0; i < 8; i++) {
        small_case c;
        float *first[2];
        make_any(&d, &c, i);
        use_threads(1);
        case_run(&c);
        double norm2[SLOTS];
        memcpy(norm2, c.norm2, sizeof norm2);
        use_threads(3);
        run_again(&c, first);
        assert_same_outputs(&c, first);
        assert_same_bits(norm2, c.norm2, sizeof norm2);
        case_free(&c);
    }
    use_threads(2);
}

static void test_threads(void **state)
{
    (void)state;
    for_each_simd(threads_body);
}

/* A bad value in one unit, or a masked unit full of them: as if the slot were empty. */
static void isolation_body(void)
{
    draws d = draws_begin("small gradients: isolation", 403);
    const float bad[] = {NAN, INFINITY, 3e38f};
    for (int i = 0; i < 48; i++) {
        small_case c;
        float *first[2];
        make_any(&d, &c, i);
        const size_t u = (size_t)draw_between(&d, 0, SLOTS - 1);
        plumb__slot *slot = &c.slots[u];
        if (slot->rows == 0) {
            case_free(&c);
            continue;
        }
        const bool masked = slot->weight == 0.0f;
        const uint64_t ldy = c.tokens != NULL ? c.embed.ldy : c.vector.ldy;
        const uint64_t row = slot->first_row + draw_between(&d, 0, slot->rows - 1);
        c.y[row * ldy] = bad[i % 3];
        if (c.tokens != NULL && c.tokens[row] < 0) c.tokens[row] = 0;
        case_run(&c);
        assert_int_equal(c.finite[u], masked);
        assert_true(c.norm2[u] == (masked ? 0.0 : (double)INFINITY));
        double norm2[SLOTS];
        memcpy(norm2, c.norm2, sizeof norm2);
        slot->rows = 0;
        run_again(&c, first);
        assert_same_outputs(&c, first);
        norm2[u] = c.norm2[u];
        assert_same_bits(norm2, c.norm2, sizeof norm2);
        case_free(&c);
    }
}

static void test_isolation(void **state)
{
    (void)state;
    for_each_simd(isolation_body);
}

/* A row without a token belongs to nothing: a NaN there is no one's. */
static void test_padding(void **state)
{
    (void)state;
    draws d = draws_begin("padding", 404);
    small_case c;
    embed_make(&d, &c, 12, 40);
    c.slots[0] = (plumb__slot){.first_row = 0, .rows = c.rows, .weight = 1};
    for (size_t u = 1; u < SLOTS; u++)
        c.slots[u].rows = 0;
    c.tokens[2] = -1;
    c.y[2 * c.embed.ldy] = NAN;
    case_run(&c);
    c.y[2 * c.embed.ldy] = 0;
    embed_check(&c);
    case_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_isolation),
        cmocka_unit_test(test_padding),
    };
    use_threads(2);
    return cmocka_run_group_tests_name("small_grads", tests, NULL, NULL);
}
