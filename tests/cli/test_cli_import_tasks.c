/* Aim: task exports (Label Studio, Scale) and Croissant descriptions are read as docs/importers.md
 * says, and a manifest's own description is accepted by mlcroissant. Method: small exports in the
 * published shapes, records compared as JSON; wrong shapes and hostile metadata with their exact
 * messages; croissant_check.py where mlcroissant is installed (else skipped, saying so). */
#include "cli_fixture.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Line n of r.jsonl (from 1) under its canonical form, without the content's digest. */
static void assert_record(int n, const char *expected)
{
    json_t *record = NULL;
    FILE *in = fopen("r.jsonl", "rb");
    assert_non_null(in);
    for (int i = 0; i < n; i++) {
        json_decref(record);
        record = json_loadf(in, JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(record);
    }
    (void)fclose(in);
    json_object_del(record, "content");
    char *text = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, expected);
    free(text);
    json_decref(record);
}

static int import(const char *format, const char *text, const char *more)
{
    cli_write("in.json", text);
    (void)remove("r.jsonl");
    return cli("plumb manifest import %s in.json --out r.jsonl --keep-annotators %s", format, more)
        ->code;
}

#define assert_refused(format, text, message)                                                      \
    do {                                                                                           \
        cli_write("in.json", text);                                                                \
        assert_cli(3, "", "plumb: in.json: " message "\n",                                         \
                   "plumb manifest import " format " in.json --out none.jsonl --keep-annotators"); \
    } while (0)

/* ---- Label Studio ---- */

#define CHOICE(id, by, choice)                                                                     \
    "{\"id\":" id ",\"completed_by\":" by ",\"was_cancelled\":false,\"lead_time\":4.25,"           \
    "\"result\":[{\"id\":\"r\",\"from_name\":\"mood\",\"to_name\":\"text\",\"type\":\"choices\","  \
    "\"value\":{\"choices\":[\"" choice "\"]}}]}"

static void label_studio(void **state)
{
    (void)state;
    assert_int_equal(
        import(
            "label-studio",
            "[{\"id\":1,\"project\":3,\"data\":{\"text\":\"good\",\"ref\":7},\"predictions\":[],"
            "\"annotations\":[" CHOICE("11", "4", "pos") "," CHOICE(
                "12", "{\"id\":5}",
                "neg") ",{\"id\":13,\"completed_by\":6,\"result\":[],\"was_cancelled\":true}]},\n"
                       "{\"id\":2,\"data\":{\"text\":\"bad\"},\"annotations\":[]}]\n",
            ""),
        0);
    assert_record(1, "{\"agreement\":{\"alpha\":0.0,\"raters\":2},\"annotations\":["
                     "{\"annotation\":\"11\",\"annotator\":\"4\",\"label\":\"pos\",\"lead_time\":"
                     "\"4.25\"},{\"annotation\":\"12\",\"annotator\":\"5\",\"label\":\"neg\","
                     "\"lead_time\":\"4.25\"}],\"annotators\":[\"4\",\"5\"],"
                     "\"id\":\"label-studio:1\",\"label\":\"neg\",\"label_annotators\":[\"5\"],"
                     "\"text\":\"good\"}");
}

