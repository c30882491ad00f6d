/* Aim: a taxonomy says what docs/formats/manifest.md section 3 says it does, and what it may not
 * say is refused with its place and its reason. Method: taxonomies with every part; terms of
 * records under them against values worked out by hand; one wrong thing at a time, exact messages.
 * Texts have ' for ". */
#include "manifest_fixture.h"

#include "manifest/taxonomy/taxonomy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    char *copy = strdup(text);
    for (char *at = copy; (at = strchr(at, '\'')) != NULL;) {
        *at = '"';
    }
    assert_works(plumb__json_parse("test", copy, strlen(copy), &value, err));
    free(copy);
    return value;
}

static plumb_status read_text(const char *text, plumb__taxonomy *out, plumb_error *err)
{
    json_t *value = parse(text);
    const plumb_status status = plumb__taxonomy_read("t", value, out, err);
    json_decref(value);
    return status;
}

static void assert_refused(const char *text, const char *message)
{
    plumb__taxonomy t;
    assert_fails(read_text(text, &t, err), PLUMB_ERR_FORMAT, message);
}

/* ---- what resolves ---- */

static const char full[] =
    "{'profiles':{'surface':{'band':[0,0.4]},'deep':{'band':[0.6,1]},"
    "'ramp':{'schedule':[[0,'surface'],[1,'all']]},"
    "'care':{'by_entropy':{'low':'none','mid':'ramp','high':'deep'}}},"
    "'rubrics':{'base@1':{'depth':'deep','budget':{'step':2,'run':16},'weight':0.5,"
    "'overridable':{'weight':[0.5,2],'depth':['surface','deep'],'budget.step':[0.5,4]}},"
    "'role@2':{'inherits':'base@1','weight':1.5},"
    "'role@3':{'inherits':'role@2','budget':{'step':1}},"
    "'free@1':{'depth':'surface'}},"
    "'domains':{'sound':{'budget':{'run':4},'weight':3},'sound/loud':{'inherits':'sound'}},"
    "'templates':{'proof@4':{'depth':'surface','components':["
    "{'name':'premise','weight':0.25,'depth':'deep','required':true},{'name':'step'}],"
    "'recombine':'normalised','error_rate':{'rate':0.02,'items':500,'validated':'2026-11-22',"
    "'method':'double blind'}},'plain@1':{}},"
    "'defaults':{'weight':7,'budget':{'step':9,'run':90}},"
    "'tenant':{'rubrics':{'role@3':{'weight':2}}}}";

static plumb__terms resolve(const plumb__taxonomy *t, const plumb__refs *refs,
                            const plumb__terms *own)
{
    plumb__terms out;
    assert_works(plumb__terms_resolve("r", t, refs, own, &out, err));
    return out;
}

static const char *depth_of(const plumb__taxonomy *t, const plumb__terms *terms)
{
    return plumb__intern_text(&t->names, terms->depth_name);
}

