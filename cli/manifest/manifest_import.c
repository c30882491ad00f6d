/* plumb manifest import */
#include "cli/manifest/manifest_verbs.h"
#include "manifest/plumb_import.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char help_text[] =
    "usage: plumb manifest import label-studio|scale|csv|croissant INPUT --out NAME.jsonl\n"
    "                             [--map MAP.json] [--pseudonym-key FILE | --keep-annotators]\n"
    "                             [--consensus majority|dawid-skene|none]\n"
    "                             [--quality-from none|agreement|consensus]\n"
    "                             [--weight-from none|agreement|consensus]\n"
    "                             [--taxonomy-out T.json] [--report FILE]\n"
    "                             [--on-error stop|skip]\n"
    "\n"
    "Reads an annotation export and writes a records file that `plumb manifest sign` takes: one\n"
    "record an item, with every annotation, agreement (Krippendorff's alpha) and a consensus "
    "label.\n"
    "A csv (or .tsv) wants a mapping that says which column is what: see docs/importers.md and\n"
    "examples/mappings. Annotators get pseudonyms under a key of 16 to 64 random bytes, made once\n"
    "and kept: head -c 32 /dev/urandom > annotators.key\n"
    "\n"
    "example: plumb manifest import csv ratings.csv --map map.json --out ratings.jsonl \\\n"
    "             --pseudonym-key annotators.key --consensus majority --quality-from consensus\n";

typedef struct arguments {
    plumb_import_options import;
    bool help;
} arguments;

/* The place of `value` among the words; false after a message. */
static bool take_word(const char *option, const char *value, const char *const *words, int *out)
{
    for (int i = 0; words[i] != NULL; i++) {
        *out = i;
        if (strcmp(words[i], value) == 0) return true;
    }
    (void)plumb__cli_usage("manifest import", "%s cannot be \"%s\"", option, value);
    return false;
}

static bool take_choice(int option, plumb_import_options *out)
{
    static const char *const consensus[] = {"majority", "dawid-skene", "none", NULL};
    static const char *const scores[] = {"none", "agreement", "consensus", NULL};
    static const char *const errors[] = {"stop", "skip", NULL};
    int word = 0;
    switch (option) {
    case 'c':
        if (!take_word("--consensus", optarg, consensus, &word)) return false;
        out->consensus = (plumb_import_consensus)word;
        return true;
    case 'q':
        if (!take_word("--quality-from", optarg, scores, &word)) return false;
        out->quality_from = (plumb_import_score)word;
        return true;
    case 'w':
        if (!take_word("--weight-from", optarg, scores, &word)) return false;
        out->weight_from = (plumb_import_score)word;
        return true;
    case 'e':
        if (!take_word("--on-error", optarg, errors, &word)) return false;
        out->skip_errors = word == 1;
        return true;
    default: return plumb__cli_take(option, optarg);
    }
}

static bool take_option(int option, arguments *out)
{
    switch (option) {
    case 'h': out->help = true; return true;
    case 'o': out->import.records_path = optarg; return true;
    case 'm': out->import.mapping_path = optarg; return true;
    case 't': out->import.taxonomy_path = optarg; return true;
    case 'r': out->import.report_path = optarg; return true;
    case 'p': out->import.pseudonym_key_path = optarg; return true;
    case 'k': out->import.keep_annotators = true; return true;
    default: return take_choice(option, &out->import);
    }
}

