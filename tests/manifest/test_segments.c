/* Aim: segments and records of one parent have the profile, weight and annotators that
 * docs/formats/manifest.md sections 1 and 3 give them, and what is no division of a record is
 * refused with its place. Method: signed manifests against weights worked out by hand; one wrong
 * thing at a time, exact messages; the explanation says the same as the table. */
#include "manifest_fixture.h"

#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHA "0000000000000000000000000000000000000000000000000000000000000000"
#define CONTENT "'content':{'sha256':'" SHA "','bytes':10}"

static const char taxonomy[] =
    "{'profiles':{'surface':{'band':[0,0.4]},'deep':{'band':[0.6,1]}},"
    "'templates':{'proof@1':{'components':[{'name':'premise','weight':1,'depth':'deep',"
    "'required':true},{'name':'step','weight':3}],'recombine':'normalised',"
    "'overridable':{'weight':[0,9],'component.weight':[0,4],'depth':['surface','deep']}},"
    "'mean@1':{'inherits':'sum@1','recombine':'mean'},"
    "'sum@1':{'components':[{'name':'a','weight':2},{'name':'b','weight':4}]},"
    "'none@1':{'components':[{'name':'a','weight':0}],'recombine':'normalised'}}}";

static char *quoted(const char *text)
{
    char *copy = strdup(text);
    for (char *at = copy; (at = strchr(at, '\'')) != NULL;) {
        *at = '"';
    }
    return copy;
}

static plumb_status sign(const fixture *f, const char *records, plumb_error *err)
{
    char *json = quoted(taxonomy), *lines = quoted(records);
    plumb_sign_options options = sign_defaults();
    char path[512];
    write_text(fixture_path(f, "taxonomy.json"), json);
    write_text(fixture_path(f, "records.jsonl"), lines);
    strcpy(path, fixture_path(f, "taxonomy.json"));
    options.taxonomy_path = path;
    (void)remove(fixture_path(f, "records.plumb.json"));
    (void)remove(fixture_path(f, "records.checkpoint"));
    const plumb_status status =
        plumb_manifest_sign(fixture_path(f, "records.jsonl"), f->vendor, &options, err);
    free(json);
    free(lines);
    return status;
}

static plumb_manifest *open_records(const fixture *f, const char *records)
{
    plumb_manifest *m = NULL;
    plumb_trust *trust = open_trust(f, "trust.json");
    assert_works(sign(f, records, err));
    assert_works(plumb_manifest_open(fixture_path(f, "records.plumb.json"), trust, NULL, &m, err));
    plumb_trust_free(trust);
    return m;
}

static void assert_refused(const fixture *f, const char *records, const char *message)
{
    plumb_error err = {0};
    assert_int_equal(sign(f, records, &err), PLUMB_ERR_FORMAT);
    char expected[1200];
    snprintf(expected, sizeof expected, "%s: %s", fixture_path(f, "records.jsonl"), message);
    assert_string_equal(err.message, expected);
}

static double weight_of(const plumb_manifest *m, uint32_t number)
{
    plumb_record r;
    plumb_record_default(&r);
    assert_works(plumb_manifest_record(m, number, &r, err));
    return r.weight;
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) < 1e-12)) fail_msg("%.17g is not %.17g", a, b);
}

/* ---- segments ---- */

static const char divided[] =
    "{'id':'n'," CONTENT ",'weight':2,'template':'proof@1','annotators':['x'],'segments':["
    "{'bytes':[0,2],'component':'premise'},{'bytes':[2,4],'component':'step','depth':'surface',"
    "'annotators':['y','z']},{'bytes':[5,9],'component':'step','weight':4}]}\n"
    "{'id':'m'," CONTENT ",'template':'mean@1','depth':'surface','messages':[{'role':'u',"
    "'content':'q'},{'role':'a','content':'r'}],'segments':[{'message':1,'component':'a'},"
    "{'bytes':[0,1],'component':'b'}]}\n"
    "{'id':'p'," CONTENT ",'prompt':'q','chosen':'c','rejected':'r','segments':["
    "{'part':'rejected','weight':0.25},{'part':'chosen','depth':'deep'}]}\n";

static void segments_recombine(void **state)
{
    plumb_manifest *m = open_records(*state, divided);
    static const double normalised[] = {1.0 / 8, 3.0 / 8, 4.0 / 8};
    uint32_t n;
    const plumb_segment *s = plumb_manifest_segments(m, 0, &n);
    assert_int_equal(n, 3);
    for (uint32_t i = 0; i < n; i++)
        assert_near(s[i].weight, normalised[i]);
    assert_near(weight_of(m, 0), 2);
    s = plumb_manifest_segments(m, 1, &n);
    assert_int_equal(n, 2);
    assert_near(s[0].weight, 1);
    assert_near(s[1].weight, 2);
    s = plumb_manifest_segments(m, 2, &n);
    assert_int_equal(n, 2);
    assert_near(s[0].weight, 0.25);
    assert_near(s[1].weight, 1);
    plumb_manifest_free(m);
}

