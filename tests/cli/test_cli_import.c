/* Aim: an annotation export becomes a signed manifest in three commands, with raters, categories
 * and severities as they were; what cannot be read is refused with its place. Method: the command
 * on small tables and task exports written here, texts and exit codes exact; on the real data of
 * $PLUMB_TEST_DATA (skipped without it), compared by tests/cli/import_check.py, which reads the raw
 * files itself (skipped without numpy). */
#include "cli_fixture.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IMPORT "plumb manifest import csv t.csv --map map.json --out r.jsonl "

static const char map[] =
    "{\"id\":\"x:{doc}\",\"content\":{\"columns\":[\"text\"]},\"annotator\":\"who\","
    "\"label\":\"label\",\"domain\":\"domain\",\"rubric\":\"{label|slug}@1\"}";

static void put_table(const char *rows)
{
    char text[4096];
    snprintf(text, sizeof text, "doc,text,who,label,domain\n%s", rows);
    cli_write("t.csv", text);
    cli_write("map.json", map);
    (void)remove("r.jsonl");
}

/* Line n of the records (from 1), parsed. */
static json_t *record(const char *path, int n)
{
    json_t *out = NULL;
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    for (int i = 0; i < n; i++) {
        json_decref(out);
        out = json_loadf(in, JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(out);
    }
    (void)fclose(in);
    return out;
}

static void assert_json(const json_t *value, const char *expected)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    assert_string_equal(text ? text : "(nothing)", expected);
    free(text);
}

static void assert_field(const json_t *object, const char *name, const char *expected)
{
    assert_json(json_object_get(object, name), expected);
}

static void one_record_an_item(void **state)
{
    (void)state;
    put_table("1,\"He said \"\"no\"\",\r\ntwice\",ann,yes,news\r\n2,plain,bob,no,news\r\n"
              "1,\"He said \"\"no\"\",\r\ntwice\",bob,yes,news\r\n2,plain,ann,yes,news\r\n");
    assert_cli(0, "",
               "4 rows: 2 records, 4 annotations by 2 annotators in r.jsonl\n"
               "Krippendorff's alpha (nominal): 0.0000\n",
               IMPORT "--keep-annotators --quality-from agreement --weight-from consensus");
    json_t *first = record("r.jsonl", 1), *second = record("r.jsonl", 2);
    assert_field(first, "text", "\"He said \\\"no\\\",\\r\\ntwice\"");
    assert_field(first, "content",
                 "{\"bytes\":20,\"sha256\":"
                 "\"7e70c93728cf899b2635b0d300db043d84793f1a22459cf5724a9a933c5892e2\"}");
    assert_field(first, "annotations",
                 "[{\"annotator\":\"ann\",\"label\":\"yes\"},"
                 "{\"annotator\":\"bob\",\"label\":\"yes\"}]");
    assert_field(first, "agreement", "{\"alpha\":1.0,\"raters\":2}");
    assert_field(first, "rubric", "\"yes@1\"");
    assert_field(first, "quality", "1.0");
    assert_field(second, "label", "\"no\""); /* of equals the first in order */
    assert_field(second, "weight", "0.5");
    assert_field(second, "quality", "0.0");
    json_decref(first);
    json_decref(second);
}

