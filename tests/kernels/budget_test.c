/* Aim: plumb__budget_solve keeps every limit for the values it stores, leaves alone what no limit
 * binds, clips no more than needed, and never makes a NaN. Method: random units, groups and limits;
 * spends recomputed from the stored forms without tolerance beyond 1e-12 relative; a second solver
 * that finds the water level by bisection; the corner cases one by one. */
#include "kernel_fixture.h"

#include "base/half.h"
#include "kernels/budget.h"

#include <math.h>
#include <string.h>

enum { MAX_UNITS = 40 };

typedef struct budget_case {
    plumb__budget_args args;
    uint16_t norm[MAX_UNITS], mask[MAX_UNITS], clip[MAX_UNITS];
    uint8_t blocked[MAX_UNITS], limit[MAX_UNITS];
    double unit_nats[MAX_UNITS], left[MAX_UNITS], used[MAX_UNITS];
    uint32_t group[MAX_UNITS];
} budget_case;

static void case_bind(budget_case *c, size_t n, size_t groups)
{
    c->args = (plumb__budget_args){.n = n,
                                   .norm = c->norm,
                                   .mask = c->mask,
                                   .blocked = c->blocked,
                                   .unit_nats = c->unit_nats,
                                   .group = c->group,
                                   .n_groups = groups,
                                   .group_left = c->left,
                                   .group_used = c->used,
                                   .layer_nats = INFINITY,
                                   .share = 1,
                                   .nu = 1,
                                   .clip = c->clip,
                                   .limit = c->limit};
}

/* n units of norm 1 and mask 1, each its own group, no limits. */
static void case_plain(budget_case *c, size_t n)
{
    memset(c, 0, sizeof *c);
    for (size_t u = 0; u < n; u++) {
        c->norm[u] = plumb__norm16_round_up(1.0);
        c->mask[u] = PLUMB__F16_ONE;
        c->unit_nats[u] = c->left[u] = INFINITY;
        c->group[u] = (uint32_t)u;
    }
    case_bind(c, n, n);
}

static void solve(budget_case *c)
{
    void *workspace = guarded(plumb__budget_workspace(c->args.n, c->args.n_groups));
    memset(c->clip, 0xff, sizeof c->clip);
    c->args.spent_nats = NAN;
    plumb__budget_solve(&c->args, workspace);
    guarded_free(workspace);
}

static double amplitude(const budget_case *c, size_t u)
{
    return plumb__f16_value(c->mask[u]) * plumb__norm16_value(c->norm[u]);
}

static double kept(const budget_case *c, size_t u)
{
    return amplitude(c, u) * plumb__f16_value(c->clip[u]);
}

static double spend(const budget_case *c, double amplitude_kept)
{
    return amplitude_kept * amplitude_kept / (2 * c->args.nu * c->args.nu);
}

static double limit_or_none(draws *d, double scale)
{
    return draw_uniform(d) < 0.3 ? INFINITY : scale * draw_uniform(d) * draw_uniform(d);
}

static void case_random(draws *d, budget_case *c)
{
    static const double shares[] = {1.0, 0.5};
    memset(c, 0, sizeof *c);
    const size_t n = (size_t)draw_between(d, 0, MAX_UNITS),
                 groups = (size_t)draw_between(d, 1, MAX_UNITS);
    case_bind(c, n, groups);
    const double scale = pow(2, draw_uniform(d) * 40 - 20);
    for (size_t u = 0; u < n; u++) {
        c->norm[u] =
            plumb__norm16_round_up(draw_uniform(d) < 0.1 ? 0 : scale * exp((double)draw_normal(d)));
        c->mask[u] = plumb__f16_round_down(draw_uniform(d) < 0.2 ? 0 : 1.5 * draw_uniform(d));
        if (draw_uniform(d) < 0.3) c->mask[u] = PLUMB__F16_ONE;
        c->blocked[u] = draw_uniform(d) < 0.1;
        c->unit_nats[u] = limit_or_none(d, 3);
        c->group[u] = (uint32_t)draw_between(d, 0, groups - 1);
    }
    for (size_t g = 0; g < groups; g++) {
        c->left[g] = limit_or_none(d, 5);
        c->used[g] = draw_uniform(d) < 0.5 ? 0 : scale * draw_uniform(d);
    }
    c->args.layer_nats = limit_or_none(d, 20);
    c->args.share = shares[draw_between(d, 0, 1)];
    c->args.nu = scale * (0.2 + draw_uniform(d));
}