static int parse(int argc, char **argv, arguments *out)
{
    static const char *const formats[] = {"csv", "label-studio", "scale", "croissant", NULL};
    static const struct option options[] = {{"out", required_argument, NULL, 'o'},
                                            {"map", required_argument, NULL, 'm'},
                                            {"taxonomy-out", required_argument, NULL, 't'},
                                            {"report", required_argument, NULL, 'r'},
                                            {"pseudonym-key", required_argument, NULL, 'p'},
                                            {"keep-annotators", no_argument, NULL, 'k'},
                                            {"consensus", required_argument, NULL, 'c'},
                                            {"quality-from", required_argument, NULL, 'q'},
                                            {"weight-from", required_argument, NULL, 'w'},
                                            {"on-error", required_argument, NULL, 'e'},
                                            PLUMB__CLI_LONG_OPTIONS};
    int option, format = 0;
    while ((option = plumb__cli_getopt("manifest import", argc, argv, ":h", options)) != -1) {
        if (!take_option(option, out)) return PLUMB__EXIT_USAGE;
    }
    if (out->help) return 0;
    if (argc - optind != 2 || out->import.records_path == NULL) {
        return plumb__cli_usage("manifest import",
                                "manifest import wants a format, an input file and --out");
    }
    if (!take_word("the format", argv[optind], formats, &format)) return PLUMB__EXIT_USAGE;
    out->import.format = (plumb_import_format)format;
    out->import.input_path = argv[optind + 1];
    if (out->import.pseudonym_key_path != NULL && out->import.keep_annotators) {
        return plumb__cli_usage("manifest import",
                                "--pseudonym-key and --keep-annotators exclude each other");
    }
    return 0;
}

static void tell_refused(void *ctx, const char *message)
{
    (void)ctx;
    plumb__cli_say("refused: %s", message);
}

static void tell_json(const plumb_import_summary *s)
{
    json_t *alpha = isnan(s->alpha) ? json_null() : json_real(s->alpha);
    plumb__cli_print_json(json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:s,s:I,s:I}", "rows", (json_int_t)s->rows, "records",
        (json_int_t)s->records, "annotations", (json_int_t)s->annotations, "annotators",
        (json_int_t)s->annotators, "refused", (json_int_t)s->refused, "left_out",
        (json_int_t)s->left_out, "repeated", (json_int_t)s->repeated, "alpha", alpha, "metric",
        s->metric, "rounds", (json_int_t)s->rounds, "not_given", (json_int_t)s->not_given));
}

static void tell(const arguments *a, const plumb_import_summary *s)
{
    plumb__cli_say("%" PRIu64 " rows: %" PRIu64 " records, %" PRIu64 " annotations by %" PRIu64
                   " annotators in %s",
                   s->rows, s->records, s->annotations, s->annotators, a->import.records_path);
    if (!isnan(s->alpha)) plumb__cli_say("Krippendorff's alpha (%s): %.4f", s->metric, s->alpha);
    if (isnan(s->alpha) && s->annotators > 0)
        plumb__cli_say("Krippendorff's alpha is not defined: no item has two different annotators' "
                       "judgements, or all are the same");
    if (s->rounds > 0) plumb__cli_say("Dawid-Skene: %" PRIu32 " rounds", s->rounds);
    if (s->not_given > 0)
        plumb__cli_say("%" PRIu64 " items whose most probable label none of their annotators gave: "
                       "they have the most probable of those given",
                       s->not_given);
    if (s->repeated > 0)
        plumb__cli_say("%" PRIu64 " judgements repeat their annotator's: kept, not compared",
                       s->repeated);
    if (s->left_out > 0)
        plumb__cli_say("%" PRIu64 " left out: cancelled, unfinished or undecided", s->left_out);
    if (s->refused > 0) plumb__cli_say("%" PRIu64 " rows refused", s->refused);
}

int plumb__manifest_verb_import(int argc, char **argv)
{
    arguments a = {0};
    plumb_error err = {0};
    plumb_import_summary summary;
    plumb_import_options_default(&a.import);
    a.import.refused = tell_refused;
    const int wrong = parse(argc, argv, &a);
    if (wrong != 0) return wrong;
    if (a.help) return plumb__cli_help(help_text);
    if (plumb_import(&a.import, &summary, &err) != PLUMB_OK) return plumb__cli_fail(&err);
    tell(&a, &summary);
    if (plumb__cli.json) tell_json(&summary);
    return plumb__cli_done(PLUMB__EXIT_OK);
}
