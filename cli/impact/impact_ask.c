/* Finding the runs and asking each. */
#include "cli/impact/impact.h"
#include "manifest/plumb_state.h"
#include "provenance/plumb_impact.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct asking {
    const plumb__impact_request *request;
    plumb_trust *trust;
    json_t *runs;
    plumb__texts seen; /* resolved paths that were asked already */
} asking;

/* ---- one run ------------------------------------------------------------------------------ */

static json_t *layers_json(const plumb_impact *impact, size_t n)
{
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++) {
        const plumb_impact_layer l = plumb_impact_layer_at(impact, i);
        json_array_append_new(
            out, json_pack("{s:s,s:f,s:f,s:f,s:I,s:I,s:I,s:I}", "layer", l.name, "depth", l.depth,
                           "spend_nats", l.spend_nats, "share", l.share, "units",
                           (json_int_t)l.units, "steps", (json_int_t)l.steps, "first_step",
                           (json_int_t)l.first_step, "last_step", (json_int_t)l.last_step));
    }
    return out;
}

static json_t *checkpoints_json(const plumb_impact *impact, size_t n)
{
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++) {
        const plumb_impact_checkpoint c = plumb_impact_checkpoint_at(impact, i);
        json_array_append_new(out, json_pack("{s:s,s:I,s:I,s:s,s:b}", "file", c.file, "step",
                                             (json_int_t)c.step, "attempt", (json_int_t)c.attempt,
                                             "digest", c.digest, "contains", c.contains));
    }
    return out;
}

json_t *plumb__impact_json(const char *path, const plumb_impact *impact)
{
    plumb_impact_info i;
    plumb_impact_describe(impact, &i);
    json_t *out = json_pack(
        "{s:s,s:b,s:s,s:s,s:s,s:I,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:I,s:I,s:I}", "run", path,
        "reachable", 1, "run_id", i.run_id, "vendor", i.vendor, "dataset", i.dataset, "version",
        (json_int_t)i.manifest_version, "closed", i.closed, "signer_checked", i.signer_checked,
        "records_asked", (json_int_t)i.asked, "records_known", (json_int_t)i.known, "records_used",
        (json_int_t)i.used, "units", (json_int_t)i.units, "units_moved", (json_int_t)i.moved,
        "spend_nats", i.spend_nats, "share", i.share, "steps", (json_int_t)i.steps, "first_step",
        (json_int_t)i.first_step, "last_step", (json_int_t)i.last_step);
    json_object_set_new(out, "layers", layers_json(impact, i.layers));
    json_object_set_new(out, "checkpoints", checkpoints_json(impact, i.checkpoints));
    return out;
}

static void add_unreachable(asking *a, const char *path, const char *why)
{
    json_array_append_new(a->runs,
                          json_pack("{s:s,s:b,s:s}", "run", path, "reachable", 0, "why", why));
}

/* Who signed the run's manifest, by the ids its envelope names: a hint, as good as the question. */
static bool signed_by(const char *path, const char *keyid)
{
    char file[4200];
    bool found = false;
    snprintf(file, sizeof file, "%.4000s/evidence/manifest.plumb.json", path);
    json_t *envelope = json_load_file(file, 0, NULL);
    const json_t *signatures = json_object_get(envelope, "signatures");
    for (size_t i = 0; i < json_array_size(signatures); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(signatures, i), "keyid"));
        found = found || (id != NULL && strcmp(id, keyid) == 0);
    }
    json_decref(envelope);
    return found;
}

static bool is_asked_for(const asking *a, const char *path, bool started_here,
                         const plumb_impact *impact)
{
    const plumb__impact_request *r = a->request;
    plumb_impact_info info;
    plumb_impact_describe(impact, &info);
    if (r->vendor != NULL && strcmp(r->vendor, info.vendor) != 0) return false;
    if (r->dataset != NULL && strcmp(r->dataset, info.dataset) != 0) return false;
    return r->keyid == NULL || started_here || signed_by(path, r->keyid);
}

static bool is_new(asking *a, const char *path)
{
    char *resolved = realpath(path, NULL);
    const char *name = resolved != NULL ? resolved : path;
    bool is = true;
    for (size_t i = 0; i < a->seen.n; i++)
        is = is && strcmp(a->seen.list[i], name) != 0;
    if (is) (void)plumb__texts_add(&a->seen, name);
    free(resolved);
    return is;
}

static void ask_run(asking *a, const char *path, bool started_here)
{
    plumb_error err = {0};
    plumb_graph *graph = NULL;
    plumb_impact *impact = NULL;
    if (!is_new(a, path)) return;
    plumb_status status = plumb_graph_open(path, a->trust, &graph, &err);
    if (status == PLUMB_OK)
        status = plumb_graph_impact(graph, a->request->ids, a->request->n_ids, &impact, &err);
    if (status != PLUMB_OK)
        add_unreachable(a, path, err.message);
    else if (is_asked_for(a, path, started_here, impact))
        json_array_append_new(a->runs, plumb__impact_json(path, impact));
    plumb_impact_free(impact);
    plumb_graph_free(graph);
}

/* ---- which runs --------------------------------------------------------------------------- */

static plumb_status take_started(const plumb_state_run *run, void *ctx, plumb_error *err)
{
    asking *a = ctx;
    const plumb__impact_request *r = a->request;
    bool by_key = r->keyid == NULL;
    (void)err;
    for (size_t i = 0; i < run->n_keyids; i++)
        by_key = by_key || strcmp(run->keyids[i], r->keyid) == 0;
    if (!by_key || (r->vendor != NULL && strcmp(r->vendor, run->vendor) != 0) ||
        (r->dataset != NULL && strcmp(r->dataset, run->dataset) != 0))
        return PLUMB_OK;
    ask_run(a, run->path, true);
    return PLUMB_OK;
}

static bool is_bundle(const char *path)
{
    char file[4200];
    struct stat info;
    snprintf(file, sizeof file, "%.4000s/run.json", path);
    return stat(file, &info) == 0;
}

/* A folder of bundles is asked bundle by bundle, in the order of their names. */
static void ask_folder(asking *a, const char *path)
{
    struct dirent **entries = NULL;
    const int n = scandir(path, &entries, NULL, alphasort);
    bool any = false;
    for (int i = 0; i < n; i++) {
        char below[4200];
        const int length = snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && length < (int)sizeof below && is_bundle(below)) {
            ask_run(a, below, false);
            any = true;
        }
        free(entries[i]);
    }
    free(entries);
    if (!any) add_unreachable(a, path, "is no run bundle and has none in it");
}

json_t *plumb__impact_ask(const plumb__impact_request *request)
{
    plumb_error err = {0};
    plumb_state *state = NULL;
    asking a = {.request = request, .runs = json_array()};
    plumb_status status =
        request->trust != NULL ? plumb_trust_open(request->trust, &a.trust, &err) : PLUMB_OK;
    if (status == PLUMB_OK) status = plumb_state_open(plumb__cli.state, &state, &err);
    if (status == PLUMB_OK) status = plumb_state_runs(state, take_started, &a, &err);
    if (status != PLUMB_OK) add_unreachable(&a, "(runs started here)", err.message);
    for (size_t i = 0; i < request->n_dirs; i++) {
        if (is_bundle(request->dirs[i]))
            ask_run(&a, request->dirs[i], false);
        else
            ask_folder(&a, request->dirs[i]);
    }
    plumb_state_free(state);
    plumb_trust_free(a.trust);
    plumb__texts_free(&a.seen);
    return a.runs;
}