static void segments_say_where_and_who(void **state)
{
    plumb_manifest *m = open_records(*state, divided);
    uint32_t n;
    const plumb_segment *s = plumb_manifest_segments(m, 0, &n);
    assert_string_equal(s[0].component, "premise");
    assert_int_equal(s[0].n_annotators, 1);
    assert_string_equal(s[0].annotators[0], "x");
    assert_int_equal(s[1].n_annotators, 2);
    assert_string_equal(s[1].annotators[1], "z");
    assert_string_equal(plumb_manifest_profile_text(m, s[0].profile),
                        "{\"band\":[0.59999999999999998,1]}");
    assert_string_equal(plumb_manifest_profile_text(m, s[1].profile),
                        "{\"band\":[0,0.40000000000000002]}");
    assert_string_equal(plumb_manifest_profile_text(m, s[2].profile), "{\"band\":[0,1]}");
    s = plumb_manifest_segments(m, 1, &n);
    assert_int_equal(s[0].kind, PLUMB_SEGMENT_MESSAGE);
    assert_int_equal(s[0].from, 1);
    assert_int_equal(s[0].n_annotators, 0);
    s = plumb_manifest_segments(m, 2, &n);
    assert_int_equal(s[0].kind, PLUMB_SEGMENT_PART);
    assert_int_equal(s[0].from, PLUMB_PART_REJECTED);
    assert_null(s[0].component);
    plumb_manifest_free(m);
}

#define WITH(fields) "{'id':'a'," CONTENT "," fields "}\n"