static void terms_resolve_in_order(void **state)
{
    (void)state;
    static const struct {
        plumb__refs refs;
        const char *depth;
        double step, run, weight;
    } cases[] = {
        {{0}, "all", 9, 90, 7},
        {{.rubric = "base@1"}, "deep", 2, 16, 0.5},
        {{.rubric = "role@2"}, "deep", 2, 16, 1.5},
        {{.rubric = "role@3"}, "deep", 1, 16, 2},
        {{.rubric = "free@1"}, "surface", 9, 90, 7},
        {{.domain = "sound/loud"}, "all", 9, 4, 3},
        {{.rubric = "free@1", .domain = "sound"}, "surface", 9, 4, 3},
        {{.rubric = "base@1", .template_name = "proof@4"}, "surface", 2, 16, 0.5},
        {{.rubric = "base@1", .template_name = "plain@1"}, "deep", 2, 16, 0.5},
        {{.rubric = "base@1", .template_name = "proof@4", .component = "premise", .parent = "p"},
         "deep",
         2,
         16,
         0.5},
        {{.rubric = "free@1", .template_name = "proof@4", .component = "step", .parent = "p"},
         "surface",
         9,
         90,
         7},
    };
    const plumb__terms nothing = PLUMB__NO_TERMS;
    plumb__taxonomy t;
    assert_works(read_text(full, &t, err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const plumb__terms got = resolve(&t, &cases[i].refs, &nothing);
        assert_string_equal(depth_of(&t, &got), cases[i].depth);
        assert_true(got.step_nats == cases[i].step && got.run_nats == cases[i].run);
        assert_true(got.weight == cases[i].weight);
    }
    plumb__taxonomy_free(&t);
}

static void own_terms_win_within_bounds(void **state)
{
    (void)state;
    const plumb__refs refs = {.rubric = "role@3", .template_name = "proof@4"};
    plumb__terms own = PLUMB__NO_TERMS, out;
    plumb__taxonomy t;
    assert_works(read_text(full, &t, err));
    own.weight = 2;
    own.step_nats = 0.5;
    assert_true(resolve(&t, &refs, &own).weight == 2);
    assert_true(resolve(&t, &refs, &own).step_nats == 0.5);
    own.weight = 2.5;
    assert_fails(plumb__terms_resolve("r", &t, &refs, &own, &out, err), PLUMB_ERR_FORMAT,
                 "r: field \"weight\" is 2.5, but rubric \"base@1\" allows 0.5 to 2");
    own.weight = NAN;
    own.run_nats = 3;
    assert_fails(plumb__terms_resolve("r", &t, &refs, &own, &out, err), PLUMB_ERR_FORMAT,
                 "r: field \"budget.run\" may not be stated: rubric \"base@1\" leaves open weight, "
                 "depth, budget.step");
    own.run_nats = NAN;
    json_t *value = parse("{'depth':'ramp','inline':{'band':[0,0.1]},'same':{'band':[0.6,1]}}");
    assert_works(plumb__depth_read("r", json_object_get(value, "depth"), &t, &own.profile,
                                   &own.depth_name, err));
    assert_fails(plumb__terms_resolve("r", &t, &refs, &own, &out, err), PLUMB_ERR_FORMAT,
                 "r: field \"depth\" is \"ramp\", but rubric \"base@1\" allows surface, deep");
    assert_works(plumb__depth_read("r", json_object_get(value, "inline"), &t, &own.profile,
                                   &own.depth_name, err));
    assert_fails(plumb__terms_resolve("r", &t, &refs, &own, &out, err), PLUMB_ERR_FORMAT,
                 "r: field \"depth\" is a profile of its own, but rubric \"base@1\" allows "
                 "surface, deep");
    /* the same function under no name is the same depth */
    assert_works(plumb__depth_read("r", json_object_get(value, "same"), &t, &own.profile,
                                   &own.depth_name, err));
    assert_true(resolve(&t, &refs, &own).profile == own.profile);
    json_decref(value);
    plumb__taxonomy_free(&t);
}

static void profiles_name_profiles(void **state)
{
    (void)state;
    plumb__taxonomy t;
    assert_works(read_text(full, &t, err));
    const uint32_t care = plumb__intern_find(&t.names, "care", 4);
    const plumb__profile *p = t.profiles[t.name_profile[care]];
    assert_true(plumb__profile_by_entropy(p) && plumb__profile_scheduled(p));
    assert_true(plumb__profile_at(p, 1, 0, 0.5, "x") == 0);
    assert_true(plumb__profile_at(p, 2, 0.25, 0.5, "x") == 0.25); /* surface 0, all 1 */
    assert_true(plumb__profile_at(p, 3, 0, 0.5, "x") == 0);
    assert_true(plumb__profile_at(p, 3, 0, 0.8, "x") == 1);
    plumb__taxonomy_free(&t);
}

/* ---- what is refused ---- */

#define RUBRICS(text) "{'rubrics':{" text "}}"
#define TEMPLATE(text) "{'templates':{'p@1':{" text "}}}"

/* long: a table of what is refused */
static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {RUBRICS("'@2':{}"), "t: rubric \"@2\": must be named name@version"},
        {RUBRICS("'a@':{}"), "t: rubric \"a@\": must be named name@version"},
        {"{'domains':{'a@':{}}}", "t: domain \"a@\": must be named name or name@version"},
        {"{'templates':{'a':{}}}", "t: template \"a\": must be named name@version"},
        {RUBRICS("'a@1':{'depht':'all'}"),
         "t: rubric \"a@1\": unknown field \"depht\" (allowed: depth, budget, weight, inherits, "
         "overridable, definition_digest, description, dimension)"},
        {"{'domains':{'a':{'dimension':'x'}}}",
         "t: domain \"a\": unknown field \"dimension\" (allowed: depth, budget, weight, inherits, "
         "overridable, definition_digest, description)"},
        {RUBRICS("'a@1':{'dimension':''}"),
         "t: rubric \"a@1\": field \"dimension\" must have 1 to 1024 bytes without control "
         "characters"},
        {RUBRICS("'a@1':{'inherits':'b@1'},'c@1':{}"),
         "t: rubric \"a@1\": inherits \"b@1\", and the taxonomy has no such rubric; it has a@1, "
         "c@1"},
        {RUBRICS("'a@1':{'inherits':'a@1'}"),
         "t: rubric \"a@1\": inherits in a circle: a@1 -> a@1"},
        {RUBRICS("'a@1':{'inherits':'b@1'},'b@1':{'inherits':'c@1'},'c@1':{'inherits':'b@1'}"),
         "t: rubric \"a@1\": inherits in a circle: a@1 -> b@1 -> c@1 -> b@1"},
        {"{'profiles':{'s':{'schedule':[[0,'t']]},'t':{'schedule':[[0,'all']]}}}",
         "t: profile \"s\": \"schedule\" entry 1: there is no depth named \"t\"; known are all, "
         "none"},
        {"{'profiles':{'e':{'by_entropy':{'low':'e','mid':'all','high':'all'}}}}",
         "t: profile \"e\": \"by_entropy\" low: there is no depth named \"e\"; known are all, "
         "none"},
        {RUBRICS("'a@1':{'overridable':{'wait':[0,1]}}"),
         "t: rubric \"a@1\": in \"overridable\": unknown field \"wait\" (allowed: weight, depth, "
         "budget.step, budget.run)"},
        {RUBRICS("'a@1':{'overridable':{'weight':[2,1]}}"),
         "t: rubric \"a@1\": in \"overridable\": field \"weight\" must be a range of numbers from "
         "0 on, found 2 to 1"},
        {RUBRICS("'a@1':{'overridable':{'weight':[1]}}"),
         "t: rubric \"a@1\": in \"overridable\": field \"weight\" must be two numbers [from, to]"},
        {RUBRICS("'a@1':{'overridable':{'depth':[]}}"),
         "t: rubric \"a@1\": in \"overridable\": field \"depth\" must list 1 to 256 names of "
         "depths"},
        {RUBRICS("'a@1':{'overridable':{'depth':['x']}}"),
         "t: rubric \"a@1\": in \"overridable\": field \"depth\": entry 1 must be the name of a "
         "depth; known are all, none"},
        {RUBRICS("'a@1':{'overridable':{'weight':[1,2]}},'b@1':{'inherits':'a@1','weight':3}"),
         "t: rubric \"b@1\": field \"weight\" is 3, but rubric \"a@1\" allows 1 to 2"},
        {RUBRICS("'a@1':{'overridable':{}},'b@1':{'inherits':'a@1','depth':'all'}"),
         "t: rubric \"b@1\": field \"depth\" may not be stated: rubric \"a@1\" leaves open "
         "nothing"},
        {RUBRICS("'a@1':{'overridable':{'weight':[1,2]}},'b@1':{'inherits':'a@1'},"
                 "'c@1':{'inherits':'b@1','overridable':{'weight':[1,3]}}"),
         "t: rubric \"c@1\": in \"overridable\": field \"weight\" is 3, but rubric \"a@1\" allows "
         "1 to 2"},
        {RUBRICS("'a@1':{'overridable':{'depth':['all']}},"
                 "'b@1':{'inherits':'a@1','overridable':{'depth':['all','none']}}"),
         "t: rubric \"b@1\": in \"overridable\": field \"depth\" is \"none\", but rubric \"a@1\" "
         "allows all"},
        {TEMPLATE("'recombine':'product'"),
         "t: template \"p@1\": field \"recombine\" must be \"sum\", \"normalised\" or \"mean\", "
         "found \"product\""},
        {TEMPLATE("'components':[]"),
         "t: template \"p@1\": field \"components\" must have 1 to 256 entries, found 0"},
        {TEMPLATE("'components':[{'name':'a'},{'name':'a'}]"),
         "t: template \"p@1\": component 2: the name \"a\" is there twice"},
        {TEMPLATE("'components':[{'name':''}]"),
         "t: template \"p@1\": component 1: field \"name\" must have 1 to 255 bytes without "
         "control characters"},
        {TEMPLATE("'components':[{'name':'a','weight':-1}]"),
         "t: template \"p@1\": component 1: field \"weight\" must be from 0 to 1000000, found -1"},
        {TEMPLATE("'components':[{'name':'a','budget':{}}]"),
         "t: template \"p@1\": component 1: unknown field \"budget\" (allowed: name, weight, "
         "depth, required)"},
        {TEMPLATE("'error_rate':{'rate':1.5,'items':3}"),
         "t: template \"p@1\": in \"error_rate\": field \"rate\" must be from 0 to 1, found 1.5"},
        {TEMPLATE("'error_rate':{'rate':0.5,'items':0}"),
         "t: template \"p@1\": in \"error_rate\": field \"items\" must be at least 1, found 0"},
        {TEMPLATE("'error_rate':{'rate':0.5,'items':9,'validated':'soon'}"),
         "t: template \"p@1\": in \"error_rate\": field \"validated\" must be a date like "
         "2026-11-22, found \"soon\""},
        {TEMPLATE("'error_rate':{'rate':0.5}"),
         "t: template \"p@1\": in \"error_rate\": field \"items\" is missing"},
        {"{'templates':{'p@1':{'components':[{'name':'a'}],'overridable':{}},"
         "'q@1':{'inherits':'p@1','components':[{'name':'b'}]}}}",
         "t: template \"q@1\": field \"components\" may not be stated: template \"p@1\" has an "
         "\"overridable\", under which components stay as they are"},
        {"{'templates':{'p@1':{'overridable':{'recombine':['mean']}},"
         "'q@1':{'inherits':'p@1','recombine':'sum'}}}",
         "t: template \"q@1\": field \"recombine\" is \"sum\", but template \"p@1\" allows mean"},
        {"{'templates':{'p@1':{'overridable':{'recombine':['mode']}}}}",
         "t: template \"p@1\": in \"overridable\": field \"recombine\": entry 1 must be \"sum\", "
         "\"normalised\" or \"mean\""},
        {"{'rubrics':{'a@1':{}},'tenant':{'rubrics':{'a@1':{'weight':1}}}}",
         "t: in \"tenant\": rubric \"a@1\": a tenant may change nothing of it: it has no "
         "\"overridable\""},
        {"{'rubrics':{'a@1':{'overridable':{'weight':[1,2]}}},"
         "'tenant':{'rubrics':{'a@1':{'weight':2.5}}}}",
         "t: in \"tenant\": rubric \"a@1\": field \"weight\" is 2.5, but rubric \"a@1\" allows 1 "
         "to 2"},
        {"{'rubrics':{'a@1':{'overridable':{'weight':[1,2]}}},"
         "'tenant':{'rubrics':{'a@1':{'inherits':'b@1'}}}}",
         "t: in \"tenant\": rubric \"a@1\": unknown field \"inherits\" (allowed: depth, budget, "
         "weight)"},
        {"{'tenant':{'templates':{'x@1':{}}}}",
         "t: in \"tenant\": template \"x@1\": the taxonomy has no such template; it has none"},
        {"{'tenant':{'profiles':{}}}",
         "t: in \"tenant\": unknown field \"profiles\" (allowed: rubrics, domains, templates)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refused(cases[i].text, cases[i].message);
    }
}