/* Every kind of result, one task a line, and a preference that annotators decide. */
static void label_studio_mapped(void **state)
{
    (void)state;
    cli_write("map.json",
              "{\"id\":\"ls:{task.id}\",\"annotator\":\"annotation.completed_by\",\"label\":"
              "\"result.pw\",\"pair\":{\"left\":\"a\",\"right\":\"b\",\"prompt\":\"q\"},"
              "\"domain\":\"meta.area\",\"keep\":{\"stars\":\"result.stars\",\"why\":"
              "\"result.why\",\"topics\":\"result.topics\",\"tree\":\"result.tree\"}}");
    const char *task =
        "{\"id\":%d,\"data\":{\"q\":\"Q\",\"a\":\"A\",\"b\":\"B\"},\"meta\":{\"area\":\"law\"},"
        "\"annotations\":[{\"completed_by\":1,\"result\":["
        "{\"from_name\":\"pw\",\"to_name\":\"a,b\",\"type\":\"pairwise\",\"value\":{\"selected\":"
        "\"%s\"}},{\"from_name\":\"stars\",\"to_name\":\"a\",\"type\":\"rating\",\"value\":"
        "{\"rating\":4}},{\"from_name\":\"why\",\"to_name\":\"a\",\"type\":\"textarea\",\"value\":"
        "{\"text\":[\"clear\"]}},{\"from_name\":\"topics\",\"to_name\":\"a\",\"type\":\"choices\","
        "\"value\":{\"choices\":[\"x\",\"y\"]}},{\"from_name\":\"tree\",\"to_name\":\"a\",\"type\":"
        "\"taxonomy\",\"value\":{\"taxonomy\":[[\"Law\",\"Tax\"]]}}]}]}\n";
    char text[4096];
    const int n = snprintf(text, sizeof text, task, 1, "right");
    snprintf(text + n, sizeof text - (size_t)n, task, 2, "none");
    assert_int_equal(import("label-studio", text, "--map map.json"), 0);
    assert_record(1,
                  "{\"agreement\":{\"raters\":1},\"annotations\":[{\"annotator\":\"1\",\"label\":"
                  "\"right\",\"stars\":\"4\",\"topics\":[\"x\",\"y\"],\"tree\":[\"Law/Tax\"],"
                  "\"why\":[\"clear\"]}],\"annotators\":[\"1\"],\"chosen\":\"B\",\"domain\":"
                  "\"law\",\"id\":\"ls:1\",\"label\":\"right\",\"label_annotators\":[\"1\"],"
                  "\"prompt\":\"Q\",\"rejected\":"
                  "\"A\"}");
    const cli_run *run = cli("wc -l <r.jsonl");
    assert_string_equal(run->out, "1\n"); /* what nobody decided is left out */
}

/* Regions are counted in UTF-16 units: the emoji has two, and four bytes. */
static void label_studio_regions(void **state)
{
    const char *task =
        "[{\"id\":1,\"data\":{\"text\":\"\xf0\x9f\x98\x80 Ana lives in Bonn\"},\"annotations\":[{"
        "\"completed_by\":1,\"result\":[{\"from_name\":\"ner\",\"to_name\":\"t\",\"type\":"
        "\"labels\",\"value\":{\"start\":3,\"end\":6,\"text\":\"%s\",\"labels\":[\"person\"]}},"
        "{\"from_name\":\"ner\",\"to_name\":\"t\",\"type\":\"labels\",\"value\":{\"start\":16,"
        "\"end\":%d,\"labels\":[\"place\"]}}]}]}]";
    char text[1024];
    (void)state;
    cli_write("map.json", "{\"id\":\"{task.id}\",\"content\":{\"columns\":[\"text\"]},"
                          "\"annotator\":\"annotation.completed_by\",\"category\":\"result.ner\","
                          "\"spans\":{\"control\":\"ner\",\"segments\":true}}");
    snprintf(text, sizeof text, task, "Ana", 20);
    assert_int_equal(import("label-studio", text, "--map map.json"), 0);
    assert_record(1, "{\"agreement\":{\"raters\":1},\"annotations\":[{\"annotator\":\"1\","
                     "\"bytes\":[[5,8]],\"category\":[\"person\"]},{\"annotator\":\"1\","
                     "\"bytes\":[[18,22]],\"category\":[\"place\"]}],"
                     "\"annotators\":[\"1\"],\"id\":\"1\",\"segments\":[{\"annotators\":[\"1\"],"
                     "\"bytes\":[5,8]},{\"annotators\":[\"1\"],\"bytes\":[18,22]}],\"text\":"
                     "\"\xf0\x9f\x98\x80 Ana lives in Bonn\"}");
    snprintf(text, sizeof text, task, "Eva", 20);
    assert_int_equal(import("label-studio", text, "--map map.json"), 3);
    assert_string_equal(
        cli("plumb manifest import label-studio in.json --map map.json --out r.jsonl "
            "--keep-annotators")
            ->err,
        "plumb: in.json: line 1: the region from 3 to 6 says \"Eva\", but the text "
        "does not\n");
    snprintf(text, sizeof text, task, "Ana", 21);
    assert_int_equal(import("label-studio", text, "--map map.json"), 3);
}

/* Which label is which region's stays told: in a mapping of spans only, with several labels, with
 * what is said of one region or of the whole, and without an annotator. */