static void bad_divisions(void **state)
{
    static const struct {
        const char *record, *message;
    } cases[] = {
        {WITH("'segments':[{'depth':'deep'}]"), "line 1, column 121: segment 1: must have exactly "
                                                "one of \"bytes\", \"message\", \"part\""},
        {WITH("'segments':[{'bytes':[0,1],'message':0}]"),
         "line 1, column 121: segment 1: must have exactly one of \"bytes\", \"message\", "
         "\"part\""},
        {WITH("'segments':[{'message':0}]"), "line 1, column 121: segment 1: field \"message\" "
                                             "must be the number of one of the record's 0 "
                                             "messages, from 0"},
        {WITH("'messages':[{'role':'u','content':''}],'segments':[{'message':0},{'message':0}]"),
         "line 1, column 160: segment 2: message 0 must come after that of the segment before"},
        {WITH("'prompt':'q','segments':[{'part':'chosen'}]"),
         "line 1, column 134: segment 1: the record has no part \"chosen\""},
        {WITH("'prompt':'q','segments':[{'part':'answer'}]"),
         "line 1, column 134: segment 1: field \"part\" must be \"prompt\", \"chosen\" or "
         "\"rejected\""},
        {WITH("'prompt':'q','segments':[{'part':'prompt'},{'part':'prompt'}]"),
         "line 1, column 134: segment 2: part \"prompt\" has a segment already"},
        {WITH("'segments':[{'bytes':[0,1],'weight':-1}]"),
         "line 1, column 121: segment 1: field \"weight\" must be from 0 to 1000000, found -1"},
        {WITH("'segments':[{'bytes':[0,1],'annotators':['']}]"),
         "line 1, column 121: segment 1: field \"annotators\": entry 1 must be a string of 1 to "
         "1024 bytes "
         "without control characters"},
        {WITH("'segments':[{'bytes':[0,1],'component':'step'}]"),
         "line 1, column 121: segment 1: field \"component\" needs the record's \"template\""},
        {WITH("'template':'proof@1','segments':[{'bytes':[0,1],'component':'lemma'}]"),
         "line 1, column 142: segment 1: field \"component\": template \"proof@1\" has no "
         "component \"lemma\"; "
         "it has premise, step"},
        {WITH("'template':'proof@1','segments':[{'bytes':[0,1],'component':'step'}]"),
         "line 1, column 142: no segment is component \"premise\", which template \"proof@1\" "
         "requires"},
        {WITH("'template':'proof@1','segments':[{'bytes':[0,1],'component':'step','weight':5}]"),
         "line 1, column 142: segment 1: field \"component.weight\" is 5, but template \"proof@1\" "
         "allows 0 to "
         "4"},
        {WITH("'template':'proof@1','segments':[{'bytes':[0,1],'depth':'none'}]"),
         "line 1, column 142: segment 1: field \"depth\" is \"none\", but template \"proof@1\" "
         "allows surface, "
         "deep"},
        {WITH("'template':'none@1','segments':[{'bytes':[0,1],'component':'a'}]"),
         "line 1, column 141: the weights of its 1 components add up to 0 and cannot be "
         "normalised"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(*state, cases[i].record, cases[i].message);
}

/* ---- records of one parent ---- */

#define CHILD(id, parent, component, more)                                                         \
    "{'id':'" id "'," CONTENT ",'parent':'" parent                                                 \
    "','template':'proof@1','component':'" component "'" more "}\n"

static void siblings_recombine(void **state)
{
    plumb_manifest *m = open_records(
        *state,
        CHILD("a", "t1", "premise", "") CHILD("b", "t2", "premise", "") CHILD("c", "t1", "step",
                                                                              ",'depth':'surface'")
            CHILD("d", "t1", "step", "") "{'id':'e'," CONTENT ",'parent':'t1','weight':3}\n"
                                         "{'id':'f'," CONTENT ",'parent':'t1','template':'sum@1',"
                                         "'component':'b','weight':3}\n");
    static const double expected[] = {1.0 / 7, 1, 3.0 / 7, 3.0 / 7, 3, 12};
    for (uint32_t i = 0; i < 6; i++)
        assert_near(weight_of(m, i), expected[i]);
    plumb_manifest_free(m);
}

static void bad_siblings(void **state)
{
    assert_refused(*state, CHILD("a", "t1", "premise", "") CHILD("b", "t2", "step", ""),
                   "line 2: no record of parent \"t2\" is component \"premise\", which template "
                   "\"proof@1\" requires");
    assert_refused(
        *state, CHILD("a", "t1", "lemma", ""),
        "line 1, column 157: field \"component\": template \"proof@1\" has no component \"lemma\"; "
        "it has premise, step");
    assert_refused(*state,
                   "{'id':'a'," CONTENT ",'parent':'t','template':'none@1','component':'a'}\n",
                   "line 1: parent \"t\": the weights of its 1 components add up to 0 and cannot "
                   "be normalised");
    assert_refused(
        *state, CHILD("a", "t1", "premise", ",'budget':{'run':2}"),
        "line 1, column 176: field \"budget.run\" may not be stated: template \"proof@1\" leaves "
        "open weight, depth, component.weight");
}

/* ---- the explanation ---- */

static json_t *explain(const plumb_manifest *m, uint32_t number)
{
    char *text = NULL;
    json_t *out = NULL;
    assert_works(plumb_manifest_explain_json(m, number, &text, err));
    assert_works(plumb__json_parse("explanation", text, strlen(text), &out, err));
    plumb_text_free(text);
    return out;
}

static double number_at(const json_t *value, const char *a, const char *b)
{
    return json_number_value(json_object_get(json_object_get(value, a), b));
}

static void explanations(void **state)
{
    plumb_manifest *m =
        open_records(*state, CHILD("a", "t1", "premise", "") CHILD("c", "t1", "step", ""));
    json_t *a = explain(m, 0);
    const json_t *depth = json_object_get(json_object_get(a, "terms"), "depth");
    assert_int_equal(json_integer_value(json_object_get(depth, "rule")), 3);
    assert_string_equal(json_string_value(json_object_get(depth, "from")), "component");
    assert_string_equal(json_string_value(json_object_get(depth, "value")), "deep");
    assert_int_equal(json_array_size(json_object_get(depth, "candidates")), 2);
    assert_near(number_at(a, "recombination", "share"), 0.25);
    assert_near(number_at(a, "recombination", "n_siblings"), 2);
    assert_near(json_number_value(json_object_get(a, "loss_weight")), weight_of(m, 0));
    json_decref(a);
    plumb_manifest_free(m);
    m = open_records(*state, divided);
    a = explain(m, 0);
    const json_t *segments = json_object_get(a, "segments");
    static const int rules[] = {3, 1, 8};
    for (size_t i = 0; i < 3; i++) {
        const json_t *s = json_array_get(segments, i);
        assert_int_equal(json_integer_value(json_object_get(s, "rule")), rules[i]);
        uint32_t n;
        assert_near(json_number_value(json_object_get(s, "share")),
                    plumb_manifest_segments(m, 0, &n)[i].weight);
    }
    json_decref(a);
    plumb_manifest_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_recombine), cmocka_unit_test(segments_say_where_and_who),
        cmocka_unit_test(bad_divisions),      cmocka_unit_test(siblings_recombine),
        cmocka_unit_test(bad_siblings),       cmocka_unit_test(explanations),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