/* r0 <- r1 <- … <- rN, N levels. */
static void chain_text(char *out, size_t size, int levels)
{
    size_t used = (size_t)snprintf(out, size, "{'rubrics':{'r0@1':{'weight':5}");
    for (int i = 1; i <= levels; i++) {
        used +=
            (size_t)snprintf(out + used, size - used, ",'r%d@1':{'inherits':'r%d@1'}", i, i - 1);
    }
    snprintf(out + used, size - used, "}}");
}

static void ancestors_are_at_most_16(void **state)
{
    (void)state;
    char text[2048];
    const plumb__terms nothing = PLUMB__NO_TERMS;
    const plumb__refs refs = {.rubric = "r16@1"};
    plumb__taxonomy t;
    chain_text(text, sizeof text, 16);
    assert_works(read_text(text, &t, err));
    assert_true(resolve(&t, &refs, &nothing).weight == 5);
    plumb__taxonomy_free(&t);
    chain_text(text, sizeof text, 17);
    assert_fails(read_text(text, &t, err), PLUMB_ERR_LIMIT,
                 "t: rubric \"r17@1\": inherits over more than 16 levels: r17@1 -> r16@1 -> r15@1 "
                 "-> r14@1 -> r13@1 -> r12@1 -> r11@1 -> r10@1 -> r9@1 -> r8@1 -> r7@1 -> r6@1 -> "
                 "r5@1 -> r4@1 -> r3@1 -> r2@1 -> r1@1 -> r0@1");
}