static void refused_tables(void **state)
{
    static const struct {
        const char *rows, *message;
    } cases[] = {
        {"1,a,ann,yes\n", "t.csv: line 2 column 9: 4 fields, but the header has 5"},
        {"1,a,ann,yes,d,e\n", "t.csv: line 2 column 15: 6 fields, but the header has 5"},
        {"1,\"a,ann,yes,d\n", "t.csv: line 2 column 3: a quote that is never closed"},
        {"1,a\"b,ann,yes,d\n", "t.csv: line 2 column 4: a quote inside a field without quotes"},
        {"1,\"a\"b,ann,yes,d\n", "t.csv: line 2 column 6: text behind a closing quote"},
        {"1,a\rb,ann,yes,d\n",
         "t.csv: line 2 column 4: a carriage return inside a field without quotes"},
        {"1,a\xc3(,ann,yes,d\n", "t.csv: line 2 column 5: not valid UTF-8"},
        {"1,a\xed\xa0\x80,ann,yes,d\n", "t.csv: line 2 column 5: not valid UTF-8"},
        {"1,a,,yes,d\n",
         "t.csv: line 2: \"annotator\" must have 1 to 1024 bytes without control characters"},
        {"1,a,ann,yes,d\n1,b,bob,yes,d\n",
         "t.csv: line 3: item \"x:1\" has another \"text\" here than on line 2; what differs "
         "between annotators belongs under \"keep\""},
        {"1,a,ann,yes,d\n1,a,bob,yes,e\n",
         "t.csv: line 3: item \"x:1\" has another \"domain\" here than on line 2; what differs "
         "between annotators belongs under \"keep\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[400];
        put_table(cases[i].rows);
        snprintf(message, sizeof message, "plumb: %s\n", cases[i].message);
        assert_cli(3, "", message, IMPORT "--keep-annotators");
        assert_int_not_equal(access("r.jsonl", F_OK), 0);
        assert_int_not_equal(access("r.jsonl.tmp", F_OK), 0);
    }
}

static void skipping(void **state)
{
    (void)state;
    put_table("1,a,ann,yes,d\n2,\xff,ann,yes,d\n3,c,ann\n4,d,ann,no,d\n");
    assert_cli(0, "",
               "refused: t.csv: line 3 column 3: not valid UTF-8\n"
               "refused: t.csv: line 4 column 5: 3 fields, but the header has 5\n"
               "4 rows: 2 records, 2 annotations by 1 annotators in r.jsonl\n"
               "Krippendorff's alpha is not defined: no item has two different annotators' "
               "judgements, or all are the same\n2 rows refused\n",
               IMPORT "--keep-annotators --on-error skip");
    /* Nothing is replaced. */
    assert_cli(4, "", "plumb: r.jsonl: exists already; an import replaces nothing\n",
               IMPORT "--keep-annotators");
}

static void names_are_asked_for(void **state)
{
    (void)state;
    put_table("1,a,ann,yes,d\n");
    assert_cli(2, "",
               "plumb: annotators are people: give --pseudonym-key FILE, or --keep-annotators if "
               "their names may be published\n",
               IMPORT);
    cli_write("short.key", "0123456789abcde");
    assert_cli(5, "",
               "plumb: short.key: a key for pseudonyms must hold 16 to 64 random bytes; make one "
               "with: head -c 32 /dev/urandom > FILE\n",
               IMPORT "--pseudonym-key short.key");
    cli_write("p.key", "0123456789abcdef");
    assert_int_equal(cli(IMPORT "--pseudonym-key p.key")->code, 0);
    json_t *first = record("r.jsonl", 1);
    /* BLAKE2b-256 of "ann" under that key, by Python's hashlib. */
    assert_field(first, "annotators", "[\"a-5ee2fbc19bacb4da\"]");
    json_decref(first);
}

static void mappings(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"id\":\"doc\"}", "map.json: must have exactly one of \"content\", \"chosen\" with "
                             "\"rejected\", and \"pair\""},
        {"{\"content\":{\"columns\":[\"text\"]}}", "map.json: field \"id\" is missing"},
        {"{\"id\":\"doc\",\"content\":{\"columns\":[\"text\"]},\"label\":\"lable\"}",
         "map.json: field \"label\": t.csv has no column \"lable\" (its columns: doc, text, who, "
         "label, domain)"},
        {"{\"id\":\"{doc|upper}\",\"content\":{\"columns\":[\"text\"]}}",
         "map.json: field \"id\": template \"{doc|upper}\" must have {column} or "
         "{column|filter}, with filters trim, lower, slug, head:TEXT, tail:TEXT; {{ and }} stand "
         "for braces"},
        {"{\"id\":\"doc\",\"content\":{\"columns\":[\"text\"]},\"agreement\":{\"metric\":"
         "\"ordinal\"}}",
         "map.json: in \"agreement\": the metric \"ordinal\" and \"take\": \"worst\" want "
         "\"values\", all labels in their order, the worst last"},
        {"{\"id\":\"doc\",\"content\":{\"columns\":[\"text\"]},\"keep\":{\"label\":\"label\"}}",
         "map.json: in \"keep\": \"label\" is a field that records have already"},
        {"{\"id\":\"who\",\"content\":{\"columns\":[\"text\"]}}",
         "t.csv: line 3: id \"ann\" is that of line 2 already; ids must be unique, or the mapping "
         "must say \"annotator\""},
        {"{\"id\":\"doc\",\"content\":{\"columns\":[\"text\"]},\"rubric\":\"{label}@\"}",
         "t.csv: line 2: rubric \"yes@\" must be named name@version"},
        {"{\"id\":\"doc\",\"content\":{\"columns\":[\"text\"]},\"domain\":\"@{label}\"}",
         "t.csv: line 2: domain \"@yes\" must be named name or name@version"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[500];
        put_table("1,a,ann,yes,d\n2,b,ann,no,d\n");
        cli_write("map.json", cases[i].text);
        snprintf(message, sizeof message, "plumb: %s\n", cases[i].message);
        assert_cli(3, "", message, IMPORT "--keep-annotators");
    }
}

