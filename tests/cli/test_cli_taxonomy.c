/* Aim: `plumb manifest show --taxonomy`, `--explain` and `plumb manifest diff` say what a
 * manifest's taxonomy says, where a record's terms come from, and what two manifests share. Method:
 * two versions of one small manifest, signed by the command itself; exact output and exit codes;
 * the JSON against the text. Texts have ' for ". */
#include "cli_fixture.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"
#define CONTENT "'content':{'sha256':'" ZERO "','bytes':9}"

static const char taxonomy[] =
    "{'profiles':{'deep':{'band':[0.6,1]},'care':{'by_entropy':{'low':'none','mid':'deep',"
    "'high':'all'}}},"
    "'rubrics':{'base@1':{'depth':'deep','budget':{'step':2,'run':16},"
    "'overridable':{'weight':[0.5,2],'depth':['deep','care']}},"
    "'role@2':{'inherits':'base@1','weight':1.5}},"
    "'domains':{'sound':{},'sound/loud':{'inherits':'sound','weight':3}},"
    "'templates':{'proof@1':{'components':[{'name':'premise','weight':1,'depth':'deep',"
    "'required':true},{'name':'step','weight':3}],'recombine':'normalised','error_rate':"
    "{'rate':0.02,'items':500,'validated':'2026-11-22','method':'double'}}},"
    "'defaults':{'weight':2},'tenant':{'rubrics':{'role@2':{'weight':1.25}}}}";

static const char records[] =
    "{'id':'r1'," CONTENT ",'rubric':'role@2','domain':'sound/loud','depth':'care'}\n"
    "{'id':'p1'," CONTENT ",'rubric':'base@1','parent':'t1','template':'proof@1',"
    "'component':'premise'}\n"
    "{'id':'p2'," CONTENT ",'parent':'t1','template':'proof@1','component':'step'}\n"
    "{'id':'s1'," CONTENT ",'template':'proof@1','annotators':['x'],'segments':[{'bytes':[0,3],"
    "'component':'premise'},{'bytes':[3,9],'component':'step','annotators':['y','z']}]}\n";

static void write_quoted(const char *path, const char *text)
{
    char *copy = strdup(text);
    for (char *at = copy; (at = strchr(at, '\'')) != NULL;) {
        *at = '"';
    }
    cli_write(path, copy);
    free(copy);
}

static int setup(void **state)
{
    if (cli_setup(state) != 0) return 1;
    cli_write("pass", "open sesame\n");
    write_quoted("taxonomy.json", taxonomy);
    write_quoted("a.jsonl", records);
    const cli_run *run = cli(
        "set -e; chmod 600 pass; plumb key new acme --passphrase-file pass\n"
        "sign='plumb manifest sign --key acme.key --passphrase-file pass --vendor acme "
        "--dataset d'\n"
        "$sign a.jsonl --version 1 --taxonomy taxonomy.json\n"
        "sed 's/\"p2\"/\"p3\"/; s|sound/loud|sound|' a.jsonl > b.jsonl\n"
        "sed 's/1.25/1.5/; s/\"domains\":{/&\"new\":{},/; s/0.02/0.03/' taxonomy.json > b.json\n"
        "$sign b.jsonl --version 2 --taxonomy b.json");
    if (run->code != 0) fputs(run->err, stderr);
    return run->code;
}

static void draws_the_tree(void **state)
{
    (void)state;
    assert_cli(0,
               "profiles\n"
               "  care: {\"by_entropy\":{\"high\":\"all\",\"low\":\"none\",\"mid\":\"deep\"}}\n"
               "  deep: {\"band\":[0.6,1]}\n"
               "rubrics\n"
               "  base@1: 1 record, depth deep, budget.run 16, budget.step 2\n"
               "    may override depth: [\"deep\",\"care\"]\n"
               "    may override weight: [0.5,2]\n"
               "    role@2: 1 record, weight 1.5\n"
               "      tenant, weight 1.25\n"
               "domains\n"
               "  sound: 0 records\n"
               "    sound/loud: 1 record, weight 3\n"
               "templates\n"
               "  proof@1: 3 records, recombine normalised\n"
               "    - premise, depth deep, weight 1, required\n"
               "    - step, weight 3\n"
               "    error rate 0.02 in 500 items, 2026-11-22, double\n"
               "defaults, weight 2\n",
               "", "plumb --quiet manifest show a.plumb.json --taxonomy");
    const cli_run *run = cli("plumb --quiet --json manifest show a.plumb.json --taxonomy");
    json_t *tree = json_loads(run->out, 0, NULL);
    const json_t *role = json_array_get(json_object_get(tree, "rubrics"), 1);
    assert_int_equal(json_integer_value(json_object_get(role, "level")), 1);
    assert_int_equal(json_integer_value(json_object_get(role, "records")), 1);
    json_decref(tree);
    assert_cli(2, "",
               "plumb: --id and --taxonomy exclude each other; see plumb manifest show --help\n",
               "plumb manifest show a.plumb.json --taxonomy --id r1");
}

/* What follows the line of the record. */
static const char *explained(const char *id)
{
    const cli_run *run = cli("plumb --quiet manifest show a.plumb.json --explain --id %s", id);
    assert_int_equal(run->code, 0);
    return strstr(run->out, "\nline ");
}