static void unknown_names_are_refused(void **state)
{
    (void)state;
    static const struct {
        plumb__refs refs;
        const char *message;
    } cases[] = {
        {{.domain = "sond"},
         "r: field \"domain\": the taxonomy has no domain \"sond\"; it has sound, sound/loud"},
        {{.template_name = "proof@5"},
         "r: field \"template\": the taxonomy has no template \"proof@5\"; it has proof@4, "
         "plain@1"},
        {{.template_name = "proof@4", .component = "lemma", .parent = "p"},
         "r: field \"component\": template \"proof@4\" has no component \"lemma\"; it has premise, "
         "step"},
        {{.template_name = "plain@1", .component = "lemma", .parent = "p"},
         "r: field \"component\": template \"plain@1\" has no component \"lemma\"; it has none"},
        {{.component = "premise", .parent = "p"},
         "r: field \"component\" needs the record's \"template\""},
    };
    const plumb__terms nothing = PLUMB__NO_TERMS;
    plumb__terms out;
    plumb__taxonomy t;
    assert_works(read_text(full, &t, err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_fails(plumb__terms_resolve("r", &t, &cases[i].refs, &nothing, &out, err),
                     PLUMB_ERR_FORMAT, cases[i].message);
    }
    plumb__taxonomy_free(&t);
}

/* ---- what names come to ---- */

/* A taxonomy of a profile p of 256 points and what else is given, p named. */
static json_t *with_points(void)
{
    json_t *points = json_array(), *value = parse("{'profiles':{'p':{}}}");
    for (int i = 0; i < 256; i++)
        json_array_append_new(points, json_pack("[f,f]", i / 255.0, 0.123456789012345 + i));
    json_object_set_new(json_object_get(json_object_get(value, "profiles"), "p"), "points", points);
    return value;
}

static json_t *schedule_of(int marks, const char *name)
{
    json_t *list = json_array();
    for (int i = 0; i < marks; i++)
        json_array_append_new(list, json_pack("[f,s]", i / 255.0, name));
    return json_pack("{s:o}", "schedule", list);
}

static void names_come_to_4096_points(void **state)
{
    (void)state;
    plumb__taxonomy t;
    json_t *value = with_points(), *profiles = json_object_get(value, "profiles");
    uint32_t number, name;
    json_object_set_new(profiles, "s", schedule_of(16, "p"));
    assert_works(plumb__taxonomy_read("t", value, &t, err));
    json_t *bands = parse("{'by_entropy':{'low':'s','mid':'none','high':{'band':[0,1]}}}");
    assert_fails(plumb__depth_read("r", bands, &t, &number, &name, err), PLUMB_ERR_LIMIT,
                 "r: field \"depth\": \"by_entropy\" high: with this, its names replaced, the "
                 "profile has 4098 points and globs; at most 4096 are read");
    plumb__taxonomy_free(&t);
    json_object_set_new(profiles, "s", schedule_of(256, "p"));
    assert_fails(plumb__taxonomy_read("t", value, &t, err), PLUMB_ERR_LIMIT,
                 "t: profile \"s\": \"schedule\" entry 17: with this, its names replaced, the "
                 "profile has 4352 points and globs; at most 4096 are read");
    json_decref(bands);
    json_decref(value);
}

/* Any number of records may share a profile; different ones that name others are bounded. */
static void names_come_to_4_mib(void **state)
{
    (void)state;
    plumb__taxonomy t;
    json_t *value = with_points();
    uint32_t number, name, first;
    char text[128];
    plumb_status status = PLUMB_OK;
    plumb_error why = {0};
    json_object_set_new(json_object_get(value, "profiles"), "s", schedule_of(15, "p"));
    assert_works(plumb__taxonomy_read("t", value, &t, err));
    json_t *shared = parse("{'by_entropy':{'low':'s','mid':'none','high':'all'}}");
    assert_works(plumb__depth_read("r", shared, &t, &first, &name, err));
    for (int i = 0; i < 20000; i++) {
        assert_works(plumb__depth_read("r", shared, &t, &number, &name, err));
        assert_int_equal(number, first);
    }
    int made = 0;
    for (; made < 100 && status == PLUMB_OK; made++) {
        snprintf(text, sizeof text,
                 "{'by_entropy':{'low':'s','mid':'none','high':{'band':[0,%g]}}}",
                 0.001 * (made + 1));
        json_t *own = parse(text);
        status = plumb__depth_read("r", own, &t, &number, &name, &why);
        json_decref(own);
    }
    assert_int_equal(status, PLUMB_ERR_LIMIT);
    assert_in_range(made, 20, 60);
    assert_string_equal(why.message,
                        "r: field \"depth\": with this, the profiles that name others come to more "
                        "than 4194304 bytes, their names replaced; use fewer different ones, or "
                        "smaller");
    assert_works(plumb__depth_read("r", shared, &t, &number, &name, err));
    plumb__taxonomy_free(&t);
    json_decref(shared);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_resolve_in_order),    cmocka_unit_test(own_terms_win_within_bounds),
        cmocka_unit_test(profiles_name_profiles),    cmocka_unit_test(refused),
        cmocka_unit_test(ancestors_are_at_most_16),  cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(names_come_to_4096_points), cmocka_unit_test(names_come_to_4_mib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