static void label_studio_labels_of_regions(void **state)
{
    const char *task =
        "[{\"id\":1,\"data\":{\"text\":\"Ana in Bonn, Bonn\"},\"annotations\":[{\"result\":["
        "{\"id\":\"a\",\"from_name\":\"ner\",\"type\":\"labels\",\"value\":{\"start\":0,\"end\":3,"
        "\"labels\":[\"PER\",\"LOC\"]}},"
        "{\"id\":\"b\",\"from_name\":\"why\",\"type\":\"textarea\",\"value\":{\"start\":7,\"end\":"
        "11,\"text\":[\"a town\"]}},"
        "{\"id\":\"b\",\"from_name\":\"ner\",\"type\":\"labels\",\"value\":{\"start\":7,\"end\":11,"
        "\"labels\":[\"LOC\"]}},"
        "{\"id\":\"c\",\"from_name\":\"ner\",\"type\":\"labels\",\"value\":{\"start\":13,\"end\":"
        "17}},"
        "{\"id\":\"d\",\"from_name\":\"mood\",\"type\":\"choices\",\"value\":{\"choices\":["
        "\"calm\"]}}]}]}]";
    (void)state;
    cli_write("map.json", "{\"id\":\"{task.id}\",\"content\":{\"columns\":[\"text\"]},\"label\":"
                          "\"result.mood\",\"keep\":{\"why\":\"result.why\"},"
                          "\"spans\":{\"control\":\"ner\"}}");
    assert_int_equal(import("label-studio", task, "--map map.json"), 0);
    assert_record(1,
                  "{\"annotations\":[{\"bytes\":[[0,3]],\"category\":[\"PER\",\"LOC\"],\"label\":"
                  "\"calm\"},{\"bytes\":[[7,11]],\"category\":[\"LOC\"],\"why\":[\"a town\"]},"
                  "{\"bytes\":[[13,17]]}],\"id\":\"1\",\"label\":\"calm\",\"text\":"
                  "\"Ana in Bonn, Bonn\"}");
    /* An annotation is taken as a whole: its last region is checked before its first is taken. */
    assert_int_equal(cli("sed 's/\"end\":17/\"end\":18/' in.json >bad.json")->code, 0);
    assert_cli(3, "",
               "refused: bad.json: line 1: a region from 13 to 18 does not lie in the text\n"
               "plumb: bad.json: there is no record in it\n",
               "plumb manifest import label-studio bad.json --map map.json --out none.jsonl "
               "--keep-annotators --on-error skip");
}

/* Numbers become the fewest digits that read back as the same double. */
static void numbers_as_texts(void **state)
{
    (void)state;
    cli_write("map.json", "{\"id\":\"m:{id}\",\"content\":{\"columns\":[\"text\"]},\"keep\":{\"a\":"
                          "\"a\",\"b\":\"b\",\"c\":\"c\",\"d\":\"d\",\"e\":\"e\"}}");
    assert_int_equal(
        import("label-studio",
               "[{\"text\":\"t\",\"id\":9,\"a\":4.7,\"b\":4.0,\"c\":0.1000000000000001,"
               "\"d\":[1,{\"y\":0.30000000000000004,\"x\":-1.5e-7}],\"e\":[1e300,40.0,"
               "1234567890123456.0,1e16,0.0,-0.5]}]",
               "--map map.json"),
        0);
    assert_record(
        1, "{\"annotations\":[{\"a\":\"4.7\",\"b\":\"4.0\",\"c\":\"0.1000000000000001\","
           "\"d\":\"[1,{\\\"x\\\":-1.5e-07,\\\"y\\\":0.30000000000000004}]\",\"e\":"
           "\"[1e+300,40.0,1234567890123456.0,1e+16,0.0,-0.5]\"}],\"id\":\"m:9\",\"text\":\"t\"}");
}

static void label_studio_min(void **state)
{
    (void)state;
    cli_write("map.json", "{\"id\":\"m:{id}\",\"content\":{\"columns\":[\"text\"]},\"annotator\":"
                          "\"annotator\",\"label\":\"mood\"}");
    assert_int_equal(import("label-studio",
                            "[{\"text\":\"t\",\"id\":9,\"mood\":\"pos\",\"annotator\":2,"
                            "\"annotation_id\":4,\"lead_time\":1.5}]",
                            "--map map.json"),
                     0);
    assert_record(1, "{\"agreement\":{\"raters\":1},\"annotations\":[{\"annotator\":\"2\","
                     "\"label\":\"pos\"}],\"annotators\":[\"2\"],\"id\":\"m:9\",\"label\":\"pos\","
                     "\"label_annotators\":[\"2\"],\"text\":\"t\"}");
}

