/* Aim: depth profiles have the values of governance.md, and what is no profile is refused with its
 * reason. Method: values at and between corners, at steps, at the ends; glob precedence; exact
 * messages. */
#include "manifest_fixture.h"

#include "manifest/taxonomy/profile.h"

#include <math.h>
#include <string.h>

static const char *no_text(const void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "low") == 0 ? "{\"band\":[0,0.5]}" : NULL;
}
static const plumb__profile_names no_names = {no_text, NULL, "; known is low"};

static plumb_status compile(const char *text, plumb__profile **out, plumb_error *err)
{
    json_t *value = NULL;
    assert_works(plumb__json_parse("test", text, strlen(text), &value, err));
    const plumb_status status = plumb__profile_compile("p", value, &no_names, out, err);
    json_decref(value);
    return status;
}

/* Bands choose among profiles; a schedule is linear between its marks and holds its ends; without a
 * band or a progress the largest value counts. */
static void check_varying(void **state)
{
    (void)state;
    static const char text[] =
        "{\"by_entropy\":{\"low\":\"low\",\"mid\":{\"points\":[[0,0.25]]},"
        "\"high\":{\"schedule\":[[0.25,{\"points\":[[0,0]]}],[0.75,{\"points\":[[0,1]]}],"
        "[1,{\"points\":[[0,0.5]]}]]}}}";
    static const struct {
        unsigned band;
        double progress, depth, weight;
    } cases[] = {{1, 0, 0.5, 1},     {1, 1, 0.6, 0},     {2, 0.5, 0.9, 0.25}, {3, 0, 0.1, 0},
                 {3, 0.25, 0.1, 0},  {3, 0.5, 0.1, 0.5}, {3, 0.75, 0.1, 1},   {3, 0.875, 0.1, 0.75},
                 {3, 1, 0.1, 0.5},   {3, NAN, 0.1, 1},   {0, 0, 0.1, 1},      {0, 0, 0.9, 0.25},
                 {0, 0.5, 0.9, 0.5}, {0, NAN, 0.9, 1}};
    plumb__profile *p = NULL;
    assert_works(compile(text, &p, err));
    assert_true(plumb__profile_by_entropy(p) && plumb__profile_scheduled(p));
    assert_non_null(strstr(plumb__profile_text(p), "\"low\":{\"band\":[0,0.5]}"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double at =
            plumb__profile_at(p, cases[i].band, cases[i].progress, cases[i].depth, "any");
        if (!(fabs(at - cases[i].weight) < 1e-12)) {
            fail_msg("case %zu is %g, expected %g", i, at, cases[i].weight);
        }
    }
    plumb__profile_free(p);
}

static void check_values(void **state)
{
    (void)state;
    static const struct {
        const char *profile;
        double depth, weight;
    } cases[] = {
        {"{\"band\":[0.3,0.7]}", 0.3, 1},
        {"{\"band\":[0.3,0.7]}", 0.7, 1},
        {"{\"band\":[0.3,0.7]}", 0.2999999, 0},
        {"{\"band\":[0.3,0.7]}", 0.7000001, 0},
        {"{\"band\":[0,1]}", 0, 1},
        {"{\"band\":[0,1]}", 1, 1},
        {"{\"band\":[0.5,0.5]}", 0.5, 1},
        {"{\"trapezoid\":[0,0.25,0.5,1]}", 0, 0},
        {"{\"trapezoid\":[0,0.25,0.5,1]}", 0.125, 0.5},
        {"{\"trapezoid\":[0,0.25,0.5,1]}", 0.25, 1},
        {"{\"trapezoid\":[0,0.25,0.5,1]}", 0.4, 1},
        {"{\"trapezoid\":[0,0.25,0.5,1]}", 0.75, 0.5},
        {"{\"trapezoid\":[0,0.25,0.5,1]}", 1, 0},
        {"{\"trapezoid\":[0.5,0.5,1,1]}", 0.5, 1},
        {"{\"trapezoid\":[0.5,0.5,1,1]}", 0.49, 0},
        {"{\"trapezoid\":[0.5,0.5,1,1]}", 1, 1},
        {"{\"trapezoid\":[0,0,0,1]}", 0, 1},
        {"{\"points\":[[0.25,0.5],[0.75,2]]}", 0, 0.5},
        {"{\"points\":[[0.25,0.5],[0.75,2]]}", 0.5, 1.25},
        {"{\"points\":[[0.25,0.5],[0.75,2]]}", 1, 2},
        {"{\"points\":[[0.4,0.25]]}", 0.9, 0.25},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plumb__profile *p = NULL;
        assert_works(compile(cases[i].profile, &p, err));
        const double weight = plumb__profile_at(p, 0, NAN, cases[i].depth, "any");
        if (!(fabs(weight - cases[i].weight) < 1e-12)) {
            fail_msg("%s at %g is %g, expected %g", cases[i].profile, cases[i].depth, weight,
                     cases[i].weight);
        }
        plumb__profile_free(p);
    }
}

static void check_globs(void **state)
{
    (void)state;
    plumb__profile *p = NULL;
    assert_works(compile("{\"layers\":{\"*\":0.5,\"blocks.1.*\":2,\"blocks.?.*\":3,\"*.bias\":4}}",
                         &p, err));
    assert_true(plumb__profile_at(p, 0, NAN, 0, "head") == 0.5);
    assert_true(plumb__profile_at(p, 0, NAN, 0, "blocks.2.up") == 3);
    /* Two globs of ten bytes match; '1' comes before '?'. Depth does not matter. */
    assert_true(plumb__profile_at(p, 0, NAN, 0, "blocks.1.up") == 2);
    assert_true(plumb__profile_at(p, 0, NAN, NAN, "blocks.1.bias") == 2);
    assert_true(plumb__profile_at(p, 0, NAN, 0, "head.bias") == 4);
    assert_string_equal(plumb__profile_text(p),
                        "{\"layers\":{\"*\":0.5,\"*.bias\":4,\"blocks.1.*\":2,\"blocks.?.*\":3}}");
    plumb__profile_free(p);
    assert_works(compile("{\"layers\":{}}", &p, err));
    assert_true(plumb__profile_at(p, 0, NAN, 0.5, "anything") == 0);
    plumb__profile_free(p);
}

static void check_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *profile, *message;
    } cases[] = {
        {"{}", "p: a depth profile must be an object with exactly one of band, trapezoid, points, "
               "layers, by_entropy, schedule"},
        {"{\"band\":[0,1],\"points\":[[0,1]]}", "p: a depth profile must be an object with exactly "
                                                "one of band, trapezoid, points, layers, "
                                                "by_entropy, schedule"},
        {"{\"bend\":[0,1]}", "p: a depth profile must be an object with exactly one of band, "
                             "trapezoid, points, layers, by_entropy, schedule"},
        {"{\"band\":[0]}", "p: \"band\" must be an array of 2 depths"},
        {"{\"band\":[0.5,0.4]}",
         "p: \"band\" entry 2: depth 0.4 comes after 0.5; depths must rise"},
        {"{\"band\":[-0.1,0.4]}", "p: \"band\" entry 1: depth -0.1 is outside [0,1]"},
        {"{\"band\":[0,1.5]}", "p: \"band\" entry 2: depth 1.5 is outside [0,1]"},
        {"{\"band\":[0,\"1\"]}", "p: \"band\" entry 2 must be a finite number"},
        {"{\"trapezoid\":[0,1]}", "p: \"trapezoid\" must be an array of 4 depths"},
        {"{\"points\":[]}", "p: \"points\" must be an array of 1 to 256 [depth, weight] pairs"},
        {"{\"points\":[[0]]}", "p: \"points\" entry 1 must be a [depth, weight] pair"},
        {"{\"points\":[[0,-1]]}", "p: \"points\" entry 1: weight -1 is below 0"},
        {"{\"points\":[[0.5,1],[0.5,2]]}", "p: \"points\" entry 2: depth 0.5 is there twice"},
        {"{\"layers\":[]}", "p: \"layers\" must be an object of at most 256 globs"},
        {"{\"layers\":{\"*\":-2}}", "p: \"layers\" entry 1: weight -2 is below 0"},
        {"{\"layers\":{\"\":1}}", "p: \"layers\": a glob must have 1 to 256 bytes"},
        {"{\"by_entropy\":{\"low\":\"low\"}}",
         "p: \"by_entropy\" must be an object of low, mid and high"},
        {"{\"by_entropy\":{\"low\":\"low\",\"mid\":\"low\",\"top\":\"low\"}}",
         "p: \"by_entropy\" high is missing"},
        {"{\"by_entropy\":{\"low\":\"deep\",\"mid\":\"low\",\"high\":\"low\"}}",
         "p: \"by_entropy\" low: there is no depth named \"deep\"; known is low"},
        {"{\"by_entropy\":{\"low\":\"low\",\"mid\":{\"by_entropy\":{\"low\":\"low\",\"mid\":"
         "\"low\",\"high\":\"low\"}},\"high\":\"low\"}}",
         "p: \"by_entropy\" mid: a profile by entropy stands outside all others"},
        {"{\"by_entropy\":{\"low\":3,\"mid\":\"low\",\"high\":\"low\"}}",
         "p: \"by_entropy\" low: a depth profile must be an object with exactly one of band, "
         "trapezoid, points, layers, by_entropy, schedule"},
        {"{\"band\":[0,1],\"schedule\":[]}",
         "p: a depth profile must be an object with exactly one of band, trapezoid, points, "
         "layers, by_entropy, schedule"},
        {"{\"schedule\":[]}",
         "p: \"schedule\" must be an array of 1 to 256 [progress, profile] pairs"},
        {"{\"schedule\":[[0.5]]}", "p: \"schedule\" entry 1 must be a [progress, profile] pair"},
        {"{\"schedule\":[[0,\"low\"],[0.5,{\"band\":[0]}]]}",
         "p: \"schedule\" entry 2: \"band\" must be an array of 2 depths"},
        {"{\"schedule\":[[1.5,\"low\"]]}",
         "p: \"schedule\" entry 1: progress 1.5 is outside [0,1]"},
        {"{\"schedule\":[[0.5,\"low\"],[0.5,\"low\"]]}",
         "p: \"schedule\" entry 2: progress 0.5 comes after 0.5; progress must rise"},
        {"{\"schedule\":[[0,{\"schedule\":[[0,\"low\"]]}]]}",
         "p: \"schedule\" entry 1: a schedule cannot hold another"},
        {"{\"schedule\":[[0,{\"by_entropy\":{}}]]}",
         "p: \"schedule\" entry 1: a profile by entropy stands outside all others"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plumb__profile *p = NULL;
        assert_fails(compile(cases[i].profile, &p, err), PLUMB_ERR_FORMAT, cases[i].message);
        assert_null(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_values),
        cmocka_unit_test(check_varying),
        cmocka_unit_test(check_globs),
        cmocka_unit_test(check_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