#define SLACK (1 + 1e-12)

static void check_limits(const budget_case *c)
{
    double total = 0, groups[MAX_UNITS] = {0};
    for (size_t u = 0; u < c->args.n; u++) {
        const double clip = plumb__f16_value(c->clip[u]);
        assert_true(clip >= 0 && clip <= 1);
        if (c->mask[u] == 0) {
            assert_int_equal(c->clip[u], PLUMB__F16_ONE);
            continue;
        }
        if (c->blocked[u]) assert_int_equal(c->clip[u], 0);
        const double allowed = c->args.share * sqrt(2 * c->unit_nats[u]) * c->args.nu;
        assert_true(kept(c, u) <= allowed * SLACK);
        total += spend(c, kept(c, u));
        groups[c->group[u]] += kept(c, u);
    }
    assert_true(total <= c->args.layer_nats * SLACK);
    assert_true(near(c->args.spent_nats, total, 1e-12, 0));
    for (size_t g = 0; g < c->args.n_groups; g++) {
        const double most = c->args.share * sqrt(2 * c->left[g]) * c->args.nu;
        assert_true(groups[g] == 0 || groups[g] + c->used[g] <= most * SLACK);
    }
}

/* The same problem by other means: limits one after the other, the water level by 200 bisections.
 */
static void brute_force(const budget_case *c, double *a)
{
    const plumb__budget_args *args = &c->args;
    double groups[MAX_UNITS] = {0}, total = 0, high = 0;
    for (size_t u = 0; u < args->n; u++) {
        a[u] = c->blocked[u] ? 0 : amplitude(c, u);
        a[u] = fmin(a[u], args->share * sqrt(2 * c->unit_nats[u]) * args->nu);
        groups[c->group[u]] += a[u];
    }
    for (size_t u = 0; u < args->n; u++) {
        const double sum = groups[c->group[u]];
        const double most =
            fmax(0, args->share * sqrt(2 * c->left[c->group[u]]) * args->nu - c->used[c->group[u]]);
        if (sum > most) a[u] *= most / sum;
    }
    for (size_t u = 0; u < args->n; u++) {
        total += spend(c, a[u]);
        high = fmax(high, spend(c, a[u]));
    }
    if (total <= args->layer_nats) return;
    double low = 0;
    for (int i = 0; i < 200; i++) {
        const double tau = (low + high) / 2;
        double sum = 0;
        for (size_t u = 0; u < args->n; u++)
            sum += fmin(tau, spend(c, a[u]));
        if (sum <= args->layer_nats)
            low = tau;
        else
            high = tau;
    }
    for (size_t u = 0; u < args->n; u++)
        a[u] = fmin(a[u], sqrt(2 * low) * args->nu);
}

/* What is stored is the exact answer rounded down to 11 bits: at most 2^-10 below it, never above.
 */
static void check_against_brute_force(const budget_case *c)
{
    double a[MAX_UNITS];
    brute_force(c, a);
    for (size_t u = 0; u < c->args.n; u++) {
        if (c->mask[u] == 0) continue;
        const double exact = amplitude(c, u) > 0 ? a[u] / amplitude(c, u) : c->blocked[u] ? 0 : 1;
        const double clip = plumb__f16_value(c->clip[u]);
        assert_true(clip <= exact * (1 + 1e-9) + 1e-300);
        assert_true(clip >= exact * (1 - 0x1p-10) - 0x1p-24 - 1e-9);
        if (exact == 1) assert_int_equal(c->clip[u], PLUMB__F16_ONE);
        if (!c->blocked[u])
            assert_int_equal(c->limit[u] == PLUMB__LIMIT_NONE, c->clip[u] == PLUMB__F16_ONE);
    }
}

static void test_random(void **state)
{
    (void)state;
    draws d = draws_begin("budget", 301);
    for (int i = 0; i < 4000; i++) {
        budget_case c;
        case_random(&d, &c);
        solve(&c);
        check_limits(&c);
        check_against_brute_force(&c);
    }
}

static void test_no_limit_is_one(void **state)
{
    (void)state;
    budget_case c;
    case_plain(&c, 5);
    for (size_t u = 0; u < 5; u++)
        c.unit_nats[u] = 0.5, c.left[u] = 0.5; /* exactly what the unit spends */
    c.args.layer_nats = 2.5;
    solve(&c);
    for (size_t u = 0; u < 5; u++) {
        assert_int_equal(c.clip[u], PLUMB__F16_ONE);
        assert_int_equal(c.limit[u], PLUMB__LIMIT_NONE);
    }
    assert_true(c.args.spent_nats == 2.5);
}