/* ---- consensus ---- */

/* Rows of a table: one letter an annotator and item, '-' where they did not judge it. */
static void put_judgements(const char *const *items, int n)
{
    char rows[2048];
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        for (int k = 0; items[i][k] != 0; k++) {
            if (items[i][k] == '-') continue;
            at += (size_t)snprintf(rows + at, sizeof rows - at, "%d,text %d,rater%d,%c,d\n", i, i,
                                   k, items[i][k]);
        }
    }
    put_table(rows);
}

/* The model of these prefers c for the third item and a for the last (by numpy). Nobody said so. */
static void labels_that_somebody_gave(void **state)
{
    static const char *const items[] = {"cb-", "c-a", "-bb", "bcb", "bac", "bca", "--c"};
    static const char *const labels[] = {"\"c\"", "\"c\"", "\"b\"", "\"b\"",
                                         "\"a\"", "\"b\"", "\"c\""};
    (void)state;
    put_judgements(items, 7);
    assert_cli(0, "",
               "16 rows: 7 records, 16 annotations by 3 annotators in r.jsonl\n"
               "Krippendorff's alpha (nominal): -0.1831\n"
               "Dawid-Skene: 26 rounds\n"
               "2 items whose most probable label none of their annotators gave: they have the "
               "most probable of those given\n",
               IMPORT "--keep-annotators --consensus dawid-skene --quality-from consensus "
                      "--report report.json");
    for (int i = 0; i < 7; i++) {
        json_t *one = record("r.jsonl", i + 1);
        assert_field(one, "label", labels[i]);
        if (i == 6) {
            const double quality = json_real_value(json_object_get(one, "quality"));
            assert_true(quality > 0.0145 && quality < 0.0147); /* of the model, not scaled up */
        }
        json_decref(one);
    }
    json_t *report = record("report.json", 1);
    assert_field(json_object_get(report, "consensus"), "not_given", "2");
    json_decref(report);
    (void)remove("report.json");
}

static void consensus_refused(void **state)
{
    static const char *const alone[] = {"y--", "-n-", "y--", "--n"};
    static const char *const few[] = {"yy", "y-", "-n", "y-", "y-", "-n",
                                      "y-", "y-", "-n", "y-", "y-"};
    static const char *const open[] = {"aa", "cc", "cb", "ca", "bc", "aa", "ab", "ca", "bb"};
    (void)state;
    put_judgements(alone, 4);
    assert_cli(2, "",
               "plumb: a consensus by Dawid-Skene cannot be found here: 0 of 4 judged items have "
               "two annotators or more, at least one in 10 must, else nothing shows how reliable "
               "an annotator is; use --consensus majority or none\n",
               IMPORT "--keep-annotators --consensus dawid-skene");
    put_judgements(few, 11);
    assert_cli(2, "",
               "plumb: a consensus by Dawid-Skene cannot be found here: 1 of 11 judged items have "
               "two annotators or more, at least one in 10 must, else nothing shows how reliable "
               "an annotator is; use --consensus majority or none\n",
               IMPORT "--keep-annotators --consensus dawid-skene");
    put_judgements(few, 10);
    assert_int_equal(cli(IMPORT "--keep-annotators --consensus dawid-skene")->code, 0);
    put_judgements(open, 9);
    assert_cli(3, "",
               "plumb: the consensus by Dawid-Skene has not settled after 1000 rounds: its labels "
               "would be those of where it was stopped; use --consensus majority or none\n",
               IMPORT "--keep-annotators --consensus dawid-skene");
    assert_int_not_equal(access("r.jsonl", F_OK), 0);
}

/* ---- real data ---- */

static const char *data(void)
{
    const char *folder = getenv("PLUMB_TEST_DATA");
    if (folder == NULL || access(folder, R_OK) != 0) {
        print_message("skipped: PLUMB_TEST_DATA does not name the folder of test data\n");
        skip();
    }
    return folder;
}

