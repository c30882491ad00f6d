/* Aim: plumb verify, show and query do what their help says: exit codes, exact messages, formats,
 * and nothing on standard output but results. Method: a run made by run_forge.h, the built program
 * run on it; its JSON is parsed, its CSV and table compared with it. */
#include "run_forge.h"

#include "manifest/plumb_state.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

typedef struct outcome {
    int code;
    char out[65536], errors[8192];
} outcome;

static outcome last;

static void read_into(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    const size_t n = fread(out, 1, size - 1, file);
    out[n] = '\0';
    fclose(file);
}

static void plumb(const forge *g, const char *format, ...) PLUMB_PRINTF(2, 3);

/* Runs `plumb ARGUMENTS` in the fixture's folder. */
static void plumb(const forge *g, const char *format, ...)
{
    char arguments[1024], command[4096];
    const char *build = getenv("PLUMB_BUILD_DIR");
    assert_non_null(build);
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    snprintf(command, sizeof command, "cd '%s' && '%s/bin/plumb' %s >.out 2>.errors </dev/null",
             g->f->dir, build, arguments);
    const int code = system(command);
    assert_true(WIFEXITED(code));
    last.code = WEXITSTATUS(code);
    read_into(fixture_path(g->f, ".out"), last.out, sizeof last.out);
    read_into(fixture_path(g->f, ".errors"), last.errors, sizeof last.errors);
}

static json_t *output_json(void)
{
    json_t *json = json_loads(last.out, 0, NULL);
    if (json == NULL) fail_msg("not JSON: %s %s", last.out, last.errors);
    return json;
}

static int setup(void **state)
{
    if (forge_setup(state) != 0) return -1;
    (void)forge_whole(*state, "run");
    return 0;
}

/* ---- verify ------------------------------------------------------------------------------- */

static void verify_says_that_it_holds(void **state)
{
    forge *g = *state;
    plumb(g, "verify run --trust trust.json --full --require closed");
    assert_int_equal(last.code, 0);
    assert_string_equal(last.errors, "");
    assert_non_null(strstr(last.out, ": holds\n"));
    assert_non_null(strstr(last.out, "record      closed, 6 steps, "));
    assert_non_null(strstr(last.out, "edges recomputed (all, with run ledger, reference scales"));
    plumb(g, "--color always verify run --untrusted");
    assert_non_null(strstr(last.out, ": \033[32mholds\033[0m\n"));
    plumb(g, "--json verify run --untrusted");
    assert_int_equal(last.code, 0);
    json_t *json = output_json();
    assert_true(json_is_true(json_object_get(json, "holds")));
    assert_true(json_is_false(json_object_get(json, "signer_checked")));
    assert_int_equal(json_integer_value(json_object_get(json, "steps")), 6);
    json_decref(json);
}

static void verify_takes_whatever_it_is(void **state)
{
    forge *g = *state;
    plumb(g, "verify records.plumb.json --trust trust.json");
    assert_int_equal(last.code, 0);
    assert_non_null(strstr(last.out, "manifest acme/set version 1: holds\n"));
    plumb(g, "verify run/checkpoints/step-3.safetensors --trust trust.json");
    assert_int_equal(last.code, 0);
    assert_non_null(strstr(last.out, "step-3.safetensors is the one this run recorded\n"));
    plumb(g, "verify records.jsonl --trust trust.json");
    assert_int_equal(last.code, 2);
    assert_string_equal(last.errors,
                        "plumb: records.jsonl is none of what verify knows: a run's folder, "
                        "NAME.plumb.json, NAME.checkpoint, X.tlog-proof, X.receipt.json, or a "
                        "checkpoint in a run's checkpoints/; see plumb verify --help\n");
    plumb(g, "verify nowhere --trust trust.json");
    assert_int_equal(last.code, 4);
    assert_string_equal(last.errors, "plumb: nowhere: cannot be found\n");
}

/* Another manifest of the same version was seen here; a newer one, or none, is no objection. */
static void verify_compares_with_what_was_seen(void **state)
{
    forge *g = *state;
    plumb_manifest_info info;
    plumb_sign_options options = sign_defaults();
    plumb_manifest *other = NULL;
    plumb_state *seen = NULL;
    char dir[300];
    plumb_manifest_describe(g->manifest, &info);
    options.vendor = info.vendor;
    options.dataset = info.dataset;
    write_text(
        fixture_path(g->f, "other.jsonl"),
        "{\"id\":\"x\",\"content\":{\"sha256\":\"b94d27b9934d3e08a52e52d7da7dabfac484efe37a53"
        "80ee9088f7ace2efcde9\",\"bytes\":11}}\n");
    for (unsigned more = 0; more < 2; more++) {
        options.manifest_version = info.manifest_version + 1 - more;
        (void)remove(fixture_path(g->f, "other.plumb.json"));
        (void)remove(fixture_path(g->f, "other.checkpoint"));
        assert_works(
            plumb_manifest_sign(fixture_path(g->f, "other.jsonl"), g->f->vendor, &options, err));
        assert_works(plumb_manifest_open(fixture_path(g->f, "other.plumb.json"), g->trust, NULL,
                                         &other, err));
        snprintf(dir, sizeof dir, "%.200s/seen-%u", g->f->dir, more);
        assert_works(plumb_state_lock(dir, &seen, err));
        assert_works(plumb_state_pin(seen, "t", g->trust, other, err));
        plumb_state_free(seen);
        plumb_manifest_free(other);
        plumb(g, "--state seen-%u verify run --trust trust.json", more);
        assert_int_equal(last.code, more ? 5 : 0);
        assert_true((strstr(last.errors, "plumb: run: its manifest: equivocation: version ") !=
                     NULL) == (more == 1));
    }
    plumb(g, "--state seen-1 verify run --trust trust.json --json");
    json_t *report = output_json();
    assert_true(json_is_false(json_object_get(report, "holds")));
    json_decref(report);
}