static void label_studio_refused(void **state)
{
    (void)state;
    assert_refused("label-studio", "[]", "there is no annotated task in it");
    assert_refused("label-studio", "", "is empty");
    assert_refused("label-studio", "[{\"id\":1,\"data\":{\"text\":\"t\"},\"annotations\":[{]}]",
                   "line 1 column 46: string or '}' expected near ']'");
    assert_refused("label-studio",
                   "[\n{\"id\":1,\"data\":{\"text\":\"t\"},\"annotations\":[{\"result\":[]}]}]",
                   "line 2: the first annotated task has 1 texts and 0 controls that could be its "
                   "label; say which with --map MAP.json (docs/importers.md)");
    cli_write("in.json", "[{\"a\":1}]");
    assert_cli(2, "",
               "plumb: in.json: JSON-MIN does not say which field is the text and which a label; "
               "say so with --map MAP.json (docs/importers.md)\n",
               "plumb manifest import label-studio in.json --out none.jsonl --keep-annotators");
}

/* ---- JSON that is hostile ---- */

static void hostile_json(void **state)
{
    char deep[300] = "[";
    (void)state;
    cli_write("map.json", "{\"id\":\"{id}\",\"content\":{\"columns\":[\"text\"]}}");
    memset(deep + 1, '[', 200);
    assert_int_equal(import("label-studio", deep, ""), 3);
    assert_int_equal(import("label-studio", "[{\"a\":\"\\", ""), 3);
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[{\"id\":\"1\",\"text\":\"t\"},",
         "line 1 column 24: expected an element behind the comma"},
        {"[{\"id\":\"1\",\"text\":\"t\"}\n{}]",
         "line 2 column 1: expected a comma or the end of the array"},
        {"[{\"id\":\"1\",\"id\":\"2\"}]", "line 1 column 15: duplicate object key near '\"id\"'"},
        {"[{\"id\":\"1\",\"text\":\"\xff\"}]",
         "line 1 column 19: unable to decode byte 0xff near '\"'"},
        {"[{\"id\":\"1\",\"text\":\"a\\u0000\"}]",
         "line 1 column 27: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"a\\u0000\"'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[300];
        cli_write("in.json", cases[i].text);
        snprintf(message, sizeof message, "plumb: in.json: %s\n", cases[i].message);
        assert_cli(3, "", message,
                   "plumb manifest import label-studio in.json --map map.json --out none.jsonl");
    }
}

/* ---- Scale ---- */

#define MESSAGE(role, text, source)                                                                \
    "{\"role\":\"" role "\",\"content\":{\"text\":\"" text "\"},\"source_id\":\"" source           \
    "\",\"annotations\":[]}"

static void scale(void **state)
{
    (void)state;
    assert_int_equal(
        import(
            "scale",
            "{\"next_token\":null,\"tasks\":[{\"task_id\":\"t1\",\"project\":{\"id\":\"p\"},"
            "\"batch\":\"b\",\"status\":\"completed\",\"threads\":[{\"id\":\"h\","
            "\"submissions\":[{\"contributor_id\":\"c1\"},{\"contributor_id\":\"c2\"}],"
            "\"annotations\":[],\"turns\":[{\"id\":\"u\",\"annotations\":[{\"key\":\"rank\","
            "\"type\":\"ranked_groups\",\"value\":[[\"m2\"],[\"m1\"]]}],\"messages\":[" MESSAGE(
                "user", "hi",
                "x") "," MESSAGE("assistant", "A",
                                 "m1") "," MESSAGE("assistant", "B",
                                                   "m2") "]}]}]},"
                                                         "{\"task_id\":\"t2\",\"project\":\"p\","
                                                         "\"status\":\"pending\",\"threads\":[]}]}",
            ""),
        0);
    assert_record(1, "{\"agreement\":{\"raters\":2},\"annotations\":[{\"annotator\":\"c1\"},"
                     "{\"annotator\":\"c2\"}],\"annotators\":[\"c1\",\"c2\"],\"batch\":\"b\","
                     "\"chosen\":[{\"content\":\"B\",\"role\":\"assistant\",\"source_id\":\"m2\"}],"
                     "\"id\":\"scale:t1:h:u:1\",\"project\":\"p\",\"prompt\":[{\"content\":\"hi\","
                     "\"role\":\"user\",\"source_id\":\"x\"}],\"rejected\":[{\"content\":\"A\","
                     "\"role\":\"assistant\",\"source_id\":\"m1\"}],\"scale_annotations\":[{"
                     "\"key\":\"rank\",\"of\":\"turn 0\",\"type\":\"ranked_groups\",\"value\":"
                     "[[\"m2\"],[\"m1\"]]}]}");
}

static void scale_messages(void **state)
{
    (void)state;
    cli_write("map.json", "{\"id\":\"s:{task.id}\",\"annotator\":\"contributor\",\"label\":"
                          "\"annotation.grade\",\"domain\":\"metadata.lang\"}");
    assert_int_equal(
        import("scale",
               "{\"task_id\":\"t\",\"status\":\"completed\",\"metadata\":{\"lang\":\"en\"},"
               "\"threads\":[{\"id\":\"h\",\"submissions\":[{\"contributor_id\":\"c\"}],"
               "\"annotations\":[{\"key\":\"grade\",\"type\":\"integer\",\"value\":3}],\"turns\":[{"
               "\"id\":\"u\",\"messages\":[" MESSAGE("user", "hi", "x") "," MESSAGE(
                   "assistant", "A", "m") "]}]}]}\n",
               "--map map.json"),
        0);
    assert_record(1, "{\"agreement\":{\"raters\":1},\"annotations\":[{\"annotator\":\"c\","
                     "\"label\":\"3\"}],\"annotators\":[\"c\"],\"domain\":\"en\",\"id\":\"s:t\","
                     "\"label\":\"3\",\"label_annotators\":[\"c\"],\"messages\":[{\"content\":"
                     "\"hi\",\"role\":\"user\","
                     "\"source_id\":\"x\"},{\"content\":\"A\",\"role\":\"assistant\","
                     "\"source_id\":\"m\"}]}");
    assert_refused("scale", "[{\"id\":1}]",
                   "line 1: a task must have \"task_id\", \"status\" and \"threads\" (Scale GenAI, "
                   "API v2)");
    assert_refused("scale", "[{\"task_id\":\"t\",\"response\":{}}]",
                   "line 1: a delivered task with \"response\" has a form of its customer's own; "
                   "export it as CSV, or ask for the tasks themselves (GET /v2/task, "
                   "/v2/delivery)");
}

/* A task of one turn with two answers, a and b, and what is said of the turn. */
#define TWO_ANSWERS(said)                                                                          \
    "{\"task_id\":\"t\",\"status\":\"completed\",\"threads\":[{\"id\":\"h\",\"turns\":[{\"id\":"   \
    "\"u\",\"annotations\":[" said "],\"messages\":[" MESSAGE("user", "hi", "x") "," MESSAGE(      \
        "assistant", "A", "a") "," MESSAGE("assistant", "B", "b") "]}]}]}\n"

static void scale_undecided(void **state)
{
    (void)state;
    assert_refused("scale", TWO_ANSWERS("") TWO_ANSWERS("{\"key\":\"note\",\"value\":\"x\"}"),
                   "no turn was decided: none of the 2 turns with several answers has "
                   "ranked_choices, ranked_groups or selected_model_id that prefers one");
    assert_refused("scale", "{\"task_id\":\"t\",\"status\":\"pending\",\"threads\":[]}",
                   "there is no completed task with messages in it");
    assert_refused("scale",
                   "\n" TWO_ANSWERS("{\"key\":\"order\",\"type\":\"ranked_choices\",\"value\":["
                                    "\"c\",\"a\"]}"),
                   "line 2: task \"t\": turn \"u\": \"order\" names \"c\", but no answer of the "
                   "turn has that source_id");
    assert_refused(
        "scale",
        TWO_ANSWERS("{\"key\":\"order\",\"type\":\"ranked_groups\",\"value\":[[\"a\"],"
                    "[7]]}"),
        "line 1: task \"t\": turn \"u\": \"order\" names \"(not a text)\", but no answer "
        "of the turn has that source_id");
}

/* One format's file given as the other's, and a name that could not be signed. */
static void mistaken(void **state)
{
    static const char scale_says[] =
        "plumb: in.json: line 1: this looks like a Scale export (\"task_id\" and \"threads\"); "
        "read it with: plumb manifest import scale\n";
    (void)state;
    assert_refused("scale", "[{\"id\":1,\"data\":{\"text\":\"t\"},\"annotations\":[]}]",
                   "line 1: this looks like a Label Studio export (\"data\" and \"annotations\"); "
                   "read it with: plumb manifest import label-studio");
    cli_write("in.json", TWO_ANSWERS(""));
    assert_cli(3, "", scale_says,
               "plumb manifest import label-studio in.json --out none.jsonl --keep-annotators");
    cli_write("in.json", "{\"tasks\":[" TWO_ANSWERS("") "]}");
    assert_cli(3, "", scale_says,
               "plumb manifest import label-studio in.json --out none.jsonl --keep-annotators");
    assert_cli(2, "",
               "plumb: o.json: a records file is named NAME.jsonl, so that it can be signed\n",
               "plumb manifest import label-studio missing.json --out o.json --keep-annotators");
}

/* ---- Croissant ---- */

#define COLUMN(name) "{\"fileObject\":{\"@id\":\"f\"},\"extract\":{\"column\":\"" name "\"}}"
#define METADATA(url, id_source, more)                                                             \
    "{\"@context\":{},\"@type\":\"sc:Dataset\",\"conformsTo\":\"http://mlcommons.org/croissant/"   \
    "1.1\","                                                                                       \
    "\"distribution\":[{\"@type\":\"cr:FileObject\",\"@id\":\"f\",\"contentUrl\":\"" url           \
    "\",\"encodingFormat\":\"text/csv\"" more "}],\"recordSet\":[{\"@type\":\"cr:RecordSet\","     \
    "\"@id\":\"s\",\"key\":{\"@id\":\"s/n\"},\"field\":[{\"@id\":\"s/"                             \
    "n\",\"dataType\":\"sc:Text\","                                                                \
    "\"source\":" id_source "},{\"@id\":\"s/"                                                      \
    "caption\",\"dataType\":\"sc:Text\",\"source\":" COLUMN(                                       \
        "caption") "},{\"@id\":\"s/"                                                               \
                   "label\",\"dataType\":[\"sc:Text\",\"cr:Label\"],"                              \
                   "\"source\":" COLUMN("lab") ",\"annotation\":{\"@id\":"                         \
                                               "\"s/label/"                                        \
                                               "annotator\","                                      \
                                               "\"equivalentProperty\":"                           \
                                               "\"prov:wasAttributedTo\","                         \
                                               "\"subField\":[{\"@id\":"                           \
                                               "\"s/label/annotator/"                              \
                                               "age\",\"source\":" COLUMN(                         \
                                                   "age") "},{\"@id\":"                            \
                                                          "\"s/label/"                             \
                                                          "annotator/"                             \
                                                          "id\","                                  \
                                                          "\"source\""                             \
                                                          ":" COLUMN("wh"                          \
                                                                     "o") "}]}}]}]}"

static void croissant(void **state)
{
    (void)state;
    cli_write("f.csv", "n,caption,lab,who,age\n1,a cat,cat,p1,33\n1,a cat,cat,p2,40\n");
    assert_int_equal(import("croissant", METADATA("f.csv", COLUMN("n"), ""), ""), 0);
    assert_record(1, "{\"agreement\":{\"raters\":2},\"annotations\":[{\"annotator\":\"p1\","
                     "\"label\":\"cat\"},{\"annotator\":\"p2\",\"label\":\"cat\"}],\"annotators\":"
                     "[\"p1\",\"p2\"],\"id\":\"1\",\"label\":\"cat\",\"label_annotators\":[\"p1\","
                     "\"p2\"],\"text\":\"a cat\"}");
}

static void croissant_refused(void **state)
{
    (void)state;
    cli_write("f.csv", "n,caption,lab,who,age\n1,a cat,cat,p1,33\n");
    assert_refused("croissant", METADATA("../f.csv", COLUMN("n"), ""),
                   "\"../f.csv\": contentUrl must name a file beside the metadata; nothing is "
                   "fetched");
    assert_refused("croissant", METADATA("https://x/f.csv", COLUMN("n"), ""),
                   "\"https://x/f.csv\": contentUrl must name a file beside the metadata; nothing "
                   "is fetched");
    assert_refused("croissant", METADATA("f.csv", "{\"@id\":\"s/n\"}", ""),
                   "\"s/n\": its sources refer to each other in a circle");
    assert_refused("croissant", METADATA("f.csv", "{\"@id\":\"s/none\"}", ""),
                   "\"s/n\": its source is a field that is not there");
    assert_refused("croissant", METADATA("f.csv", COLUMN("n"), ",\"containedIn\":{\"@id\":\"z\"}"),
                   "\"f\": lies in an archive; unpack it and describe the file itself");
    assert_refused("croissant", "{}",
                   "\"conformsTo\": must conform to http://mlcommons.org/croissant/1.0 or 1.1");
    cli_write("in.json", METADATA("f.csv", COLUMN("n"), ",\"sha256\":\"00\""));
    assert_cli(5, "", "plumb: f.csv: its SHA-256 is not what in.json says\n",
               "plumb manifest import croissant in.json --out none.jsonl --keep-annotators");
    assert_int_equal(symlink("f.csv", "link.csv"), 0);
    cli_write("in.json", METADATA("link.csv", COLUMN("n"), ""));
    assert_cli(3, "", "plumb: link.csv is a symbolic link, not a regular file\n",
               "plumb manifest import croissant in.json --out none.jsonl --keep-annotators");
}

/* Signs NAME.jsonl, describes it as Croissant, reads that into r.jsonl. */
static void round_trip(const char *name)
{
    cli_write("pass", "open sesame\n");
    (void)remove("croissant.json");
    (void)remove("r.jsonl");
    if (access("acme.key", F_OK) != 0)
        assert_int_equal(cli("plumb key new acme --passphrase-file pass")->code, 0);
    const char *commands[] = {
        "plumb manifest sign %s.jsonl --key acme.key --passphrase-file pass --vendor acme "
        "--dataset x --version 1",
        "plumb manifest export %s.plumb.json --to croissant --out .",
        "plumb manifest import croissant croissant.json --keep-annotators --out r.jsonl"};
    for (size_t i = 0; i < 3; i++) {
        char command[300];
        snprintf(command, sizeof command, i < 2 ? commands[i] : "%s", i < 2 ? name : commands[i]);
        const cli_run *run = cli("%s", command);
        if (run->code != 0) fail_msg("%s: %s", command, run->err);
    }
}

/* The description of the label, and what it is attributed to ("" where it is not). */
static void assert_attributed(const char *description, const char *to)
{
    json_t *all = json_load_file("croissant.json", 0, NULL);
    const json_t *set = json_array_get(json_object_get(all, "recordSet"), 0);
    const json_t *field, *fields = json_object_get(set, "field");
    size_t i, labels = 0;
    json_array_foreach((json_t *)(uintptr_t)fields, i, field)
    {
        const json_t *note = json_object_get(field, "annotation");
        if (strcmp(json_string_value(json_object_get(field, "@id")), "records/label") != 0) {
            assert_null(note); /* nothing else says who made the label */
            continue;
        }
        const char *id = json_string_value(json_object_get(note, "@id"));
        labels++;
        assert_string_equal(json_string_value(json_object_get(field, "description")), description);
        assert_string_equal(id ? id : "", to);
    }
    assert_int_equal(labels, 1);
    json_decref(all);
}

#define TAIL "\"content\":{\"bytes\":1,\"sha256\":\"%s\"},\"text\":\"t\"}\n"
#define OF_T "e3b98a4da31a127d4bde6e43033f66ba274cab0eb7eb1c70ec41402bf6273dd8"

/* alice said pos, bob neg: the label is attributed to one of them, and stays so. */
static void nobody_agrees_by_export(void **state)
{
    char text[700];
    (void)state;
    cli_write("k.csv", "n,text,who,label\nk1,t,alice,pos\nk1,t,bob,neg\n");
    cli_write("map.json", "{\"id\":\"n\",\"content\":{\"columns\":[\"text\"]},\"annotator\":"
                          "\"who\",\"label\":\"label\"}");
    assert_int_equal(cli("plumb manifest import csv k.csv --map map.json --keep-annotators --out "
                         "k.jsonl")
                         ->code,
                     0);
    round_trip("k");
    assert_attributed("The consensus label, attributed to those whose own annotation it is",
                      "records/label/label_annotators");
    assert_record(1, "{\"agreement\":{\"raters\":1},\"annotations\":[{\"annotator\":\"bob\","
                     "\"label\":\"neg\"}],\"annotators\":[\"bob\"],\"id\":\"k1\",\"label\":"
                     "\"neg\",\"label_annotators\":[\"bob\"],\"text\":\"t\"}");
    /* Records of others: annotations that contradict the label attribute it to nobody. */
    snprintf(text, sizeof text,
             "{\"id\":\"k1\",\"label\":\"neg\",\"annotators\":[\"alice\",\"bob\"],\"annotations\":"
             "[{\"annotator\":\"alice\",\"label\":\"pos\"},{\"annotator\":\"bob\",\"label\":"
             "\"neg\"}]," TAIL,
             OF_T);
    cli_write("other.jsonl", text);
    round_trip("other");
    assert_attributed("The consensus label; not attributed, for annotators may have said otherwise",
                      "");
    assert_record(1, "{\"annotations\":[{\"label\":\"neg\"}],\"id\":\"k1\",\"label\":\"neg\","
                     "\"text\":\"t\"}");
    /* No annotations: a consensus of both, and neither is said to have said it. */
    snprintf(text, sizeof text,
             "{\"id\":\"k1\",\"label\":\"neg\",\"annotators\":[\"alice\",\"bob\"]," TAIL, OF_T);
    cli_write("bare.jsonl", text);
    round_trip("bare");
    assert_attributed("A consensus label, attributed to its annotators together: what each of them "
                      "said is not known",
                      "records/label/annotators");
    assert_record(1, "{\"agreement\":{\"raters\":2},\"annotations\":[{\"label\":\"neg\"},"
                     "{\"annotator\":\"alice\"},{\"annotator\":\"bob\"}],\"annotators\":["
                     "\"alice\",\"bob\"],\"id\":\"k1\",\"label\":\"neg\",\"text\":\"t\"}");
    (void)remove("croissant.json");
    (void)remove("acme.key");
    (void)remove("acme.pub");
}

static void export_croissant(void **state)
{
    const char *source = getenv("PLUMB_SOURCE_DIR"), *python = getenv("PLUMB_INTEROP_PYTHON");
    (void)state;
    cli_write("pass", "open sesame\n");
    cli_write("t.csv", "n,text,who,label,licence\n1,one,ann,yes,CC0-1.0\n2,two,bob,no,CC0-1.0\n"
                       "2,two,ann,yes,CC0-1.0\n");
    cli_write("map.json", "{\"id\":\"x:{n}\",\"content\":{\"columns\":[\"text\"]},\"annotator\":"
                          "\"who\",\"label\":\"label\",\"domain\":{\"value\":\"numbers\"},"
                          "\"licence\":\"licence\"}");
    const char *commands[] = {
        "plumb manifest import csv t.csv --map map.json --keep-annotators --out x.jsonl",
        "plumb key new acme --passphrase-file pass",
        "plumb manifest sign x.jsonl --key acme.key --passphrase-file pass --vendor acme --dataset "
        "x --version 1",
        "plumb manifest export x.plumb.json --to croissant --out ."};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const cli_run *run = cli("%s", commands[i]);
        if (run->code != 0) fail_msg("%s: %s", commands[i], run->err);
    }
    assert_cli(2, "",
               "plumb: /tmp/c.json: the metadata must lie in the folder of x.plumb.json, whose "
               "files it names\n",
               "plumb manifest export x.plumb.json --to croissant --out /tmp/c.json");
    /* What was written can be read back. */
    assert_cli(0, "",
               "2 rows: 2 records, 2 annotations by 2 annotators in back.jsonl\n"
               "Krippendorff's alpha is not defined: no item has two different annotators' "
               "judgements, or all are the same\n",
               "plumb manifest import croissant croissant.json --keep-annotators --out back.jsonl");
    if (python == NULL || access(python, X_OK) != 0) python = "python3";
    const cli_run *run =
        cli("%s %s/tests/cli/croissant_check.py croissant.json x.jsonl", python, source);
    if (run->code == 77) {
        print_message("%s", run->out);
        skip();
    }
    if (run->code != 0) fail_msg("%s", run->err);
    assert_string_equal(run->out, "2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(label_studio),
                                       cmocka_unit_test(label_studio_mapped),
                                       cmocka_unit_test(label_studio_min),
                                       cmocka_unit_test(label_studio_regions),
                                       cmocka_unit_test(label_studio_labels_of_regions),
                                       cmocka_unit_test(numbers_as_texts),
                                       cmocka_unit_test(label_studio_refused),
                                       cmocka_unit_test(hostile_json),
                                       cmocka_unit_test(scale),
                                       cmocka_unit_test(scale_messages),
                                       cmocka_unit_test(scale_undecided),
                                       cmocka_unit_test(mistaken),
                                       cmocka_unit_test(croissant),
                                       cmocka_unit_test(croissant_refused),
                                       cmocka_unit_test(nobody_agrees_by_export),
                                       cmocka_unit_test(export_croissant)};
    return cmocka_run_group_tests(tests, cli_setup, cli_teardown);
}