/* Runs import_check.py where a Python with numpy is found. */
static void check_by_python(const char *arguments, const char *expected)
{
    const char *source = getenv("PLUMB_SOURCE_DIR"), *python = getenv("PLUMB_INTEROP_PYTHON");
    if (python == NULL || access(python, X_OK) != 0) python = "python3";
    if (cli("%s -c 'import numpy'", python)->code != 0) {
        print_message("not compared: no %s with numpy\n", python);
        return;
    }
    const cli_run *run = cli("%s %s/tests/cli/import_check.py %s", python, source, arguments);
    if (run->code != 0) fail_msg("%s", run->err);
    assert_string_equal(run->out + (strlen(run->out) - strlen(expected)), expected);
}

/* From an export to a signed manifest in three commands, and two for the customer. */
static void wmt_in_three_commands(void **state)
{
    const char *from = data(), *source = getenv("PLUMB_SOURCE_DIR");
    (void)state;
    cli_write("pass", "open sesame\n");
    cli_write("p.key", "0123456789abcdef");
    const char *commands[] = {
        "plumb manifest import csv %s/wmt-mqm/mqm_ted_ende.tsv --out wmt.jsonl --taxonomy-out "
        "wmt-taxonomy.json --pseudonym-key p.key --map %s/examples/mappings/wmt-mqm.json",
        "plumb key new acme --passphrase-file pass",
        "plumb manifest sign wmt.jsonl --key acme.key --passphrase-file pass --vendor acme "
        "--dataset wmt --version 1 --taxonomy wmt-taxonomy.json",
        /* the customer's store, once */
        "plumb key new root --passphrase-file pass",
        "plumb trust init trust.json --root root.key --passphrase-file pass",
        "plumb trust add trust.json --root root.key --passphrase-file pass --vendor acme --key "
        "acme.pub --name acme-1 --role quality-attestation --until 2100-01-01",
        "plumb manifest verify wmt.plumb.json --trust trust.json",
        "plumb manifest show wmt.plumb.json --trust trust.json --id wmt:talk.1:1:Nemo"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char command[1024];
        snprintf(command, sizeof command, i == 0 ? commands[0] : "%s", i == 0 ? from : commands[i],
                 source);
        const cli_run *run = cli("%s", command);
        if (run->code != 0) fail_msg("%s: %s", command, run->err);
    }
    /* One rater an item: nothing shows which of them errs. */
    const cli_run *refused =
        cli("plumb manifest import csv %s/wmt-mqm/mqm_ted_ende.tsv --out no.jsonl --pseudonym-key "
            "p.key --map %s/examples/mappings/wmt-mqm.json --consensus dawid-skene",
            from, source);
    assert_int_equal(refused->code, 2);
    assert_non_null(strstr(refused->err, "0 of 7406 judged items have two annotators"));
    char arguments[600];
    snprintf(arguments, sizeof arguments, "wmt %s/wmt-mqm/mqm_ted_ende.tsv wmt.jsonl p.key", from);
    check_by_python(arguments, "7406 8435\n");
}

static void convabuse(void **state)
{
    const char *from = data(), *source = getenv("PLUMB_SOURCE_DIR");
    char arguments[600];
    (void)state;
    cli_write("p.key", "0123456789abcdef");
    const cli_run *run =
        cli("plumb manifest import csv %s/convabuse/ConvAbuseEMNLPfull.csv --out abuse.jsonl "
            "--map %s/examples/mappings/convabuse.json --pseudonym-key p.key --consensus "
            "dawid-skene --quality-from consensus --report report.json",
            from, source);
    assert_int_equal(run->code, 0);
    assert_non_null(strstr(run->err, "12768 rows: 4185 records, 12768 annotations by 8 annotators "
                                     "in abuse.jsonl\nKrippendorff's alpha (ordinal): 0.6598\n"
                                     "Dawid-Skene: 698 rounds\n95 items whose most probable"));
    snprintf(arguments, sizeof arguments,
             "convabuse %s/convabuse/ConvAbuseEMNLPfull.csv abuse.jsonl p.key report.json", from);
    check_by_python(arguments, "4185 12768\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_record_an_item), cmocka_unit_test(refused_tables),
        cmocka_unit_test(skipping),           cmocka_unit_test(names_are_asked_for),
        cmocka_unit_test(mappings),           cmocka_unit_test(labels_that_somebody_gave),
        cmocka_unit_test(consensus_refused),  cmocka_unit_test(wmt_in_three_commands),
        cmocka_unit_test(convabuse)};
    return cmocka_run_group_tests(tests, cli_setup, cli_teardown);
}