static void verify_wants_trust(void **state)
{
    forge *g = *state;
    plumb(g, "verify run");
    assert_int_equal(last.code, 2);
    assert_string_equal(last.errors, "plumb: verify wants --trust FILE, or --untrusted; see plumb "
                                     "verify --help\n");
    plumb(g, "verify run --trust trust.json --untrusted");
    assert_int_equal(last.code, 2);
    plumb(g, "verify run --trust trust.json --require open");
    assert_int_equal(last.code, 2);
    plumb(g, "verify run --trust trust.json --step x");
    assert_int_equal(last.code, 2);
}

/* A step that is not there says nothing against the run. */
static void verify_of_a_step_beyond(void **state)
{
    forge *g = *state;
    plumb(g, "verify run --trust trust.json --step 7");
    assert_int_equal(last.code, 4);
    assert_string_equal(last.errors,
                        "plumb: run: the run has no step 7\n"
                        "plumb: still trustworthy: the record is what the operator signed, "
                        "unchanged since; its masks and limits were not recomputed\n");
}

static void verify_says_no(void **state)
{
    forge *g = *state;
    (void)forge_whole(g, "spoilt");
    write_text(fixture_path(g->f, "spoilt/evidence/policy.json"), "{}");
    plumb(g, "--json verify spoilt --trust trust.json");
    assert_int_equal(last.code, 1);
    assert_string_equal(
        last.errors, "plumb: spoilt: evidence/policy.json: has 2 bytes, but 110 were sealed\n"
                     "plumb: still trustworthy: run.json and who signed the head; not the files, "
                     "until the one named above is explained\n");
    json_t *json = output_json();
    assert_true(json_is_false(json_object_get(json, "holds")));
    assert_string_equal(json_string_value(json_object_get(json, "status")), "PLUMB_ERR_DIGEST");
    json_decref(json);
}

static void verify_of_a_stranger(void **state)
{
    forge *g = *state;
    make_trust(g->f, "empty.json", NULL, NULL);
    plumb(g, "verify run --trust empty.json");
    assert_int_equal(last.code, 5);
    assert_string_equal(last.errors,
                        "plumb: run: certificates line 1: no key of the trust store has signed it\n"
                        "plumb: still trustworthy: nothing: who made the record, and that it is "
                        "whole, is not shown\n");
    assert_string_equal(last.out, "");
}

/* ---- show --------------------------------------------------------------------------------- */

static void show_is_one_screen(void **state)
{
    forge *g = *state;
    plumb(g, "show run --trust trust.json");
    assert_int_equal(last.code, 0);
    assert_string_equal(last.errors, "");
    assert_non_null(strstr(last.out, "   closed, signer checked\n"));
    assert_non_null(
        strstr(last.out, "model       4 governed layers, 384 parameters, depth 0 to 1\n"));
    assert_non_null(
        strstr(last.out, "steps       6 acknowledged, 6 signed; 2 checkpoints, 0 events\n"));
    assert_non_null(strstr(last.out, "\ncohorts     team-"));
    assert_non_null(strstr(last.out, "\ntightest    deb:p"));
    size_t lines = 0;
    for (const char *c = last.out; *c != '\0'; c++)
        lines += *c == '\n';
    assert_true(lines <= 24);
    /* one cohort has a name of 45 characters: the numbers still stand below each other */
    const char *from = strstr(last.out, "\ncohorts ") + 1;
    const long column = strstr(from, " nats") - from;
    assert_true(column > 12 + 45);
    for (; *from != '\0'; from = strchr(from, '\n') + 1)
        assert_int_equal(strstr(from, " nats") - from, column);
}

