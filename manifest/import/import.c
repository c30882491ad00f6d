/* An import from end to end: read, compare, decide, write. */
#include "base/file.h"
#include "base/hash.h"
#include "manifest/import/sources.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_VERSION 1

void plumb_import_options_default(plumb_import_options *options)
{
    *options = (plumb_import_options){.size = sizeof *options, .version = OPTIONS_VERSION};
}

plumb_status plumb__refuse(plumb__reading *r, plumb_status status, plumb_error *err)
{
    /* A failure of memory or of the file is not the row's. */
    const bool of_row = status == PLUMB_ERR_FORMAT;
    if (!of_row || !r->options->skip_errors) return status;
    r->summary->refused++;
    if (r->options->refused != NULL) r->options->refused(r->options->ctx, err->message);
    return PLUMB_OK;
}

plumb_status plumb__take_row(plumb__reading *r, plumb__row *row, plumb_error *err)
{
    const plumb_status status = plumb__collect_row(&r->collection, row, err);
    return status == PLUMB_OK ? PLUMB_OK : plumb__refuse(r, status, err);
}

static bool is_named(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    return n > m && strcmp(path + n - m, end) == 0;
}

static plumb_status check_options(const plumb_import_options *o, plumb_error *err)
{
    if (o->size != sizeof *o || o->version != OPTIONS_VERSION)
        return plumb__fail(err, PLUMB_ERR_VERSION, "import options of another version");
    if (o->input_path == NULL || o->records_path == NULL)
        return plumb__fail(err, PLUMB_ERR_ARGUMENT, "an import wants an input and an output");
    if (!is_named(o->records_path, ".jsonl")) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "%s: a records file is named NAME.jsonl, so that it can be signed",
                           o->records_path);
    }
    const char *const outputs[] = {o->records_path, o->taxonomy_path, o->report_path};
    for (int i = 0; i < 3; i++) {
        if (outputs[i] == NULL || !plumb__path_exists(outputs[i])) continue;
        return plumb__fail(err, PLUMB_ERR_EXISTS, "%s: exists already; an import replaces nothing",
                           outputs[i]);
    }
    const bool wants = o->quality_from == PLUMB_IMPORT_SCORE_CONSENSUS ||
                       o->weight_from == PLUMB_IMPORT_SCORE_CONSENSUS;
    if (wants && o->consensus == PLUMB_IMPORT_UNANIMOUS) {
        return plumb__fail(err, PLUMB_ERR_ARGUMENT,
                           "quality and weight cannot come from a consensus that is not asked for");
    }
    return PLUMB_OK;
}

static plumb_status read_input(plumb__reading *r, plumb_error *err)
{
    switch (r->options->format) {
    case PLUMB_IMPORT_CSV: return plumb__import_table(r, err);
    case PLUMB_IMPORT_LABEL_STUDIO: return plumb__import_label_studio(r, err);
    case PLUMB_IMPORT_SCALE: return plumb__import_scale(r, err);
    case PLUMB_IMPORT_CROISSANT: return plumb__import_croissant(r, err);
    default: return plumb__fail(err, PLUMB_ERR_ARGUMENT, "there is no such import format");
    }
}

/* A label that is asked for and never there is a misspelled one. */
static plumb_status check_labels(const plumb__reading *r, plumb_error *err)
{
    const plumb__mapping *m = &r->mapping;
    if (m->spec[m->judged] == NULL || r->collection.values.n > 0 || r->collection.n_said == 0)
        return PLUMB_OK;
    return plumb__fail(err, PLUMB_ERR_FORMAT,
                       "%s: field \"%s\": no annotation in %s has a value for it; is it the right "
                       "name?",
                       m->path, plumb__target_name(m->judged), r->options->input_path);
}

static void summarise(plumb__reading *r, const plumb__consensus *agreed)
{
    static const char *const metrics[] = {"nominal", "ordinal", "interval", "ratio"};
    plumb_import_summary *s = r->summary;
    s->annotations = r->collection.n_said;
    s->annotators = r->collection.annotators.n;
    s->repeated = agreed->repeated;
    s->alpha = agreed->alpha;
    s->metric = metrics[r->mapping.metric];
    s->rounds = agreed->model.rounds;
    s->not_given = agreed->not_given;
}

/* The records come last: where they are, the rest is there too. */
static plumb_status write_output(plumb__reading *r, const plumb__consensus *agreed,
                                 json_t *const *names, plumb_error *err)
{
    const plumb_import_options *o = r->options;
    const plumb__collection *c = &r->collection;
    uint64_t undecided = 0;
    bool taxonomy = false, report = false;
    plumb_status status = PLUMB_OK;
    if (o->taxonomy_path != NULL) {
        status = plumb__taxonomy_skeleton(c, o->taxonomy_path, err);
        taxonomy = status == PLUMB_OK;
    }
    if (status == PLUMB_OK && o->report_path != NULL) {
        status = plumb__import_report(c, agreed, names, o, err);
        report = status == PLUMB_OK;
    }
    if (status == PLUMB_OK)
        status = plumb__records_write(c, agreed, names, o, &r->summary->records, &undecided, err);
    r->summary->left_out += undecided;
    if (status == PLUMB_OK) return PLUMB_OK;
    /* Nothing is left of an import that failed. */
    if (taxonomy) (void)unlink(o->taxonomy_path);
    if (report) (void)unlink(o->report_path);
    return status;
}

plumb_status plumb_import(const plumb_import_options *options, plumb_import_summary *summary,
                          plumb_error *err)
{
    plumb__reading r = {.options = options, .summary = summary};
    plumb__consensus agreed = {0};
    json_t **names = NULL;
    plumb_error own = {0};
    if (err == NULL) err = &own; /* refused rows are told by their message */
    *summary = (plumb_import_summary){.size = sizeof *summary, .version = 1, .alpha = NAN};
    plumb_status status = check_options(options, err);
    if (status == PLUMB_OK) status = plumb__crypto_init(err);
    if (status == PLUMB_OK) status = read_input(&r, err);
    if (status == PLUMB_OK) status = check_labels(&r, err);
    if (status == PLUMB_OK)
        status = plumb__consensus_reach(&r.collection, options->consensus, &agreed, err);
    if (status == PLUMB_OK) {
        status = plumb__annotator_names(&r.collection, options->pseudonym_key_path,
                                        options->keep_annotators, &names, err);
    }
    if (status == PLUMB_OK) status = write_output(&r, &agreed, names, err);
    if (status == PLUMB_OK) summarise(&r, &agreed);
    plumb__annotator_names_free(names, r.collection.annotators.n);
    plumb__consensus_free(&agreed);
    plumb__collection_free(&r.collection);
    plumb__mapping_free(&r.mapping);
    return status;
}
