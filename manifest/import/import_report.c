/* What is said about an import beside the records: how reliable annotators were, and the rubrics
 * and domains that a taxonomy has to define. */
#include "base/file.h"
#include "manifest/import/collect.h"

#include <math.h>

#define SMALL 0.001 /* cells of a confusion below it are left out */

static plumb_status write_json(const char *path, json_t *value, plumb_error *err)
{
    plumb__bytes text = {0};
    plumb_status status = value ? plumb__json_dump(value, &text, err)
                                : plumb__fail(err, PLUMB_ERR_NO_MEMORY, "no memory for %s", path);
    plumb__bytes_u8(&text, '\n');
    if (status == PLUMB_OK) status = plumb__bytes_check(&text, err);
    if (status == PLUMB_OK) status = plumb__file_create(path, text.data, text.size, 0644, err);
    plumb__bytes_free(&text);
    json_decref(value);
    return status;
}

/* ---- taxonomy ---- */

plumb_status plumb__taxonomy_skeleton(const plumb__collection *c, const char *path,
                                      plumb_error *err)
{
    json_t *rubrics = json_object(), *domains = json_object();
    for (size_t i = 0; i < c->n_said; i++) {
        if (c->said[i].rubric == PLUMB__NONE) continue;
        const char *name = plumb__intern_text(&c->strings, c->said[i].rubric);
        if (json_object_get(rubrics, name) == NULL)
            json_object_set_new(rubrics, name, json_object());
    }
    for (size_t i = 0; i < c->n_items; i++) {
        json_t *body = json_loadb(plumb__intern_text(&c->strings, c->items[i].body),
                                  plumb__intern_length(&c->strings, c->items[i].body), 0, NULL);
        const char *name = json_string_value(json_object_get(body, "domain"));
        if (name != NULL && json_object_get(domains, name) == NULL)
            json_object_set_new(domains, name, json_object());
        json_decref(body);
    }
    return write_json(path, json_pack("{s:o,s:o}", "rubrics", rubrics, "domains", domains), err);
}

/* ---- annotators ---- */

static json_t *number_or_null(double x)
{
    return isnan(x) ? json_null() : json_real(x);
}

static const char *label_at(const plumb__collection *c, const plumb__consensus *agreed,
                            uint32_t place)
{
    return plumb__intern_text(&c->values, agreed->order[place]);
}

/* {true value: {said: probability}} */
static json_t *confusion(const plumb__collection *c, const plumb__consensus *agreed, uint32_t who)
{
    const size_t n = agreed->n_values;
    json_t *rows = json_object();
    for (uint32_t v = 0; v < n; v++) {
        const double *row = agreed->model.confusion + ((size_t)who * n + v) * n;
        json_t *cells = json_object();
        for (uint32_t said = 0; said < n; said++) {
            if (row[said] >= SMALL)
                json_object_set_new(cells, label_at(c, agreed, said), json_real(row[said]));
        }
        json_object_set_new(rows, label_at(c, agreed, v), cells);
    }
    return rows;
}

static json_t *annotators(const plumb__collection *c, const plumb__consensus *agreed,
                          json_t *const *names)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < c->annotators.n; i++) {
        json_t *one =
            json_pack("{s:O,s:I}", "annotator", names[i], "items", (json_int_t)agreed->rated[i]);
        json_object_set_new(one, "reliability", number_or_null(agreed->reliability[i]));
        if (agreed->model.confusion != NULL && !isnan(agreed->reliability[i]))
            json_object_set_new(one, "confusion", confusion(c, agreed, i));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *method(const plumb__collection *c, const plumb__consensus *agreed,
                      plumb_import_consensus how)
{
    static const char *const names[] = {"majority", "dawid-skene", "none"};
    json_t *out = json_pack("{s:s}", "method", names[how]), *prior = json_object();
    if (agreed->model.prior != NULL) {
        for (uint32_t v = 0; v < agreed->n_values; v++)
            json_object_set_new(prior, label_at(c, agreed, v), json_real(agreed->model.prior[v]));
        json_object_set(out, "prior", prior);
        json_object_set_new(out, "rounds", json_integer(agreed->model.rounds));
        json_object_set_new(out, "not_given", json_integer((json_int_t)agreed->not_given));
        json_object_set_new(out, "smoothing", json_real(PLUMB__DS_SMOOTHING));
        json_object_set_new(out, "tolerance", json_real(PLUMB__DS_TOLERANCE));
    }
    json_decref(prior);
    return out;
}

plumb_status plumb__import_report(const plumb__collection *c, const plumb__consensus *agreed,
                                  json_t *const *names, const plumb_import_options *options,
                                  plumb_error *err)
{
    static const char *const metrics[] = {"nominal", "ordinal", "interval", "ratio"};
    const char *on = plumb__target_name(c->mapping->judged);
    json_t *report = json_pack(
        "{s:I,s:I,s:I,s:{s:s,s:s,s:o},s:o,s:o}", "items", (json_int_t)c->n_items, "annotations",
        (json_int_t)c->n_said, "repeated", (json_int_t)agreed->repeated, "agreement", "on", on,
        "metric", metrics[c->mapping->metric], "alpha", number_or_null(agreed->alpha), "consensus",
        method(c, agreed, options->consensus), "annotators", annotators(c, agreed, names));
    return write_json(options->report_path, report, err);
}