static void show_of_an_open_run(void **state)
{
    forge *g = *state;
    forge_start(g, "open");
    forge_step(g, 1);
    forge_step(g, 2);
    assert_works(plumb__bundle_flush(g->bundle, err));
    plumb(g, "show open --json"); /* the writer is this process, and alive */
    assert_int_equal(last.code, 0);
    json_t *json = output_json();
    assert_int_equal(json_integer_value(json_object_get(json, "steps_acknowledged")), 2);
    assert_int_equal(json_integer_value(json_object_get(json, "steps_signed")), 0);
    assert_true(json_is_false(json_object_get(json, "closed")));
    assert_int_equal(json_integer_value(json_object_get(json, "units")), 2 * FORGE_UNITS);
    assert_int_equal(json_integer_value(json_object_get(json, "layers")), FORGE_USES);
    assert_int_equal(json_array_size(json_object_get(json, "layer_table")), FORGE_USES);
    json_decref(json);
    plumb(g, "query open --by layer --format json");
    assert_int_equal(last.code, 0);
    forge_stop(g);
    forge_start(g, "fresh"); /* no step yet */
    plumb(g, "show fresh --json");
    assert_int_equal(last.code, 0);
    json = output_json();
    assert_int_equal(json_integer_value(json_object_get(json, "steps_acknowledged")), 0);
    assert_true(json_is_null(json_object_get(json, "first_loss")));
    json_decref(json);
    forge_stop(g);
}

/* ---- query -------------------------------------------------------------------------------- */

static void query_in_three_formats(void **state)
{
    forge *g = *state;
    plumb(g, "query run --by cohort,layer --top 5 --format json");
    assert_int_equal(last.code, 0);
    assert_string_equal(last.errors, "signer not checked (--trust FILE)\n");
    json_t *rows = output_json();
    assert_int_equal(json_array_size(rows), 5);
    json_t *row = json_array_get(rows, 0);
    char expected[128];
    snprintf(expected, sizeof expected, "%s,%s,%.9g,%.9g,",
             json_string_value(json_object_get(row, "cohort")),
             json_string_value(json_object_get(row, "layer")),
             json_real_value(json_object_get(row, "units")),
             json_real_value(json_object_get(row, "spend_nats")));
    plumb(g, "--quiet query run --by cohort,layer --top 5 --format csv");
    assert_int_equal(last.code, 0);
    assert_string_equal(last.errors, "");
    static const char header[] =
        "cohort,layer,units,spend_nats,share,masked_share,clipped_share,mean_norm\r\n";
    assert_memory_equal(last.out, header, strlen(header));
    assert_memory_equal(last.out + strlen(header), expected, strlen(expected));
    plumb(g, "query run --by cohort,layer --top 5 --trust trust.json");
    assert_int_equal(last.code, 0);
    assert_string_equal(last.errors, "");
    snprintf(expected, sizeof expected, "%-45s  layer", "cohort"); /* as wide as its widest name */
    assert_memory_equal(last.out, expected, strlen(expected));
    assert_non_null(strstr(last.out, json_string_value(json_object_get(row, "cohort"))));
    json_decref(rows);
}

static void query_finds_nothing(void **state)
{
    forge *g = *state;
    plumb(g, "query run --cohort nobody --untrusted");
    assert_int_equal(last.code, 1);
    assert_string_equal(last.out, "");
    assert_string_equal(last.errors,
                        "plumb: nothing found: the run's manifest has no cohort \"nobody\"\n");
    plumb(g, "query nowhere --by cohort");
    assert_int_equal(last.code, 4);
}

static void query_is_told_wrongly(void **state)
{
    forge *g = *state;
    static const char *const cases[][2] = {
        {"--by cohorts", "there is no field \"cohorts\": it is example, annotator, cohort, batch, "
                         "rubric, domain, layer or step"},
        {"--by cohort,cohort", "--by names cohort twice"},
        {"--by cohort,layer,step", "--by takes two fields at most"},
        {"--steps 5", "--steps wants FIRST:LAST, like 1:100, found 5"},
        {"--steps 5:4", "--steps wants FIRST:LAST, like 1:100, found 5:4"},
        {"--steps 0:4", "--steps wants FIRST:LAST, like 1:100, found 0:4"},
        {"--top 0", "--top is not a number above 0: 0"},
        {"--format xml", "--format is table, json or csv, found xml"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[256];
        plumb(g, "query run %s", cases[i][0]);
        assert_int_equal(last.code, 2);
        snprintf(expected, sizeof expected, "plumb: %s; see plumb query --help\n", cases[i][1]);
        assert_string_equal(last.errors, expected);
    }
}

static void help_has_an_example(void **state)
{
    static const char *const commands[] = {"verify", "show", "query"};
    for (int i = 0; i < 3; i++) {
        plumb(*state, "%s --help", commands[i]);
        assert_int_equal(last.code, 0);
        assert_non_null(strstr(last.out, "example: plumb "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verify_says_that_it_holds),
        cmocka_unit_test(verify_takes_whatever_it_is),
        cmocka_unit_test(verify_compares_with_what_was_seen),
        cmocka_unit_test(verify_wants_trust),
        cmocka_unit_test(verify_says_no),
        cmocka_unit_test(verify_of_a_step_beyond),
        cmocka_unit_test(verify_of_a_stranger),
        cmocka_unit_test(show_is_one_screen),
        cmocka_unit_test(show_of_an_open_run),
        cmocka_unit_test(query_in_three_formats),
        cmocka_unit_test(query_finds_nothing),
        cmocka_unit_test(query_is_told_wrongly),
        cmocka_unit_test(help_has_an_example),
    };
    return cmocka_run_group_tests(tests, setup, forge_teardown);
}