static void explains_every_candidate(void **state)
{
    (void)state;
    assert_string_equal(explained("r1"),
                        "\nline        1\n"
                        "depth       care = {\"by_entropy\":{\"high\":{\"band\":[0,1]},\"low\":"
                        "{\"layers\":{}},\"mid\":{\"band\":[0.6,1]}}}   (from record)\n"
                        "step budget 2 nats   (from rubric)\n"
                        "run budget  16 nats   (from rubric)\n"
                        "weight      1.25   (from rubric)\n"
                        "\nplaces that state a term, by rule; the first holds\n"
                        "depth       2 record: care\n"
                        "            5 rubric base@1 for role@2: deep\n"
                        "            8 built in: all\n"
                        "step budget 5 rubric base@1 for role@2: 2\n"
                        "run budget  5 rubric base@1 for role@2: 16\n"
                        "weight      5 rubric role@2, by the tenant: 1.25\n"
                        "            5 rubric role@2: 1.5\n"
                        "            6 domain sound/loud: 3\n"
                        "            7 defaults: 2\n"
                        "            8 built in: 1\n");
    assert_non_null(strstr(explained("p1"),
                           "\nrecombined  normalised, by template proof@1\n"
                           "component   premise, weight 1, share 0.25 of 2 records of parent t1\n"
                           "loss weight 0.5\n"
                           "  p1  premise  1\n"
                           "  p2  step  3\n"));
    assert_non_null(strstr(explained("s1"),
                           "\nsegments\n"
                           "  0  bytes [0,3]  component premise  weight 1, share 0.25  depth by "
                           "rule 3 {\"band\":[0.6,1]}  by x\n"
                           "  1  bytes [3,9]  component step  weight 3, share 0.75  depth by rule "
                           "8 {\"band\":[0,1]}  by y, z\n"));
}

static void tells_two_manifests_apart(void **state)
{
    (void)state;
    assert_cli(1,
               "records\n"
               "  same       2\n"
               "  added      1: p3\n"
               "  removed    1: p2\n"
               "  changed    1: r1\n"
               "profiles\n"
               "  shared     2: care, deep\n"
               "rubrics\n"
               "  shared     2: base@1, role@2\n"
               "domains\n"
               "  shared     2: sound, sound/loud\n"
               "  only in B  1: new\n"
               "templates\n"
               "  different  1: proof@1\n"
               "    proof@1: error_rate.rate 0.02 -> 0.03\n"
               "tenants differ\n"
               "    rubrics.role@2.weight 1.25 -> 1.5\n",
               "plumb: signers not checked; give --trust\n",
               "plumb manifest diff a.plumb.json b.plumb.json");
    const cli_run *run = cli("plumb --quiet --json manifest diff a.plumb.json b.plumb.json");
    assert_non_null(strstr(run->out, "\"changes\":{\"proof@1\":[{\"new\":0.0"));
    assert_non_null(strstr(run->out, "\"tenant_changes\":[{\"new\":1.5,\"old\":1.25,\"term\":"
                                     "\"rubrics.role@2.weight\"}]"));
    /* A term that one does not state, a value that is too long for a line, and too many. */
    run = cli("python3 -c 'import json; t = json.load(open(\"taxonomy.json\"))\n"
              "t[\"defaults\"] = {\"budget\": {\"step\": 2}}\n"
              "t[\"rubrics\"][\"base@1\"][\"description\"] = \"x\" * 200\n"
              "t[\"tenant\"] = {\"rubrics\": {\"role@2\": {\"weight\": 1}}}\n"
              "for i in range(30): t[\"rubrics\"][\"new@%%d\" %% i] = {}; "
              "t[\"tenant\"][\"rubrics\"][\"new@%%d\" %% i] = {\"weight\": 1}\n"
              "for i in range(30): t[\"rubrics\"][\"new@%%d\" %% i] = {\"overridable\": "
              "{\"weight\": [0, 2]}}\n"
              "json.dump(t, open(\"c.json\", \"w\"))' && cp a.jsonl c.jsonl && plumb --quiet "
              "manifest sign --key acme.key --passphrase-file pass --vendor acme --dataset d "
              "c.jsonl --version 3 --taxonomy c.json && plumb --quiet manifest diff a.plumb.json "
              "c.plumb.json");
    assert_string_equal(run->err, "");
    assert_non_null(strstr(run->out, "defaults differ\n"
                                     "    weight 2 -> not stated\n"
                                     "    budget.step not stated -> 2\n"));
    char cut[200];
    snprintf(cut, sizeof cut, "    base@1: description not stated -> \"%0119d…\n", 0);
    for (char *at = cut; (at = strchr(at, '0')) != NULL;) {
        *at = 'x';
    }
    assert_non_null(strstr(run->out, cut));
    const char *tenants = strstr(run->out, "tenants differ\n");
    size_t lines = 0;
    for (const char *at = tenants; (at = strstr(at, "\n    ")) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines, 21);
    assert_string_equal(run->out + strlen(run->out) - 8, "    …\n");
    run = cli("plumb --quiet --json manifest diff a.plumb.json a.plumb.json");
    assert_int_equal(run->code, 0);
    json_t *said = json_loads(run->out, 0, NULL);
    assert_true(json_is_true(json_object_get(said, "same")));
    const json_t *n = json_object_get(json_object_get(said, "records"), "same");
    assert_int_equal(json_integer_value(n), 4);
    json_decref(said);
    assert_cli(2, "",
               "plumb: manifest diff wants two of NAME.plumb.json; see plumb manifest diff "
               "--help\n",
               "plumb manifest diff a.plumb.json");
    assert_cli(2, "",
               "plumb: --top is not a number from 0 to 1000000: -1; see plumb manifest diff "
               "--help\n",
               "plumb manifest diff a.plumb.json b.plumb.json --top -1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_the_tree),
        cmocka_unit_test(explains_every_candidate),
        cmocka_unit_test(tells_two_manifests_apart),
    };
    return cmocka_run_group_tests(tests, setup, cli_teardown);
}