static void test_each_limit(void **state)
{
    (void)state;
    budget_case c;
    case_plain(&c, 3);
    c.unit_nats[0] = 0.125;            /* half the amplitude */
    c.left[1] = 0.5, c.used[1] = 0.75; /* a quarter left */
    solve(&c);
    assert_int_equal(c.clip[0], 0x3800);
    assert_int_equal(c.limit[0], PLUMB__LIMIT_UNIT);
    assert_int_equal(c.clip[1], 0x3400);
    assert_int_equal(c.limit[1], PLUMB__LIMIT_RUN);
    assert_int_equal(c.limit[2], PLUMB__LIMIT_NONE);
    case_plain(&c, 4);
    c.norm[3] = plumb__norm16_round_up(0.25);
    c.args.layer_nats = 3 * 0.125 + 0.03125; /* tau = 0.125: the small unit keeps its all */
    solve(&c);
    for (size_t u = 0; u < 3; u++) {
        assert_int_equal(c.clip[u], 0x3800);
        assert_int_equal(c.limit[u], PLUMB__LIMIT_LAYER);
    }
    assert_int_equal(c.clip[3], PLUMB__F16_ONE);
}

static void test_used_up_ledger(void **state)
{
    (void)state;
    budget_case c;
    case_plain(&c, 2);
    c.left[0] = 0;
    solve(&c);
    assert_int_equal(c.clip[0], 0);
    assert_int_equal(c.limit[0], PLUMB__LIMIT_RUN);
    assert_int_equal(c.clip[1], PLUMB__F16_ONE);
}

/* Without a scale: nothing under a finite limit, all without one, and no NaN. */
static void test_nu_zero(void **state)
{
    (void)state;
    budget_case c;
    case_plain(&c, 4);
    c.args.nu = 0;
    c.unit_nats[0] = 1;
    c.left[1] = 1;
    c.norm[3] = 0;
    c.unit_nats[3] = 1;
    solve(&c);
    assert_int_equal(c.clip[0], 0);
    assert_int_equal(c.clip[1], 0);
    assert_int_equal(c.clip[2], PLUMB__F16_ONE);
    assert_int_equal(c.clip[3], PLUMB__F16_ONE);
    assert_true(c.args.spent_nats == 0);
    c.args.layer_nats = 1;
    solve(&c);
    assert_int_equal(c.clip[2], 0);
    assert_int_equal(c.limit[2], PLUMB__LIMIT_LAYER);
    assert_true(c.args.spent_nats == 0);
}

/* A NaN or negative limit is a limit of 0; a nu near the smallest double overflows, not more. */
static void test_hostile_numbers(void **state)
{
    (void)state;
    budget_case c;
    case_plain(&c, 4);
    c.unit_nats[0] = NAN;
    c.left[1] = NAN;
    c.unit_nats[2] = -1;
    solve(&c);
    for (size_t u = 0; u < 3; u++)
        assert_int_equal(c.clip[u], 0);
    assert_int_equal(c.clip[3], PLUMB__F16_ONE);
    assert_true(c.args.spent_nats == 0.5);
    case_plain(&c, 2);
    c.args.nu = 5e-324;
    c.args.layer_nats = 1;
    solve(&c);
    assert_int_equal(c.clip[0], 0);
    assert_true(c.args.spent_nats == 0);
    case_plain(&c, 2);
    c.args.layer_nats = NAN;
    solve(&c);
    assert_int_equal(c.clip[1], 0);
}

static void test_blocked_and_masked(void **state)
{
    (void)state;
    budget_case c;
    case_plain(&c, 3);
    c.blocked[0] = 1;
    c.norm[0] = PLUMB__NORM16_MAX;
    c.mask[1] = 0;
    c.norm[1] = 0;
    c.args.layer_nats = 0.5; /* unit 2 alone fills it */
    solve(&c);
    assert_int_equal(c.clip[0], 0);
    assert_int_equal(c.clip[1], PLUMB__F16_ONE);
    assert_int_equal(c.clip[2], PLUMB__F16_ONE);
    assert_true(c.args.spent_nats == 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_no_limit_is_one),
        cmocka_unit_test(test_each_limit),
        cmocka_unit_test(test_used_up_ledger),
        cmocka_unit_test(test_nu_zero),
        cmocka_unit_test(test_hostile_numbers),
        cmocka_unit_test(test_blocked_and_masked),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
